/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The syntax of Lua 5.4, as a tree in which every name knows the local variable that it is, for
 * those who look at a program without running it (lint.h).
 *
 * Whatever Lua itself loads is parsed. The reverse does not hold: what needs no tree to be found
 * wrong (a goto without a label, the assignment of a constant, a number that is none) is left to
 * Lua's own loader, whose words people know.
 * https://www.lua.org/manual/5.4/manual.html#9
 */
#ifndef KST_LUA_SYNTAX_H
#define KST_LUA_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct kst_err;
struct kst_node;
struct kst_type;

enum {
    KST_SYNTAX_LEVELS = 200, /* of nested statements and expressions, as in Lua itself */
    KST_SYNTAX_DEPTH = 1000, /* of the tree: "a + b + …" is deep without being nested */
    KST_LOCAL_RESULTS = 4,
};

/* What a, b and c are is said here; "list" are nodes linked by `next`. */
enum kst_node_kind {
    KST_NODE_BLOCK, /* a: list of statements */
    /* Expressions. */
    KST_NODE_NIL,
    KST_NODE_TRUE,
    KST_NODE_FALSE,
    KST_NODE_NUMBER, /* text; flag: a whole number */
    KST_NODE_STRING, /* text: its value */
    KST_NODE_VARARG,
    KST_NODE_FUNCTION, /* a: list of NAMEs, b: BLOCK; flag: takes "..." */
    KST_NODE_NAME,     /* text, local (NULL: a global) */
    KST_NODE_INDEX,    /* a[b]; flag: written a.b, where b is a STRING */
    KST_NODE_CALL,     /* a, b: list of arguments */
    KST_NODE_METHOD,   /* a:c, c a STRING, b: list of arguments */
    KST_NODE_TABLE,    /* a: list of FIELDs */
    KST_NODE_FIELD,    /* a: the key (NULL: none), b: the value; flag: written "key = value" */
    KST_NODE_BINARY,   /* a, b; text: the operator */
    KST_NODE_UNARY,    /* a; text */
    KST_NODE_PAREN,    /* a */
    /* Statements. */
    KST_NODE_LOCAL,  /* a: list of NAMEs, b: list of values */
    KST_NODE_NAMED,  /* local function: a: NAME, b: FUNCTION */
    KST_NODE_ASSIGN, /* a: list of targets, b: list of values; also "function a.b.c()" */
    KST_NODE_CALLED, /* a: a CALL or METHOD */
    KST_NODE_DO,     /* a: BLOCK */
    KST_NODE_WHILE,  /* a: condition, b: BLOCK */
    KST_NODE_REPEAT, /* a: BLOCK, b: condition */
    KST_NODE_IF,     /* a: list of CLAUSEs */
    KST_NODE_CLAUSE, /* a: condition (NULL: else), b: BLOCK */
    KST_NODE_COUNT,  /* for a = b…: a: NAME, b: list of two or three, c: BLOCK */
    KST_NODE_EACH,   /* for a… in b…: a: list of NAMEs, b: list of values, c: BLOCK */
    KST_NODE_RETURN, /* a: list of values */
    KST_NODE_BREAK,
    KST_NODE_GOTO,  /* text */
    KST_NODE_LABEL, /* text */
};

enum kst_local_kind { KST_LOCAL_VARIABLE, KST_LOCAL_FUNCTION, KST_LOCAL_PARAMETER, KST_LOCAL_LOOP };

/* A local variable. */
struct kst_local {
    struct kst_local *next; /* of all of the chunk, in the order of their declarations */
    const char *name;
    size_t at;
    enum kst_local_kind kind;
    bool closes;                  /* <close> */
    const struct kst_node *value; /* that it was declared with, or NULL */
    unsigned writes;              /* assignments beyond its declaration */
    /* The lint's (lint_internal.h): */
    unsigned reads;
    const struct kst_type *type, *results[KST_LOCAL_RESULTS];
    unsigned results_pass;
    bool visiting, escapes, is_closed;
};

struct kst_node {
    enum kst_node_kind kind;
    unsigned depth;
    size_t at; /* byte of the text at which it begins (a CALL: its callee) */
    bool flag;
    struct kst_node *next, *a, *b, *c;
    const char *text; /* ends with a NUL, and may hold others */
    size_t len;
    struct kst_local *local;
};

/* A comment "lint: allow RULE RULE…". */
struct kst_syntax_allowed {
    struct kst_syntax_allowed *next;
    unsigned line;
    const char *rules;
};

struct kst_syntax {
    struct kst_arena arena;
    const char *text; /* the caller's */
    size_t len;
    struct kst_node *block;
    struct kst_local *locals;
    struct kst_syntax_allowed *allowed;
    size_t wrong_at; /* after an error: where */
    size_t *lines;   /* at which byte each begins */
    size_t nlines;
};

/* Parses; the text must outlive *self, which is to be released whatever comes of it. KST_E_PARSE,
 * with wrong_at; KST_E_LIMIT where it is too deep. */
int kst_syntax_parse(struct kst_syntax *self, const char *text, size_t len, struct kst_err **err);
void kst_syntax_release(struct kst_syntax *self);

struct kst_place {
    unsigned line, column; /* from 1; columns count characters */
};
/* Where a byte of the text is. */
struct kst_place kst_syntax_place(const struct kst_syntax *self, size_t at);

#endif
