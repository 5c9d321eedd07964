/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/cert.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/mem.h"

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

static char *text_of(BIO *bio)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    return kst_strndup(data, (size_t)len);
}

static bool fill_in(X509 *cert, EVP_PKEY *key, const char *common_name, const char *names,
                    int64_t from_seconds, int64_t until_seconds)
{
    X509_NAME *name = X509_get_subject_name(cert);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    bool done = extension && X509_set_version(cert, 2) &&
                ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) &&
                X509_gmtime_adj(X509_getm_notBefore(cert), (long)from_seconds) &&
                X509_gmtime_adj(X509_getm_notAfter(cert), (long)until_seconds) &&
                X509_set_pubkey(cert, key) &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                           (const unsigned char *)common_name, -1, -1, 0) &&
                X509_set_issuer_name(cert, name) && X509_add_ext(cert, extension, -1) &&
                X509_sign(cert, key, EVP_sha256()) > 0;
    X509_EXTENSION_free(extension);
    return done;
}

int kst_cert_make(const char *common_name, const char *names, int64_t from_seconds,
                  int64_t until_seconds, char **cert_pem, char **key_pem, struct kst_err **err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    BIO *cert_out = BIO_new(BIO_s_mem()), *key_out = BIO_new(BIO_s_mem());
    bool done = key && cert && cert_out && key_out &&
                fill_in(cert, key, common_name, names, from_seconds, until_seconds) &&
                PEM_write_bio_X509(cert_out, cert) &&
                PEM_write_bio_PrivateKey(key_out, key, NULL, NULL, 0, NULL, NULL);
    if (done) {
        *cert_pem = text_of(cert_out);
        *key_pem = text_of(key_out);
    }
    BIO_free(cert_out);
    BIO_free(key_out);
    X509_free(cert);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return done ? 0 : kst_err_set(err, KST_E_FAILED, "a certificate for %s cannot be made", names);
}
