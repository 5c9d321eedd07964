/* SPDX-License-Identifier: Apache-2.0 */
/* Pods and their templates (pkg/apis/core/validation of Kubernetes), in the server's order. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sandbox/builtin/validate.h"

#define EACH(entry, list)                                \
    const struct kst_json *entry = kst_json_first(list); \
    entry;                                               \
    entry = kst_json_next(entry)

static void check_policy(const struct kst_place *spec, const struct kst_json *pod_spec,
                         const char *field, const char *supported)
{
    const char *policy = kst_read_text(pod_spec, field);
    if (!*policy)
        kst_say_required(spec, field, "");
    else if (!kst_is_one_of(policy, supported))
        kst_say_unsupported(spec, field, policy, supported);
}

static void check_id(const struct kst_place *place, const char *field, int64_t id)
{
    if (id < 0 || id > INT32_MAX)
        kst_say_invalid_int(place, field, id, "must be between 0 and 2147483647, inclusive");
}

static void check_host_network(const struct kst_place *spec, const struct kst_json *pod_spec)
{
    struct kst_place containers = kst_place_field(spec, "containers");
    int i = 0;
    for (EACH(c, kst_json_get(pod_spec, "containers"))) {
        struct kst_place at = kst_place_index(&containers, i++);
        struct kst_place ports = kst_place_field(&at, "ports");
        int j = 0;
        for (EACH(p, kst_json_get(c, "ports"))) {
            struct kst_place port = kst_place_index(&ports, j++);
            int64_t number = kst_read_int(p, "containerPort");
            if (kst_read_int(p, "hostPort") != number)
                kst_say_invalid_int(&port, "containerPort", number,
                                    "must match `hostPort` when `hostNetwork` is true");
        }
    }
}

static void check_security(const struct kst_place *spec, const struct kst_json *pod_spec)
{
    static const char *const ids[] = {"fsGroup", "runAsUser", "runAsGroup"};
    static const char changes[] = "Always OnRootMismatch";
    const struct kst_json *context = kst_json_get(pod_spec, "securityContext");
    struct kst_place place = kst_place_field(spec, "securityContext");
    struct kst_place groups = kst_place_field(&place, "supplementalGroups");
    int i = 0;
    if (kst_read_true(pod_spec, "hostNetwork"))
        check_host_network(spec, pod_spec);
    for (size_t k = 0; k < KST_ARRAY_LEN(ids); k++)
        check_id(&place, ids[k], kst_read_int(context, ids[k]));
    for (EACH(g, kst_json_get(context, "supplementalGroups"))) {
        struct kst_place at = kst_place_index(&groups, i++);
        int64_t id = 0;
        check_id(&at, "", kst_json_int(g, &id) ? id : 0);
    }
    if (kst_read_true(pod_spec, "shareProcessNamespace") && kst_read_true(pod_spec, "hostPID"))
        kst_say_invalid(&place, "shareProcessNamespace", "true",
                        "ShareProcessNamespace and HostPID cannot both be enabled");
    const char *change = kst_read_text(context, "fsGroupChangePolicy");
    if (kst_has(context, "fsGroupChangePolicy") && !kst_is_one_of(change, changes))
        kst_say_unsupported(&place, "fsGroupChangePolicy", change, changes);
}

/* ---- names of hosts ---- */

static void check_valid_ip(const struct kst_place *at, const char *field, const char *text)
{
    kst_auto_json struct kst_json *wrong = kst_text_wrong(KST_TEXT_IP, text);
    if (wrong)
        kst_say_invalid_text(at, field, text, "must be valid IP address");
}

