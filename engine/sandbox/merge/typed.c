/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/merge/typed.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/merge/fieldset.h"
#include "sandbox/merge/typed_shape.h"
#include "sandbox/types/decode.h"
#include "sandbox/types/fields.h"

/* Deeper fields are not tracked: what tells of them must be readable JSON itself. */
enum { PATH_DEPTH = KST_JSON_DEPTH - 8, PATH_BYTES = 1 << 16 };

struct kst_typed kst_typed_of(const char *group, const char *kind, const struct kst_json *schema)
{
    struct kst_typed self = {.schema = schema};
    if (schema) {
        self.deduced = kst_shape_unreadable(schema);
    } else {
        self.root = kst_fields_root(group, kind);
        self.go = kst_decode_type(group, "v1", kind);
        if (!self.go)
            self.go = kst_decode_type(group, "v1beta1", kind);
        self.zero = kst_fields_zero(group, kind);
    }
    return self;
}

/* The path to the value at hand; the elements belong to the frames that pushed them. */
struct path {
    const char *elements[PATH_DEPTH];
    size_t len;
};

static bool push(struct path *path, const char *element)
{
    if (path->len == PATH_DEPTH)
        return false;
    path->elements[path->len++] = element;
    return true;
}

static void add_path(struct kst_fieldset *set, const struct path *path)
{
    kst_fieldset_insert(set, path->elements, path->len);
}

static bool is_null(const struct kst_json *value)
{
    return kst_json_type(value) == KST_JSON_NULL;
}

/* ---- Entries of lists that merge, by their element of a path ---- */

struct entry {
    char *element; /* NULL where the entry has no key */
    const struct kst_json *value;
};

struct entries {
    struct entry *rows;
    const struct entry **order; /* those with an element, by it */
    size_t len, ordered;
    struct kst_buf why; /* the first entry without an element has none */
};

static void entries_release(struct entries *self)
{
    for (size_t i = 0; i < self->len; i++)
        free(self->rows[i].element);
    free(self->rows);
    free(self->order);
    kst_buf_release(&self->why);
}
#define auto_entries __attribute__((cleanup(entries_release))) struct entries

static int by_element(const void *a, const void *b)
{
    const struct entry *x = *(const struct entry *const *)a, *y = *(const struct entry *const *)b;
    int order = strcmp(x->element, y->element);
    return order ? order : (x > y) - (x < y);
}

static struct entries entries_of(struct kst_shape shape, const struct kst_json *list)
{
    struct entries self = {.rows = kst_calloc(kst_json_len(list) + 1, sizeof(struct entry))};
    kst_buf_init(&self.why, PATH_BYTES);
    if (kst_json_type(list) != KST_JSON_ARRAY)
        return self;
    kst_auto_json struct kst_json *keys = kst_shape_keys(shape);
    for (const struct kst_json *row = kst_json_first(list); row; row = kst_json_next(row)) {
        struct entry *entry = &self.rows[self.len++];
        entry->value = row;
        kst_buf_clear(&self.why);
        entry->element = kst_shape_element(shape, keys, row, &self.why);
        if (!entry->element)
            break;
    }
    self.order = kst_calloc(self.len + 1, sizeof(*self.order));
    for (size_t i = 0; i < self.len; i++)
        if (self.rows[i].element)
            self.order[self.ordered++] = &self.rows[i];
    qsort(self.order, self.ordered, sizeof(*self.order), by_element);
    return self;
}

/* The first with this element. */
static const struct kst_json *find_entry(const struct entries *self, const char *element)
{
    size_t low = 0, high = element ? self->ordered : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(self->order[middle]->element, element) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = element && low < self->ordered && strcmp(self->order[low]->element, element) == 0;
    return found ? self->order[low]->value : NULL;
}

static char *key_element(const char *key)
{
    return kst_asprintf("f:%s", key);
}

/* ---- What is wrong ---- */

struct checking {
    struct path path;
    struct kst_buf errors;
    size_t found;
};

static void complain(struct checking *self, const char *format, const char *a, const char *b)
{
    kst_buf_adds(&self->errors, self->found++ ? "\n  " : "");
    for (size_t i = 0; i < self->path.len; i++)
        kst_fieldset_print(self->path.elements[i], &self->errors);
    kst_buf_adds(&self->errors, ": ");
    kst_buf_addf(&self->errors, format, a, b);
}

static void check_value(struct kst_shape shape, const struct kst_json *value,
                        struct checking *self);

