/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which node ports of a Service somebody has asked for: the annotation of `kubectl apply` has them,
 * or a manager owns them in metadata.managedFields. Nobody owns those that the cluster chose.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
 */
#ifndef KST_APP_NODE_PORTS_H
#define KST_APP_NODE_PORTS_H

#include <stdbool.h>

struct kst_json;
struct kst_kube_resource;

/* Whether objects of the resource have node ports: they are Services. */
bool kst_node_ports_are_of(const struct kst_kube_resource *resource);
/* Takes metadata.managedFields away, but for the entries of those who own a node port. */
void kst_node_ports_keep_owners(struct kst_json *service);
/* Takes those away from spec that nobody has asked for, as far as `service` (which may have been
 * captured) and `applied` (what `kubectl apply` has noted; may be NULL) tell. */
void kst_node_ports_clean(struct kst_json *service, const struct kst_json *applied);
/* Takes all of them away from spec. */
void kst_node_ports_remove(struct kst_json *service);

#endif
