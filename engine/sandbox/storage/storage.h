/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes as directories, and cuts of them: what the stand-ins for CSI drivers are made of. On
 * btrfs a volume is a subvolume and a cut is atomic, as a block snapshot is. Elsewhere it is a copy
 * (sharing blocks where the file system can), which is no cut of a volume that is being written.
 *
 * All of these block; the cluster's stand-in calls them from threads of their own.
 */
#ifndef KST_SANDBOX_STORAGE_STORAGE_H
#define KST_SANDBOX_STORAGE_STORAGE_H

#include <stdbool.h>
#include <stdint.h>

struct kst_err;
struct kst_json;

/* Whether it can name a volume or a cut: letters, digits, "-", "_" and ".", not first. */
bool kst_storage_is_name(const char *name);
/* The path of what has this name (a CSI handle) in the directory of all volumes; the caller frees
 * it. KST_E_INVALID where it is no name. */
int kst_storage_path(const char *directory, const char *name, char **path, struct kst_err **err);
/* Whether this is the path of something that lies in the directory of all volumes itself. */
bool kst_storage_owns(const char *directory, const char *path);

/* Whether cuts of what lies in this directory are atomic (it is on btrfs). */
bool kst_storage_is_atomic(const char *directory);
/* Makes an empty volume that everybody may write to. KST_E_EXISTS, KST_E_IO. */
int kst_storage_create(const char *path, struct kst_err **err);
/* Cuts the volume `from` into `to`, which must not exist: read-only for a snapshot (as far as the
 * file system knows that), writable for a volume that is restored. A copy keeps owners, modes and
 * times, not hard links, holes, extended attributes, sockets or devices. KST_E_NOT_FOUND,
 * KST_E_EXISTS, KST_E_IO; a cut that failed or was killed leaves nothing under that name. */
int kst_storage_cut(const char *from, const char *to, bool read_only, struct kst_err **err);
/* Removes all volumes and cuts of the directory, and whatever else is in it; 0 where it is not
 * there. */
int kst_storage_clear(const char *directory, struct kst_err **err);
/* Removes a volume or a cut with all that it holds; one that is not there is removed already. */
int kst_storage_remove(const char *path, struct kst_err **err);
/* The bytes that its files have. */
int kst_storage_used(const char *path, int64_t *bytes, struct kst_err **err);
/* Bytes in the way that Kubernetes writes them ("1Gi", "1500"); the caller frees it. */
char *kst_storage_format_size(int64_t bytes);

/* Faults that are asked for: settings are an object of texts ("cutDelayMs": "500"); a key of one
 * claim ("NAMESPACE.CLAIM.cutDelayMs") wins over one of a namespace ("NAMESPACE.cutDelayMs"), and
 * that over one of all. The text, borrowed; NULL where it is not set, empty or "false". */
const char *kst_storage_fault(const struct kst_json *settings, const char *ns, const char *claim,
                              const char *key);
/* One in milliseconds; 0 where it is not set, or no number above 0. */
int64_t kst_storage_fault_ms(const struct kst_json *settings, const char *ns, const char *claim,
                             const char *key);

#endif
