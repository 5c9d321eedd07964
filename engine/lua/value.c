/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON and Lua. Whole numbers of 64 bits are integers, others floats where the float prints as the
 * text did, else a "number" that keeps its text (and can be calculated with, as a float). null is
 * json.null, so that it survives; an empty array is marked by its metatable.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "lua/internal.h"

/* Of a text to decode: parsed, it takes up to fifty times as much. */
enum { MAX_DECODE_BYTES = 4 * 1024 * 1024 };

static const char null_key; /* its address is json.null */

static void push_null(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)&null_key);
}

/* The text that a float has in JSON: the shortest that reads back as the same, always with a point
 * or an exponent. */
static void float_text(double value, char *out, size_t size)
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, size, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
    if (!strpbrk(out, ".eE"))
        snprintf(out + strlen(out), size - strlen(out), ".0");
}

static void push_number(lua_State *L, const char *text)
{
    long long whole;
    char same[64];
    if (strcmp(text, "-0") != 0 && kst_parse_int(text, &whole)) {
        lua_pushinteger(L, whole);
        return;
    }
    double value = strtod(text, NULL);
    if (isfinite(value)) {
        float_text(value, same, sizeof(same));
        if (strcmp(same, text) == 0) {
            lua_pushnumber(L, value);
            return;
        }
    }
    size_t len = strlen(text) + 1;
    memcpy(lua_newuserdatauv(L, len, 0), text, len);
    luaL_setmetatable(L, KST_LUA_NUMBER);
}

/* A string whose C0 80 become NULs. */
static void push_string(lua_State *L, const char *text)
{
    if (!strstr(text, "\xc0\x80")) {
        lua_pushstring(L, text);
        return;
    }
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    for (const char *at = text; *at; at++) {
        bool nul = at[0] == '\xc0' && at[1] == '\x80';
        luaL_addchar(&buffer, nul ? '\0' : *at);
        at += nul;
    }
    luaL_pushresult(&buffer);
}

static void push_container(lua_State *L, const struct kst_json *value, bool array)
{
    luaL_checkstack(L, 4, "JSON is nested too deeply");
    lua_createtable(L, array ? (int)kst_json_len(value) : 0, array ? 0 : (int)kst_json_len(value));
    lua_Integer index = 1;
    for (const struct kst_json *row = kst_json_first(value); row; row = kst_json_next(row)) {
        if (array) {
            kst_lua_push_json(L, row);
            lua_rawseti(L, -2, index++);
        } else {
            push_string(L, kst_json_key(row));
            kst_lua_push_json(L, row);
            lua_rawset(L, -3);
        }
    }
    if (array)
        luaL_setmetatable(L, KST_LUA_ARRAY);
}

void kst_lua_push_json(lua_State *L, const struct kst_json *value)
{
    switch (kst_json_type(value)) {
    case KST_JSON_ABSENT:
        lua_pushnil(L);
        break;
    case KST_JSON_NULL:
        push_null(L);
        break;
    case KST_JSON_BOOL:
        lua_pushboolean(L, kst_json_true(value));
        break;
    case KST_JSON_NUMBER:
        push_number(L, kst_json_number(value));
        break;
    case KST_JSON_STRING:
        push_string(L, kst_json_str(value));
        break;
    default:
        push_container(L, value, kst_json_type(value) == KST_JSON_ARRAY);
    }
}

static int push_protected(lua_State *L)
{
    kst_lua_push_json(L, lua_touserdata(L, 1));
    return 1;
}

void kst_lua_push_json_take(lua_State *L, struct kst_json *value)
{
    lua_pushcfunction(L, push_protected);
    lua_pushlightuserdata(L, value);
    int status = lua_pcall(L, 1, 1, 0);
    kst_json_free(value);
    if (status != LUA_OK)
        kst_lua_rethrow(L, status);
}

/*
 * A conversion that is under way. What it makes is not counted as the interpreter's memory, and a
 * table that is found in many places is converted in each: a few lines of a blueprint can stand for
 * more than there is memory or time. So both have a limit here.
 */
