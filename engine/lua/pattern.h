/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lua patterns (Lua 5.4 manual, 6.4.1) translated to PCRE2, so that matching has a step limit:
 * Lua's own matcher can take hours on sixty bytes, with no way to stop it. All of the language is
 * there: classes, sets, captures, position captures, %b, %f, back references, anchors.
 */
#ifndef KST_LUA_PATTERN_H
#define KST_LUA_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

struct kst_err;
struct kst_pattern;

enum { KST_PATTERN_CAPTURES = 32 };

struct kst_capture {
    size_t start, end; /* bytes */
    bool position;     /* (): only its start counts */
};

/* Translates and compiles. KST_E_PARSE with Lua's own words ("malformed pattern (ends with '%')",
 * …). A '^' at the start anchors unless `no_anchor` (gmatch). */
int kst_pattern_new(const char *pattern, size_t len, bool no_anchor, struct kst_pattern **out,
                    struct kst_err **err);
void kst_pattern_free(struct kst_pattern *self);
/* Matches at or after byte `offset`; captures[0] is the whole match, *ncaptures counts the
 * pattern's own. KST_E_LIMIT where the step limit ended it. */
int kst_pattern_match(const struct kst_pattern *self, const char *subject, size_t len,
                      size_t offset, struct kst_capture captures[KST_PATTERN_CAPTURES + 1],
                      int *ncaptures, bool *matched, struct kst_err **err);

#endif
