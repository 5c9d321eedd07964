/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/server/remote.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "sandbox/server/remote_internal.h"

enum {
    CHUNK_BYTES = 32 * 1024,
    HIGH_BYTES = 256 * 1024,    /* input that nobody read: then the client waits */
    IN_BYTES = 512 * 1024,      /* and what one chunk may add to it */
    OUT_HIGH_BYTES = 64 * 1024, /* answers that the client does not read: the same */
    OUT_BYTES = 1024 * 1024,
    EARLY_BYTES = 16 * 1024 * 1024,
    SIZE_BYTES = 1024, /* of a terminal, as text */
    CHUNKS_A_TURN = 8,
    OPEN_MS = 30 * 1000,
    FINISH_MS = 10 * 1000,
};

struct kst_remote {
    struct kst_loop *loop;
    int fd;
    int watched; /* the events that the loop looks for */
    const struct kst_remote_wire *wire;
    void *state;
    struct kst_buf early; /* came with the request */
    struct kst_buf in;    /* stdin, not read yet */
    struct kst_buf out;   /* bytes for the socket */
    struct kst_buf size_text;
    bool reading;     /* a fiber is in kst_remote_read() */
    bool input_ended; /* the client said so */
    bool end_told;    /* and kst_remote_read() has passed it on */
    bool finished;    /* kst_remote_finish() was called */
    bool gone;
    bool deaf;           /* the socket takes nothing any more */
    struct kst_err *why; /* the client is gone */
    struct kst_cond changed;
    unsigned columns, rows; /* 0: not told */
    void (*on_resize)(void *arg, unsigned columns, unsigned rows);
    void *on_resize_arg;
};

/* ---- The socket ---- */

static void watch(struct kst_remote *self);

static void leave(struct kst_remote *self, int code, const char *why)
{
    if (self->gone)
        return;
    self->gone = true;
    kst_err_set(&self->why, code, "%s", why);
}

static int gone_error(const struct kst_remote *self, struct kst_err **err)
{
    return kst_err_set(err, kst_err_code(self->why), "%s", kst_err_message(self->why));
}

