/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/server/httpd.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "sandbox/server/httpd_tls.h"

enum {
    BODY_BYTES = 16 * 1024 * 1024,
    ANSWER_BYTES = 256 * 1024 * 1024, /* of one, or of one message of a stream */
    STREAM_AHEAD = 256 * 1024,        /* unread by the client, before the writer waits */
    MAX_HEADERS = 8,
    SWEEP_MS = 200,
    CONNECTIONS = 4096,
    POOL_BYTES = 64 * 1024, /* of a connection: caps what its headers take */
    MUTE_MS = 100,
    IDLE_S = 90,
};

enum answer { NONE, REPLY, STREAM, UPGRADE, TAKEN, RESET, TRUNCATE };

struct kst_httpd_request {
    struct kst_httpd *server;
    struct kst_httpd_request *next, *previous;
    struct MHD_Connection *connection; /* NULL once MHD is through with it */
    char *method, *path;
    struct kst_buf body;
    bool too_large;

    enum answer answer;
    int code;
    char *content_type;
    struct {
        char *name, *value;
    } headers[MAX_HEADERS];
    size_t nheaders;
    struct kst_buf out; /* the reply, or what of a stream was not read yet */
    size_t out_at;      /* read of it */
    bool stream_ended, stream_broken;
    struct kst_cond drained;

    bool running;   /* its fiber lives */
    bool handled;   /* the handler has returned */
    bool suspended; /* MHD waits for us */
    bool gone;
    void (*on_gone)(void *arg);
    void *on_gone_arg;

    char *protocol;
    struct MHD_UpgradeResponseHandle *upgraded;
    int fd;
    struct kst_buf early;
    struct kst_cond switched;
    bool mute, mute_reset;
    int mute_fds[2]; /* what the handler has instead of the connection, and its other end */
    struct kst_timer *mute_timer;
    struct kst_httpd_tls *tls; /* its session is ours */
};

struct kst_httpd {
    struct kst_loop *loop;
    struct MHD_Daemon *daemon;
    void (*handle)(void *arg, struct kst_httpd_request *request);
    void *arg;
    size_t body_bytes;
    unsigned idle_s;
    int epoll_fd, port;
    struct kst_timer *timer, *sweep;
    struct kst_httpd_request *requests;
    struct kst_cond idle;
    size_t running;
    bool stopping, turning, again;
    char *cert, *key;
};

/* ---- MHD's turn ---- */

static void turn(struct kst_httpd *self);

static void on_readable(void *arg, int fd, int events)
{
    turn(arg);
}

static void on_timer(void *arg)
{
    struct kst_httpd *self = arg;
    self->timer = NULL;
    turn(self);
}

static void set_timer(struct kst_httpd *self)
{
    MHD_UNSIGNED_LONG_LONG delay_ms;
    kst_timer_stop(self->timer);
    self->timer = NULL;
    if (MHD_get_timeout(self->daemon, &delay_ms) == MHD_YES)
        self->timer = kst_timer_start(self->loop, kst_now_ms() + (int64_t)delay_ms, on_timer, self);
}

/* Lets MHD do what it can. Its callbacks may ask for more; that is done here, not inside of them.
 */
static void turn(struct kst_httpd *self)
{
    if (self->turning) {
        self->again = true;
        return;
    }
    self->turning = true;
    do {
        self->again = false;
        MHD_run(self->daemon);
    } while (self->again);
    self->turning = false;
    set_timer(self);
}

/* ---- requests ---- */

static void request_free(struct kst_httpd_request *self)
{
    struct kst_httpd *server = self->server;
    if (self->next)
        self->next->previous = self->previous;
    if (self->previous)
        self->previous->next = self->next;
    else
        server->requests = self->next;
    for (size_t i = 0; i < self->nheaders; i++) {
        free(self->headers[i].name);
        free(self->headers[i].value);
    }
    kst_buf_release(&self->body);
    kst_buf_release(&self->out);
    kst_buf_release(&self->early);
    kst_cond_release(&self->drained);
    kst_cond_release(&self->switched);
    free(self->method);
    free(self->path);
    free(self->content_type);
    free(self->protocol);
    free(self);
}

static void set_gone(struct kst_httpd_request *self)
{
    if (self->gone)
        return;
    self->gone = true;
    kst_cond_signal(&self->drained);
    kst_cond_signal(&self->switched);
    if (self->on_gone)
        self->on_gone(self->on_gone_arg);
}

