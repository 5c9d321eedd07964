/* SPDX-License-Identifier: Apache-2.0 */
/* The volumes of a Pod as directories of this machine. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/node/internal.h"

enum { MAX_VALUE_BYTES = 4 * 1024 * 1024, DEFAULT_MODE = 0644 };

/* ---- files from objects ---- */

static int make_parents(const char *path, struct kst_err **err)
{
    kst_auto_free char *copy = kst_strdup(path);
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0755) != 0 && errno != EEXIST)
            return kst_err_set(err, KST_E_IO, "directory %s cannot be made: %s", copy,
                               strerror(errno));
        *slash = '/';
    }
    return 0;
}

static int write_file(const char *dir, const char *name, const void *data, size_t len, int mode,
                      struct kst_err **err)
{
    if (strstr(name, "..") || *name == '/')
        return kst_err_set(err, KST_E_INVALID, "'%s' is no path below a volume", name);
    kst_auto_free char *path = kst_asprintf("%s/%s", dir, name);
    int rc = make_parents(path, err);
    if (rc < 0)
        return rc;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t wrote = fd >= 0 ? write(fd, data, len) : -1;
    if (fd >= 0) {
        fchmod(fd, (mode_t)(mode & 07777));
        close(fd);
    }
    return wrote == (ssize_t)len
               ? 0
               : kst_err_set(err, KST_E_IO, "%s cannot be written: %s", path, strerror(errno));
}

/* One value of a ConfigMap (text) or Secret (base64). */
static int write_value(const char *dir, const char *name, const struct kst_json *value,
                       bool encoded, int mode, struct kst_err **err)
{
    kst_auto_buf data = KST_BUF_INIT(MAX_VALUE_BYTES);
    const char *text = kst_json_str(value) ? kst_json_str(value) : "";
    int rc = 0;
    if (encoded)
        rc = kst_base64_decode(&data, kst_str_of(text), true);
    else
        rc = kst_buf_adds(&data, text);
    if (rc < 0)
        return kst_err_set(err, KST_E_INVALID, "the value of %s cannot be read", name);
    return write_file(dir, name, data.data, data.len, mode, err);
}

/* Which keys become which files. */
static int write_items(const char *dir, const struct kst_json *volume, const struct kst_json *data,
                       bool encoded, struct kst_err **err)
{
    int mode = (int)kst_json_path_int(volume, "defaultMode", DEFAULT_MODE), rc = 0;
    const struct kst_json *items = kst_json_get(volume, "items");
    if (!items) {
        for (const struct kst_json *v = kst_json_first(data); v && rc == 0; v = kst_json_next(v))
            rc = write_value(dir, kst_json_key(v), v, encoded, mode, err);
        return rc;
    }
    for (const struct kst_json *i = kst_json_first(items); i && rc == 0; i = kst_json_next(i)) {
        const struct kst_json *value = kst_json_get(data, kst_api_text(i, "key"));
        if (value)
            rc = write_value(dir, kst_api_text(i, "path"), value, encoded,
                             (int)kst_json_path_int(i, "mode", mode), err);
    }
    return rc;
}

static int from_object(struct kst_pod *self, const char *dir, const struct kst_json *volume,
                       const char *bucket, const char *name, bool encoded, struct kst_err **err)
{
    const struct kst_object *object = kst_api_find(self->node->api, bucket, self->ns, name);
    if (!object && kst_json_path_true(volume, "optional"))
        return 0;
    if (!object)
        return kst_err_set(err, KST_E_NOT_FOUND, "%s \"%s\" not found",
                           encoded ? "secret" : "configmap", name);
    int rc = write_items(dir, volume, kst_json_get(object->json, "data"), encoded, err);
    if (rc == 0 && !encoded)
        rc = write_items(dir, volume, kst_json_get(object->json, "binaryData"), true, err);
    return rc;
}

/* ---- kinds of volumes ---- */

static int claimed(struct kst_pod *self, const char *claim_name, char **path, struct kst_err **err)
{
    const struct kst_object *claim = kst_api_find(self->node->api, "/persistentvolumeclaims",
                                                  self->ns, claim_name);
    if (!claim || strcmp(kst_api_text(claim->json, "status.phase"), "Bound") != 0)
        return kst_err_set(err, KST_E_NOT_FOUND, "persistentvolumeclaim \"%s\" is not bound",
                           claim_name);
    const char *name = kst_api_text(claim->json, "spec.volumeName");
    const struct kst_object *volume = kst_api_find(self->node->api, "/persistentvolumes", "", name);
    const char *found = volume ? kst_json_path_str(volume->json, "spec.hostPath.path") : NULL;
    if (volume && !found)
        found = kst_json_path_str(volume->json, "spec.local.path");
    if (!found)
        return kst_err_set(err, KST_E_NOT_FOUND,
                           "PersistentVolume %s has no path on this node: expected hostPath or "
                           "local",
                           name);
    *path = kst_strdup(found);
    return 0;
}

