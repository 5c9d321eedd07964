/* SPDX-License-Identifier: Apache-2.0 */
#include "app/backup/backup.h"

#include <string.h>

#include "app/application.h"
#include "app/backup/diagnose.h"
#include "app/backup/objects.h"
#include "app/backup/snapshot.h"
#include "app/backup/volume.h"
#include "app/bind.h"
#include "app/capture/capture.h"
#include "app/hooks.h"
#include "app/point/point.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "lua/blueprint.h"
#include "lua/host.h"
#include "run/bundle.h"
#include "run/freeze.h"
#include "run/hook.h"
#include "run/journal.h"

/* For a driver that takes its time with the deletion of retained snapshots. */
enum { UNDO_TIMEOUT_MS = 60 * 1000 };

static struct kst_json *volumes_of(const struct kst_run *run)
{
    return kst_json_mut(kst_journal_status(run->journal), "volumes");
}

/* The application's workloads, bound to their blueprints, and its claims (owned by the caller);
 * for a backup without those that are left out, and with its Pods' own hooks. */
static int find_and_bind(struct kst_run *run, bool backup, struct kst_json **workloads,
                         struct kst_json **claims, struct kst_err **err)
{
    kst_auto_json struct kst_json *kinds = NULL, *pods = NULL;
    int rc = kst_bind_kinds(run, &kinds, err);
    if (rc == 0)
        rc = kst_application_find(run, kinds, workloads, claims, &pods, err);
    if (rc == 0 && backup)
        rc = kst_backup_filter_claims(run, *workloads, *claims, err);
    if (rc == 0)
        rc = kst_bind_workloads(run, *workloads, err);
    return rc < 0 || !backup ? rc : kst_hooks_bind(run, *workloads, pods, err);
}

/* With a selector, also the claims that Jobs, say, or custom resources use. */
static int add_claims_in_use(struct kst_run *run, struct kst_capturer *capturer,
                             struct kst_json *workloads, struct kst_json *claims,
                             struct kst_err **err)
{
    int rc = kst_application_add_claims(run, kst_capturer_claims(capturer), claims, err);
    return rc < 0 ? rc : kst_backup_filter_claims(run, workloads, claims, err);
}

/* *capturer is freed by the caller; there is none where objects are neither captured nor asked what
 * they use. */
static int plan(struct kst_run *run, bool captures, struct kst_capturer **capturer,
                struct kst_err **err)
{
    kst_auto_json struct kst_json *workloads = NULL, *claims = NULL;
    const char *selector = kst_json_path_str(kst_journal_spec(run->journal),
                                             "application.selector");
    bool selects = selector && *selector;
    int rc = find_and_bind(run, true, &workloads, &claims, err);
    if (rc == 0 && (captures || selects))
        rc = kst_capturer_new(run, workloads, capturer, err);
    if (rc == 0 && selects)
        rc = add_claims_in_use(run, *capturer, workloads, claims, err);
    return rc < 0 ? rc : kst_volume_plan(run, claims, err);
}

int kst_backup_plan(struct kst_run *run, struct kst_err **err)
{
    struct kst_capturer *capturer = NULL;
    int rc = plan(run, false, &capturer, err);
    kst_capturer_free(capturer);
    return rc;
}

int kst_backup_preview(struct kst_run *run, struct kst_err **err)
{
    struct kst_capturer *capturer = NULL;
    int rc = plan(run, true, &capturer, err);
    if (rc == 0)
        rc = kst_backup_count(run, capturer, err);
    kst_capturer_free(capturer);
    return rc;
}

/* A blueprint may ask for a shorter freeze than the Run's, and for more attempts. */
static void take_over_limits(struct kst_run *run)
{
    const struct kst_json *spec = kst_journal_spec(run->journal);
    int64_t freeze_ms = 0, attempts = 0;
    for (size_t i = 0; i < run->nbindings; i++) {
        const struct kst_blueprint *blueprint = run->bindings[i].blueprint;
        int64_t wish_ms = kst_blueprint_max_freeze_ms(blueprint);
        if (wish_ms && (!freeze_ms || wish_ms < freeze_ms))
            freeze_ms = wish_ms;
        if (kst_blueprint_attempts(blueprint) > attempts)
            attempts = kst_blueprint_attempts(blueprint);
    }
    if (freeze_ms && !kst_json_get(spec, "maxFreeze"))
        run->max_freeze_ms = freeze_ms;
    if (attempts && !kst_json_get(spec, "attempts"))
        run->attempts = attempts;
}

static int prepare(struct kst_run *run, struct kst_err **err)
{
    int rc = kst_hook_load(run, err);
    if (rc == 0)
        take_over_limits(run);
    return rc;
}

