/* SPDX-License-Identifier: Apache-2.0 */
#include "app/point/point.h"

#include <stdlib.h>
#include <string.h>

#include "app/backup/volume_group.h"
#include "app/point/remove.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/near.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "loop/fiber.h"
#include "run/journal.h"

enum { AT_ONCE = 16 };

static const char not_exported[] =
    "the snapshots are on the same storage as the volumes: this is not a backup until it is "
    "exported";

static struct kst_json *volumes_of(const struct kst_run *run)
{
    return kst_json_mut(kst_journal_status(run->journal), "volumes");
}

static const char *uid_of(const struct kst_run *run)
{
    return kst_json_path_str(kst_journal_object(run->journal), "metadata.uid");
}

static bool is_own(const struct kst_run *run, const struct kst_json *point)
{
    return kst_same(kst_json_path_str(point, "spec.runUID"), uid_of(run));
}

/* ---- The beginning ---- */

/* spec.ttl from the Run's creation on; nothing where it has none. */
static int set_expiry(const struct kst_run *run, struct kst_json *spec, struct kst_err **err)
{
    const struct kst_json *object = kst_journal_object(run->journal);
    const char *ttl = kst_json_path_str(object, "spec.ttl");
    long long ttl_ms = 0;
    int64_t created_us = 0;
    if (!ttl)
        return 0;
    if (!kst_parse_duration_ms(ttl, &ttl_ms) || ttl_ms <= 0)
        return kst_err_set(
            err, KST_E_INVALID,
            "Run/%s/%s: spec.ttl: expected a duration such as \"720h\", found \"%s\"", run->home,
            run->name, ttl);
    if (!kst_time_parse_us(kst_json_path_str(object, "metadata.creationTimestamp"), &created_us))
        created_us = kst_wall_us();
    char text[KST_TIME_TEXT];
    kst_time_format(created_us / 1000 + ttl_ms, text);
    kst_json_set_str(spec, "expiresAt", text);
    return 0;
}

static int make_object(const struct kst_run *run, struct kst_json **out, struct kst_err **err)
{
    kst_auto_json struct kst_json *labels = kst_run_labels(run, "point");
    kst_auto_free char *application = kst_name_make(run->app_ns, 63);
    kst_json_set_str(labels, "kassette.io/application", application);
    kst_auto_json struct kst_json *point = kst_json_make(
        "{'apiVersion':'kassette.io/v1alpha1','kind':'RestorePoint','metadata':{'name':%s,"
        "'namespace':%s,'labels':%J,'finalizers':[%s]},'spec':{'application':%J,'run':%s,"
        "'runUID':%s}}",
        run->name, run->home, labels, KST_POINT_FINALIZER,
        kst_json_get(kst_journal_spec(run->journal), "application"), run->name, uid_of(run));
    int rc = set_expiry(run, kst_json_mut(point, "spec"), err);
    if (rc == 0)
        *out = kst_take(point);
    return rc;
}

static int foreign(const struct kst_run *run, struct kst_err **err)
{
    kst_err_clear(err);
    kst_err_set(err, KST_E_EXISTS,
                "RestorePoint/%s/%s exists already, and is of another Run of that name", run->home,
                run->name);
    kst_err_reason(err, "RestorePointExists");
    kst_err_hint(err,
                 "give the backup another name, or delete the point with: kassette delete "
                 "point %s",
                 run->name);
    return KST_E_EXISTS;
}

static int being_deleted(const struct kst_run *run, struct kst_err **err)
{
    kst_err_set(err, KST_E_REFUSED, "RestorePoint/%s/%s is being deleted by somebody", run->home,
                run->name);
    kst_err_reason(err, "RestorePointDeleted");
    return KST_E_REFUSED;
}

/* What is there under the Run's name, if it is the Run's and stays. */
static int check(const struct kst_run *run, const struct kst_json *point, struct kst_err **err)
{
    if (!is_own(run, point))
        return foreign(run, err);
    return kst_json_path_str(point, "metadata.deletionTimestamp") ? being_deleted(run, err) : 0;
}

