/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strict scan before cJSON: checks a text against RFC 8259, and writes a copy in which numbers
 * are strings that carry their text, so that cJSON (which would make doubles of them) keeps it.
 * Internal to json.c.
 */
#ifndef KST_BASE_JSON_SCAN_H
#define KST_BASE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

struct kst_err;
struct kst_json;

/* A string of the copy begins with one of these bytes: what it was in the text. A key has none. */
enum { KST_JSON_MARK_NUMBER = '#', KST_JSON_MARK_STRING = '$' };

enum { KST_JSON_SCAN_DEPTH = 900 }; /* cJSON itself ends at 1000 */

/* *out: the copy, NUL-terminated, freed by the caller. KST_E_PARSE with line and column,
 * KST_E_LIMIT for depth beyond `max_depth` (at most KST_JSON_SCAN_DEPTH). */
int kst_json_scan(const char *text, size_t len, int max_depth, char **out, size_t *out_len,
                  struct kst_err **err);
/* kst_json_parse() with another depth than KST_JSON_DEPTH: for values that we made ourselves. */
int kst_json_parse_deep(const char *text, size_t len, int max_depth, struct kst_json **out,
                        struct kst_err **err);
/* ASCII that stands for itself in a string: most of it, looked at byte by byte. */
static inline bool kst_json_is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}
/* The length of the UTF-8 sequence at `at`; 0 where none is (overlong, surrogate, too large). */
size_t kst_json_utf8(const char *at, const char *end);

#endif
