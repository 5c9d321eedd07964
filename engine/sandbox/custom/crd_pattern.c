/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns that Go's regexp does not read: it has no lookaround, back references and possessive
 * repetition, and other names for some classes. PCRE2, which matches them here, is asked last.
 * https://github.com/google/re2/wiki/Syntax
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/regex.h"
#include "sandbox/custom/crd_internal.h"
#include "sandbox/custom/schema_internal.h"

enum { MAX_REPEAT = 1000 };

struct scan {
    const char *at;
    int depth;        /* groups that are open */
    const char *last; /* the repetition that stands right before; NULL where something else does */
    bool nothing;     /* there is nothing yet that could be repeated */
    const char *rule;
    const char *from; /* what breaks it, up to `to` */
    const char *to;
};

static bool wrong(struct scan *self, const char *rule, const char *from, const char *to)
{
    self->rule = rule;
    self->from = from;
    self->to = to;
    return false;
}

/* One character, of up to four bytes. */
static const char *step(const char *at)
{
    if (*at)
        at++;
    while (((unsigned char)*at & 0xc0) == 0x80)
        at++;
    return at;
}

/* Whether the first character of one text has a higher code than that of the other. */
static bool is_after(const char *a, const char *b)
{
    size_t left = (size_t)(step(a) - a), right = (size_t)(step(b) - b);
    int order = memcmp(a, b, left < right ? left : right);
    return order > 0 || (order == 0 && left > right);
}

/* "\p{Greek}", "\pN": whether PCRE2 knows the name tells enough. */
static bool scan_property(struct scan *self, const char *from)
{
    const char *end = self->at[2] == '{' ? strchr(self->at, '}') : NULL;
    end = end ? end + 1 : step(self->at + 2);
    kst_auto_free char *text = kst_strndup(from, (size_t)(end - from));
    struct kst_regex *regex = NULL;
    if (kst_regex_new(text, strlen(text), 0, &regex, NULL) < 0)
        return wrong(self, "invalid character class range", from, end);
    kst_regex_free(regex);
    self->at = end;
    return true;
}

/* What begins with a backslash; `in_class` within brackets. */
static bool scan_escape(struct scan *self, bool in_class)
{
    static const char known[] = "adDfnrsStvwWx", outside[] = "AbBCQz";
    const char *from = self->at;
    unsigned char letter = (unsigned char)from[1];
    if (!letter)
        return wrong(self, "trailing backslash at end of expression", from + 1, from + 1);
    if (letter == 'p' || letter == 'P')
        return scan_property(self, from);
    if (letter == 'Q' && !in_class) {
        const char *end = strstr(from, "\\E");
        self->at = end ? end + 2 : from + strlen(from);
        return true;
    }
    bool octal = letter == '0' ||
                 (letter >= '1' && letter <= '7' && from[2] >= '0' && from[2] <= '7');
    if ((isalnum(letter) && !strchr(known, letter) && !octal &&
         (in_class || !strchr(outside, letter))) ||
        letter >= 0x80)
        return wrong(self, "invalid escape sequence", from, step(from + 1));
    self->at = step(from + 1);
    return true;
}

/* "[:alpha:]" within brackets; true and moved on where none is there. */
static bool scan_named_class(struct scan *self)
{
    static const char *const names[] = {"alnum", "alpha", "ascii", "blank", "cntrl",
                                        "digit", "graph", "lower", "print", "punct",
                                        "space", "upper", "word",  "xdigit"};
    const char *from = self->at, *end = strstr(from + 2, ":]");
    if (!end) {
        self->at++;
        return true;
    }
    const char *name = from + 2 + (from[2] == '^');
    for (size_t i = 0; i < KST_ARRAY_LEN(names); i++) {
        if (strncmp(name, names[i], (size_t)(end - name)) == 0 &&
            strlen(names[i]) == (size_t)(end - name)) {
            self->at = end + 2;
            return true;
        }
    }
    return wrong(self, "invalid character class range", from, end + 2);
}

