/* SPDX-License-Identifier: Apache-2.0 */
/* The defaults of every kind but Pods (pkg/apis/GROUP/VERSION/defaults.go of Kubernetes). */
#include "sandbox/builtin/builtin.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/builtin/internal.h"

#define SET(path, json)             \
    {                               \
        path, json, KST_FILL_ABSENT \
    }
#define DROP(path)                \
    {                             \
        path, NULL, KST_FILL_DROP \
    }
#define RESOURCES(path)                \
    {                                  \
        path, NULL, KST_FILL_RESOURCES \
    }
#define QUANTITY(path)                \
    {                                 \
        path, NULL, KST_FILL_QUANTITY \
    }

/* ---- Workloads ---- */

static void statefulset(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("spec.podManagementPolicy", "'OrderedReady'"),
        SET("spec.replicas", "1"),
        SET("spec.revisionHistoryLimit", "10"),
        SET("spec.updateStrategy", "{}"),
        SET("status", "{}"),
        SET("status.replicas", "0"),
    };
    static const struct kst_fill_rule claim_rules[] = {
        SET("kind", "'PersistentVolumeClaim'"),
        SET("apiVersion", "'v1'"),
        SET("metadata", "{}"),
        {"metadata.creationTimestamp", "null", KST_FILL_ALWAYS},
        SET("status", "{}"),
        SET("status.phase", "'Pending'"),
    };
    kst_fill(object, rules);
    if (!*kst_fill_text(object, "spec.updateStrategy.type")) {
        kst_fill_absent(object, "spec.updateStrategy.type", "'RollingUpdate'");
        kst_fill_absent(object, "spec.updateStrategy.rollingUpdate", "{}");
    }
    if (kst_fill_is(object, "spec.updateStrategy.type", "RollingUpdate"))
        kst_fill_absent(object, "spec.updateStrategy.rollingUpdate.partition", "0");
    if (kst_fill_object(object, "spec") && !kst_json_path(object, "spec.serviceName"))
        kst_json_set_str(kst_fill_object(object, "spec"), "serviceName", "");
    kst_builtin_pod_template(object, "spec.template");
    struct kst_json *claims = kst_fill_array(object, "spec.volumeClaimTemplates");
    for (size_t i = 0; i < kst_json_len(claims); i++) {
        struct kst_json *claim = kst_json_mut_at(claims, i);
        kst_fill(claim, claim_rules);
        kst_builtin_claim_spec(kst_fill_object(claim, "spec"));
    }
}

static void deployment(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("spec.replicas", "1"),
        SET("spec.strategy", "{}"),
        SET("spec.strategy.type", "'RollingUpdate'"),
        SET("spec.revisionHistoryLimit", "10"),
        SET("spec.progressDeadlineSeconds", "600"),
        DROP("spec.minReadySeconds"),
        DROP("spec.paused"),
        SET("status", "{}"),
    };
    static const char *const shares[] = {"maxUnavailable", "maxSurge"};
    kst_fill(object, rules);
    if (kst_fill_is(object, "spec.strategy.type", "RollingUpdate"))
        kst_fill_absent(object, "spec.strategy.rollingUpdate", "{}");
    struct kst_json *rolling = kst_fill_object(object, "spec.strategy.rollingUpdate");
    for (size_t i = 0; i < KST_ARRAY_LEN(shares); i++) {
        if (rolling && !kst_json_get(rolling, shares[i]) &&
            kst_fill_is(object, "spec.strategy.type", "RollingUpdate"))
            kst_json_set_str(rolling, shares[i], "25%");
    }
    kst_builtin_pod_template(object, "spec.template");
}

static void replicaset(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("spec.replicas", "1"),
        DROP("spec.minReadySeconds"),
        SET("status", "{}"),
        SET("status.replicas", "0"),
    };
    kst_fill(object, rules);
    kst_builtin_pod_template(object, "spec.template");
}

static void replication_controller(struct kst_json *object)
{
    replicaset(object);
    const struct kst_json *labels = kst_json_path(object, "spec.template.metadata.labels");
    struct kst_json *spec = kst_fill_object(object, "spec"),
                    *meta = kst_fill_object(object, "metadata");
    if (!labels)
        return;
    if (spec && kst_json_len(kst_json_get(spec, "selector")) == 0)
        kst_json_set(spec, "selector", kst_json_dup(labels));
    if (meta && kst_json_len(kst_json_get(meta, "labels")) == 0)
        kst_json_set(meta, "labels", kst_json_dup(labels));
}

