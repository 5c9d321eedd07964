/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What API servers and controllers of Kubernetes 1.20 to 1.33 put into built-in kinds, and refuse
 * or would keep wrongly in a new object (the strategies and validation of pkg/registry and
 * pkg/apis, and the admission plugins, of kubernetes/kubernetes).
 */
#include "app/node_ports.h"
#include "app/restore/clean.h"
#include "app/restore/clean_internal.h"
#include "app/restore/manifest.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

#define TOKEN_PATH "/var/run/secrets/kubernetes.io/serviceaccount"

/* ---- Services ---- */

/* A Service of IPv4 alone has what nearly every cluster gives; another cluster may give IPv6. */
static void clean_families(struct kst_json *spec, const struct kst_json *applied)
{
    const struct kst_json *families = kst_json_get(spec, "ipFamilies");
    const char *policy = kst_json_path_str(spec, "ipFamilyPolicy");
    if (kst_json_path(applied, "spec.ipFamilies") ||
        kst_json_path(applied, "spec.ipFamilyPolicy") ||
        (policy && !kst_same(policy, "SingleStack")) || kst_json_len(families) > 1 ||
        (families && !kst_same(kst_manifest_text(families, "0"), "IPv4")))
        return;
    kst_json_remove(spec, "ipFamilies");
    kst_json_remove(spec, "ipFamilyPolicy");
}

static void clean_service(struct kst_json *object, const struct kst_clean_options *options)
{
    struct kst_json *spec = kst_json_mut(object, "spec");
    kst_auto_json struct kst_json *applied = kst_manifest_last_applied(object);
    if (!options->keep_cluster_ips) {
        if (!kst_same(kst_manifest_text(spec, "clusterIP"), "None")) {
            kst_json_remove(spec, "clusterIP");
            kst_json_remove(spec, "clusterIPs");
        }
        clean_families(spec, applied);
    }
    if (!options->keep_node_ports)
        kst_node_ports_clean(object, applied);
}

/* ---- Pods ---- */

/* Whether the volume is the one that admission adds for the account's token. */
static bool is_token_volume(const struct kst_json *volume, const char *account)
{
    const char *name = kst_manifest_text(volume, "name");
    if (kst_json_get(volume, "projected"))
        return kst_manifest_is_generated(name, "kube-api-access", "");
    return kst_manifest_is_generated(name, account, "token") &&
           kst_same(kst_manifest_text(volume, "secret.secretName"), name);
}

static void remove_mounts(struct kst_json *spec, const char *volume)
{
    static const char *const lists[] = {"containers", "initContainers"};
    for (size_t i = 0; i < KST_ARRAY_LEN(lists); i++) {
        struct kst_json *c = kst_json_first_mut(kst_json_mut(spec, lists[i]));
        for (; c; c = kst_json_next_mut(c)) {
            struct kst_json *mounts = kst_json_mut(c, "volumeMounts"), *next;
            for (struct kst_json *m = kst_json_first_mut(mounts); m; m = next) {
                next = kst_json_next_mut(m);
                if (kst_same(kst_manifest_text(m, "name"), volume) &&
                    kst_same(kst_manifest_text(m, "mountPath"), TOKEN_PATH))
                    kst_json_drop(mounts, m);
            }
        }
    }
}

static bool is_mounted(const struct kst_json *spec, const char *volume)
{
    static const char *const lists[] = {"containers", "initContainers"};
    for (size_t i = 0; i < KST_ARRAY_LEN(lists); i++) {
        const struct kst_json *c = kst_json_first(kst_json_get(spec, lists[i]));
        for (; c; c = kst_json_next(c)) {
            const struct kst_json *m = kst_json_first(kst_json_get(c, "volumeMounts"));
            for (; m; m = kst_json_next(m))
                if (kst_same(kst_manifest_text(m, "name"), volume))
                    return true;
        }
    }
    return false;
}

static void remove_token(struct kst_json *spec)
{
    const char *account = kst_manifest_text(spec, "serviceAccountName");
    struct kst_json *volumes = kst_json_mut(spec, "volumes"), *next;
    for (struct kst_json *v = kst_json_first_mut(volumes); v; v = next) {
        next = kst_json_next_mut(v);
        if (!is_token_volume(v, *account ? account : "default"))
            continue;
        remove_mounts(spec, kst_manifest_text(v, "name"));
        if (!is_mounted(spec, kst_manifest_text(v, "name")))
            kst_json_drop(volumes, v);
    }
}

