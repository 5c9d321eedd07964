/* SPDX-License-Identifier: Apache-2.0 */
/* Where Pods may run: affinities, tolerations, spreading (pkg/apis/core/validation). */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sandbox/builtin/validate.h"

#define EACH(entry, list)                                \
    const struct kst_json *entry = kst_json_first(list); \
    entry;                                               \
    entry = kst_json_next(entry)

#define REQUIRED  "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED "preferredDuringSchedulingIgnoredDuringExecution"

/* ---- nodes ---- */

static void check_expression(const struct kst_place *at, const struct kst_json *expression)
{
    const char *operator= kst_read_text(expression, "operator");
    size_t count = kst_json_len(kst_json_get(expression, "values"));
    if (kst_is_one_of(operator, "In NotIn")) {
        if (!count)
            kst_say_required(at, "values", "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (kst_is_one_of(operator, "Exists DoesNotExist")) {
        if (count)
            kst_say_forbidden(at, "values",
                              "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else if (kst_is_one_of(operator, "Gt Lt")) {
        if (count != 1)
            kst_say_required(at, "values",
                             "must be specified single value when `operator` is 'Lt' or 'Gt'");
    } else {
        kst_say_invalid_text(at, "operator", operator, "not a valid selector operator");
    }
    kst_check_text(at, "key", KST_TEXT_QUALIFIED, kst_read_text(expression, "key"));
}

static void check_node_field(const struct kst_place *at, const struct kst_json *requirement)
{
    const char *operator= kst_read_text(requirement, "operator");
    const char *key = kst_read_text(requirement, "key");
    const struct kst_json *values = kst_json_get(requirement, "values");
    struct kst_place list = kst_place_field(at, "values");
    int i = 0;
    if (!kst_is_one_of(operator, "In NotIn"))
        kst_say_invalid_text(at, "operator", operator, "not a valid selector operator");
    else if (kst_json_len(values) != 1)
        kst_say_required(at, "values",
                         "must be only one value when `operator` is 'In' or 'NotIn' for node field "
                         "selector");
    if (strcmp(key, "metadata.name") != 0) {
        kst_say_invalid_text(at, "key", key, "not a valid field selector key");
        return;
    }
    for (EACH(value, values)) {
        struct kst_place one = kst_place_index(&list, i++);
        kst_check_text(&one, "", KST_TEXT_SUBDOMAIN,
                       kst_json_str(value) ? kst_json_str(value) : "");
    }
}

static void check_node_term(const struct kst_place *at, const struct kst_json *term)
{
    struct kst_place expressions = kst_place_field(at, "matchExpressions");
    struct kst_place fields = kst_place_field(at, "matchFields");
    int i = 0, j = 0;
    for (EACH(e, kst_json_get(term, "matchExpressions"))) {
        struct kst_place one = kst_place_index(&expressions, i++);
        check_expression(&one, e);
    }
    for (EACH(f, kst_json_get(term, "matchFields"))) {
        struct kst_place one = kst_place_index(&fields, j++);
        check_node_field(&one, f);
    }
}

void kst_validate_node_selector(const struct kst_place *place, const struct kst_json *selector)
{
    struct kst_place terms = kst_place_field(place, "nodeSelectorTerms");
    const struct kst_json *list = kst_json_get(selector, "nodeSelectorTerms");
    int i = 0;
    if (kst_json_len(list) == 0)
        kst_say_required(&terms, "", "must have at least one node selector term");
    for (EACH(term, list)) {
        struct kst_place at = kst_place_index(&terms, i++);
        check_node_term(&at, term);
    }
}

static void check_weight(const struct kst_place *at, const struct kst_json *term)
{
    int64_t weight = kst_read_int(term, "weight");
    if (weight <= 0 || weight > 100)
        kst_say_invalid_int(at, "weight", weight, "must be in the range 1-100");
}

static void check_node_affinity(const struct kst_place *place, const struct kst_json *affinity)
{
    struct kst_place required = kst_place_field(place, REQUIRED);
    struct kst_place preferred = kst_place_field(place, PREFERRED);
    int i = 0;
    if (kst_has(affinity, REQUIRED))
        kst_validate_node_selector(&required, kst_json_get(affinity, REQUIRED));
    for (EACH(term, kst_json_get(affinity, PREFERRED))) {
        struct kst_place at = kst_place_index(&preferred, i++);
        struct kst_place preference = kst_place_field(&at, "preference");
        check_weight(&at, term);
        check_node_term(&preference, kst_json_get(term, "preference"));
    }
}

/* ---- other Pods ---- */

static void check_pod_term(const struct kst_place *at, const struct kst_json *term)
{
    struct kst_place selector = kst_place_field(at, "matchExpressions");
    const char *key = kst_read_text(term, "topologyKey");
    kst_check_selector(&selector, kst_json_get(term, "labelSelector"));
    for (EACH(ns, kst_json_get(term, "namespaces")))
        kst_check_text(at, "namespace", KST_TEXT_LABEL, kst_json_str(ns) ? kst_json_str(ns) : "");
    if (!*key)
        kst_say_required(at, "topologyKey", "can not be empty");
    kst_check_text(at, "topologyKey", KST_TEXT_QUALIFIED, key);
}

static void check_pod_affinity(const struct kst_place *place, const struct kst_json *affinity)
{
    struct kst_place required = kst_place_field(place, REQUIRED);
    struct kst_place preferred = kst_place_field(place, PREFERRED);
    int i = 0, j = 0;
    for (EACH(term, kst_json_get(affinity, REQUIRED))) {
        struct kst_place at = kst_place_index(&required, i++);
        check_pod_term(&at, term);
    }
    for (EACH(term, kst_json_get(affinity, PREFERRED))) {
        struct kst_place at = kst_place_index(&preferred, j++);
        struct kst_place inner = kst_place_field(&at, "podAffinityTerm");
        check_weight(&at, term);
        check_pod_term(&inner, kst_json_get(term, "podAffinityTerm"));
    }
}

/* ---- spreading ---- */

static void check_spread(const struct kst_place *at, const struct kst_json *constraint)
{
    const char *key = kst_read_text(constraint, "topologyKey");
    const char *action = kst_read_text(constraint, "whenUnsatisfiable");
    int64_t skew = kst_read_int(constraint, "maxSkew");
    if (skew <= 0)
        kst_say_invalid_int(at, "maxSkew", skew, "must be greater than zero");
    if (!*key)
        kst_say_required(at, "topologyKey", "can not be empty");
    if (!kst_is_one_of(action, "DoNotSchedule ScheduleAnyway"))
        kst_say_unsupported(at, "whenUnsatisfiable", action, "DoNotSchedule ScheduleAnyway");
    const struct kst_json *rest = kst_json_next(constraint);
    for (; rest; rest = kst_json_next(rest)) {
        if (strcmp(key, kst_read_text(rest, "topologyKey")) != 0 ||
            strcmp(action, kst_read_text(rest, "whenUnsatisfiable")) != 0)
            continue;
        kst_auto_free char *pair = kst_asprintf("{%s, %s}", key, action);
        kst_say_duplicate(at, "{topologyKey, whenUnsatisfiable}", pair);
        return;
    }
}

void kst_validate_placement(const struct kst_place *spec, const struct kst_json *pod_spec)
{
    static const struct {
        const char *name;
        void (*check)(const struct kst_place *place, const struct kst_json *affinity);
    } kinds[] = {{"nodeAffinity", check_node_affinity},
                 {"podAffinity", check_pod_affinity},
                 {"podAntiAffinity", check_pod_affinity}};
    struct kst_place affinity = kst_place_field(spec, "affinity");
    for (size_t i = 0; i < KST_ARRAY_LEN(kinds); i++) {
        struct kst_place place = kst_place_field(&affinity, kinds[i].name);
        const struct kst_json *all = kst_json_get(pod_spec, "affinity");
        if (kst_has(all, kinds[i].name))
            kinds[i].check(&place, kst_json_get(all, kinds[i].name));
    }
    struct kst_place spread = kst_place_field(spec, "topologySpreadConstraints");
    int i = 0;
    for (EACH(constraint, kst_json_get(pod_spec, "topologySpreadConstraints"))) {
        struct kst_place at = kst_place_index(&spread, i++);
        check_spread(&at, constraint);
    }
}
