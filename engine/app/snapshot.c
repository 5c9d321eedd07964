/* SPDX-License-Identifier: Apache-2.0 */
#include "app/snapshot.h"

#include <assert.h>
#include <string.h>

#include "app/diagnose.h"
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

enum { REMOVE_TIMEOUT_MS = 2 * 60 * 1000, NAME_MAX_LEN = 63 };

/* One volume of the attempt, by its snapshot's name. */
struct cut {
    struct kst_cutter *cutter;
    struct kst_json *row; /* of status.volumes */
    char *name;
    bool asked;       /* somebody wants it cut */
    char *created_at; /* status.creationTime */
    char *error;      /* the driver's last */
    int64_t cut_us;   /* when we saw it, monotonic */
};

struct kst_cutter {
    struct kst_run *run;
    int64_t attempt;
    char *selector;
    struct cut *cuts;
    size_t count;
    struct kst_watch *watch;
    struct kst_fiber *fiber;
    struct kst_cond changed;
    struct kst_err *error; /* the watch's end */
};

static char *selector_of(const struct kst_run *run, int64_t attempt)
{
    return kst_asprintf("kassette.io/run=%s,kassette.io/attempt=%lld", run->name,
                        (long long)attempt);
}

static char *snapshot_name(const struct kst_run *run, int64_t attempt, const char *claim)
{
    kst_auto_free char *full = kst_asprintf("%s-a%lld-%s", run->name, (long long)attempt, claim);
    return kst_name_make(full, NAME_MAX_LEN);
}

static void observe(struct kst_cutter *self, const struct kst_json *object)
{
    const char *name = kst_json_path_str(object, "metadata.name");
    for (size_t i = 0; name && i < self->count; i++) {
        struct cut *cut = &self->cuts[i];
        if (strcmp(cut->name, name) != 0)
            continue;
        const char *created = kst_json_path_str(object, "status.creationTime");
        const char *error = kst_json_path_str(object, "status.error.message");
        if (error) {
            free(cut->error);
            cut->error = kst_strdup(error);
        }
        if (created && !cut->created_at) {
            cut->created_at = kst_strdup(created);
            cut->cut_us = kst_now_us();
            kst_run_note(self->run, KST_NOTE_CUT, kst_json_path_str(cut->row, "claim"), cut->row);
            kst_cond_signal(&self->changed);
        }
    }
}

static int follow(void *arg, struct kst_err **err)
{
    struct kst_cutter *self = arg;
    for (;;) {
        enum kst_watch_type type;
        const struct kst_json *object = NULL;
        int rc = kst_watch_next(self->watch, KST_NEVER, &type, &object, &self->error);
        if (rc < 0) {
            kst_cond_signal(&self->changed);
            return 0; /* the error is the cutter's to tell */
        }
        if (type != KST_WATCH_DELETED)
            observe(self, object);
    }
}

/* Waits for the first list, so that the watch is open before anything is frozen. */
static int open_watch(struct kst_cutter *self, struct kst_err **err)
{
    const struct kst_watch_options options = {.label_selector = self->selector};
    self->watch = kst_watch_new(self->run->kube, &kst_res_snapshots, self->run->app_ns, &options);
    enum kst_watch_type type = KST_WATCH_SEEN;
    while (type != KST_WATCH_SYNCED) {
        const struct kst_json *object = NULL;
        int rc = kst_watch_next(self->watch, KST_NEVER, &type, &object, err);
        if (rc < 0)
            return kst_err_wrap(err, rc, "watch VolumeSnapshots in %s", self->run->app_ns);
        observe(self, object);
    }
    self->fiber = kst_fiber_spawn(self->run->loop, "cutter", follow, self);
    return 0;
}

int kst_cutter_arm(struct kst_run *run, struct kst_json *attempt, struct kst_cutter **out,
                   struct kst_err **err)
{
    struct kst_json *rows = kst_json_mut(kst_journal_status(run->journal), "volumes");
    struct kst_cutter *self = kst_calloc(1, sizeof(*self));
    self->run = run;
    self->attempt = run->attempt;
    self->selector = selector_of(run, run->attempt);
    self->count = kst_json_len(rows);
    self->cuts = kst_calloc(self->count, sizeof(*self->cuts));
    struct kst_json *names = kst_json_array();
    for (size_t i = 0; i < self->count; i++) {
        struct kst_json *row = kst_json_mut_at(rows, i);
        char *name = snapshot_name(run, run->attempt, kst_json_path_str(row, "claim"));
        self->cuts[i] = (struct cut){.cutter = self, .row = row, .name = name};
        kst_json_set_str(row, "snapshot", name);
        kst_json_remove(row, "cutAt");
        kst_json_push(names, kst_json_from_str(name));
    }
    kst_json_set(attempt, "snapshots", names);
    int rc = self->count ? open_watch(self, err) : 0;
    if (rc < 0) {
        kst_cutter_disarm(self);
        return rc;
    }
    *out = self;
    return 0;
}

