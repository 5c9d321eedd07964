/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which resources the API server has, by discovery (aggregated where it is offered, else group by
 * group, in parallel), read when first needed and once more when something is not found.
 * https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
 */
#ifndef KST_KUBE_RESOURCE_H
#define KST_KUBE_RESOURCE_H

#include <stdbool.h>
#include <stddef.h>

struct kst_buf;
struct kst_err;
struct kst_json;
struct kst_kube;

/* One resource in one version. Lives as long as the client it came from (resources of a discovery
 * that was read again stay valid). */
struct kst_kube_resource {
    const char *group; /* "" for the core group */
    const char *version;
    const char *api_version; /* "v1", "apps/v1" */
    const char *kind;
    const char *plural;
    const char *singular;
    bool namespaced;
    bool preferred;                 /* its version is the group's preferred one */
    bool has_status;                /* a status subresource is listed */
    unsigned verbs;                 /* of enum kst_kube_verb */
    const char *const *short_names; /* ended by NULL */
};

enum kst_kube_verb {
    KST_VERB_GET = 1,
    KST_VERB_LIST = 2,
    KST_VERB_WATCH = 4,
    KST_VERB_CREATE = 8,
    KST_VERB_UPDATE = 16,
    KST_VERB_PATCH = 32,
    KST_VERB_DELETE = 64,
    KST_VERB_DELETECOLLECTION = 128,
};

/* Resources that the engine itself uses and whose version it fixes: no discovery is needed. */
extern const struct kst_kube_resource kst_res_namespaces, kst_res_pods, kst_res_secrets,
    kst_res_configmaps, kst_res_events, kst_res_pvcs, kst_res_pvs, kst_res_serviceaccounts,
    kst_res_statefulsets, kst_res_deployments, kst_res_daemonsets, kst_res_replicasets,
    kst_res_jobs, kst_res_storageclasses, kst_res_leases, kst_res_snapshots,
    kst_res_snapshot_classes, kst_res_snapshot_contents, kst_res_runs, kst_res_restorepoints;

/* By kind, plural, singular or short name, optionally with ".group" ("deploy", "Deployment",
 * "deployments.apps", "certificates.v1.cert-manager.io"); the preferred version, core before
 * others, as kubectl does. Yields. KST_E_NOT_FOUND names near ones. */
int kst_kube_find_resource(struct kst_kube *self, const char *name,
                           const struct kst_kube_resource **out, struct kst_err **err);
/* By apiVersion and kind, as objects have them. Yields. KST_E_NOT_FOUND. */
int kst_kube_find_kind(struct kst_kube *self, const char *api_version, const char *kind,
                       const struct kst_kube_resource **out, struct kst_err **err);
/* All of them, in the server's order; groups that did not answer are left out and named in
 * *missing (the caller frees it; NULL where all answered). The array ends with NULL and is owned
 * by the caller (its entries are not). Yields. */
int kst_kube_all_resources(struct kst_kube *self, const struct kst_kube_resource ***out,
                           char **missing, struct kst_err **err);
/* Whether the group (`len` bytes) is one of Kubernetes' own: those without a dot, which no
 * definition can have, and some of k8s.io. Never yields. */
bool kst_kube_is_builtin_group(const char *group, size_t len);
/* Whether the group and version are served at all ("snapshot.storage.k8s.io/v1"). Yields. */
int kst_kube_has_group(struct kst_kube *self, const char *api_version, bool *served,
                       struct kst_err **err);

/* The URL path of a resource, an object (`name` not NULL) or its subresource. Appends. */
void kst_kube_path(const struct kst_kube_resource *resource, const char *ns, const char *name,
                   const char *subresource, struct kst_buf *out);

#endif
