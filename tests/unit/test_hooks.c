/* SPDX-License-Identifier: Apache-2.0 */
/* What a Pod's annotations say of hooks, and what they cannot mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "app/hooks.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#define PRE  "pre.hook.backup.velero.io/"
#define POST "post.hook.backup.velero.io/"
#define OLD  "hook.backup.velero.io/"

enum { MAX_ANNOTATIONS = 6 };

struct annotations {
    const char *pairs[2 * MAX_ANNOTATIONS];
};

static struct kst_json *pod_with(const struct annotations *annotations)
{
    struct kst_json *pod = kst_json_make(
        "{'kind':'Pod','metadata':{'name':'db-0','namespace':'shop','annotations':{}},"
        "'spec':{'containers':[{'name':'main'},{'name':'side'}]}}");
    struct kst_json *map = kst_json_mut(kst_json_mut(pod, "metadata"), "annotations");
    for (size_t i = 0; annotations->pairs[i]; i += 2)
        kst_json_set_str(map, annotations->pairs[i], annotations->pairs[i + 1]);
    return pod;
}

/* ---- what they say ---- */

#define DEFAULTS(when) \
    "\"" when "_container\":\"main\",\"" when "_on_error\":\"Fail\",\"" when "_timeout\":\"30s\""

static const struct {
    struct annotations annotations;
    const char *expected; /* NULL: no hooks */
} good[] = {
    {{{"a", "b"}}, NULL},
    {{{PRE "command", ""}}, NULL},
    {{{PRE "container", "side", PRE "timeout", "5s"}}, NULL},
    {{{PRE "command", "/freeze"}}, "{\"pre_command\":[\"/freeze\"]," DEFAULTS("pre") "}"},
    {{{PRE "command", "sync --all"}}, "{\"pre_command\":[\"sync --all\"]," DEFAULTS("pre") "}"},
    {{{POST "command", "[\"a\", \"b c\", \"\"]"}},
     "{\"post_command\":[\"a\",\"b c\",\"\"]," DEFAULTS("post") "}"},
    {{{OLD "command", "old"}}, "{\"pre_command\":[\"old\"]," DEFAULTS("pre") "}"},
    {{{OLD "command", "old", PRE "command", "new"}},
     "{\"pre_command\":[\"new\"]," DEFAULTS("pre") "}"},
    {{{PRE "command", "f", PRE "timeout", "0"}}, "{\"pre_command\":[\"f\"]," DEFAULTS("pre") "}"},
    {{{PRE "command", "f", PRE "container", "side", PRE "on-error", "Continue", PRE "timeout",
       "1m30s", POST "command", "t"}},
     "{\"pre_command\":[\"f\"],\"pre_container\":\"side\",\"pre_on_error\":\"Continue\","
     "\"pre_timeout\":\"1m30s\",\"post_command\":[\"t\"]," DEFAULTS("post") "}"},
};

static void test_read(void **state)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(good); i++) {
        kst_auto_json struct kst_json *pod = pod_with(&good[i].annotations), *params = NULL;
        kst_auto_err struct kst_err *err = NULL;
        int rc = kst_hooks_read(pod, &params, &err);
        if (rc < 0)
            fail_msg("row %zu: %s", i, kst_err_message(err));
        if (!good[i].expected) {
            assert_null(params);
            continue;
        }
        kst_auto_free char *text = kst_json_text(params);
        assert_string_equal(text, good[i].expected);
    }
}

/* ---- what they cannot mean ---- */

static const struct {
    struct annotations annotations;
    const char *message, *hint;
} bad[] = {
    {{{PRE "command", "f", PRE "on-error", "continue"}},
     "Pod/shop/db-0: annotation " PRE "on-error: expected Fail or Continue, found 'continue'",
     NULL},
    {{{POST "command", "f", POST "timeout", "30"}},
     "Pod/shop/db-0: annotation " POST
     "timeout: expected a duration such as 30s or 1m30s, found '30'",
     NULL},
    {{{PRE "command", "f", PRE "timeout", "-1s"}}, PRE "timeout: expected a duration", NULL},
    {{{OLD "command", "f", OLD "container", "man"}},
     OLD "container: expected one of the Pod's containers main, side, found 'man'",
     NULL},
    {{{PRE "command", "[]"}},
     PRE "command: expected a JSON array of strings, found an array without any",
     "/bin/sh"},
    {{{PRE "command", "[\"sleep\", 5]"}}, "found an array with other values", "/bin/sh"},
    {{{PRE "command", "[\"mysql\", \"-psecret\""}}, "found what is not JSON", "/bin/sh"},
    {{{PRE "comand", "f"}}, PRE "comand: expected one of the names command", PRE "command?"},
    {{{POST "onerror", "Fail"}}, POST "onerror", POST "on-error?"},
};

static void test_refused(void **state)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(bad); i++) {
        kst_auto_json struct kst_json *pod = pod_with(&bad[i].annotations), *params = NULL;
        kst_auto_err struct kst_err *err = NULL;
        assert_int_equal(kst_hooks_read(pod, &params, &err), KST_E_INVALID);
        assert_null(params);
        assert_string_equal(kst_err_get_reason(err), "InvalidHook");
        if (!strstr(kst_err_message(err), bad[i].message))
            fail_msg("row %zu: %s", i, kst_err_message(err));
        if (strstr(kst_err_message(err), "secret"))
            fail_msg("row %zu tells a secret: %s", i, kst_err_message(err));
        const char *hint = kst_err_get_hint(err);
        if (bad[i].hint && (!hint || !strstr(hint, bad[i].hint)))
            fail_msg("row %zu: hint %s", i, hint ? hint : "none");
    }
}

/* The journal would keep "***" of such a command, and a successor could not thaw with it. */
static void test_own_credential(void **state)
{
    static const char token[] = "a-token-of-this-engine";
    kst_log_secret(token, sizeof(token) - 1);
    kst_auto_free char *text = kst_asprintf("[\"curl\", \"-H\", \"%s\"]", token);
    const struct annotations annotations = {{POST "command", text}};
    kst_auto_json struct kst_json *pod = pod_with(&annotations), *params = NULL;
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_hooks_read(pod, &params, &err), KST_E_INVALID);
    assert_non_null(strstr(kst_err_message(err), "credential"));
    assert_null(strstr(kst_err_message(err), token));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_own_credential),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
