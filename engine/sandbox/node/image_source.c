/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptions of images: read and checked. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/near.h"
#include "base/regex.h"
#include "sandbox/node/image_internal.h"

enum kind { STRING, STRINGS, MAP, NUMBER, TRUTH };

static const struct field {
    const char *name;
    enum kind kind;
} fields[] = {{"match", STRING},       {"name", STRING},        {"entrypoint", STRINGS},
              {"cmd", STRINGS},        {"env", STRINGS},        {"path", STRINGS},
              {"working_dir", STRING}, {"stop_signal", STRING}, {"user", NUMBER},
              {"files", MAP},          {"volumes", STRINGS},    {"requires", STRINGS},
              {"package", STRING},     {"host_network", TRUTH}};

static const char *const kind_names[] = {"a string", "a list of strings",
                                         "an object whose values are strings",
                                         "a whole number, from 0 to 2147483647", "true or false"};

static bool all_strings(const struct kst_json *value)
{
    const struct kst_json *entry;
    for (entry = kst_json_first(value); entry; entry = kst_json_next(entry)) {
        if (!kst_json_str(entry))
            return false;
    }
    return true;
}

static bool has_kind(const struct kst_json *value, enum kind kind)
{
    int64_t number;
    switch (kind) {
    case STRING:
        return kst_json_str(value) != NULL;
    case STRINGS:
        return kst_json_type(value) == KST_JSON_ARRAY && all_strings(value);
    case MAP:
        return kst_json_type(value) == KST_JSON_OBJECT && all_strings(value);
    case TRUTH:
        return kst_json_type(value) == KST_JSON_BOOL;
    default:
        return kst_json_int(value, &number) && number >= 0 && number <= INT32_MAX;
    }
}

static int check_field(const struct kst_json *value, const char *where, struct kst_err **err)
{
    const char *names[KST_ARRAY_LEN(fields) + 1] = {NULL}, *key = kst_json_key(value);
    for (size_t i = 0; i < KST_ARRAY_LEN(fields); i++) {
        names[i] = fields[i].name;
        if (strcmp(key, fields[i].name) != 0)
            continue;
        if (has_kind(value, fields[i].kind))
            return 0;
        return kst_err_set(err, KST_E_USAGE, "%s.%s must be %s", where, key,
                           kind_names[fields[i].kind]);
    }
    int rc = kst_err_set(err, KST_E_USAGE, "%s.%s is not known", where, key);
    const char *near = kst_near_name(key, names);
    if (near)
        kst_err_hint(err, "Did you mean \"%s\"?", near);
    return rc;
}

/* What is right as JSON may still be wrong for a container. */
static int check_values(const struct kst_json *spec, const char *where, struct kst_err **err)
{
    const struct kst_json *entry;
    for (entry = kst_json_first(kst_json_get(spec, "env")); entry; entry = kst_json_next(entry)) {
        if (!strchr(kst_json_str(entry), '=') || *kst_json_str(entry) == '=')
            return kst_err_set(err, KST_E_USAGE, "%s.env: \"%s\" is not NAME=VALUE", where,
                               kst_json_str(entry));
    }
    for (entry = kst_json_first(kst_json_get(spec, "files")); entry; entry = kst_json_next(entry)) {
        if (*kst_json_key(entry) != '/')
            return kst_err_set(err, KST_E_USAGE, "%s.files: the path \"%s\" is not absolute", where,
                               kst_json_key(entry));
    }
    static const char *const lists[] = {"volumes", "path"};
    for (size_t i = 0; i < KST_ARRAY_LEN(lists); i++) {
        for (entry = kst_json_first(kst_json_get(spec, lists[i])); entry;
             entry = kst_json_next(entry)) {
            if (*kst_json_str(entry) != '/')
                return kst_err_set(err, KST_E_USAGE, "%s.%s: the path \"%s\" is not absolute",
                                   where, lists[i], kst_json_str(entry));
        }
    }
    return 0;
}

static int check_entry(struct kst_image_entry *self, const char *where, struct kst_err **err)
{
    if (kst_json_type(self->spec) != KST_JSON_OBJECT)
        return kst_err_set(err, KST_E_USAGE, "%s must be an object", where);
    const struct kst_json *field;
    int rc = 0;
    for (field = kst_json_first(self->spec); rc == 0 && field; field = kst_json_next(field))
        rc = check_field(field, where, err);
    if (rc == 0)
        rc = check_values(self->spec, where, err);
    if (rc < 0)
        return rc;
    const char *match = kst_json_path_str(self->spec, "match");
    if (!match)
        return kst_err_set(err, KST_E_USAGE,
                           "%s has no \"match\", a regular expression for the names of images",
                           where);
    if (kst_json_len(kst_json_get(self->spec, "entrypoint")) == 0 &&
        kst_json_len(kst_json_get(self->spec, "cmd")) == 0)
        return kst_err_set(err, KST_E_USAGE, "%s has neither \"entrypoint\" nor \"cmd\"", where);
    rc = kst_regex_new(match, strlen(match), 0, &self->match, err);
    return rc < 0 ? kst_err_wrap(err, rc, "%s.match", where) : 0;
}

static int check_all(struct kst_image_source *self, struct kst_err **err)
{
    const struct kst_json *list = kst_json_get(self->text, "images");
    if (kst_json_type(list) != KST_JSON_ARRAY || kst_json_len(self->text) != 1)
        return kst_err_set(err, KST_E_USAGE,
                           "an object with nothing but a list \"images\" was expected");
    self->count = kst_json_len(list);
    self->entries = kst_calloc(self->count + 1, sizeof(*self->entries));
    for (size_t i = 0; i < self->count; i++) {
        self->entries[i].spec = kst_json_at(list, i);
        self->entries[i].folder = self->folder;
        kst_auto_free char *where = kst_asprintf("images[%zu]", i);
        int rc = check_entry(&self->entries[i], where, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int kst_image_source_new(const char *where, const char *text, size_t len, const char *folder,
                         struct kst_image_source **out, struct kst_err **err)
{
    struct kst_image_source *self = kst_calloc(1, sizeof(*self));
    kst_auto_err struct kst_err *why = NULL;
    self->folder = kst_strdup(folder);
    int rc = kst_json_parse(text, len, &self->text, &why);
    if (rc == 0)
        rc = check_all(self, &why);
    if (rc < 0) {
        kst_image_source_free(self);
        rc = kst_err_set(err, KST_E_USAGE, "%s: %s", where, kst_err_message(why));
        if (kst_err_get_hint(why))
            kst_err_hint(err, "%s", kst_err_get_hint(why));
        return rc;
    }
    *out = self;
    return 0;
}

void kst_image_source_free(struct kst_image_source *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++)
        kst_regex_free(self->entries[i].match);
    free(self->entries);
    kst_json_free(self->text);
    free(self->folder);
    free(self);
}
