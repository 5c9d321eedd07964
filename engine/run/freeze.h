/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The freeze: pre-hooks, cut, post-hooks. What is promised here:
 *
 *  1. Every pre-hook that was attempted gets its post-hook: after an error, a time-out, a cancel, a
 *     lost API server (retried until it is back), or the death of an engine. An engine that finds
 *     another to hold its lease leaves it to that one, whose first deed it was.
 *  2. All workloads are frozen before the first volume is cut, and all volumes are cut before the
 *     first workload is let go.
 *  3. Between the first pre-hook's start and the last post-hook's end nothing is journaled; the
 *     intent is written before, the outcome after.
 *  4. The freeze ends at its deadline, max_freeze after its start, cut or not cut.
 */
#ifndef KST_RUN_FREEZE_H
#define KST_RUN_FREEZE_H

#include "run/run.h"

/* Phase functions, for the tables of actions. */
kst_phase_fn kst_freeze_enter_pre_hook;
kst_phase_fn kst_freeze_enter_snapshot;
kst_phase_fn kst_freeze_enter_post_hook;

/* What a predecessor left: thaws an attempt whose intent is in the journal without an outcome, then
 * removes what it made, and journals that. Yields; 0 where there was nothing to do. */
int kst_freeze_recover(struct kst_run *run, struct kst_err **err);
/* The post-hooks that wait for the end of the export (post_hook_after = "export"). Yields. */
int kst_freeze_thaw_after_export(struct kst_run *run, struct kst_err **err);

#endif
