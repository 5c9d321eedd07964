/* SPDX-License-Identifier: Apache-2.0 */
/* What makes Pods of a template (pkg/apis/{apps,batch,policy,autoscaling}/validation). */
#include <stdlib.h>
#include <string.h>

#include "base/cron.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/builtin/validate.h"

#define EACH(entry, list)                                \
    const struct kst_json *entry = kst_json_first(list); \
    entry;                                               \
    entry = kst_json_next(entry)

/* ---- parts ---- */

static size_t selector_len(const struct kst_json *selector)
{
    return kst_json_len(kst_json_get(selector, "matchLabels")) +
           kst_json_len(kst_json_get(selector, "matchExpressions"));
}

/* A selector that must be there and not be empty. */
static void check_needed_selector(const struct kst_place *spec, const struct kst_json *selector,
                                  const char *kind)
{
    struct kst_place place = kst_place_field(spec, "selector");
    if (kst_json_type(selector) != KST_JSON_OBJECT) {
        kst_say_required(&place, "", "");
        return;
    }
    kst_check_selector(&place, selector);
    if (selector_len(selector) == 0) {
        kst_auto_free char *shown = kst_shown_selector(selector);
        kst_say_invalid(&place, "", shown, "empty selector is invalid for %s", kind);
    }
}

static void say_not_selected(const struct kst_place *spec, const struct kst_json *labels)
{
    kst_auto_free char *shown = kst_shown_map(labels);
    kst_say_invalid(spec, "template.metadata.labels", shown,
                    "`selector` does not match template `labels`");
}

enum selecting {
    SELECTS_SILENTLY, /* a selector that cannot be read is not told of again */
    SELECTS_BARELY,   /* it is, without words */
    SELECTS_ALOUD,
};

/* No selector at all selects nothing. */
static void check_selected(const struct kst_place *spec, const struct kst_json *value,
                           enum selecting how)
{
    const struct kst_json *selector = kst_json_get(value, "selector");
    const struct kst_json *labels = kst_json_path(value, "template.metadata.labels");
    bool none = kst_json_type(selector) != KST_JSON_OBJECT;
    if (!kst_selector_is_right(selector)) {
        kst_auto_free char *shown = kst_shown_selector(selector);
        if (how != SELECTS_SILENTLY)
            kst_say_invalid(spec, "selector", shown, "%s",
                            how == SELECTS_ALOUD ? "invalid label selector" : "");
        return;
    }
    if (!none && how != SELECTS_SILENTLY && selector_len(selector) == 0)
        return;
    if (none || !kst_selects(selector, labels))
        say_not_selected(spec, labels);
}

static void check_restarts(const struct kst_place *spec, const struct kst_json *value,
                           const char *kind)
{
    const char *policy = kst_read_text(value, "template.spec.restartPolicy");
    if (strcmp(policy, "Always") != 0)
        kst_say_unsupported(spec, "template.spec.restartPolicy", policy, "Always");
    if (kst_has(value, "template.spec.activeDeadlineSeconds"))
        kst_say_forbidden(spec, "template.spec.activeDeadlineSeconds",
                          "activeDeadlineSeconds in %s is not Supported", kind);
}

/* ---- numbers or shares ---- */

static bool is_percent(const char *text)
{
    size_t len = strspn(text, "0123456789");
    return len && strcmp(text + len, "%") == 0;
}

static long share_of(const struct kst_json *value)
{
    int64_t number = 0;
    if (kst_json_str(value))
        return is_percent(kst_json_str(value)) ? strtol(kst_json_str(value), NULL, 10) : 0;
    return kst_json_int(value, &number) ? (long)number : 0;
}

static void check_share(const struct kst_place *place, const struct kst_json *object,
                        const char *field)
{
    const struct kst_json *value = kst_json_get(object, field);
    const char *text = kst_json_str(value);
    int64_t number = 0;
    if (text && !is_percent(text)) {
        kst_auto_free char *shown = kst_shown_share(value);
        kst_say_invalid(place, field, shown,
                        "a valid percent string must be a numeric string followed by an ending "
                        "'%%' (e.g. '1%%',  or '93%%', regex used for validation is '[0-9]+%%')");
    } else if (!text && kst_json_int(value, &number) && number < 0) {
        kst_say_invalid_int(place, field, number, "must be greater than or equal to 0");
    }
}

