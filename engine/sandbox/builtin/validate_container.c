/* SPDX-License-Identifier: Apache-2.0 */
/* Containers (pkg/apis/core/validation of Kubernetes): in its order, since errors are listed. */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/builtin/validate.h"
#include "sandbox/types/quantity.h"

#define EACH(entry, list)                                \
    const struct kst_json *entry = kst_json_first(list); \
    entry;                                               \
    entry = kst_json_next(entry)

/* ---- handlers and probes ---- */

static void check_http_get(const struct kst_place *place, const struct kst_json *get)
{
    if (!*kst_read_text(get, "path"))
        kst_say_required(place, "path", "");
    kst_check_port_or_name(place, "port", kst_json_get(get, "port"));
    const char *scheme = kst_read_text(get, "scheme");
    if (!kst_is_one_of(scheme, "HTTP HTTPS"))
        kst_say_unsupported(place, "scheme", scheme, "HTTP HTTPS");
    for (EACH(h, kst_json_get(get, "httpHeaders")))
        kst_check_text(place, "httpHeaders", KST_TEXT_HEADER, kst_read_text(h, "name"));
}

static void check_handler(const struct kst_place *place, const struct kst_json *handler)
{
    static const char *const kinds[] = {"exec", "httpGet", "tcpSocket"};
    int count = 0;
    for (size_t i = 0; i < KST_ARRAY_LEN(kinds); i++) {
        const struct kst_json *action = kst_json_get(handler, kinds[i]);
        struct kst_place at = kst_place_field(place, kinds[i]);
        if (kst_json_type(action) != KST_JSON_OBJECT)
            continue;
        if (count++)
            kst_say_forbidden(&at, "", "may not specify more than 1 handler type");
        else if (i == 0 && kst_json_len(kst_json_get(action, "command")) == 0)
            kst_say_required(&at, "command", "");
        else if (i == 1)
            check_http_get(&at, action);
        else if (i == 2)
            kst_check_port_or_name(&at, "port", kst_json_get(action, "port"));
    }
    if (!count)
        kst_say_required(place, "", "must specify a handler type");
}

static void check_probe(const struct kst_place *container, const char *name,
                        const struct kst_json *probe)
{
    static const char *const numbers[] = {"initialDelaySeconds", "timeoutSeconds", "periodSeconds",
                                          "successThreshold", "failureThreshold"};
    struct kst_place place = kst_place_field(container, name);
    if (kst_json_type(probe) != KST_JSON_OBJECT)
        return;
    check_handler(&place, probe);
    for (size_t i = 0; i < KST_ARRAY_LEN(numbers); i++)
        kst_check_not_negative(&place, probe, numbers[i]);
    int64_t threshold = kst_read_int(probe, "successThreshold");
    if (strcmp(name, "readinessProbe") != 0 && threshold != 1)
        kst_say_invalid_int(&place, "successThreshold", threshold, "must be 1");
}

static void check_lifecycle(const struct kst_place *container, const struct kst_json *lifecycle)
{
    static const char *const hooks[] = {"postStart", "preStop"};
    struct kst_place place = kst_place_field(container, "lifecycle");
    for (size_t i = 0; i < KST_ARRAY_LEN(hooks); i++) {
        struct kst_place at = kst_place_field(&place, hooks[i]);
        if (kst_has(lifecycle, hooks[i]))
            check_handler(&at, kst_json_get(lifecycle, hooks[i]));
    }
}

/* ---- ports ---- */

static bool seen(const struct kst_json *list, const char *key, const struct kst_json *end,
                 const char *text)
{
    for (EACH(e, list)) {
        if (e == end)
            return false;
        if (strcmp(kst_read_text(e, key), text) == 0)
            return true;
    }
    return false;
}

static void check_container_port(const struct kst_place *at, const struct kst_json *list,
                                 const struct kst_json *port)
{
    const char *name = kst_read_text(port, "name"), *protocol = kst_read_text(port, "protocol");
    if (*name && kst_check_text(at, "name", KST_TEXT_PORT_NAME, name) &&
        seen(list, "name", port, name))
        kst_say_duplicate(at, "name", name);
    int64_t number = kst_read_int(port, "containerPort"), host = kst_read_int(port, "hostPort");
    if (number == 0)
        kst_say_required(at, "containerPort", "");
    else
        kst_check_port(at, "containerPort", number);
    if (host != 0)
        kst_check_port(at, "hostPort", host);
    if (!*protocol)
        kst_say_required(at, "protocol", "");
    else if (!kst_is_one_of(protocol, "SCTP TCP UDP"))
        kst_say_unsupported(at, "protocol", protocol, "SCTP TCP UDP");
}

