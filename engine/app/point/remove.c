/* SPDX-License-Identifier: Apache-2.0 */
#include "app/point/remove.h"

#include "app/backup/volume_group.h"
#include "app/point/point.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "kube/watch.h"
#include "loop/fiber.h"
#include <stdlib.h>

enum { AT_ONCE = 16, GONE_TIMEOUT_MS = 5 * 60 * 1000 };

/* By these annotations the snapshot-controller tells the sidecar that a content goes because its
 * VolumeSnapshot does: without them, a content that is deleted by itself stays for ever.
 * https://github.com/kubernetes-csi/external-snapshotter/blob/master/pkg/utils/util.go */
static const char being_deleted[] = "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted";
static const char group_being_deleted[] =
    "groupsnapshot.storage.kubernetes.io/volumegroupsnapshot-being-deleted";

/* An object on its way out. */
struct removal {
    struct kst_kube *kube;
    const char *ns, *run;
    const struct kst_json *row; /* of status.volumes */
    const struct kst_kube_resource *groups, *group_contents;
    char *complaint; /* the driver's last */
};

static bool is_of_run(const struct removal *self, const struct kst_json *object)
{
    return kst_same(kst_json_str(
                        kst_json_get(kst_json_path(object, "metadata.labels"), "kassette.io/run")),
                    self->run);
}

/* 0 and *out NULL where it is not there. */
static int find(struct removal *self, const struct kst_kube_resource *resource, const char *ns,
                const char *name, struct kst_json **out, struct kst_err **err)
{
    struct kst_err *cause = NULL;
    int rc = kst_kube_get(self->kube, resource, ns, name, out, &cause);
    if (rc != KST_E_NOT_FOUND)
        return rc < 0 ? kst_err_move(err, &cause) : 0;
    kst_err_clear(&cause);
    return 0;
}

static int is_gone(void *arg, const struct kst_json *object, struct kst_err **err)
{
    struct removal *self = arg;
    const char *complaint = kst_json_path_str(object, "status.error.message");
    if (complaint) {
        free(self->complaint);
        self->complaint = kst_strdup(complaint);
    }
    return object == NULL;
}

static int await_gone(struct removal *self, const struct kst_kube_resource *resource,
                      const char *ns, const char *name, struct kst_err **err)
{
    int rc = kst_watch_until(self->kube, resource, ns, name, is_gone, self,
                             kst_deadline_in_ms(GONE_TIMEOUT_MS), "to be deleted", NULL, err);
    if (rc != KST_E_TIMEOUT)
        return rc;
    kst_err_clear(err);
    kst_err_set(err, rc, "%s%s%s/%s was not deleted in time%s%s", resource->kind, ns ? "/" : "",
                ns ? ns : "", name,
                self->complaint ? ": the driver says: "
                                : ": neither the snapshot-controller nor the driver says why",
                self->complaint ? self->complaint : "");
    kst_err_reason(err, "SnapshotNotDeleted");
    kst_err_hint(err, "see kubectl describe %s %s%s%s, and try again", resource->singular, name,
                 ns ? " -n " : "", ns ? ns : "");
    return rc;
}

/* Deletes what was looked at, not what may have its name since. */
static int delete_object(struct removal *self, const struct kst_kube_resource *resource,
                         const char *ns, const struct kst_json *object, struct kst_err **err)
{
    const char *name = kst_json_path_str(object, "metadata.name");
    const struct kst_kube_delete_options options = {
        .grace_seconds = -1,
        .uid = kst_json_path_str(object, "metadata.uid"),
    };
    struct kst_err *cause = NULL;
    int rc = kst_kube_delete(self->kube, resource, ns, name, &options, &cause);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(&cause);
        return 0;
    }
    return rc < 0 ? kst_err_move(err, &cause) : await_gone(self, resource, ns, name, err);
}

