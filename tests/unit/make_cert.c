/* SPDX-License-Identifier: Apache-2.0 */
#include "make_cert.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/mem.h"

static char *text_of(BIO *bio)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    char *text = kst_strndup(data, (size_t)len);
    BIO_free(bio);
    return text;
}

static void add_name(X509 *cert, const char *name)
{
    kst_auto_free char *text = kst_asprintf("DNS:%s", name);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, text);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

void make_cert(long seconds, char **cert_pem, char **key_pem)
{
    make_cert_named("test", seconds, cert_pem, key_pem);
}

void make_cert_named(const char *common_name, long seconds, char **cert_pem, char **key_pem)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), seconds - 86400);
    X509_gmtime_adj(X509_getm_notAfter(cert), seconds);
    X509_set_pubkey(cert, key);
    X509_NAME *name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1,
                               0);
    X509_set_issuer_name(cert, name);
    add_name(cert, common_name);
    X509_sign(cert, key, EVP_sha256());
    BIO *out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(out, cert);
    *cert_pem = text_of(out);
    out = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    *key_pem = text_of(out);
    X509_free(cert);
    EVP_PKEY_free(key);
}
