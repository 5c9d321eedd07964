/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the data of a claim comes from.
 * https://kubernetes.io/docs/concepts/storage/volume-snapshots/#pre-provisioned
 */
#include <stdlib.h>
#include <string.h>

#include "app/restore/volumes_internal.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/remove.h"
#include "kube/resource.h"
#include "kube/watch.h"
#include "run/journal.h"

enum {
    NAME_MAX_LEN = 63,
    ERROR_MS = 30 * 1000, /* how long the driver may complain before it is believed */
    NAMES_BYTES = 4096,
};

#define SNAPSHOTS "snapshot.storage.kubernetes.io/"
static const char being_deleted[] = SNAPSHOTS "volumesnapshot-being-deleted";
static const char secret_name[] = SNAPSHOTS "deletion-secret-name";
static const char secret_ns[] = SNAPSHOTS "deletion-secret-namespace";
static const char class_secret_name[] = "csi.storage.k8s.io/snapshotter-secret-name";
static const char class_secret_ns[] = "csi.storage.k8s.io/snapshotter-secret-namespace";

/* ---- What is there ---- */

/* The backup's VolumeSnapshot, if a claim here can be filled from it; else NULL. */
static int find_snapshot(struct kst_volume *self, struct kst_json **out, struct kst_err **err)
{
    const char *name = kst_volume_str(self, "snapshot");
    const char *ns = kst_volume_str(self, "snapshotNamespace");
    kst_auto_json struct kst_json *found = NULL;
    *out = NULL;
    if (!name || (ns && !kst_same(ns, self->run->app_ns)))
        return 0;
    int rc = kst_volume_find(self->run, &kst_res_snapshots, self->run->app_ns, name, &found, err);
    const char *bound = kst_json_path_str(found, "status.boundVolumeSnapshotContentName");
    if (rc == 0 && bound && kst_same(bound, kst_volume_str(self, "content")) &&
        !kst_json_path_str(found, "metadata.deletionTimestamp"))
        *out = kst_take(found);
    return rc;
}

/* The content of the backup; NULL where it is gone, or another has its name. */
static int find_content(struct kst_volume *self, struct kst_json **out, struct kst_err **err)
{
    const char *name = kst_volume_str(self, "content"), *handle = kst_volume_str(self, "handle");
    kst_auto_json struct kst_json *found = NULL;
    *out = NULL;
    int rc = name ? kst_volume_find(self->run, &kst_res_snapshot_contents, NULL, name, &found, err)
                  : 0;
    const char *its = kst_json_path_str(found, "status.snapshotHandle");
    if (rc == 0 && its && (!handle || kst_same(its, handle)))
        *out = kst_take(found);
    return rc;
}

static const char *uid_of(const struct kst_run *run)
{
    const char *uid = kst_json_path_str(kst_journal_object(run->journal), "metadata.uid");
    return uid ? uid : "";
}

int kst_volume_find_source(struct kst_volume *self, struct kst_err **err)
{
    kst_auto_json struct kst_json *snapshot = NULL;
    const char *ready = kst_volume_str(self, "source"), *made = kst_volume_str(self, "temporary");
    free(kst_take(self->source));
    if (ready || made) { /* decided before, and journaled */
        self->source = kst_strdup(ready ? ready : made);
        return 0;
    }
    int rc = find_snapshot(self, &snapshot, err);
    if (rc < 0)
        return rc;
    if (snapshot) {
        self->source = kst_strdup(kst_volume_str(self, "snapshot"));
        return 0;
    }
    /* Contents are the whole cluster's: a name of this Run's and no other's. */
    kst_auto_free char *full = kst_asprintf("%s-%s-%.8s", self->run->name, kst_volume_target(self),
                                            uid_of(self->run));
    self->source = kst_name_make(full, NAME_MAX_LEN);
    kst_json_set_str(self->row, "temporary", self->source);
    return 0;
}

/* ---- Making it ---- */

static int no_handle(const struct kst_volume *self, struct kst_err **err)
{
    const char *snapshot = kst_volume_str(self, "snapshot");
    kst_err_set(err, KST_E_NOT_FOUND,
                "PersistentVolumeClaim/%s/%s: its snapshot %s is gone: neither a VolumeSnapshot "
                "nor a VolumeSnapshotContent nor the storage system's handle is there any more",
                self->run->app_ns, kst_volume_target(self), snapshot ? snapshot : "");
    kst_err_reason(err, "SnapshotGone");
    kst_err_hint(err, "restore from another point, or without data: --only-objects");
    return KST_E_NOT_FOUND;
}

