/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Validation, rule by rule in the order of the server's validator, because that is the order of
 * the causes in its answer. A field that is wrong within a list is named without its index there.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/regex.h"
#include "sandbox/api/status.h"
#include "sandbox/custom/schema.h"
#include "sandbox/custom/schema_internal.h"
#include "sandbox/types/gotext.h"

enum { TEXT_BYTES = 1024 * 1024 };

/* ---- what was found ---- */

struct problem {
    const char *reason;
    char *field;
    char *rule; /* the same rule at the same field is told once, whatever the values */
    char *text;
};

struct result {
    struct problem *problems;
    size_t count, size;
    int matches; /* checks passed: of several schemas that fail, the one with most of them counts */
    bool of_default; /* what is looked at is a default: see kst_schema_validate_default() */
};

static void result_release(struct result *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free(self->problems[i].field);
        free(self->problems[i].rule);
        free(self->problems[i].text);
    }
    free(self->problems);
    *self = (struct result){.of_default = self->of_default};
}

#define AUTO_RESULT __attribute__((cleanup(result_release))) struct result

static void push(struct result *self, struct problem problem)
{
    if (self->count == self->size) {
        self->size = self->size ? 2 * self->size : 4;
        self->problems = kst_realloc(self->problems, self->size * sizeof(*self->problems));
    }
    self->problems[self->count++] = problem;
}

/* Moves all of `from`, which is empty afterwards. */
static void merge(struct result *self, struct result *from)
{
    for (size_t i = 0; i < from->count; i++)
        push(self, from->problems[i]);
    self->matches += from->matches;
    free(from->problems);
    *from = (struct result){.of_default = from->of_default};
}

static char *text_of(struct kst_buf *text)
{
    return kst_strdup(text->data);
}

/* A value as a cause shows it. */
static void show(struct kst_buf *out, const struct kst_json *value, const char *null)
{
    if (!value || kst_json_type(value) == KST_JSON_NULL)
        kst_buf_adds(out, null);
    else
        kst_go_syntax(out, value);
}

static void add(struct result *self, const char *reason, const char *path, const char *rule,
                const char *text)
{
    const char *field = *path == '.' ? path + 1 : path;
    push(self, (struct problem){.reason = reason,
                                .field = kst_strdup(field),
                                .rule = kst_strdup(rule),
                                .text = kst_strdup(text)});
}

/* A rule is broken: "path in body <rule>", and the value that breaks it. */
static void invalid(struct result *self, const char *path, const struct kst_json *value,
                    const char *rule)
{
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
    kst_auto_free char *message = kst_asprintf("%s in body %s", path, rule);
    kst_buf_adds(&text, "Invalid value: ");
    show(&text, value, "\"\"");
    kst_buf_addf(&text, ": %s", message);
    add(self, "FieldValueInvalid", path, message, text.data);
}

/* The same for rules that show a text or a number of their own. */
static void invalid_text(struct result *self, const char *path, const char *value, const char *rule)
{
    kst_auto_json struct kst_json *shown = kst_json_from_str(value);
    invalid(self, path, shown, rule);
}

static void invalid_count(struct result *self, const char *path, int64_t value, const char *rule)
{
    kst_auto_json struct kst_json *shown = kst_json_from_int(value);
    invalid(self, path, shown, rule);
}

/* What several schemas say together is told of no field. */
static void unmet(struct result *self, const char *path, const char *rule)
{
    kst_auto_free char *message = kst_asprintf("\"%s\" %s", path, rule);
    kst_auto_free char *text = kst_asprintf("Invalid value: \"\": %s", message);
    add(self, "FieldValueInvalid", "", message, text);
}

/* ---- kinds of values ---- */

enum { TYPE_NAMES = 2 };

/* The types that a schema allows; none: all of them. */
static size_t types_of(const struct result *self, const struct kst_json *schema,
                       const char *types[TYPE_NAMES])
{
    if (!self->of_default && kst_json_true(kst_json_get(schema, KST_SCHEMA_INT_OR_STRING))) {
        types[0] = "integer";
        types[1] = "string";
        return 2;
    }
    types[0] = kst_json_str(kst_json_get(schema, "type"));
    return types[0] && *types[0] ? 1 : 0;
}

static bool has_type(const struct result *self, const struct kst_json *schema, const char *name)
{
    const char *types[TYPE_NAMES];
    for (size_t i = types_of(self, schema, types); i > 0; i--)
        if (strcmp(types[i - 1], name) == 0)
            return true;
    return false;
}

