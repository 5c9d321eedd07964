/* SPDX-License-Identifier: Apache-2.0 */
/* The type files for editors say what there is, no more and no less. From the top of the tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "lua/blueprint.h"
#include "lua/host.h"
#include "lua/types.h"

enum { FILE_BYTES = 1024 * 1024 };

/* A class of the type file and the table of the library that it describes. */
struct pair {
    const char *module, *field, *class, *file;
};

static const struct pair pairs[] = {
    {"kassette.run", "Run", "Run:", "lua/types/kassette.lua"},
    {"kassette.app", "App", "App:", "lua/types/kassette.lua"},
    {"kassette.session", "Session", "Session:", "lua/types/kassette.lua"},
    {"kassette.test", NULL, "M.", "lua/types/test.lua"},
};

/* The names behind "function CLASS" in a type file, as an object of name to true. */
static struct kst_json *documented(const char *file, const char *class)
{
    kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
    kst_auto_free char *start = kst_asprintf("\nfunction %s", class);
    struct kst_json *names = kst_json_object();
    assert_int_equal(kst_buf_read_file(&text, file, NULL), 0);
    for (const char *at = text.data; (at = strstr(at, start)) != NULL;) {
        at += strlen(start);
        kst_auto_free char *name = kst_strndup(at, strcspn(at, "("));
        kst_json_set_bool(names, name, true);
    }
    return names;
}

static bool is_function(const struct kst_json *value)
{
    return kst_json_get(value, "$function") != NULL;
}

static int compare(const struct pair *pair, const struct kst_json *table, struct kst_err **err)
{
    kst_auto_json struct kst_json *names = documented(pair->file, pair->class);
    for (const struct kst_json *row = kst_json_first(table); row; row = kst_json_next(row)) {
        const char *name = kst_json_key(row);
        if (is_function(row) && name[0] != '_' && !kst_json_get(names, name))
            return kst_err_set(err, KST_E_FAILED, "%s: %s%s is not documented", pair->file,
                               pair->class, name);
    }
    for (const struct kst_json *row = kst_json_first(names); row; row = kst_json_next(row)) {
        if (!is_function(kst_json_get(table, kst_json_key(row))))
            return kst_err_set(err, KST_E_FAILED, "%s: %s%s does not exist", pair->file,
                               pair->class, kst_json_key(row));
    }
    return kst_json_len(names) > 1 ? 0 : kst_err_set(err, KST_E_FAILED, "nothing was compared");
}

static int check_pairs(void *arg, struct kst_err **err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < KST_ARRAY_LEN(pairs); i++) {
        struct kst_lua *lua = NULL;
        struct kst_lua_ref *module = NULL, *table = NULL;
        kst_auto_json struct kst_json *json = NULL;
        rc = kst_lua_new(kst_fiber_loop(), NULL, &lua, err);
        if (rc == 0)
            rc = kst_lua_require(lua, pairs[i].module, &module, err);
        if (rc == 0 && pairs[i].field)
            rc = kst_lua_ref_get(module, pairs[i].field, &table, err);
        /* "Run.__index = Run" is a cycle: taken out by describing what is below it. */
        if (rc == 0)
            rc = kst_lua_ref_json(table ? table : module, &json, err);
        if (rc == 0)
            rc = compare(&pairs[i], json, err);
        kst_lua_ref_free(table);
        kst_lua_ref_free(module);
        if (lua)
            kst_lua_free(lua);
    }
    return rc;
}

static void run(int (*fn)(void *arg, struct kst_err **err))
{
    struct kst_loop *loop = NULL;
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_loop_new(&loop, &err), 0);
    int rc = kst_loop_run(loop, "types", fn, NULL, &err);
    kst_loop_free(loop);
    if (rc < 0)
        fail_msg("%s", kst_err_message(err));
}

static void test_functions(void **state)
{
    run(check_pairs);
}

/* The code of loading a blueprint with this field, whatever its value. */
static bool is_field(const char *name)
{
    struct kst_lua *lua = NULL;
    struct kst_blueprint *blueprint = NULL;
    kst_auto_err struct kst_err *err = NULL;
    kst_auto_free char *text = kst_asprintf("return { name = \"x\", %s = {} }", name);
    assert_int_equal(kst_lua_new(kst_fiber_loop(), NULL, &lua, NULL), 0);
    kst_blueprint_load(lua, "x/blueprint.lua", text, strlen(text), NULL, NULL, &blueprint, &err);
    kst_blueprint_free(blueprint);
    kst_lua_free(lua);
    return !strstr(kst_err_message(err), "has no field");
}

