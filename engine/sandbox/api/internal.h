/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the API's verbs share; see api.h. */
#ifndef KST_SANDBOX_API_INTERNAL_H
#define KST_SANDBOX_API_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/api/api.h"

enum { KST_API_OBJECT_BYTES = 3 * 512 * 1024 }; /* what etcd takes at most */

struct kst_api {
    struct kst_store *store;
    struct kst_registry *registry;
    char *ca;
    uint64_t service_ips; /* given so far */
    uint64_t node_ports;
};

/* The text at a path, "" where there is none. */
const char *kst_api_text(const struct kst_json *object, const char *path);
bool kst_api_is_deleting(const struct kst_json *object);
/* Whether any finalizer is left, in its metadata or, for a namespace, its spec. */
bool kst_api_has_finalizers(const struct kst_resource *resource, const struct kst_json *object);
/* Takes a text out of the list at `key`, and the list with it where it was the last. */
void kst_api_list_remove(struct kst_json *object, const char *key, const char *text);
bool kst_api_list_has(const struct kst_json *list, const char *text);
/* Seconds that somebody gave, in milliseconds: at most a hundred years either way, so that the sum
 * with a time is a time. */
int64_t kst_api_ms(int64_t seconds);

/* Reads an object as one of the resource's kind: kind and version must be right (built-in kinds may
 * leave them out), values of the types that fields have, and fields that the kind does not have are
 * dropped (read.c). NULL, or the Status that says why not. */
struct kst_json *kst_api_read(struct kst_api *self, const struct kst_api_call *call,
                              struct kst_json *object);
/* The same for what a patch has made of an object, in the words for patches; `patch` is shown, or
 * with NULL the object. */
struct kst_json *kst_api_read_patched(struct kst_api *self, const struct kst_api_call *call,
                                      const struct kst_json *patch, struct kst_json *object);
/* The same for what an applied configuration has made of it. */
struct kst_json *kst_api_read_applied(const struct kst_api_call *call, struct kst_json *object);
/* Fills in what every write needs, checks it, and stores it: `object` is taken and complete,
 * `live` is NULL for a creation. */
struct kst_json *kst_api_write(struct kst_api *self, const struct kst_api_call *call,
                               struct kst_object *live, struct kst_json *object,
                               struct kst_json **out);
/* What the server itself puts into a new object of this kind (admit.c); a Status where it may not
 * be created. */
struct kst_json *kst_admit_create(struct kst_api *self, const struct kst_api_call *call,
                                  struct kst_json *object);
/* The same for an object that is changed: what cannot change is put back. */
struct kst_json *kst_admit_update(struct kst_api *self, const struct kst_api_call *call,
                                  const struct kst_json *live, struct kst_json *object);
/* Whether limits and quotas allow a new object, or how one is to be changed: a Status where not.
 * After its validation: what it uses is noted. */
struct kst_json *kst_admit_check(struct kst_api *self, const struct kst_api_call *call,
                                 const struct kst_json *live, const struct kst_json *object);
/* Gives a Service addresses and ports, and keeps those that it has (admit_service.c). */
void kst_admit_service(struct kst_api *self, const struct kst_api_call *call,
                       const struct kst_json *live, struct kst_json *service);
/* A Status where what it asks for is not to be had. */
struct kst_json *kst_admit_service_check(struct kst_api *self, const struct kst_api_call *call,
                                         const struct kst_json *service);
/* After a change was stored: definitions are served, and so on. */
void kst_admit_stored(struct kst_api *self, const struct kst_api_call *call,
                      struct kst_object *object);
/* A definition was stored, or is gone (definitions.c). */
void kst_definition_stored(struct kst_api *self, struct kst_object *object);
void kst_definition_deleted(struct kst_api *self, const struct kst_json *definition);
void kst_admit_deleted(struct kst_api *self, const struct kst_resource *resource,
                       const struct kst_json *object);

/* The replicas of a Scale whose object has none, before a patch sets them. */
#define KST_SCALE_UNSET INT32_MIN
/* The Scale of an object, and the object with the replicas of a Scale. */
struct kst_json *kst_scale_of(const struct kst_resource *resource, const struct kst_json *object);
struct kst_json *kst_scale_set(const struct kst_resource *resource, struct kst_json *object,
                               const struct kst_json *scale);

#endif
