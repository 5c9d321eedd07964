/* SPDX-License-Identifier: Apache-2.0 */
/* What http.c, http_stream.c and http_raw.c share: one transfer on curl's multi interface. */
#ifndef KST_LOOP_HTTP_INTERNAL_H
#define KST_LOOP_HTTP_INTERNAL_H

#include <curl/curl.h>
#include <stdbool.h>

#include "loop/fiber.h"
#include "loop/http.h"

struct kst_buf;

struct kst_transfer {
    struct kst_loop *loop;
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    char *url;   /* with the TLS server name in it, where that differs */
    char *proxy; /* NULL: none; may hold a password */
    char error[CURL_ERROR_SIZE];
    struct kst_cond changed;
    bool added, done, headers_done, too_large;
    CURLcode result;
    struct kst_buf *body;                                    /* collects, or NULL */
    size_t (*sink)(void *arg, const char *data, size_t len); /* of a stream; NULL: into body */
    void *sink_arg;
    char *retry_after;
    void *request_body; /* a copy: streams outlive the call that gave it */
    size_t request_len, request_sent;
};

enum kst_transfer_mode { KST_TRANSFER_COLLECT, KST_TRANSFER_STREAM, KST_TRANSFER_RAW };

/* Prepares and starts; KST_E_INVALID for a URL that is none. */
int kst_transfer_start(struct kst_loop *loop, const struct kst_http_request *request,
                       enum kst_transfer_mode mode, struct kst_transfer **out,
                       struct kst_err **err);
/* Ends it where it is, and frees. */
void kst_transfer_free(struct kst_transfer *self);
/* Fills in what is known of the answer. */
void kst_transfer_response(struct kst_transfer *self, struct kst_http_response *response);
/* The error of a transfer that is done with another result than CURLE_OK. */
int kst_transfer_error(struct kst_transfer *self, struct kst_err **err);
/* Lets a paused one go on. */
void kst_transfer_unpause(struct kst_transfer *self);

#endif
