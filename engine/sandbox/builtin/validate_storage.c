/* SPDX-License-Identifier: Apache-2.0 */
/* Claims, volumes and their classes (pkg/apis/{core,storage}/validation). */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sandbox/builtin/validate.h"
#include "sandbox/types/quantity.h"

#define EACH(entry, list)                                \
    const struct kst_json *entry = kst_json_first(list); \
    entry;                                               \
    entry = kst_json_next(entry)

#define ACCESS_MODES "ReadOnlyMany ReadWriteMany ReadWriteOnce"
#define VOLUME_MODES "Block Filesystem"

static void check_modes(const struct kst_place *spec, const struct kst_json *value,
                        const char *detail)
{
    const struct kst_json *list = kst_json_get(value, "accessModes");
    if (kst_json_len(list) == 0)
        kst_say_required(spec, "accessModes", detail);
    for (EACH(mode, list)) {
        const char *text = kst_json_str(mode) ? kst_json_str(mode) : "";
        if (!kst_is_one_of(text, ACCESS_MODES))
            kst_say_unsupported(spec, "accessModes", text, ACCESS_MODES);
    }
}

static void check_positive(const struct kst_place *at, const struct kst_json *quantity)
{
    struct kst_quantity value;
    kst_auto_free char *own = kst_json_str(quantity) ? NULL : kst_json_text(quantity);
    if (kst_quantity_read(quantity, &value) && value.nano <= 0)
        kst_say_invalid_text(at, "", own ? own : kst_json_str(quantity),
                             "must be greater than zero");
}

static void check_class_and_mode(const struct kst_place *spec, const struct kst_json *value)
{
    const char *class = kst_read_text(value, "storageClassName");
    const char *mode = kst_read_text(value, "volumeMode");
    if (*class)
        kst_check_text(spec, "storageClassName", KST_TEXT_SUBDOMAIN, class);
    if (kst_has(value, "volumeMode") && !kst_is_one_of(mode, VOLUME_MODES))
        kst_say_unsupported(spec, "volumeMode", mode, VOLUME_MODES);
}

/* ---- claims ---- */

static void check_data_source(const struct kst_place *spec, const struct kst_json *source)
{
    const char *kind = kst_read_text(source, "kind");
    if (!*kst_read_text(source, "name"))
        kst_say_required(spec, "dataSource.name", "");
    if (!*kind)
        kst_say_required(spec, "dataSource.kind", "");
    if (!*kst_read_text(source, "apiGroup") && strcmp(kind, "PersistentVolumeClaim") != 0)
        kst_say_invalid_text(spec, "dataSource", kind, "");
}

static void check_claim_spec(const struct kst_place *spec, const struct kst_json *value)
{
    struct kst_place selector = kst_place_field(spec, "selector");
    struct kst_place resources = kst_place_field(spec, "resources");
    struct kst_place storage = kst_place_key(&resources, "storage");
    const struct kst_json *size = kst_json_path(value, "resources.requests.storage");
    const struct kst_json *modes = kst_json_get(value, "accessModes");
    if (kst_json_len(modes) == 0)
        kst_say_required(spec, "accessModes", "at least 1 access mode is required");
    kst_check_selector(&selector, kst_json_get(value, "selector"));
    if (kst_json_len(modes) > 0)
        check_modes(spec, value, "");
    if (size)
        check_positive(&storage, size);
    else
        kst_say_required(&storage, "", "");
    check_class_and_mode(spec, value);
    if (kst_has(value, "dataSource"))
        check_data_source(spec, kst_json_get(value, "dataSource"));
}

static bool is_less(const struct kst_json *a, const struct kst_json *b)
{
    struct kst_quantity x, y;
    return kst_quantity_read(a, &x) && kst_quantity_read(b, &y) && kst_quantity_compare(&x, &y) < 0;
}

static void check_claim_update(const struct kst_place *spec, const struct kst_json *claim,
                               const struct kst_json *old)
{
    static const char size[] = "spec.resources.requests.storage";
    kst_auto_json struct kst_json *now = kst_copy_object(kst_json_get(claim, "spec"));
    kst_auto_json struct kst_json *before = kst_copy_object(kst_json_get(old, "spec"));
    /* The volume is named once; a claim that is bound may grow. */
    if (!*kst_read_text(before, "volumeName"))
        kst_json_remove(now, "volumeName");
    if (strcmp(kst_read_text(claim, "status.phase"), "Bound") == 0 &&
        kst_json_path(now, "resources.requests.storage") && kst_json_path(old, size))
        kst_json_set(kst_json_mut(kst_json_mut(now, "resources"), "requests"), "storage",
                     kst_json_dup(kst_json_path(old, size)));
    if (!kst_same_value(now, before))
        kst_say_forbidden(spec, "",
                          "spec is immutable after creation except resources.requests for bound "
                          "claims\n");
    if (is_less(kst_json_path(claim, size), kst_json_path(old, size)))
        kst_say_forbidden(spec, "resources.requests.storage",
                          "field can not be less than previous value");
}

