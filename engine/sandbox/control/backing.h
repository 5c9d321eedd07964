/* SPDX-License-Identifier: Apache-2.0 */
/* The Pods behind a Service, in groups of equal ports: what Endpoints and EndpointSlices tell. */
#ifndef KST_SANDBOX_CONTROL_BACKING_H
#define KST_SANDBOX_CONTROL_BACKING_H

#include <stdbool.h>
#include <stddef.h>

#include "sandbox/control/controller.h"

struct kst_json;
struct kst_object;

struct kst_backing_group {
    struct kst_json *ports; /* [{name, port, protocol, appProtocol}]; empty: of a Service without */
    const struct kst_object **pods;
    size_t count;
};

struct kst_backing {
    struct kst_api *api;
    const struct kst_object *service;
    struct kst_control_list pods; /* all that are selected and have an address, by address */
    struct kst_backing_group *groups;
    size_t ngroups;
    bool tolerant; /* Pods that are not ready count as ready */
};

/* Finds them; the service is borrowed. */
void kst_backing_init(struct kst_backing *self, struct kst_api *api,
                      const struct kst_object *service);
void kst_backing_release(struct kst_backing *self);
/* Whether the Pod is told of as one that can be asked. */
bool kst_backing_is_ready(const struct kst_backing *self, const struct kst_object *pod);
/* The labels of what is made for the Service; the caller owns them. */
struct kst_json *kst_backing_labels(const struct kst_backing *self);
/* {kind, namespace, name, uid, resourceVersion}; the caller owns it. */
struct kst_json *kst_backing_reference(const struct kst_object *pod);
/* The name that the Pod has below the Service's; NULL where it has none. */
const char *kst_backing_hostname(const struct kst_backing *self, const struct kst_object *pod);
/* Whether two values are the same but for the versions of the Pods that they refer to. */
bool kst_backing_same(const struct kst_json *a, const struct kst_json *b);

/* slices.c: keeps the EndpointSlices of a Service. */
void kst_slices_keep(const struct kst_backing *backing);

#endif
