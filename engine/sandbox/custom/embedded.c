/* SPDX-License-Identifier: Apache-2.0 */
/* Objects within objects (x-kubernetes-embedded-resource): their types, and their metadata. */
#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/cause.h"
#include "sandbox/api/internal.h"
#include "sandbox/builtin/builtin.h"
#include "sandbox/custom/custom_internal.h"
#include "sandbox/custom/schema_internal.h"
#include "sandbox/types/decode.h"
#include "sandbox/types/gotext.h"

enum { TEXT_BYTES = 1024 * 1024 };

/* What Go's encoding leaves out of metadata. */
static bool is_left_out(const struct kst_json *value)
{
    int64_t number = 1;
    switch (kst_json_type(value)) {
    case KST_JSON_NULL:
        return true;
    case KST_JSON_STRING:
        return !*kst_json_str(value);
    case KST_JSON_ARRAY:
    case KST_JSON_OBJECT:
        return kst_json_len(value) == 0;
    case KST_JSON_NUMBER:
        return strcmp(kst_json_key(value), "generation") == 0 && kst_json_int(value, &number) &&
               number == 0;
    default:
        return false;
    }
}

char *kst_custom_read_metadata(struct kst_json *object)
{
    const struct kst_go_struct *type = kst_decode_type("meta", "v1", "ObjectMeta");
    struct kst_json *metadata = kst_json_mut(object, "metadata");
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES), why = KST_BUF_INIT(TEXT_BYTES);
    if (kst_json_type(metadata) == KST_JSON_NULL)
        kst_json_set(object, "metadata", kst_json_object());
    if (!metadata || kst_json_type(metadata) == KST_JSON_NULL)
        return NULL;
    kst_go_json(&text, metadata);
    if (kst_json_type(metadata) != KST_JSON_OBJECT || !kst_decode(type, metadata)) {
        kst_decode_explain(type, text.data, text.len, &why);
        return kst_buf_take(&why);
    }
    struct kst_json *next;
    for (struct kst_json *e = kst_json_first_mut(metadata); e; e = next) {
        next = kst_json_next_mut(e);
        if (is_left_out(e))
            kst_json_drop(metadata, e);
    }
    return NULL;
}

static bool is_embedded(const struct kst_json *schema)
{
    return kst_json_true(kst_json_get(schema, KST_SCHEMA_EMBEDDED));
}

/* ---- reading ---- */

static char *wrong(const char *path, const char *key, const struct kst_json *value, const char *why)
{
    kst_auto_buf shown = KST_BUF_INIT(TEXT_BYTES);
    kst_go_syntax(&shown, value);
    return kst_asprintf("%s.%s: Invalid value: %s: %s", path, key, shown.data, why);
}

static char *read_resource(struct kst_json *object, const char *path)
{
    static const char *const texts[] = {"apiVersion", "kind"};
    for (size_t i = 0; i < KST_ARRAY_LEN(texts); i++) {
        const struct kst_json *value = kst_json_get(object, texts[i]);
        if (value && !kst_json_str(value))
            return wrong(path, texts[i], value, "must be a string");
    }
    kst_auto_json struct kst_json *before = kst_json_dup(kst_json_get(object, "metadata"));
    kst_auto_free char *why = kst_custom_read_metadata(object);
    return why ? wrong(path, "metadata", before, why) : NULL;
}

static char *read_inside(const struct kst_json *schema, struct kst_json *value, const char *path)
{
    bool list = kst_json_type(value) == KST_JSON_ARRAY;
    const struct kst_json *properties = kst_schema_part(schema, "properties");
    size_t index = 0;
    char *why = NULL;
    if (kst_json_type(value) == KST_JSON_OBJECT && is_embedded(schema))
        why = read_resource(value, path);
    for (struct kst_json *e = kst_json_first_mut(value); e && !why; e = kst_json_next_mut(e)) {
        const char *key = kst_json_key(e);
        const struct kst_json *inner = list ? kst_schema_part(schema, "items")
                                            : kst_schema_field(schema, key);
        kst_auto_free char *at = list ? kst_asprintf("%s[%zu]", path, index++)
                                      : kst_schema_place(path, key, kst_json_get(properties, key));
        why = inner ? read_inside(inner, e, at) : NULL;
    }
    return why;
}

char *kst_custom_read_embedded(const struct kst_json *schema, struct kst_json *object)
{
    return read_inside(schema, object, "");
}

/* ---- rules ---- */

