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
#include "sandbox/api.h"
#include "sandbox/api_internal.h"
#include "sandbox/ask.h"
#include "sandbox/httpd.h"
#include "sandbox/registry.h"
#include "sandbox/select.h"
#include "sandbox/status.h"
#include "sandbox/store.h"

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

static struct kst_json *object_body(struct kst_ask *ask, struct kst_json **status)
{
    const char *type = kst_httpd_header(ask->http, "Content-Type");
    if (type && *type && !type_is(type, "application/json") && !type_is(type, "application/yaml")) {
        *status = not_known_type();
        return NULL;
    }
    struct kst_json *body = kst_ask_body(ask, status);
    if (body && kst_json_type(body) != KST_JSON_OBJECT) {
        *status = kst_status_bad_request(
            "the object provided is unrecognized (must be of type %s): couldn't get version/kind; "
            "json parse error: json: cannot unmarshal %s into Go value of type struct { "
            "APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
            "\"json:\\\"kind,omitempty\\\"\" }",
            ask->resource->kind, kst_json_type_name(kst_json_type(body)));
        kst_json_free(body);
        return NULL;
    }
    return body;
}

/* ---- verbs ---- */

static void get(struct kst_ask *ask, const struct kst_api_call *call)
{
    struct kst_json *object = NULL;
    struct kst_json *status = kst_api_get(ask->server->api, call, &object);
    answer(ask, 200, status, object);
}

static void create(struct kst_ask *ask, const struct kst_api_call *call)
{
    struct kst_json *status = NULL, *object = NULL, *body = object_body(ask, &status);
    if (body)
        status = kst_api_create(ask->server->api, call, body, &object);
    answer(ask, 201, status, object);
}

static void update(struct kst_ask *ask, const struct kst_api_call *call)
{
    bool created = false;
    struct kst_json *status = NULL, *object = NULL, *body = object_body(ask, &status);
    if (body)
        status = kst_api_update(ask->server->api, call, body, &created, &object);
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
    enum kst_api_patch type;
    bool created = false;
    struct kst_json *status = NULL, *object = NULL, *body = NULL;
    if (!patch_type(kst_httpd_header(ask->http, "Content-Type"), &type)) {
        status = kst_status_failure(415, "UnsupportedMediaType", "415: Unsupported Media Type");
        kst_json_set(status, "details", kst_json_object());
    } else if (type == KST_API_PATCH_APPLY && !kst_httpd_query(ask->http, "fieldManager")) {
        kst_auto_json struct kst_json *causes = kst_json_array();
        kst_cause_add(causes, "FieldValueRequired", "fieldManager",
                      "Required value: is required for apply patch");
        status = kst_status_failure(422, "Invalid",
                                    "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: "
                                    "Required value: is required for apply patch");
        kst_json_set(status, "details",
                     kst_json_make("{'group':'meta.k8s.io','kind':'PatchOptions','causes':%J}",
                                   causes));
    } else {
        body = kst_ask_body(ask, &status);
        if (!body && kst_status_code(status) == 400) {
            kst_json_free(status);
            status = malformed_patch(ask, type);
        }
    }
    if (body)
        status = kst_api_patch(ask->server->api, call, type, body, kst_ask_flag(ask, "force"),
                               &created, &object);
    answer(ask, created ? 201 : 200, status, object);
    kst_json_free(body);
}

/* ---- deleting ---- */

