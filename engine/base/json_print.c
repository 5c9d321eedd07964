/* SPDX-License-Identifier: Apache-2.0 */
/* Printing of JSON, and values from templates. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_scan.h"
#include "base/mem.h"

static void print_ascii(struct kst_buf *out, unsigned char byte)
{
    static const char shorts[] = "\bb\tt\nn\ff\rr\"\"\\\\";
    for (const char *pair = shorts; *pair; pair += 2) {
        if ((unsigned char)*pair == byte) {
            const char escaped[] = {'\\', pair[1]};
            kst_buf_add(out, escaped, sizeof(escaped));
            return;
        }
    }
    kst_buf_addf(out, "\\u%04x", byte);
}

/* Bytes that are no UTF-8 (output of a command that was kept as it came) become U+FFFD: what is
 * printed is always JSON. */
static void print_string(struct kst_buf *out, const char *text)
{
    kst_buf_addc(out, '"');
    const char *plain = text, *end = text + strlen(text);
    for (const char *at = text; at < end;) {
        unsigned char byte = (unsigned char)*at;
        if (kst_json_is_plain(byte)) { /* mostly */
            at++;
            continue;
        }
        size_t len = kst_json_utf8(at, end);
        if (len && byte >= 0x20 && byte != '"' && byte != '\\') {
            at += len;
            continue;
        }
        kst_buf_add(out, plain, (size_t)(at - plain));
        bool nul = byte == 0xc0 && (unsigned char)at[1] == 0x80;
        if (nul)
            kst_buf_adds(out, "\\u0000");
        else if (len)
            print_ascii(out, byte);
        else
            kst_buf_adds(out, "\xef\xbf\xbd");
        at += nul ? 2 : 1;
        plain = at;
    }
    kst_buf_adds(out, plain);
    kst_buf_addc(out, '"');
}

static void new_line(struct kst_buf *out, enum kst_json_style style, int depth)
{
    if (style != KST_JSON_PRETTY)
        return;
    kst_buf_addc(out, '\n');
    for (int i = 0; i < depth; i++)
        kst_buf_adds(out, "  ");
}

static void print_value(struct kst_buf *out, const struct kst_json *self, enum kst_json_style style,
                        int depth);

static void print_container(struct kst_buf *out, const struct kst_json *self,
                            enum kst_json_style style, int depth, bool object)
{
    kst_buf_addc(out, object ? '{' : '[');
    const struct kst_json *first = kst_json_first(self);
    for (const struct kst_json *item = first; item && !out->overflown; item = kst_json_next(item)) {
        if (item != first)
            kst_buf_addc(out, ',');
        new_line(out, style, depth + 1);
        if (object) {
            print_string(out, kst_json_key(item));
            kst_buf_adds(out, style == KST_JSON_PRETTY ? ": " : ":");
        }
        print_value(out, item, style, depth + 1);
    }
    if (first)
        new_line(out, style, depth);
    kst_buf_addc(out, object ? '}' : ']');
}

static void print_value(struct kst_buf *out, const struct kst_json *self, enum kst_json_style style,
                        int depth)
{
    switch (kst_json_type(self)) {
    case KST_JSON_BOOL:
        kst_buf_adds(out, kst_json_true(self) ? "true" : "false");
        break;
    case KST_JSON_NUMBER:
        kst_buf_adds(out, kst_json_number(self));
        break;
    case KST_JSON_STRING:
        print_string(out, kst_json_str(self));
        break;
    case KST_JSON_ARRAY:
        print_container(out, self, style, depth, false);
        break;
    case KST_JSON_OBJECT:
        print_container(out, self, style, depth, true);
        break;
    default:
        kst_buf_adds(out, "null");
    }
}

int kst_json_print(const struct kst_json *self, enum kst_json_style style, struct kst_buf *out)
{
    print_value(out, self, style, 0);
    return out->overflown ? KST_E_LIMIT : 0;
}

char *kst_json_text(const struct kst_json *self)
{
    kst_auto_buf out = KST_BUF_INIT((size_t)1 << 40);
    kst_json_print(self, KST_JSON_COMPACT, &out);
    return kst_buf_take(&out);
}

static void print_argument(struct kst_buf *out, char type, va_list *args)
{
    const char *text;
    switch (type) {
    case 's':
        text = va_arg(*args, const char *);
        if (text)
            print_string(out, text);
        else
            kst_buf_adds(out, "null");
        break;
    case 'd':
        kst_buf_addf(out, "%d", va_arg(*args, int));
        break;
    case 'L':
        kst_buf_addf(out, "%lld", (long long)va_arg(*args, int64_t));
        break;
    case 'b':
        kst_buf_adds(out, va_arg(*args, int) ? "true" : "false");
        break;
    case 'J':
        kst_json_print(va_arg(*args, const struct kst_json *), KST_JSON_COMPACT, out);
        break;
    default:
        assert(!"a template of kst_json_make() holds an unknown %");
    }
}

struct kst_json *kst_json_make(const char *template, ...)
{
    kst_auto_buf text = KST_BUF_INIT((size_t)1 << 40);
    va_list args;
    va_start(args, template);
    for (const char *at = template; *at; at++) {
        if (*at == '%')
            print_argument(&text, *++at, &args);
        else
            kst_buf_addc(&text, *at == '\'' ? '"' : *at);
    }
    va_end(args);
    struct kst_json *value = NULL;
    kst_auto_err struct kst_err *err = NULL;
    if (kst_json_parse_deep(text.data, text.len, KST_JSON_SCAN_DEPTH, &value, &err) < 0) {
        /* The template is wrong: a bug of ours. */
        fprintf(stderr, "kassette: bad JSON template: %s\n", kst_err_message(err));
        abort();
    }
    return value;
}
