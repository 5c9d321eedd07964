/* SPDX-License-Identifier: Apache-2.0 */
/* Lists that are sets, and lists that are maps of objects by some of their fields. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/cause.h"
#include "sandbox/api/status.h"
#include "sandbox/custom/schema.h"
#include "sandbox/custom/schema_internal.h"
#include "sandbox/types/gotext.h"

enum { TEXT_BYTES = 1024 * 1024 };

struct element {
    char *text; /* the same for elements that are the same */
    size_t index;
};

/* A scalar is told apart by its type too, as a value of Go's interface{} is. */
static char *text_of(const struct kst_json *value)
{
    int64_t whole;
    const char *number = kst_json_number(value);
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
    if (number && !kst_go_is_int(number, &whole))
        kst_buf_adds(&text, "float64 ");
    kst_go_json(&text, value);
    return kst_buf_take(&text);
}

static int by_text(const void *a, const void *b)
{
    const struct element *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Tells of the second appearance of each value of the list. */
static void check_unique(const struct kst_json *list, const char *path, struct kst_json *causes)
{
    size_t count = kst_json_len(list), made = 0;
    struct element *elements = kst_calloc(count + 1, sizeof(*elements));
    kst_auto_free bool *twice = kst_calloc(count + 1, sizeof(*twice));
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e), made++)
        elements[made] = (struct element){.text = text_of(e), .index = made};
    qsort(elements, made, sizeof(*elements), by_text);
    for (size_t i = 1; i < made; i++)
        twice[elements[i].index] = strcmp(elements[i - 1].text, elements[i].text) == 0 &&
                                   (i < 2 || strcmp(elements[i - 2].text, elements[i].text) != 0);
    size_t index = 0;
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e), index++) {
        if (!twice[index])
            continue;
        kst_auto_buf shown = KST_BUF_INIT(TEXT_BYTES);
        kst_auto_free char *field = kst_asprintf("%s[%zu]", path, index);
        if (kst_json_type(e) == KST_JSON_NULL)
            kst_buf_adds(&shown, "\"null\"");
        else
            kst_go_syntax(&shown, e);
        kst_cause_add(causes, "FieldValueDuplicate", field, "Duplicate value: %s", shown.data);
    }
    for (size_t i = 0; i < made; i++)
        free(elements[i].text);
    free(elements);
}

/* The fields of an element that tell it apart. */
static struct kst_json *keys_of(const struct kst_json *element, const struct kst_json *names)
{
    struct kst_json *keys = kst_json_object();
    for (const struct kst_json *n = kst_json_first(names); n; n = kst_json_next(n)) {
        const struct kst_json *value = kst_json_str(n) ? kst_json_get(element, kst_json_str(n))
                                                       : NULL;
        if (value)
            kst_json_set(keys, kst_json_str(n), kst_json_dup(value));
    }
    return keys;
}

static void check_map(const struct kst_json *list, const struct kst_json *names, const char *path,
                      struct kst_json *causes)
{
    kst_auto_json struct kst_json *keys = kst_json_array();
    size_t index = 0;
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e), index++) {
        enum kst_json_type type = kst_json_type(e);
        if (type != KST_JSON_OBJECT && type != KST_JSON_NULL) {
            kst_auto_buf shown = KST_BUF_INIT(TEXT_BYTES);
            kst_auto_free char *field = kst_asprintf("%s[%zu]", path, index);
            kst_go_syntax(&shown, e);
            kst_cause_invalid_value(causes, field, NULL, shown.data,
                                    "must be an object for an array of list-type map");
            return;
        }
        kst_json_push(keys, keys_of(e, names));
    }
    check_unique(keys, path, causes);
}

static void check(const struct kst_json *schema, const struct kst_json *value, const char *path,
                  struct kst_json *causes)
{
    const char *list = kst_json_str(kst_json_get(schema, "x-kubernetes-list-type"));
    if (kst_json_type(value) == KST_JSON_ARRAY) {
        const struct kst_json *items = kst_schema_part(schema, "items");
        size_t index = 0;
        if (list && strcmp(list, "set") == 0)
            check_unique(value, path, causes);
        else if (list && strcmp(list, "map") == 0)
            check_map(value, kst_json_get(schema, "x-kubernetes-list-map-keys"), path, causes);
        for (const struct kst_json *e = kst_json_first(value); items && e; e = kst_json_next(e)) {
            kst_auto_free char *at = kst_asprintf("%s[%zu]", path, index++);
            check(items, e, at, causes);
        }
        return;
    }
    const struct kst_json *properties = kst_schema_part(schema, "properties");
    const struct kst_json *others = kst_schema_part(schema, "additionalProperties");
    if (kst_json_type(value) != KST_JSON_OBJECT || (!properties && !others))
        return;
    for (const struct kst_json *e = kst_json_first(value); e; e = kst_json_next(e)) {
        const struct kst_json *own = kst_json_get(properties, kst_json_key(e));
        kst_auto_free char *at = kst_schema_place(path, kst_json_key(e), own);
        if (own || others)
            check(own ? own : others, e, at, causes);
    }
}

void kst_schema_validate_lists(const struct kst_json *schema, const struct kst_json *object,
                               struct kst_json *causes)
{
    check(schema, object, "", causes);
}
