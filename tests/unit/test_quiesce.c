/* SPDX-License-Identifier: Apache-2.0 */
/* Workloads stand still while their claims are replaced, and go on as they were: whoever dies,
 * whoever else changes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "app/restore/quiesce.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "run_fixture.h"
#include "sandbox/api/api.h"
#include "sandbox/api/store.h"
#include "sandbox/sandbox.h"
#include "sandbox/server/server.h"

#define DEPLOYMENTS "apps/deployments"
#define SETS        "apps/statefulsets"
#define DAEMONS     "apps/daemonsets"
#define CRONJOBS    "batch/cronjobs"
#define PODS        "/pods"

#define CONTAINERS  "containers: [{name: c, image: 'example.com/c:1'}]"
#define USES(claim) "volumes: [{name: v, persistentVolumeClaim: {claimName: " claim "}}]"
#define TEMPLATE(claim)                                                               \
    "template: {metadata: {labels: {app: a}}, spec: {nodeSelector: {example.com/no: " \
    "node}, " CONTAINERS ", " USES(claim) "}}"

static const char deployment[] =
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 3, selector: "
    "{matchLabels: {app: a}}, " TEMPLATE("c") "}}";

/* ---- What is done ---- */

static int plan(struct run_fixture *self, const char *claims, struct kst_err **err)
{
    kst_auto_json struct kst_json *names = kst_json_make(claims);
    return kst_quiesce_plan(&self->run, names, err);
}

static void succeeds(int rc, struct kst_err *const *err)
{
    if (rc < 0)
        fail_msg("%s", kst_err_message(*err));
}

static void plan_for(struct run_fixture *self, const char *claims)
{
    kst_auto_err struct kst_err *err = NULL;
    succeeds(plan(self, claims, &err), &err);
}

static void down(struct run_fixture *self)
{
    kst_auto_err struct kst_err *err = NULL;
    succeeds(kst_quiesce_down(&self->run, &err), &err);
    cluster_settle(self->cluster);
}

static void up(struct run_fixture *self)
{
    kst_auto_err struct kst_err *err = NULL;
    succeeds(kst_quiesce_up(&self->run, &err), &err);
    cluster_settle(self->cluster);
}

/* The row of the only workload of this kind. */
static void row_of(struct run_fixture *self, const char *kind, const char *key,
                   const char *expected)
{
    const struct kst_json *rows = kst_json_get(run_restore(self), "quiesced"), *found = NULL;
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        if (strcmp(kst_json_path_str(row, "kind"), kind) == 0)
            found = row;
    }
    assert_non_null(found);
    const struct kst_json *value = kst_json_path(found, key);
    kst_auto_free char *text = kst_json_str(value) ? kst_strdup(kst_json_str(value))
                                                   : kst_json_text(value);
    assert_string_equal(text, expected);
}

static size_t rows_of(struct run_fixture *self)
{
    return kst_json_len(kst_json_get(run_restore(self), "quiesced"));
}

/* ---- What is seen ---- */

static void deployment_of_pods(struct cluster *self)
{
    struct run_fixture run;
    run_open(&run, self, "r");
    cluster_load(self, deployment);
    assert_int_equal(cluster_count(self, PODS), 3);
    plan_for(&run, "['c','d']");
    assert_int_equal(rows_of(&run), 1);
    row_of(&run, "Deployment", "kind", "Deployment");
    row_of(&run, "Deployment", "replicas", "3");
    row_of(&run, "Deployment", "claims", "[\"c\"]");
    row_of(&run, "Deployment", "state", "Planned");
    cluster_has(self, DEPLOYMENTS, "web", "spec.replicas", "3");
    down(&run);
    row_of(&run, "Deployment", "state", "Down");
    assert_int_equal(cluster_count(self, PODS), 0);
    cluster_has(self, DEPLOYMENTS, "web", "spec.replicas", "0");
    up(&run);
    row_of(&run, "Deployment", "state", "Up");
    cluster_has(self, DEPLOYMENTS, "web", "spec.replicas", "3");
    assert_int_equal(cluster_count(self, PODS), 3);
    run_succeed(&run);
    row_of(&run, "Deployment", "state", "Up");
    run_close(&run);
}

