/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/control/backing.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "kube/selector.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* ---- Pods ---- */

bool kst_backing_is_ready(const struct kst_backing *self, const struct kst_object *pod)
{
    return self->tolerant || kst_pod_is_ready(pod->json);
}

/* One that has ended, and will not be restarted, is none of them any more. */
static bool can_come_back(const struct kst_json *pod)
{
    const char *policy = kst_api_text(pod, "spec.restartPolicy");
    const char *phase = kst_api_text(pod, "status.phase");
    if (is(policy, "Never"))
        return !is(phase, "Failed") && !is(phase, "Succeeded");
    return !is(policy, "OnFailure") || !is(phase, "Succeeded");
}

static bool counts(const struct kst_backing *self, const char *selector,
                   const struct kst_object *pod)
{
    if (!*kst_api_text(pod->json, "status.podIP") ||
        (kst_api_is_deleting(pod->json) && !self->tolerant) ||
        !kst_control_matches(selector, kst_json_path(pod->json, "metadata.labels")))
        return false;
    return kst_backing_is_ready(self, pod) || can_come_back(pod->json);
}

static int compare_pods(const void *left, const void *right)
{
    const struct kst_object *a = *(struct kst_object *const *)left;
    const struct kst_object *b = *(struct kst_object *const *)right;
    int order = strcmp(kst_api_text(a->json, "status.podIP"),
                       kst_api_text(b->json, "status.podIP"));
    return order ? order : strcmp(a->uid, b->uid);
}

static void find_pods(struct kst_backing *self)
{
    kst_auto_free char *selector = NULL;
    size_t kept = 0;
    kst_selector_text(kst_json_path(self->service->json, "spec.selector"), &selector, NULL);
    self->pods = kst_control_list(self->api, "/pods", self->service->ns);
    for (size_t i = 0; i < self->pods.count; i++) {
        if (counts(self, selector, self->pods.objects[i]))
            self->pods.objects[kept++] = self->pods.objects[i];
        else
            kst_object_unref(self->pods.objects[i]);
    }
    self->pods.count = kept;
    qsort(self->pods.objects, kept, sizeof(self->pods.objects[0]), compare_pods);
}

/* ---- ports ---- */

/* The number of a container's port by its name and protocol; 0 where the Pod has none. */
static int64_t named_port(const struct kst_json *pod, const char *name, const char *protocol)
{
    const struct kst_json *list = kst_json_path(pod, "spec.containers");
    for (const struct kst_json *c = kst_json_first(list); c; c = kst_json_next(c))
        for (const struct kst_json *p = kst_json_first(kst_json_get(c, "ports")); p;
             p = kst_json_next(p))
            if (is(kst_api_text(p, "name"), name) && is(kst_api_text(p, "protocol"), protocol))
                return kst_json_path_int(p, "containerPort", 0);
    return 0;
}

/* The Service's ports as this Pod has them. */
static struct kst_json *ports_of(const struct kst_backing *self, const struct kst_object *pod)
{
    struct kst_json *ports = kst_json_array();
    const struct kst_json *list = kst_json_path(self->service->json, "spec.ports");
    for (const struct kst_json *p = kst_json_first(list); p; p = kst_json_next(p)) {
        const struct kst_json *target = kst_json_get(p, "targetPort");
        int64_t number = 0;
        if (kst_json_str(target))
            number = named_port(pod->json, kst_json_str(target), kst_api_text(p, "protocol"));
        else if (!kst_json_int(target, &number))
            number = kst_json_path_int(p, "port", 0);
        if (number == 0)
            continue;
        struct kst_json *port = kst_json_object();
        if (*kst_api_text(p, "name"))
            kst_json_set_str(port, "name", kst_api_text(p, "name"));
        kst_json_set_int(port, "port", number);
        kst_json_set_str(port, "protocol", kst_api_text(p, "protocol"));
        if (kst_json_get(p, "appProtocol"))
            kst_json_set(port, "appProtocol", kst_json_dup(kst_json_get(p, "appProtocol")));
        kst_json_push(ports, port);
    }
    return ports;
}

