/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions. An input is a byte of flags (bit 7: the text eight thousand times), the
 * pattern, a NUL, the text: no match takes much longer than it may, and every group lies within
 * the text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/regex.h"

enum { TEXT_BYTES = 1024 * 1024, TIMES = 8000, SLOW_MS = 6 * KST_REGEX_MS, SPANS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void match(const struct kst_regex *regex, const struct kst_buf *text, bool anchored)
{
    kst_auto_err struct kst_err *err = NULL;
    struct kst_regex_span spans[SPANS];
    bool matched = false;
    int64_t start = kst_now_ms();
    int rc = kst_regex_match(regex, text->data, text->len, 0, anchored, spans, SPANS, &matched,
                             &err);
    if (rc != kst_err_code(err) || kst_now_ms() - start > SLOW_MS)
        abort();
    for (size_t i = 0; rc == 0 && matched && i < SPANS; i++) {
        if (spans[i].start == (size_t)-1)
            continue;
        if (spans[i].start > text->len || spans[i].end > text->len)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size > 1 ? memchr(data + 1, 0, size - 1) : NULL;
    if (!nul)
        return 0;
    kst_auto_err struct kst_err *err = NULL;
    struct kst_regex *regex = NULL;
    int rc = kst_regex_new((const char *)data + 1, (size_t)(nul - data - 1), data[0] & 15, &regex,
                           &err);
    if (rc != kst_err_code(err) || (rc < 0) != (regex == NULL))
        abort();
    if (rc < 0)
        return 0;
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
    size_t len = size - (size_t)(nul - data) - 1;
    for (int i = 0; i < (data[0] & 128 ? TIMES : 1); i++)
        kst_buf_add(&text, nul + 1, len);
    match(regex, &text, false);
    match(regex, &text, true);
    kst_regex_free(regex);
    return 0;
}
