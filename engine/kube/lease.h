/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Lease (coordination.k8s.io/v1) that one engine holds, renewed in a fiber of its own.
 *
 * Fencing. leaseTransitions is the token: it grows with each change of holder. kst_lease_check()
 * is true only while the lease is surely ours by our own monotonic clock (counted from the moment
 * before the last renewal was sent), so an engine that was stopped, or cut off, knows before its
 * next write that it may not be the owner any more. The clocks of two machines are never compared:
 * a lease of somebody else counts as expired when it has not changed for its duration while we
 * watched it.
 */
#ifndef KST_KUBE_LEASE_H
#define KST_KUBE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

struct kst_err;
struct kst_json;
struct kst_kube;
struct kst_lease;

struct kst_lease_options {
    const char *ns;
    const char *name;
    const char *identity;          /* unique for this process */
    const struct kst_json *labels; /* of the Lease when it is made; may be NULL */
    const struct kst_json *owners; /* ownerReferences; may be NULL */
    int64_t duration_ms;           /* 0: 15 s; renewed every third of it */
    /* Asked for the holder of a lease that is not expired: true where it surely does not live any
     * more (its Pod has ended), so that its lease can be taken at once. May yield. NULL: never. */
    bool (*holder_is_dead)(void *arg, const char *identity);
    void *arg;
};

/* Yields until the lease is ours, or until it is clear that its holder lives (it renewed while we
 * watched: KST_E_REFUSED, naming the holder and since when). With `wait`, waits for it to be given
 * up instead. *lost_call is called (on the loop) when the lease was lost. */
int kst_lease_acquire(struct kst_kube *kube, const struct kst_lease_options *options, bool wait,
                      void (*lost_call)(void *arg), void *lost_arg, struct kst_lease **out,
                      struct kst_err **err);
/* Removes a lease that nobody needs any more: one whose holder surely does not live, or that nobody
 * holds. Any other stays. Yields; 0 also where there is none. */
int kst_lease_sweep(struct kst_kube *kube, const struct kst_lease_options *options,
                    struct kst_err **err);
/* To be asked before each write. 0 where the lease is surely ours; KST_E_LOST where somebody else
 * has taken it, or it is gone. Where it could not be renewed in time (the API server is away),
 * yields until it was renewed (nobody took it meanwhile: it is ours still), lost, or the fiber's
 * deadline or cancellation. */
int kst_lease_check(const struct kst_lease *self, struct kst_err **err);
/* Whether somebody else is known to hold it now: then that one has the word, and has thawed first.
 * False where it is merely gone. */
bool kst_lease_is_taken(const struct kst_lease *self);
int64_t kst_lease_token(const struct kst_lease *self);
/* Yields: stops renewing, gives the lease up where it is still ours (holderIdentity ""), or deletes
 * it with `delete_it`, and frees. */
void kst_lease_release(struct kst_lease *self, bool delete_it);

#endif
