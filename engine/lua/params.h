/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of blueprints: what a blueprint declares, and the values of a run.
 *
 *   params = { user = { default = "postgres", doc = "…" }, port = { type = "integer", default =
 * 5432 }, level = { enum = { "low", "high" }, required = true }, container = "postgres" }
 *
 * A value alone is short for { default = value }. Types: string, integer, number, boolean,
 * duration, size, list (of strings); left out, it is the default's.
 */
#ifndef KST_LUA_PARAMS_H
#define KST_LUA_PARAMS_H

struct kst_err;
struct kst_json;

/* Checks a declaration (may be NULL) and completes it: name -> {type, default, required, secret,
 * enum, doc}. KST_E_INVALID, and KST_E_LIMIT beyond 1000 of them, begin with `path`. */
int kst_params_check(const char *path, const struct kst_json *declared, struct kst_json **out,
                     struct kst_err **err);
/* Values: the defaults, over them `given` (texts are converted to the declared type; may be NULL).
 * KST_E_USAGE names the parameter, what it takes and what was found. */
int kst_params_resolve(const struct kst_json *specs, const struct kst_json *given,
                       struct kst_json **out, struct kst_err **err);

#endif
