/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The garbage collector: what only owners that are gone own is deleted; an owner that is deleted
 * in the foreground waits for what it owns; an orphaned object loses the reference.
 * https://kubernetes.io/docs/concepts/architecture/garbage-collection/
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"

static const char manager[] = "kube-controller-manager";

/* The owner that a reference names; NULL where it is gone (or another one by now). */
static struct kst_object *owner_of(struct kst_api *api, const struct kst_object *object,
                                   const struct kst_json *reference)
{
    const struct kst_resource *resource = kst_registry_find_kind(
        kst_api_registry(api), kst_api_text(reference, "apiVersion"),
        kst_api_text(reference, "kind"));
    if (!resource)
        return NULL;
    bool namespaced = resource->flags & KST_RES_NAMESPACED;
    struct kst_object *owner = kst_bucket_get(resource->bucket, namespaced ? object->ns : "",
                                              kst_api_text(reference, "name"));
    return owner && strcmp(owner->uid, kst_api_text(reference, "uid")) == 0 ? owner : NULL;
}

static bool has_finalizer(const struct kst_object *object, const char *finalizer)
{
    return kst_api_list_has(kst_json_path(object->json, "metadata.finalizers"), finalizer);
}

static void write(struct kst_api *api, const char *bucket, const struct kst_object *object,
                  struct kst_json *changed)
{
    kst_auto_object struct kst_object *live = kst_object_ref(
        kst_api_find(api, bucket, object->ns, object->name));
    struct kst_api_call call = kst_api_call_for(api, bucket, object->ns, object->name, manager);
    if (live && live->version == object->version)
        kst_json_free(kst_api_write(api, &call, live, changed, NULL));
    else
        kst_json_free(changed);
}

/* The object without its references to these owners. */
static void forget_owners(struct kst_api *api, const char *bucket, const struct kst_object *object,
                          bool (*drop)(struct kst_api *api, const struct kst_object *object,
                                       const struct kst_json *reference, const char *uid),
                          const char *uid)
{
    struct kst_json *kept = kst_json_array();
    const struct kst_json *list = kst_json_path(object->json, "metadata.ownerReferences");
    for (const struct kst_json *o = kst_json_first(list); o; o = kst_json_next(o))
        if (!drop(api, object, o, uid))
            kst_json_push(kept, kst_json_dup(o));
    if (kst_json_len(kept) == kst_json_len(list)) {
        kst_json_free(kept);
        return;
    }
    struct kst_json *changed = kst_json_dup(object->json);
    struct kst_json *metadata = kst_json_mut(changed, "metadata");
    if (kst_json_len(kept) > 0) {
        kst_json_set(metadata, "ownerReferences", kept);
    } else {
        kst_json_free(kept);
        kst_json_remove(metadata, "ownerReferences");
    }
    write(api, bucket, object, changed);
}

static bool is_gone(struct kst_api *api, const struct kst_object *object,
                    const struct kst_json *reference, const char *uid)
{
    const struct kst_object *owner = owner_of(api, object, reference);
    return !owner ||
           (kst_api_is_deleting(owner->json) && has_finalizer(owner, "foregroundDeletion"));
}

static bool is_uid(struct kst_api *api, const struct kst_object *object,
                   const struct kst_json *reference, const char *uid)
{
    return strcmp(kst_api_text(reference, "uid"), uid) == 0;
}

struct search {
    struct kst_api *api;
    const struct kst_object *owner;
    size_t owned, blocking;
};

static void each_owned(struct kst_api *api,
                       void (*call)(struct search *search, const char *bucket,
                                    const struct kst_object *object,
                                    const struct kst_json *reference),
                       struct search *search)
{
    struct kst_bucket *bucket;
    for (size_t i = 0; (bucket = kst_store_bucket_at(kst_api_store(api), i)); i++) {
        struct kst_control_list list = kst_control_list(api, kst_bucket_name(bucket), NULL);
        for (size_t j = 0; j < list.count; j++) {
            const struct kst_json *refs = kst_json_path(list.objects[j]->json,
                                                        "metadata.ownerReferences");
            for (const struct kst_json *o = kst_json_first(refs); o; o = kst_json_next(o))
                if (strcmp(kst_api_text(o, "uid"), search->owner->uid) == 0) {
                    call(search, kst_bucket_name(bucket), list.objects[j], o);
                    break;
                }
        }
        kst_control_list_release(&list);
    }
}

