/* SPDX-License-Identifier: Apache-2.0 */
#include "app/backup/volume.h"

#include <string.h>

#include "app/backup/volume_group.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "run/journal.h"

enum { MAX_NAMES_BYTES = 4096 };

struct plan {
    struct kst_run *run;
    struct kst_json *classes; /* VolumeSnapshotClasses */
    struct kst_json *storage_classes;
};

static const char *annotation_of(const struct kst_json *object, const char *key)
{
    return kst_json_str(kst_json_get(kst_json_path(object, "metadata.annotations"), key));
}

static bool is_true(const char *value)
{
    return value && strcmp(value, "true") == 0;
}

static const struct kst_json *by_name(const struct kst_json *objects, const char *name)
{
    for (const struct kst_json *row = kst_json_first(objects); row; row = kst_json_next(row)) {
        const char *is = kst_json_path_str(row, "metadata.name");
        if (is && name && strcmp(is, name) == 0)
            return row;
    }
    return NULL;
}

static bool marked_for_backup(const struct kst_json *class)
{
    const struct kst_json *labels = kst_json_path(class, "metadata.labels");
    return is_true(kst_json_str(kst_json_get(labels, "velero.io/csi-volumesnapshot-class"))) ||
           is_true(annotation_of(class, "k10.kasten.io/is-snapshot-class"));
}

static bool marked_default(const struct kst_json *class)
{
    return is_true(annotation_of(class, "snapshot.storage.kubernetes.io/is-default-class"));
}

static bool any(const struct kst_json *class)
{
    return true;
}

/* Those of the driver's classes that `mark` takes: how many, the first, and their names. */
static size_t count_classes(const struct plan *plan, const char *driver,
                            bool (*mark)(const struct kst_json *class),
                            const struct kst_json **first, struct kst_buf *names)
{
    size_t count = 0;
    for (const struct kst_json *row = kst_json_first(plan->classes); row;
         row = kst_json_next(row)) {
        const char *of = kst_json_path_str(row, "driver");
        if (!of || strcmp(of, driver) != 0 || !mark(row))
            continue;
        if (count++ == 0)
            *first = row;
        kst_buf_addf(names, "%s%s", names->len ? ", " : "",
                     kst_json_path_str(row, "metadata.name"));
    }
    return count;
}

static int several(const char *claim, const char *ns, const char *driver, const char *how,
                   const struct kst_buf *names, struct kst_err **err)
{
    kst_err_set(err, KST_E_REFUSED,
                "PersistentVolumeClaim/%s/%s: %s VolumeSnapshotClasses for driver %s: %s", ns,
                claim, how, driver, names->data);
    kst_err_reason(err, "AmbiguousSnapshotClass");
    kst_err_hint(err,
                 "keep the annotation snapshot.storage.kubernetes.io/is-default-class on one of "
                 "them, or name one with --snapshot-class");
    return KST_E_REFUSED;
}

static int none(const struct plan *plan, const char *claim, const char *ns, const char *driver,
                struct kst_err **err)
{
    kst_auto_buf others = KST_BUF_INIT(MAX_NAMES_BYTES);
    for (const struct kst_json *row = kst_json_first(plan->classes); row; row = kst_json_next(row))
        kst_buf_addf(&others, "%s%s (driver %s)", others.len ? ", " : "",
                     kst_json_path_str(row, "metadata.name"), kst_json_path_str(row, "driver"));
    kst_err_set(
        err, KST_E_NOT_FOUND,
        "PersistentVolumeClaim/%s/%s: there is no VolumeSnapshotClass for driver %s; there %s%s",
        ns, claim, driver, others.len ? "is: " : "are no classes at all", others.data);
    kst_err_reason(err, "NoSnapshotClass");
    kst_err_hint(err,
                 "create a VolumeSnapshotClass with driver: %s, or leave the volume out with the "
                 "label kassette.io/exclude=true on its claim",
                 driver);
    return KST_E_NOT_FOUND;
}

