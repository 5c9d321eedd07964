/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A path is executed while it is read: `struct values` holds what its steps so far have selected.
 * A path that is read with nothing selected is only checked.
 */
#include "sandbox/table/jsonpath.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/types/gotext.h"

struct values {
    const struct kst_json **at;
    size_t count, size;
};

struct reader {
    const char *path; /* all of it, for messages */
    const char *at, *end;
    struct values now;
    struct kst_json *literals; /* what literals in this path became: the values borrow from it */
    size_t *steps;             /* shared with the readers of the filters inside */
    int depth;
};

static void values_release(struct values *self)
{
    free(self->at);
}
#define auto_values __attribute__((cleanup(values_release))) struct values

static int add(struct reader *self, struct values *values, const struct kst_json *value,
               struct kst_err **err)
{
    if (values->count == KST_JSONPATH_RESULTS || ++*self->steps > KST_JSONPATH_STEPS)
        return kst_err_set(err, KST_E_LIMIT, "JSON path '%.200s' selects too many values",
                           self->path);
    if (values->count == values->size) {
        values->size = values->size == 0 ? 8 : 2 * values->size;
        values->at = kst_realloc(values->at, values->size * sizeof(values->at[0]));
    }
    values->at[values->count++] = value;
    return 0;
}

static void replace(struct reader *self, struct values *by)
{
    struct values old = self->now;
    self->now = *by;
    *by = old;
}

static int wrong(const struct reader *self, const char *what, struct kst_err **err)
{
    return kst_err_set(err, KST_E_PARSE, "JSON path '%.200s', at character %zu: %s", self->path,
                       (size_t)(self->at - self->path) + 1, what);
}

static int run(struct reader *self, struct kst_err **err);

/* Reads a part of `path` on its own, on the values given; its results replace them. */
static int run_part(const struct reader *outer, const char *path, const char *start,
                    const char *end, struct values *values, struct kst_json *literals,
                    struct kst_err **err)
{
    struct reader inner = {.path = path,
                           .at = start,
                           .end = end,
                           .now = *values,
                           .literals = literals,
                           .steps = outer->steps,
                           .depth = outer->depth + 1};
    *values = (struct values){0};
    if (inner.depth > KST_JSONPATH_DEPTH) {
        values_release(&inner.now);
        return kst_err_set(err, KST_E_LIMIT, "JSON path '%.200s' is nested too deeply",
                           outer->path);
    }
    int rc = run(&inner, err);
    *values = inner.now;
    return rc;
}

static bool ends_name(char byte)
{
    return byte == '\0' || strchr(" \t\r\n.,[]$@{}", byte) != NULL;
}

static int all_members(struct reader *self, struct kst_err **err)
{
    auto_values next = {0};
    for (size_t i = 0; i < self->now.count; i++) {
        const struct kst_json *member = kst_json_first(self->now.at[i]);
        for (; member; member = kst_json_next(member)) {
            int rc = add(self, &next, member, err);
            if (rc < 0)
                return rc;
        }
    }
    replace(self, &next);
    return 0;
}

static int field(struct reader *self, struct kst_err **err)
{
    kst_auto_buf name = KST_BUF_INIT(KST_JSONPATH_BYTES);
    const char *start = self->at;
    for (; self->at < self->end && !ends_name(*self->at); self->at++) {
        if (*self->at == '\\' && ++self->at == self->end)
            return wrong(self, "expected a character after the backslash", err);
        kst_buf_addc(&name, *self->at);
    }
    if (self->at == start + 1 && *start == '*')
        return all_members(self, err);
    /* "." alone is the value itself. */
    if (name.len == 0)
        return 0;
    auto_values next = {0};
    for (size_t i = 0; i < self->now.count; i++) {
        if (kst_json_type(self->now.at[i]) != KST_JSON_OBJECT)
            continue;
        const struct kst_json *value = kst_json_get(self->now.at[i], name.data);
        int rc = value ? add(self, &next, value, err) : 0;
        if (rc < 0)
            return rc;
    }
    replace(self, &next);
    return 0;
}

