/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/merge/managed.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/merge/fieldset.h"
#include "sandbox/merge/managed_entries.h"
#include "sandbox/merge/typed.h"

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"
/* The manager of what an object had before it was first applied. */
#define BEFORE       "before-first-apply"

enum { MESSAGE_BYTES = 1 << 16 };

/* A copy of the object without managedFields, which no manager owns. */
static struct kst_json *plain_copy(const struct kst_json *object)
{
    struct kst_json *copy = object ? kst_json_dup(object) : NULL;
    kst_json_remove(kst_json_mut(copy, "metadata"), "managedFields");
    return copy;
}

static const struct kst_json *entries_in(const struct kst_json *object)
{
    return kst_json_path(object, "metadata.managedFields");
}

static void replace(struct kst_fieldset **set, struct kst_fieldset *other)
{
    kst_fieldset_free(*set);
    *set = other;
}

/* The fields of every object, which nobody owns. */
static struct kst_fieldset *unowned(void)
{
    static const char *const paths[][2] = {
        {"f:apiVersion"},
        {"f:kind"},
        {"f:metadata"},
        {"f:metadata", "f:name"},
        {"f:metadata", "f:namespace"},
        {"f:metadata", "f:creationTimestamp"},
        {"f:metadata", "f:selfLink"},
        {"f:metadata", "f:uid"},
        {"f:metadata", "f:clusterName"},
        {"f:metadata", "f:generation"},
        {"f:metadata", "f:managedFields"},
        {"f:metadata", "f:resourceVersion"},
    };
    struct kst_fieldset *set = kst_fieldset_new();
    for (size_t i = 0; i < KST_ARRAY_LEN(paths); i++)
        kst_fieldset_insert(set, paths[i], paths[i][1] ? 2 : 1);
    return set;
}

static void strip(struct kst_fieldset **set)
{
    kst_auto_fieldset struct kst_fieldset *fields = unowned();
    replace(set, kst_fieldset_difference(*set, fields));
}

/* Brings what all managers own in line with the live object and its type. */
static void reconcile(const struct kst_typed *typed, const struct kst_json *live,
                      struct kst_managed_entries *entries)
{
    kst_auto_fieldset struct kst_fieldset *stated = kst_typed_fields(typed, live);
    for (size_t i = 0; i < entries->len; i++) {
        struct kst_managed_entry *entry = &entries->rows[i];
        replace(&entry->fields, kst_typed_reconcile(typed, stated, entry->fields));
    }
}

/* ---- Updates ---- */

/* Takes from all managers but `except` what has changed or gone. */
static void take_from_others(struct kst_managed_entries *entries,
                             const struct kst_managed_entry *except,
                             const struct kst_typed_changes *changes)
{
    for (size_t i = 0; i < entries->len; i++) {
        struct kst_managed_entry *entry = &entries->rows[i];
        if (entry == except)
            continue;
        replace(&entry->fields, kst_fieldset_difference(entry->fields, changes->modified));
        replace(&entry->fields, kst_fieldset_difference(entry->fields, changes->added));
        replace(&entry->fields, kst_fieldset_difference(entry->fields, changes->removed));
    }
}

static struct kst_fieldset *taken_by(const struct kst_typed_changes *changes)
{
    struct kst_fieldset *set = kst_fieldset_union(changes->added, changes->modified);
    replace(&set, kst_fieldset_difference(set, changes->removed));
    strip(&set);
    return set;
}

/* The entries after the change from `live` to `object`, made by an update of this manager. */
static void record_update(const struct kst_managed_write *write, const struct kst_typed *typed,
                          const char *manager, const struct kst_json *live,
                          const struct kst_json *object, struct kst_managed_entries *entries)
{
    kst_auto_typed_changes changes = {0};
    kst_typed_compare(typed, live, object, &changes);
    struct kst_managed_entry *own = kst_managed_find(entries, manager, "Update",
                                                     write->api_version);
    kst_auto_fieldset struct kst_fieldset *former = own ? kst_fieldset_union(own->fields, NULL)
                                                        : NULL;
    take_from_others(entries, NULL, &changes);
    kst_auto_fieldset struct kst_fieldset *taken = taken_by(&changes);
    if (!kst_fieldset_empty(taken)) {
        own = own ? own : kst_managed_add(entries, manager, "Update", write->api_version);
        replace(&own->fields, kst_fieldset_union(own->fields, taken));
        if (!former || !kst_fieldset_equal(own->fields, former))
            kst_managed_set_time(own, write->now);
    }
    kst_managed_drop_empty(entries);
    kst_managed_cap(entries);
}

