/* SPDX-License-Identifier: Apache-2.0 */
/*
 * StatefulSets: numbered Pods with claims of their own, made in order and removed in reverse.
 * https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"

#define SETS     "apps/statefulsets"
#define REVISION KST_CONTROL_REVISION

enum { MAX_PODS = 1000 };

static const char manager[] = "kube-controller-manager";
static const char component[] = "statefulset-controller";

struct set {
    struct kst_api *api;
    const struct kst_object *object;
    const struct kst_json *spec;
    char *revision;      /* of the template as it is now */
    const char *current; /* the one before, while it is being replaced; else the same */
    int64_t again_ms;
    struct kst_object *pods[MAX_PODS];
    int64_t wanted, highest; /* ordinals: 0 … wanted - 1; the highest Pod there is, -1 for none */
    bool parallel;
};

/* ---- Pods ---- */

static int64_t ordinal_of(const struct kst_object *set, const char *pod)
{
    size_t len = strlen(set->name);
    long long ordinal = 0;
    if (strncmp(pod, set->name, len) != 0 || pod[len] != '-' ||
        !kst_parse_int(pod + len + 1, &ordinal) || ordinal < 0 || ordinal >= MAX_PODS)
        return -1;
    return ordinal;
}

/* A Pod of the right name and labels that nobody controls becomes the set's. */
static bool adopt(struct set *set, const struct kst_object *pod)
{
    const struct kst_json *refs = kst_json_path(pod->json, "metadata.ownerReferences");
    if (kst_json_len(refs) > 0 || kst_api_is_deleting(pod->json) ||
        !kst_control_selects(kst_json_get(set->spec, "selector"),
                             kst_json_path(pod->json, "metadata.labels")))
        return false;
    struct kst_json *changed = kst_json_dup(pod->json);
    kst_json_push(kst_json_ensure_array(kst_json_mut(changed, "metadata"), "ownerReferences"),
                  kst_control_owner("apps/v1", "StatefulSet", set->object));
    return kst_control_update(set->api, "/pods", pod, manager, changed) == 0;
}

static void find_pods(struct set *set)
{
    struct kst_control_list list = kst_control_list(set->api, "/pods", set->object->ns);
    set->highest = -1;
    for (size_t i = 0; i < list.count; i++) {
        struct kst_object *pod = list.objects[i];
        int64_t ordinal = ordinal_of(set->object, pod->name);
        if (ordinal < 0 || (!kst_control_owns(set->object, pod) && !adopt(set, pod)))
            continue;
        set->pods[ordinal] = kst_object_ref(pod);
        set->highest = ordinal > set->highest ? ordinal : set->highest;
    }
    kst_control_list_release(&list);
}

static const struct kst_json *claim_templates(const struct set *set)
{
    return kst_json_get(set->spec, "volumeClaimTemplates");
}

static char *claim_name(const struct set *set, const struct kst_json *template, int64_t ordinal)
{
    return kst_asprintf("%s-%s-%" PRId64, kst_api_text(template, "metadata.name"),
                        set->object->name, ordinal);
}

/* The template and the revision for a Pod: those that an update does not reach yet (`partition`)
 * are made as they were. */
static const struct kst_json *template_for(const struct set *set, int64_t ordinal,
                                           const char **revision)
{
    const struct kst_json *strategy = kst_json_get(set->spec, "updateStrategy");
    const struct kst_object *before = NULL;
    if (strcmp(kst_api_text(strategy, "type"), "RollingUpdate") == 0 &&
        ordinal < kst_json_path_int(strategy, "rollingUpdate.partition", 0))
        before = kst_api_find(set->api, "apps/controllerrevisions", set->object->ns, set->current);
    *revision = before ? set->current : set->revision;
    return before ? kst_json_path(before->json, "data.spec.template")
                  : kst_json_get(set->spec, "template");
}

/* Creates an object (taken) and tells so by an Event; what fails is tried again. */
static bool create(struct set *set, const char *bucket, struct kst_json *object, const char *what)
{
    set->again_ms = kst_control_failed_until(set->api, set->object, component, NULL);
    if (set->again_ms > 0) {
        kst_json_free(object);
        return false;
    }
    set->again_ms = KST_NEVER;
    const struct kst_api_call call = kst_api_call_for(set->api, bucket, set->object->ns, NULL,
                                                      manager);
    kst_auto_json struct kst_json *status = kst_api_create(set->api, &call, object, NULL);
    bool claim = strcmp(bucket, "/pods") != 0;
    if (status) {
        kst_control_event(set->api, set->object, component, "Warning", "FailedCreate",
                          "create %s in StatefulSet %s failed error: %s", what, set->object->name,
                          kst_status_message(status));
        set->again_ms = kst_control_failed_until(set->api, set->object, component, NULL);
        return false;
    }
    kst_control_event(set->api, set->object, component, "Normal", "SuccessfulCreate",
                      "create %s in StatefulSet %s success%s", what, set->object->name,
                      claim ? "" : "ful");
    return true;
}

