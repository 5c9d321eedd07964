/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Lua host without memory: each allocation fails once, from the interpreter's own start to a
 * hook that waits, branches and raises. What comes of it is an error or a result, never a crash, a
 * leak or a fiber that stays. Lua collects garbage before it gives an allocation up, so that each
 * is also a collection at that place.
 */
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

enum { MOST = 20000, STEP_BYTES = 4096, MOST_BYTES = 2 * 1024 * 1024 };

static const char blueprint_text[] =
    "local helper = require 'helper'\n"
    "local function each(pods, fn)\n"
    "  local all = {}\n"
    "  for i, pod in ipairs(pods) do all[i] = function() return fn(pod.name) end end\n"
    "  return all\n"
    "end\n"
    "return {\n"
    "  name = 'x', summary = 'a database', order = 5, max_freeze = '10s', attempts = 2,\n"
    "  match = { kind = { 'StatefulSet', 'Deployment' }, image = '(^|/)x(:|$)',\n"
    "    labels = { app = 'x' } },\n"
    "  params = { user = { type = 'string', default = 'root' },\n"
    "    wait = { type = 'duration', default = '5s' } },\n"
    "  pre_hook = function(run, app)\n"
    "    local pods = app:pods()\n"
    "    run:log('%d Pods of %q', #pods, app.name)\n"
    "    local names = run:parallel(each(pods, function(name)\n"
    "      run:sleep('1ms')\n"
    "      return run:exec({ pod = name, command = { 'sh', '-c', 'id' } }).stdout\n"
    "    end))\n"
    "    local ok, failure = pcall(run.fail, run, 'no disk', { hint = 'buy one' })\n"
    "    local upper = ('k=v, l=w'):gsub('(%w)=(%w)', function(k, v) return v:upper() .. k end)\n"
    "    local lines = coroutine.wrap(function()\n"
    "      local closed <close> = setmetatable({}, { __close = function() helper.closed = true "
    "end })\n"
    "      for line in ('a\\nb\\nc'):gmatch('[^\\n]+') do coroutine.yield(line:rep(3, '-')) end\n"
    "      error({ message = 'the end', reason = 'End' })\n"
    "    end)\n"
    "    local text = { lines(), lines(), lines() }\n"
    "    local _, raised = pcall(lines)\n"
    "    local _, traced = xpcall(function() return nil + 1 end, function(e) return e end)\n"
    "    local json = require 'kassette.json'\n"
    "    local again = json.decode(json.encode { names, upper = upper, deep = { { {} } } })\n"
    "    return { names, ok, failure.message, upper, table.concat(text, '|'), raised.reason,\n"
    "      tostring(traced), again, helper.join(names), helper.closed,\n"
    "      run:step('once', function() return { done = true } end), run.params.user }\n"
    "  end,\n"
    "  post_hook = function(run)\n"
    "    run:fail(('%s'):rep(3):format('a', 'b', 'c'), { hint = 'h', reason = 'R' })\n"
    "  end,\n"
    "}\n";

static int read_module(void *arg, const char *path, struct kst_buf *text, struct kst_err **err)
{
    if (strcmp(path, "x/helper.lua") == 0)
        return kst_buf_adds(text, "local M = {} function M.join(t) local s = ''\n"
                                  "for _, v in ipairs(t) do s = s .. v end return s end return M");
    return kst_err_set(err, KST_E_NOT_FOUND, "there is no %s", path);
}

/* ---- Natives that wait, give tables, and fail ---- */

static int give_pods(void *ctx, const struct kst_json *args, struct kst_json **result,
                     struct kst_err **err)
{
    *result = kst_json_make("[{'name':'x-0','ready':true},{'name':'x-1','ready':false}]");
    return 0;
}

static int give_output(void *ctx, const struct kst_json *args, struct kst_json **result,
                       struct kst_err **err)
{
    kst_yield();
    *result = kst_json_make("{'stdout':%s,'code':0}", kst_json_path_str(args, "pod"));
    return 0;
}

