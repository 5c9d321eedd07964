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
    CLOSE_MS = 2000, /* from the Status to the server's close */
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
    struct piece *first, **last;
    size_t pending_bytes;
    struct kst_buf status_text;
    int64_t status_ms; /* when it came; 0: not yet */
    int end;           /* 0: running; else the code of what ended it */
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
    if (len < 2)
        return; /* an empty message opens each channel */
    if (data[0] == STATUS) {
        kst_buf_add(&self->status_text, data + 1, len - 1);
        self->status_ms = kst_now_ms();
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
    self->pending_bytes += len - 1;
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
    const struct kst_kube_about about = {.what = self->what, .verb = "get"};
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
    } else if (self->status_ms && kst_now_ms() >= self->status_ms + CLOSE_MS) {
        self->end = KST_E_CLOSED; /* the server does not close: enough is known */
    }
}

static int wait_more(struct kst_exec *self, int64_t deadline_ms, struct kst_err **err)
{
    int64_t close_ms = self->status_ms ? self->status_ms + CLOSE_MS : KST_NEVER;
    struct kst_err *cause = NULL;
    int rc = kst_websocket_wait(self->socket, close_ms < deadline_ms ? close_ms : deadline_ms,
                                &cause);
    if (rc == KST_E_TIMEOUT && close_ms <= kst_now_ms() && kst_fiber_check(NULL) == 0)
        rc = 0;
    if (rc < 0)
        return kst_err_move(err, &cause);
    kst_err_clear(&cause);
    return 0;
}

static int ended_error(const struct kst_exec *self, struct kst_err **err)
{
    if (self->status_ms)
        return kst_err_set(err, KST_E_CLOSED, "%s: the command has ended", self->what);
    if (self->why)
        return kst_err_set(err, self->end, "%s", kst_err_message(self->why));
    return kst_err_set(err, KST_E_CLOSED, "%s: the connection has ended", self->what);
}

int kst_exec_write(struct kst_exec *self, const void *data, size_t len, int64_t deadline_ms,
                   struct kst_err **err)
{
    if (!self->stdin_ || self->stdin_closed)
        return kst_err_set(err, KST_E_USAGE, "%s: the command's input is not open", self->what);
    const char *at = data, *end = at + len;
    int rc = 0;
    self->writing = true;
    for (;;) {
        turn(self);
        if (self->end || self->status_ms) {
            rc = ended_error(self, err);
            break;
        }
        if (kst_websocket_is_sending(self->socket)) {
            rc = wait_more(self, deadline_ms, err);
            if (rc < 0)
                break;
            continue;
        }
        if (at == end)
            break;
        size_t count = (size_t)(end - at) < CHUNK_BYTES ? (size_t)(end - at) : CHUNK_BYTES;
        kst_websocket_queue(self->socket, STDIN, at, count);
        at += count;
    }
    self->writing = false;
    return rc;
}

int kst_exec_close_stdin(struct kst_exec *self, struct kst_err **err)
{
    if (!self->takes_eof)
        return kst_err_set(err, KST_E_INVALID,
                           "%s: the API server speaks v4.channel.k8s.io, which cannot end a "
                           "command's input alone",
                           self->what);
    if (self->stdin_ && !self->stdin_closed && !self->end) {
        const unsigned char stream = STDIN;
        kst_websocket_queue(self->socket, CLOSE, &stream, 1);
        turn(self);
    }
    self->stdin_closed = true;
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
        self->first = piece->next;
        if (!self->first)
            self->last = &self->first;
        free(piece);
    }
    return (int64_t)count;
}

int64_t kst_exec_read(struct kst_exec *self, struct kst_buf *out, enum kst_exec_stream *stream,
                      int64_t deadline_ms, struct kst_err **err)
{
    for (;;) {
        turn(self);
        if (self->first)
            return hand_over(self, out, stream, err);
        if (self->end && self->status_ms)
            return 0;
        if (self->end)
            return ended_error(self, err);
        int rc = wait_more(self, deadline_ms, err);
        if (rc < 0)
            return rc;
    }
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
    if (!self->status_ms)
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
    kst_err_set(err, KST_E_FAILED, "%s: the command could not be run: %s", self->what,
                message ? message : "no reason was given");
    kst_err_reason(err, "CommandNotRun");
    return KST_E_FAILED;
}

void kst_exec_close(struct kst_exec *self)
{
    if (!self)
        return;
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

static int collect(struct kst_exec *exec, struct kst_buf *output, struct kst_buf *errors,
                   struct kst_err **err)
{
    for (;;) {
        kst_auto_buf piece = KST_BUF_INIT(HIGH_WRITING_BYTES);
        enum kst_exec_stream stream = KST_EXEC_STDOUT;
        int64_t count = kst_exec_read(exec, &piece, &stream, KST_NEVER, err);
        if (count <= 0)
            return (int)count;
        struct kst_buf *to = stream == KST_EXEC_STDOUT ? output : errors;
        if (to && kst_buf_add(to, piece.data, piece.len) < 0)
            return kst_err_set(err, KST_E_LIMIT,
                               "%s: the command printed more than the %zu bytes that are allowed",
                               exec->what, to->cap_bytes);
    }
}

int kst_exec_run(struct kst_kube *kube, const struct kst_exec_request *request, const void *input,
                 size_t input_len, struct kst_buf *output, struct kst_buf *errors, int *exit_code,
                 struct kst_err **err)
{
    struct kst_exec *exec = NULL;
    int rc = kst_exec_open(kube, request, &exec, err);
    if (rc < 0)
        return rc;
    if (input && request->stdin_) {
        struct kst_err *cause = NULL;
        rc = kst_exec_write(exec, input, input_len, KST_NEVER, &cause);
        if (rc == KST_E_CLOSED) { /* it did not want all of its input: its end says the rest */
            kst_err_clear(&cause);
            rc = 0;
        } else if (rc == 0 && exec->takes_eof) {
            rc = kst_exec_close_stdin(exec, &cause);
        }
        if (rc < 0)
            kst_err_move(err, &cause);
    }
    if (rc == 0)
        rc = collect(exec, output, errors, err);
    if (rc == 0)
        rc = kst_exec_status(exec, exit_code, err);
    kst_exec_close(exec);
    return rc;
}
