/* SPDX-License-Identifier: Apache-2.0 */
#include "app/hooks.h"

#include <string.h>

#include "app/application.h"
#include "app/bind.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/near.h"
#include "lua/blueprint.h"
#include "run/hook.h"
#include "run/journal.h"

enum { MAX_NAMES_BYTES = 4096 };

static const char blueprint_name[] = "velero-hooks";
static const char blueprint_path[] = "builtin:velero-hooks/blueprint.lua";

/* Where a Pod's hooks stand, in the order in which they are looked for: Velero has read the names
 * without a phase as those of a pre-hook since it was called Ark. */
static const struct {
    const char *prefix, *when;
} places[] = {
    {"pre.hook.backup.velero.io/", "pre"},
    {"post.hook.backup.velero.io/", "post"},
    {"hook.backup.velero.io/", "pre"},
};
static const char *const fields[] = {"command", "container", "on-error", "timeout", NULL};

static const char *annotation(const struct kst_json *pod, const char *prefix, const char *field)
{
    kst_auto_free char *key = kst_asprintf("%s%s", prefix, field);
    const char *value = kst_json_str(kst_json_get(kst_json_path(pod, "metadata.annotations"), key));
    return value && *value ? value : NULL; /* Velero takes an empty one for none */
}

/* "Pod/shop/db-0: annotation pre.hook.backup.velero.io/timeout: expected …, found …" */
static int invalid(const struct kst_json *pod, const char *prefix, const char *field,
                   const char *expected, const char *found, struct kst_err **err)
{
    kst_err_set(err, KST_E_INVALID, "Pod/%s/%s: annotation %s%s: expected %s, found %s",
                kst_json_path_str(pod, "metadata.namespace"),
                kst_json_path_str(pod, "metadata.name"), prefix, field, expected, found);
    kst_err_reason(err, "InvalidHook");
    return KST_E_INVALID;
}

/* Names under Velero's prefixes that it does not have: a hook that is misspelt would not run, and
 * nobody would know. */
static int check_names(const struct kst_json *pod, struct kst_err **err)
{
    const struct kst_json *all = kst_json_path(pod, "metadata.annotations");
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        for (size_t i = 0; i < KST_ARRAY_LEN(places); i++) {
            size_t len = strlen(places[i].prefix);
            if (strncmp(kst_json_key(row), places[i].prefix, len) != 0)
                continue;
            const char *field = kst_json_key(row) + len;
            bool known = false;
            for (const char *const *name = fields; *name; name++)
                known = known || strcmp(*name, field) == 0;
            if (known)
                continue;
            const char *near = kst_near_name(field, fields);
            invalid(pod, places[i].prefix, field,
                    "one of the names command, container, on-error, timeout", field, err);
            if (near)
                kst_err_hint(err, "did you mean %s%s?", places[i].prefix, near);
            return KST_E_INVALID;
        }
    }
    return 0;
}

/* What is wrong with a text that begins like an array; NULL where nothing is. The text itself may
 * hold a password, and is not repeated. */
static const char *parse_words(const char *text, struct kst_json **out)
{
    kst_auto_json struct kst_json *list = NULL;
    if (kst_json_parse(text, strlen(text), &list, NULL) < 0)
        return "what is not JSON";
    if (kst_json_len(list) == 0)
        return "an array without any";
    for (const struct kst_json *word = kst_json_first(list); word; word = kst_json_next(word)) {
        if (!kst_json_str(word))
            return "an array with other values";
    }
    *out = kst_take(list);
    return NULL;
}

/* A JSON array of strings, or the whole text as the one word of the command. */
static int read_command(const struct kst_json *pod, const char *prefix, struct kst_json **out,
                        struct kst_err **err)
{
    const char *text = annotation(pod, prefix, "command");
    kst_auto_json struct kst_json *words = NULL;
    const char *wrong = *text == '[' ? parse_words(text, &words) : NULL;
    if (wrong) {
        invalid(pod, prefix, "command", "a JSON array of strings", wrong, err);
        kst_err_hint(err, "write it as [\"/bin/sh\", \"-c\", \"…\"]");
        return KST_E_INVALID;
    }
    /* A successor thaws by the journal, which would hold "***" in place of a secret. */
    kst_auto_free char *clean = kst_log_redact(text);
    if (strcmp(clean, text) != 0)
        return invalid(pod, prefix, "command", "a command without a credential of this engine",
                       "one that holds it", err);
    *out = words ? kst_take(words) : kst_json_make("[%s]", text);
    return 0;
}

