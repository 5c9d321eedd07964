/* SPDX-License-Identifier: Apache-2.0 */
/* One try of a request made up, and the pauses between tries. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "kube/client_internal.h"
#include "kube/config.h"

enum { FIRST_PAUSE_MS = 100, LONGEST_PAUSE_MS = 5000 };

static void free_secret(char *text)
{
    if (text)
        kst_free_secret(text, strlen(text));
}

void kst_kube_call_release(struct kst_kube_call *call)
{
    for (size_t i = 0; call->headers && call->headers[i]; i++)
        free_secret((char *)call->headers[i]);
    free(call->headers);
    free(call->url);
    free(call->ca_pem);
    free(call->cert_pem);
    free_secret(call->key_pem);
    free(call->server_name);
    free(call->proxy);
    memset(call, 0, sizeof(*call));
}

static size_t count(const char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

static void fill(struct kst_kube *self, struct kst_kube_call *call, const char *method,
                 const char *path, const char *const *headers, const struct kst_kube_auth *auth)
{
    memset(call, 0, sizeof(*call));
    size_t own = count(headers), auth_count = count(auth->headers), n = 0;
    call->headers = kst_calloc(own + auth_count + 2, sizeof(*call->headers));
    call->headers[n++] = kst_asprintf("User-Agent: %s/%s", self->root->agent, KST_VERSION);
    for (size_t i = 0; i < own; i++)
        call->headers[n++] = kst_strdup(headers[i]);
    for (size_t i = 0; i < auth_count; i++)
        call->headers[n++] = kst_strdup(auth->headers[i]);
    call->generation = auth->generation;
    call->url = kst_asprintf("%s%s", kst_kube_config_server(self->config), path);
    call->ca_pem = kst_strdup(auth->ca_pem);
    call->cert_pem = kst_strdup(auth->cert_pem);
    call->key_pem = kst_strdup(auth->key_pem);
    call->server_name = kst_strdup(auth->server_name);
    call->proxy = kst_strdup(kst_kube_config_proxy(self->config));
    call->tls = (struct kst_http_tls){
        .ca_pem = call->ca_pem,
        .cert_pem = call->cert_pem,
        .key_pem = call->key_pem,
        .server_name = call->server_name,
        .insecure = auth->insecure,
    };
    call->request = (struct kst_http_request){
        .method = method,
        .url = call->url,
        .headers = call->headers,
        .tls = &call->tls,
        .proxy = call->proxy,
    };
}

int kst_kube_call_init(struct kst_kube *self, struct kst_kube_call *call, const char *method,
                       const char *path, const char *const *headers, struct kst_err **err)
{
    struct kst_kube_auth auth;
    memset(call, 0, sizeof(*call));
    int rc = kst_kube_config_auth(self->config, false, 0, &auth, err);
    if (rc == 0)
        fill(self, call, method, path, headers, &auth);
    return rc;
}

int kst_kube_call_init_rejected(struct kst_kube *self, struct kst_kube_call *call,
                                const char *method, const char *path, const char *const *headers,
                                uint64_t rejected_generation, struct kst_err **err)
{
    struct kst_kube_auth auth;
    memset(call, 0, sizeof(*call));
    int rc = kst_kube_config_auth(self->config, true, rejected_generation, &auth, err);
    if (rc == 0)
        fill(self, call, method, path, headers, &auth);
    return rc;
}

static uint32_t random_below(uint32_t limit)
{
    uint32_t value = 0;
    if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != sizeof(value))
        value = (uint32_t)kst_now_us();
    return value % limit;
}

int64_t kst_kube_backoff_next_ms(struct kst_kube_backoff *self, int64_t retry_after_ms)
{
    int64_t ceiling = LONGEST_PAUSE_MS;
    if (self->tries < 6)
        ceiling = FIRST_PAUSE_MS << self->tries;
    self->tries++;
    /* Never nothing: half of it is sure, the other half keeps many clients apart. */
    int64_t pause = ceiling / 2 + random_below((uint32_t)(ceiling / 2) + 1);
    return pause > retry_after_ms ? pause : retry_after_ms;
}

void kst_kube_backoff_reset(struct kst_kube_backoff *self)
{
    self->tries = 0;
}
