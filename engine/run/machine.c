/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine: takes the Run's lease, resumes where the journal ends, and walks the action's table
 * of phases to its end.
 */
#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/event.h"
#include "kube/lease.h"
#include "kube/resource.h"
#include "kube/watch.h"
#include "loop/fiber.h"
#include "run/bundle.h"
#include "run/freeze.h"
#include "run/hook.h"
#include "run/journal.h"
#include "run/owner.h"
#include "run/run.h"
#include "run/session.h"

enum {
    DEFAULT_ATTEMPTS = 2,
    DEFAULT_MAX_FREEZE_MS = 30 * 1000,
    DEFAULT_READY_TIMEOUT_MS = 10 * 60 * 1000,
    DEFAULT_THAW_TIMEOUT_MS = 60 * 1000,
    PATIENCE_MS = 5 * 60 * 1000, /* with an API server that is away, outside the freeze */
    MAX_NAME = 63,               /* of a label's value */
    MAX_LEFTOVERS = 10,          /* attempts that are looked at again at the end */
    ASK_OWNER_MS = 5000,         /* in a thaw, whether the run is still ours */
    FINISH_MS = 15 * 1000,       /* for cleaning up, within a Pod's 30 s of grace */
    UNDO_MS = 10 * 1000,         /* after it, where the action says nothing else */
    LAST_WORDS_MS = 5 * 1000,    /* for the journal at the end */
};

/* The runs of this process, for kst_run_cancel(). */
struct registered {
    struct kst_run *run;
    struct registered *next;
};
static struct registered *registry;

static void register_run(struct kst_run *run)
{
    struct registered *entry = kst_calloc(1, sizeof(*entry));
    entry->run = run;
    entry->next = registry;
    registry = entry;
}

static void unregister_run(const struct kst_run *run)
{
    for (struct registered **at = &registry; *at; at = &(*at)->next) {
        if ((*at)->run == run) {
            struct registered *gone = *at;
            *at = gone->next;
            free(gone);
            return;
        }
    }
}

static void cancel(struct kst_run *run, const char *reason)
{
    if (run->cancelled)
        return;
    kst_log(KST_LOG_INFO, "cancelling", "run", run->name, "reason", reason, NULL);
    run->cancelled = true;
    run->cancel_reason = kst_strdup(reason);
    if (run->fiber)
        kst_fiber_cancel(run->fiber);
}

size_t kst_run_cancel(const char *name, const char *reason)
{
    size_t count = 0;
    for (struct registered *at = registry; at; at = at->next) {
        if (!name || strcmp(at->run->name, name) == 0) {
            cancel(at->run, reason);
            count++;
        }
    }
    return count;
}

void kst_run_note(const struct kst_run *run, enum kst_note note, const char *text,
                  const struct kst_json *detail)
{
    if (run->observer.note)
        run->observer.note(run->observer.arg, run, note, text, detail);
}

void kst_run_set_phase(struct kst_run *run, enum kst_phase phase)
{
    const char *from = kst_phase_name(run->phase), *to = kst_phase_name(phase);
    kst_log(KST_LOG_DEBUG, "phase", "run", run->name, "from", from, "to", to, NULL);
    run->phase = phase;
    kst_json_set_str(kst_journal_status(run->journal), "phase", to);
    kst_run_note(run, KST_NOTE_PHASE, to, NULL);
}

struct kst_json *kst_run_labels(const struct kst_run *run, const char *step)
{
    return kst_json_make("{'app.kubernetes.io/managed-by':'kassette','kassette.io/run':%s,"
                         "'kassette.io/step':%s}",
                         run->name, step);
}

struct kst_json *kst_run_owner(const struct kst_run *run)
{
    const struct kst_json *object = kst_journal_object(run->journal);
    return kst_json_make("{'apiVersion':%s,'kind':%s,'name':%s,'uid':%s}",
                         kst_json_path_str(object, "apiVersion"), kst_json_path_str(object, "kind"),
                         run->name, kst_json_path_str(object, "metadata.uid"));
}

