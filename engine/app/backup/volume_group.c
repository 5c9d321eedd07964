/* SPDX-License-Identifier: Apache-2.0 */
#include "app/backup/volume_group.h"

#include <stdlib.h>
#include <string.h>

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

enum { REMOVE_TIMEOUT_MS = 2 * 60 * 1000, MAX_NAMES_BYTES = 4096 };

static const char api_group[] = "groupsnapshot.storage.k8s.io";
static const char label[] = "kassette.io/group";
static const char default_class[] = "groupsnapshot.storage.kubernetes.io/is-default-class";

int kst_volume_group_resource(struct kst_kube *kube, const char *kind,
                              const struct kst_kube_resource **out, struct kst_err **err)
{
    const struct kst_kube_resource **all = NULL;
    kst_auto_free char *missing = NULL;
    int rc = kst_kube_all_resources(kube, &all, &missing, err);
    *out = NULL;
    for (size_t i = 0; rc == 0 && all[i]; i++) {
        if (strcmp(all[i]->group, api_group) == 0 && strcmp(all[i]->kind, kind) == 0 &&
            (!*out || all[i]->preferred))
            *out = all[i];
    }
    free(all);
    return rc;
}

/* The group resource, which was there when the run was planned. */
static int need_resource(struct kst_run *run, const struct kst_kube_resource **out,
                         struct kst_err **err)
{
    int rc = kst_volume_group_resource(run->kube, "VolumeGroupSnapshot", out, err);
    if (rc == 0 && !*out)
        rc = kst_err_set(err, KST_E_NOT_FOUND, "the cluster does not serve %s any more", api_group);
    return rc;
}

/* ---- Planning ---- */

static bool is_default(const struct kst_json *class)
{
    const struct kst_json *notes = kst_json_path(class, "metadata.annotations");
    const char *value = kst_json_str(kst_json_get(notes, default_class));
    return value && strcmp(value, "true") == 0;
}

/* The driver's only class, or its only default one; *name stays NULL where it has none. */
static int choose(const struct kst_json *classes, const char *driver, const char **name,
                  struct kst_err **err)
{
    kst_auto_buf names = KST_BUF_INIT(MAX_NAMES_BYTES);
    size_t count = 0, defaults = 0;
    const char *only = NULL, *marked = NULL;
    for (const struct kst_json *row = kst_json_first(classes); row; row = kst_json_next(row)) {
        const char *of = kst_json_path_str(row, "driver");
        if (!of || strcmp(of, driver) != 0)
            continue;
        only = kst_json_path_str(row, "metadata.name");
        kst_buf_addf(&names, "%s%s", count++ ? ", " : "", only);
        if (is_default(row)) {
            marked = only;
            defaults++;
        }
    }
    *name = defaults == 1 ? marked : count == 1 ? only : NULL;
    if (*name || count == 0)
        return 0;
    kst_err_set(err, KST_E_REFUSED,
                "there are several VolumeGroupSnapshotClasses for driver %s: %s", driver,
                names.data);
    kst_err_reason(err, "AmbiguousGroupSnapshotClass");
    kst_err_hint(err, "annotate one of them with %s: \"true\"", default_class);
    return KST_E_REFUSED;
}

int kst_volume_group_plan(struct kst_run *run, struct kst_json *rows, struct kst_err **err)
{
    const struct kst_kube_resource *resource = NULL;
    kst_auto_json struct kst_json *classes = NULL;
    int rc = kst_volume_group_resource(run->kube, "VolumeGroupSnapshotClass", &resource, err);
    if (rc == 0 && resource)
        rc = kst_kube_list(run->kube, resource, NULL, NULL, &classes, NULL, err);
    for (size_t i = 0; rc == 0 && classes && i < kst_json_len(rows); i++) {
        struct kst_json *row = kst_json_mut_at(rows, i);
        const char *name = NULL;
        rc = choose(classes, kst_json_path_str(row, "driver"), &name, err);
        if (rc == 0)
            kst_json_set_str(row, "groupClass", name);
    }
    return rc;
}

/* ---- Labels of claims ---- */

struct labelling {
    struct kst_run *run;
    struct kst_json *row;
    const char *group; /* NULL: takes the label away */
};

