/* SPDX-License-Identifier: Apache-2.0 */
/* The two halves of the plan: what is read (plan_look.c), what is decided (plan.c). */
#ifndef KST_APP_RESTORE_PLAN_INTERNAL_H
#define KST_APP_RESTORE_PLAN_INTERNAL_H

#include <stdint.h>

#include "app/capture/filter.h"
#include "app/point/store.h"
#include "app/restore/plan.h"

struct kst_transform;

/* An object that is there. */
struct kst_plan_there {
    char *name, *uid;
    uint64_t hash;    /* of its user-set fields */
    bool ours;        /* this run has made it, or changed it */
    bool ours_before; /* another restore of the same point has */
    bool deleting;
    struct kst_json *cleaned; /* of one that was read by itself; NULL for those of a list */
};

struct kst_plan_sources {
    struct kst_point_store *store;
    struct kst_filter *filter;
    struct kst_transform *transform;
    struct kst_json *earlier; /* names of other Runs that restored the point */
    struct kst_json *volumes; /* rows for status.restore.volumes */
    struct kst_json *spec;    /* a copy of spec.restore */
    size_t explained;
};

/* Reads the point, spec.restore and the archive's index. Yields. */
int kst_plan_open(struct kst_plan *self, struct kst_err **err);
void kst_plan_close(struct kst_plan *self);
/* Looks at the target: whether the namespace is there, which kinds are served, what is there of
 * them. Yields. */
int kst_plan_look(struct kst_plan *self, struct kst_err **err);
/* The kind of an object of the archive, or NULL. */
const struct kst_plan_kind *kst_plan_kind_of(const struct kst_plan *self,
                                             const struct kst_json *object);
/* *there: what stands in the row's place, NULL for nothing; it may be *found, which the caller
 * releases. Yields (cluster-scoped objects are asked for one by one). */
int kst_plan_find_there(struct kst_plan *self, const struct kst_plan_row *row,
                        struct kst_plan_there *found, const struct kst_plan_there **there,
                        struct kst_err **err);
/* What is to be known of an object that was read by itself; released by the caller. */
struct kst_plan_there kst_plan_describe(const struct kst_plan *self, const struct kst_json *object);
/* Frees what it holds. */
void kst_plan_there_release(struct kst_plan_there *self);

#endif
