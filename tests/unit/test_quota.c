/* SPDX-License-Identifier: Apache-2.0 */
/* ResourceQuotas and LimitRanges: what they count, fill in, and refuse. */
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
#include "sandbox/api/status.h"

#define QUOTAS "/resourcequotas"
#define PODS   "/pods"

#define POD(name, more, container)                                                                 \
    "{apiVersion: v1, kind: Pod, metadata: {name: " name "}, spec: {nodeSelector: "                \
    "{example.com/no: node}, " more "containers: [{name: main, image: 'example.com/a:1'" container \
    "}]}}"
#define RESOURCES(text) ", resources: {" text "}"
#define CLAIM(name, size)                                                                         \
    "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: " name "}, spec: {"           \
    "storageClassName: gold, accessModes: [ReadWriteOnce], resources: {requests: {storage: " size \
    "}}}}"
#define FORBIDDEN(kind, name) kind " \"" name "\" is forbidden: "

/* What is refused, and with which words; NULL: it is not. */
static void tries(struct cluster *self, const char *yaml, const char *message)
{
    kst_auto_json struct kst_json *status = cluster_create(self, yaml);
    if (!message && status)
        fail_msg("%s", kst_status_message(status));
    if (!message)
        return;
    if (!status)
        fail_msg("not refused: %s", yaml);
    assert_string_equal(kst_status_message(status), message);
    assert_int_equal(kst_status_code(status), 403);
}

static void load_quota(struct cluster *self, const char *spec)
{
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: most}, spec: {%s}}", spec);
    cluster_load(self, yaml);
}

static void load_limits(struct cluster *self, const char *limits)
{
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: v1, kind: LimitRange, metadata: {name: range}, spec: {limits: [%s]}}",
        limits);
    cluster_load(self, yaml);
}

/* ---- quotas ---- */

static void compute(struct cluster *self)
{
    load_quota(self, "hard: {pods: 2, requests.cpu: 1, limits.memory: 1Gi, count/pods: 9}");
    cluster_has(self, QUOTAS, "most", "status.used",
                "{\"pods\":\"0\",\"requests.cpu\":\"0\",\"limits.memory\":\"0\",\"count/pods\":"
                "\"0\"}");
    tries(self, POD("none", "", ""),
          FORBIDDEN("pods", "none") "failed quota: most: must specify limits.memory,requests.cpu");
    tries(self, POD("much", "", RESOURCES("limits: {cpu: 2, memory: 2Gi}")),
          FORBIDDEN("pods", "much") "exceeded quota: most, requested: limits.memory=2Gi,"
                                    "requests.cpu=2, used: limits.memory=0,requests.cpu=0, "
                                    "limited: limits.memory=1Gi,requests.cpu=1");
    tries(self, POD("one", "", RESOURCES("limits: {cpu: 400m, memory: 512Mi}")), NULL);
    cluster_has(self, QUOTAS, "most", "status.used",
                "{\"pods\":\"1\",\"requests.cpu\":\"400m\",\"limits.memory\":\"512Mi\","
                "\"count/pods\":\"1\"}");
    tries(self, POD("two", "", RESOURCES("limits: {cpu: 700m, memory: 1Mi}")),
          FORBIDDEN("pods", "two") "exceeded quota: most, requested: requests.cpu=700m, used: "
                                   "requests.cpu=400m, limited: requests.cpu=1");
    cluster_settle(self);
    /* One that has ended needs nothing any more. */
    cluster_pod_is(self, "one", "Succeeded", false);
    cluster_has(self, QUOTAS, "most", "status.used",
                "{\"pods\":\"0\",\"requests.cpu\":\"0\",\"limits.memory\":\"0\",\"count/pods\":"
                "\"1\"}");
}

static void claims(struct cluster *self)
{
    load_quota(self, "hard: {requests.storage: 3Gi, "
                     "gold.storageclass.storage.k8s.io/persistentvolumeclaims: 2}");
    tries(self, CLAIM("a", "1Gi"), NULL);
    tries(self, CLAIM("b", "2Gi"), NULL);
    tries(self, CLAIM("c", "1"),
          FORBIDDEN("persistentvolumeclaims", "c") "exceeded quota: most, requested: gold."
                                                   "storageclass.storage.k8s.io/"
                                                   "persistentvolumeclaims=1,requests.storage=1, "
                                                   "used: gold.storageclass.storage.k8s.io/"
                                                   "persistentvolumeclaims=2,requests.storage=3Gi, "
                                                   "limited: gold.storageclass.storage.k8s.io/"
                                                   "persistentvolumeclaims=2,requests.storage=3Gi");
    cluster_settle(self);
    cluster_delete(self, "/persistentvolumeclaims", "b", NULL);
    tries(self, CLAIM("c", "2Gi"), NULL);
}

