/* SPDX-License-Identifier: Apache-2.0 */
/* Requests, streams and raw connections against a scripted server on loopback. */
#include "loop/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fake_http.h"
#include "loop/fiber.h"
#include "loop/loop.h"

enum { BODY_BYTES = 8 * 1024 * 1024 };

static struct kst_loop *loop;
static struct fake_http *server;
/* What the server saw; read by the test after the answer came. */
static struct {
    atomic_uint posts, last_connection;
    atomic_size_t body_len, streamed;
    atomic_ullong body_hash;
    atomic_bool has_header, ended;
} seen;
/* What the server says, by the test. */
static struct {
    const char *raw; /* instead of an answer, before the connection's end */
    const char *headers;
    enum fake_http_way post_way;
    bool post_closes;
} script;

static void write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

static void say_raw(void *arg, int fd)
{
    write_all(fd, script.raw, strlen(script.raw));
}

static void say_nothing(void *arg, int fd)
{
}

/* Until nobody reads any more. */
static void say_without_end(void *arg, int fd)
{
    char chunk[64 * 1024];
    memset(chunk, 'x', sizeof(chunk));
    for (;;) {
        ssize_t n = send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL);
        if (n <= 0)
            break;
        atomic_fetch_add(&seen.streamed, (size_t)n);
    }
    atomic_store(&seen.ended, true);
}

static void wait_for_the_end(void *arg, int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    char byte;
    if (poll(&poll_fd, 1, 10 * 1000) == 1 && recv(fd, &byte, 1, 0) <= 0)
        atomic_store(&seen.ended, true);
}

static void echo(void *arg, int fd)
{
    char chunk[1024];
    for (ssize_t n; (n = recv(fd, chunk, sizeof(chunk), 0)) > 0;) {
        write_all(fd, chunk, (size_t)n);
        if (memchr(chunk, '!', (size_t)n))
            break;
    }
}

static void answer_changes(const struct fake_http_request *request, struct fake_http_answer *answer)
{
    atomic_fetch_add(&seen.posts, 1);
    atomic_store(&seen.body_len, request->body_len);
    atomic_store(&seen.body_hash, kst_hash(request->body, request->body_len));
    answer->way = script.post_way;
    if (script.post_closes) {
        answer->status = 0;
        answer->talk = say_nothing;
    }
}

static void answer(void *arg, const struct fake_http_request *request,
                   struct fake_http_answer *answer)
{
    static const struct {
        const char *target;
        void (*talk)(void *arg, int fd);
        int status;
    } talks[] = {
        {"/raw", say_raw, 0},
        {"/nothing", say_nothing, 0},
        {"/endless", say_without_end, 200},
        {"/silent", wait_for_the_end, 0},
        {"/begun", wait_for_the_end, 200},
        {"/echo", echo, 0},
    };
    atomic_store(&seen.last_connection, request->connection);
    atomic_store(&seen.has_header, fake_http_has_header(request, "X-Test", "yes"));
    if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0)
        answer_changes(request, answer);
    for (size_t i = 0; i < KST_ARRAY_LEN(talks); i++) {
        if (strcmp(request->target, talks[i].target) == 0) {
            answer->talk = talks[i].talk;
            answer->status = talks[i].status;
            return;
        }
    }
    answer->headers = kst_strdup(script.headers);
    if (strcmp(request->target, "/half") == 0)
        answer->way = FAKE_HTTP_HALF;
    else if (strcmp(request->target, "/reset") == 0)
        answer->way = FAKE_HTTP_RESET;
    else if (strcmp(request->target, "/until-close") == 0)
        answer->way = FAKE_HTTP_UNTIL_CLOSE;
    else if (strcmp(request->target, "/late") == 0)
        answer->delay_ms = 300;
    else if (strcmp(request->target, "/503") == 0)
        answer->status = 503;
    if (strcmp(request->method, "HEAD") != 0)
        answer->body = kst_asprintf("%s %s", request->method, request->target);
}

static int set_up(void **state)
{
    memset(&seen, 0, sizeof(seen));
    memset(&script, 0, sizeof(script));
    server = fake_http_start(answer, NULL);
    return kst_loop_new(&loop, NULL);
}

static int tear_down(void **state)
{
    kst_loop_free(loop);
    fake_http_stop(server);
    return 0;
}