static void orphan(struct search *search, const char *bucket, const struct kst_object *object,
                   const struct kst_json *reference)
{
    forget_owners(search->api, bucket, object, is_uid, search->owner->uid);
}

static void count_owned(struct search *search, const char *bucket, const struct kst_object *object,
                        const struct kst_json *reference)
{
    search->owned++;
    search->blocking += kst_json_path_true(reference, "blockOwnerDeletion");
}

/* An object that has owners. */
static void check(struct kst_api *api, const char *bucket, const struct kst_object *object)
{
    const struct kst_json *list = kst_json_path(object->json, "metadata.ownerReferences");
    size_t solid = 0, waiting = 0, gone = 0;
    for (const struct kst_json *o = kst_json_first(list); o; o = kst_json_next(o)) {
        const struct kst_object *owner = owner_of(api, object, o);
        bool waits = owner && kst_api_is_deleting(owner->json) &&
                     has_finalizer(owner, "foregroundDeletion");
        gone += !owner;
        waiting += waits;
        solid += owner && !waits;
    }
    if (kst_api_is_deleting(object->json) || gone + waiting == 0)
        return;
    if (solid > 0) {
        forget_owners(api, bucket, object, is_gone, NULL);
        return;
    }
    const struct kst_api_call call = kst_api_call_for(api, bucket, object->ns, object->name,
                                                      manager);
    /* Only what has dependents of its own has anything to wait for. */
    struct search search = {.api = api, .owner = object};
    if (waiting)
        each_owned(api, count_owned, &search);
    bool keeps = kst_api_list_has(kst_json_path(object->json, "metadata.finalizers"), "orphan");
    const struct kst_api_delete options = {.uid = object->uid,
                                           .propagation = search.owned ? "Foreground"
                                                          : keeps      ? "Orphan"
                                                                       : "Background",
                                           .grace_seconds = -1};
    kst_json_free(kst_api_delete(api, &call, &options, NULL));
}

static void drop_finalizer(struct kst_api *api, const char *bucket, const struct kst_object *object,
                           const char *finalizer)
{
    struct kst_json *changed = kst_json_dup(object->json);
    kst_api_list_remove(kst_json_mut(changed, "metadata"), "finalizers", finalizer);
    write(api, bucket, object, changed);
}

/* An object that is being deleted, and waits for the collector. */
static void release(struct kst_api *api, const char *bucket, const struct kst_object *object)
{
    struct search search = {.api = api, .owner = object};
    if (has_finalizer(object, "orphan")) {
        each_owned(api, orphan, &search);
        drop_finalizer(api, bucket, object, "orphan");
    } else if (has_finalizer(object, "foregroundDeletion")) {
        each_owned(api, count_owned, &search);
        if (search.blocking == 0)
            drop_finalizer(api, bucket, object, "foregroundDeletion");
    }
}

static int64_t reconcile(const struct kst_control *control)
{
    struct kst_bucket *bucket;
    for (size_t i = 0; (bucket = kst_store_bucket_at(kst_api_store(control->api), i)); i++) {
        const char *name = kst_bucket_name(bucket);
        if (!kst_registry_of_bucket(kst_api_registry(control->api), bucket))
            continue;
        struct kst_control_list list = kst_control_list(control->api, name, NULL);
        for (size_t j = 0; j < list.count; j++) {
            if (kst_api_is_deleting(list.objects[j]->json))
                release(control->api, name, list.objects[j]);
            else if (kst_json_path(list.objects[j]->json, "metadata.ownerReferences"))
                check(control->api, name, list.objects[j]);
        }
        kst_control_list_release(&list);
    }
    return KST_NEVER;
}

const struct kst_controller kst_control_garbage = {
    .name = "kube-controller-manager",
    .buckets = {NULL},
    .reconcile = reconcile,
};
