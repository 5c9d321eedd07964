/* SPDX-License-Identifier: Apache-2.0 */
/* kassette backup: makes a Run and executes it here, or in the cluster as a Job. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/backup/backup.h"
#include "app/capture/filter.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "cmd/kind.h"
#include "cmd/launch.h"
#include "run/run.h"

struct options {
    const char *selector, *source, *ref, *path, *secret, *directory, *class, *max_freeze, *attempts,
        *ready_timeout, *name, *action, *ttl;
    struct kst_list params, namespaces, include, exclude;
    bool dry_run;
    struct kst_launch launch;
};

static void add_source(struct kst_json *spec, const struct options *options)
{
    if (!options->source && !options->directory)
        return;
    struct kst_json *source = kst_json_ensure_object(spec, "source");
    kst_json_set_str(source, "url", options->source);
    kst_json_set_str(source, "ref", options->ref);
    kst_json_set_str(source, "path", options->path);
    kst_json_set_str(source, "secretName", options->secret);
    kst_auto_free char *directory = options->directory ? realpath(options->directory, NULL) : NULL;
    kst_json_set_str(source, "directory", directory ? directory : options->directory);
}

static int add_capture(struct kst_json *spec, const struct options *options, struct kst_err **err)
{
    if (options->include.count || options->exclude.count) {
        struct kst_json *capture = kst_json_ensure_object(spec, "capture");
        kst_cmd_add_list(capture, "include", &options->include);
        kst_cmd_add_list(capture, "exclude", &options->exclude);
    }
    struct kst_filter *filter = NULL;
    int rc = kst_filter_new(kst_json_path(spec, "capture.include"),
                            kst_json_path(spec, "capture.exclude"), &filter, err);
    kst_filter_free(filter);
    return rc;
}

static int make_run(const struct kst_cmd *cmd, const struct options *options,
                    const char *application, struct kst_json **out, struct kst_err **err)
{
    const char *action = options->action ? options->action : "backup";
    kst_auto_free char *name = options->name ? kst_strdup(options->name)
                                             : kst_launch_name(application, action);
    kst_auto_json struct kst_json *run = kst_json_make(
        "{'apiVersion':'kassette.io/v1alpha1','kind':'Run','metadata':{'name':%s,'namespace':%s,"
        "'labels':{'kassette.io/application':%s}},"
        "'spec':{'action':%s,'application':{'namespace':%s}}}",
        name, cmd->home, application, action, application);
    struct kst_json *spec = kst_json_mut(run, "spec");
    kst_json_set_str(kst_json_mut(spec, "application"), "selector", options->selector);
    kst_json_set_str(spec, "snapshotClass", options->class);
    kst_json_set_str(spec, "maxFreeze", options->max_freeze);
    kst_json_set_str(spec, "readyTimeout", options->ready_timeout);
    kst_json_set_str(spec, "ttl", options->ttl);
    kst_cmd_add_list(spec, "allowedNamespaces", &options->namespaces);
    add_source(spec, options);
    long long attempts;
    if (options->attempts && (!kst_parse_int(options->attempts, &attempts) || attempts < 1))
        return kst_err_set(err, KST_E_USAGE,
                           "option --attempts: expected a number above 0, found '%s'",
                           options->attempts);
    if (options->attempts)
        kst_json_set_int(spec, "attempts", attempts);
    int rc = kst_launch_check_duration("max-freeze", options->max_freeze, err);
    if (rc == 0)
        rc = kst_launch_check_duration("ready-timeout", options->ready_timeout, err);
    if (rc == 0)
        rc = kst_launch_check_duration("ttl", options->ttl, err);
    if (rc == 0)
        rc = add_capture(spec, options, err);
    if (rc == 0)
        rc = kst_cmd_add_params(spec, &options->params, err);
    if (rc == 0)
        *out = kst_take(run);
    return rc;
}

static void print_objects(const struct kst_json *capture)
{
    const struct kst_json *kinds = kst_json_get(capture, "kinds");
    const struct kst_json *excluded = kst_json_get(capture, "excluded");
    printf("\n%-48s %s\n", "OBJECTS", "COUNT");
    for (const struct kst_json *row = kst_json_first(kinds); row; row = kst_json_next(row)) {
        const char *version = kst_json_path_str(row, "apiVersion");
        const char *slash = strchr(version, '/');
        kst_auto_free char *name = kst_asprintf("%s%s%.*s", kst_json_path_str(row, "plural"),
                                                slash ? "." : "",
                                                slash ? (int)(slash - version) : 0, version);
        printf("%-48s %lld\n", name, (long long)kst_json_path_int(row, "count", 0));
    }
    if (kst_json_len(excluded))
        printf("\n%-48s %s\n", "LEFT OUT", "COUNT");
    for (const struct kst_json *row = kst_json_first(excluded); row; row = kst_json_next(row)) {
        int64_t count = 0;
        kst_json_int(row, &count);
        printf("%-48s %lld\n", kst_json_key(row), (long long)count);
    }
}

static void print_plan(const struct kst_json *run, const struct kst_json *status)
{
    const struct kst_json *source = kst_json_get(status, "source");
    printf("Run %s would back up namespace %s\n", kst_json_path_str(run, "metadata.name"),
           kst_json_path_str(run, "spec.application.namespace"));
    if (kst_json_path_str(source, "url"))
        printf("blueprints from %s at commit %s\n", kst_json_path_str(source, "url"),
               kst_json_path_str(source, "commit"));
    else
        printf("blueprints: %s\n",
               kst_json_path_str(source, "builtin") ? "the built-in ones" : "a folder");
    const struct kst_json *rows = kst_json_get(status, "bindings");
    printf("\n%-32s %-16s %-12s %s\n", "WORKLOAD", "BLUEPRINT", "BECAUSE", "VOLUMES");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        printf("%-32s %-16s %-12s ", kst_json_path_str(row, "workload"),
               kst_json_path_str(row, "blueprint"), kst_json_path_str(row, "because"));
        const char *comma = "";
        const struct kst_json *claims = kst_json_get(row, "claims");
        for (const struct kst_json *claim = kst_json_first(claims); claim;
             claim = kst_json_next(claim)) {
            printf("%s%s", comma, kst_json_str(claim));
            comma = ",";
        }
        printf("\n");
    }
    rows = kst_json_get(status, "volumes");
    printf("\n%-32s %-10s %-20s %s\n", "VOLUME", "SIZE", "SNAPSHOT CLASS", "DRIVER");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        const char *size = kst_json_path_str(row, "size");
        printf("%-32s %-10s %-20s %s\n", kst_json_path_str(row, "claim"), size ? size : "",
               kst_json_path_str(row, "snapshotClass"), kst_json_path_str(row, "driver"));
    }
    print_objects(kst_json_get(status, "capture"));
    printf("\nNothing was changed.\n");
}

static int backup(struct kst_cmd *cmd, const struct options *options, struct kst_err **err)
{
    int rc = kst_cmd_want_args(cmd, cmd->ns ? 0 : 1, 1, err);
    if (rc < 0)
        return rc;
    const char *application = cmd->args[0] ? cmd->args[0] : cmd->ns;
    if (cmd->args[0] && cmd->ns && strcmp(cmd->args[0], cmd->ns) != 0)
        return kst_err_set(err, KST_E_USAGE,
                           "the application is named twice: %s and --namespace %s", cmd->args[0],
                           cmd->ns);
    struct kst_kube *kube = NULL;
    kst_auto_json struct kst_json *run = NULL;
    rc = make_run(cmd, options, application, &run, err);
    if (rc == 0)
        rc = kst_cmd_kube(cmd, &kube, err);
    if (rc < 0)
        return rc;
    if (options->dry_run)
        return kst_launch_dry_run(cmd, kube, run, kst_backup_preview, print_plan, err);
    rc = kst_launch(cmd, kube, &options->launch, run, err);
    if (rc == 0 && !options->action && !options->launch.no_wait &&
        (cmd->output == KST_OUTPUT_TEXT || cmd->output == KST_OUTPUT_WIDE))
        kst_kind_tell_point(kube, cmd->home, kst_json_path_str(run, "metadata.name"));
    return rc;
}

int kst_cmd_backup(struct kst_cmd *cmd, struct kst_err **err)
{
    struct options options = {0};
    const struct kst_option table[] = {
        {'l', "selector", "SELECTOR", KST_OPTION_STRING, &options.selector,
         "only the workloads with these labels"},
        {0, "source", "URL", KST_OPTION_STRING, &options.source,
         "Git repository of the blueprints (default: the built-in ones)"},
        {0, "ref", "REF", KST_OPTION_STRING, &options.ref, "its branch, tag or commit"},
        {0, "path", "PATH", KST_OPTION_STRING, &options.path, "the folder in it"},
        {0, "source-secret", "NAME", KST_OPTION_STRING, &options.secret,
         "Secret with its credentials, where Runs live"},
        {0, "blueprints", "DIR", KST_OPTION_STRING, &options.directory,
         "a folder of this machine instead, for authors"},
        {'p', "param", "NAME=VALUE", KST_OPTION_LIST, &options.params,
         "a blueprint's parameter; also BLUEPRINT.NAME and KIND/WORKLOAD.NAME"},
        {0, "include", "PATTERN", KST_OPTION_LIST, &options.include,
         "only objects like these: RESOURCE[/NAME][?LABELS], such as secrets/db-.*"},
        {0, "exclude", "PATTERN", KST_OPTION_LIST, &options.exclude, "no objects like these"},
        {0, "snapshot-class", "NAME", KST_OPTION_STRING, &options.class,
         "the VolumeSnapshotClass of all volumes"},
        {0, "max-freeze", "DURATION", KST_OPTION_STRING, &options.max_freeze,
         "how long the application may be frozen (default 30s)"},
        {0, "attempts", "N", KST_OPTION_STRING, &options.attempts,
         "how often to try the freeze (default 2)"},
        {0, "ready-timeout", "DURATION", KST_OPTION_STRING, &options.ready_timeout,
         "how long snapshots may take to be ready (default 10m)"},
        {0, "allow-namespace", "NAMESPACE", KST_OPTION_LIST, &options.namespaces,
         "another namespace that blueprints may act in"},
        {0, "action", "NAME", KST_OPTION_STRING, &options.action,
         "run an action of the blueprints' own instead"},
        {0, "name", "NAME", KST_OPTION_STRING, &options.name, "the Run's name"},
        {0, "ttl", "DURATION", KST_OPTION_STRING, &options.ttl,
         "when the restore point expires (default: never)"},
        {0, "dry-run", NULL, KST_OPTION_FLAG, &options.dry_run, "print the plan, change nothing"},
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
        rc = backup(cmd, &options, err);
    kst_list_release(&options.params);
    kst_list_release(&options.namespaces);
    kst_list_release(&options.include);
    kst_list_release(&options.exclude);
    return rc < 0 ? rc : 0;
}
