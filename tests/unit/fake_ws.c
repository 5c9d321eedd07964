/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_ws.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "fake_http.h"

enum { FRAME_BYTES = 2 * 1024 * 1024 };

bool fake_ws_put(int fd, const void *data, size_t len)
{
    for (const char *at = data; len > 0;) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static bool get(int fd, void *data, size_t len)
{
    for (char *at = data; len > 0;) {
        ssize_t n = recv(fd, at, len, 0);
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* The first byte of a frame (FIN 0x80, opcode), then its length. */
size_t fake_ws_frame_head(unsigned char *out, unsigned char first, size_t len)
{
    size_t at = 0;
    out[at++] = first;
    if (len < 126) {
        out[at++] = (unsigned char)len;
    } else if (len < 65536) {
        out[at++] = 126;
        out[at++] = (unsigned char)(len >> 8);
        out[at++] = (unsigned char)len;
    } else {
        out[at++] = 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            out[at++] = (unsigned char)((uint64_t)len >> shift);
    }
    return at;
}

bool fake_ws_put_frame(int fd, unsigned char first, const void *data, size_t len)
{
    unsigned char head[16];
    return fake_ws_put(fd, head, fake_ws_frame_head(head, first, len)) &&
           fake_ws_put(fd, data, len);
}

bool fake_ws_put_message(int fd, int channel, const void *data, size_t len)
{
    kst_auto_free char *whole = kst_malloc(len + 1);
    whole[0] = (char)channel;
    memcpy(whole + 1, data, len);
    return fake_ws_put_frame(fd, 0x82, whole, len + 1);
}

/* One frame of the client's, unmasked, into `out`: its first byte, or -1 at the end. An unmasked
 * one ends it too. */
int fake_ws_get_frame(int fd, struct kst_buf *out)
{
    unsigned char head[2], longer[8], mask[4];
    if (!get(fd, head, 2) || !(head[1] & 0x80))
        return -1;
    size_t len = head[1] & 0x7f, more = len == 126 ? 2 : len == 127 ? 8 : 0;
    if (!get(fd, longer, more))
        return -1;
    if (more)
        len = 0;
    for (size_t i = 0; i < more; i++)
        len = len << 8 | longer[i];
    kst_buf_clear(out);
    char *at = kst_buf_room(out, len);
    if (!at || !get(fd, mask, 4) || !get(fd, at, len))
        return -1;
    for (size_t i = 0; i < len; i++)
        at[i] = (char)(at[i] ^ (char)mask[i % 4]);
    kst_buf_wrote(out, len);
    return head[0];
}

char *fake_ws_accept(const struct fake_http_request *request)
{
    const char *key = strcasestr(request->headers, "Sec-WebSocket-Key: ");
    if (!key)
        return kst_strdup("");
    key += strlen("Sec-WebSocket-Key: ");
    kst_auto_free char *text = kst_asprintf("%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
                                            (int)strcspn(key, "\r\n"), key);
    unsigned char digest[KST_SHA1_BYTES];
    struct kst_buf out = KST_BUF_INIT(64);
    kst_hash_sha1(text, strlen(text), digest);
    kst_base64_encode(&out, digest, sizeof(digest));
    return kst_buf_take(&out);
}

/* ---- Scripts ---- */

static void say_split(int fd, const struct fake_ws_op *op)
{
    kst_auto_buf whole = KST_BUF_INIT(FRAME_BYTES);
    kst_buf_addc(&whole, (char)op->channel);
    kst_buf_adds(&whole, op->text);
    for (size_t at = 0; at < whole.len; at += 3) {
        size_t len = whole.len - at < 3 ? whole.len - at : 3;
        unsigned char head[16];
        unsigned char first = (unsigned char)((at == 0 ? 2 : 0) |
                                              (at + len == whole.len ? 0x80 : 0));
        size_t head_len = fake_ws_frame_head(head, first, len);
        for (size_t i = 0; i < head_len; i++, usleep(200))
            fake_ws_put(fd, head + i, 1);
        for (size_t i = 0; i < len; i++, usleep(200))
            fake_ws_put(fd, whole.data + at + i, 1);
        if (at == 0)
            fake_ws_put_frame(fd, 0x89, "mid", 3);
    }
}

static void say_merged(int fd, const struct fake_ws_op *op)
{
    kst_auto_buf all = KST_BUF_INIT(FRAME_BYTES);
    for (int i = 0; i < 2; i++) {
        unsigned char head[16];
        size_t len = strlen(op->text) + 1;
        kst_buf_add(&all, head, fake_ws_frame_head(head, 0x82, len));
        kst_buf_addc(&all, (char)op->channel);
        kst_buf_adds(&all, op->text);
    }
    fake_ws_put(fd, all.data, all.len);
}

static void hear(struct fake_ws_scene *scene, int fd, int expected, const struct fake_ws_op *op)
{
    kst_auto_buf got = KST_BUF_INIT(FRAME_BYTES);
    int first = fake_ws_get_frame(fd, &got);
    size_t len = op->text ? strlen(op->text) : 0;
    bool has_channel = expected == 0x82;
    if (first != expected || got.len != len + has_channel ||
        (has_channel && (unsigned char)got.data[0] != op->channel) ||
        (len && memcmp(got.data + has_channel, op->text, len) != 0))
        scene->problem = "the client sent something else";
}

void fake_ws_goodbye(int fd, const struct fake_ws_op *op)
{
    kst_auto_buf body = KST_BUF_INIT(256), got = KST_BUF_INIT(FRAME_BYTES);
    kst_buf_addc(&body, (char)(op->channel >> 8));
    kst_buf_addc(&body, (char)(op->channel & 0xff));
    kst_buf_adds(&body, op->text ? op->text : "");
    fake_ws_put_frame(fd, 0x88, body.data, body.len);
    for (int first; (first = fake_ws_get_frame(fd, &got)) >= 0 && first != 0x88;)
        continue;
}

static void perform(struct fake_ws_scene *scene, int fd, const struct fake_ws_op *op)
{
    kst_auto_buf got = KST_BUF_INIT(FRAME_BYTES);
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    switch (op->act) {
    case END_OF_SCRIPT:
        break;
    case SAY:
        fake_ws_put_message(fd, op->channel, op->text, strlen(op->text));
        break;
    case SAY_SPLIT:
        say_split(fd, op);
        hear(scene, fd, 0x8a, &(struct fake_ws_op){.text = "mid"});
        break;
    case SAY_MERGED:
        say_merged(fd, op);
        break;
    case RAW:
        fake_ws_put(fd, op->text, op->len);
        break;
    case HEAR:
        hear(scene, fd, 0x82, op);
        break;
    case HEAR_EOF:
        if (fake_ws_get_frame(fd, &got) != 0x82 || got.len != 2 ||
            memcmp(got.data, "\xff\0", 2) != 0)
            scene->problem = "the client did not close stdin";
        break;
    case PING:
        fake_ws_put_frame(fd, 0x89, op->text, strlen(op->text));
        hear(scene, fd, 0x8a, op);
        break;
    case GOODBYE:
        fake_ws_goodbye(fd, op);
        break;
    case RESET:
        usleep(50 * 1000); /* what was said is read before */
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        break;
    case LISTEN:
        while (fake_ws_get_frame(fd, &got) >= 0)
            continue;
        break;
    case IDLE:
        usleep((useconds_t)op->channel * 1000);
        break;
    }
}

void fake_ws_play(void *arg, int fd)
{
    struct fake_ws_scene *scene = arg;
    const struct timeval patience = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (scene->talk) {
        scene->talk(scene, fd);
        return;
    }
    for (const struct fake_ws_op *op = scene->ops; op && op->act != END_OF_SCRIPT; op++)
        perform(scene, fd, op);
}

/* Agrees to the upgrade and plays the scene. */
void fake_ws_upgrade(void *arg, const struct fake_http_request *request,
                     struct fake_http_answer *answer)
{
    struct fake_ws_scene *scene = arg;
    scene->asked++;
    free(scene->target);
    scene->target = kst_strdup(request->target);
    if (strcmp(request->method, "GET") != 0 ||
        !fake_http_has_header(request, "Upgrade", "websocket") ||
        !fake_http_has_header(request, "Connection", "Upgrade") ||
        !fake_http_has_header(request, "Sec-WebSocket-Version", "13") ||
        !fake_http_has_header(request, "Sec-WebSocket-Protocol",
                              "v5.channel.k8s.io, v4.channel.k8s.io") ||
        !fake_http_has_header(request, "Authorization", "Bearer sesame-token"))
        scene->problem = "the handshake's headers";
    kst_auto_free char *accepted = fake_ws_accept(request);
    answer->status = 101;
    answer->headers = kst_asprintf("%sConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s%s%s",
                                   scene->no_upgrade ? "" : "Upgrade: WebSocket\r\n",
                                   scene->wrong_accept ? "AAAA" : accepted,
                                   scene->protocol ? "Sec-WebSocket-Protocol: " : "",
                                   scene->protocol ? scene->protocol : "",
                                   scene->protocol ? "\r\n" : "");
    answer->talk = fake_ws_play;
    answer->talk_arg = scene;
}
