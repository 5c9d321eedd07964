/* SPDX-License-Identifier: Apache-2.0 */
#include "app/capture/rule.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "kube/resource.h"

static const char made_again[] = "made again by its controller";
static const char made_everywhere[] = "made in every namespace";
static const char snapshot[] = "snapshot";

void kst_rules_release(struct kst_rules *self)
{
    kst_names_release(&self->tokens);
    kst_names_release(&self->services);
}

/* ---- Kinds ---- */

const char *kst_rule_for_kind(const struct kst_kube_resource *resource)
{
    static const struct {
        const char *group, *kind, *reason;
    } table[] = {
        {"", "Event", "event"},
        {"events.k8s.io", "Event", "event"},
        {"coordination.k8s.io", "Lease", "lease"},
        {"coordination.k8s.io", "LeaseCandidate", "lease"},
        {"snapshot.storage.k8s.io", "VolumeSnapshot", snapshot},
        {"snapshot.storage.k8s.io", "VolumeSnapshotContent", snapshot},
        {"groupsnapshot.storage.k8s.io", "VolumeGroupSnapshot", snapshot},
        {"groupsnapshot.storage.k8s.io", "VolumeGroupSnapshotContent", snapshot},
        {"storage.k8s.io", "CSIStorageCapacity", made_again},
        {"kassette.io", "Run", "Kassette's own"},
        {"kassette.io", "RestorePoint", "Kassette's own"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++)
        if (strcmp(table[i].kind, resource->kind) == 0 &&
            strcmp(table[i].group, resource->group) == 0)
            return table[i].reason;
    return NULL;
}

/* ---- Owners ---- */

const struct kst_json *kst_rule_controller(const struct kst_json *object)
{
    const struct kst_json *owners = kst_json_path(object, "metadata.ownerReferences");
    for (const struct kst_json *owner = kst_json_first(owners); owner; owner = kst_json_next(owner))
        if (kst_json_path_true(owner, "controller"))
            return owner;
    return NULL;
}

static bool is(const struct kst_json *object, const char *api_version, const char *kind)
{
    const char *its = kst_json_path_str(object, "kind");
    const char *version = kst_json_path_str(object, "apiVersion");
    return its && version && strcmp(its, kind) == 0 && strcmp(version, api_version) == 0;
}

/* Of the kinds that Kubernetes' own controllers make things for: those of the core group, apps and
 * batch. */
static bool is_built_in(const struct kst_json *owner)
{
    const char *version = kst_json_path_str(owner, "apiVersion");
    return version &&
           (!strchr(version, '/') || strncmp(version, "apps/", 5) == 0 ||
            strncmp(version, "batch/", 6) == 0 || strncmp(version, "extensions/", 11) == 0);
}

static const char *by_owner(const struct kst_json *object)
{
    const struct kst_json *owner = kst_rule_controller(object);
    if (!owner)
        return NULL;
    if (is(object, "v1", "Pod"))
        return made_again;
    if (!is_built_in(owner))
        return NULL; /* restore finds the owner's new life for it */
    bool holds_data = is(object, "v1", "Secret") || is(object, "v1", "ConfigMap") ||
                      is(object, "v1", "PersistentVolumeClaim");
    /* The claim of an ephemeral volume lives and dies with its Pod. */
    return holds_data && !is(owner, "v1", "Pod") ? NULL : made_again;
}

/* ---- What is said in labels and annotations ---- */

static const char *label(const struct kst_json *object, const char *key)
{
    return kst_json_str(kst_json_get(kst_json_path(object, "metadata.labels"), key));
}

static const char *annotation(const struct kst_json *object, const char *key)
{
    return kst_json_str(kst_json_get(kst_json_path(object, "metadata.annotations"), key));
}

static bool is_true(const char *text)
{
    return text && strcmp(text, "true") == 0;
}

bool kst_rule_is_excluded(const struct kst_json *object)
{
    return is_true(label(object, "kassette.io/exclude")) ||
           is_true(annotation(object, "kassette.io/exclude")) ||
           is_true(label(object, "velero.io/exclude-from-backup")) ||
           is_true(annotation(object, "velero.io/exclude-from-backup"));
}

/* ---- Single kinds ---- */

static const char *for_pod(const struct kst_json *object)
{
    return annotation(object, "kubernetes.io/config.mirror") ? "mirror of a node's own Pod" : NULL;
}

static const char *for_config_map(const struct kst_json *object, const char *name)
{
    static const char *const everywhere[] = {"kube-root-ca.crt", "openshift-service-ca.crt",
                                             "istio-ca-root-cert"};
    for (size_t i = 0; i < KST_ARRAY_LEN(everywhere); i++)
        if (strcmp(name, everywhere[i]) == 0)
            return made_everywhere;
    return annotation(object, "control-plane.alpha.kubernetes.io/leader") ? "leader election"
                                                                          : NULL;
}

/* "<account>-token-xxxxx", as the token controller names them. */
static bool is_token_name(const char *name, const char *account)
{
    size_t len = strlen(account);
    return strncmp(name, account, len) == 0 && strncmp(name + len, "-token-", 7) == 0 &&
           strlen(name + len + 7) == 5 &&
           strspn(name + len + 7, "0123456789abcdefghijklmnopqrstuvwxyz") == 5;
}

static const char *for_secret(struct kst_rules *self, const struct kst_json *object,
                              const char *name)
{
    const char *type = kst_json_path_str(object, "type");
    const char *account = annotation(object, "kubernetes.io/service-account.name");
    if (type && account && strcmp(type, "kubernetes.io/service-account-token") == 0 &&
        (is_token_name(name, account) || kst_names_has(&self->tokens, name)))
        return "token of a ServiceAccount";
    /* OpenShift's, for its registry. */
    if (type && strcmp(type, "kubernetes.io/dockercfg") == 0 &&
        (annotation(object, "openshift.io/token-secret.name") ||
         annotation(object, "openshift.io/internal-registry-auth-token.service-account")))
        return "token of a ServiceAccount";
    return NULL;
}

/* Of the namespace "default": what leads to the API server. */
static bool is_api_servers(const struct kst_json *object, const char *name)
{
    const char *ns = kst_json_path_str(object, "metadata.namespace");
    return ns && strcmp(ns, "default") == 0 && strcmp(name, "kubernetes") == 0;
}

static const char *for_endpoints(struct kst_rules *self, const struct kst_json *object,
                                 const char *name)
{
    if (annotation(object, "control-plane.alpha.kubernetes.io/leader"))
        return "leader election";
    bool made = self->services_known
                    ? kst_names_has(&self->services, name)
                    : label(object, "endpoints.kubernetes.io/managed-by") ||
                          annotation(object, "endpoints.kubernetes.io/last-change-trigger-time");
    if (made)
        return made_again;
    return is_api_servers(object, name) ? made_everywhere : NULL;
}

static const char *by_kind(struct kst_rules *self, const struct kst_json *object)
{
    const char *name = kst_json_path_str(object, "metadata.name");
    if (!name)
        return NULL;
    if (is(object, "v1", "Pod"))
        return for_pod(object);
    if (is(object, "v1", "ConfigMap"))
        return for_config_map(object, name);
    if (is(object, "v1", "Secret"))
        return for_secret(self, object, name);
    if (is(object, "v1", "Endpoints"))
        return for_endpoints(self, object, name);
    if (is(object, "v1", "Service") && is_api_servers(object, name))
        return made_everywhere;
    if (is(object, "discovery.k8s.io/v1", "EndpointSlice") ||
        is(object, "discovery.k8s.io/v1beta1", "EndpointSlice")) {
        if (label(object, "endpointslice.kubernetes.io/managed-by"))
            return made_again;
        return is_api_servers(object, name) ? made_everywhere : NULL;
    }
    return NULL;
}

const char *kst_rule_for(struct kst_rules *self, const struct kst_json *object)
{
    if (kst_json_path_str(object, "metadata.deletionTimestamp"))
        return "being deleted";
    if (kst_rule_is_excluded(object))
        return "excluded by its label or annotation";
    if (label(object, "kassette.io/run") || label(object, "kassette.io/restore-point"))
        return "Kassette's own";
    const char *reason = by_owner(object);
    return reason ? reason : by_kind(self, object);
}
