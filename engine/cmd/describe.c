/* SPDX-License-Identifier: Apache-2.0 */
/* kassette describe: tells what happened in a Run, or what a RestorePoint holds. */
#include "app/point/point.h"
#include "base/err.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include "cmd/kind.h"
#include "kube/client.h"
#include "kube/resource.h"

static int read_object(struct kst_cmd *cmd, struct kst_kube *kube, const struct kst_kind *kind,
                       const char *name, struct kst_json **out, struct kst_err **err)
{
    if (kind == &kst_kind_point)
        return kst_point_get(kube, cmd->home, name, false, out, err);
    return kst_kube_get(kube, kind->resource, cmd->home, name, out, err);
}

static int describe(struct kst_cmd *cmd, const struct kst_kind *kind, struct kst_err **err)
{
    struct kst_kube *kube = NULL;
    kst_auto_json struct kst_json *object = NULL;
    int rc = kst_cmd_kube(cmd, &kube, err);
    if (rc == 0)
        rc = read_object(cmd, kube, kind, cmd->args[0], &object, err);
    if (rc < 0)
        return rc;
    if (cmd->output == KST_OUTPUT_JSON || cmd->output == KST_OUTPUT_YAML)
        return kst_cmd_print(cmd, object, err);
    kind->describe(kube, object);
    return 0;
}

int kst_cmd_describe(struct kst_cmd *cmd, struct kst_err **err)
{
    int rc = kst_cmd_parse(cmd, NULL, err);
    if (rc > 0)
        return 0;
    const struct kst_kind *kind = rc == 0 ? kst_kind_take(cmd, &kst_kind_run, false) : NULL;
    if (rc == 0)
        rc = kst_cmd_want_args(cmd, 1, 1, err);
    return rc < 0 ? rc : describe(cmd, kind, err);
}