static int set_label(void *arg, struct kst_err **err)
{
    struct labelling *self = arg;
    kst_auto_json struct kst_json *labels = kst_json_make("{%s:%s}", label, self->group);
    int rc = kst_kube_label(self->run->kube, &kst_res_pvcs, self->run->app_ns,
                            kst_json_path_str(self->row, "claim"), labels, err);
    if (rc == KST_E_NOT_FOUND && !self->group) {
        kst_err_clear(err);
        rc = 0;
    }
    if (rc == 0 && !self->group)
        kst_json_remove(self->row, "labelled");
    return rc;
}

int kst_volume_group_join(struct kst_run *run, struct kst_json *const *rows, size_t count,
                          const char *group, struct kst_err **err)
{
    kst_auto_free struct labelling *all = kst_calloc(count, sizeof(*all));
    struct kst_group *fibers = kst_group_new(run->loop, true);
    for (size_t i = 0; i < count; i++) {
        all[i] = (struct labelling){run, rows[i], group};
        kst_json_set_str(rows[i], "group", group);
        kst_json_remove(rows[i], "snapshot");
        kst_json_set_bool(rows[i], "labelled", true);
        kst_group_spawn(fibers, "label", set_label, &all[i]);
    }
    int rc = kst_group_wait(fibers, err);
    kst_group_free(fibers);
    return rc;
}

void kst_volume_group_leave(struct kst_run *run)
{
    struct kst_json *rows = kst_json_mut(kst_journal_status(run->journal), "volumes");
    size_t count = kst_json_len(rows);
    kst_auto_free struct labelling *all = kst_calloc(count, sizeof(*all));
    struct kst_group *fibers = kst_group_new(run->loop, false);
    for (size_t i = 0; i < count; i++) {
        all[i] = (struct labelling){run, kst_json_mut_at(rows, i), NULL};
        if (kst_json_path_true(all[i].row, "labelled"))
            kst_group_spawn(fibers, "label", set_label, &all[i]);
    }
    kst_auto_err struct kst_err *err = NULL;
    if (kst_group_wait(fibers, &err) < 0)
        kst_log(KST_LOG_WARN, "the label of a group was not taken from a claim", "run", run->name,
                "error", kst_err_message(err), NULL);
    kst_group_free(fibers);
}

/* ---- The group ---- */

int kst_volume_group_create(struct kst_run *run, const char *group, const char *class,
                            const struct kst_json *labels, struct kst_err **err)
{
    const struct kst_kube_resource *resource = NULL;
    int rc = need_resource(run, &resource, err);
    if (rc < 0)
        return rc;
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'apiVersion':%s,'kind':'VolumeGroupSnapshot',"
        "'metadata':{'name':%s,'namespace':%s,'labels':%J},"
        "'spec':{'volumeGroupSnapshotClassName':%s,"
        "'source':{'selector':{'matchLabels':{%s:%s}}}}}",
        resource->api_version, group, run->app_ns, labels, class, label, group);
    return kst_kube_create(run->kube, resource, run->app_ns, object, true, NULL, err);
}

int kst_volume_group_watch(struct kst_run *run, const char *selector, struct kst_watch **out,
                           struct kst_err **err)
{
    const struct kst_kube_resource *resource = NULL;
    int rc = need_resource(run, &resource, err);
    const struct kst_watch_options options = {.label_selector = selector};
    if (rc == 0)
        *out = kst_watch_new(run->kube, resource, run->app_ns, &options);
    return rc;
}

/* ---- Its members ---- */

/* The name of the group that owns the snapshot, or NULL. */
static const char *owner_of(const struct kst_json *snapshot)
{
    const struct kst_json *owners = kst_json_path(snapshot, "metadata.ownerReferences");
    for (const struct kst_json *row = kst_json_first(owners); row; row = kst_json_next(row)) {
        const char *kind = kst_json_path_str(row, "kind");
        if (kind && strcmp(kind, "VolumeGroupSnapshot") == 0)
            return kst_json_path_str(row, "name");
    }
    return NULL;
}

/* The run's labels, so that people and a removal find the member as they find any snapshot. */
static int adopt(struct kst_run *run, struct kst_json *row, const struct kst_json *snapshot,
                 struct kst_err **err)
{
    const char *name = kst_json_path_str(snapshot, "metadata.name");
    kst_auto_json struct kst_json *labels = kst_run_labels(run, "snapshot");
    kst_auto_free char *attempt = kst_asprintf("%lld", (long long)run->attempt);
    kst_json_set_str(labels, "kassette.io/attempt", attempt);
    int rc = kst_kube_label(run->kube, &kst_res_snapshots, run->app_ns, name, labels, err);
    if (rc == 0)
        kst_json_set_str(row, "snapshot", name);
    return rc;
}

