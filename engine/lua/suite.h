/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Suites: a test.lua (lua/types/test.lua says what it can use), run case by case, each case in an
 * interpreter of its own, so that no case can lean on what another one left.
 */
#ifndef KST_LUA_SUITE_H
#define KST_LUA_SUITE_H

#include "lua/host.h"

struct kst_buf;
struct kst_err;
struct kst_json;
struct kst_loop;

/* What the cases of a suite stand on: natives, and who asks the suite's `call` (a function that it
 * returns beside `run`). `begin` is told of each case before it is run, and `end` after it (they
 * may yield); the interpreter and the reference are borrowed until then. */
struct kst_suite_world {
    const struct kst_lua_native *natives;
    void *ctx;
    void (*begin)(void *ctx, struct kst_lua *lua, const struct kst_lua_ref *call);
    void (*end)(void *ctx);
};

/* Which cases are run: those whose "SUITE: CASE" contains the filter (NULL: all), in any case of
 * letters; of these, with `parts` above 1, every one of which the number, counted in `seen` over
 * all suites that the choice is used for, leaves the remainder `part`. */
struct kst_suite_choice {
    const char *filter;
    size_t part, parts, seen;
};

/*
 * Runs the suite at `path`, whose base name must be test.lua, in the world (may be NULL: it has
 * none); it and its modules come from `read`. *out, which the caller frees, tells what became of
 * it:
 *
 *   {"name":"redis","file":"redis/test.lua","passed":1,"failed":1,"leftOut":0,"ms":3.1,
 *    "cases":[{"name":"saves","index":0,"file":"redis/test.lua","line":7,"ok":true,"ms":1.4},
 *             {…,"ok":false,"message":"redis/test.lua:15: value: expected 1, found 2"}]}
 *
 * A suite that cannot be loaded has an "error" {message, hint}, and counts as one failure. An error
 * of its own has kst_suite_run() where the fiber was cancelled only. Yields.
 */
int kst_suite_run(struct kst_loop *loop, const char *path, struct kst_suite_choice *choice,
                  kst_lua_read_fn *read, void *read_arg, const struct kst_suite_world *world,
                  struct kst_json **out, struct kst_err **err);

/* The same for many suites, an array of the above, as JUnit's XML, which CI systems read. What XML
 * cannot hold (control characters, bytes that are no UTF-8) becomes U+FFFD. KST_E_LIMIT where the
 * buffer's cap ends it. */
int kst_suite_junit(const struct kst_json *suites, struct kst_buf *out);

#endif
