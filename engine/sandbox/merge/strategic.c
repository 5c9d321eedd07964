/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/merge/strategic.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/types/fields.h"

#define DIRECTIVE     "$patch"
#define RETAIN_KEYS   "$retainKeys"
#define ELEMENT_ORDER "$setElementOrder"
#define DELETE_LIST   "$deleteFromPrimitiveList"

enum { MESSAGE_BYTES = 1 << 16 };

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_object(const struct kst_json *value)
{
    return kst_json_type(value) == KST_JSON_OBJECT;
}

static bool is_array(const struct kst_json *value)
{
    return kst_json_type(value) == KST_JSON_ARRAY;
}

/* ---- The server's messages: values as Go prints them ---- */

static int compare_keys(const void *a, const void *b)
{
    return strcmp(kst_json_key(*(const struct kst_json *const *)a),
                  kst_json_key(*(const struct kst_json *const *)b));
}

static void print_value(const struct kst_json *value, struct kst_buf *out);

static void print_object(const struct kst_json *object, struct kst_buf *out)
{
    size_t len = kst_json_len(object), n = 0;
    kst_auto_free const struct kst_json **rows = kst_calloc(len + 1, sizeof(*rows));
    for (const struct kst_json *row = kst_json_first(object); row; row = kst_json_next(row))
        rows[n++] = row;
    qsort(rows, n, sizeof(*rows), compare_keys);
    kst_buf_adds(out, "map[");
    for (size_t i = 0; i < n; i++) {
        kst_buf_addf(out, "%s%s:", i ? " " : "", kst_json_key(rows[i]));
        print_value(rows[i], out);
    }
    kst_buf_adds(out, "]");
}

static void print_value(const struct kst_json *value, struct kst_buf *out)
{
    switch (kst_json_type(value)) {
    case KST_JSON_OBJECT:
        print_object(value, out);
        return;
    case KST_JSON_ARRAY:
        kst_buf_adds(out, "[");
        for (const struct kst_json *row = kst_json_first(value); row; row = kst_json_next(row)) {
            kst_buf_adds(out, row == kst_json_first(value) ? "" : " ");
            print_value(row, out);
        }
        kst_buf_adds(out, "]");
        return;
    case KST_JSON_STRING:
        kst_buf_adds(out, kst_json_str(value));
        return;
    case KST_JSON_NUMBER:
        kst_buf_adds(out, kst_json_number(value));
        return;
    case KST_JSON_BOOL:
        kst_buf_adds(out, kst_json_true(value) ? "true" : "false");
        return;
    default:
        kst_buf_adds(out, "<nil>");
    }
}

/* The type that Go has for a value; whole numbers are another type than those with a fraction. */
static const char *go_type(const struct kst_json *value)
{
    static const char *const names[] = {"%!s(<nil>)",
                                        "%!s(<nil>)",
                                        "bool",
                                        "int64",
                                        "string",
                                        "[]interface {}",
                                        "map[string]interface {}"};
    const char *number = kst_json_number(value);
    return number && strpbrk(number, ".eE") ? "float64" : names[kst_json_type(value)];
}

static int wrong_type(const char *wanted, const struct kst_json *found, struct kst_err **err)
{
    return kst_err_set(err, KST_E_SERVER, "expected a %s, but received a %s", wanted,
                       go_type(found));
}

static int no_merge_key(const struct kst_json *entry, const char *key, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(MESSAGE_BYTES);
    print_value(entry, &text);
    return kst_err_set(err, KST_E_SERVER, "map: %s does not contain declared merge key: %s",
                       text.data, key);
}

static int bad_directive(const struct kst_json *map, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(MESSAGE_BYTES);
    print_value(kst_json_get(map, DIRECTIVE), &text);
    kst_buf_adds(&text, " in map: ");
    print_value(map, &text);
    return kst_err_set(err, KST_E_SERVER, "unknown patch type: %s", text.data);
}

static int bad_order_list(struct kst_err **err)
{
    return kst_err_set(err, KST_E_PARSE, "invalid patch format of setElementOrder list");
}

/* ---- What is new ---- */

/* A copy of what the patch brings to an empty place, as the server's types take it: directives are
 * fields that they do not know, nulls are empty values. */
