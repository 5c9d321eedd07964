/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a blueprint sees: environments, protected calls that let violations through, and `require`.
 *
 * Every chunk has an environment of its own with its own copies of the library's tables, so that no
 * blueprint can change what another, or the standard library, calls. The functions behind methods
 * of strings are a table that nothing refers to.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "lua/embedded.h"
#include "lua/internal.h"

static int finish_pcall(lua_State *L, int status, lua_KContext skip)
{
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(L) - (int)skip;
    if (status == LUA_ERRMEM)
        kst_lua_violate(kst_lua_of(L), "the blueprint needs more memory than it is allowed");
    if (kst_lua_is_final(L, -1))
        return lua_error(L);
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

/* coroutine.resume and close: upvalue 1 is the original; (false, error) of a violation is raised.
 */
static int safe_resume(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    int count = lua_gettop(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, count, LUA_MULTRET);
    if (lua_toboolean(L, 1))
        return lua_gettop(L);
    if (co && lua_status(co) == LUA_ERRMEM)
        kst_lua_violate(kst_lua_of(L), "the blueprint needs more memory than it is allowed");
    if (lua_gettop(L) >= 2 && kst_lua_is_final(L, 2))
        return lua_error(L);
    return lua_gettop(L);
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
        lua_pop(L, 1);
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
    if (luaL_loadbufferx(L, text, len, name, "t") != LUA_OK) {
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

/* Upvalues: the loader, and the table of what was loaded. */
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
        push_module_text(L, loader, name);
        size_t len;
        const char *text = lua_tolstring(L, -1, &len);
        kst_lua_load_chunk(L, lua_tostring(L, -2), text, len, loader);
        lua_call(L, 0, 1);
    }
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, 1);
    }
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, lua_upvalueindex(2));
    return 1;
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
    lua_pushlightuserdata(L, loader);
    lua_newtable(L);
    lua_pushcclosure(L, safe_require, 2);
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
    if (luaL_loadbufferx(L, text, len, lua_tostring(L, -1), "t") != LUA_OK)
        lua_error(L);
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

void kst_lua_open_sandbox(lua_State *L)
{
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
    lua_getfield(L, -1, "coroutine");
    wrap(L, "resume", safe_resume);
    wrap(L, "close", safe_resume);
    lua_pop(L, 1);
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
