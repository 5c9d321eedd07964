/* SPDX-License-Identifier: Apache-2.0 */
/* The storage of the embedded cluster: what becomes of claims and snapshots, and of their data. All
 * that it shares with the real cluster is asked of both by tests/cluster/storage/selftest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cluster_fixture.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "sandbox/api/api.h"
#include "sandbox/sandbox.h"
#include "storage_fixture.h"

#define CLAIMS    "/persistentvolumeclaims"
#define SNAPSHOTS "snapshot.storage.k8s.io/volumesnapshots"

/* ---- What is seen ---- */

static void snapshot_and_restore(struct cluster *self)
{
    storage_make_claim(self, "c", NULL);
    storage_put(self, "c", "data", "first");
    storage_snapshot(self, "s", "c", NULL);
    cluster_await(self, SNAPSHOTS, "s", "status.readyToUse", "true");
    cluster_has(self, SNAPSHOTS, "s", "spec.volumeSnapshotClassName", "dir");
    cluster_has(self, SNAPSHOTS, "s", "status.restoreSize", "100Mi");
    storage_put(self, "c", "data", "second");
    storage_put(self, "c", "late", "");
    storage_make_claim(self, "r", "s");
    kst_auto_free char *then = storage_get(self, "r", "data"),
                       *late = storage_get(self, "r", "late");
    kst_auto_free char *now = storage_get(self, "c", "data");
    assert_string_equal(then, "first");
    assert_null(late);
    assert_string_equal(now, "second");

    kst_auto_free char *content = cluster_value(self, SNAPSHOTS, "s", "metadata.uid");
    kst_auto_free char *cut = kst_asprintf("%s/volumes/snapshot-%s", kst_sandbox_dir(self->sandbox),
                                           content);
    kst_auto_free char *volume = storage_in_volume(self, "c", ".");
    assert_int_equal(access(cut, F_OK), 0);
    cluster_delete(self, SNAPSHOTS, "s", NULL);
    cluster_delete(self, CLAIMS, "c", NULL);
    storage_await_gone(cut);
    storage_await_gone(volume);
    kst_auto_free char *still = storage_get(self, "r", "data");
    assert_string_equal(still, "first");
}

static void test_snapshot_and_restore(void **state)
{
    cluster_run(false, snapshot_and_restore);
}

static void error_once(struct cluster *self)
{
    storage_make_claim(self, "c", NULL);
    storage_set_faults(self, "{'errorOnce':'the array is busy'}");
    storage_snapshot(self, "s", "c", NULL);
    kst_auto_free char *volume = cluster_value(self, CLAIMS, "c", "spec.volumeName");
    kst_auto_free char *expected = kst_asprintf(
        "Failed to create snapshot: failed to take snapshot of the volume %s: \"rpc error: code = "
        "Internal desc = the array is busy\"",
        volume);
    cluster_await(self, SNAPSHOTS, "s", "status.error.message", expected);
    cluster_await(self, SNAPSHOTS, "s", "status.readyToUse", "true");
    cluster_has(self, SNAPSHOTS, "s", "status.error", "");
}

static void test_error_once(void **state)
{
    cluster_run(false, error_once);
}

static void not_provisioned(struct cluster *self)
{
    storage_set_faults(self,
                       "{'default.c.neverProvisioned':'true','default.d.provisionError':'full'}");
    storage_ask_claim(self, "c", "dir", NULL);
    storage_ask_claim(self, "d", "dir", NULL);
    storage_await_said(
        self, "d", "ProvisioningFailed",
        "failed to provision volume with StorageClass \"dir\": rpc error: code = Internal "
        "desc = full");
    cluster_has(self, CLAIMS, "c", "status.phase", "Pending");
    storage_clear_faults(self);
    cluster_await(self, CLAIMS, "c", "status.phase", "Bound");
    cluster_await(self, CLAIMS, "d", "status.phase", "Bound");
}

static void test_not_provisioned(void **state)
{
    cluster_run(false, not_provisioned);
}

static void class_missing(struct cluster *self)
{
    storage_make_claim(self, "c", NULL);
    storage_snapshot(self, "s", "c", "nowhere");
    cluster_await(self, SNAPSHOTS, "s", "status.error.message",
                  "Failed to get snapshot class with error volumesnapshotclass.snapshot.storage."
                  "k8s.io \"nowhere\" not found");
    storage_await_said(self, "s", "GetSnapshotClassFailed", "\"nowhere\" not found");
    cluster_has(self, SNAPSHOTS, "s", "status.creationTime", "");
}

static void test_class_missing(void **state)
{
    cluster_run(false, class_missing);
}

static void never_ready(struct cluster *self)
{
    storage_make_claim(self, "c", NULL);
    storage_make_claim(self, "d", NULL);
    storage_set_faults(self, "{'default.c.neverReady':'true'}");
    storage_snapshot(self, "s", "c", NULL);
    storage_snapshot(self, "t", "d", NULL);
    cluster_await(self, SNAPSHOTS, "t", "status.readyToUse", "true");
    cluster_await(self, SNAPSHOTS, "s", "status.readyToUse", "false");
    storage_clear_faults(self);
    cluster_await(self, SNAPSHOTS, "s", "status.readyToUse", "true");
}

static void test_never_ready(void **state)
{
    cluster_run(false, never_ready);
}

