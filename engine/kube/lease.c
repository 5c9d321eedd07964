/* SPDX-License-Identifier: Apache-2.0 */
/* https://kubernetes.io/docs/concepts/architecture/leases/ */
#include "kube/lease.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "kube/watch.h"
#include "loop/fiber.h"
#include "loop/loop.h"

enum {
    DURATION_MS = 15 * 1000,
    ASK_MS = 1000,     /* between questions whether the holder is dead */
    RENEW_MS = 5000,   /* for one try to renew */
    RETRY_MS = 500,    /* after a renewal that failed */
    RELEASE_MS = 6000, /* for giving the lease up: two tries */
};

struct kst_lease {
    struct kst_kube *kube;
    char *ns, *name, *identity, *what;
    struct kst_json *labels, *owners; /* of the options */
    int64_t duration_ms;
    int64_t token;
    int64_t sure_until_ms; /* ours beyond doubt until then */
    struct kst_json *object;
    bool lost, taken;
    void (*lost_call)(void *arg);
    void *lost_arg;
    struct kst_timer *start; /* of the renewer */
    struct kst_fiber *renewer;
    struct kst_cond *changed;
};

static void free_lease(struct kst_lease *self)
{
    kst_cond_release(self->changed);
    free(self->changed);
    kst_json_free(self->object);
    kst_json_free(self->labels);
    kst_json_free(self->owners);
    free(self->ns);
    free(self->name);
    free(self->identity);
    free(self->what);
    free(self);
}

static bool is_mine(const struct kst_lease *self, const struct kst_json *object)
{
    const char *holder = kst_json_path_str(object, "spec.holderIdentity");
    return holder && strcmp(holder, self->identity) == 0;
}

/* Four fifths of the duration after the renewal was sent: the last fifth is for a write that is
 * under way when it is asked about. */
static void mark_sure(struct kst_lease *self, int64_t sent_ms)
{
    self->sure_until_ms = sent_ms + self->duration_ms - self->duration_ms / 5;
}

static struct kst_json *make_spec(const struct kst_lease *self, const struct kst_json *before)
{
    char now[KST_TIME_TEXT];
    kst_time_format_micro(kst_wall_us(), now);
    int64_t transitions = kst_json_path_int(before, "leaseTransitions", 0);
    const char *holder = kst_json_str(kst_json_get(before, "holderIdentity"));
    const char *acquired = kst_json_str(kst_json_get(before, "acquireTime"));
    bool kept = holder && strcmp(holder, self->identity) == 0;
    return kst_json_make("{'holderIdentity':%s,'leaseDurationSeconds':%L,'acquireTime':%s,"
                         "'renewTime':%s,'leaseTransitions':%L}",
                         self->identity, self->duration_ms / 1000,
                         kept && acquired ? acquired : now, now,
                         before && !kept ? transitions + 1 : transitions);
}

/* ---- Acquiring ---- */

/* What was seen of another holder. */
struct rival {
    bool seen;
    char *holder;
    char *renewed;
    int64_t since_ms; /* when it was first seen like this */
    int64_t duration_ms;
    int64_t asked_ms;
};

static void forget_rival(struct rival *self)
{
    free(self->holder);
    free(self->renewed);
    *self = (struct rival){0};
}

/* Both take 1 for success, 0 for "look again". */
static int make_lease(struct kst_lease *self, struct kst_err **err)
{
    kst_auto_json struct kst_json *spec = make_spec(self, NULL);
    kst_auto_json struct kst_json *lease = kst_json_make(
        "{'apiVersion':'coordination.k8s.io/v1','kind':'Lease',"
        "'metadata':{'name':%s,'namespace':%s},'spec':%J}",
        self->name, self->ns, spec);
    if (self->labels)
        kst_json_set(kst_json_mut(lease, "metadata"), "labels", kst_json_dup(self->labels));
    if (self->owners)
        kst_json_set(kst_json_mut(lease, "metadata"), "ownerReferences",
                     kst_json_dup(self->owners));
    kst_auto_json struct kst_json *made = NULL;
    struct kst_err *cause = NULL;
    int64_t sent_ms = kst_now_ms();
    int rc = kst_kube_create(self->kube, &kst_res_leases, self->ns, lease, false, &made, &cause);
    if (rc == KST_E_EXISTS) {
        kst_err_clear(&cause);
        return 0;
    }
    if (rc < 0)
        return kst_err_move(err, &cause);
    if (!is_mine(self, made)) /* another engine of this run made it at the same moment */
        return 0;
    mark_sure(self, sent_ms);
    self->object = kst_take(made);
    return 1;
}

