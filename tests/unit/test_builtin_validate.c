/* SPDX-License-Identifier: Apache-2.0 */
/* Validation against what a real API server (1.20.2) said of the same objects
 * (tests/unit/builtin_invalid.json): causes as [reason, field, message], in its order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/builtin/builtin.h"
#include "sandbox/builtin/check.h"
#include "sandbox/types/decode.h"

enum { CASES_BYTES = 4 * 1024 * 1024 };

/* What is validated: decoded, with defaults, and with what admission adds. */
static struct kst_json *complete(const struct kst_json *test, const char *field)
{
    const struct kst_json *given = kst_json_get(test, field);
    const char *group = kst_json_path_str(test, "group");
    const char *version = kst_json_path_str(test, "version");
    const char *kind = kst_json_path_str(test, "kind");
    if (!given)
        return NULL;
    struct kst_json *object = kst_json_dup(given);
    kst_json_set_str(object, "kind", kind);
    kst_auto_free char *api_version = kst_asprintf("%s%s%s", group, *group ? "/" : "", version);
    kst_json_set_str(object, "apiVersion", api_version);
    assert_true(kst_decode(kst_decode_type(group, version, kind), object));
    kst_builtin_default(group, version, kind, object);
    if (!kst_json_get(test, "old"))
        kst_builtin_admit(group, kind, object);
    return object;
}

static void what_is_refused(void **state)
{
    kst_auto_buf text = KST_BUF_INIT(CASES_BYTES);
    kst_auto_json struct kst_json *all = NULL;
    assert_int_equal(kst_buf_read_file(&text, "tests/unit/builtin_invalid.json", NULL), 0);
    assert_int_equal(kst_json_parse(text.data, text.len, &all, NULL), 0);
    assert_true(kst_json_len(all) > 300);
    int wrong = 0;
    for (const struct kst_json *c = kst_json_first(all); c; c = kst_json_next(c)) {
        const char *group = kst_json_path_str(c, "group"), *kind = kst_json_path_str(c, "kind");
        kst_auto_json struct kst_json *object = complete(c, "object"), *old = complete(c, "old");
        kst_auto_json struct kst_json *causes = kst_json_array(), *got = kst_json_array();
        kst_builtin_validate_meta(group, kind, object, old, causes);
        kst_builtin_validate(group, kind, object, old, causes);
        for (const struct kst_json *e = kst_json_first(causes); e; e = kst_json_next(e))
            kst_json_push(got, kst_json_make("[%J,%J,%J]", kst_json_get(e, "reason"),
                                             kst_json_get(e, "field"), kst_json_get(e, "message")));
        if (kst_json_equal(got, kst_json_get(c, "causes")))
            continue;
        kst_auto_free char *about = kst_json_text(kst_json_get(c, "object"));
        kst_auto_free char *a = kst_json_text(got);
        kst_auto_free char *b = kst_json_text(kst_json_get(c, "causes"));
        print_error("%s %s:\n%s instead of\n%s\n", kind, about, a, b);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

static void forms_of_texts(void **state)
{
    static const struct {
        enum kst_text_form form;
        const char *text;
        bool right;
    } table[] = {
        {KST_TEXT_LABEL, "a", true},           {KST_TEXT_LABEL, "a-1", true},
        {KST_TEXT_LABEL, "-a", false},         {KST_TEXT_LABEL, "a.b", false},
        {KST_TEXT_SUBDOMAIN, "a.b-c.d", true}, {KST_TEXT_SUBDOMAIN, "a..b", false},
        {KST_TEXT_SUBDOMAIN, "", false},       {KST_TEXT_DNS1035, "1a", false},
        {KST_TEXT_QUALIFIED, "a.b/C_d", true}, {KST_TEXT_QUALIFIED, "A/b", false},
        {KST_TEXT_QUALIFIED, "a/b/c", false},  {KST_TEXT_LABEL_VALUE, "", true},
        {KST_TEXT_LABEL_VALUE, "a b", false},  {KST_TEXT_PORT_NAME, "http", true},
        {KST_TEXT_PORT_NAME, "8080", false},   {KST_TEXT_ENV_NAME, "A_b.c", true},
        {KST_TEXT_ENV_NAME, "1A", false},      {KST_TEXT_CONFIG_KEY, "a.b", true},
        {KST_TEXT_CONFIG_KEY, "..a", false},   {KST_TEXT_HEADER, "X-A", true},
        {KST_TEXT_PATH_SEGMENT, "a:b", true},  {KST_TEXT_PATH_SEGMENT, "a/b", false},
        {KST_TEXT_IP, "10.0.0.1", true},       {KST_TEXT_IP, "::1", true},
        {KST_TEXT_IP, "10.0.0", false},        {KST_TEXT_WILDCARD, "*.a.b", true},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_json struct kst_json *wrong = kst_text_wrong(table[i].form, table[i].text);
        if ((wrong == NULL) != table[i].right)
            fail_msg("%d \"%s\"", table[i].form, table[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(forms_of_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
