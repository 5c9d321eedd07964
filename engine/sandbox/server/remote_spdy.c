/* SPDX-License-Identifier: Apache-2.0 */
/*
 * v4.channel.k8s.io over SPDY/3.1: the client opens a stream for each of error (where the Status
 * goes), stdin, stdout, stderr and resize, and says which is which in the header streamType.
 *
 * Flow control. kubectl's SPDY has none: it neither minds windows nor ever opens one, so whoever
 * waited for it would wait for ever after 64 KiB. What is sent is therefore counted from the first
 * byte, and held to the windows from the first sign on that the client keeps some (a WINDOW_UPDATE,
 * or INITIAL_WINDOW_SIZE among its settings). What the client sends is given room at once: that it
 * is not read is felt through TCP.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "sandbox/server/remote_internal.h"
#include "sandbox/server/spdy.h"

enum {
    MOST_STREAMS = 16,
    UPDATE_BYTES = KST_SPDY_WINDOW_BYTES / 2, /* received, until the window is opened again */
    NO_TYPE = -1,                             /* a stream that nobody knows: it is let be */
};

struct window {
    int64_t left;       /* of what may be sent; below 0 where the client keeps none */
    uint32_t got_bytes; /* received since the last WINDOW_UPDATE */
    bool is_kept;       /* by the client */
};

struct stream {
    uint32_t id;
    int type; /* enum kst_remote_channel, or NO_TYPE */
    bool is_reset, has_ended;
    struct window window;
};

struct session {
    struct kst_remote *remote;
    struct kst_spdy *frames;
    struct kst_remote_streams wanted;
    struct stream streams[MOST_STREAMS];
    size_t count;
    unsigned opened; /* one bit a type */
    uint32_t last_id;
    uint32_t complained_id; /* the last one whose data came without a stream */
    int64_t initial_window;
    bool windows_kept;    /* those of streams, by the client */
    struct window window; /* of the whole session */
};

static const char *const type_names[KST_REMOTE_CHANNELS] = {
    [KST_REMOTE_STDIN] = "stdin",  [KST_REMOTE_STDOUT] = "stdout", [KST_REMOTE_STDERR] = "stderr",
    [KST_REMOTE_STATUS] = "error", [KST_REMOTE_RESIZE] = "resize",
};

static struct stream *by_type(struct session *self, int type)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->streams[i].type == type)
            return &self->streams[i];
    return NULL;
}

static struct stream *by_id(struct session *self, uint32_t id)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->streams[i].id == id)
            return &self->streams[i];
    return NULL;
}

static void reset(struct session *self, uint32_t id, uint32_t why)
{
    kst_spdy_put_control(kst_remote_out(self->remote), KST_SPDY_RST_STREAM, id, why);
}

/* ---- What the client sends ---- */

static void end_input(struct session *self, struct stream *stream)
{
    if (!stream->has_ended && stream->type == KST_REMOTE_STDIN)
        kst_remote_take_end(self->remote);
    stream->has_ended = true;
}

static int type_of(const struct kst_spdy_frame *frame)
{
    struct kst_str name;
    if (!kst_spdy_header(frame, "streamtype", &name))
        return NO_TYPE;
    for (int type = 0; type < KST_REMOTE_CHANNELS; type++)
        if (kst_str_eq(name, type_names[type]))
            return type;
    return NO_TYPE;
}

static void take_stream(struct session *self, const struct kst_spdy_frame *frame)
{
    int type = type_of(frame);
    if (frame->stream % 2 == 0 || frame->stream <= self->last_id) {
        reset(self, frame->stream, KST_SPDY_PROTOCOL_ERROR);
        return;
    }
    self->last_id = frame->stream;
    unsigned bit = type == NO_TYPE ? 0 : 1u << type;
    if (self->count == MOST_STREAMS || (self->opened & bit)) {
        reset(self, frame->stream, KST_SPDY_REFUSED_STREAM);
        return;
    }
    struct stream *stream = &self->streams[self->count++];
    *stream = (struct stream){
        .id = frame->stream, .type = type, .window = {.left = self->initial_window}};
    self->opened |= bit;
    kst_spdy_put_headers(self->frames, kst_remote_out(self->remote), KST_SPDY_SYN_REPLY, 0,
                         stream->id, NULL, 0);
    if (frame->flags & KST_SPDY_FIN)
        end_input(self, stream);
}

