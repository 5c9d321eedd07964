/* SPDX-License-Identifier: Apache-2.0 */
/* Tables against what a real API server (1.20.2) answered: tests/unit/table_cases.json holds, for
 * each case, the object as it stood there, the columns (name, type, format, priority) and cells. */
#include "sandbox/table/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

enum { CASES_BYTES = 4 * 1024 * 1024 };

static struct kst_json *cases(void)
{
    kst_auto_buf text = KST_BUF_INIT(CASES_BYTES);
    struct kst_json *all = NULL;
    assert_int_equal(kst_buf_read_file(&text, "tests/unit/table_cases.json", NULL), 0);
    assert_int_equal(kst_json_parse(text.data, text.len, &all, NULL), 0);
    return all;
}

static struct kst_json *columns_in_short(const struct kst_json *table)
{
    struct kst_json *all = kst_json_array();
    const struct kst_json *c = kst_json_first(kst_json_get(table, "columnDefinitions"));
    for (; c; c = kst_json_next(c)) {
        if (!kst_json_path_str(c, "description"))
            fail_msg("no description of %s", kst_json_path_str(c, "name"));
        kst_json_push(all, kst_json_make("[%J,%J,%J,%J]", kst_json_get(c, "name"),
                                         kst_json_get(c, "type"), kst_json_get(c, "format"),
                                         kst_json_get(c, "priority")));
    }
    return all;
}

static void expect(const char *about, const char *what, const struct kst_json *got,
                   const struct kst_json *expected)
{
    if (kst_json_equal(got, expected) || (!got && !expected))
        return;
    kst_auto_free char *a = kst_json_text(got), *b = kst_json_text(expected);
    fail_msg("%s: %s are\n%s instead of\n%s", about, what, a, b);
}

static void as_the_real_server(void **state)
{
    kst_auto_json struct kst_json *all = cases();
    assert_int_equal(kst_json_len(all), 99);
    for (const struct kst_json *c = kst_json_first(all); c; c = kst_json_next(c)) {
        const struct kst_json *object = kst_json_get(c, "object");
        int64_t born_us = 0;
        assert_true(
            kst_time_parse_us(kst_json_path_str(object, "metadata.creationTimestamp"), &born_us));
        struct kst_table_request request = {
            .group = kst_json_path_str(c, "group"),
            .kind = kst_json_path_str(c, "kind"),
            .printer_columns = kst_json_get(c, "printerColumns"),
            .custom = kst_json_path_true(c, "custom"),
            .include_object = "Object",
            .now_ms = born_us / 1000,
        };
        kst_auto_json struct kst_json *table = kst_table_make(&request, NULL, &object, 1);
        kst_auto_json struct kst_json *columns = columns_in_short(table);
        const char *about = kst_json_path_str(c, "about");
        expect(about, "columns", columns, kst_json_get(c, "columns"));
        expect(about, "cells", kst_json_path(table, "rows.0.cells"), kst_json_get(c, "cells"));
        expect(about, "conditions", kst_json_path(table, "rows.0.conditions"),
               kst_json_get(c, "conditions"));
        expect(about, "object", kst_json_path(table, "rows.0.object"), object);
    }
}

