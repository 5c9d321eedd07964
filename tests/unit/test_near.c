/* SPDX-License-Identifier: Apache-2.0 */
#include "base/near.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void distances(void **state)
{
    static const struct {
        const char *a, *b;
        size_t distance;
    } table[] = {
        {"", "", 0},
        {"", "abc", 3},
        {"abc", "abc", 0},
        {"abc", "acb", 1},
        {"kitten", "sitting", 3},
        {"pre_hook", "prehook", 1},
        {"ab", "ba", 1},
        {"a", "b", 1},
        {"ca", "abc", 3},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        assert_int_equal(kst_near_distance(table[i].a, table[i].b), table[i].distance);
        assert_int_equal(kst_near_distance(table[i].b, table[i].a), table[i].distance);
    }
    char longest[101] = {0}, other[101] = {0}, fits[64] = {0};
    memset(longest, 'a', 100);
    memset(other, 'b', 100);
    memset(fits, 'a', 63);
    assert_int_equal(kst_near_distance(longest, longest), 0);
    assert_true(kst_near_distance(longest, other) >= 63);
    assert_int_equal(kst_near_distance(fits, ""), 63);
}

static void what_was_meant(void **state)
{
    static const char *const names[] = {"pre_hook", "post_hook", "snapshot", "verify", NULL};
    static const char *const none[] = {NULL};
    assert_string_equal(kst_near_name("prehook", names), "pre_hook");
    assert_string_equal(kst_near_name("verfiy", names), "verify");
    assert_string_equal(kst_near_name("snapshots", names), "snapshot");
    assert_null(kst_near_name("zzz", names));
    assert_null(kst_near_name("", names));
    assert_null(kst_near_name("verify", none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances),
        cmocka_unit_test(what_was_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
