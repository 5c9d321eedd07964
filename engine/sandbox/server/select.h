/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which objects of a collection a list, a watch or a deletion is about: labels and fields.
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
 */
#ifndef KST_SANDBOX_SERVER_SELECT_H
#define KST_SANDBOX_SERVER_SELECT_H

#include <stdbool.h>
#include <stddef.h>

struct kst_json;
struct kst_labels;
struct kst_object;
struct kst_resource;

enum { KST_SELECT_FIELDS = 16 };

struct kst_select {
    const char *ns; /* NULL or "": all */
    struct kst_labels *labels;
    struct {
        char *path, *value;
        bool equal;
    } fields[KST_SELECT_FIELDS];
    size_t nfields;
};

/* Both texts may be NULL. NULL, or a Status for a selector that is none; `ns` is borrowed. */
struct kst_json *kst_select_init(struct kst_select *self, const struct kst_resource *resource,
                                 const char *ns, const char *labels, const char *fields);
void kst_select_release(struct kst_select *self);
/* Whether it selects by anything but the namespace. */
bool kst_select_narrows(const struct kst_select *self);
/* Whether the object (NULL: no) is one of them. */
bool kst_select_has(const struct kst_select *self, const struct kst_object *object);

#endif
