/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/types/gotext.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

enum { DIGITS_BYTES = 64, NUMBER_BYTES = 512 };

bool kst_go_is_int(const char *number, int64_t *value)
{
    long long whole;
    if (!number || strpbrk(number, ".eE") || !kst_parse_int(number, &whole))
        return false;
    *value = whole;
    return true;
}

/* ---- numbers ---- */

/* The shortest decimals that are read as the same number, as "-1.5e+06"; its exponent. */
static int shortest(double value, char digits[DIGITS_BYTES], int *precision)
{
    *precision = 0;
    do
        snprintf(digits, DIGITS_BYTES, "%.*e", *precision, value);
    while (strtod(digits, NULL) != value && ++*precision < 17);
    const char *e = strchr(digits, 'e');
    return e ? (int)strtol(e + 1, NULL, 10) : 0;
}

static void plain(struct kst_buf *out, double value, int precision, int exponent)
{
    /* Digits beyond the shortest ones are zeros, not those of the double. */
    char digits[DIGITS_BYTES];
    if (exponent <= precision) {
        kst_buf_addf(out, "%.*f", precision - exponent, value);
        return;
    }
    snprintf(digits, sizeof(digits), "%.*e", precision, value);
    for (const char *at = digits; *at && *at != 'e'; at++)
        if (*at != '.')
            kst_buf_addc(out, *at);
    for (int i = precision; i < exponent; i++)
        kst_buf_addc(out, '0');
}

