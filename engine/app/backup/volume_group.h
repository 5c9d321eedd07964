/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VolumeGroupSnapshots: the storage system itself cuts several volumes at one moment. They are used
 * where the cluster serves them and a VolumeGroupSnapshotClass exists for the driver of at least
 * two of the volumes that are cut together.
 * https://kubernetes.io/blog/2024/12/18/kubernetes-1-32-volume-group-snapshot-beta/
 *
 * A group finds its claims by a label, which they are given before the freeze and lose after it.
 * The VolumeSnapshots of its members are made by the snapshot-controller, with names of its own;
 * they are found by their owner and claim.
 */
#ifndef KST_APP_BACKUP_VOLUME_GROUP_H
#define KST_APP_BACKUP_VOLUME_GROUP_H

#include <stddef.h>
#include <stdint.h>

#include "run/run.h"

struct kst_kube_resource;
struct kst_watch;

/* The resource of a kind of groupsnapshot.storage.k8s.io in the version that the server prefers;
 * NULL where it serves none. Yields. */
int kst_volume_group_resource(struct kst_kube *kube, const char *kind,
                              const struct kst_kube_resource **out, struct kst_err **err);
/* Sets groupClass on those rows of status.volumes whose driver has a class. Yields. KST_E_REFUSED
 * where several classes could be meant. */
int kst_volume_group_plan(struct kst_run *run, struct kst_json *rows, struct kst_err **err);
/* Labels the claims of these rows for the group, and notes it in the rows. Yields. */
int kst_volume_group_join(struct kst_run *run, struct kst_json *const *rows, size_t count,
                          const char *group, struct kst_err **err);
/* Takes the label from all claims of status.volumes that are noted as labelled; what cannot be done
 * is logged. Yields. */
void kst_volume_group_leave(struct kst_run *run);
/* Creates the group, of this attempt. Yields. */
int kst_volume_group_create(struct kst_run *run, const char *group, const char *class,
                            const struct kst_json *labels, struct kst_err **err);
/* Prepares a watch of the groups that `selector` selects; freed by the caller. Yields (discovery).
 */
int kst_volume_group_watch(struct kst_run *run, const char *selector, struct kst_watch **out,
                           struct kst_err **err);
/* After the cut: waits until every row that has a group has the VolumeSnapshot of its claim too
 * (row.snapshot), and gives those the labels of the run. Yields. */
int kst_volume_group_resolve(struct kst_run *run, struct kst_err **err);
/* Deletes the groups that `selector` selects with their members, and waits until they are gone.
 * Yields. */
int kst_volume_group_remove(struct kst_run *run, const char *selector, struct kst_err **err);

#endif
