/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot-controller: binds each VolumeSnapshot to a VolumeSnapshotContent and copies what the
 * driver says of it, in the order and with the words of the real one.
 * https://github.com/kubernetes-csi/external-snapshotter/blob/master/pkg/common-controller
 */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "dircsi.h"
#include "kube/client.h"
#include "kube/event.h"
#include "kube/resource.h"

#define AS_SOURCE SNAPSHOTS "volumesnapshot-as-source-protection"
#define BOUND     SNAPSHOTS "volumesnapshot-bound-protection"
#define PVC       SNAPSHOTS "pvc-as-source-protection"
#define CONTENT   SNAPSHOTS "volumesnapshotcontent-bound-protection"
#define DELETING  SNAPSHOTS "volumesnapshot-being-deleted"

enum { LOOK_AGAIN_MS = 500 };

static bool is(const char *text, const char *wanted)
{
    return text && strcmp(text, wanted) == 0;
}

static int patch_status(struct kst_kube *kube, const struct kst_json *snapshot,
                        const struct kst_json *status, struct kst_err **err)
{
    kst_auto_json struct kst_json *patch = kst_json_make("{'status':%J}", status);
    return kst_kube_patch(kube, &kst_res_snapshots,
                          kst_json_path_str(snapshot, "metadata.namespace"),
                          kst_json_path_str(snapshot, "metadata.name"), "status", KST_PATCH_MERGE,
                          patch, NULL, err);
}

/* Writes status.error once, tells an Event, and fails with the same text. */
static int tell_error(struct kst_kube *kube, const struct kst_json *snapshot, const char *reason,
                      struct kst_err **err)
{
    const char *before = kst_json_path_str(snapshot, "status.error.message");
    if (!is(before, kst_err_message(*err))) {
        char now[KST_TIME_TEXT];
        kst_time_format(kst_wall_ms(), now);
        kst_auto_json struct kst_json *status = kst_json_make(
            "{'readyToUse':false,'error':{'message':%s,'time':%s}}", kst_err_message(*err), now);
        patch_status(kube, snapshot, status, NULL);
        kst_event_emit(kube, snapshot, KST_EVENT_WARNING, reason, kst_err_message(*err));
    }
    return kst_err_code(*err);
}

/* The class that is named, or the driver's only default one. */
static int find_class(struct kst_kube *kube, const struct kst_json *snapshot,
                      struct kst_json **class, struct kst_err **err)
{
    const char *name = kst_json_path_str(snapshot, "spec.volumeSnapshotClassName");
    if (name) {
        int rc = kst_kube_get(kube, &kst_res_snapshot_classes, NULL, name, class, err);
        if (rc != KST_E_NOT_FOUND)
            return rc;
        kst_err_clear(err);
        return kst_err_set(err, rc,
                           "Failed to get snapshot class with error failed to retrieve snapshot "
                           "class %s from the informer: \"volumesnapshotclass.snapshot.storage."
                           "k8s.io \\\"%s\\\" not found\"",
                           name, name);
    }
    kst_auto_json struct kst_json *all = NULL;
    int rc = kst_kube_list(kube, &kst_res_snapshot_classes, NULL, NULL, &all, NULL, err);
    size_t count = 0;
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        const struct kst_json *notes = kst_json_path(row, "metadata.annotations");
        if (!is(kst_json_str(kst_json_get(notes, SNAPSHOTS "is-default-class")), "true") ||
            !is(kst_json_path_str(row, "driver"), DRIVER))
            continue;
        if (count++ == 0)
            *class = kst_json_dup(row);
    }
    if (rc < 0 || count == 1)
        return rc;
    return kst_err_set(err, KST_E_FAILED,
                       count ? "Failed to set default snapshot class with error %zu default "
                               "snapshot classes were found"
                             : "Failed to set default snapshot class with error cannot find "
                               "default snapshot class",
                       count);
}

