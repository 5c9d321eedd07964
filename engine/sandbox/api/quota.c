/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/api/quota.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/amounts.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"

#define QUOTAS      "/resourcequotas"
#define CLASS_COUNT ".storageclass.storage.k8s.io/persistentvolumeclaims"
#define CLASS_SIZE  ".storageclass.storage.k8s.io/requests.storage"

enum { TEXT_BYTES = 64 * 1024 };

static const char *const counted[] = {
    "pods",    "services",   "replicationcontrollers", "resourcequotas",
    "secrets", "configmaps", "persistentvolumeclaims"};
static const char *const computed[] = {"cpu",
                                       "memory",
                                       "ephemeral-storage",
                                       "requests.cpu",
                                       "requests.memory",
                                       "requests.ephemeral-storage",
                                       "limits.cpu",
                                       "limits.memory",
                                       "limits.ephemeral-storage",
                                       "requests.storage",
                                       "services.nodeports",
                                       "services.loadbalancers"};

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool is_one_of(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is(text, list[i]))
            return true;
    return false;
}

static bool is_core(const struct kst_resource *resource, const char *plural)
{
    return !*resource->group && is(resource->plural, plural);
}

static char *count_name(const struct kst_resource *resource)
{
    return kst_asprintf("count/%s%s%s", resource->plural, *resource->group ? "." : "",
                        resource->group);
}

bool kst_quota_knows(struct kst_api *api, const char *name)
{
    const struct kst_str text = kst_str_of(name);
    const struct kst_resource *resource;
    if (is_one_of(name, counted, KST_ARRAY_LEN(counted)) ||
        is_one_of(name, computed, KST_ARRAY_LEN(computed)) ||
        kst_str_has_suffix(text, CLASS_COUNT) || kst_str_has_suffix(text, CLASS_SIZE) ||
        kst_str_has_prefix(text, "requests.") || kst_str_has_prefix(text, "hugepages-"))
        return true;
    for (size_t i = 0; (resource = kst_registry_at(kst_api_registry(api), i)); i++) {
        kst_auto_free char *count = count_name(resource);
        if (resource->served && (resource->flags & KST_RES_NAMESPACED) && is(count, name))
            return true;
    }
    return false;
}

/* ---- what is used ---- */

static void add_compute(struct kst_json *usage, const char *prefix, const struct kst_json *amounts)
{
    for (const struct kst_json *a = kst_json_first(amounts); a; a = kst_json_next(a)) {
        kst_auto_free char *name = kst_asprintf("%s%s", prefix, kst_json_key(a));
        kst_amounts_add(usage, name, a);
        if (is(prefix, "requests.") && !strchr(kst_json_key(a), '/'))
            kst_amounts_add(usage, kst_json_key(a), a);
    }
}

static void add_pod(struct kst_json *usage, const struct kst_json *pod)
{
    if (kst_pod_is_finished(pod))
        return;
    kst_auto_json struct kst_json *requests = kst_amounts_of_pod(pod, "requests");
    kst_auto_json struct kst_json *limits = kst_amounts_of_pod(pod, "limits");
    kst_amounts_count(usage, "pods", 1);
    add_compute(usage, "requests.", requests);
    add_compute(usage, "limits.", limits);
}

static void add_claim(struct kst_json *usage, const struct kst_json *claim)
{
    const char *class = kst_api_text(claim, "spec.storageClassName");
    const struct kst_json *size = kst_json_path(claim, "spec.resources.requests.storage");
    kst_auto_free char *class_count = kst_asprintf("%s" CLASS_COUNT, class);
    kst_auto_free char *class_size = kst_asprintf("%s" CLASS_SIZE, class);
    kst_amounts_count(usage, "persistentvolumeclaims", 1);
    if (*class)
        kst_amounts_count(usage, class_count, 1);
    if (!size)
        return;
    kst_amounts_add(usage, "requests.storage", size);
    if (*class)
        kst_amounts_add(usage, class_size, size);
}

static void add_service(struct kst_json *usage, const struct kst_json *service)
{
    const char *type = kst_api_text(service, "spec.type");
    bool balanced = is(type, "LoadBalancer");
    kst_amounts_count(usage, "services", 1);
    if (balanced)
        kst_amounts_count(usage, "services.loadbalancers", 1);
    if (balanced || is(type, "NodePort"))
        kst_amounts_count(usage, "services.nodeports",
                          (int)kst_json_len(kst_json_path(service, "spec.ports")));
}

