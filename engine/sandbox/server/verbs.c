/* SPDX-License-Identifier: Apache-2.0 */
/* One object, or a deletion of many: from HTTP to api.h and back. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/server/ask.h"
#include "sandbox/server/httpd.h"
#include "sandbox/server/options.h"
#include "sandbox/server/select.h"
#include "sandbox/server/webhook.h"
#include "sandbox/types/decode.h"
#include "sandbox/types/gotext.h"
#include "sandbox/types/protobuf.h"

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static void answer(struct kst_ask *ask, int code, struct kst_json *status, struct kst_json *object)
{
    if (status)
        kst_ask_status(ask, status);
    else
        kst_ask_object(ask, code, object);
    kst_json_free(object);
}

/* ---- bodies ---- */

static struct kst_json *not_known_type(void)
{
    return kst_status_failure(415, "UnsupportedMediaType",
                              "the body of the request was in an unknown format - accepted media "
                              "types include: application/json, application/yaml, "
                              "application/vnd.kubernetes.protobuf");
}

static bool type_is(const char *type, const char *wanted)
{
    size_t len = strlen(wanted);
    return type && strncasecmp(type, wanted, len) == 0 &&
           (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

/* The body of a request with the text that errors quote. */
struct body {
    struct kst_json *object;
    struct kst_buf printed; /* what was made of YAML, or protobuf */
    struct kst_str text;
};

enum { BODY_BYTES = 16 * 1024 * 1024 };

/* What the server wants to know first: kind and version. */
static struct kst_json *check_kind(struct kst_ask *ask, const struct kst_json *object)
{
    static const char *const keys[] = {"apiVersion", "kind"};
    if (kst_json_type(object) != KST_JSON_OBJECT)
        return kst_ask_unreadable(
            ask,
            "couldn't get version/kind; json parse error: json: cannot unmarshal %s into Go value "
            "of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
            "\"json:\\\"kind,omitempty\\\"\" }",
            kst_decode_name(object));
    for (size_t i = 0; i < KST_ARRAY_LEN(keys); i++) {
        const struct kst_json *value = kst_json_get(object, keys[i]);
        if (value && !kst_json_str(value) && kst_json_type(value) != KST_JSON_NULL)
            return kst_ask_unreadable(ask,
                                      "couldn't get version/kind; json parse error: json: cannot "
                                      "unmarshal %s into Go struct field .%s of type string",
                                      kst_decode_name(value), keys[i]);
    }
    return NULL;
}

/* `body` is to be released; its object is NULL where *status says why. */
static void object_body(struct kst_ask *ask, struct body *body, struct kst_json **status)
{
    const char *type = kst_httpd_header(ask->http, "Content-Type");
    *body = (struct body){.printed = KST_BUF_INIT(BODY_BYTES), .text = kst_httpd_body(ask->http)};
    bool json = !type || !*type || type_is(type, "application/json");
    if (!json && !type_is(type, "application/yaml") && !type_is(type, KST_PROTOBUF_TYPE)) {
        *status = not_known_type();
        return;
    }
    body->object = kst_ask_body(ask, status);
    if (kst_json_type(body->object) == KST_JSON_NULL) {
        kst_json_free(body->object);
        body->object = kst_json_object();
    }
    *status = body->object ? check_kind(ask, body->object) : *status;
    if (*status) {
        kst_json_free(body->object);
        body->object = NULL;
    }
    if (body->object && !json) {
        kst_go_json(&body->printed, body->object);
        body->text = kst_str_buf(&body->printed);
    }
}

/* ---- verbs ---- */

/* What is read is always the present state, which must not be older than what is asked for. */
static struct kst_json *check_version(const struct kst_ask *ask)
{
    const char *version = kst_httpd_query(ask->http, "resourceVersion");
    long long asked = 0;
    if (!version || !*version)
        return NULL;
    if (!kst_parse_int(version, &asked) || asked < 0)
        return kst_status_bad_version(version);
    int64_t have = kst_store_version(kst_api_store(ask->server->api));
    return asked > have ? kst_status_future_version(asked, have) : NULL;
}

static void get(struct kst_ask *ask, const struct kst_api_call *call)
{
    struct kst_json *object = NULL, *status = check_version(ask);
    if (!status)
        status = kst_api_get(ask->server->api, call, &object);
    answer(ask, 200, status, object);
}

/* What a write would make, for webhooks to be asked about it. */
struct trial {
    struct kst_api_call call;
    struct kst_json *would, *old;
};

static struct trial try_first(const struct kst_ask *ask, const struct kst_api_call *call)
{
    struct trial trial = {.call = *call};
    trial.call.dry_run = true;
    if (call->name) /* where it is not there, a write creates it or fails */
        kst_json_free(kst_api_get(ask->server->api, call, &trial.old));
    return trial;
}

/* Frees the trial's objects; `status` (taken) is how it ended. */
static struct kst_json *ask_webhooks(struct kst_ask *ask, const struct kst_api_call *call,
                                     struct trial *trial, struct kst_json *status)
{
    if (!status)
        status = kst_webhook_check(ask, call, trial->old ? "UPDATE" : "CREATE", trial->would,
                                   trial->old);
    kst_json_free(trial->would);
    kst_json_free(trial->old);
    return status;
}

static void create(struct kst_ask *ask, struct kst_api_call *call)
{
    struct kst_json *status = NULL, *object = NULL;
    struct body body;
    object_body(ask, &body, &status);
    call->text = &body.text;
    if (body.object && kst_webhook_concerns(ask, call, "CREATE")) {
        struct trial trial = try_first(ask, call);
        status = kst_api_create(ask->server->api, &trial.call, kst_json_dup(body.object),
                                &trial.would);
        status = ask_webhooks(ask, call, &trial, status);
    }
    if (body.object && !status)
        status = kst_api_create(ask->server->api, call, kst_take(body.object), &object);
    kst_json_free(body.object);
    kst_buf_release(&body.printed);
    answer(ask, 201, status, object);
}

/* Whether webhooks are to be asked about a write that changes, or creates. */
static bool concerns_write(const struct kst_ask *ask, const struct kst_api_call *call)
{
    return kst_webhook_concerns(ask, call, "UPDATE") || kst_webhook_concerns(ask, call, "CREATE");
}

static void update(struct kst_ask *ask, struct kst_api_call *call)
{
    bool created = false;
    struct kst_json *status = NULL, *object = NULL;
    struct body body;
    object_body(ask, &body, &status);
    call->text = &body.text;
    if (body.object && concerns_write(ask, call)) {
        struct trial trial = try_first(ask, call);
        status = kst_api_update(ask->server->api, &trial.call, kst_json_dup(body.object), NULL,
                                &trial.would);
        status = ask_webhooks(ask, call, &trial, status);
    }
    if (body.object && !status)
        status = kst_api_update(ask->server->api, call, kst_take(body.object), &created, &object);
    kst_json_free(body.object);
    kst_buf_release(&body.printed);
    answer(ask, created ? 201 : 200, status, object);
}

static bool patch_type(const char *type, enum kst_api_patch *out)
{
    static const struct {
        const char *type;
        enum kst_api_patch patch;
    } types[] = {
        {"application/json-patch+json", KST_API_PATCH_JSON},
        {"application/merge-patch+json", KST_API_PATCH_MERGE},
        {"application/strategic-merge-patch+json", KST_API_PATCH_STRATEGIC},
        {"application/apply-patch+yaml", KST_API_PATCH_APPLY},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(types); i++)
        if (type_is(type, types[i].type)) {
            *out = types[i].patch;
            return true;
        }
    return false;
}

/* What a patch that cannot be read is told: other words than an object gets. */
static struct kst_json *malformed_patch(struct kst_ask *ask, enum kst_api_patch type)
{
    struct kst_str body = kst_httpd_body(ask->http), text = kst_str_trim(body);
    kst_auto_json struct kst_json *value = NULL;
    kst_auto_err struct kst_err *err = NULL;
    if (type == KST_API_PATCH_MERGE)
        return kst_status_internal("Invalid JSON Patch");
    if (type == KST_API_PATCH_APPLY) {
        kst_yaml_parse(body.data, body.len, &value, &err);
        return kst_status_bad_request(
            "error decoding YAML: error converting YAML to JSON: yaml: %s", kst_err_message(err));
    }
    kst_json_parse(body.data, body.len, &value, &err);
    const char *nothing = type == KST_API_PATCH_JSON ? "unexpected end of JSON input" : "EOF";
    return kst_status_bad_request("%s", text.len ? kst_err_message(err) : nothing);
}

static void patch(struct kst_ask *ask, struct kst_api_call *call)
{
    enum kst_api_patch type = KST_API_PATCH_JSON;
    bool created = false;
    struct kst_json *status = NULL, *object = NULL, *body = NULL;
    if (!patch_type(kst_httpd_header(ask->http, "Content-Type"), &type)) {
        status = kst_status_failure(415, "UnsupportedMediaType", "415: Unsupported Media Type");
        kst_json_set(status, "details", kst_json_object());
    } else {
        status = kst_options_check_patch(ask, type);
    }
    if (!status) {
        body = kst_ask_body(ask, &status);
        if (!body && kst_status_code(status) == 400) {
            kst_json_free(status);
            status = malformed_patch(ask, type);
        }
    }
    if (body && concerns_write(ask, call)) {
        struct trial trial = try_first(ask, call);
        status = kst_api_patch(ask->server->api, &trial.call, type, body,
                               kst_ask_flag(ask, "force"), NULL, &trial.would);
        status = ask_webhooks(ask, call, &trial, status);
    }
    if (body && !status)
        status = kst_api_patch(ask->server->api, call, type, body, kst_ask_flag(ask, "force"),
                               &created, &object);
    answer(ask, created ? 201 : 200, status, object);
    kst_json_free(body);
}

/* ---- deleting ---- */

static void delete_one(struct kst_ask *ask, struct kst_api_call *call)
{
    struct kst_api_delete options;
    kst_auto_json struct kst_json *body = NULL;
    struct kst_json *object = NULL;
    struct kst_json *status = kst_options_delete(ask, &body, &options, &call->dry_run);
    if (!status && kst_webhook_concerns(ask, call, "DELETE")) {
        kst_auto_json struct kst_json *old = NULL;
        status = kst_api_get(ask->server->api, call, &old);
        if (!status)
            status = kst_webhook_check(ask, call, "DELETE", NULL, old);
    }
    if (!status)
        status = kst_api_delete(ask->server->api, call, &options, &object);
    answer(ask, 200, status, object);
}

static void delete_many(struct kst_ask *ask, struct kst_api_call *call)
{
    struct kst_api_delete options;
    struct kst_select select = {0};
    struct kst_object **objects = NULL;
    size_t count = 0;
    kst_auto_json struct kst_json *body = NULL;
    struct kst_json *status = kst_options_delete(ask, &body, &options, &call->dry_run);
    if (!status)
        status = kst_select_init(&select, ask->resource, ask->ns,
                                 kst_httpd_query(ask->http, "labelSelector"),
                                 kst_httpd_query(ask->http, "fieldSelector"));
    if (status) {
        kst_ask_status(ask, status);
        return;
    }
    int64_t version = kst_store_version(kst_api_store(ask->server->api));
    kst_bucket_snapshot(ask->resource->bucket, version, &objects, &count);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!kst_select_has(&select, objects[i])) {
            kst_object_unref(objects[i]);
            continue;
        }
        struct kst_api_call one = *call;
        one.ns = objects[i]->ns;
        one.name = objects[i]->name;
        kst_json_free(kst_api_delete(ask->server->api, &one, &options, NULL));
        objects[kept++] = objects[i];
    }
    /* Told as they were before. */
    kst_serve_objects(ask, version, objects, kept);
    kst_objects_free(objects, kept);
    kst_select_release(&select);
}

