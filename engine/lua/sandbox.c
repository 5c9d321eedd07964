/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a blueprint sees: environments, protected calls that let violations through, and `require`.
 *
 * Every chunk has an environment of its own with its own copies of the library's tables, so that no
 * blueprint can change what another, or the standard library, calls. The functions behind methods
 * of strings are a table that nothing refers to.
 */
#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "lua/embedded.h"
#include "lua/internal.h"

enum { MAX_PRINT_BYTES = 8 * 1024 };

static int finish_pcall(lua_State *L, int status, lua_KContext skip)
{
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(L) - (int)skip;
    if (status == LUA_ERRMEM || kst_lua_is_final(L, -1))
        return kst_lua_rethrow(L, status);
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

static int safe_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_pcall);
    return finish_pcall(L, status, 0);
}

/* The handler of xpcall, which a violation does not run. */
static int call_handler(lua_State *L)
{
    if (kst_lua_is_final(L, 1))
        return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

static int safe_xpcall(lua_State *L)
{
    int count = lua_gettop(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, call_handler, 1);
    lua_replace(L, 2);
    lua_pushboolean(L, 1);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2);
    int status = lua_pcallk(L, count - 2, LUA_MULTRET, 2, 2, finish_pcall);
    return finish_pcall(L, status, 2);
}

/* Calls the function at the bottom with what is above it, which begins with the coroutine `co`;
 * (false, error) of what no blueprint may catch is raised. */
static int call_resume(lua_State *L, lua_State *co)
{
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    if (lua_toboolean(L, 1))
        return lua_gettop(L);
    int status = co ? lua_status(co) : LUA_OK;
    if (lua_gettop(L) >= 2 && (status == LUA_ERRMEM || kst_lua_is_final(L, 2)))
        return kst_lua_rethrow(L, status);
    return lua_gettop(L);
}

/* coroutine.resume: upvalue 1 is the original. */
static int safe_resume(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    return call_resume(L, co);
}

/* coroutine.close: upvalue 1 is the original. Where a wall was broken nothing is closed: Lua leaves
 * the hooks off in a coroutine in which a hook raised, and a __close would run without limits. */
static int safe_close(lua_State *L)
{
    kst_lua_check_walls(L);
    return safe_resume(L);
}

/* What coroutine.wrap makes. Upvalues: the coroutine, and the originals of resume and close. */
static int call_wrapped(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_rotate(L, 1, 2);
    call_resume(L, co);
    if (lua_toboolean(L, 1))
        return lua_gettop(L) - 1;
    lua_settop(L, 2);
    if (lua_status(co) > LUA_YIELD) { /* it ended by the error: its variables are closed */
        lua_pushvalue(L, lua_upvalueindex(3));
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_call(L, 1, 2); /* false, and the error, or the one that closing raised */
        kst_lua_check_walls(L);
        if (lua_toboolean(L, -2))
            lua_settop(L, 2);
        else
            lua_remove(L, -2);
    }
    if (lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

/* coroutine.wrap: Lua's own turns a lack of memory into an error like others. Upvalues: the
 * originals of create, resume and close. */
static int safe_wrap(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushvalue(L, lua_upvalueindex(3));
    lua_pushcclosure(L, call_wrapped, 3);
    return 1;
}

static int safe_setmetatable(lua_State *L)
{
    int type = lua_type(L, 2);
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    if (type == LUA_TTABLE) {
        lua_pushliteral(L, "__gc");
        lua_rawget(L, 2);
        if (!lua_isnil(L, -1))
            return luaL_error(L, "setmetatable: a blueprint cannot have finalizers (__gc)");
        lua_pushliteral(L, "__mode");
        lua_rawget(L, 2);
        if (!lua_isnil(L, -1))
            return luaL_error(L, "setmetatable: a blueprint cannot have weak tables (__mode)");
        lua_pop(L, 2);
    }
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

static int safe_print(lua_State *L)
{
    int count = lua_gettop(L);
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&buffer, ' ');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&buffer);
    }
    luaL_pushresult(&buffer);
    if (lua_rawlen(L, -1) > MAX_PRINT_BYTES)
        lua_pushlstring(L, lua_tostring(L, -1), MAX_PRINT_BYTES);
    kst_log(KST_LOG_INFO, lua_tostring(L, -1), NULL);
    return 0;
}

static int safe_collectgarbage(lua_State *L)
{
    const char *what = luaL_optstring(L, 1, "count");
    if (strcmp(what, "count") != 0)
        return luaL_error(L, "collectgarbage: only \"count\" is available to blueprints");
    lua_pushnumber(L, (lua_Number)kst_lua_of(L)->used / 1024);
    return 1;
}