static void daemonset(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("spec.updateStrategy", "{}"),
        SET("spec.updateStrategy.type", "'RollingUpdate'"),
        SET("spec.revisionHistoryLimit", "10"),
        SET("status", "{}"),
        SET("status.currentNumberScheduled", "0"),
        SET("status.numberMisscheduled", "0"),
        SET("status.desiredNumberScheduled", "0"),
        SET("status.numberReady", "0"),
    };
    static const struct kst_fill_rule rolling[] = {
        SET("rollingUpdate", "{}"),
        SET("rollingUpdate.maxUnavailable", "1"),
    };
    kst_fill(object, rules);
    if (kst_fill_is(object, "spec.updateStrategy.type", "RollingUpdate"))
        kst_fill(kst_fill_object(object, "spec.updateStrategy"), rolling);
    kst_builtin_pod_template(object, "spec.template");
}

static void job(struct kst_json *object)
{
    const struct kst_json *spec = kst_json_get(object, "spec");
    if (!kst_json_get(spec, "completions") && !kst_json_get(spec, "parallelism"))
        kst_fill_absent(object, "spec.completions", "1");
    static const struct kst_fill_rule rules[] = {
        SET("spec.parallelism", "1"),
        SET("spec.backoffLimit", "6"),
        SET("status", "{}"),
    };
    kst_fill(object, rules);
    kst_builtin_pod_template(object, "spec.template");
    const struct kst_json *labels = kst_json_path(object, "spec.template.metadata.labels");
    struct kst_json *meta = kst_fill_object(object, "metadata");
    if (labels && meta && kst_json_len(kst_json_get(meta, "labels")) == 0)
        kst_json_set(meta, "labels", kst_json_dup(labels));
}

static void cronjob(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("spec.concurrencyPolicy", "'Allow'"),
        SET("spec.suspend", "false"),
        SET("spec.successfulJobsHistoryLimit", "3"),
        SET("spec.failedJobsHistoryLimit", "1"),
        SET("spec.jobTemplate.metadata", "{}"),
        {"spec.jobTemplate.metadata.creationTimestamp", "null", KST_FILL_ALWAYS},
        SET("status", "{}"),
    };
    kst_fill(object, rules);
    kst_builtin_pod_template(object, "spec.jobTemplate.spec.template");
}

static void pod_template(struct kst_json *object)
{
    kst_builtin_pod_template(object, "template");
}

static void budget(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("status", "{}"),
        SET("status.disruptionsAllowed", "0"),
        SET("status.currentHealthy", "0"),
        SET("status.desiredHealthy", "0"),
        SET("status.expectedPods", "0"),
    };
    kst_fill(object, rules);
}

/* ---- HorizontalPodAutoscaler ---- */

static void scaler_behavior(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("scaleUp", "{}"),
        SET("scaleUp.stabilizationWindowSeconds", "0"),
        SET("scaleUp.selectPolicy", "'Max'"),
        SET("scaleUp.policies", "[{'type':'Pods','value':4,'periodSeconds':15},"
                                "{'type':'Percent','value':100,'periodSeconds':15}]"),
        SET("scaleDown", "{}"),
        SET("scaleDown.selectPolicy", "'Max'"),
        SET("scaleDown.policies", "[{'type':'Percent','value':100,'periodSeconds':15}]"),
    };
    kst_fill(kst_fill_object(object, "spec.behavior"), rules);
}

static void scaler(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("spec.minReplicas", "1"),
        SET("status", "{}"),
        SET("status.currentReplicas", "0"),
        SET("status.desiredReplicas", "0"),
    };
    static const struct kst_fill_rule rules_v2[] = {
        SET("status.currentMetrics", "null"),
        SET("status.conditions", "null"),
        QUANTITY("spec.metrics[].resource.target.averageValue"),
        QUANTITY("spec.metrics[].resource.targetAverageValue"),
        QUANTITY("spec.metrics[].pods.target.averageValue"),
        QUANTITY("spec.metrics[].pods.targetAverageValue"),
        QUANTITY("spec.metrics[].object.target.value"),
        QUANTITY("spec.metrics[].object.target.averageValue"),
        QUANTITY("spec.metrics[].external.target.value"),
        QUANTITY("spec.metrics[].external.target.averageValue"),
    };
    const char *version = kst_fill_text(object, "apiVersion");
    kst_fill(object, rules);
    if (strcmp(version, "autoscaling/v1") == 0) {
        kst_fill_absent(object, "spec.targetCPUUtilizationPercentage", "80");
        return;
    }
    bool first = strcmp(version, "autoscaling/v2beta1") == 0;
    if (kst_json_len(kst_json_path(object, "spec.metrics")) == 0) {
        static const struct kst_fill_rule flat = {
            "spec.metrics",
            "[{'type':'Resource','resource':{'name':'cpu','targetAverageUtilization':80}}]",
            KST_FILL_ALWAYS};
        static const struct kst_fill_rule nested = {
            "spec.metrics",
            "[{'type':'Resource','resource':{'name':'cpu',"
            "'target':{'type':'Utilization','averageUtilization':80}}}]",
            KST_FILL_ALWAYS};
        kst_fill_all(object, first ? &flat : &nested, 1);
    }
    kst_fill(object, rules_v2);
    if (!first)
        scaler_behavior(object);
}

