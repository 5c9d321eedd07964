/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What objects refer to: the ConfigMaps, Secrets, claims and accounts of Pods, the classes of
 * claims and Ingresses, and so on. References are known by the names that Kubernetes gives them
 * (secretKeyRef, serviceAccountName, …) wherever they stand, so that Pod templates in custom
 * resources, and what follows the same custom there, are understood too. A name too many does no
 * harm: what does not exist is not captured.
 */
#ifndef KST_APP_CAPTURE_USES_H
#define KST_APP_CAPTURE_USES_H

#include "app/capture/names.h"

struct kst_json;

enum kst_use {
    /* In the application's namespace. */
    KST_USE_CONFIG_MAP,
    KST_USE_SECRET,
    KST_USE_CLAIM,
    KST_USE_ACCOUNT,
    KST_USE_SERVICE,
    KST_USE_ROLE,
    KST_USE_ROLE_BINDING,
    KST_USE_RESOURCE_CLAIM,
    KST_USE_RESOURCE_CLAIM_TEMPLATE,
    /* Cluster-scoped. */
    KST_USE_DEFINITION,
    KST_USE_STORAGE_CLASS,
    KST_USE_ATTRIBUTES_CLASS,
    KST_USE_SNAPSHOT_CLASS,
    KST_USE_PRIORITY_CLASS,
    KST_USE_RUNTIME_CLASS,
    KST_USE_INGRESS_CLASS,
    KST_USE_CLUSTER_ROLE,
    KST_USE_CLUSTER_ROLE_BINDING,
    KST_USE_VOLUME,
    KST_USE_API_SERVICE,
    KST_USE_VALIDATING_WEBHOOK,
    KST_USE_MUTATING_WEBHOOK,
    KST_USES,
};

/* {0} refers to nothing. */
struct kst_uses {
    struct kst_names sets[KST_USES];
};

/* Leaves what refers to nothing. */
void kst_uses_release(struct kst_uses *self);
/* Adds what the object refers to; PriorityClasses that every cluster has (system-…) are left out.
 */
void kst_uses_add(struct kst_uses *self, const struct kst_json *object);
/* The set that an object of this kind would be in; NULL where kinds of its sort are not noted. */
struct kst_names *kst_uses_of(struct kst_uses *self, const char *group, const char *kind);
/* Group and kind of a set. */
const char *kst_use_group(enum kst_use use);
const char *kst_use_kind(enum kst_use use);

#endif
