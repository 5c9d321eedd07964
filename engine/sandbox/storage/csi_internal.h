/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the storage share: external-provisioner (csi_provision.c), snapshot-controller
 * (csi_snapshot.c), csi-snapshotter and driver (csi_content.c); the groups of the last three
 * (csi_group.c).
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
/* The finalizer of a content. */
#define KST_CSI_CONTENT_BOUND    KST_CSI_SNAPSHOTS "volumesnapshotcontent-bound-protection"

enum { KST_CSI_LOOK_AGAIN_MS = 500 };

struct kst_csi {
    struct kst_kube *kube;
    char *volumes, *log;
    bool quiet;
    void (*hold)(void *arg, const char *volume);
    void (*release)(void *arg, const char *volume);
    void *arg;
    const struct kst_kube_resource *group_resource; /* of VolumeGroupSnapshots */
    struct kst_csi_controller *claims, *pvs, *snapshots, *contents, *groups;
    struct kst_cond changed; /* a controller has seen all that there is, or nothing is left of it */
    struct kst_fiber *leases;
};

/* What each of the controllers does for one of its objects. */
kst_csi_reconcile_fn kst_csi_reconcile_claim, kst_csi_reconcile_pv, kst_csi_reconcile_snapshot,
    kst_csi_reconcile_content, kst_csi_reconcile_group;

/* csi_snapshot.c: what the snapshot-controller does for a content whose VolumeSnapshot (`snapshot`,
 * NULL where there is none) is gone or goes: it stays under protection, or the sidecar is told. */
int kst_csi_keep_content(struct kst_csi *csi, const struct kst_json *content,
                         const struct kst_json *snapshot, struct kst_err **err);

/* csi_lease.c: keeps the Leases by which the controllers say that they live, until it is cancelled;
 * the argument is the kst_csi. */
int kst_csi_keep_leases(void *arg, struct kst_err **err);

/* The name of the VolumeGroupSnapshot that owns a VolumeSnapshot, or NULL. */
const char *kst_csi_group_of(const struct kst_json *snapshot);

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
