/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration, permissions and limits (pkg/apis/{core,rbac,coordination,scheduling}). */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/builtin/validate.h"
#include "sandbox/types/decode.h"

#define EACH(entry, list)                                \
    const struct kst_json *entry = kst_json_first(list); \
    entry;                                               \
    entry = kst_json_next(entry)

enum { MAX_DATA_BYTES = 1024 * 1024, MAX_USER_PRIORITY = 1000000000 };

/* ---- ConfigMap, Secret ---- */

static size_t bytes_of(const struct kst_json *value, bool coded)
{
    const char *text = kst_json_str(value);
    size_t len = text ? strlen(text) : 0;
    return coded ? len / 4 * 3 - (len && text[len - 1] == '=') - (len > 1 && text[len - 2] == '=')
                 : len;
}

static size_t check_keys(const struct kst_place *data, const struct kst_json *map,
                         const struct kst_json *other, bool coded)
{
    size_t size = 0;
    for (EACH(e, kst_map(map))) {
        struct kst_place at = kst_place_key(data, kst_json_key(e));
        kst_check_text(&at, "", KST_TEXT_CONFIG_KEY, kst_json_key(e));
        if (kst_json_get(other, kst_json_key(e)))
            kst_say_invalid_text(&at, "", kst_json_key(e),
                                 "duplicate of key present in binaryData");
        size += bytes_of(e, coded);
    }
    return size;
}

static void check_frozen(const struct kst_place *top, const struct kst_json *object,
                         const struct kst_json *old)
{
    static const char *const fields[] = {"data", "binaryData"};
    static const char message[] = "field is immutable when `immutable` is set";
    if (!old || !kst_read_true(old, "immutable"))
        return;
    if (!kst_read_true(object, "immutable"))
        kst_say_forbidden(top, "immutable", "%s", message);
    for (size_t i = 0; i < KST_ARRAY_LEN(fields); i++) {
        const struct kst_json *now = kst_json_get(object, fields[i]);
        const struct kst_json *before = kst_json_get(old, fields[i]);
        if (kst_json_len(now) != kst_json_len(before) ||
            (kst_json_len(now) > 0 && !kst_json_equal(now, before)))
            kst_say_forbidden(top, fields[i], "%s", message);
    }
}

void kst_validate_configmap(const struct kst_place *top, const struct kst_json *object,
                            const struct kst_json *old)
{
    struct kst_place data = kst_place_field(top, "data");
    struct kst_place binary = kst_place_field(top, "binaryData");
    const struct kst_json *coded = kst_json_get(object, "binaryData");
    check_frozen(top, object, old);
    size_t size = check_keys(&data, kst_json_get(object, "data"), coded, false);
    size += check_keys(&binary, coded, NULL, true);
    struct kst_place whole = kst_place_key(top, ""); /* which has this name there */
    if (size > MAX_DATA_BYTES)
        kst_say_too_long(&whole, "", MAX_DATA_BYTES);
}

/* What a docker configuration must be: a JSON object. */
static void check_docker(const struct kst_place *data, const struct kst_json *map, const char *key)
{
    struct kst_place at = kst_place_key(data, key);
    const char *coded = kst_json_str(kst_json_get(map, key));
    if (!coded) {
        kst_say_required(&at, "", "");
        return;
    }
    kst_auto_buf text = KST_BUF_INIT(MAX_DATA_BYTES), why = KST_BUF_INIT(1024);
    kst_auto_json struct kst_json *value = NULL;
    kst_base64_decode(&text, kst_str_of(coded), true);
    if (!kst_decode_syntax(text.data, text.len, &why)) {
        kst_json_parse(text.data, text.len, &value, NULL);
        if (value && kst_json_type(value) != KST_JSON_OBJECT &&
            kst_json_type(value) != KST_JSON_NULL)
            kst_buf_addf(&why,
                         "json: cannot unmarshal %s into Go value of type map[string]interface {}",
                         kst_decode_name(value));
    }
    if (why.len)
        kst_say_invalid_text(&at, "", "<secret contents redacted>", why.data);
}