const char *kst_binding_workload(const struct kst_binding *binding)
{
    const char *text = kst_json_path_str(binding->row, "workload");
    return text ? text : "";
}

/* A duration of the spec, or its default. */
static int duration(const struct kst_json *spec, const char *field, int64_t fallback_ms,
                    int64_t *out, struct kst_err **err)
{
    const struct kst_json *value = kst_json_get(spec, field);
    long long ms = fallback_ms;
    if (value &&
        (!kst_json_str(value) || !kst_parse_duration_ms(kst_json_str(value), &ms) || ms <= 0))
        return kst_err_set(err, KST_E_INVALID,
                           "spec.%s: expected a duration such as \"30s\", found \"%s\"", field,
                           kst_json_str(value) ? kst_json_str(value) : "");
    *out = ms;
    return 0;
}

static const struct kst_action *find_action(const struct kst_run *run, const char *name)
{
    for (const struct kst_action *const *at = run->actions; *at; at++) {
        if (!(*at)->name || strcmp((*at)->name, name) == 0)
            return *at;
    }
    return NULL;
}

static int read_spec(struct kst_run *run, struct kst_err **err)
{
    const struct kst_json *spec = kst_journal_spec(run->journal);
    const char *action = kst_json_path_str(spec, "action");
    const char *ns = kst_json_path_str(spec, "application.namespace");
    if (!ns || !*ns)
        return kst_err_set(err, KST_E_INVALID,
                           "Run/%s/%s names no application "
                           "(spec.application.namespace)",
                           run->home, run->name);
    if (strlen(run->name) > MAX_NAME)
        return kst_err_set(err, KST_E_INVALID,
                           "Run/%s/%s: its name has %zu characters; as it becomes "
                           "a label, at most %d are possible",
                           run->home, run->name, strlen(run->name), MAX_NAME);
    run->app_ns = kst_strdup(ns);
    run->action = find_action(run, action ? action : "backup");
    if (!run->action)
        return kst_err_set(err, KST_E_INVALID,
                           "Run/%s/%s asks for the action '%s', which this "
                           "version does not have",
                           run->home, run->name, action);
    int64_t attempts = kst_json_path_int(spec, "attempts", DEFAULT_ATTEMPTS);
    if (attempts < 1 || attempts > 100)
        return kst_err_set(err, KST_E_INVALID, "spec.attempts: expected 1 to 100, found %lld",
                           (long long)attempts);
    run->attempts = attempts;
    int rc = duration(spec, "maxFreeze", DEFAULT_MAX_FREEZE_MS, &run->max_freeze_ms, err);
    if (rc == 0)
        rc = duration(spec, "readyTimeout", DEFAULT_READY_TIMEOUT_MS, &run->ready_timeout_ms, err);
    if (rc == 0)
        rc = duration(spec, "thawTimeout", DEFAULT_THAW_TIMEOUT_MS, &run->thaw_timeout_ms, err);
    return rc < 0 ? kst_err_wrap(err, rc, "Run/%s/%s", run->home, run->name) : 0;
}

/* The end of a run that was ended before: its result again. */
static int report_end(const struct kst_run *run, enum kst_phase phase, struct kst_err **err)
{
    if (phase == KST_PHASE_SUCCEEDED)
        return 0;
    const struct kst_json *status = kst_json_get(kst_journal_object(run->journal), "status");
    const char *message = kst_json_path_str(status, "message");
    int code = phase == KST_PHASE_CANCELLED ? KST_E_CANCELLED : KST_E_FAILED;
    kst_err_set(err, code, "Run/%s/%s is %s: %s", run->home, run->name, kst_phase_name(phase),
                message ? message : "no message");
    if (kst_json_path_str(status, "reason"))
        kst_err_reason(err, kst_json_path_str(status, "reason"));
    if (kst_json_path_str(status, "hint"))
        kst_err_hint(err, "%s", kst_json_path_str(status, "hint"));
    return code;
}

static void lease_lost(void *arg)
{
    struct kst_run *run = arg;
    kst_log(KST_LOG_ERROR, "the lease of the run was lost", "run", run->name, NULL);
    if (run->fiber)
        kst_fiber_cancel(run->fiber);
}

