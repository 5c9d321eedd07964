/* SPDX-License-Identifier: Apache-2.0 */
#include "run/freeze.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/event.h"
#include "loop/fiber.h"
#include "lua/blueprint.h"
#include "lua/host.h"
#include "run/hook.h"
#include "run/journal.h"
#include "run/session.h"

enum {
    THAW_TRIES = 3, /* of a post-hook that the cluster did run, and that failed */
    THAW_PAUSE_MS = 500,
    THAW_PAUSE_MAX_MS = 5000,
};

/* One hook of one binding in one group. */
struct call {
    struct kst_run *run;
    size_t index; /* of the binding: an interpreter that is renewed has new ones */
    const char *function;
    struct kst_json *row; /* of the attempt's hooks */
    struct kst_err *error;
    int tries;
    bool done;
};

static struct kst_binding *binding_of(const struct call *call)
{
    return &call->run->bindings[call->index];
}

static struct kst_json *attempt_row(const struct kst_run *run)
{
    struct kst_json *rows = kst_json_ensure_array(kst_journal_status(run->journal), "attempts");
    size_t count = kst_json_len(rows);
    return count ? kst_json_mut_at(rows, count - 1) : NULL;
}

static bool state_is(const struct kst_json *row, const char *state)
{
    const char *is = kst_json_path_str(row, "state");
    return is && strcmp(is, state) == 0;
}

static void set_error(struct kst_json *row, const struct kst_err *error)
{
    if (!error)
        return;
    kst_json_set_str(row, "reason", kst_err_get_reason(error));
    kst_json_set_str(row, "message", kst_err_message(error));
}

/* Sets the reason that the attempt is given up for; the first one stays. */
static void give_up(struct kst_run *run, struct kst_err **error)
{
    kst_err_move(&run->freeze_error, error);
}

static int hook_fiber(void *arg, struct kst_err **err)
{
    struct call *call = arg;
    int64_t started_us = kst_now_us();
    kst_journal_stamp(call->row, "startedAt", true);
    int rc = kst_hook_call(call->run, binding_of(call), call->function, NULL, &call->error);
    kst_journal_stamp(call->row, "endedAt", true);
    kst_json_set_int(call->row, "durationMs", (kst_now_us() - started_us) / 1000);
    set_error(call->row, call->error);
    kst_run_note(call->run, KST_NOTE_HOOK, call->function, call->row);
    call->done = rc == 0;
    return 0; /* the error stays with the call: the others go on */
}

static void start_call(struct kst_group *group, struct call *call)
{
    struct kst_json *hooks = kst_json_ensure_array(attempt_row(call->run), "hooks");
    call->row = kst_json_make("{'workload':%s,'blueprint':%s,'hook':%s}",
                              kst_binding_workload(binding_of(call)),
                              kst_blueprint_name(binding_of(call)->blueprint), call->function);
    kst_json_push(hooks, call->row);
    kst_err_clear(&call->error);
    call->tries++;
    kst_group_spawn(group, call->function, hook_fiber, call);
}

/* The next order above (or below, with `down`) `than`, among the bindings that `wanted` takes;
 * false where there is none. */
static bool next_order(const struct kst_run *run, bool down, int64_t than, bool first,
                       int64_t *order)
{
    bool found = false;
    for (size_t i = 0; i < run->nbindings; i++) {
        int64_t is = kst_blueprint_order(run->bindings[i].blueprint);
        bool beyond = first || (down ? is < than : is > than);
        if (beyond && (!found || (down ? is > *order : is < *order))) {
            *order = is;
            found = true;
        }
    }
    return found;
}

