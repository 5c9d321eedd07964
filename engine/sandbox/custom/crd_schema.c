/* SPDX-License-Identifier: Apache-2.0 */
/* What the schemas of definitions may hold, rule by rule in the server's order. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/cause.h"
#include "sandbox/custom/crd_internal.h"
#include "sandbox/custom/schema.h"
#include "sandbox/custom/schema_internal.h"
#include "sandbox/types/gotext.h"

#define LIST_TYPE "x-kubernetes-list-type"
#define MAP_TYPE  "x-kubernetes-map-type"
#define MAP_KEYS  "x-kubernetes-list-map-keys"

enum { TEXT_BYTES = 1024 * 1024 };

/* Where in a resource a schema stands, and why it may have no default there (NULL: it may). */
struct scope {
    bool root, in_meta;
    const char *no_default;
};

static bool is(const char *text, const char *other)
{
    return text && strcmp(text, other) == 0;
}

static const char *text_at(const struct kst_json *schema, const char *key)
{
    return kst_json_str(kst_json_get(schema, key));
}

static bool has_default(const struct kst_json *schema)
{
    return kst_json_get(schema, "default");
}

/* ---- one schema ---- */

static void check_supported(const struct kst_json *schema, struct scope scope, const char *path,
                            struct kst_json *causes)
{
    static const char *const types[] = {"array",  "boolean", "integer",
                                        "number", "object",  "string"};
    static const char *const unsupported[] = {"id",          "additionalItems", "patternProperties",
                                              "definitions", "dependencies",    "$ref"};
    const char *type = text_at(schema, "type");
    bool known = !type || !*type;
    for (size_t i = 0; i < KST_ARRAY_LEN(types); i++)
        known = known || is(type, types[i]);
    if (!known)
        kst_cause_not_supported(causes, path, "type", type, types, KST_ARRAY_LEN(types));
    if (has_default(schema) && scope.no_default) {
        kst_auto_free char *detail = kst_asprintf("must not be set %s", scope.no_default);
        kst_cause_forbidden(causes, path, "default", detail);
    }
    for (size_t i = 0; i < KST_ARRAY_LEN(unsupported); i++) {
        kst_auto_free char *detail = kst_asprintf("%s is not supported", unsupported[i]);
        if (kst_json_get(schema, unsupported[i]))
            kst_cause_forbidden(causes, path, unsupported[i], detail);
    }
    if (is(type, "null"))
        kst_cause_forbidden(causes, path, "type",
                            "type cannot be set to null, use nullable as an alternative");
    if (kst_json_type(kst_json_get(schema, "items")) == KST_JSON_ARRAY &&
        kst_json_len(kst_json_get(schema, "items")) > 0)
        kst_cause_forbidden(causes, path, "items",
                            "items must be a schema object and not an array");
    if (scope.in_meta && kst_json_true(kst_json_get(schema, KST_SCHEMA_EMBEDDED)))
        kst_cause_forbidden(causes, path, KST_SCHEMA_EMBEDDED,
                            "must not be used inside of resource meta");
    if (kst_json_true(kst_json_get(schema, "uniqueItems")))
        kst_cause_forbidden(causes, path, "uniqueItems",
                            "uniqueItems cannot be set to true since the runtime complexity "
                            "becomes quadratic");
    const struct kst_json *others = kst_json_get(schema, "additionalProperties");
    if (others && !kst_json_true(others) && kst_json_len(kst_schema_part(schema, "properties")) > 0)
        kst_cause_forbidden(causes, path, "additionalProperties",
                            "additionalProperties and properties are mutual exclusive");
}

/* An extension that only one type may have. */
static void check_type_for(const struct kst_json *schema, const char *wanted, const char *extension,
                           const char *path, struct kst_json *causes)
{
    const char *type = text_at(schema, "type");
    kst_auto_free char *detail = kst_asprintf("must be %s if %s is specified", wanted, extension);
    if (!type || !*type)
        kst_cause_required(causes, path, "type", detail);
    else
        kst_cause_invalid(causes, path, "type", type, detail);
}

static void check_set_items(const struct kst_json *items, const char *path, struct kst_json *causes)
{
    static const char detail[] = "must be atomic as item of a list with x-kubernetes-list-type=set";
    const char *list = text_at(items, LIST_TYPE), *map = text_at(items, MAP_TYPE);
    if (is(text_at(items, "type"), "array") && list && !is(list, "atomic"))
        kst_cause_invalid(causes, path, "items." LIST_TYPE, list, detail);
    else if (is(text_at(items, "type"), "object") && !is(map, "atomic"))
        kst_cause_invalid(causes, path, "items." MAP_TYPE, list ? list : "null", detail);
}

