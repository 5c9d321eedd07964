/* SPDX-License-Identifier: Apache-2.0 */
/*
 * string.find, match, gmatch, gsub and rep, as in the Lua 5.4 manual, on matching that has a step
 * limit. A pattern that reaches it is a violation: the blueprint would hold every run of the
 * engine.
 */
#include <string.h>

#include "base/err.h"
#include "lua/internal.h"
#include "lua/pattern.h"

/* A pattern as a userdata, freed by the collector. */
static int free_pattern(lua_State *L)
{
    struct kst_pattern **slot = lua_touserdata(L, 1);
    kst_pattern_free(*slot);
    *slot = NULL;
    return 0;
}

#define PATTERN "kst.pattern"

/* Pushes it. */
static struct kst_pattern *compile(lua_State *L, int index, bool no_anchor)
{
    size_t len;
    const char *text = luaL_checklstring(L, index, &len);
    struct kst_pattern **slot = lua_newuserdatauv(L, sizeof(*slot), 0);
    *slot = NULL;
    luaL_setmetatable(L, PATTERN);
    struct kst_err *err = NULL;
    if (kst_pattern_new(text, len, no_anchor, slot, &err) < 0) {
        lua_pushstring(L, kst_err_message(err));
        kst_err_free(err);
        luaL_error(L, "%s", lua_tostring(L, -1));
    }
    return *slot;
}

static bool match(lua_State *L, const struct kst_pattern *pattern, const char *subject, size_t len,
                  size_t offset, struct kst_capture *captures, int *count)
{
    bool matched = false;
    struct kst_err *err = NULL;
    if (kst_pattern_match(pattern, subject, len, offset, captures, count, &matched, &err) < 0) {
        if (kst_err_code(err) == KST_E_LIMIT)
            kst_lua_violate(kst_lua_of(L),
                            "a pattern of the blueprint needs more steps than are allowed");
        lua_pushstring(L, kst_err_message(err));
        kst_err_free(err);
        luaL_error(L, "%s", lua_tostring(L, -1));
    }
    kst_lua_check_walls(L); /* many matches of one gsub are one instruction */
    return matched;
}

static void push_capture(lua_State *L, const char *subject, const struct kst_capture *capture)
{
    if (capture->position)
        lua_pushinteger(L, (lua_Integer)capture->start + 1);
    else
        lua_pushlstring(L, subject + capture->start, capture->end - capture->start);
}

/* The pattern's captures, or the whole match where it has none. */
static int push_captures(lua_State *L, const char *subject, const struct kst_capture *captures,
                         int count)
{
    luaL_checkstack(L, count + 1, "too many captures");
    if (count == 0)
        push_capture(L, subject, &captures[0]);
    for (int i = 1; i <= count; i++)
        push_capture(L, subject, &captures[i]);
    return count ? count : 1;
}

/* Where the search begins; false beyond the end. */
static bool start_of(lua_State *L, int index, size_t len, size_t *start)
{
    lua_Integer init = luaL_optinteger(L, index, 1);
    if (init < 0)
        init = -init > (lua_Integer)len ? 1 : (lua_Integer)len + init + 1;
    else if (init == 0)
        init = 1;
    *start = (size_t)init - 1;
    return (size_t)init - 1 <= len;
}

static int find_plain(lua_State *L, const char *subject, size_t len, size_t start)
{
    size_t wanted_len;
    const char *wanted = luaL_checklstring(L, 2, &wanted_len);
    const char *at = wanted_len ? memmem(subject + start, len - start, wanted, wanted_len)
                                : subject + start;
    if (!at) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, at - subject + 1);
    lua_pushinteger(L, at - subject + (lua_Integer)wanted_len);
    return 2;
}

static int find_or_match(lua_State *L, bool find)
{
    size_t len, start;
    const char *subject = luaL_checklstring(L, 1, &len);
    luaL_checkstring(L, 2);
    if (!start_of(L, 3, len, &start)) {
        lua_pushnil(L);
        return 1;
    }
    /* As Lua does: a pattern without anything special in it, also a lone ')', is plain text. */
    size_t pattern_len;
    const char *text = lua_tolstring(L, 2, &pattern_len);
    bool plain = strcspn(text, "^$*+?.([%-") == pattern_len;
    if (find && (plain || lua_toboolean(L, 4)))
        return find_plain(L, subject, len, start);
    struct kst_capture captures[KST_PATTERN_CAPTURES + 1];
    int count = 0;
    const struct kst_pattern *pattern = compile(L, 2, false);
    if (!match(L, pattern, subject, len, start, captures, &count)) {
        lua_pushnil(L);
        return 1;
    }
    if (!find)
        return push_captures(L, subject, captures, count);
    lua_pushinteger(L, (lua_Integer)captures[0].start + 1);
    lua_pushinteger(L, (lua_Integer)captures[0].end);
    return count ? push_captures(L, subject, captures, count) + 2 : 2;
}

static int string_find(lua_State *L)
{
    return find_or_match(L, true);
}

static int string_match(lua_State *L)
{
    return find_or_match(L, false);
}

