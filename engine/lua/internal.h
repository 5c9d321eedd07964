/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the Lua host share. */
#ifndef KST_LUA_INTERNAL_H
#define KST_LUA_INTERNAL_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "lua/host.h"

/* A chunk's own way of loading: where `require` looks. Freed with the interpreter. */
struct kst_lua_loader {
    struct kst_lua_loader *next;
    struct kst_lua *lua;
    kst_lua_read_fn *read;
    void *read_arg;
    char *folder; /* of the chunk, "" or ending with '/' */
    bool is_library;
    bool is_test; /* a test.lua: it may have kassette.test, which no blueprint may */
};

struct kst_lua_native_entry {
    struct kst_lua_native_entry *next;
    struct kst_lua *lua;
    const struct kst_lua_native *native;
    void *ctx;
};

struct kst_lua {
    lua_State *L; /* the main thread: never runs code itself, as fibers share it */
    struct kst_loop *loop;
    struct kst_lua_limits limits;
    size_t used, peak;
    int64_t instructions;
    int64_t fail_in; /* the nth allocation from now fails; 0: none */
    bool violated;
    char *violation;
    int inside;       /* calls under way */
    bool interrupted; /* code computes here, and lets the fibers of other interpreters run */
    struct kst_lua_loader *loaders;
    struct kst_lua_native_entry *natives;
};

struct kst_lua_ref {
    struct kst_lua *lua;
    int ref;
};

/* Keys of the registry. */
#define KST_LUA_NATIVES "kst.natives" /* name -> function */
#define KST_LUA_MODULES "kst.modules" /* of the standard library */
#define KST_LUA_ERROR   "kst.error"   /* metatable of error objects */
#define KST_LUA_NUMBER  "kst.number"  /* metatable of numbers that keep their text */
#define KST_LUA_ARRAY   "kst.array"   /* metatable that marks arrays */
#define KST_LUA_STRING  "kst.string"  /* the string functions of methods */

/* The host that owns this Lua state. */
struct kst_lua *kst_lua_of(lua_State *L);

/* host.c */
/* Marks the interpreter as violated, once; `text` names the limit. */
void kst_lua_violate(struct kst_lua *self, const char *text);
/* Raises where a wall was broken, or is now: for C functions that work long without an instruction
 * being executed. */
void kst_lua_check_walls(lua_State *L);
/* Yields while code of another fiber is interrupted in this interpreter. Whoever waited, and is
 * about to go on inside, calls this first. */
void kst_lua_wait_turn(struct kst_lua *self);
/* Runs `fn(arg)` protected on a Lua thread of its own; what it raises becomes an error. With `code`
 * it runs code of a blueprint or the library: limits are watched, and it may yield. */
int kst_lua_protect(struct kst_lua *self, bool code, lua_CFunction fn, void *arg,
                    struct kst_err **err);
/* Raises the error at the top, which a protected call with that status caught. Lack of memory is a
 * violation also where it is passed on. Never returns. */
int kst_lua_rethrow(lua_State *L, int status);

/* error.c */
/* Raises *err (freed) as an error object; adds the blueprint's place. Never returns. */
int kst_lua_raise(lua_State *L, struct kst_err *err);
/* The error that the value at the top stands for, popped. `status` is lua_pcall's. */
int kst_lua_caught(struct kst_lua *self, lua_State *L, int status, struct kst_err **err);
/* Whether the value at `index` may not be caught by a blueprint. */
bool kst_lua_is_final(lua_State *L, int index);
void kst_lua_open_errors(lua_State *L);

/* value.c */
/* Pushes the value; raises on lack of memory. */
void kst_lua_push_json(lua_State *L, const struct kst_json *value);
/* As above, then frees the value, also when it raises. */
void kst_lua_push_json_take(lua_State *L, struct kst_json *value);
/* Makes JSON of the value at `index`; never raises. With `functions`, these become
 * {"$function":…}; else they are an error. */
int kst_lua_to_json(lua_State *L, int index, bool functions, struct kst_json **out,
                    struct kst_err **err);
void kst_lua_open_values(lua_State *L);
/* Pushes the module kassette.json. */
void kst_lua_push_json_module(lua_State *L);

/* sandbox.c */
void kst_lua_open_sandbox(lua_State *L);
/* Pushes a fresh environment for a chunk. */
void kst_lua_push_environment(lua_State *L, struct kst_lua_loader *loader);
/* Loads and runs a module of the standard library; pushes what it returned. */
void kst_lua_push_module(lua_State *L, const char *name);
/* Loads text as the chunk `name` with an environment of its own, and pushes the function. Raises.
 */
void kst_lua_load_chunk(lua_State *L, const char *name, const char *text, size_t len,
                        struct kst_lua_loader *loader);

/* parallel.c: native.parallel{f, g}: each in a fiber and on a Lua thread of its own. */
int kst_lua_parallel(lua_State *L);

/* lib_string.c, lib_table.c */
void kst_lua_open_strings(lua_State *L); /* replaces functions in the table at the top */
void kst_lua_open_tables(lua_State *L);

#endif
