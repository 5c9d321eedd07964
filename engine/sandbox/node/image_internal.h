/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KST_SANDBOX_NODE_IMAGE_INTERNAL_H
#define KST_SANDBOX_NODE_IMAGE_INTERNAL_H

#include <stddef.h>

struct kst_err;
struct kst_json;
struct kst_regex;

/* One entry of a description of images, checked. */
struct kst_image_entry {
    const struct kst_json *spec; /* borrowed from the text it came from */
    struct kst_regex *match;
    const char *folder; /* where its files are sought; NULL: built in. Borrowed. */
};

/* A description: its text, and its entries in order. */
struct kst_image_source {
    struct kst_image_source *next;
    struct kst_json *text;
    char *folder;
    struct kst_image_entry *entries;
    size_t count;
};

/* Reads and checks a description; `where` is for messages. KST_E_USAGE. The caller frees. */
int kst_image_source_new(const char *where, const char *text, size_t len, const char *folder,
                         struct kst_image_source **out, struct kst_err **err);
void kst_image_source_free(struct kst_image_source *self);

#endif
