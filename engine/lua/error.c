/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors between C and Lua: an error of ours is a userdata with code, reason, message and hint,
 * which a blueprint may read and raise again, and which comes back as what it was.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "lua/internal.h"

enum { MAX_MESSAGE_BYTES = 4096 };

/* Fields that are read where nothing may be raised: as keys of a table in the registry, these
 * strings always exist, so that pushing them allocates nothing. */
static const char *const names[] = {"message", "reason", "hint", "place"};

struct error {
    int code;
    bool final; /* no pcall of a blueprint holds it */
};

/* The place in a blueprint that is being executed, without the standard library's frames:
 * "postgresql/blueprint.lua:12: ", or "". */
static void push_place(lua_State *L)
{
    lua_Debug debug;
    for (int level = 0; lua_getstack(L, level, &debug); level++) {
        lua_getinfo(L, "Sl", &debug);
        if (debug.currentline > 0 && strncmp(debug.source, "=kassette.", 10) != 0) {
            lua_pushfstring(L, "%s:%d: ", debug.short_src, debug.currentline);
            return;
        }
    }
    lua_pushliteral(L, "");
}

static int push_error(lua_State *L)
{
    const struct kst_err *err = lua_touserdata(L, 1);
    lua_State *from = lua_touserdata(L, 2); /* whose place it is */
    int code = kst_err_code(err);
    struct error *error = lua_newuserdatauv(L, sizeof(*error), 1);
    error->code = code;
    error->final = code == KST_E_CANCELLED || code == KST_E_LOST;
    luaL_setmetatable(L, KST_LUA_ERROR);
    lua_createtable(L, 0, 4);
    lua_pushstring(L, kst_err_message(err));
    lua_setfield(L, -2, "message");
    lua_pushstring(L, kst_err_get_reason(err));
    lua_setfield(L, -2, "reason");
    if (kst_err_get_hint(err)) {
        lua_pushstring(L, kst_err_get_hint(err));
        lua_setfield(L, -2, "hint");
    }
    push_place(from);
    if (from != L)
        lua_xmove(from, L, 1);
    lua_setfield(L, -2, "place");
    lua_setiuservalue(L, -2, 1);
    return 1;
}

int kst_lua_raise(lua_State *L, struct kst_err *err)
{
    lua_pushcfunction(L, push_error);
    lua_pushlightuserdata(L, err);
    lua_pushlightuserdata(L, L);
    int status = lua_pcall(L, 2, 1, 0);
    kst_err_free(err);
    return kst_lua_rethrow(L, status); /* without memory, that error is raised instead */
}

static void no_memory(struct kst_lua *self)
{
    char text[96];
    snprintf(text, sizeof(text), "the blueprint needs more than the %zu bytes of memory allowed",
             self->limits.memory_bytes);
    kst_lua_violate(self, text);
}

int kst_lua_rethrow(lua_State *L, int status)
{
    if (status == LUA_ERRMEM)
        no_memory(kst_lua_of(L));
    return lua_error(L);
}

static const char *field(lua_State *L, int index, const char *name)
{
    lua_getiuservalue(L, index, 1);
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    lua_pop(L, 2); /* the table holds the string */
    return text;
}

static int error_index(lua_State *L)
{
    luaL_checkudata(L, 1, KST_LUA_ERROR);
    lua_getiuservalue(L, 1, 1);
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    return 1;
}

static int error_tostring(lua_State *L)
{
    luaL_checkudata(L, 1, KST_LUA_ERROR);
    const char *place = field(L, 1, "place"), *message = field(L, 1, "message");
    lua_pushfstring(L, "%s%s", place ? place : "", message ? message : "");
    return 1;
}

bool kst_lua_is_final(lua_State *L, int index)
{
    if (kst_lua_of(L)->violated)
        return true;
    const struct error *error = luaL_testudata(L, index, KST_LUA_ERROR);
    return error && error->final;
}

