/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes as directories, and cuts of them: what the stand-ins for CSI drivers are made of. On
 * btrfs a volume is a subvolume and a cut is atomic, as a block snapshot is. Elsewhere it is a copy
 * (sharing blocks where the file system can), which is no cut of a volume that is being written.
 *
 * All of these block; the cluster's stand-in calls them from threads of their own.
 */
#ifndef KST_SANDBOX_STORAGE_H
#define KST_SANDBOX_STORAGE_H

#include <stdbool.h>
#include <stdint.h>

struct kst_err;

/* Whether cuts of what lies in this directory are atomic (it is on btrfs). */
bool kst_storage_is_atomic(const char *directory);
/* Makes an empty volume that everybody may write to. KST_E_EXISTS, KST_E_IO. */
int kst_storage_create(const char *path, struct kst_err **err);
/* Cuts the volume `from` into `to`, which must not exist: read-only for a snapshot, writable for a
 * volume that is restored. KST_E_NOT_FOUND, KST_E_EXISTS, KST_E_IO; a cut that failed leaves
 * nothing. */
int kst_storage_cut(const char *from, const char *to, bool read_only, struct kst_err **err);
/* Removes a volume or a cut with all that it holds; one that is not there is removed already. */
int kst_storage_remove(const char *path, struct kst_err **err);
/* The bytes that its files have. */
int kst_storage_used(const char *path, int64_t *bytes, struct kst_err **err);
/* A Kubernetes quantity ("1Gi", "500M", "1e9", "1.5Ki") in bytes, rounded up; false where it is
 * none, or more than 2^62. */
bool kst_storage_parse_size(const char *text, int64_t *bytes);

#endif