/* From the body, else the query. `body` keeps the texts. */
static struct kst_json *delete_options(struct kst_ask *ask, struct kst_json **body,
                                       struct kst_api_delete *options, bool *dry_run)
{
    struct kst_json *status = NULL;
    long long grace = 0;
    *options = (struct kst_api_delete){.grace_seconds = -1};
    options->propagation = kst_httpd_query(ask->http, "propagationPolicy");
    const char *seconds = kst_httpd_query(ask->http, "gracePeriodSeconds");
    if (seconds && kst_parse_int(seconds, &grace) && grace >= 0)
        options->grace_seconds = grace;
    const char *orphan = kst_httpd_query(ask->http, "orphanDependents");
    if (orphan && !options->propagation)
        options->propagation = is(orphan, "true") ? "Orphan" : "Background";
    if (kst_httpd_body(ask->http).len > 0) {
        *body = kst_ask_body(ask, &status);
        if (status)
            return status;
        const struct kst_json *b = *body;
        if (kst_json_path_str(b, "propagationPolicy"))
            options->propagation = kst_json_path_str(b, "propagationPolicy");
        else if (kst_json_get(b, "orphanDependents"))
            options->propagation = kst_json_path_true(b, "orphanDependents") ? "Orphan"
                                                                             : "Background";
        options->grace_seconds = kst_json_path_int(b, "gracePeriodSeconds", options->grace_seconds);
        options->uid = kst_json_path_str(b, "preconditions.uid");
        options->version = kst_json_path_str(b, "preconditions.resourceVersion");
        *dry_run = *dry_run || kst_api_list_has(kst_json_get(b, "dryRun"), "All");
    }
    const char *p = options->propagation;
    if (p && !is(p, "Orphan") && !is(p, "Background") && !is(p, "Foreground"))
        return kst_status_failure(422, "Invalid",
                                  "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: "
                                  "Invalid value: \"%s\": must be one of [Foreground Background "
                                  "Orphan]",
                                  p);
    return NULL;
}

static void delete_one(struct kst_ask *ask, struct kst_api_call *call)
{
    struct kst_api_delete options;
    kst_auto_json struct kst_json *body = NULL;
    struct kst_json *object = NULL;
    struct kst_json *status = delete_options(ask, &body, &options, &call->dry_run);
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
    struct kst_json *status = delete_options(ask, &body, &options, &call->dry_run);
    if (!status)
        status = kst_select_init(&select, ask->resource, ask->ns,
                                 kst_httpd_query(ask->http, "labelSelector"),
                                 kst_httpd_query(ask->http, "fieldSelector"));
    if (status) {
        kst_ask_status(ask, status);
        return;
    }
    struct kst_store *store = kst_api_store(ask->server->api);
    kst_bucket_snapshot(ask->resource->bucket, kst_store_version(store), &objects, &count);
    kst_auto_json struct kst_json *list = kst_json_make(
        "{'kind':%s,'apiVersion':%s,'metadata':{},'items':[]}", ask->resource->list_kind,
        ask->resource->api_version);
    for (size_t i = 0; i < count; i++) {
        if (!kst_select_has(&select, objects[i]))
            continue;
        struct kst_api_call one = *call;
        one.ns = objects[i]->ns;
        one.name = objects[i]->name;
        kst_json_free(kst_api_delete(ask->server->api, &one, &options, NULL));
        const struct kst_object *left = kst_bucket_get(ask->resource->bucket, objects[i]->ns,
                                                       objects[i]->name);
        kst_json_push(kst_json_mut(list, "items"),
                      kst_api_show(ask->resource, left ? left : objects[i]));
    }
    kst_auto_free char *version = kst_asprintf("%lld", (long long)kst_store_version(store));
    kst_json_set_str(kst_json_mut(list, "metadata"), "resourceVersion", version);
    kst_objects_free(objects, count);
    kst_select_release(&select);
    kst_ask_json(ask, 200, list);
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
        return !*ask->name;
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
        kst_ask_status(ask, kst_status_no_resource());
        return;
    }
    if (!knows(ask)) {
        kst_ask_status(ask, kst_status_no_method());
        return;
    }
    const char *dry_run = kst_httpd_query(ask->http, "dryRun");
    if (dry_run && *dry_run && !is(dry_run, "All")) {
        kst_ask_status(ask, kst_status_failure(422, "Invalid",
                                               "CreateOptions.meta.k8s.io \"\" is invalid: "
                                               "dryRun: Unsupported value: []string{\"%s\"}: "
                                               "supported values: \"All\"",
                                               dry_run));
        return;
    }
    bool namespaced = flags & KST_RES_NAMESPACED;
    struct kst_api_call call = {.resource = ask->resource,
                                .ns = namespaced ? ask->ns : "",
                                .name = *ask->name ? ask->name : NULL,
                                .subresource = *sub ? sub : NULL,
                                .manager = kst_ask_manager(ask, manager, sizeof(manager)),
                                .dry_run = dry_run && *dry_run};
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
