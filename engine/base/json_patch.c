/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_patch.h"

#include <limits.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

/* What the server says of every operation that does not apply. */
#define REJECTED "the server rejected our request due to an error in our request"

/* One operation, while it is applied. */
struct operation {
    const struct kst_json *row;
    const char *op, *path, *from; /* NULL where they are no strings */
    size_t copied_bytes;          /* by all "copy" operations so far */
};

/* ---- Places ---- */

/* Where a path leads: the container (NULL where there is none) and the key in it. */
struct place {
    struct kst_json *in;
    char *key;
    size_t depth;
};

static void place_release(struct place *self)
{
    free(self->key);
}
#define auto_place __attribute__((cleanup(place_release))) struct place

/* "~1" stands for "/" and "~0" for "~"; any other "~" stands for itself. */
static char *unescape(struct kst_str part)
{
    char *key = kst_strndup(part.data, part.len), *to = key;
    for (const char *from = key; *from; from++) {
        if (from[0] == '~' && (from[1] == '0' || from[1] == '1'))
            *to++ = *++from == '0' ? '~' : '/';
        else
            *to++ = *from;
    }
    *to = '\0';
    return key;
}

/* An index as Go's strconv.Atoi reads it: a sign and leading zeros are allowed. */
static bool parse_index(const char *key, long *index)
{
    const char *digits = key + (*key == '-' || *key == '+');
    size_t len = strlen(digits);
    if (len == 0 || strspn(digits, "0123456789") != len)
        return false;
    long value = 0;
    for (; *digits; digits++) {
        if (value > LONG_MAX / 10 - 1)
            return false;
        value = value * 10 + (*digits - '0');
    }
    *index = *key == '-' ? -value : value;
    return true;
}

/* The entry with this key; false where that cannot be asked (a wrong index). A key that an object
 * does not have gives NULL. */
static bool look_up(struct kst_json *in, const char *key, struct kst_json **entry)
{
    long index;
    if (kst_json_type(in) == KST_JSON_OBJECT) {
        *entry = kst_json_mut(in, key);
        return true;
    }
    if (!parse_index(key, &index) || index < 0 || (size_t)index >= kst_json_len(in))
        return false;
    *entry = kst_json_mut_at(in, (size_t)index);
    return true;
}

static bool is_container(const struct kst_json *value)
{
    return kst_json_type(value) == KST_JSON_OBJECT || kst_json_type(value) == KST_JSON_ARRAY;
}

/* What is before the first "/" is ignored, as on the server. */
static struct place find(struct kst_json *root, const char *path)
{
    struct place place = {0};
    struct kst_str rest = kst_str_of(path), part;
    kst_str_split(&rest, '/', &part);
    if (!rest.data)
        return place;
    struct kst_json *in = root;
    for (; in && kst_str_split(&rest, '/', &part); place.depth++) {
        free(place.key);
        place.key = unescape(part);
        if (!rest.data) {
            place.in = in;
        } else if (!look_up(in, place.key, &in) || !is_container(in)) {
            in = NULL;
        }
    }
    return place;
}

