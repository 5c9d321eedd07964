/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deployments: a template becomes a ReplicaSet, and a new template a new one, to which the Pods
 * move at the pace that the strategy allows.
 * https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
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
#include "sandbox/control/deployment.h"

#define DEPLOYMENTS "apps/deployments"
#define SETS        "apps/replicasets"

/* ---- rolling ---- */

/* Brings the current ReplicaSet nearer to its size; false where nothing was to be done. */
static bool grow_current(struct kst_deployment *self)
{
    size_t current = (size_t)self->current;
    int64_t size = kst_deployment_size(self->sets.objects[current]);
    int64_t room = self->replicas + self->max_surge -
                   kst_deployment_sum(self, false, kst_deployment_size);
    if (size >= self->replicas)
        return kst_deployment_scale(self, current, self->replicas);
    int64_t more = room < self->replicas - size ? room : self->replicas - size;
    return more > 0 && kst_deployment_scale(self, current, size + more);
}

/* Takes at most `most` Pods from old ReplicaSets, of those that are not available (`unhealthy`) or
 * of any; the number that was taken. */
static int64_t take_from_old(struct kst_deployment *self, int64_t most, bool unhealthy)
{
    int64_t taken = 0;
    for (size_t i = 0; i < self->sets.count && taken < most; i++) {
        const struct kst_object *set = self->sets.objects[i];
        int64_t size = kst_deployment_size(set);
        int64_t spare = unhealthy ? size - kst_deployment_available(set) : size;
        int64_t count = spare < most - taken ? spare : most - taken;
        if ((int)i == self->current || size == 0 || count <= 0)
            continue;
        kst_deployment_scale(self, i, size - count);
        taken += count;
    }
    return taken;
}

/* Takes from old ReplicaSets what the strategy lets go. */
static bool shrink_old(struct kst_deployment *self)
{
    const struct kst_object *current = self->sets.objects[self->current];
    int64_t least = self->replicas - self->max_unavailable;
    int64_t unavailable = kst_deployment_size(current) - kst_deployment_available(current);
    int64_t most = kst_deployment_sum(self, false, kst_deployment_size) - least - unavailable;
    if (kst_deployment_sum(self, true, kst_deployment_size) == 0 || most <= 0)
        return false;
    int64_t taken = take_from_old(self, most, true);
    int64_t surplus = kst_deployment_sum(self, false, kst_deployment_available) - least;
    if (surplus > 0)
        taken += take_from_old(self, surplus, false);
    return taken > 0;
}

static void roll(struct kst_deployment *self)
{
    kst_deployment_find_current(self, true);
    if (self->current >= 0 && !grow_current(self) && !shrink_old(self) &&
        kst_deployment_is_complete(self))
        kst_deployment_forget_old(self);
    kst_deployment_tell(self, true);
}

/* ---- recreating ---- */

/* Whether a Pod of an older template is still there. */
static bool old_pods_run(const struct kst_deployment *self)
{
    struct kst_control_list pods = kst_control_list(self->api, "/pods", self->object->ns);
    bool any = false;
    for (size_t i = 0; i < self->sets.count; i++)
        for (size_t j = 0; (int)i != self->current && j < pods.count && !any; j++)
            any = kst_control_owns(self->sets.objects[i], pods.objects[j]) &&
                  !kst_pod_is_finished(pods.objects[j]->json);
    kst_control_list_release(&pods);
    return any;
}

static void recreate(struct kst_deployment *self)
{
    bool scaled = false;
    kst_deployment_find_current(self, false);
    for (size_t i = 0; i < self->sets.count; i++)
        scaled |= (int)i != self->current && kst_deployment_scale(self, i, 0);
    if (!scaled && !old_pods_run(self)) {
        kst_deployment_find_current(self, true);
        if (self->current >= 0)
            kst_deployment_scale(self, (size_t)self->current, self->replicas);
        if (kst_deployment_is_complete(self))
            kst_deployment_forget_old(self);
    }
    kst_deployment_tell(self, true);
}

/* ---- one Deployment ---- */

