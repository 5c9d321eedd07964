/* SPDX-License-Identifier: Apache-2.0 */
/* From what was read to what that leads to. */
#include <stdlib.h>
#include <string.h>

#include "app/capture/survey.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "kube/selector.h"
#include "run/journal.h"
#include "run/run.h"

static struct kst_names *set(struct kst_survey *self, enum kst_use use)
{
    return &self->uses.sets[use];
}

/* Whether a row is the application's: all are where nothing was selected. */
static bool belongs(struct kst_survey *self, const struct kst_json *row, enum kst_use use)
{
    return !self->selector || kst_json_path_true(row, "selected") ||
           kst_names_has(set(self, use), kst_json_path_str(row, "name"));
}

static void resolve_accounts(struct kst_survey *self)
{
    for (const struct kst_json *row = kst_json_first(self->accounts); row;
         row = kst_json_next(row)) {
        if (!belongs(self, row, KST_USE_ACCOUNT))
            continue;
        kst_uses_add(&self->uses, row);
        kst_names_add(set(self, KST_USE_ACCOUNT), kst_json_path_str(row, "name"));
    }
}

static void resolve_claims(struct kst_survey *self)
{
    for (const struct kst_json *row = kst_json_first(self->claims); row; row = kst_json_next(row)) {
        if (!belongs(self, row, KST_USE_CLAIM))
            continue;
        kst_uses_add(&self->uses, row);
        kst_names_add(set(self, KST_USE_VOLUME), kst_json_path_str(row, "spec.volumeName"));
    }
}

/* ---- Rights ---- */

/* Whether a subject is an account of the application. A group of all accounts of the namespace is
 * the whole namespace's. */
static bool is_ours(struct kst_survey *self, const struct kst_json *subject, bool cluster)
{
    const char *kind = kst_json_path_str(subject, "kind");
    const char *ns = kst_json_path_str(subject, "namespace");
    const char *name = kst_json_path_str(subject, "name");
    if (!kind || !name)
        return false;
    if (strcmp(kind, "Group") == 0) {
        kst_auto_free char *all = kst_asprintf("system:serviceaccounts:%s", self->run->app_ns);
        return !self->selector && strcmp(name, all) == 0;
    }
    if (strcmp(kind, "ServiceAccount") != 0 || (cluster && !ns) ||
        (ns && strcmp(ns, self->run->app_ns) != 0))
        return false;
    return !self->selector || kst_names_has(set(self, KST_USE_ACCOUNT), name);
}

static bool has_our_subject(struct kst_survey *self, const struct kst_json *row)
{
    const struct kst_json *subjects = kst_json_get(row, "subjects");
    bool cluster = kst_json_path_true(row, "cluster");
    for (const struct kst_json *subject = kst_json_first(subjects); subject;
         subject = kst_json_next(subject))
        if (is_ours(self, subject, cluster))
            return true;
    return false;
}

static void resolve_bindings(struct kst_survey *self)
{
    for (const struct kst_json *row = kst_json_first(self->bindings); row;
         row = kst_json_next(row)) {
        bool cluster = kst_json_path_true(row, "cluster");
        if (!(!cluster && belongs(self, row, KST_USE_ROLE_BINDING)) && !has_our_subject(self, row))
            continue;
        const char *kind = kst_json_path_str(row, "roleRef.kind");
        bool of_cluster = kind && strcmp(kind, "ClusterRole") == 0;
        kst_names_add(set(self, cluster ? KST_USE_CLUSTER_ROLE_BINDING : KST_USE_ROLE_BINDING),
                      kst_json_path_str(row, "name"));
        kst_names_add(set(self, of_cluster ? KST_USE_CLUSTER_ROLE : KST_USE_ROLE),
                      kst_json_path_str(row, "roleRef.name"));
    }
}

/* What every cluster has from its start. */
static bool is_default_role(const struct kst_json *object)
{
    const char *value = kst_json_str(
        kst_json_get(kst_json_path(object, "metadata.labels"), "kubernetes.io/bootstrapping"));
    return value && strcmp(value, "rbac-defaults") == 0;
}

static int on_part(struct kst_survey *self, const struct kst_kube_resource *resource,
                   const struct kst_json *object, struct kst_err **err)
{
    if (!is_default_role(object))
        kst_names_add(set(self, KST_USE_CLUSTER_ROLE), kst_json_path_str(object, "metadata.name"));
    return 0;
}

/* The roles that are gathered into an aggregated one. */
static int add_parts(struct kst_survey *self, const struct kst_kube_resource *resource,
                     const struct kst_json *role, struct kst_err **err)
{
    const struct kst_json *selectors = kst_json_path(role, "aggregationRule.clusterRoleSelectors");
    int rc = 0;
    for (const struct kst_json *row = kst_json_first(selectors); row && rc == 0;
         row = kst_json_next(row)) {
        kst_auto_free char *text = NULL;
        if (kst_selector_text(row, &text, NULL) == 0)
            rc = kst_survey_each(self, resource, text, false, 0, on_part, err);
    }
    return rc;
}

