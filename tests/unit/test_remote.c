/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of an exec over WebSockets: with the engine's own client (kube/exec.h) at the
 * other end of a connection, and with bytes as no client should send them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "fake_ws.h"
#include "kube/client.h"
#include "kube/config_internal.h"
#include "kube/exec.h"
#include "loop/fiber.h"
#include "loop/http.h"
#include "loop/loop.h"
#include "sandbox/server/remote.h"

enum { MUCH = 16 * 1024 * 1024, CAP = 20 * 1024 * 1024, HEAD_BYTES = 64 * 1024, SOON_MS = 5000 };

#define V4 "v4.channel.k8s.io"
#define V5 "v5.channel.k8s.io"

/* ---- Which protocol ---- */

struct choice {
    const char *label;
    const char *upgrade, *key, *version, *ws, *spdy;
    int rc;
    enum kst_remote_protocol protocol;
    const char *text; /* Sec-WebSocket-Accept, or the message */
};

#define KEY    "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455, 1.3 */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static const struct choice choices[] = {
    {"v4", "websocket", KEY, "13", V4, NULL, 0, KST_REMOTE_WS_V4, ACCEPT},
    {"the client's order", "WebSocket", KEY, "13", V5 ", " V4, NULL, 0, KST_REMOTE_WS_V5, ACCEPT},
    {"the other order", "websocket", KEY, "13", V4 "," V5, NULL, 0, KST_REMOTE_WS_V4, ACCEPT},
    {"among others", "websocket", KEY, "13", "base64.channel.k8s.io , " V4, NULL, 0,
     KST_REMOTE_WS_V4, ACCEPT},
    {"SPDY", "SPDY/3.1", NULL, NULL, NULL,
     V5 "," V4 ",v3.channel.k8s.io,v2.channel.k8s.io,channel.k8s.io", 0, KST_REMOTE_SPDY_V4, ""},
    /* These texts are a real server's (1.20.2). */
    {"no upgrade", NULL, KEY, "13", V4, V4, KST_E_INVALID, 0, "Upgrade request required"},
    {"another upgrade", "h2c", KEY, "13", V4, V4, KST_E_INVALID, 0, "Upgrade request required"},
    {"no version", "websocket", KEY, NULL, V4, NULL, KST_E_INVALID, 0,
     "missing or bad WebSocket Version"},
    {"an old version", "websocket", KEY, "8", V4, NULL, KST_E_INVALID, 0,
     "missing or bad WebSocket Version"},
    {"no key", "websocket", NULL, "13", V4, NULL, KST_E_INVALID, 0, "mismatch challenge/response"},
    {"a short key", "websocket", "AAAA", "13", V4, NULL, KST_E_INVALID, 0,
     "mismatch challenge/response"},
    {"a long key", "websocket", KEY KEY, "13", V4, NULL, KST_E_INVALID, 0,
     "mismatch challenge/response"},
    {"another protocol", "websocket", KEY, "13", "v9.channel.k8s.io", V4, KST_E_FORBIDDEN, 0,
     "unable to upgrade: unable to negotiate protocol: client supports [v9.channel.k8s.io], server "
     "accepts [v5.channel.k8s.io v4.channel.k8s.io]"},
    {"no protocol", "websocket", KEY, "13", NULL, V4, KST_E_FORBIDDEN, 0,
     "unable to upgrade: unable to negotiate protocol: client supports [], server accepts "
     "[v5.channel.k8s.io v4.channel.k8s.io]"},
    {"SPDY without a protocol", "SPDY/3.1", NULL, NULL, V4, NULL, KST_E_INVALID, 0,
     "unable to upgrade: X-Stream-Protocol-Version is required"},
    {"SPDY with others", "SPDY/3.1", NULL, NULL, V4, "v9.channel.k8s.io, v3.channel.k8s.io",
     KST_E_FORBIDDEN, 0,
     "unable to upgrade: unable to negotiate protocol: client supports [v9.channel.k8s.io "
     "v3.channel.k8s.io], server accepts [v4.channel.k8s.io]"},
};

static void test_choose(void **state)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(choices); i++) {
        const struct choice *c = &choices[i];
        struct kst_remote_handshake out = {.accept = "untouched"};
        kst_auto_err struct kst_err *err = NULL;
        int rc = kst_remote_choose(c->upgrade, c->key, c->version, c->ws, c->spdy, &out, &err);
        if (rc != c->rc)
            fail_msg("%s: %d %s", c->label, rc, kst_err_message(err));
        assert_string_equal(rc < 0 ? kst_err_message(err) : out.accept, c->text);
        if (rc < 0) {
            assert_string_equal(out.accept, "untouched");
            continue;
        }
        assert_int_equal(out.protocol, c->protocol);
        assert_string_equal(out.subprotocol, out.protocol == KST_REMOTE_WS_V5 ? V5 : V4);
        assert_string_equal(out.upgrade,
                            out.protocol == KST_REMOTE_SPDY_V4 ? "SPDY/3.1" : "websocket");
    }
}

