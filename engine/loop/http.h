/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP on libcurl's multi interface: one set of connections, HTTP/2 where the server offers it, the
 * fiber that asks yields until the answer is there. This module alone includes curl.
 *
 * A request's body is bytes; an answer is either collected (up to a cap) or read as a stream with
 * back-pressure. A "raw" connection (TCP or TLS, through the proxy, no HTTP spoken) carries what
 * curl does not speak, WebSockets above all.
 */
#ifndef KST_LOOP_HTTP_H
#define KST_LOOP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kst_buf;
struct kst_err;
struct kst_http_stream;
struct kst_http_raw;
struct kst_loop;

/* How a server is reached and trusted. All strings are borrowed for the time of the call. PEM
 * texts, where set, are used instead of the files. */
struct kst_http_tls {
    const char *ca_pem;
    const char *cert_pem;
    const char *key_pem;     /* a secret */
    const char *server_name; /* SNI and the name that is verified, where it is not the URL's */
    bool insecure;           /* verify nothing */
};

struct kst_http_request {
    const char *method; /* "GET" where NULL */
    const char *url;
    const char *const *headers; /* "Name: value", ended by NULL; may hold secrets */
    const void *body;
    size_t body_len;
    const struct kst_http_tls *tls;
    const char *proxy;          /* http://, https://, socks5://; NULL: none (also no environment) */
    int64_t connect_timeout_ms; /* 0: 10 s */
    int64_t deadline_ms;        /* kst_now_ms() time of the whole exchange; 0: none of its own */
    int64_t stall_timeout_ms;   /* no byte for so long ends it with KST_E_TIMEOUT; 0: never */
};

struct kst_http_response {
    long status;        /* 0 where no answer came */
    char *content_type; /* owned by the caller, may be NULL; kst_http_response_release() */
    int64_t
        retry_after_ms; /* of the Retry-After header (seconds or a date), at most a day; -1: none */
    bool sent;          /* false only where it surely never reached a server: safe to repeat */
    int http_version;   /* 11 or 20 */
};
void kst_http_response_release(struct kst_http_response *self);

/* Yields. Sends a POST or PATCH at most once; what may be executed twice (RFC 9110, 9.2.2) is sent
 * again where a connection that was used before ends without an answer.
 * Any HTTP status is a success here. `body` collects the answer; KST_E_LIMIT beyond its
 * cap. Else KST_E_UNREACHABLE (with what was tried: DNS, connect, TLS and why, in plain words; the
 * reason "TLSVerification" where a certificate or name is wrong and trying again does not help),
 * KST_E_CLOSED (a reset, an early end), KST_E_TIMEOUT, KST_E_CANCELLED. *response is filled in on
 * failure too (status 0, `sent`). No error text holds a header. */
int kst_http_do(struct kst_loop *loop, const struct kst_http_request *request,
                struct kst_http_response *response, struct kst_buf *body, struct kst_err **err);

/* Yields until the headers of the answer are there. The stream belongs to the caller. */
int kst_http_open(struct kst_loop *loop, const struct kst_http_request *request,
                  struct kst_http_response *response, struct kst_http_stream **out,
                  struct kst_err **err);
/* Yields until at least one byte can be appended to `into` (at most `max`, and what its cap
 * leaves): the count, 0 at a regular end, else an error as above. Not reading holds the sender
 * back. */
int64_t kst_http_read(struct kst_http_stream *self, struct kst_buf *into, size_t max,
                      int64_t deadline_ms, struct kst_err **err);
/* Ends the exchange where it is and frees. NULL is allowed. */
void kst_http_close(struct kst_http_stream *self);

/* Yields until connected to the URL's host (TLS for https, ALPN http/1.1). */
int kst_http_raw_open(struct kst_loop *loop, const struct kst_http_request *request,
                      struct kst_http_raw **out, struct kst_err **err);
/* Without yielding: bytes moved (0: would block), KST_E_CLOSED at the end of the connection. */
int64_t kst_http_raw_send(struct kst_http_raw *self, const void *data, size_t len,
                          struct kst_err **err);
int64_t kst_http_raw_recv(struct kst_http_raw *self, void *data, size_t len, struct kst_err **err);
/* The descriptor, for kst_wait_fd(). */
int kst_http_raw_fd(const struct kst_http_raw *self);
void kst_http_raw_close(struct kst_http_raw *self);

/* Percent-encodes for a path segment or a query value (RFC 3986 unreserved stay). Appends. */
int kst_url_escape(struct kst_buf *out, const char *text);

/* Process-wide set-up and its undoing, from main(). */
void kst_http_global_init(void);
void kst_http_global_release(void);
/* "libcurl/7.88.1 …", borrowed. */
const char *kst_http_version(void);

#endif
