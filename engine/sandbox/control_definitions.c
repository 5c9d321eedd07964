/* SPDX-License-Identifier: Apache-2.0 */
/* A definition that is being deleted takes its objects along, and goes last. */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api.h"
#include "sandbox/api_internal.h"
#include "sandbox/controller.h"
#include "sandbox/registry.h"
#include "sandbox/store.h"

#define CRDS      "apiextensions.k8s.io/customresourcedefinitions"
#define FINALIZER "customresourcecleanup.apiextensions.k8s.io"

static void set_finalizer(struct kst_api *api, const struct kst_object *definition, bool wanted)
{
    kst_auto_object struct kst_object *live = kst_object_ref(
        kst_api_find(api, CRDS, "", definition->name));
    if (!live)
        return;
    struct kst_json *changed = kst_json_dup(live->json);
    struct kst_json *metadata = kst_json_mut(changed, "metadata");
    kst_api_list_remove(metadata, "finalizers", FINALIZER);
    if (wanted)
        kst_json_push(kst_json_ensure_array(metadata, "finalizers"), kst_json_from_str(FINALIZER));
    struct kst_api_call call = kst_api_call_for(api, CRDS, "", live->name, "kube-apiserver");
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

static int64_t reconcile(const struct kst_control *control)
{
    struct kst_control_list list = kst_control_list(control->api, CRDS, NULL);
    for (size_t i = 0; i < list.count; i++) {
        const struct kst_json *definition = list.objects[i]->json;
        bool held = kst_api_list_has(kst_json_path(definition, "metadata.finalizers"), FINALIZER);
        if (!kst_api_is_deleting(definition)) {
            if (!held)
                set_finalizer(control->api, list.objects[i], true);
        } else if (held && empty(control->api, definition)) {
            set_finalizer(control->api, list.objects[i], false);
        }
    }
    kst_control_list_release(&list);
    return KST_NEVER;
}

const struct kst_controller kst_control_definitions = {
    .name = "kube-apiserver",
    .buckets = {NULL},
    .reconcile = reconcile,
};
