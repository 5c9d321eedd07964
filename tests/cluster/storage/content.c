/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csi-snapshotter and the driver behind it: cuts the volume of a VolumeSnapshotContent, says when,
 * and removes the cut with the content.
 * https://github.com/kubernetes-csi/external-snapshotter/blob/master/pkg/sidecar-controller
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "dircsi.h"
#include "kube/client.h"
#include "kube/event.h"
#include "kube/resource.h"
#include "loop/fiber.h"
#include "sandbox/storage.h"

#define CREATING SNAPSHOTS "volumesnapshot-being-created"
#define DELETING SNAPSHOTS "volumesnapshot-being-deleted"

enum { LOOK_AGAIN_MS = 500 };

/* A content at work. */
struct cut {
    struct kst_kube *kube;
    const struct kst_json *content;
    const char *name;
    const char *ns, *snapshot; /* of the VolumeSnapshot */
    char *claim;               /* its claim, for faults and the log */
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
    return kst_kube_patch(cut->kube, &kst_res_snapshot_contents, NULL, cut->name,
                          status ? "status" : NULL, KST_PATCH_MERGE, body, NULL, err);
}

static int mark_creating(struct cut *cut, bool creating, struct kst_err **err)
{
    kst_auto_json struct kst_json *body = kst_json_make("{'metadata':{'annotations':{%s:%s}}}",
                                                        CREATING, creating ? "yes" : NULL);
    return patch(cut, false, body, err);
}

/* Tells what the driver said, as the sidecar words it, and fails. */
static int refuse(struct cut *cut, const char *message, struct kst_err **err)
{
    char now[KST_TIME_TEXT];
    kst_time_format(kst_wall_ms(), now);
    kst_auto_json struct kst_json *body = kst_json_make(
        "{'status':{'readyToUse':false,'error':{'message':%s,'time':%s}}}", message, now);
    int rc = patch(cut, true, body, err);
    if (rc == 0)
        rc = mark_creating(cut, false, err);
    kst_event_emit(cut->kube, cut->content, KST_EVENT_WARNING, "SnapshotCreationFailed", message);
    return rc < 0 ? rc : kst_err_set(err, KST_E_FAILED, "%s", message);
}

/* The failures that are asked for; 0 where none is. */
static int check_faults(struct cut *cut, struct kst_err **err)
{
    const char *volume = kst_json_path_str(cut->content, "spec.source.volumeHandle");
    if (fault_is_set(cut->kube, cut->ns, cut->claim, "secretMissing")) {
        kst_auto_free char *text = kst_asprintf(
            "Failed to check and update snapshot content: failed to get input parameters to create "
            "snapshot for content %s: \"error getting secret snapshotter-secret in namespace "
            "kube-system: secrets \\\"snapshotter-secret\\\" not found\"",
            cut->name);
        return refuse(cut, text, err);
    }
    kst_auto_free char *text = fault_text(cut->kube, cut->ns, cut->claim, "errorForever");
    bool failed_before = kst_json_path_str(cut->content, "status.error.message") != NULL;
    if (!text && !failed_before)
        text = fault_text(cut->kube, cut->ns, cut->claim, "errorOnce");
    if (!text)
        return 0;
    kst_auto_free char *message = kst_asprintf(
        "Failed to check and update snapshot content: failed to take snapshot of the volume %s: "
        "\"rpc error: code = Internal desc = %s\"",
        volume, text);
    return refuse(cut, message, err);
}

/* When the cut was made: kept beside it, for a try whose answer did not reach the API server. */
static int64_t cut_time(const char *path)
{
    kst_auto_free char *file = kst_asprintf("%s.time", path);
    kst_auto_buf text = KST_BUF_INIT(64);
    long long ns = 0;
    if (kst_buf_read_file(&text, file, NULL) < 0 || !kst_parse_int(text.data, &ns))
        return 0;
    return ns;
}

