/* SPDX-License-Identifier: Apache-2.0 */
/* kassette get: lists Runs as kubectl lists objects. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "kube/client.h"
#include "kube/resource.h"

enum { COLUMNS = 9, CELL = 128 };

struct table {
    char (*rows)[COLUMNS][CELL];
    size_t count;
    int columns;
};

static void add_row(struct table *table, const char *const *cells)
{
    table->rows = kst_realloc(table->rows, (table->count + 1) * sizeof(*table->rows));
    for (int i = 0; i < table->columns; i++)
        snprintf(table->rows[table->count][i], CELL, "%s", cells[i] && *cells[i] ? cells[i] : "-");
    table->count++;
}

static void print_table(const struct table *table)
{
    int widths[COLUMNS] = {0};
    for (size_t row = 0; row < table->count; row++) {
        for (int i = 0; i < table->columns; i++) {
            int len = (int)strlen(table->rows[row][i]);
            widths[i] = len > widths[i] ? len : widths[i];
        }
    }
    for (size_t row = 0; row < table->count; row++) {
        for (int i = 0; i + 1 < table->columns; i++)
            printf("%-*s   ", widths[i], table->rows[row][i]);
        printf("%s\n", table->rows[row][table->columns - 1]);
    }
}

static void age_of(const struct kst_json *run, char *out)
{
    int64_t created_us = 0;
    out[0] = '\0';
    if (kst_time_parse_us(kst_json_path_str(run, "metadata.creationTimestamp"), &created_us))
        kst_duration_format((kst_wall_us() - created_us) / 1000000 * 1000, out);
}

static void add_run(struct table *table, const struct kst_json *run, bool wide)
{
    char age[KST_TIME_TEXT], freeze[KST_TIME_TEXT] = "", attempt[32] = "", volumes[32] = "";
    age_of(run, age);
    const struct kst_json *status = kst_json_get(run, "status");
    if (kst_json_path(status, "freeze.durationMs"))
        kst_duration_format(kst_json_path_int(status, "freeze.durationMs", 0), freeze);
    if (kst_json_get(status, "attempt"))
        snprintf(attempt, sizeof(attempt), "%lld",
                 (long long)kst_json_path_int(status, "attempt", 0));
    if (kst_json_get(status, "volumes"))
        snprintf(volumes, sizeof(volumes), "%zu", kst_json_len(kst_json_get(status, "volumes")));
    const char *phase = kst_json_path_str(status, "phase");
    const char *commit = kst_json_path_str(status, "source.commit");
    kst_auto_free char *short_commit = commit ? kst_strndup(commit, strnlen(commit, 12)) : NULL;
    const char *const cells[COLUMNS] = {
        kst_json_path_str(run, "metadata.name"),
        kst_json_path_str(run, "spec.action"),
        kst_json_path_str(run, "spec.application.namespace"),
        phase ? phase : "Pending",
        freeze,
        age,
        wide ? attempt : NULL,
        wide ? volumes : NULL,
        wide ? short_commit : NULL,
    };
    add_row(table, cells);
}

static bool wanted(const struct kst_cmd *cmd, const struct kst_json *run)
{
    const char *ns = kst_json_path_str(run, "spec.application.namespace");
    return !cmd->ns || (ns && strcmp(ns, cmd->ns) == 0);
}

/* The Runs that are asked for, as an array: named ones in their order, else all of the application.
 */
static int find_runs(struct kst_cmd *cmd, struct kst_kube *kube, const char *selector,
                     struct kst_json **out, struct kst_err **err)
{
    kst_auto_json struct kst_json *runs = kst_json_array();
    for (size_t i = 0; cmd->args[i]; i++) {
        struct kst_json *run = NULL;
        int rc = kst_kube_get(kube, &kst_res_runs, cmd->home, cmd->args[i], &run, err);
        if (rc < 0)
            return rc;
        kst_json_push(runs, run);
    }
    if (!cmd->args[0]) {
        const struct kst_kube_list_options options = {.label_selector = selector};
        kst_auto_json struct kst_json *all = NULL;
        int rc = kst_kube_list(kube, &kst_res_runs, cmd->home, &options, &all, NULL, err);
        if (rc < 0)
            return rc;
        for (const struct kst_json *run = kst_json_first(all); run; run = kst_json_next(run)) {
            if (wanted(cmd, run))
                kst_json_push(runs, kst_json_dup(run));
        }
    }
    *out = kst_take(runs);
    return 0;
}

static void print_runs(const struct kst_cmd *cmd, const struct kst_json *runs)
{
    bool wide = cmd->output == KST_OUTPUT_WIDE;
    struct table table = {.columns = wide ? 9 : 6};
    const char *const head[COLUMNS] = {"NAME", "ACTION",  "APPLICATION", "PHASE", "FREEZE",
                                       "AGE",  "ATTEMPT", "VOLUMES",     "COMMIT"};
    add_row(&table, head);
    for (const struct kst_json *run = kst_json_first(runs); run; run = kst_json_next(run))
        add_run(&table, run, wide);
    if (table.count > 1)
        print_table(&table);
    else
        fprintf(stderr, "No Runs found in %s.\n", cmd->home);
    free(table.rows);
}

static int get(struct kst_cmd *cmd, const char *selector, struct kst_err **err)
{
    struct kst_kube *kube = NULL;
    kst_auto_json struct kst_json *runs = NULL;
    int rc = kst_cmd_kube(cmd, &kube, err);
    if (rc == 0)
        rc = find_runs(cmd, kube, selector, &runs, err);
    if (rc < 0)
        return rc;
    if (cmd->output == KST_OUTPUT_NAME) {
        for (const struct kst_json *run = kst_json_first(runs); run; run = kst_json_next(run))
            printf("run.kassette.io/%s\n", kst_json_path_str(run, "metadata.name"));
        return 0;
    }
    if (cmd->output == KST_OUTPUT_JSON || cmd->output == KST_OUTPUT_YAML) {
        if (cmd->args[0] && !cmd->args[1])
            return kst_cmd_print(cmd, kst_json_at(runs, 0), err);
        kst_auto_json struct kst_json *list = kst_json_make(
            "{'apiVersion':'v1','kind':'List','items':%J}", runs);
        return kst_cmd_print(cmd, list, err);
    }
    print_runs(cmd, runs);
    return 0;
}

/* "get runs" and "get run NAME", as people are used to from kubectl. */
static bool is_kind(const char *word)
{
    static const char *const words[] = {"run", "runs", "run.kassette.io", "runs.kassette.io"};
    for (size_t i = 0; i < KST_ARRAY_LEN(words); i++) {
        if (strcmp(word, words[i]) == 0)
            return true;
    }
    return false;
}

int kst_cmd_get(struct kst_cmd *cmd, struct kst_err **err)
{
    const char *selector = NULL;
    bool all = false;
    const struct kst_option table[] = {
        {'l', "selector", "SELECTOR", KST_OPTION_STRING, &selector, "only Runs with these labels"},
        {'A', "all-namespaces", NULL, KST_OPTION_FLAG, &all,
         "Runs of the applications of all namespaces (the default without -n)"},
        {0, NULL, NULL, KST_OPTION_FLAG, NULL, NULL},
    };
    int rc = kst_cmd_parse(cmd, table, err);
    if (rc > 0)
        return 0;
    if (all)
        cmd->ns = NULL;
    if (rc == 0 && cmd->args[0] && is_kind(cmd->args[0]))
        cmd->args++;
    return rc < 0 ? rc : get(cmd, selector, err);
}
