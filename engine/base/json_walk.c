/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_walk.h"

#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

/* Behind the string that begins at `at`, or NULL where it does not end. */
static const char *skip_string(const char *at, const char *end)
{
    const char *start = ++at;
    for (;;) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        if (!quote)
            return NULL;
        const char *slash = quote;
        while (slash > start && slash[-1] == '\\')
            slash--;
        if ((quote - slash) % 2 == 0)
            return quote + 1;
        at = quote + 1;
    }
}

static const char *skip_container(const char *at, const char *end)
{
    size_t depth = 0;
    while (at && at < end) {
        switch (*at) {
        case '"':
            at = skip_string(at, end);
            continue;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (--depth == 0)
                return at + 1;
            break;
        default:
            break;
        }
        at++;
    }
    return NULL;
}

static const char *skip_value(const char *at, const char *end)
{
    if (at >= end)
        return NULL;
    if (*at == '"')
        return skip_string(at, end);
    if (*at == '{' || *at == '[')
        return skip_container(at, end);
    const char *start = at;
    while (at < end && !memchr(",:]}[{\" \n\r\t", *at, 11))
        at++;
    return at > start ? at : NULL;
}

int kst_json_walk_begin(struct kst_json_walk *self, struct kst_str text, struct kst_err **err)
{
    const char *end = text.data + text.len, *at = text.len ? skip_space(text.data, end) : end;
    if (at >= end || (*at != '{' && *at != '['))
        return kst_err_set(err, KST_E_PARSE, "expected a JSON object or array");
    *self = (struct kst_json_walk){.at = at + 1, .end = end, .object = *at == '{'};
    return 0;
}

static int wrong(const char *expected, struct kst_err **err)
{
    return kst_err_set(err, KST_E_PARSE, "the JSON is damaged or cut off: expected %s", expected);
}

static int finish(struct kst_json_walk *self, struct kst_err **err)
{
    self->at = skip_space(self->at + 1, self->end);
    return self->at == self->end ? 0 : wrong("nothing after the value", err);
}

static int read_key(struct kst_json_walk *self, struct kst_str *key, struct kst_err **err)
{
    const char *start = self->at;
    const char *behind = start < self->end && *start == '"' ? skip_string(start, self->end) : NULL;
    const char *colon = behind ? skip_space(behind, self->end) : NULL;
    if (!colon || colon >= self->end || *colon != ':')
        return wrong("a key", err);
    if (key)
        *key = (struct kst_str){start + 1, (size_t)(behind - start) - 2};
    self->at = skip_space(colon + 1, self->end);
    return 0;
}

int kst_json_walk_next(struct kst_json_walk *self, struct kst_str *key, struct kst_str *value,
                       struct kst_err **err)
{
    char close = self->object ? '}' : ']';
    self->at = skip_space(self->at, self->end);
    if (self->at < self->end && *self->at == close)
        return finish(self, err);
    if (self->begun) {
        if (self->at >= self->end || *self->at != ',')
            return wrong("',' or the end of an object or array", err);
        self->at = skip_space(self->at + 1, self->end);
    }
    self->begun = true;
    int rc = self->object ? read_key(self, key, err) : 0;
    if (rc < 0)
        return rc;
    const char *behind = skip_value(self->at, self->end);
    if (!behind)
        return wrong("a value", err);
    *value = (struct kst_str){self->at, (size_t)(behind - self->at)};
    self->at = behind;
    return 1;
}

struct kst_str kst_json_walk_find(struct kst_str object, const char *key)
{
    struct kst_json_walk walk;
    struct kst_str is, value;
    if (kst_json_walk_begin(&walk, object, NULL) < 0 || !walk.object)
        return kst_str_of(NULL);
    while (kst_json_walk_next(&walk, &is, &value, NULL) == 1)
        if (kst_str_eq(is, key))
            return value;
    return kst_str_of(NULL);
}

char *kst_json_walk_string(struct kst_str value)
{
    if (value.len < 2 || value.data[0] != '"')
        return NULL;
    if (!memchr(value.data, '\\', value.len))
        return kst_strndup(value.data + 1, value.len - 2);
    kst_auto_json struct kst_json *parsed = NULL;
    if (kst_json_parse(value.data, value.len, &parsed, NULL) < 0)
        return NULL;
    return kst_strdup(kst_json_str(parsed));
}