/* One request, run in a fiber by ask(). */
struct ask {
    struct kst_http_request request;
    struct kst_http_response response;
    struct kst_buf body;
    char *url;
    const char *path;
    size_t cap_bytes;
    int rc;
    struct kst_err *err;
};

static int run_ask(void *arg, struct kst_err **err)
{
    struct ask *self = arg;
    self->rc = kst_http_do(loop, &self->request, &self->response, &self->body, &self->err);
    return 0;
}

static void ask_prepare(struct ask *self)
{
    kst_buf_init(&self->body, self->cap_bytes ? self->cap_bytes : BODY_BYTES);
    if (!self->request.url) {
        self->url = kst_asprintf("%s%s", fake_http_url(server), self->path);
        self->request.url = self->url;
    }
}

static void ask(struct ask *self)
{
    ask_prepare(self);
    kst_loop_run(loop, "ask", run_ask, self, NULL);
    assert_int_equal(self->rc, kst_err_code(self->err));
}

static void ask_release(struct ask *self)
{
    kst_http_response_release(&self->response);
    kst_buf_release(&self->body);
    kst_err_free(self->err);
    free(self->url);
    memset(self, 0, sizeof(*self));
}
#define auto_ask __attribute__((cleanup(ask_release))) struct ask

static void assert_says(const struct kst_err *err, const char *text)
{
    if (!strstr(kst_err_message(err), text))
        fail_msg("expected \"%s\" in: %s", text, kst_err_message(err));
}

static void an_answer_is_collected(void **state)
{
    auto_ask a = {.path = "/a?b=c"};
    ask(&a);
    assert_int_equal(a.rc, 0);
    assert_int_equal(a.response.status, 200);
    assert_string_equal(a.response.content_type, "application/json");
    assert_string_equal(a.body.data, "GET /a?b=c");
    assert_int_equal(a.response.http_version, 11);
    assert_int_equal(a.response.retry_after_ms, -1);
    assert_true(a.response.sent);
    auto_ask head = {.path = "/x", .request.method = "HEAD"};
    ask(&head);
    assert_int_equal(head.rc, 0);
    assert_int_equal(head.body.len, 0);
}

static void every_status_is_an_answer(void **state)
{
    auto_ask a = {.path = "/503"};
    ask(&a);
    assert_int_equal(a.rc, 0);
    assert_int_equal(a.response.status, 503);
    assert_string_equal(a.body.data, "GET /503");
}

static void bodies_arrive_as_they_are(void **state)
{
    static const char *const methods[] = {"POST", "PATCH", "PUT", "DELETE"};
    static const size_t sizes[] = {0, 1, 17, 100 * 1000, 3 * 1000 * 1000};
    static const char *const headers[] = {"X-Test: yes", NULL};
    kst_auto_free char *data = kst_malloc(sizes[4]);
    for (size_t i = 0; i < sizes[4]; i++)
        data[i] = (char)(i * 7 + i / 256); /* with every byte, NUL too */
    for (size_t m = 0; m < KST_ARRAY_LEN(methods); m++) {
        for (size_t i = 0; i < KST_ARRAY_LEN(sizes); i++) {
            auto_ask a = {.path = "/x", .request = {.method = methods[m], .headers = headers}};
            a.request.body = data;
            a.request.body_len = sizes[i];
            ask(&a);
            assert_int_equal(a.rc, 0);
            assert_int_equal(atomic_load(&seen.body_len), sizes[i]);
            assert_true(atomic_load(&seen.body_hash) == kst_hash(data, sizes[i]));
            assert_true(atomic_load(&seen.has_header));
        }
    }
}

static void one_connection_serves_one_after_another(void **state)
{
    static const char *const methods[] = {"GET", "POST", "PATCH", "PUT", "DELETE"};
    for (int i = 0; i < 20; i++) {
        auto_ask a = {.path = "/x", .request = {.method = methods[i % 5], .body_len = 2}};
        a.request.body = i % 5 ? "{}" : NULL;
        ask(&a);
        assert_int_equal(a.rc, 0);
        assert_int_equal(atomic_load(&seen.last_connection), 0);
    }
}

