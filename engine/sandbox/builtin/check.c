/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/builtin/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/status.h"
#include "sandbox/types/gotext.h"

enum { TEXT_BYTES = 512 * 1024 };

/* ---- places ---- */

struct kst_place kst_place_top(struct kst_json *causes)
{
    return (struct kst_place){.causes = causes, .name = ""};
}

struct kst_place kst_place_field(const struct kst_place *up, const char *name)
{
    return (struct kst_place){.causes = up->causes, .up = up, .name = name};
}

struct kst_place kst_place_index(const struct kst_place *up, int index)
{
    return (struct kst_place){.causes = up->causes, .up = up, .index = index};
}

struct kst_place kst_place_key(const struct kst_place *up, const char *key)
{
    return (struct kst_place){.causes = up->causes, .up = up, .key = key};
}

static void print_place(const struct kst_place *self, struct kst_buf *out)
{
    if (self->up)
        print_place(self->up, out);
    if (self->name && *self->name)
        kst_buf_addf(out, "%s%s", out->len ? "." : "", self->name);
    else if (self->key)
        kst_buf_addf(out, "[%s]", self->key);
    else if (!self->name)
        kst_buf_addf(out, "[%d]", self->index);
}

char *kst_place_text(const struct kst_place *self)
{
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
    print_place(self, &text);
    return kst_buf_take(&text);
}

/* ---- what is wrong ---- */

static void add(const struct kst_place *place, const char *field, const char *reason,
                const char *what, const char *detail)
{
    struct kst_place at = kst_place_field(place, field);
    kst_auto_free char *text = kst_place_text(&at);
    kst_cause_add(place->causes, reason, text, "%s%s%s", what, *detail ? ": " : "", detail);
}

void kst_say_required(const struct kst_place *place, const char *field, const char *detail)
{
    add(place, field, "FieldValueRequired", "Required value", detail);
}

static char *formatted(const char *format, va_list args)
{
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
    kst_buf_addv(&text, format, args);
    return kst_buf_take(&text);
}

void kst_say_forbidden(const struct kst_place *place, const char *field, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    kst_auto_free char *detail = formatted(format, args);
    va_end(args);
    add(place, field, "FieldValueForbidden", "Forbidden", detail);
}

static void say_value(const struct kst_place *place, const char *field, const char *reason,
                      const char *type, const char *shown, const char *detail)
{
    kst_auto_free char *what = kst_asprintf("%s: %s", type, shown);
    add(place, field, reason, what, detail);
}

void kst_say_invalid(const struct kst_place *place, const char *field, const char *shown,
                     const char *format, ...)
{
    va_list args;
    va_start(args, format);
    kst_auto_free char *detail = formatted(format, args);
    va_end(args);
    say_value(place, field, "FieldValueInvalid", "Invalid value", shown, detail);
}

void kst_say_invalid_text(const struct kst_place *place, const char *field, const char *text,
                          const char *detail)
{
    kst_auto_free char *shown = kst_shown_text(text);
    say_value(place, field, "FieldValueInvalid", "Invalid value", shown, detail);
}

void kst_say_invalid_int(const struct kst_place *place, const char *field, int64_t value,
                         const char *detail)
{
    kst_auto_free char *shown = kst_asprintf("%" PRId64, value);
    say_value(place, field, "FieldValueInvalid", "Invalid value", shown, detail);
}

void kst_say_unsupported(const struct kst_place *place, const char *field, const char *text,
                         const char *supported)
{
    kst_auto_free char *shown = kst_shown_text(text);
    kst_say_unsupported_value(place, field, shown, supported);
}

void kst_say_unsupported_value(const struct kst_place *place, const char *field, const char *shown,
                               const char *supported)
{
    kst_auto_buf detail = KST_BUF_INIT(TEXT_BYTES);
    struct kst_str rest = kst_str_of(supported), one;
    kst_buf_adds(&detail, *supported ? "supported values: " : "");
    if (strcmp(supported, " ") == 0) /* nothing but "" */
        kst_str_split(&rest, ' ', &one);
    for (bool more = false; kst_str_split(&rest, ' ', &one); more = true)
        kst_buf_addf(&detail, "%s\"%.*s\"", more ? ", " : "", (int)one.len, one.data);
    say_value(place, field, "FieldValueNotSupported", "Unsupported value", shown, detail.data);
}

