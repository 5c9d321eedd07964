/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workloads that use volumes which are replaced stand still meanwhile: what has a scale
 * (Deployments, StatefulSets, ReplicaSets, ReplicationControllers, custom resources) is scaled to
 * zero, DaemonSets get a node selector that matches nothing, CronJobs are suspended. Always it is
 * the one at the top of the chain of controllers: what is below would be put back by it. Refused is
 * what cannot be stopped this way: Jobs and Pods without a controller while they run, static Pods,
 * custom resources without a scale, and StatefulSets that delete the claims of replicas which they
 * do not have any more.
 *
 * What was there is in status.restore.quiesced: rows of {apiVersion, kind, name, uid, claims,
 * replicas | suspend | nodeSelector, state, message}, journaled before anything is changed. state:
 *   Planned   nothing was changed yet
 *   Stopping  may be changed; is to be brought back
 *   Down      no Pod of it is left
 *   Up        is as it was
 *   Left      somebody else deleted or changed it meanwhile, as the message says; it is theirs
 * status.restore.quiescedClaims are the names of the claims that all this is about.
 */
#ifndef KST_APP_RESTORE_QUIESCE_H
#define KST_APP_RESTORE_QUIESCE_H

#include "run/run.h"

/* Finds the workloads of run->app_ns that use one of `claims` (an array of names), by their Pods
 * and by their templates, and writes them into the status. What a predecessor has begun to stop
 * stays as it was recorded. KST_E_REFUSED names a Pod or workload that cannot be stopped, and what
 * to do. Changes nothing, and does not write the journal. Yields. */
int kst_quiesce_plan(struct kst_run *run, const struct kst_json *claims, struct kst_err **err);
/* Writes the journal, scales down, and waits until no Pod uses the claims, at most
 * run->ready_timeout_ms: KST_E_TIMEOUT names the Pods that stay. A change of somebody else between
 * plan and stop is recorded, and journaled, before it is overwritten. Pods that have ended are
 * deleted, as they would keep the claims from being deleted. Writes the journal at the end.
 * Idempotent. Yields. */
int kst_quiesce_down(struct kst_run *run, struct kst_err **err);
/* Brings all back to what is recorded, without waiting for readiness. A workload that is gone, or
 * that somebody else changed meanwhile, is left alone, which is noted in its row. Tried until the
 * cluster is back, the fiber's deadline, or the lease is lost; what the server refuses is noted in
 * its row, the others go on, and the first such error is returned. Writes the journal at the end,
 * where anything was changed. Idempotent. To be called in a shield where it must happen. Yields. */
int kst_quiesce_up(struct kst_run *run, struct kst_err **err);

#endif
