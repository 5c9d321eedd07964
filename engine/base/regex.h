/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions on PCRE2 (8 bit, UTF), with limits: a match that needs more than
 * KST_REGEX_STEPS steps back or about KST_REGEX_MS ends with KST_E_LIMIT, so no pattern can hold
 * the engine. Compiled with PCRE2_NEVER_BACKSLASH_C, and without JIT, which keeps no such limits.
 * This module alone includes pcre2.
 */
#ifndef KST_BASE_REGEX_H
#define KST_BASE_REGEX_H

#include <stdbool.h>
#include <stddef.h>

struct kst_err;
struct kst_regex;

enum { KST_REGEX_STEPS = 1000000, KST_REGEX_MS = 500, KST_REGEX_GROUPS = 64 };

enum kst_regex_flags {
    KST_REGEX_BYTES = 1, /* subject and pattern are bytes, not UTF-8 */
    KST_REGEX_CASELESS = 2,
    KST_REGEX_DOTALL = 4,
    KST_REGEX_DOLLAR_END = 8, /* $ matches only at the very end */
};

struct kst_regex_span {
    size_t start, end; /* bytes; start == (size_t)-1 where the group took no part */
};

/* Compiles; KST_E_PARSE "regular expression '…', offset N: …". At most 64 KiB. */
int kst_regex_new(const char *pattern, size_t len, int flags, struct kst_regex **out,
                  struct kst_err **err);
void kst_regex_free(struct kst_regex *self);

/* Matches from byte `offset`, at that place only where `anchored`. *matched is set; spans[0] is
 * the whole match and spans[i] group i, for i < nspans (unused ones are set to -1). Errors:
 * KST_E_LIMIT, KST_E_INVALID (subject is not UTF-8). */
int kst_regex_match(const struct kst_regex *self, const char *subject, size_t len, size_t offset,
                    bool anchored, struct kst_regex_span *spans, size_t nspans, bool *matched,
                    struct kst_err **err);
/* Whether it matches anywhere; KST_E_LIMIT as above. */
int kst_regex_test(const struct kst_regex *self, const char *subject, bool *matched,
                   struct kst_err **err);

#endif
