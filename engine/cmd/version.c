/* SPDX-License-Identifier: Apache-2.0 */
/* kassette version, and kassette help. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "kube/client.h"
#include "loop/http.h"
#include "lua/host.h"

int kst_cmd_version(struct kst_cmd *cmd, struct kst_err **err)
{
    bool client = false;
    const struct kst_option table[] = {
        {0, "client", NULL, KST_OPTION_FLAG, &client, "do not ask the cluster for its version"},
        {0, NULL, NULL, KST_OPTION_FLAG, NULL, NULL},
    };
    int rc = kst_cmd_parse(cmd, table, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = kst_cmd_want_args(cmd, 0, 0, err);
    if (rc < 0)
        return rc;
    kst_auto_free char *server = NULL;
    struct kst_kube *kube = NULL;
    kst_auto_err struct kst_err *error = NULL;
    if (!client && kst_cmd_kube(cmd, &kube, &error) == 0) {
        kst_kube_set_patience_ms(kube, 3000);
        rc = kst_kube_server_version(kube, &server, &error);
    }
    kst_auto_json struct kst_json *value = kst_json_make("{'kassette':%s,'lua':%s,'libcurl':%s}",
                                                         KST_VERSION, kst_lua_version(),
                                                         kst_http_version());
    if (server)
        kst_json_set_str(value, "server", server);
    if (cmd->output == KST_OUTPUT_JSON || cmd->output == KST_OUTPUT_YAML)
        return kst_cmd_print(cmd, value, err);
    for (const struct kst_json *row = kst_json_first(value); row; row = kst_json_next(row))
        printf("%-9s %s\n", kst_json_key(row), kst_json_str(row));
    if (error)
        printf("%-9s not reached: %s\n", "server", kst_err_message(error));
    return 0;
}

int kst_cmd_show_help(struct kst_cmd *cmd, struct kst_err **err)
{
    bool self = cmd->argc > 1 &&
                (strcmp(cmd->argv[1], "--help") == 0 || strcmp(cmd->argv[1], "-h") == 0);
    const struct kst_command *command = cmd->argc > 1 ? kst_cmd_find(cmd->argv[1]) : NULL;
    if (cmd->argc > 1 && !command && !self)
        return kst_err_set(err, KST_E_USAGE, "'%s' is not a command of kassette", cmd->argv[1]);
    if (command && command->run != kst_cmd_show_help) {
        /* A command explains itself. */
        static char option[] = "--help";
        char *argv[] = {(char *)command->name, option, NULL};
        cmd->argc = 2;
        cmd->argv = argv;
        return command->run(cmd, err);
    }
    printf(
        "Kassette backs up applications on Kubernetes.\n\nUsage:\n  kassette COMMAND [options]\n\n"
        "Commands:\n");
    for (command = kst_commands; command->name; command++)
        printf("  %-12s %s\n", command->name, command->summary);
    printf("\nExit codes: 0 done, 1 failed, 2 usage, 3 cannot reach the cluster, 4 refused, "
           "130 interrupted after a thaw.\n"
           "Linked as kubectl-kassette it is a plugin: kubectl kassette COMMAND.\n"
           "See `kassette help COMMAND` and man kassette.\n");
    return 0;
}
