/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/custom.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api_internal.h"
#include "sandbox/crd.h"
#include "sandbox/gotext.h"
#include "sandbox/registry.h"
#include "sandbox/schema.h"
#include "sandbox/status.h"
#include "sandbox/store.h"

enum { TEXT_BYTES = 1024 * 1024 };

/* ---- versions ---- */

void kst_custom_read(const struct kst_resource *resource, struct kst_json *object)
{
    kst_schema_prune(resource->schema, object);
    kst_schema_default(resource->schema, object);
}

void kst_custom_store(const struct kst_resource *resource, struct kst_json *object)
{
    kst_schema_prune(resource->stored_schema, object);
    kst_schema_numbers(object);
}

void kst_custom_show(const struct kst_resource *resource, struct kst_json *object)
{
    /* Of the defaults, those of the stored version alone. */
    kst_schema_prune(resource->stored_schema, object);
    kst_schema_default(resource->stored_schema, object);
    if (resource->stored_schema != resource->schema)
        kst_schema_prune(resource->schema, object);
}

/* ---- replicas and their selector ---- */

static const char *go_type(const struct kst_json *value)
{
    int64_t whole;
    switch (kst_json_type(value)) {
    case KST_JSON_BOOL:
        return "bool";
    case KST_JSON_NUMBER:
        return kst_go_is_int(kst_json_number(value), &whole) ? "int64" : "float64";
    case KST_JSON_STRING:
        return "string";
    case KST_JSON_ARRAY:
        return "[]interface {}";
    case KST_JSON_OBJECT:
        return "map[string]interface {}";
    default:
        return "<nil>";
    }
}

/* "1 of the type int64, expected string"; the caller frees it. */
static char *accessor_error(const char *path, size_t len, const struct kst_json *value,
                            const char *wanted)
{
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
    kst_go_plain(&text, value);
    return kst_asprintf("%.*s accessor error: %s is of the type %s, expected %s", (int)len, path,
                        text.data, go_type(value), wanted);
}

/* The value at a path like ".spec.replicas"; NULL where there is none, and *why (the caller frees
 * it) where something on the way holds no fields. */
static const struct kst_json *find(const struct kst_json *object, const char *path, char **why)
{
    const struct kst_json *value = object;
    const char *at = path + (*path == '.');
    for (; *at; at += strspn(at, ".")) {
        size_t len = strcspn(at, ".");
        kst_auto_free char *key = kst_strndup(at, len);
        if (kst_json_type(value) == KST_JSON_NULL)
            return NULL;
        at += len;
        if (kst_json_type(value) != KST_JSON_OBJECT) {
            *why = accessor_error(path, (size_t)(at - path), value, "map[string]interface{}");
            return NULL;
        }
        value = kst_json_get(value, key);
        if (!value)
            return NULL;
    }
    return value;
}

static void check_replicas(const struct kst_json *object, const char *path, struct kst_json *causes)
{
    static const char field[] = "FieldValueInvalid";
    kst_auto_free char *why = NULL;
    int64_t replicas = 0;
    if (!path)
        return;
    const struct kst_json *value = find(object, path, &why);
    if (value && !kst_go_is_int(kst_json_number(value), &replicas))
        why = accessor_error(path, strlen(path), value, "int64");
    if (why)
        kst_cause_add(causes, field, path, "Invalid value: 0: %s", why);
    else if (replicas < 0)
        kst_cause_add(causes, field, path,
                      "Invalid value: %" PRId64 ": should be a non-negative integer", replicas);
    else if (replicas > INT32_MAX)
        kst_cause_add(causes, field, path,
                      "Invalid value: %" PRId64 ": should be less than or equal to %d", replicas,
                      INT32_MAX);
}

static void check_scale(const struct kst_resource *resource, const struct kst_json *object,
                        bool status_only, struct kst_json *causes)
{
    const struct kst_json *scale = resource->scale;
    const char *selector = kst_json_path_str(scale, "labelSelectorPath");
    kst_auto_free char *why = NULL;
    if (!scale)
        return;
    if (!status_only)
        check_replicas(object, kst_json_path_str(scale, "specReplicasPath"), causes);
    check_replicas(object, kst_json_path_str(scale, "statusReplicasPath"), causes);
    const struct kst_json *value = selector && *selector ? find(object, selector, &why) : NULL;
    if (value && !kst_json_str(value))
        why = accessor_error(selector, strlen(selector), value, "string");
    if (why)
        kst_cause_add(causes, "FieldValueInvalid", selector, "Invalid value: \"\": %s", why);
}

/* ---- all of it ---- */

void kst_custom_validate(const struct kst_resource *resource, const struct kst_json *live,
                         const struct kst_json *object, bool status_only, struct kst_json *causes)
{
    kst_schema_validate(resource->schema, object, causes);
    check_scale(resource, object, status_only, causes);
}

struct kst_json *kst_custom_refuse(struct kst_api *api, const struct kst_resource *resource)
{
    const struct kst_object *definition = kst_api_find(
        api, "apiextensions.k8s.io/customresourcedefinitions", "", resource->definition_name);
    if (!definition || !kst_crd_is(definition->json, "Terminating"))
        return NULL;
    struct kst_json *status = kst_status_failure(
        405, "MethodNotAllowed",
        "create not allowed while custom resource definition is terminating");
    kst_json_set(status, "details",
                 kst_json_make("{'group':%s,'kind':%s}", resource->group, resource->plural));
    return status;
}