/* The secrets by which the sidecar speaks to the storage: of the old content, else of the class. */
static void add_secrets(struct kst_json *content, const struct kst_json *old,
                        const struct kst_json *class)
{
    const struct kst_json *notes = kst_json_path(old, "metadata.annotations");
    const struct kst_json *params = kst_json_get(class, "parameters");
    const char *name = kst_json_str(kst_json_get(notes, secret_name));
    const char *ns = kst_json_str(kst_json_get(notes, secret_ns));
    if (!name || !ns) {
        name = kst_json_str(kst_json_get(params, class_secret_name));
        ns = kst_json_str(kst_json_get(params, class_secret_ns));
    }
    if (!name || !ns || strstr(name, "${") || strstr(ns, "${"))
        return; /* a template of the class, which only its controller can resolve */
    struct kst_json *own = kst_json_ensure_object(kst_json_mut(content, "metadata"), "annotations");
    kst_json_set_str(own, secret_name, name);
    kst_json_set_str(own, secret_ns, ns);
}

static int make_content(struct kst_volume *self, struct kst_err **err)
{
    struct kst_run *run = self->run;
    const char *class_name = kst_volume_str(self, "snapshotClass");
    kst_auto_json struct kst_json *old = NULL, *class = NULL;
    int rc = find_content(self, &old, err);
    if (rc == 0 && class_name)
        rc = kst_volume_find(run, &kst_res_snapshot_classes, NULL, class_name, &class, err);
    if (rc < 0)
        return rc;
    const char *handle = kst_json_path_str(old, "status.snapshotHandle");
    const char *driver = kst_json_path_str(old, "spec.driver");
    const char *mode = kst_json_path_str(old, "spec.sourceVolumeMode");
    handle = handle ? handle : kst_volume_str(self, "handle");
    driver = driver ? driver : kst_volume_str(self, "driver");
    mode = mode ? mode : kst_volume_str(self, "volumeMode");
    if (!handle || !driver)
        return no_handle(self, err);
    kst_auto_json struct kst_json *labels = kst_run_labels(run, "restore-source");
    kst_auto_json struct kst_json *content = kst_json_make(
        "{'apiVersion':'snapshot.storage.k8s.io/v1','kind':'VolumeSnapshotContent',"
        "'metadata':{'name':%s,'labels':%J},'spec':{'deletionPolicy':'Retain','driver':%s,"
        "'source':{'snapshotHandle':%s},'volumeSnapshotRef':{'apiVersion':"
        "'snapshot.storage.k8s.io/v1','kind':'VolumeSnapshot','name':%s,'namespace':%s}}}",
        self->source, labels, driver, handle, self->source, run->app_ns);
    struct kst_json *spec = kst_json_mut(content, "spec");
    if (mode) /* whose absence means that nobody compares it with the claim's */
        kst_json_set_str(spec, "sourceVolumeMode", mode);
    if (class && kst_same(kst_json_path_str(class, "driver"), driver))
        kst_json_set_str(spec, "volumeSnapshotClassName", class_name);
    add_secrets(content, old, class);
    return kst_kube_create(run->kube, &kst_res_snapshot_contents, NULL, content, true, NULL, err);
}

static int make_snapshot(struct kst_volume *self, struct kst_err **err)
{
    struct kst_run *run = self->run;
    kst_auto_json struct kst_json *labels = kst_run_labels(run, "restore-source");
    kst_auto_json struct kst_json *snapshot = kst_json_make(
        "{'apiVersion':'snapshot.storage.k8s.io/v1','kind':'VolumeSnapshot','metadata':{'name':%s,"
        "'namespace':%s,'labels':%J},'spec':{'source':{'volumeSnapshotContentName':%s}}}",
        self->source, run->app_ns, labels, self->source);
    return kst_kube_create(run->kube, &kst_res_snapshots, run->app_ns, snapshot, true, NULL, err);
}

struct readiness {
    const struct kst_volume *volume;
    char *error;      /* the driver's last */
    char *size;       /* status.restoreSize */
    bool wait_errors; /* it may complain */
};

static int is_ready(void *arg, const struct kst_json *object, struct kst_err **err)
{
    struct readiness *self = arg;
    const char *error = kst_json_path_str(object, "status.error.message");
    free(self->error);
    self->error = kst_strdup(error);
    if (kst_json_path_true(object, "status.readyToUse")) {
        self->size = kst_strdup(kst_json_path_str(object, "status.restoreSize"));
        return 1;
    }
    return error && !self->wait_errors;
}

