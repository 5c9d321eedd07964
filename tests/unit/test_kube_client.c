/* SPDX-License-Identifier: Apache-2.0 */
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
#include "base/log.h"
#include "base/mem.h"
#include "fake_http.h"
#include "kube/client.h"
#include "kube/internal.h"
#include "kube/resource.h"
#include "kube_fixture.h"
#include "loop/fiber.h"

enum { PATIENCE_MS = 5000 };

/* ---- A script: one row an exchange, in order ---- */

struct step {
    const char *method, *target; /* what is expected; the target as a prefix */
    int status;
    const char *body;
    enum fake_http_way way;
    const char *headers;
    const char *content_type;
};

struct script {
    const struct step *steps;
    size_t count, at;
    char *problem;
    char *last_body;
    char *last_headers;
    int (*run)(struct kst_kube *kube, struct script *script, struct kst_err **err);
};

static void play(void *arg, const struct fake_http_request *request,
                 struct fake_http_answer *answer)
{
    struct script *s = arg;
    const struct step *step = s->at < s->count ? &s->steps[s->at] : NULL;
    s->at++;
    if (!step || strcmp(step->method, request->method) != 0 ||
        strncmp(request->target, step->target, strlen(step->target)) != 0) {
        if (!s->problem)
            s->problem = kst_asprintf("request %zu was %s %s, expected %s %s", s->at,
                                      request->method, request->target,
                                      step ? step->method : "none", step ? step->target : "");
        answer->status = 418;
        return;
    }
    free(s->last_body);
    free(s->last_headers);
    s->last_body = kst_strndup(request->body, request->body_len);
    s->last_headers = kst_strdup(request->headers);
    answer->status = step->status ? step->status : 200;
    answer->body = kst_strdup(step->body);
    answer->way = step->way;
    answer->headers = kst_strdup(step->headers);
    if (step->content_type)
        answer->content_type = step->content_type;
}

static int call(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    struct script *script = arg;
    return script->run(kube, script, err);
}

/* Plays the steps to `run`; all of them must have been asked for. */
static int run_script(const struct step *steps, size_t count,
                      int (*run)(struct kst_kube *kube, struct script *script,
                                 struct kst_err **err),
                      struct kst_err **err)
{
    struct script script = {.steps = steps, .count = count, .run = run};
    int rc = kube_fixture_run(play, &script, PATIENCE_MS, call, err);
    if (script.problem)
        fail_msg("%s", script.problem);
    if (script.at != count)
        fail_msg("%zu of %zu requests came; the end: %s", script.at, count,
                 err ? kst_err_message(*err) : "");
    free(script.last_body);
    free(script.last_headers);
    return rc;
}
#define RUN(steps, run, err) run_script(steps, KST_ARRAY_LEN(steps), run, err)

#define POD  "/api/v1/namespaces/shop/pods/db"
#define PODS "/api/v1/namespaces/shop/pods"
#define OBJECT(labels)                                                       \
    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"db\"," \
    "\"namespace\":\"shop\",\"labels\":{" labels "}}}"
#define OURS "\"kassette.io/run\":\"r1\",\"kassette.io/step\":\"s1\""
#define STATUS(code, reason, message, details)                                                 \
    "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"" message \
    "\",\"reason\":\"" reason "\",\"details\":{" details "},\"code\":" #code "}"
#define NOT_FOUND \
    STATUS(404, "NotFound", "pods \\\"db\\\" not found", "\"name\":\"db\",\"kind\":\"pods\"")
#define EXISTS   STATUS(409, "AlreadyExists", "pods \\\"db\\\" already exists", "\"name\":\"db\"")
#define CONFLICT STATUS(409, "Conflict", "modified", "")

/* ---- get, and what its failures say ---- */

static int get_pod(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    kst_auto_json struct kst_json *pod = NULL;
    int rc = kst_kube_get(kube, &kst_res_pods, "shop", "db", &pod, err);
    if (rc == 0)
        assert_string_equal(kst_json_path_str(pod, "metadata.name"), "db");
    if (rc == 0) {
        kst_auto_free char *text = kst_kube_describe(pod);
        assert_string_equal(text, "Pod/shop/db");
    }
    return rc;
}

static int get_with_headers(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    int rc = get_pod(kube, script, err);
    assert_non_null(strcasestr(script->last_headers, "authorization: Bearer sesame-token\r\n"));
    assert_non_null(strcasestr(script->last_headers, "user-agent: kassette/"));
    assert_non_null(strcasestr(script->last_headers, "accept: application/json\r\n"));
    return rc;
}