struct conversion {
    lua_State *L;
    bool functions;
    struct kst_err **err;
    int depth;
    size_t left_bytes;
    struct kst_work started;
};

enum { NODE_BYTES = 100 /* what a value takes beside its text, about */ };

static int spend(struct conversion *to, size_t bytes)
{
    struct kst_lua *lua = kst_lua_of(to->L);
    if (bytes > to->left_bytes)
        return kst_err_set(to->err, KST_E_LIMIT,
                           "the data takes more than the %zu bytes that a blueprint may use",
                           lua->limits.memory_bytes);
    to->left_bytes -= bytes;
    return 0;
}

static int check_time(struct conversion *to)
{
    struct kst_lua *lua = kst_lua_of(to->L);
    if (!kst_work_exceeds(&to->started, lua->limits.stretch_ms))
        return 0;
    kst_err_set(to->err, KST_E_LIMIT, "the data takes more than %lld ms to convert",
                (long long)lua->limits.stretch_ms);
    kst_lua_violate(lua, "the blueprint made data that takes too long to convert");
    return KST_E_LIMIT;
}

static int convert(struct conversion *to, int index, struct kst_json **out);

static int bad(struct conversion *to, const char *what)
{
    return kst_err_set(to->err, KST_E_USAGE, "expected data that JSON can hold, found %s", what);
}

static struct kst_json *function_json(lua_State *L, int index)
{
    lua_Debug debug;
    lua_pushvalue(L, index);
    lua_getinfo(L, ">S", &debug);
    return kst_json_make("{'$function':{'file':%s,'line':%d}}", debug.short_src, debug.linedefined);
}

static int convert_number(struct conversion *to, int index, struct kst_json **out)
{
    if (lua_isinteger(to->L, index)) {
        *out = kst_json_from_int(lua_tointeger(to->L, index));
        return 0;
    }
    double value = lua_tonumber(to->L, index);
    if (!isfinite(value))
        return bad(to, isnan(value) ? "a number that is not one (NaN)" : "an infinite number");
    char text[64];
    float_text(value, text, sizeof(text));
    *out = kst_json_from_number(text);
    return 0;
}

/* How many entries the table has, and whether its keys are 1 to that count. */
static bool is_sequence(lua_State *L, int index, size_t *count)
{
    *count = 0;
    size_t length = lua_rawlen(L, index);
    bool sequence = true;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        (*count)++;
        lua_pop(L, 1);
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 1 ||
            (size_t)lua_tointeger(L, -1) > length)
            sequence = false;
    }
    return sequence && *count == length;
}

