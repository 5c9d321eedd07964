/* SPDX-License-Identifier: Apache-2.0 */
/* Where a configuration comes from: the command line, KUBECONFIG, the Pod, or the home folder. */
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/config_internal.h"

static const char service_account[] = "/var/run/secrets/kubernetes.io/serviceaccount";

static bool has_service_env(void)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    return host && *host && port && *port;
}

static char *in_cluster_namespace(const char *folder, const char *wanted)
{
    if (wanted)
        return kst_strdup(wanted);
    kst_auto_free char *path = kst_asprintf("%s/namespace", folder);
    kst_auto_buf text = KST_BUF_INIT(1024);
    if (kst_buf_read_file(&text, path, NULL) < 0)
        return kst_strdup("default");
    struct kst_str name = kst_str_trim(kst_str_buf(&text));
    return name.len ? kst_strndup(name.data, name.len) : kst_strdup("default");
}

static int load_in_cluster(const char *root, const struct kst_kube_config_options *options,
                           struct kst_kube_config **out, struct kst_err **err)
{
    if (!has_service_env())
        return kst_err_set(err, KST_E_NOT_FOUND,
                           "not in a cluster: KUBERNETES_SERVICE_HOST and _PORT are not set");
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    const char *folder = root ? root : service_account;
    struct kst_kube_config *self = kst_calloc(1, sizeof(*self));
    /* An IPv6 address stands in brackets in a URL. */
    self->server = kst_asprintf(strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host,
                                port);
    self->context = kst_strdup("");
    self->user = kst_strdup("");
    self->user_source = kst_asprintf("the service account of this Pod (%s)", folder);
    self->in_cluster = true;
    self->namespace_ = in_cluster_namespace(folder, options ? options->namespace_ : NULL);
    self->ca.path = kst_asprintf("%s/ca.crt", folder);
    self->token_file = kst_asprintf("%s/token", folder);
    int rc = kst_kubeconfig_impersonate(self, NULL, options, err);
    if (rc == 0)
        rc = kst_config_read_credentials(self, err);
    if (rc < 0) {
        kst_kube_config_free(self);
        return rc;
    }
    *out = self;
    return 0;
}

int kst_kube_config_in_cluster(const char *root, struct kst_kube_config **out, struct kst_err **err)
{
    return load_in_cluster(root, NULL, out, err);
}

static int add_env_list(struct kst_json *merged, const char *list, bool *found,
                        struct kst_err **err)
{
    struct kst_str rest = kst_str_of(list), part;
    while (kst_str_split(&rest, ':', &part)) {
        if (part.len == 0)
            continue;
        kst_auto_free char *file = kst_strndup(part.data, part.len);
        bool one = false;
        int rc = kst_kubeconfig_add_file(merged, file, &one, err);
        if (rc < 0)
            return rc;
        *found = *found || one;
    }
    return 0;
}

/* Reads what files there are; `looked_at` says where, for the error when there are none. */
static int read_files(const struct kst_kube_config_options *options, struct kst_json *merged,
                      bool *found, char **looked_at, struct kst_err **err)
{
    const char *list = getenv("KUBECONFIG");
    if (options && options->kubeconfig) {
        *looked_at = kst_asprintf("--kubeconfig %s", options->kubeconfig);
        return kst_kubeconfig_add_file(merged, options->kubeconfig, found, err);
    }
    if (list && *list) {
        *looked_at = kst_asprintf("KUBECONFIG=%s", list);
        return add_env_list(merged, list, found, err);
    }
    const char *home = getenv("HOME");
    *looked_at = kst_asprintf("%s/.kube/config", home ? home : "");
    return kst_kubeconfig_add_file(merged, *looked_at, found, err);
}

static void warn_insecure(const struct kst_kube_config *self)
{
    if (self->insecure)
        kst_log(KST_LOG_WARN,
                "insecure-skip-tls-verify: the API server's certificate is not verified", "server",
                self->server, NULL);
}

int kst_kube_config_load(const struct kst_kube_config_options *options,
                         struct kst_kube_config **out, struct kst_err **err)
{
    kst_auto_json struct kst_json *merged = kst_json_make("{}");
    kst_auto_free char *looked_at = NULL;
    bool found = false;
    int rc = read_files(options, merged, &found, &looked_at, err);
    if (rc < 0)
        return rc;
    bool explicit_file = options && options->kubeconfig;
    bool in_cluster = !found && !explicit_file && has_service_env();
    if (in_cluster && !(options && (options->context || options->cluster || options->user)))
        return load_in_cluster(NULL, options, out, err);
    if (!found) {
        kst_err_set(err, KST_E_NOT_FOUND, "no kubeconfig: %s does not exist", looked_at);
        kst_err_hint(err, explicit_file
                              ? "Name a kubeconfig file that exists"
                              : "Give --kubeconfig FILE, or set KUBECONFIG; in a Pod, its service "
                                "account is used");
        return KST_E_NOT_FOUND;
    }
    struct kst_kube_config *self = NULL;
    rc = kst_kubeconfig_resolve(merged, options, &self, err);
    if (rc == 0)
        rc = kst_config_read_credentials(self, err);
    if (rc < 0) {
        kst_kube_config_free(self);
        return rc;
    }
    warn_insecure(self);
    *out = self;
    return 0;
}