static int freeze_group(struct kst_run *run, int64_t order, struct kst_err **err)
{
    struct call *calls = kst_calloc(run->nbindings, sizeof(*calls));
    size_t count = 0;
    struct kst_group *group = kst_group_new(run->loop, false);
    for (size_t i = 0; i < run->nbindings; i++) {
        struct kst_binding *binding = &run->bindings[i];
        if (kst_blueprint_order(binding->blueprint) != order)
            continue;
        /* From here on its post-hook is owed, whatever becomes of the pre-hook. */
        binding->pre_attempted = true;
        if (!kst_blueprint_has(binding->blueprint, "pre_hook"))
            continue;
        calls[count] = (struct call){.run = run, .index = i, .function = "pre_hook"};
        start_call(group, &calls[count++]);
    }
    int rc = kst_group_wait(group, err);
    for (size_t i = 0; i < count; i++) {
        if (rc == 0 && calls[i].error)
            rc = kst_err_move(err, &calls[i].error);
        kst_err_free(calls[i].error);
    }
    kst_group_free(group);
    free(calls);
    return rc;
}

static int freeze_all(struct kst_run *run, struct kst_err **err)
{
    int64_t order = 0;
    for (bool first = true; next_order(run, false, order, first, &order); first = false) {
        int rc = freeze_group(run, order, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int64_t freeze_deadline_ms(const struct kst_run *run)
{
    return run->freeze_started_us / 1000 + run->max_freeze_ms;
}

/* Turns a time-out of the freeze's own deadline into words about the freeze. */
static void explain_timeout(struct kst_run *run, const char *during, struct kst_err **error)
{
    if (kst_err_code(*error) != KST_E_TIMEOUT || kst_now_ms() < freeze_deadline_ms(run))
        return;
    kst_auto_err struct kst_err *cause = *error;
    char limit[KST_TIME_TEXT];
    kst_duration_format(run->max_freeze_ms, limit);
    *error = NULL;
    kst_err_set(error, KST_E_TIMEOUT,
                "the freeze reached its limit of %s (max_freeze) during %s: %s", limit, during,
                kst_err_message(cause));
    kst_err_reason(error, "FreezeTimeout");
    const char *hint = kst_err_get_hint(cause);
    kst_err_hint(
        error, "%s",
        hint ? hint
             : "find out what was slow (the attempt's hooks and volumes are in the status), "
               "or allow more with spec.maxFreeze");
}

/* The journal's last words before the freeze: everything that the attempt will make. */
static int write_intent(struct kst_run *run, struct kst_err **err)
{
    struct kst_json *status = kst_journal_status(run->journal);
    run->attempt = kst_json_path_int(status, "attempt", 0) + 1;
    kst_json_set_int(status, "attempt", run->attempt);
    struct kst_json *row = kst_json_make("{'number':%L,'state':'Open'}", run->attempt);
    kst_journal_stamp(row, "openedAt", true);
    kst_json_push(kst_json_ensure_array(status, "attempts"), row);
    int rc = run->action->arm ? run->action->arm(run, row, err) : 0;
    if (rc == 0)
        rc = kst_hook_begin(run, err);
    if (rc == 0) {
        kst_journal_condition(run->journal, "Thawed", false, "Freezing",
                              "the application is being frozen, or may be");
        rc = kst_journal_write(run->journal, err);
    }
    if (rc < 0) {
        /* Nothing was frozen: no successor shall think so. */
        kst_json_set_str(row, "state", "NotStarted");
        kst_journal_condition(run->journal, "Thawed", true, "NotFrozen", "nothing was frozen");
        if (run->action->disarm)
            run->action->disarm(run);
    }
    return rc;
}

int kst_freeze_enter_pre_hook(struct kst_run *run, enum kst_phase *next, struct kst_err **err)
{
    int rc = kst_fiber_check(err);
    if (rc == 0)
        rc = write_intent(run, err);
    if (rc < 0)
        return rc;
    kst_journal_forbid(run->journal, true);
    run->freeze_started_us = kst_now_us();
    kst_journal_stamp(attempt_row(run), "frozenAt", true);
    int64_t outer = kst_deadline_set(freeze_deadline_ms(run));
    struct kst_err *error = NULL;
    rc = freeze_all(run, &error);
    kst_deadline_restore(outer);
    if (rc < 0) {
        explain_timeout(run, "the pre-hooks", &error);
        give_up(run, &error);
        *next = KST_PHASE_POST_HOOK;
        return 0;
    }
    kst_run_note(run, KST_NOTE_FROZEN, NULL, NULL);
    *next = KST_PHASE_SNAPSHOT;
    return 0;
}

int kst_freeze_enter_snapshot(struct kst_run *run, enum kst_phase *next, struct kst_err **err)
{
    int64_t outer = kst_deadline_set(freeze_deadline_ms(run));
    struct kst_err *error = NULL;
    if (run->action->cut(run, &error) < 0) {
        explain_timeout(run, "the cut of the volumes", &error);
        give_up(run, &error);
    }
    kst_deadline_restore(outer);
    *next = KST_PHASE_POST_HOOK;
    return 0;
}

static bool waits_for_export(const struct kst_run *run, const struct kst_binding *binding)
{
    return !run->freeze_error && kst_blueprint_post_hook_after_export(binding->blueprint);
}

static bool lost_its_session(const struct kst_err *error)
{
    return strcmp(kst_err_get_reason(error), "SessionClosed") == 0;
}

/* A workload that has no Pods has no process that could be frozen. */
static bool has_no_pods(const struct kst_err *error)
{
    return strcmp(kst_err_get_reason(error), "NoPods") == 0;
}

/* What no answer of the application itself was: it is tried until the cluster is back. */
static bool is_transport(int code)
{
    return code == KST_E_UNREACHABLE || code == KST_E_SERVER || code == KST_E_CLOSED;
}

/* After a round: which post-hooks are done, which are tried again, which have failed for good. The
 * count of those to try again. */
static size_t settle(struct kst_run *run, struct call *calls, size_t count, struct kst_err **failed)
{
    size_t again = 0;
    for (size_t i = 0; i < count; i++) {
        struct call *call = &calls[i];
        if (binding_of(call)->thawed)
            continue;
        if (call->done) {
            binding_of(call)->thawed = true;
        } else if (kst_err_code(call->error) == KST_E_LOST) {
            /* It stood still, and woke when its successor had thawed, and perhaps frozen anew:
             * another thaw would let the application go on between the successor's cuts. */
            binding_of(call)->thawed = true;
            give_up(run, &call->error);
        } else if (lost_its_session(call->error)) {
            /* The lock went with its connection: thawed, but what was cut is worth nothing. */
            binding_of(call)->thawed = true;
            give_up(run, &call->error);
        } else if (has_no_pods(call->error)) {
            binding_of(call)->thawed = true;
            give_up(run, &call->error); /* whatever was cut, its post-hook has not seen it */
        } else if (is_transport(kst_err_code(call->error)) || call->tries < THAW_TRIES) {
            kst_log(KST_LOG_WARN, "post-hook failed, trying again", "run", run->name, "workload",
                    kst_binding_workload(binding_of(call)), "error", kst_err_message(call->error),
                    NULL);
            again++;
        } else {
            binding_of(call)->thawed = true; /* no more tries */
            kst_err_move(failed, &call->error);
        }
    }
    return again;
}

/* An interpreter whose walls were broken runs nothing any more: the sessions go (and their locks
 * with them), and a fresh one runs the post-hooks. */
static int renew_interpreter(struct kst_run *run, struct kst_err **err)
{
    if (!kst_lua_violated(run->lua))
        return 0;
    kst_sessions_close_all(run->sessions);
    return kst_hook_renew(run, err);
}

static void run_round(struct kst_run *run, struct call *calls, size_t count)
{
    struct kst_group *group = kst_group_new(run->loop, false);
    int64_t outer = kst_deadline_replace(kst_deadline_in_ms(run->thaw_timeout_ms));
    for (size_t i = 0; i < count; i++) {
        if (!binding_of(&calls[i])->thawed)
            start_call(group, &calls[i]);
    }
    kst_deadline_replace(KST_NEVER);
    kst_group_wait(group, NULL);
    kst_deadline_restore(outer);
    kst_group_free(group);
}

static void thaw_group(struct kst_run *run, int64_t order, bool after_export,
                       struct kst_err **failed)
{
    struct call *calls = kst_calloc(run->nbindings, sizeof(*calls));
    size_t count = 0;
    for (size_t i = 0; i < run->nbindings; i++) {
        struct kst_binding *binding = &run->bindings[i];
        if (kst_blueprint_order(binding->blueprint) != order || !binding->pre_attempted ||
            binding->thawed || (!after_export && waits_for_export(run, binding)))
            continue;
        if (kst_blueprint_has(binding->blueprint, "post_hook"))
            calls[count++] = (struct call){.run = run, .index = i, .function = "post_hook"};
        else
            binding->thawed = true;
    }
    int64_t pause_ms = THAW_PAUSE_MS;
    for (size_t left = count; left > 0;) {
        struct kst_err *error = NULL;
        if (renew_interpreter(run, &error) < 0) {
            kst_err_move(failed, &error);
            break;
        }
        run_round(run, calls, count);
        left = settle(run, calls, count, failed);
        if (left) {
            kst_sleep_ms(pause_ms, NULL);
            pause_ms = pause_ms * 2 > THAW_PAUSE_MAX_MS ? THAW_PAUSE_MAX_MS : pause_ms * 2;
        }
    }
    for (size_t i = 0; i < count; i++)
        kst_err_free(calls[i].error);
    free(calls);
}

/* All post-hooks that are owed, in reverse order. Shielded: neither a cancel nor a deadline ends
 * it. KST_E_FAILED with reason ThawFailed where one failed for good. */
static int thaw(struct kst_run *run, bool after_export, struct kst_err **err)
{
    kst_shield_begin();
    int64_t outer = kst_deadline_replace(KST_NEVER);
    struct kst_err *failed = NULL;
    int64_t order = 0;
    run->thawing = true;
    for (bool first = true; next_order(run, true, order, first, &order); first = false)
        thaw_group(run, order, after_export, &failed);
    run->thawing = false;
    bool all = true;
    for (size_t i = 0; i < run->nbindings; i++)
        all = all && (!run->bindings[i].pre_attempted || run->bindings[i].thawed);
    if (all)
        kst_sessions_close_all(run->sessions);
    kst_deadline_restore(outer);
    kst_shield_end();
    if (!failed)
        return 0;
    kst_err_wrap(&failed, kst_err_code(failed), "the application may still be frozen");
    kst_err_reason(&failed, "ThawFailed");
    if (!kst_err_get_hint(failed))
        kst_err_hint(&failed,
                     "run by hand what the blueprint's post_hook does, then find out why it "
                     "failed");
    return kst_err_move(err, &failed);
}

/* What the freeze was like, into the attempt and the status. */
static void record_freeze(struct kst_run *run, const struct kst_err *failed)
{
    struct kst_json *row = attempt_row(run);
    run->freeze_ended_us = kst_now_us();
    int64_t took_ms = (run->freeze_ended_us - run->freeze_started_us) / 1000;
    kst_journal_stamp(row, "thawedAt", true);
    kst_json_set_int(row, "freezeMs", took_ms);
    struct kst_json *freeze = kst_json_make("{'startedAt':%s,'endedAt':%s,'durationMs':%L}",
                                            kst_json_path_str(row, "frozenAt"),
                                            kst_json_path_str(row, "thawedAt"), took_ms);
    kst_run_note(run, KST_NOTE_THAWED, failed ? kst_err_message(failed) : NULL, freeze);
    kst_json_set(kst_journal_status(run->journal), "freeze", freeze);
}

/* What kubectl describe tells of the freeze; sent when it is over. */
static void tell_freeze(struct kst_run *run, const struct kst_err *failed)
{
    char took[KST_TIME_TEXT];
    kst_duration_format((run->freeze_ended_us - run->freeze_started_us) / 1000, took);
    kst_auto_free char *text = failed ? kst_strdup(kst_err_message(failed))
                                      : kst_asprintf("attempt %lld: the application was frozen "
                                                     "for %s and runs on",
                                                     (long long)run->attempt, took);
    kst_event_emit(run->kube, kst_journal_object(run->journal),
                   failed ? KST_EVENT_WARNING : KST_EVENT_NORMAL, failed ? "ThawFailed" : "Thawed",
                   text);
}

/* Removes what a given-up attempt made, and journals that it is gone. */
static int clean_up(struct kst_run *run, struct kst_json *row, struct kst_err **err)
{
    int rc = 0;
    if (run->action->abandon)
        rc = run->action->abandon(run, kst_json_path_int(row, "number", run->attempt), err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "clean up attempt %lld",
                            (long long)kst_json_path_int(row, "number", 0));
    kst_json_set_bool(row, "cleaned", true);
    return kst_journal_write(run->journal, err);
}

static bool worth_another_attempt(const struct kst_run *run, const struct kst_err *error)
{
    if (run->failed_attempts >= run->attempts || run->cancelled)
        return false;
    switch (kst_err_code(error)) {
    case KST_E_TIMEOUT:
    case KST_E_UNREACHABLE:
    case KST_E_SERVER:
    case KST_E_CLOSED:
        return true;
    default:
        return strcmp(kst_err_get_reason(error), "SnapshotFailed") == 0;
    }
}

static int abandon(struct kst_run *run, enum kst_phase *next, struct kst_err **err)
{
    struct kst_json *row = attempt_row(run);
    kst_auto_err struct kst_err *error = kst_take(run->freeze_error);
    kst_json_set_str(row, "state", "Abandoned");
    kst_shield_begin();
    int64_t outer = kst_deadline_replace(KST_NEVER);
    if (run->action->explain && kst_err_code(error) == KST_E_TIMEOUT)
        run->action->explain(run, &error);
    set_error(row, error);
    int rc = kst_journal_write(run->journal, err);
    kst_auto_err struct kst_err *dirty = NULL;
    if (rc == 0 && clean_up(run, row, &dirty) < 0) {
        /* What made the attempt fail is what people must read first. */
        kst_log(KST_LOG_ERROR, "could not clean up", "run", run->name, "error",
                kst_err_message(dirty), NULL);
        kst_run_note(run, KST_NOTE_WARNING, kst_err_message(dirty), NULL);
        rc = kst_err_code(dirty) == KST_E_LOST ? kst_err_move(err, &dirty) : 0;
    }
    kst_deadline_restore(outer);
    kst_shield_end();
    if (rc < 0)
        return rc;
    run->failed_attempts++;
    if (!worth_another_attempt(run, error))
        return kst_err_move(err, &error);
    kst_event_emit(run->kube, kst_journal_object(run->journal), KST_EVENT_WARNING,
                   "AttemptAbandoned", kst_err_message(error));
    kst_log(KST_LOG_WARN, "attempt abandoned, trying again", "run", run->name, "error",
            kst_err_message(error), NULL);
    kst_run_note(run, KST_NOTE_WARNING, kst_err_message(error), NULL);
    *next = KST_PHASE_PRE_HOOK;
    return 0;
}

int kst_freeze_enter_post_hook(struct kst_run *run, enum kst_phase *next, struct kst_err **err)
{
    struct kst_err *failed = NULL;
    thaw(run, false, &failed);
    record_freeze(run, failed);
    tell_freeze(run, failed);
    kst_journal_forbid(run->journal, false);
    if (run->action->disarm)
        run->action->disarm(run);
    if (failed) {
        /* Worse than whatever made the attempt fail: this is what people must read. */
        kst_err_clear(&run->freeze_error);
        run->freeze_error = failed;
        kst_journal_condition(run->journal, "Thawed", false, "ThawFailed", kst_err_message(failed));
    } else {
        kst_journal_condition(run->journal, "Thawed", true, "Thawed",
                              "every post-hook that was owed has run");
    }
    if (run->freeze_error)
        return abandon(run, next, err);
    kst_json_set_str(attempt_row(run), "state", "Cut");
    *next = KST_PHASE_EXPORT;
    return 0;
}

int kst_freeze_thaw_after_export(struct kst_run *run, struct kst_err **err)
{
    bool owed = false;
    for (size_t i = 0; i < run->nbindings; i++) {
        struct kst_binding *binding = &run->bindings[i];
        owed = owed || (kst_blueprint_post_hook_after_export(binding->blueprint) &&
                        kst_blueprint_has(binding->blueprint, "post_hook"));
    }
    if (!owed || kst_json_path_true(attempt_row(run), "thawedAfterExport"))
        return 0;
    int rc = kst_hook_load(run, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < run->nbindings; i++) {
        struct kst_binding *binding = &run->bindings[i];
        if (kst_blueprint_post_hook_after_export(binding->blueprint))
            binding->pre_attempted = true;
        else
            binding->thawed = true;
    }
    rc = thaw(run, true, err);
    if (rc == 0)
        kst_json_set_bool(attempt_row(run), "thawedAfterExport", true);
    return rc;
}

/* Thaws what an attempt of a dead predecessor may have left frozen: its intent names every binding,
 * and which of its pre-hooks were attempted nobody knows, so all post-hooks run. */
static int recover_open(struct kst_run *run, struct kst_json *row, struct kst_err **err)
{
    kst_log(KST_LOG_WARN, "an engine died inside the freeze: thawing", "run", run->name, NULL);
    int rc = kst_hook_load(run, err);
    if (rc == 0)
        rc = kst_hook_begin(run, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "thaw what an engine that died left frozen");
    for (size_t i = 0; i < run->nbindings; i++) {
        run->bindings[i].pre_attempted = true;
        run->bindings[i].thawed = false;
    }
    kst_auto_err struct kst_err *died = NULL;
    kst_err_set(&died, KST_E_FAILED, "the engine died inside the freeze; its successor has thawed");
    kst_err_reason(&died, "EngineDied");
    run->freeze_error = kst_err_dup(died);
    kst_journal_forbid(run->journal, true);
    rc = thaw(run, true, err);
    kst_journal_forbid(run->journal, false);
    kst_err_clear(&run->freeze_error);
    kst_journal_stamp(row, "thawedAt", true);
    kst_json_set_str(row, "state", "Abandoned");
    set_error(row, died);
    kst_journal_condition(run->journal, "Thawed", rc == 0, rc == 0 ? "Recovered" : "ThawFailed",
                          rc == 0 ? "a successor ran every post-hook" : kst_err_message(*err));
    kst_event_emit(run->kube, kst_journal_object(run->journal), KST_EVENT_WARNING, "Recovered",
                   kst_err_message(died));
    return rc;
}

int kst_freeze_recover(struct kst_run *run, struct kst_err **err)
{
    struct kst_json *rows = kst_json_mut(kst_journal_status(run->journal), "attempts");
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < kst_json_len(rows); i++) {
        struct kst_json *row = kst_json_mut_at(rows, i);
        bool open = state_is(row, "Open");
        bool dirty = state_is(row, "Abandoned") && !kst_json_path_true(row, "cleaned");
        if (!open && !dirty)
            continue;
        kst_shield_begin();
        int64_t outer = kst_deadline_replace(KST_NEVER);
        if (open)
            rc = recover_open(run, row, err);
        if (rc == 0)
            rc = kst_journal_write(run->journal, err);
        if (rc == 0)
            rc = clean_up(run, row, err);
        kst_deadline_restore(outer);
        kst_shield_end();
    }
    return rc;
}