struct kst_json *kst_quota_usage(const struct kst_resource *resource, const struct kst_json *object)
{
    struct kst_json *usage = kst_json_object();
    kst_auto_free char *name = count_name(resource);
    kst_amounts_count(usage, name, 1);
    if (is_core(resource, "pods"))
        add_pod(usage, object);
    else if (is_core(resource, "persistentvolumeclaims"))
        add_claim(usage, object);
    else if (is_core(resource, "services"))
        add_service(usage, object);
    else if (!*resource->group && is_one_of(resource->plural, counted, KST_ARRAY_LEN(counted)))
        kst_amounts_count(usage, resource->plural, 1);
    return usage;
}

/* ---- scopes ---- */

static bool in_scope(const struct kst_json *pod, const char *scope)
{
    bool best_effort = is(kst_api_text(pod, "status.qosClass"), "BestEffort");
    bool terminating = kst_json_path_int(pod, "spec.activeDeadlineSeconds", -1) >= 0;
    if (is(scope, "Terminating") || is(scope, "NotTerminating"))
        return terminating == is(scope, "Terminating");
    if (is(scope, "BestEffort") || is(scope, "NotBestEffort"))
        return best_effort == is(scope, "BestEffort");
    return is(scope, "PriorityClass") && *kst_api_text(pod, "spec.priorityClassName");
}

static bool in_expression(const struct kst_json *pod, const struct kst_json *expression)
{
    const char *scope = kst_api_text(expression, "scopeName");
    const char *class = kst_api_text(pod, "spec.priorityClassName");
    const char *operator= kst_api_text(expression, "operator");
    bool listed = kst_api_list_has(kst_json_get(expression, "values"), class);
    if (!is(scope, "PriorityClass") || is(operator, "Exists"))
        return in_scope(pod, scope);
    if (is(operator, "DoesNotExist"))
        return !*class;
    return is(operator, "In") ? listed : !listed;
}

bool kst_quota_matches(const struct kst_json *quota, const struct kst_resource *resource,
                       const struct kst_json *object)
{
    const struct kst_json *scopes = kst_json_path(quota, "spec.scopes");
    const struct kst_json *rows = kst_json_path(quota, "spec.scopeSelector.matchExpressions");
    if (!is_core(resource, "pods"))
        return kst_json_len(scopes) == 0 && kst_json_len(rows) == 0;
    for (const struct kst_json *s = kst_json_first(scopes); s; s = kst_json_next(s))
        if (kst_json_str(s) && !in_scope(object, kst_json_str(s)))
            return false;
    for (const struct kst_json *r = kst_json_first(rows); r; r = kst_json_next(r))
        if (!in_expression(object, r))
            return false;
    return true;
}

/* ---- the check ---- */

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys of an object, sorted, with commas; with values from `values` where that is not NULL.
 * The caller frees it. */
static char *listed(const struct kst_json *keys, const struct kst_json *values)
{
    const char **sorted = kst_calloc(kst_json_len(keys) + 1, sizeof(*sorted));
    size_t count = 0;
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
    for (const struct kst_json *k = kst_json_first(keys); k; k = kst_json_next(k))
        sorted[count++] = kst_json_key(k);
    qsort(sorted, count, sizeof(*sorted), compare_keys);
    for (size_t i = 0; i < count; i++) {
        const struct kst_json *value = kst_json_get(values, sorted[i]);
        kst_buf_addf(&text, "%s%s", i ? "," : "", sorted[i]);
        if (values)
            kst_buf_addf(&text, "=%s", value && kst_json_str(value) ? kst_json_str(value) : "0");
    }
    free(sorted);
    return kst_buf_take(&text);
}

/* Of a quota on cpu or memory, each container must say how much it wants. */
static void find_missing(const struct kst_json *pod, const struct kst_json *hard,
                         struct kst_json *missing)
{
    static const struct {
        const char *name, *list, *key;
    } demands[] = {
        {"cpu", "requests", "cpu"},          {"memory", "requests", "memory"},
        {"requests.cpu", "requests", "cpu"}, {"requests.memory", "requests", "memory"},
        {"limits.cpu", "limits", "cpu"},     {"limits.memory", "limits", "memory"},
    };
    static const char *const lists[] = {"spec.containers", "spec.initContainers"};
    for (size_t i = 0; i < KST_ARRAY_LEN(lists); i++) {
        const struct kst_json *list = kst_json_path(pod, lists[i]);
        for (const struct kst_json *c = kst_json_first(list); c; c = kst_json_next(c))
            for (size_t j = 0; j < KST_ARRAY_LEN(demands); j++) {
                const struct kst_json *have = kst_json_get(kst_json_get(c, "resources"),
                                                           demands[j].list);
                if (kst_json_get(hard, demands[j].name) && !kst_json_get(have, demands[j].key))
                    kst_json_set_bool(missing, demands[j].name, true);
            }
    }
}