static bool scan_class(struct scan *self)
{
    const char *from = self->at;
    self->at += from[1] == '^' ? 2 : 1;
    for (bool first = true; first || *self->at != ']'; first = false) {
        const char *low = self->at;
        if (!*low)
            return wrong(self, "missing closing ]", from, from + strlen(from));
        if (low[0] == '[' && low[1] == ':') {
            if (!scan_named_class(self))
                return false;
            continue;
        }
        if (*low == '\\' ? !scan_escape(self, true) : (self->at = step(low), false))
            return false;
        if (*self->at != '-' || self->at[1] == ']' || !self->at[1])
            continue;
        const char *high = self->at + 1;
        self->at = step(high);
        bool plain = *low != '\\' && *high != '\\';
        if (plain && is_after(low, high))
            return wrong(self, "invalid character class range", low, self->at);
        if (*high == '\\') {
            self->at = high;
            if (!scan_escape(self, true))
                return false;
        }
    }
    self->at++;
    return true;
}

/* What comes after "(?"; the group itself is counted by the caller. */
static bool scan_flags(struct scan *self)
{
    const char *from = self->at, *at = from + 2;
    if (at[0] == 'P' && at[1] == '<') {
        const char *end = strchr(at, '>');
        if (!end || end == at + 2)
            return wrong(self, "invalid named capture", from, end ? end + 1 : from + strlen(from));
        self->at = end + 1;
        return true;
    }
    while (*at && strchr("imsU-", *at))
        at++;
    if (*at != ':' && *at != ')')
        return wrong(self, *at ? "invalid or unsupported Perl syntax" : "missing closing )", from,
                     *at ? step(at) : at);
    self->at = at + (*at == ':');
    return true;
}

/* "{2,5}": its length; 0 where the brace is a plain character. */
static size_t counts(const char *at, long *low, long *high)
{
    char *end = NULL;
    if (!isdigit((unsigned char)at[1]))
        return 0;
    *low = *high = strtol(at + 1, &end, 10);
    if (*end == ',') {
        *high = -1;
        end++;
        if (isdigit((unsigned char)*end))
            *high = strtol(end, &end, 10);
    }
    return *end == '}' ? (size_t)(end + 1 - at) : 0;
}

static bool scan_repetition(struct scan *self, size_t len)
{
    const char *from = self->at, *to = from + len;
    if (*to == '?')
        to++; /* as few as possible */
    if (self->nothing)
        return wrong(self, "missing argument to repetition operator", from, to);
    if (self->last)
        return wrong(self, "invalid nested repetition operator", self->last, to);
    self->last = from;
    self->at = to;
    return true;
}

static bool scan_one(struct scan *self)
{
    long low = 0, high = 0;
    size_t len = *self->at == '{' ? counts(self->at, &low, &high) : 1;
    switch (*self->at) {
    case '*':
    case '+':
    case '?':
        return scan_repetition(self, 1);
    case '{':
        if (len == 0)
            break;
        if (low > MAX_REPEAT || high > MAX_REPEAT || (high >= 0 && low > high))
            return wrong(self, "invalid repeat count", self->at, self->at + len);
        return scan_repetition(self, len);
    default:
        break;
    }
    self->last = NULL;
    self->nothing = *self->at == '(' || *self->at == '|';
    switch (*self->at) {
    case '\\':
        return scan_escape(self, false);
    case '[':
        return scan_class(self);
    case '(':
        self->depth++;
        if (self->at[1] == '?')
            return scan_flags(self);
        break;
    case ')':
        if (--self->depth < 0)
            return wrong(self, "unexpected )", NULL, NULL);
        break;
    default:
        break;
    }
    self->at = step(self->at);
    return true;
}

char *kst_crd_wrong_pattern(const char *pattern)
{
    struct scan self = {.at = pattern, .nothing = true};
    while (*self.at && scan_one(&self))
        continue;
    if (!self.rule && self.depth > 0)
        wrong(&self, "missing closing )", NULL, NULL);
    if (self.rule && !self.from)
        return kst_asprintf("error parsing regexp: %s: `%s`", self.rule, pattern);
    if (self.rule)
        return kst_asprintf("error parsing regexp: %s: `%.*s`", self.rule,
                            (int)(self.to - self.from), self.from);
    kst_auto_err struct kst_err *err = NULL;
    struct kst_regex *regex = NULL;
    if (kst_schema_pattern(pattern, &regex, &err) < 0)
        return kst_asprintf("error parsing regexp: %s", kst_err_message(err));
    kst_regex_free(regex);
    return NULL;
}
