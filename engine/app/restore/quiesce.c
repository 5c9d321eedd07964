/* SPDX-License-Identifier: Apache-2.0 */
/* Workloads are stopped and brought back, each write with the version that was looked at. */
#include "app/restore/quiesce.h"

#include "app/restore/quiesce_internal.h"
#include "app/restore/users.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "kube/watch.h"
#include "loop/fiber.h"
#include "run/journal.h"

enum {
    ROUNDS = 30,         /* of looking and writing, while others write too */
    PAUSE_MS = 200,      /* between two */
    MAX_PAUSE_MS = 5000, /* between two tries with a cluster that is away */
    AT_ONCE = 16,
    MAX_NAMED = 5, /* Pods in a message */
    NAMES_BYTES = 4096,
};

static struct kst_json *restore_of(const struct kst_run *run)
{
    return kst_json_ensure_object(kst_journal_status(run->journal), "restore");
}

/* A workload at work. */
struct stop {
    struct kst_run *run;
    struct kst_json *row; /* of status.restore.quiesced */
    const struct kst_kube_resource *resource;
    enum kst_quiesce_how how;
    struct kst_json *live; /* the scale, or the object; NULL where it is gone, or another */
    bool wanted;           /* a write is due */
    bool changed;          /* the record in the row was, and is not journaled yet */
};

static const char *name_of(const struct stop *self)
{
    return kst_json_path_str(self->row, "name");
}

static void set_state(struct kst_json *row, const char *state, const char *message)
{
    kst_json_set_str(row, "state", state);
    kst_json_set_str(row, "message", message);
}

static void tell(const struct stop *self, const char *what)
{
    kst_auto_free char *text = kst_asprintf("%s/%s%s", kst_json_path_str(self->row, "kind"),
                                            name_of(self), what);
    kst_run_note(self->run, KST_NOTE_WORKLOAD, text, self->row);
}

static struct stop *begin(struct kst_run *run, size_t *count)
{
    struct kst_json *rows = kst_json_ensure_array(restore_of(run), "quiesced");
    *count = kst_json_len(rows);
    struct stop *all = kst_calloc(*count, sizeof(*all));
    size_t i = 0;
    for (struct kst_json *row = kst_json_first_mut(rows); row; row = kst_json_next_mut(row), i++)
        all[i] = (struct stop){.run = run,
                               .row = row,
                               .how = kst_quiesce_how(kst_json_path_str(row, "apiVersion"),
                                                      kst_json_path_str(row, "kind"))};
    return all;
}

static void end(struct stop *all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        kst_json_free(all[i].live);
    }
    free(all);
}

/* Reads what is there. One of the same name that is another (by its uid) is as good as gone. */
static int look(struct stop *self, struct kst_err **err)
{
    kst_json_free(kst_take(self->live));
    int rc = 0;
    if (!self->resource)
        rc = kst_quiesce_resource(self->run, kst_json_path_str(self->row, "apiVersion"),
                                  kst_json_path_str(self->row, "kind"), &self->resource, err);
    if (rc == 0)
        rc = self->how == KST_QUIESCE_SCALE
                 ? kst_quiesce_get_scale(self->run, self->resource, name_of(self), &self->live, err)
                 : kst_kube_get(self->run->kube, self->resource, self->run->app_ns, name_of(self),
                                &self->live, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        return 0;
    }
    const char *uid = kst_json_path_str(self->row, "uid");
    if (rc == 0 && !kst_same(kst_json_path_str(self->live, "metadata.uid"), uid ? uid : ""))
        kst_json_free(kst_take(self->live));
    return rc;
}

static const struct kst_json *selector_of(const struct stop *self)
{
    return kst_json_path(self->live, "spec.template.spec.nodeSelector");
}

/* Whether what is there stands still, for whatever reason. */
static bool is_still(const struct stop *self)
{
    switch (self->how) {
    case KST_QUIESCE_SCALE:
        return kst_json_path_int(self->live, "spec.replicas", 0) == 0;
    case KST_QUIESCE_SELECTOR:
        return kst_same(kst_json_str(kst_json_get(selector_of(self), KST_QUIESCE_KEY)),
                        self->run->name);
    case KST_QUIESCE_SUSPEND:
        return kst_json_path_true(self->live, "spec.suspend");
    }
    return false;
}

