/* SPDX-License-Identifier: Apache-2.0 */
/* Folders of this machine as trees. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "git/tree.h"

static int failed(const char *what, const char *name, struct kst_err **err)
{
    int code = errno == EACCES || errno == EPERM ? KST_E_FORBIDDEN : KST_E_IO;
    return kst_err_set(err, code, "cannot %s '%s': %m", what, name);
}

static void dir_close(void *tree, struct kst_walk_node *node)
{
    close(node->fd);
}

static int dir_look(void *tree, const struct kst_walk_node *dir, const char *name,
                    struct kst_walk_node *out, struct kst_err **err)
{
    struct stat st;
    *out = (struct kst_walk_node){.fd = -1};
    /* O_PATH opens nothing but the name itself: no device, no FIFO, no link is touched. */
    int fd = openat(dir->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENAMETOOLONG))
        return 0;
    if (fd < 0)
        return failed("open", name, err);
    if (fstat(fd, &st) < 0) {
        int code = failed("stat", name, err);
        close(fd);
        return code;
    }
    out->fd = fd;
    if (S_ISDIR(st.st_mode))
        out->kind = KST_WALK_DIR;
    else if (S_ISREG(st.st_mode))
        out->kind = KST_WALK_FILE;
    else if (S_ISLNK(st.st_mode))
        out->kind = KST_WALK_LINK;
    else
        out->kind = KST_WALK_OTHER;
    return 0;
}

static int dir_link(void *tree, const struct kst_walk_node *node, struct kst_buf *target,
                    struct kst_err **err)
{
    char text[KST_WALK_TARGET_MAX + 1];
    ssize_t len = readlinkat(node->fd, "", text, sizeof(text));
    if (len < 0)
        return failed("read", "a symbolic link", err);
    kst_buf_add(target, text, (size_t)len);
    return kst_buf_check(target, "the target of a symbolic link", err);
}

/* A descriptor from O_PATH opened for real; it is the same file, whatever happened to its name. */
static int reopen(int fd, int flags)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, flags | O_CLOEXEC);
}

static int dir_read(void *tree, const struct kst_walk_node *node, const char *path,
                    size_t max_bytes, struct kst_buf *text, struct kst_err **err)
{
    size_t start = text->len;
    int fd = reopen(node->fd, O_RDONLY | O_NONBLOCK);
    if (fd < 0)
        return failed("open", path, err);
    int code = 0;
    for (;;) {
        char chunk[16384];
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            code = failed("read", path, err);
        if (got <= 0)
            break;
        if (text->len - start + (size_t)got > max_bytes ||
            kst_buf_add(text, chunk, (size_t)got) < 0) {
            code = kst_err_set(err, KST_E_LIMIT, "file '%s' is larger than %zu bytes", path,
                               max_bytes);
            break;
        }
    }
    close(fd);
    if (code < 0)
        kst_buf_truncate(text, start);
    return code;
}

static int dir_each(void *tree, const struct kst_walk_node *dir, kst_walk_name_fn *call, void *arg,
                    struct kst_err **err)
{
    int fd = reopen(dir->fd, O_RDONLY | O_DIRECTORY);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        int code = failed("list", "a folder", err);
        if (fd >= 0)
            close(fd);
        return code;
    }
    int code = 0;
    struct dirent *entry;
    while (code == 0 && (entry = readdir(stream))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            code = call(arg, entry->d_name, err);
    }
    closedir(stream);
    return code;
}

int kst_tree_of_dir(const char *dir, struct kst_walk *out, struct kst_err **err)
{
    static const struct kst_walk_ops ops = {
        .look = dir_look,
        .link = dir_link,
        .read = dir_read,
        .each = dir_each,
        .close = dir_close,
    };
    int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return kst_err_set(err, KST_E_NOT_FOUND, "there is no folder '%s'", dir);
    if (fd < 0 && errno == ENOTDIR)
        return kst_err_set(err, KST_E_NOT_FOUND, "'%s' is not a folder", dir);
    if (fd < 0)
        return failed("open", dir, err);
    *out = (struct kst_walk){.ops = &ops, .root = {.kind = KST_WALK_DIR, .fd = fd}};
    return 0;
}
