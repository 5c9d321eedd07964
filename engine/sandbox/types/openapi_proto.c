/* SPDX-License-Identifier: Apache-2.0 */
/* Schemas in protobuf, field by field. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/types/openapi.h"

enum { PART_BYTES = 8 * 1024 * 1024 };

/* Field numbers of openapi.v2.Schema and of what it consists of. */
enum {
    NAMED_NAME = 1,
    NAMED_VALUE = 2,
    ANY_YAML = 2,
    LIST_ENTRY = 1, /* of the messages that hold nothing but a list, or one of two */
    SCHEMA_REQUIRED = 19,
    SCHEMA_ENUM = 20,
    SCHEMA_ADDITIONAL = 21,
    SCHEMA_TYPE = 22,
    SCHEMA_ITEMS = 23,
    SCHEMA_ALL_OF = 24,
    SCHEMA_PROPERTIES = 25,
    SCHEMA_EXTENSION = 31,
    ADDITIONAL_SCHEMA = 1,
    ADDITIONAL_BOOLEAN = 2,
};

enum wire { VARINT = 0, DOUBLE = 1, BYTES = 2 };

static void add_varint(struct kst_buf *out, uint64_t value)
{
    while (value >= 0x80) {
        kst_buf_addc(out, (char)(value | 0x80));
        value >>= 7;
    }
    kst_buf_addc(out, (char)value);
}

static void add_key(struct kst_buf *out, int field, enum wire wire)
{
    add_varint(out, (uint64_t)field << 3 | (uint64_t)wire);
}

void kst_openapi_bytes(struct kst_buf *out, int field, const void *data, size_t len)
{
    add_key(out, field, BYTES);
    add_varint(out, len);
    kst_buf_add(out, data, len);
}

void kst_openapi_text(struct kst_buf *out, int field, const char *text)
{
    kst_openapi_bytes(out, field, text, strlen(text));
}

void kst_openapi_part(struct kst_buf *out, int field, const struct kst_buf *part)
{
    kst_openapi_bytes(out, field, part->data, part->len);
}

static void add_any(struct kst_buf *out, int field, const char *yaml)
{
    kst_auto_buf any = KST_BUF_INIT(PART_BYTES);
    kst_openapi_text(&any, ANY_YAML, yaml);
    kst_openapi_part(out, field, &any);
}

void kst_openapi_extension(struct kst_buf *out, int field, const char *name, const char *yaml)
{
    kst_auto_buf named = KST_BUF_INIT(PART_BYTES);
    kst_openapi_text(&named, NAMED_NAME, name);
    add_any(&named, NAMED_VALUE, yaml);
    kst_openapi_part(out, field, &named);
}

static void add_schema(struct kst_buf *out, int field, const struct kst_json *schema)
{
    kst_auto_buf part = KST_BUF_INIT(PART_BYTES);
    kst_openapi_schema(schema, &part);
    kst_openapi_part(out, field, &part);
}

/* ---- the fields of a schema ---- */

static void add_texts(struct kst_buf *out, int field, const struct kst_json *list)
{
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e))
        if (kst_json_str(e))
            kst_openapi_text(out, field, kst_json_str(e));
}

static void add_properties(struct kst_buf *out, const struct kst_json *properties)
{
    kst_auto_buf part = KST_BUF_INIT(PART_BYTES);
    for (const struct kst_json *p = kst_json_first(properties); p; p = kst_json_next(p)) {
        kst_auto_buf named = KST_BUF_INIT(PART_BYTES);
        kst_openapi_text(&named, NAMED_NAME, kst_json_key(p));
        add_schema(&named, NAMED_VALUE, p);
        kst_openapi_part(&part, LIST_ENTRY, &named);
    }
    kst_openapi_part(out, SCHEMA_PROPERTIES, &part);
}

static void add_additional(struct kst_buf *out, const struct kst_json *value)
{
    kst_auto_buf part = KST_BUF_INIT(PART_BYTES);
    if (kst_json_type(value) == KST_JSON_OBJECT) {
        add_schema(&part, ADDITIONAL_SCHEMA, value);
    } else {
        add_key(&part, ADDITIONAL_BOOLEAN, VARINT);
        add_varint(&part, kst_json_true(value));
    }
    kst_openapi_part(out, SCHEMA_ADDITIONAL, &part);
}

