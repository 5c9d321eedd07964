/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json_scan.h"
#include "base/mem.h"

/* A struct kst_json is a cJSON; a number is a cJSON_Raw that holds its text. */
static cJSON *raw(struct kst_json *self)
{
    return (cJSON *)self;
}

static const cJSON *craw(const struct kst_json *self)
{
    return (const cJSON *)self;
}

static struct kst_json *wrap(cJSON *item)
{
    if (!item)
        abort(); /* cJSON is out of memory */
    return (struct kst_json *)item;
}

static int kind(const cJSON *item)
{
    return item->type & 0xff;
}

/* Turns the scan's marked strings back into numbers and strings, in place. The walk is iterative:
 * `path` holds the parents. */
static void unmark(cJSON *root)
{
    cJSON *path[KST_JSON_SCAN_DEPTH + 1];
    int depth = 0;
    for (cJSON *item = root; item;) {
        if (kind(item) == cJSON_String) {
            if (item->valuestring[0] == KST_JSON_MARK_NUMBER)
                item->type = cJSON_Raw | (item->type & ~0xff);
            memmove(item->valuestring, item->valuestring + 1, strlen(item->valuestring));
        }
        if (item->child) {
            path[depth++] = item;
            item = item->child;
            continue;
        }
        while (item && !item->next)
            item = depth ? path[--depth] : NULL;
        item = item ? item->next : NULL;
    }
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The first key that an object has twice, or NULL. Sorting keeps it from being quadratic. */
static const char *duplicate_key(const cJSON *object)
{
    size_t count = 0;
    for (const cJSON *item = object->child; item; item = item->next)
        count++;
    if (count < 2)
        return NULL;
    const char **keys = kst_calloc(count, sizeof(*keys));
    count = 0;
    for (const cJSON *item = object->child; item; item = item->next)
        keys[count++] = item->string;
    qsort(keys, count, sizeof(*keys), compare_keys);
    const char *found = NULL;
    for (size_t i = 1; i < count && !found; i++) {
        if (strcmp(keys[i - 1], keys[i]) == 0)
            found = keys[i];
    }
    free(keys);
    return found;
}

static const char *any_duplicate(const cJSON *item)
{
    const char *found = kind(item) == cJSON_Object ? duplicate_key(item) : NULL;
    for (const cJSON *child = item->child; child && !found; child = child->next)
        found = child->child ? any_duplicate(child) : NULL;
    return found;
}

int kst_json_parse_deep(const char *text, size_t len, int max_depth, struct kst_json **out,
                        struct kst_err **err)
{
    kst_auto_free char *copy = NULL;
    size_t copy_len = 0;
    int rc = kst_json_scan(text, len, max_depth, &copy, &copy_len, err);
    if (rc < 0)
        return rc;
    cJSON *root = cJSON_ParseWithLengthOpts(copy, copy_len + 1, NULL, 1);
    if (!root)
        return kst_err_set(err, KST_E_PARSE, "the JSON could not be read");
    const char *twice = any_duplicate(root);
    if (twice) {
        kst_err_set(err, KST_E_PARSE, "an object has the key \"%s\" twice", twice);
        cJSON_Delete(root);
        return KST_E_PARSE;
    }
    unmark(root);
    *out = wrap(root);
    return 0;
}

int kst_json_parse(const char *text, size_t len, struct kst_json **out, struct kst_err **err)
{
    return kst_json_parse_deep(text, len, KST_JSON_DEPTH, out, err);
}

void kst_json_free(struct kst_json *self)
{
    cJSON_Delete(raw(self));
}

struct kst_json *kst_json_dup(const struct kst_json *self)
{
    if (!self)
        return NULL;
    struct kst_json *copy = wrap(cJSON_Duplicate(craw(self), 1));
    if (raw(copy)->string) { /* the copy of an entry is nobody's entry */
        free(raw(copy)->string);
        raw(copy)->string = NULL;
    }
    return copy;
}

enum kst_json_type kst_json_type(const struct kst_json *self)
{
    if (!self)
        return KST_JSON_ABSENT;
    switch (kind(craw(self))) {
    case cJSON_True:
    case cJSON_False:
        return KST_JSON_BOOL;
    case cJSON_Raw:
        return KST_JSON_NUMBER;
    case cJSON_String:
        return KST_JSON_STRING;
    case cJSON_Array:
        return KST_JSON_ARRAY;
    case cJSON_Object:
        return KST_JSON_OBJECT;
    default:
        return KST_JSON_NULL;
    }
}

const char *kst_json_type_name(enum kst_json_type type)
{
    static const char *const names[] = {"nothing",  "null",     "a boolean", "a number",
                                        "a string", "an array", "an object"};
    return names[type];
}

static bool is_container(const struct kst_json *self)
{
    return self && (kind(craw(self)) == cJSON_Array || kind(craw(self)) == cJSON_Object);
}

size_t kst_json_len(const struct kst_json *self)
{
    return is_container(self) ? (size_t)cJSON_GetArraySize(craw(self)) : 0;
}

const struct kst_json *kst_json_get(const struct kst_json *self, const char *key)
{
    if (kst_json_type(self) != KST_JSON_OBJECT)
        return NULL;
    return (const struct kst_json *)cJSON_GetObjectItemCaseSensitive(craw(self), key);
}

const struct kst_json *kst_json_at(const struct kst_json *self, size_t index)
{
    if (!is_container(self) || index > INT32_MAX)
        return NULL;
    return (const struct kst_json *)cJSON_GetArrayItem(craw(self), (int)index);
}

const struct kst_json *kst_json_path(const struct kst_json *self, const char *path)
{
    struct kst_str rest = kst_str_of(path), part;
    while (self && kst_str_split(&rest, '.', &part)) {
        char key[256];
        if (part.len >= sizeof(key))
            return NULL;
        memcpy(key, part.data, part.len);
        key[part.len] = '\0';
        long long index;
        if (kst_json_type(self) == KST_JSON_ARRAY)
            self = kst_parse_int(key, &index) && index >= 0 ? kst_json_at(self, (size_t)index)
                                                            : NULL;
        else
            self = kst_json_get(self, key);
    }
    return self;
}

const char *kst_json_str(const struct kst_json *self)
{
    return kst_json_type(self) == KST_JSON_STRING ? craw(self)->valuestring : NULL;
}

const char *kst_json_path_str(const struct kst_json *self, const char *path)
{
    return kst_json_str(kst_json_path(self, path));
}

const char *kst_json_number(const struct kst_json *self)
{
    return kst_json_type(self) == KST_JSON_NUMBER ? craw(self)->valuestring : NULL;
}

bool kst_json_int(const struct kst_json *self, int64_t *value)
{
    const char *text = kst_json_number(self);
    long long whole;
    if (!text)
        return false;
    if (kst_parse_int(text, &whole)) {
        *value = whole;
        return true;
    }
    if (!strpbrk(text, ".eE"))
        return false; /* whole, but too large */
    double number = strtod(text, NULL);
    if (!(fabs(number) < 9007199254740992.0) || number != floor(number))
        return false;
    *value = (int64_t)number;
    return true;
}

int64_t kst_json_path_int(const struct kst_json *self, const char *path, int64_t fallback)
{
    int64_t value;
    return kst_json_int(kst_json_path(self, path), &value) ? value : fallback;
}

bool kst_json_true(const struct kst_json *self)
{
    return self && kind(craw(self)) == cJSON_True;
}

bool kst_json_path_true(const struct kst_json *self, const char *path)
{
    return kst_json_true(kst_json_path(self, path));
}

const struct kst_json *kst_json_first(const struct kst_json *self)
{
    return is_container(self) ? (const struct kst_json *)craw(self)->child : NULL;
}

const struct kst_json *kst_json_next(const struct kst_json *self)
{
    return self ? (const struct kst_json *)craw(self)->next : NULL;
}

const char *kst_json_key(const struct kst_json *self)
{
    return self ? craw(self)->string : NULL;
}

static bool equal_containers(const struct kst_json *a, const struct kst_json *b, bool object)
{
    if (kst_json_len(a) != kst_json_len(b))
        return false;
    const struct kst_json *y = kst_json_first(b);
    for (const struct kst_json *x = kst_json_first(a); x; x = kst_json_next(x)) {
        /* Entries mostly stand in the same order: look there first. */
        const struct kst_json *other = y;
        if (object && strcmp(kst_json_key(x), kst_json_key(y)) != 0)
            other = kst_json_get(b, kst_json_key(x));
        if (!other || !kst_json_equal(x, other))
            return false;
        y = kst_json_next(y);
    }
    return true;
}

bool kst_json_equal(const struct kst_json *a, const struct kst_json *b)
{
    enum kst_json_type type = kst_json_type(a);
    if (type != kst_json_type(b))
        return false;
    switch (type) {
    case KST_JSON_BOOL:
        return kst_json_true(a) == kst_json_true(b);
    case KST_JSON_NUMBER:
    case KST_JSON_STRING:
        return strcmp(craw(a)->valuestring, craw(b)->valuestring) == 0;
    case KST_JSON_ARRAY:
    case KST_JSON_OBJECT:
        return equal_containers(a, b, type == KST_JSON_OBJECT);
    default:
        return true;
    }
}

bool kst_json_has_all(const struct kst_json *self, const struct kst_json *subset)
{
    for (const struct kst_json *row = kst_json_first(subset); row; row = kst_json_next(row)) {
        const char *mine = kst_json_str(kst_json_get(self, kst_json_key(row)));
        const char *wanted = kst_json_str(row);
        if (!mine || !wanted || strcmp(mine, wanted) != 0)
            return false;
    }
    return true;
}

struct kst_json *kst_json_object(void)
{
    return wrap(cJSON_CreateObject());
}

struct kst_json *kst_json_array(void)
{
    return wrap(cJSON_CreateArray());
}

struct kst_json *kst_json_null(void)
{
    return wrap(cJSON_CreateNull());
}

struct kst_json *kst_json_bool(bool value)
{
    return wrap(cJSON_CreateBool(value));
}

struct kst_json *kst_json_from_int(int64_t value)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)value);
    return wrap(cJSON_CreateRaw(text));
}

