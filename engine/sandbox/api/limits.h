/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LimitRanges: what containers get that ask for nothing, and what is too little or too much.
 * https://kubernetes.io/docs/concepts/policy/limit-range/
 */
#ifndef KST_SANDBOX_API_LIMITS_H
#define KST_SANDBOX_API_LIMITS_H

struct kst_api;
struct kst_api_call;
struct kst_json;

/* Gives the containers of a new Pod the namespace's defaults, and notes it as the server does. */
void kst_limits_fill(struct kst_api *api, const struct kst_api_call *call, struct kst_json *pod);
/* Whether a new Pod, or a claim, keeps to the limits: NULL, or the Status that refuses it (the
 * caller frees it). Everything else does. `live` is NULL for what is new. */
struct kst_json *kst_limits_check(struct kst_api *api, const struct kst_api_call *call,
                                  const struct kst_json *live, const struct kst_json *object);

#endif