static void need_key(const struct kst_place *data, const struct kst_json *map, const char *key)
{
    struct kst_place at = kst_place_key(data, key);
    if (!kst_json_get(map, key))
        kst_say_required(&at, "", "");
}

static void check_secret_type(const struct kst_place *top, const struct kst_json *object,
                              const struct kst_json *map)
{
    static const char account[] = "kubernetes.io/service-account.name";
    struct kst_place data = kst_place_field(top, "data"), odd = kst_place_field(top, "data[%s]");
    struct kst_place annotations = kst_place_field(top, "metadata.annotations");
    struct kst_place at = kst_place_key(&annotations, account);
    const char *type = kst_read_text(object, "type");
    const struct kst_json *name = kst_json_get(kst_json_path(object, "metadata.annotations"),
                                               account);
    if (strcmp(type, "kubernetes.io/service-account-token") == 0) {
        if (!kst_json_str(name) || !*kst_json_str(name))
            kst_say_required(&at, "", "");
    } else if (strcmp(type, "kubernetes.io/dockercfg") == 0) {
        check_docker(&data, map, ".dockercfg");
    } else if (strcmp(type, "kubernetes.io/dockerconfigjson") == 0) {
        check_docker(&data, map, ".dockerconfigjson");
    } else if (strcmp(type, "kubernetes.io/basic-auth") == 0) {
        if (!kst_json_get(map, "username") && !kst_json_get(map, "password")) {
            need_key(&odd, map, "username");
            need_key(&odd, map, "password");
        }
    } else if (strcmp(type, "kubernetes.io/ssh-auth") == 0) {
        need_key(&odd, map, "ssh-privatekey");
    } else if (strcmp(type, "kubernetes.io/tls") == 0) {
        need_key(&data, map, "tls.crt");
        need_key(&data, map, "tls.key");
    }
}

void kst_validate_secret(const struct kst_place *top, const struct kst_json *object,
                         const struct kst_json *old)
{
    struct kst_place data = kst_place_field(top, "data");
    const struct kst_json *map = kst_json_get(object, "data");
    kst_auto_free char *type = kst_shown_text(kst_read_text(object, "type"));
    if (old)
        kst_check_immutable(top, "type", kst_json_get(object, "type"), kst_json_get(old, "type"),
                            type);
    check_frozen(top, object, old);
    if (check_keys(&data, map, NULL, true) > MAX_DATA_BYTES)
        kst_say_too_long(&data, "", MAX_DATA_BYTES);
    check_secret_type(top, object, map);
}

/* ---- permissions ---- */

#define RBAC_GROUP "rbac.authorization.k8s.io"

static void check_rule(const struct kst_place *at, const struct kst_json *rule, bool namespaced)
{
    const struct kst_json *urls = kst_json_get(rule, "nonResourceURLs");
    bool groups = kst_json_len(kst_json_get(rule, "apiGroups")) > 0;
    bool resources = kst_json_len(kst_json_get(rule, "resources")) > 0;
    if (kst_json_len(kst_json_get(rule, "verbs")) == 0)
        kst_say_required(at, "verbs", "verbs must contain at least one value");
    if (kst_json_len(urls) > 0) {
        kst_auto_free char *shown = kst_shown_texts(urls);
        if (namespaced)
            kst_say_invalid(at, "nonResourceURLs", shown,
                            "namespaced rules cannot apply to non-resource URLs");
        if (groups || resources || kst_json_len(kst_json_get(rule, "resourceNames")) > 0)
            kst_say_invalid(at, "nonResourceURLs", shown,
                            "rules cannot apply to both regular resources and non-resource URLs");
        return;
    }
    if (!groups)
        kst_say_required(at, "apiGroups", "resource rules must supply at least one api group");
    if (!resources)
        kst_say_required(at, "resources", "resource rules must supply at least one resource");
}

