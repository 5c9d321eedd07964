/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes from snapshots. Each claim is a row of status.restore.volumes: {claim (of the point),
 * target (its name now), storageClass, size, snapshot, content, handle, driver, snapshotClass,
 * action: "create" | "replace" | "empty" | "keep", state: "Planned" | "Ready" …, oldVolume,
 * oldReclaimPolicy, oldClaim}.
 *
 * The source is the VolumeSnapshot of the backup where it is there, bound and in the target
 * namespace; else a VolumeSnapshotContent is made for the snapshot's handle (deletionPolicy Retain,
 * so that removing it leaves the snapshot), with a VolumeSnapshot in the target namespace. Both are
 * removed when the claims are bound.
 *
 * Replacing is safe: the old volume is kept (reclaim policy Retain) until the run has succeeded;
 * where it fails, the old claim is put back onto the old volume.
 */
#ifndef KST_APP_RESTORE_VOLUMES_H
#define KST_APP_RESTORE_VOLUMES_H

#include "run/run.h"

/* Looks at each planned row's snapshot: KST_E_NOT_FOUND where neither VolumeSnapshot nor content
 * nor handle is there any more, or the driver or storage class is gone; the message names the claim
 * and what to do. The first such row's error; every bad row has its `message`. Yields. */
int kst_volumes_check(struct kst_run *run, struct kst_err **err);
/* Creates (or replaces) the claims: `claim` gives the claim object to create, cleaned and
 * rewritten, for a row (the caller of it frees). All at once. A row that fails gets state "Failed"
 * and a message; the others go on; then KST_E_FAILED. Where a claim is replaced, nothing may use it
 * any more (quiesce.h). Idempotent. Yields. */
int kst_volumes_restore(struct kst_run *run,
                        struct kst_json *(*claim)(void *arg, const struct kst_json *row), void *arg,
                        struct kst_err **err);
/* Waits until each claim is bound, except where its class binds with the first Pod and none uses
 * it, until `deadline`: KST_E_TIMEOUT tells the claim and the provisioner's last event. Yields. */
int kst_volumes_await(struct kst_run *run, struct kst_err **err);
/* After the run has succeeded: old volumes get their reclaim policy back and go as it says;
 * temporary snapshots and contents are removed where their claims are bound. Idempotent. Yields. */
int kst_volumes_settle(struct kst_run *run, struct kst_err **err);
/* After it has failed, or was cancelled: claims that were replaced are bound to their old volumes
 * again, claims that were created stay only if they are bound; temporary objects go. Idempotent.
 * Nothing may use the claims. Yields. */
int kst_volumes_undo(struct kst_run *run, struct kst_err **err);

#endif
