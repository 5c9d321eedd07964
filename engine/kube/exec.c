/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channels of an exec: the first byte of each message says which stream its rest belongs to. The
 * command's end is told as a Status on channel 3.
 */
#include "kube/exec.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client_internal.h"
#include "kube/resource.h"
#include "kube/websocket.h"
#include "loop/fiber.h"

enum {
    PATH_BYTES = 256 * 1024,
    CHUNK_BYTES = 32 * 1024,
    HIGH_BYTES = 64 * 1024,               /* of output that nobody reads: then the sender waits */
    HIGH_WRITING_BYTES = 4 * 1024 * 1024, /* the same while we write, so that both can go on */
    STATUS_BYTES = 64 * 1024,
    MESSAGE_BYTES = 1024 * 1024, /* the largest of a WebSocket */
    CLOSE_MS = 2000,             /* of silence after the Status, for a server that does not close */
    REASON_BYTES = 1024,
};

enum channel { STDIN = 0, STDOUT = 1, STDERR = 2, STATUS = 3, CLOSE = 255 };

/* A piece of output that was not read yet. */
struct piece {
    struct piece *next;
    enum kst_exec_stream stream;
    size_t len, at;
    char data[];
};

struct kst_exec {
    struct kst_websocket *socket;
    char *what;
    bool takes_eof;
    bool stdin_;
    bool stdin_closed;
    bool writing;
    bool busy;   /* a fiber is in kst_exec_read() or _write() */
    bool closed; /* meanwhile, by another: the busy one frees */
    struct piece *first, **last;
    size_t pending_bytes; /* with what each piece costs */
    struct kst_buf status_text;
    bool has_status;
    int64_t heard_ms; /* when the last message came */
    int end;          /* 0: running; else the code of what ended it */
    struct kst_err *why;
};

static bool has_room(void *arg)
{
    const struct kst_exec *self = arg;
    return self->pending_bytes < (self->writing ? HIGH_WRITING_BYTES : HIGH_BYTES);
}

static void take_message(void *arg, const unsigned char *data, size_t len)
{
    struct kst_exec *self = arg;
    self->heard_ms = kst_now_ms();
    if (len < 2)
        return; /* an empty message opens each channel */
    if (data[0] == STATUS) {
        kst_buf_add(&self->status_text, data + 1, len - 1);
        self->has_status = true;
        return;
    }
    if (data[0] != STDOUT && data[0] != STDERR)
        return;
    struct piece *piece = kst_malloc(sizeof(*piece) + len - 1);
    *piece = (struct piece){.stream = data[0] == STDOUT ? KST_EXEC_STDOUT : KST_EXEC_STDERR,
                            .len = len - 1};
    memcpy(piece->data, data + 1, len - 1);
    *self->last = piece;
    self->last = &piece->next;
    self->pending_bytes += sizeof(*piece) + len - 1;
}

static int make_path(const struct kst_exec_request *request, struct kst_buf *path,
                     struct kst_err **err)
{
    if (!request->pod || !*request->pod || strchr(request->pod, '/') || strchr(request->ns, '/'))
        return kst_err_set(err, KST_E_INVALID, "exec: expected a Pod's name, found '%s'",
                           request->pod ? request->pod : "");
    if (!request->command || !request->command[0])
        return kst_err_set(err, KST_E_USAGE, "Pod/%s/%s: expected a command to run, found none",
                           request->ns, request->pod);
    kst_kube_path(&kst_res_pods, request->ns, request->pod, "exec", path);
    kst_kube_add_query(path, "container", request->container);
    kst_kube_add_query(path, "stdin", request->stdin_ ? "true" : NULL);
    kst_kube_add_query(path, "stdout", "true");
    kst_kube_add_query(path, "stderr", request->stderr_to_stdout ? NULL : "true");
    for (size_t i = 0; request->command[i]; i++)
        kst_kube_add_query(path, "command", request->command[i]);
    return kst_buf_check(path, "the command", err);
}

