/* SPDX-License-Identifier: Apache-2.0 */
/* The row of a Pod, whose STATUS is one word made of its phase, its containers and its deletion. */
#include "sandbox/table/internal.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"

struct summary {
    struct kst_buf reason;
    int64_t restarts;
    size_t ready;
    bool initializing, running;
};

static void set_reason(struct summary *self, const char *prefix, const char *reason)
{
    kst_buf_clear(&self->reason);
    kst_buf_addf(&self->reason, "%s%s", prefix, reason);
}

static void set_end(struct summary *self, const char *prefix, const struct kst_json *terminated)
{
    const char *reason = kst_cell_text(terminated, "reason");
    int64_t signal = kst_json_path_int(terminated, "signal", 0);
    kst_buf_clear(&self->reason);
    if (*reason)
        kst_buf_addf(&self->reason, "%s%s", prefix, reason);
    else if (signal != 0)
        kst_buf_addf(&self->reason, "%sSignal:%lld", prefix, (long long)signal);
    else
        kst_buf_addf(&self->reason, "%sExitCode:%lld", prefix,
                     (long long)kst_json_path_int(terminated, "exitCode", 0));
}

/* A state that is there: an explicit null is none. */
static const struct kst_json *state(const struct kst_json *status, const char *path)
{
    const struct kst_json *value = kst_json_path(status, path);
    return kst_json_type(value) == KST_JSON_OBJECT ? value : NULL;
}

static void look_at_init_containers(struct summary *self, const struct kst_json *pod)
{
    const struct kst_json *status = kst_json_first(
        kst_json_path(pod, "status.initContainerStatuses"));
    for (size_t i = 0; status && !self->initializing; i++, status = kst_json_next(status)) {
        self->restarts += kst_json_path_int(status, "restartCount", 0);
        const struct kst_json *terminated = state(status, "state.terminated");
        const char *waiting = kst_cell_text(status, "state.waiting.reason");
        if (terminated && kst_json_path_int(terminated, "exitCode", 0) == 0)
            continue;
        self->initializing = true;
        if (terminated) {
            set_end(self, "Init:", terminated);
        } else if (*waiting && strcmp(waiting, "PodInitializing") != 0) {
            set_reason(self, "Init:", waiting);
        } else {
            kst_buf_clear(&self->reason);
            kst_buf_addf(&self->reason, "Init:%zu/%zu", i,
                         kst_json_len(kst_json_path(pod, "spec.initContainers")));
        }
    }
}

static void look_at_containers(struct summary *self, const struct kst_json *pod)
{
    const struct kst_json *statuses = kst_json_path(pod, "status.containerStatuses");
    self->restarts = 0;
    /* From the last to the first: what the first says is what stays. */
    for (size_t i = kst_json_len(statuses); i-- > 0;) {
        const struct kst_json *status = kst_json_at(statuses, i);
        self->restarts += kst_json_path_int(status, "restartCount", 0);
        const struct kst_json *terminated = state(status, "state.terminated");
        const char *waiting = kst_cell_text(status, "state.waiting.reason");
        if (*waiting) {
            set_reason(self, "", waiting);
        } else if (terminated) {
            set_end(self, "", terminated);
        } else if (kst_json_path_true(status, "ready") && state(status, "state.running")) {
            self->running = true;
            self->ready++;
        }
    }
}

static const struct kst_json *condition(const struct kst_json *pod, const char *type)
{
    const struct kst_json *c = kst_json_first(kst_json_path(pod, "status.conditions"));
    while (c && strcmp(kst_cell_text(c, "type"), type) != 0)
        c = kst_json_next(c);
    return c;
}

static bool is_true(const struct kst_json *pod, const char *type)
{
    return strcmp(kst_cell_text(condition(pod, type), "status"), "True") == 0;
}

static void summarise(struct summary *self, const struct kst_json *pod)
{
    const char *reason = kst_cell_text(pod, "status.reason");
    set_reason(self, "", *reason ? reason : kst_cell_text(pod, "status.phase"));
    look_at_init_containers(self, pod);
    if (!self->initializing) {
        look_at_containers(self, pod);
        if (self->running && strcmp(self->reason.data, "Completed") == 0)
            set_reason(self, "", is_true(pod, "Ready") ? "Running" : "NotReady");
    }
    if (kst_json_path_str(pod, "metadata.deletionTimestamp"))
        set_reason(self, "", strcmp(reason, "NodeLost") == 0 ? "Unknown" : "Terminating");
}

static void set_conditions(struct kst_table_row *row)
{
    const char *phase = kst_cell_text(row->object, "status.phase");
    bool succeeded = strcmp(phase, "Succeeded") == 0;
    if (!succeeded && strcmp(phase, "Failed") != 0)
        return;
    row->conditions = kst_json_make(
        "[{'type':'Completed','status':'True','reason':%s,'message':%s}]", phase,
        succeeded ? "The pod has completed successfully." : "The pod failed.");
}

static void readiness_gates(struct kst_table_row *row)
{
    const struct kst_json *gates = kst_json_path(row->object, "spec.readinessGates");
    if (kst_json_len(gates) == 0) {
        kst_cell_str(row, "<none>");
        return;
    }
    size_t met = 0;
    for (const struct kst_json *gate = kst_json_first(gates); gate; gate = kst_json_next(gate))
        met += is_true(row->object, kst_cell_text(gate, "conditionType"));
    kst_cell_format(row, "%zu/%zu", met, kst_json_len(gates));
}

void kst_table_pod(struct kst_table_row *row)
{
    struct summary summary = {.reason = KST_BUF_INIT(KST_TABLE_CELL_BYTES)};
    summarise(&summary, row->object);
    set_conditions(row);
    kst_cell_name(row);
    kst_cell_format(row, "%zu/%zu", summary.ready,
                    kst_json_len(kst_json_path(row->object, "spec.containers")));
    kst_cell_str(row, summary.reason.data);
    kst_cell_int(row, summary.restarts);
    kst_cell_age(row);
    const char *ip = kst_cell_text(row->object, "status.podIPs.0.ip");
    if (*ip)
        kst_cell_str(row, ip);
    else
        kst_cell_text_at(row, "status.podIP", "<none>");
    kst_cell_text_at(row, "spec.nodeName", "<none>");
    kst_cell_text_at(row, "status.nominatedNodeName", "<none>");
    readiness_gates(row);
    kst_buf_release(&summary.reason);
}
