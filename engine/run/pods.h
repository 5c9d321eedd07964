/* SPDX-License-Identifier: Apache-2.0 */
/* The Pods of a bound workload, as blueprints see them. */
#ifndef KST_RUN_PODS_H
#define KST_RUN_PODS_H

struct kst_binding;
struct kst_err;
struct kst_json;
struct kst_run;

/* A JSON array of {name, ready, phase, node, ip, containers, labels}, Pods that are ready first,
 * then by ordinal or name; Pods that are being deleted are left out. They are those of the
 * workload's own selector (a Pod bound as a workload is its own only one). Yields. The caller frees
 * *out. */
int kst_pods_of(struct kst_run *run, const struct kst_binding *binding, struct kst_json **out,
                struct kst_err **err);

#endif
