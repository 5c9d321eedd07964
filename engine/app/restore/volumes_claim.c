/* SPDX-License-Identifier: Apache-2.0 */
/* Rows at work, and the claims and volumes that they are about. */
#include "app/restore/events.h"
#include "app/restore/volumes_internal.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "kube/watch.h"
#include "run/journal.h"
#include <stdlib.h>

enum { AT_ONCE = 16 };

/* ---- Rows ---- */

struct kst_volume *kst_volume_all(struct kst_run *run, size_t *count)
{
    struct kst_json *restore = kst_json_ensure_object(kst_journal_status(run->journal), "restore");
    struct kst_json *rows = kst_json_ensure_array(restore, "volumes");
    struct kst_volume *all = kst_calloc(kst_json_len(rows), sizeof(*all));
    *count = 0;
    for (struct kst_json *row = kst_json_first_mut(rows); row; row = kst_json_next_mut(row)) {
        if (kst_json_path_str(row, "target") && !kst_same(kst_json_path_str(row, "action"), "keep"))
            all[(*count)++] = (struct kst_volume){.run = run, .row = row};
    }
    return all;
}

void kst_volume_free_all(struct kst_volume *all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        kst_json_free(all[i].wanted);
        kst_json_free(all[i].there);
        free(all[i].source);
    }
    free(all);
}

const char *kst_volume_str(const struct kst_volume *self, const char *path)
{
    return kst_json_path_str(self->row, path);
}

bool kst_volume_is(const struct kst_volume *self, const char *key, const char *value)
{
    return kst_same(kst_volume_str(self, key), value);
}

const char *kst_volume_target(const struct kst_volume *self)
{
    return kst_volume_str(self, "target");
}

bool kst_volume_has_data(const struct kst_volume *self)
{
    return !kst_volume_is(self, "action", "empty");
}

/* What is said of the run, and not of one of its volumes. */
static bool ends_the_run(int code)
{
    return code == KST_E_CANCELLED || code == KST_E_LOST || kst_fiber_check(NULL) < 0;
}

struct work {
    struct kst_volume *volume;
    kst_fiber_fn *fn;
};

static int work_on(void *arg, struct kst_err **err)
{
    struct work *work = arg;
    struct kst_volume *self = work->volume;
    struct kst_err *cause = NULL;
    int rc = work->fn(self, &cause);
    if (rc == 0)
        return 0;
    if (ends_the_run(rc))
        return kst_err_move(err, &cause);
    kst_json_set_str(self->row, "state", "Failed");
    kst_json_set_str(self->row, "message", kst_err_message(cause));
    kst_json_set_str(self->row, "hint", kst_err_get_hint(cause));
    kst_log(KST_LOG_WARN, "a volume was not restored", "run", self->run->name, "claim",
            kst_volume_target(self), "error", kst_err_message(cause), NULL);
    kst_err_free(cause);
    return 0;
}

int kst_volume_each(struct kst_volume *all, size_t count,
                    bool (*wanted)(const struct kst_volume *volume), kst_fiber_fn *fn,
                    struct kst_err **err)
{
    if (!count)
        return 0;
    kst_auto_free struct work *work = kst_calloc(count, sizeof(*work));
    struct kst_group *group = kst_group_new(all->run->loop, true);
    kst_group_limit(group, AT_ONCE);
    for (size_t i = 0; i < count; i++) {
        work[i] = (struct work){.volume = &all[i], .fn = fn};
        if (!wanted || wanted(&all[i]))
            kst_group_spawn(group, "volume", work_on, &work[i]);
    }
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    return rc;
}

int kst_volume_failures(const struct kst_volume *all, size_t count, const char *done,
                        struct kst_err **err)
{
    size_t bad = 0;
    const struct kst_volume *first = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!kst_volume_is(&all[i], "state", "Failed"))
            continue;
        first = first ? first : &all[i];
        bad++;
    }
    if (!bad)
        return 0;
    const char *hint = kst_volume_str(first, "hint");
    if (bad > 1)
        kst_err_set(err, KST_E_FAILED, "%zu of %zu volumes were not %s; the first: %s", bad, count,
                    done, kst_volume_str(first, "message"));
    else
        kst_err_set(err, KST_E_FAILED, "%s", kst_volume_str(first, "message"));
    kst_err_reason(err, "VolumesFailed");
    if (hint)
        kst_err_hint(err, "%s", hint);
    return KST_E_FAILED;
}

/* ---- Objects ---- */

int kst_volume_find(struct kst_run *run, const struct kst_kube_resource *resource, const char *ns,
                    const char *name, struct kst_json **out, struct kst_err **err)
{
    struct kst_err *cause = NULL;
    int rc = kst_kube_get(run->kube, resource, ns, name, out, &cause);
    if (rc != KST_E_NOT_FOUND)
        return rc < 0 ? kst_err_move(err, &cause) : 0;
    kst_err_clear(&cause);
    return 0;
}

/* ---- Claims ---- */

/* Before the row was prepared, and that journaled, the run has made nothing. */
static bool is_of_run(const struct kst_volume *self)
{
    return kst_json_path_true(self->row, "prepared") &&
           kst_kube_has_written(self->run->kube, self->there);
}

