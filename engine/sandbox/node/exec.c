/* SPDX-License-Identifier: Apache-2.0 */
/* Commands in the containers of Pods, for clients of the API server. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/node/internal.h"
#include "sandbox/server/exec_request.h"
#include "sandbox/server/httpd.h"
#include "sandbox/server/remote.h"

enum { CHUNK = 32 * 1024 };

struct session {
    struct kst_remote *remote;
    struct kst_container_process *process;
    int in, out, errors, terminal;
};

/* ---- the streams ---- */

static int feed(void *arg, struct kst_err **err)
{
    struct session *self = arg;
    kst_auto_buf data = KST_BUF_INIT(CHUNK);
    int64_t got = 1;
    while (got > 0) {
        kst_buf_clear(&data);
        got = kst_remote_read(self->remote, &data, KST_NEVER, NULL);
        for (size_t at = 0; got > 0 && at < data.len;) {
            ssize_t wrote = write(self->in, data.data + at, data.len - at);
            if (wrote > 0)
                at += (size_t)wrote;
            else if (errno != EAGAIN || kst_wait_fd(self->in, POLLOUT, KST_NEVER, NULL) < 0)
                got = -1; /* it reads no more */
        }
    }
    close(self->in);
    self->in = -1;
    return 0;
}

struct drain {
    struct session *session;
    int *fd, stream;
};

static int drain(void *arg, struct kst_err **err)
{
    struct drain *self = arg;
    kst_auto_free char *chunk = kst_malloc(CHUNK);
    for (;;) {
        ssize_t got = read(*self->fd, chunk, CHUNK);
        if (got > 0) {
            if (kst_remote_write(self->session->remote, self->stream, chunk, (size_t)got, NULL) < 0)
                break;
        } else if (got == 0 || errno != EAGAIN ||
                   kst_wait_fd(*self->fd, POLLIN, KST_NEVER, NULL) < 0) {
            break;
        }
    }
    close(*self->fd);
    *self->fd = -1;
    return 0;
}

static void on_resize(void *arg, unsigned columns, unsigned rows)
{
    const struct session *self = arg;
    const struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    ioctl(self->terminal, TIOCSWINSZ, &size);
}

/* A client that goes away takes its command along, as far as a closed stdin does. */
static void converse(struct session *self, const char *const *command, struct kst_loop *loop)
{
    struct drain out = {.session = self, .fd = &self->out, .stream = 1};
    struct drain errors = {.session = self, .fd = &self->errors, .stream = 2};
    struct kst_fiber *feeder = NULL, *drains[2] = {NULL, NULL};
    int code = 0;
    if (self->in >= 0)
        feeder = kst_fiber_spawn(loop, "stdin", feed, self);
    if (self->out >= 0)
        drains[0] = kst_fiber_spawn(loop, "stdout", drain, &out);
    if (self->errors >= 0)
        drains[1] = kst_fiber_spawn(loop, "stderr", drain, &errors);
    int rc = kst_container_process_wait(self->process, &code, NULL);
    for (int i = 0; i < 2; i++)
        if (drains[i])
            kst_fiber_join(drains[i], NULL);
    if (feeder) {
        kst_fiber_cancel(feeder);
        kst_fiber_join(feeder, NULL);
    }
    kst_auto_json struct kst_json *status = rc == 0
                                                ? kst_remote_exit_status(code, command)
                                                : kst_remote_status(0, "the container has ended");
    kst_remote_on_resize(self->remote, NULL, NULL);
    kst_remote_finish(self->remote, status, NULL);
}

/* ---- the request ---- */

/* The container that is meant; NULL with *status otherwise. */
static struct kst_pod_container *choose(struct kst_pod *pod, struct kst_httpd_request *request,
                                        const struct kst_object *object, struct kst_json **status)
{
    const char *name = kst_httpd_query(request, "container");
    struct kst_pod_container *found = NULL;
    if (name && *name) {
        found = kst_pod_container_find(pod, name);
        if (!found)
            *status = kst_status_bad_request("container %s is not valid for pod %s", name,
                                             object->name);
        return found;
    }
    size_t count = 0;
    for (size_t i = 0; i < pod->ncontainers; i++)
        if (!pod->containers[i].init && count++ == 0)
            found = &pod->containers[i];
    if (count > 1) {
        *status = kst_status_bad_request("a container name must be specified for pod %s",
                                         object->name);
        return NULL;
    }
    return found;
}

static void run(struct kst_pod_container *container, struct kst_httpd_request *request,
                const struct kst_exec_request *asked)
{
    const struct kst_remote_streams streams = asked->streams;
    struct session session = {.in = -1, .out = -1, .errors = -1, .terminal = -1};
    struct kst_loop *loop = container->pod->node->loop;
    kst_auto_err struct kst_err *err = NULL;
    container->users++; /* from here on it stays */
    if (kst_exec_request_connect(request, asked, &session.remote) < 0)
        goto out;
    const struct kst_container_exec exec = {.command = asked->command,
                                            .in = streams.in,
                                            .out = streams.out,
                                            .errors = streams.errors && !streams.tty,
                                            .tty = streams.tty};
    int rc = kst_pod_await_release(container->pod, &err);
    if (rc == 0 && container->process)
        rc = kst_container_exec_start(container->process, &exec, &session.process, &err);
    else if (rc == 0)
        rc = kst_err_set(&err, KST_E_CLOSED, "container %s is not running", container->name);
    if (rc < 0) {
        kst_auto_json struct kst_json *status = kst_remote_status(0, kst_err_message(err));
        kst_remote_finish(session.remote, status, NULL);
    } else {
        session.in = kst_container_process_fd(session.process, 0);
        session.out = kst_container_process_fd(session.process, 1);
        session.errors = kst_container_process_fd(session.process, 2);
        session.terminal = session.out;
        if (streams.tty)
            kst_remote_on_resize(session.remote, on_resize, &session);
        converse(&session, asked->command, loop);
    }
    kst_container_process_free(session.process);
out:
    if (--container->users == 0)
        kst_cond_signal(&container->unused);
    kst_remote_free(session.remote);
}

void kst_node_exec(void *arg, struct kst_httpd_request *request, const struct kst_object *object)
{
    struct kst_node *self = arg;
    struct kst_pod *pod = kst_pod_find(self, object->ns, object->name);
    struct kst_json *status = NULL;
    struct kst_exec_request asked;
    kst_exec_request_read(request, &asked);
    struct kst_pod_container *container = pod ? choose(pod, request, object, &status) : NULL;
    if (!status && asked.count == 0)
        status = kst_status_bad_request("you must specify at least 1 of stdin, stdout, stderr");
    if (!status && (!container || !container->process))
        status = kst_status_failure(500, "InternalError",
                                    "unable to upgrade connection: container not found (\"%s\")",
                                    container ? container->name : object->name);
    if (status)
        kst_exec_request_refuse(request, status);
    else if (kst_exec_request_agree(request, &asked))
        run(container, request, &asked);
}
