/* SPDX-License-Identifier: Apache-2.0 */
/* Block style YAML, as kubectl prints it. */
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_scan.h"
#include "base/yaml.h"
#include "base/yaml_scalar.h"

static void indent(struct kst_buf *out, int depth)
{
    for (int i = 0; i < depth; i++)
        kst_buf_adds(out, "  ");
}

/* Whether a reader would take the text for something else than the string that it is: a number, a
 * date. kubectl writes such a one in double quotes. */
static bool is_ambiguous(const char *text, size_t len)
{
    if (len == 0 || kst_yaml_is_special(text, len) || strcmp(text, "<<") == 0)
        return true;
    if (text[0] == '.' || (text[0] >= '0' && text[0] <= '9') || text[0] == '+')
        return strspn(text, "0123456789.-+:eE_TtZz ") == len && !strchr(text, ' ');
    return false;
}

/* Whether nothing at its ends is YAML's own. */
static bool is_plain(const char *text, size_t len)
{
    static const char first[] = "-?:,[]{}#&*!|>'\"%@` \t";
    return !strchr(first, text[0]) && text[len - 1] != ' ' && text[len - 1] != ':' &&
           strcmp(text, "=") != 0;
}

/* Whether the character can stand in a YAML file as it is (YAML 1.1, 5.1): U+0080 to U+009F, the
 * line ends U+2028 and U+2029, U+FEFF, U+FFFE and U+FFFF cannot; nor, for kubectl, can what lies
 * beyond them. */
static bool is_printable(const char *at, size_t width)
{
    const unsigned char *byte = (const unsigned char *)at;
    if (width == 1)
        return *byte >= 0x20 && *byte != 0x7f;
    if (width == 2)
        return byte[0] != 0xc2 || byte[1] >= 0xa0;
    if (width != 3)
        return false;
    return memcmp(at, "\xe2\x80\xa8", 3) != 0 && memcmp(at, "\xe2\x80\xa9", 3) != 0 &&
           memcmp(at, "\xef\xbb\xbf", 3) != 0 &&
           !(byte[0] == 0xef && byte[1] == 0xbf && byte[2] >= 0xbe);
}

/* In double quotes, with \u where the character cannot stand as it is. */
static void print_quoted(struct kst_buf *out, const char *text, size_t len)
{
    kst_buf_addc(out, '"');
    for (const char *at = text, *end = text + len; at < end;) {
        size_t width = kst_json_utf8(at, end);
        unsigned char byte = (unsigned char)*at;
        if (!width && byte == 0xc0 && (unsigned char)at[1] == 0x80) { /* base/json.h: a NUL */
            kst_buf_adds(out, "\\0");
            at += 2;
            continue;
        }
        width = width ? width : 1;
        if (byte == '"' || byte == '\\')
            kst_buf_addf(out, "\\%c", byte);
        else if (byte == '\n' || byte == '\t' || byte == '\r')
            kst_buf_addf(out, "\\%c", byte == '\n' ? 'n' : byte == '\t' ? 't' : 'r');
        else if (is_printable(at, width))
            kst_buf_add(out, at, width);
        else if (width == 1)
            kst_buf_addf(out, "\\u%04x", byte);
        else if (width == 2)
            kst_buf_addf(out, "\\u%04x", (byte & 0x1f) << 6 | (at[1] & 0x3f));
        else if (width == 3)
            kst_buf_addf(out, "\\u%04X",
                         (byte & 0x0f) << 12 | (at[1] & 0x3f) << 6 | (at[2] & 0x3f));
        else
            kst_buf_addf(out, "\\U%08X",
                         (byte & 0x07) << 18 | (at[1] & 0x3f) << 12 | (at[2] & 0x3f) << 6 |
                             (at[3] & 0x3f));
        at += width;
    }
    kst_buf_addc(out, '"');
}

/* Whether it can be written without quotes at all: printable, and nothing that ends a scalar. */
static bool is_clean(const char *text, size_t len)
{
    for (const char *at = text, *end = text + len; at < end;) {
        size_t width = kst_json_utf8(at, end);
        unsigned char byte = (unsigned char)*at;
        if (!width || !is_printable(at, width))
            return false;
        if ((byte == ':' && (at[1] == ' ' || at[1] == '\t')) || (byte == ' ' && at[1] == '#'))
            return false;
        at += width;
    }
    return true;
}

/* A text of several lines that | can hold: no control characters, no line that begins the text with
 * a space, no lines of spaces alone at its end. */
static bool is_block(const char *text, size_t len)
{
    if (!strchr(text, '\n') || strchr(" \t\n", text[0]))
        return false;
    for (const char *line = text; line < text + len;) {
        const char *end = strchr(line, '\n');
        size_t width = end ? (size_t)(end - line) : strlen(line);
        for (const char *at = line; at < line + width;) {
            size_t step = kst_json_utf8(at, text + len);
            if (!step || ((unsigned char)*at < 0x20 && *at != '\t') || *at == 0x7f || step > 1)
                return false; /* what is not ASCII may be a line end to YAML: quotes are safe */
            at += step;
        }
        if (width && line[width - 1] == ' ')
            return false;
        line += width + 1;
    }
    return true;
}