int kst_exec_open(struct kst_kube *kube, const struct kst_exec_request *request,
                  struct kst_exec **out, struct kst_err **err)
{
    kst_auto_buf path = KST_BUF_INIT(PATH_BYTES);
    int rc = make_path(request, &path, err);
    if (rc < 0)
        return rc;
    struct kst_exec *self = kst_calloc(1, sizeof(*self));
    self->what = request->container ? kst_asprintf("Pod/%s/%s (container %s)", request->ns,
                                                   request->pod, request->container)
                                    : kst_asprintf("Pod/%s/%s", request->ns, request->pod);
    self->stdin_ = request->stdin_;
    self->last = &self->first;
    kst_buf_init(&self->status_text, STATUS_BYTES);
    const struct kst_kube_about about = {.what = self->what, .verb = "get", .path = path.data};
    const struct kst_websocket_sink sink = {has_room, take_message, self};
    rc = kst_websocket_open(kube, &about, path.data, "v5.channel.k8s.io, v4.channel.k8s.io", sink,
                            &self->socket, err);
    if (rc < 0) {
        kst_exec_close(self);
        return rc;
    }
    self->takes_eof = strcmp(kst_websocket_protocol(self->socket), "v5.channel.k8s.io") == 0;
    *out = self;
    return 0;
}

bool kst_exec_takes_eof(const struct kst_exec *self)
{
    return self->takes_eof;
}

/* One fiber at a time may wait for a connection. */
static int enter(struct kst_exec *self, struct kst_err **err)
{
    if (self->busy)
        return kst_err_set(err, KST_E_USAGE,
                           "%s: this exec is read or written by another fiber at the moment",
                           self->what);
    self->busy = true;
    return 0;
}

static void leave(struct kst_exec *self)
{
    self->busy = false;
    if (self->closed)
        kst_exec_close(self);
}

/* Sends and receives what can be; notes the end. */
static void turn(struct kst_exec *self)
{
    if (self->end)
        return;
    struct kst_err *cause = NULL;
    int rc = kst_websocket_turn(self->socket, &cause);
    if (rc < 0) {
        self->end = rc;
        self->why = cause;
    } else if (self->has_status && has_room(self) && kst_now_ms() >= self->heard_ms + CLOSE_MS) {
        self->end = KST_E_CLOSED; /* the server does not close: enough is known */
    }
}

static int wait_more(struct kst_exec *self, int64_t deadline_ms, struct kst_err **err)
{
    int64_t close_ms = self->has_status ? self->heard_ms + CLOSE_MS : KST_NEVER;
    struct kst_err *cause = NULL;
    int rc = kst_websocket_wait(self->socket, close_ms < deadline_ms ? close_ms : deadline_ms,
                                &cause);
    if (self->closed) {
        kst_err_clear(&cause);
        return kst_err_set(err, KST_E_USAGE, "%s: this exec was closed by another fiber",
                           self->what);
    }
    if (rc == KST_E_TIMEOUT && close_ms <= kst_now_ms() && close_ms < deadline_ms &&
        kst_fiber_check(NULL) == 0) {
        kst_err_clear(&cause);
        rc = 0;
    }
    if (rc == KST_E_TIMEOUT || rc == KST_E_CANCELLED)
        kst_err_wrap(&cause, rc, "%s", self->what);
    return rc < 0 ? kst_err_move(err, &cause) : 0;
}

static int ended_error(const struct kst_exec *self, struct kst_err **err)
{
    if (self->has_status)
        return kst_err_set(err, KST_E_CLOSED, "%s: the command has ended", self->what);
    if (self->why)
        return kst_err_set(err, self->end, "%s", kst_err_message(self->why));
    return kst_err_set(err, KST_E_CLOSED, "%s: the connection has ended", self->what);
}

/* Where the outputs of kst_exec_run() go. */
struct collector {
    struct kst_buf *output, *errors; /* NULL: nowhere */
};

static int collect(struct kst_exec *self, const struct collector *to, struct kst_err **err);

/* kst_exec_write(); what comes meanwhile goes to `to` where that is not NULL. */
static int write_all(struct kst_exec *self, const char *at, size_t left, int64_t deadline_ms,
                     const struct collector *to, struct kst_err **err)
{
    for (;;) {
        turn(self);
        int rc = to ? collect(self, to, err) : 0;
        if (rc < 0)
            return rc;
        if (self->end || self->has_status || kst_websocket_is_deaf(self->socket))
            return ended_error(self, err);
        if (kst_websocket_is_sending(self->socket)) {
            rc = wait_more(self, deadline_ms, err);
            if (rc == KST_E_TIMEOUT && !has_room(self))
                kst_err_hint(err, "Much of the command's output was not read yet, which may be "
                                  "what it waits for");
            if (rc < 0)
                return rc;
            continue;
        }
        if (left == 0)
            return 0;
        size_t count = left < CHUNK_BYTES ? left : CHUNK_BYTES;
        kst_websocket_queue(self->socket, STDIN, at, count);
        at += count;
        left -= count;
    }
}

