/* SPDX-License-Identifier: Apache-2.0 */
#include "app/restore/rewrite.h"

#include <string.h>

#include "app/restore/manifest.h"
#include "app/restore/rewrite_internal.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

#define RBAC      "rbac.authorization.k8s.io"
#define ADMISSION "admissionregistration.k8s.io"
#define NS_LABEL  "kubernetes.io/metadata.name"
#define ACCOUNT   "system:serviceaccount:"
#define ACCOUNTS  "system:serviceaccounts:"

static bool moves(const struct kst_rewrite *self)
{
    return strcmp(self->from_ns, self->to_ns) != 0;
}

static bool is_old(const struct kst_rewrite *self, const struct kst_json *value)
{
    return kst_same(kst_json_str(value), self->from_ns);
}

static void to_new(const struct kst_rewrite *self, struct kst_json *parent, struct kst_json *value)
{
    if (is_old(self, value))
        kst_json_replace(parent, value, kst_json_from_str(self->to_ns));
}

/* ---- accounts in bindings ---- */

/* Whether the subject is one of the old namespace; then it is of the new one. */
static bool rewrite_subject(const struct kst_rewrite *self, struct kst_json *subject)
{
    const char *kind = kst_manifest_kind(subject), *name = kst_manifest_text(subject, "name");
    size_t len = strlen(self->from_ns);
    if (kst_same(kind, "ServiceAccount")) {
        if (!is_old(self, kst_json_get(subject, "namespace")))
            return false;
        kst_json_set_str(subject, "namespace", self->to_ns);
        return true;
    }
    if (kst_same(kind, "Group") && strncmp(name, ACCOUNTS, strlen(ACCOUNTS)) == 0 &&
        kst_same(name + strlen(ACCOUNTS), self->from_ns)) {
        kst_auto_free char *group = kst_asprintf(ACCOUNTS "%s", self->to_ns);
        kst_json_set_str(subject, "name", group);
        return true;
    }
    const char *rest = name + strlen(ACCOUNT);
    if (!kst_same(kind, "User") || strncmp(name, ACCOUNT, strlen(ACCOUNT)) != 0 ||
        strncmp(rest, self->from_ns, len) != 0 || rest[len] != ':')
        return false;
    kst_auto_free char *account = kst_rewrite_name(self, "ServiceAccount", rest + len + 1);
    kst_auto_free char *user = kst_asprintf(ACCOUNT "%s:%s", self->to_ns, account);
    kst_json_set_str(subject, "name", user);
    return true;
}

static bool rewrite_subjects(const struct kst_rewrite *self, struct kst_json *object)
{
    bool any = false;
    struct kst_json *s = kst_json_first_mut(kst_json_mut(object, "subjects"));
    for (; s; s = kst_json_next_mut(s))
        any = rewrite_subject(self, s) || any;
    return any;
}

/* ---- members that name the namespace ---- */

/* What is between the keys of these is the user's own. */
static bool is_free_form(const char *key)
{
    static const char *const keys[] = {
        "annotations", "binaryData",   "data",     "labels",
        "matchLabels", "nodeSelector", "selector", "stringData",
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(keys); i++)
        if (kst_same(key, keys[i]))
            return true;
    return false;
}

static void rewrite_list(const struct kst_rewrite *self, struct kst_json *list)
{
    struct kst_json *next;
    for (struct kst_json *e = kst_json_first_mut(list); e; e = next) {
        next = kst_json_next_mut(e);
        to_new(self, list, e);
    }
}

/* {matchLabels, matchExpressions} of namespaces, by the label that the server gives them. */
static void rewrite_selector(const struct kst_rewrite *self, struct kst_json *selector)
{
    struct kst_json *labels = kst_json_mut(selector, "matchLabels");
    if (is_old(self, kst_json_get(labels, NS_LABEL)))
        kst_json_set_str(labels, NS_LABEL, self->to_ns);
    struct kst_json *e = kst_json_first_mut(kst_json_mut(selector, "matchExpressions"));
    for (; e; e = kst_json_next_mut(e))
        if (kst_same(kst_json_path_str(e, "key"), NS_LABEL))
            rewrite_list(self, kst_json_mut(e, "values"));
}

static void rewrite_members(const struct kst_rewrite *self, struct kst_json *value)
{
    struct kst_json *next;
    for (struct kst_json *e = kst_json_first_mut(value); e; e = next) {
        next = kst_json_next_mut(e);
        const char *key = kst_json_key(e);
        if (key && is_free_form(key) && kst_json_type(e) == KST_JSON_OBJECT)
            continue;
        if (kst_same(key, "namespaceSelector"))
            rewrite_selector(self, e);
        if (kst_same(key, "namespaces") || kst_same(key, "matchNames"))
            rewrite_list(self, e);
        if (kst_same(key, "namespace"))
            to_new(self, value, e);
        else
            rewrite_members(self, e);
    }
}

/* What the cluster has one of, and that other namespaces use: it is left as it is. */
static bool is_shared(const struct kst_json *object, bool namespaced)
{
    return !namespaced && !kst_manifest_is(object, "", "PersistentVolume");
}

