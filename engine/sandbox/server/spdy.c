/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/server/spdy.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <zlib.h>

#include "base/err.h"
#include "base/mem.h"

enum {
    HEAD_BYTES = 8,
    VERSION = 3,
    CONTROL_BYTES = 64 * 1024,
    BLOCK_BYTES = 64 * 1024,
    LENGTH_LIMIT = 1 << 24,
    WINDOW_BITS = 11, /* 2 KiB: a dictionary's worth, for header blocks of a few words */
    MEMORY_LEVEL = 1,
};

/* The dictionary that both ends know before the first header block: section 2.6.10.1 of the
 * specification, to the byte (its Adler-32 is 0xe3c6a7c2). Names and methods with their length in
 * four bytes, then texts that values are likely to hold. */
#define N(len, name) "\0\0\0" len name
/* clang-format off */
static const char dictionary[] =
    N("\7", "options") N("\4", "head") N("\4", "post") N("\3", "put") N("\6", "delete")
    N("\5", "trace") N("\6", "accept") N("\16", "accept-charset") N("\17", "accept-encoding")
    N("\17", "accept-language") N("\15", "accept-ranges") N("\3", "age") N("\5", "allow")
    N("\15", "authorization") N("\15", "cache-control") N("\12", "connection")
    N("\14", "content-base") N("\20", "content-encoding") N("\20", "content-language")
    N("\16", "content-length") N("\20", "content-location") N("\13", "content-md5")
    N("\15", "content-range") N("\14", "content-type") N("\4", "date") N("\4", "etag")
    N("\6", "expect") N("\7", "expires") N("\4", "from") N("\4", "host") N("\10", "if-match")
    N("\21", "if-modified-since") N("\15", "if-none-match") N("\10", "if-range")
    N("\23", "if-unmodified-since") N("\15", "last-modified") N("\10", "location")
    N("\14", "max-forwards") N("\6", "pragma") N("\22", "proxy-authenticate")
    N("\23", "proxy-authorization") N("\5", "range") N("\7", "referer") N("\13", "retry-after")
    N("\6", "server") N("\2", "te") N("\7", "trailer") N("\21", "transfer-encoding")
    N("\7", "upgrade") N("\12", "user-agent") N("\4", "vary") N("\3", "via") N("\7", "warning")
    N("\20", "www-authenticate") N("\6", "method") N("\3", "get") N("\6", "status")
    N("\6", "200 OK") N("\7", "version") N("\10", "HTTP/1.1") N("\3", "url") N("\6", "public")
    N("\12", "set-cookie") N("\12", "keep-alive") N("\6", "origin")
    "1001012012022052063003023033043053063074024054064074084094104114124134144154164175025045"
    "05203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401"
    " Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 S"
    "ervice UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, We"
    "d, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xm"
    "l,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdc"
    "hcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";
/* clang-format on */
#undef N

/* Where the next byte belongs. */
enum place { IN_HEAD, IN_CONTROL, IN_DATA, IN_UNKNOWN };

struct kst_spdy {
    enum place place;
    unsigned char head[HEAD_BYTES];
    size_t head_len;
    size_t left; /* bytes of the frame that have not come yet */
    enum kst_spdy_type type;
    unsigned char flags;
    uint32_t stream; /* of a data frame */
    struct kst_buf control;
    z_stream inflater, deflater;
    struct kst_buf block;
    struct kst_spdy_header headers[KST_SPDY_MOST_HEADERS];
    struct kst_spdy_setting settings[KST_SPDY_MOST_SETTINGS];
};

