/* SPDX-License-Identifier: Apache-2.0 */
/* A controller: a watch that names objects, and a function that makes each as it should be. */
#ifndef KST_TESTS_CLUSTER_STORAGE_CONTROLLER_H
#define KST_TESTS_CLUSTER_STORAGE_CONTROLLER_H

#include <stdbool.h>
#include <stdint.h>

struct controller;
struct kst_err;
struct kst_kube;
struct kst_kube_resource;

/* Called in a fiber of the object's own, again after each change of it, never twice at once. Sets
 * *again_ms to be called after so long even without a change. A failure is logged and tried again
 * after pauses that grow from 1 s, as those of the real controllers do. */
typedef int reconcile_fn(struct controller *self, const char *ns, const char *name,
                         int64_t *again_ms, struct kst_err **err);

/* Starts its fibers, which run until the process ends. */
struct controller *controller_start(struct kst_kube *kube, const char *name,
                                    const struct kst_kube_resource *resource,
                                    reconcile_fn *reconcile);
struct kst_kube *controller_kube(const struct controller *self);
/* Whether it has seen all objects that were there when it started. */
bool controller_is_synced(const struct controller *self);
/* Has an object looked at, as if it had changed. */
void controller_poke(struct controller *self, const char *ns, const char *name);

#endif
