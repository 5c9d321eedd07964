/* SPDX-License-Identifier: Apache-2.0 */
/*
 * external-provisioner: a PersistentVolume for each claim of our StorageClasses, empty or from a
 * snapshot or another claim. Binding is kube-controller-manager's.
 * https://github.com/kubernetes-csi/external-provisioner
 */
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "dircsi.h"
#include "kube/client.h"
#include "kube/event.h"
#include "kube/resource.h"
#include "sandbox/storage.h"

static bool is(const char *text, const char *wanted)
{
    return text && strcmp(text, wanted) == 0;
}

/* Fails as a provisioner does: an Event on the claim, and another try. */
static int refuse(struct kst_kube *kube, const struct kst_json *claim, struct kst_err **err)
{
    kst_auto_free char *text = kst_asprintf(
        "failed to provision volume with StorageClass \"%s\": %s",
        kst_json_path_str(claim, "spec.storageClassName"), kst_err_message(*err));
    kst_event_emit(kube, claim, KST_EVENT_WARNING, "ProvisioningFailed", text);
    return kst_err_code(*err);
}

static int from_snapshot(struct kst_kube *kube, const struct kst_json *claim, const char *ns,
                         const char *name, char **source, struct kst_err **err)
{
    kst_auto_json struct kst_json *snapshot = NULL, *content = NULL;
    int rc = kst_kube_get(kube, &kst_res_snapshots, ns, name, &snapshot, err);
    if (rc < 0)
        return rc;
    if (!kst_json_path_true(snapshot, "status.readyToUse"))
        return kst_err_set(err, KST_E_FAILED,
                           "error getting handle for DataSource Type VolumeSnapshot by Name %s: "
                           "snapshot %s is not Ready",
                           name, name);
    const char *bound = kst_json_path_str(snapshot, "status.boundVolumeSnapshotContentName");
    rc = kst_kube_get(kube, &kst_res_snapshot_contents, NULL, bound, &content, err);
    if (rc < 0)
        return rc;
    if (!is(kst_json_path_str(content, "spec.driver"), DRIVER))
        return kst_err_set(err, KST_E_FAILED, "snapshot %s is of another driver", name);
    int64_t wanted = 0, size = kst_json_path_int(content, "status.restoreSize", 0);
    kst_storage_parse_size(kst_json_path_str(claim, "spec.resources.requests.storage"), &wanted);
    if (wanted < size)
        return kst_err_set(err, KST_E_FAILED,
                           "requested volume size %lld is less than the size %lld for the source "
                           "snapshot %s",
                           (long long)wanted, (long long)size, name);
    *source = path_of(kst_json_path_str(content, "status.snapshotHandle"));
    return 0;
}

static int from_claim(struct kst_kube *kube, const char *ns, const char *name, char **source,
                      struct kst_err **err)
{
    kst_auto_json struct kst_json *claim = NULL;
    int rc = kst_kube_get(kube, &kst_res_pvcs, ns, name, &claim, err);
    if (rc < 0)
        return rc;
    if (!is(kst_json_path_str(claim, "status.phase"), "Bound"))
        return kst_err_set(err, KST_E_FAILED, "claim in dataSource not bound or invalid");
    *source = path_of(kst_json_path_str(claim, "spec.volumeName"));
    return 0;
}

static int fill(struct kst_kube *kube, const struct kst_json *claim, const char *path,
                struct kst_err **err)
{
    const char *ns = kst_json_path_str(claim, "metadata.namespace");
    const char *kind = kst_json_path_str(claim, "spec.dataSource.kind");
    const char *name = kst_json_path_str(claim, "spec.dataSource.name");
    kst_auto_free char *source = NULL;
    int rc = 0;
    if (is(kind, "VolumeSnapshot"))
        rc = from_snapshot(kube, claim, ns, name, &source, err);
    else if (is(kind, "PersistentVolumeClaim"))
        rc = from_claim(kube, ns, name, &source, err);
    if (rc == 0)
        rc = source ? cut_volume(source, path, false, err) : kst_storage_create(path, err);
    if (rc == KST_E_EXISTS) { /* made by a try whose PersistentVolume was not */
        kst_err_clear(err);
        return 0;
    }
    return rc;
}

