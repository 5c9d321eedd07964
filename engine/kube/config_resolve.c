/* SPDX-License-Identifier: Apache-2.0 */
/* From merged kubeconfig files and the command line to one cluster, user and namespace. */
#include <ctype.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/config_internal.h"
#include "loop/http.h"

static int entry_error(const struct kst_kubeconfig_entry *entry, const char *field,
                       const char *problem, struct kst_err **err)
{
    return kst_err_set(err, KST_E_INVALID, "%s: %s \"%s\": %s: %s", entry->file, entry->what,
                       entry->name, field, problem);
}

/* http:// or https://, a host, perhaps a path; nothing that would change a request's meaning. */
static bool is_server_url(const char *url)
{
    const char *host = strncmp(url, "https://", 8) == 0  ? url + 8
                       : strncmp(url, "http://", 7) == 0 ? url + 7
                                                         : NULL;
    if (!host || !*host || *host == '/' || *host == ':')
        return false;
    for (const char *c = host; *c; c++)
        if (isspace((unsigned char)*c) || iscntrl((unsigned char)*c) || strchr("?#@\\\"<>", *c))
            return false;
    return true;
}

static int resolve_server(struct kst_kube_config *self, const struct kst_kubeconfig_entry *cluster,
                          struct kst_err **err)
{
    const char *server;
    int rc = kst_kubeconfig_str(cluster, "server", &server, err);
    if (rc < 0)
        return rc;
    if (!server)
        return entry_error(cluster, "server", "expected the URL of the API server, found none",
                           err);
    bool tls = self->insecure || self->ca.path || self->ca.text || self->cert.path ||
               self->cert.text || self->token || self->token_file || self->exec;
    self->server = strstr(server, "://") ? kst_strdup(server)
                                         : kst_asprintf("http%s://%s", tls ? "s" : "", server);
    if (!is_server_url(self->server))
        return entry_error(cluster, "server", "expected https://host[:port][/path]", err);
    size_t len = strlen(self->server);
    while (self->server[len - 1] == '/')
        self->server[--len] = '\0';
    return 0;
}

static int resolve_proxy(struct kst_kube_config *self, const struct kst_kubeconfig_entry *cluster,
                         struct kst_err **err)
{
    static const char *const schemes[] = {"http://", "https://", "socks5://", "socks5h://"};
    const char *proxy;
    int rc = kst_kubeconfig_str(cluster, "proxy-url", &proxy, err);
    if (rc < 0 || !proxy)
        return rc;
    for (size_t i = 0; i < KST_ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (strncmp(proxy, schemes[i], len) == 0 && proxy[len] && kst_config_header_safe(proxy)) {
            self->proxy = kst_strdup(proxy);
            return 0;
        }
    }
    return entry_error(cluster, "proxy-url", "expected http://, https:// or socks5:// and a host",
                       err);
}

/* A PEM text from "<field>-data" (base64), else from the file that "<field>" names. */
static int resolve_pem(const struct kst_kubeconfig_entry *entry, const char *field,
                       struct kst_config_pem *pem, struct kst_err **err)
{
    const char *data, *path;
    kst_auto_free char *data_field = kst_asprintf("%s-data", field);
    int rc = kst_kubeconfig_str(entry, data_field, &data, err);
    if (rc == 0)
        rc = kst_kubeconfig_str(entry, field, &path, err);
    if (rc < 0)
        return rc;
    if (!data) {
        pem->path = path ? kst_kubeconfig_beside(entry->file, path) : NULL;
        return 0;
    }
    kst_auto_buf text = KST_BUF_INIT(KST_KUBECONFIG_SECRET_BYTES);
    rc = kst_base64_decode(&text, kst_str_of(data), true);
    if (rc < 0 || strlen(text.data) != text.len)
        return entry_error(entry, data_field,
                           rc == KST_E_LIMIT ? "it is too large" : "expected base64 of a PEM text",
                           err);
    pem->text = kst_buf_take(&text);
    return 0;
}

