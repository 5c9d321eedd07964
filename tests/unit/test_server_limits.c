/* SPDX-License-Identifier: Apache-2.0 */
/* What no client can make the API server of the embedded cluster do: fill the memory, read beyond
 * what was sent, answer with half of a list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
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
#include "loop/fiber.h"
#include "loop/http.h"
#include "loop/loop.h"
#include "sandbox/api/api.h"
#include "sandbox/api/store.h"
#include "sandbox/bootstrap.h"
#include "sandbox/server/httpd.h"
#include "sandbox/server/server.h"

enum { MIB = 1024 * 1024, ANSWER_BYTES = 128 * MIB, WAIT_MS = 30000 };

#define MAPS      "/api/v1/namespaces/default/configmaps"
#define TEMPLATES "/api/v1/namespaces/default/podtemplates"
#define ACCOUNTS  "/api/v1/namespaces/default/serviceaccounts"

struct cluster {
    struct kst_api *api;
    struct kst_server *server;
    void (*body)(struct cluster *self);
};

static int run_cluster(void *arg, struct kst_err **err)
{
    struct cluster *self = arg;
    const struct kst_server_options options = {.tls = false};
    self->api = kst_api_new();
    int rc = kst_server_new(kst_fiber_loop(), self->api, &options, &self->server, err);
    if (rc == 0) {
        kst_bootstrap(self->api);
        self->body(self);
        kst_server_stop(self->server);
    }
    kst_server_free(self->server);
    kst_api_free(self->api);
    return rc;
}

static void in_cluster(void (*body)(struct cluster *self))
{
    struct cluster cluster = {.body = body};
    struct kst_loop *loop = NULL;
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    if (kst_loop_run(loop, "test", run_cluster, &cluster, &err) < 0)
        fail_msg("%s", kst_err_message(err));
    kst_loop_free(loop);
}

/* The answer's code; its text in *out. */
static long ask(struct cluster *self, const char *method, const char *target, const char *body,
                size_t len, struct kst_buf *out)
{
    static const char *const headers[] = {"Content-Type: application/json", "Expect:", NULL};
    kst_auto_free char *url = kst_asprintf("%s%s", kst_server_url(self->server), target);
    kst_auto_err struct kst_err *err = NULL;
    const struct kst_http_request request = {.method = method,
                                             .url = url,
                                             .headers = headers,
                                             .body = body,
                                             .body_len = len,
                                             .deadline_ms = kst_deadline_in_ms(WAIT_MS)};
    struct kst_http_response response = {0};
    kst_buf_clear(out);
    if (kst_http_do(kst_fiber_loop(), &request, &response, out, &err) < 0)
        fail_msg("%s %s: %s", method, target, kst_err_message(err));
    kst_http_response_release(&response);
    return response.status;
}

/* A ConfigMap whose text alone has so many bytes. */
static char *map_text(const char *name, size_t bytes)
{
    kst_auto_free char *value = kst_malloc(bytes + 1);
    memset(value, 'x', bytes);
    value[bytes] = '\0';
    return kst_asprintf("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
                        "\"%s\",\"annotations\":{\"a\":\"b\"}},\"data\":{\"k\":\"%s\"}}",
                        name, value);
}

/* A PodTemplate with a variable of so many bytes: nothing but the server's own cap is in its way.
 */
static char *template_text(const char *name, size_t bytes)
{
    kst_auto_free char *value = kst_malloc(bytes + 1);
    memset(value, 'x', bytes);
    value[bytes] = '\0';
    return kst_asprintf("{\"apiVersion\":\"v1\",\"kind\":\"PodTemplate\",\"metadata\":{\"name\":"
                        "\"%s\"},\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":"
                        "\"i\",\"env\":[{\"name\":\"K\",\"value\":\"%s\"}]}]}}}",
                        name, value);
}

/* ---- Sizes ---- */

