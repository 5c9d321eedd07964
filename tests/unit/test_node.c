/* SPDX-License-Identifier: Apache-2.0 */
/* The node: Pods as processes, what becomes of them, and what is told of it. */
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

#define PODS      "/pods"
#define STATUS    "status.containerStatuses.0."
#define WAITING   STATUS "state.waiting.reason"
#define EXIT_CODE STATUS "state.terminated.exitCode"

/* A Pod "it" of one container; `spec` and `container` end with commas. */
static void load(struct cluster *self, const char *spec, const char *container)
{
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: v1, kind: Pod, metadata: {name: it}, spec: {terminationGracePeriodSeconds: "
        "1, %s containers: [{%s name: main}]}}",
        spec, container);
    cluster_load(self, yaml);
}

static void load_shell(struct cluster *self, const char *spec, const char *container,
                       const char *script)
{
    kst_auto_free char *all = kst_asprintf("%s image: busybox, command: [sh, -c, '%s'],", container,
                                           script);
    load(self, spec, all);
}

static void awaits(struct cluster *self, const char *path, const char *value)
{
    cluster_await(self, PODS, "it", path, value);
}

static void has(struct cluster *self, const char *path, const char *value)
{
    cluster_has(self, PODS, "it", path, value);
}

/* ---- ends ---- */

static void succeeds(struct cluster *self)
{
    load_shell(self, "restartPolicy: Never,", "", "exit 0");
    awaits(self, "status.phase", "Succeeded");
    has(self, EXIT_CODE, "0");
    has(self, STATUS "state.terminated.reason", "Completed");
    assert_string_equal(cluster_condition(self, PODS, "it", "Ready", "reason"), "PodCompleted");
    assert_true(cluster_said(self, "it", "Started", "Started container main"));
}

static void fails(struct cluster *self)
{
    load_shell(self, "restartPolicy: OnFailure,", "", "test -e /tmp/again || exit 3");
    awaits(self, STATUS "restartCount", "1");
    has(self, STATUS "lastState.terminated.exitCode", "3");
    cluster_delete(self, PODS, "it", NULL);
    cluster_await_count(self, PODS, 0);
    load_shell(self, "restartPolicy: Never,", "", "exit 3");
    awaits(self, "status.phase", "Failed");
    has(self, EXIT_CODE, "3");
    has(self, STATUS "restartCount", "0");
}

static void crash_loop(struct cluster *self)
{
    load_shell(self, "", "", "exit 1");
    awaits(self, WAITING, "CrashLoopBackOff");
    has(self, STATUS "lastState.terminated.exitCode", "1");
    has(self, "status.phase", "Running");
    assert_true(cluster_said(self, "it", "BackOff", "Back-off restarting failed container"));
    cluster_delete(self, PODS, "it", NULL);
    cluster_await_count(self, PODS, 0);
}

/* ---- what is missing ---- */

static void missing_image(struct cluster *self)
{
    load(self, "", "image: 'example.com/nosuch:1',");
    awaits(self, WAITING, "ErrImagePull");
    has(self, "status.phase", "Pending");
    has(self, STATUS "imageID", "");
    awaits(self, WAITING, "ImagePullBackOff");
    kst_auto_free char *message = cluster_value(self, PODS, "it", STATUS "state.waiting.message");
    assert_non_null(strstr(message, "Back-off pulling image \"example.com/nosuch:1\": no program"));
    assert_non_null(strstr(message, "--images"));
    assert_string_equal(cluster_condition(self, PODS, "it", "Ready", "message"),
                        "containers with unready status: [main]");
    assert_true(cluster_said(self, "it", "Failed",
                             "Failed to pull image \"example.com/nosuch:1\": no program"));
}

/* The image is there, its program is not: a Job's Pod fails, as it would with any runtime. */
static void missing_program(struct cluster *self)
{
    load(self, "restartPolicy: Never,", "image: busybox, command: [nosuch],");
    awaits(self, "status.phase", "Failed");
    has(self, EXIT_CODE, "128");
    has(self, STATUS "state.terminated.reason", "StartError");
    assert_true(cluster_said(self, "it", "Failed", "exec: \"nosuch\": executable file not found"));
}

static void missing_map(struct cluster *self)
{
    load_shell(self, "restartPolicy: Never,", "envFrom: [{configMapRef: {name: settings}}],",
               "test $A = b");
    awaits(self, WAITING, "CreateContainerConfigError");
    has(self, STATUS "state.waiting.message", "configmap \"settings\" not found");
    cluster_load(self, "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {A: "
                       "b}}");
    awaits(self, "status.phase", "Succeeded");
}

/* ---- probes ---- */

