/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/api/registry_table.h"

#include "sandbox/api/registry.h"

/* clang-format off */
enum {
    N = KST_RES_NAMESPACED, S = KST_RES_STATUS, C = KST_RES_SCALE, G = KST_RES_GENERATION,
    Q = KST_RES_CREATE_ONLY, O = KST_RES_NO_COLLECTION, D = KST_RES_SHOWS_DELETED,
    R = KST_RES_READ_ONLY, F = KST_RES_OTHER_FORM,
};

#define RBAC "rbac.authorization.k8s.io"
#define ADMISSION "admissionregistration.k8s.io"

/* Groups in the order of the real server's /apis, versions of a group with the preferred one first.
 * An older version is here where its objects have the same form, or convert.c knows theirs. */
const struct kst_builtin_resource kst_builtin_resources[] = {
    {"", "v1", "bindings", "Binding", "", "", N | Q, NULL},
    {"", "v1", "componentstatuses", "ComponentStatus", "cs", "", R, NULL},
    {"", "v1", "configmaps", "ConfigMap", "cm", "", N, NULL},
    {"", "v1", "endpoints", "Endpoints", "ep", "", N, NULL},
    {"", "v1", "events", "Event", "ev", "", N, NULL},
    {"", "v1", "limitranges", "LimitRange", "limits", "", N, NULL},
    {"", "v1", "namespaces", "Namespace", "ns", "", S | O, NULL},
    {"", "v1", "nodes", "Node", "no", "", S, NULL},
    {"", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", "pvc", "", N | S | D, NULL},
    {"", "v1", "persistentvolumes", "PersistentVolume", "pv", "", S | D, NULL},
    {"", "v1", "pods", "Pod", "po", "all", N | S | D, NULL},
    {"", "v1", "podtemplates", "PodTemplate", "", "", N | D, NULL},
    {"", "v1", "replicationcontrollers", "ReplicationController", "rc", "all", N | S | C | G, NULL},
    {"", "v1", "resourcequotas", "ResourceQuota", "quota", "", N | S | D, NULL},
    {"", "v1", "secrets", "Secret", "", "", N, NULL},
    {"", "v1", "serviceaccounts", "ServiceAccount", "sa", "", N | D, NULL},
    {"", "v1", "services", "Service", "svc", "all", N | S | O, NULL},

    {"apiregistration.k8s.io", "v1", "apiservices", "APIService", "", "api-extensions", S, NULL},
    {"apiregistration.k8s.io", "v1beta1", "apiservices", "APIService", "", "api-extensions", S,
     "apiregistration.k8s.io/v1"},

    {"apps", "v1", "controllerrevisions", "ControllerRevision", "", "", N, NULL},
    {"apps", "v1", "daemonsets", "DaemonSet", "ds", "all", N | S | G, NULL},
    {"apps", "v1", "deployments", "Deployment", "deploy", "all", N | S | C | G, NULL},
    {"apps", "v1", "replicasets", "ReplicaSet", "rs", "all", N | S | C | G, NULL},
    {"apps", "v1", "statefulsets", "StatefulSet", "sts", "all", N | S | C | G, NULL},

    {"events.k8s.io", "v1", "events", "Event", "ev", "", N | F, "v1"},
    {"events.k8s.io", "v1beta1", "events", "Event", "ev", "", N | F, "v1"},

    {"authentication.k8s.io", "v1", "tokenreviews", "TokenReview", "", "", Q, NULL},
    {"authentication.k8s.io", "v1beta1", "tokenreviews", "TokenReview", "", "", Q, NULL},

    {"authorization.k8s.io", "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", "", "",
     N | Q, NULL},
    {"authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", "", "",
     Q, NULL},
    {"authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", "", "", Q,
     NULL},
    {"authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", "", "", Q, NULL},
    {"authorization.k8s.io", "v1beta1", "localsubjectaccessreviews", "LocalSubjectAccessReview", "",
     "", N | Q, NULL},
    {"authorization.k8s.io", "v1beta1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", "",
     "", Q, NULL},
    {"authorization.k8s.io", "v1beta1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", "", "",
     Q, NULL},
    {"authorization.k8s.io", "v1beta1", "subjectaccessreviews", "SubjectAccessReview", "", "", Q,
     NULL},

    {"autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa", "all",
     N | S, NULL},

    {"batch", "v1", "jobs", "Job", "", "all", N | S, NULL},
    {"batch", "v1beta1", "cronjobs", "CronJob", "cj", "all", N | S, NULL},

    {"certificates.k8s.io", "v1", "certificatesigningrequests", "CertificateSigningRequest", "csr",
     "", S, NULL},

    {"networking.k8s.io", "v1", "ingressclasses", "IngressClass", "", "", G, NULL},
    {"networking.k8s.io", "v1", "ingresses", "Ingress", "ing", "", N | S | G, NULL},
    {"networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", "netpol", "", N | G, NULL},

    {"policy", "v1beta1", "poddisruptionbudgets", "PodDisruptionBudget", "pdb", "", N | S | G,
     NULL},

    {RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", "", "", 0, NULL},
    {RBAC, "v1", "clusterroles", "ClusterRole", "", "", 0, NULL},
    {RBAC, "v1", "rolebindings", "RoleBinding", "", "", N, NULL},
    {RBAC, "v1", "roles", "Role", "", "", N, NULL},
    {RBAC, "v1beta1", "clusterrolebindings", "ClusterRoleBinding", "", "", 0, RBAC "/v1"},
    {RBAC, "v1beta1", "clusterroles", "ClusterRole", "", "", 0, RBAC "/v1"},
    {RBAC, "v1beta1", "rolebindings", "RoleBinding", "", "", N, RBAC "/v1"},
    {RBAC, "v1beta1", "roles", "Role", "", "", N, RBAC "/v1"},

    {"storage.k8s.io", "v1", "csidrivers", "CSIDriver", "", "", 0, NULL},
    {"storage.k8s.io", "v1", "csinodes", "CSINode", "", "", 0, NULL},
    {"storage.k8s.io", "v1", "storageclasses", "StorageClass", "sc", "", 0, NULL},
    {"storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", "", "", S, NULL},
    {"storage.k8s.io", "v1beta1", "csidrivers", "CSIDriver", "", "", 0, "storage.k8s.io/v1"},
    {"storage.k8s.io", "v1beta1", "csinodes", "CSINode", "", "", 0, "storage.k8s.io/v1"},
    {"storage.k8s.io", "v1beta1", "storageclasses", "StorageClass", "sc", "", 0,
     "storage.k8s.io/v1"},
    {"storage.k8s.io", "v1beta1", "volumeattachments", "VolumeAttachment", "", "", 0,
     "storage.k8s.io/v1"},

    {ADMISSION, "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", "",
     "api-extensions", G, NULL},
    {ADMISSION, "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", "",
     "api-extensions", G, NULL},

    {"apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition",
     "crd,crds", "api-extensions", S | G, NULL},
    {"apiextensions.k8s.io", "v1beta1", "customresourcedefinitions", "CustomResourceDefinition",
     "crd,crds", "api-extensions", S | G | F, "apiextensions.k8s.io/v1"},

    {"scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", "pc", "", G, NULL},
    {"scheduling.k8s.io", "v1beta1", "priorityclasses", "PriorityClass", "pc", "", G,
     "scheduling.k8s.io/v1"},

    {"coordination.k8s.io", "v1", "leases", "Lease", "", "", N, NULL},
    {"coordination.k8s.io", "v1beta1", "leases", "Lease", "", "", N, "coordination.k8s.io/v1"},

    {"node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", "", "", 0, NULL},
    {"node.k8s.io", "v1beta1", "runtimeclasses", "RuntimeClass", "", "", 0, "node.k8s.io/v1"},

    {"discovery.k8s.io", "v1beta1", "endpointslices", "EndpointSlice", "", "", N | G, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL},
};

const struct kst_builtin_subresource kst_builtin_subresources[] = {
    {"", "namespaces/finalize", "Namespace", "update", NULL, NULL},
    {"", "pods/binding", "Binding", "create", NULL, NULL},
    {"", "pods/eviction", "Eviction", "create", "policy", "v1beta1"},
    {"", "pods/exec", "PodExecOptions", "create,get", NULL, NULL},
    {"", "pods/log", "Pod", "get", NULL, NULL},
    {"", "pods/portforward", "PodPortForwardOptions", "create,get", NULL, NULL},
    {"", "serviceaccounts/token", "TokenRequest", "create", "authentication.k8s.io", "v1"},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
