/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of SPDY/3.1, which kubectl speaks for exec: taking bytes apart and putting them together,
 * without any input or output. Both roles. Header blocks are compressed by zlib, one stream of it
 * each way for the whole connection, so every frame has to pass through here in its order.
 *
 * https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/ (section 2.2.2, 2.6)
 *
 * Limits: a control frame of 64 KiB, a header block of 64 KiB and 128 headers, 64 settings. What is
 * larger, or against the rules, breaks the connection (KST_E_PROTOCOL). Data frames may be as long
 * as their 24 bits say: they are handed out in the pieces that they come in.
 */
#ifndef KST_SANDBOX_SERVER_SPDY_H
#define KST_SANDBOX_SERVER_SPDY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct kst_err;
struct kst_spdy;

enum kst_spdy_type {
    KST_SPDY_DATA = 0, /* (the others are the protocol's numbers) */
    KST_SPDY_SYN_STREAM = 1,
    KST_SPDY_SYN_REPLY = 2,
    KST_SPDY_RST_STREAM = 3,
    KST_SPDY_SETTINGS = 4,
    KST_SPDY_PING = 6,
    KST_SPDY_GOAWAY = 7,
    KST_SPDY_HEADERS = 8,
    KST_SPDY_WINDOW_UPDATE = 9,
};

enum { KST_SPDY_FIN = 1, KST_SPDY_UNIDIRECTIONAL = 2 };
/* RST_STREAM's reasons, and GOAWAY's. */
enum {
    KST_SPDY_PROTOCOL_ERROR = 1,
    KST_SPDY_INVALID_STREAM = 2,
    KST_SPDY_REFUSED_STREAM = 3,
    KST_SPDY_CANCEL = 5,
    KST_SPDY_GOAWAY_OK = 0,
    KST_SPDY_GOAWAY_PROTOCOL_ERROR = 1,
};
enum { KST_SPDY_INITIAL_WINDOW_SIZE = 7 /* a setting */, KST_SPDY_WINDOW_BYTES = 64 * 1024 };
enum { KST_SPDY_MOST_HEADERS = 128, KST_SPDY_MOST_SETTINGS = 64 };

struct kst_spdy_header {
    struct kst_str name, value; /* names are lower case where the peer keeps the rules */
};

struct kst_spdy_setting {
    unsigned char flags;
    uint32_t id, value;
};

struct kst_spdy_frame {
    enum kst_spdy_type type;
    unsigned char flags;                     /* of DATA: with its last piece only */
    uint32_t stream;                         /* the last good one in a GOAWAY */
    uint32_t value;                          /* a reason, a PING's id, a window's growth */
    struct kst_str data;                     /* a piece of DATA; points into the caller's bytes */
    const struct kst_spdy_header *headers;   /* of SYN_STREAM, SYN_REPLY and HEADERS; */
    const struct kst_spdy_setting *settings; /* valid until the next call */
    size_t header_count, setting_count;
};

/* One connection. Free with kst_spdy_free() (NULL allowed). */
struct kst_spdy *kst_spdy_new(void);
void kst_spdy_free(struct kst_spdy *self);

/* Takes bytes off the front of *data (len of them, both updated): 1 with a frame (or a piece of a
 * DATA frame) in *frame, 0 when all were taken and more are needed, KST_E_PROTOCOL where the peer
 * broke the rules (then the connection is of no use any more). Frames of unknown types are skipped,
 * as the specification wants. Never blocks. */
int kst_spdy_next(struct kst_spdy *self, const char **data, size_t *len,
                  struct kst_spdy_frame *frame, struct kst_err **err);
/* The value of a header (name in lower case, compared caselessly), or false. */
bool kst_spdy_header(const struct kst_spdy_frame *frame, const char *name, struct kst_str *value);

/* Appends a frame to `out`, whose cap is the caller's to mind. Of data at most 16 MiB - 1 bytes
 * (that asserts). */
void kst_spdy_put_data(struct kst_buf *out, uint32_t stream, unsigned flags, const void *data,
                       size_t len);
/* SYN_STREAM, SYN_REPLY or HEADERS; header names are written as they are given. */
void kst_spdy_put_headers(struct kst_spdy *self, struct kst_buf *out, enum kst_spdy_type type,
                          unsigned flags, uint32_t stream, const struct kst_spdy_header *headers,
                          size_t count);
/* RST_STREAM (stream, reason), GOAWAY (last good stream, reason), WINDOW_UPDATE (stream, growth),
 * PING (id; `value` is ignored). */
void kst_spdy_put_control(struct kst_buf *out, enum kst_spdy_type type, uint32_t stream,
                          uint32_t value);
/* SETTINGS with one entry. */
void kst_spdy_put_setting(struct kst_buf *out, uint32_t id, uint32_t value);

#endif
