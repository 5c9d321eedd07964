/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/cert.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "sandbox/api/api.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/custom/custom.h"
#include "sandbox/server/ask.h"
#include "sandbox/server/httpd.h"
#include "sandbox/server/token.h"
#include "sandbox/types/openapi.h"

enum { CERT_SECONDS = 365 * 86400 };

/* ---- who asks ---- */

static bool authenticate(struct kst_ask *ask)
{
    struct kst_server *server = ask->server;
    const char *header = kst_httpd_header(ask->http, "Authorization");
    if (!header && !server->options.tls) {
        /* kubectl sends no token where there is no TLS: who reaches the port is its master. */
        kst_user_set(&ask->user, "kubernetes-admin");
        kst_user_add_group(&ask->user, "system:masters");
        kst_user_add_group(&ask->user, "system:authenticated");
        return true;
    }
    if (!header) {
        kst_user_set(&ask->user, "system:anonymous");
        kst_user_add_group(&ask->user, "system:unauthenticated");
        return true;
    }
    if (strncasecmp(header, "Bearer ", 7) != 0)
        return false;
    const char *token = header + 7;
    while (*token == ' ')
        token++;
    if (strcmp(token, server->admin_token) == 0) {
        kst_user_set(&ask->user, "kubernetes-admin");
        kst_user_add_group(&ask->user, "system:masters");
    } else if (!kst_token_check(server, token, &ask->user)) {
        return false;
    }
    kst_user_add_group(&ask->user, "system:authenticated");
    return true;
}

/* Somebody else's eyes, for those who may. */
static struct kst_json *impersonate(struct kst_ask *ask)
{
    const char *name = kst_httpd_header(ask->http, "Impersonate-User");
    const char *group = kst_httpd_header(ask->http, "Impersonate-Group");
    if (!name)
        return NULL;
    const struct kst_access access = {.verb = "impersonate",
                                      .group = "",
                                      .resource = "users",
                                      .subresource = "",
                                      .ns = "",
                                      .name = name};
    if (!kst_rbac_allows(ask->server->api, &ask->user, &access))
        return kst_status_failure(403, "Forbidden",
                                  "users \"%s\" is forbidden: User \"%s\" cannot impersonate "
                                  "resource \"users\" in API group \"\" at the cluster scope",
                                  name, ask->user.name);
    kst_user_release(&ask->user);
    kst_user_set(&ask->user, name);
    if (group)
        kst_user_add_group(&ask->user, group);
    kst_user_add_group(&ask->user, "system:authenticated");
    return NULL;
}

/* ---- whether they may ---- */

static struct kst_json *forbidden_path(const struct kst_ask *ask, const char *verb,
                                       const char *path)
{
    struct kst_json *status = kst_status_failure(403, "Forbidden",
                                                 "forbidden: User \"%s\" cannot %s path \"%s\"",
                                                 ask->user.name, verb, path);
    kst_json_set(status, "details", kst_json_object());
    return status;
}

static struct kst_json *forbidden_resource(const struct kst_ask *ask)
{
    kst_auto_free char *what = *ask->subresource
                                   ? kst_asprintf("%s/%s", ask->plural, ask->subresource)
                                   : kst_strdup(ask->plural);
    kst_auto_free char *qualified = *ask->group ? kst_asprintf("%s.%s", ask->plural, ask->group)
                                                : kst_strdup(ask->plural);
    kst_auto_free char *place = *ask->ns ? kst_asprintf("in the namespace \"%s\"", ask->ns)
                                         : kst_strdup("at the cluster scope");
    kst_auto_free char *name = *ask->name ? kst_asprintf(" \"%s\"", ask->name) : kst_strdup("");
    struct kst_json *status = kst_status_failure(
        403, "Forbidden",
        "%s%s is forbidden: User \"%s\" cannot %s resource \"%s\" in API group \"%s\" %s",
        qualified, name, ask->user.name, ask->verb, what, ask->group, place);
    struct kst_json *details = kst_json_object();
    if (*ask->name)
        kst_json_set_str(details, "name", ask->name);
    if (*ask->group)
        kst_json_set_str(details, "group", ask->group);
    kst_json_set_str(details, "kind", ask->plural);
    kst_json_set(status, "details", details);
    return status;
}

