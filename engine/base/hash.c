/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/buf.h"

void kst_hash_sha256(const void *data, size_t len, unsigned char out[KST_SHA256_BYTES])
{
    /* Fails only where the library has no SHA-256 at all, that is: never in one that we link. */
    if (EVP_Digest(data, len, out, NULL, EVP_sha256(), NULL) != 1)
        abort();
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
