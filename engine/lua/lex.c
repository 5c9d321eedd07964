/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/lex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

static const char *const keywords[] = {"and",   "break", "do",       "else", "elseif", "end",
                                       "false", "for",   "function", "goto", "if",     "in",
                                       "local", "nil",   "not",      "or",   "repeat", "return",
                                       "then",  "true",  "until",    "while"};
/* Longer ones first. */
static const char *const signs[] = {
    "...", "<<", ">>", "//", "==", "~=", "<=", ">=", "::", "..", "+", "-", "*", "/", "%", "^", "#",
    "&",   "~",  "|",  "<",  ">",  "=",  "(",  ")",  "{",  "}",  "[", "]", ";", ":", ",", "."};

int kst_lex_wrong(struct kst_syntax *syntax, size_t at, const char *what, struct kst_err **err)
{
    syntax->wrong_at = at;
    struct kst_place place = kst_syntax_place(syntax, at);
    return kst_err_set(err, KST_E_PARSE, "%u:%u: %s", place.line, place.column, what);
}

/* The byte `ahead` of the present one; 0 at the end. */
static char peek(const struct kst_lex *self, size_t ahead)
{
    size_t at = self->at + ahead;
    return at < self->syntax->len ? self->syntax->text[at] : '\0';
}

static bool at_end(const struct kst_lex *self)
{
    return self->at >= self->syntax->len;
}

/* ASCII, whatever the locale. */
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

/* The level of a long bracket that begins here ("[[": 0, "[=[": 1, …), or -1. */
static int long_level(const struct kst_lex *self)
{
    size_t level = 0;
    while (peek(self, 1 + level) == '=')
        level++;
    return peek(self, 0) == '[' && peek(self, 1 + level) == '[' ? (int)level : -1;
}

/* A line end of one or two bytes is one "\n". */
static void skip_line_end(struct kst_lex *self)
{
    char first = peek(self, 0), second = peek(self, 1);
    self->at += is_line_end(second) && second != first ? 2 : 1;
}

/* Passes over a long bracket; `out` (may be NULL) gets what is in it. */
static int read_long(struct kst_lex *self, int level, struct kst_buf *out, struct kst_err **err)
{
    size_t start = self->at;
    self->at += 2 + (size_t)level;
    if (is_line_end(peek(self, 0)))
        skip_line_end(self);
    while (!at_end(self)) {
        size_t same = 0;
        while (peek(self, 0) == ']' && peek(self, 1 + same) == '=')
            same++;
        if (peek(self, 0) == ']' && same == (size_t)level && peek(self, 1 + same) == ']') {
            self->at += 2 + same;
            return 0;
        }
        char c = peek(self, 0);
        if (out)
            kst_buf_addc(out, is_line_end(c) ? '\n' : c);
        if (is_line_end(c))
            skip_line_end(self);
        else
            self->at++;
    }
    return kst_lex_wrong(self->syntax, start, "unfinished long string or comment", err);
}

/* "lint: allow RULE…" is an agreement with the reader. */
static void note_comment(struct kst_lex *self, size_t start)
{
    static const char mark[] = "lint: allow ";
    struct kst_syntax *syntax = self->syntax;
    const char *text = syntax->text + start;
    const char *found = memmem(text, self->at - start, mark, strlen(mark));
    if (!found)
        return;
    struct kst_syntax_allowed *allowed = kst_arena_alloc(&syntax->arena, sizeof(*allowed));
    const char *rules = found + strlen(mark);
    size_t len = (size_t)(syntax->text + self->at - rules);
    allowed->rules = kst_arena_printf(&syntax->arena, " %.*s ", (int)len, rules);
    allowed->line = kst_syntax_place(syntax, start).line;
    allowed->next = syntax->allowed;
    syntax->allowed = allowed;
}

