/* SPDX-License-Identifier: Apache-2.0 */
/*
 * external-provisioner: a PersistentVolume for each claim of our StorageClasses, empty or from a
 * snapshot or another claim. Binding is kube-controller-manager's.
 * https://github.com/kubernetes-csi/external-provisioner
 */
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/event.h"
#include "kube/resource.h"
#include "sandbox/storage/csi_internal.h"
#include "sandbox/storage/storage.h"

/* Fails as a provisioner does: an Event on the claim, and another try. */
static int refuse(struct kst_csi *csi, const struct kst_json *claim, struct kst_err **err)
{
    kst_auto_free char *text = kst_asprintf(
        "failed to provision volume with StorageClass \"%s\": %s",
        kst_json_path_str(claim, "spec.storageClassName"), kst_err_message(*err));
    kst_event_emit(csi->kube, claim, KST_EVENT_WARNING, "ProvisioningFailed", text);
    return kst_err_code(*err);
}

static const char *source_field(const struct kst_json *claim, const char *key)
{
    const struct kst_json *source = kst_json_path(claim, "spec.dataSource");
    if (!source)
        source = kst_json_path(claim, "spec.dataSourceRef");
    return kst_json_str(kst_json_get(source, key));
}

static int check_size(const struct kst_json *claim, const struct kst_json *snapshot,
                      struct kst_err **err)
{
    int64_t wanted = 0, size = 0;
    if (!kst_parse_size(kst_json_path_str(snapshot, "status.restoreSize"), &size))
        return 0;
    kst_parse_size(kst_json_path_str(claim, "spec.resources.requests.storage"), &wanted);
    if (wanted >= size)
        return 0;
    return kst_err_set(err, KST_E_FAILED,
                       "requested volume size %lld is less than the size %lld for the source "
                       "snapshot %s",
                       (long long)wanted, (long long)size,
                       kst_json_path_str(snapshot, "metadata.name"));
}

static int check_snapshot(const struct kst_json *claim, const struct kst_json *snapshot,
                          const struct kst_json *content, struct kst_err **err)
{
    const char *name = kst_json_path_str(snapshot, "metadata.name");
    if (!is(kst_json_path_str(content, "spec.volumeSnapshotRef.uid"),
            kst_json_path_str(snapshot, "metadata.uid")) ||
        !is(kst_json_path_str(content, "spec.driver"), KST_CSI_DRIVER))
        return kst_err_set(err, KST_E_FAILED, "snapshot %s not bound", name);
    if (!kst_json_path_true(snapshot, "status.readyToUse"))
        return kst_err_set(err, KST_E_FAILED, "snapshot %s is not Ready", name);
    if (!kst_json_path_str(content, "status.snapshotHandle"))
        return kst_err_set(err, KST_E_FAILED, "snapshot handle %s is not available", name);
    return check_size(claim, snapshot, err);
}

static int from_snapshot(struct kst_csi *csi, const struct kst_json *claim, const char *ns,
                         const char *name, char **source, struct kst_err **err)
{
    kst_auto_json struct kst_json *snapshot = NULL, *content = NULL;
    int rc = kst_csi_find_object(csi, &kst_res_snapshots, ns, name, &snapshot, err);
    if (rc < 0)
        return rc;
    if (!snapshot)
        return kst_err_set(err, KST_E_FAILED,
                           "error getting snapshot %s from api server: volumesnapshots.snapshot."
                           "storage.k8s.io \"%s\" not found",
                           name, name);
    if (kst_json_path_str(snapshot, "metadata.deletionTimestamp"))
        return kst_err_set(err, KST_E_FAILED, "snapshot %s is currently being deleted", name);
    const char *bound = kst_json_path_str(snapshot, "status.boundVolumeSnapshotContentName");
    if (bound)
        rc = kst_csi_find_object(csi, &kst_res_snapshot_contents, NULL, bound, &content, err);
    if (rc == 0)
        rc = check_snapshot(claim, snapshot, content, err);
    return rc < 0
               ? rc
               : kst_storage_path(csi->volumes, kst_json_path_str(content, "status.snapshotHandle"),
                                  source, err);
}

static int from_claim(struct kst_csi *csi, const char *ns, const char *name, char **source,
                      struct kst_err **err)
{
    kst_auto_json struct kst_json *claim = NULL;
    int rc = kst_csi_find_object(csi, &kst_res_pvcs, ns, name, &claim, err);
    if (rc < 0)
        return rc;
    if (!is(kst_json_path_str(claim, "status.phase"), "Bound"))
        return kst_err_set(err, KST_E_FAILED, "claim in dataSource not bound or invalid");
    return kst_storage_path(csi->volumes, kst_json_path_str(claim, "spec.volumeName"), source, err);
}

