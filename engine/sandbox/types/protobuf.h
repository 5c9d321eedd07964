/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of built-in kinds in protobuf, in which kubectl 1.32 and newer send what they make
 * themselves ("kubectl create configmap"). The types are those of decode.h, the numbers of their
 * fields those of k8s.io/api 1.20 (protobuf_table.c). Answers are always JSON.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
 */
#ifndef KST_SANDBOX_TYPES_PROTOBUF_H
#define KST_SANDBOX_TYPES_PROTOBUF_H

#include <stddef.h>

struct kst_err;
struct kst_json;

#define KST_PROTOBUF_TYPE "application/vnd.kubernetes.protobuf"

/* The object that a body holds, as the same client would have sent it in JSON: without zero values
 * that are no pointers in Go. Fields that are not known are skipped. KST_E_PARSE. */
int kst_protobuf_decode(const char *data, size_t len, struct kst_json **out, struct kst_err **err);

/* The numbers of a struct's fields, separated by spaces: the number, "*" for a pointer, the key; or
 * the number, "<" and the name of an embedded struct. Sorted by name; for protobuf.c. */
struct kst_protobuf_struct {
    const char *name, *fields;
};
extern const struct kst_protobuf_struct kst_protobuf_structs[];
extern const size_t kst_protobuf_struct_count;

#endif
