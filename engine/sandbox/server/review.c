/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of service accounts, and the questions who somebody is and what he may do.
 * https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/server/ask.h"
#include "sandbox/server/token.h"

/* ---- TokenRequest ---- */

static struct kst_json *check_seconds(int64_t seconds)
{
    enum { LEAST_S = 600 };
    kst_auto_json struct kst_json *causes = kst_json_array();
    if (seconds >= LEAST_S && seconds <= INT64_C(1) << 32)
        return NULL;
    kst_cause_add(causes, "FieldValueInvalid", "spec.expirationSeconds", "Invalid value: %lld: %s",
                  (long long)seconds,
                  seconds < LEAST_S ? "may not specify a duration less than 10 minutes"
                                    : "may not specify a duration larger than 2^32 seconds");
    return kst_status_invalid_kind("authentication.k8s.io", "TokenRequest", causes);
}

void kst_serve_token(struct kst_ask *ask)
{
    enum { DEFAULT_S = 3600 };
    struct kst_json *status = NULL;
    kst_auto_json struct kst_json *body = kst_ask_body(ask, &status);
    const struct kst_object *account = kst_bucket_get(ask->resource->bucket, ask->ns, ask->name);
    int64_t seconds = kst_json_path_int(body, "spec.expirationSeconds", DEFAULT_S);
    if (!status)
        status = check_seconds(seconds);
    if (!status && !account)
        status = kst_status_not_found(ask->resource, ask->name);
    if (status) {
        kst_ask_status(ask, status);
        return;
    }
    char expires[KST_TIME_TEXT];
    int64_t wall_ms = kst_wall_ms() + seconds * 1000;
    kst_time_format(wall_ms, expires);
    kst_auto_free char *token = kst_token_make(ask->server, ask->ns, ask->name, account->uid,
                                               wall_ms / 1000);
    kst_auto_json struct kst_json *audiences = kst_json_dup(kst_json_path(body, "spec.audiences"));
    if (kst_json_len(audiences) == 0) {
        kst_json_free(audiences);
        audiences = kst_json_make("['https://kubernetes.default.svc']");
    }
    kst_auto_json struct kst_json *answer = kst_json_make(
        "{'kind':'TokenRequest','apiVersion':'authentication.k8s.io/v1','metadata':{"
        "'creationTimestamp':null},'spec':{'audiences':%J,'expirationSeconds':%L,"
        "'boundObjectRef':null},'status':{'token':%s,'expirationTimestamp':%s}}",
        audiences, seconds, token, expires);
    const struct kst_json *bound = kst_json_path(body, "spec.boundObjectRef");
    if (bound)
        kst_json_set(kst_json_mut(answer, "spec"), "boundObjectRef", kst_json_dup(bound));
    kst_ask_json(ask, 201, answer);
}

/* ---- reviews ---- */

static void reply_review(struct kst_ask *ask, const struct kst_json *body,
                         const struct kst_json *status)
{
    kst_auto_json struct kst_json *answer = kst_json_make(
        "{'kind':%s,'apiVersion':%s,'metadata':{'creationTimestamp':null},'spec':%J,'status':%J}",
        ask->resource->kind, ask->resource->api_version, kst_json_get(body, "spec"), status);
    kst_ask_json(ask, 201, answer);
}

static void user_of(const struct kst_json *spec, struct kst_user *user)
{
    kst_user_set(user, kst_api_text(spec, "user"));
    const struct kst_json *groups = kst_json_get(spec, "groups");
    if (!groups)
        groups = kst_json_get(spec, "group"); /* v1beta1 */
    for (const struct kst_json *g = kst_json_first(groups); g; g = kst_json_next(g))
        if (kst_json_str(g))
            kst_user_add_group(user, kst_json_str(g));
}