/* Built-in roles are taken out again; parts of aggregated ones may be aggregated themselves. */
static int resolve_roles(struct kst_survey *self, struct kst_err **err)
{
    const struct kst_kube_resource *resource = kst_survey_resource(
        self, kst_use_group(KST_USE_CLUSTER_ROLE), kst_use_kind(KST_USE_CLUSTER_ROLE));
    struct kst_names *wanted = set(self, KST_USE_CLUSTER_ROLE), seen = {0}, kept = {0};
    int rc = 0;
    kst_names_sort(wanted);
    if (!resource || !kst_survey_takes(self, KST_USE_CLUSTER_ROLE))
        return 0;
    for (size_t i = 0; rc == 0 && i < wanted->count; i++) {
        kst_auto_json struct kst_json *role = NULL;
        const char *name = wanted->items[i];
        if (kst_names_has(&seen, name))
            continue;
        kst_names_add(&seen, name);
        rc = kst_kube_get(self->run->kube, resource, NULL, name, &role, err);
        if (rc == KST_E_NOT_FOUND) {
            kst_err_clear(err);
            rc = 0;
            continue;
        }
        if (rc < 0) {
            rc = kst_survey_refused(self, resource, rc, err);
        } else if (!is_default_role(role)) {
            kst_names_add(&kept, name);
            rc = add_parts(self, resource, role, err);
        }
    }
    kst_names_release(&seen);
    kst_names_release(wanted);
    *wanted = kept;
    return rc;
}

/* ---- Classes ---- */

static void add_drivers_of_rows(struct kst_survey *self, struct kst_names *drivers)
{
    const struct kst_json *rows = kst_json_get(kst_journal_status(self->run->journal), "volumes");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row))
        kst_names_add(drivers, kst_json_path_str(row, "driver"));
}

static int add_drivers_of_classes(struct kst_survey *self, struct kst_names *drivers,
                                  struct kst_err **err)
{
    const struct kst_kube_resource *resource = kst_survey_resource(
        self, kst_use_group(KST_USE_STORAGE_CLASS), kst_use_kind(KST_USE_STORAGE_CLASS));
    struct kst_names *names = set(self, KST_USE_STORAGE_CLASS);
    int rc = 0;
    kst_names_sort(names);
    for (size_t i = 0; resource && rc == 0 && i < names->count; i++) {
        kst_auto_json struct kst_json *class = NULL;
        rc = kst_kube_get(self->run->kube, resource, NULL, names->items[i], &class, err);
        if (rc == KST_E_NOT_FOUND) {
            kst_err_clear(err);
            rc = 0;
        }
        if (rc < 0)
            return kst_survey_refused(self, resource, rc, err);
        kst_names_add(drivers, kst_json_path_str(class, "provisioner"));
    }
    return rc;
}

static int resolve_snapshot_classes(struct kst_survey *self, struct kst_err **err)
{
    const struct kst_kube_resource *resource = kst_survey_resource(
        self, kst_use_group(KST_USE_SNAPSHOT_CLASS), kst_use_kind(KST_USE_SNAPSHOT_CLASS));
    struct kst_names drivers = {0};
    kst_auto_json struct kst_json *classes = NULL;
    int rc = 0;
    if (!resource || !kst_survey_takes(self, KST_USE_SNAPSHOT_CLASS))
        return 0;
    add_drivers_of_rows(self, &drivers);
    if (kst_survey_takes(self, KST_USE_STORAGE_CLASS))
        rc = add_drivers_of_classes(self, &drivers, err);
    if (rc == 0 && drivers.count) {
        rc = kst_kube_list(self->run->kube, resource, NULL, NULL, &classes, NULL, err);
        if (rc < 0)
            rc = kst_survey_refused(self, resource, rc, err);
    }
    for (const struct kst_json *row = kst_json_first(classes); row; row = kst_json_next(row))
        if (kst_names_has(&drivers, kst_json_path_str(row, "driver")))
            kst_names_add(set(self, KST_USE_SNAPSHOT_CLASS),
                          kst_json_path_str(row, "metadata.name"));
    kst_names_release(&drivers);
    return rc;
}

int kst_survey_resolve(struct kst_survey *self, struct kst_err **err)
{
    resolve_accounts(self);
    resolve_claims(self);
    resolve_bindings(self);
    int rc = resolve_roles(self, err);
    return rc < 0 ? rc : resolve_snapshot_classes(self, err);
}