static const char *type_name(const struct kst_json *value)
{
    int64_t whole;
    switch (kst_json_type(value)) {
    case KST_JSON_BOOL:
        return "boolean";
    case KST_JSON_NUMBER:
        return kst_go_is_int(kst_json_number(value), &whole) ? "integer" : "number";
    case KST_JSON_STRING:
        return "string";
    case KST_JSON_ARRAY:
        return "array";
    case KST_JSON_OBJECT:
        return "object";
    default:
        return "null";
    }
}

static double number_of(const struct kst_json *value)
{
    return strtod(kst_json_number(value), NULL);
}

/* As the conversion of the server's machine does it. */
static int64_t to_int(double value)
{
    return value >= -9223372036854775808.0 && value < 9223372036854775808.0 ? (int64_t)value
                                                                            : INT64_MIN;
}

/* Whether a float64 is whole, give or take what its computation may have lost. */
static bool is_whole(double value)
{
    static const double limit = 9007199254740991.0, tolerance = 1e-9;
    if (!(fabs(value) <= limit))
        return false;
    if (value == trunc(value))
        return true;
    if (value < 1)
        return false;
    return (value - trunc(value)) / (value + trunc(value)) < tolerance;
}

static const char *format_of(const struct result *self, const struct kst_json *schema)
{
    const char *format = kst_json_str(kst_json_get(schema, "format"));
    return format && (self->of_default || kst_schema_has_format(format)) ? format : "";
}

static void wrong_type(struct result *self, const char *path, const char *wanted, const char *found)
{
    kst_auto_free char *rule = kst_asprintf("must be of type %s: \"%s\"", wanted, found);
    invalid_text(self, path, found, rule);
}

/* The type of a value, and, where it is no text, its format. (A server that was built with Go 1.18
 * or newer takes an empty text for null, and refuses it; the released 1.20 does not.) */
static void check_type(struct result *self, const struct kst_json *schema,
                       const struct kst_json *value, const char *path)
{
    const char *types[TYPE_NAMES];
    size_t count = types_of(self, schema, types);
    const char *found = type_name(value), *format = format_of(self, schema);
    kst_auto_free char *wanted = count == 0   ? kst_strdup("")
                                 : count == 1 ? kst_strdup(types[0])
                                              : kst_asprintf("%s,%s", types[0], types[1]);
    if (kst_json_type(value) == KST_JSON_NULL) {
        if (count > 0 && !has_type(self, schema, "null") &&
            !kst_json_true(kst_json_get(schema, "nullable")))
            wrong_type(self, path, wanted, "null");
        else
            self->matches++;
        return;
    }
    bool number = kst_json_type(value) == KST_JSON_NUMBER, whole = strcmp(found, "integer") == 0;
    bool fits = has_type(self, schema, found) || (whole && has_type(self, schema, "number")) ||
                (number && !whole && has_type(self, schema, "integer") &&
                 is_whole(number_of(value)));
    bool text = kst_json_type(value) == KST_JSON_STRING || kst_json_type(value) == KST_JSON_ARRAY;
    if (!fits && *format && !text)
        wrong_type(self, path, format, whole ? "int64" : number ? "float64" : "");
    else if (!fits && *format && !has_type(self, schema, "number") &&
             !has_type(self, schema, "integer"))
        self->matches++; /* a text of a format, whatever the type says */
    else if (!fits)
        wrong_type(self, path, wanted, found);
    else
        self->matches++;
}

/* ---- numbers ---- */

/* A rule about a bound: "should be less than or equal to 10". */
static void beyond(struct result *self, const char *path, const struct kst_json *value,
                   const char *words, double bound, bool as_int)
{
    kst_auto_buf rule = KST_BUF_INIT(TEXT_BYTES);
    kst_buf_addf(&rule, "should be %s ", words);
    if (as_int)
        kst_buf_addf(&rule, "%" PRId64, to_int(bound));
    else
        kst_go_float(&rule, bound);
    invalid(self, path, value, rule.data);
}

