/* SPDX-License-Identifier: Apache-2.0 */
#include "run/phase.h"

#include <string.h>

static const char *const names[KST_PHASES] = {
    [KST_PHASE_PENDING] = "Pending",    [KST_PHASE_CAPTURE] = "Capture",
    [KST_PHASE_PRE_HOOK] = "PreHook",   [KST_PHASE_SNAPSHOT] = "Snapshot",
    [KST_PHASE_POST_HOOK] = "PostHook", [KST_PHASE_EXPORT] = "Export",
    [KST_PHASE_PLAN] = "Plan",          [KST_PHASE_QUIESCE] = "Quiesce",
    [KST_PHASE_VOLUMES] = "Volumes",    [KST_PHASE_OBJECTS] = "Objects",
    [KST_PHASE_READY] = "Ready",        [KST_PHASE_POST_RESTORE] = "PostRestore",
    [KST_PHASE_ACTION] = "Action",      [KST_PHASE_SUCCEEDED] = "Succeeded",
    [KST_PHASE_FAILED] = "Failed",      [KST_PHASE_CANCELLED] = "Cancelled",
};

const char *kst_phase_name(enum kst_phase phase)
{
    return phase < KST_PHASES ? names[phase] : "Unknown";
}

enum kst_phase kst_phase_parse(const char *name)
{
    if (!name || !*name)
        return KST_PHASE_PENDING;
    for (int i = 0; i < KST_PHASES; i++) {
        if (strcmp(names[i], name) == 0)
            return (enum kst_phase)i;
    }
    return KST_PHASES;
}

bool kst_phase_is_final(enum kst_phase phase)
{
    return phase == KST_PHASE_SUCCEEDED || phase == KST_PHASE_FAILED ||
           phase == KST_PHASE_CANCELLED;
}

bool kst_phase_is_freeze(enum kst_phase phase)
{
    return phase == KST_PHASE_PRE_HOOK || phase == KST_PHASE_SNAPSHOT ||
           phase == KST_PHASE_POST_HOOK;
}
