/* SPDX-License-Identifier: Apache-2.0 */
/* What a real API server (1.20.2) made of objects of custom resources, or refused them for:
 * tests/unit/schema_cases.json. The order of causes in the server is that of its maps. */
#include "sandbox/custom/schema.h"

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
#include "sandbox/custom/schema_internal.h"

enum { CASES_BYTES = 4 * 1024 * 1024 };

static void check(const char *about, const struct kst_json *schema, const struct kst_json *row)
{
    kst_auto_json struct kst_json *object = kst_json_dup(kst_json_get(row, "object"));
    kst_auto_json struct kst_json *causes = kst_json_array();
    kst_auto_free char *given = kst_json_text(object);
    kst_schema_prune(schema, object);
    kst_schema_default(schema, object);
    kst_schema_validate(schema, object, causes);
    kst_schema_validate_lists(schema, object, causes);
    kst_auto_free char *found = causes_sorted(causes),
                       *wanted = causes_sorted(kst_json_get(row, "causes"));
    if (strcmp(found, wanted) != 0)
        fail_msg("%s: %s was told\n%sinstead of\n%s", about, given, found, wanted);
    const struct kst_json *stored = kst_json_get(row, "stored");
    kst_schema_numbers(object);
    kst_auto_free char *made = kst_json_text(object), *kept = kst_json_text(stored);
    if (stored && !kst_json_equal(object, stored))
        fail_msg("%s: %s became\n%s instead of\n%s", about, given, made, kept);
}

static void test_recorded(void **state)
{
    kst_auto_buf text = KST_BUF_INIT(CASES_BYTES);
    kst_auto_json struct kst_json *cases = NULL;
    assert_int_equal(kst_buf_read_file(&text, "tests/unit/schema_cases.json", NULL), 0);
    assert_int_equal(kst_json_parse(text.data, text.len, &cases, NULL), 0);
    for (const struct kst_json *c = kst_json_first(cases); c; c = kst_json_next(c)) {
        const struct kst_json *rows = kst_json_get(c, "objects");
        for (const struct kst_json *r = kst_json_first(rows); r; r = kst_json_next(r))
            check(kst_json_path_str(c, "about"), kst_json_get(c, "schema"), r);
    }
}

/* What belongs to the server stays at the root, and only there. */
static void test_root(void **state)
{
    kst_auto_json struct kst_json *schema = kst_json_make(
        "{'type':'object','properties':{'spec':{'type':'object'}}}");
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'apiVersion':'a/v1','kind':'K','metadata':{'name':'n','labels':{'a':null}},'other':1,"
        "'spec':{'metadata':{},'kind':1}}");
    kst_auto_json struct kst_json *wanted = kst_json_make(
        "{'apiVersion':'a/v1','kind':'K','metadata':{'name':'n','labels':{'a':null}},'spec':{}}");
    kst_schema_prune(schema, object);
    assert_true(kst_json_equal(object, wanted));
    kst_schema_prune(NULL, object);
    assert_int_equal(kst_json_len(object), 3);
}

