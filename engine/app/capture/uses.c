/* SPDX-License-Identifier: Apache-2.0 */
#include "app/capture/uses.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"

static const struct {
    const char *group, *kind;
} kinds[KST_USES] = {
    [KST_USE_CONFIG_MAP] = {"", "ConfigMap"},
    [KST_USE_SECRET] = {"", "Secret"},
    [KST_USE_CLAIM] = {"", "PersistentVolumeClaim"},
    [KST_USE_ACCOUNT] = {"", "ServiceAccount"},
    [KST_USE_SERVICE] = {"", "Service"},
    [KST_USE_ROLE] = {"rbac.authorization.k8s.io", "Role"},
    [KST_USE_ROLE_BINDING] = {"rbac.authorization.k8s.io", "RoleBinding"},
    [KST_USE_RESOURCE_CLAIM] = {"resource.k8s.io", "ResourceClaim"},
    [KST_USE_RESOURCE_CLAIM_TEMPLATE] = {"resource.k8s.io", "ResourceClaimTemplate"},
    [KST_USE_DEFINITION] = {"apiextensions.k8s.io", "CustomResourceDefinition"},
    [KST_USE_STORAGE_CLASS] = {"storage.k8s.io", "StorageClass"},
    [KST_USE_ATTRIBUTES_CLASS] = {"storage.k8s.io", "VolumeAttributesClass"},
    [KST_USE_SNAPSHOT_CLASS] = {"snapshot.storage.k8s.io", "VolumeSnapshotClass"},
    [KST_USE_PRIORITY_CLASS] = {"scheduling.k8s.io", "PriorityClass"},
    [KST_USE_RUNTIME_CLASS] = {"node.k8s.io", "RuntimeClass"},
    [KST_USE_INGRESS_CLASS] = {"networking.k8s.io", "IngressClass"},
    [KST_USE_CLUSTER_ROLE] = {"rbac.authorization.k8s.io", "ClusterRole"},
    [KST_USE_CLUSTER_ROLE_BINDING] = {"rbac.authorization.k8s.io", "ClusterRoleBinding"},
    [KST_USE_VOLUME] = {"", "PersistentVolume"},
    [KST_USE_API_SERVICE] = {"apiregistration.k8s.io", "APIService"},
    [KST_USE_VALIDATING_WEBHOOK] = {"admissionregistration.k8s.io",
                                    "ValidatingWebhookConfiguration"},
    [KST_USE_MUTATING_WEBHOOK] = {"admissionregistration.k8s.io", "MutatingWebhookConfiguration"},
};

/* How references are written: {"key": "name"}, {"key": {"name": "name"}}, and lists of either. */
static const struct {
    const char *key;
    enum kst_use use;
    bool named;
} references[] = {
    {"secretName", KST_USE_SECRET, false},
    {"claimName", KST_USE_CLAIM, false},
    {"serviceAccountName", KST_USE_ACCOUNT, false},
    {"serviceAccount", KST_USE_ACCOUNT, false},
    {"serviceName", KST_USE_SERVICE, false},
    {"storageClassName", KST_USE_STORAGE_CLASS, false},
    {"volumeAttributesClassName", KST_USE_ATTRIBUTES_CLASS, false},
    {"priorityClassName", KST_USE_PRIORITY_CLASS, false},
    {"runtimeClassName", KST_USE_RUNTIME_CLASS, false},
    {"ingressClassName", KST_USE_INGRESS_CLASS, false},
    {"resourceClaimName", KST_USE_RESOURCE_CLAIM, false},
    {"resourceClaimTemplateName", KST_USE_RESOURCE_CLAIM_TEMPLATE, false},
    {"kubernetes.io/ingress.class", KST_USE_INGRESS_CLASS, false},
    {"volume.beta.kubernetes.io/storage-class", KST_USE_STORAGE_CLASS, false},
    {"configMap", KST_USE_CONFIG_MAP, true},
    {"configMapRef", KST_USE_CONFIG_MAP, true},
    {"configMapKeyRef", KST_USE_CONFIG_MAP, true},
    {"secret", KST_USE_SECRET, true},
    {"secretRef", KST_USE_SECRET, true},
    {"secretKeyRef", KST_USE_SECRET, true},
    {"nodePublishSecretRef", KST_USE_SECRET, true},
    {"imagePullSecrets", KST_USE_SECRET, true},
    {"service", KST_USE_SERVICE, true},
};

void kst_uses_release(struct kst_uses *self)
{
    for (size_t i = 0; i < KST_USES; i++)
        kst_names_release(&self->sets[i]);
}

static void add_name(struct kst_uses *self, enum kst_use use, const char *name)
{
    if (use == KST_USE_PRIORITY_CLASS && name && strncmp(name, "system-", 7) == 0)
        return;
    kst_names_add(&self->sets[use], name);
}

static void add_reference(struct kst_uses *self, const struct kst_json *value)
{
    const char *key = kst_json_key(value);
    for (size_t i = 0; key && i < KST_ARRAY_LEN(references); i++) {
        if (strcmp(references[i].key, key) != 0)
            continue;
        if (!references[i].named) {
            add_name(self, references[i].use, kst_json_str(value));
        } else if (kst_json_type(value) == KST_JSON_ARRAY) {
            for (const struct kst_json *row = kst_json_first(value); row; row = kst_json_next(row))
                add_name(self, references[i].use, kst_json_path_str(row, "name"));
        } else {
            add_name(self, references[i].use, kst_json_path_str(value, "name"));
        }
    }
}

/* What a Pod has without naming it. */
static void add_pod_spec(struct kst_uses *self, const struct kst_json *spec)
{
    if (kst_json_type(kst_json_get(spec, "containers")) != KST_JSON_ARRAY)
        return;
    if (!kst_json_get(spec, "serviceAccountName") && !kst_json_get(spec, "serviceAccount"))
        add_name(self, KST_USE_ACCOUNT, "default");
}

/* JSON is at most KST_JSON_DEPTH deep. */
static void walk(struct kst_uses *self, const struct kst_json *value)
{
    add_pod_spec(self, value);
    for (const struct kst_json *entry = kst_json_first(value); entry;
         entry = kst_json_next(entry)) {
        add_reference(self, entry);
        walk(self, entry);
    }
}

void kst_uses_add(struct kst_uses *self, const struct kst_json *object)
{
    walk(self, kst_json_path(object, "metadata.annotations"));
    for (const struct kst_json *entry = kst_json_first(object); entry;
         entry = kst_json_next(entry)) {
        const char *key = kst_json_key(entry);
        if (strcmp(key, "metadata") == 0 || strcmp(key, "status") == 0)
            continue;
        add_reference(self, entry);
        walk(self, entry);
    }
}

struct kst_names *kst_uses_of(struct kst_uses *self, const char *group, const char *kind)
{
    for (size_t i = 0; i < KST_USES; i++)
        if (strcmp(kinds[i].kind, kind) == 0 && strcmp(kinds[i].group, group) == 0)
            return &self->sets[i];
    return NULL;
}

const char *kst_use_group(enum kst_use use)
{
    return kinds[use].group;
}

const char *kst_use_kind(enum kst_use use)
{
    return kinds[use].kind;
}
