/* SPDX-License-Identifier: Apache-2.0 */
/* YAML: each document that was read and printed, as YAML or JSON, is read as the same value. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/yaml.h"

enum { TEXT_BYTES = 256 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void there_and_back(const struct kst_json *value)
{
    kst_auto_buf yaml = KST_BUF_INIT(TEXT_BYTES), json = KST_BUF_INIT(TEXT_BYTES);
    kst_auto_json struct kst_json *of_yaml = NULL, *of_json = NULL;
    if (kst_yaml_print(value, &yaml) < 0 || kst_json_print(value, KST_JSON_COMPACT, &json) < 0)
        abort();
    if (kst_json_parse(json.data, json.len, &of_json, NULL) < 0 || !kst_json_equal(value, of_json))
        abort();
    if (kst_yaml_parse(yaml.data, yaml.len, &of_yaml, NULL) < 0 || !kst_json_equal(value, of_yaml))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kst_auto_err struct kst_err *err = NULL;
    kst_auto_json struct kst_json *documents = NULL;
    int rc = kst_yaml_parse_all((const char *)data, size, &documents, &err);
    if ((rc < 0) != (err != NULL) || (rc < 0) != (documents == NULL) || rc != kst_err_code(err))
        abort();
    const struct kst_json *document = kst_json_first(documents);
    for (; document; document = kst_json_next(document))
        there_and_back(document);
    return 0;
}
