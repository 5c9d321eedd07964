/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "sandbox/controller.h"
#include "sandbox/table.h"
static int64_t nothing(const struct kst_control *c)
{
    return KST_NEVER;
}
#define P(n)                                        \
    const struct kst_controller kst_control_##n = { \
        .name = #n, .buckets = {"none"}, .reconcile = nothing};
P(daemonsets)