static void check_kinds(const struct kst_json *schema, const char *path, struct kst_json *causes)
{
    static const char *const maps[] = {"atomic", "granular"};
    static const char *const lists[] = {"atomic", "set", "map"};
    const char *map = text_at(schema, MAP_TYPE), *list = text_at(schema, LIST_TYPE);
    const struct kst_json *preserve = kst_json_get(schema, KST_SCHEMA_PRESERVE);
    if (kst_json_type(preserve) == KST_JSON_BOOL && !kst_json_true(preserve))
        kst_cause_invalid_value(causes, path, KST_SCHEMA_PRESERVE, "false",
                                "must be true or undefined");
    if (map && !is(text_at(schema, "type"), "object"))
        check_type_for(schema, "object", MAP_TYPE, path, causes);
    if (map && !is(map, "atomic") && !is(map, "granular"))
        kst_cause_not_supported(causes, path, MAP_TYPE, map, maps, KST_ARRAY_LEN(maps));
    if (list && !is(text_at(schema, "type"), "array"))
        check_type_for(schema, "array", LIST_TYPE, path, causes);
    else if (is(list, "set"))
        check_set_items(kst_schema_part(schema, "items"), path, causes);
    if (list && !is(list, "atomic") && !is(list, "set") && !is(list, "map"))
        kst_cause_not_supported(causes, path, LIST_TYPE, list, lists, KST_ARRAY_LEN(lists));
}

/* A list of texts as Go shows it; the caller frees it. */
static char *show_list(const struct kst_json *list)
{
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
    kst_buf_adds(&text, "[]string{");
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e)) {
        kst_go_quote(&text, kst_json_str(e) ? kst_json_str(e) : "");
        kst_buf_adds(&text, kst_json_next(e) ? ", " : "");
    }
    kst_buf_adds(&text, "}");
    return kst_buf_take(&text);
}

static bool is_before(const struct kst_json *list, const struct kst_json *entry)
{
    for (const struct kst_json *e = kst_json_first(list); e != entry; e = kst_json_next(e))
        if (kst_json_equal(e, entry))
            return true;
    return false;
}

/* The keys of a list that is a map. */
static void check_keys(const struct kst_json *schema, const struct kst_json *items,
                       const char *path, struct kst_json *causes)
{
    const struct kst_json *keys = kst_json_get(schema, MAP_KEYS);
    kst_auto_free char *shown = show_list(keys);
    for (const struct kst_json *k = kst_json_first(keys); k; k = kst_json_next(k)) {
        const char *name = kst_json_str(k) ? kst_json_str(k) : "";
        const struct kst_json *field = kst_json_get(kst_schema_part(items, "properties"), name);
        if (!field)
            kst_cause_invalid_value(causes, path, MAP_KEYS, shown,
                                    "entries must all be names of item properties");
        if (is(text_at(field, "type"), "array") || is(text_at(field, "type"), "object")) {
            kst_auto_free char *at = kst_asprintf("items.properties[%s].type", name);
            kst_cause_invalid(causes, path, at, text_at(items, "type"),
                              "must be a scalar type if parent array's x-kubernetes-list-type is "
                              "map");
        }
        if (is_before(keys, k))
            kst_cause_invalid_value(causes, path, MAP_KEYS, shown,
                                    "must not contain duplicate entries");
    }
}

static void check_map(const struct kst_json *schema, const char *path, struct kst_json *causes)
{
    const char *list = text_at(schema, LIST_TYPE), *type;
    const struct kst_json *items = kst_json_get(schema, "items");
    bool keys = kst_json_len(kst_json_get(schema, MAP_KEYS)) > 0;
    if (keys && !list)
        kst_cause_required(causes, path, LIST_TYPE,
                           "must be map if x-kubernetes-list-map-keys is non-empty");
    else if (keys && !is(list, "map"))
        kst_cause_invalid(causes, path, LIST_TYPE, list,
                          "must be map if x-kubernetes-list-map-keys is non-empty");
    if (!is(list, "map"))
        return;
    if (!keys)
        kst_cause_required(causes, path, MAP_KEYS,
                           "must not be empty if x-kubernetes-list-type is map");
    if (!items)
        kst_cause_required(causes, path, "items",
                           "must have a schema if x-kubernetes-list-type is map");
    items = kst_schema_part(schema, "items");
    type = text_at(items, "type");
    if (items && !is(type, "object"))
        kst_cause_invalid(causes, path, "items.type", type ? type : "",
                          "must be object if parent array's x-kubernetes-list-type is map");
    else if (items)
        check_keys(schema, items, path, causes);
}

