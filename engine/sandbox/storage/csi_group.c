/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups: what snapshot-controller, csi-snapshotter and a driver with group snapshots make of a
 * VolumeGroupSnapshot. Its members are VolumeSnapshots that it owns, each with the claim it came
 * from; they end with it (csi_group_end.c).
 * https://github.com/kubernetes-csi/external-snapshotter/blob/master/pkg/common-controller/groupsnapshot_controller_helper.go
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "kube/selector.h"
#include "loop/fiber.h"
#include "sandbox/storage/csi_internal.h"
#include "sandbox/storage/storage.h"

/* One volume of a group. */
struct member {
    struct group *group;
    const char *claim, *volume;
    char *name, *content, *handle, *size;
    int64_t bytes;
};

struct group {
    struct kst_csi *csi;
    const char *ns, *name;
    struct kst_json *object, *claims;
    char *content, *policy; /* the name of its content; Delete or Retain */
    struct member *members;
    size_t count;
    int64_t created_ns;
};

static int patch_status(const struct group *self, const struct kst_json *status,
                        struct kst_err **err)
{
    kst_auto_json struct kst_json *patch = kst_json_make("{'status':%J}", status);
    return kst_kube_patch(self->csi->kube, self->csi->group_resource, self->ns, self->name,
                          "status", KST_PATCH_MERGE, patch, NULL, err);
}

static const char *uid_of(const struct group *self)
{
    return kst_json_path_str(self->object, "metadata.uid");
}

/* ---- Making ---- */

/* As the real controller names members: a digest of the group and the volume. */
static char *digest(const struct group *self, const char *prefix, const char *volume)
{
    unsigned char sum[KST_SHA256_BYTES];
    kst_auto_free char *text = kst_asprintf("%s%s", uid_of(self), volume);
    kst_auto_buf hex = KST_BUF_INIT(2 * KST_SHA256_BYTES);
    kst_hash_sha256(text, strlen(text), sum);
    kst_hash_hex(&hex, sum, sizeof(sum));
    return kst_asprintf("%s-%s", prefix, hex.data);
}

static int find_members(struct group *self, struct kst_err **err)
{
    kst_auto_free char *selector = NULL;
    int rc = kst_selector_text(kst_json_path(self->object, "spec.source.selector"), &selector, err);
    const struct kst_kube_list_options options = {.label_selector = selector};
    if (rc == 0)
        rc = kst_kube_list(self->csi->kube, &kst_res_pvcs, self->ns, &options, &self->claims, NULL,
                           err);
    if (rc == 0 && kst_json_len(self->claims) == 0)
        rc = kst_err_set(err, KST_E_FAILED, "no persistent volume claim is selected");
    if (rc < 0)
        return rc;
    self->count = kst_json_len(self->claims);
    self->members = kst_calloc(self->count, sizeof(*self->members));
    for (size_t i = 0; i < self->count; i++) {
        const struct kst_json *claim = kst_json_at(self->claims, i);
        struct member *member = &self->members[i];
        member->group = self;
        member->claim = kst_json_path_str(claim, "metadata.name");
        member->volume = kst_json_path_str(claim, "spec.volumeName");
        if (!member->volume)
            return kst_err_set(err, KST_E_FAILED, "the PVC %s is not yet bound to a PV",
                               member->claim);
        kst_parse_size(kst_json_path_str(claim, "status.capacity.storage"), &member->bytes);
        member->size = kst_strdup(kst_json_path_str(claim, "status.capacity.storage"));
        member->name = digest(self, "snapshot", member->volume);
        member->content = digest(self, "snapcontent", member->volume);
        member->handle = digest(self, "group", member->volume);
    }
    return 0;
}

static int cut_member(void *arg, struct kst_err **err)
{
    struct member *member = arg;
    struct kst_csi *csi = member->group->csi;
    kst_auto_free char *from = NULL, *to = NULL;
    int rc = kst_storage_path(csi->volumes, member->volume, &from, err);
    if (rc == 0)
        rc = kst_storage_path(csi->volumes, member->handle, &to, err);
    if (rc == 0)
        rc = kst_csi_remove(csi, to, err);
    return rc < 0 ? rc : kst_csi_cut(csi, from, to, true, err);
}

