/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evictions: deletions of Pods that PodDisruptionBudgets may forbid.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
 */
#ifndef KST_SANDBOX_API_EVICT_H
#define KST_SANDBOX_API_EVICT_H

#include <stdbool.h>

struct kst_api;
struct kst_api_call;
struct kst_json;

/* Deletes the Pod that the call names as its Eviction asks; NULL, or the Status that says why not
 * (429 where its budget does not allow it), which the caller frees. */
struct kst_json *kst_api_evict(struct kst_api *self, const struct kst_api_call *call,
                               const struct kst_json *eviction);
/* Whether a budget's selector is of this Pod. */
bool kst_budget_is_of(const struct kst_json *budget, const struct kst_json *pod);

#endif
