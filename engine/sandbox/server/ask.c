/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/server/ask.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/server/httpd.h"
#include "sandbox/table/table.h"
#include "sandbox/types/decode.h"
#include "sandbox/types/gotext.h"
#include "sandbox/types/protobuf.h"

/* ---- Accept ---- */

/* A parameter of a media range: the text after "name=". */
static bool parameter(struct kst_str range, const char *name, struct kst_str *value)
{
    struct kst_str part;
    kst_str_split(&range, ';', &part);
    while (kst_str_split(&range, ';', &part)) {
        part = kst_str_trim(part);
        size_t len = strlen(name);
        if (part.len > len && strncmp(part.data, name, len) == 0 && part.data[len] == '=') {
            *value = (struct kst_str){.data = part.data + len + 1, .len = part.len - len - 1};
            return true;
        }
    }
    return false;
}

static const char *version_of(struct kst_str range, const char *const *known)
{
    struct kst_str value;
    if (!parameter(range, "v", &value))
        return NULL;
    for (size_t i = 0; known[i]; i++)
        if (kst_str_eq(value, known[i]))
            return known[i];
    return NULL;
}

static bool take_range(struct kst_ask *self, struct kst_str range)
{
    static const char *const meta[] = {"v1", "v1beta1", NULL};
    static const char *const discovery[] = {"v2", "v2beta1", NULL};
    struct kst_str rest = range, type, as;
    kst_str_split(&rest, ';', &type);
    type = kst_str_trim(type);
    bool yaml = kst_str_eq(type, "application/yaml");
    if (!yaml && !kst_str_eq(type, "application/json") && !kst_str_eq(type, "application/*") &&
        !kst_str_eq(type, "*/*"))
        return false;
    enum kst_ask_form form = KST_FORM_OBJECT;
    const char *version = NULL;
    if (parameter(range, "as", &as)) {
        bool found = kst_str_eq(as, "APIGroupDiscoveryList");
        form = kst_str_eq(as, "Table") ? KST_FORM_TABLE
               : found                 ? KST_FORM_DISCOVERY
                                       : KST_FORM_METADATA;
        if (form == KST_FORM_METADATA && !kst_str_eq(as, "PartialObjectMetadata") &&
            !kst_str_eq(as, "PartialObjectMetadataList"))
            return false;
        version = version_of(range, found ? discovery : meta);
        if (!version)
            return false;
    }
    self->form = form;
    self->form_version = version;
    self->yaml = yaml;
    return true;
}

bool kst_ask_accept(struct kst_ask *self, const char *accept)
{
    self->form = KST_FORM_OBJECT;
    if (!accept || !*accept)
        return true;
    struct kst_str rest = kst_str_of(accept), range;
    while (kst_str_split(&rest, ',', &range))
        if (take_range(self, kst_str_trim(range)))
            return true;
    return false;
}

/* ---- the path ---- */

static void cut(struct kst_ask *self, const char *path)
{
    self->path = kst_strdup(path);
    char *at = self->path;
    while (*at && self->nparts < KST_ASK_PARTS) {
        while (*at == '/')
            *at++ = '\0';
        if (!*at)
            break;
        self->parts[self->nparts++] = at;
        at += strcspn(at, "/");
    }
    while (*at) { /* more parts than anything has: nothing is found */
        self->nparts = KST_ASK_PARTS;
        at++;
    }
}

