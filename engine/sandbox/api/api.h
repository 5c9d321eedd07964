/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs of the API on the store: what an API server does with an object between its decoding
 * and its answer. Naming, namespaces, defaults, pruning, validation, admission, generations,
 * finalizers, preconditions and dry runs are here; HTTP is not. The server's requests come through
 * here, and so do the controllers of the embedded cluster itself.
 *
 * Every verb returns NULL, or the Status that says why not (the caller frees it). None yields.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/
 */
#ifndef KST_SANDBOX_API_API_H
#define KST_SANDBOX_API_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kst_api;
struct kst_bucket;
struct kst_json;
struct kst_object;
struct kst_registry;
struct kst_resource;
struct kst_store;
struct kst_str;
struct kst_user;

/* An empty cluster: built-in resources and no objects. The caller frees it. */
struct kst_api *kst_api_new(void);
/* Nobody may serve or watch it any more; NULL is allowed. */
void kst_api_free(struct kst_api *self);
/* Its objects; borrowed. */
struct kst_store *kst_api_store(const struct kst_api *self);
/* What it serves; borrowed. */
struct kst_registry *kst_api_registry(const struct kst_api *self);
/* The certificate that clients inside of the cluster trust (kube-root-ca.crt); NULL for none. */
void kst_api_set_ca(struct kst_api *self, const char *pem);
const char *kst_api_ca(const struct kst_api *self);

/* What a request is about. */
struct kst_api_call {
    const struct kst_resource *resource;
    const char *ns;              /* NULL or "": none */
    const char *name;            /* NULL for collections */
    const char *subresource;     /* NULL: the object; "status", "scale" */
    const char *manager;         /* of the fields that are written */
    const struct kst_user *user; /* who asks; NULL: the cluster itself */
    bool dry_run;
    /* The body as it was sent, which errors of decoding quote; NULL: as the object is printed. */
    const struct kst_str *text;
};

/* Results: *out (may be NULL) is a copy in the version of the call's resource, owned by the
 * caller. */
struct kst_json *kst_api_get(struct kst_api *self, const struct kst_api_call *call,
                             struct kst_json **out);
/* `object` is taken. */
struct kst_json *kst_api_create(struct kst_api *self, const struct kst_api_call *call,
                                struct kst_json *object, struct kst_json **out);
/* `object` is taken; *created (may be NULL) tells of the few resources that a PUT creates. */
struct kst_json *kst_api_update(struct kst_api *self, const struct kst_api_call *call,
                                struct kst_json *object, bool *created, struct kst_json **out);

enum kst_api_patch {
    KST_API_PATCH_JSON,
    KST_API_PATCH_MERGE,
    KST_API_PATCH_STRATEGIC,
    KST_API_PATCH_APPLY,
};
/* `force` is for applying alone. *created (may be NULL) tells whether the apply created it. */
struct kst_json *kst_api_patch(struct kst_api *self, const struct kst_api_call *call,
                               enum kst_api_patch type, const struct kst_json *patch, bool force,
                               bool *created, struct kst_json **out);

struct kst_api_delete {
    const char *uid, *version; /* preconditions, or NULL */
    const char *propagation;   /* "Background", "Foreground", "Orphan"; NULL: as the object asks */
    int64_t grace_seconds;     /* -1: the object's own */
};
/* *out: the object, where it stays for a while or the resource shows what is deleted; else a
 * Status of success. `options` may be NULL. */
struct kst_json *kst_api_delete(struct kst_api *self, const struct kst_api_call *call,
                                const struct kst_api_delete *options, struct kst_json **out);

/* The object in the version of `resource`; the caller owns it. */
struct kst_json *kst_api_show(const struct kst_resource *resource, const struct kst_object *object);

/* For controllers: the same with the resource found by its bucket's name ("apps/statefulsets").
 * The name of the manager is theirs. */
struct kst_api_call kst_api_call_for(struct kst_api *self, const char *bucket, const char *ns,
                                     const char *name, const char *manager);
/* Replaces the status of an object, where it differs; what fails is not told, since the object
 * that is gone needs none. `status` is taken. */
void kst_api_set_status(struct kst_api *self, const char *bucket, const struct kst_object *object,
                        struct kst_json *status, const char *manager);
/* The objects of a bucket; NULL where the bucket has no such object. Borrowed. */
struct kst_object *kst_api_find(struct kst_api *self, const char *bucket, const char *ns,
                                const char *name);

/* A new UUID (version 4); the caller frees it. */
char *kst_api_uid(void);
/* Five letters that make a generated name unique, as Kubernetes chooses them; and a NUL. */
void kst_api_suffix(char out[6]);
/* The present time in RFC 3339, seconds; `out` holds KST_TIME_TEXT bytes. */
void kst_api_now(char *out);

#endif
