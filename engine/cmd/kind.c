/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "kube/client.h"
#include "kube/resource.h"

static const struct kst_kind *const kinds[] = {&kst_kind_run, &kst_kind_point};

/* ---- Words ---- */

static bool is_called(const struct kst_kind *self, const char *word, size_t len)
{
    const struct kst_kube_resource *resource = self->resource;
    const char *const own[] = {resource->kind, resource->plural, resource->singular, NULL};
    const char *const *const lists[] = {own, self->words};
    for (size_t i = 0; i < KST_ARRAY_LEN(lists); i++) {
        for (const char *const *at = lists[i]; *at; at++) {
            if (strlen(*at) == len && strncasecmp(*at, word, len) == 0)
                return true;
        }
    }
    return false;
}

const struct kst_kind *kst_kind_find(const char *word)
{
    const char *dot = strchr(word, '.');
    size_t len = dot ? (size_t)(dot - word) : strlen(word);
    for (size_t i = 0; i < KST_ARRAY_LEN(kinds); i++) {
        if (is_called(kinds[i], word, len) &&
            (!dot || strcmp(dot + 1, kinds[i]->resource->group) == 0))
            return kinds[i];
    }
    return NULL;
}

/* "point/NAME": NULL where there is no slash, or no kind before it. */
static const struct kst_kind *split(char **arg)
{
    char *slash = strchr(*arg, '/');
    if (!slash)
        return NULL;
    kst_auto_free char *word = kst_strndup(*arg, (size_t)(slash - *arg));
    const struct kst_kind *kind = kst_kind_find(word);
    if (kind)
        *arg = slash + 1;
    return kind;
}

const struct kst_kind *kst_kind_take(struct kst_cmd *cmd, const struct kst_kind *otherwise,
                                     bool lone)
{
    if (!cmd->args[0])
        return otherwise;
    const struct kst_kind *kind = split(&cmd->args[0]);
    if (kind) {
        for (size_t i = 1; cmd->args[i]; i++)
            split(&cmd->args[i]);
        return kind;
    }
    kind = lone || cmd->args[1] ? kst_kind_find(cmd->args[0]) : NULL;
    if (!kind)
        return otherwise;
    cmd->args++;
    return kind;
}

/* ---- Tables ---- */

void kst_kind_print(const struct kst_kind *self, const struct kst_json *objects, bool wide)
{
    int columns = self->narrow, widths[KST_KIND_COLUMNS] = {0};
    while (wide && self->columns[columns])
        columns++;
    size_t count = kst_json_len(objects) + 1;
    char(*cells)[KST_KIND_COLUMNS][KST_KIND_CELL] = kst_calloc(count, sizeof(*cells));
    for (int i = 0; i < columns; i++)
        kst_kind_cell(cells[0][i], self->columns[i]);
    for (size_t row = 1; row < count; row++)
        self->fill(kst_json_at(objects, row - 1), cells[row]);
    for (size_t row = 0; row < count; row++) {
        for (int i = 0; i < columns; i++) {
            if (!cells[row][i][0])
                kst_kind_cell(cells[row][i], "-");
            int len = (int)strlen(cells[row][i]);
            widths[i] = len > widths[i] ? len : widths[i];
        }
    }
    for (size_t row = 0; row < count; row++) {
        for (int i = 0; i + 1 < columns; i++)
            printf("%-*s   ", widths[i], cells[row][i]);
        printf("%s\n", cells[row][columns - 1]);
    }
    free(cells);
}

void kst_kind_cell(char *cell, const char *text)
{
    snprintf(cell, KST_KIND_CELL, "%s", text ? text : "");
}

void kst_kind_cell_int(char *cell, const struct kst_json *number)
{
    int64_t value;
    if (kst_json_int(number, &value))
        snprintf(cell, KST_KIND_CELL, "%lld", (long long)value);
}