static void test_get(void **state)
{
    const struct step steps[] = {{.method = "GET", .target = POD, .body = OBJECT("")}};
    assert_int_equal(RUN(steps, get_with_headers, NULL), 0);
}

static void test_statuses_become_errors(void **state)
{
    static const struct {
        int status;
        const char *body;
        int code;
        const char *reason;
        const char *words[3];
        const char *hint;
    } rows[] = {
        {404, NOT_FOUND, KST_E_NOT_FOUND, "NotFound", {"Pod/shop/db not found"}, NULL},
        {404,
         "404 page not found\n",
         KST_E_NOT_FOUND,
         "NotFound",
         {"Pod/shop/db", "serve"},
         "CRD|CustomResource"},
        {403,
         STATUS(403, "Forbidden",
                "pods \\\"db\\\" is forbidden: User \\\"ann\\\" cannot get resource",
                "\"kind\":\"pods\""),
         KST_E_FORBIDDEN,
         "Forbidden",
         {"not allowed to get pods in namespace shop", "Pod/shop/db", "User \"ann\""},
         "kubectl auth can-i get pods -n shop"},
        {403,
         STATUS(403, "Forbidden", "exceeded quota: q", "\"kind\":\"pods\""),
         KST_E_FORBIDDEN,
         "Forbidden",
         {"exceeded quota"},
         NULL},
        {409, EXISTS, KST_E_EXISTS, "AlreadyExists", {"Pod/shop/db exists already"}, NULL},
        {409,
         STATUS(409, "Conflict", "the object has been modified", ""),
         KST_E_CONFLICT,
         "Conflict",
         {"modified"},
         NULL},
        {410, STATUS(410, "Expired", "too old", ""), KST_E_GONE, "Expired", {"too old"}, NULL},
        {422,
         STATUS(422, "Invalid", "it is invalid",
                "\"causes\":[{\"message\":\"Required value\",\"field\":\"spec.a\"},"
                "{\"message\":\"Invalid value: -1\",\"field\":\"spec.b\"}]"),
         KST_E_INVALID,
         "Invalid",
         {"spec.a: Required value", "spec.b: Invalid value: -1"},
         NULL},
        {400, STATUS(400, "BadRequest", "no", ""), KST_E_INVALID, "BadRequest", {"no"}, NULL},
        {418, "short and stout", KST_E_FAILED, NULL, {"418", "short and stout"}, NULL},
        {501, "{\"kind\":\"Pod\"", KST_E_SERVER, NULL, {"501"}, NULL},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        const struct step steps[] = {
            {.method = "GET", .target = POD, .status = rows[i].status, .body = rows[i].body}};
        struct kst_err *err = NULL;
        int rc = RUN(steps, get_pod, &err);
        if (rc != rows[i].code)
            fail_msg("row %zu: %d %s", i, rc, kst_err_message(err));
        if (rows[i].reason)
            assert_string_equal(kst_err_get_reason(err), rows[i].reason);
        for (size_t j = 0; j < 3 && rows[i].words[j]; j++)
            if (!strstr(kst_err_message(err), rows[i].words[j]))
                fail_msg("row %zu: no '%s' in: %s", i, rows[i].words[j], kst_err_message(err));
        if (rows[i].hint && i != 1)
            assert_non_null(strstr(kst_err_get_hint(err), rows[i].hint));
        kst_err_free(err);
    }
}

static void test_what_rbac_lacks_is_named(void **state)
{
    const struct step steps[] = {
        {.method = "GET",
         .target = POD,
         .status = 403,
         .body = STATUS(403, "Forbidden", "User \\\"a\\\" cannot get", "")}};
    struct kst_err *err = NULL;
    assert_int_equal(RUN(steps, get_pod, &err), KST_E_FORBIDDEN);
    assert_non_null(strstr(kst_err_get_hint(err),
                           "{apiGroups: [\"\"], resources: [\"pods\"], verbs: [\"get\"]}"));
    kst_err_free(err);
}

/* ---- Tries ---- */

