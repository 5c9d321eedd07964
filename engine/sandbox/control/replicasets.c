/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ReplicaSets: as many Pods of a template as are asked for.
 * https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/
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

#define SETS "apps/replicasets"

static const char component[] = "replicaset-controller";

/* Made or deleted at once at most; the rest in the next round. */
enum { BURST = 500 };

/* Makes Pods until one cannot be made; the reason why not, for the caller to free. */
static char *grow(struct kst_api *api, const struct kst_object *set, int64_t missing)
{
    const struct kst_json *template = kst_json_path(set->json, "spec.template");
    kst_auto_json struct kst_json *owner = kst_control_owner("apps/v1", "ReplicaSet", set);
    kst_auto_free char *prefix = kst_asprintf("%s-", set->name);
    char *why = NULL;
    for (int64_t i = 0; i < missing && i < BURST && !why; i++)
        kst_control_pod_create(api, set, component,
                               kst_control_pod(template, set->ns, NULL, prefix, owner), &why);
    return why;
}

static void shrink(struct kst_api *api, const struct kst_object *set, struct kst_control_list *pods,
                   int64_t surplus)
{
    kst_control_pods_sort(pods);
    for (int64_t i = 0; i < surplus && i < BURST; i++)
        kst_control_pod_delete(api, set, component, pods->objects[i]);
}

/* The failure that the status tells of: one that was told stays as it was. */
static void set_failure(struct kst_json *status, const struct kst_json *old, const char *why)
{
    const struct kst_json *told = kst_control_condition(kst_json_get(old, "conditions"),
                                                        "ReplicaFailure");
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    if (why)
        kst_json_push(kst_json_ensure_array(status, "conditions"),
                      told ? kst_json_dup(told)
                           : kst_json_make("{'type':'ReplicaFailure','status':'True',"
                                           "'lastTransitionTime':%s,'reason':'FailedCreate',"
                                           "'message':%s}",
                                           now, why));
}

/* Writes the status; returns when a Pod that is ready now will count as available. */
static int64_t tell(struct kst_api *api, const struct kst_object *set,
                    const struct kst_control_list *pods, const char *why)
{
    int64_t min_ready_s = kst_json_path_int(set->json, "spec.minReadySeconds", 0);
    int64_t labeled = 0, ready = 0, available = 0, next = KST_NEVER;
    const struct kst_json *labels = kst_json_path(set->json, "spec.template.metadata.labels");
    for (size_t i = 0; i < pods->count; i++) {
        const struct kst_json *pod = pods->objects[i]->json;
        int64_t at = kst_pod_available_at(pod, min_ready_s);
        labeled += kst_json_has_all(kst_json_path(pod, "metadata.labels"), labels);
        ready += kst_pod_is_ready(pod);
        available += at == 0;
        next = at > 0 && at < next ? at : next;
    }
    struct kst_json *status = kst_json_make("{'replicas':%L}", (int64_t)pods->count);
    if (labeled > 0)
        kst_json_set_int(status, "fullyLabeledReplicas", labeled);
    if (ready > 0)
        kst_json_set_int(status, "readyReplicas", ready);
    if (available > 0)
        kst_json_set_int(status, "availableReplicas", available);
    kst_json_set_int(status, "observedGeneration",
                     kst_json_path_int(set->json, "metadata.generation", 0));
    set_failure(status, kst_json_get(set->json, "status"), why);
    kst_api_set_status(api, SETS, set, status, "kube-controller-manager");
    return next;
}

static int64_t keep(struct kst_api *api, const struct kst_object *set)
{
    struct kst_control_list pods = kst_control_claim(api, set, "/pods", kst_pod_is_active);
    int64_t missing = kst_json_path_int(set->json, "spec.replicas", 1) - (int64_t)pods.count;
    kst_auto_free char *why = NULL;
    if (!kst_api_is_deleting(set->json)) {
        why = grow(api, set, missing);
        shrink(api, set, &pods, -missing);
    }
    int64_t next = tell(api, set, &pods, why);
    int64_t again = why ? kst_control_failed_until(api, set, component, NULL) : KST_NEVER;
    next = again < next ? again : next;
    kst_control_list_release(&pods);
    return next;
}

static int64_t reconcile(const struct kst_control *control)
{
    return kst_control_each(control, SETS, true, keep);
}

const struct kst_controller kst_control_replicasets = {
    .name = component,
    .buckets = {SETS, "/pods"},
    .reconcile = reconcile,
};
