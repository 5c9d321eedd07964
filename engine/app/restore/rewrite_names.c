/* SPDX-License-Identifier: Apache-2.0 */
/* New names, and what refers to them; classes of storage. */
#include <string.h>

#include "app/restore/manifest.h"
#include "app/restore/rewrite.h"
#include "app/restore/rewrite_internal.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

#define CLASS_ANNOTATION "volume.beta.kubernetes.io/storage-class"
#define CLASS_QUOTA      ".storageclass.storage.k8s.io/"

/* ---- names ---- */

/* Kinds that are not of a namespace, or no objects at all: KIND/OLD alone means them. */
static bool is_cluster_scoped(const char *kind)
{
    static const char *const kinds[] = {
        "APIService",
        "CSIDriver",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "DeviceClass",
        "FlowSchema",
        "Group",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "RuntimeClass",
        "StorageClass",
        "User",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttributesClass",
        "VolumeSnapshotClass",
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(kinds); i++)
        if (kst_same(kind, kinds[i]))
            return true;
    return false;
}

/* The name of an entry of `names` where it is about the kind, else NULL. */
static const char *entry_name(const struct kst_json *entry, const char *kind, bool exact)
{
    const char *key = kst_json_key(entry), *slash = strchr(key, '/');
    if (!slash)
        return exact || is_cluster_scoped(kind) ? NULL : key;
    size_t len = (size_t)(slash - key);
    return len == strlen(kind) && strncasecmp(key, kind, len) == 0 ? slash + 1 : NULL;
}

static const char *lookup(const struct kst_rewrite *self, const char *kind, const char *name)
{
    for (int exact = 1; exact >= 0; exact--)
        for (const struct kst_json *e = kst_json_first(self->names); e; e = kst_json_next(e))
            if (kst_same(entry_name(e, kind, exact), name) && kst_json_str(e))
                return kst_json_str(e);
    return NULL;
}

/* The claim "<template>-<set>-<number>" of a StatefulSet with a new name; of several that it could
 * be, the one with the longest name. */
static char *claim_of_set(const struct kst_rewrite *self, const char *claim)
{
    size_t best = 0, len = strlen(claim), digits = 0;
    const char *now = NULL;
    while (digits < len && claim[len - digits - 1] >= '0' && claim[len - digits - 1] <= '9')
        digits++;
    if (digits == 0 || digits + 1 >= len || claim[len - digits - 1] != '-')
        return NULL;
    size_t stem = len - digits - 1; /* "<template>-<set>" */
    for (const struct kst_json *e = kst_json_first(self->names); e; e = kst_json_next(e)) {
        const char *set = entry_name(e, "StatefulSet", false);
        size_t set_len = set ? strlen(set) : 0;
        if (set_len > best && set_len + 1 < stem && kst_json_str(e) &&
            claim[stem - set_len - 1] == '-' && memcmp(claim + stem - set_len, set, set_len) == 0) {
            best = set_len;
            now = kst_json_str(e);
        }
    }
    return now ? kst_asprintf("%.*s%s%s", (int)(stem - best), claim, now, claim + stem) : NULL;
}

char *kst_rewrite_find(const struct kst_rewrite *self, const char *kind, const char *name)
{
    const char *now = lookup(self, kind, name);
    if (now)
        return kst_strdup(now);
    return kst_same(kind, "PersistentVolumeClaim") ? claim_of_set(self, name) : NULL;
}

/* ---- references ---- */

struct naming {
    const struct kst_rewrite *self;
    const char *kind; /* NULL: as the `kind` beside it says */
};

static void rename_value(void *arg, struct kst_json *parent, struct kst_json *value)
{
    const struct naming *naming = arg;
    const char *name = kst_json_str(value);
    char *now = name ? kst_rewrite_find(naming->self, naming->kind, name) : NULL;
    if (now)
        kst_json_replace(parent, value, kst_json_from_str(now));
    free(now);
}

/* {kind, name}, of this namespace. */
static void rename_by_kind(void *arg, struct kst_json *parent, struct kst_json *value)
{
    const struct naming *naming = arg;
    const char *kind = kst_json_path_str(value, "kind");
    const char *ns = kst_json_path_str(value, "namespace");
    struct kst_json *name = kst_json_mut(value, "name");
    if (!kind || !name || (ns && *ns && strcmp(ns, naming->self->from_ns) != 0))
        return;
    struct naming of = {.self = naming->self, .kind = kind};
    rename_value(&of, value, name);
}

