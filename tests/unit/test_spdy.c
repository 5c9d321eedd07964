/* SPDX-License-Identifier: Apache-2.0 */
/* SPDY/3.1 frames, there and back, in pieces, and broken ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "sandbox/server/spdy.h"

enum { CAP = 32 * 1024 * 1024 };

#define STR(text)              \
    {                          \
        text, sizeof(text) - 1 \
    }

/* A SYN_STREAM as kubectl 1.20.2 sends it (Go's compress/zlib): stream 1, streamtype: error. */
static const unsigned char kubectl_error_stream[] = {
    0x80, 0x03, 0x00, 0x01, 0x00, 0x00, 0x00, 0x29, 0x00, 0x00, 0x00, 0x01, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x78, 0xf9, 0xe3, 0xc6, 0xa7, 0xc2, 0x62, 0x60,
    0x60, 0x60, 0x04, 0xa7, 0xb3, 0x92, 0xa2, 0xd4, 0xc4, 0x5c, 0x68, 0x51, 0xc2,
    0x9a, 0x0a, 0x0a, 0x68, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff,
};

static const struct kst_spdy_header some_headers[] = {
    {STR("streamtype"), STR("stdin")},
    {STR("x-empty"), STR("")},
    {STR("x-long"), STR("0123456789012345678901234567890123456789")},
};

/* Gives `bytes` to a reader in pieces and describes what comes out, one frame a line. */
static int read_all(const char *bytes, size_t len, size_t piece, struct kst_buf *text,
                    struct kst_err **err)
{
    struct kst_spdy *spdy = kst_spdy_new();
    int rc = 0;
    while (len > 0 && rc >= 0) {
        size_t part = len < piece ? len : piece;
        /* A block of exactly that size: reading beyond it is seen. */
        kst_auto_free char *copy = kst_malloc(part);
        memcpy(copy, bytes, part);
        const char *at = copy;
        size_t left = part;
        struct kst_spdy_frame frame;
        while ((rc = kst_spdy_next(spdy, &at, &left, &frame, err)) > 0) {
            if (frame.type == KST_SPDY_DATA && piece != SIZE_MAX) {
                kst_buf_add(text, frame.data.data, frame.data.len); /* pieces are joined */
                if (frame.flags)
                    kst_buf_adds(text, "|");
                continue;
            }
            kst_buf_addf(text, "%d flags=%u stream=%u value=%u [%.*s]", (int)frame.type,
                         frame.flags, frame.stream, frame.value, (int)frame.data.len,
                         frame.data.len ? frame.data.data : "");
            for (size_t i = 0; i < frame.header_count; i++)
                kst_buf_addf(text, " %.*s:%.*s", (int)frame.headers[i].name.len,
                             frame.headers[i].name.data, (int)frame.headers[i].value.len,
                             frame.headers[i].value.data);
            for (size_t i = 0; i < frame.setting_count; i++)
                kst_buf_addf(text, " %u=%u", frame.settings[i].id, frame.settings[i].value);
            kst_buf_adds(text, "\n");
        }
        assert_true(rc < 0 || left == 0);
        bytes += part;
        len -= part;
    }
    kst_spdy_free(spdy);
    return rc;
}

