/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CronJobs: a Job at each time of a schedule, in UTC.
 * https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/cron.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"

#define CRONJOBS "batch/cronjobs"
#define JOBS     "batch/jobs"

static const char manager[] = "kube-controller-manager";
static const char component[] = "cronjob-controller";

enum { MOST_MISSED = 100 };

struct cronjob {
    struct kst_api *api;
    const struct kst_object *object;
    const struct kst_json *spec;
    struct kst_control_list jobs; /* that it controls */
    struct kst_json *active;      /* references, as they are to be in its status */
    int64_t last_s;               /* when it was last due and started; 0 for never */
    int64_t again_ms;
};

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static int64_t seconds_of(const char *time)
{
    int64_t us = 0;
    return kst_time_parse_us(time, &us) ? us / 1000000 : 0;
}

/* "Complete" or "Failed" where the Job has ended, else NULL. */
static const char *end_of(const struct kst_json *job)
{
    static const char *const ends[] = {"Complete", "Failed"};
    const struct kst_json *list = kst_json_path(job, "status.conditions");
    for (size_t i = 0; i < KST_ARRAY_LEN(ends); i++)
        if (is(kst_api_text(kst_control_condition(list, ends[i]), "status"), "True"))
            return ends[i];
    return NULL;
}

/* ---- what runs ---- */

static const struct kst_object *job_of_uid(const struct cronjob *self, const char *uid)
{
    for (size_t i = 0; i < self->jobs.count; i++)
        if (is(self->jobs.objects[i]->uid, uid))
            return self->jobs.objects[i];
    return NULL;
}

static void forget_active(struct cronjob *self, const char *uid)
{
    for (size_t i = kst_json_len(self->active); i-- > 0;)
        if (is(kst_api_text(kst_json_at(self->active, i), "uid"), uid))
            kst_json_free(kst_json_detach_at(self->active, i));
}

/* Takes from the active ones those that have ended or are gone. */
static void look_at_active(struct cronjob *self)
{
    for (size_t i = kst_json_len(self->active); i-- > 0;) {
        const struct kst_json *reference = kst_json_at(self->active, i);
        const struct kst_object *job = job_of_uid(self, kst_api_text(reference, "uid"));
        const char *end = job ? end_of(job->json) : NULL;
        if (job && !end)
            continue;
        if (job)
            kst_control_event(self->api, self->object, component, "Normal", "SawCompletedJob",
                              "Saw completed job: %s, status: %s", job->name, end);
        else
            kst_control_event(self->api, self->object, component, "Normal", "MissingJob",
                              "Active job went missing: %s", kst_api_text(reference, "name"));
        kst_json_free(kst_json_detach_at(self->active, i));
    }
}

static void delete_job(struct cronjob *self, const struct kst_object *job)
{
    if (kst_control_delete(self->api, JOBS, job) < 0)
        return;
    kst_control_event(self->api, self->object, component, "Normal", "SuccessfulDelete",
                      "Deleted job %s", job->name);
    forget_active(self, job->uid);
}

/* ---- history ---- */

static int compare_start(const void *left, const void *right)
{
    const struct kst_object *a = *(struct kst_object *const *)left;
    const struct kst_object *b = *(struct kst_object *const *)right;
    int order = strcmp(kst_api_text(a->json, "status.startTime"),
                       kst_api_text(b->json, "status.startTime"));
    return order ? order : strcmp(a->name, b->name);
}

/* Deletes the oldest of those that ended so, beyond the limit. */
static void trim(struct cronjob *self, const char *end, const char *key)
{
    int64_t limit = kst_json_path_int(self->spec, key, -1), count = 0;
    for (size_t i = 0; i < self->jobs.count; i++) {
        const char *found = end_of(self->jobs.objects[i]->json);
        count += found && is(found, end);
    }
    for (size_t i = 0; i < self->jobs.count && limit >= 0 && count > limit; i++) {
        const char *found = end_of(self->jobs.objects[i]->json);
        if (!found || !is(found, end) || kst_api_is_deleting(self->jobs.objects[i]->json))
            continue;
        delete_job(self, self->jobs.objects[i]);
        count--;
    }
}

/* ---- what is due ---- */

/* The latest time that has passed and was not served; 0 for none. It is told where the schedule
 * cannot be read, or too much was missed. */
static int64_t due_time(struct cronjob *self, int64_t now_s)
{
    const char *schedule = kst_api_text(self->spec, "schedule");
    int64_t deadline_s = kst_json_path_int(self->spec, "startingDeadlineSeconds", -1), due_s = 0;
    int64_t from_s = self->last_s ? self->last_s
                                  : seconds_of(kst_api_text(self->object->json,
                                                            "metadata.creationTimestamp"));
    kst_auto_err struct kst_err *err = NULL;
    kst_auto_free char *why = NULL;
    struct kst_cron cron;
    if (kst_cron_parse(schedule, &cron, &err) < 0)
        why = kst_asprintf("unparseable schedule: %s : %s", schedule, kst_err_message(err));
    if (deadline_s >= 0 && now_s - deadline_s > from_s)
        from_s = now_s - deadline_s;
    int missed = 0;
    int64_t at_s = why ? -1 : kst_cron_next(&cron, from_s);
    for (; at_s >= 0 && at_s <= now_s && !why; at_s = kst_cron_next(&cron, at_s)) {
        due_s = at_s;
        if (++missed > MOST_MISSED)
            why = kst_strdup("too many missed start time (> 100). Set or decrease "
                             ".spec.startingDeadlineSeconds or check clock skew");
    }
    if (at_s > now_s)
        self->again_ms = kst_now_ms() + at_s * 1000 - kst_wall_ms();
    if (!why)
        return due_s;
    kst_control_event(self->api, self->object, component, "Warning", "FailedNeedsStart",
                      "Cannot determine if job needs to be started: %s", why);
    return 0;
}