/* load(text [, name [, mode [, env]]]): text only. Upvalue 1: the chunk's environment. */
static int safe_load(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    const char *name = luaL_optstring(L, 2, "=(load)");
    luaL_argcheck(L, len <= kst_lua_of(L)->limits.source_bytes, 1, "the text is too long");
    bool has_env = lua_gettop(L) >= 4;
    int status = luaL_loadbufferx(L, text, len, name, "t");
    if (status == LUA_ERRMEM)
        return kst_lua_rethrow(L, status);
    if (status != LUA_OK) {
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    lua_pushvalue(L, has_env ? 4 : lua_upvalueindex(1));
    lua_setupvalue(L, -2, 1);
    return 1;
}

/* "a.b" is made of names: what could lead out of the tree is none. */
static bool is_module_name(const char *name)
{
    bool part = false;
    for (const char *at = name; *at; at++) {
        if (*at == '.' ? !part : !isalnum((unsigned char)*at) && *at != '_' && *at != '-')
            return false;
        part = *at != '.';
    }
    return part;
}

static char *module_path(const char *folder, const char *name, const char *suffix)
{
    char *path = kst_asprintf("%s%s%s", folder, name, suffix);
    size_t end = strlen(folder) + strlen(name);
    for (size_t i = strlen(folder); i < end; i++) {
        if (path[i] == '.')
            path[i] = '/';
    }
    return path;
}

/* Reads a module of the chunk's own tree into a string at the top; its path below it. */
static void push_module_text(lua_State *L, struct kst_lua_loader *loader, const char *name)
{
    static const char *const suffixes[] = {".lua", "/init.lua"};
    struct kst_err *err = NULL;
    for (size_t i = 0; i < KST_ARRAY_LEN(suffixes); i++) {
        struct kst_buf text;
        kst_buf_init(&text, loader->lua->limits.source_bytes);
        char *path = module_path(loader->folder, name, suffixes[i]);
        kst_err_clear(&err);
        int rc = loader->read ? loader->read(loader->read_arg, path, &text, &err)
                              : kst_err_set(&err, KST_E_NOT_FOUND, "there are no modules here");
        kst_lua_wait_turn(loader->lua);
        if (rc == 0) {
            struct kst_json *pair = kst_json_array();
            kst_json_push(pair, kst_json_from_str(path));
            kst_json_push(pair, kst_json_from_strn(text.data, text.len));
            free(path);
            kst_buf_release(&text);
            kst_lua_push_json_take(L, pair);
            lua_rawgeti(L, -1, 1);
            lua_rawgeti(L, -2, 2);
            lua_remove(L, -3);
            return;
        }
        free(path);
        kst_buf_release(&text);
        if (rc != KST_E_NOT_FOUND)
            break;
    }
    kst_err_wrap(&err, kst_err_code(err), "require \"%s\"", name);
    kst_lua_raise(L, err);
}

/* Loads and runs a module of the chunk's own tree; pushes what it returned (true for nothing). */
static int load_module(lua_State *L)
{
    struct kst_lua_loader *loader = lua_touserdata(L, 2);
    push_module_text(L, loader, lua_tostring(L, 1));
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    kst_lua_load_chunk(L, lua_tostring(L, -2), text, len, loader);
    lua_call(L, 0, 1);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, 1);
    }
    return 1;
}

/* A module of the chunk's own tree, loaded once whoever of the tree requires it. `loading` (at the
 * top, popped) tells which thread is at it: a module that requires itself by way of others would
 * never end. Another branch of run:parallel may load it at the same time; the first one counts. */
static int require_own(lua_State *L, struct kst_lua_loader *loader, const char *name)
{
    lua_getfield(L, -1, name);
    bool loop = lua_tothread(L, -1) == L;
    lua_pop(L, 1);
    if (loop)
        return luaL_error(L, "require \"%s\": the module requires itself, by way of others", name);
    lua_pushthread(L);
    lua_setfield(L, -2, name);
    lua_pushcfunction(L, load_module);
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, loader);
    int status = lua_pcall(L, 2, 1, 0);
    lua_pushnil(L);
    lua_setfield(L, -3, name);
    if (status != LUA_OK)
        return kst_lua_rethrow(L, status);
    lua_remove(L, -2);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, lua_upvalueindex(2)) == LUA_TNIL)
        lua_pop(L, 1);
    else
        lua_remove(L, -2);
    return 1;
}

