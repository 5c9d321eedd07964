/* SPDX-License-Identifier: Apache-2.0 */
/* Kubeconfig files, merged as client-go does it: the first file that sets a value or names a
 * context, cluster or user wins, and what a later one says of the same name is left out whole. */
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "kube/config_internal.h"

struct section {
    const char *what;
    const char *list;
};
static const struct section sections[] = {{"context", "contexts"},
                                          {"cluster", "clusters"},
                                          {"user", "users"}};

static bool is_absent(const struct kst_json *value)
{
    return kst_json_type(value) == KST_JSON_ABSENT || kst_json_type(value) == KST_JSON_NULL;
}

static int wrong_type(const char *file, const char *field, const char *expected,
                      const struct kst_json *found, struct kst_err **err)
{
    return kst_err_set(err, KST_E_INVALID, "%s: %s: expected %s, found %s", file, field, expected,
                       kst_json_type_name(kst_json_type(found)));
}

static struct kst_json *new_entry(const char *file, const struct kst_json *value)
{
    return kst_json_make("{'file':%s,'value':%J}", file, value);
}

/* One entry of a list: {"name": …, "<what>": {…}}. */
static int add_entry(struct kst_json *merged, struct kst_json *seen, const char *file,
                     const struct section *section, const struct kst_json *item, size_t index,
                     struct kst_err **err)
{
    kst_auto_free char *field = kst_asprintf("%s[%zu]", section->list, index);
    if (kst_json_type(item) != KST_JSON_OBJECT)
        return wrong_type(file, field, "an object", item, err);
    const struct kst_json *name = kst_json_get(item, "name");
    if (!kst_json_str(name)) {
        kst_auto_free char *inner = kst_asprintf("%s.name", field);
        return wrong_type(file, inner, "a string", name, err);
    }
    const struct kst_json *value = kst_json_get(item, section->what);
    if (!is_absent(value) && kst_json_type(value) != KST_JSON_OBJECT) {
        kst_auto_free char *inner = kst_asprintf("%s.%s", field, section->what);
        return wrong_type(file, inner, "an object", value, err);
    }
    if (kst_json_get(seen, kst_json_str(name)))
        return kst_err_set(err, KST_E_INVALID, "%s: %s \"%s\" is there twice", file, section->what,
                           kst_json_str(name));
    kst_json_set_bool(seen, kst_json_str(name), true);
    struct kst_json *map = kst_json_ensure_object(merged, section->list);
    if (!kst_json_get(map, kst_json_str(name)))
        kst_json_set(map, kst_json_str(name), new_entry(file, value));
    return 0;
}

static int add_section(struct kst_json *merged, const char *file, const struct section *section,
                       const struct kst_json *root, struct kst_err **err)
{
    const struct kst_json *list = kst_json_get(root, section->list);
    if (is_absent(list))
        return 0;
    if (kst_json_type(list) != KST_JSON_ARRAY)
        return wrong_type(file, section->list, "a list", list, err);
    kst_auto_json struct kst_json *seen = kst_json_make("{}");
    size_t index = 0;
    for (const struct kst_json *item = kst_json_first(list); item; item = kst_json_next(item)) {
        int rc = add_entry(merged, seen, file, section, item, index++, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int add_root(struct kst_json *merged, const char *file, const struct kst_json *root,
                    struct kst_err **err)
{
    if (is_absent(root))
        return 0;
    if (kst_json_type(root) != KST_JSON_OBJECT)
        return wrong_type(file, "the file", "a kubeconfig (an object)", root, err);
    const char *kind = kst_json_path_str(root, "kind");
    if (kind && *kind && strcmp(kind, "Config") != 0)
        return kst_err_set(err, KST_E_INVALID, "%s: kind: expected Config, found %s", file, kind);
    const struct kst_json *current = kst_json_get(root, "current-context");
    if (!is_absent(current) && !kst_json_str(current))
        return wrong_type(file, "current-context", "a string", current, err);
    if (kst_json_str(current) && *kst_json_str(current) && !kst_json_get(merged, "current-context"))
        kst_json_set(merged, "current-context", new_entry(file, current));
    for (size_t i = 0; i < KST_ARRAY_LEN(sections); i++) {
        int rc = add_section(merged, file, &sections[i], root, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int kst_kubeconfig_add_text(struct kst_json *merged, const char *file, struct kst_str text,
                            struct kst_err **err)
{
    kst_auto_json struct kst_json *root = NULL;
    int rc = kst_yaml_parse(text.data, text.len, &root, err);
    if (rc < 0) {
        kst_err_wrap(err, rc, "%s: not a kubeconfig", file);
        return rc;
    }
    return add_root(merged, file, root, err);
}

int kst_kubeconfig_add_file(struct kst_json *merged, const char *file, bool *found,
                            struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(KST_KUBECONFIG_FILE_BYTES);
    struct kst_err *cause = NULL;
    int rc = kst_buf_read_file(&text, file, &cause);
    *found = rc != KST_E_NOT_FOUND;
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(&cause);
        return 0;
    }
    if (rc < 0) {
        kst_err_wrap(&cause, rc, "kubeconfig");
        return kst_err_move(err, &cause);
    }
    return kst_kubeconfig_add_text(merged, file, kst_str_buf(&text), err);
}
