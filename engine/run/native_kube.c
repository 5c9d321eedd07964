/* SPDX-License-Identifier: Apache-2.0 */
/* Natives that read and change objects of the cluster. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "kube/watch.h"
#include "loop/fiber.h"
#include "lua/host.h"
#include "run/journal.h"
#include "run/native_args.h"
#include "run/natives.h"
#include "run/pods.h"
#include "run/run.h"

enum { DEFAULT_WAIT_MS = 5 * 60 * 1000, MAX_LOG_BYTES = 1024 * 1024 };

/* The object that a call is about. */
struct target {
    const struct kst_kube_resource *resource;
    const char *ns; /* NULL where it is cluster-scoped */
    const char *name;
};

static int find_target(struct kst_run *run, const struct kst_json *args, const char *function,
                       bool named, struct target *out, struct kst_err **err)
{
    const char *kind = NULL, *api_version = kst_json_path_str(args, "api_version");
    int rc = kst_native_str(args, function, "kind", &kind, err);
    if (rc == 0 && named)
        rc = kst_native_str(args, function, "name", &out->name, err);
    if (rc == 0)
        rc = api_version ? kst_kube_find_kind(run->kube, api_version, kind, &out->resource, err)
                         : kst_kube_find_resource(run->kube, kind, &out->resource, err);
    if (rc < 0)
        return rc;
    if (!out->resource->namespaced)
        return 0;
    return kst_native_namespace(run, args, &out->ns, err);
}

static int native_get(void *ctx, const struct kst_json *args, struct kst_json **result,
                      struct kst_err **err)
{
    struct kst_run *run = ctx;
    struct target target = {0};
    int rc = find_target(run, args, "get", true, &target, err);
    if (rc < 0)
        return rc;
    rc = kst_kube_get(run->kube, target.resource, target.ns, target.name, result, err);
    if (rc == KST_E_NOT_FOUND) { /* nil */
        kst_err_clear(err);
        return 0;
    }
    return rc;
}

static int native_list(void *ctx, const struct kst_json *args, struct kst_json **result,
                       struct kst_err **err)
{
    struct kst_run *run = ctx;
    struct target target = {0};
    int rc = find_target(run, args, "list", false, &target, err);
    if (rc < 0)
        return rc;
    const struct kst_kube_list_options options = {
        .label_selector = kst_json_path_str(args, "selector"),
        .field_selector = kst_json_path_str(args, "field_selector"),
    };
    return kst_kube_list(run->kube, target.resource, target.ns, &options, result, NULL, err);
}

static int native_apply(void *ctx, const struct kst_json *args, struct kst_json **result,
                        struct kst_err **err)
{
    struct kst_run *run = ctx;
    const struct kst_json *object = kst_json_get(args, "object");
    const char *api_version = kst_json_path_str(object, "apiVersion");
    const char *kind = kst_json_path_str(object, "kind");
    const char *name = kst_json_path_str(object, "metadata.name"), *ns = NULL;
    if (!api_version || !kind || !name)
        return kst_err_set(err, KST_E_USAGE,
                           "run:apply: expected an object with apiVersion, kind and metadata.name");
    const struct kst_kube_resource *resource = NULL;
    int rc = kst_kube_find_kind(run->kube, api_version, kind, &resource, err);
    if (rc == 0 && resource->namespaced)
        rc = kst_native_namespace(run, kst_json_get(object, "metadata"), &ns, err);
    if (rc < 0)
        return rc;
    kst_auto_json struct kst_json *copy = kst_json_dup(object);
    struct kst_json *metadata = kst_json_ensure_object(copy, "metadata");
    kst_json_set_str(metadata, "namespace", ns);
    kst_json_remove(metadata, "managedFields");
    kst_json_remove(metadata, "resourceVersion");
    struct kst_json *labels = kst_json_ensure_object(metadata, "labels");
    kst_json_set_str(labels, "kassette.io/run", run->name);
    return kst_kube_patch(run->kube, resource, ns, name, NULL, KST_PATCH_APPLY, copy, result, err);
}

