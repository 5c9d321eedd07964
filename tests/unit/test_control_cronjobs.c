/* SPDX-License-Identifier: Apache-2.0 */
/* CronJobs: Jobs at their times. The times are in the past, by when the CronJob last ran. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cluster_fixture.h"
#include "sandbox/api/api.h"
#include "sandbox/api/registry.h"

#define CRONJOBS "batch/cronjobs"
#define JOBS     "batch/jobs"

static void load(struct cluster *self, const char *spec)
{
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: batch/v1beta1, kind: CronJob, metadata: {name: dump}, spec: {%s, "
        "jobTemplate: {metadata: {labels: {a: b}}, spec: {template: {spec: {restartPolicy: Never, "
        "nodeSelector: {example.com/no: node}, containers: [{name: dump, image: "
        "'example.com/dump:1'}]}}}}}}",
        spec);
    cluster_load(self, yaml);
}

/* It ran so many seconds ago for the last time. */
static void ran_before(struct cluster *self, int64_t seconds)
{
    char when[KST_TIME_TEXT];
    kst_time_format(kst_wall_ms() - seconds * 1000, when);
    const struct kst_json *active = kst_json_path(cluster_get(self, CRONJOBS, "dump"),
                                                  "status.active");
    kst_auto_json struct kst_json *patch = kst_json_make(
        "{'status':{'lastScheduleTime':%s,'active':%J}}", when, active);
    kst_auto_free char *text = kst_json_text(patch);
    cluster_patch(self, CRONJOBS, "dump", "status", text);
}

static void end_job(struct cluster *self, const char *job, const char *type)
{
    kst_auto_json struct kst_json *patch = kst_json_make(
        "{'status':{'conditions':[{'type':%s,'status':'True'}]}}", type);
    kst_auto_free char *text = kst_json_text(patch);
    cluster_patch(self, JOBS, job, "status", text);
}

static void makes_a_job(struct cluster *self)
{
    load(self, "schedule: '@every 1h'");
    assert_int_equal(cluster_count(self, JOBS), 0);
    ran_before(self, 2 * 3600 + 10); /* twice missed: made up for once */
    assert_int_equal(cluster_count(self, JOBS), 1);
    kst_auto_free char *job = kst_strdup(cluster_name(self, JOBS, 0));
    assert_memory_equal(job, "dump-", 5);
    cluster_has(self, JOBS, job, "metadata.ownerReferences.0.kind", "CronJob");
    cluster_has(self, JOBS, job, "metadata.labels.a", "b");
    cluster_has(self, CRONJOBS, "dump", "status.active.0.name", job);
    assert_true(cluster_said(self, "dump", "SuccessfulCreate", "Created job dump-"));
    end_job(self, job, "Complete");
    cluster_has(self, CRONJOBS, "dump", "status.active", "");
    assert_true(cluster_said(self, "dump", "SawCompletedJob", ", status: Complete"));
    cluster_delete(self, CRONJOBS, "dump", "Foreground");
    assert_int_equal(cluster_count(self, JOBS), 0);
    assert_int_equal(cluster_count(self, "/pods"), 0);
}

static void suspended(struct cluster *self)
{
    load(self, "schedule: '@every 1h', suspend: true");
    ran_before(self, 3700);
    assert_int_equal(cluster_count(self, JOBS), 0);
    cluster_patch(self, CRONJOBS, "dump", NULL, "{'spec':{'suspend':false}}");
    assert_int_equal(cluster_count(self, JOBS), 1);
}

static void allowed(struct cluster *self)
{
    load(self, "schedule: '@every 1h'");
    ran_before(self, 3700);
    ran_before(self, 3650);
    assert_int_equal(cluster_count(self, JOBS), 2);
    assert_int_equal(
        kst_json_len(kst_json_path(cluster_get(self, CRONJOBS, "dump"), "status.active")), 2);
}

static void forbidden(struct cluster *self)
{
    load(self, "schedule: '@every 1h', concurrencyPolicy: Forbid");
    ran_before(self, 3700);
    ran_before(self, 3650);
    assert_int_equal(cluster_count(self, JOBS), 1);
    kst_auto_free char *job = kst_strdup(cluster_name(self, JOBS, 0));
    end_job(self, job, "Complete"); /* now its time has come, late */
    assert_int_equal(cluster_count(self, JOBS), 2);
}

static void replaced(struct cluster *self)
{
    load(self, "schedule: '@every 1h', concurrencyPolicy: Replace");
    ran_before(self, 3700);
    kst_auto_free char *job = kst_strdup(cluster_name(self, JOBS, 0));
    ran_before(self, 3650);
    assert_int_equal(cluster_count(self, JOBS), 1);
    assert_string_not_equal(cluster_name(self, JOBS, 0), job);
    assert_true(cluster_said(self, "dump", "SuccessfulDelete", "Deleted job dump-"));
}

static void history(struct cluster *self)
{
    load(self, "schedule: '@every 1h', successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 0");
    for (int i = 0; i < 3; i++) {
        ran_before(self, 3700 + i);
        for (size_t j = 0; j < cluster_count(self, JOBS); j++) {
            kst_auto_free char *job = kst_strdup(cluster_name(self, JOBS, j));
            cluster_patch(self, JOBS, job, "status",
                          "{'status':{'conditions':[{'type':'Complete','status':'True'}]}}");
        }
    }
    assert_int_equal(cluster_count(self, JOBS), 1);
    ran_before(self, 3720);
    for (size_t j = 0; j < cluster_count(self, JOBS); j++) {
        kst_auto_free char *job = kst_strdup(cluster_name(self, JOBS, j));
        if (!*cluster_condition(self, JOBS, job, "Complete", "status"))
            end_job(self, job, "Failed");
    }
    assert_int_equal(cluster_count(self, JOBS), 1);
}

/* What is too late is not started; with too much missed nobody can tell. */
static void deadlines(struct cluster *self)
{
    load(self, "schedule: '@every 1h', startingDeadlineSeconds: 10");
    ran_before(self, 3700);
    assert_int_equal(cluster_count(self, JOBS), 0);
    ran_before(self, 7200);
    cluster_patch(self, CRONJOBS, "dump", NULL,
                  "{'spec':{'schedule':'@every 1m','startingDeadlineSeconds':null}}");
    assert_int_equal(cluster_count(self, JOBS), 0);
    assert_true(cluster_said(self, "dump", "FailedNeedsStart", "too many missed start time"));
}

/* Each second one: the controller wakes up by itself. */
static void on_time(struct cluster *self)
{
    load(self, "schedule: '@every 1s'");
    cluster_await_count(self, JOBS, 2);
}

static const struct {
    const char *name;
    void (*body)(struct cluster *self);
} cases[] = {
    {"makes a Job", makes_a_job}, {"suspended", suspended}, {"allowed", allowed},
    {"forbidden", forbidden},     {"replaced", replaced},   {"history", history},
    {"deadlines", deadlines},     {"on time", on_time},
};

static void test_cronjob(void **state)
{
    cluster_run(false, cases[(size_t)(uintptr_t)*state].body);
}

int main(void)
{
    struct CMUnitTest tests[KST_ARRAY_LEN(cases)];
    for (size_t i = 0; i < KST_ARRAY_LEN(cases); i++)
        tests[i] = (struct CMUnitTest){.name = cases[i].name,
                                       .test_func = test_cronjob,
                                       .initial_state = (void *)(uintptr_t)i};
    return cmocka_run_group_tests_name("cron jobs", tests, NULL, NULL);
}