static void send_sizes(struct cluster *self)
{
    static const struct {
        bool map;
        size_t bytes;
        long code;
        const char *said;
    } rows[] = {
        {true, 1000, 201, "ConfigMap"},
        {true, 1600000, 422, "must have at most 1048576 bytes"},
        {false, 1600000, 500, "etcdserver: request is too large"},
        {true, 3 * MIB, 413, "limit is 3145728"},
        {true, 20 * MIB, 413, "limit is 3145728"},
    };
    kst_auto_buf out = KST_BUF_INIT(ANSWER_BYTES);
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_free char *name = kst_asprintf("map-%zu", i);
        kst_auto_free char *text = rows[i].map ? map_text(name, rows[i].bytes)
                                               : template_text(name, rows[i].bytes);
        long code = ask(self, "POST", rows[i].map ? MAPS : TEMPLATES, text, strlen(text), &out);
        if (code != rows[i].code || !strstr(out.data, rows[i].said))
            fail_msg("%zu bytes: %ld: %.300s", rows[i].bytes, code, out.data);
    }
}

static void test_what_is_too_large_is_refused(void **state)
{
    in_cluster(send_sizes);
}

static struct kst_json *map_of(const char *name, size_t bytes)
{
    kst_auto_free char *text = map_text(name, bytes);
    struct kst_json *value = NULL;
    assert_int_equal(kst_json_parse(text, strlen(text), &value, NULL), 0);
    kst_json_set_str(kst_json_mut(value, "metadata"), "namespace", "default");
    return value;
}

/* A list of more than 64 MiB says that it must be had in pages, and can be. */
static void list_much(struct cluster *self)
{
    kst_auto_buf out = KST_BUF_INIT(ANSWER_BYTES);
    struct kst_bucket *bucket = kst_store_bucket(kst_api_store(self->api), "/configmaps");
    for (int i = 0; i < 50; i++) {
        kst_auto_free char *name = kst_asprintf("map-%d", i);
        kst_bucket_put(bucket, map_of(name, 1400000));
    }
    assert_int_equal(ask(self, "GET", MAPS, NULL, 0, &out), 500);
    assert_non_null(strstr(out.data, "ask for it in pages"));
    assert_int_equal(ask(self, "GET", MAPS "?limit=10", NULL, 0, &out), 200);
    assert_non_null(strstr(out.data, "\"continue\":"));
}

static void test_a_list_is_never_cut(void **state)
{
    in_cluster(list_much);
}

/* What a bucket remembers for watches is bounded by bytes too, not by the count alone. */
static void test_large_changes_are_forgotten(void **state)
{
    struct kst_store *store = kst_store_new();
    struct kst_bucket *bucket = kst_store_bucket(store, "/configmaps");
    for (int i = 0; i < 100; i++)
        kst_bucket_put(bucket, map_of("map", MIB));
    int64_t version = kst_store_version(store);
    assert_false(kst_bucket_remembers(bucket, version - 50));
    assert_true(kst_bucket_remembers(bucket, version - 20));
    kst_bucket_delete(bucket, "default", "map", NULL);
    assert_true(kst_bucket_remembers(bucket, version));
    kst_store_free(store);
}

/* ---- Odd values ---- */

static void ask_oddly(struct cluster *self)
{
    static const struct {
        const char *method, *target, *body;
        long code;
        const char *said;
    } rows[] = {
        /* {"rv":1,"start":"x"}: no namespace before the name */
        {"GET", "/api/v1/namespaces?continue=eyJydiI6MSwic3RhcnQiOiJ4In0%3D", "", 400,
         "continue key is not valid"},
        {"GET", "/api/v1/namespaces?limit=9223372036854775807", "", 200, "kube-system"},
        {"GET", "/api/v1", "", 200, "pods/binding"},
        {"POST", MAPS, "{", 400, "unrecognized"},
        {"POST", ACCOUNTS,
         "{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{\"name\":\"default\"}}",
         201, "ServiceAccount"},
        {"POST", ACCOUNTS "/default/token",
         "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenRequest\",\"spec\":"
         "{\"expirationSeconds\":9223372036854775807}}",
         422, "larger than 2^32 seconds"},
        {"POST", "/api/v1/namespaces/default/pods",
         "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"},\"spec\":"
         "{\"nodeName\":\"sandbox\",\"terminationGracePeriodSeconds\":9223372036854775807,"
         "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
         201, "9223372036854775807"},
        {"DELETE", "/api/v1/namespaces/default/pods/p", "", 200, "deletionTimestamp"},
    };
    kst_auto_buf out = KST_BUF_INIT(ANSWER_BYTES);
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        long code = ask(self, rows[i].method, rows[i].target, rows[i].body, strlen(rows[i].body),
                        &out);
        if (code != rows[i].code || !strstr(out.data, rows[i].said))
            fail_msg("%s %s: %ld: %.300s", rows[i].method, rows[i].target, code, out.data);
    }
}

