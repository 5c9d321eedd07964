/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credential plugins (client.authentication.k8s.io): a program prints an ExecCredential.
 * What it prints is never logged nor put into an error.
 */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/cert.h"
#include "kube/config_internal.h"
#include "loop/child.h"

/* With a terminal a person may be logging in. */
enum { PLUGIN_MS = 60 * 1000, PLUGIN_TERMINAL_MS = 5 * 60 * 1000 };

static const char group[] = "client.authentication.k8s.io/";

void kst_config_exec_free(struct kst_config_exec *self)
{
    if (!self)
        return;
    free(self->api_version);
    free(self->command);
    free(self->install_hint);
    kst_config_list_free(self->args, false);
    kst_config_list_free(self->env, true);
    kst_json_free(self->cluster_extra);
    kst_config_free_secret(self->token);
    free(self->cert_pem);
    kst_config_free_secret(self->key_pem);
    kst_err_free(self->failure);
    kst_cond_release(&self->done);
    free(self);
}

static int exec_error(const struct kst_kubeconfig_entry *user, const char *field,
                      const char *problem, struct kst_err **err)
{
    return kst_err_set(err, KST_E_INVALID, "%s: user \"%s\": exec.%s: %s", user->file, user->name,
                       field, problem);
}

static int read_args(struct kst_config_exec *self, const struct kst_kubeconfig_entry *user,
                     const struct kst_json *exec, struct kst_err **err)
{
    const struct kst_json *args = kst_json_get(exec, "args");
    kst_config_list_add(&self->args, kst_strdup(self->command));
    if (kst_json_type(args) > KST_JSON_NULL && kst_json_type(args) != KST_JSON_ARRAY)
        return exec_error(user, "args", "expected a list of strings", err);
    for (const struct kst_json *arg = kst_json_first(args); arg; arg = kst_json_next(arg)) {
        if (!kst_json_str(arg))
            return exec_error(user, "args", "expected a list of strings", err);
        kst_config_list_add(&self->args, kst_strdup(kst_json_str(arg)));
    }
    return 0;
}

static int read_env(struct kst_config_exec *self, const struct kst_kubeconfig_entry *user,
                    const struct kst_json *exec, struct kst_err **err)
{
    const struct kst_json *env = kst_json_get(exec, "env");
    if (kst_json_type(env) > KST_JSON_NULL && kst_json_type(env) != KST_JSON_ARRAY)
        return exec_error(user, "env", "expected a list of {name, value}", err);
    for (const struct kst_json *row = kst_json_first(env); row; row = kst_json_next(row)) {
        const char *name = kst_json_path_str(row, "name");
        const char *value = kst_json_path_str(row, "value");
        if (!name || !*name || strchr(name, '='))
            return exec_error(user, "env", "expected a list of {name, value}", err);
        kst_config_list_add(&self->env, kst_asprintf("%s=%s", name, value ? value : ""));
    }
    return 0;
}

/* v1 wants the field; v1beta1 has a default. */
static int read_mode(const struct kst_config_exec *self, const struct kst_kubeconfig_entry *user,
                     const struct kst_json *exec, struct kst_err **err)
{
    const char *mode = kst_json_path_str(exec, "interactiveMode");
    bool is_v1 = strcmp(self->api_version + strlen(group), "v1") == 0;
    if (!mode && is_v1)
        return exec_error(user, "interactiveMode", "expected Never, IfAvailable or Always", err);
    if (!mode || strcmp(mode, "Never") == 0 || strcmp(mode, "IfAvailable") == 0)
        return 0;
    if (strcmp(mode, "Always") != 0)
        return exec_error(user, "interactiveMode", "expected Never, IfAvailable or Always", err);
    exec_error(user, "interactiveMode",
               "Always asks for a terminal's input, which is not handed to plugins", err);
    kst_err_hint(err, "Set IfAvailable where the plugin can do without, or use another user");
    return KST_E_INVALID;
}

/* What provideClusterInfo gives beside the cluster's own fields. */
static struct kst_json *cluster_extension(const struct kst_kubeconfig_entry *cluster)
{
    const struct kst_json *list = kst_json_get(cluster->value, "extensions");
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e)) {
        const char *name = kst_json_path_str(e, "name");
        if (name && strcmp(name, "client.authentication.k8s.io/exec") == 0)
            return kst_json_dup(kst_json_get(e, "extension"));
    }
    return NULL;
}

