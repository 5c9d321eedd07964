/* SPDX-License-Identifier: Apache-2.0 */
/* The storage of the embedded cluster: what outlives the objects that it was made for, and what
 * waits for others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cluster_fixture.h"
#include "loop/fiber.h"
#include "sandbox/sandbox.h"
#include "storage_fixture.h"

#define CLAIMS    "/persistentvolumeclaims"
#define VOLUMES   "/persistentvolumes"
#define SNAPSHOTS "snapshot.storage.k8s.io/volumesnapshots"
#define CONTENTS  "snapshot.storage.k8s.io/volumesnapshotcontents"

/* ---- Snapshots and volumes that outlive what they were made for ---- */

static void await_deleted(struct cluster *self, const char *bucket, const char *name)
{
    int64_t deadline_ms = kst_deadline_in_ms(STORAGE_WAIT_MS);
    while (cluster_get(self, bucket, name) && kst_now_ms() < deadline_ms)
        kst_sleep_ms(STORAGE_TURN_MS, NULL);
    assert_null(cluster_get(self, bucket, name));
}

/* The name of a ready snapshot's content, and the directory of its cut; the caller frees both. */
static char *content_of(struct cluster *self, const char *name, char **cut)
{
    cluster_await(self, SNAPSHOTS, name, "status.readyToUse", "true");
    char *content = cluster_value(self, SNAPSHOTS, name, "status.boundVolumeSnapshotContentName");
    kst_auto_free char *handle = cluster_value(self, CONTENTS, content, "status.snapshotHandle");
    *cut = kst_asprintf("%s/volumes/%s", kst_sandbox_dir(self->sandbox), handle);
    assert_int_equal(access(*cut, F_OK), 0);
    return content;
}

/* A VolumeSnapshot of a cut that is there, with a content of the same name, and `more` of its
 * spec. */
static void give_snapshot(struct cluster *self, const char *name, const char *cut, const char *more)
{
    kst_auto_free char *content = kst_asprintf(
        "{apiVersion: snapshot.storage.k8s.io/v1, kind: VolumeSnapshotContent, metadata: {name: "
        "%s}, spec: {deletionPolicy: Retain, driver: dir.csi.kassette.test, source: "
        "{snapshotHandle: %s}, volumeSnapshotRef: {name: %s, namespace: default}%s}}",
        name, strrchr(cut, '/') + 1, name, more);
    kst_auto_free char *snapshot = kst_asprintf(
        "{apiVersion: snapshot.storage.k8s.io/v1, kind: VolumeSnapshot, metadata: {name: %s}, "
        "spec: {source: {volumeSnapshotContentName: %s}}}",
        name, name);
    cluster_load(self, content);
    cluster_load(self, snapshot);
}

static void snapshot_outlives(struct cluster *self)
{
    kst_auto_free char *cut = NULL, *restored = NULL;
    storage_make_claim(self, "c", NULL);
    storage_put(self, "c", "data", "kept");
    storage_snapshot(self, "s", "c", NULL);
    kst_auto_free char *content = content_of(self, "s", &cut);
    cluster_patch(self, CONTENTS, content, NULL, "{'spec':{'deletionPolicy':'Retain'}}");
    cluster_delete(self, SNAPSHOTS, "s", NULL);
    cluster_delete(self, CLAIMS, "c", NULL);
    await_deleted(self, SNAPSHOTS, "s");
    await_deleted(self, CLAIMS, "c");
    cluster_has(self, CONTENTS, content, "metadata.deletionTimestamp", "");

    give_snapshot(self, "given", cut, "");
    cluster_await(self, SNAPSHOTS, "given", "status.readyToUse", "true");
    storage_make_claim(self, "r", "given");
    restored = storage_get(self, "r", "data");
    assert_string_equal(restored, "kept");
    cluster_delete(self, SNAPSHOTS, "given", NULL);
    await_deleted(self, SNAPSHOTS, "given");
    cluster_delete(self, CONTENTS, "given", NULL);
    await_deleted(self, CONTENTS, "given");
    assert_int_equal(access(cut, F_OK), 0);

    cluster_patch(self, CONTENTS, content, NULL, "{'spec':{'deletionPolicy':'Delete'}}");
    cluster_delete(self, CONTENTS, content, NULL);
    await_deleted(self, CONTENTS, content);
    assert_int_not_equal(access(cut, F_OK), 0);
}

static void test_snapshot_outlives(void **state)
{
    cluster_run(false, snapshot_outlives);
}

/* A content that names a VolumeSnapshot by its uid is protected though that is not there, and goes
 * only when the snapshot-controller has said so: what was copied from elsewhere takes no data. */
static void content_without_snapshot(struct cluster *self)
{
    kst_auto_free char *cut = kst_asprintf("%s/volumes/snapshot-of-nothing",
                                           kst_sandbox_dir(self->sandbox));
    cluster_load(self, "{apiVersion: snapshot.storage.k8s.io/v1, kind: VolumeSnapshotContent, "
                       "metadata: {name: copied}, spec: {deletionPolicy: Delete, driver: "
                       "dir.csi.kassette.test, source: {snapshotHandle: snapshot-of-nothing}, "
                       "volumeSnapshotRef: {name: s, namespace: default, uid: other}}}");
    cluster_await(self, CONTENTS, "copied", "metadata.finalizers",
                  "[\"snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection\"]");
    cluster_delete(self, CONTENTS, "copied", NULL);
    give_snapshot(self, "given", cut, ", volumeSnapshotClassName: nowhere");
    cluster_await(self, SNAPSHOTS, "given", "status.error.message",
                  "Failed to check and update snapshot content: failed to get snapshot class "
                  "nowhere for snapshot content given: volumesnapshotclass.snapshot.storage.k8s.io "
                  "\"nowhere\" not found");
    assert_non_null(cluster_get(self, CONTENTS, "copied"));
    cluster_patch(self, CONTENTS, "copied", NULL,
                  "{'metadata':{'annotations':{'snapshot.storage.kubernetes.io/"
                  "volumesnapshot-being-deleted':'yes'}}}");
    await_deleted(self, CONTENTS, "copied");
}

