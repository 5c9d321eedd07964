/* SPDX-License-Identifier: Apache-2.0 */
#include "app/restore/transform.h"

#include <string.h>

#include "app/restore/transform_internal.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

struct file {
    char *name;
    struct kst_transform_lua *lua; /* one of the two */
    struct kst_transform_rules *rules;
};

struct kst_transform {
    size_t count;
    struct file files[];
};

/* ---- reading ---- */

static bool has_suffix(const char *name, const char *suffix)
{
    return kst_str_has_suffix(kst_str_of(name), suffix);
}

static int open_file(struct kst_loop *loop, const struct kst_json *entry, struct file *file,
                     struct kst_err **err)
{
    const char *name = kst_json_path_str(entry, "name"), *text = kst_json_path_str(entry, "text");
    if (!name || !*name || !text)
        return kst_err_set(err, KST_E_USAGE,
                           "a transform is expected to have a name and a text (the file's), found "
                           "one without a %s",
                           name && *name ? "text" : "name");
    file->name = kst_strdup(name);
    if (has_suffix(name, ".lua"))
        return kst_transform_lua_new(loop, name, text, &file->lua, err);
    if (has_suffix(name, ".json") || has_suffix(name, ".yaml") || has_suffix(name, ".yml"))
        return kst_transform_rules_new(name, text, &file->rules, err);
    int rc = kst_err_set(err, KST_E_USAGE,
                         "transform %s: expected a file named .lua, .json, .yaml or .yml", name);
    kst_err_hint(err, "a .lua file returns a function that gets each object; the others hold rules "
                      "{select, patch}");
    return rc;
}

int kst_transform_new(struct kst_loop *loop, const struct kst_json *files,
                      struct kst_transform **out, struct kst_err **err)
{
    size_t count = kst_json_len(files);
    struct kst_transform *self = kst_calloc(1, sizeof(*self) + count * sizeof(self->files[0]));
    int rc = 0;
    for (const struct kst_json *e = kst_json_first(files); e && rc == 0; e = kst_json_next(e))
        rc = open_file(loop, e, &self->files[self->count++], err);
    if (rc < 0) {
        kst_transform_free(self);
        return rc;
    }
    *out = self;
    return 0;
}

void kst_transform_free(struct kst_transform *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++) {
        kst_transform_lua_free(self->files[i].lua);
        kst_transform_rules_free(self->files[i].rules);
        free(self->files[i].name);
    }
    free(self);
}

/* ---- applying ---- */

static char *describe(const struct kst_json *object)
{
    const char *kind = kst_json_path_str(object, "kind");
    const char *ns = kst_json_path_str(object, "metadata.namespace");
    const char *name = kst_json_path_str(object, "metadata.name");
    return kst_asprintf("%s/%s%s%s", kind ? kind : "?", ns ? ns : "", ns ? "/" : "",
                        name ? name : "?");
}

/* What makes it an object of this restore must still be there. */
static int check(const char *file, const struct kst_json *was, const struct kst_json *now,
                 struct kst_err **err)
{
    static const char *const needed[] = {"apiVersion", "kind", "metadata.name"};
    kst_auto_free char *about = describe(was);
    for (size_t i = 0; i < KST_ARRAY_LEN(needed); i++) {
        const char *text = kst_json_path_str(now, needed[i]);
        if (!text || !*text)
            return kst_err_set(err, KST_E_INVALID,
                               "transform %s: %s: expected an object with its %s, found it without",
                               file, about, needed[i]);
    }
    const char *ns = kst_json_path_str(was, "metadata.namespace");
    const char *given = kst_json_path_str(now, "metadata.namespace");
    if (ns && (!given || strcmp(ns, given) != 0)) {
        kst_err_set(err, KST_E_INVALID,
                    "transform %s: %s: expected it to stay in the namespace %s, found %s", file,
                    about, ns, given ? given : "none");
        kst_err_hint(err, "an application is restored into one namespace, which --to-namespace "
                          "names");
        return KST_E_INVALID;
    }
    return 0;
}

static int apply_file(const struct file *file, const struct kst_kube_resource *resource,
                      const struct kst_json *object, struct kst_json **out, struct kst_err **err)
{
    int rc = file->lua ? kst_transform_lua_apply(file->lua, object, out, err)
                       : kst_transform_rules_apply(file->rules, resource, object, out, err);
    if (rc == 0)
        return *out ? check(file->name, object, *out, err) : 0;
    kst_auto_free char *about = describe(object);
    return kst_err_wrap(err, rc, "transform %s: %s", file->name, about);
}

int kst_transform_apply(struct kst_transform *self, const struct kst_kube_resource *resource,
                        struct kst_json **object, bool *dropped, struct kst_err **err)
{
    kst_auto_json struct kst_json *now = NULL;
    *dropped = false;
    if (!self || self->count == 0)
        return 0;
    for (size_t i = 0; i < self->count; i++) {
        struct kst_json *made = NULL;
        int rc = apply_file(&self->files[i], resource, now ? now : *object, &made, err);
        if (rc < 0) {
            kst_json_free(made);
            return rc;
        }
        if (!made) {
            *dropped = true;
            return 0;
        }
        kst_json_free(now);
        now = made;
    }
    kst_json_free(*object);
    *object = kst_take(now);
    return 0;
}
