/* SPDX-License-Identifier: Apache-2.0 */
/* SPDY frames: however the bytes are cut, the same frames come out, or the same complaint. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "sandbox/server/spdy.h"

enum { REPORT_BYTES = 64 * 1024 * 1024, MOST_BYTES = 64 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void report_text(struct kst_buf *report, struct kst_str text)
{
    kst_buf_add(report, text.data, text.len);
    kst_buf_addc(report, '\n');
}

static void report_frame(struct kst_buf *report, const struct kst_spdy_frame *frame)
{
    if (frame->type == KST_SPDY_DATA) { /* pieces are joined */
        kst_buf_add(report, frame->data.data, frame->data.len);
        kst_buf_addf(report, "%.*s", frame->flags ? 1 : 0, "|");
        return;
    }
    struct kst_str value;
    kst_buf_addf(report, "%d %u %u %u %d\n", (int)frame->type, frame->flags, frame->stream,
                 frame->value, kst_spdy_header(frame, "streamtype", &value));
    for (size_t i = 0; i < frame->header_count; i++) {
        report_text(report, frame->headers[i].name);
        report_text(report, frame->headers[i].value);
    }
    for (size_t i = 0; i < frame->setting_count; i++)
        kst_buf_addf(report, "%u %u %u\n", frame->settings[i].flags, frame->settings[i].id,
                     frame->settings[i].value);
}

static void run(const uint8_t *data, size_t size, size_t piece, struct kst_buf *report)
{
    struct kst_spdy *spdy = kst_spdy_new();
    int rc = 0;
    while (size > 0 && rc >= 0) {
        size_t part = size < piece ? size : piece, left = part;
        kst_auto_free char *copy = kst_malloc(part); /* reading beyond it is seen */
        memcpy(copy, data, part);
        const char *at = copy;
        struct kst_spdy_frame frame;
        kst_auto_err struct kst_err *err = NULL;
        while ((rc = kst_spdy_next(spdy, &at, &left, &frame, &err)) > 0)
            report_frame(report, &frame);
        if (rc != kst_err_code(err) || (rc == 0 && left != 0))
            abort();
        kst_buf_adds(report, kst_err_message(err));
        data += part;
        size -= part;
    }
    kst_spdy_free(spdy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > MOST_BYTES)
        return 0;
    kst_auto_buf whole = KST_BUF_INIT(REPORT_BYTES), pieces = KST_BUF_INIT(REPORT_BYTES);
    run(data + 1, size - 1, size, &whole);
    run(data + 1, size - 1, (size_t)(data[0] >> 3) + 1, &pieces);
    if (whole.len != pieces.len || memcmp(whole.data, pieces.data, whole.len) != 0)
        abort();
    return 0;
}
