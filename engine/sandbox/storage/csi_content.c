/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csi-snapshotter and the driver behind it: cuts the volume of a VolumeSnapshotContent, says when,
 * and removes the cut with the content.
 * https://github.com/kubernetes-csi/external-snapshotter/blob/master/pkg/sidecar-controller
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/event.h"
#include "kube/resource.h"
#include "loop/fiber.h"
#include "sandbox/storage/csi_internal.h"
#include "sandbox/storage/storage.h"

/* A content at work. */
struct cut {
    struct kst_csi *csi;
    const struct kst_json *content, *faults;
    const char *name;
    const char *ns, *snapshot; /* of the VolumeSnapshot */
    const char *claim;         /* its claim, for faults and the log */
    char *path;
};

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int patch(struct cut *cut, bool status, const struct kst_json *body, struct kst_err **err)
{
    return kst_kube_patch(cut->csi->kube, &kst_res_snapshot_contents, NULL, cut->name,
                          status ? "status" : NULL, KST_PATCH_MERGE, body, NULL, err);
}

static const char *fault(const struct cut *cut, const char *key)
{
    return kst_storage_fault(cut->faults, cut->ns, cut->claim, key);
}

static int64_t fault_ms(const struct cut *cut, const char *key)
{
    return kst_storage_fault_ms(cut->faults, cut->ns, cut->claim, key);
}

static int mark_creating(struct cut *cut, bool creating, struct kst_err **err)
{
    kst_auto_json struct kst_json *body = kst_json_make(
        "{'metadata':{'annotations':{%s:%s}}}", KST_CSI_BEING_CREATED, creating ? "yes" : NULL);
    return patch(cut, false, body, err);
}

/* Tells what went wrong, as the sidecar words it at the first try and at others, and fails. */
static int refuse(struct cut *cut, const char *why, struct kst_err **err)
{
    bool first = kst_json_path_str(cut->content, "spec.source.volumeHandle") &&
                 !kst_json_path(cut->content, "status");
    kst_auto_free char *message = kst_asprintf(
        "%s: %s",
        first ? "Failed to create snapshot" : "Failed to check and update snapshot content", why);
    int rc = 0;
    if (!is(kst_json_path_str(cut->content, "status.error.message"), message)) {
        char now[KST_TIME_TEXT];
        kst_time_format(kst_wall_ms(), now);
        kst_auto_json struct kst_json *body = kst_json_make(
            "{'status':{'readyToUse':false,'error':{'message':%s,'time':%s}}}", message, now);
        rc = patch(cut, true, body, err);
        kst_event_emit(cut->csi->kube, cut->content, KST_EVENT_WARNING,
                       first ? "SnapshotCreationFailed" : "SnapshotContentCheckandUpdateFailed",
                       message);
    }
    return rc < 0 ? rc : kst_err_set(err, KST_E_FAILED, "%s", message);
}

/* The secret that the class names; the real sidecar tells only its own log which one it is. */
static int check_secret(struct cut *cut, struct kst_err **err)
{
    const char *name = kst_csi_annotation(cut->content, KST_CSI_SECRET_NAME);
    const char *ns = kst_csi_annotation(cut->content, KST_CSI_SECRET_NAMESPACE);
    kst_auto_json struct kst_json *secret = NULL;
    bool missing = fault(cut, "secretMissing") != NULL;
    int rc = name && ns ? kst_csi_find_object(cut->csi, &kst_res_secrets, ns, name, &secret, err)
                        : 0;
    if (rc < 0 || (!missing && (secret || !name || !ns)))
        return rc;
    kst_auto_free char *inner = kst_asprintf("cannot get credentials for snapshot content \"%s\"",
                                             cut->name);
    kst_auto_free char *quote = kst_csi_quoted(inner);
    kst_auto_free char *why = kst_asprintf(
        "failed to get input parameters to create snapshot for content %s: %s", cut->name, quote);
    return refuse(cut, why, err);
}

/* What the driver answers: an error that is final, so the attempt is over. */
static int driver_error(struct cut *cut, const char *text, struct kst_err **err)
{
    kst_auto_free char *inner = kst_asprintf("rpc error: code = Internal desc = %s", text);
    kst_auto_free char *quote = kst_csi_quoted(inner);
    kst_auto_free char *why = kst_asprintf(
        "failed to take snapshot of the volume %s: %s",
        kst_json_path_str(cut->content, "spec.source.volumeHandle"), quote);
    int rc = mark_creating(cut, false, err);
    return rc < 0 ? rc : refuse(cut, why, err);
}

