/* SPDX-License-Identifier: Apache-2.0 */
/* In the words of k8s.io/apiserver's pkg/admission/plugin/webhook, 1.20. */
#include "sandbox/server/webhook.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/http.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/builtin/check.h"
#include "sandbox/server/ask.h"

enum {
    CA_BYTES = 256 * 1024,
    REVIEW_BYTES = 8 * 1024 * 1024,
    ANSWER_BYTES = 1024 * 1024,
    AT_ONCE = 32, /* webhooks for one write; more are asked one after the other */
    DEFAULT_SECONDS = 10,
};

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static const char *text_of(const struct kst_json *object, const char *path)
{
    return kst_api_text(object, path);
}

/* ---- which are asked ---- */

static bool lists(const struct kst_json *list, const char *wanted)
{
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e)) {
        const char *text = kst_json_str(e);
        if (text && (is(text, "*") || is(text, wanted)))
            return true;
    }
    return false;
}

/* A resource, or with a slash its subresource; a star is any. */
static bool names_resource(const struct kst_json *rule, const struct kst_api_call *call)
{
    const char *sub = call->subresource ? call->subresource : "";
    const struct kst_json *e = kst_json_first(kst_json_get(rule, "resources"));
    for (; e; e = kst_json_next(e)) {
        const char *text = kst_json_str(e), *slash = text ? strchr(text, '/') : NULL;
        if (!text)
            continue;
        struct kst_str plural = {text, slash ? (size_t)(slash - text) : strlen(text)};
        bool its = kst_str_eq(plural, "*") || kst_str_eq(plural, call->resource->plural);
        if (its && (slash ? is(slash + 1, "*") || is(slash + 1, sub) : !*sub))
            return true;
    }
    return false;
}

static bool has_scope(const struct kst_json *rule, const struct kst_resource *resource)
{
    const char *scope = text_of(rule, "scope");
    bool namespaced = resource->flags & KST_RES_NAMESPACED;
    return !*scope || is(scope, "*") || is(scope, namespaced ? "Namespaced" : "Cluster");
}

/* With matchPolicy Equivalent a rule for one version is about all of them. */
static bool has_rule(const struct kst_json *hook, const struct kst_api_call *call,
                     const char *operation)
{
    bool exact = is(text_of(hook, "matchPolicy"), "Exact");
    const struct kst_json *rule = kst_json_first(kst_json_get(hook, "rules"));
    for (; rule; rule = kst_json_next(rule))
        if (lists(kst_json_get(rule, "operations"), operation) &&
            lists(kst_json_get(rule, "apiGroups"), call->resource->group) &&
            (!exact || lists(kst_json_get(rule, "apiVersions"), call->resource->version)) &&
            names_resource(rule, call) && has_scope(rule, call->resource))
            return true;
    return false;
}

/* The labels of the namespace that the object is in, or is. */
static bool is_in_namespace(const struct kst_ask *ask, const struct kst_json *hook,
                            const struct kst_api_call *call, const struct kst_json *object)
{
    const struct kst_json *selector = kst_json_get(hook, "namespaceSelector");
    bool itself = is(call->resource->kind, "Namespace") && !*call->resource->group;
    if (itself)
        return kst_selects(selector, kst_json_path(object, "metadata.labels"));
    if (!(call->resource->flags & KST_RES_NAMESPACED))
        return true;
    const struct kst_object *ns = kst_api_find(ask->server->api, "/namespaces", "", call->ns);
    return kst_selects(selector, ns ? kst_json_path(ns->json, "metadata.labels") : NULL);
}

static bool selects(const struct kst_json *hook, const struct kst_json *object)
{
    return object && kst_selects(kst_json_get(hook, "objectSelector"),
                                 kst_json_path(object, "metadata.labels"));
}

typedef bool each_fn(void *arg, const struct kst_json *hook);

/* Calls `each` for all that have a rule, until one call says false. Without yielding. */
static void each_hook(const struct kst_ask *ask, const struct kst_api_call *call,
                      const char *operation, each_fn *each, void *arg)
{
    /* Nobody could mend a webhook that refuses its own end. */
    if (is(call->resource->group, "admissionregistration.k8s.io"))
        return;
    const struct kst_bucket *bucket = kst_store_bucket(
        kst_api_store(ask->server->api),
        "admissionregistration.k8s.io/validatingwebhookconfigurations");
    for (size_t i = 0; i < kst_bucket_count(bucket); i++) {
        const struct kst_json *config = kst_bucket_at(bucket, i)->json;
        const struct kst_json *hook = kst_json_first(kst_json_get(config, "webhooks"));
        for (; hook; hook = kst_json_next(hook))
            if (has_rule(hook, call, operation) && !each(arg, hook))
                return;
    }
}

