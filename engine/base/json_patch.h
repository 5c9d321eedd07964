/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON patches (RFC 6902) and merge patches (RFC 7386), as kube-apiserver 1.20 applies them: where
 * it is laxer or stricter than those texts, so is this.
 */
#ifndef KST_BASE_JSON_PATCH_H
#define KST_BASE_JSON_PATCH_H

struct kst_err;
struct kst_json;

enum { KST_JSON_PATCH_OPERATIONS = 10000, KST_JSON_PATCH_COPY_BYTES = 3 << 20 };

/* Applies a JSON patch to a copy of `object`; the caller frees *out. Laxer than RFC 6902: "replace"
 * adds a missing key, "copy" copies a missing one as null, negative indices count from the end in
 * "add" and "remove". Errors have the server's message, and as a hint the operation at fault:
 *   KST_E_INVALID (422)  an operation that does not apply, or a test that failed
 *   KST_E_PARSE (400)    what is no list of objects
 *   KST_E_LIMIT (413)    more than KST_JSON_PATCH_OPERATIONS */
int kst_json_patch_apply(const struct kst_json *object, const struct kst_json *patch,
                         struct kst_json **out, struct kst_err **err);

/* Applies a merge patch to a copy of `object`, which the caller frees. As on the server nulls in
 * an array are dropped where the patch brings it to a place that held no object. */
struct kst_json *kst_json_patch_merge(const struct kst_json *object, const struct kst_json *patch);

#endif