static void check_list(struct kst_shape shape, const struct kst_json *list, struct checking *self)
{
    auto_entries entries = entries_of(shape, list);
    for (size_t i = 0; i < entries.len; i++) {
        struct entry *entry = &entries.rows[i];
        if (!entry->element) {
            kst_auto_free char *place = kst_asprintf("element %zu", i);
            complain(self, "%s: %s", place, entries.why.data);
            return;
        }
        kst_auto_buf shown = KST_BUF_INIT(PATH_BYTES);
        kst_fieldset_print(entry->element, &shown);
        if (find_entry(&entries, entry->element) != entry->value)
            complain(self, "duplicate entries for key %s%s", shown.data, "");
        if (push(&self->path, entry->element)) {
            check_value(kst_shape_entry(shape), entry->value, self);
            self->path.len--;
        }
    }
}

static void check_value(struct kst_shape shape, const struct kst_json *value, struct checking *self)
{
    kst_auto_buf found = KST_BUF_INIT(PATH_BYTES);
    const char *wanted = kst_shape_mismatch(shape, value, &found);
    if (wanted) {
        complain(self, "expected %s, got %s", wanted, found.data);
        return;
    }
    enum kst_shape_relation relation = kst_shape_relation(shape, value);
    if (relation == KST_SHAPE_LIST)
        check_list(shape, value, self);
    if (kst_json_type(value) != KST_JSON_OBJECT)
        return;
    for (const struct kst_json *row = kst_json_first(value); row; row = kst_json_next(row)) {
        kst_auto_free char *element = key_element(kst_json_key(row));
        struct kst_shape child;
        if (!push(&self->path, element))
            return;
        if (kst_shape_child(shape, kst_json_key(row), &child) == KST_SHAPE_UNKNOWN)
            complain(self, "%s%s", "field not declared in schema", "");
        else
            check_value(child, row, self);
        self->path.len--;
    }
}

int kst_typed_check(const struct kst_typed *self, const struct kst_json *object,
                    struct kst_err **err)
{
    struct checking checking = {0};
    kst_buf_init(&checking.errors, PATH_BYTES);
    check_value(kst_shape_root(self), object, &checking);
    int rc = 0;
    if (checking.found)
        rc = kst_err_set(err, KST_E_SERVER, "%s%s", checking.found > 1 ? "errors:\n  " : "",
                         checking.errors.data);
    kst_buf_release(&checking.errors);
    return rc;
}

/* ---- The fields of a configuration ---- */

static void state_fields(struct kst_shape shape, const struct kst_json *value, struct path *path,
                         struct kst_fieldset *set)
{
    enum kst_shape_relation relation = kst_shape_relation(shape, value);
    if (relation == KST_SHAPE_LEAF && !kst_shape_owns_nothing(shape, value))
        add_path(set, path);
    auto_entries entries = entries_of(shape, relation == KST_SHAPE_LIST ? value : NULL);
    for (size_t i = 0; i < entries.len; i++) {
        if (!entries.rows[i].element || !push(path, entries.rows[i].element))
            continue;
        state_fields(kst_shape_entry(shape), entries.rows[i].value, path, set);
        add_path(set, path);
        path->len--;
    }
    const struct kst_json *row = relation == KST_SHAPE_MAP ? kst_json_first(value) : NULL;
    for (; row; row = kst_json_next(row)) {
        kst_auto_free char *element = key_element(kst_json_key(row));
        struct kst_shape child;
        bool declared = kst_shape_child(shape, kst_json_key(row), &child) == KST_SHAPE_DECLARED;
        if (!push(path, element))
            return;
        state_fields(child, row, path, set);
        if (!declared)
            add_path(set, path);
        path->len--;
    }
}

struct kst_fieldset *kst_typed_fields(const struct kst_typed *self, const struct kst_json *object)
{
    struct kst_fieldset *set = kst_fieldset_new();
    struct path path = {.len = 0};
    if (object)
        state_fields(kst_shape_root(self), object, &path, set);
    return set;
}

/* ---- What changed ---- */

struct comparing {
    struct path path;
    struct kst_typed_changes *changes;
};

static void compare(struct kst_shape shape, const struct kst_json *old,
                    const struct kst_json *changed, struct comparing *self);

static void compare_below(struct kst_shape shape, const char *element, const struct kst_json *old,
                          const struct kst_json *changed, struct comparing *self)
{
    if (element && push(&self->path, element)) {
        compare(shape, old, changed, self);
        self->path.len--;
    }
}

static void compare_maps(struct kst_shape shape, const struct kst_json *old,
                         const struct kst_json *changed, struct comparing *self)
{
    const struct kst_json *sides[] = {old, changed};
    for (size_t i = 0; i < 2; i++) {
        bool is_map = kst_shape_relation(shape, sides[i]) == KST_SHAPE_MAP;
        const struct kst_json *row = is_map ? kst_json_first(sides[i]) : NULL;
        for (; row; row = kst_json_next(row)) {
            const char *key = kst_json_key(row);
            const struct kst_json *other = kst_json_type(sides[!i]) == KST_JSON_OBJECT
                                               ? kst_json_get(sides[!i], key)
                                               : NULL;
            if (i == 1 && other)
                continue;
            struct kst_shape child;
            kst_auto_free char *element = key_element(key);
            kst_shape_child(shape, key, &child);
            compare_below(child, element, i ? other : row, i ? row : other, self);
        }
    }
}

