/* SPDX-License-Identifier: Apache-2.0 */
/* Which workloads have to stand still: from the users of the claims up to what controls them. */
#include <string.h>

#include "app/restore/quiesce_internal.h"
#include "app/restore/users.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "loop/fiber.h"
#include "run/journal.h"

enum { MAX_DEPTH = 10, PATH_BYTES = 4096 };

#define VERBS (KST_VERB_GET | KST_VERB_LIST | KST_VERB_PATCH)
static const char *const no_short_names[] = {NULL};
static const struct kst_kube_resource controllers = {.group = "",
                                                     .version = "v1",
                                                     .api_version = "v1",
                                                     .kind = "ReplicationController",
                                                     .plural = "replicationcontrollers",
                                                     .singular = "replicationcontroller",
                                                     .namespaced = true,
                                                     .verbs = VERBS,
                                                     .short_names = no_short_names};

/* What every cluster has, in the order in which it is looked at. */
static const struct kst_kube_resource *const known[] = {
    &kst_res_deployments, &kst_res_statefulsets, &kst_res_daemonsets,
    &kst_res_replicasets, &kst_res_jobs,         &controllers,
};

int kst_quiesce_resource(struct kst_run *run, const char *api_version, const char *kind,
                         const struct kst_kube_resource **out, struct kst_err **err)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(known); i++) {
        if (kst_same(api_version, known[i]->api_version) && kst_same(kind, known[i]->kind)) {
            *out = known[i];
            return 0;
        }
    }
    return kst_kube_find_kind(run->kube, api_version, kind, out, err);
}

enum kst_quiesce_how kst_quiesce_how(const char *api_version, const char *kind)
{
    if (kst_same(api_version, "apps/v1") && kst_same(kind, "DaemonSet"))
        return KST_QUIESCE_SELECTOR;
    if (kst_same(kind, "CronJob") && api_version && strncmp(api_version, "batch/", 6) == 0)
        return KST_QUIESCE_SUSPEND; /* v1beta1 before Kubernetes 1.21 */
    return KST_QUIESCE_SCALE;
}

int kst_quiesce_get_scale(struct kst_run *run, const struct kst_kube_resource *resource,
                          const char *name, struct kst_json **scale, struct kst_err **err)
{
    kst_auto_buf path = KST_BUF_INIT(PATH_BYTES);
    kst_kube_path(resource, run->app_ns, name, "scale", &path);
    kst_auto_free char *what = kst_asprintf("%s/%s/%s/scale", resource->kind, run->app_ns, name);
    const struct kst_kube_request request = {
        .method = "GET", .path = path.data, .idempotent = true, .what = what, .verb = "get"};
    int rc = kst_buf_check(&path, "the request's path", err);
    return rc < 0 ? rc : kst_kube_do(run->kube, &request, scale, err);
}

/* ---- What is there ---- */

struct listing {
    struct kst_run *run;
    const struct kst_kube_resource *resource;
    struct kst_json *items;
};

struct plan {
    struct kst_run *run;
    const struct kst_json *claims;
    struct listing lists[KST_ARRAY_LEN(known) + 1]; /* and CronJobs */
    struct kst_json *pods;
    struct kst_json *rows; /* what becomes status.restore.quiesced */
};

static int read_list(void *arg, struct kst_err **err)
{
    struct listing *self = arg;
    int rc = self->resource
                 ? 0
                 : kst_kube_find_resource(self->run->kube, "cronjobs.batch", &self->resource, err);
    if (rc == 0)
        rc = kst_kube_list(self->run->kube, self->resource, self->run->app_ns, NULL, &self->items,
                           NULL, err);
    if (rc == KST_E_NOT_FOUND) { /* a cluster that does not have them */
        kst_err_clear(err);
        return 0;
    }
    return rc;
}

static int read_pods(void *arg, struct kst_err **err)
{
    struct plan *self = arg;
    return kst_users_find(self->run, self->claims, &self->pods, err);
}

static int read_all(struct plan *self, struct kst_err **err)
{
    struct kst_group *group = kst_group_new(self->run->loop, true);
    kst_group_spawn(group, "pods", read_pods, self);
    for (size_t i = 0; i < KST_ARRAY_LEN(self->lists); i++) {
        self->lists[i].run = self->run;
        if (i < KST_ARRAY_LEN(known))
            self->lists[i].resource = known[i];
        kst_group_spawn(group, "list", read_list, &self->lists[i]);
    }
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    return rc;
}

static const struct kst_json *controller_of(const struct kst_json *object)
{
    const struct kst_json *owners = kst_json_path(object, "metadata.ownerReferences");
    for (const struct kst_json *row = kst_json_first(owners); row; row = kst_json_next(row)) {
        if (kst_json_path_true(row, "controller"))
            return row;
    }
    return NULL;
}

