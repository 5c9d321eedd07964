/* SPDX-License-Identifier: Apache-2.0 */
/* PodDisruptionBudgets, and evictions that ask them. */
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
#include "sandbox/api/api.h"
#include "sandbox/api/evict.h"
#include "sandbox/api/status.h"

#define BUDGETS "policy/poddisruptionbudgets"
#define PODS    "/pods"

#define BUDGET(spec)                                                                  \
    "{apiVersion: policy/v1beta1, kind: PodDisruptionBudget, metadata: {name: web}, " \
    "spec: {selector: {matchLabels: {app: web}}, " spec "}}"

static void load_set(struct cluster *self, int replicas)
{
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web}, spec: {replicas: %d, "
        "selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: "
        "{nodeSelector: {example.com/no: node}, containers: [{name: web, image: "
        "'example.com/web:1'}]}}}}",
        replicas);
    cluster_load(self, yaml);
    cluster_pods_are_ready(self);
}

/* Evicts a Pod: the answer's code, 201 where it went; the cause in *cause, for the caller. */
static int evict(struct cluster *self, const char *pod, bool dry_run, char **cause)
{
    struct kst_api_call call = kst_api_call_for(self->api, PODS, "default", pod, NULL);
    call.dry_run = dry_run;
    kst_auto_json struct kst_json *wish = kst_json_make("{'metadata':{'name':%s}}", pod);
    kst_auto_json struct kst_json *status = kst_api_evict(self->api, &call, wish);
    if (cause)
        *cause = kst_strdup(kst_json_path_str(status, "details.causes.0.message"));
    return status ? kst_status_code(status) : 201;
}

static void has_status(struct cluster *self, const char *allowed, const char *healthy,
                       const char *desired, const char *expected)
{
    cluster_has(self, BUDGETS, "web", "status.disruptionsAllowed", allowed);
    cluster_has(self, BUDGETS, "web", "status.currentHealthy", healthy);
    cluster_has(self, BUDGETS, "web", "status.desiredHealthy", desired);
    cluster_has(self, BUDGETS, "web", "status.expectedPods", expected);
}

static void least(struct cluster *self)
{
    cluster_load(self, BUDGET("minAvailable: 2"));
    has_status(self, "0", "0", "2", "0");
    assert_true(cluster_said(self, "web", "NoPods", "No matching pods found"));
    load_set(self, 3);
    has_status(self, "1", "3", "2", "3");
    kst_auto_free char *first = kst_strdup(cluster_name(self, PODS, 0));
    kst_auto_free char *second = kst_strdup(cluster_name(self, PODS, 1));
    kst_auto_free char *cause = NULL;
    assert_int_equal(evict(self, first, true, NULL), 201);
    assert_int_equal(evict(self, first, false, NULL), 201);
    assert_int_equal(evict(self, second, false, &cause), 429); /* before anybody counts again */
    assert_string_equal(cause, "The disruption budget web needs 2 healthy pods and has 3 "
                               "currently");
    cluster_settle(self);
    has_status(self, "0", "2", "2", "3");
    assert_non_null(cluster_get(self, PODS, second));
    cluster_pods_are_ready(self);
    has_status(self, "1", "3", "2", "3");
}

/* Shares are of what the Pods' owners want, not of what there is. */
static void shares(struct cluster *self)
{
    cluster_load(self, BUDGET("maxUnavailable: '25%'"));
    load_set(self, 5);
    has_status(self, "2", "5", "3", "5");
    cluster_delete(self, BUDGETS, "web", NULL);
    cluster_load(self, BUDGET("minAvailable: '50%'"));
    has_status(self, "2", "5", "3", "5");
}

/* A Pod of nobody has no size to take a share of: nothing is allowed. */
static void no_owner(struct cluster *self)
{
    cluster_load(self, BUDGET("maxUnavailable: 1"));
    cluster_load(self, "{apiVersion: v1, kind: Pod, metadata: {name: web, labels: {app: web}}, "
                       "spec: {nodeSelector: {example.com/no: node}, containers: [{name: web, "
                       "image: 'example.com/web:1'}]}}");
    cluster_pod_is(self, "web", "Running", true);
    cluster_has(self, BUDGETS, "web", "status.disruptionsAllowed", "0");
    assert_true(cluster_said(self, "web", "CalculateExpectedPodCountFailed",
                             "found no controller ref for pod \"web\""));
    assert_int_equal(evict(self, "web", false, NULL), 429);
}

static void two_budgets(struct cluster *self)
{
    load_set(self, 1);
    cluster_load(self, BUDGET("minAvailable: 0"));
    cluster_load(self, "{apiVersion: policy/v1beta1, kind: PodDisruptionBudget, metadata: {name: "
                       "also}, spec: {selector: {matchLabels: {app: web}}, minAvailable: 0}}");
    assert_int_equal(evict(self, cluster_name(self, PODS, 0), false, NULL), 500);
}

static const struct {
    const char *name;
    void (*body)(struct cluster *self);
} cases[] = {
    {"least", least},
    {"shares", shares},
    {"no owner", no_owner},
    {"two budgets", two_budgets},
};

static void test_budgets(void **state)
{
    cluster_run(false, cases[(size_t)(uintptr_t)*state].body);
}

int main(void)
{
    struct CMUnitTest tests[KST_ARRAY_LEN(cases)];
    for (size_t i = 0; i < KST_ARRAY_LEN(cases); i++)
        tests[i] = (struct CMUnitTest){.name = cases[i].name,
                                       .test_func = test_budgets,
                                       .initial_state = (void *)(uintptr_t)i};
    return cmocka_run_group_tests_name("budgets", tests, NULL, NULL);
}