static int make_pv(struct kst_kube *kube, const struct kst_json *claim,
                   const struct kst_json *class, const char *name, const char *path,
                   struct kst_err **err)
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
        name, DRIVER, kst_json_path(claim, "spec.accessModes"),
        kst_json_path_str(claim, "spec.resources.requests.storage"),
        kst_json_path_str(claim, "spec.storageClassName"), policy ? policy : "Delete", path,
        kst_json_path_str(claim, "metadata.namespace"), kst_json_path_str(claim, "metadata.name"),
        kst_json_path_str(claim, "metadata.uid"));
    int rc = kst_kube_create(kube, &kst_res_pvs, NULL, pv, false, NULL, err);
    if (rc == KST_E_EXISTS) {
        kst_err_clear(err);
        return 0;
    }
    return rc;
}

/* Whether the claim waits for us: one of our classes, and chosen a node where it has to. */
static int wanted(struct kst_kube *kube, const struct kst_json *claim, struct kst_json **class,
                  bool *ours, struct kst_err **err)
{
    const char *name = kst_json_path_str(claim, "spec.storageClassName");
    const char *phase = kst_json_path_str(claim, "status.phase");
    *ours = false;
    if (!name || !*name || kst_json_path_str(claim, "spec.volumeName") ||
        kst_json_path_str(claim, "metadata.deletionTimestamp") || is(phase, "Lost"))
        return 0;
    int rc = kst_kube_get(kube, &kst_res_storageclasses, NULL, name, class, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        return 0;
    }
    const struct kst_json *annotations = kst_json_path(claim, "metadata.annotations");
    bool waits = is(kst_json_path_str(*class, "volumeBindingMode"), "WaitForFirstConsumer") &&
                 !kst_json_get(annotations, "volume.kubernetes.io/selected-node");
    *ours = rc == 0 && is(kst_json_path_str(*class, "provisioner"), DRIVER) && !waits;
    return rc;
}

int reconcile_claim(struct controller *self, const char *ns, const char *name, int64_t *again_ms,
                    struct kst_err **err)
{
    struct kst_kube *kube = controller_kube(self);
    kst_auto_json struct kst_json *claim = NULL, *class = NULL;
    bool ours = false;
    int rc = kst_kube_get(kube, &kst_res_pvcs, ns, name, &claim, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        return 0;
    }
    if (rc == 0)
        rc = wanted(kube, claim, &class, &ours, err);
    if (rc < 0 || !ours)
        return rc;
    kst_auto_free char *pv = kst_asprintf("pvc-%s", kst_json_path_str(claim, "metadata.uid"));
    kst_auto_free char *path = path_of(pv);
    rc = fill(kube, claim, path, err);
    if (rc == 0)
        rc = make_pv(kube, claim, class, pv, path, err);
    return rc < 0 ? refuse(kube, claim, err) : 0;
}

/* A volume whose claim is gone. */
int reconcile_pv(struct controller *self, const char *ns, const char *name, int64_t *again_ms,
                 struct kst_err **err)
{
    struct kst_kube *kube = controller_kube(self);
    kst_auto_json struct kst_json *pv = NULL;
    int rc = kst_kube_get(kube, &kst_res_pvs, NULL, name, &pv, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        return 0;
    }
    if (rc < 0)
        return rc;
    const struct kst_json *annotations = kst_json_path(pv, "metadata.annotations");
    const char *by = kst_json_str(kst_json_get(annotations, "pv.kubernetes.io/provisioned-by"));
    if (!is(by, DRIVER) || !is(kst_json_path_str(pv, "status.phase"), "Released") ||
        !is(kst_json_path_str(pv, "spec.persistentVolumeReclaimPolicy"), "Delete"))
        return 0;
    rc = kst_storage_remove(kst_json_path_str(pv, "spec.hostPath.path"), err);
    if (rc == 0)
        rc = kst_kube_delete(kube, &kst_res_pvs, NULL, name, NULL, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        rc = 0;
    }
    return rc;
}