static const struct kst_json *listed(const struct plan *self, const char *uid)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(self->lists); i++) {
        for (const struct kst_json *o = kst_json_first(self->lists[i].items); o;
             o = kst_json_next(o)) {
            if (kst_same(kst_json_path_str(o, "metadata.uid"), uid))
                return o;
        }
    }
    return NULL;
}

/* The object behind an owner reference; NULL where it is gone, and what it owned is about to go. */
static int find_owner(struct plan *self, const struct kst_json *ref, struct kst_json **out,
                      struct kst_err **err)
{
    const char *uid = kst_json_path_str(ref, "uid"), *name = kst_json_path_str(ref, "name");
    const struct kst_json *found = uid ? listed(self, uid) : NULL;
    *out = NULL;
    if (found) {
        *out = kst_json_dup(found);
        return 0;
    }
    if (kst_same(kst_json_path_str(ref, "kind"), "Node") &&
        kst_same(kst_json_path_str(ref, "apiVersion"), "v1")) {
        *out = kst_json_make("{'apiVersion':'v1','kind':'Node','metadata':{'name':%s}}", name);
        return 0; /* which need not be read to know that it is not to be stopped */
    }
    const struct kst_kube_resource *resource = NULL;
    kst_auto_json struct kst_json *object = NULL;
    int rc = kst_quiesce_resource(self->run, kst_json_path_str(ref, "apiVersion"),
                                  kst_json_path_str(ref, "kind"), &resource, err);
    if (rc == 0)
        rc = kst_kube_get(self->run->kube, resource,
                          resource->namespaced ? self->run->app_ns : NULL, name ? name : "",
                          &object, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        return 0;
    }
    if (rc == 0 && uid && kst_same(kst_json_path_str(object, "metadata.uid"), uid))
        *out = kst_take(object);
    return rc;
}

/* ---- What can be stopped ---- */

/* A user of a claim, and what was found at the top of its controllers. */
struct find {
    const struct kst_json *user, *top;
    const char *claim;
};

static int refuse(const struct plan *self, const struct find *find, const char *why,
                  const char *hint, struct kst_err **err)
{
    kst_auto_free char *user = kst_kube_describe(find->user);
    kst_auto_free char *top = kst_kube_describe(find->top);
    bool same = find->user == find->top || strcmp(user, top) == 0;
    kst_err_set(err, KST_E_REFUSED,
                "%s uses PersistentVolumeClaim/%s/%s, which is to be replaced, and %s%s%s", user,
                self->run->app_ns, find->claim, same ? "" : top,
                same ? "" : ", which controls it, ", why);
    kst_err_reason(err, "CannotQuiesce");
    kst_err_hint(err, "%s; or restore into another namespace", hint);
    return KST_E_REFUSED;
}

static struct kst_json *find_row(struct kst_json *rows, const char *api_version, const char *kind,
                                 const char *name)
{
    for (struct kst_json *row = kst_json_first_mut(rows); row; row = kst_json_next_mut(row)) {
        if (kst_same(kst_json_path_str(row, "apiVersion"), api_version) &&
            kst_same(kst_json_path_str(row, "kind"), kind) &&
            kst_same(kst_json_path_str(row, "name"), name))
            return row;
    }
    return NULL;
}

/* The row of the workload at the top, made with `key`: `value` (taken) where it is new. */
static int add_row(struct plan *self, const struct find *find, const char *key,
                   struct kst_json *value)
{
    const char *api_version = kst_json_path_str(find->top, "apiVersion");
    const char *kind = kst_json_path_str(find->top, "kind");
    const char *name = kst_json_path_str(find->top, "metadata.name");
    struct kst_json *row = find_row(self->rows, api_version, kind, name);
    if (!row) {
        row = kst_json_make("{'apiVersion':%s,'kind':%s,'name':%s,'uid':%s,'claims':[]}",
                            api_version, kind, name, kst_json_path_str(find->top, "metadata.uid"));
        kst_json_set(row, key, kst_json_dup(value));
        kst_json_set_str(row, "state", "Planned");
        kst_json_push(self->rows, row);
    }
    struct kst_json *claims = kst_json_ensure_array(row, "claims");
    if (!kst_users_has(claims, find->claim))
        kst_json_push(claims, kst_json_from_str(find->claim));
    kst_json_free(value);
    return 0;
}

static bool has_condition(const struct kst_json *object, const char *type)
{
    const struct kst_json *rows = kst_json_path(object, "status.conditions");
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        if (kst_same(kst_json_path_str(row, "type"), type) &&
            kst_same(kst_json_path_str(row, "status"), "True"))
            return true;
    }
    return false;
}