static void check_multiple(struct result *self, const struct kst_json *schema,
                           const struct kst_json *value, const char *path)
{
    const struct kst_json *rule = kst_json_get(schema, "multipleOf");
    int64_t whole = 0;
    if (!kst_json_number(rule))
        return;
    double factor = number_of(rule), number = number_of(value);
    bool is_int = kst_go_is_int(kst_json_number(value), &whole), met;
    if (factor < 0) {
        kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
        kst_auto_buf message = KST_BUF_INIT(TEXT_BYTES);
        kst_buf_addf(&message, "factor MultipleOf declared for %s must be positive: ", path);
        kst_go_float(&message, factor);
        kst_buf_adds(&text, "Invalid value: ");
        kst_go_float(&text, factor);
        kst_buf_addf(&text, ": %s", message.data);
        add(self, "FieldValueInvalid", path, message.data, text.data);
        return;
    }
    int64_t step = to_int(factor);
    if (is_int)
        met = step == 0 || step == -1 || whole % step == 0;
    else
        met = is_whole(factor < 1 ? 1 / factor * number : number / factor);
    if (!met)
        beyond(self, path, value, "a multiple of", factor, is_int);
}

static void check_bound(struct result *self, const struct kst_json *schema,
                        const struct kst_json *value, const char *path, bool upper)
{
    static const char *const words[2][2] = {{"greater than or equal to", "greater than"},
                                            {"less than or equal to", "less than"}};
    const struct kst_json *bound = kst_json_get(schema, upper ? "maximum" : "minimum");
    bool exclusive = kst_json_true(
        kst_json_get(schema, upper ? "exclusiveMaximum" : "exclusiveMinimum"));
    if (!kst_json_number(bound))
        return;
    int64_t whole = 0;
    bool is_int = kst_go_is_int(kst_json_number(value), &whole);
    double limit = number_of(bound), number = number_of(value);
    int order = is_int ? (whole > to_int(limit)) - (whole < to_int(limit))
                       : (number > limit) - (number < limit);
    if (!upper)
        order = -order;
    if (order > 0 || (exclusive && order == 0))
        beyond(self, path, value, words[upper][exclusive], limit, is_int);
}

static void check_number(struct result *self, const struct kst_json *schema,
                         const struct kst_json *value, const char *path)
{
    check_multiple(self, schema, value, path);
    check_bound(self, schema, value, path, false);
    check_bound(self, schema, value, path, true);
    self->matches++;
}

/* ---- texts ---- */