static int skip_comment(struct kst_lex *self, struct kst_err **err)
{
    size_t start = self->at;
    self->at += 2;
    int level = long_level(self);
    if (level >= 0)
        return read_long(self, level, NULL, err);
    while (!at_end(self) && !is_line_end(peek(self, 0)))
        self->at++;
    note_comment(self, start);
    return 0;
}

static int skip_blank(struct kst_lex *self, struct kst_err **err)
{
    while (!at_end(self)) {
        if (peek(self, 0) == '-' && peek(self, 1) == '-') {
            int rc = skip_comment(self, err);
            if (rc < 0)
                return rc;
        } else if (is_space(peek(self, 0))) {
            self->at++;
        } else {
            break;
        }
    }
    return 0;
}

/* A code point, up to the 31 bits that Lua allows, as UTF-8 in its old, longer form. */
static void add_utf8(struct kst_buf *out, unsigned long code)
{
    char bytes[8];
    size_t at = sizeof(bytes);
    if (code < 0x80) {
        kst_buf_addc(out, (char)code);
        return;
    }
    unsigned long first_max = 0x3f;
    do {
        bytes[--at] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
        first_max >>= 1;
    } while (code > first_max);
    bytes[--at] = (char)((~first_max << 1) | code);
    kst_buf_add(out, bytes + at, sizeof(bytes) - at);
}