static int stop_pod(struct plan *self, const struct find *find, struct kst_err **err)
{
    if (kst_users_is_finished(find->top) ||
        kst_json_path_str(find->top, "metadata.deletionTimestamp"))
        return 0; /* it is waited for */
    return refuse(self, find, "it has no controller that would make it again",
                  "delete the Pod (it is in the restore point, if it is to be restored)", err);
}

static int stop_job(struct plan *self, const struct find *find, struct kst_err **err)
{
    if (has_condition(find->top, "Complete") || has_condition(find->top, "Failed") ||
        kst_json_path_str(find->top, "metadata.deletionTimestamp") ||
        (kst_json_path_true(find->top, "spec.suspend") &&
         kst_json_path_int(find->top, "status.active", 0) == 0))
        return 0;
    return refuse(self, find, "a Job that runs cannot be stopped without losing its work",
                  "wait until it has ended, or delete it", err);
}

static int stop_stateful_set(struct plan *self, const struct find *find, int64_t replicas,
                             struct kst_err **err)
{
    if (kst_same(kst_json_path_str(find->top,
                                   "spec.persistentVolumeClaimRetentionPolicy.whenScaled"),
                 "Delete"))
        return refuse(self, find,
                      "it deletes the claims of replicas that are scaled away "
                      "(persistentVolumeClaimRetentionPolicy.whenScaled is Delete)",
                      "set whenScaled to Retain before the restore", err);
    return add_row(self, find, "replicas", kst_json_from_int(replicas));
}

static int stop_custom(struct plan *self, const struct find *find, struct kst_err **err)
{
    const struct kst_kube_resource *resource = NULL;
    kst_auto_json struct kst_json *scale = NULL;
    int rc = kst_quiesce_resource(self->run, kst_json_path_str(find->top, "apiVersion"),
                                  kst_json_path_str(find->top, "kind"), &resource, err);
    if (rc == 0 && resource->namespaced)
        rc = kst_quiesce_get_scale(self->run, resource,
                                   kst_json_path_str(find->top, "metadata.name"), &scale, err);
    if (rc < 0 && rc != KST_E_NOT_FOUND)
        return rc;
    kst_err_clear(err);
    int64_t replicas = kst_json_path_int(scale, "spec.replicas", 0);
    if (replicas == 0)
        return refuse(self, find, "it has no scale by which it could be stopped",
                      "stop it as its operator's documentation says, so that no Pod uses the claim",
                      err);
    return add_row(self, find, "replicas", kst_json_from_int(replicas));
}

static int stop(struct plan *self, const struct find *find, struct kst_err **err)
{
    const char *api_version = kst_json_path_str(find->top, "apiVersion");
    const char *kind = kst_json_path_str(find->top, "kind");
    int64_t replicas = kst_json_path_int(find->top, "spec.replicas", 1);
    if (kst_same(api_version, "v1") && kst_same(kind, "Pod"))
        return stop_pod(self, find, err);
    if (kst_same(api_version, "v1") && kst_same(kind, "Node"))
        return refuse(self, find, "static Pods are the kubelet's",
                      "take the Pod's manifest from its node", err);
    if (kst_same(api_version, "batch/v1") && kst_same(kind, "Job"))
        return stop_job(self, find, err);
    if (kst_quiesce_how(api_version, kind) == KST_QUIESCE_SUSPEND)
        return kst_json_path_true(find->top, "spec.suspend")
                   ? 0
                   : add_row(self, find, "suspend", kst_json_bool(false));
    if (kst_quiesce_how(api_version, kind) == KST_QUIESCE_SELECTOR) {
        const struct kst_json *old = kst_json_path(find->top, "spec.template.spec.nodeSelector");
        return add_row(self, find, "nodeSelector", old ? kst_json_dup(old) : kst_json_object());
    }
    for (size_t i = 0; i < KST_ARRAY_LEN(known); i++) {
        if (!kst_same(api_version, known[i]->api_version) || !kst_same(kind, known[i]->kind))
            continue;
        if (replicas == 0)
            return 0; /* stopped already: whatever Pods it has are on their way out */
        return known[i] == &kst_res_statefulsets
                   ? stop_stateful_set(self, find, replicas, err)
                   : add_row(self, find, "replicas", kst_json_from_int(replicas));
    }
    return stop_custom(self, find, err);
}

