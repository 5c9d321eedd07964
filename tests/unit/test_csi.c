/* SPDX-License-Identifier: Apache-2.0 */
/* The storage of the embedded cluster: what becomes of claims and snapshots, and of their data. All
 * that it shares with the real cluster is asked of both by tests/cluster/storage/selftest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
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
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/sandbox.h"

#define CLAIMS    "/persistentvolumeclaims"
#define SNAPSHOTS "snapshot.storage.k8s.io/volumesnapshots"

enum { WAIT_MS = 30000, TURN_MS = 5 };

/* ---- What is done ---- */

/* A claim, from a snapshot where `snapshot` is not NULL. */
static void ask_for_claim(struct cluster *self, const char *name, const char *snapshot)
{
    kst_auto_free char *source = kst_asprintf(
        snapshot ? ", dataSource: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, "
                   "name: %s}"
                 : "%s",
        snapshot ? snapshot : "");
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: %s}, spec: {accessModes: "
        "[ReadWriteOnce], storageClassName: dir, resources: {requests: {storage: 100Mi}}%s}}",
        name, source);
    cluster_load(self, yaml);
}

static void await_bound(struct cluster *self, const char *name)
{
    cluster_await(self, CLAIMS, name, "status.phase", "Bound");
}

/* The claim and its volume. */
static void make_claim(struct cluster *self, const char *name, const char *snapshot)
{
    ask_for_claim(self, name, snapshot);
    await_bound(self, name);
}

static void snapshot(struct cluster *self, const char *name, const char *claim, const char *class)
{
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: snapshot.storage.k8s.io/v1, kind: VolumeSnapshot, metadata: {name: %s}, "
        "spec: {%s%s%ssource: {persistentVolumeClaimName: %s}}}",
        name, class ? "volumeSnapshotClassName: " : "", class ? class : "", class ? ", " : "",
        claim);
    cluster_load(self, yaml);
}

/* `data` as kst_json_make() reads it. */
static void set_faults(struct cluster *self, const char *data)
{
    struct kst_json *map = kst_json_make(
        "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'dircsi-faults'}}");
    kst_json_set(map, "data", kst_json_make(data));
    const struct kst_api_call call = kst_api_call_for(self->api, "/configmaps", "kube-system", NULL,
                                                      "test");
    assert_null(kst_api_create(self->api, &call, map, NULL));
}

static void clear_faults(struct cluster *self)
{
    const struct kst_api_call call = kst_api_call_for(self->api, "/configmaps", "kube-system",
                                                      "dircsi-faults", "test");
    const struct kst_api_delete options = {.grace_seconds = -1};
    assert_null(kst_api_delete(self->api, &call, &options, NULL));
}

/* The path of a file in the claim's volume; the caller frees it. */
static char *in_volume(struct cluster *self, const char *claim, const char *file)
{
    kst_auto_free char *name = cluster_value(self, CLAIMS, claim, "spec.volumeName");
    const struct kst_object *pv = kst_api_find(self->api, "/persistentvolumes", "", name);
    assert_non_null(pv);
    return kst_asprintf("%s/%s", kst_json_path_str(pv->json, "spec.hostPath.path"), file);
}

