/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"

/* What kubectl 1.20 makes of the same text (go-yaml v2, sigs.k8s.io/yaml). */
static void test_as_kubectl(void **state)
{
    static const struct {
        const char *yaml, *json;
    } table[] = {
        {"a: yes\nb: no\nc: on\nd: Off\ne: y",
         "{\"a\":true,\"b\":false,\"c\":true,\"d\":false,\"e\":true}"},
        {"yes: 1\non: 2", "{\"true\":2}"},
        {"a: 'yes'\nb: \"on\"", "{\"a\":\"yes\",\"b\":\"on\"}"},
        {"a: ~\nb:\nc: null", "{\"a\":null,\"b\":null,\"c\":null}"},
        {"a: 0x1F\nb: 0b101\nc: 0o17\nd: 017\ne: 1_000",
         "{\"a\":31,\"b\":5,\"c\":15,\"d\":15,\"e\":1000}"},
        {"a: 9007199254740993\nb: 1.0\nc: -0", "{\"a\":9007199254740993,\"b\":1.0,\"c\":-0}"},
        {"a: .5\nb: +1\nc: 1.\nd: 1e3", "{\"a\":0.5,\"b\":1,\"c\":1.0,\"d\":1e3}"},
        {"a: 1.2.3\nb: 0x\nc: 08:30\nd: 2024-01-02",
         "{\"a\":\"1.2.3\",\"b\":\"0x\",\"c\":\"08:30\",\"d\":\"2024-01-02\"}"},
        {"a: 089", "{\"a\":89}"},
        {"- a\n- - b\n  - c", "[\"a\",[\"b\",\"c\"]]"},
        {"a: &x {b: 1}\nc: *x", "{\"a\":{\"b\":1},\"c\":{\"b\":1}}"},
        {"a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  b: 3",
         "{\"a\":{\"b\":1,\"c\":2},\"d\":{\"b\":3,\"c\":2}}"},
        {"a: |\n  x\n  y\nb: >\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\\n\"}"},
        {"a: !!str 1\nb: !!binary aGk=", "{\"a\":\"1\",\"b\":\"hi\"}"},
        {"a: &x !!binary aGk=\nb: *x", "{\"a\":\"hi\",\"b\":\"hi\"}"}, /* no such anchor */
        {"a: !!binary /+Q=", "{\"a\":\"\xef\xbf\xbd\xef\xbf\xbd\"}"},  /* printed otherwise */
        {"{\"a\": [1, 2.50]}", "{\"a\":[1,2.50]}"},
        {"1: a\n2.5: b", "{\"1\":\"a\",\"2.5\":\"b\"}"},
        {"a: 1\na: 2", "{\"a\":2}"},
        {"\xef\xbb\xbf"
         "a: 1\r\nb: 2\r\n",
         "{\"a\":1,\"b\":2}"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_json struct kst_json *value = NULL;
        kst_auto_err struct kst_err *err = NULL;
        if (kst_yaml_parse(table[i].yaml, strlen(table[i].yaml), &value, &err) < 0)
            fail_msg("%s: %s", table[i].yaml, kst_err_message(err));
        kst_auto_free char *json = kst_json_text(value);
        assert_string_equal(json, table[i].json);
    }
}

static void test_refuses(void **state)
{
    static const struct {
        const char *yaml, *says;
    } table[] = {
        {"a: [1, 2", "line "},
        {"a: b: c", "line 1, column 5"},
        {"a: *x", "unknown anchor 'x'"},
        {"a: .inf", "cannot be JSON"},
        {"a: 1\n---\nb: 2", "expected one YAML document"},
        {"? [a]\n: b", "a key must be"},
        {"\t- a", "line 1"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_json struct kst_json *value = NULL;
        kst_auto_err struct kst_err *err = NULL;
        assert_int_equal(kst_yaml_parse(table[i].yaml, strlen(table[i].yaml), &value, &err),
                         KST_E_PARSE);
        if (!strstr(kst_err_message(err), table[i].says))
            fail_msg("%s: %s", table[i].yaml, kst_err_message(err));
    }
}

/* A few lines that would expand to billions of values. */
static void test_laughs(void **state)
{
    kst_auto_buf text = KST_BUF_INIT(10000);
    kst_buf_adds(&text, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 10; i++)
        kst_buf_addf(&text, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i,
                     i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    kst_auto_json struct kst_json *value = NULL;
    assert_int_equal(kst_yaml_parse(text.data, text.len, &value, NULL), KST_E_LIMIT);
}

static void test_several_documents(void **state)
{
    static const char text[] = "---\na: 1\n---\n# nothing\n---\n- 2\n...\n";
    kst_auto_json struct kst_json *all = NULL;
    assert_int_equal(kst_yaml_parse_all(text, sizeof(text) - 1, &all, NULL), 0);
    kst_auto_free char *json = kst_json_text(all);
    assert_string_equal(json, "[{\"a\":1},[2]]");
}

/* What is printed reads back as the same, whatever it is. */
static struct kst_json *random_value(unsigned *seed, int depth)
{
    static const char *const texts[] = {
        "",
        "a",
        "yes",
        "1",
        "1.5",
        "null",
        "a b",
        " a",
        "a ",
        "a: b",
        "a #b",
        "- a",
        "#",
        "'",
        "\"",
        "it's",
        "a\nb",
        "a\nb\n",
        "\na",
        "a\n\n",
        "  x\ny",
        "a\tb",
        "ä€",
        "\u2028",
        "{}",
        "[a]",
        "*x",
        "&x",
        "!t",
        "%d",
        "@",
        "`",
        "2024-01-02",
        "0x1f",
        "1_0",
        "~",
        "<<",
        "=",
        "a:",
        ":a",
        "?",
        "-",
        "---",
        "...",
        "\x7f",
        "a\\b",
        "08:30",
        ".5",
        "+1",
        "1e3",
        "on",
        "x\r\ny",
        "\x01",
        "\xc0\x80",
        "a\nb ",
        "a text that is so long that a printer may want to fold it somewhere near here, so it is"};
    *seed = *seed * 1103515245u + 12345u;
    unsigned roll = (*seed >> 16) % (depth > 3 ? 4 : 7);
    struct kst_json *out;
    switch (roll) {
    case 0:
        return kst_json_from_int((int64_t)(*seed >> 8) - 100000);
    case 1:
        return kst_json_bool(*seed >> 31);
    case 2:
        return kst_json_null();
    case 3:
        return kst_json_from_str(texts[(*seed >> 20) % KST_ARRAY_LEN(texts)]);
    case 4:
        out = kst_json_array();
        for (unsigned i = (*seed >> 24) % 4; i > 0; i--)
            kst_json_push(out, random_value(seed, depth + 1));
        return out;
    default:
        out = kst_json_object();
        for (unsigned i = (*seed >> 24) % 4; i > 0; i--) {
            *seed = *seed * 1103515245u + 12345u;
            kst_json_set(out, texts[(*seed >> 16) % KST_ARRAY_LEN(texts)],
                         random_value(seed, depth + 1));
        }
        return out;
    }
}

static void test_printed_reads_back(void **state)
{
    unsigned seed = 42;
    for (int i = 0; i < 20000; i++) {
        kst_auto_json struct kst_json *value = random_value(&seed, 0), *again = NULL;
        kst_auto_buf text = KST_BUF_INIT(1u << 20);
        kst_auto_err struct kst_err *err = NULL;
        assert_int_equal(kst_yaml_print(value, &text), 0);
        int rc = kst_yaml_parse(text.data, text.len, &again, &err);
        if (rc < 0 || !kst_json_equal(value, again)) {
            kst_auto_free char *json = kst_json_text(value);
            fail_msg("%s\nwas printed as\n%s\n%s", json, text.data, kst_err_message(err));
        }
    }
}

static void test_style(void **state)
{
    static const char json[] =
        "{\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\",\"labels\":{\"a\":\"yes\"}},"
        "\"list\":[{\"a\":1,\"b\":[\"c\"]},\"d\"],\"empty\":{},\"text\":\"a\\nb\\n\"}";
    static const char yaml[] =
        "apiVersion: v1\nmetadata:\n  name: x\n  labels:\n    a: \"yes\"\nlist:\n"
        "- a: 1\n  b:\n  - c\n- d\nempty: {}\ntext: |\n  a\n  b\n";
    kst_auto_json struct kst_json *value = NULL;
    assert_int_equal(kst_json_parse(json, sizeof(json) - 1, &value, NULL), 0);
    kst_auto_buf text = KST_BUF_INIT(1000);
    assert_int_equal(kst_yaml_print(value, &text), 0);
    assert_string_equal(text.data, yaml);
}

/* A key of over 1024 bytes was printed as one that no YAML reader takes. */
static void test_long_keys(void **state)
{
    char key[2001] = {0};
    for (size_t len = 100; len <= 2000; len += 100) {
        memset(key, 'k', len);
        kst_auto_json struct kst_json *again = NULL;
        kst_auto_json struct kst_json *value = kst_json_make("{%s:{'a':[{%s:1}]},'b':2}", key, key);
        kst_auto_buf text = KST_BUF_INIT(1u << 20);
        assert_int_equal(kst_yaml_print(value, &text), 0);
        assert_int_equal(kst_str_has_prefix(kst_str_buf(&text), "? "), len > 128);
        assert_int_equal(kst_yaml_parse(text.data, text.len, &again, NULL), 0);
        assert_true(kst_json_equal(value, again));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_kubectl),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_laughs),
        cmocka_unit_test(test_several_documents),
        cmocka_unit_test(test_printed_reads_back),
        cmocka_unit_test(test_style),
        cmocka_unit_test(test_long_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