static int64_t code_points(const char *text)
{
    int64_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/* Why a text does not match a pattern; NULL where it does. The caller frees it. A pattern that the
 * matcher gives up on does not match. */
static char *mismatch(const char *pattern, const char *text)
{
    kst_auto_err struct kst_err *err = NULL;
    struct kst_regex *regex = NULL;
    if (kst_schema_pattern(pattern, &regex, &err) < 0)
        return kst_asprintf("should match '%s, but pattern is invalid: %s'", pattern,
                            kst_err_message(err));
    bool matched = false;
    int rc = kst_regex_test(regex, text, &matched, NULL);
    kst_regex_free(regex);
    return rc == 0 && matched ? NULL : kst_asprintf("should match '%s'", pattern);
}

/* The whole number at a key; false where there is none. */
static bool limit_of(const struct kst_json *schema, const char *key, int64_t *limit)
{
    return kst_json_int(kst_json_get(schema, key), limit);
}

static void check_string(struct result *self, const struct kst_json *schema,
                         const struct kst_json *value, const char *path)
{
    const char *text = kst_json_str(value), *format = format_of(self, schema);
    const char *pattern = kst_json_str(kst_json_get(schema, "pattern"));
    int64_t limit;
    kst_auto_free char *rule = NULL;
    if (limit_of(schema, "maxLength", &limit) && code_points(text) > limit)
        rule = kst_asprintf("should be at most %" PRId64 " chars long", limit);
    else if (limit_of(schema, "minLength", &limit) && code_points(text) < limit)
        rule = kst_asprintf("should be at least %" PRId64 " chars long", limit);
    else if (pattern && *pattern)
        rule = mismatch(pattern, text);
    if (rule)
        invalid(self, path, value, rule);
    if (*format && !kst_schema_format(format, text)) {
        kst_auto_buf found = KST_BUF_INIT(TEXT_BYTES);
        kst_go_quote(&found, text);
        kst_auto_free char *wanted = kst_asprintf("must be of type %s: %s", format, found.data);
        invalid(self, path, value, wanted);
    }
}

/* ---- enum ---- */

/* Whether the value is an allowed one, after the conversions that Go's types allow. */
static bool is_among(const struct kst_json *value, const struct kst_json *allowed)
{
    int64_t a = 0, b = 0;
    const char *number = kst_json_number(value), *other = kst_json_number(allowed);
    if (number && other) {
        bool is_int = kst_go_is_int(number, &a);
        if (kst_go_is_int(other, &b))
            return (is_int ? a : to_int(strtod(number, NULL))) == b;
        return strtod(number, NULL) == strtod(other, NULL);
    }
    if (kst_json_type(value) == KST_JSON_ARRAY || kst_json_type(value) == KST_JSON_OBJECT) {
        kst_auto_buf left = KST_BUF_INIT(TEXT_BYTES), right = KST_BUF_INIT(TEXT_BYTES);
        kst_go_syntax(&left, value);
        kst_go_syntax(&right, allowed);
        return strcmp(left.data, right.data) == 0;
    }
    return kst_json_type(value) != KST_JSON_NULL && kst_json_equal(value, allowed);
}

static void check_enum(struct result *self, const struct kst_json *schema,
                       const struct kst_json *value, const char *path)
{
    const struct kst_json *allowed = kst_json_get(schema, "enum");
    if (kst_json_type(allowed) != KST_JSON_ARRAY || kst_json_len(allowed) == 0)
        return;
    for (const struct kst_json *a = kst_json_first(allowed); a; a = kst_json_next(a))
        if (is_among(value, a))
            return;
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES), rule = KST_BUF_INIT(TEXT_BYTES);
    kst_buf_adds(&text, "Unsupported value: ");
    show(&text, value, "\"null\"");
    kst_buf_adds(&text, ": supported values: ");
    for (const struct kst_json *a = kst_json_first(allowed); a; a = kst_json_next(a)) {
        kst_auto_buf json = KST_BUF_INIT(TEXT_BYTES);
        if (!kst_json_str(a))
            kst_go_json(&json, a);
        kst_go_quote(&text, kst_json_str(a) ? kst_json_str(a) : json.data);
        kst_buf_adds(&text, kst_json_next(a) ? ", " : "");
    }
    kst_auto_free char *list = kst_json_text(allowed);
    kst_buf_addf(&rule, "%s in body should be one of %s", path, list);
    add(self, "FieldValueNotSupported", path, rule.data, text.data);
}

/* ---- lists and objects ---- */

static void validate(struct result *self, const struct kst_json *schema,
                     const struct kst_json *value, const char *path);

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool has_twice(const struct kst_json *list)
{
    size_t count = kst_json_len(list), made = 0;
    char **texts = kst_calloc(count + 1, sizeof(*texts));
    bool twice = false;
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e)) {
        kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
        kst_go_syntax(&text, e);
        texts[made++] = text_of(&text);
    }
    qsort(texts, made, sizeof(*texts), by_text);
    for (size_t i = 1; i < made && !twice; i++)
        twice = strcmp(texts[i - 1], texts[i]) == 0;
    for (size_t i = 0; i < made; i++)
        free(texts[i]);
    free(texts);
    return twice;
}

static void check_list(struct result *self, const struct kst_json *schema,
                       const struct kst_json *value, const char *path)
{
    const struct kst_json *items = kst_schema_part(schema, "items");
    for (const struct kst_json *e = kst_json_first(value); e && items; e = kst_json_next(e))
        validate(self, items, e, path);
    int64_t limit, count = (int64_t)kst_json_len(value);
    if (limit_of(schema, "minItems", &limit) && count < limit) {
        kst_auto_free char *rule = kst_asprintf("should have at least %" PRId64 " items", limit);
        invalid_count(self, path, count, rule);
    }
    if (limit_of(schema, "maxItems", &limit) && count > limit) {
        kst_auto_free char *rule = kst_asprintf("should have at most %" PRId64 " items", limit);
        invalid_count(self, path, count, rule);
    }
    if (kst_json_true(kst_json_get(schema, "uniqueItems")) && has_twice(value))
        invalid(self, path, NULL, "shouldn't contain duplicates");
    self->matches++;
}

