/* SPDX-License-Identifier: Apache-2.0 */
#include "app/point/keeper.h"

#include "app/point/point.h"
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
#include "run/journal.h"
#include "run/owner.h"
#include <stdlib.h>

enum {
    AT_ONCE = 8,
    PAUSE_MS = 2000, /* before the second try; doubled before each further one */
    PAUSE_MAX_MS = 5 * 60 * 1000,
    IN_USE_PAUSE_MS = 5000, /* between looks at a point that a Run uses */
    /* For who has begun to delete a point (kassette delete point) and is expected to end it. */
    GRACE_MS = 60 * 1000,
    AGAIN_MS = 5000,       /* after the watch or the lease failed */
    LEASE_MS = 40 * 1000,  /* for a first look at the lease: its holder must have renewed it */
    LOOK_MS = 60 * 1000,   /* at the clock, which may be set */
    RELEASE_MS = 5 * 1000, /* for giving up the lease at the end */
};

struct keeper;

/* A RestorePoint as the watch has told it last, and what is done to it. */
struct ward {
    struct keeper *keeper;
    char *name, *uid;
    bool deleted;            /* by kubectl: our finalizer holds it */
    bool begun;              /* somebody else has begun to delete it, by his own account */
    int64_t expires_ms;      /* wall clock; 0: never */
    int64_t next_ms;         /* when to try, at the earliest (kst_now_ms() time) */
    unsigned tries;          /* that failed */
    unsigned seen;           /* in which list */
    bool gone;               /* from the cluster */
    bool done;               /* deleted by us; the watch will say so */
    struct kst_fiber *fiber; /* deletes it */
};

struct keeper {
    struct kst_kube *outer, *kube; /* the latter is fenced by the lease */
    const char *home;
    struct kst_lease *lease;
    struct kst_fiber *work;
    struct ward **wards;
    size_t count;
    unsigned list; /* which one the watch is in */
    struct kst_cond changed;
};

/* ---- What there is ---- */

static void ward_free(struct ward *ward)
{
    free(ward->name);
    free(ward->uid);
    free(ward);
}

static struct ward *find_ward(const struct keeper *self, const char *uid)
{
    for (size_t i = 0; i < self->count; i++) {
        if (kst_same(self->wards[i]->uid, uid))
            return self->wards[i];
    }
    return NULL;
}

static bool has_finalizer(const struct kst_json *point)
{
    const struct kst_json *all = kst_json_path(point, "metadata.finalizers");
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        if (kst_same(kst_json_str(row), KST_POINT_FINALIZER))
            return true;
    }
    return false;
}

static int64_t expiry_ms(const struct kst_json *point)
{
    int64_t us = 0;
    const char *text = kst_json_path_str(point, "spec.expiresAt");
    return text && kst_time_parse_us(text, &us) ? us / 1000 : 0;
}

/* What the point's last state says. */
static void take_state(struct ward *ward, const struct kst_json *point)
{
    bool begun = kst_same(kst_json_path_str(point, "status.phase"), "Deleting");
    if (begun && !ward->begun && !ward->fiber && ward->tries == 0)
        ward->next_ms = kst_now_ms() + GRACE_MS;
    bool deleted = kst_json_path_str(point, "metadata.deletionTimestamp") && has_finalizer(point);
    if (deleted && !ward->deleted && ward->tries == 0)
        ward->next_ms = 0; /* nobody else's word is waited for */
    /* What others hold by finalizers of their own is not ours any more. */
    bool is_left = kst_json_path_str(point, "metadata.deletionTimestamp") && !deleted;
    ward->begun = begun && !is_left;
    ward->deleted = deleted;
    ward->expires_ms = is_left ? 0 : expiry_ms(point);
    ward->seen = ward->keeper->list;
}

static void saw(struct keeper *self, const struct kst_json *point)
{
    const char *uid = kst_json_path_str(point, "metadata.uid");
    struct ward *ward = find_ward(self, uid);
    if (!ward) {
        ward = kst_calloc(1, sizeof(*ward));
        ward->keeper = self;
        ward->name = kst_strdup(kst_json_path_str(point, "metadata.name"));
        ward->uid = kst_strdup(uid);
        self->wards = kst_realloc(self->wards, (self->count + 1) * sizeof(struct ward *));
        self->wards[self->count++] = ward;
    }
    take_state(ward, point);
}

/* After a list from the start: what is not in it is not there any more. */
static void drop_unseen(struct keeper *self)
{
    for (size_t i = 0; i < self->count; i++)
        self->wards[i]->gone = self->wards[i]->gone || self->wards[i]->seen != self->list;
}