static int resolve_cluster(struct kst_kube_config *self, const struct kst_kubeconfig_entry *cluster,
                           struct kst_err **err)
{
    const char *server_name;
    int rc = kst_kubeconfig_bool(cluster, "insecure-skip-tls-verify", &self->insecure, err);
    if (rc == 0)
        rc = resolve_pem(cluster, "certificate-authority", &self->ca, err);
    if (rc == 0)
        rc = kst_kubeconfig_str(cluster, "tls-server-name", &server_name, err);
    if (rc == 0)
        rc = resolve_proxy(self, cluster, err);
    if (rc < 0)
        return rc;
    if (server_name && !kst_config_header_safe(server_name))
        return entry_error(cluster, "tls-server-name", "expected a host name", err);
    self->server_name = kst_strdup(server_name);
    if (self->insecure && (self->ca.path || self->ca.text))
        return entry_error(cluster, "insecure-skip-tls-verify",
                           "cannot stand beside certificate-authority; remove one of them", err);
    return 0;
}

static int refuse_auth_provider(const struct kst_kubeconfig_entry *user, struct kst_err **err)
{
    static const char *const instead[][2] = {
        {"gcp", "gke-gcloud-auth-plugin (gcloud container clusters get-credentials)"},
        {"azure", "kubelogin (kubelogin convert-kubeconfig)"},
        {"oidc", "the OIDC plugin kubectl-oidc_login"},
        {"openstack", "client-keystone-auth"},
    };
    const struct kst_json *provider;
    int rc = kst_kubeconfig_object(user, "auth-provider", &provider, err);
    if (rc < 0 || !provider)
        return rc;
    const char *name = kst_json_path_str(provider, "name");
    kst_err_set(err, KST_E_INVALID,
                "%s: user \"%s\": auth-provider \"%s\" is not supported (kubectl dropped it in "
                "1.26)",
                user->file, user->name, name ? name : "");
    const char *plugin = "a credential plugin";
    for (size_t i = 0; name && i < KST_ARRAY_LEN(instead); i++)
        if (strcmp(instead[i][0], name) == 0)
            plugin = instead[i][1];
    kst_err_hint(err, "Replace it by exec: with %s", plugin);
    return KST_E_INVALID;
}

static int resolve_basic(struct kst_kube_config *self, const struct kst_kubeconfig_entry *user,
                         struct kst_err **err)
{
    const char *name, *password;
    int rc = kst_kubeconfig_str(user, "username", &name, err);
    if (rc == 0)
        rc = kst_kubeconfig_str(user, "password", &password, err);
    if (rc < 0 || (!name && !password))
        return rc;
    if (self->token || self->token_file)
        return entry_error(user, "username", "cannot stand beside token; remove one of them", err);
    char *pair = kst_asprintf("%s:%s", name ? name : "", password ? password : "");
    struct kst_buf header = KST_BUF_INIT(KST_KUBECONFIG_SECRET_BYTES);
    kst_buf_adds(&header, "Basic ");
    kst_base64_encode(&header, pair, strlen(pair));
    kst_config_free_secret(pair);
    rc = kst_buf_check(&header, "username and password", err);
    self->basic = kst_buf_take(&header);
    return rc;
}

static int resolve_token(struct kst_kube_config *self, const struct kst_kubeconfig_entry *user,
                         struct kst_err **err)
{
    const char *token, *file;
    int rc = kst_kubeconfig_str(user, "token", &token, err);
    if (rc == 0)
        rc = kst_kubeconfig_str(user, "tokenFile", &file, err);
    if (rc < 0)
        return rc;
    if (token && !kst_config_header_safe(token))
        return entry_error(user, "token", "it holds a line break or a control character", err);
    self->token = kst_strdup(token);
    self->token_file = file ? kst_kubeconfig_beside(user->file, file) : NULL;
    return 0;
}

