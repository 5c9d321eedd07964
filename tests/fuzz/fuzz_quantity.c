/* SPDX-License-Identifier: Apache-2.0 */
/* Quantities: what is printed is read as the same, and what is canonical stays as it is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sandbox/types/quantity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kst_auto_free char *text = kst_strndup((const char *)data, size);
    char printed[KST_QUANTITY_TEXT], canonical[KST_QUANTITY_TEXT], again[KST_QUANTITY_TEXT];
    struct kst_quantity first, second;
    bool is_one = kst_quantity_parse(text, &first);
    if (kst_quantity_canonical(text, canonical) != is_one)
        abort();
    if (!is_one)
        return 0;
    kst_quantity_print(&first, printed);
    if (!kst_quantity_parse(printed, &second) || kst_quantity_compare(&first, &second) != 0)
        abort();
    if (!kst_quantity_parse(canonical, &second) || kst_quantity_compare(&first, &second) != 0 ||
        !kst_quantity_canonical(canonical, again) || strcmp(canonical, again) != 0)
        abort();
    return 0;
}
