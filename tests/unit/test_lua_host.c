/* SPDX-License-Identifier: Apache-2.0 */
/* The Lua host: calls, values, errors; and blueprints that mean harm, each beside a good one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "lua/host.h"

enum { NEIGHBOUR_CALLS = 20, HARM_CPU_MS = 2000 * 5 /* the sanitizers are slow */ };

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
    bool reached; /* that allocation */
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
    program->reached = !kst_lua_will_fail(lua);
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
        {"local c = coroutine.wrap(function() error('boo') end) local ok, e = pcall(c)"
         " return e:match('boo') .. tostring(ok)",
         "\"boofalse\""},
        {"local c = coroutine.wrap(function() error({n = 5}) end) return select(2, pcall(c)).n",
         "5"},
        {"local n = 0 local c = coroutine.wrap(function() local x <close> = setmetatable({},"
         " {__close = function() n = 7 end}) error('boo') end) pcall(c) return n",
         "7"},
        {"local c = coroutine.wrap(function() local x <close> = setmetatable({},"
         " {__close = function() error('two', 0) end}) error('one') end)"
         " return (select(2, pcall(c)):gsub('^.-: ', ''))",
         "\"two\""},
        {"local c = coroutine.wrap(function() end) c() return select(2, pcall(c)):match('dead')",
         "\"dead\""},
        {"local c = coroutine.create(function() local x <close> = setmetatable({},"
         " {__close = function() error('late', 0) end}) coroutine.yield() end)"
         " coroutine.resume(c) return {coroutine.close(c)}",
         "[false,\"late\"]"},
        {"local t = setmetatable({}, {__mode = nil}) getmetatable(t).__mode = 'k' t[{}] = 1"
         " local s = {} for i = 1, 200000 do s = {s = i} end return next(t) ~= nil",
         "true"},
        {"local d = require('kassette.json').decode local n = d('1e2') return n + 1", "101.0"},
        {"local n = require('kassette.json').decode('9007199254740993.0')"
         " return {n > 5, n == n, n .. '!', -n < 0, (pcall(function() return n .. nil end))}",
         "[true,true,\"9007199254740993.0!\",true,false]"},
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

/* ---- Modules ---- */

