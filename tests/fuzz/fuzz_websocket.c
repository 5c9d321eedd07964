/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server says to an exec. The first byte of an input: bit 0 says whether the rest is the
 * whole answer, or comes behind a handshake that is in order; bit 1, v5 instead of v4; the upper
 * half, how many bytes come at a time. The connection is this file's own: its functions take the
 * place of loop/http_raw.c.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/config_internal.h"
#include "kube/exec.h"
#include "loop/http.h"
#include "loop/loop.h"

enum { ANSWER_BYTES = 16 * 1024 * 1024, OUTPUT_BYTES = 64 * 1024 };

struct kst_http_raw {
    int fd; /* always readable and writable */
    struct kst_buf answer, request;
    size_t piece_bytes;
    bool greeted;
};

static const uint8_t *input;
static size_t input_len;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int kst_http_raw_open(struct kst_loop *loop, const struct kst_http_request *request,
                      struct kst_http_raw **out, struct kst_err **err)
{
    struct kst_http_raw *self = kst_calloc(1, sizeof(*self));
    self->fd = eventfd(1, EFD_CLOEXEC);
    if (self->fd < 0)
        abort();
    self->piece_bytes = (size_t)(input[0] >> 4) * 7 + 1;
    kst_buf_init(&self->answer, ANSWER_BYTES);
    kst_buf_init(&self->request, ANSWER_BYTES);
    *out = self;
    return 0;
}

/* Once the request is there: what the input says, behind the greeting where it asks for one. */
static void greet(struct kst_http_raw *self)
{
    const char *key = strstr(self->request.data, "Sec-WebSocket-Key: ");
    if (!key || !strstr(key, "\r\n\r\n"))
        return;
    key += strlen("Sec-WebSocket-Key: ");
    self->greeted = true;
    if (!(input[0] & 1)) {
        kst_auto_free char *text = kst_asprintf("%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
                                                (int)strcspn(key, "\r"), key);
        unsigned char digest[KST_SHA1_BYTES];
        kst_hash_sha1(text, strlen(text), digest);
        kst_buf_addf(&self->answer,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Sec-WebSocket-Protocol: v%d.channel.k8s.io\r\nSec-WebSocket-Accept: ",
                     input[0] & 2 ? 5 : 4);
        kst_base64_encode(&self->answer, digest, sizeof(digest));
        kst_buf_adds(&self->answer, "\r\n\r\n");
    }
    kst_buf_add(&self->answer, input + 1, input_len - 1);
}

int64_t kst_http_raw_send(struct kst_http_raw *self, const void *data, size_t len,
                          struct kst_err **err)
{
    if (!self->greeted) {
        kst_buf_add(&self->request, data, len);
        greet(self);
    }
    return (int64_t)len;
}

int64_t kst_http_raw_recv(struct kst_http_raw *self, void *data, size_t len, struct kst_err **err)
{
    if (self->answer.len == 0)
        return kst_err_set(err, KST_E_CLOSED, "the server closed the connection");
    len = len < self->piece_bytes ? len : self->piece_bytes;
    len = len < self->answer.len ? len : self->answer.len;
    memcpy(data, self->answer.data, len);
    kst_buf_drop(&self->answer, len);
    return (int64_t)len;
}

int kst_http_raw_fd(const struct kst_http_raw *self)
{
    return self->fd;
}

void kst_http_raw_close(struct kst_http_raw *self)
{
    close(self->fd);
    kst_buf_release(&self->answer);
    kst_buf_release(&self->request);
    free(self);
}

static int run(void *arg, struct kst_err **err)
{
    static const char *const command[] = {"true", NULL};
    const struct kst_exec_request request = {
        .ns = "shop", .pod = "db-0", .container = "main", .command = command};
    kst_auto_buf output = KST_BUF_INIT(OUTPUT_BYTES), errors = KST_BUF_INIT(OUTPUT_BYTES);
    int exit_code = -7;
    int rc = kst_exec_run(arg, &request, "input", 5, &output, &errors, &exit_code, err);
    if ((rc < 0) != (exit_code == -7) || exit_code > 255)
        abort();
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kst_loop *loop;
    static struct kst_kube_config *config;
    struct kst_err *err = NULL;
    if (size == 0)
        return 0;
    if (!loop) {
        kst_auto_json struct kst_json *merged = kst_json_make(
            "{'current-context':{'file':'f','value':'x'},"
            "'contexts':{'x':{'file':'f','value':{'cluster':'c'}}},"
            "'clusters':{'c':{'file':'f','value':{'server':'http://127.0.0.1:1'}}}}");
        kst_http_global_init();
        if (kst_kubeconfig_resolve(merged, NULL, &config, &err) < 0 || kst_loop_new(&loop, &err))
            abort();
    }
    input = data;
    input_len = size;
    struct kst_kube *kube = kst_kube_new(loop, config);
    kst_kube_set_patience_ms(kube, 0);
    int rc = kst_loop_run(loop, "fuzz", run, kube, &err);
    if ((rc < 0) != (err != NULL) || rc != kst_err_code(err))
        abort();
    kst_err_free(err);
    kst_kube_free(kube);
    return 0;
}
