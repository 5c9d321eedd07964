/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a group: its members go with it, and its content and their cuts where the policy says
 * so. Cuts of members are removed together, with the group's content.
 * https://github.com/kubernetes-csi/external-snapshotter/blob/master/pkg/common-controller/groupsnapshot_controller_helper.go
 */
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/event.h"
#include "kube/resource.h"
#include "sandbox/storage/csi_internal.h"

/* A VolumeGroupSnapshot that goes. */
struct ending {
    struct kst_csi *csi;
    const char *ns, *name;
    const struct kst_json *object;
    const char *content; /* the name of its content */
};

const char *kst_csi_group_of(const struct kst_json *snapshot)
{
    const struct kst_json *owners = kst_json_path(snapshot, "metadata.ownerReferences");
    for (const struct kst_json *row = kst_json_first(owners); row; row = kst_json_next(row)) {
        if (is(kst_json_path_str(row, "kind"), "VolumeGroupSnapshot"))
            return kst_json_path_str(row, "name");
    }
    return NULL;
}

/* Its members, all that are left of them. */
static int find_snapshots(const struct ending *self, struct kst_json **members,
                          struct kst_err **err)
{
    kst_auto_json struct kst_json *all = NULL;
    int rc = kst_kube_list(self->csi->kube, &kst_res_snapshots, self->ns, NULL, &all, NULL, err);
    *members = kst_json_array();
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        if (is(kst_csi_group_of(row), self->name))
            kst_json_push(*members, kst_json_dup(row));
    }
    return rc;
}

/* Whether a claim is being filled from one of them, which is told. */
static int is_busy(const struct ending *self, const struct kst_json *members, bool *busy,
                   struct kst_err **err)
{
    int rc = 0;
    for (const struct kst_json *row = kst_json_first(members); rc == 0 && row && !*busy;
         row = kst_json_next(row)) {
        const char *name = kst_json_path_str(row, "metadata.name");
        rc = kst_csi_is_being_restored(self->csi, self->ns, name, busy, err);
        if (rc < 0 || !*busy)
            continue;
        kst_auto_free char *text = kst_asprintf(
            "Snapshot %s/%s belonging to VolumeGroupSnapshot %s/%s is being used to restore a PVC",
            self->ns, name, self->ns, self->name);
        kst_event_emit(self->csi->kube, self->object, KST_EVENT_WARNING, "SnapshotDeletePending",
                       text);
    }
    return rc;
}

/* Has the content go, where its policy says so, or tells it that the group went without it. */
static int release_content(const struct ending *self, bool *goes, struct kst_err **err)
{
    const struct kst_kube_resource *resource = self->csi->group_contents_resource;
    kst_auto_json struct kst_json *content = NULL;
    int rc = kst_csi_find_object(self->csi, resource, NULL, self->content, &content, err);
    if (rc < 0 || !is(kst_json_path_str(content, "spec.volumeGroupSnapshotRef.uid"),
                      kst_json_path_str(self->object, "metadata.uid")))
        return rc;
    *goes = is(kst_json_path_str(content, "spec.deletionPolicy"), "Delete");
    if (!kst_csi_annotation(content, KST_CSI_GROUP_BEING_DELETED)) {
        kst_auto_json struct kst_json *patch = kst_json_make(
            "{'metadata':{'annotations':{%s:'yes'}}}", KST_CSI_GROUP_BEING_DELETED);
        rc = kst_kube_patch(self->csi->kube, resource, NULL, self->content, NULL, KST_PATCH_MERGE,
                            patch, NULL, err);
    }
    if (rc == 0 && *goes && !kst_json_path_str(content, "metadata.deletionTimestamp"))
        rc = kst_kube_delete(self->csi->kube, resource, NULL, self->content, NULL, err);
    return kst_csi_forget_not_found(rc, err);
}

static int remove_members(const struct ending *self, const struct kst_json *members,
                          struct kst_err **err)
{
    int rc = 0;
    for (const struct kst_json *row = kst_json_first(members); rc == 0 && row;
         row = kst_json_next(row)) {
        if (!kst_json_path_str(row, "metadata.deletionTimestamp"))
            rc = kst_csi_forget_not_found(
                kst_kube_delete(self->csi->kube, &kst_res_snapshots, self->ns,
                                kst_json_path_str(row, "metadata.name"), NULL, err),
                err);
    }
    return rc;
}

