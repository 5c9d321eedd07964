/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting an object, and waiting until it is gone. */
#ifndef KST_KUBE_REMOVE_H
#define KST_KUBE_REMOVE_H

#include <stdint.h>

struct kst_err;
struct kst_json;
struct kst_kube;
struct kst_kube_resource;

/* Deletes the object that was looked at (by its uid; what it owns goes in the background) and
 * yields until it is gone, or another has its name. NULL, one that is being deleted, and one that
 * is gone by now are no errors. KST_E_TIMEOUT after `timeout_ms` tells the finalizers that keep
 * it. */
int kst_kube_remove(struct kst_kube *self, const struct kst_kube_resource *resource,
                    const struct kst_json *object, int64_t timeout_ms, struct kst_err **err);

#endif
