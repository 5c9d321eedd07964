/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nobody grants what he may not do himself: roles are written, and bound, by those who hold their
 * rules, or who may "escalate" or "bind".
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/rbac.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"

#define GROUP "rbac.authorization.k8s.io"

enum { MESSAGE_BYTES = 256 * 1024 };

struct grant {
    struct kst_api *api;
    const struct kst_user *user;
    const char *ns;
};

static const char *text(const struct kst_json *value)
{
    return kst_json_str(value) ? kst_json_str(value) : "";
}

/* Of one resource, as rules name it, under one name ("": any). */
static bool holds_resource(const struct grant *self, const char *verb, const char *group,
                           const char *resource, const char *name)
{
    const char *slash = strchr(resource, '/');
    kst_auto_free char *plural = kst_strndup(resource, strcspn(resource, "/"));
    const struct kst_access access = {.verb = verb,
                                      .group = group,
                                      .resource = plural,
                                      .subresource = slash ? slash + 1 : "",
                                      .ns = self->ns,
                                      .name = name};
    return kst_rbac_allows(self->api, self->user, &access);
}

static bool holds_names(const struct grant *self, const struct kst_json *names, const char *verb,
                        const char *group, const char *resource)
{
    if (kst_json_len(names) == 0)
        return holds_resource(self, verb, group, resource, "");
    for (const struct kst_json *n = kst_json_first(names); n; n = kst_json_next(n))
        if (!holds_resource(self, verb, group, resource, text(n)))
            return false;
    return true;
}

static bool holds_verb(const struct grant *self, const struct kst_json *rule, const char *verb)
{
    const struct kst_json *groups = kst_json_get(rule, "apiGroups");
    const struct kst_json *resources = kst_json_get(rule, "resources");
    const struct kst_json *paths = kst_json_get(rule, "nonResourceURLs");
    for (const struct kst_json *g = kst_json_first(groups); g; g = kst_json_next(g))
        for (const struct kst_json *r = kst_json_first(resources); r; r = kst_json_next(r))
            if (!holds_names(self, kst_json_get(rule, "resourceNames"), verb, text(g), text(r)))
                return false;
    for (const struct kst_json *p = kst_json_first(paths); p; p = kst_json_next(p)) {
        const struct kst_access access = {.verb = verb, .ns = "", .path = text(p)};
        if (!kst_rbac_allows(self->api, self->user, &access))
            return false;
    }
    return true;
}

static bool holds(const struct grant *self, const struct kst_json *rule)
{
    const struct kst_json *verbs = kst_json_get(rule, "verbs");
    for (const struct kst_json *v = kst_json_first(verbs); v; v = kst_json_next(v))
        if (!holds_verb(self, rule, text(v)))
            return false;
    return true;
}

/* ---- words ---- */

static void add_list(struct kst_buf *out, const char *key, const struct kst_json *list)
{
    if (kst_json_len(list) == 0)
        return;
    kst_auto_free char *values = kst_json_text(list);
    kst_buf_addf(out, "%s%s:%s", out->data[out->len - 1] == '{' ? "" : ", ", key, values);
}

static void add_rule(struct kst_buf *out, const struct kst_json *rule)
{
    kst_buf_adds(out, "\n{");
    add_list(out, "APIGroups", kst_json_get(rule, "apiGroups"));
    add_list(out, "Resources", kst_json_get(rule, "resources"));
    add_list(out, "ResourceNames", kst_json_get(rule, "resourceNames"));
    add_list(out, "NonResourceURLs", kst_json_get(rule, "nonResourceURLs"));
    add_list(out, "Verbs", kst_json_get(rule, "verbs"));
    kst_buf_addc(out, '}');
}

static struct kst_json *check_rules(const struct grant *self, const struct kst_resource *resource,
                                    const char *name, const struct kst_json *rules)
{
    kst_auto_buf missing = KST_BUF_INIT(MESSAGE_BYTES), groups = KST_BUF_INIT(MESSAGE_BYTES);
    for (const struct kst_json *r = kst_json_first(rules); r; r = kst_json_next(r))
        if (!holds(self, r))
            add_rule(&missing, r);
    if (missing.len == 0)
        return NULL;
    for (size_t i = 0; i < self->user->ngroups; i++)
        kst_buf_addf(&groups, "%s\"%s\"", i ? " " : "", self->user->groups[i]);
    return kst_status_forbidden(resource, name,
                                "user \"%s\" (groups=[%s]) is attempting to grant RBAC permissions "
                                "not currently held:%s",
                                self->user->name, groups.data ? groups.data : "", missing.data);
}

/* ---- roles and bindings ---- */

static bool may(const struct grant *self, const char *verb, const char *plural, const char *name)
{
    const struct kst_access access = {.verb = verb,
                                      .group = GROUP,
                                      .resource = plural,
                                      .subresource = "",
                                      .ns = self->ns,
                                      .name = name};
    return kst_rbac_allows(self->api, self->user, &access);
}

static struct kst_json *check_binding(const struct grant *self, const struct kst_resource *resource,
                                      const struct kst_json *binding)
{
    bool cluster = strcmp(kst_api_text(binding, "roleRef.kind"), "ClusterRole") == 0;
    const char *plural = cluster ? "clusterroles" : "roles";
    const char *role_name = kst_api_text(binding, "roleRef.name");
    kst_auto_free char *bucket = kst_asprintf(GROUP "/%s", plural);
    if (may(self, "bind", plural, role_name))
        return NULL;
    const struct kst_object *role = kst_api_find(self->api, bucket, cluster ? "" : self->ns,
                                                 role_name);
    if (!role) {
        const struct kst_resource named = {.group = GROUP, .plural = plural};
        return kst_status_not_found(&named, role_name);
    }
    return check_rules(self, resource, kst_api_text(binding, "metadata.name"),
                       kst_json_get(role->json, "rules"));
}

struct kst_json *kst_rbac_check_grant(struct kst_api *api, const struct kst_user *user,
                                      const struct kst_resource *resource, const char *ns,
                                      const struct kst_json *live, const struct kst_json *object)
{
    bool binding = strcmp(resource->plural, "rolebindings") == 0 ||
                   strcmp(resource->plural, "clusterrolebindings") == 0;
    const struct grant self = {.api = api, .user = user, .ns = ns ? ns : ""};
    if (!user || strcmp(resource->group, GROUP) != 0 || kst_user_in_group(user, "system:masters"))
        return NULL;
    const char *part = binding ? "subjects" : "rules",
               *name = kst_api_text(object, "metadata.name");
    if (live && kst_json_equal(kst_json_get(live, part), kst_json_get(object, part)))
        return NULL;
    if (binding)
        return check_binding(&self, resource, object);
    return may(&self, "escalate", resource->plural, name)
               ? NULL
               : check_rules(&self, resource, name, kst_json_get(object, "rules"));
}
