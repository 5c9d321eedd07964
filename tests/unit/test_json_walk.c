/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"

/* The entries as "key=value;", and what ended them: '.' or '!' for an error. */
static void check(const char *text, const char *expected)
{
    struct kst_json_walk walk;
    struct kst_str key = {0}, value;
    kst_auto_buf out = KST_BUF_INIT(4096);
    kst_auto_err struct kst_err *err = NULL;
    int rc = kst_json_walk_begin(&walk, kst_str_of(text), &err);
    while (rc >= 0 && (rc = kst_json_walk_next(&walk, &key, &value, &err)) == 1)
        kst_buf_addf(&out, "%.*s=%.*s;", (int)key.len, key.len ? key.data : "", (int)value.len,
                     value.data);
    kst_buf_addc(&out, rc < 0 ? '!' : '.');
    assert_int_equal(rc, err ? KST_E_PARSE : 0);
    if (strcmp(out.data, expected) != 0)
        fail_msg("%s: found %s, expected %s", text, out.data, expected);
}

static void entries(void **state)
{
    static const struct {
        const char *text, *expected;
    } table[] = {
        {"{}", "."},
        {" [ ] ", "."},
        {"[1,2.50,-1e400,true,null]", "=1;=2.50;=-1e400;=true;=null;."},
        {"{\"a\":1,\"b\":{\"c\":[1,{}]} ,\n\"d\":\"x\"}", "a=1;b={\"c\":[1,{}]};d=\"x\";."},
        {"[\"a,]}\",[\"]\"],{\"k\":\"}\"}]", "=\"a,]}\";=[\"]\"];={\"k\":\"}\"};."},
        {"[\"\\\\\",\"\\\"\",\"a\\\\\\\"b\"]", "=\"\\\\\";=\"\\\"\";=\"a\\\\\\\"b\";."},
        {"{\"\\\"\":\"\"}", "\\\"=\"\";."},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++)
        check(table[i].text, table[i].expected);
}

static void damaged(void **state)
{
    static const char *const table[] = {
        "",      " ",         "1",        "\"a\"",     "[1,2",          "[1 2]",
        "[1,]",  "{\"a\"",    "{\"a\":}", "{\"a\" 1}", "{1:2}",         "{\"a:1}",
        "[\"a]", "[\"a\\\"]", "[[1]",     "{\"a\":[}", "[1]x",          "[] []",
        "[,1]",  "{,}",       "[",        "{",         "[{\"a\":\"b}]",
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        struct kst_json_walk walk;
        struct kst_str value;
        kst_auto_err struct kst_err *err = NULL;
        int rc = kst_json_walk_begin(&walk, kst_str_of(table[i]), &err);
        for (int n = 0; rc >= 0 && (n == 0 || rc == 1); n++) {
            assert_true(n < 10);
            rc = kst_json_walk_next(&walk, NULL, &value, &err);
        }
        if (rc != KST_E_PARSE)
            fail_msg("%s: %d", table[i], rc);
    }
}

static void members(void **state)
{
    struct kst_str text = kst_str_of("{\"a\":{\"name\":\"x\"},\"b\":\"t\\u00fc\\n\",\"c\":7}");
    struct kst_str a = kst_json_walk_find(text, "a");
    kst_auto_free char *name = kst_json_walk_string(kst_json_walk_find(a, "name"));
    kst_auto_free char *b = kst_json_walk_string(kst_json_walk_find(text, "b"));
    assert_string_equal(name, "x");
    assert_string_equal(b, "t\xc3\xbc\n");
    assert_null(kst_json_walk_string(kst_json_walk_find(text, "c")));
    assert_int_equal(kst_json_walk_find(text, "d").len, 0);
    assert_int_equal(kst_json_walk_find(kst_str_of("[1]"), "a").len, 0);
    assert_int_equal(kst_json_walk_find(kst_str_of(NULL), "a").len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries),
        cmocka_unit_test(damaged),
        cmocka_unit_test(members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
