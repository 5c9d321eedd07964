/* SPDX-License-Identifier: Apache-2.0 */
/* What a real API server (1.20.2) made of definitions, or refused them for:
 * tests/unit/crd_cases.json. The order of causes in the server is that of its maps. */
#include "sandbox/custom/crd.h"

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
#include "causes.h"
#include "sandbox/custom/crd_internal.h"

enum { CASES_BYTES = 4 * 1024 * 1024 };

/* The status with which a new definition begins. */
static struct kst_json *fresh(const struct kst_json *crd)
{
    struct kst_json *copy = kst_json_dup(crd);
    kst_json_set(copy, "status",
                 kst_json_make("{'conditions':null,'acceptedNames':{'plural':'','kind':''},"
                               "'storedVersions':[]}"));
    return copy;
}

static void check(const struct kst_json *row)
{
    const char *about = kst_json_path_str(row, "about");
    kst_auto_json struct kst_json *crd = fresh(kst_json_get(row, "crd"));
    kst_auto_json struct kst_json *causes = kst_json_array();
    kst_crd_default(crd);
    kst_crd_validate(crd, NULL, causes);
    kst_auto_free char *found = causes_sorted(causes),
                       *wanted = causes_sorted(kst_json_get(row, "causes"));
    if (strcmp(found, wanted) != 0)
        fail_msg("%s was told\n%sinstead of\n%s", about, found, wanted);
    const struct kst_json *spec = kst_json_get(row, "spec");
    kst_auto_free char *made = kst_json_text(kst_json_get(crd, "spec"));
    kst_auto_free char *kept = kst_json_text(spec);
    if (spec && !kst_json_equal(kst_json_get(crd, "spec"), spec))
        fail_msg("%s became\n%s instead of\n%s", about, made, kept);
}

static void test_recorded(void **state)
{
    kst_auto_buf text = KST_BUF_INIT(CASES_BYTES);
    kst_auto_json struct kst_json *cases = NULL;
    assert_int_equal(kst_buf_read_file(&text, "tests/unit/crd_cases.json", NULL), 0);
    assert_int_equal(kst_json_parse(text.data, text.len, &cases, NULL), 0);
    for (const struct kst_json *c = kst_json_first(cases); c; c = kst_json_next(c))
        check(c);
}

/* A definition with these names (JSON), in a group of its own or the common one. */
static struct kst_json *named(const char *group, const char *names)
{
    kst_auto_json struct kst_json *part = kst_json_make(names);
    kst_auto_json struct kst_json *crd = kst_json_make(
        "{'metadata':{'name':'x'},'spec':{'group':%s,'names':%J,'scope':'Cluster','versions':"
        "[{'name':'v1','served':true,'storage':true}]}}",
        group, part);
    struct kst_json *whole = fresh(crd);
    kst_crd_default(whole);
    return whole;
}

static void same(const struct kst_json *found, const char *wanted)
{
    kst_auto_json struct kst_json *value = kst_json_make(wanted);
    kst_auto_free char *text = kst_json_text(found);
    if (!kst_json_equal(found, value))
        fail_msg("%s\ninstead of\n%s", text, wanted);
}

static void settle(struct kst_json *crd, const struct kst_json *other, const char *now)
{
    const struct kst_json *all[] = {crd, other};
    kst_crd_settle(crd, all, other ? 2 : 1, now);
}

