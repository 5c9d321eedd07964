/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/merge/fieldset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

static struct kst_fieldset *set_of(const char *text)
{
    kst_auto_json struct kst_json *fields = kst_json_make(text);
    return kst_fieldset_parse(fields);
}

static void is(const struct kst_fieldset *set, const char *wanted)
{
    kst_auto_json struct kst_json *fields = kst_fieldset_json(set);
    kst_auto_json struct kst_json *value = kst_json_make(wanted);
    kst_auto_free char *text = kst_json_text(fields), *other = kst_json_text(value);
    assert_string_equal(text, other);
}

/* Fields are printed in the API's order; what is no field is left out. */
static void test_format(void **state)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"{}", "{}"},
        {"{'f:b':{},'f:a':{}}", "{'f:a':{},'f:b':{}}"},
        {"{'f:a':{'.':{},'f:b':{}}}", "{'f:a':{'.':{},'f:b':{}}}"},
        {"{'f:a':{'f:b':{'f:c':{}}}}", "{'f:a':{'f:b':{'f:c':{}}}}"},
        {"{'f:a':{'.':{}}}", "{'f:a':{}}"},
        {"{'v:1':{},'i:0':{},'k:{}':{},'f:z':{}}", "{'f:z':{},'k:{}':{},'v:1':{},'i:0':{}}"},
        {"{'.':{},'x:a':{},'':{},'f':{},'f:a':5,'f:b':[]}", "{}"},
        {"{'f:a':{'x':{}}}", "{}"},
        {"5", "{}"},
        {"[{}]", "{}"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_fieldset struct kst_fieldset *set = set_of(rows[i].text);
        is(set, rows[i].wanted);
    }
    is(NULL, "{}");
}

static void test_operations(void **state)
{
    static const struct {
        const char *a, *b, *all, *both, *rest;
    } rows[] = {
        {"{'f:a':{}}", "{'f:b':{}}", "{'f:a':{},'f:b':{}}", "{}", "{'f:a':{}}"},
        {"{'f:a':{}}", "{'f:a':{}}", "{'f:a':{}}", "{'f:a':{}}", "{}"},
        {"{'f:a':{'.':{},'f:b':{}}}", "{'f:a':{}}", "{'f:a':{'.':{},'f:b':{}}}", "{'f:a':{}}",
         "{'f:a':{'f:b':{}}}"},
        {"{'f:a':{}}", "{'f:a':{'f:b':{}}}", "{'f:a':{'.':{},'f:b':{}}}", "{}", "{'f:a':{}}"},
        {"{'f:a':{'f:b':{},'f:c':{}}}", "{'f:a':{'f:c':{},'f:d':{}}}",
         "{'f:a':{'f:b':{},'f:c':{},'f:d':{}}}", "{'f:a':{'f:c':{}}}", "{'f:a':{'f:b':{}}}"},
        {"{}", "{'f:a':{'f:b':{}}}", "{'f:a':{'f:b':{}}}", "{}", "{}"},
        {"{'f:a':{'f:b':{}},'f:z':{}}", "{}", "{'f:a':{'f:b':{}},'f:z':{}}", "{}",
         "{'f:a':{'f:b':{}},'f:z':{}}"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_fieldset struct kst_fieldset *a = set_of(rows[i].a), *b = set_of(rows[i].b);
        kst_auto_fieldset struct kst_fieldset *all = kst_fieldset_union(a, b);
        kst_auto_fieldset struct kst_fieldset *both = kst_fieldset_intersection(a, b);
        kst_auto_fieldset struct kst_fieldset *rest = kst_fieldset_difference(a, b);
        is(all, rows[i].all);
        is(both, rows[i].both);
        is(rest, rows[i].rest);
        assert_int_equal(kst_fieldset_equal(a, both), kst_fieldset_empty(rest));
        assert_true(kst_fieldset_equal(all, all));
        assert_int_equal(kst_fieldset_equal(a, b),
                         kst_fieldset_empty(rest) && kst_fieldset_equal(all, a));
    }
}

static void test_insert(void **state)
{
    kst_auto_fieldset struct kst_fieldset *set = kst_fieldset_new();
    assert_true(kst_fieldset_empty(set) && kst_fieldset_empty(NULL));
    static const char *const path[] = {"f:spec", "k:{\"port\":80}", "f:name"};
    kst_fieldset_insert(set, path, 0);
    assert_true(kst_fieldset_empty(set));
    kst_fieldset_insert(set, path, 3);
    kst_fieldset_insert(set, path, 3);
    is(set, "{'f:spec':{'k:{\\\"port\\\":80}':{'f:name':{}}}}");
    assert_false(kst_fieldset_has(set, "f:spec"));
    kst_fieldset_insert(set, path, 1);
    assert_true(kst_fieldset_has(set, "f:spec"));
    assert_non_null(kst_fieldset_below(kst_fieldset_below(set, "f:spec"), path[1]));
    assert_null(kst_fieldset_below(set, "f:status"));
    assert_false(kst_fieldset_has(NULL, "f:spec"));
}

static void add_path(void *context, const char *path)
{
    kst_buf_addf(context, "%s\n", path);
}

static void test_paths(void **state)
{
    kst_auto_buf out = KST_BUF_INIT(4096);
    kst_auto_fieldset struct kst_fieldset *set = set_of(
        "{'f:b':{'.':{},'f:c':{}},'f:a':{'k:{\\\"n\\\":\\\"x\\\",\\\"p\\\":1}':{'.':{},'f:q':{}},"
        "'v:\\\"s\\\"':{},'i:3':{},'k:{':{}},'f:z':{}}");
    kst_fieldset_each(set, add_path, &out);
    assert_string_equal(out.data, ".b\n.z\n.a[{]\n.a[n=\"x\",p=1]\n.a[=\"s\"]\n.a[3]\n"
                                  ".a[n=\"x\",p=1].q\n.b.c\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_insert),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