/* A program that counts in several files, one after the other, with much to copy between them. */
static const char counting_pod[] =
    "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {terminationGracePeriodSeconds: 0, "
    "containers: [{name: c, image: busybox, command: [sh, -c, 'i=0; while :; do i=$((i+1)); for f "
    "in 0 1 2 3 4 5 6 7; do echo $i >/v/$f; done; done'], volumeMounts: [{name: v, mountPath: "
    "/v}]}], volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]}}";

enum { COUNTERS = 8, FILLER_BYTES = 8 * 1024 * 1024 };

/* -1 where it is not there, or has just been emptied. */
static long long count_in(struct cluster *self, const char *claim, int counter)
{
    const char file[] = {(char)('0' + counter), '\0'};
    kst_auto_free char *text = storage_get(self, claim, file);
    return text && *text ? strtoll(text, NULL, 10) : -1;
}

static void await_counting(struct cluster *self)
{
    long long from = -1, now = -1;
    int64_t deadline_ms = kst_deadline_in_ms(STORAGE_WAIT_MS);
    do {
        kst_sleep_ms(STORAGE_TURN_MS, NULL);
        now = count_in(self, "c", COUNTERS - 1);
        from = from < 0 ? now : from;
    } while ((from < 0 || now < from + 10) && kst_now_ms() < deadline_ms);
    assert_true(from >= 0 && now >= from + 10);
}

static void fill(struct cluster *self)
{
    kst_auto_free char *filler = kst_malloc(FILLER_BYTES + 1);
    memset(filler, 'x', FILLER_BYTES);
    filler[FILLER_BYTES] = '\0';
    for (int i = 0; i < COUNTERS; i++) {
        const char file[] = {(char)('a' + i), '\0'};
        storage_put(self, "c", file, filler);
    }
}

static void cut_while_it_is_written(struct cluster *self)
{
    storage_make_claim(self, "c", NULL);
    fill(self);
    cluster_load(self, counting_pod);
    await_counting(self);
    storage_snapshot(self, "s", "c", NULL);
    cluster_await(self, SNAPSHOTS, "s", "status.readyToUse", "true");
    storage_make_claim(self, "r", "s");
    long long least = INT64_MAX, most = 0;
    for (int i = 0; i < COUNTERS; i++) {
        long long count = count_in(self, "r", i);
        least = count >= 0 && count < least ? count : least;
        most = count > most ? count : most;
    }
    if (most == 0 || most - least > 1)
        fail_msg("the cut is of several moments: from %lld to %lld", least, most);
    await_counting(self); /* it goes on */
}

/* Where cuts are copies, the processes are held meanwhile. */
static void test_cut_while_it_is_written(void **state)
{
    cluster_run(true, cut_while_it_is_written);
}

/* ---- Several in one process ---- */

static void with_another(struct cluster *self)
{
    const struct kst_sandbox_options options = {.no_node = true};
    struct cluster other = {0};
    assert_int_equal(kst_sandbox_new(kst_fiber_loop(), &options, &other.sandbox, NULL), 0);
    other.api = kst_sandbox_api(other.sandbox);
    storage_set_faults(&other, "{'neverReady':'true'}");
    storage_make_claim(self, "c", NULL);
    storage_make_claim(&other, "c", NULL);
    storage_put(self, "c", "data", "ours");
    storage_put(&other, "c", "data", "theirs");
    storage_snapshot(&other, "s", "c", NULL);
    storage_snapshot(self, "s", "c", NULL);
    cluster_await(self, SNAPSHOTS, "s", "status.readyToUse", "true");
    cluster_await(&other, SNAPSHOTS, "s", "status.readyToUse", "false");
    kst_auto_free char *text = storage_get(self, "c", "data");
    assert_string_equal(text, "ours");
    kst_auto_free char *dir = kst_strdup(kst_sandbox_dir(other.sandbox));
    kst_sandbox_free(other.sandbox);
    assert_int_not_equal(access(dir, F_OK), 0);
    kst_auto_free char *still = storage_get(self, "c", "data");
    assert_string_equal(still, "ours");
}

static void test_with_another(void **state)
{
    cluster_run(false, with_another);
}

/* Without its resources there is no storage, and none is missed. */
static int run_bare(void *arg, struct kst_err **err)
{
    const struct kst_sandbox_options options = {.no_node = true, .bare = true};
    struct cluster self = {0};
    int rc = kst_sandbox_new(kst_fiber_loop(), &options, &self.sandbox, err);
    if (rc < 0)
        return rc;
    self.api = kst_sandbox_api(self.sandbox);
    assert_null(kst_api_find(self.api, "storage.k8s.io/storageclasses", "", "dir"));
    assert_null(kst_api_find(self.api, "/namespaces", "", "kassette"));
    kst_sandbox_free(self.sandbox);
    return 0;
}

static void test_bare(void **state)
{
    struct kst_loop *loop = NULL;
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    assert_int_equal(kst_loop_run(loop, "test", run_bare, NULL, NULL), 0);
    kst_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshot_and_restore), cmocka_unit_test(test_error_once),
        cmocka_unit_test(test_not_provisioned),      cmocka_unit_test(test_class_missing),
        cmocka_unit_test(test_never_ready),          cmocka_unit_test(test_cut_while_it_is_written),
        cmocka_unit_test(test_with_another),         cmocka_unit_test(test_bare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
