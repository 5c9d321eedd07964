/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints: the addresses of the Pods that a Service selects, and those of its Pods that are not
 * ready, apart. https://kubernetes.io/docs/concepts/services-networking/service/
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/control/backing.h"
#include "sandbox/control/controller.h"

#define ENDPOINTS "/endpoints"
#define TRIGGER   "endpoints.kubernetes.io/last-change-trigger-time"

static const char manager[] = "kube-controller-manager";

static struct kst_json *address_of(const struct kst_backing *backing, const struct kst_object *pod)
{
    struct kst_json *address = kst_json_make("{'ip':%s}", kst_api_text(pod->json, "status.podIP"));
    kst_auto_json struct kst_json *reference = kst_backing_reference(pod);
    kst_json_set_str(address, "hostname", kst_backing_hostname(backing, pod));
    if (*kst_api_text(pod->json, "spec.nodeName"))
        kst_json_set_str(address, "nodeName", kst_api_text(pod->json, "spec.nodeName"));
    kst_json_set(address, "targetRef", kst_take(reference));
    return address;
}

static struct kst_json *subset_of(const struct kst_backing *backing,
                                  const struct kst_backing_group *group)
{
    struct kst_json *subset = kst_json_object();
    for (int ready = 1; ready >= 0; ready--)
        for (size_t i = 0; i < group->count; i++)
            if (kst_backing_is_ready(backing, group->pods[i]) == ready)
                kst_json_push(kst_json_ensure_array(subset,
                                                    ready ? "addresses" : "notReadyAddresses"),
                              address_of(backing, group->pods[i]));
    if (kst_json_len(group->ports) > 0)
        kst_json_set(subset, "ports", kst_json_dup(group->ports));
    return subset;
}

static void set_trigger(struct kst_json *metadata)
{
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    kst_json_set_str(kst_json_ensure_object(metadata, "annotations"), TRIGGER, now);
}

static void keep_endpoints(const struct kst_backing *backing)
{
    const struct kst_object *service = backing->service;
    kst_auto_object struct kst_object *live = kst_object_ref(
        kst_api_find(backing->api, ENDPOINTS, service->ns, service->name));
    struct kst_json *wanted = live ? kst_json_dup(live->json)
                                   : kst_json_make("{'apiVersion':'v1','kind':'Endpoints',"
                                                   "'metadata':{'name':%s,'namespace':%s}}",
                                                   service->name, service->ns);
    struct kst_json *metadata = kst_json_mut(wanted, "metadata");
    kst_auto_json struct kst_json *labels = kst_backing_labels(backing);
    kst_auto_json struct kst_json *subsets = kst_json_array();
    for (size_t i = 0; i < backing->ngroups; i++)
        kst_json_push(subsets, subset_of(backing, &backing->groups[i]));
    const struct kst_json *old = live ? kst_json_get(live->json, "subsets") : NULL;
    bool same = live && kst_backing_same(old, kst_json_len(subsets) > 0 ? subsets : NULL) &&
                (kst_json_equal(kst_json_get(metadata, "labels"), labels) ||
                 (!kst_json_get(metadata, "labels") && kst_json_len(labels) == 0));
    if (same) {
        kst_json_free(wanted);
        return;
    }
    kst_json_set(metadata, "labels", kst_take(labels));
    kst_json_set(wanted, "subsets", kst_take(subsets));
    set_trigger(metadata);
    if (live)
        kst_control_update(backing->api, ENDPOINTS, live, manager, wanted);
    else
        kst_control_create(backing->api, ENDPOINTS, service->ns, manager, wanted);
}

static int64_t reconcile(const struct kst_control *control)
{
    struct kst_control_list list = kst_control_list(control->api, "/services", NULL);
    for (size_t i = 0; i < list.count; i++) {
        struct kst_backing backing;
        const struct kst_json *service = list.objects[i]->json;
        if (kst_api_is_deleting(service) ||
            kst_json_len(kst_json_path(service, "spec.selector")) == 0 ||
            strcmp(kst_api_text(service, "spec.type"), "ExternalName") == 0)
            continue;
        kst_backing_init(&backing, control->api, list.objects[i]);
        keep_endpoints(&backing);
        kst_slices_keep(&backing);
        kst_backing_release(&backing);
    }
    kst_control_list_release(&list);
    return KST_NEVER;
}

const struct kst_controller kst_control_endpoints = {
    .name = "endpoint-controller",
    .buckets = {"/services", "/pods", ENDPOINTS, "discovery.k8s.io/endpointslices"},
    .reconcile = reconcile,
};
