/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DaemonSets: a Pod on every node that fits.
 * https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/
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

#define SETS       "apps/daemonsets"
#define GENERATION "deprecated.daemonset.template.generation"

static const char component[] = "daemonset-controller";

struct set {
    struct kst_api *api;
    const struct kst_object *object;
    const struct kst_json *spec;
    char *revision;
    const char *hash; /* the end of its revision's name */
    struct kst_control_list pods, nodes;
    int64_t min_ready_s, again_ms;
};

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* ---- nodes ---- */

static bool fits(const struct set *self, const struct kst_object *node)
{
    const struct kst_json *pod = kst_json_path(self->spec, "template.spec");
    const char *name = kst_api_text(pod, "nodeName");
    return (!*name || is(name, node->name)) && kst_control_node_fits(pod, node);
}

/* The node that a Pod runs on, or is to run on. */
static const char *node_of(const struct kst_json *pod)
{
    const char *name = kst_api_text(pod, "spec.nodeName");
    return *name ? name
                 : kst_api_text(pod, "spec.affinity.nodeAffinity."
                                     "requiredDuringSchedulingIgnoredDuringExecution."
                                     "nodeSelectorTerms.0.matchFields.0.values.0");
}

/* The oldest of the set's Pods on a node; NULL where there is none. */
static struct kst_object *pod_on(const struct set *self, const struct kst_object *node)
{
    struct kst_object *oldest = NULL;
    for (size_t i = 0; i < self->pods.count; i++) {
        struct kst_object *pod = self->pods.objects[i];
        if (!is(node_of(pod->json), node->name))
            continue;
        if (!oldest || strcmp(kst_api_text(pod->json, "metadata.creationTimestamp"),
                              kst_api_text(oldest->json, "metadata.creationTimestamp")) < 0)
            oldest = pod;
    }
    return oldest;
}

/* ---- Pods ---- */

static void tolerate(struct kst_json *spec)
{
    static const struct {
        const char *key, *effect;
        bool host_network;
    } taints[] = {
        {"node.kubernetes.io/not-ready", "NoExecute", false},
        {"node.kubernetes.io/unreachable", "NoExecute", false},
        {"node.kubernetes.io/disk-pressure", "NoSchedule", false},
        {"node.kubernetes.io/memory-pressure", "NoSchedule", false},
        {"node.kubernetes.io/pid-pressure", "NoSchedule", false},
        {"node.kubernetes.io/unschedulable", "NoSchedule", false},
        {"node.kubernetes.io/network-unavailable", "NoSchedule", true},
    };
    bool host_network = kst_json_path_true(spec, "hostNetwork");
    for (size_t i = 0; i < KST_ARRAY_LEN(taints); i++)
        if (!taints[i].host_network || host_network)
            kst_json_push(kst_json_ensure_array(spec, "tolerations"),
                          kst_json_make("{'key':%s,'operator':'Exists','effect':%s}", taints[i].key,
                                        taints[i].effect));
}

/* The scheduler puts it where this affinity says. */
static void bind_to(struct kst_json *spec, const char *node)
{
    struct kst_json *affinity = kst_json_ensure_object(kst_json_ensure_object(spec, "affinity"),
                                                       "nodeAffinity");
    kst_json_set(affinity, "requiredDuringSchedulingIgnoredDuringExecution",
                 kst_json_make("{'nodeSelectorTerms':[{'matchFields':[{'key':'metadata.name',"
                               "'operator':'In','values':[%s]}]}]}",
                               node));
}

static void make_pod(struct set *self, const struct kst_object *node)
{
    kst_auto_json struct kst_json *owner = kst_control_owner("apps/v1", "DaemonSet", self->object);
    kst_auto_free char *prefix = kst_asprintf("%s-", self->object->name);
    kst_auto_free char *why = NULL;
    struct kst_json *pod = kst_control_pod(kst_json_get(self->spec, "template"), self->object->ns,
                                           NULL, prefix, owner);
    struct kst_json *labels = kst_json_ensure_object(kst_json_mut(pod, "metadata"), "labels");
    const char *generation = kst_control_annotation(self->object, GENERATION);
    kst_json_set_str(labels, KST_CONTROL_REVISION, self->hash);
    if (*generation)
        kst_json_set_str(labels, "pod-template-generation", generation);
    tolerate(kst_json_mut(pod, "spec"));
    bind_to(kst_json_mut(pod, "spec"), node->name);
    if (kst_control_pod_create(self->api, self->object, component, pod, &why) < 0)
        self->again_ms = kst_control_failed_until(self->api, self->object, component, NULL);
}

static void delete_pod(struct set *self, const struct kst_object *pod)
{
    if (!kst_api_is_deleting(pod->json))
        kst_control_pod_delete(self->api, self->object, component, pod);
}

