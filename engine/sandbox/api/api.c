/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/custom/custom.h"
#include "sandbox/types/convert.h"

struct kst_api *kst_api_new(void)
{
    struct kst_api *self = kst_calloc(1, sizeof(*self));
    self->store = kst_store_new();
    self->registry = kst_registry_new(self->store);
    return self;
}

void kst_api_free(struct kst_api *self)
{
    if (!self)
        return;
    kst_registry_free(self->registry);
    kst_store_free(self->store);
    free(self->ca);
    free(self);
}

struct kst_store *kst_api_store(const struct kst_api *self)
{
    return self->store;
}

struct kst_registry *kst_api_registry(const struct kst_api *self)
{
    return self->registry;
}

void kst_api_set_ca(struct kst_api *self, const char *pem)
{
    free(self->ca);
    self->ca = kst_strdup(pem);
}

const char *kst_api_ca(const struct kst_api *self)
{
    return self->ca;
}

/* ---- small things ---- */

static void random_bytes(unsigned char *out, size_t len)
{
    size_t have = 0;
    while (have < len) {
        ssize_t got = getrandom(out + have, len - have, 0);
        have += got > 0 ? (size_t)got : 0;
    }
}

char *kst_api_uid(void)
{
    unsigned char b[16];
    random_bytes(b, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    return kst_asprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                        b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11],
                        b[12], b[13], b[14], b[15]);
}

void kst_api_suffix(char out[6])
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    unsigned char bytes[5];
    random_bytes(bytes, sizeof(bytes));
    for (int i = 0; i < 5; i++)
        out[i] = letters[bytes[i] % (sizeof(letters) - 1)];
    out[5] = '\0';
}

void kst_api_now(char *out)
{
    kst_time_format(kst_wall_ms(), out);
}

int64_t kst_api_ms(int64_t seconds)
{
    const int64_t most = 100LL * 365 * 86400;
    return (seconds > most ? most : seconds < -most ? -most : seconds) * 1000;
}

const char *kst_api_text(const struct kst_json *object, const char *path)
{
    const char *text = kst_json_path_str(object, path);
    return text ? text : "";
}

bool kst_api_is_deleting(const struct kst_json *object)
{
    return kst_json_path_str(object, "metadata.deletionTimestamp") != NULL;
}

bool kst_api_has_finalizers(const struct kst_resource *resource, const struct kst_json *object)
{
    if (kst_json_len(kst_json_path(object, "metadata.finalizers")) > 0)
        return true;
    return strcmp(resource->plural, "namespaces") == 0 && !*resource->group &&
           kst_json_len(kst_json_path(object, "spec.finalizers")) > 0;
}

bool kst_api_list_has(const struct kst_json *list, const char *text)
{
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e))
        if (kst_json_str(e) && strcmp(kst_json_str(e), text) == 0)
            return true;
    return false;
}

void kst_api_list_remove(struct kst_json *object, const char *key, const char *text)
{
    struct kst_json *kept = kst_json_array();
    const struct kst_json *list = kst_json_get(object, key);
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e))
        if (!kst_json_str(e) || strcmp(kst_json_str(e), text) != 0)
            kst_json_push(kept, kst_json_dup(e));
    if (kst_json_len(kept) > 0) {
        kst_json_set(object, key, kept);
    } else {
        kst_json_free(kept);
        kst_json_remove(object, key);
    }
}

struct kst_json *kst_api_show(const struct kst_resource *resource, const struct kst_object *object)
{
    struct kst_json *copy = kst_json_dup(object->json);
    if (strcmp(kst_api_text(copy, "apiVersion"), resource->api_version) != 0)
        kst_convert_out(resource, copy);
    if (resource->flags & KST_RES_CUSTOM)
        kst_custom_show(resource, copy);
    return copy;
}

struct kst_object *kst_api_find(struct kst_api *self, const char *bucket, const char *ns,
                                const char *name)
{
    return kst_bucket_get(kst_store_bucket(self->store, bucket), ns, name);
}

struct kst_api_call kst_api_call_for(struct kst_api *self, const char *bucket, const char *ns,
                                     const char *name, const char *manager)
{
    struct kst_bucket *place = kst_store_bucket(self->store, bucket);
    return (struct kst_api_call){.resource = kst_registry_of_bucket(self->registry, place),
                                 .ns = ns,
                                 .name = name,
                                 .manager = manager};
}

void kst_api_set_status(struct kst_api *self, const char *bucket, const struct kst_object *object,
                        struct kst_json *status, const char *manager)
{
    struct kst_api_call call = kst_api_call_for(self, bucket, object->ns, object->name, manager);
    const struct kst_object *live = kst_api_find(self, bucket, object->ns, object->name);
    if (!call.resource || !live || strcmp(live->uid, object->uid) != 0 ||
        kst_json_equal(kst_json_get(live->json, "status"), status)) {
        kst_json_free(status);
        return;
    }
    call.subresource = "status";
    struct kst_json *changed = kst_json_dup(live->json);
    kst_json_set(changed, "status", status);
    kst_json_free(kst_api_update(self, &call, changed, NULL, NULL));
}

/* ---- get ---- */

