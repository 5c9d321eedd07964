/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the node share; see node.h. */
#ifndef KST_SANDBOX_NODE_INTERNAL_H
#define KST_SANDBOX_NODE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "loop/fiber.h"
#include "sandbox/node/container.h"
#include "sandbox/node/node.h"

struct kst_json;
struct kst_pod;

struct kst_node {
    struct kst_loop *loop;
    struct kst_api *api;
    const struct kst_images *images;
    char *dir, *api_host;
    int api_port;
    struct kst_pod *pods;
    unsigned addresses; /* given so far */
    bool stopping;
    struct kst_cond changed;    /* a Pod has ended */
    struct kst_node_held *held; /* volumes that are being copied */
    unsigned holding;           /* who is going through the Pods, and yields */
    struct kst_cond released;
    struct kst_fiber *keeper;
};

/* How a container is; texts are owned. */
struct kst_pod_state {
    enum { KST_STATE_WAITING, KST_STATE_RUNNING, KST_STATE_ENDED } now;
    char *reason, *message;
    int64_t started_ms, ended_ms;
    int exit_code;
};

struct kst_pod_container {
    struct kst_pod *pod;
    char *name;
    const struct kst_json *spec; /* of the Pod's */
    bool init, ready, started;
    bool pulled; /* its image was found */
    int restarts;
    struct kst_pod_state state, last;
    struct kst_container *process; /* NULL unless it runs */
    struct kst_fiber *fiber, *probes;
    unsigned users; /* execs that use the process, and what holds it */
    unsigned held;
    struct kst_cond unused;
};

enum { KST_POD_CONTAINERS = 32, KST_POD_MOUNTS = 64 };

struct kst_pod {
    struct kst_node *node;
    struct kst_pod *next;
    char *ns, *name, *uid, *dir, *ip;
    struct kst_json *json; /* as it was when it came to the node */
    bool host_network;
    char *paths[KST_POD_MOUNTS]; /* of its volumes, by their place in spec.volumes */
    struct kst_container_group *group;
    struct kst_pod_container containers[KST_POD_CONTAINERS]; /* init ones first */
    size_t ncontainers;
    int64_t start_ms;
    struct kst_fiber *fiber;
    struct kst_cond wake;
    bool ending;  /* its containers are stopped */
    bool overdue; /* it ran for longer than it may */
    bool gone;    /* the object is not there any more */
};

/* pod.c: a Pod's life, in a fiber of its own. */
struct kst_pod *kst_pod_start(struct kst_node *node, const struct kst_object *object);
void kst_pod_free(struct kst_pod *self);
/* Where its containers are being stopped, their grace is over. */
void kst_pod_kill(struct kst_pod *self);
struct kst_pod *kst_pod_find(const struct kst_node *node, const char *ns, const char *name);
struct kst_pod_container *kst_pod_container_find(struct kst_pod *self, const char *name);
/* Ends a container that runs, politely, and yields until it has ended: at most its Pod's grace, or
 * until the fiber is cancelled. */
void kst_pod_container_end(struct kst_pod_container *self);
void kst_pod_set_waiting(struct kst_pod_container *self, const char *reason, const char *message);

/* status.c: puts what the containers are into the Pod's status. */
void kst_pod_tell(struct kst_pod *self);

/* An Event about a container, as kubelet tells it ("Normal" or "Warning"). */
void kst_pod_event(const struct kst_pod_container *self, const char *type, const char *reason,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* volumes.c: makes its volumes. KST_E_NOT_FOUND names what is missing, for a while maybe. */
int kst_pod_make_volumes(struct kst_pod *self, struct kst_err **err);
/* The mounts of a container; `count` of them are filled in. Paths are borrowed from the Pod. */
int kst_pod_mounts(struct kst_pod *self, const struct kst_json *container,
                   struct kst_container_mount *mounts, size_t *count, struct kst_err **err);

/* hold.c: yields while a volume of the Pod is being copied: nothing may begin to write then.
 * KST_E_CANCELLED. */
int kst_pod_await_release(const struct kst_pod *self, struct kst_err **err);

/* spec.c: starts a container's process. KST_E_NOT_FOUND: no such image or program. */
int kst_pod_container_start(struct kst_pod_container *self, struct kst_err **err);
/* Where its log lies; the caller frees it. */
char *kst_pod_log_path(const struct kst_pod_container *self, int restarts);

/* probe.c: watches over a running container until it is cancelled; kills one that is not
 * alive. */
int kst_pod_probe(void *arg, struct kst_err **err);
/* Runs a handler (exec, httpGet, tcpSocket) once; 0 where it succeeds. Yields. */
int kst_pod_run_handler(struct kst_pod_container *self, const struct kst_json *handler,
                        int64_t timeout_ms, struct kst_err **err);

#endif