static int write_open(struct kst_exec *self, const void *data, size_t len, int64_t deadline_ms,
                      const struct collector *to, struct kst_err **err)
{
    if (!self->stdin_ || self->stdin_closed)
        return kst_err_set(err, KST_E_USAGE, "%s: the command's input is not open", self->what);
    int rc = enter(self, err);
    if (rc < 0)
        return rc;
    self->writing = true;
    rc = write_all(self, data, len, deadline_ms, to, err);
    self->writing = false;
    leave(self);
    return rc;
}

int kst_exec_write(struct kst_exec *self, const void *data, size_t len, int64_t deadline_ms,
                   struct kst_err **err)
{
    return write_open(self, data, len, deadline_ms, NULL, err);
}

int kst_exec_close_stdin(struct kst_exec *self, struct kst_err **err)
{
    if (!self->takes_eof)
        return kst_err_set(err, KST_E_INVALID,
                           "%s: the API server speaks v4.channel.k8s.io, which cannot end a "
                           "command's input alone",
                           self->what);
    int rc = enter(self, err); /* else this could take in what a reader waits for */
    if (rc < 0)
        return rc;
    if (self->stdin_ && !self->stdin_closed && !self->end) {
        const unsigned char stream = STDIN;
        kst_websocket_queue(self->socket, CLOSE, &stream, 1);
        turn(self); /* what does not go at once goes with the next read */
    }
    self->stdin_closed = true;
    leave(self);
    return 0;
}

/* Hands over what is pending of one stream: its count, or KST_E_LIMIT. */
static int64_t hand_over(struct kst_exec *self, struct kst_buf *out, enum kst_exec_stream *stream,
                         struct kst_err **err)
{
    struct piece *piece = self->first;
    size_t room = out->cap_bytes - out->len, count = piece->len - piece->at;
    *stream = piece->stream;
    count = count < room ? count : room;
    if (count == 0)
        return kst_err_set(err, KST_E_LIMIT,
                           "%s: the command printed more than the %zu bytes that are allowed",
                           self->what, out->cap_bytes);
    kst_buf_add(out, piece->data + piece->at, count);
    piece->at += count;
    self->pending_bytes -= count;
    if (piece->at == piece->len) {
        self->pending_bytes -= sizeof(*piece);
        self->first = piece->next;
        if (!self->first)
            self->last = &self->first;
        free(piece);
    }
    return (int64_t)count;
}

static int64_t read_some(struct kst_exec *self, struct kst_buf *out, enum kst_exec_stream *stream,
                         int64_t deadline_ms, struct kst_err **err)
{
    for (;;) {
        turn(self);
        if (self->first)
            return hand_over(self, out, stream, err);
        if (self->end && self->has_status)
            return 0;
        if (self->end)
            return ended_error(self, err);
        int rc = wait_more(self, deadline_ms, err);
        if (rc < 0)
            return rc;
    }
}

int64_t kst_exec_read(struct kst_exec *self, struct kst_buf *out, enum kst_exec_stream *stream,
                      int64_t deadline_ms, struct kst_err **err)
{
    int rc = enter(self, err);
    if (rc < 0)
        return rc;
    int64_t count = read_some(self, out, stream, deadline_ms, err);
    leave(self);
    return count;
}

/* The exit code in a Status with reason NonZeroExitCode. */
static bool exit_code_of(const struct kst_json *status, int *exit_code)
{
    const struct kst_json *causes = kst_json_path(status, "details.causes");
    for (const struct kst_json *row = kst_json_first(causes); row; row = kst_json_next(row)) {
        const char *reason = kst_json_path_str(row, "reason");
        const char *message = kst_json_path_str(row, "message");
        long long code = 0;
        if (!reason || strcmp(reason, "ExitCode") != 0 || !message ||
            !kst_parse_int(message, &code) || code < 0 || code > 255)
            continue;
        *exit_code = (int)code;
        return true;
    }
    return false;
}

