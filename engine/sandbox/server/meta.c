/* SPDX-License-Identifier: Apache-2.0 */
/* What is no resource: discovery, the version, health, and as much OpenAPI as kubectl needs. */
#include <string.h>
#include <sys/utsname.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/server/ask.h"
#include "sandbox/server/httpd.h"
#include "sandbox/types/openapi.h"

static bool is(const struct kst_ask *ask, size_t part, const char *text)
{
    return part < ask->nparts && strcmp(ask->parts[part], text) == 0;
}

static void reply(struct kst_ask *ask, struct kst_json *document)
{
    if (document)
        kst_ask_json(ask, 200, document);
    else
        kst_ask_text(ask, 404, "text/plain; charset=utf-8", "404 page not found\n", 19);
    kst_json_free(document);
}

static void reply_aggregated(struct kst_ask *ask, bool core)
{
    kst_auto_json struct kst_json *document = kst_registry_aggregated(
        kst_api_registry(ask->server->api), core, ask->form_version);
    kst_auto_buf text = KST_BUF_INIT(16 * 1024 * 1024);
    kst_auto_free char *type = kst_asprintf(
        "application/json;g=apidiscovery.k8s.io;v=%s;as=APIGroupDiscoveryList", ask->form_version);
    kst_json_print(document, KST_JSON_COMPACT, &text);
    kst_ask_text(ask, 200, type, text.data, text.len);
}

static struct kst_json *version(void)
{
    struct utsname machine = {0};
    uname(&machine);
    bool arm = strcmp(machine.machine, "aarch64") == 0;
    return kst_json_make("{'major':'1','minor':'20','gitVersion':'v1.20.2+kassette-sandbox',"
                         "'gitCommit':'','gitTreeState':'','buildDate':'1970-01-01T00:00:00Z',"
                         "'goVersion':'','compiler':'','platform':%s}",
                         arm ? "linux/arm64" : "linux/amd64");
}

/* The real server lists what there is where a path is not known. */
static void reply_paths(struct kst_ask *ask, int code)
{
    kst_auto_json struct kst_json *document = kst_json_make(
        "{'paths':['/api','/api/v1','/apis','/healthz','/livez','/openapi/v2',"
        "'/readyz','/version']}");
    kst_ask_json(ask, code, document);
}

/* The versions of a group are there or not; a version that its group lacks is a resource that is
 * not found, in a group that is not there nothing is. */
static void reply_resources(struct kst_ask *ask, const char *group, const char *version)
{
    const struct kst_registry *registry = kst_api_registry(ask->server->api);
    kst_auto_json struct kst_json *known = *group ? kst_registry_group(registry, group) : NULL;
    struct kst_json *document = kst_registry_resources(registry, group, version);
    if (!document && (known || !*group))
        kst_ask_status(ask, kst_status_no_resource());
    else
        reply(ask, document);
}

static void serve_discovery(struct kst_ask *ask)
{
    const struct kst_registry *registry = kst_api_registry(ask->server->api);
    bool core = is(ask, 0, "api");
    if (ask->nparts == 1 && ask->form == KST_FORM_DISCOVERY)
        reply_aggregated(ask, core);
    else if (ask->nparts == 1)
        reply(ask, core ? kst_registry_core_versions() : kst_registry_groups(registry));
    else if (core && ask->nparts == 2)
        reply_resources(ask, "", ask->parts[1]);
    else if (!core && ask->nparts == 2)
        reply(ask, kst_registry_group(registry, ask->parts[1]));
    else if (core)
        kst_ask_status(ask, kst_status_no_resource());
    else
        reply_resources(ask, ask->parts[1], ask->parts[2]);
}

static void serve_openapi(struct kst_ask *ask)
{
    const struct kst_registry *registry = kst_api_registry(ask->server->api);
    const char *accept = kst_httpd_header(ask->http, "Accept");
    bool protobuf = accept && strstr(accept, "com.github.proto-openapi.spec.v2");
    kst_auto_buf text = KST_BUF_INIT(64 * 1024 * 1024);
    if (protobuf)
        kst_openapi_protobuf(ask->server->openapi, registry, &text);
    else
        kst_openapi_json(ask->server->openapi, registry, &text);
    /* The types are those that the real server's library guesses. */
    kst_ask_buf(ask, 200, protobuf ? "application/octet-stream" : "text/plain; charset=utf-8",
                &text);
}

static void serve_health(struct kst_ask *ask)
{
    kst_ask_text(ask, 200, "text/plain; charset=utf-8", "ok", 2);
}

static void serve_version(struct kst_ask *ask)
{
    reply(ask, version());
}

static void serve_root(struct kst_ask *ask)
{
    reply_paths(ask, 200);
}

static void (*server_of(const struct kst_ask *ask))(struct kst_ask *ask)
{
    if (ask->nparts == 0)
        return serve_root;
    if (is(ask, 0, "api") || is(ask, 0, "apis"))
        return serve_discovery;
    if (is(ask, 0, "version") && ask->nparts == 1)
        return serve_version;
    if (is(ask, 0, "healthz") || is(ask, 0, "livez") || is(ask, 0, "readyz"))
        return serve_health;
    return is(ask, 0, "openapi") && is(ask, 1, "v2") && ask->nparts == 2 ? serve_openapi : NULL;
}

void kst_serve_meta(struct kst_ask *ask)
{
    bool reads = strcmp(ask->method, "GET") == 0 || strcmp(ask->method, "HEAD") == 0;
    void (*serve)(struct kst_ask * ask) = server_of(ask);
    if (!serve)
        reply_paths(ask, 404);
    else if (!reads)
        kst_ask_status(ask, kst_status_no_method());
    else
        serve(ask);
}
