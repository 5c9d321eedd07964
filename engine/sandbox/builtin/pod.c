/* SPDX-License-Identifier: Apache-2.0 */
/* The defaults of Pods and of templates of them (pkg/apis/core/v1/defaults.go of Kubernetes). */
#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sandbox/builtin/internal.h"
#include "sandbox/types/quantity.h"

#define DROP(path)                \
    {                             \
        path, NULL, KST_FILL_DROP \
    }

static const struct kst_fill_rule spec_rules[] = {
    {"dnsPolicy", "'ClusterFirst'", KST_FILL_ABSENT},
    {"restartPolicy", "'Always'", KST_FILL_ABSENT},
    {"securityContext", "{}", KST_FILL_ABSENT},
    {"terminationGracePeriodSeconds", "30", KST_FILL_ABSENT},
    {"schedulerName", "'default-scheduler'", KST_FILL_ABSENT},
    {"overhead", NULL, KST_FILL_RESOURCES},
    DROP("hostNetwork"),
    DROP("hostPID"),
    DROP("hostIPC"),
    DROP("nodeName"),
    DROP("nodeSelector"),
    DROP("tolerations"),
    DROP("hostAliases"),
    DROP("imagePullSecrets"),
    DROP("initContainers"),
    DROP("ephemeralContainers"),
    DROP("volumes"),
    DROP("serviceAccountName"),
    DROP("hostname"),
    DROP("subdomain"),
    DROP("priorityClassName"),
    DROP("readinessGates"),
};

static const struct kst_fill_rule volume_rules[] = {
    {"hostPath.type", "''", KST_FILL_ABSENT},
    {"emptyDir.sizeLimit", NULL, KST_FILL_QUANTITY},
    {"secret.defaultMode", "420", KST_FILL_ABSENT},
    {"configMap.defaultMode", "420", KST_FILL_ABSENT},
    {"downwardAPI.defaultMode", "420", KST_FILL_ABSENT},
    {"downwardAPI.items[].fieldRef.apiVersion", "'v1'", KST_FILL_ABSENT},
    {"downwardAPI.items[].resourceFieldRef.divisor", "'0'", KST_FILL_ABSENT},
    {"downwardAPI.items[].resourceFieldRef.divisor", NULL, KST_FILL_QUANTITY},
    {"projected.defaultMode", "420", KST_FILL_ABSENT},
    {"projected.sources[].downwardAPI.items[].fieldRef.apiVersion", "'v1'", KST_FILL_ABSENT},
    {"projected.sources[].serviceAccountToken.expirationSeconds", "3600", KST_FILL_ABSENT},
    {"iscsi.iscsiInterface", "'default'", KST_FILL_ABSENT},
    {"rbd.pool", "'rbd'", KST_FILL_ABSENT},
    {"rbd.user", "'admin'", KST_FILL_ABSENT},
    {"rbd.keyring", "'/etc/ceph/keyring'", KST_FILL_ABSENT},
    DROP("nfs.readOnly"),
    DROP("persistentVolumeClaim.readOnly"),
};

static const struct kst_fill_rule container_rules[] = {
    {"terminationMessagePath", "'/dev/termination-log'", KST_FILL_ABSENT},
    {"terminationMessagePolicy", "'File'", KST_FILL_ABSENT},
    {"resources", "{}", KST_FILL_ABSENT},
    {"resources.limits", NULL, KST_FILL_RESOURCES},
    {"resources.requests", NULL, KST_FILL_RESOURCES},
    DROP("resources.limits"),
    DROP("resources.requests"),
    {"ports[].protocol", "'TCP'", KST_FILL_ABSENT},
    DROP("ports[].name"),
    DROP("ports[].hostPort"),
    DROP("ports[].hostIP"),
    {"env[].valueFrom.fieldRef.apiVersion", "'v1'", KST_FILL_ABSENT},
    {"env[].valueFrom.resourceFieldRef.divisor", "'0'", KST_FILL_ABSENT},
    {"env[].valueFrom.resourceFieldRef.divisor", NULL, KST_FILL_QUANTITY},
    DROP("env[].value"),
    DROP("volumeMounts[].readOnly"),
    DROP("volumeMounts[].subPath"),
    DROP("volumeMounts[].subPathExpr"),
    DROP("workingDir"),
    DROP("command"),
    DROP("args"),
    DROP("env"),
    DROP("envFrom"),
    DROP("ports"),
    DROP("volumeMounts"),
    DROP("volumeDevices"),
    DROP("stdin"),
    DROP("stdinOnce"),
    DROP("tty"),
    {"lifecycle.preStop.httpGet.path", "'/'", KST_FILL_ABSENT},
    {"lifecycle.preStop.httpGet.scheme", "'HTTP'", KST_FILL_ABSENT},
    {"lifecycle.postStart.httpGet.path", "'/'", KST_FILL_ABSENT},
    {"lifecycle.postStart.httpGet.scheme", "'HTTP'", KST_FILL_ABSENT},
};