static int log_cut(const struct cut *cut, int64_t started, int64_t ended, int64_t wall)
{
    kst_auto_free char *file = kst_asprintf("%s.time", cut->path);
    FILE *time_file = fopen(file, "we");
    FILE *log = fopen(dircsi.cuts, "ae");
    if (time_file)
        fprintf(time_file, "%lld", (long long)wall);
    if (log)
        fprintf(log, "%lld %lld %lld %s/%s %s %s\n", (long long)started, (long long)ended,
                (long long)wall, cut->ns, cut->snapshot, cut->claim ? cut->claim : "-", cut->name);
    if (time_file)
        fclose(time_file);
    if (log)
        fclose(log);
    return 0;
}

static int make_cut(struct cut *cut, int64_t *created_ns, struct kst_err **err)
{
    const char *handle = kst_json_path_str(cut->content, "spec.source.volumeHandle");
    kst_auto_free char *volume = path_of(handle);
    int64_t delay_ms = fault_ms(cut->kube, cut->ns, cut->claim, "cutDelayMs");
    int64_t started = now_ns(CLOCK_MONOTONIC);
    *created_ns = cut_time(cut->path);
    if (*created_ns)
        return 0;
    int rc = delay_ms > 0 ? kst_sleep_ms(delay_ms, err) : 0;
    if (rc == 0)
        rc = cut_volume(volume, cut->path, true, err);
    *created_ns = now_ns(CLOCK_REALTIME);
    return rc < 0 ? rc : log_cut(cut, started, now_ns(CLOCK_MONOTONIC), *created_ns);
}

static int64_t size_of(struct cut *cut)
{
    kst_auto_json struct kst_json *pv = NULL;
    int64_t size = 0;
    kst_kube_get(cut->kube, &kst_res_pvs, NULL,
                 kst_json_path_str(cut->content, "spec.source.volumeHandle"), &pv, NULL);
    kst_storage_parse_size(kst_json_path_str(pv, "spec.capacity.storage"), &size);
    return size;
}

static int create(struct cut *cut, struct kst_err **err)
{
    int64_t created_ns = 0;
    int rc = mark_creating(cut, true, err);
    if (rc == 0)
        rc = check_faults(cut, err);
    if (rc == 0)
        rc = make_cut(cut, &created_ns, err);
    if (rc < 0)
        return rc;
    int64_t ready_ms = fault_ms(cut->kube, cut->ns, cut->claim, "readyDelayMs");
    bool never = fault_is_set(cut->kube, cut->ns, cut->claim, "neverReady");
    kst_auto_json struct kst_json *body = kst_json_make(
        "{'status':{'snapshotHandle':%s,'creationTime':%L,'restoreSize':%L,'readyToUse':%b,"
        "'error':null}}",
        strrchr(cut->path, '/') + 1, created_ns, size_of(cut), ready_ms == 0 && !never);
    rc = patch(cut, true, body, err);
    return rc < 0 ? rc : mark_creating(cut, false, err);
}

/* A cut that is being uploaded, so to speak. */
static int make_ready(struct cut *cut, int64_t *again_ms, struct kst_err **err)
{
    if (fault_is_set(cut->kube, cut->ns, cut->claim, "neverReady")) {
        *again_ms = LOOK_AGAIN_MS;
        return 0;
    }
    int64_t created_ns = kst_json_path_int(cut->content, "status.creationTime", 0);
    int64_t ready_ms = created_ns / 1000000 +
                       fault_ms(cut->kube, cut->ns, cut->claim, "readyDelayMs");
    if (kst_wall_ms() < ready_ms) {
        *again_ms = ready_ms - kst_wall_ms() < LOOK_AGAIN_MS ? ready_ms - kst_wall_ms() + 1
                                                             : LOOK_AGAIN_MS;
        return 0;
    }
    kst_auto_json struct kst_json *body = kst_json_make("{'status':{'readyToUse':true}}");
    return patch(cut, true, body, err);
}

/* A content made by hand for a cut that is there. */
static int adopt(struct cut *cut, const char *handle, struct kst_err **err)
{
    int64_t size = 0;
    if (kst_storage_used(cut->path, &size, err) < 0) {
        kst_err_clear(err);
        kst_auto_free char *message = kst_asprintf(
            "Failed to check and update snapshot content: failed to list snapshot for content %s: "
            "\"rpc error: code = NotFound desc = snapshot %s does not exist\"",
            cut->name, handle);
        return refuse(cut, message, err);
    }
    int64_t created_ns = cut_time(cut->path);
    kst_auto_json struct kst_json *body = kst_json_make(
        "{'status':{'snapshotHandle':%s,'creationTime':%L,'restoreSize':%L,'readyToUse':true,"
        "'error':null}}",
        handle, created_ns ? created_ns : now_ns(CLOCK_REALTIME), size);
    return patch(cut, true, body, err);
}

