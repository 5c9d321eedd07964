/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of volumes.h share: sources (volumes_source.c), claims (volumes.c,
 * volumes_claim.c), and the ends (volumes_end.c). */
#ifndef KST_APP_RESTORE_VOLUMES_INTERNAL_H
#define KST_APP_RESTORE_VOLUMES_INTERNAL_H

#include "app/restore/volumes.h"
#include "loop/fiber.h"

struct kst_kube_resource;

/* Whose the claim of a row's name is. */
enum kst_volume_whose {
    KST_VOLUME_NOBODYS, /* there is none */
    KST_VOLUME_OLD,     /* the one that is replaced, or was put back */
    KST_VOLUME_OURS,    /* this run has created it */
    KST_VOLUME_FOREIGN, /* somebody else's (before it is recorded, also the old one) */
};

/* A row at work. */
struct kst_volume {
    struct kst_run *run;
    struct kst_json *row;
    struct kst_json *wanted; /* the claim to create; NULL where nothing is to be done */
    struct kst_json *there;  /* the claim that is there, as it was seen last */
    enum kst_volume_whose whose;
    char *source; /* the VolumeSnapshot that it is filled from */
};

/* All rows but those of action "keep"; the caller gives the array back. */
struct kst_volume *kst_volume_all(struct kst_run *run, size_t *count);
void kst_volume_free_all(struct kst_volume *all, size_t count);
/* What came of kst_volume_each(): KST_E_FAILED with the first message, `done` ("restored"), where
 * rows are Failed; else 0. */
int kst_volume_failures(const struct kst_volume *all, size_t count, const char *done,
                        struct kst_err **err);
/* Runs `fn` for those of them that `wanted` (may be NULL) takes, several at once. An error of one
 * is noted in its row (state "Failed", message), and the others go on; only what ends the run
 * (cancelled, lost, the fiber's deadline) is returned. Yields. */
int kst_volume_each(struct kst_volume *all, size_t count,
                    bool (*wanted)(const struct kst_volume *volume), kst_fiber_fn *fn,
                    struct kst_err **err);
bool kst_volume_is(const struct kst_volume *self, const char *key, const char *value);
const char *kst_volume_str(const struct kst_volume *self, const char *path);
const char *kst_volume_target(const struct kst_volume *self);
/* Its action creates a claim with data. */
bool kst_volume_has_data(const struct kst_volume *self);

/* An object that may be missing: 0, and *out NULL. Yields. */
int kst_volume_find(struct kst_run *run, const struct kst_kube_resource *resource, const char *ns,
                    const char *name, struct kst_json **out, struct kst_err **err);

/* Reads the claim into self->there, and sets self->whose. Yields. */
int kst_volume_look(struct kst_volume *self, struct kst_err **err);
/* Waits until self->there is bound; notes its volume in the row. Yields. */
int kst_volume_await_bound(struct kst_volume *self, struct kst_err **err);
/* Sets a PersistentVolume's reclaim policy, if it is (or was) bound to the claim of this uid: else
 * KST_E_REFUSED, and it is left alone. Yields. */
int kst_volume_set_policy(struct kst_run *run, const char *volume, const char *claim_uid,
                          const char *policy, struct kst_err **err);

/* Finds out where its data comes from: self->source is the backup's VolumeSnapshot where that can
 * be used, else row.temporary names what has to be made. Changes nothing in the cluster. Yields. */
int kst_volume_find_source(struct kst_volume *self, struct kst_err **err);
/* Makes what is missing, and waits until the VolumeSnapshot is ready: then it is row.source, and
 * neither of the two asks anything of it again. Yields. */
int kst_volume_make_source(struct kst_volume *self, struct kst_err **err);
/* Removes the temporary VolumeSnapshot and its content; the snapshot itself stays. Yields;
 * idempotent. */
int kst_volume_remove_source(struct kst_volume *self, struct kst_err **err);

#endif
