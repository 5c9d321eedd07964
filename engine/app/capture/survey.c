/* SPDX-License-Identifier: Apache-2.0 */
#include "app/capture/survey.h"

#include <stdlib.h>
#include <string.h>

#include "app/capture/filter.h"
#include "app/capture/order.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/pages.h"
#include "kube/resource.h"
#include "kube/selector.h"
#include "loop/fiber.h"
#include "run/run.h"

enum { SIDE_BY_SIDE = 4 };

/* ---- Resources ---- */

/* One store behind two groups: the second is asked. */
static const struct {
    const char *group, *kind, *same;
} twins[] = {
    {"extensions", "Deployment", "apps"},
    {"extensions", "DaemonSet", "apps"},
    {"extensions", "ReplicaSet", "apps"},
    {"extensions", "Ingress", "networking.k8s.io"},
    {"extensions", "NetworkPolicy", "networking.k8s.io"},
    {"events.k8s.io", "Event", ""},
    {"authorization.openshift.io", "Role", "rbac.authorization.k8s.io"},
    {"authorization.openshift.io", "RoleBinding", "rbac.authorization.k8s.io"},
    {"authorization.openshift.io", "ClusterRole", "rbac.authorization.k8s.io"},
    {"authorization.openshift.io", "ClusterRoleBinding", "rbac.authorization.k8s.io"},
};

static const char *twin_of(const struct kst_kube_resource *resource)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(twins); i++)
        if (strcmp(twins[i].kind, resource->kind) == 0 &&
            strcmp(twins[i].group, resource->group) == 0)
            return twins[i].same;
    return NULL;
}

const struct kst_kube_resource *kst_survey_resource(const struct kst_survey *self,
                                                    const char *group, const char *kind)
{
    for (const struct kst_kube_resource **at = self->resources; *at; at++)
        if (strcmp((*at)->kind, kind) == 0 && strcmp((*at)->group, group) == 0)
            return *at;
    return NULL;
}

static void add_resource(struct kst_survey *self, size_t *count,
                         const struct kst_kube_resource *resource)
{
    for (size_t i = 0; i < *count; i++) {
        const struct kst_kube_resource *old = self->resources[i];
        if (strcmp(old->plural, resource->plural) != 0 || strcmp(old->group, resource->group) != 0)
            continue;
        if (resource->preferred)
            self->resources[i] = resource;
        return;
    }
    self->resources[(*count)++] = resource;
    self->resources[*count] = NULL;
}

static void drop_twins(struct kst_survey *self)
{
    const struct kst_kube_resource **to = self->resources;
    for (const struct kst_kube_resource **at = self->resources; *at; at++) {
        const char *same = twin_of(*at);
        if (!same || !kst_survey_resource(self, same, (*at)->kind))
            *to++ = *at;
    }
    *to = NULL;
}

static int compare_resources(const void *a, const void *b)
{
    const struct kst_kube_resource *x = *(const struct kst_kube_resource *const *)a;
    const struct kst_kube_resource *y = *(const struct kst_kube_resource *const *)b;
    return kst_order_compare_kinds(x->group, x->kind, y->group, y->kind);
}

/* "metrics.k8s.io/v1beta1, …" */
static void note_missing(struct kst_survey *self, const char *missing)
{
    self->missing = kst_json_array();
    struct kst_str rest = kst_str_of(missing), part;
    while (kst_str_split(&rest, ',', &part)) {
        struct kst_str name = kst_str_trim(part);
        if (name.len)
            kst_json_push(self->missing, kst_json_from_strn(name.data, name.len));
    }
    if (!missing)
        return;
    kst_auto_free char *text = kst_asprintf(
        "these API groups do not answer, what they hold is not in the backup: %s", missing);
    kst_run_note(self->run, KST_NOTE_WARNING, text, NULL);
}

