/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failed answers and failed transfers, in words.
 * https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client_internal.h"
#include "kube/config_internal.h"

enum { MESSAGE_BYTES = 2048, TEXT_LINE_BYTES = 300, CAUSES = 20, PATH_PARTS = 12 };

/* What a request's path names. */
struct target {
    char group[256], version[64], ns[256], resource[256], subresource[64];
};

static void keep(char *out, size_t size, struct kst_str part)
{
    snprintf(out, size, "%.*s", (int)(part.len < size ? part.len : size - 1), part.data);
}

/* /api/V/… or /apis/G/V/…, then [namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE]]. */
static bool parse_path(const char *path, struct target *out)
{
    struct kst_str parts[PATH_PARTS], rest = {path ? path : "", path ? strcspn(path, "?") : 0};
    size_t count = 0, at = 1;
    memset(out, 0, sizeof(*out));
    if (rest.len == 0 || rest.data[0] != '/')
        return false;
    rest.data++;
    rest.len--;
    while (count < PATH_PARTS && kst_str_split(&rest, '/', &parts[count]))
        count++;
    if (count >= 4 && kst_str_eq(parts[0], "apis"))
        keep(out->group, sizeof(out->group), parts[at++]);
    else if (count < 3 || !kst_str_eq(parts[0], "api"))
        return false;
    keep(out->version, sizeof(out->version), parts[at++]);
    bool has_ns = kst_str_eq(parts[at], "namespaces") && count > at + 2 &&
                  !kst_str_eq(parts[at + 2], "status") && !kst_str_eq(parts[at + 2], "finalize");
    if (has_ns) {
        keep(out->ns, sizeof(out->ns), parts[at + 1]);
        at += 2;
    }
    keep(out->resource, sizeof(out->resource), parts[at++]);
    if (count > at + 1)
        keep(out->subresource, sizeof(out->subresource), parts[at + 1]);
    return true;
}

/* The first line, without control characters, of bounded length. */
static char *one_line(const char *text, size_t len, size_t limit)
{
    struct kst_str line = {text, len};
    struct kst_str rest = kst_str_trim(line);
    if (!kst_str_split(&rest, '\n', &line))
        return kst_strdup("");
    bool cut = line.len > limit;
    char *out = kst_strndup(line.data, cut ? limit : line.len);
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    if (cut) {
        /* Not in the middle of a character. */
        size_t end = limit;
        while (end > 0 && ((unsigned char)out[end - 1] & 0xc0) == 0x80)
            end--;
        if (end > 0 && (unsigned char)out[end - 1] >= 0xc0)
            out[end - 1] = '\0';
    }
    return out;
}

/* "get StatefulSet/shop/db", as far as it is known. */
static char *doing(const struct kst_kube_about *about)
{
    const char *verb = about->verb, *what = about->what;
    if (verb && what)
        return kst_asprintf("%s %s", verb, what);
    return kst_strdup(what ? what : verb ? verb : about->path ? about->path : "request");
}

static int not_found(const struct kst_kube_about *about, const struct kst_json *status,
                     const char *message, struct kst_err **err)
{
    const char *name = kst_json_path_str(status, "details.name");
    kst_auto_free char *action = doing(about);
    if (!name) {
        kst_err_set(err, KST_E_NOT_FOUND, "%s: the server does not serve it (%s)", action,
                    *message ? message : "404");
        kst_err_hint(err, "Is its CustomResourceDefinition or API installed? kubectl "
                          "api-resources shows what is");
        return KST_E_NOT_FOUND;
    }
    kst_auto_free char *suffix = kst_asprintf("/%s", name);
    if (about->what && kst_str_has_suffix(kst_str_of(about->what), suffix))
        return kst_err_set(err, KST_E_NOT_FOUND, "%s not found", about->what);
    /* Another object than the one that was asked for: the namespace, as a rule. */
    return kst_err_set(err, KST_E_NOT_FOUND, "%s: %s", action, message);
}

/* The rule of a role that would have allowed the request, where RBAC was what refused it. */
static void hint_rule(const struct kst_kube_about *about, struct kst_err **err)
{
    struct target t;
    if (!parse_path(about->path, &t))
        return;
    const char *verb = about->verb ? about->verb : "get";
    kst_auto_free char *resource = kst_asprintf("%s%s%s", t.resource, t.group[0] ? "." : "",
                                                t.group);
    kst_auto_free char *subresource = t.subresource[0]
                                          ? kst_asprintf(" --subresource=%s", t.subresource)
                                          : kst_strdup("");
    kst_auto_free char *place = t.ns[0] ? kst_asprintf(" -n %s", t.ns) : kst_strdup("");
    kst_err_hint(err,
                 "Check with: kubectl auth can-i %s %s%s%s; the %s lacks the rule "
                 "{apiGroups: [\"%s\"], resources: [\"%s%s%s\"], verbs: [\"%s\"]}",
                 verb, resource, subresource, place,
                 t.ns[0] ? "Role or ClusterRole" : "ClusterRole", t.group, t.resource,
                 t.subresource[0] ? "/" : "", t.subresource, verb);
}