static void test_numbers(void **state)
{
    static const char *const rows[][2] = {
        {"9007199254740993", "9007199254740993"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"9223372036854775808", "9223372036854776000"},
        {"1.0", "1"},
        {"-0", "0"},
        {"1.50", "1.5"},
        {"1e3", "1000"},
        {"1e21", "1e+21"},
        {"123456789012345678901234567890", "1.2345678901234568e+29"},
        {"1e-6", "0.000001"},
        {"1e-7", "1e-7"},
        {"1.5e-10", "1.5e-10"},
        {"0.1", "0.1"},
        {"1e400", "1e400"},
        {"-0.0", "-0"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *object = kst_json_make("{'a':[{}]}");
        struct kst_json *inner = kst_json_mut_at(kst_json_mut(object, "a"), 0);
        kst_json_set(inner, "b", kst_json_from_number(rows[i][0]));
        kst_schema_numbers(object);
        assert_string_equal(kst_json_number(kst_json_path(object, "a.0.b")), rows[i][1]);
    }
}

/* An empty text is a text, whatever a server that was built with a newer Go says. */
static void test_empty_text(void **state)
{
    kst_auto_json struct kst_json *schema = kst_json_make(
        "{'type':'object','properties':{'s':{'type':'string','minLength':0}}}");
    kst_auto_json struct kst_json *object = kst_json_make("{'s':''}");
    kst_auto_json struct kst_json *causes = kst_json_array();
    kst_schema_validate(schema, object, causes);
    assert_int_equal(kst_json_len(causes), 0);
}

struct format_row {
    const char *format, *good, *bad; /* separated by | */
};

static const struct format_row formats[] = {
    {"date", "2020-02-29|0000-01-01|9999-12-31", "2021-02-29|2020-2-1|2020-01-01 |x|"},
    {"date-time",
     "2020-01-02T03:04:05Z|2020-01-02t03:04:05z|2020-01-02T03:04:05.123+01:00|"
     "2020-01-02T03:04:05,5Z",
     "2020-01-02T23:59:60Z|2020-01-02T24:00:00Z|2020-01-02T03:04:05|2020-01-02 03:04:05Z|"
     "2020-13-02T03:04:05Z|2020-01-02T03:04:05+0100|2020-01-02T03:04:05Zfoo|"
     "2020-01-02T03:04:05.Z"},
    {"duration", "1h|1h30m|-1.5h|0|1 day|2 weeks 3 days|1d|3 hr|3HOURS|1µs|.5s|5 m|1m1",
     "1|5 parsecs|1.5|h||12345678901234567890s|12345678901234567890 days"},
    {"uri",
     "http://x|/a/b|http:|mailto:a@b|http://x:80/a?b#c|http://[::1]:80|http://a/b c|//x|urn:a:b|"
     "http://u:p@h|http://x:|*|http://x/é|http://x?a b|http://a[",
     "x|a/b|http://x:y|http://a b|http://a/%zz|?a|#a|1http://x||http://[::1"},
    {"email", "a@b|a@b.c|\"a b\"@c|A <a@b>|<a@b>|a@b (c)| a@b |a@-b|\"A\" <a@b>|A B <a@b>|é@b",
     "a|a@|@b|a b@c|a@b>|a@[1.2.3.4]|a..b@c|.a@b|a.@b|a@b.|a@b..c|a@b,c@d"},
    {"hostname", "a|a-|a.b.co|a-b|1|example.com|A.COM|é.com", "-a|a_b|a.1|a..b|.a|a.|1.2.3.4"},
    {"ipv4", "1.2.3.4|::ffff:1.2.3.4", "1.2.3|256.1.1.1|1.2.3.4 |::1|1.2.3.4.5"},
    {"ipv6", "::1|1::|::ffff:1.2.3.4|1:2:3:4:5:6:7:8",
     "1.2.3.4|fe80::1%eth0|1:2:3:4:5:6:7|g::|12345::|:::|1::2::3"},
    {"cidr", "10.0.0.0/8|10.0.0.1/8|::/0|::1/128|10.0.0.0/08",
     "10.0.0.0/33|10.0.0.0|::1/129|10.0.0.0/-1|10.0.0/8|10.0.0.0/+8|10.0.0.0/"},
    {"mac", "00:00:5e:00:53:01|00-00-5e-00-53-01|0000.5e00.5301|02:00:5e:10:00:00:00:01",
     "00:00:5e:00:53|00:00:5e:00:53:0g|0:0:5e:0:53:1|00:00-5e:00:53:01"},
    {"uuid", "a1b2c3d4-1234-1234-1234-123456789012|A1B2C3D4123412341234123456789012",
     "a1b2c3d4-1234-1234-1234-12345678901|x"},
    {"uuid3", "a1b2c3d4-1234-3234-1234-123456789012", "a1b2c3d4-1234-4234-1234-123456789012"},
    {"uuid4", "a1b2c3d4-1234-4234-a234-123456789012|A1B2C3D4-1234-4234-B234-123456789012",
     "a1b2c3d4-1234-4234-1234-123456789012"},
    {"uuid5", "a1b2c3d4-1234-5234-9234-123456789012", "a1b2c3d4-1234-4234-a234-123456789012"},
    {"isbn", "0321751043|978-0321751041", "0321751044|97803217510410"},
    {"isbn10", "0321751043|0-321-75104-3|080442957X|0321 75104 3", "080442957x|978-0321751041"},
    {"isbn13", "978-0321751041|9780321751041|978 0321751041", "9780321751042|0321751043"},
    {"creditcard", "4111111111111111|4111 1111 1111 1111|5555555555554444|378282246310005",
     "4111-1111-1111-1112|0|2223003122003222|6759649826438453"},
    {"ssn", "123-45-6789|123 45 6789|000-00-0000", "123456789|12-345-6789"},
    {"hexcolor", "#fff|fff|#FFFFFF", "#ffff|#ggg|#fffffff"},
    {"rgbcolor", "rgb(0,0,0)|rgb(255,255,255)|rgb( 1 , 2 , 3 )",
     "rgb(256,0,0)|rgb(1,2)|rgba(1,2,3,4)|RGB(1,2,3)|rgb(01,2,3)|rgb(1%,2%,3%)"},
    {"byte", "YQ==|YWI=|YWJj", "|YQ|Y-_=|====|YQ==YQ=="},
    {"password", "x|", NULL},
    {"bsonobjectid", "507f1f77bcf86cd799439011|507F1F77BCF86CD799439011",
     "507f1f77bcf86cd79943901|g07f1f77bcf86cd799439011"},
    {"i-p-v-4", "1.2.3.4", "x"},
    {"int32", "x", NULL},
    {"IPV4", "x", NULL},
    {"a format with a name that nobody has", "x", NULL},
};

static void check_all(const char *format, const char *texts, bool wanted)
{
    for (const char *at = texts; at;) {
        const char *end = strchr(at, '|');
        kst_auto_free char *text = end ? kst_strndup(at, (size_t)(end - at)) : kst_strdup(at);
        if (kst_schema_format(format, text) != wanted)
            fail_msg("\"%s\" is %sof the format %s", text, wanted ? "not " : "", format);
        at = end ? end + 1 : NULL;
    }
}

static void test_formats(void **state)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(formats); i++) {
        check_all(formats[i].format, formats[i].good, true);
        if (formats[i].bad)
            check_all(formats[i].format, formats[i].bad, false);
    }
    assert_true(kst_schema_has_format("date-time"));
    assert_false(kst_schema_has_format("int32"));
}

