/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that carry what curl does not speak. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/http_internal.h"

struct kst_http_raw {
    struct kst_transfer *transfer;
    curl_socket_t fd;
};

int kst_http_raw_open(struct kst_loop *loop, const struct kst_http_request *request,
                      struct kst_http_raw **out, struct kst_err **err)
{
    int rc = kst_fiber_check(err);
    if (rc < 0)
        return rc;
    struct kst_transfer *transfer = NULL;
    rc = kst_transfer_start(loop, request, KST_TRANSFER_RAW, &transfer, err);
    if (rc < 0)
        return rc;
    int64_t deadline_ms = request->deadline_ms ? request->deadline_ms : KST_NEVER;
    while (rc == 0 && !transfer->done)
        rc = kst_cond_wait(&transfer->changed, deadline_ms, err);
    if (rc == 0 && transfer->result != CURLE_OK)
        rc = kst_transfer_error(transfer, err);
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (rc == 0)
        curl_easy_getinfo(transfer->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (rc == 0 && fd == CURL_SOCKET_BAD)
        rc = kst_err_set(err, KST_E_CLOSED, "the connection to %s broke at once", request->url);
    if (rc < 0) {
        kst_transfer_free(transfer);
        return rc;
    }
    struct kst_http_raw *self = kst_calloc(1, sizeof(*self));
    self->transfer = transfer;
    self->fd = fd;
    *out = self;
    return 0;
}

static int64_t moved(CURLcode code, size_t count, const char *doing, struct kst_err **err)
{
    if (code == CURLE_AGAIN)
        return 0;
    if (code != CURLE_OK)
        return kst_err_set(err, KST_E_CLOSED, "the connection broke while %s: %s", doing,
                           curl_easy_strerror(code));
    return (int64_t)count;
}

int64_t kst_http_raw_send(struct kst_http_raw *self, const void *data, size_t len,
                          struct kst_err **err)
{
    size_t count = 0;
    CURLcode code = curl_easy_send(self->transfer->easy, data, len, &count);
    return moved(code, count, "sending", err);
}

int64_t kst_http_raw_recv(struct kst_http_raw *self, void *data, size_t len, struct kst_err **err)
{
    size_t count = 0;
    CURLcode code = curl_easy_recv(self->transfer->easy, data, len, &count);
    if (code == CURLE_OK && count == 0)
        return kst_err_set(err, KST_E_CLOSED, "the server closed the connection");
    return moved(code, count, "receiving", err);
}

int kst_http_raw_fd(const struct kst_http_raw *self)
{
    return self->fd;
}

void kst_http_raw_close(struct kst_http_raw *self)
{
    if (!self)
        return;
    kst_transfer_free(self->transfer);
    free(self);
}
