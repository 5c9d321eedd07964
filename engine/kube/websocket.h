/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WebSocket to the API server (RFC 6455): the handshake is ours, the frames are libwslay's. For
 * exec.c alone. One fiber at a time uses a socket; it may be another one than opened it.
 */
#ifndef KST_KUBE_WEBSOCKET_H
#define KST_KUBE_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kst_err;
struct kst_kube;
struct kst_kube_about;
struct kst_websocket;

/* Where its messages go. */
struct kst_websocket_sink {
    /* Whether more may be received now; false holds the sender back. */
    bool (*has_room)(void *arg);
    void (*message)(void *arg, const unsigned char *data, size_t len);
    void *arg;
};

/* Yields until the server has agreed to one of `protocols` (a list as the header has it). What
 * surely started nothing is tried again, as client.h says of requests; after the request was sent
 * it never is. `path` holds no secret. Errors as those of the verbs, from the server's Status. */
int kst_websocket_open(struct kst_kube *kube, const struct kst_kube_about *about, const char *path,
                       const char *protocols, struct kst_websocket_sink sink,
                       struct kst_websocket **out, struct kst_err **err);
/* The protocol that the server chose, borrowed. */
const char *kst_websocket_protocol(const struct kst_websocket *self);
/* Queues a binary message: one byte, then the data (copied). */
void kst_websocket_queue(struct kst_websocket *self, unsigned char channel, const void *data,
                         size_t len);
/* Whether something queued is not sent yet, and can be. */
bool kst_websocket_is_sending(const struct kst_websocket *self);
/* Whether nothing can be sent any more; what the server said before may be there to be read. */
bool kst_websocket_is_deaf(const struct kst_websocket *self);
/* Sends and receives what can be without waiting. KST_E_CLOSED at the end of the connection,
 * KST_E_PROTOCOL where the peer broke RFC 6455 or sent a message over 1 MiB. */
int kst_websocket_turn(struct kst_websocket *self, struct kst_err **err);
/* Yields until a turn can do something (read where the sink has room, write where something is
 * queued; one of the two must be so); silence is broken by a ping now and then. KST_E_TIMEOUT,
 * KST_E_CANCELLED. */
int kst_websocket_wait(struct kst_websocket *self, int64_t deadline_ms, struct kst_err **err);
/* Says goodbye without waiting, and ends the connection: a fiber that waits for it wakes up. */
void kst_websocket_shut(struct kst_websocket *self);
/* Says goodbye without waiting, and frees. NULL is allowed. */
void kst_websocket_close(struct kst_websocket *self);

#endif
