/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the text is, the walk ends in order; where it is JSON, its entries are the parser's. */
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/json.h"
#include "base/json_walk.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare(const struct kst_json *entry, struct kst_str value)
{
    kst_auto_json struct kst_json *again = NULL;
    if (!entry || kst_json_parse(value.data, value.len, &again, NULL) < 0 ||
        !kst_json_equal(entry, again))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kst_str text = {(const char *)data, size}, key, value;
    struct kst_json_walk walk;
    kst_auto_json struct kst_json *parsed = NULL;
    kst_auto_err struct kst_err *err = NULL;
    kst_json_parse(text.data, text.len, &parsed, NULL);
    const struct kst_json *entry = kst_json_first(parsed);
    int rc = kst_json_walk_begin(&walk, text, &err);
    for (size_t n = 0; rc >= 0; n++) {
        rc = kst_json_walk_next(&walk, &key, &value, &err);
        if (n > size)
            abort();
        if (rc <= 0)
            break;
        if (parsed)
            compare(entry, value);
        entry = kst_json_next(entry);
    }
    bool container = kst_json_type(parsed) >= KST_JSON_ARRAY;
    if ((rc < 0) != (err != NULL) || (container && (rc < 0 || entry)))
        abort();
    free(kst_json_walk_string(kst_json_walk_find(text, "a")));
    return 0;
}
