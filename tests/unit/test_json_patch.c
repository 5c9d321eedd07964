/* SPDX-License-Identifier: Apache-2.0 */
/* What the patches give is what kube-apiserver 1.20.2 answered to them. */
#include "base/json_patch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

static const char object_text[] = "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}";

static void same(const struct kst_json *found, const char *wanted, const char *what)
{
    kst_auto_json struct kst_json *value = kst_json_make(wanted);
    kst_auto_free char *text = kst_json_text(found);
    if (!kst_json_equal(found, value))
        fail_msg("%s\ngave %s\nnot  %s", what, text, wanted);
}

static int patch_with(const char *patch_text, struct kst_json **out, struct kst_err **err)
{
    kst_auto_json struct kst_json *object = kst_json_make(object_text);
    kst_auto_json struct kst_json *patch = kst_json_make(patch_text);
    int rc = kst_json_patch_apply(object, patch, out, err);
    same(object, object_text, "the patched object itself");
    return rc;
}

static void test_json_applied(void **state)
{
    static const struct {
        const char *patch, *wanted;
    } rows[] = {
        {"[{'op':'add','path':'/z','value':5}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2,'z':5}"},
        {"[{'op':'add','path':'/z'}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2,'z':null}"},
        {"[{'op':'add','path':'/z','value':null}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2,'z':null}"},
        {"[{'op':'add','path':'/b/-','value':9}]",
         "{'a':1,'b':[1,2,3,9],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'add','path':'/b/0','value':9}]",
         "{'a':1,'b':[9,1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'add','path':'/b/3','value':9}]",
         "{'a':1,'b':[1,2,3,9],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'add','path':'/b/-1','value':9}]",
         "{'a':1,'b':[1,2,3,9],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'add','path':'/b/-4','value':9}]",
         "{'a':1,'b':[9,1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'add','path':'/b/01','value':9}]",
         "{'a':1,'b':[1,9,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'add','path':'/b/+1','value':9}]",
         "{'a':1,'b':[1,9,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'add','path':'x/z','value':9}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2,'z':9}"},
        {"[{'op':'add','path':'/m~0n','value':9},{'op':'add','path':'/o~1p','value':9}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':9,'o/p':9}"},
        {"[{'op':'add','path':'/m~2n','value':9}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~2n':9,'m~n':1,'o/p':2}"},
        {"[{'op':'remove','path':'/a'}]", "{'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'remove','path':'/b/1'}]",
         "{'a':1,'b':[1,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'remove','path':'/b/-1'}]",
         "{'a':1,'b':[1,2],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'remove','path':'/c/d'}]", "{'a':1,'b':[1,2,3],'c':{'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'replace','path':'/a','value':7}]",
         "{'a':7,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'replace','path':'/zz','value':7}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2,'zz':7}"},
        {"[{'op':'replace','path':'/b/1','value':7}]",
         "{'a':1,'b':[1,7,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'replace','path':'/c/d','value':7}]",
         "{'a':1,'b':[1,2,3],'c':{'d':7,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'replace','path':'/a'}]",
         "{'a':null,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'replace','path':'/c/e','value':null}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':null},'m~n':1,'o/p':2}"},
        {"[{'op':'move','from':'/a','path':'/c/new'}]",
         "{'b':[1,2,3],'c':{'d':null,'e':'f','new':1},'m~n':1,'o/p':2}"},
        {"[{'op':'move','from':'/b/0','path':'/b/2'}]",
         "{'a':1,'b':[2,3,1],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'move','from':'/b/0','path':'/b/-'}]",
         "{'a':1,'b':[2,3,1],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'move','from':'/c/d','path':'/nul'}]",
         "{'a':1,'b':[1,2,3],'c':{'e':'f'},'m~n':1,'nul':null,'o/p':2}"},
        {"[{'op':'move','from':'/a','path':'/a'}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'copy','from':'/a','path':'/c/new'}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f','new':1},'m~n':1,'o/p':2}"},
        {"[{'op':'copy','from':'/c','path':'/c/in'}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f','in':{'d':null,'e':'f'}},'m~n':1,'o/p':2}"},
        {"[{'op':'copy','from':'/zz','path':'/c/new'}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f','new':null},'m~n':1,'o/p':2}"},
        {"[{'op':'copy','from':'/c/d','path':'/nul'}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'nul':null,'o/p':2}"},
        {"[{'op':'test','path':'/a','value':1}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'test','path':'/c','value':{'e':'f','d':null}}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'test','path':'/b','value':[1,2,3]}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'test','path':'/zz','value':null}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'test','path':'/c/d','value':null}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"null", "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[]", "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2}"},
        {"[{'op':'add','path':'/z','value':9007199254740993}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2,'z':9007199254740993}"},
        {"[{'op':'add','path':'/z','value':1,'other':3}]",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'m~n':1,'o/p':2,'z':1}"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *out = NULL;
        kst_auto_err struct kst_err *err = NULL;
        if (patch_with(rows[i].patch, &out, &err) < 0)
            fail_msg("%s: %s: %s", rows[i].patch, kst_err_message(err), kst_err_get_hint(err));
        same(out, rows[i].wanted, rows[i].patch);
    }
}

