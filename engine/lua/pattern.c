/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/regex.h"

enum { MAX_BYTES = 48 * 1024 };

struct kst_pattern {
    struct kst_regex *regex;
    bool anchored;
    int captures;
    bool position[KST_PATTERN_CAPTURES + 1];
    int group[KST_PATTERN_CAPTURES +
              1]; /* PCRE2's number of the capture: %b has groups of its own */
};

struct translation {
    const char *at, *end;
    struct kst_buf out;
    struct kst_pattern *pattern;
    int open[KST_PATTERN_CAPTURES]; /* captures that are not closed yet */
    int depth;
    bool closed[KST_PATTERN_CAPTURES + 1];
    int groups; /* of PCRE2 so far */
    struct kst_err **err;
};

static int malformed(struct translation *in, const char *text)
{
    return kst_err_set(in->err, KST_E_PARSE, "%s", text);
}

/* One byte, as PCRE2 takes it anywhere, also inside brackets. */
static void add_byte(struct translation *in, char byte)
{
    kst_buf_addf(&in->out, "\\x{%02x}", (unsigned char)byte);
}

/* The inside of a PCRE2 class for %a, %d, … in the C locale; NULL where the letter is no class. */
static const char *class_of(char letter)
{
    switch (letter | 0x20) {
    case 'a':
        return "a-zA-Z";
    case 'c':
        return "\\x00-\\x1f\\x7f";
    case 'd':
        return "0-9";
    case 'g':
        return "!-~";
    case 'l':
        return "a-z";
    case 'p':
        return "!-/:-@\\[-`{-~";
    case 's':
        return "\\x09-\\x0d ";
    case 'u':
        return "A-Z";
    case 'w':
        return "a-zA-Z0-9";
    case 'x':
        return "a-fA-F0-9";
    case 'z': /* deprecated, and still there */
        return "\\x00";
    default:
        return NULL;
    }
}

/* The complement of a class, as the inside of another: %A within [] cannot be [^…]. */
static const char *complement_of(char letter)
{
    switch (letter | 0x20) {
    case 'a':
        return "\\x00-@\\[-`{-\\xff";
    case 'c':
        return " -~\\x80-\\xff";
    case 'd':
        return "\\x00-/:-\\xff";
    case 'g':
        return "\\x00- \\x7f-\\xff";
    case 'l':
        return "\\x00-`{-\\xff";
    case 'p':
        return "\\x00- 0-9A-Za-z\\x7f-\\xff";
    case 's':
        return "\\x00-\\x08\\x0e-\\x1f!-\\xff";
    case 'u':
        return "\\x00-@\\[-\\xff";
    case 'w':
        return "\\x00-/:-@\\[-`{-\\xff";
    case 'x':
        return "\\x00-/:-@G-`g-\\xff";
    case 'z':
        return "\\x01-\\xff";
    default:
        return NULL;
    }
}

static bool is_upper(char letter)
{
    return letter >= 'A' && letter <= 'Z';
}

/* What follows '%' inside or outside of a set, as the inside of a PCRE2 class. */
static void add_escaped(struct translation *in, char letter)
{
    bool alpha = (letter >= 'a' && letter <= 'z') || is_upper(letter);
    const char *class = alpha ? (is_upper(letter) ? complement_of(letter) : class_of(letter))
                              : NULL;
    if (class)
        kst_buf_adds(&in->out, class);
    else
        add_byte(in, letter);
}

/* [set]: *at is after the '['. Ends after the ']'. As Lua does, a ']' that comes first is a member.
 */
