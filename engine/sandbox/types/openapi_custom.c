/* SPDX-License-Identifier: Apache-2.0 */
/* Custom resources in OpenAPI v2, which knows less than their schemas may say: what kubectl would
 * stumble over is left out, as the real server does. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/registry.h"
#include "sandbox/types/openapi.h"

enum { NAME_BYTES = 4096 };

#define REF  "#/definitions/"
#define CORE "io.k8s.api.core.v1."

/* "com.example.v1.Widget": the group from its end, the version, the kind. */
static char *name_of(const struct kst_resource *resource, const char *suffix)
{
    struct kst_buf name = KST_BUF_INIT(NAME_BYTES);
    for (size_t end = strlen(resource->group), at = end; end > 0; end = at ? at - 1 : 0) {
        at = end;
        while (at > 0 && resource->group[at - 1] != '.')
            at--;
        kst_buf_add(&name, resource->group + at, end - at);
        kst_buf_addc(&name, '.');
    }
    kst_buf_addf(&name, "%s.%s%s", resource->version, resource->kind, suffix);
    return kst_buf_take(&name);
}

static void set_kind(struct kst_json *schema, const struct kst_resource *resource, const char *kind)
{
    kst_json_set(schema, "x-kubernetes-group-version-kind",
                 kst_json_make("[{'group':%s,'kind':%s,'version':%s}]", resource->group, kind,
                               resource->version));
}

/* A property of a built-in kind says the same of this one. */
static void borrow(struct kst_json *properties, const struct kst_json *builtin, const char *kind,
                   const char *property)
{
    const struct kst_json *from = kst_json_get(kst_json_get(builtin, kind), "properties");
    if (kst_json_get(from, property))
        kst_json_set(properties, property, kst_json_dup(kst_json_get(from, property)));
}

static void set_type_and_metadata(struct kst_json *schema, const struct kst_json *builtin)
{
    struct kst_json *properties = kst_json_ensure_object(schema, "properties");
    borrow(properties, builtin, CORE "ConfigMap", "apiVersion");
    borrow(properties, builtin, CORE "ConfigMap", "kind");
    borrow(properties, builtin, CORE "ConfigMap", "metadata");
}

/* ---- what OpenAPI v2 has no words for ---- */

static void drop(struct kst_json *schema, const char *const *keys)
{
    for (; *keys; keys++)
        kst_json_remove(schema, *keys);
}

static void simplify(struct kst_json *schema, const struct kst_json *builtin);

static void simplify_all(struct kst_json *schemas, const struct kst_json *builtin)
{
    for (size_t i = 0; i < kst_json_len(schemas); i++)
        simplify(kst_json_mut_at(schemas, i), builtin);
}

/* A field that may be null need not be there. */
static void relax_required(struct kst_json *schema)
{
    const struct kst_json *properties = kst_json_get(schema, "properties");
    struct kst_json *kept = kst_json_array();
    const struct kst_json *required = kst_json_get(schema, "required");
    for (const struct kst_json *r = kst_json_first(required); r; r = kst_json_next(r)) {
        const struct kst_json *named = kst_json_get(properties,
                                                    kst_json_str(r) ? kst_json_str(r) : "");
        if (!kst_json_path_true(named, "nullable"))
            kst_json_push(kept, kst_json_dup(r));
    }
    if (kst_json_len(kept) > 0) {
        kst_json_set(schema, "required", kept);
        return;
    }
    kst_json_free(kept);
    kst_json_remove(schema, "required");
}

static void simplify(struct kst_json *schema, const struct kst_json *builtin)
{
    static const char *const unknown[] = {"allOf", "oneOf", "anyOf", "not", NULL};
    static const char *const open[] = {"type", "items", "properties", NULL};
    static const char *const flags[] = {"nullable", "default", "example", "externalDocs", NULL};
    if (kst_json_type(schema) != KST_JSON_OBJECT)
        return;
    bool keeps = kst_json_true(kst_json_get(schema, "x-kubernetes-preserve-unknown-fields"));
    bool embedded = kst_json_true(kst_json_get(schema, "x-kubernetes-embedded-resource"));
    drop(schema, unknown);
    relax_required(schema);
    if (keeps || kst_json_path_true(schema, "nullable"))
        drop(schema, open);
    drop(schema, flags);
    if (!kst_json_get(schema, "items") && kst_json_path_str(schema, "type") &&
        strcmp(kst_json_path_str(schema, "type"), "array") == 0)
        kst_json_remove(schema, "type");
    simplify_all(kst_json_mut(schema, "properties"), builtin);
    simplify(kst_json_mut(schema, "items"), builtin);
    simplify(kst_json_mut(schema, "additionalProperties"), builtin);
    if (embedded && kst_json_get(schema, "properties"))
        set_type_and_metadata(schema, builtin);
}

/* ---- a kind and its list ---- */

static struct kst_json *definition_of(const struct kst_resource *resource,
                                      const struct kst_json *builtin)
{
    bool open = kst_json_true(
        kst_json_get(resource->schema, "x-kubernetes-preserve-unknown-fields"));
    bool closed = resource->schema && !open &&
                  !kst_json_path_true(resource->definition, "spec.preserveUnknownFields");
    struct kst_json *schema = closed ? kst_json_dup(resource->schema)
                                     : kst_json_make("{'type':'object'}");
    simplify(schema, builtin);
    if (closed)
        set_type_and_metadata(schema, builtin);
    set_kind(schema, resource, resource->kind);
    return schema;
}

static struct kst_json *list_of(const struct kst_resource *resource, const char *name,
                                const struct kst_json *builtin)
{
    kst_auto_free char *about = kst_asprintf("%s is a list of %s", resource->list_kind,
                                             resource->kind);
    kst_auto_free char *items = kst_asprintf("List of %s.", resource->plural);
    kst_auto_free char *ref = kst_asprintf(REF "%s", name);
    struct kst_json *schema = kst_json_make(
        "{'description':%s,'type':'object','required':['items'],'properties':{'items':{"
        "'description':%s,'type':'array','items':{'$ref':%s}}}}",
        about, items, ref);
    struct kst_json *properties = kst_json_mut(schema, "properties");
    borrow(properties, builtin, CORE "ConfigMapList", "apiVersion");
    borrow(properties, builtin, CORE "ConfigMapList", "kind");
    borrow(properties, builtin, CORE "ConfigMapList", "metadata");
    set_kind(schema, resource, resource->list_kind);
    return schema;
}

void kst_openapi_add_custom(const struct kst_resource *resource, const struct kst_json *builtin,
                            struct kst_json *definitions)
{
    kst_auto_free char *name = name_of(resource, "");
    kst_auto_free char *list = name_of(resource, "List");
    kst_json_set(definitions, name, definition_of(resource, builtin));
    kst_json_set(definitions, list, list_of(resource, name, builtin));
}
