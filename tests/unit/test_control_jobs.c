/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs, as their users see them; the Pods' statuses are the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cluster_fixture.h"

#define JOBS "batch/jobs"
#define PODS "/pods"

#define JOB(spec)                                                           \
    "apiVersion: batch/v1\nkind: Job\nmetadata: {name: copy}\nspec:\n" spec \
    "  template:\n    spec:\n      restartPolicy: Never\n"                  \
    "      nodeSelector: {example.com/no: node}\n"                          \
    "      containers: [{name: copy, image: \"example.com/copy:1\"}]\n"

/* A Pod of the Job's that is not finished; the caller frees it. */
static char *running_pod(struct cluster *self)
{
    for (size_t i = 0; i < cluster_count(self, PODS); i++) {
        kst_auto_free char *name = kst_strdup(cluster_name(self, PODS, i));
        kst_auto_free char *phase = cluster_value(self, PODS, name, "status.phase");
        if (strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0)
            return kst_take(name);
    }
    fail_msg("no Pod of the Job runs");
    return NULL;
}

static void end_one(struct cluster *self, const char *phase)
{
    kst_auto_free char *pod = running_pod(self);
    cluster_pod_is(self, pod, phase, false);
}

static void has_counts(struct cluster *self, const char *active, const char *succeeded,
                       const char *failed)
{
    cluster_has(self, JOBS, "copy", "status.active", active);
    cluster_has(self, JOBS, "copy", "status.succeeded", succeeded);
    cluster_has(self, JOBS, "copy", "status.failed", failed);
}

static const char *failure(struct cluster *self)
{
    return cluster_condition(self, JOBS, "copy", "Failed", "reason");
}

static void completions(struct cluster *self)
{
    cluster_load(self, JOB("  completions: 3\n  parallelism: 2\n"));
    has_counts(self, "2", "", "");
    end_one(self, "Succeeded");
    has_counts(self, "2", "1", "");
    end_one(self, "Succeeded");
    has_counts(self, "1", "2", "");
    end_one(self, "Succeeded");
    has_counts(self, "", "3", "");
    assert_int_equal(cluster_count(self, PODS), 3);
    assert_string_equal(cluster_condition(self, JOBS, "copy", "Complete", "status"), "True");
    assert_true(cluster_said(self, "copy", "Completed", "Job completed"));
}

/* Without a number, the first success ends it, when the others have ended too. */
static void any_success(struct cluster *self)
{
    cluster_load(self, JOB("  parallelism: 2\n"));
    end_one(self, "Succeeded");
    has_counts(self, "1", "1", "");
    assert_string_equal(cluster_condition(self, JOBS, "copy", "Complete", "status"), "");
    end_one(self, "Failed");
    has_counts(self, "", "1", "1");
    assert_string_equal(cluster_condition(self, JOBS, "copy", "Complete", "status"), "True");
}

/* The first failed Pod is replaced at once, the next after a pause. */
static void failures_back_off(struct cluster *self)
{
    cluster_load(self, JOB("  completions: 1\n"));
    end_one(self, "Failed");
    has_counts(self, "1", "", "1");
    end_one(self, "Failed");
    has_counts(self, "", "", "2");
    assert_int_equal(cluster_count(self, PODS), 2);
    assert_string_equal(failure(self), "");
}

static void too_many_failures(struct cluster *self)
{
    cluster_load(self, JOB("  completions: 1\n  backoffLimit: 1\n"));
    end_one(self, "Failed");
    assert_string_equal(failure(self), "");
    end_one(self, "Failed");
    assert_string_equal(failure(self), "BackoffLimitExceeded");
    has_counts(self, "", "", "2");
    cluster_has(self, JOBS, "copy", "status.completionTime", "");
    assert_true(cluster_said(self, "copy", "BackoffLimitExceeded",
                             "Job has reached the specified backoff limit"));
}

/* What a Pod with restartPolicy OnFailure restarts counts as its failures. */
static void restarts_count(struct cluster *self)
{
    cluster_load(self, "apiVersion: batch/v1\nkind: Job\nmetadata: {name: copy}\nspec:\n"
                       "  backoffLimit: 2\n  template:\n    spec:\n"
                       "      restartPolicy: OnFailure\n"
                       "      nodeSelector: {example.com/no: node}\n"
                       "      containers: [{name: copy, image: \"example.com/copy:1\"}]\n");
    static const char patch[] = "{'status':{'phase':'Running','containerStatuses':[{'name':'copy',"
                                "'restartCount':%d}]}}";
    for (int restarts = 1; restarts < 3; restarts++) {
        kst_auto_free char *pod = running_pod(self);
        kst_auto_free char *text = kst_asprintf(patch, restarts);
        cluster_patch(self, PODS, pod, "status", text);
        assert_string_equal(failure(self), restarts < 2 ? "" : "BackoffLimitExceeded");
    }
    assert_int_equal(cluster_count(self, PODS), 0);
}

