/* SPDX-License-Identifier: Apache-2.0 */
/* What is not restored: it is made again by something, tells of a process or machine of the old
 * life, or is over. */
#include <string.h>

#include "app/restore/clean.h"
#include "app/restore/manifest.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

static bool has_condition(const struct kst_json *object, const char *type)
{
    const struct kst_json *c = kst_json_first(kst_json_path(object, "status.conditions"));
    for (; c; c = kst_json_next(c))
        if (kst_same(kst_manifest_text(c, "type"), type) &&
            kst_same(kst_manifest_text(c, "status"), "True"))
            return true;
    return false;
}

static bool has_label(const struct kst_json *object, const char *key, const char *value)
{
    const char *found = kst_manifest_mark(object, "labels", key);
    return found && kst_same(found, value);
}

static const char *skip_pod(const struct kst_json *object)
{
    const char *phase = kst_manifest_text(object, "status.phase");
    if (kst_same(phase, "Succeeded") || kst_same(phase, "Failed"))
        return "the Pod has ended";
    if (kst_manifest_mark(object, "annotations", "kubernetes.io/config.mirror"))
        return "a node runs this Pod from a file of its own";
    return NULL;
}

static const char *skip_job(const struct kst_json *object)
{
    if (has_condition(object, "Complete") || kst_json_path_str(object, "status.completionTime"))
        return "the Job has completed";
    if (has_condition(object, "Failed"))
        return "the Job has failed for good";
    return NULL;
}

static const char *skip_secret(const struct kst_json *object)
{
    const char *type = kst_manifest_text(object, "type");
    const char *name = kst_manifest_text(object, "metadata.name");
    const char *account = kst_manifest_mark(object, "annotations",
                                            "kubernetes.io/service-account.name");
    if (kst_same(type, "kubernetes.io/service-account-token") && account &&
        kst_manifest_is_generated(name, account, "token"))
        return "the cluster makes tokens of service accounts itself";
    if (kst_same(type, "kubernetes.io/dockercfg") && account &&
        kst_manifest_is_generated(name, account, "dockercfg"))
        return "the cluster makes the registry credentials of service accounts itself";
    return NULL;
}

static const char *skip_config_map(const struct kst_json *object)
{
    const char *name = kst_manifest_text(object, "metadata.name");
    if (kst_same(name, "kube-root-ca.crt") || kst_same(name, "openshift-service-ca.crt"))
        return "the cluster gives each namespace its own certificates";
    return NULL;
}

static bool has_pod_target(const struct kst_json *object)
{
    static const char *const lists[] = {"addresses", "notReadyAddresses"};
    const struct kst_json *subset = kst_json_first(kst_json_get(object, "subsets"));
    for (; subset; subset = kst_json_next(subset))
        for (size_t i = 0; i < KST_ARRAY_LEN(lists); i++) {
            const struct kst_json *a = kst_json_first(kst_json_get(subset, lists[i]));
            for (; a; a = kst_json_next(a))
                if (kst_same(kst_manifest_text(a, "targetRef.kind"), "Pod"))
                    return true;
        }
    return false;
}

static const char *skip_endpoints(const struct kst_json *object)
{
    if (has_label(object, "endpoints.kubernetes.io/managed-by", "endpoint-controller") ||
        kst_manifest_mark(object, "annotations",
                          "endpoints.kubernetes.io/last-change-trigger-time") ||
        has_pod_target(object))
        return "the cluster makes it from the Service and its Pods";
    return NULL;
}

static const char *skip_slice(const struct kst_json *object)
{
    const char *by = kst_manifest_mark(object, "labels", "endpointslice.kubernetes.io/managed-by");
    if (by && (kst_same(by, "endpointslice-controller.k8s.io") ||
               kst_same(by, "endpointslicemirroring-controller.k8s.io")))
        return "the cluster makes it from the Service and its Pods";
    return NULL;
}

static const char *skip_service(const struct kst_json *object)
{
    if (kst_same(kst_manifest_text(object, "metadata.name"), "kubernetes") &&
        kst_same(kst_manifest_text(object, "metadata.namespace"), "default"))
        return "the API server keeps its own Service";
    return NULL;
}

