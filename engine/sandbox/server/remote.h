/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server of an exec (or attach) sees: the streams of a remote command over a connection
 * that was taken over from HTTP by a 101. Three protocols: v4.channel.k8s.io and v5.channel.k8s.io
 * over a WebSocket (RFC 6455), and v4.channel.k8s.io over SPDY/3.1, which kubectl before 1.31
 * speaks, and later ones where a server has no WebSocket.
 * https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets
 *
 * The connection is served by the event loop, not by the fibers that use it: one fiber may read
 * while others write. When 256 KiB of what the client sent were not read, it is let wait; that it
 * went away meanwhile is seen once somebody reads or writes.
 *
 * Nothing here may be called by another thread than the loop's.
 */
#ifndef KST_SANDBOX_SERVER_REMOTE_H
#define KST_SANDBOX_SERVER_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kst_buf;
struct kst_err;
struct kst_json;
struct kst_remote;

enum kst_remote_protocol { KST_REMOTE_WS_V4, KST_REMOTE_WS_V5, KST_REMOTE_SPDY_V4 };

/* What the 101 has to carry besides "Connection: Upgrade". */
struct kst_remote_handshake {
    enum kst_remote_protocol protocol;
    const char *upgrade;     /* Upgrade: "websocket" or "SPDY/3.1" */
    char accept[32];         /* Sec-WebSocket-Accept; empty for SPDY */
    const char *subprotocol; /* Sec-WebSocket-Protocol, or X-Stream-Protocol-Version for SPDY */
};

/* Picks the protocol from the request's headers (NULL where one is absent; those that come more
 * than once joined by commas). Otherwise KST_E_INVALID, for a 400, or KST_E_FORBIDDEN, for a 403
 * where the client offers no protocol that is known; the message is what a real server answers. */
int kst_remote_choose(const char *upgrade, const char *ws_key, const char *ws_version,
                      const char *ws_protocols, const char *spdy_protocols,
                      struct kst_remote_handshake *out, struct kst_err **err);

/* The streams that the request asked for. With `tty` there is no separate stderr. */
struct kst_remote_streams {
    bool in, out, errors, tty;
};

/* Takes a non-blocking stream descriptor over, which is closed in the end (also by a failure);
 * `early` is what was read from it already. Yields until the client has opened its streams
 * (WebSocket: at once; SPDY: it opens each, at most 30 s long). KST_E_CLOSED, KST_E_PROTOCOL,
 * KST_E_TIMEOUT. The caller frees *out. */
int kst_remote_open(int fd, const void *early, size_t early_len, enum kst_remote_protocol protocol,
                    struct kst_remote_streams streams, struct kst_remote **out,
                    struct kst_err **err);
/* Yields until input arrived: appended to `out` as far as its cap allows (a full one is
 * KST_E_LIMIT), its count returned. 0, once, at the end of the input (at once without stdin; v4
 * over a WebSocket cannot tell an end). After that it yields until KST_E_CLOSED, as it returns
 * whenever the client went away (once all that it sent before was read), or kst_remote_finish() was
 * called. KST_E_TIMEOUT at `deadline_ms`. One fiber at a time (that asserts). */
int64_t kst_remote_read(struct kst_remote *self, struct kst_buf *out, int64_t deadline_ms,
                        struct kst_err **err);
/* Yields until all of it is handed to the socket. Stream 1 is stdout, 2 is stderr; what the client
 * did not ask for, or does not want any more, is thrown away. KST_E_CLOSED where it went away.
 * Several fibers may write. */
int kst_remote_write(struct kst_remote *self, int stream, const void *data, size_t len,
                     struct kst_err **err);
/* Sends the final Status, ends all streams, and yields until the client has closed the connection,
 * for 10 s at most. KST_E_CLOSED where it went away before the Status was sent. Once only. */
int kst_remote_finish(struct kst_remote *self, const struct kst_json *status, struct kst_err **err);
/* The client closed, reset, or broke its protocol. */
bool kst_remote_is_gone(const struct kst_remote *self);
/* Called, on the loop, each time the client tells its terminal's size, also for one that came
 * before (then at once); NULL stops. May not wait. */
void kst_remote_on_resize(struct kst_remote *self,
                          void (*call)(void *arg, unsigned columns, unsigned rows), void *arg);
/* Ends the connection (also for another descriptor of it that somebody may hold) and frees. NULL is
 * allowed. No fiber may be waiting for it (that asserts). */
void kst_remote_free(struct kst_remote *self);

/* The Status of a command's end, as kubelet's: Success; where exit_code is not 0, Failure with
 * reason NonZeroExitCode and the cause ExitCode; where `failure` is not NULL (why the command could
 * not be run, whatever the exit code), an InternalError. The caller frees it. */
struct kst_json *kst_remote_status(int exit_code, const char *failure);
/* As kst_remote_status(exit_code, NULL) with the command (ended by NULL) in the message. */
struct kst_json *kst_remote_exit_status(int exit_code, const char *const *command);

#endif
