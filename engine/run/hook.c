/* SPDX-License-Identifier: Apache-2.0 */
#include "run/hook.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "lua/blueprint.h"
#include "lua/host.h"
#include "run/bundle.h"
#include "run/journal.h"
#include "run/natives.h"
#include "run/session.h"

enum { BLUEPRINT_BYTES = 1024 * 1024 };

static int make_interpreter(struct kst_run *run, struct kst_err **err)
{
    int rc = kst_lua_new(run->loop, NULL, &run->lua, err);
    if (rc < 0)
        return rc;
    kst_lua_register(run->lua, kst_flow_natives, run);
    kst_lua_register(run->lua, kst_kube_natives, run);
    kst_lua_register(run->lua, kst_exec_natives, run);
    kst_lua_register(run->lua, kst_task_natives, run);
    kst_lua_register(run->lua, kst_session_natives, run);
    if (run->action->natives)
        kst_lua_register(run->lua, run->action->natives, run);
    return 0;
}

int kst_hook_blueprint(struct kst_run *run, const char *path, struct kst_blueprint **out,
                       struct kst_err **err)
{
    for (size_t i = 0; i < run->nblueprints; i++) {
        if (strcmp(kst_blueprint_path(run->blueprints[i]), path) == 0) {
            *out = run->blueprints[i];
            return 0;
        }
    }
    if (!run->lua) {
        int rc = make_interpreter(run, err);
        if (rc < 0)
            return rc;
    }
    kst_auto_buf text = KST_BUF_INIT(BLUEPRINT_BYTES);
    int rc = kst_bundle_read(run->bundle, path, &text, err);
    if (rc < 0)
        return rc;
    struct kst_blueprint *blueprint = NULL;
    rc = kst_blueprint_load(run->lua, path, text.data, text.len, kst_bundle_read, run->bundle,
                            &blueprint, err);
    if (rc < 0)
        return rc;
    run->blueprints = kst_realloc(run->blueprints, (run->nblueprints + 1) * sizeof(blueprint));
    run->blueprints[run->nblueprints++] = blueprint;
    *out = blueprint;
    return 0;
}

static int bind_row(struct kst_run *run, size_t index, const struct kst_json *row,
                    struct kst_err **err)
{
    struct kst_binding *binding = &run->bindings[index];
    const char *path = kst_json_path_str(row, "path");
    struct kst_blueprint *blueprint = NULL;
    int rc = kst_hook_blueprint(run, path ? path : "", &blueprint, err);
    if (rc < 0)
        return rc;
    binding->index = index;
    binding->row = row;
    binding->blueprint = blueprint;
    return kst_blueprint_resolve_params(blueprint, kst_json_get(row, "params"), &binding->params,
                                        err);
}

int kst_hook_load(struct kst_run *run, struct kst_err **err)
{
    if (run->bindings)
        return 0;
    if (!run->lua) {
        int rc = make_interpreter(run, err);
        if (rc < 0)
            return rc;
    }
    const struct kst_json *rows = kst_json_path(kst_journal_object(run->journal),
                                                "status.bindings");
    size_t count = kst_json_len(rows);
    run->bindings = kst_calloc(count + 1, sizeof(*run->bindings));
    run->nbindings = count;
    size_t index = 0;
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        int rc = bind_row(run, index++, row, err);
        if (rc < 0) {
            kst_hook_unload(run);
            return rc;
        }
    }
    return 0;
}

/* What the freeze knows of a binding outlives its interpreter. */
static void keep_marks(struct kst_run *run, struct kst_binding *old, size_t count)
{
    for (size_t i = 0; i < count && i < run->nbindings; i++) {
        run->bindings[i].pre_attempted = old[i].pre_attempted;
        run->bindings[i].thawed = old[i].thawed;
    }
}

int kst_hook_renew(struct kst_run *run, struct kst_err **err)
{
    size_t count = run->nbindings;
    struct kst_binding *old = kst_calloc(count + 1, sizeof(*old));
    for (size_t i = 0; i < count; i++)
        old[i] = run->bindings[i];
    kst_hook_unload(run);
    int rc = kst_hook_load(run, err);
    if (rc == 0)
        rc = kst_hook_begin(run, err);
    keep_marks(run, old, count);
    free(old);
    return rc;
}

