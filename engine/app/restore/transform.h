/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --transform FILE: what a user changes in objects on their way back (docs/transforms.md). A Lua
 * file returns a function that gets each object, and returns it changed, or nil to leave it out:
 *     return function(object) … return object end
 * A JSON or YAML file is one rule or a list of rules {select: PATTERN (as --include), patch: [RFC
 * 6902 operations]}; a "test" that fails makes the rule skip the object. Lua runs in the sandbox of
 * blueprints: no io, capped memory and time; null, empty lists and objects, numbers and the order
 * of keys survive the way through it.
 */
#ifndef KST_APP_RESTORE_TRANSFORM_H
#define KST_APP_RESTORE_TRANSFORM_H

#include <stdbool.h>

struct kst_err;
struct kst_json;
struct kst_kube_resource;
struct kst_loop;
struct kst_transform;

/* `files`: a JSON array of {name, text}, applied one after the other (spec.restore.transforms; the
 * text is in the Run, so that a successor has it). May be NULL or empty. KST_E_USAGE and
 * KST_E_PARSE name the file, and the line or the rule. Yields (Lua). */
int kst_transform_new(struct kst_loop *loop, const struct kst_json *files,
                      struct kst_transform **out, struct kst_err **err);
/* NULL is allowed. */
void kst_transform_free(struct kst_transform *self);
/* Changes *object (replaced); *dropped where it is to be left out (*object stays). KST_E_FAILED
 * names the file and the object; KST_E_INVALID where apiVersion, kind or name were taken away, or
 * the namespace was changed; KST_E_LIMIT where Lua broke a wall: then no object can go through any
 * more. `self` may be NULL: nothing is done. Yields (Lua). */
int kst_transform_apply(struct kst_transform *self, const struct kst_kube_resource *resource,
                        struct kst_json **object, bool *dropped, struct kst_err **err);

#endif
