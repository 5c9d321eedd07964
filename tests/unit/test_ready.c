/* SPDX-License-Identifier: Apache-2.0 */
/* What was restored is waited for until it works, and where it does not, the reason is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "app/restore/ready.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "run_fixture.h"
#include "sandbox/api/api.h"

#define PODS "/pods"

static void load(struct cluster *self, const char *kind, const char *name, const char *spec)
{
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: apps/v1, kind: %s, metadata: {name: %s}, spec: {%s selector: {matchLabels: "
        "{app: %s}}, template: {metadata: {labels: {app: %s}}, spec: {containers: [{name: c, "
        "image: 'example.com/c:1'}]}}}}",
        kind, name, spec, name, name);
    cluster_load(self, yaml);
}

static int await_kinds(struct run_fixture *self, int64_t timeout_ms, const char *workloads,
                       struct kst_err **err)
{
    kst_auto_json struct kst_json *rows = kst_json_make(workloads);
    self->run.ready_timeout_ms = timeout_ms;
    return kst_ready_await(&self->run, rows, err);
}

static int become_ready(void *arg, struct kst_err **err)
{
    struct cluster *self = arg;
    for (int i = 0; i < 6; i++) { /* a StatefulSet makes one after the other */
        kst_sleep_ms(20, NULL);
        cluster_pods_are_ready(self);
    }
    return 0;
}

static void waits(struct cluster *self)
{
    struct run_fixture run;
    kst_auto_err struct kst_err *err = NULL;
    run_open(&run, self, "r");
    load(self, "Deployment", "web", "replicas: 2,");
    load(self, "StatefulSet", "db", "replicas: 2, serviceName: db,");
    load(self, "StatefulSet", "old",
         "replicas: 1, serviceName: old, updateStrategy: {type: OnDelete},");
    load(self, "DaemonSet", "agent", "");
    load(self, "Deployment", "none", "replicas: 0,");
    struct kst_fiber *fiber = kst_fiber_spawn(kst_fiber_loop(), "ready", become_ready, self);
    int rc = await_kinds(&run, 20000,
                         "[{'apiVersion':'apps/v1','kind':'Deployment','name':'web'},"
                         "{'apiVersion':'apps/v1','kind':'StatefulSet','name':'db'},"
                         "{'apiVersion':'apps/v1','kind':'StatefulSet','name':'old'},"
                         "{'apiVersion':'apps/v1','kind':'DaemonSet','name':'agent'},"
                         "{'apiVersion':'apps/v1','kind':'Deployment','name':'none'},"
                         "{'apiVersion':'batch/v1','kind':'Job','name':'whatever'},"
                         "{'apiVersion':'example.com/v1','kind':'Database','name':'main'}]",
                         &err);
    kst_fiber_join(fiber, NULL);
    if (rc < 0)
        fail_msg("%s", kst_err_message(err));
    assert_int_equal(run.workloads, 5);
    cluster_has(self, "apps/deployments", "web", "status.availableReplicas", "2");
    cluster_has(self, "apps/statefulsets", "db", "status.readyReplicas", "2");
    run_close(&run);
}

static const char pod[] = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: "
                          "[{name: c, image: 'example.com/c:1'}]}}";
#define THE_POD "[{'apiVersion':'v1','kind':'Pod','name':'p'}]"

static void set_status(struct cluster *self, const char *status)
{
    kst_api_set_status(self->api, PODS, kst_api_find(self->api, PODS, "default", "p"),
                       kst_json_make(status), "kubelet");
    cluster_settle(self);
}

/* What a kubelet says, and what is made of it. */
static const struct {
    const char *status, *text, *hint;
} reasons[] = {
    {"{'phase':'Pending','containerStatuses':[{'name':'c','image':'example.com/c:1','state':"
     "{'waiting':{'reason':'ImagePullBackOff','message':'Back-off pulling image'}}}]}",
     "the image example.com/c:1 of container c cannot be had (ImagePullBackOff: Back-off pulling "
     "image)",
     "registry"},
    {"{'phase':'Running','containerStatuses':[{'name':'c','state':{'waiting':{'reason':"
     "'CrashLoopBackOff'}},'lastState':{'terminated':{'exitCode':137,'reason':'OOMKilled'}}}]}",
     "container c crashes again and again, exit code 137 (OOMKilled)", "logs p -c c --previous"},
    {"{'phase':'Pending','initContainerStatuses':[{'name':'init','state':{'terminated':{'exitCode':"
     "3}}}]}",
     "container init has crashed, exit code 3", "logs p -c init"},
    {"{'phase':'Pending','containerStatuses':[{'name':'c','state':{'waiting':{'reason':"
     "'CreateContainerConfigError','message':'secret s not found'}}}]}",
     "container c cannot be started (CreateContainerConfigError: secret s not found)",
     "left out of the restore"},
    {"{'phase':'Pending','conditions':[{'type':'PodScheduled','status':'False','reason':"
     "'Unschedulable','message':'0/3 nodes are available'}]}",
     "cannot be scheduled: 0/3 nodes are available", "room"},
    {"{'phase':'Running','conditions':[{'type':'Ready','status':'False'}]}",
     "Pod p is Running, but not ready", "describe pod p"},
};