static void take_event(struct keeper *self, enum kst_watch_type type, const struct kst_json *point)
{
    struct ward *ward = NULL;
    switch (type) {
    case KST_WATCH_SYNCED:
        drop_unseen(self);
        break;
    case KST_WATCH_DELETED:
        ward = find_ward(self, kst_json_path_str(point, "metadata.uid"));
        if (ward)
            ward->gone = true;
        break;
    case KST_WATCH_SEEN:
    case KST_WATCH_MODIFIED:
        saw(self, point);
        break;
    }
    kst_cond_signal(&self->changed);
}

static int watch(struct keeper *self, struct kst_err **err)
{
    struct kst_watch *watch = kst_watch_new(self->outer, &kst_res_restorepoints, self->home, NULL);
    int rc = 0;
    self->list++;
    while (rc == 0) {
        enum kst_watch_type type;
        const struct kst_json *point = NULL;
        rc = kst_watch_next(watch, KST_NEVER, &type, &point, err);
        if (rc == 0)
            take_event(self, type, point);
    }
    kst_watch_free(watch);
    return rc;
}

/* Until it is cancelled: what is not served, or not allowed, may be so later. */
static int watch_on(void *arg, struct kst_err **err)
{
    struct keeper *self = arg;
    for (;;) {
        kst_auto_err struct kst_err *cause = NULL;
        int rc = watch(self, &cause);
        if (kst_fiber_check(NULL) < 0)
            return rc;
        kst_log(KST_LOG_ERROR, "cannot watch restore points, trying again", "error",
                kst_err_message(cause), "hint", kst_err_get_hint(cause), NULL);
        rc = kst_sleep_ms(AGAIN_MS, err);
        if (rc < 0)
            return rc;
    }
}

/* ---- Deleting one ---- */

static const char *why(const struct ward *ward)
{
    return ward->deleted ? "it was deleted" : ward->begun ? "its deletion was begun" : "it expired";
}

/* Whether the point, as it is now, is still to be deleted. */
static bool is_wanted(const struct ward *ward, const struct kst_json *point)
{
    int64_t expires_ms = expiry_ms(point);
    return kst_same(kst_json_path_str(point, "metadata.uid"), ward->uid) &&
           (kst_json_path_str(point, "metadata.deletionTimestamp") ||
            kst_same(kst_json_path_str(point, "status.phase"), "Deleting") ||
            (expires_ms && expires_ms <= kst_wall_ms()));
}

/* The condition Deleted of the point, which says what is in the way. A status that was changed
 * meanwhile is told the next time. */
static void tell_condition(struct keeper *self, const struct kst_json *point, const char *reason,
                           const char *message)
{
    const char *name = kst_json_path_str(point, "metadata.name");
    kst_auto_json struct kst_json *fresh = NULL;
    kst_auto_err struct kst_err *error = NULL;
    int rc = kst_kube_get(self->kube, &kst_res_restorepoints, self->home, name, &fresh, &error);
    if (rc == 0 && kst_same(kst_json_path_str(fresh, "metadata.uid"),
                            kst_json_path_str(point, "metadata.uid"))) {
        struct kst_json *status = kst_json_ensure_object(fresh, "status");
        kst_condition_set(status, kst_json_path_int(fresh, "metadata.generation", 0), "Deleted",
                          false, reason, message);
        kst_auto_json struct kst_json *patch = kst_json_make(
            "{'metadata':{'resourceVersion':%s},'status':{'conditions':%J}}",
            kst_json_path_str(fresh, "metadata.resourceVersion"),
            kst_json_get(status, "conditions"));
        rc = kst_kube_patch(self->kube, &kst_res_restorepoints, self->home, name, "status",
                            KST_PATCH_MERGE, patch, NULL, &error);
    }
    if (rc < 0)
        kst_log(KST_LOG_DEBUG, "the condition of a restore point was not written", "point", name,
                "error", kst_err_message(error), NULL);
}

static bool is_in_use(const struct kst_err *error)
{
    return kst_same(kst_err_get_reason(error), "RestorePointInUse");
}

static int64_t pause_ms(const struct ward *ward)
{
    int64_t ms = PAUSE_MS;
    for (unsigned i = 1; i < ward->tries && ms < PAUSE_MAX_MS; i++)
        ms *= 2;
    return ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS;
}