bool kst_json_is_number(const char *text)
{
    size_t len = strlen(text), copy_len;
    char *copy = NULL;
    bool is = len && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')) &&
              text[len - 1] >= '0' && text[len - 1] <= '9' &&
              kst_json_scan(text, len, 0, &copy, &copy_len, NULL) == 0;
    free(copy);
    return is;
}

struct kst_json *kst_json_from_number(const char *text)
{
    assert(kst_json_is_number(text));
    return wrap(cJSON_CreateRaw(text));
}

struct kst_json *kst_json_from_str(const char *text)
{
    return text ? wrap(cJSON_CreateString(text)) : kst_json_null();
}

char *kst_json_raw_text(const char *text, size_t len)
{
    size_t nuls = 0;
    for (size_t i = 0; i < len; i++)
        nuls += text[i] == '\0';
    char *copy = kst_malloc(len + nuls + 1), *to = copy;
    for (size_t i = 0; i < len; i++) {
        if (text[i]) {
            *to++ = text[i];
        } else {
            *to++ = (char)0xc0;
            *to++ = (char)0x80;
        }
    }
    *to = '\0';
    return copy;
}

struct kst_json *kst_json_from_strn(const char *text, size_t len)
{
    kst_auto_free char *copy = kst_json_raw_text(text, len);
    return wrap(cJSON_CreateString(copy));
}

