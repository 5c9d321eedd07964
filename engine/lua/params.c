/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/params.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/near.h"

enum { MAX_PARAMS = 1000 };

static const char *const spec_fields[] = {"type", "default", "required", "secret",
                                          "enum", "doc",     NULL};
static const char *const types[] = {"string",   "integer", "number", "boolean",
                                    "duration", "size",    "list",   NULL};

static const char *type_of(const struct kst_json *value)
{
    int64_t whole;
    switch (kst_json_type(value)) {
    case KST_JSON_BOOL:
        return "boolean";
    case KST_JSON_NUMBER:
        return kst_json_int(value, &whole) ? "integer" : "number";
    case KST_JSON_ARRAY:
    case KST_JSON_OBJECT: /* an empty table */
        return "list";
    default:
        return "string";
    }
}

/* "10", "512Ki", "20Gi", "1M": as Kubernetes writes quantities of bytes. */
static bool is_size(const char *text)
{
    static const char *const units[] = {"",   "k",  "M",  "G",  "T",  "P",
                                        "Ki", "Mi", "Gi", "Ti", "Pi", NULL};
    size_t len = strspn(text, "0123456789");
    if (len == 0)
        return false;
    for (const char *const *unit = units; *unit; unit++) {
        if (strcmp(text + len, *unit) == 0)
            return true;
    }
    return false;
}

/* A text as a value of the type; NULL where it is none. */
static struct kst_json *from_text(const char *type, const char *text)
{
    long long number;
    if (strcmp(type, "integer") == 0)
        return kst_parse_int(text, &number) ? kst_json_from_int(number) : NULL;
    if (strcmp(type, "number") == 0)
        return kst_json_is_number(text) ? kst_json_from_number(text) : NULL;
    if (strcmp(type, "boolean") == 0)
        return strcmp(text, "true") == 0    ? kst_json_bool(true)
               : strcmp(text, "false") == 0 ? kst_json_bool(false)
                                            : NULL;
    if (strcmp(type, "duration") == 0)
        return kst_parse_duration_ms(text, &number) ? kst_json_from_str(text) : NULL;
    if (strcmp(type, "size") == 0)
        return is_size(text) ? kst_json_from_str(text) : NULL;
    if (strcmp(type, "list") == 0) {
        struct kst_json *list = kst_json_array();
        struct kst_str rest = kst_str_of(text), part;
        while (*text && kst_str_split(&rest, ',', &part))
            kst_json_push(list, kst_json_from_strn(part.data, part.len));
        return list;
    }
    return kst_json_from_str(text);
}

/* The value as one of the type, or NULL. */
static struct kst_json *as_type(const char *type, const struct kst_json *value)
{
    int64_t whole;
    if (kst_json_str(value))
        return from_text(type, kst_json_str(value));
    enum kst_json_type is = kst_json_type(value);
    bool fits = (strcmp(type, "integer") == 0 && kst_json_int(value, &whole)) ||
                (strcmp(type, "number") == 0 && is == KST_JSON_NUMBER) ||
                (strcmp(type, "boolean") == 0 && is == KST_JSON_BOOL) ||
                (strcmp(type, "list") == 0 && is == KST_JSON_ARRAY);
    if (strcmp(type, "list") == 0 && is == KST_JSON_OBJECT && kst_json_len(value) == 0)
        return kst_json_array();
    if (strcmp(type, "string") == 0 && is == KST_JSON_NUMBER)
        return kst_json_from_str(kst_json_number(value));
    return fits ? kst_json_dup(value) : NULL;
}

static int invalid(const char *path, const char *name, const char *what, struct kst_err **err)
{
    kst_err_set(err, KST_E_INVALID, "%s: parameter %s: %s", path, name, what);
    kst_err_reason(err, "BlueprintInvalid");
    return KST_E_INVALID;
}

static bool one_of(const char *text, const char *const *names)
{
    for (; *names; names++) {
        if (strcmp(text, *names) == 0)
            return true;
    }
    return false;
}

static int check_spec(const char *path, const char *name, struct kst_json *spec,
                      struct kst_err **err)
{
    for (const struct kst_json *row = kst_json_first(spec); row; row = kst_json_next(row)) {
        if (!one_of(kst_json_key(row), spec_fields)) {
            kst_auto_free char *what = kst_asprintf("it has no field '%s'", kst_json_key(row));
            const char *near = kst_near_name(kst_json_key(row), spec_fields);
            invalid(path, name, what, err);
            if (near)
                kst_err_hint(err, "did you mean '%s'?", near);
            return KST_E_INVALID;
        }
    }
    const struct kst_json *value = kst_json_get(spec, "default");
    const char *type = kst_json_path_str(spec, "type");
    if (!type)
        type = value ? type_of(value) : "string";
    if (!one_of(type, types))
        return invalid(path, name,
                       "expected type string, integer, number, boolean, duration, size or "
                       "list",
                       err);
    kst_auto_free char *kept = kst_strdup(type);
    if (value) {
        struct kst_json *converted = as_type(kept, value);
        if (!converted)
            return invalid(path, name, "its default is not of its type", err);
        kst_json_set(spec, "default", converted);
    }
    kst_json_set_str(spec, "type", kept);
    return 0;
}

