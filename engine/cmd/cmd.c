/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "kube/client.h"
#include "kube/config.h"
#include "kube/resource.h"

enum { MAX_OUTPUT_BYTES = 512 * 1024 * 1024, PATIENCE_MS = 5000 };

const struct kst_command kst_commands[] = {
    {"backup", "backup NAMESPACE [-l SELECTOR]", "back up an application", NULL, kst_cmd_backup},
    {"restore", "restore POINT", "restore an application, or a part of it", NULL, kst_cmd_restore},
    {"report", "report RUN", "tell object by object what a restore did", NULL, kst_cmd_report},
    {"run", "run NAME...", "execute Runs, or resume them", NULL, kst_cmd_run},
    {"cancel", "cancel NAME", "ask a Run to stop; it thaws and cleans up first", NULL,
     kst_cmd_cancel},
    {"get", "get [runs | points] [NAME...]", "list Runs, or RestorePoints",
     "RestorePoints are called points, restorepoints or rp.\n", kst_cmd_get},
    {"describe", "describe [run | point] NAME",
     "tell what happened in a Run, or what a RestorePoint holds", NULL, kst_cmd_describe},
    {"delete", "delete point NAME...", "delete RestorePoints with their snapshots",
     "What kubectl has begun to delete waits for its snapshots to be removed, and is finished.\n",
     kst_cmd_delete},
    {"show", "show POINT [RESOURCE[/NAME][?LABELS]...]",
     "print the objects that a RestorePoint has captured",
     "POINT is a RestorePoint, or a directory with a slash in its name (./saved). RESOURCE is a\n"
     "kind, plural, singular or short name, NAME a regular expression for the whole name. -o yaml\n"
     "and -o json print the objects as they were captured, with the values of Secrets.\n",
     kst_cmd_show},
    {"save", "save POINT DIR", "write a RestorePoint and its captured objects into a directory",
     "Its snapshots are not in it, Secrets are: they can be read by you alone.\n", kst_cmd_save},
    {"load", "load DIR", "make a RestorePoint of what was saved, also in another cluster",
     "Objects can be restored from it; volumes, where their snapshots can still be reached.\n",
     kst_cmd_load},
    {"logs", "logs NAME", "show the log of a Run's Job", NULL, kst_cmd_logs},
    {"blueprint",
     "blueprint (list | show NAME | new NAME [DIR] | lint [PATH...] | test [PATH...] | run [PATH])",
     "show blueprints and their parameters; help to write them", NULL, kst_cmd_blueprint},
    {"controller", "controller", "end restore points that are deleted or expired",
     "It finishes the RestorePoints that are deleted with kubectl, and deletes those whose\n"
     "spec.expiresAt has passed, until it is told to end. Of several only one works.\n",
     kst_cmd_controller},
    {"sandbox", "sandbox [-- COMMAND...]",
     "serve a cluster from memory, for trying things out and for tests",
     "Pods run as processes of this machine, volumes are directories. With a command, it is run\n"
     "with KUBECONFIG set, and the cluster ends with it.\n",
     kst_cmd_sandbox},
    {"version", "version", "print the versions of engine, libraries and cluster", NULL,
     kst_cmd_version},
    {"help", "help [COMMAND]", "explain a command", NULL, kst_cmd_show_help},
    {NULL, NULL, NULL, NULL, NULL},
};

static const struct kst_option *common_options(struct kst_cmd *cmd)
{
    static struct kst_option table[16];
    const struct kst_option all[] = {
        {'n', "namespace", "NAMESPACE", KST_OPTION_STRING, &cmd->ns, "the application's namespace"},
        {'o', "output", "FORMAT", KST_OPTION_STRING, &cmd->output_name, "json, yaml, wide or name"},
        {0, "home", "NAMESPACE", KST_OPTION_STRING, &cmd->home,
         "where Runs live (default: $KASSETTE_NAMESPACE, or kassette)"},
        {0, "kubeconfig", "FILE", KST_OPTION_STRING, &cmd->kubeconfig, "the kubeconfig to use"},
        {0, "context", "NAME", KST_OPTION_STRING, &cmd->context, "its context to use"},
        {0, "cluster", "NAME", KST_OPTION_STRING, &cmd->cluster, "its cluster to use"},
        {0, "user", "NAME", KST_OPTION_STRING, &cmd->user, "its user to use"},
        {0, "as", "USER", KST_OPTION_STRING, &cmd->as, "user to impersonate"},
        {0, "as-group", "GROUP", KST_OPTION_LIST, &cmd->as_groups, "group to impersonate"},
        {0, "log-format", "FORMAT", KST_OPTION_STRING, &cmd->log_format, "plain or json"},
        {'v', "verbose", NULL, KST_OPTION_FLAG, &cmd->verbose, "log more"},
        {'h', "help", NULL, KST_OPTION_FLAG, &cmd->help, "show this help"},
        {0, NULL, NULL, KST_OPTION_FLAG, NULL, NULL},
    };
    memcpy(table, all, sizeof(all));
    return table;
}