static int guard(void *arg, struct kst_err **err)
{
    struct kst_run *run = arg;
    return run->lease ? kst_lease_check(run->lease, err) : 0;
}

int kst_run_check_owner(struct kst_run *run, struct kst_err **err)
{
    if (!run->lease)
        return 0;
    if (!run->thawing)
        return kst_lease_check(run->lease, err);
    int64_t outer = kst_deadline_set(kst_deadline_in_ms(ASK_OWNER_MS));
    kst_lease_check(run->lease, NULL);
    kst_deadline_restore(outer);
    return kst_lease_is_taken(run->lease)
               ? kst_err_set(err, KST_E_LOST,
                             "Run/%s/%s: another engine has it, and has thawed what was frozen",
                             run->home, run->name)
               : 0;
}

static char *lease_name(const struct kst_run *run)
{
    kst_auto_free char *full = kst_asprintf("run-%s", run->name);
    return kst_name_make(full, 63);
}

static int take_lease(struct kst_run *run, struct kst_err **err)
{
    kst_auto_free char *identity = kst_owner_identity();
    kst_auto_free char *name = lease_name(run);
    kst_auto_json struct kst_json *labels = kst_run_labels(run, "lease");
    kst_auto_json struct kst_json *owners = kst_json_array();
    kst_json_push(owners, kst_run_owner(run));
    const struct kst_lease_options options = {
        .ns = run->home,
        .name = name,
        .identity = identity,
        .labels = labels,
        .owners = owners,
        .holder_is_dead = kst_owner_is_dead,
        .arg = run->outer,
    };
    int rc = kst_lease_acquire(run->outer, &options, run->wait_for_owner, lease_lost, run,
                               &run->lease, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "Run/%s/%s", run->home, run->name);
    kst_kube_set_guard(run->kube, guard, run);
    return 0;
}

static void record_engine(struct kst_run *run)
{
    struct kst_json *status = kst_journal_status(run->journal);
    kst_auto_free char *identity = kst_owner_identity();
    struct kst_json *engine = kst_json_make("{'identity':%s,'token':%L,'version':%s}", identity,
                                            kst_lease_token(run->lease), KST_VERSION);
    kst_journal_stamp(engine, "startedAt", false);
    kst_json_set(status, "engine", engine);
    kst_auto_free char *who = kst_owner_describe(identity);
    kst_auto_free char *text = kst_asprintf("executed by %s, kassette " KST_VERSION, who);
    kst_event_emit(run->outer, kst_journal_object(run->journal), KST_EVENT_NORMAL,
                   kst_json_get(status, "startedAt") ? "Resumed" : "Started", text);
    if (!kst_json_get(status, "startedAt"))
        kst_journal_stamp(status, "startedAt", false);
}

/* Watches the Run for a wish to cancel, and for its deletion. */
static int listen(void *arg, struct kst_err **err)
{
    struct kst_run *run = arg;
    const struct kst_watch_options options = {.name = run->name};
    struct kst_watch *watch = kst_watch_new(run->outer, &kst_res_runs, run->home, &options);
    int rc = 0;
    while (rc == 0) {
        enum kst_watch_type type;
        const struct kst_json *object = NULL;
        rc = kst_watch_next(watch, KST_NEVER, &type, &object, err);
        if (rc < 0)
            break;
        if (type == KST_WATCH_DELETED)
            cancel(run, "the Run was deleted");
        else if (object && kst_json_path_true(object, "spec.cancel"))
            cancel(run, "spec.cancel was set");
        else if (object && kst_json_path_str(object, "metadata.deletionTimestamp"))
            cancel(run, "the Run is being deleted");
    }
    kst_watch_free(watch);
    return rc;
}

static enum kst_phase first_phase(const struct kst_run *run)
{
    const char *name = kst_json_path_str(kst_journal_object(run->journal), "status.phase");
    enum kst_phase phase = kst_phase_parse(name);
    if (phase == KST_PHASES || phase == KST_PHASE_PENDING)
        return run->action->first ? run->action->first : KST_PHASE_CAPTURE;
    /* A crash inside the freeze was recovered from: the next attempt begins. */
    return kst_phase_is_freeze(phase) ? KST_PHASE_PRE_HOOK : phase;
}

