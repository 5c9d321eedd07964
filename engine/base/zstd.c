/* SPDX-License-Identifier: Apache-2.0 */
#include "base/zstd.h"

#include <stdbool.h>
#include <stdlib.h>

#include <zstd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

enum {
    LEVEL = 3,            /* several hundred MB a second: no list of objects comes faster */
    WINDOW_LOG_MOST = 25, /* 32 MiB: what a frame may make us allocate before it says anything */
    STEP_BYTES = 128 * 1024,
};

/* A context costs more to make than a small frame to compress. The engine has one thread, and
 * nothing here yields. */
static ZSTD_CCtx *compressor(void)
{
    static ZSTD_CCtx *self;
    if (!self) {
        self = ZSTD_createCCtx();
        if (!self || ZSTD_isError(ZSTD_CCtx_setParameter(self, ZSTD_c_compressionLevel, LEVEL)) ||
            ZSTD_isError(ZSTD_CCtx_setParameter(self, ZSTD_c_checksumFlag, 1)))
            abort();
    }
    return self;
}

static ZSTD_DCtx *decompressor(void)
{
    static ZSTD_DCtx *self;
    if (!self) {
        self = ZSTD_createDCtx();
        if (!self ||
            ZSTD_isError(ZSTD_DCtx_setParameter(self, ZSTD_d_windowLogMax, WINDOW_LOG_MOST)))
            abort();
    }
    ZSTD_DCtx_reset(self, ZSTD_reset_session_only);
    return self;
}

int kst_zstd_compress(struct kst_buf *out, const void *data, size_t len, struct kst_err **err)
{
    /* Into a block of its own, as the bound is much more than what comes out. */
    size_t bound = ZSTD_compressBound(len);
    kst_auto_free char *frame = kst_malloc(bound);
    size_t frame_len = ZSTD_compress2(compressor(), frame, bound, data, len);
    if (ZSTD_isError(frame_len))
        return kst_err_set(err, KST_E_FAILED, "Zstandard: compress %zu bytes: %s", len,
                           ZSTD_getErrorName(frame_len));
    kst_buf_add(out, frame, frame_len);
    return kst_buf_check(out, "compressed data", err);
}

/* One step: appends to `out` what comes next; *more is false where a frame has just ended. */
static int step(ZSTD_DCtx *context, ZSTD_inBuffer *in, struct kst_buf *out, bool *more,
                struct kst_err **err)
{
    size_t left = out->cap_bytes - out->len;
    size_t size = left < STEP_BYTES ? left : STEP_BYTES;
    char beyond; /* where there is no room: a frame may end here, but not say more */
    ZSTD_outBuffer to = {.dst = &beyond, .size = 1};
    if (size > 0) {
        to = (ZSTD_outBuffer){.dst = kst_buf_room(out, size), .size = size};
        if (!to.dst)
            return kst_buf_check(out, "the content", err);
    }
    size_t before = in->pos;
    size_t rc = ZSTD_decompressStream(context, &to, in);
    if (ZSTD_isError(rc))
        return kst_err_set(err, KST_E_PARSE, "no valid Zstandard frame near byte %zu: %s", before,
                           ZSTD_getErrorName(rc));
    if (size == 0 && to.pos > 0)
        return kst_err_set(err, KST_E_LIMIT, "the content is larger than %zu bytes",
                           out->cap_bytes);
    if (size > 0)
        kst_buf_wrote(out, to.pos);
    if (rc > 0 && to.pos == 0 && in->pos == in->size)
        return kst_err_set(err, KST_E_PARSE, "Zstandard frame is cut off after %zu bytes",
                           in->size);
    *more = rc > 0;
    return 0;
}

int kst_zstd_decompress(struct kst_buf *out, const void *data, size_t len, struct kst_err **err)
{
    if (len == 0)
        return kst_err_set(err, KST_E_PARSE, "a Zstandard frame was expected, found nothing");
    ZSTD_DCtx *context = decompressor();
    ZSTD_inBuffer in = {.src = data, .size = len};
    bool more = true;
    int rc = 0;
    while (rc == 0 && (more || in.pos < in.size))
        rc = step(context, &in, out, &more, err);
    return rc;
}

const char *kst_zstd_version(void)
{
    return "libzstd " ZSTD_VERSION_STRING;
}