void kst_json_set(struct kst_json *self, const char *key, struct kst_json *value)
{
    assert(kst_json_type(self) == KST_JSON_OBJECT);
    if (!value)
        return;
    cJSON *old = cJSON_GetObjectItemCaseSensitive(raw(self), key);
    bool done;
    if (old) {
        raw(value)->string = kst_strdup(key);
        done = cJSON_ReplaceItemViaPointer(raw(self), old, raw(value));
    } else {
        done = cJSON_AddItemToObject(raw(self), key, raw(value));
    }
    if (!done)
        abort();
}

void kst_json_append(struct kst_json *self, const char *key, struct kst_json *value)
{
    assert(kst_json_type(self) == KST_JSON_OBJECT);
    if (!cJSON_AddItemToObject(raw(self), key, raw(value)))
        abort();
}

void kst_json_set_str(struct kst_json *self, const char *key, const char *value)
{
    if (value)
        kst_json_set(self, key, kst_json_from_str(value));
    else
        kst_json_remove(self, key);
}

void kst_json_set_int(struct kst_json *self, const char *key, int64_t value)
{
    kst_json_set(self, key, kst_json_from_int(value));
}

void kst_json_set_bool(struct kst_json *self, const char *key, bool value)
{
    kst_json_set(self, key, kst_json_bool(value));
}

