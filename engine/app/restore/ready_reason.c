/* SPDX-License-Identifier: Apache-2.0 */
/* Why a workload is not ready: the likeliest reason, in the order in which a person would look. */
#include "app/restore/events.h"
#include "app/restore/ready_internal.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "kube/selector.h"
#include <stdlib.h>

static bool is_one_of(const char *text, const char *const *all)
{
    for (; *all; all++) {
        if (kst_same(text, *all))
            return true;
    }
    return false;
}

struct inquiry {
    struct kst_run *run;
    const struct kst_json *pod;
    char *why, *hint;
};

static const char *pod_name(const struct inquiry *self)
{
    return kst_json_path_str(self->pod, "metadata.name");
}

static bool conclude(struct inquiry *self, char *why, char *hint)
{
    self->why = why;
    self->hint = hint;
    return true;
}

/* ---- One container ---- */

static bool check_image(struct inquiry *self, const struct kst_json *status)
{
    static const char *const reasons[] = {"ImagePullBackOff", "ErrImagePull", "InvalidImageName",
                                          "ErrImageNeverPull", NULL};
    const char *reason = kst_json_path_str(status, "state.waiting.reason");
    const char *message = kst_json_path_str(status, "state.waiting.message");
    if (!is_one_of(reason, reasons))
        return false;
    return conclude(self,
                    kst_asprintf("Pod %s: the image %s of container %s cannot be had (%s%s%s)",
                                 pod_name(self), kst_json_path_str(status, "image"),
                                 kst_json_path_str(status, "name"), reason, message ? ": " : "",
                                 message ? message : ""),
                    kst_strdup("is the image still in its registry, may this cluster reach it, and "
                               "is the pull secret there?"));
}

/* How its last process ended: "exit code 1 (Error)". */
static char *how_it_ended(const struct kst_json *status)
{
    const struct kst_json *end = kst_json_path(status, "lastState.terminated");
    if (!end)
        end = kst_json_path(status, "state.terminated");
    const char *reason = kst_json_path_str(end, "reason");
    if (!end)
        return kst_strdup("how is not known");
    return kst_asprintf("exit code %lld%s%s%s", (long long)kst_json_path_int(end, "exitCode", 0),
                        reason ? " (" : "", reason ? reason : "", reason ? ")" : "");
}

static bool check_crash(struct inquiry *self, const struct kst_json *status)
{
    const char *name = kst_json_path_str(status, "name");
    bool loops = kst_same(kst_json_path_str(status, "state.waiting.reason"), "CrashLoopBackOff");
    bool ended = kst_json_path(status, "state.terminated") &&
                 kst_json_path_int(status, "state.terminated.exitCode", 0) != 0;
    if (!loops && !ended)
        return false;
    kst_auto_free char *how = how_it_ended(status);
    return conclude(self,
                    kst_asprintf("Pod %s: container %s %s, %s", pod_name(self), name,
                                 loops ? "crashes again and again" : "has crashed", how),
                    kst_asprintf("see its last words with: kubectl -n %s logs %s -c %s --previous",
                                 self->run->app_ns, pod_name(self), name));
}

static bool check_start(struct inquiry *self, const struct kst_json *status)
{
    static const char *const reasons[] = {"CreateContainerConfigError", "CreateContainerError",
                                          "RunContainerError", NULL};
    const char *reason = kst_json_path_str(status, "state.waiting.reason");
    const char *message = kst_json_path_str(status, "state.waiting.message");
    if (!is_one_of(reason, reasons))
        return false;
    return conclude(self,
                    kst_asprintf("Pod %s: container %s cannot be started (%s%s%s)", pod_name(self),
                                 kst_json_path_str(status, "name"), reason, message ? ": " : "",
                                 message ? message : ""),
                    kst_strdup("what it names (a Secret, a ConfigMap, a command) was left out of "
                               "the restore, or was not in the point"));
}

static bool each_container(struct inquiry *self,
                           bool (*check)(struct inquiry *self, const struct kst_json *status))
{
    static const char *const lists[] = {"status.initContainerStatuses", "status.containerStatuses"};
    for (size_t i = 0; i < KST_ARRAY_LEN(lists); i++) {
        const struct kst_json *rows = kst_json_path(self->pod, lists[i]);
        for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
            if (check(self, row))
                return true;
        }
    }
    return false;
}

/* ---- A Pod ---- */

static bool check_images(struct inquiry *self)
{
    return each_container(self, check_image);
}

