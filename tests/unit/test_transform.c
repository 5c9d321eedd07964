/* SPDX-License-Identifier: Apache-2.0 */
#include "app/restore/transform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/resource.h"
#include "loop/fiber.h"
#include "loop/loop.h"

enum { HARM_MS = 20000 /* a machine that does much else */, PAGE_BYTES = 64 * 1024 };

/* One object on its way through files. */
struct way {
    struct kst_json *files; /* {name, text} */
    struct kst_json *object;
    bool dropped;
};

static int go(void *arg, struct kst_err **err)
{
    struct way *way = arg;
    struct kst_transform *self = NULL;
    int rc = kst_transform_new(kst_fiber_loop(), way->files, &self, err);
    if (rc < 0)
        return rc;
    const struct kst_kube_resource *resource = strcmp(kst_json_path_str(way->object, "kind"),
                                                      "Deployment") == 0
                                                   ? &kst_res_deployments
                                                   : &kst_res_configmaps;
    rc = kst_transform_apply(self, resource, &way->object, &way->dropped, err);
    kst_transform_free(self);
    return rc;
}

/* Runs it in a loop of its own. The object is replaced by what becomes of it. */
static int travel(struct way *way, struct kst_err **err)
{
    struct kst_loop *loop = NULL;
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    int rc = kst_loop_run(loop, "test", go, way, err);
    kst_loop_free(loop);
    return rc;
}

static struct kst_json *parse(const char *text)
{
    struct kst_json *json = NULL;
    assert_int_equal(kst_json_parse(text, strlen(text), &json, NULL), 0);
    return json;
}

static const char deployment[] =
    "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\","
    "\"namespace\":\"shop\",\"labels\":{\"app\":\"web\"}},\"spec\":{\"replicas\":3,\"template\":"
    "{\"spec\":{\"volumes\":[],\"securityContext\":{},\"containers\":[{\"name\":\"web\",\"image\":"
    "\"old.example.com/web:1\",\"resources\":{\"limits\":{\"cpu\":\"1\"},\"requests\":{\"cpu\":"
    "\"1\"}}}]}}}}";

/* ---- what becomes of objects ---- */

