/* SPDX-License-Identifier: Apache-2.0 */
/* kassette get: lists Runs and RestorePoints as kubectl lists objects. */
#include <stdio.h>
#include <string.h>

#include "app/point/point.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "cmd/kind.h"
#include "kube/client.h"
#include "kube/resource.h"

static bool wanted(const struct kst_cmd *cmd, const struct kst_json *object)
{
    const char *ns = kst_json_path_str(object, "spec.application.namespace");
    return !cmd->ns || (ns && strcmp(ns, cmd->ns) == 0);
}

/* Those that are named, in their order. */
static int find_named(struct kst_cmd *cmd, struct kst_kube *kube, const struct kst_kind *kind,
                      struct kst_json *out, struct kst_err **err)
{
    for (size_t i = 0; cmd->args[i]; i++) {
        struct kst_json *object = NULL;
        int rc = kind == &kst_kind_point
                     ? kst_point_get(kube, cmd->home, cmd->args[i], false, &object, err)
                     : kst_kube_get(kube, kind->resource, cmd->home, cmd->args[i], &object, err);
        if (rc < 0)
            return rc;
        kst_json_push(out, object);
    }
    return 0;
}

/* The objects that are asked for, as an array: named ones, else all of the application. */
static int find(struct kst_cmd *cmd, struct kst_kube *kube, const struct kst_kind *kind,
                const char *selector, struct kst_json **out, struct kst_err **err)
{
    kst_auto_json struct kst_json *found = kst_json_array(), *all = NULL;
    const struct kst_kube_list_options options = {.label_selector = selector};
    int rc = cmd->args[0]
                 ? find_named(cmd, kube, kind, found, err)
                 : kst_kube_list(kube, kind->resource, cmd->home, &options, &all, NULL, err);
    if (rc < 0)
        return rc;
    for (const struct kst_json *object = kst_json_first(all); object;
         object = kst_json_next(object)) {
        if (wanted(cmd, object))
            kst_json_push(found, kst_json_dup(object));
    }
    *out = kst_take(found);
    return 0;
}

static int get(struct kst_cmd *cmd, const struct kst_kind *kind, const char *selector,
               struct kst_err **err)
{
    struct kst_kube *kube = NULL;
    kst_auto_json struct kst_json *objects = NULL;
    int rc = kst_cmd_kube(cmd, &kube, err);
    if (rc == 0)
        rc = find(cmd, kube, kind, selector, &objects, err);
    if (rc < 0)
        return rc;
    if (cmd->output == KST_OUTPUT_NAME) {
        for (const struct kst_json *object = kst_json_first(objects); object;
             object = kst_json_next(object))
            printf("%s.%s/%s\n", kind->resource->singular, kind->resource->group,
                   kst_json_path_str(object, "metadata.name"));
        return 0;
    }
    if (cmd->output == KST_OUTPUT_JSON || cmd->output == KST_OUTPUT_YAML) {
        if (cmd->args[0] && !cmd->args[1])
            return kst_cmd_print(cmd, kst_json_at(objects, 0), err);
        kst_auto_json struct kst_json *list = kst_json_make(
            "{'apiVersion':'v1','kind':'List','items':%J}", objects);
        return kst_cmd_print(cmd, list, err);
    }
    if (kst_json_len(objects))
        kst_kind_print(kind, objects, cmd->output == KST_OUTPUT_WIDE);
    else
        fprintf(stderr, "No %ss found in %s.\n", kind->resource->kind, cmd->home);
    return 0;
}

int kst_cmd_get(struct kst_cmd *cmd, struct kst_err **err)
{
    const char *selector = NULL;
    bool all = false;
    const struct kst_option table[] = {
        {'l', "selector", "SELECTOR", KST_OPTION_STRING, &selector, "only those with these labels"},
        {'A', "all-namespaces", NULL, KST_OPTION_FLAG, &all,
         "those of the applications of all namespaces (the default without -n)"},
        {0, NULL, NULL, KST_OPTION_FLAG, NULL, NULL},
    };
    int rc = kst_cmd_parse(cmd, table, err);
    if (rc > 0)
        return 0;
    if (all)
        cmd->ns = NULL;
    return rc < 0 ? rc : get(cmd, kst_kind_take(cmd, &kst_kind_run, true), selector, err);
}