/* Those that admission adds, with the default time. */
static void remove_tolerations(struct kst_json *spec)
{
    struct kst_json *list = kst_json_mut(spec, "tolerations"), *next;
    for (struct kst_json *t = kst_json_first_mut(list); t; t = next) {
        next = kst_json_next_mut(t);
        const char *key = kst_manifest_text(t, "key");
        if ((kst_same(key, "node.kubernetes.io/not-ready") ||
             kst_same(key, "node.kubernetes.io/unreachable")) &&
            kst_same(kst_manifest_text(t, "operator"), "Exists") &&
            kst_same(kst_manifest_text(t, "effect"), "NoExecute") &&
            kst_json_path_int(t, "tolerationSeconds", 0) == 300)
            kst_json_drop(list, t);
    }
}

static void clean_pod(struct kst_json *object)
{
    /* Priority and overhead are those of the classes that the Pod names: another value is refused.
     * Ephemeral containers are added to a running Pod only. */
    static const char *const given[] = {
        "nodeName", "priority", "preemptionPolicy", "overhead", "ephemeralContainers",
    };
    struct kst_json *spec = kst_json_mut(object, "spec");
    for (size_t i = 0; i < KST_ARRAY_LEN(given); i++)
        kst_json_remove(spec, given[i]);
    remove_token(spec);
    remove_tolerations(spec);
}

/* ---- workloads ---- */

/* The server makes the selector of a Job and the labels that it picks, from the Job's uid. */
static void clean_job(struct kst_json *object)
{
    static const char *const made[] = {
        "controller-uid",
        "batch.kubernetes.io/controller-uid",
        "job-name",
        "batch.kubernetes.io/job-name",
    };
    struct kst_json *labels = kst_manifest_mut(object, "metadata.labels");
    struct kst_json *inner = kst_manifest_mut(object, "spec.template.metadata.labels");
    if (kst_json_path_true(object, "spec.manualSelector"))
        return;
    /* Without labels of its own it has those of its template, whenever it is read. */
    bool from_template = kst_json_get(labels, made[0]) || kst_json_get(labels, made[1]);
    for (size_t i = 0; i < KST_ARRAY_LEN(made); i++) {
        kst_json_remove(inner, made[i]);
        if (from_template)
            kst_json_remove(labels, made[i]);
    }
    kst_manifest_remove(object, "spec.selector");
}

static bool is_owned_by(const struct kst_json *object, const char *kind)
{
    const struct kst_json *o = kst_json_first(kst_json_path(object, "metadata.ownerReferences"));
    for (; o; o = kst_json_next(o))
        if (kst_same(kst_manifest_text(o, "kind"), kind) && kst_json_path_true(o, "controller"))
            return true;
    return false;
}

static void clean_replicaset(struct kst_json *object)
{
    static const char *const places[] = {"metadata.labels", "spec.selector.matchLabels",
                                         "spec.template.metadata.labels"};
    for (size_t i = 0; is_owned_by(object, "Deployment") && i < KST_ARRAY_LEN(places); i++)
        kst_json_remove(kst_manifest_mut(object, places[i]), "pod-template-hash");
}

static void clean_statefulset(struct kst_json *object)
{
    struct kst_json *c = kst_json_first_mut(kst_manifest_mut(object, "spec.volumeClaimTemplates"));
    for (; c; c = kst_json_next_mut(c)) {
        kst_json_remove(c, "status");
        kst_manifest_remove(c, "metadata.creationTimestamp");
    }
}

/* Old servers print "creationTimestamp": null in templates. */
static void clean_template(struct kst_json *object)
{
    struct kst_json *pod = kst_manifest_pod(object);
    if (pod && pod != object)
        kst_manifest_remove(pod, "metadata.creationTimestamp");
    if (kst_same(kst_manifest_kind(object), "CronJob"))
        kst_manifest_remove(object, "spec.jobTemplate.metadata.creationTimestamp");
}

/* ---- volumes ---- */

static void clean_claim(struct kst_json *object)
{
    kst_manifest_remove(object, "spec.volumeName");
    kst_manifest_remove(object, "spec.dataSource");
    kst_manifest_remove(object, "spec.dataSourceRef");
}

/* It stays reserved for its claim, of whatever uid. */
static void clean_volume(struct kst_json *object)
{
    kst_manifest_remove(object, "spec.claimRef.uid");
    kst_manifest_remove(object, "spec.claimRef.resourceVersion");
}

/* ---- accounts ---- */