/* The server panics at some of these (a negative index that is read): it means to refuse them. */
static void test_json_rejected(void **state)
{
    static const char *const rows[] = {
        "[{'op':'add','path':'/b/4','value':9}]",
        "[{'op':'add','path':'/b/-5','value':9}]",
        "[{'op':'add','path':'/b/foo','value':9}]",
        "[{'op':'add','path':'/nope/deep','value':9}]",
        "[{'op':'add','path':'/a/deep','value':9}]",
        "[{'op':'add','path':'/c/d/deep','value':9}]",
        "[{'op':'add','path':'/c/e/deep','value':9}]",
        "[{'op':'add','path':'/b/7/deep','value':9}]",
        "[{'op':'add','path':'','value':9}]",
        "[{'op':'add','path':'x','value':9}]",
        "[{'op':'add','value':9}]",
        "[{'op':'add','path':5,'value':9}]",
        "[{'op':'remove','path':'/zz'}]",
        "[{'op':'remove','path':'/zz/yy'}]",
        "[{'op':'remove','path':'/b/3'}]",
        "[{'op':'remove','path':'/b/-'}]",
        "[{'op':'remove','path':'/b/-4'}]",
        "[{'op':'remove','path':'/a/b'}]",
        "[{'op':'remove','path':''}]",
        "[{'op':'remove'}]",
        "[{'op':'replace','path':'/zz/yy','value':7}]",
        "[{'op':'replace','path':'/b/3','value':7}]",
        "[{'op':'replace','path':'/b/-1','value':7}]",
        "[{'op':'replace','path':'/b/-','value':7}]",
        "[{'op':'replace','path':'','value':{}}]",
        "[{'op':'replace','path':'/b/foo','value':7}]",
        "[{'op':'move','from':'/zz','path':'/c/new'}]",
        "[{'op':'move','from':'/zz/y','path':'/c/new'}]",
        "[{'op':'move','from':'/b/0','path':'/b/3'}]",
        "[{'op':'move','from':'/b/9','path':'/b/-'}]",
        "[{'op':'move','from':'/c','path':'/c/in'}]",
        "[{'op':'move','path':'/c/in'}]",
        "[{'op':'move','from':'/a'}]",
        "[{'op':'move','from':'/a','path':'/nope/q'}]",
        "[{'op':'copy','from':'/zz/y','path':'/c/new'}]",
        "[{'op':'copy','from':'/b/9','path':'/c/new'}]",
        "[{'op':'copy','from':'/a','path':'/nope/q'}]",
        "[{'op':'copy','path':'/nope/q'}]",
        "[{'op':'test','path':'/a','value':1.0}]",
        "[{'op':'test','path':'/a','value':2}]",
        "[{'op':'test','path':'/c','value':{'e':'f'}}]",
        "[{'op':'test','path':'/b','value':[1,3,2]}]",
        "[{'op':'test','path':'/zz'}]",
        "[{'op':'test','path':'/zz','value':1}]",
        "[{'op':'test','path':'/zz/y','value':1}]",
        "[{'op':'test','path':'/c/d','value':1}]",
        "[{'op':'test','path':'/c/d'}]",
        "[{'op':'test','path':'/a'}]",
        "[{'op':'test','path':'/a','value':null}]",
        "[{'op':'test','path':'/b/9','value':1}]",
        "[{'op':'test','path':'/b/-','value':1}]",
        "[{'op':'test','path':'/b/-1','value':3}]",
        "[{'op':'test','path':'','value':1}]",
        "[{'op':'test','path':'/a','value':'1'}]",
        "[{'op':'frob','path':'/a'}]",
        "[{'path':'/a'}]",
        "[{'op':5,'path':'/a'}]",
        "[{}]",
        "[null]",
        "[{'op':'replace','path':'/a','value':7},{'op':'test','path':'/a','value':8}]",
        "[{'op':'ADD','path':'/z','value':5}]",
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *out = NULL;
        kst_auto_err struct kst_err *err = NULL;
        if (patch_with(rows[i], &out, &err) != KST_E_INVALID)
            fail_msg("%s", rows[i]);
        assert_null(out);
        assert_string_equal(kst_err_message(err),
                            "the server rejected our request due to an error in our request");
        assert_non_null(kst_err_get_hint(err));
    }
}