/* ---- Services and what leads to them ---- */

static void service(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("spec.sessionAffinity", "'None'"),
        SET("spec.type", "'ClusterIP'"),
        SET("spec.ports[].protocol", "'TCP'"),
        DROP("spec.ports"),
        DROP("spec.selector"),
        SET("status", "{}"),
        SET("status.loadBalancer", "{}"),
    };
    static const struct kst_fill_rule by_client[] = {
        SET("sessionAffinityConfig", "{}"),
        SET("sessionAffinityConfig.clientIP", "{}"),
        SET("sessionAffinityConfig.clientIP.timeoutSeconds", "10800"),
    };
    struct kst_json *spec = kst_fill_object(object, "spec");
    kst_fill(object, rules);
    if (!spec)
        return;
    if (kst_fill_is(spec, "sessionAffinity", "None"))
        kst_json_remove(spec, "sessionAffinityConfig");
    else if (kst_fill_is(spec, "sessionAffinity", "ClientIP"))
        kst_fill(spec, by_client);
    struct kst_json *ports = kst_fill_array(spec, "ports");
    for (size_t i = 0; i < kst_json_len(ports); i++) {
        struct kst_json *port = kst_json_mut_at(ports, i);
        static const struct kst_fill_rule none = {"targetPort", "null", KST_FILL_ZERO};
        kst_fill_all(port, &none, 1);
        if (kst_json_type(kst_json_get(port, "targetPort")) == KST_JSON_NULL)
            kst_json_set(port, "targetPort", kst_json_dup(kst_json_get(port, "port")));
    }
    if (kst_fill_is(spec, "type", "NodePort") || kst_fill_is(spec, "type", "LoadBalancer"))
        kst_fill_absent(spec, "externalTrafficPolicy", "'Cluster'");
}

static void endpoints(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("subsets[].ports[].protocol", "'TCP'"),
        DROP("subsets"),
    };
    kst_fill(object, rules);
}

static void endpoint_slice(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("endpoints[].conditions", "{}"),
        SET("ports[].protocol", "'TCP'"),
        DROP("endpoints"), /* the type prints what is empty as null */
        DROP("ports"),
        SET("endpoints", "null"),
        SET("ports", "null"),
    };
    kst_fill(object, rules);
    struct kst_json *ports = kst_fill_array(object, "ports");
    for (size_t i = 0; i < kst_json_len(ports); i++) {
        if (kst_json_type(kst_json_at(ports, i)) == KST_JSON_OBJECT &&
            !kst_json_get(kst_json_at(ports, i), "name"))
            kst_json_set_str(kst_json_mut_at(ports, i), "name", "");
    }
}

static void ingress(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("status", "{}"),
        SET("status.loadBalancer", "{}"),
    };
    kst_fill(object, rules);
    /* In v1 the path type is required. */
    if (!kst_fill_is(object, "apiVersion", "networking.k8s.io/v1"))
        kst_fill_absent(object, "spec.rules[].http.paths[].pathType", "'ImplementationSpecific'");
}

static void network_policy(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("spec.podSelector", "{}"),
        SET("spec.ingress[].ports[].protocol", "'TCP'"),
        SET("spec.egress[].ports[].protocol", "'TCP'"),
    };
    kst_fill(object, rules);
    if (kst_json_len(kst_json_path(object, "spec.policyTypes")) > 0)
        return;
    bool egress = kst_json_len(kst_json_path(object, "spec.egress")) > 0;
    struct kst_fill_rule types = {"spec.policyTypes",
                                  egress ? "['Ingress','Egress']" : "['Ingress']", KST_FILL_ALWAYS};
    kst_fill_all(object, &types, 1);
}

