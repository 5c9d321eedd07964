/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/mem.h"

static void clocks_go_on(void **state)
{
    int64_t us = kst_now_us(), ms = kst_now_ms(), wall = kst_wall_ms();
    assert_true(ms >= us / 1000);
    assert_true(kst_now_us() >= us);
    assert_true(wall > 1700000000000);
    assert_true(kst_wall_us() / 1000 >= wall - 1000);
}

/* A wait is no work, however long; what computes is, by itself. */
static void work_is_of_the_processor(void **state)
{
    enum { LIMIT_MS = 20 };
    const struct timespec wait = {.tv_nsec = 2L * LIMIT_MS * 1000 * 1000};
    struct kst_work since = kst_work_now();
    nanosleep(&wait, NULL);
    assert_false(kst_work_exceeds(&since, LIMIT_MS));
    int64_t deadline_ms = kst_deadline_in_ms(60000);
    while (!kst_work_exceeds(&since, LIMIT_MS) && kst_now_ms() < deadline_ms) {
    }
    assert_true(kst_work_exceeds(&since, LIMIT_MS));
}

static void deadlines_do_not_overflow(void **state)
{
    assert_true(kst_deadline_in_ms(INT64_MAX) == KST_NEVER);
    assert_true(kst_deadline_in_ms(INT64_MAX - 1) == KST_NEVER);
    assert_true(kst_deadline_in_ms(1000) >= kst_now_ms());
    assert_true(kst_deadline_in_ms(0) <= kst_now_ms());
    assert_true(kst_deadline_in_ms(-5) <= kst_now_ms());
    assert_true(kst_deadline_in_ms(INT64_MIN) <= kst_now_ms());
}

static void times_as_text(void **state)
{
    static const struct {
        int64_t us;
        const char *seconds, *micros;
    } table[] = {
        {0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"},
        {1795461300123456, "2026-11-23T19:15:00Z", "2026-11-23T19:15:00.123456Z"},
        {951782400000000, "2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000000Z"},
        {-1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.999999Z"},
        {-1000000, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.000000Z"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        char text[KST_TIME_TEXT];
        int64_t us = 0;
        kst_time_format_micro(table[i].us, text);
        assert_string_equal(text, table[i].micros);
        assert_true(kst_time_parse_us(text, &us));
        assert_true(us == table[i].us);
        int64_t ms = table[i].us / 1000 - (table[i].us % 1000 < 0);
        kst_time_format(ms, text);
        assert_string_equal(text, table[i].seconds);
    }
    char text[KST_TIME_TEXT];
    kst_time_format(INT64_MAX, text);
    kst_time_format_micro(INT64_MIN, text);
}

static void times_from_text(void **state)
{
    static const struct {
        const char *text;
        int64_t us; /* -1: none */
    } table[] = {
        {"2026-11-23T19:15:00Z", 1795461300000000},
        {"2026-11-23t19:15:00z", 1795461300000000},
        {"2026-11-23T20:15:00+01:00", 1795461300000000},
        {"2026-11-23T13:45:00-05:30", 1795461300000000},
        {"2026-11-23T19:15:00.5Z", 1795461300500000},
        {"2026-11-23T19:15:00.123456789Z", 1795461300123456},
        {"2024-02-29T00:00:00Z", 1709164800000000},
        {"2023-02-29T00:00:00Z", -1},
        {"2026-11-31T00:00:00Z", -1},
        {"2026-13-01T00:00:00Z", -1},
        {"2026-00-01T00:00:00Z", -1},
        {"2026-11-00T00:00:00Z", -1},
        {"2026-11-23T24:00:00Z", -1},
        {"2026-11-23T19:60:00Z", -1},
        {"2026-11-23T19:15:61Z", -1},
        {"2026-11-23T19:15:00", -1},
        {"2026-11-23 19:15:00Z", -1},
        {"2026-11-23T19:15:00.Z", -1},
        {"2026-11-23T19:15:00.1234567890Z", -1},
        {"2026-11-23T19:15:00+0100", -1},
        {"2026-11-23T19:15:00+24:00", -1},
        {"2026-11-23T19:15:00Zx", -1},
        {"2026-11-23T19:15Z", -1},
        {"2026-11-23", -1},
        {"26-11-23T19:15:00Z", -1},
        {"+026-11-23T19:15:00Z", -1},
        {"", -1},
        {NULL, -1},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        int64_t us = -1;
        bool good = kst_time_parse_us(table[i].text, &us);
        if (good != (table[i].us >= 0) || us != table[i].us)
            fail_msg("'%s': %d, %lld", table[i].text, good, (long long)us);
    }
}

static void durations_for_people(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } table[] = {
        {0, "0ms"},       {850, "850ms"},    {1000, "1s"},     {12300, "12.3s"},
        {12399, "12.3s"}, {59999, "59.9s"},  {60000, "1m"},    {250000, "4m10s"},
        {3600000, "1h"},  {7500000, "2h5m"}, {86400000, "1d"}, {273600000, "3d4h"},
        {-1500, "-1.5s"},
    };
    char text[KST_TIME_TEXT];
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_duration_format(table[i].ms, text);
        assert_string_equal(text, table[i].text);
    }
    kst_duration_format(INT64_MIN, text); /* has no positive */
    assert_int_equal(text[0], '-');
    assert_null(strchr(text + 1, '-'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_go_on),
        cmocka_unit_test(work_is_of_the_processor),
        cmocka_unit_test(deadlines_do_not_overflow),
        cmocka_unit_test(times_as_text),
        cmocka_unit_test(times_from_text),
        cmocka_unit_test(durations_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