/* A merge patch; that the object has gone meanwhile is all the better. */
static int patch(struct removal *self, const struct kst_kube_resource *resource, const char *name,
                 const struct kst_json *body, struct kst_err **err)
{
    struct kst_err *cause = NULL;
    int rc = kst_kube_merge(self->kube, resource, NULL, name, NULL, body, NULL, &cause);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(&cause);
        return 0;
    }
    return rc < 0 ? kst_err_move(err, &cause) : 0;
}

/* Whether a content is the one of the row: its name was given by the snapshot-controller, but a
 * cluster may have been rebuilt. */
static bool is_of_row(const struct removal *self, const struct kst_json *content)
{
    const char *handle = kst_json_path_str(self->row, "handle");
    const char *is = kst_json_path_str(content, "status.snapshotHandle");
    const char *snapshot = kst_json_path_str(self->row, "snapshot");
    return kst_same(kst_json_path_str(content, "spec.volumeSnapshotRef.namespace"), self->ns) &&
           (!snapshot ||
            kst_same(kst_json_path_str(content, "spec.volumeSnapshotRef.name"), snapshot)) &&
           (!handle || !is || kst_same(handle, is));
}

/* ---- One volume ---- */

static int unprotect(struct removal *self, const struct kst_kube_resource *resource,
                     const struct kst_json *content, struct kst_err **err)
{
    if (kst_same(kst_json_path_str(content, "spec.deletionPolicy"), "Delete"))
        return 0;
    kst_auto_json struct kst_json *body = kst_json_make("{'spec':{'deletionPolicy':'Delete'}}");
    return patch(self, resource, kst_json_path_str(content, "metadata.name"), body, err);
}

/* The content of a VolumeSnapshot that is not there any more. */
static int remove_content(struct removal *self, const struct kst_kube_resource *resource,
                          const char *name, const char *annotation, struct kst_err **err)
{
    kst_auto_json struct kst_json *content = NULL;
    int rc = find(self, resource, NULL, name, &content, err);
    if (rc < 0 || !content)
        return rc;
    kst_auto_json struct kst_json *body = kst_json_make(
        "{'metadata':{'annotations':{%s:'yes'}},'spec':{'deletionPolicy':'Delete'}}", annotation);
    rc = patch(self, resource, name, body, err);
    return rc < 0 ? rc : delete_object(self, resource, NULL, content, err);
}

static int remove_snapshot(struct removal *self, const struct kst_json *content,
                           struct kst_err **err)
{
    const char *name = kst_json_path_str(self->row, "snapshot");
    kst_auto_json struct kst_json *snapshot = NULL;
    int rc = name ? find(self, &kst_res_snapshots, self->ns, name, &snapshot, err) : 0;
    if (rc < 0 || !snapshot)
        return rc;
    const char *uid = kst_json_path_str(content, "spec.volumeSnapshotRef.uid");
    if (!is_of_run(self, snapshot) ||
        (uid && *uid && !kst_same(kst_json_path_str(snapshot, "metadata.uid"), uid)))
        return 0; /* somebody else's, of the same name */
    return delete_object(self, &kst_res_snapshots, self->ns, snapshot, err);
}

static int remove_volume(void *arg, struct kst_err **err)
{
    struct removal *self = arg;
    const char *name = kst_json_path_str(self->row, "content");
    kst_auto_json struct kst_json *content = NULL;
    int rc = name ? find(self, &kst_res_snapshot_contents, NULL, name, &content, err) : 0;
    if (rc < 0)
        return rc;
    if (content && !is_of_row(self, content)) {
        kst_log(KST_LOG_WARN, "a VolumeSnapshotContent is not of this restore point, and stays",
                "content", name, "run", self->run, NULL);
        return 0;
    }
    if (content)
        rc = unprotect(self, &kst_res_snapshot_contents, content, err);
    if (rc == 0)
        rc = remove_snapshot(self, content, err);
    if (rc == 0 && content)
        rc = remove_content(self, &kst_res_snapshot_contents, name, being_deleted, err);
    return rc < 0 ? kst_err_wrap(err, rc, "snapshot of claim %s",
                                 kst_json_path_str(self->row, "claim"))
                  : 0;
}

