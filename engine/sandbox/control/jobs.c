/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: Pods until enough of them have succeeded, or too many failed.
 * https://kubernetes.io/docs/concepts/workloads/controllers/job/
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"

#define JOBS "batch/jobs"

static const char component[] = "job-controller";

/* The pause before a failed Pod is replaced; none for the first. */
enum { BACKOFF_S = 10, MOST_BACKOFF_S = 360, BURST = 500 };

struct job {
    struct kst_api *api;
    const struct kst_object *object;
    const struct kst_json *spec;
    struct kst_control_list pods;
    int64_t active, succeeded, failed;
    int64_t again_ms;
    struct kst_json *status;
};

static bool has_condition(const struct kst_json *job, const char *type)
{
    const struct kst_json *found = kst_control_condition(kst_json_path(job, "status.conditions"),
                                                         type);
    return strcmp(kst_api_text(found, "status"), "True") == 0;
}

static bool is_finished(const struct kst_json *job)
{
    return has_condition(job, "Complete") || has_condition(job, "Failed");
}

static void wake_at(struct job *self, int64_t at_ms)
{
    self->again_ms = at_ms < self->again_ms ? at_ms : self->again_ms;
}

/* ---- failures ---- */

/* When a Pod ended, as its containers say; else when it was made. */
static const char *end_of(const struct kst_json *pod)
{
    const struct kst_json *list = kst_json_path(pod, "status.containerStatuses");
    const char *latest = "";
    for (const struct kst_json *c = kst_json_first(list); c; c = kst_json_next(c)) {
        const char *end = kst_api_text(c, "state.terminated.finishedAt");
        latest = strcmp(end, latest) > 0 ? end : latest;
    }
    return *latest ? latest : kst_api_text(pod, "metadata.creationTimestamp");
}

/* When failed Pods may be replaced: the longer, the more of them have failed since the last
 * success. */
static int64_t backoff_until(const struct job *self)
{
    const char *success = "", *failure = "";
    int64_t count = 0, pause_s = BACKOFF_S;
    for (int kind = 0; kind < 2; kind++)
        for (size_t i = 0; i < self->pods.count; i++) {
            const struct kst_json *pod = self->pods.objects[i]->json;
            const char *phase = kst_api_text(pod, "status.phase"), *end = end_of(pod);
            if (kind == 0 && strcmp(phase, "Succeeded") == 0 && strcmp(end, success) > 0)
                success = end;
            if (kind == 0 || strcmp(phase, "Failed") != 0 || strcmp(end, success) <= 0)
                continue;
            count++;
            failure = strcmp(end, failure) > 0 ? end : failure;
        }
    if (count < 2)
        return 0;
    for (int64_t i = 2; i < count && pause_s < MOST_BACKOFF_S; i++)
        pause_s *= 2;
    return kst_control_time(failure, pause_s < MOST_BACKOFF_S ? pause_s : MOST_BACKOFF_S);
}

static int64_t restarts_of(const struct kst_json *pod)
{
    static const char *const lists[] = {"status.initContainerStatuses", "status.containerStatuses"};
    int64_t sum = 0;
    for (size_t i = 0; i < KST_ARRAY_LEN(lists); i++)
        for (const struct kst_json *c = kst_json_first(kst_json_path(pod, lists[i])); c;
             c = kst_json_next(c))
            sum += kst_json_path_int(c, "restartCount", 0);
    return sum;
}

/* Containers that are restarted in their Pods count too. */
static bool restarted_too_often(const struct job *self, int64_t limit)
{
    int64_t sum = 0;
    if (strcmp(kst_api_text(self->spec, "template.spec.restartPolicy"), "OnFailure") != 0)
        return false;
    for (size_t i = 0; i < self->pods.count; i++)
        if (!kst_pod_is_finished(self->pods.objects[i]->json))
            sum += restarts_of(self->pods.objects[i]->json);
    return limit == 0 ? sum > 0 : sum >= limit;
}

static bool is_too_late(struct job *self)
{
    int64_t seconds = kst_json_path_int(self->spec, "activeDeadlineSeconds", -1);
    if (seconds < 0)
        return false;
    int64_t at = kst_control_time(kst_api_text(self->status, "startTime"), seconds);
    if (at > kst_now_ms())
        wake_at(self, at);
    return at <= kst_now_ms();
}

