/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CustomResourceDefinitions (apiextensions.k8s.io/v1) as the API server takes them: what it fills
 * in, what it refuses, in its words, and what its controllers tell of them in their status. Pure
 * functions on the JSON of a definition, which may be any object.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
 */
#ifndef KST_SANDBOX_CUSTOM_CRD_H
#define KST_SANDBOX_CUSTOM_CRD_H

#include <stdbool.h>
#include <stddef.h>

struct kst_json;

#define KST_CRD_FINALIZER "customresourcecleanup.apiextensions.k8s.io"

/* Fills in the names that follow from the kind, and the conversion None, leaves out what the server
 * leaves out of schemas, and adds the version that is stored to status.storedVersions. */
void kst_crd_default(struct kst_json *crd);
/* Adds a cause ({"reason","message","field"}) for each rule that a new definition, or the change of
 * `old` to it, breaks. */
void kst_crd_validate(const struct kst_json *crd, const struct kst_json *old,
                      struct kst_json *causes);

/* What the server's controllers say of it at `now` (RFC 3339), among all definitions, itself
 * included: the names that it gets, and the conditions NamesAccepted, Established and, for groups
 * of Kubernetes, KubernetesAPIApprovalPolicyConformant. (NonStructuralSchema is never set: v1 has
 * no such schemas.) */
void kst_crd_settle(struct kst_json *crd, const struct kst_json *const *all, size_t count,
                    const char *now);
/* Marks it as being deleted at `now`: the finalizer, under which its objects go first, and the
 * condition Terminating. */
void kst_crd_terminate(struct kst_json *crd, const char *now);
/* Sets a condition; its time changes with its status alone. */
void kst_crd_set_condition(struct kst_json *crd, const char *type, bool status, const char *reason,
                           const char *message, const char *now);
/* Whether a condition is True. */
bool kst_crd_is(const struct kst_json *crd, const char *condition);
/* Whether its resources are served: its names are accepted, or once were. */
bool kst_crd_is_served(const struct kst_json *crd);

#endif