int kst_point_begin(struct kst_run *run, struct kst_json **out, struct kst_err **err)
{
    kst_auto_json struct kst_json *wanted = NULL, *point = NULL;
    int rc = make_object(run, &wanted, err);
    if (rc < 0)
        return rc;
    rc = kst_kube_create(run->kube, &kst_res_restorepoints, run->home, wanted, true, &point, err);
    if (rc == KST_E_EXISTS)
        return foreign(run, err);
    if (rc == KST_E_NOT_FOUND)
        kst_err_hint(err, "is this version of Kassette installed? kubectl apply -k deploy");
    if (rc == 0)
        rc = check(run, point, err);
    if (rc == 0 && !kst_json_path_str(point, "status.phase")) {
        kst_auto_json struct kst_json *patch = kst_json_make("{'status':{'phase':'InProgress'}}");
        rc = kst_kube_merge(run->kube, &kst_res_restorepoints, run->home, run->name, "status",
                            patch, NULL, err);
    }
    if (rc == 0)
        *out = kst_take(point);
    return rc;
}

int kst_point_captured(struct kst_run *run, const struct kst_json *index, struct kst_err **err)
{
    static const char *const fields[] = {"capturedAt", "objects", "cluster", "missing"};
    kst_auto_json struct kst_json *patch = kst_json_make("{'status':{}}");
    struct kst_json *status = kst_json_mut(patch, "status");
    for (size_t i = 0; i < KST_ARRAY_LEN(fields); i++) {
        const struct kst_json *value = kst_json_get(index, fields[i]);
        kst_json_set(status, fields[i], value ? kst_json_dup(value) : kst_json_null());
    }
    return kst_kube_merge(run->kube, &kst_res_restorepoints, run->home, run->name, "status", patch,
                          NULL, err);
}

/* ---- Snapshots that stay ---- */

struct retention {
    struct kst_run *run;
    struct kst_json *row; /* of status.volumes */
    const struct kst_kube_resource *groups, *group_contents;
};

static int find_group_content(void *arg, struct kst_err **err)
{
    struct retention *self = arg;
    const char *group = kst_json_path_str(self->row, "group");
    kst_auto_json struct kst_json *object = NULL;
    if (!kst_json_get(self->row, "content"))
        return kst_err_set(err, KST_E_FAILED,
                           "VolumeSnapshot/%s/%s of claim %s is ready, but names no "
                           "VolumeSnapshotContent",
                           self->run->app_ns, kst_json_path_str(self->row, "snapshot"),
                           kst_json_path_str(self->row, "claim"));
    if (!group || !self->groups || kst_json_get(self->row, "groupContent"))
        return 0;
    int rc = kst_kube_get(self->run->kube, self->groups, self->run->app_ns, group, &object, err);
    if (rc == 0)
        kst_json_set_str(self->row, "groupContent",
                         kst_json_path_str(object, "status.boundVolumeGroupSnapshotContentName"));
    return rc;
}

static int retain(void *arg, struct kst_err **err)
{
    struct retention *self = arg;
    kst_auto_json struct kst_json *patch = kst_json_make(
        "{'metadata':{'labels':{%s:%s}},'spec':{'deletionPolicy':'Retain'}}", KST_POINT_LABEL,
        self->run->name);
    const char *group = kst_json_path_str(self->row, "groupContent");
    int rc = group && self->group_contents ? kst_kube_merge(self->run->kube, self->group_contents,
                                                            NULL, group, NULL, patch, NULL, err)
                                           : 0;
    return rc < 0 ? rc
                  : kst_kube_merge(self->run->kube, &kst_res_snapshot_contents, NULL,
                                   kst_json_path_str(self->row, "content"), NULL, patch, NULL, err);
}

static int for_all(struct retention *all, size_t count, int (*each)(void *arg, struct kst_err **),
                   struct kst_err **err)
{
    if (!count)
        return 0;
    struct kst_group *group = kst_group_new(all->run->loop, true);
    kst_group_limit(group, AT_ONCE);
    for (size_t i = 0; i < count; i++)
        kst_group_spawn(group, "retain", each, &all[i]);
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    return rc;
}

