/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of what makes Pods, and of what keeps watch over their number. */
#include "sandbox/table/internal.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "sandbox/types/quantity.h"

void kst_table_daemonset(struct kst_table_row *row)
{
    kst_cell_name(row);
    kst_cell_int_at(row, "status.desiredNumberScheduled");
    kst_cell_int_at(row, "status.currentNumberScheduled");
    kst_cell_int_at(row, "status.numberReady");
    kst_cell_int_at(row, "status.updatedNumberScheduled");
    kst_cell_int_at(row, "status.numberAvailable");
    kst_cell_labels_at(row, "spec.template.spec.nodeSelector");
    kst_cell_age(row);
    kst_cell_containers_at(row, "spec.template.spec");
    kst_cell_selector_at(row, "spec.selector");
}

static void ready_of_replicas(struct kst_table_row *row)
{
    kst_cell_format(row, "%lld/%lld",
                    (long long)kst_json_path_int(row->object, "status.readyReplicas", 0),
                    (long long)kst_json_path_int(row->object, "spec.replicas", 0));
}

void kst_table_deployment(struct kst_table_row *row)
{
    kst_cell_name(row);
    ready_of_replicas(row);
    kst_cell_int_at(row, "status.updatedReplicas");
    kst_cell_int_at(row, "status.availableReplicas");
    kst_cell_age(row);
    kst_cell_containers_at(row, "spec.template.spec");
    kst_cell_selector_at(row, "spec.selector");
}

/* A ReplicaSet, or a ReplicationController, whose selector is a plain map. */
void kst_table_replicas(struct kst_table_row *row)
{
    kst_cell_name(row);
    kst_cell_int_at(row, "spec.replicas");
    kst_cell_int_at(row, "status.replicas");
    kst_cell_int_at(row, "status.readyReplicas");
    kst_cell_age(row);
    kst_cell_containers_at(row, "spec.template.spec");
    if (strcmp(kst_cell_text(row->object, "kind"), "ReplicationController") == 0)
        kst_cell_labels_at(row, "spec.selector");
    else
        kst_cell_selector_at(row, "spec.selector");
}

void kst_table_statefulset(struct kst_table_row *row)
{
    kst_cell_name(row);
    ready_of_replicas(row);
    kst_cell_age(row);
    kst_cell_containers_at(row, "spec.template.spec");
}

static void job_completions(struct kst_table_row *row)
{
    const struct kst_json *job = row->object;
    long long succeeded = kst_json_path_int(job, "status.succeeded", 0), completions;
    long long parallelism = kst_json_path_int(job, "spec.parallelism", 0);
    completions = kst_json_path_int(job, "spec.completions", -1);
    if (completions >= 0)
        kst_cell_format(row, "%lld/%lld", succeeded, completions);
    else if (parallelism > 1)
        kst_cell_format(row, "%lld/1 of %lld", succeeded, parallelism);
    else
        kst_cell_format(row, "%lld/1", succeeded);
}

static void job_duration(struct kst_table_row *row)
{
    int64_t start_us = 0, end_us = row->now_ms * 1000;
    char text[KST_TABLE_AGE] = "";
    const char *completed = kst_json_path_str(row->object, "status.completionTime");
    if (kst_time_parse_us(kst_cell_text(row->object, "status.startTime"), &start_us)) {
        if (completed)
            kst_time_parse_us(completed, &end_us);
        kst_table_duration((end_us - start_us) / 1000, text);
    }
    kst_cell_str(row, text);
}

void kst_table_job(struct kst_table_row *row)
{
    kst_cell_name(row);
    job_completions(row);
    job_duration(row);
    kst_cell_age(row);
    kst_cell_containers_at(row, "spec.template.spec");
    kst_cell_selector_at(row, "spec.selector");
}