/* Upvalues: the loader, the table of what its chunks loaded, and the one of what they load now. */
static int safe_require(lua_State *L)
{
    struct kst_lua_loader *loader = lua_touserdata(L, lua_upvalueindex(1));
    const char *name = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    lua_pushvalue(L, 1);
    lua_rawget(L, lua_upvalueindex(2));
    if (!lua_isnil(L, -1))
        return 1;
    lua_pop(L, 1);
    if (strcmp(name, "kassette.json") == 0) {
        kst_lua_push_json_module(L);
    } else if (loader->is_library || (loader->is_test && strcmp(name, "kassette.test") == 0)) {
        kst_lua_push_module(L, name);
    } else if (!is_module_name(name) || strncmp(name, "kassette.", 9) == 0) {
        return luaL_error(
            L,
            "require \"%s\": expected the name of a module beside the blueprint, such "
            "as \"a\" or \"a.b\", or \"kassette.json\"",
            name);
    } else {
        lua_pushvalue(L, lua_upvalueindex(3));
        require_own(L, loader, name);
    }
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, lua_upvalueindex(2));
    return 1;
}

/* Pushes `require` for the chunks of a loader, which all share what they loaded. */
static void push_require(lua_State *L, struct kst_lua_loader *loader)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, loader) != LUA_TNIL)
        return;
    lua_pop(L, 1);
    lua_pushlightuserdata(L, loader);
    lua_newtable(L);
    lua_newtable(L);
    lua_pushcclosure(L, safe_require, 3);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, loader);
}

/* Copies the table at the top into field `name` of the environment below it, and pops it. */
static void set_copy(lua_State *L, const char *name)
{
    int from = lua_gettop(L);
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, from)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, from + 1);
    }
    lua_setfield(L, from - 1, name);
    lua_settop(L, from - 1);
}

static const char *const plain[] = {"assert",   "error",    "ipairs", "next",         "pairs",
                                    "rawequal", "rawget",   "rawlen", "rawset",       "select",
                                    "tonumber", "tostring", "type",   "getmetatable", "_VERSION"};
static const char *const tables[] = {"string", "table", "math", "utf8", "coroutine"};
#define KST_LUA_BASE "kst.base" /* the prepared library, in the registry */

void kst_lua_push_environment(lua_State *L, struct kst_lua_loader *loader)
{
    static const luaL_Reg own[] = {{"pcall", safe_pcall},
                                   {"xpcall", safe_xpcall},
                                   {"setmetatable", safe_setmetatable},
                                   {"print", safe_print},
                                   {"collectgarbage", safe_collectgarbage},
                                   {NULL, NULL}};
    lua_newtable(L);
    int env = lua_gettop(L);
    luaL_setfuncs(L, own, 0);
    lua_getfield(L, LUA_REGISTRYINDEX, KST_LUA_BASE);
    for (size_t i = 0; i < KST_ARRAY_LEN(plain); i++) {
        lua_getfield(L, -1, plain[i]);
        lua_setfield(L, env, plain[i]);
    }
    lua_insert(L, env); /* base below the environment */
    for (size_t i = 0; i < KST_ARRAY_LEN(tables); i++) {
        lua_getfield(L, env, tables[i]);
        set_copy(L, tables[i]);
    }
    lua_remove(L, env);
    lua_pushvalue(L, env);
    lua_setfield(L, env, "_G");
    lua_pushvalue(L, env);
    lua_pushcclosure(L, safe_load, 1);
    lua_setfield(L, env, "load");
    push_require(L, loader);
    lua_setfield(L, env, "require");
    if (loader->is_library) {
        lua_getfield(L, LUA_REGISTRYINDEX, KST_LUA_NATIVES);
        lua_setfield(L, env, "native");
    }
}

void kst_lua_load_chunk(lua_State *L, const char *name, const char *text, size_t len,
                        struct kst_lua_loader *loader)
{
    struct kst_err *err = NULL;
    lua_pushfstring(L, loader->is_library ? "=%s" : "@%s", name);
    if (len > loader->lua->limits.source_bytes)
        kst_err_set(&err, KST_E_LIMIT, "%s is larger than the %zu bytes that are allowed", name,
                    loader->lua->limits.source_bytes);
    else if (len && text[0] == LUA_SIGNATURE[0])
        kst_err_set(&err, KST_E_INVALID, "%s is Lua bytecode; only source text is accepted", name);
    if (err)
        kst_lua_raise(L, err);
    int status = luaL_loadbufferx(L, text, len, lua_tostring(L, -1), "t");
    if (status == LUA_ERRSYNTAX) {
        kst_err_set(&err, KST_E_PARSE, "%s", lua_tostring(L, -1));
        kst_err_reason(&err, "BlueprintSyntax");
        kst_lua_raise(L, err);
    } else if (status != LUA_OK) {
        kst_lua_rethrow(L, status);
    }
    kst_lua_push_environment(L, loader);
    lua_setupvalue(L, -2, 1);
    lua_remove(L, -2);
}

