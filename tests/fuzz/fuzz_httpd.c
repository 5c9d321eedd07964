/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client may send to the HTTP server of the embedded cluster. The first byte of an input
 * says how many bytes come at a time; the rest is sent on a connection of its own, which is reset
 * once nothing comes any more. Paths choose the answer: /stream, /upgrade, /reset, /truncate,
 * /nothing, any other a whole one. The server answers in HTTP, and serves nobody who is gone.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "sandbox/server/httpd.h"

enum {
    INPUT_BYTES = 256 * 1024,
    BODY_BYTES = 4096,
    ANSWER_BYTES = 16 * 1024 * 1024,
    QUIET_MS = 20,
    WAIT_MS = 5000,
    PIECES = 64, /* then the rest at once */
};

static int served; /* requests, now */

struct input {
    struct kst_httpd *server;
    const uint8_t *data;
    size_t size;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the server's side ---- */

static void stream(struct kst_httpd_request *request)
{
    kst_httpd_stream_begin(request, 200, "text/plain");
    for (int i = 0; i < 3; i++)
        if (kst_httpd_stream_write(request, "some text\n", 10, NULL) < 0)
            return;
    kst_httpd_stream_end(request);
}

/* Sends back what came with the request. */
static void upgrade(struct kst_httpd_request *request)
{
    int fd;
    struct kst_str early;
    if (kst_httpd_upgrade(request, "websocket", &fd, &early, NULL) == 0 && early.len > 0 &&
        send(fd, early.data, early.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EBADF)
        abort();
}

static void handle(void *arg, struct kst_httpd_request *request)
{
    const char *path = kst_httpd_path(request), *query = kst_httpd_query(request, "a");
    const char *type = kst_httpd_header(request, "Content-Type");
    struct kst_str body = kst_httpd_body(request);
    if (!*kst_httpd_method(request) || !path || body.len > BODY_BYTES || body.data[body.len] ||
        (query && !kst_httpd_query_at(request, "a", 0)) ||
        (!query && kst_httpd_query_at(request, "a", 1)))
        abort();
    served++;
    if (strcmp(path, "/stream") == 0)
        stream(request);
    else if (strcmp(path, "/upgrade") == 0)
        upgrade(request);
    else if (strcmp(path, "/reset") == 0)
        kst_httpd_reset(request);
    else if (strcmp(path, "/truncate") == 0)
        kst_httpd_truncate(request, 200, "text/plain", path, strlen(path));
    else if (strcmp(path, "/nothing") != 0)
        kst_httpd_reply(request, kst_httpd_body_too_large(request) ? 413 : 200,
                        type ? "application/json" : "text/plain", path, strlen(path));
    served--;
}

/* ---- the client's ---- */

static int open_connection(int port)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        abort();
    /* Thousands of these would else keep their ports for a minute. */
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    return fd;
}

/* False at the end of the connection. */
static bool receive(int fd, struct kst_buf *answer)
{
    char piece[4096];
    ssize_t count = recv(fd, piece, sizeof(piece), 0);
    if (count > 0)
        kst_buf_add(answer, piece, (size_t)count);
    return count > 0 || (count < 0 && errno == EAGAIN);
}

static void talk(int fd, const uint8_t *data, size_t size, size_t piece, struct kst_buf *answer)
{
    bool open = true;
    for (int n = 0; size > 0 && open; n++) {
        size_t part = n < PIECES && piece < size ? piece : size;
        ssize_t count = send(fd, data, part, MSG_NOSIGNAL);
        if (count > 0) {
            data += count;
            size -= (size_t)count;
            kst_yield();
        } else if (errno != EAGAIN ||
                   kst_wait_fd(fd, POLLOUT | POLLIN, kst_deadline_in_ms(WAIT_MS), NULL) < 0) {
            break;
        }
        open = receive(fd, answer);
    }
    kst_yield(); /* the server reads what came before it sees the end */
    shutdown(fd, SHUT_WR);
    while (open && kst_wait_fd(fd, POLLIN, kst_deadline_in_ms(QUIET_MS), NULL) >= 0)
        open = receive(fd, answer);
}

static int run(void *arg, struct kst_err **err)
{
    struct input *input = arg;
    kst_auto_buf answer = KST_BUF_INIT(ANSWER_BYTES);
    int fd = open_connection(kst_httpd_port(input->server));
    talk(fd, input->data + 1, input->size - 1, (size_t)input->data[0] * 4 + 1, &answer);
    close(fd);
    int64_t deadline_ms = kst_deadline_in_ms(WAIT_MS);
    while (served > 0 && kst_now_ms() < deadline_ms)
        kst_sleep_ms(1, NULL);
    if (served > 0)
        abort(); /* for whom? */
    if (answer.len > 0 && !kst_str_has_prefix(kst_str_buf(&answer), "HTTP/1."))
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kst_loop *loop;
    static struct kst_httpd *server;
    const struct kst_httpd_options options = {
        .address = "127.0.0.1", .body_bytes = BODY_BYTES, .handle = handle};
    if (size < 2 || size > INPUT_BYTES)
        return 0;
    if (!loop &&
        (kst_loop_new(&loop, NULL) < 0 || kst_httpd_new(loop, &options, &server, NULL) < 0))
        abort();
    struct input input = {server, data, size};
    kst_loop_run(loop, "fuzz", run, &input, NULL);
    return 0;
}