/* Walks the table until a final phase is reached, or an error. */
static int walk(struct kst_run *run, struct kst_err **err)
{
    kst_run_set_phase(run, first_phase(run));
    int rc = kst_journal_write(run->journal, err);
    while (rc == 0 && !kst_phase_is_final(run->phase)) {
        kst_phase_fn *enter = run->action->enter[run->phase];
        if (!enter)
            return kst_err_set(err, KST_E_INVALID,
                               "Run/%s/%s is in phase %s, which the action %s "
                               "does not have",
                               run->home, run->name, kst_phase_name(run->phase),
                               run->action->name ? run->action->name : "of a blueprint");
        enum kst_phase next = KST_PHASE_FAILED;
        rc = enter(run, &next, err);
        if (rc < 0)
            break;
        kst_run_set_phase(run, next);
        if (!kst_phase_is_freeze(next) && !kst_phase_is_final(next))
            rc = kst_journal_write(run->journal, err);
    }
    return rc;
}

/* Removes what attempts up to this number made; the error is worth a warning, as the run has its
 * end already. All of them are looked at again: a request of an engine that stood still may have
 * been executed after its attempt was cleaned up. */
static void remove_leftovers(struct kst_run *run, int64_t up_to)
{
    if (!run->action || !run->action->abandon)
        return;
    for (int64_t n = up_to > MAX_LEFTOVERS ? up_to - MAX_LEFTOVERS + 1 : 1; n <= up_to; n++) {
        kst_auto_err struct kst_err *error = NULL;
        if (run->action->abandon(run, n, &error) < 0)
            kst_log(KST_LOG_WARN, "could not clean up", "run", run->name, "error",
                    kst_err_message(error), NULL);
    }
}

static void record_failure(struct kst_run *run, const struct kst_err *error, bool cancelled)
{
    struct kst_json *status = kst_journal_status(run->journal);
    const char *reason = cancelled ? "Cancelled" : kst_err_get_reason(error);
    kst_auto_free char *why = cancelled ? kst_asprintf("cancelled: %s; nothing is left frozen",
                                                       run->cancel_reason ? run->cancel_reason
                                                                          : "interrupted")
                                        : kst_strdup(kst_err_message(error));
    kst_json_set_str(status, "reason", reason);
    kst_json_set_str(status, "message", why);
    kst_json_set_str(status, "hint", cancelled ? NULL : kst_err_get_hint(error));
    kst_journal_condition(run->journal, "Succeeded", false, reason, why);
}

/* What the run did is taken back. How it ends is journaled before: a successor of an engine that
 * dies here must not go on with what is half undone. */
static int undo(struct kst_run *run, enum kst_phase outcome, struct kst_err **err)
{
    if (!run->action || !run->action->undo)
        return 0;
    int64_t own_ms = run->action->undo_timeout_ms;
    int64_t outer = kst_deadline_replace(kst_deadline_in_ms(own_ms ? own_ms : UNDO_MS));
    kst_json_set_str(kst_journal_status(run->journal), "outcome", kst_phase_name(outcome));
    int rc = kst_journal_write(run->journal, err);
    if (rc == 0)
        rc = run->action->undo(run, err);
    kst_deadline_restore(outer);
    return rc < 0 ? kst_err_wrap(err, rc, "undo what it did") : 0;
}

/* Cleans up after a run that failed, and gives it its final phase. Where that is not possible now,
 * the error says so, and the run stays open for a successor. */
