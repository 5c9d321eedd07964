/* SPDX-License-Identifier: Apache-2.0 */
/* Objects in protobuf, as kubectl sends them from 1.32 on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/types/protobuf.h"

enum { BODY_BYTES = 64 * 1024 };

/* A message in words: "2{…}" a message, "3:text" a text, "4=5" an integer, separated by spaces. */
static const char *add_fields(struct kst_buf *out, const char *text)
{
    while (*text && *text != '}') {
        int number = 0;
        while (*text >= '0' && *text <= '9')
            number = number * 10 + (*text++ - '0');
        char what = *text++;
        kst_auto_buf inner = KST_BUF_INIT(BODY_BYTES);
        if (what == '{') {
            text = add_fields(&inner, text) + 1;
        } else {
            size_t len = strcspn(text, " }");
            kst_buf_add(&inner, text, len);
            text += len;
        }
        text += *text == ' ';
        kst_buf_addc(out, (char)(number << 3 | (what == '=' ? 0 : 2)));
        kst_buf_addc(out, (char)(what == '=' ? inner.data[0] - '0' : (char)inner.len));
        if (what != '=')
            kst_buf_add(out, inner.data, inner.len);
    }
    return text;
}

static int decode(const char *words, struct kst_json **out, struct kst_err **err)
{
    kst_auto_buf body = KST_BUF_INIT(BODY_BYTES);
    kst_buf_add(&body, "k8s", 4);
    add_fields(&body, words);
    return kst_protobuf_decode(body.data, body.len, out, err);
}

static void test_objects(void **state)
{
    static const struct {
        const char *words, *json;
    } rows[] = {
        /* Texts that are empty are not there; a map. */
        {"1{1:v1 2:ConfigMap} 2{1{1:settings 3: 4:} 2{1:a 2:b} 2{1:c 2:}}",
         "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'settings'},"
         "'data':{'a':'b','c':''}}"},
        /* Bytes are base64 in JSON, a time that is not set is not there. */
        {"1{1:v1 2:Secret} 2{1{1:s 8{}} 2{1:k 2:xyz} 3:Opaque}",
         "{'apiVersion':'v1','kind':'Secret','metadata':{'name':'s'},'data':{'k':'eHl6'},"
         "'type':'Opaque'}"},
        /* A zero behind a pointer is a value, another is none. */
        {"1{1:apps/v1 2:Deployment} 2{1{1:d} 2{1=0 5=0 7=0}}",
         "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'d'},"
         "'spec':{'replicas':0}}"},
        /* IntOrString of both kinds, lists, quantities, embedded structs. */
        {"1{1:v1 2:Service} 2{1{1:s} 2{1{1:a 3=8 4{1=0 2=9}} 1{1:b 4{1=1 3:http}}}}",
         "{'apiVersion':'v1','kind':'Service','metadata':{'name':'s'},'spec':{'ports':["
         "{'name':'a','port':8,'targetPort':9},{'name':'b','targetPort':'http'}]}}"},
        {"1{1:v1 2:ResourceQuota} 2{1{1:q} 2{1{1:pods 2{1:3}}}}",
         "{'apiVersion':'v1','kind':'ResourceQuota','metadata':{'name':'q'},"
         "'spec':{'hard':{'pods':'3'}}}"},
        {"1{1:v1 2:Pod} 2{1{1:p} 2{1{1:v 2{2{}}}}}",
         "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'p'},"
         "'spec':{'volumes':[{'name':'v','emptyDir':{}}]}}"},
        /* Fields of newer clients are skipped, as those of a kind that nobody knows. */
        {"1{1:v1 2:ConfigMap} 2{1{1:a} 15{1:x} 14=3}",
         "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a'}}"},
        {"1{1:v9 2:Thing} 2{1{1:a}}", "{'apiVersion':'v9','kind':'Thing'}"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *found = NULL, *expected = kst_json_make(rows[i].json);
        kst_auto_err struct kst_err *err = NULL;
        if (decode(rows[i].words, &found, &err) < 0)
            fail_msg("%s: %s", rows[i].words, kst_err_message(err));
        kst_auto_free char *text = kst_json_text(found);
        if (!kst_json_equal(found, expected))
            fail_msg("%s: %s", rows[i].words, text);
    }
}

/* No beginning of a message is read beyond its end. */
static void test_what_is_cut_is_refused(void **state)
{
    kst_auto_buf body = KST_BUF_INIT(BODY_BYTES);
    kst_buf_add(&body, "k8s", 4);
    add_fields(&body, "1{1:v1 2:Service} 2{1{1:s} 2{1{1:a 3=8 4{1=0 2=9}}}}");
    for (size_t len = 0; len < body.len; len++) {
        kst_auto_json struct kst_json *found = NULL;
        kst_auto_free char *exact = kst_malloc(len ? len : 1);
        memcpy(exact, body.data, len);
        int rc = kst_protobuf_decode(exact, len, &found, NULL);
        assert_true(rc == 0 || rc == KST_E_PARSE);
        assert_true(rc == 0 || !found);
    }
}

static void test_what_is_wrong_is_refused(void **state)
{
    static const char *const words[] = {
        "1{1:v1 2:ConfigMap} 2{2=1}",    /* a map that is a number */
        "1{1:v1 2:ConfigMap} 2{1{1=5}}", /* a name that is one */
        "1{1:v1 2:Service} 2{2{1=3}}",   /* a list of messages that is one */
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(words); i++) {
        kst_auto_json struct kst_json *found = NULL;
        assert_int_equal(decode(words[i], &found, NULL), KST_E_PARSE);
        assert_null(found);
    }
    kst_auto_json struct kst_json *found = NULL;
    assert_int_equal(kst_protobuf_decode("{}", 2, &found, NULL), KST_E_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_what_is_cut_is_refused),
        cmocka_unit_test(test_what_is_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