int kst_params_check(const char *path, const struct kst_json *declared, struct kst_json **out,
                     struct kst_err **err)
{
    kst_auto_json struct kst_json *specs = kst_json_object();
    if (kst_json_len(declared) > MAX_PARAMS) { /* each is compared with every other */
        kst_err_set(err, KST_E_LIMIT, "%s: it has %zu parameters, at most %d are allowed", path,
                    kst_json_len(declared), MAX_PARAMS);
        kst_err_reason(err, "BlueprintInvalid");
        return KST_E_LIMIT;
    }
    for (const struct kst_json *row = kst_json_first(declared); row; row = kst_json_next(row)) {
        const char *name = kst_json_key(row);
        if (!name)
            return invalid(path, "?", "params is a table of names", err);
        struct kst_json *spec = kst_json_type(row) == KST_JSON_OBJECT && kst_json_len(row)
                                    ? kst_json_dup(row)
                                    : kst_json_make("{'default':%J}", row);
        kst_json_set(specs, name, spec);
        int rc = check_spec(path, name, spec, err);
        if (rc < 0)
            return rc;
    }
    *out = kst_take(specs);
    return 0;
}

static int misfit(const char *name, const struct kst_json *spec, const struct kst_json *value,
                  struct kst_err **err)
{
    kst_auto_free char *text = kst_json_text(value);
    bool secret = kst_json_path_true(spec, "secret");
    return kst_err_set(err, KST_E_USAGE, "parameter %s: expected a value of type %s, found %s",
                       name, kst_json_path_str(spec, "type"),
                       secret ? "another (it is a secret)" : text);
}

static int check_enum(const char *name, const struct kst_json *spec, const struct kst_json *value,
                      struct kst_err **err)
{
    const struct kst_json *list = kst_json_get(spec, "enum");
    if (!list)
        return 0;
    kst_auto_buf names = KST_BUF_INIT(4096);
    for (const struct kst_json *row = kst_json_first(list); row; row = kst_json_next(row)) {
        if (kst_json_equal(row, value))
            return 0;
        kst_auto_free char *text = kst_json_text(row);
        kst_buf_addf(&names, "%s%s", names.len ? ", " : "", text);
    }
    kst_auto_free char *text = kst_json_text(value);
    return kst_err_set(err, KST_E_USAGE, "parameter %s: expected one of %s, found %s", name,
                       names.data, text);
}

static int unknown(const struct kst_json *specs, const char *name, struct kst_err **err)
{
    size_t count = kst_json_len(specs), i = 0;
    kst_auto_free const char **names = kst_calloc(count + 1, sizeof(*names));
    for (const struct kst_json *row = kst_json_first(specs); row; row = kst_json_next(row))
        names[i++] = kst_json_key(row);
    const char *near = kst_near_name(name, names);
    kst_err_set(err, KST_E_USAGE, "there is no parameter '%s'", name);
    if (near)
        kst_err_hint(err, "did you mean '%s'?", near);
    return KST_E_USAGE;
}

int kst_params_resolve(const struct kst_json *specs, const struct kst_json *given,
                       struct kst_json **out, struct kst_err **err)
{
    kst_auto_json struct kst_json *values = kst_json_object();
    for (const struct kst_json *row = kst_json_first(given); row; row = kst_json_next(row)) {
        if (!kst_json_get(specs, kst_json_key(row)))
            return unknown(specs, kst_json_key(row), err);
    }
    for (const struct kst_json *spec = kst_json_first(specs); spec; spec = kst_json_next(spec)) {
        const char *name = kst_json_key(spec);
        const struct kst_json *value = kst_json_get(given, name);
        if (!value)
            value = kst_json_get(spec, "default");
        if (!value && kst_json_path_true(spec, "required"))
            return kst_err_set(err, KST_E_USAGE, "parameter %s must be given", name);
        if (!value)
            continue;
        struct kst_json *converted = as_type(kst_json_path_str(spec, "type"), value);
        if (!converted)
            return misfit(name, spec, value, err);
        kst_json_set(values, name, converted);
        int rc = check_enum(name, spec, converted, err);
        if (rc < 0)
            return rc;
    }
    *out = kst_take(values);
    return 0;
}
