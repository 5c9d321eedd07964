/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run under execution: what the machine, the freeze, the natives and the actions share.
 *
 * Everything that a successor must know stands in the journal (status.bindings, status.volumes,
 * status.attempts, status.steps); this structure holds only what lives in this process.
 */
#ifndef KST_RUN_RUN_H
#define KST_RUN_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "run/phase.h"

struct kst_blueprint;
struct kst_bundle;
struct kst_err;
struct kst_fiber;
struct kst_journal;
struct kst_json;
struct kst_kube;
struct kst_lease;
struct kst_loop;
struct kst_lua;
struct kst_lua_ref;
struct kst_run;
struct kst_sessions;

/* A blueprint bound to a workload. */
struct kst_binding {
    size_t index;               /* in status.bindings */
    const struct kst_json *row; /* status.bindings[index], borrowed */
    const struct kst_blueprint *blueprint;
    struct kst_json *params;     /* resolved */
    struct kst_lua_ref *objects; /* Lua's {run, app} of the present attempt */
    bool pre_attempted, thawed;  /* in the present attempt */
};

/* What an action does in each phase, and when an attempt is given up. `enter` runs in the run's
 * fiber and sets *next; an error goes to the machine, which fails or cancels the run. */
typedef int kst_phase_fn(struct kst_run *run, enum kst_phase *next, struct kst_err **err);
struct kst_action {
    const char *name;     /* NULL: any action of a blueprint's own */
    enum kst_phase first; /* KST_PHASE_PENDING: Capture */
    kst_phase_fn *enter[KST_PHASES];
    /* Before the freeze: the intent's names into `attempt` (a row of status.attempts), watches
     * opened. After it: what was made goes into the status, watches are closed. */
    int (*arm)(struct kst_run *run, struct kst_json *attempt, struct kst_err **err);
    void (*disarm)(struct kst_run *run);
    /* Inside the freeze: every volume, at once. */
    int (*cut)(struct kst_run *run, struct kst_err **err);
    /* After a thaw whose attempt is given up, before anything is removed: may say more about the
     * cause in *error. May be NULL. Yields. */
    void (*explain)(struct kst_run *run, struct kst_err **error);
    /* Removes whatever attempt `number` may have left. Yields; idempotent. */
    int (*abandon)(struct kst_run *run, int64_t number, struct kst_err **err);
    /* Once a run is going to end as Failed or Cancelled, and its attempts are cleaned up: takes
     * back what it did. May be NULL. Called in a shield, within `undo_timeout_ms` (0: 10 s, which
     * with the cleaning up is within a Pod's 30 s of grace; more is allowed, as a successor goes
     * on), with the journal written: status.outcome says how the run will end, so that a successor
     * calls it again, and nothing else. It may change the status and write the journal. The run has
     * its final phase when it has returned 0; until then it is not ended, and `kassette run` goes
     * on with it. Yields; idempotent. */
    int (*undo)(struct kst_run *run, struct kst_err **err);
    int64_t undo_timeout_ms;
    /* Natives beside the run's own, ended by a NULL name; and their life's end. */
    const struct kst_lua_native *natives;
    void (*release)(struct kst_run *run);
};

/* What happens, for a terminal or a test; called on the loop, may not wait. `detail` is borrowed
 * and may be NULL. */
enum kst_note {
    KST_NOTE_PHASE, /* text: the phase's name */
    KST_NOTE_HOOK,  /* "pre_hook StatefulSet/db" … with detail {durationMs, error} */
    KST_NOTE_FROZEN,
    KST_NOTE_CUT,    /* text: the claim; detail: the volume's row */
    KST_NOTE_THAWED, /* detail: {durationMs}; text: why a post-hook failed, or NULL */
    KST_NOTE_READY,  /* as CUT */
    /* Of a restore. Text: "Config", …, a rank whose objects are done; detail {created, changed,
     * unchanged, skipped, failed}. */
    KST_NOTE_OBJECTS,
    KST_NOTE_WORKLOAD, /* text: "StatefulSet/db" and what became of it; detail: its row, or NULL */
    KST_NOTE_VOLUME,   /* text: the claim, and what became of it; detail: its row */
    KST_NOTE_LOG,      /* a blueprint's run:log */
    KST_NOTE_WARNING,
    /* Commands in Pods, for traces; text: "exec" and "open" {pod, command}, "end" of an exec {pod,
     * code, stdout, durationMs, or error}, "send" and "read" of a session {pod, session, data},
     * "close" {pod, session}. What they hold may be secret. */
    KST_NOTE_COMMAND,
};
struct kst_run_observer {
    void (*note)(void *arg, const struct kst_run *run, enum kst_note note, const char *text,
                 const struct kst_json *detail);
    void *arg;
};