static void put_some(struct kst_buf *out)
{
    struct kst_spdy *spdy = kst_spdy_new();
    for (uint32_t stream = 1; stream < 6; stream += 2)
        kst_spdy_put_headers(spdy, out, KST_SPDY_SYN_STREAM, 0, stream, some_headers,
                             stream == 5 ? 0 : 3);
    kst_spdy_put_headers(spdy, out, KST_SPDY_SYN_REPLY, KST_SPDY_FIN, 7, some_headers, 1);
    kst_spdy_put_headers(spdy, out, KST_SPDY_HEADERS, 0, 9, some_headers + 1, 1);
    kst_spdy_put_data(out, 1, 0, "hello", 5);
    kst_spdy_put_data(out, 1, KST_SPDY_FIN, "", 0);
    kst_spdy_put_control(out, KST_SPDY_RST_STREAM, 3, KST_SPDY_CANCEL);
    kst_spdy_put_control(out, KST_SPDY_PING, 11, 0);
    kst_spdy_put_control(out, KST_SPDY_GOAWAY, 5, 1);
    kst_spdy_put_control(out, KST_SPDY_WINDOW_UPDATE, 0, 65536);
    kst_spdy_put_setting(out, KST_SPDY_INITIAL_WINDOW_SIZE, 1000);
    kst_buf_add(out, "\x80\x03\x00\x0a\x00\x00\x00\x03zzz", 11); /* CREDENTIAL, which nobody has */
    kst_buf_add(out, "\x80\x03\x00\x05\x00\x00\x00\x00", 8);     /* NOOP */
    kst_spdy_put_data(out, 1, KST_SPDY_FIN, "end", 3);
    kst_spdy_free(spdy);
}

#define LONG "0123456789012345678901234567890123456789"

static void test_there_and_back(void **state)
{
    kst_auto_buf bytes = KST_BUF_INIT(CAP), text = KST_BUF_INIT(CAP);
    put_some(&bytes);
    assert_int_equal(read_all(bytes.data, bytes.len, SIZE_MAX, &text, NULL), 0);
    assert_string_equal(text.data,
                        "1 flags=0 stream=1 value=0 [] streamtype:stdin x-empty: x-long:" LONG
                        "\n1 flags=0 stream=3 value=0 [] streamtype:stdin x-empty: x-long:" LONG
                        "\n1 flags=0 stream=5 value=0 []\n"
                        "2 flags=1 stream=7 value=0 [] streamtype:stdin\n"
                        "8 flags=0 stream=9 value=0 [] x-empty:\n"
                        "0 flags=0 stream=1 value=0 [hello]\n"
                        "0 flags=1 stream=1 value=0 []\n"
                        "3 flags=0 stream=3 value=5 []\n"
                        "6 flags=0 stream=0 value=11 []\n"
                        "7 flags=0 stream=5 value=1 []\n"
                        "9 flags=0 stream=0 value=65536 []\n"
                        "4 flags=0 stream=0 value=0 [] 7=1000\n"
                        "0 flags=1 stream=1 value=0 [end]\n");
}

/* However the bytes are cut, the same comes out. */
static void test_pieces(void **state)
{
    kst_auto_buf bytes = KST_BUF_INIT(CAP), whole = KST_BUF_INIT(CAP);
    put_some(&bytes);
    assert_int_equal(read_all(bytes.data, bytes.len, bytes.len, &whole, NULL), 0);
    for (size_t piece = 1; piece < 40; piece++) {
        kst_auto_buf text = KST_BUF_INIT(CAP);
        assert_int_equal(read_all(bytes.data, bytes.len, piece, &text, NULL), 0);
        assert_string_equal(text.data, whole.data);
    }
}

/* What a real kubectl sent. */
static void test_kubectl(void **state)
{
    kst_auto_buf text = KST_BUF_INIT(CAP);
    assert_int_equal(read_all((const char *)kubectl_error_stream, sizeof(kubectl_error_stream),
                              SIZE_MAX, &text, NULL),
                     0);
    assert_string_equal(text.data, "1 flags=0 stream=1 value=0 [] streamtype:error\n");
}

/* The first block names its dictionary by its Adler-32, which the specification's has. */
static void test_dictionary(void **state)
{
    kst_auto_buf bytes = KST_BUF_INIT(CAP);
    struct kst_spdy *spdy = kst_spdy_new();
    kst_spdy_put_headers(spdy, &bytes, KST_SPDY_SYN_REPLY, 0, 1, NULL, 0);
    assert_true(bytes.len > 18);
    assert_memory_equal(bytes.data + 14, "\xe3\xc6\xa7\xc2", 4);
    kst_spdy_free(spdy);
}

