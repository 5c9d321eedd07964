/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/buf.h"
#include "base/mem.h"

struct kst_sha256 {
    EVP_MD_CTX *context;
};

static void digits(const unsigned char *bytes, size_t len, char *out)
{
    static const char digit[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        *out++ = digit[bytes[i] >> 4];
        *out++ = digit[bytes[i] & 15];
    }
    *out = '\0';
}

void kst_hash_sha256(const void *data, size_t len, unsigned char out[KST_SHA256_BYTES])
{
    /* Fails only where the library has no SHA-256 at all, that is: never in one that we link. */
    if (EVP_Digest(data, len, out, NULL, EVP_sha256(), NULL) != 1)
        abort();
}

void kst_hash_sha256_hex(const void *data, size_t len, char out[KST_SHA256_DIGITS + 1])
{
    unsigned char digest[KST_SHA256_BYTES];
    kst_hash_sha256(data, len, digest);
    digits(digest, sizeof(digest), out);
}

struct kst_sha256 *kst_sha256_new(void)
{
    struct kst_sha256 *self = kst_calloc(1, sizeof(*self));
    self->context = EVP_MD_CTX_new();
    if (!self->context || EVP_DigestInit_ex(self->context, EVP_sha256(), NULL) != 1)
        abort();
    return self;
}

void kst_sha256_add(struct kst_sha256 *self, const void *data, size_t len)
{
    if (EVP_DigestUpdate(self->context, data, len) != 1)
        abort();
}

void kst_sha256_hex(struct kst_sha256 *self, char out[KST_SHA256_DIGITS + 1])
{
    unsigned char digest[KST_SHA256_BYTES];
    if (EVP_DigestFinal_ex(self->context, digest, NULL) != 1)
        abort();
    digits(digest, sizeof(digest), out);
}

void kst_sha256_free(struct kst_sha256 *self)
{
    if (!self)
        return;
    EVP_MD_CTX_free(self->context);
    free(self);
}

void kst_hash_sha1(const void *data, size_t len, unsigned char out[KST_SHA1_BYTES])
{
    if (EVP_Digest(data, len, out, NULL, EVP_sha1(), NULL) != 1)
        abort();
}

void kst_hash_hmac_sha1(const void *key, size_t key_len, const void *data, size_t len,
                        unsigned char out[KST_SHA1_BYTES])
{
    unsigned int out_len = KST_SHA1_BYTES;
    if (!HMAC(EVP_sha1(), key, (int)key_len, data, len, out, &out_len))
        abort();
}

int kst_hash_hex(struct kst_buf *out, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    int code = 0;
    for (size_t i = 0; i < len && code == 0; i++)
        code = kst_buf_addf(out, "%02x", bytes[i]);
    return code;
}