static void check_ports(const struct kst_place *container, const struct kst_json *list)
{
    struct kst_place place = kst_place_field(container, "ports");
    int i = 0;
    for (EACH(port, list)) {
        struct kst_place at = kst_place_index(&place, i++);
        check_container_port(&at, list, port);
    }
}

/* Ports of the node that two containers want. */
static void check_host_ports(const struct kst_place *place, const struct kst_json *containers,
                             const struct kst_json *only)
{
    kst_auto_json struct kst_json *taken = kst_json_object();
    int i = -1;
    for (EACH(c, containers)) {
        struct kst_place at = kst_place_index(place, only ? 0 : ++i);
        struct kst_place ports = kst_place_field(&at, "ports");
        int j = -1;
        if (only && c != only)
            continue;
        for (EACH(p, kst_json_get(c, "ports"))) {
            struct kst_place port = kst_place_index(&ports, ++j);
            int64_t number = kst_read_int(p, "hostPort");
            if (number == 0)
                continue;
            kst_auto_free char *text = kst_asprintf("%s/%s/%lld", kst_read_text(p, "protocol"),
                                                    kst_read_text(p, "hostIP"), (long long)number);
            if (kst_json_get(taken, text))
                kst_say_duplicate(&port, "hostPort", text);
            kst_json_set_bool(taken, text, true);
        }
    }
}

/* ---- environment ---- */

static void check_field_ref(const struct kst_place *place, const struct kst_json *ref)
{
    static const char fields[] = "metadata.name metadata.namespace metadata.uid spec.nodeName "
                                 "spec.serviceAccountName status.hostIP status.podIP "
                                 "status.podIPs";
    const char *path = kst_read_text(ref, "fieldPath"), *open = strchr(path, '[');
    size_t len = strlen(path);
    if (!*kst_read_text(ref, "apiVersion")) {
        kst_say_required(place, "apiVersion", "");
        return;
    }
    if (!*path) {
        kst_say_required(place, "fieldPath", "");
        return;
    }
    if (open && len > 4 && open[1] == '\'' && strcmp(path + len - 2, "']") == 0) {
        kst_auto_free char *name = kst_strndup(path, (size_t)(open - path));
        kst_auto_free char *key = kst_strndup(open + 2, strlen(open) - 4);
        if (kst_is_one_of(name, "metadata.annotations metadata.labels")) {
            kst_check_text(place, "", KST_TEXT_QUALIFIED, key);
            return;
        }
    }
    static const char others[] = "metadata.annotations metadata.labels spec.restartPolicy "
                                 "spec.schedulerName status.phase";
    if (kst_is_one_of(path, others)) {
        kst_say_unsupported(place, "fieldPath", path, fields);
    } else if (!kst_is_one_of(path, fields)) {
        kst_auto_free char *why = kst_asprintf("error converting fieldPath: field label not "
                                               "supported: %s",
                                               path);
        kst_say_invalid_text(place, "fieldPath", path, why);
    }
}

static void check_resource_ref(const struct kst_place *place, const struct kst_json *ref)
{
    static const char resources[] = "limits.cpu limits.ephemeral-storage limits.memory "
                                    "requests.cpu requests.ephemeral-storage requests.memory";
    const char *resource = kst_read_text(ref, "resource");
    if (!*resource)
        kst_say_required(place, "resource", "");
    else if (!kst_is_one_of(resource, resources))
        kst_say_unsupported(place, "resource", resource, resources);
}

static void check_key_ref(const struct kst_place *place, const struct kst_json *ref)
{
    const char *key = kst_read_text(ref, "key");
    kst_check_text(place, "name", KST_TEXT_SUBDOMAIN, kst_read_text(ref, "name"));
    if (!*key)
        kst_say_required(place, "key", "");
    else
        kst_check_text(place, "key", KST_TEXT_CONFIG_KEY, key);
}

