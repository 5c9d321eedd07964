/* SPDX-License-Identifier: Apache-2.0 */
/* The status of a Deployment: counts, and whether it is available and makes progress. */
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"
#include "sandbox/control/deployment.h"

enum { MESSAGE_BYTES = 4096 };

struct counts {
    int64_t replicas, updated, ready, available, unavailable;
};

/* ---- conditions ---- */

static void put_condition(struct kst_deployment *self, const char *type, const char *status,
                          const char *reason, const char *message, bool again)
{
    const struct kst_json *old = kst_control_condition(self->conditions, type);
    bool same_status = old && strcmp(kst_api_text(old, "status"), status) == 0;
    if (same_status && !again && strcmp(kst_api_text(old, "reason"), reason) == 0)
        return;
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    struct kst_json *condition = kst_json_make(
        "{'type':%s,'status':%s,'lastUpdateTime':%s,'lastTransitionTime':%s,'reason':%s,"
        "'message':%s}",
        type, status, now, same_status ? kst_api_text(old, "lastTransitionTime") : now, reason,
        message);
    kst_control_condition_remove(self->conditions, type);
    kst_json_push(self->conditions, condition);
}

void kst_deployment_set_condition(struct kst_deployment *self, const char *type, const char *status,
                                  const char *reason, const char *format, ...)
{
    kst_auto_buf message = KST_BUF_INIT(MESSAGE_BYTES);
    va_list args;
    va_start(args, format);
    kst_buf_addv(&message, format, args);
    va_end(args);
    put_condition(self, type, status, reason, message.data, false);
}

static int64_t deadline_of(const struct kst_deployment *self)
{
    return kst_json_path_int(self->spec, "progressDeadlineSeconds", INT_MAX);
}

bool kst_deployment_has_deadline(const struct kst_deployment *self)
{
    return deadline_of(self) != INT_MAX;
}

/* ---- counts ---- */

static int64_t actual(const struct kst_object *set)
{
    return kst_json_path_int(set->json, "status.replicas", 0);
}

static int64_t ready(const struct kst_object *set)
{
    return kst_json_path_int(set->json, "status.readyReplicas", 0);
}

static struct counts count(const struct kst_deployment *self)
{
    struct counts now = {
        .replicas = kst_deployment_sum(self, false, actual),
        .updated = self->current >= 0 ? actual(self->sets.objects[self->current]) : 0,
        .ready = kst_deployment_sum(self, false, ready),
        .available = kst_deployment_sum(self, false, kst_deployment_available),
    };
    now.unavailable = kst_deployment_sum(self, false, kst_deployment_size) - now.available;
    return now;
}

static struct counts counted(const struct kst_deployment *self)
{
    const struct kst_json *status = kst_json_get(self->object->json, "status");
    return (struct counts){
        .replicas = kst_json_path_int(status, "replicas", 0),
        .updated = kst_json_path_int(status, "updatedReplicas", 0),
        .ready = kst_json_path_int(status, "readyReplicas", 0),
        .available = kst_json_path_int(status, "availableReplicas", 0),
    };
}

static bool is_complete(const struct kst_deployment *self, const struct counts *now)
{
    return now->updated == self->replicas && now->replicas == self->replicas &&
           now->available == self->replicas;
}

bool kst_deployment_is_complete(const struct kst_deployment *self)
{
    const struct counts before = counted(self);
    return is_complete(self, &before) &&
           kst_json_path_int(self->object->json, "status.observedGeneration", 0) >=
               kst_json_path_int(self->object->json, "metadata.generation", 0);
}

static bool has_progressed(const struct counts *before, const struct counts *now)
{
    return now->updated > before->updated || now->ready > before->ready ||
           now->available > before->available ||
           now->replicas - now->updated < before->replicas - before->updated;
}

/* ---- progress ---- */

