/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/websocket.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <wslay/wslay.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client_internal.h"
#include "loop/fiber.h"

enum {
    HEAD_BYTES = 32 * 1024,
    REQUEST_BYTES = 256 * 1024,
    REFUSAL_BYTES = 64 * 1024,
    REFUSAL_MS = 5000, /* to send the text of a refusal */
    ANSWER_MS = 30 * 1000,
    MESSAGE_BYTES = 1024 * 1024,
    PING_MS = 30 * 1000,
    KEY_BYTES = 16,
    OUT_BYTES = 16 * 1024,
    MAX_RETRY_AFTER_S = 24 * 60 * 60,
};

static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, 1.3 */

struct kst_websocket {
    struct kst_kube *kube;
    char *what; /* for errors */
    struct kst_http_raw *raw;
    wslay_event_context_ptr frames;
    struct kst_websocket_sink sink;
    struct kst_buf head; /* the answer's headers; then what came behind them, until it is read */
    char *protocol;
    /* What libwslay handed out. It stays where it is until it is sent: TLS wants a write that would
     * have blocked to be repeated with the same bytes at the same place. */
    unsigned char out[OUT_BYTES];
    size_t out_at, out_len;
    bool send_failed;    /* what the server said before can be read still */
    bool ended;          /* the connection has ended, or was broken */
    struct kst_err *why; /* it did */
};

/* ---- Frames ---- */