int kst_exec_status(const struct kst_exec *self, int *exit_code, struct kst_err **err)
{
    *exit_code = -1;
    if (!self->has_status && !self->end)
        return kst_err_set(err, KST_E_FAILED, "%s: the command has not ended yet", self->what);
    if (!self->has_status)
        return ended_error(self, err);
    kst_auto_json struct kst_json *status = NULL;
    if (kst_json_parse(self->status_text.data, self->status_text.len, &status, NULL) < 0)
        return kst_err_set(err, KST_E_PROTOCOL,
                           "%s: expected a Status at the end of the command, found something else",
                           self->what);
    const char *result = kst_json_path_str(status, "status");
    if (result && strcmp(result, "Success") == 0) {
        *exit_code = 0;
        return 0;
    }
    if (exit_code_of(status, exit_code))
        return 0;
    const char *message = kst_json_path_str(status, "message");
    message = message ? message : "no reason was given";
    kst_auto_free char *why = kst_strndup(message, strnlen(message, REASON_BYTES));
    for (char *c = why; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    /* API servers that agree to the WebSocket before they ask the kubelet say so here. */
    bool is_absent = strstr(why, "container not found (");
    int rc = is_absent ? KST_E_INVALID : KST_E_FAILED;
    kst_err_set(err, rc, "%s: the command could not be run: %s", self->what, why);
    kst_err_reason(err, is_absent ? "ContainerNotRunning" : "CommandNotRun");
    return rc;
}

void kst_exec_close(struct kst_exec *self)
{
    if (!self)
        return;
    if (self->busy) {
        if (!self->closed)
            kst_websocket_shut(self->socket);
        self->closed = true;
        return;
    }
    kst_websocket_close(self->socket);
    while (self->first) {
        struct piece *next = self->first->next;
        free(self->first);
        self->first = next;
    }
    kst_buf_release(&self->status_text);
    kst_err_free(self->why);
    free(self->what);
    free(self);
}

/* ---- A command to its end ---- */

/* Takes what came so far. */
static int collect(struct kst_exec *self, const struct collector *to, struct kst_err **err)
{
    while (self->first) {
        struct kst_buf *out = self->first->stream == KST_EXEC_STDERR ? to->errors : to->output;
        kst_auto_buf nowhere = KST_BUF_INIT(MESSAGE_BYTES);
        enum kst_exec_stream stream;
        int64_t count = hand_over(self, out ? out : &nowhere, &stream, err);
        if (count < 0)
            return (int)count;
    }
    return 0;
}

static int collect_all(struct kst_exec *self, const struct collector *to, struct kst_err **err)
{
    for (;;) {
        turn(self);
        int rc = collect(self, to, err);
        if (rc == 0 && self->end)
            return self->has_status ? 0 : ended_error(self, err);
        if (rc == 0)
            rc = wait_more(self, KST_NEVER, err);
        if (rc < 0)
            return rc;
    }
}

static int feed(struct kst_exec *self, const void *input, size_t len, const struct collector *to,
                struct kst_err **err)
{
    struct kst_err *cause = NULL;
    int rc = write_open(self, input, len, KST_NEVER, to, &cause);
    if (rc == 0 && self->takes_eof)
        rc = kst_exec_close_stdin(self, &cause);
    if (rc == KST_E_CLOSED) { /* it did not want all of its input: its end says the rest */
        kst_err_clear(&cause);
        rc = 0;
    }
    return rc < 0 ? kst_err_move(err, &cause) : 0;
}

int kst_exec_run(struct kst_kube *kube, const struct kst_exec_request *request, const void *input,
                 size_t input_len, struct kst_buf *output, struct kst_buf *errors, int *exit_code,
                 struct kst_err **err)
{
    struct kst_exec_request with_input = *request;
    with_input.stdin_ = input || request->stdin_;
    const struct collector to = {output, errors};
    struct kst_exec *exec = NULL;
    int rc = kst_exec_open(kube, &with_input, &exec, err);
    if (rc < 0)
        return rc;
    int code = -1;
    if (with_input.stdin_)
        rc = feed(exec, input, input ? input_len : 0, &to, err);
    if (rc == 0)
        rc = collect_all(exec, &to, err);
    if (rc == 0)
        rc = kst_exec_status(exec, &code, err);
    if (rc == 0)
        *exit_code = code;
    kst_exec_close(exec);
    return rc;
}