static bool is_for_later(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Sends what is in self->out, as far as it goes without waiting. */
static void flush(struct kst_remote *self)
{
    size_t at = 0;
    while (!self->deaf && at < self->out.len) {
        ssize_t count = write(self->fd, self->out.data + at, self->out.len - at);
        if (count <= 0 && is_for_later())
            break;
        self->deaf = count <= 0;
        at += self->deaf ? 0 : (size_t)count;
    }
    if (self->deaf)
        leave(self, KST_E_CLOSED, "the client's connection broke");
    kst_buf_drop(&self->out, at);
}

static bool has_room(const struct kst_remote *self)
{
    return self->in.len < HIGH_BYTES && self->out.len < OUT_HIGH_BYTES;
}

static void take_bytes(struct kst_remote *self, const char *data, size_t len)
{
    struct kst_err *cause = NULL;
    int rc = self->wire->receive(self->state, data, len, &cause);
    if (rc == 0 && (self->in.overflown || self->out.overflown))
        rc = kst_err_set(&cause, KST_E_LIMIT, "the client sent more than can be kept");
    if (rc == 0)
        return;
    leave(self, rc, kst_err_message(cause));
    kst_err_clear(&cause);
    self->wire->goodbye(self->state, true);
}

static void receive(struct kst_remote *self)
{
    char chunk[CHUNK_BYTES];
    for (int i = 0; i < CHUNKS_A_TURN && !self->gone && has_room(self); i++) {
        if (self->early.len) {
            size_t len = self->early.len < CHUNK_BYTES ? self->early.len : CHUNK_BYTES;
            memcpy(chunk, self->early.data, len);
            kst_buf_drop(&self->early, len);
            take_bytes(self, chunk, len);
            continue;
        }
        ssize_t count = read(self->fd, chunk, sizeof(chunk));
        if (count > 0)
            take_bytes(self, chunk, (size_t)count);
        else if (count == 0)
            leave(self, KST_E_CLOSED, "the client closed the connection");
        else if (!is_for_later())
            leave(self, KST_E_CLOSED, "the client's connection broke");
        if (count < (ssize_t)sizeof(chunk))
            break;
    }
}

/* Sends what can be sent and looks for the events that are of use from here on. */
static void settle(struct kst_remote *self)
{
    flush(self);
    watch(self);
    kst_cond_signal(&self->changed);
}

static void on_socket(void *arg, int fd, int events)
{
    struct kst_remote *self = arg;
    receive(self);
    settle(self);
}

static void watch(struct kst_remote *self)
{
    int events = 0;
    if (!self->gone)
        events = (has_room(self) ? POLLIN : 0) | (self->out.len ? POLLOUT : 0);
    if (events == self->watched)
        return;
    struct kst_err *cause = NULL;
    if (kst_loop_watch_fd(self->loop, self->fd, events, on_socket, self, &cause) < 0) {
        leave(self, KST_E_IO, kst_err_message(cause));
        kst_err_clear(&cause);
        events = 0;
    }
    self->watched = events;
}

/* ---- What the protocols tell ---- */

struct kst_buf *kst_remote_out(struct kst_remote *self)
{
    return &self->out;
}

void kst_remote_take_input(struct kst_remote *self, const void *data, size_t len)
{
    if (!self->input_ended && !self->finished)
        kst_buf_add(&self->in, data, len);
}

void kst_remote_take_end(struct kst_remote *self)
{
    self->input_ended = true;
}

void kst_remote_take_goodbye(struct kst_remote *self)
{
    leave(self, KST_E_CLOSED, "the client closed the connection");
}

static void read_size(struct kst_remote *self, const char *text, size_t len)
{
    kst_auto_json struct kst_json *size = NULL;
    if (kst_json_parse(text, len, &size, NULL) < 0)
        return;
    int64_t columns = kst_json_path_int(size, "Width", 0),
            rows = kst_json_path_int(size, "Height", 0);
    if (columns < 1 || columns > UINT16_MAX || rows < 1 || rows > UINT16_MAX)
        return;
    self->columns = (unsigned)columns;
    self->rows = (unsigned)rows;
    if (self->on_resize)
        self->on_resize(self->on_resize_arg, self->columns, self->rows);
}

void kst_remote_take_size(struct kst_remote *self, const void *data, size_t len)
{
    struct kst_buf *text = &self->size_text;
    kst_buf_add(text, data, len);
    if (text->overflown) /* no size is that long */
        kst_buf_clear(text);
    for (char *end; (end = memchr(text->data, '\n', text->len));) {
        read_size(self, text->data, (size_t)(end - text->data));
        kst_buf_drop(text, (size_t)(end - text->data) + 1);
    }
}

/* ---- The server's side ---- */

static int wait_for_streams(struct kst_remote *self, struct kst_err **err)
{
    int64_t deadline_ms = kst_deadline_in_ms(OPEN_MS);
    while (!self->wire->is_open(self->state)) {
        if (self->gone)
            return gone_error(self, err);
        struct kst_err *cause = NULL;
        int rc = kst_cond_wait(&self->changed, deadline_ms, &cause);
        if (rc == KST_E_TIMEOUT && kst_now_ms() >= deadline_ms) {
            kst_err_clear(&cause);
            return kst_err_set(err, rc,
                               "expected the client to open the command's streams, but after %d s "
                               "it has not opened them all",
                               OPEN_MS / 1000);
        }
        if (rc < 0)
            return kst_err_move(err, &cause);
    }
    return 0;
}

int kst_remote_open(int fd, const void *early, size_t early_len, enum kst_remote_protocol protocol,
                    struct kst_remote_streams streams, struct kst_remote **out,
                    struct kst_err **err)
{
    struct kst_remote *self = kst_calloc(1, sizeof(*self));
    self->loop = kst_fiber_loop();
    self->fd = fd;
    self->input_ended = !streams.in;
    kst_buf_init(&self->early, EARLY_BYTES);
    kst_buf_init(&self->in, IN_BYTES);
    kst_buf_init(&self->out, OUT_BYTES);
    kst_buf_init(&self->size_text, SIZE_BYTES);
    if (early_len)
        kst_buf_add(&self->early, early, early_len);
    self->wire = protocol == KST_REMOTE_SPDY_V4 ? &kst_remote_spdy : &kst_remote_websocket;
    self->state = self->wire->start(self, protocol, streams);
    /* Else the Status waits 40 ms for the client to acknowledge the output. A descriptor that is no
     * TCP socket refuses, and needs it not. */
    const int yes = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    int rc = kst_buf_check(&self->early, "what the client sent with its request", err);
    if (rc == 0) {
        receive(self);
        settle(self);
        rc = wait_for_streams(self, err);
    }
    if (rc < 0)
        kst_remote_free(self);
    else
        *out = self;
    return rc;
}

static int fail_finished(struct kst_err **err)
{
    return kst_err_set(err, KST_E_CLOSED, "the command's streams were ended");
}

static int64_t hand_over(struct kst_remote *self, struct kst_buf *out, struct kst_err **err)
{
    size_t room = out->cap_bytes - out->len, count = self->in.len < room ? self->in.len : room;
    if (count == 0)
        return kst_err_set(err, KST_E_LIMIT, "there is no room for the client's input");
    kst_buf_add(out, self->in.data, count);
    kst_buf_drop(&self->in, count);
    if (self->early.len)
        receive(self);
    settle(self);
    return (int64_t)count;
}

static int64_t read_some(struct kst_remote *self, struct kst_buf *out, int64_t deadline_ms,
                         struct kst_err **err)
{
    for (;;) {
        if (self->finished)
            return fail_finished(err);
        if (self->in.len)
            return hand_over(self, out, err);
        if (self->input_ended && !self->end_told) {
            self->end_told = true;
            return 0;
        }
        if (self->gone)
            return gone_error(self, err);
        int rc = kst_cond_wait(&self->changed, deadline_ms, err);
        if (rc < 0)
            return kst_err_wrap(err, rc, "the client's input");
    }
}

int64_t kst_remote_read(struct kst_remote *self, struct kst_buf *out, int64_t deadline_ms,
                        struct kst_err **err)
{
    assert(!self->reading);
    self->reading = true;
    int64_t count = read_some(self, out, deadline_ms, err);
    self->reading = false;
    return count;
}

int kst_remote_write(struct kst_remote *self, int stream, const void *data, size_t len,
                     struct kst_err **err)
{
    assert(stream == KST_REMOTE_STDOUT || stream == KST_REMOTE_STDERR);
    const char *at = data;
    while (len > 0 || self->out.len > 0) {
        if (self->finished)
            return fail_finished(err);
        if (self->gone)
            return gone_error(self, err);
        size_t count = 0;
        if (self->out.len == 0) {
            count = self->wire->send(self->state, (enum kst_remote_channel)stream, at,
                                     len < CHUNK_BYTES ? len : CHUNK_BYTES);
            flush(self);
            watch(self);
        }
        at += count;
        len -= count;
        if (count > 0)
            continue;
        int rc = kst_cond_wait(&self->changed, KST_NEVER, err);
        if (rc < 0)
            return kst_err_wrap(err, rc, "the client does not read the command's output");
    }
    return self->gone ? gone_error(self, err) : 0;
}

/* Waits until all is sent, or (with `to_end`) until the client is gone. */
static int wait_end(struct kst_remote *self, bool to_end, int64_t deadline_ms, struct kst_err **err)
{
    int rc = 0;
    while (rc == 0 && !self->gone && (to_end || self->out.len))
        rc = kst_cond_wait(&self->changed, deadline_ms, err);
    return rc;
}

int kst_remote_finish(struct kst_remote *self, const struct kst_json *status, struct kst_err **err)
{
    assert(!self->finished);
    self->finished = true;
    kst_cond_signal(&self->changed);
    if (self->gone)
        return gone_error(self, err);
    kst_auto_free char *text = kst_json_text(status);
    kst_buf_clear(&self->in);
    kst_buf_clear(&self->early);
    self->wire->finish(self->state, text, strlen(text));
    settle(self);
    int64_t deadline_ms = kst_deadline_in_ms(FINISH_MS);
    int rc = wait_end(self, false, deadline_ms, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "the client does not read the command's end");
    if (self->gone && self->out.len)
        return gone_error(self, err);
    /* Where we closed first, what the client has sent meanwhile would make the kernel reset the
     * connection, and the client would lose what it has not read. */
    wait_end(self, true, deadline_ms, NULL);
    if (!self->gone) {
        self->wire->goodbye(self->state, false);
        flush(self);
    }
    return 0;
}

bool kst_remote_is_gone(const struct kst_remote *self)
{
    return self->gone;
}

void kst_remote_on_resize(struct kst_remote *self,
                          void (*call)(void *arg, unsigned columns, unsigned rows), void *arg)
{
    self->on_resize = call;
    self->on_resize_arg = arg;
    if (call && self->columns)
        call(arg, self->columns, self->rows);
}

void kst_remote_free(struct kst_remote *self)
{
    if (!self)
        return;
    if (self->watched)
        kst_loop_watch_fd(self->loop, self->fd, 0, NULL, NULL, NULL);
    shutdown(self->fd, SHUT_RDWR); /* whoever has taken a dup() of it */
    close(self->fd);
    self->wire->free(self->state);
    kst_cond_release(&self->changed);
    kst_buf_release(&self->early);
    kst_buf_release(&self->in);
    kst_buf_release(&self->out);
    kst_buf_release(&self->size_text);
    kst_err_free(self->why);
    free(self);
}
