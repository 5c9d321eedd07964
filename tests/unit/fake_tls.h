/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands before a server on a loopback port, in threads of the test: an end of TLS with a
 * certificate of the test's, or the tunnel of a proxy. Both carry bytes to the server and back.
 */
#ifndef KST_TESTS_UNIT_FAKE_TLS_H
#define KST_TESTS_UNIT_FAKE_TLS_H

struct fake_tls;

/* Ends TLS for the server at `behind` ("http://127.0.0.1:PORT"). */
struct fake_tls *fake_tls_start(const char *behind, const char *cert_pem, const char *key_pem);
/* "https://127.0.0.1:PORT", borrowed; and PORT. */
const char *fake_tls_url(const struct fake_tls *self);
int fake_tls_port(const struct fake_tls *self);
/* Ends the threads and frees. */
void fake_tls_stop(struct fake_tls *self);

/* Connects to "host:port" on loopback: a descriptor. */
int fake_tls_connect(const char *host_port);
/* Carries bytes between two descriptors until one of them ends. */
void fake_tls_carry(int a, int b);

#endif
