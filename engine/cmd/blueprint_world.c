/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/blueprint_world.h"

#include <stdlib.h>
#include <string.h>

#include "app/actions.h"
#include "app/backup/backup.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "cmd/blueprint.h"
#include "kube/client.h"
#include "kube/config.h"
#include "kube/resource.h"
#include "loop/fiber.h"
#include "run/run.h"
#include "run/session.h"
#include "sandbox/api/api.h"
#include "sandbox/api/store.h"
#include "sandbox/load.h"
#include "sandbox/node/script.h"
#include "sandbox/sandbox.h"
#include "sandbox/server/faults.h"

enum { SETTLE_MS = 10000, DRAIN_MS = 2000 };

static const char home[] = "kassette";

struct kst_world {
    struct kst_loop *loop;
    struct kst_own_file *file;
    const bool *interrupted;
    struct kst_lua *lua;            /* of the case */
    const struct kst_lua_ref *call; /* of the suite */
    struct kst_json *notes;         /* not told yet */
    int64_t started_us;
    size_t open; /* sessions, at the end of the last hook */
    struct kst_sandbox *sandbox;
    struct kst_script *script;
    struct kst_faults *faults;
    struct kst_kube_config *config;
    struct kst_kube *kube;
    char *blueprints;        /* the folder with a copy of the blueprint's */
    struct kst_err *failure; /* of the test's own functions */
};

/* ---- what happens ---- */

static void note(struct kst_world *self, struct kst_json *row)
{
    kst_json_set_int(row, "us", kst_now_us() - self->started_us);
    kst_json_push(self->notes, row);
}

static void on_request(void *arg, const struct kst_server_look *look, int code, double ms)
{
    struct kst_world *self = arg;
    if (strncmp(look->agent, "kassette/", 9) != 0)
        return; /* the storage's */
    struct kst_json *row = kst_json_make(
        "{'type':'request','verb':%s,'resource':%s,'subresource':%s,'namespace':%s,'name':%s,"
        "'code':%d}",
        look->verb, look->resource, look->subresource, look->ns, look->name, code);
    note(self, row);
}

static void on_note(void *arg, const struct kst_run *run, enum kst_note kind, const char *text,
                    const struct kst_json *detail)
{
    static const char *const types[] = {
        [KST_NOTE_PHASE] = "phase", [KST_NOTE_HOOK] = "hook",      [KST_NOTE_FROZEN] = "frozen",
        [KST_NOTE_CUT] = "cut",     [KST_NOTE_THAWED] = "thawed",  [KST_NOTE_READY] = "ready",
        [KST_NOTE_LOG] = "log",     [KST_NOTE_WARNING] = "warning"};
    struct kst_world *self = arg;
    if (kind == KST_NOTE_COMMAND)
        return; /* the test has answered it itself */
    struct kst_json *row = kst_json_make("{'type':%s}", types[kind]);
    kst_json_set_str(row, "text", text);
    if (kind == KST_NOTE_HOOK)
        self->open = kst_sessions_count(run->sessions);
    note(self, row);
}

static struct kst_json *take_notes(struct kst_world *self)
{
    struct kst_json *notes = self->notes;
    self->notes = kst_json_array();
    return notes;
}

/* A question of the cluster, for the test. The first error of the test's functions is the case's.
 */
static int ask(void *arg, const struct kst_json *question, struct kst_json **answer,
               struct kst_err **err)
{
    struct kst_world *self = arg;
    kst_auto_json struct kst_json *asked = kst_json_dup(question);
    kst_json_set(asked, "notes", take_notes(self));
    const struct kst_lua_arg argument = {.json = asked};
    kst_auto_err struct kst_err *error = NULL;
    struct kst_json *ignored = NULL;
    if (!self->lua)
        return 0;
    int rc = kst_lua_call(self->lua, self->call, &argument, 1, answer ? answer : &ignored, NULL,
                          &error);
    kst_json_free(ignored);
    if (rc < 0 && !self->failure)
        self->failure = kst_err_dup(error);
    return rc < 0 ? kst_err_move(err, &error) : 0;
}

