/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP server on the event loop: libmicrohttpd reads and writes, each request is served by a
 * fiber of its own, written straight down. This module alone includes microhttpd.h.
 *
 * A request lives from the call of the handler until it returns; what it did not answer by then is
 * reset. Bodies are complete when the handler is called.
 */
#ifndef KST_SANDBOX_SERVER_HTTPD_H
#define KST_SANDBOX_SERVER_HTTPD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct kst_err;
struct kst_httpd;
struct kst_httpd_request;
struct kst_loop;

struct kst_httpd_options {
    const char *address;            /* "127.0.0.1" */
    int port;                       /* 0: any that is free */
    const char *cert_pem, *key_pem; /* TLS where both are there */
    size_t body_bytes;              /* of a request at most; 0: 16 MiB */
    /* After which a connection is ended on which nothing moves, unless its request is being served;
     * 0: 90. Not every client that goes away in the middle of a request is seen to. */
    unsigned idle_s;
    /* Called in a fiber of its own for each request. */
    void (*handle)(void *arg, struct kst_httpd_request *request);
    void *arg;
};

/* KST_E_IO, KST_E_EXISTS (the port is taken). The options' texts are copied. */
int kst_httpd_new(struct kst_loop *loop, const struct kst_httpd_options *options,
                  struct kst_httpd **out, struct kst_err **err);
int kst_httpd_port(const struct kst_httpd *self);
/* Takes no more connections, ends those there are, and yields until no handler runs. */
void kst_httpd_stop(struct kst_httpd *self);
/* After the stop. */
void kst_httpd_free(struct kst_httpd *self);

/* The request; all borrowed. */
const char *kst_httpd_method(const struct kst_httpd_request *self);
const char *kst_httpd_path(const struct kst_httpd_request *self); /* decoded, without the query */
const char *kst_httpd_header(const struct kst_httpd_request *self, const char *name);
/* The first value of a parameter of the query, decoded; NULL where it is not there, "" where it
 * has no value. */
const char *kst_httpd_query(const struct kst_httpd_request *self, const char *name);
/* The index-th value of a parameter that may come several times; NULL at the end. */
const char *kst_httpd_query_at(const struct kst_httpd_request *self, const char *name,
                               size_t index);
struct kst_str kst_httpd_body(const struct kst_httpd_request *self);
bool kst_httpd_body_too_large(const struct kst_httpd_request *self);
/* Whether the client went away. */
bool kst_httpd_is_gone(struct kst_httpd_request *self);

/* Answers. Headers are added before; at most 8. */
void kst_httpd_add_header(struct kst_httpd_request *self, const char *name, const char *value);
/* The whole answer; the text is copied. Never yields. */
void kst_httpd_reply(struct kst_httpd_request *self, int code, const char *content_type,
                     const void *data, size_t len);
/* An answer in pieces: the beginning, then data (yields while the client does not read, up to the
 * fiber's deadline; KST_E_CLOSED once it is gone), then the end. */
void kst_httpd_stream_begin(struct kst_httpd_request *self, int code, const char *content_type);
int kst_httpd_stream_write(struct kst_httpd_request *self, const void *data, size_t len,
                           struct kst_err **err);
void kst_httpd_stream_end(struct kst_httpd_request *self);
/* Called (on the loop) when the client of a stream goes away, so that a fiber that waits for
 * something else can be woken. */
void kst_httpd_on_gone(struct kst_httpd_request *self, void (*call)(void *arg), void *arg);
/* Switches the protocol (101): yields until the answer is sent, and gives the connection's
 * descriptor, non-blocking, with what the client has sent already (borrowed). The descriptor stays
 * the server's: the caller works on it until the handler returns. KST_E_CLOSED. */
int kst_httpd_upgrade(struct kst_httpd_request *self, const char *protocol, int *fd,
                      struct kst_str *early, struct kst_err **err);
/* Before an upgrade, for faults: the descriptor that it gives leads nowhere and ends after a tenth
 * of a second. The client hears nothing but the 101, and at the handler's end, that the connection
 * is at an end (`reset`: has broken). */
void kst_httpd_mute(struct kst_httpd_request *self, bool reset);
/* Ends the connection with a reset, whatever was answered. */
void kst_httpd_reset(struct kst_httpd_request *self);
/* The first half of the answer, then the connection's end. */
void kst_httpd_truncate(struct kst_httpd_request *self, int code, const char *content_type,
                        const void *data, size_t len);

#endif
