/* SPDX-License-Identifier: Apache-2.0 */
/* kassette restore: makes a Run that brings a restore point back, and executes it. */
#include "app/restore/restore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/point/point.h"
#include "app/restore/report.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "cmd/launch.h"
#include "run/run.h"

enum {
    TRANSFORM_BYTES = 256 * 1024, /* of one file: it is kept in the Run */
};

struct options {
    const char *to_namespace, *on_conflict, *preserve, *ready_timeout, *name;
    struct kst_list include, exclude, volumes, storage_classes, renames, transforms, params,
        namespaces;
    bool only_data, only_objects, service_dns, dry_run;
    struct kst_launch launch;
};

/* OLD=NEW, several times, into an object. */
static int add_map(struct kst_json *spec, const char *key, const char *option,
                   const struct kst_list *list, struct kst_err **err)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *text = list->items[i], *equals = strchr(text, '=');
        if (!equals || equals == text || !equals[1])
            return kst_err_set(err, KST_E_USAGE, "option --%s: expected OLD=NEW, found '%s'",
                               option, text);
        kst_auto_free char *old = kst_strndup(text, (size_t)(equals - text));
        kst_json_set_str(kst_json_ensure_object(spec, key), old, equals + 1);
    }
    return 0;
}

static int add_transforms(struct kst_json *spec, const struct kst_list *list, struct kst_err **err)
{
    for (size_t i = 0; i < list->count; i++) {
        kst_auto_buf text = KST_BUF_INIT(TRANSFORM_BYTES);
        int rc = kst_buf_read_file(&text, list->items[i], err);
        if (rc < 0)
            return kst_err_wrap(err, KST_E_USAGE, "option --transform");
        kst_json_push(kst_json_ensure_array(spec, "transforms"),
                      kst_json_make("{'name':%s,'text':%s}", list->items[i], text.data));
    }
    return 0;
}

static int add_preserve(struct kst_json *spec, const char *text, struct kst_err **err)
{
    static const char *const known[] = {"nodePorts", "clusterIPs", "status"};
    struct kst_str rest = kst_str_of(text), part;
    while (text && kst_str_split(&rest, ',', &part)) {
        size_t i = 0;
        while (i < KST_ARRAY_LEN(known) && !kst_str_eq(kst_str_trim(part), known[i]))
            i++;
        if (i == KST_ARRAY_LEN(known))
            return kst_err_set(err, KST_E_USAGE,
                               "option --preserve: expected nodePorts, clusterIPs or status, found "
                               "'%.*s'",
                               (int)part.len, part.data);
        kst_json_push(kst_json_ensure_array(spec, "preserve"), kst_json_from_str(known[i]));
    }
    return 0;
}

static int check(const struct options *options, struct kst_err **err)
{
    static const char *const policies[] = {"fail", "skip", "replace", "merge"};
    size_t i = 0;
    while (options->on_conflict && i < KST_ARRAY_LEN(policies) &&
           strcmp(policies[i], options->on_conflict) != 0)
        i++;
    if (i == KST_ARRAY_LEN(policies))
        return kst_err_set(err, KST_E_USAGE,
                           "option --on-conflict: expected fail, skip, replace or merge, found "
                           "'%s'",
                           options->on_conflict);
    if (options->only_objects && (options->only_data || options->volumes.count))
        return kst_err_set(err, KST_E_USAGE,
                           "--only-objects leaves data out, --only-data and --volume everything "
                           "else: choose one");
    return kst_launch_check_duration("ready-timeout", options->ready_timeout, err);
}

/* spec.restore. */
static int add_wishes(struct kst_json *spec, const struct options *options, struct kst_err **err)
{
    struct kst_json *restore = kst_json_ensure_object(spec, "restore");
    kst_cmd_add_list(restore, "include", &options->include);
    kst_cmd_add_list(restore, "exclude", &options->exclude);
    kst_cmd_add_list(restore, "volumes", &options->volumes);
    if (options->only_data)
        kst_json_set_bool(restore, "onlyData", true);
    if (options->only_objects)
        kst_json_set_bool(restore, "onlyObjects", true);
    if (options->service_dns)
        kst_json_set_bool(restore, "serviceDNS", true);
    kst_json_set_str(restore, "onConflict", options->on_conflict);
    int rc = add_map(restore, "storageClasses", "storage-class", &options->storage_classes, err);
    if (rc == 0)
        rc = add_map(restore, "rename", "rename", &options->renames, err);
    if (rc == 0)
        rc = add_preserve(restore, options->preserve, err);
    if (rc == 0)
        rc = add_transforms(restore, &options->transforms, err);
    return rc;
}

