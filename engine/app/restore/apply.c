/* SPDX-License-Identifier: Apache-2.0 */
#include "app/restore/apply.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/remove.h"
#include "kube/watch.h"
#include "loop/fiber.h"
#include "run/journal.h"

enum {
    AT_ONCE = 32,               /* requests under way */
    CONFLICT_TRIES = 5,         /* of an update that somebody else came before */
    ESTABLISHED_MS = 60 * 1000, /* for a definition to be served */
    SERVED_MS = 15 * 1000,      /* for its objects to be taken, after that */
    GONE_MS = 60 * 1000,        /* for an object that is replaced by a new one */
    PAUSE_MS = 100,
    PATH_BYTES = 4096,
};

struct pool {
    struct kst_plan *plan;
    struct kst_fiber *fibers[AT_ONCE];
    struct kst_cond ended;
    int code; /* of what ends the run: cancelled, lost */
    struct kst_err *error;
};

struct work {
    struct pool *pool;
    struct kst_plan_row *row;
    struct kst_json *object;
};

static struct kst_kube *kube_of(const struct work *work)
{
    return work->pool->plan->run->kube;
}

static void took(struct kst_plan_row *row, const struct kst_json *answer)
{
    const char *uid = kst_json_path_str(answer, "metadata.uid");
    if (uid) {
        free(row->new_uid);
        row->new_uid = kst_strdup(uid);
    }
    row->done = true;
}

/* ---- one object ---- */

/* What the cluster gave the object that is there, and a PUT must say again. */
static void carry_over(struct kst_json *object, const struct kst_json *there)
{
    struct kst_json *meta = kst_json_ensure_object(object, "metadata");
    kst_json_set_str(meta, "resourceVersion", kst_json_path_str(there, "metadata.resourceVersion"));
    kst_json_set_str(meta, "uid", kst_json_path_str(there, "metadata.uid"));
    const char *kind = kst_json_path_str(object, "kind");
    if (!kind || strcmp(kind, "Service") != 0)
        return;
    struct kst_json *spec = kst_json_ensure_object(object, "spec");
    static const char *const members[] = {"clusterIP", "clusterIPs", "healthCheckNodePort"};
    for (size_t i = 0; i < KST_ARRAY_LEN(members); i++) {
        const struct kst_json *value = kst_json_get(kst_json_get(there, "spec"), members[i]);
        if (value && !kst_json_get(spec, members[i]))
            kst_json_set(spec, members[i], kst_json_dup(value));
    }
}

/* As a new one has it. */
static void forget_version(struct kst_json *object)
{
    struct kst_json *meta = kst_json_ensure_object(object, "metadata");
    kst_json_remove(meta, "resourceVersion");
    kst_json_remove(meta, "uid");
}

/* Whether the server would take the object if it were a new one: what a PUT cannot change may be
 * replaced then. */
static bool would_be_taken(const struct work *work)
{
    kst_auto_buf path = KST_BUF_INIT(PATH_BYTES);
    kst_kube_path(&work->row->kind->resource, work->row->ns, NULL, NULL, &path);
    kst_buf_adds(&path, "?dryRun=All");
    kst_auto_json struct kst_json *object = kst_json_dup(work->object);
    forget_version(object);
    const struct kst_kube_request request = {
        .method = "POST",
        .path = path.data,
        .body = object,
        .idempotent = true, /* nothing is kept */
        .what = work->row->name,
        .verb = "create",
    };
    int rc = kst_kube_do(kube_of(work), &request, NULL, NULL);
    return rc == 0 || rc == KST_E_EXISTS;
}

static bool may_be_made_anew(const struct work *work)
{
    static const char *const never[] = {"PersistentVolumeClaim", "PersistentVolume", "Namespace",
                                        "CustomResourceDefinition"};
    for (size_t i = 0; i < KST_ARRAY_LEN(never); i++) {
        if (strcmp(work->row->kind->resource.kind, never[i]) == 0)
            return false;
    }
    return work->row->ns != NULL;
}

static int make(struct work *work, struct kst_json **answer, struct kst_err **err)
{
    forget_version(work->object);
    return kst_kube_create(kube_of(work), &work->row->kind->resource, work->row->ns, work->object,
                           true, answer, err);
}

