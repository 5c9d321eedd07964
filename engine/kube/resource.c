/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/resource.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "loop/http.h"

#define ALL_VERBS                                                                        \
    (KST_VERB_GET | KST_VERB_LIST | KST_VERB_WATCH | KST_VERB_CREATE | KST_VERB_UPDATE | \
     KST_VERB_PATCH | KST_VERB_DELETE | KST_VERB_DELETECOLLECTION)

static const char *const no_short_names[] = {NULL};

/* clang-format off */
#define RESOURCE(id, group_, version_, api_, kind_, plural_, singular_, namespaced_, status_) \
    const struct kst_kube_resource kst_res_##id = {                                           \
        .group = group_, .version = version_, .api_version = api_, .kind = kind_,             \
        .plural = plural_, .singular = singular_, .namespaced = namespaced_,                  \
        .preferred = true, .has_status = status_, .verbs = ALL_VERBS,                         \
        .short_names = no_short_names}

#define SNAPSHOT_GROUP "snapshot.storage.k8s.io"

RESOURCE(namespaces, "", "v1", "v1", "Namespace", "namespaces", "namespace", false, true);
RESOURCE(pods, "", "v1", "v1", "Pod", "pods", "pod", true, true);
RESOURCE(secrets, "", "v1", "v1", "Secret", "secrets", "secret", true, false);
RESOURCE(configmaps, "", "v1", "v1", "ConfigMap", "configmaps", "configmap", true, false);
RESOURCE(events, "", "v1", "v1", "Event", "events", "event", true, false);
RESOURCE(pvcs, "", "v1", "v1", "PersistentVolumeClaim", "persistentvolumeclaims",
         "persistentvolumeclaim", true, true);
RESOURCE(pvs, "", "v1", "v1", "PersistentVolume", "persistentvolumes", "persistentvolume", false,
         true);
RESOURCE(serviceaccounts, "", "v1", "v1", "ServiceAccount", "serviceaccounts", "serviceaccount",
         true, false);
RESOURCE(statefulsets, "apps", "v1", "apps/v1", "StatefulSet", "statefulsets", "statefulset", true,
         true);
RESOURCE(deployments, "apps", "v1", "apps/v1", "Deployment", "deployments", "deployment", true,
         true);
RESOURCE(daemonsets, "apps", "v1", "apps/v1", "DaemonSet", "daemonsets", "daemonset", true, true);
RESOURCE(replicasets, "apps", "v1", "apps/v1", "ReplicaSet", "replicasets", "replicaset", true,
         true);
RESOURCE(jobs, "batch", "v1", "batch/v1", "Job", "jobs", "job", true, true);
RESOURCE(storageclasses, "storage.k8s.io", "v1", "storage.k8s.io/v1", "StorageClass",
         "storageclasses", "storageclass", false, false);
RESOURCE(leases, "coordination.k8s.io", "v1", "coordination.k8s.io/v1", "Lease", "leases", "lease",
         true, false);
RESOURCE(snapshots, SNAPSHOT_GROUP, "v1", SNAPSHOT_GROUP "/v1", "VolumeSnapshot",
         "volumesnapshots", "volumesnapshot", true, true);
RESOURCE(snapshot_classes, SNAPSHOT_GROUP, "v1", SNAPSHOT_GROUP "/v1", "VolumeSnapshotClass",
         "volumesnapshotclasses", "volumesnapshotclass", false, false);
RESOURCE(snapshot_contents, SNAPSHOT_GROUP, "v1", SNAPSHOT_GROUP "/v1", "VolumeSnapshotContent",
         "volumesnapshotcontents", "volumesnapshotcontent", false, true);
RESOURCE(runs, "kassette.io", "v1alpha1", "kassette.io/v1alpha1", "Run", "runs", "run", true, true);
RESOURCE(restorepoints, "kassette.io", "v1alpha1", "kassette.io/v1alpha1", "RestorePoint",
         "restorepoints", "restorepoint", true, true);
/* clang-format on */

static void add_part(struct kst_buf *out, const char *text)
{
    /* "." and ".." would be taken for folders on the way, and lead to another object. */
    bool is_folder = strcmp(text, ".") == 0 || strcmp(text, "..") == 0;
    kst_buf_addc(out, '/');
    if (is_folder)
        kst_buf_adds(out, text[1] ? "%2E%2E" : "%2E");
    else
        kst_url_escape(out, text);
}

void kst_kube_path(const struct kst_kube_resource *resource, const char *ns, const char *name,
                   const char *subresource, struct kst_buf *out)
{
    if (*resource->group)
        kst_buf_addf(out, "/apis/%s/%s", resource->group, resource->version);
    else
        kst_buf_addf(out, "/api/%s", resource->version);
    if (resource->namespaced && ns && *ns) {
        kst_buf_adds(out, "/namespaces");
        add_part(out, ns);
    }
    add_part(out, resource->plural);
    if (name)
        add_part(out, name);
    /* Not escaped: it is a constant, or several parts ("proxy/path"). */
    if (subresource)
        kst_buf_addf(out, "/%s", subresource);
}

bool kst_kube_is_builtin_group(const char *group, size_t len)
{
    static const char *const groups[] = {
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "internal.apiserver.k8s.io",
        "metrics.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
        "storagemigration.k8s.io",
    };
    if (!memchr(group, '.', len))
        return true;
    for (size_t i = 0; i < KST_ARRAY_LEN(groups); i++) {
        if (strlen(groups[i]) == len && memcmp(groups[i], group, len) == 0)
            return true;
    }
    return false;
}
