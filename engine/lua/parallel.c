/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of one blueprint side by side: each in a fiber and on a Lua thread of its own. */
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "lua/internal.h"

enum { MAX_BRANCHES = 1000 };

struct branch {
    lua_State *thread; /* holds the function, then its result or what it raised */
    struct kst_lua *lua;
    struct branch **failed; /* the first one that did */
};

static int run_branch(void *arg, struct kst_err **err)
{
    struct branch *branch = arg;
    kst_lua_wait_turn(branch->lua);
    int status = lua_pcall(branch->thread, 0, 1, 0);
    if (status == LUA_OK)
        return 0;
    if (!*branch->failed)
        *branch->failed = branch;
    lua_pushvalue(branch->thread, -1);
    return kst_lua_caught(branch->lua, branch->thread, status, err);
}

/* The threads stay on the stack of L until all have ended. */
static void start(lua_State *L, struct branch *branches, size_t count, struct branch **failed)
{
    for (size_t i = 0; i < count; i++) {
        branches[i].failed = failed;
        branches[i].thread = lua_newthread(L);
        branches[i].lua = kst_lua_of(L);
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        lua_xmove(L, branches[i].thread, 1);
    }
}

int kst_lua_parallel(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    size_t count = lua_rawlen(L, 1);
    luaL_argcheck(L, count <= MAX_BRANCHES, 1, "too many functions");
    if (!kst_fiber_self())
        return luaL_error(L, "parallel functions need a run");
    lua_settop(L, 1);
    luaL_checkstack(L, (int)count + 8, "too many functions");
    struct branch *branches = lua_newuserdatauv(L, (count + 1) * sizeof(*branches), 0);
    struct branch *failed = NULL;
    start(L, branches, count, &failed);
    struct kst_err *err = NULL;
    struct kst_group *group = kst_group_new(kst_fiber_loop(), true);
    for (size_t i = 0; i < count; i++)
        kst_group_spawn(group, "parallel", run_branch, &branches[i]);
    int rc = kst_group_wait(group, &err);
    kst_group_free(group);
    kst_lua_wait_turn(kst_lua_of(L));
    if (rc < 0 && failed) { /* what it raised, as it was: it has its place already */
        kst_err_free(err);
        lua_xmove(failed->thread, L, 1);
        return lua_error(L);
    }
    if (rc < 0)
        return kst_lua_raise(L, err);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_xmove(branches[i].thread, L, 1);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}
