/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one node of the embedded cluster, what a kubelet is to a real one: Pods that were scheduled
 * run as processes of this machine (container.h), with their volumes, probes, restarts and logs.
 */
#ifndef KST_SANDBOX_NODE_NODE_H
#define KST_SANDBOX_NODE_NODE_H

struct kst_api;
struct kst_err;
struct kst_httpd_request;
struct kst_images;
struct kst_loop;
struct kst_node;
struct kst_object;

struct kst_node_options {
    struct kst_api *api;
    const struct kst_images *images;
    const char *dir;      /* for logs and for volumes that live as long as their Pod */
    const char *api_host; /* where Pods of Jobs find the API server */
    int api_port;
};

/* Borrowed things must outlive it; the texts are copied. KST_E_IO. */
int kst_node_new(struct kst_loop *loop, const struct kst_node_options *options,
                 struct kst_node **out, struct kst_err **err);
/* Ends every process of every Pod, without any grace, and yields until they have ended; frees. NULL
 * is allowed. */
void kst_node_free(struct kst_node *self);

/* Serve the subresources of Pods (server.h), with the node as `arg`. */
void kst_node_log(void *arg, struct kst_httpd_request *request, const struct kst_object *pod);
void kst_node_exec(void *arg, struct kst_httpd_request *request, const struct kst_object *pod);
void kst_node_forward(void *arg, struct kst_httpd_request *request, const struct kst_object *pod);

/* The processes that use a volume stand still, and go on: for cuts that are not atomic. Nested; the
 * first yields until they stand. What would start meanwhile, a container or an exec, waits. */
void kst_node_hold(void *arg, const char *volume_path);
void kst_node_release(void *arg, const char *volume_path);

#endif
