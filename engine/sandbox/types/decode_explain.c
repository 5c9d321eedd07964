/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's words for a value of the wrong type come from its JSON reader (json-iterator),
 * which does not stop at the first error: it goes on, without being able to look ahead any more,
 * and every struct, field and list on the way puts its name in front of the one message. Readers
 * of logs know the result ("v1.Pod.Spec: v1.PodSpec.Containers: []v1.Container: ..."), so this
 * reads as it does, on the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/types/decode_internal.h"

enum {
    MESSAGE_BYTES = 64 * 1024, /* after which no more names are put in front */
    NEAR = 10,
    CONTEXT = 50,
    HASHED_FIELDS = 10, /* structs with at most so many are read by another loop */
};

struct reader {
    const char *text;
    size_t head, tail;
    char *error;
    bool at_end; /* there was nothing more to read, which is no error by itself */
};

static bool stopped(const struct reader *self)
{
    return self->error || self->at_end;
}

static void report(struct reader *self, const char *operation, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void report(struct reader *self, const char *operation, const char *format, ...)
{
    if (self->error)
        return;
    size_t near = self->head < NEAR ? self->head : NEAR;
    size_t before = self->head < CONTEXT ? self->head : CONTEXT;
    size_t left = self->tail - self->head;
    kst_auto_buf text = KST_BUF_INIT(2 * MESSAGE_BYTES);
    va_list args;
    va_start(args, format);
    kst_buf_addf(&text, "%s: ", operation);
    kst_buf_addv(&text, format, args);
    va_end(args);
    kst_buf_addf(&text, ", error found in #%zu byte of ...|", near);
    kst_buf_add(&text, self->text + self->head - near, near + (left < NEAR ? left : NEAR));
    kst_buf_adds(&text, "|..., bigger context ...|");
    kst_buf_add(&text, self->text + self->head - before,
                before + (left < CONTEXT ? left : CONTEXT));
    kst_buf_adds(&text, "|...");
    self->error = kst_buf_take(&text);
}

/* Puts "NAME" and a separator in front of the error. */
static void name_error(struct reader *self, struct kst_str name, const char *separator)
{
    if (!self->error || strlen(self->error) > MESSAGE_BYTES)
        return;
    char *longer = kst_asprintf("%.*s%s%s", (int)name.len, name.data, separator, self->error);
    free(self->error);
    self->error = longer;
}

static void name_type(struct reader *self, struct kst_go_type type, const char *separator)
{
    kst_auto_buf name = KST_BUF_INIT(1024);
    kst_go_print(type, &name);
    name_error(self, kst_str_buf(&name), separator);
}

/* ---- bytes ---- */

static void end(struct reader *self)
{
    if (!stopped(self))
        self->at_end = true;
}

static char next_token(struct reader *self)
{
    for (; self->head < self->tail; self->head++)
        if (!strchr(" \n\t\r", self->text[self->head]) || !self->text[self->head])
            return self->text[self->head++];
    end(self);
    return '\0';
}

static char read_byte(struct reader *self)
{
    if (self->head < self->tail)
        return self->text[self->head++];
    end(self);
    return '\0';
}

static void unread(struct reader *self)
{
    if (!stopped(self))
        self->head--;
}

static char peek_token(struct reader *self)
{
    char c = next_token(self);
    unread(self);
    return c;
}

/* The rest of "null", "true" or "false" after its first letter. */
static void skip_word(struct reader *self, const char *rest)
{
    for (const char *c = rest; *c; c++) {
        if (read_byte(self) == *c)
            continue;
        bool three = strlen(rest) == 3;
        report(self, three ? "skipThreeBytes" : "skipFourBytes", "expect %s", rest);
        return;
    }
}

static bool read_null(struct reader *self)
{
    if (next_token(self) == 'n') {
        skip_word(self, "ull");
        return true;
    }
    unread(self);
    return false;
}

/* ---- texts ---- */

static void read_escape(struct reader *self, struct kst_buf *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = read_byte(self);
    const char *found = c ? strchr(from, c) : NULL;
    if (found) {
        kst_buf_addc(out, to[found - from]);
    } else if (c == 'u') {
        char digits[5] = "";
        for (int i = 0; i < 4; i++)
            digits[i] = read_byte(self);
        long code = strtol(digits, NULL, 16);
        kst_buf_addc(out, code > 0 && code < 0x80 ? (char)code : '?'); /* no name has others */
    } else {
        report(self, "readEscapedChar", "invalid escape char after \\");
    }
}

/* What is left of a text from a backslash on. */
static void read_slowly(struct reader *self, struct kst_buf *out)
{
    while (!stopped(self)) {
        char c = read_byte(self);
        if (c == '"')
            return;
        if (c == '\\')
            read_escape(self, out);
        else
            kst_buf_addc(out, c);
    }
    report(self, "readStringSlowPath", "unexpected end of input");
}

/* After the opening quote; the text, as far as it matters, to `out`. */
static void read_text(struct reader *self, struct kst_buf *out)
{
    for (size_t i = self->head; i < self->tail; i++) {
        char c = self->text[i];
        if (c == '"') {
            kst_buf_add(out, self->text + self->head, i - self->head);
            self->head = i + 1;
            return;
        }
        if (c == '\\')
            break;
        if ((unsigned char)c < ' ') {
            report(self, "ReadString", "invalid control character found: %d", c);
            return;
        }
    }
    read_slowly(self, out);
}

static void read_string(struct reader *self, struct kst_buf *out)
{
    char c = next_token(self);
    if (c == '"')
        read_text(self, out);
    else if (c == 'n')
        skip_word(self, "ull");
    else
        report(self, "ReadString", "expects \" or n, but found %c", c);
}

/* A key and its colon, as structs of few fields read them. */
static bool read_hashed_key(struct reader *self, struct kst_buf *key)
{
    char c = next_token(self);
    if (c != '"') {
        report(self, "readFieldHash", "expect \", but found %c", c);
        return false;
    }
    size_t at = self->head;
    while (at < self->tail && self->text[at] != '"' && self->text[at] != '\\')
        at++;
    if (at == self->tail) {
        end(self);
        report(self, "readFieldHash", "incomplete field name");
        return false;
    }
    kst_buf_add(key, self->text + self->head, at - self->head);
    self->head = at + (self->text[at] == '"');
    if (self->text[at] == '\\')
        read_slowly(self, key);
    c = next_token(self);
    if (c != ':')
        report(self, "readFieldHash", "expect :, but found %c", c);
    return c == ':';
}

static void read_colon(struct reader *self, const char *operation)
{
    char c = next_token(self);
    if (c != ':')
        report(self, operation, "expect : after object field, but found %c", c);
}

/* ---- skipping ---- */

static void skip(struct reader *self);

static void skip_number(struct reader *self)
{
    while (self->head < self->tail && strchr("+-.eE0123456789", self->text[self->head]) &&
           self->text[self->head])
        self->head++;
}

static void skip_text(struct reader *self)
{
    size_t i = self->head;
    while (i < self->tail && self->text[i] != '"' && self->text[i] != '\\')
        i++;
    if (i < self->tail && self->text[i] == '"') {
        self->head = i + 1;
        return;
    }
    kst_auto_buf unused = KST_BUF_INIT(0);
    unread(self);
    read_string(self, &unused);
}

static void skip_object(struct reader *self)
{
    kst_auto_buf unused = KST_BUF_INIT(0);
    unread(self);
    char c = next_token(self);
    if (c == 'n') {
        skip_word(self, "ull");
        return;
    }
    if (c != '{') {
        report(self, "ReadObjectCB", "expect { or n, but found %c", c);
        return;
    }
    c = next_token(self);
    if (c == '}')
        return;
    if (c != '"') {
        report(self, "ReadObjectCB", "expect \" after {, but found %c", c);
        return;
    }
    unread(self);
    do {
        read_string(self, &unused);
        read_colon(self, "ReadObject");
        skip(self);
        c = next_token(self);
    } while (c == ',');
    if (c != '}')
        report(self, "ReadObjectCB", "object not ended with }");
}

static void skip_array(struct reader *self)
{
    unread(self);
    char c = next_token(self);
    if (c == 'n') {
        skip_word(self, "ull");
        return;
    }
    if (c != '[') {
        report(self, "ReadArrayCB", "expect [ or n, but found %c", c);
        return;
    }
    c = next_token(self);
    if (c == ']')
        return;
    unread(self);
    do {
        skip(self);
        c = next_token(self);
    } while (c == ',');
    if (c != ']')
        report(self, "ReadArrayCB", "expect ] in the end, but found %c", c);
}

static void skip(struct reader *self)
{
    char c = next_token(self);
    switch (c) {
    case '"':
        skip_text(self);
        break;
    case 'n':
        skip_word(self, "ull");
        break;
    case 't':
        skip_word(self, "rue");
        break;
    case 'f':
        skip_word(self, "alse");
        break;
    case '0':
        unread(self);
        next_token(self);
        skip_number(self);
        break;
    case '[':
        skip_array(self);
        break;
    case '{':
        skip_object(self);
        break;
    default:
        if (c == '-' || (c >= '1' && c <= '9'))
            skip_number(self);
        else
            report(self, "Skip", "do not know how to skip: %d", c);
    }
}

/* ---- values ---- */

static void read_value(struct reader *self, struct kst_go_type type);

static void read_bool(struct reader *self)
{
    char c = next_token(self);
    if (c == 't')
        skip_word(self, "rue");
    else if (c == 'f')
        skip_word(self, "alse");
    else
        report(self, "ReadBool", "expect t or f, but found %c", c);
}

static void check_whole(struct reader *self)
{
    if (self->head < self->tail && self->text[self->head] == '.')
        report(self, "assertInteger", "can not decode float as int");
}

static bool is_digit(const struct reader *self, size_t at)
{
    return at < self->tail && self->text[at] >= '0' && self->text[at] <= '9';
}

static void read_int(struct reader *self, int bits)
{
    unsigned long long value = 0, limit = 1ULL << (bits - 1);
    char c = next_token(self);
    bool negative = c == '-', over = false;
    if (negative)
        c = read_byte(self);
    if (c < '0' || c > '9') {
        report(self, bits == 32 ? "readUint32" : "readUint64", "unexpected character: \xff");
        return;
    }
    value = (unsigned long long)(c - '0');
    /* An overflow is told where nine digits were read at once, where there was text enough. */
    size_t mark = self->head + (self->tail - self->head > NEAR ? 7 : 0);
    while (c != '0' && is_digit(self, self->head)) {
        unsigned long long digit = (unsigned long long)(self->text[self->head] - '0');
        over = over || value > ((bits == 32 ? 0xffffffffULL : ~0ULL) - digit) / 10;
        value = value * 10 + digit;
        self->head++;
        if (over) {
            self->head = mark;
            report(self, bits == 32 ? "readUint32" : "readUint64", "overflow");
            return;
        }
    }
    check_whole(self);
    if (value >= limit + negative)
        report(self, bits == 32 ? "ReadInt32" : "ReadInt64", "overflow: %llu", value);
}

static void read_float(struct reader *self)
{
    char c = next_token(self);
    if (c != '-' && (c < '0' || c > '9'))
        report(self, "readFloat64", "unexpected character: \xff");
    else
        skip_number(self);
}

/* A type that reads the bytes of its value itself. */
static void read_bytes_of(struct reader *self, enum kst_go_kind kind)
{
    kst_auto_json struct kst_json *value = NULL;
    next_token(self);
    unread(self);
    size_t from = self->head;
    skip(self);
    if (kst_json_parse(self->text + from, self->head - from, &value, NULL) < 0 ||
        kst_json_type(value) == KST_JSON_NULL)
        return;
    kst_auto_free char *why = kst_go_refuse(kind, value);
    if (why)
        report(self, "unmarshalerDecoder", "%s", why);
}

static void read_base64(struct reader *self, struct kst_go_type type)
{
    if (read_null(self))
        return;
    if (peek_token(self) != '"') {
        report(self, "base64Codec", "invalid input");
        return;
    }
    kst_auto_buf text = KST_BUF_INIT(16 * 1024 * 1024);
    read_string(self, &text);
    kst_auto_json struct kst_json *value = kst_json_from_strn(text.data, text.len);
    kst_auto_free char *why = kst_go_refuse(KST_GO_BYTES, value);
    if (why)
        report(self, "decode base64", "%s", why);
}

static void read_list(struct reader *self, struct kst_go_type type)
{
    struct kst_go_type entry = kst_go_entry(type);
    char c = next_token(self);
    if (c == 'n') {
        skip_word(self, "ull");
    } else if (c != '[') {
        report(self, "decode slice", "expect [ or n, but found %c", c);
    } else if (next_token(self) != ']') {
        unread(self);
        do {
            read_value(self, entry);
            c = next_token(self);
        } while (c == ',');
        if (c != ']')
            report(self, "decode slice", "expect ], but found %c", c);
    }
    name_type(self, type, ": ");
}

static void read_map(struct reader *self, struct kst_go_type type)
{
    struct kst_go_type entry = kst_go_entry(type);
    kst_auto_buf unused = KST_BUF_INIT(0);
    char c = next_token(self);
    if (c == 'n') {
        skip_word(self, "ull");
        return;
    }
    if (c != '{') {
        report(self, "ReadMapCB", "expect { or n, but found %c", c);
        return;
    }
    if (next_token(self) == '}')
        return;
    unread(self);
    do {
        read_string(self, &unused);
        c = next_token(self);
        if (c != ':') {
            report(self, "ReadMapCB", "expect : after object field, but found %c", c);
            return;
        }
        read_value(self, entry);
        c = next_token(self);
    } while (c == ',');
    if (c != '}')
        report(self, "ReadMapCB", "expect }, but found %c", c);
}

/* ---- structs ---- */

static void read_field(struct reader *self, const struct kst_go_struct *type, struct kst_str key)
{
    struct kst_go_field field;
    if (!kst_go_find(type, key, &field)) {
        skip(self);
        return;
    }
    read_value(self, field.type);
    if (!self->error)
        return;
    kst_auto_free char *name = field.name.len ? kst_strndup(field.name.data, field.name.len)
                                              : kst_strndup(key.data, key.len);
    if (!field.name.len && name[0] >= 'a' && name[0] <= 'z')
        name[0] = (char)(name[0] - 'a' + 'A');
    name_error(self, kst_str_of(name), ": ");
    if (field.embedded.len)
        name_error(self, field.embedded, ": ");
}

static bool begin_object(struct reader *self)
{
    char c = next_token(self);
    if (c == '{') {
        if (next_token(self) == '}')
            return false;
        unread(self);
        return true;
    }
    if (c == 'n')
        skip_word(self, "ull");
    else
        report(self, "readObjectStart", "expect { or n, but found %c", c);
    return false;
}

static bool object_ends(struct reader *self)
{
    char c = next_token(self);
    if (c == ',')
        return false;
    if (c != '}')
        report(self, "isObjectEnd", "object ended prematurely, unexpected char %c", c);
    return true;
}

static void read_struct(struct reader *self, const struct kst_go_struct *type)
{
    size_t count = kst_go_count(type);
    kst_auto_buf key = KST_BUF_INIT(MESSAGE_BYTES);
    struct kst_str name = kst_str_of(strchr(type->name, '/') + 1);
    if (count == 0) {
        char c = peek_token(self);
        if (c == '{' || c == 'n')
            skip(self);
        else
            report(self, "skipObjectDecoder", "expect object or null");
        return;
    }
    if (!begin_object(self))
        return;
    if (count <= HASHED_FIELDS) {
        do {
            kst_buf_clear(&key);
            if (read_hashed_key(self, &key))
                read_field(self, type, kst_str_buf(&key));
            else
                skip(self);
        } while (!object_ends(self));
        name_error(self, name, ".");
        return;
    }
    char c;
    do {
        kst_buf_clear(&key);
        read_string(self, &key);
        read_colon(self, "ReadObject");
        read_field(self, type, kst_str_buf(&key));
        c = next_token(self);
    } while (c == ',');
    name_error(self, name, ".");
    if (c != '}')
        report(self, "struct Decode", "expect }, but found %c", c);
}

static void read_value(struct reader *self, struct kst_go_type type)
{
    enum kst_go_kind kind = kst_go_kind(type);
    kst_auto_buf unused = KST_BUF_INIT(0);
    switch (kind) {
    case KST_GO_STRING:
        read_string(self, &unused);
        break;
    case KST_GO_BOOL:
        if (!read_null(self))
            read_bool(self);
        break;
    case KST_GO_INT32:
    case KST_GO_INT64:
        if (!read_null(self))
            read_int(self, kind == KST_GO_INT32 ? 32 : 64);
        break;
    case KST_GO_FLOAT64:
        if (!read_null(self))
            read_float(self);
        break;
    case KST_GO_BYTES:
        read_base64(self, type);
        break;
    case KST_GO_ANY:
        skip(self);
        break;
    case KST_GO_LIST:
        read_list(self, type);
        break;
    case KST_GO_MAP:
        read_map(self, type);
        break;
    case KST_GO_STRUCT:
        if (kst_go_struct(type))
            read_struct(self, kst_go_struct(type));
        else
            skip(self);
        break;
    default:
        read_bytes_of(self, kind);
    }
}

void kst_decode_explain(const struct kst_go_struct *type, const char *text, size_t len,
                        struct kst_buf *out)
{
    struct reader reader = {.text = text, .tail = len};
    read_struct(&reader, type);
    const char *why = reader.error ? reader.error : "the object cannot be decoded";
    kst_decode_quote(why, strlen(why), out);
    free(reader.error);
}
