/* SPDX-License-Identifier: Apache-2.0 */
/* Validating webhooks of the embedded cluster: which are asked, and what becomes of the write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/cert.h"
#include "loop/fiber.h"
#include "loop/http.h"
#include "loop/loop.h"
#include "sandbox/api/api.h"
#include "sandbox/bootstrap.h"
#include "sandbox/server/httpd.h"
#include "sandbox/server/server.h"

enum { ANSWER_BYTES = 1024 * 1024, WAIT_MS = 30000, CERT_SECONDS = 3600 };

#define MAPS    "/api/v1/namespaces/default/configmaps"
#define CONFIGS "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"

struct cluster {
    struct kst_api *api;
    struct kst_server *server;
    struct kst_httpd *hook;
    char *ca, *key;
    struct kst_json *review; /* the last that the webhook was asked */
    int asked;
    const char *answer; /* its whole answer; NULL: it refuses what has the text "bad" */
};

/* ---- the webhook ---- */

static void answer_review(void *arg, struct kst_httpd_request *request)
{
    struct cluster *self = arg;
    struct kst_str body = kst_httpd_body(request);
    kst_json_free(self->review);
    assert_int_equal(kst_json_parse(body.data, body.len, &self->review, NULL), 0);
    self->asked++;
    const char *kind = kst_json_path_str(self->review, "request.object.data.kind");
    bool bad = kind && strcmp(kind, "bad") == 0;
    kst_auto_json struct kst_json *review = kst_json_make(
        "{'apiVersion':'admission.k8s.io/v1','kind':'AdmissionReview','response':{'uid':%s,"
        "'allowed':%b,'status':{'code':%d,'message':'nothing bad here'}}}",
        kst_json_path_str(self->review, "request.uid"), !bad, 403);
    kst_auto_free char *text = self->answer ? kst_strdup(self->answer) : kst_json_text(review);
    kst_httpd_reply(request, 200, "application/json", text, strlen(text));
}

/* ---- the cluster ---- */

static long ask(struct cluster *self, const char *method, const char *target, const char *body,
                struct kst_buf *out)
{
    const char *type = strcmp(method, "PATCH") == 0 ? "Content-Type: application/merge-patch+json"
                                                    : "Content-Type: application/json";
    const char *const headers[] = {type, "Expect:", NULL};
    kst_auto_free char *url = kst_asprintf("%s%s", kst_server_url(self->server), target);
    kst_auto_err struct kst_err *err = NULL;
    const struct kst_http_request request = {.method = method,
                                             .url = url,
                                             .headers = headers,
                                             .body = body,
                                             .body_len = body ? strlen(body) : 0,
                                             .deadline_ms = kst_deadline_in_ms(WAIT_MS)};
    struct kst_http_response response = {0};
    kst_buf_clear(out);
    if (kst_http_do(kst_fiber_loop(), &request, &response, out, &err) < 0)
        fail_msg("%s %s: %s", method, target, kst_err_message(err));
    kst_http_response_release(&response);
    return response.status;
}

/* What is answered has this code and this text. */
static void says(struct cluster *self, const char *method, const char *target, const char *body,
                 long code, const char *text)
{
    kst_auto_buf out = KST_BUF_INIT(ANSWER_BYTES);
    long status = ask(self, method, target, body, &out);
    if (status != code || !strstr(out.data, text))
        fail_msg("%s %s: expected %ld and '%s', found %ld and %s", method, target, code, text,
                 status, out.data);
}

static void make_map(struct cluster *self, const char *name, const char *kind, const char *label,
                     long code, const char *text)
{
    kst_auto_free char *body = kst_asprintf(
        "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"l\":\"%s\"}},\"data\":{\"kind\":\"%s\"}}",
        name, label, kind);
    says(self, "POST", MAPS, body, code, text);
}

/* A configuration with one webhook; `more` is members of it. */
static void configure(struct cluster *self, const char *rule, int port, const char *more)
{
    kst_auto_buf ca = KST_BUF_INIT(65536), out = KST_BUF_INIT(ANSWER_BYTES);
    kst_base64_encode(&ca, self->ca, strlen(self->ca));
    kst_auto_free char *body = kst_asprintf(
        "{\"metadata\":{\"name\":\"guard\"},\"webhooks\":[{\"name\":\"guard.kassette.test\","
        "\"admissionReviewVersions\":[\"v1\"],\"sideEffects\":\"None\",%s\"rules\":[%s],"
        "\"clientConfig\":{\"url\":\"https://127.0.0.1:%d/\",\"caBundle\":\"%s\"}}]}",
        more, rule, port, ca.data);
    ask(self, "DELETE", CONFIGS "/guard", NULL, &out);
    says(self, "POST", CONFIGS, body, 201, "guard");
}

static int run_cluster(void *arg, struct kst_err **err)
{
    struct cluster self = {0};
    void (*body)(struct cluster * self) = *(void (**)(struct cluster *))arg;
    const struct kst_server_options options = {.tls = false};
    assert_int_equal(kst_cert_make("hook", "IP:127.0.0.1", -CERT_SECONDS, CERT_SECONDS, &self.ca,
                                   &self.key, err),
                     0);
    const struct kst_httpd_options http = {.address = "127.0.0.1",
                                           .cert_pem = self.ca,
                                           .key_pem = self.key,
                                           .handle = answer_review,
                                           .arg = &self};
    assert_int_equal(kst_httpd_new(kst_fiber_loop(), &http, &self.hook, err), 0);
    self.api = kst_api_new();
    assert_int_equal(kst_server_new(kst_fiber_loop(), self.api, &options, &self.server, err), 0);
    kst_bootstrap(self.api);
    body(&self);
    kst_server_stop(self.server);
    kst_server_free(self.server);
    kst_api_free(self.api);
    kst_httpd_stop(self.hook);
    kst_httpd_free(self.hook);
    kst_json_free(self.review);
    free(self.ca);
    free(self.key);
    return 0;
}

