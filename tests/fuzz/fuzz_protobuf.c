/* SPDX-License-Identifier: Apache-2.0 */
/* A body in protobuf: what is read is an object that JSON can say (but for texts that are no UTF-8,
 * which are shown as they can be), or is refused with words. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "sandbox/types/protobuf.h"

enum { TEXT_BYTES = 64 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kst_auto_err struct kst_err *err = NULL;
    kst_auto_json struct kst_json *value = NULL, *again = NULL;
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES), second = KST_BUF_INIT(TEXT_BYTES);
    int rc = kst_protobuf_decode((const char *)data, size, &value, &err);
    if ((rc < 0) != (err != NULL) || (rc < 0) != (value == NULL) || rc != kst_err_code(err) ||
        (rc < 0 && !*kst_err_message(err)))
        abort();
    if (rc < 0)
        return 0;
    if (kst_json_type(value) != KST_JSON_OBJECT ||
        kst_json_print(value, KST_JSON_COMPACT, &text) < 0 ||
        kst_json_parse(text.data, text.len, &again, NULL) < 0 ||
        kst_json_print(again, KST_JSON_COMPACT, &second) < 0 || second.len != text.len ||
        memcmp(second.data, text.data, text.len) != 0)
        abort();
    return 0;
}