void kst_say_duplicate(const struct kst_place *place, const char *field, const char *text)
{
    kst_auto_free char *shown = kst_shown_text(text);
    kst_say_duplicate_value(place, field, shown);
}

void kst_say_duplicate_value(const struct kst_place *place, const char *field, const char *shown)
{
    say_value(place, field, "FieldValueDuplicate", "Duplicate value", shown, "");
}

void kst_say_not_found(const struct kst_place *place, const char *field, const char *text)
{
    kst_auto_free char *shown = kst_shown_text(text);
    say_value(place, field, "FieldValueNotFound", "Not found", shown, "");
}

void kst_say_too_long(const struct kst_place *place, const char *field, int max)
{
    kst_auto_free char *detail = kst_asprintf("must have at most %d bytes", max);
    add(place, field, "FieldValueTooLong", "Too long", detail);
}

/* ---- values as Go prints them ---- */

char *kst_shown_text(const char *text)
{
    kst_auto_buf out = KST_BUF_INIT(TEXT_BYTES);
    kst_go_quote(&out, text);
    return kst_buf_take(&out);
}

static void show_texts(struct kst_buf *out, const struct kst_json *list)
{
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e)) {
        kst_auto_free char *text = kst_shown_text(kst_json_str(e) ? kst_json_str(e) : "");
        kst_buf_addf(out, "%s%s", e == kst_json_first(list) ? "" : ", ", text);
    }
}

char *kst_shown_texts(const struct kst_json *list)
{
    kst_auto_buf out = KST_BUF_INIT(TEXT_BYTES);
    if (kst_json_type(list) != KST_JSON_ARRAY)
        return kst_strdup("[]string(nil)");
    kst_buf_adds(&out, "[]string{");
    show_texts(&out, list);
    kst_buf_addc(&out, '}');
    return kst_buf_take(&out);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(kst_json_key(*(const struct kst_json *const *)a),
                  kst_json_key(*(const struct kst_json *const *)b));
}

char *kst_shown_map(const struct kst_json *map)
{
    kst_auto_buf out = KST_BUF_INIT(TEXT_BYTES);
    size_t count = kst_json_len(map), i = 0;
    if (kst_json_type(map) != KST_JSON_OBJECT)
        return kst_strdup("map[string]string(nil)");
    const struct kst_json **rows = kst_calloc(count + 1, sizeof(*rows));
    for (const struct kst_json *e = kst_json_first(map); e; e = kst_json_next(e))
        rows[i++] = e;
    qsort(rows, count, sizeof(*rows), compare_keys);
    kst_buf_adds(&out, "map[string]string{");
    for (i = 0; i < count; i++) {
        kst_auto_free char *key = kst_shown_text(kst_json_key(rows[i]));
        kst_auto_free char *value = kst_shown_text(kst_json_str(rows[i]) ? kst_json_str(rows[i])
                                                                         : "");
        kst_buf_addf(&out, "%s%s:%s", i ? ", " : "", key, value);
    }
    kst_buf_addc(&out, '}');
    free(rows);
    return kst_buf_take(&out);
}

char *kst_shown_share(const struct kst_json *value)
{
    int64_t number = 0;
    const char *text = kst_json_str(value);
    kst_auto_free char *shown = kst_shown_text(text ? text : "");
    return kst_asprintf("intstr.IntOrString{Type:%d, IntVal:%lld, StrVal:%s}", text != NULL,
                        kst_json_int(value, &number) ? (long long)number : 0, shown);
}

