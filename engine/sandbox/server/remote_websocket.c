/* SPDX-License-Identifier: Apache-2.0 */
/*
 * v4.channel.k8s.io and v5.channel.k8s.io: the first byte of each message says which stream its
 * rest belongs to. Messages of v5 on channel 255 close the stream that their second byte names.
 * Framing is libwslay's; it gives the parts of a message as they come, so that one may be large.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <wslay/wslay.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "sandbox/server/remote_internal.h"

enum {
    CLOSE = 255,
    NO_CHANNEL = -1,
    FRAME_BYTES = 32 * 1024 * 1024, /* the real server's limit too */
};

struct websocket {
    struct kst_remote *remote;
    wslay_event_context_ptr frames;
    struct kst_remote_streams streams;
    bool is_v5;
    const char *at; /* what was received and not looked at yet */
    size_t left;
    /* Of the message that is being received. */
    bool in_control; /* a ping in its middle */
    bool at_start;   /* its first byte has not come */
    int channel;
};

static ssize_t take_in(wslay_event_context_ptr frames, uint8_t *data, size_t len, int flags,
                       void *arg)
{
    struct websocket *self = arg;
    if (self->left == 0) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t count = self->left < len ? self->left : len;
    memcpy(data, self->at, count);
    self->at += count;
    self->left -= count;
    return (ssize_t)count;
}

static ssize_t give_out(wslay_event_context_ptr frames, const uint8_t *data, size_t len, int flags,
                        void *arg)
{
    struct websocket *self = arg;
    if (kst_buf_add(kst_remote_out(self->remote), data, len) == 0)
        return (ssize_t)len;
    wslay_event_set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static void start_frame(wslay_event_context_ptr frames,
                        const struct wslay_event_on_frame_recv_start_arg *frame, void *arg)
{
    struct websocket *self = arg;
    self->in_control = wslay_is_ctrl_frame(frame->opcode);
    if (frame->opcode == WSLAY_BINARY_FRAME || frame->opcode == WSLAY_TEXT_FRAME) {
        self->at_start = true;
        self->channel = NO_CHANNEL;
    }
}

static void take_chunk(wslay_event_context_ptr frames,
                       const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *arg)
{
    struct websocket *self = arg;
    const uint8_t *data = chunk->data;
    size_t len = chunk->data_length;
    if (self->in_control || len == 0)
        return;
    if (self->at_start) {
        self->at_start = false;
        self->channel = *data++;
        len--;
    }
    if (len == 0)
        return;
    if (self->channel == KST_REMOTE_STDIN && self->streams.in)
        kst_remote_take_input(self->remote, data, len);
    else if (self->channel == KST_REMOTE_RESIZE && self->streams.tty)
        kst_remote_take_size(self->remote, data, len);
    else if (self->channel == CLOSE && self->is_v5 && data[0] == KST_REMOTE_STDIN)
        kst_remote_take_end(self->remote);
}

static void take_message(wslay_event_context_ptr frames,
                         const struct wslay_event_on_msg_recv_arg *message, void *arg)
{
    struct websocket *self = arg;
    if (message->opcode == WSLAY_CONNECTION_CLOSE)
        kst_remote_take_goodbye(self->remote);
    else if (!wslay_is_ctrl_frame(message->opcode) && self->channel == KST_REMOTE_RESIZE)
        kst_remote_take_size(self->remote, "\n", 1);
}

static void send_frames(struct websocket *self)
{
    if (wslay_event_want_write(self->frames))
        wslay_event_send(self->frames); /* what fails has filled the buffer, which is seen */
}

static void queue(struct websocket *self, int channel, const void *data, size_t len)
{
    kst_auto_free unsigned char *copy = kst_malloc(len + 1);
    copy[0] = (unsigned char)channel;
    memcpy(copy + 1, len ? data : "", len);
    const struct wslay_event_msg message = {
        .opcode = WSLAY_BINARY_FRAME, .msg = copy, .msg_length = len + 1};
    /* Fails after a close frame only: then nobody listens any more. */
    (void)wslay_event_queue_msg(self->frames, &message);
    send_frames(self);
}

static void *start(struct kst_remote *remote, enum kst_remote_protocol protocol,
                   struct kst_remote_streams streams)
{
    const struct wslay_event_callbacks callbacks = {
        .recv_callback = take_in,
        .send_callback = give_out,
        .on_frame_recv_start_callback = start_frame,
        .on_frame_recv_chunk_callback = take_chunk,
        .on_msg_recv_callback = take_message,
    };
    struct websocket *self = kst_calloc(1, sizeof(*self));
    *self = (struct websocket){.remote = remote,
                               .streams = streams,
                               .is_v5 = protocol == KST_REMOTE_WS_V5,
                               .channel = NO_CHANNEL};
    if (wslay_event_context_server_init(&self->frames, &callbacks, self) != 0)
        abort(); /* memory (base/mem.h) */
    wslay_event_config_set_no_buffering(self->frames, 1);
    wslay_event_config_set_max_recv_msg_length(self->frames, FRAME_BYTES);
    /* So does the real server tell the client that it is connected. */
    queue(self,
          streams.out                      ? KST_REMOTE_STDOUT
          : streams.errors && !streams.tty ? KST_REMOTE_STDERR
                                           : KST_REMOTE_STATUS,
          NULL, 0);
    return self;
}

static void free_websocket(void *state)
{
    struct websocket *self = state;
    wslay_event_context_free(self->frames);
    free(self);
}

static int receive(void *state, const char *data, size_t len, struct kst_err **err)
{
    struct websocket *self = state;
    self->at = data;
    self->left = len;
    int rc = wslay_event_recv(self->frames);
    send_frames(self); /* a pong, an answer to a close */
    self->at = NULL;
    /* Where a frame is against the rules, libwslay fails, or stops to read. */
    if (wslay_event_get_close_received(self->frames) ||
        (rc == 0 && wslay_event_get_read_enabled(self->frames)))
        return 0;
    return kst_err_set(err, KST_E_PROTOCOL,
                       "the client sent what is no WebSocket frame, or one of more than %d MiB",
                       FRAME_BYTES / 1024 / 1024);
}

static bool is_open(const void *state)
{
    return true;
}

static size_t send_data(void *state, enum kst_remote_channel channel, const void *data, size_t len)
{
    struct websocket *self = state;
    bool is_wanted = channel == KST_REMOTE_STDOUT ? self->streams.out
                                                  : self->streams.errors && !self->streams.tty;
    if (is_wanted && len > 0)
        queue(self, channel, data, len);
    return len;
}

static void finish(void *state, const char *status, size_t len)
{
    struct websocket *self = state;
    queue(self, KST_REMOTE_STATUS, status, len);
    wslay_event_queue_close(self->frames, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0);
    send_frames(self);
}

/* Either end's close frame was the last one. */
static void goodbye(void *state, bool is_broken)
{
}

const struct kst_remote_wire kst_remote_websocket = {
    .start = start,
    .free = free_websocket,
    .receive = receive,
    .is_open = is_open,
    .send = send_data,
    .finish = finish,
    .goodbye = goodbye,
};