static bool is_required(const struct kst_json *schema, const char *name)
{
    const struct kst_json *required = kst_json_get(schema, "required");
    for (const struct kst_json *r = kst_json_first(required); r; r = kst_json_next(r))
        if (is(kst_json_str(r), name))
            return true;
    return false;
}

/* What makes an element must be there. */
static void check_presence(const struct kst_json *schema, const char *path, struct kst_json *causes)
{
    const char *list = text_at(schema, LIST_TYPE);
    const struct kst_json *items = kst_schema_part(schema, "items");
    if (!items || (!is(list, "set") && !is(list, "map")))
        return;
    if (kst_json_true(kst_json_get(items, "nullable"))) {
        kst_auto_free char *detail = kst_asprintf(
            "cannot be nullable when x-kubernetes-list-type is %s", list);
        kst_cause_forbidden(causes, path, "items.nullable", detail);
    }
    const struct kst_json *keys = is(list, "map") ? kst_json_get(schema, MAP_KEYS) : NULL;
    for (const struct kst_json *k = kst_json_first(keys); k; k = kst_json_next(k)) {
        const char *name = kst_json_str(k) ? kst_json_str(k) : "";
        const struct kst_json *field = kst_json_get(kst_schema_part(items, "properties"), name);
        kst_auto_free char *at = kst_asprintf("%s.items.properties[%s]", path, name);
        if (field && !is_required(items, name) && !has_default(field))
            kst_cause_required(causes, at, "default",
                               "this property is in x-kubernetes-list-map-keys, so it must have a "
                               "default or be a required property");
        if (kst_json_true(kst_json_get(field, "nullable")))
            kst_cause_forbidden(causes, at, "nullable",
                                "this property is in x-kubernetes-list-map-keys, so it cannot be "
                                "nullable");
    }
}

/* ---- all schemas ---- */

static void check_all(const struct kst_json *schema, struct scope scope, const char *path,
                      struct kst_json *causes);

static void check_properties(const struct kst_json *schema, struct scope scope, const char *path,
                             struct kst_json *causes)
{
    static const char *const meta[] = {"metadata", "kind", "apiVersion"};
    bool resource = scope.root || kst_json_true(kst_json_get(schema, KST_SCHEMA_EMBEDDED));
    const struct kst_json *properties = kst_schema_part(schema, "properties");
    for (const struct kst_json *p = kst_json_first(properties); p; p = kst_json_next(p)) {
        struct scope inner = {.in_meta = scope.in_meta, .no_default = scope.no_default};
        kst_auto_free char *at = kst_asprintf("%s.properties[%s]", path, kst_json_key(p));
        kst_auto_free char *reason = kst_asprintf("in top-level %s", kst_json_key(p));
        for (size_t i = 0; resource && i < KST_ARRAY_LEN(meta); i++) {
            if (strcmp(kst_json_key(p), meta[i]) != 0)
                continue;
            inner.in_meta = true;
            if (scope.root)
                inner.no_default = reason;
        }
        check_all(p, inner, at, causes);
    }
}

static void check_clauses(const struct kst_json *schema, struct scope scope, const char *path,
                          struct kst_json *causes)
{
    static const char *const keys[] = {"allOf", "oneOf", "anyOf"};
    for (size_t i = 0; i < KST_ARRAY_LEN(keys); i++) {
        const struct kst_json *list = kst_json_get(schema, keys[i]);
        size_t index = 0;
        for (const struct kst_json *c = kst_json_first(list); c; c = kst_json_next(c)) {
            kst_auto_free char *at = kst_asprintf("%s.%s[%zu]", path, keys[i], index++);
            check_all(c, scope, at, causes);
        }
    }
}

static void check_all(const struct kst_json *schema, struct scope scope, const char *path,
                      struct kst_json *causes)
{
    static const char *const nested[] = {"not", "items"};
    struct scope inner = {.in_meta = scope.in_meta, .no_default = scope.no_default};
    check_supported(schema, scope, path, causes);
    if (kst_schema_part(schema, "additionalProperties")) {
        kst_auto_free char *at = kst_asprintf("%s.additionalProperties", path);
        struct scope others = inner;
        if (scope.in_meta)
            others.no_default = "inside additionalProperties applying to object metadata";
        check_all(kst_schema_part(schema, "additionalProperties"), others, at, causes);
    }
    check_properties(schema, scope, path, causes);
    for (size_t i = 0; i < KST_ARRAY_LEN(nested); i++) {
        kst_auto_free char *at = kst_asprintf("%s.%s", path, nested[i]);
        if (i == 1)
            check_clauses(schema, inner, path, causes);
        if (kst_schema_part(schema, nested[i]))
            check_all(kst_schema_part(schema, nested[i]), inner, at, causes);
    }
    check_kinds(schema, path, causes);
    check_map(schema, path, causes);
    check_presence(schema, path, causes);
}

