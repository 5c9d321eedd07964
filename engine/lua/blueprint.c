/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/blueprint.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/near.h"
#include "base/regex.h"
#include "lua/params.h"

struct function {
    char *name;
    struct kst_lua_ref *ref;
};

struct kst_blueprint {
    char *path;
    struct kst_lua_ref *table;
    struct kst_json *json;
    struct kst_json *params; /* name -> {type, default, …}, completed */
    struct function *functions;
    size_t nfunctions;
    struct kst_regex *image, *name; /* of the match rule; NULL: not asked */
    int64_t order, max_freeze_ms, attempts;
    bool post_hook_after_export;
};

static const char *const fields[] = {
    "name",       "summary",  "match",           "params",   "order",
    "max_freeze", "attempts", "post_hook_after", "pre_hook", "snapshot",
    "post_hook",  "export",   "pre_restore",     "restore",  "post_restore",
    "verify",     "delete",   "actions",         NULL};
static const char *const functions[] = {"pre_hook",    "snapshot", "post_hook",    "export",
                                        "pre_restore", "restore",  "post_restore", "verify",
                                        "delete",      NULL};
static const char *const match_fields[] = {"kind", "api_version", "image", "name", "labels", NULL};

static bool is_function(const struct kst_json *value)
{
    return kst_json_get(value, "$function") != NULL;
}

static bool contains(const char *const *names, const char *name)
{
    for (; *names; names++) {
        if (strcmp(*names, name) == 0)
            return true;
    }
    return false;
}

static const char *found(const struct kst_json *value)
{
    return is_function(value) ? "a function" : kst_json_type_name(kst_json_type(value));
}

static int bad_field(const struct kst_blueprint *self, const char *field, const char *expected,
                     const struct kst_json *value, struct kst_err **err)
{
    const char *text = kst_json_str(value);
    kst_err_set(err, KST_E_INVALID, "%s: field %s: expected %s, found %s%s%s", self->path, field,
                expected, text ? "\"" : "", text ? text : found(value), text ? "\"" : "");
    kst_err_reason(err, "BlueprintInvalid");
    return KST_E_INVALID;
}

static int unknown_field(const struct kst_blueprint *self, const char *where, const char *name,
                         const char *const *known, struct kst_err **err)
{
    const char *near = kst_near_name(name, known);
    kst_err_set(err, KST_E_INVALID, "%s: %s has no field '%s'", self->path, where, name);
    kst_err_reason(err, "BlueprintInvalid");
    if (near)
        kst_err_hint(err, "did you mean '%s'?", near);
    return KST_E_INVALID;
}

bool kst_blueprint_is_name(const char *text)
{
    size_t len = text ? strlen(text) : 0;
    if (len == 0 || len > 63)
        return false;
    kst_auto_free char *made = kst_name_make(text, 63);
    return strcmp(made, text) == 0;
}

static int take_function(struct kst_blueprint *self, const char *path, struct kst_err **err)
{
    struct kst_lua_ref *ref = NULL;
    int rc = kst_lua_ref_get(self->table, path, &ref, err);
    if (rc < 0)
        return rc;
    self->functions = kst_realloc(self->functions,
                                  (self->nfunctions + 1) * sizeof(*self->functions));
    self->functions[self->nfunctions++] = (struct function){.name = kst_strdup(path), .ref = ref};
    return 0;
}

