/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper of restore points, at work in a cluster of this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "app/point/keeper.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cluster_fixture.h"
#include "kube/client.h"
#include "kube/config.h"
#include "loop/fiber.h"
#include "sandbox/sandbox.h"

#define POINTS "kassette.io/restorepoints"
#define RUNS   "kassette.io/runs"
#define LEASES "coordination.k8s.io/leases"

struct keeper {
    struct kst_kube_config *config;
    struct kst_kube *kube;
    struct kst_keeper_options options;
    struct kst_fiber *fiber;
};

static int run(void *arg, struct kst_err **err)
{
    return kst_keeper_run(&((struct keeper *)arg)->options, err);
}

static void start(struct cluster *cluster, struct keeper *self, const char *identity)
{
    const struct kst_kube_config_options config = {
        .kubeconfig = kst_sandbox_kubeconfig(cluster->sandbox)};
    assert_int_equal(kst_kube_config_load(&config, &self->config, NULL), 0);
    self->kube = kst_kube_new(kst_fiber_loop(), self->config);
    self->options = (struct kst_keeper_options){
        .kube = self->kube, .home = "default", .identity = identity};
    self->fiber = kst_fiber_spawn(kst_fiber_loop(), identity, run, self);
}

static void stop(struct keeper *self)
{
    kst_fiber_cancel(self->fiber);
    assert_int_equal(kst_fiber_join(self->fiber, NULL), KST_E_CANCELLED);
    kst_kube_free(self->kube);
    kst_kube_config_free(self->config);
}

/* A point that holds nothing, with the finalizer. */
static void make_point(struct cluster *self, const char *name, const char *expires)
{
    kst_auto_free char *expiry = expires ? kst_asprintf(", expiresAt: \"%s\"", expires)
                                         : kst_strdup("");
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: kassette.io/v1alpha1, kind: RestorePoint, metadata: {name: %s, finalizers: "
        "[kassette.io/snapshots]}, spec: {application: {namespace: default}, run: %s%s}}",
        name, name, expiry);
    cluster_load(self, yaml);
}

static void holds_lease(struct cluster *self, const char *identity)
{
    cluster_await(self, LEASES, KST_KEEPER_LEASE, "spec.holderIdentity", identity);
}

/* ---- ends ---- */

static void body_ends(struct cluster *self)
{
    struct keeper keeper;
    char soon[KST_TIME_TEXT];
    make_point(self, "waits", NULL);
    make_point(self, "stays", NULL);
    make_point(self, "later", "2099-01-01T00:00:00Z");
    make_point(self, "old", "2001-01-01T00:00:00Z");
    cluster_delete(self, POINTS, "waits", NULL);
    cluster_has(self, POINTS, "waits", "metadata.name", "waits"); /* its finalizer holds it */
    start(self, &keeper, "one");
    cluster_await_count(self, POINTS, 2);
    assert_string_equal(cluster_name(self, POINTS, 0), "later");
    assert_string_equal(cluster_name(self, POINTS, 1), "stays");

    /* While it is at work. */
    make_point(self, "new", NULL);
    cluster_delete(self, POINTS, "new", NULL);
    cluster_await_count(self, POINTS, 2);
    kst_time_format(kst_wall_ms() + 1000, soon);
    kst_auto_free char *patch = kst_asprintf("{\"spec\":{\"expiresAt\":\"%s\"}}", soon);
    cluster_patch(self, POINTS, "stays", NULL, patch);
    cluster_await_count(self, POINTS, 1);
    assert_string_equal(cluster_name(self, POINTS, 0), "later");
    stop(&keeper);
    cluster_has(self, LEASES, KST_KEEPER_LEASE, "spec.holderIdentity", "");
}

static void test_ends(void **state)
{
    cluster_run(false, body_ends);
}

/* ---- what is in the way ---- */

static void body_in_use(struct cluster *self)
{
    struct keeper keeper;
    make_point(self, "p", NULL);
    cluster_load(self, "{apiVersion: kassette.io/v1alpha1, kind: Run, metadata: {name: p}, spec: "
                       "{action: backup, application: {namespace: default}}}");
    kst_auto_free char *uid = cluster_value(self, RUNS, "p", "metadata.uid");
    kst_auto_free char *patch = kst_asprintf("{\"spec\":{\"runUID\":\"%s\"}}", uid);
    cluster_patch(self, POINTS, "p", NULL, patch);
    cluster_delete(self, POINTS, "p", NULL);
    start(self, &keeper, "one");
    cluster_await(self, POINTS, "p", "status.conditions.0.reason", "RestorePointInUse");
    cluster_has(self, POINTS, "p", "status.conditions.0.type", "Deleted");
    cluster_has(self, POINTS, "p", "status.conditions.0.status", "False");
    stop(&keeper);
    assert_true(cluster_said(self, "p", "DeletionWaits", "Run p is making it"));
    cluster_delete(self, RUNS, "p", NULL);
    start(self, &keeper, "one");
    cluster_await_count(self, POINTS, 0);
    stop(&keeper);
}

static void test_in_use(void **state)
{
    cluster_run(false, body_in_use);
}

/* ---- several ---- */

static void body_two(struct cluster *self)
{
    struct keeper one, two;
    start(self, &one, "one");
    holds_lease(self, "one");
    start(self, &two, "two");
    make_point(self, "a", NULL);
    cluster_delete(self, POINTS, "a", NULL);
    cluster_await_count(self, POINTS, 0);
    holds_lease(self, "one");
    stop(&one);
    holds_lease(self, "two"); /* at once: it was given up */
    make_point(self, "b", NULL);
    cluster_delete(self, POINTS, "b", NULL);
    cluster_await_count(self, POINTS, 0);
    stop(&two);
}

static void test_two(void **state)
{
    cluster_run(false, body_two);
}

/* A second point of the same name is not taken for the first. */
static void body_same_name(struct cluster *self)
{
    struct keeper keeper;
    make_point(self, "p", "2001-01-01T00:00:00Z");
    start(self, &keeper, "one");
    cluster_await_count(self, POINTS, 0);
    make_point(self, "p", NULL);
    make_point(self, "q", NULL);
    cluster_delete(self, POINTS, "q", NULL);
    cluster_await_count(self, POINTS, 1);
    assert_string_equal(cluster_name(self, POINTS, 0), "p");
    stop(&keeper);
}

static void test_same_name(void **state)
{
    cluster_run(false, body_same_name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_in_use),
        cmocka_unit_test(test_two),
        cmocka_unit_test(test_same_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