static int take_lease(struct kst_lease *self, const struct kst_json *found, struct kst_err **err)
{
    kst_auto_json struct kst_json *lease = kst_json_dup(found);
    kst_json_set(lease, "spec", make_spec(self, kst_json_get(found, "spec")));
    kst_auto_json struct kst_json *taken = NULL;
    struct kst_err *cause = NULL;
    int64_t sent_ms = kst_now_ms();
    int rc = kst_kube_update(self->kube, &kst_res_leases, self->ns, lease, NULL, &taken, &cause);
    if (rc == KST_E_CONFLICT || rc == KST_E_NOT_FOUND) {
        kst_err_clear(&cause);
        return 0;
    }
    if (rc < 0)
        return kst_err_move(err, &cause);
    mark_sure(self, sent_ms);
    self->object = kst_take(taken);
    return 1;
}

static int refuse(const struct kst_lease *self, const struct kst_json *found, struct kst_err **err)
{
    const char *holder = kst_json_path_str(found, "spec.holderIdentity");
    const char *since = kst_json_path_str(found, "spec.acquireTime");
    kst_err_set(err, KST_E_REFUSED,
                "%s: expected nobody to hold it, but %s has held it since %s "
                "and renews it",
                self->what, holder, since ? since : "some time");
    kst_err_hint(err, "One engine executes a run. Wait for that one to end, or end it.");
    return KST_E_REFUSED;
}

/* What to do about a lease of somebody else: 1 take it, 0 look on, or an error. */
static int judge_rival(const struct kst_lease *self, const struct kst_lease_options *options,
                       bool wait, struct rival *rival, const struct kst_json *found,
                       struct kst_err **err)
{
    const char *holder = kst_json_path_str(found, "spec.holderIdentity");
    const char *renewed = kst_json_path_str(found, "spec.renewTime");
    renewed = renewed ? renewed : "";
    if (!holder || !*holder || is_mine(self, found))
        return 1;
    int64_t now = kst_now_ms();
    bool same_holder = rival->seen && strcmp(rival->holder, holder) == 0;
    if (same_holder && strcmp(rival->renewed, renewed) != 0 && !wait)
        return refuse(self, found, err);
    if (!same_holder || strcmp(rival->renewed, renewed) != 0) {
        forget_rival(rival);
        rival->seen = true;
        rival->holder = kst_strdup(holder);
        rival->renewed = kst_strdup(renewed);
        rival->since_ms = now;
        rival->duration_ms = 1000 * kst_json_path_int(found, "spec.leaseDurationSeconds",
                                                      DURATION_MS / 1000);
    }
    if (now - rival->since_ms >= rival->duration_ms)
        return 1;
    if (options->holder_is_dead && (!rival->asked_ms || now - rival->asked_ms >= ASK_MS)) {
        bool dead = options->holder_is_dead(options->arg, holder);
        rival->asked_ms = kst_now_ms();
        return dead;
    }
    return 0;
}

static int try_found(struct kst_lease *self, const struct kst_lease_options *options, bool wait,
                     struct rival *rival, const struct kst_json *found, struct kst_err **err)
{
    int rc = found ? judge_rival(self, options, wait, rival, found, err) : 1;
    if (rc <= 0)
        return rc;
    return found ? take_lease(self, found, err) : make_lease(self, err);
}

/* Watches the lease until it is ours. */
static int contend(struct kst_lease *self, const struct kst_lease_options *options, bool wait,
                   struct kst_watch *watch, struct kst_err **err)
{
    struct rival rival = {0};
    kst_auto_json struct kst_json *found = NULL;
    bool known = false;
    int rc = 0;
    while (rc == 0) {
        enum kst_watch_type type = KST_WATCH_SYNCED;
        const struct kst_json *object = NULL;
        struct kst_err *cause = NULL;
        rc = kst_watch_next(watch, known ? kst_deadline_in_ms(ASK_MS) : KST_NEVER, &type, &object,
                            &cause);
        if (rc == KST_E_TIMEOUT && kst_fiber_check(NULL) == 0) {
            kst_err_clear(&cause); /* a moment to ask again */
            rc = 0;
        } else if (rc < 0) {
            kst_err_move(err, &cause);
        } else if (type != KST_WATCH_SYNCED) {
            kst_json_free(found);
            found = type == KST_WATCH_DELETED ? NULL : kst_json_dup(object);
        } else {
            known = true;
        }
        if (rc == 0 && known)
            rc = try_found(self, options, wait, &rival, found, err);
    }
    forget_rival(&rival);
    return rc < 0 ? rc : 0;
}