static void many_at_once_are_all_answered(void **state)
{
    enum { MANY = 30 };
    static struct ask asks[MANY];
    struct kst_fiber *fibers[MANY];
    for (int i = 0; i < MANY; i++) {
        asks[i].path = "/x";
        ask_prepare(&asks[i]);
        fibers[i] = kst_fiber_spawn(loop, "ask", run_ask, &asks[i]);
    }
    for (int i = 0; i < MANY; i++) {
        kst_fiber_join(fibers[i], NULL);
        assert_int_equal(asks[i].rc, 0);
        assert_string_equal(asks[i].body.data, "GET /x");
        ask_release(&asks[i]);
    }
    assert_int_equal(fake_http_count(server), MANY);
}

/* curl sent a POST again, without a word, when a connection that it had used before ended before
 * the answer: the server had executed it twice. */
static void a_post_is_sent_once_where_its_connection_dies(void **state)
{
    kst_auto_free char *large = kst_calloc(1, 1000 * 1000);
    const struct {
        const char *method;
        const void *body;
        size_t len;
        bool closes; /* else: resets */
    } table[] = {
        {"POST", "{}", 2, true},
        {"POST", "{}", 2, false},
        {"PATCH", "{}", 2, true},
        {"PATCH", "{}", 2, false},
        {"POST", NULL, 0, true},
        {"POST", "", 0, false},
        {"PATCH", NULL, 0, true},
        {"POST", large, 1000 * 1000, true},
        {"POST", large, 1000 * 1000, false},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        auto_ask first = {.path = "/x"}; /* the connection is a used one then */
        ask(&first);
        assert_int_equal(first.rc, 0);
        atomic_store(&seen.posts, 0);
        script.post_closes = table[i].closes;
        script.post_way = FAKE_HTTP_RESET;
        auto_ask a = {.path = "/x", .request = {.method = table[i].method}};
        a.request.body = table[i].body;
        a.request.body_len = table[i].len;
        ask(&a);
        assert_int_equal(a.rc, KST_E_CLOSED);
        assert_true(a.response.sent);
        assert_int_equal(a.response.status, 0);
        assert_int_equal(atomic_load(&seen.posts), 1);
        assert_int_equal(atomic_load(&seen.body_len), table[i].len);
    }
}

/* What curl does where it is not told otherwise; harmless for these. */
static void a_put_is_sent_again_where_its_connection_dies(void **state)
{
    auto_ask first = {.path = "/x"};
    ask(&first);
    script.post_closes = true;
    auto_ask a = {.path = "/x", .request = {.method = "PUT", .body = "{}", .body_len = 2}};
    ask(&a);
    assert_int_equal(a.rc, KST_E_CLOSED);
    assert_int_equal(atomic_load(&seen.posts), 2);
}

static void answers_in_chunks(void **state)
{
    static const struct {
        const char *raw, *body;
        int rc;
    } table[] = {
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
         "abcde", 0},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nd", NULL,
         KST_E_CLOSED},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", NULL, KST_E_CLOSED},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", NULL, KST_E_CLOSED},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", NULL, KST_E_CLOSED},
        {"HTTP/1.1 200 OK\r\n\r\nabc", "abc", 0},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "x", 0},
        {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz", NULL,
         KST_E_CLOSED},
        {"HTTP/1.1 200 O", NULL, KST_E_CLOSED},
        {"SSH-2.0-OpenSSH_9.2\r\n", NULL, KST_E_CLOSED},
        {"", NULL, KST_E_CLOSED},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        script.raw = table[i].raw;
        auto_ask a = {.path = "/raw"};
        ask(&a);
        if (a.rc != table[i].rc)
            fail_msg("%s: %d, %s", table[i].raw, a.rc, kst_err_message(a.err));
        if (table[i].body)
            assert_string_equal(a.body.data, table[i].body);
        else
            assert_int_equal(a.response.status, 0);
    }
}

static void ends_of_connections(void **state)
{
    auto_ask half = {.path = "/half"};
    ask(&half);
    assert_int_equal(half.rc, KST_E_CLOSED);
    assert_says(half.err, "127.0.0.1");
    auto_ask reset = {.path = "/reset"};
    ask(&reset);
    assert_int_equal(reset.rc, KST_E_CLOSED);
    assert_true(reset.response.sent);
    auto_ask whole = {.path = "/until-close"};
    ask(&whole);
    assert_int_equal(whole.rc, 0);
    assert_string_equal(whole.body.data, "GET /until-close");
}

