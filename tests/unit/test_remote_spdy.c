/* SPDX-License-Identifier: Apache-2.0 */
/* The server's side of an exec over SPDY, with a client that does as kubectl, and as it should not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "fake_ws.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "sandbox/server/remote.h"
#include "sandbox/server/spdy.h"

enum { MUCH = 16 * 1024 * 1024, CAP = 20 * 1024 * 1024, LOG_BYTES = 64 * 1024, MOST = 5 };
enum { ERRORS_ID = 1, STDIN_ID = 3, STDOUT_ID = 5, STDERR_ID = 7, RESIZE_ID = 9 };

#define SUCCESS "{\"metadata\":{},\"status\":\"Success\"}"

/* ---- A client ---- */

struct client {
    int fd;
    struct kst_spdy *spdy;
    struct kst_buf out;          /* not sent yet */
    struct kst_buf log;          /* what came but data, a frame a line */
    struct kst_buf data[MOST];   /* of streams 1, 3, 5, 7, 9 */
    bool ended[MOST];            /* these, by the server */
    size_t keeps_window;         /* opens the windows anew each time that so much has come */
    size_t got[MOST], got_total; /* since then */
    size_t most_at_once;         /* the largest that any of these was */
    bool closed;
};

static void client_init(struct client *self, int fd)
{
    *self = (struct client){.fd = fd, .spdy = kst_spdy_new()};
    kst_buf_init(&self->out, CAP);
    kst_buf_init(&self->log, LOG_BYTES);
    for (int i = 0; i < MOST; i++)
        kst_buf_init(&self->data[i], CAP);
}

static void client_release(struct client *self)
{
    kst_spdy_free(self->spdy);
    kst_buf_release(&self->out);
    kst_buf_release(&self->log);
    for (int i = 0; i < MOST; i++)
        kst_buf_release(&self->data[i]);
    close(self->fd);
}

static void client_stream(struct client *self, uint32_t id, const char *type)
{
    const struct kst_spdy_header headers[] = {{{"streamtype", 10}, {type, strlen(type)}}};
    kst_spdy_put_headers(self->spdy, &self->out, KST_SPDY_SYN_STREAM, 0, id, headers, 1);
}

static void open_window(struct client *self, size_t i)
{
    if (self->got[i] > self->most_at_once)
        self->most_at_once = self->got[i];
    if (!self->keeps_window || self->got[i] < self->keeps_window)
        return;
    kst_spdy_put_control(&self->out, KST_SPDY_WINDOW_UPDATE, (uint32_t)(2 * i + 1),
                         (uint32_t)self->got[i]);
    kst_spdy_put_control(&self->out, KST_SPDY_WINDOW_UPDATE, 0, (uint32_t)self->got[i]);
    self->got[i] = 0;
}

static void client_take(struct client *self, const struct kst_spdy_frame *frame)
{
    size_t i = frame->stream / 2;
    if (frame->type != KST_SPDY_DATA) {
        kst_buf_addf(&self->log, "%d %u %u\n", (int)frame->type, frame->stream, frame->value);
        return;
    }
    assert_true(frame->stream % 2 == 1 && i < MOST && !self->ended[i]);
    kst_buf_add(&self->data[i], frame->data.data, frame->data.len);
    self->ended[i] = frame->flags & KST_SPDY_FIN;
    self->got[i] += frame->data.len;
    open_window(self, i);
}

/* Sends and receives what can be at the moment. */
static void client_turn(struct client *self)
{
    char part[32 * 1024];
    ssize_t count = 1;
    for (int i = 0; i < 4 && count > 0; i++) {
        count = read(self->fd, part, sizeof(part));
        self->closed = self->closed || count == 0;
        const char *at = part;
        size_t left = count > 0 ? (size_t)count : 0;
        struct kst_spdy_frame frame;
        int rc;
        while ((rc = kst_spdy_next(self->spdy, &at, &left, &frame, NULL)) > 0)
            client_take(self, &frame);
        assert_int_equal(rc, 0);
    }
    size_t sent = 0;
    while (sent < self->out.len) {
        size_t left = self->out.len - sent;
        count = send(self->fd, self->out.data + sent, left < 65536 ? left : 65536, MSG_NOSIGNAL);
        if (count <= 0)
            break;
        sent += (size_t)count;
    }
    kst_buf_drop(&self->out, sent);
}

