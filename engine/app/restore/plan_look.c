/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan reads: the point, the wishes, and what is in the target's place. */
#include <stdlib.h>
#include <string.h>

#include "app/point/point.h"
#include "app/restore/plan_internal.h"
#include "app/restore/transform.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "loop/fiber.h"
#include "run/journal.h"

enum {
    LISTS = 8,         /* at once */
    MANAGER_NAME = 80, /* bytes of a name: a server takes managers of 128 */
};

/* ---- wishes ---- */

static int read_policy(struct kst_plan *self, struct kst_err **err)
{
    static const char *const names[] = {"fail", "skip", "replace", "merge"};
    const char *name = kst_json_path_str(self->spec, "onConflict");
    for (size_t i = 0; name && i < KST_ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            self->policy = (enum kst_conflict_policy)i;
            return 0;
        }
    }
    return name ? kst_err_set(err, KST_E_USAGE,
                              "spec.restore.onConflict: expected fail, skip, replace or merge, "
                              "found '%s'",
                              name)
                : 0;
}

static int read_preserve(struct kst_plan *self, struct kst_err **err)
{
    const struct kst_json *list = kst_json_get(self->spec, "preserve");
    for (const struct kst_json *row = kst_json_first(list); row; row = kst_json_next(row)) {
        const char *name = kst_json_str(row) ? kst_json_str(row) : "";
        if (strcmp(name, "nodePorts") == 0)
            self->clean.keep_node_ports = true;
        else if (strcmp(name, "clusterIPs") == 0)
            self->clean.keep_cluster_ips = true;
        else if (strcmp(name, "status") == 0)
            self->clean.keep_status = true;
        else
            return kst_err_set(err, KST_E_USAGE,
                               "spec.restore.preserve: expected nodePorts, clusterIPs or status, "
                               "found '%s'",
                               name);
    }
    return 0;
}

static int read_wishes(struct kst_plan *self, struct kst_err **err)
{
    /* A copy: the journal's is another one after each write. */
    const struct kst_json *spec = self->sources->spec = kst_json_dup(
        kst_json_get(kst_journal_spec(self->run->journal), "restore"));
    const char *from = kst_json_path_str(self->point, "spec.application.namespace");
    self->spec = spec;
    if (!from || !*from)
        return kst_err_set(err, KST_E_INVALID,
                           "RestorePoint/%s/%s names no application (spec.application.namespace)",
                           self->run->home, kst_json_path_str(self->point, "metadata.name"));
    self->only_data = kst_json_path_true(spec, "onlyData") ||
                      kst_json_len(kst_json_get(spec, "volumes")) > 0;
    self->only_objects = kst_json_path_true(spec, "onlyObjects");
    if (self->only_data && self->only_objects)
        return kst_err_set(err, KST_E_USAGE,
                           "onlyObjects leaves data out, and onlyData (or volumes) everything "
                           "else: nothing would be restored");
    self->rewrite = (struct kst_rewrite){
        .from_ns = from,
        .to_ns = self->run->app_ns,
        .names = kst_json_get(spec, "rename"),
        .storage_classes = kst_json_get(spec, "storageClasses"),
        .service_dns = kst_json_path_true(spec, "serviceDNS"),
    };
    int rc = read_policy(self, err);
    if (rc == 0)
        rc = read_preserve(self, err);
    if (rc == 0)
        rc = kst_filter_new(kst_json_get(spec, "include"), kst_json_get(spec, "exclude"),
                            &self->sources->filter, err);
    if (rc == 0)
        rc = kst_transform_new(self->run->loop, kst_json_get(spec, "transforms"),
                               &self->sources->transform, err);
    return rc;
}

/* ---- the point ---- */

static void read_kinds(struct kst_plan *self)
{
    size_t count = 0;
    const struct kst_kube_resource *all = kst_archive_kinds(self->reader, &count);
    self->kinds = kst_calloc(count + 1, sizeof(*self->kinds));
    for (size_t i = 0; i < count; i++)
        self->kinds[self->nkinds++] = (struct kst_plan_kind){
            .resource = all[i], .rank = kst_order_rank(all[i].group, all[i].kind)};
}

char *kst_plan_manager(const struct kst_json *run)
{
    const char *name = kst_json_path_str(run, "metadata.name");
    const char *uid = kst_json_path_str(run, "metadata.uid");
    return kst_asprintf("%.*s.%s", MANAGER_NAME, name ? name : "", uid ? uid : "");
}