static int read_exec(struct kst_config_exec *self, const struct kst_kubeconfig_entry *user,
                     const struct kst_kubeconfig_entry *cluster, const struct kst_json *exec,
                     struct kst_err **err)
{
    const char *version = kst_json_path_str(exec, "apiVersion");
    const char *command = kst_json_path_str(exec, "command");
    if (!version || strncmp(version, group, strlen(group)) != 0 ||
        (strcmp(version + strlen(group), "v1") != 0 &&
         strcmp(version + strlen(group), "v1beta1") != 0)) {
        exec_error(user, "apiVersion", "expected client.authentication.k8s.io/v1 or v1beta1", err);
        if (version)
            kst_err_hint(err, "It says \"%s\"; update the plugin and its entry", version);
        return KST_E_INVALID;
    }
    if (!command || !*command)
        return exec_error(user, "command", "expected a program, found none", err);
    self->api_version = kst_strdup(version);
    /* As kubectl: a command with a slash is relative to the file, else it is looked up in PATH. */
    self->command = strchr(command, '/') ? kst_kubeconfig_beside(user->file, command)
                                         : kst_strdup(command);
    self->install_hint = kst_strdup(kst_json_path_str(exec, "installHint"));
    self->wants_cluster = kst_json_path_true(exec, "provideClusterInfo");
    self->cluster_extra = self->wants_cluster ? cluster_extension(cluster) : NULL;
    self->expires_wall_ms = KST_NEVER;
    int rc = read_args(self, user, exec, err);
    if (rc == 0)
        rc = read_env(self, user, exec, err);
    if (rc == 0)
        rc = read_mode(self, user, exec, err);
    return rc;
}

int kst_config_exec_new(const struct kst_kubeconfig_entry *user,
                        const struct kst_kubeconfig_entry *cluster, struct kst_config_exec **out,
                        struct kst_err **err)
{
    const struct kst_json *exec;
    int rc = kst_kubeconfig_object(user, "exec", &exec, err);
    if (rc < 0 || !exec)
        return rc;
    struct kst_config_exec *self = kst_calloc(1, sizeof(*self));
    rc = read_exec(self, user, cluster, exec, err);
    if (rc < 0)
        kst_config_exec_free(self);
    else
        *out = self;
    return rc;
}

/* The value of KUBERNETES_EXEC_INFO. */
static char *exec_info(const struct kst_kube_config *config)
{
    const struct kst_config_exec *self = config->exec;
    kst_auto_json struct kst_json *info = kst_json_make(
        "{'kind':'ExecCredential','apiVersion':%s,'spec':{'interactive':false}}",
        self->api_version);
    if (self->wants_cluster) {
        struct kst_json *cluster = kst_json_ensure_object(kst_json_mut(info, "spec"), "cluster");
        kst_json_set_str(cluster, "server", config->server);
        if (config->server_name)
            kst_json_set_str(cluster, "tls-server-name", config->server_name);
        if (config->insecure)
            kst_json_set_bool(cluster, "insecure-skip-tls-verify", true);
        if (config->ca.text) {
            kst_auto_buf data = KST_BUF_INIT(2 * KST_KUBECONFIG_SECRET_BYTES);
            kst_base64_encode(&data, config->ca.text, strlen(config->ca.text));
            kst_json_set_str(cluster, "certificate-authority-data", data.data);
        }
        if (config->proxy)
            kst_json_set_str(cluster, "proxy-url", config->proxy);
        kst_json_set(cluster, "config", kst_json_make("%J", self->cluster_extra));
    }
    return kst_json_text(info);
}

static int plugin_error(const struct kst_kube_config *config, struct kst_err **err,
                        const char *problem)
{
    kst_err_set(err, KST_E_FORBIDDEN, "%s: credential plugin %s: %s", config->user_source,
                config->exec->command, problem);
    if (config->exec->install_hint)
        kst_err_hint(err, "%s", config->exec->install_hint);
    else
        kst_err_hint(err, "Run it by hand, or log in again as its documentation says");
    return KST_E_FORBIDDEN;
}

/* Checks status.{token,clientCertificateData,clientKeyData} and takes them over. */
static int take_status(struct kst_kube_config *config, const struct kst_json *status,
                       struct kst_err **err)
{
    struct kst_config_exec *self = config->exec;
    const char *token = kst_json_path_str(status, "token");
    const char *cert = kst_json_path_str(status, "clientCertificateData");
    const char *key = kst_json_path_str(status, "clientKeyData");
    const char *expires = kst_json_path_str(status, "expirationTimestamp");
    int64_t expires_us = 0;
    if (token && !*token)
        token = NULL;
    if (!token && !cert && !key)
        return plugin_error(config, err,
                            "its ExecCredential has neither a token nor a certificate");
    if (token && !kst_config_header_safe(token))
        return plugin_error(config, err, "its token holds line breaks or control characters");
    if (!cert != !key)
        return plugin_error(config, err, "clientCertificateData and clientKeyData go together");
    if (cert && kst_cert_check_pair(cert, key, NULL) < 0)
        return plugin_error(config, err, "its certificate and key cannot be read, or do not match");
    if (expires && !kst_time_parse_us(expires, &expires_us))
        return plugin_error(config, err, "its expirationTimestamp is not an RFC 3339 time");
    kst_config_free_secret(self->token);
    free(self->cert_pem);
    kst_config_free_secret(self->key_pem);
    self->token = kst_strdup(token);
    self->cert_pem = kst_strdup(cert);
    self->key_pem = kst_strdup(key);
    if (key)
        kst_log_secret(key, strlen(key));
    self->expires_wall_ms = expires ? expires_us / 1000 : KST_NEVER;
    self->has_run = true;
    return 0;
}

