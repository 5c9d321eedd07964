/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes are restored from snapshots, with their data; what was replaced is put back, whoever
 * dies when; nothing is left over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "app/restore/volumes.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "loop/fiber.h"
#include "run/journal.h"
#include "run_fixture.h"
#include "sandbox/api/api.h"
#include "sandbox/api/store.h"

#define CLAIMS    "/persistentvolumeclaims"
#define VOLUMES   "/persistentvolumes"
#define SNAPSHOTS "snapshot.storage.k8s.io/volumesnapshots"
#define CONTENTS  "snapshot.storage.k8s.io/volumesnapshotcontents"

enum { WAIT_MS = 30000, TURN_MS = 5 };

/* ---- The cluster ---- */

static size_t count(struct cluster *self, const char *bucket)
{
    size_t n = 0;
    while (kst_bucket_at(kst_store_bucket(kst_api_store(self->api), bucket), n))
        n++;
    return n;
}

static void await_all(struct cluster *self, const char *bucket, size_t expected)
{
    int64_t deadline_ms = kst_deadline_in_ms(WAIT_MS);
    while (count(self, bucket) != expected && kst_now_ms() < deadline_ms)
        kst_sleep_ms(TURN_MS, NULL);
    assert_int_equal(count(self, bucket), expected);
}

/* A member of an object that has no namespace; the caller frees it. */
static char *value(struct cluster *self, const char *bucket, const char *name, const char *path)
{
    const struct kst_object *object = kst_api_find(self->api, bucket, "", name);
    return kst_strdup(object ? kst_json_path_str(object->json, path) : NULL);
}

static char *volume_of(struct cluster *self, const char *claim)
{
    return cluster_value(self, CLAIMS, claim, "spec.volumeName");
}

static char *file_in(struct cluster *self, const char *volume)
{
    kst_auto_free char *path = value(self, VOLUMES, volume, "spec.hostPath.path");
    assert_non_null(path);
    return kst_asprintf("%s/data", path);
}