void kst_json_prepend(struct kst_json *self, const char *key, struct kst_json *value)
{
    assert(kst_json_type(self) == KST_JSON_OBJECT);
    cJSON *next = raw(self)->child, *item = raw(value);
    if (!next) {
        kst_json_append(self, key, value);
        return;
    }
    free(item->string);
    item->string = kst_strdup(key);
    item->next = next;
    item->prev = next->prev; /* the first one's is the last of all */
    next->prev = item;
    raw(self)->child = item;
}

void kst_json_push(struct kst_json *array, struct kst_json *value)
{
    assert(kst_json_type(array) == KST_JSON_ARRAY);
    if (!cJSON_AddItemToArray(raw(array), raw(value)))
        abort();
}

void kst_json_insert(struct kst_json *array, size_t index, struct kst_json *value)
{
    assert(kst_json_type(array) == KST_JSON_ARRAY);
    cJSON *next = (cJSON *)kst_json_at(array, index);
    if (!next) {
        kst_json_push(array, value);
        return;
    }
    /* cJSON counts its places in int, and would walk the list once more. */
    cJSON *list = raw(array), *item = raw(value);
    item->next = next;
    item->prev = next->prev;
    next->prev = item;
    if (list->child == next)
        list->child = item;
    else
        item->prev->next = item;
}

void kst_json_remove(struct kst_json *self, const char *key)
{
    kst_json_free(kst_json_detach(self, key));
}

struct kst_json *kst_json_detach(struct kst_json *self, const char *key)
{
    cJSON *item = self ? cJSON_DetachItemFromObjectCaseSensitive(raw(self), key) : NULL;
    if (item) {
        free(item->string);
        item->string = NULL;
    }
    return (struct kst_json *)item;
}

struct kst_json *kst_json_detach_at(struct kst_json *array, size_t index)
{
    if (kst_json_type(array) != KST_JSON_ARRAY)
        return NULL;
    cJSON *item = (cJSON *)kst_json_at(array, index);
    return item ? (struct kst_json *)cJSON_DetachItemViaPointer(raw(array), item) : NULL;
}

static struct kst_json *ensure(struct kst_json *self, const char *key, enum kst_json_type type)
{
    struct kst_json *old = kst_json_mut(self, key);
    if (kst_json_type(old) == type)
        return old;
    struct kst_json *made = type == KST_JSON_OBJECT ? kst_json_object() : kst_json_array();
    kst_json_set(self, key, made);
    return made;
}

struct kst_json *kst_json_ensure_object(struct kst_json *self, const char *key)
{
    return ensure(self, key, KST_JSON_OBJECT);
}

struct kst_json *kst_json_ensure_array(struct kst_json *self, const char *key)
{
    return ensure(self, key, KST_JSON_ARRAY);
}

struct kst_json *kst_json_mut(struct kst_json *self, const char *key)
{
    return (struct kst_json *)kst_json_get(self, key);
}

struct kst_json *kst_json_mut_at(struct kst_json *self, size_t index)
{
    return (struct kst_json *)kst_json_at(self, index);
}

struct kst_json *kst_json_first_mut(struct kst_json *self)
{
    return (struct kst_json *)kst_json_first(self);
}

struct kst_json *kst_json_next_mut(struct kst_json *self)
{
    return (struct kst_json *)kst_json_next(self);
}

void kst_json_drop(struct kst_json *self, struct kst_json *entry)
{
    cJSON_Delete(cJSON_DetachItemViaPointer(raw(self), raw(entry)));
}

struct kst_json *kst_json_replace(struct kst_json *self, struct kst_json *entry,
                                  struct kst_json *value)
{
    raw(value)->string = raw(entry)->string;
    raw(entry)->string = NULL;
    if (!cJSON_ReplaceItemViaPointer(raw(self), raw(entry), raw(value)))
        abort();
    return value;
}
