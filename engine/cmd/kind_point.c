/* SPDX-License-Identifier: Apache-2.0 */
/* RestorePoints as a table, and described for people. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include "cmd/kind.h"
#include "kube/client.h"
#include "kube/resource.h"

static const struct kst_json *condition(const struct kst_json *point, const char *type)
{
    const struct kst_json *all = kst_json_path(point, "status.conditions");
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        if (strcmp(kst_kind_text(row, "type"), type) == 0)
            return row;
    }
    return NULL;
}

static const char *phase_of(const struct kst_json *point)
{
    const char *phase = kst_json_path_str(point, "status.phase");
    if (kst_json_path_str(point, "metadata.deletionTimestamp"))
        return "Deleting";
    return phase ? phase : "InProgress";
}

/* "in 3d4h", "expired", or nothing. */
static void format_expiry(const struct kst_json *point, char *out)
{
    int64_t at_us = 0, left_ms;
    if (!kst_time_parse_us(kst_json_path_str(point, "spec.expiresAt"), &at_us))
        return;
    left_ms = (at_us - kst_wall_us()) / 1000000 * 1000;
    if (left_ms <= 0) {
        kst_kind_cell(out, "expired");
        return;
    }
    char left[KST_TIME_TEXT];
    kst_duration_format(left_ms, left);
    snprintf(out, KST_KIND_CELL, "in %s", left);
}

static void fill(const struct kst_json *point, char (*cells)[KST_KIND_CELL])
{
    const struct kst_json *status = kst_json_get(point, "status");
    kst_kind_cell(cells[0], kst_json_path_str(point, "metadata.name"));
    kst_kind_cell(cells[1], kst_json_path_str(point, "spec.application.namespace"));
    kst_kind_cell(cells[2], phase_of(point));
    kst_kind_cell_int(cells[3], kst_json_get(status, "volumeCount"));
    kst_kind_cell_int(cells[4], kst_json_path(status, "objects.count"));
    kst_kind_cell(cells[5], kst_json_path_str(condition(point, "Exported"), "status"));
    format_expiry(point, cells[6]);
    kst_kind_cell_age(cells[7], point);
    kst_kind_cell_bytes(cells[8], kst_json_path(status, "objects.compressedBytes"));
    kst_kind_cell_commit(cells[9], status);
}

/* ---- One of them ---- */

static void print_age(const struct kst_json *point)
{
    char age[KST_KIND_CELL] = "", expiry[KST_KIND_CELL] = "";
    const char *done = kst_json_path_str(point, "status.completedAt");
    const char *expires = kst_json_path_str(point, "spec.expiresAt");
    kst_kind_cell_age(age, point);
    printf("%-13s %s%s%s\n", "Age:", age, done ? ", completed at " : "", done ? done : "");
    format_expiry(point, expiry);
    if (expires)
        printf("%-13s %s (%s)\n", "Expires:", expires, expiry);
    else
        printf("%-13s never\n", "Expires:");
}

static void print_head(const struct kst_json *point)
{
    const struct kst_json *status = kst_json_get(point, "status");
    kst_kind_field("Name:", kst_kind_text(point, "metadata.name"));
    kst_kind_field("Application:", kst_kind_text(point, "spec.application.namespace"));
    kst_kind_field("Selector:", kst_kind_text(point, "spec.application.selector"));
    kst_kind_field("Phase:", phase_of(point));
    kst_kind_field("Message:", kst_kind_text(status, "message"));
    print_age(point);
    kst_kind_field("Run:", kst_kind_text(point, "spec.run"));
    if (kst_json_get(status, "cluster"))
        printf("%-13s Kubernetes %s, uid %s\n",
               "Cluster:", kst_kind_text(status, "cluster.version"),
               kst_kind_text(status, "cluster.uid"));
    kst_kind_print_source(status);
    kst_kind_print_freeze(status);
    const char *first = kst_kind_text(status, "cut.first");
    const char *last = kst_kind_text(status, "cut.last");
    if (*first)
        printf("%-13s %s%s%s\n", "Cut:", first, strcmp(first, last) != 0 ? " to " : "",
               strcmp(first, last) != 0 ? last : "");
}

