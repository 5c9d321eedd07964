/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of Pods (pkg/apis/core/validation of Kubernetes). */
#include <ctype.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sandbox/builtin/validate.h"

#define EACH(entry, list)                                \
    const struct kst_json *entry = kst_json_first(list); \
    entry;                                               \
    entry = kst_json_next(entry)

void kst_validate_no_backsteps(const struct kst_place *place, const char *field, const char *path)
{
    for (const char *part = path; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || !part[2])) {
            kst_say_invalid_text(place, field, path, "must not contain '..'");
            return;
        }
        if (!*part)
            return;
    }
}

void kst_validate_descending(const struct kst_place *place, const char *field, const char *path)
{
    if (*path == '/')
        kst_say_invalid_text(place, field, path, "must be a relative path");
    kst_validate_no_backsteps(place, field, path);
}

static void check_mode(const struct kst_place *place, const struct kst_json *object,
                       const char *field)
{
    int64_t mode = kst_read_int(object, field);
    if (mode < 0 || mode > 0777)
        kst_say_invalid_int(place, field, mode,
                            "must be a number between 0 and 0777 (octal), both inclusive");
}

static void check_file_path(const struct kst_place *place, const char *path)
{
    if (!*path)
        kst_say_required(place, "path", "");
    kst_validate_descending(place, "path", path);
    if (strncmp(path, "..", 2) == 0 && strncmp(path, "../", 3) != 0 && path[2])
        kst_say_invalid_text(place, "path", path, "must not start with '..'");
}

static void check_items(const struct kst_place *source, const struct kst_json *list)
{
    struct kst_place items = kst_place_field(source, "items");
    int i = 0;
    for (EACH(item, list)) {
        struct kst_place at = kst_place_index(&items, i++);
        if (!*kst_read_text(item, "key"))
            kst_say_required(&at, "key", "");
        check_file_path(&at, kst_read_text(item, "path"));
        check_mode(&at, item, "mode");
    }
}

/* Where something is required to be there: its field. */
static void need(const struct kst_place *place, const struct kst_json *object, const char *field)
{
    if (!*kst_read_text(object, field))
        kst_say_required(place, field, "");
}

static void check_host_path(const struct kst_place *at, const struct kst_json *source)
{
    static const char types[] = " BlockDevice CharDevice Directory DirectoryOrCreate File "
                                "FileOrCreate Socket";
    const char *path = kst_read_text(source, "path"), *type = kst_read_text(source, "type");
    need(at, source, "path");
    if (!*path)
        return;
    kst_validate_no_backsteps(at, "path", path);
    if (*type && !kst_is_one_of(type, types))
        kst_say_unsupported(at, "type", type, types);
}

static void check_secret(const struct kst_place *at, const struct kst_json *source)
{
    need(at, source, "secretName");
    check_mode(at, source, "defaultMode");
    check_items(at, kst_json_get(source, "items"));
}

static void check_config_map(const struct kst_place *at, const struct kst_json *source)
{
    need(at, source, "name");
    check_mode(at, source, "defaultMode");
    check_items(at, kst_json_get(source, "items"));
}

static void check_nfs(const struct kst_place *at, const struct kst_json *source)
{
    const char *path = kst_read_text(source, "path");
    need(at, source, "server");
    need(at, source, "path");
    if (*path != '/')
        kst_say_invalid_text(at, "path", path, "must be an absolute path");
}

static void check_claim(const struct kst_place *at, const struct kst_json *source)
{
    need(at, source, "claimName");
}

