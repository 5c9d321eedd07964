/* SPDX-License-Identifier: Apache-2.0 */
/* A kubeconfig: parsed, merged with itself, and resolved. No file that it names is read. */
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "kube/config_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kst_auto_json struct kst_json *merged = kst_json_make("{}");
    struct kst_str text = {(const char *)data, size};
    struct kst_err *err = NULL;
    struct kst_kube_config *config = NULL;
    int rc = kst_kubeconfig_add_text(merged, "/fuzz/one", text, &err);
    if (rc == 0)
        rc = kst_kubeconfig_add_text(merged, "/fuzz/two", text, &err);
    if (rc == 0)
        rc = kst_kubeconfig_resolve(merged, NULL, &config, &err);
    if ((rc < 0) != (err != NULL) || rc != kst_err_code(err))
        abort();
    kst_err_free(err);
    kst_kube_config_free(config);
    kst_log_forget_secrets();
    return 0;
}