static int end(const struct ending *self, int64_t *again_ms, struct kst_err **err)
{
    kst_auto_json struct kst_json *members = NULL;
    bool busy = false, content_goes = false;
    if (!kst_csi_has_finalizer(self->object, KST_CSI_GROUP_BOUND))
        return 0;
    int rc = find_snapshots(self, &members, err);
    if (rc == 0)
        rc = is_busy(self, members, &busy, err);
    if (rc == 0 && busy) {
        *again_ms = KST_CSI_LOOK_AGAIN_MS;
        return 0;
    }
    if (rc == 0)
        rc = release_content(self, &content_goes, err);
    if (rc == 0)
        rc = remove_members(self, members, err);
    if (rc == 0 && !content_goes) /* else its end wakes us */
        rc = kst_csi_set_finalizer(self->csi, self->csi->group_resource, self->object,
                                   KST_CSI_GROUP_BOUND, false, NULL, err);
    return rc;
}

int kst_csi_end_group(struct kst_csi *csi, const struct kst_json *object, const char *content,
                      int64_t *again_ms, struct kst_err **err)
{
    const struct ending ending = {
        .csi = csi,
        .ns = kst_json_path_str(object, "metadata.namespace"),
        .name = kst_json_path_str(object, "metadata.name"),
        .object = object,
        .content = content,
    };
    return end(&ending, again_ms, err);
}

int kst_csi_wake_members(struct kst_csi *csi, const char *ns, const char *name,
                         struct kst_err **err)
{
    const struct ending self = {.csi = csi, .ns = ns, .name = name};
    kst_auto_json struct kst_json *members = NULL;
    int rc = find_snapshots(&self, &members, err);
    for (const struct kst_json *row = kst_json_first(members); row; row = kst_json_next(row))
        kst_csi_controller_poke(csi->snapshots, ns, kst_json_path_str(row, "metadata.name"));
    return rc;
}

/* ---- Contents ---- */

/* The driver's part of a content's end: the cuts of all members at once. */
static int remove_cuts(struct kst_csi *csi, const struct kst_json *content, struct kst_err **err)
{
    const struct kst_json *list = kst_json_path(content, "status.volumeSnapshotInfoList");
    int rc = 0;
    for (const struct kst_json *row = kst_json_first(list); rc == 0 && row;
         row = kst_json_next(row))
        rc = kst_csi_remove_cut(csi, kst_json_path_str(row, "snapshotHandle"), err);
    kst_auto_json struct kst_json *patch = kst_json_make(
        "{'status':{'volumeGroupSnapshotHandle':null,'readyToUse':null,'creationTime':null,"
        "'error':null}}");
    return rc < 0 ? rc
                  : kst_kube_patch(csi->kube, csi->group_contents_resource, NULL,
                                   kst_json_path_str(content, "metadata.name"), "status",
                                   KST_PATCH_MERGE, patch, NULL, err);
}

static int end_content(struct kst_csi *csi, const struct kst_json *content, struct kst_err **err)
{
    kst_auto_json struct kst_json *now = NULL;
    int rc = 0;
    if (is(kst_json_path_str(content, "spec.deletionPolicy"), "Delete") &&
        kst_json_path_str(content, "status.volumeGroupSnapshotHandle"))
        rc = remove_cuts(csi, content, err);
    if (rc == 0)
        rc = kst_csi_find_object(csi, csi->group_contents_resource, NULL,
                                 kst_json_path_str(content, "metadata.name"), &now, err);
    return rc < 0 || !now ? rc
                          : kst_csi_set_finalizer(csi, csi->group_contents_resource, now,
                                                  KST_CSI_GROUP_CONTENT_BOUND, false, NULL, err);
}

int kst_csi_reconcile_group_content(struct kst_csi *csi, const char *ns, const char *name,
                                    int64_t *again_ms, struct kst_err **err)
{
    kst_auto_json struct kst_json *content = NULL, *groups = NULL;
    int rc = kst_csi_find_object(csi, csi->group_contents_resource, NULL, name, &content, err);
    if (rc == 0 && kst_json_path_str(content, "metadata.deletionTimestamp") &&
        is(kst_json_path_str(content, "spec.driver"), KST_CSI_DRIVER) &&
        kst_csi_annotation(content, KST_CSI_GROUP_BEING_DELETED))
        rc = kst_csi_forget_not_found(end_content(csi, content, err), err);
    if (rc < 0 || content)
        return rc;
    /* A group that goes waits for its content, whose name is all that is left. */
    rc = kst_kube_list(csi->kube, csi->group_resource, NULL, NULL, &groups, NULL, err);
    for (const struct kst_json *row = kst_json_first(groups); row; row = kst_json_next(row)) {
        if (is(kst_json_path_str(row, "status.boundVolumeGroupSnapshotContentName"), name) ||
            kst_json_path_str(row, "metadata.deletionTimestamp"))
            kst_csi_controller_poke(csi->groups, kst_json_path_str(row, "metadata.namespace"),
                                    kst_json_path_str(row, "metadata.name"));
    }
    return rc;
}
