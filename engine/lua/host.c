/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/host.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "lua/internal.h"

enum {
    DEFAULT_MEMORY = 64 * 1024 * 1024,
    DEFAULT_STRETCH_MS = 1000,
    DEFAULT_SOURCE = 1024 * 1024,
    /* Instructions between two looks at the limits. Few, as one may copy or compare megabytes. */
    HOOK_COUNT = 200,
    TURN_US = 10 * 1000, /* how long code computes before the other fibers get their turn */
};
static const int64_t default_instructions = 2000000000;

/* When the code that runs now began to run without waiting, and when its fiber got its turn. One of
 * each for all interpreters: only one of them runs at a time, and each switch into a fiber sets
 * them anew. */
static struct kst_work stretch_started;
static int64_t turn_started_us;

static void begin_stretch(void)
{
    stretch_started = kst_work_now();
    turn_started_us = stretch_started.now_us;
}

static void on_switch(void *data, bool in)
{
    if (in)
        begin_stretch();
}

struct kst_lua *kst_lua_of(lua_State *L)
{
    return *(struct kst_lua **)lua_getextraspace(L);
}

/* For torture tests. Lua tries once more after it has collected garbage: that fails too. */
static bool fail_now(struct kst_lua *self)
{
    if (self->fail_in < 0) {
        self->fail_in = 0;
        return true;
    }
    if (--self->fail_in > 0)
        return false;
    self->fail_in = -1;
    return true;
}

static void *allocate(void *arg, void *old, size_t old_size, size_t size)
{
    struct kst_lua *self = arg;
    size_t before = old ? old_size : 0; /* for a new object old_size tells its type */
    if (size == 0) {
        free(old);
        self->used -= before;
        return NULL;
    }
    if (size > before) {
        if (self->fail_in && fail_now(self))
            return NULL;
        if (size - before > self->limits.memory_bytes ||
            self->used > self->limits.memory_bytes - (size - before))
            return NULL;
    }
    void *memory = realloc(old, size);
    if (!memory)
        return NULL;
    self->used = self->used - before + size;
    if (self->used > self->peak)
        self->peak = self->used;
    return memory;
}

void kst_lua_violate(struct kst_lua *self, const char *text)
{
    if (self->violated)
        return;
    self->violated = true;
    self->violation = kst_strdup(text);
}

static void check_limits(struct kst_lua *self)
{
    char text[128];
    if (self->instructions > self->limits.instructions)
        snprintf(text, sizeof(text), "the blueprint executed more than %lld instructions",
                 (long long)self->limits.instructions);
    else if (kst_work_exceeds(&stretch_started, self->limits.stretch_ms))
        snprintf(text, sizeof(text), "the blueprint ran for more than %lld ms without waiting",
                 (long long)self->limits.stretch_ms);
    else
        return;
    kst_lua_violate(self, text);
}

/* Code that computes is interrupted for the other fibers: a hostile loop must not stretch another
 * run's freeze. Not waiting, this does not begin a new stretch. That the fiber was cancelled or its
 * deadline passed is for the next native to tell: Lua leaves the hooks off in a coroutine that ends
 * by an error of a hook, so that what closes its variables would run without limits. */
static void let_others_run(struct kst_lua *self)
{
    if (kst_now_us() - turn_started_us < TURN_US || !kst_fiber_self())
        return;
    struct kst_work before = stretch_started, pause = kst_work_now();
    assert(!self->interrupted);
    self->interrupted = true;
    kst_yield();
    self->interrupted = false;
    struct kst_work now = kst_work_now(); /* what the others did is not its own */
    stretch_started.now_us = before.now_us + (now.now_us - pause.now_us);
    stretch_started.cpu_us = before.cpu_us + (now.cpu_us - pause.cpu_us);
}

void kst_lua_wait_turn(struct kst_lua *self)
{
    /* What is interrupted is ready to run, so that this spins once for each of its turns. */
    while (self->interrupted)
        kst_yield();
}

/* Every few instructions, and before each call: a C function may take long by itself. */
static void on_hook(lua_State *L, lua_Debug *debug)
{
    if (debug->event == LUA_HOOKCOUNT)
        kst_lua_of(L)->instructions += HOOK_COUNT;
    kst_lua_check_walls(L);
    let_others_run(kst_lua_of(L));
}

void kst_lua_check_walls(lua_State *L)
{
    struct kst_lua *self = kst_lua_of(L);
    if (!self->violated)
        check_limits(self);
    if (!self->violated)
        return;
    lua_sethook(L, on_hook, LUA_MASKCOUNT, 1); /* no instruction runs any more */
    luaL_error(L, "%s", self->violation);
}

