/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that a run does, as it happens, for people: requests, commands and what they answer,
 * phases, hooks and cuts, with the milliseconds since the start. */
#ifndef KST_CMD_TRACE_H
#define KST_CMD_TRACE_H

#include <stdint.h>

#include "run/run.h"

enum { KST_TRACE_SESSIONS = 16 };

struct kst_trace {
    int64_t started_us;
    struct {
        int64_t id, sent_us; /* of its last statement */
    } sessions[KST_TRACE_SESSIONS];
};

/* Begins: the clock starts, and the client's requests are told. Both must outlive the run. */
void kst_trace_begin(struct kst_trace *self, struct kst_kube *kube);
/* The observer that tells the rest. */
struct kst_run_observer kst_trace_observer(struct kst_trace *self);

#endif
