/* SPDX-License-Identifier: Apache-2.0 */
/* The cells of a row: texts, numbers, ages, labels, selectors. */
#include "sandbox/table/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/types/quantity.h"

void kst_cell_str(struct kst_table_row *row, const char *text)
{
    kst_json_push(row->cells, kst_json_from_str(text ? text : ""));
}

void kst_cell_format(struct kst_table_row *row, const char *format, ...)
{
    kst_auto_buf text = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    va_list args;
    va_start(args, format);
    kst_buf_addv(&text, format, args);
    va_end(args);
    kst_cell_str(row, text.data);
}

void kst_cell_int(struct kst_table_row *row, int64_t value)
{
    kst_json_push(row->cells, kst_json_from_int(value));
}

void kst_cell_bool(struct kst_table_row *row, bool value)
{
    kst_json_push(row->cells, kst_json_bool(value));
}

void kst_cell_buf(struct kst_table_row *row, const struct kst_buf *text, const char *empty)
{
    kst_cell_str(row, text->len > 0 ? text->data : empty);
}

const char *kst_cell_text(const struct kst_json *value, const char *path)
{
    const char *text = path ? kst_json_path_str(value, path) : kst_json_str(value);
    return text ? text : "";
}

void kst_cell_text_at(struct kst_table_row *row, const char *path, const char *empty)
{
    const char *text = kst_cell_text(row->object, path);
    kst_cell_str(row, *text ? text : empty);
}

void kst_cell_int_at(struct kst_table_row *row, const char *path)
{
    kst_cell_int(row, kst_json_path_int(row->object, path, 0));
}

void kst_cell_name(struct kst_table_row *row)
{
    kst_cell_text_at(row, "metadata.name", "");
}

void kst_table_duration(int64_t ms, char *out)
{
    const long long seconds = ms / 1000, minutes = seconds / 60, hours = minutes / 60;
    const long long days = hours / 24, years = days / 365;
    if (seconds < -1)
        snprintf(out, KST_TABLE_AGE, "<invalid>");
    else if (seconds < 0)
        snprintf(out, KST_TABLE_AGE, "0s");
    else if (seconds < 60 * 2)
        snprintf(out, KST_TABLE_AGE, "%llds", seconds);
    else if (minutes < 10 && seconds % 60 != 0)
        snprintf(out, KST_TABLE_AGE, "%lldm%llds", minutes, seconds % 60);
    else if (minutes < 60 * 3)
        snprintf(out, KST_TABLE_AGE, "%lldm", minutes);
    else if (hours < 8 && minutes % 60 != 0)
        snprintf(out, KST_TABLE_AGE, "%lldh%lldm", hours, minutes % 60);
    else if (hours < 48)
        snprintf(out, KST_TABLE_AGE, "%lldh", hours);
    else if (days < 8 && hours % 24 != 0)
        snprintf(out, KST_TABLE_AGE, "%lldd%lldh", days, hours % 24);
    else if (years < 2)
        snprintf(out, KST_TABLE_AGE, "%lldd", days);
    else if (years < 8 && days % 365 != 0)
        snprintf(out, KST_TABLE_AGE, "%lldy%lldd", years, days % 365);
    else
        snprintf(out, KST_TABLE_AGE, "%lldy", years);
}

void kst_cell_age_of(const struct kst_table_row *row, const char *time, char *out)
{
    int64_t wall_us = 0;
    if (time && kst_time_parse_us(time, &wall_us))
        kst_table_duration(row->now_ms - wall_us / 1000, out);
    else
        snprintf(out, KST_TABLE_AGE, "<unknown>");
}

void kst_cell_age_at(struct kst_table_row *row, const char *path, const char *empty)
{
    char age[KST_TABLE_AGE];
    const char *time = kst_json_path_str(row->object, path);
    kst_cell_age_of(row, time, age);
    kst_cell_str(row, time ? age : empty);
}