/* Notes what came, and lets the client send as much again. */
static void give_room(struct session *self, struct window *window, uint32_t id, size_t len)
{
    window->got_bytes += (uint32_t)len;
    if (window->got_bytes < UPDATE_BYTES)
        return;
    kst_spdy_put_control(kst_remote_out(self->remote), KST_SPDY_WINDOW_UPDATE, id,
                         window->got_bytes);
    window->got_bytes = 0;
}

static void take_data(struct session *self, const struct kst_spdy_frame *frame)
{
    struct stream *stream = by_id(self, frame->stream);
    give_room(self, &self->window, 0, frame->data.len);
    if (!stream && frame->stream != self->complained_id) {
        self->complained_id = frame->stream;
        reset(self, frame->stream, KST_SPDY_INVALID_STREAM);
    }
    if (!stream)
        return;
    if (stream->has_ended)
        return;
    give_room(self, &stream->window, stream->id, frame->data.len);
    if (stream->type == KST_REMOTE_STDIN && self->wanted.in)
        kst_remote_take_input(self->remote, frame->data.data, frame->data.len);
    else if (stream->type == KST_REMOTE_RESIZE)
        kst_remote_take_size(self->remote, frame->data.data, frame->data.len);
    if (frame->flags & KST_SPDY_FIN)
        end_input(self, stream);
}

static int grow_window(struct session *self, const struct kst_spdy_frame *frame,
                       struct kst_err **err)
{
    struct stream *stream = by_id(self, frame->stream);
    struct window *window = frame->stream == 0 ? &self->window : stream ? &stream->window : NULL;
    if (!window)
        return 0; /* of a stream that has ended */
    int64_t growth = frame->value & 0x7fffffffu;
    window->left += growth;
    if (frame->stream == 0)
        window->is_kept = true;
    else
        self->windows_kept = true;
    if (window->left <= INT32_MAX)
        return 0;
    return kst_err_set(err, KST_E_PROTOCOL, "SPDY: the client opened a window beyond 2 GiB");
}

static int take_settings(struct session *self, const struct kst_spdy_frame *frame,
                         struct kst_err **err)
{
    for (size_t i = 0; i < frame->setting_count; i++) {
        const struct kst_spdy_setting *setting = &frame->settings[i];
        if (setting->id != KST_SPDY_INITIAL_WINDOW_SIZE)
            continue;
        if (setting->value > INT32_MAX)
            return kst_err_set(err, KST_E_PROTOCOL,
                               "SPDY: the client opened a window beyond 2 GiB");
        int64_t growth = (int64_t)setting->value - self->initial_window;
        self->initial_window = setting->value;
        self->windows_kept = true;
        for (size_t j = 0; j < self->count; j++)
            self->streams[j].window.left += growth;
    }
    return 0;
}

static int take_frame(struct session *self, const struct kst_spdy_frame *frame,
                      struct kst_err **err)
{
    struct stream *stream = by_id(self, frame->stream);
    switch (frame->type) {
    case KST_SPDY_DATA:
        take_data(self, frame);
        return 0;
    case KST_SPDY_SYN_STREAM:
        take_stream(self, frame);
        return 0;
    case KST_SPDY_RST_STREAM:
        if (stream) {
            end_input(self, stream);
            stream->is_reset = true;
        }
        return 0;
    case KST_SPDY_HEADERS:
        if (stream && (frame->flags & KST_SPDY_FIN))
            end_input(self, stream);
        return 0;
    case KST_SPDY_SETTINGS:
        return take_settings(self, frame, err);
    case KST_SPDY_PING:
        if (frame->value % 2 == 1) /* the client's own, not the echo of one of ours */
            kst_spdy_put_control(kst_remote_out(self->remote), KST_SPDY_PING, frame->value, 0);
        return 0;
    case KST_SPDY_GOAWAY:
        kst_remote_take_goodbye(self->remote);
        return 0;
    case KST_SPDY_WINDOW_UPDATE:
        return grow_window(self, frame, err);
    case KST_SPDY_SYN_REPLY:
        break; /* we open no streams */
    }
    reset(self, frame->stream, KST_SPDY_INVALID_STREAM);
    return 0;
}

