/* SPDX-License-Identifier: Apache-2.0 */
/* Views, conversions, base64 and names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

static void views(void **state)
{
    assert_int_equal(kst_str_of(NULL).len, 0);
    assert_true(kst_str_eq(kst_str_of("abc"), "abc"));
    assert_false(kst_str_eq(kst_str_of("abc"), "ab"));
    assert_true(kst_str_has_prefix(kst_str_of("abc"), "ab"));
    assert_true(kst_str_has_prefix(kst_str_of("abc"), ""));
    assert_false(kst_str_has_prefix(kst_str_of("a"), "ab"));
    assert_true(kst_str_has_suffix(kst_str_of("abc"), "bc"));
    assert_false(kst_str_has_suffix(kst_str_of("c"), "bc"));
    assert_true(kst_str_eq(kst_str_trim(kst_str_of(" \t a b\r\n")), "a b"));
    assert_int_equal(kst_str_trim(kst_str_of("  ")).len, 0);
}

static void splitting(void **state)
{
    static const struct {
        const char *text;
        const char *parts[5];
    } table[] = {
        {"a,b", {"a", "b"}},           {"a", {"a"}}, {"", {""}}, {",", {"", ""}},
        {"a,,b,", {"a", "", "b", ""}},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        struct kst_str rest = kst_str_of(table[i].text), part;
        size_t count = 0;
        for (; kst_str_split(&rest, ',', &part); count++) {
            assert_non_null(table[i].parts[count]);
            assert_true(kst_str_eq(part, table[i].parts[count]));
        }
        assert_null(table[i].parts[count]);
    }
}

static void integers(void **state)
{
    static const struct {
        const char *text;
        bool good;
        long long value;
    } table[] = {
        {"0", true, 0},
        {"-5", true, -5},
        {"+5", true, 5},
        {"007", true, 7},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"0x1", false, 0},
        {"1e3", false, 0},
        {NULL, false, 0},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        long long value = 4711;
        assert_int_equal(kst_parse_int(table[i].text, &value), table[i].good);
        assert_true(value == (table[i].good ? table[i].value : 4711));
    }
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        long long ms; /* -1: none */
    } table[] = {
        {"90s", 90000},
        {"1.5h", 5400000},
        {"1h30m", 5400000},
        {"500ms", 500},
        {"0", 0},
        {"0s", 0},
        {".5s", 500},
        {"1.s", 1000},
        {"1500us", 1},
        {"1500\xc2\xb5s", 1},
        {"2000000ns", 2},
        {"1m1m", 120000},
        {"0.3s", 300},
        {"1.001s", 1001},
        {"2562047h", 9223369200000},
        {"", -1},
        {"5", -1},
        {"s", -1},
        {".s", -1},
        {"1.2.3s", -1},
        {"-5s", -1},
        {"+5s", -1},
        {"5 s", -1},
        {"5x", -1},
        {"5d", -1},
        {"5S", -1},
        {"1e3s", -1},
        {"0x10s", -1},
        {"infs", -1},
        {"99999999999999999999h", -1},
        {"1h ", -1},
        {NULL, -1},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        long long ms = -1;
        bool good = kst_parse_duration_ms(table[i].text, &ms);
        if (good != (table[i].ms >= 0) || ms != table[i].ms)
            fail_msg("'%s': %d, %lld", table[i].text, good, ms);
    }
}

static void base64_there_and_back(void **state)
{
    static const char *const table[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xff\xfe\xfd", "//79"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_buf text = KST_BUF_INIT(100), back = KST_BUF_INIT(100);
        assert_int_equal(kst_base64_encode(&text, table[i][0], strlen(table[i][0])), 0);
        assert_string_equal(text.data, table[i][1]);
        assert_int_equal(kst_base64_decode(&back, kst_str_buf(&text), false), 0);
        assert_string_equal(back.data, table[i][0]);
    }
}