static int note_cut(const struct member *member, struct kst_err **err)
{
    kst_auto_free char *path = NULL;
    int rc = kst_storage_path(member->group->csi->volumes, member->handle, &path, err);
    return rc < 0 ? rc
                  : kst_csi_write_note(path, member->group->created_ns, member->bytes,
                                       uid_of(member->group), err);
}

static int cut_all(struct group *self, struct kst_err **err)
{
    kst_auto_json struct kst_json *faults = kst_csi_faults(self->csi);
    const char *first = self->members[0].claim;
    const char *text = kst_storage_fault(faults, self->ns, first, "errorForever");
    int64_t delay_ms = kst_storage_fault_ms(faults, self->ns, first, "cutDelayMs");
    if (text)
        return kst_err_set(err, KST_E_FAILED,
                           "Failed to create group snapshot: rpc error: code = Internal desc = %s",
                           text);
    int rc = delay_ms > 0 ? kst_sleep_ms(delay_ms, err) : 0;
    struct kst_group *fibers = kst_group_new(kst_kube_loop(self->csi->kube), false);
    for (size_t i = 0; rc == 0 && i < self->count; i++)
        kst_group_spawn(fibers, "cut", cut_member, &self->members[i]);
    int cut = kst_group_wait(fibers, rc == 0 ? err : NULL);
    kst_group_free(fibers);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    self->created_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    rc = rc < 0 ? rc : cut;
    for (size_t i = 0; rc == 0 && i < self->count; i++)
        rc = note_cut(&self->members[i], err);
    return rc;
}

static int adopt(int rc, struct kst_err **err)
{
    if (rc != KST_E_EXISTS)
        return rc;
    kst_err_clear(err);
    return 0;
}

static int find_policy(struct group *self, struct kst_err **err)
{
    const char *name = kst_json_path_str(self->object, "spec.volumeGroupSnapshotClassName");
    kst_auto_json struct kst_json *class = NULL;
    if (!name)
        return kst_err_set(err, KST_E_FAILED,
                           "failed to take group snapshot %s without a group snapshot class",
                           self->name);
    int rc = kst_csi_find_object(self->csi, self->csi->group_class_resource, NULL, name, &class,
                                 err);
    if (rc == 0 && !class)
        rc = kst_err_set(err, KST_E_NOT_FOUND,
                         "volumegroupsnapshotclass.groupsnapshot.storage.k8s.io \"%s\" not found",
                         name);
    if (rc == 0)
        self->policy = kst_strdup(kst_json_path_str(class, "deletionPolicy"));
    return rc;
}

static int make_content(struct group *self, struct kst_err **err)
{
    kst_auto_json struct kst_json *handles = kst_json_array();
    for (size_t i = 0; i < self->count; i++)
        kst_json_push(handles, kst_json_from_str(self->members[i].volume));
    const char *version = self->csi->group_contents_resource->api_version;
    kst_auto_json struct kst_json *content = kst_json_make(
        "{'apiVersion':%s,'kind':'VolumeGroupSnapshotContent',"
        "'metadata':{'name':%s,'finalizers':[%s]},"
        "'spec':{'deletionPolicy':%s,'driver':%s,'volumeGroupSnapshotClassName':%s,"
        "'source':{'volumeHandles':%J},'volumeGroupSnapshotRef':{'apiVersion':%s,"
        "'kind':'VolumeGroupSnapshot','name':%s,'namespace':%s,'uid':%s,'resourceVersion':%s}}}",
        version, self->content, KST_CSI_GROUP_CONTENT_BOUND, self->policy, KST_CSI_DRIVER,
        kst_json_path_str(self->object, "spec.volumeGroupSnapshotClassName"), handles, version,
        self->name, self->ns, uid_of(self),
        kst_json_path_str(self->object, "metadata.resourceVersion"));
    return adopt(kst_kube_create(self->csi->kube, self->csi->group_contents_resource, NULL, content,
                                 false, NULL, err),
                 err);
}

