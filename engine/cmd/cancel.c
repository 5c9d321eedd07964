/* SPDX-License-Identifier: Apache-2.0 */
/* kassette cancel: asks a Run to stop, and waits until it has. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "kube/watch.h"
#include "loop/fiber.h"
#include "run/phase.h"

enum { DEFAULT_WAIT_MS = 2 * 60 * 1000 };

static int has_ended(void *arg, const struct kst_json *run, struct kst_err **err)
{
    return !run || kst_phase_is_final(kst_phase_parse(kst_json_path_str(run, "status.phase")));
}

static int cancel(struct kst_cmd *cmd, bool no_wait, struct kst_err **err)
{
    const char *name = cmd->args[0];
    struct kst_kube *kube = NULL;
    kst_auto_json struct kst_json *run = NULL, *end = NULL;
    kst_auto_json struct kst_json *patch = kst_json_make("{'spec':{'cancel':true}}");
    int rc = kst_cmd_kube(cmd, &kube, err);
    if (rc == 0)
        rc = kst_kube_get(kube, &kst_res_runs, cmd->home, name, &run, err);
    if (rc < 0)
        return rc;
    const char *phase = kst_json_path_str(run, "status.phase");
    if (kst_phase_is_final(kst_phase_parse(phase)))
        return kst_err_set(err, KST_E_REFUSED, "Run/%s/%s is %s already", cmd->home, name, phase);
    rc = kst_kube_patch(kube, &kst_res_runs, cmd->home, name, NULL, KST_PATCH_MERGE, patch, NULL,
                        err);
    if (rc < 0 || no_wait)
        return rc;
    rc = kst_watch_until(kube, &kst_res_runs, cmd->home, name, has_ended, NULL,
                         kst_deadline_in_ms(DEFAULT_WAIT_MS), "to end", &end, err);
    if (rc == KST_E_TIMEOUT)
        kst_err_hint(err,
                     "no engine seems to execute it; `kassette run %s` thaws, cleans up and ends "
                     "it",
                     name);
    if (rc < 0)
        return rc;
    const char *last = kst_json_path_str(end, "status.phase");
    printf("Run %s/%s is %s\n", cmd->home, name, last ? last : "deleted");
    return 0;
}

int kst_cmd_cancel(struct kst_cmd *cmd, struct kst_err **err)
{
    bool no_wait = false;
    const struct kst_option table[] = {
        {0, "no-wait", NULL, KST_OPTION_FLAG, &no_wait, "do not wait until it has ended"},
        {0, NULL, NULL, KST_OPTION_FLAG, NULL, NULL},
    };
    int rc = kst_cmd_parse(cmd, table, err);
    if (rc > 0)
        return 0;
    if (rc == 0)
        rc = kst_cmd_want_args(cmd, 1, 1, err);
    return rc < 0 ? rc : cancel(cmd, no_wait, err);
}
