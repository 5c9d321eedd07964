/* SPDX-License-Identifier: Apache-2.0 */
/* Restore points on the embedded cluster: what a backup leaves, what its end removes, and that
 * nobody else's is touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/actions.h"
#include "app/backup/backup.h"
#include "app/point/point.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cluster_fixture.h"
#include "kube/client.h"
#include "kube/config.h"
#include "kube/resource.h"
#include "loop/fiber.h"
#include "run/journal.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/sandbox.h"

#define CLAIMS         "/persistentvolumeclaims"
#define SNAPSHOTS      "snapshot.storage.k8s.io/volumesnapshots"
#define CONTENTS       "snapshot.storage.k8s.io/volumesnapshotcontents"
#define GROUPS         "groupsnapshot.storage.k8s.io/volumegroupsnapshots"
#define GROUP_CONTENTS "groupsnapshot.storage.k8s.io/volumegroupsnapshotcontents"
#define POINTS         "kassette.io/restorepoints"
#define RUNS           "kassette.io/runs"

enum { WAIT_MS = 30000, TURN_MS = 5 };

static const char home[] = "default";

/* An application of one claim, and the engine's client. */
struct world {
    struct cluster *cluster;
    struct kst_kube_config *config;
    struct kst_kube *kube;
};

static struct world begin(struct cluster *cluster)
{
    struct world self = {.cluster = cluster};
    const struct kst_kube_config_options options = {
        .kubeconfig = kst_sandbox_kubeconfig(cluster->sandbox)};
    assert_int_equal(kst_kube_config_load(&options, &self.config, NULL), 0);
    self.kube = kst_kube_new(kst_fiber_loop(), self.config);
    cluster_load(cluster, "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, "
                          "spec: {accessModes: [ReadWriteOnce], storageClassName: dir, resources: "
                          "{requests: {storage: 100Mi}}}}");
    cluster_await(cluster, CLAIMS, "data", "status.phase", "Bound");
    return self;
}

static void end(struct world *self)
{
    kst_kube_free(self->kube);
    kst_kube_config_free(self->config);
}

static void make_run(struct world *self, const char *name, const char *more)
{
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: kassette.io/v1alpha1, kind: Run, metadata: {name: %s}, "
        "spec: {action: backup, application: {namespace: default}%s}}",
        name, more);
    cluster_load(self->cluster, yaml);
}

static int execute(struct world *self, const char *name, const struct kst_action *action,
                   struct kst_err **err)
{
    const struct kst_action *const actions[] = {action, NULL};
    const struct kst_run_options options = {
        .kube = self->kube,
        .home = home,
        .name = name,
        .cache_dir = kst_sandbox_dir(self->cluster->sandbox),
        .actions = actions,
    };
    return kst_run_execute(&options, err);
}

static void back_up(struct world *self, const char *name, const char *more)
{
    kst_auto_err struct kst_err *err = NULL;
    make_run(self, name, more);
    if (execute(self, name, &kst_action_backup, &err) < 0)
        fail_msg("%s", kst_err_message(err));
}

/* The content of the point's volume, and where its cut is; the caller frees both. */
static char *content_of(struct world *self, const char *point)
{
    return cluster_value(self->cluster, POINTS, point, "status.volumes.0.content");
}

static char *cut_of(struct world *self, const char *point)
{
    kst_auto_free char *handle = cluster_value(self->cluster, POINTS, point,
                                               "status.volumes.0.handle");
    assert_string_not_equal(handle, "");
    return kst_asprintf("%s/volumes/%s", kst_sandbox_dir(self->cluster->sandbox), handle);
}

static const char *policy_of(struct world *self, const char *content)
{
    const struct kst_object *object = kst_api_find(self->cluster->api, CONTENTS, "", content);
    return object ? kst_json_path_str(object->json, "spec.deletionPolicy") : "";
}

static void await_no_content(struct world *self)
{
    int64_t deadline_ms = kst_deadline_in_ms(WAIT_MS);
    struct kst_bucket *all = kst_store_bucket(kst_api_store(self->cluster->api), CONTENTS);
    while (kst_bucket_at(all, 0) && kst_now_ms() < deadline_ms)
        kst_sleep_ms(TURN_MS, NULL);
    assert_null(kst_bucket_at(all, 0));
}