/* The value and all that is in it which holds something, from the top. */
static int add_below(struct reader *self, struct values *values, const struct kst_json *value,
                     struct kst_err **err)
{
    if (kst_json_len(value) == 0)
        return 0;
    int rc = add(self, values, value, err);
    for (const struct kst_json *e = kst_json_first(value); e && rc == 0; e = kst_json_next(e))
        rc = add_below(self, values, e, err);
    return rc;
}

static int everything_below(struct reader *self, struct kst_err **err)
{
    auto_values next = {0};
    for (size_t i = 0; i < self->now.count; i++) {
        int rc = add_below(self, &next, self->now.at[i], err);
        if (rc < 0)
            return rc;
    }
    replace(self, &next);
    return 0;
}

/* ---- [...] ---- */

struct slice {
    struct {
        bool known;
        int64_t value;
    } part[3]; /* start, end (exclusive), step */
    bool single;
};

static bool read_slice(const char *text, struct slice *slice)
{
    memset(slice, 0, sizeof(*slice));
    struct kst_str rest = kst_str_of(text), part;
    size_t n = 0;
    for (; kst_str_split(&rest, ':', &part); n++) {
        if (n == 3)
            return false;
        if (part.len == 0)
            continue;
        kst_auto_free char *number = kst_strndup(part.data, part.len);
        long long value = 0;
        if (number[0] == '+' || !kst_parse_int(number, &value) || value > INT32_MAX ||
            value < INT32_MIN)
            return false;
        slice->part[n].known = true;
        slice->part[n].value = value;
    }
    slice->single = n == 1;
    return !slice->single || slice->part[0].known;
}

static int out_of_bounds(const struct reader *self, int64_t index, size_t length,
                         struct kst_err **err)
{
    return kst_err_set(err, KST_E_INVALID,
                       "JSON path '%.200s': index %lld is out of bounds of an array of %zu",
                       self->path, (long long)index, length);
}

