/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON values as Go writes them, whose texts are in the API server's messages and objects. A number
 * without point and exponent that fits is an int64 there, any other a float64.
 */
#ifndef KST_SANDBOX_TYPES_GOTEXT_H
#define KST_SANDBOX_TYPES_GOTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kst_buf;
struct kst_json;

/* Whether the number (its text) is an int64 for Go. */
bool kst_go_is_int(const char *number, int64_t *value);
/* fmt's %v of a float64: "1.5", "1e+06". */
void kst_go_float(struct kst_buf *out, double value);
/* fmt's %q of a string; what is not UTF-8 is not expected. */
void kst_go_quote(struct kst_buf *out, const char *text);
/* Where the first character stands that %q would not write as it is, for it is not printable; the
 * length of the text where none is. */
size_t kst_go_printable(const char *text);
/* fmt's %v of an interface{}: map[a:1 b:[x y]]. */
void kst_go_plain(struct kst_buf *out, const struct kst_json *value);
/* fmt's %#v of an interface{}: map[string]interface {}{"a":1}. */
void kst_go_syntax(struct kst_buf *out, const struct kst_json *value);
/* encoding/json of an interface{}: keys in order, numbers as below, and <, > and & escaped. */
void kst_go_json(struct kst_buf *out, const struct kst_json *value);
/* A copy in which objects have their keys in order, as Go's encoders write them; the caller owns
 * it. */
struct kst_json *kst_go_sorted(const struct kst_json *value);
/* A number as the server stores it: 1.0 is 1, 1e3 is 1000, and 1e21 is 1e+21. The caller frees it.
 * What is too large for a float64 stays as it is. */
char *kst_go_json_number(const char *number);

#endif
