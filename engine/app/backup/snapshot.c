/* SPDX-License-Identifier: Apache-2.0 */
#include "app/backup/snapshot.h"

#include <assert.h>
#include <string.h>

#include "app/backup/diagnose.h"
#include "app/backup/volume_group.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/remove.h"
#include "kube/resource.h"
#include "kube/watch.h"
#include "loop/fiber.h"
#include "run/journal.h"

enum { REMOVE_TIMEOUT_MS = 2 * 60 * 1000, NAME_MAX_LEN = 63 };

/* A VolumeGroupSnapshot of the attempt. */
struct part {
    struct kst_cutter *cutter;
    char *name;
    const char *class; /* borrowed from a row */
    bool asked;
};

/* One volume of the attempt, by its snapshot's name. */
struct cut {
    struct kst_cutter *cutter;
    struct kst_json *row; /* of status.volumes */
    char *name;
    struct part *part; /* it is cut with others; NULL: alone, by a VolumeSnapshot of its own */
    bool asked;        /* somebody wants it cut */
    char *created_at;  /* status.creationTime */
    char *error;       /* the driver's last */
    int64_t cut_us;    /* when we saw it, monotonic */
};

struct kst_cutter {
    struct kst_run *run;
    int64_t attempt;
    char *selector;
    struct cut *cuts;
    size_t count;
    struct part *parts;
    size_t nparts;
    struct following {
        struct kst_cutter *cutter;
        struct kst_watch *watch;
        struct kst_fiber *fiber;
        void (*observe)(struct kst_cutter *self, const struct kst_json *object);
    } single, groups; /* the watches of VolumeSnapshots and of VolumeGroupSnapshots */
    struct kst_cond changed;
    struct kst_err *error; /* a watch's end */
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

/* What an object says of a volume: when it was cut, or what the driver complains of. */
static void note(struct cut *cut, const struct kst_json *object)
{
    const char *created = kst_json_path_str(object, "status.creationTime");
    const char *error = kst_json_path_str(object, "status.error.message");
    if (error) {
        free(cut->error);
        cut->error = kst_strdup(error);
    }
    if (created && !cut->created_at) {
        cut->created_at = kst_strdup(created);
        cut->cut_us = kst_now_us();
        kst_run_note(cut->cutter->run, KST_NOTE_CUT, kst_json_path_str(cut->row, "claim"),
                     cut->row);
        kst_cond_signal(&cut->cutter->changed);
    }
}

static void observe(struct kst_cutter *self, const struct kst_json *object)
{
    const char *name = kst_json_path_str(object, "metadata.name");
    for (size_t i = 0; name && i < self->count; i++) {
        if (!self->cuts[i].part && strcmp(self->cuts[i].name, name) == 0)
            note(&self->cuts[i], object);
    }
}

static void observe_group(struct kst_cutter *self, const struct kst_json *object)
{
    const char *name = kst_json_path_str(object, "metadata.name");
    for (size_t i = 0; name && i < self->count; i++) {
        if (self->cuts[i].part && strcmp(self->cuts[i].part->name, name) == 0)
            note(&self->cuts[i], object);
    }
}

static int follow(void *arg, struct kst_err **err)
{
    struct following *self = arg;
    for (;;) {
        enum kst_watch_type type;
        const struct kst_json *object = NULL;
        struct kst_err *cause = NULL;
        int rc = kst_watch_next(self->watch, KST_NEVER, &type, &object, &cause);
        if (rc < 0) {
            kst_err_move(&self->cutter->error, &cause);
            kst_cond_signal(&self->cutter->changed);
            return 0; /* the error is the cutter's to tell */
        }
        if (type != KST_WATCH_DELETED && object)
            self->observe(self->cutter, object);
    }
}

/* Waits for the first list, so that the watch is open before anything is frozen. */
static int start_following(struct following *self, struct kst_err **err)
{
    struct kst_run *run = self->cutter->run;
    enum kst_watch_type type = KST_WATCH_SEEN;
    while (type != KST_WATCH_SYNCED) {
        const struct kst_json *object = NULL;
        int rc = kst_watch_next(self->watch, KST_NEVER, &type, &object, err);
        if (rc < 0)
            return kst_err_wrap(err, rc, "watch VolumeSnapshots in %s", run->app_ns);
        if (object)
            self->observe(self->cutter, object);
    }
    self->fiber = kst_fiber_spawn(run->loop, "cutter", follow, self);
    return 0;
}

static int open_watches(struct kst_cutter *self, struct kst_err **err)
{
    const struct kst_watch_options options = {.label_selector = self->selector};
    self->single = (struct following){.cutter = self, .observe = observe};
    self->groups = (struct following){.cutter = self, .observe = observe_group};
    self->single.watch = kst_watch_new(self->run->kube, &kst_res_snapshots, self->run->app_ns,
                                       &options);
    int rc = start_following(&self->single, err);
    if (rc == 0 && self->nparts)
        rc = kst_volume_group_watch(self->run, self->selector, &self->groups.watch, err);
    if (rc == 0 && self->nparts)
        rc = start_following(&self->groups, err);
    return rc;
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

/* Puts the rows of one group class, where there are two or more, into a group. */
static int form_part(struct kst_cutter *self, struct kst_json *const *together, size_t count,
                     const char *class, struct kst_err **err)
{
    kst_auto_free struct kst_json **rows = kst_calloc(count, sizeof(*rows));
    size_t members = 0;
    for (size_t i = 0; i < count; i++) {
        const char *of = kst_json_path_str(together[i], "groupClass");
        if (of && strcmp(of, class) == 0)
            rows[members++] = together[i];
    }
    if (members < 2)
        return 0;
    kst_auto_free char *full = kst_asprintf("%s-a%lld-g%zu", self->run->name,
                                            (long long)self->attempt, self->nparts);
    struct part *part = &self->parts[self->nparts++];
    *part = (struct part){
        .cutter = self, .name = kst_name_make(full, NAME_MAX_LEN), .class = class};
    for (size_t i = 0; i < members; i++)
        find_cut(self, rows[i])->part = part;
    return kst_volume_group_join(self->run, rows, members, part->name, err);
}

static int form_parts(struct kst_cutter *self, struct kst_json *const *together, size_t count,
                      struct kst_err **err)
{
    int rc = 0;
    self->parts = kst_calloc(count, sizeof(*self->parts));
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const char *class = kst_json_path_str(together[i], "groupClass");
        if (class && !find_cut(self, together[i])->part)
            rc = form_part(self, together, count, class, err);
    }
    return rc;
}

int kst_cutter_arm(struct kst_run *run, struct kst_json *attempt, struct kst_json *const *together,
                   size_t ntogether, struct kst_cutter **out, struct kst_err **err)
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
        kst_json_remove(row, "group");
    }
    int rc = form_parts(self, together, ntogether, err);
    for (size_t i = 0; i < self->count; i++) {
        if (!self->cuts[i].part)
            kst_json_push(names, kst_json_from_str(self->cuts[i].name));
    }
    kst_json_set(attempt, "snapshots", names);
    for (size_t i = 0; i < self->nparts; i++)
        kst_json_push(kst_json_ensure_array(attempt, "groups"),
                      kst_json_from_str(self->parts[i].name));
    if (rc == 0 && self->count)
        rc = open_watches(self, err);
    if (rc < 0) {
        kst_cutter_disarm(self);
        return rc;
    }
    *out = self;
    return 0;
}