void kst_table_cronjob(struct kst_table_row *row)
{
    kst_cell_name(row);
    kst_cell_text_at(row, "spec.schedule", "");
    const struct kst_json *suspend = kst_json_path(row->object, "spec.suspend");
    if (kst_json_type(suspend) == KST_JSON_BOOL)
        kst_cell_str(row, kst_json_true(suspend) ? "True" : "False");
    else
        kst_cell_str(row, "<unset>");
    kst_cell_int(row, (int64_t)kst_json_len(kst_json_path(row->object, "status.active")));
    kst_cell_age_at(row, "status.lastScheduleTime", "<none>");
    kst_cell_age(row);
    kst_cell_containers_at(row, "spec.jobTemplate.spec.template.spec");
    kst_cell_selector_at(row, "spec.jobTemplate.spec.selector");
}

void kst_table_controllerrevision(struct kst_table_row *row)
{
    const struct kst_json *owner = kst_json_first(
        kst_json_path(row->object, "metadata.ownerReferences"));
    while (owner && !kst_json_path_true(owner, "controller"))
        owner = kst_json_next(owner);
    kst_cell_name(row);
    kst_auto_buf text = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    if (owner) {
        /* statefulset.apps/name */
        const char *version = kst_cell_text(owner, "apiVersion");
        kst_buf_adds(&text, kst_cell_text(owner, "kind"));
        if (strchr(version, '/'))
            kst_buf_addf(&text, ".%.*s", (int)strcspn(version, "/"), version);
        for (size_t i = 0; i < text.len; i++)
            text.data[i] = (char)tolower((unsigned char)text.data[i]);
        kst_buf_addf(&text, "/%s", kst_cell_text(owner, "name"));
    }
    kst_cell_buf(row, &text, "<none>");
    kst_cell_int_at(row, "revision");
    kst_cell_age(row);
}

void kst_table_podtemplate(struct kst_table_row *row)
{
    kst_cell_name(row);
    kst_cell_containers_at(row, "template.spec");
    kst_cell_labels_at(row, "template.metadata.labels");
}

static void int_or_string(struct kst_table_row *row, const char *path)
{
    const struct kst_json *value = kst_json_path(row->object, path);
    const char *text = kst_json_str(value) ? kst_json_str(value) : kst_json_number(value);
    kst_cell_str(row, text ? text : "N/A");
}

void kst_table_pdb(struct kst_table_row *row)
{
    kst_cell_name(row);
    int_or_string(row, "spec.minAvailable");
    int_or_string(row, "spec.maxUnavailable");
    kst_cell_int_at(row, "status.disruptionsAllowed");
    kst_cell_age(row);
}

/* ---- HorizontalPodAutoscaler ---- */

/* One side ("target" or "current") of a metric: {"target":{"averageValue":…}} since v2beta2,
 * {"targetAverageValue":…} in v2beta1. */
static const struct kst_json *side_of(const struct kst_json *source, const char *side,
                                      const char *what, const char *flat)
{
    const struct kst_json *value = kst_json_get(kst_json_get(source, side), what);
    return value ? value : kst_json_get(source, flat);
}

static void add_amount(struct kst_buf *out, const struct kst_json *amount, const char *none)
{
    char text[KST_QUANTITY_TEXT];
    const char *stored = kst_json_str(amount) ? kst_json_str(amount) : kst_json_number(amount);
    kst_buf_adds(out, stored && kst_quantity_canonical(stored, text) ? text : none);
}

static void add_percent(struct kst_buf *out, const struct kst_json *percent, const char *none)
{
    if (kst_json_number(percent))
        kst_buf_addf(out, "%s%%", kst_json_number(percent));
    else
        kst_buf_adds(out, none);
}

static void add_resource_metric(struct kst_buf *out, const struct kst_json *target,
                                const struct kst_json *current)
{
    const struct kst_json *average = side_of(target, "target", "averageValue",
                                             "targetAverageValue");
    if (average) {
        add_amount(out, side_of(current, "current", "averageValue", "currentAverageValue"),
                   current ? "0" : "<unknown>");
        kst_buf_addc(out, '/');
        add_amount(out, average, "0");
        return;
    }
    add_percent(out, side_of(current, "current", "averageUtilization", "currentAverageUtilization"),
                "<unknown>");
    kst_buf_addc(out, '/');
    add_percent(out, side_of(target, "target", "averageUtilization", "targetAverageUtilization"),
                "<auto>");
}

