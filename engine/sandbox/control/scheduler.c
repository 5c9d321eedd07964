/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler: a Pod gets a node that fits, once its claims are bound. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/bootstrap.h"
#include "sandbox/control/controller.h"

static const char manager[] = "kube-scheduler";
static const char component[] = "default-scheduler";

/* The storage is told for which node a claim's volume is to be made. */
static void choose_node(struct kst_api *api, const struct kst_object *claim, const char *node)
{
    if (*kst_control_annotation(claim, KST_CONTROL_SELECTED_NODE))
        return;
    struct kst_json *changed = kst_json_dup(claim->json);
    kst_json_set_str(kst_json_ensure_object(kst_json_mut(changed, "metadata"), "annotations"),
                     KST_CONTROL_SELECTED_NODE, node);
    kst_control_update(api, "/persistentvolumeclaims", claim, manager, changed);
}

/* Whether somebody makes volumes for the claim's class. */
static bool has_provisioner(struct kst_api *api, const struct kst_object *claim)
{
    const struct kst_object *class = kst_api_find(api, "storage.k8s.io/storageclasses", "",
                                                  kst_api_text(claim->json,
                                                               "spec.storageClassName"));
    return class &&
           strcmp(kst_api_text(class->json, "provisioner"), "kubernetes.io/no-provisioner") != 0;
}

static bool tolerates(const struct kst_json *pod, const char *taint)
{
    const struct kst_json *list = kst_json_path(pod, "spec.tolerations");
    for (const struct kst_json *t = kst_json_first(list); t; t = kst_json_next(t)) {
        const char *key = kst_api_text(t, "key"), *effect = kst_api_text(t, "effect");
        if ((!*key || strcmp(key, taint) == 0) && (!*effect || strcmp(effect, "NoSchedule") == 0) &&
            strcmp(kst_api_text(t, "operator"), "Exists") == 0)
            return true;
    }
    return false;
}

/* ---- nodes ---- */

/* One of the terms that a Pod requires: of labels, and of the node's name. */
static bool term_fits(const struct kst_json *term, const struct kst_object *node)
{
    kst_auto_json struct kst_json *named = kst_json_make("{'metadata.name':%s}", node->name);
    const struct kst_json *expressions = kst_json_get(term, "matchExpressions");
    const struct kst_json *fields = kst_json_get(term, "matchFields");
    kst_auto_json struct kst_json *by_label = kst_json_make("{'matchExpressions':%J}", expressions);
    kst_auto_json struct kst_json *by_name = kst_json_make("{'matchExpressions':%J}", fields);
    if (kst_json_len(expressions) + kst_json_len(fields) == 0)
        return false;
    return (kst_json_len(expressions) == 0 ||
            kst_control_selects(by_label, kst_json_path(node->json, "metadata.labels"))) &&
           (kst_json_len(fields) == 0 || kst_control_selects(by_name, named));
}

int kst_control_node_fits(const struct kst_json *pod_spec, const struct kst_object *node)
{
    const struct kst_json *wanted = kst_json_get(pod_spec, "nodeSelector");
    const struct kst_json *terms = kst_json_path(
        pod_spec, "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
                  "nodeSelectorTerms");
    if (wanted && !kst_json_has_all(kst_json_path(node->json, "metadata.labels"), wanted))
        return 0;
    for (const struct kst_json *t = kst_json_first(terms); t; t = kst_json_next(t))
        if (term_fits(t, node))
            return 1;
    return !terms;
}

/* The node for a Pod: the one that runs Pods before any that was only described. NULL with *why,
 * which the caller frees, where none fits. */
static const struct kst_object *find_node(const struct kst_object *pod,
                                          const struct kst_control_list *nodes, char **why)
{
    const struct kst_object *found = NULL;
    size_t apart = 0, closed = 0;
    for (size_t i = 0; i < nodes->count; i++) {
        const struct kst_object *node = nodes->objects[i];
        bool shut = kst_json_path_true(node->json, "spec.unschedulable") &&
                    !tolerates(pod->json, "node.kubernetes.io/unschedulable");
        bool fits = kst_control_node_fits(kst_json_get(pod->json, "spec"), node);
        closed += shut;
        apart += !shut && !fits;
        if (!shut && fits && (!found || strcmp(node->name, KST_SANDBOX_NODE) == 0))
            found = node;
    }
    if (found)
        return found;
    kst_auto_free char *first = kst_asprintf("%zu node(s) didn't match Pod's node affinity", apart);
    kst_auto_free char *second = kst_asprintf("%zu node(s) were unschedulable", closed);
    *why = nodes->count == 0 ? kst_strdup("no nodes available to schedule pods")
                             : kst_asprintf("0/%zu nodes are available: %s%s%s.", nodes->count,
                                            apart ? first : "", apart && closed ? ", " : "",
                                            closed ? second : "");
    return NULL;
}

static bool is_bound(const struct kst_object *claim)
{
    return strcmp(kst_api_text(claim->json, "status.phase"), "Bound") == 0;
}

static char *nowhere(struct kst_api *api, const char *why)
{
    size_t count = kst_bucket_count(kst_store_bucket(kst_api_store(api), "/nodes"));
    return kst_asprintf("0/%zu nodes are available: %zu %s.", count, count, why);
}

