/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What controllers own: adopting and letting go, and Pods made, deleted and put in order.
 * https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#how-a-replicaset-works
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/selector.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"

#define PODS "/pods"

static const char manager[] = "kube-controller-manager";

/* ---- adopting ---- */

static bool has_controller(const struct kst_object *object)
{
    const struct kst_json *list = kst_json_path(object->json, "metadata.ownerReferences");
    for (const struct kst_json *o = kst_json_first(list); o; o = kst_json_next(o))
        if (kst_json_path_true(o, "controller"))
            return true;
    return false;
}

static struct kst_json *reference_to(const struct kst_object *owner)
{
    return kst_control_owner(kst_api_text(owner->json, "apiVersion"),
                             kst_api_text(owner->json, "kind"), owner);
}

static bool adopt(struct kst_api *api, const struct kst_object *owner, const char *bucket,
                  const struct kst_object *object)
{
    struct kst_json *changed = kst_json_dup(object->json);
    kst_json_push(kst_json_ensure_array(kst_json_mut(changed, "metadata"), "ownerReferences"),
                  reference_to(owner));
    return kst_control_update(api, bucket, object, manager, changed) == 0;
}

static void let_go(struct kst_api *api, const struct kst_object *owner, const char *bucket,
                   const struct kst_object *object)
{
    struct kst_json *changed = kst_json_dup(object->json);
    struct kst_json *metadata = kst_json_mut(changed, "metadata");
    struct kst_json *list = kst_json_mut(metadata, "ownerReferences");
    for (size_t i = kst_json_len(list); i-- > 0;)
        if (strcmp(kst_api_text(kst_json_at(list, i), "uid"), owner->uid) == 0)
            kst_json_free(kst_json_detach_at(list, i));
    if (kst_json_len(list) == 0)
        kst_json_remove(metadata, "ownerReferences");
    kst_control_update(api, bucket, object, manager, changed);
}

/* Whether the object is the owner's, now or from now on. */
static bool claim(struct kst_api *api, const struct kst_object *owner, const char *bucket,
                  const char *selector, const struct kst_object *object)
{
    bool leaving = kst_api_is_deleting(owner->json);
    bool matches = kst_control_matches(selector, kst_json_path(object->json, "metadata.labels"));
    if (has_controller(object)) {
        if (!kst_control_owns(owner, object))
            return false;
        if (!matches && !leaving)
            let_go(api, owner, bucket, object);
        return matches;
    }
    return matches && !leaving && !kst_api_is_deleting(object->json) &&
           adopt(api, owner, bucket, object);
}

struct kst_control_list kst_control_claim(struct kst_api *api, const struct kst_object *owner,
                                          const char *bucket,
                                          int (*counts)(const struct kst_json *object))
{
    struct kst_control_list list = kst_control_list(api, bucket, owner->ns);
    kst_auto_free char *selector = NULL;
    size_t kept = 0;
    kst_selector_text(kst_json_path(owner->json, "spec.selector"), &selector, NULL);
    for (size_t i = 0; i < list.count; i++) {
        struct kst_object *object = list.objects[i];
        if ((!counts || counts(object->json)) && claim(api, owner, bucket, selector, object))
            list.objects[kept++] = kst_object_ref(
                kst_api_find(api, bucket, owner->ns, object->name));
        kst_object_unref(object);
    }
    list.count = kept;
    return list;
}

/* ---- Pods ---- */

struct kst_json *kst_control_pod(const struct kst_json *template, const char *ns, const char *name,
                                 const char *prefix, const struct kst_json *owner)
{
    struct kst_json *pod = kst_json_make(
        "{'apiVersion':'v1','kind':'Pod','metadata':{'namespace':%s},'spec':%J}", ns,
        kst_json_get(template, "spec"));
    struct kst_json *metadata = kst_json_mut(pod, "metadata");
    static const char *const copied[] = {"labels", "annotations", "finalizers"};
    for (size_t i = 0; i < KST_ARRAY_LEN(copied); i++) {
        const struct kst_json *from = kst_json_get(kst_json_get(template, "metadata"), copied[i]);
        if (from)
            kst_json_set(metadata, copied[i], kst_json_dup(from));
    }
    kst_json_set_str(metadata, name ? "name" : "generateName", name ? name : prefix);
    kst_json_push(kst_json_ensure_array(metadata, "ownerReferences"), kst_json_dup(owner));
    return pod;
}

/* Nothing is said of a namespace that ends: its controllers cannot know it sooner. */
static bool is_ending(const struct kst_json *status)
{
    return strcmp(kst_api_text(status, "details.causes.0.reason"), "NamespaceTerminating") == 0;
}