/* ---- dispatch ---- */

/* Whether the resource, or its subresource, knows the verb. */
static bool knows(const struct kst_ask *ask)
{
    unsigned flags = ask->resource->flags;
    if (*ask->subresource)
        return is(ask->verb, "get") || is(ask->verb, "update") || is(ask->verb, "patch");
    if (flags & KST_RES_CREATE_ONLY)
        return is(ask->verb, "create");
    if (flags & KST_RES_READ_ONLY)
        return is(ask->verb, "get");
    if (is(ask->verb, "create"))
        return !*ask->name && (*ask->ns || !(flags & KST_RES_NAMESPACED));
    if (is(ask->verb, "deletecollection"))
        return !(flags & KST_RES_NO_COLLECTION) && (*ask->ns || !(flags & KST_RES_NAMESPACED));
    return *ask->name;
}

void kst_serve_verbs(struct kst_ask *ask)
{
    unsigned flags = ask->resource->flags;
    const char *sub = ask->subresource;
    char manager[128];
    if (*sub && !(is(sub, "status") && (flags & KST_RES_STATUS)) &&
        !(is(sub, "scale") && (flags & KST_RES_SCALE))) {
        /* Of a custom resource it is as if the object were not there. */
        kst_ask_status(ask, flags & KST_RES_CUSTOM ? kst_status_not_found(ask->resource, ask->name)
                                                   : kst_status_no_resource());
        return;
    }
    if (!knows(ask) && *sub && flags & KST_RES_CUSTOM) {
        kst_ask_status(ask, kst_status_not_supported(ask->resource, ask->verb));
        return;
    }
    if (!knows(ask)) {
        kst_ask_status(ask, kst_status_no_method());
        return;
    }
    bool dry_run = false;
    struct kst_json *refused = kst_options_dry_run(ask, &dry_run);
    if (refused) {
        kst_ask_status(ask, refused);
        return;
    }
    bool namespaced = flags & KST_RES_NAMESPACED;
    struct kst_api_call call = {.resource = ask->resource,
                                .ns = namespaced ? ask->ns : "",
                                .name = *ask->name ? ask->name : NULL,
                                .subresource = *sub ? sub : NULL,
                                .manager = kst_ask_manager(ask, manager, sizeof(manager)),
                                .user = &ask->user,
                                .dry_run = dry_run};
    if (is(ask->verb, "get"))
        get(ask, &call);
    else if (is(ask->verb, "create"))
        create(ask, &call);
    else if (is(ask->verb, "update"))
        update(ask, &call);
    else if (is(ask->verb, "patch"))
        patch(ask, &call);
    else if (is(ask->verb, "delete"))
        delete_one(ask, &call);
    else
        delete_many(ask, &call);
}
