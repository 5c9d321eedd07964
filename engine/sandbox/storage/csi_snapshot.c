/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot-controller: binds each VolumeSnapshot to a VolumeSnapshotContent and copies what the
 * driver says of it, in the order and with the words of the real one, release 8.
 * https://github.com/kubernetes-csi/external-snapshotter/blob/master/pkg/common-controller
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/event.h"
#include "kube/resource.h"
#include "sandbox/storage/csi_internal.h"
#include "sandbox/storage/storage.h"

#define PVC KST_CSI_SNAPSHOTS "pvc-as-source-protection"

/* A VolumeSnapshot at work. */
struct job {
    struct kst_csi *csi;
    struct kst_json *snapshot, *content, *class;
    struct kst_json *claim; /* read once, see get_claim() */
    const char *ns, *name;
};

/* As Go's "%s %v": what is said has no colon. */
static int prefix_error(struct kst_err **err, const char *prefix)
{
    int code = kst_err_code(*err);
    kst_auto_free char *text = kst_asprintf("%s %s", prefix, kst_err_message(*err));
    kst_err_clear(err);
    return kst_err_set(err, code, "%s", text);
}

static const char *field(const struct job *job, const char *path)
{
    return kst_json_path_str(job->snapshot, path);
}

static const char *claim_name(const struct job *job)
{
    return field(job, "spec.source.persistentVolumeClaimName");
}

static int patch_status(struct job *job, const struct kst_json *status, struct kst_err **err)
{
    kst_auto_json struct kst_json *patch = kst_json_make("{'status':%J}", status);
    return kst_kube_patch(job->csi->kube, &kst_res_snapshots, job->ns, job->name, "status",
                          KST_PATCH_MERGE, patch, NULL, err);
}

/* Writes status.error where it is new, tells an Event, and fails with the same text. */
static int tell_error(struct job *job, bool not_ready, const char *reason, struct kst_err **err)
{
    const char *message = kst_err_message(*err);
    if (!is(field(job, "status.error.message"), message)) {
        char now[KST_TIME_TEXT];
        kst_time_format(kst_wall_ms(), now);
        kst_auto_json struct kst_json *status = kst_json_make("{'error':{'message':%s,'time':%s}}",
                                                              message, now);
        if (not_ready)
            kst_json_set_bool(status, "readyToUse", false);
        patch_status(job, status, NULL);
        kst_event_emit(job->csi->kube, job->snapshot, KST_EVENT_WARNING, reason, message);
    }
    return kst_err_code(*err);
}

/* Has job->claim, or leaves it NULL where there is none. */
static int get_claim(struct job *job, struct kst_err **err)
{
    if (job->claim || !claim_name(job))
        return 0;
    return kst_csi_find_object(job->csi, &kst_res_pvcs, job->ns, claim_name(job), &job->claim, err);
}

static int set_claim_finalizer(struct job *job, bool there, struct kst_err **err)
{
    struct kst_json *fresh = NULL;
    int rc = kst_csi_set_finalizer(job->csi, &kst_res_pvcs, job->claim, PVC, there, &fresh, err);
    if (fresh) {
        kst_json_free(job->claim);
        job->claim = fresh;
    }
    return rc;
}

/* The volume of the claim that is to be cut. */
static int get_volume(struct job *job, struct kst_json **volume, struct kst_err **err)
{
    const char *name = claim_name(job);
    int rc = get_claim(job, err);
    if (rc < 0)
        return rc;
    if (!job->claim)
        return kst_err_set(err, KST_E_FAILED,
                           "failed to retrieve PVC %s from the lister: \"persistentvolumeclaim "
                           "\\\"%s\\\" not found\"",
                           name, name);
    if (!is(kst_json_path_str(job->claim, "status.phase"), "Bound"))
        return kst_err_set(err, KST_E_FAILED,
                           "the PVC %s is not yet bound to a PV, will not attempt to take a "
                           "snapshot",
                           name);
    const char *pv = kst_json_path_str(job->claim, "spec.volumeName");
    rc = kst_csi_find_object(job->csi, &kst_res_pvs, NULL, pv, volume, err);
    if (rc == 0 && !*volume)
        return kst_err_set(err, KST_E_FAILED,
                           "failed to retrieve PV %s from the API server: \"persistentvolumes "
                           "\\\"%s\\\" not found\"",
                           pv, pv);
    if (rc == 0 && !is(kst_json_path_str(*volume, "spec.claimRef.uid"),
                       kst_json_path_str(job->claim, "metadata.uid")))
        return kst_err_set(err, KST_E_FAILED, "claim in dataSource not bound or invalid");
    return rc;
}