static void put(struct cluster *self, const char *claim, const char *file, const char *text)
{
    kst_auto_free char *path = in_volume(self, claim, file);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* What a file of the claim's volume holds, NULL where it is not there; the caller frees it. */
static char *get(struct cluster *self, const char *claim, const char *file)
{
    kst_auto_free char *path = in_volume(self, claim, file);
    kst_auto_buf text = KST_BUF_INIT(1024);
    return kst_buf_read_file(&text, path, NULL) == 0 ? kst_buf_take(&text) : NULL;
}

static void await_gone(const char *path)
{
    int64_t deadline_ms = kst_deadline_in_ms(WAIT_MS);
    while (access(path, F_OK) == 0 && kst_now_ms() < deadline_ms)
        kst_sleep_ms(TURN_MS, NULL);
    assert_int_not_equal(access(path, F_OK), 0);
}

/* Events follow what they tell of. */
static void await_said(struct cluster *self, const char *name, const char *reason,
                       const char *message)
{
    int64_t deadline_ms = kst_deadline_in_ms(WAIT_MS);
    while (!cluster_said(self, name, reason, message) && kst_now_ms() < deadline_ms)
        kst_sleep_ms(TURN_MS, NULL);
    assert_true(cluster_said(self, name, reason, message));
}

/* ---- What is seen ---- */

static void snapshot_and_restore(struct cluster *self)
{
    make_claim(self, "c", NULL);
    put(self, "c", "data", "first");
    snapshot(self, "s", "c", NULL);
    cluster_await(self, SNAPSHOTS, "s", "status.readyToUse", "true");
    cluster_has(self, SNAPSHOTS, "s", "spec.volumeSnapshotClassName", "dir");
    cluster_has(self, SNAPSHOTS, "s", "status.restoreSize", "100Mi");
    put(self, "c", "data", "second");
    put(self, "c", "late", "");
    make_claim(self, "r", "s");
    kst_auto_free char *then = get(self, "r", "data"), *late = get(self, "r", "late");
    kst_auto_free char *now = get(self, "c", "data");
    assert_string_equal(then, "first");
    assert_null(late);
    assert_string_equal(now, "second");

    kst_auto_free char *content = cluster_value(self, SNAPSHOTS, "s", "metadata.uid");
    kst_auto_free char *cut = kst_asprintf("%s/volumes/snapshot-%s", kst_sandbox_dir(self->sandbox),
                                           content);
    kst_auto_free char *volume = in_volume(self, "c", ".");
    assert_int_equal(access(cut, F_OK), 0);
    cluster_delete(self, SNAPSHOTS, "s", NULL);
    cluster_delete(self, CLAIMS, "c", NULL);
    await_gone(cut);
    await_gone(volume);
    kst_auto_free char *still = get(self, "r", "data");
    assert_string_equal(still, "first");
}

static void test_snapshot_and_restore(void **state)
{
    cluster_run(false, snapshot_and_restore);
}

static void error_once(struct cluster *self)
{
    make_claim(self, "c", NULL);
    set_faults(self, "{'errorOnce':'the array is busy'}");
    snapshot(self, "s", "c", NULL);
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
    set_faults(self, "{'default.c.neverProvisioned':'true','default.d.provisionError':'full'}");
    ask_for_claim(self, "c", NULL);
    ask_for_claim(self, "d", NULL);
    await_said(self, "d", "ProvisioningFailed",
               "failed to provision volume with StorageClass \"dir\": rpc error: code = Internal "
               "desc = full");
    cluster_has(self, CLAIMS, "c", "status.phase", "Pending");
    clear_faults(self);
    await_bound(self, "c");
    await_bound(self, "d");
}

static void test_not_provisioned(void **state)
{
    cluster_run(false, not_provisioned);
}

static void class_missing(struct cluster *self)
{
    make_claim(self, "c", NULL);
    snapshot(self, "s", "c", "nowhere");
    cluster_await(self, SNAPSHOTS, "s", "status.error.message",
                  "Failed to get snapshot class with error volumesnapshotclass.snapshot.storage."
                  "k8s.io \"nowhere\" not found");
    await_said(self, "s", "GetSnapshotClassFailed", "\"nowhere\" not found");
    cluster_has(self, SNAPSHOTS, "s", "status.creationTime", "");
}

static void test_class_missing(void **state)
{
    cluster_run(false, class_missing);
}

static void never_ready(struct cluster *self)
{
    make_claim(self, "c", NULL);
    make_claim(self, "d", NULL);
    set_faults(self, "{'default.c.neverReady':'true'}");
    snapshot(self, "s", "c", NULL);
    snapshot(self, "t", "d", NULL);
    cluster_await(self, SNAPSHOTS, "t", "status.readyToUse", "true");
    cluster_await(self, SNAPSHOTS, "s", "status.readyToUse", "false");
    clear_faults(self);
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
    kst_auto_free char *text = get(self, claim, file);
    return text && *text ? strtoll(text, NULL, 10) : -1;
}

static void await_counting(struct cluster *self)
{
    long long from = -1, now = -1;
    int64_t deadline_ms = kst_deadline_in_ms(WAIT_MS);
    do {
        kst_sleep_ms(TURN_MS, NULL);
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
        put(self, "c", file, filler);
    }
}

static void cut_while_it_is_written(struct cluster *self)
{
    make_claim(self, "c", NULL);
    fill(self);
    cluster_load(self, counting_pod);
    await_counting(self);
    snapshot(self, "s", "c", NULL);
    cluster_await(self, SNAPSHOTS, "s", "status.readyToUse", "true");
    make_claim(self, "r", "s");
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
    set_faults(&other, "{'neverReady':'true'}");
    make_claim(self, "c", NULL);
    make_claim(&other, "c", NULL);
    put(self, "c", "data", "ours");
    put(&other, "c", "data", "theirs");
    snapshot(&other, "s", "c", NULL);
    snapshot(self, "s", "c", NULL);
    cluster_await(self, SNAPSHOTS, "s", "status.readyToUse", "true");
    cluster_await(&other, SNAPSHOTS, "s", "status.readyToUse", "false");
    kst_auto_free char *text = get(self, "c", "data");
    assert_string_equal(text, "ours");
    kst_auto_free char *dir = kst_strdup(kst_sandbox_dir(other.sandbox));
    kst_sandbox_free(other.sandbox);
    assert_int_not_equal(access(dir, F_OK), 0);
    kst_auto_free char *still = get(self, "c", "data");
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
