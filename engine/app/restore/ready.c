/* SPDX-License-Identifier: Apache-2.0 */
#include "app/restore/ready.h"

#include "app/restore/ready_internal.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "kube/watch.h"
#include "loop/fiber.h"
#include <stdlib.h>

enum {
    LOOK_MS = 20 * 1000, /* for the reasons, after the time is up */
    MAX_BYTES = 6000,    /* of the message: it goes into a status and an Event */
};

static int64_t number(const struct kst_json *object, const char *path, int64_t fallback)
{
    return kst_json_path_int(object, path, fallback);
}

bool kst_ready_condition(const struct kst_json *object, const char *type)
{
    const struct kst_json *rows = kst_json_path(object, "status.conditions");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        if (kst_same(kst_json_path_str(row, "type"), type))
            return kst_same(kst_json_path_str(row, "status"), "True");
    }
    return false;
}

/* ---- What each kind means by ready: NULL, or what is missing (the caller frees it) ---- */

static char *count_of(int64_t have, int64_t wanted, const char *what)
{
    return have < wanted ? kst_asprintf("%lld of %lld %s", (long long)have, (long long)wanted, what)
                         : NULL;
}

static bool is_observed(const struct kst_json *object)
{
    return number(object, "status.observedGeneration", 0) >=
           number(object, "metadata.generation", 0);
}

static char *deployment(const struct kst_json *object)
{
    int64_t wanted = number(object, "spec.replicas", 1);
    int64_t updated = number(object, "status.updatedReplicas", 0);
    int64_t all = number(object, "status.replicas", 0);
    int64_t available = number(object, "status.availableReplicas", 0);
    if (kst_json_path_true(object, "spec.paused")) /* no rollout goes on: what there is counts */
        return count_of(available, wanted, "replicas are available");
    char *missing = count_of(updated, wanted, "replicas are up to date");
    if (!missing && all > updated)
        missing = kst_asprintf("%lld replicas of before are still there",
                               (long long)(all - updated));
    return missing ? missing : count_of(available, updated, "replicas are available");
}

static char *stateful_set(const struct kst_json *object)
{
    int64_t wanted = number(object, "spec.replicas", 1);
    int64_t updated = number(object, "status.updatedReplicas", 0);
    const struct kst_json *partition = kst_json_path(object,
                                                     "spec.updateStrategy.rollingUpdate.partition");
    char *missing = count_of(number(object, "status.readyReplicas", 0), wanted,
                             "replicas are ready");
    if (missing || kst_same(kst_json_path_str(object, "spec.updateStrategy.type"), "OnDelete"))
        return missing; /* its Pods are as new as somebody makes them */
    int64_t keep = number(object, "spec.updateStrategy.rollingUpdate.partition", 0);
    if (partition && keep > 0)
        return count_of(updated, wanted - keep, "replicas above the partition are up to date");
    return wanted > 0 && !kst_same(kst_json_path_str(object, "status.updateRevision"),
                                   kst_json_path_str(object, "status.currentRevision"))
               ? count_of(updated, wanted, "replicas are up to date")
               : NULL;
}

static char *daemon_set(const struct kst_json *object)
{
    int64_t wanted = number(object, "status.desiredNumberScheduled", 0);
    bool rolls = !kst_same(kst_json_path_str(object, "spec.updateStrategy.type"), "OnDelete");
    char *missing = rolls ? count_of(number(object, "status.updatedNumberScheduled", 0), wanted,
                                     "Pods are up to date")
                          : NULL;
    return missing ? missing
                   : count_of(number(object, "status.numberAvailable", 0), wanted,
                              "Pods are available");
}

static char *replicas(const struct kst_json *object)
{
    return count_of(number(object, "status.readyReplicas", 0), number(object, "spec.replicas", 1),
                    "replicas are ready");
}

static char *pod(const struct kst_json *object)
{
    const char *phase = kst_json_path_str(object, "status.phase");
    if (kst_same(phase, "Succeeded") || kst_ready_condition(object, "Ready"))
        return NULL;
    return kst_asprintf("it is %s and not ready", phase ? phase : "Pending");
}

static const struct kind {
    const struct kst_kube_resource *resource;
    char *(*missing)(const struct kst_json *object);
    bool observes; /* status.observedGeneration */
} kinds[] = {
    {&kst_res_deployments, deployment, true},
    {&kst_res_statefulsets, stateful_set, true},
    {&kst_res_daemonsets, daemon_set, true},
    {&kst_res_replicasets, replicas, true},
    {&kst_res_pods, pod, false},
};

/* ---- Waiting ---- */

struct wait {
    struct kst_run *run;
    const struct kind *kind;
    const char *name;
    int64_t deadline_ms;
    struct kst_json *last; /* the object as it was seen last */
    char *missing;         /* NULL: it is ready */
    char *why, *hint;
};

