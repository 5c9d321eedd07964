/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be known of certificates before and after a handshake fails, in words for people. TLS
 * itself is curl's. This module alone includes OpenSSL.
 */
#ifndef KST_KUBE_CERT_H
#define KST_KUBE_CERT_H

#include <stdbool.h>
#include <stdint.h>

struct kst_err;

/* KST_E_INVALID where the PEM text holds no readable certificate. */
int kst_cert_check(const char *cert_pem, struct kst_err **err);
/* KST_E_INVALID where either cannot be read, the key has a pass phrase, or it is not the
 * certificate's. No text of the key gets into the error. */
int kst_cert_check_pair(const char *cert_pem, const char *key_pem, struct kst_err **err);
/* The first certificate's end of validity (ms since 1970, UTC); false where there is none. */
bool kst_cert_not_after_ms(const char *cert_pem, int64_t *wall_ms);

/* Makes a P-256 key and a certificate that it signs itself, valid between two times in seconds from
 * now (negative: ago), for the names as OpenSSL writes them ("DNS:localhost,IP:127.0.0.1"). The
 * caller frees both PEM texts; the key's is a secret. KST_E_FAILED. */
int kst_cert_make(const char *common_name, const char *names, int64_t from_seconds,
                  int64_t until_seconds, char **cert_pem, char **key_pem, struct kst_err **err);

#endif