/* The volume behind the claim that is to be cut. */
static int find_volume(struct kst_kube *kube, const struct kst_json *snapshot,
                       struct kst_json **volume, struct kst_err **err)
{
    const char *ns = kst_json_path_str(snapshot, "metadata.namespace");
    const char *name = kst_json_path_str(snapshot, "spec.source.persistentVolumeClaimName");
    kst_auto_json struct kst_json *claim = NULL;
    int rc = kst_kube_get(kube, &kst_res_pvcs, ns, name, &claim, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        return kst_err_set(err, rc,
                           "Failed to create snapshot content with error snapshot controller "
                           "failed to update %s on API server: cannot get claim from snapshot",
                           kst_json_path_str(snapshot, "metadata.name"));
    }
    if (rc == 0 && !is(kst_json_path_str(claim, "status.phase"), "Bound"))
        return kst_err_set(err, KST_E_FAILED,
                           "Failed to create snapshot content with error the PVC %s is not yet "
                           "bound to a PV, will not attempt to take a snapshot",
                           name);
    if (rc == 0)
        rc = kst_kube_get(kube, &kst_res_pvs, NULL, kst_json_path_str(claim, "spec.volumeName"),
                          volume, err);
    if (rc == 0)
        rc = set_finalizer(kube, &kst_res_pvcs, claim, PVC, true, err);
    return rc;
}

static int make_content(struct kst_kube *kube, const struct kst_json *snapshot, const char *name,
                        struct kst_json **content, struct kst_err **err)
{
    kst_auto_json struct kst_json *class = NULL, *volume = NULL;
    int rc = find_class(kube, snapshot, &class, err);
    if (rc == 0)
        rc = find_volume(kube, snapshot, &volume, err);
    if (rc < 0)
        return tell_error(kube, snapshot, "SnapshotContentCreationFailed", err);
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'apiVersion':'snapshot.storage.k8s.io/v1','kind':'VolumeSnapshotContent',"
        "'metadata':{'name':%s,'finalizers':[%s]},"
        "'spec':{'deletionPolicy':%s,'driver':%s,'volumeSnapshotClassName':%s,"
        "'source':{'volumeHandle':%s},"
        "'volumeSnapshotRef':{'apiVersion':'snapshot.storage.k8s.io/v1','kind':'VolumeSnapshot',"
        "'name':%s,'namespace':%s,'uid':%s,'resourceVersion':%s}}}",
        name, CONTENT, kst_json_path_str(class, "deletionPolicy"),
        kst_json_path_str(class, "driver"), kst_json_path_str(class, "metadata.name"),
        kst_json_path_str(volume, "metadata.name"), kst_json_path_str(snapshot, "metadata.name"),
        kst_json_path_str(snapshot, "metadata.namespace"),
        kst_json_path_str(snapshot, "metadata.uid"),
        kst_json_path_str(snapshot, "metadata.resourceVersion"));
    rc = kst_kube_create(kube, &kst_res_snapshot_contents, NULL, object, false, content, err);
    if (rc == KST_E_EXISTS) {
        kst_err_clear(err);
        rc = kst_kube_get(kube, &kst_res_snapshot_contents, NULL, name, content, err);
    }
    return rc;
}

/* A content that somebody made by hand: it must refer to us; its reference gets our uid. */
static int bind_given(struct kst_kube *kube, const struct kst_json *snapshot, const char *name,
                      struct kst_json **content, struct kst_err **err)
{
    const char *ns = kst_json_path_str(snapshot, "metadata.namespace");
    const char *uid = kst_json_path_str(snapshot, "metadata.uid");
    int rc = kst_kube_get(kube, &kst_res_snapshot_contents, NULL, name, content, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        kst_err_set(err, rc, "VolumeSnapshotContent is missing");
        return tell_error(kube, snapshot, "SnapshotContentMissing", err);
    }
    if (rc < 0)
        return rc;
    const char *is_uid = kst_json_path_str(*content, "spec.volumeSnapshotRef.uid");
    if (!is(kst_json_path_str(*content, "spec.volumeSnapshotRef.name"),
            kst_json_path_str(snapshot, "metadata.name")) ||
        !is(kst_json_path_str(*content, "spec.volumeSnapshotRef.namespace"), ns) ||
        (is_uid && *is_uid && strcmp(is_uid, uid) != 0)) {
        kst_err_set(err, KST_E_FAILED,
                    "VolumeSnapshotContent [%s] is bound to a different snapshot", name);
        return tell_error(kube, snapshot, "SnapshotContentMisbound", err);
    }
    if (is_uid && *is_uid)
        return 0;
    kst_auto_json struct kst_json *patch = kst_json_make(
        "{'metadata':{'finalizers':[%s]},'spec':{'volumeSnapshotRef':{'uid':%s}}}", CONTENT, uid);
    kst_json_free(kst_take(*content));
    return kst_kube_patch(kube, &kst_res_snapshot_contents, NULL, name, NULL, KST_PATCH_MERGE,
                          patch, content, err);
}