void kst_validate_claim(const struct kst_place *top, const struct kst_json *object,
                        const struct kst_json *old)
{
    struct kst_place spec = kst_place_field(top, "spec");
    check_claim_spec(&spec, kst_json_get(object, "spec"));
    if (old)
        check_claim_update(&spec, object, old);
}

/* ---- volumes ---- */

/* What a volume can be made of. */
static const char *const sources[] = {"hostPath",
                                      "gcePersistentDisk",
                                      "awsElasticBlockStore",
                                      "glusterfs",
                                      "flocker",
                                      "nfs",
                                      "rbd",
                                      "quobyte",
                                      "cephfs",
                                      "iscsi",
                                      "cinder",
                                      "fc",
                                      "flexVolume",
                                      "azureFile",
                                      "vsphereVolume",
                                      "photonPersistentDisk",
                                      "portworxVolume",
                                      "azureDisk",
                                      "scaleIO",
                                      "local",
                                      "storageos",
                                      "csi"};

static void check_source(const struct kst_place *at, const char *name,
                         const struct kst_json *source)
{
    static const struct {
        const char *name, *needed;
    } fields[] = {{"hostPath", "path"}, {"nfs", "server"}, {"nfs", "path"},
                  {"csi", "driver"},    {"local", "path"}, {"csi", "volumeHandle"}};
    for (size_t i = 0; i < KST_ARRAY_LEN(fields); i++) {
        if (strcmp(fields[i].name, name) != 0)
            continue;
        if (!*kst_read_text(source, fields[i].needed))
            kst_say_required(at, fields[i].needed, "");
        if (strcmp(fields[i].needed, "driver") == 0)
            kst_check_text(at, "driver", KST_TEXT_SUBDOMAIN, kst_read_text(source, "driver"));
    }
    if (kst_is_one_of(name, "hostPath local"))
        kst_validate_no_backsteps(at, "path", kst_read_text(source, "path"));
    if (strcmp(name, "nfs") == 0 && *kst_read_text(source, "path") != '/')
        kst_say_invalid_text(at, "path", kst_read_text(source, "path"), "must be an absolute path");
}

static void check_sources(const struct kst_place *spec, const struct kst_json *value)
{
    int count = 0;
    for (size_t i = 0; i < KST_ARRAY_LEN(sources); i++) {
        struct kst_place at = kst_place_field(spec, sources[i]);
        const struct kst_json *source = kst_json_get(value, sources[i]);
        if (kst_json_type(source) != KST_JSON_OBJECT)
            continue;
        if (count++)
            kst_say_forbidden(&at, "", "may not specify more than 1 volume type");
        else
            check_source(&at, sources[i], source);
    }
    if (kst_has(value, "local") && !kst_has(value, "nodeAffinity"))
        kst_say_required(spec, "nodeAffinity", "Local volume requires node affinity");
    if (!count)
        kst_say_required(spec, "", "must specify a volume type");
}

static void check_capacity(const struct kst_place *spec, const struct kst_json *capacity)
{
    struct kst_place place = kst_place_field(spec, "capacity");
    if (kst_json_len(capacity) == 0)
        kst_say_required(&place, "", "");
    if (!kst_json_get(capacity, "storage") || kst_json_len(capacity) > 1) {
        kst_auto_free char *shown = kst_json_len(capacity)
                                        ? kst_json_text(capacity)
                                        : kst_asprintf("core.ResourceList%s",
                                                       kst_map(capacity) ? "{}" : "(nil)");
        kst_say_unsupported_value(&place, "", shown, "storage");
    }
    for (EACH(quantity, kst_map(capacity))) {
        struct kst_place at = kst_place_key(&place, kst_json_key(quantity));
        check_positive(&at, quantity);
    }
}