static const char *skip_api_service(const struct kst_json *object)
{
    if (kst_manifest_mark(object, "labels", "kube-aggregator.kubernetes.io/automanaged"))
        return "the API server keeps the APIServices of its own groups and of definitions";
    return NULL;
}

static const char *skip_role(const struct kst_json *object)
{
    if (has_label(object, "kubernetes.io/bootstrapping", "rbac-defaults"))
        return "the API server keeps its default roles";
    return NULL;
}

static const char *skip_priority(const struct kst_json *object)
{
    if (strncmp(kst_manifest_text(object, "metadata.name"), "system-", strlen("system-")) == 0)
        return "the API server keeps the system's priority classes";
    return NULL;
}

#define CORE      ""
#define RBAC      "rbac.authorization.k8s.io"
#define SNAPSHOT  "snapshot.storage.k8s.io"
#define GROUPS    "groupsnapshot.storage.k8s.io"
#define OF_NODE   "it tells of a machine or process of the cluster it comes from"
#define OF_VOLUME "a snapshot belongs to the volume that it was cut from"
#define A_RECORD  "it records what has happened"
#define AN_ANSWER "it is the answer to a question, which is not kept"

static const struct {
    const char *group, *kind;
    const char *(*ask)(const struct kst_json *object);
    const char *reason;
} kinds[] = {
    {CORE, "ConfigMap", skip_config_map, NULL},
    {CORE, "Endpoints", skip_endpoints, NULL},
    {CORE, "Pod", skip_pod, NULL},
    {CORE, "Secret", skip_secret, NULL},
    {CORE, "Service", skip_service, NULL},
    {"apiregistration.k8s.io", "APIService", skip_api_service, NULL},
    {"batch", "Job", skip_job, NULL},
    {"discovery.k8s.io", "EndpointSlice", skip_slice, NULL},
    {RBAC, "ClusterRole", skip_role, NULL},
    {RBAC, "ClusterRoleBinding", skip_role, NULL},
    {RBAC, "Role", skip_role, NULL},
    {RBAC, "RoleBinding", skip_role, NULL},
    {"scheduling.k8s.io", "PriorityClass", skip_priority, NULL},

    {CORE, "Binding", NULL, AN_ANSWER},
    {CORE, "ComponentStatus", NULL, AN_ANSWER},
    {CORE, "Event", NULL, A_RECORD},
    {"events.k8s.io", "Event", NULL, A_RECORD},
    {CORE, "Node", NULL, OF_NODE},
    {"coordination.k8s.io", "Lease", NULL, OF_NODE},
    {"coordination.k8s.io", "LeaseCandidate", NULL, OF_NODE},
    {"internal.apiserver.k8s.io", "StorageVersion", NULL, OF_NODE},
    {"metrics.k8s.io", "NodeMetrics", NULL, AN_ANSWER},
    {"metrics.k8s.io", "PodMetrics", NULL, AN_ANSWER},
    {"networking.k8s.io", "IPAddress", NULL, "the API server keeps the addresses of Services"},
    {"resource.k8s.io", "PodSchedulingContext", NULL, OF_NODE},
    {"resource.k8s.io", "ResourceSlice", NULL, OF_NODE},
    {"storage.k8s.io", "CSINode", NULL, OF_NODE},
    {"storage.k8s.io", "CSIStorageCapacity", NULL, OF_NODE},
    {"storage.k8s.io", "VolumeAttachment", NULL, OF_NODE},
    {"certificates.k8s.io", "CertificateSigningRequest", NULL,
     "a request for a certificate is answered once"},
    {SNAPSHOT, "VolumeSnapshot", NULL, OF_VOLUME},
    {SNAPSHOT, "VolumeSnapshotContent", NULL, OF_VOLUME},
    {GROUPS, "VolumeGroupSnapshot", NULL, OF_VOLUME},
    {GROUPS, "VolumeGroupSnapshotContent", NULL, OF_VOLUME},
    {"kassette.io", "RestorePoint", NULL, A_RECORD},
    {"kassette.io", "Run", NULL, A_RECORD},
};

const char *kst_clean_skip(const struct kst_json *object)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(kinds); i++)
        if (kst_manifest_is(object, kinds[i].group, kinds[i].kind))
            return kinds[i].ask ? kinds[i].ask(object) : kinds[i].reason;
    return NULL;
}