static bool make_claims(struct set *set, int64_t ordinal, const char *pod)
{
    const struct kst_json *list = claim_templates(set);
    for (const struct kst_json *t = kst_json_first(list); t; t = kst_json_next(t)) {
        kst_auto_free char *name = claim_name(set, t, ordinal);
        if (kst_api_find(set->api, "/persistentvolumeclaims", set->object->ns, name))
            continue;
        struct kst_json *claim = kst_json_dup(t);
        kst_json_set_str(claim, "apiVersion", "v1");
        kst_json_set_str(claim, "kind", "PersistentVolumeClaim");
        kst_json_remove(claim, "status");
        struct kst_json *metadata = kst_json_ensure_object(claim, "metadata");
        kst_json_set_str(metadata, "name", name);
        kst_json_set_str(metadata, "namespace", set->object->ns);
        const struct kst_json *labels = kst_json_path(set->spec, "selector.matchLabels");
        struct kst_json *own = kst_json_ensure_object(metadata, "labels");
        for (const struct kst_json *l = kst_json_first(labels); l; l = kst_json_next(l))
            kst_json_set(own, kst_json_key(l), kst_json_dup(l));
        kst_auto_free char *what = kst_asprintf("Claim %s Pod %s", name, pod);
        if (!create(set, "/persistentvolumeclaims", claim, what))
            return false;
    }
    return true;
}

/* The claims as volumes of the Pod, in the place of volumes of the same name. */
static void mount_claims(const struct set *set, struct kst_json *pod, int64_t ordinal)
{
    struct kst_json *spec = kst_json_mut(pod, "spec");
    struct kst_json *volumes = kst_json_array();
    const struct kst_json *list = claim_templates(set);
    for (const struct kst_json *t = kst_json_first(list); t; t = kst_json_next(t)) {
        kst_auto_free char *claim = claim_name(set, t, ordinal);
        kst_json_push(volumes, kst_json_make("{'name':%s,'persistentVolumeClaim':{'claimName':%s}}",
                                             kst_api_text(t, "metadata.name"), claim));
    }
    const struct kst_json *old = kst_json_get(spec, "volumes");
    for (const struct kst_json *v = kst_json_first(old); v; v = kst_json_next(v)) {
        bool replaced = false;
        for (const struct kst_json *t = kst_json_first(list); t; t = kst_json_next(t))
            replaced = replaced ||
                       strcmp(kst_api_text(t, "metadata.name"), kst_api_text(v, "name")) == 0;
        if (!replaced)
            kst_json_push(volumes, kst_json_dup(v));
    }
    if (kst_json_len(volumes) > 0)
        kst_json_set(spec, "volumes", volumes);
    else
        kst_json_free(volumes);
}

static void make_pod(struct set *set, int64_t ordinal)
{
    kst_auto_free char *name = kst_asprintf("%s-%" PRId64, set->object->name, ordinal);
    const char *revision;
    if (!make_claims(set, ordinal, name))
        return;
    kst_auto_json struct kst_json *owner = kst_control_owner("apps/v1", "StatefulSet", set->object);
    const struct kst_json *template = template_for(set, ordinal, &revision);
    struct kst_json *pod = kst_control_pod(template, set->object->ns, name, NULL, owner);
    struct kst_json *metadata = kst_json_mut(pod, "metadata");
    kst_auto_free char *prefix = kst_asprintf("%s-", set->object->name);
    kst_json_set_str(metadata, "generateName", prefix);
    struct kst_json *labels = kst_json_ensure_object(metadata, "labels");
    kst_json_set_str(labels, REVISION, revision);
    kst_json_set_str(labels, "statefulset.kubernetes.io/pod-name", name);
    struct kst_json *spec = kst_json_mut(pod, "spec");
    kst_json_set_str(spec, "hostname", name);
    kst_json_set_str(spec, "subdomain", kst_api_text(set->spec, "serviceName"));
    mount_claims(set, pod, ordinal);
    kst_auto_free char *what = kst_asprintf("Pod %s", name);
    create(set, "/pods", pod, what);
}

static void delete_pod(struct set *set, const struct kst_object *pod)
{
    if (kst_control_delete(set->api, "/pods", pod) == 0)
        kst_control_event(set->api, set->object, component, "Normal", "SuccessfulDelete",
                          "delete Pod %s in StatefulSet %s successful", pod->name,
                          set->object->name);
}

static bool is_well(const struct kst_object *pod)
{
    return pod && !kst_api_is_deleting(pod->json) && kst_pod_is_ready(pod->json);
}

