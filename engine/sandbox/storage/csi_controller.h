/* SPDX-License-Identifier: Apache-2.0 */
/* A controller of the storage: a watch that names objects, and a function that makes each as it
 * should be. */
#ifndef KST_SANDBOX_STORAGE_CSI_CONTROLLER_H
#define KST_SANDBOX_STORAGE_CSI_CONTROLLER_H

#include <stdbool.h>
#include <stdint.h>

struct kst_csi;
struct kst_csi_controller;
struct kst_err;
struct kst_kube_resource;

/* Called in a fiber of the object's own, again after each change of it, never twice at once. Sets
 * *again_ms to be called after so long even without a change. A failure is tried again after pauses
 * that grow from 1 s, as those of the real controllers do. */
typedef int kst_csi_reconcile_fn(struct kst_csi *csi, const char *ns, const char *name,
                                 int64_t *again_ms, struct kst_err **err);

/* Starts its fibers; `name` and `resource` are borrowed. */
struct kst_csi_controller *kst_csi_controller_start(struct kst_csi *csi, const char *name,
                                                    const struct kst_kube_resource *resource,
                                                    kst_csi_reconcile_fn *reconcile);
/* Whether it has seen all objects that were there when it started. */
bool kst_csi_controller_is_synced(const struct kst_csi_controller *self);
/* Has an object looked at, as if it had changed; nothing where it was stopped. */
void kst_csi_controller_poke(struct kst_csi_controller *self, const char *ns, const char *name);
/* Yields until its fibers have ended. */
void kst_csi_controller_stop(struct kst_csi_controller *self);
/* Of one that was stopped; NULL is allowed. */
void kst_csi_controller_free(struct kst_csi_controller *self);

#endif
