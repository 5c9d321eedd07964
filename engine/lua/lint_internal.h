/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the lint share. */
#ifndef KST_LUA_LINT_INTERNAL_H
#define KST_LUA_LINT_INTERNAL_H

#include "base/err.h"
#include "base/json.h"
#include "lua/lint.h"
#include "lua/syntax.h"
#include "lua/types.h"

enum {
    KST_LINT_PASSES = 5,       /* over a text, until the types of its variables are known */
    KST_LINT_FINDINGS = 200,   /* of one file */
    KST_LINT_NAMES = 1000,     /* that one text may set, as far as they are remembered */
    KST_LINT_INFER_DEPTH = 40, /* of functions that return what others return */
};

/* A blueprint that was loaded. */
struct kst_lint_blueprint {
    struct kst_lint_blueprint *next;
    char *path;
    struct kst_json *json;
    struct kst_place match_at;
    bool is_allowed; /* what is found about its match rule */
};

struct kst_lint {
    struct kst_loop *loop;
    struct kst_lua *lua;
    struct kst_types types;
    struct kst_json *globals;  /* name -> {} or, of a table, {name: true} */
    struct kst_json *findings; /* of all files */
    struct kst_lint_blueprint *blueprints, **tail;
};

/* One text. */
struct kst_lint_walk {
    struct kst_lint *lint;
    const struct kst_lint_file *file;
    struct kst_syntax syntax;
    struct kst_types types; /* of this text alone */
    struct kst_json *findings;
    unsigned pass;
    bool telling; /* the last pass: findings are kept */
    size_t errors, remembered;
    /* What the text is about. */
    const struct kst_node *table; /* the constructor of the blueprint */
    struct kst_class *blueprint, *run, *app, *session, *world;
    struct kst_class *frozen, *params; /* of this text's run; params may be NULL: not known */
    const struct kst_type *frozen_type, *params_type, *run_type, *app_type, *world_type;
    struct kst_json *given;   /* fields of the blueprint that it has: name -> byte */
    struct kst_json *globals; /* that the text itself sets: name -> true */
    struct kst_json *extras;  /* fields that the text itself sets: "class.field" -> true */
    unsigned infer_depth;
};

/* What an expression is to be. */
struct kst_lint_wish {
    const struct kst_type *type; /* NULL: anything */
    const char *what;            /* "run:exec: option timeout" */
    bool is_whole;               /* a table may lack fields: others come later */
};

/* lint.c */
/* `rule` begins with "?" for warnings. The formatted text may say more behind a '\n': the hint. */
void kst_lint_tell(struct kst_lint_walk *self, size_t at, const char *rule, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A finding of no text. */
void kst_lint_tell_at(struct kst_json *findings, const char *path, struct kst_place place,
                      const char *severity, const char *rule, const char *message,
                      const char *hint);
/* Remembers a name that the text sets, in `names`. */
void kst_lint_remember(struct kst_lint_walk *self, struct kst_json *names, const char *name);
/* "did you mean 'exec'?" among the fields of a class, as "\n…", or ""; the walk's. */
const char *kst_lint_near_field(struct kst_lint_walk *self, const struct kst_class *class,
                                const char *name);
const char *kst_lint_near_key(struct kst_lint_walk *self, const struct kst_json *object,
                              const char *name);

/* lint_infer.c */
/* The type of an expression's result `index` (0: its first); NULL where it is not known (yet). */
const struct kst_type *kst_lint_infer(struct kst_lint_walk *self, const struct kst_node *node,
                                      unsigned index);
/* A type without parts; the program's. */
const struct kst_type *kst_lint_plain(enum kst_type_kind kind);
/* One type for two, NULL meaning "not known yet". */
const struct kst_type *kst_lint_join(struct kst_lint_walk *self, const struct kst_type *a,
                                     const struct kst_type *b);
/* Whether a value of the type surely is none of the wanted one. */
bool kst_lint_misfits(const struct kst_type *found, const struct kst_type *wanted);
/* A type's class, where it is (maybe optionally) one; else NULL. */
struct kst_class *kst_lint_class(const struct kst_type *type);
bool kst_lint_is_global(const struct kst_node *node, const char *name);

/* lint_walk.c */
/* Goes through the text once. */
void kst_lint_pass(struct kst_lint_walk *self);
/* An expression that is to be of some type; `wish` may be NULL. */
void kst_lint_expression(struct kst_lint_walk *self, const struct kst_node *node,
                         const struct kst_lint_wish *wish);
/* The type in a wish (or one of a union) that fits what is written as a function; or NULL. */
const struct kst_type *kst_lint_wished(const struct kst_type *type, enum kst_type_kind kind);

/* lint_call.c */
/* A CALL or a METHOD, with its arguments. */
void kst_lint_call(struct kst_lint_walk *self, const struct kst_node *node);

/* lint_table.c */
/* A table constructor where `wish` says what it is to be. */
void kst_lint_table(struct kst_lint_walk *self, const struct kst_node *table,
                    const struct kst_lint_wish *wish);
/* Declares run.params from the blueprint's constructor of params. */
void kst_lint_declare_params(struct kst_lint_walk *self);

/* lint_rules.c: what is known when the text was gone through. */
void kst_lint_rules(struct kst_lint_walk *self);

/* lint_match.c: what the match rules of all blueprints tell. */
void kst_lint_match(struct kst_lint *self, struct kst_json *findings);

#endif
