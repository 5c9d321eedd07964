/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/table/jsonpath.h"

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

static struct kst_json *sample(void)
{
    return kst_json_make(
        "{'metadata':{'name':'pg','labels':{'app.kubernetes.io/name':'postgres','a':'x'}},"
        " 'spec':{'n':[1,2,3,4],'none':null,'s':'text','deep':{'deep':{'deep':1}}},"
        " 'status':{'conditions':[{'type':'Other','status':'False','n':1},"
        "   {'type':'Ready','status':'True','n':2,'extra':null},"
        "   {'type':'a)]b','status':'Odd','n':3,'on':true}]}}");
}

/* Those of printer columns are also in tests/unit/table_cases.json, from a real server. */
static void what_is_selected(void **state)
{
    static const struct {
        const char *path, *results;
    } table[] = {
        {".metadata.name", "['pg']"},
        {"{.metadata.name}", "['pg']"},
        {"{$.metadata.name}", "['pg']"},
        {"$.metadata.name", "['pg']"},
        {"@.metadata.name", "['pg']"},
        {".metadata.nope", "[]"},
        {".nope.x.y[0]", "[]"},
        {".metadata.name.x", "[]"},
        {".spec.none", "[null]"},
        {".spec.none.x", "[]"},
        {".spec.none[0]", "[]"},
        {".metadata.labels.app\\.kubernetes\\.io/name", "['postgres']"},
        {".metadata.labels['app\\.kubernetes\\.io/name']", "['postgres']"},
        {".metadata.labels['app.kubernetes.io/name']", "[]"},
        {"['metadata']['name']", "['pg']"},
        {".metadata['name']", "['pg']"},
        {".metadata.labels['a']", "['x']"},
        {".metadata.labels['a','nope']", "['x']"},
        {".spec['s','n'][*]", NULL},
        {".spec.n[0]", "[1]"},
        {".spec.n[-1]", "[4]"},
        {".spec.n[0,2]", "[1,3]"},
        {".spec.n[ 0 , 2 ]", "[1,3]"},
        {".spec.n[*]", "[1,2,3,4]"},
        {".spec.n[:]", "[1,2,3,4]"},
        {".spec.n[1:3]", "[2,3]"},
        {".spec.n[:2]", "[1,2]"},
        {".spec.n[2:]", "[3,4]"},
        {".spec.n[-2:]", "[3,4]"},
        {".spec.n[:-1]", "[1,2,3]"},
        {".spec.n[0:4:2]", "[1,3]"},
        {".spec.n[::3]", "[1,4]"},
        {".spec.n[1:1]", "[]"},
        {".metadata.labels.*", "['postgres','x']"},
        {".status.conditions[?(@.type==\"Ready\")].status", "['True']"},
        {".status.conditions[?(@.type=='Ready')].status", "['True']"},
        {".status.conditions[?(@.type == 'Ready')].status", "['True']"},
        {".status.conditions[?(@.type!='Ready')].status", "['False','Odd']"},
        {".status.conditions[?(@.type=='a)]b')].status", "['Odd']"},
        {".status.conditions[?(@.n>1)].n", "[2,3]"},
        {".status.conditions[?(@.n>=3)].n", "[3]"},
        {".status.conditions[?(@.n<2)].n", "[1]"},
        {".status.conditions[?(@.n<=2)].n", "[1,2]"},
        {".status.conditions[?(@.n==1)].n", "[1]"},
        {".status.conditions[?(@.extra)].type", "['Ready']"},
        {".status.conditions[?(@.on==true)].type", "['a)]b']"},
        {".status.conditions[?(@.on!=true)].type", "[]"},
        {".status.conditions[?(@.type==@.type)].n", "[1,2,3]"},
        {".status.conditions[?(@.nope=='x')]", "[]"},
        {".status.conditions[?(@.status>'P')].status", "['True']"},
        {".status.conditions[*].type", "['Other','Ready','a)]b']"},
        {".spec.deep..deep", "[{'deep':1},1]"},
        {"..deep", "[{'deep':{'deep':1}},{'deep':1},1]"},
        {"..name", "['pg']"},
        {".", NULL},
        {"", NULL},
        {"{}", NULL},
    };
    kst_auto_json struct kst_json *root = sample();
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_json struct kst_json *results = kst_json_array();
        kst_auto_err struct kst_err *err = NULL;
        int rc = kst_jsonpath_eval(root, table[i].path, results, &err);
        if (!table[i].results) {
            /* All of it, or no array below one of the keys. */
            assert_true(rc == KST_E_INVALID || kst_json_equal(kst_json_at(results, 0), root));
            continue;
        }
        if (rc < 0)
            fail_msg("%s: %s", table[i].path, kst_err_message(err));
        kst_auto_json struct kst_json *expected = kst_json_make(table[i].results);
        kst_auto_free char *got = kst_json_text(results);
        if (!kst_json_equal(results, expected))
            fail_msg("%s selects %s instead of %s", table[i].path, got, table[i].results);
        assert_int_equal(kst_jsonpath_check(table[i].path, NULL), 0);
    }
}