static bool note(void *arg, const struct kst_json *hook)
{
    *(bool *)arg = true;
    return false;
}

bool kst_webhook_concerns(const struct kst_ask *ask, const struct kst_api_call *call,
                          const char *operation)
{
    bool found = false;
    each_hook(ask, call, operation, note, &found);
    return found;
}

/* ---- asking one ---- */

struct question {
    struct kst_json *hook; /* a copy: the configuration may change meanwhile */
    const struct kst_json *request;
    struct kst_json *refusal; /* a Status, or NULL */
};

static struct kst_json *failed(const struct kst_json *hook, const char *why)
{
    if (is(text_of(hook, "failurePolicy"), "Ignore"))
        return NULL;
    return kst_status_failure(500, "InternalError",
                              "Internal error occurred: failed calling webhook \"%s\": %s",
                              text_of(hook, "name"), why);
}

/* What its answer says. */
static struct kst_json *read_answer(const struct question *question, const struct kst_buf *body)
{
    kst_auto_json struct kst_json *review = NULL;
    kst_auto_err struct kst_err *err = NULL;
    const char *uid = text_of(question->request, "uid");
    if (kst_json_parse(body->data, body->len, &review, &err) < 0)
        return failed(question->hook, kst_err_message(err));
    const struct kst_json *response = kst_json_get(review, "response");
    if (kst_json_type(response) != KST_JSON_OBJECT)
        return failed(question->hook, "webhook response was absent");
    if (!is(text_of(response, "uid"), uid)) {
        kst_auto_free char *why = kst_asprintf("expected response.uid=\"%s\", got \"%s\"", uid,
                                               text_of(response, "uid"));
        return failed(question->hook, why);
    }
    if (kst_json_path_true(response, "allowed"))
        return NULL;
    const struct kst_json *result = kst_json_get(response, "status");
    const char *message = text_of(result, "message"), *reason = text_of(result, "reason");
    int64_t code = kst_json_path_int(result, "code", 0);
    const char *why = *message ? message : reason;
    return kst_status_failure(code >= 400 && code < 600 ? (int)code : 400, *reason ? reason : NULL,
                              "admission webhook \"%s\" denied the request%s%s",
                              text_of(question->hook, "name"), *why ? ": " : "",
                              *why ? why : " without explanation");
}

static struct kst_json *send_review(const struct question *question, const char *url,
                                    const char *ca)
{
    static const char *const headers[] = {"Content-Type: application/json",
                                          "Accept: application/json, */*", "Expect:", NULL};
    kst_auto_json struct kst_json *review = kst_json_make(
        "{'kind':'AdmissionReview','apiVersion':'admission.k8s.io/v1','request':%J}",
        question->request);
    kst_auto_buf body = KST_BUF_INIT(REVIEW_BYTES), answer = KST_BUF_INIT(ANSWER_BYTES);
    kst_auto_err struct kst_err *err = NULL;
    kst_json_print(review, KST_JSON_COMPACT, &body);
    int64_t seconds = kst_json_path_int(question->hook, "timeoutSeconds", DEFAULT_SECONDS);
    const struct kst_http_tls tls = {.ca_pem = ca};
    const struct kst_http_request request = {
        .method = "POST",
        .url = url,
        .headers = headers,
        .body = body.data,
        .body_len = body.len,
        .tls = &tls,
        .deadline_ms = kst_deadline_in_ms(kst_api_ms(seconds)),
    };
    struct kst_http_response response = {0};
    int rc = kst_http_do(kst_fiber_loop(), &request, &response, &answer, &err);
    long status = response.status;
    kst_http_response_release(&response);
    if (rc < 0)
        return failed(question->hook, kst_err_message(err));
    if (status != 200) {
        kst_auto_free char *why = kst_asprintf("the server answered with status %ld", status);
        return failed(question->hook, why);
    }
    return read_answer(question, &answer);
}