static const char *verb_of(const struct kst_ask *self)
{
    static const struct {
        const char *method, *one, *many;
    } verbs[] = {
        {"GET", "get", "list"},       {"HEAD", "get", "list"},
        {"POST", "create", "create"}, {"PUT", "update", "update"},
        {"PATCH", "patch", "patch"},  {"DELETE", "delete", "deletecollection"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(verbs); i++)
        if (strcmp(verbs[i].method, self->method) == 0)
            return *self->name ? verbs[i].one : verbs[i].many;
    return "";
}

void kst_ask_path(struct kst_ask *self, const char *path)
{
    self->group = self->version = self->plural = self->ns = self->name = self->subresource =
        self->verb = "";
    cut(self, path);
    size_t at = 0, n = self->nparts;
    const char *const *part = self->parts;
    if (n >= 3 && strcmp(part[0], "api") == 0) {
        self->version = part[1];
        at = 2;
    } else if (n >= 4 && strcmp(part[0], "apis") == 0) {
        self->group = part[1];
        self->version = part[2];
        at = 3;
    } else {
        return;
    }
    bool old_watch = strcmp(part[at], "watch") == 0 && n > at + 1; /* the form before ?watch= */
    at += old_watch;
    bool core = !*self->group;
    /* namespaces/NAME and its subresources are about the namespace, all longer ones lie in it. */
    if (n >= at + 3 && strcmp(part[at], "namespaces") == 0 &&
        !(core && (strcmp(part[at + 2], "status") == 0 || strcmp(part[at + 2], "finalize") == 0))) {
        self->ns = part[at + 1];
        at += 2;
    }
    self->plural = part[at];
    self->name = n > at + 1 ? part[at + 1] : "";
    self->subresource = n > at + 2 ? part[at + 2] : "";
    if (n > at + 3)
        self->plural = ""; /* proxies and the like */
    if (core && strcmp(self->plural, "namespaces") == 0 && *self->name)
        self->ns = self->name;
    self->resource = kst_registry_find(kst_api_registry(self->server->api), self->group,
                                       self->version, self->plural);
    self->verb = verb_of(self);
    /* Of one object only the old form is a watch: ?watch= is not heard there. */
    if (strcmp(self->method, "GET") == 0 &&
        (old_watch || (!*self->name && kst_ask_flag(self, "watch"))))
        self->verb = "watch";
}

bool kst_ask_flag(const struct kst_ask *self, const char *name)
{
    const char *value = kst_httpd_query(self->http, name);
    return value && (strcmp(value, "true") == 0 || strcmp(value, "1") == 0);
}

const char *kst_ask_manager(const struct kst_ask *self, char *out, size_t size)
{
    const char *given = kst_httpd_query(self->http, "fieldManager");
    if (given && *given)
        return given;
    const char *agent = kst_httpd_header(self->http, "User-Agent");
    size_t len = agent ? strcspn(agent, "/") : 0;
    if (len >= size)
        len = size - 1;
    memcpy(out, agent ? agent : "", len);
    out[len] = '\0';
    return len ? out : "unknown";
}

/* ---- answers ---- */

void kst_ask_text(struct kst_ask *self, int code, const char *content_type, const char *text,
                  size_t len)
{
    self->code = code;
    if (self->fault == KST_FAULT_RESET_AFTER)
        kst_httpd_reset(self->http);
    else if (self->fault == KST_FAULT_TRUNCATE)
        kst_httpd_truncate(self->http, code, content_type, text, len);
    else
        kst_httpd_reply(self->http, code, content_type, text, len);
}

void kst_ask_buf(struct kst_ask *self, int code, const char *content_type,
                 const struct kst_buf *text)
{
    if (!text->overflown)
        kst_ask_text(self, code, content_type, text->data, text->len);
    else
        kst_ask_status(self, kst_status_internal("the answer is larger than %d MiB: ask for it in "
                                                 "pages, by a limit",
                                                 KST_ASK_ANSWER_BYTES >> 20));
}

void kst_ask_json(struct kst_ask *self, int code, const struct kst_json *value)
{
    kst_auto_buf text = KST_BUF_INIT(KST_ASK_ANSWER_BYTES);
    kst_auto_json struct kst_json *in_order = self->yaml ? kst_go_sorted(value) : NULL;
    if (self->yaml) {
        kst_yaml_print(in_order, &text);
    } else {
        kst_json_print(value, KST_JSON_COMPACT, &text);
        kst_buf_addc(&text, '\n');
    }
    kst_ask_buf(self, code, self->yaml ? "application/yaml" : "application/json", &text);
}

void kst_ask_status(struct kst_ask *self, struct kst_json *status)
{
    int64_t wait = kst_json_path_int(status, "details.retryAfterSeconds", 0);
    if (wait > 0) {
        kst_auto_free char *text = kst_asprintf("%lld", (long long)wait);
        kst_httpd_add_header(self->http, "Retry-After", text);
    }
    kst_ask_json(self, kst_status_code(status), status);
    kst_json_free(status);
}

struct kst_json *kst_ask_metadata_of(const struct kst_json *object, const char *version)
{
    kst_auto_free char *api_version = kst_asprintf("meta.k8s.io/%s", version);
    return kst_json_make("{'kind':'PartialObjectMetadata','apiVersion':%s,'metadata':%J}",
                         api_version, kst_json_get(object, "metadata"));
}

struct kst_json *kst_ask_table(const struct kst_ask *self, const struct kst_json *metadata,
                               const struct kst_json *const *objects, size_t count, bool no_headers)
{
    const char *include = kst_httpd_query(self->http, "includeObject");
    bool other = strcmp(self->group, "events.k8s.io") == 0; /* the same rows */
    const struct kst_table_request request = {
        .group = other ? "" : self->group,
        .kind = self->resource->kind,
        .printer_columns = self->resource->columns,
        .custom = self->resource->flags & KST_RES_CUSTOM,
        .version = self->form_version,
        .include_object = include && *include ? include : "Metadata",
        .no_headers = no_headers,
        .now_ms = kst_wall_ms(),
    };
    return kst_table_make(&request, metadata, objects, count);
}

void kst_ask_object(struct kst_ask *self, int code, const struct kst_json *object)
{
    const char *kind = kst_api_text(object, "kind");
    kst_auto_json struct kst_json *shown = NULL;
    if (strcmp(kind, "Status") != 0 && self->resource && self->form == KST_FORM_TABLE)
        shown = kst_ask_table(self, NULL, &object, 1, false);
    else if (strcmp(kind, "Status") != 0 && self->form == KST_FORM_METADATA)
        shown = kst_ask_metadata_of(object, self->form_version);
    kst_ask_json(self, code, shown ? shown : object);
}

/* ---- bodies ---- */

static bool is_yaml(const char *type)
{
    return type && (strncasecmp(type, "application/yaml", 16) == 0 ||
                    strncasecmp(type, "application/apply-patch+yaml", 28) == 0);
}

/* "line 4, column 5: did not find expected ..." with the line as the server counts it: the YAML
 * parser's begin at 0, its scanner's at 1. */
static struct kst_json *malformed_yaml(struct kst_ask *self, const char *message)
{
    static const char *const by_parser[] = {"',' or '}'",   "',' or ']'",    "key",
                                            "node content", "'-' indicator", "<document start>"};
    static const char expected[] = "did not find expected ";
    const char *what = strstr(message, ": ");
    if (strncmp(message, "line ", 5) != 0 || !what)
        return kst_ask_unreadable(self, "yaml: %s", message);
    long line = strtol(message + 5, NULL, 10);
    what += 2;
    for (size_t i = 0; i < KST_ARRAY_LEN(by_parser); i++)
        if (kst_str_has_prefix(kst_str_of(what), expected) &&
            kst_str_has_suffix(kst_str_of(what), by_parser[i])) {
            line--;
            break;
        }
    if (line < 1 || kst_str_has_prefix(kst_str_of(what), "unknown anchor"))
        return kst_ask_unreadable(self, "yaml: %s", what);
    return kst_ask_unreadable(self, "yaml: line %ld: %s", line, what);
}

struct kst_json *kst_ask_body(struct kst_ask *self, struct kst_json **status)
{
    const char *type = kst_httpd_header(self->http, "Content-Type");
    struct kst_str body = kst_httpd_body(self->http);
    struct kst_json *value = NULL;
    kst_auto_err struct kst_err *err = NULL;
    if (kst_httpd_body_too_large(self->http)) {
        *status = kst_status_failure(413, "RequestEntityTooLarge",
                                     "Request entity too large: limit is %d", KST_ASK_BODY_BYTES);
        return NULL;
    }
    if (type && strncasecmp(type, KST_PROTOBUF_TYPE, strlen(KST_PROTOBUF_TYPE)) == 0) {
        if (kst_protobuf_decode(body.data, body.len, &value, &err) < 0)
            *status = kst_ask_unreadable(self, "%s", kst_err_message(err));
        return value;
    }
    bool yaml = is_yaml(type);
    int rc = yaml ? kst_yaml_parse(body.data, body.len, &value, &err)
                  : kst_json_parse(body.data, body.len, &value, &err);
    if (rc == 0)
        return value;
    if (yaml) {
        *status = malformed_yaml(self, kst_err_message(err));
        return NULL;
    }
    kst_auto_buf why = KST_BUF_INIT(64 * 1024);
    if (!kst_decode_syntax(body.data, body.len, &why))
        kst_buf_adds(&why, kst_err_message(err));
    *status = kst_ask_unreadable(self, "couldn't get version/kind; json parse error: %s", why.data);
    return NULL;
}

struct kst_json *kst_ask_unreadable(struct kst_ask *self, const char *format, ...)
{
    enum { SHOWN = 30 };
    struct kst_str body = kst_httpd_body(self->http);
    size_t shown = body.len < SHOWN ? body.len : SHOWN;
    kst_auto_buf why = KST_BUF_INIT(64 * 1024), text = KST_BUF_INIT(4 * SHOWN);
    va_list args;
    va_start(args, format);
    kst_buf_addv(&why, format, args);
    va_end(args);
    if (body.len == 0)
        kst_buf_adds(&text, "<empty>");
    else if (body.data[0] == '{')
        kst_decode_quote(body.data, shown, &text);
    for (size_t i = 0; i < shown && body.data[0] != '{'; i++)
        kst_buf_addf(&text, "%02x", (unsigned char)body.data[i]);
    kst_buf_adds(&text, body.len > SHOWN ? " ..." : "");
    return kst_status_bad_request("the object provided is unrecognized (must be of type %s): %s "
                                  "(%s)",
                                  self->resource ? self->resource->kind : "", why.data, text.data);
}
