/* SPDX-License-Identifier: Apache-2.0 */
/* What is behind a Service: Endpoints and EndpointSlices. */
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

#define ENDPOINTS "/endpoints"
#define SLICES    "discovery.k8s.io/endpointslices"

#define READY   "subsets.0.addresses"
#define UNREADY "subsets.0.notReadyAddresses"

static void load_service(struct cluster *self, const char *spec)
{
    kst_auto_free char *yaml = kst_asprintf("{apiVersion: v1, kind: Service, metadata: {name: db, "
                                            "labels: {x: z}}, spec: {selector: {app: db}, %s}}",
                                            spec);
    cluster_load(self, yaml);
}

static void load_pod(struct cluster *self, const char *name, const char *spec)
{
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: v1, kind: Pod, metadata: {name: %s, labels: {app: db}}, spec: {nodeSelector: "
        "{example.com/no: node}, containers: [{name: db, image: 'example.com/db:1', ports: [{name: "
        "sql, containerPort: 5432}]}]%s}}",
        name, spec);
    cluster_load(self, yaml);
}

static size_t length(struct cluster *self, const char *path)
{
    return kst_json_len(kst_json_path(cluster_get(self, ENDPOINTS, "db"), path));
}

static void readiness(struct cluster *self)
{
    load_service(self, "ports: [{name: sql, port: 80, targetPort: sql}]");
    cluster_has(self, ENDPOINTS, "db", "subsets", "");
    cluster_has(self, ENDPOINTS, "db", "metadata.labels", "{\"x\":\"z\"}");
    cluster_has(self, SLICES, cluster_name(self, SLICES, 0), "endpoints", "null");
    load_pod(self, "db-0", "");
    cluster_has(self, ENDPOINTS, "db", "subsets", ""); /* it has no address yet */
    cluster_pod_is(self, "db-0", "Running", false);
    cluster_has(self, ENDPOINTS, "db", UNREADY ".0.targetRef.name", "db-0");
    cluster_pod_is(self, "db-0", "Running", true);
    cluster_has(self, ENDPOINTS, "db", READY ".0.ip", "192.0.2.1");
    cluster_has(self, ENDPOINTS, "db", UNREADY, "");
    cluster_has(self, ENDPOINTS, "db", "subsets.0.ports",
                "[{\"name\":\"sql\",\"port\":5432,\"protocol\":\"TCP\"}]");
    const char *slice = cluster_name(self, SLICES, 0);
    assert_int_equal(cluster_count(self, SLICES), 1);
    assert_memory_equal(slice, "db-", 3);
    cluster_has(self, SLICES, slice, "endpoints.0.conditions.ready", "true");
    cluster_has(self, SLICES, slice, "metadata.ownerReferences.0.kind", "Service");
    cluster_delete(self, "/pods", "db-0", NULL);
    cluster_has(self, ENDPOINTS, "db", "subsets", "");
    cluster_delete(self, "/services", "db", NULL);
    assert_int_equal(cluster_count(self, SLICES), 0);
    assert_null(cluster_get(self, ENDPOINTS, "db"));
}

static void not_ready_but_told(struct cluster *self)
{
    load_service(self, "ports: [{port: 80}], publishNotReadyAddresses: true");
    load_pod(self, "db-0", "");
    cluster_pod_is(self, "db-0", "Running", false);
    assert_int_equal(length(self, READY), 1);
    assert_int_equal(length(self, UNREADY), 0);
}

/* One that has ended for good is in neither list. */
static void finished(struct cluster *self)
{
    load_service(self, "ports: [{port: 80}]");
    load_pod(self, "db-0", ", restartPolicy: Never");
    cluster_pod_is(self, "db-0", "Running", false);
    assert_int_equal(length(self, UNREADY), 1);
    cluster_pod_is(self, "db-0", "Failed", false);
    assert_int_equal(length(self, "subsets"), 0);
}

static void headless(struct cluster *self)
{
    load_service(self, "clusterIP: None");
    load_pod(self, "db-0", ", hostname: zero, subdomain: db");
    cluster_pod_is(self, "db-0", "Running", true);
    cluster_has(self, ENDPOINTS, "db", READY ".0.hostname", "zero");
    cluster_has(self, ENDPOINTS, "db", "subsets.0.ports", "");
    cluster_has(self, ENDPOINTS, "db", "metadata.labels",
                "{\"x\":\"z\",\"service.kubernetes.io/headless\":\"\"}");
}

/* What a person wrote for a Service without a selector stays, until the Service goes. */
static void by_hand(struct cluster *self)
{
    cluster_load(self, "{apiVersion: v1, kind: Service, metadata: {name: db}, spec: {ports: "
                       "[{port: 80}]}}");
    assert_null(cluster_get(self, ENDPOINTS, "db"));
    cluster_load(self, "{apiVersion: v1, kind: Endpoints, metadata: {name: db}, subsets: "
                       "[{addresses: [{ip: 192.0.2.9}], ports: [{port: 80}]}]}");
    cluster_has(self, ENDPOINTS, "db", READY ".0.ip", "192.0.2.9");
    cluster_delete(self, "/services", "db", NULL);
    assert_null(cluster_get(self, ENDPOINTS, "db"));
}

/* Slices hold a hundred endpoints each. */
static void many(struct cluster *self)
{
    load_service(self, "ports: [{port: 80}]");
    for (int i = 0; i < 101; i++) {
        kst_auto_free char *name = kst_asprintf("db-%d", i);
        load_pod(self, name, "");
        cluster_pod_is(self, name, "Running", true);
    }
    assert_int_equal(length(self, READY), 101);
    assert_int_equal(cluster_count(self, SLICES), 2);
    for (int i = 0; i < 2; i++)
        cluster_delete(self, "/pods", cluster_name(self, "/pods", 0), NULL);
    assert_int_equal(cluster_count(self, SLICES), 1);
}

static const struct {
    const char *name;
    void (*body)(struct cluster *self);
} cases[] = {
    {"readiness", readiness}, {"not ready but told", not_ready_but_told},
    {"finished", finished},   {"headless", headless},
    {"by hand", by_hand},     {"many", many},
};

static void test_endpoints(void **state)
{
    cluster_run(false, cases[(size_t)(uintptr_t)*state].body);
}

int main(void)
{
    struct CMUnitTest tests[KST_ARRAY_LEN(cases)];
    for (size_t i = 0; i < KST_ARRAY_LEN(cases); i++)
        tests[i] = (struct CMUnitTest){.name = cases[i].name,
                                       .test_func = test_endpoints,
                                       .initial_state = (void *)(uintptr_t)i};
    return cmocka_run_group_tests_name("endpoints", tests, NULL, NULL);
}
