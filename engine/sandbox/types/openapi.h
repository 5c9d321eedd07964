/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenAPI v2, as kubectl asks for it: what objects consist of (explain, client-side validation,
 * patches), and which kinds know dry runs. Built-in kinds are described as kube-apiserver 1.20.2
 * describes them (openapi/definitions.json, recorded by tests/sandbox/record-openapi), custom ones
 * from their definitions.
 */
#ifndef KST_SANDBOX_TYPES_OPENAPI_H
#define KST_SANDBOX_TYPES_OPENAPI_H

#include <stddef.h>

struct kst_buf;
struct kst_json;
struct kst_openapi;
struct kst_registry;
struct kst_resource;

/* Nothing is read before it is asked for. The caller frees it. */
struct kst_openapi *kst_openapi_new(void);
/* NULL is allowed. */
void kst_openapi_free(struct kst_openapi *self);

/* Appends the document as JSON, or as gnostic's openapi.v2.Document in protobuf.
 * https://github.com/google/gnostic/blob/main/openapiv2/OpenAPIv2.proto */
void kst_openapi_json(struct kst_openapi *self, const struct kst_registry *registry,
                      struct kst_buf *out);
void kst_openapi_protobuf(struct kst_openapi *self, const struct kst_registry *registry,
                          struct kst_buf *out);

/* The definitions of a custom resource and of its list, added to an object of definitions;
 * `builtin` has those of built-in kinds. openapi_custom.c. */
void kst_openapi_add_custom(const struct kst_resource *resource, const struct kst_json *builtin,
                            struct kst_json *definitions);
/* Appends the fields of an openapi.v2.Schema. openapi_proto.c. */
void kst_openapi_schema(const struct kst_json *schema, struct kst_buf *out);
/* Appends one field of a message, with its length before it. openapi_proto.c. */
void kst_openapi_bytes(struct kst_buf *out, int field, const void *data, size_t len);
void kst_openapi_text(struct kst_buf *out, int field, const char *text);
void kst_openapi_part(struct kst_buf *out, int field, const struct kst_buf *part);
/* A NamedAny: an extension with its value as YAML. */
void kst_openapi_extension(struct kst_buf *out, int field, const char *name, const char *yaml);

#endif