static int read_functions(struct kst_blueprint *self, struct kst_err **err)
{
    for (const char *const *name = functions; *name; name++) {
        const struct kst_json *value = kst_json_get(self->json, *name);
        if (!value)
            continue;
        if (!is_function(value))
            return bad_field(self, *name, "a function", value, err);
        int rc = take_function(self, *name, err);
        if (rc < 0)
            return rc;
    }
    const struct kst_json *actions = kst_json_get(self->json, "actions");
    if (actions && kst_json_type(actions) != KST_JSON_OBJECT)
        return bad_field(self, "actions", "a table of functions", actions, err);
    for (const struct kst_json *row = kst_json_first(actions); row; row = kst_json_next(row)) {
        kst_auto_free char *path = kst_asprintf("actions.%s", kst_json_key(row));
        if (!is_function(row) || !kst_blueprint_is_name(kst_json_key(row)))
            return bad_field(self, path, "a function, and a name of a-z, 0-9 and '-'", row, err);
        int rc = take_function(self, path, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* A string, or a list of strings. */
static bool is_names(const struct kst_json *value)
{
    if (kst_json_str(value))
        return true;
    if (kst_json_type(value) != KST_JSON_ARRAY || kst_json_len(value) == 0)
        return false;
    for (const struct kst_json *row = kst_json_first(value); row; row = kst_json_next(row)) {
        if (!kst_json_str(row))
            return false;
    }
    return true;
}

static int read_regex(const struct kst_blueprint *self, const struct kst_json *match,
                      const char *field, struct kst_regex **out, struct kst_err **err)
{
    const struct kst_json *value = kst_json_get(match, field);
    const char *text = kst_json_str(value);
    if (!value)
        return 0;
    if (!text)
        return bad_field(self, field, "a regular expression", value, err);
    int rc = kst_regex_new(text, strlen(text), 0, out, err);
    if (rc < 0) {
        kst_err_reason(err, "BlueprintInvalid");
        return kst_err_wrap(err, rc, "%s: field match.%s", self->path, field);
    }
    return 0;
}

static int read_match(struct kst_blueprint *self, struct kst_err **err)
{
    const struct kst_json *match = kst_json_get(self->json, "match");
    if (!match)
        return 0;
    if (kst_json_type(match) != KST_JSON_OBJECT || kst_json_len(match) == 0)
        return bad_field(self, "match", "a table with kind, image, …", match, err);
    for (const struct kst_json *row = kst_json_first(match); row; row = kst_json_next(row)) {
        if (!contains(match_fields, kst_json_key(row)))
            return unknown_field(self, "match", kst_json_key(row), match_fields, err);
    }
    static const char *const names[] = {"kind", "api_version"};
    for (size_t i = 0; i < KST_ARRAY_LEN(names); i++) {
        const struct kst_json *value = kst_json_get(match, names[i]);
        if (value && !is_names(value))
            return bad_field(self, names[i], "a string or a list of strings", value, err);
    }
    const struct kst_json *labels = kst_json_get(match, "labels");
    if (labels && kst_json_type(labels) != KST_JSON_OBJECT)
        return bad_field(self, "match.labels", "a table of strings", labels, err);
    int rc = read_regex(self, match, "image", &self->image, err);
    return rc < 0 ? rc : read_regex(self, match, "name", &self->name, err);
}

static int read_duration(struct kst_blueprint *self, const char *field, int64_t *out,
                         struct kst_err **err)
{
    const struct kst_json *value = kst_json_get(self->json, field);
    long long ms = 0;
    if (!value)
        return 0;
    if (!kst_json_str(value) || !kst_parse_duration_ms(kst_json_str(value), &ms) || ms <= 0)
        return bad_field(self, field, "a duration such as \"20s\"", value, err);
    *out = ms;
    return 0;
}

static int read_whole(struct kst_blueprint *self, const char *field, int64_t min, int64_t max,
                      int64_t *out, struct kst_err **err)
{
    const struct kst_json *value = kst_json_get(self->json, field);
    if (!value)
        return 0;
    if (!kst_json_int(value, out) || *out < min || *out > max) {
        kst_auto_free char *expected = kst_asprintf("a whole number from %lld to %lld",
                                                    (long long)min, (long long)max);
        return bad_field(self, field, expected, value, err);
    }
    return 0;
}

static int read_fields(struct kst_blueprint *self, struct kst_err **err)
{
    if (kst_json_type(self->json) == KST_JSON_ARRAY && kst_json_len(self->json) > 0) {
        kst_err_set(err, KST_E_INVALID,
                    "%s: expected a table with fields such as name, found a list", self->path);
        kst_err_reason(err, "BlueprintInvalid");
        return KST_E_INVALID;
    }
    for (const struct kst_json *row = kst_json_first(self->json); row; row = kst_json_next(row)) {
        if (!contains(fields, kst_json_key(row)))
            return unknown_field(self, "a blueprint", kst_json_key(row), fields, err);
    }
    const struct kst_json *name = kst_json_get(self->json, "name");
    if (!kst_blueprint_is_name(kst_json_str(name)))
        return bad_field(self, "name", "a name of a-z, 0-9 and '-', such as \"postgresql\"", name,
                         err);
    const struct kst_json *summary = kst_json_get(self->json, "summary");
    if (summary && !kst_json_str(summary))
        return bad_field(self, "summary", "a string", summary, err);
    const struct kst_json *after = kst_json_get(self->json, "post_hook_after");
    const char *text = kst_json_str(after);
    if (after && (!text || (strcmp(text, "snapshot") != 0 && strcmp(text, "export") != 0)))
        return bad_field(self, "post_hook_after", "\"snapshot\" or \"export\"", after, err);
    self->post_hook_after_export = text && strcmp(text, "export") == 0;
    int rc = read_duration(self, "max_freeze", &self->max_freeze_ms, err);
    if (rc == 0)
        rc = read_whole(self, "order", -1000, 1000, &self->order, err);
    if (rc == 0)
        rc = read_whole(self, "attempts", 1, 100, &self->attempts, err);
    if (rc == 0)
        rc = kst_params_check(self->path, kst_json_get(self->json, "params"), &self->params, err);
    return rc;
}

int kst_blueprint_load(struct kst_lua *lua, const char *path, const char *text, size_t len,
                       kst_lua_read_fn *read, void *read_arg, struct kst_blueprint **out,
                       struct kst_err **err)
{
    struct kst_blueprint *self = kst_calloc(1, sizeof(*self));
    self->path = kst_strdup(path);
    int rc = kst_lua_load(lua, path, text, len, read, read_arg, &self->table, err);
    if (rc == 0)
        rc = kst_lua_ref_json(self->table, &self->json, err);
    if (rc == 0)
        rc = read_fields(self, err);
    if (rc == 0)
        rc = read_match(self, err);
    if (rc == 0)
        rc = read_functions(self, err);
    if (rc < 0) {
        kst_blueprint_free(self);
        return rc;
    }
    *out = self;
    return 0;
}

void kst_blueprint_free(struct kst_blueprint *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < self->nfunctions; i++) {
        free(self->functions[i].name);
        kst_lua_ref_free(self->functions[i].ref);
    }
    free(self->functions);
    kst_lua_ref_free(self->table);
    kst_regex_free(self->image);
    kst_regex_free(self->name);
    kst_json_free(self->json);
    kst_json_free(self->params);
    free(self->path);
    free(self);
}

const char *kst_blueprint_name(const struct kst_blueprint *self)
{
    return kst_json_path_str(self->json, "name");
}

const char *kst_blueprint_path(const struct kst_blueprint *self)
{
    return self->path;
}

const char *kst_blueprint_summary(const struct kst_blueprint *self)
{
    const char *text = kst_json_path_str(self->json, "summary");
    return text ? text : "";
}

int64_t kst_blueprint_order(const struct kst_blueprint *self)
{
    return self->order;
}

int64_t kst_blueprint_max_freeze_ms(const struct kst_blueprint *self)
{
    return self->max_freeze_ms;
}

int64_t kst_blueprint_attempts(const struct kst_blueprint *self)
{
    return self->attempts;
}

bool kst_blueprint_post_hook_after_export(const struct kst_blueprint *self)
{
    return self->post_hook_after_export;
}

const struct kst_json *kst_blueprint_params(const struct kst_blueprint *self)
{
    return self->params;
}

const struct kst_json *kst_blueprint_json(const struct kst_blueprint *self)
{
    return self->json;
}

const struct kst_lua_ref *kst_blueprint_function(const struct kst_blueprint *self,
                                                 const char *function)
{
    for (size_t i = 0; i < self->nfunctions; i++) {
        if (strcmp(self->functions[i].name, function) == 0)
            return self->functions[i].ref;
    }
    return NULL;
}

bool kst_blueprint_has(const struct kst_blueprint *self, const char *function)
{
    return kst_blueprint_function(self, function) != NULL;
}

static bool is_one_of(const char *text, const struct kst_json *names)
{
    if (!names)
        return true;
    if (!text)
        return false;
    if (kst_json_str(names))
        return strcmp(text, kst_json_str(names)) == 0;
    for (const struct kst_json *row = kst_json_first(names); row; row = kst_json_next(row)) {
        if (strcmp(text, kst_json_str(row)) == 0)
            return true;
    }
    return false;
}

/* The containers of a workload: of its Pod template, or of the Pod itself. */
static int image_matches(const struct kst_blueprint *self, const struct kst_json *workload,
                         bool *matches, struct kst_err **err)
{
    static const char *const paths[] = {"spec.template.spec.containers", "spec.containers"};
    *matches = false;
    for (size_t i = 0; i < KST_ARRAY_LEN(paths); i++) {
        const struct kst_json *list = kst_json_path(workload, paths[i]);
        for (const struct kst_json *row = kst_json_first(list); row; row = kst_json_next(row)) {
            const char *image = kst_json_path_str(row, "image");
            int rc = image ? kst_regex_test(self->image, image, matches, err) : 0;
            if (rc < 0 || *matches)
                return rc;
        }
    }
    return 0;
}

int kst_blueprint_matches(const struct kst_blueprint *self, const struct kst_json *workload,
                          bool *matches, struct kst_err **err)
{
    const struct kst_json *match = kst_json_get(self->json, "match");
    const struct kst_json *labels = kst_json_get(match, "labels");
    const char *name = kst_json_path_str(workload, "metadata.name");
    *matches = false;
    if (!match || !is_one_of(kst_json_path_str(workload, "kind"), kst_json_get(match, "kind")) ||
        !is_one_of(kst_json_path_str(workload, "apiVersion"), kst_json_get(match, "api_version")))
        return 0;
    if (labels && !kst_json_has_all(kst_json_path(workload, "metadata.labels"), labels) &&
        !kst_json_has_all(kst_json_path(workload, "spec.template.metadata.labels"), labels))
        return 0;
    bool holds = true;
    int rc = self->name ? kst_regex_test(self->name, name ? name : "", &holds, err) : 0;
    if (rc == 0 && holds && self->image)
        rc = image_matches(self, workload, &holds, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "match rule of blueprint %s", kst_blueprint_name(self));
    *matches = holds;
    return 0;
}

int kst_blueprint_resolve_params(const struct kst_blueprint *self, const struct kst_json *given,
                                 struct kst_json **out, struct kst_err **err)
{
    int rc = kst_params_resolve(self->params, given, out, err);
    return rc < 0 ? kst_err_wrap(err, rc, "blueprint %s", kst_blueprint_name(self)) : 0;
}
