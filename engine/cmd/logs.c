/* SPDX-License-Identifier: Apache-2.0 */
/* kassette logs: what the Pods of a Run's Job said, in their order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "kube/client.h"
#include "kube/resource.h"

enum { MAX_LOG_BYTES = 64 * 1024 * 1024 };

static int print_line(void *arg, const char *line, size_t len, struct kst_err **err)
{
    fwrite(line, 1, len, stdout);
    putchar('\n');
    fflush(stdout);
    return 0;
}

static int by_age(const void *a, const void *b)
{
    const struct kst_json *x = *(const struct kst_json *const *)a;
    const struct kst_json *y = *(const struct kst_json *const *)b;
    const char *first = kst_json_path_str(x, "metadata.creationTimestamp");
    const char *second = kst_json_path_str(y, "metadata.creationTimestamp");
    return strcmp(first ? first : "", second ? second : "");
}

static int print_pod(struct kst_kube *kube, const struct kst_json *pod, bool follow,
                     struct kst_err **err)
{
    const char *ns = kst_json_path_str(pod, "metadata.namespace");
    const char *name = kst_json_path_str(pod, "metadata.name");
    if (follow)
        return kst_kube_logs_follow(kube, ns, name, NULL, print_line, NULL, err);
    kst_auto_buf text = KST_BUF_INIT(MAX_LOG_BYTES);
    int rc = kst_kube_logs(kube, ns, name, NULL, false, -1, &text, err);
    if (rc == 0)
        fwrite(text.data, 1, text.len, stdout);
    return rc;
}

static int logs(struct kst_cmd *cmd, bool follow, struct kst_err **err)
{
    struct kst_kube *kube = NULL;
    kst_auto_json struct kst_json *run = NULL, *pods = NULL;
    kst_auto_free char *selector = kst_asprintf("kassette.io/run=%s,job-name", cmd->args[0]);
    const struct kst_kube_list_options options = {.label_selector = selector};
    int rc = kst_cmd_kube(cmd, &kube, err);
    if (rc == 0)
        rc = kst_kube_get(kube, &kst_res_runs, cmd->home, cmd->args[0], &run, err);
    if (rc == 0)
        rc = kst_kube_list(kube, &kst_res_pods, cmd->home, &options, &pods, NULL, err);
    if (rc < 0)
        return rc;
    size_t count = kst_json_len(pods), i = 0;
    if (count == 0) {
        kst_err_set(err, KST_E_NOT_FOUND,
                    "Run/%s/%s has no Pods: it was not executed by a Job, or its "
                    "Job is gone",
                    cmd->home, cmd->args[0]);
        kst_err_hint(err, "what happened stands in the Run itself: kassette describe %s",
                     cmd->args[0]);
        return KST_E_NOT_FOUND;
    }
    kst_auto_free const struct kst_json **all = kst_calloc(count, sizeof(*all));
    for (const struct kst_json *pod = kst_json_first(pods); pod; pod = kst_json_next(pod))
        all[i++] = pod;
    qsort(all, count, sizeof(*all), by_age);
    for (i = 0; rc == 0 && i < count; i++)
        rc = print_pod(kube, all[i], follow && i + 1 == count, err);
    return rc;
}

int kst_cmd_logs(struct kst_cmd *cmd, struct kst_err **err)
{
    bool follow = false;
    const struct kst_option table[] = {
        {'f', "follow", NULL, KST_OPTION_FLAG, &follow, "go on as more is said"},
        {0, NULL, NULL, KST_OPTION_FLAG, NULL, NULL},
    };
    int rc = kst_cmd_parse(cmd, table, err);
    if (rc > 0)
        return 0;
    if (rc == 0)
        rc = kst_cmd_want_args(cmd, 1, 1, err);
    return rc < 0 ? rc : logs(cmd, follow, err);
}