struct kst_spdy *kst_spdy_new(void)
{
    struct kst_spdy *self = kst_calloc(1, sizeof(*self));
    kst_buf_init(&self->control, CONTROL_BYTES);
    kst_buf_init(&self->block, BLOCK_BYTES);
    if (inflateInit(&self->inflater) != Z_OK ||
        deflateInit2(&self->deflater, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK ||
        deflateSetDictionary(&self->deflater, (const Bytef *)dictionary, sizeof(dictionary) - 1) !=
            Z_OK)
        abort(); /* memory (base/mem.h) */
    return self;
}

void kst_spdy_free(struct kst_spdy *self)
{
    if (!self)
        return;
    inflateEnd(&self->inflater);
    deflateEnd(&self->deflater);
    kst_buf_release(&self->control);
    kst_buf_release(&self->block);
    free(self);
}

/* ---- Taking apart ---- */

static uint32_t get_u32(const char *at)
{
    const unsigned char *bytes = (const unsigned char *)at;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint32_t get_id(const char *at)
{
    return get_u32(at) & 0x7fffffffu;
}

static int broken(struct kst_err **err, const char *what)
{
    return kst_err_set(err, KST_E_PROTOCOL, "SPDY: the other end sent %s", what);
}

/* The compressed block that ends the control frame, into self->block. */
static int inflate_block(struct kst_spdy *self, const char *data, size_t len, struct kst_err **err)
{
    z_stream *z = &self->inflater;
    kst_buf_clear(&self->block);
    char *room = kst_buf_room(&self->block, BLOCK_BYTES);
    assert(room);
    /* zlib's type has no const; it does not write there. */
    z->next_in = (Bytef *)(uintptr_t)data;
    z->avail_in = (uInt)len;
    z->next_out = (Bytef *)room;
    z->avail_out = BLOCK_BYTES;
    int rc = Z_OK;
    while (z->avail_in > 0 && z->avail_out > 0 && rc == Z_OK) {
        rc = inflate(z, Z_SYNC_FLUSH);
        if (rc == Z_NEED_DICT)
            rc = inflateSetDictionary(z, (const Bytef *)dictionary, sizeof(dictionary) - 1);
    }
    if (rc == Z_MEM_ERROR)
        abort();
    bool is_whole = z->avail_in == 0 && z->avail_out > 0;
    kst_buf_wrote(&self->block, BLOCK_BYTES - z->avail_out);
    z->next_in = z->next_out = NULL;
    if (rc != Z_OK && rc != Z_BUF_ERROR)
        return broken(err, "headers that are not compressed as they should be");
    return is_whole ? 0 : broken(err, "headers of more than 64 KiB");
}

/* A length and as many bytes off the front of *rest. */
static bool take_text(struct kst_str *rest, struct kst_str *text)
{
    if (rest->len < 4)
        return false;
    uint32_t len = get_u32(rest->data);
    if (len > rest->len - 4)
        return false;
    *text = (struct kst_str){rest->data + 4, len};
    *rest = (struct kst_str){rest->data + 4 + len, rest->len - 4 - len};
    return true;
}

static int read_headers(struct kst_spdy *self, size_t skip, struct kst_spdy_frame *frame,
                        struct kst_err **err)
{
    int rc = inflate_block(self, self->control.data + skip, self->control.len - skip, err);
    if (rc < 0)
        return rc;
    struct kst_str rest = kst_str_buf(&self->block);
    if (rest.len < 4)
        return broken(err, "a block of headers that is cut short");
    uint32_t count = get_u32(rest.data);
    rest = (struct kst_str){rest.data + 4, rest.len - 4};
    if (count > KST_SPDY_MOST_HEADERS)
        return broken(err, "more than 128 headers");
    for (uint32_t i = 0; i < count; i++) {
        struct kst_spdy_header *header = &self->headers[i];
        if (!take_text(&rest, &header->name) || !take_text(&rest, &header->value))
            return broken(err, "a block of headers that is cut short");
        if (header->name.len == 0)
            return broken(err, "a header without a name");
    }
    if (rest.len > 0)
        return broken(err, "more in a block of headers than it counts");
    frame->headers = self->headers;
    frame->header_count = count;
    return 0;
}

static int read_settings(struct kst_spdy *self, struct kst_spdy_frame *frame, struct kst_err **err)
{
    const struct kst_buf *body = &self->control;
    if (body->len < 4 || (body->len - 4) % 8 != 0 || get_u32(body->data) != (body->len - 4) / 8)
        return broken(err, "SETTINGS of another length than they say");
    size_t count = (body->len - 4) / 8;
    if (count > KST_SPDY_MOST_SETTINGS)
        return broken(err, "more than 64 settings");
    for (size_t i = 0; i < count; i++) {
        const char *at = body->data + 4 + 8 * i;
        self->settings[i] = (struct kst_spdy_setting){
            .flags = (unsigned char)at[0], .id = get_u32(at) & 0xffffffu, .value = get_u32(at + 4)};
    }
    frame->settings = self->settings;
    frame->setting_count = count;
    return 0;
}

/* How long a control frame's own part is, which comes before its headers. */
static size_t fixed_bytes(enum kst_spdy_type type)
{
    static const unsigned char bytes[] = {
        [KST_SPDY_SYN_STREAM] = 10, [KST_SPDY_SYN_REPLY] = 4,    [KST_SPDY_RST_STREAM] = 8,
        [KST_SPDY_SETTINGS] = 4,    [KST_SPDY_PING] = 4,         [KST_SPDY_GOAWAY] = 8,
        [KST_SPDY_HEADERS] = 4,     [KST_SPDY_WINDOW_UPDATE] = 8};
    return bytes[type];
}

static int read_control(struct kst_spdy *self, struct kst_spdy_frame *frame, struct kst_err **err)
{
    const struct kst_buf *body = &self->control;
    size_t fixed = fixed_bytes(self->type);
    *frame = (struct kst_spdy_frame){.type = self->type, .flags = self->flags};
    if (body->len < fixed)
        return broken(err, "a control frame that is cut short");
    switch (self->type) {
    case KST_SPDY_SETTINGS:
        return read_settings(self, frame, err);
    case KST_SPDY_PING:
        frame->value = get_u32(body->data);
        return body->len == fixed ? 0 : broken(err, "a PING that is too long");
    case KST_SPDY_RST_STREAM:
    case KST_SPDY_GOAWAY:
    case KST_SPDY_WINDOW_UPDATE:
        frame->stream = get_id(body->data);
        frame->value = get_u32(body->data + 4);
        return body->len == fixed ? 0 : broken(err, "a control frame that is too long");
    default:
        frame->stream = get_id(body->data);
        return read_headers(self, fixed, frame, err);
    }
}

static bool is_known(unsigned type)
{
    return type >= KST_SPDY_SYN_STREAM && type <= KST_SPDY_WINDOW_UPDATE && type != 5;
}

/* All eight bytes of a frame's head are there. */
static int read_head(struct kst_spdy *self, struct kst_err **err)
{
    const char *head = (const char *)self->head;
    self->head_len = 0;
    self->flags = self->head[4];
    self->left = get_u32(head + 4) & 0xffffffu;
    if (!(self->head[0] & 0x80)) {
        self->place = IN_DATA;
        self->type = KST_SPDY_DATA;
        self->stream = get_id(head);
        return 0;
    }
    unsigned version = get_id(head) >> 16, type = get_u32(head) & 0xffffu;
    if (version != VERSION)
        return kst_err_set(err, KST_E_PROTOCOL,
                           "SPDY: expected frames of version 3, found version %u", version);
    if (!is_known(type)) {
        self->place = IN_UNKNOWN;
        return 0;
    }
    if (self->left > CONTROL_BYTES)
        return broken(err, "a control frame of more than 64 KiB");
    self->place = IN_CONTROL;
    self->type = (enum kst_spdy_type)type;
    kst_buf_clear(&self->control);
    return 0;
}

static struct kst_str take_bytes(const char **data, size_t *len, size_t most)
{
    struct kst_str taken = {*data, *len < most ? *len : most};
    *data += taken.len;
    *len -= taken.len;
    return taken;
}

static void read_data(struct kst_spdy *self, struct kst_str piece, struct kst_spdy_frame *frame)
{
    *frame = (struct kst_spdy_frame){.type = KST_SPDY_DATA,
                                     .flags = self->left ? 0 : self->flags,
                                     .stream = self->stream,
                                     .data = piece};
}

int kst_spdy_next(struct kst_spdy *self, const char **data, size_t *len,
                  struct kst_spdy_frame *frame, struct kst_err **err)
{
    for (;;) {
        if (self->place == IN_HEAD) {
            struct kst_str part = take_bytes(data, len, HEAD_BYTES - self->head_len);
            memcpy(self->head + self->head_len, part.data, part.len);
            self->head_len += part.len;
            if (self->head_len < HEAD_BYTES)
                return 0;
            int rc = read_head(self, err);
            if (rc < 0)
                return rc;
        }
        if (*len == 0 && self->left > 0)
            return 0;
        struct kst_str piece = take_bytes(data, len, self->left);
        self->left -= piece.len;
        enum place place = self->place;
        if (self->left == 0)
            self->place = IN_HEAD;
        if (place == IN_DATA) {
            read_data(self, piece, frame);
            return 1;
        }
        if (place == IN_CONTROL)
            kst_buf_add(&self->control, piece.data, piece.len);
        if (place == IN_CONTROL && self->left == 0) {
            int rc = read_control(self, frame, err);
            return rc < 0 ? rc : 1;
        }
    }
}

bool kst_spdy_header(const struct kst_spdy_frame *frame, const char *name, struct kst_str *value)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < frame->header_count; i++) {
        const struct kst_spdy_header *header = &frame->headers[i];
        if (header->name.len != len || strncasecmp(header->name.data, name, len) != 0)
            continue;
        *value = header->value;
        return true;
    }
    return false;
}