static void test_get_is_tried_again(void **state)
{
    const struct step steps[] = {
        {.method = "GET", .target = POD, .way = FAKE_HTTP_RESET},
        {.method = "GET", .target = POD, .status = 503, .body = "no"},
        {.method = "GET", .target = POD, .way = FAKE_HTTP_HALF, .body = OBJECT("")},
        {.method = "GET", .target = POD, .status = 429, .body = "slower"},
        {.method = "GET", .target = POD, .body = OBJECT("")},
    };
    assert_int_equal(RUN(steps, get_pod, NULL), 0);
}

static void test_retry_after_is_kept(void **state)
{
    const struct step steps[] = {
        {.method = "GET", .target = POD, .status = 429, .headers = "Retry-After: 1\r\n"},
        {.method = "GET", .target = POD, .body = OBJECT("")},
    };
    int64_t started = kst_now_ms();
    assert_int_equal(RUN(steps, get_pod, NULL), 0);
    assert_true(kst_now_ms() - started >= 1000);
}

static int get_impatiently(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    kst_kube_set_patience_ms(kube, 20);
    return get_pod(kube, script, err);
}

static void test_patience_ends(void **state)
{
    const struct step steps[] = {{.method = "GET", .target = POD, .status = 503, .body = "no"}};
    struct kst_err *err = NULL;
    assert_int_equal(RUN(steps, get_impatiently, &err), KST_E_SERVER);
    assert_non_null(strstr(kst_err_message(err), "503: no"));
    kst_err_free(err);
}

static int get_until_deadline(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    kst_deadline_set(kst_deadline_in_ms(40));
    int rc = get_pod(kube, script, err);
    kst_deadline_replace(KST_NEVER);
    return rc;
}

static void test_deadline_of_the_fiber(void **state)
{
    const struct step steps[] = {
        {.method = "GET", .target = POD, .status = 503, .headers = "Retry-After: 7\r\n"}};
    struct kst_err *err = NULL;
    assert_int_equal(RUN(steps, get_until_deadline, &err), KST_E_TIMEOUT);
    assert_non_null(strstr(kst_err_message(err), "503"));
    kst_err_free(err);
}

/* The first request is answered too late, the second is not. */
static void hang_once(void *arg, const struct fake_http_request *request,
                      struct fake_http_answer *answer)
{
    answer->delay_ms = (*(int *)arg)++ ? 0 : 2600;
    answer->body = kst_strdup(OBJECT(""));
}

static int get_in_time(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    kst_deadline_set(kst_deadline_in_ms(4400));
    int rc = get_pod(kube, NULL, err);
    kst_deadline_replace(KST_NEVER);
    return rc;
}

static void test_one_hang_leaves_time_for_another_try(void **state)
{
    int asked = 0;
    assert_int_equal(kube_fixture_run(hang_once, &asked, 30 * 1000, get_in_time, NULL), 0);
    assert_int_equal(asked, 2);
}

static void test_unauthorized_is_tried_once_only_with_new_credentials(void **state)
{
    const struct step steps[] = {{.method = "GET", .target = POD, .status = 401}};
    struct kst_err *err = NULL;
    assert_int_equal(RUN(steps, get_pod, &err), KST_E_FORBIDDEN);
    assert_non_null(strstr(kst_err_message(err), "user \"u\" of test"));
    assert_string_equal(kst_err_get_reason(err), "Unauthorized");
    kst_err_free(err);
}

static void never(void *arg, const struct fake_http_request *request,
                  struct fake_http_answer *answer)
{
    answer->way = FAKE_HTTP_RESET;
}

static int get_any(struct kst_kube *kube, void *arg, struct kst_err **err)
{
    return get_pod(kube, NULL, err);
}

static void test_unreachable_names_server_and_context(void **state)
{
    struct kst_err *err = NULL;
    assert_int_equal(kube_fixture_run(never, NULL, 300, get_any, &err), KST_E_UNREACHABLE);
    assert_non_null(strstr(kst_err_message(err), "http://127.0.0.1:"));
    assert_non_null(strstr(kst_err_message(err), "get Pod/shop/db"));
    assert_non_null(strstr(kst_err_get_hint(err), "context \"x\""));
    kst_err_free(err);
}

/* ---- create ---- */