static int create(void *arg, struct kst_err **err)
{
    struct cut *cut = arg;
    struct kst_run *run = cut->cutter->run;
    kst_auto_json struct kst_json *labels = kst_run_labels(run, "snapshot");
    kst_auto_free char *attempt = kst_asprintf("%lld", (long long)cut->cutter->attempt);
    kst_json_set_str(labels, "kassette.io/attempt", attempt);
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'apiVersion':'snapshot.storage.k8s.io/v1','kind':'VolumeSnapshot',"
        "'metadata':{'name':%s,'namespace':%s,'labels':%J},"
        "'spec':{'volumeSnapshotClassName':%s,'source':{'persistentVolumeClaimName':%s}}}",
        cut->name, run->app_ns, labels, kst_json_path_str(cut->row, "snapshotClass"),
        kst_json_path_str(cut->row, "claim"));
    return kst_kube_create(run->kube, &kst_res_snapshots, run->app_ns, object, true, NULL, err);
}

static struct cut *find_cut(const struct kst_cutter *self, const struct kst_json *row)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->cuts[i].row == row)
            return &self->cuts[i];
    }
    assert(!"a row of status.volumes");
    return NULL;
}

/* The first that is not cut yet; NULL where all are. */
static const struct cut *missing(const struct kst_cutter *self, struct kst_json *const *rows,
                                 size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct cut *cut = find_cut(self, rows[i]);
        if (!cut->created_at)
            return cut;
    }
    return NULL;
}

static int not_cut(const struct kst_cutter *self, const struct cut *cut, struct kst_err **err)
{
    kst_err_clear(err);
    kst_err_set(err, KST_E_TIMEOUT, "VolumeSnapshot/%s/%s of claim %s was not cut in time%s%s",
                self->run->app_ns, cut->name, kst_json_path_str(cut->row, "claim"),
                cut->error ? ": the driver says: " : "", cut->error ? cut->error : "");
    kst_err_reason(err, "SnapshotFailed");
    return KST_E_TIMEOUT;
}

int kst_cutter_cut(struct kst_cutter *self, struct kst_json *const *rows, size_t count,
                   struct kst_err **err)
{
    struct kst_group *group = kst_group_new(self->run->loop, true);
    for (size_t i = 0; i < count; i++) {
        struct cut *cut = find_cut(self, rows[i]);
        if (!cut->asked)
            kst_group_spawn(group, "create", create, cut);
        cut->asked = true;
    }
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    const struct cut *cut = NULL;
    while (rc == 0 && (cut = missing(self, rows, count)) != NULL) {
        if (self->error)
            rc = kst_err_move(err, &self->error);
        else
            rc = kst_cond_wait(&self->changed, KST_NEVER, err);
    }
    if (rc == KST_E_TIMEOUT && (cut = missing(self, rows, count)) != NULL)
        return not_cut(self, cut, err);
    return rc;
}

static void record(struct kst_cutter *self)
{
    const char *first = NULL, *last = NULL;
    for (size_t i = 0; i < self->count; i++) {
        const struct cut *cut = &self->cuts[i];
        if (!cut->created_at)
            continue;
        kst_json_set_str(cut->row, "cutAt", cut->created_at);
        /* RFC 3339 in UTC sorts as text. */
        if (!first || strcmp(cut->created_at, first) < 0)
            first = cut->created_at;
        if (!last || strcmp(cut->created_at, last) > 0)
            last = cut->created_at;
    }
    if (first)
        kst_json_set(kst_journal_status(self->run->journal), "cut",
                     kst_json_make("{'first':%s,'last':%s}", first, last));
}

void kst_cutter_disarm(struct kst_cutter *self)
{
    if (!self)
        return;
    if (self->fiber) {
        kst_fiber_cancel(self->fiber);
        kst_fiber_join(self->fiber, NULL);
    }
    kst_watch_free(self->watch);
    record(self);
    for (size_t i = 0; i < self->count; i++) {
        free(self->cuts[i].name);
        free(self->cuts[i].created_at);
        free(self->cuts[i].error);
    }
    kst_cond_release(&self->changed);
    kst_err_free(self->error);
    free(self->cuts);
    free(self->selector);
    free(self);
}

struct ready {
    struct kst_run *run;
    struct kst_json *row;
};

static int is_ready(void *arg, const struct kst_json *object, struct kst_err **err)
{
    struct ready *self = arg;
    if (object)
        return kst_json_path_true(object, "status.readyToUse");
    kst_err_set(err, KST_E_NOT_FOUND, "VolumeSnapshot/%s/%s was deleted by somebody",
                self->run->app_ns, kst_json_path_str(self->row, "snapshot"));
    kst_err_reason(err, "SnapshotGone");
    return KST_E_NOT_FOUND;
}

