/* SPDX-License-Identifier: Apache-2.0 */
/* Views, conversions, base64 and names: the parts of buf.h that look at text. */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

struct kst_str kst_str_of(const char *text)
{
    return (struct kst_str){.data = text ? text : "", .len = text ? strlen(text) : 0};
}

struct kst_str kst_str_buf(const struct kst_buf *buf)
{
    return (struct kst_str){.data = buf->data, .len = buf->len};
}

bool kst_str_eq(struct kst_str a, const char *b)
{
    return strlen(b) == a.len && memcmp(a.data, b, a.len) == 0;
}

bool kst_same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

bool kst_str_has_prefix(struct kst_str text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

bool kst_str_has_suffix(struct kst_str text, const char *suffix)
{
    size_t len = strlen(suffix);
    return text.len >= len && memcmp(text.data + text.len - len, suffix, len) == 0;
}

struct kst_str kst_str_trim(struct kst_str text)
{
    while (text.len && isspace((unsigned char)text.data[0])) {
        text.data++;
        text.len--;
    }
    while (text.len && isspace((unsigned char)text.data[text.len - 1]))
        text.len--;
    return text;
}

bool kst_str_split(struct kst_str *rest, char separator, struct kst_str *part)
{
    if (!rest->data)
        return false;
    const char *at = rest->len ? memchr(rest->data, separator, rest->len) : NULL;
    part->data = rest->data;
    part->len = at ? (size_t)(at - rest->data) : rest->len;
    if (at) {
        rest->data = at + 1;
        rest->len -= part->len + 1;
    } else {
        *rest = (struct kst_str){0};
    }
    return true;
}

bool kst_parse_int(const char *text, long long *value)
{
    if (!text || (!isdigit((unsigned char)*text) && *text != '-' && *text != '+'))
        return false;
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    if (errno || end == text || *end)
        return false;
    *value = parsed;
    return true;
}

static const struct unit {
    const char *name;
    double ms;
} units[] = {{"ns", 1e-6}, {"us", 1e-3}, {"\xc2\xb5s", 1e-3}, {"\xce\xbcs", 1e-3},
             {"ms", 1},    {"s", 1e3},   {"m", 6e4},          {"h", 3.6e6}};

static const struct unit *find_unit(const char *at, size_t len)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(units); i++) {
        if (strlen(units[i].name) == len && memcmp(units[i].name, at, len) == 0)
            return &units[i];
    }
    return NULL;
}

bool kst_parse_duration_ms(const char *text, long long *ms)
{
    double total = 0;
    if (!text || !*text)
        return false;
    if (strcmp(text, "0") == 0) {
        *ms = 0;
        return true;
    }
    for (const char *at = text; *at;) {
        if (!isdigit((unsigned char)*at) && *at != '.')
            return false;
        size_t number = strspn(at, "0123456789.");
        char copy[32];
        if (number >= sizeof(copy))
            return false;
        memcpy(copy, at, number);
        copy[number] = '\0';
        char *end;
        double value = strtod(copy, &end);
        at += number;
        size_t len = strcspn(at, "0123456789.");
        const struct unit *unit = find_unit(at, len);
        if (end == copy || *end || !unit)
            return false;
        total += value * unit->ms;
        at += len;
    }
    if (total > 9e15)
        return false;
    *ms = (long long)(total + 1e-6);
    return true;
}

/* https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ */
bool kst_parse_size(const char *text, int64_t *bytes)
{
    static const struct {
        const char *suffix;
        long double factor;
    } sizes[] = {
        {"", 1},         {"m", 1e-3L},    {"k", 1e3L},     {"M", 1e6L},     {"G", 1e9L},
        {"T", 1e12L},    {"P", 1e15L},    {"E", 1e18L},    {"Ki", 0x1p10L}, {"Mi", 0x1p20L},
        {"Gi", 0x1p30L}, {"Ti", 0x1p40L}, {"Pi", 0x1p50L}, {"Ei", 0x1p60L},
    };
    char *end = NULL;
    if (!text || !*text || !strchr("0123456789.", *text) || strpbrk(text, "xX"))
        return false;
    long double value = strtold(text, &end);
    for (size_t i = 0; end != text && i < KST_ARRAY_LEN(sizes); i++) {
        if (strcmp(end, sizes[i].suffix) != 0)
            continue;
        value = ceill(value * sizes[i].factor);
        if (!(value >= 0 && value <= 0x1p62L))
            return false;
        *bytes = (int64_t)value;
        return true;
    }
    return false;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int kst_base64_encode(struct kst_buf *out, const void *data, size_t len)
{
    const unsigned char *in = data;
    size_t need = (len + 2) / 3 * 4;
    char *to = kst_buf_room(out, need);
    if (!to)
        return KST_E_LIMIT;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t bits = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                        (left > 2 ? in[i + 2] : 0);
        *to++ = alphabet[bits >> 18];
        *to++ = alphabet[bits >> 12 & 63];
        *to++ = left > 1 ? alphabet[bits >> 6 & 63] : '=';
        *to++ = left > 2 ? alphabet[bits & 63] : '=';
    }
    kst_buf_wrote(out, need);
    return 0;
}

int kst_base64_decode(struct kst_buf *out, struct kst_str text, bool lenient)
{
    uint32_t bits = 0;
    int count = 0, padding = 0;
    size_t start = out->len;
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        if (lenient && isspace((unsigned char)byte))
            continue;
        const char *at = byte ? strchr(alphabet, byte) : NULL;
        if (byte == '=' && (count == 2 || count == 3))
            padding++;
        else if (!at || padding)
            goto bad;
        bits = bits << 6 | (at ? (uint32_t)(at - alphabet) : 0);
        if (++count < 4)
            continue;
        const char bytes[3] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
        /* What padding cuts off must have been zero. */
        if ((padding == 1 && bits & 0xff) || (padding == 2 && bits & 0xffff))
            goto bad;
        if (kst_buf_add(out, bytes, (size_t)(3 - padding)) < 0) {
            kst_buf_truncate(out, start);
            return KST_E_LIMIT;
        }
        bits = 0;
        count = padding ? 5 : 0; /* 5: nothing may follow */
    }
    if (count == 0 || count == 5)
        return 0;
bad:
    kst_buf_truncate(out, start);
    return KST_E_PARSE;
}

unsigned long long kst_hash(const void *data, size_t len)
{
    const unsigned char *bytes = data;
    unsigned long long hash = 14695981039346656037ULL;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * 1099511628211ULL;
    return hash;
}

char *kst_name_make(const char *text, size_t max)
{
    enum { HASH_LEN = 9 }; /* "-" and 8 digits */
    assert(max >= HASH_LEN && max <= 253);
    size_t len = strlen(text);
    char *name = kst_malloc((len > max ? len : max) + HASH_LEN + 1);
    bool changed = len == 0;
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        char byte = (char)tolower((unsigned char)text[i]);
        if (!isalnum((unsigned char)byte) || (unsigned char)byte > 127)
            byte = '-';
        changed = changed || byte != text[i];
        if (used == 0 && byte == '-')
            changed = true; /* a name begins with a letter or digit */
        else
            name[used++] = byte;
    }
    while (used && name[used - 1] == '-') {
        used--;
        changed = true;
    }
    if (used > max)
        changed = true;
    if (changed) {
        if (used > max - HASH_LEN)
            used = max - HASH_LEN;
        while (used && name[used - 1] == '-')
            used--;
        snprintf(name + used, HASH_LEN + 1, "%s%08llx", used ? "-" : "x",
                 kst_hash(text, len) & 0xffffffff);
    } else {
        name[used] = '\0';
    }
    return name;
}
