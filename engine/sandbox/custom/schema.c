/* SPDX-License-Identifier: Apache-2.0 */
/* Pruning and defaulting. The walks go down the schema, whose depth its parser limited. */
#include "sandbox/custom/schema.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sandbox/custom/schema_internal.h"
#include "sandbox/types/gotext.h"

/* The key of what is the server's own in every object. */
static bool is_meta(const char *key)
{
    return strcmp(key, "metadata") == 0 || strcmp(key, "apiVersion") == 0 ||
           strcmp(key, "kind") == 0;
}

const struct kst_json *kst_schema_part(const struct kst_json *schema, const char *key)
{
    const struct kst_json *found = kst_json_get(schema, key);
    return kst_json_type(found) == KST_JSON_OBJECT ? found : NULL;
}

const struct kst_json *kst_schema_field(const struct kst_json *schema, const char *key)
{
    const struct kst_json *own = kst_json_get(kst_schema_part(schema, "properties"), key);
    return own ? own : kst_schema_part(schema, "additionalProperties");
}

char *kst_schema_place(const char *path, const char *key, const struct kst_json *own)
{
    return own ? kst_asprintf("%s%s%s", path, *path ? "." : "", key)
               : kst_asprintf("%s[%s]", path, key);
}

/* ---- unknown fields ---- */

static void prune(struct kst_json *value, const struct kst_json *schema, bool resource);

/* Fields of an object whose unknown ones stay or, where not, go; of a list, the elements. */
static void prune_inside(struct kst_json *value, const struct kst_json *schema, bool resource,
                         bool keeps)
{
    const struct kst_json *properties = kst_schema_part(schema, "properties");
    bool others = kst_json_get(schema, "additionalProperties");
    struct kst_json *next;
    for (struct kst_json *e = kst_json_first_mut(value); e; e = next) {
        const char *key = kst_json_key(e);
        next = kst_json_next_mut(e);
        if (resource && is_meta(key))
            continue;
        const struct kst_json *own = kst_json_get(properties, key);
        if (own || others)
            prune(e, own ? own : kst_schema_part(schema, "additionalProperties"), false);
        else if (!keeps)
            kst_json_drop(value, e);
    }
}

/* As prune(), for what lies in a list whose unknown fields stay. */
static void prune_known(struct kst_json *value, const struct kst_json *schema)
{
    if (!schema)
        return;
    if (kst_json_type(value) == KST_JSON_OBJECT) {
        prune_inside(value, schema, kst_json_true(kst_json_get(schema, KST_SCHEMA_EMBEDDED)), true);
    } else if (kst_json_type(value) == KST_JSON_ARRAY) {
        const struct kst_json *items = kst_schema_part(schema, "items");
        for (struct kst_json *e = kst_json_first_mut(value); e; e = kst_json_next_mut(e))
            prune_known(e, items);
    }
}

static void prune(struct kst_json *value, const struct kst_json *schema, bool resource)
{
    bool embedded = resource || kst_json_true(kst_json_get(schema, KST_SCHEMA_EMBEDDED));
    if (kst_json_true(kst_json_get(schema, KST_SCHEMA_PRESERVE))) {
        if (kst_json_type(value) == KST_JSON_OBJECT)
            prune_inside(value, schema, embedded, true);
        else
            prune_known(value, schema);
    } else if (kst_json_type(value) == KST_JSON_OBJECT) {
        prune_inside(value, schema, embedded, false);
    } else if (kst_json_type(value) == KST_JSON_ARRAY) {
        const struct kst_json *items = kst_schema_part(schema, "items");
        for (struct kst_json *e = kst_json_first_mut(value); e; e = kst_json_next_mut(e))
            prune(e, items, false);
    }
}

/* ---- nulls and defaults ---- */

static bool has_default(const struct kst_json *schema)
{
    enum kst_json_type type = kst_json_type(kst_json_get(schema, "default"));
    return type != KST_JSON_ABSENT && type != KST_JSON_NULL;
}

/* Whether the value is a null that the schema does not allow. */
static bool is_wrong_null(const struct kst_json *value, const struct kst_json *schema)
{
    return kst_json_type(value) == KST_JSON_NULL && schema &&
           !kst_json_true(kst_json_get(schema, "nullable"));
}

static void drop_nulls(struct kst_json *value, const struct kst_json *schema, bool root)
{
    bool object = kst_json_type(value) == KST_JSON_OBJECT;
    const struct kst_json *items = kst_schema_part(schema, "items");
    struct kst_json *next;
    for (struct kst_json *e = kst_json_first_mut(value); e; e = next) {
        next = kst_json_next_mut(e);
        if (root && is_meta(kst_json_key(e)))
            continue;
        const struct kst_json *inner = object ? kst_schema_field(schema, kst_json_key(e)) : items;
        if (object && is_wrong_null(e, inner) && !has_default(inner))
            kst_json_drop(value, e);
        else
            drop_nulls(e, inner, false);
    }
}

void kst_schema_prune_part(const struct kst_json *schema, struct kst_json *value)
{
    prune(value, schema, false);
}

void kst_schema_prune(const struct kst_json *schema, struct kst_json *object)
{
    prune(object, schema, true);
    drop_nulls(object, schema, true);
}

static struct kst_json *default_of(const struct kst_json *schema)
{
    return kst_json_dup(kst_json_get(schema, "default"));
}

/* The entry, or the default that was put in the place of its null. */
static struct kst_json *fill_null(struct kst_json *container, struct kst_json *entry,
                                  const struct kst_json *schema)
{
    if (!has_default(schema) || !is_wrong_null(entry, schema))
        return entry;
    return kst_json_replace(container, entry, default_of(schema));
}

static void fill(struct kst_json *value, const struct kst_json *schema)
{
    if (!schema)
        return;
    if (kst_json_type(value) == KST_JSON_ARRAY) {
        const struct kst_json *items = kst_schema_part(schema, "items");
        for (struct kst_json *e = kst_json_first_mut(value); e; e = kst_json_next_mut(e)) {
            e = fill_null(value, e, items);
            fill(e, items);
        }
        return;
    }
    if (kst_json_type(value) != KST_JSON_OBJECT)
        return;
    const struct kst_json *properties = kst_schema_part(schema, "properties");
    for (const struct kst_json *p = kst_json_first(properties); p; p = kst_json_next(p)) {
        const struct kst_json *found = kst_json_get(value, kst_json_key(p));
        if (has_default(p) && (!found || is_wrong_null(found, p)))
            kst_json_set(value, kst_json_key(p), default_of(p));
    }
    for (struct kst_json *e = kst_json_first_mut(value); e; e = kst_json_next_mut(e)) {
        const struct kst_json *inner = kst_schema_field(schema, kst_json_key(e));
        e = fill_null(value, e, inner);
        fill(e, inner);
    }
}

void kst_schema_default(const struct kst_json *schema, struct kst_json *object)
{
    fill(object, schema);
}

/* ---- numbers ---- */

void kst_schema_numbers(struct kst_json *object)
{
    for (struct kst_json *e = kst_json_first_mut(object); e; e = kst_json_next_mut(e)) {
        const char *text = kst_json_number(e);
        kst_auto_free char *stored = text ? kst_go_json_number(text) : NULL;
        if (!text)
            kst_schema_numbers(e);
        else if (strcmp(stored, text) != 0)
            e = kst_json_replace(object, e, kst_json_from_number(stored));
    }
}