int kst_survey_resources(struct kst_survey *self, struct kst_err **err)
{
    kst_auto_free const struct kst_kube_resource **all = NULL;
    kst_auto_free char *missing = NULL;
    const unsigned needed = KST_VERB_GET | KST_VERB_LIST | KST_VERB_CREATE;
    int rc = kst_kube_all_resources(self->run->kube, &all, &missing, err);
    if (rc < 0)
        return rc;
    size_t count = 0, kept = 0;
    while (all[count])
        count++;
    self->resources = kst_calloc(count + 1, sizeof(*self->resources));
    for (size_t i = 0; i < count; i++)
        if ((all[i]->verbs & needed) == needed && !strchr(all[i]->plural, '/'))
            add_resource(self, &kept, all[i]);
    drop_twins(self);
    for (kept = 0; self->resources[kept]; kept++)
        ;
    if (kept)
        qsort(self->resources, kept, sizeof(*self->resources), compare_resources);
    note_missing(self, missing);
    return 0;
}

bool kst_survey_takes(const struct kst_survey *self, enum kst_use use)
{
    const struct kst_kube_resource *resource = kst_survey_resource(self, kst_use_group(use),
                                                                   kst_use_kind(use));
    return resource && kst_filter_takes_kind(self->filter, resource);
}

/* ---- Lists ---- */

int kst_survey_refused(const struct kst_survey *self, const struct kst_kube_resource *resource,
                       int code, struct kst_err **err)
{
    const char *dot = *resource->group ? "." : "";
    if (code != KST_E_FORBIDDEN && code != KST_E_SERVER && code != KST_E_PROTOCOL)
        return code;
    kst_err_wrap(err, code, "capture %s%s%s%s%s", resource->plural, dot, resource->group,
                 resource->namespaced ? " of namespace " : "",
                 resource->namespaced ? self->run->app_ns : "");
    if (code == KST_E_FORBIDDEN)
        kst_err_hint(err,
                     "a backup with holes is none: let the engine read them (deploy/rbac.yaml), or "
                     "leave them out with --exclude %s%s%s",
                     resource->plural, dot, resource->group);
    else
        kst_err_hint(err, "if the backup can do without them: --exclude %s%s%s", resource->plural,
                     dot, resource->group);
    return code;
}

int kst_survey_each(struct kst_survey *self, const struct kst_kube_resource *resource,
                    const char *selector, bool metadata_only, int page_size,
                    int (*each)(struct kst_survey *self, const struct kst_kube_resource *resource,
                                const struct kst_json *object, struct kst_err **err),
                    struct kst_err **err)
{
    const struct kst_kube_list_options options = {
        .label_selector = selector,
        .metadata_only = metadata_only,
        .page_size = page_size,
    };
    struct kst_kube_pages *pages = kst_kube_pages_open(
        self->run->kube, resource, resource->namespaced ? self->run->app_ns : NULL, &options,
        false);
    int rc, more;
    do {
        kst_auto_json struct kst_json *object = NULL;
        more = kst_kube_pages_next(pages, &object, err);
        rc = more < 0 ? kst_survey_refused(self, resource, more, err) : 0;
        if (more > 0)
            rc = each(self, resource, object, err);
    } while (rc == 0 && more);
    kst_kube_pages_close(pages);
    if (rc > 0)
        rc = 0;
    /* A kind may go while we look. */
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        rc = 0;
    }
    return rc;
}

/* ---- What is read of each ---- */

static bool is_selected(const struct kst_survey *self, const struct kst_json *object)
{
    bool matches = false;
    return kst_selector_matches(self->selector, kst_json_path(object, "metadata.labels"), &matches,
                                NULL) == 0 &&
           matches;
}

/* A Pod of one of the workloads, whose own selector picks it. */
static bool is_workloads_pod(const struct kst_survey *self, const struct kst_json *object)
{
    const struct kst_json *labels = kst_json_path(object, "metadata.labels");
    for (const struct kst_json *row = kst_json_first(self->workloads); row;
         row = kst_json_next(row)) {
        const struct kst_json *selector = kst_json_path(row, "object.spec.selector");
        kst_auto_free char *text = NULL;
        bool matches = false;
        if (selector && kst_selector_text(selector, &text, NULL) == 0 &&
            kst_selector_matches(text, labels, &matches, NULL) == 0 && matches)
            return true;
    }
    return false;
}

