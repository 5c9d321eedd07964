/* SPDX-License-Identifier: Apache-2.0 */
/* Leases against a server that keeps one: who gets it, who is told no, who loses it. Events too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "fake_http.h"
#include "kube/client.h"
#include "kube/event.h"
#include "kube/lease.h"
#include "kube_fixture.h"
#include "loop/fiber.h"

enum { PATIENCE_MS = 5000, DURATION_MS = 3000 };

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/shop/leases"

/* ---- A server with one Lease ---- */

struct server {
    pthread_mutex_t lock;
    struct kst_json *lease; /* NULL: there is none */
    int version;
    int fail;        /* so many requests are answered with 503 */
    int events;      /* POSTs of Events */
    int repeats;     /* PATCHes of Events */
    char *last_body; /* of an Event */
};

static void set_version(struct server *s)
{
    kst_auto_free char *text = kst_asprintf("%d", ++s->version);
    kst_json_set_str(kst_json_mut(s->lease, "metadata"), "resourceVersion", text);
    kst_json_set_str(kst_json_mut(s->lease, "metadata"), "uid", "u1");
}

/* Another engine, which holds the lease. */
static void hold(struct server *s, const char *holder, const char *renewed)
{
    pthread_mutex_lock(&s->lock);
    kst_json_free(s->lease);
    s->lease = kst_json_make(
        "{'apiVersion':'coordination.k8s.io/v1','kind':'Lease','metadata':{'name':'run-a',"
        "'namespace':'shop'},'spec':{'holderIdentity':%s,'leaseDurationSeconds':1,"
        "'renewTime':%s,'leaseTransitions':4}}",
        holder, renewed);
    set_version(s);
    pthread_mutex_unlock(&s->lock);
}

static void answer_status(struct fake_http_answer *answer, int code, const char *reason)
{
    answer->status = code;
    answer->body = kst_asprintf("{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"%s\","
                                "\"message\":\"%s\",\"details\":{\"name\":\"run-a\"},\"code\":%d}",
                                reason, reason, code);
}

static void answer_event(struct server *s, const struct fake_http_request *request,
                         struct fake_http_answer *answer)
{
    bool post = strcmp(request->method, "POST") == 0;
    s->events += post;
    s->repeats += !post;
    free(s->last_body);
    s->last_body = kst_strndup(request->body, request->body_len);
    answer->body = kst_strndup(request->body, request->body_len);
}

static void take_lease(struct server *s, const struct fake_http_request *request,
                       struct fake_http_answer *answer)
{
    struct kst_json *sent = NULL;
    assert_int_equal(kst_json_parse(request->body, request->body_len, &sent, NULL), 0);
    const char *version = kst_json_path_str(sent, "metadata.resourceVersion");
    bool create = strcmp(request->method, "POST") == 0;
    const char *is = kst_json_path_str(s->lease, "metadata.resourceVersion");
    if (create ? s->lease != NULL : !is || !version || strcmp(version, is) != 0) {
        answer_status(answer, s->lease ? 409 : 404,
                      create     ? "AlreadyExists"
                      : s->lease ? "Conflict"
                                 : "NotFound");
        kst_json_free(sent);
        return;
    }
    kst_json_free(s->lease);
    s->lease = sent;
    set_version(s);
    answer->body = kst_json_text(s->lease);
}

static void answer_locked(struct server *s, const struct fake_http_request *request,
                          struct fake_http_answer *answer)
{
    bool one = strncmp(request->target, LEASES "/run-a", strlen(LEASES "/run-a")) == 0;
    if (s->fail > 0) {
        s->fail--;
        answer_status(answer, 503, "ServiceUnavailable");
    } else if (strstr(request->target, "/events")) {
        answer_event(s, request, answer);
    } else if (strstr(request->target, "watch=1")) {
        answer->body = kst_strdup(""); /* ends at once: it is asked again */
        answer->way = FAKE_HTTP_UNTIL_CLOSE;
    } else if (strcmp(request->method, "GET") == 0 && !one) {
        kst_auto_free char *item = s->lease ? kst_json_text(s->lease) : kst_strdup("");
        answer->body = kst_asprintf("{\"kind\":\"LeaseList\",\"metadata\":{\"resourceVersion\":"
                                    "\"%d\"},\"items\":[%s]}",
                                    s->version, item);
    } else if (strcmp(request->method, "GET") == 0 && s->lease) {
        answer->body = kst_json_text(s->lease);
    } else if (strcmp(request->method, "DELETE") == 0 && s->lease) {
        kst_json_free(kst_take(s->lease));
        answer->body = kst_strdup("{}");
    } else if (strcmp(request->method, "PUT") == 0 || strcmp(request->method, "POST") == 0) {
        take_lease(s, request, answer);
    } else {
        answer_status(answer, 404, "NotFound");
    }
}

