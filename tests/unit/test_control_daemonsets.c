/* SPDX-License-Identifier: Apache-2.0 */
/* DaemonSets: a Pod on each node; and the revisions of templates. */
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

#define SETS      "apps/daemonsets"
#define REVISIONS "apps/controllerrevisions"
#define PODS      "/pods"

static void load(struct cluster *self, const char *spec, const char *pod)
{
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: log}, spec: {selector: "
        "{matchLabels: {app: log}}, %s template: {metadata: {labels: {app: log}}, spec: {%s "
        "terminationGracePeriodSeconds: 0, containers: [{name: log, image: 'example.com/log:1'}]"
        "}}}}",
        spec, pod);
    cluster_load(self, yaml);
}

static void load_node(struct cluster *self, const char *name)
{
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: v1, kind: Node, metadata: {name: %s, labels: {disk: fast}}}", name);
    cluster_load(self, yaml);
}

static void has_status(struct cluster *self, const char *desired, const char *ready,
                       const char *updated)
{
    cluster_has(self, SETS, "log", "status.desiredNumberScheduled", desired);
    cluster_has(self, SETS, "log", "status.numberReady", ready);
    cluster_has(self, SETS, "log", "status.updatedNumberScheduled", updated);
}

static void every_node(struct cluster *self)
{
    load(self, "", "");
    assert_int_equal(cluster_count(self, PODS), 1);
    cluster_has(self, PODS, cluster_name(self, PODS, 0), "spec.nodeName", "sandbox");
    has_status(self, "1", "0", "1");
    load_node(self, "other");
    assert_int_equal(cluster_count(self, PODS), 2);
    cluster_pods_are_ready(self);
    has_status(self, "2", "2", "2");
    cluster_has(self, SETS, "log", "status.numberAvailable", "2");
    cluster_has(self, SETS, "log", "status.numberUnavailable", "");
}

static void some_nodes(struct cluster *self)
{
    load_node(self, "other");
    load(self, "", "nodeSelector: {disk: fast},");
    assert_int_equal(cluster_count(self, PODS), 1);
    has_status(self, "1", "0", "1");
}

static void failed_pod(struct cluster *self)
{
    load(self, "", "");
    kst_auto_free char *pod = kst_strdup(cluster_name(self, PODS, 0));
    cluster_pod_is(self, pod, "Failed", false);
    assert_int_equal(cluster_count(self, PODS), 1);
    assert_string_not_equal(cluster_name(self, PODS, 0), pod);
    assert_true(cluster_said(self, "log", "FailedDaemonPod", "on node sandbox, will try to kill"));
}

/* One node after the other; then back to the revision that was. */
static void rolling(struct cluster *self)
{
    load_node(self, "other");
    load(self, "", "");
    cluster_pods_are_ready(self);
    cluster_patch(self, SETS, "log", NULL,
                  "{'spec':{'template':{'metadata':{'labels':{'v':'2'}}}}}");
    has_status(self, "2", "1", "1");
    cluster_has(self, SETS, "log", "metadata.annotations",
                "{\"deprecated.daemonset.template.generation\":\"2\"}");
    for (int i = 0; i < 4; i++)
        cluster_pods_are_ready(self);
    has_status(self, "2", "2", "2");
    assert_int_equal(cluster_count(self, REVISIONS), 2);
    cluster_patch(self, SETS, "log", NULL,
                  "{'spec':{'template':{'metadata':{'labels':{'v':null}}}}}");
    for (int i = 0; i < 4; i++)
        cluster_pods_are_ready(self);
    has_status(self, "2", "2", "2");
    assert_int_equal(cluster_count(self, REVISIONS), 2);
    bool third = false;
    for (size_t i = 0; i < 2; i++) {
        const struct kst_json *revision = cluster_get(self, REVISIONS,
                                                      cluster_name(self, REVISIONS, i));
        third = third || kst_json_path_int(revision, "revision", 0) == 3;
    }
    assert_true(third);
}

static void on_delete(struct cluster *self)
{
    load(self, "revisionHistoryLimit: 1, updateStrategy: {type: OnDelete},", "");
    cluster_pods_are_ready(self);
    for (int i = 2; i < 5; i++) {
        kst_auto_free char *patch = kst_asprintf(
            "{'spec':{'template':{'metadata':{'labels':{'v':'%d'}}}}}", i);
        cluster_patch(self, SETS, "log", NULL, patch);
    }
    has_status(self, "1", "1", "");
    assert_int_equal(cluster_count(self, REVISIONS), 3); /* the Pod's, the present, one more */
    kst_auto_free char *pod = kst_strdup(cluster_name(self, PODS, 0));
    cluster_delete(self, PODS, pod, NULL);
    has_status(self, "1", "0", "1");
    cluster_delete(self, SETS, "log", "Foreground");
    assert_int_equal(cluster_count(self, PODS), 0);
    assert_int_equal(cluster_count(self, REVISIONS), 0);
}

static const struct {
    const char *name;
    void (*body)(struct cluster *self);
} cases[] = {
    {"every node", every_node}, {"some nodes", some_nodes}, {"failed Pod", failed_pod},
    {"rolling", rolling},       {"on delete", on_delete},
};

static void test_daemonset(void **state)
{
    cluster_run(false, cases[(size_t)(uintptr_t)*state].body);
}

int main(void)
{
    struct CMUnitTest tests[KST_ARRAY_LEN(cases)];
    for (size_t i = 0; i < KST_ARRAY_LEN(cases); i++)
        tests[i] = (struct CMUnitTest){.name = cases[i].name,
                                       .test_func = test_daemonset,
                                       .initial_state = (void *)(uintptr_t)i};
    return cmocka_run_group_tests_name("daemon sets", tests, NULL, NULL);
}
