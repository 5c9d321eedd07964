/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a schedule: it is read, and its times grow, or it is refused with words. */
#include <stdint.h>
#include <stdlib.h>

#include "base/cron.h"
#include "base/err.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kst_auto_free char *text = kst_strndup((const char *)data, size);
    kst_auto_err struct kst_err *err = NULL;
    struct kst_cron cron;
    int rc = kst_cron_parse(text, &cron, &err);
    if ((rc < 0) != (err != NULL) || (rc < 0 && !*kst_err_message(err)))
        abort();
    int64_t at_s = 1700000000;
    for (int i = 0; i < 3 && rc == 0; i++) {
        int64_t next_s = kst_cron_next(&cron, at_s);
        if (next_s < 0)
            break;
        if (next_s <= at_s)
            abort();
        at_s = next_s;
    }
    return 0;
}
