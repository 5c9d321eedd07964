/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting until what was restored works. */
#ifndef KST_APP_RESTORE_READY_H
#define KST_APP_RESTORE_READY_H

#include "run/run.h"

/* Waits until the workloads (an array of {apiVersion, kind, name}) of run->app_ns are ready, as
 * `kubectl rollout status` means it; Jobs and CronJobs are not waited for, Pods until they are
 * Ready. Watches; notes each one (KST_NOTE_READY). KST_E_TIMEOUT after run->ready_timeout_ms names
 * every workload that is not ready and the likeliest reason, taken from its Pods (image, crash,
 * scheduling, volume) and Events. Yields. */
int kst_ready_await(struct kst_run *run, const struct kst_json *workloads, struct kst_err **err);

#endif