static void compare_lists(struct kst_shape shape, const struct kst_json *old,
                          const struct kst_json *changed, struct comparing *self)
{
    auto_entries left = entries_of(shape, old);
    auto_entries right = entries_of(shape, changed);
    struct kst_shape child = kst_shape_entry(shape);
    for (size_t i = 0; i < left.len; i++) {
        const char *element = left.rows[i].element;
        compare_below(child, element, left.rows[i].value, find_entry(&right, element), self);
    }
    for (size_t i = 0; i < right.len; i++) {
        const char *element = right.rows[i].element;
        if (!find_entry(&left, element))
            compare_below(child, element, NULL, right.rows[i].value, self);
    }
}

/* Containers that merge are looked into, unless both are empty: then they are values. */
static bool is_open(struct kst_shape shape, const struct kst_json *value)
{
    return kst_json_len(value) > 0 && kst_shape_relation(shape, value) != KST_SHAPE_LEAF;
}

static void compare(struct kst_shape shape, const struct kst_json *old,
                    const struct kst_json *changed, struct comparing *self)
{
    if (old && changed && kst_json_equal(old, changed))
        return;
    bool open_old = is_open(shape, old), open_changed = is_open(shape, changed);
    if (open_old || open_changed) {
        compare_maps(shape, old, changed, self);
        if (kst_shape_relation(shape, open_old ? old : changed) == KST_SHAPE_LIST)
            compare_lists(shape, old, changed, self);
    }
    bool same_kind = kst_json_type(old) == kst_json_type(changed) || is_null(old) ||
                     is_null(changed);
    if (!old)
        add_path(self->changes->added, &self->path);
    else if (!changed)
        add_path(self->changes->removed, &self->path);
    else if (!same_kind || (!open_old && !open_changed))
        add_path(self->changes->modified, &self->path);
}

void kst_typed_compare(const struct kst_typed *self, const struct kst_json *old,
                       const struct kst_json *changed, struct kst_typed_changes *changes)
{
    *changes = (struct kst_typed_changes){kst_fieldset_new(), kst_fieldset_new(),
                                          kst_fieldset_new()};
    kst_auto_json struct kst_json *zero = self->zero ? kst_json_make(self->zero) : NULL;
    kst_auto_json struct kst_json *left = kst_shape_complete(old, zero);
    kst_auto_json struct kst_json *right = kst_shape_complete(changed, zero);
    struct comparing comparing = {.changes = changes};
    compare(kst_shape_root(self), left, right, &comparing);
}

void kst_typed_changes_release(struct kst_typed_changes *self)
{
    kst_fieldset_free(self->added);
    kst_fieldset_free(self->modified);
    kst_fieldset_free(self->removed);
    *self = (struct kst_typed_changes){0};
}

/* ---- Reconciling ---- */

static struct kst_fieldset *reconcile(struct kst_shape shape, const struct kst_fieldset *stated,
                                      const struct kst_fieldset *owned)
{
    struct kst_fieldset *out = kst_fieldset_new();
    const char *element;
    for (size_t i = 0; (element = kst_fieldset_element(owned, i)); i++) {
        bool member = kst_fieldset_has(owned, element);
        const struct kst_fieldset *below = kst_fieldset_below(owned, element);
        const struct kst_fieldset *now = kst_fieldset_below(stated, element);
        struct kst_shape child = kst_shape_entry(shape);
        bool known = element[0] != 'f' ||
                     kst_shape_child(shape, element + 2, &child) != KST_SHAPE_UNKNOWN;
        if (!known)
            kst_fieldset_add(out, element, member, kst_fieldset_union(below, NULL));
        else if (kst_shape_is_atomic(child))
            kst_fieldset_add(out, element, true, NULL);
        else if (member && !below)
            kst_fieldset_add(out, element, true, kst_fieldset_union(now, NULL));
        else
            kst_fieldset_add(out, element, member, reconcile(child, now, below));
    }
    return out;
}

struct kst_fieldset *kst_typed_reconcile(const struct kst_typed *self,
                                         const struct kst_fieldset *stated,
                                         const struct kst_fieldset *owned)
{
    if (self->deduced)
        return kst_fieldset_union(owned, NULL);
    return reconcile(kst_shape_root(self), stated, owned);
}

/* ---- Merging ---- */

static struct kst_json *merge(struct kst_shape shape, const struct kst_json *live,
                              const struct kst_json *applied, enum kst_typed_nulls nulls);

