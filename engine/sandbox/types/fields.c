/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/types/fields.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

#define STRINGS    KST_FIELDS_STRINGS
#define QUANTITIES KST_FIELDS_QUANTITIES

/* A type with a slash is a kind: its group before it. Types of the same make share a row's name:
 * "Workload" is the spec of all that have a template of Pods, "Conditions" every status that has
 * nothing but conditions to know. */
static const struct kst_field fields[] = {
    {"/", "metadata", "ObjectMeta", NULL, NULL},
    {"ObjectMeta", "labels", STRINGS, NULL, NULL},
    {"ObjectMeta", "annotations", STRINGS, NULL, NULL},
    {"ObjectMeta", "finalizers", NULL, "", "set"},
    {"ObjectMeta", "ownerReferences", NULL, "uid", "uid"},
    {"Conditions", "conditions", NULL, "type", "type"},
    {"ListedConditions", "conditions", NULL, NULL, "type"},
    {"LabelSelector", "matchLabels", STRINGS, NULL, NULL},
    {"ResourceRequirements", "limits", QUANTITIES, NULL, NULL},
    {"ResourceRequirements", "requests", QUANTITIES, NULL, NULL},

    /* Pods, and what has a template of them. */
    {"/Pod", "spec", "PodSpec", NULL, NULL},
    {"/Pod", "status", "PodStatus", NULL, NULL},
    {"/PodTemplate", "template", "PodTemplate", NULL, NULL},
    {"/ReplicationController", "spec", "ReplicationControllerSpec", NULL, NULL},
    {"/ReplicationController", "status", "Conditions", NULL, NULL},
    {"apps/Deployment", "spec", "Workload", NULL, NULL},
    {"apps/Deployment", "status", "Conditions", NULL, NULL},
    {"apps/ReplicaSet", "spec", "Workload", NULL, NULL},
    {"apps/ReplicaSet", "status", "Conditions", NULL, NULL},
    {"apps/DaemonSet", "spec", "Workload", NULL, NULL},
    {"apps/DaemonSet", "status", "Conditions", NULL, NULL},
    {"apps/ControllerRevision", "data", NULL, NULL, "atomic"},
    {"apps/StatefulSet", "spec", "Workload", NULL, NULL},
    {"apps/StatefulSet", "status", "Conditions", NULL, NULL},
    {"batch/Job", "spec", "Workload", NULL, NULL},
    {"batch/Job", "status", "Conditions", NULL, NULL},
    {"batch/CronJob", "spec", "CronJobSpec", NULL, NULL},
    {"CronJobSpec", "jobTemplate", "JobTemplate", NULL, NULL},
    {"JobTemplate", "metadata", "ObjectMeta", NULL, NULL},
    {"JobTemplate", "spec", "Workload", NULL, NULL},
    {"ReplicationControllerSpec", "selector", STRINGS, NULL, NULL},
    {"ReplicationControllerSpec", "template", "PodTemplate", NULL, NULL},
    {"Workload", "selector", "LabelSelector", NULL, "atomic"},
    {"Workload", "template", "PodTemplate", NULL, NULL},
    {"Workload", "volumeClaimTemplates", "/PersistentVolumeClaim", NULL, NULL},
    {"PodTemplate", "metadata", "ObjectMeta", NULL, NULL},
    {"PodTemplate", "spec", "PodSpec", NULL, NULL},
    {"PodSpec", "affinity", "Affinity", NULL, NULL},
    {"PodSpec", "containers", "Container", "name", "name"},
    {"PodSpec", "ephemeralContainers", "Container", "name", "name"},
    {"PodSpec", "hostAliases", NULL, "ip", "ip"},
    {"PodSpec", "imagePullSecrets", NULL, "name", "name"},
    {"PodSpec", "initContainers", "Container", "name", "name"},
    {"PodSpec", "nodeSelector", STRINGS, NULL, NULL},
    {"PodSpec", "overhead", QUANTITIES, NULL, NULL},
    {"PodSpec", "topologySpreadConstraints", "TopologySpreadConstraint", "topologyKey",
     "topologyKey whenUnsatisfiable"},
    {"PodSpec", "volumes", "Volume", "name", "name"},
    {"PodStatus", "conditions", NULL, "type", "type"},
    {"PodStatus", "podIPs", NULL, "ip", "ip"},
    {"Container", "env", NULL, "name", "name"},
    {"Container", "ports", NULL, "containerPort", "containerPort protocol"},
    {"Container", "resources", "ResourceRequirements", NULL, NULL},
    {"Container", "volumeDevices", NULL, "devicePath", "devicePath"},
    {"Container", "volumeMounts", NULL, "mountPath", "mountPath"},
    {"Volume", "csi", "CSIVolume", NULL, NULL},
    {"Volume", "ephemeral", "EphemeralVolume", NULL, NULL},
    {"Volume", "flexVolume", "FlexVolume", NULL, NULL},
    {"CSIVolume", "volumeAttributes", STRINGS, NULL, NULL},
    {"FlexVolume", "options", STRINGS, NULL, NULL},
    {"EphemeralVolume", "volumeClaimTemplate", "/PersistentVolumeClaim", NULL, NULL},
    {"Affinity", "podAffinity", "PodAffinity", NULL, NULL},
    {"Affinity", "podAntiAffinity", "PodAffinity", NULL, NULL},
    {"PodAffinity", "preferredDuringSchedulingIgnoredDuringExecution", "WeightedPodAffinityTerm",
     NULL, NULL},
    {"PodAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "PodAffinityTerm", NULL,
     NULL},
    {"WeightedPodAffinityTerm", "podAffinityTerm", "PodAffinityTerm", NULL, NULL},
    {"PodAffinityTerm", "labelSelector", "LabelSelector", NULL, "atomic"},
    {"TopologySpreadConstraint", "labelSelector", "LabelSelector", NULL, "atomic"},

    /* The other core kinds. */
    {"/ComponentStatus", "conditions", NULL, "type", "type"},
    {"/ConfigMap", "data", STRINGS, NULL, NULL},
    {"/ConfigMap", "binaryData", STRINGS, NULL, NULL},
    {"/Secret", "data", STRINGS, NULL, NULL},
    {"/Secret", "stringData", STRINGS, NULL, NULL},
    {"/Service", "spec", "ServiceSpec", NULL, NULL},
    {"/Service", "status", "Conditions", NULL, NULL},
    {"ServiceSpec", "ports", NULL, "port", "port protocol!"},
    {"ServiceSpec", "selector", STRINGS, NULL, NULL},
    {"/ServiceAccount", "secrets", NULL, "name", "name"},
    {"/Namespace", "status", "Conditions", NULL, NULL},
    {"/Node", "spec", "NodeSpec", NULL, NULL},
    {"/Node", "status", "NodeStatus", NULL, NULL},
    {"NodeSpec", "podCIDRs", NULL, "", "set"},
    {"NodeStatus", "addresses", NULL, "type", "type"},
    {"NodeStatus", "allocatable", QUANTITIES, NULL, NULL},
    {"NodeStatus", "capacity", QUANTITIES, NULL, NULL},
    {"NodeStatus", "conditions", NULL, "type", "type"},
    {"/PersistentVolumeClaim", "spec", "PersistentVolumeClaimSpec", NULL, NULL},
    {"/PersistentVolumeClaim", "status", "PersistentVolumeClaimStatus", NULL, NULL},
    {"PersistentVolumeClaimSpec", "resources", "ResourceRequirements", NULL, NULL},
    {"PersistentVolumeClaimSpec", "selector", "LabelSelector", NULL, "atomic"},
    {"PersistentVolumeClaimStatus", "capacity", QUANTITIES, NULL, NULL},
    {"PersistentVolumeClaimStatus", "conditions", NULL, "type", "type"},
    {"/PersistentVolume", "spec", "PersistentVolumeSpec", NULL, NULL},
    {"PersistentVolumeSpec", "capacity", QUANTITIES, NULL, NULL},
    {"PersistentVolumeSpec", "csi", "CSIVolume", NULL, NULL},
    {"PersistentVolumeSpec", "flexVolume", "FlexVolume", NULL, NULL},
    {"/LimitRange", "spec", "LimitRangeSpec", NULL, NULL},
    {"LimitRangeSpec", "limits", "LimitRangeItem", NULL, NULL},
    {"LimitRangeItem", "default", QUANTITIES, NULL, NULL},
    {"LimitRangeItem", "defaultRequest", QUANTITIES, NULL, NULL},
    {"LimitRangeItem", "max", QUANTITIES, NULL, NULL},
    {"LimitRangeItem", "maxLimitRequestRatio", QUANTITIES, NULL, NULL},
    {"LimitRangeItem", "min", QUANTITIES, NULL, NULL},
    {"/ResourceQuota", "spec", "ResourceQuotaSpec", NULL, NULL},
    {"/ResourceQuota", "status", "ResourceQuotaSpec", NULL, NULL},
    {"ResourceQuotaSpec", "hard", QUANTITIES, NULL, NULL},
    {"ResourceQuotaSpec", "used", QUANTITIES, NULL, NULL},

    /* autoscaling, policy, networking, discovery */
    {"autoscaling/HorizontalPodAutoscaler", "spec", "Autoscaler", NULL, NULL},
    {"autoscaling/HorizontalPodAutoscaler", "status", "Autoscaler", NULL, NULL},
    {"Autoscaler", "metrics", "Metric", NULL, NULL},
    {"Autoscaler", "currentMetrics", "Metric", NULL, NULL},
    {"Metric", "external", "MetricSource", NULL, NULL},
    {"Metric", "object", "MetricSource", NULL, NULL},
    {"Metric", "pods", "MetricSource", NULL, NULL},
    {"MetricSource", "metric", "MetricIdentifier", NULL, NULL},
    {"MetricSource", "metricSelector", "LabelSelector", NULL, "atomic"},
    {"MetricSource", "selector", "LabelSelector", NULL, "atomic"},
    {"MetricIdentifier", "selector", "LabelSelector", NULL, "atomic"},
    {"policy/PodDisruptionBudget", "spec", "PodDisruptionBudgetSpec", NULL, NULL},
    {"PodDisruptionBudgetSpec", "selector", "LabelSelector", NULL, "atomic"},
    {"networking.k8s.io/NetworkPolicy", "spec", "NetworkPolicySpec", NULL, NULL},
    {"NetworkPolicySpec", "podSelector", "LabelSelector", NULL, "atomic"},
    {"discovery.k8s.io/EndpointSlice", "endpoints", "Endpoint", NULL, NULL},
    {"Endpoint", "topology", STRINGS, NULL, NULL},

    /* storage, nodes, flow control */
    {"storage.k8s.io/StorageClass", "parameters", STRINGS, NULL, NULL},
    {"storage.k8s.io/CSIDriver", "spec", "CSIDriverSpec", NULL, NULL},
    {"CSIDriverSpec", "volumeLifecycleModes", NULL, NULL, "set"},
    {"storage.k8s.io/CSINode", "spec", "CSINodeSpec", NULL, NULL},
    {"CSINodeSpec", "drivers", NULL, "name", "name"},
    {"storage.k8s.io/VolumeAttachment", "spec", "VolumeAttachmentSpec", NULL, NULL},
    {"storage.k8s.io/VolumeAttachment", "status", "VolumeAttachmentStatus", NULL, NULL},
    {"VolumeAttachmentSpec", "source", "VolumeAttachmentSource", NULL, NULL},
    {"VolumeAttachmentSource", "inlineVolumeSpec", "PersistentVolumeSpec", NULL, NULL},
    {"VolumeAttachmentStatus", "attachmentMetadata", STRINGS, NULL, NULL},
    {"node.k8s.io/RuntimeClass", "overhead", "Overhead", NULL, NULL},
    {"node.k8s.io/RuntimeClass", "scheduling", "Scheduling", NULL, NULL},
    {"Overhead", "podFixed", QUANTITIES, NULL, NULL},
    {"Scheduling", "nodeSelector", STRINGS, NULL, NULL},
    {"flowcontrol.apiserver.k8s.io/FlowSchema", "status", "ListedConditions", NULL, NULL},
    {"flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration", "status", "ListedConditions", NULL,
     NULL},

    /* What extends the API. */
    {"admissionregistration.k8s.io/MutatingWebhookConfiguration", "webhooks", "Webhook", "name",
     "name"},
    {"admissionregistration.k8s.io/ValidatingWebhookConfiguration", "webhooks", "Webhook", "name",
     "name"},
    {"Webhook", "namespaceSelector", "LabelSelector", NULL, "atomic"},
    {"Webhook", "objectSelector", "LabelSelector", NULL, "atomic"},
    {"apiregistration.k8s.io/APIService", "status", "Conditions", NULL, NULL},
    {"certificates.k8s.io/CertificateSigningRequest", "status", "ListedConditions", NULL, NULL},
};