static int replace(struct work *work, struct kst_json **answer, struct kst_err **err)
{
    struct kst_plan_row *row = work->row;
    for (int tries = 0;; tries++) {
        kst_auto_json struct kst_json *there = NULL;
        struct kst_err *cause = NULL;
        int rc = kst_kube_get(kube_of(work), &row->kind->resource, row->ns, row->name, &there,
                              &cause);
        if (rc == KST_E_NOT_FOUND) { /* somebody has deleted it since the plan */
            kst_err_clear(&cause);
            return make(work, answer, err);
        }
        if (rc < 0)
            return kst_err_move(err, &cause);
        carry_over(work->object, there);
        rc = kst_kube_update(kube_of(work), &row->kind->resource, row->ns, work->object, NULL,
                             answer, &cause);
        if (rc == KST_E_CONFLICT && tries < CONFLICT_TRIES) {
            kst_err_clear(&cause);
            continue;
        }
        if (rc == KST_E_INVALID && may_be_made_anew(work) && would_be_taken(work)) {
            kst_err_clear(&cause);
            rc = kst_kube_remove(kube_of(work), &row->kind->resource, there, GONE_MS, err);
            return rc < 0 ? rc : make(work, answer, err);
        }
        return rc < 0 ? kst_err_move(err, &cause) : 0;
    }
}

static int merge(struct work *work, struct kst_json **answer, struct kst_err **err)
{
    struct kst_plan_row *row = work->row;
    kst_auto_json struct kst_json *patch = kst_json_dup(work->object);
    if (strcmp(row->kind->resource.kind, "Namespace") == 0)
        kst_json_remove(patch, "spec");
    return kst_kube_patch(kube_of(work), &row->kind->resource, row->ns, row->name, NULL,
                          KST_PATCH_APPLY, patch, answer, err);
}

/* Somebody made it since the plan. */
static int meet(struct work *work, struct kst_json **answer, struct kst_err **err)
{
    struct kst_plan_row *row = work->row;
    kst_auto_json struct kst_json *there = NULL;
    int rc = kst_kube_get(kube_of(work), &row->kind->resource, row->ns, row->name, &there, err);
    if (rc < 0)
        return rc;
    kst_plan_meet(work->pool->plan, row, work->object, there);
    switch (row->deed) {
    case KST_DEED_MERGE:
        return merge(work, answer, err);
    case KST_DEED_REPLACE:
        return replace(work, answer, err);
    case KST_DEED_CONFLICT:
        kst_err_set(err, KST_E_EXISTS, "%s/%s has appeared since the plan: %s",
                    row->kind->resource.kind, row->name, row->reason);
        kst_err_reason(err, "Conflict");
        kst_err_hint(err, "restore again with --on-conflict skip, replace or merge");
        return KST_E_EXISTS;
    default:
        *answer = kst_take(there);
        return 0;
    }
}

/* The first objects of a definition may come before every server takes them. */
static int create(struct work *work, struct kst_json **answer, struct kst_err **err)
{
    struct kst_plan_row *row = work->row;
    int64_t deadline = kst_deadline_in_ms(row->kind->served ? 0 : SERVED_MS);
    for (;;) {
        struct kst_err *cause = NULL;
        int rc = kst_kube_create(kube_of(work), &row->kind->resource, row->ns, work->object, true,
                                 answer, &cause);
        if (rc == KST_E_EXISTS) {
            kst_err_clear(&cause);
            return meet(work, answer, err);
        }
        if (rc != KST_E_NOT_FOUND || kst_deadline_in_ms(0) >= deadline)
            return rc < 0 ? kst_err_move(err, &cause) : 0;
        kst_err_clear(&cause);
        rc = kst_sleep_ms(PAUSE_MS, err);
        if (rc < 0)
            return rc;
    }
}

/* --preserve status. Of a kind that was not served before nobody knows yet whether it has one. */
static int restore_status(struct work *work, const struct kst_json *status, struct kst_err **err)
{
    const struct kst_plan_kind *kind = work->row->kind;
    if (!status || (kind->served && !kind->resource.has_status))
        return 0;
    kst_auto_json struct kst_json *patch = kst_json_make("{'status':%J}", status);
    struct kst_err *cause = NULL;
    int rc = kst_kube_patch(kube_of(work), &kind->resource, work->row->ns, work->row->name,
                            "status", KST_PATCH_MERGE, patch, NULL, &cause);
    if (rc == KST_E_NOT_FOUND && !kind->served) {
        kst_err_clear(&cause);
        rc = 0;
    }
    return rc < 0 ? kst_err_move(err, &cause) : 0;
}

