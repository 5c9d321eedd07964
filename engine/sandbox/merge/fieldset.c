/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/merge/fieldset.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

enum { PATH_BYTES = 1 << 16 };

/* Rows are sorted by element; one that is neither a member nor has anything below does not stay. */
struct row {
    char *element;
    bool member;
    struct kst_fieldset *below; /* NULL where there is nothing */
};

struct kst_fieldset {
    struct row *rows;
    size_t len, size;
};

struct kst_fieldset *kst_fieldset_new(void)
{
    return kst_calloc(1, sizeof(struct kst_fieldset));
}

void kst_fieldset_free(struct kst_fieldset *self)
{
    for (size_t i = 0; self && i < self->len; i++) {
        free(self->rows[i].element);
        kst_fieldset_free(self->rows[i].below);
    }
    if (self)
        free(self->rows);
    free(self);
}

bool kst_fieldset_empty(const struct kst_fieldset *self)
{
    return !self || self->len == 0;
}

/* Keys of objects come first, then entries by key, by value, by place. */
static int compare_elements(const char *a, const char *b)
{
    static const char order[] = "fkvi";
    const char *x = strchr(order, a[0]), *y = strchr(order, b[0]);
    if (x != y && x && y)
        return x < y ? -1 : 1;
    return strcmp(a, b);
}

/* The place of the element, or where it belongs. */
static size_t place_of(const struct kst_fieldset *self, const char *element, bool *found)
{
    size_t low = 0, high = self->len;
    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = compare_elements(self->rows[middle].element, element);
        *found = order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return high;
}

static struct row *insert_at(struct kst_fieldset *self, size_t place, const char *element)
{
    if (self->len == self->size) {
        self->size = self->size ? 2 * self->size : 8;
        self->rows = kst_realloc(self->rows, self->size * sizeof(*self->rows));
    }
    struct row *row = &self->rows[place];
    memmove(row + 1, row, (self->len - place) * sizeof(*row));
    self->len++;
    *row = (struct row){.element = kst_strdup(element)};
    return row;
}

static const struct row *find(const struct kst_fieldset *self, const char *element)
{
    bool found = false;
    size_t place = self ? place_of(self, element, &found) : 0;
    return found ? &self->rows[place] : NULL;
}

void kst_fieldset_insert(struct kst_fieldset *self, const char *const *path, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool found;
        size_t place = place_of(self, path[i], &found);
        struct row *row = found ? &self->rows[place] : insert_at(self, place, path[i]);
        if (i + 1 == len)
            row->member = true;
        else if (!row->below)
            row->below = kst_fieldset_new();
        self = row->below;
    }
}

void kst_fieldset_add(struct kst_fieldset *self, const char *element, bool member,
                      struct kst_fieldset *below)
{
    bool found;
    size_t place = place_of(self, element, &found);
    struct row *row = NULL;
    if (!found && (member || !kst_fieldset_empty(below)))
        row = insert_at(self, place, element);
    if (row) {
        row->member = member;
        row->below = kst_fieldset_empty(below) ? NULL : kst_take(below);
    }
    kst_fieldset_free(below);
}

const char *kst_fieldset_element(const struct kst_fieldset *self, size_t place)
{
    return self && place < self->len ? self->rows[place].element : NULL;
}

bool kst_fieldset_has(const struct kst_fieldset *self, const char *element)
{
    const struct row *row = find(self, element);
    return row && row->member;
}

const struct kst_fieldset *kst_fieldset_below(const struct kst_fieldset *self, const char *element)
{
    const struct row *row = find(self, element);
    return row ? row->below : NULL;
}

bool kst_fieldset_equal(const struct kst_fieldset *a, const struct kst_fieldset *b)
{
    if (kst_fieldset_empty(a) || kst_fieldset_empty(b))
        return kst_fieldset_empty(a) && kst_fieldset_empty(b);
    bool equal = a->len == b->len;
    for (size_t i = 0; equal && i < a->len; i++)
        equal = strcmp(a->rows[i].element, b->rows[i].element) == 0 &&
                a->rows[i].member == b->rows[i].member &&
                kst_fieldset_equal(a->rows[i].below, b->rows[i].below);
    return equal;
}

/* ---- The API's format ---- */

