/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controllers of the embedded cluster: what kube-controller-manager and kube-scheduler do. Each
 * looks at the whole of its buckets and does what is missing (level-triggered), so that nothing
 * depends on which change woke it. They run one after the other in one fiber, whenever a bucket of
 * theirs has changed, until nothing is left to do.
 */
#ifndef KST_SANDBOX_CONTROLLER_H
#define KST_SANDBOX_CONTROLLER_H

#include <stddef.h>
#include <stdint.h>

struct kst_api;
struct kst_controllers;
struct kst_err;
struct kst_json;
struct kst_loop;
struct kst_object;
struct kst_server;

/* What a controller is given. */
struct kst_control {
    struct kst_api *api;
    struct kst_server *server; /* signs tokens */
};

enum { KST_CONTROLLER_BUCKETS = 8 };

struct kst_controller {
    const char *name;                            /* also the manager of the fields that it writes */
    const char *buckets[KST_CONTROLLER_BUCKETS]; /* NULL-ended; none: every one */
    /* Does what is to be done; returns when it is to be called again though nothing has changed
     * (kst_now_ms() time, KST_NEVER). Never yields. */
    int64_t (*reconcile)(const struct kst_control *control);
};

/* All of them, ended by NULL. */
extern const struct kst_controller *const kst_all_controllers[];
extern const struct kst_controller kst_control_accounts, kst_control_namespaces,
    kst_control_garbage, kst_control_definitions, kst_control_statefulsets, kst_control_deployments,
    kst_control_replicasets, kst_control_daemonsets, kst_control_jobs, kst_control_cronjobs,
    kst_control_endpoints, kst_control_claims, kst_control_scheduler, kst_control_disruptions,
    kst_control_roles;

/* Starts them; what is borrowed must outlive them. */
struct kst_controllers *kst_controllers_start(struct kst_loop *loop, struct kst_api *api,
                                              struct kst_server *server);
/* Yields until they have ended. */
void kst_controllers_stop(struct kst_controllers *self);
/* Whether all that was to be done is done. */
int kst_controllers_are_idle(const struct kst_controllers *self);

/* ---- for controllers ---- */

/* The objects of a bucket, referenced: a controller changes the bucket while it goes through it. */
struct kst_control_list {
    struct kst_object **objects;
    size_t count;
};
struct kst_control_list kst_control_list(struct kst_api *api, const char *bucket, const char *ns);
void kst_control_list_release(struct kst_control_list *self);
/* The reference to an owner that controls what it owns; the caller owns it. */
struct kst_json *kst_control_owner(const char *api_version, const char *kind,
                                   const struct kst_object *owner);
/* Whether `object` is controlled by the owner. */
int kst_control_owns(const struct kst_object *owner, const struct kst_object *object);
/* Creates, or deletes (in the background, at the object's own grace); failures go to the log. The
 * object is taken. Returns 0 where it was done. */
int kst_control_create(struct kst_api *api, const char *bucket, const char *ns, const char *manager,
                       struct kst_json *object);
int kst_control_delete(struct kst_api *api, const char *bucket, const struct kst_object *object);
/* Replaces the object by a changed copy (taken). */
int kst_control_update(struct kst_api *api, const char *bucket, const struct kst_object *object,
                       const char *manager, struct kst_json *changed);
/* Whether labels are selected by a LabelSelector (absent: no). */
int kst_control_selects(const struct kst_json *selector, const struct kst_json *labels);
/* A Pod from a template (spec.template), named `name` or, where that is NULL, generated from
 * `prefix`; the caller owns it. */
struct kst_json *kst_control_pod(const struct kst_json *template, const char *ns, const char *name,
                                 const char *prefix, const struct kst_json *owner);
int kst_pod_is_ready(const struct kst_json *pod);
int kst_pod_is_finished(const struct kst_json *pod);

#endif
