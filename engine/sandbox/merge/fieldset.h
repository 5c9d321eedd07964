/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of fields: what a manager owns of an object, as metadata.managedFields has it ("FieldsV1").
 * A field is a path of elements: "f:NAME" a key of an object, "k:{...}" the entry of a list with
 * these keys, "v:..." the entry of a set with this value. A field may be in a set while its parent
 * is not, and the other way round.
 *
 * The API's format: {"f:spec":{"f:replicas":{},"f:ports":{".":{},"k:{\"port\":80}":{".":{}}}}};
 * a field is in the set where its object is empty or holds ".".
 */
#ifndef KST_SANDBOX_MERGE_FIELDSET_H
#define KST_SANDBOX_MERGE_FIELDSET_H

#include <stdbool.h>
#include <stddef.h>

struct kst_buf;
struct kst_fieldset;
struct kst_json;

/* An empty set, and its end (NULL is allowed). */
struct kst_fieldset *kst_fieldset_new(void);
void kst_fieldset_free(struct kst_fieldset *self);
static inline void kst_fieldset_autofree(struct kst_fieldset **self)
{
    kst_fieldset_free(*self);
}
#define kst_auto_fieldset __attribute__((cleanup(kst_fieldset_autofree)))

/* From and to the API's format. What is not of that format is left out. */
struct kst_fieldset *kst_fieldset_parse(const struct kst_json *fields);
struct kst_json *kst_fieldset_json(const struct kst_fieldset *self);

/* Adds one field, not its parents. An empty path is nothing. */
void kst_fieldset_insert(struct kst_fieldset *self, const char *const *path, size_t len);
/* Adds one element whose rows do not have it yet, with what lies below it (taken; may be NULL or
 * empty). What is neither a member nor has anything below is not added. */
void kst_fieldset_add(struct kst_fieldset *self, const char *element, bool member,
                      struct kst_fieldset *below);
/* The elements at the top, in order, members or not; NULL beyond the last. */
const char *kst_fieldset_element(const struct kst_fieldset *self, size_t place);
/* Whether the element itself is in the set; what of the set lies below it (borrowed, or NULL). */
bool kst_fieldset_has(const struct kst_fieldset *self, const char *element);
const struct kst_fieldset *kst_fieldset_below(const struct kst_fieldset *self, const char *element);
bool kst_fieldset_empty(const struct kst_fieldset *self);
bool kst_fieldset_equal(const struct kst_fieldset *a, const struct kst_fieldset *b);

/* New sets, which the caller frees; NULL stands for an empty one. Field by field: to take a parent
 * out leaves its children. */
struct kst_fieldset *kst_fieldset_union(const struct kst_fieldset *a, const struct kst_fieldset *b);
struct kst_fieldset *kst_fieldset_intersection(const struct kst_fieldset *a,
                                               const struct kst_fieldset *b);
struct kst_fieldset *kst_fieldset_difference(const struct kst_fieldset *a,
                                             const struct kst_fieldset *b);

/* Calls `visit` for each field, with its path as people read it: .spec.ports[port=80].name; the
 * fields of an object come before what lies below them. */
void kst_fieldset_each(const struct kst_fieldset *self,
                       void (*visit)(void *context, const char *path), void *context);
/* Appends one element in that form. */
void kst_fieldset_print(const char *element, struct kst_buf *out);

#endif
