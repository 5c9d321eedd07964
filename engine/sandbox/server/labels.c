/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/server/labels.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

enum { MAX_NAME = 63, MAX_PREFIX = 253 };

enum operator{ EXISTS, ABSENT, EQUAL, UNEQUAL, IN, NOT_IN, GREATER, LESS };

struct requirement {
    char *key;
    enum operator op;
    char **values;
    size_t nvalues;
};

struct kst_labels {
    struct requirement *list;
    size_t count;
};

/* ---- words ---- */

struct token {
    char kind; /* 'w' a word, '\0' the end, '!' '=' '#' (!=) '(' ')' ',' '<' '>' '?' none */
    char *text;
};

struct reader {
    const char *at;
    struct token next;
    struct kst_err **err;
};

static bool is_symbol(char c)
{
    return c && strchr("=!(),><", c);
}

static bool is_space(char c)
{
    return c && strchr(" \t\r\n", c);
}

static char kind_of(const char *symbol, size_t len)
{
    if (len == 2)
        return strncmp(symbol, "!=", 2) == 0 ? '#' : '=';
    return *symbol;
}

static void scan(struct reader *in)
{
    free(in->next.text);
    while (is_space(*in->at))
        in->at++;
    size_t len = 0;
    char kind = 'w';
    if (!*in->at) {
        kind = '\0';
    } else if (is_symbol(*in->at)) {
        bool two = (*in->at == '=' || *in->at == '!') && in->at[1] == '=';
        len = two ? 2 : 1;
        kind = kind_of(in->at, len);
    } else {
        while (in->at[len] && !is_symbol(in->at[len]) && !is_space(in->at[len]))
            len++;
    }
    in->next.kind = kind;
    in->next.text = kst_strndup(in->at, len);
    in->at += len;
}

static bool take(struct reader *in, char kind)
{
    if (in->next.kind != kind)
        return false;
    scan(in);
    return true;
}

static char *take_word(struct reader *in)
{
    char *text = kst_take(in->next.text);
    scan(in);
    return text;
}

static int expected(struct reader *in, const char *format)
{
    return kst_err_set(in->err, KST_E_PARSE, format, in->next.text);
}

/* ---- what words may be ---- */