/* ---- The class ---- */

static bool is_default(const struct kst_json *class)
{
    return is(kst_csi_annotation(class, KST_CSI_SNAPSHOTS "is-default-class"), "true");
}

/* The only default class of the volume's driver, written into the VolumeSnapshot. */
static int set_default_class(struct job *job, struct kst_err **err)
{
    kst_auto_json struct kst_json *all = NULL, *volume = NULL;
    int rc = kst_kube_list(job->csi->kube, &kst_res_snapshot_classes, NULL, NULL, &all, NULL, err);
    if (rc == 0)
        rc = get_volume(job, &volume, err);
    if (rc < 0)
        return rc;
    const char *driver = kst_csi_annotation(volume, "pv.kubernetes.io/provisioned-by");
    if (!is(driver, KST_CSI_DRIVER))
        return kst_err_set(err, KST_E_FAILED,
                           "snapshotting non-CSI volumes is not supported, snapshot:%s/%s", job->ns,
                           job->name);
    const struct kst_json *found = NULL;
    size_t count = 0;
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        if (!is_default(row) || !is(kst_json_path_str(row, "driver"), driver))
            continue;
        found = row;
        count++;
    }
    if (count == 0)
        return kst_err_set(err, KST_E_FAILED, "cannot find default snapshot class");
    if (count > 1)
        return kst_err_set(err, KST_E_FAILED, "%zu default snapshot classes were found", count);
    kst_auto_json struct kst_json *patch = kst_json_make("{'spec':{'volumeSnapshotClassName':%s}}",
                                                         kst_json_path_str(found, "metadata.name"));
    struct kst_json *fresh = NULL;
    rc = kst_kube_patch(job->csi->kube, &kst_res_snapshots, job->ns, job->name, NULL,
                        KST_PATCH_MERGE, patch, &fresh, err);
    if (rc < 0)
        return rc;
    job->class = kst_json_dup(found);
    kst_json_free(job->snapshot);
    job->snapshot = fresh;
    return 0;
}

static int check_class(struct job *job, struct kst_err **err)
{
    const char *name = field(job, "spec.volumeSnapshotClassName");
    if (!name) {
        if (field(job, "spec.source.volumeSnapshotContentName"))
            return 0;
        if (set_default_class(job, err) == 0)
            return 0;
        return prefix_error(err, "Failed to set default snapshot class with error");
    }
    int rc = kst_csi_find_object(job->csi, &kst_res_snapshot_classes, NULL, name, &job->class, err);
    if (rc < 0 || job->class)
        return rc;
    return kst_err_set(err, KST_E_NOT_FOUND,
                       "Failed to get snapshot class with error volumesnapshotclass.snapshot."
                       "storage.k8s.io \"%s\" not found",
                       name);
}

/* ---- The content ---- */

static int misfit(struct job *job, const char *reason, struct kst_err **err)
{
    return tell_error(job, true, reason, err);
}

/* The content made by hand, or the one that this VolumeSnapshot was given; NULL where it is not
 * there. */
static int find_content(struct job *job, struct kst_err **err)
{
    const char *given = field(job, "spec.source.volumeSnapshotContentName");
    const char *uid = field(job, "metadata.uid");
    kst_auto_free char *usual = kst_asprintf("snapcontent-%s", uid);
    const char *name = given ? given : usual;
    int rc = kst_csi_find_object(job->csi, &kst_res_snapshot_contents, NULL, name, &job->content,
                                 err);
    if (rc < 0 || !job->content)
        return rc;
    if (given && !kst_json_path_str(job->content, "spec.source.snapshotHandle")) {
        kst_err_set(err, KST_E_FAILED,
                    "VolumeSnapshotContent is dynamically provisioned while expecting a "
                    "pre-provisioned one");
        return misfit(job, "SnapshotContentMismatch", err);
    }
    if (!given && !kst_json_path_str(job->content, "spec.source.volumeHandle")) {
        kst_err_set(err, KST_E_FAILED,
                    "VolumeSnapshotContent %s is pre-provisioned while expecting a dynamically "
                    "provisioned one",
                    name);
        return misfit(job, "SnapshotContentMismatch", err);
    }
    const char *ref_uid = kst_json_path_str(job->content, "spec.volumeSnapshotRef.uid");
    bool open = given && (!ref_uid || !*ref_uid);
    if (is(kst_json_path_str(job->content, "spec.volumeSnapshotRef.name"), job->name) &&
        is(kst_json_path_str(job->content, "spec.volumeSnapshotRef.namespace"), job->ns) &&
        (open || is(ref_uid, uid)))
        return 0;
    kst_err_set(err, KST_E_FAILED, "VolumeSnapshotContent [%s] is bound to a different snapshot",
                name);
    return misfit(job, "SnapshotContentMisbound", err);
}