/* The question must be about a resource or about a path, and about somebody. */
static struct kst_json *check_question(const struct kst_ask *ask, const struct kst_json *spec,
                                       const struct kst_user *user)
{
    const struct kst_json *wish = kst_json_get(spec, "resourceAttributes");
    const struct kst_json *path = kst_json_get(spec, "nonResourceAttributes");
    kst_auto_json struct kst_json *causes = kst_json_array();
    if (wish && path)
        kst_cause_add(causes, "FieldValueInvalid", "spec.nonResourceAttributes",
                      "Invalid value: \"nonResourceAttributes\": cannot be specified in "
                      "combination with resourceAttributes");
    if (!wish && !path)
        kst_cause_add(causes, "FieldValueInvalid", "spec.resourceAttributes",
                      "Invalid value: \"null\": exactly one of nonResourceAttributes or "
                      "resourceAttributes must be specified");
    if (user && !*user->name && user->ngroups == 0)
        kst_cause_add(causes, "FieldValueInvalid", "spec.user",
                      "Invalid value: \"\": at least one of user or group must be specified");
    return kst_json_len(causes) > 0 ? kst_status_invalid(ask->resource, NULL, causes) : NULL;
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

static void serve_access(struct kst_ask *ask, const struct kst_json *body)
{
    bool self = strcmp(ask->plural, "selfsubjectaccessreviews") == 0;
    struct kst_user other = {0};
    const struct kst_json *spec = kst_json_get(body, "spec");
    user_of(spec, &other);
    struct kst_json *refused = check_question(ask, spec, self ? NULL : &other);
    if (refused) {
        kst_ask_status(ask, refused);
    } else {
        kst_auto_json struct kst_json *status = kst_json_make(
            "{'allowed':%b}", is_allowed(ask, spec, self ? &ask->user : &other));
        reply_review(ask, body, status);
    }
    kst_user_release(&other);
}

static void serve_rules(struct kst_ask *ask, const struct kst_json *body)
{
    struct kst_api *api = ask->server->api;
    const char *ns = kst_api_text(body, "spec.namespace");
    kst_auto_json struct kst_json *rules = kst_rbac_rules(api, &ask->user, ns, false);
    kst_auto_json struct kst_json *paths = kst_rbac_rules(api, &ask->user, ns, true);
    kst_auto_json struct kst_json *status = kst_json_make(
        "{'resourceRules':%J,'nonResourceRules':%J,'incomplete':false}", rules, paths);
    reply_review(ask, body, status);
}

static void serve_identity(struct kst_ask *ask, const struct kst_json *body)
{
    struct kst_user user = {0};
    kst_auto_json struct kst_json *status = kst_json_make("{'user':{}}");
    if (kst_token_check(ask->server, kst_api_text(body, "spec.token"), &user)) {
        kst_user_add_group(&user, "system:authenticated");
        kst_json_set_bool(status, "authenticated", true);
        struct kst_json *found = kst_json_mut(status, "user");
        kst_json_set_str(found, "username", user.name);
        kst_json_set_str(found, "uid", user.uid);
        for (size_t i = 0; i < user.ngroups; i++)
            kst_json_push(kst_json_ensure_array(found, "groups"),
                          kst_json_from_str(user.groups[i]));
        kst_json_set(status, "audiences", kst_json_make("['https://kubernetes.default.svc']"));
    } else {
        kst_json_set_str(status, "error", "invalid bearer token");
    }
    reply_review(ask, body, status);
    kst_user_release(&user);
}

void kst_serve_review(struct kst_ask *ask)
{
    struct kst_json *status = NULL;
    kst_auto_json struct kst_json *body = kst_ask_body(ask, &status);
    if (status)
        kst_ask_status(ask, status);
    else if (strcmp(ask->plural, "tokenreviews") == 0)
        serve_identity(ask, body);
    else if (strcmp(ask->plural, "selfsubjectrulesreviews") == 0)
        serve_rules(ask, body);
    else
        serve_access(ask, body);
}
