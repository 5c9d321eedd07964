/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/server/httpd_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"

enum { CHUNK = 64 * 1024, LAST_WORDS_MS = 5000 };

/* Two fibers, a direction each; a descriptor is waited for by one fiber, hence two of each. */
struct kst_httpd_tls {
    gnutls_session_t session;
    int handed;            /* the handler's end of the pair */
    int inner[2], peer[2]; /* ours, and the connection: [0] to read, [1] to write */
    char *head;
    struct kst_fiber *in, *out;
    struct kst_cond sent; /* the fiber out has ended */
};

static bool is_busy(ssize_t rc)
{
    return rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED;
}

/* False where it cannot be waited for any more. */
static bool wait_for(int fd, int events)
{
    return kst_wait_fd(fd, events, KST_NEVER, NULL) >= 0;
}

static bool write_inner(struct kst_httpd_tls *self, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t wrote = send(self->inner[1], data, len, MSG_NOSIGNAL);
        if (wrote > 0) {
            data += wrote;
            len -= (size_t)wrote;
        } else if (errno != EAGAIN || !wait_for(self->inner[1], POLLOUT)) {
            return false;
        }
    }
    return true;
}

static int move_in(void *arg, struct kst_err **err)
{
    struct kst_httpd_tls *self = arg;
    kst_auto_free char *chunk = kst_malloc(CHUNK);
    bool open = true;
    while (open) {
        ssize_t got = gnutls_record_recv(self->session, chunk, CHUNK);
        if (got > 0)
            open = write_inner(self, chunk, (size_t)got);
        else
            open = is_busy(got) && wait_for(self->peer[0], POLLIN);
    }
    shutdown(self->inner[1], SHUT_WR); /* the client said its last */
    return 0;
}

static bool write_peer(struct kst_httpd_tls *self, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t wrote = gnutls_record_send(self->session, data, len);
        while (is_busy(wrote)) { /* the same record again, without its data */
            if (!wait_for(self->peer[1], POLLOUT))
                return false;
            wrote = gnutls_record_send(self->session, NULL, 0);
        }
        if (wrote <= 0)
            return false;
        data += wrote;
        len -= (size_t)wrote;
    }
    return true;
}

static int move_out(void *arg, struct kst_err **err)
{
    struct kst_httpd_tls *self = arg;
    kst_auto_free char *chunk = kst_malloc(CHUNK);
    bool open = write_peer(self, self->head, strlen(self->head));
    while (open) {
        ssize_t got = read(self->inner[0], chunk, CHUNK);
        if (got > 0)
            open = write_peer(self, chunk, (size_t)got);
        else
            open = got < 0 && errno == EAGAIN && wait_for(self->inner[0], POLLIN);
    }
    shutdown(self->inner[0], SHUT_RD); /* nobody hears the handler any more */
    kst_cond_signal(&self->sent);
    return 0;
}

static void close_all(struct kst_httpd_tls *self)
{
    const int fds[] = {self->handed, self->inner[0], self->inner[1], self->peer[0], self->peer[1]};
    for (size_t i = 0; i < KST_ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    kst_cond_release(&self->sent);
    free(self->head);
    free(self);
}

int kst_httpd_tls_take(struct kst_loop *loop, void *session, int socket, const char *head,
                       struct kst_httpd_tls **out, int *fd, struct kst_err **err)
{
    struct kst_httpd_tls *self = kst_calloc(1, sizeof(*self));
    int pair[2] = {-1, -1};
    bool made = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0;
    self->session = session;
    self->head = kst_strdup(head);
    self->handed = pair[0];
    self->inner[0] = pair[1];
    self->inner[1] = made ? fcntl(pair[1], F_DUPFD_CLOEXEC, 3) : -1;
    for (int i = 0; i < 2; i++)
        self->peer[i] = fcntl(socket, F_DUPFD_CLOEXEC, 3);
    if (!made || self->inner[1] < 0 || self->peer[0] < 0 || self->peer[1] < 0) {
        kst_err_set(err, KST_E_IO, "no socket pair can be made: %s", strerror(errno));
        close_all(self);
        return KST_E_IO;
    }
    self->in = kst_fiber_spawn(loop, "tls in", move_in, self);
    self->out = kst_fiber_spawn(loop, "tls out", move_out, self);
    *fd = self->handed;
    *out = self;
    return 0;
}

void kst_httpd_tls_end(struct kst_httpd_tls *self)
{
    if (!self)
        return;
    close(self->handed);
    self->handed = -1;
    if (!kst_fiber_ended(self->out))
        kst_cond_wait(&self->sent, kst_now_ms() + LAST_WORDS_MS, NULL);
    kst_fiber_cancel(self->out);
    kst_fiber_join(self->out, NULL);
    kst_fiber_cancel(self->in);
    kst_fiber_join(self->in, NULL);
    close_all(self);
}
