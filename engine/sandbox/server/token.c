/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/server/token.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/server/ask.h"

enum { MAX_TOKEN_BYTES = 8192 };

static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";

/* base64url without padding (RFC 7515). */
static void add_url(struct kst_buf *out, const void *data, size_t len)
{
    size_t start = out->len;
    kst_base64_encode(out, data, len);
    while (out->len > start && out->data[out->len - 1] == '=')
        kst_buf_truncate(out, out->len - 1);
    for (size_t i = start; i < out->len; i++)
        out->data[i] = out->data[i] == '+' ? '-' : out->data[i] == '/' ? '_' : out->data[i];
}

static bool decode_url(struct kst_str text, struct kst_buf *out)
{
    kst_auto_buf plain = KST_BUF_INIT(MAX_TOKEN_BYTES);
    for (size_t i = 0; i < text.len; i++)
        kst_buf_addc(&plain, text.data[i] == '-' ? '+' : text.data[i] == '_' ? '/' : text.data[i]);
    while (plain.len % 4)
        kst_buf_addc(&plain, '=');
    return kst_base64_decode(out, kst_str_buf(&plain), false) == 0;
}

/* RFC 2104 with SHA-256, of the first two parts. */
static void sign(const struct kst_server *server, const char *data, size_t len, struct kst_buf *out)
{
    unsigned char pad[64] = {0}, hash[KST_SHA256_BYTES];
    kst_auto_buf text = KST_BUF_INIT(MAX_TOKEN_BYTES + 128);
    memcpy(pad, server->secret, sizeof(server->secret));
    for (int outer = 0; outer < 2; outer++) {
        kst_buf_clear(&text);
        for (size_t i = 0; i < sizeof(pad); i++)
            kst_buf_addc(&text, (char)(pad[i] ^ (outer ? 0x5c : 0x36)));
        if (outer)
            kst_buf_add(&text, hash, sizeof(hash));
        else
            kst_buf_add(&text, data, len);
        kst_hash_sha256(text.data, text.len, hash);
    }
    add_url(out, hash, sizeof(hash));
}

char *kst_token_make(const struct kst_server *server, const char *ns, const char *name,
                     const char *uid, int64_t expires_s)
{
    kst_auto_free char *subject = kst_asprintf("system:serviceaccount:%s:%s", ns, name);
    kst_auto_json struct kst_json *claims = kst_json_make(
        "{'iss':'kassette-sandbox','sub':%s,'iat':%L,'kubernetes.io':{'namespace':%s,"
        "'serviceaccount':{'name':%s,'uid':%s}}}",
        subject, kst_wall_ms() / 1000, ns, name, uid);
    if (expires_s)
        kst_json_set_int(claims, "exp", expires_s);
    kst_auto_free char *text = kst_json_text(claims);
    struct kst_buf token = KST_BUF_INIT(MAX_TOKEN_BYTES);
    kst_auto_buf signature = KST_BUF_INIT(128);
    add_url(&token, header, strlen(header));
    kst_buf_addc(&token, '.');
    add_url(&token, text, strlen(text));
    sign(server, token.data, token.len, &signature);
    kst_buf_addf(&token, ".%s", signature.data);
    return kst_buf_take(&token);
}

char *kst_server_account_token(const struct kst_server *self, const char *ns, const char *name,
                               const char *uid)
{
    return kst_token_make(self, ns, name, uid, 0);
}

static bool fill_in(const struct kst_server *server, const struct kst_json *claims,
                    struct kst_user *user)
{
    const struct kst_json *own = kst_json_get(claims, "kubernetes.io");
    const char *ns = kst_api_text(own, "namespace");
    const char *name = kst_api_text(own, "serviceaccount.name");
    int64_t expires_s = kst_json_path_int(claims, "exp", 0);
    const struct kst_object *account = kst_api_find(server->api, "/serviceaccounts", ns, name);
    if (!account || strcmp(account->uid, kst_api_text(own, "serviceaccount.uid")) != 0 ||
        (expires_s && kst_wall_ms() / 1000 >= expires_s))
        return false;
    kst_auto_free char *full = kst_asprintf("system:serviceaccount:%s:%s", ns, name);
    kst_auto_free char *group = kst_asprintf("system:serviceaccounts:%s", ns);
    kst_user_set(user, full);
    user->uid = kst_strdup(account->uid);
    kst_user_add_group(user, "system:serviceaccounts");
    kst_user_add_group(user, group);
    return true;
}

bool kst_token_check(const struct kst_server *server, const char *token, struct kst_user *user)
{
    const char *last = strrchr(token, '.'), *first = strchr(token, '.');
    if (!last || first == last || strlen(token) >= MAX_TOKEN_BYTES)
        return false;
    kst_auto_buf signature = KST_BUF_INIT(128), text = KST_BUF_INIT(MAX_TOKEN_BYTES);
    sign(server, token, (size_t)(last - token), &signature);
    if (strcmp(signature.data, last + 1) != 0)
        return false;
    const struct kst_str part = {.data = first + 1, .len = (size_t)(last - first - 1)};
    kst_auto_json struct kst_json *claims = NULL;
    return decode_url(part, &text) && kst_json_parse(text.data, text.len, &claims, NULL) == 0 &&
           fill_in(server, claims, user);
}