static void changes(void **state)
{
    static const struct {
        const char *name, *text, *path, *value; /* a path of the result, and its JSON */
    } rows[] = {
        {"a.lua", "return function(o) o.metadata.labels.team = 'x' return o end", "metadata.labels",
         "{\"app\":\"web\",\"team\":\"x\"}"},
        {"a.lua",
         "return function(o)\n  for _, c in ipairs(o.spec.template.spec.containers) do\n"
         "    c.image = c.image:gsub('^old%.example%.com/', 'new.example.com/')\n  end\n"
         "  return o\nend",
         "spec.template.spec.containers.0.image", "\"new.example.com/web:1\""},
        {"a.lua", "return function(o) o.spec.template.spec.containers = {} return o end",
         "spec.template.spec.containers", "[]"},
        {"a.lua",
         "local json = require 'kassette.json'\n"
         "return function(o) o.spec.a, o.spec.b = {}, json.array {} return o end",
         "spec.b", "[]"},
        {"a.lua", "return function(o) table.remove(o.spec.template.spec.containers) return o end",
         "spec.template.spec.containers", "[]"},
        {"a.lua",
         "local json = require 'kassette.json'\n"
         "return function(o) o.spec.paused = json.null return o end",
         "spec.paused", "null"},
        {"a.yaml",
         "select: deployments/web\npatch:\n- {op: replace, path: /spec/replicas, value: 1}\n",
         "spec.replicas", "1"},
        {"a.yaml",
         "- select: deployments\n  patch:\n  - {op: remove, path: /metadata/labels/app}\n"
         "- select: Deployment/we.\n  patch:\n"
         "  - {op: add, path: /metadata/labels/example.com~1a, value: b}\n",
         "metadata.labels", "{\"example.com/a\":\"b\"}"},
        {"a.yml",
         "select: '*'\npatch: [{op: add, path: /spec/a, value: 1}]\n---\n"
         "select: '*'\npatch: [{op: add, path: /spec/b, value: 2}]\n",
         "spec.b", "2"},
        {"a.json",
         "{\"select\":\"deployments\",\"patch\":[{\"op\":\"add\",\"path\":\"/spec/n\","
         "\"value\":1.0}]}",
         "spec.n", "1.0"},
        {"a.json",
         "[{\"select\":\"configmaps\",\"patch\":[{\"op\":\"remove\",\"path\":\"/nowhere\"}]}]",
         "spec.replicas", "3"},
        {"a.yaml",
         "select: '*'\npatch:\n- {op: replace, path: /spec/replicas, value: 9}\n"
         "- {op: test, path: /spec/paused, value: true}\n",
         "spec.replicas", "3"},
        {"a.yaml",
         "select: '*'\npatch:\n- {op: test, path: /spec/replicas, value: 3}\n"
         "- {op: replace, path: /spec/replicas, value: 9}\n",
         "spec.replicas", "9"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct way way = {.object = parse(deployment)};
        way.files = kst_json_make("[{'name':%s,'text':%s}]", rows[i].name, rows[i].text);
        kst_auto_err struct kst_err *err = NULL;
        if (travel(&way, &err) < 0)
            fail_msg("%s: %s", rows[i].text, kst_err_message(err));
        assert_false(way.dropped);
        kst_auto_json struct kst_json *expected = parse(rows[i].value);
        const struct kst_json *found = kst_json_path(way.object, rows[i].path);
        if (!kst_json_equal(found, expected)) {
            kst_auto_free char *text = kst_json_text(way.object);
            fail_msg("%s: %s", rows[i].text, text);
        }
        kst_json_free(way.object);
        kst_json_free(way.files);
    }
}

/* What a function does not touch comes out to the letter, in its order. */
static void what_is_not_touched(void **state)
{
    static const char object[] =
        "{\"kind\":\"Thing\",\"apiVersion\":\"example.com/v1\",\"metadata\":{\"name\":\"a\"},"
        "\"spec\":{\"z\":9007199254740993,\"y\":1.0,\"x\":1e400,\"w\":-0,\"v\":0.10,\"u\":null,"
        "\"t\":[],\"s\":{},\"r\":[null,[],{},[[]]],\"q\":\"\\u0000\\u00e9\",\"1\":true,"
        "\"p\":12345678901234567890,\"o\":\"\"}}";
    struct way way = {.object = parse(object)};
    way.files = parse("[{\"name\":\"a.lua\",\"text\":\"return function(o) return o end\"}]");
    kst_auto_free char *was = kst_json_text(way.object);
    assert_int_equal(travel(&way, NULL), 0);
    kst_auto_free char *now = kst_json_text(way.object);
    assert_string_equal(now, was);
    kst_json_free(way.object);
    kst_json_free(way.files);
}

/* The examples of the documentation: each does something to the Deployment. */
static void examples(void **state)
{
    static const char *const kinds[][2] = {{"```lua\n", "a.lua"}, {"```yaml\n", "a.yaml"}};
    kst_auto_buf page = KST_BUF_INIT(PAGE_BYTES);
    assert_int_equal(kst_buf_read_file(&page, "docs/transforms.md", NULL), 0);
    size_t count = 0;
    for (size_t k = 0; k < KST_ARRAY_LEN(kinds); k++)
        for (const char *at = page.data; (at = strstr(at, kinds[k][0])); count++) {
            at += strlen(kinds[k][0]);
            const char *end = strstr(at, "```");
            assert_non_null(end);
            kst_auto_free char *text = kst_strndup(at, (size_t)(end - at));
            struct way way = {.object = parse(deployment)};
            way.files = kst_json_make("[{'name':%s,'text':%s}]", kinds[k][1], text);
            kst_auto_err struct kst_err *err = NULL;
            if (travel(&way, &err) < 0)
                fail_msg("%s\n%s", text, kst_err_message(err));
            kst_auto_json struct kst_json *was = parse(deployment);
            assert_false(way.dropped);
            assert_false(kst_json_equal(way.object, was));
            kst_json_free(way.object);
            kst_json_free(way.files);
        }
    assert_true(count >= 4);
}

static void several_files_and_none(void **state)
{
    struct way way = {.object = parse(deployment)};
    way.files = kst_json_make(
        "[{'name':'1.lua','text':'return function(o) o.spec.replicas = o.spec.replicas + 1 "
        "return o end'},{'name':'2.yaml','text':%s}]",
        "select: '*'\npatch: [{op: copy, from: /spec/replicas, path: /spec/copied}]\n");
    assert_int_equal(travel(&way, NULL), 0);
    assert_int_equal(kst_json_path_int(way.object, "spec.copied", 0), 4);
    kst_json_free(way.files);
    way.files = NULL;
    assert_int_equal(travel(&way, NULL), 0);
    assert_int_equal(kst_json_path_int(way.object, "spec.copied", 0), 4);
    kst_json_free(way.object);
}

static void what_is_left_out(void **state)
{
    struct way way = {.object = parse(deployment)};
    way.files = kst_json_make("[{'name':'a.lua','text':%s},{'name':'b.lua','text':%s}]",
                              "return function(o) if o.kind ~= 'Deployment' then return o end "
                              "return nil end",
                              "return function(o) error('it is not asked') end");
    assert_int_equal(travel(&way, NULL), 0);
    assert_true(way.dropped);
    kst_json_free(way.object);
    kst_json_free(way.files);
}

/* ---- what is wrong with files, and with objects in them ---- */

static void faults(void **state)
{
    static const struct {
        const char *name, *text;
        int code;
        const char *message; /* a part of it */
    } rows[] = {
        {"x/a.lua", "return function(o)\n  o.a = = 1\nend", KST_E_PARSE, "x/a.lua:2: unexpected"},
        {"a.lua", "return {}", KST_E_USAGE,
         "transform a.lua: a.lua: expected the file to return a function, found table"},
        {"a.lua", "", KST_E_USAGE, "return a function, found nil"},
        {"a.lua", "error('no')", KST_E_USAGE, "a.lua:1: no"},
        {"a.lua", "\x1bLua", KST_E_USAGE, "bytecode"},
        {"a.lua", "while true do end", KST_E_LIMIT, "transform a.lua: "},
        {"a.lua", "return function(o)\n  local x = o.none.b\n  return o\nend", KST_E_FAILED,
         "transform a.lua: Deployment/shop/web: a.lua:2: attempt to index"},
        {"a.lua", "return function(o)\n  error('not this one')\nend", KST_E_FAILED,
         "transform a.lua: Deployment/shop/web: a.lua:2: not this one"},
        {"a.lua", "return function(o) o.spec = nil end", KST_E_FAILED,
         "transform a.lua: Deployment/shop/web: the function returned nothing"},
        {"a.lua", "return function(o) return true end", KST_E_FAILED, "returned a boolean"},
        {"a.lua", "return function(o) return {} end", KST_E_INVALID,
         "transform a.lua: Deployment/shop/web: expected an object with its apiVersion"},
        {"a.lua", "return function(o) o.metadata.name = 7 return o end", KST_E_INVALID,
         "metadata.name"},
        {"a.lua", "return function(o) o.metadata.namespace = 'other' return o end", KST_E_INVALID,
         "stay in the namespace shop, found other"},
        {"a.lua",
         "return function(o) local c = o.spec.template.spec.containers c[2] = c[1] c[1] = nil "
         "return o end",
         KST_E_FAILED, "containers: expected data that JSON can hold, found a list with holes"},
        {"a.lua", "return function(o) o.a = 0/0 return o end", KST_E_FAILED, "NaN"},
        {"a.lua", "return function(o) o.a = print return o end", KST_E_FAILED, "a function"},
        {"a.lua", "return function(o) o.a = o return o end", KST_E_FAILED, "holds itself"},
        {"a.lua", "return function(o) while true do end end", KST_E_LIMIT,
         "transform a.lua: Deployment/shop/web: "},
        {"a.lua",
         "return function(o) local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end end",
         KST_E_LIMIT, "transform a.lua: Deployment/shop/web: "},
        {"a.lua", "return function(o) return io.open('/etc/passwd') end", KST_E_FAILED, "'io'"},
        {"a.lua", "local x = require 'other' return function(o) return o end", KST_E_USAGE,
         "require \"other\""},
        {"a.txt", "", KST_E_USAGE, "transform a.txt: expected a file named .lua"},
        {"a.yaml", "", KST_E_USAGE, "transform a.yaml: expected rules {select, patch}, found none"},
        {"a.yaml", "a: [", KST_E_PARSE, "transform a.yaml: line "},
        {"a.json", "{\"select\":\"a\",}", KST_E_PARSE, "transform a.json: line 1"},
        {"a.json", "[]", KST_E_USAGE, "found none"},
        {"a.json", "[7]", KST_E_USAGE, "rule 1: expected {select, patch}, found a number"},
        {"a.yaml", "select: '*'\npatch: []\nwhen: x\n", KST_E_USAGE,
         "rule 1: expected {select, patch}, found when"},
        {"a.yaml", "patch: []\n", KST_E_USAGE, "rule 1: expected select to be a pattern"},
        {"a.yaml", "select: '*'\n", KST_E_USAGE, "rule 1: expected patch to be a list"},
        {"a.yaml", "- {select: '*', patch: []}\n- {select: 'a/(', patch: []}\n", KST_E_USAGE,
         "transform a.yaml: rule 2: "},
        {"a.yaml", "select: '*'\npatch: [{op: set, path: /a}]\n", KST_E_USAGE,
         "rule 1: operation 1: expected op to be"},
        {"a.yaml", "select: '*'\npatch: [{op: add, path: a, value: 1}]\n", KST_E_USAGE,
         "expected path to be a JSON pointer"},
        {"a.yaml", "select: '*'\npatch: [{op: add, path: /a}]\n", KST_E_USAGE, "expected a value"},
        {"a.yaml", "select: '*'\npatch: [{op: move, path: /a}]\n", KST_E_USAGE,
         "expected from to be a JSON pointer"},
        {"a.yaml", "select: '*'\npatch: [{op: remove, path: /spec/none}]\n", KST_E_FAILED,
         "transform a.yaml: Deployment/shop/web: rule 1: operation 1: remove /spec/none"},
        {"a.yaml", "select: '*'\npatch: [{op: remove, path: /metadata}]\n", KST_E_INVALID,
         "metadata.name"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct way way = {.object = parse(deployment)};
        way.files = kst_json_make("[{'name':%s,'text':%s}]", rows[i].name, rows[i].text);
        kst_auto_err struct kst_err *err = NULL;
        int64_t begun_ms = kst_now_ms();
        int rc = travel(&way, &err);
        if (rc != rows[i].code || !strstr(kst_err_message(err), rows[i].message))
            fail_msg("%s: %d: %s", rows[i].text, rc, kst_err_message(err));
        assert_true(kst_now_ms() - begun_ms < HARM_MS);
        kst_auto_json struct kst_json *same = parse(deployment);
        assert_true(kst_json_equal(way.object, same));
        kst_json_free(way.object);
        kst_json_free(way.files);
    }
}

static void files_without_a_name_or_text(void **state)
{
    static const char *const rows[] = {"[{}]", "[{'name':'a.lua'}]", "[{'text':'x'}]", "[7]"};
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct way way = {.object = parse(deployment), .files = kst_json_make(rows[i])};
        assert_int_equal(travel(&way, NULL), KST_E_USAGE);
        kst_json_free(way.object);
        kst_json_free(way.files);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes),
        cmocka_unit_test(what_is_not_touched),
        cmocka_unit_test(examples),
        cmocka_unit_test(several_files_and_none),
        cmocka_unit_test(what_is_left_out),
        cmocka_unit_test(faults),
        cmocka_unit_test(files_without_a_name_or_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
