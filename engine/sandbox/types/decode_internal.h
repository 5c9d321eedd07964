/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Go types of the API, as tables: what a field is called in Go and what it holds. The facts are
 * those of k8s.io/api 1.20.
 *
 * A struct's name is "group/version.Name"; its fields are separated by spaces:
 *   key:type         the Go name is the key's with a capital
 *   key=GoName:type
 *   key:~type        a field of a feature that is not on by default: read, and dropped
 *   <Name            a struct whose fields are this struct's own (embedded)
 *   @                TypeMeta, embedded, and metadata: what every kind has
 * A type is string, bool, int32, int64, float64, bytes, quantity, intstr (IntOrString), time,
 * micro (MicroTime), any, []TYPE, {}TYPE (a map), a struct's name, or the name of a string type and
 * "$"; a name stands without its package where that is the struct's own.
 */
#ifndef KST_SANDBOX_TYPES_DECODE_INTERNAL_H
#define KST_SANDBOX_TYPES_DECODE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "sandbox/types/decode.h"

struct kst_go_struct {
    const char *name, *fields;
};

/* Sorted by name. */
extern const struct kst_go_struct kst_go_core[], kst_go_others[];
extern const size_t kst_go_core_count, kst_go_others_count;

enum kst_go_kind {
    KST_GO_STRING,
    KST_GO_BOOL,
    KST_GO_INT32,
    KST_GO_INT64,
    KST_GO_FLOAT64,
    KST_GO_BYTES,
    KST_GO_QUANTITY,
    KST_GO_INTSTR,
    KST_GO_TIME,
    KST_GO_MICRO,
    KST_GO_ANY,
    KST_GO_LIST,
    KST_GO_MAP,
    KST_GO_STRUCT,
};

/* A type as it stands in a struct's fields. */
struct kst_go_type {
    const struct kst_go_struct *owner;
    struct kst_str text;
};

struct kst_go_field {
    struct kst_str key, name; /* name: "" where it is the key's with a capital */
    struct kst_str embedded;  /* the embedded struct that has it, "" for none */
    struct kst_go_type type;
    bool dropped;
};

/* Finds a field by its key, also in embedded structs. */
bool kst_go_find(const struct kst_go_struct *self, struct kst_str key, struct kst_go_field *field);
/* How many fields it has, those of embedded structs with it. */
size_t kst_go_count(const struct kst_go_struct *self);
enum kst_go_kind kst_go_kind(struct kst_go_type type);
/* Of a list or a map. */
struct kst_go_type kst_go_entry(struct kst_go_type type);
/* NULL for a type that is no struct. */
const struct kst_go_struct *kst_go_struct(struct kst_go_type type);
/* Appends the type's name as Go prints it: "[]v1.Container". */
void kst_go_print(struct kst_go_type type, struct kst_buf *out);
/* Why a value, not null, is none of these types, which read their text themselves (bytes,
 * quantities, intstr, times); NULL where it is one. The caller frees it. */
char *kst_go_refuse(enum kst_go_kind kind, const struct kst_json *value);
/* Whether a number is a whole one that fits in `bits` (32 or 64). */
bool kst_decode_is_int(const char *number, int bits);

#endif