/* What the driver says of its cuts. */
static int tell_cuts(struct group *self, const char *created, struct kst_err **err)
{
    kst_auto_json struct kst_json *list = kst_json_array();
    for (size_t i = 0; i < self->count; i++)
        kst_json_push(list, kst_json_make("{'volumeHandle':%s,'snapshotHandle':%s,"
                                          "'creationTime':%L,'readyToUse':true,'restoreSize':%L}",
                                          self->members[i].volume, self->members[i].handle,
                                          self->created_ns, self->members[i].bytes));
    kst_auto_json struct kst_json *patch = kst_json_make(
        "{'status':{'volumeGroupSnapshotHandle':%s,'creationTime':%s,'readyToUse':true,"
        "'error':null,'volumeSnapshotInfoList':%J}}",
        uid_of(self), created, list);
    return kst_kube_patch(self->csi->kube, self->csi->group_contents_resource, NULL, self->content,
                          "status", KST_PATCH_MERGE, patch, NULL, err);
}

static int make_member(struct member *member, struct kst_err **err)
{
    const struct group *self = member->group;
    char created[KST_TIME_TEXT];
    kst_time_format(self->created_ns / 1000000, created);
    kst_auto_json struct kst_json *content = kst_json_make(
        "{'apiVersion':'snapshot.storage.k8s.io/v1','kind':'VolumeSnapshotContent',"
        "'metadata':{'name':%s,'annotations':{%s:%s},'finalizers':[%s]},"
        "'spec':{'deletionPolicy':%s,'driver':%s,'source':{'volumeHandle':%s},"
        "'volumeSnapshotRef':{'kind':'VolumeSnapshot','name':%s,'namespace':%s}}}",
        member->content, KST_CSI_GROUP_HANDLE, uid_of(self), KST_CSI_CONTENT_BOUND, self->policy,
        KST_CSI_DRIVER, member->volume, member->name, self->ns);
    kst_auto_json struct kst_json *snapshot = kst_json_make(
        "{'apiVersion':'snapshot.storage.k8s.io/v1','kind':'VolumeSnapshot',"
        "'metadata':{'name':%s,'namespace':%s,'finalizers':[%s,%s],'ownerReferences':["
        "{'apiVersion':%s,'kind':'VolumeGroupSnapshot','name':%s,'uid':%s}]},"
        "'spec':{'source':{'persistentVolumeClaimName':%s}}}",
        member->name, self->ns, KST_CSI_IN_GROUP, KST_CSI_AS_SOURCE,
        self->csi->group_resource->api_version, self->name, uid_of(self), member->claim);
    kst_auto_json struct kst_json *content_status = kst_json_make(
        "{'status':{'snapshotHandle':%s,'creationTime':%L,'readyToUse':true,'restoreSize':%L,"
        "'volumeGroupSnapshotHandle':%s}}",
        member->handle, self->created_ns, member->bytes, uid_of(self));
    kst_auto_json struct kst_json *status = kst_json_make(
        "{'status':{'boundVolumeSnapshotContentName':%s,'creationTime':%s,'readyToUse':true,"
        "'restoreSize':%s,'volumeGroupSnapshotName':%s}}",
        member->content, created, member->size, self->name);
    int rc = adopt(kst_kube_create(self->csi->kube, &kst_res_snapshot_contents, NULL, content,
                                   false, NULL, err),
                   err);
    if (rc == 0)
        rc = adopt(kst_kube_create(self->csi->kube, &kst_res_snapshots, self->ns, snapshot, false,
                                   NULL, err),
                   err);
    kst_auto_json struct kst_json *made = NULL, *bound = NULL;
    if (rc == 0)
        rc = kst_kube_get(self->csi->kube, &kst_res_snapshots, self->ns, member->name, &made, err);
    bound = kst_json_make("{'spec':{'volumeSnapshotRef':{'uid':%s}}}",
                          kst_json_path_str(made, "metadata.uid"));
    if (rc == 0)
        rc = kst_kube_patch(self->csi->kube, &kst_res_snapshot_contents, NULL, member->content,
                            NULL, KST_PATCH_MERGE, bound, NULL, err);
    if (rc == 0)
        rc = kst_kube_patch(self->csi->kube, &kst_res_snapshot_contents, NULL, member->content,
                            "status", KST_PATCH_MERGE, content_status, NULL, err);
    return rc < 0 ? rc
                  : kst_kube_patch(self->csi->kube, &kst_res_snapshots, self->ns, member->name,
                                   "status", KST_PATCH_MERGE, status, NULL, err);
}