/* Upvalues: subject, pattern, where to go on, where the last match ended (-1: nowhere). */
static int next_match(lua_State *L)
{
    size_t len;
    const char *subject = lua_tolstring(L, lua_upvalueindex(1), &len);
    struct kst_pattern *const *pattern = lua_touserdata(L, lua_upvalueindex(2));
    size_t at = (size_t)lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    struct kst_capture captures[KST_PATTERN_CAPTURES + 1];
    int count = 0;
    while (at <= len && match(L, *pattern, subject, len, at, captures, &count)) {
        if ((lua_Integer)captures[0].end == last && captures[0].start == captures[0].end) {
            at = captures[0].start + 1; /* an empty match where the last one ended is none */
            continue;
        }
        lua_pushinteger(L, (lua_Integer)captures[0].end);
        lua_pushvalue(L, -1);
        lua_replace(L, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        return push_captures(L, subject, captures, count);
    }
    lua_pushinteger(L, (lua_Integer)len + 1);
    lua_replace(L, lua_upvalueindex(3));
    return 0;
}

static int string_gmatch(lua_State *L)
{
    size_t len, start;
    luaL_checklstring(L, 1, &len);
    luaL_checkstring(L, 2);
    if (!start_of(L, 3, len, &start))
        start = len + 1;
    lua_settop(L, 2);
    lua_pushvalue(L, 1);
    compile(L, 2, true);
    lua_pushinteger(L, (lua_Integer)start);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, next_match, 4);
    return 1;
}

/* %0 to %9 and %% of a replacement. */
static void add_text(lua_State *L, luaL_Buffer *buffer, const char *subject,
                     const struct kst_capture *captures, int count)
{
    size_t len;
    const char *text = lua_tolstring(L, 3, &len);
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            luaL_addchar(buffer, text[i]);
            continue;
        }
        i++;
        char what = i < len ? text[i] : '\0';
        if (what == '%') {
            luaL_addchar(buffer, '%');
        } else if (what >= '0' && what <= '9') {
            int index = what - '0';
            if (index > count && !(index == 1 && count == 0))
                luaL_error(L, "invalid capture index %%%d in replacement string", index);
            push_capture(L, subject, &captures[index == 1 && count == 0 ? 0 : index]);
            luaL_tolstring(L, -1, NULL);
            lua_remove(L, -2);
            luaL_addvalue(buffer);
        } else {
            luaL_error(L, "invalid use of '%%' in replacement string");
        }
    }
}

/* Adds what replaces one match: false keeps the match. */
static void add_replacement(lua_State *L, luaL_Buffer *buffer, const char *subject,
                            const struct kst_capture *captures, int count)
{
    int type = lua_type(L, 3);
    if (type == LUA_TNUMBER || type == LUA_TSTRING) {
        add_text(L, buffer, subject, captures, count);
        return;
    }
    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(L, subject, captures, count), 1);
    } else {
        push_capture(L, subject, &captures[count ? 1 : 0]);
        lua_gettable(L, 3);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(buffer, subject + captures[0].start, captures[0].end - captures[0].start);
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    } else {
        luaL_addvalue(buffer);
    }
}

static int string_gsub(lua_State *L)
{
    size_t len, pattern_len;
    const char *subject = luaL_checklstring(L, 1, &len);
    const char *text = luaL_checklstring(L, 2, &pattern_len);
    int type = lua_type(L, 3);
    luaL_argexpected(L,
                     type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
                         type == LUA_TTABLE,
                     3, "string/function/table");
    lua_Integer max = luaL_optinteger(L, 4, (lua_Integer)len + 1);
    lua_settop(L, 4);
    if (type == LUA_TNUMBER)
        lua_tostring(L, 3);
    const struct kst_pattern *pattern = compile(L, 2, false);
    bool anchored = pattern_len && text[0] == '^';
    struct kst_capture captures[KST_PATTERN_CAPTURES + 1];
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    size_t at = 0, copied = 0, last = (size_t)-1;
    lua_Integer done = 0;
    int count = 0;
    while (done < max && at <= len && match(L, pattern, subject, len, at, captures, &count)) {
        if (captures[0].end == last && captures[0].start == captures[0].end) {
            if (anchored)
                break;
            at = captures[0].start + 1;
            continue;
        }
        luaL_addlstring(&buffer, subject + copied, captures[0].start - copied);
        add_replacement(L, &buffer, subject, captures, count);
        copied = at = last = captures[0].end;
        done++;
        if (anchored)
            break;
    }
    luaL_addlstring(&buffer, subject + copied, len - copied);
    luaL_pushresult(&buffer);
    lua_pushinteger(L, done);
    return 2;
}

/* rep of nothing is nothing, however often: Lua's own would count that far. */
static int string_rep(lua_State *L)
{
    size_t len, separator_len;
    luaL_checklstring(L, 1, &len);
    luaL_checkinteger(L, 2);
    luaL_optlstring(L, 3, "", &separator_len);
    if (len + separator_len == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    int count = lua_gettop(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, count, 1);
    return 1;
}

void kst_lua_open_strings(lua_State *L)
{
    static const luaL_Reg own[] = {{"find", string_find},
                                   {"match", string_match},
                                   {"gmatch", string_gmatch},
                                   {"gsub", string_gsub},
                                   {NULL, NULL}};
    luaL_newmetatable(L, PATTERN);
    lua_pushcfunction(L, free_pattern);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_setfuncs(L, own, 0);
    lua_getfield(L, -1, "rep");
    lua_pushcclosure(L, string_rep, 1);
    lua_setfield(L, -2, "rep");
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");
}