void kst_cell_age(struct kst_table_row *row)
{
    kst_cell_age_at(row, "metadata.creationTimestamp", "<unknown>");
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **kst_cell_sorted_keys(const struct kst_json *object, size_t *count)
{
    const char **keys = kst_calloc(kst_json_len(object) + 1, sizeof(keys[0]));
    *count = 0;
    if (kst_json_type(object) != KST_JSON_OBJECT)
        return keys;
    for (const struct kst_json *e = kst_json_first(object); e; e = kst_json_next(e))
        keys[(*count)++] = kst_json_key(e);
    qsort(keys, *count, sizeof(keys[0]), compare_texts);
    return keys;
}

void kst_cell_labels_at(struct kst_table_row *row, const char *path)
{
    const struct kst_json *labels = kst_json_path(row->object, path);
    size_t count;
    kst_auto_free const char **keys = kst_cell_sorted_keys(labels, &count);
    kst_auto_buf text = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    for (size_t i = 0; i < count; i++)
        kst_buf_addf(&text, "%s%s=%s", i > 0 ? "," : "", keys[i],
                     kst_cell_text(kst_json_get(labels, keys[i]), NULL));
    kst_cell_buf(row, &text, "<none>");
}

/* One requirement of a selector: its key sorts it, its text is printed. */
struct requirement {
    const char *key;
    char *text;
};

static int compare_requirements(const void *a, const void *b)
{
    const struct requirement *ra = a, *rb = b;
    return strcmp(ra->key, rb->key);
}

static char *expression_text(const struct kst_json *expression, const char *key)
{
    const char *operator= kst_cell_text(expression, "operator");
    if (strcmp(operator, "Exists") == 0)
        return kst_strdup(key);
    if (strcmp(operator, "DoesNotExist") == 0)
        return kst_asprintf("!%s", key);
    kst_auto_json struct kst_json *set = kst_json_object();
    const struct kst_json *value = kst_json_first(kst_json_get(expression, "values"));
    for (; value; value = kst_json_next(value))
        kst_json_set_bool(set, kst_cell_text(value, NULL), true);
    size_t count;
    kst_auto_free const char **values = kst_cell_sorted_keys(set, &count);
    kst_auto_buf text = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    kst_buf_addf(&text, "%s %s (", key, strcmp(operator, "In") == 0 ? "in" : "notin");
    for (size_t i = 0; i < count; i++)
        kst_buf_addf(&text, "%s%s", i > 0 ? "," : "", values[i]);
    kst_buf_addc(&text, ')');
    return kst_buf_take(&text);
}

void kst_cell_selector_at(struct kst_table_row *row, const char *path)
{
    const struct kst_json *selector = kst_json_path(row->object, path);
    const struct kst_json *labels = kst_json_get(selector, "matchLabels");
    const struct kst_json *expressions = kst_json_get(selector, "matchExpressions");
    kst_auto_free struct requirement *all = kst_calloc(
        kst_json_len(labels) + kst_json_len(expressions) + 1, sizeof(all[0]));
    size_t count = 0;
    for (const struct kst_json *e = kst_json_first(labels); e; e = kst_json_next(e)) {
        all[count].key = kst_json_key(e) ? kst_json_key(e) : "";
        all[count].text = kst_asprintf("%s=%s", all[count].key, kst_cell_text(e, NULL));
        count++;
    }
    for (const struct kst_json *e = kst_json_first(expressions); e; e = kst_json_next(e)) {
        all[count].key = kst_cell_text(e, "key");
        all[count].text = expression_text(e, all[count].key);
        count++;
    }
    qsort(all, count, sizeof(all[0]), compare_requirements);
    kst_auto_buf text = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    for (size_t i = 0; i < count; i++) {
        kst_buf_addf(&text, "%s%s", i > 0 ? "," : "", all[i].text);
        free(all[i].text);
    }
    kst_cell_buf(row, &text, "<none>");
}

void kst_cell_containers_at(struct kst_table_row *row, const char *path)
{
    kst_auto_buf names = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    kst_auto_buf images = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    const struct kst_json *spec = kst_json_path(row->object, path);
    const struct kst_json *container = kst_json_first(kst_json_get(spec, "containers"));
    for (bool first = true; container; container = kst_json_next(container), first = false) {
        kst_buf_addf(&names, "%s%s", first ? "" : ",", kst_cell_text(container, "name"));
        kst_buf_addf(&images, "%s%s", first ? "" : ",", kst_cell_text(container, "image"));
    }
    kst_cell_str(row, names.data);
    kst_cell_str(row, images.data);
}

void kst_cell_quantity(struct kst_table_row *row, const struct kst_json *value)
{
    char text[KST_QUANTITY_TEXT];
    const char *stored = kst_json_str(value) ? kst_json_str(value) : kst_json_number(value);
    if (stored && kst_quantity_canonical(stored, text))
        kst_cell_str(row, text);
    else
        kst_cell_str(row, "0");
}

void kst_cell_join(struct kst_buf *out, const struct kst_json *texts, const char *separator)
{
    const struct kst_json *text = kst_json_first(texts);
    for (bool first = true; text; text = kst_json_next(text), first = false)
        kst_buf_addf(out, "%s%s", first ? "" : separator, kst_cell_text(text, NULL));
}
