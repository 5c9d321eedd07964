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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_fields_of_blueprints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