const struct kst_command *kst_cmd_find(const char *name)
{
    for (const struct kst_command *command = kst_commands; command->name; command++) {
        if (strcmp(command->name, name) == 0)
            return command;
    }
    return NULL;
}

void kst_cmd_help(const struct kst_cmd *cmd, const struct kst_command *command,
                  const struct kst_option *own)
{
    printf("%s: %s\n\nUsage:\n  kassette %s [options]\n", command->name, command->summary,
           command->usage);
    if (own && own->name)
        printf("\nOptions:\n");
    kst_options_help(stdout, own);
    printf("\nCommon options:\n");
    kst_options_help(stdout, common_options((struct kst_cmd *)cmd));
}

static int parse_output(struct kst_cmd *cmd, struct kst_err **err)
{
    static const struct {
        const char *name;
        enum kst_output output;
    } formats[] = {{"json", KST_OUTPUT_JSON},
                   {"yaml", KST_OUTPUT_YAML},
                   {"wide", KST_OUTPUT_WIDE},
                   {"name", KST_OUTPUT_NAME}};
    if (!cmd->output_name)
        return 0;
    for (size_t i = 0; i < KST_ARRAY_LEN(formats); i++) {
        if (strcmp(formats[i].name, cmd->output_name) == 0) {
            cmd->output = formats[i].output;
            return 0;
        }
    }
    return kst_err_set(err, KST_E_USAGE,
                       "option --output: expected json, yaml, wide or name, found '%s'",
                       cmd->output_name);
}

static int set_up_log(const struct kst_cmd *cmd, struct kst_err **err)
{
    enum kst_log_format format = isatty(STDERR_FILENO) ? KST_LOG_PLAIN : KST_LOG_JSON;
    if (cmd->log_format && strcmp(cmd->log_format, "json") == 0)
        format = KST_LOG_JSON;
    else if (cmd->log_format && strcmp(cmd->log_format, "plain") == 0)
        format = KST_LOG_PLAIN;
    else if (cmd->log_format)
        return kst_err_set(err, KST_E_USAGE,
                           "option --log-format: expected plain or json, found '%s'",
                           cmd->log_format);
    kst_log_setup(cmd->verbose       ? KST_LOG_DEBUG
                  : cmd->only_errors ? KST_LOG_ERROR
                                     : KST_LOG_INFO,
                  format);
    return 0;
}

int kst_cmd_parse(struct kst_cmd *cmd, const struct kst_option *own, struct kst_err **err)
{
    int rc = kst_options_parse(cmd->argc, cmd->argv, own, common_options(cmd), &cmd->args, err);
    if (rc < 0)
        return rc;
    if (cmd->help) {
        kst_cmd_help(cmd, kst_cmd_find(cmd->argv[0]), own);
        return 1;
    }
    rc = parse_output(cmd, err);
    if (rc == 0)
        rc = set_up_log(cmd, err);
    if (!cmd->home)
        cmd->home = getenv("KASSETTE_NAMESPACE");
    if (!cmd->home || !*cmd->home)
        cmd->home = "kassette";
    return rc;
}

