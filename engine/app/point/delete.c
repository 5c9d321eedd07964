/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting a restore point: refused while it is in use, and not done before its snapshots are gone.
 */
#include "app/point/point.h"
#include "app/point/remove.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "loop/fiber.h"
#include "run/phase.h"

/* What a Run does with the point that forbids to delete it, or NULL. */
static const char *use_of(const struct kst_json *run, const struct kst_json *point)
{
    if (kst_phase_is_final(kst_phase_parse(kst_json_path_str(run, "status.phase"))))
        return NULL;
    if (kst_same(kst_json_path_str(run, "spec.restorePoint"),
                 kst_json_path_str(point, "metadata.name")))
        return "restores from it";
    if (kst_same(kst_json_path_str(run, "metadata.uid"), kst_json_path_str(point, "spec.runUID")))
        return "is making it";
    return NULL;
}

static int refuse_in_use(struct kst_kube *kube, const struct kst_json *point, struct kst_err **err)
{
    const char *home = kst_json_path_str(point, "metadata.namespace");
    kst_auto_json struct kst_json *runs = NULL;
    int rc = kst_kube_list(kube, &kst_res_runs, home, NULL, &runs, NULL, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "whether a Run uses it");
    for (const struct kst_json *run = kst_json_first(runs); run; run = kst_json_next(run)) {
        const char *use = use_of(run, point), *name = kst_json_path_str(run, "metadata.name");
        if (!use)
            continue;
        kst_err_set(err, KST_E_REFUSED, "RestorePoint/%s/%s is in use: Run %s %s", home,
                    kst_json_path_str(point, "metadata.name"), name, use);
        kst_err_reason(err, "RestorePointInUse");
        kst_err_hint(err, "wait until it has ended, or stop it with: kassette cancel %s", name);
        return KST_E_REFUSED;
    }
    return 0;
}

/* A status of ours; that the point has gone is all the better. */
static int tell(struct kst_kube *kube, const struct kst_json *point, const char *phase,
                const char *message, struct kst_err **err)
{
    kst_auto_json struct kst_json *patch = kst_json_make("{'status':{'phase':%s,'message':%s}}",
                                                         phase, message);
    struct kst_err *cause = NULL;
    int rc = kst_kube_merge(kube, &kst_res_restorepoints,
                            kst_json_path_str(point, "metadata.namespace"),
                            kst_json_path_str(point, "metadata.name"), "status", patch, NULL,
                            &cause);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(&cause);
        return 0;
    }
    return rc < 0 ? kst_err_move(err, &cause) : 0;
}

/* From now on nobody begins to restore from it, who looks at it after making his Run: that comes
 * before the second look at the Runs. */
static int announce(struct kst_kube *kube, const struct kst_json *point, struct kst_err **err)
{
    const char *before = kst_json_path_str(point, "status.phase");
    int rc = refuse_in_use(kube, point, err);
    if (rc == 0)
        rc = tell(kube, point, "Deleting", NULL, err);
    if (rc < 0)
        return rc;
    rc = refuse_in_use(kube, point, err);
    if (rc < 0 && !kst_json_path_str(point, "metadata.deletionTimestamp"))
        tell(kube, point, before, NULL, NULL);
    return rc;
}

/* ---- What it holds ---- */

static bool is_listed(const struct kst_json *rows, const char *key, const char *name)
{
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        if (kst_same(kst_json_path_str(row, key), name))
            return true;
    }
    return false;
}

static int list(struct kst_kube *kube, const struct kst_kube_resource *resource, const char *ns,
                const char *label, const char *value, struct kst_json **out, struct kst_err **err)
{
    kst_auto_free char *selector = kst_asprintf("%s=%s", label, value);
    const struct kst_kube_list_options options = {.label_selector = selector};
    struct kst_err *cause = NULL;
    int rc = kst_kube_list(kube, resource, ns, &options, out, NULL, &cause);
    if (rc == KST_E_NOT_FOUND) { /* the cluster has no snapshots at all */
        kst_err_clear(&cause);
        return 0;
    }
    return rc < 0 ? kst_err_move(err, &cause) : 0;
}

