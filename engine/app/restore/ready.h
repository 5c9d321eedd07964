/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting until what was restored works. */
#ifndef KST_APP_RESTORE_READY_H
#define KST_APP_RESTORE_READY_H

#include "run/run.h"

/* Waits until the workloads (an array of {apiVersion, kind, name}) of run->app_ns are ready:
 * Deployments, StatefulSets and DaemonSets as `kubectl rollout status` means it, ReplicaSets
 * when all their replicas are ready, Pods when they are Ready or have
 * succeeded. Other kinds (Jobs, CronJobs, custom resources) are not waited for. Watches; notes each
 * one (KST_NOTE_WORKLOAD). KST_E_TIMEOUT after run->ready_timeout_ms names every workload that is
 * not ready and the likeliest reason, taken from its Pods (image, crash, scheduling, volume) and
 * Events (quota). Yields. */
int kst_ready_await(struct kst_run *run, const struct kst_json *workloads, struct kst_err **err);

#endif
