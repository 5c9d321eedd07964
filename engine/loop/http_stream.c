/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that are read as they come, with back-pressure. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/http_internal.h"

enum { HIGH_BYTES = 256 * 1024, LOW_BYTES = 64 * 1024 };

struct kst_http_stream {
    struct kst_transfer *transfer;
    struct kst_buf buffer;
    bool paused;
};

/* curl gives at most CURL_MAX_WRITE_SIZE at once; what is refused now it keeps and gives again. */
static size_t sink(void *arg, const char *data, size_t len)
{
    struct kst_http_stream *self = arg;
    if (self->buffer.len >= HIGH_BYTES) {
        self->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (kst_buf_add(&self->buffer, data, len) < 0)
        return 0;
    kst_cond_signal(&self->transfer->changed);
    return len;
}

int kst_http_open(struct kst_loop *loop, const struct kst_http_request *request,
                  struct kst_http_response *response, struct kst_http_stream **out,
                  struct kst_err **err)
{
    response->status = 0;
    response->sent = false;
    response->retry_after_ms = -1;
    int rc = kst_fiber_check(err);
    if (rc < 0)
        return rc;
    struct kst_http_stream *self = kst_calloc(1, sizeof(*self));
    kst_buf_init(&self->buffer, HIGH_BYTES + 2 * CURL_MAX_WRITE_SIZE);
    rc = kst_transfer_start(loop, request, KST_TRANSFER_STREAM, &self->transfer, err);
    if (rc < 0) {
        free(self);
        return rc;
    }
    self->transfer->sink = sink;
    self->transfer->sink_arg = self;
    int64_t deadline_ms = request->deadline_ms ? request->deadline_ms : KST_NEVER;
    while (rc == 0 && !self->transfer->headers_done && !self->transfer->done)
        rc = kst_cond_wait(&self->transfer->changed, deadline_ms, err);
    kst_transfer_response(self->transfer, response);
    /* What breaks behind the headers is said by the read that comes to it. */
    if (rc == 0 && !self->transfer->headers_done && self->transfer->result != CURLE_OK)
        rc = kst_transfer_error(self->transfer, err);
    if (rc < 0) {
        response->status = 0;
        kst_http_close(self);
        return rc;
    }
    *out = self;
    return 0;
}

int64_t kst_http_read(struct kst_http_stream *self, struct kst_buf *into, size_t max,
                      int64_t deadline_ms, struct kst_err **err)
{
    struct kst_transfer *transfer = self->transfer;
    while (self->buffer.len == 0) {
        if (transfer->done)
            return transfer->result == CURLE_OK ? 0 : kst_transfer_error(transfer, err);
        int rc = kst_cond_wait(&transfer->changed, deadline_ms, err);
        if (rc < 0)
            return rc;
    }
    size_t room = into->cap_bytes - into->len;
    size_t count = self->buffer.len;
    count = count > max ? max : count;
    count = count > room ? room : count;
    if (count == 0)
        return kst_err_set(err, KST_E_LIMIT, "there is no room left for the %zu bytes that came",
                           self->buffer.len);
    kst_buf_add(into, self->buffer.data, count);
    kst_buf_drop(&self->buffer, count);
    if (self->paused && self->buffer.len < LOW_BYTES) {
        self->paused = false;
        kst_transfer_unpause(transfer);
    }
    return (int64_t)count;
}

void kst_http_close(struct kst_http_stream *self)
{
    if (!self)
        return;
    kst_transfer_free(self->transfer);
    kst_buf_release(&self->buffer);
    free(self);
}