/* What names the snapshot in the storage system: for a restore after the object is gone. */
static int note_handle(struct ready *self, const struct kst_json *snapshot, struct kst_err **err)
{
    const char *content = kst_json_path_str(snapshot, "status.boundVolumeSnapshotContentName");
    const char *size = kst_json_path_str(snapshot, "status.restoreSize");
    kst_json_set_str(self->row, "content", content);
    kst_json_set_str(self->row, "restoreSize", size);
    kst_auto_json struct kst_json *object = NULL;
    int rc = content ? kst_kube_get(self->run->kube, &kst_res_snapshot_contents, NULL, content,
                                    &object, err)
                     : 0;
    if (rc == 0)
        kst_json_set_str(self->row, "handle", kst_json_path_str(object, "status.snapshotHandle"));
    return rc;
}

static int await_one(void *arg, struct kst_err **err)
{
    struct ready *self = arg;
    const char *name = kst_json_path_str(self->row, "snapshot");
    kst_auto_json struct kst_json *snapshot = NULL;
    int rc = kst_watch_until(self->run->kube, &kst_res_snapshots, self->run->app_ns, name, is_ready,
                             self, kst_deadline_in_ms(self->run->ready_timeout_ms),
                             "to be ready to use", &snapshot, err);
    if (rc == KST_E_TIMEOUT && kst_fiber_check(NULL) == 0)
        kst_diagnose_snapshot(self->run->kube, self->run->app_ns, name,
                              kst_json_path_str(self->row, "driver"), err);
    if (rc < 0)
        return rc;
    rc = note_handle(self, snapshot, err);
    if (rc == 0) {
        kst_json_set_bool(self->row, "ready", true);
        kst_run_note(self->run, KST_NOTE_READY, kst_json_path_str(self->row, "claim"), self->row);
    }
    return rc;
}

int kst_snapshot_await_ready(struct kst_run *run, struct kst_err **err)
{
    struct kst_json *rows = kst_json_mut(kst_journal_status(run->journal), "volumes");
    size_t count = kst_json_len(rows);
    kst_auto_free struct ready *all = kst_calloc(count, sizeof(*all));
    struct kst_group *group = kst_group_new(run->loop, true);
    for (size_t i = 0; i < count; i++) {
        all[i] = (struct ready){.run = run, .row = kst_json_mut_at(rows, i)};
        if (!kst_json_path_true(all[i].row, "ready"))
            kst_group_spawn(group, "ready", await_one, &all[i]);
    }
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    return rc;
}

static int is_gone(void *arg, const struct kst_json *object, struct kst_err **err)
{
    return object == NULL;
}

struct removal {
    struct kst_run *run;
    const struct kst_json *object;
};

static int remove_one(void *arg, struct kst_err **err)
{
    struct removal *self = arg;
    struct kst_run *run = self->run;
    const char *name = kst_json_path_str(self->object, "metadata.name");
    const struct kst_kube_delete_options options = {
        .grace_seconds = -1,
        .uid = kst_json_path_str(self->object, "metadata.uid"),
    };
    int rc = kst_kube_delete(run->kube, &kst_res_snapshots, run->app_ns, name, &options, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        return 0;
    }
    if (rc < 0)
        return rc;
    return kst_watch_until(run->kube, &kst_res_snapshots, run->app_ns, name, is_gone, NULL,
                           kst_deadline_in_ms(REMOVE_TIMEOUT_MS), "to be deleted", NULL, err);
}

int kst_snapshot_remove(struct kst_run *run, int64_t attempt, struct kst_err **err)
{
    kst_auto_free char *selector = selector_of(run, attempt);
    const struct kst_kube_list_options options = {.label_selector = selector};
    kst_auto_json struct kst_json *found = NULL;
    int rc = kst_kube_list(run->kube, &kst_res_snapshots, run->app_ns, &options, &found, NULL, err);
    if (rc == KST_E_NOT_FOUND) { /* the cluster has no snapshots at all */
        kst_err_clear(err);
        return 0;
    }
    if (rc < 0)
        return kst_err_wrap(err, rc, "remove the snapshots of attempt %lld", (long long)attempt);
    size_t count = kst_json_len(found);
    kst_auto_free struct removal *all = kst_calloc(count, sizeof(*all));
    struct kst_group *group = kst_group_new(run->loop, false);
    for (size_t i = 0; i < count; i++) {
        all[i] = (struct removal){.run = run, .object = kst_json_at(found, i)};
        kst_group_spawn(group, "remove", remove_one, &all[i]);
    }
    rc = kst_group_wait(group, err);
    kst_group_free(group);
    return rc < 0
               ? kst_err_wrap(err, rc, "remove the snapshots of attempt %lld", (long long)attempt)
               : 0;
}