static int read_output(struct kst_kube_config *config, const struct kst_buf *output,
                       struct kst_err **err)
{
    kst_auto_json struct kst_json *credential = NULL;
    /* The parser's error might show what the plugin printed: it is not passed on. */
    if (kst_json_parse(output->data, output->len, &credential, NULL) < 0)
        return plugin_error(config, err, "expected an ExecCredential as JSON on its output");
    const char *kind = kst_json_path_str(credential, "kind");
    const char *version = kst_json_path_str(credential, "apiVersion");
    if (!kind || strcmp(kind, "ExecCredential") != 0)
        return plugin_error(config, err, "expected kind ExecCredential on its output");
    if (!version || strcmp(version, config->exec->api_version) != 0)
        return plugin_error(config, err,
                            "the apiVersion of its output is not that of the kubeconfig's entry");
    return take_status(config, kst_json_get(credential, "status"), err);
}

static int run_plugin(struct kst_kube_config *config, struct kst_err **err)
{
    struct kst_config_exec *self = config->exec;
    bool terminal = isatty(STDERR_FILENO) == 1;
    char **env = NULL;
    kst_auto_free char *info = exec_info(config);
    for (size_t i = 0; self->env && self->env[i]; i++)
        kst_config_list_add(&env, kst_strdup(self->env[i]));
    kst_config_list_add(&env, kst_asprintf("KUBERNETES_EXEC_INFO=%s", info));
    struct kst_child_request request = {
        .argv = (const char *const *)self->args,
        .env_add = (const char *const *)env,
        .inherit_stderr = terminal,
        .timeout_ms = terminal ? PLUGIN_TERMINAL_MS : PLUGIN_MS,
    };
    kst_auto_buf output = KST_BUF_INIT(KST_KUBECONFIG_SECRET_BYTES);
    struct kst_err *cause = NULL;
    int status = 0;
    int rc = kst_child_run(kst_fiber_loop(), &request, &output, NULL, &status, &cause);
    kst_config_list_free(env, true);
    if (rc == KST_E_NOT_FOUND) {
        rc = plugin_error(config, err, "there is no such program");
    } else if (rc == KST_E_CANCELLED || (rc == KST_E_TIMEOUT && kst_fiber_check(NULL) < 0)) {
        rc = kst_err_move(err, &cause);
    } else if (rc < 0) {
        rc = plugin_error(config, err, kst_err_message(cause));
    } else if (status != 0) {
        kst_auto_free char *problem = kst_asprintf("it ended with exit code %d", status);
        rc = plugin_error(config, err, problem);
    } else {
        rc = read_output(config, &output, err);
    }
    kst_err_clear(&cause);
    if (output.len)
        explicit_bzero(output.data, output.len);
    return rc;
}

static bool is_valid(const struct kst_config_exec *self)
{
    return self->has_run &&
           (self->expires_wall_ms == KST_NEVER || kst_wall_ms() < self->expires_wall_ms);
}

int kst_config_exec_ensure(struct kst_kube_config *config, bool renew, bool *changed,
                           struct kst_err **err)
{
    struct kst_config_exec *self = config->exec;
    while (self->running) {
        uint64_t failures = self->failures;
        int rc = kst_cond_wait(&self->done, KST_NEVER, err);
        if (rc < 0)
            return rc;
        /* What failed for the one that ran it has failed for those that waited for it. */
        if (self->failures != failures) {
            struct kst_err *copy = kst_err_dup(self->failure);
            return kst_err_move(err, &copy);
        }
        renew = false;
    }
    if (!renew && is_valid(self))
        return 0;
    struct kst_err *cause = NULL;
    self->running = true;
    int rc = run_plugin(config, &cause);
    self->running = false;
    *changed = rc == 0;
    if (rc == KST_E_FORBIDDEN) {
        self->failures++;
        kst_err_free(self->failure);
        self->failure = kst_err_dup(cause);
    }
    kst_cond_signal(&self->done);
    return rc < 0 ? kst_err_move(err, &cause) : 0;
}