static void remove_generated(struct kst_json *list, const char *stem, const char *infix)
{
    struct kst_json *next;
    for (struct kst_json *e = kst_json_first_mut(list); e; e = next) {
        next = kst_json_next_mut(e);
        if (kst_manifest_is_generated(kst_manifest_text(e, "name"), stem, infix))
            kst_json_drop(list, e);
    }
}

static void clean_account(struct kst_json *object)
{
    kst_auto_free char *name = kst_strdup(kst_manifest_text(object, "metadata.name"));
    remove_generated(kst_json_mut(object, "secrets"), name, "token");
    remove_generated(kst_json_mut(object, "secrets"), name, "dockercfg");
    remove_generated(kst_json_mut(object, "imagePullSecrets"), name, "dockercfg");
    kst_json_remove(kst_manifest_mut(object, "metadata.annotations"),
                    "openshift.io/internal-registry-pull-secret-ref");
}

/* The controller fills it again, for the account that has the name now. */
static void clean_secret(struct kst_json *object)
{
    static const char *const filled[] = {"token", "ca.crt", "namespace", "service-ca.crt"};
    if (!kst_same(kst_manifest_text(object, "type"), "kubernetes.io/service-account-token"))
        return;
    struct kst_json *labels = kst_manifest_mut(object, "metadata.labels");
    for (size_t i = 0; i < KST_ARRAY_LEN(filled); i++)
        kst_json_remove(kst_json_mut(object, "data"), filled[i]);
    kst_json_remove(kst_manifest_mut(object, "metadata.annotations"),
                    "kubernetes.io/service-account.uid");
    kst_json_remove(labels, "kubernetes.io/legacy-token-last-used");
    kst_json_remove(labels, "kubernetes.io/legacy-token-invalid-since");
}

/* ---- others ---- */

static void clean_namespace(struct kst_json *object)
{
    kst_manifest_remove(object, "spec.finalizers");
    if (kst_json_len(kst_json_get(object, "spec")) == 0)
        kst_json_remove(object, "spec");
    kst_json_remove(kst_manifest_mut(object, "metadata.labels"), "kubernetes.io/metadata.name");
}

/* A controller gathers the rules. */
static void clean_cluster_role(struct kst_json *object)
{
    if (kst_json_len(kst_json_path(object, "aggregationRule.clusterRoleSelectors")) > 0)
        kst_json_set(object, "rules", kst_json_array());
}

static void clean_target(struct kst_json *endpoint)
{
    kst_manifest_remove(endpoint, "targetRef.uid");
    kst_manifest_remove(endpoint, "targetRef.resourceVersion");
}

static void clean_endpoints(struct kst_json *object)
{
    static const char *const lists[] = {"addresses", "notReadyAddresses"};
    struct kst_json *subset = kst_json_first_mut(kst_json_mut(object, "subsets"));
    for (; subset; subset = kst_json_next_mut(subset))
        for (size_t i = 0; i < KST_ARRAY_LEN(lists); i++) {
            struct kst_json *a = kst_json_first_mut(kst_json_mut(subset, lists[i]));
            for (; a; a = kst_json_next_mut(a))
                clean_target(a);
        }
}

static void clean_slice(struct kst_json *object)
{
    struct kst_json *e = kst_json_first_mut(kst_json_mut(object, "endpoints"));
    for (; e; e = kst_json_next_mut(e))
        clean_target(e);
}

void kst_clean_kind(struct kst_json *object, const struct kst_clean_options *options)
{
    static const struct {
        const char *group, *kind;
        void (*clean)(struct kst_json *object);
    } kinds[] = {
        {"", "Endpoints", clean_endpoints},
        {"", "Namespace", clean_namespace},
        {"", "PersistentVolume", clean_volume},
        {"", "PersistentVolumeClaim", clean_claim},
        {"", "Pod", clean_pod},
        {"", "Secret", clean_secret},
        {"", "ServiceAccount", clean_account},
        {"apps", "ReplicaSet", clean_replicaset},
        {"apps", "StatefulSet", clean_statefulset},
        {"batch", "Job", clean_job},
        {"discovery.k8s.io", "EndpointSlice", clean_slice},
        {"rbac.authorization.k8s.io", "ClusterRole", clean_cluster_role},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(kinds); i++)
        if (kst_manifest_is(object, kinds[i].group, kinds[i].kind))
            kinds[i].clean(object);
    if (kst_manifest_is(object, "", "Service"))
        clean_service(object, options);
    clean_template(object);
}