static void check_value_from(const struct kst_place *place, const struct kst_json *variable)
{
    static const char *const kinds[] = {"fieldRef", "resourceFieldRef", "configMapKeyRef",
                                        "secretKeyRef"};
    const struct kst_json *from = kst_json_get(variable, "valueFrom");
    int count = 0;
    for (size_t i = 0; i < KST_ARRAY_LEN(kinds); i++) {
        struct kst_place at = kst_place_field(place, kinds[i]);
        const struct kst_json *ref = kst_json_get(from, kinds[i]);
        if (kst_json_type(ref) != KST_JSON_OBJECT)
            continue;
        count++;
        if (i == 0)
            check_field_ref(&at, ref);
        else if (i == 1)
            check_resource_ref(&at, ref);
        else
            check_key_ref(&at, ref);
    }
    if (!count)
        kst_say_invalid_text(place, "", "",
                             "must specify one of: `fieldRef`, `resourceFieldRef`, "
                             "`configMapKeyRef` or `secretKeyRef`");
    else if (*kst_read_text(variable, "value"))
        kst_say_invalid_text(place, "", "", "may not be specified when `value` is not empty");
    else if (count > 1)
        kst_say_invalid_text(place, "", "", "may not have more than one field specified at a time");
}

static void check_env(const struct kst_place *container, const struct kst_json *list)
{
    struct kst_place place = kst_place_field(container, "env");
    int i = 0;
    for (EACH(variable, list)) {
        struct kst_place at = kst_place_index(&place, i++);
        struct kst_place from = kst_place_field(&at, "valueFrom");
        const char *name = kst_read_text(variable, "name");
        if (!*name)
            kst_say_required(&at, "name", "");
        else
            kst_check_text(&at, "name", KST_TEXT_ENV_NAME, name);
        if (kst_has(variable, "valueFrom"))
            check_value_from(&from, variable);
    }
}

static void check_env_from(const struct kst_place *container, const struct kst_json *list)
{
    static const char *const kinds[] = {"configMapRef", "secretRef"};
    struct kst_place place = kst_place_field(container, "envFrom");
    int i = 0;
    for (EACH(source, list)) {
        struct kst_place at = kst_place_index(&place, i++);
        const char *prefix = kst_read_text(source, "prefix");
        int count = 0;
        if (*prefix)
            kst_check_text(&at, "prefix", KST_TEXT_ENV_NAME, prefix);
        for (size_t k = 0; k < KST_ARRAY_LEN(kinds); k++) {
            struct kst_place ref = kst_place_field(&at, kinds[k]);
            const struct kst_json *value = kst_json_get(source, kinds[k]);
            const char *name = kst_read_text(value, "name");
            if (kst_json_type(value) != KST_JSON_OBJECT)
                continue;
            count++;
            if (!*name)
                kst_say_required(&ref, "name", "");
            else
                kst_check_text(&ref, "name", KST_TEXT_SUBDOMAIN, name);
        }
        if (!count)
            kst_say_invalid_text(&place, "", "",
                                 "must specify one of: `configMapRef` or `secretRef`");
        else if (count > 1)
            kst_say_invalid_text(&place, "", "",
                                 "may not have more than one field specified at a time");
    }
}

/* ---- mounts and devices ---- */

static const struct kst_json *with(const struct kst_json *list, const char *key, const char *text)
{
    for (EACH(e, list))
        if (strcmp(kst_read_text(e, key), text) == 0)
            return e;
    return NULL;
}

static void check_propagation(const struct kst_place *mounts, const struct kst_json *container,
                              const struct kst_json *mount)
{
    static const char modes[] = "Bidirectional HostToContainer None";
    const char *mode = kst_read_text(mount, "mountPropagation");
    if (!kst_has(mount, "mountPropagation"))
        return;
    if (!kst_is_one_of(mode, modes))
        kst_say_unsupported(mounts, "mountPropagation", mode, modes);
    if (strcmp(mode, "Bidirectional") == 0 &&
        !kst_read_true(container, "securityContext.privileged"))
        kst_say_forbidden(mounts, "mountPropagation",
                          "Bidirectional mount propagation is available only to privileged "
                          "containers");
}

