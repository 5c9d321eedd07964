/* SPDX-License-Identifier: Apache-2.0 */
/* What a new cluster has from the start: namespaces, the default roles, a node. */
#ifndef KST_SANDBOX_BOOTSTRAP_H
#define KST_SANDBOX_BOOTSTRAP_H

struct kst_api;

/* The name of the one node. */
#define KST_SANDBOX_NODE "sandbox"

/* Puts them into a cluster that has nothing yet. */
void kst_bootstrap(struct kst_api *api);

#endif