static void print_volume(const struct kst_json *row, const char *ns)
{
    printf("  %s (%s, StorageClass %s, %s", kst_kind_text(row, "claim"), kst_kind_text(row, "size"),
           kst_kind_text(row, "storageClass"), kst_kind_text(row, "volumeMode"));
    const struct kst_json *modes = kst_json_get(row, "accessModes");
    for (const struct kst_json *mode = kst_json_first(modes); mode; mode = kst_json_next(mode))
        printf(", %s", kst_json_str(mode) ? kst_json_str(mode) : "");
    printf(")\n");
    printf("    cut at %s with class %s, at least %s to restore\n", kst_kind_text(row, "cutAt"),
           kst_kind_text(row, "snapshotClass"), kst_kind_text(row, "restoreSize"));
    printf("    VolumeSnapshot         %s/%s\n", ns, kst_kind_text(row, "snapshot"));
    printf("    VolumeSnapshotContent  %s\n", kst_kind_text(row, "content"));
    printf("    handle                 %s (driver %s)%s\n", kst_kind_text(row, "handle"),
           kst_kind_text(row, "driver"),
           kst_json_path_true(row, "elsewhere") ? ", in the cluster where it was made" : "");
}

static void print_volumes(const struct kst_json *point)
{
    const struct kst_json *rows = kst_json_path(point, "status.volumes");
    if (kst_json_len(rows))
        printf("\nVolumes:\n");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row))
        print_volume(row, kst_kind_text(point, "spec.application.namespace"));
}

static void print_objects(const struct kst_json *status)
{
    const struct kst_json *objects = kst_json_get(status, "objects");
    char raw[KST_KIND_CELL] = "", packed[KST_KIND_CELL] = "";
    if (!objects)
        return;
    kst_kind_cell_bytes(raw, kst_json_get(objects, "bytes"));
    kst_kind_cell_bytes(packed, kst_json_get(objects, "compressedBytes"));
    printf("\nObjects:\n  %lld, %s (%s compressed, in %lld Secrets)\n",
           (long long)kst_json_path_int(objects, "count", 0), raw, packed,
           (long long)kst_json_path_int(objects, "parts", 0));
    if (*kst_kind_text(objects, "sha256"))
        printf("  sha256 %s\n", kst_kind_text(objects, "sha256"));
    const struct kst_json *missing = kst_json_get(status, "missing");
    for (const struct kst_json *row = kst_json_first(missing); row; row = kst_json_next(row))
        printf("  without those of %s, which did not answer\n",
               kst_json_str(row) ? kst_json_str(row) : "");
}

static void print_conditions(const struct kst_json *point)
{
    const struct kst_json *rows = kst_json_path(point, "status.conditions");
    if (kst_json_len(rows))
        printf("\nConditions:\n");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row))
        printf("  %-16s %-6s %-18s %s\n", kst_kind_text(row, "type"), kst_kind_text(row, "status"),
               kst_kind_text(row, "reason"), kst_kind_text(row, "message"));
}

static void describe(struct kst_kube *kube, const struct kst_json *point)
{
    const struct kst_json *status = kst_json_get(point, "status");
    print_head(point);
    kst_kind_print_bindings(status);
    print_volumes(point);
    print_objects(status);
    kst_kind_print_artifacts(status);
    print_conditions(point);
    if (strcmp(phase_of(point), "Ready") == 0)
        printf("\nRestore it with: kassette restore %s\n", kst_kind_text(point, "metadata.name"));
    kst_kind_print_events(kube, point);
}

void kst_kind_tell_point(struct kst_kube *kube, const char *home, const char *name)
{
    kst_auto_json struct kst_json *point = NULL;
    if (kst_kube_get(kube, &kst_res_restorepoints, home, name, &point, NULL) < 0)
        return; /* the backup is done all the same */
    const struct kst_json *status = kst_json_get(point, "status");
    int64_t volumes = kst_json_path_int(status, "volumeCount", 0);
    int64_t objects = kst_json_path_int(status, "objects.count", -1);
    printf("RestorePoint %s/%s: %lld volume%s", home, name, (long long)volumes,
           volumes == 1 ? "" : "s");
    if (objects >= 0)
        printf(", %lld object%s", (long long)objects, objects == 1 ? "" : "s");
    const struct kst_json *exported = condition(point, "Exported");
    printf("\n");
    if (exported && strcmp(kst_kind_text(exported, "status"), "True") != 0)
        printf("  %s\n", kst_kind_text(exported, "message"));
    printf("  restore it with: kassette restore %s\n", name);
}

static const char *const words[] = {"point", "points", "rp", NULL};
static const char *const columns[] = {"NAME",    "APPLICATION", "PHASE",   "VOLUMES",
                                      "OBJECTS", "EXPORTED",    "EXPIRES", "AGE",
                                      "SIZE",    "COMMIT",      NULL};

const struct kst_kind kst_kind_point = {
    .resource = &kst_res_restorepoints,
    .words = words,
    .columns = columns,
    .narrow = 8,
    .fill = fill,
    .describe = describe,
};