static int find_source(struct kst_csi *csi, const struct kst_json *claim, char **source,
                       struct kst_err **err)
{
    const char *ns = kst_json_path_str(claim, "metadata.namespace");
    const char *kind = source_field(claim, "kind"), *name = source_field(claim, "name");
    if (!kind)
        return 0;
    int rc = is(kind, "VolumeSnapshot") ? from_snapshot(csi, claim, ns, name, source, err)
                                        : from_claim(csi, ns, name, source, err);
    return kst_err_wrap(err, rc, "error getting handle for DataSource Type %s by Name %s", kind,
                        name);
}

static int fill(struct kst_csi *csi, const struct kst_json *claim, const char *path,
                struct kst_err **err)
{
    kst_auto_free char *source = NULL;
    int rc = find_source(csi, claim, &source, err);
    if (rc == 0)
        rc = source ? kst_csi_cut(csi, source, path, false, err) : kst_storage_create(path, err);
    if (rc == KST_E_EXISTS) { /* made by a try whose PersistentVolume was not */
        kst_err_clear(err);
        return 0;
    }
    return rc;
}

static int make_pv(struct kst_csi *csi, const struct kst_json *claim, const struct kst_json *class,
                   const char *name, const char *path, struct kst_err **err)
{
    const char *policy = kst_json_path_str(class, "reclaimPolicy");
    kst_auto_json struct kst_json *pv = kst_json_make(
        "{'apiVersion':'v1','kind':'PersistentVolume','metadata':{'name':%s,"
        "'annotations':{'pv.kubernetes.io/provisioned-by':%s}},"
        "'spec':{'accessModes':%J,'capacity':{'storage':%s},'storageClassName':%s,"
        "'persistentVolumeReclaimPolicy':%s,'volumeMode':'Filesystem',"
        "'hostPath':{'path':%s,'type':'Directory'},"
        "'claimRef':{'apiVersion':'v1','kind':'PersistentVolumeClaim','namespace':%s,'name':%s,"
        "'uid':%s}}}",
        name, KST_CSI_DRIVER, kst_json_path(claim, "spec.accessModes"),
        kst_json_path_str(claim, "spec.resources.requests.storage"),
        kst_json_path_str(claim, "spec.storageClassName"), policy ? policy : "Delete", path,
        kst_json_path_str(claim, "metadata.namespace"), kst_json_path_str(claim, "metadata.name"),
        kst_json_path_str(claim, "metadata.uid"));
    int rc = kst_kube_create(csi->kube, &kst_res_pvs, NULL, pv, false, NULL, err);
    if (rc == KST_E_EXISTS) {
        kst_err_clear(err);
        return 0;
    }
    return rc;
}

/* Whether kube-controller-manager asks us: it does where no volume is there that fits. */
static bool is_asked(const struct kst_json *claim)
{
    const char *name = kst_csi_annotation(claim, "volume.kubernetes.io/storage-provisioner");
    if (!name) /* before Kubernetes 1.23 */
        name = kst_csi_annotation(claim, "volume.beta.kubernetes.io/storage-provisioner");
    return is(name, KST_CSI_DRIVER);
}

/* Whether the claim waits for us: one of our classes, and chosen a node where it has to. */
static int wanted(struct kst_csi *csi, const struct kst_json *claim, struct kst_json **class,
                  bool *ours, struct kst_err **err)
{
    const char *name = kst_json_path_str(claim, "spec.storageClassName");
    const char *phase = kst_json_path_str(claim, "status.phase");
    *ours = false;
    if (!name || !*name || !is_asked(claim) || kst_json_path_str(claim, "spec.volumeName") ||
        kst_json_path_str(claim, "metadata.deletionTimestamp") || is(phase, "Lost"))
        return 0;
    int rc = kst_kube_get(csi->kube, &kst_res_storageclasses, NULL, name, class, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        return 0;
    }
    bool waits = is(kst_json_path_str(*class, "volumeBindingMode"), "WaitForFirstConsumer") &&
                 !kst_csi_annotation(claim, "volume.kubernetes.io/selected-node");
    /* A source of another kind is filled by its own populator. */
    const char *kind = source_field(claim, "kind");
    bool known = !kind || is(kind, "VolumeSnapshot") || is(kind, "PersistentVolumeClaim");
    *ours = rc == 0 && is(kst_json_path_str(*class, "provisioner"), KST_CSI_DRIVER) && !waits &&
            known;
    return rc;
}

