/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/table/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/table/internal.h"
#include "sandbox/table/jsonpath.h"
#include "sandbox/types/gotext.h"

/* Whole numbers up to here are the same as a double. */
#define EXACT ((int64_t)1 << 53)

static struct kst_json *column(const char *name, const char *type, const char *format,
                               const char *description, int64_t priority)
{
    return kst_json_make("{'name':%s,'type':%s,'format':%s,'description':%s,'priority':%L}", name,
                         type, format, description, priority);
}

/* ---- Custom resources ---- */

static const char *json_path_of(const struct kst_json *printer_column)
{
    const char *path = kst_json_path_str(printer_column, "jsonPath");
    return path ? path : kst_cell_text(printer_column, "JSONPath");
}

static struct kst_json *custom_columns(const struct kst_json *printer_columns)
{
    struct kst_json *columns = kst_json_array();
    kst_json_push(columns, column("Name", "string", "name", kst_table_about_name, 0));
    const struct kst_json *c = kst_json_first(printer_columns);
    for (; c; c = kst_json_next(c)) {
        kst_auto_free char *description = kst_asprintf(
            "Custom resource definition column (in JSONPath format): %s", json_path_of(c));
        const char *own = kst_cell_text(c, "description");
        kst_json_push(columns, column(kst_cell_text(c, "name"), kst_cell_text(c, "type"),
                                      kst_cell_text(c, "format"), *own ? own : description,
                                      kst_json_path_int(c, "priority", 0)));
    }
    return columns;
}

static struct kst_json *string_cell(const struct kst_json *value)
{
    kst_auto_buf text = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    switch (kst_json_type(value)) {
    case KST_JSON_STRING:
        return kst_json_dup(value);
    case KST_JSON_NUMBER:
        kst_go_plain(&text, value);
        break;
    case KST_JSON_NULL:
        return kst_json_from_str("<no value>");
    default:
        kst_go_json(&text, value);
    }
    return kst_json_from_str(text.data);
}

static struct kst_json *date_cell(const struct kst_json *value, int64_t now_ms)
{
    int64_t wall_us = 0;
    char age[KST_TABLE_AGE];
    const char *text = kst_json_str(value);
    if (!text)
        return kst_json_null();
    if (!*text || strcmp(text, "null") == 0)
        return kst_json_from_str("<unknown>");
    if (!kst_time_parse_us(text, &wall_us))
        return kst_json_from_str("<invalid>");
    kst_table_duration(now_ms - wall_us / 1000, age);
    return kst_json_from_str(age);
}

/* As a float64, or cut to an int64 where that is asked for; what is too large is then the least. */
static struct kst_json *number_cell(const struct kst_json *value, bool integer)
{
    int64_t whole = 0;
    const char *text = kst_json_number(value);
    if (!text)
        return kst_json_null();
    bool is_int = kst_go_is_int(text, &whole);
    if (is_int && (integer || (whole > -EXACT && whole < EXACT)))
        return kst_json_dup(value);
    double number = strtod(text, NULL);
    if (integer)
        return kst_json_from_int(fabs(number) < 9223372036854775808.0 ? (int64_t)number
                                                                      : INT64_MIN);
    kst_auto_free char *exact = kst_asprintf("%.1f", number);
    kst_auto_free char *stored = kst_go_json_number(is_int ? exact : text);
    return kst_json_from_number(stored);
}

static struct kst_json *custom_cell(const struct kst_json *column, const struct kst_json *object,
                                    int64_t now_ms)
{
    kst_auto_json struct kst_json *found = kst_json_array();
    const char *type = kst_cell_text(column, "type");
    if (kst_jsonpath_eval(object, json_path_of(column), found, NULL) < 0 ||
        kst_json_len(found) == 0)
        return kst_json_null();
    const struct kst_json *value = kst_json_at(found, 0);
    if (strcmp(type, "string") == 0)
        return string_cell(value);
    if (strcmp(type, "date") == 0)
        return date_cell(value, now_ms);
    if (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0)
        return number_cell(value, type[0] == 'i');
    if (strcmp(type, "boolean") == 0 && kst_json_type(value) == KST_JSON_BOOL)
        return kst_json_dup(value);
    return kst_json_null();
}

/* ---- Any kind ---- */

struct maker {
    const struct kst_table_request *request;
    const struct kst_table_kind *kind; /* NULL: custom, or without a printer */
    const struct kst_json *custom;     /* printer columns; NULL: built-in */
};