/* Nobody uses the claims: nothing is touched, and nothing is waited for. */
static void others_go_on(struct cluster *self)
{
    struct run_fixture run;
    run_open(&run, self, "r");
    cluster_load(self, deployment);
    plan_for(&run, "['d']");
    assert_int_equal(rows_of(&run), 0);
    down(&run);
    up(&run);
    assert_int_equal(cluster_count(self, PODS), 3);
    run_close(&run);
}

/* Their claims are known by name before they have a single Pod. */
static void stateful_set_without_pods(struct cluster *self)
{
    struct run_fixture run;
    run_open(&run, self, "r");
    cluster_load(self, "{apiVersion: v1, kind: ResourceQuota, metadata: {name: none}, spec: {hard: "
                       "{pods: 0}}}");
    cluster_load(self, "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: "
                       "{serviceName: db, replicas: 2, selector: {matchLabels: {app: a}}, "
                       "template: {metadata: {labels: {app: a}}, spec: {" CONTAINERS
                       "}}, volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: "
                       "[ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]}}");
    assert_int_equal(cluster_count(self, PODS), 0);
    plan_for(&run, "['data-db-x','other-db-1']");
    assert_int_equal(rows_of(&run), 0);
    plan_for(&run, "['data-db-1']");
    row_of(&run, "StatefulSet", "kind", "StatefulSet");
    down(&run);
    cluster_has(self, SETS, "db", "spec.replicas", "0");
    up(&run);
    cluster_has(self, SETS, "db", "spec.replicas", "2");
    run_close(&run);
}

static void load_daemon(struct cluster *self, const char *selector)
{
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: agent}, spec: {selector: "
        "{matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}, spec: {%s" CONTAINERS
        ", " USES("c") "}}}}",
        selector);
    cluster_load(self, yaml);
}

static void daemon_set(struct cluster *self)
{
    static const char *const selectors[] = {"nodeSelector: {a.b/c: d, e: f}, ", ""};
    for (size_t i = 0; i < KST_ARRAY_LEN(selectors); i++) {
        struct run_fixture run;
        run_open(&run, self, i ? "r1" : "r0");
        load_daemon(self, selectors[i]);
        kst_auto_free char *before = cluster_value(self, DAEMONS, "agent", "spec");
        plan_for(&run, "['c']");
        down(&run);
        kst_auto_free char *stopped = cluster_value(self, DAEMONS, "agent",
                                                    "spec.template.spec."
                                                    "nodeSelector");
        assert_non_null(strstr(stopped, i ? "\"kassette.io/quiesced-by\":\"r1\""
                                          : "\"kassette.io/quiesced-by\":\"r0\""));
        run_succeed(&run);
        up(&run);
        cluster_has(self, DAEMONS, "agent", "spec", before);
        cluster_delete(self, DAEMONS, "agent", NULL);
        run_close(&run);
    }
}

static void cron_job(struct cluster *self)
{
    struct run_fixture run;
    run_open(&run, self, "r");
    cluster_load(self,
                 "{apiVersion: batch/v1beta1, kind: CronJob, metadata: {name: nightly}, spec: "
                 "{schedule: '0 0 1 1 *', jobTemplate: {spec: {template: {spec: "
                 "{restartPolicy: Never, " CONTAINERS ", " USES("c") "}}}}}}");
    plan_for(&run, "['c']");
    down(&run);
    cluster_has(self, CRONJOBS, "nightly", "spec.suspend", "true");
    up(&run);
    cluster_has(self, CRONJOBS, "nightly", "spec.suspend", "false");
    cluster_patch(self, CRONJOBS, "nightly", NULL, "{'spec':{'suspend':true}}");
    run_close(&run);
    run_open(&run, self, "s");
    plan_for(&run, "['c']"); /* it stands still already, and goes on doing so */
    assert_int_equal(rows_of(&run), 0);
    run_close(&run);
}

static const char scaled_kind[] =
    "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: "
    "databases.example.com}, spec: {group: example.com, scope: Namespaced, names: {kind: Database, "
    "plural: databases}, versions: [{name: v1, served: true, storage: true, %s schema: "
    "{openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}";