/* ---- the cluster ---- */

static int load_all(struct kst_world *self, const struct kst_json *args, struct kst_err **err)
{
    struct kst_api *api = kst_sandbox_api(self->sandbox);
    const struct kst_json *texts = kst_json_get(args, "texts");
    size_t count = 0;
    int rc = kst_load_documents(api, kst_json_get(args, "objects"), "the world", &count, err);
    for (const struct kst_json *text = kst_json_first(texts); rc == 0 && text;
         text = kst_json_next(text)) {
        kst_auto_json struct kst_json *documents = NULL;
        const char *yaml = kst_json_str(text);
        rc = yaml ? kst_yaml_parse_all(yaml, strlen(yaml), &documents, err) : 0;
        if (rc == 0)
            rc = kst_load_documents(api, documents, "world:load", &count, err);
    }
    return rc;
}

static bool all_pods_are_told(struct kst_api *api)
{
    struct kst_bucket *pods = kst_store_bucket(kst_api_store(api), "/pods");
    for (size_t i = 0; i < kst_bucket_count(pods); i++) {
        if (!kst_json_path(kst_bucket_at(pods, i)->json, "status.containerStatuses"))
            return false;
    }
    return true;
}

/* The first claim that is not bound; NULL where all are. */
static const char *unbound_claim(struct kst_api *api)
{
    struct kst_bucket *claims = kst_store_bucket(kst_api_store(api), "/persistentvolumeclaims");
    for (size_t i = 0; i < kst_bucket_count(claims); i++) {
        const struct kst_object *claim = kst_bucket_at(claims, i);
        const char *phase = kst_json_path_str(claim->json, "status.phase");
        if (!phase || strcmp(phase, "Bound") != 0)
            return claim->name;
    }
    return NULL;
}

