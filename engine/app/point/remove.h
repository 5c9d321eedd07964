/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a restore point: its snapshots, and its finalizer. */
#ifndef KST_APP_POINT_REMOVE_H
#define KST_APP_POINT_REMOVE_H

struct kst_err;
struct kst_json;
struct kst_kube;

/* Removes the snapshots of these rows (status.volumes of a Run or a RestorePoint) whatever the
 * deletionPolicy of their contents is, and yields until they are gone from the cluster, which is
 * when the driver has deleted them. `ns` is the application's namespace, which may be gone, `run`
 * the Run that cut them: what has their names and is not of this Run stays. Idempotent. Yields.
 * KST_E_TIMEOUT says what the driver says. */
int kst_point_remove_volumes(struct kst_kube *kube, const char *ns, const char *run,
                             const struct kst_json *rows, struct kst_err **err);
/* Deletes the RestorePoint itself, whose snapshots are gone: takes the finalizer away, and yields
 * until it is gone. Idempotent. */
int kst_point_remove_object(struct kst_kube *kube, const struct kst_json *point,
                            struct kst_err **err);

#endif
