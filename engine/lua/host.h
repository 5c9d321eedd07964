/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Lua host: one interpreter a run, with walls around it.
 *
 * Walls. Memory: everything the interpreter allocates is counted, beyond the cap an allocation
 * fails. Instructions: counted over the life of the interpreter. Time: a stretch in which the
 * code runs without waiting may not compute for longer than `stretch_ms` (of the processor's time:
 * a machine that is busy, or a container that is throttled, breaks no wall). What breaks a wall is
 * a violation: the error goes through every pcall of the blueprint, and the interpreter only raises
 * from then on. The functions of Lua's library that could run long inside one call are replaced:
 * patterns go to PCRE2 under a step limit (pattern.c), table and string functions have caps.
 *
 * Fibers. Lua code runs in the fiber that called it, and natives (C functions that take and give
 * JSON) wait as any C code does: the interpreter does not know. Several fibers may be inside one
 * interpreter at once, each on a Lua thread of its own (run:parallel); what keeps it sound is that
 * they take turns in natives only, never inside the interpreter's own code or a finalizer
 * (blueprints cannot set __gc): what a blueprint does between two natives is atomic.
 *
 * Code that computes is also interrupted, between two instructions, every few milliseconds: then
 * the fibers of other interpreters run, and those of the same one wait until it is in a native or
 * done. So hostile code holds up its own run (for stretch_ms of the processor at most), and no
 * other.
 *
 * lua.h is included under engine/lua/ only; the layers above see natives and JSON.
 */
#ifndef KST_LUA_HOST_H
#define KST_LUA_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kst_buf;
struct kst_err;
struct kst_json;
struct kst_lua;
struct kst_lua_ref;
struct kst_loop;

struct kst_lua_limits {
    size_t memory_bytes;  /* 0: 64 MiB */
    int64_t instructions; /* 0: 2,000,000,000 */
    int64_t stretch_ms;   /* 0: 1000 */
    size_t source_bytes;  /* of one file or load(); 0: 1 MiB */
};

/* Gives the text of a file of the blueprint's own source tree: `path` is relative, with '/', and
 * was checked to hold no "..". KST_E_NOT_FOUND where there is none. May yield. */
typedef int kst_lua_read_fn(void *arg, const char *path, struct kst_buf *text,
                            struct kst_err **err);

/* A fresh interpreter with the sandbox and the standard library (compiled in) loaded. KST_E_LIMIT
 * where its memory does not even suffice for that. Never yields. `limits` may be NULL. */
int kst_lua_new(struct kst_loop *loop, const struct kst_lua_limits *limits, struct kst_lua **out,
                struct kst_err **err);
/* Asserts that no fiber is inside. */
void kst_lua_free(struct kst_lua *self);

/* A native: called by the standard library as native.<name>(args). `args` is borrowed (absent:
 * NULL), *result (may stay NULL: nil) is taken. It may yield. An error becomes a Lua error that
 * carries code, reason, message and hint; KST_E_CANCELLED and KST_E_LOST cannot be caught by the
 * blueprint. */
typedef int kst_lua_native_fn(void *ctx, const struct kst_json *args, struct kst_json **result,
                              struct kst_err **err);
struct kst_lua_native {
    const char *name;
    kst_lua_native_fn *call;
};
/* `natives` ends with a NULL name; both it and ctx must outlive the interpreter. */
void kst_lua_register(struct kst_lua *self, const struct kst_lua_native *natives, void *ctx);

/* Loads the chunk `name` ("postgresql/blueprint.lua": shown in messages) in an environment of its
 * own, in which `require` finds the standard library ("kassette.*") and, through `read`, modules
 * beside and below the folder of the chunk ("a.b" is a/b.lua, or a/b/init.lua); runs it, and
 * returns a reference to the table that it returned. KST_E_PARSE (syntax), KST_E_INVALID (bytecode,
 * not a table), KST_E_LIMIT (a violation), KST_E_FAILED (it raised). May yield. */
int kst_lua_load(struct kst_lua *self, const char *name, const char *text, size_t len,
                 kst_lua_read_fn *read, void *read_arg, struct kst_lua_ref **out,
                 struct kst_err **err);
/* The same for a file that returns a function. */
int kst_lua_load_function(struct kst_lua *self, const char *name, const char *text, size_t len,
                          kst_lua_read_fn *read, void *read_arg, struct kst_lua_ref **out,
                          struct kst_err **err);
/* Requires a module of the standard library ("kassette.run") and refers to what it returned. */
int kst_lua_require(struct kst_lua *self, const char *module, struct kst_lua_ref **out,
                    struct kst_err **err);
void kst_lua_ref_free(struct kst_lua_ref *self);

/* What the referenced table holds, as JSON: functions become {"$function": {"file":…,"line":…}};
 * cycles and depth beyond KST_JSON_DEPTH are KST_E_INVALID. Metamethods are not called. */
int kst_lua_ref_json(const struct kst_lua_ref *self, struct kst_json **out, struct kst_err **err);
/* The value at a path of string keys ("actions.reindex"), or KST_E_NOT_FOUND. */
int kst_lua_ref_get(const struct kst_lua_ref *self, const char *path, struct kst_lua_ref **out,
                    struct kst_err **err);

/* An argument or result of a call: JSON (converted) or a reference (as it is). */
struct kst_lua_arg {
    const struct kst_json *json;
    const struct kst_lua_ref *ref;
};
/* Calls the referenced function on a Lua thread of its own, in the running fiber. *result (JSON of
 * the first result; may be NULL) and *result_ref (may be NULL) get the first result. A Lua error
 * becomes an error with the code that it carries (KST_E_FAILED for error("text")), its message
 * begins with the blueprint's "file:line: "; the traceback goes to the log at DEBUG. */
int kst_lua_call(struct kst_lua *self, const struct kst_lua_ref *function,
                 const struct kst_lua_arg *args, size_t nargs, struct kst_json **result,
                 struct kst_lua_ref **result_ref, struct kst_err **err);

/* Whether a wall was broken; what is allocated now and was at most; instructions so far. */
bool kst_lua_violated(const struct kst_lua *self);
size_t kst_lua_memory(const struct kst_lua *self);
size_t kst_lua_memory_peak(const struct kst_lua *self);

/* For torture tests: the nth allocation from now fails, and so does Lua's second try of it after a
 * collection (0: none). */
void kst_lua_fail_allocation(struct kst_lua *self, int64_t nth);
/* Whether that one has not come yet. Some can fail without a consequence: Lua goes on with a table
 * of strings that has not grown. */
bool kst_lua_will_fail(const struct kst_lua *self);

/* "Lua 5.4.4", borrowed. */
const char *kst_lua_version(void);

#endif