static int check_faults(struct cut *cut, struct kst_err **err)
{
    const char *text = fault(cut, "errorForever");
    if (!text && !kst_json_path(cut->content, "status"))
        text = fault(cut, "errorOnce");
    return text ? driver_error(cut, text, err) : 0;
}

/* ---- The cut ---- */

/* When the cut was made, and how large its volume is: kept beside it, for a try whose answer did
 * not reach the API server, and for contents that are made by hand. */
struct note {
    int64_t created_ns, size;
    char *group; /* the handle of the group that the cut is part of; NULL for none */
};

static bool read_note(const struct cut *cut, struct note *note)
{
    kst_auto_free char *file = kst_asprintf("%s.note", cut->path);
    kst_auto_buf text = KST_BUF_INIT(256);
    kst_auto_json struct kst_json *json = NULL;
    if (kst_buf_read_file(&text, file, NULL) < 0 ||
        kst_json_parse(text.data, text.len, &json, NULL) < 0)
        return false;
    note->created_ns = kst_json_path_int(json, "createdNs", 0);
    note->size = kst_json_path_int(json, "bytes", 0);
    free(note->group);
    note->group = kst_strdup(kst_json_path_str(json, "group"));
    return note->created_ns > 0;
}

static int write_line(const char *file, const char *mode, const char *line, struct kst_err **err)
{
    FILE *out = fopen(file, mode);
    bool good = out && fputs(line, out) >= 0;
    if (out && fclose(out) != 0)
        good = false;
    return good ? 0 : kst_err_set(err, KST_E_IO, "%s: cannot be written", file);
}

int kst_csi_write_note(const char *cut, int64_t created_ns, int64_t bytes, const char *group,
                       struct kst_err **err)
{
    kst_auto_json struct kst_json *note = kst_json_make("{'createdNs':%L,'bytes':%L,'group':%s}",
                                                        created_ns, bytes, group);
    kst_auto_free char *file = kst_asprintf("%s.note", cut), *text = kst_json_text(note);
    return write_line(file, "we", text, err);
}

static int write_notes(const struct cut *cut, const struct note *note, int64_t started,
                       struct kst_err **err)
{
    kst_auto_free char *line = kst_asprintf("%lld %lld %lld %s/%s %s %s\n", (long long)started,
                                            (long long)now_ns(CLOCK_MONOTONIC),
                                            (long long)note->created_ns, cut->ns, cut->snapshot,
                                            cut->claim ? cut->claim : "-", cut->name);
    int rc = kst_csi_write_note(cut->path, note->created_ns, note->size, NULL, err);
    return rc < 0 || !cut->csi->log ? rc : write_line(cut->csi->log, "ae", line, err);
}

static int size_of(struct cut *cut, int64_t *size, struct kst_err **err)
{
    kst_auto_json struct kst_json *pv = NULL;
    int rc = kst_csi_find_object(cut->csi, &kst_res_pvs, NULL,
                                 kst_json_path_str(cut->content, "spec.source.volumeHandle"), &pv,
                                 err);
    kst_parse_size(kst_json_path_str(pv, "spec.capacity.storage"), size);
    return rc;
}

static int make_cut(struct cut *cut, struct note *note, struct kst_err **err)
{
    kst_auto_free char *volume = NULL;
    int64_t delay_ms = fault_ms(cut, "cutDelayMs");
    int64_t started = now_ns(CLOCK_MONOTONIC);
    if (read_note(cut, note))
        return 0;
    int rc = kst_storage_path(cut->csi->volumes,
                              kst_json_path_str(cut->content, "spec.source.volumeHandle"), &volume,
                              err);
    if (rc == 0)
        rc = size_of(cut, &note->size, err);
    if (rc == 0 && delay_ms > 0)
        rc = kst_sleep_ms(delay_ms, err);
    if (rc == 0) /* nobody was told of a cut without a note */
        rc = kst_csi_remove(cut->csi, cut->path, err);
    if (rc == 0)
        rc = kst_csi_cut(cut->csi, volume, cut->path, true, err);
    note->created_ns = now_ns(CLOCK_REALTIME);
    return rc < 0 ? rc : write_notes(cut, note, started, err);
}

/* An error stays until the snapshot is ready, as the real sidecar leaves it. */
static int tell_cut(struct cut *cut, const char *handle, const struct note *note, bool ready,
                    struct kst_err **err)
{
    kst_auto_json struct kst_json *body = kst_json_make(
        "{'status':{'snapshotHandle':%s,'creationTime':%L,'readyToUse':%b}}", handle,
        note->created_ns, ready);
    struct kst_json *status = kst_json_mut(body, "status");
    if (note->size > 0)
        kst_json_set_int(status, "restoreSize", note->size);
    kst_json_set_str(status, "volumeGroupSnapshotHandle", note->group);
    if (ready)
        kst_json_set(status, "error", kst_json_null());
    return patch(cut, true, body, err);
}

