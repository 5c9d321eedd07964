/* SPDX-License-Identifier: Apache-2.0 */
#include "app/application.h"

#include <string.h>

#include "app/capture/names.h"
#include "app/capture/rule.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "kube/selector.h"
#include "loop/fiber.h"
#include "run/journal.h"

/* One list of the application's namespace, read beside the others. */
struct listing {
    struct kst_run *run;
    const struct kst_kube_resource *resource;
    const char *api_version, *kind; /* of a further kind: the resource is looked up */
    const char *selector;
    struct kst_json *items;
};

static int read_list(void *arg, struct kst_err **err)
{
    struct listing *self = arg;
    if (!self->resource) {
        int rc = kst_kube_find_kind(self->run->kube, self->api_version, self->kind, &self->resource,
                                    err);
        if (rc == KST_E_NOT_FOUND) { /* a blueprint for something that this cluster does not have */
            kst_err_clear(err);
            self->items = kst_json_array();
            return 0;
        }
        if (rc < 0)
            return rc;
    }
    const struct kst_kube_list_options options = {.label_selector = self->selector};
    return kst_kube_list(self->run->kube, self->resource, self->run->app_ns, &options, &self->items,
                         NULL, err);
}

static bool excluded(const struct kst_json *object)
{
    return kst_rule_is_excluded(object) || kst_json_path_str(object, "metadata.deletionTimestamp");
}

/* A claim of a Pod's ephemeral volume lives and dies with it. */
static bool is_ephemeral(const struct kst_json *claim)
{
    const char *kind = kst_json_path_str(kst_rule_controller(claim), "kind");
    return kind && strcmp(kind, "Pod") == 0;
}

static bool is_to_be_cut(const struct kst_json *claim)
{
    return !excluded(claim) && !is_ephemeral(claim);
}

static void add_claim(struct kst_json *claims, const char *name)
{
    for (const struct kst_json *old = kst_json_first(claims); old; old = kst_json_next(old)) {
        if (strcmp(kst_json_str(old), name) == 0)
            return;
    }
    kst_json_push(claims, kst_json_from_str(name));
}

/* The claims that a Pod's spec names. */
static void add_spec_claims(struct kst_json *claims, const struct kst_json *pod_spec)
{
    const struct kst_json *volumes = kst_json_get(pod_spec, "volumes");
    for (const struct kst_json *row = kst_json_first(volumes); row; row = kst_json_next(row)) {
        const char *name = kst_json_path_str(row, "persistentVolumeClaim.claimName");
        if (name)
            add_claim(claims, name);
    }
}

/* Whether `claim` is "<template>-<workload>-<ordinal>". */
static bool is_templates(const char *claim, const char *template, const char *workload)
{
    size_t len = strlen(template), more = strlen(workload);
    if (strncmp(claim, template, len) != 0 || claim[len] != '-' ||
        strncmp(claim + len + 1, workload, more) != 0 || claim[len + 1 + more] != '-')
        return false;
    const char *ordinal = claim + len + 2 + more;
    return *ordinal && strspn(ordinal, "0123456789") == strlen(ordinal);
}

static void add_template_claims(struct kst_json *names, const struct kst_json *workload,
                                const struct kst_json *claims)
{
    const char *name = kst_json_path_str(workload, "metadata.name");
    const struct kst_json *templates = kst_json_path(workload, "spec.volumeClaimTemplates");
    for (const struct kst_json *row = kst_json_first(templates); row; row = kst_json_next(row)) {
        const char *template = kst_json_path_str(row, "metadata.name");
        for (const struct kst_json *claim = kst_json_first(claims); claim;
             claim = kst_json_next(claim)) {
            const char *is = kst_json_path_str(claim, "metadata.name");
            if (template && name && is && is_templates(is, template, name))
                add_claim(names, is);
        }
    }
}

/* The workload's own selector as text; NULL where it has none, or none that we can read. The caller
 * frees it. */
static char *selector_of(const struct kst_json *workload)
{
    const struct kst_json *selector = kst_json_path(workload, "spec.selector");
    char *text = NULL;
    return selector && kst_selector_text(selector, &text, NULL) == 0 ? text : NULL;
}

/* A NULL selector takes nothing here. */
static bool takes(const char *selector, const struct kst_json *pod)
{
    bool matches = false;
    return selector &&
           kst_selector_matches(selector, kst_json_path(pod, "metadata.labels"), &matches, NULL) ==
               0 &&
           matches;
}

bool kst_application_is_pod_of(const struct kst_json *workload, const struct kst_json *pod)
{
    kst_auto_free char *selector = selector_of(workload);
    return takes(selector, pod);
}

