/* SPDX-License-Identifier: Apache-2.0 */
/* Zstandard: what is written is read, by others too, and what is damaged is told. */
#include "base/zstd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

enum { CAP = 4 << 20 };

/* Bytes that hardly compress. */
static void fill(char *data, size_t len)
{
    uint32_t state = 1;
    for (size_t i = 0; i < len; i++) {
        state = state * 1664525 + 1013904223;
        data[i] = (char)(state >> 24);
    }
}

static void test_there_and_back(void **state)
{
    static const size_t sizes[] = {0, 1, 1000, 128 * 1024, 1000 * 1000};
    kst_auto_free char *data = kst_malloc(1000 * 1000);
    fill(data, 1000 * 1000);
    kst_auto_buf all = KST_BUF_INIT(CAP), expected = KST_BUF_INIT(CAP);
    for (size_t i = 0; i < KST_ARRAY_LEN(sizes); i++) {
        kst_auto_buf frame = KST_BUF_INIT(CAP), back = KST_BUF_INIT(sizes[i]);
        assert_int_equal(kst_zstd_compress(&frame, data, sizes[i], NULL), 0);
        assert_int_equal(kst_zstd_decompress(&back, frame.data, frame.len, NULL), 0);
        assert_int_equal(back.len, sizes[i]);
        assert_memory_equal(back.data, data, sizes[i]);
        kst_buf_add(&all, frame.data, frame.len);
        kst_buf_add(&expected, data, sizes[i]);
    }
    kst_auto_buf back = KST_BUF_INIT(CAP); /* frames one after the other are one text */
    assert_int_equal(kst_zstd_decompress(&back, all.data, all.len, NULL), 0);
    assert_int_equal(back.len, expected.len);
    assert_memory_equal(back.data, expected.data, back.len);
}

static void test_content_beyond_the_cap(void **state)
{
    enum { ZEROS = 3 << 20 };
    kst_auto_free char *zeros = kst_calloc(1, ZEROS);
    kst_auto_buf frame = KST_BUF_INIT(CAP);
    assert_int_equal(kst_zstd_compress(&frame, zeros, ZEROS, NULL), 0);
    assert_true(frame.len < 1000);
    static const size_t caps[] = {0, 1, 1000, 128 * 1024, ZEROS - 1};
    for (size_t i = 0; i < KST_ARRAY_LEN(caps); i++) {
        kst_auto_err struct kst_err *err = NULL;
        kst_auto_buf back = KST_BUF_INIT(caps[i]);
        assert_int_equal(kst_zstd_decompress(&back, frame.data, frame.len, &err), KST_E_LIMIT);
        assert_non_null(strstr(kst_err_message(err), "larger than"));
        assert_true(back.size <= caps[i] + 64);
    }
    kst_auto_buf small = KST_BUF_INIT(10);
    assert_int_equal(kst_zstd_compress(&small, zeros, ZEROS, NULL), KST_E_LIMIT);
}

static void test_damage_is_told(void **state)
{
    static const char text[] = "a text that is long enough: a text that is long enough to be short";
    kst_auto_buf frame = KST_BUF_INIT(CAP);
    assert_int_equal(kst_zstd_compress(&frame, text, sizeof(text), NULL), 0);
    for (size_t len = 0; len < frame.len; len++) {
        kst_auto_err struct kst_err *err = NULL;
        kst_auto_buf back = KST_BUF_INIT(CAP);
        kst_auto_free char *exact = kst_strndup(frame.data, len);
        assert_int_equal(kst_zstd_decompress(&back, exact, len, &err), KST_E_PARSE);
    }
    for (size_t at = 0; at < frame.len; at++) {
        kst_auto_free char *wrong = kst_strndup(frame.data, frame.len);
        wrong[at] ^= 0x10;
        kst_auto_buf back = KST_BUF_INIT(CAP);
        int rc = kst_zstd_decompress(&back, wrong, frame.len, NULL);
        /* A bit of the header is unused: whatever it says, the content is right. */
        if (rc == 0)
            assert_memory_equal(back.data, text, sizeof(text));
        else
            assert_true(rc == KST_E_PARSE || rc == KST_E_LIMIT);
    }
    kst_auto_buf back = KST_BUF_INIT(CAP);
    kst_buf_adds(&frame, "and more");
    assert_int_equal(kst_zstd_decompress(&back, frame.data, frame.len, NULL), KST_E_PARSE);
}

/* A header that asks for a window of 512 GiB. */
static void test_absurd_windows_are_refused(void **state)
{
    static const char frame[] = "\x28\xb5\x2f\xfd\x00\xe8\x01\x00\x00";
    kst_auto_err struct kst_err *err = NULL;
    kst_auto_buf back = KST_BUF_INIT(CAP);
    assert_int_equal(kst_zstd_decompress(&back, frame, sizeof(frame) - 1, &err), KST_E_PARSE);
    assert_non_null(strstr(kst_err_message(err), "memory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_content_beyond_the_cap),
        cmocka_unit_test(test_damage_is_told),
        cmocka_unit_test(test_absurd_windows_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
