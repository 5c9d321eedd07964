/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kubeconfig: parsed, merged with itself, and resolved. No file that it names is read. What
 * stands behind a NUL is the answer of its credential plugin, which is not run: a function of this
 * file takes the place of loop/child.c.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "kube/config_internal.h"
#include "loop/child.h"
#include "loop/fiber.h"
#include "loop/loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct kst_str answer;

int kst_child_run(struct kst_loop *loop, const struct kst_child_request *request,
                  struct kst_buf *output, struct kst_buf *errors, int *status, struct kst_err **err)
{
    if (!request->argv || !request->argv[0])
        abort();
    *status = 0;
    kst_yield();
    return kst_buf_add(output, answer.data, answer.len);
}

static int ask_plugin(void *arg, struct kst_err **err)
{
    struct kst_kube_config *config = arg;
    bool changed = false;
    int rc = kst_config_exec_ensure(config, false, &changed, err);
    if (rc == 0 && (!changed || !(config->exec->token || config->exec->cert_pem)))
        abort();
    return rc;
}

static void use_plugin(struct kst_kube_config *config)
{
    static struct kst_loop *loop;
    kst_auto_err struct kst_err *err = NULL;
    if (!loop && kst_loop_new(&loop, NULL) < 0)
        abort();
    int rc = kst_loop_run(loop, "fuzz", ask_plugin, config, &err);
    if ((rc < 0) != (err != NULL) || rc != kst_err_code(err))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = memchr(data, 0, size);
    answer = (struct kst_str){"", 0};
    if (nul) {
        answer = (struct kst_str){(const char *)nul + 1, size - (size_t)(nul + 1 - data)};
        size = (size_t)(nul - data);
    }
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
    if (rc == 0 && nul && config->exec)
        use_plugin(config);
    kst_kube_config_free(config);
    kst_log_forget_secrets();
    return 0;
}