/* From a user of a claim up to what is to be stopped. */
static int climb(struct plan *self, const struct kst_json *user, const char *claim,
                 struct kst_err **err)
{
    kst_auto_json struct kst_json *held = NULL;
    const struct kst_json *top = user, *ref = NULL;
    for (int depth = 0; depth < MAX_DEPTH && (ref = controller_of(top)) != NULL; depth++) {
        struct kst_json *owner = NULL;
        int rc = find_owner(self, ref, &owner, err);
        if (rc < 0) {
            kst_auto_free char *what = kst_kube_describe(top);
            return kst_err_wrap(err, rc, "find what controls %s", what);
        }
        if (!owner)
            break;
        kst_json_free(held);
        top = held = owner;
    }
    if (ref && controller_of(top) && kst_same(kst_json_path_str(top, "kind"), "Pod"))
        return 0; /* its controller is gone: it is being collected */
    const struct find find = {.user = user, .top = top, .claim = claim};
    return stop(self, &find, err);
}

/* ---- Who names the claims ---- */

static const struct kst_json *pod_spec_of(const struct kst_json *object)
{
    const struct kst_json *spec = kst_json_path(object, "spec.jobTemplate.spec.template.spec");
    return spec ? spec : kst_json_path(object, "spec.template.spec");
}

/* Whether `claim` is "<template>-<set>-<ordinal>". */
static bool is_of_template(const char *claim, const char *template, const char *set)
{
    kst_auto_free char *prefix = kst_asprintf("%s-%s-", template, set);
    size_t len = strlen(prefix);
    return strncmp(claim, prefix, len) == 0 && claim[len] &&
           strspn(claim + len, "0123456789") == strlen(claim + len);
}

static const char *claim_of_templates(const struct kst_json *object, const struct kst_json *claims)
{
    const char *set = kst_json_path_str(object, "metadata.name");
    const struct kst_json *templates = kst_json_path(object, "spec.volumeClaimTemplates");
    for (const struct kst_json *t = kst_json_first(templates); t; t = kst_json_next(t)) {
        const char *name = kst_json_path_str(t, "metadata.name");
        for (const struct kst_json *c = kst_json_first(claims); c; c = kst_json_next(c)) {
            if (name && set && kst_json_str(c) && is_of_template(kst_json_str(c), name, set))
                return kst_json_str(c);
        }
    }
    return NULL;
}

static int look_at_templates(struct plan *self, const struct kst_json *items, struct kst_err **err)
{
    int rc = 0;
    for (const struct kst_json *o = kst_json_first(items); rc == 0 && o; o = kst_json_next(o)) {
        if (kst_json_path_int(o, "spec.replicas", 1) == 0)
            continue;
        const char *claim = kst_users_claim(pod_spec_of(o), NULL, self->claims);
        if (!claim)
            claim = claim_of_templates(o, self->claims);
        if (claim)
            rc = climb(self, o, claim, err);
    }
    return rc;
}

static int look_at_pods(struct plan *self, struct kst_err **err)
{
    int rc = 0;
    for (const struct kst_json *pod = kst_json_first(self->pods); rc == 0 && pod;
         pod = kst_json_next(pod)) {
        if (!kst_users_is_finished(pod))
            rc = climb(self, pod,
                       kst_users_claim(kst_json_get(pod, "spec"),
                                       kst_json_path_str(pod, "metadata.name"), self->claims),
                       err);
    }
    return rc;
}

/* What was begun to be stopped stays as it was recorded then: there is 0 now where there was 3. */
static struct kst_json *rows_begun(const struct kst_json *rows)
{
    struct kst_json *kept = kst_json_array();
    for (const struct kst_json *row = kst_json_first(rows); row; row = kst_json_next(row)) {
        if (!kst_same(kst_json_path_str(row, "state"), "Planned"))
            kst_json_push(kept, kst_json_dup(row));
    }
    return kept;
}

int kst_quiesce_plan(struct kst_run *run, const struct kst_json *claims, struct kst_err **err)
{
    struct kst_json *restore = kst_json_ensure_object(kst_journal_status(run->journal), "restore");
    struct plan plan = {
        .run = run, .claims = claims, .rows = rows_begun(kst_json_get(restore, "quiesced"))};
    int rc = kst_json_len(claims) ? read_all(&plan, err) : 0;
    if (rc == 0)
        rc = look_at_pods(&plan, err);
    for (size_t i = 0; rc == 0 && i < KST_ARRAY_LEN(plan.lists); i++)
        rc = look_at_templates(&plan, plan.lists[i].items, err);
    if (rc == 0) {
        kst_json_set(restore, "quiesced", kst_take(plan.rows));
        kst_json_set(restore, "quiescedClaims", kst_json_dup(claims));
    }
    for (size_t i = 0; i < KST_ARRAY_LEN(plan.lists); i++)
        kst_json_free(plan.lists[i].items);
    kst_json_free(plan.pods);
    kst_json_free(plan.rows);
    return rc < 0 ? kst_err_wrap(err, rc, "find the workloads to stop in %s", run->app_ns) : 0;
}