static int native_patch(void *ctx, const struct kst_json *args, struct kst_json **result,
                        struct kst_err **err)
{
    struct kst_run *run = ctx;
    struct target target = {0};
    int rc = find_target(run, args, "patch", true, &target, err);
    if (rc < 0)
        return rc;
    const char *type = kst_json_path_str(args, "type");
    static const struct {
        const char *name;
        enum kst_kube_patch type;
    } types[] = {
        {"merge", KST_PATCH_MERGE}, {"strategic", KST_PATCH_STRATEGIC}, {"json", KST_PATCH_JSON}};
    for (size_t i = 0; i < KST_ARRAY_LEN(types); i++) {
        if (strcmp(type ? type : "merge", types[i].name) == 0)
            return kst_kube_patch(run->kube, target.resource, target.ns, target.name,
                                  kst_json_path_str(args, "subresource"), types[i].type,
                                  kst_json_get(args, "patch"), result, err);
    }
    return kst_err_set(
        err, KST_E_USAGE,
        "run:patch: expected type \"merge\", \"strategic\" or \"json\", found \"%s\"", type);
}

static int is_gone(void *arg, const struct kst_json *object, struct kst_err **err)
{
    return object == NULL;
}

static int native_delete(void *ctx, const struct kst_json *args, struct kst_json **result,
                         struct kst_err **err)
{
    struct kst_run *run = ctx;
    struct target target = {0};
    int64_t timeout_ms = 0;
    int rc = find_target(run, args, "delete", true, &target, err);
    if (rc == 0)
        rc = kst_native_duration(args, "delete", "timeout", DEFAULT_WAIT_MS, &timeout_ms, err);
    if (rc < 0)
        return rc;
    const struct kst_kube_delete_options options = {
        .propagation = kst_json_path_str(args, "propagation"),
        .grace_seconds = kst_json_path_int(args, "grace_seconds", -1),
    };
    rc = kst_kube_delete(run->kube, target.resource, target.ns, target.name, &options, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        return 0;
    }
    if (rc < 0 || !kst_json_path_true(args, "wait"))
        return rc;
    return kst_watch_until(run->kube, target.resource, target.ns, target.name, is_gone, NULL,
                           kst_deadline_in_ms(timeout_ms), "to be deleted", NULL, err);
}

/* What run:wait waits for. */
struct wish {
    const struct kst_json *args;
    char *text;
};

static bool has_condition(const struct kst_json *object, const char *type, const char *status)
{
    const struct kst_json *all = kst_json_path(object, "status.conditions");
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        const char *is = kst_json_path_str(row, "type");
        const char *has = kst_json_path_str(row, "status");
        if (is && has && strcmp(is, type) == 0 && strcasecmp(has, status) == 0)
            return true;
    }
    return false;
}

static int wish_holds(void *arg, const struct kst_json *object, struct kst_err **err)
{
    const struct wish *wish = arg;
    if (kst_json_path_true(wish->args, "deleted"))
        return object == NULL;
    if (!object)
        return 0; /* it may be created yet */
    const char *condition = kst_json_path_str(wish->args, "condition");
    const char *status = kst_json_path_str(wish->args, "status");
    if (condition)
        return has_condition(object, condition, status ? status : "True");
    const struct kst_json *value = kst_json_path(object, kst_json_path_str(wish->args, "path"));
    const struct kst_json *wanted = kst_json_get(wish->args, "value");
    return wanted ? kst_json_equal(value, wanted) : value != NULL;
}

static int native_wait(void *ctx, const struct kst_json *args, struct kst_json **result,
                       struct kst_err **err)
{
    struct kst_run *run = ctx;
    struct target target = {0};
    int64_t timeout_ms = 0;
    int rc = find_target(run, args, "wait", true, &target, err);
    if (rc == 0)
        rc = kst_native_duration(args, "wait", "timeout", DEFAULT_WAIT_MS, &timeout_ms, err);
    if (rc < 0)
        return rc;
    const char *condition = kst_json_path_str(args, "condition");
    const char *path = kst_json_path_str(args, "path");
    bool deleted = kst_json_path_true(args, "deleted");
    if (!condition && !path && !deleted)
        return kst_err_set(err, KST_E_USAGE,
                           "run:wait: expected condition = \"Ready\", path = "
                           "\"status.phase\" (and value), or deleted = true");
    struct wish wish = {.args = args};
    wish.text = deleted     ? kst_strdup("to be deleted")
                : condition ? kst_asprintf("to have condition %s", condition)
                            : kst_asprintf("to have %s", path);
    rc = kst_watch_until(run->kube, target.resource, target.ns, target.name, wish_holds, &wish,
                         kst_deadline_in_ms(timeout_ms), wish.text, result, err);
    free(wish.text);
    return rc;
}