static int panic(lua_State *L)
{
    fputs("kassette: unprotected error in Lua\n", stderr);
    return 0;
}

/* One protected call on a thread of its own. */
struct protected
{
    lua_State *thread;
    int ref;
};

static int new_thread(lua_State *L)
{
    struct protected *call = lua_touserdata(L, 1);
    call->thread = lua_newthread(L);
    call->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static int with_traceback(lua_State *L)
{
    if (kst_log_enabled(KST_LOG_DEBUG) && !kst_lua_of(L)->violated) {
        luaL_traceback(L, L, lua_tostring(L, 1), 1);
        kst_log(KST_LOG_DEBUG, "error in Lua", "traceback", lua_tostring(L, -1), NULL);
        lua_pop(L, 1);
    }
    return 1;
}

static int failed_call(struct kst_lua *self, lua_State *L, int status, struct kst_err **err)
{
    return kst_lua_caught(self, L, status, err);
}

int kst_lua_protect(struct kst_lua *self, bool code, lua_CFunction fn, void *arg,
                    struct kst_err **err)
{
    if (code)
        kst_lua_wait_turn(self);
    if (self->violated)
        return kst_err_set(err, KST_E_LIMIT, "%s", self->violation);
    struct protected call = {.ref = LUA_NOREF};
    struct kst_fiber *fiber = kst_fiber_self();
    if (fiber)
        kst_fiber_set_switch_hook(fiber, on_switch);
    begin_stretch();
    /* Briefly on the main thread; no fiber can switch in between. */
    lua_pushcfunction(self->L, new_thread);
    lua_pushlightuserdata(self->L, &call);
    int status = lua_pcall(self->L, 1, 0, 0);
    if (status != LUA_OK)
        return failed_call(self, self->L, status, err);
    lua_State *T = call.thread;
    if (code)
        lua_sethook(T, on_hook, LUA_MASKCOUNT | LUA_MASKCALL, HOOK_COUNT);
    self->inside++;
    lua_pushcfunction(T, with_traceback);
    lua_pushcfunction(T, fn);
    lua_pushlightuserdata(T, arg);
    status = lua_pcall(T, 1, 0, 1);
    int rc = status == LUA_OK ? 0 : failed_call(self, T, status, err);
    self->inside--;
    luaL_unref(self->L, LUA_REGISTRYINDEX, call.ref);
    return rc;
}

static int open_all(lua_State *L)
{
    kst_lua_open_errors(L);
    kst_lua_open_values(L);
    lua_newtable(L);
    lua_setfield(L, LUA_REGISTRYINDEX, KST_LUA_NATIVES);
    lua_newtable(L);
    lua_setfield(L, LUA_REGISTRYINDEX, KST_LUA_MODULES);
    kst_lua_open_sandbox(L);
    return 0;
}

int kst_lua_new(struct kst_loop *loop, const struct kst_lua_limits *limits, struct kst_lua **out,
                struct kst_err **err)
{
    struct kst_lua *self = kst_calloc(1, sizeof(*self));
    self->loop = loop;
    if (limits)
        self->limits = *limits;
    if (!self->limits.memory_bytes)
        self->limits.memory_bytes = DEFAULT_MEMORY;
    if (!self->limits.instructions)
        self->limits.instructions = default_instructions;
    if (!self->limits.stretch_ms)
        self->limits.stretch_ms = DEFAULT_STRETCH_MS;
    if (!self->limits.source_bytes)
        self->limits.source_bytes = DEFAULT_SOURCE;
    self->L = lua_newstate(allocate, self);
    if (!self->L) {
        free(self);
        return kst_err_set(err, KST_E_LIMIT, "no memory for a Lua interpreter");
    }
    *(struct kst_lua **)lua_getextraspace(self->L) = self;
    lua_atpanic(self->L, panic);
    int rc = kst_lua_protect(self, false, open_all, NULL, err);
    if (rc < 0) {
        kst_lua_free(self);
        return rc;
    }
    *out = self;
    return 0;
}

void kst_lua_free(struct kst_lua *self)
{
    if (!self)
        return;
    assert(self->inside == 0);
    self->limits.memory_bytes = SIZE_MAX;
    self->fail_in = 0;
    lua_close(self->L);
    while (self->loaders) {
        struct kst_lua_loader *gone = self->loaders;
        self->loaders = gone->next;
        free(gone->folder);
        free(gone);
    }
    while (self->natives) {
        struct kst_lua_native_entry *gone = self->natives;
        self->natives = gone->next;
        free(gone);
    }
    free(self->violation);
    free(self);
}

/* A native as Lua calls it: upvalue 1 is its entry. */
static int call_native(lua_State *L)
{
    const struct kst_lua_native_entry *entry = lua_touserdata(L, lua_upvalueindex(1));
    struct kst_json *args = NULL, *result = NULL;
    struct kst_err *err = NULL;
    lua_settop(L, 1);
    int rc = lua_isnil(L, 1) ? 0 : kst_lua_to_json(L, 1, false, &args, &err);
    if (rc == 0)
        rc = entry->native->call(entry->ctx, args, &result, &err);
    else
        kst_err_wrap(&err, rc, "%s", entry->native->name);
    kst_json_free(args);
    kst_lua_wait_turn(kst_lua_of(L));
    if (rc < 0) {
        kst_json_free(result);
        return kst_lua_raise(L, err);
    }
    if (!result)
        return 0;
    kst_lua_push_json_take(L, result);
    return 1;
}

static int add_natives(lua_State *L)
{
    const struct kst_lua_native_entry *entry = lua_touserdata(L, 1);
    lua_getfield(L, LUA_REGISTRYINDEX, KST_LUA_NATIVES);
    lua_pushlightuserdata(L, (void *)entry);
    lua_pushcclosure(L, call_native, 1);
    lua_setfield(L, -2, entry->native->name);
    return 0;
}

void kst_lua_register(struct kst_lua *self, const struct kst_lua_native *natives, void *ctx)
{
    for (; natives->name; natives++) {
        struct kst_lua_native_entry *entry = kst_calloc(1, sizeof(*entry));
        *entry = (struct kst_lua_native_entry){
            .next = self->natives, .lua = self, .native = natives, .ctx = ctx};
        self->natives = entry;
        kst_auto_err struct kst_err *err = NULL;
        if (kst_lua_protect(self, false, add_natives, entry, &err) < 0)
            kst_log(KST_LOG_ERROR, "a native is not available", "name", natives->name, "error",
                    kst_err_message(err), NULL);
    }
}

static struct kst_lua_ref *make_ref(struct kst_lua *self, int ref)
{
    struct kst_lua_ref *out = kst_calloc(1, sizeof(*out));
    *out = (struct kst_lua_ref){.lua = self, .ref = ref};
    return out;
}

void kst_lua_ref_free(struct kst_lua_ref *self)
{
    if (!self)
        return;
    luaL_unref(self->lua->L, LUA_REGISTRYINDEX, self->ref);
    free(self);
}

struct load {
    const char *name, *text;
    size_t len;
    struct kst_lua_loader *loader;
    int type; /* that the file is to return: LUA_TTABLE, LUA_TFUNCTION */
    int ref;
};

static int do_load(lua_State *L)
{
    struct load *load = lua_touserdata(L, 1);
    kst_lua_load_chunk(L, load->name, load->text, load->len, load->loader);
    lua_call(L, 0, 1);
    if (lua_type(L, -1) != load->type) {
        struct kst_err *err = NULL;
        kst_err_set(&err, KST_E_INVALID, "%s: expected the file to return a %s, found %s",
                    load->name, lua_typename(L, load->type), luaL_typename(L, -1));
        return kst_lua_raise(L, err);
    }
    load->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static int load_file(struct kst_lua *self, const char *name, const char *text, size_t len,
                     kst_lua_read_fn *read, void *read_arg, int type, struct kst_lua_ref **out,
                     struct kst_err **err)
{
    struct kst_lua_loader *loader = kst_calloc(1, sizeof(*loader));
    const char *slash = strrchr(name, '/');
    *loader = (struct kst_lua_loader){
        .next = self->loaders,
        .lua = self,
        .read = read,
        .read_arg = read_arg,
        .folder = kst_strndup(name, slash ? (size_t)(slash - name) + 1 : 0),
        .is_test = strcmp(slash ? slash + 1 : name, "test.lua") == 0,
    };
    self->loaders = loader;
    struct load load = {.name = name, .text = text, .len = len, .loader = loader, .type = type};
    int rc = kst_lua_protect(self, true, do_load, &load, err);
    if (rc == 0)
        *out = make_ref(self, load.ref);
    return rc;
}

int kst_lua_load(struct kst_lua *self, const char *name, const char *text, size_t len,
                 kst_lua_read_fn *read, void *read_arg, struct kst_lua_ref **out,
                 struct kst_err **err)
{
    return load_file(self, name, text, len, read, read_arg, LUA_TTABLE, out, err);
}

int kst_lua_load_function(struct kst_lua *self, const char *name, const char *text, size_t len,
                          kst_lua_read_fn *read, void *read_arg, struct kst_lua_ref **out,
                          struct kst_err **err)
{
    return load_file(self, name, text, len, read, read_arg, LUA_TFUNCTION, out, err);
}

struct want {
    const char *module;
    int ref;
};

static int do_require(lua_State *L)
{
    struct want *want = lua_touserdata(L, 1);
    kst_lua_push_module(L, want->module);
    want->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

int kst_lua_require(struct kst_lua *self, const char *module, struct kst_lua_ref **out,
                    struct kst_err **err)
{
    struct want want = {.module = module};
    int rc = kst_lua_protect(self, true, do_require, &want, err);
    if (rc == 0)
        *out = make_ref(self, want.ref);
    return rc;
}

struct look {
    const struct kst_lua_ref *of;
    const char *path;
    struct kst_json *json;
    int ref;
    bool absent;
    struct kst_err *err;
};

static int do_json(lua_State *L)
{
    struct look *look = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, look->of->ref);
    kst_lua_to_json(L, -1, true, &look->json, &look->err);
    return 0;
}

int kst_lua_ref_json(const struct kst_lua_ref *self, struct kst_json **out, struct kst_err **err)
{
    struct look look = {.of = self};
    int rc = kst_lua_protect(self->lua, false, do_json, &look, err);
    if (rc == 0 && look.err)
        return kst_err_move(err, &look.err);
    if (rc == 0)
        *out = look.json;
    return rc;
}

static int do_get(lua_State *L)
{
    struct look *look = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, look->of->ref);
    struct kst_str rest = kst_str_of(look->path), part;
    while (kst_str_split(&rest, '.', &part)) {
        if (!lua_istable(L, -1)) {
            look->absent = true;
            return 0;
        }
        lua_pushlstring(L, part.data, part.len);
        lua_rawget(L, -2);
    }
    look->absent = lua_isnil(L, -1);
    if (!look->absent)
        look->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

int kst_lua_ref_get(const struct kst_lua_ref *self, const char *path, struct kst_lua_ref **out,
                    struct kst_err **err)
{
    struct look look = {.of = self, .path = path};
    int rc = kst_lua_protect(self->lua, false, do_get, &look, err);
    if (rc < 0)
        return rc;
    if (look.absent)
        return kst_err_set(err, KST_E_NOT_FOUND, "there is no %s", path);
    *out = make_ref(self->lua, look.ref);
    return 0;
}

struct invocation {
    const struct kst_lua_ref *function;
    const struct kst_lua_arg *args;
    size_t nargs;
    bool want_json, want_ref;
    struct kst_json *json;
    struct kst_err *err;
    int ref;
};

static int do_call(lua_State *L)
{
    struct invocation *call = lua_touserdata(L, 1);
    luaL_checkstack(L, (int)call->nargs + 4, "too many arguments");
    lua_rawgeti(L, LUA_REGISTRYINDEX, call->function->ref);
    for (size_t i = 0; i < call->nargs; i++) {
        if (call->args[i].ref)
            lua_rawgeti(L, LUA_REGISTRYINDEX, call->args[i].ref->ref);
        else if (call->args[i].json)
            kst_lua_push_json(L, call->args[i].json);
        else
            lua_pushnil(L);
    }
    lua_call(L, (int)call->nargs, 1);
    if (call->want_json && !lua_isnil(L, -1))
        kst_lua_to_json(L, -1, false, &call->json, &call->err);
    if (call->want_ref)
        call->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

int kst_lua_call(struct kst_lua *self, const struct kst_lua_ref *function,
                 const struct kst_lua_arg *args, size_t nargs, struct kst_json **result,
                 struct kst_lua_ref **result_ref, struct kst_err **err)
{
    struct invocation call = {.function = function,
                              .args = args,
                              .nargs = nargs,
                              .want_json = result != NULL,
                              .want_ref = result_ref != NULL};
    int rc = kst_lua_protect(self, true, do_call, &call, err);
    if (rc == 0 && call.err)
        rc = kst_err_move(err, &call.err);
    if (rc < 0) {
        kst_json_free(call.json);
        return rc;
    }
    if (result)
        *result = call.json;
    if (result_ref)
        *result_ref = make_ref(self, call.ref);
    return 0;
}

bool kst_lua_violated(const struct kst_lua *self)
{
    return self->violated;
}

size_t kst_lua_memory(const struct kst_lua *self)
{
    return self->used;
}

size_t kst_lua_memory_peak(const struct kst_lua *self)
{
    return self->peak;
}

void kst_lua_fail_allocation(struct kst_lua *self, int64_t nth)
{
    self->fail_in = nth;
}

bool kst_lua_will_fail(const struct kst_lua *self)
{
    return self->fail_in > 0;
}

const char *kst_lua_version(void)
{
    return LUA_RELEASE;
}
