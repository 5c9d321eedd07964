/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper of restore points: `kassette controller`. It finishes the RestorePoints that somebody
 * deletes (kubectl delete restorepoint) and deletes those whose spec.expiresAt has passed, with
 * their snapshots. Only one of several works, who holds the Lease kassette-controller; the others
 * wait for it.
 *
 * A point that cannot be deleted is tried again, with pauses that grow; the condition Deleted of
 * its status, and an Event, say why. One that a Run makes or restores from waits for that Run.
 */
#ifndef KST_APP_POINT_KEEPER_H
#define KST_APP_POINT_KEEPER_H

struct kst_err;
struct kst_kube;

#define KST_KEEPER_LEASE "kassette-controller"

struct kst_keeper_options {
    struct kst_kube *kube; /* borrowed; forked for the work */
    const char *home;      /* the namespace of the points */
    const char *identity;  /* of the Lease's holder, unique for this process */
};

/* Works until its fiber is cancelled: KST_E_CANCELLED, with the Lease given up. An API server that
 * is away, or a cluster in which it may not do something, is waited for and logged. Yields. */
int kst_keeper_run(const struct kst_keeper_options *options, struct kst_err **err);

#endif
