/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storage that keeps the contract of a CSI driver and its sidecars to the letter, for the driver
 * dir.csi.kassette.test: external-provisioner, snapshot-controller, csi-snapshotter and the driver
 * in one, as a client of an API server. A volume is a directory (storage.h), a cut another one. It
 * serves the embedded cluster from inside of it and the tests' real one from outside; what goes
 * wrong is told it by the ConfigMap kube-system/dircsi-faults (tests/cluster/README.md).
 *
 * Nothing is kept in memory that matters: it may end at any time and be started again.
 */
#ifndef KST_SANDBOX_STORAGE_CSI_H
#define KST_SANDBOX_STORAGE_CSI_H

#include <stdbool.h>

struct kst_csi;
struct kst_err;
struct kst_kube;

#define KST_CSI_DRIVER "dir.csi.kassette.test"

/* What is borrowed must outlive it; the texts are copied. */
struct kst_csi_options {
    struct kst_kube *kube; /* may do anything with volumes, snapshots, Leases and Events */
    const char *volumes;   /* the directory of all volumes and cuts, which is there; absolute */
    const char *cuts_log;  /* a file that gets a line for each cut; NULL: none */
    bool quiet;            /* what could not be done yet is told by Events alone, not by the log */
    /* Called around a cut that is not atomic: what uses the volume must stand still meanwhile (may
     * be NULL). */
    void (*hold)(void *arg, const char *volume);
    void (*release)(void *arg, const char *volume);
    void *arg;
};

/* Starts it; yields until it has seen all that there is. The snapshot CRDs must be served.
 * KST_E_NOT_FOUND where they are not, KST_E_CANCELLED, and the errors of requests. */
int kst_csi_new(const struct kst_csi_options *options, struct kst_csi **out, struct kst_err **err);
/* Yields until all that it does has ended, a cut that is being made included. NULL is allowed. */
void kst_csi_free(struct kst_csi *self);

#endif