/* The claim may not go while it is being cut. */
static int protect_claim(struct job *job, struct kst_err **err)
{
    int rc = get_claim(job, err);
    if (rc < 0)
        return rc;
    if (!job->claim)
        return kst_err_set(err, KST_E_FAILED,
                           "snapshot controller failed to update %s on API server: cannot get "
                           "claim from snapshot",
                           job->name);
    if (kst_csi_has_finalizer(job->claim, PVC))
        return 0;
    if (kst_json_path_str(job->claim, "metadata.deletionTimestamp"))
        return kst_err_set(err, KST_E_FAILED,
                           "snapshot controller failed to update %s on API server: cannot add "
                           "finalizer on claim because it is being deleted",
                           claim_name(job));
    return set_claim_finalizer(job, true, err);
}

static struct kst_json *new_content(const struct job *job, const struct kst_json *volume)
{
    kst_auto_free char *name = kst_asprintf("snapcontent-%s", field(job, "metadata.uid"));
    const char *mode = kst_json_path_str(volume, "spec.volumeMode");
    struct kst_json *content = kst_json_make(
        "{'apiVersion':'snapshot.storage.k8s.io/v1','kind':'VolumeSnapshotContent',"
        "'metadata':{'name':%s},"
        "'spec':{'deletionPolicy':%s,'driver':%s,'volumeSnapshotClassName':%s,"
        "'source':{'volumeHandle':%s},'sourceVolumeMode':%s,"
        "'volumeSnapshotRef':{'apiVersion':'snapshot.storage.k8s.io/v1','kind':'VolumeSnapshot',"
        "'name':%s,'namespace':%s,'uid':%s,'resourceVersion':%s}}}",
        name, kst_json_path_str(job->class, "deletionPolicy"),
        kst_json_path_str(job->class, "driver"), kst_json_path_str(job->class, "metadata.name"),
        kst_json_path_str(volume, "metadata.name"), mode ? mode : "Filesystem", job->name, job->ns,
        field(job, "metadata.uid"), field(job, "metadata.resourceVersion"));
    const struct kst_json *params = kst_json_get(job->class, "parameters");
    const char *secret = kst_json_str(
        kst_json_get(params, "csi.storage.k8s.io/snapshotter-secret-name"));
    const char *secret_ns = kst_json_str(
        kst_json_get(params, "csi.storage.k8s.io/snapshotter-secret-namespace"));
    if (secret && secret_ns) {
        struct kst_json *notes = kst_json_ensure_object(kst_json_mut(content, "metadata"),
                                                        "annotations");
        kst_json_set_str(notes, KST_CSI_SECRET_NAME, secret);
        kst_json_set_str(notes, KST_CSI_SECRET_NAMESPACE, secret_ns);
    }
    return content;
}

