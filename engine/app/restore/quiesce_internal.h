/* SPDX-License-Identifier: Apache-2.0 */
/* What finding workloads (quiesce_plan.c) and stopping them (quiesce.c) share. */
#ifndef KST_APP_RESTORE_QUIESCE_INTERNAL_H
#define KST_APP_RESTORE_QUIESCE_INTERNAL_H

#include "app/restore/quiesce.h"

struct kst_kube_resource;

/* A key of node selectors that no node has; its value is the run's name. */
#define KST_QUIESCE_KEY "kassette.io/quiesced-by"

enum kst_quiesce_how { KST_QUIESCE_SCALE, KST_QUIESCE_SELECTOR, KST_QUIESCE_SUSPEND };

/* How a workload of this kind ("apps/v1", "DaemonSet") is stopped. */
enum kst_quiesce_how kst_quiesce_how(const char *api_version, const char *kind);
/* The resource of a kind: without discovery for those that every cluster has. Yields. */
int kst_quiesce_resource(struct kst_run *run, const char *api_version, const char *kind,
                         const struct kst_kube_resource **out, struct kst_err **err);
/* Its scale (autoscaling/v1); KST_E_NOT_FOUND also where the kind has none. The caller frees it.
 * Yields. */
int kst_quiesce_get_scale(struct kst_run *run, const struct kst_kube_resource *resource,
                          const char *name, struct kst_json **scale, struct kst_err **err);

#endif
