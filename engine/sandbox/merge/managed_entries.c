/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/merge/managed_entries.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/merge/fieldset.h"

#define ANCIENT "ancient-changes"

enum { MAX_UPDATES = 10, TEXT_BYTES = 4 << 20 };

static void entry_release(struct kst_managed_entry *entry)
{
    free(entry->manager);
    free(entry->operation);
    free(entry->api_version);
    free(entry->time);
    kst_fieldset_free(entry->fields);
}

void kst_managed_entries_release(struct kst_managed_entries *self)
{
    for (size_t i = 0; i < self->len; i++)
        entry_release(&self->rows[i]);
    free(self->rows);
    *self = (struct kst_managed_entries){0};
}

bool kst_managed_is_apply(const struct kst_managed_entry *entry)
{
    return strcmp(entry->operation, "Apply") == 0;
}

struct kst_managed_entry *kst_managed_find(const struct kst_managed_entries *self,
                                           const char *manager, const char *operation,
                                           const char *api_version)
{
    for (size_t i = 0; i < self->len; i++) {
        struct kst_managed_entry *entry = &self->rows[i];
        if (strcmp(entry->manager, manager) == 0 && strcmp(entry->operation, operation) == 0 &&
            (kst_managed_is_apply(entry) || strcmp(entry->api_version, api_version) == 0))
            return entry;
    }
    return NULL;
}

struct kst_managed_entry *kst_managed_add(struct kst_managed_entries *self, const char *manager,
                                          const char *operation, const char *api_version)
{
    if (self->len == self->size) {
        self->size = self->size ? 2 * self->size : 8;
        self->rows = kst_realloc(self->rows, self->size * sizeof(*self->rows));
    }
    struct kst_managed_entry *entry = &self->rows[self->len++];
    *entry = (struct kst_managed_entry){.manager = kst_strdup(manager),
                                        .operation = kst_strdup(operation),
                                        .api_version = kst_strdup(api_version),
                                        .fields = kst_fieldset_new()};
    return entry;
}

static void set_text(char **to, const char *text)
{
    char *copy = kst_strdup(text);
    free(*to);
    *to = copy;
}

void kst_managed_set_time(struct kst_managed_entry *entry, const char *time)
{
    set_text(&entry->time, time);
}

void kst_managed_set_version(struct kst_managed_entry *entry, const char *api_version)
{
    set_text(&entry->api_version, api_version);
}

void kst_managed_copy(struct kst_managed_entries *copy, const struct kst_managed_entries *self)
{
    for (size_t i = 0; i < self->len; i++) {
        const struct kst_managed_entry *entry = &self->rows[i];
        struct kst_managed_entry *own = kst_managed_add(copy, entry->manager, entry->operation,
                                                        entry->api_version);
        kst_managed_set_time(own, entry->time);
        kst_fieldset_free(own->fields);
        own->fields = kst_fieldset_union(entry->fields, NULL);
    }
}

bool kst_managed_equal(const struct kst_managed_entries *a, const struct kst_managed_entries *b)
{
    bool equal = a->len == b->len;
    for (size_t i = 0; equal && i < a->len; i++) {
        const struct kst_managed_entry *x = &a->rows[i];
        const struct kst_managed_entry *y = kst_managed_find(b, x->manager, x->operation,
                                                             x->api_version);
        equal = y && strcmp(x->api_version, y->api_version) == 0 &&
                kst_fieldset_equal(x->fields, y->fields);
    }
    return equal;
}

static void drop(struct kst_managed_entries *self, size_t place)
{
    entry_release(&self->rows[place]);
    self->len--;
    memmove(&self->rows[place], &self->rows[place + 1], (self->len - place) * sizeof(*self->rows));
}

void kst_managed_drop_empty(struct kst_managed_entries *self)
{
    for (size_t i = self->len; i-- > 0;) {
        if (kst_fieldset_empty(self->rows[i].fields))
            drop(self, i);
    }
}

/* ---- The API's format ---- */

static const char *text_of(const struct kst_json *row, const char *key)
{
    const char *text = kst_json_str(kst_json_get(row, key));
    return text ? text : "";
}

bool kst_managed_parse(struct kst_managed_entries *self, const struct kst_json *list)
{
    for (const struct kst_json *row = kst_json_first(list); row; row = kst_json_next(row)) {
        if (strcmp(text_of(row, "fieldsType"), "FieldsV1") != 0) {
            kst_managed_entries_release(self);
            return false;
        }
        const char *manager = text_of(row, "manager"), *operation = text_of(row, "operation");
        const char *version = text_of(row, "apiVersion");
        struct kst_managed_entry *entry = kst_managed_find(self, manager, operation, version);
        entry = entry ? entry : kst_managed_add(self, manager, operation, version);
        kst_fieldset_free(entry->fields);
        entry->fields = kst_fieldset_parse(kst_json_get(row, "fieldsV1"));
        kst_managed_set_time(entry, kst_json_str(kst_json_get(row, "time")));
    }
    return true;
}

