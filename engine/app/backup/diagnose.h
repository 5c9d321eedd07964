/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a VolumeSnapshot was not cut or is not ready: looks at the object, its content, its events,
 * the Leases of the controllers and their Pods, and says it in one sentence.
 * https://github.com/kubernetes-csi/external-snapshotter
 */
#ifndef KST_APP_BACKUP_DIAGNOSE_H
#define KST_APP_BACKUP_DIAGNOSE_H

struct kst_err;
struct kst_kube;

/* Puts reason, message and hint of the likeliest cause into *error (made new, code KST_E_TIMEOUT,
 * where it is NULL; else its message is prefixed by nothing and the cause appended). `driver` may
 * be NULL. Yields; failures to look something up only make it say less. */
void kst_diagnose_snapshot(struct kst_kube *kube, const char *ns, const char *name,
                           const char *driver, struct kst_err **error);

#endif
