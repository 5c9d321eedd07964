/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structural schemas: every field is specified outside of anyOf, oneOf, allOf and not, which only
 * judge values. https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
 * custom-resource-definitions/#specifying-a-structural-schema
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/cause.h"
#include "sandbox/custom/crd_internal.h"
#include "sandbox/custom/schema_internal.h"

enum level { ROOT, ITEM, FIELD };

static bool flag(const struct kst_json *schema, const char *key)
{
    return kst_json_true(kst_json_get(schema, key));
}

static const char *type_of(const struct kst_json *schema)
{
    const char *type = kst_json_str(kst_json_get(schema, "type"));
    return type ? type : "";
}

static const struct kst_json *first_of(const struct kst_json *schema, const char *key)
{
    const struct kst_json *list = kst_json_get(schema, key);
    return kst_json_type(list) == KST_JSON_ARRAY ? kst_json_first(list) : NULL;
}

/* ---- below anyOf and its like ---- */

static void check_nested(const struct kst_json *value, bool skip_any, const char *path,
                         struct kst_json *causes);

static void check_clauses(const struct kst_json *schema, const char *key, bool skip_first_any,
                          const char *path, struct kst_json *causes)
{
    size_t index = 0;
    for (const struct kst_json *c = first_of(schema, key); c; c = kst_json_next(c), index++) {
        kst_auto_free char *at = kst_asprintf("%s.%s[%zu]", path, key, index);
        check_nested(c, skip_first_any && index == 0, at, causes);
    }
}

/* The two forms in which int-or-string may say its types. */
static bool says_int_or_string(const struct kst_json *schema)
{
    kst_auto_json struct kst_json *both = kst_json_make("[{'type':'integer'},{'type':'string'}]");
    return kst_json_equal(kst_json_get(schema, "anyOf"), both);
}

static void check_values(const struct kst_json *schema, bool skip_any, bool skip_first_any,
                         const char *path, struct kst_json *causes)
{
    if (!skip_any)
        check_clauses(schema, "anyOf", false, path, causes);
    check_clauses(schema, "allOf", skip_first_any, path, causes);
    check_clauses(schema, "oneOf", false, path, causes);
    if (kst_schema_part(schema, "not")) {
        kst_auto_free char *at = kst_asprintf("%s.not", path);
        check_nested(kst_schema_part(schema, "not"), false, at, causes);
    }
    const char *pattern = kst_json_str(kst_json_get(schema, "pattern"));
    kst_auto_free char *why = pattern && *pattern ? kst_crd_wrong_pattern(pattern) : NULL;
    if (why) {
        kst_auto_free char *detail = kst_asprintf(
            "must be a valid regular expression, but isn't: %s", why);
        kst_cause_invalid(causes, path, "pattern", pattern, detail);
    }
}

static void check_nested(const struct kst_json *value, bool skip_any, const char *path,
                         struct kst_json *causes)
{
    static const struct {
        const char *key, *must;
    } forbidden[] = {
        {"type", "be empty"},
        {"additionalProperties", "be undefined"},
        {"default", "be undefined"},
        {"title", "be empty"},
        {"description", "be empty"},
        {"nullable", "be false"},
        {KST_SCHEMA_PRESERVE, "be false"},
        {KST_SCHEMA_EMBEDDED, "be false"},
        {KST_SCHEMA_INT_OR_STRING, "be false"},
        {"x-kubernetes-list-map-keys", "be empty"},
        {"x-kubernetes-list-type", "be undefined"},
        {"x-kubernetes-map-type", "be undefined"},
    };
    check_values(value, skip_any, false, path, causes);
    if (kst_schema_part(value, "items")) {
        kst_auto_free char *at = kst_asprintf("%s.items", path);
        check_nested(kst_schema_part(value, "items"), false, at, causes);
    }
    const struct kst_json *properties = kst_schema_part(value, "properties");
    for (const struct kst_json *p = kst_json_first(properties); p; p = kst_json_next(p)) {
        kst_auto_free char *at = kst_asprintf("%s.properties[%s]", path, kst_json_key(p));
        check_nested(p, false, at, causes);
        if (strcmp(kst_json_key(p), "metadata") == 0)
            kst_cause_forbidden(causes, at, NULL, "must not be specified in a nested context");
    }
    for (size_t i = 0; i < KST_ARRAY_LEN(forbidden); i++) {
        kst_auto_free char *detail = kst_asprintf("must %s to be structural", forbidden[i].must);
        if (kst_json_get(value, forbidden[i].key))
            kst_cause_forbidden(causes, path, forbidden[i].key, detail);
    }
}

/* ---- what is specified ---- */

static void check_invariants(const struct kst_json *schema, enum level level, const char *path,
                             struct kst_json *causes);