static void check_mount(const struct kst_place *mounts, const struct kst_place *at,
                        const struct kst_json *container, const struct kst_json *mount,
                        const struct kst_json *volumes)
{
    const char *name = kst_read_text(mount, "name"), *path = kst_read_text(mount, "mountPath");
    const char *sub = kst_read_text(mount, "subPath"), *expr = kst_read_text(mount, "subPathExpr");
    const struct kst_json *devices = kst_json_get(container, "volumeDevices");
    if (!*name)
        kst_say_required(at, "name", "");
    if (!kst_json_get(volumes, name))
        kst_say_not_found(at, "name", name);
    if (!*path)
        kst_say_required(at, "mountPath", "");
    if (seen(kst_json_get(container, "volumeMounts"), "mountPath", mount, path))
        kst_say_invalid_text(at, "mountPath", path, "must be unique");
    if (with(devices, "name", name))
        kst_say_invalid_text(at, "name", name, "must not already exist in volumeDevices");
    if (with(devices, "devicePath", path))
        kst_say_invalid_text(at, "mountPath", path,
                             "must not already exist as a path in volumeDevices");
    if (*sub)
        kst_validate_descending(mounts, "subPath", sub);
    if (*expr && *sub)
        kst_say_invalid_text(at, "subPathExpr", expr,
                             "subPathExpr and subPath are mutually exclusive");
    if (*expr)
        kst_validate_descending(mounts, "subPathExpr", expr);
    check_propagation(mounts, container, mount);
}

static void check_device(const struct kst_place *at, const struct kst_json *container,
                         const struct kst_json *device, const struct kst_json *volumes)
{
    const char *name = kst_read_text(device, "name"), *path = kst_read_text(device, "devicePath");
    const struct kst_json *volume = kst_json_get(volumes, name);
    const struct kst_json *mounts = kst_json_get(container, "volumeMounts");
    const struct kst_json *devices = kst_json_get(container, "volumeDevices");
    if (!*name)
        kst_say_required(at, "name", "");
    else if (seen(devices, "name", device, name))
        kst_say_invalid_text(at, "name", name, "must be unique");
    if (volume && !kst_has(volume, "persistentVolumeClaim"))
        kst_say_invalid_text(at, "name", name,
                             "can only use volume source type of PersistentVolumeClaim for block "
                             "mode");
    if (!volume)
        kst_say_not_found(at, "name", name);
    if (!*path)
        kst_say_required(at, "devicePath", "");
    if (seen(devices, "devicePath", device, path))
        kst_say_invalid_text(at, "devicePath", path, "must be unique");
    if (strstr(path, ".."))
        kst_validate_no_backsteps(at, "devicePath", path);
    if (with(mounts, "name", name))
        kst_say_invalid_text(at, "name", name, "must not already exist in volumeMounts");
    if (with(mounts, "mountPath", path))
        kst_say_invalid_text(at, "devicePath", path,
                             "must not already exist as a path in volumeMounts");
}

static void check_mounts(const struct kst_place *container, const struct kst_json *value,
                         const struct kst_json *volumes)
{
    struct kst_place mounts = kst_place_field(container, "volumeMounts");
    struct kst_place devices = kst_place_field(container, "volumeDevices");
    int i = 0;
    for (EACH(mount, kst_json_get(value, "volumeMounts"))) {
        struct kst_place at = kst_place_index(&mounts, i++);
        check_mount(&mounts, &at, value, mount, volumes);
    }
    i = 0;
    for (EACH(device, kst_json_get(value, "volumeDevices"))) {
        struct kst_place at = kst_place_index(&devices, i++);
        check_device(&at, value, device, volumes);
    }
}

/* ---- resources ---- */

static bool is_fractional(const struct kst_quantity *quantity)
{
    return quantity->nano % 1000000000 != 0;
}

void kst_validate_quantity(const struct kst_place *place, const char *resource,
                           const struct kst_json *quantity)
{
    static const char whole[] = "pods services replicationcontrollers resourcequotas secrets "
                                "configmaps persistentvolumeclaims services.nodeports "
                                "services.loadbalancers";
    struct kst_quantity value;
    if (!kst_quantity_read(quantity, &value))
        return;
    kst_auto_free char *own = NULL;
    const char *text = kst_json_str(quantity);
    if (!text)
        text = own = kst_json_text(quantity);
    if (value.nano < 0)
        kst_say_invalid_text(place, "", text, "must be greater than or equal to 0");
    bool extended = strchr(resource, '/') && !strstr(resource, "kubernetes.io/");
    if ((kst_is_one_of(resource, whole) || extended) && is_fractional(&value))
        kst_say_invalid_text(place, "", text, "must be an integer");
}