/* What people read of a point that is still there: its condition, Events, our log. */
static void tell_failure(struct ward *ward, const struct kst_json *point,
                         const struct kst_err *error)
{
    struct keeper *self = ward->keeper;
    bool in_use = is_in_use(error);
    char pause[KST_TIME_TEXT];
    ward->tries++;
    int64_t again_ms = in_use ? IN_USE_PAUSE_MS : pause_ms(ward);
    ward->next_ms = kst_now_ms() + again_ms;
    kst_duration_format(again_ms, pause);
    if (in_use && ward->tries > 1)
        return; /* that was told */
    kst_log(in_use ? KST_LOG_INFO : KST_LOG_WARN,
            in_use ? "a restore point waits for the Run that uses it"
                   : "a restore point could not be deleted",
            "point", ward->name, "reason", kst_err_get_reason(error), "error",
            kst_err_message(error), "again", pause, NULL);
    int code = kst_err_code(error);
    if (!point || code == KST_E_UNREACHABLE || code == KST_E_SERVER)
        return; /* of the cluster, and not of the point */
    kst_event_emit(self->outer, point, in_use ? KST_EVENT_NORMAL : KST_EVENT_WARNING,
                   in_use ? "DeletionWaits" : "DeletionFailed", kst_err_message(error));
    tell_condition(self, point, kst_err_get_reason(error), kst_err_message(error));
}

static int delete_ward(void *arg, struct kst_err **err)
{
    struct ward *ward = arg;
    struct keeper *self = ward->keeper;
    kst_auto_json struct kst_json *point = NULL;
    kst_auto_err struct kst_err *error = NULL;
    int rc = kst_kube_get(self->kube, &kst_res_restorepoints, self->home, ward->name, &point,
                          &error);
    bool wanted = rc == 0 && is_wanted(ward, point);
    if (wanted)
        kst_log(KST_LOG_INFO, "deleting a restore point", "point", ward->name, "because", why(ward),
                NULL);
    if (wanted)
        rc = kst_point_delete_object(self->kube, point, &error);
    if (kst_fiber_check(NULL) < 0 || rc == KST_E_LOST)
        return KST_E_CANCELLED;
    if (rc == 0 || rc == KST_E_NOT_FOUND) {
        ward->done = wanted; /* else the watch will tell of another state */
        if (wanted)
            kst_log(KST_LOG_INFO, "a restore point was deleted", "point", ward->name, NULL);
        else
            ward->next_ms = kst_now_ms() + AGAIN_MS;
    } else {
        tell_failure(ward, point, error);
    }
    kst_cond_signal(&self->changed);
    return 0;
}

/* ---- The work ---- */

/* When the ward is to be deleted (kst_now_ms() time); KST_NEVER where nothing is to be done. */
static int64_t due_ms(const struct ward *ward)
{
    if (ward->gone || ward->done)
        return KST_NEVER;
    if (ward->deleted || ward->begun)
        return ward->next_ms;
    if (!ward->expires_ms)
        return KST_NEVER;
    int64_t at_ms = kst_now_ms() + (ward->expires_ms - kst_wall_ms());
    return at_ms > ward->next_ms ? at_ms : ward->next_ms;
}

/* Joins fibers that have ended, and forgets what is gone; the count of those that run. */
static size_t settle(struct keeper *self)
{
    size_t busy = 0, kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        struct ward *ward = self->wards[i];
        if (ward->fiber && kst_fiber_ended(ward->fiber)) {
            kst_fiber_join(ward->fiber, NULL);
            ward->fiber = NULL;
        }
        busy += ward->fiber != NULL;
        if (ward->gone && !ward->fiber)
            ward_free(ward);
        else
            self->wards[kept++] = ward;
    }
    self->count = kept;
    return busy;
}

/* Starts what is due; when to look again. */
static int64_t start_due(struct keeper *self, size_t busy)
{
    int64_t next_ms = kst_now_ms() + LOOK_MS;
    for (size_t i = 0; i < self->count; i++) {
        struct ward *ward = self->wards[i];
        int64_t at_ms = due_ms(ward);
        if (ward->fiber)
            continue;
        if (at_ms > kst_now_ms()) {
            next_ms = at_ms < next_ms ? at_ms : next_ms;
        } else if (busy < AT_ONCE) { /* else at the end of one of them */
            busy++;
            ward->fiber = kst_fiber_spawn(kst_fiber_loop(), ward->name, delete_ward, ward);
        }
    }
    return next_ms;
}

