/* SPDX-License-Identifier: Apache-2.0 */
/* What a real API server (1.20.2) made of these, as a claim's request or a container's limit. */
#include "sandbox/types/quantity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"

static void canonical_forms(void **state)
{
    static const struct {
        const char *text, *canonical;
    } table[] = {
        {"0", "0"},
        {"0Gi", "0"},
        {"-0", "0"},
        {"1024Mi", "1Gi"},
        {"1.5Gi", "1536Mi"},
        {"0.5", "500m"},
        {"0.5Gi", "512Mi"},
        {"100m", "100m"},
        {"1000m", "1"},
        {"1e3", "1e3"},
        {"1E3", "1E3"},
        {"12e6", "12e6"},
        {"1500e3", "1500e3"},
        {"1e0", "1e0"},
        {"1e-3", "1e-3"},
        {"2000", "2k"},
        {"1000k", "1M"},
        {"1023Ki", "1023Ki"},
        {"1000Ki", "1000Ki"},
        {"512", "512"},
        {"+5", "+5"},
        {"-5Mi", "-5Mi"},
        {".5", "500m"},
        {"1.", "1."},
        {"00012", "00012"},
        {"0.0000000001", "1n"},
        {"1.00000000001", "1000000001n"},
        {"1u", "1u"},
        {"1000000000n", "1"},
        {"9Ei", "9223372036854775807"},
        {"9223372036854775807Ki", "9223372036854775807"},
        {"0.001Ki", "1024m"},
        {"1E", "1E"},
        {"7Ki", "7Ki"},
        {"8Ki", "8Ki"},
        {"8192Ki", "8Mi"},
        {"1001Mi", "1001Mi"},
        {"0.100", "100m"},
        {"1.000", "1"},
        {"100.5", "100500m"},
        {"1.500", "1.500"},
        {"5000", "5k"},
        {"05000", "5k"},
        {"1.250k", "1.250k"},
        {"0.250k", "250"},
        {"123456789Gi", "123456789Gi"},
        {"1.1Ki", "1126400m"},
        {"10.5Ki", "10752"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        char text[KST_QUANTITY_TEXT];
        if (!kst_quantity_canonical(table[i].text, text))
            fail_msg("%s is no quantity", table[i].text);
        if (strcmp(text, table[i].canonical) != 0)
            fail_msg("%s: %s instead of %s", table[i].text, text, table[i].canonical);
    }
}

static void what_is_none(void **state)
{
    static const char *const table[] = {"",
                                        "-",
                                        ".",
                                        "Gi",
                                        "1 Gi",
                                        "1gi",
                                        "1K",
                                        "1e",
                                        "1eX",
                                        "1.2.3",
                                        "1Gib",
                                        "0x10",
                                        "1e999999999999999999999",
                                        " 1",
                                        "1 ",
                                        "--1",
                                        "1e+",
                                        "1e40",
                                        "1Zi"};
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        struct kst_quantity quantity;
        if (kst_quantity_parse(table[i], &quantity))
            fail_msg("'%s' is no quantity", table[i]);
    }
}

static void of_json_and_compared(void **state)
{
    kst_auto_json struct kst_json *values = kst_json_make("['1Gi', 1073741824, 2, true, null]");
    struct kst_quantity gi = {0}, number = {0}, two = {0};
    assert_true(kst_quantity_read(kst_json_at(values, 0), &gi));
    assert_true(kst_quantity_read(kst_json_at(values, 1), &number));
    assert_true(kst_quantity_read(kst_json_at(values, 2), &two));
    assert_false(kst_quantity_read(kst_json_at(values, 3), &two));
    assert_false(kst_quantity_read(kst_json_at(values, 4), &two));
    assert_int_equal(kst_quantity_compare(&gi, &number), 0);
    assert_int_equal(kst_quantity_compare(&two, &number), -1);
    assert_int_equal(kst_quantity_compare(&number, &two), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_forms),
        cmocka_unit_test(what_is_none),
        cmocka_unit_test(of_json_and_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
