/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A claim and its volume: what kube-controller-manager's persistentvolume-binder does, with its
 * Events.
 * https://github.com/kubernetes/kubernetes/blob/v1.20.2/pkg/controller/volume/persistentvolume/pv_controller.go
 */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"
#include "sandbox/storage/storage.h"

#define CLAIMS    "/persistentvolumeclaims"
#define VOLUMES   "/persistentvolumes"
#define COMPLETED "pv.kubernetes.io/bind-completed"
#define BY_US     "pv.kubernetes.io/bound-by-controller"

enum { NAMES_BYTES = 64 * 1024 };

static const char manager[] = "kube-controller-manager";
static const char component[] = "persistentvolume-controller";

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static const struct kst_object *class_of(struct kst_api *api, const struct kst_object *claim)
{
    return kst_api_find(api, "storage.k8s.io/storageclasses", "",
                        kst_api_text(claim->json, "spec.storageClassName"));
}

bool kst_control_is_delayed(struct kst_api *api, const struct kst_object *claim)
{
    const struct kst_object *class = class_of(api, claim);
    return class && is(kst_api_text(class->json, "volumeBindingMode"), "WaitForFirstConsumer");
}

/* ---- What fits ---- */

static const char *mode_of(const struct kst_object *object)
{
    const char *mode = kst_api_text(object->json, "spec.volumeMode");
    return *mode ? mode : "Filesystem";
}

static int64_t size_of(const struct kst_object *volume)
{
    int64_t size = 0;
    kst_parse_size(kst_api_text(volume->json, "spec.capacity.storage"), &size);
    return size;
}

static bool has_modes(const struct kst_object *claim, const struct kst_object *volume)
{
    const struct kst_json *modes = kst_json_path(claim->json, "spec.accessModes");
    for (const struct kst_json *m = kst_json_first(modes); m; m = kst_json_next(m))
        if (kst_json_str(m) &&
            !kst_api_list_has(kst_json_path(volume->json, "spec.accessModes"), kst_json_str(m)))
            return false;
    return true;
}

/* Why a volume is none for the claim, in the real controller's words; NULL where it is one. One
 * that is `kept` for it may be of another class. */
static const char *misfit(const struct kst_object *claim, const struct kst_object *volume,
                          bool kept)
{
    int64_t wanted = 0;
    kst_parse_size(kst_api_text(claim->json, "spec.resources.requests.storage"), &wanted);
    if (kst_api_is_deleting(volume->json))
        return "the volume is marked for deletion";
    if (size_of(volume) < wanted)
        return "requested PV is too small";
    if (!kept && !is(kst_api_text(claim->json, "spec.storageClassName"),
                     kst_api_text(volume->json, "spec.storageClassName")))
        return "storageClassName does not match";
    if (!is(mode_of(claim), mode_of(volume)))
        return "incompatible volumeMode";
    return has_modes(claim, volume) ? NULL : "incompatible accessMode";
}

/* Whether the volume is kept for this claim; one that is kept for nobody is not. */
static bool is_for(const struct kst_object *claim, const struct kst_object *volume)
{
    const struct kst_json *ref = kst_json_path(volume->json, "spec.claimRef");
    const char *uid = kst_api_text(ref, "uid");
    return ref && is(kst_api_text(ref, "namespace"), claim->ns) &&
           is(kst_api_text(ref, "name"), claim->name) && (!*uid || is(uid, claim->uid));
}

/* The volume that is kept for the claim, else (unless it is `kept` only) the smallest that fits. */
static struct kst_object *find_volume(struct kst_api *api, const struct kst_object *claim,
                                      bool kept)
{
    struct kst_bucket *volumes = kst_store_bucket(kst_api_store(api), VOLUMES);
    const struct kst_json *selector = kst_json_path(claim->json, "spec.selector");
    struct kst_object *volume, *best = NULL;
    for (size_t i = 0; (volume = kst_bucket_at(volumes, i)); i++) {
        if (misfit(claim, volume, is_for(claim, volume)))
            continue;
        if (is_for(claim, volume))
            return volume;
        if (!kept && !kst_json_path(volume->json, "spec.claimRef") &&
            !kst_json_path(claim->json, "spec.dataSource") &&
            (!selector ||
             kst_control_selects(selector, kst_json_path(volume->json, "metadata.labels"))) &&
            (!best || size_of(volume) < size_of(best)))
            best = volume;
    }
    return best;
}

/* ---- Binding ---- */

static void put(struct kst_api *api, const char *bucket, const struct kst_object *object,
                struct kst_json *changed)
{
    if (kst_json_equal(changed, object->json))
        kst_json_free(changed);
    else
        kst_bucket_put(kst_store_bucket(kst_api_store(api), bucket), changed);
}