static void stop_all(struct keeper *self, struct kst_fiber *watcher)
{
    kst_fiber_cancel(watcher);
    for (size_t i = 0; i < self->count; i++) {
        if (self->wards[i]->fiber)
            kst_fiber_cancel(self->wards[i]->fiber);
    }
    kst_fiber_join(watcher, NULL);
    for (size_t i = 0; i < self->count; i++) {
        if (self->wards[i]->fiber)
            kst_fiber_join(self->wards[i]->fiber, NULL);
        ward_free(self->wards[i]);
    }
    free(self->wards);
    self->wards = NULL;
    self->count = 0;
}

/* Until it is cancelled: by the end of the process, or by the loss of the lease. */
static int work(void *arg, struct kst_err **err)
{
    struct keeper *self = arg;
    struct kst_fiber *watcher = kst_fiber_spawn(kst_fiber_loop(), "watch", watch_on, self);
    int rc = 0;
    while (rc == 0) {
        int64_t next_ms = start_due(self, settle(self));
        kst_auto_err struct kst_err *ended = NULL;
        rc = kst_cond_wait(&self->changed, next_ms, &ended);
        if (rc == KST_E_TIMEOUT)
            rc = 0;
    }
    stop_all(self, watcher);
    return rc;
}

static void lease_lost(void *arg)
{
    struct keeper *self = arg;
    if (self->work)
        kst_fiber_cancel(self->work);
}

static int guard(void *arg, struct kst_err **err)
{
    struct keeper *self = arg;
    return kst_lease_check(self->lease, err);
}

static int take_lease(struct keeper *self, const char *identity, struct kst_err **err)
{
    kst_auto_json struct kst_json *labels = kst_json_make("{'app.kubernetes.io/name':'kassette'}");
    const struct kst_lease_options options = {
        .ns = self->home,
        .name = KST_KEEPER_LEASE,
        .identity = identity,
        .labels = labels,
        .holder_is_dead = kst_owner_is_dead,
        .arg = self->outer,
    };
    struct kst_err *cause = NULL;
    /* An API server that is away is told, and not waited for in silence. */
    int64_t outer = kst_deadline_set(kst_deadline_in_ms(LEASE_MS));
    int rc = kst_lease_acquire(self->outer, &options, false, lease_lost, self, &self->lease,
                               &cause);
    kst_deadline_restore(outer);
    if (rc != KST_E_REFUSED)
        return rc < 0 ? kst_err_move(err, &cause) : 0;
    kst_log(KST_LOG_INFO, "another controller works: waiting for its lease", "holder",
            kst_err_message(cause), NULL);
    kst_err_clear(&cause);
    return kst_lease_acquire(self->outer, &options, true, lease_lost, self, &self->lease, err);
}

static void give_up_lease(struct keeper *self)
{
    kst_shield_begin();
    int64_t outer = kst_deadline_replace(kst_deadline_in_ms(RELEASE_MS));
    kst_event_flush(self->outer);
    kst_lease_release(self->lease, false);
    self->lease = NULL;
    kst_deadline_restore(outer);
    kst_shield_end();
}

static int lead(struct keeper *self, const char *identity, struct kst_err **err)
{
    int rc = take_lease(self, identity, err);
    if (rc < 0)
        return rc;
    kst_log(KST_LOG_INFO, "the lease is ours: at work", "namespace", self->home, NULL);
    self->kube = kst_kube_fork(self->outer);
    kst_kube_set_guard(self->kube, guard, self);
    self->work = kst_fiber_spawn(kst_fiber_loop(), "work", work, self);
    kst_fiber_join(self->work, NULL);
    self->work = NULL;
    rc = kst_fiber_check(err);
    if (rc == 0)
        rc = kst_err_set(err, KST_E_LOST, "Lease/%s/%s is another's", self->home, KST_KEEPER_LEASE);
    kst_kube_free(self->kube);
    self->kube = NULL;
    give_up_lease(self);
    return rc;
}

int kst_keeper_run(const struct kst_keeper_options *options, struct kst_err **err)
{
    struct keeper self = {.outer = options->kube, .home = options->home};
    int rc = 0;
    while (rc == 0) {
        kst_auto_err struct kst_err *cause = NULL;
        lead(&self, options->identity, &cause);
        rc = kst_fiber_check(err);
        if (rc < 0)
            break;
        kst_log(KST_LOG_WARN, "not at work, trying again", "error", kst_err_message(cause), NULL);
        rc = kst_sleep_ms(AGAIN_MS, err);
    }
    kst_cond_release(&self.changed);
    return rc;
}