static bool is_marked_array(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return false;
    luaL_getmetatable(L, KST_LUA_ARRAY);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

static int convert_array(struct conversion *to, int index, size_t count, struct kst_json *array)
{
    for (size_t i = 1; i <= count; i++) {
        struct kst_json *value = NULL;
        lua_rawgeti(to->L, index, (lua_Integer)i);
        int rc = convert(to, lua_gettop(to->L), &value);
        lua_pop(to->L, 1);
        if (rc < 0)
            return rc;
        kst_json_push(array, value);
    }
    return 0;
}

/* An entry of an object that is being made. */
struct entry {
    char *key;
    struct kst_json *value;
};

/* A key: a string; an integer, as JSON has only strings; nothing else. */
static int key_text(struct conversion *to, char **key)
{
    lua_State *L = to->L;
    if (lua_type(L, -2) == LUA_TSTRING) {
        size_t len;
        const char *text = lua_tolstring(L, -2, &len);
        int rc = spend(to, len);
        if (rc == 0)
            *key = kst_json_raw_text(text, len);
        return rc;
    }
    if (lua_isinteger(L, -2)) {
        *key = kst_asprintf("%lld", (long long)lua_tointeger(L, -2));
        return 0;
    }
    return kst_err_set(to->err, KST_E_USAGE, "expected keys that are strings, found %s",
                       luaL_typename(L, -2));
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

/* The entries of the table; as many as `done` says are to be freed. */
static int read_entries(struct conversion *to, int index, struct entry *entries, size_t *done)
{
    lua_pushnil(to->L);
    while (lua_next(to->L, index)) {
        struct entry *entry = &entries[*done];
        int rc = key_text(to, &entry->key);
        if (rc == 0) {
            (*done)++;
            rc = convert(to, lua_gettop(to->L), &entry->value);
        }
        if (rc < 0) {
            lua_pop(to->L, 2);
            return entry->key ? kst_err_wrap(to->err, rc, "%.200s", entry->key) : rc;
        }
        lua_pop(to->L, 1);
    }
    return 0;
}

/* Sorted by key: the order of Lua's tables is no order. */
static int convert_object(struct conversion *to, int index, size_t count, struct kst_json *object)
{
    struct entry *entries = kst_calloc(count + 1, sizeof(*entries));
    size_t done = 0;
    int rc = read_entries(to, index, entries, &done);
    if (rc == 0)
        qsort(entries, done, sizeof(*entries), compare_entries);
    for (size_t i = 1; rc == 0 && i < done; i++) {
        if (compare_entries(&entries[i - 1], &entries[i]) == 0)
            rc = kst_err_set(to->err, KST_E_USAGE,
                             "expected each key once, found %.200s both as a number and as a text",
                             entries[i].key);
    }
    for (size_t i = 0; i < done; i++) {
        if (rc == 0)
            kst_json_append(object, entries[i].key, entries[i].value);
        else
            kst_json_free(entries[i].value);
        free(entries[i].key);
    }
    free(entries);
    return rc;
}

static int convert_table(struct conversion *to, int index, struct kst_json **out)
{
    if (to->depth >= KST_JSON_DEPTH || !lua_checkstack(to->L, 8))
        return bad(to, "a table that is nested too deeply, or holds itself");
    size_t count = 0;
    int rc = check_time(to);
    if (rc < 0)
        return rc;
    bool marked = is_marked_array(to->L, index);
    bool array = is_sequence(to->L, index, &count) && (count || marked);
    if (marked && !array)
        return bad(to, "a list with holes or other keys (table.remove closes a hole)");
    struct kst_json *made = array ? kst_json_array() : kst_json_object();
    to->depth++;
    rc = array ? convert_array(to, index, count, made) : convert_object(to, index, count, made);
    to->depth--;
    if (rc < 0) {
        kst_json_free(made);
        return rc;
    }
    *out = made;
    return 0;
}

static int convert(struct conversion *to, int index, struct kst_json **out)
{
    lua_State *L = to->L;
    size_t len;
    const char *text;
    int rc = spend(to, NODE_BYTES + (lua_type(L, index) == LUA_TSTRING ? lua_rawlen(L, index) : 0));
    if (rc < 0)
        return rc;
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        *out = kst_json_null();
        return 0;
    case LUA_TBOOLEAN:
        *out = kst_json_bool(lua_toboolean(L, index));
        return 0;
    case LUA_TNUMBER:
        return convert_number(to, index, out);
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &len);
        *out = kst_json_from_strn(text, len);
        return 0;
    case LUA_TTABLE:
        return convert_table(to, index, out);
    case LUA_TFUNCTION:
        if (!to->functions)
            return bad(to, "a function");
        *out = function_json(L, index);
        return 0;
    case LUA_TLIGHTUSERDATA:
        *out = kst_json_null();
        return 0;
    default:
        text = luaL_testudata(L, index, KST_LUA_NUMBER);
        if (!text)
            return bad(to, luaL_typename(L, index));
        *out = kst_json_from_number(text);
        return 0;
    }
}

int kst_lua_to_json(lua_State *L, int index, bool functions, struct kst_json **out,
                    struct kst_err **err)
{
    const struct kst_lua_limits *limits = &kst_lua_of(L)->limits;
    struct conversion to = {.L = L,
                            .functions = functions,
                            .err = err,
                            .left_bytes = limits->memory_bytes,
                            .started = kst_work_now()};
    if (!lua_checkstack(L, 8))
        return kst_err_set(err, KST_E_LIMIT, "the stack of the blueprint is full");
    return convert(&to, lua_absindex(L, index), out);
}