static void check_version(const char *version, const char *path, struct kst_json *causes)
{
    const char *slash = strchr(version, '/');
    kst_auto_free char *detail = kst_asprintf("unexpected GroupVersion string: %s", version);
    if (!*version)
        kst_cause_invalid(causes, path, "apiVersion", version, "must not be empty");
    else if (slash && strchr(slash + 1, '/'))
        kst_cause_invalid(causes, path, "apiVersion", version, detail);
}

static void check_kind(const char *kind, const char *path, struct kst_json *causes)
{
    kst_auto_free char *lower = kst_strdup(kind);
    for (char *at = lower; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    kst_auto_free char *why = kst_cause_form(KST_TEXT_DNS1035, lower);
    kst_auto_free char *detail = kst_asprintf("may have mixed case, but should otherwise match: %s",
                                              why ? why : "");
    if (!*kind)
        kst_cause_invalid(causes, path, "kind", kind, "must not be empty");
    else if (why)
        kst_cause_invalid(causes, path, "kind", kind, detail);
}

/* Its name may be whatever stands in a path. */
static void check_name(const char *name, const char *path, struct kst_json *causes)
{
    kst_auto_free char *whole = kst_asprintf("may not be '%s'", name);
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        kst_cause_invalid(causes, path, "metadata.name", name, whole);
    for (const char *c = "/%"; *c; c++) {
        kst_auto_free char *part = kst_asprintf("may not contain '%c'", *c);
        if (strchr(name, *c))
            kst_cause_invalid(causes, path, "metadata.name", name, part);
    }
}

/* The rules that hold for the metadata of any object. */
static void check_metadata(const struct kst_json *object, const char *path, struct kst_json *causes)
{
    kst_auto_json struct kst_json *copy = kst_json_make("{'metadata':%J}",
                                                        kst_json_get(object, "metadata"));
    kst_auto_json struct kst_json *found = kst_json_array();
    if (kst_json_type(kst_json_get(copy, "metadata")) != KST_JSON_OBJECT)
        return;
    struct kst_json *metadata = kst_json_mut(copy, "metadata");
    const char *ns = kst_api_text(metadata, "namespace");
    kst_auto_free char *why = *ns ? kst_cause_form(KST_TEXT_LABEL, ns) : NULL;
    check_name(kst_api_text(metadata, "name"), path, causes);
    if (why)
        kst_cause_invalid(causes, path, "metadata.namespace", ns, why);
    kst_json_set_str(metadata, "name", "fakename");
    kst_builtin_validate_meta("example.com", kst_api_text(object, "kind"), copy, NULL, found);
    for (const struct kst_json *c = kst_json_first(found); c; c = kst_json_next(c)) {
        struct kst_json *cause = kst_json_dup(c);
        kst_auto_free char *field = kst_asprintf("%s.%s", path, kst_api_text(c, "field"));
        kst_json_set_str(cause, "field", field);
        kst_json_push(causes, cause);
    }
}

static void check_resource(const struct kst_json *object, const char *path, struct kst_json *causes)
{
    const char *version = kst_json_str(kst_json_get(object, "apiVersion"));
    const char *kind = kst_json_str(kst_json_get(object, "kind"));
    if (!version)
        kst_cause_required(causes, path, "apiVersion", "must not be empty");
    if (!kind)
        kst_cause_required(causes, path, "kind", "must not be empty");
    if (version)
        check_version(version, path, causes);
    if (kind)
        check_kind(kind, path, causes);
    check_metadata(object, path, causes);
}

static void check_inside(const struct kst_json *schema, const struct kst_json *value,
                         const char *path, struct kst_json *causes)
{
    bool list = kst_json_type(value) == KST_JSON_ARRAY;
    const struct kst_json *properties = kst_schema_part(schema, "properties");
    size_t index = 0;
    if (kst_json_type(value) == KST_JSON_OBJECT && is_embedded(schema))
        check_resource(value, path, causes);
    for (const struct kst_json *e = kst_json_first(value); e; e = kst_json_next(e)) {
        const char *key = kst_json_key(e);
        const struct kst_json *inner = list ? kst_schema_part(schema, "items")
                                            : kst_schema_field(schema, key);
        kst_auto_free char *at = list ? kst_asprintf("%s[%zu]", path, index++)
                                      : kst_schema_place(path, key, kst_json_get(properties, key));
        if (inner)
            check_inside(inner, e, at, causes);
    }
}

void kst_custom_check_embedded(const struct kst_json *schema, const struct kst_json *object,
                               struct kst_json *causes)
{
    check_inside(schema, object, "", causes);
}