static const struct kst_fill_rule probe_rules[] = {
    {"timeoutSeconds", "1", KST_FILL_ZERO},
    {"periodSeconds", "10", KST_FILL_ZERO},
    {"successThreshold", "1", KST_FILL_ZERO},
    {"failureThreshold", "3", KST_FILL_ZERO},
    {"httpGet.path", "'/'", KST_FILL_ABSENT},
    {"httpGet.scheme", "'HTTP'", KST_FILL_ABSENT},
    DROP("initialDelaySeconds"),
};

/* Whether the image is pulled each time: its tag is latest, written or meant. A reference that is
 * none (upper case, two tags) has no tag, which is not latest. */
static bool is_latest(const char *image)
{
    const char *digest = strchr(image, '@');
    size_t len = digest ? (size_t)(digest - image) : strlen(image);
    const char *slash = memrchr(image, '/', len);
    const char *name = slash ? slash + 1 : image;
    const char *colon = memchr(name, ':', len - (size_t)(name - image));
    /* What comes before the first slash may be a host, which may have capitals. */
    const char *first = memchr(image, '/', len);
    size_t host = first ? (size_t)(first - image) : 0;
    if (host && !memchr(image, '.', host) && !memchr(image, ':', host) &&
        !(host == 9 && strncmp(image, "localhost", host) == 0))
        host = 0;
    const char *end = colon ? colon : image + len;
    for (const char *at = image + host; at < end; at++) {
        if (!islower((unsigned char)*at) && !isdigit((unsigned char)*at) && !strchr("./_-", *at))
            return false;
    }
    if (!colon)
        return !digest;
    return (size_t)(image + len - colon) == strlen(":latest") &&
           strncmp(colon, ":latest", strlen(":latest")) == 0;
}

static void container_defaults(struct kst_json *container, bool host_network)
{
    static const char *const probes[] = {"livenessProbe", "readinessProbe", "startupProbe"};
    if (kst_json_type(container) != KST_JSON_OBJECT)
        return;
    kst_fill(container, container_rules);
    kst_fill_absent(container, "imagePullPolicy",
                    is_latest(kst_fill_text(container, "image")) ? "'Always'" : "'IfNotPresent'");
    for (size_t i = 0; i < KST_ARRAY_LEN(probes); i++) {
        struct kst_json *probe = kst_fill_object(container, probes[i]);
        kst_fill(probe, probe_rules);
    }
    struct kst_json *ports = host_network ? kst_fill_array(container, "ports") : NULL;
    for (size_t i = 0; i < kst_json_len(ports); i++) {
        struct kst_json *port = kst_json_mut_at(ports, i);
        if (kst_json_get(port, "containerPort") && !kst_json_get(port, "hostPort"))
            kst_json_set(port, "hostPort", kst_json_dup(kst_json_get(port, "containerPort")));
    }
}

static const char *const container_lists[] = {"initContainers", "containers",
                                              "ephemeralContainers"};

void kst_builtin_pod_spec(struct kst_json *spec)
{
    if (kst_json_type(spec) != KST_JSON_OBJECT)
        return;
    bool host_network = kst_json_path_true(spec, "hostNetwork");
    kst_fill(spec, spec_rules);
    for (size_t i = 0; i < KST_ARRAY_LEN(container_lists); i++) {
        struct kst_json *list = kst_fill_array(spec, container_lists[i]);
        for (size_t j = 0; j < kst_json_len(list); j++)
            container_defaults(kst_json_mut_at(list, j), host_network && i < 2);
    }
    struct kst_json *volumes = kst_fill_array(spec, "volumes");
    for (size_t i = 0; i < kst_json_len(volumes); i++) {
        struct kst_json *volume = kst_json_mut_at(volumes, i);
        /* One that says nothing but its name is empty. */
        if (kst_json_len(volume) == 1 && kst_json_get(volume, "name"))
            kst_json_set(volume, "emptyDir", kst_json_object());
        kst_fill(volume, volume_rules);
        /* "" is a type that hostPath prints. */
        struct kst_json *host_path = kst_fill_object(volume, "hostPath");
        if (host_path && !kst_json_get(host_path, "type"))
            kst_json_set_str(host_path, "type", "");
    }
    /* The old name of the field is kept beside the new one. */
    if (*kst_fill_text(spec, "serviceAccountName"))
        kst_json_set(spec, "serviceAccount",
                     kst_json_dup(kst_json_get(spec, "serviceAccountName")));
    else if (*kst_fill_text(spec, "serviceAccount"))
        kst_json_set(spec, "serviceAccountName",
                     kst_json_dup(kst_json_get(spec, "serviceAccount")));
}

