/* SPDX-License-Identifier: Apache-2.0 */
/* Deployments and ReplicaSets, as their users see them; the Pods' statuses are the test's. */
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
#include "loop/fiber.h"
#include "sandbox/control/controller.h"

#define DEPLOYMENTS "apps/deployments"
#define SETS        "apps/replicasets"
#define PODS        "/pods"

/* No node takes these Pods, so that they go at once when they are deleted. */
#define TEMPLATE(version)                                                              \
    "  template:\n    metadata: {labels: {app: web}}\n    spec:\n"                     \
    "      nodeSelector: {example.com/no: node}\n      containers: [{name: web, image" \
    ": \"example.com/web:" version "\"}]\n"

#define DEPLOYMENT(spec)                                                    \
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n" \
    "  selector: {matchLabels: {app: web}}\n" spec TEMPLATE("1")

#define NEXT_IMAGE                                                                   \
    "{'spec':{'template':{'spec':{'containers':[{'name':'web','image':'example.com/" \
    "web:2'}]}}}}"
#define LAST_IMAGE                                                                   \
    "{'spec':{'template':{'spec':{'containers':[{'name':'web','image':'example.com/" \
    "web:1'}]}}}}"

/* The ReplicaSet of a revision; the caller frees it. */
static char *set_of(struct cluster *self, const char *revision)
{
    for (size_t i = 0; i < cluster_count(self, SETS); i++) {
        const char *name = cluster_name(self, SETS, i);
        const struct kst_json *annotations = kst_json_path(cluster_get(self, SETS, name),
                                                           "metadata.annotations");
        const char *found = kst_json_str(
            kst_json_get(annotations, "deployment.kubernetes.io/revision"));
        if (found && strcmp(found, revision) == 0)
            return kst_strdup(name);
    }
    fail_msg("no ReplicaSet of revision %s", revision);
    return NULL;
}

static void has_size(struct cluster *self, const char *revision, const char *replicas)
{
    kst_auto_free char *set = set_of(self, revision);
    cluster_has(self, SETS, set, "spec.replicas", replicas);
}

static void roll_out(struct cluster *self)
{
    for (int i = 0; i < 20; i++)
        cluster_pods_are_ready(self);
}

static const char *progress(struct cluster *self)
{
    return cluster_condition(self, DEPLOYMENTS, "web", "Progressing", "reason");
}

/* ---- a rollout ---- */

static void first_rollout(struct cluster *self)
{
    cluster_load(self, DEPLOYMENT("  replicas: 3\n"));
    assert_int_equal(cluster_count(self, PODS), 3);
    cluster_has(self, DEPLOYMENTS, "web", "status.updatedReplicas", "3");
    cluster_has(self, DEPLOYMENTS, "web", "status.unavailableReplicas", "3");
    assert_string_equal(cluster_condition(self, DEPLOYMENTS, "web", "Available", "status"),
                        "False");
    roll_out(self);
    kst_auto_free char *set = set_of(self, "1");
    kst_auto_free char *done = kst_asprintf("ReplicaSet \"%s\" has successfully progressed.", set);
    cluster_has(self, DEPLOYMENTS, "web", "status.availableReplicas", "3");
    cluster_has(self, DEPLOYMENTS, "web", "status.unavailableReplicas", "");
    assert_string_equal(cluster_condition(self, DEPLOYMENTS, "web", "Available", "status"), "True");
    assert_string_equal(progress(self), "NewReplicaSetAvailable");
    assert_string_equal(cluster_condition(self, DEPLOYMENTS, "web", "Progressing", "message"),
                        done);
    assert_true(cluster_said(self, "web", "ScalingReplicaSet", "Scaled up replica set"));
    assert_true(cluster_said(self, set, "SuccessfulCreate", "Created pod: web-"));
}

static void test_first_rollout(void **state)
{
    cluster_run(false, first_rollout);
}

/* Never fewer than 3 of 4 available, never more than 5 in all. */
static void rolling_update(struct cluster *self)
{
    cluster_load(self, DEPLOYMENT("  replicas: 4\n"));
    roll_out(self);
    cluster_patch(self, DEPLOYMENTS, "web", NULL, NEXT_IMAGE);
    has_size(self, "1", "3");
    has_size(self, "2", "2");
    assert_string_equal(progress(self), "ReplicaSetUpdated");
    roll_out(self);
    has_size(self, "1", "0");
    has_size(self, "2", "4");
    assert_int_equal(cluster_count(self, PODS), 4);
    assert_string_equal(progress(self), "NewReplicaSetAvailable");
    kst_auto_free char *revision = cluster_value(self, DEPLOYMENTS, "web", "metadata.annotations");
    assert_string_equal(revision, "{\"deployment.kubernetes.io/revision\":\"2\"}");
}