static void check_dns(const struct kst_place *spec, const struct kst_json *pod_spec)
{
    const struct kst_json *config = kst_json_get(pod_spec, "dnsConfig");
    const struct kst_json *servers = kst_json_get(config, "nameservers");
    struct kst_place place = kst_place_field(spec, "dnsConfig");
    struct kst_place list = kst_place_field(&place, "nameservers");
    struct kst_place searches = kst_place_field(&place, "searches");
    int i = 0, j = 0;
    if (strcmp(kst_read_text(pod_spec, "dnsPolicy"), "None") == 0) {
        if (!kst_has(pod_spec, "dnsConfig")) {
            kst_say_required(&place, "", "must provide `dnsConfig` when `dnsPolicy` is None");
            return;
        }
        if (kst_json_len(servers) == 0) {
            kst_say_required(&list, "",
                             "must provide at least one DNS nameserver when `dnsPolicy` is None");
            return;
        }
    }
    if (kst_json_len(servers) > 3) {
        kst_auto_free char *shown = kst_shown_texts(servers);
        kst_say_invalid(&list, "", shown, "must not have more than 3 nameservers");
    }
    for (EACH(server, servers)) {
        struct kst_place at = kst_place_index(&list, i++);
        check_valid_ip(&at, "", kst_json_str(server) ? kst_json_str(server) : "");
    }
    for (EACH(search, kst_json_get(config, "searches"))) {
        struct kst_place at = kst_place_index(&searches, j++);
        kst_auto_free char *name = kst_strdup(kst_json_str(search) ? kst_json_str(search) : "");
        size_t len = strlen(name);
        if (len && name[len - 1] == '.')
            name[len - 1] = '\0';
        kst_check_text(&at, "", KST_TEXT_SUBDOMAIN, name);
    }
    struct kst_place options = kst_place_field(&place, "options");
    int k = 0;
    for (EACH(option, kst_json_get(config, "options"))) {
        struct kst_place at = kst_place_index(&options, k++);
        if (!*kst_read_text(option, "name"))
            kst_say_required(&at, "", "must not be empty");
    }
}

static void check_aliases(const struct kst_place *spec, const struct kst_json *list)
{
    struct kst_place place = kst_place_field(spec, "hostAliases");
    for (EACH(alias, list)) {
        check_valid_ip(&place, "ip", kst_read_text(alias, "ip"));
        for (EACH(name, kst_json_get(alias, "hostnames")))
            kst_check_text(&place, "hostnames", KST_TEXT_SUBDOMAIN,
                           kst_json_str(name) ? kst_json_str(name) : "");
    }
}

/* ---- tolerations ---- */

static void check_toleration(const struct kst_place *at, const struct kst_json *toleration)
{
    static const char effects[] = "NoSchedule PreferNoSchedule NoExecute";
    const char *key = kst_read_text(toleration, "key"), *value = kst_read_text(toleration, "value");
    const char *operator= kst_read_text(toleration, "operator");
    const char *effect = kst_read_text(toleration, "effect");
    if (*key)
        kst_check_text(at, "key", KST_TEXT_QUALIFIED, key);
    else if (strcmp(operator, "Exists") != 0)
        kst_say_invalid_text(at, "operator", operator,
                             "operator must be Exists when `key` is empty, which means \"match all "
                             "values and all keys\"");
    if (kst_has(toleration, "tolerationSeconds") && strcmp(effect, "NoExecute") != 0)
        kst_say_invalid_text(at, "effect", effect,
                             "effect must be 'NoExecute' when `tolerationSeconds` is set");
    if (!*operator|| strcmp(operator, "Equal") == 0) {
        kst_check_text(at, "operator", KST_TEXT_LABEL_VALUE, value);
    } else if (strcmp(operator, "Exists") != 0) {
        kst_say_unsupported(at, "operator", operator, "Equal Exists");
    } else if (*value) {
        kst_auto_free char *shown_key = kst_shown_text(key), *shown_value = kst_shown_text(value);
        kst_auto_free char *shown_effect = kst_shown_text(effect);
        kst_auto_free char *shown = kst_asprintf(
            "core.Toleration{Key:%s, Operator:\"Exists\", Value:%s, Effect:%s, "
            "TolerationSeconds:(*int64)(nil)}",
            shown_key, shown_value, shown_effect);
        kst_say_invalid(at, "operator", shown, "value must be empty when `operator` is 'Exists'");
    }
    if (*effect && !kst_is_one_of(effect, effects))
        kst_say_unsupported(at, "effect", effect, effects);
}

static void check_tolerations(const struct kst_place *spec, const struct kst_json *list)
{
    struct kst_place place = kst_place_field(spec, "tolerations");
    int i = 0;
    for (EACH(toleration, list)) {
        struct kst_place at = kst_place_index(&place, i++);
        check_toleration(&at, toleration);
    }
}

/* ---- the spec ---- */

