/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the API server of the embedded cluster: paths, queries, Accept, selectors, limits,
 * continue tokens, bodies. The input is a list of requests to a new cluster, '\xff' ends one:
 *   METHOD PATH?QUERY
 *   Name: value
 *
 *   the body
 * Each is answered once, JSON is JSON, and a stream is a line for each event. HTTP itself is this
 * file's own: its functions take the place of sandbox/server/httpd.c.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "sandbox/api/api.h"
#include "sandbox/bootstrap.h"
#include "sandbox/server/httpd.h"
#include "sandbox/server/server.h"

enum {
    REQUESTS = 16,
    PAIRS = 16,
    TEXT_BYTES = 64 * 1024,
    ANSWER_BYTES = 64 * 1024 * 1024,
    TURNS = 3, /* of the loop, until a client goes away that waits for more */
};

struct pair {
    char *name, *value;
};

struct kst_httpd {
    struct kst_httpd_options options;
};

struct kst_httpd_request {
    char *method, *path;
    struct pair query[PAIRS], headers[PAIRS];
    size_t nquery, nheaders;
    struct kst_str body;
    int answers, code; /* a stream is one answer, a reset is none */
    bool stream, ended, gone, reset, json;
    struct kst_buf out;
    void (*on_gone)(void *arg);
    void *on_gone_arg;
};

static struct kst_httpd the_server;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- what sandbox/server/httpd.h promises ---- */

int kst_httpd_new(struct kst_loop *loop, const struct kst_httpd_options *options,
                  struct kst_httpd **out, struct kst_err **err)
{
    the_server.options = *options;
    *out = &the_server;
    return 0;
}

int kst_httpd_port(const struct kst_httpd *self)
{
    return 1;
}

void kst_httpd_stop(struct kst_httpd *self)
{
}

void kst_httpd_free(struct kst_httpd *self)
{
}

const char *kst_httpd_method(const struct kst_httpd_request *self)
{
    return self->method;
}

const char *kst_httpd_path(const struct kst_httpd_request *self)
{
    return self->path;
}

const char *kst_httpd_header(const struct kst_httpd_request *self, const char *name)
{
    for (size_t i = 0; i < self->nheaders; i++)
        if (strcasecmp(self->headers[i].name, name) == 0)
            return self->headers[i].value;
    return NULL;
}

const char *kst_httpd_query_at(const struct kst_httpd_request *self, const char *name, size_t index)
{
    for (size_t i = 0; i < self->nquery; i++)
        if (strcmp(self->query[i].name, name) == 0 && index-- == 0)
            return self->query[i].value;
    return NULL;
}

const char *kst_httpd_query(const struct kst_httpd_request *self, const char *name)
{
    return kst_httpd_query_at(self, name, 0);
}

struct kst_str kst_httpd_body(const struct kst_httpd_request *self)
{
    return self->body;
}

bool kst_httpd_body_too_large(const struct kst_httpd_request *self)
{
    return false;
}

bool kst_httpd_is_gone(struct kst_httpd_request *self)
{
    return self->gone;
}

void kst_httpd_add_header(struct kst_httpd_request *self, const char *name, const char *value)
{
    if (self->answers > 0 || !*name || !value || strpbrk(value, "\r\n"))
        abort();
}

static void begin(struct kst_httpd_request *self, int code, const char *content_type)
{
    if (self->answers++ > 0 || self->reset || code < 100 || code > 599 || !content_type)
        abort();
    self->code = code;
    self->json = strcmp(content_type, "application/json") == 0;
}

void kst_httpd_reply(struct kst_httpd_request *self, int code, const char *content_type,
                     const void *data, size_t len)
{
    begin(self, code, content_type);
    if (kst_buf_add(&self->out, data, len) < 0)
        abort();
}

void kst_httpd_stream_begin(struct kst_httpd_request *self, int code, const char *content_type)
{
    begin(self, code, content_type);
    self->stream = true;
}

int kst_httpd_stream_write(struct kst_httpd_request *self, const void *data, size_t len,
                           struct kst_err **err)
{
    if (!self->stream || self->ended)
        abort();
    if (self->gone)
        return kst_err_set(err, KST_E_CLOSED, "the client went away");
    return kst_buf_add(&self->out, data, len);
}

void kst_httpd_stream_end(struct kst_httpd_request *self)
{
    if (!self->stream)
        abort();
    self->ended = true;
}

void kst_httpd_on_gone(struct kst_httpd_request *self, void (*call)(void *arg), void *arg)
{
    self->on_gone = call;
    self->on_gone_arg = arg;
}

int kst_httpd_upgrade(struct kst_httpd_request *self, const char *protocol, int *fd,
                      struct kst_str *early, struct kst_err **err)
{
    begin(self, 101, protocol);
    return kst_err_set(err, KST_E_CLOSED, "the client went away");
}