/* An error is given some time: the sidecar tries again. */
static int await_ready(struct kst_volume *self, struct kst_err **err)
{
    struct readiness readiness = {.volume = self};
    struct kst_run *run = self->run;
    int64_t timeout_ms = run->ready_timeout_ms;
    int rc = kst_watch_until(run->kube, &kst_res_snapshots, run->app_ns, self->source, is_ready,
                             &readiness, kst_deadline_in_ms(timeout_ms), "to be ready to use", NULL,
                             err);
    if (rc == 0 && readiness.error) {
        readiness.wait_errors = true;
        rc = kst_watch_until(run->kube, &kst_res_snapshots, run->app_ns, self->source, is_ready,
                             &readiness,
                             kst_deadline_in_ms(timeout_ms < ERROR_MS ? timeout_ms : ERROR_MS),
                             "to be ready to use", NULL, err);
    }
    if (rc == KST_E_TIMEOUT && readiness.error) {
        kst_err_clear(err);
        rc = kst_err_set(err, KST_E_FAILED,
                         "VolumeSnapshot/%s/%s of PersistentVolumeClaim/%s/%s cannot be used: %s",
                         run->app_ns, self->source, run->app_ns, kst_volume_target(self),
                         readiness.error);
        kst_err_reason(err, "SnapshotNotUsable");
        kst_err_hint(err, "look whether the storage system still has the snapshot");
    }
    if (rc == 0 && readiness.size)
        kst_json_set_str(self->row, "restoreSize", readiness.size);
    free(readiness.error);
    free(readiness.size);
    return rc;
}

int kst_volume_make_source(struct kst_volume *self, struct kst_err **err)
{
    int rc = 0;
    if (kst_volume_str(self, "source"))
        return 0;
    if (kst_volume_str(self, "temporary")) {
        rc = make_content(self, err);
        if (rc == 0)
            rc = make_snapshot(self, err);
    }
    if (rc == 0)
        rc = await_ready(self, err);
    if (rc == 0)
        kst_json_set_str(self->row, "source", self->source);
    return rc;
}

/* ---- Removing it ---- */

static bool is_ours(const struct kst_run *run, const struct kst_json *object)
{
    const struct kst_json *labels = kst_json_path(object, "metadata.labels");
    return kst_same(kst_json_str(kst_json_get(labels, "kassette.io/run")), run->name);
}

int kst_volume_remove_source(struct kst_volume *self, struct kst_err **err)
{
    struct kst_run *run = self->run;
    const char *name = kst_volume_str(self, "temporary");
    kst_auto_json struct kst_json *snapshot = NULL, *content = NULL;
    kst_json_set_str(self->row, "source", NULL);
    if (!name)
        return 0;
    int rc = kst_volume_find(run, &kst_res_snapshots, run->app_ns, name, &snapshot, err);
    if (rc == 0 && snapshot && is_ours(run, snapshot))
        rc = kst_kube_remove(run->kube, &kst_res_snapshots, snapshot, run->ready_timeout_ms, err);
    if (rc == 0)
        rc = kst_volume_find(run, &kst_res_snapshot_contents, NULL, name, &content, err);
    if (rc < 0 || !content || !is_ours(run, content))
        return rc;
    /* As the snapshot-controller does it, which may be away: without this the sidecar leaves a
     * content alone that was bound once. */
    kst_auto_json struct kst_json *patch = kst_json_make("{'metadata':{'annotations':{%s:'yes'}}}",
                                                         being_deleted);
    rc = kst_kube_merge(run->kube, &kst_res_snapshot_contents, NULL, name, NULL, patch, NULL, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        return 0;
    }
    return rc < 0 ? rc
                  : kst_kube_remove(run->kube, &kst_res_snapshot_contents, content,
                                    run->ready_timeout_ms, err);
}

/* ---- Looking at it before ---- */

struct check {
    struct kst_json *classes; /* StorageClasses */
    bool served;              /* the cluster has VolumeSnapshots */
};

static bool is_default(const struct kst_json *class)
{
    static const char *const keys[] = {"storageclass.kubernetes.io/is-default-class",
                                       "storageclass.beta.kubernetes.io/is-default-class"};
    const struct kst_json *notes = kst_json_path(class, "metadata.annotations");
    return kst_same(kst_json_str(kst_json_get(notes, keys[0])), "true") ||
           kst_same(kst_json_str(kst_json_get(notes, keys[1])), "true");
}

/* The class that the claim will have; NULL where it is not there. */
static const struct kst_json *class_of(const struct check *check, const struct kst_volume *self,
                                       struct kst_buf *names)
{
    const char *wanted = kst_volume_str(self, "storageClass");
    for (const struct kst_json *class = kst_json_first(check->classes); class;
         class = kst_json_next(class)) {
        const char *name = kst_json_path_str(class, "metadata.name");
        kst_buf_addf(names, "%s%s", names->len ? ", " : "", name);
        if (wanted ? kst_same(name, wanted) : is_default(class))
            return class;
    }
    return NULL;
}

