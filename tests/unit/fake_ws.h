/* SPDX-License-Identifier: Apache-2.0 */
/* The server's side of a WebSocket (RFC 6455), for tests: it blocks, and sends whatever it is told.
 */
#ifndef KST_TESTS_UNIT_FAKE_WS_H
#define KST_TESTS_UNIT_FAKE_WS_H

#include <stdbool.h>
#include <stddef.h>

struct fake_http_answer;
struct fake_http_request;
struct kst_buf;

/* Bytes as they are; false where the client has gone. */
bool fake_ws_put(int fd, const void *data, size_t len);
/* Writes the head of a frame into `out` (16 bytes are enough) and returns its length. `first` is
 * the frame's first byte: FIN (0x80) and the opcode. */
size_t fake_ws_frame_head(unsigned char *out, unsigned char first, size_t len);
bool fake_ws_put_frame(int fd, unsigned char first, const void *data, size_t len);
/* A binary message that begins with its channel. */
bool fake_ws_put_message(int fd, int channel, const void *data, size_t len);
/* One frame of the client's, unmasked, into `out` (emptied first): its first byte, or -1 at the end
 * of the connection, and for a frame that is not masked. */
int fake_ws_get_frame(int fd, struct kst_buf *out);
/* What Sec-WebSocket-Accept has to say to a request; the caller frees it. */
char *fake_ws_accept(const struct fake_http_request *request);

/* ---- Scripts ---- */

enum fake_ws_act {
    END_OF_SCRIPT, /* the connection is closed */
    SAY,           /* a message on a channel */
    SAY_SPLIT,     /* the same in frames of three bytes, each byte sent alone, a ping in between */
    SAY_MERGED,    /* the same in one write with a second copy */
    RAW,           /* these bytes */
    HEAR,          /* a message on a channel is awaited */
    HEAR_EOF,      /* the message of v5 that closes stdin */
    PING,          /* and its pong awaited */
    GOODBYE,       /* a close frame with a code, and the client's awaited */
    RESET,
    LISTEN, /* reads until the client closes */
    IDLE,   /* for `channel` ms */
};

struct fake_ws_op {
    enum fake_ws_act act;
    int channel;
    const char *text;
    size_t len; /* of RAW */
};

/* clang-format off */
#define OP(act_, channel_, text_) {.act = act_, .channel = channel_, .text = text_}
#define RAW_BYTES(text_) {.act = RAW, .text = text_, .len = sizeof(text_) - 1}
/* clang-format on */

struct fake_ws_scene {
    const char *protocol; /* that the server chooses; NULL: answers without one */
    const struct fake_ws_op *ops;
    void (*talk)(void *arg, int fd); /* instead of ops */
    const char *problem;             /* what the server did not expect, if anything */
    char *target;                    /* as asked for */
    bool wrong_accept, no_upgrade;
    unsigned asked;
};

/* Says goodbye with the code and reason of `op`, and awaits the client's. */
void fake_ws_goodbye(int fd, const struct fake_ws_op *op);
/* Performs a scene (`arg`) on a connection. */
void fake_ws_play(void *arg, int fd);
/* A fake_http_fn that agrees to the upgrade, and plays the scene (`arg`). */
void fake_ws_upgrade(void *arg, const struct fake_http_request *request,
                     struct fake_http_answer *answer);

#endif