/* Puts the Pod into the group of its ports (taken). */
static void add(struct kst_backing *self, const struct kst_object *pod, struct kst_json *ports)
{
    struct kst_backing_group *group = NULL;
    for (size_t i = 0; i < self->ngroups && !group; i++)
        if (kst_json_equal(self->groups[i].ports, ports))
            group = &self->groups[i];
    if (!group) {
        self->groups = kst_realloc(self->groups, (self->ngroups + 1) * sizeof(*self->groups));
        group = &self->groups[self->ngroups++];
        *group = (struct kst_backing_group){
            .ports = kst_take(ports), .pods = kst_calloc(self->pods.count, sizeof(*group->pods))};
    }
    kst_json_free(ports);
    group->pods[group->count++] = pod;
}

void kst_backing_init(struct kst_backing *self, struct kst_api *api,
                      const struct kst_object *service)
{
    *self = (struct kst_backing){.api = api, .service = service};
    self->tolerant = kst_json_path_true(service->json, "spec.publishNotReadyAddresses");
    bool any_ports = kst_json_len(kst_json_path(service->json, "spec.ports")) > 0;
    bool headless = is(kst_api_text(service->json, "spec.clusterIP"), "None");
    find_pods(self);
    for (size_t i = 0; i < self->pods.count; i++) {
        struct kst_json *ports = ports_of(self, self->pods.objects[i]);
        if (kst_json_len(ports) > 0 || (!any_ports && headless))
            add(self, self->pods.objects[i], ports);
        else
            kst_json_free(ports);
    }
}

void kst_backing_release(struct kst_backing *self)
{
    for (size_t i = 0; i < self->ngroups; i++) {
        kst_json_free(self->groups[i].ports);
        free(self->groups[i].pods);
    }
    free(self->groups);
    kst_control_list_release(&self->pods);
}

/* ---- what is told ---- */

struct kst_json *kst_backing_labels(const struct kst_backing *self)
{
    static const char headless[] = "service.kubernetes.io/headless";
    const struct kst_json *own = kst_json_path(self->service->json, "metadata.labels");
    const char *ip = kst_api_text(self->service->json, "spec.clusterIP");
    struct kst_json *labels = own ? kst_json_dup(own) : kst_json_object();
    kst_json_set_str(labels, headless, *ip && !is(ip, "None") ? NULL : "");
    return labels;
}

struct kst_json *kst_backing_reference(const struct kst_object *pod)
{
    kst_auto_free char *version = kst_asprintf("%lld", (long long)pod->version);
    return kst_json_make("{'kind':'Pod','namespace':%s,'name':%s,'uid':%s,'resourceVersion':%s}",
                         pod->ns, pod->name, pod->uid, version);
}

const char *kst_backing_hostname(const struct kst_backing *self, const struct kst_object *pod)
{
    const char *name = kst_api_text(pod->json, "spec.hostname");
    return *name && is(kst_api_text(pod->json, "spec.subdomain"), self->service->name) ? name
                                                                                       : NULL;
}

/* Takes the versions of the Pods out of subsets, or of a slice's endpoints. */
static void forget_versions(struct kst_json *value)
{
    static const char *const lists[] = {"addresses", "notReadyAddresses"};
    if (kst_json_type(value) == KST_JSON_ARRAY) {
        for (size_t i = 0; i < kst_json_len(value); i++)
            forget_versions(kst_json_mut_at(value, i));
        return;
    }
    if (kst_json_type(value) != KST_JSON_OBJECT)
        return;
    kst_json_remove(kst_json_mut(value, "targetRef"), "resourceVersion");
    for (size_t i = 0; i < KST_ARRAY_LEN(lists); i++)
        forget_versions(kst_json_mut(value, lists[i]));
}

bool kst_backing_same(const struct kst_json *a, const struct kst_json *b)
{
    kst_auto_json struct kst_json *left = kst_json_dup(a), *right = kst_json_dup(b);
    forget_versions(left);
    forget_versions(right);
    return kst_json_equal(left, right);
}
