/* SPDX-License-Identifier: Apache-2.0 */
/* The Lua host: calls, values, errors; and blueprints that mean harm, each beside a good one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "lua/host.h"

enum { NEIGHBOUR_CALLS = 20, HARM_MS = 2000 * 5 /* the sanitizers are slow */ };

/* Runs `fn` in a fiber of a loop of its own. */
static int in_loop(int (*fn)(void *arg, struct kst_err **err), void *arg, struct kst_err **err)
{
    struct kst_loop *loop = NULL;
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    int rc = kst_loop_run(loop, "test", fn, arg, err);
    kst_loop_free(loop);
    return rc;
}

/* Loads "return { go = function(a, b) CODE end }" and calls it. */
struct program {
    const char *code;
    const struct kst_lua_limits *limits;
    struct kst_json *argument; /* borrowed; may be NULL */
    struct kst_json *result;
    bool violated;
    int64_t fail_allocation;
};

static int load_and_call(struct program *program, struct kst_lua *lua, struct kst_err **err)
{
    struct kst_lua_ref *table = NULL, *go = NULL;
    kst_auto_free char *text = kst_asprintf("return { go = function(a, b)\n%s\nend }",
                                            program->code);
    const struct kst_lua_arg argument = {.json = program->argument};
    kst_lua_fail_allocation(lua, program->fail_allocation);
    int rc = kst_lua_load(lua, "x/blueprint.lua", text, strlen(text), NULL, NULL, &table, err);
    if (rc == 0)
        rc = kst_lua_ref_get(table, "go", &go, err);
    if (rc == 0)
        rc = kst_lua_call(lua, go, &argument, 1, &program->result, NULL, err);
    program->violated = kst_lua_violated(lua);
    kst_lua_ref_free(go);
    kst_lua_ref_free(table);
    return rc;
}

static int run_program(void *arg, struct kst_err **err)
{
    struct program *program = arg;
    struct kst_lua *lua = NULL;
    int rc = kst_lua_new(kst_fiber_loop(), program->limits, &lua, err);
    if (rc < 0)
        return rc;
    rc = load_and_call(program, lua, err);
    kst_lua_free(lua);
    return rc;
}

/* ---- Values ---- */

/* What goes in comes out: the text of numbers, arrays and objects, empty ones, null inside. */
static void test_values_survive(void **state)
{
    static const char *const texts[] = {
        "1",
        "9007199254740993",
        "1.0",
        "1e400",
        "-0",
        "\"x\\u0000y\"",
        "\"\\u2028 \\ud83d\\ude00\"",
        "true",
        "[]",
        "{}",
        "[1,[2,{}],[]]",
        "{\"a\":{\"b\":[]},\"z\":1.50,\"c\":\"d\"}",
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(texts); i++) {
        kst_auto_json struct kst_json *value = NULL;
        kst_auto_err struct kst_err *err = NULL;
        assert_int_equal(kst_json_parse(texts[i], strlen(texts[i]), &value, NULL), 0);
        struct program program = {.code = "return a", .argument = value};
        if (in_loop(run_program, &program, &err) < 0)
            fail_msg("%s: %s", texts[i], kst_err_message(err));
        if (!kst_json_equal(value, program.result)) {
            kst_auto_free char *text = kst_json_text(program.result);
            fail_msg("%s came back as %s", texts[i], text);
        }
        kst_json_free(program.result);
    }
}