/* A Pod that its operator made for Database/main. */
static void load_operator(struct cluster *self, const char *subresources)
{
    kst_auto_free char *definition = kst_asprintf(scaled_kind, subresources);
    cluster_load(self, definition);
    cluster_load(self, "{apiVersion: example.com/v1, kind: Database, metadata: {name: main}, spec: "
                       "{instances: 4}}");
    kst_auto_free char *uid = cluster_value(self, "example.com/databases", "main", "metadata.uid");
    kst_auto_free char *pod = kst_asprintf(
        "{apiVersion: v1, kind: Pod, metadata: {name: main-1, ownerReferences: [{apiVersion: "
        "example.com/v1, kind: Database, name: main, uid: %s, controller: true}]}, spec: "
        "{" CONTAINERS ", " USES("c") "}}",
        uid);
    cluster_load(self, pod);
}

/* Here the operator: it deletes the Pod when its resource is scaled down. */
static int operate(void *arg, struct kst_err **err)
{
    struct cluster *self = arg;
    cluster_await(self, "example.com/databases", "main", "spec.instances", "0");
    cluster_delete(self, PODS, "main-1", NULL);
    return 0;
}

static void custom_scale(struct cluster *self)
{
    struct run_fixture run;
    run_open(&run, self, "r");
    load_operator(self, "subresources: {scale: {specReplicasPath: .spec.instances, "
                        "statusReplicasPath: .status.instances}},");
    plan_for(&run, "['c']");
    row_of(&run, "Database", "kind", "Database");
    row_of(&run, "Database", "replicas", "4");
    struct kst_fiber *operator= kst_fiber_spawn(kst_fiber_loop(), "operator", operate, self);
    down(&run);
    kst_fiber_join(operator, NULL);
    cluster_has(self, "example.com/databases", "main", "spec.instances", "0");
    up(&run);
    cluster_has(self, "example.com/databases", "main", "spec.instances", "4");
    run_close(&run);
}

static void refuses(struct cluster *self, const char *what, const char *hint)
{
    struct run_fixture run;
    kst_auto_err struct kst_err *err = NULL;
    run_open(&run, self, "r");
    assert_int_equal(plan(&run, "['c']", &err), KST_E_REFUSED);
    if (!strstr(kst_err_message(err), what) || !strstr(kst_err_get_hint(err), hint))
        fail_msg("%s (%s)", kst_err_message(err), kst_err_get_hint(err));
    assert_int_equal(rows_of(&run), 0);
    run_close(&run);
}

static void refused_pod(struct cluster *self)
{
    cluster_load(self, "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {" CONTAINERS
                       ", " USES("c") "}}");
    refuses(self, "Pod/default/p uses PersistentVolumeClaim/default/c", "delete the Pod");
}

static void refused_job(struct cluster *self)
{
    cluster_load(self, "{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {template: "
                       "{spec: {restartPolicy: Never, " CONTAINERS ", " USES("c") "}}}}");
    refuses(self, "Job/default/j, which controls it", "wait until it has ended");
}

static void refused_operator(struct cluster *self)
{
    load_operator(self, "");
    refuses(self, "Database/default/main, which controls it, it has no scale", "operator");
}

/* Scaling it down would delete the very claims. The embedded cluster is older than this policy, and
 * keeps what is in its store. */
static void refused_retention(struct cluster *self)
{
    cluster_load(self,
                 "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: "
                 "{serviceName: db, replicas: 1, selector: {matchLabels: {app: a}}, " TEMPLATE(
                     "c") "}}");
    struct kst_json *set = kst_json_dup(cluster_get(self, SETS, "db"));
    kst_json_set(kst_json_mut(set, "spec"), "persistentVolumeClaimRetentionPolicy",
                 kst_json_make("{'whenScaled':'Delete'}"));
    kst_bucket_put(kst_store_bucket(kst_api_store(self->api), SETS), set);
    refuses(self, "StatefulSet/default/db", "whenScaled to Retain");
    cluster_has(self, SETS, "db", "spec.replicas", "1");
}

/* ---- What others do meanwhile ---- */

