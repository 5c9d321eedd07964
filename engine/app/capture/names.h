/* SPDX-License-Identifier: Apache-2.0 */
/* A set of names: filled first, then asked. */
#ifndef KST_APP_CAPTURE_NAMES_H
#define KST_APP_CAPTURE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* {0} is an empty one. */
struct kst_names {
    char **items; /* in order and each once after kst_names_sort() */
    size_t count, size;
    bool sorted;
};

/* Leaves an empty one. */
void kst_names_release(struct kst_names *self);
/* Copies; NULL and "" are no names. */
void kst_names_add(struct kst_names *self, const char *name);
bool kst_names_has(struct kst_names *self, const char *name);
/* Bytewise. */
void kst_names_sort(struct kst_names *self);

#endif