static void test_code_works(void **state)
{
    static const struct {
        const char *code, *result;
    } rows[] = {
        {"return 1 + 1", "2"},
        {"return 7 // 2 .. '|' .. 7 / 2", "\"3|3.5\""},
        {"return ('a,b;c'):gsub('[,;]', '-')", "\"a-b-c\""},
        {"local t = {} for w in ('x yy zzz'):gmatch('%a+') do t[#t+1] = #w end return t",
         "[1,2,3]"},
        {"return table.concat({1, 2, 3}, '+')", "\"1+2+3\""},
        {"local t = {3, 1, 2} table.sort(t) return t", "[1,2,3]"},
        {"return string.format('%5.2f|%s|%q', 3.14159, nil, 'a')", "\" 3.14|nil|\\\"a\\\"\""},
        {"return select('#', pcall(error, 'x'))", "2"},
        {"local ok, e = pcall(error, {code = 5}) return e.code", "5"},
        {"return tostring(setmetatable({}, {__tostring = function() return 'T' end}))", "\"T\""},
        {"local c = coroutine.wrap(function() coroutine.yield(1) coroutine.yield(2) end)"
         " return c() + c()",
         "3"},
        {"return require('kassette.json').encode({a = 1})", "\"{\\\"a\\\":1}\""},
        {"return require('kassette.json').decode('[1, 2]')[2]", "2"},
        {"return utf8.len('äöü')", "3"},
        {"return math.max(3, 9, 2)", "9"},
        {"local t = setmetatable({}, {__index = function(_, k) return k .. '!' end}) return t.x",
         "\"x!\""},
        {"goto done do return 1 end ::done:: return 2", "2"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct program program = {.code = rows[i].code};
        kst_auto_err struct kst_err *err = NULL;
        if (in_loop(run_program, &program, &err) < 0)
            fail_msg("%s: %s", rows[i].code, kst_err_message(err));
        kst_auto_free char *text = kst_json_text(program.result);
        if (strcmp(text, rows[i].result) != 0)
            fail_msg("%s: expected %s, found %s", rows[i].code, rows[i].result, text);
        kst_json_free(program.result);
    }
}

/* ---- Errors ---- */

static void test_errors_name_the_line(void **state)
{
    static const struct {
        const char *code, *message;
        int rc;
    } rows[] = {
        {"error('boo')", "x/blueprint.lua:2: boo", KST_E_FAILED},
        {"\nlocal t = nil\nreturn t.x", "x/blueprint.lua:4: attempt to index a nil value",
         KST_E_FAILED},
        {"return 1 +", "x/blueprint.lua:", KST_E_PARSE},
        {"error({message = 'plain'})", "", KST_E_FAILED},
        {"error()", "", KST_E_FAILED},
        {"error(setmetatable({}, {__tostring = function() return 'T' end}))", "", KST_E_FAILED},
        {"return a.b.c", "x/blueprint.lua:2: attempt to index a nil value", KST_E_FAILED},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct program program = {.code = rows[i].code};
        kst_auto_err struct kst_err *err = NULL;
        int rc = in_loop(run_program, &program, &err);
        if (rc != rows[i].rc || !strstr(kst_err_message(err), rows[i].message))
            fail_msg("%s: %d: %s", rows[i].code, rc, kst_err_message(err));
        assert_true(strlen(kst_err_message(err)) > 0);
        kst_json_free(program.result);
    }
}

/* ---- Harm ---- */

struct neighbour {
    int calls;
    bool stop;
};

/* A good interpreter in a fiber of its own, called now and then. */
static int be_neighbour(void *arg, struct kst_err **err)
{
    struct neighbour *self = arg;
    struct kst_lua *lua = NULL;
    int rc = kst_lua_new(kst_fiber_loop(), NULL, &lua, err);
    while (rc == 0 && self->calls < NEIGHBOUR_CALLS) {
        struct program program = {.code = "local n = 0 for i = 1, 100 do n = n + i end return n"};
        rc = load_and_call(&program, lua, err);
        int64_t value = 0;
        if (rc == 0 && (!kst_json_int(program.result, &value) || value != 5050))
            rc = kst_err_set(err, KST_E_FAILED, "the neighbour counted to %lld", (long long)value);
        kst_json_free(program.result);
        self->calls++;
        if (rc == 0)
            rc = kst_sleep_ms(1, err);
    }
    if (lua)
        kst_lua_free(lua);
    return rc;
}

struct harm {
    struct program program;
    int64_t took_ms;
};

static int do_harm(void *arg, struct kst_err **err)
{
    struct harm *harm = arg;
    struct neighbour neighbour = {0};
    kst_auto_err struct kst_err *other = NULL;
    struct kst_fiber *fiber = kst_fiber_spawn(kst_fiber_loop(), "neighbour", be_neighbour,
                                              &neighbour);
    kst_yield();
    int64_t started = kst_now_ms();
    int rc = run_program(&harm->program, err);
    harm->took_ms = kst_now_ms() - started;
    if (kst_fiber_join(fiber, &other) < 0)
        fail_msg("the neighbour: %s", kst_err_message(other));
    assert_int_equal(neighbour.calls, NEIGHBOUR_CALLS);
    return rc;
}

static void test_harm_is_contained(void **state)
{
    static const struct {
        const char *code, *message;
    } rows[] = {
        {"while true do end", "without waiting"},
        {"while true do pcall(function() while true do end end) end", "without waiting"},
        {"while true do pcall(error) end", "without waiting"},
        {"repeat local ok = xpcall(function() while true do end end, function() while true do end "
         "end) until false",
         ""},
        {"coroutine.wrap(function() while true do end end)()", "without waiting"},
        {"setmetatable({}, {__index = function() while true do end end}).x()", "without waiting"},
        {"table.sort({3, 2, 1, 5, 4}, function() while true do end end)", "without waiting"},
        {"local t = {} for i = 1, 100 do t[i] = i end table.sort(t, function() return true end)"
         " while true do end",
         ""},
        {"('x'):gsub('.', function() while true do end end)", "without waiting"},
        {"for _ in setmetatable({}, {__call = function() return 1 end}) do end", "without waiting"},
        {"return ('a'):rep(60):find(('a*'):rep(12) .. '[bc]')", "steps"},
        {"return ('a'):rep(60):match(('a-'):rep(12) .. '[bc]')", "steps"},
        {"return ('a'):rep(60):gsub(('a?'):rep(30) .. ('a'):rep(30) .. '[bc]', '')", "steps"},
        {"return ((('a'):rep(30000) .. '\\nx'):rep(200)):gsub('a*[xy]', '') .. error('late')",
         "without waiting"},
        {"local s = ('x'):rep(8 * 1024 * 1024 * 1024)", "too large"},
        {"local s = ('x'):rep(1e15)", ""},
        {"local s = 'x' while true do s = s .. s end", ""},
        {"local t = {} for i = 1, 1e9 do t[i] = {i} end", "memory"},
        {"local t = {} while true do t = {t, t} end", ""},
        {"return table.concat(setmetatable({}, {__len = function() return 1e9 end}))", ""},
        {"return table.unpack({}, 1, 1e8)", ""},
        {"local function f() return 1 + f() end f()", ""},
        {"local function f() return pcall(f) end return not f() or error('x')", ""},
        {"local function f(s) return s:gsub('.', f) end f('x')", ""},
        {"local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x", ""},
        {"local function f() coroutine.wrap(f)() end f()", ""},
        {"local c = {} for i = 1, 1e7 do c[i] = coroutine.create(function() end) end", "memory"},
        {"setmetatable({}, {__gc = function() error('boo') end})", "__gc"},
        {"load('\\27Lua')()", "nil value"},
        {"string.dump(function() end)", ""},
        {"getmetatable('').__index = nil", ""},
        {"getmetatable('').__index.rep = nil", ""},
        {"require('../../../../etc/passwd')", "require"},
        {"require('/etc/passwd')", "require"},
        {"require('kassette.run')", "require"},
        {"require('kassette.test')", "require"},
        {"require('a.b')", "require"},
        {"io.open('/etc/passwd')", "io"},
        {"os.exit(0)", "os"},
        {"debug.sethook()", "debug"},
        {"package.loadlib('libc.so.6', '*')", "package"},
        {"native.exec({})", "native"},
        {"dofile('/etc/passwd')", "dofile"},
        {"setmetatable(_G, {__index = function() while true do end end}) return nowhere()",
         "without waiting"},
        {"error(setmetatable({}, {__tostring = function() while true do end end}))", ""},
        {"local t = {} t.t = t error(t)", ""},
        {"local t = {} t.t = t return t", ""},
        {"return function() end", ""},
        {"return {[{}] = 1}", ""},
        {"local t = {} for i = 1, 300 do t = {t} end return t", ""},
        {"return 0/0", ""},
        {"return string.format('%99999d', 1)", ""},
        {"return ('%d'):format('x')", ""},
        {"return ('x'):rep(100):find('(' .. ('x'):rep(40) .. ')%1%2')", ""},
        {"return ('x'):find('[a')", "pattern"},
        {"return ('x'):find('%')", "pattern"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct harm harm = {.program = {.code = rows[i].code}};
        kst_auto_err struct kst_err *err = NULL;
        int rc = in_loop(do_harm, &harm, &err);
        kst_auto_free char *text = harm.program.result ? kst_json_text(harm.program.result) : NULL;
        kst_json_free(harm.program.result);
        if (rc >= 0)
            fail_msg("%s: it was expected to fail, and gave %s", rows[i].code, text ? text : "nil");
        if (!strstr(kst_err_message(err), rows[i].message) || !*kst_err_message(err))
            fail_msg("%s: expected '%s' in: %s", rows[i].code, rows[i].message,
                     kst_err_message(err));
        if (harm.took_ms > HARM_MS)
            fail_msg("%s: it took %lld ms", rows[i].code, (long long)harm.took_ms);
    }
}

/* After a wall was broken the interpreter says the same to every call. */
static int break_twice(void *arg, struct kst_err **err)
{
    struct kst_lua *lua = NULL;
    int rc = kst_lua_new(kst_fiber_loop(), NULL, &lua, err);
    assert_int_equal(rc, 0);
    struct program bad = {.code = "while true do end"}, good = {.code = "return 1"};
    assert_int_equal(load_and_call(&bad, lua, NULL), KST_E_LIMIT);
    assert_true(bad.violated);
    rc = load_and_call(&good, lua, err);
    kst_json_free(good.result);
    kst_lua_free(lua);
    return rc;
}

static void test_broken_walls_stay_broken(void **state)
{
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(in_loop(break_twice, NULL, &err), KST_E_LIMIT);
}

/* ---- Torture ---- */

/* Each allocation of a small run fails once: an error or none, never a crash or a leak. */
static void test_every_allocation_may_fail(void **state)
{
    int64_t failures = 0;
    for (int64_t nth = 1; nth < 100000; nth++) {
        kst_auto_json struct kst_json *argument = kst_json_make("{'a':[1,{'b':'c'}]}");
        struct program program = {
            .code = "local t = {} for i = 1, 5 do t[i] = ('x'):rep(i) .. tostring(a.a[1]) end\n"
                    "local ok, e = pcall(error, {code = 1})\n"
                    "return {t, e.code, ('k=v'):match('(%w)=(%w)'), table.concat(t, ',')}",
            .argument = argument,
            .fail_allocation = nth,
        };
        kst_auto_err struct kst_err *err = NULL;
        int rc = in_loop(run_program, &program, &err);
        kst_json_free(program.result);
        if (rc < 0)
            failures++;
        else if (!program.violated)
            break; /* fewer allocations than nth */
        assert_true(rc == 0 || *kst_err_message(err));
    }
    assert_true(failures > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_survive),
        cmocka_unit_test(test_code_works),
        cmocka_unit_test(test_errors_name_the_line),
        cmocka_unit_test(test_harm_is_contained),
        cmocka_unit_test(test_broken_walls_stay_broken),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
