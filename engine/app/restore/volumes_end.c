/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end: what was replaced goes, or comes back. An old volume is never deleted here: its reclaim
 * policy says what becomes of it, and gets its word only when nothing needs the volume any more.
 */
#include <string.h>

#include "app/restore/volumes_internal.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/remove.h"
#include "kube/resource.h"
#include "run/journal.h"

static void done(struct kst_volume *self, const char *state)
{
    kst_json_set_str(self->row, "state", state);
    kst_json_set_str(self->row, "message", NULL);
    kst_json_set_str(self->row, "hint", NULL);
}

static void warn(struct kst_volume *self, char *text)
{
    kst_json_set_str(self->row, "message", text);
    kst_run_note(self->run, KST_NOTE_WARNING, text, self->row);
    free(text);
}

/* ---- After a success ---- */

static bool is_unsettled(const struct kst_volume *self)
{
    return !kst_volume_is(self, "state", "Settled") && !kst_volume_is(self, "state", "Kept") &&
           !kst_volume_is(self, "state", "Planned");
}

/* What the claim still needs, and what it replaces, stays. */
static void tell_unbound(struct kst_volume *self)
{
    const char *volume = kst_volume_str(self, "oldVolume");
    const char *temporary = kst_volume_str(self, "temporary");
    bool ours = self->whose == KST_VOLUME_OURS;
    kst_auto_free char *source =
        temporary ? kst_asprintf("; VolumeSnapshot and VolumeSnapshotContent %s, from which it "
                                 "is filled, stay: delete them when it is bound",
                                 temporary)
                  : kst_strdup("");
    kst_auto_free char *old = volume ? kst_asprintf("; PersistentVolume/%s, which it replaces, is "
                                                    "kept: delete it when it is not needed",
                                                    volume)
                                     : kst_strdup("");
    warn(self, kst_asprintf(
                   "PersistentVolumeClaim/%s/%s %s%s%s", self->run->app_ns, kst_volume_target(self),
                   ours ? "is not bound yet" : "was deleted or replaced by somebody else meanwhile",
                   source, old));
}

/* The old volume's policy is what it was: Delete has it go now. */
static int let_go(struct kst_volume *self, struct kst_err **err)
{
    const char *volume = kst_volume_str(self, "oldVolume");
    const char *policy = kst_volume_str(self, "oldReclaimPolicy");
    if (!volume || !policy || kst_same(policy, "Retain"))
        return 0;
    struct kst_err *cause = NULL;
    int rc = kst_volume_set_policy(self->run, volume, kst_volume_str(self, "oldClaim.metadata.uid"),
                                   policy, &cause);
    if (rc == KST_E_REFUSED) { /* somebody has taken it for another claim */
        warn(self, kst_strdup(kst_err_message(cause)));
        kst_err_clear(&cause);
        return 0;
    }
    if (rc == KST_E_NOT_FOUND) { /* it is gone */
        kst_err_clear(&cause);
        return 0;
    }
    return rc < 0 ? kst_err_move(err, &cause) : 0;
}

/* Where the claim has its data, what that was taken from goes; else *bound is false, which is told.
 */
static int clean_up(struct kst_volume *self, const char *state, bool *bound, struct kst_err **err)
{
    int rc = kst_volume_look(self, err);
    *bound = rc == 0 && self->whose == KST_VOLUME_OURS &&
             kst_same(kst_json_path_str(self->there, "status.phase"), "Bound");
    if (rc == 0 && !*bound)
        tell_unbound(self);
    if (rc < 0 || !*bound)
        return rc;
    kst_json_set_str(self->row, "volume", kst_json_path_str(self->there, "spec.volumeName"));
    rc = kst_volume_remove_source(self, err);
    if (rc == 0)
        done(self, state);
    return rc;
}

static int settle(void *arg, struct kst_err **err)
{
    struct kst_volume *self = arg;
    bool bound = false;
    int rc = clean_up(self, "Settled", &bound, err);
    if (rc < 0 || !bound)
        return rc;
    rc = let_go(self, err);
    if (rc < 0) /* whoever ends the run has to see that it is not settled */
        kst_json_set_str(self->row, "state", "Bound");
    return rc;
}