static int on_user(struct kst_survey *self, const struct kst_kube_resource *resource,
                   const struct kst_json *object, struct kst_err **err)
{
    bool is_pod = strcmp(resource->kind, "Pod") == 0;
    if (kst_rule_is_excluded(object))
        return 0;
    if (is_selected(self, object) || (is_pod && is_workloads_pod(self, object)))
        kst_uses_add(&self->uses, object);
    return 0;
}

static int on_service(struct kst_survey *self, const struct kst_kube_resource *resource,
                      const struct kst_json *object, struct kst_err **err)
{
    const char *name = kst_json_path_str(object, "metadata.name");
    if (kst_json_len(kst_json_path(object, "spec.selector")))
        kst_names_add(&self->rules.services, name);
    self->rules.services_known = true;
    if (is_selected(self, object))
        kst_names_add(&self->uses.sets[KST_USE_SERVICE], name);
    return 0;
}

/* What is needed of an object for kst_survey_resolve(). */
static struct kst_json *keep(struct kst_survey *self, struct kst_json *rows,
                             const struct kst_json *object)
{
    struct kst_json *row = kst_json_make("{'name':%s,'selected':%b}",
                                         kst_json_path_str(object, "metadata.name"),
                                         is_selected(self, object));
    kst_json_push(rows, row);
    return row;
}

static void copy(struct kst_json *row, const char *key, const struct kst_json *value)
{
    if (value)
        kst_json_set(row, key, kst_json_dup(value));
}

static int on_account(struct kst_survey *self, const struct kst_kube_resource *resource,
                      const struct kst_json *object, struct kst_err **err)
{
    copy(keep(self, self->accounts, object), "imagePullSecrets",
         kst_json_get(object, "imagePullSecrets"));
    const struct kst_json *secrets = kst_json_get(object, "secrets");
    for (const struct kst_json *row = kst_json_first(secrets); row; row = kst_json_next(row))
        kst_names_add(&self->rules.tokens, kst_json_path_str(row, "name"));
    return 0;
}

static int on_claim(struct kst_survey *self, const struct kst_kube_resource *resource,
                    const struct kst_json *object, struct kst_err **err)
{
    if (kst_rule_for(&self->rules, object))
        return 0;
    struct kst_json *row = keep(self, self->claims, object);
    copy(row, "spec", kst_json_get(object, "spec"));
    copy(row, "annotations", kst_json_path(object, "metadata.annotations"));
    return 0;
}

static int on_binding(struct kst_survey *self, const struct kst_kube_resource *resource,
                      const struct kst_json *object, struct kst_err **err)
{
    if (kst_rule_for(&self->rules, object))
        return 0;
    struct kst_json *row = keep(self, self->bindings, object);
    copy(row, "roleRef", kst_json_get(object, "roleRef"));
    copy(row, "subjects", kst_json_get(object, "subjects"));
    return 0;
}

/* Of the cluster's bindings those few that name this namespace are kept. */
static int on_cluster_binding(struct kst_survey *self, const struct kst_kube_resource *resource,
                              const struct kst_json *object, struct kst_err **err)
{
    const char *group_prefix = "system:serviceaccounts:";
    const struct kst_json *subjects = kst_json_get(object, "subjects");
    bool ours = false;
    for (const struct kst_json *row = kst_json_first(subjects); row; row = kst_json_next(row)) {
        const char *ns = kst_json_path_str(row, "namespace");
        const char *name = kst_json_path_str(row, "name");
        ours = ours || (ns && strcmp(ns, self->run->app_ns) == 0) ||
               (name && strncmp(name, group_prefix, strlen(group_prefix)) == 0 &&
                strcmp(name + strlen(group_prefix), self->run->app_ns) == 0);
    }
    if (!ours || kst_rule_for(&self->rules, object))
        return 0;
    struct kst_json *row = keep(self, self->bindings, object);
    kst_json_set_bool(row, "cluster", true);
    kst_json_set_bool(row, "selected", false); /* by its subjects alone */
    copy(row, "roleRef", kst_json_get(object, "roleRef"));
    copy(row, "subjects", subjects);
    return 0;
}