/* The claims of Pods whose owners are described by this workload's own selector: what an operator
 * mounts is seen there. */
static void add_pod_claims(struct kst_json *names, const struct kst_json *workload,
                           const struct kst_json *pods)
{
    kst_auto_free char *selector = selector_of(workload);
    for (const struct kst_json *pod = kst_json_first(pods); pod; pod = kst_json_next(pod)) {
        if (takes(selector, pod))
            add_spec_claims(names, kst_json_get(pod, "spec"));
    }
}

static void add_workload(struct kst_json *workloads, const struct kst_json *object,
                         const struct kst_json *pods, const struct kst_json *claims)
{
    const char *kind = kst_json_path_str(object, "kind");
    bool is_pod = strcmp(kind, "Pod") == 0;
    struct kst_json *row = kst_json_make("{'apiVersion':%s,'kind':%s,'name':%s,'claims':[]}",
                                         kst_json_path_str(object, "apiVersion"), kind,
                                         kst_json_path_str(object, "metadata.name"));
    struct kst_json *names = kst_json_mut(row, "claims");
    add_spec_claims(names, kst_json_path(object, is_pod ? "spec" : "spec.template.spec"));
    add_template_claims(names, object, claims);
    if (!is_pod)
        add_pod_claims(names, object, pods);
    kst_json_set(row, "object", kst_json_dup(object));
    kst_json_push(workloads, row);
}

/* The claims that are to be cut: those of the workloads, and those that the selector picks. */
static struct kst_json *choose_claims(const struct kst_json *all, const struct kst_json *workloads,
                                      const char *selector)
{
    struct kst_json *out = kst_json_array();
    for (const struct kst_json *claim = kst_json_first(all); claim; claim = kst_json_next(claim)) {
        const char *name = kst_json_path_str(claim, "metadata.name");
        bool used = false;
        if (kst_selector_matches(selector, kst_json_path(claim, "metadata.labels"), &used, NULL) <
            0)
            used = false; /* the lists have told what is wrong with it */
        for (const struct kst_json *row = kst_json_first(workloads); row && !used;
             row = kst_json_next(row)) {
            const struct kst_json *names = kst_json_get(row, "claims");
            for (const struct kst_json *is = kst_json_first(names); is; is = kst_json_next(is))
                used = used || strcmp(kst_json_str(is), name) == 0;
        }
        if (used && is_to_be_cut(claim))
            kst_json_push(out, kst_json_dup(claim));
    }
    return out;
}

enum { CLAIMS, PODS, STATEFULSETS, DEPLOYMENTS, DAEMONSETS, FIXED };

static void prepare(struct kst_run *run, struct listing *lists, const struct kst_json *more,
                    const char *selector)
{
    const struct kst_kube_resource *const fixed[FIXED] = {
        [CLAIMS] = &kst_res_pvcs,
        [PODS] = &kst_res_pods,
        [STATEFULSETS] = &kst_res_statefulsets,
        [DEPLOYMENTS] = &kst_res_deployments,
        [DAEMONSETS] = &kst_res_daemonsets,
    };
    for (size_t i = 0; i < FIXED; i++)
        lists[i] = (struct listing){.run = run, .resource = fixed[i], .selector = selector};
    /* What a workload uses is the application's, whatever its labels. */
    lists[CLAIMS].selector = lists[PODS].selector = NULL;
    size_t i = FIXED;
    for (const struct kst_json *row = kst_json_first(more); row; row = kst_json_next(row))
        lists[i++] = (struct listing){.run = run,
                                      .api_version = kst_json_path_str(row, "apiVersion"),
                                      .kind = kst_json_path_str(row, "kind"),
                                      .selector = selector};
}

static int collect(const struct listing *lists, size_t count, const char *selector,
                   struct kst_json *workloads, struct kst_err **err)
{
    const struct kst_json *pods = lists[PODS].items, *claims = lists[CLAIMS].items;
    int rc = 0;
    for (size_t i = PODS; rc == 0 && i < count; i++) {
        for (const struct kst_json *object = kst_json_first(lists[i].items); object && rc == 0;
             object = kst_json_next(object)) {
            bool matches = true;
            if (i == PODS && kst_rule_controller(object))
                continue;
            if (i == PODS)
                rc = kst_selector_matches(selector, kst_json_path(object, "metadata.labels"),
                                          &matches, err);
            if (rc == 0 && matches && !excluded(object))
                add_workload(workloads, object, pods, claims);
        }
    }
    return rc;
}