static void test_header(void **state)
{
    const struct kst_spdy_frame frame = {.headers = some_headers, .header_count = 3};
    struct kst_str value = STR("as it was");
    assert_false(kst_spdy_header(&frame, "streamtyp", &value));
    assert_string_equal(value.data, "as it was");
    assert_true(kst_spdy_header(&frame, "StreamType", &value));
    assert_true(kst_str_eq(value, "stdin"));
    assert_true(kst_spdy_header(&frame, "x-empty", &value));
    assert_int_equal(value.len, 0);
}

/* The longest data frame there is, of which only the head is held. */
static void test_large_data(void **state)
{
    enum { LEN = (1 << 24) - 1 };
    kst_auto_buf bytes = KST_BUF_INIT(CAP);
    kst_auto_free char *data = kst_calloc(1, LEN);
    kst_spdy_put_data(&bytes, 1, KST_SPDY_FIN, data, LEN);
    struct kst_spdy *spdy = kst_spdy_new();
    size_t total = 0, left = bytes.len;
    unsigned ends = 0;
    for (const char *at = bytes.data; left > 0;) {
        size_t part = left < 100000 ? left : 100000;
        left -= part;
        struct kst_spdy_frame frame;
        while (kst_spdy_next(spdy, &at, &part, &frame, NULL) > 0) {
            total += frame.data.len;
            ends += frame.flags;
        }
    }
    assert_int_equal(total, LEN);
    assert_int_equal(ends, 1);
    kst_spdy_free(spdy);
}

struct broken_case {
    const char *label;
    const char *bytes;
    size_t len;
    const char *message; /* a part of it */
};

#define BROKEN(label_, bytes_, message_)                                                 \
    {                                                                                    \
        .label = label_, .bytes = bytes_, .len = sizeof(bytes_) - 1, .message = message_ \
    }

static const struct broken_case broken_cases[] = {
    BROKEN("version 2", "\x80\x02\x00\x01\x00\x00\x00\x0a", "found version 2"),
    BROKEN("version 4", "\x80\x04\x00\x06\x00\x00\x00\x04", "found version 4"),
    BROKEN("TLS", "\x80\x16\x03\x01\x02\x00\x01\x00", "found version 22"),
    BROKEN("a control frame that is too large", "\x80\x03\x00\x01\x00\x01\x00\x01", "64 KiB"),
    BROKEN("a PING of nothing", "\x80\x03\x00\x06\x00\x00\x00\x00", "cut short"),
    BROKEN("a long PING",
           "\x80\x03\x00\x06\x00\x00\x00\x05"
           "12345",
           "too long"),
    BROKEN("a short RST_STREAM",
           "\x80\x03\x00\x03\x00\x00\x00\x04"
           "1234",
           "cut short"),
    BROKEN("a long GOAWAY",
           "\x80\x03\x00\x07\x00\x00\x00\x09"
           "123456789",
           "too long"),
    BROKEN("a short SYN_STREAM",
           "\x80\x03\x00\x01\x00\x00\x00\x04"
           "1234",
           "cut short"),
    BROKEN("SYN_STREAM without headers",
           "\x80\x03\x00\x01\x00\x00\x00\x0a"
           "\0\0\0\1\0\0\0\0\0\0",
           "cut short"),
    BROKEN("headers as they are",
           "\x80\x03\x00\x02\x00\x00\x00\x08"
           "\0\0\0\1\0\0\0\0",
           "not compressed"),
    BROKEN("another dictionary",
           "\x80\x03\x00\x02\x00\x00\x00\x0a"
           "\0\0\0\1\x78\xbb\1\2\3\4",
           "not compressed"),
    BROKEN("SETTINGS that count wrong",
           "\x80\x03\x00\x04\x00\x00\x00\x0c"
           "\0\0\0\2"
           "12345678",
           "another length"),
    BROKEN("SETTINGS of half an entry",
           "\x80\x03\x00\x04\x00\x00\x00\x08"
           "\0\0\0\1"
           "1234",
           "another length"),
    BROKEN("SETTINGS that count far too much",
           "\x80\x03\x00\x04\x00\x00\x00\x0c"
           "\x20\0\0\1"
           "12345678",
           "another length"),
};