static void note_pause(struct kst_deployment *self, bool paused)
{
    const struct kst_json *progress = kst_control_condition(self->conditions, "Progressing");
    const char *reason = kst_api_text(progress, "reason");
    bool noted = strcmp(reason, "DeploymentPaused") == 0;
    if (!kst_deployment_has_deadline(self) || strcmp(reason, "ProgressDeadlineExceeded") == 0)
        return;
    if (paused && !noted)
        kst_deployment_set_condition(self, "Progressing", "Unknown", "DeploymentPaused",
                                     "Deployment is paused");
    else if (!paused && noted)
        kst_deployment_set_condition(self, "Progressing", "Unknown", "DeploymentResumed",
                                     "Deployment is resumed");
}

/* The size, spread over what there is, and no step of a rollout. */
static void resize(struct kst_deployment *self, bool paused)
{
    kst_deployment_find_current(self, false);
    kst_deployment_spread(self);
    if (paused)
        kst_deployment_forget_old(self);
    kst_deployment_tell(self, false);
}

static int compare_age(const void *left, const void *right)
{
    const struct kst_object *a = *(struct kst_object *const *)left;
    const struct kst_object *b = *(struct kst_object *const *)right;
    int order = strcmp(kst_api_text(a->json, "metadata.creationTimestamp"),
                       kst_api_text(b->json, "metadata.creationTimestamp"));
    int64_t first = kst_deployment_revision(a), second = kst_deployment_revision(b);
    if (order == 0)
        order = (first > second) - (first < second); /* times are whole seconds */
    return order ? order : strcmp(a->name, b->name);
}

static void read_strategy(struct kst_deployment *self)
{
    const struct kst_json *strategy = kst_json_get(self->spec, "strategy");
    self->replicas = kst_json_path_int(self->spec, "replicas", 1);
    self->rolling = strcmp(kst_api_text(strategy, "type"), "Recreate") != 0;
    if (!self->rolling)
        return;
    self->max_surge = kst_control_scaled(kst_json_path(strategy, "rollingUpdate.maxSurge"),
                                         self->replicas, 1);
    self->max_unavailable = kst_control_scaled(
        kst_json_path(strategy, "rollingUpdate.maxUnavailable"), self->replicas, 0);
    if (self->max_surge == 0 && self->max_unavailable == 0)
        self->max_unavailable = 1; /* else nothing could move */
    if (self->max_unavailable > self->replicas)
        self->max_unavailable = self->replicas;
}

static int64_t keep(struct kst_api *api, const struct kst_object *object)
{
    struct kst_deployment self = {.api = api, .object = object, .current = -1};
    const struct kst_json *status = kst_json_get(object->json, "status");
    self.spec = kst_json_get(object->json, "spec");
    self.again_ms = KST_NEVER;
    self.collisions = kst_json_path_int(status, "collisionCount", 0);
    self.sets = kst_control_claim(api, object, SETS, NULL);
    qsort(self.sets.objects, self.sets.count, sizeof(self.sets.objects[0]), compare_age);
    self.conditions = kst_json_get(status, "conditions")
                          ? kst_json_dup(kst_json_get(status, "conditions"))
                          : kst_json_array();
    read_strategy(&self);
    bool paused = kst_json_path_true(self.spec, "paused");
    if (kst_api_is_deleting(object->json)) {
        kst_deployment_find_current(&self, false);
        kst_deployment_tell(&self, false);
    } else {
        note_pause(&self, paused);
        if (paused || kst_deployment_was_scaled(&self))
            resize(&self, paused);
        else if (self.rolling)
            roll(&self);
        else
            recreate(&self);
    }
    kst_control_list_release(&self.sets);
    kst_json_free(self.conditions);
    return self.again_ms;
}

static int64_t reconcile(const struct kst_control *control)
{
    return kst_control_each(control, DEPLOYMENTS, true, keep);
}

const struct kst_controller kst_control_deployments = {
    .name = "deployment-controller",
    .buckets = {DEPLOYMENTS, SETS, "/pods"},
    .reconcile = reconcile,
};
