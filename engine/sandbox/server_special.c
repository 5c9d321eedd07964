/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked under the name of a resource and is no object: logs and exec, bindings, evictions,
 * tokens, and the questions who may do what.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api.h"
#include "sandbox/api_internal.h"
#include "sandbox/ask.h"
#include "sandbox/httpd.h"
#include "sandbox/registry.h"
#include "sandbox/status.h"
#include "sandbox/store.h"
#include "sandbox/token.h"

static struct kst_object *object_of(const struct kst_ask *ask)
{
    return kst_bucket_get(ask->resource->bucket, ask->ns, ask->name);
}

/* ---- Pods ---- */

static void serve_node(struct kst_ask *ask,
                       void (*serve)(void *arg, struct kst_httpd_request *request,
                                     const struct kst_object *pod))
{
    kst_auto_object struct kst_object *pod = kst_object_ref(object_of(ask));
    const char *node = pod ? kst_api_text(pod->json, "spec.nodeName") : "";
    if (!pod) {
        kst_ask_status(ask, kst_status_not_found(ask->resource, ask->name));
    } else if (!*node) {
        kst_ask_status(ask,
                       kst_status_bad_request("pod %s does not have a host assigned", ask->name));
    } else if (!serve) {
        kst_ask_status(ask, kst_status_failure(500, "InternalError",
                                               "error dialing backend: node %s is away", node));
    } else {
        ask->code = 200;
        serve(ask->server->options.node, ask->http, pod);
    }
}

static void serve_log(struct kst_ask *ask)
{
    serve_node(ask, ask->server->options.log);
}

static void serve_exec(struct kst_ask *ask)
{
    if (ask->fault == KST_FAULT_RESET_AFTER || ask->fault == KST_FAULT_TRUNCATE)
        kst_httpd_mute(ask->http, ask->fault == KST_FAULT_RESET_AFTER);
    serve_node(ask, ask->server->options.exec);
}

static void serve_binding(struct kst_ask *ask)
{
    struct kst_json *status = NULL;
    kst_auto_json struct kst_json *body = kst_ask_body(ask, &status);
    kst_auto_object struct kst_object *pod = kst_object_ref(object_of(ask));
    if (!status && !pod)
        status = kst_status_not_found(ask->resource, ask->name);
    if (!status && *kst_api_text(pod->json, "spec.nodeName"))
        status = kst_status_conflict(ask->resource, ask->name,
                                     "pod %s is already assigned to node \"%s\"", ask->name,
                                     kst_api_text(pod->json, "spec.nodeName"));
    if (status) {
        kst_ask_status(ask, status);
        return;
    }
    struct kst_json *changed = kst_json_dup(pod->json);
    kst_json_set_str(kst_json_mut(changed, "spec"), "nodeName", kst_api_text(body, "target.name"));
    kst_bucket_put(ask->resource->bucket, changed);
    kst_auto_json struct kst_json *done = kst_json_make(
        "{'kind':'Status','apiVersion':'v1','metadata':{},'status':'Success',"
        "'code':201}");
    kst_ask_json(ask, 201, done);
}

static void serve_eviction(struct kst_ask *ask)
{
    struct kst_json *status = NULL;
    kst_auto_json struct kst_json *body = kst_ask_body(ask, &status);
    if (!status) {
        const struct kst_api_call call = {
            .resource = ask->resource, .ns = ask->ns, .name = ask->name};
        const struct kst_api_delete options = {
            .grace_seconds = kst_json_path_int(body, "deleteOptions.gracePeriodSeconds", -1)};
        status = kst_api_delete(ask->server->api, &call, &options, NULL);
    }
    if (status) {
        kst_ask_status(ask, status);
        return;
    }
    kst_auto_json struct kst_json *done = kst_json_make(
        "{'kind':'Status','apiVersion':'v1','metadata':{},'status':'Success','code':201}");
    kst_ask_json(ask, 201, done);
}

/* ---- namespaces/finalize ---- */