void kst_builtin_pod_template(struct kst_json *owner, const char *path)
{
    static const struct kst_fill_rule rules[] = {
        {"metadata", "{}", KST_FILL_ABSENT},
        {"metadata.creationTimestamp", "null", KST_FILL_ALWAYS},
        DROP("metadata.labels"),
        DROP("metadata.annotations"),
        {"spec", "{}", KST_FILL_ABSENT},
    };
    struct kst_json *template = kst_fill_object(owner, path);
    kst_fill(template, rules);
    kst_builtin_pod_spec(kst_fill_object(template, "spec"));
}

/* ---- Of Pods alone ---- */

static void requests_from_limits(struct kst_json *container)
{
    struct kst_json *resources = kst_fill_object(container, "resources");
    const struct kst_json *limits = kst_json_get(resources, "limits");
    if (kst_json_type(limits) != KST_JSON_OBJECT || kst_json_len(limits) == 0)
        return;
    kst_fill_absent(resources, "requests", "{}");
    struct kst_json *requests = kst_fill_object(resources, "requests");
    if (kst_json_type(requests) != KST_JSON_OBJECT)
        return;
    for (const struct kst_json *l = kst_json_first(limits); l; l = kst_json_next(l)) {
        if (!kst_json_get(requests, kst_json_key(l)))
            kst_json_set(requests, kst_json_key(l), kst_json_dup(l));
    }
}

struct qos {
    bool any, guaranteed;
};

static void look_at_qos(struct qos *qos, const struct kst_json *resources)
{
    static const char *const names[] = {"cpu", "memory"};
    for (size_t i = 0; i < KST_ARRAY_LEN(names); i++) {
        struct kst_quantity request = {0}, limit = {0};
        kst_quantity_read(kst_json_get(kst_json_get(resources, "requests"), names[i]), &request);
        kst_quantity_read(kst_json_get(kst_json_get(resources, "limits"), names[i]), &limit);
        qos->any = qos->any || request.nano != 0 || limit.nano != 0;
        qos->guaranteed = qos->guaranteed && limit.nano != 0 &&
                          kst_quantity_compare(&request, &limit) == 0;
    }
}

static const char *qos_class(const struct kst_json *spec)
{
    struct qos qos = {.any = false, .guaranteed = true};
    for (size_t i = 0; i < 2; i++) {
        const struct kst_json *c = kst_json_first(kst_json_get(spec, container_lists[i]));
        for (; c; c = kst_json_next(c))
            look_at_qos(&qos, kst_json_get(c, "resources"));
    }
    return !qos.any ? "BestEffort" : qos.guaranteed ? "Guaranteed" : "Burstable";
}

void kst_builtin_pod(struct kst_json *pod)
{
    struct kst_json *spec = kst_fill_object(pod, "spec");
    if (kst_json_type(spec) != KST_JSON_OBJECT)
        return;
    kst_builtin_pod_spec(spec);
    for (size_t i = 0; i < 2; i++) {
        struct kst_json *list = kst_fill_array(spec, container_lists[i]);
        for (size_t j = 0; j < kst_json_len(list); j++)
            requests_from_limits(kst_json_mut_at(list, j));
    }
    kst_fill_absent(spec, "enableServiceLinks", "true");
    kst_fill_absent(pod, "status", "{}");
    kst_fill_absent(pod, "status.phase", "'Pending'");
    struct kst_json *status = kst_fill_object(pod, "status");
    if (status && !*kst_fill_text(status, "qosClass"))
        kst_json_set_str(status, "qosClass", qos_class(spec));
}
