/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "sandbox/storage/storage.h"

#define PREFIX "kassette-sandbox."

struct kst_place {
    char *path, *volumes;
    int lock; /* the directory, open and locked; -1: not our own */
};

static const char *temporary(void)
{
    const char *base = getenv("TMPDIR");
    return base && *base == '/' ? base : "/tmp";
}

/* Opens it locked; -1 where another lives in it, or it is no directory of ours. */
static int lock_directory(const char *path)
{
    struct stat info, now;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* Another one may have removed it between our opening and our locking it. */
    if (fd >= 0 && fstat(fd, &info) == 0 && info.st_uid == geteuid() &&
        flock(fd, LOCK_EX | LOCK_NB) == 0 && stat(path, &now) == 0 && now.st_ino == info.st_ino)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void remove_all(const char *path, const char *volumes)
{
    kst_storage_clear(volumes, NULL);
    kst_storage_remove(path, NULL);
}

/* What sandboxes that were killed have left. */
static void sweep(const char *base)
{
    DIR *directory = opendir(base);
    const struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (!kst_str_has_prefix(kst_str_of(entry->d_name), PREFIX))
            continue;
        kst_auto_free char *path = kst_asprintf("%s/%s", base, entry->d_name);
        kst_auto_free char *volumes = kst_asprintf("%s/volumes", path);
        int lock = lock_directory(path);
        if (lock < 0)
            continue;
        remove_all(path, volumes);
        close(lock);
    }
    if (directory)
        closedir(directory);
}

static int make_own(struct kst_place *self, struct kst_err **err)
{
    const char *base = temporary();
    sweep(base);
    do { /* until it is locked: a sweep may have been quicker */
        free(self->path);
        self->path = kst_asprintf("%s/" PREFIX "XXXXXX", base);
        if (!mkdtemp(self->path))
            return kst_err_set(err, KST_E_IO, "a directory in %s cannot be made: %s", base,
                               strerror(errno));
        self->lock = lock_directory(self->path);
    } while (self->lock < 0 && access(self->path, F_OK) < 0);
    if (self->lock < 0)
        return kst_err_set(err, KST_E_IO, "directory %s cannot be locked: %s", self->path,
                           strerror(errno));
    return 0;
}

static int use_given(struct kst_place *self, const char *dir, struct kst_err **err)
{
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return kst_err_set(err, KST_E_IO, "directory %s cannot be made: %s", dir, strerror(errno));
    self->path = realpath(dir, NULL);
    return self->path ? 0
                      : kst_err_set(err, KST_E_IO, "directory %s cannot be used: %s", dir,
                                    strerror(errno));
}

int kst_place_new(const char *dir, struct kst_place **out, struct kst_err **err)
{
    struct kst_place *self = kst_calloc(1, sizeof(*self));
    self->lock = -1;
    int rc = dir ? use_given(self, dir, err) : make_own(self, err);
    if (rc == 0) {
        self->volumes = kst_asprintf("%s/volumes", self->path);
        if (mkdir(self->volumes, 0711) != 0 && errno != EEXIST)
            rc = kst_err_set(err, KST_E_IO, "directory %s cannot be made: %s", self->volumes,
                             strerror(errno));
    }
    if (rc < 0) {
        kst_place_free(self);
        return rc;
    }
    *out = self;
    return 0;
}

const char *kst_place_path(const struct kst_place *self)
{
    return self->path;
}

const char *kst_place_volumes(const struct kst_place *self)
{
    return self->volumes;
}

void kst_place_free(struct kst_place *self)
{
    if (!self)
        return;
    if (self->lock >= 0) {
        if (self->volumes)
            remove_all(self->path, self->volumes);
        close(self->lock);
    }
    free(self->path);
    free(self->volumes);
    free(self);
}