static void test_broken(void **state)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(broken_cases); i++) {
        const struct broken_case *c = &broken_cases[i];
        for (size_t piece = 1; piece <= c->len; piece += c->len - 1) {
            kst_auto_buf text = KST_BUF_INIT(CAP);
            kst_auto_err struct kst_err *err = NULL;
            int rc = read_all(c->bytes, c->len, piece, &text, &err);
            if (rc != KST_E_PROTOCOL || !strstr(kst_err_message(err), c->message))
                fail_msg("%s: %d, %s", c->label, rc, kst_err_message(err));
        }
    }
}

/* Header blocks that do not say what they are. */
static void test_broken_blocks(void **state)
{
    kst_auto_buf large = KST_BUF_INIT(CAP);
    for (size_t i = 0; i < 60000; i++)
        kst_buf_addc(&large, 'a');
    struct kst_spdy_header headers[129], empty = {STR(""), STR("x")};
    struct kst_spdy_header huge[2] = {{STR("a"), {large.data, 60000}}, {STR("b"), STR("c")}};
    for (size_t i = 0; i < 129; i++)
        headers[i] = some_headers[0];
    const struct {
        const char *message;
        const struct kst_spdy_header *headers;
        size_t count;
    } cases[] = {{"more than 128", headers, 129}, {"without a name", &empty, 1}, {NULL, huge, 2}};
    for (size_t i = 0; i < KST_ARRAY_LEN(cases); i++) {
        kst_auto_buf bytes = KST_BUF_INIT(CAP), text = KST_BUF_INIT(CAP);
        kst_auto_err struct kst_err *err = NULL;
        struct kst_spdy *spdy = kst_spdy_new();
        kst_spdy_put_headers(spdy, &bytes, KST_SPDY_SYN_STREAM, 0, 1, cases[i].headers,
                             cases[i].count);
        kst_spdy_free(spdy);
        int rc = read_all(bytes.data, bytes.len, SIZE_MAX, &text, &err);
        if (cases[i].message) {
            assert_int_equal(rc, KST_E_PROTOCOL);
            assert_non_null(strstr(kst_err_message(err), cases[i].message));
        } else {
            assert_int_equal(rc, 0);
        }
    }
}

/* A few hundred bytes that unpack to more than is allowed. */
static void test_bomb(void **state)
{
    kst_auto_buf large = KST_BUF_INIT(CAP), bytes = KST_BUF_INIT(CAP), text = KST_BUF_INIT(CAP);
    kst_auto_err struct kst_err *err = NULL;
    char *room = kst_buf_room(&large, 65524);
    memset(room, 'a', 65524);
    kst_buf_wrote(&large, 65524);
    const struct kst_spdy_header header = {{"", 0}, {large.data, large.len}};
    struct kst_spdy *spdy = kst_spdy_new();
    kst_spdy_put_headers(spdy, &bytes, KST_SPDY_SYN_STREAM, 0, 1, &header, 1);
    kst_spdy_free(spdy);
    assert_true(bytes.len < 4096);
    assert_int_equal(read_all(bytes.data, bytes.len, SIZE_MAX, &text, &err), KST_E_PROTOCOL);
    assert_non_null(strstr(kst_err_message(err), "more than 64 KiB"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_kubectl),        cmocka_unit_test(test_dictionary),
        cmocka_unit_test(test_header),         cmocka_unit_test(test_large_data),
        cmocka_unit_test(test_broken),         cmocka_unit_test(test_broken_blocks),
        cmocka_unit_test(test_bomb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