/* ---- Renewing ---- */

static void lose(struct kst_lease *self, const char *why)
{
    if (self->lost)
        return;
    self->lost = true;
    kst_log(KST_LOG_WARN, "the lease was lost", "lease", self->what, "reason", why, NULL);
    if (self->lost_call)
        self->lost_call(self->lost_arg);
    kst_cond_signal(self->changed);
}

/* After a conflict: whose is it now? */
static int look_again(struct kst_lease *self, struct kst_err **err)
{
    struct kst_json *there = NULL;
    int rc = kst_kube_get(self->kube, &kst_res_leases, self->ns, self->name, &there, err);
    if (rc < 0)
        return rc;
    if (!is_mine(self, there)) {
        const char *holder = kst_json_path_str(there, "spec.holderIdentity");
        self->taken = holder && *holder;
        rc = kst_err_set(err, KST_E_LOST, "%s: %s has taken it", self->what,
                         self->taken ? holder : "nobody");
        kst_json_free(there);
        return rc;
    }
    kst_json_free(self->object);
    self->object = there;
    return 0;
}

static int renew_once(struct kst_lease *self, struct kst_err **err)
{
    kst_auto_json struct kst_json *lease = kst_json_dup(self->object);
    kst_json_set(lease, "spec", make_spec(self, kst_json_get(lease, "spec")));
    struct kst_json *renewed = NULL;
    struct kst_err *cause = NULL;
    int64_t sent_ms = kst_now_ms();
    int64_t before = kst_deadline_set(kst_deadline_in_ms(RENEW_MS));
    int rc = kst_kube_update(self->kube, &kst_res_leases, self->ns, lease, NULL, &renewed, &cause);
    if (rc == KST_E_CONFLICT) {
        /* Somebody's label, an answer of ours that was lost, or another holder. */
        kst_err_clear(&cause);
        rc = look_again(self, &cause);
        if (rc == 0)
            rc = kst_err_set(&cause, KST_E_CONFLICT, "%s was changed meanwhile", self->what);
    }
    kst_deadline_restore(before);
    if (rc < 0)
        return kst_err_move(err, &cause);
    kst_json_free(self->object);
    self->object = renewed;
    mark_sure(self, sent_ms);
    kst_cond_signal(self->changed);
    return 0;
}

static int renew(void *arg, struct kst_err **err)
{
    struct kst_lease *self = arg;
    int64_t pause_ms = self->duration_ms / 3;
    for (;;) {
        int rc = kst_sleep_ms(pause_ms, err);
        if (rc < 0)
            return rc;
        kst_auto_err struct kst_err *cause = NULL;
        rc = renew_once(self, &cause);
        pause_ms = rc == 0 ? self->duration_ms / 3 : rc == KST_E_CONFLICT ? 0 : RETRY_MS;
        if (rc == KST_E_LOST || rc == KST_E_NOT_FOUND) {
            lose(self, kst_err_message(cause));
            return 0;
        }
        if (rc < 0)
            kst_log(KST_LOG_DEBUG, "the lease could not be renewed", "lease", self->what, "reason",
                    kst_err_message(cause), NULL);
    }
}

/* From a timer, so that the renewer inherits no deadline and no cancellation of a run's fiber. */
static void start_renewer(void *arg)
{
    struct kst_lease *self = arg;
    self->start = NULL;
    self->renewer = kst_fiber_spawn(kst_kube_loop(self->kube), "lease", renew, self);
}