static void client_wait(struct client *self)
{
    int rc = kst_wait_fd(self->fd, POLLIN | (self->out.len ? POLLOUT : 0),
                         kst_deadline_in_ms(10 * 1000), NULL);
    assert_true(rc > 0);
    client_turn(self);
}

static void client_until_log(struct client *self, const char *expected)
{
    client_turn(self);
    while (strlen(expected) > self->log.len)
        client_wait(self);
    assert_string_equal(self->log.data, expected);
}

/* Until the server has ended the stream. */
static void client_until_end(struct client *self, uint32_t id)
{
    client_turn(self);
    while (!self->ended[id / 2])
        client_wait(self);
}

static void client_goodbye(struct client *self)
{
    kst_spdy_put_control(&self->out, KST_SPDY_GOAWAY, 0, 0);
    client_turn(self);
}

/* ---- A server beside it ---- */

struct scene {
    struct kst_remote_streams streams;
    int (*serve)(struct scene *scene, struct kst_err **err);
    void (*client)(struct scene *scene, struct client *client);
    size_t keeps_window;
    int64_t patience_ms;
    const char *bytes; /* that the client sends */
    size_t len;
    int rc;
    char message[200]; /* of the server's error */
    size_t count;
    struct kst_remote *remote;
    int fd;
    char sizes[100];
};

static int serve(void *arg, struct kst_err **err)
{
    struct scene *scene = arg;
    if (scene->patience_ms)
        kst_deadline_set(kst_deadline_in_ms(scene->patience_ms));
    int rc = kst_remote_open(scene->fd, NULL, 0, KST_REMOTE_SPDY_V4, scene->streams, &scene->remote,
                             err);
    if (rc == 0)
        rc = scene->serve(scene, err);
    kst_remote_free(scene->remote);
    return rc;
}

static int play(void *arg, struct kst_err **err)
{
    struct scene *scene = arg;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    scene->fd = fds[0];
    kst_deadline_set(kst_deadline_in_ms(20 * 1000));
    struct kst_fiber *server = kst_fiber_spawn(kst_fiber_loop(), "server", serve, scene);
    struct client client;
    client_init(&client, fds[1]);
    client.keeps_window = scene->keeps_window;
    scene->client(scene, &client);
    client_release(&client);
    struct kst_err *cause = NULL;
    scene->rc = kst_fiber_join(server, &cause);
    size_t len = strlen(kst_err_message(cause));
    len = len < sizeof(scene->message) ? len : sizeof(scene->message) - 1;
    memcpy(scene->message, kst_err_message(cause), len);
    kst_err_clear(&cause);
    return 0;
}

static void run_scene(struct scene *scene)
{
    struct kst_loop *loop = NULL;
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    assert_int_equal(kst_loop_run(loop, "test", play, scene, NULL), 0);
    kst_loop_free(loop);
}

static int finish(struct scene *scene, int exit_code, struct kst_err **err)
{
    kst_auto_json struct kst_json *status = kst_remote_status(exit_code, NULL);
    return kst_remote_finish(scene->remote, status, err);
}

static const struct kst_remote_streams all = {.in = true, .out = true, .errors = true};

static void open_all(struct client *client)
{
    client_stream(client, ERRORS_ID, "error");
    client_stream(client, STDIN_ID, "stdin");
    client_stream(client, STDOUT_ID, "stdout");
    client_stream(client, STDERR_ID, "stderr");
}

#define ALL_OPEN "2 1 0\n2 3 0\n2 5 0\n2 7 0\n"

/* ---- A command that ends ---- */

static int say_and_end(struct scene *scene, struct kst_err **err)
{
    assert_int_equal(kst_remote_write(scene->remote, 1, "out", 3, err), 0);
    assert_int_equal(kst_remote_write(scene->remote, 2, "errors", 6, err), 0);
    return finish(scene, 0, err);
}

static void hear_the_end(struct scene *scene, struct client *client)
{
    open_all(client);
    client_until_log(client, ALL_OPEN);
    client_until_end(client, ERRORS_ID);
    assert_string_equal(client->data[STDOUT_ID / 2].data, "out");
    assert_string_equal(client->data[STDERR_ID / 2].data, "errors");
    assert_string_equal(client->data[ERRORS_ID / 2].data, SUCCESS);
    assert_true(client->ended[STDOUT_ID / 2] && client->ended[STDERR_ID / 2]);
    assert_string_equal(client->log.data, ALL_OPEN); /* no GOAWAY ahead of the client's own */
    client_goodbye(client);
}

