/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: read, checked, read again when they change, and put into headers. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/cert.h"
#include "kube/config_internal.h"

enum { LOOK_AGAIN_MS = 60 * 1000 };

static void make_headers(struct kst_kube_config *self)
{
    kst_config_list_free(self->headers, true);
    self->headers = NULL;
    const char *token = self->token ? self->token : self->exec ? self->exec->token : NULL;
    if (self->basic) {
        kst_config_list_add(&self->headers, kst_asprintf("Authorization: %s", self->basic));
        const char *encoded = self->basic + strlen("Basic ");
        kst_log_secret(encoded, strlen(encoded));
    } else if (token) {
        kst_config_list_add(&self->headers, kst_asprintf("Authorization: Bearer %s", token));
        kst_log_secret(token, strlen(token));
    }
    for (size_t i = 0; self->impersonate && self->impersonate[i]; i++)
        kst_config_list_add(&self->headers, kst_strdup(self->impersonate[i]));
    if (!self->headers)
        self->headers = kst_calloc(1, sizeof(*self->headers));
    self->generation++;
}

/* Reads a PEM file into *text (NULL where there is no path); text that stands in the kubeconfig
 * itself is copied, so that the caller can check and compare both alike. */
static int read_pem(const struct kst_config_pem *pem, char **text, struct kst_err **err)
{
    *text = NULL;
    if (!pem->path) {
        *text = kst_strdup(pem->text);
        return 0;
    }
    struct kst_buf content = KST_BUF_INIT(KST_KUBECONFIG_SECRET_BYTES);
    int rc = kst_buf_read_file(&content, pem->path, err);
    if (rc == 0 && strlen(content.data) != content.len)
        rc = kst_err_set(err, KST_E_INVALID, "%s: expected a PEM text, found binary data",
                         pem->path);
    if (rc == 0)
        *text = kst_buf_take(&content);
    kst_buf_release(&content);
    return rc;
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Takes *fresh over where it differs from *held. */
static bool replace(char **held, char **fresh)
{
    if (same(*held, *fresh))
        return false;
    kst_config_free_secret(*held);
    *held = kst_take(*fresh);
    return true;
}

static int wrap_field(const struct kst_kube_config *self, const char *field, int code,
                      struct kst_err **err)
{
    kst_err_wrap(err, code, "%s: %s", self->user_source, field);
    return code;
}

static int read_ca(struct kst_kube_config *self, bool *changed, struct kst_err **err)
{
    kst_auto_free char *ca = NULL;
    int rc = read_pem(&self->ca, &ca, err);
    if (rc == 0 && ca)
        rc = kst_cert_check(ca, err);
    if (rc < 0) {
        kst_err_wrap(err, rc, "certificate-authority%s%s", self->ca.path ? " " : "-data",
                     self->ca.path ? self->ca.path : "");
        kst_err_wrap(err, rc, "context \"%s\"", self->context);
        return rc;
    }
    *changed = replace(&self->ca.text, &ca) || *changed;
    return 0;
}

static int read_pair(struct kst_kube_config *self, bool *changed, struct kst_err **err)
{
    if (!self->cert.path && !self->cert.text)
        return 0;
    char *cert = NULL, *key = NULL;
    int rc = read_pem(&self->cert, &cert, err);
    if (rc < 0)
        return wrap_field(self, "client-certificate", rc, err);
    rc = read_pem(&self->key, &key, err);
    if (rc < 0)
        wrap_field(self, "client-key", rc, err);
    else if ((rc = kst_cert_check_pair(cert, key, err)) < 0)
        kst_err_wrap(err, rc, "%s", self->user_source);
    if (rc == 0) {
        kst_log_secret(key, strlen(key));
        *changed = replace(&self->cert.text, &cert) || *changed;
        *changed = replace(&self->key.text, &key) || *changed;
    }
    free(cert);
    kst_config_free_secret(key);
    return rc;
}

static int read_token(struct kst_kube_config *self, bool *changed, struct kst_err **err)
{
    if (!self->token_file)
        return 0;
    kst_auto_buf text = KST_BUF_INIT(KST_KUBECONFIG_SECRET_BYTES);
    int rc = kst_buf_read_file(&text, self->token_file, err);
    if (rc < 0)
        return wrap_field(self, "tokenFile", rc, err);
    struct kst_str trimmed = kst_str_trim(kst_str_buf(&text));
    char *token = kst_strndup(trimmed.data, trimmed.len);
    if (!*token || strlen(token) != trimmed.len || !kst_config_header_safe(token)) {
        rc = kst_err_set(err, KST_E_INVALID, "%s: expected a token, found %s", self->token_file,
                         *token ? "line breaks or control characters" : "nothing");
        wrap_field(self, "tokenFile", rc, err);
    } else {
        *changed = replace(&self->token, &token) || *changed;
    }
    kst_config_free_secret(token);
    if (text.len)
        explicit_bzero(text.data, text.len);
    return rc;
}

int kst_config_read_credentials(struct kst_kube_config *self, struct kst_err **err)
{
    bool changed = true, has_token = self->token != NULL;
    struct kst_err *cause = NULL;
    int rc = read_ca(self, &changed, err);
    if (rc == 0)
        rc = read_pair(self, &changed, err);
    if (rc < 0)
        return rc;
    /* As kubectl: a token in the kubeconfig stands in while its file cannot be read. */
    rc = read_token(self, &changed, &cause);
    if (rc < 0 && !has_token)
        return kst_err_move(err, &cause);
    kst_err_clear(&cause);
    make_headers(self);
    self->look_again_ms = kst_deadline_in_ms(LOOK_AGAIN_MS);
    return 0;
}

static void drop(struct kst_err **cause)
{
    if (*cause)
        kst_log(KST_LOG_WARN, "credentials could not be read again; those read before are used",
                "reason", kst_err_message(*cause), NULL);
    kst_err_clear(cause);
}

/* What cannot be read now (a rotation is under way) stays as it was. */
static bool look_again(struct kst_kube_config *self)
{
    bool changed = false;
    struct kst_err *cause = NULL;
    self->look_again_ms = kst_deadline_in_ms(LOOK_AGAIN_MS);
    read_ca(self, &changed, &cause);
    drop(&cause);
    read_pair(self, &changed, &cause);
    drop(&cause);
    read_token(self, &changed, &cause);
    drop(&cause);
    return changed;
}

static const char *text_or(const char *first, const char *second)
{
    return first ? first : second;
}

int kst_kube_config_auth(struct kst_kube_config *self, bool rejected, uint64_t rejected_generation,
                         struct kst_kube_auth *auth, struct kst_err **err)
{
    /* Another fiber may have renewed what was rejected already. */
    bool renew = rejected && rejected_generation == self->generation;
    if ((renew || kst_now_ms() >= self->look_again_ms) && look_again(self))
        make_headers(self);
    if (self->exec && !self->token && !self->basic) {
        bool changed = false;
        int rc = kst_config_exec_ensure(self, renew, &changed, err);
        if (rc < 0)
            return rc;
        if (changed)
            make_headers(self);
    }
    *auth = (struct kst_kube_auth){
        .ca_pem = self->ca.text,
        .cert_pem = text_or(self->cert.text, self->exec ? self->exec->cert_pem : NULL),
        .key_pem = text_or(self->key.text, self->exec ? self->exec->key_pem : NULL),
        .server_name = self->server_name,
        .insecure = self->insecure,
        .headers = (const char *const *)self->headers,
        .generation = self->generation,
    };
    return 0;
}

char *kst_config_explain(const struct kst_kube_config *self)
{
    const char *cert = text_or(self->cert.text, self->exec ? self->exec->cert_pem : NULL);
    int64_t not_after;
    if (!kst_cert_not_after_ms(cert, &not_after) || not_after > kst_wall_ms())
        return NULL;
    char when[KST_TIME_TEXT];
    kst_time_format(not_after, when);
    return kst_asprintf("the client certificate of %s expired on %s", self->user_source, when);
}
