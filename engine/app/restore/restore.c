/* SPDX-License-Identifier: Apache-2.0 */
#include "app/restore/restore.h"

#include <string.h>

#include "app/bind.h"
#include "app/restore/apply.h"
#include "app/restore/plan.h"
#include "app/restore/quiesce.h"
#include "app/restore/ready.h"
#include "app/restore/report.h"
#include "app/restore/volumes.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "loop/fiber.h"
#include "lua/blueprint.h"
#include "run/bundle.h"
#include "run/hook.h"
#include "run/journal.h"

enum { UNDO_MS = 10 * 60 * 1000 };

static struct kst_json *state_of(struct kst_run *run)
{
    return kst_json_ensure_object(kst_journal_status(run->journal), "restore");
}

static void set_manager(struct kst_run *run)
{
    kst_auto_free char *manager = kst_plan_manager(kst_journal_object(run->journal));
    kst_kube_set_manager(run->kube, manager);
}

/* The plan of this process: made at the first phase that needs it. */
static int prepare(struct kst_run *run, struct kst_plan **out, struct kst_err **err)
{
    int rc = 0;
    set_manager(run);
    if (!run->data) {
        struct kst_plan *plan = NULL;
        rc = kst_plan_new(run, &plan, err);
        run->data = plan;
    }
    *out = run->data;
    return rc;
}

static void release(struct kst_run *run)
{
    kst_plan_free(run->data);
    run->data = NULL;
}

/* ---- Plan ---- */

/* The bindings of the backup, for where the workloads are now. */
static int take_bindings(const struct kst_plan *plan, struct kst_err **err)
{
    kst_auto_json struct kst_json *rows = kst_json_array();
    const struct kst_json *old = kst_json_path(plan->point, "status.bindings");
    for (const struct kst_json *row = kst_json_first(old); row; row = kst_json_next(row)) {
        const char *kind = kst_json_path_str(row, "kind"), *name = kst_json_path_str(row, "name");
        if (!kind || !name)
            continue;
        struct kst_json *copy = kst_json_dup(row);
        kst_auto_free char *now = kst_rewrite_name(&plan->rewrite, kind, name);
        kst_auto_free char *workload = kst_asprintf("%s/%s", kind, now);
        kst_json_set_str(copy, "name", now);
        kst_json_set_str(copy, "workload", workload);
        kst_json_push(rows, copy);
    }
    return kst_bind_again(plan->run, rows, err);
}

/* The blueprints that made the point, not those of today. */
static int take_blueprints(struct kst_plan *plan, struct kst_err **err)
{
    struct kst_run *run = plan->run;
    struct kst_json *files = NULL;
    int rc = kst_archive_blueprints(plan->reader, &files, err);
    if (rc < 0)
        return rc;
    kst_bundle_replace(run->bundle, files);
    const struct kst_json *source = kst_json_path(plan->point, "status.source");
    if (source)
        kst_json_set(kst_journal_status(run->journal), "source", kst_json_dup(source));
    return 0;
}

/* Names of the claims whose data is replaced. */
static struct kst_json *replaced_claims(const struct kst_run *run)
{
    struct kst_json *names = kst_json_array();
    const struct kst_json *rows = kst_json_path(kst_journal_object(run->journal),
                                                "status.restore.volumes");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        if (kst_same(kst_json_path_str(row, "action"), "replace"))
            kst_json_push(names, kst_json_from_str(kst_json_path_str(row, "target")));
    }
    return names;
}

static int plan_all(struct kst_run *run, struct kst_plan **out, struct kst_err **err)
{
    int rc = prepare(run, out, err);
    if (rc == 0)
        rc = take_blueprints(*out, err);
    return rc < 0 ? rc : take_bindings(*out, err);
}

int kst_restore_plan(struct kst_run *run, struct kst_err **err)
{
    struct kst_plan *plan = NULL;
    int rc = plan_all(run, &plan, err);
    if (rc < 0) {
        release(run);
        return rc;
    }
    /* What is missing is told with the plan: it does not end it. */
    kst_auto_err struct kst_err *missing = NULL;
    if (kst_volumes_check(run, &missing) < 0)
        kst_json_set_str(state_of(run), "message", kst_err_message(missing));
    kst_json_set(state_of(run), "objects", kst_report_rows(plan, false));
    kst_json_set_int(state_of(run), "leftOut", (int64_t)plan->left_out);
    release(run);
    return 0;
}

static int enter_plan(struct kst_run *run, enum kst_phase *next, struct kst_err **err)
{
    struct kst_plan *plan = NULL;
    int rc = plan_all(run, &plan, err);
    if (rc == 0)
        rc = kst_plan_check(plan, err);
    if (rc == 0)
        rc = kst_volumes_check(run, err);
    if (rc < 0)
        return rc;
    kst_auto_json struct kst_json *claims = replaced_claims(run);
    rc = kst_quiesce_plan(run, claims, err);
    if (rc == 0)
        rc = kst_bundle_store(run->bundle, run, err);
    *next = KST_PHASE_QUIESCE;
    return rc;
}

