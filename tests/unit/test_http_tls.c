/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and proxies. */
#include "loop/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fake_http.h"
#include "fake_tls.h"
#include "loop/loop.h"
#include "make_cert.h"

static struct kst_loop *loop;
static struct fake_http *server, *proxy;
static struct fake_tls *front;
static char *cert, *key;       /* of the server */
static char *tunnelled_target; /* of the proxy's last request */
static char *plain_target;
static int proxy_status;

static void answer(void *arg, const struct fake_http_request *request,
                   struct fake_http_answer *answer)
{
    answer->body = kst_asprintf("%s %s", request->method, request->target);
}

static void carry(void *arg, int fd)
{
    int behind = fake_tls_connect(tunnelled_target);
    fake_tls_carry(fd, behind);
    close(behind);
}

static void answer_as_proxy(void *arg, const struct fake_http_request *request,
                            struct fake_http_answer *answer)
{
    if (strcmp(request->method, "CONNECT") != 0) {
        free(plain_target);
        plain_target = kst_strdup(request->target);
        answer->body = kst_strdup("of the proxy");
        return;
    }
    free(tunnelled_target);
    tunnelled_target = kst_strdup(request->target);
    answer->status = proxy_status;
    if (proxy_status == 200)
        answer->talk = carry;
}

static int set_up(void **state)
{
    make_cert_named("api.test", 3600, &cert, &key);
    proxy_status = 200;
    server = fake_http_start(answer, NULL);
    front = fake_tls_start(fake_http_url(server), cert, key);
    proxy = fake_http_start(answer_as_proxy, NULL);
    return kst_loop_new(&loop, NULL);
}

static int tear_down(void **state)
{
    kst_loop_free(loop); /* its connections first: the proxy carries them until they end */
    fake_http_stop(proxy);
    fake_tls_stop(front);
    fake_http_stop(server);
    free(cert);
    free(key);
    free(tunnelled_target);
    free(plain_target);
    cert = key = tunnelled_target = plain_target = NULL;
    return 0;
}

struct ask {
    const char *url, *proxy;
    struct kst_http_tls tls;
    bool stream;
    int64_t connect_timeout_ms;
    struct kst_http_response response;
    struct kst_buf body;
    int rc;
    struct kst_err *err;
};

static int read_stream(struct kst_http_stream *stream, struct kst_buf *into, struct kst_err **err)
{
    int64_t n;
    while ((n = kst_http_read(stream, into, SIZE_MAX, kst_deadline_in_ms(5000), err)) > 0) {
    }
    kst_http_close(stream);
    return (int)n;
}

static int run_ask(void *arg, struct kst_err **err)
{
    struct ask *self = arg;
    const struct kst_http_request request = {.url = self->url,
                                             .proxy = self->proxy,
                                             .tls = &self->tls,
                                             .connect_timeout_ms = self->connect_timeout_ms,
                                             .deadline_ms = kst_deadline_in_ms(10 * 1000)};
    if (!self->stream)
        return kst_http_do(loop, &request, &self->response, &self->body, err);
    struct kst_http_stream *stream = NULL;
    int rc = kst_http_open(loop, &request, &self->response, &stream, err);
    return rc < 0 ? rc : read_stream(stream, &self->body, err);
}

static void ask(struct ask *self)
{
    kst_buf_init(&self->body, 4096);
    self->rc = kst_loop_run(loop, "ask", run_ask, self, &self->err);
}

static void ask_release(struct ask *self)
{
    kst_http_response_release(&self->response);
    kst_buf_release(&self->body);
    kst_err_free(self->err);
}
#define auto_ask __attribute__((cleanup(ask_release))) struct ask

static void assert_refuses(struct ask *a, const char *says)
{
    ask(a);
    assert_int_equal(a->rc, KST_E_UNREACHABLE);
    assert_false(a->response.sent);
    assert_string_equal(kst_err_get_reason(a->err), "TLSVerification");
    if (!strstr(kst_err_message(a->err), says))
        fail_msg("expected \"%s\" in: %s", says, kst_err_message(a->err));
    assert_non_null(kst_err_get_hint(a->err));
    assert_int_equal(fake_http_count(server), 0);
}