static int make_run(const struct kst_cmd *cmd, const struct options *options,
                    const struct kst_json *point, struct kst_json **out, struct kst_err **err)
{
    const char *from = kst_json_path_str(point, "spec.application.namespace");
    const char *target = options->to_namespace ? options->to_namespace : from;
    kst_auto_free char *name = options->name ? kst_strdup(options->name)
                                             : kst_launch_name(target, "restore");
    kst_auto_json struct kst_json *run = kst_json_make(
        "{'apiVersion':'kassette.io/v1alpha1','kind':'Run','metadata':{'name':%s,'namespace':%s,"
        "'labels':{'kassette.io/application':%s}},'spec':{'action':'restore','restorePoint':%s,"
        "'application':{'namespace':%s}}}",
        name, cmd->home, target, kst_json_path_str(point, "metadata.name"), target);
    struct kst_json *spec = kst_json_mut(run, "spec");
    kst_json_set_str(spec, "readyTimeout", options->ready_timeout);
    kst_cmd_add_list(spec, "allowedNamespaces", &options->namespaces);
    int rc = add_wishes(spec, options, err);
    if (rc == 0)
        rc = kst_cmd_add_params(spec, &options->params, err);
    if (rc == 0)
        *out = kst_take(run);
    return rc;
}

/* ---- the plan, for people ---- */

static const char *text_of(const struct kst_json *row, const char *key)
{
    const char *text = kst_json_path_str(row, key);
    return text ? text : "";
}

static void print_volumes(const struct kst_json *status)
{
    const struct kst_json *rows = kst_json_path(status, "restore.volumes");
    if (kst_json_len(rows) == 0)
        return;
    printf("\n%-32s %-8s %-10s %-16s %s\n", "VOLUME", "ACTION", "SIZE", "STORAGE CLASS", "FROM");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        const char *message = kst_json_path_str(row, "message");
        printf("%-32s %-8s %-10s %-16s %s%s%s\n", text_of(row, "target"), text_of(row, "action"),
               text_of(row, "size"), text_of(row, "storageClass"), text_of(row, "snapshot"),
               message ? "  " : "", message ? message : "");
    }
}

void kst_cmd_print_report(const struct kst_json *rows)
{
    int widest = 6;
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        int len = (int)(strlen(text_of(row, "kind")) + strlen(text_of(row, "name"))) + 1;
        widest = len > widest ? len : widest;
    }
    widest = widest > 60 ? 60 : widest;
    printf("%-10s %-*s %s\n", "ACTION", widest, "OBJECT", "REASON");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        kst_auto_free char *name = kst_asprintf("%s/%s", text_of(row, "kind"),
                                                text_of(row, "name"));
        printf("%-10s %-*s %s\n", text_of(row, "deed"), widest, name, text_of(row, "reason"));
        if (kst_json_path_str(row, "hint"))
            printf("%-10s %-*s %s\n", "", widest, "", text_of(row, "hint"));
    }
}

static void print_counts(const struct kst_json *rows)
{
    kst_auto_json struct kst_json *counts = kst_json_object();
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        const char *deed = text_of(row, "deed");
        kst_json_set_int(counts, deed, kst_json_path_int(counts, deed, 0) + 1);
    }
    const char *comma = "";
    for (const struct kst_json *e = kst_json_first(counts); e; e = kst_json_next(e)) {
        printf("%s%s %s", comma, kst_json_number(e), kst_json_key(e));
        comma = ", ";
    }
    printf("%s\n", *comma ? "" : "nothing to do");
}

static void print_plan(const struct kst_json *run, const struct kst_json *status)
{
    const struct kst_json *rows = kst_json_path(status, "restore.objects");
    printf("Run %s would restore %s into namespace %s\n\n", kst_json_path_str(run, "metadata.name"),
           kst_json_path_str(run, "spec.restorePoint"),
           kst_json_path_str(run, "spec.application.namespace"));
    kst_cmd_print_report(rows);
    print_volumes(status);
    printf("\n");
    print_counts(rows);
    if (kst_json_path_int(status, "restore.leftOut", 0))
        printf("%lld objects are left out by --include and --exclude\n",
               (long long)kst_json_path_int(status, "restore.leftOut", 0));
    printf("Nothing was changed.\n");
}