void kst_validate_resource_name(const struct kst_place *place, const char *name, bool container)
{
    static const char containers[] = "cpu memory ephemeral-storage";
    static const char standard[] =
        "cpu memory ephemeral-storage requests.cpu requests.memory requests.ephemeral-storage "
        "limits.cpu limits.memory limits.ephemeral-storage pods services replicationcontrollers "
        "resourcequotas secrets configmaps persistentvolumeclaims storage requests.storage "
        "services.nodeports services.loadbalancers";
    bool pages = strncmp(name, "hugepages-", 10) == 0 ||
                 strncmp(name, "requests.hugepages-", 19) == 0;
    if (kst_check_text(place, "", KST_TEXT_QUALIFIED, name) && !strchr(name, '/') && !pages &&
        !kst_is_one_of(name, standard))
        kst_say_invalid_text(place, "", name,
                             "must be a standard resource type or fully qualified");
    if (!container)
        return;
    if (!strchr(name, '/')) {
        if (!kst_is_one_of(name, containers) && strncmp(name, "hugepages-", 10) != 0)
            kst_say_invalid_text(place, "", name, "must be a standard resource for containers");
    } else if (!strstr(name, "kubernetes.io/") && strncmp(name, "requests.", 9) == 0) {
        kst_say_invalid_text(place, "", name, "doesn't follow extended resource name standard");
    }
}

/* Memory and CPU can be promised more than once, nothing else. */
static bool is_shared(const char *name)
{
    return !strchr(name, '/') ? strncmp(name, "hugepages-", 10) != 0
                              : strstr(name, "kubernetes.io/") != NULL;
}

static void check_request(const struct kst_place *place, const struct kst_json *request,
                          const struct kst_json *limit)
{
    const char *name = kst_json_key(request);
    struct kst_quantity asked, most;
    if (!limit) {
        if (!is_shared(name))
            kst_say_required(place, "limits", "Limit must be set for non overcommitable resources");
        return;
    }
    if (!kst_quantity_read(request, &asked) || !kst_quantity_read(limit, &most))
        return;
    int order = kst_quantity_compare(&asked, &most);
    kst_auto_free char *own = kst_json_str(request) ? NULL : kst_json_text(request);
    kst_auto_free char *shown = kst_shown_text(own ? own : kst_json_str(request));
    if (order != 0 && !is_shared(name))
        kst_say_invalid(place, "requests", shown, "must be equal to %s limit", name);
    else if (order > 0)
        kst_say_invalid(place, "requests", shown, "must be less than or equal to %s limit", name);
}

void kst_validate_resources(const struct kst_place *place, const struct kst_json *resources)
{
    const struct kst_json *limits = kst_json_get(resources, "limits");
    const struct kst_json *requests = kst_json_get(resources, "requests");
    struct kst_place limit = kst_place_field(place, "limits");
    struct kst_place request = kst_place_field(place, "requests");
    bool basic = false, pages = false;
    for (EACH(l, kst_map(limits))) {
        struct kst_place at = kst_place_key(&limit, kst_json_key(l));
        kst_validate_resource_name(&at, kst_json_key(l), true);
        kst_validate_quantity(&at, kst_json_key(l), l);
        basic = basic || kst_is_one_of(kst_json_key(l), "cpu memory");
        pages = pages || strncmp(kst_json_key(l), "hugepages-", 10) == 0;
    }
    for (EACH(r, kst_map(requests))) {
        struct kst_place at = kst_place_key(&request, kst_json_key(r));
        kst_validate_resource_name(&at, kst_json_key(r), true);
        kst_validate_quantity(&at, kst_json_key(r), r);
        check_request(place, r, kst_json_get(limits, kst_json_key(r)));
        basic = basic || kst_is_one_of(kst_json_key(r), "cpu memory");
        pages = pages || strncmp(kst_json_key(r), "hugepages-", 10) == 0;
    }
    if (pages && !basic)
        kst_say_forbidden(place, "", "HugePages require cpu or memory");
}

/* ---- the container ---- */

