/* SPDX-License-Identifier: Apache-2.0 */
/* Watches against a scripted server: what a gap, a bookmark, a refusal do to what is told. */
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
#include "fake_http.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "kube/watch.h"
#include "kube_fixture.h"
#include "loop/fiber.h"

enum { PATIENCE_MS = 5000 };

#define LIST  "/api/v1/namespaces/shop/pods?labelSelector=app%3Ddb&limit="
#define WATCH "/api/v1/namespaces/shop/pods?watch=1&allowWatchBookmarks=true&timeoutSeconds="
#define POD(name, uid, version)                                                    \
    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"" name "\"," \
    "\"namespace\":\"shop\",\"uid\":\"" uid "\",\"resourceVersion\":\"" version "\"}}"
#define PODS(version, items)                                                                     \
    "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items \
    "]}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define GONE                                                                           \
    "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"Expired\",\"code\":410," \
    "\"message\":\"too old resource version\"}"

struct step {
    const char *target; /* its beginning */
    const char *holds;  /* a part of it; NULL: any */
    const char *body;
    int status;
    enum fake_http_way way;
};

struct script {
    const struct step *steps;
    size_t count, at;
    char *problem;
    const char *told; /* what the watch is expected to tell: "+a:1 ~a:2 -a:2 =" */
    int code;         /* and how it ends */
};

static void play(void *arg, const struct fake_http_request *request,
                 struct fake_http_answer *answer)
{
    struct script *s = arg;
    const struct step *step = s->at < s->count ? &s->steps[s->at] : NULL;
    s->at++;
    if (!step || strncmp(request->target, step->target, strlen(step->target)) != 0 ||
        (step->holds && !strstr(request->target, step->holds))) {
        if (!s->problem)
            s->problem = kst_asprintf("request %zu was %s", s->at, request->target);
        answer->status = 418;
        return;
    }
    answer->status = step->status ? step->status : 200;
    answer->body = kst_strdup(step->body);
    answer->way = step->way;
}

static void tell(struct kst_buf *told, enum kst_watch_type type, const struct kst_json *object)
{
    static const char signs[] = {
        [KST_WATCH_SEEN] = '+', [KST_WATCH_MODIFIED] = '~', [KST_WATCH_DELETED] = '-'};
    if (told->len)
        kst_buf_addc(told, ' ');
    if (type == KST_WATCH_SYNCED)
        kst_buf_addc(told, '=');
    else
        kst_buf_addf(told, "%c%s:%s", signs[type], kst_json_path_str(object, "metadata.name"),
                     kst_json_path_str(object, "metadata.resourceVersion"));
}

/* Reads events until one fails, or the last step was asked for and all is told. */
static int run_watch(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    struct script *script = arg;
    const struct kst_watch_options options = {.label_selector = "app=db"};
    struct kst_watch *watch = kst_watch_new(kube, &kst_res_pods, "shop", &options);
    kst_auto_buf told = KST_BUF_INIT(4096);
    int rc = 0;
    while (rc == 0 && (script->code || strcmp(told.data, script->told) != 0)) {
        enum kst_watch_type type;
        const struct kst_json *object;
        rc = kst_watch_next(watch, kst_deadline_in_ms(PATIENCE_MS), &type, &object, err);
        if (rc == 0)
            tell(&told, type, object);
    }
    kst_watch_free(watch);
    assert_string_equal(told.data, script->told);
    return rc;
}

static void check(const struct step *steps, size_t count, const char *told, int code,
                  struct kst_err **err)
{
    struct script script = {.steps = steps, .count = count, .told = told, .code = code};
    int rc = kube_fixture_run(play, &script, PATIENCE_MS, run_watch, err);
    if (script.problem)
        fail_msg("%s", script.problem);
    if (rc != code)
        fail_msg("ended with %d: %s", rc, err ? kst_err_message(*err) : "");
}
#define CHECK(steps, told, code, err) check(steps, KST_ARRAY_LEN(steps), told, code, err)

static void test_tells_changes(void **state)
{
    static const struct step steps[] = {
        {LIST, NULL, PODS("5", POD("a", "1", "3")), 0, 0},
        {WATCH, "resourceVersion=5",
         EVENT("ADDED", POD("b", "2", "6")) EVENT("MODIFIED", POD("a", "1", "7"))
             EVENT("DELETED", POD("a", "1", "8"))
                 EVENT("BOOKMARK", "{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"20\"}}"),
         0, FAKE_HTTP_UNTIL_CLOSE},
        {WATCH, "resourceVersion=20", EVENT("ADDED", POD("c", "3", "21")), 0,
         FAKE_HTTP_UNTIL_CLOSE},
    };
    CHECK(steps, "+a:3 = +b:6 -a:8 +c:21", 0, NULL);
}

/* After 410 the list is told as what happened meanwhile. */
static void test_gap(void **state)
{
    static const struct step steps[] = {
        {LIST, NULL, PODS("5", POD("a", "1", "3") "," POD("b", "2", "4") "," POD("c", "3", "4")), 0,
         0},
        {WATCH, "resourceVersion=5", EVENT("ERROR", GONE), 0, FAKE_HTTP_UNTIL_CLOSE},
        {LIST, NULL,
         PODS("30", POD("a", "1", "3") "," POD("b", "22", "25") "," POD("d", "4", "26")), 0, 0},
        {WATCH, "resourceVersion=30", GONE, 410, 0},
        {LIST, NULL, PODS("40", POD("a", "1", "33") "," POD("b", "22", "25")), 0, 0},
    };
    CHECK(steps, "+a:3 +b:4 +c:4 = -c:4 -b:4 +b:25 +d:26 -d:26 ~a:33", 0, NULL);
}