/* Writes `spec` (taken) over the version that was looked at. */
static int write_spec(struct stop *self, struct kst_json *spec, struct kst_err **err)
{
    kst_auto_json struct kst_json *patch = kst_json_make(
        "{'metadata':{'resourceVersion':%s}}",
        kst_json_path_str(self->live, "metadata.resourceVersion"));
    kst_json_set(patch, "spec", spec);
    return kst_kube_patch(self->run->kube, self->resource, self->run->app_ns, name_of(self),
                          self->how == KST_QUIESCE_SCALE ? "scale" : NULL, KST_PATCH_MERGE, patch,
                          NULL, err);
}

/* ---- Down ---- */

/* What is overwritten is what stands in the record. */
static void record(struct stop *self)
{
    static const char *const keys[] = {
        [KST_QUIESCE_SCALE] = "replicas",
        [KST_QUIESCE_SELECTOR] = "nodeSelector",
        [KST_QUIESCE_SUSPEND] = "suspend",
    };
    const struct kst_json *now = NULL;
    switch (self->how) {
    case KST_QUIESCE_SCALE:
        now = kst_json_path(self->live, "spec.replicas");
        break;
    case KST_QUIESCE_SELECTOR:
        now = selector_of(self);
        break;
    case KST_QUIESCE_SUSPEND:
        return; /* it was not suspended: else there would be no row */
    }
    struct kst_json *value = now ? kst_json_dup(now) : kst_json_object();
    self->changed = self->changed ||
                    !kst_json_equal(kst_json_get(self->row, keys[self->how]), value);
    kst_json_set(self->row, keys[self->how], value);
}

static int look_before(void *arg, struct kst_err **err)
{
    struct stop *self = arg;
    const char *state = kst_json_path_str(self->row, "state");
    self->wanted = false;
    int rc = look(self, err);
    if (rc < 0)
        return rc;
    if (!self->live) {
        set_state(self->row, "Left", "somebody else deleted it meanwhile");
        return 0;
    }
    if (is_still(self)) {
        if (kst_same(state, "Up"))
            set_state(self->row, "Left", "somebody else stopped it meanwhile");
        return 0;
    }
    record(self);
    if (!kst_same(state, "Stopping")) {
        set_state(self->row, "Stopping", NULL);
        self->changed = true;
    }
    self->wanted = true;
    return 0;
}

static int write_down(void *arg, struct kst_err **err)
{
    static const char *const done[] = {
        [KST_QUIESCE_SCALE] = " is scaled down",
        [KST_QUIESCE_SELECTOR] = " is kept off every node",
        [KST_QUIESCE_SUSPEND] = " is suspended",
    };
    struct stop *self = arg;
    struct kst_err *cause = NULL;
    struct kst_json *spec = NULL;
    switch (self->how) {
    case KST_QUIESCE_SCALE:
        spec = kst_json_make("{'replicas':0}");
        break;
    case KST_QUIESCE_SELECTOR:
        spec = kst_json_make("{'template':{'spec':{'nodeSelector':{%s:%s}}}}", KST_QUIESCE_KEY,
                             self->run->name);
        break;
    case KST_QUIESCE_SUSPEND:
        spec = kst_json_make("{'suspend':true}");
        break;
    }
    int rc = write_spec(self, spec, &cause);
    if (rc == KST_E_CONFLICT || rc == KST_E_NOT_FOUND) { /* looked at again */
        kst_err_clear(&cause);
        return 0;
    }
    self->wanted = false;
    if (rc == 0)
        tell(self, done[self->how]);
    return rc < 0 ? kst_err_move(err, &cause) : 0;
}

static int do_all(struct kst_run *run, struct stop *all, size_t count, bool wanted_only,
                  kst_fiber_fn *fn, struct kst_err **err)
{
    struct kst_group *group = kst_group_new(run->loop, true);
    kst_group_limit(group, AT_ONCE);
    for (size_t i = 0; i < count; i++) {
        if (all[i].wanted || !wanted_only)
            kst_group_spawn(group, "quiesce", fn, &all[i]);
    }
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    return rc;
}