static void readiness(struct cluster *self)
{
    load_shell(self, "",
               "readinessProbe: {periodSeconds: 1, exec: {command: [test, -e, "
               "/tmp/ready]}},",
               "sleep 1; touch /tmp/ready; sleep 1000");
    awaits(self, "status.phase", "Running");
    has(self, STATUS "ready", "false");
    awaits(self, STATUS "ready", "true");
    assert_string_equal(cluster_condition(self, PODS, "it", "Ready", "status"), "True");
    assert_true(cluster_said(self, "it", "Unhealthy", "Readiness probe failed: "));
}

static void liveness(struct cluster *self)
{
    load_shell(self, "",
               "livenessProbe: {periodSeconds: 1, failureThreshold: 1, exec: {command: "
               "[test, -e, /nowhere]}},",
               "trap \"exit 7\" TERM; sleep 1000 & wait");
    awaits(self, STATUS "restartCount", "1");
    has(self, STATUS "lastState.terminated.exitCode", "7"); /* asked to, not killed */
    assert_true(cluster_said(self, "it", "Killing",
                             "Container main failed liveness probe, will be restarted"));
}

/* ---- init containers ---- */

static void init(struct cluster *self)
{
    load_shell(self,
               "restartPolicy: Never, volumes: [{name: v, emptyDir: {}}], initContainers: [{name: "
               "first, image: busybox, command: [touch, /v/first], volumeMounts: [{name: v, "
               "mountPath: /v}]}],",
               "volumeMounts: [{name: v, mountPath: /v}],", "test -e /v/first");
    awaits(self, "status.phase", "Succeeded");
    assert_string_equal(cluster_condition(self, PODS, "it", "Initialized", "status"), "True");
    cluster_delete(self, PODS, "it", NULL);
    cluster_await_count(self, PODS, 0);
    load_shell(self,
               "restartPolicy: Never, initContainers: [{name: first, image: busybox, command: "
               "[sh, -c, 'exit 2']}],",
               "", "exit 0");
    awaits(self, "status.phase", "Failed");
    assert_string_equal(cluster_condition(self, PODS, "it", "Initialized", "message"),
                        "containers with incomplete status: [first]");
}

/* ---- the end ---- */

/* A Pod that does not listen is killed after its grace. */
static void deletion(struct cluster *self)
{
    load_shell(self, "", "", "trap true TERM; while true; do sleep 1; done");
    awaits(self, "status.phase", "Running");
    cluster_delete(self, PODS, "it", NULL);
    assert_non_null(cluster_get(self, PODS, "it"));
    cluster_await_count(self, PODS, 0);
    assert_true(cluster_said(self, "it", "Killing", "Stopping container main"));
}

/* The node goes while a Pod has its grace: nobody waits for that, or this would not end in time. */
static void end_of_node(struct cluster *self)
{
    cluster_load(self, "{apiVersion: v1, kind: Pod, metadata: {name: it}, spec: "
                       "{terminationGracePeriodSeconds: 600, containers: [{name: main, image: "
                       "busybox, command: [sh, -c, 'trap true TERM; while true; do sleep 1; "
                       "done']}]}}");
    awaits(self, "status.phase", "Running");
    cluster_delete(self, PODS, "it", NULL);
    assert_non_null(cluster_get(self, PODS, "it"));
    cluster_settle(self);
}

/* It is stopped, and stays as one that has failed. */
static void overdue(struct cluster *self)
{
    load_shell(self, "activeDeadlineSeconds: 4,", "", "trap \"exit 0\" TERM; sleep 1000 & wait");
    awaits(self, "status.phase", "Running");
    awaits(self, "status.phase", "Failed");
    has(self, "status.reason", "DeadlineExceeded");
    has(self, EXIT_CODE, "0");
    has(self, STATUS "restartCount", "0");
    cluster_delete(self, PODS, "it", NULL);
    cluster_await_count(self, PODS, 0);
}

static const struct {
    const char *name;
    void (*body)(struct cluster *self);
} cases[] = {
    {"succeeds", succeeds},
    {"fails", fails},
    {"crash loop", crash_loop},
    {"missing image", missing_image},
    {"missing program", missing_program},
    {"missing map", missing_map},
    {"readiness", readiness},
    {"liveness", liveness},
    {"init containers", init},
    {"deletion", deletion},
    {"overdue", overdue},
    {"end of the node", end_of_node},
};

static void test_node(void **state)
{
    cluster_run(true, cases[(size_t)(uintptr_t)*state].body);
}

int main(void)
{
    struct CMUnitTest tests[KST_ARRAY_LEN(cases)];
    for (size_t i = 0; i < KST_ARRAY_LEN(cases); i++)
        tests[i] = (struct CMUnitTest){
            .name = cases[i].name, .test_func = test_node, .initial_state = (void *)(uintptr_t)i};
    return cmocka_run_group_tests_name("node", tests, NULL, NULL);
}