static void delete_point(struct world *self, const char *name)
{
    kst_auto_err struct kst_err *err = NULL;
    if (kst_point_delete(self->kube, home, name, &err) < 0)
        fail_msg("%s", kst_err_message(err));
}

static void refuses_to_delete(struct world *self, const char *name, const char *why)
{
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_point_delete(self->kube, home, name, &err), KST_E_REFUSED);
    assert_non_null(strstr(kst_err_message(err), why));
}

/* Its VolumeSnapshot goes, as with its namespace. */
static void lose_snapshot(struct world *self, const char *point)
{
    kst_auto_free char *name = cluster_value(self->cluster, POINTS, point,
                                             "status.volumes.0.snapshot");
    cluster_delete(self->cluster, SNAPSHOTS, name, NULL);
    cluster_await_count(self->cluster, SNAPSHOTS, 0);
}

/* ---- What a backup leaves ---- */

static void leaves_a_point(struct world *self)
{
    struct cluster *cluster = self->cluster;
    back_up(self, "left", ", ttl: 720h");
    cluster_has(cluster, POINTS, "left", "status.phase", "Ready");
    cluster_has(cluster, POINTS, "left", "status.volumeCount", "1");
    cluster_has(cluster, POINTS, "left", "status.volumes.0.claim", "data");
    cluster_has(cluster, POINTS, "left", "status.volumes.0.volumeMode", "Filesystem");
    cluster_has(cluster, POINTS, "left", "status.volumes.0.deletionPolicy", "Delete");
    cluster_has(cluster, POINTS, "left", "metadata.finalizers.0", KST_POINT_FINALIZER);
    cluster_has(cluster, POINTS, "left", "metadata.ownerReferences", "");
    assert_string_equal(cluster_condition(cluster, POINTS, "left", "Ready", "status"), "True");
    assert_string_equal(cluster_condition(cluster, POINTS, "left", "Complete", "status"), "True");
    assert_string_equal(cluster_condition(cluster, POINTS, "left", "Exported", "reason"),
                        "NotExported");
    kst_auto_free char *expires = cluster_value(cluster, POINTS, "left", "spec.expiresAt");
    kst_auto_free char *made = cluster_value(cluster, RUNS, "left", "metadata.creationTimestamp");
    int64_t expires_us = 0, made_us = 0;
    assert_true(kst_time_parse_us(expires, &expires_us) && kst_time_parse_us(made, &made_us));
    assert_int_equal((expires_us - made_us) / 1000000, 720 * 3600);
    kst_auto_free char *content = content_of(self, "left");
    assert_string_equal(policy_of(self, content), "Retain");
}

static void outlives_its_snapshot(struct world *self)
{
    struct cluster *cluster = self->cluster;
    back_up(self, "survivor", "");
    kst_auto_free char *content = content_of(self, "survivor"), *cut = cut_of(self, "survivor");
    lose_snapshot(self, "survivor");
    assert_string_equal(policy_of(self, content), "Retain");
    assert_int_equal(access(cut, F_OK), 0);
    /* Somebody makes another of the name: it is not the point's. */
    kst_auto_free char *name = cluster_value(cluster, POINTS, "survivor",
                                             "status.volumes.0.snapshot");
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: snapshot.storage.k8s.io/v1, kind: VolumeSnapshot, metadata: {name: %s}, "
        "spec: {source: {persistentVolumeClaimName: data}}}",
        name);
    cluster_load(cluster, yaml);
    cluster_await(cluster, SNAPSHOTS, name, "status.readyToUse", "true");
    delete_point(self, "survivor");
    assert_null(cluster_get(cluster, POINTS, "survivor"));
    assert_string_equal(policy_of(self, content), "");
    assert_int_not_equal(access(cut, F_OK), 0);
    cluster_has(cluster, SNAPSHOTS, name, "status.readyToUse", "true");
}

/* ---- Deleting ---- */

static void is_deleted(struct world *self)
{
    struct cluster *cluster = self->cluster;
    back_up(self, "d1", "");
    kst_auto_free char *cut = cut_of(self, "d1");
    delete_point(self, "d1");
    assert_null(cluster_get(cluster, POINTS, "d1"));
    assert_int_equal(cluster_count(cluster, SNAPSHOTS), 0);
    assert_int_not_equal(access(cut, F_OK), 0);
    await_no_content(self);
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_point_delete(self->kube, home, "d1", &err), KST_E_NOT_FOUND);
}