/* The container that the annotation names, else the first. */
static int read_container(const struct kst_json *pod, const char *prefix, const char **out,
                          struct kst_err **err)
{
    const char *wish = annotation(pod, prefix, "container");
    const struct kst_json *all = kst_json_path(pod, "spec.containers");
    kst_auto_buf names = KST_BUF_INIT(MAX_NAMES_BYTES);
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        const char *name = kst_json_path_str(row, "name");
        if (name && (!wish || strcmp(name, wish) == 0)) {
            *out = name;
            return 0;
        }
        kst_buf_addf(&names, "%s%s", names.len ? ", " : "one of the Pod's containers ", name);
    }
    kst_auto_free char *found = kst_asprintf("'%s'", wish ? wish : "");
    return invalid(pod, prefix, "container", names.len ? names.data : "a Pod with containers",
                   found, err);
}

static int read_timeout(const struct kst_json *pod, const char *prefix, const char **out,
                        struct kst_err **err)
{
    const char *text = annotation(pod, prefix, "timeout");
    long long ms = 0;
    *out = "30s";
    if (!text)
        return 0;
    if (!kst_parse_duration_ms(text, &ms)) {
        kst_auto_free char *found = kst_asprintf("'%s'", text);
        return invalid(pod, prefix, "timeout", "a duration such as 30s or 1m30s", found, err);
    }
    if (ms > 0)
        *out = text; /* Velero takes 0 for the default */
    return 0;
}

static int read_on_error(const struct kst_json *pod, const char *prefix, const char **out,
                         struct kst_err **err)
{
    const char *text = annotation(pod, prefix, "on-error");
    *out = text ? text : "Fail";
    if (strcmp(*out, "Fail") == 0 || strcmp(*out, "Continue") == 0)
        return 0;
    kst_auto_free char *found = kst_asprintf("'%s'", text);
    return invalid(pod, prefix, "on-error", "Fail or Continue", found, err);
}

static void set(struct kst_json *params, const char *when, const char *name, struct kst_json *value)
{
    kst_auto_free char *key = kst_asprintf("%s_%s", when, name);
    kst_json_set(params, key, value);
}

static int read_hook(const struct kst_json *pod, const char *prefix, const char *when,
                     struct kst_json *params, struct kst_err **err)
{
    kst_auto_json struct kst_json *command = NULL;
    const char *container = NULL, *on_error = NULL, *timeout = NULL;
    int rc = read_command(pod, prefix, &command, err);
    if (rc == 0)
        rc = read_container(pod, prefix, &container, err);
    if (rc == 0)
        rc = read_on_error(pod, prefix, &on_error, err);
    if (rc == 0)
        rc = read_timeout(pod, prefix, &timeout, err);
    if (rc < 0)
        return rc;
    set(params, when, "command", kst_take(command));
    set(params, when, "container", kst_json_from_str(container));
    set(params, when, "on_error", kst_json_from_str(on_error));
    set(params, when, "timeout", kst_json_from_str(timeout));
    return 0;
}

int kst_hooks_read(const struct kst_json *pod, struct kst_json **out, struct kst_err **err)
{
    kst_auto_json struct kst_json *params = kst_json_object();
    int rc = check_names(pod, err);
    for (size_t i = 0; rc == 0 && i < KST_ARRAY_LEN(places); i++) {
        kst_auto_free char *key = kst_asprintf("%s_command", places[i].when);
        if (annotation(pod, places[i].prefix, "command") && !kst_json_get(params, key))
            rc = read_hook(pod, places[i].prefix, places[i].when, params, err);
    }
    if (rc < 0)
        return rc;
    *out = kst_json_len(params) ? kst_take(params) : NULL;
    return 0;
}

static bool runs(const struct kst_json *pod)
{
    const char *phase = kst_json_path_str(pod, "status.phase");
    return phase && strcmp(phase, "Running") == 0 &&
           !kst_json_path_str(pod, "metadata.deletionTimestamp");
}

static bool says_none(const struct kst_json *object)
{
    const char *wish = kst_bind_wish(object);
    return wish && strcmp(wish, "none") == 0;
}