static int act(struct work *work, struct kst_err **err)
{
    kst_auto_json struct kst_json *answer = NULL;
    kst_auto_json struct kst_json *status = kst_json_detach(work->object, "status");
    int rc = work->row->deed == KST_DEED_CREATE    ? create(work, &answer, err)
             : work->row->deed == KST_DEED_REPLACE ? replace(work, &answer, err)
                                                   : merge(work, &answer, err);
    if (rc == 0)
        rc = restore_status(work, status, err);
    if (rc == 0)
        took(work->row, answer);
    return rc;
}

/* ---- failures ---- */

/* Whether the error is the run's, and not this object's. */
static bool ends_the_run(int code)
{
    return code == KST_E_CANCELLED || code == KST_E_LOST || code == KST_E_UNREACHABLE;
}

static const char *hint_for(int code, const char *message)
{
    switch (code) {
    case KST_E_FORBIDDEN:
        return strstr(message, "quota") ? "raise the ResourceQuota, or leave the object out with "
                                          "--exclude; then restore again"
                                        : "let the engine's ServiceAccount do it (deploy/rbac.yaml)"
                                          ", or leave the object out with --exclude";
    case KST_E_INVALID:
        return strstr(message, "admission webhook")
                   ? "satisfy the webhook's policy with --transform, or leave the object out with "
                     "--exclude"
                   : "change the field with --transform";
    case KST_E_NOT_FOUND:
        return "does the cluster serve this kind? kubectl api-resources";
    default:
        return "restore again when the cause is mended: what is there already is left alone";
    }
}

static void fail(struct kst_plan *plan, struct kst_plan_row *row, const struct kst_err *error)
{
    const char *message = kst_err_message(error), *hint = kst_err_get_hint(error);
    free(row->reason);
    free(row->hint);
    row->reason = kst_strdup(message);
    row->hint = kst_strdup(hint ? hint : hint_for(kst_err_code(error), message));
    row->failed = true;
    kst_auto_free char *text = kst_asprintf("%s/%s: %s", row->kind->resource.kind, row->name,
                                            message);
    kst_run_note(plan->run, KST_NOTE_WARNING, text, NULL);
}

static int work_fiber(void *arg, struct kst_err **err)
{
    struct work *work = arg;
    struct pool *pool = work->pool;
    struct kst_err *error = NULL;
    int rc = act(work, &error);
    if (rc < 0 && ends_the_run(rc) && pool->code == 0) {
        pool->code = rc;
        pool->error = kst_take(error);
    } else if (rc < 0 && !ends_the_run(rc)) {
        fail(pool->plan, work->row, error);
    }
    kst_err_free(error);
    kst_json_free(work->object);
    free(work);
    kst_cond_signal(&pool->ended);
    return 0;
}

/* Where the next fiber goes; yields until one of those under way has ended, whatever the deadline
 * or cancellation of this one, which they share. */
static struct kst_fiber **free_slot(struct pool *pool)
{
    for (;;) {
        for (size_t i = 0; i < AT_ONCE; i++) {
            if (pool->fibers[i] && kst_fiber_ended(pool->fibers[i]))
                kst_fiber_join(kst_take(pool->fibers[i]), NULL);
            if (!pool->fibers[i])
                return &pool->fibers[i];
        }
        kst_shield_begin();
        int64_t outer = kst_deadline_replace(KST_NEVER);
        kst_cond_wait(&pool->ended, KST_NEVER, NULL);
        kst_deadline_restore(outer);
        kst_shield_end();
    }
}

/* Yields until all have ended. */
static void drain(struct pool *pool)
{
    for (size_t i = 0; i < AT_ONCE; i++) {
        if (pool->fibers[i])
            kst_fiber_join(kst_take(pool->fibers[i]), NULL);
    }
}

/* ---- owners ---- */

enum owners { OWNERS_KNOWN, OWNERS_TO_COME };

/* References to owners get the uids that these have now. Those to objects that are not restored go:
 * the garbage collector would take the object with them. */