/* ---- How a command ended: what the real server said, to the byte ---- */

static void assert_status(struct kst_json *status, const char *expected)
{
    kst_auto_free char *text = kst_json_text(status);
    assert_string_equal(text, expected);
    kst_json_free(status);
}

static void test_status(void **state)
{
    static const char *const command[] = {"sh", "-c", "exit 3", NULL};
    assert_status(kst_remote_status(0, NULL), "{\"metadata\":{},\"status\":\"Success\"}");
    assert_status(kst_remote_exit_status(0, command), "{\"metadata\":{},\"status\":\"Success\"}");
    assert_status(kst_remote_exit_status(3, command),
                  "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"command terminated with "
                  "non-zero exit code: error executing command [sh -c exit 3], exit code 3\","
                  "\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":"
                  "\"ExitCode\",\"message\":\"3\"}]}}");
    assert_status(kst_remote_status(137, NULL),
                  "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"command terminated with "
                  "non-zero exit code: exit code 137\",\"reason\":\"NonZeroExitCode\",\"details\":"
                  "{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"137\"}]}}");
    assert_status(kst_remote_status(-1, "exec: \"nope\": no\xff"),
                  "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"Internal error occurred: "
                  "error executing command in container: exec: \\\"nope\\\": no\xef\xbf\xbd\","
                  "\"reason\":\"InternalError\",\"details\":{\"causes\":[{\"message\":\"error "
                  "executing command in container: exec: \\\"nope\\\": no\xef\xbf\xbd\"}]},"
                  "\"code\":500}");
}

/* ---- A server ---- */

struct scene {
    const char *offer; /* the protocols that the client is made to have offered; NULL: its own */
    struct kst_remote_streams streams;
    int (*serve)(struct scene *scene, struct kst_remote *remote, struct kst_err **err);
    int (*client)(struct scene *scene, struct kst_kube *kube, struct kst_err **err);
    /* What was seen. */
    int rc;
    const char *problem;
    size_t count;
    struct kst_remote *remote; /* for fibers of the server */
    int listener;
};

static unsigned char pattern(size_t at)
{
    return (unsigned char)((at * 2654435761u) >> 13);
}

static void make_pattern(char *out, size_t len, size_t from)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (char)pattern(from + i);
}

static bool is_pattern(const char *data, size_t len, size_t from)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)data[i] != pattern(from + i))
            return false;
    return true;
}

static int finish(struct kst_remote *remote, int exit_code, struct kst_err **err)
{
    kst_auto_json struct kst_json *status = kst_remote_status(exit_code, NULL);
    return kst_remote_finish(remote, status, err);
}

/* The value of a header in `head`, in `out`; NULL where it is absent. */
static const char *header(const char *head, const char *name, struct kst_buf *out)
{
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        size_t len = strlen(name);
        if (strncasecmp(line, name, len) != 0 || line[len] != ':')
            continue;
        line += len + 1;
        line += strspn(line, " ");
        kst_buf_add(out, line, strcspn(line, "\r"));
        return out->data;
    }
    return NULL;
}

static int read_head(int fd, struct kst_buf *head, struct kst_err **err)
{
    char part[512];
    while (!strstr(head->data, "\r\n\r\n")) {
        int rc = kst_wait_fd(fd, POLLIN, KST_NEVER, err);
        ssize_t count = rc < 0 ? -1 : read(fd, part, sizeof(part));
        if (count <= 0)
            return KST_E_CLOSED;
        kst_buf_add(head, part, (size_t)count);
    }
    return 0;
}

static int agree(struct scene *scene, int fd, struct kst_remote **out, struct kst_err **err)
{
    kst_auto_buf head = KST_BUF_INIT(HEAD_BYTES);
    struct kst_buf values[4];
    for (int i = 0; i < 4; i++)
        kst_buf_init(&values[i], HEAD_BYTES);
    struct kst_remote_handshake shake;
    assert_int_equal(read_head(fd, &head, err), 0);
    const char *offer = header(head.data, "Sec-WebSocket-Protocol", &values[3]);
    int rc = kst_remote_choose(header(head.data, "Upgrade", &values[0]),
                               header(head.data, "Sec-WebSocket-Key", &values[1]),
                               header(head.data, "Sec-WebSocket-Version", &values[2]),
                               scene->offer ? scene->offer : offer, NULL, &shake, err);
    assert_int_equal(rc, 0);
    for (int i = 0; i < 4; i++)
        kst_buf_release(&values[i]);
    kst_auto_free char *answer = kst_asprintf(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n"
        "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
        shake.upgrade, shake.accept, shake.subprotocol);
    assert_true(fake_ws_put(fd, answer, strlen(answer)));
    const char *early = strstr(head.data, "\r\n\r\n") + 4;
    return kst_remote_open(fd, early, head.len - (size_t)(early - head.data), shake.protocol,
                           scene->streams, out, err);
}