void kst_hook_unload(struct kst_run *run)
{
    for (size_t i = 0; i < run->nbindings; i++) {
        kst_lua_ref_free(run->bindings[i].objects);
        kst_json_free(run->bindings[i].params);
    }
    free(run->bindings);
    run->bindings = NULL;
    run->nbindings = 0;
    for (size_t i = 0; i < run->nblueprints; i++)
        kst_blueprint_free(run->blueprints[i]);
    free(run->blueprints);
    run->blueprints = NULL;
    run->nblueprints = 0;
    if (run->lua)
        kst_lua_free(run->lua);
    run->lua = NULL;
}

/* What lua/kassette/run.lua makes its objects of. */
static struct kst_json *context_of(const struct kst_run *run, const struct kst_binding *binding)
{
    return kst_json_make(
        "{'id':%s,'home':%s,'attempt':%L,'binding':%L,'namespace':%s,'kind':%s,'name':%s,"
        "'api_version':%s,'blueprint':%s,'params':%J,'action':%s}",
        run->name, run->home, run->attempt, (int64_t)binding->index, run->app_ns,
        kst_json_path_str(binding->row, "kind"), kst_json_path_str(binding->row, "name"),
        kst_json_path_str(binding->row, "apiVersion"), kst_blueprint_name(binding->blueprint),
        binding->params, kst_json_path_str(kst_journal_spec(run->journal), "action"));
}

int kst_hook_begin(struct kst_run *run, struct kst_err **err)
{
    struct kst_lua_ref *module = NULL, *new = NULL;
    int rc = kst_lua_require(run->lua, "kassette.run", &module, err);
    if (rc == 0)
        rc = kst_lua_ref_get(module, "new", &new, err);
    for (size_t i = 0; rc == 0 && i < run->nbindings; i++) {
        struct kst_binding *binding = &run->bindings[i];
        kst_auto_json struct kst_json *context = context_of(run, binding);
        const struct kst_lua_arg arg = {.json = context};
        kst_lua_ref_free(binding->objects);
        binding->objects = NULL;
        binding->pre_attempted = binding->thawed = false;
        rc = kst_lua_call(run->lua, new, &arg, 1, NULL, &binding->objects, err);
    }
    kst_lua_ref_free(new);
    kst_lua_ref_free(module);
    return rc;
}

int kst_hook_continue(struct kst_run *run, struct kst_err **err)
{
    return run->nbindings && !run->bindings[0].objects ? kst_hook_begin(run, err) : 0;
}

static int invoke(struct kst_run *run, struct kst_binding *binding, const char *function,
                  struct kst_json **result, struct kst_err **err)
{
    struct kst_lua_ref *module = NULL, *invoke_fn = NULL;
    int rc = kst_lua_require(run->lua, "kassette.run", &module, err);
    if (rc == 0)
        rc = kst_lua_ref_get(module, "invoke", &invoke_fn, err);
    if (rc == 0) {
        kst_auto_json struct kst_json *name = kst_json_from_str(function);
        const struct kst_lua_arg args[] = {
            {.ref = binding->objects},
            {.ref = kst_blueprint_function(binding->blueprint, function)},
            {.json = name},
        };
        rc = kst_lua_call(run->lua, invoke_fn, args, KST_ARRAY_LEN(args), result, NULL, err);
    }
    kst_lua_ref_free(invoke_fn);
    kst_lua_ref_free(module);
    return rc;
}

int kst_hook_call(struct kst_run *run, struct kst_binding *binding, const char *function,
                  struct kst_json **result, struct kst_err **err)
{
    if (!kst_blueprint_has(binding->blueprint, function))
        return 0;
    int rc = invoke(run, binding, function, result, err);
    if (rc < 0)
        kst_err_wrap(err, rc, "%s of blueprint %s on %s in %s", function,
                     kst_blueprint_name(binding->blueprint), kst_binding_workload(binding),
                     run->app_ns);
    return rc;
}