static void what_is_refused(void **state)
{
    static const struct {
        const char *path, *says;
        int code;
    } table[] = {
        {".spec[", "expected ]", KST_E_PARSE},
        {".spec.n[x]", "expected an index", KST_E_PARSE},
        {".spec.n[]", "expected an index", KST_E_PARSE},
        {".spec.n[1:2:3:4]", "expected an index", KST_E_PARSE},
        {".spec.n[99999999999]", "expected an index", KST_E_PARSE},
        {".spec.n[?(@.x", "expected )]", KST_E_PARSE},
        {".spec.n[?(@.x=='a)]", "expected )]", KST_E_PARSE},
        {".spec.n[?(=='a')]", "what the filter looks at", KST_E_PARSE},
        {".spec.n[?(@.x===1)]", "a comparison", KST_E_PARSE},
        {".spec.n[?(@.x==)]", "a comparison", KST_E_PARSE},
        {".spec.n[?(@.x=1)]", "a comparison", KST_E_PARSE},
        {".spec.n[?(@.x==nope)]", "at character 16", KST_E_PARSE},
        {"{.spec", "expected }", KST_E_PARSE},
        {".spec}", "expected a dot", KST_E_PARSE},
        {"spec", "expected a dot", KST_E_PARSE},
        {".a....b", "a key after ..", KST_E_PARSE},
        {".a\\", "after the backslash", KST_E_PARSE},
        {".a['b\\']", "'.b\\', at character 4: expected a character after", KST_E_PARSE},
        {"'abc", "closing quote", KST_E_PARSE},
        {".spec.n[4]", "out of bounds", KST_E_INVALID},
        {".spec.n[-5]", "out of bounds", KST_E_INVALID},
        {".spec.n[0:9]", "out of bounds", KST_E_INVALID},
        {".spec.n[3:1]", "forward", KST_E_INVALID},
        {".spec.n[::0]", "forward", KST_E_INVALID},
        {".spec[0]", "object is not an array", KST_E_INVALID},
        {".spec.s[?(@.x)]", "string is not an array", KST_E_INVALID},
        {".status.conditions[?(@.type==1)]", "cannot compare", KST_E_INVALID},
        {".status.conditions[?(@.on>false)]", "cannot compare", KST_E_INVALID},
        {".status.conditions[?(@.n<2.5)]", "cannot compare", KST_E_INVALID},
        {".spec.n[?(@..x==$[*])]", "a number is not an array", KST_E_INVALID},
    };
    kst_auto_json struct kst_json *root = sample();
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_json struct kst_json *results = kst_json_array();
        kst_auto_err struct kst_err *err = NULL;
        int rc = kst_jsonpath_eval(root, table[i].path, results, &err);
        if (rc != table[i].code || !strstr(kst_err_message(err), table[i].says))
            fail_msg("%s: %d %s", table[i].path, rc, kst_err_message(err));
        assert_int_equal(kst_json_len(results), 0);
        int checked = table[i].code == KST_E_PARSE ? KST_E_PARSE : 0;
        assert_int_equal(kst_jsonpath_check(table[i].path, NULL), checked);
    }
}

static void no_path_holds_the_engine(void **state)
{
    kst_auto_json struct kst_json *wide = kst_json_make("{'a':[]}");
    for (int i = 0; i < 2000; i++)
        kst_json_push(kst_json_mut(wide, "a"), kst_json_make("{'b':[1,2,3],'c':{'d':1}}"));
    static const char *const paths[] = {
        "..['a','a']..['b','b']..*",     ".a[*,*,*,*,*,*]", "..[?(@..x)]",
        ".a[?(@.b[?(@==1)])].b[?(@>0)]", ".a[*].b[*,*][*]",
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(paths); i++) {
        kst_auto_json struct kst_json *results = kst_json_array();
        kst_jsonpath_eval(wide, paths[i], results, NULL);
        assert_true(kst_json_len(results) <= KST_JSONPATH_RESULTS);
    }
    kst_auto_buf nested = KST_BUF_INIT(KST_JSONPATH_BYTES);
    for (int i = 0; i < 20; i++)
        kst_buf_adds(&nested, "[?(@");
    for (int i = 0; i < 20; i++)
        kst_buf_adds(&nested, ")]");
    assert_true(kst_jsonpath_check(nested.data, NULL) < 0);
    kst_auto_free char *long_path = kst_calloc(1, KST_JSONPATH_BYTES + 2);
    memset(long_path, '.', KST_JSONPATH_BYTES + 1);
    assert_int_equal(kst_jsonpath_check(long_path, NULL), KST_E_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_selected),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(no_path_holds_the_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