/* A number of either kind, pushed as Lua's. */
static void push_plain_number(lua_State *L, int index)
{
    const char *text = luaL_testudata(L, index, KST_LUA_NUMBER);
    if (text)
        lua_pushnumber(L, strtod(text, NULL));
    else
        lua_pushnumber(L, luaL_checknumber(L, index));
}

/* Arithmetic with numbers that keep their text: upvalue 1 is the operator. */
static int number_arith(lua_State *L)
{
    int op = (int)lua_tointeger(L, lua_upvalueindex(1));
    push_plain_number(L, 1);
    if (op != LUA_OPUNM)
        push_plain_number(L, 2);
    lua_arith(L, op);
    return 1;
}

static int number_compare(lua_State *L)
{
    push_plain_number(L, 1);
    push_plain_number(L, 2);
    lua_pushboolean(L, lua_compare(L, -2, -1, (int)lua_tointeger(L, lua_upvalueindex(1))));
    return 1;
}

static int number_concat(lua_State *L)
{
    for (int i = 1; i <= 2; i++) {
        if (!lua_isstring(L, i) && !luaL_testudata(L, i, KST_LUA_NUMBER))
            return luaL_error(L, "attempt to concatenate a %s value", luaL_typename(L, i));
    }
    luaL_tolstring(L, 1, NULL);
    luaL_tolstring(L, 2, NULL);
    lua_concat(L, 2);
    return 1;
}

static int number_tostring(lua_State *L)
{
    lua_pushstring(L, luaL_checkudata(L, 1, KST_LUA_NUMBER));
    return 1;
}

static int json_encode(lua_State *L)
{
    struct kst_json *value = NULL;
    struct kst_err *err = NULL;
    luaL_checkany(L, 1);
    if (kst_lua_to_json(L, 1, false, &value, &err) < 0)
        return kst_lua_raise(L, err);
    char *text = kst_json_text(value);
    kst_json_free(value);
    struct kst_json *string = kst_json_from_str(text);
    free(text);
    kst_lua_push_json_take(L, string);
    return 1;
}

static int json_decode(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    luaL_argcheck(L, len <= MAX_DECODE_BYTES, 1, "the text has more than 4 MiB");
    struct kst_json *value = NULL;
    struct kst_err *err = NULL;
    if (kst_json_parse(text, len, &value, &err) < 0)
        return kst_lua_raise(L, err);
    kst_lua_push_json_take(L, value);
    return 1;
}

static int json_array(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    luaL_setmetatable(L, KST_LUA_ARRAY);
    return 1;
}

void kst_lua_push_json_module(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"encode", json_encode}, {"decode", json_decode}, {"array", json_array}, {NULL, NULL}};
    luaL_newlib(L, functions);
    push_null(L);
    lua_setfield(L, -2, "null");
}

void kst_lua_open_values(lua_State *L)
{
    static const struct {
        const char *event;
        lua_CFunction fn;
        int op;
    } operators[] = {
        {"__add", number_arith, LUA_OPADD},   {"__sub", number_arith, LUA_OPSUB},
        {"__mul", number_arith, LUA_OPMUL},   {"__div", number_arith, LUA_OPDIV},
        {"__mod", number_arith, LUA_OPMOD},   {"__pow", number_arith, LUA_OPPOW},
        {"__idiv", number_arith, LUA_OPIDIV}, {"__unm", number_arith, LUA_OPUNM},
        {"__eq", number_compare, LUA_OPEQ},   {"__lt", number_compare, LUA_OPLT},
        {"__le", number_compare, LUA_OPLE},   {"__concat", number_concat, 0},
    };
    luaL_newmetatable(L, KST_LUA_NUMBER);
    for (size_t i = 0; i < KST_ARRAY_LEN(operators); i++) {
        lua_pushinteger(L, operators[i].op);
        lua_pushcclosure(L, operators[i].fn, 1);
        lua_setfield(L, -2, operators[i].event);
    }
    lua_pushcfunction(L, number_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushliteral(L, "number");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    luaL_newmetatable(L, KST_LUA_ARRAY);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}
