/* SPDX-License-Identifier: Apache-2.0 */
/* Cryptographic digests. */
#ifndef KST_BASE_HASH_H
#define KST_BASE_HASH_H

#include <stddef.h>

struct kst_buf;

enum { KST_SHA1_BYTES = 20, KST_SHA256_BYTES = 32 };

/* FIPS 180-4. */
void kst_hash_sha256(const void *data, size_t len, unsigned char out[KST_SHA256_BYTES]);
/* SHA-1, for the handshake of RFC 6455; for nothing new. */
void kst_hash_sha1(const void *data, size_t len, unsigned char out[KST_SHA1_BYTES]);
/* RFC 2104 with SHA-1, which known_hosts files use to hide host names; for nothing new. */
void kst_hash_hmac_sha1(const void *key, size_t key_len, const void *data, size_t len,
                        unsigned char out[KST_SHA1_BYTES]);
/* Appends lower-case hexadecimal digits; returns as kst_buf_add(). */
int kst_hash_hex(struct kst_buf *out, const void *data, size_t len);

#endif