void kst_managed_update(const struct kst_managed_write *write, const struct kst_json *live,
                        struct kst_json *object)
{
    kst_auto_managed_entries entries = {0};
    const struct kst_json *brought = entries_in(object);
    bool reset = kst_json_type(brought) == KST_JSON_ARRAY &&
                 (kst_json_len(brought) == 0 ||
                  (kst_json_len(brought) == 1 && kst_json_len(kst_json_at(brought, 0)) == 0));
    if (!reset && (!kst_managed_parse(&entries, brought) || entries.len == 0))
        kst_managed_parse(&entries, entries_in(live));

    struct kst_typed typed = kst_typed_of(write->group, write->kind, write->schema);
    kst_auto_json struct kst_json *old = plain_copy(live);
    kst_json_remove(kst_json_mut(object, "metadata"), "managedFields");
    bool is_tracked = !live || entries.len > 0;
    if (!is_tracked)
        return;
    if (kst_typed_check(&typed, object, NULL) < 0 ||
        (old && kst_typed_check(&typed, old, NULL) < 0))
        return;
    record_update(write, &typed, write->manager, old, object, &entries);
    kst_managed_store(&entries, object);
}

/* ---- Conflicts ---- */

struct conflict_list {
    const struct kst_managed_entry *entry;
    struct kst_json *rows;
};

/* As Go's %q prints names. */
static char *quoted(const char *text)
{
    kst_auto_json struct kst_json *value = kst_json_from_str(text);
    return kst_json_text(value);
}

static void add_conflict(void *context, const char *path)
{
    struct conflict_list *list = context;
    const struct kst_managed_entry *entry = list->entry;
    bool applied = kst_managed_is_apply(entry);
    kst_auto_free char *name = quoted(entry->manager);
    kst_auto_free char *message = kst_asprintf(
        "conflict with %s%s%s", name, applied ? "" : " using ", applied ? "" : entry->api_version);
    struct kst_json *row = kst_json_make("{'manager':%s,'field':%s,'message':%s,'place':%d}",
                                         entry->manager, path, message,
                                         (int)kst_json_len(list->rows));
    if (!applied)
        kst_json_set_str(row, "api_version", entry->api_version);
    kst_json_push(list->rows, row);
}

/* The server lists managers by their names. */
static int compare_conflicts(const void *a, const void *b)
{
    const struct kst_json *const *x = a, *const *y = b;
    int order = strcmp(kst_json_path_str(*x, "message"), kst_json_path_str(*y, "message"));
    int64_t first = kst_json_path_int(*x, "place", 0), second = kst_json_path_int(*y, "place", 0);
    return order ? order : first < second ? -1 : first > second;
}

static struct kst_json *sort_conflicts(const struct kst_json *found)
{
    size_t len = kst_json_len(found), n = 0;
    kst_auto_free const struct kst_json **rows = kst_calloc(len + 1, sizeof(*rows));
    for (const struct kst_json *row = kst_json_first(found); row; row = kst_json_next(row))
        rows[n++] = row;
    qsort(rows, n, sizeof(*rows), compare_conflicts);
    struct kst_json *sorted = kst_json_array();
    for (size_t i = 0; i < n; i++) {
        struct kst_json *row = kst_json_dup(rows[i]);
        kst_json_remove(row, "place");
        kst_json_push(sorted, row);
    }
    return sorted;
}

/* The server's message: by manager, each with its fields. */
static int report(const struct kst_json *rows, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(MESSAGE_BYTES);
    const char *last = "";
    if (kst_json_len(rows) == 1) {
        const struct kst_json *row = kst_json_at(rows, 0);
        return kst_err_set(err, KST_E_CONFLICT, "Apply failed with 1 conflict: %s: %s",
                           kst_json_path_str(row, "message"), kst_json_path_str(row, "field"));
    }
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        const char *message = kst_json_path_str(row, "message");
        if (strcmp(message, last) != 0)
            kst_buf_addf(&text, "%sconflicts%s:", *last ? "\n" : "", message + strlen("conflict"));
        kst_buf_addf(&text, "\n- %s", kst_json_path_str(row, "field"));
        last = message;
    }
    return kst_err_set(err, KST_E_CONFLICT, "Apply failed with %zu conflicts: %s",
                       kst_json_len(rows), text.data);
}

/* What kubectl's client-side apply stated, and is still so: its fields may be taken over by
 * kubectl's server-side apply. NULL where there is nothing of the kind. */