static enum owners map_owners(struct kst_plan *plan, struct kst_json *object, bool last)
{
    struct kst_json *meta = kst_json_mut(object, "metadata");
    const struct kst_json *refs = kst_json_get(meta, "ownerReferences");
    if (!refs)
        return OWNERS_KNOWN;
    kst_auto_json struct kst_json *kept = kst_json_array();
    for (const struct kst_json *ref = kst_json_first(refs); ref; ref = kst_json_next(ref)) {
        const char *uid = kst_json_path_str(ref, "uid");
        const struct kst_plan_row *owner = uid ? kst_plan_find_uid(plan, uid) : NULL;
        bool to_come = owner && !owner->new_uid && !owner->failed && !owner->done &&
                       (owner->deed == KST_DEED_CREATE || owner->deed == KST_DEED_REPLACE ||
                        owner->deed == KST_DEED_MERGE);
        if (to_come && !last)
            return OWNERS_TO_COME;
        if (!owner || !owner->new_uid)
            continue;
        struct kst_json *copy = kst_json_dup(ref);
        kst_json_set_str(copy, "uid", owner->new_uid);
        kst_json_set_str(copy, "name", owner->name);
        kst_json_push(kept, copy);
    }
    if (kst_json_len(kept))
        kst_json_set(meta, "ownerReferences", kst_take(kept));
    else
        kst_json_remove(meta, "ownerReferences");
    return OWNERS_KNOWN;
}

static bool is_to_do(const struct kst_plan_row *row)
{
    return !row->done && !row->failed &&
           (row->deed == KST_DEED_CREATE || row->deed == KST_DEED_REPLACE ||
            row->deed == KST_DEED_MERGE);
}

/* Starts a row's work, unless an owner is to come first. */
static int start(struct pool *pool, struct kst_plan_row *row, bool last, struct kst_err **err)
{
    struct kst_json *object = NULL;
    struct kst_err *error = NULL;
    struct kst_fiber **slot = free_slot(pool);
    int rc = kst_plan_object(pool->plan, row, &object, &error);
    if (rc == KST_E_FAILED || rc == KST_E_INVALID) { /* the transform's word on this object */
        fail(pool->plan, row, error);
        kst_err_free(error);
        return 0;
    }
    if (rc < 0)
        return kst_err_move(err, &error);
    if (map_owners(pool->plan, object, last) == OWNERS_TO_COME) {
        kst_json_free(object);
        return 0;
    }
    struct work *work = kst_calloc(1, sizeof(*work));
    *work = (struct work){.pool = pool, .row = row, .object = object};
    *slot = kst_fiber_spawn(pool->plan->run->loop, "restore", work_fiber, work);
    return 0;
}

/* Everything to do up to (and with) a rank. With `last`, also what would wait for an owner. */
static int sweep(struct pool *pool, enum kst_rank first, enum kst_rank last, bool at_last,
                 struct kst_err **err)
{
    struct kst_plan *plan = pool->plan;
    int rc = 0;
    for (size_t i = 0; rc == 0 && pool->code == 0 && i < plan->nrows; i++) {
        struct kst_plan_row *row = &plan->rows[i];
        if (row->kind->rank > last)
            break;
        if (row->kind->rank < first || !is_to_do(row))
            continue;
        rc = kst_fiber_check(err);
        if (rc == 0)
            rc = start(pool, row, at_last, err);
    }
    drain(pool);
    if (rc == 0 && pool->code < 0)
        rc = kst_err_move(err, &pool->error);
    return rc;
}

/* ---- definitions ---- */

static int is_established(void *arg, const struct kst_json *definition, struct kst_err **err)
{
    const struct kst_json *rows = kst_json_path(definition, "status.conditions");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        if (kst_same(kst_json_path_str(row, "type"), "Established"))
            return kst_same(kst_json_path_str(row, "status"), "True");
    }
    return 0;
}

static int await_established(struct kst_plan *plan, struct kst_plan_row *row, struct kst_err **err)
{
    int rc = kst_watch_until(plan->run->kube, &row->kind->resource, NULL, row->name, is_established,
                             NULL, kst_deadline_in_ms(ESTABLISHED_MS), "to be established", NULL,
                             err);
    if (rc == KST_E_TIMEOUT)
        kst_err_hint(err, "its conditions tell why: kubectl describe crd %s", row->name);
    return rc;
}

static int await_definitions(struct kst_plan *plan, struct kst_err **err)
{
    for (size_t i = 0; i < plan->nrows; i++) {
        struct kst_plan_row *row = &plan->rows[i];
        if (row->kind->rank > KST_RANK_DEFINITION)
            break;
        if (row->kind->rank != KST_RANK_DEFINITION || !row->done || row->failed)
            continue;
        struct kst_err *error = NULL;
        int rc = await_established(plan, row, &error);
        if (rc < 0 && ends_the_run(rc))
            return kst_err_move(err, &error);
        if (rc < 0)
            fail(plan, row, error);
        kst_err_free(error);
    }
    return 0;
}