static bool any_wanted(const struct stop *all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (all[i].wanted)
            return true;
    }
    return false;
}

static bool take_changed(struct stop *all, size_t count)
{
    bool changed = false;
    for (size_t i = 0; i < count; i++) {
        changed = changed || all[i].changed;
        all[i].changed = false;
    }
    return changed;
}

/* Looks, journals what is about to be overwritten, writes; again where somebody else wrote too. */
static int stop_all(struct kst_run *run, struct stop *all, size_t count, struct kst_err **err)
{
    for (size_t i = 0; i < count; i++)
        all[i].wanted = !kst_same(kst_json_path_str(all[i].row, "state"), "Left");
    for (int round = 0; any_wanted(all, count) && round < ROUNDS; round++) {
        int rc = round ? kst_sleep_ms(PAUSE_MS, err) : 0;
        if (rc == 0)
            rc = do_all(run, all, count, true, look_before, err);
        if (rc == 0 && (take_changed(all, count) || round == 0))
            rc = kst_journal_write(run->journal, err);
        if (rc == 0)
            rc = do_all(run, all, count, true, write_down, err);
        if (rc < 0)
            return rc;
    }
    for (size_t i = 0; i < count; i++) {
        if (all[i].wanted)
            return kst_err_set(err, KST_E_CONFLICT,
                               "%s/%s/%s: somebody else changes it all the time, so that it cannot "
                               "be stopped",
                               all[i].resource->kind, run->app_ns, name_of(&all[i]));
    }
    return 0;
}

/* ---- Until no Pod uses the claims ---- */

/* Pods that use the claims: an object name -> "Terminating", or their phase. */
struct waiting {
    const struct kst_json *claims;
    struct kst_json *users;
};

static void observe(struct waiting *self, enum kst_watch_type type, const struct kst_json *pod)
{
    const char *name = kst_json_path_str(pod, "metadata.name");
    const char *phase = kst_json_path_str(pod, "status.phase");
    if (!name)
        return;
    kst_json_remove(self->users, name);
    if (type != KST_WATCH_DELETED && !kst_users_is_finished(pod) &&
        kst_users_claim(kst_json_get(pod, "spec"), name, self->claims))
        kst_json_set_str(self->users, name,
                         kst_json_path_str(pod, "metadata.deletionTimestamp") ? "being deleted"
                         : phase                                              ? phase
                                                                              : "Pending");
}

/* A workload that does not stand still any more: an operator or an autoscaler has a mind of its
 * own. The caller frees it; NULL for none. */
static char *who_went_on(struct kst_run *run)
{
    size_t count = 0;
    struct stop *all = begin(run, &count);
    char *who = NULL;
    for (size_t i = 0; i < count && !who; i++) {
        if (look(&all[i], NULL) == 0 && all[i].live && !is_still(&all[i]))
            who = kst_asprintf("%s/%s/%s", all[i].resource->kind, run->app_ns, name_of(&all[i]));
    }
    end(all, count);
    return who;
}

static int still_used(struct kst_run *run, const struct waiting *waiting, struct kst_err **err)
{
    kst_auto_buf names = KST_BUF_INIT(NAMES_BYTES);
    size_t shown = 0;
    for (const struct kst_json *row = kst_json_first(waiting->users); row;
         row = kst_json_next(row)) {
        if (shown++ < MAX_NAMED)
            kst_buf_addf(&names, "%sPod/%s/%s (%s)", names.len ? ", " : "", run->app_ns,
                         kst_json_key(row), kst_json_str(row));
    }
    if (shown > MAX_NAMED)
        kst_buf_addf(&names, " and %zu more", shown - MAX_NAMED);
    kst_auto_free char *who = who_went_on(run);
    kst_err_clear(err);
    kst_err_set(err, KST_E_TIMEOUT,
                "the workloads were stopped, but claims that are to be replaced are still used by "
                "%s%s%s%s",
                names.data, who ? "; " : "", who ? who : "",
                who ? " was started again meanwhile" : "");
    kst_err_reason(err, "ClaimInUse");
    kst_err_hint(err, who ? "pause the operator or autoscaler that starts it again"
                          : "see why they do not end with: kubectl describe pod; a Pod of a node "
                            "that is away stays until it is deleted with --force");
    return KST_E_TIMEOUT;
}