/* ---- Putting together ---- */

static void put_u32(struct kst_buf *out, uint32_t value)
{
    const unsigned char bytes[] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
                                   (unsigned char)(value >> 8), (unsigned char)value};
    kst_buf_add(out, bytes, sizeof(bytes));
}

static void put_control_head(struct kst_buf *out, enum kst_spdy_type type, unsigned flags,
                             size_t len)
{
    assert(len < LENGTH_LIMIT && flags < 256);
    put_u32(out, 0x80000000u | VERSION << 16 | (uint32_t)type);
    put_u32(out, (uint32_t)flags << 24 | (uint32_t)len);
}

void kst_spdy_put_data(struct kst_buf *out, uint32_t stream, unsigned flags, const void *data,
                       size_t len)
{
    assert(len < LENGTH_LIMIT && flags < 256 && !(stream >> 31));
    put_u32(out, stream);
    put_u32(out, (uint32_t)flags << 24 | (uint32_t)len);
    kst_buf_add(out, len ? data : "", len);
}

/* Appends what has to be sent for `plain` to be read by the peer at once. */
static void deflate_block(struct kst_spdy *self, const struct kst_buf *plain, struct kst_buf *out)
{
    z_stream *z = &self->deflater;
    z->next_in = (Bytef *)plain->data;
    z->avail_in = (uInt)plain->len;
    do {
        char part[1024];
        z->next_out = (Bytef *)part;
        z->avail_out = sizeof(part);
        int rc = deflate(z, Z_SYNC_FLUSH);
        assert(rc == Z_OK || rc == Z_BUF_ERROR);
        (void)rc;
        kst_buf_add(out, part, sizeof(part) - z->avail_out);
    } while (z->avail_out == 0);
    z->next_in = z->next_out = NULL;
}