/* One Pod that has not failed on each node that fits, and none elsewhere. */
static void place(struct set *self, const struct kst_object *node)
{
    const struct kst_object *kept = pod_on(self, node);
    bool wanted = fits(self, node);
    if (wanted && !kept) {
        make_pod(self, node);
        return;
    }
    for (size_t i = 0; i < self->pods.count; i++) {
        const struct kst_object *pod = self->pods.objects[i];
        if (!is(node_of(pod->json), node->name))
            continue;
        if (wanted && is(kst_api_text(pod->json, "status.phase"), "Failed") &&
            !kst_api_is_deleting(pod->json))
            kst_control_event(self->api, self->object, component, "Warning", "FailedDaemonPod",
                              "Found failed daemon pod %s/%s on node %s, will try to kill it",
                              pod->ns, pod->name, node->name);
        else if (wanted && pod == kept)
            continue;
        delete_pod(self, pod);
    }
}

static bool is_current(const struct set *self, const struct kst_object *pod)
{
    const struct kst_json *labels = kst_json_path(pod->json, "metadata.labels");
    const char *hash = kst_json_str(kst_json_get(labels, KST_CONTROL_REVISION));
    return hash && is(hash, self->hash);
}

static bool is_available(const struct set *self, const struct kst_object *pod)
{
    return pod && !kst_api_is_deleting(pod->json) &&
           kst_pod_available_at(pod->json, self->min_ready_s) == 0;
}

/* Replaces Pods of an older template: those that serve nobody at once, the others as the strategy
 * lets them go. */
static void roll(struct set *self)
{
    const struct kst_json *strategy = kst_json_get(self->spec, "updateStrategy");
    int64_t nodes = 0, unavailable = 0;
    if (is(kst_api_text(strategy, "type"), "OnDelete"))
        return;
    for (size_t i = 0; i < self->nodes.count; i++) {
        if (!fits(self, self->nodes.objects[i]))
            continue;
        nodes++;
        unavailable += !is_available(self, pod_on(self, self->nodes.objects[i]));
    }
    const struct kst_json *limit = kst_json_path(strategy, "rollingUpdate.maxUnavailable");
    int64_t most = limit ? kst_control_scaled(limit, nodes, 1) : 1;
    for (size_t i = 0; i < self->nodes.count; i++) {
        const struct kst_object *pod = pod_on(self, self->nodes.objects[i]);
        if (!pod || is_current(self, pod) || !fits(self, self->nodes.objects[i]))
            continue;
        bool available = is_available(self, pod);
        if (available && unavailable >= most)
            continue;
        unavailable += available;
        delete_pod(self, pod);
    }
}

/* ---- the status ---- */

static void tell(struct set *self)
{
    int64_t current = 0, desired = 0, ready = 0, available = 0, updated = 0, misplaced = 0;
    for (size_t i = 0; i < self->nodes.count; i++) {
        const struct kst_object *pod = pod_on(self, self->nodes.objects[i]);
        bool wanted = fits(self, self->nodes.objects[i]);
        desired += wanted;
        misplaced += !wanted && pod;
        if (!wanted || !pod)
            continue;
        int64_t at = kst_pod_available_at(pod->json, self->min_ready_s);
        current++;
        ready += kst_pod_is_ready(pod->json);
        available += at == 0;
        updated += is_current(self, pod);
        if (at > 0 && at < self->again_ms)
            self->again_ms = at;
    }
    struct kst_json *status = kst_json_make(
        "{'currentNumberScheduled':%L,'numberMisscheduled':%L,'desiredNumberScheduled':%L,"
        "'numberReady':%L,'observedGeneration':%L}",
        current, misplaced, desired, ready,
        kst_json_path_int(self->object->json, "metadata.generation", 0));
    if (updated > 0)
        kst_json_set_int(status, "updatedNumberScheduled", updated);
    if (available > 0)
        kst_json_set_int(status, "numberAvailable", available);
    if (desired > available)
        kst_json_set_int(status, "numberUnavailable", desired - available);
    kst_api_set_status(self->api, SETS, self->object, status, "kube-controller-manager");
}

static int64_t keep(struct kst_api *api, const struct kst_object *object)
{
    struct set self = {.api = api, .object = object, .again_ms = KST_NEVER};
    if (kst_api_is_deleting(object->json))
        return KST_NEVER;
    self.spec = kst_json_get(object->json, "spec");
    self.min_ready_s = kst_json_path_int(self.spec, "minReadySeconds", 0);
    self.revision = kst_control_revision(api, object, KST_CONTROL_REVISION);
    self.hash = self.revision + strlen(object->name) + 1;
    self.pods = kst_control_claim(api, object, "/pods", NULL);
    self.nodes = kst_control_list(api, "/nodes", NULL);
    for (size_t i = 0; i < self.nodes.count; i++)
        place(&self, self.nodes.objects[i]);
    roll(&self);
    tell(&self);
    kst_control_list_release(&self.pods);
    kst_control_list_release(&self.nodes);
    free(self.revision);
    return self.again_ms;
}

static int64_t reconcile(const struct kst_control *control)
{
    return kst_control_each(control, SETS, true, keep);
}

const struct kst_controller kst_control_daemonsets = {
    .name = component,
    .buckets = {SETS, "/pods", "/nodes"},
    .reconcile = reconcile,
};