/* ---- Groups ---- */

/* The members go with their group, and the driver deletes them by it: it comes first. */
static int remove_group(void *arg, struct kst_err **err)
{
    struct removal *self = arg;
    const char *name = kst_json_path_str(self->row, "group");
    const char *bound = kst_json_path_str(self->row, "groupContent");
    kst_auto_json struct kst_json *group = NULL, *content = NULL;
    int rc = self->groups ? find(self, self->groups, self->ns, name, &group, err) : 0;
    if (rc == 0 && bound && self->group_contents)
        rc = find(self, self->group_contents, NULL, bound, &content, err);
    if (rc == 0 && content)
        rc = unprotect(self, self->group_contents, content, err);
    if (rc == 0 && group && is_of_run(self, group))
        rc = delete_object(self, self->groups, self->ns, group, err);
    if (rc == 0 && content)
        rc = remove_content(self, self->group_contents, bound, group_being_deleted, err);
    return rc < 0 ? kst_err_wrap(err, rc, "group %s", name) : 0;
}

static int unprotect_member(void *arg, struct kst_err **err)
{
    struct removal *self = arg;
    const char *name = kst_json_path_str(self->row, "content");
    kst_auto_json struct kst_json *content = NULL;
    int rc = name ? find(self, &kst_res_snapshot_contents, NULL, name, &content, err) : 0;
    return rc < 0 || !content || !is_of_row(self, content)
               ? rc
               : unprotect(self, &kst_res_snapshot_contents, content, err);
}

static bool is_member(const struct removal *all, size_t index)
{
    return kst_json_get(all[index].row, "group") != NULL;
}

/* Of each group the first row. */
static bool leads(const struct removal *all, size_t index)
{
    const char *group = kst_json_path_str(all[index].row, "group");
    for (size_t i = 0; group && i < index; i++) {
        if (kst_same(kst_json_path_str(all[i].row, "group"), group))
            return false;
    }
    return group != NULL;
}

static bool any(const struct removal *all, size_t index)
{
    return true;
}

static int for_all(struct removal *all, size_t count,
                   bool (*take)(const struct removal *all, size_t index),
                   int (*each)(void *arg, struct kst_err **err), struct kst_err **err)
{
    if (!count)
        return 0;
    struct kst_group *group = kst_group_new(kst_kube_loop(all->kube), false);
    kst_group_limit(group, AT_ONCE);
    for (size_t i = 0; i < count; i++) {
        if (take(all, i))
            kst_group_spawn(group, "remove", each, &all[i]);
    }
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    return rc;
}

static int remove_groups(struct removal *all, size_t count, struct kst_err **err)
{
    const struct kst_kube_resource *groups = NULL, *contents = NULL;
    bool has_groups = false;
    for (size_t i = 0; i < count; i++)
        has_groups = has_groups || is_member(all, i);
    if (!has_groups)
        return 0;
    int rc = kst_volume_group_resource(all->kube, "VolumeGroupSnapshot", &groups, err);
    if (rc == 0)
        rc = kst_volume_group_resource(all->kube, "VolumeGroupSnapshotContent", &contents, err);
    for (size_t i = 0; i < count; i++) {
        all[i].groups = groups;
        all[i].group_contents = contents;
    }
    if (rc == 0)
        rc = for_all(all, count, is_member, unprotect_member, err);
    return rc < 0 ? rc : for_all(all, count, leads, remove_group, err);
}

