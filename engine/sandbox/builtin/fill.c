/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that fill in the fields of an object. */
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sandbox/builtin/internal.h"
#include "sandbox/types/quantity.h"

enum { KEY_BYTES = 64 };

static bool is_empty(const struct kst_json *value)
{
    enum kst_json_type type = kst_json_type(value);
    return type == KST_JSON_ABSENT || type == KST_JSON_NULL ||
           (type == KST_JSON_STRING && *kst_json_str(value) == '\0');
}

static bool is_zero(const struct kst_json *value)
{
    int64_t number = 1;
    enum kst_json_type type = kst_json_type(value);
    return is_empty(value) || (type == KST_JSON_BOOL && !kst_json_true(value)) ||
           (type == KST_JSON_NUMBER && kst_json_int(value, &number) && number == 0) ||
           ((type == KST_JSON_ARRAY || type == KST_JSON_OBJECT) && kst_json_len(value) == 0);
}

static void make_canonical(struct kst_json *at, const char *key, bool round)
{
    const __int128 milli = 1000000;
    char text[KST_QUANTITY_TEXT];
    struct kst_quantity quantity;
    const struct kst_json *value = kst_json_get(at, key);
    const char *stored = kst_json_str(value) ? kst_json_str(value) : kst_json_number(value);
    if (!stored || !kst_quantity_parse(stored, &quantity))
        return;
    if (round && quantity.nano % milli != 0) {
        quantity.nano = (quantity.nano / milli + (quantity.nano > 0)) * milli;
        kst_quantity_print(&quantity, text);
    } else {
        kst_quantity_canonical(stored, text);
    }
    kst_json_set_str(at, key, text);
}

static void make_resources(struct kst_json *list)
{
    for (size_t i = 0; i < kst_json_len(list); i++) {
        kst_auto_free char *key = kst_strdup(kst_json_key(kst_json_at(list, i)));
        make_canonical(list, key, true);
    }
}

static void fill_leaf(struct kst_json *at, const char *key, const struct kst_fill_rule *rule)
{
    const struct kst_json *value = kst_json_get(at, key);
    bool set = false;
    switch (rule->how) {
    case KST_FILL_ABSENT:
        set = is_empty(value);
        break;
    case KST_FILL_ZERO:
        set = kst_json_type(value) != KST_JSON_BOOL && is_zero(value);
        break;
    case KST_FILL_ALWAYS:
        set = true;
        break;
    case KST_FILL_DROP:
        if (value && is_zero(value))
            kst_json_remove(at, key);
        break;
    case KST_FILL_QUANTITY:
        make_canonical(at, key, false);
        break;
    case KST_FILL_RESOURCES:
        if (kst_json_type(value) == KST_JSON_OBJECT)
            make_resources(kst_json_mut(at, key));
        break;
    }
    if (set)
        kst_json_set(at, key, kst_json_make(rule->json));
}

static void fill(struct kst_json *at, const char *path, const struct kst_fill_rule *rule)
{
    char key[KEY_BYTES];
    size_t len = strcspn(path, ".[");
    if (kst_json_type(at) != KST_JSON_OBJECT || len >= sizeof(key))
        return;
    memcpy(key, path, len);
    key[len] = '\0';
    path += len;
    if (*path == '\0') {
        fill_leaf(at, key, rule);
        return;
    }
    struct kst_json *below = kst_json_mut(at, key);
    if (*path == '.') {
        fill(below, path + 1, rule);
        return;
    }
    path += strlen("[].");
    for (size_t i = 0; kst_json_type(below) == KST_JSON_ARRAY && i < kst_json_len(below); i++)
        fill(kst_json_mut_at(below, i), path, rule);
}

void kst_fill_all(struct kst_json *object, const struct kst_fill_rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fill(object, rules[i].path, &rules[i]);
}

void kst_fill_absent(struct kst_json *object, const char *path, const char *json)
{
    struct kst_fill_rule rule = {path, json, KST_FILL_ABSENT};
    fill(object, path, &rule);
}

static struct kst_json *value_at(struct kst_json *object, const char *path)
{
    while (kst_json_type(object) == KST_JSON_OBJECT) {
        char key[KEY_BYTES];
        size_t len = strcspn(path, ".");
        if (len >= sizeof(key))
            return NULL;
        memcpy(key, path, len);
        key[len] = '\0';
        object = kst_json_mut(object, key);
        if (path[len] == '\0')
            return object;
        path += len + 1;
    }
    return NULL;
}

struct kst_json *kst_fill_object(struct kst_json *object, const char *path)
{
    struct kst_json *value = value_at(object, path);
    return kst_json_type(value) == KST_JSON_OBJECT ? value : NULL;
}

struct kst_json *kst_fill_array(struct kst_json *object, const char *path)
{
    struct kst_json *value = value_at(object, path);
    return kst_json_type(value) == KST_JSON_ARRAY ? value : NULL;
}

const char *kst_fill_text(const struct kst_json *object, const char *path)
{
    const char *text = kst_json_path_str(object, path);
    return text ? text : "";
}

bool kst_fill_is(const struct kst_json *object, const char *path, const char *text)
{
    return strcmp(kst_fill_text(object, path), text) == 0;
}

void kst_fill_without_nulls(struct kst_json *value)
{
    bool object = kst_json_type(value) == KST_JSON_OBJECT;
    for (size_t i = 0; i < kst_json_len(value);) {
        const struct kst_json *entry = kst_json_at(value, i);
        if (object && kst_json_type(entry) == KST_JSON_NULL) {
            kst_auto_free char *key = kst_strdup(kst_json_key(entry));
            kst_json_remove(value, key);
            continue;
        }
        if (kst_json_len(entry) > 0)
            kst_fill_without_nulls(object ? kst_json_mut(value, kst_json_key(entry))
                                          : kst_json_mut_at(value, i));
        i++;
    }
}