static int create(struct cut *cut, struct kst_err **err)
{
    struct note note = {0};
    int rc = check_secret(cut, err);
    if (rc == 0)
        rc = mark_creating(cut, true, err);
    if (rc == 0)
        rc = check_faults(cut, err);
    if (rc < 0)
        return rc;
    kst_auto_err struct kst_err *cause = NULL;
    rc = make_cut(cut, &note, &cause);
    free(kst_take(note.group));
    if (rc < 0)
        return driver_error(cut, kst_err_message(cause), err);
    bool ready = fault_ms(cut, "readyDelayMs") == 0 && !fault(cut, "neverReady");
    rc = tell_cut(cut, strrchr(cut->path, '/') + 1, &note, ready, err);
    return rc < 0 ? rc : mark_creating(cut, false, err);
}

/* A cut that is being uploaded, so to speak. */
static int make_ready(struct cut *cut, int64_t *again_ms, struct kst_err **err)
{
    if (fault(cut, "neverReady")) {
        *again_ms = KST_CSI_LOOK_AGAIN_MS;
        return 0;
    }
    int64_t created_ns = kst_json_path_int(cut->content, "status.creationTime", 0);
    int64_t left_ms = created_ns / 1000000 + fault_ms(cut, "readyDelayMs") - kst_wall_ms();
    if (left_ms > 0) {
        *again_ms = left_ms < KST_CSI_LOOK_AGAIN_MS ? left_ms + 1 : KST_CSI_LOOK_AGAIN_MS;
        return 0;
    }
    kst_auto_json struct kst_json *body = kst_json_make(
        "{'status':{'readyToUse':true,'error':null}}");
    return patch(cut, true, body, err);
}

/* The class of a content made by hand has the secrets for looking at the cut, so it must be there,
 * if one is named. */
static int check_class(struct cut *cut, struct kst_err **err)
{
    const char *name = kst_json_path_str(cut->content, "spec.volumeSnapshotClassName");
    kst_auto_json struct kst_json *class = NULL;
    int rc = name
                 ? kst_csi_find_object(cut->csi, &kst_res_snapshot_classes, NULL, name, &class, err)
                 : 0;
    if (rc < 0 || !name || class)
        return rc;
    kst_auto_free char *why = kst_asprintf(
        "failed to get snapshot class %s for snapshot content %s: volumesnapshotclass.snapshot."
        "storage.k8s.io \"%s\" not found",
        name, cut->name, name);
    return refuse(cut, why, err);
}

/* A content made by hand for a cut that is there. */
static int adopt(struct cut *cut, const char *handle, struct kst_err **err)
{
    struct note note = {0};
    int rc = check_class(cut, err);
    if (rc < 0)
        return rc;
    bool found = read_note(cut, &note);
    if (found)
        rc = tell_cut(cut, handle, &note, true, err);
    free(note.group);
    if (found)
        return rc;
    kst_auto_free char *inner = kst_asprintf("can not find snapshot for snapshotID %s", handle);
    kst_auto_free char *quote = kst_csi_quoted(inner);
    kst_auto_free char *why = kst_asprintf("failed to list snapshot for content %s: %s", cut->name,
                                           quote);
    return refuse(cut, why, err);
}

/* ---- The end ---- */

/* A content whose VolumeSnapshot was not deleted through the controller stays, and so does one that
 * the driver is busy with. */
static bool should_remove(const struct cut *cut)
{
    const char *uid = kst_json_path_str(cut->content, "spec.volumeSnapshotRef.uid");
    if (!kst_json_path_str(cut->content, "metadata.deletionTimestamp"))
        return false;
    if (kst_json_path_str(cut->content, "spec.source.snapshotHandle") && (!uid || !*uid))
        return true;
    return !kst_csi_annotation(cut->content, KST_CSI_BEING_CREATED) &&
           kst_csi_annotation(cut->content, KST_CSI_BEING_DELETED);
}

int kst_csi_remove_cut(struct kst_csi *csi, const char *handle, struct kst_err **err)
{
    kst_auto_free char *path = NULL, *file = NULL;
    if (kst_storage_path(csi->volumes, handle, &path, NULL) < 0)
        return 0;
    file = kst_asprintf("%s.note", path);
    int rc = kst_csi_remove(csi, path, err);
    if (rc == 0)
        unlink(file);
    return rc;
}