/* Padding beyond the end was taken: "Zg===" for "f", and "Zg====" for a text too long to hold. */
static void base64_that_is_none(void **state)
{
    static const char *const table[] = {
        "Z",      "Zg",    "Zg=",  "Zg===",    "Zg====", "Zg======", "Zm8==",
        "=",      "====",  "Z===", "Zg==Zg==", "Zm8=Z",  "Zh==",     "Zm9=",
        "Zm9v\n", "Zm 9v", "Zm9-", "Zm9_",     "Zg=\n=", "Zm9v===",  "Zm9v="};
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_buf out = KST_BUF_INIT(100);
        kst_buf_adds(&out, "before");
        if (kst_base64_decode(&out, kst_str_of(table[i]), false) != KST_E_PARSE)
            fail_msg("'%s' was taken", table[i]);
        assert_string_equal(out.data, "before");
        assert_false(out.overflown);
    }
    kst_auto_buf out = KST_BUF_INIT(100);
    assert_int_equal(kst_base64_decode(&out, kst_str_of(" Zm\n9v\r\nYg=\t=\n"), true), 0);
    assert_string_equal(out.data, "foob");
    assert_int_equal(kst_base64_decode(&out, (struct kst_str){.data = "Zm\0v", .len = 4}, false),
                     KST_E_PARSE);
}

static void base64_beyond_the_cap(void **state)
{
    kst_auto_buf out = KST_BUF_INIT(5);
    assert_int_equal(kst_base64_decode(&out, kst_str_of("Zm9vYmFy"), false), KST_E_LIMIT);
    assert_int_equal(out.len, 0); /* it held "foo" */
    kst_buf_clear(&out);
    assert_int_equal(kst_base64_encode(&out, "foobar", 6), KST_E_LIMIT);
    assert_int_equal(out.len, 0);
}

/* RFC 1123, as the API server has it. */
static bool is_label(const char *name, size_t max)
{
    size_t len = strlen(name);
    if (len == 0 || len > max || name[0] == '-' || name[len - 1] == '-')
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static void names_that_are_fine_stay(void **state)
{
    static const char *const table[] = {"a", "db-0", "0", "a--b", "backup-20261123"};
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_free char *name = kst_name_make(table[i], 63);
        assert_string_equal(name, table[i]);
    }
}

static void names_are_made_valid(void **state)
{
    kst_auto_free char *longest = kst_calloc(1, 1001);
    memset(longest, 'a', 1000);
    kst_auto_free char *dashes = kst_calloc(1, 101);
    memset(dashes, '-', 100);
    kst_auto_free char *cut_at_a_dash = kst_strdup(
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa----"
        "------bbbbbbbbbbb");
    const char *const table[] = {
        "",     "-",  "A",    "a.b", "a_b",   "a/b",  " a ",         "\xc3\xa4", "a-",    "-a",
        "DB_0", "..", "a\nb", "_",   longest, dashes, cut_at_a_dash, "\xff\xfe", "a\x01",
    };
    static const size_t limits[] = {63, 253, 20, 10, 9};
    for (size_t m = 0; m < KST_ARRAY_LEN(limits); m++) {
        char *names[KST_ARRAY_LEN(table)];
        for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
            names[i] = kst_name_make(table[i], limits[m]);
            if (!is_label(names[i], limits[m]))
                fail_msg("'%s' gave '%s'", table[i], names[i]);
            for (size_t j = 0; j < i; j++)
                assert_string_not_equal(names[i], names[j]);
            kst_auto_free char *again = kst_name_make(table[i], limits[m]);
            assert_string_equal(again, names[i]);
        }
        for (size_t i = 0; i < KST_ARRAY_LEN(table); i++)
            free(names[i]);
    }
}

static void hashes_are_those_of_fnv_1a(void **state)
{
    assert_true(kst_hash("", 0) == 0xcbf29ce484222325ULL);
    assert_true(kst_hash("a", 1) == 0xaf63dc4c8601ec8cULL);
    assert_true(kst_hash("foobar", 6) == 0x85944171f73967e8ULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views),
        cmocka_unit_test(splitting),
        cmocka_unit_test(integers),
        cmocka_unit_test(durations),
        cmocka_unit_test(base64_there_and_back),
        cmocka_unit_test(base64_that_is_none),
        cmocka_unit_test(base64_beyond_the_cap),
        cmocka_unit_test(names_that_are_fine_stay),
        cmocka_unit_test(names_are_made_valid),
        cmocka_unit_test(hashes_are_those_of_fnv_1a),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
