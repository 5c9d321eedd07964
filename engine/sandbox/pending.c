/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/pending.h"
#include "base/err.h"
#include "base/json.h"
#include "sandbox/builtin.h"
#include "sandbox/crd.h"
#include "sandbox/schema.h"
#include <stdio.h>
void kst_builtin_validate(const char *group, const char *kind, const struct kst_json *object,
                          const struct kst_json *old, struct kst_json *causes)
{
}
void kst_builtin_validate_meta(const char *group, const char *kind, const struct kst_json *object,
                               const struct kst_json *old, struct kst_json *causes)
{
}
void kst_schema_prune(const struct kst_json *schema, struct kst_json *object)
{
}
void kst_schema_default(const struct kst_json *schema, struct kst_json *object)
{
}
void kst_schema_validate(const struct kst_json *schema, const struct kst_json *object,
                         struct kst_json *causes)
{
}
void kst_crd_default(struct kst_json *crd)
{
    struct kst_json *names = kst_json_mut(kst_json_mut(crd, "spec"), "names");
    if (!kst_json_get(names, "listKind")) {
        char t[200];
        snprintf(t, 200, "%sList", kst_json_path_str(names, "kind"));
        kst_json_set_str(names, "listKind", t);
    }
}
void kst_crd_validate(const struct kst_json *crd, const struct kst_json *old,
                      struct kst_json *causes)
{
}
void kst_crd_set_established(struct kst_json *crd, const char *now)
{
    if (kst_json_path(crd, "status.conditions"))
        return;
    kst_json_set(
        crd, "status",
        kst_json_make(
            "{'acceptedNames':%J,'conditions':[{'type':'NamesAccepted','status':'True','reaso"
            "n':'NoConflicts','message':'no conflicts found','lastTransitionTime':%s},{'type'"
            ":'Established','status':'True','reason':'InitialNamesAccepted','message':'the in"
            "itial names have been accepted','lastTransitionTime':%s}],'storedVersions':['v1'"
            "]}",
            kst_json_path(crd, "spec.names"), now, now));
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
P(daemonsets) P(cronjobs) P(endpoints) P(disruptions)
