/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/custom/custom.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/cause.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/custom/crd.h"
#include "sandbox/custom/custom_internal.h"
#include "sandbox/custom/schema.h"
#include "sandbox/types/decode.h"
#include "sandbox/types/gotext.h"

enum { TEXT_BYTES = 1024 * 1024 };

/* ---- reading ---- */

static struct kst_json *internal_error(const char *message)
{
    struct kst_json *status = kst_status_failure(500, "InternalError",
                                                 "Internal error occurred: %s", message);
    kst_json_set(status, "details", kst_json_make("{'causes':[{'message':%s}]}", message));
    return status;
}

static struct kst_json *cannot_handle(const struct kst_api_call *call, const char *kind,
                                      const char *why)
{
    return kst_status_bad_request("%s in version \"%s\" cannot be handled as a %s: %s", kind,
                                  call->resource->version, call->resource->kind, why);
}

/* A part of a text that ends `beyond` bytes after `at`, and begins as many before it. */
static void quote_around(struct kst_buf *out, struct kst_str text, size_t at, size_t beyond)
{
    size_t from = at > beyond ? at - beyond : 0;
    size_t to = text.len - at > beyond ? at + beyond : text.len;
    kst_decode_quote(text.data + from, to - from, out);
}

/* Where the server's JSON reader stood, `at` bytes into the text, when it found out. */
static void add_place(struct kst_buf *out, struct kst_str text, size_t at)
{
    enum { NEAR = 10, WIDE = 50 };
    kst_buf_addf(out, ", error found in #%zu byte of ...|", at < NEAR ? at : NEAR);
    quote_around(out, text, at, NEAR);
    kst_buf_adds(out, "|..., bigger context ...|");
    quote_around(out, text, at, WIDE);
    kst_buf_adds(out, "|...");
}

/* The text that was sent, or would have been, which `own` holds then. */
static struct kst_str text_of(const struct kst_api_call *call, const struct kst_json *object,
                              struct kst_buf *own)
{
    if (!call->text)
        kst_go_json(own, object);
    return call->text ? *call->text : kst_str_buf(own);
}

static struct kst_json *kind_is_missing(const struct kst_api_call *call,
                                        const struct kst_json *object)
{
    kst_auto_buf own = KST_BUF_INIT(TEXT_BYTES), why = KST_BUF_INIT(TEXT_BYTES);
    struct kst_str text = text_of(call, object, &own);
    struct kst_str value = kst_str_trim(text);
    kst_buf_adds(&why, "unmarshalerDecoder: Object 'Kind' is missing in '");
    kst_decode_quote(value.data, value.len, &why);
    kst_buf_adds(&why, "'");
    add_place(&why, text, (size_t)(value.data + value.len - text.data));
    return cannot_handle(call, call->resource->kind, why.data);
}

/* The first number that no float64 holds. */
static const char *too_large(const struct kst_json *value)
{
    const char *number = kst_json_number(value), *found = NULL;
    if (number)
        return isfinite(strtod(number, NULL)) ? NULL : number;
    for (const struct kst_json *e = kst_json_first(value); e && !found; e = kst_json_next(e))
        found = too_large(e);
    return found;
}

static struct kst_json *number_is_too_large(const struct kst_api_call *call,
                                            const struct kst_json *object, const char *number)
{
    kst_auto_buf own = KST_BUF_INIT(TEXT_BYTES), why = KST_BUF_INIT(TEXT_BYTES);
    struct kst_str text = text_of(call, object, &own);
    const char *at = memmem(text.data, text.len, number, strlen(number));
    kst_buf_adds(&why, "readNumberAsString: invalid number");
    if (at)
        add_place(&why, text, (size_t)(at - text.data) + strlen(number));
    return cannot_handle(call, call->resource->kind, why.data);
}

