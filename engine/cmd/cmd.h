/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands: main.c parses and dispatches, each command is one file with one function. A command
 * runs in a fiber; what it needs of the cluster is made when it first asks.
 */
#ifndef KST_CMD_CMD_H
#define KST_CMD_CMD_H

#include <stdbool.h>

#include "cmd/options.h"

struct kst_err;
struct kst_json;
struct kst_kube;
struct kst_kube_config;
struct kst_loop;
struct kst_run_observer;

enum kst_output {
    KST_OUTPUT_TEXT,
    KST_OUTPUT_WIDE,
    KST_OUTPUT_JSON,
    KST_OUTPUT_YAML,
    KST_OUTPUT_NAME
};

struct kst_cmd {
    struct kst_loop *loop;
    int argc; /* the command's own: argv[0] is its name */
    char **argv;
    char **args;         /* what is no option, after the parsing */
    bool patient;        /* outlasts a cluster that is away for half a minute; others ask for 5 s */
    const char *program; /* this one, as a child process; NULL: it cannot be one */
    bool only_errors;    /* are logged, unless --verbose is given */
    bool interrupted;    /* somebody wishes it to stop */

    /* Common options. */
    const char *kubeconfig, *context, *cluster, *user, *as, *ns, *home, *output_name, *log_format;
    struct kst_list as_groups;
    bool verbose, help;
    enum kst_output output;
    int exit_status; /* set by a command that ends with another program's */

    struct kst_kube_config *config;
    struct kst_kube *kube;
};

struct kst_command {
    const char *name, *usage, *summary;
    const char *details; /* of the help; may be NULL */
    int (*run)(struct kst_cmd *cmd, struct kst_err **err);
};

/* Parses the command's own options beside the common ones; cmd->args is set. Returns 1 where --help
 * was asked for and printed: the command returns 0 then. */
int kst_cmd_parse(struct kst_cmd *cmd, const struct kst_option *own, struct kst_err **err);
/* KST_E_USAGE unless there are `min` to `max` arguments (max < 0: any number). */
int kst_cmd_want_args(const struct kst_cmd *cmd, int min, int max, struct kst_err **err);
/* The client; made (and the configuration read) at the first call. */
int kst_cmd_kube(struct kst_cmd *cmd, struct kst_kube **out, struct kst_err **err);
/* Adds to the error of a request about our resources that they may not be installed; returns `rc`.
 */
int kst_cmd_explain(int rc, struct kst_err **err);
/* Where Git sources are cached: $XDG_CACHE_HOME/kassette/sources, ~/.cache/…, or /tmp/…; the caller
 * frees it. */
char *kst_cmd_cache_dir(void);
/* Prints a value as -o asks (JSON or YAML). */
int kst_cmd_print(const struct kst_cmd *cmd, const struct kst_json *value, struct kst_err **err);
/* Appends what was given to an array of a Run's spec, which is made where there is anything. */
void kst_cmd_add_list(struct kst_json *spec, const char *key, const struct kst_list *list);
/* Adds --param NAME=VALUE to spec.params of a Run. KST_E_USAGE. */
int kst_cmd_add_params(struct kst_json *spec, const struct kst_list *params, struct kst_err **err);
/* Rows of kst_report_rows() as a table. */
void kst_cmd_print_report(const struct kst_json *rows);
/* The program's commands, ended by a NULL name. */
extern const struct kst_command kst_commands[];
void kst_cmd_help(const struct kst_cmd *cmd, const struct kst_command *command,
                  const struct kst_option *own);
const struct kst_command *kst_cmd_find(const char *name);

/* One file each. */
int kst_cmd_backup(struct kst_cmd *cmd, struct kst_err **err);
int kst_cmd_restore(struct kst_cmd *cmd, struct kst_err **err);
int kst_cmd_report(struct kst_cmd *cmd, struct kst_err **err);
int kst_cmd_run(struct kst_cmd *cmd, struct kst_err **err);
int kst_cmd_cancel(struct kst_cmd *cmd, struct kst_err **err);
int kst_cmd_get(struct kst_cmd *cmd, struct kst_err **err);
int kst_cmd_describe(struct kst_cmd *cmd, struct kst_err **err);
int kst_cmd_delete(struct kst_cmd *cmd, struct kst_err **err);
int kst_cmd_show(struct kst_cmd *cmd, struct kst_err **err);
int kst_cmd_save(struct kst_cmd *cmd, struct kst_err **err); /* both in save.c */
int kst_cmd_load(struct kst_cmd *cmd, struct kst_err **err);
int kst_cmd_logs(struct kst_cmd *cmd, struct kst_err **err);
int kst_cmd_blueprint(struct kst_cmd *cmd, struct kst_err **err);
int kst_cmd_controller(struct kst_cmd *cmd, struct kst_err **err);
int kst_cmd_sandbox(struct kst_cmd *cmd, struct kst_err **err);
int kst_cmd_version(struct kst_cmd *cmd, struct kst_err **err);
int kst_cmd_show_help(struct kst_cmd *cmd, struct kst_err **err);

#endif
