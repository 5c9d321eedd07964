/* SPDX-License-Identifier: Apache-2.0 */
#include "app/bind.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "lua/blueprint.h"
#include "run/bundle.h"
#include "run/hook.h"
#include "run/journal.h"

static const char annotation[] = "kassette.io/blueprint";
static const char param_prefix[] = "kassette.io/param.";

enum { MAX_NAMES_BYTES = 4096 };

/* Loads every blueprint of the source; a file that is wrong fails the run before anything is
 * touched, as it may be the very one that was meant. */
static int load_all(struct kst_run *run, struct kst_err **err)
{
    kst_auto_json struct kst_json *paths = NULL;
    int rc = kst_bundle_list(run->bundle, &paths, err);
    for (const struct kst_json *path = kst_json_first(paths); rc == 0 && path;
         path = kst_json_next(path)) {
        struct kst_blueprint *blueprint = NULL;
        rc = kst_hook_blueprint(run, kst_json_str(path), &blueprint, err);
    }
    return rc;
}

static bool is_usual(const char *kind)
{
    static const char *const usual[] = {"StatefulSet", "Deployment", "DaemonSet", "Pod"};
    for (size_t i = 0; i < KST_ARRAY_LEN(usual); i++) {
        if (strcmp(kind, usual[i]) == 0)
            return true;
    }
    return false;
}

int kst_bind_kinds(struct kst_run *run, struct kst_json **out, struct kst_err **err)
{
    int rc = load_all(run, err);
    if (rc < 0)
        return rc;
    *out = kst_json_array();
    for (size_t i = 0; i < run->nblueprints; i++) {
        const struct kst_json *match = kst_json_get(kst_blueprint_json(run->blueprints[i]),
                                                    "match");
        const char *api_version = kst_json_path_str(match, "api_version");
        const char *kind = kst_json_path_str(match, "kind");
        if (api_version && kind && !is_usual(kind))
            kst_json_push(*out, kst_json_make("{'apiVersion':%s,'kind':%s}", api_version, kind));
    }
    return 0;
}

static const struct kst_json *annotations_of(const struct kst_json *object, bool template)
{
    return kst_json_path(object,
                         template ? "spec.template.metadata.annotations" : "metadata.annotations");
}

const char *kst_bind_wish(const struct kst_json *object)
{
    const char *name = kst_json_str(kst_json_get(annotations_of(object, false), annotation));
    return name ? name : kst_json_str(kst_json_get(annotations_of(object, true), annotation));
}

static const struct kst_blueprint *by_name(const struct kst_run *run, const char *name)
{
    for (size_t i = 0; i < run->nblueprints; i++) {
        if (strcmp(kst_blueprint_name(run->blueprints[i]), name) == 0)
            return run->blueprints[i];
    }
    return NULL;
}

static int unknown(const struct kst_run *run, const struct kst_json *row, const char *name,
                   struct kst_err **err)
{
    kst_auto_buf names = KST_BUF_INIT(MAX_NAMES_BYTES);
    for (size_t i = 0; i < run->nblueprints; i++)
        kst_buf_addf(&names, "%s%s", i ? ", " : "", kst_blueprint_name(run->blueprints[i]));
    kst_err_set(err, KST_E_NOT_FOUND,
                "%s/%s/%s asks for blueprint '%s' (annotation %s), which the source does not have",
                kst_json_path_str(row, "kind"), run->app_ns, kst_json_path_str(row, "name"), name,
                annotation);
    kst_err_reason(err, "BlueprintNotFound");
    kst_err_hint(err, "it has: %s", names.data);
    return KST_E_NOT_FOUND;
}

