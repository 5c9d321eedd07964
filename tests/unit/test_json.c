/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

/* Texts that must come back byte for byte. */
static void test_survives(void **state)
{
    static const char *const texts[] = {
        "9007199254740993",
        "1.0",
        "1e400",
        "-0",
        "1E+5",
        "-0.000",
        "123456789012345678901234567890",
        "{}",
        "[]",
        "null",
        "true",
        "false",
        "\"\"",
        "{\"b\":1,\"a\":{\"c\":[1,2.50,\"x\"]}}",
        "\"#1\"",
        "\"$x\"",
        "[\"#\",\"$\",\"\"]",
        "\"\\u0000\"",
        "\"a\\u0000b\"",
        "\"\\\"\\\\\\n\\t\\r\\b\\f\\u001f\"",
        "\"ä€😀\"",
        "{\"\":{\"\":[]}}",
        "{\"a.b\":1,\"#\":2}",
        "[[[[[[1]]]]]]",
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(texts); i++) {
        kst_auto_json struct kst_json *value = NULL;
        kst_auto_err struct kst_err *err = NULL;
        int rc = kst_json_parse(texts[i], strlen(texts[i]), &value, &err);
        if (rc < 0)
            fail_msg("%s: %s", texts[i], kst_err_message(err));
        kst_auto_free char *again = kst_json_text(value);
        assert_string_equal(again, texts[i]);
        kst_auto_json struct kst_json *copy = kst_json_dup(value);
        assert_true(kst_json_equal(copy, value));
    }
}

