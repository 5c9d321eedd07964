/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims are created, and replaced: records first, for all of them, then one write of the journal,
 * then what cannot be taken back.
 */
#include "app/restore/volumes.h"

#include "app/restore/users.h"
#include "app/restore/volumes_internal.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/remove.h"
#include "kube/resource.h"
#include "loop/fiber.h"
#include "run/journal.h"
#include <stdlib.h>

/* ---- What is there ---- */

/* The claim as it can be made again: without what the cluster gave it. Its uid stays, by which it
 * is known. */
static struct kst_json *record_of(const struct kst_json *claim)
{
    static const char *const gone[] = {
        "managedFields", "resourceVersion",   "creationTimestamp",         "generation",
        "selfLink",      "deletionTimestamp", "deletionGracePeriodSeconds"};
    struct kst_json *record = kst_json_dup(claim);
    struct kst_json *metadata = kst_json_ensure_object(record, "metadata");
    kst_json_remove(record, "status");
    for (size_t i = 0; i < KST_ARRAY_LEN(gone); i++)
        kst_json_remove(metadata, gone[i]);
    return record;
}

/* The volume of the claim that is going to be replaced, if it has one. */
static int record_volume(struct kst_volume *self, struct kst_err **err)
{
    const char *name = kst_json_path_str(self->there, "spec.volumeName");
    const char *uid = kst_json_path_str(self->there, "metadata.uid");
    kst_auto_json struct kst_json *pv = NULL;
    int rc = name && *name ? kst_volume_find(self->run, &kst_res_pvs, NULL, name, &pv, err) : 0;
    if (rc < 0 || !pv)
        return rc;
    if (!kst_same(kst_json_path_str(pv, "spec.claimRef.uid"), uid)) {
        kst_err_set(err, KST_E_REFUSED,
                    "PersistentVolumeClaim/%s/%s says that it is bound to PersistentVolume/%s, "
                    "which says that it is not: nothing is replaced",
                    self->run->app_ns, kst_volume_target(self), name);
        kst_err_reason(err, "ClaimNotBound");
        return KST_E_REFUSED;
    }
    const char *policy = kst_json_path_str(pv, "spec.persistentVolumeReclaimPolicy");
    kst_json_set_str(self->row, "oldVolume", name);
    kst_json_set_str(self->row, "oldReclaimPolicy", policy ? policy : "Retain");
    return 0;
}

static int appeared(const struct kst_volume *self, struct kst_err **err)
{
    kst_err_set(err, KST_E_EXISTS,
                "PersistentVolumeClaim/%s/%s is there, and this run has neither made nor planned "
                "to replace it: somebody else made it meanwhile",
                self->run->app_ns, kst_volume_target(self));
    kst_err_reason(err, "ClaimExists");
    kst_err_hint(err, "delete it, or restore with --on-conflict replace");
    return KST_E_EXISTS;
}

/* Looks at claim and source, and writes into the row what may not be forgotten. */
static int prepare(void *arg, struct kst_err **err)
{
    struct kst_volume *self = arg;
    int rc = kst_volume_look(self, err);
    if (rc < 0)
        return rc;
    if (kst_volume_is(self, "state", "Failed")) {
        kst_json_set_str(self->row, "state", "Planned");
        kst_json_set_str(self->row, "source", NULL);
    }
    kst_json_set_str(self->row, "message", NULL);
    if (self->whose == KST_VOLUME_FOREIGN &&
        (!kst_volume_is(self, "action", "replace") || kst_json_get(self->row, "oldClaim")))
        return appeared(self, err);
    if (self->whose == KST_VOLUME_FOREIGN) {
        rc = record_volume(self, err);
        if (rc < 0)
            return rc;
        kst_json_set(self->row, "oldClaim", record_of(self->there));
        self->whose = KST_VOLUME_OLD;
    }
    if (kst_volume_has_data(self) && self->whose != KST_VOLUME_OURS)
        rc = kst_volume_find_source(self, err);
    if (rc == 0)
        kst_json_set_bool(self->row, "prepared", true);
    return rc;
}

static bool is_undecided(const struct kst_volume *self)
{
    return !kst_volume_is(self, "state", "Bound") && !kst_volume_is(self, "state", "Settled");
}

