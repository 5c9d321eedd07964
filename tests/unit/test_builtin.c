/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults against what a real API server (1.20.2) made of the same objects
 * (tests/unit/builtin_defaults.json). */
#include "sandbox/builtin/builtin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

enum { CASES_BYTES = 4 * 1024 * 1024 };

static struct kst_json *cases(const char *path)
{
    kst_auto_buf text = KST_BUF_INIT(CASES_BYTES);
    struct kst_json *all = NULL;
    assert_int_equal(kst_buf_read_file(&text, path, NULL), 0);
    assert_int_equal(kst_json_parse(text.data, text.len, &all, NULL), 0);
    return all;
}

static void expect(const char *about, const struct kst_json *got, const struct kst_json *expected)
{
    if (kst_json_equal(got, expected))
        return;
    kst_auto_free char *a = kst_json_text(got), *b = kst_json_text(expected);
    fail_msg("%s:\n%s instead of\n%s", about, a, b);
}

static void what_is_filled_in(void **state)
{
    kst_auto_json struct kst_json *all = cases("tests/unit/builtin_defaults.json");
    assert_true(kst_json_len(all) > 70);
    for (const struct kst_json *c = kst_json_first(all); c; c = kst_json_next(c)) {
        const char *about = kst_json_path_str(c, "about");
        const char *group = kst_json_path_str(c, "group");
        const char *version = kst_json_path_str(c, "version");
        const char *kind = kst_json_path_str(c, "kind");
        kst_auto_json struct kst_json *object = kst_json_dup(kst_json_get(c, "input"));
        kst_json_remove(object, "status");
        if (strcmp(kind, "Node") == 0) /* of which the status can be created */
            kst_json_set(object, "status", kst_json_dup(kst_json_path(c, "input.status")));
        kst_builtin_default(group, version, kind, object);
        kst_builtin_admit(group, kind, object);
        expect(about, object, kst_json_get(c, "output"));
        kst_builtin_default(group, version, kind, object);
        expect(about, object, kst_json_get(c, "output"));
    }
}

/* Objects come from anybody: every wrong type in every place. */
static void replace_all(struct kst_json *value, const struct kst_json *by, int depth)
{
    size_t count = kst_json_len(value);
    for (size_t i = 0; i < count; i++) {
        const struct kst_json *e = kst_json_at(value, i);
        kst_auto_free char *key = kst_strdup(kst_json_key(e));
        if (depth > 0 && kst_json_len(e) > 0)
            replace_all(key ? kst_json_mut(value, key) : kst_json_mut_at(value, i), by, depth - 1);
        else if (key)
            kst_json_set(value, key, kst_json_dup(by));
    }
}

static void of_what_is_wrong(void **state)
{
    kst_auto_json struct kst_json *all = cases("tests/unit/builtin_defaults.json");
    kst_auto_json struct kst_json *values = kst_json_make(
        "[null, 7, 'x', '', true, [], [1,'a',null,{'x':[]}], {}, {'a':{'b':1}}, [[]], [{}]]");
    for (const struct kst_json *c = kst_json_first(all); c; c = kst_json_next(c)) {
        const char *kind = kst_json_path_str(c, "kind"), *group = kst_json_path_str(c, "group");
        for (size_t i = 0; i < kst_json_len(values) * 8; i++) {
            kst_auto_json struct kst_json *object = kst_json_dup(kst_json_get(c, "input"));
            replace_all(object, kst_json_at(values, i / 8), (int)(i % 8));
            kst_builtin_default(group, "v1", kind, object);
            kst_builtin_admit(group, kind, object);
            kst_builtin_default(group, "v1", kind, object);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_filled_in),
        cmocka_unit_test(of_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