static void the_right_certificate_is_trusted(void **state)
{
    auto_ask a = {.url = fake_tls_url(front), .tls = {.ca_pem = cert, .server_name = "api.test"}};
    ask(&a);
    assert_int_equal(a.rc, 0);
    assert_string_equal(a.body.data, "GET /");
}

static void another_authority_is_not_trusted(void **state)
{
    kst_auto_free char *other = NULL, *other_key = NULL;
    make_cert_named("api.test", 3600, &other, &other_key);
    auto_ask a = {.url = fake_tls_url(front), .tls = {.ca_pem = other, .server_name = "api.test"}};
    assert_refuses(&a, "not signed by the expected authority");
    auto_ask machine = {.url = fake_tls_url(front), .tls = {.server_name = "api.test"}};
    assert_refuses(&machine, "not signed by the expected authority");
}

static void another_name_is_not_trusted(void **state)
{
    auto_ask a = {.url = fake_tls_url(front), .tls = {.ca_pem = cert}};
    assert_refuses(&a, "certificate is for another name");
    auto_ask b = {.url = fake_tls_url(front), .tls = {.ca_pem = cert, .server_name = "x.test"}};
    assert_refuses(&b, "certificate is for another name");
}

static void a_certificate_that_has_expired_is_not_trusted(void **state)
{
    kst_auto_free char *old = NULL, *old_key = NULL;
    make_cert_named("api.test", -10, &old, &old_key);
    struct fake_tls *stale = fake_tls_start(fake_http_url(server), old, old_key);
    auto_ask a = {.url = fake_tls_url(stale), .tls = {.ca_pem = old, .server_name = "api.test"}};
    assert_refuses(&a, "has expired");
    fake_tls_stop(stale);
}

static void a_certificate_of_tomorrow_is_not_trusted(void **state)
{
    kst_auto_free char *young = NULL, *young_key = NULL;
    make_cert_named("api.test", 3 * 86400, &young, &young_key); /* valid for its last day */
    struct fake_tls *early = fake_tls_start(fake_http_url(server), young, young_key);
    auto_ask a = {.url = fake_tls_url(early), .tls = {.ca_pem = young, .server_name = "api.test"}};
    assert_refuses(&a, "not valid yet");
    fake_tls_stop(early);
}

static void insecure_trusts_all(void **state)
{
    auto_ask a = {.url = fake_tls_url(front), .tls = {.insecure = true}};
    ask(&a);
    assert_int_equal(a.rc, 0);
    /* A connection that was made so is not used for who wants to know. */
    auto_ask b = {.url = fake_tls_url(front), .tls = {.ca_pem = cert, .server_name = "x.test"}};
    ask(&b);
    assert_int_equal(b.rc, KST_E_UNREACHABLE);
}

/* It takes the greeting for the beginning of a request, and waits for the rest. */
static void a_server_that_does_not_speak_tls(void **state)
{
    kst_auto_free char *url = kst_asprintf("https%s", fake_http_url(server) + strlen("http"));
    auto_ask a = {.url = url, .tls = {.ca_pem = cert}, .connect_timeout_ms = 200};
    ask(&a);
    assert_int_equal(a.rc, KST_E_UNREACHABLE);
    assert_false(a.response.sent);
}

static void pem_that_is_none_is_not_usable(void **state)
{
    auto_ask ca = {.url = fake_tls_url(front), .tls = {.ca_pem = "not a certificate"}};
    ask(&ca);
    assert_true(ca.rc < 0);
    auto_ask pair = {.url = fake_tls_url(front),
                     .tls = {.ca_pem = cert,
                             .cert_pem = "hunter2 is no certificate",
                             .key_pem = "hunter2 is no key",
                             .server_name = "api.test"}};
    ask(&pair);
    assert_int_equal(pair.rc, KST_E_INVALID);
    assert_null(strstr(kst_err_message(pair.err), "hunter2"));
    assert_int_equal(fake_http_count(server), 0);
}

static void plain_requests_go_through_a_proxy(void **state)
{
    kst_auto_free char *url = kst_asprintf("%s/path?q", fake_http_url(server));
    auto_ask a = {.url = url, .proxy = fake_http_url(proxy)};
    ask(&a);
    assert_int_equal(a.rc, 0);
    assert_string_equal(a.body.data, "of the proxy");
    assert_string_equal(plain_target, url);
    assert_int_equal(fake_http_count(server), 0);
}