/* The first row that has a group and no snapshot yet. */
static struct kst_json *unresolved(struct kst_json *rows, const struct kst_json *snapshot)
{
    const char *group = snapshot ? owner_of(snapshot) : NULL;
    const char *claim = kst_json_path_str(snapshot, "spec.source.persistentVolumeClaimName");
    for (size_t i = 0; i < kst_json_len(rows); i++) {
        struct kst_json *row = kst_json_mut_at(rows, i);
        const char *of = kst_json_path_str(row, "group");
        if (!of || kst_json_get(row, "snapshot"))
            continue;
        if (!snapshot || (kst_same(of, group) && kst_same(kst_json_path_str(row, "claim"), claim)))
            return row;
    }
    return NULL;
}

int kst_volume_group_resolve(struct kst_run *run, struct kst_err **err)
{
    struct kst_json *rows = kst_json_mut(kst_journal_status(run->journal), "volumes");
    if (!unresolved(rows, NULL))
        return 0;
    struct kst_watch *watch = kst_watch_new(run->kube, &kst_res_snapshots, run->app_ns, NULL);
    int64_t deadline_ms = kst_deadline_in_ms(run->ready_timeout_ms);
    struct kst_err *cause = NULL;
    int rc = 0;
    const struct kst_json *row = NULL;
    while (rc == 0 && (row = unresolved(rows, NULL)) != NULL) {
        enum kst_watch_type type;
        const struct kst_json *object = NULL;
        rc = kst_watch_next(watch, deadline_ms, &type, &object, &cause);
        struct kst_json *found = rc == 0 && object ? unresolved(rows, object) : NULL;
        if (found && type != KST_WATCH_DELETED)
            rc = adopt(run, found, object, &cause);
    }
    if (rc == KST_E_TIMEOUT && kst_fiber_check(NULL) == 0) {
        kst_err_clear(&cause);
        kst_err_set(&cause, rc,
                    "VolumeGroupSnapshot/%s/%s: expected a VolumeSnapshot of claim %s, which the "
                    "snapshot-controller did not make in time",
                    run->app_ns, kst_json_path_str(row, "group"), kst_json_path_str(row, "claim"));
        kst_err_reason(&cause, "GroupMemberMissing");
        kst_err_hint(&cause, "look at the logs of the snapshot-controller, release 8 or later");
    }
    kst_watch_free(watch);
    return rc < 0 ? kst_err_move(err, &cause) : 0;
}

/* ---- Removing ---- */

/* What the group's end did not take with it. */
static int remove_members(struct kst_run *run, const struct kst_json *group, struct kst_err **err)
{
    kst_auto_json struct kst_json *all = NULL;
    int rc = kst_kube_list(run->kube, &kst_res_snapshots, run->app_ns, NULL, &all, NULL, err);
    for (const struct kst_json *row = kst_json_first(all); rc == 0 && row;
         row = kst_json_next(row)) {
        if (kst_same(owner_of(row), kst_json_path_str(group, "metadata.name")))
            rc = kst_kube_remove(run->kube, &kst_res_snapshots, row, REMOVE_TIMEOUT_MS, err);
    }
    return rc;
}

int kst_volume_group_remove(struct kst_run *run, const char *selector, struct kst_err **err)
{
    const struct kst_kube_resource *resource = NULL;
    const struct kst_kube_list_options options = {.label_selector = selector};
    kst_auto_json struct kst_json *found = NULL;
    int rc = kst_volume_group_resource(run->kube, "VolumeGroupSnapshot", &resource, err);
    if (rc == 0 && resource)
        rc = kst_kube_list(run->kube, resource, run->app_ns, &options, &found, NULL, err);
    for (const struct kst_json *row = kst_json_first(found); rc == 0 && row;
         row = kst_json_next(row)) {
        rc = kst_kube_remove(run->kube, resource, row, REMOVE_TIMEOUT_MS, err);
        if (rc == 0)
            rc = remove_members(run, row, err);
    }
    if (rc == 0)
        kst_volume_group_leave(run);
    return rc;
}
