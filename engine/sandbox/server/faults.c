/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/server/faults.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"

enum { FILE_BYTES = 1024 * 1024, MAX_RULES = 1000 };

struct rule {
    const struct kst_json *json; /* of the whole */
    enum kst_server_fault fault;
    int64_t after, times; /* left of each; times < 0: for ever */
};

struct kst_faults {
    struct kst_json *json;
    struct rule *rules;
    size_t count;
};

static const char *const names[] = {
    [KST_FAULT_RESET_BEFORE] = "reset-before",
    [KST_FAULT_RESET_AFTER] = "reset-after",
    [KST_FAULT_500] = "500",
    [KST_FAULT_503] = "503",
    [KST_FAULT_429] = "429",
    [KST_FAULT_409] = "409",
    [KST_FAULT_410] = "410",
    [KST_FAULT_HANG] = "hang",
    [KST_FAULT_TRUNCATE] = "truncate",
};

static const struct key {
    const char *name;
    enum { TEXT, COUNT, EITHER } type;
} keys[] = {{"verb", TEXT},      {"resource", TEXT}, {"subresource", TEXT},
            {"namespace", TEXT}, {"name", TEXT},     {"agent", TEXT},
            {"fault", EITHER},   {"times", COUNT},   {"after", COUNT}};

const char *kst_faults_name(enum kst_server_fault fault)
{
    return (size_t)fault < KST_ARRAY_LEN(names) ? names[fault] : NULL;
}

int kst_faults_parse(const char *name, enum kst_server_fault *fault, struct kst_err **err)
{
    for (size_t i = 1; i < KST_ARRAY_LEN(names); i++)
        if (name && strcmp(names[i], name) == 0) {
            *fault = (enum kst_server_fault)i;
            return 0;
        }
    kst_err_set(err, KST_E_USAGE, "'%s' is no fault", name ? name : "");
    kst_err_hint(err, "there are reset-before, reset-after, 500, 503, 429, 409, 410, hang and "
                      "truncate");
    return KST_E_USAGE;
}

/* What is of another type would match everything, or never come to an end. */
static int check_key(const struct kst_json *value, struct kst_err **err)
{
    const char *name = kst_json_key(value);
    int64_t count = 0;
    for (size_t i = 0; i < KST_ARRAY_LEN(keys); i++) {
        if (strcmp(keys[i].name, name) != 0)
            continue;
        if (keys[i].type == TEXT && !kst_json_str(value))
            return kst_err_set(err, KST_E_USAGE, "'%s' must be a text", name);
        if (keys[i].type == COUNT && (!kst_json_int(value, &count) || count < 0))
            return kst_err_set(err, KST_E_USAGE, "'%s' must be a whole number, from 0 on", name);
        return 0;
    }
    return kst_err_set(err, KST_E_USAGE, "'%s' is no field of it", name);
}

static int check_keys(const struct kst_json *json, struct kst_err **err)
{
    if (kst_json_type(json) != KST_JSON_OBJECT)
        return kst_err_set(err, KST_E_USAGE, "expected an object, found %s",
                           kst_json_type_name(kst_json_type(json)));
    int rc = 0;
    for (const struct kst_json *e = kst_json_first(json); e && rc == 0; e = kst_json_next(e))
        rc = check_key(e, err);
    return rc;
}

static int read_rule(struct rule *rule, const struct kst_json *json, struct kst_err **err)
{
    const struct kst_json *fault = kst_json_get(json, "fault");
    const char *name = kst_json_str(fault) ? kst_json_str(fault) : kst_json_number(fault);
    int rc = check_keys(json, err);
    if (rc == 0)
        rc = kst_faults_parse(name, &rule->fault, err);
    rule->json = json;
    rule->after = kst_json_path_int(json, "after", 0);
    rule->times = kst_json_path_int(json, "times", 1);
    if (rule->times == 0)
        rule->times = -1;
    return rc;
}

int kst_faults_new(const struct kst_json *rules, struct kst_faults **out, struct kst_err **err)
{
    size_t count = kst_json_len(rules);
    if (kst_json_type(rules) != KST_JSON_ARRAY || count > MAX_RULES)
        return kst_err_set(err, KST_E_USAGE, "faults are a list of at most %d rules", MAX_RULES);
    struct kst_faults *self = kst_calloc(1, sizeof(*self));
    self->json = kst_json_dup(rules);
    self->rules = kst_calloc(count + 1, sizeof(*self->rules));
    self->count = count;
    for (size_t i = 0; i < count; i++) {
        int rc = read_rule(&self->rules[i], kst_json_at(self->json, i), err);
        if (rc < 0) {
            kst_faults_free(self);
            return kst_err_wrap(err, rc, "fault %zu", i + 1);
        }
    }
    *out = self;
    return 0;
}

int kst_faults_read(const char *path, struct kst_faults **out, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
    kst_auto_json struct kst_json *rules = NULL;
    int rc = kst_buf_read_file(&text, path, err);
    if (rc < 0)
        return rc;
    rc = kst_yaml_parse(text.data, text.len, &rules, err);
    if (rc == 0)
        rc = kst_faults_new(rules, out, err);
    return kst_err_wrap(err, rc, "%s", path);
}

void kst_faults_free(struct kst_faults *self)
{
    if (!self)
        return;
    kst_json_free(self->json);
    free(self->rules);
    free(self);
}

static bool fits(const struct kst_json *json, const char *key, const char *found)
{
    const char *wanted = kst_json_path_str(json, key);
    return !wanted || strcmp(wanted, found) == 0;
}

static bool matches(const struct rule *rule, const struct kst_server_look *look)
{
    const char *agent = kst_json_path_str(rule->json, "agent");
    return fits(rule->json, "verb", look->verb) && fits(rule->json, "resource", look->resource) &&
           fits(rule->json, "subresource", look->subresource) &&
           fits(rule->json, "namespace", look->ns) && fits(rule->json, "name", look->name) &&
           (!agent || strncmp(agent, look->agent, strlen(agent)) == 0);
}

enum kst_server_fault kst_faults_next(void *arg, const struct kst_server_look *look)
{
    struct kst_faults *self = arg;
    for (size_t i = 0; i < self->count; i++) {
        struct rule *rule = &self->rules[i];
        if (!matches(rule, look) || rule->times == 0)
            continue;
        if (rule->after > 0) {
            rule->after--;
            return KST_FAULT_NONE;
        }
        if (rule->times > 0)
            rule->times--;
        return rule->fault;
    }
    return KST_FAULT_NONE;
}