void kst_httpd_reset(struct kst_httpd_request *self)
{
    self->reset = true;
}

/* Nobody asks for faults. */

void kst_httpd_mute(struct kst_httpd_request *self, bool reset)
{
    abort();
}

void kst_httpd_truncate(struct kst_httpd_request *self, int code, const char *content_type,
                        const void *data, size_t len)
{
    abort();
}

/* ---- requests ---- */

static int hex(char c)
{
    const char *digits = "0123456789abcdef";
    const char *found = c ? strchr(digits, c | 0x20) : NULL;
    return found ? (int)(found - digits) : -1;
}

static char *decode(struct kst_str text)
{
    char *out = kst_strndup(text.data, text.len), *to = out;
    for (const char *from = out; *from; from++) {
        if (*from == '%' && hex(from[1]) >= 0 && hex(from[2]) >= 0) {
            *to++ = (char)(hex(from[1]) * 16 + hex(from[2]));
            from += 2;
        } else {
            *to++ = *from == '+' ? ' ' : *from;
        }
    }
    *to = '\0';
    return out;
}

static void read_query(struct kst_httpd_request *self, struct kst_str query)
{
    struct kst_str part, name;
    while (self->nquery < PAIRS && kst_str_split(&query, '&', &part)) {
        kst_str_split(&part, '=', &name);
        self->query[self->nquery++] = (struct pair){decode(name), decode(part)};
    }
}

static void read_request(struct kst_httpd_request *self, struct kst_str text)
{
    struct kst_str line, word;
    kst_buf_init(&self->out, ANSWER_BYTES);
    kst_str_split(&text, '\n', &line);
    kst_str_split(&line, ' ', &word);
    self->method = kst_strndup(word.data, word.len);
    kst_str_split(&line, '?', &word);
    self->path = decode(word);
    read_query(self, line);
    while (kst_str_split(&text, '\n', &line) && line.len > 0) {
        kst_str_split(&line, ':', &word);
        line = kst_str_trim(line);
        if (self->nheaders < PAIRS)
            self->headers[self->nheaders++] = (struct pair){kst_strndup(word.data, word.len),
                                                            kst_strndup(line.data, line.len)};
    }
    self->body = text;
    if (!text.data)
        self->body = kst_str_of("");
}

static void release_pairs(struct pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(pairs[i].name);
        free(pairs[i].value);
    }
}

static void request_release(struct kst_httpd_request *self)
{
    release_pairs(self->query, self->nquery);
    release_pairs(self->headers, self->nheaders);
    kst_buf_release(&self->out);
    free(self->method);
    free(self->path);
}

static void check_json(struct kst_str text)
{
    kst_auto_json struct kst_json *value = NULL;
    if (kst_json_parse(text.data, text.len, &value, NULL) < 0)
        abort();
}

static void check_answer(const struct kst_httpd_request *self)
{
    struct kst_str text = kst_str_buf(&self->out), line;
    if (self->answers != !self->reset || (self->stream && !self->ended && !self->reset))
        abort();
    if (self->json && !self->stream)
        check_json(text);
    while (self->stream && kst_str_split(&text, '\n', &line))
        if (line.len > 0)
            check_json(line);
}

static int handle(void *arg, struct kst_err **err)
{
    the_server.options.handle(the_server.options.arg, arg);
    return 0;
}

/* Whoever waits for more than a few turns has gone away. */
static void serve(struct kst_str text)
{
    struct kst_httpd_request request = {0};
    read_request(&request, text);
    struct kst_fiber *fiber = kst_fiber_spawn(kst_fiber_loop(), "request", handle, &request);
    for (int i = 0; i < TURNS && !kst_fiber_ended(fiber); i++)
        kst_yield();
    request.gone = true;
    if (!kst_fiber_ended(fiber) && request.on_gone)
        request.on_gone(request.on_gone_arg);
    kst_fiber_join(fiber, NULL);
    check_answer(&request);
    request_release(&request);
}

static int serve_all(void *arg, struct kst_err **err)
{
    struct kst_str rest = *(struct kst_str *)arg, part;
    const struct kst_server_options options = {.tls = false};
    struct kst_server *server = NULL;
    struct kst_api *api = kst_api_new();
    if (kst_server_new(kst_fiber_loop(), api, &options, &server, err) < 0)
        abort();
    kst_bootstrap(api);
    for (int i = 0; i < REQUESTS && kst_str_split(&rest, '\xff', &part); i++)
        serve(part);
    kst_server_stop(server);
    kst_server_free(server);
    kst_api_free(api);
    kst_log_forget_secrets();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kst_loop *loop;
    struct kst_str text = {(const char *)data, size};
    if (size > TEXT_BYTES)
        return 0;
    if (!loop && kst_loop_new(&loop, NULL) < 0)
        abort();
    if (kst_loop_run(loop, "fuzz", serve_all, &text, NULL) < 0)
        abort();
    return 0;
}