static int add_slice(struct reader *self, const struct slice *slice, const struct kst_json *array,
                     struct values *next, struct kst_err **err)
{
    int64_t length = (int64_t)kst_json_len(array);
    int64_t start = slice->part[0].known ? slice->part[0].value : 0;
    int64_t end = slice->part[1].known ? slice->part[1].value : length;
    int64_t step = slice->part[2].known ? slice->part[2].value : 1;
    start += start < 0 ? length : 0;
    end += end < 0 ? length : 0;
    if (slice->single)
        end = start + 1;
    if (start == end)
        return 0;
    if (start < 0 || start >= length)
        return out_of_bounds(self, start, (size_t)length, err);
    if (end < 0 || end > length)
        return out_of_bounds(self, end - 1, (size_t)length, err);
    if (start > end || step <= 0)
        return kst_err_set(err, KST_E_INVALID,
                           "JSON path '%.200s': a slice goes forward, by steps of at least 1",
                           self->path);
    const struct kst_json *value = kst_json_at(array, (size_t)start);
    for (int64_t i = start; i < end; i++, value = kst_json_next(value)) {
        int rc = (i - start) % step == 0 ? add(self, next, value, err) : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int no_array(const struct reader *self, const struct kst_json *value, struct kst_err **err)
{
    return kst_err_set(err, KST_E_INVALID, "JSON path '%.200s': %s is not an array", self->path,
                       kst_json_type_name(kst_json_type(value)));
}

static int index_arrays(struct reader *self, const char *text, struct kst_err **err)
{
    struct slice slice;
    if (strcmp(text, "*") == 0)
        text = ":";
    if (!read_slice(text, &slice))
        return wrong(self, "expected an index, a slice, a quoted key, * or a filter", err);
    auto_values next = {0};
    for (size_t i = 0; i < self->now.count; i++) {
        const struct kst_json *value = self->now.at[i];
        if (kst_json_type(value) == KST_JSON_NULL)
            continue;
        if (kst_json_type(value) != KST_JSON_ARRAY)
            return no_array(self, value, err);
        int rc = add_slice(self, &slice, value, &next, err);
        if (rc < 0)
            return rc;
    }
    replace(self, &next);
    return 0;
}

static int copy_values(struct reader *self, const struct values *from, struct values *to,
                       struct kst_err **err)
{
    int rc = 0;
    for (size_t i = 0; i < from->count && rc == 0; i++)
        rc = add(self, to, from->at[i], err);
    return rc;
}

static int bracket_entry(struct reader *self, struct kst_str text, struct kst_err **err);

static int union_of(struct reader *self, struct kst_str text, struct kst_err **err)
{
    auto_values base = {0}, next = {0};
    replace(self, &base);
    struct kst_str part;
    int rc = 0;
    while (rc == 0 && kst_str_split(&text, ',', &part)) {
        self->now.count = 0;
        rc = copy_values(self, &base, &self->now, err);
        rc = rc < 0 ? rc : bracket_entry(self, kst_str_trim(part), err);
        rc = rc < 0 ? rc : copy_values(self, &self->now, &next, err);
    }
    if (rc == 0)
        replace(self, &next);
    return rc;
}

static int bracket_entry(struct reader *self, struct kst_str text, struct kst_err **err)
{
    if (text.len >= 2 && text.data[0] == '\'' && text.data[text.len - 1] == '\'') {
        /* 'a.b' is read as .a.b, as the server does. */
        kst_auto_free char *key = kst_asprintf(".%.*s", (int)text.len - 2, text.data + 1);
        auto_values values = {0};
        replace(self, &values);
        int rc = run_part(self, key, key, key + strlen(key), &values, self->literals, err);
        replace(self, &values);
        return rc;
    }
    kst_auto_free char *index = kst_strndup(text.data, text.len);
    return index_arrays(self, index, err);
}

static int bracket(struct reader *self, struct kst_err **err)
{
    const char *start = self->at;
    const char *close = memchr(start, ']', (size_t)(self->end - start));
    if (!close)
        return wrong(self, "expected ] at the end of the index", err);
    struct kst_str text = {.data = start, .len = (size_t)(close - start)};
    int rc = memchr(start, ',', text.len) ? union_of(self, text, err)
                                          : bracket_entry(self, text, err);
    self->at = close + 1;
    return rc;
}

/* ---- [?( ... )] ---- */

struct filter {
    const char *left, *left_end, *right, *right_end; /* right is NULL: whether left exists */
    char operator[3];
};

/* Where a filter ends; quotes hold whatever they like. */
static const char *filter_close(const struct reader *self)
{
    char quote = '\0';
    for (const char *at = self->at; at + 1 < self->end; at++) {
        if (quote && *at == '\\')
            at++;
        else if (quote)
            quote = *at == quote ? '\0' : quote;
        else if (*at == '"' || *at == '\'')
            quote = *at;
        else if (at[0] == ')' && at[1] == ']')
            return at;
    }
    return NULL;
}

static int read_filter(struct reader *self, struct filter *filter, struct kst_err **err)
{
    static const char *const operators[] = {"==", "!=", "<=", ">=", "<", ">"};
    const char *close = filter_close(self);
    if (!close)
        return wrong(self, "expected )] at the end of the filter", err);
    memset(filter, 0, sizeof(*filter));
    filter->left = self->at;
    size_t left = strcspn(self->at, "!<>=");
    filter->left_end = self->at + left < close ? self->at + left : close;
    if (filter->left_end == filter->left)
        return wrong(self, "expected what the filter looks at, such as @.type", err);
    self->at = filter->left_end;
    if (filter->left_end == close) {
        self->at = close + 2;
        return 0;
    }
    for (size_t i = 0; i < KST_ARRAY_LEN(operators) && !filter->right; i++) {
        size_t len = strlen(operators[i]);
        if (strncmp(filter->left_end, operators[i], len) != 0)
            continue;
        memcpy(filter->operator, operators[i], len + 1);
        filter->right = filter->left_end + len;
    }
    if (!filter->right || filter->right >= close || strchr("!<>=", *filter->right))
        return wrong(self, "expected a comparison: == != < <= > >= and a value", err);
    filter->right_end = close;
    self->at = close + 2;
    return 0;
}

static bool verdict(const char *operator, int order)
{
    switch (operator[0]) {
    case '=':
        return order == 0;
    case '!':
        return order != 0;
    case '<':
        return operator[1] ? order <= 0 : order<0;
    default:
        return operator[1] ? order >= 0 : order> 0;
    }
}

/* As Go compares: a whole number and one that is not are of two types, and not comparable. */
static int compare(const struct reader *self, const char *operator, const struct kst_json * a,
                   const struct kst_json *b, bool *pass, struct kst_err **err)
{
    enum kst_json_type type = kst_json_type(a);
    int order = 0;
    int64_t ia = 0, ib = 0;
    bool comparable = type == kst_json_type(b);
    if (comparable && type == KST_JSON_STRING) {
        order = strcmp(kst_json_str(a), kst_json_str(b));
    } else if (comparable && type == KST_JSON_BOOL) {
        order = kst_json_true(a) != kst_json_true(b);
        comparable = operator[0] == '=' || operator[0] == '!';
    } else if (comparable && type == KST_JSON_NUMBER) {
        bool whole = kst_go_is_int(kst_json_number(a), &ia);
        comparable = whole == kst_go_is_int(kst_json_number(b), &ib);
        if (whole && comparable) {
            order = (ia > ib) - (ia < ib);
        } else {
            double da = strtod(kst_json_number(a), NULL), db = strtod(kst_json_number(b), NULL);
            order = (da > db) - (da < db);
        }
    } else {
        comparable = false;
    }
    if (!comparable)
        return kst_err_set(err, KST_E_INVALID, "JSON path '%.200s': cannot compare %s %s %s",
                           self->path, kst_json_type_name(type), operator,
                           kst_json_type_name(kst_json_type(b)));
    *pass = verdict(operator, order);
    return 0;
}

/* `value` may be NULL, which only checks the filter. */
static int passes(struct reader *self, const struct filter *filter, const struct kst_json *value,
                  bool *pass, struct kst_err **err)
{
    *pass = false;
    kst_auto_json struct kst_json *literals = kst_json_array();
    auto_values left = {0}, right = {0};
    int rc = 0;
    if (value) {
        rc = add(self, &left, value, err);
        rc = rc < 0 ? rc : add(self, &right, value, err);
    }
    rc = rc < 0 ? rc
                : run_part(self, self->path, filter->left, filter->left_end, &left, literals, err);
    if (!filter->right) {
        *pass = rc == 0 && left.count > 0;
        return rc;
    }
    rc = rc < 0
             ? rc
             : run_part(self, self->path, filter->right, filter->right_end, &right, literals, err);
    if (rc < 0 || left.count == 0 || right.count == 0 || !value)
        return rc;
    if (left.count > 1 || right.count > 1)
        return kst_err_set(err, KST_E_INVALID, "JSON path '%.200s': cannot compare several values",
                           self->path);
    return compare(self, filter->operator, left.at[0], right.at[0], pass, err);
}

static int filter_arrays(struct reader *self, struct kst_err **err)
{
    struct filter filter;
    bool pass = false;
    int rc = read_filter(self, &filter, err);
    rc = rc < 0 ? rc : passes(self, &filter, NULL, &pass, err);
    auto_values next = {0};
    for (size_t i = 0; i < self->now.count && rc == 0; i++) {
        const struct kst_json *value = self->now.at[i];
        if (kst_json_type(value) != KST_JSON_ARRAY)
            return no_array(self, value, err);
        for (const struct kst_json *e = kst_json_first(value); e && rc == 0; e = kst_json_next(e)) {
            rc = passes(self, &filter, e, &pass, err);
            if (rc == 0 && pass)
                rc = add(self, &next, e, err);
        }
    }
    if (rc == 0)
        replace(self, &next);
    return rc;
}

/* ---- Literals ---- */

static int set_literal(struct reader *self, struct kst_json *value, struct kst_err **err)
{
    kst_json_push(self->literals, value);
    self->now.count = 0;
    return add(self, &self->now, value, err);
}

static int quoted(struct reader *self, char quote, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(KST_JSONPATH_BYTES);
    for (; self->at < self->end && *self->at != quote; self->at++) {
        char byte = *self->at;
        if (byte == '\\' && self->at + 1 < self->end) {
            byte = *++self->at;
            byte = byte == 'n' ? '\n' : byte == 't' ? '\t' : byte;
        }
        kst_buf_addc(&text, byte);
    }
    if (self->at >= self->end)
        return wrong(self, "expected the closing quote", err);
    self->at++;
    return set_literal(self, kst_json_from_str(text.data), err);
}

static int word(struct reader *self, struct kst_err **err)
{
    const char *start = self->at;
    bool number = *start == '-' || *start == '+' || (*start >= '0' && *start <= '9');
    while (self->at < self->end && ((number && *self->at == '.') || !ends_name(*self->at)))
        self->at++;
    start += *start == '+';
    kst_auto_free char *text = kst_strndup(start, (size_t)(self->at - start));
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return set_literal(self, kst_json_bool(text[0] == 't'), err);
    if (number && kst_json_is_number(text))
        return set_literal(self, kst_json_from_number(text), err);
    self->at = start;
    return wrong(self, "expected a dot, a bracket, a quoted text, a number, true or false", err);
}

/* ---- A path ---- */

static int step(struct reader *self, struct kst_err **err)
{
    size_t left = (size_t)(self->end - self->at);
    if (left >= 3 && memcmp(self->at, "[?(", 3) == 0) {
        self->at += 3;
        return filter_arrays(self, err);
    }
    if (left >= 2 && memcmp(self->at, "..", 2) == 0) {
        self->at += 2;
        if (left >= 4 && memcmp(self->at, "..", 2) == 0)
            return wrong(self, "expected a key after ..", err);
        int rc = everything_below(self, err);
        return rc < 0 || self->at == self->end || ends_name(*self->at) ? rc : field(self, err);
    }
    char byte = *self->at;
    switch (byte) {
    case ' ':
    case '@':
    case '$':
        self->at++;
        return 0;
    case '[':
        self->at++;
        return bracket(self, err);
    case '"':
    case '\'':
        self->at++;
        return quoted(self, byte, err);
    case '.':
        self->at++;
        return field(self, err);
    default:
        return word(self, err);
    }
}

static int run(struct reader *self, struct kst_err **err)
{
    while (self->at < self->end) {
        int rc = step(self, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int run_path(const struct kst_json *root, const char *path, struct kst_json *results,
                    struct kst_err **err)
{
    size_t len = strlen(path);
    if (len > KST_JSONPATH_BYTES)
        return kst_err_set(err, KST_E_PARSE, "a JSON path is longer than %d bytes",
                           KST_JSONPATH_BYTES);
    size_t steps = 0;
    kst_auto_json struct kst_json *literals = kst_json_array();
    struct reader reader = {
        .path = path, .at = path, .end = path + len, .literals = literals, .steps = &steps};
    if (len > 0 && path[0] == '{') {
        reader.at++;
        if (path[len - 1] != '}')
            return wrong(&reader, "expected } at the end", err);
        reader.end--;
    }
    int rc = root ? add(&reader, &reader.now, root, err) : 0;
    rc = rc < 0 ? rc : run(&reader, err);
    for (size_t i = 0; i < reader.now.count && rc == 0 && results; i++)
        kst_json_push(results, kst_json_dup(reader.now.at[i]));
    values_release(&reader.now);
    return rc;
}

int kst_jsonpath_eval(const struct kst_json *root, const char *path, struct kst_json *results,
                      struct kst_err **err)
{
    return run_path(root, path, results, err);
}

int kst_jsonpath_check(const char *path, struct kst_err **err)
{
    return run_path(NULL, path, NULL, err);
}