static struct kst_fieldset *last_applied_fields(const struct kst_managed_write *write,
                                                const struct kst_typed *typed,
                                                const struct kst_json *live)
{
    const struct kst_json *annotations = kst_json_path(live, "metadata.annotations");
    const char *text = kst_json_str(kst_json_get(annotations, LAST_APPLIED));
    kst_auto_json struct kst_json *last = NULL;
    if (!text || kst_json_parse(text, strlen(text), &last, NULL) < 0)
        return NULL;
    const char *version = kst_json_path_str(last, "apiVersion");
    if (!version || strcmp(version, write->api_version) != 0 ||
        kst_typed_check(typed, last, NULL) < 0)
        return NULL;
    kst_auto_typed_changes changes = {0};
    kst_typed_compare(typed, last, live, &changes);
    struct kst_fieldset *fields = kst_typed_fields(typed, last);
    replace(&fields, kst_fieldset_difference(fields, changes.modified));
    replace(&fields, kst_fieldset_difference(fields, changes.added));
    replace(&fields, kst_fieldset_difference(fields, changes.removed));
    return fields;
}

/* ---- Apply ---- */

static bool is_kubectl(const struct kst_managed_write *write)
{
    return strcmp(write->manager, "kubectl") == 0;
}

static int check_conflicts(const struct kst_managed_write *write, const struct kst_typed *typed,
                           const struct kst_managed_entries *entries,
                           const struct kst_managed_entry *own, const struct kst_json *live,
                           const struct kst_typed_changes *changes, struct kst_json *conflicts,
                           struct kst_err **err)
{
    kst_auto_fieldset struct kst_fieldset *changed = kst_fieldset_union(changes->modified,
                                                                        changes->added);
    kst_auto_fieldset struct kst_fieldset *allowed = is_kubectl(write)
                                                         ? last_applied_fields(write, typed, live)
                                                         : NULL;
    kst_auto_json struct kst_json *found = kst_json_array();
    for (size_t i = 0; i < entries->len; i++) {
        struct conflict_list list = {.entry = &entries->rows[i], .rows = found};
        if (list.entry == own)
            continue;
        kst_auto_fieldset struct kst_fieldset *both = kst_fieldset_intersection(list.entry->fields,
                                                                                changed);
        kst_auto_fieldset struct kst_fieldset *rest = kst_fieldset_difference(both, allowed);
        kst_fieldset_each(rest, add_conflict, &list);
    }
    if (!kst_json_len(found))
        return 0;
    kst_auto_json struct kst_json *sorted = sort_conflicts(found);
    for (const struct kst_json *row = kst_json_first(sorted); conflicts && row;
         row = kst_json_next(row))
        kst_json_push(conflicts, kst_json_dup(row));
    return report(sorted, err);
}

/* The fields that the manager stated last time (`last`) and states no more, unless they are owned
 * by somebody, or were never of the manager's. */
static struct kst_fieldset *to_prune(const struct kst_typed *typed, const struct kst_json *merged,
                                     const struct kst_managed_entries *entries,
                                     const struct kst_fieldset *last)
{
    if (kst_fieldset_empty(last))
        return kst_fieldset_new();
    kst_auto_fieldset struct kst_fieldset *all = kst_typed_fields(typed, merged), *keep = NULL;
    kst_auto_json struct kst_json *without = kst_typed_remove(typed, merged, last, KST_TYPED_RAW);
    keep = kst_typed_fields(typed, without);
    for (size_t i = 0; i < entries->len; i++)
        replace(&keep, kst_fieldset_union(keep, entries->rows[i].fields));
    struct kst_fieldset *gone = kst_fieldset_difference(all, keep);
    kst_auto_json struct kst_json *owned = kst_typed_remove(typed, merged, gone, KST_TYPED_RAW);

    replace(&keep, kst_typed_fields(typed, owned));
    replace(&gone, kst_fieldset_difference(all, keep));
    replace(&gone, kst_fieldset_intersection(gone, last));
    return gone;
}

static struct kst_json *merge_and_prune(const struct kst_typed *typed, const struct kst_json *live,
                                        const struct kst_json *applied,
                                        const struct kst_fieldset *gone, enum kst_typed_nulls nulls)
{
    struct kst_json *merged = kst_typed_merge(typed, live, applied, nulls);
    if (kst_fieldset_empty(gone))
        return merged;
    struct kst_json *pruned = kst_typed_remove(typed, merged, gone, nulls);
    kst_json_free(merged);
    return pruned;
}

