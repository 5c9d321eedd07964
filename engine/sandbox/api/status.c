/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/api/status.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/registry.h"

enum { MAX_MESSAGE_BYTES = 1024 * 1024 };

int kst_status_code(const struct kst_json *status)
{
    return (int)kst_json_path_int(status, "code", 500);
}

const char *kst_status_message(const struct kst_json *status)
{
    const char *message = kst_json_path_str(status, "message");
    return message ? message : "";
}

static char *text_of(const char *format, va_list args)
{
    kst_auto_buf text = KST_BUF_INIT(MAX_MESSAGE_BYTES);
    kst_buf_addv(&text, format, args);
    return kst_buf_take(&text);
}

#define TEXT(name)                                     \
    va_list args_;                                     \
    va_start(args_, format);                           \
    kst_auto_free char *name = text_of(format, args_); \
    va_end(args_)

static struct kst_json *make(int code, const char *reason, const char *message,
                             struct kst_json *details)
{
    struct kst_json *status = kst_json_make(
        "{'kind':'Status','apiVersion':'v1','metadata':{},'status':'Failure','message':%s}",
        message);
    if (reason)
        kst_json_set_str(status, "reason", reason);
    if (details)
        kst_json_set(status, "details", details);
    kst_json_set_int(status, "code", code);
    return status;
}

static struct kst_json *details_of(const struct kst_resource *resource, const char *name,
                                   const char *kind)
{
    struct kst_json *details = kst_json_object();
    if (name && *name)
        kst_json_set_str(details, "name", name);
    if (*resource->group)
        kst_json_set_str(details, "group", resource->group);
    kst_json_set_str(details, "kind", kind);
    return details;
}

/* "pods", "statefulsets.apps", as messages name resources. */
static char *qualified(const char *name, const char *group)
{
    return *group ? kst_asprintf("%s.%s", name, group) : kst_strdup(name);
}

struct kst_json *kst_status_failure(int code, const char *reason, const char *format, ...)
{
    TEXT(message);
    return make(code, reason, message, NULL);
}

struct kst_json *kst_status_bad_request(const char *format, ...)
{
    TEXT(message);
    return make(400, "BadRequest", message, NULL);
}

struct kst_json *kst_status_not_found(const struct kst_resource *resource, const char *name)
{
    kst_auto_free char *what = qualified(resource->plural, resource->group);
    kst_auto_free char *message = kst_asprintf("%s \"%s\" not found", what, name);
    return make(404, "NotFound", message, details_of(resource, name, resource->plural));
}

struct kst_json *kst_status_exists(const struct kst_resource *resource, const char *name)
{
    kst_auto_free char *what = qualified(resource->plural, resource->group);
    kst_auto_free char *message = kst_asprintf("%s \"%s\" already exists", what, name);
    return make(409, "AlreadyExists", message, details_of(resource, name, resource->plural));
}

struct kst_json *kst_status_conflict(const struct kst_resource *resource, const char *name,
                                     const char *format, ...)
{
    TEXT(why);
    kst_auto_free char *what = qualified(resource->plural, resource->group);
    kst_auto_free char *message = kst_asprintf("Operation cannot be fulfilled on %s \"%s\": %s",
                                               what, name, why);
    return make(409, "Conflict", message, details_of(resource, name, resource->plural));
}

struct kst_json *kst_status_modified(const struct kst_resource *resource, const char *name)
{
    return kst_status_conflict(resource, name,
                               "the object has been modified; please apply your changes to the "
                               "latest version and try again");
}

struct told {
    const struct kst_json *cause;
    size_t index;
};

static int by_words(const void *a, const void *b)
{
    const struct told *x = a, *y = b;
    static const char *const keys[] = {"field", "message"};
    for (size_t i = 0; i < KST_ARRAY_LEN(keys); i++) {
        const char *left = kst_json_path_str(x->cause, keys[i]);
        const char *right = kst_json_path_str(y->cause, keys[i]);
        int order = strcmp(left ? left : "", right ? right : "");
        if (order)
            return order;
    }
    return (x->index > y->index) - (x->index < y->index);
}

/* Whether two stand for the same words. */
static bool is_same(const struct told *a, const struct told *b)
{
    struct told other = *b;
    other.index = a->index;
    return by_words(a, &other) == 0;
}

/* Each cause once: the message does not repeat what the details do. There may be as many as an
 * object has fields. */
static struct kst_json *distinct(const struct kst_json *causes)
{
    size_t count = 0;
    kst_auto_free struct told *order = kst_calloc(kst_json_len(causes) + 1, sizeof(*order));
    kst_auto_free bool *again = kst_calloc(kst_json_len(causes) + 1, sizeof(*again));
    for (const struct kst_json *c = kst_json_first(causes); c; c = kst_json_next(c), count++)
        order[count] = (struct told){.cause = c, .index = count};
    qsort(order, count, sizeof(*order), by_words);
    for (size_t i = 1; i < count; i++)
        again[order[i].index] = is_same(&order[i - 1], &order[i]);
    struct kst_json *list = kst_json_array();
    count = 0;
    for (const struct kst_json *c = kst_json_first(causes); c; c = kst_json_next(c))
        if (!again[count++])
            kst_json_push(list, kst_json_dup(c));
    return list;
}