static int await_unused(struct kst_run *run, const struct kst_json *claims, struct kst_err **err)
{
    struct waiting waiting = {.claims = claims, .users = kst_json_object()};
    struct kst_watch *watch = kst_watch_new(run->kube, &kst_res_pods, run->app_ns, NULL);
    int64_t deadline_ms = kst_deadline_in_ms(run->ready_timeout_ms);
    bool synced = false;
    int rc = 0;
    while (rc == 0 && (!synced || kst_json_len(waiting.users))) {
        enum kst_watch_type type;
        const struct kst_json *pod = NULL;
        rc = kst_watch_next(watch, deadline_ms, &type, &pod, err);
        if (rc == 0 && pod)
            observe(&waiting, type, pod);
        synced = synced || (rc == 0 && type == KST_WATCH_SYNCED);
    }
    kst_watch_free(watch);
    if (rc == KST_E_TIMEOUT && kst_now_ms() >= deadline_ms && synced)
        rc = still_used(run, &waiting, err);
    kst_json_free(waiting.users);
    return rc;
}

/* A Pod that has ended runs nothing, yet keeps its claims from being deleted. */
static int remove_finished(struct kst_run *run, const struct kst_json *claims, struct kst_err **err)
{
    kst_auto_json struct kst_json *pods = NULL;
    int rc = kst_users_find(run, claims, &pods, err);
    for (const struct kst_json *pod = kst_json_first(pods); rc == 0 && pod;
         pod = kst_json_next(pod)) {
        const char *name = kst_json_path_str(pod, "metadata.name");
        const struct kst_kube_delete_options options = {
            .grace_seconds = -1, .uid = kst_json_path_str(pod, "metadata.uid")};
        if (!kst_users_is_finished(pod))
            continue;
        rc = kst_kube_delete(run->kube, &kst_res_pods, run->app_ns, name, &options, err);
        if (rc == KST_E_NOT_FOUND || rc == KST_E_CONFLICT) { /* gone, or another by now */
            kst_err_clear(err);
            rc = 0;
        } else if (rc == 0) {
            kst_log(KST_LOG_INFO, "a Pod that has ended was deleted: it kept a claim", "run",
                    run->name, "pod", name, NULL);
        }
    }
    return rc;
}

int kst_quiesce_down(struct kst_run *run, struct kst_err **err)
{
    const struct kst_json *claims = kst_json_get(restore_of(run), "quiescedClaims");
    if (kst_json_len(claims) == 0)
        return 0;
    size_t count = 0;
    struct stop *all = begin(run, &count);
    int rc = stop_all(run, all, count, err);
    if (rc == 0)
        rc = await_unused(run, claims, err);
    if (rc == 0)
        rc = remove_finished(run, claims, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (kst_same(kst_json_path_str(all[i].row, "state"), "Stopping"))
            set_state(all[i].row, "Down", NULL);
    }
    end(all, count);
    if (rc == 0)
        rc = kst_journal_write(run->journal, err);
    return rc < 0 ? kst_err_wrap(err, rc, "stop the workloads in %s", run->app_ns) : 0;
}

/* ---- Up ---- */

static int write_up(struct stop *self, struct kst_err **err)
{
    if (self->how == KST_QUIESCE_SCALE)
        return write_spec(
            self, kst_json_make("{'replicas':%J}", kst_json_get(self->row, "replicas")), err);
    if (self->how == KST_QUIESCE_SUSPEND)
        return write_spec(self, kst_json_make("{'suspend':false}"), err);
    /* What else is in the selector now was there before, or is somebody else's. */
    struct kst_json *spec = kst_json_len(selector_of(self)) > 1
                                ? kst_json_make("{'template':{'spec':{'nodeSelector':{%s:null}}}}",
                                                KST_QUIESCE_KEY)
                                : kst_json_make("{'template':{'spec':{'nodeSelector':null}}}");
    return write_spec(self, spec, err);
}

