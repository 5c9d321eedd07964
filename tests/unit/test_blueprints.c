/* SPDX-License-Identifier: Apache-2.0 */
/* The test.lua of each blueprint in blueprints/, case by case. Run from the top of the tree. */
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
#include "cmd/blueprint.h"
#include "cmd/blueprint_world.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "lua/blueprint.h"
#include "lua/host.h"
#include "lua/suite.h"

enum { FILE_BYTES = 1024 * 1024 };

static int read_file(void *arg, const char *path, struct kst_buf *text, struct kst_err **err)
{
    kst_auto_free char *full = kst_asprintf("blueprints/%s", path);
    return kst_buf_read_file(text, full, err);
}

static int run_suite(void *arg, struct kst_err **err)
{
    kst_auto_free char *folder = kst_asprintf("blueprints/%s", (const char *)arg);
    char *folders[] = {folder, NULL};
    struct kst_own_files files;
    kst_auto_json struct kst_json *report = NULL;
    int rc = kst_own_files_find(folders, "test.lua", false, &files, err);
    if (rc < 0)
        return rc;
    struct kst_world *world = kst_world_new(kst_fiber_loop(), &files.items[0], NULL);
    const struct kst_suite_world of_suite = kst_world_of_suite(world);
    rc = kst_suite_run(kst_fiber_loop(), files.items[0].name, NULL, kst_own_file_read,
                       &files.items[0], &of_suite, &report, err);
    kst_world_free(world);
    kst_own_files_release(&files);
    if (rc == 0 && kst_json_path_int(report, "failed", 0)) {
        kst_auto_free char *text = kst_json_text(report);
        rc = kst_err_set(err, KST_E_FAILED, "%s", text);
    }
    if (rc == 0 && kst_json_path_int(report, "passed", 0) == 0)
        rc = kst_err_set(err, KST_E_FAILED, "%s ran no case", folder);
    return rc;
}

static void test_suite(void **state)
{
    struct kst_loop *loop = NULL;
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_loop_new(&loop, &err), 0);
    int rc = kst_loop_run(loop, "suite", run_suite, *state, &err);
    kst_loop_free(loop);
    if (rc < 0)
        fail_msg("%s", kst_err_message(err));
}

/* A blueprint is itself what the engine takes: fields, parameters, match rule. */
static int load_one(void *arg, struct kst_err **err)
{
    struct kst_lua *lua = NULL;
    struct kst_blueprint *blueprint = NULL;
    kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
    kst_auto_free char *path = kst_asprintf("%s/blueprint.lua", (const char *)arg);
    int rc = read_file(NULL, path, &text, err);
    if (rc == 0)
        rc = kst_lua_new(kst_fiber_loop(), NULL, &lua, err);
    if (rc == 0)
        rc = kst_blueprint_load(lua, path, text.data, text.len, read_file, NULL, &blueprint, err);
    if (rc == 0 && strcmp(kst_blueprint_name(blueprint), arg) != 0)
        rc = kst_err_set(err, KST_E_INVALID, "%s: its name is %s", path,
                         kst_blueprint_name(blueprint));
    if (rc == 0 && !*kst_blueprint_summary(blueprint))
        rc = kst_err_set(err, KST_E_INVALID, "%s has no summary", path);
    kst_blueprint_free(blueprint);
    if (lua)
        kst_lua_free(lua);
    return rc;
}

static void test_loads(void **state)
{
    struct kst_loop *loop = NULL;
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_loop_new(&loop, &err), 0);
    int rc = kst_loop_run(loop, "load", load_one, *state, &err);
    kst_loop_free(loop);
    if (rc < 0)
        fail_msg("%s", kst_err_message(err));
}

/* ---- What is no blueprint ---- */

struct text {
    const char *text, *message, *hint;
};

static int load_text(void *arg, struct kst_err **err)
{
    const struct text *row = arg;
    struct kst_lua *lua = NULL;
    struct kst_blueprint *blueprint = NULL;
    assert_int_equal(kst_lua_new(kst_fiber_loop(), NULL, &lua, NULL), 0);
    int rc = kst_blueprint_load(lua, "x/blueprint.lua", row->text, strlen(row->text), read_file,
                                NULL, &blueprint, err);
    kst_blueprint_free(blueprint);
    kst_lua_free(lua);
    return rc;
}