/* kubectl has deleted it, and its finalizer holds it until its snapshots are removed. */
static void deletion_is_finished(struct world *self)
{
    struct cluster *cluster = self->cluster;
    back_up(self, "d2", "");
    kst_auto_free char *cut = cut_of(self, "d2");
    cluster_delete(cluster, POINTS, "d2", NULL);
    assert_non_null(cluster_get(cluster, POINTS, "d2"));
    struct kst_json *point = NULL;
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_point_get(self->kube, home, "d2", true, &point, &err), KST_E_REFUSED);
    assert_int_equal(access(cut, F_OK), 0);
    delete_point(self, "d2");
    assert_null(cluster_get(cluster, POINTS, "d2"));
    assert_int_not_equal(access(cut, F_OK), 0);
}

static void is_kept_while_in_use(struct world *self)
{
    struct cluster *cluster = self->cluster;
    back_up(self, "used", "");
    cluster_load(cluster, "{apiVersion: kassette.io/v1alpha1, kind: Run, metadata: {name: r1}, "
                          "spec: {action: restore, restorePoint: used, application: {namespace: "
                          "other}}}");
    refuses_to_delete(self, "used", "Run r1 restores from it");
    cluster_has(cluster, POINTS, "used", "status.phase", "Ready");
    cluster_patch(cluster, RUNS, "r1", "status", "{'status':{'phase':'Failed'}}");
    cluster_patch(cluster, RUNS, "used", "status", "{'status':{'phase':'Export'}}");
    refuses_to_delete(self, "used", "Run used is making it");
    cluster_patch(cluster, RUNS, "used", "status", "{'status':{'phase':'Succeeded'}}");
    delete_point(self, "used");
}

static void is_not_found(struct world *self)
{
    struct cluster *cluster = self->cluster;
    struct kst_json *point = NULL;
    kst_auto_err struct kst_err *err = NULL;
    back_up(self, "shop-1", "");
    assert_int_equal(kst_point_get(self->kube, home, "shop-2", true, &point, &err),
                     KST_E_NOT_FOUND);
    assert_string_equal(kst_err_get_hint(err), "did you mean 'shop-1'?");
    cluster_patch(cluster, POINTS, "shop-1", "status", "{'status':{'phase':'InProgress'}}");
    kst_err_clear(&err);
    assert_int_equal(kst_point_get(self->kube, home, "shop-1", true, &point, &err), KST_E_REFUSED);
    kst_err_clear(&err);
    assert_int_equal(kst_point_get(self->kube, home, "shop-1", false, &point, &err), 0);
    kst_json_free(point);
}

/* ---- Another's ---- */

static void leaves_a_foreign_one(struct world *self)
{
    struct cluster *cluster = self->cluster;
    kst_auto_err struct kst_err *err = NULL;
    back_up(self, "foreign", "");
    kst_auto_free char *content = content_of(self, "foreign"), *cut = cut_of(self, "foreign");
    cluster_delete(cluster, RUNS, "foreign", NULL);
    make_run(self, "foreign", "");
    assert_int_equal(execute(self, "foreign", &kst_action_backup, &err), KST_E_EXISTS);
    assert_non_null(strstr(kst_err_message(err), "another Run of that name"));
    cluster_has(cluster, RUNS, "foreign", "status.phase", "Failed");
    cluster_has(cluster, RUNS, "foreign", "status.reason", "RestorePointExists");
    cluster_has(cluster, POINTS, "foreign", "status.phase", "Ready");
    assert_int_equal(cluster_count(cluster, SNAPSHOTS), 1);
    assert_string_equal(policy_of(self, content), "Retain");
    assert_int_equal(access(cut, F_OK), 0);
}

