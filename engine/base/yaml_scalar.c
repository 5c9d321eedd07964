/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml_scalar.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

enum { MAX_NUMBER = 400 };

static bool one_of(const char *text, const char *const *names)
{
    for (; *names; names++) {
        if (strcmp(text, *names) == 0)
            return true;
    }
    return false;
}

static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const trues[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                    "True", "TRUE", "on",  "On",  "ON",  NULL};
static const char *const falses[] = {"n",     "N",     "no",  "No",  "NO",  "false",
                                     "False", "FALSE", "off", "Off", "OFF", NULL};
static const char *const not_json[] = {".inf",  ".Inf",  ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
                                       "-.Inf", "-.INF", ".nan", ".NaN",  ".NAN",  NULL};

/* Digits of a base, whole; false where there is another character, or none. */
static bool all_digits(const char *text, const char *digits)
{
    return *text && strspn(text, digits) == strlen(text);
}

/* An integer of another base (0x, 0b, 0o, or octal by a leading 0), as decimal text. */
static bool other_base(const char *text, char *out, size_t size)
{
    bool negative = *text == '-';
    const char *at = text + (*text == '-' || *text == '+');
    int base = 0;
    if (at[0] != '0' || !at[1])
        return false;
    if (at[1] == 'x' && all_digits(at + 2, "0123456789abcdefABCDEF"))
        base = 16;
    else if (at[1] == 'b' && all_digits(at + 2, "01"))
        base = 2;
    else if (at[1] == 'o' && all_digits(at + 2, "01234567"))
        base = 8;
    else if (all_digits(at + 1, "01234567"))
        base = 8;
    else
        return false;
    errno = 0;
    unsigned long long value = strtoull(isdigit((unsigned char)at[1]) ? at + 1 : at + 2, NULL,
                                        base);
    if (errno || (negative && value > 1ULL << 63))
        return false;
    snprintf(out, size, "%s%llu", negative && value ? "-" : "", value);
    return true;
}

/* go-yaml's float: [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float(const char *text)
{
    const char *at = text + (*text == '-' || *text == '+');
    size_t whole = strspn(at, "0123456789");
    at += whole;
    if (*at == '.') {
        at++;
        size_t decimals = strspn(at, "0123456789");
        if (!whole && !decimals)
            return false;
        at += decimals;
    } else if (!whole) {
        return false;
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '-' || *at == '+';
        size_t exponent = strspn(at, "0123456789");
        if (!exponent)
            return false;
        at += exponent;
    }
    return *at == '\0';
}

/* The number as JSON writes it: the text itself where that is JSON, else with what JSON wants added
 * or taken away ("+1", ".5", "1.", "007.5"). */
static struct kst_json *json_number(const char *text)
{
    if (kst_json_is_number(text))
        return kst_json_from_number(text);
    char out[MAX_NUMBER + 8];
    const char *at = text + (*text == '+');
    size_t len = 0;
    if (*at == '-')
        out[len++] = *at++;
    while (*at == '0' && isdigit((unsigned char)at[1]))
        at++;
    if (*at == '.')
        out[len++] = '0';
    for (; *at; at++) {
        out[len++] = *at;
        if (*at == '.' && !isdigit((unsigned char)at[1]))
            out[len++] = '0';
    }
    out[len] = '\0';
    return kst_json_from_number(out);
}

static struct kst_json *resolve_number(const char *text)
{
    char plain[MAX_NUMBER], decimal[32];
    size_t len = 0;
    for (const char *at = text; *at; at++) { /* go-yaml allows 1_000 */
        if (*at != '_')
            plain[len++] = *at;
    }
    plain[len] = '\0';
    if (other_base(plain, decimal, sizeof(decimal)))
        return kst_json_from_number(decimal);
    const char *digits = plain + (*plain == '-' || *plain == '+');
    bool integer = all_digits(digits, "0123456789");
    /* A number with underscores is one only as an integer. */
    if (!integer && (len != strlen(text) || !is_float(plain)))
        return NULL;
    return json_number(plain);
}

struct kst_json *kst_yaml_resolve(const char *text, size_t len)
{
    if (one_of(text, nulls) && strlen(text) == len)
        return kst_json_null();
    if (one_of(text, trues) && strlen(text) == len)
        return kst_json_bool(true);
    if (one_of(text, falses) && strlen(text) == len)
        return kst_json_bool(false);
    if (one_of(text, not_json))
        return NULL;
    bool may = len && len < MAX_NUMBER && strchr("+-.0123456789", text[0]) && strlen(text) == len;
    struct kst_json *number = may ? resolve_number(text) : NULL;
    return number ? number : kst_json_from_strn(text, len);
}

bool kst_yaml_is_special(const char *text, size_t len)
{
    kst_auto_json struct kst_json *value = kst_yaml_resolve(text, len);
    return !kst_json_str(value);
}
