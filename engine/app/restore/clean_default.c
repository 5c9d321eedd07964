/* SPDX-License-Identifier: Apache-2.0 */
/* What an API server fills in. Each version fills in more than the one before: without these, an
 * object from an older server would seem another than the same on a newer one. Only defaults that
 * depend on nothing else in the object are here. */
#include <string.h>

#include "app/restore/clean_internal.h"
#include "base/json.h"
#include "base/mem.h"

/* A NULL kind or parent stands for any. */
static const struct {
    const char *kind, *parent, *key, *value;
} defaults[] = {
    {NULL, "spec", "dnsPolicy", "\"ClusterFirst\""},
    {NULL, "spec", "enableServiceLinks", "true"},
    {NULL, "spec", "restartPolicy", "\"Always\""},
    {NULL, "spec", "schedulerName", "\"default-scheduler\""},
    {NULL, "spec", "terminationGracePeriodSeconds", "30"},
    {NULL, "", "terminationMessagePath", "\"/dev/termination-log\""},
    {NULL, "", "terminationMessagePolicy", "\"File\""},
    {NULL, "", "protocol", "\"TCP\""},
    {NULL, "configMap", "defaultMode", "420"},
    {NULL, "downwardAPI", "defaultMode", "420"},
    {NULL, "projected", "defaultMode", "420"},
    {NULL, "secret", "defaultMode", "420"},
    {NULL, "serviceAccountToken", "expirationSeconds", "3600"},
    {NULL, "fieldRef", "apiVersion", "\"v1\""},
    {NULL, "httpGet", "scheme", "\"HTTP\""},
    {NULL, "grpc", "service", "\"\""},
    {NULL, "hostPath", "type", "\"\""},
    {NULL, "livenessProbe", "timeoutSeconds", "1"},
    {NULL, "livenessProbe", "periodSeconds", "10"},
    {NULL, "livenessProbe", "successThreshold", "1"},
    {NULL, "livenessProbe", "failureThreshold", "3"},
    {NULL, "readinessProbe", "timeoutSeconds", "1"},
    {NULL, "readinessProbe", "periodSeconds", "10"},
    {NULL, "readinessProbe", "successThreshold", "1"},
    {NULL, "readinessProbe", "failureThreshold", "3"},
    {NULL, "startupProbe", "timeoutSeconds", "1"},
    {NULL, "startupProbe", "periodSeconds", "10"},
    {NULL, "startupProbe", "successThreshold", "1"},
    {NULL, "startupProbe", "failureThreshold", "3"},
    {NULL, "spec", "volumeMode", "\"Filesystem\""},

    {"Deployment", "spec", "replicas", "1"},
    {"Deployment", "spec", "progressDeadlineSeconds", "600"},
    {"Deployment", "spec", "revisionHistoryLimit", "10"},
    {"Deployment", "spec", "strategy",
     "{\"type\":\"RollingUpdate\",\"rollingUpdate\":"
     "{\"maxSurge\":\"25%\",\"maxUnavailable\":\"25%\"}}"},
    {"ReplicaSet", "spec", "replicas", "1"},
    {"ReplicationController", "spec", "replicas", "1"},
    {"StatefulSet", "spec", "replicas", "1"},
    {"StatefulSet", "spec", "revisionHistoryLimit", "10"},
    {"StatefulSet", "spec", "podManagementPolicy", "\"OrderedReady\""},
    {"StatefulSet", "spec", "persistentVolumeClaimRetentionPolicy",
     "{\"whenDeleted\":\"Retain\",\"whenScaled\":\"Retain\"}"},
    {"StatefulSet", "spec", "updateStrategy",
     "{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"partition\":0}}"},
    {"StatefulSet", "", "apiVersion", "\"v1\""},
    {"StatefulSet", "", "kind", "\"PersistentVolumeClaim\""},
    {"DaemonSet", "spec", "revisionHistoryLimit", "10"},
    {"DaemonSet", "rollingUpdate", "maxSurge", "0"},
    {"Job", "spec", "backoffLimit", "6"},
    {"Job", "spec", "completionMode", "\"NonIndexed\""},
    {"Job", "spec", "manualSelector", "false"},
    {"Job", "spec", "podReplacementPolicy", "\"TerminatingOrFailed\""},
    {"Job", "spec", "suspend", "false"},
    {"CronJob", "spec", "backoffLimit", "6"},
    {"CronJob", "spec", "completionMode", "\"NonIndexed\""},
    {"CronJob", "spec", "podReplacementPolicy", "\"TerminatingOrFailed\""},
    {"CronJob", "spec", "concurrencyPolicy", "\"Allow\""},
    {"CronJob", "spec", "failedJobsHistoryLimit", "1"},
    {"CronJob", "spec", "successfulJobsHistoryLimit", "3"},
    {"CronJob", "spec", "suspend", "false"},

    {"Service", "spec", "allocateLoadBalancerNodePorts", "true"},
    {"Service", "spec", "externalTrafficPolicy", "\"Cluster\""},
    {"Service", "spec", "internalTrafficPolicy", "\"Cluster\""},
    {"Service", "spec", "ipFamilies", "[\"IPv4\"]"},
    {"Service", "spec", "ipFamilyPolicy", "\"SingleStack\""},
    {"Service", "spec", "sessionAffinity", "\"None\""},
    {"Service", "spec", "type", "\"ClusterIP\""},
    {"Secret", "", "type", "\"Opaque\""},
    {"HorizontalPodAutoscaler", "spec", "minReplicas", "1"},
    {"PersistentVolume", "spec", "persistentVolumeReclaimPolicy", "\"Retain\""},
    {"PriorityClass", "", "preemptionPolicy", "\"PreemptLowerPriority\""},
    {"StorageClass", "", "reclaimPolicy", "\"Delete\""},
    {"StorageClass", "", "volumeBindingMode", "\"Immediate\""},
    {"CSIDriver", "spec", "attachRequired", "true"},
    {"CSIDriver", "spec", "fsGroupPolicy", "\"ReadWriteOnceWithFSType\""},
    {"CSIDriver", "spec", "podInfoOnMount", "false"},
    {"CSIDriver", "spec", "requiresRepublish", "false"},
    {"CSIDriver", "spec", "seLinuxMount", "false"},
    {"CSIDriver", "spec", "storageCapacity", "false"},
    {"CSIDriver", "spec", "volumeLifecycleModes", "[\"Persistent\"]"},
    {"CustomResourceDefinition", "spec", "conversion", "{\"strategy\":\"None\"}"},
    {"CustomResourceDefinition", "service", "port", "443"},
    {"APIService", "service", "port", "443"},
    {"MutatingWebhookConfiguration", "", "reinvocationPolicy", "\"Never\""},
    {"MutatingWebhookConfiguration", "", "scope", "\"*\""},
    {"MutatingWebhookConfiguration", "service", "port", "443"},
    {"ValidatingWebhookConfiguration", "", "scope", "\"*\""},
    {"ValidatingWebhookConfiguration", "service", "port", "443"},
};

static bool equals(const struct kst_json *value, const char *text)
{
    kst_auto_json struct kst_json *wanted = NULL;
    return kst_json_parse(text, strlen(text), &wanted, NULL) == 0 && kst_json_equal(value, wanted);
}

bool kst_clean_is_default(const char *kind, const char *parent, const char *key,
                          const struct kst_json *value)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(defaults); i++)
        if (strcmp(defaults[i].key, key) == 0 &&
            (!defaults[i].kind || strcmp(defaults[i].kind, kind) == 0) &&
            (!defaults[i].parent || strcmp(defaults[i].parent, parent) == 0) &&
            equals(value, defaults[i].value))
            return true;
    return false;
}
