/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server itself puts into objects of built-in kinds: first statuses, addresses, service
 * accounts, default classes, the links between a Job and its Pods.
 * https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
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
#include "sandbox/api/limits.h"
#include "sandbox/api/quota.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/builtin/builtin.h"
#include "sandbox/builtin/check.h"
#include "sandbox/custom/crd.h"
#include "sandbox/types/quantity.h"

#define TOKEN_PATH "/var/run/secrets/kubernetes.io/serviceaccount"

static void add_finalizer(struct kst_json *object, const char *finalizer)
{
    struct kst_json *metadata = kst_json_mut(object, "metadata");
    if (!kst_api_list_has(kst_json_get(metadata, "finalizers"), finalizer))
        kst_json_push(kst_json_ensure_array(metadata, "finalizers"), kst_json_from_str(finalizer));
}

/* ---- Pods ---- */

/* Guaranteed, Burstable or BestEffort. */
static const char *qos_class(const struct kst_json *pod)
{
    bool any = false, guaranteed = true;
    for (int kind = 0; kind < 2; kind++) {
        const struct kst_json *list = kst_json_path(pod, kind ? "spec.initContainers"
                                                              : "spec.containers");
        for (const struct kst_json *c = kst_json_first(list); c; c = kst_json_next(c)) {
            const struct kst_json *limits = kst_json_path(c, "resources.limits");
            const struct kst_json *requests = kst_json_path(c, "resources.requests");
            any = any || kst_json_len(limits) > 0 || kst_json_len(requests) > 0;
            for (int i = 0; i < 2; i++) {
                const char *key = i ? "memory" : "cpu";
                const struct kst_json *limit = kst_json_get(limits, key);
                const struct kst_json *request = kst_json_get(requests, key);
                if (!limit || (request && !kst_json_equal(limit, request)))
                    guaranteed = false;
            }
        }
    }
    return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

static void tolerate(struct kst_json *spec, const char *key)
{
    const struct kst_json *list = kst_json_get(spec, "tolerations");
    for (const struct kst_json *t = kst_json_first(list); t; t = kst_json_next(t))
        if (strcmp(kst_api_text(t, "key"), key) == 0 || !kst_json_get(t, "key"))
            return;
    kst_json_push(kst_json_ensure_array(spec, "tolerations"),
                  kst_json_make("{'key':%s,'operator':'Exists','effect':'NoExecute',"
                                "'tolerationSeconds':300}",
                                key));
}

static bool has_token_mount(const struct kst_json *container)
{
    const struct kst_json *mounts = kst_json_get(container, "volumeMounts");
    for (const struct kst_json *m = kst_json_first(mounts); m; m = kst_json_next(m))
        if (strcmp(kst_api_text(m, "mountPath"), TOKEN_PATH) == 0)
            return true;
    return false;
}

/* The token of the service account, as a volume of every container. */
static void mount_token(struct kst_json *spec, const char *secret)
{
    bool used = false;
    for (int kind = 0; kind < 2; kind++) {
        struct kst_json *list = kst_json_mut(spec, kind ? "initContainers" : "containers");
        for (size_t i = 0; i < kst_json_len(list); i++) {
            struct kst_json *container = kst_json_mut_at(list, i);
            if (has_token_mount(container))
                continue;
            used = true;
            kst_json_push(kst_json_ensure_array(container, "volumeMounts"),
                          kst_json_make("{'name':%s,'readOnly':true,'mountPath':%s}", secret,
                                        TOKEN_PATH));
        }
    }
    const struct kst_json *volumes = kst_json_get(spec, "volumes");
    for (const struct kst_json *v = kst_json_first(volumes); v; v = kst_json_next(v))
        used = used && strcmp(kst_api_text(v, "name"), secret) != 0;
    if (used)
        kst_json_push(kst_json_ensure_array(spec, "volumes"),
                      kst_json_make("{'name':%s,'secret':{'secretName':%s,'defaultMode':420}}",
                                    secret, secret));
}

/* The class that a Pod has where it names none; NULL where there is none. */
static const struct kst_object *default_priority(struct kst_api *self)
{
    struct kst_bucket *classes = kst_store_bucket(self->store, "scheduling.k8s.io/priorityclasses");
    const struct kst_object *object, *best = NULL;
    for (size_t i = 0; (object = kst_bucket_at(classes, i)); i++)
        if (kst_json_path_true(object->json, "globalDefault") &&
            (!best || kst_json_path_int(object->json, "value", 0) <
                          kst_json_path_int(best->json, "value", 0)))
            best = object;
    return best;
}

/* Priority and preemption are those of the class. */
static struct kst_json *admit_priority(struct kst_api *self, const struct kst_api_call *call,
                                       const struct kst_json *pod, struct kst_json *spec)
{
    const char *name = kst_api_text(spec, "priorityClassName");
    const struct kst_object *class = *name ? kst_api_find(self, "scheduling.k8s.io/priorityclasses",
                                                          "", name)
                                           : default_priority(self);
    int64_t priority = class ? kst_json_path_int(class->json, "value", 0) : 0;
    if (strcmp(name, "system-cluster-critical") == 0)
        priority = 2000000000;
    else if (strcmp(name, "system-node-critical") == 0)
        priority = 2000001000;
    else if (*name && !class)
        return kst_status_forbidden(call->resource, kst_api_text(pod, "metadata.name"),
                                    "no PriorityClass with name %s was found", name);
    else if (class)
        kst_json_set_str(spec, "priorityClassName", class->name);
    const char *policy = class ? kst_api_text(class->json, "preemptionPolicy") : "";
    const char *wanted = *policy ? policy : "PreemptLowerPriority";
    const char *given = kst_api_text(spec, "preemptionPolicy");
    if (*given && strcmp(given, wanted) != 0)
        return kst_status_forbidden(
            call->resource, kst_api_text(pod, "metadata.name"),
            "the string value of PreemptionPolicy (%s) must not be provided in pod spec; priority "
            "admission controller computed %s from the given PriorityClass name",
            given, wanted);
    const struct kst_json *asked = kst_json_get(spec, "priority");
    if (asked && kst_json_path_int(spec, "priority", 0) != priority)
        return kst_status_forbidden(
            call->resource, kst_api_text(pod, "metadata.name"),
            "the integer value of priority (%lld) must not be provided in pod spec; priority "
            "admission controller computed %lld from the given PriorityClass name",
            (long long)kst_json_path_int(spec, "priority", 0), (long long)priority);
    kst_json_set_int(spec, "priority", priority);
    kst_json_set_str(spec, "preemptionPolicy", wanted);
    return NULL;
}

static struct kst_json *admit_pod(struct kst_api *self, const struct kst_api_call *call,
                                  struct kst_json *pod)
{
    struct kst_json *spec = kst_json_ensure_object(pod, "spec");
    kst_limits_fill(self, call, pod);
    const char *account = kst_api_text(spec, "serviceAccountName");
    if (!*account)
        account = "default";
    const struct kst_object *found = kst_api_find(self, "/serviceaccounts", call->ns, account);
    if (!found)
        return kst_status_forbidden(
            call->resource, kst_api_text(pod, "metadata.name"),
            "error looking up service account %s/%s: serviceaccount \"%s\" not found", call->ns,
            account, account);
    kst_auto_free char *name = kst_strdup(account);
    kst_json_set_str(spec, "serviceAccountName", name);
    kst_json_set_str(spec, "serviceAccount", name);
    const char *secret = kst_json_path_str(found->json, "secrets.0.name");
    const struct kst_json *wish = kst_json_get(spec, "automountServiceAccountToken");
    if (!wish)
        wish = kst_json_get(found->json, "automountServiceAccountToken");
    if (secret && (!wish || kst_json_true(wish)))
        mount_token(spec, secret);
    tolerate(spec, "node.kubernetes.io/not-ready");
    tolerate(spec, "node.kubernetes.io/unreachable");
    struct kst_json *status = admit_priority(self, call, pod, spec);
    if (status)
        return status;
    kst_json_set(pod, "status", kst_json_make("{'phase':'Pending','qosClass':%s}", qos_class(pod)));
    return NULL;
}

static struct kst_json *admit_service(struct kst_api *self, const struct kst_api_call *call,
                                      struct kst_json *service)
{
    kst_admit_service(self, call, NULL, service);
    return NULL;
}

/* ---- volumes ---- */

static const char *default_class(struct kst_api *self)
{
    struct kst_bucket *classes = kst_store_bucket(self->store, "storage.k8s.io/storageclasses");
    const struct kst_object *object;
    for (size_t i = 0; (object = kst_bucket_at(classes, i)); i++) {
        const struct kst_json *annotations = kst_json_path(object->json, "metadata.annotations");
        const struct kst_json *mark = kst_json_get(annotations,
                                                   "storageclass.kubernetes.io/is-default-class");
        if (mark && kst_json_str(mark) && strcmp(kst_json_str(mark), "true") == 0)
            return object->name;
    }
    return NULL;
}

static struct kst_json *admit_claim(struct kst_api *self, const struct kst_api_call *call,
                                    struct kst_json *claim)
{
    struct kst_json *spec = kst_json_ensure_object(claim, "spec");
    if (!kst_json_get(spec, "storageClassName") && default_class(self))
        kst_json_set_str(spec, "storageClassName", default_class(self));
    add_finalizer(claim, "kubernetes.io/pvc-protection");
    return NULL;
}

static struct kst_json *admit_volume(struct kst_api *self, const struct kst_api_call *call,
                                     struct kst_json *volume)
{
    add_finalizer(volume, "kubernetes.io/pv-protection");
    return NULL;
}

/* ---- others ---- */

/* A Job finds its Pods by its own uid. */
static struct kst_json *admit_job(struct kst_api *self, const struct kst_api_call *call,
                                  struct kst_json *job)
{
    if (kst_json_path_true(job, "spec.manualSelector"))
        return NULL;
    const char *uid = kst_api_text(job, "metadata.uid");
    const char *name = kst_api_text(job, "metadata.name");
    struct kst_json *spec = kst_json_ensure_object(job, "spec");
    struct kst_json *labels = kst_json_ensure_object(
        kst_json_ensure_object(kst_json_ensure_object(spec, "template"), "metadata"), "labels");
    struct kst_json *selected = kst_json_ensure_object(kst_json_ensure_object(spec, "selector"),
                                                       "matchLabels");
    if (!kst_json_get(labels, "job-name"))
        kst_json_set_str(labels, "job-name", name);
    if (!kst_json_get(labels, "controller-uid"))
        kst_json_set_str(labels, "controller-uid", uid);
    if (!kst_json_get(selected, "controller-uid"))
        kst_json_set_str(selected, "controller-uid", uid);
    /* A Job without labels has those of its template. */
    struct kst_json *metadata = kst_json_mut(job, "metadata");
    if (kst_json_len(kst_json_get(metadata, "labels")) == 0)
        kst_json_set(metadata, "labels", kst_json_dup(labels));
    return NULL;
}

static struct kst_json *admit_definition(struct kst_api *self, const struct kst_api_call *call,
                                         struct kst_json *definition)
{
    kst_crd_default(definition);
    return NULL;
}

/* The number of its template, which its Pods carry as a label. */
static void set_template_number(struct kst_json *set, long long number)
{
    kst_auto_free char *text = kst_asprintf("%lld", number);
    kst_json_set_str(kst_json_ensure_object(kst_json_mut(set, "metadata"), "annotations"),
                     "deprecated.daemonset.template.generation", text);
}

static struct kst_json *admit_daemonset(struct kst_api *self, const struct kst_api_call *call,
                                        struct kst_json *set)
{
    set_template_number(set, 1);
    return NULL;
}

static void update_daemonset(const struct kst_json *live, struct kst_json *set)
{
    long long number = 0;
    const struct kst_json *annotations = kst_json_path(live, "metadata.annotations");
    const char *text = kst_json_str(
        kst_json_get(annotations, "deprecated.daemonset.template.generation"));
    bool same = kst_json_equal(kst_json_path(live, "spec.template"),
                               kst_json_path(set, "spec.template"));
    if (text && kst_parse_int(text, &number))
        set_template_number(set, same ? number : number + 1);
}

static struct kst_json *admit_priority_class(struct kst_api *self, const struct kst_api_call *call,
                                             struct kst_json *object)
{
    if (!kst_json_get(object, "preemptionPolicy"))
        kst_json_set_str(object, "preemptionPolicy", "PreemptLowerPriority");
    return NULL;
}

/* What is done for a new object of a kind, and the status that it begins with ('-': none). */
static const struct admission {
    const char *bucket;
    struct kst_json *(*admit)(struct kst_api *self, const struct kst_api_call *call,
                              struct kst_json *object);
    const char *status;
} admissions[] = {
    {"/pods", admit_pod, NULL},
    {"/services", admit_service, "{'loadBalancer':{}}"},
    {"/persistentvolumeclaims", admit_claim, "{'phase':'Pending'}"},
    {"/persistentvolumes", admit_volume, "{'phase':'Pending'}"},
    {"/namespaces", NULL, "{'phase':'Active'}"},
    {"/replicationcontrollers", NULL, "{'replicas':0}"},
    {"/resourcequotas", NULL, "{}"},
    {"batch/jobs", admit_job, "{}"},
    {"batch/cronjobs", NULL, "{}"},
    {"apps/statefulsets", NULL, "{'replicas':0}"},
    {"apps/deployments", NULL, "{}"},
    {"apps/replicasets", NULL, "{'replicas':0}"},
    {"apps/daemonsets", admit_daemonset,
     "{'currentNumberScheduled':0,'numberMisscheduled':0,'desiredNumberScheduled':0,"
     "'numberReady':0}"},
    {"autoscaling/horizontalpodautoscalers", NULL, "{'currentReplicas':0,'desiredReplicas':0}"},
    {"policy/poddisruptionbudgets", NULL,
     "{'disruptionsAllowed':0,'currentHealthy':0,'desiredHealthy':0,'expectedPods':0}"},
    {"networking.k8s.io/ingresses", NULL, "{'loadBalancer':{}}"},
    {"apiextensions.k8s.io/customresourcedefinitions", admit_definition,
     "{'conditions':null,'acceptedNames':{'plural':'','kind':''},'storedVersions':[]}"},
    {"scheduling.k8s.io/priorityclasses", admit_priority_class, NULL},
};

static const struct admission *admission_of(const struct kst_resource *resource)
{
    const char *name = kst_bucket_name(resource->bucket);
    for (size_t i = 0; i < KST_ARRAY_LEN(admissions); i++)
        if (strcmp(admissions[i].bucket, name) == 0)
            return &admissions[i];
    return NULL;
}

struct kst_json *kst_admit_create(struct kst_api *self, const struct kst_api_call *call,
                                  struct kst_json *object)
{
    const struct admission *admission = admission_of(call->resource);
    if (kst_is_one_of(call->resource->kind, "DaemonSet Node"))
        kst_builtin_admit(call->resource->group, call->resource->kind, object);
    if (!admission)
        return NULL;
    if (admission->status)
        kst_json_set(object, "status", kst_json_make(admission->status));
    return admission->admit ? admission->admit(self, call, object) : NULL;
}

struct kst_json *kst_admit_check(struct kst_api *self, const struct kst_api_call *call,
                                 const struct kst_json *live, const struct kst_json *object)
{
    struct kst_json *status = NULL;
    if (strcmp(kst_bucket_name(call->resource->bucket), "/services") == 0)
        status = kst_admit_service_check(self, call, object);
    if (!status)
        status = kst_limits_check(self, call, live, object);
    return status ? status : kst_quota_check(self, call, live, object);
}

/* A DaemonSet counts its templates in an annotation. */
static void count_templates(const struct kst_json *live, struct kst_json *object)
{
    static const char key[] = "deprecated.daemonset.template.generation";
    const struct kst_json *counted = kst_json_get(kst_json_path(live, "metadata.annotations"), key);
    long long count = 0;
    if (kst_json_str(counted) && !kst_parse_int(kst_json_str(counted), &count))
        count = 0;
    if (!kst_same_value(kst_json_path(live, "spec.template"),
                        kst_json_path(object, "spec.template")))
        count++;
    kst_auto_free char *text = kst_asprintf("%lld", count);
    kst_json_set_str(kst_json_ensure_object(kst_json_ensure_object(object, "metadata"),
                                            "annotations"),
                     key, text);
}

/* Whether a claim that is bound asks for more than it did. */
static bool grows(const struct kst_json *live, const struct kst_json *claim)
{
    static const char size[] = "spec.resources.requests.storage";
    struct kst_quantity before, now;
    return strcmp(kst_api_text(live, "status.phase"), "Bound") == 0 &&
           kst_quantity_read(kst_json_path(live, size), &before) &&
           kst_quantity_read(kst_json_path(claim, size), &now) &&
           kst_quantity_compare(&now, &before) > 0;
}

static bool can_grow(struct kst_api *self, const struct kst_json *claim)
{
    const struct kst_object *class = kst_api_find(self, "storage.k8s.io/storageclasses", "",
                                                  kst_api_text(claim, "spec.storageClassName"));
    return class && kst_json_path_true(class->json, "allowVolumeExpansion");
}

struct kst_json *kst_admit_update(struct kst_api *self, const struct kst_api_call *call,
                                  const struct kst_json *live, struct kst_json *object)
{
    const char *bucket = kst_bucket_name(call->resource->bucket);
    if (strcmp(bucket, "apps/daemonsets") == 0)
        update_daemonset(live, object);
    if (strcmp(bucket, "/services") == 0)
        kst_admit_service(self, call, live, object);
    if (strcmp(bucket, "apps/daemonsets") == 0)
        count_templates(live, object);
    if (strcmp(bucket, "/persistentvolumeclaims") == 0 && grows(live, object) &&
        !can_grow(self, live))
        return kst_status_forbidden(call->resource, call->name,
                                    "only dynamically provisioned pvc can be resized and the "
                                    "storageclass that provisions the pvc must support resize");
    if (strcmp(bucket, "/pods") == 0) {
        tolerate(kst_json_ensure_object(object, "spec"), "node.kubernetes.io/not-ready");
        tolerate(kst_json_ensure_object(object, "spec"), "node.kubernetes.io/unreachable");
    }
    if (strcmp(bucket, "apiextensions.k8s.io/customresourcedefinitions") == 0)
        kst_crd_default(object);
    return NULL;
}

/* ---- afterwards ---- */

void kst_admit_stored(struct kst_api *self, const struct kst_api_call *call,
                      struct kst_object *object)
{
    const char *bucket = kst_bucket_name(call->resource->bucket);
    if (strcmp(bucket, "apiextensions.k8s.io/customresourcedefinitions") == 0)
        kst_definition_stored(self, object);
}

void kst_admit_deleted(struct kst_api *self, const struct kst_resource *resource,
                       const struct kst_json *object)
{
    const char *bucket = kst_bucket_name(resource->bucket);
    if (strcmp(bucket, "apiextensions.k8s.io/customresourcedefinitions") == 0)
        kst_definition_deleted(self, object);
    if (strcmp(bucket, "/services") == 0) { /* also those that somebody else has made for it */
        const struct kst_api_call call = kst_api_call_for(
            self, "/endpoints", kst_api_text(object, "metadata.namespace"),
            kst_api_text(object, "metadata.name"), NULL);
        kst_json_free(kst_api_delete(self, &call, NULL, NULL));
    }
}
