/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes from snapshots. Each claim is a row of status.restore.volumes. Planned rows have:
 *   claim          its name in the point          target         its name here
 *   action         "create" | "replace" (it is there with other data) | "empty" (without data) |
 *                  "keep" (not touched here)
 *   storageClass   its class here; left out: the cluster's default
 *   makesClass     true where the restore makes that class, before the claim
 *   size, restoreSize, volumeMode, driver, snapshotClass, snapshot, snapshotNamespace, content,
 *   handle         of the backup; all may be left out where there is none
 * and get here:
 *   state          Planned | Created | Bound | Settled | Undone | Kept | Failed (with message)
 *   prepared       true before anything is made or replaced for it
 *   temporary      the name of a VolumeSnapshot, and VolumeSnapshotContent, made for this run
 *   source         the VolumeSnapshot that it is filled from, once that is ready to use
 *   oldClaim, oldVolume, oldReclaimPolicy    what was replaced; journaled before it is
 *   volume         the new PersistentVolume
 *
 * The source is the VolumeSnapshot of the backup where it is there, bound to its content, and in
 * the target namespace; else a VolumeSnapshotContent is made for the snapshot's handle
 * (deletionPolicy Retain, so that removing it leaves the snapshot), with a VolumeSnapshot in the
 * target namespace. Both are removed when the claims are bound.
 *
 * Replacing is safe: the old volume is kept (reclaim policy Retain) until the run has succeeded;
 * where it fails, the old claim is put back onto the old volume.
 *
 * What the run has made is known by its field manager: kst_kube_set_manager(run->kube, …) comes
 * first, with a name that no other Run has (kst_plan_manager()).
 */
#ifndef KST_APP_RESTORE_VOLUMES_H
#define KST_APP_RESTORE_VOLUMES_H

#include "run/run.h"

/* Looks at what each row needs: KST_E_NOT_FOUND where neither VolumeSnapshot nor content nor handle
 * is there any more, or the storage class is not; KST_E_INVALID where the class is another driver's
 * than the snapshot. The message names the claim and what to do. The first bad row's error; every
 * one has its `message`. Changes nothing. Yields. */
int kst_volumes_check(struct kst_run *run, struct kst_err **err);
/* What kst_volumes_restore() does before it changes a claim, while workloads still run: makes what
 * the claims are filled from, and waits until it is ready to use. A snapshot that cannot be used is
 * told then, and no workload stood still for it. kst_volumes_restore() asks nothing of it again.
 * Writes the journal. Idempotent. Yields. */
int kst_volumes_prepare(struct kst_run *run, struct kst_err **err);
/* Creates (or replaces) the claims: `claim` gives the claim object to create, cleaned and
 * rewritten, for a row (freed here; NULL fails the row). Name, namespace, class, size and source
 * are set here. All at once. A row that fails gets state "Failed" and a message; the others go on;
 * then KST_E_FAILED. Where a claim is replaced, nothing may use it any more (quiesce.h):
 * KST_E_REFUSED otherwise. Writes the journal. Idempotent. Yields. */
int kst_volumes_restore(struct kst_run *run,
                        struct kst_json *(*claim)(void *arg, const struct kst_json *row), void *arg,
                        struct kst_err **err);
/* Waits until each claim is bound, except where its class binds with the first Pod and none uses it
 * yet, at most run->ready_timeout_ms: KST_E_TIMEOUT tells the claim and the provisioner's last
 * event. Notes each (KST_NOTE_VOLUME). May be called again, when there are Pods. Yields. */
int kst_volumes_await(struct kst_run *run, struct kst_err **err);
/* After the run has succeeded: old volumes get their reclaim policy back and go as it says;
 * temporary snapshots and contents are removed. Where a claim is not bound (it waits for its first
 * Pod), what it needs and what it replaced stay, which is told as a warning and in its row. Writes
 * the journal. Idempotent. Yields. */
int kst_volumes_settle(struct kst_run *run, struct kst_err **err);
/* After it has failed when workloads went on with their new volumes: these stay, and so do the old
 * ones, with their data, which is told as a warning and in the row (state "Kept"); temporary
 * objects go where their claims are bound. Writes the journal. Idempotent. Yields. */
int kst_volumes_leave(struct kst_run *run, struct kst_err **err);
/* After it has failed, or was cancelled, before that: claims that were replaced are bound to their
 * old volumes again, claims that were created stay only if they are bound; temporary objects go.
 * Nothing may use the claims. All rows are tried, the first error is returned. Writes the journal.
 * Idempotent. Yields. */
int kst_volumes_undo(struct kst_run *run, struct kst_err **err);

#endif