static void serve_finalize(struct kst_ask *ask)
{
    struct kst_json *status = NULL, *object = NULL;
    kst_auto_json struct kst_json *body = kst_ask_body(ask, &status);
    kst_auto_object struct kst_object *live = kst_object_ref(object_of(ask));
    if (!status && !live)
        status = kst_status_not_found(ask->resource, ask->name);
    if (!status) {
        const struct kst_api_call call = {.resource = ask->resource, .name = ask->name};
        struct kst_json *changed = kst_json_dup(live->json);
        struct kst_json *spec = kst_json_ensure_object(changed, "spec");
        const struct kst_json *wanted = kst_json_path(body, "spec.finalizers");
        if (wanted)
            kst_json_set(spec, "finalizers", kst_json_dup(wanted));
        else
            kst_json_remove(spec, "finalizers");
        status = kst_api_write(ask->server->api, &call, live, changed, &object);
    }
    if (status)
        kst_ask_status(ask, status);
    else
        kst_ask_object(ask, 200, object);
    kst_json_free(object);
}

/* ---- tokens ---- */

static void serve_token(struct kst_ask *ask)
{
    enum { DEFAULT_S = 3600, LEAST_S = 600 };
    struct kst_json *status = NULL;
    kst_auto_json struct kst_json *body = kst_ask_body(ask, &status);
    const struct kst_object *account = object_of(ask);
    if (!status && !account)
        status = kst_status_not_found(ask->resource, ask->name);
    int64_t seconds = kst_json_path_int(body, "spec.expirationSeconds", DEFAULT_S);
    if (!status && seconds < LEAST_S)
        status = kst_status_failure(422, "Invalid",
                                    "TokenRequest.authentication.k8s.io \"\" is invalid: "
                                    "spec.expirationSeconds: Invalid value: %lld: may not specify "
                                    "a duration less than 10 minutes",
                                    (long long)seconds);
    if (status) {
        kst_ask_status(ask, status);
        return;
    }
    char expires[KST_TIME_TEXT];
    int64_t wall_ms = kst_wall_ms() + kst_api_ms(seconds);
    kst_time_format(wall_ms, expires);
    kst_auto_free char *token = kst_token_make(ask->server, ask->ns, ask->name, account->uid,
                                               wall_ms / 1000);
    kst_auto_json struct kst_json *answer = kst_json_make(
        "{'kind':'TokenRequest','apiVersion':'authentication.k8s.io/v1','metadata':{},'spec':%J,"
        "'status':{'token':%s,'expirationTimestamp':%s}}",
        kst_json_get(body, "spec"), token, expires);
    kst_json_set_int(kst_json_ensure_object(answer, "spec"), "expirationSeconds", seconds);
    kst_ask_json(ask, 201, answer);
}

/* ---- questions ---- */

static void user_of(const struct kst_json *spec, struct kst_user *user)
{
    kst_user_set(user, kst_api_text(spec, "user"));
    const struct kst_json *groups = kst_json_get(spec, "groups");
    for (const struct kst_json *g = kst_json_first(groups); g; g = kst_json_next(g))
        if (kst_json_str(g))
            kst_user_add_group(user, kst_json_str(g));
}

static bool is_allowed(struct kst_ask *ask, const struct kst_json *spec,
                       const struct kst_user *user)
{
    const struct kst_json *wish = kst_json_get(spec, "resourceAttributes");
    const struct kst_json *path = kst_json_get(spec, "nonResourceAttributes");
    const struct kst_access access = {
        .verb = kst_api_text(path ? path : wish, "verb"),
        .group = kst_api_text(wish, "group"),
        .resource = kst_api_text(wish, "resource"),
        .subresource = kst_api_text(wish, "subresource"),
        .ns = kst_api_text(wish, "namespace"),
        .name = kst_api_text(wish, "name"),
        .path = path ? kst_api_text(path, "path") : NULL,
    };
    return kst_rbac_allows(ask->server->api, user, &access);
}