static int add_set(struct translation *in)
{
    kst_buf_addc(&in->out, '[');
    size_t start = in->out.len;
    if (in->at < in->end && *in->at == '^') {
        kst_buf_addc(&in->out, '^');
        in->at++;
        start++;
    }
    bool first = true;
    for (;; first = false) {
        if (in->at >= in->end)
            return malformed(in, "malformed pattern (missing ']')");
        char byte = *in->at++;
        if (byte == ']' && !first)
            break;
        if (byte == '%') {
            if (in->at >= in->end)
                return malformed(in, "malformed pattern (missing ']')");
            add_escaped(in, *in->at++);
        } else if (in->end - in->at >= 2 && in->at[0] == '-' && in->at[1] != ']') {
            unsigned char low = (unsigned char)byte, high = (unsigned char)in->at[1];
            in->at += 2;
            if (low <= high) /* an empty range matches nothing */
                kst_buf_addf(&in->out, "\\x{%02x}-\\x{%02x}", low, high);
        } else {
            add_byte(in, byte);
        }
    }
    if (in->out.len == start) {
        /* Only empty ranges: matches nothing, or with '^' everything. */
        bool negated = in->out.data[start - 1] == '^';
        kst_buf_truncate(&in->out, start - (negated ? 2 : 1));
        kst_buf_adds(&in->out, negated ? "[\\x00-\\xff]" : "(?!)");
        return 0;
    }
    return kst_buf_addc(&in->out, ']');
}

/* %bxy: from an x to the y that balances it. */
static int add_balance(struct translation *in)
{
    if (in->end - in->at < 2)
        return malformed(in, "malformed pattern (missing arguments to '%b')");
    char open = in->at[0], close = in->at[1];
    in->at += 2;
    int group = ++in->groups;
    unsigned o = (unsigned char)open, c = (unsigned char)close;
    if (open == close) /* ends at the next one: nothing can be nested */
        kst_buf_addf(&in->out, "(\\x{%02x}[^\\x{%02x}]*+\\x{%02x})", o, o, c);
    else
        kst_buf_addf(&in->out, "(\\x{%02x}(?:[^\\x{%02x}\\x{%02x}]++|(?%d))*+\\x{%02x})", o, o, c,
                     group, c);
    return 0;
}

/* %f[set]: a place between one that is not in the set and one that is; the ends count as NUL. */
static int add_frontier(struct translation *in)
{
    if (in->at >= in->end || *in->at != '[')
        return malformed(in, "missing '[' after '%f' in pattern");
    in->at++;
    size_t start = in->out.len;
    int rc = add_set(in);
    if (rc < 0)
        return rc;
    kst_auto_free char *set = kst_strdup(in->out.data + start);
    kst_buf_truncate(&in->out, start);
    /* Whether NUL is in the set decides about the ends, which PCRE2 is asked for. */
    struct kst_regex *regex = NULL;
    bool holds_nul = false;
    rc = kst_regex_new(set, strlen(set), KST_REGEX_BYTES, &regex, in->err);
    if (rc == 0)
        rc = kst_regex_match(regex, "", 1, 0, true, NULL, 0, &holds_nul, in->err);
    kst_regex_free(regex);
    if (rc < 0)
        return rc;
    kst_buf_addf(&in->out, holds_nul ? "(?<=[\\x00-\\xff])(?<!%s)(?:(?=%s)|\\z)" : "(?<!%s)(?=%s)",
                 set, set);
    return 0;
}

static int add_back_reference(struct translation *in, char digit)
{
    int index = digit - '0';
    if (index < 1 || index > in->pattern->captures || !in->closed[index])
        return kst_err_set(in->err, KST_E_PARSE, "invalid capture index %%%d in pattern", index);
    if (in->pattern->position[index])
        return kst_buf_adds(&in->out, "(?!)"); /* Lua's own cannot match either */
    return kst_buf_addf(&in->out, "\\g{%d}", in->pattern->group[index]);
}

static int open_capture(struct translation *in)
{
    struct kst_pattern *pattern = in->pattern;
    if (pattern->captures >= KST_PATTERN_CAPTURES)
        return malformed(in, "too many captures");
    int index = ++pattern->captures;
    pattern->group[index] = ++in->groups;
    if (in->at < in->end && *in->at == ')') {
        in->at++;
        pattern->position[index] = true;
        in->closed[index] = true;
        return kst_buf_adds(&in->out, "()");
    }
    in->open[in->depth++] = index;
    return kst_buf_addc(&in->out, '(');
}

static int close_capture(struct translation *in)
{
    if (in->depth == 0)
        return malformed(in, "invalid pattern capture");
    in->closed[in->open[--in->depth]] = true;
    return kst_buf_addc(&in->out, ')');
}