/* What the change uses of what the quota limits. */
static struct kst_json *requested(const struct kst_json *delta, const struct kst_json *hard)
{
    struct kst_json *masked = kst_json_object();
    for (const struct kst_json *d = kst_json_first(delta); d; d = kst_json_next(d))
        if (kst_json_get(hard, kst_json_key(d)) && kst_amount_compare(d, NULL) != 0)
            kst_json_set(masked, kst_json_key(d), kst_json_dup(d));
    return masked;
}

static struct kst_json *after(const struct kst_json *used, const struct kst_json *more)
{
    struct kst_json *sum = kst_json_dup(used);
    for (const struct kst_json *m = kst_json_first(more); m; m = kst_json_next(m))
        kst_amounts_add(sum, kst_json_key(m), m);
    return sum;
}

static struct kst_json *ask(const struct kst_api_call *call, const struct kst_object *quota,
                            const struct kst_json *object, const struct kst_json *delta)
{
    const struct kst_json *hard = kst_json_path(quota->json, "status.hard");
    const struct kst_json *used = kst_json_path(quota->json, "status.used");
    const char *name = kst_api_text(object, "metadata.name");
    kst_auto_json struct kst_json *missing = kst_json_object(), *exceeded = kst_json_object();
    if (is_core(call->resource, "pods"))
        find_missing(object, hard, missing);
    if (kst_json_len(missing) > 0) {
        kst_auto_free char *text = listed(missing, NULL);
        return kst_status_forbidden(call->resource, name, "failed quota: %s: must specify %s",
                                    quota->name, text);
    }
    kst_auto_json struct kst_json *wanted = requested(delta, hard), *sum = after(used, wanted);
    for (const struct kst_json *w = kst_json_first(wanted); w; w = kst_json_next(w))
        if (kst_amount_compare(w, NULL) > 0 &&
            kst_amount_compare(kst_json_get(sum, kst_json_key(w)),
                               kst_json_get(hard, kst_json_key(w))) > 0)
            kst_json_set_bool(exceeded, kst_json_key(w), true);
    if (kst_json_len(exceeded) == 0)
        return NULL;
    kst_auto_free char *more = listed(exceeded, wanted);
    kst_auto_free char *had = listed(exceeded, used);
    kst_auto_free char *most = listed(exceeded, hard);
    return kst_status_forbidden(call->resource, name,
                                "exceeded quota: %s, requested: %s, used: %s, limited: %s",
                                quota->name, more, had, most);
}

static void note(struct kst_api *api, const struct kst_object *quota, const struct kst_json *delta)
{
    const struct kst_json *old = kst_json_get(quota->json, "status");
    kst_auto_json struct kst_json *wanted = requested(delta, kst_json_get(old, "hard"));
    if (kst_json_len(wanted) == 0)
        return;
    struct kst_json *status = kst_json_dup(old);
    kst_auto_json struct kst_json *used = kst_json_get(old, "used")
                                              ? kst_json_dup(kst_json_get(old, "used"))
                                              : kst_json_object();
    kst_json_set(status, "used", after(used, wanted));
    kst_api_set_status(api, QUOTAS, quota, status, "kube-apiserver");
}

/* Updates that change what is used are those of claims and Services. */
static bool is_subject(const struct kst_api_call *call, const struct kst_json *live)
{
    if (!(call->resource->flags & KST_RES_NAMESPACED) || is_core(call->resource, "events") ||
        call->subresource)
        return false;
    return !live || is_core(call->resource, "services") ||
           is_core(call->resource, "persistentvolumeclaims");
}

struct kst_json *kst_quota_check(struct kst_api *api, const struct kst_api_call *call,
                                 const struct kst_json *live, const struct kst_json *object)
{
    if (!is_subject(call, live))
        return NULL;
    struct kst_control_list list = kst_control_list(api, QUOTAS, call->ns);
    struct kst_json *delta = list.count ? kst_quota_usage(call->resource, object) : NULL;
    kst_auto_json struct kst_json *before = live && list.count
                                                ? kst_quota_usage(call->resource, live)
                                                : NULL;
    struct kst_json *status = NULL;
    for (const struct kst_json *b = kst_json_first(before); b; b = kst_json_next(b))
        kst_amounts_subtract(delta, kst_json_key(b), b);
    for (int round = 0; round < 2 && !status && !(round && call->dry_run); round++)
        for (size_t i = 0; i < list.count && !status; i++) {
            if (!kst_quota_matches(list.objects[i]->json, call->resource, object))
                continue;
            if (round == 0)
                status = ask(call, list.objects[i], object, delta);
            else
                note(api, list.objects[i], delta);
        }
    kst_json_free(delta);
    kst_control_list_release(&list);
    return status;
}
