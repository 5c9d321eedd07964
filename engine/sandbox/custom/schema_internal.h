/* SPDX-License-Identifier: Apache-2.0 */
/* What schema*.c share; see schema.h. */
#ifndef KST_SANDBOX_CUSTOM_SCHEMA_INTERNAL_H
#define KST_SANDBOX_CUSTOM_SCHEMA_INTERNAL_H

#include <stdbool.h>

#define KST_SCHEMA_PRESERVE      "x-kubernetes-preserve-unknown-fields"
#define KST_SCHEMA_EMBEDDED      "x-kubernetes-embedded-resource"
#define KST_SCHEMA_INT_OR_STRING "x-kubernetes-int-or-string"

struct kst_err;
struct kst_json;
struct kst_regex;

/* The object at a key of a schema; NULL for anything else. */
const struct kst_json *kst_schema_part(const struct kst_json *schema, const char *key);
/* The schema of a field: its own, else that of all others; NULL where there is none. */
const struct kst_json *kst_schema_field(const struct kst_json *schema, const char *key);
/* "path.key" of a field with a schema of its own, else "path[key]"; the caller frees it. */
char *kst_schema_place(const char *path, const char *key, const struct kst_json *own);
/* As kst_schema_prune(), but that nulls stay, for a value of any type that is no object's root. */
void kst_schema_prune_part(const struct kst_json *schema, struct kst_json *value);
/* Adds the causes for which a default (at `path`) is none of its schema. The server looks at it
 * with other eyes: any format is one, and int-or-string says nothing of types. */
void kst_schema_validate_default(const struct kst_json *schema, const struct kst_json *value,
                                 const char *path, struct kst_json *causes);
/* Compiles a pattern that Go reads: its groups may share names. As kst_regex_new(). */
int kst_schema_pattern(const char *pattern, struct kst_regex **out, struct kst_err **err);
/* Whether a text is of a format ("date-time", "ipv4"); true for formats that the server ignores. */
bool kst_schema_format(const char *format, const char *text);
/* Whether the server knows the format. */
bool kst_schema_has_format(const char *format);

#endif