struct reference {
    const char *group, *in; /* the kind that holds it; NULL: a Pod template */
    const char *path, *kind;
};

#define CONTAINERS(list)                                                           \
    {NULL, NULL, list ".*.envFrom.*.configMapRef.name", "ConfigMap"},              \
        {NULL, NULL, list ".*.envFrom.*.secretRef.name", "Secret"},                \
        {NULL, NULL, list ".*.env.*.valueFrom.configMapKeyRef.name", "ConfigMap"}, \
    {                                                                              \
        NULL, NULL, list ".*.env.*.valueFrom.secretKeyRef.name", "Secret"          \
    }

static const struct reference references[] = {
    CONTAINERS("containers"),
    CONTAINERS("initContainers"),
    CONTAINERS("ephemeralContainers"),
    {NULL, NULL, "serviceAccountName", "ServiceAccount"},
    {NULL, NULL, "serviceAccount", "ServiceAccount"},
    {NULL, NULL, "imagePullSecrets.*.name", "Secret"},
    {NULL, NULL, "subdomain", "Service"},
    {NULL, NULL, "priorityClassName", "PriorityClass"},
    {NULL, NULL, "runtimeClassName", "RuntimeClass"},
    {NULL, NULL, "resourceClaims.*.resourceClaimName", "ResourceClaim"},
    {NULL, NULL, "resourceClaims.*.resourceClaimTemplateName", "ResourceClaimTemplate"},
    {NULL, NULL, "volumes.*.configMap.name", "ConfigMap"},
    {NULL, NULL, "volumes.*.secret.secretName", "Secret"},
    {NULL, NULL, "volumes.*.persistentVolumeClaim.claimName", "PersistentVolumeClaim"},
    {NULL, NULL, "volumes.*.projected.sources.*.configMap.name", "ConfigMap"},
    {NULL, NULL, "volumes.*.projected.sources.*.secret.name", "Secret"},
    {NULL, NULL, "volumes.*.*.secretRef.name", "Secret"},
    {NULL, NULL, "volumes.*.csi.nodePublishSecretRef.name", "Secret"},
    {NULL, NULL, "volumes.*.azureFile.secretName", "Secret"},
    {NULL, NULL, "volumes.*.glusterfs.endpoints", "Endpoints"},
    {"", "Endpoints", "subsets.*.*.*.targetRef", NULL},
    {"", "PersistentVolume", "spec.claimRef", NULL},
    {"", "ServiceAccount", "secrets.*.name", "Secret"},
    {"", "ServiceAccount", "imagePullSecrets.*.name", "Secret"},
    {"apps", "StatefulSet", "spec.serviceName", "Service"},
    {"autoscaling", "HorizontalPodAutoscaler", "spec.scaleTargetRef", NULL},
    {"autoscaling", "HorizontalPodAutoscaler", "spec.metrics.*.object.describedObject", NULL},
    {"discovery.k8s.io", "EndpointSlice", "endpoints.*.targetRef", NULL},
    {"rbac.authorization.k8s.io", "RoleBinding", "roleRef", NULL},
    {"rbac.authorization.k8s.io", "RoleBinding", "subjects.*", NULL},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding", "roleRef", NULL},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding", "subjects.*", NULL},
    {"networking.k8s.io", "Ingress", "spec.ingressClassName", "IngressClass"},
    {"networking.k8s.io", "Ingress", "spec.tls.*.secretName", "Secret"},
    {"networking.k8s.io", "Ingress", "spec.defaultBackend.service.name", "Service"},
    {"networking.k8s.io", "Ingress", "spec.rules.*.http.paths.*.backend.service.name", "Service"},
    {"networking.k8s.io", "Ingress", "spec.backend.serviceName", "Service"},
    {"networking.k8s.io", "Ingress", "spec.rules.*.http.paths.*.backend.serviceName", "Service"},
};

static void rename_at(const struct kst_rewrite *self, struct kst_json *object, const char *path,
                      const char *kind)
{
    struct naming naming = {.self = self, .kind = kind};
    kst_manifest_visit(object, path, kind ? rename_value : rename_by_kind, &naming);
}