/* The first bytes of a text for people: a message goes into the Run's status, which has limits. */
static char *clip(const char *text, size_t len)
{
    if (len <= MAX_MESSAGE_BYTES)
        return kst_strndup(text, len);
    len = MAX_MESSAGE_BYTES;
    while (len && ((unsigned char)text[len] & 0xc0) == 0x80) /* inside of a character */
        len--;
    return kst_asprintf("%.*s…", (int)len, text);
}

static int from_object(lua_State *L, const struct error *error, struct kst_err **err)
{
    const char *place = field(L, -1, "place"), *message = field(L, -1, "message");
    const char *reason = field(L, -1, "reason"), *hint = field(L, -1, "hint");
    char *clipped = clip(message ? message : "", message ? strlen(message) : 0);
    kst_err_set(err, error->code, "%s%s", place ? place : "", clipped);
    free(clipped);
    if (reason)
        kst_err_reason(err, reason);
    if (hint)
        kst_err_hint(err, "%s", hint);
    return error->code;
}

/* A table that a blueprint raised: {message = "…", reason = "…", hint = "…"}, or any other. */
static int from_table(lua_State *L, struct kst_err **err)
{
    char *texts[3] = {NULL};
    for (int i = 0; i < 3; i++) {
        lua_pushstring(L, names[i]);
        lua_rawget(L, -2);
        size_t len = 0;
        if (lua_type(L, -1) == LUA_TSTRING) {
            const char *text = lua_tolstring(L, -1, &len);
            texts[i] = clip(text, len);
        }
        lua_pop(L, 1);
    }
    kst_err_set(err, KST_E_FAILED, "%s",
                texts[0] ? texts[0] : "the blueprint raised a table that has no message");
    kst_err_reason(err, texts[1] ? texts[1] : "BlueprintFailed");
    if (texts[2])
        kst_err_hint(err, "%s", texts[2]);
    for (int i = 0; i < 3; i++)
        free(texts[i]);
    return KST_E_FAILED;
}

static int from_value(lua_State *L, struct kst_err **err)
{
    size_t len = 0;
    if (lua_type(L, -1) == LUA_TTABLE)
        return from_table(L, err);
    if (lua_type(L, -1) != LUA_TSTRING) {
        kst_err_set(err, KST_E_FAILED, "the blueprint raised %s, not a text",
                    lua_isnil(L, -1) ? "nothing" : luaL_typename(L, -1));
    } else {
        const char *text = lua_tolstring(L, -1, &len);
        kst_auto_free char *clipped = clip(text, len);
        kst_err_set(err, KST_E_FAILED, "%s",
                    *clipped ? clipped : "the blueprint raised an empty text");
    }
    kst_err_reason(err, "BlueprintFailed");
    return KST_E_FAILED;
}

int kst_lua_caught(struct kst_lua *self, lua_State *L, int status, struct kst_err **err)
{
    int code = KST_E_FAILED;
    const struct error *error = NULL;
    if (status == LUA_ERRMEM)
        no_memory(self);
    if (self->violated) {
        const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
        bool same = text && strlen(text) < MAX_MESSAGE_BYTES && strstr(text, self->violation);
        code = kst_err_set(err, KST_E_LIMIT, "%s", same ? text : self->violation);
        kst_err_hint(err, "look for a loop without an end, or data that grows without one, in the "
                          "blueprint");
    } else if ((error = luaL_testudata(L, -1, KST_LUA_ERROR)) != NULL) {
        code = from_object(L, error, err);
    } else {
        code = from_value(L, err);
    }
    lua_pop(L, 1);
    return code;
}

void kst_lua_open_errors(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"__index", error_index}, {"__tostring", error_tostring}, {NULL, NULL}};
    luaL_newmetatable(L, KST_LUA_ERROR);
    luaL_setfuncs(L, methods, 0);
    for (size_t i = 0; i < KST_ARRAY_LEN(names); i++) {
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, names[i]);
    }
    lua_pushliteral(L, "error");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}