static void test_ends(void **state)
{
    struct scene scene = {.streams = all, .serve = say_and_end, .client = hear_the_end};
    run_scene(&scene);
    assert_int_equal(scene.rc, 0);
}

/* Fewer streams, and the exit code. */
static int end_with_code(struct scene *scene, struct kst_err **err)
{
    kst_auto_buf in = KST_BUF_INIT(10);
    assert_int_equal(kst_remote_read(scene->remote, &in, KST_NEVER, err), 0);
    assert_int_equal(kst_remote_write(scene->remote, 2, "nobody asked", 12, err), 0);
    return finish(scene, 3, err);
}

static void hear_the_code(struct scene *scene, struct client *client)
{
    client_stream(client, ERRORS_ID, "error");
    client_stream(client, STDIN_ID, "stdout");
    client_until_end(client, ERRORS_ID);
    assert_non_null(strstr(client->data[ERRORS_ID / 2].data, "\"message\":\"3\""));
}

static void test_exit_code(void **state)
{
    struct scene scene = {
        .streams = {.out = true}, .serve = end_with_code, .client = hear_the_code};
    run_scene(&scene);
    assert_int_equal(scene.rc, 0);
}

/* ---- Much, both ways ---- */

static int count_input(void *arg, struct kst_err **err)
{
    struct scene *scene = arg;
    kst_auto_buf in = KST_BUF_INIT(100 * 1000);
    for (;;) {
        kst_buf_clear(&in);
        int64_t count = kst_remote_read(scene->remote, &in, KST_NEVER, err);
        if (count <= 0)
            return (int)count;
        for (size_t i = 0; i < in.len; i++)
            assert_int_equal((unsigned char)in.data[i], (scene->count + i) * 7 / 5 & 0xff);
        scene->count += in.len;
    }
}

static int write_much(void *arg, struct kst_err **err)
{
    struct scene *scene = arg;
    static char part[200 * 1000];
    for (size_t at = 0; at < MUCH;) {
        size_t len = MUCH - at < sizeof(part) ? MUCH - at : sizeof(part);
        for (size_t i = 0; i < len; i++)
            part[i] = (char)((at + i) * 11 / 3);
        int rc = kst_remote_write(scene->remote, 1, part, len, err);
        if (rc < 0)
            return rc;
        at += len;
    }
    return 0;
}

static int serve_both_ways(struct scene *scene, struct kst_err **err)
{
    struct kst_group *group = kst_group_new(kst_fiber_loop(), true);
    kst_group_spawn(group, "reader", count_input, scene);
    kst_group_spawn(group, "writer", write_much, scene);
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    return rc < 0 ? rc : finish(scene, 0, err);
}

static void talk_both_ways(struct scene *scene, struct client *client)
{
    open_all(client);
    if (scene->keeps_window)
        kst_spdy_put_setting(&client->out, KST_SPDY_INITIAL_WINDOW_SIZE, 100 * 1000);
    client_until_log(client, ALL_OPEN);
    static char part[64 * 1024];
    for (size_t at = 0; at < MUCH;) {
        for (size_t i = 0; i < sizeof(part); i++)
            part[i] = (char)((at + i) * 7 / 5);
        at += sizeof(part);
        kst_spdy_put_data(&client->out, STDIN_ID, at < MUCH ? 0 : KST_SPDY_FIN, part, sizeof(part));
        while (client->out.len > 64 * 1024)
            client_wait(client);
    }
    client_until_end(client, ERRORS_ID);
    const struct kst_buf *out = &client->data[STDOUT_ID / 2];
    assert_int_equal(out->len, MUCH);
    for (size_t i = 0; i < MUCH; i++)
        if ((unsigned char)out->data[i] != (i * 11 / 3 & 0xff))
            fail_msg("another output at %zu", i);
    if (scene->keeps_window)
        assert_true(client->most_at_once <= 100 * 1000);
    /* What it sent was given room again: some of it for its stream, some for the whole. */
    assert_non_null(strstr(client->log.data, "\n9 3 "));
    assert_non_null(strstr(client->log.data, "\n9 0 "));
    client_goodbye(client);
}

