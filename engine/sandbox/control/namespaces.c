/* SPDX-License-Identifier: Apache-2.0 */
/* A namespace that is being deleted takes all that lies in it along, and goes last. */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"

/* Deletes what can be; returns how many objects are left, and how many of them wait for their
 * finalizers. */
static size_t empty(struct kst_api *api, const char *ns, size_t *waiting)
{
    size_t left = 0;
    struct kst_bucket *bucket;
    *waiting = 0;
    for (size_t i = 0; (bucket = kst_store_bucket_at(kst_api_store(api), i)); i++) {
        const char *name = kst_bucket_name(bucket);
        const struct kst_resource *resource = kst_registry_of_bucket(kst_api_registry(api), bucket);
        if (!resource || !(resource->flags & KST_RES_NAMESPACED))
            continue;
        struct kst_control_list list = kst_control_list(api, name, ns);
        for (size_t j = 0; j < list.count; j++) {
            if (!kst_api_is_deleting(list.objects[j]->json))
                kst_control_delete(api, name, list.objects[j]);
            const struct kst_object *object = kst_bucket_get(bucket, ns, list.objects[j]->name);
            left += object != NULL;
            *waiting += object && kst_json_len(kst_json_path(object->json, "metadata.finalizers"));
        }
        kst_control_list_release(&list);
    }
    return left;
}

static void push_condition(struct kst_json *list, const char *now, const char *type, bool status,
                           const char *reason, const char *message)
{
    kst_json_push(list, kst_json_make("{'type':%s,'status':%s,'lastTransitionTime':%s,'reason':%s,"
                                      "'message':%s}",
                                      type, status ? "True" : "False", now, reason, message));
}

/* Says what it waits for, once. */
static void tell(struct kst_api *api, const struct kst_object *ns, size_t left, size_t waiting)
{
    if (kst_json_path(ns->json, "status.conditions"))
        return;
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    struct kst_json *status = kst_json_make("{'phase':'Terminating','conditions':[]}");
    struct kst_json *list = kst_json_mut(status, "conditions");
    push_condition(list, now, "NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered",
                   "All resources successfully discovered");
    push_condition(list, now, "NamespaceDeletionGroupVersionParsingFailure", false,
                   "ParsedGroupVersions", "All legacy kube types successfully parsed");
    push_condition(list, now, "NamespaceDeletionContentFailure", false, "ContentDeleted",
                   "All content successfully deleted, may be waiting on finalization");
    push_condition(list, now, "NamespaceContentRemaining", left > 0,
                   left ? "SomeResourcesRemain" : "ContentRemoved",
                   left ? "Some resources are remaining" : "All content successfully removed");
    push_condition(list, now, "NamespaceFinalizersRemaining", waiting > 0,
                   waiting ? "SomeFinalizersRemain" : "ContentHasNoFinalizers",
                   waiting ? "Some content in the namespace has finalizers remaining"
                           : "All content-preserving finalizers finished");
    kst_api_set_status(api, "/namespaces", ns, status, "kube-controller-manager");
}

static void finish(struct kst_api *api, const struct kst_object *ns)
{
    kst_auto_object struct kst_object *live = kst_object_ref(
        kst_api_find(api, "/namespaces", "", ns->name));
    if (!live)
        return;
    struct kst_api_call call = kst_api_call_for(api, "/namespaces", "", ns->name,
                                                "kube-controller-manager");
    struct kst_json *changed = kst_json_dup(live->json);
    kst_api_list_remove(kst_json_ensure_object(changed, "spec"), "finalizers", "kubernetes");
    kst_json_free(kst_api_write(api, &call, live, changed, NULL));
}

static int64_t reconcile(const struct kst_control *control)
{
    struct kst_control_list list = kst_control_list(control->api, "/namespaces", NULL);
    for (size_t i = 0; i < list.count; i++) {
        const struct kst_object *ns = list.objects[i];
        size_t waiting = 0;
        if (!kst_api_is_deleting(ns->json) ||
            !kst_api_list_has(kst_json_path(ns->json, "spec.finalizers"), "kubernetes"))
            continue;
        size_t left = empty(control->api, ns->name, &waiting);
        if (left > 0)
            tell(control->api, ns, left, waiting);
        else
            finish(control->api, ns);
    }
    kst_control_list_release(&list);
    return KST_NEVER;
}

const struct kst_controller kst_control_namespaces = {
    .name = "kube-controller-manager",
    .buckets = {NULL},
    .reconcile = reconcile,
};