static int read_module(void *arg, const char *path, struct kst_buf *text, struct kst_err **err)
{
    static const struct {
        const char *path, *text;
    } files[] = {
        {"x/once.lua", "loads = (loads or 0) + 1 return { n = 0 }"},
        {"x/deep/init.lua", "local once = require 'once' once.n = once.n + 1 return once"},
        {"x/other.lua", "local once = require 'once' once.n = once.n + 10 return once"},
        {"x/a.lua", "require 'b'"},
        {"x/b.lua", "require 'c'"},
        {"x/c.lua", "require 'a'"},
        {"x/nothing.lua", ""},
        {"x/broken.lua", "return +"},
        {"x/raises.lua", "error('at once')"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(files); i++) {
        if (strcmp(files[i].path, path) == 0)
            return kst_buf_adds(text, files[i].text);
    }
    return kst_err_set(err, KST_E_NOT_FOUND, "there is no %s", path);
}

static int load_with_modules(void *arg, struct kst_err **err)
{
    struct program *program = arg;
    struct kst_lua *lua = NULL;
    struct kst_lua_ref *table = NULL;
    assert_int_equal(kst_lua_new(kst_fiber_loop(), NULL, &lua, err), 0);
    int rc = kst_lua_load(lua, "x/blueprint.lua", program->code, strlen(program->code), read_module,
                          NULL, &table, err);
    if (rc == 0)
        rc = kst_lua_ref_json(table, &program->result, err);
    kst_lua_ref_free(table);
    kst_lua_free(lua);
    return rc;
}

static void test_modules(void **state)
{
    static const struct {
        const char *code, *result, *message;
    } rows[] = {
        {"require 'deep' require 'other' require 'deep' return { require('once').n }", "[11]",
         NULL},
        {"return { require 'nothing', require 'nothing' }", "[true,true]", NULL},
        {"return require 'a'", NULL, "requires itself"},
        {"local ok = pcall(require, 'a') return { ok, pcall(require, 'raises') }", NULL, NULL},
        {"return { (pcall(require, 'raises')), (pcall(require, 'raises')) }", "[false,false]",
         NULL},
        {"return require 'broken'", NULL, "x/broken.lua:1:"},
        {"return require 'raises'", NULL, "x/raises.lua:1: at once"},
        {"return require 'absent'", NULL, "there is no"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct program program = {.code = rows[i].code};
        kst_auto_err struct kst_err *err = NULL;
        int rc = in_loop(load_with_modules, &program, &err);
        kst_auto_free char *text = program.result ? kst_json_text(program.result) : NULL;
        kst_json_free(program.result);
        if (rows[i].result && (!text || strcmp(text, rows[i].result) != 0))
            fail_msg("%s: %s", rows[i].code, text ? text : kst_err_message(err));
        if (rows[i].message && (rc == 0 || !strstr(kst_err_message(err), rows[i].message)))
            fail_msg("%s: %s", rows[i].code, text ? text : kst_err_message(err));
    }
}

/* What a blueprint raises reaches the Run's status: as it meant it, and not without end. */
static void test_what_is_raised_is_told(void **state)
{
    static const struct {
        const char *code, *message, *reason, *hint;
    } rows[] = {
        {"error({message = 'no disk', reason = 'DiskFull', hint = 'buy one'})", "no disk",
         "DiskFull", "buy one"},
        {"error({message = 'no disk'})", "no disk", "BlueprintFailed", NULL},
        {"error({message = 5, hint = {}})", "has no message", "BlueprintFailed", NULL},
        {"error({})", "has no message", "BlueprintFailed", NULL},
        {"error('', 0)", "empty text", "BlueprintFailed", NULL},
        {"error()", "raised nothing", "BlueprintFailed", NULL},
        {"error(5)", "raised number", "BlueprintFailed", NULL},
        {"error(('ä'):rep(1000000), 0)", "ä…", "BlueprintFailed", NULL},
        {"error('x' .. ('ä'):rep(1000000), 0)", "ä…", "BlueprintFailed", NULL},
        {"error({message = ('y'):rep(1e6), hint = ('z'):rep(1e6)})", "y…", "BlueprintFailed", "z…"},
        {"load('x x')()", "attempt to call a nil value", "BlueprintFailed", NULL},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        struct program program = {.code = rows[i].code};
        kst_auto_err struct kst_err *err = NULL;
        assert_int_equal(in_loop(run_program, &program, &err), KST_E_FAILED);
        const char *message = kst_err_message(err), *hint = kst_err_get_hint(err);
        if (!strstr(message, rows[i].message) || strlen(message) > 4200 ||
            strcmp(kst_err_get_reason(err), rows[i].reason) != 0)
            fail_msg("%s: %s: %s", rows[i].code, kst_err_get_reason(err), message);
        if (rows[i].hint ? !hint || !strstr(hint, rows[i].hint) : hint != NULL)
            fail_msg("%s: hint %s", rows[i].code, hint ? hint : "none");
        kst_auto_json struct kst_json *value = kst_json_from_str(message), *again = NULL;
        kst_auto_free char *text = kst_json_text(value);
        if (kst_json_parse(text, strlen(text), &again, NULL) < 0)
            fail_msg("%s: a character is cut", rows[i].code);
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
    int64_t took_ms; /* of the processor: how long it waited for that says nothing of us */
};

static int64_t cpu_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int do_harm(void *arg, struct kst_err **err)
{
    struct harm *harm = arg;
    struct neighbour neighbour = {0};
    kst_auto_err struct kst_err *other = NULL;
    struct kst_fiber *fiber = kst_fiber_spawn(kst_fiber_loop(), "neighbour", be_neighbour,
                                              &neighbour);
    kst_yield();
    int64_t started = cpu_ms();
    int rc = run_program(&harm->program, err);
    harm->took_ms = cpu_ms() - started;
    if (kst_fiber_join(fiber, &other) < 0)
        fail_msg("the neighbour: %s", kst_err_message(other));
    assert_int_equal(neighbour.calls, NEIGHBOUR_CALLS);
    return rc;
}

struct harm_row {
    const char *code, *message;
};

/* What ends by the wall of time has it near. What ends by another one has time without end, since
 * on a busy machine it may need any; its memory is soon full instead. */
static const struct kst_lua_limits *limits_for(const struct harm_row *row)
{
    static const struct kst_lua_limits little_time = {.stretch_ms = 200},
                                       little_memory = {.stretch_ms = 600000,
                                                        .memory_bytes = 16 * 1024 * 1024};
    bool by_time = !*row->message || strcmp(row->message, "without waiting") == 0;
    return by_time ? &little_time : &little_memory;
}

static void check_harm(const struct harm_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct harm harm = {.program = {.code = rows[i].code, .limits = limits_for(&rows[i])}};
        kst_auto_err struct kst_err *err = NULL;
        int rc = in_loop(do_harm, &harm, &err);
        kst_auto_free char *text = harm.program.result ? kst_json_text(harm.program.result) : NULL;
        kst_json_free(harm.program.result);
        if (rc >= 0)
            fail_msg("%s: it was expected to fail, and gave %s", rows[i].code, text ? text : "nil");
        if (!strstr(kst_err_message(err), rows[i].message) || !*kst_err_message(err))
            fail_msg("%s: expected '%s' in: %s", rows[i].code, rows[i].message,
                     kst_err_message(err));
        if (harm.took_ms > HARM_CPU_MS)
            fail_msg("%s: it took %lld ms", rows[i].code, (long long)harm.took_ms);
    }
}

static void test_harm_is_contained(void **state)
{
    static const struct harm_row rows[] = {
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
        {"return ((('a'):rep(3000) .. '\\nx'):rep(2000)):gsub('a*[xy]', '') .. error('late')",
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
    check_harm(rows, KST_ARRAY_LEN(rows));
}

/* Walls where Lua itself leaves gaps: hooks that are off, memory errors that others hide. */
static void test_harm_in_corners(void **state)
{
    static const struct harm_row rows[] = {
        {"coroutine.wrap(function() local x <close> = setmetatable({}, {__close = function() while"
         " true do end end}) while true do end end)()",
         "without waiting"},
        {"local c = coroutine.create(function() local x <close> = setmetatable({}, {__close ="
         " function() while true do end end}) while true do end end)"
         " pcall(coroutine.resume, c) coroutine.close(c)",
         "without waiting"},
        {"local x <close> = setmetatable({}, {__close = function() while true do end end})"
         " while true do end",
         "without waiting"},
        {"xpcall(function() while true do end end, function() while true do end end)",
         "without waiting"},
        {"local function f(n) local ok, e = pcall(f, n + 1) while true do end end f(1)", ""},
        {"while true do pcall(coroutine.wrap(function() while true do pcall(error) end end)) end",
         "without waiting"},
        {"pcall(coroutine.wrap(function() local s = 'x' while true do s = s .. s end end))",
         "memory"},
        {"coroutine.resume(coroutine.create(function() local s = 'x' while true do s = s .. s end"
         " end))",
         "memory"},
        {"pcall(pcall, pcall, function() local t = {} while true do t[#t + 1] = {} end end)",
         "memory"},
        {"local t = {} for i = 1, 4000000 do t[i] = ('x'):rep(1000) .. i if i % 100 == 0 then"
         " load('return ' .. ('{'):rep(150) .. ('}'):rep(150)) end end",
         "memory"},
        {"local mt = {} local t = setmetatable({}, mt) mt.__mode = 'k' local k = {} for i = 1,"
         " 100000 do local n = {} t[n] = k k = n end while true do end",
         "without waiting"},
        {"setmetatable({}, {__mode = 'k'})", "__mode"},
        {"local t = {} for i = 1, 40 do t = {t, t} end return t", "bytes that a blueprint may use"},
        {"local t = {} for i = 1, 40 do t = {t, t} end require('kassette.json').encode(t)",
         "bytes that a blueprint may use"},
        {"return {[1] = 'a', ['1'] = 'b', x = 'c'}", "each key once"},
        {"require('kassette.json').decode('[' .. (' '):rep(5000000) .. ']')", "4 MiB"},
    };
    check_harm(rows, KST_ARRAY_LEN(rows));
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

/* ---- Turns ---- */

struct clockwork {
    struct kst_lua *lua;
    int turns;
    bool stop;
};

/* A timer that another run relies on. */
static int tick(void *arg, struct kst_err **err)
{
    struct clockwork *self = arg;
    while (!self->stop) {
        int rc = kst_sleep_ms(5, err);
        if (rc < 0)
            return rc;
        self->turns++;
    }
    return 0;
}

static int compute(void *arg, struct kst_err **err)
{
    struct clockwork *self = arg;
    /* An end by what was executed, not by a time: a slow machine makes it last longer. */
    const struct kst_lua_limits limits = {.instructions = 40000000, .stretch_ms = 600000};
    static const char *const codes[] = {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "coroutine.wrap(function() while true do end end)()",
        "table.sort({3, 2, 1, 5, 4}, function() while true do end end)",
        "setmetatable({}, {__index = function() while true do end end}).x()",
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(codes); i++) {
        struct program program = {.code = codes[i], .limits = &limits};
        kst_auto_err struct kst_err *cause = NULL;
        self->turns = 0;
        self->stop = false;
        struct kst_fiber *fiber = kst_fiber_spawn(kst_fiber_loop(), "tick", tick, self);
        assert_int_equal(run_program(&program, &cause), KST_E_LIMIT);
        assert_non_null(strstr(kst_err_message(cause), "instructions"));
        int turns = self->turns;
        self->stop = true;
        assert_int_equal(kst_fiber_join(fiber, err), 0);
        if (turns < 3)
            fail_msg("%s: a timer of 5 ms fired %d times meanwhile", codes[i], turns);
    }
    return 0;
}

static void test_timers_fire_while_code_computes(void **state)
{
    struct clockwork work = {0};
    assert_int_equal(in_loop(compute, &work, NULL), 0);
}

static int native_sleep(void *ctx, const struct kst_json *args, struct kst_json **result,
                        struct kst_err **err)
{
    (*(int *)ctx)++;
    return kst_sleep_ms(1, err);
}

/* Branches of one blueprint that compute for long and wait now and then: between two waits nobody
 * else has a turn in the same interpreter, or the sum would lack what was counted meanwhile. */
static int count_together(void *arg, struct kst_err **err)
{
    static const char code[] =
        "local n, log = 0, {}\n"
        "local function add(run)\n"
        "  for i = 1, 5 do\n"
        "    local seen = n\n"
        "    local t = {}\n"
        "    for j = 1, 100000 do t[j % 100] = { j } end\n"
        "    local co = coroutine.wrap(function() for j = 1, 100000 do t[j % 9] = { j } end end)\n"
        "    pcall(pcall, co)\n"
        "    n = seen + 1\n"
        "    run:sleep(0)\n"
        "  end\n"
        "  return true\n"
        "end\n"
        "return { go = function(run)\n"
        "  local f = function() return add(run) end\n"
        "  local all = run:parallel { f, f, f }\n"
        "  return n .. (all[1] and all[2] and all[3] and ' done' or ' not done')\n"
        "end }\n";
    const struct kst_lua_limits limits = {.stretch_ms = 600000};
    const struct kst_lua_native natives[] = {{"sleep", native_sleep}, {NULL, NULL}};
    struct kst_lua *lua = NULL;
    struct kst_lua_ref *module = NULL, *new = NULL, *objects = NULL, *run = NULL, *table = NULL,
                       *go = NULL;
    kst_auto_json struct kst_json *context = kst_json_object(), *result = NULL;
    const struct kst_lua_arg argument = {.json = context};
    struct clockwork *work = arg;
    int sleeps = 0;
    assert_int_equal(kst_lua_new(kst_fiber_loop(), &limits, &lua, err), 0);
    kst_lua_register(lua, natives, &sleeps);
    assert_int_equal(kst_lua_require(lua, "kassette.run", &module, err), 0);
    assert_int_equal(kst_lua_ref_get(module, "new", &new, err), 0);
    assert_int_equal(kst_lua_call(lua, new, &argument, 1, NULL, &objects, err), 0);
    assert_int_equal(kst_lua_ref_get(objects, "run", &run, err), 0);
    assert_int_equal(
        kst_lua_load(lua, "x/blueprint.lua", code, sizeof(code) - 1, NULL, NULL, &table, err), 0);
    assert_int_equal(kst_lua_ref_get(table, "go", &go, err), 0);
    struct kst_fiber *fiber = kst_fiber_spawn(kst_fiber_loop(), "tick", tick, work);
    const struct kst_lua_arg args[] = {{.ref = run}};
    int rc = kst_lua_call(lua, go, args, 1, &result, NULL, err);
    work->stop = true;
    kst_fiber_join(fiber, NULL);
    if (rc == 0) {
        assert_string_equal(kst_json_str(result), "15 done");
        assert_int_equal(sleeps, 15);
        assert_true(work->turns > 0);
    }
    kst_lua_ref_free(go);
    kst_lua_ref_free(table);
    kst_lua_ref_free(run);
    kst_lua_ref_free(objects);
    kst_lua_ref_free(new);
    kst_lua_ref_free(module);
    kst_lua_free(lua);
    return rc;
}

static void test_turns_inside_one_interpreter(void **state)
{
    kst_auto_err struct kst_err *err = NULL;
    struct clockwork work = {0};
    if (in_loop(count_together, &work, &err) < 0)
        fail_msg("%s", kst_err_message(err));
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
                    "local c = coroutine.wrap(function(n) n = coroutine.yield(n .. 'x')\n"
                    "  local y <close> = setmetatable({}, {__close = function() t.y = 'z' end})\n"
                    "  pcall(pcall, error, {n}) error({message = 'm', hint = 'h'}) end)\n"
                    "local f = load('return ...')\n"
                    "local x = f(c(1)) local _, r = pcall(c, 2)\n"
                    "return {t, e.code, ('k=v'):match('(%w)=(%w)'), table.concat(t, ','), x,\n"
                    "  r.message, tostring(select(2, xpcall(error, tostring, 'q')))}",
            .argument = argument,
            .fail_allocation = nth,
        };
        kst_auto_err struct kst_err *err = NULL;
        int rc = in_loop(run_program, &program, &err);
        kst_json_free(program.result);
        failures += rc < 0;
        assert_true(rc == 0 || *kst_err_message(err));
        if (!program.reached)
            break;
    }
    assert_true(failures > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_survive),
        cmocka_unit_test(test_code_works),
        cmocka_unit_test(test_errors_name_the_line),
        cmocka_unit_test(test_modules),
        cmocka_unit_test(test_what_is_raised_is_told),
        cmocka_unit_test(test_harm_is_contained),
        cmocka_unit_test(test_harm_in_corners),
        cmocka_unit_test(test_broken_walls_stay_broken),
        cmocka_unit_test(test_timers_fire_while_code_computes),
        cmocka_unit_test(test_turns_inside_one_interpreter),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