static void bodies_have_a_cap(void **state)
{
    auto_ask fits = {.path = "/x", .cap_bytes = 6};
    ask(&fits);
    assert_int_equal(fits.rc, 0);
    auto_ask a = {.path = "/x", .cap_bytes = 5};
    ask(&a);
    assert_int_equal(a.rc, KST_E_LIMIT);
    assert_says(a.err, "larger than the 5 bytes");
    auto_ask endless = {.path = "/endless", .cap_bytes = 1000 * 1000};
    ask(&endless);
    assert_int_equal(endless.rc, KST_E_LIMIT);
}

static void retry_after(void **state)
{
    char soon[64], late[64];
    time_t now = time(NULL), then = now + 100, far = now + 10 * 86400;
    struct tm parts;
    strftime(soon, sizeof(soon), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&then, &parts));
    strftime(late, sizeof(late), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&far, &parts));
    const struct {
        const char *value;
        int64_t least_ms, most_ms;
    } table[] = {
        {"3", 3000, 3000},
        {"  7 ", 7000, 7000},
        {"0", 0, 0},
        {"-5", -1, -1},
        {"soon", -1, -1},
        {"", -1, -1},
        {"99999999999999999999", -1, 86400 * 1000},
        {"999999999", 86400 * 1000, 86400 * 1000},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0, 0},
        {soon, 90 * 1000, 100 * 1000},
        {late, 86400 * 1000, 86400 * 1000}, /* a date was believed however far away it was */
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_free char *header = kst_asprintf("retry-after: %s\r\n", table[i].value);
        script.headers = header;
        auto_ask a = {.path = "/503"};
        ask(&a);
        if (a.response.retry_after_ms < table[i].least_ms ||
            a.response.retry_after_ms > table[i].most_ms)
            fail_msg("Retry-After: %s gave %lld ms", table[i].value,
                     (long long)a.response.retry_after_ms);
    }
}

static void silence_ends(void **state)
{
    int64_t start = kst_now_ms();
    auto_ask stall = {.path = "/silent", .request.stall_timeout_ms = 1000};
    ask(&stall);
    assert_int_equal(stall.rc, KST_E_TIMEOUT);
    assert_true(stall.response.sent);
    assert_says(stall.err, "sent nothing for too long");
    assert_true(kst_now_ms() - start >= 900);
}

static void a_deadline_ends_an_exchange(void **state)
{
    int64_t start = kst_now_ms();
    auto_ask a = {.path = "/late", .request.deadline_ms = kst_deadline_in_ms(150)};
    ask(&a);
    assert_int_equal(a.rc, KST_E_TIMEOUT);
    assert_true(a.response.sent);
    assert_true(kst_now_ms() - start >= 140);
    auto_ask next = {.path = "/x"};
    ask(&next);
    assert_int_equal(next.rc, 0);
    assert_string_equal(next.body.data, "GET /x");
}

static int cancel_in_the_middle(void *arg, struct kst_err **err)
{
    struct kst_fiber *fiber = kst_fiber_spawn(loop, "ask", run_ask, arg);
    kst_sleep_ms(50, NULL);
    kst_fiber_cancel(fiber);
    return kst_fiber_join(fiber, err);
}

static void wait_until_ended(void)
{
    for (int i = 0; i < 500 && !atomic_load(&seen.ended); i++)
        usleep(10 * 1000);
    assert_true(atomic_load(&seen.ended));
}

static void a_cancel_ends_the_connection(void **state)
{
    auto_ask a = {.path = "/silent"};
    ask_prepare(&a);
    kst_loop_run(loop, "main", cancel_in_the_middle, &a, NULL);
    assert_int_equal(a.rc, KST_E_CANCELLED);
    assert_true(a.response.sent);
    wait_until_ended();
    auto_ask next = {.path = "/x"};
    ask(&next);
    assert_int_equal(next.rc, 0);
}