static char *how_changed(const struct stop *self)
{
    if (self->how == KST_QUIESCE_SCALE)
        return kst_asprintf("somebody else scaled it to %lld meanwhile",
                            (long long)kst_json_path_int(self->live, "spec.replicas", 0));
    return kst_strdup(self->how == KST_QUIESCE_SELECTOR
                          ? "somebody else set its node selector meanwhile"
                          : "somebody else let it go on meanwhile");
}

/* Whether what is there is what is recorded: an earlier try has brought it back. */
static bool is_back(const struct stop *self)
{
    const struct kst_json *selector = selector_of(self);
    kst_auto_json struct kst_json *none = kst_json_object();
    switch (self->how) {
    case KST_QUIESCE_SCALE:
        return kst_json_equal(kst_json_path(self->live, "spec.replicas"),
                              kst_json_get(self->row, "replicas"));
    case KST_QUIESCE_SELECTOR:
        return kst_json_equal(selector ? selector : none, kst_json_get(self->row, "nodeSelector"));
    case KST_QUIESCE_SUSPEND:
        return !kst_json_path_true(self->live, "spec.suspend");
    }
    return false;
}

static int try_up(struct stop *self, struct kst_err **err)
{
    int rc = look(self, err);
    if (rc < 0)
        return rc;
    if (!self->live) {
        set_state(self->row, "Left", "somebody else deleted it meanwhile");
        return 0;
    }
    if (is_still(self)) {
        rc = write_up(self, err);
        if (rc < 0)
            return rc;
        set_state(self->row, "Up", NULL);
        tell(self, " is as it was");
        return 0;
    }
    kst_auto_free char *why = is_back(self) ? NULL : how_changed(self);
    set_state(self->row, why ? "Left" : "Up", why);
    kst_auto_free char *text = why ? kst_asprintf(": %s", why) : NULL;
    if (text)
        tell(self, text);
    return 0;
}

/* What another try may mend: nothing was said about the object itself. */
static bool is_passing(int code)
{
    return code == KST_E_UNREACHABLE || code == KST_E_SERVER || code == KST_E_CLOSED ||
           code == KST_E_CONFLICT || code == KST_E_TIMEOUT;
}

static int bring_up(void *arg, struct kst_err **err)
{
    struct stop *self = arg;
    int64_t pause_ms = PAUSE_MS;
    for (;;) {
        struct kst_err *cause = NULL;
        int rc = try_up(self, &cause);
        if (rc == 0)
            return 0;
        if (!is_passing(rc) || kst_fiber_check(NULL) < 0) {
            kst_json_set_str(self->row, "message", kst_err_message(cause));
            return kst_err_move(err, &cause);
        }
        kst_log(KST_LOG_WARN, "cannot be started again yet, trying on", "run", self->run->name,
                "kind", kst_json_path_str(self->row, "kind"), "name", name_of(self), "error",
                kst_err_message(cause), NULL);
        kst_err_clear(&cause);
        rc = kst_sleep_ms(pause_ms, err);
        if (rc < 0)
            return rc;
        pause_ms = pause_ms * 2 < MAX_PAUSE_MS ? pause_ms * 2 : MAX_PAUSE_MS;
    }
}

/* Only what may have been stopped. */
static bool is_owed(const struct kst_json *row)
{
    const char *state = kst_json_path_str(row, "state");
    return kst_same(state, "Stopping") || kst_same(state, "Down");
}

int kst_quiesce_up(struct kst_run *run, struct kst_err **err)
{
    size_t count = 0, owed = 0;
    struct stop *all = begin(run, &count);
    struct kst_group *group = kst_group_new(run->loop, false);
    kst_group_limit(group, AT_ONCE);
    for (size_t i = 0; i < count; i++) {
        if (!is_owed(all[i].row))
            continue;
        kst_group_spawn(group, "go on", bring_up, &all[i]);
        owed++;
    }
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    end(all, count);
    if (rc < 0) {
        kst_err_hint(err,
                     "scale it back yourself: status.restore.quiesced of Run/%s/%s tells what "
                     "it was",
                     run->home, run->name);
        kst_err_wrap(err, rc, "start the workloads in %s again", run->app_ns);
    }
    kst_auto_err struct kst_err *unwritten = NULL;
    if (owed && kst_journal_write(run->journal, &unwritten) < 0 && rc == 0)
        rc = kst_err_move(err, &unwritten);
    return rc;
}