static int serve(void *arg, struct kst_err **err)
{
    struct scene *scene = arg;
    assert_true(kst_wait_fd(scene->listener, POLLIN, KST_NEVER, NULL) > 0);
    int fd = accept4(scene->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fd >= 0);
    int rc = agree(scene, fd, &scene->remote, err);
    if (rc == 0)
        rc = scene->serve(scene, scene->remote, err);
    kst_remote_free(scene->remote);
    return rc;
}

static struct kst_kube *make_client(int listener, struct kst_kube_config **config)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    kst_auto_free char *url = kst_asprintf("http://127.0.0.1:%u", ntohs(address.sin_port));
    kst_auto_json struct kst_json *merged = kst_json_make(
        "{'current-context':{'file':'f','value':'x'},"
        "'contexts':{'x':{'file':'f','value':{'cluster':'c'}}},"
        "'clusters':{'c':{'file':'f','value':{'server':%s}}}}",
        url);
    assert_int_equal(kst_kubeconfig_resolve(merged, NULL, config, NULL), 0);
    return kst_kube_new(kst_fiber_loop(), *config);
}

static int play(void *arg, struct kst_err **err)
{
    struct scene *scene = arg;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    scene->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(scene->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(scene->listener, 4), 0);
    struct kst_kube_config *config = NULL;
    struct kst_kube *kube = make_client(scene->listener, &config);
    kst_deadline_set(kst_deadline_in_ms(20 * 1000));
    struct kst_fiber *server = kst_fiber_spawn(kst_fiber_loop(), "server", serve, scene);
    int rc = scene->client(scene, kube, err);
    struct kst_err *cause = NULL;
    scene->rc = kst_fiber_join(server, &cause);
    if (scene->rc < 0 && scene->rc != KST_E_CLOSED)
        print_message("the server: %s\n", kst_err_message(cause));
    kst_err_clear(&cause);
    kst_kube_free(kube);
    kst_kube_config_free(config);
    close(scene->listener);
    return rc;
}

static int in_loop(int (*fn)(void *arg, struct kst_err **err), void *arg)
{
    struct kst_loop *loop = NULL;
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    int rc = kst_loop_run(loop, "test", fn, arg, &err);
    if (rc < 0)
        print_message("%s\n", kst_err_message(err));
    kst_loop_free(loop);
    return rc;
}

static const char *const command[] = {"cat", NULL};
static const struct kst_exec_request request = {.ns = "shop",
                                                .pod = "db-0",
                                                .container = "main",
                                                .command = command};

/* ---- With the engine's client ---- */

static int say_and_end(struct scene *scene, struct kst_remote *remote, struct kst_err **err)
{
    assert_int_equal(kst_remote_write(remote, 1, "out", 3, err), 0);
    assert_int_equal(kst_remote_write(remote, 2, "errors", 6, err), 0);
    assert_int_equal(kst_remote_write(remote, 1, "", 0, err), 0);
    kst_auto_buf in = KST_BUF_INIT(16);
    assert_int_equal(kst_remote_read(remote, &in, KST_NEVER, err), 0); /* there is no stdin */
    return finish(remote, 42, err);
}

static int hear_the_end(struct scene *scene, struct kst_kube *kube, struct kst_err **err)
{
    kst_auto_buf out = KST_BUF_INIT(CAP), errors = KST_BUF_INIT(CAP);
    int code = -1;
    int rc = kst_exec_run(kube, &request, NULL, 0, &out, &errors, &code, err);
    assert_int_equal(code, 42);
    assert_string_equal(out.data, scene->streams.out ? "out" : "");
    assert_string_equal(errors.data, scene->streams.errors ? "errors" : "");
    return rc;
}

static void test_exit_code(void **state)
{
    for (int i = 0; i < 8; i++) {
        struct scene scene = {.offer = i & 1 ? V4 : V5,
                              .streams = {.out = i & 2, .errors = i & 4},
                              .serve = say_and_end,
                              .client = hear_the_end};
        assert_int_equal(in_loop(play, &scene), 0);
        assert_int_equal(scene.rc, 0);
    }
}

/* Reads everything and sends it back. */
static int cat(struct scene *scene, struct kst_remote *remote, struct kst_err **err)
{
    for (;;) {
        kst_auto_buf in = KST_BUF_INIT(CAP);
        int64_t count = kst_remote_read(remote, &in, KST_NEVER, err);
        if (count == 0)
            return finish(remote, 0, err);
        int rc = count < 0 ? (int)count : kst_remote_write(remote, 1, in.data, in.len, err);
        if (rc < 0)
            return rc;
    }
}