int kst_lease_acquire(struct kst_kube *kube, const struct kst_lease_options *options, bool wait,
                      void (*lost_call)(void *arg), void *lost_arg, struct kst_lease **out,
                      struct kst_err **err)
{
    struct kst_lease *self = kst_calloc(1, sizeof(*self));
    self->kube = kube;
    self->ns = kst_strdup(options->ns);
    self->name = kst_strdup(options->name);
    self->identity = kst_strdup(options->identity);
    self->what = kst_asprintf("Lease/%s/%s", options->ns, options->name);
    self->labels = options->labels ? kst_json_dup(options->labels) : NULL;
    self->owners = options->owners ? kst_json_dup(options->owners) : NULL;
    self->duration_ms = options->duration_ms ? options->duration_ms : DURATION_MS;
    self->lost_call = lost_call;
    self->lost_arg = lost_arg;
    self->changed = kst_calloc(1, sizeof(*self->changed));
    const struct kst_watch_options only = {.name = self->name};
    struct kst_watch *watch = kst_watch_new(kube, &kst_res_leases, self->ns, &only);
    int rc = contend(self, options, wait, watch, err);
    kst_watch_free(watch);
    if (rc < 0) {
        free_lease(self);
        return rc;
    }
    self->token = kst_json_path_int(self->object, "spec.leaseTransitions", 0);
    self->start = kst_timer_start(kst_kube_loop(kube), kst_now_ms(), start_renewer, self);
    *out = self;
    return 0;
}

int kst_lease_sweep(struct kst_kube *kube, const struct kst_lease_options *options,
                    struct kst_err **err)
{
    kst_auto_json struct kst_json *there = NULL;
    int rc = kst_kube_get(kube, &kst_res_leases, options->ns, options->name, &there, err);
    const char *holder = kst_json_path_str(there, "spec.holderIdentity");
    if (rc == 0 && holder && *holder &&
        !(options->holder_is_dead && options->holder_is_dead(options->arg, holder)))
        return 0;
    const struct kst_kube_delete_options exactly = {
        .grace_seconds = -1, .uid = kst_json_path_str(there, "metadata.uid")};
    if (rc == 0)
        rc = kst_kube_delete(kube, &kst_res_leases, options->ns, options->name, &exactly, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        return 0;
    }
    return rc;
}

int kst_lease_check(const struct kst_lease *self, struct kst_err **err)
{
    while (!self->lost && kst_now_ms() >= self->sure_until_ms) {
        int rc = kst_cond_wait(self->changed, KST_NEVER, err);
        if (rc < 0)
            return rc;
    }
    if (!self->lost)
        return 0;
    kst_err_set(err, KST_E_LOST, "%s: expected it to be held by this engine, but it was lost",
                self->what);
    kst_err_hint(err, "Another engine goes on with the run; this one has stopped.");
    return KST_E_LOST;
}

bool kst_lease_is_taken(const struct kst_lease *self)
{
    return self->taken;
}

int64_t kst_lease_token(const struct kst_lease *self)
{
    return self->token;
}

/* What cannot be given up expires. */
static void give_up(struct kst_lease *self, bool delete_it)
{
    kst_auto_err struct kst_err *err = NULL;
    int rc;
    if (delete_it) {
        const struct kst_kube_delete_options options = {
            .grace_seconds = -1,
            .uid = kst_json_path_str(self->object, "metadata.uid"),
        };
        rc = kst_kube_delete(self->kube, &kst_res_leases, self->ns, self->name, &options, &err);
    } else {
        kst_auto_json struct kst_json *lease = kst_json_dup(self->object);
        kst_json_set_str(kst_json_mut(lease, "spec"), "holderIdentity", "");
        rc = kst_kube_update(self->kube, &kst_res_leases, self->ns, lease, NULL, NULL, &err);
    }
    if (rc < 0 && rc != KST_E_NOT_FOUND)
        kst_log(KST_LOG_DEBUG, "the lease was not given up, it will expire", "lease", self->what,
                "reason", kst_err_message(err), NULL);
}

void kst_lease_release(struct kst_lease *self, bool delete_it)
{
    if (!self)
        return;
    kst_timer_stop(self->start);
    if (self->renewer) {
        kst_fiber_cancel(self->renewer);
        kst_fiber_join(self->renewer, NULL);
    }
    if (!self->lost && kst_now_ms() < self->sure_until_ms) {
        kst_shield_begin();
        int64_t before = kst_deadline_replace(kst_deadline_in_ms(RELEASE_MS));
        give_up(self, delete_it);
        kst_deadline_restore(before);
        kst_shield_end();
    }
    free_lease(self);
}