/* Why a volume of the Pod keeps it from all nodes, NULL where it does not. The caller frees it. */
static char *check_volume(struct kst_api *api, const struct kst_object *pod,
                          const struct kst_json *volume)
{
    const char *name = kst_json_path_str(volume, "persistentVolumeClaim.claimName");
    const struct kst_object *claim = name ? kst_api_find(api, "/persistentvolumeclaims", pod->ns,
                                                         name)
                                          : NULL;
    if (name && !claim)
        return kst_asprintf("persistentvolumeclaim \"%s\" not found", name);
    if (claim && kst_api_is_deleting(claim->json))
        return kst_asprintf("persistentvolumeclaim \"%s\" is being deleted", name);
    if (claim && !is_bound(claim) &&
        (*kst_api_text(claim->json, "spec.volumeName") || !kst_control_is_delayed(api, claim)))
        return nowhere(api, "pod has unbound immediate PersistentVolumeClaims");
    return NULL;
}

/* Binds the claims that waited for the Pod to volumes that are there, and has the others made for
 * its node: "" while one is, NULL where all are bound. The caller frees it. */
static char *bind_claims(struct kst_api *api, const struct kst_object *pod, const char *node)
{
    const struct kst_json *volumes = kst_json_path(pod->json, "spec.volumes");
    char *why = NULL;
    for (const struct kst_json *v = kst_json_first(volumes); v; v = kst_json_next(v)) {
        const char *name = kst_json_path_str(v, "persistentVolumeClaim.claimName");
        kst_auto_object struct kst_object *claim = kst_object_ref(
            name ? kst_api_find(api, "/persistentvolumeclaims", pod->ns, name) : NULL);
        if (!claim || is_bound(claim))
            continue;
        bool chosen = *kst_control_annotation(claim, KST_CONTROL_SELECTED_NODE);
        if (!chosen && kst_control_give_volume(api, claim))
            continue;
        if (!has_provisioner(api, claim)) {
            free(why);
            return nowhere(api, "node(s) didn't find available persistent volumes to bind");
        }
        choose_node(api, claim, node);
        if (!why)
            why = kst_strdup("");
    }
    return why;
}

/* Why the Pod's claims keep it from a node; "" where a volume of it is being made, NULL where they
 * do not. The caller frees it. */
static char *check_claims(struct kst_api *api, const struct kst_object *pod,
                          const struct kst_object *node)
{
    const struct kst_json *volumes = kst_json_path(pod->json, "spec.volumes");
    for (const struct kst_json *v = kst_json_first(volumes); v; v = kst_json_next(v)) {
        char *why = check_volume(api, pod, v);
        if (why)
            return why;
    }
    return bind_claims(api, pod, node->name);
}

/* ---- Pods ---- */

/* The condition PodScheduled, among those that others have set. */
static void set_condition(struct kst_api *api, const struct kst_object *pod, const char *why)
{
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    const struct kst_json *old = kst_control_condition(
        kst_json_path(pod->json, "status.conditions"), "PodScheduled");
    if (why && old && strcmp(kst_api_text(old, "message"), why) == 0)
        return;
    struct kst_json *condition = kst_json_make(
        "{'type':'PodScheduled','status':%s,'lastProbeTime':null,'lastTransitionTime':%s}",
        why ? "False" : "True", now);
    if (why) {
        kst_json_set_str(condition, "reason", "Unschedulable");
        kst_json_set_str(condition, "message", why);
    }
    struct kst_json *status = kst_json_dup(kst_json_get(pod->json, "status"));
    struct kst_json *list = kst_json_ensure_array(status, "conditions");
    kst_control_condition_remove(list, "PodScheduled");
    kst_json_push(list, condition);
    kst_api_set_status(api, "/pods", pod, status, manager);
    if (why)
        kst_control_event(api, pod, component, "Warning", "FailedScheduling", "%s", why);
}

static void bind(struct kst_api *api, const struct kst_object *pod, const char *node)
{
    set_condition(api, pod, NULL);
    const struct kst_object *live = kst_api_find(api, "/pods", pod->ns, pod->name);
    if (!live)
        return;
    struct kst_json *changed = kst_json_dup(live->json);
    kst_json_set_str(kst_json_mut(changed, "spec"), "nodeName", node);
    kst_bucket_put(kst_store_bucket(kst_api_store(api), "/pods"), changed);
    kst_control_event(api, pod, component, "Normal", "Scheduled",
                      "Successfully assigned %s/%s to %s", pod->ns, pod->name, node);
}

static int64_t reconcile(const struct kst_control *control)
{
    struct kst_control_list nodes = kst_control_list(control->api, "/nodes", NULL);
    struct kst_control_list pods = kst_control_list(control->api, "/pods", NULL);
    for (size_t i = 0; i < pods.count; i++) {
        const struct kst_object *pod = pods.objects[i];
        const char *scheduler = kst_api_text(pod->json, "spec.schedulerName");
        if (*kst_api_text(pod->json, "spec.nodeName") || kst_api_is_deleting(pod->json) ||
            (*scheduler && strcmp(scheduler, "default-scheduler") != 0))
            continue;
        kst_auto_free char *why = NULL;
        const struct kst_object *node = find_node(pod, &nodes, &why);
        if (node)
            why = check_claims(control->api, pod, node);
        if (why && *why)
            set_condition(control->api, pod, why);
        else if (!why)
            bind(control->api, pod, node->name);
    }
    kst_control_list_release(&pods);
    kst_control_list_release(&nodes);
    return KST_NEVER;
}

const struct kst_controller kst_control_scheduler = {
    .name = manager,
    .buckets = {"/pods", "/persistentvolumeclaims", "/nodes", "/persistentvolumes",
                "storage.k8s.io/storageclasses"},
    .reconcile = reconcile,
};
