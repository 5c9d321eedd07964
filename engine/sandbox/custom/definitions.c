/* SPDX-License-Identifier: Apache-2.0 */
/* What the cluster does with the CustomResourceDefinitions that it has: names, and serving them. */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/store.h"
#include "sandbox/custom/crd.h"

#define CRDS "apiextensions.k8s.io/customresourcedefinitions"

static void serve(struct kst_api *self, const struct kst_json *definition)
{
    if (kst_crd_is_served(definition))
        kst_registry_define(self->registry, definition);
    else
        kst_registry_undefine(self->registry, kst_api_text(definition, "metadata.name"));
}

/* Settles one definition among all; whether that changed it. */
static bool settle(struct kst_api *self, struct kst_object *object)
{
    struct kst_bucket *bucket = kst_store_bucket(self->store, CRDS);
    size_t count = kst_bucket_count(bucket);
    kst_auto_free const struct kst_json **all = kst_calloc(count + 1, sizeof(*all));
    for (size_t i = 0; i < count; i++)
        all[i] = kst_bucket_at(bucket, i)->json;
    struct kst_json *changed = kst_json_dup(object->json);
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    kst_crd_settle(changed, all, count, now);
    bool differs = !kst_json_equal(object->json, changed);
    if (differs)
        object = kst_bucket_put(bucket, changed);
    else
        kst_json_free(changed);
    serve(self, object->json);
    return differs;
}

/* Names that one definition gives up may be what another of its group waits for. */
static void settle_group(struct kst_api *self, const char *group)
{
    struct kst_bucket *bucket = kst_store_bucket(self->store, CRDS);
    bool again = true;
    for (size_t round = kst_bucket_count(bucket) + 1; again && round > 0; round--) {
        again = false;
        for (size_t i = 0; i < kst_bucket_count(bucket); i++) {
            kst_auto_object struct kst_object *object = kst_object_ref(kst_bucket_at(bucket, i));
            if (strcmp(kst_api_text(object->json, "spec.group"), group) == 0 &&
                settle(self, object))
                again = true;
        }
    }
}

void kst_definition_stored(struct kst_api *self, struct kst_object *object)
{
    kst_auto_free char *group = kst_strdup(kst_api_text(object->json, "spec.group"));
    settle(self, object);
    settle_group(self, group);
}

void kst_definition_deleted(struct kst_api *self, const struct kst_json *definition)
{
    kst_registry_undefine(self->registry, kst_api_text(definition, "metadata.name"));
    settle_group(self, kst_api_text(definition, "spec.group"));
}
