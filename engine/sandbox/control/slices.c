/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EndpointSlices: the same as Endpoints, in pieces.
 * https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/store.h"
#include "sandbox/control/backing.h"
#include "sandbox/control/controller.h"

#define SLICES  "discovery.k8s.io/endpointslices"
#define SERVICE "kubernetes.io/service-name"
#define BY      "endpointslice.kubernetes.io/managed-by"
#define TRIGGER "endpoints.kubernetes.io/last-change-trigger-time"

static const char manager[] = "kube-controller-manager";

enum { PIECE = 100 };

static struct kst_json *endpoint_of(const struct kst_backing *backing, const struct kst_object *pod)
{
    const char *node = kst_api_text(pod->json, "spec.nodeName");
    struct kst_json *endpoint = kst_json_make("{'addresses':[%s],'conditions':{'ready':%b}}",
                                              kst_api_text(pod->json, "status.podIP"),
                                              kst_backing_is_ready(backing, pod));
    kst_json_set_str(endpoint, "hostname", kst_backing_hostname(backing, pod));
    kst_json_set(endpoint, "targetRef", kst_backing_reference(pod));
    if (*node)
        kst_json_set(endpoint, "topology", kst_json_make("{'kubernetes.io/hostname':%s}", node));
    return endpoint;
}

/* The piece of a group that begins at an index; without a group, the one of a Service that has
 * nothing behind it. */
static struct kst_json *slice_of(const struct kst_backing *backing,
                                 const struct kst_backing_group *group, size_t first)
{
    struct kst_json *slice = kst_json_make("{'addressType':'IPv4','endpoints':null,'ports':null}");
    if (!group)
        return slice;
    struct kst_json *endpoints = kst_json_array(), *ports = kst_json_dup(group->ports);
    for (size_t i = first; i < group->count && i < first + PIECE; i++)
        kst_json_push(endpoints, endpoint_of(backing, group->pods[i]));
    for (size_t i = 0; i < kst_json_len(ports); i++)
        if (!kst_json_get(kst_json_at(ports, i), "name"))
            kst_json_set_str(kst_json_mut_at(ports, i), "name", "");
    kst_json_set(slice, "endpoints", endpoints);
    kst_json_set(slice, "ports", ports);
    return slice;
}

static bool is_of(const struct kst_backing *backing, const struct kst_object *slice)
{
    const struct kst_json *labels = kst_json_path(slice->json, "metadata.labels");
    const char *by = kst_json_str(kst_json_get(labels, BY));
    return kst_control_owns(backing->service, slice) && by &&
           strcmp(by, "endpointslice-controller.k8s.io") == 0 && !kst_api_is_deleting(slice->json);
}

static struct kst_json *labels_of(const struct kst_backing *backing)
{
    struct kst_json *labels = kst_backing_labels(backing);
    kst_json_set_str(labels, BY, "endpointslice-controller.k8s.io");
    kst_json_set_str(labels, SERVICE, backing->service->name);
    return labels;
}

static void set_trigger(const struct kst_backing *backing, struct kst_json *metadata)
{
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    if (backing->pods.count > 0)
        kst_json_set_str(kst_json_ensure_object(metadata, "annotations"), TRIGGER, now);
}

static void create(const struct kst_backing *backing, struct kst_json *contents)
{
    const struct kst_object *service = backing->service;
    const struct kst_api_call call = kst_api_call_for(backing->api, SLICES, service->ns, NULL,
                                                      manager);
    kst_auto_free char *prefix = kst_asprintf("%s-", service->name);
    kst_auto_json struct kst_json *owner = kst_control_owner("v1", "Service", service);
    kst_auto_json struct kst_json *labels = labels_of(backing);
    struct kst_json *slice = kst_json_make(
        "{'apiVersion':%s,'kind':'EndpointSlice','metadata':{'generateName':%s,'namespace':%s,"
        "'labels':%J,'ownerReferences':[%J]},'addressType':'IPv4','endpoints':%J,'ports':%J}",
        call.resource->api_version, prefix, service->ns, labels, owner,
        kst_json_get(contents, "endpoints"), kst_json_get(contents, "ports"));
    set_trigger(backing, kst_json_mut(slice, "metadata"));
    kst_json_free(contents);
    kst_control_create(backing->api, SLICES, service->ns, manager, slice);
}

/* Brings a slice that is there to these contents (taken). */
static void update(const struct kst_backing *backing, const struct kst_object *slice,
                   struct kst_json *contents)
{
    struct kst_json *changed = kst_json_dup(slice->json);
    struct kst_json *metadata = kst_json_mut(changed, "metadata");
    kst_auto_json struct kst_json *labels = labels_of(backing);
    bool same = kst_json_equal(kst_json_get(metadata, "labels"), labels) &&
                kst_json_equal(kst_json_get(changed, "ports"), kst_json_get(contents, "ports")) &&
                kst_backing_same(kst_json_get(changed, "endpoints"),
                                 kst_json_get(contents, "endpoints"));
    if (same) {
        kst_json_free(changed);
    } else {
        kst_json_set(metadata, "labels", kst_take(labels));
        kst_json_set(changed, "endpoints", kst_json_dup(kst_json_get(contents, "endpoints")));
        kst_json_set(changed, "ports", kst_json_dup(kst_json_get(contents, "ports")));
        set_trigger(backing, metadata);
        kst_control_update(backing->api, SLICES, slice, manager, changed);
    }
    kst_json_free(contents);
}

void kst_slices_keep(const struct kst_backing *backing)
{
    struct kst_control_list list = kst_control_list(backing->api, SLICES, backing->service->ns);
    size_t at = 0;
    for (size_t g = 0; g < backing->ngroups || g == 0; g++) {
        const struct kst_backing_group *group = backing->ngroups ? &backing->groups[g] : NULL;
        for (size_t first = 0; first == 0 || first < group->count; first += PIECE) {
            while (at < list.count && !is_of(backing, list.objects[at]))
                at++;
            if (at < list.count)
                update(backing, list.objects[at++], slice_of(backing, group, first));
            else
                create(backing, slice_of(backing, group, first));
            if (!group)
                break;
        }
    }
    for (; at < list.count; at++)
        if (is_of(backing, list.objects[at]))
            kst_control_delete(backing->api, SLICES, list.objects[at]);
    kst_control_list_release(&list);
}
