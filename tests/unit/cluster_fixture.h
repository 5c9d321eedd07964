/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded cluster in this process, for tests of its controllers and its node: what is done to
 * it and what is seen of it. Everything is about the namespace "default", or what has none, and
 * asserts. */
#ifndef KST_TESTS_UNIT_CLUSTER_FIXTURE_H
#define KST_TESTS_UNIT_CLUSTER_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>

struct kst_api;
struct kst_json;
struct kst_sandbox;

struct cluster {
    struct kst_api *api;
    struct kst_sandbox *sandbox;
    void (*body)(struct cluster *self);
    bool node;
};

/* Starts a cluster, with or without a node that runs Pods, and runs `body` in a fiber. */
void cluster_run(bool node, void (*body)(struct cluster *self));
/* Creates what the YAML describes, and lets the controllers do their work. */
void cluster_load(struct cluster *self, const char *yaml);
/* The Status that refuses it, or NULL where it was created; the caller frees it. */
struct kst_json *cluster_create(struct cluster *self, const char *yaml);
/* Until the controllers have nothing left to do. */
void cluster_settle(struct cluster *self);
/* A merge patch, of a subresource where that is not NULL; then settles. */
void cluster_patch(struct cluster *self, const char *bucket, const char *name,
                   const char *subresource, const char *patch);
/* The propagation may be NULL; then settles. */
void cluster_delete(struct cluster *self, const char *bucket, const char *name,
                    const char *propagation);

/* The object, or NULL; borrowed until something changes it. */
const struct kst_json *cluster_get(struct cluster *self, const char *bucket, const char *name);
size_t cluster_count(struct cluster *self, const char *bucket);
/* The name of the object at this place of the namespace's; borrowed as above. */
const char *cluster_name(struct cluster *self, const char *bucket, size_t index);
/* What lies at a path of it, as text without quotes; "" for nothing. The caller frees it. */
char *cluster_value(struct cluster *self, const char *bucket, const char *name, const char *path);
/* Asserts it, at once or within a while. */
void cluster_has(struct cluster *self, const char *bucket, const char *name, const char *path,
                 const char *expected);
void cluster_await(struct cluster *self, const char *bucket, const char *name, const char *path,
                   const char *expected);
void cluster_await_count(struct cluster *self, const char *bucket, size_t count);
/* The status of its condition of this type: "" where there is none. */
const char *cluster_condition(struct cluster *self, const char *bucket, const char *name,
                              const char *type, const char *key);
/* Whether an Event of this reason about the object says so. */
bool cluster_said(struct cluster *self, const char *name, const char *reason, const char *message);

/* What a node would say of a Pod: its phase, and whether it is ready. */
void cluster_pod_is(struct cluster *self, const char *pod, const char *phase, bool ready);
/* All Pods that are not finished run and are ready. */
void cluster_pods_are_ready(struct cluster *self);

#endif