/* The one blueprint whose rule takes the workload; NULL where none does. */
static int by_rule(const struct kst_run *run, const struct kst_json *row,
                   const struct kst_blueprint **out, struct kst_err **err)
{
    *out = NULL;
    for (size_t i = 0; i < run->nblueprints; i++) {
        bool matches = false;
        int rc = kst_blueprint_matches(run->blueprints[i], kst_json_get(row, "object"), &matches,
                                       err);
        if (rc < 0)
            return rc;
        if (matches && *out) {
            kst_err_set(err, KST_E_REFUSED,
                        "%s/%s/%s is matched by blueprint %s and by blueprint %s",
                        kst_json_path_str(row, "kind"), run->app_ns, kst_json_path_str(row, "name"),
                        kst_blueprint_name(*out), kst_blueprint_name(run->blueprints[i]));
            kst_err_reason(err, "AmbiguousBlueprint");
            kst_err_hint(err, "say which with the annotation %s on it", annotation);
            return KST_E_REFUSED;
        }
        if (matches)
            *out = run->blueprints[i];
    }
    return 0;
}

static int choose(const struct kst_run *run, const struct kst_json *row,
                  const struct kst_blueprint **out, const char **because, struct kst_err **err)
{
    const char *wish = kst_bind_wish(kst_json_get(row, "object"));
    *because = "annotation";
    if (wish && strcmp(wish, "none") == 0) {
        *out = by_name(run, "generic");
        return 0;
    }
    if (wish) {
        *out = by_name(run, wish);
        return *out ? 0 : unknown(run, row, wish, err);
    }
    *because = "match";
    int rc = by_rule(run, row, out, err);
    if (rc < 0 || *out)
        return rc;
    *because = "default";
    if (kst_json_len(kst_json_get(row, "claims")) > 0)
        *out = by_name(run, "generic");
    return 0;
}

/* Whether a given key ("user", "postgresql.user" or "StatefulSet/db.user") names parameter `param`
 * of this binding. */
static bool key_names(const char *key, const char *blueprint, const char *workload,
                      const char *param)
{
    const char *dot = strrchr(key, '.');
    if (!dot)
        return strcmp(key, param) == 0;
    if (strcmp(dot + 1, param) != 0)
        return false;
    struct kst_str scope = {.data = key, .len = (size_t)(dot - key)};
    return kst_str_eq(scope, blueprint) || kst_str_eq(scope, workload);
}

/* What was given for this binding: the Run's parameters over the workload's annotations. Marks the
 * Run's that were used. */
static struct kst_json *params_for(const struct kst_run *run, const struct kst_blueprint *blueprint,
                                   const struct kst_json *object, const char *workload,
                                   struct kst_json *used)
{
    struct kst_json *out = kst_json_object();
    const struct kst_json *annotations = annotations_of(object, false);
    for (const struct kst_json *row = kst_json_first(annotations); row; row = kst_json_next(row)) {
        const char *key = kst_json_key(row);
        if (strncmp(key, param_prefix, sizeof(param_prefix) - 1) == 0)
            kst_json_set(out, key + sizeof(param_prefix) - 1, kst_json_dup(row));
    }
    const struct kst_json *given = kst_json_get(kst_journal_spec(run->journal), "params");
    const struct kst_json *specs = kst_blueprint_params(blueprint);
    for (const struct kst_json *row = kst_json_first(given); row; row = kst_json_next(row)) {
        for (const struct kst_json *spec = kst_json_first(specs); spec;
             spec = kst_json_next(spec)) {
            if (!key_names(kst_json_key(row), kst_blueprint_name(blueprint), workload,
                           kst_json_key(spec)))
                continue;
            kst_json_set(out, kst_json_key(spec), kst_json_dup(row));
            kst_json_set_bool(used, kst_json_key(row), true);
        }
    }
    return out;
}

