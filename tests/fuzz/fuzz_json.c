/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: what was read and printed is read as the same value, and printed as the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

enum { TEXT_BYTES = 64 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void there_and_back(const struct kst_json *value, enum kst_json_style style)
{
    kst_auto_buf first = KST_BUF_INIT(TEXT_BYTES), second = KST_BUF_INIT(TEXT_BYTES);
    kst_auto_json struct kst_json *again = NULL;
    if (kst_json_print(value, style, &first) < 0 ||
        kst_json_parse(first.data, first.len, &again, NULL) < 0 || !kst_json_equal(value, again) ||
        kst_json_print(again, style, &second) < 0 || second.len != first.len ||
        memcmp(first.data, second.data, first.len) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kst_auto_err struct kst_err *err = NULL;
    kst_auto_json struct kst_json *value = NULL;
    int rc = kst_json_parse((const char *)data, size, &value, &err);
    if ((rc < 0) != (err != NULL) || (rc < 0) != (value == NULL) || rc != kst_err_code(err))
        abort();
    if (rc < 0)
        return 0;
    there_and_back(value, KST_JSON_COMPACT);
    there_and_back(value, KST_JSON_PRETTY);
    kst_auto_json struct kst_json *copy = kst_json_dup(value);
    if (!kst_json_equal(value, copy))
        abort();
    return 0;
}