static int value_of_hex(char c)
{
    return is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* "\u{XXX}", from its 'u' on. */
static int read_unicode(struct kst_lex *self, struct kst_buf *out, struct kst_err **err)
{
    unsigned long code = 0;
    size_t start = self->at, digits = 0;
    self->at += 2;
    for (; is_hex(peek(self, 0)) && code < 0x80000000UL / 16; self->at++, digits++)
        code = code * 16 + (unsigned long)value_of_hex(peek(self, 0));
    if (peek(self, 0) != '}' || digits == 0 || self->syntax->text[start + 1] != '{')
        return kst_lex_wrong(self->syntax, start, "expected \\u{…} with hexadecimal digits", err);
    self->at++;
    add_utf8(out, code);
    return 0;
}

static int read_decimal(struct kst_lex *self, struct kst_buf *out, struct kst_err **err)
{
    int value = 0;
    size_t start = self->at;
    for (int i = 0; i < 3 && is_digit(peek(self, 0)); i++)
        value = value * 10 + (self->syntax->text[self->at++] - '0');
    if (value > 255 || self->at == start)
        return kst_lex_wrong(self->syntax, start, "invalid escape sequence", err);
    kst_buf_addc(out, (char)value);
    return 0;
}

/* What follows a backslash. */
static int read_escape(struct kst_lex *self, struct kst_buf *out, struct kst_err **err)
{
    static const char letters[] = "abfnrtv\\\"'", values[] = "\a\b\f\n\r\t\v\\\"'";
    char c = peek(self, 0);
    const char *simple = c ? strchr(letters, c) : NULL;
    if (simple) {
        kst_buf_addc(out, values[simple - letters]);
        self->at++;
    } else if (is_line_end(c)) {
        kst_buf_addc(out, '\n');
        skip_line_end(self);
    } else if (c == 'x' && is_hex(peek(self, 1)) && is_hex(peek(self, 2))) {
        kst_buf_addc(out, (char)(value_of_hex(peek(self, 1)) * 16 + value_of_hex(peek(self, 2))));
        self->at += 3;
    } else if (c == 'z') {
        for (self->at++; !at_end(self) && is_space(peek(self, 0));)
            self->at++;
    } else if (c == 'u') {
        return read_unicode(self, out, err);
    } else {
        return read_decimal(self, out, err);
    }
    return 0;
}

static int read_quoted(struct kst_lex *self, struct kst_buf *out, struct kst_err **err)
{
    size_t start = self->at;
    char quote = peek(self, 0);
    self->at++;
    while (!at_end(self) && peek(self, 0) != quote) {
        char c = peek(self, 0);
        if (is_line_end(c))
            break;
        self->at++;
        if (c == '\\') {
            int rc = read_escape(self, out, err);
            if (rc < 0)
                return rc;
        } else {
            kst_buf_addc(out, c);
        }
    }
    if (at_end(self) || peek(self, 0) != quote)
        return kst_lex_wrong(self->syntax, start, "unfinished string", err);
    self->at++;
    return 0;
}

static int read_string(struct kst_lex *self, int level, struct kst_token *token,
                       struct kst_err **err)
{
    kst_auto_buf value = KST_BUF_INIT(self->syntax->len + 1);
    int rc = level >= 0 ? read_long(self, level, &value, err) : read_quoted(self, &value, err);
    if (rc < 0)
        return rc;
    token->kind = KST_TOKEN_STRING;
    token->text = kst_arena_strndup(&self->syntax->arena, value.data, value.len);
    token->len = value.len;
    return 0;
}

/* As far as Lua itself reads; whether it is a number is not asked. */
static void read_number(struct kst_lex *self, struct kst_token *token)
{
    bool hex = peek(self, 0) == '0' && (peek(self, 1) | 0x20) == 'x';
    token->kind = KST_TOKEN_NUMBER;
    token->whole = true;
    self->at += hex ? 2 : 0;
    for (;; self->at++) {
        char c = peek(self, 0);
        if ((c | 0x20) == (hex ? 'p' : 'e')) {
            token->whole = false;
            if (peek(self, 1) == '+' || peek(self, 1) == '-')
                self->at++;
        } else if (c == '.') {
            token->whole = false;
        } else if (!is_hex(c)) {
            break;
        }
    }
    while (is_letter(peek(self, 0)) || is_digit(peek(self, 0)))
        self->at++;
    token->len = self->at - token->at;
    token->text = kst_arena_strndup(&self->syntax->arena, self->syntax->text + token->at,
                                    token->len);
    errno = 0;
    if (token->whole && !hex) {
        strtoll(token->text, NULL, 10); /* a decimal that is too large is a float */
        token->whole = errno == 0;
    }
}

static void read_name(struct kst_lex *self, struct kst_token *token)
{
    while (is_letter(peek(self, 0)) || is_digit(peek(self, 0)))
        self->at++;
    token->kind = KST_TOKEN_NAME;
    token->len = self->at - token->at;
    const char *text = self->syntax->text + token->at;
    for (size_t i = 0; i < KST_ARRAY_LEN(keywords); i++) {
        if (strlen(keywords[i]) == token->len && memcmp(keywords[i], text, token->len) == 0) {
            token->kind = KST_TOKEN_WORD;
            token->text = keywords[i];
            return;
        }
    }
    token->text = kst_arena_strndup(&self->syntax->arena, text, token->len);
}

static int read_sign(struct kst_lex *self, struct kst_token *token, struct kst_err **err)
{
    size_t left = self->syntax->len - self->at;
    for (size_t i = 0; i < KST_ARRAY_LEN(signs); i++) {
        size_t len = strlen(signs[i]);
        if (len <= left && memcmp(signs[i], self->syntax->text + self->at, len) == 0) {
            token->kind = KST_TOKEN_WORD;
            token->text = signs[i];
            token->len = len;
            self->at += len;
            return 0;
        }
    }
    return kst_lex_wrong(self->syntax, self->at, "unexpected character", err);
}

int kst_lex_next(struct kst_lex *self, struct kst_token *token, struct kst_err **err)
{
    int rc = skip_blank(self, err);
    if (rc < 0)
        return rc;
    *token = (struct kst_token){.kind = KST_TOKEN_END, .at = self->at, .text = ""};
    char c = peek(self, 0);
    if (at_end(self))
        return 0;
    int level = c == '[' ? long_level(self) : -1;
    if (level >= 0 || c == '"' || c == '\'')
        return read_string(self, level, token, err);
    if (is_digit(c) || (c == '.' && is_digit(peek(self, 1))))
        read_number(self, token);
    else if (is_letter(c))
        read_name(self, token);
    else
        return read_sign(self, token, err);
    return 0;
}