static int compare_texts(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

static int compare_entries(const void *a, const void *b)
{
    const struct kst_managed_entry *x = a, *y = b;
    int order = strcmp(x->operation, y->operation);
    order = order ? order : compare_texts(x->time, y->time);
    order = order ? order : strcmp(x->manager, y->manager);
    return order ? order : strcmp(x->api_version, y->api_version);
}

void kst_managed_store(struct kst_managed_entries *self, struct kst_json *object)
{
    struct kst_json *list = kst_json_array();
    if (self->len)
        qsort(self->rows, self->len, sizeof(*self->rows), compare_entries);
    for (size_t i = 0; i < self->len; i++) {
        const struct kst_managed_entry *entry = &self->rows[i];
        kst_auto_json struct kst_json *fields = kst_fieldset_json(entry->fields);
        struct kst_json *row = kst_json_make("{'manager':%s,'operation':%s,'apiVersion':%s}",
                                             entry->manager, entry->operation, entry->api_version);
        if (entry->time)
            kst_json_set_str(row, "time", entry->time);
        kst_json_set_str(row, "fieldsType", "FieldsV1");
        kst_json_set(row, "fieldsV1", kst_take(fields));
        kst_json_push(list, row);
    }
    struct kst_json *metadata = kst_json_ensure_object(object, "metadata");
    if (self->len) {
        kst_json_set(metadata, "managedFields", list);
    } else {
        kst_json_free(list);
        kst_json_remove(metadata, "managedFields");
    }
}

/* ---- The cap ---- */

static int compare_ages(const void *a, const void *b)
{
    const struct kst_managed_entry *x = a, *y = b;
    int order = compare_texts(x->time, y->time);
    order = order ? order : strcmp(x->manager, y->manager);
    return order ? order : strcmp(x->api_version, y->api_version);
}

/* The oldest update of the version that is no bucket, before `end`; or `end`. */
static size_t oldest(const struct kst_managed_entries *self, const char *version, size_t end)
{
    for (size_t i = 0; i < end; i++) {
        const struct kst_managed_entry *entry = &self->rows[i];
        if (!kst_managed_is_apply(entry) && strcmp(entry->api_version, version) == 0)
            return i;
    }
    return end;
}

void kst_managed_cap(struct kst_managed_entries *self)
{
    size_t updates = 0;
    for (size_t i = 0; i < self->len; i++)
        updates += !kst_managed_is_apply(&self->rows[i]);
    if (updates <= MAX_UPDATES)
        return;
    qsort(self->rows, self->len, sizeof(*self->rows), compare_ages);
    for (size_t i = 0; i < self->len && updates > MAX_UPDATES;) {
        struct kst_managed_entry *entry = &self->rows[i];
        size_t first = oldest(self, entry->api_version, i);
        if (kst_managed_is_apply(entry) || first == i) {
            i++;
            continue;
        }
        struct kst_managed_entry *bucket = &self->rows[first];
        struct kst_fieldset *both = kst_fieldset_union(bucket->fields, entry->fields);
        kst_fieldset_free(bucket->fields);
        bucket->fields = both;
        set_text(&bucket->manager, ANCIENT);
        kst_managed_set_time(bucket, entry->time);
        drop(self, i);
        updates--;
    }
}

/* ---- Go's JSON ---- */

static int compare_keys(const void *a, const void *b)
{
    return strcmp(kst_json_key(*(const struct kst_json *const *)a),
                  kst_json_key(*(const struct kst_json *const *)b));
}

static struct kst_json *sorted(const struct kst_json *value)
{
    if (kst_json_type(value) == KST_JSON_ARRAY) {
        struct kst_json *list = kst_json_array();
        for (const struct kst_json *row = kst_json_first(value); row; row = kst_json_next(row))
            kst_json_push(list, sorted(row));
        return list;
    }
    if (kst_json_type(value) != KST_JSON_OBJECT)
        return kst_json_dup(value);
    size_t len = kst_json_len(value), n = 0;
    kst_auto_free const struct kst_json **rows = kst_calloc(len + 1, sizeof(*rows));
    for (const struct kst_json *row = kst_json_first(value); row; row = kst_json_next(row))
        rows[n++] = row;
    qsort(rows, n, sizeof(*rows), compare_keys);
    struct kst_json *object = kst_json_object();
    for (size_t i = 0; i < n; i++)
        kst_json_set(object, kst_json_key(rows[i]), sorted(rows[i]));
    return object;
}

char *kst_managed_go_text(const struct kst_json *value)
{
    kst_auto_json struct kst_json *copy = sorted(value);
    kst_auto_free char *plain = kst_json_text(copy);
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
    for (const char *from = plain; *from; from++) {
        if (strchr("<>&", *from))
            kst_buf_addf(&text, "\\u%04x", (unsigned)*from);
        else
            kst_buf_addc(&text, *from);
    }
    kst_buf_addc(&text, '\n');
    return kst_buf_take(&text);
}