static int make_content(struct job *job, struct kst_err **err)
{
    kst_auto_json struct kst_json *volume = NULL, *content = NULL;
    int rc = protect_claim(job, err);
    if (rc == KST_E_CONFLICT) /* a busy claim is no failure of the snapshot */
        return rc;
    if (rc == 0 && get_volume(job, &volume, err) < 0) {
        kst_auto_free char *why = kst_csi_quoted(kst_err_message(*err));
        kst_err_clear(err);
        rc = kst_err_set(err, KST_E_FAILED,
                         "failed to get input parameters to create snapshot %s: %s", job->name,
                         why);
    }
    if (rc == 0) {
        content = new_content(job, volume);
        rc = kst_kube_create(job->csi->kube, &kst_res_snapshot_contents, NULL, content, false,
                             &job->content, err);
    }
    if (rc == 0) {
        kst_auto_free char *text = kst_asprintf(
            "Waiting for a snapshot %s/%s to be created by the CSI driver.", job->ns, job->name);
        kst_event_emit(job->csi->kube, job->snapshot, KST_EVENT_NORMAL, "CreatingSnapshot", text);
        return 0;
    }
    prefix_error(err, "Failed to create snapshot content with error");
    return tell_error(job, true, "SnapshotContentCreationFailed", err);
}

/* A content that somebody made by hand gets our uid, and our class. */
static int bind_given(struct job *job, struct kst_err **err)
{
    const char *uid = kst_json_path_str(job->content, "spec.volumeSnapshotRef.uid");
    const char *class = field(job, "spec.volumeSnapshotClassName");
    bool has_class = kst_json_path_str(job->content, "spec.volumeSnapshotClassName") != NULL;
    if (uid && *uid && (has_class || !class))
        return 0;
    kst_auto_json struct kst_json *patch = kst_json_make(
        "{'spec':{'volumeSnapshotRef':{'uid':%s}}}", field(job, "metadata.uid"));
    if (class)
        kst_json_set_str(kst_json_mut(patch, "spec"), "volumeSnapshotClassName", class);
    struct kst_json *fresh = NULL;
    int rc = kst_kube_patch(job->csi->kube, &kst_res_snapshot_contents, NULL,
                            kst_json_path_str(job->content, "metadata.name"), NULL, KST_PATCH_MERGE,
                            patch, &fresh, err);
    if (rc < 0)
        return rc;
    kst_json_free(job->content);
    job->content = fresh;
    return 0;
}

static int protect_content(struct job *job, struct kst_err **err)
{
    if (kst_json_path_str(job->content, "metadata.deletionTimestamp"))
        return 0;
    return kst_csi_set_finalizer(job->csi, &kst_res_snapshot_contents, job->content,
                                 KST_CSI_CONTENT_BOUND, true, NULL, err);
}

/* ---- The status ---- */

/* What the driver has said so far. An error goes when the content's has gone, and that is when the
 * snapshot is ready: one that was cut at the second try has both a creationTime and an error. */
static struct kst_json *status_of(const struct job *job)
{
    const struct kst_json *content = job->content;
    struct kst_json *status = kst_json_make("{'boundVolumeSnapshotContentName':%s,'readyToUse':%b}",
                                            kst_json_path_str(content, "metadata.name"),
                                            kst_json_path_true(content, "status.readyToUse"));
    int64_t created_ns = kst_json_path_int(content, "status.creationTime", 0);
    int64_t size = kst_json_path_int(content, "status.restoreSize", -1);
    if (created_ns && !field(job, "status.creationTime")) {
        char created[KST_TIME_TEXT];
        kst_time_format(created_ns / 1000000, created);
        kst_json_set_str(status, "creationTime", created);
    }
    if (size >= 0 && !field(job, "status.restoreSize")) {
        kst_auto_free char *text = kst_storage_format_size(size);
        kst_json_set_str(status, "restoreSize", text);
    }
    const struct kst_json *error = kst_json_path(content, "status.error");
    if (kst_json_get(error, "message"))
        kst_json_set(status, "error", kst_json_dup(error));
    else if (kst_json_path(job->snapshot, "status.error"))
        kst_json_set(status, "error", kst_json_null());
    return status;
}

static bool is_told(const struct kst_json *was, const struct kst_json *status)
{
    for (const struct kst_json *row = kst_json_first(status); row; row = kst_json_next(row)) {
        if (!kst_json_equal(kst_json_get(was, kst_json_key(row)), row))
            return false;
    }
    return true;
}