void kst_validate_role(const struct kst_place *top, const struct kst_json *object,
                       const struct kst_json *old)
{
    struct kst_place rules = kst_place_field(top, "rules");
    struct kst_place selectors = kst_place_field(top, "aggregationRule.clusterRoleSelectors");
    const struct kst_json *list = kst_json_path(object, "aggregationRule.clusterRoleSelectors");
    bool namespaced = strcmp(kst_read_text(object, "kind"), "Role") == 0;
    int i = 0, j = 0;
    for (EACH(rule, kst_json_get(object, "rules"))) {
        struct kst_place at = kst_place_index(&rules, i++);
        check_rule(&at, rule, namespaced);
    }
    if (kst_has(object, "aggregationRule") && kst_json_len(list) == 0)
        kst_say_required(&selectors, "",
                         "at least one clusterRoleSelector required if aggregationRule is non-nil");
    for (EACH(selector, list)) {
        struct kst_place at = kst_place_index(&selectors, j++);
        kst_check_selector(&at, selector);
        if (!kst_selector_is_right(selector))
            kst_say_invalid(&at, "", "\"null\"", "invalid label selector.");
    }
}

static void check_subject(const struct kst_place *at, const struct kst_json *subject,
                          bool namespaced)
{
    const char *kind = kst_read_text(subject, "kind"), *name = kst_read_text(subject, "name");
    const char *group = kst_read_text(subject, "apiGroup");
    if (!*name)
        kst_say_required(at, "name", "");
    if (strcmp(kind, "ServiceAccount") == 0) {
        if (*name)
            kst_check_text(at, "name", KST_TEXT_SUBDOMAIN, name);
        if (*group) {
            kst_auto_free char *shown = kst_shown_text(group);
            kst_say_unsupported_value(at, "apiGroup", shown, " ");
        }
        if (!namespaced && !*kst_read_text(subject, "namespace"))
            kst_say_required(at, "namespace", "");
    } else if (!kst_is_one_of(kind, "User Group")) {
        kst_say_unsupported(at, "kind", kind, "ServiceAccount User Group");
    } else if (strcmp(group, RBAC_GROUP) != 0) {
        kst_say_unsupported(at, "apiGroup", group, RBAC_GROUP);
    }
}

static void check_role_ref(const struct kst_place *ref, const struct kst_json *value,
                           bool namespaced)
{
    const char *kinds = namespaced ? "Role ClusterRole" : "ClusterRole";
    const char *group = kst_read_text(value, "apiGroup"), *kind = kst_read_text(value, "kind");
    const char *name = kst_read_text(value, "name");
    if (strcmp(group, RBAC_GROUP) != 0)
        kst_say_unsupported(ref, "apiGroup", group, RBAC_GROUP);
    if (!kst_is_one_of(kind, kinds))
        kst_say_unsupported(ref, "kind", kind, kinds);
    if (!*name)
        kst_say_required(ref, "name", "");
    else
        kst_check_text(ref, "name", KST_TEXT_PATH_SEGMENT, name);
}

void kst_validate_binding(const struct kst_place *top, const struct kst_json *object,
                          const struct kst_json *old)
{
    struct kst_place ref = kst_place_field(top, "roleRef");
    struct kst_place subjects = kst_place_field(top, "subjects");
    const struct kst_json *value = kst_json_get(object, "roleRef");
    bool namespaced = strcmp(kst_read_text(object, "kind"), "RoleBinding") == 0;
    int i = 0;
    check_role_ref(&ref, value, namespaced);
    for (EACH(subject, kst_json_get(object, "subjects"))) {
        struct kst_place at = kst_place_index(&subjects, i++);
        check_subject(&at, subject, namespaced);
    }
    if (!old || kst_same_value(value, kst_json_get(old, "roleRef")))
        return;
    kst_auto_free char *group = kst_shown_text(kst_read_text(value, "apiGroup"));
    kst_auto_free char *kind = kst_shown_text(kst_read_text(value, "kind"));
    kst_auto_free char *name = kst_shown_text(kst_read_text(value, "name"));
    kst_auto_free char *shown = kst_asprintf("rbac.RoleRef{APIGroup:%s, Kind:%s, Name:%s}", group,
                                             kind, name);
    kst_say_invalid(&ref, "", shown, "cannot change roleRef");
}