static void check_others(struct result *self, const struct kst_json *schema,
                         const struct kst_json *value, const char *path)
{
    const struct kst_json *properties = kst_schema_part(schema, "properties");
    const struct kst_json *others = kst_json_get(schema, "additionalProperties");
    bool forbidden = kst_json_type(others) == KST_JSON_BOOL && !kst_json_true(others);
    if (!forbidden && kst_json_type(others) != KST_JSON_OBJECT)
        return;
    for (const struct kst_json *e = kst_json_first(value); e; e = kst_json_next(e)) {
        const char *key = kst_json_key(e);
        if (kst_json_get(properties, key))
            continue;
        kst_auto_free char *field = kst_asprintf("%s.%s", path, key);
        if (!forbidden) {
            validate(self, others, e, field);
            continue;
        }
        kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
        kst_auto_free char *rule = kst_asprintf("%s in body is a forbidden property", field);
        kst_buf_adds(&text, "Invalid value: ");
        kst_go_quote(&text, key);
        kst_buf_addf(&text, ": %s", rule);
        add(self, "FieldValueInvalid", path, rule, text.data);
    }
}

static void check_object(struct result *self, const struct kst_json *schema,
                         const struct kst_json *value, const char *path)
{
    int64_t limit, count = (int64_t)kst_json_len(value);
    bool few = limit_of(schema, "minProperties", &limit) && count < limit;
    if (few || (limit_of(schema, "maxProperties", &limit) && count > limit)) {
        kst_auto_free char *rule = kst_asprintf("should have at %s %" PRId64 " properties",
                                                few ? "least" : "most", limit);
        invalid_count(self, path, limit, rule);
        return;
    }
    check_others(self, schema, value, path);
    const struct kst_json *properties = kst_schema_part(schema, "properties");
    for (const struct kst_json *p = kst_json_first(properties); p; p = kst_json_next(p)) {
        const struct kst_json *found = kst_json_get(value, kst_json_key(p));
        if (!found)
            continue;
        kst_auto_free char *field = kst_asprintf("%s%s%s", path, *path ? "." : "", kst_json_key(p));
        validate(self, p, found, field);
    }
    const struct kst_json *required = kst_json_get(schema, "required");
    for (const struct kst_json *r = kst_json_first(required); r; r = kst_json_next(r)) {
        const char *key = kst_json_str(r);
        if (!key || kst_json_get(value, key))
            continue;
        kst_auto_free char *field = kst_asprintf("%s.%s", path, key);
        kst_auto_free char *rule = kst_asprintf("%s in body is required", field);
        add(self, "FieldValueRequired", field, rule, "Required value");
    }
}

/* ---- several schemas together ---- */

static const struct kst_json *clauses(const struct kst_json *schema, const char *key)
{
    const struct kst_json *list = kst_json_get(schema, key);
    return kst_json_type(list) == KST_JSON_ARRAY ? kst_json_first(list) : NULL;
}

/* Tries the clauses of anyOf or oneOf: `first` gets what the first that was met gives (its
 * matches), `best` the failures of the one that came nearest, as long as none was met. Returns how
 * many were met; anyOf asks for one. */
static int try_clauses(const struct result *self, const struct kst_json *clause,
                       const struct kst_json *value, const char *path, bool one_will_do,
                       struct result *first, struct result *best)
{
    int met = 0;
    bool any = false;
    for (; clause && !(one_will_do && met); clause = kst_json_next(clause)) {
        AUTO_RESULT tried = {.of_default = self->of_default};
        validate(&tried, clause, value, path);
        if (tried.count == 0) {
            if (met++ == 0)
                merge(first, &tried);
            result_release(best);
        } else if (met == 0 && (!any || tried.matches > best->matches)) {
            result_release(best);
            merge(best, &tried);
            any = true;
        }
    }
    return met;
}

static void check_any(struct result *self, const struct kst_json *schema,
                      const struct kst_json *value, const char *path)
{
    AUTO_RESULT first = {0}, best = {0};
    if (!clauses(schema, "anyOf"))
        return;
    int met = try_clauses(self, clauses(schema, "anyOf"), value, path, true, &first, &best);
    if (!met)
        unmet(self, path, "must validate at least one schema (anyOf)");
    merge(self, met ? &first : &best);
}

static void check_one(struct result *self, const struct kst_json *schema,
                      const struct kst_json *value, const char *path)
{
    AUTO_RESULT first = {0}, best = {0};
    if (!clauses(schema, "oneOf"))
        return;
    int met = try_clauses(self, clauses(schema, "oneOf"), value, path, false, &first, &best);
    if (met == 1) {
        merge(self, &first);
        return;
    }
    kst_auto_free char *rule = met == 0
                                   ? kst_strdup("must validate one and only one schema (oneOf). "
                                                "Found none valid")
                                   : kst_asprintf("must validate one and only one schema (oneOf). "
                                                  "Found %d valid alternatives",
                                                  met);
    unmet(self, path, rule);
    merge(self, &best);
}

