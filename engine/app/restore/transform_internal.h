/* SPDX-License-Identifier: Apache-2.0 */
/* The two kinds of files of transform.c. */
#ifndef KST_APP_RESTORE_TRANSFORM_INTERNAL_H
#define KST_APP_RESTORE_TRANSFORM_INTERNAL_H

struct kst_err;
struct kst_json;
struct kst_kube_resource;
struct kst_loop;
struct kst_transform_lua;
struct kst_transform_rules;

/* A Lua file that returns a function. Errors as kst_transform_new(). Yields. */
int kst_transform_lua_new(struct kst_loop *loop, const char *name, const char *text,
                          struct kst_transform_lua **out, struct kst_err **err);
/* NULL is allowed. */
void kst_transform_lua_free(struct kst_transform_lua *self);
/* What the function makes of the object: a new one in *out, which the caller frees; NULL where it
 * leaves the object out. KST_E_FAILED, or KST_E_LIMIT where the code broke a wall. Yields. */
int kst_transform_lua_apply(struct kst_transform_lua *self, const struct kst_json *object,
                            struct kst_json **out, struct kst_err **err);

/* A JSON or YAML file of rules. Errors as kst_transform_new(). */
int kst_transform_rules_new(const char *name, const char *text, struct kst_transform_rules **out,
                            struct kst_err **err);
/* NULL is allowed. */
void kst_transform_rules_free(struct kst_transform_rules *self);
/* The same for rules: a copy of the object, patched by those that pick it. KST_E_FAILED. */
int kst_transform_rules_apply(const struct kst_transform_rules *self,
                              const struct kst_kube_resource *resource,
                              const struct kst_json *object, struct kst_json **out,
                              struct kst_err **err);

#endif
