/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/api/evict.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"

#define BUDGETS "policy/poddisruptionbudgets"

enum { UNCONFIRMED = 2000, AGAIN_S = 10 };

bool kst_budget_is_of(const struct kst_json *budget, const struct kst_json *pod)
{
    const struct kst_json *labels = kst_json_path(pod, "metadata.labels");
    return kst_json_len(labels) > 0 &&
           kst_control_selects(kst_json_path(budget, "spec.selector"), labels);
}

/* 429; `seconds` is when to try again, 0 for not telling. */
static struct kst_json *refuse(const char *cause, int seconds)
{
    struct kst_json *status = kst_status_failure(
        429, "TooManyRequests",
        "Cannot evict pod as it would violate the pod's disruption budget.");
    struct kst_json *details = kst_json_make(
        "{'causes':[{'reason':'DisruptionBudget','message':%s}]}", cause);
    if (seconds > 0)
        kst_json_set_int(details, "retryAfterSeconds", seconds);
    kst_json_set(status, "details", details);
    return status;
}

/* Whether one more Pod of the budget's may go; if so, that is noted in its status, so that the
 * next eviction knows before the controller has counted again. */
static struct kst_json *spend(struct kst_api *api, const struct kst_object *budget, const char *pod,
                              bool dry_run)
{
    static const struct kst_resource named = {.group = "policy", .plural = "poddisruptionbudget"};
    const struct kst_json *status = kst_json_get(budget->json, "status");
    int64_t allowed = kst_json_path_int(status, "disruptionsAllowed", 0);
    if (kst_json_path_int(status, "observedGeneration", 0) <
        kst_json_path_int(budget->json, "metadata.generation", 0)) {
        kst_auto_free char *cause = kst_asprintf(
            "The disruption budget %s is still being processed by the server.", budget->name);
        return refuse(cause, AGAIN_S);
    }
    if (allowed < 0)
        return kst_status_forbidden(&named, budget->name, "pdb disruptions allowed is negative");
    if (kst_json_len(kst_json_get(status, "disruptedPods")) > UNCONFIRMED)
        return kst_status_forbidden(&named, budget->name,
                                    "DisruptedPods map too big - too many evictions not confirmed "
                                    "by PDB controller");
    if (allowed == 0) {
        kst_auto_free char *cause = kst_asprintf("The disruption budget %s needs %" PRId64
                                                 " healthy pods and has %" PRId64 " currently",
                                                 budget->name,
                                                 kst_json_path_int(status, "desiredHealthy", 0),
                                                 kst_json_path_int(status, "currentHealthy", 0));
        return refuse(cause, 0);
    }
    if (dry_run)
        return NULL;
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    struct kst_json *changed = kst_json_dup(status);
    kst_json_set_int(changed, "disruptionsAllowed", allowed - 1);
    kst_json_set_str(kst_json_ensure_object(changed, "disruptedPods"), pod, now);
    kst_api_set_status(api, BUDGETS, budget, changed, "kube-apiserver");
    return NULL;
}

/* A Pod that does not run yet, or no more, serves nobody: no budget protects it. */
static bool is_protected(const struct kst_json *pod)
{
    return !kst_pod_is_finished(pod) && strcmp(kst_api_text(pod, "status.phase"), "Pending") != 0;
}

static struct kst_json *ask_budgets(struct kst_api *api, const struct kst_object *pod, bool dry_run)
{
    struct kst_control_list list = kst_control_list(api, BUDGETS, pod->ns);
    const struct kst_object *budget = NULL;
    struct kst_json *status = NULL;
    size_t count = 0;
    for (size_t i = 0; i < list.count; i++) {
        if (!kst_budget_is_of(list.objects[i]->json, pod->json))
            continue;
        budget = list.objects[i];
        count++;
    }
    if (count > 1)
        status = kst_status_failure(500, NULL,
                                    "This pod has more than one PodDisruptionBudget, which the "
                                    "eviction subresource does not support.");
    else if (budget)
        status = spend(api, budget, pod->name, dry_run);
    kst_control_list_release(&list);
    return status;
}

struct kst_json *kst_api_evict(struct kst_api *self, const struct kst_api_call *call,
                               const struct kst_json *eviction)
{
    const struct kst_json *wish = kst_json_get(eviction, "deleteOptions");
    const char *name = kst_api_text(eviction, "metadata.name");
    kst_auto_object struct kst_object *pod = kst_object_ref(
        kst_bucket_get(call->resource->bucket, call->ns, call->name));
    if (*name && strcmp(name, call->name) != 0)
        return kst_status_bad_request("name in URL does not match name in Eviction object");
    if (!pod)
        return kst_status_not_found(call->resource, call->name);
    const struct kst_api_delete options = {
        .uid = kst_json_path_str(wish, "preconditions.uid"),
        .version = kst_json_path_str(wish, "preconditions.resourceVersion"),
        .propagation = kst_json_path_str(wish, "propagationPolicy"),
        .grace_seconds = kst_json_path_int(wish, "gracePeriodSeconds", -1),
    };
    struct kst_json *status = is_protected(pod->json) ? ask_budgets(self, pod, call->dry_run)
                                                      : NULL;
    return status ? status : kst_api_delete(self, call, &options, NULL);
}
