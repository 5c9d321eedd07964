/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a Kubernetes API server: authenticated, over one reused connection, retried where
 * that is safe, with Status errors turned into our codes.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/
 *
 * Retries. A request that surely never reached the server, and an idempotent one (GET, PUT and
 * PATCH with a resourceVersion or of server-side apply, DELETE with a uid precondition or of a
 * name that only we use) is repeated after resets, time-outs, 429 and 5xx with growing pauses and
 * as Retry-After says, until its deadline. A POST whose answer was lost is not repeated blindly:
 * kst_kube_create() looks whether the object is there and ours.
 *
 * All functions yield; all stop with KST_E_CANCELLED and KST_E_TIMEOUT as fibers do. Errors:
 * KST_E_UNREACHABLE, _FORBIDDEN (with the verb, resource and namespace that RBAC lacks),
 * _NOT_FOUND, _EXISTS, _CONFLICT, _INVALID (with the fields), _GONE, _SERVER. Messages name
 * kind/namespace/name.
 */
#ifndef KST_KUBE_CLIENT_H
#define KST_KUBE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kst_buf;
struct kst_err;
struct kst_json;
struct kst_kube;
struct kst_kube_config;
struct kst_kube_resource;
struct kst_loop;

/* The configuration is borrowed for the client's life. Nothing is sent yet. */
struct kst_kube *kst_kube_new(struct kst_loop *loop, struct kst_kube_config *config);
/* Asserts that no request is under way. */
void kst_kube_free(struct kst_kube *self);
struct kst_loop *kst_kube_loop(const struct kst_kube *self);
struct kst_kube_config *kst_kube_get_config(const struct kst_kube *self);

/* How long an operation is retried when the fiber has no sooner deadline (default 30 s);
 * KST_NEVER: until cancelled. Per fiber-tree use kst_deadline_set(); this is for the client. */
void kst_kube_set_patience_ms(struct kst_kube *self, int64_t patience_ms);
/* Called before each request is sent and after each answer (status 0: none), for traces and
 * counters; NULL stops. `path` holds no secret. */
void kst_kube_set_trace(struct kst_kube *self,
                        void (*trace)(void *arg, const char *method, const char *path, long status,
                                      int64_t took_us),
                        void *arg);
/* How it calls itself in its requests' User-Agent, before the version; "kassette" unless set. The
 * text is borrowed for the client's life; forks have it too. */
void kst_kube_set_agent(struct kst_kube *self, const char *agent);
/* The field manager of what this client (not its forks) creates, updates and patches; NULL: the
 * server's default, and "kassette" for server-side apply. Copied. An object that has such a field
 * manager counts as ours where an answer was lost or an object is adopted (kst_kube_create()).
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers */
void kst_kube_set_manager(struct kst_kube *self, const char *manager);
/* Whether the manager has written a field of the object (metadata.managedFields). */
bool kst_kube_is_managed_by(const struct kst_json *object, const char *manager);
/* The same of this client's own manager; false where it has none. */
bool kst_kube_has_written(const struct kst_kube *self, const struct kst_json *object);
/* A guard of this client (not of its forks), called before each request that changes something;
 * what it returns (negative, with *err) is the request's result and nothing is sent. The run's
 * lease fences its writes with it. NULL takes it away. Execs are not guarded, so that
 * a thaw never waits for a lease. */
void kst_kube_set_guard(struct kst_kube *self, int (*guard)(void *arg, struct kst_err **err),
                        void *arg);
/* A second client of the same configuration, connections and discovery cache, with its own guard
 * and trace (at first that of the given one): one a run. It is freed before the first. */
struct kst_kube *kst_kube_fork(struct kst_kube *self);

/* One exchange below the typed verbs. `path` begins with "/" and may hold a query. */
struct kst_kube_request {
    const char *method;
    const char *path;
    const char *content_type; /* of the body; NULL: application/json */
    const char *accept;       /* NULL: application/json */
    const struct kst_json *body;
    bool idempotent;    /* may be repeated though it may have been executed */
    const char *what;   /* for errors: "StatefulSet/shop/db" */
    const char *verb;   /* for errors: "get", "list", … */
    size_t max_bytes;   /* of the answer; 0: 64 MiB */
    int64_t timeout_ms; /* of one try; 0: 30 s */
};
/* *out: the parsed answer (NULL where `out` is NULL, or the answer had no body). */
int kst_kube_do(struct kst_kube *self, const struct kst_kube_request *request,
                struct kst_json **out, struct kst_err **err);
/* As above for answers that are not JSON. */
int kst_kube_do_text(struct kst_kube *self, const struct kst_kube_request *request,
                     struct kst_buf *out, struct kst_err **err);

/* The typed verbs. `ns` is NULL for cluster-scoped resources (and lists over all namespaces). */
int kst_kube_get(struct kst_kube *self, const struct kst_kube_resource *resource, const char *ns,
                 const char *name, struct kst_json **out, struct kst_err **err);

