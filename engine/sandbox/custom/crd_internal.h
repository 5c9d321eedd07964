/* SPDX-License-Identifier: Apache-2.0 */
/* What crd*.c share; see crd.h. */
#ifndef KST_SANDBOX_CUSTOM_CRD_INTERNAL_H
#define KST_SANDBOX_CUSTOM_CRD_INTERNAL_H

#include <stdbool.h>

#define KST_CRD_APPROVED "api-approved.kubernetes.io"

struct kst_json;

/* The text at a path, "" where there is none. */
const char *kst_crd_text(const struct kst_json *json, const char *path);
/* The version that is stored; NULL where none is. */
const struct kst_json *kst_crd_storage(const struct kst_json *crd);

/* What the annotation of a definition in a group of Kubernetes says. */
enum kst_crd_approval { KST_CRD_INVALID, KST_CRD_APPROVED_BY, KST_CRD_BYPASSED, KST_CRD_MISSING };
bool kst_crd_is_protected(const char *group);
/* *why: its reason, which the caller frees. */
enum kst_crd_approval kst_crd_approval(const struct kst_json *crd, char **why);

/* The rules of the schema under openAPIV3Schema, at `path` ("spec.validation.openAPIV3Schema"):
 * what the OpenAPI of definitions allows, that the schema is structural, and that its defaults are
 * valid. `refused` tells that something about it was said before. */
void kst_crd_validate_schema(const struct kst_json *schema, const char *path, bool refused,
                             struct kst_json *causes);
/* That a schema is structural (apiserver/schema/validation.go): causes in the order of their
 * texts. */
void kst_crd_validate_structural(const struct kst_json *schema, const char *path,
                                 struct kst_json *causes);
/* Why the server does not read a pattern; NULL where it does. The caller frees it. */
char *kst_crd_wrong_pattern(const char *pattern);

#endif