static void check_inner(const struct kst_json *schema, enum level level, const char *path,
                        struct kst_json *causes)
{
    const struct kst_json *items = kst_schema_part(schema, "items");
    const struct kst_json *properties = kst_schema_part(schema, "properties");
    const struct kst_json *others = kst_json_get(schema, "additionalProperties");
    if (strcmp(type_of(schema), "array") == 0 && !items)
        kst_cause_required(causes, path, "items", "must be specified");
    if (items) {
        kst_auto_free char *at = kst_asprintf("%s.items", path);
        check_invariants(items, ITEM, at, causes);
    }
    for (const struct kst_json *p = kst_json_first(properties); p; p = kst_json_next(p)) {
        kst_auto_free char *at = kst_asprintf("%s.properties[%s]", path, kst_json_key(p));
        check_invariants(p, FIELD, at, causes);
    }
    if (others && level == ROOT)
        kst_cause_forbidden(causes, path, "additionalProperties", "must not be used at the root");
    if (kst_json_type(others) == KST_JSON_OBJECT) {
        kst_auto_free char *at = kst_asprintf("%s.additionalProperties", path);
        check_invariants(others, FIELD, at, causes);
    }
}

static void check_type(const struct kst_json *schema, enum level level, const char *path,
                       struct kst_json *causes)
{
    static const char *const empty[] = {"must not be empty at the root",
                                        "must not be empty for specified array items",
                                        "must not be empty for specified object fields"};
    static const char embedded[] = "must be object if x-kubernetes-embedded-resource is true";
    const char *type = type_of(schema);
    if (flag(schema, KST_SCHEMA_EMBEDDED) && strcmp(type, "object") != 0) {
        if (*type)
            kst_cause_invalid(causes, path, "type", type, embedded);
        else
            kst_cause_required(causes, path, "type", embedded);
    } else if (!*type && !flag(schema, KST_SCHEMA_INT_OR_STRING) &&
               !flag(schema, KST_SCHEMA_PRESERVE)) {
        kst_cause_required(causes, path, "type", empty[level]);
    }
    if (level == ROOT && *type && strcmp(type, "object") != 0)
        kst_cause_invalid(causes, path, "type", type, "must be object at the root");
}

static void check_extensions(const struct kst_json *schema, const char *path,
                             struct kst_json *causes)
{
    static const char *const others[] = {KST_SCHEMA_PRESERVE, KST_SCHEMA_EMBEDDED};
    for (size_t i = 0; i < 2; i++)
        if (flag(schema, KST_SCHEMA_INT_OR_STRING) && flag(schema, others[i]))
            kst_cause_invalid_value(causes, path, others[i], "true",
                                    "must be false if x-kubernetes-int-or-string is true");
    if (!flag(schema, KST_SCHEMA_EMBEDDED))
        return;
    if (kst_json_get(schema, "additionalProperties"))
        kst_cause_forbidden(causes, path, "additionalProperties",
                            "must not be used if x-kubernetes-embedded-resource is set");
    if (!flag(schema, KST_SCHEMA_PRESERVE) &&
        kst_json_len(kst_schema_part(schema, "properties")) == 0)
        kst_cause_required(causes, path, "properties",
                           "must not be empty if x-kubernetes-embedded-resource is true without "
                           "x-kubernetes-preserve-unknown-fields");
}

/* Whether the schema of the root's metadata says nothing but of name and generateName. */
static bool is_plain_metadata(const struct kst_json *metadata)
{
    static const char *const allowed[] = {"type", "default", "externalDocs", "example",
                                          "properties"};
    size_t known = 0;
    for (size_t i = 0; i < KST_ARRAY_LEN(allowed); i++)
        known += kst_json_get(metadata, allowed[i]) != NULL;
    const struct kst_json *properties = kst_schema_part(metadata, "properties");
    for (const struct kst_json *p = kst_json_first(properties); p; p = kst_json_next(p))
        if (strcmp(kst_json_key(p), "name") != 0 && strcmp(kst_json_key(p), "generateName") != 0)
            return false;
    return known == kst_json_len(metadata);
}

static void check_metadata(const struct kst_json *schema, enum level level, const char *path,
                           struct kst_json *causes)
{
    static const struct {
        const char *key, *type;
    } fields[] = {{"kind", "string"}, {"apiVersion", "string"}, {"metadata", "object"}};
    const struct kst_json *properties = kst_schema_part(schema, "properties");
    if (level != ROOT && !flag(schema, KST_SCHEMA_EMBEDDED))
        return;
    for (size_t i = 0; i < KST_ARRAY_LEN(fields); i++) {
        const struct kst_json *field = kst_json_get(properties, fields[i].key);
        if (!field || strcmp(type_of(field), fields[i].type) == 0)
            continue;
        kst_auto_free char *at = kst_asprintf("%s.properties[%s]", path, fields[i].key);
        kst_auto_free char *detail = kst_asprintf("must be %s", fields[i].type);
        kst_cause_invalid(causes, at, "type", type_of(field), detail);
    }
    const struct kst_json *metadata = kst_json_get(properties, "metadata");
    if (level == ROOT && metadata && !is_plain_metadata(metadata)) {
        kst_auto_free char *at = kst_asprintf("%s.properties[metadata]", path);
        kst_cause_forbidden(causes, at, NULL,
                            "must not specify anything other than name and generateName, but "
                            "metadata is implicitly specified");
    }
}

