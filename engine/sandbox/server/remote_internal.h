/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between remote.c, which owns the socket and the fibers that wait, and the protocols, which turn
 * bytes into streams and back without waiting for anything.
 */
#ifndef KST_SANDBOX_SERVER_REMOTE_INTERNAL_H
#define KST_SANDBOX_SERVER_REMOTE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "sandbox/server/remote.h"

enum kst_remote_channel {
    KST_REMOTE_STDIN = 0,
    KST_REMOTE_STDOUT = 1,
    KST_REMOTE_STDERR = 2,
    KST_REMOTE_STATUS = 3,
    KST_REMOTE_RESIZE = 4,
    KST_REMOTE_CHANNELS = 5,
};

/* How a protocol is spoken; `state` is what its start() returned. */
struct kst_remote_wire {
    void *(*start)(struct kst_remote *remote, enum kst_remote_protocol protocol,
                   struct kst_remote_streams streams);
    void (*free)(void *state);
    /* Takes all of what the client sent. A negative return ends the connection. */
    int (*receive)(void *state, const char *data, size_t len, struct kst_err **err);
    /* Whether the client has opened its streams. */
    bool (*is_open)(const void *state);
    /* Sends some of the data on stdout or stderr and returns how much: 0 where the client has to
     * make room first. */
    size_t (*send)(void *state, enum kst_remote_channel channel, const void *data, size_t len);
    /* Sends the Status and ends the streams. */
    void (*finish)(void *state, const char *status, size_t len);
    /* The last frame, for a client that has not closed by itself, or broke the rules. */
    void (*goodbye)(void *state, bool is_broken);
};
extern const struct kst_remote_wire kst_remote_websocket;
extern const struct kst_remote_wire kst_remote_spdy;

/* What a protocol tells of the client: input, its end, (a part of) the terminal's size as JSON
 * text of which each value ends with a newline, that the client says goodbye. */
void kst_remote_take_input(struct kst_remote *self, const void *data, size_t len);
void kst_remote_take_end(struct kst_remote *self);
void kst_remote_take_size(struct kst_remote *self, const void *data, size_t len);
void kst_remote_take_goodbye(struct kst_remote *self);
/* Where a protocol appends what is to be sent. */
struct kst_buf *kst_remote_out(struct kst_remote *self);

#endif
