/* SPDX-License-Identifier: Apache-2.0 */
/* kassette blueprint run: a backup by one blueprint, of an application on an embedded cluster whose
 * Pods are processes of this machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/actions.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/blueprint.h"
#include "cmd/progress.h"
#include "cmd/trace.h"
#include "kube/client.h"
#include "kube/config.h"
#include "kube/resource.h"
#include "loop/fiber.h"
#include "lua/blueprint.h"
#include "lua/lint.h"
#include "sandbox/api/api.h"
#include "sandbox/api/store.h"
#include "sandbox/load.h"
#include "sandbox/node/image.h"
#include "sandbox/sandbox.h"

enum { FILE_BYTES = 1024 * 1024, READY_MS = 60 * 1000, LOG_LINES = 5 };

static const char home[] = "kassette", run_name[] = "try";

struct
try {
    struct kst_cmd *cmd;
    const struct kst_blueprint_options *options;
    struct kst_own_file *file;
    struct kst_json *blueprint; /* as it was loaded */
    struct kst_sandbox *sandbox;
    struct kst_kube_config *config;
    struct kst_kube *kube;
    char *ns; /* the application's */
};

/* ---- an application that fits ---- */

static int load_blueprint(struct try *self, struct kst_err **err)
{
    struct kst_lua *lua = NULL;
    struct kst_blueprint *blueprint = NULL;
    kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
    int rc = kst_own_file_read(self->file, self->file->name, &text, err);
    if (rc == 0)
        rc = kst_lua_new(self->cmd->loop, NULL, &lua, err);
    if (rc == 0)
        rc = kst_blueprint_load(lua, self->file->name, text.data, text.len, kst_own_file_read,
                                self->file, &blueprint, err);
    if (rc == 0)
        self->blueprint = kst_json_dup(kst_blueprint_json(blueprint));
    kst_blueprint_free(blueprint);
    if (lua)
        kst_lua_free(lua);
    return rc;
}

/* The kind that the match rule asks for first. */
static const char *kind_of(const struct try *self)
{
    const struct kst_json *kind = kst_json_path(self->blueprint, "match.kind");
    const char *text = kst_json_str(kind) ? kst_json_str(kind) : kst_json_str(kst_json_first(kind));
    return text ? text : "StatefulSet";
}

/* An image that the rule takes and this machine has programs for; NULL where a shell is to stand
 * for it, which is told. *folder is where it has its data. The caller frees both. */
static char *image_of(const struct try *self, char **folder)
{
    kst_auto_err struct kst_err *why = NULL;
    const char *pattern = kst_json_path_str(self->blueprint, "match.image");
    const struct kst_image *image = NULL;
    struct kst_images *images = NULL;
    kst_auto_free char *name = pattern ? kst_lint_image(pattern, NULL) : NULL;
    bool known = name && kst_images_new(&images, NULL) == 0 &&
                 (!self->options->images ||
                  kst_images_load(images, self->options->images, NULL) == 0) &&
                 kst_images_find(images, name, &image, &why) == 0;
    if (!known)
        printf("A shell stands for the application%s%s.\n", why ? ": " : "",
               why ? kst_err_message(why) : "");
    *folder = kst_strdup(known && image->volumes && image->volumes[0] ? image->volumes[0]
                                                                      : "/data");
    kst_images_free(images);
    return known ? kst_take(name) : NULL;
}

/* The passwords that images of databases insist on. */
static struct kst_json *environment(void)
{
    return kst_json_make("[{'name':'POSTGRES_PASSWORD','value':'try'},"
                         "{'name':'MARIADB_ROOT_PASSWORD','value':'try'},"
                         "{'name':'MYSQL_ROOT_PASSWORD','value':'try'}]");
}

