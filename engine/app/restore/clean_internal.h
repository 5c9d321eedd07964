/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of clean.c share. */
#ifndef KST_APP_RESTORE_CLEAN_INTERNAL_H
#define KST_APP_RESTORE_CLEAN_INTERNAL_H

#include <stdbool.h>

struct kst_clean_options;
struct kst_json;

/* What belongs to the old life of an object of a built-in kind, apart from metadata and status. */
void kst_clean_kind(struct kst_json *object, const struct kst_clean_options *options);

/* Whether a field of a built-in kind has the value that an API server fills in where it is left
 * out. `parent` is the key of the object it is in, "" in an entry of a list. */
bool kst_clean_is_default(const char *kind, const char *parent, const char *key,
                          const struct kst_json *value);

#endif
