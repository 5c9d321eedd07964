/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_scan.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

struct scan {
    const char *start, *at, *end;
    char *out; /* where the copy goes on */
    struct kst_err **err;
};

static int expected(const struct scan *in, const char *what)
{
    int line = 1;
    const char *line_start = in->start;
    for (const char *at = in->start; at < in->at && at < in->end; at++) {
        if (*at == '\n') {
            line++;
            line_start = at + 1;
        }
    }
    int column = (int)(in->at - line_start) + 1;
    if (in->at >= in->end)
        return kst_err_set(in->err, KST_E_PARSE, "line %d, column %d: expected %s, found the end",
                           line, column, what);
    unsigned char byte = (unsigned char)*in->at;
    if (byte > 0x20 && byte < 0x7f)
        return kst_err_set(in->err, KST_E_PARSE, "line %d, column %d: expected %s, found '%c'",
                           line, column, what, byte);
    return kst_err_set(in->err, KST_E_PARSE, "line %d, column %d: expected %s, found byte 0x%02x",
                       line, column, what, byte);
}

static void skip_space(struct scan *in)
{
    while (in->at < in->end &&
           (*in->at == ' ' || *in->at == '\n' || *in->at == '\r' || *in->at == '\t'))
        in->at++;
}

static bool digit(const struct scan *in)
{
    return in->at < in->end && *in->at >= '0' && *in->at <= '9';
}

static int digits(struct scan *in)
{
    if (!digit(in))
        return expected(in, "a digit");
    while (digit(in))
        in->at++;
    return 0;
}

/* RFC 8259, section 6. */
static int number(struct scan *in)
{
    const char *start = in->at;
    if (*in->at == '-')
        in->at++;
    int rc = 0;
    if (in->at < in->end && *in->at == '0')
        in->at++;
    else
        rc = digits(in);
    if (rc == 0 && in->at < in->end && *in->at == '.') {
        in->at++;
        rc = digits(in);
    }
    if (rc == 0 && in->at < in->end && (*in->at == 'e' || *in->at == 'E')) {
        in->at++;
        if (in->at < in->end && (*in->at == '+' || *in->at == '-'))
            in->at++;
        rc = digits(in);
    }
    if (rc < 0)
        return rc;
    size_t len = (size_t)(in->at - start);
    *in->out++ = '"';
    *in->out++ = KST_JSON_MARK_NUMBER;
    memcpy(in->out, start, len);
    in->out += len;
    *in->out++ = '"';
    return 0;
}

size_t kst_json_utf8(const char *text, const char *end)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t left = (size_t)(end - text);
    if (left && at[0] < 0x80)
        return 1;
    size_t len = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || left < len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return len;
}

/* Four hexadecimal digits; -1 where there are none. */
static int32_t hex4(const char *at, const char *end)
{
    int32_t value = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char byte = at[i];
        int nibble = byte >= '0' && byte <= '9'   ? byte - '0'
                     : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
                     : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                                  : -1;
        if (nibble < 0)
            return -1;
        value = value << 4 | nibble;
    }
    return value;
}

/* \uXXXX, at the 'u': a surrogate must have its other half. U+0000 becomes C0 80. */
static int unicode(struct scan *in)
{
    int32_t first = hex4(in->at + 1, in->end);
    if (first < 0)
        return expected(in, "four hexadecimal digits after \\u");
    size_t len = 5;
    if (first >= 0xdc00 && first <= 0xdfff)
        return expected(in, "no second half of a surrogate pair without its first");
    if (first >= 0xd800 && first <= 0xdbff) {
        int32_t second = in->end - in->at > 6 && in->at[5] == '\\' && in->at[6] == 'u'
                             ? hex4(in->at + 7, in->end)
                             : -1;
        if (second < 0xdc00 || second > 0xdfff)
            return expected(in, "both halves of a surrogate pair");
        len = 11;
    }
    if (first == 0) {
        in->out[-1] = (char)0xc0; /* over the backslash */
        *in->out++ = (char)0x80;
    } else {
        memcpy(in->out, in->at, len);
        in->out += len;
    }
    in->at += len;
    return 0;
}

static int escape(struct scan *in)
{
    *in->out++ = *in->at++;
    if (in->at >= in->end)
        return expected(in, "an escaped character");
    if (*in->at == 'u')
        return unicode(in);
    if (!memchr("\"\\/bfnrt", *in->at, 8))
        return expected(in, "one of \" \\ / b f n r t u after a backslash");
    *in->out++ = *in->at++;
    return 0;
}