/* What tells that the usual databases can be spoken to; NULL for others. */
static const char *probe_of(const char *image)
{
    static const struct {
        const char *part, *command;
    } rows[] = {
        {"postg", "pg_isready -q"},
        {"maria", "mariadb-admin --user=root --password=try ping"},
        {"mysql", "mysqladmin --user=root --password=try ping"},
        {"percona", "mysqladmin --user=root --password=try ping"},
        {"redis", "redis-cli ping"},
        {"valkey", "valkey-cli ping"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        if (strstr(image, rows[i].part))
            return rows[i].command;
    }
    return NULL;
}

static struct kst_json *container_of(const struct try *self, const char *name)
{
    kst_auto_free char *folder = NULL;
    kst_auto_free char *image = image_of(self, &folder);
    struct kst_json *container = kst_json_make(
        "{'name':%s,'image':%s,'volumeMounts':[{'name':'data','mountPath':%s}]}", name,
        image ? image : "busybox", folder);
    const char *probe = image ? probe_of(image) : NULL;
    kst_json_set(container, "env", environment());
    if (probe)
        kst_json_set(container, "readinessProbe",
                     kst_json_make("{'exec':{'command':['sh','-c',%s]},'periodSeconds':1,"
                                   "'timeoutSeconds':5,'failureThreshold':60}",
                                   probe));
    if (!image)
        kst_json_set(container, "command",
                     kst_json_make("['sh','-c','while :; do sleep 3600; done']"));
    return container;
}

static struct kst_json *claim_spec(void)
{
    return kst_json_make("{'accessModes':['ReadWriteOnce'],'storageClassName':'dir',"
                         "'resources':{'requests':{'storage':'1Gi'}}}");
}

/* The workload, whose blueprint it is whatever the rule says, and its claim. */
static struct kst_json *application(const struct try *self)
{
    const char *kind = kind_of(self), *name = kst_json_path_str(self->blueprint, "name");
    kst_auto_json struct kst_json *claim = claim_spec(), *container = container_of(self, name);
    struct kst_json *list = kst_json_array();
    struct kst_json *workload = kst_json_make(
        "{'apiVersion':'apps/v1','kind':%s,'metadata':{'name':%s,'namespace':%s,"
        "'annotations':{'kassette.io/blueprint':%s}},'spec':{'selector':{'matchLabels':{'app':%s}},"
        "'template':{'metadata':{'labels':{'app':%s}},'spec':{'containers':[%J]}}}}",
        kind, name, self->ns, name, name, name, container);
    struct kst_json *spec = kst_json_mut(workload, "spec");
    if (strcmp(kind, "StatefulSet") == 0) {
        kst_json_set_str(spec, "serviceName", name);
        kst_json_push(kst_json_ensure_array(spec, "volumeClaimTemplates"),
                      kst_json_make("{'metadata':{'name':'data'},'spec':%J}", claim));
    } else {
        struct kst_json *pod = kst_json_mut(kst_json_mut(spec, "template"), "spec");
        kst_json_push(kst_json_ensure_array(pod, "volumes"),
                      kst_json_make(
                          "{'name':'data','persistentVolumeClaim':{'claimName':'data'}}"));
        kst_json_push(list, kst_json_make("{'apiVersion':'v1','kind':'PersistentVolumeClaim',"
                                          "'metadata':{'name':'data','namespace':%s},'spec':%J}",
                                          self->ns, claim));
    }
    kst_json_push(list, workload);
    return list;
}

static bool is_usual(const char *kind)
{
    return strcmp(kind, "StatefulSet") == 0 || strcmp(kind, "Deployment") == 0 ||
           strcmp(kind, "DaemonSet") == 0;
}

static int make_application(struct try *self, struct kst_err **err)
{
    size_t count = 0;
    const char *kind = kind_of(self);
    if (!is_usual(kind)) {
        kst_err_set(err, KST_E_USAGE, "%s serves a %s, of which none can be made up",
                    self->file->path, kind);
        kst_err_hint(err, "give one, with what it consists of: --load FILE");
        return KST_E_USAGE;
    }
    self->ns = kst_strdup("try");
    kst_auto_json struct kst_json *objects = application(self);
    return kst_load_documents(kst_sandbox_api(self->sandbox), objects, "the application", &count,
                              err);
}

/* The namespace of what was given: -n, or that of its first workload. */
static int choose_namespace(struct try *self, struct kst_err **err)
{
    static const char *const buckets[] = {"apps/statefulsets", "apps/deployments",
                                          "apps/daemonsets", "/pods"};
    struct kst_store *store = kst_api_store(kst_sandbox_api(self->sandbox));
    if (self->cmd->ns)
        self->ns = kst_strdup(self->cmd->ns);
    for (size_t i = 0; i < KST_ARRAY_LEN(buckets) && !self->ns; i++) {
        struct kst_bucket *bucket = kst_store_bucket(store, buckets[i]);
        if (kst_bucket_count(bucket))
            self->ns = kst_strdup(kst_bucket_at(bucket, 0)->ns);
    }
    return self->ns ? 0 : kst_err_set(err, KST_E_USAGE, "what was loaded holds no workload");
}

static int load_manifests(struct try *self, struct kst_err **err)
{
    const struct kst_list *load = &self->options->load;
    size_t count = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < load->count; i++)
        rc = kst_load_path(kst_sandbox_api(self->sandbox), load->items[i], &count, err);
    return rc < 0 ? rc : choose_namespace(self, err);
}

