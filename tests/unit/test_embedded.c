/* SPDX-License-Identifier: Apache-2.0 */
/* The table that engine/lua/embed.sh generates, against the files that it was generated from. */
#include "lua/embedded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_ends_with_null(void **state)
{
    assert_null(kst_embedded[kst_embedded_count].path);
    assert_null(kst_embedded[kst_embedded_count].data);
    assert_int_equal(kst_embedded[kst_embedded_count].size, 0);
}

static void test_is_sorted(void **state)
{
    for (size_t i = 1; i < kst_embedded_count; i++)
        assert_true(strcmp(kst_embedded[i - 1].path, kst_embedded[i].path) < 0);
}

/* Run from the top of the tree, as `make unit` does. */
static void test_holds_the_files(void **state)
{
    for (size_t i = 0; i < kst_embedded_count; i++) {
        const struct kst_embedded_file *entry = &kst_embedded[i];
        FILE *file = fopen(entry->path, "r");
        char *text = malloc(entry->size + 1);

        assert_non_null(file);
        assert_non_null(text);
        assert_int_equal(fread(text, 1, entry->size + 1, file), entry->size);
        assert_memory_equal(text, entry->data, entry->size);
        assert_int_equal(entry->data[entry->size], 0);
        free(text);
        fclose(file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends_with_null),
        cmocka_unit_test(test_is_sorted),
        cmocka_unit_test(test_holds_the_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
