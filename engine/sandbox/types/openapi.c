/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/types/openapi.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "lua/embedded.h"
#include "sandbox/api/registry.h"

#define FILE_NAME "engine/sandbox/openapi/definitions.json"

enum { PART_BYTES = 16 * 1024 * 1024 };

struct kst_openapi {
    const struct kst_embedded_file *file;
    struct kst_json *builtin; /* its contents, from when they are first needed */
    struct kst_buf encoded;   /* the same as fields of openapi.v2.Definitions */
};

/* Field numbers of the messages. */
enum {
    DOCUMENT_SWAGGER = 1,
    DOCUMENT_INFO = 2,
    DOCUMENT_PATHS = 8,
    DOCUMENT_DEFINITIONS = 9,
    DEFINITIONS_ENTRY = 1,
    INFO_TITLE = 1,
    INFO_VERSION = 2,
    PATHS_PATH = 2,
    NAMED_NAME = 1,
    NAMED_VALUE = 2,
    PATH_ITEM_PATCH = 8,
    OPERATION_PARAMETERS = 8,
    OPERATION_EXTENSION = 13,
    ITEM_PARAMETER = 1,
    PARAMETER_NON_BODY = 2,
    NON_BODY_QUERY = 3,
    QUERY_IN = 2,
    QUERY_NAME = 4,
};

#define TITLE   "Kassette sandbox"
#define VERSION "v1.20.2"

struct kst_openapi *kst_openapi_new(void)
{
    struct kst_openapi *self = kst_calloc(1, sizeof(*self));
    self->encoded = (struct kst_buf)KST_BUF_INIT(PART_BYTES);
    for (size_t i = 0; i < kst_embedded_count; i++)
        if (strcmp(kst_embedded[i].path, FILE_NAME) == 0)
            self->file = &kst_embedded[i];
    assert(self->file);
    return self;
}

void kst_openapi_free(struct kst_openapi *self)
{
    if (!self)
        return;
    kst_json_free(self->builtin);
    kst_buf_release(&self->encoded);
    free(self);
}

static const struct kst_json *builtin_of(struct kst_openapi *self)
{
    if (!self->builtin &&
        kst_json_parse((const char *)self->file->data, self->file->size, &self->builtin, NULL) < 0)
        abort(); /* it is ours */
    return self->builtin;
}

/* Those of the custom resources; the caller frees them. */
static struct kst_json *custom_of(struct kst_openapi *self, const struct kst_registry *registry)
{
    struct kst_json *definitions = kst_json_object();
    const struct kst_resource *resource;
    for (size_t i = 0; (resource = kst_registry_at(registry, i)); i++)
        if (resource->served && (resource->flags & KST_RES_CUSTOM))
            kst_openapi_add_custom(resource, builtin_of(self), definitions);
    return definitions;
}

/* ---- paths: where a kind is patched ---- */

static bool is_patched(const struct kst_resource *resource)
{
    return resource->served && !(resource->flags & (KST_RES_CREATE_ONLY | KST_RES_READ_ONLY));
}

static char *path_of(const struct kst_resource *resource)
{
    return kst_asprintf("/%s%s/%s%s/{name}", *resource->group ? "apis/" : "api/",
                        resource->api_version,
                        resource->flags & KST_RES_NAMESPACED ? "namespaces/{namespace}/" : "",
                        resource->plural);
}

/* ---- JSON ---- */

static struct kst_json *paths_of(const struct kst_registry *registry)
{
    struct kst_json *paths = kst_json_object();
    const struct kst_resource *resource;
    for (size_t i = 0; (resource = kst_registry_at(registry, i)); i++) {
        if (!is_patched(resource))
            continue;
        kst_auto_free char *path = path_of(resource);
        kst_json_set(paths, path,
                     kst_json_make("{'patch':{'parameters':[{'name':'dryRun','in':'query',"
                                   "'type':'string','uniqueItems':true}],'responses':{'200':{"
                                   "'description':'OK'}},'x-kubernetes-action':'patch',"
                                   "'x-kubernetes-group-version-kind':{'group':%s,'kind':%s,"
                                   "'version':%s}}}",
                                   resource->group, resource->kind, resource->version));
    }
    return paths;
}

/* The entries of an object in print, without its braces. */
static struct kst_str inside(const char *text, size_t len)
{
    struct kst_str all = kst_str_trim((struct kst_str){.data = text, .len = len});
    return kst_str_trim((struct kst_str){.data = all.data + 1, .len = all.len - 2});
}

