/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims and volumes: what fits is bound, what is in use stays, what is released is told so.
 * Provisioning is the storage's (csi.h).
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
#include "sandbox/storage/storage.h"

#define CLAIMS  "/persistentvolumeclaims"
#define VOLUMES "/persistentvolumes"

static const char manager[] = "kube-controller-manager";

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* ---- binding ---- */

static bool fits(const struct kst_object *claim, const struct kst_object *volume)
{
    const struct kst_json *c = claim->json, *v = volume->json;
    int64_t wanted = 0, have = 0;
    kst_storage_parse_size(kst_api_text(c, "spec.resources.requests.storage"), &wanted);
    kst_storage_parse_size(kst_api_text(v, "spec.capacity.storage"), &have);
    const struct kst_json *modes = kst_json_path(c, "spec.accessModes");
    for (const struct kst_json *m = kst_json_first(modes); m; m = kst_json_next(m))
        if (kst_json_str(m) &&
            !kst_api_list_has(kst_json_path(v, "spec.accessModes"), kst_json_str(m)))
            return false;
    return have >= wanted &&
           is(kst_api_text(c, "spec.storageClassName"), kst_api_text(v, "spec.storageClassName"));
}

/* Whether the volume is kept for this claim, or (with `any`) for none yet. */
static bool is_for(const struct kst_object *claim, const struct kst_object *volume, bool any)
{
    const struct kst_json *ref = kst_json_path(volume->json, "spec.claimRef");
    if (!ref)
        return any;
    const char *uid = kst_api_text(ref, "uid");
    return is(kst_api_text(ref, "namespace"), claim->ns) &&
           is(kst_api_text(ref, "name"), claim->name) && (!*uid || is(uid, claim->uid));
}

static struct kst_object *find_volume(struct kst_api *api, const struct kst_object *claim)
{
    const char *name = kst_api_text(claim->json, "spec.volumeName");
    struct kst_bucket *volumes = kst_store_bucket(kst_api_store(api), VOLUMES);
    struct kst_object *volume, *best = NULL;
    if (*name) {
        volume = kst_bucket_get(volumes, "", name);
        return volume && is_for(claim, volume, true) ? volume : NULL;
    }
    for (size_t i = 0; (volume = kst_bucket_at(volumes, i)); i++) {
        if (kst_api_is_deleting(volume->json) || !fits(claim, volume))
            continue;
        if (is_for(claim, volume, false))
            return volume;
        if (!best && is_for(claim, volume, true) && !kst_json_path(claim->json, "spec.dataSource"))
            best = volume;
    }
    return best;
}

static void bind_volume(struct kst_api *api, const struct kst_object *claim,
                        const struct kst_object *volume)
{
    kst_auto_free char *version = kst_asprintf("%lld", (long long)claim->version);
    struct kst_json *changed = kst_json_dup(volume->json);
    if (!is(kst_api_text(changed, "spec.claimRef.uid"), claim->uid)) {
        struct kst_json *spec = kst_json_mut(changed, "spec");
        kst_json_set(spec, "claimRef",
                     kst_json_make("{'kind':'PersistentVolumeClaim','namespace':%s,'name':%s,"
                                   "'uid':%s,'apiVersion':'v1','resourceVersion':%s}",
                                   claim->ns, claim->name, claim->uid, version));
        if (!kst_json_path(volume->json, "spec.claimRef")) /* else a person bound it */
            kst_json_set_str(kst_json_ensure_object(kst_json_mut(changed, "metadata"),
                                                    "annotations"),
                             "pv.kubernetes.io/bound-by-controller", "yes");
    }
    kst_json_set(changed, "status", kst_json_make("{'phase':'Bound'}"));
    if (kst_json_equal(changed, volume->json))
        kst_json_free(changed);
    else
        kst_bucket_put(kst_store_bucket(kst_api_store(api), VOLUMES), changed);
}

static void bind_claim(struct kst_api *api, const struct kst_object *claim,
                       const struct kst_object *volume)
{
    struct kst_json *changed = kst_json_dup(claim->json);
    struct kst_json *annotations = kst_json_ensure_object(kst_json_mut(changed, "metadata"),
                                                          "annotations");
    kst_json_set_str(annotations, "pv.kubernetes.io/bind-completed", "yes");
    if (!*kst_api_text(claim->json, "spec.volumeName"))
        kst_json_set_str(annotations, "pv.kubernetes.io/bound-by-controller", "yes");
    kst_json_set_str(kst_json_mut(changed, "spec"), "volumeName", volume->name);
    kst_json_set(changed, "status",
                 kst_json_make("{'phase':'Bound','accessModes':%J,'capacity':%J}",
                               kst_json_path(volume->json, "spec.accessModes"),
                               kst_json_path(volume->json, "spec.capacity")));
    if (kst_json_equal(changed, claim->json))
        kst_json_free(changed);
    else
        kst_bucket_put(kst_store_bucket(kst_api_store(api), CLAIMS), changed);
}

/* The provisioner of the claim's class is asked by an annotation. */
static void ask_provisioner(struct kst_api *api, const struct kst_object *claim)
{
    static const char key[] = "volume.beta.kubernetes.io/storage-provisioner";
    const struct kst_object *class = kst_api_find(api, "storage.k8s.io/storageclasses", "",
                                                  kst_api_text(claim->json,
                                                               "spec.storageClassName"));
    const struct kst_json *annotations = kst_json_path(claim->json, "metadata.annotations");
    if (!class || kst_json_get(annotations, key))
        return;
    struct kst_json *changed = kst_json_dup(claim->json);
    kst_json_set_str(kst_json_ensure_object(kst_json_mut(changed, "metadata"), "annotations"), key,
                     kst_api_text(class->json, "provisioner"));
    kst_control_update(api, CLAIMS, claim, manager, changed);
}

static void bind(struct kst_api *api, const struct kst_object *claim)
{
    kst_auto_object struct kst_object *volume = kst_object_ref(find_volume(api, claim));
    if (!volume) {
        bool lost = is(kst_api_text(claim->json, "status.phase"), "Bound");
        if (lost)
            kst_api_set_status(api, CLAIMS, claim, kst_json_make("{'phase':'Lost'}"), manager);
        else
            ask_provisioner(api, claim);
        return;
    }
    bind_volume(api, claim, volume);
    bind_claim(api, claim, volume);
}

/* ---- protection ---- */

/* Whether a Pod that still runs (or will) uses the claim. */
static bool in_use(struct kst_api *api, const struct kst_object *claim)
{
    struct kst_control_list pods = kst_control_list(api, "/pods", claim->ns);
    bool used = false;
    for (size_t i = 0; i < pods.count && !used; i++) {
        const struct kst_json *volumes = kst_json_path(pods.objects[i]->json, "spec.volumes");
        if (kst_pod_is_finished(pods.objects[i]->json))
            continue;
        for (const struct kst_json *v = kst_json_first(volumes); v; v = kst_json_next(v))
            used = used || is(kst_api_text(v, "persistentVolumeClaim.claimName"), claim->name);
    }
    kst_control_list_release(&pods);
    return used;
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
        bind(api, claim);
    else if (!in_use(api, claim))
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