static int create_labelled(struct kst_kube *kube, const char *labels, const char *name_key,
                           bool adopt, struct kst_err **err)
{
    kst_auto_free char *text = kst_asprintf("{\"metadata\":{\"%s\":\"db\",\"labels\":{%s}}}",
                                            name_key, labels);
    kst_auto_json struct kst_json *object = NULL;
    kst_auto_json struct kst_json *made = NULL;
    assert_int_equal(kst_json_parse(text, strlen(text), &object, NULL), 0);
    int rc = kst_kube_create(kube, &kst_res_pods, "shop", object, adopt, &made, err);
    if (rc == 0)
        assert_string_equal(kst_json_path_str(made, "metadata.name"), "db");
    return rc;
}

static int create_plainly(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    return create_labelled(kube, OURS, "name", false, err);
}

static int create_or_adopt(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    return create_labelled(kube, OURS, "name", true, err);
}

static int create_unlabelled(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    return create_labelled(kube, "", "name", true, err);
}

static int create_generated(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    return create_labelled(kube, OURS, "generateName", false, err);
}

static void test_create(void **state)
{
    const struct step good[] = {
        {.method = "POST", .target = PODS, .status = 201, .body = OBJECT(OURS)}};
    assert_int_equal(RUN(good, create_plainly, NULL), 0);
    /* 429 was refused before it was looked at. */
    const struct step later[] = {
        {.method = "POST", .target = PODS, .status = 429},
        {.method = "POST", .target = PODS, .status = 201, .body = OBJECT(OURS)}};
    assert_int_equal(RUN(later, create_plainly, NULL), 0);
    const struct step taken[] = {{.method = "POST", .target = PODS, .status = 409, .body = EXISTS}};
    assert_int_equal(RUN(taken, create_plainly, NULL), KST_E_EXISTS);
    /* A quota that is written by somebody else just then: nothing was created. */
    const struct step quota[] = {
        {.method = "POST", .target = PODS, .status = 409, .body = CONFLICT},
        {.method = "POST", .target = PODS, .status = 201, .body = OBJECT(OURS)}};
    assert_int_equal(RUN(quota, create_plainly, NULL), 0);
}

static void test_create_adopts_what_is_ours(void **state)
{
    const struct step ours[] = {{.method = "POST", .target = PODS, .status = 409, .body = EXISTS},
                                {.method = "GET", .target = POD, .body = OBJECT(OURS)}};
    assert_int_equal(RUN(ours, create_or_adopt, NULL), 0);
    const struct step others[] = {
        {.method = "POST", .target = PODS, .status = 409, .body = EXISTS},
        {.method = "GET", .target = POD, .body = OBJECT("\"kassette.io/run\":\"r2\"")}};
    struct kst_err *err = NULL;
    assert_int_equal(RUN(others, create_or_adopt, &err), KST_E_EXISTS);
    assert_non_null(strstr(kst_err_message(err), "run r2"));
    kst_err_clear(&err);
    const struct step nobodys[] = {
        {.method = "POST", .target = PODS, .status = 409, .body = EXISTS},
        {.method = "GET", .target = POD, .body = OBJECT("")}};
    assert_int_equal(RUN(nobodys, create_unlabelled, NULL), KST_E_EXISTS);
}

static void test_create_whose_answer_was_lost(void **state)
{
    /* It had been made. */
    const struct step made[] = {{.method = "POST", .target = PODS, .way = FAKE_HTTP_RESET},
                                {.method = "GET", .target = POD, .body = OBJECT(OURS)}};
    assert_int_equal(RUN(made, create_plainly, NULL), 0);
    /* It had not: it is sent again, and once more, meeting the first that came late. */
    const struct step late[] = {{.method = "POST", .target = PODS, .status = 504},
                                {.method = "GET", .target = POD, .status = 404, .body = NOT_FOUND},
                                {.method = "POST", .target = PODS, .status = 409, .body = EXISTS},
                                {.method = "GET", .target = POD, .body = OBJECT(OURS)}};
    assert_int_equal(RUN(late, create_plainly, NULL), 0);
    /* A generated name cannot be looked for: never twice. */
    const struct step generated[] = {{.method = "POST", .target = PODS, .way = FAKE_HTTP_RESET}};
    struct kst_err *err = NULL;
    assert_int_equal(RUN(generated, create_generated, &err), KST_E_UNREACHABLE);
    assert_non_null(strstr(kst_err_get_hint(err), "may have been created"));
    kst_err_free(err);
}

/* ---- update, patch, delete ---- */

static int update(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'metadata':{'name':'db','resourceVersion':'7'},'spec':{'a':1},'status':{'b':2}}");
    return kst_kube_update(kube, &kst_res_pods, "shop", object, "status", NULL, err);
}

