/* SPDX-License-Identifier: Apache-2.0 */
/* A definition that is being deleted takes its objects along, and goes last. */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"
#include "sandbox/custom/crd.h"

#define CRDS "apiextensions.k8s.io/customresourcedefinitions"

/* Tells how far the deletion is; at its end without the finalizer. */
static void tell(struct kst_api *api, const char *name, bool ends, const char *reason,
                 const char *message)
{
    kst_auto_object struct kst_object *live = kst_object_ref(kst_api_find(api, CRDS, "", name));
    if (!live)
        return;
    struct kst_json *changed = kst_json_dup(live->json);
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    kst_crd_set_condition(changed, "Terminating", !ends, reason, message, now);
    if (ends)
        kst_api_list_remove(kst_json_mut(changed, "metadata"), "finalizers", KST_CRD_FINALIZER);
    struct kst_api_call call = kst_api_call_for(api, CRDS, "", name, "kube-apiserver");
    kst_json_free(kst_api_write(api, &call, live, changed, NULL));
}

/* Whether nothing is left. */
static bool empty(struct kst_api *api, const struct kst_json *definition)
{
    kst_auto_free char *bucket = kst_asprintf("%s/%s", kst_api_text(definition, "spec.group"),
                                              kst_api_text(definition, "spec.names.plural"));
    struct kst_control_list list = kst_control_list(api, bucket, NULL);
    for (size_t i = 0; i < list.count; i++)
        if (!kst_api_is_deleting(list.objects[i]->json))
            kst_control_delete(api, bucket, list.objects[i]);
    kst_control_list_release(&list);
    return kst_bucket_count(kst_store_bucket(kst_api_store(api), bucket)) == 0;
}

static void finish(struct kst_api *api, const struct kst_object *definition)
{
    if (!kst_crd_is(definition->json, "Established")) {
        tell(api, definition->name, true, "NeverEstablished", "resource was never established");
        return;
    }
    tell(api, definition->name, false, "InstanceDeletionInProgress",
         "CustomResource deletion is in progress");
    if (empty(api, definition->json))
        tell(api, definition->name, true, "InstanceDeletionCompleted", "removed all instances");
}

static int64_t reconcile(const struct kst_control *control)
{
    struct kst_control_list list = kst_control_list(control->api, CRDS, NULL);
    for (size_t i = 0; i < list.count; i++) {
        const struct kst_json *definition = list.objects[i]->json;
        if (kst_api_is_deleting(definition) &&
            kst_api_list_has(kst_json_path(definition, "metadata.finalizers"), KST_CRD_FINALIZER))
            finish(control->api, list.objects[i]);
    }
    kst_control_list_release(&list);
    return KST_NEVER;
}

const struct kst_controller kst_control_definitions = {
    .name = "kube-apiserver",
    .buckets = {NULL},
    .reconcile = reconcile,
};