/* The name of the group that the cut is part of, by the group's content, which must be there. */
static int tell_group(struct job *job, struct kst_json *status, struct kst_err **err)
{
    const char *handle = kst_json_path_str(job->content, "status.volumeGroupSnapshotHandle");
    kst_auto_json struct kst_json *all = NULL;
    if (!handle)
        return 0;
    int rc = kst_kube_list(job->csi->kube, job->csi->group_contents_resource, NULL, NULL, &all,
                           NULL, err);
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        if (!is(kst_json_path_str(row, "status.volumeGroupSnapshotHandle"), handle))
            continue;
        kst_json_set_str(status, "volumeGroupSnapshotName",
                         kst_json_path_str(row, "spec.volumeGroupSnapshotRef.name"));
        return 0;
    }
    if (rc < 0)
        return rc;
    kst_err_set(err, KST_E_FAILED,
                "Snapshot status update failed, updateSnapshotStatus: cannot find the group "
                "snapshot for VolumeSnapshot [%s/%s], will not update snapshot status",
                job->ns, job->name);
    return tell_error(job, false, "SnapshotStatusUpdateFailed", err);
}

static int copy_status(struct job *job, struct kst_err **err)
{
    const struct kst_json *was = kst_json_get(job->snapshot, "status");
    kst_auto_json struct kst_json *status = status_of(job);
    int found = tell_group(job, status, err);
    if (found < 0)
        return found;
    if (is_told(was, status))
        return 0;
    bool cut = kst_json_get(status, "creationTime") != NULL;
    bool ready = kst_json_path_true(status, "readyToUse") && !kst_json_path_true(was, "readyToUse");
    int rc = patch_status(job, status, err);
    if (rc < 0)
        return rc;
    if (cut) {
        kst_auto_free char *text = kst_asprintf(
            "Snapshot %s/%s was successfully created by the CSI driver.", job->ns, job->name);
        kst_event_emit(job->csi->kube, job->snapshot, KST_EVENT_NORMAL, "SnapshotCreated", text);
    }
    if (ready) {
        kst_auto_free char *text = kst_asprintf("Snapshot %s/%s is ready to use.", job->ns,
                                                job->name);
        kst_event_emit(job->csi->kube, job->snapshot, KST_EVENT_NORMAL, "SnapshotReady", text);
    }
    return 0;
}

/* The claim is free again once no VolumeSnapshot of it waits to be ready. */
static int free_claim(struct job *job, bool being_deleted, struct kst_err **err)
{
    kst_auto_json struct kst_json *all = NULL;
    int rc = get_claim(job, err);
    if (rc < 0 || !kst_csi_has_finalizer(job->claim, PVC))
        return rc;
    rc = kst_kube_list(job->csi->kube, &kst_res_snapshots, job->ns, NULL, &all, NULL, err);
    if (rc < 0)
        return rc;
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        if (being_deleted && is(kst_json_path_str(row, "metadata.name"), job->name))
            continue;
        if (is(kst_json_path_str(row, "spec.source.persistentVolumeClaimName"), claim_name(job)) &&
            !kst_json_path_true(row, "status.readyToUse"))
            return 0;
    }
    return set_claim_finalizer(job, false, err);
}

/* ---- The end ---- */

int kst_csi_is_being_restored(struct kst_csi *csi, const char *ns, const char *snapshot,
                              bool *answer, struct kst_err **err)
{
    kst_auto_json struct kst_json *all = NULL;
    int rc = kst_kube_list(csi->kube, &kst_res_pvcs, ns, NULL, &all, NULL, err);
    *answer = false;
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        if (is(kst_json_path_str(row, "spec.dataSource.kind"), "VolumeSnapshot") &&
            is(kst_json_path_str(row, "spec.dataSource.name"), snapshot) &&
            is(kst_json_path_str(row, "status.phase"), "Pending"))
            *answer = true;
    }
    return rc;
}

/* Whether its group is there yet, which takes its members with it. */
static int is_in_group(struct job *job, bool *answer, struct kst_err **err)
{
    const char *name = field(job, "status.volumeGroupSnapshotName");
    kst_auto_json struct kst_json *group = NULL;
    int rc = name ? kst_csi_find_object(job->csi, job->csi->group_resource, job->ns, name, &group,
                                        err)
                  : 0;
    *answer = group != NULL;
    if (!group)
        return rc;
    kst_auto_free char *text = kst_asprintf(
        "deletion of the individual volume snapshot %s/%s is not allowed as it belongs to group "
        "snapshot %s/%s. Deleting the group snapshot will trigger the deletion of all the "
        "individual volume snapshots that are part of the group.",
        job->ns, job->name, job->ns, name);
    kst_event_emit(job->csi->kube, job->snapshot, KST_EVENT_WARNING, "SnapshotDeletePending", text);
    return 0;
}