static int check_configuration(const struct kst_managed_write *write, const struct kst_typed *typed,
                               const struct kst_json *applied, struct kst_err **err)
{
    const char *version = kst_json_path_str(applied, "apiVersion");
    if (!version || strcmp(version, write->api_version) != 0)
        return kst_err_set(err, KST_E_PARSE,
                           "Incorrect version specified in apply patch. Specified patch version: "
                           "%s, expected: %s",
                           version ? version : "", write->api_version);
    const struct kst_json *entries = entries_in(applied);
    if (entries && kst_json_type(entries) != KST_JSON_NULL)
        return kst_err_set(err, KST_E_PARSE, "metadata.managedFields must be nil");
    const struct kst_json *metadata = kst_json_get(applied, "metadata");
    int rc = kst_typed_check(typed, applied, err);
    if (rc == 0 && metadata && kst_json_type(metadata) != KST_JSON_OBJECT) {
        kst_auto_free char *found = kst_json_text(metadata);
        rc = kst_err_set(err, KST_E_SERVER, ".metadata: expected map, got &{%.100s}", found);
    }
    return kst_err_wrap(err, rc, "failed to create typed patch object");
}

/* kubectl's annotation follows what kubectl applies, where there is one. */
static void update_annotation(const struct kst_managed_write *write, const struct kst_json *applied,
                              struct kst_json *object)
{
    struct kst_json *annotations = kst_json_mut(kst_json_mut(object, "metadata"), "annotations");
    if (!is_kubectl(write) || !kst_json_get(annotations, LAST_APPLIED))
        return;
    kst_auto_json struct kst_json *plain = kst_json_dup(applied);
    kst_json_remove(kst_json_mut(kst_json_mut(plain, "metadata"), "annotations"), LAST_APPLIED);
    kst_auto_free char *text = kst_managed_go_text(plain);
    kst_json_set_str(annotations, LAST_APPLIED, text);
}

/* Merges and hands the fields over; `entries` are those of `live`, and then those of *out. */
static int apply(const struct kst_managed_write *write, const struct kst_typed *typed,
                 const struct kst_json *live, const struct kst_json *applied, bool force,
                 struct kst_managed_entries *entries, struct kst_json **out,
                 struct kst_json *conflicts, struct kst_err **err)
{
    kst_auto_managed_entries former = {0};
    kst_managed_copy(&former, entries);
    reconcile(typed, live, entries);
    struct kst_managed_entry *own = kst_managed_find(entries, write->manager, "Apply",
                                                     write->api_version);
    kst_auto_fieldset struct kst_fieldset *last = own ? kst_take(own->fields) : NULL;
    own = own ? own : kst_managed_add(entries, write->manager, "Apply", write->api_version);
    kst_managed_set_version(own, write->api_version);
    replace(&own->fields, kst_typed_fields(typed, applied));

    kst_auto_json struct kst_json *merged = kst_typed_merge(typed, live, applied, KST_TYPED_RAW);
    kst_auto_fieldset struct kst_fieldset *gone = to_prune(typed, merged, entries, last);
    kst_auto_json struct kst_json *raw = merge_and_prune(typed, live, applied, gone, KST_TYPED_RAW);
    kst_auto_typed_changes changes = {0};
    kst_typed_compare(typed, live, raw, &changes);
    int rc = force ? 0
                   : check_conflicts(write, typed, entries, own, live, &changes, conflicts, err);
    if (rc < 0)
        return rc;
    take_from_others(entries, own, &changes);
    strip(&own->fields);
    bool same = live && kst_fieldset_empty(changes.added) && kst_fieldset_empty(changes.modified) &&
                kst_fieldset_empty(changes.removed);
    kst_managed_drop_empty(entries);
    own = kst_managed_find(entries, write->manager, "Apply", write->api_version);
    if (own && (!same || !kst_managed_equal(entries, &former)))
        kst_managed_set_time(own, write->now);
    *out = same ? kst_json_dup(live)
                : merge_and_prune(typed, live, applied, gone, KST_TYPED_SETTLED);
    return 0;
}

int kst_managed_apply(const struct kst_managed_write *write, const struct kst_json *live,
                      const struct kst_json *applied, bool force, struct kst_json **out,
                      struct kst_json *conflicts, struct kst_err **err)
{
    struct kst_typed typed = kst_typed_of(write->group, write->kind, write->schema);
    int rc = check_configuration(write, &typed, applied, err);
    kst_auto_json struct kst_json *old = plain_copy(live), *made = NULL;
    if (rc == 0 && old)
        rc = kst_err_wrap(err, kst_typed_check(&typed, old, err),
                          "failed to create typed live object");
    if (rc < 0)
        return rc;
    kst_auto_managed_entries entries = {0};
    kst_managed_parse(&entries, entries_in(live));
    if (old && entries.len == 0)
        record_update(write, &typed, BEFORE, NULL, old, &entries);
    rc = apply(write, &typed, old, applied, force, &entries, &made, conflicts, err);
    if (rc < 0)
        return rc;
    update_annotation(write, applied, made);
    kst_managed_store(&entries, made);
    *out = kst_take(made);
    return 0;
}