/* ---- until it runs ---- */

/* Why a Pod will not run without help; NULL where it may yet. */
static const char *hopeless(const struct kst_json *pod)
{
    static const char *const reasons[] = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName",
                                          "CreateContainerError", "CrashLoopBackOff"};
    const struct kst_json *rows = kst_json_path(pod, "status.containerStatuses");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        const char *reason = kst_json_path_str(row, "state.waiting.reason");
        const char *message = kst_json_path_str(row, "state.waiting.message");
        for (size_t i = 0; reason && i < KST_ARRAY_LEN(reasons); i++) {
            if (strcmp(reasons[i], reason) == 0)
                return message ? message : reason;
        }
    }
    return NULL;
}

static bool is_ready(const struct kst_json *pod)
{
    const struct kst_json *rows = kst_json_path(pod, "status.conditions");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        const char *type = kst_json_path_str(row, "type");
        if (type && strcmp(type, "Ready") == 0)
            return strcmp(kst_json_path_str(row, "status"), "True") == 0;
    }
    return false;
}

/* With what its container said last. */
static int tell_hopeless(const struct try *self, const struct kst_object *pod, const char *why,
                         struct kst_err **err)
{
    kst_auto_buf log = KST_BUF_INIT(FILE_BYTES);
    const char *container = kst_json_path_str(pod->json, "spec.containers.0.name");
    kst_err_set(err, KST_E_FAILED, "Pod/%s/%s does not run: %s", pod->ns, pod->name, why);
    if (kst_kube_logs(self->kube, pod->ns, pod->name, container, true, LOG_LINES, &log, NULL) ==
            0 &&
        log.len)
        kst_err_hint(err, "its log ends with: %.*s", (int)kst_str_trim(kst_str_buf(&log)).len,
                     kst_str_trim(kst_str_buf(&log)).data);
    else
        kst_err_hint(err, "give an application whose images this machine has programs for: --load "
                          "FILE, --images FILE");
    return KST_E_FAILED;
}

/* 1 where all Pods are ready, 0 where it is worth waiting. */
static int look_at_pods(const struct try *self, struct kst_err **err)
{
    struct kst_bucket *pods = kst_store_bucket(kst_api_store(kst_sandbox_api(self->sandbox)),
                                               "/pods");
    size_t first, count, ready = 0;
    kst_bucket_range(pods, self->ns, &first, &count);
    for (size_t i = first; i < first + count; i++) {
        kst_auto_object struct kst_object *pod = kst_object_ref(kst_bucket_at(pods, i));
        const char *why = hopeless(pod->json);
        if (why)
            return tell_hopeless(self, pod, why, err);
        ready += is_ready(pod->json);
    }
    return count > 0 && ready == count && kst_sandbox_is_idle(self->sandbox);
}