static int ask_one(void *arg, struct kst_err **err)
{
    struct question *question = arg;
    const char *url = text_of(question->hook, "clientConfig.url");
    const char *bundle = text_of(question->hook, "clientConfig.caBundle");
    if (!*url) {
        question->refusal = failed(question->hook,
                                   "the embedded cluster reaches webhooks by url, not by service");
        return 0;
    }
    kst_auto_buf ca = KST_BUF_INIT(CA_BYTES), whole = KST_BUF_INIT(REVIEW_BYTES);
    if (*bundle && kst_base64_decode(&ca, kst_str_of(bundle), true) < 0) {
        question->refusal = failed(question->hook, "its caBundle is not base64");
        return 0;
    }
    kst_buf_addf(&whole, "%s%ctimeout=%llds", url, strchr(url, '?') ? '&' : '?',
                 (long long)kst_json_path_int(question->hook, "timeoutSeconds", DEFAULT_SECONDS));
    question->refusal = send_review(question, whole.data, *bundle ? ca.data : NULL);
    return 0;
}

/* ---- asking all ---- */

struct round {
    const struct kst_ask *ask;
    const struct kst_api_call *call;
    const struct kst_json *object, *old;
    struct question questions[AT_ONCE];
    size_t count;
    bool full;
};

static bool add(void *arg, const struct kst_json *hook)
{
    struct round *self = arg;
    if (!is_in_namespace(self->ask, hook, self->call, self->object ? self->object : self->old) ||
        (!selects(hook, self->object) && !selects(hook, self->old)))
        return true;
    self->full = self->count == AT_ONCE;
    if (!self->full)
        self->questions[self->count++].hook = kst_json_dup(hook);
    return !self->full;
}

static struct kst_json *make_request(const struct kst_ask *ask, const struct kst_api_call *call,
                                     const char *operation, const struct kst_json *object,
                                     const struct kst_json *old)
{
    const struct kst_resource *resource = call->resource;
    kst_auto_free char *uid = kst_api_uid();
    kst_auto_json struct kst_json *groups = kst_json_array();
    for (size_t i = 0; i < ask->user.ngroups; i++)
        kst_json_push(groups, kst_json_from_str(ask->user.groups[i]));
    const char *name = call->name ? call->name : text_of(object, "metadata.name");
    struct kst_json *request = kst_json_make(
        "{'uid':%s,'kind':{'group':%s,'version':%s,'kind':%s},"
        "'resource':{'group':%s,'version':%s,'resource':%s},'name':%s,'operation':%s,"
        "'userInfo':{'username':%s,'groups':%J},'dryRun':%b}",
        uid, resource->group, resource->version, resource->kind, resource->group, resource->version,
        resource->plural, name, operation, ask->user.name, groups, call->dry_run);
    if (resource->flags & KST_RES_NAMESPACED)
        kst_json_set_str(request, "namespace", call->ns);
    kst_json_set_str(request, "subResource", call->subresource);
    kst_json_set_str(request, "requestSubResource", call->subresource);
    static const char *const copies[] = {"kind", "resource"};
    static const char *const names[] = {"requestKind", "requestResource"};
    for (size_t i = 0; i < KST_ARRAY_LEN(copies); i++)
        kst_json_set(request, names[i], kst_json_dup(kst_json_get(request, copies[i])));
    kst_json_set(request, "object", object ? kst_json_dup(object) : kst_json_null());
    kst_json_set(request, "oldObject", old ? kst_json_dup(old) : kst_json_null());
    return request;
}

struct kst_json *kst_webhook_check(const struct kst_ask *ask, const struct kst_api_call *call,
                                   const char *operation, const struct kst_json *object,
                                   const struct kst_json *old)
{
    struct round *round = kst_calloc(1, sizeof(*round));
    *round = (struct round){.ask = ask, .call = call, .object = object, .old = old};
    each_hook(ask, call, operation, add, round);
    struct kst_json *refusal = round->full ? kst_status_internal("more than %d webhooks want to be "
                                                                 "asked about one write",
                                                                 AT_ONCE)
                                           : NULL;
    kst_auto_json struct kst_json *request = make_request(ask, call, operation, object, old);
    struct kst_fiber *fibers[AT_ONCE];
    for (size_t i = 0; !refusal && i < round->count; i++) {
        round->questions[i].request = request;
        fibers[i] = kst_fiber_spawn(kst_fiber_loop(), "webhook", ask_one, &round->questions[i]);
    }
    bool asked = !refusal;
    for (size_t i = 0; i < round->count; i++) {
        if (asked)
            kst_fiber_join(fibers[i], NULL);
        if (!refusal)
            refusal = kst_take(round->questions[i].refusal);
        kst_json_free(round->questions[i].refusal);
        kst_json_free(round->questions[i].hook);
    }
    free(round);
    return refusal;
}