/* ---- quotas and limits ---- */

static void check_quota_resource(const struct kst_place *at, const struct kst_json *quantity)
{
    static const char standard[] =
        "cpu memory ephemeral-storage requests.cpu requests.memory requests.storage "
        "requests.ephemeral-storage limits.cpu limits.memory limits.ephemeral-storage pods "
        "resourcequotas services replicationcontrollers secrets persistentvolumeclaims configmaps "
        "services.nodeports services.loadbalancers";
    const char *name = kst_json_key(quantity);
    kst_validate_resource_name(at, name, false);
    if (!strchr(name, '/') && !kst_is_one_of(name, standard) &&
        strncmp(name, "hugepages-", 10) != 0 && strncmp(name, "requests.hugepages-", 19) != 0)
        kst_say_invalid_text(at, "", name, "must be a standard resource for quota");
    kst_validate_quantity(at, name, quantity);
}

void kst_validate_quota(const struct kst_place *top, const struct kst_json *object,
                        const struct kst_json *old)
{
    static const char scopes[] = "Terminating NotTerminating BestEffort NotBestEffort "
                                 "PriorityClass";
    struct kst_place spec = kst_place_field(top, "spec"), hard = kst_place_field(&spec, "hard");
    const struct kst_json *list = kst_json_path(object, "spec.scopes");
    kst_auto_free char *texts = kst_shown_texts(list);
    kst_auto_free char *shown = kst_asprintf("[]core.ResourceQuotaScope%s", texts + 8);
    for (EACH(quantity, kst_map(kst_json_path(object, "spec.hard")))) {
        struct kst_place at = kst_place_key(&hard, kst_json_key(quantity));
        check_quota_resource(&at, quantity);
    }
    for (EACH(scope, list))
        if (!kst_json_str(scope) || !kst_is_one_of(kst_json_str(scope), scopes))
            kst_say_invalid(&spec, "scopes", shown, "unsupported scope");
    if (old)
        kst_check_immutable(&spec, "scopes", list, kst_json_path(old, "spec.scopes"), shown);
}

void kst_validate_limits(const struct kst_place *top, const struct kst_json *object,
                         const struct kst_json *old)
{
    static const char *const maps[] = {"max", "min", "default", "defaultRequest",
                                       "maxLimitRequestRatio"};
    struct kst_place spec = kst_place_field(top, "spec"), limits = kst_place_field(&spec, "limits");
    const struct kst_json *list = kst_json_path(object, "spec.limits");
    int i = 0;
    for (EACH(limit, list)) {
        struct kst_place at = kst_place_index(&limits, i++);
        const char *type = kst_read_text(limit, "type");
        if (!kst_is_one_of(type, "Pod Container PersistentVolumeClaim"))
            kst_check_text(&at, "type", KST_TEXT_QUALIFIED, type);
        for (EACH(other, list)) {
            if (other == limit)
                break;
            if (strcmp(kst_read_text(other, "type"), type) == 0)
                kst_say_duplicate(&at, "type", type);
        }
        for (size_t m = 0; m < KST_ARRAY_LEN(maps); m++) {
            struct kst_place map = kst_place_field(&at, maps[m]);
            for (EACH(quantity, kst_map(kst_json_get(limit, maps[m])))) {
                struct kst_place one = kst_place_key(&map, kst_json_key(quantity));
                kst_validate_quantity(&one, kst_json_key(quantity), quantity);
            }
        }
    }
}

/* ---- others ---- */