static void test_content_without_snapshot(void **state)
{
    cluster_run(false, content_without_snapshot);
}

/* It waits for a snapshot that is not ready, and says so. */
static void restore_is_early(struct cluster *self)
{
    storage_make_claim(self, "c", NULL);
    storage_put(self, "c", "data", "first");
    storage_set_faults(self, "{'neverReady':'true'}");
    storage_snapshot(self, "s", "c", NULL);
    cluster_await(self, SNAPSHOTS, "s", "status.readyToUse", "false");
    storage_ask_claim(self, "r", "dir", "s");
    storage_await_said(self, "r", "ProvisioningFailed", "snapshot s is not Ready");
    cluster_has(self, CLAIMS, "r", "status.phase", "Pending");
    storage_clear_faults(self);
    cluster_await(self, CLAIMS, "r", "status.phase", "Bound");
    kst_auto_free char *data = storage_get(self, "r", "data");
    assert_string_equal(data, "first");
}

static void test_restore_is_early(void **state)
{
    cluster_run(false, restore_is_early);
}

static void volume_outlives(struct cluster *self)
{
    storage_make_claim(self, "c", NULL);
    storage_put(self, "c", "data", "kept");
    kst_auto_free char *pv = cluster_value(self, CLAIMS, "c", "spec.volumeName");
    kst_auto_free char *dir = storage_in_volume(self, "c", ".");
    cluster_patch(self, VOLUMES, pv, NULL, "{'spec':{'persistentVolumeReclaimPolicy':'Retain'}}");
    cluster_delete(self, CLAIMS, "c", NULL);
    cluster_await(self, VOLUMES, pv, "status.phase", "Released");
    cluster_patch(self, VOLUMES, pv, NULL,
                  "{'spec':{'claimRef':{'uid':null,'resourceVersion':null}}}");
    cluster_await(self, VOLUMES, pv, "status.phase", "Available");
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c}, spec: {accessModes: "
        "[ReadWriteOnce], storageClassName: dir, volumeName: %s, resources: {requests: {storage: "
        "100Mi}}}}",
        pv);
    cluster_load(self, yaml);
    cluster_await(self, CLAIMS, "c", "status.phase", "Bound");
    kst_auto_free char *data = storage_get(self, "c", "data");
    assert_string_equal(data, "kept");
    cluster_delete(self, CLAIMS, "c", NULL);
    cluster_await(self, VOLUMES, pv, "status.phase", "Released");
    assert_int_equal(access(dir, F_OK), 0);
    cluster_patch(self, VOLUMES, pv, NULL, "{'spec':{'persistentVolumeReclaimPolicy':'Delete'}}");
    await_deleted(self, VOLUMES, pv);
    assert_int_not_equal(access(dir, F_OK), 0);
}

static void test_volume_outlives(void **state)
{
    cluster_run(false, volume_outlives);
}

/* A claim that finds its volume has none made, though its class could. */
static void volume_is_kept(struct cluster *self)
{
    cluster_load(self,
                 "{apiVersion: v1, kind: PersistentVolume, metadata: {name: kept}, spec: "
                 "{capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], storageClassName: "
                 "dir, hostPath: {path: /nowhere}, claimRef: {namespace: default, name: c}}}");
    storage_ask_claim(self, "c", "dir", NULL);
    cluster_await(self, CLAIMS, "c", "spec.volumeName", "kept");
    storage_make_claim(self, "d", NULL);
    assert_int_equal(cluster_count(self, VOLUMES), 2);
}

static void test_volume_is_kept(void **state)
{
    cluster_run(false, volume_is_kept);
}

/* ---- Volumes that are made when their Pod is scheduled ---- */

static void first_consumer(struct cluster *self)
{
    cluster_load(self, "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: late},"
                       "provisioner: dir.csi.kassette.test, volumeBindingMode: "
                       "WaitForFirstConsumer}");
    storage_make_claim(self, "c", NULL);
    storage_put(self, "c", "data", "first");
    storage_snapshot(self, "s", "c", NULL);
    cluster_await(self, SNAPSHOTS, "s", "status.readyToUse", "true");
    storage_ask_claim(self, "r", "late", "s");
    storage_ask_claim(self, "e", "late", NULL);
    storage_await_said(self, "r", "WaitForFirstConsumer",
                       "waiting for first consumer to be created before binding");
    cluster_has(self, CLAIMS, "r", "metadata.annotations", "");
    cluster_load(self, "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name:"
                       " c, image: busybox}], volumes: [{name: a, persistentVolumeClaim: "
                       "{claimName: r}}, {name: b, persistentVolumeClaim: {claimName: e}}]}}");
    cluster_await(self, CLAIMS, "r", "status.phase", "Bound");
    cluster_await(self, CLAIMS, "e", "status.phase", "Bound");
    kst_auto_free char *data = storage_get(self, "r", "data");
    assert_string_equal(data, "first");
    storage_await_said(self, "p", "Scheduled", "Successfully assigned default/p");
    assert_false(cluster_said(self, "p", "FailedScheduling", ""));
}

static void test_first_consumer(void **state)
{
    cluster_run(false, first_consumer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshot_outlives), cmocka_unit_test(test_content_without_snapshot),
        cmocka_unit_test(test_restore_is_early),  cmocka_unit_test(test_volume_outlives),
        cmocka_unit_test(test_volume_is_kept),    cmocka_unit_test(test_first_consumer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
