/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/openapi.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "sandbox/registry.h"

enum { PART_BYTES = 1024 * 1024 };

/* Field numbers of the messages. */
enum {
    DOCUMENT_SWAGGER = 1,
    DOCUMENT_INFO = 2,
    DOCUMENT_PATHS = 8,
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
    ANY_YAML = 2,
};

static void add_varint(struct kst_buf *out, uint64_t value)
{
    while (value >= 0x80) {
        kst_buf_addc(out, (char)(value | 0x80));
        value >>= 7;
    }
    kst_buf_addc(out, (char)value);
}

static void add_bytes(struct kst_buf *out, int field, const void *data, size_t len)
{
    add_varint(out, (uint64_t)field << 3 | 2);
    add_varint(out, len);
    kst_buf_add(out, data, len);
}

static void add_text(struct kst_buf *out, int field, const char *text)
{
    add_bytes(out, field, text, strlen(text));
}

static void add_part(struct kst_buf *out, int field, const struct kst_buf *part)
{
    add_bytes(out, field, part->data, part->len);
}

/* A parameter "dryRun" of the query. */
static void add_dry_run(struct kst_buf *operation)
{
    kst_auto_buf query = KST_BUF_INIT(256), non_body = KST_BUF_INIT(256),
                 parameter = KST_BUF_INIT(256), item = KST_BUF_INIT(256);
    add_text(&query, QUERY_IN, "query");
    add_text(&query, QUERY_NAME, "dryRun");
    add_part(&non_body, NON_BODY_QUERY, &query);
    add_part(&parameter, PARAMETER_NON_BODY, &non_body);
    add_part(&item, ITEM_PARAMETER, &parameter);
    add_part(operation, OPERATION_PARAMETERS, &item);
}

static void add_resource(struct kst_buf *paths, const struct kst_resource *resource)
{
    kst_auto_buf operation = KST_BUF_INIT(4096), any = KST_BUF_INIT(1024),
                 extension = KST_BUF_INIT(2048), item = KST_BUF_INIT(8192),
                 named = KST_BUF_INIT(16384);
    kst_auto_free char *kind = kst_asprintf("group: \"%s\"\nkind: %s\nversion: %s\n",
                                            resource->group, resource->kind, resource->version);
    kst_auto_free char *path = kst_asprintf(
        "/%s%s/%s%s/{name}", *resource->group ? "apis/" : "api/", resource->api_version,
        resource->flags & KST_RES_NAMESPACED ? "namespaces/{namespace}/" : "", resource->plural);
    add_text(&any, ANY_YAML, kind);
    add_text(&extension, NAMED_NAME, "x-kubernetes-group-version-kind");
    add_part(&extension, NAMED_VALUE, &any);
    add_dry_run(&operation);
    add_part(&operation, OPERATION_EXTENSION, &extension);
    add_part(&item, PATH_ITEM_PATCH, &operation);
    add_text(&named, NAMED_NAME, path);
    add_part(&named, NAMED_VALUE, &item);
    add_part(paths, PATHS_PATH, &named);
}

void kst_openapi_protobuf(const struct kst_registry *registry, struct kst_buf *out)
{
    kst_auto_buf info = KST_BUF_INIT(256), paths = KST_BUF_INIT(PART_BYTES);
    const struct kst_resource *resource;
    add_text(&info, INFO_TITLE, "Kassette sandbox");
    add_text(&info, INFO_VERSION, "v1.20.2");
    for (size_t i = 0; (resource = kst_registry_at(registry, i)); i++)
        if (resource->served && !(resource->flags & (KST_RES_CREATE_ONLY | KST_RES_READ_ONLY)))
            add_resource(&paths, resource);
    add_text(out, DOCUMENT_SWAGGER, "2.0");
    add_part(out, DOCUMENT_INFO, &info);
    add_part(out, DOCUMENT_PATHS, &paths);
}