static int run_cat(struct scene *scene, struct kst_kube *kube, struct kst_err **err)
{
    kst_auto_buf out = KST_BUF_INIT(CAP), errors = KST_BUF_INIT(CAP);
    kst_auto_free char *input = kst_malloc(MUCH);
    make_pattern(input, MUCH, 0);
    int code = -1;
    int rc = kst_exec_run(kube, &request, input, MUCH, &out, &errors, &code, err);
    assert_int_equal(code, 0);
    assert_int_equal(out.len, MUCH);
    assert_true(is_pattern(out.data, MUCH, 0));
    return rc;
}

static void test_cat(void **state)
{
    struct scene scene = {.streams = {.in = true, .out = true}, .serve = cat, .client = run_cat};
    assert_int_equal(in_loop(play, &scene), 0);
    assert_int_equal(scene.rc, 0);
}

static int read_much(void *arg, struct kst_err **err)
{
    struct scene *scene = arg;
    kst_auto_buf in = KST_BUF_INIT(100 * 1000);
    for (;;) {
        kst_buf_clear(&in);
        int64_t count = kst_remote_read(scene->remote, &in, KST_NEVER, err);
        if (count <= 0)
            return (int)count;
        if (!is_pattern(in.data, in.len, scene->count))
            scene->problem = "another input";
        scene->count += in.len;
    }
}

static int write_much(void *arg, struct kst_err **err)
{
    struct scene *scene = arg;
    static char part[300 * 1000];
    for (size_t at = 0; at < MUCH;) {
        size_t len = MUCH - at < sizeof(part) ? MUCH - at : sizeof(part);
        make_pattern(part, len, at);
        int rc = kst_remote_write(scene->remote, 1, part, len, err);
        if (rc < 0)
            return rc;
        at += len;
    }
    return 0;
}

