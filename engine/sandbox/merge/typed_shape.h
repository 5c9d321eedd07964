/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The type of one value inside of an object, for sandbox/merge/typed.c: by the table of built-in
 * kinds, by a schema, or by nothing.
 */
#ifndef KST_SANDBOX_MERGE_TYPED_SHAPE_H
#define KST_SANDBOX_MERGE_TYPED_SHAPE_H

#include <stdbool.h>

#include "sandbox/types/decode_internal.h"

struct kst_buf;
struct kst_field;
struct kst_json;
struct kst_typed;

struct kst_shape {
    enum {
        KST_SHAPE_BUILTIN,
        KST_SHAPE_SCHEMA,
        KST_SHAPE_DEDUCED, /* objects merge, lists are one value */
        KST_SHAPE_UNTYPED  /* anything is one value */
    } how;
    const char *type;              /* of the value, or of a list's entries; may be NULL */
    const struct kst_field *field; /* that holds the value, NULL for an entry */
    struct kst_go_type go; /* of a built-in kind's value; without an owner where it is not known */
    const struct kst_json *schema;
    bool preserve; /* an object above keeps fields that it does not know */
};

/* How a value is owned. */
enum kst_shape_relation {
    KST_SHAPE_LEAF, /* as a whole */
    KST_SHAPE_MAP,  /* key by key */
    KST_SHAPE_LIST  /* entry by entry */
};

enum kst_shape_key {
    KST_SHAPE_DECLARED, /* a field of the type */
    KST_SHAPE_FREE,     /* a key of the user's */
    KST_SHAPE_UNKNOWN   /* neither */
};

/* Whether kube-apiserver 1.20 cannot read the schema. */
bool kst_shape_unreadable(const struct kst_json *schema);
struct kst_shape kst_shape_root(const struct kst_typed *typed);
enum kst_shape_relation kst_shape_relation(struct kst_shape self, const struct kst_json *value);
/* Whether a value of the type is owned as a whole, as far as the type tells. */
bool kst_shape_is_atomic(struct kst_shape self);
/* The shape of what is at a key of a map. */
enum kst_shape_key kst_shape_child(struct kst_shape self, const char *key, struct kst_shape *child);
/* The shape of a list's entries. */
struct kst_shape kst_shape_entry(struct kst_shape self);
/* The keys of a list that merges, NULL for a set of scalars; the caller frees them. */
struct kst_json *kst_shape_keys(struct kst_shape self);
/* The element of a path that leads to an entry of a list with these keys; the caller frees it.
 * Else NULL, and `why` has the server's words. */
char *kst_shape_element(struct kst_shape self, const struct kst_json *keys,
                        const struct kst_json *entry, struct kst_buf *why);
/* What was expected where the value is of the wrong type, with what is there in *found; else
 * NULL. Only schemas know. */
const char *kst_shape_mismatch(struct kst_shape self, const struct kst_json *value,
                               struct kst_buf *found);
/* Whether it is a null where an object or a list that merges should be: it owns nothing. */
bool kst_shape_owns_nothing(struct kst_shape self, const struct kst_json *value);
/* What a null becomes, or NULL for nothing; the caller frees it. */
struct kst_json *kst_shape_null(struct kst_shape self);
/* A copy of `object` with what of `zero` (may be NULL) it lacks; objects alone are looked into. */
struct kst_json *kst_shape_complete(const struct kst_json *object, const struct kst_json *zero);

#endif
