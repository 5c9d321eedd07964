/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The phases of a run. Transitions are made in one place, kst_run_set_phase() (machine.c), which
 * traces them; which phases an action has, and what they do, stands in its table (run.h).
 *
 *   backup: Pending -> Capture -> PreHook -> Snapshot -> PostHook -> Export -> Succeeded
 *   restore: Pending -> Plan -> Quiesce -> Volumes -> Objects -> Ready -> PostRestore -> Succeeded
 *   action: Pending -> Capture -> Action -> Succeeded
 *   and from anywhere: Failed, Cancelled
 */
#ifndef KST_RUN_PHASE_H
#define KST_RUN_PHASE_H

#include <stdbool.h>

enum kst_phase {
    KST_PHASE_PENDING,
    KST_PHASE_CAPTURE,
    KST_PHASE_PRE_HOOK,
    KST_PHASE_SNAPSHOT,
    KST_PHASE_POST_HOOK,
    KST_PHASE_EXPORT,
    KST_PHASE_ACTION,
    KST_PHASE_PLAN,
    KST_PHASE_QUIESCE,
    KST_PHASE_VOLUMES,
    KST_PHASE_OBJECTS,
    KST_PHASE_READY,
    KST_PHASE_POST_RESTORE,
    KST_PHASE_SUCCEEDED,
    KST_PHASE_FAILED,
    KST_PHASE_CANCELLED,
    KST_PHASES,
};

/* "PreHook", …: as in Run.status.phase. */
const char *kst_phase_name(enum kst_phase phase);
/* KST_PHASE_PENDING for NULL or "", KST_PHASES for a name that is none. */
enum kst_phase kst_phase_parse(const char *name);
/* Succeeded, Failed or Cancelled. */
bool kst_phase_is_final(enum kst_phase phase);
/* PreHook, Snapshot or PostHook: the application may be frozen, and nothing is journaled. */
bool kst_phase_is_freeze(enum kst_phase phase);

#endif
