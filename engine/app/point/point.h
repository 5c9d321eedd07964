/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RestorePoint (kassette.io/v1alpha1): what a backup leaves. It has the name of its Run, lives
 * beside it, and does not depend on it. It is made before the first snapshot, with the finalizer
 * kassette.io/snapshots, and is Ready at the end; a run that fails removes it.
 *
 * Snapshots outlive the application's namespace: the VolumeSnapshotContents of a point have the
 * deletionPolicy Retain while it lives (status.volumes[].deletionPolicy keeps what it was).
 * Deleting the point gives the policy back and deletes VolumeSnapshot, content and with it the
 * snapshot.
 */
#ifndef KST_APP_POINT_POINT_H
#define KST_APP_POINT_POINT_H

#include <stdbool.h>

#include "run/run.h"

#define KST_POINT_FINALIZER "kassette.io/snapshots"
/* Its name, as a label of the VolumeSnapshotContents that it retains. */
#define KST_POINT_LABEL     "kassette.io/restore-point"

/* Makes the RestorePoint of this run, or finds the one that a predecessor made. *out is the object
 * (name, namespace and uid are what others need of it); the caller frees it. KST_E_EXISTS where
 * another Run has left one of this name. Yields. */
int kst_point_begin(struct kst_run *run, struct kst_json **out, struct kst_err **err);
/* After the objects are captured: writes what `index` (of the archive) says of them into its
 * status, so that a successor need not read the archive: objects, cluster, missing, capturedAt.
 * Idempotent. Yields. */
int kst_point_captured(struct kst_run *run, const struct kst_json *index, struct kst_err **err);
/* After the snapshots are ready: their contents get deletionPolicy Retain (noted in the rows of
 * the run's status.volumes first). Idempotent. Yields. */
int kst_point_retain(struct kst_run *run, struct kst_err **err);
/* Writes the rest of the status: volumes, bindings, source, cut, freeze, artifacts of the run,
 * phase Ready; conditions Ready, Complete, Exported. Idempotent. KST_E_REFUSED where somebody
 * deletes it. Yields. */
int kst_point_complete(struct kst_run *run, struct kst_err **err);
/* Removes the point of a run that has failed or was cancelled, with the snapshots that were
 * retained already. Idempotent. Yields. */
int kst_point_abandon(struct kst_run *run, struct kst_err **err);

/* Reads one by name. KST_E_NOT_FOUND with near names and a hint; KST_E_REFUSED where it is not
 * Ready or is being deleted and `ready` is asked for. The caller frees *out. Yields. */
int kst_point_get(struct kst_kube *kube, const char *home, const char *name, bool ready,
                  struct kst_json **out, struct kst_err **err);
/* Deletes a RestorePoint with its snapshots and waits until both are gone: marks it as being
 * deleted, removes snapshots, takes the finalizer away. Idempotent: what was deleted by kubectl and
 * waits for its finalizer is finished. KST_E_REFUSED while a Run makes it, or restores from it.
 * Yields. */
int kst_point_delete(struct kst_kube *kube, const char *home, const char *name,
                     struct kst_err **err);
/* The same of an object that was read before: another one that has its name by now stays. Yields.
 */
int kst_point_delete_object(struct kst_kube *kube, const struct kst_json *point,
                            struct kst_err **err);

#endif