struct kst_json *kst_status_invalid(const struct kst_resource *resource, const char *name,
                                    const struct kst_json *causes)
{
    assert(kst_json_len(causes) > 0);
    /* Kinds that 1.20 knows by the group in which they were born. */
    bool moved = strcmp(resource->group, "networking.k8s.io") == 0 &&
                 strcmp(resource->kind, "IngressClass") != 0;
    const struct kst_resource named = {.group = moved ? "extensions" : resource->group,
                                       .kind = resource->kind};
    kst_auto_free char *what = qualified(named.kind, named.group);
    kst_auto_buf text = KST_BUF_INIT(MAX_MESSAGE_BYTES);
    kst_auto_json struct kst_json *told = distinct(causes);
    bool many = kst_json_len(told) > 1;
    kst_buf_addf(&text, "%s \"%s\" is invalid: %s", what, name ? name : "", many ? "[" : "");
    for (const struct kst_json *c = kst_json_first(told); c; c = kst_json_next(c)) {
        const char *field = kst_json_path_str(c, "field");
        kst_buf_addf(&text, "%s%s%s%s", c == kst_json_first(told) ? "" : ", ", field ? field : "",
                     field && *field ? ": " : "", kst_json_path_str(c, "message"));
    }
    kst_buf_adds(&text, many ? "]" : "");
    struct kst_json *details = details_of(&named, name, named.kind);
    kst_json_set(details, "causes", kst_json_dup(causes));
    return make(422, "Invalid", text.data, details);
}

struct kst_json *kst_status_invalid_kind(const char *group, const char *kind,
                                         const struct kst_json *causes)
{
    const struct kst_resource nothing = {.group = group, .kind = kind};
    return kst_status_invalid(&nothing, NULL, causes);
}

struct kst_json *kst_status_forbidden(const struct kst_resource *resource, const char *name,
                                      const char *format, ...)
{
    TEXT(why);
    kst_auto_free char *what = qualified(resource->plural, resource->group);
    kst_auto_free char *message = name && *name
                                      ? kst_asprintf("%s \"%s\" is forbidden: %s", what, name, why)
                                      : kst_asprintf("%s is forbidden: %s", what, why);
    return make(403, "Forbidden", message, details_of(resource, name, resource->plural));
}

struct kst_json *kst_status_no_resource(void)
{
    return make(404, "NotFound", "the server could not find the requested resource",
                kst_json_object());
}

struct kst_json *kst_status_no_method(void)
{
    return make(405, "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
                kst_json_object());
}

struct kst_json *kst_status_not_supported(const struct kst_resource *resource, const char *verb)
{
    kst_auto_free char *what = qualified(resource->plural, resource->group);
    kst_auto_free char *message = kst_asprintf("%s is not supported on resources of kind \"%s\"",
                                               verb, what);
    return make(405, "MethodNotAllowed", message, details_of(resource, NULL, resource->plural));
}

struct kst_json *kst_status_unauthorized(void)
{
    return make(401, "Unauthorized", "Unauthorized", NULL);
}

struct kst_json *kst_status_expired(const char *format, ...)
{
    TEXT(message);
    return make(410, "Expired", message, NULL);
}

struct kst_json *kst_status_bad_version(const char *version)
{
    return kst_status_internal("resourceVersion: Invalid value: \"%s\": strconv.ParseUint: parsing "
                               "\"%s\": invalid syntax",
                               version, version);
}

struct kst_json *kst_status_future_version(int64_t asked, int64_t have)
{
    struct kst_json *status = kst_status_failure(504, "Timeout",
                                                 "Timeout: Too large resource version: %" PRId64
                                                 ", current: %" PRId64,
                                                 asked, have);
    kst_json_set(status, "details",
                 kst_json_make("{'causes':[{'reason':'ResourceVersionTooLarge','message':"
                               "'Too large resource version'}],'retryAfterSeconds':1}"));
    return status;
}

struct kst_json *kst_status_internal(const char *format, ...)
{
    TEXT(message);
    return make(500, NULL, message, NULL);
}

struct kst_json *kst_status_deleted(const struct kst_resource *resource, const char *name,
                                    const char *uid)
{
    struct kst_json *details = details_of(resource, name, resource->plural);
    kst_json_set_str(details, "uid", uid);
    struct kst_json *status = kst_json_make(
        "{'kind':'Status','apiVersion':'v1','metadata':{},'status':'Success','details':%J}",
        details);
    kst_json_free(details);
    return status;
}

void kst_cause_add(struct kst_json *causes, const char *reason, const char *field,
                   const char *format, ...)
{
    TEXT(message);
    kst_json_push(causes,
                  kst_json_make("{'reason':%s,'message':%s,'field':%s}", reason, message, field));
}
