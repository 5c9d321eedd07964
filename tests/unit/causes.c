/* SPDX-License-Identifier: Apache-2.0 */
#include "causes.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

enum { CASES_BYTES = 4 * 1024 * 1024 };

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *causes_sorted(const struct kst_json *causes)
{
    static const char *const keys[] = {"reason", "field", "message"};
    size_t count = kst_json_len(causes), made = 0;
    char **texts = kst_calloc(count + 1, sizeof(*texts));
    for (const struct kst_json *c = kst_json_first(causes); c; c = kst_json_next(c)) {
        const char *part[3];
        for (size_t i = 0; i < 3; i++)
            part[i] = kst_json_str(kst_json_type(c) == KST_JSON_ARRAY ? kst_json_at(c, i)
                                                                      : kst_json_get(c, keys[i]));
        texts[made++] = kst_asprintf("%s %s: %s\n", part[0], part[1], part[2]);
    }
    qsort(texts, made, sizeof(*texts), by_text);
    kst_auto_buf all = KST_BUF_INIT(CASES_BYTES);
    for (size_t i = 0; i < made; i++) {
        kst_buf_adds(&all, texts[i]);
        free(texts[i]);
    }
    free(texts);
    return kst_buf_take(&all);
}