static int remove_cut(struct cut *cut, struct kst_err **err)
{
    const char *policy = kst_json_path_str(cut->content, "spec.deletionPolicy");
    const struct kst_json *notes = kst_json_path(cut->content, "metadata.annotations");
    kst_auto_json struct kst_json *snapshot = NULL;
    struct kst_err *missing = NULL;
    int found = kst_kube_get(cut->kube, &kst_res_snapshots, cut->ns, cut->snapshot, &snapshot,
                             &missing);
    kst_err_free(missing);
    if (found == 0 && !kst_json_get(notes, DELETING))
        return 0; /* bound still: the finalizer stays until its snapshot is deleted */
    if (policy && strcmp(policy, "Delete") == 0 &&
        kst_json_path_str(cut->content, "status.snapshotHandle")) {
        kst_auto_free char *file = kst_asprintf("%s.time", cut->path);
        int rc = kst_storage_remove(cut->path, err);
        if (rc < 0)
            return rc;
        unlink(file);
    }
    kst_auto_json struct kst_json *body = kst_json_make("{'metadata':{'finalizers':null}}");
    int rc = patch(cut, false, body, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        rc = 0;
    }
    controller_poke(dircsi.snapshots, cut->ns, cut->snapshot);
    return rc;
}

static char *claim_of(struct cut *cut)
{
    kst_auto_json struct kst_json *snapshot = NULL;
    kst_kube_get(cut->kube, &kst_res_snapshots, cut->ns, cut->snapshot, &snapshot, NULL);
    return kst_strdup(kst_json_path_str(snapshot, "spec.source.persistentVolumeClaimName"));
}

static int work_on(struct cut *cut, int64_t *again_ms, struct kst_err **err)
{
    const char *given = kst_json_path_str(cut->content, "spec.source.snapshotHandle");
    const char *handle = kst_json_path_str(cut->content, "status.snapshotHandle");
    const char *uid = kst_json_path_str(cut->content, "spec.volumeSnapshotRef.uid");
    const char *known = given ? given : handle;
    kst_auto_free char *usual = kst_asprintf("snapshot-%s", uid ? uid : "");
    cut->path = path_of(known ? known : usual);
    cut->claim = claim_of(cut);
    if (fault_is_set(cut->kube, cut->ns, cut->claim, "noSidecar")) {
        *again_ms = LOOK_AGAIN_MS;
        return 0;
    }
    if (kst_json_path_str(cut->content, "metadata.deletionTimestamp"))
        return remove_cut(cut, err);
    if (!handle)
        return given ? adopt(cut, given, err) : create(cut, err);
    return kst_json_path_true(cut->content, "status.readyToUse") ? 0
                                                                 : make_ready(cut, again_ms, err);
}

int reconcile_content(struct controller *self, const char *ns, const char *name, int64_t *again_ms,
                      struct kst_err **err)
{
    struct kst_kube *kube = controller_kube(self);
    kst_auto_json struct kst_json *content = NULL;
    int rc = kst_kube_get(kube, &kst_res_snapshot_contents, NULL, name, &content, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        return 0;
    }
    const char *driver = kst_json_path_str(content, "spec.driver");
    if (rc < 0 || !driver || strcmp(driver, DRIVER) != 0)
        return rc;
    struct cut cut = {
        .kube = kube,
        .content = content,
        .name = name,
        .ns = kst_json_path_str(content, "spec.volumeSnapshotRef.namespace"),
        .snapshot = kst_json_path_str(content, "spec.volumeSnapshotRef.name"),
    };
    rc = work_on(&cut, again_ms, err);
    free(cut.claim);
    free(cut.path);
    controller_poke(dircsi.snapshots, cut.ns, cut.snapshot);
    return rc;
}