static int mark_ending(struct kst_csi *csi, const struct kst_json *content, struct kst_err **err)
{
    if (kst_csi_annotation(content, KST_CSI_BEING_DELETED))
        return 0;
    kst_auto_json struct kst_json *patch = kst_json_make("{'metadata':{'annotations':{%s:'yes'}}}",
                                                         KST_CSI_BEING_DELETED);
    return kst_kube_patch(csi->kube, &kst_res_snapshot_contents, NULL,
                          kst_json_path_str(content, "metadata.name"), NULL, KST_PATCH_MERGE, patch,
                          NULL, err);
}

/* Lets the sidecar remove the content, or tells it that the snapshot went without it. */
static int release_content(struct job *job, bool delete, struct kst_err **err)
{
    const char *name = kst_json_path_str(job->content, "metadata.name");
    int rc = mark_ending(job->csi, job->content, err);
    if (rc == 0 && delete &&!kst_json_path_str(job->content, "metadata.deletionTimestamp"))
        rc = kst_kube_delete(job->csi->kube, &kst_res_snapshot_contents, NULL, name, NULL, err);
    return rc;
}

static bool is_held(const struct kst_json *snapshot)
{
    return kst_csi_has_finalizer(snapshot, KST_CSI_AS_SOURCE) ||
           kst_csi_has_finalizer(snapshot, KST_CSI_BOUND) ||
           kst_csi_has_finalizer(snapshot, KST_CSI_IN_GROUP);
}

/* The content that is bound to it, in both directions. */
static int find_bound(struct job *job, struct kst_err **err)
{
    const char *bound = field(job, "status.boundVolumeSnapshotContentName");
    kst_auto_free char *usual = kst_asprintf("snapcontent-%s", field(job, "metadata.uid"));
    if (!bound && claim_name(job))
        bound = usual;
    int rc = bound ? kst_csi_find_object(job->csi, &kst_res_snapshot_contents, NULL, bound,
                                         &job->content, err)
                   : 0;
    if (rc == 0 && !is(kst_json_path_str(job->content, "spec.volumeSnapshotRef.uid"),
                       field(job, "metadata.uid")))
        kst_json_free(kst_take(job->content));
    return rc;
}

/* The VolumeSnapshot has them afterwards, or has them not. */
static int set_finalizers(struct job *job, const char *const *finalizers, size_t count, bool there,
                          struct kst_err **err)
{
    for (size_t i = 0; i < count; i++) {
        struct kst_json *fresh = NULL;
        int rc = kst_csi_set_finalizer(job->csi, &kst_res_snapshots, job->snapshot, finalizers[i],
                                       there, &fresh, err);
        if (rc < 0)
            return rc;
        if (fresh) {
            kst_json_free(job->snapshot);
            job->snapshot = fresh;
        }
    }
    return 0;
}

/* What holds the VolumeSnapshot back, but for a content that goes: its end wakes us. */
static int let_go(struct job *job, bool content_goes, struct kst_err **err)
{
    static const char *const finalizers[] = {KST_CSI_AS_SOURCE, KST_CSI_IN_GROUP, KST_CSI_BOUND};
    return set_finalizers(job, finalizers, KST_ARRAY_LEN(finalizers) - content_goes, false, err);
}

static int remove_snapshot(struct job *job, int64_t *again_ms, struct kst_err **err)
{
    if (!is_held(job->snapshot)) /* nor is it ours any more */
        return 0;
    bool busy = false, member = false;
    int rc = find_bound(job, err);
    if (rc == 0 && job->content)
        rc = kst_csi_is_being_restored(job->csi, job->ns, job->name, &busy, err);
    if (rc == 0 && busy)
        kst_event_emit(job->csi->kube, job->snapshot, KST_EVENT_WARNING, "SnapshotDeletePending",
                       "Snapshot is being used to restore a PVC");
    if (rc == 0 && !busy)
        rc = is_in_group(job, &member, err);
    if (rc < 0)
        return rc;
    if (busy || member) {
        *again_ms = KST_CSI_LOOK_AGAIN_MS;
        return 0;
    }
    bool delete = is(kst_json_path_str(job->content, "spec.deletionPolicy"), "Delete");
    if (job->content)
        rc = kst_csi_forget_not_found(release_content(job, delete, err), err);
    if (rc == 0)
        rc = let_go(job, job->content && delete, err);
    return kst_csi_forget_not_found(rc, err);
}

