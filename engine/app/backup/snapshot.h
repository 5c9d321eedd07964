/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots of an application's volumes, for one attempt: all are asked for at once over one
 * connection, and one watch, opened before the freeze, sees each being cut.
 * https://kubernetes.io/docs/concepts/storage/volume-snapshots/
 */
#ifndef KST_APP_BACKUP_SNAPSHOT_H
#define KST_APP_BACKUP_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "run/run.h"

struct kst_cutter;

/* Before the freeze: names every snapshot of the attempt (into status.volumes and `attempt`) and
 * opens the watches. `together` are the rows that will be cut in one call: those of a group class
 * are cut by a VolumeGroupSnapshot. Yields. */
int kst_cutter_arm(struct kst_run *run, struct kst_json *attempt, struct kst_json *const *together,
                   size_t ntogether, struct kst_cutter **out, struct kst_err **err);
/* Inside it: cuts the volumes of the given rows of status.volumes that were not cut yet, and yields
 * until each has status.creationTime. Errors of the driver are waited out, as it tries again, until
 * the fiber's deadline: then KST_E_TIMEOUT tells the last of them. */
int kst_cutter_cut(struct kst_cutter *self, struct kst_json *const *rows, size_t count,
                   struct kst_err **err);
/* After it: closes the watch, writes the cut times into the rows, and status.cut. */
void kst_cutter_disarm(struct kst_cutter *self);

/* Yields until every snapshot of status.volumes is ready to use, noting content, handle and
 * deletionPolicy. KST_E_TIMEOUT after run->ready_timeout_ms, with what is known of the cause. */
int kst_snapshot_await_ready(struct kst_run *run, struct kst_err **err);
/* Deletes all snapshots of the attempt and yields until they are gone. Idempotent. */
int kst_snapshot_remove(struct kst_run *run, int64_t attempt, struct kst_err **err);

#endif