static int resolve_user(struct kst_kube_config *self, const struct kst_kubeconfig_entry *user,
                        const struct kst_kubeconfig_entry *cluster, struct kst_err **err)
{
    int rc = refuse_auth_provider(user, err);
    if (rc == 0)
        rc = resolve_pem(user, "client-certificate", &self->cert, err);
    if (rc == 0)
        rc = resolve_pem(user, "client-key", &self->key, err);
    if (rc == 0)
        rc = resolve_token(self, user, err);
    if (rc == 0)
        rc = resolve_basic(self, user, err);
    if (rc == 0)
        rc = kst_config_exec_new(user, cluster, &self->exec, err);
    if (rc < 0)
        return rc;
    bool has_cert = self->cert.path || self->cert.text, has_key = self->key.path || self->key.text;
    if (has_cert && !has_key)
        return entry_error(user, "client-key", "the client-certificate needs its key, found none",
                           err);
    if (has_key && !has_cert)
        return entry_error(user, "client-certificate",
                           "the client-key needs its certificate, found none", err);
    return 0;
}

static int add_impersonation(struct kst_kube_config *self, const char *where, const char *header,
                             const char *value, struct kst_err **err)
{
    if (!kst_config_header_safe(value))
        return kst_err_set(err, KST_E_INVALID, "%s: a line break or control character in %s", where,
                           header);
    kst_config_list_add(&self->impersonate, kst_asprintf("%s: %s", header, value));
    return 0;
}