/* ---- ranks ---- */

static bool is_done(const struct kst_plan_row *row)
{
    return row->done || row->failed;
}

static size_t count_done(const struct kst_plan *plan, enum kst_rank rank)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->nrows; i++)
        count += plan->rows[i].kind->rank == rank && is_done(&plan->rows[i]);
    return count;
}

static void tell(struct kst_plan *plan, enum kst_rank rank)
{
    int64_t created = 0, changed = 0, unchanged = 0, skipped = 0, failed = 0;
    for (size_t i = 0; i < plan->nrows; i++) {
        const struct kst_plan_row *row = &plan->rows[i];
        if (row->kind->rank != rank || row->deed == KST_DEED_VOLUME)
            continue;
        failed += row->failed;
        created += row->done && row->deed == KST_DEED_CREATE;
        changed += row->done && (row->deed == KST_DEED_REPLACE || row->deed == KST_DEED_MERGE);
        unchanged += row->deed == KST_DEED_UNCHANGED;
        skipped += row->deed == KST_DEED_SKIP;
    }
    /* Of volumes only what was made says something: they come back with their claims. */
    if (created + changed + failed == 0 && (rank == KST_RANK_VOLUME || unchanged + skipped == 0))
        return;
    kst_auto_json struct kst_json *detail = kst_json_make(
        "{'created':%L,'changed':%L,'unchanged':%L,'skipped':%L,'failed':%L}", created, changed,
        unchanged, skipped, failed);
    kst_run_note(plan->run, KST_NOTE_OBJECTS, kst_order_rank_name(rank), detail);
    plan->told |= 1u << rank;
}

static void fail_impossible(struct kst_plan *plan, enum kst_rank rank)
{
    for (size_t i = 0; i < plan->nrows; i++) {
        struct kst_plan_row *row = &plan->rows[i];
        if (row->kind->rank != rank || row->failed ||
            (row->deed != KST_DEED_CANNOT && row->deed != KST_DEED_CONFLICT))
            continue;
        row->failed = true;
        kst_auto_free char *text = kst_asprintf("%s/%s: %s", row->kind->resource.kind, row->name,
                                                row->reason ? row->reason : "");
        kst_run_note(plan->run, KST_NOTE_WARNING, text, NULL);
    }
}

int kst_apply_ranks(struct kst_plan *plan, enum kst_rank first, enum kst_rank last,
                    struct kst_err **err)
{
    struct pool pool = {.plan = plan};
    int rc = 0;
    for (enum kst_rank rank = first; rc == 0 && rank <= last; rank++) {
        size_t before = count_done(plan, rank);
        fail_impossible(plan, rank);
        /* From the first rank on: what has waited for an owner of this one. */
        rc = sweep(&pool, first, rank, false, err);
        if (rc == 0 && rank == KST_RANK_DEFINITION)
            rc = await_definitions(plan, err);
        if (rc == 0 && (!(plan->told & 1u << rank) || count_done(plan, rank) != before))
            tell(plan, rank);
    }
    /* Owners within a rank, whose owners were made in the same sweep. */
    if (rc == 0)
        rc = sweep(&pool, first, last, false, err);
    if (rc == 0 && last == KST_RANKS - 1)
        rc = sweep(&pool, KST_RANK_NAMESPACE, last, true, err);
    kst_err_free(pool.error);
    kst_cond_release(&pool.ended);
    return rc;
}

int kst_apply_namespace(struct kst_plan *plan, struct kst_err **err)
{
    const char *name = plan->rewrite.to_ns;
    for (size_t i = 0; i < plan->nrows; i++) {
        const struct kst_plan_row *row = &plan->rows[i];
        if (strcmp(row->kind->resource.kind, "Namespace") == 0 && strcmp(row->name, name) == 0 &&
            row->deed == KST_DEED_CREATE)
            return 0;
    }
    if (plan->has_namespace)
        return 0;
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'apiVersion':'v1','kind':'Namespace','metadata':{'name':%s}}", name);
    int rc = kst_kube_create(plan->run->kube, &kst_res_namespaces, NULL, object, true, NULL, err);
    if (rc == KST_E_EXISTS) {
        kst_err_clear(err);
        rc = 0;
    }
    return rc;
}