char *kst_shown_selector(const struct kst_json *selector)
{
    kst_auto_buf out = KST_BUF_INIT(TEXT_BYTES);
    kst_auto_free char *labels = kst_shown_map(kst_json_get(selector, "matchLabels"));
    const struct kst_json *list = kst_json_get(selector, "matchExpressions");
    bool none = kst_json_type(list) != KST_JSON_ARRAY;
    if (kst_json_type(selector) != KST_JSON_OBJECT)
        return kst_strdup("\"null\"");
    kst_buf_addf(&out, "v1.LabelSelector{MatchLabels:%s, MatchExpressions:", labels);
    kst_buf_addf(&out, "[]v1.LabelSelectorRequirement%s", none ? "(nil)" : "{");
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e)) {
        kst_auto_free char *key = kst_shown_text(kst_read_text(e, "key"));
        kst_auto_free char *operator= kst_shown_text(kst_read_text(e, "operator"));
        kst_auto_free char *values = kst_shown_texts(kst_json_get(e, "values"));
        kst_buf_addf(&out, "%sv1.LabelSelectorRequirement{Key:%s, Operator:%s, Values:%s}",
                     e == kst_json_first(list) ? "" : ", ", key, operator, values);
    }
    kst_buf_adds(&out, none ? "}" : "}}");
    return kst_buf_take(&out);
}

/* ---- reading ---- */

const char *kst_read_text(const struct kst_json *object, const char *path)
{
    const char *text = kst_json_path_str(object, path);
    return text ? text : "";
}

int64_t kst_read_int(const struct kst_json *object, const char *path)
{
    return kst_json_path_int(object, path, 0);
}

bool kst_read_true(const struct kst_json *object, const char *path)
{
    return kst_json_path_true(object, path);
}

bool kst_has(const struct kst_json *object, const char *path)
{
    const struct kst_json *value = kst_json_path(object, path);
    return value && kst_json_type(value) != KST_JSON_NULL;
}

const struct kst_json *kst_map(const struct kst_json *value)
{
    return kst_json_type(value) == KST_JSON_OBJECT ? value : NULL;
}

struct kst_json *kst_copy_object(const struct kst_json *object)
{
    return kst_json_type(object) == KST_JSON_OBJECT ? kst_json_dup(object) : kst_json_object();
}

bool kst_is_one_of(const char *text, const char *texts)
{
    struct kst_str rest = kst_str_of(texts), one;
    while (kst_str_split(&rest, ' ', &one))
        if (kst_str_eq(one, text))
            return true;
    return false;
}

static bool is_zero(const struct kst_json *value)
{
    switch (kst_json_type(value)) {
    case KST_JSON_ABSENT:
    case KST_JSON_NULL:
        return true;
    case KST_JSON_BOOL:
        return !kst_json_true(value);
    case KST_JSON_NUMBER:
        return strcmp(kst_json_number(value), "0") == 0;
    case KST_JSON_STRING:
        return !*kst_json_str(value);
    case KST_JSON_ARRAY:
        return kst_json_len(value) == 0;
    default:
        break;
    }
    for (const struct kst_json *e = kst_json_first(value); e; e = kst_json_next(e))
        if (!is_zero(e))
            return false;
    return true;
}

bool kst_same_value(const struct kst_json *a, const struct kst_json *b)
{
    if (is_zero(a) || is_zero(b))
        return is_zero(a) && is_zero(b);
    if (kst_json_type(a) != kst_json_type(b))
        return false;
    if (kst_json_type(a) == KST_JSON_ARRAY) {
        const struct kst_json *x = kst_json_first(a), *y = kst_json_first(b);
        for (; x && y; x = kst_json_next(x), y = kst_json_next(y))
            if (!kst_same_value(x, y))
                return false;
        return !x && !y;
    }
    if (kst_json_type(a) != KST_JSON_OBJECT)
        return kst_json_equal(a, b);
    for (const struct kst_json *e = kst_json_first(a); e; e = kst_json_next(e))
        if (!kst_same_value(e, kst_json_get(b, kst_json_key(e))))
            return false;
    for (const struct kst_json *e = kst_json_first(b); e; e = kst_json_next(e))
        if (!kst_json_get(a, kst_json_key(e)) && !is_zero(e))
            return false;
    return true;
}

/* ---- what many kinds have ---- */

void kst_check_not_negative(const struct kst_place *place, const struct kst_json *object,
                            const char *field)
{
    int64_t value = kst_read_int(object, field);
    if (value < 0)
        kst_say_invalid_int(place, field, value, "must be greater than or equal to 0");
}