static int bind(struct kst_run *run, const struct kst_json *row, struct kst_json *used,
                struct kst_json *bindings, struct kst_err **err)
{
    const struct kst_blueprint *blueprint = NULL;
    const char *because = NULL;
    int rc = choose(run, row, &blueprint, &because, err);
    if (rc < 0 || !blueprint)
        return rc;
    const char *kind = kst_json_path_str(row, "kind"), *name = kst_json_path_str(row, "name");
    kst_auto_free char *workload = kst_asprintf("%s/%s", kind, name);
    struct kst_json *params = params_for(run, blueprint, kst_json_get(row, "object"), workload,
                                         used);
    struct kst_json *out = kst_json_make(
        "{'workload':%s,'apiVersion':%s,'kind':%s,'name':%s,'blueprint':%s,'path':%s,'because':%s,"
        "'order':%L,'claims':%J}",
        workload, kst_json_path_str(row, "apiVersion"), kind, name, kst_blueprint_name(blueprint),
        kst_blueprint_path(blueprint), because, kst_blueprint_order(blueprint),
        kst_json_get(row, "claims"));
    if (kst_json_len(params))
        kst_json_set(out, "params", params);
    else
        kst_json_free(params);
    kst_json_push(bindings, out);
    kst_auto_json struct kst_json *resolved = NULL;
    rc = kst_blueprint_resolve_params(blueprint, kst_json_get(out, "params"), &resolved, err);
    return rc < 0 ? kst_err_wrap(err, rc, "%s/%s/%s", kind, run->app_ns, name) : 0;
}

static int check_used(const struct kst_run *run, const struct kst_json *used, struct kst_err **err)
{
    const struct kst_json *given = kst_json_get(kst_journal_spec(run->journal), "params");
    for (const struct kst_json *row = kst_json_first(given); row; row = kst_json_next(row)) {
        if (kst_json_get(used, kst_json_key(row)))
            continue;
        kst_err_set(err, KST_E_USAGE, "parameter '%s' belongs to no blueprint that is bound here",
                    kst_json_key(row));
        kst_err_hint(err, "see the parameters with: kassette blueprint show NAME");
        return KST_E_USAGE;
    }
    return 0;
}

int kst_bind_workloads(struct kst_run *run, const struct kst_json *workloads, struct kst_err **err)
{
    int rc = load_all(run, err);
    kst_auto_json struct kst_json *used = kst_json_object(), *bindings = kst_json_array();
    for (const struct kst_json *row = kst_json_first(workloads); rc == 0 && row;
         row = kst_json_next(row))
        rc = bind(run, row, used, bindings, err);
    if (rc == 0)
        rc = check_used(run, used, err);
    if (rc == 0)
        kst_json_set(kst_journal_status(run->journal), "bindings", kst_take(bindings));
    return rc;
}

static int bind_again(struct kst_run *run, struct kst_json *row, struct kst_json *used,
                      struct kst_err **err)
{
    const char *path = kst_json_path_str(row, "path"),
               *workload = kst_json_path_str(row, "workload");
    struct kst_blueprint *blueprint = NULL;
    int rc = kst_hook_blueprint(run, path ? path : "", &blueprint, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "the blueprint of %s", workload ? workload : "a workload");
    kst_auto_json struct kst_json *given = params_for(run, blueprint, NULL,
                                                      workload ? workload : "", used);
    for (const struct kst_json *e = kst_json_first(given); e; e = kst_json_next(e))
        kst_json_set(kst_json_ensure_object(row, "params"), kst_json_key(e), kst_json_dup(e));
    kst_auto_json struct kst_json *resolved = NULL;
    rc = kst_blueprint_resolve_params(blueprint, kst_json_get(row, "params"), &resolved, err);
    return rc < 0 ? kst_err_wrap(err, rc, "%s", workload) : 0;
}

int kst_bind_again(struct kst_run *run, const struct kst_json *rows, struct kst_err **err)
{
    kst_auto_json struct kst_json *used = kst_json_object(), *bindings = kst_json_dup(rows);
    int rc = 0;
    for (struct kst_json *row = kst_json_first_mut(bindings); rc == 0 && row;
         row = kst_json_next_mut(row))
        rc = bind_again(run, row, used, err);
    if (rc == 0)
        rc = check_used(run, used, err);
    if (rc == 0)
        kst_json_set(kst_journal_status(run->journal), "bindings", kst_take(bindings));
    return rc;
}