static void check_at_most_all(const struct kst_place *place, const struct kst_json *object,
                              const char *field)
{
    const struct kst_json *value = kst_json_get(object, field);
    kst_auto_free char *shown = kst_shown_share(value);
    if (kst_json_str(value) && share_of(value) > 100)
        kst_say_invalid(place, field, shown, "must not be greater than 100%%");
}

/* ---- Deployment, ReplicaSet, ReplicationController ---- */

static void check_rolling(const struct kst_place *strategy, const struct kst_json *rolling)
{
    struct kst_place place = kst_place_field(strategy, "rollingUpdate");
    check_share(&place, rolling, "maxUnavailable");
    check_share(&place, rolling, "maxSurge");
    const struct kst_json *unavailable = kst_json_get(rolling, "maxUnavailable");
    if (share_of(unavailable) == 0 && share_of(kst_json_get(rolling, "maxSurge")) == 0) {
        kst_auto_free char *shown = kst_shown_share(unavailable);
        kst_say_invalid(&place, "maxUnavailable", shown, "may not be 0 when `maxSurge` is 0");
    }
    check_at_most_all(&place, rolling, "maxUnavailable");
}

static void say_strategy(const struct kst_place *place, const struct kst_json *strategy,
                         const char *kind, const char *infix, const char *supported)
{
    kst_auto_free char *type = kst_shown_text(kst_read_text(strategy, "type"));
    kst_auto_free char *shown = kst_asprintf(
        "apps.%s%sStrategy{Type:%s, RollingUpdate:(*apps.RollingUpdate%s)(%s)}", kind, infix, type,
        kind, kst_has(strategy, "rollingUpdate") ? "0xc000000000" : "nil");
    kst_say_unsupported_value(place, "", shown, supported);
}

static void check_strategy(const struct kst_place *spec, const struct kst_json *strategy)
{
    struct kst_place place = kst_place_field(spec, "strategy");
    const char *type = kst_read_text(strategy, "type");
    if (strcmp(type, "RollingUpdate") == 0) {
        check_rolling(&place, kst_json_get(strategy, "rollingUpdate"));
    } else if (strcmp(type, "Recreate") != 0) {
        say_strategy(&place, strategy, "Deployment", "", "Recreate RollingUpdate");
    } else if (kst_has(strategy, "rollingUpdate")) {
        kst_say_forbidden(&place, "rollingUpdate",
                          "may not be specified when strategy `type` is 'Recreate'");
    }
}

/* The selector of a kind in apps/v1 stays what it is. */
static void check_same_selector(const struct kst_place *spec, const struct kst_json *object,
                                const struct kst_json *old)
{
    const struct kst_json *selector = kst_json_path(object, "spec.selector");
    kst_auto_free char *shown = kst_shown_selector(selector);
    if (old)
        kst_check_immutable(spec, "selector", selector, kst_json_path(old, "spec.selector"), shown);
}

void kst_validate_deployment(const struct kst_place *top, const struct kst_json *object,
                             const struct kst_json *old)
{
    struct kst_place spec = kst_place_field(top, "spec");
    struct kst_place template = kst_place_field(&spec, "template");
    const struct kst_json *value = kst_json_get(object, "spec");
    kst_check_not_negative(&spec, value, "replicas");
    check_needed_selector(&spec, kst_json_get(value, "selector"), "deployment");
    check_selected(&spec, value, SELECTS_ALOUD);
    kst_validate_pod_template(&template, kst_json_get(value, "template"));
    check_restarts(&spec, value, "ReplicaSet");
    check_strategy(&spec, kst_json_get(value, "strategy"));
    kst_check_not_negative(&spec, value, "minReadySeconds");
    kst_check_not_negative(&spec, value, "revisionHistoryLimit");
    kst_check_not_negative(&spec, value, "progressDeadlineSeconds");
    int64_t deadline = kst_read_int(value, "progressDeadlineSeconds");
    if (kst_has(value, "progressDeadlineSeconds") &&
        deadline <= kst_read_int(value, "minReadySeconds"))
        kst_say_invalid_int(&spec, "progressDeadlineSeconds", deadline,
                            "must be greater than minReadySeconds");
    check_same_selector(&spec, object, old);
}