static int restore(struct kst_cmd *cmd, const struct options *options, struct kst_err **err)
{
    struct kst_kube *kube = NULL;
    kst_auto_json struct kst_json *point = NULL, *run = NULL;
    int rc = kst_cmd_want_args(cmd, 1, 1, err);
    if (rc == 0)
        rc = check(options, err);
    if (rc == 0 && cmd->ns)
        rc = kst_err_set(err, KST_E_USAGE,
                         "a restore point knows its namespace; another one is named with "
                         "--to-namespace");
    if (rc == 0)
        rc = kst_cmd_kube(cmd, &kube, err);
    if (rc == 0)
        rc = kst_point_get(kube, cmd->home, cmd->args[0], true, &point, err);
    if (rc == 0)
        rc = make_run(cmd, options, point, &run, err);
    if (rc < 0)
        return rc;
    return options->dry_run ? kst_launch_dry_run(cmd, kube, run, kst_restore_plan, print_plan, err)
                            : kst_launch(cmd, kube, &options->launch, run, err);
}

static void release(struct options *options)
{
    struct kst_list *const lists[] = {&options->include, &options->exclude,
                                      &options->volumes, &options->storage_classes,
                                      &options->renames, &options->transforms,
                                      &options->params,  &options->namespaces};
    for (size_t i = 0; i < KST_ARRAY_LEN(lists); i++)
        kst_list_release(lists[i]);
}

int kst_cmd_restore(struct kst_cmd *cmd, struct kst_err **err)
{
    struct options options = {0};
    const struct kst_option table[] = {
        {0, "to-namespace", "NAMESPACE", KST_OPTION_STRING, &options.to_namespace,
         "restore into this namespace; references inside of objects follow"},
        {0, "include", "PATTERN", KST_OPTION_LIST, &options.include,
         "only objects like RESOURCE[/NAME][?LABELS]; may be repeated"},
        {0, "exclude", "PATTERN", KST_OPTION_LIST, &options.exclude, "no such objects"},
        {0, "only-data", NULL, KST_OPTION_FLAG, &options.only_data,
         "volumes alone; what is in them is replaced"},
        {0, "only-objects", NULL, KST_OPTION_FLAG, &options.only_objects,
         "objects alone; claims that are missing are made empty"},
        {0, "volume", "CLAIM", KST_OPTION_LIST, &options.volumes,
         "the data of this claim alone; may be repeated"},
        {0, "storage-class", "OLD=NEW", KST_OPTION_LIST, &options.storage_classes,
         "claims of class OLD get class NEW"},
        {0, "rename", "OLD=NEW", KST_OPTION_LIST, &options.renames,
         "objects (or KIND/OLD) get another name; references follow"},
        {0, "on-conflict", "POLICY", KST_OPTION_STRING, &options.on_conflict,
         "for what is there and differs: fail (default), skip, replace or merge"},
        {0, "transform", "FILE", KST_OPTION_LIST, &options.transforms,
         "change objects by a Lua function or JSON patches"},
        {0, "preserve", "LIST", KST_OPTION_STRING, &options.preserve,
         "keep nodePorts, clusterIPs, status"},
        {0, "rewrite-service-dns", NULL, KST_OPTION_FLAG, &options.service_dns,
         "with --to-namespace: also NAME.OLD.svc in texts"},
        {0, "ready-timeout", "DURATION", KST_OPTION_STRING, &options.ready_timeout,
         "how long workloads may take to be ready (default 10m)"},
        {'p', "param", "NAME=VALUE", KST_OPTION_LIST, &options.params,
         "a parameter of the blueprints that made the point"},
        {0, "allow-namespace", "NAMESPACE", KST_OPTION_LIST, &options.namespaces,
         "another namespace that blueprints may act in"},
        {0, "name", "NAME", KST_OPTION_STRING, &options.name, "the Run's name"},
        {0, "dry-run", NULL, KST_OPTION_FLAG, &options.dry_run,
         "print what would be created, changed and skipped, and why"},
        {0, "in-cluster", NULL, KST_OPTION_FLAG, &options.launch.in_cluster, "execute it as a Job"},
        {0, "trace", NULL, KST_OPTION_FLAG, &options.launch.trace,
         "tell every request, command and answer (they may hold secrets)"},
        {0, "no-wait", NULL, KST_OPTION_FLAG, &options.launch.no_wait, "do not wait for the Job"},
        {0, "image", "IMAGE", KST_OPTION_STRING, &options.launch.image,
         "the Job's image (default: $KASSETTE_IMAGE)"},
        {0, NULL, NULL, KST_OPTION_FLAG, NULL, NULL},
    };
    cmd->patient = true;
    int rc = kst_cmd_parse(cmd, table, err);
    if (rc == 0)
        rc = restore(cmd, &options, err);
    release(&options);
    return rc < 0 ? rc : 0;
}