static void changed_before(struct cluster *self)
{
    struct run_fixture run;
    run_open(&run, self, "r");
    cluster_load(self, deployment);
    plan_for(&run, "['c']");
    cluster_patch(self, DEPLOYMENTS, "web", NULL, "{'spec':{'replicas':5}}");
    down(&run);
    run_succeed(&run);
    row_of(&run, "Deployment", "replicas", "5");
    up(&run);
    cluster_has(self, DEPLOYMENTS, "web", "spec.replicas", "5");
    run_close(&run);
}

static void changed_after(struct cluster *self)
{
    struct run_fixture run;
    run_open(&run, self, "r");
    cluster_load(self, deployment);
    load_daemon(self, "");
    plan_for(&run, "['c']");
    assert_int_equal(rows_of(&run), 2);
    down(&run);
    cluster_patch(self, DEPLOYMENTS, "web", NULL, "{'spec':{'replicas':1}}");
    cluster_delete(self, DAEMONS, "agent", NULL);
    up(&run);
    cluster_has(self, DEPLOYMENTS, "web", "spec.replicas", "1");
    row_of(&run, "Deployment", "state", "Left");
    row_of(&run, "Deployment", "message", "somebody else scaled it to 1 meanwhile");
    row_of(&run, "DaemonSet", "state", "Left");
    row_of(&run, "DaemonSet", "message", "somebody else deleted it meanwhile");
    run_close(&run);
}

/* What has the name of a workload that was stopped is not taken for it. */
static void made_anew(struct cluster *self)
{
    struct run_fixture run;
    run_open(&run, self, "r");
    cluster_load(self, deployment);
    plan_for(&run, "['c']");
    down(&run);
    cluster_delete(self, DEPLOYMENTS, "web", NULL);
    cluster_load(self, "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: "
                       "{replicas: 0, selector: {matchLabels: {app: a}}, " TEMPLATE("c") "}}");
    up(&run);
    cluster_has(self, DEPLOYMENTS, "web", "spec.replicas", "0");
    row_of(&run, "Deployment", "state", "Left");
    run_close(&run);
}

static void pod_stays(struct cluster *self)
{
    struct run_fixture run;
    kst_auto_err struct kst_err *err = NULL;
    run_open(&run, self, "r");
    run.run.ready_timeout_ms = 500;
    cluster_load(self, deployment);
    plan_for(&run, "['c']");
    cluster_load(self, "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {" CONTAINERS
                       ", " USES("c") "}}");
    assert_int_equal(kst_quiesce_down(&run.run, &err), KST_E_TIMEOUT);
    assert_string_equal(kst_err_get_reason(err), "ClaimInUse");
    assert_non_null(strstr(kst_err_message(err), "still used by Pod/default/p (Pending)"));
    up(&run);
    cluster_has(self, DEPLOYMENTS, "web", "spec.replicas", "3");
    run_close(&run);
}

/* It runs nothing, but would keep the claim from going. */
static void finished_pod(struct cluster *self)
{
    struct run_fixture run;
    run_open(&run, self, "r");
    cluster_load(self, "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {" CONTAINERS
                       ", " USES("c") "}}");
    cluster_load(self, "{apiVersion: v1, kind: Pod, metadata: {name: q}, spec: {" CONTAINERS
                       ", " USES("d") "}}");
    cluster_pod_is(self, "p", "Succeeded", false);
    cluster_pod_is(self, "q", "Succeeded", false);
    plan_for(&run, "['c']");
    assert_int_equal(cluster_count(self, PODS), 2);
    down(&run);
    assert_int_equal(cluster_count(self, PODS), 1);
    assert_string_equal(cluster_name(self, PODS, 0), "q");
    run_close(&run);
}

/* ---- Whoever dies ---- */

/* The engine dies before its write `at`, while it stops or while it brings back; false when it came
 * to the end. */
static bool die_at(struct cluster *self, struct run_fixture *run, int at, bool while_up)
{
    kst_auto_err struct kst_err *err = NULL;
    plan_for(run, "['c']");
    if (while_up)
        down(run);
    run_die_after(run, at);
    int rc = while_up ? kst_quiesce_up(&run->run, &err) : kst_quiesce_down(&run->run, &err);
    assert_true(rc == 0 || rc == KST_E_LOST);
    run_succeed(run);
    cluster_settle(self);
    return rc < 0;
}

