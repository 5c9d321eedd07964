/* SPDX-License-Identifier: Apache-2.0 */
/* Zstandard frames (RFC 8878). This module alone includes libzstd. */
#ifndef KST_BASE_ZSTD_H
#define KST_BASE_ZSTD_H

#include <stddef.h>

struct kst_buf;
struct kst_err;

/* Appends one frame, with the content's size and a checksum in it, so that frames written one after
 * the other are one file for zstd(1). KST_E_LIMIT where the buffer's cap ends it. Never blocks. */
int kst_zstd_compress(struct kst_buf *out, const void *data, size_t len, struct kst_err **err);
/* Appends the content of one or more frames. KST_E_PARSE for what is no frame, is cut off or has a
 * wrong checksum; KST_E_LIMIT where the content is more than the cap of `out` leaves (what was
 * appended before stays). Never blocks. */
int kst_zstd_decompress(struct kst_buf *out, const void *data, size_t len, struct kst_err **err);
/* "libzstd 1.5.4", borrowed. */
const char *kst_zstd_version(void);

#endif