static void ages(void **state)
{
    enum { S = 1000, M = 60 * S, H = 60 * M };
    const int64_t d = 24 * (int64_t)H, y = 365 * d;
    const struct {
        int64_t ms;
        const char *text;
    } table[] = {
        {-5000, "<invalid>"},
        {-2000, "<invalid>"},
        {-1999, "0s"},
        {-1000, "0s"},
        {-1, "0s"},
        {0, "0s"},
        {1999, "1s"},
        {119 * S, "119s"},
        {120 * S, "2m"},
        {121 * S, "2m1s"},
        {10 * M - 1, "9m59s"},
        {10 * M + 30 * S, "10m"},
        {179 * M, "179m"},
        {180 * M, "3h"},
        {3 * H + 4 * M + 59 * S, "3h4m"},
        {8 * H - 1, "7h59m"},
        {8 * H + 59 * M, "8h"},
        {47 * H, "47h"},
        {2 * d, "2d"},
        {2 * d + H, "2d1h"},
        {5 * d, "5d"},
        {8 * d - 1, "7d23h"},
        {8 * d + 5 * (int64_t)H, "8d"},
        {729 * d, "729d"},
        {2 * y, "2y"},
        {2 * y + d, "2y1d"},
        {8 * y + 5 * d, "8y"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        char text[KST_TABLE_AGE];
        kst_table_duration(table[i].ms, text);
        assert_string_equal(text, table[i].text);
    }
}

static const struct kst_json *row_object(const struct kst_json *table)
{
    return kst_json_path(table, "rows.0.object");
}

static void what_is_included(void **state)
{
    kst_auto_json struct kst_json *space = kst_json_make(
        "{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'a','resourceVersion':'7'},"
        "'status':{'phase':'Active'}}");
    const struct kst_json *object = space;
    struct kst_table_request request = {.group = "", .kind = "Namespace", .version = "v1beta1"};
    kst_auto_json struct kst_json *one = kst_table_make(&request, NULL, &object, 1);
    assert_string_equal(kst_json_path_str(one, "apiVersion"), "meta.k8s.io/v1beta1");
    assert_string_equal(kst_json_path_str(one, "metadata.resourceVersion"), "7");
    assert_string_equal(kst_json_path_str(row_object(one), "kind"), "PartialObjectMetadata");
    assert_string_equal(kst_json_path_str(row_object(one), "apiVersion"), "meta.k8s.io/v1beta1");
    assert_string_equal(kst_json_path_str(row_object(one), "metadata.name"), "a");
    assert_null(kst_json_get(row_object(one), "status"));
    assert_string_equal(kst_json_path_str(one, "rows.0.cells.2"), "<unknown>");

    request.include_object = "None";
    request.no_headers = true;
    request.version = NULL;
    kst_auto_json struct kst_json *metadata = kst_json_make(
        "{'resourceVersion':'9','continue':'c','remainingItemCount':3,'x':1}");
    kst_auto_json struct kst_json *list = kst_table_make(&request, metadata, &object, 1);
    kst_auto_json struct kst_json *expected = kst_json_make(
        "{'kind':'Table','apiVersion':'meta.k8s.io/v1','metadata':{'resourceVersion':'9',"
        "'continue':'c','remainingItemCount':3},'columnDefinitions':null,"
        "'rows':[{'cells':['a','Active','<unknown>'],'object':null}]}");
    assert_true(kst_json_equal(list, expected));
}

static void of_nothing(void **state)
{
    struct kst_table_request request = {.group = "", .kind = "Pod"};
    kst_auto_json struct kst_json *metadata = kst_json_make("{'resourceVersion':'9'}");
    kst_auto_json struct kst_json *pods = kst_table_make(&request, metadata, NULL, 0);
    assert_int_equal(kst_json_type(kst_json_get(pods, "rows")), KST_JSON_ARRAY);
    assert_int_equal(kst_json_len(kst_json_get(pods, "columnDefinitions")), 9);
    request.kind = "LimitRange"; /* which has no printer */
    kst_auto_json struct kst_json *ranges = kst_table_make(&request, metadata, NULL, 0);
    assert_int_equal(kst_json_type(kst_json_get(ranges, "rows")), KST_JSON_NULL);
    assert_string_equal(kst_json_path_str(ranges, "columnDefinitions.1.name"), "Created At");
}

/* Somebody may have stored anything: every printer meets values of every wrong type. */
static void replace_all(struct kst_json *value, const struct kst_json *by, int depth)
{
    size_t count = kst_json_len(value);
    for (size_t i = 0; i < count; i++) {
        const struct kst_json *e = kst_json_at(value, i);
        const char *key = kst_json_key(e);
        if (depth > 0 && kst_json_len(e) > 0)
            replace_all(key ? kst_json_mut(value, key) : kst_json_mut_at(value, i), by, depth - 1);
        else if (key)
            kst_json_set(value, key, kst_json_dup(by));
    }
}

static void of_what_is_wrong(void **state)
{
    kst_auto_json struct kst_json *all = cases();
    kst_auto_json struct kst_json *values = kst_json_make(
        "[null, 7, -1.5, 'x', '', true, [], [1,'a',null,{'x':[]}], {},"
        " {'a':{'b':1}}, 1e400, 99999999999999999999]");
    for (const struct kst_json *c = kst_json_first(all); c; c = kst_json_next(c)) {
        for (size_t i = 0; i < kst_json_len(values) * 6; i++) {
            kst_auto_json struct kst_json *object = kst_json_dup(kst_json_get(c, "object"));
            replace_all(object, kst_json_at(values, i / 6), (int)(i % 6));
            const struct kst_json *borrowed = object;
            struct kst_table_request request = {.group = kst_json_path_str(c, "group"),
                                                .kind = kst_json_path_str(c, "kind"),
                                                .printer_columns = kst_json_get(c,
                                                                                "printerColumns"),
                                                .custom = kst_json_path_true(c, "custom")};
            kst_auto_json struct kst_json *table = kst_table_make(&request, NULL, &borrowed, 1);
            assert_int_equal(kst_json_len(kst_json_path(table, "rows.0.cells")),
                             kst_json_len(kst_json_get(table, "columnDefinitions")));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_real_server), cmocka_unit_test(ages),
        cmocka_unit_test(what_is_included),   cmocka_unit_test(of_nothing),
        cmocka_unit_test(of_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