int kst_plan_open(struct kst_plan *self, struct kst_err **err)
{
    struct kst_run *run = self->run;
    const char *name = kst_json_path_str(kst_journal_spec(run->journal), "restorePoint");
    self->sources = kst_calloc(1, sizeof(*self->sources));
    self->sources->volumes = kst_json_array();
    if (!name)
        return kst_err_set(err, KST_E_INVALID,
                           "Run/%s/%s names no restore point (spec.restorePoint)", run->home,
                           run->name);
    /* A run under way goes on, whatever has become of the point meanwhile. */
    bool begun = run->phase != KST_PHASE_PENDING && run->phase != KST_PHASE_PLAN;
    int rc = kst_point_get(run->kube, run->home, name, !begun, &self->point, err);
    if (rc == 0)
        rc = read_wishes(self, err);
    if (rc < 0)
        return rc;
    self->sources->store = kst_point_store_secrets(run->kube, self->point);
    rc = kst_archive_open(kst_point_store_source(self->sources->store), &self->reader, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "RestorePoint/%s/%s", run->home, name);
    read_kinds(self);
    return 0;
}

void kst_plan_there_release(struct kst_plan_there *self)
{
    free(self->name);
    free(self->uid);
    kst_json_free(self->cleaned);
}

static void forget(struct kst_plan_kind *kind)
{
    for (size_t i = 0; i < kind->nthere; i++)
        kst_plan_there_release(&kind->there[i]);
    free(kind->there);
    kind->there = NULL;
    kind->nthere = 0;
}

void kst_plan_close(struct kst_plan *self)
{
    for (size_t i = 0; i < self->nkinds; i++)
        forget(&self->kinds[i]);
    free(self->kinds);
    kst_archive_close(self->reader);
    if (self->sources) {
        kst_point_store_free(self->sources->store);
        kst_filter_free(self->sources->filter);
        kst_transform_free(self->sources->transform);
        kst_json_free(self->sources->earlier);
        kst_json_free(self->sources->volumes);
        kst_json_free(self->sources->spec);
        free(self->sources);
    }
    kst_json_free(self->point);
}

/* ---- the target ---- */

static bool restored_before(const struct kst_plan *self, const struct kst_json *object)
{
    const struct kst_json *earlier = self->sources->earlier;
    for (const struct kst_json *run = kst_json_first(earlier); run; run = kst_json_next(run)) {
        if (kst_kube_is_managed_by(object, kst_json_str(run)))
            return true;
    }
    return false;
}

struct kst_plan_there kst_plan_describe(const struct kst_plan *self, const struct kst_json *object)
{
    struct kst_plan_there there = {
        .name = kst_strdup(kst_json_path_str(object, "metadata.name")),
        .uid = kst_strdup(kst_json_path_str(object, "metadata.uid")),
        .ours = kst_kube_has_written(self->run->kube, object),
        .ours_before = restored_before(self, object),
        .deleting = kst_json_path_str(object, "metadata.deletionTimestamp") != NULL,
    };
    there.cleaned = kst_json_dup(object);
    kst_clean(there.cleaned, &self->clean);
    there.hash = kst_clean_hash(there.cleaned);
    return there;
}

struct listing {
    struct kst_plan *plan;
    struct kst_plan_kind *kind;
};

static int note_there(void *arg, const struct kst_json *object, struct kst_err **err)
{
    struct kst_plan_kind *kind = ((struct listing *)arg)->kind;
    if ((kind->nthere & (kind->nthere - 1)) == 0)
        kind->there = kst_realloc(kind->there,
                                  (kind->nthere ? kind->nthere * 2 : 16) * sizeof(*kind->there));
    struct kst_plan_there *there = &kind->there[kind->nthere++];
    *there = kst_plan_describe(((struct listing *)arg)->plan, object);
    kst_json_free(kst_take(there->cleaned)); /* there may be many */
    return 0;
}

static void note_restart(void *arg)
{
    forget(((struct listing *)arg)->kind);
}

static int compare_there(const void *a, const void *b)
{
    return strcmp(((const struct kst_plan_there *)a)->name,
                  ((const struct kst_plan_there *)b)->name);
}

/* A kind of this cluster, and what is there of it. */
static int look_at_kind(void *arg, struct kst_err **err)
{
    struct listing *self = arg;
    struct kst_plan *plan = self->plan;
    const struct kst_kube_resource *resource = NULL;
    int rc = kst_kube_find_kind(plan->run->kube, self->kind->resource.api_version,
                                self->kind->resource.kind, &resource, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        return 0;
    }
    if (rc < 0)
        return rc;
    self->kind->resource = *resource;
    self->kind->served = true;
    bool claims = strcmp(resource->kind, "PersistentVolumeClaim") == 0;
    if (!resource->namespaced || !plan->has_namespace || (plan->only_data && !claims))
        return 0;
    rc = kst_kube_list_each(plan->run->kube, resource, plan->rewrite.to_ns, NULL, note_there,
                            note_restart, self, NULL, err);
    if (rc == 0 && self->kind->nthere)
        qsort(self->kind->there, self->kind->nthere, sizeof(*self->kind->there), compare_there);
    return rc;
}

