/* SPDX-License-Identifier: Apache-2.0 */
#include "app/capture/order.h"

#include <stddef.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

/* A group's name matters: Knative has a Service of its own, and it is a custom resource. */
static const struct ranked {
    const char *group, *kind;
    enum kst_rank rank;
} ranked[] = {
    {"", "Namespace", KST_RANK_NAMESPACE},
    {"apiextensions.k8s.io", "CustomResourceDefinition", KST_RANK_DEFINITION},
    {"storage.k8s.io", "StorageClass", KST_RANK_CLASS},
    {"storage.k8s.io", "VolumeAttributesClass", KST_RANK_CLASS},
    {"snapshot.storage.k8s.io", "VolumeSnapshotClass", KST_RANK_CLASS},
    {"groupsnapshot.storage.k8s.io", "VolumeGroupSnapshotClass", KST_RANK_CLASS},
    {"scheduling.k8s.io", "PriorityClass", KST_RANK_CLASS},
    {"node.k8s.io", "RuntimeClass", KST_RANK_CLASS},
    {"networking.k8s.io", "IngressClass", KST_RANK_CLASS},
    {"", "ServiceAccount", KST_RANK_ACCOUNT},
    {"", "Secret", KST_RANK_CONFIG},
    {"", "ConfigMap", KST_RANK_CONFIG},
    {"", "LimitRange", KST_RANK_CONFIG},
    {"rbac.authorization.k8s.io", "ClusterRole", KST_RANK_RIGHTS},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding", KST_RANK_RIGHTS},
    {"rbac.authorization.k8s.io", "Role", KST_RANK_RIGHTS},
    {"rbac.authorization.k8s.io", "RoleBinding", KST_RANK_RIGHTS},
    {"", "PersistentVolume", KST_RANK_VOLUME},
    {"", "PersistentVolumeClaim", KST_RANK_VOLUME},
    {"", "Service", KST_RANK_SERVICE},
    {"", "Endpoints", KST_RANK_SERVICE},
    {"discovery.k8s.io", "EndpointSlice", KST_RANK_SERVICE},
    {"networking.k8s.io", "NetworkPolicy", KST_RANK_SERVICE},
    {"extensions", "NetworkPolicy", KST_RANK_SERVICE},
    {"", "Pod", KST_RANK_POD},
    {"", "ReplicationController", KST_RANK_WORKLOAD},
    {"apps", "ReplicaSet", KST_RANK_WORKLOAD},
    {"apps", "Deployment", KST_RANK_WORKLOAD},
    {"apps", "StatefulSet", KST_RANK_WORKLOAD},
    {"apps", "DaemonSet", KST_RANK_WORKLOAD},
    {"apps", "ControllerRevision", KST_RANK_WORKLOAD},
    {"extensions", "ReplicaSet", KST_RANK_WORKLOAD},
    {"extensions", "Deployment", KST_RANK_WORKLOAD},
    {"extensions", "DaemonSet", KST_RANK_WORKLOAD},
    {"batch", "Job", KST_RANK_WORKLOAD},
    {"batch", "CronJob", KST_RANK_WORKLOAD},
    {"autoscaling", "HorizontalPodAutoscaler", KST_RANK_POLICY},
    {"policy", "PodDisruptionBudget", KST_RANK_POLICY},
    {"networking.k8s.io", "Ingress", KST_RANK_POLICY},
    {"extensions", "Ingress", KST_RANK_POLICY},
    {"", "ResourceQuota", KST_RANK_QUOTA},
    {"apiregistration.k8s.io", "APIService", KST_RANK_WEBHOOK},
    {"admissionregistration.k8s.io", "ValidatingWebhookConfiguration", KST_RANK_WEBHOOK},
    {"admissionregistration.k8s.io", "MutatingWebhookConfiguration", KST_RANK_WEBHOOK},
};

enum kst_rank kst_order_rank(const char *group, const char *kind)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(ranked); i++)
        if (strcmp(ranked[i].kind, kind) == 0 && strcmp(ranked[i].group, group) == 0)
            return ranked[i].rank;
    return KST_RANK_CUSTOM;
}

const char *kst_order_rank_name(enum kst_rank rank)
{
    static const char *const names[KST_RANKS] = {
        [KST_RANK_NAMESPACE] = "Namespaces",
        [KST_RANK_DEFINITION] = "Definitions",
        [KST_RANK_CLASS] = "Classes",
        [KST_RANK_ACCOUNT] = "Accounts",
        [KST_RANK_CONFIG] = "Configuration",
        [KST_RANK_RIGHTS] = "Rights",
        [KST_RANK_VOLUME] = "Volumes",
        [KST_RANK_SERVICE] = "Services",
        [KST_RANK_CUSTOM] = "Custom resources",
        [KST_RANK_POD] = "Pods",
        [KST_RANK_WORKLOAD] = "Workloads",
        [KST_RANK_POLICY] = "Policies",
        [KST_RANK_QUOTA] = "Quotas",
        [KST_RANK_WEBHOOK] = "Webhooks",
    };
    return (unsigned)rank < KST_RANKS ? names[rank] : "Objects";
}

int kst_order_compare_kinds(const char *group_a, const char *kind_a, const char *group_b,
                            const char *kind_b)
{
    int by_rank = (int)kst_order_rank(group_a, kind_a) - (int)kst_order_rank(group_b, kind_b);
    int by_group = by_rank ? by_rank : strcmp(group_a, group_b);
    return by_group ? by_group : strcmp(kind_a, kind_b);
}

static const char *text_at(const struct kst_json *object, const char *path)
{
    const char *text = kst_json_path_str(object, path);
    return text ? text : "";
}

/* The group of an object's apiVersion; the caller frees it. */
static char *group_of(const struct kst_json *object)
{
    const char *api_version = text_at(object, "apiVersion");
    const char *slash = strchr(api_version, '/');
    return kst_strndup(api_version, slash ? (size_t)(slash - api_version) : 0);
}

static int compare_kinds_of(const struct kst_json *a, const struct kst_json *b)
{
    const char *kind_a = text_at(a, "kind"), *kind_b = text_at(b, "kind");
    if (strcmp(kind_a, kind_b) == 0 &&
        strcmp(text_at(a, "apiVersion"), text_at(b, "apiVersion")) == 0)
        return 0; /* mostly one comes after another of its kind */
    kst_auto_free char *group_a = group_of(a), *group_b = group_of(b);
    return kst_order_compare_kinds(group_a, kind_a, group_b, kind_b);
}

int kst_order_compare(const struct kst_json *a, const struct kst_json *b)
{
    int order = compare_kinds_of(a, b);
    if (order == 0)
        order = strcmp(text_at(a, "metadata.namespace"), text_at(b, "metadata.namespace"));
    return order ? order : strcmp(text_at(a, "metadata.name"), text_at(b, "metadata.name"));
}