/* Groups are looked for only where the run has cut one. */
static int find_resources(struct retention *all, size_t count, struct kst_err **err)
{
    const struct kst_kube_resource *groups = NULL, *contents = NULL;
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any = any || kst_json_get(all[i].row, "group");
    if (!any)
        return 0;
    struct kst_kube *kube = all->run->kube;
    int rc = kst_volume_group_resource(kube, "VolumeGroupSnapshot", &groups, err);
    if (rc == 0)
        rc = kst_volume_group_resource(kube, "VolumeGroupSnapshotContent", &contents, err);
    for (size_t i = 0; i < count; i++) {
        all[i].groups = groups;
        all[i].group_contents = contents;
    }
    return rc;
}

int kst_point_retain(struct kst_run *run, struct kst_err **err)
{
    struct kst_json *rows = volumes_of(run);
    size_t count = kst_json_len(rows);
    kst_auto_free struct retention *all = kst_calloc(count, sizeof(*all));
    for (size_t i = 0; i < count; i++)
        all[i] = (struct retention){.run = run, .row = kst_json_mut_at(rows, i)};
    int rc = find_resources(all, count, err);
    if (rc == 0)
        rc = for_all(all, count, find_group_content, err);
    if (rc == 0 && count) /* what the policies were, before they are changed */
        rc = kst_journal_write(run->journal, err);
    if (rc == 0)
        rc = for_all(all, count, retain, err);
    return rc < 0 ? kst_err_wrap(err, rc, "keep the snapshots of RestorePoint/%s/%s", run->home,
                                 run->name)
                  : 0;
}

/* ---- The completion ---- */

static struct kst_json *volume_row(const struct kst_json *from)
{
    static const char *const fields[] = {
        "claim",         "volume",      "storageClass", "driver",
        "snapshotClass", "size",        "accessModes",  "volumeMode",
        "snapshot",      "content",     "group",        "groupContent",
        "handle",        "restoreSize", "cutAt",        "deletionPolicy",
    };
    struct kst_json *row = kst_json_object();
    for (size_t i = 0; i < KST_ARRAY_LEN(fields); i++) {
        if (kst_json_get(from, fields[i]))
            kst_json_set(row, fields[i], kst_json_dup(kst_json_get(from, fields[i])));
    }
    return row;
}

static void set_conditions(struct kst_json *status, int64_t generation)
{
    const struct kst_json *missing = kst_json_get(status, "missing");
    kst_auto_buf names = KST_BUF_INIT(4096);
    for (const struct kst_json *row = kst_json_first(missing); row; row = kst_json_next(row))
        kst_buf_addf(&names, "%s%s", names.len ? ", " : "", kst_json_str(row));
    kst_auto_free char *holes = kst_asprintf(
        "these API groups did not answer, and their objects are not in it: %s",
        names.len ? names.data : "");
    bool complete = kst_json_len(missing) == 0;
    kst_condition_set(status, generation, "Ready", true, "Completed",
                      "it can be restored from while its snapshots and their storage exist");
    kst_condition_set(status, generation, "Complete", complete,
                      complete ? "AllGroupsAnswered" : "GroupsMissing",
                      complete ? "all API groups answered" : holes);
    kst_condition_set(status, generation, "Exported", false, "NotExported", not_exported);
}

/* The status of a Ready point, of what the journal says, without a secret that the log knows. */
static int make_status(const struct kst_run *run, const struct kst_json *point,
                       struct kst_json **out, struct kst_err **err)
{
    static const char *const fields[] = {"source", "bindings", "cut", "freeze", "artifacts"};
    const struct kst_json *journal = kst_journal_status(run->journal);
    const struct kst_json *old = kst_json_get(point, "status");
    kst_auto_json struct kst_json *status = old ? kst_json_dup(old) : kst_json_object();
    int64_t generation = kst_json_path_int(point, "metadata.generation", 0);
    struct kst_json *volumes = kst_json_array();
    for (size_t i = 0; i < KST_ARRAY_LEN(fields); i++) {
        if (kst_json_get(journal, fields[i]))
            kst_json_set(status, fields[i], kst_json_dup(kst_json_get(journal, fields[i])));
    }
    for (const struct kst_json *row = kst_json_first(kst_json_get(journal, "volumes")); row;
         row = kst_json_next(row))
        kst_json_push(volumes, volume_row(row));
    kst_json_set_int(status, "volumeCount", (int64_t)kst_json_len(volumes));
    kst_json_set(status, "volumes", volumes);
    kst_json_set_str(status, "phase", "Ready");
    kst_json_set_int(status, "observedGeneration", generation);
    if (!kst_json_get(status, "completedAt"))
        kst_journal_stamp(status, "completedAt", false);
    set_conditions(status, generation);
    kst_auto_free char *text = kst_json_text(status);
    kst_auto_free char *clean = kst_log_redact(text);
    return kst_json_parse(clean, strlen(clean), out, err);
}