static void explains(struct cluster *self)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(reasons); i++) {
        struct run_fixture run;
        kst_auto_err struct kst_err *err = NULL;
        run_open(&run, self, "r");
        cluster_load(self, pod);
        set_status(self, reasons[i].status);
        assert_int_equal(await_kinds(&run, 50, THE_POD, &err), KST_E_TIMEOUT);
        assert_string_equal(kst_err_get_reason(err), "NotReady");
        if (!strstr(kst_err_message(err), "Pod/default/p: ") ||
            !strstr(kst_err_message(err), reasons[i].text) ||
            !strstr(kst_err_get_hint(err), reasons[i].hint))
            fail_msg("%s (%s)", kst_err_message(err), kst_err_get_hint(err));
        run_close(&run);
        cluster_pod_is(self, "p", "Failed", false);
        const struct kst_api_call call = kst_api_call_for(self->api, PODS, "default", "p", "test");
        const struct kst_api_delete now = {.grace_seconds = 0};
        assert_null(kst_api_delete(self->api, &call, &now, NULL));
        cluster_settle(self);
    }
}

/* A Pod that has ended is not waited for: with success it is well, without it never will be. */
static void ended(struct cluster *self)
{
    struct run_fixture run;
    kst_auto_err struct kst_err *err = NULL;
    run_open(&run, self, "r");
    cluster_load(self, pod);
    cluster_pod_is(self, "p", "Succeeded", false);
    assert_int_equal(await_kinds(&run, 20000, THE_POD, &err), 0);
    run_close(&run);
    run_open(&run, self, "q");
    set_status(self, "{'phase':'Failed','message':'the node was drained'}");
    assert_int_equal(await_kinds(&run, 20000, THE_POD, &err), KST_E_TIMEOUT);
    assert_non_null(strstr(kst_err_message(err), "Pod p is Failed: the node was drained"));
    run_close(&run);
}

static void quota(struct cluster *self)
{
    struct run_fixture run;
    kst_auto_err struct kst_err *err = NULL;
    run_open(&run, self, "r");
    cluster_load(self,
                 "{apiVersion: v1, kind: ResourceQuota, metadata: {name: tight}, spec: {hard: "
                 "{pods: 0}}}");
    load(self, "Deployment", "web", "replicas: 3,");
    load(self, "StatefulSet", "db", "replicas: 1, serviceName: db,");
    assert_int_equal(await_kinds(&run, 300,
                                 "[{'apiVersion':'apps/v1','kind':'Deployment','name':'web'},"
                                 "{'apiVersion':'apps/v1','kind':'StatefulSet','name':'db'},"
                                 "{'apiVersion':'apps/v1','kind':'DaemonSet','name':'gone'}]",
                                 &err),
                     KST_E_TIMEOUT);
    static const char *const texts[] = {
        "3 of 3 workloads are not ready after 300ms: ",
        ("Deployment/default/web: 0 of 3 replicas are up to date: its Pods cannot be made: "
         "FailedCreate: "),
        "exceeded quota: tight",
        "StatefulSet/default/db: 0 of 1 replicas are ready: its Pods cannot be made: FailedCreate",
        "DaemonSet/default/gone: somebody has deleted it",
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(texts); i++) {
        if (!strstr(kst_err_message(err), texts[i]))
            fail_msg("expected \"%s\" in: %s", texts[i], kst_err_message(err));
    }
    run_close(&run);
}

static void test_waits(void **state)
{
    cluster_run(false, waits);
}

static void test_explains(void **state)
{
    cluster_run(false, explains);
}

static void test_ended(void **state)
{
    cluster_run(false, ended);
}

static void test_quota(void **state)
{
    cluster_run(false, quota);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_explains),
        cmocka_unit_test(test_ended),
        cmocka_unit_test(test_quota),
    };
    kst_log_setup(KST_LOG_ERROR, KST_LOG_PLAIN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