static void test_update_that_met_itself(void **state)
{
    const struct step mine[] = {
        {.method = "PUT", .target = POD "/status", .way = FAKE_HTTP_RESET},
        {.method = "PUT", .target = POD "/status", .status = 409, .body = CONFLICT},
        {.method = "GET", .target = POD, .body = "{\"spec\":{},\"status\":{\"b\":2}}"}};
    assert_int_equal(RUN(mine, update, NULL), 0);
    const struct step others[] = {
        {.method = "PUT", .target = POD "/status", .way = FAKE_HTTP_RESET},
        {.method = "PUT", .target = POD "/status", .status = 409, .body = CONFLICT},
        {.method = "GET", .target = POD, .body = "{\"spec\":{},\"status\":{\"b\":3}}"}};
    assert_int_equal(RUN(others, update, NULL), KST_E_CONFLICT);
    const struct step plain[] = {
        {.method = "PUT", .target = POD "/status", .status = 409, .body = CONFLICT}};
    assert_int_equal(RUN(plain, update, NULL), KST_E_CONFLICT);
}

static int read_and_write(void *arg, struct kst_err **err)
{
    kst_auto_json struct kst_json *pod = NULL;
    int rc = kst_kube_get(arg, &kst_res_pods, "shop", "db", &pod, err);
    return rc < 0 ? rc : kst_kube_update(arg, &kst_res_pods, "shop", pod, NULL, NULL, err);
}

static int change(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    return kst_kube_over_conflicts(read_and_write, kube, err);
}

/* What somebody else's change came before is read again, and not for ever. */
static void test_changes_over_conflicts(void **state)
{
    enum { TRIES = 20 };
    const struct step get = {.method = "GET", .target = POD, .body = OBJECT("")};
    const struct step put = {.method = "PUT", .target = POD, .body = OBJECT("")};
    const struct step met = {.method = "PUT", .target = POD, .status = 409, .body = CONFLICT};
    const struct step gone = {.method = "GET", .target = POD, .status = 404, .body = NOT_FOUND};
    const struct step good[] = {get, met, get, met, get, put};
    assert_int_equal(RUN(good, change, NULL), 0);
    const struct step away[] = {get, met, gone};
    assert_int_equal(RUN(away, change, NULL), KST_E_NOT_FOUND);
    struct step always[2 * TRIES];
    for (size_t i = 0; i < TRIES; i++) {
        always[2 * i] = get;
        always[2 * i + 1] = met;
    }
    assert_int_equal(RUN(always, change, NULL), KST_E_CONFLICT);
}

static int patch_merge(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    kst_auto_json struct kst_json *patch = kst_json_make("{'spec':{'a':1}}");
    int rc = kst_kube_patch(kube, &kst_res_pods, "shop", "db", NULL, KST_PATCH_MERGE, patch, NULL,
                            err);
    assert_string_equal(script->last_body, "{\"spec\":{\"a\":1}}");
    assert_non_null(
        strcasestr(script->last_headers, "content-type: application/merge-patch+json\r\n"));
    return rc;
}

static int patch_apply(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    kst_auto_json struct kst_json *patch = kst_json_make("{'spec':{'a':1}}");
    return kst_kube_patch(kube, &kst_res_pods, "shop", "db", "status", KST_PATCH_APPLY, patch, NULL,
                          err);
}

static void test_patch(void **state)
{
    const struct step good[] = {{.method = "PATCH", .target = POD, .body = OBJECT("")}};
    assert_int_equal(RUN(good, patch_merge, NULL), 0);
    const struct step lost[] = {{.method = "PATCH", .target = POD, .way = FAKE_HTTP_RESET}};
    assert_int_equal(RUN(lost, patch_merge, NULL), KST_E_UNREACHABLE);
    const struct step again[] = {{.method = "PATCH",
                                  .target = POD "/status?fieldManager=kassette&force=true",
                                  .way = FAKE_HTTP_RESET},
                                 {.method = "PATCH", .target = POD "/status", .body = OBJECT("")}};
    assert_int_equal(RUN(again, patch_apply, NULL), 0);
}

static int label(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    kst_auto_json struct kst_json *labels = kst_json_make("{'kassette.io/group':%s}", NULL);
    int rc = kst_kube_label(kube, &kst_res_pods, "shop", "db", labels, err);
    assert_string_equal(script->last_body,
                        "{\"metadata\":{\"labels\":{\"kassette.io/group\":null}}}");
    return rc;
}

