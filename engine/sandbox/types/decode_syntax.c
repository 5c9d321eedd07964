/* SPDX-License-Identifier: Apache-2.0 */
/* Where a text stops being JSON, in the words of Go's encoding/json. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/types/decode_internal.h"

enum { DEPTH = 500 };

struct scan {
    const char *at, *end;
    struct kst_buf *why;
    int depth;
};

static bool fail(struct scan *self, const char *context)
{
    unsigned char c = (unsigned char)(self->at < self->end ? *self->at : 0);
    if (self->at >= self->end)
        kst_buf_adds(self->why, "unexpected end of JSON input");
    else if (c == '\'')
        kst_buf_addf(self->why, "invalid character '\\'' %s", context);
    else if (c == '\\')
        kst_buf_addf(self->why, "invalid character '\\\\' %s", context);
    else if (c == '\n' || c == '\r' || c == '\t')
        kst_buf_addf(self->why, "invalid character '\\%c' %s",
                     c == '\n'   ? 'n'
                     : c == '\r' ? 'r'
                                 : 't',
                     context);
    else if (c < ' ' || c == 0x7f)
        kst_buf_addf(self->why, "invalid character '\\x%02x' %s", c, context);
    else if (c < 0x80)
        kst_buf_addf(self->why, "invalid character '%c' %s", c, context);
    else /* the byte as a code point */
        kst_buf_addf(self->why, "invalid character '%c%c' %s", 0xc0 | c >> 6, 0x80 | (c & 0x3f),
                     context);
    return false;
}

static void space(struct scan *self)
{
    while (self->at < self->end && *self->at && strchr(" \t\r\n", *self->at))
        self->at++;
}

static bool is_next(const struct scan *self, char c)
{
    return self->at < self->end && *self->at == c;
}

static bool digits(struct scan *self, const char *context)
{
    const char *from = self->at;
    while (self->at < self->end && *self->at >= '0' && *self->at <= '9')
        self->at++;
    return self->at > from || fail(self, context);
}

static bool number(struct scan *self)
{
    self->at += is_next(self, '-');
    if (is_next(self, '0'))
        self->at++;
    else if (!digits(self, "in numeric literal"))
        return false;
    if (is_next(self, '.')) {
        self->at++;
        if (!digits(self, "after decimal point in numeric literal"))
            return false;
    }
    if (is_next(self, 'e') || is_next(self, 'E')) {
        self->at++;
        self->at += is_next(self, '+') || is_next(self, '-');
        return digits(self, "in exponent of numeric literal");
    }
    return true;
}

static bool word(struct scan *self, const char *text)
{
    for (const char *c = text; *c; c++, self->at++) {
        if (is_next(self, *c))
            continue;
        kst_auto_free char *context = kst_asprintf("in literal %s (expecting '%c')", text, *c);
        return fail(self, context);
    }
    return true;
}

static bool is_hex(const struct scan *self)
{
    return self->at < self->end && *self->at && strchr("0123456789abcdefABCDEF", *self->at);
}

static bool string(struct scan *self)
{
    for (self->at++; self->at < self->end && *self->at != '"'; self->at++) {
        if ((unsigned char)*self->at < ' ')
            return fail(self, "in string literal");
        if (*self->at != '\\')
            continue;
        self->at++;
        if (self->at >= self->end || !*self->at || !strchr("bfnrt\\/\"u", *self->at))
            return fail(self, "in string escape code");
        for (int i = 0, unicode = *self->at == 'u'; unicode && i < 4; i++) {
            self->at++;
            if (!is_hex(self))
                return fail(self, "in \\u hexadecimal character escape");
        }
    }
    if (self->at >= self->end)
        return fail(self, "");
    self->at++;
    return true;
}

static bool value(struct scan *self);

static bool object(struct scan *self)
{
    self->at++;
    space(self);
    if (is_next(self, '}')) {
        self->at++;
        return true;
    }
    for (;;) {
        space(self);
        if (!is_next(self, '"'))
            return fail(self, "looking for beginning of object key string");
        if (!string(self))
            return false;
        space(self);
        if (!is_next(self, ':'))
            return fail(self, "after object key");
        self->at++;
        if (!value(self))
            return false;
        space(self);
        bool more = is_next(self, ',');
        if (!more && !is_next(self, '}'))
            return fail(self, "after object key:value pair");
        self->at++;
        if (!more)
            return true;
    }
}

static bool array(struct scan *self)
{
    self->at++;
    space(self);
    if (is_next(self, ']')) {
        self->at++;
        return true;
    }
    for (;;) {
        if (!value(self))
            return false;
        space(self);
        bool more = is_next(self, ',');
        if (!more && !is_next(self, ']'))
            return fail(self, "after array element");
        self->at++;
        if (!more)
            return true;
    }
}

static bool value(struct scan *self)
{
    space(self);
    char c = self->at < self->end ? *self->at : '\0';
    if (c == '{' || c == '[') {
        if (++self->depth > DEPTH) {
            kst_buf_adds(self->why, "exceeded max depth");
            return false;
        }
        bool ok = c == '{' ? object(self) : array(self);
        self->depth--;
        return ok;
    }
    if (c == '"')
        return string(self);
    if (c == 't' || c == 'f' || c == 'n')
        return word(self, c == 't' ? "true" : c == 'f' ? "false" : "null");
    if (c == '-' || (c >= '0' && c <= '9'))
        return number(self);
    return fail(self, "looking for beginning of value");
}

bool kst_decode_syntax(const char *text, size_t len, struct kst_buf *out)
{
    struct scan scan = {.at = text, .end = text + len, .why = out};
    if (!value(&scan))
        return true;
    space(&scan);
    if (scan.at < scan.end)
        fail(&scan, "after top-level value");
    return scan.at < scan.end;
}

/* ---- printing ---- */

/* The length of the character that the text begins with, 0 where it is none. */
static size_t character(const unsigned char *text, size_t len)
{
    static const struct {
        unsigned char from, to, low, high; /* first bytes, and the range of the second */
        size_t len;
    } forms[] = {{0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2},
                 {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
                 {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
                 {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
                 {0xf4, 0xf4, 0x80, 0x8f, 4}};
    for (size_t i = 0; i < KST_ARRAY_LEN(forms); i++) {
        if (text[0] < forms[i].from || text[0] > forms[i].to)
            continue;
        size_t need = forms[i].len;
        bool ok = need <= len &&
                  (need < 2 || (text[1] >= forms[i].low && text[1] <= forms[i].high));
        for (size_t j = 2; ok && j < need; j++)
            ok = (text[j] & 0xc0) == 0x80;
        return ok ? need : 0;
    }
    return 0;
}

void kst_decode_quote(const char *text, size_t len, struct kst_buf *out)
{
    for (size_t i = 0; i < len;) {
        size_t taken = character((const unsigned char *)text + i, len - i);
        if (taken)
            kst_buf_add(out, text + i, taken);
        else
            kst_buf_adds(out, "\xef\xbf\xbd");
        i += taken ? taken : 1;
    }
}
