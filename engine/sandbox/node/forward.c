/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port forwarding: portforward.k8s.io over SPDY/3.1. For each connection the client opens a pair of
 * streams, error and data, of the same requestID, and names the port: one of the Pod's loopback.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/node/internal.h"
#include "sandbox/server/httpd.h"
#include "sandbox/server/spdy.h"

#define PROTOCOL "portforward.k8s.io"

enum {
    CHUNK = 32 * 1024,
    AHEAD = 256 * 1024, /* not yet taken by the client, before a connection waits */
    OUT_BYTES = 64 * 1024 * 1024,
    CONNECT_MS = 5000,
};

struct forward;

struct link {
    struct forward *forward;
    struct link *next;
    char *request;
    uint32_t error, data; /* streams; 0: not opened */
    int to, from;         /* the connection: to write and to read; -1: none */
    struct kst_fiber *fiber;
};

struct forward {
    struct kst_node *node;
    const char *ns, *pod;
    int fd, write_fd;
    struct kst_spdy *frames;
    struct kst_buf out;
    struct kst_cond more, drained;
    bool gone;
    struct link *links;
};

/* ---- to the client ---- */

static int write_out(void *arg, struct kst_err **err)
{
    struct forward *self = arg;
    while (!self->gone) {
        if (self->out.len == 0) {
            kst_cond_signal(&self->drained);
            if (kst_cond_wait(&self->more, KST_NEVER, NULL) < 0)
                break;
            continue;
        }
        ssize_t wrote = send(self->write_fd, self->out.data, self->out.len, MSG_NOSIGNAL);
        if (wrote > 0)
            kst_buf_drop(&self->out, (size_t)wrote);
        else if (errno != EAGAIN || kst_wait_fd(self->write_fd, POLLOUT, KST_NEVER, NULL) < 0)
            break;
        if (self->out.len < AHEAD)
            kst_cond_signal(&self->drained);
    }
    self->gone = true;
    kst_cond_signal(&self->drained);
    return 0;
}

static void say(struct link *link, uint32_t stream, unsigned flags, const char *data, size_t len)
{
    if (stream)
        kst_spdy_put_data(&link->forward->out, stream, flags, data, len);
    kst_cond_signal(&link->forward->more);
}

/* What the port says, until it has nothing more to say; then both streams end. */
static int move_back(void *arg, struct kst_err **err)
{
    struct link *link = arg;
    struct forward *self = link->forward;
    kst_auto_free char *chunk = kst_malloc(CHUNK);
    for (;;) {
        ssize_t got = read(link->from, chunk, CHUNK);
        if (got > 0) {
            say(link, link->data, 0, chunk, (size_t)got);
            while (!self->gone && self->out.len >= AHEAD)
                if (kst_cond_wait(&self->drained, KST_NEVER, NULL) < 0)
                    return 0;
        } else if (got == 0 || errno != EAGAIN ||
                   kst_wait_fd(link->from, POLLIN, KST_NEVER, NULL) < 0) {
            break;
        }
    }
    say(link, link->data, KST_SPDY_FIN, NULL, 0);
    say(link, link->error, KST_SPDY_FIN, NULL, 0);
    return 0;
}

/* ---- from the client ---- */

static struct link *link_of(struct forward *self, struct kst_str request)
{
    for (struct link *link = self->links; link; link = link->next)
        if (kst_str_eq(request, link->request))
            return link;
    struct link *link = kst_calloc(1, sizeof(*link));
    *link = (struct link){.forward = self,
                          .next = self->links,
                          .request = kst_strndup(request.data, request.len),
                          .to = -1,
                          .from = -1};
    self->links = link;
    return link;
}

static struct link *link_with(struct forward *self, uint32_t data)
{
    struct link *link = self->links;
    while (link && link->data != data)
        link = link->next;
    return link;
}