static int begin_step(void *ctx, const struct kst_json *args, struct kst_json **result,
                      struct kst_err **err)
{
    *result = kst_json_make("{'id':%s,'done':false}", kst_json_path_str(args, "name"));
    return 0;
}

static int wait(void *ctx, const struct kst_json *args, struct kst_json **result,
                struct kst_err **err)
{
    kst_yield();
    return 0;
}

static int say(void *ctx, const struct kst_json *args, struct kst_json **result,
               struct kst_err **err)
{
    return 0;
}

static int refuse(void *ctx, const struct kst_json *args, struct kst_json **result,
                  struct kst_err **err)
{
    kst_err_set(err, KST_E_FAILED, "%s", kst_json_path_str(args, "message"));
    kst_err_hint(err, "%s", kst_json_path_str(args, "hint"));
    return KST_E_FAILED;
}

static const struct kst_lua_native natives[] = {
    {"pods", give_pods}, {"exec", give_output}, {"step_begin", begin_step}, {"step_end", say},
    {"sleep", wait},     {"log", say},          {"fail", refuse},           {NULL, NULL},
};

/* ---- A run in small ---- */

struct torture {
    int64_t nth;           /* allocation that fails; 0: none */
    size_t memory_bytes;   /* 0: the default */
    bool started, reached; /* the interpreter; the allocation that was to fail */
    struct kst_json *result;
};

static int invoke(struct kst_lua *lua, const struct kst_blueprint *blueprint, const char *hook,
                  const struct kst_json *context, struct kst_json **result, struct kst_err **err)
{
    struct kst_lua_ref *module = NULL, *new = NULL, *call = NULL, *objects = NULL;
    kst_auto_json struct kst_json *name = kst_json_from_str(hook);
    const struct kst_lua_arg argument = {.json = context};
    int rc = kst_lua_require(lua, "kassette.run", &module, err);
    if (rc == 0)
        rc = kst_lua_ref_get(module, "new", &new, err);
    if (rc == 0)
        rc = kst_lua_ref_get(module, "invoke", &call, err);
    if (rc == 0)
        rc = kst_lua_call(lua, new, &argument, 1, NULL, &objects, err);
    const struct kst_lua_arg args[] = {
        {.ref = objects}, {.ref = kst_blueprint_function(blueprint, hook)}, {.json = name}};
    if (rc == 0)
        rc = kst_lua_call(lua, call, args, KST_ARRAY_LEN(args), result, NULL, err);
    kst_lua_ref_free(objects);
    kst_lua_ref_free(call);
    kst_lua_ref_free(new);
    kst_lua_ref_free(module);
    return rc;
}

static int use(struct kst_lua *lua, const struct kst_blueprint *blueprint, struct kst_json **result,
               struct kst_err **err)
{
    kst_auto_json struct kst_json *params = NULL, *context = NULL;
    kst_auto_json struct kst_json *workload = kst_json_make(
        "{'kind':'StatefulSet','apiVersion':'apps/v1','metadata':{'name':'x','labels':{'app':'x'}},"
        "'spec':{'template':{'spec':{'containers':[{'name':'c','image':'x:1'}]}}}}");
    bool matches = false;
    int rc = kst_blueprint_matches(blueprint, workload, &matches, err);
    if (rc == 0)
        assert_true(matches);
    if (rc == 0)
        rc = kst_blueprint_resolve_params(blueprint, NULL, &params, err);
    if (rc < 0)
        return rc;
    context = kst_json_make("{'id':'r','attempt':1,'action':'backup','binding':0,'params':%J,"
                            "'namespace':'shop','kind':'StatefulSet','name':'x'}",
                            params);
    rc = invoke(lua, blueprint, "pre_hook", context, result, err);
    if (rc < 0)
        return rc;
    struct kst_err *cause = NULL;
    rc = invoke(lua, blueprint, "post_hook", context, NULL, &cause);
    assert_true(rc < 0); /* it fails in any case: as it says, or for want of memory */
    assert_true(*kst_err_message(cause));
    bool as_said = rc == KST_E_FAILED && strstr(kst_err_message(cause), ": abc");
    if (!as_said)
        return kst_err_move(err, &cause);
    kst_err_free(cause);
    return 0;
}