static void dies(struct cluster *self, bool while_up, bool goes_on)
{
    cluster_load(self, deployment);
    load_daemon(self, "nodeSelector: {a: b}, ");
    kst_auto_free char *daemon = cluster_value(self, DAEMONS, "agent", "spec");
    bool died = true;
    int at = 0;
    for (; died; at++) {
        struct run_fixture run;
        kst_auto_free char *name = kst_asprintf("r%d", at);
        run_open(&run, self, name);
        died = die_at(self, &run, at, while_up);
        if (goes_on) {
            plan_for(&run, "['c']");
            down(&run);
            assert_int_equal(cluster_count(self, PODS), 0);
            row_of(&run, "Deployment", "replicas", "3");
        }
        up(&run);
        cluster_has(self, DEPLOYMENTS, "web", "spec.replicas", "3");
        cluster_has(self, DAEMONS, "agent", "spec", daemon);
        assert_int_equal(cluster_count(self, PODS), 3);
        run_close(&run);
    }
    assert_true(at >= 3); /* that many writes there are, and the journal's */
}

static void dies_and_goes_on(struct cluster *self)
{
    dies(self, false, true);
}

static void dies_and_is_undone(struct cluster *self)
{
    dies(self, false, false);
}

static void dies_bringing_back(struct cluster *self)
{
    dies(self, true, false);
}

static int come_back(void *arg, struct kst_err **err)
{
    struct cluster *self = arg;
    kst_sleep_ms(300, NULL);
    return kst_server_return(kst_sandbox_server(self->sandbox), err);
}

static void cluster_away(struct cluster *self)
{
    struct run_fixture run;
    run_open(&run, self, "r");
    cluster_load(self, deployment);
    plan_for(&run, "['c']");
    down(&run);
    kst_server_leave(kst_sandbox_server(self->sandbox));
    struct kst_fiber *back = kst_fiber_spawn(kst_fiber_loop(), "back", come_back, self);
    up(&run);
    assert_int_equal(kst_fiber_join(back, NULL), 0);
    cluster_has(self, DEPLOYMENTS, "web", "spec.replicas", "3");
    run_close(&run);
}

typedef void body_fn(struct cluster *self);

/* Each group has a cluster, each of its members begins with an empty one. */
static body_fn *const kinds[] = {
    deployment_of_pods, others_go_on, stateful_set_without_pods, daemon_set, cron_job,
    custom_scale,       NULL};
static body_fn *const refusals[] = {refused_pod, refused_job, refused_operator, refused_retention,
                                    NULL};
static body_fn *const others[] = {changed_before, changed_after, made_anew,
                                  pod_stays,      finished_pod,  NULL};
static body_fn *const deaths[] = {dies_and_goes_on, dies_and_is_undone, dies_bringing_back,
                                  cluster_away, NULL};

static body_fn *const *members;

static void remove_all(struct cluster *self)
{
    static const char *const buckets[] = {
        DEPLOYMENTS, SETS, DAEMONS, CRONJOBS, "batch/jobs", "/resourcequotas", PODS,
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(buckets); i++) {
        while (cluster_count(self, buckets[i])) {
            kst_auto_free char *name = kst_strdup(cluster_name(self, buckets[i], 0));
            cluster_delete(self, buckets[i], name, "Background");
        }
    }
}

static void run_members(struct cluster *self)
{
    for (size_t i = 0; members[i]; i++) {
        members[i](self);
        remove_all(self);
    }
}

static void test_group(void **state)
{
    members = *state;
    cluster_run(false, run_members);
}

int main(void)
{
    static const struct {
        const char *name;
        body_fn *const *members;
    } groups[] = {
        {"kinds of workloads", kinds},
        {"what is refused", refusals},
        {"what others do meanwhile", others},
        {"whoever dies", deaths},
    };
    struct CMUnitTest tests[KST_ARRAY_LEN(groups)];
    kst_log_setup(KST_LOG_ERROR, KST_LOG_PLAIN);
    for (size_t i = 0; i < KST_ARRAY_LEN(groups); i++)
        tests[i] = (struct CMUnitTest){.name = groups[i].name,
                                       .test_func = test_group,
                                       .initial_state = (void *)groups[i].members};
    return cmocka_run_group_tests_name("quiesce", tests, NULL, NULL);
}
