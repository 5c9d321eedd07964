/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

enum { MOST = 64, REQUEST_BYTES = 16 * 1024 * 1024 };

struct connection {
    int fd;
    unsigned number;
};

struct fake_http {
    fake_http_fn *fn;
    void *arg;
    char *url;
    int listener;
    int stop[2];
    pthread_t thread;
    atomic_uint count;
    unsigned accepted;
    struct connection connections[MOST];
    size_t connection_count;
};

static void send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

/* A close that the peer sees as a reset. */
static void reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* Sends the answer; false where the connection ends with it. */
static bool send_answer(int fd, struct fake_http_answer *answer)
{
    if (answer->delay_ms)
        usleep((useconds_t)answer->delay_ms * 1000);
    if (answer->way == FAKE_HTTP_RESET) {
        reset(fd);
        return false;
    }
    if (answer->talk) {
        kst_auto_buf head = KST_BUF_INIT(REQUEST_BYTES);
        kst_buf_addf(&head, "HTTP/1.1 %d Scripted\r\n%s\r\n", answer->status,
                     answer->headers ? answer->headers : "");
        if (answer->status)
            send_all(fd, head.data, head.len);
        answer->talk(answer->talk_arg, fd);
        return false;
    }
    size_t len = answer->body ? strlen(answer->body) : 0;
    kst_auto_buf head = KST_BUF_INIT(REQUEST_BYTES);
    kst_buf_addf(&head, "HTTP/1.1 %d Scripted\r\nContent-Type: %s\r\n%s", answer->status,
                 answer->content_type, answer->headers ? answer->headers : "");
    if (answer->way == FAKE_HTTP_UNTIL_CLOSE)
        kst_buf_adds(&head, "Connection: close\r\n\r\n");
    else
        kst_buf_addf(&head, "Content-Length: %zu\r\n\r\n", len);
    kst_buf_add(&head, answer->body ? answer->body : "",
                answer->way == FAKE_HTTP_HALF ? len / 2 : len);
    send_all(fd, head.data, head.len);
    /* What came is read before the end is seen. */
    if (answer->way == FAKE_HTTP_HALF)
        usleep(50 * 1000);
    return answer->way == FAKE_HTTP_WHOLE;
}

static size_t content_length(const char *headers)
{
    const char *at = strcasestr(headers, "\r\ncontent-length:");
    return at ? strtoul(at + strlen("\r\ncontent-length:"), NULL, 10) : 0;
}

/* Reads one request into `in`; false at the connection's end. *body is where its body begins. */
static bool read_request(int fd, struct kst_buf *in, size_t *body)
{
    char *end = NULL;
    for (;;) {
        end = strstr(in->data, "\r\n\r\n");
        if (end && in->len >= (size_t)(end - in->data) + 4 + content_length(in->data))
            break;
        char chunk[8192];
        ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
        if (n <= 0 || kst_buf_add(in, chunk, (size_t)n) < 0)
            return false;
    }
    *body = (size_t)(end - in->data) + 4;
    return true;
}

static bool serve(struct fake_http *self, struct connection *connection)
{
    kst_auto_buf in = KST_BUF_INIT(REQUEST_BYTES);
    size_t body;
    if (!read_request(connection->fd, &in, &body))
        return false;
    char *target = strchr(in.data, ' '), *version = target ? strchr(target + 1, ' ') : NULL;
    char *headers = strstr(in.data, "\r\n");
    if (!version || headers < version)
        return false;
    *target++ = '\0';
    *version = '\0';
    in.data[body - 2] = '\0';
    struct fake_http_request request = {
        .method = in.data,
        .target = target,
        .headers = headers + 2,
        .body = in.data + body,
        .body_len = in.len - body,
        .index = atomic_load(&self->count),
        .connection = connection->number,
    };
    struct fake_http_answer answer = {.status = 200, .content_type = "application/json"};
    self->fn(self->arg, &request, &answer);
    atomic_fetch_add(&self->count, 1);
    bool stays = send_answer(connection->fd, &answer);
    free(answer.headers);
    free(answer.body);
    return stays;
}

static void drop(struct fake_http *self, size_t index)
{
    close(self->connections[index].fd);
    self->connections[index] = self->connections[--self->connection_count];
}

static void *run(void *arg)
{
    struct fake_http *self = arg;
    for (;;) {
        struct pollfd fds[MOST + 2] = {{.fd = self->stop[0], .events = POLLIN},
                                       {.fd = self->listener, .events = POLLIN}};
        for (size_t i = 0; i < self->connection_count; i++)
            fds[i + 2] = (struct pollfd){.fd = self->connections[i].fd, .events = POLLIN};
        size_t watched = self->connection_count;
        if (poll(fds, watched + 2, -1) < 0 && errno != EINTR)
            break;
        if (fds[0].revents)
            break;
        for (size_t i = watched; i-- > 0;)
            if (fds[i + 2].revents && !serve(self, &self->connections[i]))
                drop(self, i);
        if (fds[1].revents && self->connection_count < MOST) {
            int fd = accept(self->listener, NULL, NULL);
            if (fd >= 0)
                self->connections[self->connection_count++] = (struct connection){
                    .fd = fd, .number = self->accepted++};
        }
    }
    while (self->connection_count > 0)
        drop(self, 0);
    return NULL;
}

struct fake_http *fake_http_start(fake_http_fn *fn, void *arg)
{
    struct fake_http *self = kst_calloc(1, sizeof(*self));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    self->fn = fn;
    self->arg = arg;
    self->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = bind(self->listener, (struct sockaddr *)&address, sizeof(address));
    rc = rc ? rc : listen(self->listener, MOST);
    rc = rc ? rc : getsockname(self->listener, (struct sockaddr *)&address, &len);
    rc = rc ? rc : pipe(self->stop);
    self->url = kst_asprintf("http://127.0.0.1:%d", ntohs(address.sin_port));
    rc = rc ? rc : pthread_create(&self->thread, NULL, run, self);
    if (rc)
        abort();
    return self;
}

const char *fake_http_url(const struct fake_http *self)
{
    return self->url;
}

unsigned fake_http_count(struct fake_http *self)
{
    return atomic_load(&self->count);
}

void fake_http_stop(struct fake_http *self)
{
    close(self->stop[1]);
    pthread_join(self->thread, NULL);
    close(self->stop[0]);
    close(self->listener);
    free(self->url);
    free(self);
}

bool fake_http_has_header(const struct fake_http_request *request, const char *name,
                          const char *value)
{
    size_t name_len = strlen(name), value_len = strlen(value);
    for (const char *line = request->headers; line && *line;) {
        if (strncasecmp(line, name, name_len) == 0 && strncmp(line + name_len, ": ", 2) == 0 &&
            strncmp(line + name_len + 2, value, value_len) == 0 &&
            line[name_len + 2 + value_len] == '\r')
            return true;
        line = strstr(line, "\r\n");
        line = line ? line + 2 : NULL;
    }
    return false;
}