/* Why the Job has failed, with the words for it; NULL where it has not. */
static const char *failure_of(struct job *self, const char **message)
{
    int64_t limit = kst_json_path_int(self->spec, "backoffLimit", 6);
    bool more = self->failed > kst_json_path_int(self->object->json, "status.failed", 0);
    if ((more && self->active != kst_json_path_int(self->spec, "parallelism", 1) &&
         self->failed > limit) ||
        restarted_too_often(self, limit)) {
        *message = "Job has reached the specified backoff limit";
        return "BackoffLimitExceeded";
    }
    if (is_too_late(self)) {
        *message = "Job was active longer than specified deadline";
        return "DeadlineExceeded";
    }
    return NULL;
}

/* ---- its end ---- */

static void add_condition(struct job *self, const char *type, const char *reason,
                          const char *message)
{
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    struct kst_json *condition = kst_json_make(
        "{'type':%s,'status':'True','lastProbeTime':%s,'lastTransitionTime':%s}", type, now, now);
    kst_json_set_str(condition, "reason", reason);
    kst_json_set_str(condition, "message", message);
    kst_json_push(kst_json_ensure_array(self->status, "conditions"), condition);
}

static void fail(struct job *self, const char *reason, const char *message)
{
    for (size_t i = 0; i < self->pods.count; i++)
        if (kst_pod_is_active(self->pods.objects[i]->json))
            kst_control_pod_delete(self->api, self->object, component, self->pods.objects[i]);
    self->failed += self->active;
    self->active = 0;
    add_condition(self, "Failed", reason, message);
    kst_control_event(self->api, self->object, component, "Warning", reason, "%s", message);
}

static void complete(struct job *self)
{
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    add_condition(self, "Complete", NULL, NULL);
    kst_json_set_str(self->status, "completionTime", now);
    if (self->active > 0)
        kst_control_event(self->api, self->object, component, "Warning", "TooManyActivePods",
                          "Too many active pods running after completion count reached");
    kst_control_event(self->api, self->object, component, "Normal", "Completed", "Job completed");
}

/* Without a number of completions, the first success ends it, once the others have ended too. */
static bool is_complete(const struct job *self)
{
    int64_t wanted = kst_json_path_int(self->spec, "completions", -1);
    return wanted < 0 ? self->succeeded > 0 && self->active == 0 : self->succeeded >= wanted;
}

/* ---- its Pods ---- */

static void grow(struct job *self, int64_t missing)
{
    int64_t until = backoff_until(self);
    if (until > kst_now_ms()) {
        wake_at(self, until);
        return;
    }
    kst_auto_json struct kst_json *owner = kst_control_owner("batch/v1", "Job", self->object);
    kst_auto_free char *prefix = kst_asprintf("%s-", self->object->name);
    kst_auto_free char *why = NULL;
    for (int64_t i = 0; i < missing && i < BURST && !why; i++) {
        struct kst_json *pod = kst_control_pod(kst_json_get(self->spec, "template"),
                                               self->object->ns, NULL, prefix, owner);
        kst_control_pod_create(self->api, self->object, component, pod, &why);
        self->active += !why;
    }
    if (why)
        wake_at(self, kst_control_failed_until(self->api, self->object, component, NULL));
}

static void shrink(struct job *self, int64_t surplus)
{
    kst_control_pods_sort(&self->pods);
    for (size_t i = 0; i < self->pods.count && surplus > 0; i++) {
        if (!kst_pod_is_active(self->pods.objects[i]->json))
            continue;
        kst_control_pod_delete(self->api, self->object, component, self->pods.objects[i]);
        self->active--;
        surplus--;
    }
}

static void manage(struct job *self)
{
    int64_t parallelism = kst_json_path_int(self->spec, "parallelism", 1);
    int64_t completions = kst_json_path_int(self->spec, "completions", -1);
    int64_t wanted = parallelism;
    if (completions < 0 && self->succeeded > 0)
        wanted = self->active;
    else if (completions >= 0 && completions - self->succeeded < parallelism)
        wanted = completions - self->succeeded;
    if (self->active > parallelism)
        shrink(self, self->active - parallelism);
    else if (self->active < wanted)
        grow(self, wanted - self->active);
}

