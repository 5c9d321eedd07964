/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blueprint: the table that a Lua file returns, read, checked and ready to be bound.
 *
 * Fields: name (required, RFC 1123 label), summary, match {kind, api_version, image, name, labels},
 * params {NAME = {type, default, required, secret, enum, doc}}, order, max_freeze, attempts,
 * post_hook_after ("snapshot" | "export"), and functions: pre_hook, snapshot, post_hook, export,
 * pre_restore, restore, post_restore, verify, delete, actions {NAME = fn}. Anything else is an
 * error that names the nearest field.
 */
#ifndef KST_LUA_BLUEPRINT_H
#define KST_LUA_BLUEPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lua/host.h"

struct kst_blueprint;
struct kst_err;
struct kst_json;

/* Loads and checks; see kst_lua_load() for the arguments and errors. KST_E_INVALID names file,
 * field, what was expected and what was found. The blueprint must be freed before the interpreter.
 */
int kst_blueprint_load(struct kst_lua *lua, const char *path, const char *text, size_t len,
                       kst_lua_read_fn *read, void *read_arg, struct kst_blueprint **out,
                       struct kst_err **err);
void kst_blueprint_free(struct kst_blueprint *self);

/* Borrowed. */
const char *kst_blueprint_name(const struct kst_blueprint *self);
const char *kst_blueprint_path(const struct kst_blueprint *self);
const char *kst_blueprint_summary(const struct kst_blueprint *self);   /* "" where there is none */
int64_t kst_blueprint_order(const struct kst_blueprint *self);         /* default 0; lower first */
int64_t kst_blueprint_max_freeze_ms(const struct kst_blueprint *self); /* 0: not said */
int64_t kst_blueprint_attempts(const struct kst_blueprint *self);      /* 0: not said */
bool kst_blueprint_post_hook_after_export(const struct kst_blueprint *self);
const struct kst_json *kst_blueprint_params(const struct kst_blueprint *self); /* name -> spec */
/* The checked table as JSON, functions shown as in kst_lua_ref_json(): for `blueprint show`. */
const struct kst_json *kst_blueprint_json(const struct kst_blueprint *self);

/* Whether it has that function ("pre_hook", "actions.reindex"). */
bool kst_blueprint_has(const struct kst_blueprint *self, const char *function);
/* The function, borrowed; NULL where it has none. */
const struct kst_lua_ref *kst_blueprint_function(const struct kst_blueprint *self,
                                                 const char *function);

/* Whether its match rule takes this workload: every part of the rule must hold (kind and
 * api_version exactly or one of a list; image: any container's image matches the regular
 * expression; name: the object's name matches; labels: all equal, on the workload or its Pod
 * template). No rule takes nothing. KST_E_LIMIT from a pathological expression. */
int kst_blueprint_matches(const struct kst_blueprint *self, const struct kst_json *workload,
                          bool *matches, struct kst_err **err);

/* The parameters' values for a run: defaults, over them `given` (name -> string or typed value,
 * converted to the declared type: string, integer, number, boolean, duration, size, list of
 * strings). KST_E_USAGE names the parameter, what it takes, and near names for an unknown one.
 * The caller owns *out. */
int kst_blueprint_resolve_params(const struct kst_blueprint *self, const struct kst_json *given,
                                 struct kst_json **out, struct kst_err **err);
/* Whether it may be the name of a blueprint: a-z, 0-9 and '-', at most 63 bytes. NULL is allowed.
 */
bool kst_blueprint_is_name(const char *text);

#endif