static void check_replicaset(const struct kst_place *spec, const struct kst_json *value)
{
    struct kst_place template = kst_place_field(spec, "template");
    kst_check_not_negative(spec, value, "replicas");
    kst_check_not_negative(spec, value, "minReadySeconds");
    check_needed_selector(spec, kst_json_get(value, "selector"), "deployment");
    check_selected(spec, value, SELECTS_ALOUD);
    kst_validate_pod_template(&template, kst_json_get(value, "template"));
    check_restarts(spec, value, "ReplicaSet");
}

void kst_validate_replicaset(const struct kst_place *top, const struct kst_json *object,
                             const struct kst_json *old)
{
    struct kst_place spec = kst_place_field(top, "spec");
    /* An update is validated as what it makes, and again as an update: causes are listed twice. */
    for (int i = 0; i < (old ? 2 : 1); i++)
        check_replicaset(&spec, kst_json_get(object, "spec"));
    check_same_selector(&spec, object, old);
}

void kst_validate_controller(const struct kst_place *top, const struct kst_json *object,
                             const struct kst_json *old)
{
    struct kst_place spec = kst_place_field(top, "spec");
    struct kst_place template = kst_place_field(&spec, "template");
    const struct kst_json *value = kst_json_get(object, "spec");
    const struct kst_json *selector = kst_json_get(value, "selector");
    const struct kst_json *labels = kst_json_path(value, "template.metadata.labels");
    kst_check_not_negative(&spec, value, "minReadySeconds");
    if (kst_json_len(selector) == 0)
        kst_say_required(&spec, "selector", "");
    kst_check_not_negative(&spec, value, "replicas");
    if (!kst_has(value, "template")) {
        kst_say_required(&template, "", "");
        return;
    }
    if (kst_json_len(selector) > 0 && !kst_json_has_all(labels, selector))
        say_not_selected(&spec, labels);
    kst_validate_pod_template(&template, kst_json_get(value, "template"));
    check_restarts(&spec, value, "ReplicationController");
}

/* ---- StatefulSet ---- */

static void check_stateful_strategy(const struct kst_place *spec, const struct kst_json *strategy)
{
    struct kst_place place = kst_place_field(spec, "updateStrategy");
    struct kst_place rolling = kst_place_field(&place, "rollingUpdate");
    const char *type = kst_read_text(strategy, "type");
    if (!*type) {
        kst_say_required(&place, "", "");
    } else if (strcmp(type, "RollingUpdate") == 0) {
        kst_check_not_negative(&rolling, kst_json_get(strategy, "rollingUpdate"), "partition");
    } else if (strcmp(type, "OnDelete") != 0) {
        kst_auto_free char *name = kst_shown_text(type);
        bool has = kst_has(strategy, "rollingUpdate");
        kst_auto_free char *shown = kst_asprintf(
            "apps.StatefulSetUpdateStrategy{Type:%s, "
            "RollingUpdate:(*apps.RollingUpdateStatefulSetStrategy)(%s)}",
            name, has ? "0xc000000000" : "nil");
        kst_say_invalid(&place, "", shown, "must be 'RollingUpdate' or 'OnDelete'");
    } else if (kst_has(strategy, "rollingUpdate")) {
        kst_auto_free char *shown = kst_asprintf(
            "apps.RollingUpdateStatefulSetStrategy{Partition:%lld}",
            (long long)kst_read_int(strategy, "rollingUpdate.partition"));
        kst_say_invalid(&rolling, "", shown, "only allowed for updateStrategy 'RollingUpdate'");
    }
}

static void check_stateful_update(const struct kst_place *spec, const struct kst_json *value,
                                  const struct kst_json *old)
{
    static const char *const free_fields[] = {"replicas", "template", "updateStrategy"};
    kst_auto_json struct kst_json *now = kst_copy_object(value);
    kst_auto_json struct kst_json *before = kst_copy_object(old);
    for (size_t i = 0; i < KST_ARRAY_LEN(free_fields); i++) {
        kst_json_remove(now, free_fields[i]);
        kst_json_remove(before, free_fields[i]);
    }
    if (!kst_same_value(now, before))
        kst_say_forbidden(spec, "",
                          "updates to statefulset spec for fields other than 'replicas', "
                          "'template', and 'updateStrategy' are forbidden");
}

