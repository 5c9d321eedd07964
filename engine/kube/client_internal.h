/* SPDX-License-Identifier: Apache-2.0 */
/* The client itself, for client.c, request.c, status.c and discovery.c alone. */
#ifndef KST_KUBE_CLIENT_INTERNAL_H
#define KST_KUBE_CLIENT_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "kube/client.h"
#include "kube/internal.h"

struct kst_kube_discovery;

struct kst_kube {
    struct kst_loop *loop;
    struct kst_kube_config *config;
    struct kst_kube *root; /* itself, where it was not forked */
    unsigned forks;        /* of the root: those that live */
    unsigned under_way;
    int64_t patience_ms;
    const char *agent; /* of the root */
    char *manager;     /* NULL: none of its own */
    void (*trace)(void *arg, const char *method, const char *path, long status, int64_t took_us);
    void *trace_arg;
    int (*guard)(void *arg, struct kst_err **err);
    void *guard_arg;
    struct {
        void *value;
        void (*release)(void *value);
    } slots[KST_KUBE_SLOTS];
    struct kst_kube_discovery *discovery; /* of the root; made when first needed */
};

/* What became of an exchange beside its result. */
struct kst_kube_outcome {
    bool lost;          /* a try may have been executed though no answer came */
    int64_t body_bytes; /* of the answer */
};
/* kst_kube_do_text() that tells; `outcome` may be NULL. *out is cleared before each try. */
int kst_kube_exchange(struct kst_kube *self, const struct kst_kube_request *request,
                      struct kst_buf *out, struct kst_kube_outcome *outcome, struct kst_err **err);
/* kst_kube_do() that tells. */
int kst_kube_exchange_json(struct kst_kube *self, const struct kst_kube_request *request,
                           struct kst_json **out, struct kst_kube_outcome *outcome,
                           struct kst_err **err);

/* The path of one page of a list. KST_E_LIMIT where the selectors are more than `out` takes. */
int kst_kube_list_path(const struct kst_kube_resource *resource, const char *ns,
                       const struct kst_kube_list_options *options, int limit, const char *token,
                       struct kst_buf *out, struct kst_err **err);
/* What such a request accepts; NULL for the usual. */
const char *kst_kube_list_accept(const struct kst_kube_list_options *options);
/* The items of a list mostly have no apiVersion and kind; as objects they have them, first. */
void kst_kube_complete_item(const struct kst_kube_resource *resource, struct kst_json *item);

/* Frees what discovery.c keeps on the root; NULL is allowed. */
void kst_kube_discovery_free(struct kst_kube_discovery *self);

#endif
