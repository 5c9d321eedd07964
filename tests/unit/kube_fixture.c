/* SPDX-License-Identifier: Apache-2.0 */
#include "kube_fixture.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/json.h"
#include "kube/client.h"
#include "kube/config_internal.h"
#include "loop/http.h"
#include "loop/loop.h"

struct run {
    struct kst_kube *kube;
    void *arg;
    int (*body)(struct kst_kube *kube, void *arg, struct kst_err **err);
};

static int call_body(void *arg, struct kst_err **err)
{
    struct run *run = arg;
    return run->body(run->kube, run->arg, err);
}

int kube_fixture_run(fake_http_fn *fn, void *arg, int64_t patience_ms,
                     int (*body)(struct kst_kube *kube, void *arg, struct kst_err **err),
                     struct kst_err **err)
{
    struct fake_http *server = fake_http_start(fn, arg);
    kst_auto_json struct kst_json *merged = kst_json_make(
        "{'current-context':{'file':'test','value':'x'},"
        "'contexts':{'x':{'file':'test','value':{'cluster':'c','user':'u','namespace':'shop'}}},"
        "'clusters':{'c':{'file':'test','value':{'server':%s}}},"
        "'users':{'u':{'file':'test','value':{'token':'sesame-token'}}}}",
        fake_http_url(server));
    struct kst_kube_config *config = NULL;
    struct kst_loop *loop = NULL;
    kst_http_global_init();
    if (kst_kubeconfig_resolve(merged, NULL, &config, err) < 0 ||
        kst_config_read_credentials(config, err) < 0 || kst_loop_new(&loop, err) < 0)
        abort();
    struct run run = {.kube = kst_kube_new(loop, config), .arg = arg, .body = body};
    kst_kube_set_patience_ms(run.kube, patience_ms);
    int rc = kst_loop_run(loop, "test", call_body, &run, err);
    kst_kube_free(run.kube);
    kst_kube_config_free(config);
    kst_loop_free(loop);
    fake_http_stop(server);
    return rc;
}