/* The Pods that one of the workloads has; `mark` gets true for each, by its place in the list. */
static void mark_pods(const struct kst_json *pods, const struct kst_json *workload, bool *mark)
{
    kst_auto_free char *selector = selector_of(workload);
    size_t i = 0;
    for (const struct kst_json *pod = kst_json_first(pods); pod; pod = kst_json_next(pod), i++)
        mark[i] = mark[i] || takes(selector, pod);
}

/* The application's Pods: what is left out with its workload, or by itself, is not among them. */
static int choose_pods(const struct listing *lists, size_t count, const char *selector,
                       const struct kst_json *workloads, struct kst_json **out,
                       struct kst_err **err)
{
    const struct kst_json *all = lists[PODS].items;
    size_t total = kst_json_len(all), i = 0;
    kst_auto_free bool *ours = kst_calloc(total + 1, sizeof(*ours));
    kst_auto_free bool *left_out = kst_calloc(total + 1, sizeof(*left_out));
    for (const struct kst_json *row = kst_json_first(workloads); row; row = kst_json_next(row))
        mark_pods(all, kst_json_get(row, "object"), ours);
    for (size_t n = PODS + 1; n < count; n++) {
        for (const struct kst_json *object = kst_json_first(lists[n].items); object;
             object = kst_json_next(object)) {
            if (excluded(object))
                mark_pods(all, object, left_out);
        }
    }
    kst_auto_json struct kst_json *pods = kst_json_array();
    int rc = 0;
    for (const struct kst_json *pod = kst_json_first(all); rc == 0 && pod;
         pod = kst_json_next(pod), i++) {
        bool selected = false;
        rc = kst_selector_matches(selector, kst_json_path(pod, "metadata.labels"), &selected, err);
        if ((selected || ours[i]) && !left_out[i] && !excluded(pod))
            kst_json_push(pods, kst_json_dup(pod));
    }
    if (rc == 0)
        *out = kst_take(pods);
    return rc;
}

static bool has_claim(const struct kst_json *claims, const char *name)
{
    const struct kst_json *row = kst_json_first(claims);
    while (row && strcmp(kst_json_path_str(row, "metadata.name"), name) != 0)
        row = kst_json_next(row);
    return row != NULL;
}

int kst_application_add_claims(struct kst_run *run, const struct kst_names *names,
                               struct kst_json *claims, struct kst_err **err)
{
    int rc = 0;
    for (size_t i = 0; i < names->count && rc == 0; i++) {
        kst_auto_json struct kst_json *claim = NULL;
        if (has_claim(claims, names->items[i]))
            continue;
        rc = kst_kube_get(run->kube, &kst_res_pvcs, run->app_ns, names->items[i], &claim, err);
        if (rc == KST_E_NOT_FOUND) {
            kst_err_clear(err);
            rc = 0;
        } else if (rc == 0 && is_to_be_cut(claim)) {
            kst_json_push(claims, kst_take(claim));
        }
    }
    return rc;
}

static int check_namespace(struct kst_run *run, struct kst_err **err)
{
    int rc = kst_kube_get(run->kube, &kst_res_namespaces, NULL, run->app_ns, NULL, err);
    if (rc == KST_E_NOT_FOUND)
        kst_err_hint(err, "list what there is with: kubectl get namespaces");
    if (rc == KST_E_FORBIDDEN) { /* a namespaced role is enough for what follows */
        kst_err_clear(err);
        rc = 0;
    }
    return rc;
}

int kst_application_find(struct kst_run *run, const struct kst_json *more_kinds,
                         struct kst_json **workloads, struct kst_json **claims,
                         struct kst_json **pods, struct kst_err **err)
{
    int rc = check_namespace(run, err);
    if (rc < 0)
        return rc;
    const char *selector = kst_json_path_str(kst_journal_spec(run->journal),
                                             "application.selector");
    size_t count = FIXED + kst_json_len(more_kinds);
    struct listing *lists = kst_calloc(count, sizeof(*lists));
    prepare(run, lists, more_kinds, selector);
    struct kst_group *group = kst_group_new(run->loop, true);
    for (size_t i = 0; i < count; i++)
        kst_group_spawn(group, "list", read_list, &lists[i]);
    rc = kst_group_wait(group, err);
    kst_group_free(group);
    kst_auto_json struct kst_json *found = kst_json_array();
    if (rc == 0)
        rc = collect(lists, count, selector, found, err);
    if (rc == 0 && pods)
        rc = choose_pods(lists, count, selector, found, pods, err);
    if (rc == 0) {
        *claims = choose_claims(lists[CLAIMS].items, found, selector);
        *workloads = kst_take(found);
    }
    for (size_t i = 0; i < count; i++)
        kst_json_free(lists[i].items);
    free(lists);
    return rc < 0 ? kst_err_wrap(err, rc, "look at application %s", run->app_ns) : 0;
}