static void bind_volume(struct kst_api *api, const struct kst_object *claim,
                        const struct kst_object *volume)
{
    kst_auto_free char *version = kst_asprintf("%lld", (long long)claim->version);
    struct kst_json *changed = kst_json_dup(volume->json);
    if (!is(kst_api_text(changed, "spec.claimRef.uid"), claim->uid)) {
        kst_json_set(kst_json_mut(changed, "spec"), "claimRef",
                     kst_json_make("{'kind':'PersistentVolumeClaim','namespace':%s,'name':%s,"
                                   "'uid':%s,'apiVersion':'v1','resourceVersion':%s}",
                                   claim->ns, claim->name, claim->uid, version));
        if (!is_for(claim, volume)) /* else a person bound it */
            kst_json_set_str(kst_json_ensure_object(kst_json_mut(changed, "metadata"),
                                                    "annotations"),
                             BY_US, "yes");
    }
    kst_json_set(changed, "status", kst_json_make("{'phase':'Bound'}"));
    put(api, VOLUMES, volume, changed);
}

static void bind_claim(struct kst_api *api, const struct kst_object *claim,
                       const struct kst_object *volume)
{
    struct kst_json *changed = kst_json_dup(claim->json);
    struct kst_json *annotations = kst_json_ensure_object(kst_json_mut(changed, "metadata"),
                                                          "annotations");
    kst_json_set_str(annotations, COMPLETED, "yes");
    if (!*kst_api_text(claim->json, "spec.volumeName"))
        kst_json_set_str(annotations, BY_US, "yes");
    kst_json_set_str(kst_json_mut(changed, "spec"), "volumeName", volume->name);
    kst_json_set(changed, "status",
                 kst_json_make("{'phase':'Bound','accessModes':%J,'capacity':%J}",
                               kst_json_path(volume->json, "spec.accessModes"),
                               kst_json_path(volume->json, "spec.capacity")));
    put(api, CLAIMS, claim, changed);
}

static void bind(struct kst_api *api, const struct kst_object *claim,
                 const struct kst_object *found)
{
    kst_auto_object struct kst_object *volume = kst_object_ref(
        kst_api_find(api, VOLUMES, "", found->name));
    bind_volume(api, claim, volume);
    bind_claim(api, claim, volume);
}

bool kst_control_give_volume(struct kst_api *api, const struct kst_object *claim)
{
    const struct kst_object *volume = find_volume(api, claim, false);
    if (volume)
        bind(api, claim, volume);
    return volume != NULL;
}

/* ---- Claims that wait ---- */

/* The provisioner of the claim's class is asked by an annotation. */
static void ask_provisioner(struct kst_api *api, const struct kst_object *claim)
{
    static const char key[] = "volume.beta.kubernetes.io/storage-provisioner";
    const char *name = kst_api_text(claim->json, "spec.storageClassName");
    const struct kst_object *class = class_of(api, claim);
    if (!class) {
        kst_control_event_once(api, claim, component, "Warning", "ProvisioningFailed",
                               "storageclass.storage.k8s.io \"%s\" not found", name);
        return;
    }
    kst_auto_free char *provisioner = kst_strdup(kst_api_text(class->json, "provisioner"));
    if (!is(kst_control_annotation(claim, key), provisioner)) {
        struct kst_json *changed = kst_json_dup(claim->json);
        kst_json_set_str(kst_json_ensure_object(kst_json_mut(changed, "metadata"), "annotations"),
                         key, provisioner);
        kst_control_update(api, CLAIMS, claim, manager, changed);
    }
    kst_control_event_once(api, claim, component, "Normal", "ExternalProvisioning",
                           "waiting for a volume to be created, either by external provisioner "
                           "\"%s\" or manually created by system administrator",
                           provisioner);
}

static bool uses(const struct kst_json *pod, const char *claim)
{
    const struct kst_json *volumes = kst_json_path(pod, "spec.volumes");
    for (const struct kst_json *v = kst_json_first(volumes); v; v = kst_json_next(v))
        if (is(kst_api_text(v, "persistentVolumeClaim.claimName"), claim))
            return true;
    return false;
}

bool kst_control_is_used(struct kst_api *api, const struct kst_object *claim)
{
    struct kst_control_list pods = kst_control_list(api, "/pods", claim->ns);
    bool used = false;
    for (size_t i = 0; i < pods.count && !used; i++)
        used = !kst_pod_is_finished(pods.objects[i]->json) &&
               uses(pods.objects[i]->json, claim->name);
    kst_control_list_release(&pods);
    return used;
}

static void tell_delay(struct kst_api *api, const struct kst_object *claim)
{
    struct kst_control_list pods = kst_control_list(api, "/pods", claim->ns);
    kst_auto_buf names = KST_BUF_INIT(NAMES_BYTES);
    size_t count = 0;
    for (size_t i = 0; i < pods.count; i++)
        if (!*kst_api_text(pods.objects[i]->json, "spec.nodeName") &&
            uses(pods.objects[i]->json, claim->name))
            kst_buf_addf(&names, "%s%s", count++ ? "," : "", pods.objects[i]->name);
    kst_control_list_release(&pods);
    if (count)
        kst_control_event_once(api, claim, component, "Normal", "WaitForPodScheduled",
                               "waiting for pod%s %s to be scheduled", count > 1 ? "s" : "",
                               names.data);
    else
        kst_control_event_once(api, claim, component, "Normal", "WaitForFirstConsumer",
                               "waiting for first consumer to be created before binding");
}