/* A successor finds the one of its predecessor. */
static int begin_twice(struct kst_run *run, enum kst_phase *next, struct kst_err **err)
{
    kst_auto_json struct kst_json *first = NULL, *second = NULL;
    int rc = kst_point_begin(run, &first, err);
    if (rc == 0)
        rc = kst_point_begin(run, &second, err);
    if (rc < 0)
        return rc;
    assert_string_equal(kst_json_path_str(first, "metadata.uid"),
                        kst_json_path_str(second, "metadata.uid"));
    kst_auto_json struct kst_json *index = kst_json_make(
        "{'capturedAt':'2026-11-27T12:00:00Z','objects':{'count':7,'parts':1},"
        "'cluster':{'version':'v1.31.0','uid':'u'},'missing':['metrics.k8s.io/v1beta1'],"
        "'frames':[]}");
    rc = kst_point_captured(run, index, err);
    *next = KST_PHASE_EXPORT;
    return rc;
}

static int only_complete(struct kst_run *run, enum kst_phase *next, struct kst_err **err)
{
    int rc = kst_point_retain(run, err);
    if (rc == 0)
        rc = kst_point_complete(run, err);
    if (rc == 0)
        rc = kst_point_complete(run, err);
    *next = KST_PHASE_SUCCEEDED;
    return rc;
}

static const struct kst_action without_volumes = {
    .enter = {[KST_PHASE_CAPTURE] = begin_twice, [KST_PHASE_EXPORT] = only_complete},
    .undo = kst_point_abandon,
};

static void adopts_its_own(struct world *self)
{
    struct cluster *cluster = self->cluster;
    kst_auto_err struct kst_err *err = NULL;
    make_run(self, "adopted", "");
    assert_int_equal(execute(self, "adopted", &without_volumes, &err), 0);
    cluster_has(cluster, POINTS, "adopted", "status.phase", "Ready");
    cluster_has(cluster, POINTS, "adopted", "status.objects.count", "7");
    cluster_has(cluster, POINTS, "adopted", "status.cluster.uid", "u");
    assert_string_equal(cluster_condition(cluster, POINTS, "adopted", "Complete", "status"),
                        "False");
    assert_non_null(strstr(cluster_condition(cluster, POINTS, "adopted", "Complete", "message"),
                           "metrics.k8s.io/v1beta1"));
}

/* ---- Runs that fail ---- */

static int fail_after_export(struct kst_run *run, enum kst_phase *next, struct kst_err **err)
{
    int rc = kst_action_backup.enter[KST_PHASE_EXPORT](run, next, err);
    return rc < 0 ? rc : kst_err_set(err, KST_E_FAILED, "the export has failed");
}

/* How often the point could not be taken back. */
static int undo_fails;

static int undo(struct kst_run *run, struct kst_err **err)
{
    if (undo_fails-- > 0)
        return kst_err_set(err, KST_E_SERVER, "the server is away");
    return kst_point_abandon(run, err);
}

static struct kst_action failing_backup(void)
{
    struct kst_action action = kst_action_backup;
    action.enter[KST_PHASE_EXPORT] = fail_after_export;
    action.undo = undo;
    return action;
}

static void nothing_is_left(struct world *self)
{
    assert_int_equal(cluster_count(self->cluster, POINTS), 0);
    assert_int_equal(cluster_count(self->cluster, SNAPSHOTS), 0);
    await_no_content(self);
}

static void is_taken_back(struct world *self)
{
    struct cluster *cluster = self->cluster;
    const struct kst_action action = failing_backup();
    kst_auto_err struct kst_err *err = NULL;
    undo_fails = 0;
    make_run(self, "f1", "");
    assert_int_equal(execute(self, "f1", &action, &err), KST_E_FAILED);
    cluster_has(cluster, RUNS, "f1", "status.phase", "Failed");
    cluster_has(cluster, RUNS, "f1", "status.outcome", "");
    nothing_is_left(self);
}