/* One of a group, which the driver removes with the group. */
static bool is_member(const struct cut *cut)
{
    return kst_csi_annotation(cut->content, KST_CSI_GROUP_HANDLE) ||
           kst_json_path_str(cut->content, "status.volumeGroupSnapshotHandle");
}

static int remove_cut(struct cut *cut, struct kst_err **err)
{
    const char *handle = kst_json_path_str(cut->content, "status.snapshotHandle");
    int rc = 0;
    if (is(kst_json_path_str(cut->content, "spec.deletionPolicy"), "Delete") && handle &&
        !is_member(cut)) {
        kst_auto_json struct kst_json *body = kst_json_make(
            "{'status':{'snapshotHandle':null,'readyToUse':null,'creationTime':null,"
            "'restoreSize':null}}");
        rc = kst_csi_remove_cut(cut->csi, handle, err);
        if (rc == 0)
            rc = patch(cut, true, body, err);
    }
    kst_auto_json struct kst_json *now = NULL;
    if (rc == 0)
        rc = kst_csi_find_object(cut->csi, &kst_res_snapshot_contents, NULL, cut->name, &now, err);
    if (rc == 0 && now)
        rc = kst_csi_set_finalizer(cut->csi, &kst_res_snapshot_contents, now, KST_CSI_CONTENT_BOUND,
                                   false, NULL, err);
    return kst_csi_forget_not_found(rc, err);
}

static int work_on(struct cut *cut, int64_t *again_ms, struct kst_err **err)
{
    const char *given = kst_json_path_str(cut->content, "spec.source.snapshotHandle");
    const char *handle = kst_json_path_str(cut->content, "status.snapshotHandle");
    const char *uid = kst_json_path_str(cut->content, "spec.volumeSnapshotRef.uid");
    kst_auto_free char *usual = kst_asprintf("snapshot-%s", uid ? uid : "");
    if (fault(cut, "noSidecar")) {
        *again_ms = KST_CSI_LOOK_AGAIN_MS;
        return 0;
    }
    int rc = kst_storage_path(cut->csi->volumes,
                              given    ? given
                              : handle ? handle
                                       : usual,
                              &cut->path, err);
    if (rc < 0 && !should_remove(cut)) {
        kst_auto_free char *why = kst_strdup(kst_err_message(*err));
        kst_err_clear(err);
        return refuse(cut, why, err);
    }
    kst_err_clear(err);
    if (should_remove(cut))
        return remove_cut(cut, err);
    if (kst_csi_annotation(cut->content, KST_CSI_GROUP_HANDLE))
        return 0; /* csi_group.c has it all */
    if (!handle)
        return given ? adopt(cut, given, err) : create(cut, err);
    if (!kst_json_path_true(cut->content, "status.readyToUse"))
        return make_ready(cut, again_ms, err);
    return kst_csi_annotation(cut->content, KST_CSI_BEING_CREATED) ? mark_creating(cut, false, err)
                                                                   : 0;
}

int kst_csi_reconcile_content(struct kst_csi *csi, const char *ns, const char *name,
                              int64_t *again_ms, struct kst_err **err)
{
    kst_auto_json struct kst_json *content = NULL, *snapshot = NULL, *faults = kst_csi_faults(csi);
    int rc = kst_csi_find_object(csi, &kst_res_snapshot_contents, NULL, name, &content, err);
    if (rc < 0 || !is(kst_json_path_str(content, "spec.driver"), KST_CSI_DRIVER))
        return rc;
    struct cut cut = {
        .csi = csi,
        .content = content,
        .faults = faults,
        .name = name,
        .ns = kst_json_path_str(content, "spec.volumeSnapshotRef.namespace"),
        .snapshot = kst_json_path_str(content, "spec.volumeSnapshotRef.name"),
    };
    rc = kst_csi_find_object(csi, &kst_res_snapshots, cut.ns, cut.snapshot, &snapshot, err);
    cut.claim = kst_json_path_str(snapshot, "spec.source.persistentVolumeClaimName");
    if (rc == 0 && !fault(&cut, "noController"))
        rc = kst_csi_keep_content(csi, content, snapshot, err);
    if (rc == 0)
        rc = work_on(&cut, again_ms, err);
    rc = kst_csi_forget_not_found(rc, err);
    free(cut.path);
    kst_csi_controller_poke(csi->snapshots, cut.ns, cut.snapshot);
    return rc;
}
