/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/launch.h"

#include <stdio.h>
#include <time.h>

#include "app/actions.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "cmd/job.h"
#include "cmd/progress.h"
#include "cmd/trace.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "loop/fiber.h"

enum { MAX_NAME = 63 };

char *kst_launch_name(const char *application, const char *action)
{
    time_t now = (time_t)(kst_wall_ms() / 1000);
    struct tm parts;
    gmtime_r(&now, &parts);
    char stamp[32];
    strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &parts);
    int64_t seed = kst_wall_us() ^ kst_now_us() << 20;
    kst_auto_free char *full = kst_asprintf("%s-%s-%s-%04llx", application, action, stamp,
                                            kst_hash(&seed, sizeof(seed)) & 0xffff);
    return kst_name_make(full, MAX_NAME);
}

int kst_launch_check_duration(const char *option, const char *text, struct kst_err **err)
{
    long long ms = 0;
    if (!text || (kst_parse_duration_ms(text, &ms) && ms > 0))
        return 0;
    return kst_err_set(err, KST_E_USAGE,
                       "option --%s: expected a duration such as 30s or 5m, found '%s'", option,
                       text);
}

static bool is_for_programs(const struct kst_cmd *cmd)
{
    return cmd->output == KST_OUTPUT_JSON || cmd->output == KST_OUTPUT_YAML;
}

static struct kst_run_options options_for(const struct kst_cmd *cmd, struct kst_kube *kube,
                                          const struct kst_json *run, const char *cache_dir)
{
    return (struct kst_run_options){
        .kube = kube,
        .home = cmd->home,
        .name = kst_json_path_str(run, "metadata.name"),
        .cache_dir = cache_dir,
        .actions = kst_actions,
    };
}

int kst_launch_dry_run(struct kst_cmd *cmd, struct kst_kube *kube, const struct kst_json *run,
                       int (*plan)(struct kst_run *run, struct kst_err **err),
                       void (*print)(const struct kst_json *run, const struct kst_json *status),
                       struct kst_err **err)
{
    kst_auto_free char *cache_dir = kst_cmd_cache_dir();
    kst_auto_json struct kst_json *status = NULL;
    struct kst_progress progress = {.quiet = is_for_programs(cmd) ||
                                             cmd->output == KST_OUTPUT_NAME};
    struct kst_run_options options = options_for(cmd, kube, run, cache_dir);
    options.observer = kst_progress_observer(&progress);
    int rc = kst_run_plan(&options, run, plan, &status, err);
    if (rc < 0)
        return rc;
    if (is_for_programs(cmd)) {
        kst_auto_json struct kst_json *whole = kst_json_dup(run);
        kst_json_set(whole, "status", kst_take(status));
        return kst_cmd_print(cmd, whole, err);
    }
    print(run, status);
    return 0;
}

static int start_job(struct kst_kube *kube, const struct kst_json *run, const char *image,
                     struct kst_err **err)
{
    kst_auto_json struct kst_json *job = kst_job_object(run, kst_job_image(image));
    int rc = kst_kube_create(kube, &kst_res_jobs, kst_json_path_str(run, "metadata.namespace"), job,
                             true, NULL, err);
    return rc < 0 ? kst_err_wrap(err, rc, "start the Job of Run %s",
                                 kst_json_path_str(run, "metadata.name"))
                  : 0;
}

/* -o json and yaml print the Run at its end, however it ended. */
static void print_end(const struct kst_cmd *cmd, struct kst_kube *kube, const char *name)
{
    kst_auto_json struct kst_json *run = NULL;
    if (!is_for_programs(cmd))
        return;
    kst_shield_begin();
    int rc = kst_kube_get(kube, &kst_res_runs, cmd->home, name, &run, NULL);
    kst_shield_end();
    if (rc == 0)
        kst_cmd_print(cmd, run, NULL);
}

/* The Run, made. */
static int make(struct kst_cmd *cmd, struct kst_kube *kube, const struct kst_json *run,
                struct kst_json **made, struct kst_err **err)
{
    int rc = kst_kube_create(kube, &kst_res_runs, cmd->home, run, false, made, err);
    if (rc == KST_E_NOT_FOUND)
        kst_err_hint(err,
                     "is Kassette installed? kubectl apply -k deploy, and namespace %s exists?",
                     cmd->home);
    if (rc < 0)
        return rc;
    const char *name = kst_json_path_str(*made, "metadata.name");
    if (cmd->output == KST_OUTPUT_NAME)
        printf("run.kassette.io/%s\n", name);
    else if (!is_for_programs(cmd))
        printf("Run %s/%s\n", cmd->home, name);
    fflush(stdout);
    return 0;
}

static int execute(struct kst_cmd *cmd, struct kst_kube *kube, const struct kst_launch *how,
                   struct kst_trace *trace, const struct kst_json *made, struct kst_err **err)
{
    const char *name = kst_json_path_str(made, "metadata.name");
    if (how->in_cluster) {
        int rc = start_job(kube, made, how->image, err);
        return rc < 0 || how->no_wait ? rc
                                      : kst_job_follow(kube, cmd->home, name,
                                                       cmd->output != KST_OUTPUT_TEXT, NULL, err);
    }
    kst_auto_free char *cache_dir = kst_cmd_cache_dir();
    struct kst_progress progress = {.quiet = is_for_programs(cmd) ||
                                             cmd->output == KST_OUTPUT_NAME};
    struct kst_run_options options = options_for(cmd, kube, made, cache_dir);
    options.observer = how->trace ? kst_trace_observer(trace) : kst_progress_observer(&progress);
    return kst_run_execute(&options, err);
}

int kst_launch(struct kst_cmd *cmd, struct kst_kube *kube, const struct kst_launch *how,
               const struct kst_json *run, struct kst_err **err)
{
    kst_auto_json struct kst_json *made = NULL;
    struct kst_trace trace;
    if (how->trace)
        kst_trace_begin(&trace, kube);
    int rc = how->in_cluster ? kst_job_check_account(kube, cmd->home, run, err) : 0;
    if (rc == 0)
        rc = make(cmd, kube, run, &made, err);
    if (rc == 0)
        rc = execute(cmd, kube, how, &trace, made, err);
    kst_kube_set_trace(kube, NULL, NULL);
    if (!made)
        return rc;
    print_end(cmd, kube, kst_json_path_str(made, "metadata.name"));
    return rc;
}
