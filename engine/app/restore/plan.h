/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a restore does with each object of its point: read from the archive, made ready for its new
 * place (clean.h, rewrite.h, transform.h), and compared with what is there. The same code plans for
 * --dry-run, for the run, and for a successor; it changes nothing in the cluster.
 */
#ifndef KST_APP_RESTORE_PLAN_H
#define KST_APP_RESTORE_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "app/capture/order.h"
#include "app/point/archive.h"
#include "app/restore/clean.h"
#include "app/restore/rewrite.h"
#include "kube/resource.h"
#include "run/run.h"

enum kst_deed {
    KST_DEED_CREATE,
    KST_DEED_REPLACE,
    KST_DEED_MERGE,
    KST_DEED_VOLUME,    /* a claim: status.restore.volumes says more */
    KST_DEED_UNCHANGED, /* it is there as it shall be, or this run has made it */
    KST_DEED_SKIP,
    KST_DEED_CONFLICT, /* it is there and differs, and the policy is to fail */
    KST_DEED_CANNOT,   /* the cluster cannot have it */
    KST_DEEDS,
};

enum kst_conflict_policy {
    KST_ON_CONFLICT_FAIL,
    KST_ON_CONFLICT_SKIP,
    KST_ON_CONFLICT_REPLACE,
    KST_ON_CONFLICT_MERGE,
};

/* A kind of the point. */
struct kst_plan_kind {
    struct kst_kube_resource resource; /* its strings belong to the reader, or to the client */
    enum kst_rank rank;
    bool served;                  /* by this cluster, in this version, now */
    struct kst_plan_there *there; /* what is in the target namespace, sorted by name */
    size_t nthere;
};

struct kst_plan_row {
    const struct kst_plan_kind *kind;
    char *ns, *name; /* in its new place; ns is NULL where the kind is cluster-scoped */
    char *uid;       /* in the point */
    char *new_uid;   /* of what is there, as soon as it is known */
    struct kst_archive_place place;
    enum kst_deed deed;
    char *reason; /* for people; may be NULL */
    bool ours;    /* this run has made it before */
    bool done;    /* the deed is done, or there is nothing to do */
    bool failed;  /* `reason` and `hint` say why */
    char *hint;
};

struct kst_plan {
    struct kst_run *run;
    struct kst_json *point;
    struct kst_archive_reader *reader;
    struct kst_plan_kind *kinds;
    size_t nkinds;
    struct kst_plan_row *rows; /* in the order of restoring */
    size_t nrows;
    struct kst_plan_row **by_uid; /* sorted */
    size_t nuids;
    unsigned told;   /* ranks, a bit each, whose progress was told */
    size_t left_out; /* objects that --include and --exclude left out */

    enum kst_conflict_policy policy;
    bool only_data, only_objects, has_namespace;
    struct kst_clean_options clean;
    struct kst_rewrite rewrite;
    const struct kst_json *spec; /* spec.restore; borrowed from `sources` */
    struct kst_plan_sources *sources;
};

/* The field manager by which a Run knows what it has made: its name and uid, as another Run of this
 * name may have been there before. The caller frees it. */
char *kst_plan_manager(const struct kst_json *run);
/* Reads the point and its archive and plans. The rows of claims become status.restore.volumes where
 * the journal has none yet. Yields. KST_E_NOT_FOUND and _REFUSED (the point, a namespace that is
 * being deleted), _USAGE (spec.restore), _PARSE (a damaged archive), errors of requests. */
int kst_plan_new(struct kst_run *run, struct kst_plan **out, struct kst_err **err);
void kst_plan_free(struct kst_plan *self);

/* The object of a row as it shall be created: read from the archive, cleaned, rewritten and
 * transformed; ownerReferences as they were. The caller frees it. Yields. */
int kst_plan_object(struct kst_plan *self, const struct kst_plan_row *row, struct kst_json **out,
                    struct kst_err **err);
/* Decides again about a row that was to be created, now that something is in its place. `object` as
 * of kst_plan_object(). Never yields. */
void kst_plan_meet(struct kst_plan *self, struct kst_plan_row *row, const struct kst_json *object,
                   const struct kst_json *there);
/* The row of the object that had this uid; NULL where it is not restored. */
struct kst_plan_row *kst_plan_find_uid(struct kst_plan *self, const char *uid);
/* KST_E_REFUSED with all objects that are in the way, where there are any. */
int kst_plan_check(const struct kst_plan *self, struct kst_err **err);
/* "create", "replace", … for people and programs. */
const char *kst_deed_name(enum kst_deed deed);

#endif
