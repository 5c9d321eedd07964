/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims and volumes: what fits is bound (binding.c), what is in use stays, what is released is
 * told so. Provisioning is the storage's (sandbox/storage/csi.h).
 * https://kubernetes.io/docs/concepts/storage/persistent-volumes/
 */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"

#define CLAIMS  "/persistentvolumeclaims"
#define VOLUMES "/persistentvolumes"

static const char manager[] = "kube-controller-manager";

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static void let_go(struct kst_api *api, const char *bucket, const struct kst_object *object,
                   const char *finalizer)
{
    if (!kst_api_list_has(kst_json_path(object->json, "metadata.finalizers"), finalizer))
        return;
    struct kst_json *changed = kst_json_dup(object->json);
    kst_api_list_remove(kst_json_mut(changed, "metadata"), "finalizers", finalizer);
    kst_control_update(api, bucket, object, manager, changed);
}

static void keep_claim(struct kst_api *api, const struct kst_object *claim)
{
    if (!kst_api_is_deleting(claim->json))
        kst_control_bind(api, claim);
    else if (!kst_control_is_used(api, claim))
        let_go(api, CLAIMS, claim, "kubernetes.io/pvc-protection");
}

static void keep_volume(struct kst_api *api, const struct kst_object *volume)
{
    const struct kst_json *ref = kst_json_path(volume->json, "spec.claimRef");
    const char *phase = kst_api_text(volume->json, "status.phase");
    const struct kst_object *claim = ref ? kst_api_find(api, CLAIMS, kst_api_text(ref, "namespace"),
                                                        kst_api_text(ref, "name"))
                                         : NULL;
    const char *uid = kst_api_text(ref, "uid");
    bool held = claim && (!*uid || is(claim->uid, uid));
    if (kst_api_is_deleting(volume->json)) {
        if (!held)
            let_go(api, VOLUMES, volume, "kubernetes.io/pv-protection");
        return;
    }
    const char *now = ref && *uid && !held ? "Released" : !ref || !*uid ? "Available" : phase;
    if (held && *uid && *kst_api_text(claim->json, "spec.volumeName") &&
        !is(kst_api_text(claim->json, "spec.volumeName"), volume->name)) {
        kst_control_unbind(api, volume);
        return;
    }
    if (held && is(phase, "Pending"))
        return; /* being bound */
    if (!is(now, phase))
        kst_api_set_status(api, VOLUMES, volume, kst_json_make("{'phase':%s}", now), manager);
}

static int64_t reconcile(const struct kst_control *control)
{
    struct kst_control_list list = kst_control_list(control->api, CLAIMS, NULL);
    for (size_t i = 0; i < list.count; i++)
        keep_claim(control->api, list.objects[i]);
    kst_control_list_release(&list);
    list = kst_control_list(control->api, VOLUMES, NULL);
    for (size_t i = 0; i < list.count; i++)
        keep_volume(control->api, list.objects[i]);
    kst_control_list_release(&list);
    return KST_NEVER;
}

const struct kst_controller kst_control_claims = {
    .name = manager,
    .buckets = {CLAIMS, VOLUMES, "/pods", "storage.k8s.io/storageclasses"},
    .reconcile = reconcile,
};