/* ---- Quiesce ---- */

/* Calls a function of every blueprint whose workload is there. */
static int call_all(struct kst_run *run, const char *function,
                    bool (*wanted)(const struct kst_run *run, const struct kst_binding *binding),
                    struct kst_err **err)
{
    int rc = kst_hook_load(run, err);
    if (rc == 0)
        rc = kst_hook_continue(run, err);
    for (size_t i = 0; rc == 0 && i < run->nbindings; i++) {
        if (!wanted || wanted(run, &run->bindings[i]))
            rc = kst_hook_call(run, &run->bindings[i], function, NULL, err);
    }
    return rc;
}

static bool names(const struct kst_json *list, const char *kind, const char *name)
{
    for (const struct kst_json *row = kst_json_first(list); row; row = kst_json_next(row)) {
        if (kst_same(kst_json_path_str(row, "kind"), kind) &&
            kst_same(kst_json_path_str(row, "name"), name))
            return true;
    }
    return false;
}

/* Whether a list of status.restore names the workload of the binding. */
static bool lists_binding(const struct kst_run *run, const char *list,
                          const struct kst_binding *binding)
{
    const struct kst_json *restore = kst_json_path(kst_journal_object(run->journal),
                                                   "status.restore");
    return names(kst_json_get(restore, list), kst_json_path_str(binding->row, "kind"),
                 kst_json_path_str(binding->row, "name"));
}

/* Workloads that stand still for their volumes. */
static bool is_quiesced(const struct kst_run *run, const struct kst_binding *binding)
{
    return lists_binding(run, "quiesced", binding);
}

/* What claims need before they are made. */
static int apply_before_volumes(struct kst_plan *plan, struct kst_err **err)
{
    int rc = kst_apply_namespace(plan, err);
    return rc < 0 ? rc : kst_apply_ranks(plan, KST_RANK_NAMESPACE, KST_RANK_VOLUME, err);
}

/* What takes time, and may fail, comes before workloads stand still. */
static int prepare_volumes(struct kst_run *run, struct kst_plan *plan, struct kst_err **err)
{
    kst_auto_json struct kst_json *replaced = replaced_claims(run);
    if (kst_json_len(replaced) == 0)
        return 0;
    int rc = apply_before_volumes(plan, err);
    return rc < 0 ? rc : kst_volumes_prepare(run, err);
}

static int enter_quiesce(struct kst_run *run, enum kst_phase *next, struct kst_err **err)
{
    struct kst_plan *plan = NULL;
    int rc = prepare(run, &plan, err);
    if (rc == 0)
        rc = prepare_volumes(run, plan, err);
    if (rc == 0)
        rc = call_all(run, "pre_restore", is_quiesced, err);
    if (rc == 0)
        rc = kst_quiesce_down(run, err);
    *next = KST_PHASE_VOLUMES;
    return rc;
}

/* ---- Volumes ---- */

/* The claims as they shall be created, by target name. */
static int prepare_claims(struct kst_plan *plan, struct kst_json *claims, struct kst_err **err)
{
    for (size_t i = 0; i < plan->nrows; i++) {
        const struct kst_plan_row *row = &plan->rows[i];
        if (row->deed != KST_DEED_VOLUME)
            continue;
        struct kst_json *object = NULL;
        int rc = kst_plan_object(plan, row, &object, err);
        if (rc < 0)
            return rc;
        kst_json_remove(kst_json_mut(object, "metadata"), "ownerReferences");
        kst_json_remove(object, "status");
        kst_json_set(claims, row->name, object);
    }
    return 0;
}

static struct kst_json *claim_of(void *arg, const struct kst_json *row)
{
    const char *target = kst_json_path_str(row, "target");
    return target ? kst_json_dup(kst_json_get(arg, target)) : NULL;
}

static int enter_volumes(struct kst_run *run, enum kst_phase *next, struct kst_err **err)
{
    struct kst_plan *plan = NULL;
    int rc = prepare(run, &plan, err);
    if (rc == 0)
        rc = apply_before_volumes(plan, err);
    kst_auto_json struct kst_json *claims = kst_json_object();
    if (rc == 0)
        rc = prepare_claims(plan, claims, err);
    if (rc == 0)
        rc = kst_volumes_restore(run, claim_of, claims, err);
    if (rc == 0) /* while they can still be put back; those of a first Pod are waited for later */
        rc = kst_volumes_await(run, err);
    *next = KST_PHASE_OBJECTS;
    return rc;
}

/* ---- Objects ---- */

/* From here on workloads use the restored volumes, and nothing is put back any more. That is
 * journaled before, and is so only where it was. */
static int begin_objects(struct kst_run *run, struct kst_err **err)
{
    if (kst_json_path_true(state_of(run), "begun"))
        return 0;
    kst_json_set_bool(state_of(run), "begun", true);
    int rc = kst_journal_write(run->journal, err);
    if (rc < 0)
        kst_json_remove(state_of(run), "begun");
    return rc;
}

