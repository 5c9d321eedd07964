/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/pending.h"
#include "base/err.h"
#include "base/json.h"
#include "sandbox/builtin.h"
void kst_builtin_validate(const char *group, const char *kind, const struct kst_json *object,
                          const struct kst_json *old, struct kst_json *causes)
{
}
void kst_builtin_validate_meta(const char *group, const char *kind, const struct kst_json *object,
                               const struct kst_json *old, struct kst_json *causes)
{
}
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
P(daemonsets) P(cronjobs)