static void answer_one(void *arg, const struct fake_http_request *request,
                       struct fake_http_answer *answer)
{
    struct server *s = arg;
    pthread_mutex_lock(&s->lock);
    answer_locked(s, request, answer);
    pthread_mutex_unlock(&s->lock);
}

/* The fixture gives the body the server's argument. */
static void run_with(struct server *s,
                     int (*body)(struct kst_kube *kube, void *arg, struct kst_err **err), int code)
{
    kst_auto_err struct kst_err *err = NULL;
    pthread_mutex_init(&s->lock, NULL);
    int rc = kube_fixture_run(answer_one, s, PATIENCE_MS, body, &err);
    if (rc != code)
        fail_msg("ended with %d: %s", rc, kst_err_message(err));
    kst_json_free(s->lease);
    free(s->last_body);
    pthread_mutex_destroy(&s->lock);
}

static bool is_dead(void *arg, const char *identity)
{
    return strcmp(identity, "dead") == 0;
}

static void note_loss(void *arg)
{
    *(bool *)arg = true;
}

static int acquire(struct kst_kube *kube, const char *identity, bool wait, bool *lost,
                   struct kst_lease **out, struct kst_err **err)
{
    const struct kst_lease_options options = {
        .ns = "shop",
        .name = "run-a",
        .identity = identity,
        .duration_ms = DURATION_MS,
        .holder_is_dead = is_dead,
    };
    return kst_lease_acquire(kube, &options, wait, note_loss, lost, out, err);
}

static char *holder_of(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    char *holder = kst_strdup(kst_json_path_str(s->lease, "spec.holderIdentity"));
    pthread_mutex_unlock(&s->lock);
    return holder;
}

/* ---- The cases ---- */

static int take_and_give_up(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    struct server *s = arg;
    struct kst_lease *lease = NULL;
    bool lost = false;
    int rc = acquire(kube, "me", false, &lost, &lease, err);
    if (rc < 0)
        return rc;
    assert_int_equal(kst_lease_token(lease), 0);
    assert_int_equal(kst_lease_check(lease, NULL), 0);
    kst_auto_free char *holder = holder_of(s);
    assert_string_equal(holder, "me");
    kst_lease_release(lease, false);
    kst_auto_free char *nobody = holder_of(s);
    assert_string_equal(nobody, "");
    rc = acquire(kube, "next", false, &lost, &lease, err);
    if (rc < 0)
        return rc;
    assert_int_equal(kst_lease_token(lease), 1); /* it grows with each holder */
    kst_lease_release(lease, true);
    assert_null(s->lease);
    assert_false(lost);
    return 0;
}

static void test_taken_and_given_up(void **state)
{
    struct server s = {0};
    run_with(&s, take_and_give_up, 0);
}

static int take_only(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    struct kst_lease *lease = NULL;
    bool lost = false;
    int rc = acquire(kube, "me", false, &lost, &lease, err);
    if (rc == 0) {
        assert_int_equal(kst_lease_token(lease), 5);
        kst_lease_release(lease, true);
    }
    return rc;
}

/* A holder that does not renew for its own duration (1 s) is taken from; a dead one at once. */
static void test_expired_and_dead(void **state)
{
    static const char *const holders[] = {"silent", "dead"};
    for (size_t i = 0; i < KST_ARRAY_LEN(holders); i++) {
        struct server s = {0};
        pthread_mutex_init(&s.lock, NULL);
        hold(&s, holders[i], "2026-01-01T00:00:00.000000Z");
        run_with(&s, take_only, 0);
    }
}

