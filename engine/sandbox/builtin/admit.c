/* SPDX-License-Identifier: Apache-2.0 */
/* What admission plugins that are on by default add to new objects. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sandbox/builtin/builtin.h"
#include "sandbox/builtin/internal.h"

#define SET(path, json)             \
    {                               \
        path, json, KST_FILL_ABSENT \
    }

static bool tolerates(const struct kst_json *spec, const char *key)
{
    const struct kst_json *t = kst_json_first(kst_json_get(spec, "tolerations"));
    for (; t; t = kst_json_next(t)) {
        const char *effect = kst_fill_text(t, "effect"), *tolerated = kst_fill_text(t, "key");
        if ((!*effect || strcmp(effect, "NoExecute") == 0) &&
            (!*tolerated || strcmp(tolerated, key) == 0))
            return true;
    }
    return false;
}

static void admit_pod(struct kst_json *pod)
{
    static const char *const taints[] = {"node.kubernetes.io/not-ready",
                                         "node.kubernetes.io/unreachable"};
    struct kst_json *spec = kst_fill_object(pod, "spec");
    if (!spec)
        return;
    static const struct kst_fill_rule rules[] = {
        SET("serviceAccountName", "'default'"),
        SET("preemptionPolicy", "'PreemptLowerPriority'"),
    };
    kst_fill(spec, rules);
    kst_json_set(spec, "serviceAccount", kst_json_dup(kst_json_get(spec, "serviceAccountName")));
    const char *class = kst_fill_text(spec, "priorityClassName");
    if (!*class)
        kst_fill_absent(spec, "priority", "0");
    else if (strcmp(class, "system-cluster-critical") == 0)
        kst_fill_absent(spec, "priority", "2000000000");
    else if (strcmp(class, "system-node-critical") == 0)
        kst_fill_absent(spec, "priority", "2000001000");
    for (size_t i = 0; i < KST_ARRAY_LEN(taints); i++) {
        const struct kst_json *list = kst_json_get(spec, "tolerations");
        if (tolerates(spec, taints[i]) || (list && kst_json_type(list) != KST_JSON_ARRAY))
            continue;
        kst_json_push(kst_json_ensure_array(spec, "tolerations"),
                      kst_json_make("{'key':%s,'operator':'Exists','effect':'NoExecute',"
                                    "'tolerationSeconds':300}",
                                    taints[i]));
    }
}

static void add_finalizer(struct kst_json *object, const char *finalizer)
{
    kst_fill_absent(object, "metadata", "{}");
    kst_fill_absent(object, "metadata.finalizers", "[]");
    struct kst_json *list = kst_fill_array(object, "metadata.finalizers");
    const struct kst_json *entry = kst_json_first(list);
    while (entry && !(kst_json_str(entry) && strcmp(kst_json_str(entry), finalizer) == 0))
        entry = kst_json_next(entry);
    if (!entry && list)
        kst_json_push(list, kst_json_from_str(finalizer));
}

void kst_builtin_admit(const char *group, const char *kind, struct kst_json *object)
{
    if (strcmp(group, "apps") == 0 && strcmp(kind, "DaemonSet") == 0) {
        kst_fill_absent(object, "metadata", "{}");
        kst_fill_absent(object, "metadata.annotations", "{}");
        struct kst_json *annotations = kst_fill_object(object, "metadata.annotations");
        if (annotations)
            kst_json_set_str(annotations, "deprecated.daemonset.template.generation", "1");
    }
    if (*group)
        return;
    if (strcmp(kind, "Pod") == 0)
        admit_pod(object);
    else if (strcmp(kind, "PersistentVolumeClaim") == 0)
        add_finalizer(object, "kubernetes.io/pvc-protection");
    else if (strcmp(kind, "PersistentVolume") == 0)
        add_finalizer(object, "kubernetes.io/pv-protection");
    else if (strcmp(kind, "Node") == 0)
        kst_fill_absent(object, "spec.taints",
                        "[{'key':'node.kubernetes.io/not-ready','effect':'NoSchedule'}]");
}