static struct kst_json *fresh(const char *type, const struct kst_json *value)
{
    struct kst_json *copy;
    if (is_array(value)) {
        copy = kst_json_array();
        for (const struct kst_json *row = kst_json_first(value); row; row = kst_json_next(row))
            kst_json_push(copy, fresh(type, row));
        return copy;
    }
    if (!is_object(value))
        return kst_json_dup(value);
    copy = kst_json_object();
    bool strings = type && strcmp(type, KST_FIELDS_STRINGS) == 0;
    bool quantities = type && strcmp(type, KST_FIELDS_QUANTITIES) == 0;
    for (const struct kst_json *row = kst_json_first(value); row; row = kst_json_next(row)) {
        const char *key = kst_json_key(row);
        if (strings || quantities) {
            bool is_null = kst_json_type(row) == KST_JSON_NULL;
            kst_json_set(copy, key,
                         is_null ? kst_json_from_str(strings ? "" : "0") : kst_json_dup(row));
        } else if (kst_json_type(row) != KST_JSON_NULL && key[0] != '$') {
            const struct kst_field *field = kst_fields_find(type, key);
            kst_json_set(copy, key, fresh(field ? field->child : NULL, row));
        }
    }
    return copy;
}

static void clear(struct kst_json *object)
{
    const struct kst_json *row;
    while ((row = kst_json_first(object)))
        kst_json_remove(object, kst_json_key(row));
}

/* ---- The order of lists ---- */

/* The value that tells an entry of a list from the others: the entry itself for scalars. */
static const struct kst_json *identity(const struct kst_json *entry, const char *key)
{
    return *key ? kst_json_get(entry, key) : entry;
}

/* The place of what has the identity of `entry`, or -1. */
static long place_of(const struct kst_json *list, const struct kst_json *entry, const char *key)
{
    const struct kst_json *wanted = identity(entry, key);
    long place = 0;
    for (const struct kst_json *row = kst_json_first(list); row;
         row = kst_json_next(row), place++) {
        const struct kst_json *own = identity(row, key);
        if (own && wanted && kst_json_equal(own, wanted))
            return place;
    }
    return -1;
}

static bool is_delete(const struct kst_json *entry)
{
    const char *directive = kst_json_str(kst_json_get(entry, DIRECTIVE));
    return directive && strcmp(directive, "delete") == 0;
}

struct ranked {
    struct kst_json *entry;
    long rank, place;
};

