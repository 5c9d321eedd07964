/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules {select, patch}. A "test" that fails does not fail the restore: the rule then does not
 * apply to that object, and nothing of it is done.
 */
#include <string.h>

#include "app/capture/filter.h"
#include "app/restore/transform_internal.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_patch.h"
#include "base/mem.h"
#include "base/yaml.h"

struct rule {
    struct kst_filter *filter;
    const struct kst_json *patch; /* borrowed from the text */
};

struct kst_transform_rules {
    struct kst_json *text;
    size_t count;
    struct rule *rules;
};

/* ---- reading ---- */

static bool has_pointer(const struct kst_json *operation, const char *key)
{
    const char *path = kst_json_path_str(operation, key);
    return path && (*path == '/' || !*path);
}

/* NULL, or what is wrong with the operation. */
static const char *operation_fault(const struct kst_json *operation)
{
    const char *op = kst_json_path_str(operation, "op");
    bool valued = kst_same(op, "add") || kst_same(op, "replace") || kst_same(op, "test");
    bool moving = kst_same(op, "move") || kst_same(op, "copy");
    if (!valued && !moving && !kst_same(op, "remove"))
        return "expected op to be add, remove, replace, move, copy or test";
    if (!has_pointer(operation, "path"))
        return "expected path to be a JSON pointer, such as /metadata/labels/app";
    if (moving && !has_pointer(operation, "from"))
        return "expected from to be a JSON pointer, such as /metadata/labels/app";
    if (valued && !kst_json_get(operation, "value"))
        return "expected a value";
    return NULL;
}

static int read_rule(const struct kst_json *row, struct rule *rule, struct kst_err **err)
{
    for (const struct kst_json *e = kst_json_first(row); e; e = kst_json_next(e))
        if (!kst_same(kst_json_key(e), "select") && !kst_same(kst_json_key(e), "patch"))
            return kst_err_set(err, KST_E_USAGE, "expected {select, patch}, found %s",
                               kst_json_key(e) ? kst_json_key(e) : "a list");
    const char *select = kst_json_path_str(row, "select");
    rule->patch = kst_json_get(row, "patch");
    if (!select)
        return kst_err_set(err, KST_E_USAGE,
                           "expected select to be a pattern such as \"deployments/web\" (\"*\" for "
                           "every object), found %s",
                           kst_json_type_name(kst_json_type(kst_json_get(row, "select"))));
    if (kst_json_type(rule->patch) != KST_JSON_ARRAY)
        return kst_err_set(err, KST_E_USAGE, "expected patch to be a list of operations, found %s",
                           kst_json_type_name(kst_json_type(rule->patch)));
    size_t index = 1;
    const struct kst_json *o = kst_json_first(rule->patch);
    for (; o; o = kst_json_next(o), index++)
        if (operation_fault(o))
            return kst_err_set(err, KST_E_USAGE, "operation %zu: %s", index, operation_fault(o));
    kst_auto_json struct kst_json *patterns = kst_json_make("[%s]", select);
    return kst_filter_new(patterns, NULL, &rule->filter, err);
}

/* All rules of the file: a list of them, or one; in YAML also in documents of their own. */
static int parse(const char *name, const char *text, struct kst_json **out, struct kst_err **err)
{
    kst_auto_json struct kst_json *documents = NULL;
    int rc;
    if (kst_str_has_suffix(kst_str_of(name), ".json")) {
        struct kst_json *one = NULL;
        rc = kst_json_parse(text, strlen(text), &one, err);
        documents = kst_json_array();
        if (rc == 0)
            kst_json_push(documents, one);
    } else {
        rc = kst_yaml_parse_all(text, strlen(text), &documents, err);
    }
    if (rc < 0)
        return rc;
    struct kst_json *rules = kst_json_array();
    for (const struct kst_json *d = kst_json_first(documents); d; d = kst_json_next(d)) {
        if (kst_json_type(d) != KST_JSON_ARRAY)
            kst_json_push(rules, kst_json_dup(d));
        for (const struct kst_json *r = kst_json_first(d); r && kst_json_type(d) == KST_JSON_ARRAY;
             r = kst_json_next(r))
            kst_json_push(rules, kst_json_dup(r));
    }
    *out = rules;
    return 0;
}