static void test_broken_streams(void **state)
{
    static const struct step steps[] = {
        {LIST, NULL, PODS("5", ""), 0, 0},
        {WATCH, "resourceVersion=5", "", 0, FAKE_HTTP_RESET},
        {WATCH, "resourceVersion=5", "busy", 503, 0},
        {WATCH, "resourceVersion=5", EVENT("ADDED", POD("a", "1", "6")) "{\"type\":\"MOD", 0,
         FAKE_HTTP_UNTIL_CLOSE},
        {WATCH, "resourceVersion=6", "garbage\n", 0, FAKE_HTTP_UNTIL_CLOSE},
        {WATCH, "resourceVersion=6", EVENT("MODIFIED", POD("a", "1", "7")), 0,
         FAKE_HTTP_UNTIL_CLOSE},
    };
    CHECK(steps, "= +a:6 ~a:7", 0, NULL);
}

static void test_refused(void **state)
{
    static const struct step steps[] = {
        {LIST, NULL, PODS("5", ""), 0, 0},
        {WATCH, NULL,
         "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"Forbidden\",\"code\":403,"
         "\"message\":\"pods is forbidden: User cannot watch resource\"}",
         403, 0},
    };
    kst_auto_err struct kst_err *err = NULL;
    CHECK(steps, "=", KST_E_FORBIDDEN, &err);
    assert_non_null(strstr(kst_err_message(err), "watch"));
}

/* ---- kst_watch_until() ---- */

static int has_version_9(void *arg, const struct kst_json *object, struct kst_err **err)
{
    (*(int *)arg)++;
    const char *version = kst_json_path_str(object, "metadata.resourceVersion");
    return version && strcmp(version, "9") == 0;
}

static int is_gone(void *arg, const struct kst_json *object, struct kst_err **err)
{
    return object == NULL;
}

static int until_version(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    int asked = 0;
    kst_auto_json struct kst_json *pod = NULL;
    int rc = kst_watch_until(kube, &kst_res_pods, "shop", "a", has_version_9, &asked,
                             kst_deadline_in_ms(PATIENCE_MS), "to be 9", &pod, err);
    assert_int_equal(asked, 3); /* absent, 8, 9 */
    assert_string_equal(kst_json_path_str(pod, "metadata.name"), "a");
    return rc;
}

static int until_gone(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    kst_auto_json struct kst_json *pod = NULL;
    int rc = kst_watch_until(kube, &kst_res_pods, "shop", "a", is_gone, NULL,
                             kst_deadline_in_ms(PATIENCE_MS), "to be deleted", &pod, err);
    assert_null(pod);
    return rc;
}

static int until_never(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    return kst_watch_until(kube, &kst_res_pods, "shop", "a", is_gone, NULL, kst_deadline_in_ms(200),
                           "to be deleted", NULL, err);
}

#define ONE_LIST  "/api/v1/namespaces/shop/pods?fieldSelector=metadata.name%3Da&limit="
#define ONE_WATCH WATCH

static void test_until(void **state)
{
    static const struct step seen[] = {
        {ONE_LIST, NULL, PODS("5", ""), 0, 0},
        {ONE_WATCH, "fieldSelector=metadata.name%3Da",
         EVENT("ADDED", POD("a", "1", "8")) EVENT("MODIFIED", POD("a", "1", "9")), 0,
         FAKE_HTTP_HALF},
        {ONE_WATCH, NULL, EVENT("MODIFIED", POD("a", "1", "9")), 0, FAKE_HTTP_UNTIL_CLOSE},
    };
    static const struct step gone[] = {
        {ONE_LIST, NULL, PODS("5", POD("a", "1", "3")), 0, 0},
        {ONE_WATCH, NULL, EVENT("DELETED", POD("a", "1", "8")), 0, FAKE_HTTP_UNTIL_CLOSE},
    };
    struct script script = {.steps = seen, .count = KST_ARRAY_LEN(seen)};
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kube_fixture_run(play, &script, PATIENCE_MS, until_version, &err), 0);
    script = (struct script){.steps = gone, .count = KST_ARRAY_LEN(gone)};
    assert_int_equal(kube_fixture_run(play, &script, PATIENCE_MS, until_gone, &err), 0);
    assert_null(script.problem);
}

static void hold_on(void *arg, const struct fake_http_request *request,
                    struct fake_http_answer *answer)
{
    answer->body = kst_strdup(strstr(request->target, "watch=1") ? ""
                                                                 : PODS("5", POD("a", "1", "3")));
    answer->way = FAKE_HTTP_UNTIL_CLOSE;
}

static void test_until_deadline(void **state)
{
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kube_fixture_run(hold_on, NULL, PATIENCE_MS, until_never, &err),
                     KST_E_TIMEOUT);
    assert_non_null(strstr(kst_err_message(err), "Pod/shop/a: waited "));
    assert_non_null(strstr(kst_err_message(err), "for it to be deleted"));
}

static void say_nothing(void *arg, const struct fake_http_request *request,
                        struct fake_http_answer *answer)
{
    answer->delay_ms = 400;
}

/* Who was told nothing does not know whether it exists. */
static void test_until_nothing_was_told(void **state)
{
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kube_fixture_run(say_nothing, NULL, PATIENCE_MS, until_never, &err),
                     KST_E_TIMEOUT);
    assert_non_null(strstr(kst_err_message(err), "has told nothing of it"));
    assert_null(strstr(kst_err_message(err), "does not exist"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tells_changes),
        cmocka_unit_test(test_gap),
        cmocka_unit_test(test_broken_streams),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_until),
        cmocka_unit_test(test_until_deadline),
        cmocka_unit_test(test_until_nothing_was_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