static int give_up(struct kst_run *run, int rc, struct kst_err **err)
{
    struct kst_json *status = kst_journal_status(run->journal);
    const char *before = kst_json_path_str(status, "outcome");
    enum kst_phase outcome = before                  ? kst_phase_parse(before)
                             : rc == KST_E_CANCELLED ? KST_PHASE_CANCELLED
                                                     : KST_PHASE_FAILED;
    remove_leftovers(run, run->attempt);
    if (!before)
        record_failure(run, *err, outcome == KST_PHASE_CANCELLED);
    kst_auto_err struct kst_err *error = NULL;
    int undone = undo(run, outcome, &error);
    if (undone < 0) {
        kst_event_emit(run->outer, kst_journal_object(run->journal), KST_EVENT_WARNING, "NotUndone",
                       kst_err_message(error));
        kst_err_clear(err);
        kst_err_wrap(&error, undone, "Run/%s/%s has failed and is not ended yet", run->home,
                     run->name);
        kst_err_hint(&error, "let it be undone again with: kassette run %s", run->name);
        return kst_err_move(err, &error);
    }
    kst_json_remove(status, "outcome");
    kst_run_set_phase(run, outcome);
    return rc;
}

/* The end: phase, condition, Event, and the journal's last write. */
static int finish(struct kst_run *run, int rc, struct kst_err **err)
{
    struct kst_json *status = kst_journal_status(run->journal);
    kst_shield_begin();
    int64_t outer = kst_deadline_replace(kst_deadline_in_ms(FINISH_MS));
    if (rc < 0) {
        rc = give_up(run, rc, err);
    } else {
        remove_leftovers(run, run->attempt - 1);
        kst_journal_condition(run->journal, "Succeeded", true, "Succeeded", "the run is complete");
    }
    kst_deadline_replace(kst_deadline_in_ms(LAST_WORDS_MS));
    if (kst_phase_is_final(run->phase)) {
        kst_journal_stamp(status, "endedAt", false);
        const char *message = kst_json_path_str(status, "message");
        kst_event_emit(run->outer, kst_journal_object(run->journal),
                       rc < 0 ? KST_EVENT_WARNING : KST_EVENT_NORMAL, kst_phase_name(run->phase),
                       message ? message : "the run is complete");
    }
    kst_auto_err struct kst_err *error = NULL;
    int written = kst_journal_write(run->journal, &error);
    if (written < 0)
        kst_log(KST_LOG_ERROR, "the end of the run could not be journaled", "run", run->name,
                "error", kst_err_message(error), NULL);
    if (written < 0 && rc == 0)
        rc = kst_err_move(err, &error);
    kst_deadline_restore(outer);
    kst_shield_end();
    return rc;
}

static int resume(struct kst_run *run, struct kst_err **err)
{
    struct kst_json *status = kst_journal_status(run->journal);
    run->attempt = kst_json_path_int(status, "attempt", 0);
    record_engine(run);
    run->sessions = kst_sessions_new(run);
    int rc = read_spec(run, err);
    if (rc == 0)
        rc = kst_bundle_open(run, &run->bundle, err);
    if (rc == 0)
        rc = kst_freeze_recover(run, err);
    const char *outcome = kst_json_path_str(status, "outcome");
    if (rc == 0 && outcome) /* a predecessor was about to end it */
        return report_end(run, kst_phase_parse(outcome), err);
    if (rc == 0 && kst_json_path_true(kst_journal_spec(run->journal), "cancel")) {
        cancel(run, "spec.cancel was set");
        rc = kst_fiber_check(err);
    }
    if (rc == 0)
        rc = walk(run, err);
    return rc;
}

static void stop_listener(struct kst_run *run)
{
    if (!run->listener)
        return;
    kst_fiber_cancel(run->listener);
    kst_fiber_join(run->listener, NULL);
    run->listener = NULL;
}

/* An engine that died after the run's last word has left its lease. It does no harm, so that an
 * error is none of the run's. */
static void sweep_lease(struct kst_run *run)
{
    kst_auto_free char *name = lease_name(run);
    kst_auto_err struct kst_err *error = NULL;
    const struct kst_lease_options options = {
        .ns = run->home, .name = name, .holder_is_dead = kst_owner_is_dead, .arg = run->outer};
    if (kst_lease_sweep(run->outer, &options, &error) < 0)
        kst_log(KST_LOG_DEBUG, "the lease of a run that has ended was not removed", "run",
                run->name, "error", kst_err_message(error), NULL);
}

