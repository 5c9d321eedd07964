/* SPDX-License-Identifier: Apache-2.0 */
/* Claims, snapshots and files for the tests of the storage, in the cluster of cluster_fixture.h. */
#ifndef KST_TESTS_UNIT_STORAGE_FIXTURE_H
#define KST_TESTS_UNIT_STORAGE_FIXTURE_H

struct cluster;

enum { STORAGE_WAIT_MS = 30000, STORAGE_TURN_MS = 5 };

/* A claim of a class, from a snapshot where `snapshot` is not NULL. */
void storage_ask_claim(struct cluster *self, const char *name, const char *class,
                       const char *snapshot);
/* The same of the class "dir", with its volume. */
void storage_make_claim(struct cluster *self, const char *name, const char *snapshot);
/* A VolumeSnapshot; `class` may be NULL. */
void storage_snapshot(struct cluster *self, const char *name, const char *claim, const char *class);
/* The faults of the storage, as kst_json_make() reads them; and none again. */
void storage_set_faults(struct cluster *self, const char *data);
void storage_clear_faults(struct cluster *self);

/* The path of a file in the claim's volume; the caller frees it. */
char *storage_in_volume(struct cluster *self, const char *claim, const char *file);
void storage_put(struct cluster *self, const char *claim, const char *file, const char *text);
/* What a file of the claim's volume holds, NULL where it is not there; the caller frees it. */
char *storage_get(struct cluster *self, const char *claim, const char *file);
/* Until there is nothing at a path, and until an Event has been told. */
void storage_await_gone(const char *path);
void storage_await_said(struct cluster *self, const char *name, const char *reason,
                        const char *message);

#endif