/* How deep the containers of a value nest. */
static size_t depth_of(const struct kst_json *value)
{
    size_t deepest = 0;
    for (const struct kst_json *row = kst_json_first(value); row; row = kst_json_next(row)) {
        size_t depth = depth_of(row);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + is_container(value);
}

static struct kst_json *copy_or_null(const struct kst_json *value)
{
    return value ? kst_json_dup(value) : kst_json_null();
}

/* ---- Operations ---- */

static int rejected(struct operation *op, const char *why, struct kst_err **err)
{
    int rc = kst_err_set(err, KST_E_INVALID, REJECTED);
    kst_err_hint(err, "operation \"%s\" at \"%s\": %s", op->op ? op->op : "",
                 op->path ? op->path : "", why);
    return rc;
}

static int no_place(struct operation *op, struct kst_err **err)
{
    return rejected(op, "the path leads nowhere", err);
}

/* Puts `value` (taken, also on failure) at a place. */
static int put(struct operation *op, struct place *at, struct kst_json *value, struct kst_err **err)
{
    kst_auto_json struct kst_json *owned = value;
    if (!at->in)
        return no_place(op, err);
    if (at->depth + depth_of(value) > KST_JSON_DEPTH)
        return rejected(op, "the object would nest too deep", err);
    if (kst_json_type(at->in) == KST_JSON_OBJECT) {
        kst_json_set(at->in, at->key, kst_take(owned));
        return 0;
    }
    long len = (long)kst_json_len(at->in), index = len;
    if (strcmp(at->key, "-") != 0) {
        if (!parse_index(at->key, &index) || index > len || index < -len - 1)
            return rejected(op, "no such place in the list", err);
        if (index < 0)
            index += len + 1;
    }
    kst_json_insert(at->in, (size_t)index, kst_take(owned));
    return 0;
}

static int take_out(struct operation *op, struct place *at, struct kst_json **value,
                    struct kst_err **err)
{
    if (!at->in)
        return no_place(op, err);
    if (kst_json_type(at->in) == KST_JSON_OBJECT) {
        *value = kst_json_detach(at->in, at->key);
    } else {
        long index, len = (long)kst_json_len(at->in);
        if (parse_index(at->key, &index) && index >= -len)
            *value = kst_json_detach_at(at->in, (size_t)(index < 0 ? index + len : index));
    }
    return *value ? 0 : rejected(op, "there is nothing to take away", err);
}

static int apply_add(struct operation *op, struct kst_json *root, struct kst_err **err)
{
    auto_place at = find(root, op->path);
    return put(op, &at, copy_or_null(kst_json_get(op->row, "value")), err);
}

static int apply_remove(struct operation *op, struct kst_json *root, struct kst_err **err)
{
    kst_auto_json struct kst_json *old = NULL;
    auto_place at = find(root, op->path);
    return take_out(op, &at, &old, err);
}

static int apply_replace(struct operation *op, struct kst_json *root, struct kst_err **err)
{
    struct kst_json *old = NULL;
    auto_place at = find(root, op->path);
    if (!at.in)
        return no_place(op, err);
    if (!look_up(at.in, at.key, &old))
        return rejected(op, "no such place in the list", err);
    if (kst_json_type(at.in) == KST_JSON_ARRAY) {
        long index = 0;
        parse_index(at.key, &index);
        kst_json_free(kst_json_detach_at(at.in, (size_t)index));
    }
    return put(op, &at, copy_or_null(kst_json_get(op->row, "value")), err);
}

static int apply_move(struct operation *op, struct kst_json *root, struct kst_err **err)
{
    kst_auto_json struct kst_json *value = NULL;
    auto_place from = find(root, op->from);
    int rc = take_out(op, &from, &value, err);
    if (rc < 0)
        return rc;
    auto_place at = find(root, op->path);
    return put(op, &at, kst_take(value), err);
}

/* Copies that double each other would fill the memory: the server has the same limit. */
static int apply_copy(struct operation *op, struct kst_json *root, struct kst_err **err)
{
    struct kst_json *value = NULL;
    auto_place from = find(root, op->from);
    if (!from.in)
        return no_place(op, err);
    if (!look_up(from.in, from.key, &value))
        return rejected(op, "no such place in the list", err);
    if (value) {
        kst_auto_buf text = KST_BUF_INIT(KST_JSON_PATCH_COPY_BYTES);
        if (kst_json_print(value, KST_JSON_COMPACT, &text) == 0)
            op->copied_bytes += text.len;
        else
            op->copied_bytes = KST_JSON_PATCH_COPY_BYTES + 1;
        if (op->copied_bytes > KST_JSON_PATCH_COPY_BYTES)
            return rejected(op, "the operations copy more than 3 MiB", err);
    }
    kst_auto_json struct kst_json *copy = copy_or_null(value);
    auto_place at = find(root, op->path);
    return put(op, &at, kst_take(copy), err);
}

/* A missing key equals null, and nothing else. */
static int apply_test(struct operation *op, struct kst_json *root, struct kst_err **err)
{
    struct kst_json *found = NULL;
    auto_place at = find(root, op->path);
    if (!at.in)
        return no_place(op, err);
    if (!look_up(at.in, at.key, &found))
        return rejected(op, "no such place in the list", err);
    const struct kst_json *wanted = kst_json_get(op->row, "value");
    bool equal = found ? kst_json_equal(found, wanted) : kst_json_type(wanted) == KST_JSON_NULL;
    return equal ? 0 : rejected(op, "the value there is another one", err);
}

static int apply(struct operation *op, struct kst_json *root, struct kst_err **err)
{
    static const struct {
        const char *name;
        int (*apply)(struct operation *op, struct kst_json *root, struct kst_err **err);
        bool has_from;
    } kinds[] = {
        {"add", apply_add, false},   {"remove", apply_remove, false},
        {"test", apply_test, false}, {"replace", apply_replace, false},
        {"move", apply_move, true},  {"copy", apply_copy, true},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(kinds); i++) {
        if (!op->op || strcmp(op->op, kinds[i].name) != 0)
            continue;
        if (!op->path || (kinds[i].has_from && !op->from))
            return rejected(op, op->path ? "it has no \"from\"" : "it has no \"path\"", err);
        return kinds[i].apply(op, root, err);
    }
    return rejected(op, "no such operation", err);
}

/* ---- The patch ---- */

static int wrong_type(const struct kst_json *value, const char *wanted, struct kst_err **err)
{
    static const char *const go_names[] = {"nothing", "null",  "bool",  "number",
                                           "string",  "array", "object"};
    return kst_err_set(err, KST_E_PARSE,
                       "json: cannot unmarshal %s into Go value of type jsonpatch.%s",
                       go_names[kst_json_type(value)], wanted);
}

/* The server reads null as an empty patch, and a null in it as an operation without any field. */
static int check_types(const struct kst_json *patch, struct kst_err **err)
{
    if (kst_json_type(patch) == KST_JSON_NULL)
        return 0;
    if (kst_json_type(patch) != KST_JSON_ARRAY)
        return wrong_type(patch, "Patch", err);
    for (const struct kst_json *row = kst_json_first(patch); row; row = kst_json_next(row)) {
        if (kst_json_type(row) != KST_JSON_OBJECT && kst_json_type(row) != KST_JSON_NULL)
            return wrong_type(row, "Operation", err);
    }
    if (kst_json_len(patch) > KST_JSON_PATCH_OPERATIONS)
        return kst_err_set(err, KST_E_LIMIT,
                           "The allowed maximum operations in a JSON patch is %d, got %zu",
                           KST_JSON_PATCH_OPERATIONS, kst_json_len(patch));
    return 0;
}

int kst_json_patch_apply(const struct kst_json *object, const struct kst_json *patch,
                         struct kst_json **out, struct kst_err **err)
{
    int rc = check_types(patch, err);
    if (rc < 0)
        return rc;
    kst_auto_json struct kst_json *root = kst_json_dup(object);
    struct operation op = {0};
    for (const struct kst_json *row = kst_json_first(patch); row; row = kst_json_next(row)) {
        op.row = row;
        op.op = kst_json_str(kst_json_get(row, "op"));
        op.path = kst_json_str(kst_json_get(row, "path"));
        op.from = kst_json_str(kst_json_get(row, "from"));
        rc = apply(&op, root, err);
        if (rc < 0)
            return rc;
    }
    *out = kst_take(root);
    return 0;
}

/* ---- Merge patches ---- */

/* A copy without nulls, at any depth. */
static struct kst_json *without_nulls(const struct kst_json *value)
{
    if (!is_container(value))
        return kst_json_dup(value);
    bool is_object = kst_json_type(value) == KST_JSON_OBJECT;
    struct kst_json *copy = is_object ? kst_json_object() : kst_json_array();
    for (const struct kst_json *row = kst_json_first(value); row; row = kst_json_next(row)) {
        if (kst_json_type(row) == KST_JSON_NULL)
            continue;
        if (is_object)
            kst_json_set(copy, kst_json_key(row), without_nulls(row));
        else
            kst_json_push(copy, without_nulls(row));
    }
    return copy;
}

static void merge_into(struct kst_json *object, const struct kst_json *patch)
{
    for (const struct kst_json *row = kst_json_first(patch); row; row = kst_json_next(row)) {
        const char *key = kst_json_key(row);
        struct kst_json *old = kst_json_mut(object, key);
        if (kst_json_type(row) == KST_JSON_NULL)
            kst_json_remove(object, key);
        else if (kst_json_type(old) != KST_JSON_OBJECT)
            kst_json_set(object, key, without_nulls(row));
        else if (kst_json_type(row) != KST_JSON_OBJECT)
            kst_json_set(object, key, kst_json_dup(row));
        else
            merge_into(old, row);
    }
}

struct kst_json *kst_json_patch_merge(const struct kst_json *object, const struct kst_json *patch)
{
    if (kst_json_type(patch) != KST_JSON_OBJECT)
        return kst_json_dup(patch);
    struct kst_json *merged = kst_json_type(object) == KST_JSON_OBJECT ? kst_json_dup(object)
                                                                       : kst_json_object();
    merge_into(merged, patch);
    return merged;
}
