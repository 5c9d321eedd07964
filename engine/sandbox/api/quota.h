/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ResourceQuotas: what the objects of a namespace use, and whether one more may be.
 * https://kubernetes.io/docs/concepts/policy/resource-quotas/
 */
#ifndef KST_SANDBOX_API_QUOTA_H
#define KST_SANDBOX_API_QUOTA_H

#include <stdbool.h>

struct kst_api;
struct kst_api_call;
struct kst_json;
struct kst_resource;

/* Whether the namespace's quotas allow an object to be created, or to become so (`live` is how it
 * is now): NULL, and what it uses is noted in their statuses unless the call is a dry run; or the
 * Status that refuses it, which the caller frees. */
struct kst_json *kst_quota_check(struct kst_api *api, const struct kst_api_call *call,
                                 const struct kst_json *live, const struct kst_json *object);
/* What an object uses, by the names that quotas have for it; the caller owns it. */
struct kst_json *kst_quota_usage(const struct kst_resource *resource,
                                 const struct kst_json *object);
/* Whether the quota is about objects like this one (its scopes). */
bool kst_quota_matches(const struct kst_json *quota, const struct kst_resource *resource,
                       const struct kst_json *object);
/* Whether something that a quota may limit has this name. */
bool kst_quota_knows(struct kst_api *api, const char *name);

#endif
