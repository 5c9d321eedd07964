/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root of a container, made in its own mount namespace. A file system in memory becomes the
 * root for a while, with the host's at /old and the new one at /new; the rest is bind mounts from
 * one to the other, and at the end /new is all there is.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "sandbox/node/container_internal.h"

#define OLD "/old"
#define NEW "/new"

enum { LINKS_MAX = 40, PATH_CAP = 64 * 1024 };

static int failed(struct kst_err **err, const char *what, const char *path)
{
    return kst_err_set(err, KST_E_IO, "%s %s: %s", what, path, strerror(errno));
}

/* What a kernel before 5.12, an unprivileged user or a wary machine refuses: no namespaces then. */
static int refused(struct kst_err **err, const char *what)
{
    return kst_err_set(err, KST_E_REFUSED, "%s: %s", what, strerror(errno));
}

static int set_flags(const char *path, unsigned flags, uint64_t set, uint64_t clear)
{
    struct mount_attr attributes = {.attr_set = set, .attr_clr = clear};
    return mount_setattr(AT_FDCWD, path, flags, &attributes, sizeof(attributes));
}

static int mount_memory(const char *path, unsigned mode, struct kst_err **err)
{
    char options[32];
    snprintf(options, sizeof(options), "mode=%o", mode & 07777);
    if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
        return failed(err, "mount memory at", path);
    return 0;
}

static int bind_at(const char *from, const char *to, struct kst_err **err)
{
    if (mount(from, to, NULL, MS_BIND | MS_REC, NULL) < 0)
        return kst_err_set(err, KST_E_IO, "bind %s: %s",
                           strncmp(to, NEW, strlen(NEW)) == 0 ? to + strlen(NEW) : to,
                           strerror(errno));
    return 0;
}

