/* SPDX-License-Identifier: Apache-2.0 */
/* Lua patterns: the first line is a pattern, the rest its subject. Matching ends within its steps,
 * and what it captured lies inside the subject. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "lua/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *line = memchr(text, '\n', size);
    size_t len = line ? (size_t)(line - text) : size;
    const char *subject = line ? line + 1 : text + size;
    size_t subject_len = size - (size_t)(subject - text);
    struct kst_pattern *pattern = NULL;
    kst_auto_err struct kst_err *err = NULL;
    if (kst_pattern_new(text, len, size % 2, &pattern, &err) < 0)
        return 0;
    struct kst_capture captures[KST_PATTERN_CAPTURES + 1];
    for (size_t at = 0; at <= subject_len;) {
        int count = 0;
        bool matched = false;
        if (kst_pattern_match(pattern, subject, subject_len, at, captures, &count, &matched, NULL) <
                0 ||
            !matched)
            break;
        if (captures[0].start < at || captures[0].end > subject_len ||
            captures[0].start > captures[0].end)
            abort();
        at = captures[0].end > at ? captures[0].end : at + 1;
    }
    kst_pattern_free(pattern);
    return 0;
}
