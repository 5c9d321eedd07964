/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What blueprints and their tests can use, as lua/types/ says it to editors: classes with their
 * fields and methods. The files are compiled in, so that what the lint knows is what editors show.
 * https://luals.github.io/wiki/annotations/ (as far as those files use it)
 */
#ifndef KST_LUA_TYPES_H
#define KST_LUA_TYPES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct kst_class;
struct kst_field;

enum kst_type_kind {
    KST_TYPE_ANY,
    KST_TYPE_NIL,
    KST_TYPE_BOOLEAN,
    KST_TYPE_STRING,
    KST_TYPE_NUMBER,
    KST_TYPE_INTEGER,
    KST_TYPE_TABLE,
    KST_TYPE_FUNCTION, /* any function */
    KST_TYPE_LITERAL,  /* text: one string */
    KST_TYPE_DURATION, /* the alias kassette.Duration: text or seconds */
    KST_TYPE_CLASS,
    KST_TYPE_LIST,  /* a: of its elements */
    KST_TYPE_MAP,   /* a: of its keys, b: of its values */
    KST_TYPE_UNION, /* a: list of the possible ones */
    KST_TYPE_FUN,   /* a: list of its parameters, b: list of its results */
};

struct kst_type {
    enum kst_type_kind kind;
    bool optional, variadic; /* of parameters and results */
    bool is_declared;        /* a FUN that is there, with just these parameters */
    const char *text;
    struct kst_class *class;
    struct kst_type *a, *b, *next;
};

struct kst_field {
    struct kst_field *next;
    const char *name;
    const struct kst_type *type;
    bool optional, is_method;
    unsigned reads; /* the lint's, and where it was first set */
    size_t at;
};

struct kst_class {
    struct kst_class *next, *parent;
    const char *name;
    bool is_open; /* other fields may exist */
    struct kst_field *fields;
};

struct kst_types {
    struct kst_arena arena;
    struct kst_class *classes;
};

/* Reads the compiled-in files; to be released. What they hold asserts. */
void kst_types_load(struct kst_types *self);
/* Adds what one text declares. */
void kst_types_read(struct kst_types *self, const char *text, size_t len);
void kst_types_release(struct kst_types *self);

/* The class, or NULL. */
struct kst_class *kst_types_class(const struct kst_types *self, const char *name);
/* Also one of a parent; NULL where there is none. */
struct kst_field *kst_class_field(const struct kst_class *self, const char *name);
struct kst_field *kst_class_add(struct kst_types *types, struct kst_class *self, const char *name,
                                const struct kst_type *type);
struct kst_class *kst_types_add_class(struct kst_types *self, const char *name);
struct kst_type *kst_types_add(struct kst_types *self, enum kst_type_kind kind);
struct kst_type *kst_types_of_class(struct kst_types *self, struct kst_class *class);
/* In words ("a string", "a list of strings"); valid as long as the types. */
const char *kst_type_words(struct kst_types *self, const struct kst_type *type);

#endif