static void add_value_metric(struct kst_buf *out, const struct kst_json *target,
                             const struct kst_json *current, bool object)
{
    const struct kst_json *average = side_of(target, "target", "averageValue",
                                             object ? "averageValue" : "targetAverageValue");
    if (average) {
        add_amount(out,
                   side_of(current, "current", "averageValue",
                           object ? "averageValue" : "currentAverageValue"),
                   "<unknown>");
        kst_buf_addc(out, '/');
        add_amount(out, average, "0");
        kst_buf_adds(out, " (avg)");
        return;
    }
    add_amount(out, side_of(current, "current", "value", "currentValue"),
               current ? "0" : "<unknown>");
    kst_buf_addc(out, '/');
    add_amount(out, side_of(target, "target", "value", "targetValue"), "0");
}

static void add_metric(struct kst_buf *out, const struct kst_json *metric,
                       const struct kst_json *status)
{
    const char *type = kst_cell_text(metric, "type");
    if (strcmp(type, "Resource") == 0) {
        add_resource_metric(out, kst_json_get(metric, "resource"),
                            kst_json_get(status, "resource"));
    } else if (strcmp(type, "ContainerResource") == 0) {
        add_resource_metric(out, kst_json_get(metric, "containerResource"),
                            kst_json_get(status, "containerResource"));
    } else if (strcmp(type, "External") == 0) {
        add_value_metric(out, kst_json_get(metric, "external"), kst_json_get(status, "external"),
                         false);
    } else if (strcmp(type, "Object") == 0) {
        add_value_metric(out, kst_json_get(metric, "object"), kst_json_get(status, "object"), true);
    } else if (strcmp(type, "Pods") == 0) {
        const struct kst_json *pods = kst_json_get(status, "pods");
        add_amount(out, side_of(pods, "current", "averageValue", "currentAverageValue"),
                   pods ? "0" : "<unknown>");
        kst_buf_addc(out, '/');
        add_amount(out,
                   side_of(kst_json_get(metric, "pods"), "target", "averageValue",
                           "targetAverageValue"),
                   "0");
    } else {
        kst_buf_adds(out, "<unknown type>");
    }
}

static void hpa_targets(struct kst_table_row *row)
{
    enum { SHOWN = 2 };
    const struct kst_json *metrics = kst_json_path(row->object, "spec.metrics");
    const struct kst_json *statuses = kst_json_path(row->object, "status.currentMetrics");
    const struct kst_json *percent = kst_json_path(row->object,
                                                   "spec.targetCPUUtilizationPercentage");
    kst_auto_buf text = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    for (size_t i = 0; i < kst_json_len(metrics) && i < SHOWN; i++) {
        kst_buf_adds(&text, i > 0 ? ", " : "");
        add_metric(&text, kst_json_at(metrics, i), kst_json_at(statuses, i));
    }
    if (kst_json_len(metrics) > SHOWN)
        kst_buf_addf(&text, " + %zu more...", kst_json_len(metrics) - SHOWN);
    /* autoscaling/v1 knows one metric only, and 80 % where it is not given. */
    if (kst_json_len(metrics) == 0) {
        add_percent(&text, kst_json_path(row->object, "status.currentCPUUtilizationPercentage"),
                    "<unknown>");
        kst_buf_addc(&text, '/');
        add_percent(&text, percent, "80%");
    }
    kst_cell_buf(row, &text, "<none>");
}

void kst_table_hpa(struct kst_table_row *row)
{
    kst_cell_name(row);
    kst_cell_format(row, "%s/%s", kst_cell_text(row->object, "spec.scaleTargetRef.kind"),
                    kst_cell_text(row->object, "spec.scaleTargetRef.name"));
    hpa_targets(row);
    const char *least = kst_json_number(kst_json_path(row->object, "spec.minReplicas"));
    kst_cell_str(row, least ? least : "<unset>");
    kst_cell_int_at(row, "spec.maxReplicas");
    kst_cell_int_at(row, "status.currentReplicas");
    kst_cell_age(row);
}
