/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenAPI as far as kubectl asks for it: whether a kind can be patched in a dry run. It has no
 * definitions, so that kubectl does not validate by itself: the server does.
 */
#ifndef KST_SANDBOX_OPENAPI_H
#define KST_SANDBOX_OPENAPI_H

struct kst_buf;
struct kst_registry;

/* Appends the document as gnostic's openapi.v2.Document in protobuf.
 * https://github.com/google/gnostic/blob/main/openapiv2/OpenAPIv2.proto */
void kst_openapi_protobuf(const struct kst_registry *registry, struct kst_buf *out);

#endif