static void resume(struct kst_httpd_request *self)
{
    if (!self->suspended || !self->connection)
        return;
    self->suspended = false;
    MHD_resume_connection(self->connection);
    turn(self->server);
}

static void set_linger(int fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void end_mute(void *arg)
{
    struct kst_httpd_request *self = arg;
    self->mute_timer = NULL;
    shutdown(self->mute_fds[1], SHUT_RDWR);
}

static void close_upgraded(struct kst_httpd_request *self)
{
    struct MHD_UpgradeResponseHandle *handle = self->upgraded;
    self->upgraded = NULL;
    kst_timer_stop(self->mute_timer);
    for (int i = 0; i < 2; i++)
        if (self->mute_fds[i] >= 0)
            close(self->mute_fds[i]);
    if (self->mute && self->mute_reset)
        set_linger(self->fd);
    MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
    turn(self->server);
}

static int run_handler(void *arg, struct kst_err **err)
{
    struct kst_httpd_request *self = arg;
    struct kst_httpd *server = self->server;
    server->handle(server->arg, self);
    self->handled = true;
    self->on_gone = NULL;
    if (self->upgraded)
        close_upgraded(self);
    kst_httpd_tls_end(self->tls);
    self->tls = NULL;
    if (self->answer == NONE)
        self->answer = RESET;
    if (self->answer == STREAM)
        self->stream_ended = true;
    resume(self);
    self->running = false;
    if (!self->connection)
        request_free(self);
    if (--server->running == 0)
        kst_cond_signal(&server->idle);
    return 0;
}

static void *on_uri(void *arg, const char *uri, struct MHD_Connection *connection)
{
    return NULL;
}

static void abort_connection(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info)
        set_linger(info->connect_fd);
}