static int run_torture(void *arg, struct kst_err **err)
{
    struct torture *self = arg;
    const struct kst_lua_limits limits = {.memory_bytes = self->memory_bytes, .stretch_ms = 600000};
    struct kst_lua *lua = NULL;
    struct kst_blueprint *blueprint = NULL;
    int rc = kst_lua_new(kst_fiber_loop(), &limits, &lua, err);
    if (rc < 0)
        return rc;
    self->started = true;
    kst_lua_register(lua, natives, NULL);
    kst_lua_fail_allocation(lua, self->nth);
    rc = kst_blueprint_load(lua, "x/blueprint.lua", blueprint_text, sizeof(blueprint_text) - 1,
                            read_module, NULL, &blueprint, err);
    if (rc == 0)
        rc = use(lua, blueprint, &self->result, err);
    self->reached = !kst_lua_will_fail(lua);
    kst_blueprint_free(blueprint);
    kst_lua_free(lua);
    return rc;
}

static int torture(struct torture *self)
{
    struct kst_loop *loop = NULL;
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    int rc = kst_loop_run(loop, "torture", run_torture, self, &err);
    kst_loop_free(loop);
    if ((rc < 0) != (err != NULL) || (rc < 0 && !*kst_err_message(err)))
        fail_msg("allocation %lld, %zu bytes: %d without words", (long long)self->nth,
                 self->memory_bytes, rc);
    if (rc < 0 && self->nth == 0 && self->memory_bytes == 0)
        fail_msg("nothing was to fail: %s", kst_err_message(err));
    return rc;
}

static const char expected[] =
    "[[\"x-0\",\"x-1\"],false,\"no disk\",\"Vk, Wl\",\"a-a-a|b-b-b|c-c-c\",\"End\","
    "\"x/blueprint.lua:29: attempt to perform arithmetic on a nil value\","
    "{\"1\":[\"x-0\",\"x-1\"],\"deep\":[[{}]],\"upper\":\"Vk, Wl\"},\"x-0x-1\",true,"
    "{\"done\":true},\"root\"]";

static void check_result(struct torture *self)
{
    kst_auto_free char *text = kst_json_text(self->result);
    kst_json_free(self->result);
    self->result = NULL;
    assert_string_equal(text, expected);
}

static void test_each_allocation_fails_once(void **state)
{
    struct torture whole = {0};
    assert_int_equal(torture(&whole), 0);
    check_result(&whole);
    int failures = 0;
    for (int64_t nth = 1; nth < MOST; nth++) {
        struct torture one = {.nth = nth};
        int rc = torture(&one);
        failures += rc < 0;
        if (rc == 0)
            check_result(&one);
        kst_json_free(one.result);
        if (!one.reached)
            break;
    }
    if (failures < 500)
        fail_msg("only %d allocations failed", failures);
}

/* The same by the cap, which lasts: what comes after the first failure finds no memory either. */
static void test_any_memory_is_enough_or_is_told(void **state)
{
    int before = 0, after = 0;
    for (size_t bytes = STEP_BYTES; bytes < MOST_BYTES; bytes += STEP_BYTES) {
        struct torture one = {.memory_bytes = bytes};
        int rc = torture(&one);
        if (rc == 0) {
            check_result(&one);
            break;
        }
        kst_json_free(one.result);
        before += !one.started;
        after += one.started;
    }
    if (before < 3 || after < 10)
        fail_msg("too little memory %d times for the interpreter, %d times for the blueprint",
                 before, after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_fails_once),
        cmocka_unit_test(test_any_memory_is_enough_or_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