/* ---- Contents ---- */

int kst_csi_keep_content(struct kst_csi *csi, const struct kst_json *content,
                         const struct kst_json *snapshot, struct kst_err **err)
{
    const char *uid = kst_json_path_str(content, "spec.volumeSnapshotRef.uid");
    if (!uid || !*uid)
        return 0;
    if (is(kst_json_path_str(snapshot, "metadata.uid"), uid))
        return kst_json_path_str(snapshot, "metadata.deletionTimestamp") && is_held(snapshot)
                   ? mark_ending(csi, content, err)
                   : 0;
    if (kst_json_path_str(content, "metadata.deletionTimestamp"))
        return 0;
    return kst_csi_set_finalizer(csi, &kst_res_snapshot_contents, content, KST_CSI_CONTENT_BOUND,
                                 true, NULL, err);
}

/* ---- All of it ---- */

static int add_finalizers(struct job *job, struct kst_err **err)
{
    static const char *const finalizers[] = {KST_CSI_AS_SOURCE, KST_CSI_BOUND};
    bool bound = is(kst_json_path_str(job->content, "spec.deletionPolicy"), "Delete");
    return set_finalizers(job, finalizers, bound ? 2 : 1, true, err);
}

static int bind(struct job *job, struct kst_err **err)
{
    const char *given = field(job, "spec.source.volumeSnapshotContentName");
    bool ready = kst_json_path_true(job->snapshot, "status.readyToUse") &&
                 field(job, "status.boundVolumeSnapshotContentName");
    if (!job->content && (ready || given)) {
        kst_err_set(err, KST_E_NOT_FOUND, "VolumeSnapshotContent is missing");
        return tell_error(job, true, "SnapshotContentMissing", err);
    }
    int rc = 0;
    if (!job->content)
        rc = make_content(job, err);
    else if (given)
        rc = bind_given(job, err);
    if (rc == 0)
        rc = protect_content(job, err);
    return rc < 0 ? rc : copy_status(job, err);
}

static int work_on(struct job *job, int64_t *again_ms, struct kst_err **err)
{
    bool being_deleted = field(job, "metadata.deletionTimestamp") != NULL;
    int rc = check_class(job, err);
    if (rc < 0) {
        bool named = field(job, "spec.volumeSnapshotClassName") != NULL;
        if (!being_deleted || rc != KST_E_NOT_FOUND)
            return tell_error(job, false,
                              named ? "GetSnapshotClassFailed" : "SetDefaultSnapshotClassFailed",
                              err);
        kst_err_clear(err);
    }
    rc = free_claim(job, being_deleted, err);
    if (rc < 0)
        return rc;
    if (being_deleted)
        return remove_snapshot(job, again_ms, err);
    rc = find_content(job, err);
    if (rc == 0)
        rc = add_finalizers(job, err);
    return rc < 0 ? rc : bind(job, err);
}

int kst_csi_reconcile_snapshot(struct kst_csi *csi, const char *ns, const char *name,
                               int64_t *again_ms, struct kst_err **err)
{
    struct job job = {.csi = csi, .ns = ns, .name = name};
    int rc = kst_csi_find_object(job.csi, &kst_res_snapshots, ns, name, &job.snapshot, err);
    if (rc < 0 || !job.snapshot)
        return rc;
    if (kst_csi_group_of(job.snapshot)) { /* csi_group.c makes it */
        if (field(&job, "metadata.deletionTimestamp"))
            rc = remove_snapshot(&job, again_ms, err);
        kst_json_free(job.snapshot);
        kst_json_free(job.content);
        return rc;
    }
    kst_auto_json struct kst_json *faults = kst_csi_faults(job.csi);
    if (kst_storage_fault(faults, ns, claim_name(&job), "noController"))
        *again_ms = KST_CSI_LOOK_AGAIN_MS;
    else
        rc = work_on(&job, again_ms, err);
    kst_json_free(job.snapshot);
    kst_json_free(job.content);
    kst_json_free(job.class);
    kst_json_free(job.claim);
    return rc;
}