/* ---- Configuration ---- */

static void config_map(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {DROP("data"), DROP("binaryData")};
    kst_fill(object, rules);
}

/* The bytes of a string: U+0000 is held as C0 80. */
static void add_bytes(struct kst_buf *out, const char *text)
{
    for (; *text; text++) {
        bool nul = (unsigned char)text[0] == 0xc0 && (unsigned char)text[1] == 0x80;
        kst_buf_addc(out, nul ? '\0' : *text);
        text += nul;
    }
}

static void secret(struct kst_json *object)
{
    enum { DATA_BYTES = 16 * 1024 * 1024 };
    static const struct kst_fill_rule rules[] = {SET("type", "'Opaque'"), DROP("data")};
    kst_auto_json struct kst_json *texts = kst_json_detach(object, "stringData");
    if (kst_json_type(texts) == KST_JSON_OBJECT && kst_json_len(texts) > 0) {
        kst_fill_absent(object, "data", "{}");
        struct kst_json *data = kst_fill_object(object, "data");
        const struct kst_json *text = kst_json_first(texts);
        for (; text && data; text = kst_json_next(text)) {
            kst_auto_buf bytes = KST_BUF_INIT(DATA_BYTES), coded = KST_BUF_INIT(2 * DATA_BYTES);
            add_bytes(&bytes, kst_json_str(text) ? kst_json_str(text) : "");
            kst_base64_encode(&coded, bytes.data, bytes.len);
            kst_json_set_str(data, kst_json_key(text), coded.data);
        }
    }
    kst_fill(object, rules);
}

static void space(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("spec", "{}"),
        SET("spec.finalizers", "['kubernetes']"),
        SET("status", "{}"),
        SET("status.phase", "'Active'"),
    };
    kst_fill(object, rules);
}

/* What is missing is taken from another list of resources of the same item. */
static void copy_missing(struct kst_json *item, const char *to, const char *from)
{
    kst_fill_absent(item, to, "{}");
    struct kst_json *target = kst_fill_object(item, to);
    const struct kst_json *entry = kst_json_first(kst_json_get(item, from));
    for (; entry && target; entry = kst_json_next(entry)) {
        if (kst_json_key(entry) && !kst_json_get(target, kst_json_key(entry)))
            kst_json_set(target, kst_json_key(entry), kst_json_dup(entry));
    }
}

static void limit_range(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        RESOURCES("max"),
        RESOURCES("min"),
        RESOURCES("default"),
        RESOURCES("defaultRequest"),
        DROP("default"),
        DROP("defaultRequest"),
        RESOURCES("maxLimitRequestRatio"),
    };
    struct kst_json *items = kst_fill_array(object, "spec.limits");
    for (size_t i = 0; i < kst_json_len(items); i++) {
        struct kst_json *item = kst_json_mut_at(items, i);
        if (kst_fill_is(item, "type", "Container")) {
            copy_missing(item, "default", "max");
            copy_missing(item, "defaultRequest", "default");
            copy_missing(item, "defaultRequest", "min");
        }
        kst_fill(item, rules);
    }
}

static void quota(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("status", "{}"),
        RESOURCES("spec.hard"),
        RESOURCES("status.hard"),
        RESOURCES("status.used"),
    };
    kst_fill(object, rules);
}

static void node(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("spec", "{}"),
        SET("status", "{}"),
        RESOURCES("status.capacity"),
        SET("status.daemonEndpoints", "{'kubeletEndpoint':{'Port':0}}"),
        SET("status.nodeInfo",
            "{'machineID':'','systemUUID':'','bootID':'','kernelVersion':'','osImage':'',"
            "'containerRuntimeVersion':'','kubeletVersion':'','kubeProxyVersion':'',"
            "'operatingSystem':'','architecture':''}"),
    };
    kst_fill(object, rules);
    const char *range = kst_fill_text(object, "spec.podCIDR");
    struct kst_json *spec = kst_fill_object(object, "spec");
    if (*range && spec && !kst_json_get(spec, "podCIDRs"))
        kst_json_push(kst_json_ensure_array(spec, "podCIDRs"), kst_json_from_str(range));
    const struct kst_json *capacity = kst_json_path(object, "status.capacity");
    struct kst_json *status = kst_fill_object(object, "status");
    if (capacity && status && !kst_json_get(status, "allocatable"))
        kst_json_set(status, "allocatable", kst_json_dup(capacity));
    static const struct kst_fill_rule allocatable = RESOURCES("status.allocatable");
    kst_fill_all(object, &allocatable, 1);
}