static int settle(struct kst_world *self, struct kst_err **err)
{
    struct kst_api *api = kst_sandbox_api(self->sandbox);
    int64_t until_ms = kst_now_ms() + SETTLE_MS;
    const char *claim = NULL;
    while (!kst_sandbox_is_idle(self->sandbox) || !all_pods_are_told(api) ||
           (claim = unbound_claim(api))) {
        if (kst_now_ms() > until_ms)
            return kst_err_set(err, KST_E_TIMEOUT, "the cluster of the test does not come up: %s%s",
                               claim ? "nobody makes a volume for claim " : "its Pods get no node",
                               claim ? claim : "");
        int rc = kst_sleep_ms(1, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int start(struct kst_world *self, const struct kst_json *args, struct kst_err **err)
{
    self->script = kst_script_new(ask, self);
    struct kst_sandbox_options options = {
        .no_node = true,
        .server = {.exec = kst_script_exec,
                   .log = kst_script_log,
                   .node = self->script,
                   .trace = on_request,
                   .trace_arg = self},
    };
    int rc = kst_json_len(kst_json_get(args, "faults"))
                 ? kst_faults_new(kst_json_get(args, "faults"), &self->faults, err)
                 : 0;
    if (self->faults) {
        options.server.fault = kst_faults_next;
        options.server.fault_arg = self->faults;
    }
    if (rc == 0)
        rc = kst_sandbox_new(self->loop, &options, &self->sandbox, err);
    if (rc < 0)
        return rc;
    kst_script_start(self->script, self->loop, kst_sandbox_api(self->sandbox));
    const struct kst_kube_config_options config = {
        .kubeconfig = kst_sandbox_kubeconfig(self->sandbox)};
    rc = kst_kube_config_load(&config, &self->config, err);
    if (rc < 0)
        return rc;
    self->kube = kst_kube_new(self->loop, self->config);
    rc = load_all(self, args, err);
    return rc < 0 ? rc : settle(self, err);
}

static void stop(struct kst_world *self)
{
    self->lua = NULL; /* nobody is asked any more */
    kst_shield_begin();
    if (self->script)
        kst_script_stop(self->script);
    kst_kube_free(self->kube);
    kst_kube_config_free(self->config);
    kst_sandbox_free(self->sandbox);
    kst_shield_end();
    kst_script_free(self->script);
    kst_faults_free(self->faults);
    kst_err_clear(&self->failure);
    self->kube = NULL;
    self->config = NULL;
    self->sandbox = NULL;
    self->script = NULL;
    self->faults = NULL;
    free(self->blueprints);
    self->blueprints = NULL;
}

static int native_start(void *ctx, const struct kst_json *args, struct kst_json **result,
                        struct kst_err **err)
{
    struct kst_world *self = ctx;
    if (self->sandbox)
        return kst_err_set(err, KST_E_USAGE, "the cluster of this case runs already");
    return start(self, args, err);
}

/* ---- runs ---- */

/* As a run reads it: without others beside it, that are not asked. */
static int copy_blueprint(struct kst_world *self, struct kst_err **err)
{
    if (self->blueprints)
        return 0;
    self->blueprints = kst_asprintf("%s/blueprints", kst_sandbox_dir(self->sandbox));
    return kst_own_folder_copy(self->file, self->blueprints, err);
}

static struct kst_json *run_object(const struct kst_world *self, const struct kst_json *args)
{
    struct kst_json *run = kst_json_make(
        "{'apiVersion':'kassette.io/v1alpha1','kind':'Run','metadata':{'name':'run-1',"
        "'namespace':%s},'spec':%J}",
        home, kst_json_get(args, "spec"));
    kst_json_set_str(kst_json_ensure_object(kst_json_mut(run, "spec"), "source"), "directory",
                     self->blueprints);
    return run;
}

/* What the engine did is over; what the cluster heard of it, soon. */
static void drain(const struct kst_world *self)
{
    int64_t until_ms = kst_now_ms() + DRAIN_MS;
    while (kst_script_busy(self->script) && kst_now_ms() < until_ms && kst_sleep_ms(1, NULL) == 0)
        ;
}

static int result_of(struct kst_world *self, int rc, const struct kst_err *error,
                     struct kst_json **result, struct kst_err **err)
{
    kst_auto_json struct kst_json *run = NULL;
    drain(self);
    if (self->failure)
        return kst_err_move(err, &self->failure);
    int got = kst_kube_get(self->kube, &kst_res_runs, home, "run-1", &run, err);
    if (got < 0)
        return got;
    struct kst_json *row = kst_json_make("{'ok':%b,'status':%J,'open':%L}", rc == 0,
                                         kst_json_get(run, "status"), (int64_t)self->open);
    kst_json_set(row, "notes", take_notes(self));
    if (rc < 0) {
        kst_json_set_str(row, "message", kst_err_message(error));
        kst_json_set_str(row, "reason", kst_err_get_reason(error));
        kst_json_set_str(row, "hint", kst_err_get_hint(error));
        kst_json_set_bool(row, "cancelled", rc == KST_E_CANCELLED);
    }
    *result = row;
    return 0;
}

static struct kst_run_options options_of(struct kst_world *self)
{
    return (struct kst_run_options){
        .kube = self->kube,
        .home = home,
        .name = "run-1",
        .cache_dir = kst_sandbox_dir(self->sandbox),
        .actions = kst_actions,
        .observer = {.note = on_note, .arg = self},
    };
}

static int execute(struct kst_world *self, struct kst_json **result, struct kst_err **err)
{
    kst_auto_err struct kst_err *error = NULL;
    const struct kst_run_options options = options_of(self);
    int rc = kst_run_execute(&options, &error);
    if (self->interrupted && *self->interrupted)
        kst_fiber_cancel(kst_fiber_self());
    if (kst_fiber_check(err) < 0)
        return KST_E_CANCELLED;
    return result_of(self, rc, error, result, err);
}

static int make_run(struct kst_world *self, const struct kst_json *run, struct kst_json **made,
                    struct kst_err **err)
{
    int rc = kst_kube_create(self->kube, &kst_res_runs, home, run, false, made, err);
    if (rc == KST_E_EXISTS) {
        kst_err_clear(err);
        return kst_err_set(err, KST_E_USAGE, "the case has made its backup already: it makes one");
    }
    return rc;
}

static int begin_backup(struct kst_world *self, struct kst_err **err)
{
    return self->sandbox ? copy_blueprint(self, err)
                         : kst_err_set(err, KST_E_USAGE, "the cluster does not run");
}

static int native_run(void *ctx, const struct kst_json *args, struct kst_json **result,
                      struct kst_err **err)
{
    struct kst_world *self = ctx;
    int rc = begin_backup(self, err);
    if (rc < 0)
        return rc;
    kst_auto_json struct kst_json *run = run_object(self, args);
    self->started_us = kst_now_us();
    rc = make_run(self, run, NULL, err);
    return rc < 0 ? rc : execute(self, result, err);
}

/* The journal of an engine that died in the freeze, and a wish that nothing is done but what is
 * owed: the successor thaws, and stops. */
static int native_recover(void *ctx, const struct kst_json *args, struct kst_json **result,
                          struct kst_err **err)
{
    struct kst_world *self = ctx;
    int rc = begin_backup(self, err);
    if (rc < 0)
        return rc;
    kst_auto_json struct kst_json *run = run_object(self, args), *status = NULL, *made = NULL;
    const struct kst_run_options options = options_of(self);
    rc = kst_run_plan(&options, run, kst_backup_plan, &status, err);
    if (rc < 0)
        return rc;
    kst_json_set_str(status, "phase", "PreHook");
    kst_json_set_int(status, "attempt", 1);
    kst_json_set(status, "attempts", kst_json_make("[{'number':1,'state':'Open'}]"));
    kst_json_set_bool(kst_json_mut(run, "spec"), "cancel", true);
    rc = make_run(self, run, &made, err);
    if (rc < 0)
        return rc;
    kst_json_set(made, "status", kst_take(status));
    rc = kst_kube_update(self->kube, &kst_res_runs, home, made, "status", NULL, err);
    return rc < 0 ? rc : execute(self, result, err);
}

static int native_get(void *ctx, const struct kst_json *args, struct kst_json **result,
                      struct kst_err **err)
{
    struct kst_world *self = ctx;
    const char *kind = kst_json_path_str(args, "kind"), *name = kst_json_path_str(args, "name");
    const struct kst_kube_resource *resource = NULL;
    if (!self->sandbox)
        return kst_err_set(err, KST_E_USAGE, "the cluster does not run yet");
    if (!kind || !name)
        return kst_err_set(err, KST_E_USAGE, "expected a kind and a name");
    int rc = kst_kube_find_resource(self->kube, kind, &resource, err);
    if (rc == 0)
        rc = kst_kube_get(self->kube, resource, kst_json_path_str(args, "namespace"), name, result,
                          err);
    if (rc == KST_E_NOT_FOUND && resource)
        kst_err_clear(err);
    return rc == KST_E_NOT_FOUND && resource ? 0 : rc;
}

static const struct kst_lua_native natives[] = {{"sandbox_start", native_start},
                                                {"sandbox_run", native_run},
                                                {"sandbox_recover", native_recover},
                                                {"sandbox_get", native_get},
                                                {NULL, NULL}};

/* ---- its life ---- */

static void begin_case(void *ctx, struct kst_lua *lua, const struct kst_lua_ref *call)
{
    struct kst_world *self = ctx;
    self->lua = lua;
    self->call = call;
    self->open = 0;
    kst_json_free(take_notes(self));
}

static void end_case(void *ctx)
{
    stop(ctx);
}

struct kst_world *kst_world_new(struct kst_loop *loop, struct kst_own_file *file,
                                const bool *interrupted)
{
    struct kst_world *self = kst_calloc(1, sizeof(*self));
    self->loop = loop;
    self->file = file;
    self->interrupted = interrupted;
    self->notes = kst_json_array();
    return self;
}

void kst_world_free(struct kst_world *self)
{
    stop(self);
    kst_json_free(self->notes);
    free(self);
}

struct kst_suite_world kst_world_of_suite(struct kst_world *self)
{
    return (struct kst_suite_world){
        .natives = natives, .ctx = self, .begin = begin_case, .end = end_case};
}