static void check_invariants(const struct kst_json *schema, enum level level, const char *path,
                             struct kst_json *causes)
{
    const struct kst_json *all = first_of(schema, "allOf");
    check_inner(schema, level, path, causes);
    check_extensions(schema, path, causes);
    check_values(schema, says_int_or_string(schema), says_int_or_string(all), path, causes);
    check_type(schema, level, path, causes);
    check_metadata(schema, level, path, causes);
}

/* ---- what is judged must be specified ---- */

/* Where a value is judged, and where it would be specified. */
struct place {
    const char *judged, *specified;
};

static void check_complete(const struct kst_json *value, const struct kst_json *schema,
                           struct place at, struct kst_json *causes);

static void check_complete_part(const struct kst_json *value, const struct kst_json *schema,
                                struct place at, const char *part, struct kst_json *causes)
{
    kst_auto_free char *judged = kst_asprintf("%s.%s", at.judged, part);
    kst_auto_free char *specified = kst_asprintf("%s.%s", at.specified, part);
    kst_auto_free char *detail = kst_asprintf("because it is defined in %s", judged);
    if (schema)
        check_complete(value, schema, (struct place){judged, specified}, causes);
    else
        kst_cause_required(causes, specified, NULL, detail);
}

static void check_complete_clauses(const struct kst_json *value, const struct kst_json *schema,
                                   struct place at, struct kst_json *causes)
{
    static const char *const keys[] = {"allOf", "anyOf", "oneOf"};
    if (kst_schema_part(value, "not")) {
        kst_auto_free char *judged = kst_asprintf("%s.not", at.judged);
        check_complete(kst_schema_part(value, "not"), schema, (struct place){judged, at.specified},
                       causes);
    }
    for (size_t i = 0; i < KST_ARRAY_LEN(keys); i++) {
        size_t index = 0;
        for (const struct kst_json *c = first_of(value, keys[i]); c; c = kst_json_next(c)) {
            kst_auto_free char *judged = kst_asprintf("%s.%s[%zu]", at.judged, keys[i], index++);
            check_complete(c, schema, (struct place){judged, at.specified}, causes);
        }
    }
}

static void check_complete(const struct kst_json *value, const struct kst_json *schema,
                           struct place at, struct kst_json *causes)
{
    check_complete_clauses(value, schema, at, causes);
    if (kst_schema_part(value, "items"))
        check_complete_part(kst_schema_part(value, "items"), kst_schema_part(schema, "items"), at,
                            "items", causes);
    const struct kst_json *properties = kst_schema_part(value, "properties");
    const struct kst_json *specified = kst_schema_part(schema, "properties");
    for (const struct kst_json *p = kst_json_first(properties); p; p = kst_json_next(p)) {
        kst_auto_free char *part = kst_asprintf("properties[%s]", kst_json_key(p));
        check_complete_part(p, kst_json_get(specified, kst_json_key(p)), at, part, causes);
    }
}

/* ---- all of it ---- */

static char *text_of(const struct kst_json *cause)
{
    return kst_asprintf("%s: %s", kst_crd_text(cause, "field"), kst_crd_text(cause, "message"));
}

static int by_text(const void *a, const void *b)
{
    kst_auto_free char *left = text_of(*(const struct kst_json *const *)a);
    kst_auto_free char *right = text_of(*(const struct kst_json *const *)b);
    return strcmp(left, right);
}

void kst_crd_validate_structural(const struct kst_json *schema, const char *path,
                                 struct kst_json *causes)
{
    kst_auto_json struct kst_json *found = kst_json_array();
    check_invariants(schema, ROOT, path, found);
    /* The server looks at the root alone. */
    check_complete_clauses(schema, schema, (struct place){path, path}, found);
    size_t count = 0;
    kst_auto_free const struct kst_json **order = kst_calloc(kst_json_len(found) + 1,
                                                             sizeof(*order));
    for (const struct kst_json *c = kst_json_first(found); c; c = kst_json_next(c))
        order[count++] = c;
    qsort(order, count, sizeof(*order), by_text);
    for (size_t i = 0; i < count; i++)
        kst_json_push(causes, kst_json_dup(order[i]));
}