static int compare_ranks(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Sorts by the places in `order`; entries to be deleted come last. */
static void sort_by(struct kst_json *list, const struct kst_json *order, const char *key)
{
    size_t len = kst_json_len(list);
    kst_auto_free struct ranked *rows = kst_calloc(len + 1, sizeof(*rows));
    for (size_t i = 0; i < len; i++) {
        rows[i].entry = kst_json_detach_at(list, 0);
        rows[i].place = (long)i;
        rows[i].rank = *key && is_delete(rows[i].entry) ? -1 : place_of(order, rows[i].entry, key);
        if (rows[i].rank < 0)
            rows[i].rank = (long)kst_json_len(order);
    }
    qsort(rows, len, sizeof(*rows), compare_ranks);
    for (size_t i = 0; i < len; i++)
        kst_json_push(list, rows[i].entry);
}

/* Entries that merge by a key must all have it. */
static int check_keys(const struct kst_json *list, const char *key, struct kst_err **err)
{
    for (const struct kst_json *row = kst_json_first(list); *key && row; row = kst_json_next(row)) {
        if (!is_object(row))
            return wrong_type("map[string]interface {}", row, err);
        if (!kst_json_get(row, key))
            return no_merge_key(row, key, err);
    }
    return 0;
}

/* Orders *list: what is in `wanted` goes by its order there, the rest by `server`'s, which also
 * tells how the two interleave. */
static int put_in_order(struct kst_json **list, const struct kst_json *wanted,
                        const struct kst_json *server, const char *key, struct kst_err **err)
{
    int rc = check_keys(*list, key, err);
    rc = rc < 0 ? rc : check_keys(wanted, key, err);
    if (rc < 0)
        return rc;
    kst_auto_json struct kst_json *ours = kst_json_array(), *theirs = kst_json_array();
    struct kst_json *entry;
    while ((entry = kst_json_detach_at(*list, 0)))
        kst_json_push(place_of(wanted, entry, key) >= 0 ? ours : theirs, entry);
    sort_by(ours, wanted, key);
    sort_by(theirs, server, key);
    while (kst_json_len(ours) || kst_json_len(theirs)) {
        const struct kst_json *mine = kst_json_first(ours), *other = kst_json_first(theirs);
        long left = other ? place_of(server, other, key) : -1;
        bool take_other = other && (!mine || (left >= 0 && left < place_of(server, mine, key)));
        kst_json_push(*list, kst_json_detach_at(take_other ? theirs : ours, 0));
    }
    return 0;
}

/* ---- Lists ---- */

static int merge_map(const char *type, struct kst_json *into, const struct kst_json *patch,
                     struct kst_err **err);

/* Lists merge only where all their entries are of one type, which is no list. */
static int check_entries(const struct kst_json *original, const struct kst_json *patch,
                         struct kst_err **err)
{
    const struct kst_json *lists[] = {original, patch}, *first = NULL;
    for (size_t i = 0; i < KST_ARRAY_LEN(lists); i++) {
        const struct kst_json *row = kst_json_first(lists[i]);
        for (; row; row = kst_json_next(row)) {
            first = first ? first : row;
            if (is_array(first))
                return kst_err_set(err, KST_E_INVALID, "lists of lists are not supported");
            if (strcmp(go_type(row), go_type(first)) == 0)
                continue;
            kst_auto_buf text = KST_BUF_INIT(MESSAGE_BYTES);
            print_value(original, &text);
            kst_buf_adds(&text, " ");
            print_value(patch, &text);
            return kst_err_set(err, KST_E_SERVER, "list element types are not identical: [%s]",
                               text.data);
        }
    }
    return 0;
}

static struct kst_json *merge_scalars(const struct kst_json *original, const struct kst_json *patch,
                                      bool deleting)
{
    struct kst_json *merged = kst_json_array();
    const struct kst_json *row;
    for (row = kst_json_first(original); row; row = kst_json_next(row)) {
        if (place_of(deleting ? patch : merged, row, "") < 0)
            kst_json_push(merged, kst_json_dup(row));
    }
    for (row = deleting ? NULL : kst_json_first(patch); row; row = kst_json_next(row)) {
        if (place_of(merged, row, "") < 0)
            kst_json_push(merged, kst_json_dup(row));
    }
    return merged;
}

/* Does what the entries with "$patch" say to `list`, and gives the entries without. */
static int apply_special(struct kst_json *list, const struct kst_json *patch, const char *key,
                         struct kst_json *plain, struct kst_err **err)
{
    bool replace = false;
    for (const struct kst_json *row = kst_json_first(patch); row; row = kst_json_next(row)) {
        const struct kst_json *directive = kst_json_get(row, DIRECTIVE);
        const char *name = directive && kst_json_str(directive) ? kst_json_str(directive) : "";
        if (!directive) {
            kst_json_push(plain, kst_json_dup(row));
        } else if (strcmp(name, "delete") == 0) {
            long place;
            if (!kst_json_get(row, key))
                return no_merge_key(row, key, err);
            while ((place = place_of(list, row, key)) >= 0)
                kst_json_free(kst_json_detach_at(list, (size_t)place));
        } else if (strcmp(name, "replace") == 0) {
            replace = true;
        } else if (strcmp(name, "merge") == 0) {
            return kst_err_set(err, KST_E_SERVER,
                               "merging lists cannot yet be specified in the patch");
        } else {
            return bad_directive(row, err);
        }
    }
    while (replace && kst_json_len(list))
        kst_json_free(kst_json_detach_at(list, 0));
    return 0;
}

static int merge_objects(const struct kst_field *field, struct kst_json *list,
                         const struct kst_json *patch, struct kst_err **err)
{
    for (const struct kst_json *row = kst_json_first(patch); row; row = kst_json_next(row)) {
        if (!kst_json_get(row, field->merge))
            return no_merge_key(row, field->merge, err);
        long place = place_of(list, row, field->merge);
        if (place < 0) {
            kst_json_push(list, fresh(field->child, row));
            continue;
        }
        int rc = merge_map(field->child, kst_json_mut_at(list, (size_t)place), row, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* What two lists with the strategy "merge" give. */
static int merge_list(const struct kst_field *field, const struct kst_json *original,
                      const struct kst_json *patch, bool deleting, struct kst_json **out,
                      struct kst_err **err)
{
    int rc = check_entries(original, patch, err);
    if (rc < 0)
        return rc;
    bool objects = is_object(kst_json_first(original)) || is_object(kst_json_first(patch));
    if (objects && !*field->merge)
        return kst_err_set(err, KST_E_SERVER, "cannot merge lists without merge key for %s",
                           field->name);
    kst_auto_json struct kst_json *plain = NULL, *server = NULL, *merged = NULL;
    if (objects) {
        plain = kst_json_array();
        server = kst_json_dup(original);
        rc = apply_special(server, patch, field->merge, plain, err);
        merged = kst_json_dup(server);
        rc = rc < 0 ? rc : merge_objects(field, merged, plain, err);
    } else {
        plain = kst_json_dup(patch);
        server = kst_json_dup(original);
        merged = merge_scalars(original, patch, deleting);
    }
    if (rc == 0 && !deleting)
        rc = put_in_order(&merged, plain, server, objects ? field->merge : "", err);
    if (rc == 0)
        *out = kst_take(merged);
    return rc;
}

/* ---- Directives of a map ---- */

/* $retainKeys: all other keys go, and the patch may set no other. */
static int retain_keys(struct kst_json *into, const struct kst_json *patch, struct kst_err **err)
{
    const struct kst_json *keys = kst_json_get(patch, RETAIN_KEYS), *row, *next;
    if (!keys)
        return 0;
    bool fits = is_array(keys);
    for (row = kst_json_first(patch); fits && row; row = kst_json_next(row)) {
        const char *key = kst_json_key(row);
        bool is_directive = strcmp(key, RETAIN_KEYS) == 0 || has_prefix(key, DELETE_LIST) ||
                            has_prefix(key, ELEMENT_ORDER);
        kst_auto_json struct kst_json *name = kst_json_from_str(key);
        fits = is_directive || kst_json_type(row) == KST_JSON_NULL || place_of(keys, name, "") >= 0;
    }
    if (!fits)
        return kst_err_set(err, KST_E_PARSE, "invalid patch format of retainKeys");
    for (row = kst_json_first(into); row; row = next) {
        next = kst_json_next(row);
        kst_auto_json struct kst_json *name = kst_json_from_str(kst_json_key(row));
        if (place_of(keys, name, "") < 0)
            kst_json_remove(into, kst_json_str(name));
    }
    return 0;
}

/* The entries of the patch must be named by the order, in that order. */
static int check_order(const struct kst_json *patch, const struct kst_json *order, const char *key,
                       struct kst_err **err)
{
    if (!kst_json_len(order) || !kst_json_len(patch))
        return 0;
    const struct kst_json *named = kst_json_first(order), *row = kst_json_first(patch);
    while (row && named) {
        if (*key && !is_object(row))
            return wrong_type("map[string]interface {}", row, err);
        if (kst_json_get(row, DIRECTIVE)) {
            row = kst_json_next(row);
            continue;
        }
        if (*key && !is_object(named))
            return wrong_type("map[string]interface {}", named, err);
        if (*key && !kst_json_get(row, key))
            return no_merge_key(row, key, err);
        if (*key && !kst_json_get(named, key))
            return no_merge_key(named, key, err);
        if (kst_json_equal(identity(row, key), identity(named, key)))
            row = kst_json_next(row);
        named = kst_json_next(named);
    }
    while (row && is_delete(row))
        row = kst_json_next(row);
    if (!row)
        return 0;
    kst_auto_buf text = KST_BUF_INIT(MESSAGE_BYTES);
    print_value(patch, &text);
    kst_buf_adds(&text, "\n doesn't match " ELEMENT_ORDER " list:\n");
    print_value(order, &text);
    return kst_err_set(err, KST_E_SERVER, "The order in patch list:\n%s\n", text.data);
}

/* Merges and orders the list that an "$setElementOrder/NAME" names. */
static int merge_ordered(const char *type, struct kst_json *into, const struct kst_json *patch,
                         const struct kst_json *order, struct kst_err **err)
{
    const char *name = kst_json_key(order) + strlen(ELEMENT_ORDER);
    if (!is_array(order))
        return wrong_type("[]interface {}", order, err);
    if (*name++ != '/')
        return bad_order_list(err);
    const struct kst_json *old = kst_json_get(into, name), *added = kst_json_get(patch, name);
    if (old && !is_array(old))
        return wrong_type("[]interface {}", old, err);
    if (added && !is_array(added))
        return wrong_type("[]interface {}", added, err);
    const struct kst_field *field = kst_fields_find(type, name);
    const char *key = field && field->merge ? field->merge : "";
    int rc = check_order(added, order, key, err);
    if (rc < 0 || (!old && !added))
        return rc;
    if (!kst_json_len(old) && !kst_json_len(added))
        return kst_err_set(err, KST_E_SERVER, "no elements in any of the given slices");
    kst_auto_json struct kst_json *merged = NULL;
    if (old && added && field && field->merge)
        rc = merge_list(field, old, added, false, &merged, err);
    else
        merged = added ? kst_json_dup(added) : kst_json_dup(old);
    rc = rc < 0 ? rc : check_entries(old, added, err);
    rc = rc < 0 ? rc : put_in_order(&merged, order, old, key, err);
    if (rc < 0)
        return rc;
    kst_json_set(into, name, old ? kst_take(merged) : fresh(field ? field->child : NULL, merged));
    return 0;
}

/* "$patch: replace" takes the patch as it is, "$patch: delete" leaves an empty map. */
static int apply_directive(const char *type, struct kst_json *into, const struct kst_json *patch,
                           struct kst_err **err)
{
    const char *directive = kst_json_str(kst_json_get(patch, DIRECTIVE));
    bool replace = directive && strcmp(directive, "replace") == 0;
    if (!replace && (!directive || strcmp(directive, "delete") != 0))
        return bad_directive(patch, err);
    clear(into);
    kst_auto_json struct kst_json *plain = kst_json_dup(patch);
    kst_json_remove(plain, DIRECTIVE);
    kst_auto_json struct kst_json *taken = fresh(type, plain);
    for (const struct kst_json *row = kst_json_first(taken); replace && row;
         row = kst_json_next(row))
        kst_json_set(into, kst_json_key(row), kst_json_dup(row));
    return 0;
}

/* ---- Maps ---- */

static int merge_value(const char *type, struct kst_json *into, const char *key,
                       const struct kst_json *value, bool deleting, struct kst_err **err)
{
    const struct kst_field *field = kst_fields_find(type, key);
    struct kst_json *old = kst_json_mut(into, key);
    bool alike = old && strcmp(go_type(old), go_type(value)) == 0;
    if (kst_json_type(value) == KST_JSON_NULL) {
        kst_json_remove(into, key);
    } else if (alike && is_object(value)) {
        return merge_map(field ? field->child : NULL, old, value, err);
    } else if (alike && is_array(value) && field && field->merge) {
        kst_auto_json struct kst_json *merged = NULL;
        int rc = merge_list(field, old, value, deleting, &merged, err);
        if (rc < 0)
            return rc;
        kst_json_set(into, key, kst_take(merged));
    } else {
        kst_json_set(into, key, fresh(field ? field->child : NULL, value));
    }
    return 0;
}

/* The server goes through a patch in no certain order; deletions come last here. */
static int merge_map(const char *type, struct kst_json *into, const struct kst_json *patch,
                     struct kst_err **err)
{
    if (kst_json_get(patch, DIRECTIVE))
        return apply_directive(type, into, patch, err);
    const struct kst_json *row;
    int rc = retain_keys(into, patch, err);
    for (row = kst_json_first(patch); rc == 0 && row; row = kst_json_next(row)) {
        if (has_prefix(kst_json_key(row), ELEMENT_ORDER))
            rc = merge_ordered(type, into, patch, row, err);
    }
    for (row = kst_json_first(patch); rc == 0 && row; row = kst_json_next(row)) {
        const char *key = kst_json_key(row);
        kst_auto_free char *order = kst_asprintf(ELEMENT_ORDER "/%s", key);
        if (strcmp(key, RETAIN_KEYS) != 0 && !has_prefix(key, ELEMENT_ORDER) &&
            !has_prefix(key, DELETE_LIST) && !kst_json_get(patch, order))
            rc = merge_value(type, into, key, row, false, err);
    }
    for (row = kst_json_first(patch); rc == 0 && row; row = kst_json_next(row)) {
        const char *key = kst_json_key(row);
        if (!has_prefix(key, DELETE_LIST))
            continue;
        key += strlen(DELETE_LIST);
        if (*key != '/')
            return kst_err_set(err, KST_E_PARSE, "invalid patch format of primitive list");
        rc = merge_value(type, into, key + 1, row, true, err);
    }
    return rc;
}

int kst_patch_strategic(const char *group, const char *kind, const struct kst_json *object,
                        const struct kst_json *patch, struct kst_json **out, struct kst_err **err)
{
    assert(is_object(object));
    static const char *const go_names[] = {"nothing", "null",  "bool",  "number",
                                           "string",  "array", "object"};
    if (!is_object(patch) && kst_json_type(patch) != KST_JSON_NULL)
        return kst_err_set(
            err, KST_E_PARSE,
            "json: cannot unmarshal %s into Go value of type map[string]interface {}",
            go_names[kst_json_type(patch)]);
    kst_auto_json struct kst_json *merged = kst_json_dup(object);
    int rc = merge_map(kst_fields_root(group, kind), merged, patch, err);
    if (rc == 0)
        *out = kst_take(merged);
    return rc;
}