static void reply_review(struct kst_ask *ask, const struct kst_json *body,
                         const struct kst_json *status)
{
    kst_auto_json struct kst_json *answer = kst_json_make(
        "{'kind':%s,'apiVersion':%s,'metadata':{'creationTimestamp':null},'spec':%J,'status':%J}",
        ask->resource->kind, ask->resource->api_version, kst_json_get(body, "spec"), status);
    kst_ask_json(ask, 201, answer);
}

static void serve_access(struct kst_ask *ask, const struct kst_json *body, bool self)
{
    struct kst_user other = {0};
    const struct kst_json *spec = kst_json_get(body, "spec");
    user_of(spec, &other);
    bool allowed = is_allowed(ask, spec, self ? &ask->user : &other);
    kst_auto_json struct kst_json *status = kst_json_make("{'allowed':%b}", allowed);
    reply_review(ask, body, status);
    kst_user_release(&other);
}

static void serve_rules(struct kst_ask *ask, const struct kst_json *body)
{
    kst_auto_json struct kst_json *rules = kst_rbac_rules(ask->server->api, &ask->user,
                                                          kst_api_text(body, "spec.namespace"));
    kst_auto_json struct kst_json *status = kst_json_make(
        "{'resourceRules':%J,'nonResourceRules':[],'incomplete':false}", rules);
    reply_review(ask, body, status);
}

static void serve_token_review(struct kst_ask *ask, const struct kst_json *body)
{
    struct kst_user user = {0};
    kst_auto_json struct kst_json *status = kst_json_object();
    if (kst_token_check(ask->server, kst_api_text(body, "spec.token"), &user)) {
        kst_json_set_bool(status, "authenticated", true);
        struct kst_json *found = kst_json_ensure_object(status, "user");
        kst_json_set_str(found, "username", user.name);
        kst_json_set_str(found, "uid", user.uid);
        for (size_t i = 0; i < user.ngroups; i++)
            kst_json_push(kst_json_ensure_array(found, "groups"),
                          kst_json_from_str(user.groups[i]));
    }
    reply_review(ask, body, status);
    kst_user_release(&user);
}

static void serve_review(struct kst_ask *ask)
{
    struct kst_json *status = NULL;
    kst_auto_json struct kst_json *body = kst_ask_body(ask, &status);
    const char *plural = ask->plural;
    if (status)
        kst_ask_status(ask, status);
    else if (strcmp(plural, "tokenreviews") == 0)
        serve_token_review(ask, body);
    else if (strcmp(plural, "selfsubjectrulesreviews") == 0)
        serve_rules(ask, body);
    else
        serve_access(ask, body, strcmp(plural, "selfsubjectaccessreviews") == 0);
}

static const struct special {
    const char *plural, *subresource, *verb;
    void (*serve)(struct kst_ask *ask);
} specials[] = {
    {"pods", "log", "get", serve_log},
    {"pods", "exec", "create", serve_exec},
    {"pods", "exec", "get", serve_exec},
    {"pods", "binding", "create", serve_binding},
    {"pods", "eviction", "create", serve_eviction},
    {"namespaces", "finalize", "update", serve_finalize},
    {"serviceaccounts", "token", "create", serve_token},
    {"tokenreviews", "", "create", serve_review},
    {"selfsubjectaccessreviews", "", "create", serve_review},
    {"subjectaccessreviews", "", "create", serve_review},
    {"localsubjectaccessreviews", "", "create", serve_review},
    {"selfsubjectrulesreviews", "", "create", serve_review},
};

bool kst_serve_special(struct kst_ask *ask)
{
    if (ask->resource->flags & KST_RES_CUSTOM)
        return false;
    for (size_t i = 0; i < KST_ARRAY_LEN(specials); i++) {
        const struct special *special = &specials[i];
        if (strcmp(special->plural, ask->plural) == 0 &&
            strcmp(special->subresource, ask->subresource) == 0 &&
            strcmp(special->verb, ask->verb) == 0) {
            special->serve(ask);
            return true;
        }
    }
    return false;
}
