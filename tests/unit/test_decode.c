/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding into Go types. The messages are those of a kube-apiserver 1.20.2. */
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
#include "sandbox/types/decode.h"
#include "sandbox/types/decode_internal.h"

static const struct kst_go_struct *type_of(const char *kind)
{
    return kst_decode_type("", "v1", kind) ? kst_decode_type("", "v1", kind)
                                           : kst_decode_type("apps", "v1", kind);
}

static void test_drops_what_the_type_has_not(void **state)
{
    static const struct {
        const char *kind, *before, *after;
    } cases[] = {
        {"ConfigMap", "{'metadata':{'name':'a','colour':'red'},'data':{'any':'x'},'nonsense':[1]}",
         "{'metadata':{'name':'a'},'data':{'any':'x'}}"},
        {"Pod", "{'spec':{'containers':[{'name':'a','x':1,'ports':[{'containerPort':1,'y':{}}]}]}}",
         "{'spec':{'containers':[{'name':'a','ports':[{'containerPort':1}]}]}}"},
        {"Pod", "{'spec':{'volumes':[{'name':'a','emptyDir':{'z':1},'none':2}]},'status':null}",
         "{'spec':{'volumes':[{'name':'a','emptyDir':{}}]},'status':null}"},
        {"Deployment", "{'spec':{'replicas':null,'Replicas':2,'template':{'spec':{'x':1}}}}",
         "{'spec':{'replicas':null,'template':{'spec':{}}}}"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(cases); i++) {
        kst_auto_json struct kst_json *object = kst_json_make(cases[i].before);
        kst_auto_json struct kst_json *after = kst_json_make(cases[i].after);
        kst_auto_free char *got = NULL, *want = kst_json_text(after);
        assert_true(kst_decode(type_of(cases[i].kind), object));
        got = kst_json_text(object);
        assert_string_equal(got, want);
    }
}

static void test_says_what_does_not_fit(void **state)
{
    static const struct {
        const char *kind, *text, *why; /* why: its beginning */
    } cases[] = {
        {"ConfigMap", "{\"data\": \"text\"}",
         "v1.ConfigMap.Data: ReadMapCB: expect { or n, but found \", error found in #10 byte of "
         "...|{\"data\": \"text\"}|..., bigger context ...|{\"data\": \"text\"}|..."},
        {"ConfigMap", "{\"data\":{\"x\":true},\"metadata\":{\"name\":\"a\"}}",
         "v1.ConfigMap.Data: ReadString: expects \" or n, but found t, error found in #10 byte of "
         "...|ta\":{\"x\":true},\"meta|..., bigger context "
         "...|{\"data\":{\"x\":true},\"metadata\":{\"name\":\"a\"}}|..."},
        {"Deployment", "{\"spec\": {\"replicas\": \"three\"}}",
         "v1.Deployment.Spec: v1.DeploymentSpec.Replicas: readUint32: unexpected character: "
         "\xef\xbf\xbd, error found in #10 byte of ...|plicas\": \"three\"}}|..."},
        {"Deployment", "{\"spec\": {\"replicas\": 1.5}}",
         "v1.Deployment.Spec: v1.DeploymentSpec.Replicas: assertInteger: can not decode float as "
         "int, error found in #10 byte of ...|plicas\": 1.5}}|..."},
        {"Deployment", "{\"spec\": {\"replicas\": 99999999999}}",
         "v1.Deployment.Spec: v1.DeploymentSpec.Replicas: readUint32: overflow, error found in #10 "
         "byte of ...|: 99999999999}}|..."},
        {"Secret", "{\"data\": {\"a\": \"abc\"}}",
         "v1.Secret.Data: decode base64: illegal base64 data at input byte 0, error found"},
        {"PersistentVolumeClaim", "{\"spec\": {\"accessModes\": \"ReadWriteOnce\"}}",
         "v1.PersistentVolumeClaim.Spec: v1.PersistentVolumeClaimSpec.AccessModes: "
         "[]v1.PersistentVolumeAccessMode: decode slice: expect [ or n, but found \", error"},
        {"PersistentVolumeClaim",
         "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"lots\"}}}}",
         "v1.PersistentVolumeClaim.Spec: v1.PersistentVolumeClaimSpec.Resources: "
         "v1.ResourceRequirements.Requests: unmarshalerDecoder: quantities must match the regular "
         "expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$', error found"},
        {"Pod", "{\"metadata\": {\"creationTimestamp\": \"2020-13-01T00:00:00Z\"}}",
         "v1.Pod.ObjectMeta: v1.ObjectMeta.CreationTimestamp: unmarshalerDecoder: parsing time "
         "\"2020-13-01T00:00:00Z\": month out of range, error found"},
        /* The reader goes on, and each struct on its way puts its name in front once more. */
        {"Pod",
         "{\"spec\":{\"containers\":[{\"env\":[{\"name\":\"A\",\"value\":1},{\"name\":\"B\"}]}]}}",
         "v1.Pod.Spec: v1.PodSpec.Containers: []v1.Container: v1.Container.Env: []v1.EnvVar: "
         "v1.EnvVar.v1.EnvVar.Value: ReadString: expects \" or n, but found 1, error found in #10 "
         "byte of ...|,\"value\":1},{\"name\":|..."},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(cases); i++) {
        kst_auto_json struct kst_json *object = NULL;
        kst_auto_buf why = KST_BUF_INIT(64 * 1024);
        const struct kst_go_struct *type = type_of(cases[i].kind);
        assert_int_equal(kst_json_parse(cases[i].text, strlen(cases[i].text), &object, NULL), 0);
        assert_false(kst_decode(type, object));
        kst_decode_explain(type, cases[i].text, strlen(cases[i].text), &why);
        kst_buf_truncate(&why, strlen(cases[i].why));
        assert_string_equal(why.data, cases[i].why);
    }
}

static void test_says_where_json_ends(void **state)
{
    static const struct {
        const char *text, *why; /* NULL: it is JSON */
    } cases[] = {
        {"{\"a\":[1,-2.5e+3,\"\\u00e9\",null,true,{}]} ", NULL},
        {"", "unexpected end of JSON input"},
        {"{\"a\": 1", "unexpected end of JSON input"},
        {"nonsense", "invalid character 'o' in literal null (expecting 'u')"},
        {"{\"a\": 1, }", "invalid character '}' looking for beginning of object key string"},
        {"{\"a\": 1 \"b\"", "invalid character '\"' after object key:value pair"},
        {"{\"a\":[1,2}", "invalid character '}' after array element"},
        {"{\"a\" 1}", "invalid character '1' after object key"},
        {"{\"a\":1.}", "invalid character '}' after decimal point in numeric literal"},
        {"{\"a\":\"\\x\"}", "invalid character 'x' in string escape code"},
        {"{'a':1}", "invalid character '\\'' looking for beginning of object key string"},
        {"{} x", "invalid character 'x' after top-level value"},
        {"[\"a\nb\"]", "invalid character '\\n' in string literal"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(cases); i++) {
        kst_auto_buf why = KST_BUF_INIT(1024);
        bool wrong = kst_decode_syntax(cases[i].text, strlen(cases[i].text), &why);
        assert_int_equal(wrong, cases[i].why != NULL);
        assert_string_equal(why.data, cases[i].why ? cases[i].why : "");
    }
}

static void test_knows_the_kinds(void **state)
{
    static const struct {
        const char *group, *version, *kind, *name;
    } cases[] = {
        {"", "v1", "Pod", "core/v1.Pod"},
        {"apps", "v1", "StatefulSet", "apps/v1.StatefulSet"},
        {"rbac.authorization.k8s.io", "v1", "Role", "rbac/v1.Role"},
        {"batch", "v1", "Job", "batch/v1.Job"},
        {"batch", "v1", "CronJob", "batch/v1beta1.CronJob"},
        {"policy", "v1", "PodDisruptionBudget", "policy/v1beta1.PodDisruptionBudget"},
        {"discovery.k8s.io", "v1", "EndpointSlice", "discovery/v1.EndpointSlice"},
        {"apps.example.com", "v1", "StatefulSet", NULL},
        {"", "v1", "Strange", NULL},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(cases); i++) {
        const struct kst_go_struct *type = kst_decode_type(cases[i].group, cases[i].version,
                                                           cases[i].kind);
        assert_int_equal(type != NULL, cases[i].name != NULL);
        if (type)
            assert_string_equal(type->name, cases[i].name);
    }
}

static void check_table(const struct kst_go_struct *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || strcmp(rows[i - 1].name, rows[i].name) < 0);
        struct kst_str rest = kst_str_of(rows[i].fields), token;
        while (kst_str_split(&rest, ' ', &token)) {
            struct kst_go_field field;
            if (!token.len || token.data[0] == '<' || token.data[0] == '@')
                continue;
            struct kst_str key = {.data = token.data, .len = strcspn(token.data, ":=")};
            if (!kst_go_find(&rows[i], key, &field))
                fail_msg("%s: %.*s is not found", rows[i].name, (int)token.len, token.data);
            struct kst_go_type type = field.type;
            while (kst_go_kind(type) == KST_GO_LIST || kst_go_kind(type) == KST_GO_MAP)
                type = kst_go_entry(type);
            if (kst_go_kind(type) == KST_GO_STRUCT && !kst_go_struct(type))
                fail_msg("%s: %.*s has no type", rows[i].name, (int)token.len, token.data);
        }
    }
}

static void test_tables_are_sound(void **state)
{
    check_table(kst_go_core, kst_go_core_count);
    check_table(kst_go_others, kst_go_others_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drops_what_the_type_has_not),
        cmocka_unit_test(test_says_what_does_not_fit),
        cmocka_unit_test(test_says_where_json_ends),
        cmocka_unit_test(test_knows_the_kinds),
        cmocka_unit_test(test_tables_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
