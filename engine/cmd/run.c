/* SPDX-License-Identifier: Apache-2.0 */
/* kassette run: executes Runs that exist, side by side in this process, or resumes them. */
#include <string.h>

#include "app/actions.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "cmd/progress.h"
#include "cmd/trace.h"
#include "kube/client.h"
#include "loop/fiber.h"

enum { DEFAULT_PARALLEL = 16, MAX_PARALLEL = 1000 };

struct wishes {
    bool wait, trace;
    long long parallel;
};

struct one {
    struct kst_run_options options;
};

static int execute(void *arg, struct kst_err **err)
{
    const struct one *one = arg;
    return kst_run_execute(&one->options, err);
}

static int run_all(struct kst_cmd *cmd, struct kst_kube *kube, const struct wishes *wishes,
                   struct kst_err **err)
{
    size_t count = 0;
    while (cmd->args[count])
        count++;
    kst_auto_free char *cache_dir = kst_cmd_cache_dir();
    kst_auto_free struct one *all = kst_calloc(count, sizeof(*all));
    struct kst_progress progress = {
        .with_names = count > 1,
        .quiet = cmd->output == KST_OUTPUT_JSON || cmd->output == KST_OUTPUT_NAME,
    };
    struct kst_trace trace;
    struct kst_run_observer observer = wishes->trace ? kst_trace_observer(&trace)
                                                     : kst_progress_observer(&progress);
    if (wishes->trace)
        kst_trace_begin(&trace, kube);
    struct kst_group *group = kst_group_new(cmd->loop, false);
    kst_group_limit(group, (unsigned)wishes->parallel);
    for (size_t i = 0; i < count; i++) {
        all[i].options = (struct kst_run_options){
            .kube = kube,
            .home = cmd->home,
            .name = cmd->args[i],
            .cache_dir = cache_dir,
            .actions = kst_actions,
            .observer = observer,
            .wait_for_owner = wishes->wait,
        };
        kst_group_spawn(group, cmd->args[i], execute, &all[i]);
    }
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    kst_kube_set_trace(kube, NULL, NULL);
    return rc;
}

int kst_cmd_run(struct kst_cmd *cmd, struct kst_err **err)
{
    struct wishes wishes = {.parallel = DEFAULT_PARALLEL};
    const char *parallel = NULL;
    const struct kst_option table[] = {
        {0, "wait-for-owner", NULL, KST_OPTION_FLAG, &wishes.wait,
         "where another engine executes the Run, wait until it gives it up"},
        {0, "parallel", "N", KST_OPTION_STRING, &parallel,
         "how many Runs are executed at once (default 16)"},
        {0, "trace", NULL, KST_OPTION_FLAG, &wishes.trace,
         "tell every request, command and answer (they may hold secrets)"},
        {0, NULL, NULL, KST_OPTION_FLAG, NULL, NULL},
    };
    struct kst_kube *kube = NULL;
    cmd->patient = true;
    int rc = kst_cmd_parse(cmd, table, err);
    if (rc > 0)
        return 0;
    if (rc == 0)
        rc = kst_cmd_want_args(cmd, 1, -1, err);
    if (rc == 0)
        rc = kst_cmd_kube(cmd, &kube, err);
    if (rc == 0 && parallel &&
        (!kst_parse_int(parallel, &wishes.parallel) || wishes.parallel < 1 ||
         wishes.parallel > MAX_PARALLEL))
        rc = kst_err_set(err, KST_E_USAGE, "option --parallel: expected 1 to %d, found '%s'",
                         MAX_PARALLEL, parallel);
    return rc < 0 ? rc : run_all(cmd, kube, &wishes, err);
}