static void test_both_ways(void **state)
{
    for (size_t window = 0; window <= 30000; window += 30000) {
        struct scene scene = {.streams = all,
                              .serve = serve_both_ways,
                              .client = talk_both_ways,
                              .keeps_window = window};
        run_scene(&scene);
        assert_int_equal(scene.rc, 0);
        assert_int_equal(scene.count, MUCH);
    }
}

/* A client that keeps windows and opens them no more is waited for. */
static void open_no_window(struct scene *scene, struct client *client)
{
    kst_spdy_put_setting(&client->out, 4, 100); /* of no interest */
    kst_spdy_put_setting(&client->out, KST_SPDY_INITIAL_WINDOW_SIZE, 1000);
    open_all(client);
    client_until_log(client, ALL_OPEN);
    while (client->data[STDOUT_ID / 2].len < 1000)
        client_wait(client);
    kst_sleep_ms(20, NULL);
    client_turn(client);
    assert_int_equal(client->data[STDOUT_ID / 2].len, 1000);
    kst_spdy_put_setting(&client->out, KST_SPDY_INITIAL_WINDOW_SIZE, 1500);
    kst_spdy_put_control(&client->out, KST_SPDY_WINDOW_UPDATE, STDERR_ID, 20);
    kst_spdy_put_control(&client->out, KST_SPDY_WINDOW_UPDATE, 99, 20);
    client_turn(client);
    while (client->data[STDOUT_ID / 2].len < 1500)
        client_wait(client);
    kst_sleep_ms(20, NULL);
    client_turn(client);
    assert_int_equal(client->data[STDOUT_ID / 2].len, 1500);
}

static int write_then_fail(struct scene *scene, struct kst_err **err)
{
    return write_much(scene, err);
}

static void test_no_window(void **state)
{
    struct scene scene = {.streams = all, .serve = write_then_fail, .client = open_no_window};
    run_scene(&scene);
    assert_int_equal(scene.rc, KST_E_CLOSED);
}

/* ---- What else clients do ---- */

static int read_all(struct scene *scene, struct kst_err **err)
{
    kst_auto_buf in = KST_BUF_INIT(CAP);
    int64_t count;
    while ((count = kst_remote_read(scene->remote, &in, KST_NEVER, err)) > 0)
        scene->count += (size_t)count;
    return count < 0 ? (int)count : finish(scene, 0, err);
}

static void ping_and_reset(struct scene *scene, struct client *client)
{
    open_all(client);
    kst_spdy_put_control(&client->out, KST_SPDY_PING, 1, 0);
    kst_spdy_put_control(&client->out, KST_SPDY_PING, 2, 0); /* an answer to nothing */
    kst_spdy_put_control(&client->out, KST_SPDY_PING, 77, 0);
    kst_spdy_put_headers(client->spdy, &client->out, KST_SPDY_HEADERS, 0, STDIN_ID, NULL, 0);
    kst_spdy_put_data(&client->out, STDIN_ID, 0, "hello", 5);
    kst_spdy_put_data(&client->out, STDOUT_ID, 0, "what", 4);
    client_until_log(client, ALL_OPEN "6 0 1\n6 0 77\n");
    kst_spdy_put_control(&client->out, KST_SPDY_RST_STREAM, STDOUT_ID, KST_SPDY_CANCEL);
    kst_spdy_put_control(&client->out, KST_SPDY_RST_STREAM, 99, KST_SPDY_CANCEL);
    kst_spdy_put_control(&client->out, KST_SPDY_RST_STREAM, STDIN_ID, KST_SPDY_CANCEL);
    client_until_end(client, ERRORS_ID);
    assert_false(client->ended[STDOUT_ID / 2]);
    assert_true(client->ended[STDERR_ID / 2]);
}

static int read_and_write(struct scene *scene, struct kst_err **err)
{
    kst_auto_buf in = KST_BUF_INIT(CAP);
    while (kst_remote_read(scene->remote, &in, KST_NEVER, err) > 0)
        continue;
    assert_string_equal(in.data, "hello");
    assert_int_equal(write_much(scene, err), 0); /* nobody wants it */
    return finish(scene, 0, err);
}