/* A run is not at its end before it is undone: its successor does that, and nothing else. */
static void is_taken_back_later(struct world *self)
{
    struct cluster *cluster = self->cluster;
    const struct kst_action action = failing_backup();
    kst_auto_err struct kst_err *err = NULL;
    undo_fails = 1;
    make_run(self, "f2", "");
    assert_int_equal(execute(self, "f2", &action, &err), KST_E_SERVER);
    assert_non_null(strstr(kst_err_message(err), "the server is away"));
    assert_non_null(strstr(kst_err_get_hint(err), "kassette run f2"));
    cluster_has(cluster, RUNS, "f2", "status.phase", "Export");
    cluster_has(cluster, RUNS, "f2", "status.outcome", "Failed");
    cluster_has(cluster, RUNS, "f2", "status.endedAt", "");
    assert_int_equal(cluster_count(cluster, POINTS), 1);
    kst_err_clear(&err);
    assert_int_equal(execute(self, "f2", &action, &err), KST_E_FAILED);
    assert_non_null(strstr(kst_err_message(err), "the export has failed"));
    cluster_has(cluster, RUNS, "f2", "status.phase", "Failed");
    cluster_has(cluster, RUNS, "f2", "status.message", "the export has failed");
    cluster_has(cluster, RUNS, "f2", "status.outcome", "");
    nothing_is_left(self);
}

/* ---- Volumes cut together ---- */

static void make_groups(struct world *self)
{
    struct cluster *cluster = self->cluster;
    cluster_load(cluster, "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: log}, "
                          "spec: {accessModes: [ReadWriteOnce], storageClassName: dir, resources: "
                          "{requests: {storage: 100Mi}}}}");
    cluster_await(cluster, CLAIMS, "log", "status.phase", "Bound");
    cluster_load(cluster, "{apiVersion: groupsnapshot.storage.k8s.io/v1beta2, kind: "
                          "VolumeGroupSnapshotClass, metadata: {name: groups}, driver: "
                          "dir.csi.kassette.test, deletionPolicy: Delete}");
}

/* The group goes before the point, as with its namespace, or with it. */
static void group_lives(struct world *self, const char *name, bool outlives)
{
    struct cluster *cluster = self->cluster;
    back_up(self, name, "");
    kst_auto_free char *group = cluster_value(cluster, POINTS, name, "status.volumes.0.group");
    kst_auto_free char *bound = cluster_value(cluster, POINTS, name,
                                              "status.volumes.0.groupContent");
    kst_auto_free char *content = content_of(self, name), *cut = cut_of(self, name);
    assert_non_null(cluster_get(cluster, GROUPS, group));
    const struct kst_object *object = kst_api_find(cluster->api, GROUP_CONTENTS, "", bound);
    assert_non_null(object);
    assert_string_equal(kst_json_path_str(object->json, "spec.deletionPolicy"), "Retain");
    assert_string_equal(policy_of(self, content), "Retain");
    if (outlives) {
        cluster_delete(cluster, GROUPS, group, NULL);
        cluster_await_count(cluster, SNAPSHOTS, 0);
        cluster_await_count(cluster, GROUPS, 0);
        assert_string_equal(policy_of(self, content), "Retain");
    }
    assert_int_equal(access(cut, F_OK), 0);
    delete_point(self, name);
    assert_int_not_equal(access(cut, F_OK), 0);
    assert_int_equal(cluster_count(cluster, SNAPSHOTS), 0);
    assert_int_equal(cluster_count(cluster, GROUPS), 0);
    assert_null(kst_api_find(cluster->api, GROUP_CONTENTS, "", bound));
    await_no_content(self);
}

/* ---- All of it, in few clusters ---- */

static void lives(struct cluster *cluster)
{
    struct world self = begin(cluster);
    is_deleted(&self);
    deletion_is_finished(&self);
    outlives_its_snapshot(&self);
    is_not_found(&self);
    leaves_a_point(&self);
    end(&self);
}

static void is_guarded(struct cluster *cluster)
{
    struct world self = begin(cluster);
    is_kept_while_in_use(&self);
    leaves_a_foreign_one(&self);
    adopts_its_own(&self);
    end(&self);
}

static void fails_and_groups(struct cluster *cluster)
{
    struct world self = begin(cluster);
    is_taken_back(&self);
    is_taken_back_later(&self);
    make_groups(&self);
    group_lives(&self, "g1", true);
    group_lives(&self, "g2", false);
    end(&self);
}

static void test_lives(void **state)
{
    cluster_run(false, lives);
}

static void test_is_guarded(void **state)
{
    cluster_run(false, is_guarded);
}

static void test_fails_and_groups(void **state)
{
    cluster_run(false, fails_and_groups);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lives),
        cmocka_unit_test(test_is_guarded),
        cmocka_unit_test(test_fails_and_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