/* What the driver has said so far, told on the VolumeSnapshot. */
static int copy_status(struct kst_kube *kube, const struct kst_json *snapshot,
                       const struct kst_json *content, struct kst_err **err)
{
    kst_auto_json struct kst_json *status = kst_json_make(
        "{'boundVolumeSnapshotContentName':%s,'readyToUse':%b}",
        kst_json_path_str(content, "metadata.name"),
        kst_json_path_true(content, "status.readyToUse"));
    int64_t created_ns = kst_json_path_int(content, "status.creationTime", 0);
    int64_t size = kst_json_path_int(content, "status.restoreSize", -1);
    const char *failure = kst_json_path_str(content, "status.error.message");
    if (created_ns) {
        char created[KST_TIME_TEXT];
        kst_time_format(created_ns / 1000000, created);
        kst_json_set_str(status, "creationTime", created);
    }
    if (size >= 0) {
        kst_auto_free char *text = kst_asprintf("%lld", (long long)size);
        kst_json_set_str(status, "restoreSize", text);
    }
    if (failure && !created_ns) {
        kst_json_set(status, "error",
                     kst_json_make("{'message':%s,'time':%s}", failure,
                                   kst_json_path_str(content, "status.error.time")));
    } else if (kst_json_path(snapshot, "status.error")) {
        kst_json_set(status, "error", kst_json_null());
    }
    bool news = kst_json_path(status, "error") &&
                !is(kst_json_path_str(snapshot, "status.error.message"), failure ? failure : "");
    for (const struct kst_json *field = kst_json_first(status); field && !news;
         field = kst_json_next(field)) {
        const struct kst_json *was = kst_json_get(kst_json_get(snapshot, "status"),
                                                  kst_json_key(field));
        news = kst_json_type(field) != KST_JSON_OBJECT && !kst_json_equal(field, was);
    }
    if (!news)
        return 0;
    if (failure && !created_ns)
        kst_event_emit(kube, snapshot, KST_EVENT_WARNING, "SnapshotContentCheckandUpdateFailed",
                       failure);
    return patch_status(kube, snapshot, status, err);
}

/* The claim is free again once its snapshot is ready. */
static int free_claim(struct kst_kube *kube, const struct kst_json *snapshot, struct kst_err **err)
{
    const char *ns = kst_json_path_str(snapshot, "metadata.namespace");
    const char *name = kst_json_path_str(snapshot, "spec.source.persistentVolumeClaimName");
    kst_auto_json struct kst_json *claim = NULL;
    int rc = name ? kst_kube_get(kube, &kst_res_pvcs, ns, name, &claim, err) : KST_E_NOT_FOUND;
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        return 0;
    }
    return rc < 0 || !has_finalizer(claim, PVC)
               ? rc
               : set_finalizer(kube, &kst_res_pvcs, claim, PVC, false, err);
}