static void scopes(struct cluster *self)
{
    load_quota(self, "hard: {pods: 0}, scopes: [BestEffort]");
    tries(self, POD("best", "", ""),
          FORBIDDEN("pods", "best") "exceeded quota: most, requested: pods=1, used: pods=0, "
                                    "limited: pods=0");
    tries(self, POD("other", "", RESOURCES("requests: {cpu: 1m}")), NULL);
    cluster_settle(self);
    cluster_has(self, QUOTAS, "most", "status.used.pods", "0");
}

/* A controller says what keeps it from making its Pods, and goes on when it can. */
static void replicas(struct cluster *self)
{
    load_quota(self, "hard: {pods: 1}");
    cluster_load(self, "{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web}, spec: "
                       "{replicas: 2, selector: {matchLabels: {app: web}}, template: {metadata: "
                       "{labels: {app: web}}, spec: {nodeSelector: {example.com/no: node}, "
                       "containers: [{name: web, image: 'example.com/web:1'}]}}}}");
    cluster_has(self, "apps/replicasets", "web", "status.replicas", "1");
    assert_string_equal(cluster_condition(self, "apps/replicasets", "web", "ReplicaFailure",
                                          "reason"),
                        "FailedCreate");
    assert_true(cluster_said(self, "web", "FailedCreate", "exceeded quota: most, requested: pods"));
    cluster_patch(self, QUOTAS, "most", NULL, "{'spec':{'hard':{'pods':'2'}}}");
    cluster_await(self, "apps/replicasets", "web", "status.replicas", "2");
}

/* ---- limits ---- */

static void defaults(struct cluster *self)
{
    load_limits(self, "{type: Container, default: {cpu: 1, memory: 1Gi}, defaultRequest: {cpu: "
                      "100m}}");
    tries(self,
          POD("a",
              "initContainers: [{name: first, image: b, resources: {limits: {cpu: 2}}}]"
              ", ",
              ""),
          NULL);
    cluster_has(self, PODS, "a", "spec.containers.0.resources.requests.memory", "1Gi");
    cluster_has(self, PODS, "a", "spec.initContainers.0.resources.limits.cpu", "2");
    cluster_has(self, PODS, "a", "metadata.annotations",
                "{\"kubernetes.io/limit-ranger\":\"LimitRanger plugin set: cpu, memory request for "
                "container main; cpu, memory limit for container main; memory request for init "
                "container first; memory limit for init container first\"}");
    cluster_has(self, PODS, "a", "status.qosClass", "Burstable");
}

static void bounds(struct cluster *self)
{
    load_limits(self, "{type: Container, min: {cpu: 100m}, max: {memory: 1Gi}, "
                      "maxLimitRequestRatio: {memory: 2}, default: {memory: 512Mi, cpu: 1}, "
                      "defaultRequest: {memory: 512Mi, cpu: 1}}, {type: Pod, max: {cpu: 3}}, "
                      "{type: PersistentVolumeClaim, min: {storage: 1Gi}, max: {storage: 2Gi}}");
    tries(self, POD("a", "", ""), NULL);
    tries(self, POD("b", "", RESOURCES("requests: {cpu: 50m}")),
          FORBIDDEN("pods", "b") "minimum cpu usage per Container is 100m, but request is 50m");
    tries(self, POD("c", "", RESOURCES("requests: {memory: 128Mi}")),
          FORBIDDEN("pods", "c") "memory max limit to request ratio per Container is 2, but "
                                 "provided ratio is 4.000000");
    tries(self, POD("d", "", RESOURCES("limits: {cpu: 4, memory: 2Gi}")),
          FORBIDDEN("pods", "d") "[maximum memory usage per Container is 1Gi, but limit is 2Gi, "
                                 "maximum cpu usage per Pod is 3, but limit is 4]");
    tries(self, CLAIM("small", "512Mi"),
          FORBIDDEN("persistentvolumeclaims", "small") "minimum storage usage per "
                                                       "PersistentVolumeClaim is 1Gi, but request "
                                                       "is 512Mi");
    tries(self, CLAIM("large", "3Gi"),
          FORBIDDEN("persistentvolumeclaims", "large") "maximum storage usage per "
                                                       "PersistentVolumeClaim is 2Gi, but request "
                                                       "is 3Gi");
}

static const struct {
    const char *name;
    void (*body)(struct cluster *self);
} cases[] = {
    {"compute", compute},   {"claims", claims},     {"scopes", scopes},
    {"replicas", replicas}, {"defaults", defaults}, {"bounds", bounds},
};

static void test_quota(void **state)
{
    cluster_run(false, cases[(size_t)(uintptr_t)*state].body);
}

int main(void)
{
    struct CMUnitTest tests[KST_ARRAY_LEN(cases)];
    for (size_t i = 0; i < KST_ARRAY_LEN(cases); i++)
        tests[i] = (struct CMUnitTest){
            .name = cases[i].name, .test_func = test_quota, .initial_state = (void *)(uintptr_t)i};
    return cmocka_run_group_tests_name("quotas and limits", tests, NULL, NULL);
}