static void rewrite_namespace(const struct kst_rewrite *self, struct kst_json *object,
                              bool namespaced)
{
    struct kst_json *metadata = kst_json_mut(object, "metadata");
    if (kst_manifest_is(object, "", "Namespace"))
        to_new(self, metadata, kst_json_mut(metadata, "name"));
    if (kst_manifest_is(object, RBAC, "RoleBinding"))
        rewrite_subjects(self, object);
    if (is_shared(object, namespaced))
        return;
    struct kst_json *next;
    to_new(self, metadata, kst_json_mut(metadata, "namespace"));
    for (struct kst_json *e = kst_json_first_mut(object); e; e = next) {
        next = kst_json_next_mut(e);
        const char *key = kst_json_key(e);
        if (!is_free_form(key) && !kst_same(key, "metadata") && !kst_same(key, "status") &&
            !kst_same(key, "subjects"))
            rewrite_members(self, e);
    }
}

/* ---- the whole ---- */

/* Names that something else depends on: "<plural>.<group>", "<version>.<group>". */
static bool has_fixed_name(const struct kst_json *object)
{
    return kst_manifest_is(object, "apiextensions.k8s.io", "CustomResourceDefinition") ||
           kst_manifest_is(object, "apiregistration.k8s.io", "APIService") ||
           kst_manifest_is(object, "", "Namespace");
}

/* An Endpoints object has the name of its Service. */
static char *own_name(const struct kst_rewrite *self, const struct kst_json *object,
                      const char *name)
{
    char *now = kst_rewrite_find(self, kst_manifest_kind(object), name);
    if (!now && kst_manifest_is(object, "", "Endpoints"))
        now = kst_rewrite_find(self, "Service", name);
    return now;
}

static void rewrite_own_name(const struct kst_rewrite *self, struct kst_json *object, bool copies)
{
    struct kst_json *metadata = kst_json_mut(object, "metadata");
    const char *name = kst_json_path_str(metadata, "name");
    if (!name || has_fixed_name(object))
        return;
    kst_auto_free char *now = own_name(self, object, name);
    if (!now && copies)
        now = kst_asprintf("%s-%s", name, self->to_ns);
    if (now)
        kst_json_set_str(metadata, "name", now);
}

static void rewrite(const struct kst_rewrite *self, struct kst_json *object, bool namespaced)
{
    bool copies = false;
    if (kst_json_len(self->names) > 0)
        kst_rewrite_references(self, object);
    if (kst_json_len(self->storage_classes) > 0)
        kst_rewrite_classes(self, object);
    if (moves(self) || kst_json_len(self->names) > 0)
        kst_rewrite_dns(self, object, self->service_dns);
    if (moves(self)) {
        rewrite_namespace(self, object, namespaced);
        copies = kst_manifest_is(object, RBAC, "ClusterRoleBinding") &&
                 rewrite_subjects(self, object);
    }
    rewrite_own_name(self, object, copies);
}

/* `kubectl apply` compares with it: it has to tell of the same object. */
static void rewrite_applied(const struct kst_rewrite *self, struct kst_json *object,
                            bool namespaced)
{
    kst_auto_json struct kst_json *applied = kst_manifest_last_applied(object);
    if (!applied)
        return;
    kst_auto_json struct kst_json *changed = kst_json_dup(applied);
    rewrite(self, changed, namespaced);
    if (kst_json_equal(applied, changed))
        return;
    kst_auto_free char *text = kst_json_text(changed);
    kst_json_set_str(kst_manifest_mut(object, "metadata.annotations"), KST_MANIFEST_LAST_APPLIED,
                     text);
}

void kst_rewrite(const struct kst_rewrite *self, struct kst_json *object)
{
    bool namespaced = *kst_manifest_text(object, "metadata.namespace");
    if (kst_json_type(kst_json_get(object, "metadata")) != KST_JSON_OBJECT)
        return;
    rewrite(self, object, namespaced);
    rewrite_applied(self, object, namespaced);
}

char *kst_rewrite_name(const struct kst_rewrite *self, const char *kind, const char *name)
{
    char *now = kst_rewrite_find(self, kind, name);
    return now ? now : kst_strdup(name);
}

/* ---- what cannot come along ---- */

static bool calls_old(const struct kst_rewrite *self, const struct kst_json *webhook)
{
    return kst_same(kst_json_path_str(webhook, "clientConfig.service.namespace"), self->from_ns);
}

const char *kst_rewrite_skip(const struct kst_rewrite *self, const struct kst_json *object)
{
    if (!moves(self))
        return NULL;
    if (kst_manifest_is(object, ADMISSION, "MutatingWebhookConfiguration") ||
        kst_manifest_is(object, ADMISSION, "ValidatingWebhookConfiguration")) {
        const struct kst_json *w = kst_json_first(kst_json_get(object, "webhooks"));
        for (; w; w = kst_json_next(w))
            if (calls_old(self, w))
                return "its webhooks call the original namespace, and the cluster has one of it";
    }
    if (kst_manifest_is(object, "apiregistration.k8s.io", "APIService") &&
        kst_same(kst_json_path_str(object, "spec.service.namespace"), self->from_ns))
        return "the API is served from the original namespace, and the cluster has one of it";
    if (kst_manifest_is(object, "apiextensions.k8s.io", "CustomResourceDefinition") &&
        calls_old(self, kst_json_path(object, "spec.conversion.webhook")))
        return "its conversion calls the original namespace, and the cluster has one of it";
    return NULL;
}