static int remove_snapshot(struct kst_kube *kube, const struct kst_json *snapshot,
                           struct kst_err **err)
{
    const char *bound = kst_json_path_str(snapshot, "status.boundVolumeSnapshotContentName");
    kst_auto_free char *usual = kst_asprintf("snapcontent-%s",
                                             kst_json_path_str(snapshot, "metadata.uid"));
    kst_auto_json struct kst_json *content = NULL;
    int rc = kst_kube_get(kube, &kst_res_snapshot_contents, NULL, bound ? bound : usual, &content,
                          err);
    if (rc < 0 && rc != KST_E_NOT_FOUND)
        return rc;
    kst_err_clear(err);
    if (content && is(kst_json_path_str(content, "spec.deletionPolicy"), "Delete")) {
        const char *name = kst_json_path_str(content, "metadata.name");
        kst_auto_json struct kst_json *patch = kst_json_make(
            "{'metadata':{'annotations':{%s:'yes'}}}", DELETING);
        rc = kst_kube_patch(kube, &kst_res_snapshot_contents, NULL, name, NULL, KST_PATCH_MERGE,
                            patch, NULL, err);
        if (rc == 0 && !kst_json_path_str(content, "metadata.deletionTimestamp"))
            rc = kst_kube_delete(kube, &kst_res_snapshot_contents, NULL, name, NULL, err);
        if (rc == 0) /* its end wakes us */
            return 0;
        if (rc != KST_E_NOT_FOUND)
            return rc;
        kst_err_clear(err);
    }
    rc = free_claim(kube, snapshot, err);
    if (rc < 0 || !kst_json_first(kst_json_path(snapshot, "metadata.finalizers")))
        return rc;
    kst_auto_json struct kst_json *patch = kst_json_make("{'metadata':{'finalizers':null}}");
    rc = kst_kube_patch(kube, &kst_res_snapshots, kst_json_path_str(snapshot, "metadata.namespace"),
                        kst_json_path_str(snapshot, "metadata.name"), NULL, KST_PATCH_MERGE, patch,
                        NULL, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        rc = 0;
    }
    return rc;
}

static int protect(struct kst_kube *kube, struct kst_json **snapshot, struct kst_err **err)
{
    if (has_finalizer(*snapshot, BOUND))
        return 0;
    kst_auto_free char *ns = kst_strdup(kst_json_path_str(*snapshot, "metadata.namespace"));
    kst_auto_free char *name = kst_strdup(kst_json_path_str(*snapshot, "metadata.name"));
    kst_auto_json struct kst_json *patch = kst_json_make(
        "{'metadata':{'finalizers':[%s,%s],'resourceVersion':%s}}", AS_SOURCE, BOUND,
        kst_json_path_str(*snapshot, "metadata.resourceVersion"));
    struct kst_json *fresh = NULL;
    int rc = kst_kube_patch(kube, &kst_res_snapshots, ns, name, NULL, KST_PATCH_MERGE, patch,
                            &fresh, err);
    if (rc == 0) {
        kst_json_free(*snapshot);
        *snapshot = fresh;
    }
    return rc;
}

int reconcile_snapshot(struct controller *self, const char *ns, const char *name, int64_t *again_ms,
                       struct kst_err **err)
{
    struct kst_kube *kube = controller_kube(self);
    kst_auto_json struct kst_json *snapshot = NULL, *content = NULL;
    int rc = kst_kube_get(kube, &kst_res_snapshots, ns, name, &snapshot, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        return 0;
    }
    if (rc < 0)
        return rc;
    const char *claim = kst_json_path_str(snapshot, "spec.source.persistentVolumeClaimName");
    if (fault_is_set(kube, ns, claim, "noController")) {
        *again_ms = LOOK_AGAIN_MS;
        return 0;
    }
    if (kst_json_path_str(snapshot, "metadata.deletionTimestamp"))
        return remove_snapshot(kube, snapshot, err);
    rc = protect(kube, &snapshot, err);
    if (rc < 0)
        return rc;
    const char *given = kst_json_path_str(snapshot, "spec.source.volumeSnapshotContentName");
    kst_auto_free char *usual = kst_asprintf("snapcontent-%s",
                                             kst_json_path_str(snapshot, "metadata.uid"));
    if (given) {
        rc = bind_given(kube, snapshot, given, &content, err);
    } else {
        rc = kst_kube_get(kube, &kst_res_snapshot_contents, NULL, usual, &content, err);
        if (rc == KST_E_NOT_FOUND) {
            kst_err_clear(err);
            rc = make_content(kube, snapshot, usual, &content, err);
        }
    }
    if (rc == 0)
        rc = copy_status(kube, snapshot, content, err);
    if (rc == 0 && kst_json_path_true(content, "status.readyToUse"))
        rc = free_claim(kube, snapshot, err);
    return rc;
}