static void test_names(void **state)
{
    kst_auto_json struct kst_json *first = named(
        "g.io", "{'plural':'foos','kind':'Foo','shortNames':['f','fo'],'categories':['all']}");
    settle(first, NULL, "t1");
    same(kst_json_get(first, "status"),
         "{'conditions':[{'type':'NamesAccepted','status':'True','lastTransitionTime':'t1','reason'"
         ":'NoConflicts','message':'no conflicts found'},{'type':'Established','status':'True',"
         "'lastTransitionTime':'t1','reason':'InitialNamesAccepted','message':'the initial names "
         "have been accepted'}],'acceptedNames':{'plural':'foos','singular':'foo','shortNames':"
         "['f','fo'],'kind':'Foo','listKind':'FooList','categories':['all']},'storedVersions':"
         "['v1']}");
    assert_true(kst_crd_is_served(first));

    static const struct {
        const char *names, *accepted, *reason, *message;
    } rows[] = {
        {"{'plural':'foos','kind':'Bar'}",
         "{'plural':'','singular':'bar','kind':'Bar','listKind':'BarList'}", "PluralConflict",
         "\"foos\" is already in use"},
        {"{'plural':'f','kind':'Bar'}",
         "{'plural':'','singular':'bar','kind':'Bar','listKind':'BarList'}", "PluralConflict",
         "\"f\" is already in use"},
        {"{'plural':'bars','singular':'fo','kind':'Bar'}",
         "{'plural':'bars','kind':'Bar','listKind':'BarList'}", "SingularConflict",
         "\"fo\" is already in use"},
        {"{'plural':'bars','kind':'Bar','shortNames':['b','f','foo']}",
         "{'plural':'bars','singular':'bar','kind':'Bar','listKind':'BarList'}",
         "ShortNamesConflict", "[\"f\" is already in use, \"foo\" is already in use]"},
        {"{'plural':'bars','kind':'Bar','shortNames':['f']}",
         "{'plural':'bars','singular':'bar','kind':'Bar','listKind':'BarList'}",
         "ShortNamesConflict", "\"f\" is already in use"},
        {"{'plural':'bars','singular':'bar','kind':'Foo'}",
         "{'plural':'bars','singular':'bar','kind':''}", "ListKindConflict",
         "\"FooList\" is already in use"},
        {"{'plural':'bars','singular':'bar','kind':'Foo','listKind':'Bars'}",
         "{'plural':'bars','singular':'bar','kind':'','listKind':'Bars'}", "KindConflict",
         "\"Foo\" is already in use"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *second = named("g.io", rows[i].names);
        settle(second, first, "t2");
        same(kst_json_path(second, "status.acceptedNames"), rows[i].accepted);
        assert_string_equal(kst_json_path_str(second, "status.conditions.0.reason"),
                            rows[i].reason);
        assert_string_equal(kst_json_path_str(second, "status.conditions.0.message"),
                            rows[i].message);
        assert_string_equal(kst_json_path_str(second, "status.conditions.1.reason"), "NotAccepted");
        assert_false(kst_crd_is_served(second));

        /* The names are free again. */
        settle(second, NULL, "t3");
        assert_true(kst_crd_is(second, "NamesAccepted"));
        assert_true(kst_crd_is(second, "Established"));
        assert_true(kst_json_equal(kst_json_path(second, "status.acceptedNames"),
                                   kst_json_path(second, "spec.names")));
    }
    kst_auto_json struct kst_json *elsewhere = named("h.io", "{'plural':'foos','kind':'Foo'}");
    settle(elsewhere, first, "t2");
    assert_true(kst_crd_is_served(elsewhere));
}

/* What was established stays so, under the names that it has. */
static void test_renamed(void **state)
{
    kst_auto_json struct kst_json *other = named("g.io", "{'plural':'bars','kind':'Bar'}");
    settle(other, NULL, "t1");
    kst_auto_json struct kst_json *crd = named("g.io", "{'plural':'foos','kind':'Foo'}");
    settle(crd, other, "t1");
    kst_json_set_str(kst_json_mut(kst_json_mut(crd, "spec"), "names"), "singular", "bar");
    settle(crd, other, "t2");
    assert_false(kst_crd_is(crd, "NamesAccepted"));
    assert_string_equal(kst_json_path_str(crd, "status.conditions.0.lastTransitionTime"), "t2");
    assert_true(kst_crd_is(crd, "Established"));
    assert_string_equal(kst_json_path_str(crd, "status.conditions.1.lastTransitionTime"), "t1");
    assert_string_equal(kst_json_path_str(crd, "status.acceptedNames.singular"), "foo");
    assert_true(kst_crd_is_served(crd));
}

static void test_approval(void **state)
{
    static const struct {
        const char *group, *annotation, *status, *reason;
    } rows[] = {
        {"example.com", NULL, NULL, NULL},
        {"x.k8s.io", NULL, "False", "MissingAnnotation"},
        {"x.k8s.io", "https://example.com/1", "True", "ApprovedAnnotation"},
        {"kubernetes.io", "unapproved, since new", "False", "UnapprovedAnnotation"},
        {"x.kubernetes.io", "yes", "False", "InvalidAnnotation"},
        {"k8s.io", "https://", "False", "InvalidAnnotation"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *crd = named(rows[i].group, "{'plural':'foos','kind':'Foo'}");
        if (rows[i].annotation)
            kst_json_set(kst_json_mut(crd, "metadata"), "annotations",
                         kst_json_make("{'" KST_CRD_APPROVED "':%s}", rows[i].annotation));
        settle(crd, NULL, "t");
        const struct kst_json *condition = kst_json_path(crd, "status.conditions.2");
        if (!rows[i].status) {
            assert_null(condition);
            continue;
        }
        assert_string_equal(kst_json_path_str(condition, "type"),
                            "KubernetesAPIApprovalPolicyConformant");
        assert_string_equal(kst_json_path_str(condition, "status"), rows[i].status);
        assert_string_equal(kst_json_path_str(condition, "reason"), rows[i].reason);
    }
}

static void test_terminating(void **state)
{
    kst_auto_json struct kst_json *crd = named("g.io", "{'plural':'foos','kind':'Foo'}");
    settle(crd, NULL, "t1");
    kst_crd_terminate(crd, "t2");
    same(kst_json_path(crd, "metadata"),
         "{'name':'x','deletionTimestamp':'t2','finalizers':['" KST_CRD_FINALIZER "']}");
    assert_true(kst_crd_is(crd, "Terminating"));
    kst_crd_set_condition(crd, "Terminating", true, "InstanceDeletionInProgress", "…", "t3");
    assert_string_equal(kst_json_path_str(crd, "status.conditions.2.lastTransitionTime"), "t2");
    assert_string_equal(kst_json_path_str(crd, "status.conditions.2.reason"),
                        "InstanceDeletionInProgress");
    kst_crd_terminate(crd, "t4");
    assert_int_equal(kst_json_len(kst_json_path(crd, "metadata.finalizers")), 1);
}

static struct kst_json *valid(void)
{
    kst_auto_json struct kst_json *crd = kst_json_make(
        "{'metadata':{'name':'foos.g.io'},'spec':{'group':'g.io','names':{'plural':'foos','kind':"
        "'Foo'},'scope':'Cluster','versions':[{'name':'v1','served':true,'storage':true,'schema':"
        "{'openAPIV3Schema':{'type':'object'}}}]}}");
    struct kst_json *whole = fresh(crd);
    kst_crd_default(whole);
    return whole;
}

/* What an update may not change, and what it adds. */
static void test_updates(void **state)
{
    static const struct {
        const char *key, *value, *wanted;
    } rows[] = {
        {"scope", "Namespaced",
         "FieldValueInvalid spec.scope: Invalid value: \"Namespaced\": field is immutable\n"},
        {"group", "h.io",
         "FieldValueInvalid spec.group: Invalid value: \"h.io\": field is immutable\n"},
        {"scope", "Cluster", ""},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *old = valid(), *causes = kst_json_array();
        settle(old, NULL, "t1");
        kst_auto_json struct kst_json *crd = kst_json_dup(old);
        kst_json_set_str(kst_json_mut(crd, "spec"), rows[i].key, rows[i].value);
        kst_crd_validate(crd, old, causes);
        kst_auto_free char *found = causes_sorted(causes);
        assert_string_equal(found, rows[i].wanted);
    }
    kst_auto_json struct kst_json *old = valid(), *causes = kst_json_array();
    kst_auto_json struct kst_json *crd = kst_json_dup(old);
    struct kst_json *version = kst_json_mut_at(kst_json_mut(kst_json_mut(crd, "spec"), "versions"),
                                               0);
    kst_json_set_str(version, "name", "v2");
    kst_crd_default(crd);
    same(kst_json_path(crd, "status.storedVersions"), "['v1','v2']");
    kst_crd_validate(crd, old, causes);
    kst_auto_free char *found = causes_sorted(causes);
    assert_string_equal(found, "FieldValueInvalid status.storedVersions[0]: Invalid value: \"v1\": "
                               "must appear in spec.versions\n");
}

/* Whatever stands where something else is expected does no harm. */
static void test_odd_input(void **state)
{
    static const char *const odd[] = {
        "null", "5", "'x'", "[]", "[[null,{},5]]", "{}", "{'a':{'b':[null]}}"};
    static const char *const places[] = {
        "{'spec':%J}",
        "{'spec':{'names':%J,'group':'k8s.io'},'metadata':%J,'status':%J}",
        "{'spec':{'versions':%J,'conversion':%J,'group':%J}}",
        "{'spec':{'versions':[%J,{'name':%J,'schema':%J}]}}",
        "{'spec':{'versions':[{'schema':{'openAPIV3Schema':%J},'subresources':%J,"
        "'additionalPrinterColumns':%J}]}}",
        "{'spec':{'versions':[{'schema':{'openAPIV3Schema':{'properties':%J,'items':%J,'anyOf':%J}}"
        "}]}}",
        "{'spec':{'versions':[{'schema':{'openAPIV3Schema':{'properties':{'a':%J,'b':{'items':%J,"
        "'default':%J}}}}}]}}",
        "{'spec':{'conversion':{'strategy':'Webhook','webhook':%J}},'status':{'conditions':%J,"
        "'acceptedNames':%J}}",
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(places); i++) {
        for (size_t j = 0; j < KST_ARRAY_LEN(odd); j++) {
            kst_auto_json struct kst_json *value = kst_json_make(odd[j]);
            kst_auto_json struct kst_json *crd = kst_json_make(places[i], value, value, value);
            kst_auto_json struct kst_json *causes = kst_json_array();
            kst_crd_default(crd);
            kst_crd_validate(crd, NULL, causes);
            kst_crd_validate(crd, crd, causes);
            settle(crd, NULL, "t");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),    cmocka_unit_test(test_names),
        cmocka_unit_test(test_renamed),     cmocka_unit_test(test_approval),
        cmocka_unit_test(test_terminating), cmocka_unit_test(test_updates),
        cmocka_unit_test(test_odd_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