static struct kst_json *columns_of(const struct maker *self)
{
    if (self->custom)
        return custom_columns(self->custom);
    struct kst_json *columns = kst_json_array();
    for (size_t i = 0; self->kind && i < self->kind->count; i++) {
        const struct kst_table_column *c = &self->kind->columns[i];
        kst_json_push(columns, column(c->name, c->type, c->format, c->description, c->priority));
    }
    if (!self->kind) {
        kst_json_push(columns, column("Name", "string", "name", kst_table_about_name, 0));
        kst_json_push(columns, column("Created At", "date", "", kst_table_about_age, 0));
    }
    return columns;
}

static void fill(const struct maker *self, struct kst_table_row *row)
{
    if (self->kind) {
        self->kind->print(row);
        return;
    }
    kst_cell_name(row);
    const struct kst_json *c = kst_json_first(self->custom);
    for (; c; c = kst_json_next(c))
        kst_json_push(row->cells, custom_cell(c, row->object, row->now_ms));
    if (!self->custom)
        kst_cell_text_at(row, "metadata.creationTimestamp", "0001-01-01T00:00:00Z");
}

static const char *version_of(const struct kst_table_request *request)
{
    return request->version && *request->version ? request->version : "v1";
}

static struct kst_json *included(const struct kst_table_request *request,
                                 const struct kst_json *object)
{
    const char *include = request->include_object ? request->include_object : "";
    if (strcmp(include, "None") == 0)
        return kst_json_null();
    if (strcmp(include, "Object") == 0)
        return kst_json_dup(object);
    kst_auto_free char *version = kst_asprintf("meta.k8s.io/%s", version_of(request));
    struct kst_json *partial = kst_json_make("{'kind':'PartialObjectMetadata','apiVersion':%s}",
                                             version);
    kst_json_set(partial, "metadata", kst_json_dup(kst_json_get(object, "metadata")));
    return partial;
}

static struct kst_json *row_of(const struct maker *self, const struct kst_json *object)
{
    struct kst_table_row row = {
        .object = object, .now_ms = self->request->now_ms, .cells = kst_json_array()};
    fill(self, &row);
    struct kst_json *result = kst_json_object();
    kst_json_set(result, "cells", row.cells);
    if (row.conditions)
        kst_json_set(result, "conditions", row.conditions);
    kst_json_set(result, "object", included(self->request, object));
    return result;
}

/* A list's metadata are those of the Table; of a single object it is the version and self link. */
static struct kst_json *metadata_of(const struct kst_json *list, const struct kst_json *object)
{
    static const char *const keys[] = {"selfLink", "resourceVersion", "continue",
                                       "remainingItemCount"};
    const struct kst_json *from = list ? list : kst_json_get(object, "metadata");
    struct kst_json *metadata = kst_json_object();
    for (size_t i = 0; i < (list ? KST_ARRAY_LEN(keys) : 2); i++) {
        if (kst_json_get(from, keys[i]))
            kst_json_set(metadata, keys[i], kst_json_dup(kst_json_get(from, keys[i])));
    }
    return metadata;
}

struct kst_json *kst_table_make(const struct kst_table_request *request,
                                const struct kst_json *list_metadata,
                                const struct kst_json *const *objects, size_t count)
{
    kst_auto_json struct kst_json *age = kst_json_make(
        "[{'name':'Age','type':'date','jsonPath':'.metadata.creationTimestamp','description':%s}]",
        kst_table_about_age);
    struct maker maker = {.request = request};
    if (request->custom)
        maker.custom = kst_json_len(request->printer_columns) > 0 ? request->printer_columns : age;
    else
        maker.kind = kst_table_kind_find(request->group, request->kind);
    struct kst_json *rows = kst_json_array();
    for (size_t i = 0; i < count; i++)
        kst_json_push(rows, row_of(&maker, objects[i]));
    kst_auto_free char *version = kst_asprintf("meta.k8s.io/%s", version_of(request));
    struct kst_json *table = kst_json_make("{'kind':'Table','apiVersion':%s}", version);
    kst_json_set(table, "metadata", metadata_of(list_metadata, count > 0 ? objects[0] : NULL));
    kst_json_set(table, "columnDefinitions",
                 request->no_headers ? kst_json_null() : columns_of(&maker));
    /* The server's converter of kinds without a printer leaves an empty list null. */
    bool null_rows = count == 0 && !maker.kind && !maker.custom;
    kst_json_set(table, "rows", null_rows ? kst_json_null() : rows);
    if (null_rows)
        kst_json_free(rows);
    return table;
}
