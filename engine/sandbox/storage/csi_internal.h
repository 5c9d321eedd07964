/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the storage share: external-provisioner (csi_provision.c), snapshot-controller
 * (csi_snapshot.c), csi-snapshotter and driver (csi_content.c); the groups of the last three
 * (csi_group.c, csi_group_end.c).
 */
#ifndef KST_SANDBOX_STORAGE_CSI_INTERNAL_H
#define KST_SANDBOX_STORAGE_CSI_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "loop/fiber.h"
#include "sandbox/storage/csi.h"
#include "sandbox/storage/csi_controller.h"

struct kst_json;
struct kst_kube_resource;

#define KST_CSI_SNAPSHOTS        "snapshot.storage.kubernetes.io/"
/* The annotations by which both controllers speak of a content. */
#define KST_CSI_BEING_CREATED    KST_CSI_SNAPSHOTS "volumesnapshot-being-created"
#define KST_CSI_BEING_DELETED    KST_CSI_SNAPSHOTS "volumesnapshot-being-deleted"
#define KST_CSI_SECRET_NAME      KST_CSI_SNAPSHOTS "deletion-secret-name"
#define KST_CSI_SECRET_NAMESPACE KST_CSI_SNAPSHOTS "deletion-secret-namespace"
/* On the content of a member of a group. */
#define KST_CSI_GROUP_HANDLE     "groupsnapshot.storage.kubernetes.io/volumeGroupSnapshotHandle"
/* On a group's content: that its VolumeGroupSnapshot goes. The finalizers of both. */
#define KST_CSI_GROUP_BEING_DELETED \
    "groupsnapshot.storage.kubernetes.io/volumegroupsnapshot-being-deleted"
#define KST_CSI_GROUP_CONTENT_BOUND \
    "groupsnapshot.storage.kubernetes.io/volumegroupsnapshotcontent-bound-protection"
#define KST_CSI_GROUP_BOUND \
    "groupsnapshot.storage.kubernetes.io/volumegroupsnapshot-bound-protection"
/* The finalizers of a VolumeSnapshot, the last one of a member of a group. */
#define KST_CSI_AS_SOURCE     KST_CSI_SNAPSHOTS "volumesnapshot-as-source-protection"
#define KST_CSI_BOUND         KST_CSI_SNAPSHOTS "volumesnapshot-bound-protection"
#define KST_CSI_IN_GROUP      KST_CSI_SNAPSHOTS "volumesnapshot-in-group-protection"
/* The finalizer of a content. */
#define KST_CSI_CONTENT_BOUND KST_CSI_SNAPSHOTS "volumesnapshotcontent-bound-protection"

enum { KST_CSI_LOOK_AGAIN_MS = 500 };

struct kst_csi {
    struct kst_kube *kube;
    char *volumes, *log;
    bool quiet;
    void (*hold)(void *arg, const char *volume);
    void (*release)(void *arg, const char *volume);
    void *arg;
    /* Of VolumeGroupSnapshots, their contents and classes. */
    const struct kst_kube_resource *group_resource, *group_contents_resource, *group_class_resource;
    struct kst_csi_controller *claims, *pvs, *snapshots, *contents, *groups, *group_contents;
    struct kst_cond changed; /* a controller has seen all that there is, or nothing is left of it */
    struct kst_fiber *leases;
};

/* What each of the controllers does for one of its objects. */
kst_csi_reconcile_fn kst_csi_reconcile_claim, kst_csi_reconcile_pv, kst_csi_reconcile_snapshot,
    kst_csi_reconcile_content, kst_csi_reconcile_group, kst_csi_reconcile_group_content;

/* csi_snapshot.c: what the snapshot-controller does for a content whose VolumeSnapshot (`snapshot`,
 * NULL where there is none) is gone or goes: it stays under protection, or the sidecar is told. */
int kst_csi_keep_content(struct kst_csi *csi, const struct kst_json *content,
                         const struct kst_json *snapshot, struct kst_err **err);

/* csi_lease.c: keeps the Leases by which the controllers say that they live, until it is cancelled;
 * the argument is the kst_csi. */
int kst_csi_keep_leases(void *arg, struct kst_err **err);

/* The name of the VolumeGroupSnapshot that owns a VolumeSnapshot, or NULL. */
const char *kst_csi_group_of(const struct kst_json *snapshot);
/* csi_group_end.c: ends a VolumeGroupSnapshot that is being deleted, whose content has this name;
 * and has the members look again that waited for its end. */
int kst_csi_end_group(struct kst_csi *csi, const struct kst_json *object, const char *content,
                      int64_t *again_ms, struct kst_err **err);
int kst_csi_wake_members(struct kst_csi *csi, const char *ns, const char *name,
                         struct kst_err **err);
/* csi_snapshot.c: whether a claim is being filled from a VolumeSnapshot. */
int kst_csi_is_being_restored(struct kst_csi *csi, const char *ns, const char *snapshot,
                              bool *answer, struct kst_err **err);
/* csi_content.c: keeps beside a cut when it was made and how large its volume is, for contents that
 * are made by hand; `group`: the handle of the group that it is part of, or NULL. */
int kst_csi_write_note(const char *cut, int64_t created_ns, int64_t bytes, const char *group,
                       struct kst_err **err);
/* Removes a cut with its note; a handle that leads nowhere is none. */
int kst_csi_remove_cut(struct kst_csi *csi, const char *handle, struct kst_err **err);

/* The data of ConfigMap kube-system/dircsi-faults, for kst_storage_fault(); NULL where there is
 * none. Read anew for each look at an object. */
struct kst_json *kst_csi_faults(struct kst_csi *csi);

static inline bool is(const char *text, const char *wanted) /* NULL is nothing */
{
    return text && wanted && strcmp(text, wanted) == 0;
}
/* An annotation, or NULL. */
const char *kst_csi_annotation(const struct kst_json *object, const char *name);
/* Go's %q of a text; the caller frees it. */
char *kst_csi_quoted(const char *text);
/* 0 where it is not there: its purpose is done. */
int kst_csi_forget_not_found(int rc, struct kst_err **err);
/* An object that may be missing: 0, and *object NULL. */
int kst_csi_find_object(struct kst_csi *csi, const struct kst_kube_resource *resource,
                        const char *ns, const char *name, struct kst_json **object,
                        struct kst_err **err);

/* Whether metadata.finalizers has it; and the list with or without it, put there by a patch.
 * *fresh (may be NULL) becomes the object as it is then. KST_E_CONFLICT where another was quicker.
 */
bool kst_csi_has_finalizer(const struct kst_json *object, const char *finalizer);
int kst_csi_set_finalizer(struct kst_csi *csi, const struct kst_kube_resource *resource,
                          const struct kst_json *object, const char *finalizer, bool there,
                          struct kst_json **fresh, struct kst_err **err);
/* kst_storage_cut() and kst_storage_remove() in threads of their own: the fiber yields until they
 * are done, whatever it is told meanwhile. What uses the volume is held where a cut takes time. */
int kst_csi_cut(struct kst_csi *csi, const char *from, const char *to, bool read_only,
                struct kst_err **err);
int kst_csi_remove(struct kst_csi *csi, const char *path, struct kst_err **err);

#endif
