/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/1.1 server on a loopback port, in a thread of the test: a function of the test's answers
 * each request, also by a reset, by half an answer, or late.
 */
#ifndef KST_TESTS_UNIT_FAKE_HTTP_H
#define KST_TESTS_UNIT_FAKE_HTTP_H

#include <stdbool.h>
#include <stddef.h>

struct fake_http;

struct fake_http_request {
    const char *method;
    const char *target;  /* path and query, as sent */
    const char *headers; /* "name: value\r\n…", as sent */
    const char *body;    /* NUL-terminated */
    size_t body_len;
    unsigned index;      /* 0 for the server's first request */
    unsigned connection; /* 0 for its first connection */
};

enum fake_http_way {
    FAKE_HTTP_WHOLE,
    FAKE_HTTP_RESET,      /* no answer: the connection is reset */
    FAKE_HTTP_HALF,       /* headers and half of the body, then the end */
    FAKE_HTTP_UNTIL_CLOSE /* no length: the connection's end is the body's */
};

struct fake_http_answer {
    int status;               /* 200 */
    const char *content_type; /* "application/json" */
    char *headers;            /* more, each ended by \r\n; freed by the server; may be NULL */
    char *body;               /* freed by the server; may be NULL */
    int delay_ms;
    enum fake_http_way way;
    /* Where set, it has the connection from here on, after the headers (with status 0: instead of
     * any answer), until it returns. */
    void (*talk)(void *arg, int fd);
    void *talk_arg;
};

/* Called in the server's thread, one request at a time. */
typedef void fake_http_fn(void *arg, const struct fake_http_request *request,
                          struct fake_http_answer *answer);

struct fake_http *fake_http_start(fake_http_fn *fn, void *arg);
/* "http://127.0.0.1:PORT", borrowed. */
const char *fake_http_url(const struct fake_http *self);
/* How many requests were answered, or reset. */
unsigned fake_http_count(struct fake_http *self);
/* Ends the thread and frees. */
void fake_http_stop(struct fake_http *self);

/* Whether the request has the header with this value (name caseless). */
bool fake_http_has_header(const struct fake_http_request *request, const char *name,
                          const char *value);

#endif