/* The kind of a resource that a Role is about, or NULL. */
static const char *kind_of(const char *plural)
{
    static const char *const plurals[][2] = {
        {"configmaps", "ConfigMap"},
        {"cronjobs", "CronJob"},
        {"daemonsets", "DaemonSet"},
        {"deployments", "Deployment"},
        {"endpoints", "Endpoints"},
        {"jobs", "Job"},
        {"persistentvolumeclaims", "PersistentVolumeClaim"},
        {"pods", "Pod"},
        {"secrets", "Secret"},
        {"serviceaccounts", "ServiceAccount"},
        {"services", "Service"},
        {"statefulsets", "StatefulSet"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(plurals); i++)
        if (kst_same(plural, plurals[i][0]))
            return plurals[i][1];
    return NULL;
}

struct rule {
    const struct kst_rewrite *self;
    const struct kst_json *resources;
};

static void rename_in_rule(void *arg, struct kst_json *names, struct kst_json *value)
{
    const struct rule *rule = arg;
    const char *name = kst_json_str(value);
    const struct kst_json *r = kst_json_first(rule->resources);
    for (; name && r; r = kst_json_next(r)) {
        const char *kind = kind_of(kst_json_str(r));
        kst_auto_free char *now = kind ? kst_rewrite_find(rule->self, kind, name) : NULL;
        if (!now)
            continue;
        kst_json_replace(names, value, kst_json_from_str(now));
        return;
    }
}

/* A Role that names objects. */
static void rename_in_rules(const struct kst_rewrite *self, struct kst_json *object)
{
    struct kst_json *e = kst_json_first_mut(kst_json_mut(object, "rules"));
    for (; e; e = kst_json_next_mut(e)) {
        struct rule rule = {.self = self, .resources = kst_json_get(e, "resources")};
        kst_manifest_visit(e, "resourceNames.*", rename_in_rule, &rule);
    }
}

/* Marks by which something belongs to an object of that name. */
static void rename_mark(const struct kst_rewrite *self, struct kst_json *object, const char *map,
                        const char *key, const char *kind)
{
    const char *name = kst_manifest_mark(object, map, key);
    kst_auto_free char *now = name ? kst_rewrite_find(self, kind, name) : NULL;
    if (now)
        kst_json_set_str(kst_json_mut(kst_json_mut(object, "metadata"), map), key, now);
}

static void rename_in_custom(const struct kst_rewrite *self, struct kst_json *value);

/* A member of a custom resource that refers to something by its usual form. */
static void rename_member(const struct kst_rewrite *self, struct kst_json *value,
                          struct kst_json *member)
{
    static const struct {
        const char *key, *inner, *kind; /* inner: the member of an object */
    } usual[] = {
        {"secretName", NULL, "Secret"},
        {"configMapName", NULL, "ConfigMap"},
        {"serviceAccountName", NULL, "ServiceAccount"},
        {"claimName", NULL, "PersistentVolumeClaim"},
        {"serviceName", NULL, "Service"},
        {"secretRef", "name", "Secret"},
        {"secretKeyRef", "name", "Secret"},
        {"configMapRef", "name", "ConfigMap"},
        {"configMapKeyRef", "name", "ConfigMap"},
        {"configMap", "name", "ConfigMap"},
        {"imagePullSecrets", "*.name", "Secret"},
    };
    const char *key = kst_json_key(member);
    for (size_t i = 0; key && i < KST_ARRAY_LEN(usual); i++) {
        if (!kst_same(key, usual[i].key))
            continue;
        if (usual[i].inner) {
            if (!kst_json_get(member, "kind"))
                rename_at(self, member, usual[i].inner, usual[i].kind);
        } else {
            struct naming naming = {.self = self, .kind = usual[i].kind};
            rename_value(&naming, value, member);
        }
        return;
    }
}

static void rename_in_custom(const struct kst_rewrite *self, struct kst_json *value)
{
    struct kst_json *next;
    struct naming naming = {.self = self};
    if (kst_json_type(value) == KST_JSON_OBJECT)
        rename_by_kind(&naming, NULL, value);
    for (struct kst_json *e = kst_json_first_mut(value); e; e = next) {
        next = kst_json_next_mut(e);
        rename_in_custom(self, e);
        rename_member(self, value, e);
    }
}

static void in_each_member(const struct kst_rewrite *self, struct kst_json *object,
                           void (*change)(const struct kst_rewrite *self, struct kst_json *value))
{
    for (struct kst_json *e = kst_json_first_mut(object); e; e = kst_json_next_mut(e))
        if (!kst_same(kst_json_key(e), "metadata") && !kst_same(kst_json_key(e), "status"))
            change(self, e);
}

void kst_rewrite_references(const struct kst_rewrite *self, struct kst_json *object)
{
    struct kst_json *spec = kst_json_mut(kst_manifest_pod(object), "spec");
    for (size_t i = 0; i < KST_ARRAY_LEN(references); i++) {
        const struct reference *r = &references[i];
        if (!r->in)
            rename_at(self, spec, r->path, r->kind);
        else if (kst_manifest_is(object, r->group, r->in))
            rename_at(self, object, r->path, r->kind);
    }
    if (kst_manifest_is(object, "rbac.authorization.k8s.io", "Role"))
        rename_in_rules(self, object);
    if (kst_manifest_is(object, "", "Secret"))
        rename_mark(self, object, "annotations", "kubernetes.io/service-account.name",
                    "ServiceAccount");
    if (kst_manifest_is(object, "discovery.k8s.io", "EndpointSlice"))
        rename_mark(self, object, "labels", "kubernetes.io/service-name", "Service");
    if (!kst_manifest_is_builtin(object))
        in_each_member(self, object, rename_in_custom);
}

/* ---- classes of storage ---- */

static const char *new_class(const struct kst_rewrite *self, const char *class)
{
    return class ? kst_json_str(kst_json_get(self->storage_classes, class)) : NULL;
}

static void change_class(void *arg, struct kst_json *parent, struct kst_json *value)
{
    const char *now = new_class(arg, kst_json_str(value));
    if (now)
        kst_json_replace(parent, value, kst_json_from_str(now));
}

/* A claim, a template of claims, or a volume. */
static void change_claim(void *arg, struct kst_json *parent, struct kst_json *claim)
{
    kst_manifest_visit(claim, "spec.storageClassName", change_class, arg);
    const char *now = new_class(arg, kst_manifest_mark(claim, "annotations", CLASS_ANNOTATION));
    if (now)
        kst_json_set_str(kst_manifest_mut(claim, "metadata.annotations"), CLASS_ANNOTATION, now);
}

/* "<class>.storageclass.storage.k8s.io/requests.storage" */
static void change_quota(const struct kst_rewrite *self, struct kst_json *object)
{
    struct kst_json *hard = kst_manifest_mut(object, "spec.hard");
    kst_auto_json struct kst_json *changed = kst_json_object();
    if (kst_json_type(hard) != KST_JSON_OBJECT)
        return;
    for (const struct kst_json *e = kst_json_first(hard); e; e = kst_json_next(e)) {
        const char *key = kst_json_key(e), *mark = strstr(key, CLASS_QUOTA);
        kst_auto_free char *class = mark ? kst_strndup(key, (size_t)(mark - key)) : NULL;
        const char *now = new_class(self, class);
        kst_auto_free char *renamed = now ? kst_asprintf("%s%s", now, mark) : kst_strdup(key);
        kst_json_set(changed, renamed, kst_json_dup(e));
    }
    kst_json_set(kst_json_mut(object, "spec"), "hard", kst_take(changed));
}

static void change_in_custom(const struct kst_rewrite *self, struct kst_json *value)
{
    struct kst_json *next;
    for (struct kst_json *e = kst_json_first_mut(value); e; e = next) {
        next = kst_json_next_mut(e);
        const char *key = kst_json_key(e);
        if (kst_same(key, "storageClassName") || kst_same(key, "storageClass"))
            change_class((void *)self, value, e);
        else
            change_in_custom(self, e);
    }
}

void kst_rewrite_classes(const struct kst_rewrite *self, struct kst_json *object)
{
    void *arg = (void *)self;
    struct kst_json *pod = kst_manifest_pod(object);
    kst_manifest_visit(pod, "spec.volumes.*.ephemeral.volumeClaimTemplate", change_claim, arg);
    if (kst_manifest_is(object, "", "PersistentVolumeClaim") ||
        kst_manifest_is(object, "", "PersistentVolume"))
        change_claim(arg, NULL, object);
    if (kst_manifest_is(object, "apps", "StatefulSet"))
        kst_manifest_visit(object, "spec.volumeClaimTemplates.*", change_claim, arg);
    if (kst_manifest_is(object, "", "ResourceQuota"))
        change_quota(self, object);
    if (!kst_manifest_is_builtin(object))
        in_each_member(self, object, change_in_custom);
}