void kst_kind_cell_age(char *cell, const struct kst_json *object)
{
    int64_t created_us = 0;
    if (!kst_time_parse_us(kst_json_path_str(object, "metadata.creationTimestamp"), &created_us))
        return;
    int64_t seconds = (kst_wall_us() - created_us) / 1000000;
    if (seconds > 0)
        kst_duration_format(seconds * 1000, cell);
    else
        kst_kind_cell(cell, "0s");
}

void kst_kind_cell_bytes(char *cell, const struct kst_json *number)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int64_t value;
    if (!kst_json_int(number, &value))
        return;
    double left = (double)value;
    size_t unit = 0;
    while (left >= 1024 && unit + 1 < KST_ARRAY_LEN(units)) {
        left /= 1024;
        unit++;
    }
    snprintf(cell, KST_KIND_CELL, unit ? "%.1f %s" : "%.0f %s", left, units[unit]);
}

void kst_kind_cell_commit(char *cell, const struct kst_json *status)
{
    const char *commit = kst_json_path_str(status, "source.commit");
    if (commit)
        snprintf(cell, KST_KIND_CELL, "%.12s", commit);
}

/* ---- Descriptions ---- */

const char *kst_kind_text(const struct kst_json *value, const char *path)
{
    const char *text = kst_json_path_str(value, path);
    return text ? text : "";
}

void kst_kind_field(const char *name, const char *value)
{
    if (value && *value)
        printf("%-13s %s\n", name, value);
}

void kst_kind_print_source(const struct kst_json *status)
{
    const struct kst_json *source = kst_json_get(status, "source");
    if (!source)
        return;
    if (kst_json_path_str(source, "builtin"))
        printf("%-13s built in (%s)\n", "Source:", kst_kind_text(source, "builtin"));
    else
        printf("%-13s %s%s%s, commit %s\n", "Source:", kst_kind_text(source, "url"),
               kst_json_path_str(source, "ref") ? " " : "", kst_kind_text(source, "ref"),
               kst_kind_text(source, "commit"));
}

void kst_kind_print_freeze(const struct kst_json *status)
{
    if (!kst_json_get(status, "freeze"))
        return;
    char took[KST_TIME_TEXT];
    kst_duration_format(kst_json_path_int(status, "freeze.durationMs", 0), took);
    printf("%-13s %s, from %s\n", "Freeze:", took, kst_kind_text(status, "freeze.startedAt"));
    printf("%-13s to %s\n", "", kst_kind_text(status, "freeze.endedAt"));
}

void kst_kind_print_bindings(const struct kst_json *status)
{
    const struct kst_json *rows = kst_json_get(status, "bindings");
    if (kst_json_len(rows))
        printf("\nBlueprints:\n");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row))
        printf("  %-32s %s (by %s)\n", kst_kind_text(row, "workload"),
               kst_kind_text(row, "blueprint"), kst_kind_text(row, "because"));
}

void kst_kind_print_artifacts(const struct kst_json *status)
{
    const struct kst_json *rows = kst_json_get(status, "artifacts");
    if (kst_json_len(rows))
        printf("\nArtifacts:\n");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row))
        printf("  %s\n", kst_json_key(row));
}

void kst_kind_print_events(struct kst_kube *kube, const struct kst_json *object)
{
    kst_auto_free char *selector = kst_asprintf("involvedObject.uid=%s",
                                                kst_kind_text(object, "metadata.uid"));
    const struct kst_kube_list_options options = {.field_selector = selector};
    kst_auto_json struct kst_json *events = NULL;
    if (kst_kube_list(kube, &kst_res_events, kst_kind_text(object, "metadata.namespace"), &options,
                      &events, NULL, NULL) < 0)
        return; /* they are an extra, and may be forbidden */
    if (kst_json_len(events))
        printf("\nEvents:\n");
    for (const struct kst_json *row = kst_json_first(events); row; row = kst_json_next(row))
        printf("  %s  %-8s %-12s %s\n", kst_kind_text(row, "lastTimestamp"),
               kst_kind_text(row, "type"), kst_kind_text(row, "reason"),
               kst_kind_text(row, "message"));
}