static void in_cluster(void (*body)(struct cluster *self))
{
    struct kst_loop *loop = NULL;
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    if (kst_loop_run(loop, "test", run_cluster, &body, &err) < 0)
        fail_msg("%s", kst_err_message(err));
    kst_loop_free(loop);
}

#define RULE(operations, resources)                                              \
    "{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"operations\":[" operations \
    "],\"resources\":[" resources "]}"
#define ALL RULE("\"*\"", "\"configmaps\"")

/* ---- what is refused ---- */

static void refused(struct cluster *self)
{
    static const char words[] = "admission webhook \\\"guard.kassette.test\\\" denied the request: "
                                "nothing bad here";
    configure(self, ALL, kst_httpd_port(self->hook), "");
    make_map(self, "a", "bad", "", 403, words);
    says(self, "GET", MAPS "/a", NULL, 404, "not found");
    make_map(self, "a", "good", "", 201, "\"good\"");
    assert_string_equal(kst_json_path_str(self->review, "request.operation"), "CREATE");
    assert_string_equal(kst_json_path_str(self->review, "request.namespace"), "default");
    assert_string_equal(kst_json_path_str(self->review, "request.resource.resource"), "configmaps");
    says(self, "PATCH", MAPS "/a", "{\"data\":{\"kind\":\"bad\"}}", 403, words);
    assert_string_equal(kst_json_path_str(self->review, "request.operation"), "UPDATE");
    assert_string_equal(kst_json_path_str(self->review, "request.oldObject.data.kind"), "good");
    says(self, "PUT", MAPS "/a", "{\"metadata\":{\"name\":\"a\"},\"data\":{\"kind\":\"bad\"}}", 403,
         words);
    says(self, "GET", MAPS "/a", NULL, 200, "\"good\"");
    says(self, "PATCH", MAPS "/a", "{\"data\":{\"kind\":\"better\"}}", 200, "\"better\"");
    says(self, "DELETE", MAPS "/a", NULL, 200, "Success");
    assert_string_equal(kst_json_path_str(self->review, "request.operation"), "DELETE");
    assert_string_equal(kst_json_path_str(self->review, "request.oldObject.data.kind"), "better");
    /* What cannot be written anyway is told first. */
    int asked = self->asked;
    make_map(self, "Not-A-Name", "bad", "", 422, "Invalid value");
    assert_int_equal(self->asked, asked);
}

static void test_refused(void **state)
{
    in_cluster(refused);
}

/* ---- which are asked ---- */

static void selected(struct cluster *self)
{
    int port = kst_httpd_port(self->hook);
    configure(self, RULE("\"UPDATE\"", "\"configmaps\""), port, "");
    make_map(self, "a", "bad", "", 201, "\"bad\"");
    configure(self, RULE("\"CREATE\"", "\"secrets\",\"configmaps/status\""), port, "");
    make_map(self, "b", "bad", "", 201, "\"bad\"");
    configure(self, ALL, port, "\"objectSelector\":{\"matchLabels\":{\"l\":\"guarded\"}},");
    make_map(self, "c", "bad", "free", 201, "\"bad\"");
    make_map(self, "d", "bad", "guarded", 403, "denied the request");
    configure(self, ALL, port, "\"namespaceSelector\":{\"matchLabels\":{\"l\":\"guarded\"}},");
    make_map(self, "d", "bad", "", 201, "\"bad\"");
    says(self, "PATCH", "/api/v1/namespaces/default",
         "{\"metadata\":{\"labels\":{\"l\":"
         "\"guarded\"}}}",
         200, "guarded");
    make_map(self, "e", "bad", "", 403, "denied the request");
    configure(self, RULE("\"*\"", "\"*\""), port, "");
    make_map(self, "e", "bad", "", 403, "denied the request");
}

static void test_selected(void **state)
{
    in_cluster(selected);
}

/* ---- webhooks that do not answer ---- */

static void unanswered(struct cluster *self)
{
    static const char words[] = "failed calling webhook \\\"guard.kassette.test\\\": ";
    configure(self, ALL, 1, "");
    make_map(self, "a", "good", "", 500, words);
    configure(self, ALL, 1, "\"failurePolicy\":\"Ignore\",");
    make_map(self, "a", "good", "", 201, "\"good\"");
    configure(self, ALL, kst_httpd_port(self->hook), "");
    self->answer = "what?";
    make_map(self, "b", "good", "", 500, words);
    self->answer = "{\"response\":{\"uid\":\"of another\",\"allowed\":true}}";
    make_map(self, "b", "good", "", 500, "got \\\"of another\\\"");
    self->answer = NULL;
    make_map(self, "b", "good", "", 201, "\"good\"");
}

static void test_unanswered(void **state)
{
    in_cluster(unanswered);
}

int main(void)
{
    kst_http_global_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_selected),
        cmocka_unit_test(test_unanswered),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kst_http_global_release();
    return failed;
}
