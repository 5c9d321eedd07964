/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts, clusters and users of merged kubeconfig files, and their fields. */
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/config_internal.h"

static const char *list_of(const char *what)
{
    return strcmp(what, "context") == 0   ? "contexts"
           : strcmp(what, "cluster") == 0 ? "clusters"
                                          : "users";
}

static bool is_absent(const struct kst_json *value)
{
    return kst_json_type(value) == KST_JSON_ABSENT || kst_json_type(value) == KST_JSON_NULL;
}

/* "a, b, c": what there is instead. */
static char *names_of(const struct kst_json *map)
{
    struct kst_buf out = KST_BUF_INIT(1024);
    for (const struct kst_json *e = kst_json_first(map); e; e = kst_json_next(e)) {
        if (kst_buf_addf(&out, "%s%s", out.len ? ", " : "", kst_json_key(e)) < 0) {
            kst_buf_clear(&out);
            kst_buf_addf(&out, "%zu of them", kst_json_len(map));
            break;
        }
    }
    if (out.len == 0)
        kst_buf_adds(&out, "none");
    return kst_buf_take(&out);
}

int kst_kubeconfig_find(const struct kst_json *merged, const char *what, const char *name,
                        const char *from, struct kst_kubeconfig_entry *out, struct kst_err **err)
{
    const char *list = list_of(what);
    const struct kst_json *map = kst_json_get(merged, list);
    const struct kst_json *entry = kst_json_get(map, name);
    if (!entry) {
        kst_auto_free char *names = names_of(map);
        kst_err_set(err, KST_E_NOT_FOUND, "%s: there is no %s \"%s\" in the kubeconfig", from, what,
                    name);
        kst_err_hint(err, "%s in it: %s", list, names);
        return KST_E_NOT_FOUND;
    }
    out->what = what;
    out->name = name;
    out->file = kst_json_path_str(entry, "file");
    out->value = kst_json_get(entry, "value");
    return 0;
}

static int wrong_field(const struct kst_kubeconfig_entry *entry, const char *field,
                       const char *expected, const struct kst_json *found, struct kst_err **err)
{
    return kst_err_set(err, KST_E_INVALID, "%s: %s \"%s\": %s: expected %s, found %s", entry->file,
                       entry->what, entry->name, field, expected,
                       kst_json_type_name(kst_json_type(found)));
}

int kst_kubeconfig_str(const struct kst_kubeconfig_entry *entry, const char *field,
                       const char **out, struct kst_err **err)
{
    const struct kst_json *value = kst_json_get(entry->value, field);
    *out = NULL;
    if (is_absent(value))
        return 0;
    if (!kst_json_str(value))
        return wrong_field(entry, field, "a string", value, err);
    if (*kst_json_str(value))
        *out = kst_json_str(value);
    return 0;
}

int kst_kubeconfig_bool(const struct kst_kubeconfig_entry *entry, const char *field, bool *out,
                        struct kst_err **err)
{
    const struct kst_json *value = kst_json_get(entry->value, field);
    *out = false;
    if (is_absent(value))
        return 0;
    if (kst_json_type(value) != KST_JSON_BOOL)
        return wrong_field(entry, field, "true or false", value, err);
    *out = kst_json_true(value);
    return 0;
}

int kst_kubeconfig_object(const struct kst_kubeconfig_entry *entry, const char *field,
                          const struct kst_json **out, struct kst_err **err)
{
    const struct kst_json *value = kst_json_get(entry->value, field);
    *out = NULL;
    if (is_absent(value))
        return 0;
    if (kst_json_type(value) != KST_JSON_OBJECT)
        return wrong_field(entry, field, "an object", value, err);
    *out = value;
    return 0;
}

char *kst_kubeconfig_beside(const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');
    if (path[0] == '/' || !slash)
        return kst_strdup(path);
    return kst_asprintf("%.*s/%s", (int)(slash - file), file, path);
}