static void check_csi(const struct kst_place *at, const struct kst_json *source)
{
    const char *driver = kst_read_text(source, "driver");
    need(at, source, "driver");
    if (strlen(driver) > 63)
        kst_say_too_long(at, "driver", 63);
    kst_auto_free char *lower = kst_strdup(driver);
    for (char *c = lower; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    kst_auto_json struct kst_json *messages = kst_text_wrong(KST_TEXT_SUBDOMAIN, lower);
    for (EACH(message, messages))
        kst_say_invalid_text(at, "driver", driver, kst_json_str(message));
}

static void check_downward_file(const struct kst_place *at, const struct kst_json *file)
{
    check_file_path(at, kst_read_text(file, "path"));
    if (!kst_has(file, "fieldRef") && !kst_has(file, "resourceFieldRef"))
        kst_say_required(at, "", "one of fieldRef and resourceFieldRef is required");
    check_mode(at, file, "mode");
}

static void check_downward(const struct kst_place *at, const struct kst_json *source)
{
    check_mode(at, source, "defaultMode");
    for (EACH(file, kst_json_get(source, "items")))
        check_downward_file(at, file);
}

static void check_token(const struct kst_place *projected, const struct kst_place *at,
                        const struct kst_json *token)
{
    int64_t seconds = kst_read_int(token, "expirationSeconds");
    if (seconds < 600)
        kst_say_invalid_int(at, "expirationSeconds", seconds,
                            "may not specify a duration less than 10 minutes");
    if (seconds > (int64_t)1 << 32)
        kst_say_invalid_int(at, "expirationSeconds", seconds,
                            "may not specify a duration larger than 2^32 seconds");
    need(projected, token, "path");
}

static void check_projection(const struct kst_place *projected, const struct kst_place *at,
                             const struct kst_json *source)
{
    static const char *const kinds[] = {"secret", "configMap", "downwardAPI",
                                        "serviceAccountToken"};
    int count = 0;
    for (size_t i = 0; i < KST_ARRAY_LEN(kinds); i++) {
        struct kst_place place = kst_place_field(at, kinds[i]);
        const struct kst_json *value = kst_json_get(source, kinds[i]);
        if (kst_json_type(value) != KST_JSON_OBJECT)
            continue;
        count++;
        if (i < 2) {
            need(&place, value, "name");
            check_items(&place, kst_json_get(value, "items"));
        } else if (i == 2) {
            for (EACH(file, kst_json_get(value, "items")))
                check_downward_file(&place, file);
        } else {
            check_token(projected, &place, value);
        }
    }
    if (count > 1)
        kst_say_forbidden(at, "", "may not specify more than 1 volume type");
}

static void check_projected(const struct kst_place *at, const struct kst_json *source)
{
    struct kst_place sources = kst_place_field(at, "sources");
    int i = 0;
    check_mode(at, source, "defaultMode");
    for (EACH(s, kst_json_get(source, "sources"))) {
        struct kst_place one = kst_place_index(&sources, i++);
        check_projection(at, &one, s);
    }
}

/* In the server's order; what has no check needs none, or is of clouds. */
static const struct {
    const char *name;
    void (*check)(const struct kst_place *at, const struct kst_json *source);
} sources[] = {
    {"emptyDir", NULL},
    {"hostPath", check_host_path},
    {"gitRepo", NULL},
    {"gcePersistentDisk", NULL},
    {"awsElasticBlockStore", NULL},
    {"secret", check_secret},
    {"nfs", check_nfs},
    {"iscsi", NULL},
    {"glusterfs", NULL},
    {"flocker", NULL},
    {"persistentVolumeClaim", check_claim},
    {"rbd", NULL},
    {"cinder", NULL},
    {"cephfs", NULL},
    {"quobyte", NULL},
    {"downwardAPI", check_downward},
    {"fc", NULL},
    {"flexVolume", NULL},
    {"configMap", check_config_map},
    {"azureFile", NULL},
    {"vsphereVolume", NULL},
    {"photonPersistentDisk", NULL},
    {"portworxVolume", NULL},
    {"azureDisk", NULL},
    {"storageos", NULL},
    {"projected", check_projected},
    {"scaleIO", NULL},
    {"csi", check_csi},
};

static void check_source(const struct kst_place *at, const struct kst_json *volume)
{
    int count = 0;
    for (size_t i = 0; i < KST_ARRAY_LEN(sources); i++) {
        struct kst_place place = kst_place_field(at, sources[i].name);
        const struct kst_json *source = kst_json_get(volume, sources[i].name);
        if (kst_json_type(source) != KST_JSON_OBJECT)
            continue;
        if (count++)
            kst_say_forbidden(&place, "", "may not specify more than 1 volume type");
        else if (sources[i].check)
            sources[i].check(&place, source);
    }
    if (!count)
        kst_say_required(at, "", "must specify a volume type");
}

struct kst_json *kst_validate_volumes(const struct kst_place *place, const struct kst_json *list)
{
    struct kst_json *good = kst_json_object();
    int i = 0;
    for (EACH(volume, list)) {
        struct kst_place at = kst_place_index(place, i++);
        const char *name = kst_read_text(volume, "name");
        size_t before = kst_json_len(place->causes);
        check_source(&at, volume);
        if (!*name)
            kst_say_required(&at, "name", "");
        else
            kst_check_text(&at, "name", KST_TEXT_LABEL, name);
        if (kst_json_get(good, name))
            kst_say_duplicate(&at, "name", name);
        if (kst_json_len(place->causes) == before)
            kst_json_set(good, name, kst_json_dup(volume));
    }
    return good;
}