static int write_errors(void *arg, struct kst_err **err)
{
    struct scene *scene = arg;
    for (size_t i = 0; i < 1000; i++) {
        int rc = kst_remote_write(scene->remote, 2, "oops;", 5, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Three fibers use one connection: each does as if it were alone. */
static int serve_both_ways(struct scene *scene, struct kst_remote *remote, struct kst_err **err)
{
    struct kst_group *group = kst_group_new(kst_fiber_loop(), true);
    kst_group_spawn(group, "reader", read_much, scene);
    kst_group_spawn(group, "writer", write_much, scene);
    kst_group_spawn(group, "second writer", write_errors, scene);
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    return rc < 0 ? rc : finish(remote, 7, err);
}

static int talk_both_ways(struct scene *scene, struct kst_kube *kube, struct kst_err **err)
{
    kst_auto_buf out = KST_BUF_INIT(CAP), errors = KST_BUF_INIT(CAP);
    kst_auto_free char *input = kst_malloc(MUCH);
    make_pattern(input, MUCH, 0);
    int code = -1;
    int rc = kst_exec_run(kube, &request, input, MUCH, &out, &errors, &code, err);
    assert_int_equal(code, 7);
    assert_int_equal(out.len, MUCH);
    assert_int_equal(errors.len, 5000);
    assert_true(is_pattern(out.data, MUCH, 0));
    return rc;
}

static void test_both_ways(void **state)
{
    struct scene scene = {.streams = {.in = true, .out = true, .errors = true},
                          .serve = serve_both_ways,
                          .client = talk_both_ways};
    assert_int_equal(in_loop(play, &scene), 0);
    assert_int_equal(scene.rc, 0);
    assert_int_equal(scene.count, MUCH);
    assert_null(scene.problem);
}

/* The end of stdin does not end the rest (v5). */
static int count_input(struct scene *scene, struct kst_remote *remote, struct kst_err **err)
{
    int rc = read_much(scene, err);
    if (rc < 0)
        return rc;
    kst_auto_free char *text = kst_asprintf("%zu bytes", scene->count);
    rc = kst_remote_write(remote, 1, text, strlen(text), err);
    return rc < 0 ? rc : finish(remote, 0, err);
}

static int talk_then_close_stdin(struct scene *scene, struct kst_kube *kube, struct kst_err **err)
{
    struct kst_exec_request with_input = request;
    with_input.stdin_ = true;
    struct kst_exec *exec = NULL;
    char input[1000];
    make_pattern(input, sizeof(input), 0);
    kst_auto_buf out = KST_BUF_INIT(CAP);
    enum kst_exec_stream stream;
    assert_int_equal(kst_exec_open(kube, &with_input, &exec, err), 0);
    assert_true(kst_exec_takes_eof(exec));
    assert_int_equal(kst_exec_write(exec, input, sizeof(input), KST_NEVER, err), 0);
    assert_int_equal(kst_exec_read(exec, &out, &stream, kst_deadline_in_ms(50), NULL),
                     KST_E_TIMEOUT);
    assert_int_equal(kst_exec_close_stdin(exec, err), 0);
    assert_int_equal(kst_exec_read(exec, &out, &stream, KST_NEVER, err), 10);
    assert_string_equal(out.data, "1000 bytes");
    assert_int_equal(kst_exec_read(exec, &out, &stream, KST_NEVER, err), 0);
    kst_exec_close(exec);
    return 0;
}

static void test_stdin_closed(void **state)
{
    struct scene scene = {.streams = {.in = true, .out = true},
                          .serve = count_input,
                          .client = talk_then_close_stdin};
    assert_int_equal(in_loop(play, &scene), 0);
    assert_int_equal(scene.rc, 0);
    assert_null(scene.problem);
}

/* A client that goes away is seen by who reads and by who writes. */
static int open_and_close(struct scene *scene, struct kst_kube *kube, struct kst_err **err)
{
    struct kst_exec_request with_input = request;
    with_input.stdin_ = true;
    struct kst_exec *exec = NULL;
    char input[100];
    make_pattern(input, sizeof(input), 0);
    assert_int_equal(kst_exec_open(kube, &with_input, &exec, err), 0);
    assert_int_equal(kst_exec_write(exec, input, sizeof(input), KST_NEVER, err), 0);
    kst_exec_close(exec);
    return 0;
}

static int serve_reading(struct scene *scene, struct kst_remote *remote, struct kst_err **err)
{
    int rc = read_much(scene, err);
    assert_true(kst_remote_is_gone(remote));
    assert_int_equal(kst_remote_write(remote, 1, "x", 1, NULL), KST_E_CLOSED);
    assert_int_equal(finish(remote, 0, NULL), KST_E_CLOSED);
    return rc;
}

static int serve_writing(struct scene *scene, struct kst_remote *remote, struct kst_err **err)
{
    int rc = 0;
    while (rc == 0)
        rc = write_much(scene, err);
    assert_true(kst_remote_is_gone(remote));
    read_much(scene, NULL); /* what it had sent before can be read */
    return rc;
}

static void test_vanished(void **state)
{
    struct scene reading = {
        .streams = {.in = true, .out = true}, .serve = serve_reading, .client = open_and_close};
    struct scene writing = {
        .streams = {.in = true, .out = true}, .serve = serve_writing, .client = open_and_close};
    struct scene *scenes[] = {&reading, &writing};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(in_loop(play, scenes[i]), 0);
        assert_int_equal(scenes[i]->rc, KST_E_CLOSED);
        assert_int_equal(scenes[i]->count, 100);
    }
}

/* ---- With bytes ---- */

struct bytes_case {
    const char *label;
    enum kst_remote_protocol protocol;
    const char *bytes;
    size_t len;
    const char *in;     /* what comes out as stdin */
    int end;            /* what the read after it returns */
    const char *answer; /* what the server sends to that, behind its greeting */
    size_t answer_len;
};

/* A client's frame: FIN and opcode, a mask of zeros. Lengths below 126. */
#define FRAME(first, len, body) first len "\0\0\0\0" body
#define BYTES(bytes_)           .bytes = bytes_, .len = sizeof(bytes_) - 1
#define ANSWER(bytes_)          .answer = bytes_, .answer_len = sizeof(bytes_) - 1

static const struct bytes_case bytes_cases[] = {
    {"two messages", 0, BYTES(FRAME("\x82", "\x83", "\0hi") FRAME("\x82", "\x84", "\0 ho")),
     "hi ho", KST_E_CLOSED},
    {"a text", 0, BYTES(FRAME("\x81", "\x83", "\0hi")), "hi", KST_E_CLOSED},
    {"masked", 0,
     BYTES("\x82\x83"
           "\x11\x22\x33\x44"
           "\x11\x4a\x5a"),
     "hi", KST_E_CLOSED},
    {"in fragments, with a ping in between", 0,
     BYTES(FRAME("\x02", "\x80", "") FRAME("\x00", "\x82", "\0a") FRAME("\x89", "\x82", "yo")
               FRAME("\x00", "\x81", "b") FRAME("\x80", "\x81", "c")),
     "abc", KST_E_CLOSED, ANSWER("\x8a\x02yo")},
    {"a pong that nobody asked for", 0, BYTES(FRAME("\x8a", "\x82", "yo")), "", KST_E_CLOSED},
    {"empty messages", 0,
     BYTES(FRAME("\x82", "\x80", "") FRAME("\x82", "\x81", "\0") FRAME("\x82", "\x81", "\xff")), "",
     KST_E_CLOSED},
    {"channels that are not the client's", 0,
     BYTES(FRAME("\x82", "\x82", "\1a") FRAME("\x82", "\x82", "\3a") FRAME("\x82", "\x82", "\7a")),
     "", KST_E_CLOSED},
    {"v5 closes stdin", KST_REMOTE_WS_V5,
     BYTES(FRAME("\x82", "\x82", "\0a") FRAME("\x82", "\x82", "\xff\0")
               FRAME("\x82", "\x82", "\0b")),
     "a", 0},
    {"v5 closes another", KST_REMOTE_WS_V5,
     BYTES(FRAME("\x82", "\x82", "\xff\1") FRAME("\x82", "\x82", "\0b")), "b", KST_E_CLOSED},
    {"v4 cannot close", 0, BYTES(FRAME("\x82", "\x82", "\xff\0") FRAME("\x82", "\x82", "\0b")), "b",
     KST_E_CLOSED},
    {"a close", 0, BYTES(FRAME("\x82", "\x82", "\0a") FRAME("\x88", "\x82", "\x03\xe8")), "a",
     KST_E_CLOSED, ANSWER("\x88\x02\x03\xe8")},
    {"a close without a code", 0, BYTES(FRAME("\x88", "\x80", "")), "", KST_E_CLOSED,
     ANSWER("\x88\x00")},
    {"an end in a frame", 0, BYTES("\x82\x85\0\0"), "", KST_E_CLOSED},
    /* Against the rules: 1002, and for size 1009. */
    {"unmasked", 0, BYTES("\x82\x03\0hi"), "", KST_E_PROTOCOL, ANSWER("\x88\x02\x03\xea")},
    {"reserved bits", 0, BYTES(FRAME("\xf2", "\x82", "\0a")), "", KST_E_PROTOCOL,
     ANSWER("\x88\x02\x03\xea")},
    {"a reserved opcode", 0, BYTES(FRAME("\x83", "\x82", "\0a")), "", KST_E_PROTOCOL,
     ANSWER("\x88\x02\x03\xea")},
    {"a continuation of nothing", 0, BYTES(FRAME("\x80", "\x82", "\0a")), "", KST_E_PROTOCOL,
     ANSWER("\x88\x02\x03\xea")},
    {"a message in a message", 0, BYTES(FRAME("\x02", "\x82", "\0a") FRAME("\x82", "\x82", "\0b")),
     "a", KST_E_PROTOCOL, ANSWER("\x88\x02\x03\xea")},
    {"a fragmented ping", 0, BYTES(FRAME("\x09", "\x82", "yo")), "", KST_E_PROTOCOL,
     ANSWER("\x88\x00")},
    {"33 MiB", 0,
     BYTES("\x82\xff\0\0\0\0\x02\x10\0\0"
           "\0\0\0\0\0"),
     "", KST_E_PROTOCOL, ANSWER("\x88\x02\x03\xf1")},
    {"a length beyond 63 bits", 0,
     BYTES("\x82\xff\xff\0\0\0\x02\x10\0\0"
           "\0\0\0\0"),
     "", KST_E_PROTOCOL, ANSWER("\x88\x00")},
};

struct bytes_run {
    const struct bytes_case *c;
    size_t piece;  /* bytes at a time */
    bool is_early; /* all of them came with the request */
};

static int send_bytes(void *arg, struct kst_err **err)
{
    struct bytes_run *run = ((void **)arg)[0];
    int fd = *(int *)((void **)arg)[1];
    for (size_t at = 0; at < run->c->len && !run->is_early; at += run->piece) {
        size_t left = run->c->len - at;
        if (!fake_ws_put(fd, run->c->bytes + at, left < run->piece ? left : run->piece))
            break;
        kst_yield();
    }
    shutdown(fd, SHUT_WR);
    return 0;
}

static int run_bytes(void *arg, struct kst_err **err)
{
    struct bytes_run *run = arg;
    const struct bytes_case *c = run->c;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    const struct kst_remote_streams streams = {.in = true, .out = true};
    struct kst_remote *remote = NULL;
    int rc = kst_remote_open(fds[0], run->is_early ? c->bytes : NULL, run->is_early ? c->len : 0,
                             c->protocol, streams, &remote, err);
    assert_int_equal(rc, 0);
    void *sending[] = {run, &fds[1]};
    struct kst_fiber *sender = kst_fiber_spawn(kst_fiber_loop(), "sender", send_bytes, sending);
    kst_auto_buf in = KST_BUF_INIT(CAP);
    int64_t count;
    while ((count = kst_remote_read(remote, &in, kst_deadline_in_ms(SOON_MS), NULL)) > 0)
        continue;
    kst_fiber_join(sender, NULL);
    kst_remote_free(remote);
    char got[256];
    ssize_t len = read(fds[1], got, sizeof(got));
    close(fds[1]);
    if (count != c->end || strcmp(in.data, c->in) != 0)
        fail_msg("%s, %zu at a time: read '%s', then %d", c->label, run->piece, in.data,
                 (int)count);
    if (len != (ssize_t)(3 + c->answer_len) || memcmp(got, "\x82\x01\x01", 3) != 0 ||
        (c->answer_len && memcmp(got + 3, c->answer, c->answer_len) != 0))
        fail_msg("%s, %zu at a time: answered %d bytes, %02x %02x %02x %02x", c->label, run->piece,
                 (int)len, got[3] & 0xff, got[4] & 0xff, got[5] & 0xff, got[6] & 0xff);
    return 0;
}

static void test_bytes(void **state)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(bytes_cases); i++) {
        const size_t pieces[] = {1, 3, 1000, 1000};
        for (size_t j = 0; j < KST_ARRAY_LEN(pieces); j++) {
            struct bytes_run run = {&bytes_cases[i], pieces[j], j == 3};
            assert_int_equal(in_loop(run_bytes, &run), 0);
        }
    }
}