static void put(struct cluster *self, const char *claim, const char *text)
{
    kst_auto_free char *volume = volume_of(self, claim), *path = file_in(self, volume);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void holds(struct cluster *self, const char *claim, const char *expected)
{
    kst_auto_free char *volume = volume_of(self, claim), *path = file_in(self, volume);
    kst_auto_buf text = KST_BUF_INIT(1024);
    kst_buf_read_file(&text, path, NULL);
    assert_string_equal(text.data, expected);
}

static void policy_is(struct cluster *self, const char *volume, const char *expected)
{
    kst_auto_free char *policy = value(self, VOLUMES, volume, "spec.persistentVolumeReclaimPolicy");
    assert_string_equal(policy ? policy : "gone", expected);
}

/* ---- A point, and a run that restores it ---- */

struct scene {
    struct cluster *cluster;
    struct run_fixture run;
    char *content, *handle;
};

/* Claim c with "first" in it is cut as s, and has "second" after it. */
static void make_point(struct scene *self, struct cluster *cluster)
{
    self->cluster = cluster;
    cluster_load(cluster,
                 "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c, labels: "
                 "{mine: 'yes'}}, spec: {accessModes: [ReadWriteOnce], storageClassName: dir, "
                 "resources: {requests: {storage: 100Mi}}}}");
    cluster_await(cluster, CLAIMS, "c", "status.phase", "Bound");
    put(cluster, "c", "first");
    cluster_load(cluster,
                 "{apiVersion: snapshot.storage.k8s.io/v1, kind: VolumeSnapshot, metadata: "
                 "{name: s}, spec: {source: {persistentVolumeClaimName: c}}}");
    cluster_await(cluster, SNAPSHOTS, "s", "status.readyToUse", "true");
    self->content = cluster_value(cluster, SNAPSHOTS, "s", "status.boundVolumeSnapshotContentName");
    self->handle = value(cluster, CONTENTS, self->content, "status.snapshotHandle");
    put(cluster, "c", "second");
    struct kst_api_call call = kst_api_call_for(cluster->api, CONTENTS, "", self->content, "test");
    kst_auto_json struct kst_json *patch = kst_json_make("{'spec':{'deletionPolicy':'Retain'}}");
    assert_null(kst_api_patch(cluster->api, &call, KST_API_PATCH_MERGE, patch, false, NULL, NULL));
    cluster_settle(cluster);
}

static void forget_point(struct scene *self)
{
    free(self->content);
    free(self->handle);
}

static void begin(struct scene *self, const char *name)
{
    run_open(&self->run, self->cluster, name);
    kst_kube_set_manager(self->run.run.kube, self->run.run.name);
}

static struct kst_json *plan(struct scene *self, const char *target, const char *action)
{
    struct kst_json *row = kst_json_make(
        "{'claim':'c','target':%s,'action':%s,'state':'Planned','storageClass':'dir','size':"
        "'100Mi','restoreSize':'100Mi','driver':'dir.csi.kassette.test','snapshotClass':'dir',"
        "'snapshot':'s','snapshotNamespace':'default','content':%s,'handle':%s}",
        target, action, self->content, self->handle);
    kst_json_push(kst_json_ensure_array(run_restore(&self->run), "volumes"), row);
    return row;
}

static struct kst_json *claim_of(void *arg, const struct kst_json *row)
{
    return kst_json_make(
        "{'apiVersion':'v1','kind':'PersistentVolumeClaim','metadata':{'name':'c','labels':{'mine':"
        "'yes'},'annotations':{'pv.kubernetes.io/bind-completed':'yes'}},'spec':{'accessModes':"
        "['ReadWriteOnce'],'storageClassName':'dir','volumeName':'pvc-of-then','resources':"
        "{'requests':{'storage':'10Mi'}}}}");
}

static int restore(struct scene *self, struct kst_err **err)
{
    return kst_volumes_restore(&self->run.run, claim_of, NULL, err);
}

static void succeeds(int rc, struct kst_err *const *err)
{
    if (rc < 0)
        fail_msg("%s", kst_err_message(*err));
}

static void restore_all(struct scene *self)
{
    kst_auto_err struct kst_err *err = NULL;
    succeeds(restore(self, &err), &err);
    succeeds(kst_volumes_await(&self->run.run, &err), &err);
}

static void settle(struct scene *self)
{
    kst_auto_err struct kst_err *err = NULL;
    succeeds(kst_volumes_settle(&self->run.run, &err), &err);
}

static void undo(struct scene *self)
{
    kst_auto_err struct kst_err *err = NULL;
    succeeds(kst_volumes_undo(&self->run.run, &err), &err);
}

static void row_has(struct scene *self, const char *key, const char *expected)
{
    const char *text = kst_json_path_str(run_row(&self->run, "volumes", 0), key);
    assert_string_equal(text ? text : "", expected);
}

/* ---- What is seen ---- */

static void created(struct scene *self)
{
    struct cluster *cluster = self->cluster;
    kst_auto_err struct kst_err *err = NULL;
    begin(self, "r");
    plan(self, "copy", "create");
    succeeds(kst_volumes_check(&self->run.run, &err), &err);
    restore_all(self);
    row_has(self, "temporary", "");
    holds(cluster, "copy", "first");
    cluster_has(cluster, CLAIMS, "copy", "metadata.labels.mine", "yes");
    cluster_has(cluster, CLAIMS, "copy", "spec.resources.requests.storage", "100Mi");
    assert_int_equal(self->run.volumes, 1);
    settle(self);
    row_has(self, "state", "Settled");
    assert_int_equal(count(cluster, SNAPSHOTS), 1);
    assert_int_equal(count(cluster, CONTENTS), 1);
    assert_int_equal(count(cluster, VOLUMES), 2);
    run_close(&self->run);
    cluster_delete(cluster, CLAIMS, "copy", NULL);
    await_all(cluster, VOLUMES, 1);
}

static void empty(struct scene *self)
{
    begin(self, "r");
    plan(self, "copy", "empty");
    restore_all(self);
    holds(self->cluster, "copy", "");
    cluster_has(self->cluster, CLAIMS, "copy", "spec.dataSource", "");
    settle(self);
    run_close(&self->run);
    cluster_delete(self->cluster, CLAIMS, "copy", NULL);
    await_all(self->cluster, VOLUMES, 1);
}

static void replaced(struct scene *self)
{
    struct cluster *cluster = self->cluster;
    kst_auto_free char *old = volume_of(cluster, "c"), *path = file_in(cluster, old);
    begin(self, "r");
    plan(self, "c", "replace");
    restore_all(self);
    holds(cluster, "c", "first");
    policy_is(cluster, old, "Retain");
    assert_int_equal(access(path, F_OK), 0);
    row_has(self, "oldVolume", old);
    row_has(self, "oldReclaimPolicy", "Delete");
    run_succeed(&self->run);
    kst_kube_set_manager(self->run.run.kube, self->run.run.name);
    settle(self);
    await_all(cluster, VOLUMES, 1);
    assert_int_not_equal(access(path, F_OK), 0);
    holds(cluster, "c", "first");
    run_close(&self->run);
    put(cluster, "c", "second");
}

static void undone(struct scene *self)
{
    struct cluster *cluster = self->cluster;
    kst_auto_free char *old = volume_of(cluster, "c");
    begin(self, "r");
    plan(self, "c", "replace");
    restore_all(self);
    undo(self);
    row_has(self, "state", "Undone");
    holds(cluster, "c", "second");
    kst_auto_free char *now = volume_of(cluster, "c");
    assert_string_equal(now, old);
    policy_is(cluster, old, "Delete");
    cluster_has(cluster, CLAIMS, "c", "status.phase", "Bound");
    cluster_has(cluster, CLAIMS, "c", "metadata.labels.mine", "yes");
    await_all(cluster, VOLUMES, 1);
    run_close(&self->run);
}

/* The workloads went on, and the run failed later: both volumes stay, and nothing else does. */
static void left(struct scene *self)
{
    struct cluster *cluster = self->cluster;
    kst_auto_err struct kst_err *err = NULL;
    kst_auto_free char *old = volume_of(cluster, "c");
    begin(self, "r");
    kst_json_set_str(plan(self, "c", "replace"), "snapshotNamespace", "elsewhere");
    restore_all(self);
    succeeds(kst_volumes_leave(&self->run.run, &err), &err);
    succeeds(kst_volumes_leave(&self->run.run, &err), &err);
    row_has(self, "state", "Kept");
    assert_int_equal(self->run.warnings, 1);
    holds(cluster, "c", "first");
    policy_is(cluster, old, "Retain");
    assert_int_equal(count(cluster, SNAPSHOTS), 1);
    assert_int_equal(count(cluster, CONTENTS), 1);
    kst_json_set_str(run_row(&self->run, "volumes", 0), "state", "Bound");
    settle(self); /* the old one goes after all */
    await_all(cluster, VOLUMES, 1);
    run_close(&self->run);
    put(cluster, "c", "second");
}

/* The application's namespace has no VolumeSnapshot: it is another, or was made anew. */
static void by_handle(struct scene *self)
{
    struct cluster *cluster = self->cluster;
    kst_auto_err struct kst_err *err = NULL;
    begin(self, "r");
    kst_json_set_str(plan(self, "copy", "create"), "snapshotNamespace", "elsewhere");
    succeeds(kst_volumes_check(&self->run.run, &err), &err);
    restore_all(self);
    holds(cluster, "copy", "first");
    assert_int_equal(count(cluster, SNAPSHOTS), 2);
    assert_int_equal(count(cluster, CONTENTS), 2);
    kst_auto_free char *made = kst_strdup(
        kst_json_path_str(run_row(&self->run, "volumes", 0), "temporary"));
    kst_auto_free char *policy = value(cluster, CONTENTS, made, "spec.deletionPolicy");
    assert_string_equal(policy, "Retain");
    settle(self);
    assert_int_equal(count(cluster, SNAPSHOTS), 1);
    assert_int_equal(count(cluster, CONTENTS), 1);
    run_close(&self->run);

    begin(self, "q"); /* the snapshot itself is still there, for the next */
    kst_json_set_str(plan(self, "more", "create"), "snapshotNamespace", "elsewhere");
    restore_all(self);
    holds(cluster, "more", "first");
    settle(self);
    run_close(&self->run);
    cluster_delete(cluster, CLAIMS, "copy", NULL);
    cluster_delete(cluster, CLAIMS, "more", NULL);
    await_all(cluster, VOLUMES, 1);
}

/* While workloads stand still, nothing is asked again that was answered before. */
static void count_snapshots(void *arg, const char *method, const char *path, long status,
                            int64_t took_us)
{
    unsigned *asked = arg;
    *asked += strstr(path, "/snapshot.storage.k8s.io/") != NULL;
}

static void prepared(struct scene *self)
{
    struct kst_run *run = &self->run.run;
    kst_auto_err struct kst_err *err = NULL;
    unsigned before = 0, still = 0;
    begin(self, "r");
    kst_json_set_str(plan(self, "c", "replace"), "snapshotNamespace", "elsewhere");
    kst_kube_set_trace(run->kube, count_snapshots, &before);
    succeeds(kst_volumes_prepare(run, &err), &err);
    assert_true(before > 0);
    kst_kube_set_trace(run->kube, count_snapshots, &still);
    restore_all(self);
    assert_int_equal(still, 0);
    kst_kube_set_trace(run->kube, NULL, NULL);
    holds(self->cluster, "c", "first");
    undo(self);
    row_has(self, "source", "");
    holds(self->cluster, "c", "second");
    await_all(self->cluster, VOLUMES, 1);
    assert_int_equal(count(self->cluster, CONTENTS), 1);
    run_close(&self->run);
}

static void says(const struct kst_err *err, const char *text)
{
    if (!strstr(kst_err_message(err), text))
        fail_msg("expected \"%s\", found \"%s\"", text, kst_err_message(err));
}

static void checked(struct scene *self)
{
    static const struct {
        const char *key, *value, *text;
        int code;
    } rows[] = {
        {"storageClass", "nowhere", "there is no StorageClass nowhere", KST_E_NOT_FOUND},
        {"driver", "other.example.com", "the snapshot is of driver other.example.com",
         KST_E_INVALID},
        {"handle", NULL, "its snapshot s is gone", KST_E_NOT_FOUND},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_err struct kst_err *err = NULL;
        begin(self, "r");
        struct kst_json *row = plan(self, "copy", "create");
        kst_json_set_str(row, rows[i].key, rows[i].value);
        if (!rows[i].value) {
            kst_json_set_str(row, "snapshotNamespace", "elsewhere");
            kst_json_set_str(row, "content", "of-another-cluster");
        }
        assert_int_equal(kst_volumes_check(&self->run.run, &err), rows[i].code);
        says(err, rows[i].text);
        assert_non_null(kst_err_get_hint(err));
        assert_non_null(kst_json_path_str(row, "message"));
        run_close(&self->run);
    }
}

/* The storage has lost the snapshot: the claim that was to be replaced is not touched. */
static void lost_snapshot(struct scene *self)
{
    struct cluster *cluster = self->cluster;
    kst_auto_err struct kst_err *err = NULL;
    kst_auto_free char *uid = cluster_value(cluster, CLAIMS, "c", "metadata.uid");
    begin(self, "r");
    self->run.run.ready_timeout_ms = 500;
    struct kst_json *row = plan(self, "c", "replace");
    kst_json_set_str(row, "handle", "snapshot-of-nothing");
    kst_json_set_str(row, "content", "gone");
    plan(self, "copy", "create");
    assert_int_equal(restore(self, &err), KST_E_FAILED);
    says(err, "can not find snapshot");
    cluster_has(cluster, CLAIMS, "c", "metadata.uid", uid);
    assert_null(cluster_get(cluster, CLAIMS, "copy"));
    self->run.run.ready_timeout_ms = 10000;
    undo(self);
    cluster_has(cluster, CLAIMS, "c", "metadata.uid", uid);
    assert_int_equal(count(cluster, SNAPSHOTS), 1);
    assert_int_equal(count(cluster, CONTENTS), 1);
    run_close(&self->run);
}

static void in_use(struct scene *self)
{
    struct cluster *cluster = self->cluster;
    kst_auto_err struct kst_err *err = NULL;
    kst_auto_free char *uid = cluster_value(cluster, CLAIMS, "c", "metadata.uid");
    cluster_load(cluster, "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: "
                          "[{name: c, image: 'example.com/c:1'}], volumes: [{name: v, "
                          "persistentVolumeClaim: {claimName: c}}]}}");
    begin(self, "r");
    plan(self, "c", "replace");
    assert_int_equal(restore(self, &err), KST_E_REFUSED);
    says(err, "Pod/default/p uses PersistentVolumeClaim/default/c");
    cluster_has(cluster, CLAIMS, "c", "metadata.uid", uid);
    cluster_has(cluster, CLAIMS, "c", "metadata.deletionTimestamp", "");
    run_close(&self->run);
    cluster_delete(cluster, "/pods", "p", NULL);
}

/* Somebody has deleted the old volume: there is nothing to put back, and what was restored stays.
 */
static void old_volume_deleted(struct scene *self)
{
    struct cluster *cluster = self->cluster;
    kst_auto_free char *old = volume_of(cluster, "c");
    begin(self, "r");
    plan(self, "c", "replace");
    restore_all(self);
    const struct kst_api_call call = kst_api_call_for(cluster->api, VOLUMES, "", old, "test");
    const struct kst_api_delete options = {.grace_seconds = -1};
    assert_null(kst_api_delete(cluster->api, &call, &options, NULL));
    await_all(cluster, VOLUMES, 1);
    undo(self);
    row_has(self, "state", "Kept");
    assert_int_equal(self->run.warnings, 1);
    holds(cluster, "c", "first");
    run_close(&self->run);
    put(cluster, "c", "second");
}

static int let_go(void *arg, struct kst_err **err)
{
    kst_sleep_ms(200, NULL);
    cluster_patch(arg, CLAIMS, "c", NULL, "{'metadata':{'finalizers':null}}");
    return 0;
}

/* The old claim is on its way out, and held: its volume is kept until it can be put back. */
static void held(struct scene *self)
{
    struct cluster *cluster = self->cluster;
    kst_auto_err struct kst_err *err = NULL;
    kst_auto_free char *old = volume_of(cluster, "c");
    cluster_patch(cluster, CLAIMS, "c", NULL, "{'metadata':{'finalizers':['example.com/hold']}}");
    begin(self, "r");
    plan(self, "c", "replace");
    self->run.run.ready_timeout_ms = 300;
    assert_int_equal(restore(self, &err), KST_E_FAILED);
    says(err, "its finalizers [\"example.com/hold\"] keep it");
    policy_is(cluster, old, "Retain");
    self->run.run.ready_timeout_ms = 10000;
    struct kst_fiber *fiber = kst_fiber_spawn(kst_fiber_loop(), "let go", let_go, cluster);
    undo(self);
    kst_fiber_join(fiber, NULL);
    holds(cluster, "c", "second");
    policy_is(cluster, old, "Delete");
    await_all(cluster, VOLUMES, 1);
    run_close(&self->run);
}

/* What has appeared since the plan is somebody else's: also where a Run of this name made it, which
 * was another Run. */
static void appeared(struct scene *self)
{
    struct cluster *cluster = self->cluster;
    kst_auto_err struct kst_err *err = NULL;
    struct kst_json *claim = kst_json_dup(cluster_get(cluster, CLAIMS, "c"));
    struct kst_json *metadata = kst_json_mut(claim, "metadata");
    kst_json_set_str(metadata, "creationTimestamp", "2020-01-01T00:00:00Z");
    kst_json_push(kst_json_ensure_array(metadata, "managedFields"),
                  kst_json_make("{'manager':'r'}"));
    kst_bucket_put(kst_store_bucket(kst_api_store(cluster->api), CLAIMS), claim);
    begin(self, "r");
    plan(self, "c", "create");
    assert_int_equal(restore(self, &err), KST_E_FAILED);
    says(err, "PersistentVolumeClaim/default/c is there");
    run_close(&self->run);
    holds(cluster, "c", "second");
}

/* What the provisioner said, before the controller told once more that it waits for it. */
static void provisioner_says(struct cluster *cluster, const char *claim, const char *message)
{
    kst_auto_free char *uid = cluster_value(cluster, CLAIMS, claim, "metadata.uid");
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: v1, kind: Event, metadata: {name: said}, type: Warning, reason: "
        "ProvisioningFailed, message: %s, lastTimestamp: '2020-01-01T00:00:00Z', involvedObject: "
        "{kind: PersistentVolumeClaim, namespace: default, name: %s, uid: %s}}",
        message, claim, uid);
    cluster_load(cluster, yaml);
}