static void count_pods(struct job *self)
{
    for (size_t i = 0; i < self->pods.count; i++) {
        const struct kst_json *pod = self->pods.objects[i]->json;
        const char *phase = kst_api_text(pod, "status.phase");
        self->active += kst_pod_is_active(pod);
        self->succeeded += strcmp(phase, "Succeeded") == 0;
        self->failed += strcmp(phase, "Failed") == 0;
    }
}

/* ---- one Job ---- */

static void set_count(struct kst_json *status, const char *key, int64_t count)
{
    if (count > 0)
        kst_json_set_int(status, key, count);
    else
        kst_json_remove(status, key);
}

static void run(struct job *self)
{
    if (!*kst_api_text(self->status, "startTime")) {
        char now[KST_TIME_TEXT];
        kst_api_now(now);
        kst_json_set_str(self->status, "startTime", now);
    }
    self->pods = kst_control_claim(self->api, self->object, "/pods", NULL);
    count_pods(self);
    const char *message = NULL, *reason = failure_of(self, &message);
    if (reason) {
        fail(self, reason, message);
    } else {
        if (!kst_api_is_deleting(self->object->json))
            manage(self);
        if (is_complete(self))
            complete(self);
    }
    set_count(self->status, "active", self->active);
    set_count(self->status, "succeeded", self->succeeded);
    set_count(self->status, "failed", self->failed);
    kst_control_list_release(&self->pods);
}

/* What ended and was given a time to live is deleted after it, with its Pods. */
static int64_t expire(struct kst_api *api, const struct kst_object *job)
{
    int64_t seconds = kst_json_path_int(job->json, "spec.ttlSecondsAfterFinished", -1);
    const struct kst_json *list = kst_json_path(job->json, "status.conditions");
    const struct kst_json *end = kst_control_condition(list, "Complete");
    if (!end)
        end = kst_control_condition(list, "Failed");
    if (seconds < 0 || kst_api_is_deleting(job->json))
        return KST_NEVER;
    int64_t at = kst_control_time(kst_api_text(end, "lastTransitionTime"), seconds);
    if (at > kst_now_ms())
        return at;
    const struct kst_api_call call = kst_api_call_for(api, JOBS, job->ns, job->name, NULL);
    const struct kst_api_delete options = {
        .uid = job->uid, .propagation = "Foreground", .grace_seconds = -1};
    kst_json_free(kst_api_delete(api, &call, &options, NULL));
    return KST_NEVER;
}

static bool counts_differ(const struct kst_json *a, const struct kst_json *b)
{
    static const char *const keys[] = {"active", "succeeded", "failed"};
    for (size_t i = 0; i < KST_ARRAY_LEN(keys); i++)
        if (kst_json_path_int(a, keys[i], 0) != kst_json_path_int(b, keys[i], 0))
            return true;
    return kst_json_len(kst_json_get(a, "conditions")) !=
           kst_json_len(kst_json_get(b, "conditions"));
}

static int64_t keep(struct kst_api *api, const struct kst_object *object)
{
    if (is_finished(object->json))
        return expire(api, object);
    struct job self = {.api = api, .object = object, .again_ms = KST_NEVER};
    self.spec = kst_json_get(object->json, "spec");
    self.status = kst_json_get(object->json, "status")
                      ? kst_json_dup(kst_json_get(object->json, "status"))
                      : kst_json_object();
    run(&self);
    /* As long as nothing is to be counted, not even the start is told. */
    if (counts_differ(kst_json_get(object->json, "status"), self.status))
        kst_api_set_status(api, JOBS, object, self.status, "kube-controller-manager");
    else
        kst_json_free(self.status);
    return self.again_ms;
}

static int64_t reconcile(const struct kst_control *control)
{
    return kst_control_each(control, JOBS, true, keep);
}

const struct kst_controller kst_control_jobs = {
    .name = component,
    .buckets = {JOBS, "/pods"},
    .reconcile = reconcile,
};