void kst_check_labels(const struct kst_place *place, const struct kst_json *labels)
{
    for (const struct kst_json *l = kst_json_first(kst_map(labels)); l; l = kst_json_next(l)) {
        kst_check_text(place, "", KST_TEXT_QUALIFIED, kst_json_key(l));
        kst_check_text(place, "", KST_TEXT_LABEL_VALUE, kst_json_str(l) ? kst_json_str(l) : "");
    }
}

void kst_check_immutable(const struct kst_place *place, const char *field,
                         const struct kst_json *value, const struct kst_json *old,
                         const char *shown)
{
    if (!kst_same_value(value, old))
        kst_say_invalid(place, field, shown, "field is immutable");
}

static void check_requirement(const struct kst_place *place, const struct kst_json *requirement)
{
    const char *operator= kst_read_text(requirement, "operator");
    size_t values = kst_json_len(kst_json_get(requirement, "values"));
    if (kst_is_one_of(operator, "In NotIn")) {
        if (!values)
            kst_say_required(place, "values",
                             "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (kst_is_one_of(operator, "Exists DoesNotExist")) {
        if (values)
            kst_say_forbidden(place, "values",
                              "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else {
        kst_say_invalid_text(place, "operator", operator, "not a valid selector operator");
    }
    kst_check_text(place, "key", KST_TEXT_QUALIFIED, kst_read_text(requirement, "key"));
}

void kst_check_selector(const struct kst_place *place, const struct kst_json *selector)
{
    struct kst_place labels = kst_place_field(place, "matchLabels");
    struct kst_place list = kst_place_field(place, "matchExpressions");
    kst_check_labels(&labels, kst_json_get(selector, "matchLabels"));
    const struct kst_json *e = kst_json_first(kst_json_get(selector, "matchExpressions"));
    for (int i = 0; e; e = kst_json_next(e), i++) {
        struct kst_place at = kst_place_index(&list, i);
        check_requirement(&at, e);
    }
}

void kst_check_port(const struct kst_place *place, const char *field, int64_t port)
{
    if (port < 1 || port > 65535)
        kst_say_invalid_int(place, field, port, "must be between 1 and 65535, inclusive");
}

void kst_check_port_or_name(const struct kst_place *place, const char *field,
                            const struct kst_json *port)
{
    int64_t number = 0;
    if (kst_json_str(port))
        kst_check_text(place, field, KST_TEXT_PORT_NAME, kst_json_str(port));
    else
        kst_check_port(place, field, kst_json_int(port, &number) ? number : 0);
}

bool kst_selector_is_right(const struct kst_json *selector)
{
    kst_auto_json struct kst_json *causes = kst_json_array();
    struct kst_place place = kst_place_top(causes);
    kst_check_selector(&place, selector);
    return kst_json_len(causes) == 0;
}

static bool requirement_holds(const struct kst_json *requirement, const struct kst_json *labels)
{
    const char *operator= kst_read_text(requirement, "operator");
    const char *value = kst_json_str(kst_json_get(labels, kst_read_text(requirement, "key")));
    const struct kst_json *v = kst_json_first(kst_json_get(requirement, "values"));
    bool listed = false;
    for (; v; v = kst_json_next(v))
        listed = listed || (value && kst_json_str(v) && strcmp(value, kst_json_str(v)) == 0);
    if (strcmp(operator, "In") == 0)
        return listed;
    if (strcmp(operator, "NotIn") == 0)
        return !listed;
    return (strcmp(operator, "Exists") == 0) == (value != NULL);
}

bool kst_selects(const struct kst_json *selector, const struct kst_json *labels)
{
    const struct kst_json *match = kst_json_get(selector, "matchLabels");
    if (kst_json_len(match) > 0 && !kst_json_has_all(labels, match))
        return false;
    const struct kst_json *e = kst_json_first(kst_json_get(selector, "matchExpressions"));
    for (; e; e = kst_json_next(e))
        if (!requirement_holds(e, labels))
            return false;
    return true;
}