int kst_point_remove_volumes(struct kst_kube *kube, const char *ns, const char *run,
                             const struct kst_json *rows, struct kst_err **err)
{
    size_t count = kst_json_len(rows);
    kst_auto_free struct removal *all = kst_calloc(count, sizeof(*all));
    for (size_t i = 0; i < count; i++)
        all[i] = (struct removal){.kube = kube, .ns = ns, .run = run, .row = kst_json_at(rows, i)};
    int rc = remove_groups(all, count, err);
    if (rc == 0)
        rc = for_all(all, count, any, remove_volume, err);
    for (size_t i = 0; i < count; i++)
        free(all[i].complaint);
    return rc;
}

/* ---- The point itself ---- */

struct departing {
    struct kst_kube *kube;
    const char *home, *name, *uid;
};

static int without_finalizer(void *arg, struct kst_err **err)
{
    const struct departing *self = arg;
    kst_auto_json struct kst_json *point = NULL;
    int rc = kst_kube_get(self->kube, &kst_res_restorepoints, self->home, self->name, &point, err);
    if (rc < 0 || !kst_same(kst_json_path_str(point, "metadata.uid"), self->uid))
        return rc;
    struct kst_json *left = kst_json_array();
    const struct kst_json *all = kst_json_path(point, "metadata.finalizers");
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        if (!kst_same(kst_json_str(row), KST_POINT_FINALIZER))
            kst_json_push(left, kst_json_dup(row));
    }
    if (kst_json_len(left) == kst_json_len(all)) {
        kst_json_free(left);
        return 0;
    }
    kst_auto_json struct kst_json *patch = kst_json_make(
        "{'metadata':{'resourceVersion':%s}}",
        kst_json_path_str(point, "metadata.resourceVersion"));
    kst_json_set(kst_json_mut(patch, "metadata"), "finalizers", left);
    return kst_kube_patch(self->kube, &kst_res_restorepoints, self->home, self->name, NULL,
                          KST_PATCH_MERGE, patch, NULL, err);
}

static int take_finalizer(struct kst_kube *kube, const char *home, const char *name,
                          const char *uid, struct kst_err **err)
{
    struct departing self = {.kube = kube, .home = home, .name = name, .uid = uid};
    struct kst_err *cause = NULL;
    int rc = kst_kube_over_conflicts(without_finalizer, &self, &cause);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(&cause);
        return 0;
    }
    return rc < 0 ? kst_err_move(err, &cause) : 0;
}

struct departure {
    const char *uid;
    char *held_by; /* the first of the finalizers that are left */
};

static int has_left(void *arg, const struct kst_json *object, struct kst_err **err)
{
    struct departure *self = arg;
    free(self->held_by);
    self->held_by = kst_strdup(kst_json_path_str(object, "metadata.finalizers.0"));
    return !object || !kst_same(kst_json_path_str(object, "metadata.uid"), self->uid);
}

int kst_point_remove_object(struct kst_kube *kube, const struct kst_json *point,
                            struct kst_err **err)
{
    const char *home = kst_json_path_str(point, "metadata.namespace");
    const char *name = kst_json_path_str(point, "metadata.name");
    struct departure departure = {.uid = kst_json_path_str(point, "metadata.uid")};
    const struct kst_kube_delete_options options = {.grace_seconds = -1, .uid = departure.uid};
    struct kst_err *cause = NULL;
    int rc = kst_kube_delete(kube, &kst_res_restorepoints, home, name, &options, &cause);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(&cause);
        return 0;
    }
    if (rc < 0)
        return kst_err_move(err, &cause);
    rc = take_finalizer(kube, home, name, departure.uid, err);
    if (rc == 0)
        rc = kst_watch_until(kube, &kst_res_restorepoints, home, name, has_left, &departure,
                             kst_deadline_in_ms(GONE_TIMEOUT_MS), "to be deleted", NULL, err);
    if (rc == KST_E_TIMEOUT && departure.held_by)
        kst_err_wrap(err, rc, "the finalizer %s holds it", departure.held_by);
    free(departure.held_by);
    return rc;
}