struct kst_json *kst_api_get(struct kst_api *self, const struct kst_api_call *call,
                             struct kst_json **out)
{
    struct kst_object *object = kst_bucket_get(call->resource->bucket, call->ns, call->name);
    if (!object)
        return kst_status_not_found(call->resource, call->name);
    struct kst_json *shown = kst_api_show(call->resource, object);
    if (call->subresource && strcmp(call->subresource, "scale") == 0) {
        struct kst_json *status = kst_custom_check_scale(call->resource, shown);
        if (status) {
            kst_json_free(shown);
            return status;
        }
        struct kst_json *scale = kst_scale_of(call->resource, shown);
        kst_json_free(shown);
        shown = scale;
    }
    *out = shown;
    return NULL;
}

/* ---- scale ---- */

/* The value at a path of the form ".spec.replicas". */
static const struct kst_json *at(const struct kst_json *object, const char *path)
{
    return path && path[0] == '.' ? kst_json_path(object, path + 1) : NULL;
}

static const char *scale_path(const struct kst_resource *resource, const char *key,
                              const char *builtin)
{
    return resource->scale ? kst_json_path_str(resource->scale, key) : builtin;
}

/* A selector as the Scale of built-in kinds tells it: "a=b,c=d". */
static struct kst_json *selector_text(const struct kst_json *object)
{
    const struct kst_json *labels = kst_json_path(object, "spec.selector.matchLabels");
    if (!labels)
        labels = kst_json_path(object, "spec.selector");
    char *text = kst_strdup("");
    for (const struct kst_json *l = kst_json_first(labels); l; l = kst_json_next(l)) {
        char *longer = kst_asprintf("%s%s%s=%s", text, *text ? "," : "", kst_json_key(l),
                                    kst_json_str(l) ? kst_json_str(l) : "");
        free(text);
        text = longer;
    }
    struct kst_json *value = kst_json_from_str(text);
    free(text);
    return value;
}

struct kst_json *kst_scale_of(const struct kst_resource *resource, const struct kst_json *object)
{
    const struct kst_json *metadata = kst_json_get(object, "metadata");
    struct kst_json *scale = kst_json_make(
        "{'kind':'Scale','apiVersion':'autoscaling/v1','metadata':{},'spec':{},"
        "'status':{'replicas':0}}");
    const char *copied[] = {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"};
    for (size_t i = 0; i < KST_ARRAY_LEN(copied); i++)
        if (kst_json_get(metadata, copied[i]))
            kst_json_set(kst_json_mut(scale, "metadata"), copied[i],
                         kst_json_dup(kst_json_get(metadata, copied[i])));
    const struct kst_json *wanted = at(object,
                                       scale_path(resource, "specReplicasPath", ".spec.replicas"));
    const struct kst_json *have = at(object, scale_path(resource, "statusReplicasPath",
                                                        ".status.replicas"));
    int64_t replicas = 0;
    if (wanted && !(kst_json_int(wanted, &replicas) && replicas == 0))
        kst_json_set(kst_json_mut(scale, "spec"), "replicas", kst_json_dup(wanted));
    if (have)
        kst_json_set(kst_json_mut(scale, "status"), "replicas", kst_json_dup(have));
    const struct kst_json *selector =
        resource->scale ? at(object, scale_path(resource, "labelSelectorPath", NULL)) : NULL;
    if (selector)
        kst_json_set(kst_json_mut(scale, "status"), "selector", kst_json_dup(selector));
    else if (!resource->scale)
        kst_json_set(kst_json_mut(scale, "status"), "selector", selector_text(object));
    return scale;
}

struct kst_json *kst_scale_set(const struct kst_resource *resource, struct kst_json *object,
                               const struct kst_json *scale)
{
    static const struct kst_resource scales = {
        .group = "autoscaling", .plural = "scales", .kind = "Scale"};
    int64_t replicas = 0;
    const struct kst_json *wanted = kst_json_path(scale, "spec.replicas");
    bool custom = resource->flags & KST_RES_CUSTOM;
    bool whole = !wanted || kst_json_int(wanted, &replicas);
    if (custom && replicas == KST_SCALE_UNSET)
        return kst_status_bad_request("the spec replicas field \"%s\" cannot be empty",
                                      kst_json_path_str(resource->scale, "specReplicasPath"));
    /* Those of a custom resource are its own validation's business. */
    if (!whole || (!custom && replicas < 0)) {
        kst_auto_json struct kst_json *causes = kst_json_array();
        kst_auto_free char *text = kst_json_text(wanted);
        kst_cause_add(causes, "FieldValueInvalid", "spec.replicas",
                      "Invalid value: %s: must be greater than or equal to 0", text);
        return kst_status_invalid(&scales, kst_api_text(object, "metadata.name"), causes);
    }
    const char *path = scale_path(resource, "specReplicasPath", ".spec.replicas") + 1;
    struct kst_json *place = object;
    const char *dot;
    while ((dot = strchr(path, '.'))) {
        kst_auto_free char *key = kst_strndup(path, (size_t)(dot - path));
        place = kst_json_ensure_object(place, key);
        path = dot + 1;
    }
    kst_json_set_int(place, path, replicas);
    return NULL;
}
