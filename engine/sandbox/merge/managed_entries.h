/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entries of metadata.managedFields, for sandbox/merge/managed.c. A manager that applies has
 * one entry, one that updates has one for each apiVersion it used.
 */
#ifndef KST_SANDBOX_MERGE_MANAGED_ENTRIES_H
#define KST_SANDBOX_MERGE_MANAGED_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>

struct kst_fieldset;
struct kst_json;

struct kst_managed_entry {
    char *manager, *operation, *api_version;
    char *time; /* RFC 3339, or NULL */
    struct kst_fieldset *fields;
};

struct kst_managed_entries {
    struct kst_managed_entry *rows;
    size_t len, size;
};

/* Frees what they hold, and leaves none. */
void kst_managed_entries_release(struct kst_managed_entries *self);
#define kst_auto_managed_entries \
    __attribute__((cleanup(kst_managed_entries_release))) struct kst_managed_entries

/* Fills *self, which must be empty; where the list is malformed it stays empty, and the result is
 * false. */
bool kst_managed_parse(struct kst_managed_entries *self, const struct kst_json *list);
/* Sets metadata.managedFields, sorted as the server sorts; without entries it is removed. */
void kst_managed_store(struct kst_managed_entries *self, struct kst_json *object);

/* Copies all entries into *copy, which must be empty. */
void kst_managed_copy(struct kst_managed_entries *copy, const struct kst_managed_entries *self);
/* Whether the same managers own the same fields, at whatever times. */
bool kst_managed_equal(const struct kst_managed_entries *a, const struct kst_managed_entries *b);
/* Whether the manager applied, rather than updated. */
bool kst_managed_is_apply(const struct kst_managed_entry *entry);
/* Entries are borrowed until the next one is added or dropped. */
struct kst_managed_entry *kst_managed_find(const struct kst_managed_entries *self,
                                           const char *manager, const char *operation,
                                           const char *api_version);
struct kst_managed_entry *kst_managed_add(struct kst_managed_entries *self, const char *manager,
                                          const char *operation, const char *api_version);
void kst_managed_set_time(struct kst_managed_entry *entry, const char *time);
void kst_managed_set_version(struct kst_managed_entry *entry, const char *api_version);
/* Drops the entries that own nothing. */
void kst_managed_drop_empty(struct kst_managed_entries *self);
/* Merges the oldest updates of a version into one entry, "ancient-changes", until there are at
 * most ten. */
void kst_managed_cap(struct kst_managed_entries *self);

/* JSON as Go writes it into an annotation: keys sorted, <, > and & escaped, a line feed at the
 * end. The caller frees it. */
char *kst_managed_go_text(const struct kst_json *value);

#endif
