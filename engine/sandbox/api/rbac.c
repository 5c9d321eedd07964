/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/api/rbac.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/store.h"

#define GROUP "rbac.authorization.k8s.io"

void kst_user_set(struct kst_user *self, const char *name)
{
    free(self->name);
    self->name = kst_strdup(name);
}

void kst_user_add_group(struct kst_user *self, const char *group)
{
    if (self->ngroups < KST_USER_GROUPS)
        self->groups[self->ngroups++] = kst_strdup(group);
}

void kst_user_release(struct kst_user *self)
{
    free(self->name);
    free(self->uid);
    for (size_t i = 0; i < self->ngroups; i++)
        free(self->groups[i]);
    *self = (struct kst_user){0};
}

bool kst_user_in_group(const struct kst_user *self, const char *group)
{
    for (size_t i = 0; i < self->ngroups; i++)
        if (strcmp(self->groups[i], group) == 0)
            return true;
    return false;
}

/* ---- rules ---- */

static bool has_or_all(const struct kst_json *list, const char *text)
{
    return kst_api_list_has(list, "*") || kst_api_list_has(list, text);
}

static bool path_allowed(const struct kst_json *paths, const char *path)
{
    for (const struct kst_json *p = kst_json_first(paths); p; p = kst_json_next(p)) {
        const char *text = kst_json_str(p) ? kst_json_str(p) : "";
        size_t len = strlen(text);
        bool prefix = len > 0 && text[len - 1] == '*';
        if (prefix ? strncmp(text, path, len - 1) == 0 : strcmp(text, path) == 0)
            return true;
    }
    return false;
}

static bool rule_allows(const struct kst_json *rule, const struct kst_access *access)
{
    if (!has_or_all(kst_json_get(rule, "verbs"), access->verb))
        return false;
    if (access->path)
        return path_allowed(kst_json_get(rule, "nonResourceURLs"), access->path);
    if (!has_or_all(kst_json_get(rule, "apiGroups"), access->group))
        return false;
    const struct kst_json *resources = kst_json_get(rule, "resources");
    kst_auto_free char *full = *access->subresource
                                   ? kst_asprintf("%s/%s", access->resource, access->subresource)
                                   : kst_strdup(access->resource);
    kst_auto_free char *any = kst_asprintf("*/%s", access->subresource);
    if (!has_or_all(resources, full) && !(*access->subresource && kst_api_list_has(resources, any)))
        return false;
    const struct kst_json *names = kst_json_get(rule, "resourceNames");
    return kst_json_len(names) == 0 || (*access->name && kst_api_list_has(names, access->name));
}

/* ---- bindings ---- */

static bool subject_is(const struct kst_json *subject, const struct kst_user *user,
                       const char *binding_ns)
{
    const char *kind = kst_api_text(subject, "kind"), *name = kst_api_text(subject, "name");
    if (strcmp(kind, "User") == 0)
        return strcmp(name, user->name) == 0;
    if (strcmp(kind, "Group") == 0)
        return kst_user_in_group(user, name);
    if (strcmp(kind, "ServiceAccount") != 0)
        return false;
    const char *ns = kst_api_text(subject, "namespace");
    kst_auto_free char *full = kst_asprintf("system:serviceaccount:%s:%s", *ns ? ns : binding_ns,
                                            name);
    return strcmp(full, user->name) == 0;
}

static bool binds(const struct kst_json *binding, const struct kst_user *user, const char *ns)
{
    const struct kst_json *subjects = kst_json_get(binding, "subjects");
    for (const struct kst_json *s = kst_json_first(subjects); s; s = kst_json_next(s))
        if (subject_is(s, user, ns))
            return true;
    return false;
}

static const struct kst_json *rules_of(struct kst_api *api, const struct kst_json *binding,
                                       const char *ns)
{
    bool cluster = strcmp(kst_api_text(binding, "roleRef.kind"), "ClusterRole") == 0;
    const struct kst_object *role = kst_api_find(api,
                                                 cluster ? GROUP "/clusterroles" : GROUP "/roles",
                                                 cluster ? "" : ns,
                                                 kst_api_text(binding, "roleRef.name"));
    return role ? kst_json_get(role->json, "rules") : NULL;
}

/* Calls `each` for every rule that is bound to the user; stops where it returns true. */
static bool each_rule(struct kst_api *api, const struct kst_user *user, const char *ns,
                      bool (*each)(void *arg, const struct kst_json *rule), void *arg)
{
    static const char *const buckets[] = {GROUP "/clusterrolebindings", GROUP "/rolebindings"};
    for (size_t b = 0; b < KST_ARRAY_LEN(buckets); b++) {
        struct kst_bucket *bucket = kst_store_bucket(kst_api_store(api), buckets[b]);
        size_t first = 0, count = kst_bucket_count(bucket);
        if (b == 1 && !*ns)
            break;
        if (b == 1)
            kst_bucket_range(bucket, ns, &first, &count);
        for (size_t i = 0; i < count; i++) {
            const struct kst_json *binding = kst_bucket_at(bucket, first + i)->json;
            if (!binds(binding, user, ns))
                continue;
            const struct kst_json *rules = rules_of(api, binding, ns);
            for (const struct kst_json *r = kst_json_first(rules); r; r = kst_json_next(r))
                if (each(arg, r))
                    return true;
        }
    }
    return false;
}

static bool allows(void *arg, const struct kst_json *rule)
{
    return rule_allows(rule, arg);
}

bool kst_rbac_allows(struct kst_api *api, const struct kst_user *user,
                     const struct kst_access *access)
{
    return kst_user_in_group(user, "system:masters") ||
           each_rule(api, user, access->ns, allows, (void *)access);
}

struct collection {
    struct kst_json *rules;
    bool of_paths;
};

static bool collect(void *arg, const struct kst_json *rule)
{
    struct collection *self = arg;
    if ((kst_json_len(kst_json_get(rule, "nonResourceURLs")) > 0) == self->of_paths)
        kst_json_push(self->rules, kst_json_dup(rule));
    return false;
}

struct kst_json *kst_rbac_rules(struct kst_api *api, const struct kst_user *user, const char *ns,
                                bool of_paths)
{
    struct collection found = {.rules = kst_json_array(), .of_paths = of_paths};
    each_rule(api, user, ns, collect, &found);
    return found.rules;
}
