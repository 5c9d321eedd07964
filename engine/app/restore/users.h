/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which Pods use which claims. A Pod names a claim in its volumes, or has one of its own by a
 * generic ephemeral volume ("<pod>-<volume>").
 * https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/#generic-ephemeral-volumes
 */
#ifndef KST_APP_RESTORE_USERS_H
#define KST_APP_RESTORE_USERS_H

#include <stdbool.h>

#include "run/run.h"

/* Whether a list of names (a JSON array of strings) holds this one. */
bool kst_users_has(const struct kst_json *names, const char *name);
/* The first of `claims` (an array of names) that a Pod's spec names, borrowed; NULL for none. `pod`
 * is the Pod's name, or NULL for a template, which has no ephemeral claims yet. */
const char *kst_users_claim(const struct kst_json *pod_spec, const char *pod,
                            const struct kst_json *claims);
/* Whether it has ended (Succeeded or Failed): nothing of it runs, but a claim that it names is not
 * let go before the Pod is deleted. */
bool kst_users_is_finished(const struct kst_json *pod);
/* The Pods of run->app_ns that use one of the claims, finished ones too; the caller frees the
 * array. Yields. */
int kst_users_find(struct kst_run *run, const struct kst_json *claims, struct kst_json **pods,
                   struct kst_err **err);

#endif
