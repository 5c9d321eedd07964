/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workloads that use volumes which are replaced stand still meanwhile: Deployments, StatefulSets
 * and ReplicaSets are scaled to zero, DaemonSets get a node selector that matches nothing, CronJobs
 * are suspended; Jobs and Pods without a controller are refused while they run. What was there is
 * in status.restore.quiesced ({apiVersion, kind, name, replicas | suspend | nodeSelector, state}),
 * journaled before anything is changed, and is brought back by whoever ends the run: after success,
 * failure, cancel, or a crash.
 */
#ifndef KST_APP_RESTORE_QUIESCE_H
#define KST_APP_RESTORE_QUIESCE_H

#include "run/run.h"

/* Finds the workloads of run->app_ns that use one of `claims` (an array of names), writes them into
 * status.restore.quiesced. KST_E_REFUSED names a Pod or Job that cannot be stopped, and what to do.
 * The journal is the caller's to write. Yields. */
int kst_quiesce_plan(struct kst_run *run, const struct kst_json *claims, struct kst_err **err);
/* Scales down and waits until no Pod uses the claims. KST_E_TIMEOUT names the Pod that stays.
 * Idempotent. Yields. */
int kst_quiesce_down(struct kst_run *run, struct kst_err **err);
/* Brings all back to what is recorded, without waiting for readiness. A workload that is gone, or
 * that somebody else scaled meanwhile, is left alone and noted. Idempotent; retried as a thaw is.
 * Yields. */
int kst_quiesce_up(struct kst_run *run, struct kst_err **err);

#endif
