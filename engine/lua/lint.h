/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at blueprints, their modules and tests without a cluster: what Lua does not load, what no
 * blueprint has, what no function takes, and what will not do what it seems to. It knows what there
 * is from lua/types/ (types.h) and from the interpreter's own environment, and follows values of
 * known types through local variables, helper functions and run.frozen.
 *
 * A finding is {file, line, column, severity ("error", "warning"), rule, message, hint}. A comment
 * "-- lint: allow RULE" on its line, or on the one above, agrees with it.
 */
#ifndef KST_LUA_LINT_H
#define KST_LUA_LINT_H

#include <stddef.h>

#include "lua/host.h"

struct kst_err;
struct kst_json;
struct kst_lint;
struct kst_loop;
struct kst_regex;

enum kst_lint_role { KST_LINT_BLUEPRINT, KST_LINT_MODULE, KST_LINT_TEST };

/* A lint of files that belong together: one tree of blueprints. KST_E_LIMIT, as kst_lua_new(). */
int kst_lint_new(struct kst_loop *loop, struct kst_lint **out, struct kst_err **err);
void kst_lint_free(struct kst_lint *self);

/* A file: its text, `name` as interpreters call it ("redis/blueprint.lua", with which `read` also
 * finds what it requires), and `path`, which findings call it. A blueprint is loaded, too, and kept
 * for kst_lint_end(). Yields. */
struct kst_lint_file {
    enum kst_lint_role role;
    const char *name, *path, *text;
    size_t len;
    kst_lua_read_fn *read;
    void *read_arg;
};
void kst_lint_file(struct kst_lint *self, const struct kst_lint_file *file);
/* Without loading it: what the text alone tells. Never yields. */
void kst_lint_text(struct kst_lint *self, const struct kst_lint_file *file);
/* After all files: what several blueprints tell together (match rules). *findings is a JSON array
 * in the order of files and places, which the caller frees. */
void kst_lint_end(struct kst_lint *self, struct kst_json **findings);
/* The name of an image that the pattern of a match rule takes, and `also` (may be NULL), too; NULL
 * where none is found. The caller frees it. */
char *kst_lint_image(const char *pattern, const struct kst_regex *also);

#endif
