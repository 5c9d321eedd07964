/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fields of built-in kinds are made of, as far as patches and field ownership must know:
 * which lists merge by which key, which maps have keys of the user's, and which objects are owned
 * as a whole. The facts are those of the API's own description (/openapi/v2 of kube-apiserver 1.20:
 * x-kubernetes-patch-merge-key, -patch-strategy, -list-type, -list-map-keys, -map-type).
 *
 * A field that is not listed here is a scalar, an object whose fields are merged one by one, or a
 * list that is replaced as a whole.
 */
#ifndef KST_SANDBOX_TYPES_FIELDS_H
#define KST_SANDBOX_TYPES_FIELDS_H

struct kst_field {
    const char *type;  /* of the object that has the field */
    const char *name;  /* the field's */
    const char *child; /* type of the field's value, or of its entries; NULL for nothing to know */
    const char *merge; /* strategic merge: the key of a list's entries, "" for a list of scalars;
                          NULL for a list that is replaced */
    const char
        *apply; /* server-side apply: the keys of a list's entries, by spaces; "set" for a
                   set of scalars, "atomic" for an object that is one value; NULL otherwise */
};

/* A type in braces is that of a map whose keys are the user's, not fields: of its entries. */
#define KST_FIELDS_STRING     "string"
#define KST_FIELDS_QUANTITY   "quantity"
#define KST_FIELDS_STRINGS    "{string}"
#define KST_FIELDS_QUANTITIES "{quantity}"

/* The type of an object of a built-in kind; one that has nothing but metadata to know where the
 * kind is not listed. Never NULL. */
const char *kst_fields_root(const char *group, const char *kind);
/* The field `name` of an object of `type`, or NULL where there is nothing to know; `type` may be
 * NULL. */
const struct kst_field *kst_fields_find(const char *type, const char *name);
/* The type of the entries of a map (without the braces), or NULL for another type. */
const char *kst_fields_entries(const char *type);
/* The fields that an object of this kind always has, with their empty values: they are part of the
 * API's Go types and are not omitted when empty. A template for kst_json_make(), or NULL. */
const char *kst_fields_zero(const char *group, const char *kind);

#endif
