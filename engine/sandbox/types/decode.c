/* SPDX-License-Identifier: Apache-2.0 */
/* Objects against their types; the words for what does not fit are in decode_explain.c. */
#include "sandbox/types/decode.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/types/decode_internal.h"
#include "sandbox/types/quantity.h"

/* ---- values that read their text themselves ---- */

const char *kst_decode_name(const struct kst_json *value)
{
    static const char *const names[] = {
        [KST_JSON_ABSENT] = "null",   [KST_JSON_NULL] = "null",     [KST_JSON_BOOL] = "bool",
        [KST_JSON_NUMBER] = "number", [KST_JSON_STRING] = "string", [KST_JSON_ARRAY] = "array",
        [KST_JSON_OBJECT] = "object",
    };
    return names[kst_json_type(value)];
}

/* "json: cannot unmarshal number 1.5 into Go value of type int32" */
static char *not_into(const struct kst_json *value, const char *type, bool with_number)
{
    const char *name = kst_decode_name(value);
    const char *number = with_number ? kst_json_number(value) : NULL;
    return kst_asprintf("json: cannot unmarshal %s%s%s into Go value of type %s", name,
                        number ? " " : "", number ? number : "", type);
}

static char *refuse_intstr(const struct kst_json *value)
{
    const char *number = kst_json_number(value);
    if (kst_json_str(value) || (number && kst_decode_is_int(number, 32)))
        return NULL;
    return not_into(value, "int32", true);
}

static bool has_quantity_form(const char *text)
{
    text += *text == '+' || *text == '-';
    if (!*text)
        return false;
    text += strspn(text, "0123456789");
    if (*text == '.')
        text += 1 + strspn(text + 1, "0123456789");
    text += strspn(text, "eEinumkKMGTP");
    text += *text == '+' || *text == '-';
    return !text[strspn(text, "0123456789")];
}

