/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the modules of kube/ share below the typed verbs: how a request is made up with fresh
 * credentials, how an answer becomes an error, how long to pause before the next try. No other
 * layer includes this.
 */
#ifndef KST_KUBE_INTERNAL_H
#define KST_KUBE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "loop/http.h"

struct kst_err;
struct kst_json;
struct kst_kube;
struct kst_kube_config;
struct kst_kube_request;
struct kst_kube_resource;
struct kst_loop;

/* ---- One try of a request ---- */

/* Everything that a kst_http_request needs, owned, so that other fibers may renew the credentials
 * while it is under way. `request` is ready for kst_http_do(), _open() and _raw_open(); the caller
 * may set its body, deadline_ms and stall_timeout_ms. The struct may not be moved. */
struct kst_kube_call {
    struct kst_http_request request;
    struct kst_http_tls tls;
    uint64_t generation;  /* of the credentials */
    char *url;            /* the server's, and the path */
    const char **headers; /* each owned; secrets among them */
    char *ca_pem, *cert_pem, *key_pem, *server_name, *proxy;
};

/* Fills *call for `path` (begins with "/", may hold a query) with credentials that are valid now,
 * the impersonation headers, User-Agent, and the `headers` given ("Name: value", ended by NULL,
 * copied; may be NULL). Yields where a credential plugin runs. On failure *call needs no release.
 */
int kst_kube_call_init(struct kst_kube *self, struct kst_kube_call *call, const char *method,
                       const char *path, const char *const *headers, struct kst_err **err);
/* As above after an answer of 401 to the credentials of `rejected_generation`: renews them first
 * where they can be. Compare call->generation afterwards: where it did not change, the credentials
 * are the same, and trying again is of no use. */
int kst_kube_call_init_rejected(struct kst_kube *self, struct kst_kube_call *call,
                                const char *method, const char *path, const char *const *headers,
                                uint64_t rejected_generation, struct kst_err **err);
/* Overwrites the secrets and frees. Allowed on a zeroed one, and twice. */
void kst_kube_call_release(struct kst_kube_call *call);
#define kst_auto_call __attribute__((cleanup(kst_kube_call_release))) struct kst_kube_call

/* ---- Answers as errors ---- */

/* What an error is about, for its words. All may be NULL. */
struct kst_kube_about {
    const char *what; /* "StatefulSet/shop/db" */
    const char *verb; /* as RBAC names it: "get", "list", "create", … */
    const char *path; /* of the request, for what Status leaves out */
};

/* Turns a failed answer into an error and returns its code. `http_status` may be 0 where the
 * object alone is known (an ERROR event of a watch, the error channel of an exec: then its `code`
 * counts). `status` is the parsed Status object, or NULL; `text` is used where there is none, cut
 * to one line. 404 and 410 to their own codes, 409 by reason (AlreadyExists or Conflict), 403 with
 * the rule that is missing, 422 with every field, 429 and 5xx to KST_E_SERVER. */
int kst_kube_status_error(struct kst_kube *self, const struct kst_kube_about *about,
                          long http_status, const struct kst_json *status, struct kst_str text,
                          struct kst_err **err);
/* Words a failure of kst_http_*() (KST_E_UNREACHABLE, _CLOSED, _TIMEOUT; other codes are left as
 * they are): the server's URL, the cause, a client certificate that has expired, and what to look
 * at. `sent` says whether the request may have arrived. Returns KST_E_UNREACHABLE. */
int kst_kube_transport_error(struct kst_kube *self, const struct kst_kube_about *about, bool sent,
                             struct kst_err **err);
/* Whether an error of kst_http_*() or kst_kube_transport_error() is one that trying again does not
 * mend: a certificate or a name that is wrong. */
bool kst_kube_error_is_lasting(const struct kst_err *err);
/* Whether an answer asks to come back later: 429, 500, 502, 503, 504 (and 408). */
bool kst_kube_status_is_passing(long http_status);

/* ---- Pauses ---- */

/* Exponential: up to 100 ms at first, at most 5 s, of which half is random. All zero is ready.  */
struct kst_kube_backoff {
    unsigned tries;
};
/* The next pause; not shorter than `retry_after_ms` (-1: none given). Counts the try. */
int64_t kst_kube_backoff_next_ms(struct kst_kube_backoff *self, int64_t retry_after_ms);
void kst_kube_backoff_reset(struct kst_kube_backoff *self);
/* When a request that starts now is given up: the sooner of the fiber's deadline and the client's
 * patience. KST_NEVER is possible. */
int64_t kst_kube_give_up_ms(const struct kst_kube *self);

/* ---- The client's guard and trace ---- */

/* Asks the guard; 0 where there is none. May yield. */
int kst_kube_check_guard(struct kst_kube *self, struct kst_err **err);
/* Calls the trace, where there is one (status 0: before it is sent, or no answer). */
void kst_kube_call_trace(struct kst_kube *self, const char *method, const char *path, long status,
                         int64_t took_us);

/* ---- Texts ---- */

/* "Kind/namespace/name" (`ns` and `name` may be NULL). The caller frees it. */
char *kst_kube_what(const struct kst_kube_resource *resource, const char *ns, const char *name);
/* Appends "?key=value" or "&key=value" to a path, escaped; nothing where `value` is NULL. */
void kst_kube_add_query(struct kst_buf *path, const char *key, const char *value);

/* ---- State of other modules on a client ---- */

enum kst_kube_slot { KST_KUBE_SLOT_EVENT, KST_KUBE_SLOTS };
/* A pointer of a module's own, on this client (not on its forks); freed with it by `release`. */
void *kst_kube_get_slot(const struct kst_kube *self, enum kst_kube_slot slot);
void kst_kube_set_slot(struct kst_kube *self, enum kst_kube_slot slot, void *value,
                       void (*release)(void *value));
/* The client that this one was forked from (itself where it was not). */
struct kst_kube *kst_kube_root(struct kst_kube *self);

#endif