void kst_openapi_json(struct kst_openapi *self, const struct kst_registry *registry,
                      struct kst_buf *out)
{
    kst_auto_json struct kst_json *paths = paths_of(registry);
    kst_auto_json struct kst_json *custom = custom_of(self, registry);
    kst_auto_free char *paths_text = kst_json_text(paths), *custom_text = kst_json_text(custom);
    struct kst_str builtin = inside((const char *)self->file->data, self->file->size);
    struct kst_str others = inside(custom_text, strlen(custom_text));
    kst_buf_addf(out,
                 "{\"swagger\":\"2.0\",\"info\":{\"title\":\"" TITLE "\",\"version\":\"" VERSION
                 "\"},\"paths\":%s,\"definitions\":{",
                 paths_text);
    kst_buf_add(out, builtin.data, builtin.len);
    kst_buf_adds(out, others.len ? "," : "");
    kst_buf_add(out, others.data, others.len);
    kst_buf_adds(out, "}}");
}

/* ---- protobuf ---- */

/* A parameter "dryRun" of the query. */
static void add_dry_run(struct kst_buf *operation)
{
    kst_auto_buf query = KST_BUF_INIT(256), non_body = KST_BUF_INIT(256),
                 parameter = KST_BUF_INIT(256), item = KST_BUF_INIT(256);
    kst_openapi_text(&query, QUERY_IN, "query");
    kst_openapi_text(&query, QUERY_NAME, "dryRun");
    kst_openapi_part(&non_body, NON_BODY_QUERY, &query);
    kst_openapi_part(&parameter, PARAMETER_NON_BODY, &non_body);
    kst_openapi_part(&item, ITEM_PARAMETER, &parameter);
    kst_openapi_part(operation, OPERATION_PARAMETERS, &item);
}

static void add_path(struct kst_buf *paths, const struct kst_resource *resource)
{
    kst_auto_buf operation = KST_BUF_INIT(PART_BYTES), item = KST_BUF_INIT(PART_BYTES),
                 named = KST_BUF_INIT(PART_BYTES);
    kst_auto_free char *path = path_of(resource);
    kst_auto_free char *kind = kst_asprintf("group: \"%s\"\nkind: %s\nversion: %s\n",
                                            resource->group, resource->kind, resource->version);
    add_dry_run(&operation);
    kst_openapi_extension(&operation, OPERATION_EXTENSION, "x-kubernetes-group-version-kind", kind);
    kst_openapi_part(&item, PATH_ITEM_PATCH, &operation);
    kst_openapi_text(&named, NAMED_NAME, path);
    kst_openapi_part(&named, NAMED_VALUE, &item);
    kst_openapi_part(paths, PATHS_PATH, &named);
}

static void add_definitions(struct kst_buf *out, const struct kst_json *definitions)
{
    for (const struct kst_json *d = kst_json_first(definitions); d; d = kst_json_next(d)) {
        kst_auto_buf named = KST_BUF_INIT(PART_BYTES), schema = KST_BUF_INIT(PART_BYTES);
        kst_openapi_text(&named, NAMED_NAME, kst_json_key(d));
        kst_openapi_schema(d, &schema);
        kst_openapi_part(&named, NAMED_VALUE, &schema);
        kst_openapi_part(out, DEFINITIONS_ENTRY, &named);
    }
}

void kst_openapi_protobuf(struct kst_openapi *self, const struct kst_registry *registry,
                          struct kst_buf *out)
{
    kst_auto_buf info = KST_BUF_INIT(256), paths = KST_BUF_INIT(PART_BYTES),
                 definitions = KST_BUF_INIT(2 * PART_BYTES);
    kst_auto_json struct kst_json *custom = custom_of(self, registry);
    const struct kst_resource *resource;
    kst_openapi_text(&info, INFO_TITLE, TITLE);
    kst_openapi_text(&info, INFO_VERSION, VERSION);
    for (size_t i = 0; (resource = kst_registry_at(registry, i)); i++)
        if (is_patched(resource))
            add_path(&paths, resource);
    if (self->encoded.len == 0)
        add_definitions(&self->encoded, builtin_of(self));
    kst_buf_add(&definitions, self->encoded.data, self->encoded.len);
    add_definitions(&definitions, custom);
    kst_openapi_text(out, DOCUMENT_SWAGGER, "2.0");
    kst_openapi_part(out, DOCUMENT_INFO, &info);
    kst_openapi_part(out, DOCUMENT_PATHS, &paths);
    kst_openapi_part(out, DOCUMENT_DEFINITIONS, &definitions);
}
