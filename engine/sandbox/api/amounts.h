/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of resources: {"cpu": "500m", "memory": "1Gi"}, as requests, limits and quotas have them.
 * Results are new lists, which the caller owns; a list that is absent is empty.
 */
#ifndef KST_SANDBOX_API_AMOUNTS_H
#define KST_SANDBOX_API_AMOUNTS_H

#include <stdbool.h>

struct kst_json;

/* -1, 0 or 1; what is no quantity is 0. */
int kst_amount_compare(const struct kst_json *a, const struct kst_json *b);
/* Adds an amount, or takes it away, under a name. */
void kst_amounts_add(struct kst_json *self, const char *name, const struct kst_json *amount);
void kst_amounts_subtract(struct kst_json *self, const char *name, const struct kst_json *amount);
/* The same with a whole number. */
void kst_amounts_count(struct kst_json *self, const char *name, int count);
/* The "requests" or "limits" of a Pod: the sum of its containers', or the most of one init
 * container's where that is more; and its overhead. */
struct kst_json *kst_amounts_of_pod(const struct kst_json *pod, const char *key);

#endif
