/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where captured objects come from: the list of a kind in the namespace, or single objects by their
 * names. Either is read ahead, so that several sources can be opened before it is their turn.
 */
#ifndef KST_APP_CAPTURE_SOURCE_H
#define KST_APP_CAPTURE_SOURCE_H

#include "app/capture/names.h"

struct kst_err;
struct kst_json;
struct kst_kube;
struct kst_kube_resource;
struct kst_capture_source;

/* All objects of the resource in the namespace `ns`, that the selector (may be NULL) picks;
 * Services with their managedFields (node_ports.h), others may have none. */
struct kst_capture_source *kst_capture_source_list(struct kst_kube *kube,
                                                   const struct kst_kube_resource *resource,
                                                   const char *ns, const char *selector);
/* Cluster-scoped objects by their names (borrowed; sorted); those that are not there are left out.
 */
struct kst_capture_source *kst_capture_source_named(struct kst_kube *kube,
                                                    const struct kst_kube_resource *resource,
                                                    struct kst_names *names);
/* 1 and the next object in the order of names, which the caller frees; 0 after the last. Yields. */
int kst_capture_source_next(struct kst_capture_source *self, struct kst_json **object,
                            struct kst_err **err);
/* NULL is allowed. Yields. */
void kst_capture_source_close(struct kst_capture_source *self);

#endif
