/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding objects of built-in kinds as the API server does (kube-apiserver 1.20): into Go types,
 * which drop fields that they do not have, and refuse values of another type than a field's, in
 * words that name the place. Pure functions.
 */
#ifndef KST_SANDBOX_TYPES_DECODE_H
#define KST_SANDBOX_TYPES_DECODE_H

#include <stdbool.h>
#include <stddef.h>

struct kst_buf;
struct kst_go_struct;
struct kst_json;

/* The Go type of a kind; NULL for one that is not built in. */
const struct kst_go_struct *kst_decode_type(const char *group, const char *version,
                                            const char *kind);
/* Removes every field that the type does not have, and makes times canonical. False where a value
 * is not of its field's type: the object is then half done. Nulls are of every type and stay. */
bool kst_decode(const struct kst_go_struct *type, struct kst_json *object);
/* Appends why a JSON text, one that kst_decode() has refused, cannot be decoded: the words of the
 * server's JSON reader, which quote the text around the place. */
void kst_decode_explain(const struct kst_go_struct *type, const char *text, size_t len,
                        struct kst_buf *out);
/* Whether a text is not JSON; appends why not, in the words of Go's encoding/json. */
bool kst_decode_syntax(const char *text, size_t len, struct kst_buf *out);
/* What encoding/json calls a value: "number", "bool". */
const char *kst_decode_name(const struct kst_json *value);
/* Appends bytes as Go prints them in JSON: what is no UTF-8 becomes U+FFFD, byte by byte. */
void kst_decode_quote(const char *text, size_t len, struct kst_buf *out);

#endif