/* The object that a list or watch is of, where its field selector names one: a rule with
 * resourceNames allows it. NULL where it names none; the caller frees it.
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources */
static char *selected_name(const struct kst_ask *ask)
{
    static const char field[] = "metadata.name=";
    const char *given = kst_httpd_query(ask->http, "fieldSelector");
    bool may_select = strcmp(ask->verb, "list") == 0 || strcmp(ask->verb, "watch") == 0 ||
                      strcmp(ask->verb, "deletecollection") == 0;
    struct kst_str rest = kst_str_of(given ? given : ""), part;
    while (may_select && given && kst_str_split(&rest, ',', &part)) {
        if (!kst_str_has_prefix(part, field))
            continue;
        part.data += sizeof(field) - 1;
        part.len -= sizeof(field) - 1;
        if (part.len && *part.data == '=') { /* "==" is the same */
            part.data++;
            part.len--;
        }
        return kst_strndup(part.data, part.len);
    }
    return NULL;
}

static struct kst_json *authorize(const struct kst_ask *ask)
{
    const char *path = kst_httpd_path(ask->http);
    if (*ask->plural) {
        kst_auto_free char *selected = *ask->name ? NULL : selected_name(ask);
        const struct kst_access access = {.verb = ask->verb,
                                          .group = ask->group,
                                          .resource = ask->plural,
                                          .subresource = ask->subresource,
                                          .ns = ask->ns,
                                          .name = selected ? selected : ask->name};
        return kst_rbac_allows(ask->server->api, &ask->user, &access) ? NULL
                                                                      : forbidden_resource(ask);
    }
    char verb[16];
    snprintf(verb, sizeof(verb), "%s", ask->method);
    for (char *c = verb; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    const struct kst_access access = {.verb = verb,
                                      .group = "",
                                      .resource = "",
                                      .subresource = "",
                                      .ns = "",
                                      .name = "",
                                      .path = path};
    return kst_rbac_allows(ask->server->api, &ask->user, &access) ? NULL
                                                                  : forbidden_path(ask, verb, path);
}

/* ---- what goes wrong ---- */

static struct kst_json *fault_status(const struct kst_ask *ask)
{
    struct kst_json *status = NULL;
    switch (ask->fault) {
    case KST_FAULT_500:
        return kst_status_failure(500, "InternalError",
                                  "Internal error occurred: a fault that was "
                                  "asked for");
    case KST_FAULT_503:
        return kst_status_failure(503, "ServiceUnavailable",
                                  "the server is currently unable to "
                                  "handle the request");
    case KST_FAULT_409:
        return kst_status_failure(409, "Conflict",
                                  "Operation cannot be fulfilled: a fault that was asked for");
    case KST_FAULT_410:
        return strcmp(ask->verb, "watch") == 0
                   ? NULL
                   : kst_status_expired("The resourceVersion for the provided list is too old.");
    case KST_FAULT_429:
        status = kst_status_failure(429, "TooManyRequests",
                                    "Too many requests, please try again later.");
        kst_json_set(status, "details", kst_json_make("{'retryAfterSeconds':1}"));
        return status;
    default:
        return NULL;
    }
}

static void wake(void *arg)
{
    kst_cond_signal(arg);
}

/* No answer, until the client has had enough. */
static void hang(struct kst_ask *ask)
{
    struct kst_cond gone = KST_COND_INIT;
    kst_httpd_on_gone(ask->http, wake, &gone);
    while (!kst_httpd_is_gone(ask->http))
        if (kst_cond_wait(&gone, kst_now_ms() + 100, NULL) == KST_E_CANCELLED)
            break;
    kst_httpd_on_gone(ask->http, NULL, NULL);
    kst_cond_release(&gone);
    kst_httpd_reset(ask->http);
}

/* ---- serving ---- */

/* What no group of the server's own could have is no path at all. */
static void no_such_path(struct kst_ask *ask)
{
    if (kst_registry_is_builtin(kst_api_registry(ask->server->api), ask->group))
        kst_ask_status(ask, kst_status_no_resource());
    else
        kst_ask_text(ask, 404, "text/plain; charset=utf-8", "404 page not found\n", 19);
}

static void serve_resource(struct kst_ask *ask)
{
    if (!ask->resource) {
        no_such_path(ask);
        return;
    }
    bool namespaced = ask->resource->flags & KST_RES_NAMESPACED;
    bool in_namespace = *ask->ns && strcmp(ask->plural, "namespaces") != 0;
    if ((in_namespace && !namespaced) || (namespaced && !in_namespace && *ask->name)) {
        no_such_path(ask);
        return;
    }
    bool custom = ask->resource->flags & KST_RES_CUSTOM;
    struct kst_json *refused = custom ? kst_custom_check_conversion(
                                            ask->resource, namespaced ? ask->ns : "", ask->name,
                                            strcmp(ask->verb, "create") == 0)
                                      : NULL;
    if (refused) {
        kst_ask_status(ask, refused);
        return;
    }
    if (kst_serve_special(ask))
        return;
    if (strcmp(ask->verb, "watch") == 0)
        kst_serve_watch(ask);
    else if (strcmp(ask->verb, "list") == 0)
        kst_serve_list(ask);
    else
        kst_serve_verbs(ask);
}

static void serve(struct kst_ask *ask)
{
    struct kst_json *status = NULL;
    if (!authenticate(ask))
        status = kst_status_unauthorized();
    if (!status)
        status = impersonate(ask);
    if (!status)
        status = authorize(ask);
    if (!status)
        status = fault_status(ask);
    if (!status && !kst_ask_accept(ask, kst_httpd_header(ask->http, "Accept")) && *ask->plural) {
        status = kst_status_failure(406, "NotAcceptable", "406: Not Acceptable");
        kst_json_set(status, "details", kst_json_object());
    }
    if (status)
        kst_ask_status(ask, status);
    else if (*ask->plural)
        serve_resource(ask);
    else
        kst_serve_meta(ask);
}

static void handle(void *arg, struct kst_httpd_request *request)
{
    struct kst_server *server = arg;
    int64_t start_us = kst_now_us();
    struct kst_ask ask = {.server = server, .http = request, .method = kst_httpd_method(request)};
    kst_ask_path(&ask, kst_httpd_path(request));
    const char *header = kst_httpd_header(request, "User-Agent");
    /* Where the request becomes a connection of another protocol, its own texts end with it. */
    kst_auto_free char *method = kst_strdup(ask.method);
    kst_auto_free char *path = kst_strdup(kst_httpd_path(request));
    kst_auto_free char *agent = kst_strdup(header ? header : "");
    struct kst_server_look look = {.method = method,
                                   .path = path,
                                   .user = "",
                                   .agent = agent,
                                   .verb = ask.verb,
                                   .resource = ask.plural,
                                   .subresource = ask.subresource,
                                   .ns = ask.ns,
                                   .name = ask.name};
    if (server->options.fault)
        ask.fault = server->options.fault(server->options.fault_arg, &look);
    if (ask.fault == KST_FAULT_RESET_BEFORE)
        kst_httpd_reset(request);
    else if (ask.fault == KST_FAULT_HANG)
        hang(&ask);
    else
        serve(&ask);
    look.user = ask.user.name ? ask.user.name : "";
    if (server->options.trace)
        server->options.trace(server->options.trace_arg, &look, ask.code,
                              (double)(kst_now_us() - start_us) / 1000);
    kst_user_release(&ask.user);
    free(ask.path);
}

/* ---- the server ---- */

static char *random_token(void)
{
    unsigned char bytes[24];
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        abort();
    kst_auto_buf text = KST_BUF_INIT(128);
    for (size_t i = 0; i < sizeof(bytes); i++)
        kst_buf_addf(&text, "%02x", bytes[i]);
    return kst_buf_take(&text);
}

static int listen_on(struct kst_server *self, int port, struct kst_err **err)
{
    const struct kst_httpd_options http = {.address = self->address,
                                           .port = port,
                                           .cert_pem = self->ca,
                                           .key_pem = self->key,
                                           .body_bytes = KST_ASK_BODY_BYTES,
                                           .handle = handle,
                                           .arg = self};
    int rc = kst_httpd_new(self->loop, &http, &self->httpd, err);
    if (rc == 0)
        self->port = kst_httpd_port(self->httpd);
    return rc;
}

int kst_server_new(struct kst_loop *loop, struct kst_api *api,
                   const struct kst_server_options *options, struct kst_server **out,
                   struct kst_err **err)
{
    struct kst_server *self = kst_calloc(1, sizeof(*self));
    const char *address = options->address ? options->address : "127.0.0.1";
    self->loop = loop;
    self->address = kst_strdup(address);
    self->api = api;
    self->options = *options;
    self->openapi = kst_openapi_new();
    self->admin_token = random_token();
    kst_log_secret(self->admin_token, strlen(self->admin_token));
    if (getrandom(self->secret, sizeof(self->secret), 0) != (ssize_t)sizeof(self->secret))
        abort();
    kst_auto_free char *names = kst_asprintf("IP:%s,IP:10.0.0.1,DNS:localhost,DNS:kubernetes,"
                                             "DNS:kubernetes.default.svc",
                                             address);
    int rc = options->tls ? kst_cert_make("kassette-sandbox", names, -CERT_SECONDS, CERT_SECONDS,
                                          &self->ca, &self->key, err)
                          : 0;
    if (rc == 0)
        rc = listen_on(self, options->port, err);
    if (rc < 0) {
        kst_server_free(self);
        return rc;
    }
    self->url = kst_asprintf("%s://%s:%d", options->tls ? "https" : "http", address, self->port);
    kst_api_set_ca(api, self->ca);
    *out = self;
    return 0;
}

void kst_server_stop(struct kst_server *self)
{
    if (self->httpd)
        kst_httpd_stop(self->httpd);
}

void kst_server_leave(struct kst_server *self)
{
    kst_server_stop(self);
    kst_httpd_free(kst_take(self->httpd));
}

int kst_server_return(struct kst_server *self, struct kst_err **err)
{
    return self->httpd ? 0 : listen_on(self, self->port, err);
}

void kst_server_free(struct kst_server *self)
{
    if (!self)
        return;
    kst_httpd_free(self->httpd);
    kst_openapi_free(self->openapi);
    free(self->address);
    free(self->url);
    free(self->ca);
    if (self->key)
        kst_free_secret(self->key, strlen(self->key));
    if (self->admin_token)
        kst_free_secret(self->admin_token, strlen(self->admin_token));
    free(self);
}

int kst_server_port(const struct kst_server *self)
{
    return self->port;
}

const char *kst_server_url(const struct kst_server *self)
{
    return self->url;
}

char *kst_server_kubeconfig(const struct kst_server *self)
{
    kst_auto_buf ca = KST_BUF_INIT(64 * 1024), text = KST_BUF_INIT(128 * 1024);
    if (self->ca)
        kst_base64_encode(&ca, self->ca, strlen(self->ca));
    kst_buf_addf(&text,
                 "apiVersion: v1\nkind: Config\ncurrent-context: sandbox\n"
                 "clusters:\n- name: sandbox\n  cluster:\n    server: %s\n",
                 self->url);
    if (self->ca)
        kst_buf_addf(&text, "    certificate-authority-data: %s\n", ca.data);
    kst_buf_addf(&text,
                 "contexts:\n- name: sandbox\n  context:\n    cluster: sandbox\n    user: admin\n"
                 "users:\n- name: admin\n  user:\n    token: %s\n",
                 self->admin_token);
    return kst_buf_take(&text);
}
