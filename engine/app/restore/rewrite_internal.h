/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of rewrite.c share. */
#ifndef KST_APP_RESTORE_REWRITE_INTERNAL_H
#define KST_APP_RESTORE_REWRITE_INTERNAL_H

#include <stdbool.h>

struct kst_json;
struct kst_rewrite;

/* What the object refers to by name gets its new name; the object's own stays. */
void kst_rewrite_references(const struct kst_rewrite *self, struct kst_json *object);
/* The classes of storage that the object names. */
void kst_rewrite_classes(const struct kst_rewrite *self, struct kst_json *object);
/* Names of Services in texts. Where `everywhere` is false, in what is such a name by its meaning
 * alone (spec.externalName). */
void kst_rewrite_dns(const struct kst_rewrite *self, struct kst_json *object, bool everywhere);
/* The new name as kst_rewrite_name(), or NULL where it stays; the caller frees it. */
char *kst_rewrite_find(const struct kst_rewrite *self, const char *kind, const char *name);

#endif
