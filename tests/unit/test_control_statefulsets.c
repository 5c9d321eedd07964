/* SPDX-License-Identifier: Apache-2.0 */
/* StatefulSets: one Pod after the other, with claims that stay. */
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

#define SETS   "apps/statefulsets"
#define CLAIMS "/persistentvolumeclaims"
#define PODS   "/pods"
#define NEXT   "{'spec':{'template':{'metadata':{'labels':{'v':'2'}}}}}"

static void load(struct cluster *self, const char *spec)
{
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {serviceName: db, %s "
        "selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: "
        "{nodeSelector: {example.com/no: node}, containers: [{name: db, image: "
        "'example.com/db:1'}]}}, volumeClaimTemplates: [{metadata: {name: data}, spec: "
        "{accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]}}",
        spec);
    cluster_load(self, yaml);
}

static void has_status(struct cluster *self, const char *replicas, const char *ready,
                       const char *updated, const char *current)
{
    cluster_has(self, SETS, "db", "status.replicas", replicas);
    cluster_has(self, SETS, "db", "status.readyReplicas", ready);
    cluster_has(self, SETS, "db", "status.updatedReplicas", updated);
    cluster_has(self, SETS, "db", "status.currentReplicas", current);
}

static void settle_all(struct cluster *self)
{
    for (int i = 0; i < 6; i++)
        cluster_pods_are_ready(self);
}

static void in_order(struct cluster *self)
{
    load(self, "replicas: 2,");
    assert_int_equal(cluster_count(self, PODS), 1);
    cluster_pod_is(self, "db-0", "Running", true);
    assert_int_equal(cluster_count(self, PODS), 2);
    assert_int_equal(cluster_count(self, CLAIMS), 2);
    has_status(self, "2", "1", "2", "2");
    cluster_has(self, PODS, "db-1", "spec.hostname", "db-1");
    assert_true(cluster_said(self, "db", "SuccessfulCreate",
                             "create Claim data-db-0 Pod db-0 in StatefulSet db success"));
    assert_true(cluster_said(self, "db", "SuccessfulCreate",
                             "create Pod db-1 in StatefulSet db successful"));
    cluster_pod_is(self, "db-1", "Running", true);
    cluster_patch(self, SETS, "db", NULL, "{'spec':{'replicas':0}}");
    assert_int_equal(cluster_count(self, PODS), 0);
    assert_int_equal(cluster_count(self, CLAIMS), 2);
    assert_true(cluster_said(self, "db", "SuccessfulDelete",
                             "delete Pod db-1 in StatefulSet db successful"));
}

static void parallel(struct cluster *self)
{
    load(self, "replicas: 3, podManagementPolicy: Parallel,");
    assert_int_equal(cluster_count(self, PODS), 3);
}

/* From the last to the first, each when the one before is well. */
static void rolling(struct cluster *self)
{
    load(self, "replicas: 2,");
    settle_all(self);
    cluster_patch(self, SETS, "db", NULL, NEXT);
    cluster_has(self, PODS, "db-1", "metadata.labels.v", "2");
    cluster_has(self, PODS, "db-0", "metadata.labels.v", "");
    has_status(self, "2", "1", "1", "1");
    settle_all(self);
    cluster_has(self, PODS, "db-0", "metadata.labels.v", "2");
    has_status(self, "2", "2", "2", "2");
    kst_auto_free char *revision = cluster_value(self, SETS, "db", "status.updateRevision");
    cluster_has(self, SETS, "db", "status.currentRevision", revision);
    assert_int_equal(cluster_count(self, "apps/controllerrevisions"), 2);
}

/* Pods below the partition are made as they were. */
static void partition(struct cluster *self)
{
    load(self,
         "replicas: 2, updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 1}},");
    settle_all(self);
    cluster_patch(self, SETS, "db", NULL, NEXT);
    settle_all(self);
    cluster_delete(self, PODS, "db-0", NULL);
    settle_all(self);
    cluster_has(self, PODS, "db-0", "metadata.labels.v", "");
    cluster_has(self, PODS, "db-1", "metadata.labels.v", "2");
    has_status(self, "2", "2", "1", "1");
    kst_auto_free char *before = cluster_value(self, SETS, "db", "status.currentRevision");
    kst_auto_free char *after = cluster_value(self, SETS, "db", "status.updateRevision");
    assert_string_not_equal(before, after);
}

/* What cannot be made is told, and tried again. */
static void refused(struct cluster *self)
{
    cluster_load(self, "{apiVersion: v1, kind: ResourceQuota, metadata: {name: none}, spec: {hard: "
                       "{pods: 0}}}");
    load(self, "replicas: 1,");
    assert_int_equal(cluster_count(self, PODS), 0);
    assert_true(cluster_said(self, "db", "FailedCreate",
                             "create Pod db-0 in StatefulSet db failed error: pods \"db-0\" is "
                             "forbidden: exceeded quota: none"));
    cluster_delete(self, "/resourcequotas", "none", NULL);
    cluster_await_count(self, PODS, 1);
}

static void orphans(struct cluster *self)
{
    load(self, "replicas: 1,");
    cluster_delete(self, SETS, "db", "Orphan");
    cluster_has(self, PODS, "db-0", "metadata.ownerReferences", "");
    load(self, "replicas: 1,");
    cluster_has(self, PODS, "db-0", "metadata.ownerReferences.0.kind", "StatefulSet");
    cluster_delete(self, SETS, "db", "Foreground");
    assert_int_equal(cluster_count(self, PODS), 0);
    assert_int_equal(cluster_count(self, CLAIMS), 1);
}

static const struct {
    const char *name;
    void (*body)(struct cluster *self);
} cases[] = {
    {"in order", in_order},   {"parallel", parallel}, {"rolling", rolling},
    {"partition", partition}, {"refused", refused},   {"orphans", orphans},
};

static void test_statefulset(void **state)
{
    cluster_run(false, cases[(size_t)(uintptr_t)*state].body);
}

int main(void)
{
    struct CMUnitTest tests[KST_ARRAY_LEN(cases)];
    for (size_t i = 0; i < KST_ARRAY_LEN(cases); i++)
        tests[i] = (struct CMUnitTest){.name = cases[i].name,
                                       .test_func = test_statefulset,
                                       .initial_state = (void *)(uintptr_t)i};
    return cmocka_run_group_tests_name("stateful sets", tests, NULL, NULL);
}