/* Our labels are set again whatever became of the first try. */
static void test_label(void **state)
{
    const struct step steps[] = {
        {.method = "PATCH", .target = POD, .way = FAKE_HTTP_RESET},
        {.method = "PATCH", .target = POD, .status = 409, .body = CONFLICT},
        {.method = "PATCH", .target = POD, .body = OBJECT("")}};
    assert_int_equal(RUN(steps, label, NULL), 0);
}

static int delete_pod(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    const struct kst_kube_delete_options options = {
        .propagation = "Foreground", .grace_seconds = 0, .uid = "u-1"};
    int rc = kst_kube_delete(kube, &kst_res_pods, "shop", "db", &options, err);
    assert_non_null(strstr(script->last_body, "\"propagationPolicy\":\"Foreground\""));
    assert_non_null(strstr(script->last_body, "\"gracePeriodSeconds\":0"));
    assert_non_null(strstr(script->last_body, "\"preconditions\":{\"uid\":\"u-1\"}"));
    return rc;
}

static int delete_nameless(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    assert_int_equal(kst_kube_delete(kube, &kst_res_pods, "shop", "..", NULL, NULL), KST_E_INVALID);
    assert_int_equal(kst_kube_delete(kube, &kst_res_pods, "a/b", "x", NULL, NULL), KST_E_INVALID);
    return kst_kube_delete(kube, &kst_res_pods, "shop", "", NULL, err);
}

static void test_delete(void **state)
{
    const struct step lost[] = {
        {.method = "DELETE", .target = POD, .way = FAKE_HTTP_RESET},
        {.method = "DELETE", .target = POD, .status = 404, .body = NOT_FOUND}};
    assert_int_equal(RUN(lost, delete_pod, NULL), 0);
    const struct step absent[] = {
        {.method = "DELETE", .target = POD, .status = 404, .body = NOT_FOUND}};
    assert_int_equal(RUN(absent, delete_pod, NULL), KST_E_NOT_FOUND);
    const struct step busy[] = {
        {.method = "DELETE", .target = POD, .status = 409, .body = CONFLICT},
        {.method = "DELETE", .target = POD, .body = OBJECT("")}};
    assert_int_equal(RUN(busy, delete_pod, NULL), 0);
    /* "" would name the whole collection. */
    assert_int_equal(run_script(NULL, 0, delete_nameless, NULL), KST_E_INVALID);
}

/* ---- Guard, trace and forks ---- */

static int refuse(void *arg, struct kst_err **err)
{
    ++*(int *)arg;
    return kst_err_set(err, KST_E_LOST, "the lease is not ours any more");
}

static void count_trace(void *arg, const char *method, const char *path, long status,
                        int64_t took_us)
{
    assert_null(strstr(path, "sesame"));
    ++*(int *)arg;
}

static int guarded(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    int asked = 0, traced = 0;
    struct kst_kube *fork = kst_kube_fork(kube);
    kst_kube_set_guard(fork, refuse, &asked);
    kst_kube_set_trace(fork, count_trace, &traced);
    assert_int_equal(patch_apply(fork, script, NULL), KST_E_LOST);
    assert_int_equal(asked, 1);
    assert_int_equal(traced, 0);
    int rc = get_pod(fork, script, err);
    assert_int_equal(asked, 1);
    assert_int_equal(traced, 2);
    kst_kube_free(fork);
    return rc;
}

static void test_guard_holds_writes_back(void **state)
{
    const struct step steps[] = {{.method = "GET", .target = POD, .body = OBJECT("")}};
    assert_int_equal(RUN(steps, guarded, NULL), 0);
}

/* ---- Lists ---- */

struct seen {
    char names[64];
    int restarts;
};

static int see(void *arg, const struct kst_json *object, struct kst_err **err)
{
    struct seen *seen = arg;
    size_t len = strlen(seen->names);
    assert_string_equal(kst_json_path_str(object, "kind"), "Pod");
    assert_string_equal(kst_json_key(kst_json_first(object)), "apiVersion");
    snprintf(seen->names + len, sizeof(seen->names) - len, "%s ",
             kst_json_path_str(object, "metadata.name"));
    return strcmp(kst_json_path_str(object, "metadata.name"), "stop") == 0
               ? kst_err_set(err, KST_E_GONE, "enough")
               : 0;
}