/* With a selector, those of the Services that it picks are known when these rows are resolved; all
 * other Services' are not the application's. */
static int on_webhook(struct kst_survey *self, const struct kst_kube_resource *resource,
                      const struct kst_json *object, struct kst_err **err)
{
    bool is_api = strcmp(resource->kind, "APIService") == 0;
    const struct kst_json *hooks = is_api ? NULL : kst_json_get(object, "webhooks");
    const struct kst_json *row = is_api ? object : kst_json_first(hooks);
    for (; row; row = is_api ? NULL : kst_json_next(row)) {
        const struct kst_json *service = kst_json_path(row, is_api ? "spec.service"
                                                                   : "clientConfig.service");
        const char *ns = kst_json_path_str(service, "namespace");
        const char *name = kst_json_path_str(service, "name");
        if (!ns || strcmp(ns, self->run->app_ns) != 0)
            continue;
        if (self->selector && !kst_names_has(&self->uses.sets[KST_USE_SERVICE], name))
            continue;
        kst_names_add(kst_uses_of(&self->uses, resource->group, resource->kind),
                      kst_json_path_str(object, "metadata.name"));
    }
    return 0;
}

/* Of a kind without a selector, the first object that will be in the backup is enough: its kind's
 * definition is to be in it too. */
static int on_custom(struct kst_survey *self, const struct kst_kube_resource *resource,
                     const struct kst_json *object, struct kst_err **err)
{
    bool picked = is_selected(self, object), taken = false;
    if (!picked || kst_rule_for(&self->rules, object))
        return 0;
    int rc = kst_filter_takes(self->filter, resource, object, &taken, NULL, err);
    if (rc < 0 || !taken)
        return rc;
    kst_auto_free char *name = kst_asprintf("%s.%s", resource->plural, resource->group);
    kst_names_add(&self->uses.sets[KST_USE_DEFINITION], name);
    if (self->selector)
        kst_uses_add(&self->uses, object);
    return self->selector ? 0 : 1;
}

/* ---- All of it, some at a time ---- */

typedef int on_object_fn(struct kst_survey *self, const struct kst_kube_resource *resource,
                         const struct kst_json *object, struct kst_err **err);

struct task {
    struct kst_survey *survey;
    const struct kst_kube_resource *resource;
    on_object_fn *fn;
    bool custom;
};

static int run_task(void *arg, struct kst_err **err)
{
    struct task *self = arg;
    struct kst_survey *survey = self->survey;
    bool probe = self->custom && !survey->selector;
    return kst_survey_each(survey, self->resource, self->custom ? survey->selector : NULL, probe,
                           probe ? 1 : 0, self->fn, err);
}

static bool is_custom(const struct kst_kube_resource *resource)
{
    return resource->namespaced &&
           !kst_kube_is_builtin_group(resource->group, strlen(resource->group));
}