static char *refuse_quantity(const struct kst_json *value)
{
    struct kst_quantity quantity;
    if (kst_quantity_read(value, &quantity))
        return NULL;
    const char *text = kst_json_str(value);
    kst_auto_free char *trimmed = NULL;
    if (text) {
        struct kst_str inner = kst_str_trim(kst_str_of(text));
        trimmed = kst_strndup(inner.data, inner.len);
        if (kst_quantity_parse(trimmed, &quantity))
            return NULL;
    }
    if (!text || !has_quantity_form(trimmed))
        return kst_strdup("quantities must match the regular expression "
                          "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    return kst_strdup("unable to parse quantity's suffix");
}

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

static size_t skip_lines(const char *text, size_t at)
{
    while (text[at] == '\n' || text[at] == '\r')
        at++;
    return at;
}

/* The index of the byte at which Go's decoder gives up, or -1. */
static long base64_error(const char *text)
{
    size_t at = 0, have = 0;
    for (;;) {
        at = skip_lines(text, at);
        char c = text[at];
        if (!c)
            return have ? (long)(at - have) : -1;
        if (is_base64(c)) {
            have = (have + 1) % 4;
            at++;
            continue;
        }
        if (c != '=' || have < 2)
            return (long)at;
        at++;
        if (have == 2) {
            at = skip_lines(text, at);
            if (text[at] != '=')
                return (long)(text[at] ? at - 1 : at);
            at++;
        }
        at = skip_lines(text, at);
        return text[at] ? (long)at : -1;
    }
}

static char *refuse_bytes(const struct kst_json *value)
{
    const char *text = kst_json_str(value);
    if (!text)
        return kst_strdup("invalid input");
    long at = base64_error(text);
    return at < 0 ? NULL : kst_asprintf("illegal base64 data at input byte %ld", at);
}

/* ---- times ---- */

/* The parts of RFC 3339, and for a number of them how they are out of range. */
struct time_part {
    const char *layout, *range;
    int low, high;
};

static int two_digits(const char *text, bool fixed, int *value)
{
    bool first = text[0] >= '0' && text[0] <= '9',
         second = first && text[1] >= '0' && text[1] <= '9';
    if (!first || (fixed && !second))
        return 0;
    *value = second ? (text[0] - '0') * 10 + text[1] - '0' : text[0] - '0';
    return second ? 2 : 1;
}

static int zone_len(const char *text)
{
    if (*text == 'Z')
        return 1;
    int hours, minutes;
    bool ok = (*text == '+' || *text == '-') && two_digits(text + 1, true, &hours) == 2 &&
              text[3] == ':' && two_digits(text + 4, true, &minutes) == 2;
    return ok ? 6 : 0;
}

/* How much of the text the part takes, 0 where it does not fit. */
static int take_part(const struct time_part *part, const char *text, bool micro, int *value)
{
    const char *layout = part->layout;
    if (*layout == 'Z')
        return zone_len(text);
    if (strcmp(layout, "2006") == 0)
        return strspn(text, "0123456789") >= 4 ? 4 : 0;
    if (strcmp(layout, ".000000") == 0)
        return *text == '.' && strspn(text + 1, "0123456789") >= 6 ? 7 : 0;
    if (*layout < '0' || *layout > '9')
        return *text == *layout;
    int taken = two_digits(text, strcmp(layout, "15") != 0, value);
    if (taken && !micro && strcmp(layout, "05") == 0 &&
        (text[taken] == '.' || text[taken] == ',')) {
        size_t more = strspn(text + taken + 1, "0123456789");
        taken += more ? (int)more + 1 : 0;
    }
    return taken;
}

static bool day_exists(const char *text)
{
    static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int month = 1, day = 1, year = (int)strtol(text, NULL, 10);
    two_digits(text + 5, true, &month);
    two_digits(text + 8, true, &day);
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day >= 1 && day <= lengths[month - 1] && !(month == 2 && day == 29 && !leap);
}

static char *refuse_time(const struct kst_json *value, bool micro)
{
    static const struct time_part parts[] = {
        {"2006", NULL, 0, 0},   {"-", NULL, 0, 0},       {"01", "month", 1, 12},
        {"-", NULL, 0, 0},      {"02", NULL, 0, 0},      {"T", NULL, 0, 0},
        {"15", "hour", 0, 23},  {":", NULL, 0, 0},       {"04", "minute", 0, 59},
        {":", NULL, 0, 0},      {"05", "second", 0, 59}, {".000000", NULL, 0, 0},
        {"Z07:00", NULL, 0, 0},
    };
    const char *text = kst_json_str(value), *at = text;
    if (!text)
        return not_into(value, "string", false);
    for (size_t i = 0; i < KST_ARRAY_LEN(parts); i++) {
        int number = parts[i].low;
        if (parts[i].layout[0] == '.' && !micro)
            continue;
        int taken = take_part(&parts[i], at, micro, &number);
        if (!taken)
            return kst_asprintf("parsing time \"%s\" as \"2006-01-02T15:04:05%sZ07:00\": cannot "
                                "parse \"%s\" as \"%s\"",
                                text, micro ? ".000000" : "", at, parts[i].layout);
        if (parts[i].range && (number < parts[i].low || number > parts[i].high))
            return kst_asprintf("parsing time \"%s\": %s out of range", text, parts[i].range);
        at += taken;
    }
    if (*at)
        return kst_asprintf("parsing time \"%s\": extra text: \"%s\"", text, at);
    return day_exists(text) ? NULL : kst_asprintf("parsing time \"%s\": day out of range", text);
}

char *kst_go_refuse(enum kst_go_kind kind, const struct kst_json *value)
{
    switch (kind) {
    case KST_GO_BYTES:
        return refuse_bytes(value);
    case KST_GO_QUANTITY:
        return refuse_quantity(value);
    case KST_GO_INTSTR:
        return refuse_intstr(value);
    case KST_GO_TIME:
    case KST_GO_MICRO:
        return refuse_time(value, kind == KST_GO_MICRO);
    default:
        return NULL;
    }
}

/* ---- all others ---- */

bool kst_decode_is_int(const char *number, int bits)
{
    bool negative = *number == '-';
    const char *digits = number + negative;
    size_t len = strspn(digits, "0123456789");
    if (!len || digits[len] || len > 19)
        return false;
    uint64_t value = 0, limit = (uint64_t)1 << (bits - 1);
    for (size_t i = 0; i < len; i++)
        value = value * 10 + (uint64_t)(digits[i] - '0');
    return value < limit || (negative && value == limit);
}

static bool decode(struct kst_go_type type, struct kst_json *value);

static bool decode_list(struct kst_go_type type, struct kst_json *list)
{
    struct kst_go_type entry = kst_go_entry(type);
    if (kst_json_type(list) != KST_JSON_ARRAY)
        return false;
    if (kst_go_kind(entry) == KST_GO_ANY)
        return true;
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e))
        if (!decode(entry, (struct kst_json *)e))
            return false;
    return true;
}