void kst_validate_lease(const struct kst_place *top, const struct kst_json *object,
                        const struct kst_json *old)
{
    struct kst_place spec = kst_place_field(top, "spec");
    const struct kst_json *value = kst_json_get(object, "spec");
    int64_t seconds = kst_read_int(value, "leaseDurationSeconds");
    if (kst_has(value, "leaseDurationSeconds") && seconds <= 0)
        kst_say_invalid_int(&spec, "leaseDurationSeconds", seconds, "must be greater than 0");
    if (kst_read_int(value, "leaseTransitions") < 0)
        kst_say_invalid_int(&spec, "leaseTransitions", kst_read_int(value, "leaseTransitions"),
                            "must to greater or equal than 0");
}

/* An Event lies where the object is that it is about; those about the cluster's lie in default.
 * With an eventTime it is one of the newer kind, which says who reports and why. */
void kst_validate_event(const struct kst_place *top, const struct kst_json *object,
                        const struct kst_json *old)
{
    static const char *const needed[] = {"reportingController", "reportingInstance", "action",
                                         "reason"};
    const char *ns = kst_read_text(kst_json_get(object, "metadata"), "namespace");
    const char *about = kst_read_text(kst_json_get(object, "involvedObject"), "namespace");
    bool newer = kst_has(object, "eventTime");
    bool cluster = kst_is_one_of(ns, newer ? "default kube-system" : "default");
    struct kst_place place = kst_place_field(top, "involvedObject");
    if (*about ? !newer && strcmp(ns, about) != 0 : !cluster)
        kst_say_invalid_text(&place, "namespace", about, "does not match event.namespace");
    for (size_t i = 0; newer && i < KST_ARRAY_LEN(needed); i++) {
        /* The first is called reportingComponent in JSON. */
        const char *key = i == 0 ? "reportingComponent" : needed[i];
        if (!*kst_read_text(object, key))
            kst_say_required(top, needed[i], "");
    }
}

void kst_validate_priority_class(const struct kst_place *top, const struct kst_json *object,
                                 const struct kst_json *old)
{
    static const char policies[] = "PreemptLowerPriority Never";
    const char *policy = kst_read_text(object, "preemptionPolicy");
    bool system = strncmp(kst_read_text(object, "metadata.name"), "system-", 7) == 0;
    kst_auto_free char *shown = kst_shown_text(policy);
    if (old) {
        if (kst_read_int(object, "value") != kst_read_int(old, "value"))
            kst_say_forbidden(top, "Value", "may not be changed in an update.");
        kst_check_immutable(top, "preemptionPolicy", kst_json_get(object, "preemptionPolicy"),
                            kst_json_get(old, "preemptionPolicy"), shown);
        return;
    }
    const char *name = kst_read_text(object, "metadata.name");
    if (system && !kst_is_one_of(name, "system-cluster-critical system-node-critical"))
        kst_say_forbidden(top, "metadata.name",
                          "priority class names with 'system-' prefix are reserved for system use "
                          "only. error: %s is not a known system priority class",
                          name);
    if (!system && kst_read_int(object, "value") > MAX_USER_PRIORITY)
        kst_say_forbidden(top, "value",
                          "maximum allowed value of a user defined priority is 1000000000");
    if (*policy && !kst_is_one_of(policy, policies))
        kst_say_unsupported(top, "preemptionPolicy", policy, policies);
}

void kst_validate_namespace(const struct kst_place *top, const struct kst_json *object,
                            const struct kst_json *old)
{
    struct kst_place spec = kst_place_field(top, "spec");
    for (EACH(finalizer, kst_json_path(object, "spec.finalizers"))) {
        const char *text = kst_json_str(finalizer) ? kst_json_str(finalizer) : "";
        kst_check_text(&spec, "finalizers", KST_TEXT_QUALIFIED, text);
        if (!strchr(text, '/') && !kst_is_one_of(text, "kubernetes orphan foregroundDeletion"))
            kst_say_invalid_text(
                &spec, "finalizers", text,
                "name is neither a standard finalizer name nor is it fully qualified");
    }
}
