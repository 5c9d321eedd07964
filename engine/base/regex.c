/* SPDX-License-Identifier: Apache-2.0 */
#include "base/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

enum {
    MAX_PATTERN_BYTES = 64 * 1024,
    MAX_DEPTH = 10000,
    HEAP_KIB = 16 * 1024,
    LONG_BYTES = 16 * 1024, /* of a text that one item of a pattern may take long on */
    LOOKS = 32,             /* steps between two looks at the clock, on shorter ones */
};

struct kst_regex {
    pcre2_code *code;
    pcre2_match_context *limits;
    pcre2_match_data *data; /* matching never yields, so one is enough */
};

struct watch {
    int64_t until_ms;
    unsigned steps, every;
};

/*
 * Called before each item of the pattern. PCRE2's own limit counts backtracking alone: "a*[xy]" on
 * a long row of a's never backtracks, but looks at the whole row from each of its places.
 */
static int on_step(pcre2_callout_block *block, void *arg)
{
    struct watch *self = arg;
    if (++self->steps % self->every)
        return 0;
    return kst_now_ms() > self->until_ms ? PCRE2_ERROR_CALLOUT : 0;
}

int kst_regex_new(const char *pattern, size_t len, int flags, struct kst_regex **out,
                  struct kst_err **err)
{
    if (len > MAX_PATTERN_BYTES)
        return kst_err_set(err, KST_E_LIMIT,
                           "the regular expression has %zu bytes; at most %d are "
                           "allowed",
                           len, MAX_PATTERN_BYTES);
    uint32_t options = PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT;
    options |= flags & KST_REGEX_BYTES ? 0u : PCRE2_UTF;
    options |= flags & KST_REGEX_CASELESS ? PCRE2_CASELESS : 0u;
    options |= flags & KST_REGEX_DOTALL ? PCRE2_DOTALL : 0u;
    options |= flags & KST_REGEX_DOLLAR_END ? PCRE2_DOLLAR_ENDONLY : 0u;
    int code = 0;
    size_t offset = 0;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern, len, options, &code, &offset, NULL);
    if (!compiled) {
        PCRE2_UCHAR text[256];
        pcre2_get_error_message(code, text, sizeof(text));
        return kst_err_set(err, KST_E_PARSE, "regular expression '%.*s', offset %zu: %s",
                           len > 200 ? 200 : (int)len, pattern, offset, (const char *)text);
    }
    struct kst_regex *self = kst_calloc(1, sizeof(*self));
    self->code = compiled;
    self->data = pcre2_match_data_create_from_pattern(compiled, NULL);
    self->limits = pcre2_match_context_create(NULL);
    if (!self->data || !self->limits)
        abort();
    pcre2_set_match_limit(self->limits, KST_REGEX_STEPS);
    pcre2_set_depth_limit(self->limits, MAX_DEPTH);
    pcre2_set_heap_limit(self->limits, HEAP_KIB);
    *out = self;
    return 0;
}

void kst_regex_free(struct kst_regex *self)
{
    if (!self)
        return;
    pcre2_match_data_free(self->data);
    pcre2_match_context_free(self->limits);
    pcre2_code_free(self->code);
    free(self);
}

static void fill(const struct kst_regex *self, int count, struct kst_regex_span *spans,
                 size_t nspans)
{
    const size_t *pairs = pcre2_get_ovector_pointer(self->data);
    for (size_t i = 0; i < nspans; i++) {
        bool there = i < (size_t)count && pairs[2 * i] != PCRE2_UNSET;
        spans[i].start = there ? pairs[2 * i] : (size_t)-1;
        spans[i].end = there ? pairs[2 * i + 1] : (size_t)-1;
    }
}

int kst_regex_match(const struct kst_regex *self, const char *subject, size_t len, size_t offset,
                    bool anchored, struct kst_regex_span *spans, size_t nspans, bool *matched,
                    struct kst_err **err)
{
    struct watch watch = {.until_ms = kst_deadline_in_ms(KST_REGEX_MS),
                          .every = len < LONG_BYTES ? LOOKS : 1};
    pcre2_set_callout(self->limits, on_step, &watch);
    int count = pcre2_match(self->code, (PCRE2_SPTR)subject, len, offset,
                            anchored ? PCRE2_ANCHORED : 0u, self->data, self->limits);
    if (count == PCRE2_ERROR_NOMATCH) {
        *matched = false;
        return 0;
    }
    if (count == PCRE2_ERROR_MATCHLIMIT || count == PCRE2_ERROR_DEPTHLIMIT ||
        count == PCRE2_ERROR_HEAPLIMIT)
        return kst_err_set(err, KST_E_LIMIT,
                           "the pattern needs more than %d steps on a text of %zu bytes",
                           KST_REGEX_STEPS, len);
    if (count == PCRE2_ERROR_CALLOUT)
        return kst_err_set(err, KST_E_LIMIT,
                           "the pattern needs more than %d ms on a text of %zu bytes", KST_REGEX_MS,
                           len);
    if (count < 0) {
        PCRE2_UCHAR text[256];
        pcre2_get_error_message(count, text, sizeof(text));
        return kst_err_set(err, KST_E_INVALID, "the pattern cannot be matched: %s",
                           (const char *)text);
    }
    fill(self, count, spans, nspans);
    *matched = true;
    return 0;
}

int kst_regex_test(const struct kst_regex *self, const char *subject, bool *matched,
                   struct kst_err **err)
{
    return kst_regex_match(self, subject, strlen(subject), 0, false, NULL, 0, matched, err);
}