static bool is_going_on(const struct kst_volume *self)
{
    return is_undecided(self) && !kst_volume_is(self, "state", "Failed");
}

static int make_source(void *arg, struct kst_err **err)
{
    struct kst_volume *self = arg;
    return self->source ? kst_volume_make_source(self, err) : 0;
}

/* ---- The claim to create ---- */

static void set_size(const struct kst_volume *self)
{
    struct kst_json *spec = kst_json_ensure_object(self->wanted, "spec");
    struct kst_json *requests = kst_json_ensure_object(kst_json_ensure_object(spec, "resources"),
                                                       "requests");
    const struct kst_json *old = kst_json_get(self->row, "oldClaim");
    const char *const sizes[] = {
        kst_json_path_str(requests, "storage"),
        kst_volume_str(self, "size"),
        kst_volume_str(self, "restoreSize"),
        kst_json_path_str(old, "spec.resources.requests.storage"),
    };
    const char *largest = NULL;
    int64_t most = -1, bytes = 0;
    for (size_t i = 0; i < KST_ARRAY_LEN(sizes); i++) {
        if (kst_parse_size(sizes[i], &bytes) && bytes > most) {
            most = bytes;
            largest = sizes[i];
        }
    }
    kst_auto_free char *text = kst_strdup(largest);
    if (text)
        kst_json_set_str(requests, "storage", text);
}

/* What belongs to another life of it would bind it to a volume, or send it to a node, of then. */
static void forget_life(struct kst_json *claim)
{
    static const char *const notes[] = {
        "pv.kubernetes.io/bind-completed",
        "pv.kubernetes.io/bound-by-controller",
        "volume.beta.kubernetes.io/storage-provisioner",
        "volume.kubernetes.io/storage-provisioner",
        "volume.kubernetes.io/selected-node",
    };
    struct kst_json *metadata = kst_json_ensure_object(claim, "metadata");
    struct kst_json *annotations = kst_json_mut(metadata, "annotations");
    for (size_t i = 0; annotations && i < KST_ARRAY_LEN(notes); i++)
        kst_json_remove(annotations, notes[i]);
    kst_json_remove(metadata, "uid");
    kst_json_remove(metadata, "finalizers"); /* each is put there by who looks after it */
}

static void make_wanted(struct kst_volume *self, struct kst_json *claim)
{
    struct kst_json *record = record_of(claim);
    struct kst_json *metadata = kst_json_ensure_object(record, "metadata");
    struct kst_json *spec = kst_json_ensure_object(record, "spec");
    kst_json_free(claim);
    self->wanted = record;
    forget_life(record);
    kst_json_set_str(record, "apiVersion", "v1");
    kst_json_set_str(record, "kind", "PersistentVolumeClaim");
    kst_json_set_str(metadata, "name", kst_volume_target(self));
    kst_json_set_str(metadata, "namespace", self->run->app_ns);
    kst_json_remove(spec, "volumeName");
    kst_json_remove(spec, "dataSource");
    kst_json_remove(spec, "dataSourceRef");
    if (kst_volume_str(self, "storageClass"))
        kst_json_set_str(spec, "storageClassName", kst_volume_str(self, "storageClass"));
    set_size(self);
    if (self->source)
        kst_json_set(spec, "dataSource",
                     kst_json_make("{'apiGroup':'snapshot.storage.k8s.io','kind':'VolumeSnapshot',"
                                   "'name':%s}",
                                   self->source));
}

/* ---- The deed ---- */

/* The old volume is kept whatever becomes of the run; then its claim goes. */
static int put_away(struct kst_volume *self, struct kst_err **err)
{
    const char *volume = kst_volume_str(self, "oldVolume");
    int rc = volume ? kst_volume_set_policy(self->run, volume,
                                            kst_json_path_str(self->there, "metadata.uid"),
                                            "Retain", err)
                    : 0;
    return rc < 0 ? rc
                  : kst_kube_remove(self->run->kube, &kst_res_pvcs, self->there,
                                    self->run->ready_timeout_ms, err);
}

