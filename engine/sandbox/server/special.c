/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked under the name of a resource and is no object: logs and exec, bindings, evictions,
 * finalizing a namespace.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/evict.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/bootstrap.h"
#include "sandbox/server/ask.h"
#include "sandbox/server/httpd.h"

static struct kst_object *object_of(const struct kst_ask *ask)
{
    bool namespaced = ask->resource->flags & KST_RES_NAMESPACED;
    return kst_bucket_get(ask->resource->bucket, namespaced ? ask->ns : "", ask->name);
}

/* ---- Pods ---- */

static bool has_container(const struct kst_json *pod, const char *name)
{
    static const char *const lists[] = {"spec.containers", "spec.initContainers",
                                        "spec.ephemeralContainers"};
    for (size_t i = 0; i < KST_ARRAY_LEN(lists); i++) {
        const struct kst_json *list = kst_json_path(pod, lists[i]);
        for (const struct kst_json *c = kst_json_first(list); c; c = kst_json_next(c))
            if (strcmp(kst_api_text(c, "name"), name) == 0)
                return true;
    }
    return false;
}

/* Their names with spaces between them; the caller frees it. */
static char *names_of(const struct kst_json *containers)
{
    kst_auto_buf names = KST_BUF_INIT(64 * 1024);
    for (const struct kst_json *c = kst_json_first(containers); c; c = kst_json_next(c))
        kst_buf_addf(&names, "%s%s", names.len ? " " : "", kst_api_text(c, "name"));
    return kst_buf_take(&names);
}

/* Where no container is named there must be one alone. */
static struct kst_json *check_container(const struct kst_ask *ask, const struct kst_json *pod)
{
    const char *name = kst_httpd_query(ask->http, "container");
    const struct kst_json *list = kst_json_path(pod, "spec.containers");
    if (name && *name)
        return has_container(pod, name)
                   ? NULL
                   : kst_status_bad_request("container %s is not valid for pod %s", name,
                                            ask->name);
    if (kst_json_len(list) == 1)
        return NULL;
    kst_auto_free char *choice = names_of(list);
    kst_auto_free char *others = names_of(kst_json_path(pod, "spec.initContainers"));
    return kst_status_bad_request("a container name must be specified for pod %s, choose one of: "
                                  "[%s]%s%s%s",
                                  ask->name, choice,
                                  *others ? " or one of the init containers: [" : "", others,
                                  *others ? "]" : "");
}

/* Only the node that this process is can be asked. */
static struct kst_json *check_node(const struct kst_ask *ask, const char *name, bool served)
{
    if (!kst_api_find(ask->server->api, "/nodes", "", name)) {
        const struct kst_resource nodes = {.group = "", .plural = "nodes"};
        return kst_status_not_found(&nodes, name);
    }
    if (served && strcmp(name, KST_SANDBOX_NODE) == 0)
        return NULL;
    return kst_status_failure(500, "InternalError", "error dialing backend: node %s is away", name);
}

static void serve_node(struct kst_ask *ask,
                       void (*serve)(void *arg, struct kst_httpd_request *request,
                                     const struct kst_object *pod))
{
    kst_auto_object struct kst_object *pod = kst_object_ref(object_of(ask));
    const char *node = pod ? kst_api_text(pod->json, "spec.nodeName") : "";
    bool log = strcmp(ask->subresource, "log") == 0;
    struct kst_json *status = !pod ? kst_status_not_found(ask->resource, ask->name) : NULL;
    if (!status && strcmp(ask->subresource, "portforward") != 0)
        status = check_container(ask, pod->json);
    if (!status && !*node && !log)
        status = kst_status_bad_request("pod %s does not have a host assigned", ask->name);
    if (!status && *node)
        status = check_node(ask, node, serve != NULL);
    if (status) {
        kst_ask_status(ask, status);
    } else if (!*node) { /* no log yet */
        kst_ask_text(ask, 204, NULL, "", 0);
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

static void serve_forward(struct kst_ask *ask)
{
    serve_node(ask, ask->server->options.forward);
}

static struct kst_json *check_binding(const struct kst_ask *ask, const struct kst_object *pod)
{
    const struct kst_resource named = {.group = "", .plural = "pods/binding"};
    if (!pod)
        return kst_status_not_found(ask->resource, ask->name);
    if (kst_api_is_deleting(pod->json))
        return kst_status_conflict(
            &named, ask->name, "pod %s is being deleted, cannot be assigned to a host", ask->name);
    const char *node = kst_api_text(pod->json, "spec.nodeName");
    if (!*node)
        return NULL;
    return kst_status_conflict(&named, ask->name, "pod %s is already assigned to node \"%s\"",
                               ask->name, node);
}

static void serve_binding(struct kst_ask *ask)
{
    struct kst_json *status = NULL;
    kst_auto_json struct kst_json *body = kst_ask_body(ask, &status);
    kst_auto_object struct kst_object *pod = kst_object_ref(object_of(ask));
    if (!status)
        status = check_binding(ask, pod);
    if (status) {
        kst_ask_status(ask, status);
        return;
    }
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    struct kst_json *changed = kst_json_dup(pod->json);
    kst_json_set_str(kst_json_ensure_object(changed, "spec"), "nodeName",
                     kst_api_text(body, "target.name"));
    kst_json_push(kst_json_ensure_array(kst_json_ensure_object(changed, "status"), "conditions"),
                  kst_json_make("{'type':'PodScheduled','status':'True','lastProbeTime':null,"
                                "'lastTransitionTime':%s}",
                                now));
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
            .resource = ask->resource, .ns = ask->ns, .name = ask->name, .dry_run = ask->dry_run};
        status = kst_api_evict(ask->server->api, &call, body);
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

static const struct special {
    const char *plural, *subresource, *verb;
    void (*serve)(struct kst_ask *ask);
} specials[] = {
    {"pods", "log", "get", serve_log},
    {"pods", "exec", "create", serve_exec},
    {"pods", "exec", "get", serve_exec},
    {"pods", "portforward", "create", serve_forward},
    {"pods", "portforward", "get", serve_forward},
    {"pods", "binding", "create", serve_binding},
    {"pods", "eviction", "create", serve_eviction},
    {"namespaces", "finalize", "update", serve_finalize},
    {"serviceaccounts", "token", "create", kst_serve_token},
    {"tokenreviews", "", "create", kst_serve_review},
    {"selfsubjectaccessreviews", "", "create", kst_serve_review},
    {"subjectaccessreviews", "", "create", kst_serve_review},
    {"localsubjectaccessreviews", "", "create", kst_serve_review},
    {"selfsubjectrulesreviews", "", "create", kst_serve_review},
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
