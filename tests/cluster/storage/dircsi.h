/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the storage stand-in share: external-provisioner (provision.c),
 * snapshot-controller (snapshot.c), csi-snapshotter and driver (content.c); the groups of the last
 * three (group.c).
 */
#ifndef KST_TESTS_CLUSTER_STORAGE_DIRCSI_H
#define KST_TESTS_CLUSTER_STORAGE_DIRCSI_H

#include <stdbool.h>
#include <stdint.h>

#include "controller.h"

struct kst_json;

#define DRIVER           "dir.csi.kassette.test"
#define SNAPSHOTS        "snapshot.storage.kubernetes.io/"
/* The annotations by which both controllers speak of a content. */
#define BEING_CREATED    SNAPSHOTS "volumesnapshot-being-created"
#define BEING_DELETED    SNAPSHOTS "volumesnapshot-being-deleted"
#define SECRET_NAME      SNAPSHOTS "deletion-secret-name"
#define SECRET_NAMESPACE SNAPSHOTS "deletion-secret-namespace"
/* On the content of a member of a group. */
#define GROUP_HANDLE     "groupsnapshot.storage.kubernetes.io/volumeGroupSnapshotHandle"
/* The finalizer of a content. */
#define CONTENT_BOUND    SNAPSHOTS "volumesnapshotcontent-bound-protection"

enum { LOOK_AGAIN_MS = 500 };

extern struct dircsi {
    const char *volumes; /* the directory of all volumes */
    const char *cuts;    /* the log of cuts */
    struct controller *claims, *pvs, *snapshots, *contents, *groups;
} dircsi;

reconcile_fn reconcile_claim, reconcile_pv, reconcile_snapshot, reconcile_content, reconcile_group;

/* The name of the VolumeGroupSnapshot that owns a VolumeSnapshot, or NULL. */
const char *group_of(const struct kst_json *snapshot);
/* The resource of VolumeGroupSnapshots; the CRDs of manifests/crds must be there. */
int find_group_resource(struct kst_kube *kube, const struct kst_kube_resource **out,
                        struct kst_err **err);

/* The data of ConfigMap kube-system/dircsi-faults, for kst_storage_fault(); NULL where there is
 * none. Read anew for each look at an object. */
struct kst_json *read_faults(struct kst_kube *kube);

bool is(const char *text, const char *wanted); /* NULL is nothing */
/* An annotation, or NULL. */
const char *annotation(const struct kst_json *object, const char *name);
/* Go's %q of a text; the caller frees it. */
char *quoted(const char *text);
/* 0 where it is not there: its purpose is done. */
int forget_not_found(int rc, struct kst_err **err);
/* An object that may be missing: 0, and *object NULL. */
int find_object(struct kst_kube *kube, const struct kst_kube_resource *resource, const char *ns,
                const char *name, struct kst_json **object, struct kst_err **err);

/* Whether metadata.finalizers has it; and the list with or without it, put there by a patch.
 * *fresh (may be NULL) becomes the object as it is then. KST_E_CONFLICT where another was quicker.
 */
bool has_finalizer(const struct kst_json *object, const char *finalizer);
int set_finalizer(struct kst_kube *kube, const struct kst_kube_resource *resource,
                  const struct kst_json *object, const char *finalizer, bool there,
                  struct kst_json **fresh, struct kst_err **err);
/* Cuts in a thread of its own, the fiber yields. */
int cut_volume(const char *from, const char *to, bool read_only, struct kst_err **err);

#endif