struct kst_run_options {
    struct kst_kube *kube; /* forked for the run */
    const char *home;      /* the namespace of Runs, Leases and Jobs */
    const char *name;
    const char *cache_dir;                   /* of Git sources */
    const struct kst_action *const *actions; /* ended by NULL; the last may have no name: any */
    struct kst_run_observer observer;
    bool wait_for_owner; /* wait for the lease instead of refusing */
};

struct kst_run {
    struct kst_loop *loop;
    struct kst_kube *kube;
    struct kst_kube *outer;
    char *home, *name, *cache_dir;
    char *app_ns; /* the application's namespace */
    const struct kst_action *action;
    const struct kst_action *const *actions;
    struct kst_run_observer observer;
    bool wait_for_owner;

    struct kst_journal *journal;
    struct kst_lease *lease;
    struct kst_fiber *fiber;    /* the run's own: cancelled by kst_run_cancel() */
    struct kst_fiber *listener; /* watches the Run for spec.cancel */
    bool cancelled;             /* somebody asked for it */
    bool thawing;               /* post-hooks are run */
    char *cancel_reason;

    struct kst_lua *lua;
    struct kst_bundle *bundle; /* blueprints, as read */
    struct kst_blueprint **blueprints;
    size_t nblueprints;
    struct kst_binding *bindings;
    size_t nbindings;
    struct kst_sessions *sessions;

    enum kst_phase phase;
    int64_t attempt;         /* status.attempt */
    int64_t failed_attempts; /* of those that count against spec.attempts */
    int64_t attempts, max_freeze_ms, ready_timeout_ms, thaw_timeout_ms;
    int64_t freeze_started_us, freeze_ended_us; /* monotonic */
    struct kst_err *freeze_error;               /* why the present attempt is given up */
    void *data;                                 /* the action's */
};

/* Executes, or resumes, one Run to its end: takes the lease, reads the journal, thaws and cleans up
 * what a predecessor left, and goes on from there. Yields. 0 where the run is Succeeded (also
 * where it was so before). Otherwise the error that the Run's status tells too: KST_E_CANCELLED,
 * KST_E_REFUSED (another engine has it), KST_E_LOST, or the failure's own code. */
int kst_run_execute(const struct kst_run_options *options, struct kst_err **err);

/* What `plan` finds out for a Run object that was not created, into *status (the caller frees it):
 * for
 * --dry-run. Nothing is changed in the cluster. Yields. */
int kst_run_plan(const struct kst_run_options *options, const struct kst_json *object,
                 int (*plan)(struct kst_run *run, struct kst_err **err), struct kst_json **status,
                 struct kst_err **err);

/* Asks a run of this process (of any name where `name` is NULL) to stop: it thaws and cleans up and
 * ends as Cancelled. Callable from the loop. The count of runs asked. */
size_t kst_run_cancel(const char *name, const char *reason);

/* For actions and natives. */

/* Traces (log, observer, Event) and sets; the journal is written by whoever makes the phase last.
 * Never yields. */
void kst_run_set_phase(struct kst_run *run, enum kst_phase phase);
void kst_run_note(const struct kst_run *run, enum kst_note note, const char *text,
                  const struct kst_json *detail);
/* To be asked before a command is run in the application: an engine that stood still may have lost
 * its run meanwhile, and its successor frozen or thawed. KST_E_LOST. In a thaw only a known owner
 * counts, and what cannot be known within seconds is taken for ours. Yields where our last renewal
 * is old. */
int kst_run_check_owner(struct kst_run *run, struct kst_err **err);
/* {"kassette.io/run":…, "kassette.io/step":…} for objects that the run creates; the caller frees.
 */
struct kst_json *kst_run_labels(const struct kst_run *run, const char *step);
/* An ownerReference to the Run, for objects in its own namespace; the caller frees. */
struct kst_json *kst_run_owner(const struct kst_run *run);
/* "Kind/name" of a binding's workload, borrowed from its row. */
const char *kst_binding_workload(const struct kst_binding *binding);

#endif