/* Whether the deadline has passed since the last progress; if not yet, it is waited for. */
static bool is_late(struct kst_deployment *self)
{
    const struct kst_json *progress = kst_control_condition(self->conditions, "Progressing");
    const char *reason = kst_api_text(progress, "reason");
    if (!progress || strcmp(reason, "NewReplicaSetAvailable") == 0)
        return false;
    if (strcmp(reason, "ProgressDeadlineExceeded") == 0)
        return true;
    int64_t at = kst_control_time(kst_api_text(progress, "lastUpdateTime"), deadline_of(self));
    if (at <= kst_now_ms())
        return true;
    self->again_ms = at < self->again_ms ? at : self->again_ms;
    return false;
}

static void judge_progress(struct kst_deployment *self, const struct counts *now)
{
    const struct counts before = counted(self);
    const struct kst_json *progress = kst_control_condition(self->conditions, "Progressing");
    if (!kst_deployment_has_deadline(self)) {
        kst_control_condition_remove(self->conditions, "Progressing");
        return;
    }
    if (now->replicas == now->updated &&
        strcmp(kst_api_text(progress, "reason"), "NewReplicaSetAvailable") == 0)
        return;
    const struct kst_object *set = self->current >= 0 ? self->sets.objects[self->current] : NULL;
    kst_auto_free char *who = kst_asprintf("%s \"%s\"", set ? "ReplicaSet" : "Deployment",
                                           set ? set->name : self->object->name);
    kst_auto_free char *moves = kst_asprintf("%s is progressing.", who);
    if (is_complete(self, now))
        kst_deployment_set_condition(self, "Progressing", "True", "NewReplicaSetAvailable",
                                     "%s has successfully progressed.", who);
    else if (has_progressed(&before, now))
        put_condition(self, "Progressing", "True", "ReplicaSetUpdated", moves, true);
    else if (is_late(self))
        kst_deployment_set_condition(self, "Progressing", "False", "ProgressDeadlineExceeded",
                                     "%s has timed out progressing.", who);
    is_late(self); /* when it is to be looked at again */
}

/* A ReplicaSet that cannot make its Pods: the current one's word counts most. */
static void judge_failure(struct kst_deployment *self)
{
    const struct kst_json *failure = NULL;
    for (size_t i = 0; i < self->sets.count; i++) {
        const struct kst_json *list = kst_json_path(self->sets.objects[i]->json,
                                                    "status.conditions");
        const struct kst_json *found = kst_control_condition(list, "ReplicaFailure");
        if (found && (!failure || (int)i == self->current))
            failure = found;
    }
    if (!failure) {
        kst_control_condition_remove(self->conditions, "ReplicaFailure");
        return;
    }
    put_condition(self, "ReplicaFailure", kst_api_text(failure, "status"),
                  kst_api_text(failure, "reason"), kst_api_text(failure, "message"), false);
}

static void judge_availability(struct kst_deployment *self, const struct counts *now)
{
    bool enough = now->available >= self->replicas - self->max_unavailable;
    put_condition(self, "Available", enough ? "True" : "False",
                  enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
                  enough ? "Deployment has minimum availability."
                         : "Deployment does not have minimum availability.",
                  false);
}

void kst_deployment_tell(struct kst_deployment *self, bool rollout)
{
    const struct counts now = count(self);
    const struct {
        const char *key;
        int64_t value;
    } fields[] = {
        {"observedGeneration", kst_json_path_int(self->object->json, "metadata.generation", 0)},
        {"replicas", now.replicas},
        {"updatedReplicas", now.updated},
        {"readyReplicas", now.ready},
        {"availableReplicas", now.available},
        {"unavailableReplicas", now.unavailable},
    };
    judge_availability(self, &now);
    if (rollout) {
        judge_progress(self, &now);
        judge_failure(self);
    }
    struct kst_json *status = kst_json_object();
    for (size_t i = 0; i < KST_ARRAY_LEN(fields); i++)
        if (fields[i].value > 0)
            kst_json_set_int(status, fields[i].key, fields[i].value);
    if (kst_json_len(self->conditions) > 0)
        kst_json_set(status, "conditions", kst_json_dup(self->conditions));
    if (self->collisions > 0)
        kst_json_set_int(status, "collisionCount", self->collisions);
    kst_api_set_status(self->api, "apps/deployments", self->object, status,
                       "kube-controller-manager");
}
