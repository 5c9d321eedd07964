/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of the embedded cluster: objects in buckets (one a resource, whatever its versions),
 * with one counter of versions over all, and each bucket's latest changes, from which watches and
 * consistent pages are served. What etcd is to an API server.
 *
 * Objects are immutable and shared: who keeps one holds a reference. Nothing here yields; a change
 * is told to the listeners before the call that made it returns.
 */
#ifndef KST_SANDBOX_API_STORE_H
#define KST_SANDBOX_API_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/fiber.h"

struct kst_bucket;
struct kst_json;
struct kst_store;

struct kst_object {
    unsigned refs;
    int64_t version; /* its metadata.resourceVersion */
    size_t bytes;    /* kst_object_bytes() of the JSON */
    struct kst_json *json;
    const char *ns, *name, *uid; /* borrowed from the JSON; ns is "" for what has none */
};

/* Another reference to the object; the caller unrefs it. */
struct kst_object *kst_object_ref(struct kst_object *self);
void kst_object_unref(struct kst_object *self); /* NULL is allowed */
static inline void kst_object_autounref(struct kst_object **self)
{
    kst_object_unref(*self);
}
#define kst_auto_object __attribute__((cleanup(kst_object_autounref)))
/* About how many bytes etcd would keep of it. */
size_t kst_object_bytes(const struct kst_json *json);

/* One change: `after` is NULL where the object was deleted, `before` where it was created. */
struct kst_change {
    int64_t version;
    struct kst_object *before, *after;
    /* What a watch shows of a deletion: the last state, with the version of the deletion. */
    struct kst_object *last;
};

/* An empty store at version 1. */
struct kst_store *kst_store_new(void);
/* Nobody may wait for a bucket any more (that asserts). */
void kst_store_free(struct kst_store *self);
/* The version of the latest change. */
int64_t kst_store_version(const struct kst_store *self);
/* Forgets all changes up to now, as etcd's compaction does: older versions are gone. */
void kst_store_compact(struct kst_store *self);

/* The bucket of this name ("apps/statefulsets"), made when it is first asked for. */
struct kst_bucket *kst_store_bucket(struct kst_store *self, const char *name);
const char *kst_bucket_name(const struct kst_bucket *self);
/* Each bucket in turn; NULL at the end. */
struct kst_bucket *kst_store_bucket_at(const struct kst_store *self, size_t index);

/* Called after each change, in the order in which they began to listen. */
typedef void kst_store_listener(void *arg, struct kst_bucket *bucket,
                                const struct kst_change *change);
void kst_store_listen(struct kst_store *self, kst_store_listener *listener, void *arg);
void kst_store_unlisten(struct kst_store *self, kst_store_listener *listener, void *arg);

/* Reading. Objects are sorted by namespace, then name; results are borrowed. */
struct kst_object *kst_bucket_get(const struct kst_bucket *self, const char *ns, const char *name);
size_t kst_bucket_count(const struct kst_bucket *self);
struct kst_object *kst_bucket_at(const struct kst_bucket *self, size_t index);
/* Where the objects of a namespace begin, and how many there are. */
void kst_bucket_range(const struct kst_bucket *self, const char *ns, size_t *first, size_t *count);

/* Writing: the object's namespace and name say where. `json` is taken, and gets its new
 * resourceVersion; the result is borrowed. */
struct kst_object *kst_bucket_put(struct kst_bucket *self, struct kst_json *json);
/* Removes what is there under the name of `object`; `last` (taken) is its last state, NULL where
 * that is how it is stored. */
void kst_bucket_delete(struct kst_bucket *self, const char *ns, const char *name,
                       struct kst_json *last);

/* The first change after `version`: 1 with *change (borrowed until the next change), 0 where there
 * is none yet, -1 where what came after `version` is forgotten. */
int kst_bucket_next(const struct kst_bucket *self, int64_t version,
                    const struct kst_change **change);
/* Whether every change after `version` is still known. */
bool kst_bucket_remembers(const struct kst_bucket *self, int64_t version);
/* The objects as they were at `version`, in order: referenced, for the caller to free with
 * kst_objects_free(); false where that is forgotten. */
bool kst_bucket_snapshot(const struct kst_bucket *self, int64_t version,
                         struct kst_object ***objects, size_t *count);
void kst_objects_free(struct kst_object **objects, size_t count);

/* Signalled with each change of the bucket, and when it is shut. */
struct kst_cond *kst_bucket_changed(struct kst_bucket *self);

#endif