static int check_fields(void *arg, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
    assert_int_equal(kst_buf_read_file(&text, "lua/types/kassette.lua", NULL), 0);
    const char *at = strstr(text.data, "---@class kassette.Blueprint\n");
    const char *end = at ? strstr(at, "\n\n") : NULL;
    size_t count = 0;
    while (at && (at = strstr(at, "---@field ")) != NULL && at < end) {
        at += strlen("---@field ");
        kst_auto_free char *name = kst_strndup(at, strcspn(at, "? "));
        count++;
        if (!is_field(name))
            return kst_err_set(err, KST_E_FAILED, "a blueprint has no field %s", name);
    }
    if (is_field("prehook"))
        return kst_err_set(err, KST_E_FAILED, "this test could not fail");
    return count == 18 ? 0 : kst_err_set(err, KST_E_FAILED, "%zu fields are documented", count);
}

static void test_fields_of_blueprints(void **state)
{
    run(check_fields);
}

/* ---- options ---- */

/* Where the engine reads what a function of `run` is given. */
static const char *const readers[] = {"engine/run/native_args.c",   "engine/run/native_exec.c",
                                      "engine/run/native_flow.c",   "engine/run/native_kube.c",
                                      "engine/run/native_task.c",   "engine/run/session.c",
                                      "engine/app/backup/backup.c", "lua/kassette/run.lua",
                                      "lua/kassette/session.lua"};

static const char *const options[] = {"ExecOptions",  "ExecAllOptions", "SessionOptions",
                                      "TaskOptions",  "ObjectOptions",  "ListOptions",
                                      "WaitOptions",  "PatchOptions",   "DeleteOptions",
                                      "ScaleOptions", "LogsOptions"};

/* "name" in C, or options.name in Lua. */
static bool is_read(const struct kst_buf *code, const char *name)
{
    kst_auto_free char *in_c = kst_asprintf("\"%s\"", name);
    kst_auto_free char *in_lua = kst_asprintf("options.%s", name);
    return strstr(code->data, in_c) || strstr(code->data, in_lua);
}

static void test_options_are_read(void **state)
{
    kst_auto_buf code = KST_BUF_INIT(FILE_BYTES);
    struct kst_types types;
    kst_types_load(&types);
    for (size_t i = 0; i < KST_ARRAY_LEN(readers); i++) {
        kst_auto_buf one = KST_BUF_INIT(FILE_BYTES);
        assert_int_equal(kst_buf_read_file(&one, readers[i], NULL), 0);
        kst_buf_add(&code, one.data, one.len);
    }
    for (size_t i = 0; i < KST_ARRAY_LEN(options); i++) {
        kst_auto_free char *name = kst_asprintf("kassette.%s", options[i]);
        const struct kst_class *class = kst_types_class(&types, name);
        assert_non_null(class);
        assert_non_null(class->fields);
        for (const struct kst_field *field = class->fields; field; field = field->next) {
            if (!is_read(&code, field->name))
                fail_msg("%s.%s is read nowhere", name, field->name);
        }
    }
    assert_false(is_read(&code, "comand"));
    kst_types_release(&types);
}

static void test_reading(void **state)
{
    static const char text[] =
        "---@class A\n---@field a? string words\n---@field b fun(x: B, y?: integer): string[]\n"
        "---@class B: A\n---@field c \"x\"|\"y\"\n---@field d { e?: table<string, any> }\n"
        "local B = {}\n---@param f (fun(): any)[]\n---@return B? which\n---@return string ...\n"
        "function B:m(f) end\nfunction B.n() end\n";
    static const struct {
        const char *field, *words;
        bool optional, is_method;
    } rows[] = {
        {"a", "a string", true, false},        {"b", "a function", false, false},
        {"c", "\"x\" or \"y\"", false, false}, {"d", "a table", false, false},
        {"m", "a function", false, true},      {"n", "a function", false, false},
    };
    struct kst_types types = {0};
    kst_types_read(&types, text, strlen(text));
    const struct kst_class *class = kst_types_class(&types, "B");
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        const struct kst_field *field = kst_class_field(class, rows[i].field);
        assert_non_null(field);
        assert_string_equal(kst_type_words(&types, field->type), rows[i].words);
        assert_int_equal(field->optional, rows[i].optional);
        assert_int_equal(field->is_method, rows[i].is_method);
    }
    const struct kst_type *m = kst_class_field(class, "m")->type;
    assert_string_equal(kst_type_words(&types, m->a), "a list of functions");
    assert_ptr_equal(m->b->class, class);
    assert_int_equal(m->b->next->kind, KST_TYPE_STRING);
    const struct kst_type *b = kst_class_field(class, "b")->type;
    assert_true(b->a->next->optional && !b->a->optional && !b->is_declared && m->is_declared);
    assert_null(kst_class_field(kst_types_class(&types, "A"), "c"));
    kst_types_release(&types);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_fields_of_blueprints),
        cmocka_unit_test(test_options_are_read),
        cmocka_unit_test(test_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
