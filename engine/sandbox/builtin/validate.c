/* SPDX-License-Identifier: Apache-2.0 */
/* Which validation is that of which kind. */
#include "sandbox/builtin/validate.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sandbox/builtin/builtin.h"

#define RBAC "rbac.authorization.k8s.io"

static const struct {
    const char *group, *kind;
    kst_validate_fn *validate;
} kinds[] = {
    {"", "Pod", kst_validate_pod},
    {"", "PodTemplate", kst_validate_podtemplate},
    {"", "ReplicationController", kst_validate_controller},
    {"", "Service", kst_validate_service},
    {"", "Endpoints", kst_validate_endpoints},
    {"", "ConfigMap", kst_validate_configmap},
    {"", "Event", kst_validate_event},
    {"", "Secret", kst_validate_secret},
    {"", "Namespace", kst_validate_namespace},
    {"", "PersistentVolumeClaim", kst_validate_claim},
    {"", "PersistentVolume", kst_validate_volume},
    {"", "ResourceQuota", kst_validate_quota},
    {"", "LimitRange", kst_validate_limits},
    {"apps", "Deployment", kst_validate_deployment},
    {"apps", "ReplicaSet", kst_validate_replicaset},
    {"apps", "StatefulSet", kst_validate_statefulset},
    {"apps", "DaemonSet", kst_validate_daemonset},
    {"batch", "Job", kst_validate_job},
    {"batch", "CronJob", kst_validate_cronjob},
    {"policy", "PodDisruptionBudget", kst_validate_budget},
    {"autoscaling", "HorizontalPodAutoscaler", kst_validate_autoscaler},
    {"networking.k8s.io", "Ingress", kst_validate_ingress},
    {"networking.k8s.io", "NetworkPolicy", kst_validate_network_policy},
    {RBAC, "Role", kst_validate_role},
    {RBAC, "ClusterRole", kst_validate_role},
    {RBAC, "RoleBinding", kst_validate_binding},
    {RBAC, "ClusterRoleBinding", kst_validate_binding},
    {"storage.k8s.io", "StorageClass", kst_validate_storage_class},
    {"coordination.k8s.io", "Lease", kst_validate_lease},
    {"scheduling.k8s.io", "PriorityClass", kst_validate_priority_class},
};

void kst_builtin_validate(const char *group, const char *kind, const struct kst_json *object,
                          const struct kst_json *old, struct kst_json *causes)
{
    struct kst_place top = kst_place_top(causes);
    for (size_t i = 0; i < KST_ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].group, group) == 0 && strcmp(kinds[i].kind, kind) == 0)
            kinds[i].validate(&top, object, old);
}