int kst_volume_look(struct kst_volume *self, struct kst_err **err)
{
    kst_json_free(kst_take(self->there));
    int rc = kst_volume_find(self->run, &kst_res_pvcs, self->run->app_ns, kst_volume_target(self),
                             &self->there, err);
    if (rc < 0)
        return rc;
    const char *uid = kst_volume_str(self, "oldClaim.metadata.uid");
    const char *volume = kst_volume_str(self, "oldVolume");
    bool is_old = uid && (kst_same(kst_json_path_str(self->there, "metadata.uid"), uid) ||
                          kst_same(kst_json_path_str(self->there, "spec.volumeName"), volume));
    self->whose = !self->there      ? KST_VOLUME_NOBODYS
                  : is_old          ? KST_VOLUME_OLD
                  : is_of_run(self) ? KST_VOLUME_OURS
                                    : KST_VOLUME_FOREIGN;
    return 0;
}

static int is_bound(void *arg, const struct kst_json *claim, struct kst_err **err)
{
    struct kst_volume *self = arg;
    const char *phase = kst_json_path_str(claim, "status.phase");
    if (!claim || !kst_same(kst_json_path_str(claim, "metadata.uid"),
                            kst_json_path_str(self->there, "metadata.uid"))) {
        kst_err_set(err, KST_E_NOT_FOUND,
                    "PersistentVolumeClaim/%s/%s was deleted by somebody else meanwhile",
                    self->run->app_ns, kst_volume_target(self));
        kst_err_reason(err, "ClaimGone");
        return KST_E_NOT_FOUND;
    }
    if (kst_same(phase, "Lost"))
        return kst_err_set(err, KST_E_FAILED,
                           "PersistentVolumeClaim/%s/%s is Lost: its PersistentVolume/%s is gone",
                           self->run->app_ns, kst_volume_target(self),
                           kst_json_path_str(claim, "spec.volumeName"));
    if (!kst_same(phase, "Bound"))
        return 0;
    kst_json_set_str(self->row, "volume", kst_json_path_str(claim, "spec.volumeName"));
    return 1;
}

int kst_volume_await_bound(struct kst_volume *self, struct kst_err **err)
{
    struct kst_run *run = self->run;
    struct kst_err *cause = NULL;
    int rc = kst_watch_until(run->kube, &kst_res_pvcs, run->app_ns, kst_volume_target(self),
                             is_bound, self, kst_deadline_in_ms(run->ready_timeout_ms),
                             "to be bound", NULL, &cause);
    if (rc != KST_E_TIMEOUT || kst_fiber_check(NULL) < 0)
        return rc < 0 ? kst_err_move(err, &cause) : 0;
    kst_err_clear(&cause);
    kst_auto_free char *said = kst_events_last(run, self->there, false);
    char waited[KST_TIME_TEXT];
    kst_duration_format(run->ready_timeout_ms, waited);
    kst_err_set(err, rc, "PersistentVolumeClaim/%s/%s is not bound after %s: %s", run->app_ns,
                kst_volume_target(self), waited,
                said ? said : "nobody has said why: does its provisioner run?");
    kst_err_reason(err, "ClaimNotBound");
    kst_err_hint(err,
                 "see kubectl describe pvc %s -n %s, and the logs of the CSI driver; allow more "
                 "time with spec.readyTimeout if that is normal there",
                 kst_volume_target(self), run->app_ns);
    return rc;
}

/* ---- Volumes ---- */

struct policy {
    struct kst_run *run;
    const char *volume, *claim_uid, *policy;
};

static int try_policy(void *arg, struct kst_err **err)
{
    const struct policy *self = arg;
    const char *volume = self->volume;
    struct kst_kube *kube = self->run->kube;
    kst_auto_json struct kst_json *pv = NULL;
    int rc = kst_kube_get(kube, &kst_res_pvs, NULL, volume, &pv, err);
    if (rc < 0)
        return rc;
    if (!kst_same(kst_json_path_str(pv, "spec.claimRef.uid"), self->claim_uid)) {
        kst_err_set(err, KST_E_REFUSED,
                    "PersistentVolume/%s is not the claim's any more: it is bound to "
                    "PersistentVolumeClaim/%s/%s, and is left as it is",
                    volume, kst_json_path_str(pv, "spec.claimRef.namespace"),
                    kst_json_path_str(pv, "spec.claimRef.name"));
        kst_err_reason(err, "VolumeReused");
        return KST_E_REFUSED;
    }
    if (kst_same(kst_json_path_str(pv, "spec.persistentVolumeReclaimPolicy"), self->policy))
        return 0;
    kst_auto_json struct kst_json *patch = kst_json_make(
        "{'metadata':{'resourceVersion':%s},'spec':{'persistentVolumeReclaimPolicy':%s}}",
        kst_json_path_str(pv, "metadata.resourceVersion"), self->policy);
    return kst_kube_patch(kube, &kst_res_pvs, NULL, volume, NULL, KST_PATCH_MERGE, patch, NULL,
                          err);
}

int kst_volume_set_policy(struct kst_run *run, const char *volume, const char *claim_uid,
                          const char *policy, struct kst_err **err)
{
    struct policy self = {.run = run, .volume = volume, .claim_uid = claim_uid, .policy = policy};
    return kst_kube_over_conflicts(try_policy, &self, err);
}