static void test_odd_values_are_answered(void **state)
{
    in_cluster(ask_oddly);
}

/* ---- A watch that is not read ---- */

static int connect_slowly(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Reads until the text was seen (true), or the end. */
static bool read_until(int fd, struct kst_buf *seen, const char *text)
{
    while (!strstr(seen->data, text)) {
        if (kst_wait_fd(fd, POLLIN, kst_deadline_in_ms(WAIT_MS), NULL) < 0)
            fail_msg("neither '%s' nor the end came", text);
        char piece[65536];
        ssize_t count = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);
        if (count <= 0)
            return false;
        kst_buf_add(seen, piece, (size_t)count);
        if (seen->len > 8 * MIB) /* the end of it is what matters */
            kst_buf_drop(seen, seen->len - MIB);
    }
    return true;
}

/* Its client does not read while a hundred large changes happen: what it did not take is forgotten,
 * and that is what it is told when it reads again. */
static void watch_slowly(struct cluster *self)
{
    static const char request[] = "GET " MAPS
                                  "?watch=1&resourceVersion=1 HTTP/1.1\r\nHost: x\r\n\r\n";
    kst_auto_buf seen = KST_BUF_INIT(16 * MIB);
    struct kst_bucket *bucket = kst_store_bucket(kst_api_store(self->api), "/configmaps");
    int fd = connect_slowly(kst_server_port(self->server));
    assert_int_equal(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
    assert_true(read_until(fd, &seen, "200 OK"));
    for (int i = 0; i < 100; i++) {
        kst_bucket_put(bucket, map_of("map", MIB));
        kst_yield();
    }
    assert_true(read_until(fd, &seen, "\"ERROR\""));
    assert_true(read_until(fd, &seen, "too old resource version"));
    close(fd);
}

static void test_a_watch_that_is_not_read_is_told_so(void **state)
{
    in_cluster(watch_slowly);
}

/* ---- A client that says half of what it wants ---- */

static void never_called(void *arg, struct kst_httpd_request *request)
{
    fail_msg("half a request is served");
}

static int send_half(void *arg, struct kst_err **err)
{
    static const char half[] = "GET / HTTP/1.1\r\nHost";
    const struct kst_httpd_options options = {
        .address = "127.0.0.1", .idle_s = 1, .handle = never_called};
    kst_auto_buf seen = KST_BUF_INIT(MIB);
    struct kst_httpd *httpd = NULL;
    assert_int_equal(kst_httpd_new(kst_fiber_loop(), &options, &httpd, err), 0);
    int fd = connect_slowly(kst_httpd_port(httpd));
    assert_int_equal(send(fd, half, sizeof(half) - 1, 0), sizeof(half) - 1);
    assert_false(read_until(fd, &seen, "HTTP/1.1 200"));
    close(fd);
    kst_httpd_stop(httpd);
    kst_httpd_free(httpd);
    return 0;
}

/* Its connection is ended, and does not count against others for ever. */
static void test_half_a_request_is_given_up(void **state)
{
    struct kst_loop *loop = NULL;
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    assert_int_equal(kst_loop_run(loop, "test", send_half, NULL, NULL), 0);
    kst_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_too_large_is_refused),
        cmocka_unit_test(test_a_list_is_never_cut),
        cmocka_unit_test(test_large_changes_are_forgotten),
        cmocka_unit_test(test_odd_values_are_answered),
        cmocka_unit_test(test_a_watch_that_is_not_read_is_told_so),
        cmocka_unit_test(test_half_a_request_is_given_up),
    };
    kst_http_global_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kst_http_global_release();
    return failed;
}