/* ---- Edges ---- */

struct pair {
    struct kst_remote *remote;
    int fd; /* the client's */
};

static struct pair open_pair(struct kst_remote_streams streams)
{
    int fds[2];
    struct pair pair = {NULL, -1};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    pair.fd = fds[1];
    assert_int_equal(
        kst_remote_open(fds[0], NULL, 0, KST_REMOTE_WS_V5, streams, &pair.remote, NULL), 0);
    return pair;
}

static void close_pair(struct pair *pair)
{
    kst_remote_free(pair->remote);
    close(pair->fd);
}

static const struct kst_remote_streams all = {.in = true, .out = true, .errors = true};

/* Waits end as fibers' do, and a full buffer is not an end. */
static int waits(void *arg, struct kst_err **err)
{
    struct pair pair = open_pair(all);
    kst_auto_buf in = KST_BUF_INIT(3), full = KST_BUF_INIT(0);
    assert_int_equal(kst_remote_read(pair.remote, &in, kst_deadline_in_ms(10), NULL),
                     KST_E_TIMEOUT);
    assert_true(fake_ws_put(pair.fd, FRAME("\x82", "\x86", "\0hello"), 12));
    assert_int_equal(kst_remote_read(pair.remote, &in, KST_NEVER, NULL), 3);
    assert_int_equal(kst_remote_read(pair.remote, &in, KST_NEVER, NULL), KST_E_LIMIT);
    assert_int_equal(kst_remote_read(pair.remote, &full, KST_NEVER, NULL), KST_E_LIMIT);
    kst_buf_clear(&in);
    assert_int_equal(kst_remote_read(pair.remote, &in, KST_NEVER, NULL), 2);
    assert_string_equal(in.data, "lo");
    /* Nobody reads at the other end. */
    kst_auto_free char *much = kst_calloc(1, MUCH);
    int64_t before = kst_deadline_set(kst_deadline_in_ms(50));
    assert_int_equal(kst_remote_write(pair.remote, 1, much, MUCH, NULL), KST_E_TIMEOUT);
    kst_deadline_restore(before);
    assert_false(kst_remote_is_gone(pair.remote));
    before = kst_deadline_set(kst_deadline_in_ms(50));
    assert_int_equal(finish(pair.remote, 0, NULL), KST_E_TIMEOUT);
    kst_deadline_restore(before);
    assert_int_equal(kst_remote_write(pair.remote, 1, "x", 1, NULL), KST_E_CLOSED);
    assert_int_equal(kst_remote_read(pair.remote, &in, KST_NEVER, NULL), KST_E_CLOSED);
    close_pair(&pair);
    return 0;
}