/* A class that somebody named: it must exist and be of the driver. */
static int named_class(const struct plan *plan, const char *claim, const char *driver,
                       const char *name, const char *where, const char **out, struct kst_err **err)
{
    const struct kst_json *class = by_name(plan->classes, name);
    const char *ns = plan->run->app_ns;
    if (!class) {
        kst_err_set(err, KST_E_NOT_FOUND,
                    "PersistentVolumeClaim/%s/%s: VolumeSnapshotClass %s (from %s) does not exist",
                    ns, claim, name, where);
        kst_err_reason(err, "SnapshotClassNotFound");
        kst_err_hint(err, "list what there is with: kubectl get volumesnapshotclasses");
        return KST_E_NOT_FOUND;
    }
    const char *of = kst_json_path_str(class, "driver");
    if (!of || strcmp(of, driver) != 0) {
        kst_err_set(
            err, KST_E_INVALID,
            "PersistentVolumeClaim/%s/%s: VolumeSnapshotClass %s (from %s) is for driver %s, "
            "but the volume's driver is %s",
            ns, claim, name, where, of ? of : "none", driver);
        kst_err_reason(err, "SnapshotClassMismatch");
        return KST_E_INVALID;
    }
    *out = kst_json_path_str(class, "metadata.name");
    return 0;
}

static int choose_class(const struct plan *plan, const char *claim, const char *driver,
                        const struct kst_json *storage_class, const char **out,
                        struct kst_err **err)
{
    const char *asked = kst_json_path_str(kst_journal_spec(plan->run->journal), "snapshotClass");
    if (asked)
        return named_class(plan, claim, driver, asked, "spec.snapshotClass", out, err);
    asked = annotation_of(storage_class, "k10.kasten.io/volume-snapshot-class");
    if (asked)
        return named_class(plan, claim, driver, asked, "its StorageClass", out, err);
    static const struct {
        bool (*mark)(const struct kst_json *class);
        const char *several;
    } rules[] = {
        {marked_for_backup, "several are marked for backups among the"},
        {marked_default, "several are marked as default among the"},
        {any, "several, and none marked as default, among the"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rules); i++) {
        kst_auto_buf names = KST_BUF_INIT(MAX_NAMES_BYTES);
        const struct kst_json *first = NULL;
        size_t count = count_classes(plan, driver, rules[i].mark, &first, &names);
        if (count > 1)
            return several(claim, plan->run->app_ns, driver, rules[i].several, &names, err);
        if (count == 1) {
            *out = kst_json_path_str(first, "metadata.name");
            return 0;
        }
    }
    return none(plan, claim, plan->run->app_ns, driver, err);
}

/* The driver: of the PersistentVolume, else of whoever provisioned it. */
static const char *driver_of(const struct kst_json *volume, const struct kst_json *storage_class)
{
    const char *driver = kst_json_path_str(volume, "spec.csi.driver");
    if (!driver)
        driver = annotation_of(volume, "pv.kubernetes.io/provisioned-by");
    if (!driver)
        driver = kst_json_path_str(storage_class, "provisioner");
    return driver && strcmp(driver, "kubernetes.io/no-provisioner") != 0 ? driver : NULL;
}

static int unbound(const struct kst_run *run, const struct kst_json *claim, struct kst_err **err)
{
    const char *name = kst_json_path_str(claim, "metadata.name");
    const char *phase = kst_json_path_str(claim, "status.phase");
    const char *class = kst_json_path_str(claim, "spec.storageClassName");
    kst_err_set(err, KST_E_INVALID, "PersistentVolumeClaim/%s/%s is %s, not Bound%s%s", run->app_ns,
                name, phase ? phase : "Pending",
                class ? "; its StorageClass is " : " and has no StorageClass", class ? class : "");
    kst_err_reason(err, "ClaimNotBound");
    kst_err_hint(err,
                 "see why with: kubectl -n %s describe pvc %s; or leave it out with the label "
                 "kassette.io/exclude=true",
                 run->app_ns, name);
    return KST_E_INVALID;
}

