/* SPDX-License-Identifier: Apache-2.0 */
#include "app/restore/users.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"

bool kst_users_has(const struct kst_json *names, const char *name)
{
    for (const struct kst_json *row = kst_json_first(names); row && name;
         row = kst_json_next(row)) {
        if (kst_json_str(row) && strcmp(kst_json_str(row), name) == 0)
            return true;
    }
    return false;
}

const char *kst_users_claim(const struct kst_json *pod_spec, const char *pod,
                            const struct kst_json *claims)
{
    const struct kst_json *volumes = kst_json_get(pod_spec, "volumes");
    for (const struct kst_json *row = kst_json_first(volumes); row; row = kst_json_next(row)) {
        const char *named = kst_json_path_str(row, "persistentVolumeClaim.claimName");
        const char *volume = kst_json_path_str(row, "name");
        kst_auto_free char *own = pod && volume && kst_json_get(row, "ephemeral")
                                      ? kst_asprintf("%s-%s", pod, volume)
                                      : NULL;
        const char *name = named ? named : own;
        for (const struct kst_json *c = kst_json_first(claims); c && name; c = kst_json_next(c)) {
            if (kst_json_str(c) && strcmp(kst_json_str(c), name) == 0)
                return kst_json_str(c);
        }
    }
    return NULL;
}

bool kst_users_is_finished(const struct kst_json *pod)
{
    const char *phase = kst_json_path_str(pod, "status.phase");
    return phase && (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0);
}

struct finding {
    const struct kst_json *claims;
    struct kst_json *pods;
};

static int take_user(void *arg, const struct kst_json *pod, struct kst_err **err)
{
    struct finding *self = arg;
    if (kst_users_claim(kst_json_get(pod, "spec"), kst_json_path_str(pod, "metadata.name"),
                        self->claims))
        kst_json_push(self->pods, kst_json_dup(pod));
    return 0;
}

static void start_over(void *arg)
{
    struct finding *self = arg;
    kst_json_free(self->pods);
    self->pods = kst_json_array();
}

int kst_users_find(struct kst_run *run, const struct kst_json *claims, struct kst_json **pods,
                   struct kst_err **err)
{
    struct finding finding = {.claims = claims, .pods = kst_json_array()};
    int rc = kst_kube_list_each(run->kube, &kst_res_pods, run->app_ns, NULL, take_user, start_over,
                                &finding, NULL, err);
    if (rc < 0)
        kst_json_free(finding.pods);
    else
        *pods = finding.pods;
    return rc;
}