struct scaling {
    int64_t replicas;
};

static int is_scaled(void *arg, const struct kst_json *object, struct kst_err **err)
{
    const struct scaling *self = arg;
    if (!object)
        return kst_err_set(err, KST_E_NOT_FOUND, "it was deleted meanwhile");
    int64_t observed = kst_json_path_int(object, "status.observedGeneration", 0);
    int64_t generation = kst_json_path_int(object, "metadata.generation", 0);
    return observed >= generation &&
           kst_json_path_int(object, "status.replicas", 0) == self->replicas &&
           kst_json_path_int(object, "status.readyReplicas", 0) == self->replicas;
}

/* The bound workload where the blueprint names none. */
static int scale_target(struct kst_run *run, const struct kst_json *args, struct target *out,
                        struct kst_err **err)
{
    if (kst_json_get(args, "kind") || kst_json_get(args, "name"))
        return find_target(run, args, "scale", true, out, err);
    const struct kst_binding *binding = kst_native_binding(run, args);
    out->ns = run->app_ns;
    out->name = kst_json_path_str(binding->row, "name");
    return kst_kube_find_kind(run->kube, kst_json_path_str(binding->row, "apiVersion"),
                              kst_json_path_str(binding->row, "kind"), &out->resource, err);
}

static int native_scale(void *ctx, const struct kst_json *args, struct kst_json **result,
                        struct kst_err **err)
{
    struct kst_run *run = ctx;
    struct target target = {0};
    struct scaling scaling = {.replicas = kst_json_path_int(args, "replicas", -1)};
    int64_t timeout_ms = 0;
    if (scaling.replicas < 0)
        return kst_err_set(err, KST_E_USAGE, "run:scale: expected replicas = 0 or more");
    int rc = scale_target(run, args, &target, err);
    if (rc == 0)
        rc = kst_native_duration(args, "scale", "timeout", DEFAULT_WAIT_MS, &timeout_ms, err);
    kst_auto_json struct kst_json *before = NULL, *after = NULL;
    if (rc == 0)
        rc = kst_kube_get(run->kube, target.resource, target.ns, target.name, &before, err);
    kst_auto_json struct kst_json *patch = kst_json_make("{'spec':{'replicas':%L}}",
                                                         scaling.replicas);
    if (rc == 0)
        rc = kst_kube_patch(run->kube, target.resource, target.ns, target.name, NULL,
                            KST_PATCH_MERGE, patch, &after, err);
    if (rc < 0)
        return rc;
    *result = kst_json_make("{'before':%L}", kst_json_path_int(before, "spec.replicas", 1));
    const struct kst_json *wait = kst_json_get(args, "wait");
    if (wait && !kst_json_true(wait))
        return 0;
    kst_auto_free char *what = kst_asprintf("to have %lld replicas", (long long)scaling.replicas);
    return kst_watch_until(run->kube, target.resource, target.ns, target.name, is_scaled, &scaling,
                           kst_deadline_in_ms(timeout_ms), what, NULL, err);
}

static int native_pods(void *ctx, const struct kst_json *args, struct kst_json **result,
                       struct kst_err **err)
{
    struct kst_run *run = ctx;
    return kst_pods_of(run, kst_native_binding(run, args), result, err);
}

static int native_logs(void *ctx, const struct kst_json *args, struct kst_json **result,
                       struct kst_err **err)
{
    struct kst_run *run = ctx;
    const char *ns = NULL, *pod = NULL;
    int rc = kst_native_namespace(run, args, &ns, err);
    if (rc == 0)
        rc = kst_native_str(args, "logs", "pod", &pod, err);
    kst_auto_buf text = KST_BUF_INIT(MAX_LOG_BYTES);
    if (rc == 0)
        rc = kst_kube_logs(run->kube, ns, pod, kst_json_path_str(args, "container"),
                           kst_json_path_true(args, "previous"),
                           kst_json_path_int(args, "tail_lines", -1), &text, err);
    if (rc == 0)
        *result = kst_json_from_strn(text.data, text.len);
    return rc;
}

const struct kst_lua_native kst_kube_natives[] = {
    {"get", native_get},       {"list", native_list},
    {"apply", native_apply},   {"patch", native_patch},
    {"delete", native_delete}, {"scale", native_scale},
    {"wait", native_wait},     {"pods", native_pods},
    {"logs", native_logs},     {NULL, NULL},
};