void kst_spdy_put_headers(struct kst_spdy *self, struct kst_buf *out, enum kst_spdy_type type,
                          unsigned flags, uint32_t stream, const struct kst_spdy_header *headers,
                          size_t count)
{
    assert(type == KST_SPDY_SYN_STREAM || type == KST_SPDY_SYN_REPLY || type == KST_SPDY_HEADERS);
    kst_auto_buf plain = KST_BUF_INIT(BLOCK_BYTES), packed = KST_BUF_INIT(2 * BLOCK_BYTES);
    put_u32(&plain, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        put_u32(&plain, (uint32_t)headers[i].name.len);
        kst_buf_add(&plain, headers[i].name.data, headers[i].name.len);
        put_u32(&plain, (uint32_t)headers[i].value.len);
        kst_buf_add(&plain, headers[i].value.data, headers[i].value.len);
    }
    assert(!plain.overflown);
    deflate_block(self, &plain, &packed);
    size_t fixed = fixed_bytes(type);
    put_control_head(out, type, flags, fixed + packed.len);
    put_u32(out, stream);
    kst_buf_add(out, "\0\0\0\0\0\0", fixed - 4); /* no associated stream, priority 0 */
    kst_buf_add(out, packed.data, packed.len);
}

void kst_spdy_put_control(struct kst_buf *out, enum kst_spdy_type type, uint32_t stream,
                          uint32_t value)
{
    size_t len = fixed_bytes(type);
    put_control_head(out, type, 0, len);
    put_u32(out, stream);
    if (len == 8)
        put_u32(out, value);
}

void kst_spdy_put_setting(struct kst_buf *out, uint32_t id, uint32_t value)
{
    put_control_head(out, KST_SPDY_SETTINGS, 0, 12);
    put_u32(out, 1);
    put_u32(out, id & 0xffffffu);
    put_u32(out, value);
}