/* ---- defaults ---- */

static void check_default(const struct kst_json *schema, const char *path, struct kst_json *causes)
{
    const struct kst_json *value = kst_json_get(schema, "default");
    kst_auto_free char *at = kst_asprintf("%s.default", path);
    kst_auto_json struct kst_json *pruned = kst_json_dup(value);
    kst_schema_prune_part(schema, pruned);
    if (!kst_json_equal(pruned, value)) {
        kst_auto_buf shown = KST_BUF_INIT(TEXT_BYTES);
        kst_go_syntax(&shown, value);
        kst_cause_invalid_value(causes, at, NULL, shown.data, "must not have unknown fields");
    }
    kst_schema_validate_default(schema, value, at, causes);
}

/* Not in additionalProperties, as on the server. */
static void check_defaults(const struct kst_json *schema, const char *path, struct kst_json *causes)
{
    if (has_default(schema))
        check_default(schema, path, causes);
    if (kst_schema_part(schema, "items")) {
        kst_auto_free char *at = kst_asprintf("%s.items", path);
        check_defaults(kst_schema_part(schema, "items"), at, causes);
    }
    const struct kst_json *properties = kst_schema_part(schema, "properties");
    for (const struct kst_json *p = kst_json_first(properties); p; p = kst_json_next(p)) {
        kst_auto_free char *at = kst_asprintf("%s.properties[%s]", path, kst_json_key(p));
        check_defaults(p, at, causes);
    }
}

/* Why a schema, or one in it, cannot be read as a structural one; NULL where it can. */
static const char *unreadable(const struct kst_json *schema)
{
    static const struct {
        const char *key, *message;
    } rules[] = {
        {"id", "OpenAPIV3Schema 'id' is not supported"},
        {"$schema", "OpenAPIV3Schema 'schema' is not supported"},
        {"$ref", "OpenAPIV3Schema '$ref' is not supported"},
        {"patternProperties", "OpenAPIV3Schema 'patternProperties' is not supported"},
        {"dependencies", "OpenAPIV3Schema 'dependencies' is not supported"},
        {"additionalItems", "OpenAPIV3Schema 'additionalItems' is not supported"},
        {"definitions", "OpenAPIV3Schema 'definitions' is not supported"},
    };
    static const char *const parts[] = {"items", "additionalProperties", "not"};
    static const char *const lists[] = {"properties", "allOf", "anyOf", "oneOf"};
    const struct kst_json *items = kst_json_get(schema, "items");
    const struct kst_json *preserve = kst_json_get(schema, KST_SCHEMA_PRESERVE);
    const char *why = NULL;
    for (size_t i = 0; i < KST_ARRAY_LEN(rules); i++)
        if (kst_json_get(schema, rules[i].key))
            return rules[i].message;
    if (kst_json_type(preserve) == KST_JSON_BOOL && !kst_json_true(preserve))
        return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined";
    if (kst_json_type(items) == KST_JSON_ARRAY)
        return "OpenAPIV3Schema 'items' must be a schema, but is an array";
    for (size_t i = 0; !why && i < KST_ARRAY_LEN(parts); i++)
        why = kst_schema_part(schema, parts[i]) ? unreadable(kst_schema_part(schema, parts[i]))
                                                : NULL;
    for (size_t i = 0; !why && i < KST_ARRAY_LEN(lists); i++) {
        const struct kst_json *list = kst_json_get(schema, lists[i]);
        for (const struct kst_json *e = kst_json_first(list); !why && e; e = kst_json_next(e))
            why = unreadable(e);
    }
    return why;
}

void kst_crd_validate_schema(const struct kst_json *schema, const char *path, bool refused,
                             struct kst_json *causes)
{
    size_t before = kst_json_len(causes);
    check_all(schema, (struct scope){.root = true}, path, causes);
    const char *why = unreadable(schema);
    if (why) {
        if (kst_json_len(causes) == before && !refused)
            kst_cause_invalid(causes, path, NULL, "", why);
        return;
    }
    size_t found = kst_json_len(causes);
    kst_crd_validate_structural(schema, path, causes);
    if (kst_json_len(causes) == found)
        check_defaults(schema, path, causes);
}