/* With the lease held. */
static int execute_owned(struct kst_run *run, struct kst_err **err)
{
    int rc = kst_journal_reload(run->journal, err);
    if (rc < 0)
        return rc;
    enum kst_phase phase = kst_phase_parse(
        kst_json_path_str(kst_journal_object(run->journal), "status.phase"));
    if (kst_phase_is_final(phase))
        return report_end(run, phase, err);
    run->listener = kst_fiber_spawn(run->loop, "listener", listen, run);
    rc = resume(run, err);
    stop_listener(run);
    kst_auto_err struct kst_err *lost = NULL;
    kst_shield_begin();
    bool owner = kst_lease_check(run->lease, &lost) == 0;
    kst_shield_end();
    if (!owner) {
        kst_err_clear(err);
        return kst_err_move(err, &lost); /* the successor has the word now */
    }
    return finish(run, rc, err);
}

static int execute(void *arg, struct kst_err **err)
{
    struct kst_run *run = arg;
    int rc = kst_journal_open(run->kube, run->home, run->name, &run->journal, err);
    if (rc < 0)
        return rc;
    enum kst_phase phase = kst_phase_parse(
        kst_json_path_str(kst_journal_object(run->journal), "status.phase"));
    if (kst_phase_is_final(phase)) {
        sweep_lease(run);
        return report_end(run, phase, err);
    }
    rc = take_lease(run, err);
    if (rc < 0)
        return rc;
    rc = execute_owned(run, err);
    kst_shield_begin();
    int64_t outer = kst_deadline_replace(kst_deadline_in_ms(FINISH_MS));
    kst_kube_set_guard(run->kube, NULL, NULL);
    kst_lease_release(run->lease, true);
    run->lease = NULL;
    kst_event_flush(run->outer);
    kst_deadline_restore(outer);
    kst_shield_end();
    return rc;
}

static void release(struct kst_run *run)
{
    if (run->action && run->action->release)
        run->action->release(run);
    kst_sessions_free(run->sessions);
    kst_hook_unload(run);
    kst_bundle_free(run->bundle);
    kst_journal_free(run->journal);
    kst_kube_free(run->kube);
    kst_err_free(run->freeze_error);
    free(run->home);
    free(run->name);
    free(run->cache_dir);
    free(run->app_ns);
    free(run->cancel_reason);
    free(run);
}

static struct kst_run *make(const struct kst_run_options *options)
{
    struct kst_run *run = kst_calloc(1, sizeof(*run));
    run->outer = options->kube;
    run->loop = kst_kube_loop(options->kube);
    run->kube = kst_kube_fork(options->kube);
    kst_kube_set_patience_ms(run->kube, PATIENCE_MS);
    run->home = kst_strdup(options->home);
    run->name = kst_strdup(options->name);
    run->cache_dir = kst_strdup(options->cache_dir);
    run->actions = options->actions;
    run->observer = options->observer;
    run->wait_for_owner = options->wait_for_owner;
    return run;
}

int kst_run_execute(const struct kst_run_options *options, struct kst_err **err)
{
    struct kst_run *run = make(options);
    register_run(run);
    run->fiber = kst_fiber_spawn(run->loop, run->name, execute, run);
    int rc = kst_fiber_join(run->fiber, err);
    run->fiber = NULL;
    unregister_run(run);
    release(run);
    return rc;
}

int kst_run_plan(const struct kst_run_options *options, const struct kst_json *object,
                 int (*plan)(struct kst_run *run, struct kst_err **err), struct kst_json **status,
                 struct kst_err **err)
{
    struct kst_run *run = make(options);
    run->journal = kst_journal_of(object);
    run->sessions = kst_sessions_new(run);
    int rc = read_spec(run, err);
    if (rc == 0)
        rc = kst_bundle_open(run, &run->bundle, err);
    if (rc == 0)
        rc = plan(run, err);
    if (rc == 0)
        *status = kst_json_dup(kst_journal_status(run->journal));
    release(run);
    return rc;
}
