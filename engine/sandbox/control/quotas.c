/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ResourceQuotas: what they allow and what is used, counted anew whenever something changes.
 * https://kubernetes.io/docs/concepts/policy/resource-quotas/
 */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/amounts.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/quota.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"

#define QUOTAS "/resourcequotas"

/* Adds what the objects of one bucket use. */
static void count_bucket(struct kst_api *api, const struct kst_object *quota,
                         struct kst_bucket *bucket, struct kst_json *used)
{
    const struct kst_resource *resource = kst_registry_of_bucket(kst_api_registry(api), bucket);
    size_t first = 0, count = 0;
    if (!resource || !(resource->flags & KST_RES_NAMESPACED))
        return;
    kst_bucket_range(bucket, quota->ns, &first, &count);
    for (size_t i = 0; i < count; i++) {
        const struct kst_json *object = kst_bucket_at(bucket, first + i)->json;
        if (!kst_quota_matches(quota->json, resource, object))
            continue;
        kst_auto_json struct kst_json *usage = kst_quota_usage(resource, object);
        for (const struct kst_json *u = kst_json_first(usage); u; u = kst_json_next(u))
            if (kst_json_get(used, kst_json_key(u)))
                kst_amounts_add(used, kst_json_key(u), u);
    }
}

static void keep(struct kst_api *api, const struct kst_object *quota)
{
    const struct kst_json *hard = kst_json_path(quota->json, "spec.hard");
    struct kst_json *status = kst_json_make("{'hard':{},'used':{}}");
    struct kst_json *used = kst_json_mut(status, "used");
    struct kst_bucket *bucket;
    if (hard)
        kst_json_set(status, "hard", kst_json_dup(hard));
    for (const struct kst_json *h = kst_json_first(hard); h; h = kst_json_next(h))
        if (kst_quota_knows(api, kst_json_key(h)))
            kst_json_set_str(used, kst_json_key(h), "0");
    for (size_t i = 0; (bucket = kst_store_bucket_at(kst_api_store(api), i)); i++)
        count_bucket(api, quota, bucket, used);
    kst_api_set_status(api, QUOTAS, quota, status, "kube-controller-manager");
}

static int64_t reconcile(const struct kst_control *control)
{
    struct kst_control_list list = kst_control_list(control->api, QUOTAS, NULL);
    for (size_t i = 0; i < list.count; i++)
        if (!kst_api_is_deleting(list.objects[i]->json))
            keep(control->api, list.objects[i]);
    kst_control_list_release(&list);
    return KST_NEVER;
}

const struct kst_controller kst_control_quotas = {
    .name = "resourcequota-controller",
    .buckets = {NULL},
    .reconcile = reconcile,
};