static on_object_fn *reader_of(const struct kst_kube_resource *resource)
{
    static const struct {
        const char *group, *kind;
        on_object_fn *fn;
    } table[] = {
        {"", "Pod", on_user},
        {"", "ReplicationController", on_user},
        {"apps", "ReplicaSet", on_user},
        {"apps", "Deployment", on_user},
        {"apps", "StatefulSet", on_user},
        {"apps", "DaemonSet", on_user},
        {"batch", "Job", on_user},
        {"batch", "CronJob", on_user},
        {"networking.k8s.io", "Ingress", on_user},
        {"extensions", "Ingress", on_user},
        {"", "Service", on_service},
        {"", "ServiceAccount", on_account},
        {"", "PersistentVolumeClaim", on_claim},
        {"rbac.authorization.k8s.io", "RoleBinding", on_binding},
        {"rbac.authorization.k8s.io", "ClusterRoleBinding", on_cluster_binding},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++)
        if (strcmp(table[i].kind, resource->kind) == 0 &&
            strcmp(table[i].group, resource->group) == 0)
            return table[i].fn;
    return NULL;
}

static on_object_fn *reader_of_webhook(const struct kst_kube_resource *resource)
{
    return kst_order_rank(resource->group, resource->kind) == KST_RANK_WEBHOOK ? on_webhook : NULL;
}

/* What --exclude keeps from being captured may be what we may not read. Definitions are looked for
 * where they may be captured, or where a custom resource may tell what it uses. */
static bool is_to_be_read(const struct kst_survey *self, const struct kst_kube_resource *resource,
                          bool custom)
{
    if (!kst_filter_takes_kind(self->filter, resource) || kst_rule_for_kind(resource))
        return false;
    return !custom || self->selector || kst_survey_takes(self, KST_USE_DEFINITION);
}

static int read_all(struct kst_survey *self,
                    on_object_fn *(*reader)(const struct kst_kube_resource *), bool custom,
                    struct kst_err **err)
{
    size_t count = 0;
    while (self->resources[count])
        count++;
    kst_auto_free struct task *tasks = kst_calloc(count + 1, sizeof(*tasks));
    struct kst_group *group = kst_group_new(self->run->loop, true);
    kst_group_limit(group, SIDE_BY_SIDE);
    for (size_t i = 0; i < count; i++) {
        const struct kst_kube_resource *resource = self->resources[i];
        bool own = custom && is_custom(resource);
        on_object_fn *fn = own ? on_custom : reader(resource);
        if (!fn || !is_to_be_read(self, resource, own))
            continue;
        tasks[i] = (struct task){.survey = self, .resource = resource, .fn = fn, .custom = own};
        kst_group_spawn(group, resource->plural, run_task, &tasks[i]);
    }
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    return rc;
}

int kst_survey(struct kst_survey *self, struct kst_err **err)
{
    self->accounts = kst_json_array();
    self->claims = kst_json_array();
    self->bindings = kst_json_array();
    for (const struct kst_json *row = kst_json_first(self->workloads); row;
         row = kst_json_next(row)) {
        const struct kst_json *claims = kst_json_get(row, "claims");
        kst_uses_add(&self->uses, kst_json_get(row, "object"));
        for (const struct kst_json *name = kst_json_first(claims); name; name = kst_json_next(name))
            kst_names_add(&self->uses.sets[KST_USE_CLAIM], kst_json_str(name));
    }
    int rc = read_all(self, reader_of, true, err);
    if (rc == 0)
        rc = kst_survey_resolve(self, err);
    return rc < 0 ? rc : read_all(self, reader_of_webhook, false, err);
}

int kst_survey_picks(struct kst_survey *self, const struct kst_kube_resource *resource,
                     const struct kst_json *object, bool *picks, struct kst_err **err)
{
    struct kst_names *set = kst_uses_of(&self->uses, resource->group, resource->kind);
    *picks = true;
    if (!self->selector || !resource->namespaced)
        return 0;
    if (set && kst_names_has(set, kst_json_path_str(object, "metadata.name")))
        return 0;
    return kst_selector_matches(self->selector, kst_json_path(object, "metadata.labels"), picks,
                                err);
}

void kst_survey_release(struct kst_survey *self)
{
    free(self->resources);
    kst_json_free(self->missing);
    kst_json_free(self->accounts);
    kst_json_free(self->claims);
    kst_json_free(self->bindings);
    kst_rules_release(&self->rules);
    kst_uses_release(&self->uses);
}
