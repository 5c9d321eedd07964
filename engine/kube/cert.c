/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/cert.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

#include "base/err.h"

static X509 *read_cert(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    /* Whoever uses OpenSSL next on this thread must not find our failure in its queue. */
    ERR_clear_error();
    return cert;
}

/* Instead of OpenSSL's own, which would ask on the terminal. */
static int no_pass_phrase(char *out, int size, int writing, void *asked)
{
    *(bool *)asked = true;
    return 0;
}

static EVP_PKEY *read_key(const char *pem, bool *has_pass_phrase)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, has_pass_phrase)
                        : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

int kst_cert_check(const char *cert_pem, struct kst_err **err)
{
    X509 *cert = read_cert(cert_pem);
    if (!cert)
        return kst_err_set(err, KST_E_INVALID, "expected a certificate in PEM format, found none");
    X509_free(cert);
    return 0;
}

int kst_cert_check_pair(const char *cert_pem, const char *key_pem, struct kst_err **err)
{
    int rc = kst_cert_check(cert_pem, err);
    if (rc < 0) {
        kst_err_wrap(err, rc, "client certificate");
        return rc;
    }
    bool has_pass_phrase = false;
    EVP_PKEY *key = read_key(key_pem, &has_pass_phrase);
    if (!key)
        return kst_err_set(err, KST_E_INVALID,
                           has_pass_phrase
                               ? "client key: it has a pass phrase, which cannot be given"
                               : "client key: expected a private key in PEM format, found none");
    X509 *cert = read_cert(cert_pem);
    if (X509_check_private_key(cert, key) != 1)
        rc = kst_err_set(err, KST_E_INVALID,
                         "the client key does not belong to the client certificate");
    ERR_clear_error();
    X509_free(cert);
    EVP_PKEY_free(key);
    return rc;
}

bool kst_cert_not_after_ms(const char *cert_pem, int64_t *wall_ms)
{
    X509 *cert = cert_pem ? read_cert(cert_pem) : NULL;
    if (!cert)
        return false;
    struct tm tm;
    memset(&tm, 0, sizeof(tm));
    bool ok = ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1;
    if (ok)
        *wall_ms = (int64_t)timegm(&tm) * 1000;
    X509_free(cert);
    ERR_clear_error();
    return ok;
}