static int leave(void *arg, struct kst_err **err)
{
    struct kst_volume *self = arg;
    const char *old = kst_volume_str(self, "oldVolume");
    bool bound = false;
    int rc = clean_up(self, "Kept", &bound, err);
    if (rc == 0 && bound && old)
        warn(self, kst_asprintf("PersistentVolume/%s, which PersistentVolumeClaim/%s/%s had "
                                "before, is kept with its data: delete it when it is not needed",
                                old, self->run->app_ns, kst_volume_target(self)));
    return rc;
}

/* What is left to do is done by nobody else: the journal says what, the caller's error why. */
static int finish(struct kst_run *run, struct kst_volume *all, size_t count, int rc,
                  const char *what, struct kst_err **err)
{
    struct kst_err *unwritten = NULL;
    if (rc == 0)
        rc = kst_volume_failures(all, count, what, err);
    if (count && kst_journal_write(run->journal, &unwritten) < 0) {
        if (rc == 0)
            rc = kst_err_move(err, &unwritten);
        kst_err_free(unwritten);
    }
    kst_volume_free_all(all, count);
    return rc;
}

int kst_volumes_settle(struct kst_run *run, struct kst_err **err)
{
    size_t count = 0;
    struct kst_volume *all = kst_volume_all(run, &count);
    int rc = kst_volume_each(all, count, is_unsettled, settle, err);
    rc = finish(run, all, count, rc, "settled", err);
    return rc < 0 ? kst_err_wrap(err, rc, "clean up after the volumes in %s", run->app_ns) : 0;
}

int kst_volumes_leave(struct kst_run *run, struct kst_err **err)
{
    size_t count = 0;
    struct kst_volume *all = kst_volume_all(run, &count);
    int rc = kst_volume_each(all, count, is_unsettled, leave, err);
    rc = finish(run, all, count, rc, "left", err);
    return rc < 0 ? kst_err_wrap(err, rc, "clean up after the volumes in %s", run->app_ns) : 0;
}

/* ---- After a failure ---- */

/* An owner that is gone would take the claim with it, as soon as it is there. */
static int keep_living_owners(struct kst_volume *self, struct kst_json *claim, struct kst_err **err)
{
    struct kst_json *owners = kst_json_detach(kst_json_mut(claim, "metadata"), "ownerReferences");
    kst_auto_json struct kst_json *kept = kst_json_array();
    int rc = 0;
    for (const struct kst_json *row = kst_json_first(owners); rc == 0 && row;
         row = kst_json_next(row)) {
        const struct kst_kube_resource *resource = NULL;
        kst_auto_json struct kst_json *owner = NULL;
        struct kst_err *cause = NULL;
        rc = kst_kube_find_kind(self->run->kube, kst_json_path_str(row, "apiVersion"),
                                kst_json_path_str(row, "kind"), &resource, &cause);
        if (rc == 0)
            rc = kst_kube_get(self->run->kube, resource,
                              resource->namespaced ? self->run->app_ns : NULL,
                              kst_json_path_str(row, "name"), &owner, &cause);
        if (rc == 0 &&
            kst_same(kst_json_path_str(owner, "metadata.uid"), kst_json_path_str(row, "uid")))
            kst_json_push(kept, kst_json_dup(row));
        if (rc == KST_E_NOT_FOUND || rc == KST_E_FORBIDDEN) {
            kst_err_clear(&cause);
            rc = 0;
        } else if (rc < 0) {
            kst_err_move(err, &cause);
        }
    }
    kst_json_free(owners);
    if (rc == 0 && kst_json_len(kept))
        kst_json_set(kst_json_mut(claim, "metadata"), "ownerReferences", kst_take(kept));
    return rc;
}

static int taken(const struct kst_volume *self, const struct kst_json *pv, struct kst_err **err)
{
    kst_err_set(err, KST_E_REFUSED,
                "PersistentVolume/%s, which was PersistentVolumeClaim/%s/%s's, is bound to "
                "PersistentVolumeClaim/%s/%s by now",
                kst_volume_str(self, "oldVolume"), self->run->app_ns, kst_volume_target(self),
                kst_json_path_str(pv, "spec.claimRef.namespace"),
                kst_json_path_str(pv, "spec.claimRef.name"));
    kst_err_reason(err, "VolumeReused");
    return KST_E_REFUSED;
}

