/* SPDX-License-Identifier: Apache-2.0 */
/* kassette save and load: a restore point in a directory, and back. */
#include <inttypes.h>
#include <stdio.h>

#include "app/point/point.h"
#include "app/point/transfer.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "kube/client.h"

static const struct kst_option no_options[] = {{0, NULL, NULL, KST_OPTION_FLAG, NULL, NULL}};

static bool wants_data(const struct kst_cmd *cmd)
{
    return cmd->output == KST_OUTPUT_JSON || cmd->output == KST_OUTPUT_YAML;
}

/* {restorePoint, namespace, directory, objects}; and for people, in words. */
static int tell(const struct kst_cmd *cmd, const struct kst_json *point, const char *dir,
                const struct kst_json *objects, const char *words, struct kst_err **err)
{
    const char *name = kst_json_path_str(point, "metadata.name");
    const char *ns = kst_json_path_str(point, "metadata.namespace");
    if (wants_data(cmd)) {
        kst_auto_json struct kst_json *result = kst_json_make(
            "{'restorePoint':%s,'namespace':%s,'directory':%s,'objects':%J}", name, ns, dir,
            objects);
        return kst_cmd_print(cmd, result, err);
    }
    if (cmd->output == KST_OUTPUT_NAME) {
        printf("restorepoint.kassette.io/%s\n", name);
        return 0;
    }
    printf("RestorePoint/%s/%s %s %s: %" PRId64 " objects, %" PRId64 " KiB\n", ns, name, words, dir,
           kst_json_path_int(objects, "count", 0),
           (kst_json_path_int(objects, "compressedBytes", 0) + 1023) / 1024);
    size_t volumes = kst_json_len(kst_json_path(point, "status.volumes"));
    if (volumes > 0)
        fprintf(stderr,
                "note: the data of its %zu volume%s is not in it: the snapshots stay where they "
                "are\n",
                volumes, volumes == 1 ? "" : "s");
    return 0;
}

int kst_cmd_save(struct kst_cmd *cmd, struct kst_err **err)
{
    struct kst_kube *kube = NULL;
    kst_auto_json struct kst_json *point = NULL, *index = NULL;
    int rc = kst_cmd_parse(cmd, no_options, err);
    if (rc > 0)
        return 0;
    if (rc == 0)
        rc = kst_cmd_want_args(cmd, 2, 2, err);
    if (rc == 0)
        rc = kst_cmd_kube(cmd, &kube, err);
    if (rc == 0)
        rc = kst_point_get(kube, cmd->home, cmd->args[0], true, &point, err);
    if (rc == 0)
        rc = kst_point_save(kube, point, cmd->args[1], &index, err);
    if (rc < 0)
        return rc;
    return tell(cmd, point, cmd->args[1], kst_json_get(index, "objects"), "saved in", err);
}

int kst_cmd_load(struct kst_cmd *cmd, struct kst_err **err)
{
    struct kst_kube *kube = NULL;
    kst_auto_json struct kst_json *point = NULL;
    int rc = kst_cmd_parse(cmd, no_options, err);
    if (rc > 0)
        return 0;
    if (rc == 0)
        rc = kst_cmd_want_args(cmd, 1, 1, err);
    if (rc == 0)
        rc = kst_cmd_kube(cmd, &kube, err);
    if (rc == 0)
        rc = kst_point_load(kube, cmd->home, cmd->args[0], &point, err);
    if (rc < 0)
        return rc;
    return tell(cmd, point, cmd->args[0], kst_json_path(point, "status.objects"), "loaded from",
                err);
}