const char *kst_fields_root(const char *group, const char *kind)
{
    size_t len = group ? strlen(group) : 0;
    for (size_t i = 0; kind && i < KST_ARRAY_LEN(fields); i++) {
        const char *type = fields[i].type;
        if (strncmp(type, group ? group : "", len) == 0 && type[len] == '/' &&
            strcmp(type + len + 1, kind) == 0)
            return type;
    }
    return fields[0].type;
}

const struct kst_field *kst_fields_find(const char *type, const char *name)
{
    for (size_t i = 0; type && name && i < KST_ARRAY_LEN(fields); i++) {
        const struct kst_field *field = &fields[i];
        if (field->name[0] == name[0] && strcmp(field->name, name) == 0 &&
            strcmp(field->type, type) == 0)
            return field;
    }
    bool is_kind = type && strchr(type, '/');
    return is_kind && name && strcmp(name, "metadata") == 0 ? &fields[0] : NULL;
}

const char *kst_fields_entries(const char *type)
{
    static const char *const entries[] = {KST_FIELDS_STRING, KST_FIELDS_QUANTITY};
    static const char *const maps[] = {STRINGS, QUANTITIES};
    for (size_t i = 0; type && i < KST_ARRAY_LEN(maps); i++) {
        if (strcmp(type, maps[i]) == 0)
            return entries[i];
    }
    return NULL;
}