static int enter_objects(struct kst_run *run, enum kst_phase *next, struct kst_err **err)
{
    struct kst_plan *plan = NULL;
    int rc = prepare(run, &plan, err);
    if (rc == 0)
        rc = begin_objects(run, err);
    if (rc == 0)
        rc = kst_quiesce_up(run, err);
    if (rc == 0)
        rc = kst_apply_ranks(plan, KST_RANK_NAMESPACE, KST_RANKS - 1, err);
    if (!plan)
        return rc;
    kst_report_summarize(plan);
    kst_auto_err struct kst_err *error = NULL;
    kst_shield_begin();
    if (kst_report_store(plan, &error) < 0) {
        kst_log(KST_LOG_WARN, "the report was not kept", "run", run->name, "error",
                kst_err_message(error), NULL);
        kst_run_note(run, KST_NOTE_WARNING, kst_err_message(error), NULL);
    }
    kst_shield_end();
    if (rc == 0)
        rc = kst_report_failures(plan, err);
    *next = KST_PHASE_READY;
    return rc;
}

/* ---- Ready ---- */

static bool is_workload(const struct kst_kube_resource *resource)
{
    static const char *const kinds[] = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet",
                                        "Pod"};
    for (size_t i = 0; i < KST_ARRAY_LEN(kinds); i++) {
        if (strcmp(resource->kind, kinds[i]) == 0)
            return true;
    }
    return false;
}

/* What was restored, or stood still. */
static struct kst_json *touched_workloads(struct kst_run *run, const struct kst_plan *plan)
{
    struct kst_json *out = kst_json_array();
    for (size_t i = 0; i < plan->nrows; i++) {
        const struct kst_plan_row *row = &plan->rows[i];
        if (is_workload(&row->kind->resource) && (row->done || row->ours))
            kst_json_push(out, kst_json_make("{'apiVersion':%s,'kind':%s,'name':%s}",
                                             row->kind->resource.api_version,
                                             row->kind->resource.kind, row->name));
    }
    const struct kst_json *rows = kst_json_get(state_of(run), "quiesced");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        const char *kind = kst_json_path_str(row, "kind"), *name = kst_json_path_str(row, "name");
        if (kind && name && strcmp(kind, "CronJob") != 0 && !names(out, kind, name))
            kst_json_push(out, kst_json_make("{'apiVersion':%s,'kind':%s,'name':%s}",
                                             kst_json_path_str(row, "apiVersion"), kind, name));
    }
    return out;
}

static int enter_ready(struct kst_run *run, enum kst_phase *next, struct kst_err **err)
{
    struct kst_plan *plan = NULL;
    int rc = prepare(run, &plan, err);
    if (rc < 0)
        return rc;
    kst_auto_json struct kst_json *touched = touched_workloads(run, plan);
    kst_json_set(state_of(run), "workloads", kst_json_dup(touched));
    rc = kst_volumes_await(run, err);
    if (rc == 0)
        rc = kst_ready_await(run, touched, err);
    *next = KST_PHASE_POST_RESTORE;
    return rc;
}

/* ---- PostRestore ---- */

static bool is_touched(const struct kst_run *run, const struct kst_binding *binding)
{
    return lists_binding(run, "workloads", binding);
}

static int enter_post_restore(struct kst_run *run, enum kst_phase *next, struct kst_err **err)
{
    bool only_objects = kst_json_path_true(kst_journal_spec(run->journal), "restore.onlyObjects");
    static const char *const functions[] = {"restore", "post_restore", "verify"};
    int rc = 0;
    set_manager(run);
    for (size_t i = 0; rc == 0 && !only_objects && i < KST_ARRAY_LEN(functions); i++)
        rc = call_all(run, functions[i], is_touched, err);
    if (rc == 0)
        rc = kst_volumes_settle(run, err);
    *next = KST_PHASE_SUCCEEDED;
    return rc;
}

/* ---- the end of a run that failed ---- */

static int undo(struct kst_run *run, struct kst_err **err)
{
    set_manager(run);
    int rc = kst_json_path_true(state_of(run), "begun") ? kst_volumes_leave(run, err)
                                                        : kst_volumes_undo(run, err);
    return rc < 0 ? rc : kst_quiesce_up(run, err);
}

const struct kst_action kst_action_restore = {
    .name = "restore",
    .first = KST_PHASE_PLAN,
    .enter =
        {
            [KST_PHASE_PLAN] = enter_plan,
            [KST_PHASE_QUIESCE] = enter_quiesce,
            [KST_PHASE_VOLUMES] = enter_volumes,
            [KST_PHASE_OBJECTS] = enter_objects,
            [KST_PHASE_READY] = enter_ready,
            [KST_PHASE_POST_RESTORE] = enter_post_restore,
        },
    .undo = undo,
    .undo_timeout_ms = UNDO_MS,
    .release = release,
};
