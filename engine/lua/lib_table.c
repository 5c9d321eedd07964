/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of the table library that would loop inside one call for as long as a blueprint says:
 * their counts are capped, and tables that lie about theirs (__len, __index) are refused.
 */
#include "lua/internal.h"

enum { MAX_COUNT = 4000000 };

static void check_table(lua_State *L, int index)
{
    static const char *const lies[] = {"__len", "__index", "__newindex"};
    if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index))
        return;
    for (int i = 0; i < 3; i++) {
        lua_pushstring(L, lies[i]);
        if (lua_rawget(L, -2) != LUA_TNIL)
            luaL_argerror(L, index,
                          "a table with __len, __index or __newindex cannot be used here");
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static int call_original(lua_State *L)
{
    int count = lua_gettop(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, count, LUA_MULTRET);
    return lua_gettop(L);
}

/* insert, remove: by the table's own length. */
static int safe_plain(lua_State *L)
{
    check_table(L, 1);
    return call_original(L);
}

/* What sort compares with where it is given nothing, so that the clock is looked at. */
static int less_than(lua_State *L)
{
    lua_pushboolean(L, lua_compare(L, 1, 2, LUA_OPLT));
    return 1;
}

static int safe_sort(lua_State *L)
{
    check_table(L, 1);
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_pushcfunction(L, less_than);
        lua_replace(L, 2);
    }
    return call_original(L);
}

/* A range given by two arguments (absent: 1 to the length). */
static void check_range(lua_State *L, int from, int to)
{
    lua_Integer first = luaL_optinteger(L, from, 1);
    lua_Integer last = luaL_optinteger(L, to, (lua_Integer)lua_rawlen(L, 1));
    if (last >= first && (lua_Unsigned)last - (lua_Unsigned)first >= MAX_COUNT)
        luaL_argerror(L, to, "too many entries");
}

static int safe_concat(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    check_table(L, 1);
    check_range(L, 3, 4);
    return call_original(L);
}

static int safe_unpack(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    check_table(L, 1);
    check_range(L, 2, 3);
    return call_original(L);
}

static int safe_move(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    check_table(L, 1);
    check_table(L, 5);
    check_range(L, 2, 3);
    return call_original(L);
}

void kst_lua_open_tables(lua_State *L)
{
    static const luaL_Reg wrappers[] = {{"insert", safe_plain},
                                        {"remove", safe_plain},
                                        {"sort", safe_sort},
                                        {"concat", safe_concat},
                                        {"unpack", safe_unpack},
                                        {"move", safe_move},
                                        {NULL, NULL}};
    for (const luaL_Reg *row = wrappers; row->name; row++) {
        lua_getfield(L, -1, row->name);
        lua_pushcclosure(L, row->func, 1);
        lua_setfield(L, -2, row->name);
    }
}
