/* SPDX-License-Identifier: Apache-2.0 */
/* JSON paths: a line with the path, then the JSON that it is applied to. What the check refuses is
 * refused with any value, and errors leave no results. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/table/jsonpath.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = memchr(data, '\n', size);
    size_t length = line ? (size_t)(line - data) : size;
    kst_auto_free char *path = kst_strndup((const char *)data, length);
    kst_auto_json struct kst_json *root = NULL;
    kst_auto_json struct kst_json *results = kst_json_array();
    if (line)
        kst_json_parse((const char *)line + 1, size - length - 1, &root, NULL);
    kst_auto_err struct kst_err *check_err = NULL, *err = NULL;
    int check = kst_jsonpath_check(path, &check_err);
    if ((check < 0) != (check_err != NULL))
        abort();
    int rc = kst_jsonpath_eval(root, path, results, &err);
    if ((rc < 0) != (err != NULL) || (check < 0 && rc == 0) ||
        (rc < 0 && kst_json_len(results) > 0))
        abort();
    return 0;
}
