/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes: which driver has them, and which VolumeSnapshotClass cuts them. */
#ifndef KST_APP_BACKUP_VOLUME_H
#define KST_APP_BACKUP_VOLUME_H

#include "run/run.h"

/* Puts a row for every claim into status.volumes: {claim, volume, storageClass, driver,
 * snapshotClass, size, accessModes, volumeMode}. The class is, in this order: spec.snapshotClass of
 * the Run; the annotation k10.kasten.io/volume-snapshot-class of the StorageClass; of the classes
 * whose driver is the volume's: the one that is marked for backups (label
 * velero.io/csi-volumesnapshot-class, or annotation k10.kasten.io/is-snapshot-class, "true"), the
 * default one (annotation snapshot.storage.kubernetes.io/is-default-class exactly "true"), or the
 * only one. Errors name the claim and say what to do: KST_E_INVALID (unbound, no driver),
 * KST_E_NOT_FOUND (no class, no CRDs), KST_E_REFUSED (several classes). Yields. */
int kst_volume_plan(struct kst_run *run, const struct kst_json *claims, struct kst_err **err);

#endif