static void test_refused(void **state)
{
    static const struct text rows[] = {
        {"return { 'a', 'b' }", "found a list", NULL},
        {"return { nme == 'x', other }", "found a list", NULL},
        {"return {}", "name", NULL},
        {"return 5", "", NULL},
        {"", "", NULL},
        {"return nil", "", NULL},
        {"return { name = 'a b' }", "name", NULL},
        {"return { name = 5 }", "name", NULL},
        {"return { name = 'x', prehook = function() end }", "prehook", "pre_hook"},
        {"return { name = 'x', pre_hook = 'freeze' }", "pre_hook", NULL},
        {"return { name = 'x', match = {} }", "match", NULL},
        {"return { name = 'x', match = { imag = 'x' } }", "imag", "image"},
        {"return { name = 'x', match = { image = '(' } }", "image", NULL},
        {"return { name = 'x', match = { kind = { 1 } } }", "kind", NULL},
        {"return { name = 'x', match = { labels = 'a=b' } }", "labels", NULL},
        {"return { name = 'x', params = { 'a' } }", "params", NULL},
        {"return { name = 'x', params = { a = { typ = 'string' } } }", "typ", "type"},
        {"return { name = 'x', params = { a = { type = 'text' } } }", "type", NULL},
        {"return { name = 'x', params = { a = { type = 'integer', default = 'b' } } }", "default",
         NULL},
        {"return { name = 'x', max_freeze = 'soon' }", "max_freeze", NULL},
        {"return { name = 'x', max_freeze = '-1s' }", "max_freeze", NULL},
        {"return { name = 'x', attempts = 0 }", "attempts", NULL},
        {"return { name = 'x', order = 1.5 }", "order", NULL},
        {"return { name = 'x', post_hook_after = 'never' }", "post_hook_after", NULL},
        {"return { name = 'x', actions = { 'a' } }", "actions", NULL},
        {"return { name = 'x', actions = { a = 1 } }", "actions.a", NULL},
        {"return { name = 'x',", "x/blueprint.lua:1", NULL},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct kst_loop *loop = NULL;
        kst_auto_err struct kst_err *err = NULL;
        assert_int_equal(kst_loop_new(&loop, NULL), 0);
        int rc = kst_loop_run(loop, "load", load_text, (void *)&rows[i], &err);
        kst_loop_free(loop);
        const char *hint = kst_err_get_hint(err);
        if (rc == 0 || !strstr(kst_err_message(err), rows[i].message) ||
            !strstr(kst_err_message(err), "x/blueprint.lua"))
            fail_msg("%s: %d: %s", rows[i].text, rc, kst_err_message(err));
        if (rows[i].hint && (!hint || !strstr(hint, rows[i].hint)))
            fail_msg("%s: hint %s", rows[i].text, hint ? hint : "none");
    }
}

/* Whatever a blueprint declares, the engine is not held by it. */
static void test_too_many_params(void **state)
{
    kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
    kst_auto_err struct kst_err *err = NULL;
    struct kst_loop *loop = NULL;
    kst_buf_adds(&text, "return { name = 'x', params = {");
    for (int i = 0; i < 60000; i++)
        kst_buf_addf(&text, "p%d=1,", i);
    kst_buf_adds(&text, "} }");
    struct text row = {.text = text.data};
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    assert_int_equal(kst_loop_run(loop, "load", load_text, &row, &err), KST_E_LIMIT);
    kst_loop_free(loop);
    assert_non_null(strstr(kst_err_message(err), "60000 parameters"));
}

int main(void)
{
    static char generic[] = "generic", mariadb[] = "mariadb", postgresql[] = "postgresql",
                velero_hooks[] = "velero-hooks";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_loads, generic),
        cmocka_unit_test_prestate(test_loads, mariadb),
        cmocka_unit_test_prestate(test_loads, postgresql),
        cmocka_unit_test_prestate(test_loads, velero_hooks),
        cmocka_unit_test_prestate(test_suite, generic),
        cmocka_unit_test_prestate(test_suite, mariadb),
        cmocka_unit_test_prestate(test_suite, postgresql),
        cmocka_unit_test_prestate(test_suite, velero_hooks),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_many_params),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