static int sweep(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    const struct kst_lease_options options = {
        .ns = "shop", .name = "run-a", .holder_is_dead = is_dead};
    return kst_lease_sweep(kube, &options, err);
}

/* What an engine that died after its last word has left goes; what somebody holds stays. */
static void test_swept(void **state)
{
    static const struct {
        const char *holder;
        bool stays;
    } cases[] = {{"dead", false}, {"", false}, {"lively", true}, {NULL, false}};
    for (size_t i = 0; i < KST_ARRAY_LEN(cases); i++) {
        struct server s = {0};
        kst_auto_err struct kst_err *err = NULL;
        pthread_mutex_init(&s.lock, NULL);
        if (cases[i].holder)
            hold(&s, cases[i].holder, "2026-01-01T00:00:00.000000Z");
        assert_int_equal(kube_fixture_run(answer_one, &s, PATIENCE_MS, sweep, &err), 0);
        assert_int_equal(s.lease != NULL, cases[i].stays);
        kst_json_free(s.lease);
        pthread_mutex_destroy(&s.lock);
    }
}

/* A fiber in the place of the other engine: it renews, which only a watch or a list can show. */
struct rival {
    struct server *server;
    bool stop;
};

static int renew_for_ever(void *arg, struct kst_err **err)
{
    struct rival *rival = arg;
    for (int i = 0; !rival->stop; i++) {
        kst_auto_free char *renewed = kst_asprintf("2026-01-01T00:00:%02d.000000Z", i % 60);
        hold(rival->server, "lively", renewed);
        /* What the next list would have shown, the server's version tells. */
        int rc = kst_sleep_ms(200, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int meet_rival(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    struct rival rival = {.server = arg};
    struct kst_lease *lease = NULL;
    bool lost = false;
    hold(arg, "lively", "2026-01-01T00:00:00.000000Z");
    struct kst_fiber *fiber = kst_fiber_spawn(kst_fiber_loop(), "rival", renew_for_ever, &rival);
    kst_deadline_set(kst_deadline_in_ms(PATIENCE_MS));
    int rc = acquire(kube, "me", false, &lost, &lease, err);
    rival.stop = true;
    kst_fiber_join(fiber, NULL);
    if (rc == 0)
        kst_lease_release(lease, true);
    return rc;
}

/* The watch of this server tells nothing; what it is asked for after 410 does. */
static void answer_gone(void *arg, const struct fake_http_request *request,
                        struct fake_http_answer *answer)
{
    if (strstr(request->target, "watch=1")) {
        answer_status(answer, 410, "Expired");
        return;
    }
    answer_one(arg, request, answer);
}

static void test_lively_holder_is_respected(void **state)
{
    struct server s = {0};
    kst_auto_err struct kst_err *err = NULL;
    pthread_mutex_init(&s.lock, NULL);
    assert_int_equal(kube_fixture_run(answer_gone, &s, PATIENCE_MS, meet_rival, &err),
                     KST_E_REFUSED);
    assert_non_null(strstr(kst_err_message(err), "Lease/shop/run-a"));
    assert_non_null(strstr(kst_err_message(err), "lively"));
    assert_non_null(kst_err_get_hint(err));
    kst_json_free(s.lease);
}

static int lose_it(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    struct kst_lease *lease = NULL;
    bool lost = false;
    int rc = acquire(kube, "me", false, &lost, &lease, err);
    if (rc < 0)
        return rc;
    hold(arg, "thief", "2026-01-01T00:00:00.000000Z");
    int64_t deadline_ms = kst_deadline_in_ms(2 * DURATION_MS);
    while (!lost && kst_now_ms() < deadline_ms)
        kst_sleep_ms(20, NULL);
    assert_true(lost);
    assert_true(kst_lease_is_taken(lease));
    rc = kst_lease_check(lease, err);
    kst_lease_release(lease, true);
    kst_auto_free char *holder = holder_of(arg);
    assert_string_equal(holder, "thief"); /* what is not ours is not deleted */
    return rc;
}

/* Somebody deleted it: it is not ours, and nobody's. */
static int lose_to_nobody(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    struct server *s = arg;
    struct kst_lease *lease = NULL;
    bool lost = false;
    int rc = acquire(kube, "me", false, &lost, &lease, err);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&s->lock);
    kst_json_free(kst_take(s->lease));
    pthread_mutex_unlock(&s->lock);
    int64_t end_ms = kst_deadline_in_ms(PATIENCE_MS);
    while (!lost && kst_now_ms() < end_ms)
        kst_sleep_ms(20, NULL);
    assert_false(kst_lease_is_taken(lease));
    rc = kst_lease_check(lease, err);
    kst_lease_release(lease, true);
    return rc;
}

static void test_loss_is_told(void **state)
{
    struct server s = {0}, other = {0};
    run_with(&s, lose_it, KST_E_LOST);
    run_with(&other, lose_to_nobody, KST_E_LOST);
}

/* The server is away for longer than the lease is sure: who asks waits, and it is ours still. */
static int outlast(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    struct server *s = arg;
    struct kst_lease *lease = NULL;
    bool lost = false;
    kst_kube_set_patience_ms(kube, 100);
    int rc = acquire(kube, "me", false, &lost, &lease, err);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&s->lock);
    s->fail = 1000000;
    pthread_mutex_unlock(&s->lock);
    kst_sleep_ms(DURATION_MS, NULL);
    int64_t before = kst_deadline_set(kst_deadline_in_ms(100));
    assert_int_equal(kst_lease_check(lease, NULL), KST_E_TIMEOUT);
    kst_deadline_restore(before);
    pthread_mutex_lock(&s->lock);
    s->fail = 0;
    pthread_mutex_unlock(&s->lock);
    rc = kst_lease_check(lease, err);
    assert_false(lost);
    kst_lease_release(lease, true);
    return rc;
}

static void test_server_away(void **state)
{
    struct server s = {0};
    run_with(&s, outlast, 0);
}

/* ---- Events ---- */

static int emit(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    struct server *s = arg;
    kst_auto_json struct kst_json *run = kst_json_make(
        "{'apiVersion':'kassette.io/v1alpha1','kind':'Run','metadata':{'name':'a',"
        "'namespace':'shop','uid':'u'}}");
    kst_auto_free char *text = kst_malloc(5000);
    memset(text, 'x', 4999);
    text[4999] = '\0';
    kst_event_emit(kube, run, KST_EVENT_NORMAL, "Started", "it begins");
    kst_event_emit(kube, run, KST_EVENT_NORMAL, "Started", "it begins");
    kst_event_emit(kube, run, KST_EVENT_WARNING, "Failed", text);
    kst_event_flush(kube);
    assert_int_equal(s->events, 2);
    assert_int_equal(s->repeats, 1);
    kst_auto_json struct kst_json *event = NULL;
    assert_int_equal(kst_json_parse(s->last_body, strlen(s->last_body), &event, NULL), 0);
    assert_string_equal(kst_json_path_str(event, "involvedObject.kind"), "Run");
    assert_string_equal(kst_json_path_str(event, "type"), "Warning");
    assert_true(strlen(kst_json_path_str(event, "message")) <= 1024);
    return 0;
}

static void test_events(void **state)
{
    struct server s = {0};
    run_with(&s, emit, 0);
}

/* Nobody answers: the flush ends all the same, and nothing is left behind. */
static int emit_in_vain(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    kst_auto_json struct kst_json *run = kst_json_make(
        "{'apiVersion':'kassette.io/v1alpha1','kind':'Run','metadata':{'name':'a'}}");
    ((struct server *)arg)->fail = 1000000;
    kst_event_emit(kube, run, KST_EVENT_NORMAL, "Started", "it begins");
    kst_event_flush(kube);
    return 0;
}

static void test_events_unsent(void **state)
{
    struct server s = {0};
    run_with(&s, emit_in_vain, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken_and_given_up),
        cmocka_unit_test(test_expired_and_dead),
        cmocka_unit_test(test_swept),
        cmocka_unit_test(test_lively_holder_is_respected),
        cmocka_unit_test(test_loss_is_told),
        cmocka_unit_test(test_server_away),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_events_unsent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