static int host_path(const struct kst_json *volume, char **path, struct kst_err **err)
{
    const char *wanted = kst_api_text(volume, "path"), *type = kst_api_text(volume, "type");
    struct stat info;
    bool make = strcmp(type, "DirectoryOrCreate") == 0;
    if (make && mkdir(wanted, 0755) != 0 && errno != EEXIST)
        return kst_err_set(err, KST_E_IO, "hostPath %s: %s", wanted, strerror(errno));
    if (*type && stat(wanted, &info) != 0)
        return kst_err_set(err, KST_E_NOT_FOUND, "hostPath type check failed: %s is not a %s",
                           wanted, type);
    *path = kst_strdup(wanted);
    return 0;
}

static int projected(struct kst_pod *self, const char *dir, const struct kst_json *sources,
                     struct kst_err **err)
{
    int rc = 0;
    for (const struct kst_json *s = kst_json_first(sources); s && rc == 0; s = kst_json_next(s)) {
        const struct kst_json *map = kst_json_get(s, "configMap"),
                              *secret = kst_json_get(s, "secret");
        if (map)
            rc = from_object(self, dir, map, "/configmaps", kst_api_text(map, "name"), false, err);
        else if (secret)
            rc = from_object(self, dir, secret, "/secrets", kst_api_text(secret, "name"), true,
                             err);
    }
    return rc;
}

static int make_volume(struct kst_pod *self, const struct kst_json *volume, char **path,
                       struct kst_err **err)
{
    const struct kst_json *map = kst_json_get(volume, "configMap"),
                          *secret = kst_json_get(volume, "secret"),
                          *host = kst_json_get(volume, "hostPath"),
                          *claim = kst_json_get(volume, "persistentVolumeClaim");
    if (claim)
        return claimed(self, kst_api_text(claim, "claimName"), path, err);
    if (host)
        return host_path(host, path, err);
    kst_auto_free char *dir = kst_asprintf("%s/volumes/%s", self->dir,
                                           kst_api_text(volume, "name"));
    kst_auto_free char *below = kst_asprintf("%s/x", dir);
    int rc = make_parents(below, err);
    if (rc < 0)
        return rc;
    if (map)
        rc = from_object(self, dir, map, "/configmaps", kst_api_text(map, "name"), false, err);
    else if (secret)
        rc = from_object(self, dir, secret, "/secrets", kst_api_text(secret, "secretName"), true,
                         err);
    else if (kst_json_get(volume, "projected"))
        rc = projected(self, dir, kst_json_path(volume, "projected.sources"), err);
    else if (kst_json_get(volume, "emptyDir"))
        chmod(dir, 0777);
    else
        rc = kst_err_set(err, KST_E_INVALID,
                         "volume %s is of a kind that the sandbox does not have",
                         kst_api_text(volume, "name"));
    if (rc == 0)
        *path = kst_take(dir);
    return rc;
}

int kst_pod_make_volumes(struct kst_pod *self, struct kst_err **err)
{
    size_t index = 0;
    const struct kst_json *volumes = kst_json_path(self->json, "spec.volumes");
    for (const struct kst_json *v = kst_json_first(volumes); v; v = kst_json_next(v), index++) {
        if (index == KST_POD_MOUNTS)
            return kst_err_set(err, KST_E_LIMIT, "more than %d volumes in a Pod", KST_POD_MOUNTS);
        if (self->paths[index])
            continue;
        int rc = make_volume(self, v, &self->paths[index], err);
        if (rc < 0)
            return kst_err_wrap(err, rc, "MountVolume.SetUp failed for volume \"%s\"",
                                kst_api_text(v, "name"));
    }
    return 0;
}

int kst_pod_mounts(struct kst_pod *self, const struct kst_json *container,
                   struct kst_container_mount *mounts, size_t *count, struct kst_err **err)
{
    const struct kst_json *wanted = kst_json_get(container, "volumeMounts");
    const struct kst_json *volumes = kst_json_path(self->json, "spec.volumes");
    for (const struct kst_json *m = kst_json_first(wanted); m; m = kst_json_next(m)) {
        size_t index = 0;
        const struct kst_json *v = kst_json_first(volumes);
        while (v && strcmp(kst_api_text(v, "name"), kst_api_text(m, "name")) != 0) {
            v = kst_json_next(v);
            index++;
        }
        if (!v || *count == KST_POD_MOUNTS)
            return kst_err_set(err, KST_E_INVALID, "there is no volume %s to mount",
                               kst_api_text(m, "name"));
        mounts[(*count)++] = (struct kst_container_mount){
            .source = self->paths[index],
            .path = kst_api_text(m, "mountPath"),
            .sub_path = kst_json_path_str(m, "subPath"),
            .read_only = kst_json_path_true(m, "readOnly"),
        };
    }
    return 0;
}