static void print_block(struct kst_buf *out, const char *text, size_t len, int depth)
{
    size_t ends = 0;
    while (ends < len && text[len - 1 - ends] == '\n')
        ends++;
    kst_buf_adds(out, ends == 0 ? "|-\n" : ends == 1 ? "|\n" : "|+\n");
    size_t stop = ends ? len - 1 : len; /* the last line end is the block's own */
    for (size_t i = 0; i < stop;) {
        const char *end = memchr(text + i, '\n', stop - i);
        size_t width = end ? (size_t)(end - (text + i)) : stop - i;
        if (width)
            indent(out, depth);
        kst_buf_add(out, text + i, width);
        kst_buf_addc(out, '\n');
        i += width + 1;
        if (i == stop && end)
            kst_buf_addc(out, '\n'); /* an empty last line */
    }
    kst_buf_truncate(out, out->len - 1); /* the caller ends the line */
}

static void print_text(struct kst_buf *out, const char *text, int depth, bool key)
{
    size_t len = strlen(text);
    if (is_ambiguous(text, len)) {
        print_quoted(out, text, len);
    } else if (is_plain(text, len) && is_clean(text, len)) {
        kst_buf_adds(out, text);
    } else if (!key && is_block(text, len)) {
        print_block(out, text, len, depth);
    } else if (is_clean(text, len) ||
               (len && !strpbrk(text, "\\\n\t\r") && strspn(text, " :#") == len)) {
        kst_buf_addc(out, '\'');
        for (const char *at = text; *at; at++)
            kst_buf_adds(out, *at == '\'' ? "''" : (char[]){*at, '\0'});
        kst_buf_addc(out, '\'');
    } else {
        print_quoted(out, text, len);
    }
}

static void print_value(struct kst_buf *out, const struct kst_json *value, int depth);

/* What follows "key:" or "- ". */
static void print_child(struct kst_buf *out, const struct kst_json *value, int depth, bool in_list)
{
    enum kst_json_type type = kst_json_type(value);
    bool filled = kst_json_first(value) != NULL;
    if (filled && type == KST_JSON_OBJECT) {
        if (in_list) {
            print_value(out, value, depth + 1); /* its first key stands behind the dash */
            return;
        }
        kst_buf_addc(out, '\n');
        indent(out, depth + 1);
        print_value(out, value, depth + 1);
    } else if (filled && type == KST_JSON_ARRAY) {
        if (in_list) {
            print_value(out, value, depth + 1);
            return;
        }
        kst_buf_addc(out, '\n'); /* a list is not indented below its key */
        indent(out, depth);
        print_value(out, value, depth);
    } else {
        if (!in_list)
            kst_buf_addc(out, ' ');
        print_value(out, value, depth + 1);
        kst_buf_addc(out, '\n');
    }
}

/* YAML takes a key for one only where it ends within 1024 bytes of its line, else where it is
 * marked as one; kubectl marks those of over 128 bytes. */
static void print_key(struct kst_buf *out, const char *key, int depth)
{
    enum { SIMPLE_BYTES = 128 };
    bool marked = strlen(key) > SIMPLE_BYTES;
    if (marked)
        kst_buf_adds(out, "? ");
    print_text(out, key, depth, true);
    if (marked) {
        kst_buf_addc(out, '\n');
        indent(out, depth);
    }
    kst_buf_addc(out, ':');
}

/* The indentation of the first line is there already; a container ends its last line. */
static void print_value(struct kst_buf *out, const struct kst_json *value, int depth)
{
    const struct kst_json *first = kst_json_first(value);
    switch (kst_json_type(value)) {
    case KST_JSON_STRING:
        print_text(out, kst_json_str(value), depth ? depth : 1, false);
        return;
    case KST_JSON_OBJECT:
    case KST_JSON_ARRAY:
        break;
    default:
        kst_json_print(value, KST_JSON_COMPACT, out);
        return;
    }
    bool object = kst_json_type(value) == KST_JSON_OBJECT;
    if (!first)
        kst_buf_adds(out, object ? "{}" : "[]");
    for (const struct kst_json *row = first; row && !out->overflown; row = kst_json_next(row)) {
        if (row != first)
            indent(out, depth);
        if (object) {
            print_key(out, kst_json_key(row), depth);
        } else {
            kst_buf_adds(out, "- ");
        }
        print_child(out, row, depth, !object);
    }
}

int kst_yaml_print(const struct kst_json *value, struct kst_buf *out)
{
    print_value(out, value, 0);
    if (!kst_json_first(value))
        kst_buf_addc(out, '\n');
    return out->overflown ? KST_E_LIMIT : 0;
}
