/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PodDisruptionBudgets: how many Pods are healthy, and how many of them may be evicted.
 * https://kubernetes.io/docs/concepts/workloads/pods/disruptions/
 */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/evict.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"

#define BUDGETS "policy/poddisruptionbudgets"

static const char component[] = "controllermanager";

/* An evicted Pod that is still there after this time stays, it is assumed. */
enum { CONFIRM_S = 120 };

struct budget {
    struct kst_api *api;
    const struct kst_object *object;
    struct kst_control_list pods;
    struct kst_json *disrupted; /* Pods that were evicted and are not being deleted yet */
    int64_t healthy, expected, desired;
    int64_t again_ms;
};

/* ---- how many there should be ---- */

/* What controls an object, of kinds that have a scale. */
static const struct kst_object *controller_of(struct kst_api *api, const struct kst_object *object)
{
    const struct kst_json *list = kst_json_path(object->json, "metadata.ownerReferences");
    for (const struct kst_json *o = kst_json_first(list); o; o = kst_json_next(o)) {
        const struct kst_resource *resource = kst_registry_find_kind(
            kst_api_registry(api), kst_api_text(o, "apiVersion"), kst_api_text(o, "kind"));
        const struct kst_object *owner = resource ? kst_bucket_get(resource->bucket, object->ns,
                                                                   kst_api_text(o, "name"))
                                                  : NULL;
        if (kst_json_path_true(o, "controller"))
            return owner && strcmp(owner->uid, kst_api_text(o, "uid")) == 0 &&
                           (resource->flags & KST_RES_SCALE)
                       ? owner
                       : NULL;
    }
    return NULL;
}

static int64_t size_of(struct kst_api *api, const struct kst_object *owner)
{
    const struct kst_resource *resource = kst_registry_find_kind(
        kst_api_registry(api), kst_api_text(owner->json, "apiVersion"),
        kst_api_text(owner->json, "kind"));
    kst_auto_json struct kst_json *scale = resource ? kst_scale_of(resource, owner->json) : NULL;
    return kst_json_path_int(scale, "spec.replicas", 0);
}

/* The sizes of all that the Pods belong to; -1 where one belongs to nothing that has a size. */
static int64_t expected_scale(struct budget *self)
{
    kst_auto_json struct kst_json *seen = kst_json_object();
    int64_t sum = 0;
    for (size_t i = 0; i < self->pods.count; i++) {
        const struct kst_object *owner = controller_of(self->api, self->pods.objects[i]);
        const struct kst_object *above = owner ? controller_of(self->api, owner) : NULL;
        if (!owner) {
            bool owned = kst_json_path(self->pods.objects[i]->json, "metadata.ownerReferences");
            kst_control_event(self->api, self->object, component, "Warning",
                              "CalculateExpectedPodCountFailed",
                              "Failed to calculate the number of expected pods: found no "
                              "%s for pod \"%s\"",
                              owned ? "controllers" : "controller ref",
                              self->pods.objects[i]->name);
            return -1;
        }
        owner = above ? above : owner;
        if (kst_json_get(seen, owner->uid))
            continue;
        kst_json_set_bool(seen, owner->uid, true);
        sum += size_of(self->api, owner);
    }
    return sum;
}

/* False where it cannot be told. */
static bool find_desired(struct budget *self)
{
    const struct kst_json *spec = kst_json_get(self->object->json, "spec");
    const struct kst_json *most = kst_json_get(spec, "maxUnavailable");
    const struct kst_json *least = kst_json_get(spec, "minAvailable");
    self->expected = (int64_t)self->pods.count;
    if (most || kst_json_str(least))
        self->expected = expected_scale(self);
    if (self->expected < 0)
        return false;
    self->desired = most ? self->expected - kst_control_scaled(most, self->expected, 1)
                         : kst_control_scaled(least, self->expected, 1);
    if (self->desired < 0)
        self->desired = 0;
    return true;
}

