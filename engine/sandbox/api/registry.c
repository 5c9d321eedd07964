/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/api/registry.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/registry_internal.h"
#include "sandbox/api/registry_table.h"
#include "sandbox/api/store.h"

enum { MAX_LIST_BYTES = 4096 };

static char *api_version_of(const char *group, const char *version)
{
    return *group ? kst_asprintf("%s/%s", group, version) : kst_strdup(version);
}

static struct kst_resource *add(struct kst_registry *self)
{
    self->resources = kst_realloc(self->resources,
                                  (self->count + 1) * sizeof(struct kst_resource *));
    struct kst_resource *resource = kst_calloc(1, sizeof(*resource));
    resource->served = true;
    self->resources[self->count++] = resource;
    return resource;
}

static struct kst_bucket *bucket_of(struct kst_registry *self, const char *group,
                                    const char *plural)
{
    /* Events of both groups are the same objects. */
    if (strcmp(group, "events.k8s.io") == 0)
        group = "";
    kst_auto_free char *name = kst_asprintf("%s/%s", group, plural);
    return kst_store_bucket(self->store, name);
}

static char *lower(const char *text)
{
    char *copy = kst_strdup(text);
    for (char *c = copy; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return copy;
}

static void add_builtin(struct kst_registry *self, const struct kst_builtin_resource *from)
{
    struct kst_resource *resource = add(self);
    resource->group = kst_strdup(from->group);
    resource->version = kst_strdup(from->version);
    resource->api_version = api_version_of(from->group, from->version);
    resource->plural = kst_strdup(from->plural);
    resource->singular = lower(from->kind);
    resource->kind = kst_strdup(from->kind);
    resource->list_kind = kst_asprintf("%sList", from->kind);
    resource->short_names = kst_strdup(from->short_names);
    resource->categories = kst_strdup(from->categories);
    resource->flags = from->flags;
    resource->bucket = bucket_of(self, from->group, from->plural);
    resource->stored_as = kst_strdup(from->stored_in ? from->stored_in : resource->api_version);
}

struct kst_registry *kst_registry_new(struct kst_store *store)
{
    struct kst_registry *self = kst_calloc(1, sizeof(*self));
    self->store = store;
    for (const struct kst_builtin_resource *from = kst_builtin_resources; from->group; from++)
        add_builtin(self, from);
    return self;
}

static void resource_free(struct kst_resource *self)
{
    const char *texts[] = {self->group,      self->version,        self->api_version,
                           self->plural,     self->singular,       self->kind,
                           self->list_kind,  self->stored_as,      self->short_names,
                           self->categories, self->definition_name};
    for (size_t i = 0; i < KST_ARRAY_LEN(texts); i++)
        free((char *)texts[i]);
    kst_json_free(self->definition);
    free(self);
}

void kst_registry_free(struct kst_registry *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++)
        resource_free(self->resources[i]);
    free(self->resources);
    free(self);
}

const struct kst_resource *kst_registry_find(const struct kst_registry *self, const char *group,
                                             const char *version, const char *plural)
{
    for (size_t i = 0; i < self->count; i++) {
        const struct kst_resource *resource = self->resources[i];
        if (resource->served && strcmp(resource->plural, plural) == 0 &&
            strcmp(resource->group, group) == 0 && strcmp(resource->version, version) == 0)
            return resource;
    }
    return NULL;
}

const struct kst_resource *kst_registry_find_kind(const struct kst_registry *self,
                                                  const char *api_version, const char *kind)
{
    for (size_t i = 0; i < self->count; i++) {
        const struct kst_resource *resource = self->resources[i];
        if (resource->served && strcmp(resource->kind, kind) == 0 &&
            strcmp(resource->api_version, api_version) == 0)
            return resource;
    }
    return NULL;
}

const struct kst_resource *kst_registry_stored(const struct kst_registry *self,
                                               const struct kst_resource *resource)
{
    const struct kst_resource *stored = kst_registry_find_kind(self, resource->stored_as,
                                                               resource->kind);
    return stored ? stored : resource;
}

bool kst_registry_is_builtin(const struct kst_registry *self, const char *group)
{
    for (size_t i = 0; i < self->count; i++)
        if (!(self->resources[i]->flags & KST_RES_CUSTOM) &&
            strcmp(self->resources[i]->group, group) == 0)
            return true;
    return false;
}

const struct kst_resource *kst_registry_at(const struct kst_registry *self, size_t index)
{
    return index < self->count ? self->resources[index] : NULL;
}

const struct kst_resource *kst_registry_of_bucket(const struct kst_registry *self,
                                                  const struct kst_bucket *bucket)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->resources[i]->served && self->resources[i]->bucket == bucket)
            return self->resources[i];
    return NULL;
}

/* ---- custom resources ---- */

