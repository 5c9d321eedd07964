/* SPDX-License-Identifier: Apache-2.0 */
/* kassette describe: tells what happened in a Run, for people. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "kube/client.h"
#include "kube/resource.h"

static const char *text_at(const struct kst_json *value, const char *path)
{
    const char *text = kst_json_path_str(value, path);
    return text ? text : "";
}

static void field(const char *name, const char *value)
{
    if (value && *value)
        printf("%-13s %s\n", name, value);
}

static void print_source(const struct kst_json *status)
{
    const struct kst_json *source = kst_json_get(status, "source");
    if (!source)
        return;
    if (kst_json_path_str(source, "builtin"))
        printf("%-13s built in (%s)\n", "Source:", text_at(source, "builtin"));
    else
        printf("%-13s %s%s%s, commit %s\n", "Source:", text_at(source, "url"),
               kst_json_path_str(source, "ref") ? " " : "", text_at(source, "ref"),
               text_at(source, "commit"));
}

static void print_freeze(const struct kst_json *status)
{
    if (!kst_json_get(status, "freeze"))
        return;
    char took[KST_TIME_TEXT];
    kst_duration_format(kst_json_path_int(status, "freeze.durationMs", 0), took);
    printf("%-13s %s, from %s\n", "Freeze:", took, text_at(status, "freeze.startedAt"));
    printf("%-13s to %s\n", "", text_at(status, "freeze.endedAt"));
}

static void print_hooks(const struct kst_json *attempt)
{
    const struct kst_json *hooks = kst_json_get(attempt, "hooks");
    for (const struct kst_json *row = kst_json_first(hooks); row; row = kst_json_next(row)) {
        const char *message = kst_json_path_str(row, "message");
        printf("    %-10s %-32s %5lld ms  %s\n", text_at(row, "hook"), text_at(row, "workload"),
               (long long)kst_json_path_int(row, "durationMs", 0), message ? message : "done");
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
               text_at(row, "state"), message ? ": " : "", message ? message : "");
        print_hooks(row);
    }
}

static void print_volumes(const struct kst_json *status)
{
    const struct kst_json *rows = kst_json_get(status, "volumes");
    if (kst_json_len(rows))
        printf("\nVolumes:\n");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        printf("  %s (%s, class %s)\n", text_at(row, "claim"), text_at(row, "size"),
               text_at(row, "snapshotClass"));
        if (kst_json_get(row, "cutAt"))
            printf("    VolumeSnapshot %s, cut at %s, %s\n", text_at(row, "snapshot"),
                   text_at(row, "cutAt"),
                   kst_json_path_true(row, "ready") ? "ready to use" : "not ready yet");
    }
}

static void print_bindings(const struct kst_json *status)
{
    const struct kst_json *rows = kst_json_get(status, "bindings");
    if (kst_json_len(rows))
        printf("\nBlueprints:\n");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row))
        printf("  %-32s %s (by %s)\n", text_at(row, "workload"), text_at(row, "blueprint"),
               text_at(row, "because"));
}

static void print_steps(const struct kst_json *status)
{
    const struct kst_json *rows = kst_json_get(status, "steps");
    if (kst_json_len(rows))
        printf("\nSteps:\n");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row))
        printf("  %-8s %s %s%s%s\n", text_at(row, "state"), text_at(row, "id"),
               text_at(row, "target"), kst_json_get(row, "message") ? ": " : "",
               text_at(row, "message"));
}

static void print_artifacts(const struct kst_json *status)
{
    const struct kst_json *rows = kst_json_get(status, "artifacts");
    if (kst_json_len(rows))
        printf("\nArtifacts:\n");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row))
        printf("  %s\n", kst_json_key(row));
}

static void print_events(struct kst_kube *kube, const struct kst_json *run)
{
    kst_auto_free char *selector = kst_asprintf("involvedObject.uid=%s",
                                                text_at(run, "metadata.uid"));
    const struct kst_kube_list_options options = {.field_selector = selector};
    kst_auto_json struct kst_json *events = NULL;
    if (kst_kube_list(kube, &kst_res_events, text_at(run, "metadata.namespace"), &options, &events,
                      NULL, NULL) < 0)
        return; /* they are an extra, and may be forbidden */
    if (kst_json_len(events))
        printf("\nEvents:\n");
    for (const struct kst_json *row = kst_json_first(events); row; row = kst_json_next(row))
        printf("  %s  %-8s %-12s %s\n", text_at(row, "lastTimestamp"), text_at(row, "type"),
               text_at(row, "reason"), text_at(row, "message"));
}

static int describe(struct kst_cmd *cmd, struct kst_err **err)
{
    struct kst_kube *kube = NULL;
    kst_auto_json struct kst_json *run = NULL;
    int rc = kst_cmd_kube(cmd, &kube, err);
    if (rc == 0)
        rc = kst_kube_get(kube, &kst_res_runs, cmd->home, cmd->args[0], &run, err);
    if (rc < 0)
        return rc;
    if (cmd->output == KST_OUTPUT_JSON || cmd->output == KST_OUTPUT_YAML)
        return kst_cmd_print(cmd, run, err);
    const struct kst_json *status = kst_json_get(run, "status");
    field("Name:", text_at(run, "metadata.name"));
    field("Action:", text_at(run, "spec.action"));
    field("Application:", text_at(run, "spec.application.namespace"));
    field("Selector:", text_at(run, "spec.application.selector"));
    field("Phase:", kst_json_get(status, "phase") ? text_at(status, "phase") : "Pending");
    field("Reason:", text_at(status, "reason"));
    field("Message:", text_at(status, "message"));
    field("Hint:", text_at(status, "hint"));
    field("Started:", text_at(status, "startedAt"));
    field("Ended:", text_at(status, "endedAt"));
    field("Engine:", text_at(status, "engine.identity"));
    print_source(status);
    print_freeze(status);
    print_bindings(status);
    print_volumes(status);
    print_attempts(status);
    print_steps(status);
    print_artifacts(status);
    print_events(kube, run);
    return 0;
}

int kst_cmd_describe(struct kst_cmd *cmd, struct kst_err **err)
{
    int rc = kst_cmd_parse(cmd, NULL, err);
    if (rc > 0)
        return 0;
    if (rc == 0)
        rc = kst_cmd_want_args(cmd, 1, 1, err);
    return rc < 0 ? rc : describe(cmd, err);
}