void kst_validate_statefulset(const struct kst_place *top, const struct kst_json *object,
                              const struct kst_json *old)
{
    struct kst_place spec = kst_place_field(top, "spec");
    struct kst_place template = kst_place_field(&spec, "template");
    const struct kst_json *value = kst_json_get(object, "spec");
    const char *management = kst_read_text(value, "podManagementPolicy");
    if (!*management)
        kst_say_required(&spec, "podManagementPolicy", "");
    else if (!kst_is_one_of(management, "OrderedReady Parallel"))
        kst_say_invalid_text(&spec, "podManagementPolicy", management,
                             "must be 'OrderedReady' or 'Parallel'");
    check_stateful_strategy(&spec, kst_json_get(value, "updateStrategy"));
    kst_check_not_negative(&spec, value, "replicas");
    check_needed_selector(&spec, kst_json_get(value, "selector"), "statefulset");
    check_selected(&spec, value, SELECTS_BARELY);
    /* The Pods of the template are validated when they are created, as 1.20 does. */
    kst_validate_template_meta(&template, kst_json_path(value, "template.metadata"));
    check_restarts(&spec, value, "StatefulSet");
    if (old)
        check_stateful_update(&spec, value, kst_json_get(old, "spec"));
}

/* ---- DaemonSet ---- */

static void check_daemon_strategy(const struct kst_place *spec, const struct kst_json *strategy)
{
    struct kst_place place = kst_place_field(spec, "updateStrategy");
    struct kst_place rolling = kst_place_field(&place, "rollingUpdate");
    const struct kst_json *value = kst_json_get(strategy, "rollingUpdate");
    const struct kst_json *unavailable = kst_json_get(value, "maxUnavailable");
    const char *type = kst_read_text(strategy, "type");
    if (strcmp(type, "OnDelete") == 0)
        return;
    if (strcmp(type, "RollingUpdate") != 0) {
        say_strategy(&place, strategy, "DaemonSet", "Update", "RollingUpdate OnDelete");
        return;
    }
    check_share(&rolling, value, "maxUnavailable");
    if (share_of(unavailable) == 0) {
        kst_auto_free char *shown = kst_shown_share(unavailable);
        kst_say_invalid(&rolling, "maxUnavailable", shown, "cannot be 0");
    }
    check_at_most_all(&rolling, value, "maxUnavailable");
}

static void check_daemonset(const struct kst_place *spec, const struct kst_json *value)
{
    struct kst_place template = kst_place_field(spec, "template");
    struct kst_place selector = kst_place_field(spec, "selector");
    const struct kst_json *selects = kst_json_get(value, "selector");
    kst_check_selector(&selector, selects);
    check_selected(spec, value, SELECTS_SILENTLY);
    if (kst_json_type(selects) == KST_JSON_OBJECT && selector_len(selects) == 0) {
        kst_auto_free char *shown = kst_shown_selector(selects);
        kst_say_invalid(&selector, "", shown, "empty selector is invalid for daemonset");
    }
    kst_validate_pod_template(&template, kst_json_get(value, "template"));
    check_restarts(spec, value, "DaemonSet");
    kst_check_not_negative(spec, value, "minReadySeconds");
    check_daemon_strategy(spec, kst_json_get(value, "updateStrategy"));
    kst_check_not_negative(spec, value, "revisionHistoryLimit");
}

void kst_validate_daemonset(const struct kst_place *top, const struct kst_json *object,
                            const struct kst_json *old)
{
    struct kst_place spec = kst_place_field(top, "spec");
    for (int i = 0; i < (old ? 2 : 1); i++)
        check_daemonset(&spec, kst_json_get(object, "spec"));
    check_same_selector(&spec, object, old);
}

/* ---- Job, CronJob ---- */