static void check_security(const struct kst_place *container, const struct kst_json *context)
{
    static const char *const ids[] = {"runAsUser", "runAsGroup"};
    struct kst_place place = kst_place_field(container, "securityContext");
    for (size_t i = 0; i < KST_ARRAY_LEN(ids); i++) {
        int64_t id = kst_read_int(context, ids[i]);
        if (id < 0 || id > INT32_MAX)
            kst_say_invalid_int(&place, ids[i], id, "must be between 0 and 2147483647, inclusive");
    }
    kst_auto_free char *shown = kst_json_text(context);
    const struct kst_json *escalation = kst_json_get(context, "allowPrivilegeEscalation");
    if (kst_json_type(escalation) != KST_JSON_BOOL || kst_json_true(escalation))
        return;
    if (kst_read_true(context, "privileged"))
        kst_say_invalid(&place, "", shown,
                        "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    for (EACH(c, kst_json_path(context, "capabilities.add")))
        if (kst_json_str(c) && strcmp(kst_json_str(c), "CAP_SYS_ADMIN") == 0)
            kst_say_invalid(&place, "", shown,
                            "cannot set `allowPrivilegeEscalation` to false and "
                            "`capabilities.Add` CAP_SYS_ADMIN");
}

static void check_policies(const struct kst_place *at, const struct kst_json *container)
{
    static const char policies[] = "Always IfNotPresent Never";
    const char *pull = kst_read_text(container, "imagePullPolicy");
    if (!*pull)
        kst_say_required(at, "imagePullPolicy", "");
    else if (!kst_is_one_of(pull, policies))
        kst_say_unsupported(at, "imagePullPolicy", pull, policies);
}

static void check_message_policy(const struct kst_place *at, const struct kst_json *container)
{
    static const char expected[] = "must be 'File' or 'FallbackToLogsOnError'";
    const char *policy = kst_read_text(container, "terminationMessagePolicy");
    if (!*policy)
        kst_say_required(at, "terminationMessagePolicy", expected);
    else if (!kst_is_one_of(policy, "File FallbackToLogsOnError"))
        kst_say_invalid_text(at, "terminationMessagePolicy", policy, expected);
}

static void check_container(const struct kst_place *at, const struct kst_json *list,
                            const struct kst_json *container, const struct kst_json *volumes)
{
    const char *name = kst_read_text(container, "name");
    struct kst_place resources = kst_place_field(at, "resources");
    if (!*name)
        kst_say_required(at, "name", "");
    else
        kst_check_text(at, "name", KST_TEXT_LABEL, name);
    if (seen(list, "name", container, name))
        kst_say_duplicate(at, "name", name);
    if (!*kst_read_text(container, "image"))
        kst_say_required(at, "image", "");
    check_lifecycle(at, kst_json_get(container, "lifecycle"));
    check_probe(at, "livenessProbe", kst_json_get(container, "livenessProbe"));
    check_probe(at, "startupProbe", kst_json_get(container, "startupProbe"));
    check_message_policy(at, container);
    check_probe(at, "readinessProbe", kst_json_get(container, "readinessProbe"));
    check_ports(at, kst_json_get(container, "ports"));
    check_env(at, kst_json_get(container, "env"));
    check_env_from(at, kst_json_get(container, "envFrom"));
    check_mounts(at, container, volumes);
    check_policies(at, container);
    kst_validate_resources(&resources, kst_json_get(container, "resources"));
    check_security(at, kst_json_get(container, "securityContext"));
}

/* What an init container may not have. */
static void check_init(const struct kst_place *at, const struct kst_json *spec,
                       const struct kst_json *list, const struct kst_json *container)
{
    static const char *const none[] = {"lifecycle", "livenessProbe", "readinessProbe",
                                       "startupProbe"};
    const char *name = kst_read_text(container, "name");
    if (with(kst_json_get(spec, "containers"), "name", name) || seen(list, "name", container, name))
        kst_say_duplicate(at, "name", name);
    for (size_t i = 0; i < KST_ARRAY_LEN(none); i++) {
        kst_auto_free char *shown = kst_json_text(kst_json_get(container, none[i]));
        if (kst_has(container, none[i]))
            kst_say_invalid(at, none[i], shown, "must not be set for init containers");
    }
}

void kst_validate_containers(const struct kst_place *place, const struct kst_json *spec, bool init,
                             const struct kst_json *volumes)
{
    const struct kst_json *list = kst_json_get(spec, init ? "initContainers" : "containers");
    if (!init && kst_json_len(list) == 0) {
        kst_say_required(place, "", "");
        return;
    }
    int i = 0;
    for (EACH(c, list)) {
        struct kst_place at = kst_place_index(place, i++);
        check_container(&at, list, c, volumes);
    }
    if (!init) {
        check_host_ports(place, list, NULL);
        return;
    }
    for (EACH(c, list))
        check_host_ports(place, list, c);
    i = 0;
    for (EACH(c, list)) {
        struct kst_place at = kst_place_index(place, i++);
        check_init(&at, spec, list, c);
    }
}