static char *joined(const struct kst_json *list)
{
    kst_auto_buf text = KST_BUF_INIT(MAX_LIST_BYTES);
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e))
        kst_buf_addf(&text, "%s%s", text.len ? "," : "", kst_json_str(e) ? kst_json_str(e) : "");
    return kst_buf_take(&text);
}

static const char *text_at(const struct kst_json *json, const char *path)
{
    const char *text = kst_json_path_str(json, path);
    return text ? text : "";
}

/* The names that it got; those that it asks for, where nobody has looked at them. */
static const struct kst_json *names_of(const struct kst_json *definition)
{
    const struct kst_json *accepted = kst_json_path(definition, "status.acceptedNames");
    return accepted ? accepted : kst_json_path(definition, "spec.names");
}

/* The schema of the version that is stored. */
static const struct kst_json *stored_schema_of(const struct kst_json *spec)
{
    const struct kst_json *versions = kst_json_get(spec, "versions");
    for (const struct kst_json *v = kst_json_first(versions); v; v = kst_json_next(v))
        if (kst_json_true(kst_json_get(v, "storage")))
            return kst_json_path(v, "schema.openAPIV3Schema");
    return NULL;
}

static void define_version(struct kst_registry *self, const struct kst_json *definition,
                           size_t index, const char *stored_version)
{
    struct kst_resource *resource = add(self);
    resource->definition = kst_json_dup(definition);
    const struct kst_json *spec = kst_json_get(resource->definition, "spec");
    const struct kst_json *version = kst_json_at(kst_json_get(spec, "versions"), index);
    const char *group = text_at(spec, "group");
    resource->definition_name = kst_strdup(text_at(definition, "metadata.name"));
    resource->group = kst_strdup(group);
    resource->version = kst_strdup(text_at(version, "name"));
    resource->api_version = api_version_of(group, resource->version);
    const struct kst_json *names = names_of(resource->definition);
    resource->plural = kst_strdup(text_at(names, "plural"));
    resource->singular = kst_strdup(text_at(names, "singular"));
    resource->kind = kst_strdup(text_at(names, "kind"));
    resource->list_kind = kst_strdup(text_at(names, "listKind"));
    resource->short_names = joined(kst_json_get(names, "shortNames"));
    resource->categories = joined(kst_json_get(names, "categories"));
    resource->flags = KST_RES_CUSTOM | KST_RES_GENERATION;
    if (strcmp(text_at(spec, "scope"), "Namespaced") == 0)
        resource->flags |= KST_RES_NAMESPACED;
    if (kst_json_path(version, "subresources.status"))
        resource->flags |= KST_RES_STATUS;
    resource->scale = kst_json_path(version, "subresources.scale");
    if (resource->scale)
        resource->flags |= KST_RES_SCALE;
    resource->schema = kst_json_path(version, "schema.openAPIV3Schema");
    resource->stored_schema = stored_schema_of(spec);
    resource->columns = kst_json_get(version, "additionalPrinterColumns");
    resource->bucket = bucket_of(self, group, resource->plural);
    resource->stored_as = api_version_of(group, stored_version);
}

/* Whether nothing would change: resources live on for those who hold them, so that making them anew
 * costs memory. */
static bool is_defined(const struct kst_registry *self, const struct kst_json *definition)
{
    const char *name = text_at(definition, "metadata.name");
    for (size_t i = 0; i < self->count; i++) {
        const struct kst_resource *resource = self->resources[i];
        if (resource->served && resource->definition_name &&
            strcmp(resource->definition_name, name) == 0)
            return kst_json_equal(kst_json_get(resource->definition, "spec"),
                                  kst_json_get(definition, "spec")) &&
                   kst_json_equal(names_of(resource->definition), names_of(definition));
    }
    return false;
}

void kst_registry_define(struct kst_registry *self, const struct kst_json *definition)
{
    if (is_defined(self, definition))
        return;
    kst_registry_undefine(self, text_at(definition, "metadata.name"));
    const struct kst_json *versions = kst_json_path(definition, "spec.versions");
    const char *stored = "";
    for (const struct kst_json *v = kst_json_first(versions); v; v = kst_json_next(v))
        if (kst_json_true(kst_json_get(v, "storage")))
            stored = text_at(v, "name");
    for (size_t i = 0; i < kst_json_len(versions); i++)
        if (kst_json_true(kst_json_get(kst_json_at(versions, i), "served")))
            define_version(self, definition, i, stored);
}

void kst_registry_undefine(struct kst_registry *self, const char *definition_name)
{
    for (size_t i = 0; i < self->count; i++) {
        struct kst_resource *resource = self->resources[i];
        if (resource->definition_name && strcmp(resource->definition_name, definition_name) == 0)
            resource->served = false;
    }
}