/* ---- how many there are ---- */

static void find_pods(struct budget *self)
{
    size_t kept = 0;
    self->pods = kst_control_list(self->api, "/pods", self->object->ns);
    for (size_t i = 0; i < self->pods.count; i++) {
        if (kst_budget_is_of(self->object->json, self->pods.objects[i]->json))
            self->pods.objects[kept++] = self->pods.objects[i];
        else
            kst_object_unref(self->pods.objects[i]);
    }
    self->pods.count = kept;
}

/* Keeps those of the evicted Pods whose deletion is still to be seen. */
static void keep_disrupted(struct budget *self, const struct kst_object *pod)
{
    const struct kst_json *list = kst_json_path(self->object->json, "status.disruptedPods");
    const struct kst_json *since = kst_json_get(list, pod->name);
    if (!since || kst_api_is_deleting(pod->json))
        return;
    int64_t until = kst_control_time(kst_json_str(since) ? kst_json_str(since) : "", CONFIRM_S);
    if (until <= kst_now_ms()) {
        kst_control_event(self->api, pod, component, "Warning", "NotDeleted",
                          "Pod was expected by PDB %s/%s to be deleted but it wasn't",
                          self->object->ns, self->object->name);
        return;
    }
    kst_json_set(self->disrupted, pod->name, kst_json_dup(since));
    self->again_ms = until < self->again_ms ? until : self->again_ms;
}

static void count_healthy(struct budget *self)
{
    for (size_t i = 0; i < self->pods.count; i++) {
        const struct kst_object *pod = self->pods.objects[i];
        keep_disrupted(self, pod);
        if (!kst_api_is_deleting(pod->json) && !kst_json_get(self->disrupted, pod->name))
            self->healthy += kst_pod_is_ready(pod->json);
    }
}

static void tell(struct budget *self)
{
    int64_t allowed = self->expected > 0 && self->healthy > self->desired
                          ? self->healthy - self->desired
                          : 0;
    struct kst_json *status = kst_json_make(
        "{'observedGeneration':%L,'disruptionsAllowed':%L,'currentHealthy':%L,"
        "'desiredHealthy':%L,'expectedPods':%L}",
        kst_json_path_int(self->object->json, "metadata.generation", 0), allowed, self->healthy,
        self->desired, self->expected);
    if (kst_json_len(self->disrupted) > 0)
        kst_json_set(status, "disruptedPods", kst_json_dup(self->disrupted));
    kst_api_set_status(self->api, BUDGETS, self->object, status, "kube-controller-manager");
}

/* What cannot be judged allows nothing. */
static void forbid(struct budget *self)
{
    struct kst_json *status = kst_json_dup(kst_json_get(self->object->json, "status"));
    kst_json_set_int(status, "disruptionsAllowed", 0);
    kst_api_set_status(self->api, BUDGETS, self->object, status, "kube-controller-manager");
}

static int64_t keep(struct kst_api *api, const struct kst_object *object)
{
    struct budget self = {.api = api, .object = object, .again_ms = KST_NEVER};
    self.disrupted = kst_json_object();
    find_pods(&self);
    if (self.pods.count == 0 && !kst_json_path(object->json, "status.observedGeneration"))
        kst_control_event(api, object, component, "Normal", "NoPods", "No matching pods found");
    count_healthy(&self);
    if (find_desired(&self))
        tell(&self);
    else
        forbid(&self);
    kst_control_list_release(&self.pods);
    kst_json_free(self.disrupted);
    return self.again_ms;
}

static int64_t reconcile(const struct kst_control *control)
{
    return kst_control_each(control, BUDGETS, false, keep);
}

const struct kst_controller kst_control_disruptions = {
    .name = component,
    .buckets = {BUDGETS, "/pods", "apps/replicasets", "apps/deployments", "apps/statefulsets"},
    .reconcile = reconcile,
};
