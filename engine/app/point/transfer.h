/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A restore point in a directory: the members of its archive as files, and restore-point.yaml, the
 * RestorePoint without what the API server gives it. Its snapshots are not in it.
 */
#ifndef KST_APP_POINT_TRANSFER_H
#define KST_APP_POINT_TRANSFER_H

struct kst_err;
struct kst_json;
struct kst_kube;

#define KST_POINT_FILE "restore-point.yaml"

/* Writes a RestorePoint (its object) into a directory, which is made where it is absent, and reads
 * it back from there. *index (the caller frees it) is the archive's. What is there already must be
 * the same: KST_E_EXISTS. KST_E_PARSE where the archive is damaged. Yields. */
int kst_point_save(struct kst_kube *kube, const struct kst_json *point, const char *dir,
                   struct kst_json **index, struct kst_err **err);
/* Makes the RestorePoint and its Secrets of a directory, after its archive was read as a whole.
 * *point (the caller frees it) is the object as it is then. Its volumes are marked as being
 * elsewhere. One that is there already is completed where it is the same, else KST_E_EXISTS.
 * KST_E_NOT_FOUND and KST_E_PARSE tell what is missing in the directory or wrong with it. Yields.
 */
int kst_point_load(struct kst_kube *kube, const char *home, const char *dir,
                   struct kst_json **point, struct kst_err **err);

#endif