/* Rows of its volumes: those of its status, and what is found by label, as an engine may have died
 * before it wrote the status. */
static int find_rows(struct kst_kube *kube, const struct kst_json *point, const char *ns,
                     struct kst_json **out, struct kst_err **err)
{
    const char *name = kst_json_path_str(point, "metadata.name");
    const struct kst_json *known = kst_json_path(point, "status.volumes");
    kst_auto_json struct kst_json *rows = known ? kst_json_dup(known) : kst_json_array();
    kst_auto_json struct kst_json *contents = NULL, *snapshots = NULL;
    int rc = list(kube, &kst_res_snapshot_contents, NULL, KST_POINT_LABEL, name, &contents, err);
    if (rc == 0)
        rc = list(kube, &kst_res_snapshots, ns, "kassette.io/run",
                  kst_json_path_str(point, "spec.run"), &snapshots, err);
    if (rc < 0)
        return rc;
    for (const struct kst_json *row = kst_json_first(contents); row; row = kst_json_next(row)) {
        const char *content = kst_json_path_str(row, "metadata.name");
        if (!is_listed(rows, "content", content) &&
            kst_same(kst_json_path_str(row, "spec.volumeSnapshotRef.namespace"), ns))
            kst_json_push(rows,
                          kst_json_make("{'claim':%s,'content':%s,'snapshot':%s}", content, content,
                                        kst_json_path_str(row, "spec.volumeSnapshotRef.name")));
    }
    for (const struct kst_json *row = kst_json_first(snapshots); row; row = kst_json_next(row)) {
        const char *snapshot = kst_json_path_str(row, "metadata.name");
        if (!is_listed(rows, "snapshot", snapshot))
            kst_json_push(
                rows, kst_json_make("{'claim':%s,'content':%s,'snapshot':%s}",
                                    kst_json_path_str(row, "spec.source.persistentVolumeClaimName"),
                                    kst_json_path_str(row, "status.boundVolumeSnapshotContentName"),
                                    snapshot));
    }
    *out = kst_take(rows);
    return 0;
}

static int remove_all(struct kst_kube *kube, const struct kst_json *point, struct kst_err **err)
{
    const char *ns = kst_json_path_str(point, "spec.application.namespace");
    kst_auto_json struct kst_json *rows = NULL;
    int rc = find_rows(kube, point, ns, &rows, err);
    if (rc == 0)
        rc = kst_point_remove_volumes(kube, ns, kst_json_path_str(point, "spec.run"), rows, err);
    return rc < 0 ? rc : kst_point_remove_object(kube, point, err);
}

int kst_point_delete_object(struct kst_kube *kube, const struct kst_json *point,
                            struct kst_err **err)
{
    int rc = announce(kube, point, err);
    if (rc < 0)
        return rc;
    struct kst_err *cause = NULL;
    rc = remove_all(kube, point, &cause);
    if (rc == 0)
        return 0;
    kst_err_wrap(&cause, rc, "delete RestorePoint/%s/%s",
                 kst_json_path_str(point, "metadata.namespace"),
                 kst_json_path_str(point, "metadata.name"));
    kst_shield_begin();
    if (rc != KST_E_CANCELLED && rc != KST_E_LOST) /* that says nothing of the point */
        tell(kube, point, "Deleting", kst_err_message(cause), NULL);
    kst_shield_end();
    return kst_err_move(err, &cause);
}

int kst_point_delete(struct kst_kube *kube, const char *home, const char *name,
                     struct kst_err **err)
{
    kst_auto_json struct kst_json *point = NULL;
    int rc = kst_point_get(kube, home, name, false, &point, err);
    return rc < 0 ? rc : kst_point_delete_object(kube, point, err);
}