static int forbidden(const struct kst_kube_about *about, const char *message, struct kst_err **err)
{
    struct target t;
    kst_auto_free char *action = doing(about);
    /* Quotas, admission and terminating namespaces are Forbidden too; no role would help there. */
    bool is_rbac = !*message || strstr(message, " cannot ");
    if (!is_rbac || !parse_path(about->path, &t)) {
        kst_err_set(err, KST_E_FORBIDDEN, "%s: %s", action, *message ? message : "not allowed");
        return KST_E_FORBIDDEN;
    }
    kst_err_set(err, KST_E_FORBIDDEN, "not allowed to %s %s%s%s%s%s%s%s (%s)%s%s",
                about->verb ? about->verb : "use", t.resource, t.subresource[0] ? "/" : "",
                t.subresource, t.group[0] ? " of " : "", t.group,
                t.ns[0] ? " in namespace " : " in the cluster", t.ns,
                about->what ? about->what : about->path, *message ? ": " : "", message);
    hint_rule(about, err);
    return KST_E_FORBIDDEN;
}

static int unauthorized(struct kst_kube *self, const struct kst_kube_about *about,
                        struct kst_err **err)
{
    kst_auto_free char *action = doing(about);
    kst_auto_free char *why = kst_config_explain(self->config);
    const char *server = kst_kube_config_server(self->config);
    if (why)
        kst_err_set(err, KST_E_FORBIDDEN, "%s: %s refuses us: %s", action, server, why);
    else
        kst_err_set(err, KST_E_FORBIDDEN, "%s: %s does not accept the credentials of %s", action,
                    server, self->config->user_source);
    kst_err_reason(err, "Unauthorized");
    if (kst_kube_config_is_in_cluster(self->config))
        kst_err_hint(err, "Was the ServiceAccount deleted or made anew? Then restart the Pod");
    else
        kst_err_hint(err, why ? "Renew the client certificate"
                              : "Log in again, or choose another --context or --user");
    return KST_E_FORBIDDEN;
}

static int conflict(const struct kst_kube_about *about, const char *reason, const char *message,
                    struct kst_err **err)
{
    if (reason && strcmp(reason, "AlreadyExists") == 0) {
        const char *what = about->what ? about->what : about->path;
        return kst_err_set(err, KST_E_EXISTS, "%s exists already", what ? what : "the object");
    }
    kst_auto_free char *action = doing(about);
    return kst_err_set(err, KST_E_CONFLICT, "%s: %s", action,
                       *message ? message : "somebody else changed it meanwhile");
}

static int invalid(const struct kst_kube_about *about, const struct kst_json *status,
                   const char *message, struct kst_err **err)
{
    kst_auto_free char *action = doing(about);
    kst_auto_buf fields = KST_BUF_INIT(MESSAGE_BYTES);
    const struct kst_json *causes = kst_json_path(status, "details.causes");
    size_t shown = 0;
    for (const struct kst_json *c = kst_json_first(causes); c; c = kst_json_next(c)) {
        const char *field = kst_json_path_str(c, "field");
        const char *why = kst_json_path_str(c, "message");
        if (!field || !why)
            continue;
        kst_auto_free char *line = one_line(why, strlen(why), TEXT_LINE_BYTES);
        if (shown == CAUSES ||
            kst_buf_addf(&fields, "%s%s: %s", fields.len ? "; " : "", field, line) < 0) {
            kst_buf_truncate(&fields, MESSAGE_BYTES - 16);
            fields.overflown = false;
            kst_buf_adds(&fields, "; and more");
            break;
        }
        shown++;
    }
    if (shown)
        return kst_err_set(err, KST_E_INVALID, "%s: the server rejects it: %s", action,
                           fields.data);
    return kst_err_set(err, KST_E_INVALID, "%s: the server rejects it: %s", action,
                       *message ? message : "no reason was given");
}

bool kst_kube_status_is_passing(long http_status)
{
    switch (http_status) {
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
        return true;
    default:
        return false;
    }
}

