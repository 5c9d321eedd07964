/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/storage/storage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

enum { OPEN_FILES = 32, LINK_BYTES = 4096, BTRFS_ROOT_INODE = 256, NAME_BYTES = 200 };

static int failed(struct kst_err **err, const char *doing, const char *path)
{
    int code = errno == ENOENT ? KST_E_NOT_FOUND : errno == EEXIST ? KST_E_EXISTS : KST_E_IO;
    return kst_err_set(err, code, "%s %s: %s", doing, path, strerror(errno));
}

/* ---- Names ---- */

/* A handle comes from an object that anybody may have written: it must never lead elsewhere. */
bool kst_storage_is_name(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    if (len == 0 || len > NAME_BYTES || name[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", name[i]))
            return false;
    }
    return true;
}

int kst_storage_path(const char *directory, const char *name, char **path, struct kst_err **err)
{
    if (!kst_storage_is_name(name))
        return kst_err_set(err, KST_E_INVALID, "'%.100s' is no name of a volume or snapshot",
                           name ? name : "");
    *path = kst_asprintf("%s/%s", directory, name);
    return 0;
}

bool kst_storage_owns(const char *directory, const char *path)
{
    size_t len = strlen(directory);
    return path && strncmp(path, directory, len) == 0 && path[len] == '/' &&
           kst_storage_is_name(path + len + 1);
}

/* ---- btrfs ---- */

static bool on_btrfs(const char *path)
{
    struct statfs info;
    return statfs(path, &info) == 0 && (unsigned long)info.f_type == BTRFS_SUPER_MAGIC;
}

static bool is_subvolume(const char *path)
{
    struct stat info;
    return on_btrfs(path) && lstat(path, &info) == 0 && info.st_ino == BTRFS_ROOT_INODE;
}

/* Opens the directory that holds `path`, and gives the last part of it. */
static int open_parent(const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    kst_auto_free char *parent = slash ? kst_strndup(path, (size_t)(slash - path))
                                       : kst_strdup(".");
    *name = slash ? slash + 1 : path;
    if (strlen(*name) > BTRFS_SUBVOL_NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(*parent ? parent : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* An ioctl on the parent of `path`: 0 or -1 with errno. */
static int subvolume_ioctl(unsigned long request, const char *path, int from, uint64_t flags)
{
    const char *name;
    int parent = open_parent(path, &name);
    if (parent < 0)
        return -1;
    int rc;
    if (request == BTRFS_IOC_SNAP_CREATE_V2 || request == BTRFS_IOC_SUBVOL_CREATE_V2) {
        struct btrfs_ioctl_vol_args_v2 args = {.fd = from, .flags = flags};
        memcpy(args.name, name, strlen(name));
        rc = ioctl(parent, request, &args);
    } else {
        struct btrfs_ioctl_vol_args args = {0};
        memcpy(args.name, name, strlen(name));
        rc = ioctl(parent, request, &args);
    }
    int saved = errno;
    close(parent);
    errno = saved;
    return rc;
}

bool kst_storage_is_atomic(const char *directory)
{
    return on_btrfs(directory);
}

int kst_storage_create(const char *path, struct kst_err **err)
{
    const char *slash = strrchr(path, '/');
    kst_auto_free char *parent = kst_strndup(path, slash ? (size_t)(slash - path) : 0);
    int rc = on_btrfs(parent) ? subvolume_ioctl(BTRFS_IOC_SUBVOL_CREATE_V2, path, 0, 0)
                              : mkdir(path, 0777);
    if (rc < 0)
        return failed(err, "create volume", path);
    return chmod(path, 0777) < 0 ? failed(err, "create volume", path) : 0;
}

static int cut_subvolume(const char *from, const char *to, bool read_only, struct kst_err **err)
{
    int source = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (source < 0)
        return failed(err, "cut volume", from);
    int rc = subvolume_ioctl(BTRFS_IOC_SNAP_CREATE_V2, to, source,
                             read_only ? BTRFS_SUBVOL_RDONLY : 0);
    int saved = errno;
    close(source);
    errno = saved;
    return rc < 0 ? failed(err, "cut volume into", to) : 0;
}

/* ---- Copies ---- */

/* nftw() has no argument for its callback; each copy runs in one thread. */
static __thread struct {
    const char *from, *to;
    int64_t bytes;
} walk;

static int copy_data(int from, int to, off_t size)
{
    if (ioctl(to, FICLONE, from) == 0)
        return 0;
    char block[64 * 1024];
    for (off_t at = 0; at < size;) {
        ssize_t got = pread(from, block, sizeof(block), at);
        if (got <= 0)
            return got == 0 ? 0 : -1; /* it became shorter meanwhile */
        for (ssize_t done = 0; done < got;) {
            ssize_t put = pwrite(to, block + done, (size_t)(got - done), at + done);
            if (put < 0)
                return -1;
            done += put;
        }
        at += got;
    }
    return ftruncate(to, size);
}

static int copy_file(const char *from, const char *to, const struct stat *info)
{
    int source = open(from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int target = source < 0
                     ? -1
                     : open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, info->st_mode & 07777);
    int rc = target < 0 ? -1 : copy_data(source, target, info->st_size);
    int saved = errno;
    if (source >= 0)
        close(source);
    if (target >= 0)
        close(target);
    errno = saved;
    return rc;
}

static int copy_link(const char *from, const char *to)
{
    char target[LINK_BYTES];
    ssize_t len = readlink(from, target, sizeof(target) - 1);
    if (len < 0)
        return -1;
    target[len] = '\0';
    return symlink(target, to);
}

/* The owner before the mode: a change of the owner takes set-user-ID away. */
static int copy_attributes(const char *to, const struct stat *info)
{
    if (lchown(to, info->st_uid, info->st_gid) < 0 && errno != EPERM)
        return -1;
    const struct timespec times[2] = {info->st_atim, info->st_mtim};
    if (!S_ISLNK(info->st_mode) && chmod(to, info->st_mode & 07777) < 0)
        return -1;
    return utimensat(AT_FDCWD, to, times, AT_SYMLINK_NOFOLLOW) < 0 && errno != EPERM ? -1 : 0;
}

/* What nftw() could not look at: gone meanwhile, or a hole that the copy must not have. */
static int check_unreadable(const char *path)
{
    struct stat info;
    if (lstat(path, &info) < 0)
        return errno == ENOENT ? 0 : -1;
    errno = EACCES;
    return -1;
}

static int copy_one(const char *path, const struct stat *info, int type, struct FTW *level)
{
    kst_auto_free char *to = kst_asprintf("%s%s", walk.to, path + strlen(walk.from));
    int rc = 0;
    if (type == FTW_DNR || type == FTW_NS)
        return check_unreadable(path);
    if (S_ISDIR(info->st_mode))
        rc = mkdir(to, 0700);
    else if (S_ISLNK(info->st_mode))
        rc = copy_link(path, to);
    else if (S_ISREG(info->st_mode))
        rc = copy_file(path, to, info);
    else if (S_ISFIFO(info->st_mode))
        rc = mkfifo(to, info->st_mode & 07777);
    else
        return 0; /* sockets belong to a process, devices to a machine */
    if (rc < 0)
        return errno == ENOENT ? 0 : -1; /* it was removed meanwhile */
    return S_ISDIR(info->st_mode) ? 0 : copy_attributes(to, info);
}

/* Those of directories come last: a read-only one must be filled first, and filling sets its time.
 */
static int copy_directory(const char *path, const struct stat *info, int type, struct FTW *level)
{
    kst_auto_free char *to = kst_asprintf("%s%s", walk.to, path + strlen(walk.from));
    if (type != FTW_DP || copy_attributes(to, info) == 0)
        return 0;
    return errno == ENOENT ? 0 : -1;
}

static int cut_by_copy(const char *from, const char *to, struct kst_err **err)
{
    struct stat info;
    if (stat(from, &info) < 0)
        return failed(err, "cut volume", from);
    if (lstat(to, &info) == 0)
        return kst_err_set(err, KST_E_EXISTS, "cut volume into %s: it exists already", to);
    /* Under its own name only when it is whole: a copy that was killed must not be taken for one.
     */
    kst_auto_free char *partial = kst_asprintf("%s.partial", to);
    int rc = kst_storage_remove(partial, err);
    if (rc < 0)
        return rc;
    walk.from = from;
    walk.to = partial;
    if (nftw(from, copy_one, OPEN_FILES, FTW_PHYS) == 0 &&
        nftw(from, copy_directory, OPEN_FILES, FTW_PHYS | FTW_DEPTH) == 0 &&
        rename(partial, to) == 0)
        return 0;
    rc = failed(err, "copy volume", from);
    kst_storage_remove(partial, NULL);
    return rc;
}

int kst_storage_cut(const char *from, const char *to, bool read_only, struct kst_err **err)
{
    return is_subvolume(from) ? cut_subvolume(from, to, read_only, err)
                              : cut_by_copy(from, to, err);
}

/* Directories must be readable and writable for their content to be removed. */
static int open_up(const char *path, const struct stat *info, int type, struct FTW *level)
{
    if ((type != FTW_D && type != FTW_DNR) || (info->st_mode & 0700) == 0700)
        return 0;
    if (chmod(path, 0700) < 0)
        return 0; /* the removal says why */
    return type == FTW_DNR ? nftw(path, open_up, OPEN_FILES, FTW_PHYS) : 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *level)
{
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

static int remove_tree(const char *path)
{
    int rc = nftw(path, open_up, OPEN_FILES, FTW_PHYS);
    return rc != 0 ? rc : nftw(path, remove_one, OPEN_FILES, FTW_PHYS | FTW_DEPTH);
}

/* Who is not root may not destroy a subvolume, but empty it and remove the directory. */
static int remove_subvolume(const char *path)
{
    if (subvolume_ioctl(BTRFS_IOC_SNAP_DESTROY, path, 0, 0) == 0)
        return 0;
    if (errno != EPERM && errno != EACCES)
        return -1;
    int volume = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t writable = 0;
    int rc = volume < 0 ? -1 : ioctl(volume, BTRFS_IOC_SUBVOL_SETFLAGS, &writable);
    if (volume >= 0)
        close(volume);
    return rc < 0 ? -1 : remove_tree(path);
}

int kst_storage_remove(const char *path, struct kst_err **err)
{
    struct stat info;
    if (lstat(path, &info) < 0)
        return errno == ENOENT ? 0 : failed(err, "remove volume", path);
    int rc = is_subvolume(path) ? remove_subvolume(path) : remove_tree(path);
    return rc != 0 && errno != ENOENT ? failed(err, "remove volume", path) : 0;
}

int kst_storage_clear(const char *directory, struct kst_err **err)
{
    DIR *all = opendir(directory);
    if (!all)
        return errno == ENOENT ? 0 : failed(err, "clear", directory);
    const struct dirent *entry;
    int rc = 0;
    while ((entry = readdir(all))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        kst_auto_free char *path = kst_asprintf("%s/%s", directory, entry->d_name);
        int one = kst_storage_remove(path, rc == 0 ? err : NULL);
        rc = rc == 0 ? one : rc;
    }
    closedir(all);
    return rc;
}

static int add_size(const char *path, const struct stat *info, int type, struct FTW *level)
{
    if (S_ISREG(info->st_mode))
        walk.bytes += info->st_size;
    return 0;
}

int kst_storage_used(const char *path, int64_t *bytes, struct kst_err **err)
{
    walk.bytes = 0;
    if (nftw(path, add_size, OPEN_FILES, FTW_PHYS) != 0)
        return failed(err, "measure volume", path);
    *bytes = walk.bytes;
    return 0;
}

char *kst_storage_format_size(int64_t bytes)
{
    static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    size_t unit = 0;
    for (; bytes > 0 && bytes % 1024 == 0 && unit + 1 < KST_ARRAY_LEN(units); unit++)
        bytes /= 1024;
    return kst_asprintf("%lld%s", (long long)bytes, units[unit]);
}

/* ---- Faults ---- */

const char *kst_storage_fault(const struct kst_json *settings, const char *ns, const char *claim,
                              const char *key)
{
    kst_auto_free char *of_claim = kst_asprintf("%s.%s.%s", ns ? ns : "", claim ? claim : "", key);
    kst_auto_free char *of_namespace = kst_asprintf("%s.%s", ns ? ns : "", key);
    const char *keys[] = {of_claim, of_namespace, key}, *value = NULL;
    for (size_t i = 0; i < KST_ARRAY_LEN(keys) && !value; i++)
        value = kst_json_str(kst_json_get(settings, keys[i]));
    return value && *value && strcmp(value, "false") != 0 ? value : NULL;
}

int64_t kst_storage_fault_ms(const struct kst_json *settings, const char *ns, const char *claim,
                             const char *key)
{
    const char *value = kst_storage_fault(settings, ns, claim, key);
    long long ms = 0;
    return value && kst_parse_int(value, &ms) && ms > 0 ? ms : 0;
}