static int create(void *arg, struct kst_err **err)
{
    struct kst_volume *self = arg;
    int rc = kst_volume_look(self, err);
    if (rc == 0 && self->whose == KST_VOLUME_FOREIGN)
        rc = appeared(self, err);
    if (rc == 0 && self->whose == KST_VOLUME_OLD)
        rc = put_away(self, err);
    if (rc < 0)
        return rc;
    if (self->whose != KST_VOLUME_OURS) {
        if (!self->wanted)
            return kst_err_set(err, KST_E_NOT_FOUND,
                               "PersistentVolumeClaim/%s/%s: the point has no object of claim %s",
                               self->run->app_ns, kst_volume_target(self),
                               kst_volume_str(self, "claim"));
        rc = kst_kube_create(self->run->kube, &kst_res_pvcs, self->run->app_ns, self->wanted, true,
                             NULL, err);
    }
    if (rc == 0)
        kst_json_set_str(self->row, "state", "Created");
    return rc;
}

/* Whoever deletes a claim that is in use has it wait for its user, and its user lose it. */
static int check_unused(struct kst_run *run, const struct kst_volume *all, size_t count,
                        struct kst_err **err)
{
    kst_auto_json struct kst_json *names = kst_json_array(), *pods = NULL;
    for (size_t i = 0; i < count; i++) {
        if (is_going_on(&all[i]) && all[i].whose == KST_VOLUME_OLD)
            kst_json_push(names, kst_json_from_str(kst_volume_target(&all[i])));
    }
    int rc = kst_json_len(names) ? kst_users_find(run, names, &pods, err) : 0;
    for (const struct kst_json *pod = kst_json_first(pods); rc == 0 && pod;
         pod = kst_json_next(pod)) {
        const char *name = kst_json_path_str(pod, "metadata.name");
        if (kst_users_is_finished(pod))
            continue;
        rc = kst_err_set(err, KST_E_REFUSED,
                         "Pod/%s/%s uses PersistentVolumeClaim/%s/%s, which is to be replaced: "
                         "nothing is replaced",
                         run->app_ns, name, run->app_ns,
                         kst_users_claim(kst_json_get(pod, "spec"), name, names));
        kst_err_reason(err, "ClaimInUse");
        kst_err_hint(err, "somebody started it while the workloads were stopped: see what made it");
    }
    return rc;
}

/* The records, what is needed of them journaled, and the sources: nothing is created or replaced
 * where one of them fails. */
static int make_ready(struct kst_run *run, struct kst_volume *all, size_t count, bool in_use,
                      struct kst_err **err)
{
    int rc = kst_volume_each(all, count, is_undecided, prepare, err);
    if (rc == 0 && count)
        rc = kst_journal_write(run->journal, err);
    if (rc == 0 && !in_use)
        rc = check_unused(run, all, count, err);
    if (rc == 0)
        rc = kst_volume_each(all, count, is_going_on, make_source, err);
    return rc < 0 ? rc : kst_volume_failures(all, count, "restored", err);
}

static int wrap(const struct kst_run *run, int rc, struct kst_err **err)
{
    return rc < 0 ? kst_err_wrap(err, rc, "restore the volumes in %s", run->app_ns) : 0;
}

int kst_volumes_prepare(struct kst_run *run, struct kst_err **err)
{
    size_t count = 0;
    struct kst_volume *all = kst_volume_all(run, &count);
    for (size_t i = 0; i < count; i++) /* of a process before: a snapshot may go meanwhile */
        kst_json_set_str(all[i].row, "source", NULL);
    int rc = make_ready(run, all, count, true, err);
    kst_volume_free_all(all, count);
    return wrap(run, rc, err);
}

int kst_volumes_restore(struct kst_run *run,
                        struct kst_json *(*claim)(void *arg, const struct kst_json *row), void *arg,
                        struct kst_err **err)
{
    size_t count = 0;
    struct kst_volume *all = kst_volume_all(run, &count);
    int rc = make_ready(run, all, count, false, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct kst_json *object = is_going_on(&all[i]) ? claim(arg, all[i].row) : NULL;
        if (object)
            make_wanted(&all[i], object);
    }
    if (rc == 0)
        rc = kst_volume_each(all, count, is_going_on, create, err);
    if (rc == 0 && count)
        rc = kst_journal_write(run->journal, err);
    if (rc == 0)
        rc = kst_volume_failures(all, count, "restored", err);
    kst_volume_free_all(all, count);
    return wrap(run, rc, err);
}