static int wait_ready(const struct try *self, struct kst_err **err)
{
    int64_t until_ms = kst_now_ms() + READY_MS;
    int rc;
    while ((rc = look_at_pods(self, err)) == 0) {
        if (kst_now_ms() > until_ms)
            return kst_err_set(err, KST_E_TIMEOUT,
                               "the Pods of namespace %s are not ready after a minute", self->ns);
        rc = kst_sleep_ms(10, err);
        if (rc < 0)
            return rc;
    }
    return rc < 0 ? rc : 0;
}

/* ---- the run ---- */

static int make_run(struct try *self, const char *blueprints, struct kst_err **err)
{
    kst_auto_json struct kst_json *run = kst_json_make(
        "{'apiVersion':'kassette.io/v1alpha1','kind':'Run','metadata':{'name':%s,'namespace':%s},"
        "'spec':{'action':'backup','application':{'namespace':%s},'source':{'directory':%s}}}",
        run_name, home, self->ns, blueprints);
    int rc = kst_cmd_add_params(kst_json_mut(run, "spec"), &self->options->params, err);
    return rc < 0 ? rc : kst_kube_create(self->kube, &kst_res_runs, home, run, false, NULL, err);
}

static int execute(struct try *self, struct kst_err **err)
{
    struct kst_trace trace;
    struct kst_progress progress = {0};
    kst_auto_free char *blueprints = kst_asprintf("%s/blueprints", kst_sandbox_dir(self->sandbox));
    int rc = kst_own_folder_copy(self->file, blueprints, err);
    if (rc == 0)
        rc = make_run(self, blueprints, err);
    if (rc < 0)
        return rc;
    if (self->options->trace)
        kst_trace_begin(&trace, self->kube);
    const struct kst_run_options options = {
        .kube = self->kube,
        .home = home,
        .name = run_name,
        .cache_dir = kst_sandbox_dir(self->sandbox),
        .actions = kst_actions,
        .observer = self->options->trace ? kst_trace_observer(&trace)
                                         : kst_progress_observer(&progress),
    };
    rc = kst_run_execute(&options, err);
    kst_kube_set_trace(self->kube, NULL, NULL);
    return rc;
}

static int connect_client(struct try *self, struct kst_err **err)
{
    const struct kst_kube_config_options config = {
        .kubeconfig = kst_sandbox_kubeconfig(self->sandbox)};
    int rc = kst_kube_config_load(&config, &self->config, err);
    if (rc == 0)
        self->kube = kst_kube_new(self->cmd->loop, self->config);
    return rc;
}

static int try_it(struct try *self, struct kst_err **err)
{
    const struct kst_sandbox_options options = {.images = self->options->images};
    int rc = load_blueprint(self, err);
    if (rc == 0)
        rc = kst_sandbox_new(self->cmd->loop, &options, &self->sandbox, err);
    if (rc == 0)
        rc = connect_client(self, err);
    if (rc == 0)
        rc = self->options->load.count ? load_manifests(self, err) : make_application(self, err);
    if (rc == 0) {
        printf("An application in memory, in namespace %s; its Pods are being started.\n",
               self->ns);
        fflush(stdout);
        rc = wait_ready(self, err);
    }
    return rc < 0 ? rc : execute(self, err);
}

int kst_blueprint_run(struct kst_cmd *cmd, const struct kst_blueprint_options *options, char **args,
                      struct kst_err **err)
{
    struct kst_own_files files;
    int rc = kst_own_files_find(args, "blueprint.lua", false, &files, err);
    if (rc < 0)
        return rc;
    struct try try = {.cmd = cmd, .options = options, .file = &files.items[0]};
    if (files.count > 1)
        rc = kst_err_set(err, KST_E_USAGE, "there are %zu blueprints in and below %s: name one",
                         files.count, args[0] ? args[0] : "this folder");
    else
        rc = try_it(&try, err);
    kst_shield_begin();
    kst_kube_free(try.kube);
    kst_kube_config_free(try.config);
    kst_sandbox_free(try.sandbox);
    kst_shield_end();
    kst_json_free(try.blueprint);
    free(try.ns);
    kst_own_files_release(&files);
    return rc;
}