static void event(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("source", "{}"),      SET("firstTimestamp", "null"),   SET("lastTimestamp", "null"),
        SET("eventTime", "null"), SET("reportingComponent", "''"), SET("reportingInstance", "''"),
    };
    kst_fill(object, rules);
}

/* ---- Volumes ---- */

void kst_builtin_claim_spec(struct kst_json *spec)
{
    static const struct kst_fill_rule rules[] = {
        SET("volumeMode", "'Filesystem'"),  SET("resources", "{}"),
        SET("dataSource.apiGroup", "null"), RESOURCES("resources.requests"),
        RESOURCES("resources.limits"),
    };
    kst_fill(spec, rules);
}

static void claim(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("status", "{}"),
        SET("status.phase", "'Pending'"),
        RESOURCES("status.capacity"),
    };
    kst_fill(object, rules);
    kst_builtin_claim_spec(kst_fill_object(object, "spec"));
    /* Other sources than claims and snapshots are dropped. */
    const char *group = kst_fill_text(object, "spec.dataSource.apiGroup");
    const char *kind = kst_fill_text(object, "spec.dataSource.kind");
    bool known = (!*group && strcmp(kind, "PersistentVolumeClaim") == 0) ||
                 (strcmp(group, "snapshot.storage.k8s.io") == 0 &&
                  strcmp(kind, "VolumeSnapshot") == 0);
    if (kst_fill_object(object, "spec") && !known)
        kst_json_remove(kst_fill_object(object, "spec"), "dataSource");
}

static void volume(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("spec.persistentVolumeReclaimPolicy", "'Retain'"),
        SET("spec.volumeMode", "'Filesystem'"),
        RESOURCES("spec.capacity"),
        SET("spec.iscsi.iscsiInterface", "'default'"),
        SET("status", "{}"),
        SET("status.phase", "'Pending'"),
    };
    kst_fill(object, rules);
    struct kst_json *host_path = kst_fill_object(object, "spec.hostPath");
    if (host_path && !kst_json_get(host_path, "type"))
        kst_json_set_str(host_path, "type", "");
}

static void storage_class(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("reclaimPolicy", "'Delete'"),
        SET("volumeBindingMode", "'Immediate'"),
        DROP("parameters"),
        DROP("mountOptions"),
    };
    kst_fill(object, rules);
}

static void attachment(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("status", "{}"),
        SET("status.attached", "false"),
    };
    kst_fill(object, rules);
}

static void csi_driver(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("spec.attachRequired", "true"),
        SET("spec.podInfoOnMount", "false"),
        SET("spec.fsGroupPolicy", "'ReadWriteOnceWithFSType'"),
        DROP("spec.volumeLifecycleModes"),
        SET("spec.volumeLifecycleModes", "['Persistent']"),
    };
    kst_fill(object, rules);
}

/* ---- Access ---- */

static void role(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {{"rules", "null", KST_FILL_ZERO}};
    kst_fill(object, rules);
}

static void binding(struct kst_json *object)
{
    kst_fill_absent(object, "roleRef.apiGroup", "'rbac.authorization.k8s.io'");
    struct kst_json *subjects = kst_fill_array(object, "subjects");
    for (size_t i = 0; i < kst_json_len(subjects); i++) {
        struct kst_json *subject = kst_json_mut_at(subjects, i);
        if (kst_fill_is(subject, "kind", "User") || kst_fill_is(subject, "kind", "Group"))
            kst_fill_absent(subject, "apiGroup", "'rbac.authorization.k8s.io'");
    }
}

static void webhooks(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("webhooks[].failurePolicy", "'Fail'"),
        SET("webhooks[].matchPolicy", "'Equivalent'"),
        SET("webhooks[].namespaceSelector", "{}"),
        SET("webhooks[].objectSelector", "{}"),
        SET("webhooks[].timeoutSeconds", "10"),
        SET("webhooks[].rules[].scope", "'*'"),
        SET("webhooks[].clientConfig.service.port", "443"),
    };
    kst_fill(object, rules);
    if (kst_fill_is(object, "kind", "MutatingWebhookConfiguration"))
        kst_fill_absent(object, "webhooks[].reinvocationPolicy", "'Never'");
}

