/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths inside of a source, and the walk along them. The walk never lets the backend interpret
 * more than one plain name at a time: "..", symbolic links and the root are handled here, once,
 * for Git trees, folders and tables alike. Internal to this layer.
 */
#ifndef KST_GIT_WALK_H
#define KST_GIT_WALK_H

#include <stdbool.h>
#include <stddef.h>

struct kst_buf;
struct kst_err;
struct kst_json;

enum kst_walk_kind {
    KST_WALK_ABSENT,
    KST_WALK_FILE,
    KST_WALK_DIR,
    KST_WALK_LINK,
    KST_WALK_MODULE, /* a submodule */
    KST_WALK_OTHER,  /* a device, a socket, … */
};

/* What a backend found; `handle` and `fd` are the backend's own. */
struct kst_walk_node {
    enum kst_walk_kind kind;
    void *handle;
    int fd;
};

/* Called for each name in a folder; a negative return ends the iteration and becomes its result. */
typedef int kst_walk_name_fn(void *arg, const char *name, struct kst_err **err);

struct kst_walk_ops {
    /* What `name` (one segment, never "" "." or "..") is in the folder; a missing one is no error
     * but KST_WALK_ABSENT. The node is closed by the caller, unless it is absent. */
    int (*look)(void *tree, const struct kst_walk_node *dir, const char *name,
                struct kst_walk_node *out, struct kst_err **err);
    /* Appends the target of a link. */
    int (*link)(void *tree, const struct kst_walk_node *node, struct kst_buf *target,
                struct kst_err **err);
    /* Appends the bytes of a file of at most `max_bytes`; `path` is for messages. */
    int (*read)(void *tree, const struct kst_walk_node *node, const char *path, size_t max_bytes,
                struct kst_buf *text, struct kst_err **err);
    int (*each)(void *tree, const struct kst_walk_node *dir, kst_walk_name_fn *call, void *arg,
                struct kst_err **err);
    void (*close)(void *tree, struct kst_walk_node *node);
    /* Frees the tree; the root was closed before. May be NULL. */
    void (*free)(void *tree);
};

struct kst_walk {
    const struct kst_walk_ops *ops;
    void *tree;
    struct kst_walk_node root; /* a folder; belongs to whoever made the walk */
};

enum { KST_WALK_DEPTH = 64, KST_WALK_TARGET_MAX = 4096 };

/* Checks a path that somebody gave: KST_E_INVALID says what is wrong with it. `empty_ok`: "" is the
 * root. A single trailing '/' is not an error where `empty_ok`. */
int kst_walk_check(const char *path, bool empty_ok, struct kst_err **err);
/* Text for a message: control characters become '?'. The caller frees it. */
char *kst_walk_shown(const char *text);

/* Follows a checked path from the root to a file or folder; the caller closes *out. Errors as in
 * source.h. */
int kst_walk_resolve(const struct kst_walk *self, const char *path, struct kst_walk_node *out,
                     struct kst_err **err);
/* Makes the folder `path` ("": no change) the root. KST_E_NOT_FOUND where it is a file. */
int kst_walk_enter(struct kst_walk *self, const char *path, struct kst_err **err);
/* Closes the root and frees the tree. */
void kst_walk_release(struct kst_walk *self);
/* As kst_source_list(). */
int kst_walk_list(const struct kst_walk *self, const char *pattern, struct kst_json **paths,
                  struct kst_err **err);

#endif