void kst_go_float(struct kst_buf *out, double value)
{
    if (!isfinite(value)) {
        kst_buf_adds(out, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
        return;
    }
    char digits[DIGITS_BYTES];
    int precision;
    int exponent = shortest(value, digits, &precision);
    if (exponent < -4 || exponent >= 6)
        kst_buf_adds(out, digits);
    else
        plain(out, value, precision, exponent);
}

char *kst_go_json_number(const char *number)
{
    int64_t whole;
    if (kst_go_is_int(number, &whole))
        return kst_asprintf("%" PRId64, whole);
    double value = strtod(number, NULL);
    if (!isfinite(value))
        return kst_strdup(number);
    char digits[DIGITS_BYTES];
    int precision;
    int exponent = shortest(value, digits, &precision);
    kst_auto_buf out = KST_BUF_INIT(NUMBER_BYTES);
    if (value == 0 || (exponent >= -6 && exponent < 21)) {
        plain(&out, value, precision, exponent);
        return kst_buf_take(&out);
    }
    /* e-09 is e-9 there, but e+09 stays. */
    char *e = strstr(digits, "e-0");
    if (e)
        memmove(e + 2, e + 3, strlen(e + 3) + 1);
    return kst_strdup(digits);
}

/* ---- strings ---- */

/* A code point that is written as it is. */
static bool printable(unsigned code)
{
    static const unsigned hidden[][2] = {
        {0, 0x1f},        {0x7f, 0xa0},       {0xad, 0xad},        {0x1680, 0x1680},
        {0x180e, 0x180e}, {0x2000, 0x200f},   {0x2028, 0x202f},    {0x205f, 0x206f},
        {0x3000, 0x3000}, {0xd800, 0xf8ff},   {0xfeff, 0xfeff},    {0xfff0, 0xfffb},
        {0xfffe, 0xffff}, {0xe0000, 0xe00ff}, {0xf0000, 0x10ffff},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(hidden); i++)
        if (code >= hidden[i][0] && code <= hidden[i][1])
            return false;
    return true;
}

/* The code point at *text, which is moved behind it. */
static unsigned next_code(const char **text)
{
    const unsigned char *at = (const unsigned char *)*text;
    unsigned code = *at < 0x80 ? *at : *at < 0xe0 ? *at & 0x1f : *at < 0xf0 ? *at & 0x0f : *at & 7;
    for (at++; (*at & 0xc0) == 0x80; at++)
        code = code << 6 | (*at & 0x3f);
    *text = (const char *)at;
    return code;
}

size_t kst_go_printable(const char *text)
{
    const char *at = text, *before = text;
    while (*at) {
        before = at;
        if (!printable(next_code(&at)))
            return (size_t)(before - text);
    }
    return (size_t)(at - text);
}

void kst_go_quote(struct kst_buf *out, const char *text)
{
    static const char letters[] = "\a\b\f\n\r\t\v\\\"", names[] = "abfnrtv\\\"";
    kst_buf_addc(out, '"');
    while (*text) {
        const char *from = text;
        unsigned code = next_code(&text);
        const char *letter = code && code < 0x80 ? strchr(letters, (int)code) : NULL;
        if (letter)
            kst_buf_addf(out, "\\%c", names[letter - letters]);
        else if (printable(code))
            kst_buf_add(out, from, (size_t)(text - from));
        else if (code < 0x80)
            kst_buf_addf(out, "\\x%02x", code);
        else
            kst_buf_addf(out, code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
    }
    kst_buf_addc(out, '"');
}

static void json_string(struct kst_buf *out, const char *text)
{
    kst_auto_json struct kst_json *value = kst_json_from_str(text);
    kst_auto_free char *json = kst_json_text(value);
    for (const char *at = json; *at; at++) {
        if (strchr("<>&", *at))
            kst_buf_addf(out, "\\u%04x", (unsigned)*at);
        else
            kst_buf_addc(out, *at);
    }
}

/* ---- whole values ---- */

static int by_key(const void *a, const void *b)
{
    return strcmp(kst_json_key(*(const struct kst_json *const *)a),
                  kst_json_key(*(const struct kst_json *const *)b));
}

/* The entries of an object in the order of their keys; the caller frees the list. */
static const struct kst_json **sorted(const struct kst_json *object)
{
    const struct kst_json **entries = kst_calloc(kst_json_len(object) + 1, sizeof(*entries));
    size_t count = 0;
    for (const struct kst_json *e = kst_json_first(object); e; e = kst_json_next(e))
        entries[count++] = e;
    qsort(entries, count, sizeof(*entries), by_key);
    return entries;
}

struct kst_json *kst_go_sorted(const struct kst_json *value)
{
    if (kst_json_type(value) == KST_JSON_ARRAY) {
        struct kst_json *list = kst_json_array();
        for (const struct kst_json *e = kst_json_first(value); e; e = kst_json_next(e))
            kst_json_push(list, kst_go_sorted(e));
        return list;
    }
    if (kst_json_type(value) != KST_JSON_OBJECT)
        return kst_json_dup(value);
    struct kst_json *object = kst_json_object();
    kst_auto_free const struct kst_json **entries = sorted(value);
    for (size_t i = 0; entries[i]; i++)
        kst_json_append(object, kst_json_key(entries[i]), kst_go_sorted(entries[i]));
    return object;
}

/* How one of the two notations writes what holds other values, and what it writes at all. */
struct notation {
    const char *map, *list, *separator, *null;
    void (*string)(struct kst_buf *out, const char *text);
    void (*number)(struct kst_buf *out, const char *number);
    char open, close, map_open, map_close;
};

static void write_value(struct kst_buf *out, const struct kst_json *value,
                        const struct notation *as)
{
    switch (kst_json_type(value)) {
    case KST_JSON_NUMBER:
        as->number(out, kst_json_number(value));
        return;
    case KST_JSON_STRING:
        as->string(out, kst_json_str(value));
        return;
    case KST_JSON_BOOL:
        kst_buf_adds(out, kst_json_true(value) ? "true" : "false");
        return;
    case KST_JSON_ARRAY:
        kst_buf_addf(out, "%s%c", as->list, as->open);
        for (const struct kst_json *e = kst_json_first(value); e; e = kst_json_next(e)) {
            write_value(out, e, as);
            kst_buf_adds(out, kst_json_next(e) ? as->separator : "");
        }
        kst_buf_addc(out, as->close);
        return;
    case KST_JSON_OBJECT: {
        kst_auto_free const struct kst_json **entries = sorted(value);
        kst_buf_addf(out, "%s%c", as->map, as->map_open);
        for (size_t i = 0; entries[i]; i++) {
            kst_buf_adds(out, i > 0 ? as->separator : "");
            as->string(out, kst_json_key(entries[i]));
            kst_buf_addc(out, ':');
            write_value(out, entries[i], as);
        }
        kst_buf_addc(out, as->map_close);
        return;
    }
    default:
        kst_buf_adds(out, as->null);
    }
}

static void fmt_number(struct kst_buf *out, const char *number)
{
    int64_t whole;
    if (kst_go_is_int(number, &whole))
        kst_buf_addf(out, "%" PRId64, whole);
    else
        kst_go_float(out, strtod(number, NULL));
}

static void json_number(struct kst_buf *out, const char *number)
{
    kst_auto_free char *text = kst_go_json_number(number);
    kst_buf_adds(out, text);
}

static void bare_string(struct kst_buf *out, const char *text)
{
    kst_buf_adds(out, text);
}

void kst_go_plain(struct kst_buf *out, const struct kst_json *value)
{
    static const struct notation plain_text = {
        .map = "map",
        .list = "",
        .separator = " ",
        .null = "<nil>",
        .string = bare_string,
        .number = fmt_number,
        .open = '[',
        .close = ']',
        .map_open = '[',
        .map_close = ']',
    };
    write_value(out, value, &plain_text);
}

void kst_go_syntax(struct kst_buf *out, const struct kst_json *value)
{
    static const struct notation syntax = {
        .map = "map[string]interface {}",
        .list = "[]interface {}",
        .separator = ", ",
        .null = "interface {}(nil)",
        .string = kst_go_quote,
        .number = fmt_number,
        .open = '{',
        .close = '}',
        .map_open = '{',
        .map_close = '}',
    };
    write_value(out, value, &syntax);
}

void kst_go_json(struct kst_buf *out, const struct kst_json *value)
{
    static const struct notation json = {
        .map = "",
        .list = "",
        .separator = ",",
        .null = "null",
        .string = json_string,
        .number = json_number,
        .open = '[',
        .close = ']',
        .map_open = '{',
        .map_close = '}',
    };
    write_value(out, value, &json);
}
