/* SPDX-License-Identifier: Apache-2.0 */
/* Digests against the examples of FIPS 180-4 and RFC 2202. */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static void test_sha256(void **state)
{
    static const struct {
        const char *text, *digest;
    } rows[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned char digest[KST_SHA256_BYTES];
        kst_auto_buf hex = KST_BUF_INIT(100);
        kst_hash_sha256(rows[i].text, strlen(rows[i].text), digest);
        assert_int_equal(kst_hash_hex(&hex, digest, sizeof(digest)), 0);
        assert_string_equal(hex.data, rows[i].digest);
        char digits[KST_SHA256_DIGITS + 1];
        kst_hash_sha256_hex(rows[i].text, strlen(rows[i].text), digits);
        assert_string_equal(digits, rows[i].digest);
    }
}

static void test_sha256_piece_by_piece(void **state)
{
    struct kst_sha256 *sum = kst_sha256_new();
    char digits[KST_SHA256_DIGITS + 1];
    kst_sha256_add(sum, "a", 1);
    kst_sha256_add(sum, "", 0);
    kst_sha256_add(sum, "bc", 2);
    kst_sha256_hex(sum, digits);
    kst_sha256_free(sum);
    assert_string_equal(digits, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_hmac_sha1(void **state)
{
    unsigned char digest[KST_SHA1_BYTES];
    kst_auto_buf hex = KST_BUF_INIT(100);
    kst_hash_hmac_sha1("Jefe", 4, "what do ya want for nothing?", 28, digest);
    assert_int_equal(kst_hash_hex(&hex, digest, sizeof(digest)), 0);
    assert_string_equal(hex.data, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

static void test_hex_stops_at_the_cap(void **state)
{
    kst_auto_buf hex = KST_BUF_INIT(3);
    assert_true(kst_hash_hex(&hex, "\x01\x02", 2) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_sha256_piece_by_piece),
        cmocka_unit_test(test_hmac_sha1),
        cmocka_unit_test(test_hex_stops_at_the_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