static void test_ping_and_reset(void **state)
{
    struct scene scene = {.streams = all, .serve = read_and_write, .client = ping_and_reset};
    run_scene(&scene);
    assert_int_equal(scene.rc, 0);
}

static void open_wrongly(struct scene *scene, struct client *client)
{
    client_stream(client, 2, "error"); /* the server's */
    client_stream(client, 1, "error");
    client_stream(client, 1, "stdin"); /* not again */
    client_stream(client, 3, "stdin");
    client_stream(client, 5, "stdin");                          /* there is one */
    kst_spdy_put_data(&client->out, 5, KST_SPDY_FIN, "abc", 3); /* which was refused */
    kst_spdy_put_data(&client->out, 5, KST_SPDY_FIN, "abc", 3); /* said once */
    kst_spdy_put_headers(client->spdy, &client->out, KST_SPDY_SYN_STREAM, 0, 7, NULL, 0);
    client_stream(client, 9, "what"); /* nobody knows it: let be, as kubelet does */
    kst_spdy_put_headers(client->spdy, &client->out, KST_SPDY_SYN_REPLY, 0, 11, NULL, 0);
    client_stream(client, 13, "stdout");
    client_until_log(client, "3 2 1\n2 1 0\n3 1 1\n2 3 0\n3 5 3\n3 5 2\n2 7 0\n2 9 0\n3 11 2\n"
                             "2 13 0\n");
    for (uint32_t id = 15; id < 41; id += 2)
        client_stream(client, id, "more");
    client_stream(client, 41, "stderr");
    kst_buf_clear(&client->log);
    client_until_log(client, "2 15 0\n2 17 0\n2 19 0\n2 21 0\n2 23 0\n2 25 0\n2 27 0\n2 29 0\n"
                             "2 31 0\n2 33 0\n2 35 0\n3 37 3\n3 39 3\n3 41 3\n");
}

static int never_served(struct scene *scene, struct kst_err **err)
{
    fail_msg("it was opened");
    return 0;
}

static void test_open_wrongly(void **state)
{
    struct scene scene = {.streams = all, .serve = never_served, .client = open_wrongly};
    run_scene(&scene);
    assert_int_equal(scene.rc, KST_E_CLOSED);
}

static void tell_sizes(struct scene *scene, struct client *client)
{
    client_stream(client, 1, "error");
    client_stream(client, 3, "stdin");
    client_stream(client, 5, "stdout");
    client_stream(client, 9, "resize"); /* no stderr with a terminal */
    static const char *const parts[] = {"{\"Width\":80,",
                                        "\"Height\":24}\n{\"Width\":", "132,\"Height\":43}\n"};
    for (size_t i = 0; i < KST_ARRAY_LEN(parts); i++)
        kst_spdy_put_data(&client->out, 9, 0, parts[i], strlen(parts[i]));
    for (size_t i = 0; i < 100; i++) /* no newline for too long */
        kst_spdy_put_data(&client->out, 9, 0, "0123456789012345678901234567890", 31);
    kst_spdy_put_data(&client->out, 9, 0, "\n{\"Width\":1,\"Height\":2}\n", 24);
    kst_spdy_put_data(&client->out, 3, KST_SPDY_FIN, "x", 1);
    client_until_end(client, 1);
}

static void note_size(void *arg, unsigned columns, unsigned rows)
{
    struct scene *scene = arg;
    kst_auto_free char *text = kst_asprintf("%s%ux%u;", scene->sizes, columns, rows);
    memcpy(scene->sizes, text, strlen(text) + 1);
}

static int take_sizes(struct scene *scene, struct kst_err **err)
{
    kst_remote_on_resize(scene->remote, note_size, scene);
    return read_all(scene, err);
}

static void test_resize(void **state)
{
    struct scene scene = {.streams = {.in = true, .out = true, .errors = true, .tty = true},
                          .serve = take_sizes,
                          .client = tell_sizes};
    run_scene(&scene);
    assert_int_equal(scene.rc, 0);
    assert_int_equal(scene.count, 1);
    /* Those that came before anybody listened are told as one. */
    assert_non_null(strstr(scene.sizes, "1x2;"));
}

/* ---- Ends ---- */

