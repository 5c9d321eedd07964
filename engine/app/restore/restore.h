/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The restore action: Plan -> Quiesce -> Volumes -> Objects -> Ready -> PostRestore.
 *
 *   Plan         what is there is compared with the point; conflicts end it, nothing was changed
 *   Quiesce      pre_restore of the blueprints; workloads whose volumes are replaced stand still
 *   Volumes      namespace, definitions, configuration, then the claims from their snapshots
 *   Objects      workloads go on; all other objects
 *   Ready        until workloads are ready
 *   PostRestore  restore, post_restore and verify of the blueprints that made the point
 *
 * A run that ends before Objects puts volumes and workloads back as they were. After that what was
 * restored stays, and old volumes are kept for people to decide.
 */
#ifndef KST_APP_RESTORE_RESTORE_H
#define KST_APP_RESTORE_RESTORE_H

#include "run/run.h"

extern const struct kst_action kst_action_restore;

/* For --dry-run: status.restore.volumes, .counts, and .objects with all rows. Nothing is changed.
 * Yields. */
int kst_restore_plan(struct kst_run *run, struct kst_err **err);

#endif