struct kst_fieldset *kst_fieldset_parse(const struct kst_json *fields)
{
    struct kst_fieldset *self = kst_fieldset_new();
    for (const struct kst_json *row = kst_json_first(fields); row; row = kst_json_next(row)) {
        const char *element = kst_json_key(row);
        if (element && element[0] && element[1] == ':' && strchr("fkvi", element[0]) &&
            kst_json_type(row) == KST_JSON_OBJECT)
            kst_fieldset_add(self, element, kst_json_len(row) == 0 || kst_json_get(row, "."),
                             kst_fieldset_parse(row));
    }
    return self;
}

static void print_rows(const struct kst_fieldset *self, struct kst_json *out)
{
    for (size_t i = 0; self && i < self->len; i++) {
        struct kst_json *value = kst_json_object();
        if (self->rows[i].member && self->rows[i].below)
            kst_json_set(value, ".", kst_json_object());
        print_rows(self->rows[i].below, value);
        kst_json_append(out, self->rows[i].element, value); /* no element is there twice */
    }
}

struct kst_json *kst_fieldset_json(const struct kst_fieldset *self)
{
    struct kst_json *fields = kst_json_object();
    print_rows(self, fields);
    return fields;
}

/* ---- Two sets ---- */

enum operation { UNION, INTERSECTION, DIFFERENCE };

static struct kst_fieldset *combine(const struct kst_fieldset *a, const struct kst_fieldset *b,
                                    enum operation operation)
{
    struct kst_fieldset *out = kst_fieldset_new();
    size_t i = 0, j = 0, a_len = a ? a->len : 0, b_len = b ? b->len : 0;
    while (i < a_len || j < b_len) {
        const struct row *x = i < a_len ? &a->rows[i] : NULL, *y = j < b_len ? &b->rows[j] : NULL;
        int order = !x ? 1 : !y ? -1 : compare_elements(x->element, y->element);
        x = order <= 0 ? x : NULL;
        y = order >= 0 ? y : NULL;
        i += x != NULL;
        j += y != NULL;
        bool in_a = x && x->member, in_b = y && y->member;
        bool member = operation == UNION          ? in_a || in_b
                      : operation == INTERSECTION ? in_a && in_b
                                                  : in_a && !in_b;
        kst_fieldset_add(out, x ? x->element : y->element, member,
                         combine(x ? x->below : NULL, y ? y->below : NULL, operation));
    }
    return out;
}

struct kst_fieldset *kst_fieldset_union(const struct kst_fieldset *a, const struct kst_fieldset *b)
{
    return combine(a, b, UNION);
}

struct kst_fieldset *kst_fieldset_intersection(const struct kst_fieldset *a,
                                               const struct kst_fieldset *b)
{
    return combine(a, b, INTERSECTION);
}

struct kst_fieldset *kst_fieldset_difference(const struct kst_fieldset *a,
                                             const struct kst_fieldset *b)
{
    return combine(a, b, DIFFERENCE);
}

/* ---- For people ---- */

void kst_fieldset_print(const char *element, struct kst_buf *out)
{
    kst_auto_json struct kst_json *keys = NULL;
    if (element[0] == 'f') {
        kst_buf_addf(out, ".%s", element + 2);
    } else if (element[0] == 'k' &&
               kst_json_parse(element + 2, strlen(element + 2), &keys, NULL) == 0) {
        const char *separator = "[";
        for (const struct kst_json *row = kst_json_first(keys); row; row = kst_json_next(row)) {
            kst_auto_free char *value = kst_json_text(row);
            kst_buf_addf(out, "%s%s=%s", separator, kst_json_key(row), value);
            separator = ",";
        }
        kst_buf_adds(out, "]");
    } else {
        kst_buf_addf(out, "[%s%s]", element[0] == 'v' ? "=" : "", element + 2);
    }
}

static void visit_all(const struct kst_fieldset *self, struct kst_buf *path,
                      void (*visit)(void *context, const char *path), void *context)
{
    size_t len = path->len;
    for (size_t i = 0; self && i < 2 * self->len; i++) {
        const struct row *row = &self->rows[i % self->len];
        bool members = i < self->len;
        if (members ? !row->member : !row->below)
            continue;
        kst_fieldset_print(row->element, path);
        if (members)
            visit(context, path->data);
        else
            visit_all(row->below, path, visit, context);
        kst_buf_truncate(path, len);
    }
}

void kst_fieldset_each(const struct kst_fieldset *self,
                       void (*visit)(void *context, const char *path), void *context)
{
    kst_auto_buf path = KST_BUF_INIT(PATH_BYTES);
    visit_all(self, &path, visit, context);
}