static void check_job_spec(const struct kst_place *spec, const struct kst_json *value)
{
    static const char *const numbers[] = {"parallelism", "completions", "activeDeadlineSeconds",
                                          "backoffLimit"};
    struct kst_place template = kst_place_field(spec, "template");
    const char *policy = kst_read_text(value, "template.spec.restartPolicy");
    for (size_t i = 0; i < KST_ARRAY_LEN(numbers); i++)
        kst_check_not_negative(spec, value, numbers[i]);
    kst_validate_pod_template(&template, kst_json_get(value, "template"));
    if (!*policy || strcmp(policy, "Always") == 0)
        kst_say_required(spec, "template.spec.restartPolicy",
                         "valid values: \"OnFailure\", \"Never\"");
    else if (!kst_is_one_of(policy, "OnFailure Never"))
        kst_say_unsupported(spec, "template.spec.restartPolicy", policy, "OnFailure Never");
}

/* The labels by which a Job finds its Pods. */
static void check_generated(const struct kst_place *spec, const struct kst_json *job)
{
    static const char *const keys[] = {"controller-uid", "job-name"};
    const char *const wanted[] = {kst_read_text(job, "metadata.uid"),
                                  kst_read_text(job, "metadata.name")};
    const struct kst_json *labels = kst_json_path(job, "spec.template.metadata.labels");
    const struct kst_json *selector = kst_json_path(job, "spec.selector");
    struct kst_place place = kst_place_field(spec, "template.metadata.labels");
    kst_auto_json struct kst_json *expected = kst_json_object();
    if (kst_read_true(job, "spec.manualSelector") || !selector)
        return;
    for (size_t i = 0; i < KST_ARRAY_LEN(keys); i++) {
        struct kst_place at = kst_place_key(&place, keys[i]);
        const struct kst_json *label = kst_json_get(labels, keys[i]);
        kst_auto_free char *detail = kst_asprintf("must be '%s'", wanted[i]);
        kst_json_set_str(expected, keys[i], wanted[i]);
        if (!label) {
            kst_say_required(&at, "", detail);
        } else if (!kst_json_str(label) || strcmp(kst_json_str(label), wanted[i]) != 0) {
            kst_auto_free char *shown = kst_shown_map(labels);
            kst_say_invalid(&at, "", shown, "%s", detail);
        }
    }
    if (!kst_selects(selector, expected)) {
        kst_auto_free char *shown = kst_shown_selector(selector);
        kst_say_invalid(spec, "selector", shown, "`selector` not auto-generated");
    }
}

static void check_job_update(const struct kst_place *spec, const struct kst_json *value,
                             const struct kst_json *old)
{
    static const char *const fixed[] = {"completions", "selector", "template"};
    for (size_t i = 0; i < KST_ARRAY_LEN(fixed); i++) {
        const struct kst_json *now = kst_json_get(value, fixed[i]);
        kst_auto_free char *shown = i == 1 ? kst_shown_selector(now) : kst_json_text(now);
        kst_check_immutable(spec, fixed[i], now, kst_json_get(old, fixed[i]), shown);
    }
}

void kst_validate_job(const struct kst_place *top, const struct kst_json *object,
                      const struct kst_json *old)
{
    struct kst_place spec = kst_place_field(top, "spec");
    struct kst_place selector = kst_place_field(&spec, "selector");
    const struct kst_json *value = kst_json_get(object, "spec");
    if (!old)
        check_generated(&spec, object);
    check_job_spec(&spec, value);
    if (kst_json_type(kst_json_get(value, "selector")) != KST_JSON_OBJECT)
        kst_say_required(&selector, "", "");
    else
        kst_check_selector(&selector, kst_json_get(value, "selector"));
    check_selected(&spec, value, SELECTS_SILENTLY);
    if (old)
        check_job_update(&spec, value, kst_json_get(old, "spec"));
}

static void check_schedule(const struct kst_place *spec, const char *schedule)
{
    struct kst_cron cron;
    kst_auto_err struct kst_err *err = NULL;
    if (!*schedule) {
        kst_say_required(spec, "schedule", "");
        return;
    }
    if (kst_cron_parse(schedule, &cron, &err) < 0)
        kst_say_invalid_text(spec, "schedule", schedule, kst_err_message(err));
}