static void check_names(const struct kst_place *spec, const struct kst_json *pod_spec)
{
    static const struct {
        const char *field;
        enum kst_text_form form;
    } names[] = {{"hostname", KST_TEXT_LABEL}, {"subdomain", KST_TEXT_LABEL}};
    for (size_t i = 0; i < KST_ARRAY_LEN(names); i++)
        if (*kst_read_text(pod_spec, names[i].field))
            kst_check_text(spec, names[i].field, names[i].form,
                           kst_read_text(pod_spec, names[i].field));
}

static void check_subdomain(const struct kst_place *spec, const struct kst_json *pod_spec,
                            const char *field)
{
    if (*kst_read_text(pod_spec, field))
        kst_check_text(spec, field, KST_TEXT_SUBDOMAIN, kst_read_text(pod_spec, field));
}

static void check_gates(const struct kst_place *spec, const struct kst_json *list)
{
    struct kst_place gates = kst_place_field(spec, "readinessGates");
    int i = 0;
    for (EACH(gate, list)) {
        struct kst_place at = kst_place_index(&gates, i++);
        kst_check_text(&at, "conditionType", KST_TEXT_QUALIFIED,
                       kst_read_text(gate, "conditionType"));
    }
}

void kst_validate_pod_spec(const struct kst_place *spec, const struct kst_json *pod_spec)
{
    struct kst_place volumes = kst_place_field(spec, "volumes");
    struct kst_place containers = kst_place_field(spec, "containers");
    struct kst_place init = kst_place_field(spec, "initContainers");
    struct kst_place selector = kst_place_field(spec, "nodeSelector");
    kst_auto_json struct kst_json *good = kst_validate_volumes(&volumes,
                                                               kst_json_get(pod_spec, "volumes"));
    kst_validate_containers(&containers, pod_spec, false, good);
    kst_validate_containers(&init, pod_spec, true, good);
    check_policy(spec, pod_spec, "restartPolicy", "Always OnFailure Never");
    check_policy(spec, pod_spec, "dnsPolicy", "ClusterFirstWithHostNet ClusterFirst Default None");
    kst_check_labels(&selector, kst_json_get(pod_spec, "nodeSelector"));
    check_security(spec, pod_spec);
    check_dns(spec, pod_spec);
    check_gates(spec, kst_json_get(pod_spec, "readinessGates"));
    kst_validate_placement(spec, pod_spec);
    check_subdomain(spec, pod_spec, "serviceAccountName");
    check_subdomain(spec, pod_spec, "nodeName");
    int64_t deadline = kst_read_int(pod_spec, "activeDeadlineSeconds");
    if (kst_has(pod_spec, "activeDeadlineSeconds") && (deadline < 1 || deadline > INT32_MAX))
        kst_say_invalid_int(spec, "activeDeadlineSeconds", deadline,
                            "must be between 1 and 2147483647, inclusive");
    check_names(spec, pod_spec);
    check_tolerations(spec, kst_json_get(pod_spec, "tolerations"));
    check_aliases(spec, kst_json_get(pod_spec, "hostAliases"));
    check_subdomain(spec, pod_spec, "priorityClassName");
    check_subdomain(spec, pod_spec, "runtimeClassName");
    if (kst_has(pod_spec, "preemptionPolicy"))
        check_policy(spec, pod_spec, "preemptionPolicy", "PreemptLowerPriority Never");
}

void kst_validate_pod_template(const struct kst_place *place, const struct kst_json *template)
{
    struct kst_place spec = kst_place_field(place, "spec");
    kst_validate_template_meta(place, kst_json_get(template, "metadata"));
    kst_validate_pod_spec(&spec, kst_json_get(template, "spec"));
}

/* ---- Pods ---- */

static bool has_outer_space(const char *text)
{
    static const char spaces[] = " \t\n\r\v\f";
    size_t len = strlen(text);
    return len && (strchr(spaces, text[0]) || strchr(spaces, text[len - 1]));
}

static void check_images(const struct kst_place *spec, const struct kst_json *pod_spec)
{
    static const char *const lists[] = {"containers", "initContainers"};
    for (size_t k = 0; k < KST_ARRAY_LEN(lists); k++) {
        struct kst_place list = kst_place_field(spec, lists[k]);
        int i = 0;
        for (EACH(c, kst_json_get(pod_spec, lists[k]))) {
            struct kst_place at = kst_place_index(&list, i++);
            if (has_outer_space(kst_read_text(c, "image")))
                kst_say_invalid_text(&at, "image", kst_read_text(c, "image"),
                                     "must not have leading or trailing whitespace");
        }
    }
}

