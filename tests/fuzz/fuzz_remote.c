/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client sends to the server of an exec. The first byte of an input: the lowest two bits
 * choose the protocol (WebSocket v4, v5, SPDY), the next two whether there is a terminal and a
 * stdin, the upper half how much of the rest comes with the request, in steps of 5 bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "sandbox/server/remote.h"

enum { MOST_BYTES = 64 * 1024, IN_BYTES = 1000 };

struct input {
    const uint8_t *data;
    size_t size;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore_size(void *arg, unsigned columns, unsigned rows)
{
    if (columns == 0 || rows == 0)
        abort();
}

static int64_t read_all(struct kst_remote *remote, size_t most)
{
    kst_auto_buf in = KST_BUF_INIT(IN_BYTES);
    size_t total = 0;
    for (;;) {
        kst_buf_clear(&in);
        int64_t count = kst_remote_read(remote, &in, KST_NEVER, NULL);
        if (count <= 0)
            return count;
        total += (size_t)count;
        if ((size_t)count != in.len || total > most)
            abort();
    }
}

static void use(struct kst_remote *remote, size_t most)
{
    kst_remote_on_resize(remote, ignore_size, NULL);
    (void)kst_remote_write(remote, 1, "output", 6, NULL);
    (void)kst_remote_write(remote, 2, "errors", 6, NULL);
    int64_t rc = read_all(remote, most);
    if (rc == 0)
        rc = read_all(remote, 0);
    if (rc != KST_E_CLOSED && rc != KST_E_PROTOCOL)
        abort();
    kst_auto_json struct kst_json *status = kst_remote_status(1, NULL);
    if (!kst_remote_is_gone(remote) || kst_remote_finish(remote, status, NULL) != (int)rc)
        abort();
}

static int run(void *arg, struct kst_err **err)
{
    const struct input *input = arg;
    unsigned way = input->data[0];
    const char *bytes = (const char *)input->data + 1;
    size_t size = input->size - 1, early = (size_t)(way >> 4) * 5;
    early = early < size ? early : size;
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        abort();
    if (size > early && write(fds[1], bytes + early, size - early) < 0)
        abort();
    shutdown(fds[1], SHUT_WR);
    const struct kst_remote_streams streams = {
        .in = !(way & 8), .out = true, .errors = true, .tty = way & 4};
    static const enum kst_remote_protocol protocols[] = {KST_REMOTE_WS_V4, KST_REMOTE_WS_V5,
                                                         KST_REMOTE_SPDY_V4, KST_REMOTE_SPDY_V4};
    struct kst_remote *remote = NULL;
    int rc = kst_remote_open(fds[0], bytes, early, protocols[way & 3], streams, &remote, err);
    if (rc == 0)
        use(remote, size);
    kst_remote_free(remote);
    close(fds[1]);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kst_loop *loop;
    struct kst_err *err = NULL;
    struct input input = {data, size};
    if (size == 0 || size > MOST_BYTES)
        return 0;
    if (!loop && kst_loop_new(&loop, &err) < 0)
        abort();
    int rc = kst_loop_run(loop, "fuzz", run, &input, &err);
    if ((rc < 0) != (err != NULL) || rc != kst_err_code(err))
        abort();
    kst_err_free(err);
    return 0;
}
