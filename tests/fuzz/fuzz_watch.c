/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server may say to a list and to the watches that follow it. The first byte of an input
 * says how many bytes of an answer come at a time; the rest are the answers, '\xff' ends one:
 *   2 TEXT    200, and a regular end
 *   b TEXT    200, then the connection breaks
 *   s TEXT    200, then nothing more comes
 *   r         no answer, the connection breaks
 *   e ? TEXT  another code: 400 and the byte
 * What is told is in order: an object is seen before it changes, and one that is there is not seen
 * again. HTTP is this file's own: its functions take the place of loop/http.c and http_stream.c.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/config_internal.h"
#include "kube/resource.h"
#include "kube/watch.h"
#include "loop/fiber.h"
#include "loop/http.h"
#include "loop/loop.h"

enum {
    TURNS = 10,   /* that end without an event */
    PAUSE_MS = 1, /* the pauses between two tries are cut short by it */
    INPUT_BYTES = 64 * 1024,
};

struct kst_http_stream {
    struct kst_str left;
    size_t piece_bytes;
    char kind;
};

static struct kst_str script;
static size_t piece_bytes;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- what loop/http.h promises ---- */

/* The next answer; false where there is none. */
static bool next_answer(char *kind, int *status, struct kst_str *text)
{
    *kind = 'r';
    *status = 200;
    if (!kst_str_split(&script, '\xff', text) || text->len == 0)
        return false;
    *kind = *text->data++;
    text->len--;
    if (*kind == 'e' && text->len > 0) {
        *status = 400 + (unsigned char)*text->data++;
        text->len--;
    }
    return *kind != 'r';
}

static int no_answer(struct kst_http_response *response, struct kst_err **err)
{
    response->sent = true;
    return kst_err_set(err, KST_E_CLOSED, "the connection was reset");
}

int kst_http_do(struct kst_loop *loop, const struct kst_http_request *request,
                struct kst_http_response *response, struct kst_buf *body, struct kst_err **err)
{
    char kind;
    int status;
    struct kst_str text;
    *response = (struct kst_http_response){.retry_after_ms = -1};
    if (!next_answer(&kind, &status, &text) || kind == 'b')
        return no_answer(response, err);
    response->status = status;
    response->content_type = kst_strdup("application/json");
    response->sent = true;
    if (kst_buf_add(body, text.data, text.len) < 0)
        return kst_err_set(err, KST_E_LIMIT, "the answer is too large");
    return 0;
}

void kst_http_response_release(struct kst_http_response *self)
{
    free(self->content_type);
    self->content_type = NULL;
}

int kst_http_open(struct kst_loop *loop, const struct kst_http_request *request,
                  struct kst_http_response *response, struct kst_http_stream **out,
                  struct kst_err **err)
{
    char kind;
    int status;
    struct kst_str text;
    *response = (struct kst_http_response){.retry_after_ms = -1};
    if (!next_answer(&kind, &status, &text))
        return no_answer(response, err);
    response->status = status;
    response->sent = true;
    struct kst_http_stream *self = kst_calloc(1, sizeof(*self));
    *self = (struct kst_http_stream){text, piece_bytes, kind};
    *out = self;
    return 0;
}

int64_t kst_http_read(struct kst_http_stream *self, struct kst_buf *into, size_t max,
                      int64_t deadline_ms, struct kst_err **err)
{
    size_t count = self->left.len < self->piece_bytes ? self->left.len : self->piece_bytes;
    if (count == 0 && self->kind == 'b')
        return kst_err_set(err, KST_E_CLOSED, "the connection broke");
    if (count == 0 && self->kind == 's')
        return kst_err_set(err, KST_E_TIMEOUT, "nothing came for too long");
    count = count < max ? count : max;
    if (kst_buf_add(into, self->left.data, count) < 0)
        return kst_err_set(err, KST_E_LIMIT, "there is no room left");
    self->left.data += count;
    self->left.len -= count;
    return (int64_t)count;
}

void kst_http_close(struct kst_http_stream *self)
{
    free(self);
}

int kst_url_escape(struct kst_buf *out, const char *text)
{
    return kst_buf_adds(out, text);
}

/* ---- what is told ---- */

static void check_event(struct kst_json *seen, enum kst_watch_type type,
                        const struct kst_json *object, bool *synced)
{
    if (type == KST_WATCH_SYNCED) {
        if (*synced)
            abort();
        *synced = true;
        return;
    }
    const char *ns = kst_json_path_str(object, "metadata.namespace");
    const char *name = kst_json_path_str(object, "metadata.name");
    kst_auto_free char *key = kst_asprintf("%s/%s", ns ? ns : "", name ? name : "");
    bool known = kst_json_get(seen, key);
    if ((type == KST_WATCH_SEEN && known) || (type == KST_WATCH_MODIFIED && !known))
        abort();
    if (type == KST_WATCH_DELETED)
        kst_json_remove(seen, key);
    else
        kst_json_set(seen, key, kst_json_null());
}

static int run(void *arg, struct kst_err **err)
{
    struct kst_watch *watch = kst_watch_new(arg, &kst_res_pods, "shop", NULL);
    kst_auto_json struct kst_json *seen = kst_json_object();
    bool synced = false;
    for (int i = 0; i < TURNS && script.data;) {
        enum kst_watch_type type;
        const struct kst_json *object = NULL;
        kst_auto_err struct kst_err *cause = NULL;
        int rc = kst_watch_next(watch, kst_deadline_in_ms(PAUSE_MS), &type, &object, &cause);
        if ((rc < 0) != (cause != NULL) || rc != kst_err_code(cause))
            abort();
        if (rc == 0)
            check_event(seen, type, object, &synced);
        else
            i++;
    }
    kst_watch_free(watch);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kst_loop *loop;
    static struct kst_kube_config *config;
    if (size < 2 || size > INPUT_BYTES)
        return 0;
    if (!loop) {
        kst_auto_json struct kst_json *merged = kst_json_make(
            "{'current-context':{'file':'f','value':'x'},"
            "'contexts':{'x':{'file':'f','value':{'cluster':'c'}}},"
            "'clusters':{'c':{'file':'f','value':{'server':'http://127.0.0.1:1'}}}}");
        if (kst_kubeconfig_resolve(merged, NULL, &config, NULL) < 0 || kst_loop_new(&loop, NULL))
            abort();
    }
    piece_bytes = (size_t)data[0] * 3 + 1;
    script = (struct kst_str){(const char *)data + 1, size - 1};
    struct kst_kube *kube = kst_kube_new(loop, config);
    kst_kube_set_patience_ms(kube, 0);
    if (kst_loop_run(loop, "fuzz", run, kube, NULL) < 0)
        abort();
    kst_kube_free(kube);
    return 0;
}