int kst_container_group_mounts(struct kst_err **err)
{
    /* What the host mounts or unmounts later is seen here, but nothing of ours is seen there. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return refused(err, "separate mounts from the host's");
    if (mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=64m") < 0)
        return refused(err, "mount memory at /dev/shm");
    if (set_flags("/dev/shm", 0, MOUNT_ATTR_NOEXEC, 0) < 0)
        return refused(err, "mount_setattr (Linux 5.12 or later is needed)");
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return refused(err, "mount /proc");
    return 0;
}

/* Whatever the host itself cannot reach (a dead network file system) is left out. */
static bool unreachable(int error)
{
    return error == EACCES || error == ENOENT || error == ENOTCONN || error == ESTALE ||
           error == EIO || error == EHOSTDOWN || error == ELOOP;
}

/* Shows the entry `name` of the working directory in `folder`. */
static int show(const char *name, const char *folder, struct kst_err **err)
{
    struct stat status;
    if (fstatat(AT_FDCWD, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return unreachable(errno) ? 0 : failed(err, "look at", name);
    kst_auto_free char *to = kst_asprintf("%s/%s", folder, name);
    if (S_ISLNK(status.st_mode)) {
        char target[PATH_MAX];
        ssize_t len = readlink(name, target, sizeof(target) - 1);
        target[len < 0 ? 0 : len] = '\0';
        return len >= 0 && symlink(target, to) < 0 ? failed(err, "make the link", to) : 0;
    }
    bool directory = S_ISDIR(status.st_mode);
    int fd = directory ? -1 : open(to, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    if (directory ? mkdir(to, 0755) < 0 : fd < 0)
        return failed(err, "make", to);
    kst_container_close(&fd);
    if (mount(name, to, NULL, MS_BIND | MS_REC, NULL) == 0)
        return 0;
    if (!unreachable(errno))
        return failed(err, "bind", to + strlen(NEW));
    if (directory)
        rmdir(to);
    else
        unlink(to);
    return 0;
}

static bool skipped(const char *name, const char *const *but)
{
    for (; but && *but; but++) {
        if (strcmp(name, *but) == 0)
            return true;
    }
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Shows the entries of the directory behind `fd` (taken) in `folder`. */
static int show_all(int fd, const char *folder, const char *const *but, struct kst_err **err)
{
    DIR *entries = fdopendir(fd);
    if (!entries || fchdir(fd) < 0)
        return failed(err, "read", folder);
    int rc = 0;
    struct dirent *entry;
    while (rc == 0 && (entry = readdir(entries))) {
        if (!skipped(entry->d_name, but))
            rc = show(entry->d_name, folder, err);
    }
    closedir(entries);
    if (chdir("/") < 0)
        return failed(err, "leave", folder);
    return rc;
}

/* Puts memory in the place of a directory that may not be written to; the same entries are seen. */
static int overlay(const char *folder, struct kst_err **err)
{
    struct stat status;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0)
        return failed(err, "read", folder + strlen(NEW));
    int rc = mount_memory(folder, status.st_mode, err);
    if (rc < 0)
        return rc;
    if (chown(folder, status.st_uid, status.st_gid) < 0)
        errno = 0; /* an owner that has no name in this user namespace */
    return show_all(fd, folder, NULL, err);
}

static int make(const char *path, const char *parent, bool directory, struct kst_err **err)
{
    for (int attempt = 0;; attempt++) {
        int fd = directory ? mkdir(path, 0755)
                           : open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
        if (fd >= 0) {
            if (!directory)
                close(fd);
            return 0;
        }
        if (errno != EROFS || attempt > 0)
            return failed(err, "make", path + strlen(NEW));
        int rc = overlay(*parent ? parent : NEW, err);
        if (rc < 0)
            return rc;
    }
}

/* The walk of place(): where it is, and what is still ahead. */
struct walk {
    struct kst_buf at;
    char *ahead;
    unsigned links;
};

static void step_up(struct walk *self)
{
    const char *slash = strrchr(self->at.data, '/');
    if (slash && slash > self->at.data)
        kst_buf_truncate(&self->at, (size_t)(slash - self->at.data));
}

static int follow(struct walk *self, const char *link, const char *rest, struct kst_err **err)
{
    char target[PATH_MAX];
    ssize_t len = readlink(link, target, sizeof(target) - 1);
    if (len < 0 || ++self->links > LINKS_MAX) {
        errno = len < 0 ? errno : ELOOP;
        return failed(err, "follow the link", link + strlen(NEW));
    }
    target[len] = '\0';
    if (target[0] == '/') {
        kst_buf_clear(&self->at);
        kst_buf_adds(&self->at, NEW);
    }
    char *ahead = kst_asprintf("%s/%s", target, rest);
    free(self->ahead);
    self->ahead = ahead;
    return 0;
}

/* Takes one part of the path: into what is there, or what is made. */
static int take_part(struct walk *self, const char *part, const char *rest, bool directory,
                     struct kst_err **err)
{
    kst_auto_free char *path = kst_asprintf("%s/%s", self->at.data, part);
    struct stat status;
    if (lstat(path, &status) == 0) {
        if (S_ISLNK(status.st_mode))
            return follow(self, path, rest, err);
    } else {
        bool last = rest[strspn(rest, "/")] == '\0';
        if (errno != ENOENT)
            return failed(err, "look at", path + strlen(NEW));
        int rc = make(path, self->at.data, directory || !last, err);
        if (rc < 0)
            return rc;
    }
    kst_buf_addf(&self->at, "/%s", part);
    char *ahead = kst_strdup(rest);
    free(self->ahead);
    self->ahead = ahead;
    return 0;
}

/* The place of a path in the new root, whose links are followed there; what is missing is made. */
static int place(const char *path, bool directory, char **out, struct kst_err **err)
{
    struct walk walk = {.at = KST_BUF_INIT(PATH_CAP), .ahead = kst_strdup(path)};
    kst_buf_adds(&walk.at, NEW);
    int rc = 0;
    while (rc == 0) {
        const char *start = walk.ahead + strspn(walk.ahead, "/");
        size_t len = strcspn(start, "/");
        if (len == 0)
            break;
        kst_auto_free char *part = kst_strndup(start, len);
        kst_auto_free char *rest = kst_strdup(start + len);
        if (strcmp(part, ".") == 0 || strcmp(part, "..") == 0) {
            if (part[1] && strcmp(walk.at.data, NEW) != 0)
                step_up(&walk);
            free(walk.ahead);
            walk.ahead = kst_strdup(rest);
        } else {
            rc = take_part(&walk, part, rest, directory, err);
        }
    }
    free(walk.ahead);
    if (rc == 0)
        *out = kst_buf_take(&walk.at);
    kst_buf_release(&walk.at);
    return rc;
}

static int make_devices(struct kst_err **err)
{
    static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
    static const char *const links[][2] = {{"pts/ptmx", "ptmx"},
                                           {"/proc/self/fd", "fd"},
                                           {"/proc/self/fd/0", "stdin"},
                                           {"/proc/self/fd/1", "stdout"},
                                           {"/proc/self/fd/2", "stderr"}};
    int rc = mount_memory(NEW "/dev", 0755, err);
    if (rc == 0 && (chdir(OLD "/dev") < 0 || mkdir(NEW "/dev/pts", 0755) < 0))
        rc = failed(err, "make", "/dev");
    for (size_t i = 0; rc == 0 && i < KST_ARRAY_LEN(nodes); i++)
        rc = show(nodes[i], NEW "/dev", err);
    if (rc == 0)
        rc = show("shm", NEW "/dev", err);
    if (rc == 0 && (chdir(NEW "/dev") < 0 || mount("devpts", "pts", "devpts", MS_NOSUID | MS_NOEXEC,
                                                   "newinstance,ptmxmode=0666,mode=620") < 0))
        rc = failed(err, "mount", "/dev/pts");
    for (size_t i = 0; rc == 0 && i < KST_ARRAY_LEN(links); i++) {
        if (symlink(links[i][0], links[i][1]) < 0)
            rc = failed(err, "make a link in", "/dev");
    }
    return rc == 0 && chdir("/") < 0 ? failed(err, "leave", "/dev") : rc;
}

/* Directories that are private to each container, where the host has them. */
static int make_private(struct kst_err **err)
{
    static const struct {
        const char *path;
        unsigned mode;
        bool always;
    } table[] = {{NEW "/tmp", 01777, true},
                 {NEW "/run", 0755, true},
                 {NEW "/var/run", 0755, false},
                 {NEW "/var/tmp", 01777, false}};
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        struct stat status;
        if (table[i].always)
            mkdir(table[i].path, 0755);
        else if (lstat(table[i].path, &status) < 0 || !S_ISDIR(status.st_mode))
            continue; /* usually a link to /run */
        int rc = mount_memory(table[i].path, table[i].mode, err);
        if (rc < 0)
            return rc;
    }
    if (mkdir(NEW "/run/lock", 01777) < 0 || chmod(NEW "/run/lock", 01777) < 0)
        return failed(err, "make", "/run/lock");
    return 0;
}

/* The host's root at /old, an empty one at /new, both in memory at /. */
static int split(struct kst_err **err)
{
    if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") < 0 ||
        mkdir("/tmp" OLD, 0755) < 0 || mkdir("/tmp" NEW, 0755) < 0 ||
        syscall(SYS_pivot_root, "/tmp", "/tmp" OLD) < 0 || chdir("/") < 0)
        return failed(err, "make", "a root of its own");
    return mount_memory(NEW, 0755, err);
}

static int show_host(struct kst_err **err)
{
    static const char *const own[] = {"dev", "proc", "run", "tmp", NULL};
    int fd = open(OLD, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed(err, "read", "the host's root");
    int rc = show_all(fd, NEW, own, err);
    if (rc < 0)
        return rc;
    if (set_flags(NEW, AT_RECURSIVE, MOUNT_ATTR_RDONLY, 0) < 0 ||
        set_flags(NEW, 0, 0, MOUNT_ATTR_RDONLY) < 0)
        return failed(err, "protect", "the host's files");
    if (mkdir(NEW "/dev", 0755) < 0 || mkdir(NEW "/proc", 0555) < 0 ||
        mount("proc", NEW "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return failed(err, "mount", "/proc");
    return 0;
}

static int mount_volume(const struct kst_container_bind *bind, struct kst_err **err)
{
    struct stat status = {.st_mode = S_IFDIR};
    kst_auto_free char *from = kst_asprintf(OLD "%s", bind->source ? bind->source : "");
    kst_auto_free char *to = NULL;
    if (bind->source && stat(from, &status) < 0)
        return failed(err, "find", bind->source);
    int rc = place(bind->path, S_ISDIR(status.st_mode), &to, err);
    if (rc == 0)
        rc = bind->source ? bind_at(from, to, err) : mount_memory(to, 0777, err);
    if (rc == 0 && bind->read_only && set_flags(to, AT_RECURSIVE, MOUNT_ATTR_RDONLY, 0) < 0)
        rc = failed(err, "make read-only", bind->path);
    return kst_err_wrap(err, rc, "mount at %s", bind->path);
}

/* Leaves nothing but /new, as /. */
static int enter(struct kst_err **err)
{
    if (umount2(OLD, MNT_DETACH) < 0 || chdir(NEW) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
        umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return failed(err, "enter", "the new root");
    return 0;
}

int kst_container_root(const struct kst_container_plan *plan, struct kst_err **err)
{
    umask(0);
    int rc = split(err);
    if (rc == 0)
        rc = show_host(err);
    if (rc == 0)
        rc = make_private(err);
    if (rc == 0)
        rc = make_devices(err);
    for (size_t i = 0; rc == 0 && i < plan->nbinds; i++)
        rc = mount_volume(&plan->binds[i], err);
    kst_auto_free char *dir = NULL;
    if (rc == 0)
        rc = place(plan->dir, true, &dir, err);
    return rc == 0 ? enter(err) : rc;
}
