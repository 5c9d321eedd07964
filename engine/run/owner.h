/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who an engine is, and whether another still lives: the identity in a run's Lease is
 * "pod/<namespace>/<name>/<uid>" in a Pod (from the downward API: KASSETTE_POD_NAMESPACE, _NAME,
 * _UID), else "host/<hostname>/<boot id>/<pid>/<start time>". A successor takes the lease of a
 * holder that surely does not live any more at once, without waiting for it to expire.
 */
#ifndef KST_RUN_OWNER_H
#define KST_RUN_OWNER_H

#include <stdbool.h>

struct kst_kube;

/* This process' identity; the caller frees it. */
char *kst_owner_identity(void);
/* A kst_lease_options.holder_is_dead (arg: the kube client): the Pod has ended or is gone; the
 * process of this machine and boot is gone. Unknown forms, other machines, and failed look-ups
 * count as alive. May yield. */
bool kst_owner_is_dead(void *kube, const char *identity);
/* "Pod kassette/backup-x-1234" or "process 4711 on host alpha": for messages; the caller frees. */
char *kst_owner_describe(const char *identity);

#endif
