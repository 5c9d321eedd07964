/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClusterRoles that consist of others: the rules of all that their selectors pick.
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles
 */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "sandbox/api/api.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"

#define ROLES "rbac.authorization.k8s.io/clusterroles"

static bool picks(const struct kst_json *rule, const struct kst_object *role)
{
    const struct kst_json *labels = kst_json_path(role->json, "metadata.labels");
    const struct kst_json *selectors = kst_json_get(rule, "clusterRoleSelectors");
    for (const struct kst_json *s = kst_json_first(selectors); s; s = kst_json_next(s))
        if (kst_control_selects(s, labels))
            return true;
    return false;
}

static bool has_rule(const struct kst_json *rules, const struct kst_json *rule)
{
    for (const struct kst_json *r = kst_json_first(rules); r; r = kst_json_next(r))
        if (kst_json_equal(r, rule))
            return true;
    return false;
}

/* The rules of those that are picked, in the order of their names, each rule once. */
static struct kst_json *rules_of(const struct kst_control_list *roles,
                                 const struct kst_object *whole)
{
    struct kst_json *rules = kst_json_array();
    for (size_t i = 0; i < roles->count; i++) {
        const struct kst_object *role = roles->objects[i];
        if (role == whole || !picks(kst_json_get(whole->json, "aggregationRule"), role))
            continue;
        const struct kst_json *list = kst_json_get(role->json, "rules");
        for (const struct kst_json *rule = kst_json_first(list); rule; rule = kst_json_next(rule))
            if (!has_rule(rules, rule))
                kst_json_push(rules, kst_json_dup(rule));
    }
    return rules;
}

static int64_t reconcile(const struct kst_control *control)
{
    struct kst_control_list roles = kst_control_list(control->api, ROLES, "");
    for (size_t i = 0; i < roles.count; i++) {
        const struct kst_object *role = roles.objects[i];
        if (!kst_json_get(role->json, "aggregationRule"))
            continue;
        struct kst_json *rules = rules_of(&roles, role);
        if (kst_json_equal(kst_json_get(role->json, "rules"), rules)) {
            kst_json_free(rules);
            continue;
        }
        struct kst_json *changed = kst_json_dup(role->json);
        kst_json_set(changed, "rules", rules);
        kst_control_update(control->api, ROLES, role, "clusterrole-aggregation-controller",
                           changed);
    }
    kst_control_list_release(&roles);
    return KST_NEVER;
}

const struct kst_controller kst_control_roles = {.name = "clusterrole-aggregation-controller",
                                                 .buckets = {ROLES},
                                                 .reconcile = reconcile};