/* Whether the target namespace is there; one that is being deleted takes nothing. */
static int look_at_namespace(struct kst_plan *self, struct kst_err **err)
{
    kst_auto_json struct kst_json *ns = NULL;
    int rc = kst_kube_get(self->run->kube, &kst_res_namespaces, NULL, self->rewrite.to_ns, &ns,
                          err);
    self->has_namespace = rc == 0;
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        return 0;
    }
    if (rc == 0 && kst_json_path_str(ns, "metadata.deletionTimestamp")) {
        kst_err_set(err, KST_E_REFUSED, "Namespace/%s is being deleted: nothing can be made in it",
                    self->rewrite.to_ns);
        kst_err_reason(err, "NamespaceTerminating");
        kst_err_hint(err, "wait until it is gone (kubectl get namespace %s), then restore again",
                     self->rewrite.to_ns);
        return KST_E_REFUSED;
    }
    return rc;
}

/* Other runs that restored this point: what they made is recognised. */
static int look_at_runs(struct kst_plan *self, struct kst_err **err)
{
    kst_auto_json struct kst_json *runs = NULL;
    const char *point = kst_json_path_str(self->point, "metadata.name");
    int rc = kst_kube_list(self->run->kube, &kst_res_runs, self->run->home, NULL, &runs, NULL, err);
    self->sources->earlier = kst_json_array();
    for (const struct kst_json *run = kst_json_first(runs); run; run = kst_json_next(run)) {
        const char *of = kst_json_path_str(run, "spec.restorePoint");
        const char *name = kst_json_path_str(run, "metadata.name");
        kst_auto_free char *manager = kst_plan_manager(run);
        if (of && strcmp(of, point) == 0 && strcmp(name, self->run->name) != 0)
            kst_json_push(self->sources->earlier, kst_json_from_str(manager));
    }
    return rc;
}

int kst_plan_look(struct kst_plan *self, struct kst_err **err)
{
    int rc = look_at_namespace(self, err);
    if (rc == 0)
        rc = look_at_runs(self, err);
    if (rc < 0)
        return rc;
    kst_auto_free struct listing *lists = kst_calloc(self->nkinds + 1, sizeof(*lists));
    struct kst_group *group = kst_group_new(self->run->loop, true);
    kst_group_limit(group, LISTS);
    for (size_t i = 0; i < self->nkinds; i++) {
        lists[i] = (struct listing){.plan = self, .kind = &self->kinds[i]};
        kst_group_spawn(group, "look", look_at_kind, &lists[i]);
    }
    rc = kst_group_wait(group, err);
    kst_group_free(group);
    return rc < 0 ? kst_err_wrap(err, rc, "look at namespace %s", self->rewrite.to_ns) : 0;
}

const struct kst_plan_kind *kst_plan_kind_of(const struct kst_plan *self,
                                             const struct kst_json *object)
{
    const char *api_version = kst_json_path_str(object, "apiVersion");
    const char *kind = kst_json_path_str(object, "kind");
    for (size_t i = 0; api_version && kind && i < self->nkinds; i++) {
        if (strcmp(self->kinds[i].resource.kind, kind) == 0 &&
            strcmp(self->kinds[i].resource.api_version, api_version) == 0)
            return &self->kinds[i];
    }
    return NULL;
}

int kst_plan_find_there(struct kst_plan *self, const struct kst_plan_row *row,
                        struct kst_plan_there *found, const struct kst_plan_there **there,
                        struct kst_err **err)
{
    *there = NULL;
    if (row->ns) {
        struct kst_plan_there key = {.name = row->name};
        if (row->kind->nthere)
            *there = bsearch(&key, row->kind->there, row->kind->nthere, sizeof(key), compare_there);
        return 0;
    }
    if (!row->kind->served)
        return 0;
    kst_auto_json struct kst_json *object = NULL;
    int rc = kst_kube_get(self->run->kube, &row->kind->resource, NULL, row->name, &object, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        return 0;
    }
    if (rc < 0)
        return rc;
    *found = kst_plan_describe(self, object);
    *there = found;
    return 0;
}