static struct kst_json *merge_maps(struct kst_shape shape, const struct kst_json *live,
                                   const struct kst_json *applied, enum kst_typed_nulls nulls)
{
    struct kst_json *out = kst_json_object();
    const struct kst_json *row;
    struct kst_shape child;
    for (row = kst_json_first(live); row; row = kst_json_next(row)) {
        const char *key = kst_json_key(row);
        kst_shape_child(shape, key, &child);
        kst_json_set(out, key, merge(child, row, kst_json_get(applied, key), nulls));
    }
    for (row = kst_json_first(applied); row; row = kst_json_next(row)) {
        const char *key = kst_json_key(row);
        kst_shape_child(shape, key, &child);
        if (!kst_json_get(live, key))
            kst_json_set(out, key, merge(child, NULL, row, nulls));
    }
    return out;
}

/* The order is that of the live object, then that of the configuration. */
static struct kst_json *merge_lists(struct kst_shape shape, const struct kst_json *live,
                                    const struct kst_json *applied, enum kst_typed_nulls nulls)
{
    struct kst_json *out = kst_json_array(), *entry;
    auto_entries left = entries_of(shape, live);
    auto_entries right = entries_of(shape, applied);
    struct kst_shape child = kst_shape_entry(shape);
    for (size_t i = 0; i < left.len; i++) {
        entry = merge(child, left.rows[i].value, find_entry(&right, left.rows[i].element), nulls);
        if (entry)
            kst_json_push(out, entry);
    }
    for (size_t i = 0; i < right.len; i++) {
        if (find_entry(&left, right.rows[i].element))
            continue;
        entry = merge(child, NULL, right.rows[i].value, nulls);
        if (entry)
            kst_json_push(out, entry);
    }
    return out;
}

/* NULL where nothing comes of it. */
static struct kst_json *merge(struct kst_shape shape, const struct kst_json *live,
                              const struct kst_json *applied, enum kst_typed_nulls nulls)
{
    if (!applied || (is_null(applied) && is_open(shape, live)))
        return kst_json_dup(live);
    if (is_null(applied))
        return nulls == KST_TYPED_RAW ? kst_json_null() : kst_shape_null(shape);
    enum kst_shape_relation relation = kst_shape_relation(shape, applied);
    bool alike = kst_json_type(live) == kst_json_type(applied);
    if (relation == KST_SHAPE_MAP)
        return merge_maps(shape, alike ? live : NULL, applied, nulls);
    if (relation == KST_SHAPE_LIST)
        return merge_lists(shape, alike ? live : NULL, applied, nulls);
    return kst_json_dup(applied);
}

struct kst_json *kst_typed_merge(const struct kst_typed *self, const struct kst_json *live,
                                 const struct kst_json *applied, enum kst_typed_nulls nulls)
{
    return merge(kst_shape_root(self), live, applied, nulls);
}

/* ---- Removing ---- */

/* NULL where nothing is left. */
static struct kst_json *without(struct kst_shape shape, const struct kst_json *value,
                                const struct kst_fieldset *fields, enum kst_typed_nulls nulls)
{
    enum kst_shape_relation relation = kst_shape_relation(shape, value);
    if (relation == KST_SHAPE_LEAF || kst_fieldset_empty(fields))
        return kst_json_dup(value);
    bool is_map = relation == KST_SHAPE_MAP;
    kst_auto_json struct kst_json *out = is_map ? kst_json_object() : kst_json_array();
    kst_auto_json struct kst_json *keys = is_map ? NULL : kst_shape_keys(shape);
    kst_auto_buf why = KST_BUF_INIT(PATH_BYTES);
    for (const struct kst_json *row = kst_json_first(value); row; row = kst_json_next(row)) {
        kst_auto_free char *element = NULL;
        struct kst_shape child = kst_shape_entry(shape);
        if (is_map) {
            element = key_element(kst_json_key(row));
            kst_shape_child(shape, kst_json_key(row), &child);
        } else {
            element = kst_shape_element(shape, keys, row, &why);
        }
        if (element && kst_fieldset_has(fields, element))
            continue;
        const struct kst_fieldset *below = element ? kst_fieldset_below(fields, element) : NULL;
        struct kst_json *rest = without(child, row, below, nulls);
        if (!rest)
            rest = nulls == KST_TYPED_RAW ? kst_json_null() : kst_shape_null(child);
        if (rest && is_map)
            kst_json_set(out, kst_json_key(row), rest);
        else if (rest)
            kst_json_push(out, rest);
    }
    return kst_json_len(out) ? kst_take(out) : NULL;
}

struct kst_json *kst_typed_remove(const struct kst_typed *self, const struct kst_json *object,
                                  const struct kst_fieldset *fields, enum kst_typed_nulls nulls)
{
    struct kst_json *rest = without(kst_shape_root(self), object, fields, nulls);
    return rest ? rest : kst_json_object();
}