struct kst_kube_list_options {
    const char *label_selector;
    const char *field_selector;
    int page_size;      /* 0: 500 */
    bool metadata_only; /* PartialObjectMetadata */
};
/* Calls `each` for every object, page by page (the object is borrowed for the call; a negative
 * return ends the list with it; it may yield). Items get their apiVersion and kind. A 410 in the
 * middle starts again from the first page after telling `restart` (may be NULL: then items may
 * come twice). *resource_version (may be NULL) is the list's, freed by the caller. */
int kst_kube_list_each(struct kst_kube *self, const struct kst_kube_resource *resource,
                       const char *ns, const struct kst_kube_list_options *options,
                       int (*each)(void *arg, const struct kst_json *object, struct kst_err **err),
                       void (*restart)(void *arg), void *arg, char **resource_version,
                       struct kst_err **err);
/* All of them as a JSON array, for small lists; KST_E_LIMIT beyond 64 MiB of text. */
int kst_kube_list(struct kst_kube *self, const struct kst_kube_resource *resource, const char *ns,
                  const struct kst_kube_list_options *options, struct kst_json **items,
                  char **resource_version, struct kst_err **err);

/* How many there are, as the server says it. */
int kst_kube_count(struct kst_kube *self, const struct kst_kube_resource *resource, const char *ns,
                   int64_t *count, struct kst_err **err);

/* Creates. Where an answer was lost and the object is there with the same kassette.io/run and
 * kassette.io/step labels as `object`, that is success (the object was adopted); `adopt` asks for
 * the same where the first answer is AlreadyExists. *out may be NULL. */
int kst_kube_create(struct kst_kube *self, const struct kst_kube_resource *resource, const char *ns,
                    const struct kst_json *object, bool adopt, struct kst_json **out,
                    struct kst_err **err);
/* PUT; the object holds its name and resourceVersion. `subresource` may be NULL or "status". */
int kst_kube_update(struct kst_kube *self, const struct kst_kube_resource *resource, const char *ns,
                    const struct kst_json *object, const char *subresource, struct kst_json **out,
                    struct kst_err **err);

enum kst_kube_patch {
    KST_PATCH_JSON,  /* RFC 6902 */
    KST_PATCH_MERGE, /* RFC 7386 */
    KST_PATCH_STRATEGIC,
    KST_PATCH_APPLY, /* server-side apply, forced */
};
int kst_kube_patch(struct kst_kube *self, const struct kst_kube_resource *resource, const char *ns,
                   const char *name, const char *subresource, enum kst_kube_patch type,
                   const struct kst_json *patch, struct kst_json **out, struct kst_err **err);

/* A merge patch of members that nobody else sets in between, so that it may be repeated: where an
 * answer was lost, and after a conflict. `subresource` may be NULL or "status"; *out may be NULL.
 */
int kst_kube_merge(struct kst_kube *self, const struct kst_kube_resource *resource, const char *ns,
                   const char *name, const char *subresource, const struct kst_json *patch,
                   struct kst_json **out, struct kst_err **err);
/* Sets labels that are ours alone (null takes one away); repeated where an answer was lost, and
 * after a conflict. */
int kst_kube_label(struct kst_kube *self, const struct kst_kube_resource *resource, const char *ns,
                   const char *name, const struct kst_json *labels, struct kst_err **err);

/* Calls `fn`, which reads an object and writes it back, until that meets no KST_E_CONFLICT: at most
 * 20 times, a moment apart (client-go's RetryOnConflict). What it returned last. Yields. */
int kst_kube_over_conflicts(int (*fn)(void *arg, struct kst_err **err), void *arg,
                            struct kst_err **err);

struct kst_kube_delete_options {
    const char *propagation; /* "Background", "Foreground", "Orphan"; NULL: the server's default */
    int64_t grace_seconds;   /* -1: the object's own */
    const char *uid;         /* precondition */
};
/* NULL options: defaults. Not found is KST_E_NOT_FOUND. */
int kst_kube_delete(struct kst_kube *self, const struct kst_kube_resource *resource, const char *ns,
                    const char *name, const struct kst_kube_delete_options *options,
                    struct kst_err **err);

/* Text of a Pod's log (`tail_lines` < 0: all), at most the buffer's cap: KST_E_LIMIT beyond. */
int kst_kube_logs(struct kst_kube *self, const char *ns, const char *pod, const char *container,
                  bool previous, int64_t tail_lines, struct kst_buf *out, struct kst_err **err);
/* Follows it: `each` gets every line (without its end) until the container ends. */
int kst_kube_logs_follow(struct kst_kube *self, const char *ns, const char *pod,
                         const char *container,
                         int (*each)(void *arg, const char *line, size_t len, struct kst_err **err),
                         void *arg, struct kst_err **err);

/* "v1.20.2", for `kassette version`; the caller frees it. */
int kst_kube_server_version(struct kst_kube *self, char **version, struct kst_err **err);

/* "Kind/namespace/name" of an object, for messages; the caller frees it. */
char *kst_kube_describe(const struct kst_json *object);

#endif