/* A claim that takes any volume. */
static void bind_any(struct kst_api *api, const struct kst_object *claim)
{
    bool delayed = kst_control_is_delayed(api, claim);
    const struct kst_object *volume = find_volume(api, claim, delayed);
    if (volume)
        bind(api, claim, volume);
    else if (delayed && !*kst_control_annotation(claim, KST_CONTROL_SELECTED_NODE))
        tell_delay(api, claim);
    else if (*kst_api_text(claim->json, "spec.storageClassName"))
        ask_provisioner(api, claim);
    else
        kst_control_event_once(api, claim, component, "Normal", "FailedBinding",
                               "no persistent volumes available for this claim and no storage "
                               "class is set");
}

/* A claim that names its volume. */
static void bind_named(struct kst_api *api, const struct kst_object *claim, const char *name)
{
    const struct kst_object *volume = kst_api_find(api, VOLUMES, "", name);
    if (!volume)
        return;
    const char *why = kst_json_path(volume->json, "spec.claimRef") ? NULL
                                                                   : misfit(claim, volume, false);
    if (why && kst_api_is_deleting(volume->json))
        kst_control_event_once(api, claim, component, "Warning", "VolumeMismatch",
                               "Cannot bind to requested volume \"%s\": %s \"%s\"", name, why,
                               name);
    else if (why)
        kst_control_event_once(api, claim, component, "Warning", "VolumeMismatch",
                               "Cannot bind to requested volume \"%s\": %s", name, why);
    else if (!kst_json_path(volume->json, "spec.claimRef") || is_for(claim, volume))
        bind(api, claim, volume);
    else
        kst_control_event_once(api, claim, component, "Warning", "FailedBinding",
                               "volume \"%s\" already bound to a different claim.", name);
}

/* ---- Claims that were bound ---- */

static void lose(struct kst_api *api, const struct kst_object *claim, const char *reason,
                 const char *message)
{
    if (is(kst_api_text(claim->json, "status.phase"), "Lost"))
        return;
    kst_api_set_status(api, CLAIMS, claim, kst_json_make("{'phase':'Lost'}"), manager);
    kst_control_event(api, claim, component, "Warning", reason, "%s", message);
}

static void keep_bound(struct kst_api *api, const struct kst_object *claim, const char *name)
{
    const struct kst_object *volume = *name ? kst_api_find(api, VOLUMES, "", name) : NULL;
    if (!*name)
        lose(api, claim, "ClaimLost",
             "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!");
    else if (!volume)
        lose(api, claim, "ClaimLost",
             "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
    else if (!kst_json_path(volume->json, "spec.claimRef") ||
             is(kst_api_text(volume->json, "spec.claimRef.uid"), claim->uid))
        bind(api, claim, volume);
    else
        lose(api, claim, "ClaimMisbound",
             "Two claims are bound to the same volume, this one is bound incorrectly");
}

void kst_control_bind(struct kst_api *api, const struct kst_object *claim)
{
    const char *name = kst_api_text(claim->json, "spec.volumeName");
    const struct kst_json *annotations = kst_json_path(claim->json, "metadata.annotations");
    if (kst_json_get(annotations, COMPLETED))
        keep_bound(api, claim, name);
    else if (*name)
        bind_named(api, claim, name);
    else
        bind_any(api, claim);
}

/* ---- Volumes whose claim has another ---- */

void kst_control_unbind(struct kst_api *api, const struct kst_object *volume)
{
    const struct kst_json *annotations = kst_json_path(volume->json, "metadata.annotations");
    bool ours = kst_json_get(annotations, BY_US) != NULL;
    if (kst_json_get(annotations, "pv.kubernetes.io/provisioned-by") &&
        is(kst_api_text(volume->json, "spec.persistentVolumeReclaimPolicy"), "Delete")) {
        if (!is(kst_api_text(volume->json, "status.phase"), "Released"))
            kst_api_set_status(api, VOLUMES, volume, kst_json_make("{'phase':'Released'}"),
                               manager);
        return;
    }
    struct kst_json *changed = kst_json_dup(volume->json), *spec = kst_json_mut(changed, "spec");
    if (ours) {
        kst_json_remove(spec, "claimRef");
        kst_json_remove(kst_json_mut(kst_json_mut(changed, "metadata"), "annotations"), BY_US);
    } else {
        kst_json_remove(kst_json_mut(spec, "claimRef"), "uid");
    }
    kst_json_set(changed, "status", kst_json_make("{'phase':'Available'}"));
    kst_bucket_put(kst_store_bucket(kst_api_store(api), VOLUMES), changed);
}