static int enter_capture(struct kst_run *run, enum kst_phase *next, struct kst_err **err)
{
    kst_auto_json struct kst_json *point = NULL;
    struct kst_capturer *capturer = NULL;
    int rc = plan(run, true, &capturer, err);
    if (rc == 0)
        rc = kst_bundle_store(run->bundle, run, err);
    if (rc == 0)
        rc = kst_point_begin(run, &point, err);
    if (rc == 0)
        rc = kst_backup_capture(run, capturer, point, err);
    kst_capturer_free(capturer);
    if (rc == 0)
        rc = prepare(run, err);
    *next = KST_PHASE_PRE_HOOK;
    return rc;
}

static int enter_pre_hook(struct kst_run *run, enum kst_phase *next, struct kst_err **err)
{
    int rc = prepare(run, err); /* a resumed run has not been through Capture */
    return rc < 0 ? rc : kst_freeze_enter_pre_hook(run, next, err);
}

static void disarm(struct kst_run *run)
{
    kst_cutter_disarm(run->data);
    run->data = NULL;
}

static bool names_claim(const struct kst_json *list, const char *claim)
{
    for (const struct kst_json *row = kst_json_first(list); row; row = kst_json_next(row)) {
        const char *name = kst_json_str(row) ? kst_json_str(row) : kst_json_path_str(row, "claim");
        if (name && strcmp(name, claim) == 0)
            return true;
    }
    return false;
}

/* The rows of status.volumes that `take` takes; the caller frees the array. */
static struct kst_json **rows_where(struct kst_run *run, const void *arg, size_t *count,
                                    bool (*take)(const struct kst_run *run, const void *arg,
                                                 const char *claim))
{
    struct kst_json *all = volumes_of(run);
    size_t total = kst_json_len(all);
    struct kst_json **rows = kst_calloc(total, sizeof(*rows));
    *count = 0;
    for (size_t i = 0; i < total; i++) {
        struct kst_json *row = kst_json_mut_at(all, i);
        if (take(run, arg, kst_json_path_str(row, "claim")))
            rows[(*count)++] = row;
    }
    return rows;
}

static bool in_list(const struct kst_run *run, const void *list, const char *claim)
{
    return names_claim(list, claim);
}

/* Whether no blueprint cuts the claim by a function of its own. */
static bool nobodys(const struct kst_run *run, const void *arg, const char *claim)
{
    for (size_t i = 0; i < run->nbindings; i++) {
        const struct kst_binding *binding = &run->bindings[i];
        if (kst_blueprint_has(binding->blueprint, "snapshot") &&
            names_claim(kst_json_get(binding->row, "claims"), claim))
            return false;
    }
    return true;
}

static int arm(struct kst_run *run, struct kst_json *attempt, struct kst_err **err)
{
    struct kst_cutter *cutter = NULL;
    size_t count = 0;
    kst_auto_free struct kst_json **together = rows_where(run, NULL, &count, nobodys);
    int rc = kst_cutter_arm(run, attempt, together, count, &cutter, err);
    run->data = cutter;
    return rc;
}

static int cut_rest(void *arg, struct kst_err **err)
{
    struct kst_run *run = arg;
    size_t count = 0;
    kst_auto_free struct kst_json **rows = rows_where(run, NULL, &count, nobodys);
    return kst_cutter_cut(run->data, rows, count, err);
}

struct own_cut {
    struct kst_run *run;
    struct kst_binding *binding;
};

static int cut_own(void *arg, struct kst_err **err)
{
    struct own_cut *own = arg;
    return kst_hook_call(own->run, own->binding, "snapshot", NULL, err);
}

/* All volumes at once: those of blueprints with a snapshot function by that function, the others
 * here, side by side. */
static int cut(struct kst_run *run, struct kst_err **err)
{
    struct kst_group *group = kst_group_new(run->loop, true);
    kst_auto_free struct own_cut *own = kst_calloc(run->nbindings, sizeof(*own));
    kst_group_spawn(group, "cut", cut_rest, run);
    for (size_t i = 0; i < run->nbindings; i++) {
        if (!kst_blueprint_has(run->bindings[i].blueprint, "snapshot"))
            continue;
        own[i] = (struct own_cut){.run = run, .binding = &run->bindings[i]};
        kst_group_spawn(group, "snapshot", cut_own, &own[i]);
    }
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    return rc;
}

static int native_volumes(void *ctx, const struct kst_json *args, struct kst_json **result,
                          struct kst_err **err)
{
    struct kst_run *run = ctx;
    size_t index = (size_t)kst_json_path_int(args, "binding", 0);
    const struct kst_json *claims = kst_json_get(run->bindings[index].row, "claims");
    size_t count = 0;
    kst_auto_free struct kst_json **rows = rows_where(run, claims, &count, in_list);
    *result = kst_json_array();
    for (size_t i = 0; i < count; i++)
        kst_json_push(*result, kst_json_dup(rows[i]));
    return 0;
}

