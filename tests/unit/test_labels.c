/* SPDX-License-Identifier: Apache-2.0 */
/* Label selectors as the API server reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/server/labels.h"

static void test_what_is_selected(void **state)
{
    static const struct {
        const char *selector;
        bool selects;
    } rows[] = {
        {"", true},
        {"app=db", true},
        {" app == db ", true},
        {"app=db,tier!=web", true},
        {"app!=db", false},
        {"none!=x", true},
        {"app in (web, db)", true},
        {"app in (web)", false},
        {"app notin (web)", true},
        {"none notin (web)", true},
        {"app", true},
        {"!app", false},
        {"!none", true},
        {"size>2", true},
        {"size>3", false},
        {"size<4,app", true},
        {"app>1", false},
        {"empty=", true},
        {"empty in (a,)", true},
        {"app in (,a)", false},
        {"in in (notin)", true},
        {"example.com/x=y", true},
    };
    kst_auto_json struct kst_json *labels = kst_json_make(
        "{'app':'db','size':'3','empty':'','in':'notin','example.com/x':'y'}");
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct kst_labels *parsed = NULL;
        kst_auto_err struct kst_err *err = NULL;
        if (kst_labels_parse(rows[i].selector, &parsed, &err) < 0)
            fail_msg("%s: %s", rows[i].selector, kst_err_message(err));
        if (kst_labels_select(parsed, labels) != rows[i].selects)
            fail_msg("%s: expected %d", rows[i].selector, rows[i].selects);
        assert_int_equal(kst_labels_are_all(parsed), !*rows[i].selector);
        kst_labels_free(parsed);
    }
}

static void test_what_is_refused(void **state)
{
    static const struct {
        const char *selector, *message;
    } rows[] = {
        {"a in b", "unable to parse requirement: found 'b' expected: '('"},
        {"a=b=c", "found '=', expected: ',' or 'end of string'"},
        {"a b", "unable to parse requirement: found 'b', expected: '=', '!=', '==', 'in', notin'"},
        {"a,", "found '', expected: identifier after ','"},
        {"=a", "found '=', expected: !, identifier, or 'end of string'"},
        {"a in (b", "unable to parse requirement: found '', expected: ',' or ')'"},
        {"a in ()", "unable to parse requirement: for 'in', 'notin' operators, values set can't be "
                    "empty"},
        {"a>b", "unable to parse requirement: for 'Gt', 'Lt' operators, the value must be an "
                "integer"},
        {"a==(", "unable to parse requirement: found '(', expected: identifier"},
        {"!=", "found '!=', expected: !, identifier, or 'end of string'"},
        {"-a", "unable to parse requirement: invalid label key \"-a\": name part must consist of"},
        {"A.b/c", "unable to parse requirement: invalid label key \"A.b/c\": prefix part"},
        {"a=_b", "unable to parse requirement: invalid label value: \"_b\": at key: \"a\":"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct kst_labels *parsed = NULL;
        kst_auto_err struct kst_err *err = NULL;
        assert_int_equal(kst_labels_parse(rows[i].selector, &parsed, &err), KST_E_PARSE);
        if (strncmp(kst_err_message(err), rows[i].message, strlen(rows[i].message)) != 0)
            fail_msg("%s: %s", rows[i].selector, kst_err_message(err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_selected),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