static struct kst_json *labels_of(const struct kst_cutter *self)
{
    struct kst_json *labels = kst_run_labels(self->run, "snapshot");
    kst_auto_free char *attempt = kst_asprintf("%lld", (long long)self->attempt);
    kst_json_set_str(labels, "kassette.io/attempt", attempt);
    return labels;
}

static int create_part(void *arg, struct kst_err **err)
{
    struct part *part = arg;
    kst_auto_json struct kst_json *labels = labels_of(part->cutter);
    return kst_volume_group_create(part->cutter->run, part->name, part->class, labels, err);
}

static int create(void *arg, struct kst_err **err)
{
    struct cut *cut = arg;
    struct kst_run *run = cut->cutter->run;
    kst_auto_json struct kst_json *labels = labels_of(cut->cutter);
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'apiVersion':'snapshot.storage.k8s.io/v1','kind':'VolumeSnapshot',"
        "'metadata':{'name':%s,'namespace':%s,'labels':%J},"
        "'spec':{'volumeSnapshotClassName':%s,'source':{'persistentVolumeClaimName':%s}}}",
        cut->name, run->app_ns, labels, kst_json_path_str(cut->row, "snapshotClass"),
        kst_json_path_str(cut->row, "claim"));
    return kst_kube_create(run->kube, &kst_res_snapshots, run->app_ns, object, true, NULL, err);
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
    kst_err_set(err, KST_E_TIMEOUT, "Volume%sSnapshot/%s/%s of claim %s was not cut in time%s%s",
                cut->part ? "Group" : "", self->run->app_ns,
                cut->part ? cut->part->name : cut->name, kst_json_path_str(cut->row, "claim"),
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
        if (cut->part && !cut->part->asked)
            kst_group_spawn(group, "create", create_part, cut->part);
        else if (!cut->part && !cut->asked)
            kst_group_spawn(group, "create", create, cut);
        cut->asked = true;
        if (cut->part)
            cut->part->asked = true;
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

static void stop_following(struct following *self)
{
    if (self->fiber) {
        kst_fiber_cancel(self->fiber);
        kst_fiber_join(self->fiber, NULL);
    }
    kst_watch_free(self->watch);
}

void kst_cutter_disarm(struct kst_cutter *self)
{
    if (!self)
        return;
    stop_following(&self->single);
    stop_following(&self->groups);
    record(self);
    if (self->nparts)
        kst_volume_group_leave(self->run);
    for (size_t i = 0; i < self->nparts; i++)
        free(self->parts[i].name);
    free(self->parts);
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
    if (rc < 0 || !object)
        return rc;
    kst_json_set_str(self->row, "handle", kst_json_path_str(object, "status.snapshotHandle"));
    kst_json_set_str(self->row, "deletionPolicy", kst_json_path_str(object, "spec.deletionPolicy"));
    return 0;
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
    int resolved = kst_volume_group_resolve(run, err);
    if (resolved < 0)
        return resolved;
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

struct removal {
    struct kst_run *run;
    const struct kst_json *object;
};

static int remove_one(void *arg, struct kst_err **err)
{
    struct removal *self = arg;
    return kst_kube_remove(self->run->kube, &kst_res_snapshots, self->object, REMOVE_TIMEOUT_MS,
                           err);
}

int kst_snapshot_remove(struct kst_run *run, int64_t attempt, struct kst_err **err)
{
    kst_auto_free char *selector = selector_of(run, attempt);
    const struct kst_kube_list_options options = {.label_selector = selector};
    kst_auto_json struct kst_json *found = NULL;
    int rc = kst_volume_group_remove(run, selector, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "remove the groups of attempt %lld", (long long)attempt);
    rc = kst_kube_list(run->kube, &kst_res_snapshots, run->app_ns, &options, &found, NULL, err);
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