static int gone(const struct kst_volume *self, struct kst_err **err)
{
    kst_err_set(err, KST_E_NOT_FOUND,
                "PersistentVolume/%s, which was PersistentVolumeClaim/%s/%s's, was deleted by "
                "somebody",
                kst_volume_str(self, "oldVolume"), self->run->app_ns, kst_volume_target(self));
    kst_err_reason(err, "VolumeReused");
    return KST_E_NOT_FOUND;
}

/* The old volume is kept free for the claim of this name, whatever its uid will be, and for no
 * other; with `look_only`, whether it can be. */
static int try_reserve(struct kst_volume *self, bool look_only, struct kst_err **err)
{
    const char *volume = kst_volume_str(self, "oldVolume");
    kst_auto_json struct kst_json *pv = NULL;
    int rc = kst_volume_find(self->run, &kst_res_pvs, NULL, volume, &pv, err);
    if (rc == 0 && !pv)
        rc = gone(self, err);
    if (rc < 0)
        return rc;
    const char *uid = kst_json_path_str(pv, "spec.claimRef.uid");
    if (!kst_same(kst_json_path_str(pv, "spec.claimRef.namespace"), self->run->app_ns) ||
        !kst_same(kst_json_path_str(pv, "spec.claimRef.name"), kst_volume_target(self)) ||
        (uid && *uid && !kst_same(uid, kst_volume_str(self, "oldClaim.metadata.uid"))))
        return taken(self, pv, err);
    if (!uid || !*uid || look_only)
        return 0;
    kst_auto_json struct kst_json *patch = kst_json_make(
        "{'metadata':{'resourceVersion':%s},'spec':{'claimRef':{'uid':null,'resourceVersion':null}}"
        "}",
        kst_json_path_str(pv, "metadata.resourceVersion"));
    return kst_kube_patch(self->run->kube, &kst_res_pvs, NULL, volume, NULL, KST_PATCH_MERGE, patch,
                          NULL, err);
}

static int reserve(void *arg, struct kst_err **err)
{
    return try_reserve(arg, false, err);
}

static int make_old_claim(struct kst_volume *self, struct kst_err **err)
{
    static const char *const notes[] = {"pv.kubernetes.io/bind-completed",
                                        "pv.kubernetes.io/bound-by-controller"};
    kst_auto_json struct kst_json *claim = kst_json_dup(kst_json_get(self->row, "oldClaim"));
    struct kst_json *metadata = kst_json_ensure_object(claim, "metadata");
    struct kst_json *annotations = kst_json_mut(metadata, "annotations");
    for (size_t i = 0; annotations && i < KST_ARRAY_LEN(notes); i++)
        kst_json_remove(annotations, notes[i]);
    kst_json_remove(metadata, "uid");
    kst_json_remove(metadata, "finalizers");
    kst_json_set_str(kst_json_ensure_object(claim, "spec"), "volumeName",
                     kst_volume_str(self, "oldVolume"));
    int rc = keep_living_owners(self, claim, err);
    if (rc == 0)
        rc = kst_kube_create(self->run->kube, &kst_res_pvcs, self->run->app_ns, claim, true, NULL,
                             err);
    return rc < 0 ? rc : kst_volume_look(self, err);
}

/* The claim is there again: when it is bound, its volume's policy is what it was. */
static int restore_policy(struct kst_volume *self, struct kst_err **err)
{
    const char *volume = kst_volume_str(self, "oldVolume");
    if (!volume)
        return 0;
    int rc = kst_volume_await_bound(self, err);
    if (rc == 0)
        rc = kst_volume_set_policy(self->run, volume,
                                   kst_json_path_str(self->there, "metadata.uid"),
                                   kst_volume_str(self, "oldReclaimPolicy"), err);
    return rc;
}