static void not_bound(struct scene *self)
{
    kst_auto_err struct kst_err *err = NULL;
    begin(self, "r");
    struct kst_json *row = plan(self, "copy", "create");
    cluster_load(self->cluster, "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: "
                                "{name: idle}, provisioner: nobody.example.com}");
    kst_json_set_str(row, "storageClass", "idle");
    succeeds(restore(self, &err), &err);
    self->run.run.ready_timeout_ms = 300;
    provisioner_says(self->cluster, "copy", "the pool is full");
    assert_int_equal(kst_volumes_await(&self->run.run, &err), KST_E_TIMEOUT);
    says(err, "PersistentVolumeClaim/default/copy is not bound after 300ms: ProvisioningFailed: "
              "the pool is full");
    self->run.run.ready_timeout_ms = 10000;
    undo(self);
    assert_null(cluster_get(self->cluster, CLAIMS, "copy"));
    run_close(&self->run);
}

/* A class that binds with the first Pod: what the claim needs stays until it is bound. */
static void first_consumer(struct scene *self)
{
    struct cluster *cluster = self->cluster;
    kst_auto_free char *old = volume_of(cluster, "c");
    cluster_load(cluster, "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: "
                          "late}, provisioner: dir.csi.kassette.test, volumeBindingMode: "
                          "WaitForFirstConsumer}");
    begin(self, "r");
    struct kst_json *row = plan(self, "c", "replace");
    kst_json_set_str(row, "storageClass", "late");
    kst_json_set_str(row, "snapshotNamespace", "elsewhere");
    restore_all(self);
    row_has(self, "state", "Created");
    assert_int_equal(self->run.volumes, 0);
    settle(self);
    row_has(self, "state", "Created");
    assert_int_equal(self->run.warnings, 1);
    assert_int_equal(count(cluster, SNAPSHOTS), 2);
    policy_is(cluster, old, "Retain");
    cluster_patch(cluster, CLAIMS, "c", NULL,
                  "{'metadata':{'annotations':{'volume.kubernetes.io/selected-node':'n'}}}");
    cluster_await(cluster, CLAIMS, "c", "status.phase", "Bound");
    restore_all(self);
    row_has(self, "state", "Bound");
    settle(self);
    holds(cluster, "c", "first");
    assert_int_equal(count(cluster, SNAPSHOTS), 1);
    await_all(cluster, VOLUMES, 1);
    run_close(&self->run);
    put(cluster, "c", "second");
}

