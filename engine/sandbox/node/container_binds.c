/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "sandbox/node/container.h"
#include "sandbox/node/container_internal.h"

static bool is_inside(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 &&
           (path[len] == '\0' || path[len] == '/' || strcmp(folder, "/") == 0);
}

/* Makes the directories of a sub-path, none of which may be a link. */
static int make_folders(const char *source, const char *sub_path, struct kst_err **err)
{
    int at = open(source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = at < 0 ? errno : 0;
    struct kst_str rest = kst_str_of(sub_path), part;
    while (!error && kst_str_split(&rest, '/', &part)) {
        if (part.len == 0 || kst_str_eq(part, "."))
            continue;
        kst_auto_free char *name = kst_strndup(part.data, part.len);
        int next = -1;
        if (mkdirat(at, name, 0755) == 0 || errno == EEXIST)
            next = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        error = next < 0 ? errno : 0;
        kst_container_close(&at);
        at = next;
    }
    kst_container_close(&at);
    return error ? kst_err_set(err, KST_E_IO, "make the sub-path %s of %s: %s", sub_path, source,
                               strerror(error))
                 : 0;
}

/* The real path of a volume, or of what lies in it: a link that leads out of it is refused. */
static int find_source(const struct kst_container_mount *mount, char **out, struct kst_err **err)
{
    kst_auto_free char *source = realpath(mount->source, NULL);
    if (!source)
        return kst_err_set(err, KST_E_IO, "the volume for %s: %s: %s", mount->path, mount->source,
                           strerror(errno));
    if (!mount->sub_path || !*mount->sub_path) {
        *out = kst_take(source);
        return 0;
    }
    struct kst_str rest = kst_str_of(mount->sub_path), part;
    bool up = mount->sub_path[0] == '/';
    while (!up && kst_str_split(&rest, '/', &part))
        up = kst_str_eq(part, "..");
    if (up)
        return kst_err_set(err, KST_E_INVALID,
                           "the sub-path \"%s\" for %s is not relative, or has \"..\"",
                           mount->sub_path, mount->path);
    kst_auto_free char *path = kst_asprintf("%s/%s", source, mount->sub_path);
    kst_auto_free char *real = realpath(path, NULL);
    if (!real && errno == ENOENT) {
        int rc = make_folders(source, mount->sub_path, err);
        if (rc < 0)
            return rc;
        real = realpath(path, NULL);
    }
    if (!real)
        return kst_err_set(err, KST_E_IO, "the volume for %s: %s: %s", mount->path, path,
                           strerror(errno));
    if (!is_inside(real, source))
        return kst_err_set(err, KST_E_INVALID, "the sub-path \"%s\" for %s leads out of its volume",
                           mount->sub_path, mount->path);
    *out = kst_take(real);
    return 0;
}

char *kst_container_clean_path(const char *path)
{
    if (!path || *path != '/')
        return NULL;
    kst_auto_buf clean = KST_BUF_INIT(PATH_MAX);
    struct kst_str rest = kst_str_of(path), part;
    while (kst_str_split(&rest, '/', &part)) {
        if (kst_str_eq(part, ".."))
            return NULL;
        if (part.len == 0 || kst_str_eq(part, "."))
            continue;
        kst_buf_addc(&clean, '/');
        kst_buf_add(&clean, part.data, part.len);
    }
    return clean.overflown || clean.len == 0 ? NULL : kst_buf_take(&clean);
}

static int by_path(const void *a, const void *b)
{
    const struct kst_container_bind *left = a, *right = b;
    return strcmp(left->path, right->path);
}

int kst_container_binds_new(const struct kst_container_mount *mounts, size_t count,
                            struct kst_container_bind **out, struct kst_err **err)
{
    struct kst_container_bind *binds = kst_calloc(count + 1, sizeof(*binds));
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        binds[i].read_only = mounts[i].read_only;
        binds[i].path = kst_container_clean_path(mounts[i].path);
        if (!binds[i].path)
            rc = kst_err_set(err, KST_E_INVALID,
                             "a volume cannot be mounted at \"%s\": the path must be absolute, "
                             "without \"..\", and not \"/\"",
                             mounts[i].path ? mounts[i].path : "");
        else if (mounts[i].source)
            rc = find_source(&mounts[i], &binds[i].source, err);
    }
    if (rc < 0) {
        kst_container_binds_free(binds, count);
        return rc;
    }
    qsort(binds, count, sizeof(*binds), by_path);
    *out = binds;
    return 0;
}

void kst_container_binds_free(struct kst_container_bind *binds, size_t count)
{
    for (size_t i = 0; binds && i < count; i++) {
        free(binds[i].source);
        free(binds[i].path);
    }
    free(binds);
}
