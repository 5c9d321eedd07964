/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

static void it_grows_up_to_its_cap(void **state)
{
    kst_auto_buf buf = KST_BUF_INIT(1000);
    assert_string_equal(buf.data, "");
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(kst_buf_addc(&buf, (char)('a' + i % 26)), 0);
        assert_int_equal(strlen(buf.data), i + 1);
    }
    assert_false(buf.overflown);
    assert_int_equal(kst_buf_addc(&buf, 'x'), KST_E_LIMIT);
    assert_int_equal(buf.len, 1000);
    assert_true(buf.overflown);
    assert_int_equal(kst_buf_add(&buf, "", 0), KST_E_LIMIT); /* it stays so */
    kst_buf_clear(&buf);
    assert_int_equal(kst_buf_adds(&buf, "again"), 0);
    assert_string_equal(buf.data, "again");
}

static void an_append_is_whole_or_not_at_all(void **state)
{
    kst_auto_buf buf = KST_BUF_INIT(8);
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_buf_adds(&buf, "12345"), 0);
    assert_int_equal(kst_buf_check(&buf, "it", &err), 0);
    assert_int_equal(kst_buf_adds(&buf, "6789"), KST_E_LIMIT);
    assert_string_equal(buf.data, "12345");
    assert_int_equal(kst_buf_adds(&buf, "6"), KST_E_LIMIT); /* or there would be a gap */
    assert_int_equal(kst_buf_check(&buf, "the answer", &err), KST_E_LIMIT);
    assert_string_equal(kst_err_message(err),
                        "the answer is larger than the 8 bytes that are allowed");
    kst_buf_clear(&buf);
    assert_int_equal(kst_buf_adds(&buf, "12345678"), 0);
    assert_int_equal(kst_buf_add(&buf, "x", SIZE_MAX), KST_E_LIMIT);
    kst_auto_buf none = KST_BUF_INIT(0);
    assert_int_equal(kst_buf_adds(&none, ""), 0);
    assert_int_equal(kst_buf_addc(&none, 'x'), KST_E_LIMIT);
}

static void formats_of_any_length(void **state)
{
    kst_auto_free char *text = kst_calloc(1, 5001);
    for (size_t len = 0; len <= 5000; len += len < 250 || len > 260 ? 50 : 1) {
        memset(text, 'y', len);
        kst_auto_buf buf = KST_BUF_INIT(5000);
        assert_int_equal(kst_buf_addf(&buf, "%s", text), 0);
        assert_string_equal(buf.data, text);
        kst_auto_buf small = KST_BUF_INIT(len ? len - 1 : 0);
        assert_int_equal(kst_buf_addf(&small, "%s", text), len ? KST_E_LIMIT : 0);
        assert_int_equal(small.len, 0);
    }
}

static void bytes_may_be_nul(void **state)
{
    kst_auto_buf buf = KST_BUF_INIT(100);
    kst_buf_add(&buf, "a\0b", 3);
    assert_int_equal(buf.len, 3);
    assert_memory_equal(buf.data, "a\0b", 4);
    kst_buf_drop(&buf, 2);
    assert_string_equal(buf.data, "b");
    kst_buf_drop(&buf, 100);
    assert_int_equal(buf.len, 0);
    kst_buf_drop(&buf, 1);
    assert_string_equal(buf.data, "");
}

static void truncating(void **state)
{
    kst_auto_buf buf = KST_BUF_INIT(100);
    kst_buf_truncate(&buf, 0);
    kst_buf_adds(&buf, "abc");
    kst_buf_truncate(&buf, 5);
    assert_string_equal(buf.data, "abc");
    kst_buf_truncate(&buf, 1);
    assert_string_equal(buf.data, "a");
}

static void room_to_write(void **state)
{
    kst_auto_buf buf = KST_BUF_INIT(10);
    char *room = kst_buf_room(&buf, 10);
    assert_non_null(room);
    memcpy(room, "0123456789", 10);
    kst_buf_wrote(&buf, 4);
    assert_string_equal(buf.data, "0123");
    assert_null(kst_buf_room(&buf, 7));
    assert_true(buf.overflown);
}

static void taking(void **state)
{
    kst_auto_buf buf = KST_BUF_INIT(10);
    kst_auto_free char *nothing = kst_buf_take(&buf);
    assert_string_equal(nothing, "");
    kst_buf_adds(&buf, "abc");
    kst_auto_free char *text = kst_buf_take(&buf);
    assert_string_equal(text, "abc");
    assert_string_equal(buf.data, "");
    assert_int_equal(buf.cap_bytes, 10);
    kst_buf_adds(&buf, "def");
    assert_string_equal(text, "abc");
}

static void files(void **state)
{
    char path[] = "/tmp/kst-buf-XXXXXX";
    int fd = mkstemp(path);
    kst_auto_free char *data = kst_calloc(1, 50000);
    memset(data, 'z', 50000);
    assert_int_equal(write(fd, data, 50000), 50000);
    close(fd);
    kst_auto_buf fits = KST_BUF_INIT(50000), small = KST_BUF_INIT(49999);
    assert_int_equal(kst_buf_read_file(&fits, path, NULL), 0);
    assert_int_equal(fits.len, 50000);
    assert_int_equal(kst_buf_read_file(&small, path, NULL), KST_E_LIMIT);
    assert_int_equal(unlink(path), 0);
    kst_auto_err struct kst_err *err = NULL;
    kst_buf_clear(&fits);
    assert_int_equal(kst_buf_read_file(&fits, path, &err), KST_E_NOT_FOUND);
    assert_non_null(strstr(kst_err_message(err), path));
    assert_int_equal(kst_buf_read_file(&fits, "/dev/null/x", NULL), KST_E_NOT_FOUND);
    assert_int_equal(kst_buf_read_file(&fits, "/tmp", NULL), KST_E_IO);
    kst_auto_buf endless = KST_BUF_INIT(100000);
    assert_int_equal(kst_buf_read_file(&endless, "/dev/zero", NULL), KST_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows_up_to_its_cap),
        cmocka_unit_test(an_append_is_whole_or_not_at_all),
        cmocka_unit_test(formats_of_any_length),
        cmocka_unit_test(bytes_may_be_nul),
        cmocka_unit_test(truncating),
        cmocka_unit_test(room_to_write),
        cmocka_unit_test(taking),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