static void see_restart(void *arg)
{
    struct seen *seen = arg;
    seen->names[0] = '\0';
    seen->restarts++;
}

#define PAGE(items, more) \
    "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"42\"" more "},\"items\":[" items "]}"
#define ITEM(name) "{\"metadata\":{\"name\":\"" name "\"}}"

static int list_pages(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    struct seen seen = {0};
    kst_auto_free char *version = NULL;
    const struct kst_kube_list_options options = {.label_selector = "a in (b,c)", .page_size = 2};
    int rc = kst_kube_list_each(kube, &kst_res_pods, "shop", &options, see, see_restart, &seen,
                                &version, err);
    if (rc < 0)
        return rc;
    assert_string_equal(seen.names, "a b c ");
    assert_int_equal(seen.restarts, 1);
    assert_string_equal(version, "42");
    return 0;
}

static void test_list_pages(void **state)
{
#define FIRST PODS "?labelSelector=a%20in%20%28b%2Cc%29&limit=2"
    const struct step steps[] = {
        {.method = "GET",
         .target = FIRST,
         .body = PAGE(ITEM("x") "," ITEM("y"), ",\"continue\":\"t&1\"")},
        {.method = "GET",
         .target = FIRST "&continue=t%261",
         .status = 410,
         .body = STATUS(410, "Expired", "old", "")},
        {.method = "GET",
         .target = FIRST,
         .body = PAGE(ITEM("a") "," ITEM("b"), ",\"continue\":\"t2\"")},
        {.method = "GET", .target = FIRST "&continue=t2", .body = PAGE(ITEM("c"), "")},
    };
    struct kst_err *err = NULL;
    if (RUN(steps, list_pages, &err) < 0)
        fail_msg("%s", kst_err_message(err));
    const struct step stopped[] = {
        {.method = "GET", .target = FIRST, .body = PAGE(ITEM("stop"), ",\"continue\":\"t\"")}};
    assert_int_equal(RUN(stopped, list_pages, NULL), KST_E_GONE);
}

static int list_all(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    kst_auto_json struct kst_json *items = NULL;
    const struct kst_kube_list_options options = {.metadata_only = true};
    int rc = kst_kube_list(kube, &kst_res_pods, NULL, &options, &items, NULL, err);
    if (rc < 0)
        return rc;
    assert_int_equal(kst_json_len(items), 2);
    assert_string_equal(kst_json_path_str(items, "1.kind"), "Pod");
    assert_non_null(strstr(script->last_headers, "as=PartialObjectMetadataList"));
    return 0;
}

static void test_list(void **state)
{
    const struct step steps[] = {
        {.method = "GET",
         .target = "/api/v1/pods?limit=500",
         .body = PAGE("{\"kind\":\"PartialObjectMetadata\"}," ITEM("b"), "")}};
    assert_int_equal(RUN(steps, list_all, NULL), 0);
    const struct step expired[] = {{.method = "GET",
                                    .target = "/api/v1/pods?limit=500",
                                    .status = 410,
                                    .body = STATUS(410, "Expired", "old", "")},
                                   steps[0]};
    assert_int_equal(RUN(expired, list_all, NULL), 0);
    const struct step broken[] = {
        {.method = "GET", .target = "/api/v1/pods?limit=500", .body = "{\"items\":7}"}};
    assert_int_equal(RUN(broken, list_all, NULL), KST_E_PROTOCOL);
    const struct step worse[] = {
        {.method = "GET", .target = "/api/v1/pods?limit=500", .body = "<html>"}};
    assert_int_equal(RUN(worse, list_all, NULL), KST_E_PROTOCOL);
}

/* ---- Logs ---- */

static int logs(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(8);
    return kst_kube_logs(kube, "shop", "db", "main", true, 5, &text, err);
}

static void test_logs(void **state)
{
#define LOG POD "/log?container=main&"
    const struct step good[] = {{.method = "GET",
                                 .target = LOG "previous=true&tailLines=5",
                                 .body = "hi\n",
                                 .content_type = "text/plain"}};
    assert_int_equal(RUN(good, logs, NULL), 0);
    const struct step long_[] = {{.method = "GET", .target = LOG, .body = "far too long\n"}};
    assert_int_equal(RUN(long_, logs, NULL), KST_E_LIMIT);
}