static bool decode_map(struct kst_go_type type, struct kst_json *map)
{
    struct kst_go_type entry = kst_go_entry(type);
    if (kst_json_type(map) != KST_JSON_OBJECT)
        return false;
    for (const struct kst_json *e = kst_json_first(map); e; e = kst_json_next(e))
        if (!decode(entry, (struct kst_json *)e))
            return false;
    return true;
}

/* Times are kept in UTC, to the second or to six digits, however they were sent. */
static void set_canonical(struct kst_json *object, const struct kst_json *value, bool micro)
{
    char text[KST_TIME_TEXT];
    int64_t when_us = 0;
    if (!kst_json_str(value) || !kst_time_parse_us(kst_json_str(value), &when_us))
        return;
    if (micro)
        kst_time_format_micro(when_us, text);
    else
        kst_time_format((when_us - (when_us % 1000000 + 1000000) % 1000000) / 1000, text);
    kst_auto_free char *key = kst_strdup(kst_json_key(value));
    if (strcmp(text, kst_json_str(value)) != 0)
        kst_json_set_str(object, key, text);
}

bool kst_decode(const struct kst_go_struct *type, struct kst_json *object)
{
    if (kst_json_type(object) != KST_JSON_OBJECT)
        return false;
    const struct kst_json *next;
    for (const struct kst_json *e = kst_json_first(object); e; e = next) {
        struct kst_go_field field;
        next = kst_json_next(e);
        if (!kst_go_find(type, kst_str_of(kst_json_key(e)), &field)) {
            kst_auto_free char *key = kst_strdup(kst_json_key(e));
            kst_json_remove(object, key);
        } else if (!decode(field.type, (struct kst_json *)e)) {
            return false;
        } else if (field.dropped) {
            kst_auto_free char *key = kst_strdup(kst_json_key(e));
            kst_json_remove(object, key);
        } else {
            enum kst_go_kind kind = kst_go_kind(field.type);
            if (kind == KST_GO_TIME || kind == KST_GO_MICRO)
                set_canonical(object, e, kind == KST_GO_MICRO);
        }
    }
    return true;
}

static bool decode(struct kst_go_type type, struct kst_json *value)
{
    const struct kst_go_struct *inner;
    const char *number = kst_json_number(value);
    if (kst_json_type(value) == KST_JSON_NULL)
        return true;
    enum kst_go_kind kind = kst_go_kind(type);
    switch (kind) {
    case KST_GO_STRING:
        return kst_json_str(value);
    case KST_GO_BOOL:
        return kst_json_type(value) == KST_JSON_BOOL;
    case KST_GO_INT32:
    case KST_GO_INT64:
        return number && kst_decode_is_int(number, kind == KST_GO_INT32 ? 32 : 64);
    case KST_GO_FLOAT64:
        return number;
    case KST_GO_ANY:
        return true;
    case KST_GO_LIST:
        return decode_list(type, value);
    case KST_GO_MAP:
        return decode_map(type, value);
    case KST_GO_STRUCT:
        inner = kst_go_struct(type);
        return !inner || kst_decode(inner, value);
    default: {
        kst_auto_free char *why = kst_go_refuse(kind, value);
        return !why;
    }
    }
}