static int string(struct scan *in, bool key)
{
    *in->out++ = *in->at++;
    if (!key)
        *in->out++ = KST_JSON_MARK_STRING;
    for (;;) {
        if (in->at >= in->end)
            return expected(in, "'\"' at the end of a string");
        const char *plain = in->at;
        while (in->at < in->end && kst_json_is_plain((unsigned char)*in->at))
            in->at++;
        memcpy(in->out, plain, (size_t)(in->at - plain));
        in->out += in->at - plain;
        if (in->at >= in->end)
            continue;
        unsigned char byte = (unsigned char)*in->at;
        if (byte == '"')
            break;
        if (byte < 0x20)
            return expected(in, "control characters to be escaped");
        int rc = 0;
        if (byte == '\\') {
            rc = escape(in);
        } else {
            size_t len = kst_json_utf8(in->at, in->end);
            if (len == 0)
                return expected(in, "valid UTF-8");
            memcpy(in->out, in->at, len);
            in->out += len;
            in->at += len;
        }
        if (rc < 0)
            return rc;
    }
    *in->out++ = *in->at++;
    return 0;
}

static int literal(struct scan *in, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(in->end - in->at) < len || memcmp(in->at, word, len) != 0)
        return expected(in, "a value");
    memcpy(in->out, word, len);
    in->out += len;
    in->at += len;
    return 0;
}

static int scalar(struct scan *in)
{
    switch (*in->at) {
    case '"':
        return string(in, false);
    case 't':
        return literal(in, "true");
    case 'f':
        return literal(in, "false");
    case 'n':
        return literal(in, "null");
    default:
        return digit(in) || *in->at == '-' ? number(in) : expected(in, "a value");
    }
}

/* A key and its colon; 1 where the object ends instead, being empty. */
static int key(struct scan *in, bool first)
{
    skip_space(in);
    if (first && in->at < in->end && *in->at == '}')
        return 1;
    if (in->at >= in->end || *in->at != '"')
        return expected(in, first ? "'\"' or '}'" : "'\"'");
    int rc = string(in, true);
    if (rc < 0)
        return rc;
    skip_space(in);
    if (in->at >= in->end || *in->at != ':')
        return expected(in, "':'");
    *in->out++ = *in->at++;
    return 0;
}

/* The scan's own stack is a string of '[' and '{': depth costs a byte, not a frame. */
struct nest {
    char kinds[KST_JSON_SCAN_DEPTH];
    int depth, max;
};

static int open_container(struct scan *in, struct nest *nest)
{
    if (nest->depth == nest->max)
        return kst_err_set(in->err, KST_E_LIMIT, "the JSON is nested deeper than %d levels",
                           nest->max);
    char kind = *in->at++;
    nest->kinds[nest->depth++] = kind;
    *in->out++ = kind;
    if (kind == '{')
        return key(in, true);
    skip_space(in);
    return in->at < in->end && *in->at == ']' ? 1 : 0;
}

/* After a value: closes what ends here; 0 where another value follows, 1 at the end of all. */
static int after_value(struct scan *in, struct nest *nest)
{
    for (;;) {
        skip_space(in);
        if (nest->depth == 0)
            return in->at == in->end ? 1 : expected(in, "nothing after the value");
        bool object = nest->kinds[nest->depth - 1] == '{';
        if (in->at < in->end && *in->at == ',') {
            *in->out++ = *in->at++;
            int rc = object ? key(in, false) : 0;
            return rc < 0 ? rc : 0;
        }
        if (in->at >= in->end || *in->at != (object ? '}' : ']'))
            return expected(in, object ? "',' or '}'" : "',' or ']'");
        *in->out++ = *in->at++;
        nest->depth--;
    }
}

static int document(struct scan *in, int max_depth)
{
    struct nest nest = {.max = max_depth};
    for (;;) {
        skip_space(in);
        if (in->at >= in->end)
            return expected(in, "a value");
        int rc;
        if (*in->at == '{' || *in->at == '[') {
            rc = open_container(in, &nest);
            if (rc == 0)
                continue; /* its first value */
        } else {
            rc = scalar(in);
        }
        if (rc < 0)
            return rc;
        rc = after_value(in, &nest);
        if (rc != 0)
            return rc < 0 ? rc : 0;
    }
}

int kst_json_scan(const char *text, size_t len, int max_depth, char **out, size_t *out_len,
                  struct kst_err **err)
{
    assert(max_depth <= KST_JSON_SCAN_DEPTH);
    /* A value grows by at most three bytes, and the shortest takes one and its comma. */
    char *copy = kst_malloc(len * 3 + 4);
    struct scan in = {.start = text, .at = text, .end = text + len, .out = copy, .err = err};
    int rc = document(&in, max_depth);
    if (rc < 0) {
        free(copy);
        return rc;
    }
    *in.out = '\0';
    *out_len = (size_t)(in.out - copy);
    *out = copy;
    return 0;
}