/* Schemas that no definition could have, and values as deep as JSON can be, do no harm. */
static void test_odd_input(void **state)
{
    static const char *const schemas[] = {
        "{}",
        "[]",
        "5",
        "{'properties':[{'a':1}],'items':[{}],'additionalProperties':[1],'required':{'a':1}}",
        "{'properties':{'a':5,'b':[],'c':null},'enum':{},'anyOf':{},'oneOf':[],'allOf':[1,null]}",
        ("{'not':5,'maximum':'x','multipleOf':0,'minLength':-1,'pattern':'(','type':['a'],"
         "'default':5,'x-kubernetes-list-type':5,'x-kubernetes-list-map-keys':{'a':1}}"),
        "{'multipleOf':-1,'maximum':1e999,'minimum':-1e999,'pattern':'(a+)+$','format':''}",
    };
    kst_auto_buf deep = KST_BUF_INIT(CASES_BYTES);
    for (int i = 0; i < KST_JSON_DEPTH - 1; i++)
        kst_buf_adds(&deep, i % 2 ? "{\"a\":" : "[");
    kst_buf_adds(&deep, "1");
    for (int i = KST_JSON_DEPTH - 2; i >= 0; i--)
        kst_buf_adds(&deep, i % 2 ? "}" : "]");
    kst_auto_json struct kst_json *bottom = NULL;
    assert_int_equal(kst_json_parse(deep.data, deep.len, &bottom, NULL), 0);
    for (size_t i = 0; i < KST_ARRAY_LEN(schemas); i++) {
        kst_auto_json struct kst_json *schema = kst_json_make(schemas[i]);
        kst_auto_json struct kst_json *object = kst_json_make(
            "{'a':%J,'b':[null,1,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'],'c':{'d':-9}}", bottom);
        kst_auto_json struct kst_json *causes = kst_json_array();
        kst_schema_validate(schema, object, causes);
        kst_schema_validate_lists(schema, object, causes);
        kst_schema_default(schema, object);
        kst_schema_prune(schema, object);
        kst_schema_numbers(object);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded), cmocka_unit_test(test_root),
        cmocka_unit_test(test_numbers),  cmocka_unit_test(test_empty_text),
        cmocka_unit_test(test_formats),  cmocka_unit_test(test_odd_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
