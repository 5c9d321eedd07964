/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches: a list, then every change to it, over resets, time-outs, bookmarks and 410 Gone.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
#ifndef KST_KUBE_WATCH_H
#define KST_KUBE_WATCH_H

#include <stdint.h>

struct kst_err;
struct kst_json;
struct kst_kube;
struct kst_kube_resource;
struct kst_watch;

enum kst_watch_type {
    KST_WATCH_SEEN, /* the object is there (first list), or was added */
    KST_WATCH_MODIFIED,
    KST_WATCH_DELETED, /* the last state that is known */
    KST_WATCH_SYNCED,  /* no object: the first list is complete */
};

struct kst_watch_options {
    const char *label_selector;
    const char *field_selector;
    const char *name; /* one object only (a field selector of its own) */
};

/* Prepares; the first kst_watch_next() lists. What is borrowed must outlive the watch. */
struct kst_watch *kst_watch_new(struct kst_kube *kube, const struct kst_kube_resource *resource,
                                const char *ns, const struct kst_watch_options *options);
void kst_watch_free(struct kst_watch *self);

/* Yields until the next event or `deadline_ms` (KST_NEVER for none but the fiber's): *object is
 * owned by the watch until the next call. After an interruption longer than the server remembers,
 * the differences to what was known are delivered as events, so no change of state is ever missed
 * (though several may come as one). Fails with KST_E_TIMEOUT, KST_E_CANCELLED, KST_E_FORBIDDEN,
 * KST_E_NOT_FOUND (the resource is not served); resets, 429, 5xx and an unreachable server are
 * retried until the deadline. The watch can be used on after KST_E_TIMEOUT. */
int kst_watch_next(struct kst_watch *self, int64_t deadline_ms, enum kst_watch_type *type,
                   const struct kst_json **object, struct kst_err **err);

/* Waits until `ready` says so of the object: it returns 1 for done, 0 for not yet, negative for a
 * failure (with *err). It is called with NULL when the object does not exist (so that waiting for a
 * deletion is the same thing). *out (may be NULL) is the object's last state, owned by the caller.
 * KST_E_TIMEOUT says what it waited for: `what` ("to be cut", "to be deleted"). */
int kst_watch_until(struct kst_kube *kube, const struct kst_kube_resource *resource, const char *ns,
                    const char *name,
                    int (*ready)(void *arg, const struct kst_json *object, struct kst_err **err),
                    void *arg, int64_t deadline_ms, const char *what, struct kst_json **out,
                    struct kst_err **err);

#endif