static void check_all(struct result *self, const struct kst_json *schema,
                      const struct kst_json *value, const char *path)
{
    int met = 0, count = 0;
    for (const struct kst_json *c = clauses(schema, "allOf"); c; c = kst_json_next(c), count++) {
        AUTO_RESULT tried = {.of_default = self->of_default};
        validate(&tried, c, value, path);
        met += tried.count == 0;
        merge(self, &tried);
    }
    if (met != count)
        unmet(self, path,
              met == 0 ? "must validate all the schemas (allOf). None validated"
                       : "must validate all the schemas (allOf)");
}

static void check_clauses(struct result *self, const struct kst_json *schema,
                          const struct kst_json *value, const char *path)
{
    check_any(self, schema, value, path);
    check_one(self, schema, value, path);
    check_all(self, schema, value, path);
    if (kst_schema_part(schema, "not")) {
        AUTO_RESULT tried = {.of_default = self->of_default};
        validate(&tried, kst_schema_part(schema, "not"), value, path);
        if (tried.count == 0)
            unmet(self, path, "must not validate the schema (not)");
    }
    self->matches++;
}

/* ---- all of it ---- */

static void validate(struct result *self, const struct kst_json *schema,
                     const struct kst_json *value, const char *path)
{
    enum kst_json_type type = kst_json_type(value);
    const char *types[TYPE_NAMES], *format = format_of(self, schema);
    if (type == KST_JSON_NULL) {
        check_type(self, schema, value, path);
        check_enum(self, schema, value, path);
        return;
    }
    if (types_of(self, schema, types) > 0 || *format) {
        check_type(self, schema, value, path);
        self->matches++;
    }
    check_clauses(self, schema, value, path);
    if (type == KST_JSON_STRING) {
        check_string(self, schema, value, path);
        self->matches += *format ? 2 : 1;
    } else if (type == KST_JSON_NUMBER) {
        check_number(self, schema, value, path);
        self->matches++;
    } else if (type == KST_JSON_ARRAY) {
        check_list(self, schema, value, path);
        self->matches++;
    }
    check_enum(self, schema, value, path);
    if (type == KST_JSON_OBJECT) {
        check_object(self, schema, value, path);
        self->matches++;
    }
    self->matches += 3; /* the clauses, the enum, and the schema itself */
}

static int by_rule(const void *a, const void *b)
{
    const struct problem *x = *(struct problem *const *)a, *y = *(struct problem *const *)b;
    int order = strcmp(x->rule, y->rule);
    return order ? order : (x > y) - (x < y);
}

/* Forgets the rule of each problem that is told before. */
static void drop_repeated(struct result *self)
{
    kst_auto_free struct problem **order = kst_calloc(self->count + 1, sizeof(struct problem *));
    for (size_t i = 0; i < self->count; i++)
        order[i] = &self->problems[i];
    qsort(order, self->count, sizeof(*order), by_rule);
    for (size_t i = 1, kept = 0; i < self->count; i++) {
        if (strcmp(order[i]->rule, order[kept]->rule) == 0)
            order[i]->reason = NULL;
        else
            kept = i;
    }
}

static void find(const struct kst_json *schema, const struct kst_json *value, const char *prefix,
                 struct kst_json *causes)
{
    AUTO_RESULT result = {.of_default = prefix};
    validate(&result, schema, value, "");
    drop_repeated(&result);
    for (size_t i = 0; i < result.count; i++) {
        const struct problem *p = &result.problems[i];
        kst_auto_free char *field = prefix ? kst_asprintf("%s%s%s", prefix, *p->field ? "." : "",
                                                          p->field)
                                           : kst_strdup(*p->field ? p->field : "<nil>");
        if (p->reason)
            kst_cause_add(causes, p->reason, field, "%s", p->text);
    }
}

void kst_schema_validate(const struct kst_json *schema, const struct kst_json *object,
                         struct kst_json *causes)
{
    find(schema, object, NULL, causes);
}

void kst_schema_validate_default(const struct kst_json *schema, const struct kst_json *value,
                                 const char *path, struct kst_json *causes)
{
    find(schema, value, path, causes);
}
