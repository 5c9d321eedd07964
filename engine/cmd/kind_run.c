/* SPDX-License-Identifier: Apache-2.0 */
/* Runs as a table, and described for people. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/kind.h"
#include "kube/client.h"
#include "kube/resource.h"

static void print_hooks(const struct kst_json *attempt)
{
    const struct kst_json *hooks = kst_json_get(attempt, "hooks");
    for (const struct kst_json *row = kst_json_first(hooks); row; row = kst_json_next(row)) {
        const char *message = kst_json_path_str(row, "message");
        printf("    %-10s %-32s %5lld ms  %s\n", kst_kind_text(row, "hook"),
               kst_kind_text(row, "workload"), (long long)kst_json_path_int(row, "durationMs", 0),
               message ? message : "done");
    }
}

static void print_attempts(const struct kst_json *status)
{
    const struct kst_json *rows = kst_json_get(status, "attempts");
    if (kst_json_len(rows))
        printf("\nAttempts:\n");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        const char *message = kst_json_path_str(row, "message");
        printf("  %lld: %s%s%s\n", (long long)kst_json_path_int(row, "number", 0),
               kst_kind_text(row, "state"), message ? ": " : "", message ? message : "");
        print_hooks(row);
    }
}

static void print_volumes(const struct kst_json *status)
{
    const struct kst_json *rows = kst_json_get(status, "volumes");
    if (kst_json_len(rows))
        printf("\nVolumes:\n");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        printf("  %s (%s, class %s)\n", kst_kind_text(row, "claim"), kst_kind_text(row, "size"),
               kst_kind_text(row, "snapshotClass"));
        if (kst_json_get(row, "cutAt"))
            printf("    VolumeSnapshot %s, cut at %s, %s\n", kst_kind_text(row, "snapshot"),
                   kst_kind_text(row, "cutAt"),
                   kst_json_path_true(row, "ready") ? "ready to use" : "not ready yet");
    }
}

static void print_restored_volume(const struct kst_json *row)
{
    const char *message = kst_json_path_str(row, "message");
    printf("  %s: %s, %s%s%s\n", kst_kind_text(row, "target"), kst_kind_text(row, "action"),
           kst_kind_text(row, "state"), message ? ": " : "", message ? message : "");
    if (kst_json_get(row, "oldVolume"))
        printf("    before: PersistentVolume %s\n", kst_kind_text(row, "oldVolume"));
}

static void print_restore(const struct kst_json *status)
{
    const struct kst_json *restore = kst_json_get(status, "restore");
    const struct kst_json *counts = kst_json_get(restore, "counts");
    if (counts) {
        printf("\nObjects:\n ");
        for (const struct kst_json *e = kst_json_first(counts); e; e = kst_json_next(e))
            printf(" %s %s%s", kst_json_number(e), kst_json_key(e), kst_json_next(e) ? "," : "\n");
    }
    const struct kst_json *rows = kst_json_get(restore, "failures");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row))
        printf("  %s/%s failed: %s\n    %s\n", kst_kind_text(row, "kind"),
               kst_kind_text(row, "name"), kst_kind_text(row, "reason"),
               kst_kind_text(row, "hint"));
    rows = kst_json_get(restore, "volumes");
    if (kst_json_len(rows))
        printf("\nRestored volumes:\n");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row))
        print_restored_volume(row);
}

static void print_steps(const struct kst_json *status)
{
    const struct kst_json *rows = kst_json_get(status, "steps");
    if (kst_json_len(rows))
        printf("\nSteps:\n");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row))
        printf("  %-8s %s %s%s%s\n", kst_kind_text(row, "state"), kst_kind_text(row, "id"),
               kst_kind_text(row, "target"), kst_json_get(row, "message") ? ": " : "",
               kst_kind_text(row, "message"));
}

static void describe(struct kst_kube *kube, const struct kst_json *run)
{
    const struct kst_json *status = kst_json_get(run, "status");
    kst_kind_field("Name:", kst_kind_text(run, "metadata.name"));
    kst_kind_field("Action:", kst_kind_text(run, "spec.action"));
    kst_kind_field("Application:", kst_kind_text(run, "spec.application.namespace"));
    kst_kind_field("Selector:", kst_kind_text(run, "spec.application.selector"));
    kst_kind_field("Phase:",
                   kst_json_get(status, "phase") ? kst_kind_text(status, "phase") : "Pending");
    kst_kind_field("Reason:", kst_kind_text(status, "reason"));
    kst_kind_field("Message:", kst_kind_text(status, "message"));
    kst_kind_field("Hint:", kst_kind_text(status, "hint"));
    kst_kind_field("Started:", kst_kind_text(status, "startedAt"));
    kst_kind_field("Ended:", kst_kind_text(status, "endedAt"));
    kst_kind_field("Engine:", kst_kind_text(status, "engine.identity"));
    kst_kind_print_source(status);
    kst_kind_print_freeze(status);
    kst_kind_print_bindings(status);
    print_volumes(status);
    print_attempts(status);
    print_restore(status);
    print_steps(status);
    kst_kind_print_artifacts(status);
    kst_kind_print_events(kube, run);
}

static void fill(const struct kst_json *run, char (*cells)[KST_KIND_CELL])
{
    const struct kst_json *status = kst_json_get(run, "status");
    const char *phase = kst_json_path_str(status, "phase");
    kst_kind_cell(cells[0], kst_json_path_str(run, "metadata.name"));
    kst_kind_cell(cells[1], kst_json_path_str(run, "spec.action"));
    kst_kind_cell(cells[2], kst_json_path_str(run, "spec.application.namespace"));
    kst_kind_cell(cells[3], phase ? phase : "Pending");
    if (kst_json_path(status, "freeze.durationMs"))
        kst_duration_format(kst_json_path_int(status, "freeze.durationMs", 0), cells[4]);
    kst_kind_cell_age(cells[5], run);
    kst_kind_cell_int(cells[6], kst_json_get(status, "attempt"));
    if (kst_json_get(status, "volumes"))
        snprintf(cells[7], KST_KIND_CELL, "%zu", kst_json_len(kst_json_get(status, "volumes")));
    kst_kind_cell_commit(cells[8], status);
}

static const char *const words[] = {NULL};
static const char *const columns[] = {"NAME", "ACTION",  "APPLICATION", "PHASE",  "FREEZE",
                                      "AGE",  "ATTEMPT", "VOLUMES",     "COMMIT", NULL};

const struct kst_kind kst_kind_run = {
    .resource = &kst_res_runs,
    .words = words,
    .columns = columns,
    .narrow = 6,
    .fill = fill,
    .describe = describe,
};