static void test_waits(void **state)
{
    assert_int_equal(in_loop(waits, NULL), 0);
}

static int read_only(void *arg, struct kst_err **err)
{
    kst_auto_buf in = KST_BUF_INIT(10);
    return (int)kst_remote_read(arg, &in, KST_NEVER, err);
}

/* A reader is woken by a cancellation, and by the end of the command. */
static int woken(void *arg, struct kst_err **err)
{
    struct pair pair = open_pair(all);
    struct kst_fiber *reader = kst_fiber_spawn(kst_fiber_loop(), "reader", read_only, pair.remote);
    kst_yield();
    kst_fiber_cancel(reader);
    assert_int_equal(kst_fiber_join(reader, NULL), KST_E_CANCELLED);
    reader = kst_fiber_spawn(kst_fiber_loop(), "reader", read_only, pair.remote);
    kst_yield();
    shutdown(pair.fd, SHUT_WR);
    assert_int_equal(kst_fiber_join(reader, NULL), KST_E_CLOSED);
    close_pair(&pair);

    pair = open_pair((struct kst_remote_streams){.out = true});
    assert_int_equal(read_only(pair.remote, NULL), 0);
    reader = kst_fiber_spawn(kst_fiber_loop(), "reader", read_only, pair.remote);
    kst_yield();
    assert_false(kst_fiber_ended(reader));
    shutdown(pair.fd, SHUT_RDWR);
    assert_int_equal(kst_fiber_join(reader, NULL), KST_E_CLOSED);
    close_pair(&pair);
    kst_remote_free(NULL);
    return 0;
}