static void test_rolling_update(void **state)
{
    cluster_run(false, rolling_update);
}

static void undo(struct cluster *self)
{
    cluster_load(self, DEPLOYMENT("  replicas: 1\n"));
    roll_out(self);
    kst_auto_free char *first = set_of(self, "1");
    cluster_patch(self, DEPLOYMENTS, "web", NULL, NEXT_IMAGE);
    roll_out(self);
    cluster_patch(self, DEPLOYMENTS, "web", NULL, LAST_IMAGE);
    roll_out(self);
    kst_auto_free char *third = set_of(self, "3");
    assert_string_equal(first, third);
    assert_int_equal(cluster_count(self, SETS), 2);
    has_size(self, "2", "0");
    has_size(self, "3", "1");
    const struct kst_json *annotations = kst_json_path(cluster_get(self, SETS, third),
                                                       "metadata.annotations");
    assert_string_equal(
        kst_json_str(kst_json_get(annotations, "deployment.kubernetes.io/revision-history")), "1");
}

static void test_undo(void **state)
{
    cluster_run(false, undo);
}

/* The old Pods go before the new ones come. */
static void recreate(struct cluster *self)
{
    cluster_load(self, DEPLOYMENT("  replicas: 2\n  strategy: {type: Recreate}\n"));
    roll_out(self);
    kst_auto_free char *held = kst_strdup(cluster_name(self, PODS, 0));
    cluster_patch(self, PODS, held, NULL, "{'metadata':{'finalizers':['example.com/held']}}");
    cluster_patch(self, DEPLOYMENTS, "web", NULL, NEXT_IMAGE);
    assert_int_equal(cluster_count(self, PODS), 1);
    assert_int_equal(cluster_count(self, SETS), 1);
    cluster_patch(self, PODS, held, NULL, "{'metadata':{'finalizers':null}}");
    assert_int_equal(cluster_count(self, PODS), 2);
    has_size(self, "1", "0");
    has_size(self, "2", "2");
}

static void test_recreate(void **state)
{
    cluster_run(false, recreate);
}

static void paused(struct cluster *self)
{
    cluster_load(self, DEPLOYMENT("  replicas: 1\n"));
    roll_out(self);
    cluster_patch(self, DEPLOYMENTS, "web", NULL, "{'spec':{'paused':true}}");
    assert_string_equal(progress(self), "DeploymentPaused");
    cluster_patch(self, DEPLOYMENTS, "web", NULL, NEXT_IMAGE);
    assert_int_equal(cluster_count(self, SETS), 1);
    cluster_patch(self, DEPLOYMENTS, "web", NULL, "{'spec':{'replicas':3}}");
    has_size(self, "1", "3");
    cluster_patch(self, DEPLOYMENTS, "web", NULL, "{'spec':{'paused':null}}");
    assert_int_equal(cluster_count(self, SETS), 2);
    roll_out(self);
    has_size(self, "2", "3");
}

static void test_paused(void **state)
{
    cluster_run(false, paused);
}

/* In the middle of a rollout both ReplicaSets grow, in proportion. */
static void scaled_while_rolling(struct cluster *self)
{
    cluster_load(self, DEPLOYMENT("  replicas: 10\n  strategy: {rollingUpdate: {maxSurge: 3, "
                                  "maxUnavailable: 2}}\n"));
    roll_out(self);
    cluster_patch(self, DEPLOYMENTS, "web", NULL, NEXT_IMAGE);
    has_size(self, "1", "8");
    has_size(self, "2", "5");
    cluster_patch(self, DEPLOYMENTS, "web", NULL, "{'spec':{'replicas':15}}");
    has_size(self, "1", "11");
    has_size(self, "2", "7");
}

static void test_scaled_while_rolling(void **state)
{
    cluster_run(false, scaled_while_rolling);
}

static void too_late(struct cluster *self)
{
    cluster_load(self, DEPLOYMENT("  progressDeadlineSeconds: 1\n"));
    cluster_await(self, DEPLOYMENTS, "web", "status.conditions.1.reason",
                  "ProgressDeadlineExceeded");
    assert_string_equal(cluster_condition(self, DEPLOYMENTS, "web", "Progressing", "status"),
                        "False");
    roll_out(self);
    assert_string_equal(progress(self), "NewReplicaSetAvailable");
}

static void test_too_late(void **state)
{
    cluster_run(false, too_late);
}

static void history(struct cluster *self)
{
    cluster_load(self, DEPLOYMENT("  revisionHistoryLimit: 1\n"));
    roll_out(self);
    for (int i = 2; i < 5; i++) {
        kst_auto_free char *patch = kst_asprintf(
            "{'spec':{'template':{'metadata':{'labels':{'n':'%d'}}}}}", i);
        cluster_patch(self, DEPLOYMENTS, "web", NULL, patch);
        roll_out(self);
    }
    assert_int_equal(cluster_count(self, SETS), 2);
    has_size(self, "3", "0");
    has_size(self, "4", "1");
}