/* A port that nobody listens on. */
static int closed_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void a_server_that_is_not_there(void **state)
{
    kst_auto_free char *url = kst_asprintf("http://user:hunter2@127.0.0.1:%d/x", closed_port());
    static const char *const headers[] = {"Authorization: Bearer hunter2", NULL};
    auto_ask a = {.request = {.url = url, .headers = headers, .method = "POST"}};
    a.request.body = "hunter2";
    a.request.body_len = 7;
    ask(&a);
    assert_int_equal(a.rc, KST_E_UNREACHABLE);
    assert_false(a.response.sent);
    assert_says(a.err, "no connection to 127.0.0.1:");
    assert_null(strstr(kst_err_message(a.err), "hunter2"));
    assert_non_null(kst_err_get_hint(a.err));
}

/* A listener whose queue is full answers no SYN. */
static void a_server_that_does_not_accept(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0), others[4];
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    for (int i = 0; i < 4; i++) {
        others[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(others[i], (struct sockaddr *)&address, sizeof(address));
    }
    kst_auto_free char *url = kst_asprintf("http://127.0.0.1:%d/", ntohs(address.sin_port));
    auto_ask a = {.request = {.url = url, .connect_timeout_ms = 200}};
    ask(&a);
    assert_int_equal(a.rc, KST_E_UNREACHABLE);
    assert_false(a.response.sent);
    assert_says(a.err, "did not accept a connection in time");
    for (int i = 0; i < 4; i++)
        close(others[i]);
    close(listener);
}

static void urls_that_are_none(void **state)
{
    static const char *const urls[] = {
        "", "http://", "http://[::1", "http://a b/", "/x", "http://127.0.0.1:99999/"};
    for (size_t i = 0; i < KST_ARRAY_LEN(urls); i++) {
        auto_ask a = {.request.url = urls[i]};
        ask(&a);
        assert_int_equal(a.rc, KST_E_INVALID);
        assert_false(a.response.sent);
    }
    auto_ask ftp = {.request.url = "ftp://127.0.0.1/x"};
    ask(&ftp);
    assert_true(ftp.rc < 0);
    auto_ask file = {.request.url = "file:///etc/passwd"};
    ask(&file);
    assert_true(file.rc < 0);
    assert_int_equal(file.body.len, 0);
}

/* Streams. */
struct stream {
    const char *path;
    int open_rc;
    int64_t read_rc;
    size_t held_bytes, got; /* what the server had sent before the first read; what was read */
    struct kst_http_response response;
    size_t want;
    int64_t before_read_ms, deadline_ms;
};

static int run_stream(void *arg, struct kst_err **err)
{
    struct stream *self = arg;
    kst_auto_free char *url = kst_asprintf("%s%s", fake_http_url(server), self->path);
    const struct kst_http_request request = {.url = url};
    struct kst_http_stream *stream = NULL;
    self->open_rc = kst_http_open(loop, &request, &self->response, &stream, err);
    if (self->open_rc < 0)
        return self->open_rc;
    if (self->before_read_ms)
        kst_sleep_ms(self->before_read_ms, NULL);
    self->held_bytes = atomic_load(&seen.streamed);
    kst_auto_buf into = KST_BUF_INIT(1024 * 1024);
    do {
        kst_buf_clear(&into);
        self->read_rc = kst_http_read(
            stream, &into, SIZE_MAX,
            self->deadline_ms ? kst_deadline_in_ms(self->deadline_ms) : KST_NEVER, err);
        self->got += into.len;
    } while (self->read_rc > 0 && (!self->want || self->got < self->want));
    kst_http_close(stream);
    return self->read_rc < 0 ? (int)self->read_rc : 0;
}

static void a_stream_is_read_to_its_end(void **state)
{
    struct stream s = {.path = "/x"};
    assert_int_equal(kst_loop_run(loop, "main", run_stream, &s, NULL), 0);
    assert_int_equal(s.response.status, 200);
    assert_int_equal(s.got, strlen("GET /x"));
    assert_int_equal(s.read_rc, 0);
    kst_http_response_release(&s.response);
}

static void a_stream_that_is_not_read_holds_the_sender_back(void **state)
{
    struct stream s = {.path = "/endless", .before_read_ms = 300, .want = 64 * 1024 * 1024};
    assert_int_equal(kst_loop_run(loop, "main", run_stream, &s, NULL), 0);
    assert_true(s.held_bytes < 32 * 1024 * 1024); /* what the kernel's and our buffers take */
    assert_true(s.got >= s.want);
    wait_until_ended(); /* closing the stream ends the connection */
    kst_http_response_release(&s.response);
}

