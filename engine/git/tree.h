/* SPDX-License-Identifier: Apache-2.0 */
/* The three kinds of trees that a walk goes through. Internal to this layer. */
#ifndef KST_GIT_TREE_H
#define KST_GIT_TREE_H

#include <stddef.h>

#include "git/walk.h"

struct git_repository; /* of libgit2 */
struct kst_err;
struct kst_source_file;

/* Each fills in *out, which the caller releases with kst_walk_release(). */

/* The tree of a commit (40 digits) in a bare repository on this machine. KST_E_NOT_FOUND where the
 * commit is not there, KST_E_IO where the repository is damaged. */
int kst_tree_of_commit(const char *repository, const char *commit, struct kst_walk *out,
                       struct kst_err **err);
/* The same for an open repository, which is taken (closed on failure too). The caller holds a
 * kst_git_init() for it, which the walk's release ends. */
int kst_tree_of_repository(struct git_repository *repo, const char *commit, struct kst_walk *out,
                           struct kst_err **err);
/* A folder. Each name is opened relative to its folder's descriptor without following links, so
 * that nothing can be swapped for a link in between. */
int kst_tree_of_dir(const char *dir, struct kst_walk *out, struct kst_err **err);
/* A sorted table; `prefix` may be NULL. */
void kst_tree_of_table(const struct kst_source_file *files, size_t count, const char *prefix,
                       struct kst_walk *out);

#endif