static void vanish(struct scene *scene, struct client *client)
{
    open_all(client);
    kst_spdy_put_data(&client->out, STDIN_ID, 0, "abc", 3);
    client_until_log(client, ALL_OPEN);
}

static void say_goodbye(struct scene *scene, struct client *client)
{
    vanish(scene, client);
    client_goodbye(client);
    while (!client->closed)
        client_wait(client);
}

static void vanish_early(struct scene *scene, struct client *client)
{
    client_stream(client, 1, "error");
    client_until_log(client, "2 1 0\n");
}

static void open_late(struct scene *scene, struct client *client)
{
    client_stream(client, 1, "error");
    client_turn(client);
    while (!client->closed)
        client_wait(client);
}

static void test_gone(void **state)
{
    const struct {
        void (*client)(struct scene *scene, struct client *client);
        int (*serve)(struct scene *scene, struct kst_err **err);
        int64_t patience_ms;
        size_t count;
        int rc;
    } cases[] = {
        {vanish, read_all, 0, 3, KST_E_CLOSED},
        {vanish, write_then_fail, 0, 0, KST_E_CLOSED},
        {say_goodbye, read_all, 0, 3, KST_E_CLOSED},
        {vanish_early, never_served, 0, 0, KST_E_CLOSED},
        {open_late, never_served, 30, 0, KST_E_TIMEOUT},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(cases); i++) {
        struct scene scene = {.streams = all,
                              .serve = cases[i].serve,
                              .client = cases[i].client,
                              .patience_ms = cases[i].patience_ms};
        run_scene(&scene);
        assert_int_equal(scene.rc, cases[i].rc);
        assert_int_equal(scene.count, cases[i].count);
    }
}

/* A client that does not close once it has all is told to, and left. */
static void linger(struct scene *scene, struct client *client)
{
    open_all(client);
    client_until_end(client, ERRORS_ID);
    while (!client->closed)
        client_wait(client);
    assert_string_equal(client->log.data, ALL_OPEN "7 7 0\n");
}

static void test_linger(void **state)
{
    struct scene scene = {
        .streams = all, .serve = say_and_end, .client = linger, .patience_ms = 100};
    run_scene(&scene);
    assert_int_equal(scene.rc, 0);
}

static void send_bytes(struct scene *scene, struct client *client)
{
    open_all(client);
    kst_spdy_put_data(&client->out, STDIN_ID, 0, "abc", 3);
    kst_buf_add(&client->out, scene->bytes, scene->len);
    client_turn(client);
    while (!client->closed)
        client_wait(client);
    assert_string_equal(client->log.data, ALL_OPEN "7 7 1\n");
}

#define BROKEN(bytes_, message_)                                        \
    {                                                                   \
        .bytes = bytes_, .len = sizeof(bytes_) - 1, .message = message_ \
    }

/* What came before is read; the client is told why it ends. */
static void test_broken(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *message;
    } cases[] = {
        BROKEN("\x80\x02\x00\x01\x00\x00\x00\x0a", "expected frames of version 3"),
        BROKEN("\x80\x03\x00\x01\x00\x00\x00\x0a"
               "\0\0\0\x0f\0\0\0\0\0\0",
               "cut short"),
        BROKEN("\x80\x03\x00\x09\x00\x00\x00\x08"
               "\0\0\0\5\x7f\xff\xff\xff",
               "beyond 2 GiB"),
        BROKEN("\x80\x03\x00\x04\x00\x00\x00\x0c"
               "\0\0\0\1\0\0\0\7\xff\xff\xff\xff",
               "beyond 2 GiB"),
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(cases); i++) {
        struct scene scene = {.streams = all,
                              .serve = read_all,
                              .client = send_bytes,
                              .bytes = cases[i].bytes,
                              .len = cases[i].len};
        run_scene(&scene);
        assert_int_equal(scene.rc, KST_E_PROTOCOL);
        assert_int_equal(scene.count, 3);
        if (!strstr(scene.message, cases[i].message))
            fail_msg("%s", scene.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),           cmocka_unit_test(test_exit_code),
        cmocka_unit_test(test_both_ways),      cmocka_unit_test(test_no_window),
        cmocka_unit_test(test_ping_and_reset), cmocka_unit_test(test_open_wrongly),
        cmocka_unit_test(test_resize),         cmocka_unit_test(test_gone),
        cmocka_unit_test(test_linger),         cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