static bool is_kept(const struct kst_json *toleration, const struct kst_json *list)
{
    kst_auto_json struct kst_json *wanted = kst_copy_object(toleration);
    kst_json_remove(wanted, "tolerationSeconds");
    for (EACH(t, list)) {
        kst_auto_json struct kst_json *other = kst_copy_object(t);
        kst_json_remove(other, "tolerationSeconds");
        if (kst_same_value(wanted, other))
            return true;
    }
    return false;
}

/* What may be changed is made as it was; false where a list of containers has another length. */
static bool put_back(const struct kst_place *spec, struct kst_json *changed,
                     const struct kst_json *old)
{
    static const char *const lists[] = {"containers", "initContainers"};
    static const char *const fields[] = {"activeDeadlineSeconds", "tolerations"};
    for (size_t k = 0; k < KST_ARRAY_LEN(lists); k++) {
        struct kst_json *list = kst_json_mut(changed, lists[k]);
        const struct kst_json *before = kst_json_get(old, lists[k]);
        if (kst_json_len(list) != kst_json_len(before)) {
            kst_say_forbidden(spec, lists[k], "pod updates may not add or remove containers");
            return false;
        }
        for (size_t i = 0; i < kst_json_len(list); i++)
            if (kst_json_type(kst_json_at(list, i)) == KST_JSON_OBJECT)
                kst_json_set_str(kst_json_mut_at(list, i), "image",
                                 kst_read_text(kst_json_at(before, i), "image"));
    }
    for (size_t i = 0; i < KST_ARRAY_LEN(fields); i++) {
        kst_json_remove(changed, fields[i]);
        if (kst_json_get(old, fields[i]))
            kst_json_set(changed, fields[i], kst_json_dup(kst_json_get(old, fields[i])));
    }
    return true;
}

static void check_deadline(const struct kst_place *spec, const struct kst_json *value,
                           const struct kst_json *old)
{
    int64_t now = kst_read_int(value, "activeDeadlineSeconds");
    int64_t before = kst_read_int(old, "activeDeadlineSeconds");
    bool has = kst_has(value, "activeDeadlineSeconds");
    if (has && (now < 0 || now > INT32_MAX))
        kst_say_invalid_int(spec, "activeDeadlineSeconds", now,
                            "must be between 0 and 2147483647, inclusive");
    else if (kst_has(old, "activeDeadlineSeconds") && !has)
        kst_say_invalid(spec, "activeDeadlineSeconds", "\"null\"",
                        "must not update from a positive integer to nil value");
    else if (kst_has(old, "activeDeadlineSeconds") && before < now)
        kst_say_invalid_int(spec, "activeDeadlineSeconds", now,
                            "must be less than or equal to previous value");
}

static void check_update(const struct kst_place *spec, const struct kst_json *value,
                         const struct kst_json *old)
{
    kst_auto_json struct kst_json *changed = kst_copy_object(value);
    if (!put_back(spec, changed, old))
        return;
    check_deadline(spec, value, old);
    for (EACH(t, kst_json_get(old, "tolerations"))) {
        if (!is_kept(t, kst_json_get(value, "tolerations"))) {
            kst_say_forbidden(
                spec, "tolerations",
                "existing toleration can not be modified except its tolerationSeconds");
            break;
        }
    }
    if (!kst_same_value(changed, old))
        kst_say_forbidden(
            spec, "",
            "pod updates may not change fields other than `spec.containers[*].image`, "
            "`spec.initContainers[*].image`, `spec.activeDeadlineSeconds` or "
            "`spec.tolerations` (only additions to existing tolerations)\n");
}

void kst_validate_pod(const struct kst_place *top, const struct kst_json *pod,
                      const struct kst_json *old)
{
    struct kst_place spec = kst_place_field(top, "spec");
    kst_validate_pod_spec(&spec, kst_json_get(pod, "spec"));
    check_images(&spec, kst_json_get(pod, "spec"));
    if (old)
        check_update(&spec, kst_json_get(pod, "spec"), kst_json_get(old, "spec"));
}