static void test_json_malformed(void **state)
{
    static const struct {
        const char *patch, *message;
    } rows[] = {
        {"[5]", "json: cannot unmarshal number into Go value of type jsonpatch.Operation"},
        {"[{},[]]", "json: cannot unmarshal array into Go value of type jsonpatch.Operation"},
        {"5", "json: cannot unmarshal number into Go value of type jsonpatch.Patch"},
        {"{}", "json: cannot unmarshal object into Go value of type jsonpatch.Patch"},
        {"'abc'", "json: cannot unmarshal string into Go value of type jsonpatch.Patch"},
        {"true", "json: cannot unmarshal bool into Go value of type jsonpatch.Patch"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *out = NULL;
        kst_auto_err struct kst_err *err = NULL;
        assert_int_equal(patch_with(rows[i].patch, &out, &err), KST_E_PARSE);
        assert_string_equal(kst_err_message(err), rows[i].message);
    }
}

static int apply_often(const char *operation, size_t times, struct kst_err **err)
{
    kst_auto_json struct kst_json *object = kst_json_make(object_text);
    kst_auto_json struct kst_json *patch = kst_json_array(), *out = NULL;
    for (size_t i = 0; i < times; i++)
        kst_json_push(patch, kst_json_make(operation));
    return kst_json_patch_apply(object, patch, &out, err);
}

static void test_json_limits(void **state)
{
    kst_auto_err struct kst_err *err = NULL;
    const char *harmless = "{'op':'test','path':'/a','value':1}";
    assert_int_equal(apply_often(harmless, 10000, NULL), 0);
    assert_int_equal(apply_often(harmless, 10001, &err), KST_E_LIMIT);
    assert_string_equal(kst_err_message(err),
                        "The allowed maximum operations in a JSON patch is 10000, got 10001");
    /* Copies into itself double an object each time, or nest it ever deeper. */
    assert_int_equal(apply_often("{'op':'copy','from':'/c','path':'/c/x'}", 250, NULL),
                     KST_E_INVALID);
    assert_int_equal(apply_often("{'op':'copy','from':'/b','path':'/b/-'}", 40, NULL),
                     KST_E_INVALID);

    kst_auto_buf path = KST_BUF_INIT(1 << 16);
    kst_auto_json struct kst_json *object = kst_json_object(), *patch = kst_json_array();
    for (int i = 0; i < 300; i++) {
        kst_buf_adds(&path, "/a");
        kst_json_push(patch, kst_json_make("{'op':'add','path':%s,'value':{}}", path.data));
    }
    kst_auto_json struct kst_json *out = NULL;
    assert_int_equal(kst_json_patch_apply(object, patch, &out, NULL), KST_E_INVALID);
}

static void test_merge(void **state)
{
    static const struct {
        const char *patch, *wanted;
    } rows[] = {
        {"{'a':null}", "{'b':[1,2,3],'c':{'d':null,'e':'f'}}"},
        {"{'zz':null}", "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'}}"},
        {"{'n':{'q':null,'r':1}}", "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'n':{'r':1}}"},
        {"{'n':[null,{'a':null,'b':1},[null]]}",
         "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'},'n':[{'b':1},[]]}"},
        {"{'c':{'e':null}}", "{'a':1,'b':[1,2,3],'c':{'d':null}}"},
        {"{'c':{'d':{'z':null}}}", "{'a':1,'b':[1,2,3],'c':{'d':{},'e':'f'}}"},
        {"{'a':{'z':null,'y':2}}", "{'a':{'y':2},'b':[1,2,3],'c':{'d':null,'e':'f'}}"},
        {"{'b':{'c':null}}", "{'a':1,'b':{},'c':{'d':null,'e':'f'}}"},
        {"{'b':[{'a':null}]}", "{'a':1,'b':[{}],'c':{'d':null,'e':'f'}}"},
        {"{'c':{}}", "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'}}"},
        {"{'c':[null]}", "{'a':1,'b':[1,2,3],'c':[null]}"},
        {"{'c':5}", "{'a':1,'b':[1,2,3],'c':5}"},
        {"{}", "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'}}"},
        {"[null,1]", "[null,1]"},
        {"null", "null"},
    };
    static const char before[] = "{'a':1,'b':[1,2,3],'c':{'d':null,'e':'f'}}";
    kst_auto_json struct kst_json *object = kst_json_make(before);
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *patch = kst_json_make(rows[i].patch);
        kst_auto_json struct kst_json *out = kst_json_patch_merge(object, patch);
        same(out, rows[i].wanted, rows[i].patch);
        same(object, before, "the patched object itself");
    }
    kst_auto_json struct kst_json *patch = kst_json_make("{'a':{'b':null,'c':1}}");
    kst_auto_json struct kst_json *made = kst_json_patch_merge(NULL, patch);
    same(made, "{'a':{'c':1}}", "a merge into nothing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_applied),   cmocka_unit_test(test_json_rejected),
        cmocka_unit_test(test_json_malformed), cmocka_unit_test(test_json_limits),
        cmocka_unit_test(test_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