static void test_history(void **state)
{
    cluster_run(false, history);
}

/* ---- what is owned ---- */

static void orphans_and_collection(struct cluster *self)
{
    cluster_load(self, DEPLOYMENT("  replicas: 2\n"));
    kst_auto_free char *set = set_of(self, "1");
    cluster_delete(self, DEPLOYMENTS, "web", "Orphan");
    cluster_has(self, SETS, set, "metadata.ownerReferences", "");
    assert_int_equal(cluster_count(self, PODS), 2);
    cluster_load(self, DEPLOYMENT("  replicas: 2\n"));
    cluster_has(self, SETS, set, "metadata.ownerReferences.0.kind", "Deployment");
    assert_int_equal(cluster_count(self, SETS), 1);
    cluster_delete(self, DEPLOYMENTS, "web", "Foreground");
    assert_null(cluster_get(self, DEPLOYMENTS, "web"));
    assert_int_equal(cluster_count(self, SETS), 0);
    assert_int_equal(cluster_count(self, PODS), 0);
}

static void test_orphans_and_collection(void **state)
{
    cluster_run(false, orphans_and_collection);
}

/* A Pod that loses the label is let go and replaced; one that has it and nobody is adopted. */
static void labels_decide(struct cluster *self)
{
    cluster_load(self, DEPLOYMENT("  replicas: 1\n"));
    kst_auto_free char *pod = kst_strdup(cluster_name(self, PODS, 0));
    cluster_patch(self, PODS, pod, NULL, "{'metadata':{'labels':{'app':'other'}}}");
    cluster_has(self, PODS, pod, "metadata.ownerReferences", "");
    assert_int_equal(cluster_count(self, PODS), 2);
    cluster_patch(self, PODS, pod, NULL, "{'metadata':{'labels':{'app':'web'}}}");
    assert_int_equal(cluster_count(self, PODS), 1);
}

static void test_labels_decide(void **state)
{
    cluster_run(false, labels_decide);
}

/* Pods that cannot be made are told about, up to the Deployment. */
static void failing_pods(struct cluster *self)
{
    cluster_load(self, DEPLOYMENT("  replicas: 1\n") "      serviceAccountName: nobody\n");
    kst_auto_free char *set = set_of(self, "1");
    assert_string_equal(cluster_condition(self, SETS, set, "ReplicaFailure", "reason"),
                        "FailedCreate");
    assert_string_equal(cluster_condition(self, DEPLOYMENTS, "web", "ReplicaFailure", "status"),
                        "True");
    assert_true(cluster_said(self, set, "FailedCreate", "serviceaccount \"nobody\" not found"));
    cluster_load(self, "{apiVersion: v1, kind: ServiceAccount, metadata: {name: nobody}}");
    cluster_await_count(self, PODS, 1);
    cluster_settle(self);
    assert_string_equal(cluster_condition(self, DEPLOYMENTS, "web", "ReplicaFailure", "status"),
                        "");
}

static void test_failing_pods(void **state)
{
    cluster_run(false, failing_pods);
}

/* ---- on the node ---- */

static void on_the_node(struct cluster *self)
{
    cluster_load(self,
                 "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n"
                 "  replicas: 2\n  selector: {matchLabels: {app: web}}\n  template:\n"
                 "    metadata: {labels: {app: web}}\n    spec:\n"
                 "      terminationGracePeriodSeconds: 0\n"
                 "      containers: [{name: web, image: busybox, command: [sleep, '1000']}]\n");
    cluster_await(self, DEPLOYMENTS, "web", "status.availableReplicas", "2");
    cluster_patch(self, DEPLOYMENTS, "web", NULL,
                  "{'spec':{'template':{'metadata':{'labels':{'v':'2'}}}}}");
    cluster_await(self, DEPLOYMENTS, "web", "status.updatedReplicas", "2");
    cluster_await(self, DEPLOYMENTS, "web", "status.replicas", "2");
    cluster_await_count(self, PODS, 2);
    cluster_delete(self, DEPLOYMENTS, "web", "Foreground");
    cluster_await_count(self, PODS, 0);
}

static void test_on_the_node(void **state)
{
    cluster_run(true, on_the_node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_rollout),
        cmocka_unit_test(test_rolling_update),
        cmocka_unit_test(test_undo),
        cmocka_unit_test(test_recreate),
        cmocka_unit_test(test_paused),
        cmocka_unit_test(test_scaled_while_rolling),
        cmocka_unit_test(test_too_late),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_orphans_and_collection),
        cmocka_unit_test(test_labels_decide),
        cmocka_unit_test(test_failing_pods),
        cmocka_unit_test(test_on_the_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