static int read_rules(struct kst_transform_rules *self, struct kst_err **err)
{
    self->rules = kst_calloc(kst_json_len(self->text) + 1, sizeof(*self->rules));
    if (kst_json_len(self->text) == 0)
        return kst_err_set(err, KST_E_USAGE, "expected rules {select, patch}, found none");
    const struct kst_json *row = kst_json_first(self->text);
    for (; row; row = kst_json_next(row)) {
        int rc = kst_json_type(row) == KST_JSON_OBJECT
                     ? read_rule(row, &self->rules[self->count++], err)
                     : kst_err_set(err, KST_E_USAGE, "expected {select, patch}, found %s",
                                   kst_json_type_name(kst_json_type(row)));
        if (rc < 0)
            return kst_err_wrap(err, rc, "rule %zu",
                                self->count + (kst_json_type(row) != KST_JSON_OBJECT));
    }
    return 0;
}

int kst_transform_rules_new(const char *name, const char *text, struct kst_transform_rules **out,
                            struct kst_err **err)
{
    struct kst_transform_rules *self = kst_calloc(1, sizeof(*self));
    int rc = parse(name, text, &self->text, err);
    if (rc == 0)
        rc = read_rules(self, err);
    if (rc < 0) {
        kst_transform_rules_free(self);
        return kst_err_wrap(err, rc, "transform %s", name);
    }
    *out = self;
    return 0;
}

void kst_transform_rules_free(struct kst_transform_rules *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++)
        kst_filter_free(self->rules[i].filter);
    free(self->rules);
    kst_json_free(self->text);
    free(self);
}

/* ---- applying ---- */

/* One operation on *object, which is replaced. */
static int operate(const struct kst_json *operation, struct kst_json **object, struct kst_err **err)
{
    kst_auto_json struct kst_json *patch = kst_json_make("[%J]", operation);
    struct kst_json *patched = NULL;
    int rc = kst_json_patch_apply(*object, patch, &patched, err);
    if (rc < 0)
        return rc;
    kst_json_free(*object);
    *object = patched;
    return 0;
}

static int tell(const struct kst_json *operation, const struct kst_err *why, struct kst_err **err)
{
    const char *op = kst_json_path_str(operation, "op");
    const char *path = kst_json_path_str(
        operation, kst_same(op, "move") || kst_same(op, "copy") ? "from" : "path");
    kst_err_set(err, KST_E_FAILED, "%s %s: expected such a place in the object, found none", op,
                path);
    kst_err_hint(err, "an operation \"test\" before it makes the rule skip objects without it%s%s",
                 kst_err_get_hint(why) ? "; " : "",
                 kst_err_get_hint(why) ? kst_err_get_hint(why) : "");
    return KST_E_FAILED;
}

/* *object becomes what the rule makes of it, or stays where a test fails. */
static int apply_rule(const struct rule *rule, struct kst_json **object, struct kst_err **err)
{
    kst_auto_json struct kst_json *made = kst_json_dup(*object);
    size_t index = 1;
    const struct kst_json *o = kst_json_first(rule->patch);
    for (; o; o = kst_json_next(o), index++) {
        kst_auto_err struct kst_err *why = NULL;
        if (operate(o, &made, &why) == 0)
            continue;
        if (kst_same(kst_json_path_str(o, "op"), "test"))
            return 0;
        return kst_err_wrap(err, tell(o, why, err), "operation %zu", index);
    }
    kst_json_free(*object);
    *object = kst_take(made);
    return 0;
}

int kst_transform_rules_apply(const struct kst_transform_rules *self,
                              const struct kst_kube_resource *resource,
                              const struct kst_json *object, struct kst_json **out,
                              struct kst_err **err)
{
    kst_auto_json struct kst_json *made = kst_json_dup(object);
    for (size_t i = 0; i < self->count; i++) {
        bool takes = false;
        int rc = kst_filter_takes(self->rules[i].filter, resource, made, &takes, NULL, err);
        if (rc == 0 && takes)
            rc = apply_rule(&self->rules[i], &made, err);
        if (rc < 0)
            return kst_err_wrap(err, rc, "rule %zu", i + 1);
    }
    *out = kst_take(made);
    return 0;
}