static ssize_t take_in(wslay_event_context_ptr frames, uint8_t *data, size_t len, int flags,
                       void *arg)
{
    struct kst_websocket *self = arg;
    if (!self->sink.has_room(self->sink.arg)) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (self->head.len) {
        size_t count = self->head.len < len ? self->head.len : len;
        memcpy(data, self->head.data, count);
        kst_buf_drop(&self->head, count);
        return (ssize_t)count;
    }
    struct kst_err *err = NULL;
    int64_t count = kst_http_raw_recv(self->raw, data, len, &err);
    if (count > 0)
        return (ssize_t)count;
    if (count == 0) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    self->ended = true;
    kst_err_move(&self->why, &err);
    wslay_event_set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

/* Sends what is in self->out, as far as it goes without waiting. */
static void flush(struct kst_websocket *self)
{
    while (!self->send_failed && self->out_at < self->out_len) {
        struct kst_err *err = NULL;
        int64_t count = kst_http_raw_send(self->raw, self->out + self->out_at,
                                          self->out_len - self->out_at, &err);
        if (count < 0) {
            self->send_failed = true;
            kst_err_move(&self->why, &err);
        }
        if (count <= 0)
            return;
        self->out_at += (size_t)count;
    }
    self->out_at = self->out_len = 0;
}

static ssize_t give_out(wslay_event_context_ptr frames, const uint8_t *data, size_t len, int flags,
                        void *arg)
{
    struct kst_websocket *self = arg;
    if (self->out_len == OUT_BYTES)
        flush(self);
    if (self->out_len == OUT_BYTES || self->send_failed) {
        wslay_event_set_error(frames, self->send_failed ? WSLAY_ERR_CALLBACK_FAILURE
                                                        : WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t room = OUT_BYTES - self->out_len, count = len < room ? len : room;
    memcpy(self->out + self->out_len, data, count);
    self->out_len += count;
    return (ssize_t)count;
}

static void send_frames(struct kst_websocket *self)
{
    if (self->send_failed)
        return;
    wslay_event_send(self->frames);
    flush(self);
}

static int make_mask(wslay_event_context_ptr frames, uint8_t *data, size_t len, void *arg)
{
    if (getrandom(data, len, 0) == (ssize_t)len)
        return 0;
    wslay_event_set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static void take_message(wslay_event_context_ptr frames,
                         const struct wslay_event_on_msg_recv_arg *message, void *arg)
{
    struct kst_websocket *self = arg;
    if (!wslay_is_ctrl_frame(message->opcode)) {
        self->sink.message(self->sink.arg, message->msg, message->msg_length);
    } else if (message->opcode == WSLAY_CONNECTION_CLOSE && !self->why &&
               message->status_code != 0 && message->status_code != WSLAY_CODE_NORMAL_CLOSURE) {
        /* Two bytes of code, then a reason (of 123 bytes at most). */
        size_t len = message->msg_length > 2 ? message->msg_length - 2 : 0;
        kst_auto_free char *reason = kst_strndup(len ? (const char *)message->msg + 2 : "", len);
        for (char *c = reason; *c; c++)
            if ((unsigned char)*c < 0x20 || *c == 0x7f)
                *c = ' ';
        kst_err_set(&self->why, KST_E_CLOSED, "the server closed it with code %u%s%s",
                    (unsigned)message->status_code, *reason ? ": " : "", reason);
    }
}

static void start_frames(struct kst_websocket *self)
{
    const struct wslay_event_callbacks callbacks = {
        .recv_callback = take_in,
        .send_callback = give_out,
        .genmask_callback = make_mask,
        .on_msg_recv_callback = take_message,
    };
    if (wslay_event_context_client_init(&self->frames, &callbacks, self) != 0)
        abort(); /* memory (base/mem.h) */
    wslay_event_config_set_max_recv_msg_length(self->frames, MESSAGE_BYTES);
}

const char *kst_websocket_protocol(const struct kst_websocket *self)
{
    return self->protocol;
}

static void queue(struct kst_websocket *self, uint8_t opcode, const void *data, size_t len)
{
    const struct wslay_event_msg message = {.opcode = opcode, .msg = data, .msg_length = len};
    /* Fails after a close frame only: the next turn says so. */
    (void)wslay_event_queue_msg(self->frames, &message);
}

void kst_websocket_queue(struct kst_websocket *self, unsigned char channel, const void *data,
                         size_t len)
{
    kst_auto_free unsigned char *copy = kst_malloc(len + 1);
    copy[0] = channel;
    memcpy(copy + 1, len ? data : "", len);
    queue(self, WSLAY_BINARY_FRAME, copy, len + 1);
}

bool kst_websocket_is_sending(const struct kst_websocket *self)
{
    return !self->send_failed &&
           (self->out_at < self->out_len || wslay_event_want_write(self->frames));
}

bool kst_websocket_is_deaf(const struct kst_websocket *self)
{
    return self->ended || self->send_failed;
}

static int end_of(struct kst_websocket *self, struct kst_err **err)
{
    const char *why = kst_err_message(self->why);
    if (*why)
        return kst_err_set(err, KST_E_CLOSED, "%s: the connection broke: %s", self->what, why);
    return kst_err_set(err, KST_E_CLOSED, "%s: the connection was closed", self->what);
}

int kst_websocket_turn(struct kst_websocket *self, struct kst_err **err)
{
    if (self->ended)
        return end_of(self, err);
    send_frames(self);
    int received = wslay_event_recv(self->frames);
    bool closed = wslay_event_get_close_received(self->frames);
    /* Where a frame is against the rules, libwslay fails, or stops to read (the close that it then
     * queues may find no room). */
    bool broken = !closed && !self->ended &&
                  (received < 0 || !wslay_event_get_read_enabled(self->frames));
    send_frames(self); /* a pong, an answer to a close */
    self->ended = self->ended || closed || broken;
    if (broken)
        return kst_err_set(err, KST_E_PROTOCOL,
                           "%s: the server sent what is no WebSocket frame, or a message of more "
                           "than %d bytes",
                           self->what, MESSAGE_BYTES);
    return self->ended ? end_of(self, err) : 0;
}

int kst_websocket_wait(struct kst_websocket *self, int64_t deadline_ms, struct kst_err **err)
{
    int events = kst_websocket_is_sending(self) ? POLLOUT : 0;
    if (self->sink.has_room(self->sink.arg))
        events |= POLLIN;
    if (self->ended || ((events & POLLIN) && self->head.len))
        return 0;
    assert(events); /* else a connection that broke would be waited for in vain, and busily */
    int64_t ping_ms = kst_deadline_in_ms(PING_MS);
    struct kst_err *cause = NULL;
    int rc = kst_wait_fd(kst_http_raw_fd(self->raw), events,
                         ping_ms < deadline_ms ? ping_ms : deadline_ms, &cause);
    bool silent = rc == KST_E_TIMEOUT && kst_now_ms() < deadline_ms && kst_fiber_check(NULL) == 0;
    if (rc < 0 && !silent)
        return kst_err_move(err, &cause);
    kst_err_clear(&cause);
    if (silent && !kst_websocket_is_sending(self))
        queue(self, WSLAY_PING, "", 0); /* keeps what lies between from forgetting us */
    return 0;
}

static void free_socket(struct kst_websocket *self)
{
    if (self->frames)
        wslay_event_context_free(self->frames);
    if (self->raw) {
        kst_http_raw_close(self->raw);
        self->kube->under_way--;
    }
    kst_buf_release(&self->head);
    kst_err_free(self->why);
    free(self->protocol);
    free(self->what);
    free(self);
}

static void say_goodbye(struct kst_websocket *self)
{
    if (self->ended)
        return;
    wslay_event_queue_close(self->frames, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0);
    send_frames(self);
}

void kst_websocket_shut(struct kst_websocket *self)
{
    say_goodbye(self);
    self->ended = true;
    shutdown(kst_http_raw_fd(self->raw), SHUT_RDWR);
}

void kst_websocket_close(struct kst_websocket *self)
{
    if (!self)
        return;
    say_goodbye(self);
    free_socket(self);
}

/* ---- The handshake ---- */

/* What became of one try. */
struct attempt {
    bool sent;         /* the request may have arrived */
    long status;       /* of the answer; 0: none */
    uint64_t rejected; /* credentials to renew first; 0: none */
    uint64_t generation;
    int64_t retry_after_ms; /* -1: not said */
};

static void add_request(const struct kst_kube_call *call, const char *key, struct kst_buf *out)
{
    const char *host = strstr(call->url, "://");
    host = host ? host + 3 : call->url;
    size_t host_len = strcspn(host, "/?#");
    kst_buf_addf(out, "GET %s HTTP/1.1\r\nHost: %.*s\r\n", host[host_len] ? host + host_len : "/",
                 (int)host_len, host);
    kst_buf_addf(out,
                 "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: %s\r\n",
                 key);
    for (size_t i = 0; call->headers[i]; i++)
        kst_buf_addf(out, "%s\r\n", call->headers[i]);
    kst_buf_adds(out, "\r\n");
}

static int send_all(struct kst_websocket *self, const struct kst_buf *data, int64_t deadline_ms,
                    bool *sent, struct kst_err **err)
{
    size_t at = 0;
    while (at < data->len) {
        int64_t count = kst_http_raw_send(self->raw, data->data + at, data->len - at, err);
        if (count == 0)
            count = kst_wait_fd(kst_http_raw_fd(self->raw), POLLOUT, deadline_ms, err) < 0 ? -1 : 0;
        if (count < 0)
            return err && *err ? kst_err_code(*err) : KST_E_CLOSED;
        at += (size_t)count;
        *sent = true;
    }
    return 0;
}

/* Yields until more of the answer is in self->head: 0 at the end of the connection. */
static int read_more(struct kst_websocket *self, size_t cap, int64_t deadline_ms,
                     struct kst_err **err)
{
    char data[4096];
    for (;;) {
        size_t room = cap - self->head.len;
        if (room == 0)
            return kst_err_set(err, KST_E_PROTOCOL,
                               "the answer's headers are larger than %zu bytes", cap);
        struct kst_err *cause = NULL;
        int64_t count = kst_http_raw_recv(self->raw, data,
                                          room < sizeof(data) ? room : sizeof(data), &cause);
        if (count > 0) {
            kst_buf_add(&self->head, data, (size_t)count);
            return 1;
        }
        if (count < 0)
            return kst_err_move(err, &cause);
        int rc = kst_wait_fd(kst_http_raw_fd(self->raw), POLLIN, deadline_ms, err);
        if (rc < 0)
            return rc;
    }
}

/* The value of a header in the text of all of them; empty where it is not there. */
static struct kst_str header(struct kst_str head, const char *name)
{
    struct kst_str line;
    size_t len = strlen(name);
    while (kst_str_split(&head, '\n', &line)) {
        if (line.len > len && line.data[len] == ':' && strncasecmp(line.data, name, len) == 0)
            return kst_str_trim((struct kst_str){line.data + len + 1, line.len - len - 1});
    }
    return (struct kst_str){"", 0};
}

static bool is_accepted(struct kst_str head, const char *key)
{
    unsigned char digest[KST_SHA1_BYTES];
    kst_auto_free char *text = kst_asprintf("%s%s", key, magic);
    kst_auto_buf expected = KST_BUF_INIT(64);
    kst_hash_sha1(text, strlen(text), digest);
    kst_base64_encode(&expected, digest, sizeof(digest));
    return kst_str_eq(header(head, "Sec-WebSocket-Accept"), expected.data);
}

/* Undoes "Transfer-Encoding: chunked" as far as it came. */
static void join_chunks(struct kst_buf *text)
{
    kst_auto_buf out = KST_BUF_INIT(REFUSAL_BYTES);
    const char *at = text->data, *end = text->data + text->len;
    for (;;) {
        char *after = NULL;
        unsigned long size = strtoul(at, &after, 16);
        const char *line = memchr(at, '\n', (size_t)(end - at));
        if (after == at || size == 0 || !line || size > (size_t)(end - line - 1))
            break;
        kst_buf_add(&out, line + 1, size);
        at = line + 1 + size;
        at += strspn(at, "\r\n");
    }
    kst_buf_clear(text);
    kst_buf_add(text, out.data, out.len);
}

/* What the API server and kubelets say of containers, which no code of theirs tells apart. */
static int word_refusal(const struct kst_kube_about *about, const struct kst_json *status,
                        struct kst_str text, struct kst_err **err)
{
    const char *message = kst_json_path_str(status, "message");
    if (!message)
        message = text.data;
    if (strstr(message, " is not valid for pod ")) {
        kst_err_set(err, KST_E_NOT_FOUND, "%s: the Pod has no such container", about->what);
        kst_err_reason(err, "ContainerNotFound");
        return KST_E_NOT_FOUND;
    }
    if (strstr(message, "container not found (")) {
        kst_err_set(err, KST_E_INVALID, "%s: the container does not run", about->what);
        kst_err_reason(err, "ContainerNotRunning");
        kst_err_hint(err, "Look at its state with kubectl describe pod; it may have ended, or "
                          "wait for an image or a volume");
        return KST_E_INVALID;
    }
    return 0;
}

/* Any answer but 101: its body becomes the error. */
static int read_refusal(struct kst_websocket *self, const struct kst_kube_about *about,
                        size_t head_len, struct attempt *attempt, struct kst_err **err)
{
    struct kst_str head = {self->head.data, head_len};
    struct kst_str length = header(head, "Content-Length");
    bool chunked = kst_str_eq(header(head, "Transfer-Encoding"), "chunked");
    long long wanted = REFUSAL_BYTES, pause = -1;
    kst_auto_free char *number = kst_strndup(length.data, length.len);
    if (length.len && (!kst_parse_int(number, &wanted) || wanted < 0 || wanted > REFUSAL_BYTES))
        wanted = REFUSAL_BYTES;
    struct kst_str later = header(head, "Retry-After");
    kst_auto_free char *seconds = kst_strndup(later.data, later.len);
    if (kst_parse_int(seconds, &pause) && pause >= 0)
        attempt->retry_after_ms = (pause < MAX_RETRY_AFTER_S ? pause : MAX_RETRY_AFTER_S) * 1000;
    kst_buf_drop(&self->head, head_len);
    self->head.cap_bytes = REFUSAL_BYTES + HEAD_BYTES;
    int64_t deadline_ms = kst_deadline_in_ms(REFUSAL_MS);
    while (self->head.len < (size_t)wanted &&
           !(chunked && kst_str_has_suffix(kst_str_buf(&self->head), "0\r\n\r\n")) &&
           read_more(self, REFUSAL_BYTES, deadline_ms, NULL) > 0)
        continue;
    if (chunked)
        join_chunks(&self->head);
    kst_auto_json struct kst_json *status = NULL;
    if (self->head.len && self->head.data[0] == '{')
        kst_json_parse(self->head.data, self->head.len, &status, NULL);
    struct kst_str text = kst_str_buf(&self->head);
    int rc = word_refusal(about, status, text, err);
    if (rc < 0)
        return rc;
    /* The verb says which rule is missing; elsewhere it would read as if the Pod were asked for. */
    const struct kst_kube_about plain = {
        .what = about->what,
        .verb = attempt->status == 403 ? about->verb : NULL,
        .path = about->path,
    };
    return kst_kube_status_error(self->kube, &plain, attempt->status, status, text, err);
}

/* The status of "HTTP/1.1 101 …"; 0 where it is none. */
static long status_of(struct kst_str head)
{
    if (head.len < 12 || strncmp(head.data, "HTTP/1.", 7) != 0 || head.data[8] != ' ')
        return 0;
    char digits[4] = {head.data[9], head.data[10], head.data[11], '\0'};
    long long code = 0;
    return kst_parse_int(digits, &code) && code >= 100 ? (long)code : 0;
}

/* Whether `chosen` is one of a list as the header has it. */
static bool was_offered(const char *protocols, struct kst_str chosen)
{
    struct kst_str rest = kst_str_of(protocols), one;
    while (kst_str_split(&rest, ',', &one)) {
        one = kst_str_trim(one);
        if (one.len && one.len == chosen.len && memcmp(one.data, chosen.data, one.len) == 0)
            return true;
    }
    return false;
}

static bool is_upgrade(struct kst_str head)
{
    struct kst_str to = header(head, "Upgrade");
    return to.len == strlen("websocket") && strncasecmp(to.data, "websocket", to.len) == 0;
}

static int not_http(const struct kst_websocket *self, struct kst_err **err)
{
    return kst_err_set(err, KST_E_PROTOCOL, "%s: the server's answer is not HTTP", self->what);
}

/* Yields until all headers are in self->head; *head_len is their length. */
static int read_head(struct kst_websocket *self, int64_t deadline_ms, size_t *head_len,
                     struct kst_err **err)
{
    static const char start[] = "HTTP/1.";
    for (;;) {
        size_t len = self->head.len < strlen(start) ? self->head.len : strlen(start);
        if (memcmp(self->head.data, start, len) != 0)
            return not_http(self, err);
        const char *end = strstr(self->head.data, "\r\n\r\n"); /* frames may follow at once */
        if (end) {
            *head_len = (size_t)(end - self->head.data) + 4;
            return 0;
        }
        if (memchr(self->head.data, '\0', self->head.len))
            return not_http(self, err);
        int rc = read_more(self, HEAD_BYTES, deadline_ms, err);
        if (rc == KST_E_PROTOCOL)
            kst_err_wrap(err, rc, "%s", self->what);
        if (rc < 0)
            return rc;
    }
}

static int read_answer(struct kst_websocket *self, const struct kst_kube_about *about,
                       const char *key, const char *protocols, int64_t deadline_ms,
                       struct attempt *attempt, struct kst_err **err)
{
    size_t head_len = 0;
    int rc = read_head(self, deadline_ms, &head_len, err);
    if (rc < 0)
        return rc;
    struct kst_str head = {self->head.data, head_len};
    attempt->status = status_of(head);
    if (attempt->status == 0)
        return not_http(self, err);
    if (attempt->status != 101)
        return read_refusal(self, about, head_len, attempt, err);
    struct kst_str chosen = header(head, "Sec-WebSocket-Protocol");
    if (!is_upgrade(head) || !is_accepted(head, key) || !was_offered(protocols, chosen))
        return kst_err_set(err, KST_E_PROTOCOL,
                           "%s: the server did not agree to a WebSocket with one of %s", self->what,
                           protocols);
    self->protocol = kst_strndup(chosen.data, chosen.len);
    kst_buf_drop(&self->head, head_len);
    return 0;
}

static int shake_hands(struct kst_websocket *self, const struct kst_kube_about *about,
                       const char *path, const char *protocols, struct attempt *attempt,
                       struct kst_err **err)
{
    kst_auto_free char *offer = kst_asprintf("Sec-WebSocket-Protocol: %s", protocols);
    const char *const headers[] = {offer, NULL};
    kst_auto_call call = {0};
    int rc = attempt->rejected ? kst_kube_call_init_rejected(self->kube, &call, "GET", path,
                                                             headers, attempt->rejected, err)
                               : kst_kube_call_init(self->kube, &call, "GET", path, headers, err);
    if (rc < 0)
        return rc;
    attempt->generation = call.generation;
    unsigned char random[KEY_BYTES];
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        abort(); /* cannot happen since Linux 5.6 */
    kst_auto_buf key = KST_BUF_INIT(64), request = KST_BUF_INIT(REQUEST_BYTES);
    kst_base64_encode(&key, random, sizeof(random));
    add_request(&call, key.data, &request);
    rc = kst_buf_check(&request, "the request", err);
    int64_t deadline_ms = kst_deadline_in_ms(ANSWER_MS);
    call.request.deadline_ms = deadline_ms;
    if (rc == 0)
        rc = kst_http_raw_open(self->kube->loop, &call.request, &self->raw, err);
    if (rc == 0) {
        self->kube->under_way++; /* until the socket is freed */
        rc = send_all(self, &request, deadline_ms, &attempt->sent, err);
    }
    if (rc == 0)
        rc = read_answer(self, about, key.data, protocols, deadline_ms, attempt, err);
    explicit_bzero(request.data, request.len); /* a token is in it */
    return rc;
}

static struct kst_websocket *make(struct kst_kube *kube, const struct kst_kube_about *about,
                                  struct kst_websocket_sink sink)
{
    struct kst_websocket *self = kst_calloc(1, sizeof(*self));
    self->kube = kube;
    self->what = kst_strdup(about->what);
    self->sink = sink;
    kst_buf_init(&self->head, HEAD_BYTES);
    return self;
}

static bool is_broken(int code)
{
    return code == KST_E_UNREACHABLE || code == KST_E_CLOSED || code == KST_E_TIMEOUT;
}

/* Whether another try is of use and cannot start anything twice; words *cause. */
static bool may_try_again(struct kst_kube *kube, const struct kst_kube_about *about, int rc,
                          struct attempt *attempt, bool *renewed, struct kst_err **cause)
{
    if (kst_fiber_check(NULL) < 0) {
        if (rc == KST_E_TIMEOUT || rc == KST_E_CANCELLED)
            kst_err_wrap(cause, rc, "%s: start a command", about->what);
        return false;
    }
    if (attempt->status == 401 && !*renewed) {
        *renewed = true;
        attempt->rejected = attempt->generation;
        return true;
    }
    attempt->rejected = 0;
    if (attempt->status)
        return attempt->status == 429 || attempt->status == 503;
    if (!is_broken(rc))
        return false;
    const struct kst_kube_about plain = {.what = about->what, .path = about->path};
    kst_kube_transport_error(kube, &plain, attempt->sent, cause);
    return !attempt->sent && (!kst_kube_error_is_lasting(*cause) || kube->patience_ms == KST_NEVER);
}

int kst_websocket_open(struct kst_kube *kube, const struct kst_kube_about *about, const char *path,
                       const char *protocols, struct kst_websocket_sink sink,
                       struct kst_websocket **out, struct kst_err **err)
{
    struct kst_kube_backoff backoff = {0};
    struct attempt attempt = {0};
    bool renewed = false;
    int64_t give_up_ms = kst_kube_give_up_ms(kube);
    for (;;) {
        struct kst_websocket *self = make(kube, about, sink);
        struct kst_err *cause = NULL;
        attempt.sent = false;
        attempt.status = 0;
        attempt.retry_after_ms = -1;
        int64_t started = kst_now_us();
        kst_kube_call_trace(kube, "GET", path, 0, 0);
        int rc = shake_hands(self, about, path, protocols, &attempt, &cause);
        kst_kube_call_trace(kube, "GET", path, attempt.status, kst_now_us() - started);
        if (rc == 0) {
            start_frames(self);
            *out = self;
            return 0;
        }
        free_socket(self);
        bool again = may_try_again(kube, about, rc, &attempt, &renewed, &cause);
        int64_t pause = kst_kube_backoff_next_ms(&backoff, attempt.retry_after_ms);
        if (!again || kst_deadline_in_ms(pause) >= give_up_ms)
            return kst_err_move(err, &cause);
        kst_err_clear(&cause);
        rc = kst_sleep_ms(attempt.rejected ? 0 : pause, err);
        if (rc < 0)
            return rc;
    }
}