static int log_cuts(const struct group *self, int64_t started_ns)
{
    FILE *log = self->csi->log ? fopen(self->csi->log, "ae") : NULL;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    for (size_t i = 0; log && i < self->count; i++)
        fprintf(log, "%lld %lld %lld %s/%s %s %s\n", (long long)started_ns,
                (long long)now.tv_sec * 1000000000 + now.tv_nsec, (long long)self->created_ns,
                self->ns, self->name, self->members[i].claim, self->members[i].content);
    return log ? fclose(log) : 0;
}

static int make(struct group *self, struct kst_err **err)
{
    struct timespec started;
    clock_gettime(CLOCK_MONOTONIC, &started);
    int rc = find_members(self, err);
    if (rc == 0)
        rc = find_policy(self, err);
    if (rc == 0)
        rc = make_content(self, err);
    if (rc == 0)
        rc = cut_all(self, err);
    char created[KST_TIME_TEXT];
    kst_time_format(rc < 0 ? kst_wall_ms() : self->created_ns / 1000000, created);
    if (rc < 0) {
        kst_auto_json struct kst_json *status = kst_json_make(
            "{'readyToUse':false,'error':{'message':%s,'time':%s}}", kst_err_message(*err),
            created);
        patch_status(self, status, NULL);
        return rc;
    }
    log_cuts(self, (int64_t)started.tv_sec * 1000000000 + started.tv_nsec);
    rc = tell_cuts(self, created, err);
    for (size_t i = 0; rc == 0 && i < self->count; i++)
        rc = make_member(&self->members[i], err);
    kst_auto_json struct kst_json *status = kst_json_make(
        "{'boundVolumeGroupSnapshotContentName':%s,'creationTime':%s,'readyToUse':true,"
        "'error':null}",
        self->content, created);
    return rc < 0 ? rc : patch_status(self, status, err);
}

/* ---- All of it ---- */

static int work_on(struct group *self, int64_t *again_ms, struct kst_err **err)
{
    if (!self->object)
        return kst_csi_wake_members(self->csi, self->ns, self->name, err);
    self->content = kst_asprintf("groupsnapcontent-%s", uid_of(self));
    if (kst_json_path_str(self->object, "metadata.deletionTimestamp"))
        return kst_csi_end_group(self->csi, self->object, self->content, again_ms, err);
    if (kst_json_path_str(self->object, "status.creationTime"))
        return 0;
    int rc = kst_csi_set_finalizer(self->csi, self->csi->group_resource, self->object,
                                   KST_CSI_GROUP_BOUND, true, NULL, err);
    return rc < 0 ? rc : make(self, err);
}

int kst_csi_reconcile_group(struct kst_csi *csi, const char *ns, const char *name,
                            int64_t *again_ms, struct kst_err **err)
{
    struct group group = {.csi = csi, .ns = ns, .name = name};
    int rc = kst_csi_find_object(csi, csi->group_resource, ns, name, &group.object, err);
    if (rc == 0)
        rc = kst_csi_forget_not_found(work_on(&group, again_ms, err), err);
    for (size_t i = 0; i < group.count; i++) {
        free(group.members[i].name);
        free(group.members[i].content);
        free(group.members[i].handle);
        free(group.members[i].size);
    }
    free(group.members);
    free(group.content);
    free(group.policy);
    kst_json_free(group.object);
    kst_json_free(group.claims);
    return rc;
}