static void add_type(struct kst_buf *out, const struct kst_json *value)
{
    kst_auto_buf part = KST_BUF_INIT(PART_BYTES);
    if (kst_json_str(value))
        kst_openapi_text(&part, LIST_ENTRY, kst_json_str(value));
    else
        add_texts(&part, LIST_ENTRY, value);
    kst_openapi_part(out, SCHEMA_TYPE, &part);
}

static void add_items(struct kst_buf *out, const struct kst_json *value)
{
    kst_auto_buf part = KST_BUF_INIT(PART_BYTES);
    add_schema(&part, LIST_ENTRY, value);
    kst_openapi_part(out, SCHEMA_ITEMS, &part);
}

static void add_double(struct kst_buf *out, int field, const struct kst_json *value)
{
    const char *text = kst_json_number(value);
    double number = text ? strtod(text, NULL) : 0;
    char bytes[sizeof(number)];
    memcpy(bytes, &number, sizeof(number)); /* little-endian, as on the wire */
    add_key(out, field, DOUBLE);
    kst_buf_add(out, bytes, sizeof(bytes));
}

static void add_int(struct kst_buf *out, int field, const struct kst_json *value)
{
    int64_t number = kst_json_true(value);
    kst_json_int(value, &number);
    add_key(out, field, VARINT);
    add_varint(out, (uint64_t)number);
}

/* Fields whose values are plain: a text, an integer or a boolean, a number, anything. */
static const struct {
    const char *name;
    int field;
    char what;
} plain[] = {
    {"$ref", 1, 't'},           {"format", 2, 't'},
    {"title", 3, 't'},          {"description", 4, 't'},
    {"default", 5, 'a'},        {"multipleOf", 6, 'n'},
    {"maximum", 7, 'n'},        {"exclusiveMaximum", 8, 'i'},
    {"minimum", 9, 'n'},        {"exclusiveMinimum", 10, 'i'},
    {"maxLength", 11, 'i'},     {"minLength", 12, 'i'},
    {"pattern", 13, 't'},       {"maxItems", 14, 'i'},
    {"minItems", 15, 'i'},      {"uniqueItems", 16, 'i'},
    {"maxProperties", 17, 'i'}, {"minProperties", 18, 'i'},
};

static bool add_plain(struct kst_buf *out, const struct kst_json *value)
{
    size_t i = 0;
    while (i < KST_ARRAY_LEN(plain) && strcmp(plain[i].name, kst_json_key(value)) != 0)
        i++;
    if (i == KST_ARRAY_LEN(plain))
        return false;
    if (plain[i].what == 't') {
        kst_openapi_text(out, plain[i].field, kst_json_str(value) ? kst_json_str(value) : "");
    } else if (plain[i].what == 'n') {
        add_double(out, plain[i].field, value);
    } else if (plain[i].what == 'i') {
        add_int(out, plain[i].field, value);
    } else {
        kst_auto_free char *yaml = kst_json_text(value);
        add_any(out, plain[i].field, yaml);
    }
    return true;
}

static void add_list(struct kst_buf *out, const struct kst_json *value, bool schemas)
{
    for (const struct kst_json *e = kst_json_first(value); e; e = kst_json_next(e)) {
        kst_auto_free char *yaml = schemas ? NULL : kst_json_text(e);
        if (schemas)
            add_schema(out, SCHEMA_ALL_OF, e);
        else
            add_any(out, SCHEMA_ENUM, yaml);
    }
}

void kst_openapi_schema(const struct kst_json *schema, struct kst_buf *out)
{
    for (const struct kst_json *v = kst_json_first(schema); v; v = kst_json_next(v)) {
        const char *key = kst_json_key(v);
        if (!key || add_plain(out, v))
            continue;
        if (strcmp(key, "required") == 0) {
            add_texts(out, SCHEMA_REQUIRED, v);
        } else if (strcmp(key, "properties") == 0) {
            add_properties(out, v);
        } else if (strcmp(key, "additionalProperties") == 0) {
            add_additional(out, v);
        } else if (strcmp(key, "type") == 0) {
            add_type(out, v);
        } else if (strcmp(key, "items") == 0) {
            add_items(out, v);
        } else if (strcmp(key, "enum") == 0 || strcmp(key, "allOf") == 0) {
            add_list(out, v, *key == 'a');
        } else if (strncmp(key, "x-", 2) == 0) { /* JSON is YAML */
            kst_auto_free char *yaml = kst_json_text(v);
            kst_openapi_extension(out, SCHEMA_EXTENSION, key, yaml);
        }
    }
}