static bool check_crashes(struct inquiry *self)
{
    return each_container(self, check_crash);
}

static bool check_starts(struct inquiry *self)
{
    return each_container(self, check_start);
}

static bool check_scheduling(struct inquiry *self)
{
    const struct kst_json *rows = kst_json_path(self->pod, "status.conditions");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        const char *message = kst_json_path_str(row, "message");
        if (kst_same(kst_json_path_str(row, "type"), "PodScheduled") &&
            kst_same(kst_json_path_str(row, "status"), "False"))
            return conclude(
                self,
                kst_asprintf("Pod %s cannot be scheduled: %s", pod_name(self),
                             message ? message : "nobody has said why"),
                kst_strdup("has this cluster room, and nodes with the labels, taints and zones "
                           "that it asks for?"));
    }
    return false;
}

/* Volumes that are not mounted, probes that fail: it is said in Events alone. */
static bool check_events(struct inquiry *self)
{
    kst_auto_free char *said = kst_events_last(self->run, self->pod, true);
    return said && conclude(self, kst_asprintf("Pod %s: %s", pod_name(self), said),
                            kst_asprintf("kubectl -n %s describe pod %s", self->run->app_ns,
                                         pod_name(self)));
}

static bool check_phase(struct inquiry *self)
{
    const char *phase = kst_json_path_str(self->pod, "status.phase");
    const char *message = kst_json_path_str(self->pod, "status.message");
    return conclude(self,
                    kst_asprintf("Pod %s is %s%s%s%s", pod_name(self), phase ? phase : "Pending",
                                 kst_same(phase, "Running") ? ", but not ready" : "",
                                 message ? ": " : "", message ? message : ""),
                    kst_asprintf("kubectl -n %s describe pod %s", self->run->app_ns,
                                 pod_name(self)));
}

static void inquire(struct inquiry *self)
{
    static bool (*const checks[])(struct inquiry * self) = {
        check_images, check_crashes, check_starts, check_scheduling, check_events, check_phase,
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(checks); i++) {
        if (checks[i](self))
            return;
    }
}

/* ---- A workload ---- */

/* The first Pod that is not ready, of those that are not on their way out. */
static const struct kst_json *worst(const struct kst_json *pods)
{
    for (const struct kst_json *pod = kst_json_first(pods); pod; pod = kst_json_next(pod)) {
        if (!kst_json_path_str(pod, "metadata.deletionTimestamp") &&
            !kst_same(kst_json_path_str(pod, "status.phase"), "Succeeded") &&
            !kst_ready_condition(pod, "Ready"))
            return pod;
    }
    return NULL;
}

/* There are no Pods: whoever should make them says why (a quota, a webhook). For a Deployment that
 * is one of its ReplicaSets. */
static void ask_makers(struct kst_run *run, const struct kst_json *workload, const char *selector,
                       char **why)
{
    kst_auto_json struct kst_json *sets = NULL;
    char *said = kst_events_last(run, workload, true);
    const struct kst_kube_list_options options = {.label_selector = selector};
    if (!said && kst_same(kst_json_path_str(workload, "kind"), "Deployment"))
        kst_kube_list(run->kube, &kst_res_replicasets, run->app_ns, &options, &sets, NULL, NULL);
    for (const struct kst_json *set = kst_json_first(sets); set && !said; set = kst_json_next(set))
        said = kst_events_last(run, set, true);
    if (said)
        *why = kst_asprintf("its Pods cannot be made: %s", said);
    free(said);
}

void kst_ready_explain(struct kst_run *run, const struct kst_json *workload, char **why,
                       char **hint)
{
    struct inquiry inquiry = {.run = run};
    kst_auto_free char *selector = NULL;
    kst_auto_json struct kst_json *pods = NULL;
    if (kst_same(kst_json_path_str(workload, "kind"), "Pod")) {
        inquiry.pod = workload;
    } else if (kst_selector_text(kst_json_path(workload, "spec.selector"), &selector, NULL) == 0) {
        const struct kst_kube_list_options options = {.label_selector = selector};
        kst_kube_list(run->kube, &kst_res_pods, run->app_ns, &options, &pods, NULL, NULL);
        inquiry.pod = worst(pods);
    }
    if (inquiry.pod)
        inquire(&inquiry);
    else if (selector)
        ask_makers(run, workload, selector, &inquiry.why);
    *why = inquiry.why;
    *hint = inquiry.hint;
}