static void test_woken(void **state)
{
    assert_int_equal(in_loop(woken, NULL), 0);
}

/* What a client sends ahead of a reader fills no memory: it is the client that waits. */
static int held_back(void *arg, struct kst_err **err)
{
    struct pair pair = open_pair(all);
    static const char head[] = "\x82\xff\0\0\0\0\0\x10\0\0\0\0\0\0"; /* a message of 1 MiB */
    assert_true(fake_ws_put(pair.fd, head, sizeof(head) - 1));
    static char part[4096];
    size_t sent = 0;
    for (int i = 0; i < 1000 && sent < 1024 * 1024; i++) {
        ssize_t count = send(pair.fd, part, sizeof(part), MSG_NOSIGNAL);
        sent += count > 0 ? (size_t)count : 0;
        kst_yield();
    }
    assert_true(sent < 900 * 1024); /* with what the socket itself takes */
    kst_auto_buf in = KST_BUF_INIT(CAP);
    for (size_t got = 0; got < 1024 * 1024 - 1;) {
        size_t len = 1024 * 1024 - sent < sizeof(part) ? 1024 * 1024 - sent : sizeof(part);
        ssize_t count = len ? send(pair.fd, part, len, MSG_NOSIGNAL) : 0;
        sent += count > 0 ? (size_t)count : 0;
        int64_t more = kst_remote_read(pair.remote, &in, kst_deadline_in_ms(SOON_MS), err);
        assert_true(more > 0);
        got += (size_t)more;
    }
    close_pair(&pair);
    return 0;
}

static void test_held_back(void **state)
{
    assert_int_equal(in_loop(held_back, NULL), 0);
}

/* A client that asks and asks and never reads the answers. */
static int pings(void *arg, struct kst_err **err)
{
    struct pair pair = open_pair(all);
    static char many[16384 / 7 * 7];
    for (size_t i = 0; i < sizeof(many); i += 7)
        memcpy(many + i, FRAME("\x89", "\x81", "?"), 7);
    size_t sent = 0, stuck = 0;
    while (stuck < 100 && sent < 64 * 1024 * 1024) {
        ssize_t count = send(pair.fd, many + sent % 7, sizeof(many) - 7, MSG_NOSIGNAL);
        sent += count > 0 ? (size_t)count : 0;
        stuck = count > 0 ? 0 : stuck + 1;
        kst_yield();
    }
    assert_int_equal(stuck, 100);
    assert_false(kst_remote_is_gone(pair.remote));
    close_pair(&pair);
    return 0;
}

static void test_pings(void **state)
{
    assert_int_equal(in_loop(pings, NULL), 0);
}

static void note_size(void *arg, unsigned columns, unsigned rows)
{
    kst_buf_addf(arg, "%ux%u;", columns, rows);
}

static int resizes(void *arg, struct kst_err **err)
{
    struct pair pair = open_pair(
        (struct kst_remote_streams){.in = true, .out = true, .errors = true, .tty = true});
    static const char *const sizes[] = {
        "{\"Width\":80,\"Height\":24}",   "{\"Width\":0,\"Height\":24}",    "nonsense", "{}", "[1]",
        "{\"Width\":65536,\"Height\":1}", "{\"Width\":132,\"Height\":43}\n"};
    kst_auto_buf seen = KST_BUF_INIT(1000), in = KST_BUF_INIT(10);
    for (size_t i = 0; i < KST_ARRAY_LEN(sizes); i++) {
        unsigned char head[] = {0x82, (unsigned char)(0x81 + strlen(sizes[i])), 0, 0, 0, 0, 4};
        assert_true(fake_ws_put(pair.fd, head, sizeof(head)));
        assert_true(fake_ws_put(pair.fd, sizes[i], strlen(sizes[i])));
        kst_remote_read(pair.remote, &in, kst_deadline_in_ms(10), NULL);
        if (i == 0)
            kst_remote_on_resize(pair.remote, note_size, &seen);
    }
    assert_string_equal(seen.data, "80x24;132x43;");
    kst_remote_on_resize(pair.remote, NULL, NULL);
    close_pair(&pair);
    return 0;
}

static void test_resize(void **state)
{
    assert_int_equal(in_loop(resizes, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choose),    cmocka_unit_test(test_status),
        cmocka_unit_test(test_exit_code), cmocka_unit_test(test_cat),
        cmocka_unit_test(test_both_ways), cmocka_unit_test(test_stdin_closed),
        cmocka_unit_test(test_vanished),  cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_waits),     cmocka_unit_test(test_woken),
        cmocka_unit_test(test_held_back), cmocka_unit_test(test_pings),
        cmocka_unit_test(test_resize),
    };
    kst_http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