static int add_line(void *arg, const char *line, size_t len, struct kst_err **err)
{
    kst_buf_add(arg, line, len);
    return kst_buf_addc(arg, '|');
}

static int follow(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(4096);
    int rc = kst_kube_logs_follow(kube, "shop", "db", "main", add_line, &text, err);
    if (rc == 0)
        assert_string_equal(text.data, "one|two|two again|three||last|");
    return rc;
}

#define T(s, text) "2026-01-01T00:00:0" s "Z " text

static void test_logs_are_followed_over_breaks(void **state)
{
    const struct step steps[] = {
        {.method = "GET",
         .target = LOG "follow=true&timestamps=true",
         .body = T("1", "one\n") T("2.5", "two\n") T("2.5", "two again\n")
             T("3", "thr"
                    "0123456789012345678901234567890123456789012345678901234567890123456789012345"
                    "0123456789012345678901234567890"),
         .way = FAKE_HTTP_HALF},
        {.method = "GET",
         .target = LOG "follow=true&timestamps=true&sinceTime=2026-01-01T00%3A00%3A02Z",
         .status = 503},
        {.method = "GET",
         .target = LOG "follow=true&timestamps=true&sinceTime=2026-01-01T00%3A00%3A02Z",
         .body = T("2.1", "old\n") T("2.5", "two\n") T("2.5", "two again\n") T("3", "three\n")
             T("3.000000001", "\n"),
         .way = FAKE_HTTP_UNTIL_CLOSE},
        {.method = "GET",
         .target = POD,
         .body = "{\"status\":{\"containerStatuses\":[{\"name\":"
                 "\"main\",\"state\":{\"running\":{}}}]}}"},
        {.method = "GET",
         .target = LOG "follow=true&timestamps=true&sinceTime=2026-01-01T00%3A00%3A03Z",
         .body = T("3", "three\n") T("3.000000001", "\n") T("4", "last"),
         .way = FAKE_HTTP_UNTIL_CLOSE},
        {.method = "GET",
         .target = POD,
         .body = "{\"status\":{\"containerStatuses\":[{\"name\":"
                 "\"main\",\"state\":{\"terminated\":{}}}]}}"},
    };
    struct kst_err *err = NULL;
    if (RUN(steps, follow, &err) < 0)
        fail_msg("%s", kst_err_message(err));
}

static int version(struct kst_kube *kube, struct script *script, struct kst_err **err)
{
    kst_auto_free char *text = NULL;
    int rc = kst_kube_server_version(kube, &text, err);
    if (rc == 0)
        assert_string_equal(text, "v1.20.2");
    return rc;
}

static void test_version(void **state)
{
    const struct step steps[] = {
        {.method = "GET", .target = "/version", .body = "{\"gitVersion\":\"v1.20.2\"}"}};
    assert_int_equal(RUN(steps, version, NULL), 0);
}

static void test_backoff(void **state)
{
    struct kst_kube_backoff backoff = {0};
    for (int i = 0; i < 20; i++) {
        int64_t pause = kst_kube_backoff_next_ms(&backoff, -1);
        int64_t ceiling = i < 6 ? 100 << i : 5000;
        assert_in_range(pause, ceiling / 2, ceiling);
    }
    assert_int_equal(kst_kube_backoff_next_ms(&backoff, 60000), 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_statuses_become_errors),
        cmocka_unit_test(test_what_rbac_lacks_is_named),
        cmocka_unit_test(test_get_is_tried_again),
        cmocka_unit_test(test_retry_after_is_kept),
        cmocka_unit_test(test_patience_ends),
        cmocka_unit_test(test_deadline_of_the_fiber),
        cmocka_unit_test(test_one_hang_leaves_time_for_another_try),
        cmocka_unit_test(test_unauthorized_is_tried_once_only_with_new_credentials),
        cmocka_unit_test(test_unreachable_names_server_and_context),
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_create_adopts_what_is_ours),
        cmocka_unit_test(test_create_whose_answer_was_lost),
        cmocka_unit_test(test_update_that_met_itself),
        cmocka_unit_test(test_changes_over_conflicts),
        cmocka_unit_test(test_patch),
        cmocka_unit_test(test_label),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_guard_holds_writes_back),
        cmocka_unit_test(test_list_pages),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_logs),
        cmocka_unit_test(test_logs_are_followed_over_breaks),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_backoff),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kst_log_forget_secrets();
    return failed;
}