int kst_control_pod_create(struct kst_api *api, const struct kst_object *owner,
                           const char *component, struct kst_json *pod, char **why)
{
    char *before = NULL;
    if (kst_control_failed_until(api, owner, component, &before) > 0) {
        static const char told[] = "Error creating: ";
        bool same = strncmp(before, told, strlen(told)) == 0;
        *why = kst_strdup(before + (same ? strlen(told) : 0));
        free(before);
        kst_json_free(pod);
        return -1;
    }
    const struct kst_api_call call = kst_api_call_for(api, PODS, owner->ns, NULL, manager);
    kst_auto_json struct kst_json *made = NULL;
    kst_auto_json struct kst_json *status = kst_api_create(api, &call, pod, &made);
    if (!status) {
        kst_control_event(api, owner, component, "Normal", "SuccessfulCreate", "Created pod: %s",
                          kst_api_text(made, "metadata.name"));
        return 0;
    }
    if (!is_ending(status))
        kst_control_event(api, owner, component, "Warning", "FailedCreate", "Error creating: %s",
                          kst_status_message(status));
    *why = kst_strdup(kst_status_message(status));
    return -1;
}

int kst_control_pod_delete(struct kst_api *api, const struct kst_object *owner,
                           const char *component, const struct kst_object *pod)
{
    if (kst_control_delete(api, PODS, pod) < 0)
        return -1;
    kst_control_event(api, owner, component, "Normal", "SuccessfulDelete", "Deleted pod: %s",
                      pod->name);
    return 0;
}

int kst_pod_is_ready(const struct kst_json *pod)
{
    const struct kst_json *ready = kst_control_condition(kst_json_path(pod, "status.conditions"),
                                                         "Ready");
    return strcmp(kst_api_text(ready, "status"), "True") == 0;
}

int kst_pod_is_finished(const struct kst_json *pod)
{
    const char *phase = kst_api_text(pod, "status.phase");
    return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

int kst_pod_is_active(const struct kst_json *pod)
{
    return !kst_pod_is_finished(pod) && !kst_api_is_deleting(pod);
}

static const char *ready_since(const struct kst_json *pod)
{
    return kst_api_text(kst_control_condition(kst_json_path(pod, "status.conditions"), "Ready"),
                        "lastTransitionTime");
}

int64_t kst_pod_available_at(const struct kst_json *pod, int64_t min_ready_s)
{
    if (!kst_pod_is_ready(pod))
        return KST_NEVER;
    if (min_ready_s <= 0)
        return 0;
    int64_t at = kst_control_time(ready_since(pod), min_ready_s);
    return at <= kst_now_ms() ? 0 : at;
}

/* ---- their order ---- */

static int phase_rank(const struct kst_json *pod)
{
    static const char *const phases[] = {"Pending", "Unknown", "Running"};
    for (int i = 0; i < (int)KST_ARRAY_LEN(phases); i++)
        if (strcmp(kst_api_text(pod, "status.phase"), phases[i]) == 0)
            return i;
    return 0;
}

static int64_t restarts_of(const struct kst_json *pod)
{
    const struct kst_json *list = kst_json_path(pod, "status.containerStatuses");
    int64_t most = 0;
    for (const struct kst_json *c = kst_json_first(list); c; c = kst_json_next(c)) {
        int64_t restarts = kst_json_path_int(c, "restartCount", 0);
        most = restarts > most ? restarts : most;
    }
    return most;
}

/* The later time first, and what has none before all. */
static int compare_times(const char *a, const char *b)
{
    if (!*a || !*b)
        return (*a != 0) - (*b != 0);
    return strcmp(b, a);
}

/* Without a node, not running, not ready, ready for a shorter time, restarted more often, younger:
 * these go first. */
static int compare_pods(const void *left, const void *right)
{
    const struct kst_json *a = (*(struct kst_object *const *)left)->json;
    const struct kst_json *b = (*(struct kst_object *const *)right)->json;
    int order = (*kst_api_text(a, "spec.nodeName") != 0) - (*kst_api_text(b, "spec.nodeName") != 0);
    if (order == 0)
        order = phase_rank(a) - phase_rank(b);
    if (order == 0)
        order = kst_pod_is_ready(a) - kst_pod_is_ready(b);
    if (order == 0 && kst_pod_is_ready(a))
        order = compare_times(ready_since(a), ready_since(b));
    if (order == 0)
        order = (restarts_of(a) < restarts_of(b)) - (restarts_of(a) > restarts_of(b));
    if (order == 0)
        order = compare_times(kst_api_text(a, "metadata.creationTimestamp"),
                              kst_api_text(b, "metadata.creationTimestamp"));
    return order;
}

void kst_control_pods_sort(struct kst_control_list *pods)
{
    qsort(pods->objects, pods->count, sizeof(pods->objects[0]), compare_pods);
}
