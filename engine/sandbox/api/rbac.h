/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what, from the Roles and bindings in the store.
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/
 */
#ifndef KST_SANDBOX_API_RBAC_H
#define KST_SANDBOX_API_RBAC_H

#include <stdbool.h>
#include <stddef.h>

struct kst_api;
struct kst_json;
struct kst_resource;

enum { KST_USER_GROUPS = 8 };

struct kst_user {
    char *name, *uid;
    char *groups[KST_USER_GROUPS];
    size_t ngroups;
};

/* Begins a user who is in no group; the name is copied. */
void kst_user_set(struct kst_user *self, const char *name);
void kst_user_add_group(struct kst_user *self, const char *group); /* beyond the cap: left out */
void kst_user_release(struct kst_user *self);
bool kst_user_in_group(const struct kst_user *self, const char *group);

struct kst_access {
    const char *verb;
    const char *group, *resource, *subresource, *ns, *name; /* "" for none */
    const char *path; /* of what is no resource; NULL otherwise */
};

/* Members of system:masters may do everything. */
bool kst_rbac_allows(struct kst_api *api, const struct kst_user *user,
                     const struct kst_access *access);
/* NULL, or a Status where the user (NULL: the cluster itself) writes a role or a binding that gives
 * more than he has; `live` is NULL for a creation. rbac_grant.c. */
struct kst_json *kst_rbac_check_grant(struct kst_api *api, const struct kst_user *user,
                                      const struct kst_resource *resource, const char *ns,
                                      const struct kst_json *live, const struct kst_json *object);
/* The rules that hold for a user in a namespace, as SelfSubjectRulesReview tells them: of
 * resources, or of paths. The caller owns the array. */
struct kst_json *kst_rbac_rules(struct kst_api *api, const struct kst_user *user, const char *ns,
                                bool of_paths);

#endif