static int look(void *arg, const struct kst_json *object, struct kst_err **err)
{
    struct wait *self = arg;
    free(kst_take(self->missing));
    kst_json_free(kst_take(self->last));
    if (!object) {
        self->missing = kst_strdup("somebody has deleted it");
        return 1;
    }
    self->last = kst_json_dup(object);
    if (self->kind->observes && !is_observed(object))
        self->missing = kst_strdup("its controller has not looked at it yet");
    else
        self->missing = self->kind->missing(object);
    bool failed = self->kind->resource == &kst_res_pods &&
                  kst_same(kst_json_path_str(object, "status.phase"), "Failed");
    return !self->missing || failed;
}

static int await_one(void *arg, struct kst_err **err)
{
    struct wait *self = arg;
    struct kst_err *cause = NULL;
    int rc = kst_watch_until(self->run->kube, self->kind->resource, self->run->app_ns, self->name,
                             look, self, self->deadline_ms, "to be ready", NULL, &cause);
    if (rc == KST_E_TIMEOUT && kst_fiber_check(NULL) == 0) {
        if (!self->missing)
            self->missing = kst_strdup("the API server has told nothing of it");
        kst_err_clear(&cause);
        return 0;
    }
    if (rc < 0)
        return kst_err_move(err, &cause);
    if (!self->missing) {
        kst_auto_free char *text = kst_asprintf("%s/%s is ready", self->kind->resource->kind,
                                                self->name);
        kst_run_note(self->run, KST_NOTE_WORKLOAD, text, NULL);
    }
    return 0;
}

static int explain(void *arg, struct kst_err **err)
{
    struct wait *self = arg;
    if (self->last)
        kst_ready_explain(self->run, self->last, &self->why, &self->hint);
    return 0;
}

static const struct kind *kind_of(const struct kst_json *row)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(kinds); i++) {
        if (kst_same(kst_json_path_str(row, "apiVersion"), kinds[i].resource->api_version) &&
            kst_same(kst_json_path_str(row, "kind"), kinds[i].resource->kind))
            return &kinds[i];
    }
    return NULL;
}

static int not_ready(struct kst_run *run, const struct wait *waits, size_t count, size_t missing,
                     struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(MAX_BYTES);
    char waited[KST_TIME_TEXT];
    const char *hint = NULL;
    kst_duration_format(run->ready_timeout_ms, waited);
    for (size_t i = 0; i < count; i++) {
        const struct wait *wait = &waits[i];
        if (!wait->missing)
            continue;
        kst_buf_addf(&text, "%s%s/%s/%s: %s%s%s", text.len ? "; " : "", wait->kind->resource->kind,
                     run->app_ns, wait->name, wait->missing, wait->why ? ": " : "",
                     wait->why ? wait->why : "");
        hint = hint ? hint : wait->hint;
    }
    kst_err_set(err, KST_E_TIMEOUT, "%zu of %zu workloads are not ready after %s: %s%s", missing,
                count, waited, text.data, text.overflown ? "; and more" : "");
    kst_err_reason(err, "NotReady");
    if (hint)
        kst_err_hint(err, "%s", hint);
    else
        kst_err_hint(err,
                     "see why with: kubectl -n %s get pods, and kubectl describe; allow more time "
                     "with spec.readyTimeout if they need it",
                     run->app_ns);
    return KST_E_TIMEOUT;
}

static int judge(struct kst_run *run, struct wait *waits, size_t count, struct kst_err **err)
{
    size_t missing = 0;
    struct kst_group *group = kst_group_new(run->loop, false);
    int64_t outer = kst_deadline_set(kst_deadline_in_ms(LOOK_MS));
    for (size_t i = 0; i < count; i++) {
        if (!waits[i].missing)
            continue;
        missing++;
        kst_group_spawn(group, "explain", explain, &waits[i]);
    }
    kst_group_wait(group, NULL);
    kst_deadline_restore(outer);
    kst_group_free(group);
    return missing ? not_ready(run, waits, count, missing, err) : 0;
}

int kst_ready_await(struct kst_run *run, const struct kst_json *workloads, struct kst_err **err)
{
    kst_auto_free struct wait *waits = kst_calloc(kst_json_len(workloads), sizeof(*waits));
    size_t count = 0;
    int64_t deadline_ms = kst_deadline_in_ms(run->ready_timeout_ms);
    struct kst_group *group = kst_group_new(run->loop, true);
    for (const struct kst_json *row = kst_json_first(workloads); row; row = kst_json_next(row)) {
        const struct kind *kind = kind_of(row);
        const char *name = kst_json_path_str(row, "name");
        if (!kind || !name)
            continue;
        waits[count] = (struct wait){
            .run = run, .kind = kind, .name = name, .deadline_ms = deadline_ms};
        kst_group_spawn(group, "ready", await_one, &waits[count++]);
    }
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    if (rc == 0)
        rc = judge(run, waits, count, err);
    for (size_t i = 0; i < count; i++) {
        kst_json_free(waits[i].last);
        free(waits[i].missing);
        free(waits[i].why);
        free(waits[i].hint);
    }
    return rc;
}