/* run:snapshot{volumes = {…}}: names or rows of app:volumes(); by default the workload's. */
static int native_snapshot(void *ctx, const struct kst_json *args, struct kst_json **result,
                           struct kst_err **err)
{
    struct kst_run *run = ctx;
    size_t index = (size_t)kst_json_path_int(args, "binding", 0);
    const struct kst_json *list = kst_json_get(args, "volumes");
    if (!list)
        list = kst_json_get(run->bindings[index].row, "claims");
    if (!run->data || run->phase != KST_PHASE_SNAPSHOT)
        return kst_err_set(err, KST_E_USAGE,
                           "run:snapshot: only the snapshot function of a backup "
                           "can cut volumes, not phase %s",
                           kst_phase_name(run->phase));
    size_t count = 0;
    kst_auto_free struct kst_json **rows = rows_where(run, list, &count, in_list);
    if (count != kst_json_len(list))
        return kst_err_set(err, KST_E_USAGE,
                           "run:snapshot: only %zu of the %zu volumes named are "
                           "the application's",
                           count, kst_json_len(list));
    int rc = kst_cutter_cut(run->data, rows, count, err);
    *result = kst_json_array();
    for (size_t i = 0; rc == 0 && i < count; i++)
        kst_json_push(*result, kst_json_dup(rows[i]));
    return rc;
}

static const struct kst_lua_native natives[] = {
    {"volumes", native_volumes},
    {"snapshot", native_snapshot},
    {NULL, NULL},
};

/* What the freeze had no time to ask: why the first volume was not cut. */
static void explain(struct kst_run *run, struct kst_err **error)
{
    const struct kst_json *rows = volumes_of(run);
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        if (kst_json_get(row, "cutAt") || !kst_json_get(row, "snapshot"))
            continue; /* a group has told its own error */
        kst_diagnose_snapshot(run->kube, run->app_ns, kst_json_path_str(row, "snapshot"),
                              kst_json_path_str(row, "driver"), error);
        return;
    }
}

static int enter_export(struct kst_run *run, enum kst_phase *next, struct kst_err **err)
{
    int rc = prepare(run, err);
    if (rc == 0)
        rc = kst_hook_continue(run, err);
    if (rc == 0)
        rc = kst_snapshot_await_ready(run, err);
    if (rc == 0)
        rc = kst_point_retain(run, err);
    for (size_t i = 0; rc == 0 && i < run->nbindings; i++)
        rc = kst_hook_call(run, &run->bindings[i], "export", NULL, err);
    kst_auto_err struct kst_err *failed = NULL;
    int thawed = kst_freeze_thaw_after_export(run, &failed);
    if (rc == 0 && thawed < 0)
        rc = kst_err_move(err, &failed);
    if (rc == 0)
        rc = kst_point_complete(run, err);
    *next = KST_PHASE_SUCCEEDED;
    return rc;
}

const struct kst_action kst_action_backup = {
    .name = "backup",
    .enter =
        {
            [KST_PHASE_CAPTURE] = enter_capture,
            [KST_PHASE_PRE_HOOK] = enter_pre_hook,
            [KST_PHASE_SNAPSHOT] = kst_freeze_enter_snapshot,
            [KST_PHASE_POST_HOOK] = kst_freeze_enter_post_hook,
            [KST_PHASE_EXPORT] = enter_export,
        },
    .arm = arm,
    .disarm = disarm,
    .cut = cut,
    .explain = explain,
    .abandon = kst_snapshot_remove,
    .undo = kst_point_abandon,
    .undo_timeout_ms = UNDO_TIMEOUT_MS,
    .natives = natives,
    .release = disarm,
};

static int enter_action_capture(struct kst_run *run, enum kst_phase *next, struct kst_err **err)
{
    kst_auto_json struct kst_json *workloads = NULL, *claims = NULL;
    int rc = find_and_bind(run, false, &workloads, &claims, err);
    if (rc == 0)
        rc = kst_bundle_store(run->bundle, run, err);
    *next = KST_PHASE_ACTION;
    return rc;
}

static int enter_action(struct kst_run *run, enum kst_phase *next, struct kst_err **err)
{
    const char *action = kst_json_path_str(kst_journal_spec(run->journal), "action");
    kst_auto_free char *function = kst_asprintf("actions.%s", action);
    size_t called = 0;
    int rc = kst_hook_load(run, err);
    if (rc == 0)
        rc = kst_hook_begin(run, err);
    for (size_t i = 0; rc == 0 && i < run->nbindings; i++) {
        called += kst_blueprint_has(run->bindings[i].blueprint, function);
        rc = kst_hook_call(run, &run->bindings[i], function, NULL, err);
    }
    if (rc == 0 && called == 0) {
        kst_err_set(err, KST_E_NOT_FOUND, "no blueprint that is bound in %s has the action '%s'",
                    run->app_ns, action);
        kst_err_reason(err, "ActionNotFound");
        return KST_E_NOT_FOUND;
    }
    *next = KST_PHASE_SUCCEEDED;
    return rc;
}

const struct kst_action kst_action_custom = {
    .enter =
        {
            [KST_PHASE_CAPTURE] = enter_action_capture,
            [KST_PHASE_ACTION] = enter_action,
        },
};
