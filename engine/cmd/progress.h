/* SPDX-License-Identifier: Apache-2.0 */
/* What a run does, as it happens: lines on stdout, with the time since the start. */
#ifndef KST_CMD_PROGRESS_H
#define KST_CMD_PROGRESS_H

#include <stdint.h>

#include "run/run.h"

struct kst_progress {
    int64_t started_ms;
    bool with_names; /* several runs: each line begins with the run's name */
    bool quiet;
};

/* An observer that prints; `self` must outlive the run. */
struct kst_run_observer kst_progress_observer(struct kst_progress *self);

#endif
