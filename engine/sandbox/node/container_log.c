/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of a container, as the kubelet reads it: "2026-11-24T02:34:56.464390686Z stdout F text",
 * where F ends a line and P is a part of one: what goes on in the next entry of that stream, or
 * was never ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "sandbox/node/container_internal.h"

enum {
    LINE_MAX_BYTES = 16 * 1024, /* containerd's max_container_log_line_size */
    CHUNK = 16 * 1024,
    CHUNKS_A_TURN = 4,
};

struct stream {
    struct kst_container_log *log;
    const char *name;
    int pipe;
    struct kst_buf line; /* what was not ended yet */
};

struct kst_container_log {
    struct kst_loop *loop;
    int file; /* -1: nothing is kept */
    struct stream streams[2];
};

static void format_time(char *out, size_t size)
{
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    size_t len = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out + len, size - len, ".%09ldZ", now.tv_nsec);
}

static void write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t wrote = write(fd, data, len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return; /* a full disk: the log has a hole, the container goes on */
        data += wrote;
        len -= (size_t)wrote;
    }
}

static void add_entry(struct stream *self, struct kst_buf *out, bool ends)
{
    char when[KST_TIME_TEXT + 8];
    format_time(when, sizeof(when));
    kst_buf_addf(out, "%s %s %c ", when, self->name, ends ? 'F' : 'P');
    kst_buf_add(out, self->line.data, self->line.len);
    kst_buf_addc(out, '\n');
    kst_buf_clear(&self->line);
}

static void add_text(struct stream *self, const char *data, size_t len)
{
    kst_auto_buf out = KST_BUF_INIT(SIZE_MAX / 2);
    while (len > 0) {
        const char *end = memchr(data, '\n', len);
        size_t part = end ? (size_t)(end - data) : len;
        size_t room = LINE_MAX_BYTES - self->line.len;
        if (part > room) {
            kst_buf_add(&self->line, data, room);
            add_entry(self, &out, false);
            data += room;
            len -= room;
            continue;
        }
        kst_buf_add(&self->line, data, part);
        if (end)
            add_entry(self, &out, true);
        data += part + (end != NULL);
        len -= part + (end != NULL);
    }
    write_all(self->log->file, out.data, out.len);
}

static void close_stream(struct stream *self)
{
    if (self->pipe < 0)
        return;
    kst_loop_watch_fd(self->log->loop, self->pipe, 0, NULL, NULL, NULL);
    kst_container_close(&self->pipe);
    if (self->line.len > 0 && self->log->file >= 0) {
        kst_auto_buf out = KST_BUF_INIT(2 * LINE_MAX_BYTES);
        add_entry(self, &out, false);
        write_all(self->log->file, out.data, out.len);
    }
}

/* At most `chunks` reads; false where the pipe is empty now, or has ended. */
static bool read_some(struct stream *self, int chunks)
{
    char chunk[CHUNK];
    while (chunks-- > 0) {
        ssize_t got = read(self->pipe, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return false;
        if (got <= 0) {
            close_stream(self);
            return false;
        }
        if (self->log->file >= 0)
            add_text(self, chunk, (size_t)got);
    }
    return true;
}

static void on_readable(void *arg, int fd, int events)
{
    read_some(arg, CHUNKS_A_TURN);
}

static int open_stream(struct stream *self, int *write_fd, struct kst_err **err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return kst_err_set(err, KST_E_IO, "make a pipe: %s", strerror(errno));
    self->pipe = ends[0];
    *write_fd = ends[1];
    fcntl(self->pipe, F_SETFL, O_NONBLOCK);
    return kst_loop_watch_fd(self->log->loop, self->pipe, POLLIN, on_readable, self, err);
}

int kst_container_log_new(struct kst_loop *loop, const char *path, struct kst_container_log **out,
                          int write_fds[2], struct kst_err **err)
{
    static const char *const names[] = {"stdout", "stderr"};
    struct kst_container_log *self = kst_calloc(1, sizeof(*self));
    self->loop = loop;
    self->file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640) : -1;
    int rc = path && self->file < 0
                 ? kst_err_set(err, KST_E_IO, "the log %s: %s", path, strerror(errno))
                 : 0;
    for (int i = 0; i < 2; i++) {
        struct stream *stream = &self->streams[i];
        stream->log = self;
        stream->name = names[i];
        stream->pipe = write_fds[i] = -1;
        kst_buf_init(&stream->line, LINE_MAX_BYTES);
        if (rc == 0)
            rc = open_stream(stream, &write_fds[i], err);
    }
    if (rc < 0) {
        kst_container_close(&write_fds[0]);
        kst_container_close(&write_fds[1]);
        kst_container_log_free(self);
        return rc;
    }
    *out = self;
    return 0;
}

void kst_container_log_finish(struct kst_container_log *self)
{
    for (int i = 0; i < 2; i++) {
        while (self->streams[i].pipe >= 0 && read_some(&self->streams[i], CHUNKS_A_TURN))
            ;
        close_stream(&self->streams[i]);
    }
}

void kst_container_log_free(struct kst_container_log *self)
{
    if (!self)
        return;
    for (int i = 0; i < 2; i++) {
        close_stream(&self->streams[i]);
        kst_buf_release(&self->streams[i].line);
    }
    kst_container_close(&self->file);
    free(self);
}