static struct kst_json *new_job(const struct cronjob *self, int64_t due_s)
{
    const struct kst_json *template = kst_json_get(self->spec, "jobTemplate");
    kst_auto_json struct kst_json *owner = kst_control_owner(
        kst_api_text(self->object->json, "apiVersion"), "CronJob", self->object);
    kst_auto_free char *name = kst_asprintf("%s-%" PRId64, self->object->name, due_s);
    struct kst_json *job = kst_json_make(
        "{'apiVersion':'batch/v1','kind':'Job','metadata':{'name':%s,'namespace':%s,"
        "'ownerReferences':[%J]},'spec':%J}",
        name, self->object->ns, owner, kst_json_get(template, "spec"));
    static const char *const copied[] = {"labels", "annotations"};
    for (size_t i = 0; i < KST_ARRAY_LEN(copied); i++) {
        const struct kst_json *from = kst_json_get(kst_json_get(template, "metadata"), copied[i]);
        if (from)
            kst_json_set(kst_json_mut(job, "metadata"), copied[i], kst_json_dup(from));
    }
    return job;
}

static void start(struct cronjob *self, int64_t due_s)
{
    const struct kst_api_call call = kst_api_call_for(self->api, JOBS, self->object->ns, NULL,
                                                      manager);
    kst_auto_json struct kst_json *job = NULL;
    kst_auto_json struct kst_json *status = kst_api_create(self->api, &call, new_job(self, due_s),
                                                           &job);
    if (status) {
        kst_control_event(self->api, self->object, component, "Warning", "FailedCreate",
                          "Error creating job: %s", kst_status_message(status));
        return;
    }
    kst_control_event(self->api, self->object, component, "Normal", "SuccessfulCreate",
                      "Created job %s", kst_api_text(job, "metadata.name"));
    kst_json_push(self->active,
                  kst_json_make("{'kind':'Job','namespace':%s,'name':%s,'uid':%s,'apiVersion':"
                                "'batch/v1','resourceVersion':%s}",
                                self->object->ns, kst_api_text(job, "metadata.name"),
                                kst_api_text(job, "metadata.uid"),
                                kst_api_text(job, "metadata.resourceVersion")));
    self->last_s = due_s;
}

static void miss(struct cronjob *self, int64_t due_s)
{
    char when[64];
    time_t time = (time_t)due_s;
    struct tm tm;
    gmtime_r(&time, &tm);
    strftime(when, sizeof(when), "%a, %d %b %Y %H:%M:%S +0000", &tm);
    kst_control_event(self->api, self->object, component, "Warning", "MissSchedule",
                      "Missed scheduled time to start a job: %s", when);
}

static void run_due(struct cronjob *self)
{
    int64_t now_s = kst_wall_ms() / 1000, due_s = due_time(self, now_s);
    int64_t deadline_s = kst_json_path_int(self->spec, "startingDeadlineSeconds", -1);
    const char *policy = kst_api_text(self->spec, "concurrencyPolicy");
    if (due_s == 0 || (is(policy, "Forbid") && kst_json_len(self->active) > 0))
        return;
    if (deadline_s >= 0 && due_s + deadline_s < now_s) {
        miss(self, due_s);
        return;
    }
    for (size_t i = 0; i < self->jobs.count && is(policy, "Replace"); i++)
        if (!end_of(self->jobs.objects[i]->json))
            delete_job(self, self->jobs.objects[i]);
    start(self, due_s);
}

/* ---- one CronJob ---- */

static void find_jobs(struct cronjob *self)
{
    size_t kept = 0;
    self->jobs = kst_control_list(self->api, JOBS, self->object->ns);
    for (size_t i = 0; i < self->jobs.count; i++) {
        if (kst_control_owns(self->object, self->jobs.objects[i]))
            self->jobs.objects[kept++] = self->jobs.objects[i];
        else
            kst_object_unref(self->jobs.objects[i]);
    }
    self->jobs.count = kept;
    qsort(self->jobs.objects, kept, sizeof(self->jobs.objects[0]), compare_start);
}

static void tell(struct cronjob *self)
{
    struct kst_json *status = kst_json_object();
    char when[KST_TIME_TEXT];
    kst_time_format(self->last_s * 1000, when);
    if (kst_json_len(self->active) > 0)
        kst_json_set(status, "active", kst_json_dup(self->active));
    if (self->last_s)
        kst_json_set_str(status, "lastScheduleTime", when);
    kst_api_set_status(self->api, CRONJOBS, self->object, status, manager);
}

static int64_t keep(struct kst_api *api, const struct kst_object *object)
{
    struct cronjob self = {.api = api, .object = object, .again_ms = KST_NEVER};
    const struct kst_json *active = kst_json_path(object->json, "status.active");
    self.spec = kst_json_get(object->json, "spec");
    self.active = active ? kst_json_dup(active) : kst_json_array();
    self.last_s = seconds_of(kst_api_text(object->json, "status.lastScheduleTime"));
    find_jobs(&self);
    look_at_active(&self);
    if (!kst_api_is_deleting(object->json) && !kst_json_path_true(self.spec, "suspend"))
        run_due(&self);
    trim(&self, "Complete", "successfulJobsHistoryLimit");
    trim(&self, "Failed", "failedJobsHistoryLimit");
    tell(&self);
    kst_json_free(self.active);
    kst_control_list_release(&self.jobs);
    return self.again_ms;
}

static int64_t reconcile(const struct kst_control *control)
{
    return kst_control_each(control, CRONJOBS, true, keep);
}

const struct kst_controller kst_control_cronjobs = {
    .name = component,
    .buckets = {CRONJOBS, JOBS},
    .reconcile = reconcile,
};