static int by_code(struct kst_kube *self, const struct kst_kube_about *about, long code,
                   const struct kst_json *status, const char *message, struct kst_err **err)
{
    kst_auto_free char *action = doing(about);
    switch (code) {
    case 400:
    case 405:
    case 406:
    case 415:
    case 422:
        return invalid(about, status, message, err);
    case 401:
        return unauthorized(self, about, err);
    case 403:
        return forbidden(about, message, err);
    case 404:
        return not_found(about, status, message, err);
    case 409:
        return conflict(about, kst_json_path_str(status, "reason"), message, err);
    case 410:
        return kst_err_set(err, KST_E_GONE, "%s: %s", action, *message ? message : "gone (410)");
    case 413:
        return kst_err_set(err, KST_E_LIMIT, "%s: too large for the server: %s", action, message);
    default:
        if (kst_kube_status_is_passing(code) || code >= 500)
            return kst_err_set(err, KST_E_SERVER, "%s: %s answered %ld%s%s", action,
                               kst_kube_config_server(self->config), code, *message ? ": " : "",
                               message);
        return kst_err_set(err, KST_E_FAILED, "%s: %s answered %ld%s%s", action,
                           kst_kube_config_server(self->config), code, *message ? ": " : "",
                           message);
    }
}

int kst_kube_status_error(struct kst_kube *self, const struct kst_kube_about *about,
                          long http_status, const struct kst_json *status, struct kst_str text,
                          struct kst_err **err)
{
    const char *kind = kst_json_path_str(status, "kind");
    if (status && (!kind || strcmp(kind, "Status") != 0))
        status = NULL;
    long code = http_status;
    if (code == 0)
        code = (long)kst_json_path_int(status, "code", 500);
    const char *words = kst_json_path_str(status, "message");
    kst_auto_free char *message = words ? one_line(words, strlen(words), MESSAGE_BYTES)
                                        : one_line(text.data, text.len, TEXT_LINE_BYTES);
    int rc = by_code(self, about, code, status, message, err);
    const char *reason = kst_json_path_str(status, "reason");
    if (reason && *reason && strlen(reason) < 64)
        kst_err_reason(err, reason);
    return rc;
}

bool kst_kube_error_is_lasting(const struct kst_err *err)
{
    return kst_err_code(err) == KST_E_UNREACHABLE &&
           strcmp(kst_err_get_reason(err), "TLSVerification") == 0;
}

/* What to look at: what the transfer said, and whether it is the cluster that was meant. */
static void hint_unreachable(const struct kst_kube_config *config, const char *said, bool lasting,
                             struct kst_err **err)
{
    const char *context = kst_kube_config_context(config);
    size_t len = said ? strlen(said) : 0;
    if (len && said[len - 1] == '?')
        len--;
    if (said && (lasting || !*context))
        kst_err_hint(err, "%c%s", toupper((unsigned char)said[0]), said + 1);
    else if (said)
        kst_err_hint(err, "%c%.*s, and is context \"%s\" the right one?",
                     toupper((unsigned char)said[0]), (int)(len - 1), said + 1, context);
    else if (kst_kube_config_is_in_cluster(config))
        kst_err_hint(err, "Is the API server up, and does a NetworkPolicy let this Pod reach it?");
    else if (*context)
        kst_err_hint(err, "Is the cluster up, and is context \"%s\" the right one?", context);
    else
        kst_err_hint(err, "Is the cluster up, and is it the right one?");
}

int kst_kube_transport_error(struct kst_kube *self, const struct kst_kube_about *about, bool sent,
                             struct kst_err **err)
{
    int code = kst_err_code(err ? *err : NULL);
    if (err && *err && code != KST_E_UNREACHABLE && code != KST_E_CLOSED && code != KST_E_TIMEOUT)
        return code;
    if (!err)
        return KST_E_UNREACHABLE;
    kst_auto_free char *action = doing(about);
    kst_auto_free char *cause = kst_strdup(kst_err_message(*err));
    kst_auto_free char *reason = kst_strdup(kst_err_get_reason(*err));
    kst_auto_free char *hint = kst_strdup(kst_err_get_hint(*err));
    kst_auto_free char *why = kst_config_explain(self->config);
    bool lasting = kst_kube_error_is_lasting(*err);
    kst_err_clear(err);
    kst_err_set(err, KST_E_UNREACHABLE, "%s: %s %s: %s%s%s", action,
                sent ? "no answer from" : "cannot reach", kst_kube_config_server(self->config),
                cause, why ? "; " : "", why ? why : "");
    if (lasting)
        kst_err_reason(err, reason);
    if (why)
        kst_err_hint(err, "Renew the client certificate");
    else
        hint_unreachable(self->config, hint && *hint ? hint : NULL, lasting, err);
    return KST_E_UNREACHABLE;
}
