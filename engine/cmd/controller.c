/* SPDX-License-Identifier: Apache-2.0 */
/* kassette controller: what is done in a cluster without anybody's asking. */
#include "app/point/keeper.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "kube/client.h"
#include "run/owner.h"

int kst_cmd_controller(struct kst_cmd *cmd, struct kst_err **err)
{
    struct kst_kube *kube = NULL;
    cmd->patient = true;
    int rc = kst_cmd_parse(cmd, NULL, err);
    if (rc > 0)
        return 0;
    if (rc == 0)
        rc = kst_cmd_want_args(cmd, 0, 0, err);
    if (rc == 0)
        rc = kst_cmd_kube(cmd, &kube, err);
    if (rc < 0)
        return rc;
    kst_auto_free char *identity = kst_owner_identity();
    const struct kst_keeper_options options = {
        .kube = kube, .home = cmd->home, .identity = identity};
    kst_log(KST_LOG_INFO, "the controller begins", "version", KST_VERSION, "namespace", cmd->home,
            "identity", identity, NULL);
    rc = kst_keeper_run(&options, err);
    if (rc != KST_E_CANCELLED || !cmd->interrupted)
        return rc;
    kst_err_clear(err); /* it was told to end, and has */
    kst_log(KST_LOG_INFO, "the controller ends", NULL);
    return 0;
}