static void deadline(struct cluster *self)
{
    cluster_load(self, JOB("  activeDeadlineSeconds: 1\n"));
    cluster_await(self, JOBS, "copy", "status.conditions.0.reason", "DeadlineExceeded");
    has_counts(self, "", "", "1");
    cluster_await_count(self, PODS, 0);
    assert_true(cluster_said(self, "copy", "DeadlineExceeded",
                             "Job was active longer than specified deadline"));
}

static void fewer_at_once(struct cluster *self)
{
    cluster_load(self, JOB("  completions: 5\n  parallelism: 3\n"));
    assert_int_equal(cluster_count(self, PODS), 3);
    cluster_patch(self, JOBS, "copy", NULL, "{'spec':{'parallelism':1}}");
    assert_int_equal(cluster_count(self, PODS), 1);
    has_counts(self, "1", "", "");
    cluster_patch(self, JOBS, "copy", NULL, "{'spec':{'parallelism':0}}");
    assert_int_equal(cluster_count(self, PODS), 0);
}

/* A Pod that somebody deletes is made again, and is no failure. */
static void deleted_pod(struct cluster *self)
{
    cluster_load(self, JOB(""));
    kst_auto_free char *pod = running_pod(self);
    cluster_delete(self, PODS, pod, NULL);
    assert_int_equal(cluster_count(self, PODS), 1);
    assert_string_not_equal(cluster_name(self, PODS, 0), pod);
    has_counts(self, "1", "", "");
}

static void collected(struct cluster *self)
{
    cluster_load(self, JOB(""));
    cluster_delete(self, JOBS, "copy", "Background");
    assert_int_equal(cluster_count(self, PODS), 0);
}

/* What cannot be made is tried again, at times of its own: not with each change of anything. */
static void refused(struct cluster *self)
{
    cluster_load(self, "{apiVersion: v1, kind: ResourceQuota, metadata: {name: none}, spec: {hard: "
                       "{pods: 0}}}");
    cluster_load(self, JOB(""));
    for (int i = 0; i < 20; i++) {
        kst_auto_free char *patch = kst_asprintf("{'metadata':{'labels':{'n':'%d'}}}", i);
        cluster_patch(self, JOBS, "copy", NULL, patch);
    }
    cluster_has(self, JOBS, "copy", "status", "{}");
    size_t events = cluster_count(self, "/events");
    assert_int_equal(events, 1);
    const struct kst_json *event = cluster_get(self, "/events", cluster_name(self, "/events", 0));
    assert_true(kst_json_path_int(event, "count", 0) < 5);
    assert_true(cluster_said(self, "copy", "FailedCreate", "exceeded quota: none"));
    cluster_delete(self, "/resourcequotas", "none", NULL);
    cluster_await_count(self, PODS, 1);
}

static void on_the_node(struct cluster *self)
{
    static const char job[] = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: %s}\nspec:\n"
                              "  backoffLimit: 0\n  template:\n    spec:\n"
                              "      restartPolicy: Never\n      containers:\n"
                              "      - {name: it, image: busybox, command: [sh, -c, %s]}\n";
    kst_auto_free char *well = kst_asprintf(job, "well", "exit 0");
    kst_auto_free char *ill = kst_asprintf(job, "ill", "exit 3");
    cluster_load(self, well);
    cluster_load(self, ill);
    cluster_await(self, JOBS, "well", "status.succeeded", "1");
    cluster_await(self, JOBS, "well", "status.conditions.0.type", "Complete");
    cluster_await(self, JOBS, "ill", "status.conditions.0.reason", "BackoffLimitExceeded");
}

static const struct {
    const char *name;
    void (*body)(struct cluster *self);
    bool node;
} cases[] = {
    {"completions", completions, false},
    {"any success", any_success, false},
    {"failures back off", failures_back_off, false},
    {"too many failures", too_many_failures, false},
    {"restarts count", restarts_count, false},
    {"deadline", deadline, false},
    {"fewer at once", fewer_at_once, false},
    {"deleted Pod", deleted_pod, false},
    {"collected", collected, false},
    {"refused", refused, false},
    {"on the node", on_the_node, true},
};

static void test_job(void **state)
{
    size_t index = (size_t)(uintptr_t)*state;
    cluster_run(cases[index].node, cases[index].body);
}

int main(void)
{
    struct CMUnitTest tests[KST_ARRAY_LEN(cases)];
    for (size_t i = 0; i < KST_ARRAY_LEN(cases); i++)
        tests[i] = (struct CMUnitTest){
            .name = cases[i].name, .test_func = test_job, .initial_state = (void *)(uintptr_t)i};
    return cmocka_run_group_tests_name("jobs", tests, NULL, NULL);
}