static const struct kst_embedded_file *find_embedded(const char *path)
{
    for (size_t i = 0; i < kst_embedded_count; i++) {
        if (strcmp(kst_embedded[i].path, path) == 0)
            return &kst_embedded[i];
    }
    return NULL;
}

/* The library's loader is the first that was made; it stays in the list. */
static struct kst_lua_loader *library_loader(struct kst_lua *self)
{
    for (struct kst_lua_loader *at = self->loaders; at; at = at->next) {
        if (at->is_library)
            return at;
    }
    struct kst_lua_loader *loader = kst_calloc(1, sizeof(*loader));
    *loader = (struct kst_lua_loader){
        .next = self->loaders, .lua = self, .folder = kst_strdup(""), .is_library = true};
    self->loaders = loader;
    return loader;
}

void kst_lua_push_module(lua_State *L, const char *name)
{
    lua_getfield(L, LUA_REGISTRYINDEX, KST_LUA_MODULES);
    if (lua_getfield(L, -1, name) != LUA_TNIL) {
        lua_remove(L, -2);
        return;
    }
    lua_pop(L, 1);
    struct kst_err *err = NULL;
    char *path = module_path("lua/", name, ".lua");
    const struct kst_embedded_file *file = find_embedded(path);
    free(path);
    if (!file)
        kst_err_set(&err, KST_E_NOT_FOUND, "the standard library has no module %s", name);
    if (err)
        kst_lua_raise(L, err);
    kst_lua_load_chunk(L, name, (const char *)file->data, file->size,
                       library_loader(kst_lua_of(L)));
    lua_call(L, 0, 1);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, name);
    lua_remove(L, -2);
}

/* Replaces a field of the table at the top by a wrapper that has the original as its upvalue. */
static void wrap(lua_State *L, const char *name, lua_CFunction wrapper)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, wrapper, 1);
    lua_setfield(L, -2, name);
}

/*
 * No weak tables. The collector visits all entries of a table with weak keys again for each key
 * that it finds alive, in one step that nothing can interrupt: a chain of 40,000 entries takes
 * seconds, what fits into a blueprint's memory hours. It finds __mode by the identity of the string
 * "__mode" that was made at its start; once that string reads otherwise, every "__mode" of a
 * blueprint is another one, which means nothing. What it reads cannot be guessed, as a string of a
 * blueprint that is the same would be the same one.
 */
static void forget_weak_tables(lua_State *L)
{
    unsigned char noise[6];
    char *name = (char *)(uintptr_t)lua_pushliteral(L, "__mode");
    assert(strlen(name) == sizeof(noise));
    if (getrandom(noise, sizeof(noise), 0) != sizeof(noise))
        abort(); /* as few bytes always come whole, once the kernel has any */
    for (size_t i = 0; i < sizeof(noise); i++)
        name[i] = (char)(noise[i] | 0x80); /* no NUL, and never "__mode" again */
    lua_pop(L, 1);
}

/* Mends the functions in the table `coroutine` of the table at the top. */
static void open_coroutines(lua_State *L)
{
    lua_getfield(L, -1, "coroutine");
    static const char *const originals[] = {"create", "resume", "close"};
    for (size_t i = 0; i < KST_ARRAY_LEN(originals); i++)
        lua_getfield(L, -1 - (int)i, originals[i]);
    lua_pushcclosure(L, safe_wrap, 3);
    lua_setfield(L, -2, "wrap");
    wrap(L, "resume", safe_resume);
    wrap(L, "close", safe_close);
    lua_pop(L, 1);
}

void kst_lua_open_sandbox(lua_State *L)
{
    forget_weak_tables(L);
    static const luaL_Reg libraries[] = {{"_G", luaopen_base},
                                         {"string", luaopen_string},
                                         {"table", luaopen_table},
                                         {"math", luaopen_math},
                                         {"utf8", luaopen_utf8},
                                         {"coroutine", luaopen_coroutine},
                                         {NULL, NULL}};
    for (const luaL_Reg *library = libraries; library->name; library++) {
        luaL_requiref(L, library->name, library->func, 1);
        lua_pop(L, 1);
    }
    lua_pushglobaltable(L);
    lua_getfield(L, -1, "string");
    kst_lua_open_strings(L);
    lua_pop(L, 1);
    lua_getfield(L, -1, "table");
    kst_lua_open_tables(L);
    lua_pop(L, 1);
    open_coroutines(L);
    /* Methods of strings come from this table, which no chunk can reach. */
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_getfield(L, -3, "string");
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
    lua_setfield(L, LUA_REGISTRYINDEX, KST_LUA_BASE);
    lua_getfield(L, LUA_REGISTRYINDEX, KST_LUA_NATIVES);
    lua_pushcfunction(L, kst_lua_parallel);
    lua_setfield(L, -2, "parallel");
    lua_pop(L, 1);
}
