/* SPDX-License-Identifier: Apache-2.0 */
/* The status of a Pod, as kubelet writes it. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"
#include "sandbox/node/internal.h"

static void set_time(struct kst_json *object, const char *key, int64_t ms)
{
    char text[KST_TIME_TEXT];
    kst_time_format(ms, text);
    kst_json_set_str(object, key, text);
}

static struct kst_json *state_json(const struct kst_pod_container *container,
                                   const struct kst_pod_state *state)
{
    struct kst_json *json = kst_json_object(), *inner = kst_json_object();
    static const char *const keys[] = {"waiting", "running", "terminated"};
    if (state->now == KST_STATE_WAITING) {
        if (state->reason)
            kst_json_set_str(inner, "reason", state->reason);
        if (state->message)
            kst_json_set_str(inner, "message", state->message);
    } else if (state->now == KST_STATE_RUNNING) {
        set_time(inner, "startedAt", state->started_ms);
    } else {
        kst_json_set_int(inner, "exitCode", state->exit_code);
        kst_json_set_str(inner, "reason", state->reason);
        if (state->message)
            kst_json_set_str(inner, "message", state->message);
        set_time(inner, "startedAt", state->started_ms);
        set_time(inner, "finishedAt", state->ended_ms);
    }
    kst_json_set(json, keys[state->now], inner);
    return json;
}

static struct kst_json *container_json(const struct kst_pod_container *self)
{
    kst_auto_json struct kst_json *state = state_json(self, &self->state);
    kst_auto_json struct kst_json *last = self->last.now == KST_STATE_ENDED
                                              ? state_json(self, &self->last)
                                              : kst_json_object();
    const char *image = kst_api_text(self->spec, "image");
    kst_auto_free char *id = self->state.now == KST_STATE_WAITING
                                 ? kst_strdup("")
                                 : kst_asprintf("process://%s-%d", self->pod->uid, self->restarts);
    bool done = self->init && self->state.now == KST_STATE_ENDED && self->state.exit_code == 0;
    struct kst_json *json = kst_json_make(
        "{'name':%s,'state':%J,'lastState':%J,'ready':%b,'restartCount':%d,'image':%s,"
        "'imageID':%s,'containerID':%s}",
        self->name, state, last, self->init ? done : self->ready, self->restarts, image,
        self->pulled ? image : "", id);
    if (!*id)
        kst_json_remove(json, "containerID");
    if (!self->init)
        kst_json_set_bool(json, "started", self->started);
    return json;
}

struct summary {
    size_t waiting, running, succeeded, failed, ready, count;
    bool initialized, init_failed;
};

static struct summary sum_up(const struct kst_pod *self)
{
    struct summary sum = {.initialized = true};
    const char *policy = kst_api_text(self->json, "spec.restartPolicy");
    for (size_t i = 0; i < self->ncontainers; i++) {
        const struct kst_pod_container *c = &self->containers[i];
        bool ended = c->state.now == KST_STATE_ENDED;
        if (c->init) {
            bool ok = ended && c->state.exit_code == 0;
            sum.initialized = sum.initialized && ok;
            sum.init_failed = sum.init_failed || (ended && !ok && strcmp(policy, "Never") == 0);
            continue;
        }
        sum.count++;
        sum.ready += c->ready;
        sum.waiting += c->state.now == KST_STATE_WAITING;
        sum.running += c->state.now == KST_STATE_RUNNING;
        sum.succeeded += ended && c->state.exit_code == 0;
        sum.failed += ended && c->state.exit_code != 0;
    }
    return sum;
}

static const char *phase_of(const struct kst_pod *self, const struct summary *sum)
{
    const char *policy = kst_api_text(self->json, "spec.restartPolicy");
    bool always = strcmp(policy, "Always") == 0, never = strcmp(policy, "Never") == 0;
    if (sum->init_failed || self->overdue)
        return "Failed";
    if (!sum->initialized)
        return "Pending";
    if (sum->waiting > 0) {
        for (size_t i = 0; i < self->ncontainers; i++)
            if (!self->containers[i].init && self->containers[i].last.now == KST_STATE_ENDED)
                return "Running"; /* between two starts */
        return "Pending";
    }
    if (sum->running > 0 || (always && !self->ending))
        return "Running";
    if (sum->failed > 0)
        return never || self->ending ? "Failed" : "Running";
    return "Succeeded";
}