static bool is_of(const struct kst_object *pod, const char *revision)
{
    const struct kst_json *labels = kst_json_path(pod->json, "metadata.labels");
    const char *hash = kst_json_str(kst_json_get(labels, REVISION));
    return hash && strcmp(hash, revision) == 0;
}

/* Makes what is missing; false where the next step has to wait. */
static bool grow(struct set *set)
{
    for (int64_t i = 0; i < set->wanted; i++) {
        const struct kst_object *pod = set->pods[i];
        if (pod && kst_pod_is_finished(pod->json) && !kst_api_is_deleting(pod->json))
            delete_pod(set, pod);
        else if (!pod)
            make_pod(set, i);
        if (!set->parallel && !is_well(pod))
            return false;
    }
    return true;
}

static bool shrink(struct set *set)
{
    for (int64_t i = set->highest; i >= set->wanted; i--) {
        if (!set->pods[i])
            continue;
        if (!kst_api_is_deleting(set->pods[i]->json))
            delete_pod(set, set->pods[i]);
        if (!set->parallel)
            return false;
    }
    return set->highest < set->wanted;
}

/* Replaces Pods of an older template, the last first, one at a time. */
static void roll(struct set *set)
{
    const struct kst_json *strategy = kst_json_get(set->spec, "updateStrategy");
    if (strcmp(kst_api_text(strategy, "type"), "OnDelete") == 0)
        return;
    int64_t partition = kst_json_path_int(strategy, "rollingUpdate.partition", 0);
    for (int64_t i = set->wanted - 1; i >= partition; i--) {
        const struct kst_object *pod = set->pods[i];
        if (!pod || kst_api_is_deleting(pod->json))
            return;
        if (!is_of(pod, set->revision)) {
            delete_pod(set, pod);
            return;
        }
        if (!is_well(pod))
            return;
    }
}

/* ---- the set ---- */

static void tell(struct set *set)
{
    int64_t replicas = 0, ready = 0, updated = 0, current = 0;
    for (int64_t i = 0; i <= set->highest; i++) {
        const struct kst_object *pod = set->pods[i];
        if (!pod)
            continue;
        replicas++;
        ready += kst_pod_is_ready(pod->json);
        updated += is_of(pod, set->revision) && !kst_api_is_deleting(pod->json);
        current += is_of(pod, set->current) && !kst_api_is_deleting(pod->json);
    }
    const struct kst_json *strategy = kst_json_get(set->spec, "updateStrategy");
    if (strcmp(kst_api_text(strategy, "type"), "RollingUpdate") == 0 && updated == replicas &&
        ready == replicas && replicas >= set->wanted) {
        set->current = set->revision; /* the update is complete */
        current = updated;
    }
    struct kst_json *status = kst_json_make(
        "{'observedGeneration':%L,'replicas':%L}",
        kst_json_path_int(set->object->json, "metadata.generation", 1), replicas);
    if (ready)
        kst_json_set_int(status, "readyReplicas", ready);
    if (current)
        kst_json_set_int(status, "currentReplicas", current);
    if (updated)
        kst_json_set_int(status, "updatedReplicas", updated);
    kst_json_set_str(status, "currentRevision", set->current);
    kst_json_set_str(status, "updateRevision", set->revision);
    kst_json_set_int(status, "collisionCount", 0);
    kst_api_set_status(set->api, SETS, set->object, status, manager);
}

static int64_t keep(struct kst_api *api, const struct kst_object *object)
{
    kst_auto_free struct set *set = kst_calloc(1, sizeof(*set));
    set->api = api;
    set->object = object;
    set->spec = kst_json_get(object->json, "spec");
    set->wanted = kst_json_path_int(set->spec, "replicas", 1);
    if (set->wanted > MAX_PODS)
        set->wanted = MAX_PODS;
    set->parallel = strcmp(kst_api_text(set->spec, "podManagementPolicy"), "Parallel") == 0;
    set->revision = kst_control_revision(api, object, "controller.kubernetes.io/hash");
    const char *current = kst_api_text(object->json, "status.currentRevision");
    set->current = *current ? current : set->revision;
    set->again_ms = KST_NEVER;
    find_pods(set);
    tell(set);
    if (grow(set) && shrink(set))
        roll(set);
    for (int64_t i = 0; i <= set->highest; i++)
        kst_object_unref(set->pods[i]);
    free(set->revision);
    return set->again_ms;
}

static int64_t reconcile(const struct kst_control *control)
{
    return kst_control_each(control, SETS, false, keep);
}

const struct kst_controller kst_control_statefulsets = {
    .name = component,
    .buckets = {SETS, "/pods", "/persistentvolumeclaims"},
    .reconcile = reconcile,
};
