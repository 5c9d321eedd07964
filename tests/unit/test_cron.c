/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cron.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

/* The times that follow one another. */
static const struct {
    const char *schedule, *after, *next[3];
} times[] = {
    {"* * * * *",
     "2024-02-28T23:58:30Z",
     {"2024-02-28T23:59:00Z", "2024-02-29T00:00:00Z", "2024-02-29T00:01:00Z"}},
    {"*/15 * * * *",
     "2024-01-01T00:15:00Z",
     {"2024-01-01T00:30:00Z", "2024-01-01T00:45:00Z", "2024-01-01T01:00:00Z"}},
    {"50/4 3 * * *",
     "2024-01-01T00:00:00Z",
     {"2024-01-01T03:50:00Z", "2024-01-01T03:54:00Z", "2024-01-01T03:58:00Z"}},
    {"0 2,14-15 * * *",
     "2024-01-01T02:00:00Z",
     {"2024-01-01T14:00:00Z", "2024-01-01T15:00:00Z", "2024-01-02T02:00:00Z"}},
    {"0 0 29 feb ?",
     "2023-01-01T00:00:00Z",
     {"2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"}},
    /* Both kinds of days: either. */
    {"0 12 13 * FRI",
     "2024-09-06T12:00:00Z",
     {"2024-09-13T12:00:00Z", "2024-09-20T12:00:00Z", "2024-09-27T12:00:00Z"}},
    {"30 6 * Dec Mon-Tue",
     "2023-12-31T00:00:00Z",
     {"2024-12-02T06:30:00Z", "2024-12-03T06:30:00Z", "2024-12-09T06:30:00Z"}},
    {"@monthly",
     "2024-11-01T00:00:01Z",
     {"2024-12-01T00:00:00Z", "2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z"}},
    {"@weekly",
     "2024-02-26T00:00:00Z",
     {"2024-03-03T00:00:00Z", "2024-03-10T00:00:00Z", "2024-03-17T00:00:00Z"}},
    {"@every 1h30m",
     "2024-01-01T23:00:07Z",
     {"2024-01-02T00:30:07Z", "2024-01-02T02:00:07Z", "2024-01-02T03:30:07Z"}},
    {"0 0 31 feb *", "2024-01-01T00:00:00Z", {NULL}},
};

static void test_times(void **state)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(times); i++) {
        struct kst_cron cron;
        int64_t us = 0;
        assert_int_equal(kst_cron_parse(times[i].schedule, &cron, NULL), 0);
        assert_true(kst_time_parse_us(times[i].after, &us));
        int64_t at_s = us / 1000000;
        for (int j = 0; j < 3; j++) {
            char text[KST_TIME_TEXT];
            at_s = kst_cron_next(&cron, at_s);
            if (!times[i].next[j]) {
                assert_int_equal(at_s, -1);
                break;
            }
            kst_time_format(at_s * 1000, text);
            if (strcmp(text, times[i].next[j]) != 0)
                fail_msg("%s: expected %s, found %s", times[i].schedule, times[i].next[j], text);
        }
    }
}

static const struct {
    const char *schedule, *message;
} refused[] = {
    {"", "Empty spec string"},
    {"* * * *", "Expected exactly 5 fields, found 4: * * * *"},
    {"60 * * * *", "End of range (60) above maximum (59): 60"},
    {"* * 0 * *", "Beginning of range (0) below minimum (1): 0"},
    {"* * * * 7", "End of range (7) above maximum (6): 7"},
    {"5-2 * * * *", "Beginning of range (5) beyond end of range (2): 5-2"},
    {"1-2-3 * * * *", "Too many hyphens: 1-2-3"},
    {"*/1/2 * * * *", "Too many slashes: */1/2"},
    {"*/0 * * * *", "Step of range should be a positive number: */0"},
    {"x * * * *", "Failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax"},
    {"@never", "Unrecognized descriptor: @never"},
    {"@every x", "Failed to parse duration @every x: time: invalid duration \"x\""},
};

static void test_refused(void **state)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(refused); i++) {
        struct kst_cron cron;
        kst_auto_err struct kst_err *err = NULL;
        assert_int_equal(kst_cron_parse(refused[i].schedule, &cron, &err), KST_E_PARSE);
        assert_string_equal(kst_err_message(err), refused[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