/* The answer as MHD takes it. */
static ssize_t read_stream(void *arg, uint64_t position, char *to, size_t max)
{
    struct kst_httpd_request *self = arg;
    size_t have = self->out.len - self->out_at;
    if (have == 0 && (self->answer == TRUNCATE || self->stream_broken))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (have == 0 && self->stream_ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (have == 0) {
        self->suspended = true;
        MHD_suspend_connection(self->connection);
        return 0;
    }
    size_t len = have < max ? have : max;
    memcpy(to, self->out.data + self->out_at, len);
    self->out_at += len;
    if (self->out_at == self->out.len) {
        kst_buf_clear(&self->out);
        self->out_at = 0;
    }
    if (self->out.len - self->out_at < STREAM_AHEAD)
        kst_cond_signal(&self->drained);
    return (ssize_t)len;
}

static void on_upgraded(void *arg, struct MHD_Connection *connection, void *con_cls,
                        const char *extra, size_t extra_len, MHD_socket socket,
                        struct MHD_UpgradeResponseHandle *handle)
{
    struct kst_httpd_request *self = arg;
    if (self->handled) { /* it gave up */
        MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
        return;
    }
    self->upgraded = handle;
    self->fd = socket;
    int flags = fcntl(socket, F_GETFL);
    fcntl(socket, F_SETFL, flags | O_NONBLOCK);
    kst_buf_add(&self->early, extra, extra_len);
    kst_cond_signal(&self->switched);
}

static enum MHD_Result send_answer(struct kst_httpd_request *self)
{
    struct MHD_Response *response = NULL;
    if (self->answer == RESET) {
        abort_connection(self->connection);
        return MHD_NO;
    }
    if (self->answer == TAKEN) /* and through with */
        return MHD_NO;
    if (self->answer == REPLY)
        response = MHD_create_response_from_buffer(self->out.len, self->out.data,
                                                   MHD_RESPMEM_MUST_COPY);
    else if (self->answer == UPGRADE)
        response = MHD_create_response_for_upgrade(on_upgraded, self);
    else
        response = MHD_create_response_from_callback(
            self->answer == TRUNCATE ? self->out.len * 2 + 64 : MHD_SIZE_UNKNOWN, 32 * 1024,
            read_stream, self, NULL);
    if (!response)
        return MHD_NO;
    if (self->content_type)
        MHD_add_response_header(response, "Content-Type", self->content_type);
    if (self->answer == UPGRADE)
        MHD_add_response_header(response, "Upgrade", self->protocol);
    for (size_t i = 0; i < self->nheaders; i++)
        MHD_add_response_header(response, self->headers[i].name, self->headers[i].value);
    enum MHD_Result result = MHD_queue_response(self->connection, (unsigned)self->code, response);
    MHD_destroy_response(response);
    return result;
}

static struct kst_httpd_request *request_new(struct kst_httpd *server,
                                             struct MHD_Connection *connection, const char *url,
                                             const char *method)
{
    struct kst_httpd_request *self = kst_calloc(1, sizeof(*self));
    self->server = server;
    self->connection = connection;
    self->method = kst_strdup(method);
    self->path = kst_strdup(url);
    self->fd = -1;
    self->mute_fds[0] = self->mute_fds[1] = -1;
    kst_buf_init(&self->body, server->body_bytes);
    kst_buf_init(&self->out, ANSWER_BYTES);
    kst_buf_init(&self->early, BODY_BYTES);
    self->next = server->requests;
    if (self->next)
        self->next->previous = self;
    server->requests = self;
    return self;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *len, void **con_cls)
{
    struct kst_httpd *server = arg;
    struct kst_httpd_request *self = *con_cls;
    if (server->stopping)
        return MHD_NO;
    if (!self) {
        *con_cls = request_new(server, connection, url, method);
        return MHD_YES;
    }
    if (*len > 0) {
        if (kst_buf_add(&self->body, data, *len) < 0)
            self->too_large = true;
        *len = 0;
        return MHD_YES;
    }
    if (self->answer != NONE)
        return send_answer(self);
    if (!self->running) {
        self->running = true;
        server->running++;
        kst_fiber_detach(kst_fiber_spawn(server->loop, "request", run_handler, self));
    }
    self->suspended = true;
    MHD_suspend_connection(connection);
    return MHD_YES;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode code)
{
    struct kst_httpd_request *self = *con_cls;
    *con_cls = NULL;
    if (!self)
        return;
    self->connection = NULL;
    if (self->running)
        set_gone(self);
    else
        request_free(self);
}

/* MHD does not look at connections that wait for us: clients that went away are found here. */
static void on_sweep(void *arg)
{
    struct kst_httpd *self = arg;
    self->sweep = NULL;
    /* To resume may end other requests: begin again after each. */
    for (struct kst_httpd_request *r = self->requests; r;) {
        bool found = r->answer == STREAM && !r->stream_ended && kst_httpd_is_gone(r);
        if (found) {
            r->stream_ended = true;
            resume(r);
        }
        r = found ? self->requests : r->next;
    }
    if (!self->stopping)
        self->sweep = kst_timer_start(self->loop, kst_now_ms() + SWEEP_MS, on_sweep, self);
}

static void on_log(void *arg, const char *format, va_list args)
{
    kst_auto_buf text = KST_BUF_INIT(4096);
    kst_buf_addv(&text, format, args);
    kst_logf(KST_LOG_DEBUG, "http server: %.*s", (int)strcspn(text.data, "\n"), text.data);
}

/* ---- the server ---- */

static int start_daemon(struct kst_httpd *self, const struct sockaddr_in *address,
                        struct kst_err **err)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE |
                     MHD_USE_ERROR_LOG | (self->cert ? MHD_USE_TLS : 0);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, self->cert},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, self->key},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    self->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, self, MHD_OPTION_EXTERNAL_LOGGER, on_log, self,
        MHD_OPTION_SOCK_ADDR, (const struct sockaddr *)address, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, self, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
        self->idle_s, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_URI_LOG_CALLBACK, on_uri,
        NULL, MHD_OPTION_ARRAY, self->cert ? tls : none, MHD_OPTION_END);
    if (self->daemon)
        return 0;
    return kst_err_set(err, errno == EADDRINUSE ? KST_E_EXISTS : KST_E_IO,
                       "cannot listen on port %d: %s", ntohs(address->sin_port), strerror(errno));
}