/* ---- Whoever dies ---- */

enum end { GOES_ON, IS_UNDONE, DIES_UNDOING, DIES_SETTLING };

static void successor(struct scene *self)
{
    run_succeed(&self->run);
    kst_kube_set_manager(self->run.run.kube, self->run.run.name);
}

/* The engine dies before its write `at`, in what `end` says; false when it came to the end. */
static bool dies_at(struct scene *self, int at, enum end end)
{
    kst_auto_err struct kst_err *err = NULL;
    struct kst_run *run = &self->run.run;
    if (end == DIES_UNDOING || end == DIES_SETTLING)
        restore_all(self);
    run_die_after(&self->run, at);
    int rc = end == DIES_UNDOING    ? kst_volumes_undo(run, &err)
             : end == DIES_SETTLING ? kst_volumes_settle(run, &err)
                                    : restore(self, &err);
    assert_true(rc == 0 || rc == KST_E_LOST);
    successor(self);
    return rc < 0;
}

static void dies(struct scene *self, enum end end)
{
    struct cluster *cluster = self->cluster;
    bool died = true;
    int at = 0;
    for (; died; at++) {
        kst_auto_err struct kst_err *err = NULL;
        kst_auto_free char *old = volume_of(cluster, "c");
        bool goes_on = end == GOES_ON || end == DIES_SETTLING;
        kst_auto_free char *name = kst_asprintf("r-%d-%d", end, at);
        begin(self, name);
        kst_json_set_str(plan(self, "c", "replace"), "snapshotNamespace", "elsewhere");
        succeeds(kst_journal_write(self->run.run.journal, &err), &err);
        died = dies_at(self, at, end);
        if (end == GOES_ON)
            restore_all(self);
        if (goes_on)
            settle(self);
        else
            undo(self);
        holds(cluster, "c", goes_on ? "first" : "second");
        await_all(cluster, VOLUMES, 1);
        await_all(cluster, SNAPSHOTS, 1);
        await_all(cluster, CONTENTS, 1);
        kst_auto_free char *now = volume_of(cluster, "c");
        assert_int_equal(strcmp(now, old) == 0, !goes_on);
        policy_is(cluster, now, "Delete");
        run_close(&self->run);
        put(cluster, "c", "second");
    }
    assert_true(at >= 4);
}