static int complete(void *arg, struct kst_err **err)
{
    struct kst_run *run = arg;
    kst_auto_json struct kst_json *point = NULL;
    struct kst_json *status = NULL;
    int rc = kst_kube_get(run->kube, &kst_res_restorepoints, run->home, run->name, &point, err);
    if (rc == 0)
        rc = check(run, point, err);
    if (rc == 0)
        rc = make_status(run, point, &status, err);
    if (rc < 0)
        return rc;
    kst_json_set(point, "status", status);
    return kst_kube_update(run->kube, &kst_res_restorepoints, run->home, point, "status", NULL,
                           err);
}

int kst_point_complete(struct kst_run *run, struct kst_err **err)
{
    int rc = kst_kube_over_conflicts(complete, run, err);
    return rc < 0 ? kst_err_wrap(err, rc, "complete RestorePoint/%s/%s", run->home, run->name) : 0;
}

int kst_point_abandon(struct kst_run *run, struct kst_err **err)
{
    kst_auto_json struct kst_json *point = NULL;
    struct kst_err *cause = NULL;
    int rc = kst_kube_get(run->kube, &kst_res_restorepoints, run->home, run->name, &point, &cause);
    if (rc == KST_E_NOT_FOUND)
        kst_err_clear(&cause);
    else if (rc < 0)
        return kst_err_move(err, &cause);
    if (point && !is_own(run, point))
        return 0; /* the run has failed for it, and has cut nothing */
    rc = kst_point_remove_volumes(run->kube, run->app_ns, run->name, volumes_of(run), err);
    return rc < 0 || !point ? rc : kst_point_remove_object(run->kube, point, err);
}

/* ---- Looking it up ---- */

static void suggest(struct kst_kube *kube, const char *home, const char *name, struct kst_err **err)
{
    kst_auto_json struct kst_json *all = NULL;
    if (kst_kube_list(kube, &kst_res_restorepoints, home, NULL, &all, NULL, NULL) < 0)
        return;
    kst_auto_free const char **names = kst_calloc(kst_json_len(all) + 1, sizeof(*names));
    for (size_t i = 0; i < kst_json_len(all); i++)
        names[i] = kst_json_path_str(kst_json_at(all, i), "metadata.name");
    const char *near = kst_near_name(name, names);
    if (near)
        kst_err_hint(err, "did you mean '%s'?", near);
    else
        kst_err_hint(err, "list what there is with: kassette get points");
}

int kst_point_get(struct kst_kube *kube, const char *home, const char *name, bool ready,
                  struct kst_json **out, struct kst_err **err)
{
    kst_auto_json struct kst_json *point = NULL;
    struct kst_err *cause = NULL;
    int rc = kst_kube_get(kube, &kst_res_restorepoints, home, name, &point, &cause);
    if (rc == KST_E_NOT_FOUND && !strstr(kst_err_message(cause), "does not serve"))
        suggest(kube, home, name, &cause);
    if (rc < 0)
        return kst_err_move(err, &cause);
    const char *phase = kst_json_path_str(point, "status.phase");
    bool going = kst_json_path_str(point, "metadata.deletionTimestamp") ||
                 kst_same(phase, "Deleting");
    if (ready && (going || !kst_same(phase, "Ready"))) {
        kst_err_set(err, KST_E_REFUSED, "RestorePoint/%s/%s %s", home, name,
                    going ? "is being deleted" : "is not Ready: its backup has not ended");
        kst_err_reason(err, going ? "RestorePointDeleted" : "RestorePointNotReady");
        if (!going)
            kst_err_hint(err, "see how far it is with: kassette describe %s",
                         kst_json_path_str(point, "spec.run"));
        return KST_E_REFUSED;
    }
    *out = kst_take(point);
    return 0;
}
