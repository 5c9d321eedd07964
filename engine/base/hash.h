/* SPDX-License-Identifier: Apache-2.0 */
/* Cryptographic digests. */
#ifndef KST_BASE_HASH_H
#define KST_BASE_HASH_H

#include <stddef.h>

struct kst_buf;
struct kst_sha256;

enum { KST_SHA1_BYTES = 20, KST_SHA256_BYTES = 32, KST_SHA256_DIGITS = 64 };

/* FIPS 180-4. */
void kst_hash_sha256(const void *data, size_t len, unsigned char out[KST_SHA256_BYTES]);
/* As lower-case hexadecimal digits, as sha256sum(1) prints them, with a NUL. */
void kst_hash_sha256_hex(const void *data, size_t len, char out[KST_SHA256_DIGITS + 1]);
/* SHA-256 of what comes piece by piece: add as often as you like, then ask for the digits of it
 * all, which ends it; free accepts NULL. */
struct kst_sha256 *kst_sha256_new(void);
void kst_sha256_add(struct kst_sha256 *self, const void *data, size_t len);
void kst_sha256_hex(struct kst_sha256 *self, char out[KST_SHA256_DIGITS + 1]);
void kst_sha256_free(struct kst_sha256 *self);
/* SHA-1, for the handshake of RFC 6455; for nothing new. */
void kst_hash_sha1(const void *data, size_t len, unsigned char out[KST_SHA1_BYTES]);
/* RFC 2104 with SHA-1, which known_hosts files use to hide host names; for nothing new. */
void kst_hash_hmac_sha1(const void *key, size_t key_len, const void *data, size_t len,
                        unsigned char out[KST_SHA1_BYTES]);
/* Appends lower-case hexadecimal digits; returns as kst_buf_add(). */
int kst_hash_hex(struct kst_buf *out, const void *data, size_t len);

#endif
