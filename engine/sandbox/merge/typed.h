/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects with their types: which of their parts are owned and merged one by one, and which as a
 * whole. Types come from sandbox/types/fields.h for built-in kinds, else from the schema of the
 * custom resource (x-kubernetes-list-type, -list-map-keys, -map-type, -preserve-unknown-fields).
 *
 * A schema with x-kubernetes-int-or-string anywhere counts for nothing, as in kube-apiserver 1.20,
 * which cannot read it: then every object is merged key by key, and every list is one value.
 */
#ifndef KST_SANDBOX_MERGE_TYPED_H
#define KST_SANDBOX_MERGE_TYPED_H

#include <stdbool.h>

struct kst_err;
struct kst_fieldset;
struct kst_go_struct;
struct kst_json;

/* What type an object has. On the stack, and borrowing all that it is made of. */
struct kst_typed {
    const char *root;               /* of a built-in kind */
    const struct kst_json *schema;  /* of a custom resource */
    const struct kst_go_struct *go; /* the same, as Go's type; NULL where it is not known */
    const char *zero;               /* what a built-in kind always has, as a template of JSON */
    bool deduced;                   /* no schema that can be read */
};

/* The type of a kind; `schema` is the openAPIV3Schema of a custom resource, NULL for a built-in
 * kind. */
struct kst_typed kst_typed_of(const char *group, const char *kind, const struct kst_json *schema);

/* Whether all lists have the keys that they merge by and no entry twice, and, where there is a
 * schema, no field is unknown or of another type. KST_E_SERVER, with the server's words, which
 * say ".spec.ports: duplicate entries for key [port=80]". */
int kst_typed_check(const struct kst_typed *self, const struct kst_json *object,
                    struct kst_err **err);

/* The fields that `object` states, as an applied configuration owns them; the caller frees them. */
struct kst_fieldset *kst_typed_fields(const struct kst_typed *self, const struct kst_json *object);

/* What differs between two objects (either may be NULL). */
struct kst_typed_changes {
    struct kst_fieldset *added, *modified, *removed;
};
void kst_typed_compare(const struct kst_typed *self, const struct kst_json *old,
                       const struct kst_json *changed, struct kst_typed_changes *changes);
void kst_typed_changes_release(struct kst_typed_changes *self);
#define kst_auto_typed_changes \
    __attribute__((cleanup(kst_typed_changes_release))) struct kst_typed_changes

/* What a manager owns where it owned a whole object or list that has entries by now (`stated`: the
 * fields of the live object): these entries too. And where the type is one value by now: that. The
 * caller frees it. */
struct kst_fieldset *kst_typed_reconcile(const struct kst_typed *self,
                                         const struct kst_fieldset *stated,
                                         const struct kst_fieldset *owned);

/* How nulls come out of a merge or removal, and what a removal leaves empty, which is null first:
 * to compare objects they are kept; to keep objects they become what the types of built-in kinds
 * make of them, an empty string in a map of strings and nothing elsewhere. In custom resources
 * they stay, as in kube-apiserver 1.20 (whose validation then mostly refuses the object). */
enum kst_typed_nulls { KST_TYPED_RAW, KST_TYPED_SETTLED };

/* `live` (may be NULL) with what `applied` states put over it, nothing removed; the caller frees
 * it. */
struct kst_json *kst_typed_merge(const struct kst_typed *self, const struct kst_json *live,
                                 const struct kst_json *applied, enum kst_typed_nulls nulls);
/* A copy of `object` without these fields; the caller frees it. */
struct kst_json *kst_typed_remove(const struct kst_typed *self, const struct kst_json *object,
                                  const struct kst_fieldset *fields, enum kst_typed_nulls nulls);

#endif