struct kst_json *kst_custom_decode(const struct kst_api_call *call, struct kst_json *object)
{
    static const char missing[] =
        "Object 'apiVersion' is missing in 'object has no apiVersion field'";
    const struct kst_resource *resource = call->resource;
    const char *version = kst_api_text(object, "apiVersion"), *number = too_large(object);
    if (number)
        return number_is_too_large(call, object, number);
    if (!*kst_api_text(object, "kind"))
        return kind_is_missing(call, object);
    if (!*version)
        return internal_error(missing);
    if (strcmp(version, resource->api_version) != 0)
        return kst_status_bad_request("the API version in the data (%s) does not match the "
                                      "expected API version (%s)",
                                      version, resource->api_version);
    if (!kst_json_get(object, "metadata"))
        kst_json_set(object, "metadata", kst_json_object());
    kst_auto_free char *why = kst_custom_read_metadata(object);
    if (!why)
        why = kst_custom_read_embedded(resource->schema, object);
    return why ? cannot_handle(call, kst_api_text(object, "kind"), why) : NULL;
}

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

struct kst_json *kst_custom_check_scale(const struct kst_resource *resource,
                                        const struct kst_json *object)
{
    const char *path = kst_json_path_str(resource->scale, "specReplicasPath");
    kst_auto_free char *why = NULL;
    if (!path || find(object, path, &why) || why)
        return NULL;
    kst_auto_free char *message = kst_asprintf("the spec replicas field \"%s\" does not exist",
                                               path);
    return internal_error(message);
}

/* ---- all of it ---- */

struct kst_json *kst_custom_check_kind(const struct kst_resource *resource,
                                       const struct kst_json *object)
{
    const char *kind = kst_api_text(object, "kind");
    const struct kst_resource other = {.group = resource->group, .kind = kind};
    if (strcmp(kind, resource->kind) == 0)
        return NULL;
    kst_auto_json struct kst_json *causes = kst_json_array();
    kst_auto_free char *detail = kst_asprintf("must be %s", resource->kind);
    kst_cause_invalid(causes, "kind", NULL, kind, detail);
    return kst_status_invalid(&other, kst_api_text(object, "metadata.name"), causes);
}

void kst_custom_validate(const struct kst_resource *resource, const struct kst_json *live,
                         const struct kst_json *object, bool status_only, struct kst_json *causes)
{
    kst_schema_validate(resource->schema, object, causes);
    check_scale(resource, object, status_only, causes);
    if (status_only)
        return;
    kst_custom_check_embedded(resource->schema, object, causes);
    /* Lists that were wrong before the rule was there may stay so. */
    kst_auto_json struct kst_json *before = kst_json_array();
    if (live)
        kst_schema_validate_lists(resource->schema, live, before);
    if (kst_json_len(before) == 0)
        kst_schema_validate_lists(resource->schema, object, causes);
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

/* ---- conversion ---- */

/* Where the webhook would be called; the caller frees it. */
static char *webhook_url(const struct kst_json *client)
{
    const char *url = kst_json_path_str(client, "url");
    const char *path = kst_json_path_str(client, "service.path");
    if (url)
        return kst_strdup(url);
    return kst_asprintf("https://%s.%s.svc:%" PRId64 "%s%s", kst_api_text(client, "service.name"),
                        kst_api_text(client, "service.namespace"),
                        kst_json_path_int(client, "service.port", 443),
                        path && *path != '/' ? "/" : "", path ? path : "");
}

struct kst_json *kst_custom_check_conversion(const struct kst_resource *resource, const char *ns,
                                             const char *name, bool creates)
{
    const struct kst_json *conversion = kst_json_path(resource->definition, "spec.conversion");
    if (strcmp(kst_api_text(conversion, "strategy"), "Webhook") != 0 ||
        strcmp(resource->api_version, resource->stored_as) == 0)
        return NULL;
    size_t first = 0, count = kst_bucket_count(resource->bucket);
    if (*ns)
        kst_bucket_range(resource->bucket, ns, &first, &count);
    bool found = *name ? kst_bucket_get(resource->bucket, ns, name) != NULL : count > 0;
    if (!creates && !found)
        return NULL;
    kst_auto_free char *url = webhook_url(kst_json_path(conversion, "webhook.clientConfig"));
    return kst_status_internal(
        "conversion webhook for %s, Kind=%s failed: Post \"%s?timeout=30s\": "
        "the embedded cluster calls no webhooks",
        creates ? resource->api_version : resource->stored_as, resource->kind, url);
}
