/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An upgraded connection with TLS. libmicrohttpd 0.9.75 moves its data four bytes at a time, since
 * the memory of the connection is used up by then; so the session is taken over as it is, while
 * the connection is suspended, and its data moved here.
 */
#ifndef KST_SANDBOX_SERVER_HTTPD_TLS_H
#define KST_SANDBOX_SERVER_HTTPD_TLS_H

#include <stddef.h>

struct kst_err;
struct kst_httpd_tls;
struct kst_loop;

/* Sends `head` on a session (gnutls_session_t) over `socket`, and moves data between it and a
 * socket pair from then on, one end of which is *fd: non-blocking, closed by kst_httpd_tls_end().
 * Nobody else may touch session and socket until then. KST_E_IO. */
int kst_httpd_tls_take(struct kst_loop *loop, void *session, int socket, const char *head,
                       struct kst_httpd_tls **out, int *fd, struct kst_err **err);
/* Closes *fd, and yields until what was written to it has been sent, but not for ever; then the
 * session is the caller's again. Frees it; NULL is allowed. */
void kst_httpd_tls_end(struct kst_httpd_tls *self);

#endif
