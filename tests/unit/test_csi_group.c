/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes that are cut together: what a group leaves, and how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cluster_fixture.h"
#include "loop/fiber.h"
#include "sandbox/sandbox.h"
#include "storage_fixture.h"

#define GROUP          "groupsnapshot.storage.k8s.io/"
#define GROUPS         GROUP "volumegroupsnapshots"
#define GROUP_CONTENTS GROUP "volumegroupsnapshotcontents"
#define SNAPSHOTS      "snapshot.storage.k8s.io/volumesnapshots"
#define CONTENTS       "snapshot.storage.k8s.io/volumesnapshotcontents"

enum { MEMBERS = 2 };

/* What a group has made. */
struct made {
    char *content;
    char *snapshots[MEMBERS], *contents[MEMBERS], *cuts[MEMBERS];
};

static void release(struct made *made)
{
    free(made->content);
    for (size_t i = 0; i < MEMBERS; i++) {
        free(made->snapshots[i]);
        free(made->contents[i]);
        free(made->cuts[i]);
    }
}

static void await_deleted(struct cluster *self, const char *bucket, const char *name)
{
    int64_t deadline_ms = kst_deadline_in_ms(STORAGE_WAIT_MS);
    while (cluster_get(self, bucket, name) && kst_now_ms() < deadline_ms)
        kst_sleep_ms(STORAGE_TURN_MS, NULL);
    assert_null(cluster_get(self, bucket, name));
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Two claims, "a" and "b", cut by the group "g". */
static void cut(struct cluster *self, struct made *made)
{
    static const char *const claims[MEMBERS] = {"a", "b"};
    cluster_load(self, "{apiVersion: groupsnapshot.storage.k8s.io/v1beta2, kind: "
                       "VolumeGroupSnapshotClass, metadata: {name: dir}, driver: "
                       "dir.csi.kassette.test, deletionPolicy: Delete}");
    for (size_t i = 0; i < MEMBERS; i++) {
        storage_make_claim(self, claims[i], NULL);
        storage_put(self, claims[i], "data", claims[i]);
        cluster_patch(self, "/persistentvolumeclaims", claims[i], NULL,
                      "{'metadata':{'labels':{'group':'g'}}}");
    }
    cluster_load(self, "{apiVersion: groupsnapshot.storage.k8s.io/v1beta2, kind: "
                       "VolumeGroupSnapshot, metadata: {name: g}, spec: "
                       "{volumeGroupSnapshotClassName: dir, source: {selector: {matchLabels: "
                       "{group: g}}}}}");
    cluster_await(self, GROUPS, "g", "status.readyToUse", "true");
    made->content = cluster_value(self, GROUPS, "g", "status.boundVolumeGroupSnapshotContentName");
    assert_int_equal(cluster_count(self, SNAPSHOTS), MEMBERS);
    for (size_t i = 0; i < MEMBERS; i++) {
        made->snapshots[i] = kst_strdup(cluster_name(self, SNAPSHOTS, i));
        made->contents[i] = cluster_value(self, SNAPSHOTS, made->snapshots[i],
                                          "status.boundVolumeSnapshotContentName");
        kst_auto_free char *handle = cluster_value(self, CONTENTS, made->contents[i],
                                                   "status.snapshotHandle");
        made->cuts[i] = kst_asprintf("%s/volumes/%s", kst_sandbox_dir(self->sandbox), handle);
        assert_true(is_there(made->cuts[i]));
    }
}

static void set_policies(struct cluster *self, const struct made *made, const char *patch)
{
    cluster_patch(self, GROUP_CONTENTS, made->content, NULL, patch);
    for (size_t i = 0; i < MEMBERS; i++)
        cluster_patch(self, CONTENTS, made->contents[i], NULL, patch);
}

static void ends(struct cluster *self)
{
    struct made made = {0};
    cut(self, &made);
    cluster_has(self, GROUP_CONTENTS, made.content, "spec.deletionPolicy", "Delete");
    cluster_has(self, GROUP_CONTENTS, made.content, "spec.volumeGroupSnapshotRef.name", "g");
    /* A member goes with its group, and not before. */
    cluster_delete(self, SNAPSHOTS, made.snapshots[0], NULL);
    storage_await_said(self, made.snapshots[0], "SnapshotDeletePending",
                       "is not allowed as it belongs to group snapshot default/g.");
    assert_non_null(cluster_get(self, SNAPSHOTS, made.snapshots[0]));
    assert_true(is_there(made.cuts[0]));
    cluster_delete(self, GROUPS, "g", NULL);
    await_deleted(self, GROUPS, "g");
    await_deleted(self, GROUP_CONTENTS, made.content);
    for (size_t i = 0; i < MEMBERS; i++) {
        await_deleted(self, SNAPSHOTS, made.snapshots[i]);
        await_deleted(self, CONTENTS, made.contents[i]);
        assert_false(is_there(made.cuts[i]));
    }
    release(&made);
}

static void test_ends(void **state)
{
    cluster_run(false, ends);
}

/* A content made by hand for the cut of a member, with its VolumeSnapshot. */
static void give_snapshot(struct cluster *self, const char *cut)
{
    kst_auto_free char *content = kst_asprintf(
        "{apiVersion: snapshot.storage.k8s.io/v1, kind: VolumeSnapshotContent, metadata: {name: "
        "given}, spec: {deletionPolicy: Retain, driver: dir.csi.kassette.test, source: "
        "{snapshotHandle: %s}, volumeSnapshotRef: {name: given, namespace: default}}}",
        strrchr(cut, '/') + 1);
    cluster_load(self, content);
    cluster_load(self, "{apiVersion: snapshot.storage.k8s.io/v1, kind: VolumeSnapshot, metadata: "
                       "{name: given}, spec: {source: {volumeSnapshotContentName: given}}}");
}

static void take_back(struct cluster *self)
{
    cluster_delete(self, SNAPSHOTS, "given", NULL);
    await_deleted(self, SNAPSHOTS, "given");
    cluster_delete(self, CONTENTS, "given", NULL);
    await_deleted(self, CONTENTS, "given");
}

static void outlives(struct cluster *self)
{
    struct made made = {0};
    cut(self, &made);
    set_policies(self, &made, "{'spec':{'deletionPolicy':'Retain'}}");
    cluster_delete(self, GROUPS, "g", NULL);
    await_deleted(self, GROUPS, "g");
    for (size_t i = 0; i < MEMBERS; i++) {
        await_deleted(self, SNAPSHOTS, made.snapshots[i]);
        cluster_has(self, CONTENTS, made.contents[i], "metadata.deletionTimestamp", "");
    }
    give_snapshot(self, made.cuts[1]);
    cluster_await(self, SNAPSHOTS, "given", "status.readyToUse", "true");
    cluster_has(self, SNAPSHOTS, "given", "status.volumeGroupSnapshotName", "g");
    storage_make_claim(self, "r", "given");
    kst_auto_free char *source = cluster_value(self, CONTENTS, made.contents[1],
                                               "spec.source.volumeHandle");
    kst_auto_free char *of_b = cluster_value(self, "/persistentvolumeclaims", "b",
                                             "spec.volumeName");
    kst_auto_free char *data = storage_get(self, "r", "data");
    assert_string_equal(data, strcmp(source, of_b) == 0 ? "b" : "a");
    take_back(self);
    assert_true(is_there(made.cuts[1]));

    set_policies(self, &made, "{'spec':{'deletionPolicy':'Delete'}}");
    cluster_delete(self, CONTENTS, made.contents[0], NULL);
    await_deleted(self, CONTENTS, made.contents[0]);
    assert_true(is_there(made.cuts[0])); /* it is the group's */
    cluster_delete(self, GROUP_CONTENTS, made.content, NULL);
    await_deleted(self, GROUP_CONTENTS, made.content);
    for (size_t i = 0; i < MEMBERS; i++)
        assert_false(is_there(made.cuts[i]));
    release(&made);
}

static void test_outlives(void **state)
{
    cluster_run(false, outlives);
}

/* Whoever lost the group's content cannot restore from a member's cut by hand. */
static void content_is_lost(struct cluster *self)
{
    struct made made = {0};
    cut(self, &made);
    set_policies(self, &made, "{'spec':{'deletionPolicy':'Retain'}}");
    cluster_delete(self, GROUPS, "g", NULL);
    await_deleted(self, GROUPS, "g");
    cluster_delete(self, GROUP_CONTENTS, made.content, NULL);
    await_deleted(self, GROUP_CONTENTS, made.content);
    assert_true(is_there(made.cuts[0]));
    give_snapshot(self, made.cuts[0]);
    cluster_await(self, SNAPSHOTS, "given", "status.error.message",
                  "Snapshot status update failed, updateSnapshotStatus: cannot find the group "
                  "snapshot for VolumeSnapshot [default/given], will not update snapshot status");
    release(&made);
}

static void test_content_is_lost(void **state)
{
    cluster_run(false, content_is_lost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_outlives),
        cmocka_unit_test(test_content_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