static bool is_name(const char *text, size_t len)
{
    if (len == 0 || len > MAX_NAME || !isalnum((unsigned char)text[0]) ||
        !isalnum((unsigned char)text[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("-_.", text[i]))
            return false;
    return true;
}

static bool is_domain(const char *text, size_t len)
{
    bool start = true;
    if (len == 0 || len > MAX_PREFIX)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool edge = i + 1 == len || text[i + 1] == '.';
        bool letter = islower((unsigned char)text[i]) || isdigit((unsigned char)text[i]);
        if (text[i] == '.' ? start : !letter && (text[i] != '-' || start || edge))
            return false;
        start = text[i] == '.';
    }
    return !start;
}

static int check_key(struct reader *in, const char *key)
{
    const char *slash = strchr(key, '/');
    if (slash && !is_domain(key, (size_t)(slash - key)))
        return kst_err_set(in->err, KST_E_PARSE,
                           "invalid label key \"%s\": prefix part a DNS-1123 subdomain must "
                           "consist of lower case alphanumeric characters, '-' or '.', and must "
                           "start and end with an alphanumeric character (e.g. 'example.com', "
                           "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]"
                           "([-a-z0-9]*[a-z0-9])?)*')",
                           key);
    const char *name = slash ? slash + 1 : key;
    if (is_name(name, strlen(name)))
        return 0;
    return kst_err_set(in->err, KST_E_PARSE,
                       "invalid label key \"%s\": name part must consist of alphanumeric "
                       "characters, '-', '_' or '.', and must start and end with an alphanumeric "
                       "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
                       "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
                       key);
}

static int check_values(struct reader *in, const struct requirement *what)
{
    long long unused;
    for (size_t i = 0; i < what->nvalues; i++) {
        const char *value = what->values[i];
        if ((what->op == GREATER || what->op == LESS) && !kst_parse_int(value, &unused))
            return kst_err_set(in->err, KST_E_PARSE,
                               "for 'Gt', 'Lt' operators, the value must be an integer");
        if (*value && !is_name(value, strlen(value)))
            return kst_err_set(in->err, KST_E_PARSE,
                               "invalid label value: \"%s\": at key: \"%s\": a valid label must "
                               "be an empty string or consist of alphanumeric characters, '-', "
                               "'_' or '.', and must start and end with an alphanumeric character "
                               "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
                               "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
                               value, what->key);
    }
    return 0;
}

/* ---- requirements ---- */

/* `value` is taken. */
static void add_value(struct requirement *what, char *value)
{
    what->values = kst_realloc(what->values, (what->nvalues + 1) * sizeof(char *));
    what->values[what->nvalues++] = value;
}

/* "(a,b,)": an entry may be empty, the list may not. */
static int read_values(struct reader *in, struct requirement *what)
{
    if (!take(in, '('))
        return expected(in, "found '%s' expected: '('");
    if (take(in, ')'))
        return kst_err_set(in->err, KST_E_PARSE,
                           "for 'in', 'notin' operators, values set can't be empty");
    if (in->next.kind != 'w' && in->next.kind != ',')
        return expected(in, "found '%s', expected: ',', ')' or identifier");
    for (;;) {
        bool word = in->next.kind == 'w';
        add_value(what, word ? take_word(in) : kst_strdup(""));
        if (take(in, ')'))
            return 0;
        if (!take(in, ','))
            return expected(in, "found '%s', expected: ',' or ')'");
        if (in->next.kind != 'w' && in->next.kind != ',' && in->next.kind != ')')
            return expected(in, "found '%s', expected: ',', or identifier");
    }
}

static int read_value(struct reader *in, struct requirement *what)
{
    bool none = in->next.kind == '\0' || in->next.kind == ',';
    if (!none && in->next.kind != 'w')
        return expected(in, "found '%s', expected: identifier");
    add_value(what, none ? kst_strdup("") : take_word(in));
    return 0;
}

static int read_operator(struct reader *in, struct requirement *what)
{
    bool word = in->next.kind == 'w';
    if (word && strcmp(in->next.text, "in") == 0)
        what->op = IN;
    else if (word && strcmp(in->next.text, "notin") == 0)
        what->op = NOT_IN;
    else if (in->next.kind == '=')
        what->op = EQUAL;
    else if (in->next.kind == '#')
        what->op = UNEQUAL;
    else if (in->next.kind == '>')
        what->op = GREATER;
    else if (in->next.kind == '<')
        what->op = LESS;
    else
        return expected(in, "found '%s', expected: '=', '!=', '==', 'in', notin'");
    scan(in);
    return what->op == IN || what->op == NOT_IN ? read_values(in, what) : read_value(in, what);
}

static int read_requirement(struct reader *in, struct requirement *what)
{
    bool absent = take(in, '!');
    if (in->next.kind != 'w')
        return expected(in, "found '%s', expected: identifier");
    what->key = take_word(in);
    int rc = check_key(in, what->key);
    if (rc < 0)
        return rc;
    what->op = absent ? ABSENT : EXISTS;
    if (absent || in->next.kind == '\0' || in->next.kind == ',')
        return 0;
    rc = read_operator(in, what);
    return rc < 0 ? rc : check_values(in, what);
}

static int read_all(struct reader *in, struct kst_labels *self)
{
    if (in->next.kind == '\0')
        return 0;
    if (in->next.kind != 'w' && in->next.kind != '!')
        return expected(in, "found '%s', expected: !, identifier, or 'end of string'");
    for (;;) {
        self->list = kst_realloc(self->list, (self->count + 1) * sizeof(*self->list));
        self->list[self->count] = (struct requirement){0};
        int rc = read_requirement(in, &self->list[self->count++]);
        if (rc < 0)
            return kst_err_wrap(in->err, rc, "unable to parse requirement");
        if (in->next.kind == '\0')
            return 0;
        if (!take(in, ','))
            return expected(in, "found '%s', expected: ',' or 'end of string'");
        if (in->next.kind != 'w' && in->next.kind != '!')
            return expected(in, "found '%s', expected: identifier after ','");
    }
}

int kst_labels_parse(const char *text, struct kst_labels **out, struct kst_err **err)
{
    struct kst_labels *self = kst_calloc(1, sizeof(*self));
    struct reader in = {.at = text ? text : "", .err = err};
    scan(&in);
    int rc = read_all(&in, self);
    free(in.next.text);
    if (rc < 0)
        kst_labels_free(self);
    else
        *out = self;
    return rc;
}

void kst_labels_free(struct kst_labels *self)
{
    for (size_t i = 0; self && i < self->count; i++) {
        for (size_t j = 0; j < self->list[i].nvalues; j++)
            free(self->list[i].values[j]);
        free(self->list[i].values);
        free(self->list[i].key);
    }
    if (self)
        free(self->list);
    free(self);
}

bool kst_labels_are_all(const struct kst_labels *self)
{
    return self->count == 0;
}

/* ---- selecting ---- */

static bool is_one_of(const struct requirement *what, const char *value)
{
    for (size_t i = 0; value && i < what->nvalues; i++)
        if (strcmp(what->values[i], value) == 0)
            return true;
    return false;
}

/* A label that is no number is neither greater nor less. */
static bool compares(const struct requirement *what, const char *value)
{
    long long have = 0, bound = 0;
    if (!value || !kst_parse_int(value, &have) || !kst_parse_int(what->values[0], &bound))
        return false;
    return what->op == GREATER ? have > bound : have < bound;
}

static bool holds(const struct requirement *what, const char *value)
{
    switch (what->op) {
    case EXISTS:
        return value != NULL;
    case ABSENT:
        return value == NULL;
    case EQUAL:
    case IN:
        return is_one_of(what, value);
    case UNEQUAL:
    case NOT_IN:
        return !is_one_of(what, value);
    case GREATER:
    case LESS:
        return compares(what, value);
    }
    return false;
}

bool kst_labels_select(const struct kst_labels *self, const struct kst_json *labels)
{
    for (size_t i = 0; i < self->count; i++)
        if (!holds(&self->list[i], kst_json_str(kst_json_get(labels, self->list[i].key))))
            return false;
    return true;
}