static int receive(void *state, const char *data, size_t len, struct kst_err **err)
{
    struct session *self = state;
    struct kst_spdy_frame frame;
    int rc;
    while ((rc = kst_spdy_next(self->frames, &data, &len, &frame, err)) > 0) {
        rc = take_frame(self, &frame, err);
        if (rc < 0)
            return rc;
    }
    return rc;
}

static bool is_open(const void *state)
{
    const struct session *self = state;
    const struct kst_remote_streams *wanted = &self->wanted;
    unsigned expected = 1u << KST_REMOTE_STATUS | (unsigned)wanted->in << KST_REMOTE_STDIN |
                        (unsigned)wanted->out << KST_REMOTE_STDOUT |
                        (unsigned)(wanted->errors && !wanted->tty) << KST_REMOTE_STDERR |
                        (unsigned)wanted->tty << KST_REMOTE_RESIZE;
    return (self->opened & expected) == expected;
}

/* ---- What the command sends ---- */

static size_t send_data(void *state, enum kst_remote_channel channel, const void *data, size_t len)
{
    struct session *self = state;
    struct stream *stream = by_type(self, (int)channel);
    if (!stream || stream->is_reset)
        return len; /* nobody wants it */
    int64_t room = INT64_MAX;
    if (self->windows_kept)
        room = stream->window.left;
    if (self->window.is_kept && self->window.left < room)
        room = self->window.left;
    if (room <= 0)
        return 0;
    if ((int64_t)len > room)
        len = (size_t)room;
    stream->window.left -= (int64_t)len;
    self->window.left -= (int64_t)len;
    kst_spdy_put_data(kst_remote_out(self->remote), stream->id, 0, data, len);
    return len;
}

/* The outputs first, so that they are whole by the time the client reads how it ended. There is no
 * GOAWAY here: clients of before 2021 throw away what they have not handed on when one comes. */
static void finish(void *state, const char *status, size_t len)
{
    static const int order[] = {KST_REMOTE_STDOUT, KST_REMOTE_STDERR, KST_REMOTE_STATUS,
                                KST_REMOTE_STDIN, KST_REMOTE_RESIZE};
    struct session *self = state;
    struct kst_buf *out = kst_remote_out(self->remote);
    for (size_t i = 0; i < KST_ARRAY_LEN(order); i++) {
        struct stream *stream = by_type(self, order[i]);
        if (!stream || stream->is_reset)
            continue;
        bool is_status = order[i] == KST_REMOTE_STATUS;
        kst_spdy_put_data(out, stream->id, KST_SPDY_FIN, is_status ? status : NULL,
                          is_status ? len : 0);
    }
}

static void goodbye(void *state, bool is_broken)
{
    struct session *self = state;
    kst_spdy_put_control(kst_remote_out(self->remote), KST_SPDY_GOAWAY, self->last_id,
                         is_broken ? KST_SPDY_GOAWAY_PROTOCOL_ERROR : KST_SPDY_GOAWAY_OK);
}

static void *start(struct kst_remote *remote, enum kst_remote_protocol protocol,
                   struct kst_remote_streams streams)
{
    struct session *self = kst_calloc(1, sizeof(*self));
    *self = (struct session){.remote = remote,
                             .frames = kst_spdy_new(),
                             .wanted = streams,
                             .initial_window = KST_SPDY_WINDOW_BYTES,
                             .window = {.left = KST_SPDY_WINDOW_BYTES}};
    return self;
}

static void free_session(void *state)
{
    struct session *self = state;
    kst_spdy_free(self->frames);
    free(self);
}

const struct kst_remote_wire kst_remote_spdy = {
    .start = start,
    .free = free_session,
    .receive = receive,
    .is_open = is_open,
    .send = send_data,
    .finish = finish,
    .goodbye = goodbye,
};