static void check_volume_update(const struct kst_json *value, const struct kst_json *old,
                                const struct kst_place *top)
{
    struct kst_place spec = kst_place_field(top, "spec");
    for (size_t i = 0; i < KST_ARRAY_LEN(sources); i++) {
        if (kst_same_value(kst_json_get(value, sources[i]), kst_json_get(old, sources[i])) &&
            kst_has(value, sources[i]) == kst_has(old, sources[i]))
            continue;
        kst_say_forbidden(&spec, "persistentvolumesource",
                          "spec.persistentvolumesource is immutable after creation\n");
        break;
    }
    kst_auto_free char *mode = kst_shown_text(kst_read_text(value, "volumeMode"));
    kst_check_immutable(top, "volumeMode", kst_json_get(value, "volumeMode"),
                        kst_json_get(old, "volumeMode"), mode);
    kst_auto_free char *affinity = kst_json_text(kst_json_get(value, "nodeAffinity"));
    if (kst_has(old, "nodeAffinity"))
        kst_check_immutable(top, "nodeAffinity", kst_json_get(value, "nodeAffinity"),
                            kst_json_get(old, "nodeAffinity"), affinity);
}

void kst_validate_volume(const struct kst_place *top, const struct kst_json *object,
                         const struct kst_json *old)
{
    static const char policies[] = "Delete Recycle Retain";
    struct kst_place spec = kst_place_field(top, "spec");
    struct kst_place affinity = kst_place_field(&spec, "nodeAffinity");
    struct kst_place required = kst_place_field(&affinity, "required");
    const struct kst_json *value = kst_json_get(object, "spec");
    const char *policy = kst_read_text(value, "persistentVolumeReclaimPolicy");
    check_modes(&spec, value, "");
    check_capacity(&spec, kst_json_get(value, "capacity"));
    if (*policy && !kst_is_one_of(policy, policies))
        kst_say_unsupported(&spec, "persistentVolumeReclaimPolicy", policy, policies);
    if (kst_has(value, "nodeAffinity.required"))
        kst_validate_node_selector(&required, kst_json_path(value, "nodeAffinity.required"));
    else if (kst_has(value, "nodeAffinity"))
        kst_say_required(&required, "", "must specify required node constraints");
    check_sources(&spec, value);
    check_class_and_mode(&spec, value);
    if (old)
        check_volume_update(value, kst_json_get(old, "spec"), top);
}

/* ---- classes ---- */

static void check_provisioner(const struct kst_place *top, const char *provisioner)
{
    kst_auto_free char *lower = kst_strdup(provisioner);
    for (char *c = lower; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (!*provisioner) {
        kst_say_required(top, "provisioner", "");
        return;
    }
    kst_auto_json struct kst_json *messages = kst_text_wrong(KST_TEXT_QUALIFIED, lower);
    for (EACH(message, messages))
        kst_say_invalid_text(top, "provisioner", provisioner, kst_json_str(message));
}

static void check_class_update(const struct kst_place *top, const struct kst_json *class,
                               const struct kst_json *old)
{
    static const char *const fixed[] = {"parameters", "provisioner", "reclaimPolicy"};
    static const char mode[] = "volumeBindingMode";
    for (size_t i = 0; i < KST_ARRAY_LEN(fixed); i++)
        if (!kst_same_value(kst_json_get(class, fixed[i]), kst_json_get(old, fixed[i])))
            kst_say_forbidden(top, fixed[i], "updates to %s are forbidden.", fixed[i]);
    kst_auto_free char *shown = kst_shown_text(kst_read_text(class, mode));
    kst_check_immutable(top, mode, kst_json_get(class, mode), kst_json_get(old, mode), shown);
}

void kst_validate_storage_class(const struct kst_place *top, const struct kst_json *object,
                                const struct kst_json *old)
{
    static const char modes[] = "Immediate WaitForFirstConsumer";
    const char *policy = kst_read_text(object, "reclaimPolicy");
    const char *mode = kst_read_text(object, "volumeBindingMode");
    if (old) {
        check_class_update(top, object, old);
        return;
    }
    check_provisioner(top, kst_read_text(object, "provisioner"));
    if (*policy && !kst_is_one_of(policy, "Delete Retain"))
        kst_say_unsupported(top, "reclaimPolicy", policy, "Delete Retain");
    if (!*mode)
        kst_say_required(top, "volumeBindingMode", "");
    else if (!kst_is_one_of(mode, modes))
        kst_say_unsupported(top, "volumeBindingMode", mode, modes);
}
