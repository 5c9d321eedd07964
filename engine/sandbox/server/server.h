/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API server of the embedded cluster: HTTP in front of api.h. Who asks (bearer tokens), whether
 * they may (RBAC), what they want to see (JSON, tables, metadata alone), lists in pages, watches,
 * and what is served by the node: logs and exec.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/
 */
#ifndef KST_SANDBOX_SERVER_SERVER_H
#define KST_SANDBOX_SERVER_SERVER_H

#include <stdbool.h>

struct kst_api;
struct kst_err;
struct kst_httpd_request;
struct kst_json;
struct kst_loop;
struct kst_object;
struct kst_server;

/* What a request to the server is, before it is served: for faults and traces. */
struct kst_server_look {
    const char *method, *path, *user, *agent;
    const char *verb; /* "get", "list", "watch", "create", …, "" for what is no resource */
    const char *resource, *subresource; /* plural; "" for none */
    const char *ns, *name;              /* "" for none */
};

enum kst_server_fault {
    KST_FAULT_NONE,
    KST_FAULT_RESET_BEFORE, /* the connection is reset, nothing was done */
    KST_FAULT_RESET_AFTER,  /* it was done, the connection is reset; a watch: after an event; a
                             * command: it ran, and nothing was heard of it */
    KST_FAULT_500,
    KST_FAULT_503,
    KST_FAULT_429, /* with Retry-After */
    KST_FAULT_409,
    KST_FAULT_410,      /* of lists; in watches, an event */
    KST_FAULT_HANG,     /* no answer until the client goes away */
    KST_FAULT_TRUNCATE, /* it was done, the answer ends in its middle; a watch: an event */
};

struct kst_server_options {
    const char *address; /* NULL: 127.0.0.1 */
    int port;            /* 0: any */
    bool tls;            /* with a certificate of its own, made at the start; without, who asks
                          * without a token is an administrator */
    /* The node behind the server (all may be NULL: answered as by a node that is away). They run
     * in the request's fiber and answer it. */
    void (*log)(void *arg, struct kst_httpd_request *request, const struct kst_object *pod);
    void (*exec)(void *arg, struct kst_httpd_request *request, const struct kst_object *pod);
    void (*forward)(void *arg, struct kst_httpd_request *request, const struct kst_object *pod);
    void *node;
    /* Asked for each request (may be NULL): what is to go wrong. */
    enum kst_server_fault (*fault)(void *arg, const struct kst_server_look *look);
    void *fault_arg;
    /* Told of each request when it was answered (may be NULL). */
    void (*trace)(void *arg, const struct kst_server_look *look, int code, double ms);
    void *trace_arg;
};

/* KST_E_IO, KST_E_EXISTS as kst_httpd_new(). */
int kst_server_new(struct kst_loop *loop, struct kst_api *api,
                   const struct kst_server_options *options, struct kst_server **out,
                   struct kst_err **err);
/* Yields until no request is served any more. */
void kst_server_stop(struct kst_server *self);
/* The API server goes away, as one that is killed: every connection ends, nobody listens. What it
 * serves is kept. Yields until no request is served any more; it may be away already. */
void kst_server_leave(struct kst_server *self);
/* It is back, at the same address. KST_E_EXISTS where the port was taken meanwhile, KST_E_IO. */
int kst_server_return(struct kst_server *self, struct kst_err **err);
/* After the stop; NULL is allowed. */
void kst_server_free(struct kst_server *self);
int kst_server_port(const struct kst_server *self);
const char *kst_server_url(const struct kst_server *self);
/* A kubeconfig file's text for its administrator; the caller frees it. It holds a secret. */
char *kst_server_kubeconfig(const struct kst_server *self);
/* A token of a service account, as its Pods get it; the caller frees it. */
char *kst_server_account_token(const struct kst_server *self, const char *ns, const char *name,
                               const char *uid);

#endif
