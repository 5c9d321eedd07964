/* SPDX-License-Identifier: Apache-2.0 */
#include "run/pods.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "kube/selector.h"
#include "run/run.h"

static bool condition_true(const struct kst_json *pod, const char *type)
{
    const struct kst_json *all = kst_json_path(pod, "status.conditions");
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        const char *name = kst_json_path_str(row, "type");
        const char *status = kst_json_path_str(row, "status");
        if (name && status && strcmp(name, type) == 0)
            return strcmp(status, "True") == 0;
    }
    return false;
}

/* The claim behind a volume of the Pod's spec, or NULL. */
static const char *claim_of(const struct kst_json *pod, const char *volume)
{
    const struct kst_json *all = kst_json_path(pod, "spec.volumes");
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        const char *name = kst_json_path_str(row, "name");
        if (name && volume && strcmp(name, volume) == 0)
            return kst_json_path_str(row, "persistentVolumeClaim.claimName");
    }
    return NULL;
}

/* Where a container has claims: [{path, claim, sub_path}]. */
static struct kst_json *mounts_of(const struct kst_json *pod, const struct kst_json *container)
{
    struct kst_json *out = kst_json_array();
    const struct kst_json *all = kst_json_get(container, "volumeMounts");
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        const char *claim = claim_of(pod, kst_json_path_str(row, "name"));
        if (claim)
            kst_json_push(out, kst_json_make("{'path':%s,'claim':%s,'sub_path':%s}",
                                             kst_json_path_str(row, "mountPath"), claim,
                                             kst_json_path_str(row, "subPath")));
    }
    return out;
}

static struct kst_json *summary_of(const struct kst_json *pod)
{
    struct kst_json *containers = kst_json_array();
    const struct kst_json *list = kst_json_path(pod, "spec.containers");
    for (const struct kst_json *row = kst_json_first(list); row; row = kst_json_next(row)) {
        struct kst_json *container = kst_json_make("{'name':%s,'image':%s}",
                                                   kst_json_path_str(row, "name"),
                                                   kst_json_path_str(row, "image"));
        kst_json_set(container, "mounts", mounts_of(pod, row));
        kst_json_push(containers, container);
    }
    const char *phase = kst_json_path_str(pod, "status.phase");
    struct kst_json *out = kst_json_make(
        "{'name':%s,'ready':%b,'phase':%s,'node':%s,'ip':%s,'labels':%J}",
        kst_json_path_str(pod, "metadata.name"), condition_true(pod, "Ready"),
        phase ? phase : "Unknown", kst_json_path_str(pod, "spec.nodeName"),
        kst_json_path_str(pod, "status.podIP"), kst_json_path(pod, "metadata.labels"));
    kst_json_set(out, "containers", containers);
    return out;
}

/* The number at the end of a StatefulSet's Pod name; -1 where there is none. */
static long long ordinal_of(const char *name)
{
    const char *dash = strrchr(name, '-');
    long long ordinal = -1;
    return dash && kst_parse_int(dash + 1, &ordinal) ? ordinal : -1;
}

static int compare(const void *a, const void *b)
{
    const struct kst_json *x = *(struct kst_json *const *)a, *y = *(struct kst_json *const *)b;
    bool ready_x = kst_json_path_true(x, "ready"), ready_y = kst_json_path_true(y, "ready");
    if (ready_x != ready_y)
        return ready_x ? -1 : 1;
    const char *name_x = kst_json_path_str(x, "name"), *name_y = kst_json_path_str(y, "name");
    long long n = ordinal_of(name_x), m = ordinal_of(name_y);
    if (n != m && n >= 0 && m >= 0)
        return n < m ? -1 : 1;
    return strcmp(name_x, name_y);
}

static struct kst_json *sorted(const struct kst_json *pods)
{
    size_t count = kst_json_len(pods), kept = 0;
    kst_auto_free struct kst_json **rows = kst_calloc(count + 1, sizeof(struct kst_json *));
    for (const struct kst_json *pod = kst_json_first(pods); pod; pod = kst_json_next(pod)) {
        if (!kst_json_path_str(pod, "metadata.deletionTimestamp"))
            rows[kept++] = summary_of(pod);
    }
    qsort(rows, kept, sizeof(struct kst_json *), compare);
    struct kst_json *out = kst_json_array();
    for (size_t i = 0; i < kept; i++)
        kst_json_push(out, rows[i]);
    return out;
}

static int pod_itself(struct kst_run *run, const char *name, struct kst_json **pods,
                      struct kst_err **err)
{
    struct kst_json *pod = NULL;
    *pods = kst_json_array();
    int rc = kst_kube_get(run->kube, &kst_res_pods, run->app_ns, name, &pod, err);
    if (rc == 0)
        kst_json_push(*pods, pod);
    return rc;
}

int kst_pods_of(struct kst_run *run, const struct kst_binding *binding, struct kst_json **out,
                struct kst_err **err)
{
    const char *kind = kst_json_path_str(binding->row, "kind");
    const char *name = kst_json_path_str(binding->row, "name");
    kst_auto_json struct kst_json *pods = NULL, *workload = NULL;
    int rc = 0;
    if (strcmp(kind, "Pod") == 0) {
        rc = pod_itself(run, name, &pods, err);
    } else {
        const struct kst_kube_resource *resource = NULL;
        rc = kst_kube_find_kind(run->kube, kst_json_path_str(binding->row, "apiVersion"), kind,
                                &resource, err);
        if (rc == 0)
            rc = kst_kube_get(run->kube, resource, run->app_ns, name, &workload, err);
        kst_auto_free char *selector = NULL;
        if (rc == 0)
            rc = kst_selector_text(kst_json_path(workload, "spec.selector"), &selector, err);
        const struct kst_kube_list_options options = {.label_selector = selector};
        if (rc == 0)
            rc = kst_kube_list(run->kube, &kst_res_pods, run->app_ns, &options, &pods, NULL, err);
    }
    if (rc < 0)
        return kst_err_wrap(err, rc, "find the Pods of %s/%s/%s", kind, run->app_ns, name);
    *out = sorted(pods);
    return 0;
}