void kst_validate_cronjob(const struct kst_place *top, const struct kst_json *object,
                          const struct kst_json *old)
{
    static const char policies[] = "Allow Forbid Replace";
    struct kst_place spec = kst_place_field(top, "spec");
    struct kst_place template = kst_place_field(&spec, "jobTemplate");
    struct kst_place job = kst_place_field(&template, "spec");
    const struct kst_json *value = kst_json_get(object, "spec");
    const struct kst_json *job_spec = kst_json_path(value, "jobTemplate.spec");
    const char *policy = kst_read_text(value, "concurrencyPolicy");
    check_schedule(&spec, kst_read_text(value, "schedule"));
    kst_check_not_negative(&spec, value, "startingDeadlineSeconds");
    if (!*policy)
        kst_say_required(&spec, "concurrencyPolicy", "");
    else if (!kst_is_one_of(policy, policies))
        kst_say_unsupported(&spec, "concurrencyPolicy", policy, policies);
    check_job_spec(&job, job_spec);
    if (kst_has(job_spec, "selector")) {
        kst_auto_free char *shown = kst_shown_selector(kst_json_get(job_spec, "selector"));
        kst_say_invalid(&job, "selector", shown, "`selector` will be auto-generated");
    }
    kst_check_not_negative(&spec, value, "successfulJobsHistoryLimit");
    kst_check_not_negative(&spec, value, "failedJobsHistoryLimit");
}

/* ---- others ---- */

void kst_validate_podtemplate(const struct kst_place *top, const struct kst_json *object,
                              const struct kst_json *old)
{
    struct kst_place template = kst_place_field(top, "template");
    kst_validate_pod_template(&template, kst_json_get(object, "template"));
}

void kst_validate_budget(const struct kst_place *top, const struct kst_json *object,
                         const struct kst_json *old)
{
    static const char *const shares[] = {"minAvailable", "maxUnavailable"};
    struct kst_place spec = kst_place_field(top, "spec");
    struct kst_place selector = kst_place_field(&spec, "selector");
    const struct kst_json *value = kst_json_get(object, "spec");
    if (kst_has(value, "minAvailable") && kst_has(value, "maxUnavailable")) {
        kst_auto_free char *shown = kst_json_text(value);
        kst_say_invalid(&spec, "", shown, "minAvailable and maxUnavailable cannot be both set");
    }
    for (size_t i = 0; i < KST_ARRAY_LEN(shares); i++) {
        if (!kst_has(value, shares[i]))
            continue;
        check_share(&spec, value, shares[i]);
        check_at_most_all(&spec, value, shares[i]);
    }
    kst_check_selector(&selector, kst_json_get(value, "selector"));
}

void kst_validate_autoscaler(const struct kst_place *top, const struct kst_json *object,
                             const struct kst_json *old)
{
    static const char *const needed[] = {"kind", "name"};
    struct kst_place spec = kst_place_field(top, "spec");
    struct kst_place target = kst_place_field(&spec, "scaleTargetRef");
    const struct kst_json *value = kst_json_get(object, "spec");
    int64_t most = kst_read_int(value, "maxReplicas"), least = kst_read_int(value, "minReplicas");
    bool has_least = kst_has(value, "minReplicas");
    if (has_least && least < 1)
        kst_say_invalid_int(&spec, "minReplicas", least, "must be greater than or equal to 1");
    if (most < 1)
        kst_say_invalid_int(&spec, "maxReplicas", most, "must be greater than 0");
    if (has_least && most < least)
        kst_say_invalid_int(&spec, "maxReplicas", most,
                            "must be greater than or equal to `minReplicas`");
    for (size_t i = 0; i < KST_ARRAY_LEN(needed); i++) {
        const char *text = kst_read_text(kst_json_get(value, "scaleTargetRef"), needed[i]);
        if (!*text)
            kst_say_required(&target, needed[i], "");
        else
            kst_check_text(&target, needed[i], KST_TEXT_PATH_SEGMENT, text);
    }
    int64_t share = kst_read_int(value, "targetCPUUtilizationPercentage");
    if (kst_has(value, "targetCPUUtilizationPercentage") && share < 1)
        kst_say_invalid_int(&spec, "metrics[0].resource.target.averageUtilization", share,
                            "must be greater than 0");
    if (has_least && least == 0)
        kst_say_forbidden(&spec, "metrics",
                          "must specify at least one Object or External metric to support scaling "
                          "to zero replicas");
}
