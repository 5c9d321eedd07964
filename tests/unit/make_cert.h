/* SPDX-License-Identifier: Apache-2.0 */
/* Self-signed certificates made for a test, so that no key lies in the repository. */
#ifndef KST_TESTS_UNIT_MAKE_CERT_H
#define KST_TESTS_UNIT_MAKE_CERT_H

/* PEM texts of a fresh P-256 pair, valid for the day that ends in `seconds` from
 * now (negative: it has expired; more than a day: it is not valid yet). The
 * caller frees both. */
void make_cert(long seconds, char **cert_pem, char **key_pem);
/* The same for a server of this name (a DNS name). */
void make_cert_named(const char *name, long seconds, char **cert_pem, char **key_pem);

#endif
