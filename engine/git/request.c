/* SPDX-License-Identifier: Apache-2.0 */
#include "git/request.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

enum {
    DEFAULT_BYTES = 64 << 20,
    DEFAULT_OBJECTS = 100000,
    DEFAULT_FILE_BYTES = 1 << 20,
    DEFAULT_TIMEOUT_MS = 60000,
};

/* The texts of a request: one table for copying, printing and parsing. */
static const struct field {
    const char *name;
    size_t offset;
} texts[] = {
    {"url", offsetof(struct kst_git_request, url)},
    {"cacheDir", offsetof(struct kst_git_request, cache_dir)},
    {"ref", offsetof(struct kst_git_request, ref)},
    {"path", offsetof(struct kst_git_request, path)},
    {"commit", offsetof(struct kst_git_request, commit)},
    {"username", offsetof(struct kst_git_request, credentials.username)},
    {"password", offsetof(struct kst_git_request, credentials.password)},
    {"sshKey", offsetof(struct kst_git_request, credentials.ssh_key)},
    {"sshPassphrase", offsetof(struct kst_git_request, credentials.ssh_passphrase)},
    {"knownHosts", offsetof(struct kst_git_request, credentials.known_hosts)},
    {"ca", offsetof(struct kst_git_request, credentials.ca)},
};
static const struct field numbers[] = {
    {"maxBytes", offsetof(struct kst_git_request, max_bytes)},
    {"maxObjects", offsetof(struct kst_git_request, max_objects)},
    {"maxFileBytes", offsetof(struct kst_git_request, max_file_bytes)},
    {"timeoutMs", offsetof(struct kst_git_request, timeout_ms)},
};

static char **text_at(const struct kst_git_request *self, size_t i)
{
    return (char **)((char *)(uintptr_t)self + texts[i].offset);
}

static int64_t *number_at(const struct kst_git_request *self, size_t i)
{
    return (int64_t *)(void *)((char *)(uintptr_t)self + numbers[i].offset);
}

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

static char *dup_or_null(const char *text)
{
    return text && *text ? kst_strdup(text) : NULL;
}

void kst_git_request_init(struct kst_git_request *self, const struct kst_source_spec *spec,
                          const char *cache_dir)
{
    *self = (struct kst_git_request){
        .url = kst_strdup(spec->url),
        .cache_dir = kst_strdup(cache_dir),
        .ref = dup_or_null(spec->ref),
        .path = dup_or_null(spec->path),
        .commit = dup_or_null(spec->commit),
        .max_bytes = or_default(spec->max_bytes, DEFAULT_BYTES),
        .max_objects = or_default(spec->max_objects, DEFAULT_OBJECTS),
        .max_file_bytes = or_default(spec->max_file_bytes, DEFAULT_FILE_BYTES),
        .timeout_ms = or_default(spec->timeout_ms, DEFAULT_TIMEOUT_MS),
    };
    if (spec->credentials) {
        const struct kst_source_credentials *from = spec->credentials;
        self->credentials = (struct kst_source_credentials){
            .username = dup_or_null(from->username),
            .password = dup_or_null(from->password),
            .ssh_key = dup_or_null(from->ssh_key),
            .ssh_passphrase = dup_or_null(from->ssh_passphrase),
            /* An empty known_hosts trusts nobody; it does not mean the machine's. */
            .known_hosts = kst_strdup(from->known_hosts),
            .ca = dup_or_null(from->ca),
        };
    }
}

void kst_git_request_release(struct kst_git_request *self)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(texts); i++) {
        char **text = text_at(self, i);
        if (*text)
            kst_free_secret(*text, strlen(*text));
        *text = NULL;
    }
}

void kst_git_text_release(struct kst_buf *text)
{
    explicit_bzero(text->data, text->size);
    kst_buf_release(text);
}

int kst_git_request_print(const struct kst_git_request *self, struct kst_buf *text,
                          struct kst_err **err)
{
    kst_auto_json struct kst_json *json = kst_json_object();
    for (size_t i = 0; i < KST_ARRAY_LEN(texts); i++) {
        if (*text_at(self, i))
            kst_json_set_str(json, texts[i].name, *text_at(self, i));
    }
    for (size_t i = 0; i < KST_ARRAY_LEN(numbers); i++)
        kst_json_set_int(json, numbers[i].name, *number_at(self, i));
    kst_json_print(json, KST_JSON_COMPACT, text);
    return kst_buf_check(text, "the request for a Git source", err);
}

int kst_git_request_parse(const char *text, size_t len, struct kst_git_request *out,
                          struct kst_err **err)
{
    kst_auto_json struct kst_json *json = NULL;
    struct kst_git_request made = {0};
    int code = kst_json_parse(text, len, &json, err);
    if (code < 0)
        return code;
    for (size_t i = 0; i < KST_ARRAY_LEN(texts); i++)
        *text_at(&made, i) = kst_strdup(kst_json_str(kst_json_get(json, texts[i].name)));
    for (size_t i = 0; i < KST_ARRAY_LEN(numbers); i++) {
        *number_at(&made, i) = kst_json_path_int(json, numbers[i].name, 0);
        if (*number_at(&made, i) <= 0)
            code = KST_E_INVALID;
    }
    if (code < 0 || !made.url || !made.cache_dir) {
        kst_git_request_release(&made);
        return kst_err_set(err, KST_E_INVALID, "the request to the Git helper is not complete");
    }
    *out = made;
    return 0;
}

void kst_git_answer_release(struct kst_git_answer *self)
{
    free(self->repository);
    free(self->commit);
    free(self->ref);
    *self = (struct kst_git_answer){0};
}

char *kst_git_answer_print(const struct kst_git_answer *answer, const struct kst_err *why)
{
    kst_auto_json struct kst_json *json = NULL;
    if (why)
        json = kst_json_make("{'code':%d,'reason':%s,'message':%s,'hint':%s}", kst_err_code(why),
                             kst_err_get_reason(why), kst_err_message(why), kst_err_get_hint(why));
    else
        json = kst_json_make("{'code':0,'repository':%s,'commit':%s,'ref':%s}", answer->repository,
                             answer->commit, answer->ref);
    return kst_json_text(json);
}

int kst_git_answer_parse(const char *text, size_t len, struct kst_git_answer *out,
                         struct kst_err **err)
{
    kst_auto_json struct kst_json *json = NULL;
    kst_auto_err struct kst_err *why = NULL;
    int64_t code = 1;
    const char *repository = NULL, *commit = NULL;

    if (kst_json_parse(text, len, &json, &why) == 0 &&
        kst_json_int(kst_json_get(json, "code"), &code)) {
        repository = kst_json_path_str(json, "repository");
        commit = kst_json_path_str(json, "commit");
    }
    const char *message = kst_json_path_str(json, "message");
    const char *hint = kst_json_path_str(json, "hint");
    if (code < 0 && code >= KST_E_LOST && message) {
        kst_err_set(err, (int)code, "%s", message);
        if (kst_json_path_str(json, "reason"))
            kst_err_reason(err, kst_json_path_str(json, "reason"));
        if (hint)
            kst_err_hint(err, "%s", hint);
        return (int)code;
    }
    if (code != 0 || !repository || !commit)
        return kst_err_set(err, KST_E_PARSE, "the Git helper gave no answer");
    *out = (struct kst_git_answer){
        .repository = kst_strdup(repository),
        .commit = kst_strdup(commit),
        .ref = kst_strdup(kst_json_path_str(json, "ref")),
    };
    return 0;
}