int kst_cmd_want_args(const struct kst_cmd *cmd, int min, int max, struct kst_err **err)
{
    int count = 0;
    while (cmd->args[count])
        count++;
    if (count >= min && (max < 0 || count <= max))
        return 0;
    const struct kst_command *command = kst_cmd_find(cmd->argv[0]);
    if (count < min)
        kst_err_set(err, KST_E_USAGE, "%s: an argument is missing", command->name);
    else
        kst_err_set(err, KST_E_USAGE, "%s: unexpected argument '%s'", command->name,
                    cmd->args[max]);
    kst_err_hint(err, "usage: kassette %s", command->usage);
    return KST_E_USAGE;
}

/* A kubeconfig that is wrong is wrong usage: its own code would say that something failed. */
static int load_config(struct kst_cmd *cmd, const struct kst_kube_config_options *options,
                       struct kst_err **err)
{
    struct kst_err *cause = NULL;
    int rc = kst_kube_config_load(options, &cmd->config, &cause);
    if (rc == KST_E_PARSE || rc == KST_E_INVALID || rc == KST_E_NOT_FOUND) {
        rc = kst_err_set(err, KST_E_USAGE, "%s", kst_err_message(cause));
        if (kst_err_get_hint(cause))
            kst_err_hint(err, "%s", kst_err_get_hint(cause));
        kst_err_free(cause);
        return rc;
    }
    return rc < 0 ? kst_err_move(err, &cause) : 0;
}

int kst_cmd_kube(struct kst_cmd *cmd, struct kst_kube **out, struct kst_err **err)
{
    if (!cmd->kube) {
        const struct kst_kube_config_options options = {
            .kubeconfig = cmd->kubeconfig,
            .context = cmd->context,
            .cluster = cmd->cluster,
            .user = cmd->user,
            .namespace_ = cmd->ns,
            .as = cmd->as,
            .as_groups = cmd->as_groups.items,
        };
        int rc = load_config(cmd, &options, err);
        if (rc < 0)
            return rc;
        cmd->kube = kst_kube_new(cmd->loop, cmd->config);
        if (!cmd->patient)
            kst_kube_set_patience_ms(cmd->kube, PATIENCE_MS);
    }
    *out = cmd->kube;
    return 0;
}

int kst_cmd_explain(int rc, struct kst_err **err)
{
    const char *message = err && *err ? kst_err_message(*err) : "";
    if (rc == KST_E_NOT_FOUND && strstr(message, "does not serve it") &&
        (strstr(message, kst_res_runs.plural) || strstr(message, kst_res_restorepoints.plural)))
        kst_err_hint(err, "is Kassette installed in this cluster? kubectl apply -k deploy");
    return rc;
}

char *kst_cmd_cache_dir(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache == '/')
        return kst_asprintf("%s/kassette/sources", cache);
    if (home && *home == '/' && access(home, W_OK) == 0)
        return kst_asprintf("%s/.cache/kassette/sources", home);
    return kst_asprintf("/tmp/kassette-%u/sources", (unsigned)getuid());
}

int kst_cmd_print(const struct kst_cmd *cmd, const struct kst_json *value, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(MAX_OUTPUT_BYTES);
    int rc;
    if (cmd->output == KST_OUTPUT_YAML) {
        rc = kst_yaml_print(value, &text);
    } else {
        rc = kst_json_print(value, KST_JSON_PRETTY, &text);
        kst_buf_addc(&text, '\n');
    }
    if (rc < 0)
        return kst_buf_check(&text, "the output", err);
    fwrite(text.data, 1, text.len, stdout);
    return 0;
}

void kst_cmd_add_list(struct kst_json *spec, const char *key, const struct kst_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        kst_json_push(kst_json_ensure_array(spec, key), kst_json_from_str(list->items[i]));
}

int kst_cmd_add_params(struct kst_json *spec, const struct kst_list *params, struct kst_err **err)
{
    if (!params->count)
        return 0;
    struct kst_json *all = kst_json_ensure_object(spec, "params");
    for (size_t i = 0; i < params->count; i++) {
        const char *text = params->items[i], *equals = strchr(text, '=');
        if (!equals || equals == text)
            return kst_err_set(err, KST_E_USAGE, "option --param: expected NAME=VALUE, found '%s'",
                               text);
        kst_auto_free char *key = kst_strndup(text, (size_t)(equals - text));
        kst_json_set_str(all, key, equals + 1);
    }
    return 0;
}