static int check_class(const struct check *check, const struct kst_volume *self,
                       struct kst_err **err)
{
    kst_auto_buf names = KST_BUF_INIT(NAMES_BYTES);
    const struct kst_json *class = class_of(check, self, &names);
    const char *wanted = kst_volume_str(self, "storageClass"),
               *driver = kst_volume_str(self, "driver"), *ns = self->run->app_ns;
    if (!class && !kst_volume_has_data(self) && (!wanted || !*wanted))
        return 0; /* a volume that is there already is meant */
    if (!class && kst_json_path_true(self->row, "makesClass"))
        return 0; /* the class is made before the claim */
    if (!class) {
        kst_err_set(err, KST_E_NOT_FOUND,
                    "PersistentVolumeClaim/%s/%s: there is no %s%s; there %s%s", ns,
                    kst_volume_target(self), wanted ? "StorageClass " : "default StorageClass",
                    wanted ? wanted : "", names.len ? "is: " : "are none at all", names.data);
        kst_err_reason(err, "StorageClassNotFound");
        kst_err_hint(err, "name another one with --storage-class %s=NAME", wanted ? wanted : "OLD");
        return KST_E_NOT_FOUND;
    }
    const char *provisioner = kst_json_path_str(class, "provisioner");
    bool migrated = provisioner && strncmp(provisioner, "kubernetes.io/", 14) == 0 &&
                    !kst_same(provisioner, "kubernetes.io/no-provisioner");
    if (!kst_volume_has_data(self) || !driver || kst_same(provisioner, driver) || migrated)
        return 0;
    kst_err_set(err, KST_E_INVALID,
                "PersistentVolumeClaim/%s/%s: StorageClass %s makes volumes with %s, but the "
                "snapshot is of driver %s, which alone can restore it",
                ns, kst_volume_target(self), kst_json_path_str(class, "metadata.name"),
                provisioner ? provisioner : "nothing", driver);
    kst_err_reason(err, "DriverMismatch");
    kst_err_hint(err, "name a StorageClass of driver %s with --storage-class %s=NAME", driver,
                 wanted ? wanted : "OLD");
    return KST_E_INVALID;
}

static int check_snapshot(const struct check *check, struct kst_volume *self, struct kst_err **err)
{
    kst_auto_json struct kst_json *snapshot = NULL, *content = NULL;
    if (!check->served) {
        kst_err_set(err, KST_E_NOT_FOUND,
                    "PersistentVolumeClaim/%s/%s: the cluster does not serve "
                    "snapshot.storage.k8s.io/v1: the VolumeSnapshot CRDs are missing",
                    self->run->app_ns, kst_volume_target(self));
        kst_err_reason(err, "SnapshotCRDsMissing");
        kst_err_hint(err, "install the CRDs and the snapshot-controller of external-snapshotter");
        return KST_E_NOT_FOUND;
    }
    int rc = find_snapshot(self, &snapshot, err);
    if (rc == 0 && !snapshot)
        rc = find_content(self, &content, err);
    if (rc < 0 || snapshot || content)
        return rc;
    return kst_volume_str(self, "handle") && kst_volume_str(self, "driver") ? 0
                                                                            : no_handle(self, err);
}

int kst_volumes_check(struct kst_run *run, struct kst_err **err)
{
    struct check check = {0};
    struct kst_err *first = NULL;
    size_t count = 0;
    struct kst_volume *all = kst_volume_all(run, &count);
    int rc = count ? kst_kube_has_group(run->kube, "snapshot.storage.k8s.io/v1", &check.served,
                                        &first)
                   : 0;
    if (rc == 0 && count)
        rc = kst_kube_list(run->kube, &kst_res_storageclasses, NULL, NULL, &check.classes, NULL,
                           &first);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct kst_err *cause = NULL;
        int one = check_class(&check, &all[i], &cause);
        if (one == 0 && kst_volume_has_data(&all[i]))
            one = check_snapshot(&check, &all[i], &cause);
        if (one == KST_E_CANCELLED || one == KST_E_LOST)
            rc = one;
        kst_json_set_str(all[i].row, "message", cause ? kst_err_message(cause) : NULL);
        if (cause)
            kst_err_move(&first, &cause);
    }
    kst_json_free(check.classes);
    kst_volume_free_all(all, count);
    return first ? kst_err_move(err, &first) : rc;
}