/* A connection to a port of the Pod, or -1 with errno. */
static int connect_port(struct forward *self, long long port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct kst_pod *pod = kst_pod_find(self->node, self->ns, self->pod);
    int fd = -1, error = 0;
    socklen_t size = sizeof(error);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    errno = ENOENT;
    if (!pod || !pod->group || kst_container_group_socket(pod->group, AF_INET, &fd, NULL) < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    error = errno;
    if (error == EINPROGRESS && kst_wait_fd(fd, POLLOUT, kst_now_ms() + CONNECT_MS, NULL) >= 0 &&
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

static void open_link(struct link *link, struct kst_str port)
{
    struct forward *self = link->forward;
    kst_auto_free char *text = kst_strndup(port.data, port.len);
    long long number = 0;
    bool known = kst_parse_int(text, &number) && number > 0 && number < 65536;
    link->to = known ? connect_port(self, number) : -1;
    if (link->to < 0) {
        kst_auto_free char *why = kst_asprintf(
            "error forwarding port %s to pod %s: failed to connect to localhost:%s: %s", text,
            self->pod, text, known ? strerror(errno) : "it is no port");
        say(link, link->error, KST_SPDY_FIN, why, strlen(why));
        say(link, link->data, KST_SPDY_FIN, NULL, 0);
        return;
    }
    link->from = fcntl(link->to, F_DUPFD_CLOEXEC, 3);
    link->fiber = kst_fiber_spawn(self->node->loop, "forward", move_back, link);
}

static void take_stream(struct forward *self, const struct kst_spdy_frame *frame)
{
    struct kst_str type = {0}, port = {0}, request = {0};
    bool named = kst_spdy_header(frame, "streamtype", &type) &&
                 kst_spdy_header(frame, "port", &port) &&
                 kst_spdy_header(frame, "requestid", &request);
    bool data = named && kst_str_eq(type, "data");
    struct link *link = named ? link_of(self, request) : NULL;
    if (!link || (!data && !kst_str_eq(type, "error")) || (data ? link->data : link->error)) {
        kst_spdy_put_control(&self->out, KST_SPDY_RST_STREAM, frame->stream,
                             KST_SPDY_REFUSED_STREAM);
        return;
    }
    kst_spdy_put_headers(self->frames, &self->out, KST_SPDY_SYN_REPLY, 0, frame->stream, NULL, 0);
    if (!data) {
        link->error = frame->stream;
        return;
    }
    link->data = frame->stream;
    open_link(link, port);
}

static void take_data(struct forward *self, const struct kst_spdy_frame *frame)
{
    struct link *link = link_with(self, frame->stream);
    const char *at = frame->data.data;
    size_t left = frame->data.len;
    while (link && link->to >= 0 && left > 0) {
        ssize_t wrote = send(link->to, at, left, MSG_NOSIGNAL);
        if (wrote > 0) {
            at += wrote;
            left -= (size_t)wrote;
        } else if (errno != EAGAIN || kst_wait_fd(link->to, POLLOUT, KST_NEVER, NULL) < 0) {
            break;
        }
    }
    if (link && link->to >= 0 && (frame->flags & KST_SPDY_FIN))
        shutdown(link->to, SHUT_WR);
}

static void take_frame(struct forward *self, const struct kst_spdy_frame *frame)
{
    struct link *link = link_with(self, frame->stream);
    if (frame->type == KST_SPDY_SYN_STREAM)
        take_stream(self, frame);
    else if (frame->type == KST_SPDY_DATA)
        take_data(self, frame);
    else if (frame->type == KST_SPDY_RST_STREAM && link && link->to >= 0)
        shutdown(link->to, SHUT_RDWR);
    else if (frame->type == KST_SPDY_PING && frame->value % 2 == 1)
        kst_spdy_put_control(&self->out, KST_SPDY_PING, frame->value, 0);
    else if (frame->type == KST_SPDY_GOAWAY)
        self->gone = true;
}

static int take_bytes(struct forward *self, const char *data, size_t len)
{
    struct kst_spdy_frame frame;
    int rc;
    while ((rc = kst_spdy_next(self->frames, &data, &len, &frame, NULL)) > 0)
        take_frame(self, &frame);
    kst_cond_signal(&self->more);
    return rc;
}

static void serve(struct forward *self, struct kst_str early)
{
    kst_auto_free char *chunk = kst_malloc(CHUNK);
    if (take_bytes(self, early.data, early.len) < 0)
        return;
    while (!self->gone) {
        ssize_t got = read(self->fd, chunk, CHUNK);
        if (got > 0) {
            if (take_bytes(self, chunk, (size_t)got) < 0)
                return;
        } else if (got == 0 || errno != EAGAIN ||
                   kst_wait_fd(self->fd, POLLIN, KST_NEVER, NULL) < 0) {
            return;
        }
    }
}

static void release(struct forward *self, struct kst_fiber *writer)
{
    struct link *link;
    self->gone = true;
    for (link = self->links; link; link = link->next)
        if (link->fiber) {
            kst_fiber_cancel(link->fiber);
            kst_fiber_join(link->fiber, NULL);
        }
    kst_fiber_cancel(writer);
    kst_fiber_join(writer, NULL);
    while ((link = self->links)) {
        self->links = link->next;
        if (link->to >= 0)
            close(link->to);
        if (link->from >= 0)
            close(link->from);
        free(link->request);
        free(link);
    }
    if (self->write_fd >= 0)
        close(self->write_fd);
    kst_spdy_free(self->frames);
    kst_buf_release(&self->out);
    kst_cond_release(&self->more);
    kst_cond_release(&self->drained);
}

/* ---- the request ---- */

/* Also where the server stops. */
static void on_gone(void *arg)
{
    struct forward *self = arg;
    shutdown(self->fd, SHUT_RDWR);
}

static bool offers(const struct kst_httpd_request *request)
{
    const char *upgrade = kst_httpd_header(request, "Upgrade");
    const char *protocols = kst_httpd_header(request, "X-Stream-Protocol-Version");
    return upgrade && strcasecmp(upgrade, "SPDY/3.1") == 0 && protocols &&
           strstr(protocols, PROTOCOL);
}

void kst_node_forward(void *arg, struct kst_httpd_request *request, const struct kst_object *object)
{
    static const char refused[] = "unable to upgrade: expected SPDY/3.1 and " PROTOCOL "\n";
    struct kst_node *node = arg;
    struct forward self = {.node = node,
                           .ns = object->ns,
                           .pod = object->name,
                           .frames = kst_spdy_new(),
                           .fd = -1,
                           .write_fd = -1,
                           .out = KST_BUF_INIT(OUT_BYTES)};
    struct kst_str early;
    struct kst_fiber *writer = NULL;
    if (!offers(request)) {
        kst_httpd_reply(request, 400, "text/plain; charset=utf-8", refused, strlen(refused));
        kst_spdy_free(self.frames);
        return;
    }
    kst_httpd_add_header(request, "X-Stream-Protocol-Version", PROTOCOL);
    if (kst_httpd_upgrade(request, "SPDY/3.1", &self.fd, &early, NULL) == 0) {
        self.write_fd = fcntl(self.fd, F_DUPFD_CLOEXEC, 3);
        writer = kst_fiber_spawn(node->loop, "forward out", write_out, &self);
        kst_httpd_on_gone(request, on_gone, &self);
        serve(&self, early);
        kst_httpd_on_gone(request, NULL, NULL);
        release(&self, writer);
    } else {
        kst_spdy_free(self.frames);
    }
}