static void dies_and_goes_on(struct scene *self)
{
    dies(self, GOES_ON);
}

static void dies_and_is_undone(struct scene *self)
{
    dies(self, IS_UNDONE);
}

static void dies_undoing(struct scene *self)
{
    dies(self, DIES_UNDOING);
}

static void dies_settling(struct scene *self)
{
    dies(self, DIES_SETTLING);
}

/* ---- */

typedef void body_fn(struct scene *self);

static body_fn *const restores[] = {created,   empty,    replaced,       undone, left,
                                    by_handle, prepared, first_consumer, NULL};
static body_fn *const troubles[] = {checked, lost_snapshot, old_volume_deleted, held,
                                    in_use,  appeared,      not_bound,          NULL};
static body_fn *const deaths[] = {dies_and_goes_on, dies_and_is_undone, dies_undoing, dies_settling,
                                  NULL};

static body_fn *const *members;

static void run_members(struct cluster *cluster)
{
    struct scene scene = {0};
    make_point(&scene, cluster);
    for (size_t i = 0; members[i]; i++)
        members[i](&scene);
    forget_point(&scene);
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
        {"restores", restores},
        {"troubles", troubles},
        {"whoever dies", deaths},
    };
    struct CMUnitTest tests[KST_ARRAY_LEN(groups)];
    kst_log_setup(KST_LOG_ERROR, KST_LOG_PLAIN);
    for (size_t i = 0; i < KST_ARRAY_LEN(groups); i++)
        tests[i] = (struct CMUnitTest){.name = groups[i].name,
                                       .test_func = test_group,
                                       .initial_state = (void *)groups[i].members};
    return cmocka_run_group_tests_name("restore volumes", tests, NULL, NULL);
}