static void tell(struct kst_csi *csi, const struct kst_json *claim, const char *reason,
                 const char *format, const char *name)
{
    kst_auto_free char *text = kst_asprintf(format, name);
    kst_event_emit(csi->kube, claim, KST_EVENT_NORMAL, reason, text);
}

static int provision(struct kst_csi *csi, const struct kst_json *claim,
                     const struct kst_json *class, struct kst_err **err)
{
    kst_auto_free char *pv = kst_asprintf("pvc-%s", kst_json_path_str(claim, "metadata.uid"));
    kst_auto_free char *path = NULL,
                       *name = kst_asprintf("%s/%s", kst_json_path_str(claim, "metadata.namespace"),
                                            kst_json_path_str(claim, "metadata.name"));
    int rc = kst_storage_path(csi->volumes, pv, &path, err);
    if (rc < 0)
        return rc;
    tell(csi, claim, "Provisioning", "External provisioner is provisioning volume for claim \"%s\"",
         name);
    rc = fill(csi, claim, path, err);
    if (rc == 0)
        rc = make_pv(csi, claim, class, pv, path, err);
    if (rc == 0)
        tell(csi, claim, "ProvisioningSucceeded", "Successfully provisioned volume %s", pv);
    return rc;
}

/* *waits: the driver does not come to it for now. */
static int check_faults(struct kst_csi *csi, const struct kst_json *claim, bool *waits,
                        struct kst_err **err)
{
    const char *ns = kst_json_path_str(claim, "metadata.namespace");
    const char *name = kst_json_path_str(claim, "metadata.name");
    kst_auto_json struct kst_json *faults = kst_csi_faults(csi);
    const char *text = kst_storage_fault(faults, ns, name, "provisionError");
    *waits = kst_storage_fault(faults, ns, name, "neverProvisioned") != NULL;
    return text ? kst_err_set(err, KST_E_FAILED, "rpc error: code = Internal desc = %s", text) : 0;
}

int kst_csi_reconcile_claim(struct kst_csi *csi, const char *ns, const char *name,
                            int64_t *again_ms, struct kst_err **err)
{
    kst_auto_json struct kst_json *claim = NULL, *class = NULL, *pv = NULL;
    bool ours = false;
    int rc = kst_csi_find_object(csi, &kst_res_pvcs, ns, name, &claim, err);
    if (rc == 0 && claim)
        rc = wanted(csi, claim, &class, &ours, err);
    if (rc < 0 || !ours)
        return rc;
    kst_auto_free char *pv_name = kst_asprintf("pvc-%s", kst_json_path_str(claim, "metadata.uid"));
    rc = kst_csi_find_object(csi, &kst_res_pvs, NULL, pv_name, &pv, err);
    if (rc < 0 || pv) /* kube-controller-manager has yet to bind it */
        return rc;
    bool waits = false;
    rc = check_faults(csi, claim, &waits, err);
    if (rc == 0 && waits) {
        *again_ms = KST_CSI_LOOK_AGAIN_MS;
        return 0;
    }
    if (rc == 0)
        rc = provision(csi, claim, class, err);
    return rc < 0 ? refuse(csi, claim, err) : 0;
}

/* A volume whose claim is gone. */
int kst_csi_reconcile_pv(struct kst_csi *csi, const char *ns, const char *name, int64_t *again_ms,
                         struct kst_err **err)
{
    kst_auto_json struct kst_json *pv = NULL;
    int rc = kst_csi_find_object(csi, &kst_res_pvs, NULL, name, &pv, err);
    const char *path = kst_json_path_str(pv, "spec.hostPath.path");
    if (rc < 0 || !is(kst_csi_annotation(pv, "pv.kubernetes.io/provisioned-by"), KST_CSI_DRIVER) ||
        !is(kst_json_path_str(pv, "status.phase"), "Released") ||
        !is(kst_json_path_str(pv, "spec.persistentVolumeReclaimPolicy"), "Delete") ||
        !kst_storage_owns(csi->volumes, path))
        return rc;
    rc = kst_csi_remove(csi, path, err);
    if (rc == 0)
        rc = kst_kube_delete(csi->kube, &kst_res_pvs, NULL, name, NULL, err);
    return kst_csi_forget_not_found(rc, err);
}