static void the_environment_names_no_proxy(void **state)
{
    setenv("http_proxy", fake_http_url(proxy), 1);
    setenv("all_proxy", fake_http_url(proxy), 1);
    auto_ask a = {.url = fake_http_url(server)};
    ask(&a);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    assert_string_equal(a.body.data, "GET /");
    assert_int_equal(fake_http_count(proxy), 0);
}

static void tls_goes_through_a_proxy_as_a_tunnel(void **state)
{
    auto_ask a = {.url = fake_tls_url(front),
                  .proxy = fake_http_url(proxy),
                  .tls = {.ca_pem = cert, .server_name = "api.test"}};
    ask(&a);
    assert_int_equal(a.rc, 0);
    assert_string_equal(a.body.data, "GET /");
    kst_auto_free char *target = kst_asprintf("127.0.0.1:%d", fake_tls_port(front));
    assert_string_equal(tunnelled_target, target);
}

/* The end of the proxy's own headers was taken for that of the server's: the stream was given out
 * before there was an answer. */
static void a_stream_through_a_tunnel_waits_for_the_server(void **state)
{
    auto_ask a = {.url = fake_tls_url(front),
                  .proxy = fake_http_url(proxy),
                  .stream = true,
                  .tls = {.ca_pem = cert, .server_name = "api.test"}};
    ask(&a);
    assert_int_equal(a.rc, 0);
    assert_int_equal(a.response.status, 200);
    assert_non_null(a.response.content_type);
    assert_string_equal(a.body.data, "GET /");
}

static void certificates_are_verified_through_a_tunnel(void **state)
{
    auto_ask a = {.url = fake_tls_url(front),
                  .proxy = fake_http_url(proxy),
                  .tls = {.ca_pem = cert, .server_name = "x.test"}};
    ask(&a);
    assert_int_equal(a.rc, KST_E_UNREACHABLE);
    assert_string_equal(kst_err_get_reason(a.err), "TLSVerification");
    assert_int_equal(fake_http_count(server), 0);
}

static void a_proxy_that_refuses_is_named(void **state)
{
    proxy_status = 403;
    auto_ask a = {.url = fake_tls_url(front),
                  .proxy = fake_http_url(proxy),
                  .tls = {.ca_pem = cert, .server_name = "api.test"}};
    ask(&a);
    assert_int_equal(a.rc, KST_E_UNREACHABLE);
    if (!strstr(kst_err_message(a.err), "proxy") || !strstr(kst_err_message(a.err), "403"))
        fail_msg("expected the proxy and 403 in: %s", kst_err_message(a.err));
    assert_int_equal(a.response.status, 0);
    assert_false(a.response.sent);
}

static void a_proxy_that_is_not_there(void **state)
{
    auto_ask a = {.url = fake_http_url(server), .proxy = "http://user:hunter2@127.0.0.1:1"};
    ask(&a);
    assert_int_equal(a.rc, KST_E_UNREACHABLE);
    assert_false(a.response.sent);
    assert_null(strstr(kst_err_message(a.err), "hunter2"));
    if (!strstr(kst_err_message(a.err), "proxy"))
        fail_msg("expected the proxy in: %s", kst_err_message(a.err));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_right_certificate_is_trusted),
        TEST(another_authority_is_not_trusted),
        TEST(another_name_is_not_trusted),
        TEST(a_certificate_that_has_expired_is_not_trusted),
        TEST(a_certificate_of_tomorrow_is_not_trusted),
        TEST(insecure_trusts_all),
        TEST(a_server_that_does_not_speak_tls),
        TEST(pem_that_is_none_is_not_usable),
        TEST(plain_requests_go_through_a_proxy),
        TEST(the_environment_names_no_proxy),
        TEST(tls_goes_through_a_proxy_as_a_tunnel),
        TEST(a_stream_through_a_tunnel_waits_for_the_server),
        TEST(certificates_are_verified_through_a_tunnel),
        TEST(a_proxy_that_refuses_is_named),
        TEST(a_proxy_that_is_not_there),
    };
    kst_http_global_init();
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    kst_http_global_release();
    return rc;
}