static bool wants_none(const struct kst_json *workloads, const struct kst_json *pod)
{
    if (says_none(pod))
        return true;
    for (const struct kst_json *row = kst_json_first(workloads); row; row = kst_json_next(row)) {
        const struct kst_json *object = kst_json_get(row, "object");
        if (says_none(object) && kst_application_is_pod_of(object, pod))
            return true;
    }
    return false;
}

/* velero-hooks, of the source where that has one, else the one that is compiled in. */
static int find_blueprint(struct kst_run *run, const struct kst_blueprint **out,
                          struct kst_err **err)
{
    for (size_t i = 0; i < run->nblueprints; i++) {
        if (strcmp(kst_blueprint_name(run->blueprints[i]), blueprint_name) == 0) {
            *out = run->blueprints[i];
            return 0;
        }
    }
    struct kst_blueprint *loaded = NULL;
    int rc = kst_hook_blueprint(run, blueprint_path, &loaded, err);
    *out = loaded;
    return rc;
}

/* Whether the row's blueprint was nobody's wish, and does nothing that would be missed. */
static bool is_replaceable(const struct kst_run *run, const struct kst_json *row)
{
    static const char *const functions[] = {"pre_hook", "snapshot", "post_hook", "export"};
    const char *because = kst_json_path_str(row, "because");
    if (!because || strcmp(because, "default") != 0)
        return false;
    for (size_t i = 0; i < run->nblueprints; i++) {
        const struct kst_blueprint *blueprint = run->blueprints[i];
        if (strcmp(kst_blueprint_path(blueprint), kst_json_path_str(row, "path")) != 0)
            continue;
        for (size_t n = 0; n < KST_ARRAY_LEN(functions); n++) {
            if (kst_blueprint_has(blueprint, functions[n]))
                return false;
        }
    }
    return true;
}

/* Takes the row. A Pod that is a workload itself has one already, whose claims stay. */
static void put_row(const struct kst_run *run, struct kst_json *row)
{
    struct kst_json *bindings = kst_json_ensure_array(kst_journal_status(run->journal), "bindings");
    const char *workload = kst_json_path_str(row, "workload");
    for (size_t i = 0; i < kst_json_len(bindings); i++) {
        struct kst_json *old = kst_json_mut_at(bindings, i);
        if (strcmp(kst_json_path_str(old, "workload"), workload) != 0 || !is_replaceable(run, old))
            continue;
        kst_json_set(row, "claims", kst_json_dup(kst_json_get(old, "claims")));
        for (const struct kst_json *field = kst_json_first(row); field;
             field = kst_json_next(field))
            kst_json_set(old, kst_json_key(field), kst_json_dup(field));
        kst_json_free(row);
        return;
    }
    kst_json_push(bindings, row);
}

static int bind_pod(struct kst_run *run, const struct kst_json *pod, struct kst_json *params,
                    struct kst_err **err)
{
    const struct kst_blueprint *blueprint = NULL;
    int rc = find_blueprint(run, &blueprint, err);
    const char *name = kst_json_path_str(pod, "metadata.name");
    kst_auto_json struct kst_json *resolved = NULL;
    kst_json_set_str(params, "uid", kst_json_path_str(pod, "metadata.uid"));
    if (rc == 0)
        rc = kst_blueprint_resolve_params(blueprint, params, &resolved, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "hooks of Pod/%s/%s", run->app_ns, name);
    kst_auto_free char *workload = kst_asprintf("Pod/%s", name);
    struct kst_json *row = kst_json_make(
        "{'workload':%s,'apiVersion':'v1','kind':'Pod','name':%s,'blueprint':%s,'path':%s,"
        "'because':'annotation','order':%L,'claims':[],'params':%J}",
        workload, name, kst_blueprint_name(blueprint), kst_blueprint_path(blueprint),
        kst_blueprint_order(blueprint), params);
    put_row(run, row);
    return 0;
}

int kst_hooks_bind(struct kst_run *run, const struct kst_json *workloads,
                   const struct kst_json *pods, struct kst_err **err)
{
    for (const struct kst_json *pod = kst_json_first(pods); pod; pod = kst_json_next(pod)) {
        if (!runs(pod) || wants_none(workloads, pod))
            continue;
        kst_auto_json struct kst_json *params = NULL;
        int rc = kst_hooks_read(pod, &params, err);
        if (rc == 0 && params)
            rc = bind_pod(run, pod, params, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}