/* ---- Until they are bound ---- */

struct binding {
    struct kst_json *users;   /* Pods that use one of the claims */
    struct kst_json *classes; /* StorageClasses */
};

static bool is_used(const struct binding *binding, const struct kst_volume *self)
{
    kst_auto_json struct kst_json *name = kst_json_array();
    kst_json_push(name, kst_json_from_str(kst_volume_target(self)));
    for (const struct kst_json *pod = kst_json_first(binding->users); pod;
         pod = kst_json_next(pod)) {
        if (!kst_users_is_finished(pod) &&
            kst_users_claim(kst_json_get(pod, "spec"), kst_json_path_str(pod, "metadata.name"),
                            name))
            return true;
    }
    return false;
}

static bool waits_for_pod(const struct binding *binding, const struct kst_volume *self)
{
    const char *class = kst_json_path_str(self->there, "spec.storageClassName");
    if (kst_same(kst_json_path_str(self->there, "status.phase"), "Bound") || is_used(binding, self))
        return false;
    for (const struct kst_json *row = kst_json_first(binding->classes); row;
         row = kst_json_next(row)) {
        if (kst_same(kst_json_path_str(row, "metadata.name"), class))
            return kst_same(kst_json_path_str(row, "volumeBindingMode"), "WaitForFirstConsumer");
    }
    return false;
}

static int read_binding(struct kst_run *run, const struct kst_volume *all, size_t count,
                        struct binding *binding, struct kst_err **err)
{
    kst_auto_json struct kst_json *names = kst_json_array();
    for (size_t i = 0; i < count; i++)
        kst_json_push(names, kst_json_from_str(kst_volume_target(&all[i])));
    int rc = kst_kube_list(run->kube, &kst_res_storageclasses, NULL, NULL, &binding->classes, NULL,
                           err);
    return rc < 0 ? rc : kst_users_find(run, names, &binding->users, err);
}

struct wait {
    struct kst_volume *volume;
    const struct binding *binding;
};

static int await_one(void *arg, struct kst_err **err)
{
    struct wait *wait = arg;
    struct kst_volume *self = wait->volume;
    int rc = kst_volume_look(self, err);
    if (rc == 0 && waits_for_pod(wait->binding, self)) {
        kst_json_set_str(self->row, "message", "it is bound when its first Pod comes");
        return 0;
    }
    if (rc == 0)
        rc = kst_volume_await_bound(self, err);
    if (rc < 0)
        return rc;
    kst_json_set_str(self->row, "state", "Bound");
    kst_json_set_str(self->row, "message", NULL);
    const char *size = kst_volume_str(self, "size");
    kst_auto_free char *text = kst_asprintf("volume %s is %s%s%s%s", kst_volume_target(self),
                                            !kst_volume_has_data(self) ? "made, without data"
                                            : kst_volume_is(self, "action", "replace") ? "replaced"
                                                                                       : "restored",
                                            size ? " (" : "", size ? size : "", size ? ")" : "");
    kst_run_note(self->run, KST_NOTE_VOLUME, text, self->row);
    return 0;
}

int kst_volumes_await(struct kst_run *run, struct kst_err **err)
{
    struct binding binding = {0};
    size_t count = 0;
    struct kst_volume *all = kst_volume_all(run, &count);
    kst_auto_free struct wait *waits = kst_calloc(count, sizeof(*waits));
    int rc = count ? read_binding(run, all, count, &binding, err) : 0;
    if (rc == 0) {
        struct kst_group *group = kst_group_new(run->loop, true);
        for (size_t i = 0; i < count; i++) {
            waits[i] = (struct wait){.volume = &all[i], .binding = &binding};
            if (kst_volume_is(&all[i], "state", "Created"))
                kst_group_spawn(group, "await", await_one, &waits[i]);
        }
        rc = kst_group_wait(group, err);
        kst_group_free(group);
    }
    kst_json_free(binding.classes);
    kst_json_free(binding.users);
    kst_volume_free_all(all, count);
    return rc;
}
