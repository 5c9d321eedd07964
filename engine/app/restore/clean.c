/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every object has: identity, the marks of controllers, finalizers. A mark that only a
 * controller makes goes, and the controller makes it again. A finalizer goes where it is
 * Kubernetes' own or a cloud's for a resource of the old object; one of another controller stays,
 * for a user may have set it (a cascade of Argo CD) and nothing tells the two apart.
 *
 * https://kubernetes.io/docs/reference/labels-annotations-taints/
 */
#include "app/restore/clean.h"

#include <string.h>

#include "app/restore/clean_internal.h"
#include "app/restore/manifest.h"
#include "base/json.h"
#include "base/mem.h"

/* Whole keys, or with a * at the end what begins so. */
static const char *const controller_annotations[] = {
    "autoscaling.alpha.kubernetes.io/conditions",
    "autoscaling.alpha.kubernetes.io/current-metrics",
    "batch.kubernetes.io/job-tracking",
    "cloud.google.com/neg-status",
    "cni.projectcalico.org/*",
    "control-plane.alpha.kubernetes.io/leader",
    "deployment.kubernetes.io/*",
    "deprecated.daemonset.template.generation",
    "endpoints.kubernetes.io/last-change-trigger-time",
    "endpoints.kubernetes.io/over-capacity",
    "field.cattle.io/publicEndpoints",
    "ingress.kubernetes.io/backends",
    "ingress.kubernetes.io/forwarding-rule",
    "ingress.kubernetes.io/https-forwarding-rule",
    "ingress.kubernetes.io/https-target-proxy",
    "ingress.kubernetes.io/ssl-cert",
    "ingress.kubernetes.io/static-ip",
    "ingress.kubernetes.io/target-proxy",
    "ingress.kubernetes.io/url-map",
    "k8s.v1.cni.cncf.io/network-status",
    "k8s.v1.cni.cncf.io/networks-status",
    "kubernetes.io/limit-ranger",
    "kubernetes.io/psp",
    "openshift.io/scc",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "pv.kubernetes.io/migrated-to",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-resizer",
};

static const char *const kubernetes_finalizers[] = {
    "batch.kubernetes.io/job-tracking",
    "customresourcecleanup.apiextensions.k8s.io",
    "external-attacher/*",
    "external-provisioner.volume.kubernetes.io/finalizer",
    "finalizers.networking.k8s.io/*",
    "foregroundDeletion",
    "ingress.k8s.aws/resources",
    "kubernetes",
    "kubernetes.io/*",
    "networking.gke.io/*",
    "orphan",
    "resource.kubernetes.io/delete-protection",
    "service.k8s.aws/resources",
    "service.kubernetes.io/load-balancer-cleanup",
    "snapshot.storage.kubernetes.io/*",
};

static bool is_in(const char *const *list, size_t count, const char *text)
{
    for (size_t i = 0; text && i < count; i++) {
        size_t len = strlen(list[i]);
        if (list[i][len - 1] == '*' ? strncmp(list[i], text, len - 1) == 0
                                    : strcmp(list[i], text) == 0)
            return true;
    }
    return false;
}

static void clean_annotations(struct kst_json *annotations)
{
    struct kst_json *next;
    for (struct kst_json *a = kst_json_first_mut(annotations); a; a = next) {
        next = kst_json_next_mut(a);
        if (is_in(controller_annotations, KST_ARRAY_LEN(controller_annotations), kst_json_key(a)))
            kst_json_drop(annotations, a);
    }
}

static void clean_finalizers(struct kst_json *finalizers)
{
    struct kst_json *next;
    for (struct kst_json *f = kst_json_first_mut(finalizers); f; f = next) {
        next = kst_json_next_mut(f);
        if (is_in(kubernetes_finalizers, KST_ARRAY_LEN(kubernetes_finalizers), kst_json_str(f)))
            kst_json_drop(finalizers, f);
    }
}

static void drop_if_empty(struct kst_json *object, const char *key)
{
    const struct kst_json *value = kst_json_get(object, key);
    enum kst_json_type type = kst_json_type(value);
    if (type == KST_JSON_NULL ||
        ((type == KST_JSON_OBJECT || type == KST_JSON_ARRAY) && kst_json_len(value) == 0))
        kst_json_remove(object, key);
}

static void clean_metadata(struct kst_json *metadata)
{
    static const char *const identity[] = {
        "uid",           "resourceVersion",   "generation",
        "selfLink",      "creationTimestamp", "deletionTimestamp",
        "managedFields", "clusterName",       "deletionGracePeriodSeconds",
    };
    static const char *const maps[] = {"annotations", "finalizers", "labels"};
    for (size_t i = 0; i < KST_ARRAY_LEN(identity); i++)
        kst_json_remove(metadata, identity[i]);
    if (*kst_manifest_text(metadata, "name"))
        kst_json_remove(metadata, "generateName");
    clean_annotations(kst_json_mut(metadata, "annotations"));
    clean_finalizers(kst_json_mut(metadata, "finalizers"));
    for (size_t i = 0; i < KST_ARRAY_LEN(maps); i++)
        drop_if_empty(metadata, maps[i]);
}

void kst_clean(struct kst_json *object, const struct kst_clean_options *options)
{
    if (kst_json_type(object) != KST_JSON_OBJECT)
        return;
    if (!options->keep_status)
        kst_json_remove(object, "status");
    if (kst_manifest_is_builtin(object))
        kst_clean_kind(object, options);
    clean_metadata(kst_json_mut(object, "metadata"));
}