static void push_condition(struct kst_json *list, const struct kst_json *old, const char *type,
                           bool value, const char *reason, const char *message)
{
    char now[KST_TIME_TEXT];
    const char *since = now, *status = value ? "True" : "False";
    kst_api_now(now);
    for (const struct kst_json *c = kst_json_first(old); c; c = kst_json_next(c))
        if (strcmp(kst_api_text(c, "type"), type) == 0 &&
            strcmp(kst_api_text(c, "status"), status) == 0)
            since = kst_api_text(c, "lastTransitionTime");
    struct kst_json *condition = kst_json_make(
        "{'type':%s,'status':%s,'lastProbeTime':null,'lastTransitionTime':%s}", type, status,
        since);
    if (!value && reason)
        kst_json_set_str(condition, "reason", reason);
    if (!value && reason && message)
        kst_json_set_str(condition, "message", message);
    kst_json_push(list, condition);
}

/* "containers with unready status: [a b]"; the caller frees it. */
static char *unready(const struct kst_pod *self, bool init)
{
    kst_auto_buf names = KST_BUF_INIT(64 * 1024);
    for (size_t i = 0; i < self->ncontainers; i++) {
        const struct kst_pod_container *c = &self->containers[i];
        bool done = c->state.now == KST_STATE_ENDED && c->state.exit_code == 0;
        if (c->init == init && !(init ? done : c->ready))
            kst_buf_addf(&names, "%s%s", names.len ? " " : "", c->name);
    }
    return kst_asprintf("containers with %s status: [%s]", init ? "incomplete" : "unready",
                        names.data);
}

static void set_conditions(const struct kst_pod *self, struct kst_json *status,
                           const struct kst_json *old, const struct summary *sum, const char *phase)
{
    static const char *const own[] = {"Initialized", "Ready", "ContainersReady", "PodScheduled"};
    bool succeeded = strcmp(phase, "Succeeded") == 0;
    bool ready = sum->initialized && sum->ready == sum->count && sum->count > 0;
    const char *why = succeeded ? "PodCompleted" : "ContainersNotReady";
    kst_auto_free char *incomplete = unready(self, true), *waiting = unready(self, false);
    struct kst_json *list = kst_json_array();
    push_condition(list, old, "Initialized", sum->initialized, "ContainersNotInitialized",
                   incomplete);
    push_condition(list, old, "Ready", ready, why, succeeded ? NULL : waiting);
    push_condition(list, old, "ContainersReady", ready, why, succeeded ? NULL : waiting);
    push_condition(list, old, "PodScheduled", true, NULL, NULL);
    for (const struct kst_json *c = kst_json_first(old); c; c = kst_json_next(c)) {
        bool others = true;
        for (size_t i = 0; i < KST_ARRAY_LEN(own); i++)
            others = others && strcmp(kst_api_text(c, "type"), own[i]) != 0;
        if (others)
            kst_json_push(list, kst_json_dup(c));
    }
    kst_json_set(status, "conditions", list);
}

void kst_pod_event(const struct kst_pod_container *self, const char *type, const char *reason,
                   const char *format, ...)
{
    const struct kst_pod *pod = self->pod;
    const struct kst_object *object = kst_api_find(pod->node->api, "/pods", pod->ns, pod->name);
    kst_auto_free char *field = kst_asprintf(
        "spec.%s{%s}", self->init ? "initContainers" : "containers", self->name);
    kst_auto_buf text = KST_BUF_INIT(64 * 1024);
    va_list args;
    va_start(args, format);
    kst_buf_addv(&text, format, args);
    va_end(args);
    if (object && strcmp(object->uid, pod->uid) == 0)
        kst_control_event_of(pod->node->api, object, field, "kubelet", type, reason, "%s",
                             text.data);
}

void kst_pod_tell(struct kst_pod *self)
{
    struct kst_object *object = kst_api_find(self->node->api, "/pods", self->ns, self->name);
    if (!object || strcmp(object->uid, self->uid) != 0)
        return;
    const struct summary sum = sum_up(self);
    const char *phase = phase_of(self, &sum);
    struct kst_json *status = kst_json_make(
        "{'phase':%s,'hostIP':'127.0.0.1','podIP':%s,'podIPs':[{'ip':%s}],'qosClass':%s}", phase,
        self->ip, self->ip, kst_api_text(object->json, "status.qosClass"));
    if (self->overdue) {
        kst_json_set_str(status, "reason", "DeadlineExceeded");
        kst_json_set_str(status, "message",
                         "Pod was active on the node longer than the specified deadline");
    }
    set_time(status, "startTime", self->start_ms);
    set_conditions(self, status, kst_json_path(object->json, "status.conditions"), &sum, phase);
    for (size_t i = 0; i < self->ncontainers; i++)
        kst_json_push(kst_json_ensure_array(status, self->containers[i].init
                                                        ? "initContainerStatuses"
                                                        : "containerStatuses"),
                      container_json(&self->containers[i]));
    kst_api_set_status(self->node->api, "/pods", object, status, "kubelet");
}
