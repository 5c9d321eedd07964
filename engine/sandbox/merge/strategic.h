/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strategic merge patches of built-in kinds, as kube-apiserver 1.20 applies them: lists merge by
 * the keys of sandbox/types/fields.h, and a patch may hold directives ($patch, $retainKeys,
 * $setElementOrder/LIST, $deleteFromPrimitiveList/LIST).
 *
 * A directive counts only where the object has a value to merge with. What a patch brings to a
 * place that was empty is taken as it is, as on the server: there "$patch: delete" adds the entry
 * that it names, "$deleteFromPrimitiveList" adds what it should delete, and a null is an empty
 * string in a map of strings and nothing elsewhere.
 */
#ifndef KST_SANDBOX_MERGE_STRATEGIC_H
#define KST_SANDBOX_MERGE_STRATEGIC_H

struct kst_err;
struct kst_json;

/* Applies a patch to a copy of `object` (which may not be NULL), an object of a built-in kind; the
 * caller frees *out. Errors have the server's message:
 *   KST_E_PARSE (400)    what is no object; $retainKeys, $setElementOrder that do not fit the patch
 *   KST_E_INVALID (422)  a list in a list that merges
 *   KST_E_SERVER (500)   an entry without its merge key, an unknown $patch, entries of mixed types
 */
int kst_patch_strategic(const char *group, const char *kind, const struct kst_json *object,
                        const struct kst_json *patch, struct kst_json **out, struct kst_err **err);

#endif