/* A single character's class, and what may follow it: *, +, - or ?. */
static int add_single(struct translation *in)
{
    char byte = *in->at++;
    int rc = 0;
    if (byte == '.') {
        kst_buf_adds(&in->out, "[\\x00-\\xff]");
    } else if (byte == '[') {
        rc = add_set(in);
    } else if (byte == '%') {
        kst_buf_addc(&in->out, '[');
        add_escaped(in, *in->at++);
        kst_buf_addc(&in->out, ']');
    } else {
        add_byte(in, byte);
    }
    if (rc < 0 || in->at >= in->end)
        return rc;
    switch (*in->at) {
    case '*':
    case '+':
    case '?':
        kst_buf_addc(&in->out, *in->at++);
        break;
    case '-':
        kst_buf_adds(&in->out, "*?");
        in->at++;
        break;
    default:
        break;
    }
    return 0;
}

static int add_item(struct translation *in)
{
    char byte = *in->at;
    if (byte == '(') {
        in->at++;
        return open_capture(in);
    }
    if (byte == ')') {
        in->at++;
        return close_capture(in);
    }
    if (byte == '$' && in->at + 1 == in->end) {
        in->at++;
        return kst_buf_adds(&in->out, "\\z");
    }
    if (byte != '%')
        return add_single(in);
    if (in->at + 1 >= in->end)
        return malformed(in, "malformed pattern (ends with '%')");
    char next = in->at[1];
    if (next == 'b' || next == 'f' || (next >= '0' && next <= '9')) {
        in->at += 2;
        return next == 'b'   ? add_balance(in)
               : next == 'f' ? add_frontier(in)
                             : add_back_reference(in, next);
    }
    return add_single(in);
}

static int translate(struct translation *in)
{
    while (in->at < in->end) {
        int rc = add_item(in);
        if (rc < 0)
            return rc == KST_E_LIMIT ? kst_buf_check(&in->out, "the pattern", in->err) : rc;
    }
    if (in->depth)
        return malformed(in, "unfinished capture");
    return kst_buf_check(&in->out, "the pattern", in->err);
}

int kst_pattern_new(const char *pattern, size_t len, bool no_anchor, struct kst_pattern **out,
                    struct kst_err **err)
{
    struct kst_pattern *self = kst_calloc(1, sizeof(*self));
    struct translation in = {.at = pattern,
                             .end = pattern + len,
                             .pattern = self,
                             .err = err,
                             .out = KST_BUF_INIT(MAX_BYTES)};
    if (!no_anchor && len && *pattern == '^') {
        self->anchored = true;
        in.at++;
    }
    int rc = translate(&in);
    if (rc == 0)
        rc = kst_regex_new(in.out.data, in.out.len, KST_REGEX_BYTES | KST_REGEX_DOTALL,
                           &self->regex, err);
    kst_buf_release(&in.out);
    if (rc < 0) {
        kst_pattern_free(self);
        return rc;
    }
    *out = self;
    return 0;
}

void kst_pattern_free(struct kst_pattern *self)
{
    if (!self)
        return;
    kst_regex_free(self->regex);
    free(self);
}

int kst_pattern_match(const struct kst_pattern *self, const char *subject, size_t len,
                      size_t offset, struct kst_capture captures[KST_PATTERN_CAPTURES + 1],
                      int *ncaptures, bool *matched, struct kst_err **err)
{
    enum { SPANS = 128 };
    struct kst_regex_span spans[SPANS];
    int rc = kst_regex_match(self->regex, subject, len, offset, self->anchored, spans, SPANS,
                             matched, err);
    if (rc < 0 || !*matched)
        return rc;
    captures[0] = (struct kst_capture){.start = spans[0].start, .end = spans[0].end};
    *ncaptures = self->captures;
    for (int i = 1; i <= self->captures; i++) {
        int group = self->group[i];
        if (group >= SPANS || spans[group].start == (size_t)-1)
            return kst_err_set(err, KST_E_LIMIT, "the pattern has more groups than are allowed");
        captures[i] = (struct kst_capture){
            .start = spans[group].start, .end = spans[group].end, .position = self->position[i]};
    }
    return 0;
}
