/* SPDX-License-Identifier: Apache-2.0 */
/* kst_source_credentials: from texts, files and Secrets. */
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "git/source.h"

enum { TEXT_MAX = 1024 * 1024 };

enum shape { LINE, PEM, LINES };

static const struct key {
    const char *name;
    size_t offset; /* in struct kst_source_credentials */
    enum shape shape;
} keys[] = {
    {"username", offsetof(struct kst_source_credentials, username), LINE},
    {"password", offsetof(struct kst_source_credentials, password), LINE},
    {"ssh-privatekey", offsetof(struct kst_source_credentials, ssh_key), PEM},
    {"identity", offsetof(struct kst_source_credentials, ssh_key), PEM},
    {"ssh-passphrase", offsetof(struct kst_source_credentials, ssh_passphrase), LINE},
    {"known_hosts", offsetof(struct kst_source_credentials, known_hosts), LINES},
    {"ca.crt", offsetof(struct kst_source_credentials, ca), PEM},
    {"caFile", offsetof(struct kst_source_credentials, ca), PEM},
};

static char **text_at(struct kst_source_credentials *self, const struct key *key)
{
    return (char **)((char *)self + key->offset);
}

static void forget(char **text)
{
    if (*text)
        kst_free_secret(*text, strlen(*text));
    *text = NULL;
}

void kst_source_credentials_release(struct kst_source_credentials *self)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(keys); i++)
        forget(text_at(self, &keys[i]));
}

static int wrong(const char *key, const char *what, struct kst_err **err)
{
    return kst_err_set(err, KST_E_INVALID, "Git credentials: '%s' %s", key, what);
}

int kst_source_credentials_set(struct kst_source_credentials *self, const char *key,
                               const char *text, size_t len, struct kst_err **err)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(keys); i++) {
        if (strcmp(keys[i].name, key) != 0)
            continue;
        if (len > TEXT_MAX)
            return wrong(key, "is larger than 1 MiB", err);
        if (len && memchr(text, 0, len))
            return wrong(key, "holds a NUL byte", err);
        /* A final newline comes from an editor or `echo` and is never meant. */
        while (keys[i].shape == LINE && len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
            len--;
        if (len == 0)
            return wrong(key, "is empty", err);
        if (keys[i].shape == LINE && memchr(text, '\n', len))
            return wrong(key, "has more than one line", err);
        if (keys[i].shape == PEM && !memmem(text, len, "-----BEGIN ", 11))
            return wrong(key, "is not in PEM format: expected a line \"-----BEGIN …-----\"", err);
        char **place = text_at(self, &keys[i]);
        forget(place);
        *place = kst_strndup(text, len);
        return 0;
    }
    kst_err_set(err, KST_E_USAGE, "Git credentials have no '%s'", key);
    kst_err_hint(err, "use username, password, ssh-privatekey, ssh-passphrase, known_hosts or "
                      "ca.crt");
    return KST_E_USAGE;
}

static void release_secret(struct kst_buf *buf)
{
    explicit_bzero(buf->data, buf->size);
    kst_buf_release(buf);
}

int kst_source_credentials_set_file(struct kst_source_credentials *self, const char *key,
                                    const char *path, struct kst_err **err)
{
    struct kst_buf text = KST_BUF_INIT(TEXT_MAX);
    int code = kst_buf_read_file(&text, path, err);
    if (code == 0) {
        code = kst_source_credentials_set(self, key, text.data, text.len, err);
        if (code < 0)
            kst_err_wrap(err, code, "%s", path);
    }
    release_secret(&text);
    return code;
}

static bool any(const struct kst_source_credentials *self)
{
    return self->username || self->password || self->ssh_key || self->known_hosts || self->ca;
}

int kst_source_credentials_from_secret(const struct kst_json *secret_data,
                                       struct kst_source_credentials *out, struct kst_err **err)
{
    kst_auto_source_credentials made = {0};
    for (size_t i = 0; i < KST_ARRAY_LEN(keys); i++) {
        const struct kst_json *value = kst_json_get(secret_data, keys[i].name);
        if (!value)
            continue;
        const char *base64 = kst_json_str(value);
        struct kst_buf text = KST_BUF_INIT(TEXT_MAX);
        int code = base64 ? kst_base64_decode(&text, kst_str_of(base64), true) : KST_E_PARSE;
        if (code < 0)
            code = wrong(keys[i].name, "of the Secret is not base64", err);
        /* An empty value is a key that somebody left in a template. */
        else if (text.len)
            code = kst_source_credentials_set(&made, keys[i].name, text.data, text.len, err);
        release_secret(&text);
        if (code < 0)
            return code;
    }
    if (!any(&made)) {
        kst_err_set(err, KST_E_INVALID, "Git credentials: the Secret holds none");
        kst_err_hint(err, "put username and password (type kubernetes.io/basic-auth), or "
                          "ssh-privatekey and known_hosts (kubernetes.io/ssh-auth), or ca.crt "
                          "into it");
        return KST_E_INVALID;
    }
    *out = made;
    made = (struct kst_source_credentials){0};
    return 0;
}

int kst_source_credentials_from_dir(const char *dir, struct kst_source_credentials *out,
                                    struct kst_err **err)
{
    kst_auto_source_credentials made = {0};
    for (size_t i = 0; i < KST_ARRAY_LEN(keys); i++) {
        kst_auto_err struct kst_err *why = NULL;
        kst_auto_free char *path = kst_asprintf("%s/%s", dir, keys[i].name);
        int code = kst_source_credentials_set_file(&made, keys[i].name, path, &why);
        if (code < 0 && code != KST_E_NOT_FOUND)
            return kst_err_move(err, &why);
    }
    if (!any(&made))
        return kst_err_set(err, KST_E_INVALID,
                           "Git credentials: the folder %s holds none (username, password, "
                           "ssh-privatekey, known_hosts, ca.crt)",
                           dir);
    *out = made;
    made = (struct kst_source_credentials){0};
    return 0;
}
