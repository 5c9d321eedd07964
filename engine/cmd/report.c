/* SPDX-License-Identifier: Apache-2.0 */
/* kassette report: what became of each object in a restore. */
#include "app/restore/report.h"

#include "base/err.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include "kube/client.h"

static int report(struct kst_cmd *cmd, struct kst_err **err)
{
    struct kst_kube *kube = NULL;
    kst_auto_json struct kst_json *rows = NULL;
    int rc = kst_cmd_want_args(cmd, 1, 1, err);
    if (rc == 0)
        rc = kst_cmd_kube(cmd, &kube, err);
    if (rc == 0)
        rc = kst_report_read(kube, cmd->home, cmd->args[0], &rows, err);
    if (rc == KST_E_NOT_FOUND)
        kst_err_hint(err,
                     "a Run has a report when it has restored objects; see: kassette describe %s",
                     cmd->args[0]);
    if (rc < 0)
        return rc;
    if (cmd->output == KST_OUTPUT_JSON || cmd->output == KST_OUTPUT_YAML)
        return kst_cmd_print(cmd, rows, err);
    kst_cmd_print_report(rows);
    return 0;
}

int kst_cmd_report(struct kst_cmd *cmd, struct kst_err **err)
{
    const struct kst_option table[] = {{0, NULL, NULL, KST_OPTION_FLAG, NULL, NULL}};
    int rc = kst_cmd_parse(cmd, table, err);
    if (rc == 0)
        rc = report(cmd, err);
    return rc < 0 ? rc : 0;
}