static void a_stream_that_breaks_is_an_error(void **state)
{
    kst_auto_err struct kst_err *err = NULL;
    script.raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nd";
    struct stream s = {.path = "/raw"};
    assert_int_equal(kst_loop_run(loop, "main", run_stream, &s, &err), KST_E_CLOSED);
    assert_int_equal(s.open_rc, 0);
    assert_int_equal(s.got, 4);
    kst_http_response_release(&s.response);
}

static void a_stream_gives_up_at_a_deadline(void **state)
{
    struct stream s = {.path = "/begun", .deadline_ms = 50};
    assert_int_equal(kst_loop_run(loop, "main", run_stream, &s, NULL), KST_E_TIMEOUT);
    assert_int_equal(s.open_rc, 0);
    wait_until_ended();
    kst_http_response_release(&s.response);
}

/* Raw connections. */
static int run_raw(void *arg, struct kst_err **err)
{
    struct kst_buf *got = arg;
    const struct kst_http_request request = {.url = fake_http_url(server)};
    struct kst_http_raw *raw = NULL;
    int rc = kst_http_raw_open(loop, &request, &raw, err);
    if (rc < 0)
        return rc;
    static const char text[] = "GET /echo HTTP/1.1\r\n\r\n";
    assert_int_equal(kst_http_raw_send(raw, text, sizeof(text) - 1, err), sizeof(text) - 1);
    kst_sleep_ms(30, NULL); /* or "hello" is taken for a body */
    assert_int_equal(kst_http_raw_send(raw, "hello!", 6, err), 6);
    for (;;) {
        rc = kst_wait_fd(kst_http_raw_fd(raw), POLLIN, kst_deadline_in_ms(5000), err);
        char data[100];
        int64_t n = rc < 0 ? rc : kst_http_raw_recv(raw, data, sizeof(data), err);
        if (n < 0) {
            kst_http_raw_close(raw);
            return (int)n;
        }
        kst_buf_add(got, data, (size_t)n);
    }
}

static void a_raw_connection_carries_bytes(void **state)
{
    kst_auto_buf got = KST_BUF_INIT(4096);
    assert_int_equal(kst_loop_run(loop, "main", run_raw, &got, NULL), KST_E_CLOSED);
    assert_string_equal(got.data, "hello!");
}

static void escaping(void **state)
{
    static const struct {
        const char *text, *escaped;
    } table[] = {
        {"", ""},
        {"aZ09-_.~", "aZ09-_.~"},
        {"a b/c?d=e&f", "a%20b%2Fc%3Fd%3De%26f"},
        {"%", "%25"},
        {"\xc3\xa4\x01\x7f", "%C3%A4%01%7F"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_buf out = KST_BUF_INIT(100);
        assert_int_equal(kst_url_escape(&out, table[i].text), 0);
        assert_string_equal(out.data, table[i].escaped);
    }
    kst_auto_buf small = KST_BUF_INIT(4);
    assert_int_equal(kst_url_escape(&small, "  "), KST_E_LIMIT);
    assert_non_null(strstr(kst_http_version(), "libcurl/"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_collected),
        TEST(every_status_is_an_answer),
        TEST(bodies_arrive_as_they_are),
        TEST(one_connection_serves_one_after_another),
        TEST(many_at_once_are_all_answered),
        TEST(a_post_is_sent_once_where_its_connection_dies),
        TEST(a_put_is_sent_again_where_its_connection_dies),
        TEST(answers_in_chunks),
        TEST(ends_of_connections),
        TEST(bodies_have_a_cap),
        TEST(retry_after),
        TEST(silence_ends),
        TEST(a_deadline_ends_an_exchange),
        TEST(a_cancel_ends_the_connection),
        TEST(a_server_that_is_not_there),
        TEST(a_server_that_does_not_accept),
        TEST(urls_that_are_none),
        TEST(a_stream_is_read_to_its_end),
        TEST(a_stream_that_is_not_read_holds_the_sender_back),
        TEST(a_stream_that_breaks_is_an_error),
        TEST(a_stream_gives_up_at_a_deadline),
        TEST(a_raw_connection_carries_bytes),
        cmocka_unit_test(escaping),
    };
    kst_http_global_init();
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    kst_http_global_release();
    return rc;
}