int kst_httpd_new(struct kst_loop *loop, const struct kst_httpd_options *options,
                  struct kst_httpd **out, struct kst_err **err)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)options->port)};
    if (inet_pton(AF_INET, options->address, &address.sin_addr) != 1)
        return kst_err_set(err, KST_E_USAGE, "'%s' is no IPv4 address to listen on",
                           options->address);
    struct kst_httpd *self = kst_calloc(1, sizeof(*self));
    self->loop = loop;
    self->handle = options->handle;
    self->arg = options->arg;
    self->body_bytes = options->body_bytes ? options->body_bytes : BODY_BYTES;
    self->idle_s = options->idle_s ? options->idle_s : IDLE_S;
    self->cert = options->key_pem ? kst_strdup(options->cert_pem) : NULL;
    self->key = options->cert_pem ? kst_strdup(options->key_pem) : NULL;
    int rc = start_daemon(self, &address, err);
    if (rc == 0) {
        self->epoll_fd = MHD_get_daemon_info(self->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
        self->port = MHD_get_daemon_info(self->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
        rc = kst_loop_watch_fd(loop, self->epoll_fd, POLLIN, on_readable, self, err);
    }
    if (rc < 0) {
        kst_httpd_free(self);
        return rc;
    }
    self->sweep = kst_timer_start(loop, kst_now_ms() + SWEEP_MS, on_sweep, self);
    *out = self;
    return 0;
}

int kst_httpd_port(const struct kst_httpd *self)
{
    return self->port;
}

void kst_httpd_stop(struct kst_httpd *self)
{
    self->stopping = true;
    for (struct kst_httpd_request *r = self->requests; r; r = r->next)
        set_gone(r);
    while (self->running > 0)
        kst_cond_wait(&self->idle, KST_NEVER, NULL);
}

void kst_httpd_free(struct kst_httpd *self)
{
    if (!self)
        return;
    self->stopping = true;
    kst_timer_stop(self->timer);
    kst_timer_stop(self->sweep);
    if (self->daemon) {
        kst_loop_watch_fd(self->loop, self->epoll_fd, 0, NULL, NULL, NULL);
        self->turning = true; /* no turn of what is being stopped */
        for (struct kst_httpd_request *r = self->requests; r; r = r->next)
            if (r->suspended && r->connection) {
                r->suspended = false;
                r->answer = RESET;
                MHD_resume_connection(r->connection);
            }
        MHD_stop_daemon(self->daemon);
    }
    kst_cond_release(&self->idle);
    free(self->cert);
    if (self->key)
        kst_free_secret(self->key, strlen(self->key));
    free(self);
}

/* ---- the request ---- */

const char *kst_httpd_method(const struct kst_httpd_request *self)
{
    return self->method;
}

const char *kst_httpd_path(const struct kst_httpd_request *self)
{
    return self->path;
}

const char *kst_httpd_header(const struct kst_httpd_request *self, const char *name)
{
    return self->connection ? MHD_lookup_connection_value(self->connection, MHD_HEADER_KIND, name)
                            : NULL;
}

struct lookup {
    const char *name, *value;
    size_t left;
};

static enum MHD_Result look(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
    struct lookup *lookup = arg;
    if (!key || strcmp(key, lookup->name) != 0 || lookup->left-- > 0)
        return MHD_YES;
    lookup->value = value ? value : "";
    return MHD_NO;
}

const char *kst_httpd_query_at(const struct kst_httpd_request *self, const char *name, size_t index)
{
    struct lookup lookup = {.name = name, .left = index};
    if (self->connection)
        MHD_get_connection_values(self->connection, MHD_GET_ARGUMENT_KIND, look, &lookup);
    return lookup.value;
}

const char *kst_httpd_query(const struct kst_httpd_request *self, const char *name)
{
    return kst_httpd_query_at(self, name, 0);
}

struct kst_str kst_httpd_body(const struct kst_httpd_request *self)
{
    return kst_str_buf(&self->body);
}

bool kst_httpd_body_too_large(const struct kst_httpd_request *self)
{
    return self->too_large;
}

bool kst_httpd_is_gone(struct kst_httpd_request *self)
{
    if (self->gone || !self->connection || self->upgraded || self->tls)
        return self->gone;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        self->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct pollfd fd = {.fd = info ? info->connect_fd : -1, .events = POLLRDHUP};
    if (poll(&fd, 1, 0) > 0 && (fd.revents & (POLLRDHUP | POLLHUP | POLLERR)))
        set_gone(self);
    return self->gone;
}

/* ---- answers ---- */

void kst_httpd_add_header(struct kst_httpd_request *self, const char *name, const char *value)
{
    assert(self->nheaders < MAX_HEADERS && self->answer == NONE);
    self->headers[self->nheaders].name = kst_strdup(name);
    self->headers[self->nheaders++].value = kst_strdup(value);
}

static void begin(struct kst_httpd_request *self, enum answer answer, int code,
                  const char *content_type)
{
    assert(self->answer == NONE && self->running);
    self->answer = answer;
    self->code = code;
    self->content_type = kst_strdup(content_type);
}

void kst_httpd_reply(struct kst_httpd_request *self, int code, const char *content_type,
                     const void *data, size_t len)
{
    begin(self, REPLY, code, content_type);
    kst_buf_add(&self->out, data, len);
    resume(self);
}

void kst_httpd_stream_begin(struct kst_httpd_request *self, int code, const char *content_type)
{
    begin(self, STREAM, code, content_type);
    resume(self);
}

int kst_httpd_stream_write(struct kst_httpd_request *self, const void *data, size_t len,
                           struct kst_err **err)
{
    assert(self->answer == STREAM);
    while (!self->gone && self->out.len - self->out_at >= STREAM_AHEAD) {
        int rc = kst_cond_wait(&self->drained, KST_NEVER, err);
        if (rc < 0)
            return rc;
    }
    if (self->gone)
        return kst_err_set(err, KST_E_CLOSED, "the client went away");
    if (self->out_at > STREAM_AHEAD) {
        kst_buf_drop(&self->out, self->out_at);
        self->out_at = 0;
    }
    int rc = kst_buf_add(&self->out, data, len);
    if (rc < 0)
        return kst_err_set(err, rc, "an event of %zu bytes is too large to be sent", len);
    resume(self);
    return 0;
}

void kst_httpd_stream_end(struct kst_httpd_request *self)
{
    self->stream_ended = true;
    resume(self);
}

void kst_httpd_on_gone(struct kst_httpd_request *self, void (*call)(void *arg), void *arg)
{
    self->on_gone = call;
    self->on_gone_arg = arg;
}

/* With TLS: MHD's connection stays suspended, and does nothing with the session meanwhile. A client
 * says nothing before it is answered. */
static int take_session(struct kst_httpd_request *self, const char *protocol, int *fd,
                        struct kst_str *early, struct kst_err **err)
{
    kst_auto_buf head = KST_BUF_INIT(POOL_BYTES);
    kst_buf_addf(&head,
                 "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n",
                 protocol);
    for (size_t i = 0; i < self->nheaders; i++)
        kst_buf_addf(&head, "%s: %s\r\n", self->headers[i].name, self->headers[i].value);
    kst_buf_adds(&head, "\r\n");
    begin(self, TAKEN, MHD_HTTP_SWITCHING_PROTOCOLS, NULL);
    if (!self->connection)
        return kst_err_set(err, KST_E_CLOSED, "the client went away");
    void *session =
        MHD_get_connection_info(self->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;
    int socket =
        MHD_get_connection_info(self->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    *early = (struct kst_str){.data = "", .len = 0};
    return kst_httpd_tls_take(self->server->loop, session, socket, head.data, &self->tls, fd, err);
}

int kst_httpd_upgrade(struct kst_httpd_request *self, const char *protocol, int *fd,
                      struct kst_str *early, struct kst_err **err)
{
    if (self->server->cert && !self->mute)
        return take_session(self, protocol, fd, early, err);
    begin(self, UPGRADE, MHD_HTTP_SWITCHING_PROTOCOLS, NULL);
    self->protocol = kst_strdup(protocol);
    resume(self);
    while (!self->upgraded && !self->gone) {
        int rc = kst_cond_wait(&self->switched, KST_NEVER, err);
        if (rc < 0)
            return rc;
    }
    if (!self->upgraded)
        return kst_err_set(err, KST_E_CLOSED, "the client went away");
    if (self->mute &&
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, self->mute_fds) < 0)
        return kst_err_set(err, KST_E_IO, "no socket pair can be made: %s", strerror(errno));
    if (self->mute)
        self->mute_timer = kst_timer_start(self->server->loop, kst_now_ms() + MUTE_MS, end_mute,
                                           self);
    *fd = self->mute ? self->mute_fds[0] : self->fd;
    *early = kst_str_buf(&self->early);
    return 0;
}

void kst_httpd_mute(struct kst_httpd_request *self, bool reset)
{
    self->mute = true;
    self->mute_reset = reset;
}

void kst_httpd_reset(struct kst_httpd_request *self)
{
    if (self->answer == NONE)
        begin(self, RESET, 0, NULL);
    else if (self->connection)
        abort_connection(self->connection);
    self->stream_broken = true;
    self->stream_ended = true;
    resume(self);
}

void kst_httpd_truncate(struct kst_httpd_request *self, int code, const char *content_type,
                        const void *data, size_t len)
{
    begin(self, TRUNCATE, code, content_type);
    kst_buf_add(&self->out, data, len / 2);
    resume(self);
}