static void test_other_spellings(void **state)
{
    static const struct {
        const char *text, *printed;
    } table[] = {
        {" [ 1 , 2 ] \n", "[1,2]"},
        {"\"\\u00e4\\ud83d\\ude00\\/\"", "\"ä😀/\""},
        {"{\"a\" : \"\\u0041\"}", "{\"a\":\"A\"}"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_json struct kst_json *value = NULL;
        assert_int_equal(kst_json_parse(table[i].text, strlen(table[i].text), &value, NULL), 0);
        kst_auto_free char *printed = kst_json_text(value);
        assert_string_equal(printed, table[i].printed);
    }
}

static void test_refuses(void **state)
{
    static const struct {
        const char *text, *says;
    } table[] = {
        {"", "line 1, column 1: expected a value, found the end"},
        {"{\"a\":1,}", "line 1, column 8: expected '\"'"},
        {"[1,]", "expected a value, found ']'"},
        {"[1 2]", "expected ',' or ']', found '2'"},
        {"{\"a\" 1}", "expected ':'"},
        {"{a:1}", "expected '\"' or '}'"},
        {"01", "expected nothing after the value"},
        {"1.", "expected a digit"},
        {"-", "expected a digit"},
        {"+1", "expected a value"},
        {"NaN", "expected a value"},
        {"nul", "expected a value"},
        {"\"a", "expected '\"' at the end of a string"},
        {"\"\\x\"", "after a backslash"},
        {"\"\\u12\"", "four hexadecimal digits"},
        {"\"\\ud800\"", "surrogate"},
        {"\"\\udc00\"", "surrogate"},
        {"\"\xff\"", "expected valid UTF-8, found byte 0xff"},
        {"\"\xc0\x80\"", "expected valid UTF-8"},
        {"\"\xed\xa0\x80\"", "expected valid UTF-8"},
        {"\"\t\"", "control characters to be escaped"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "has the key \"a\" twice"},
        {"{\n \"a\": 1\n \"b\": 2}", "line 3, column 2: expected ',' or '}'"},
        {"[", "expected a value, found the end"},
        {"{\"a\":", "expected a value, found the end"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_json struct kst_json *value = NULL;
        kst_auto_err struct kst_err *err = NULL;
        assert_int_equal(kst_json_parse(table[i].text, strlen(table[i].text), &value, &err),
                         KST_E_PARSE);
        assert_null(value);
        if (!strstr(kst_err_message(err), table[i].says))
            fail_msg("%s: expected '%s', found '%s'", table[i].text, table[i].says,
                     kst_err_message(err));
    }
}

static void test_depth(void **state)
{
    for (int depth = KST_JSON_DEPTH; depth <= KST_JSON_DEPTH + 1; depth++) {
        kst_auto_buf text = KST_BUF_INIT(10000);
        for (int i = 0; i < depth; i++)
            kst_buf_adds(&text, "[");
        for (int i = 0; i < depth; i++)
            kst_buf_adds(&text, "]");
        kst_auto_json struct kst_json *value = NULL;
        int rc = kst_json_parse(text.data, text.len, &value, NULL);
        assert_int_equal(rc, depth > KST_JSON_DEPTH ? KST_E_LIMIT : 0);
        if (rc < 0)
            continue;
        /* What was read may be put into something larger. */
        kst_auto_json struct kst_json *more = kst_json_make("{'a':[%J]}", value);
        assert_true(kst_json_equal(kst_json_path(more, "a.0"), value));
    }
}

static void test_readers(void **state)
{
    kst_auto_json struct kst_json *value = kst_json_make(
        "{'metadata':{'name':%s,'labels':{'a.b/c':'d'}},'n':%L,'m':%d,'t':%b,'z':%s,"
        "'list':[1,'x']}",
        "web", INT64_MAX, -5, 1, NULL);
    assert_string_equal(kst_json_path_str(value, "metadata.name"), "web");
    assert_null(kst_json_path_str(value, "metadata.none.deeper"));
    assert_null(kst_json_path_str(value, "n"));
    assert_true(kst_json_path_int(value, "n", 0) == INT64_MAX);
    assert_int_equal(kst_json_path_int(value, "m", 0), -5);
    assert_int_equal(kst_json_path_int(value, "metadata", 7), 7);
    assert_true(kst_json_path_true(value, "t"));
    assert_int_equal(kst_json_type(kst_json_get(value, "z")), KST_JSON_NULL);
    assert_int_equal(kst_json_type(kst_json_get(value, "none")), KST_JSON_ABSENT);
    assert_null(kst_json_get(value, "METADATA"));
    assert_string_equal(kst_json_path_str(value, "list.1"), "x");
    assert_null(kst_json_path(value, "list.2"));
    const struct kst_json *labels = kst_json_path(value, "metadata.labels");
    assert_string_equal(kst_json_str(kst_json_get(labels, "a.b/c")), "d");
    kst_auto_json struct kst_json *subset = kst_json_make("{'a.b/c':'d'}");
    assert_true(kst_json_has_all(labels, subset));
    kst_json_set_str(subset, "e", "f");
    assert_false(kst_json_has_all(labels, subset));
}

static void test_whole_numbers(void **state)
{
    static const struct {
        const char *text;
        bool whole;
        int64_t value;
    } table[] = {
        {"3.0", true, 3},
        {"1e3", true, 1000},
        {"-0", true, 0},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"0.5", false, 0},
        {"1e400", false, 0},
        {"9007199254740993", true, 9007199254740993},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_json struct kst_json *number = kst_json_from_number(table[i].text);
        int64_t value = 0;
        assert_int_equal(kst_json_int(number, &value), table[i].whole);
        if (table[i].whole)
            assert_true(value == table[i].value);
    }
}

static void test_writers(void **state)
{
    kst_auto_json struct kst_json *value = kst_json_object();
    kst_json_set_str(value, "b", "1");
    kst_json_set_int(value, "a", 2);
    kst_json_set_str(value, "b", "3"); /* stays in its place */
    kst_json_push(kst_json_ensure_array(value, "c"), kst_json_bool(false));
    kst_json_set(kst_json_ensure_object(value, "d"), "e", kst_json_from_strn("x\0y", 3));
    kst_auto_free char *text = kst_json_text(value);
    assert_string_equal(text, "{\"b\":\"3\",\"a\":2,\"c\":[false],\"d\":{\"e\":\"x\\u0000y\"}}");
    kst_auto_json struct kst_json *taken = kst_json_detach(value, "c");
    kst_json_remove(value, "d");
    kst_json_set(value, "z", kst_take(taken));
    kst_json_set_str(value, "b", NULL);
    kst_auto_free char *rest = kst_json_text(value);
    assert_string_equal(rest, "{\"a\":2,\"z\":[false]}");
}

/* Appending is setting a key that is not there, without looking. */
static void test_append(void **state)
{
    kst_auto_json struct kst_json *value = kst_json_object();
    kst_auto_free char *key = kst_json_raw_text("a\0b", 3);
    assert_string_equal(key, "a\xc0\x80"
                             "b");
    kst_json_append(value, key, kst_json_from_int(1));
    kst_json_append(value, "c", kst_json_array());
    kst_auto_free char *text = kst_json_text(value);
    assert_string_equal(text, "{\"a\\u0000b\":1,\"c\":[]}");
    assert_int_equal(kst_json_path_int(value, key, 0), 1);
}

static void test_equal(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } table[] = {
        {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true},
        {"[1,2]", "[2,1]", false},
        {"1.0", "1", false},
        {"\"1\"", "1", false},
        {"{}", "[]", false},
        {"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
        {"null", "false", false},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_json struct kst_json *a = NULL, *b = NULL;
        assert_int_equal(kst_json_parse(table[i].a, strlen(table[i].a), &a, NULL), 0);
        assert_int_equal(kst_json_parse(table[i].b, strlen(table[i].b), &b, NULL), 0);
        assert_int_equal(kst_json_equal(a, b), table[i].equal);
    }
}

/* Output of a command may hold anything; a status must be JSON all the same. */
static void test_bytes_that_are_no_text(void **state)
{
    kst_auto_json struct kst_json *value = kst_json_make("{'said':%s}", "a\xff\xc3z");
    kst_auto_free char *text = kst_json_text(value);
    assert_string_equal(text, "{\"said\":\"a\xef\xbf\xbd\xef\xbf\xbdz\"}");
}

static void test_pretty_and_capped(void **state)
{
    kst_auto_json struct kst_json *value = kst_json_make("{'a':[1,{}],'b':{'c':[]}}");
    kst_auto_buf out = KST_BUF_INIT(1000);
    assert_int_equal(kst_json_print(value, KST_JSON_PRETTY, &out), 0);
    assert_string_equal(out.data,
                        "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {\n    \"c\": []\n  }\n}");
    kst_auto_buf small = KST_BUF_INIT(5);
    assert_int_equal(kst_json_print(value, KST_JSON_COMPACT, &small), KST_E_LIMIT);
}

static void test_places_of_an_array(void **state)
{
    kst_auto_json struct kst_json *list = kst_json_make("[1,2]");
    kst_json_insert(list, 0, kst_json_from_int(0));
    kst_json_insert(list, 2, kst_json_from_str("x"));
    kst_json_insert(list, 9, kst_json_from_int(9));
    kst_json_push(list, kst_json_from_int(10));
    kst_auto_free char *text = kst_json_text(list);
    assert_string_equal(text, "[0,1,\"x\",2,9,10]");

    static const size_t places[] = {5, 2, 0};
    for (size_t i = 0; i < KST_ARRAY_LEN(places); i++)
        kst_json_free(kst_json_detach_at(list, places[i]));
    assert_null(kst_json_detach_at(list, 3));
    assert_null(kst_json_detach_at(NULL, 0));
    kst_json_push(list, kst_json_null());
    kst_auto_free char *rest = kst_json_text(list);
    assert_string_equal(rest, "[1,2,9,null]");

    kst_auto_json struct kst_json *none = kst_json_array();
    kst_json_insert(none, 0, kst_json_bool(true));
    kst_json_insert(none, 0, kst_json_bool(false));
    kst_auto_free char *both = kst_json_text(none);
    assert_string_equal(both, "[false,true]");
}

/* An object of many keys is read in a time that grows with their number, not with its square:
 * 200,000 keys would take minutes otherwise, and the test would not end. */
static void test_many_keys(void **state)
{
    kst_auto_buf text = KST_BUF_INIT(16u << 20);
    kst_buf_adds(&text, "{");
    for (int i = 0; i < 200000; i++)
        kst_buf_addf(&text, "%s\"key%d\":%d", i ? "," : "", i, i);
    kst_buf_adds(&text, "}");
    kst_auto_json struct kst_json *value = NULL;
    assert_int_equal(kst_json_parse(text.data, text.len, &value, NULL), 0);
    assert_int_equal(kst_json_len(value), 200000);
    kst_auto_free char *again = kst_json_text(value);
    assert_string_equal(again, text.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_survives),
        cmocka_unit_test(test_other_spellings),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_readers),
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_writers),
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(test_pretty_and_capped),
        cmocka_unit_test(test_places_of_an_array),
        cmocka_unit_test(test_many_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
