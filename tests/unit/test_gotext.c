/* SPDX-License-Identifier: Apache-2.0 */
/* What a real API server (1.20.2) writes for these values in messages and tables. */
#include "sandbox/types/gotext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

enum { TEXT_BYTES = 4096 };

static void test_floats(void **state)
{
    static const struct {
        const char *number, *text;
    } rows[] = {
        {"1000000.5", "1.0000005e+06"},
        {"12345678.25", "1.234567825e+07"},
        {"100000.5", "100000.5"},
        {"1e21", "1e+21"},
        {"1e-7", "1e-07"},
        {"0.00001", "1e-05"},
        {"0.0001", "0.0001"},
        {"1.50", "1.5"},
        {"-0.35", "-0.35"},
        {"1e400", "+Inf"},
        {"0.0", "0"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
        kst_go_float(&text, strtod(rows[i].number, NULL));
        assert_string_equal(text.data, rows[i].text);
    }
}

static void test_texts(void **state)
{
    static const struct {
        const char *text, *quoted;
    } rows[] = {
        {"", "\"\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"\n\r\t\v\a\b\f", "\"\\n\\r\\t\\v\\a\\b\\f\""},
        {"\x01\x7f", "\"\\x01\\x7f\""},
        {"\xc2\xa0\xe2\x80\xa8", "\"\\u00a0\\u2028\""},
        {"é日😀", "\"é日😀\""},
        {"\xf3\xa0\x80\x81", "\"\\U000e0001\""},
        {"\xc0\x80", "\"\\x00\""},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
        kst_go_quote(&text, rows[i].text);
        assert_string_equal(text.data, rows[i].quoted);
    }
    assert_int_equal(kst_go_printable("abc"), 3);
    assert_int_equal(kst_go_printable("a\ab"), 1);
}

static void test_values(void **state)
{
    static const struct {
        const char *json, *syntax, *plain, *encoded;
    } rows[] = {
        {"{'b':[1,'x',null,true,1.5],'a':{}}",
         "map[string]interface {}{\"a\":map[string]interface {}{}, \"b\":[]interface {}{1, \"x\", "
         "interface {}(nil), true, 1.5}}",
         "map[a:map[] b:[1 x <nil> true 1.5]]", "{\"a\":{},\"b\":[1,\"x\",null,true,1.5]}"},
        {"'a<b>&c'", "\"a<b>&c\"", "a<b>&c", "\"a\\u003cb\\u003e\\u0026c\""},
        {"1000000.5", "1.0000005e+06", "1.0000005e+06", "1000000.5"},
        {"9007199254740993", "9007199254740993", "9007199254740993", "9007199254740993"},
        {"[]", "[]interface {}{}", "[]", "[]"},
        {"false", "false", "false", "false"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *value = kst_json_make(rows[i].json);
        kst_auto_buf syntax = KST_BUF_INIT(TEXT_BYTES), plain = KST_BUF_INIT(TEXT_BYTES);
        kst_auto_buf encoded = KST_BUF_INIT(TEXT_BYTES);
        kst_go_syntax(&syntax, value);
        kst_go_plain(&plain, value);
        kst_go_json(&encoded, value);
        assert_string_equal(syntax.data, rows[i].syntax);
        assert_string_equal(plain.data, rows[i].plain);
        assert_string_equal(encoded.data, rows[i].encoded);
    }
}

static void test_order(void **state)
{
    kst_auto_json struct kst_json *value = kst_json_make("[{'b':1,'a':{'d':null,'c':[]}}]");
    kst_auto_json struct kst_json *sorted = kst_go_sorted(value);
    kst_auto_free char *text = kst_json_text(sorted);
    assert_string_equal(text, "[{\"a\":{\"c\":[],\"d\":null},\"b\":1}]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
