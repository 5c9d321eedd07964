/* SPDX-License-Identifier: Apache-2.0 */
#include "app/restore/manifest.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/resource.h"

enum { SUFFIX = 5 };

size_t kst_manifest_group(const struct kst_json *object, const char **group)
{
    const char *version = kst_manifest_text(object, "apiVersion");
    const char *slash = strchr(version, '/');
    *group = slash ? version : "";
    return slash ? (size_t)(slash - version) : 0;
}

bool kst_manifest_is(const struct kst_json *object, const char *group, const char *kind)
{
    const char *own;
    size_t len = kst_manifest_group(object, &own);
    return len == strlen(group) && memcmp(own, group, len) == 0 &&
           strcmp(kst_manifest_kind(object), kind) == 0;
}

const char *kst_manifest_kind(const struct kst_json *object)
{
    return kst_manifest_text(object, "kind");
}

bool kst_manifest_is_builtin(const struct kst_json *object)
{
    const char *group;
    size_t len = kst_manifest_group(object, &group);
    return kst_kube_is_builtin_group(group, len);
}

const char *kst_manifest_text(const struct kst_json *object, const char *path)
{
    const char *text = kst_json_path_str(object, path);
    return text ? text : "";
}

const char *kst_manifest_mark(const struct kst_json *object, const char *map, const char *key)
{
    return kst_json_str(kst_json_get(kst_json_get(kst_json_get(object, "metadata"), map), key));
}

struct kst_json *kst_manifest_mut(struct kst_json *object, const char *path)
{
    return (struct kst_json *)kst_json_path(object, path);
}

void kst_manifest_remove(struct kst_json *object, const char *path)
{
    const char *dot = strrchr(path, '.');
    if (!dot) {
        kst_json_remove(object, path);
        return;
    }
    kst_auto_free char *parent = kst_strndup(path, (size_t)(dot - path));
    kst_json_remove(kst_manifest_mut(object, parent), dot + 1);
}

void kst_manifest_visit(struct kst_json *object, const char *path, kst_manifest_visitor *visit,
                        void *arg)
{
    struct kst_str rest = kst_str_of(path), part;
    kst_str_split(&rest, '.', &part);
    bool last = part.len == strlen(path), all = kst_str_eq(part, "*");
    struct kst_json *next;
    for (struct kst_json *e = kst_json_first_mut(object); e; e = next) {
        next = kst_json_next_mut(e);
        if (!all && !(kst_json_key(e) && kst_str_eq(part, kst_json_key(e))))
            continue;
        if (last)
            visit(arg, object, e);
        else
            kst_manifest_visit(e, path + part.len + 1, visit, arg);
    }
}

struct kst_json *kst_manifest_pod(struct kst_json *object)
{
    if (!kst_manifest_is_builtin(object))
        return NULL;
    const char *kind = kst_manifest_kind(object);
    if (strcmp(kind, "Pod") == 0)
        return object;
    if (strcmp(kind, "PodTemplate") == 0)
        return kst_json_mut(object, "template");
    if (strcmp(kind, "CronJob") == 0)
        return kst_manifest_mut(object, "spec.jobTemplate.spec.template");
    return kst_manifest_mut(object, "spec.template");
}

struct kst_json *kst_manifest_last_applied(const struct kst_json *object)
{
    const char *text = kst_manifest_mark(object, "annotations", KST_MANIFEST_LAST_APPLIED);
    struct kst_json *applied = NULL;
    if (!text || kst_json_parse(text, strlen(text), &applied, NULL) < 0)
        return NULL;
    if (kst_json_type(applied) == KST_JSON_OBJECT)
        return applied;
    kst_json_free(applied);
    return NULL;
}

bool kst_manifest_is_generated(const char *name, const char *stem, const char *infix)
{
    kst_auto_free char *middle = kst_asprintf("%s%s%s-", stem ? stem : "", *infix ? "-" : "",
                                              infix);
    size_t len = strlen(name), needed = strlen(middle) + SUFFIX;
    if (stem ? len != needed : len <= needed)
        return false;
    const char *suffix = name + len - SUFFIX;
    return strspn(suffix, "bcdfghjklmnpqrstvwxz2456789") == SUFFIX &&
           memcmp(suffix - strlen(middle), middle, strlen(middle)) == 0;
}