static void runtime_class(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {RESOURCES("overhead.podFixed")};
    kst_fill(object, rules);
}

static void lease(struct kst_json *object)
{
    kst_fill_absent(object, "spec", "{}");
}

static void priority_class(struct kst_json *object)
{
    static const struct kst_fill_rule rules[] = {
        SET("preemptionPolicy", "'PreemptLowerPriority'"),
        DROP("globalDefault"),
        DROP("description"),
    };
    kst_fill(object, rules);
}

static const struct {
    const char *group, *kind;
    void (*fill)(struct kst_json *object);
} kinds[] = {
    {"", "Pod", kst_builtin_pod},
    {"", "PodTemplate", pod_template},
    {"", "ReplicationController", replication_controller},
    {"", "Service", service},
    {"", "Endpoints", endpoints},
    {"", "ConfigMap", config_map},
    {"", "Secret", secret},
    {"", "Namespace", space},
    {"", "Node", node},
    {"", "Event", event},
    {"", "PersistentVolumeClaim", claim},
    {"", "PersistentVolume", volume},
    {"", "LimitRange", limit_range},
    {"", "ResourceQuota", quota},
    {"apps", "StatefulSet", statefulset},
    {"apps", "Deployment", deployment},
    {"apps", "ReplicaSet", replicaset},
    {"apps", "DaemonSet", daemonset},
    {"batch", "Job", job},
    {"batch", "CronJob", cronjob},
    {"autoscaling", "HorizontalPodAutoscaler", scaler},
    {"policy", "PodDisruptionBudget", budget},
    {"networking.k8s.io", "Ingress", ingress},
    {"extensions", "Ingress", ingress},
    {"networking.k8s.io", "NetworkPolicy", network_policy},
    {"discovery.k8s.io", "EndpointSlice", endpoint_slice},
    {"storage.k8s.io", "StorageClass", storage_class},
    {"storage.k8s.io", "VolumeAttachment", attachment},
    {"storage.k8s.io", "CSIDriver", csi_driver},
    {"rbac.authorization.k8s.io", "Role", role},
    {"rbac.authorization.k8s.io", "ClusterRole", role},
    {"rbac.authorization.k8s.io", "RoleBinding", binding},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding", binding},
    {"scheduling.k8s.io", "PriorityClass", priority_class},
    {"coordination.k8s.io", "Lease", lease},
    {"node.k8s.io", "RuntimeClass", runtime_class},
    {"admissionregistration.k8s.io", "MutatingWebhookConfiguration", webhooks},
    {"admissionregistration.k8s.io", "ValidatingWebhookConfiguration", webhooks},
};

/* Structs that an object of the kind has, whether or not a client wrote them. */
static void ensure_structs(const char *kind, struct kst_json *object)
{
    static const struct {
        const char *kinds, *paths;
    } structs[] = {
        {"Pod Service PersistentVolumeClaim PersistentVolume", "spec"},
        {"Deployment ReplicaSet StatefulSet DaemonSet Job",
         "spec spec.template spec.template.spec"},
        {"CronJob", "spec spec.jobTemplate spec.jobTemplate.spec spec.jobTemplate.spec.template "
                    "spec.jobTemplate.spec.template.spec"},
        {"PodTemplate", "template template.spec"},
        {"RoleBinding ClusterRoleBinding", "roleRef"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(structs); i++) {
        struct kst_str names = kst_str_of(structs[i].kinds), paths = kst_str_of(structs[i].paths);
        struct kst_str name, path;
        bool found = false;
        while (!found && kst_str_split(&names, ' ', &name))
            found = kst_str_eq(name, kind);
        while (found && kst_str_split(&paths, ' ', &path)) {
            kst_auto_free char *text = kst_strndup(path.data, path.len);
            kst_fill_absent(object, text, "{}");
        }
    }
}

void kst_builtin_default(const char *group, const char *version, const char *kind,
                         struct kst_json *object)
{
    static const struct kst_fill_rule metadata[] = {
        DROP("metadata.labels"),
        DROP("metadata.annotations"),
        DROP("metadata.finalizers"),
        DROP("metadata.ownerReferences"),
    };
    kst_fill_without_nulls(object);
    kst_fill(object, metadata);
    for (size_t i = 0; i < KST_ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].group, group) != 0 || strcmp(kinds[i].kind, kind) != 0)
            continue;
        ensure_structs(kind, object);
        kinds[i].fill(object);
    }
}
