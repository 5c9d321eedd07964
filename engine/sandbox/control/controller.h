/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controllers of the embedded cluster: what kube-controller-manager and kube-scheduler do. Each
 * looks at the whole of its buckets and does what is missing (level-triggered), so that nothing
 * depends on which change woke it. They run one after the other in one fiber, whenever a bucket of
 * theirs has changed, until nothing is left to do.
 */
#ifndef KST_SANDBOX_CONTROL_CONTROLLER_H
#define KST_SANDBOX_CONTROL_CONTROLLER_H

#include <stdbool.h>
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
    kst_control_roles, kst_control_quotas;

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
/* A reconcile() for controllers that keep each object of a bucket by itself: calls `keep` for all
 * of them, and returns the soonest time at which one is to be kept again. `ending`: those that are
 * being deleted, too. */
int64_t kst_control_each(const struct kst_control *control, const char *bucket, bool ending,
                         int64_t (*keep)(struct kst_api *api, const struct kst_object *object));
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
/* Replaces the object by a changed copy (taken): 0, or -1 where it cannot be. */
int kst_control_update(struct kst_api *api, const char *bucket, const struct kst_object *object,
                       const char *manager, struct kst_json *changed);
/* Whether labels are selected by a LabelSelector (absent: no). */
int kst_control_selects(const struct kst_json *selector, const struct kst_json *labels);
/* The same of its text, as kst_selector_text() gives it; NULL selects nothing. */
int kst_control_matches(const char *selector, const struct kst_json *labels);
/* As Kubernetes writes hashes of templates and revisions; the caller frees it. `salt` tells apart
 * what would get the same. */
char *kst_control_hash(const struct kst_json *value, int64_t salt);
/* A whole number, or a percentage of `total` as text ("25%"), rounded up or down. */
int64_t kst_control_scaled(const struct kst_json *value, int64_t total, int up);
/* The condition of this type in a list, NULL where there is none; and the list without it. */
const struct kst_json *kst_control_condition(const struct kst_json *list, const char *type);
void kst_control_condition_remove(struct kst_json *list, const char *type);
/* The text of an annotation; "" where there is none. */
const char *kst_control_annotation(const struct kst_object *object, const char *key);
/* When (kst_now_ms() time) it will be `after_s` seconds past a time in RFC 3339. */
int64_t kst_control_time(const char *since, int64_t after_s);

/* scheduler.c: whether a node is among those that a Pod's selector and required affinity
 * ask for. */
int kst_control_node_fits(const struct kst_json *pod_spec, const struct kst_object *node);

/* binding.c */

/* The node of a claim whose class waits for its first Pod, as the scheduler chose it. */
#define KST_CONTROL_SELECTED_NODE "volume.kubernetes.io/selected-node"
/* Whether the claim's class binds when the first Pod is scheduled. */
bool kst_control_is_delayed(struct kst_api *api, const struct kst_object *claim);
/* Binds a claim that is not being deleted, asks for its volume, or tells what it waits for. */
void kst_control_bind(struct kst_api *api, const struct kst_object *claim);
/* Binds a claim that waited for its Pod to a volume that is there: false where none fits. */
bool kst_control_give_volume(struct kst_api *api, const struct kst_object *claim);
/* Frees a volume whose claim is bound to another one; one that was made for the claim alone is
 * released. */
void kst_control_unbind(struct kst_api *api, const struct kst_object *volume);
/* Whether a Pod that still runs (or will) uses the claim. */
bool kst_control_is_used(struct kst_api *api, const struct kst_object *claim);

/* revisions.c */

#define KST_CONTROL_REVISION "controller-revision-hash"
/* The name of the revision of an owner's present template; the caller frees it. Its
 * ControllerRevision is made where it is not there, and those that nothing uses any more are
 * forgotten beyond the history's limit. The hash is the end of the name, and the value of a label
 * of the revision. */
char *kst_control_revision(struct kst_api *api, const struct kst_object *owner, const char *label);

/* owned.c */

/* What an owner controls by its spec.selector, of what `counts` (NULL: all): objects that nobody
 * controls are adopted, those that are not selected any more are let go. */
struct kst_control_list kst_control_claim(struct kst_api *api, const struct kst_object *owner,
                                          const char *bucket,
                                          int (*counts)(const struct kst_json *object));
/* A Pod from a template (spec.template), named `name` or, where that is NULL, generated from
 * `prefix`; the caller owns it. */
struct kst_json *kst_control_pod(const struct kst_json *template, const char *ns, const char *name,
                                 const char *prefix, const struct kst_json *owner);
/* Creates a Pod (taken), or deletes one, in the name of a controller, and tells so by an Event.
 * -1 with the reason where it cannot be created, or could not a moment ago; the caller frees
 * *why, and tries again at kst_control_failed_until(). */
int kst_control_pod_create(struct kst_api *api, const struct kst_object *owner,
                           const char *component, struct kst_json *pod, char **why);
int kst_control_pod_delete(struct kst_api *api, const struct kst_object *owner,
                           const char *component, const struct kst_object *pod);
/* Sorts Pods so that the ones that are missed least come first. */
void kst_control_pods_sort(struct kst_control_list *pods);
int kst_pod_is_ready(const struct kst_json *pod);
int kst_pod_is_finished(const struct kst_json *pod);
/* Neither finished nor being deleted. */
int kst_pod_is_active(const struct kst_json *pod);
/* Since when it has been available, having been ready for so many seconds: 0 now, KST_NEVER not
 * while it is not ready, else when it will be. */
int64_t kst_pod_available_at(const struct kst_json *pod, int64_t min_ready_s);

/* event.c */

/* An Event about an object: "Normal" or "Warning"; the same again is counted. The component is
 * who tells it ("job-controller"). */
void kst_control_event(struct kst_api *api, const struct kst_object *about, const char *component,
                       const char *type, const char *reason, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* The same where it has not been told yet: of what is looked at again and again. */
void kst_control_event_once(struct kst_api *api, const struct kst_object *about,
                            const char *component, const char *type, const char *reason,
                            const char *format, ...) __attribute__((format(printf, 6, 7)));
/* Until when a controller lets be what it could not create for an owner, as its Event FailedCreate
 * says: the more often it failed, the longer, a minute at most. 0 where it may be tried now; else
 * the caller frees *message (which may be NULL). */
int64_t kst_control_failed_until(struct kst_api *api, const struct kst_object *about,
                                 const char *component, char **message);
/* An Event about a part of an object ("spec.containers{web}"). */
void kst_control_event_of(struct kst_api *api, const struct kst_object *about, const char *field,
                          const char *component, const char *type, const char *reason,
                          const char *format, ...) __attribute__((format(printf, 7, 8)));

#endif