static int foreign(const struct kst_volume *self, struct kst_err **err)
{
    const char *volume = kst_volume_str(self, "oldVolume");
    kst_err_set(err, KST_E_REFUSED,
                "PersistentVolumeClaim/%s/%s was made by somebody else meanwhile, and is left "
                "alone%s%s",
                self->run->app_ns, kst_volume_target(self),
                volume ? "; the data of before is kept in PersistentVolume/" : "",
                volume ? volume : "");
    kst_err_reason(err, "ClaimExists");
    kst_err_hint(err, "to have it back, delete the claim, and run: kassette run %s",
                 self->run->name);
    return KST_E_REFUSED;
}

/* Ours goes; the old one, too, where its deletion was asked for, which nothing takes back. Before,
 * the old volume is looked at, and kept. */
static int make_room(struct kst_volume *self, struct kst_err **err)
{
    const char *volume = kst_volume_str(self, "oldVolume");
    int rc = 0;
    if (volume && self->whose == KST_VOLUME_OURS)
        rc = try_reserve(self, true, err);
    else if (volume)
        rc = kst_volume_set_policy(self->run, volume,
                                   kst_json_path_str(self->there, "metadata.uid"), "Retain", err);
    if (rc == 0)
        rc = kst_kube_remove(self->run->kube, &kst_res_pvcs, self->there,
                             self->run->ready_timeout_ms, err);
    self->whose = KST_VOLUME_NOBODYS;
    return rc;
}

static int put_back(struct kst_volume *self, struct kst_err **err)
{
    int rc = 0;
    if (self->whose == KST_VOLUME_FOREIGN)
        return foreign(self, err);
    if (self->whose == KST_VOLUME_OURS ||
        kst_json_path_str(self->there, "metadata.deletionTimestamp"))
        rc = make_room(self, err);
    if (rc == 0 && self->whose == KST_VOLUME_NOBODYS) {
        if (kst_volume_str(self, "oldVolume"))
            rc = kst_kube_over_conflicts(reserve, self, err);
        if (rc == 0)
            rc = make_old_claim(self, err);
    }
    if (rc == 0)
        rc = restore_policy(self, err);
    if (rc == 0) {
        kst_auto_free char *text = kst_asprintf("volume %s is as it was", kst_volume_target(self));
        kst_run_note(self->run, KST_NOTE_VOLUME, text, self->row);
    }
    return rc;
}

/* A claim that was created stays where it has its data. */
static int take_back(struct kst_volume *self, struct kst_err **err)
{
    bool bound = kst_same(kst_json_path_str(self->there, "status.phase"), "Bound");
    return self->whose == KST_VOLUME_OURS && !bound
               ? kst_kube_remove(self->run->kube, &kst_res_pvcs, self->there,
                                 self->run->ready_timeout_ms, err)
               : 0;
}

static int undo(void *arg, struct kst_err **err)
{
    struct kst_volume *self = arg;
    struct kst_err *cause = NULL;
    int rc = kst_volume_look(self, err);
    if (rc < 0)
        return rc;
    rc = kst_json_get(self->row, "oldClaim") ? put_back(self, &cause) : take_back(self, &cause);
    if (rc < 0 && strcmp(kst_err_get_reason(cause), "VolumeReused") != 0)
        return kst_err_move(err, &cause);
    done(self, rc == 0 ? "Undone" : "Kept");
    if (rc < 0) /* no other try will have it: whatever claim there is stays */
        warn(self, kst_asprintf("%s: it cannot be put back", kst_err_message(cause)));
    kst_err_free(cause);
    return kst_volume_remove_source(self, err);
}

static bool is_to_undo(const struct kst_volume *self)
{
    return !kst_volume_is(self, "state", "Settled") && !kst_volume_is(self, "state", "Undone") &&
           !kst_volume_is(self, "state", "Kept");
}

int kst_volumes_undo(struct kst_run *run, struct kst_err **err)
{
    size_t count = 0;
    struct kst_volume *all = kst_volume_all(run, &count);
    int rc = kst_volume_each(all, count, is_to_undo, undo, err);
    rc = finish(run, all, count, rc, "put back", err);
    return rc < 0 ? kst_err_wrap(err, rc, "put the volumes in %s back", run->app_ns) : 0;
}