static int plan_claim(const struct plan *plan, const struct kst_json *claim, struct kst_json *rows,
                      struct kst_err **err)
{
    struct kst_run *run = plan->run;
    const char *name = kst_json_path_str(claim, "metadata.name");
    const char *volume_name = kst_json_path_str(claim, "spec.volumeName");
    const char *phase = kst_json_path_str(claim, "status.phase");
    if (!volume_name || !phase || strcmp(phase, "Bound") != 0)
        return unbound(run, claim, err);
    kst_auto_json struct kst_json *volume = NULL;
    int rc = kst_kube_get(run->kube, &kst_res_pvs, NULL, volume_name, &volume, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "PersistentVolumeClaim/%s/%s", run->app_ns, name);
    const char *storage_class = kst_json_path_str(claim, "spec.storageClassName");
    const struct kst_json *class_object = by_name(plan->storage_classes, storage_class);
    const char *driver = driver_of(volume, class_object), *class = NULL;
    if (!driver) {
        kst_err_set(err, KST_E_INVALID,
                    "PersistentVolumeClaim/%s/%s: its PersistentVolume %s has no CSI driver, so no "
                    "snapshot of it can be taken",
                    run->app_ns, name, volume_name);
        kst_err_reason(err, "NotSnapshottable");
        kst_err_hint(err, "leave it out with the label kassette.io/exclude=true on the claim");
        return KST_E_INVALID;
    }
    rc = choose_class(plan, name, driver, class_object, &class, err);
    if (rc < 0)
        return rc;
    const char *size = kst_json_path_str(claim, "status.capacity.storage");
    const char *mode = kst_json_path_str(claim, "spec.volumeMode");
    kst_json_push(rows, kst_json_make("{'claim':%s,'volume':%s,'storageClass':%s,'driver':%s,"
                                      "'snapshotClass':%s,'size':%s,'accessModes':%J,"
                                      "'volumeMode':%s}",
                                      name, volume_name, storage_class, driver, class, size,
                                      kst_json_path(claim, "spec.accessModes"),
                                      mode ? mode : "Filesystem"));
    return 0;
}

static int read_classes(struct plan *plan, struct kst_err **err)
{
    struct kst_kube *kube = plan->run->kube;
    int rc = kst_kube_list(kube, &kst_res_snapshot_classes, NULL, NULL, &plan->classes, NULL, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        kst_err_set(
            err, KST_E_NOT_FOUND,
            "the cluster does not serve snapshot.storage.k8s.io/v1: the VolumeSnapshot CRDs "
            "are missing");
        kst_err_reason(err, "SnapshotCRDsMissing");
        kst_err_hint(err, "install the CRDs and the snapshot-controller of external-snapshotter");
    }
    if (rc < 0)
        return rc;
    return kst_kube_list(kube, &kst_res_storageclasses, NULL, NULL, &plan->storage_classes, NULL,
                         err);
}

int kst_volume_plan(struct kst_run *run, const struct kst_json *claims, struct kst_err **err)
{
    struct plan plan = {.run = run};
    kst_auto_json struct kst_json *rows = kst_json_array();
    int rc = kst_json_len(claims) ? read_classes(&plan, err) : 0;
    for (const struct kst_json *claim = kst_json_first(claims); rc == 0 && claim;
         claim = kst_json_next(claim))
        rc = plan_claim(&plan, claim, rows, err);
    if (rc == 0 && kst_json_len(rows) > 1)
        rc = kst_volume_group_plan(run, rows, err);
    kst_json_free(plan.classes);
    kst_json_free(plan.storage_classes);
    if (rc == 0)
        kst_json_set(kst_journal_status(run->journal), "volumes", kst_take(rows));
    return rc;
}
