/* SPDX-License-Identifier: Apache-2.0 */
#include "app/restore/events.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "run/run.h"

/* When it happened last, as text that sorts; "" where that is not said. */
static const char *time_of(const struct kst_json *event)
{
    static const char *const paths[] = {"lastTimestamp", "series.lastObservedTime", "eventTime",
                                        "metadata.creationTimestamp"};
    for (size_t i = 0; i < KST_ARRAY_LEN(paths); i++) {
        const char *at = kst_json_path_str(event, paths[i]);
        if (at)
            return at;
    }
    return "";
}

/* Whether a tells more than b, or the same later: waiting is told again and again, also between the
 * warnings that say what for. */
static bool tells_more(const struct kst_json *a, const struct kst_json *b)
{
    bool warns = kst_same(kst_json_path_str(a, "type"), "Warning");
    if (!b || warns != kst_same(kst_json_path_str(b, "type"), "Warning"))
        return !b || warns;
    return strcmp(time_of(a), time_of(b)) > 0;
}

char *kst_events_last(struct kst_run *run, const struct kst_json *object, bool warnings)
{
    const char *uid = kst_json_path_str(object, "metadata.uid");
    kst_auto_free char *field = kst_asprintf("involvedObject.kind=%s,involvedObject.name=%s",
                                             kst_json_path_str(object, "kind"),
                                             kst_json_path_str(object, "metadata.name"));
    const struct kst_kube_list_options options = {.field_selector = field};
    kst_auto_json struct kst_json *events = NULL;
    if (kst_kube_list(run->kube, &kst_res_events, run->app_ns, &options, &events, NULL, NULL) < 0)
        return NULL;
    const struct kst_json *last = NULL;
    for (const struct kst_json *row = kst_json_first(events); row; row = kst_json_next(row)) {
        bool warns = kst_same(kst_json_path_str(row, "type"), "Warning");
        if (kst_same(kst_json_path_str(row, "involvedObject.uid"), uid) && (warns || !warnings) &&
            tells_more(row, last))
            last = row;
    }
    const char *reason = kst_json_path_str(last, "reason");
    const char *message = kst_json_path_str(last, "message");
    return last ? kst_asprintf("%s: %s", reason ? reason : "", message ? message : "") : NULL;
}
