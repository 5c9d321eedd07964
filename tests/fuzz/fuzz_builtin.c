/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any JSON as an object of any built-in kind: the first byte chooses the kind, a second object, in
 * an array with the first, is what was there before. Nothing crashes; what cannot be decoded is
 * explained; defaults that were filled in stay as they are; complaints are complete.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/builtin/builtin.h"
#include "sandbox/types/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_BYTES = 64 * 1024 * 1024 };

static const struct {
    const char *group, *version, *kind;
} kinds[] = {
    {"", "v1", "Pod"},
    {"", "v1", "Service"},
    {"", "v1", "ConfigMap"},
    {"", "v1", "Secret"},
    {"", "v1", "PersistentVolumeClaim"},
    {"", "v1", "PersistentVolume"},
    {"", "v1", "Namespace"},
    {"", "v1", "Node"},
    {"", "v1", "Event"},
    {"", "v1", "Endpoints"},
    {"", "v1", "ResourceQuota"},
    {"", "v1", "LimitRange"},
    {"", "v1", "PodTemplate"},
    {"", "v1", "ReplicationController"},
    {"", "v1", "ServiceAccount"},
    {"apps", "v1", "Deployment"},
    {"apps", "v1", "StatefulSet"},
    {"apps", "v1", "DaemonSet"},
    {"apps", "v1", "ReplicaSet"},
    {"batch", "v1", "Job"},
    {"batch", "v1beta1", "CronJob"},
    {"autoscaling", "v1", "HorizontalPodAutoscaler"},
    {"policy", "v1beta1", "PodDisruptionBudget"},
    {"networking.k8s.io", "v1", "Ingress"},
    {"networking.k8s.io", "v1", "NetworkPolicy"},
    {"rbac.authorization.k8s.io", "v1", "Role"},
    {"rbac.authorization.k8s.io", "v1", "ClusterRole"},
    {"rbac.authorization.k8s.io", "v1", "RoleBinding"},
    {"rbac.authorization.k8s.io", "v1", "ClusterRoleBinding"},
    {"storage.k8s.io", "v1", "StorageClass"},
    {"storage.k8s.io", "v1", "VolumeAttachment"},
    {"coordination.k8s.io", "v1", "Lease"},
    {"scheduling.k8s.io", "v1", "PriorityClass"},
    {"discovery.k8s.io", "v1beta1", "EndpointSlice"},
    {"apiextensions.k8s.io", "v1", "CustomResourceDefinition"},
};

static void validate(const char *group, const char *kind, const struct kst_json *object,
                     const struct kst_json *old)
{
    kst_auto_json struct kst_json *causes = kst_json_array();
    kst_builtin_validate_meta(group, kind, object, old, causes);
    kst_builtin_validate(group, kind, object, old, causes);
    for (const struct kst_json *c = kst_json_first(causes); c; c = kst_json_next(c))
        if (!kst_json_path_str(c, "reason") || !kst_json_path_str(c, "message") ||
            !kst_json_path_str(c, "field"))
            abort();
}

static void complete(size_t at, struct kst_json *object, bool decoded)
{
    kst_builtin_default(kinds[at].group, kinds[at].version, kinds[at].kind, object);
    kst_auto_json struct kst_json *once = kst_json_dup(object);
    kst_builtin_default(kinds[at].group, kinds[at].version, kinds[at].kind, object);
    if (decoded && !kst_json_equal(once, object))
        abort();
    kst_builtin_admit(kinds[at].group, kinds[at].kind, object);
}

/* True where the object can be decoded. */
static bool decode(size_t at, struct kst_json *object)
{
    const struct kst_go_struct *type = kst_decode_type(kinds[at].group, kinds[at].version,
                                                       kinds[at].kind);
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES), why = KST_BUF_INIT(TEXT_BYTES);
    kst_json_print(object, KST_JSON_COMPACT, &text);
    if (kst_decode_syntax(text.data, text.len, &why))
        abort();
    if (!type || kst_json_type(object) != KST_JSON_OBJECT)
        return false;
    if (kst_decode(type, object))
        return true;
    kst_decode_explain(type, text.data, text.len, &why);
    if (!strstr(why.data, "error found in #"))
        abort();
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kst_auto_json struct kst_json *value = NULL;
    if (size < 2 || kst_json_parse((const char *)data + 1, size - 1, &value, NULL) < 0)
        return 0;
    size_t at = data[0] % KST_ARRAY_LEN(kinds);
    bool pair = kst_json_type(value) == KST_JSON_ARRAY && kst_json_len(value) == 2;
    kst_auto_json struct kst_json *object = kst_json_dup(pair ? kst_json_at(value, 0) : value);
    kst_auto_json struct kst_json *old = pair ? kst_json_dup(kst_json_at(value, 1)) : NULL;
    complete(at, object, decode(at, object));
    if (pair)
        complete(at, old, decode(at, old));
    validate(kinds[at].group, kinds[at].kind, object, NULL);
    validate(kinds[at].group, kinds[at].kind, object, old);
    return 0;
}