/* A list of strings at `field`, each as one header. */
static int add_impersonation_list(struct kst_kube_config *self,
                                  const struct kst_kubeconfig_entry *user, const char *field,
                                  const struct kst_json *list, const char *header,
                                  struct kst_err **err)
{
    if (kst_json_type(list) <= KST_JSON_NULL)
        return 0;
    if (kst_json_type(list) != KST_JSON_ARRAY)
        return entry_error(user, field, "expected a list of strings", err);
    for (const struct kst_json *item = kst_json_first(list); item; item = kst_json_next(item)) {
        if (!kst_json_str(item))
            return entry_error(user, field, "expected a list of strings", err);
        int rc = add_impersonation(self, self->user_source, header, kst_json_str(item), err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int impersonate_from_file(struct kst_kube_config *self,
                                 const struct kst_kubeconfig_entry *user, struct kst_err **err)
{
    const char *uid;
    const struct kst_json *extra;
    int rc = add_impersonation_list(self, user, "as-groups", kst_json_get(user->value, "as-groups"),
                                    "Impersonate-Group", err);
    if (rc == 0)
        rc = kst_kubeconfig_str(user, "as-uid", &uid, err);
    if (rc == 0 && uid)
        rc = add_impersonation(self, self->user_source, "Impersonate-Uid", uid, err);
    if (rc == 0)
        rc = kst_kubeconfig_object(user, "as-user-extra", &extra, err);
    if (rc < 0)
        return rc;
    for (const struct kst_json *e = kst_json_first(extra); e && rc == 0; e = kst_json_next(e)) {
        kst_auto_buf header = KST_BUF_INIT(4096);
        kst_buf_adds(&header, "Impersonate-Extra-");
        kst_url_escape(&header, kst_json_key(e));
        rc = add_impersonation_list(self, user, "as-user-extra", e, header.data, err);
    }
    return rc;
}

/* As kubectl does it: what the command line says replaces what the file says. */
int kst_kubeconfig_impersonate(struct kst_kube_config *self,
                               const struct kst_kubeconfig_entry *user,
                               const struct kst_kube_config_options *options, struct kst_err **err)
{
    const char *as = NULL;
    int rc = user ? kst_kubeconfig_str(user, "as", &as, err) : 0;
    if (rc < 0)
        return rc;
    const char *const *groups = options ? options->as_groups : NULL;
    bool from_options = options && options->as;
    if (from_options)
        as = options->as;
    else if (groups && groups[0] && !as)
        return kst_err_set(err, KST_E_USAGE, "--as-group needs --as");
    if (as)
        rc = add_impersonation(self, from_options ? "--as" : self->user_source, "Impersonate-User",
                               as, err);
    if (rc == 0 && user && !from_options && !(groups && groups[0])) {
        size_t before = 0;
        while (self->impersonate && self->impersonate[before])
            before++;
        rc = impersonate_from_file(self, user, err);
        if (rc == 0 && before == 0 && self->impersonate)
            return entry_error(user, "as", "as-groups, as-uid and as-user-extra need it", err);
    }
    for (size_t i = 0; rc == 0 && groups && groups[i]; i++)
        rc = add_impersonation(self, "--as-group", "Impersonate-Group", groups[i], err);
    return rc;
}

/* Finds the entries: the command line's names before those of the context. */
static int find_entries(const struct kst_json *merged,
                        const struct kst_kube_config_options *options,
                        struct kst_kubeconfig_entry *context, struct kst_kubeconfig_entry *cluster,
                        struct kst_kubeconfig_entry *user, struct kst_err **err)
{
    const char *name = options ? options->context : NULL;
    const char *from = name ? "--context" : "current-context";
    const char *cluster_name = NULL, *user_name = NULL;
    if (!name)
        name = kst_json_path_str(kst_json_get(merged, "current-context"), "value");
    if (!name && !(options && options->cluster)) {
        kst_err_set(err, KST_E_NOT_FOUND, "the kubeconfig has no current-context");
        kst_err_hint(err, "Choose one: --context NAME, or kubectl config use-context NAME");
        return KST_E_NOT_FOUND;
    }
    int rc = name ? kst_kubeconfig_find(merged, "context", name, from, context, err) : 0;
    if (rc == 0 && name)
        rc = kst_kubeconfig_str(context, "cluster", &cluster_name, err);
    if (rc == 0 && name)
        rc = kst_kubeconfig_str(context, "user", &user_name, err);
    if (rc < 0)
        return rc;
    kst_auto_free char *place = name ? kst_asprintf("%s: context \"%s\"", context->file,
                                                    context->name)
                                     : NULL;
    if (options && options->cluster)
        cluster_name = options->cluster;
    if (options && options->user)
        user_name = options->user;
    if (!cluster_name)
        return entry_error(context, "cluster", "expected the name of a cluster, found none", err);
    rc = kst_kubeconfig_find(merged, "cluster", cluster_name,
                             options && options->cluster ? "--cluster" : place, cluster, err);
    if (rc == 0 && user_name)
        rc = kst_kubeconfig_find(merged, "user", user_name,
                                 options && options->user ? "--user" : place, user, err);
    return rc;
}

static int resolve_into(struct kst_kube_config *self, const struct kst_json *merged,
                        const struct kst_kube_config_options *options, struct kst_err **err)
{
    struct kst_kubeconfig_entry context = {0}, cluster = {0}, user = {0};
    const char *ns = NULL;
    int rc = find_entries(merged, options, &context, &cluster, &user, err);
    if (rc == 0 && context.value)
        rc = kst_kubeconfig_str(&context, "namespace", &ns, err);
    if (rc < 0)
        return rc;
    if (options && options->namespace_)
        ns = options->namespace_;
    self->namespace_ = kst_strdup(ns ? ns : "default");
    self->context = kst_strdup(context.name ? context.name : "");
    self->user = kst_strdup(user.name ? user.name : "");
    self->user_source = user.name ? kst_asprintf("user \"%s\" of %s", user.name, user.file)
                                  : kst_strdup("no user (the kubeconfig names none)");
    rc = resolve_cluster(self, &cluster, err);
    if (rc == 0 && user.name)
        rc = resolve_user(self, &user, &cluster, err);
    if (rc == 0)
        rc = kst_kubeconfig_impersonate(self, user.name ? &user : NULL, options, err);
    if (rc == 0)
        rc = resolve_server(self, &cluster, err);
    return rc;
}

int kst_kubeconfig_resolve(const struct kst_json *merged,
                           const struct kst_kube_config_options *options,
                           struct kst_kube_config **out, struct kst_err **err)
{
    struct kst_kube_config *self = kst_calloc(1, sizeof(*self));
    int rc = resolve_into(self, merged, options, err);
    if (rc < 0) {
        kst_kube_config_free(self);
        return rc;
    }
    *out = self;
    return 0;
}
