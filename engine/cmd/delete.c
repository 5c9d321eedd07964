/* SPDX-License-Identifier: Apache-2.0 */
/* kassette delete: removes RestorePoints with their snapshots. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/point/point.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "cmd/kind.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "loop/fiber.h"

struct options {
    bool expired, yes;
};

/* Expired, or deleted by somebody and waiting for an engine to remove its snapshots. */
static bool is_due(const struct kst_json *point)
{
    int64_t at_us = 0;
    if (kst_json_path_str(point, "metadata.deletionTimestamp"))
        return true;
    return kst_time_parse_us(kst_json_path_str(point, "spec.expiresAt"), &at_us) &&
           at_us <= kst_wall_us();
}

static bool is_of(const struct kst_json *point, const char *application)
{
    const char *ns = kst_json_path_str(point, "spec.application.namespace");
    return !application || (ns && strcmp(ns, application) == 0);
}

static int find_due(struct kst_cmd *cmd, struct kst_kube *kube, struct kst_json *out,
                    struct kst_err **err)
{
    kst_auto_json struct kst_json *all = NULL;
    int rc = kst_kube_list(kube, &kst_res_restorepoints, cmd->home, NULL, &all, NULL, err);
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        if (is_due(row) && is_of(row, cmd->ns))
            kst_json_push(out, kst_json_dup(row));
    }
    return rc;
}

static int find_named(struct kst_cmd *cmd, struct kst_kube *kube, struct kst_json *out,
                      struct kst_err **err)
{
    for (size_t i = 0; cmd->args[i]; i++) {
        struct kst_json *point = NULL;
        int rc = kst_point_get(kube, cmd->home, cmd->args[i], false, &point, err);
        if (rc < 0)
            return rc;
        kst_json_push(out, point);
    }
    return 0;
}

/* Yields until a line was typed. */
static int ask(const struct kst_json *points, bool *yes, struct kst_err **err)
{
    char answer[16] = "";
    kst_kind_print(&kst_kind_point, points, false);
    printf("Delete %s with %s snapshots? [y/N] ", kst_json_len(points) == 1 ? "it" : "them",
           kst_json_len(points) == 1 ? "its" : "their");
    fflush(stdout);
    int rc = kst_wait_fd(STDIN_FILENO, POLLIN, KST_NEVER, err);
    if (rc < 0)
        return rc;
    *yes = fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
    if (!*yes)
        printf("Nothing was deleted.\n");
    return 0;
}

static int delete_one(struct kst_cmd *cmd, struct kst_kube *kube, const struct kst_json *point,
                      struct kst_err **err)
{
    const char *name = kst_json_path_str(point, "metadata.name");
    int rc = kst_point_delete(kube, cmd->home, name, err);
    if (rc < 0)
        return rc;
    if (cmd->output == KST_OUTPUT_NAME)
        printf("restorepoint.kassette.io/%s\n", name);
    else if (cmd->output == KST_OUTPUT_TEXT || cmd->output == KST_OUTPUT_WIDE)
        printf("RestorePoint %s/%s is deleted with its snapshots\n", cmd->home, name);
    fflush(stdout);
    return 0;
}

/* One that cannot be deleted does not keep the others. */
static int delete_all(struct kst_cmd *cmd, struct kst_kube *kube, const struct kst_json *points,
                      struct kst_err **err)
{
    size_t failed = 0, count = kst_json_len(points);
    kst_auto_json struct kst_json *deleted = kst_json_array();
    int first = 0;
    for (const struct kst_json *point = kst_json_first(points); point;
         point = kst_json_next(point)) {
        struct kst_err *cause = NULL;
        int rc = delete_one(cmd, kube, point, &cause);
        if (rc == 0)
            kst_json_push(deleted, kst_json_dup(point));
        else if (count == 1 || rc == KST_E_CANCELLED)
            return kst_err_move(err, &cause);
        if (rc < 0 && failed++ == 0)
            first = rc;
        if (rc < 0)
            fprintf(stderr, "error: %s\n", kst_err_message(cause));
        kst_err_free(cause);
    }
    if (failed)
        return kst_err_set(err, first, "%zu of %zu RestorePoints were not deleted", failed, count);
    if (cmd->output != KST_OUTPUT_JSON && cmd->output != KST_OUTPUT_YAML)
        return 0;
    kst_auto_json struct kst_json *list = kst_json_make(
        "{'apiVersion':'v1','kind':'List','items':%J}", deleted);
    return kst_cmd_print(cmd, list, err);
}

static int delete_points(struct kst_cmd *cmd, const struct options *options, struct kst_err **err)
{
    struct kst_kube *kube = NULL;
    kst_auto_json struct kst_json *points = kst_json_array();
    bool yes = options->yes || !isatty(STDIN_FILENO);
    int rc = kst_cmd_kube(cmd, &kube, err);
    if (rc == 0)
        rc = options->expired ? find_due(cmd, kube, points, err)
                              : find_named(cmd, kube, points, err);
    if (rc == 0 && kst_json_len(points) == 0)
        fprintf(stderr, "No RestorePoint has expired in %s.\n", cmd->home);
    else if (rc == 0 && !yes)
        rc = ask(points, &yes, err);
    return rc < 0 || !yes ? rc : delete_all(cmd, kube, points, err);
}

static int check_usage(struct kst_cmd *cmd, const struct options *options, struct kst_err **err)
{
    const struct kst_kind *kind = kst_kind_take(cmd, NULL, true);
    if (kind != &kst_kind_point)
        return kst_err_set(err, KST_E_USAGE, "delete: expected point NAME..., or point --expired%s",
                           kind ? "; Runs are deleted with kubectl" : "");
    if (options->expired && cmd->args[0])
        return kst_err_set(err, KST_E_USAGE, "delete: --expired takes no names, found '%s'",
                           cmd->args[0]);
    return options->expired ? 0 : kst_cmd_want_args(cmd, 1, -1, err);
}

int kst_cmd_delete(struct kst_cmd *cmd, struct kst_err **err)
{
    struct options options = {0};
    const struct kst_option table[] = {
        {0, "expired", NULL, KST_OPTION_FLAG, &options.expired,
         "those whose time is over (--ttl), and what kubectl has begun to delete"},
        {'y', "yes", NULL, KST_OPTION_FLAG, &options.yes, "do not ask on a terminal"},
        {0, NULL, NULL, KST_OPTION_FLAG, NULL, NULL},
    };
    cmd->patient = true;
    int rc = kst_cmd_parse(cmd, table, err);
    if (rc > 0)
        return 0;
    if (rc == 0)
        rc = check_usage(cmd, &options, err);
    return rc < 0 ? rc : delete_points(cmd, &options, err);
}
