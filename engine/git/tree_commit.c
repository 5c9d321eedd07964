/* SPDX-License-Identifier: Apache-2.0 */
/* The trees of commits. */
#include <git2.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "git/library.h"
#include "git/tree.h"

static int damaged(struct kst_err **err, const char *what)
{
    kst_git_failed(err, KST_E_IO, "cannot read %s from the cached repository", what);
    kst_err_reason(err, "CacheDamaged");
    kst_err_hint(err, "start again: a damaged cache is made anew when the source is opened");
    return KST_E_IO;
}

static int commit_look(void *tree, const struct kst_walk_node *dir, const char *name,
                       struct kst_walk_node *out, struct kst_err **err)
{
    const git_tree_entry *entry = git_tree_entry_byname(dir->handle, name);
    git_tree *below = NULL;
    git_tree_entry *copy = NULL;

    *out = (struct kst_walk_node){0};
    if (!entry)
        return 0;
    switch (git_tree_entry_filemode(entry)) {
    case GIT_FILEMODE_TREE:
        if (git_tree_lookup(&below, tree, git_tree_entry_id(entry)) < 0)
            return damaged(err, name);
        *out = (struct kst_walk_node){.kind = KST_WALK_DIR, .handle = below};
        return 0;
    case GIT_FILEMODE_COMMIT:
        out->kind = KST_WALK_MODULE;
        return 0;
    case GIT_FILEMODE_BLOB:
    case GIT_FILEMODE_BLOB_EXECUTABLE:
        out->kind = KST_WALK_FILE;
        break;
    case GIT_FILEMODE_LINK:
        out->kind = KST_WALK_LINK;
        break;
    default:
        out->kind = KST_WALK_OTHER;
        return 0;
    }
    if (git_tree_entry_dup(&copy, entry) < 0)
        return damaged(err, name);
    out->handle = copy;
    return 0;
}

/* The size is looked at before the blob is: what is too large is never in memory. */
static int add_blob(git_repository *repo, const git_oid *id, const char *path, size_t max_bytes,
                    struct kst_buf *text, struct kst_err **err)
{
    git_odb *odb = NULL;
    git_blob *blob = NULL;
    size_t size = 0;
    git_object_t type = GIT_OBJECT_INVALID;
    int code = 0;

    if (git_repository_odb(&odb, repo) < 0)
        return damaged(err, path);
    if (git_odb_read_header(&size, &type, odb, id) < 0 || type != GIT_OBJECT_BLOB)
        code = damaged(err, path);
    else if (size > max_bytes)
        code = kst_err_set(err, KST_E_LIMIT, "file '%s' has %zu bytes, more than the %zu allowed",
                           path, size, max_bytes);
    else if (git_blob_lookup(&blob, repo, id) < 0)
        code = damaged(err, path);
    else if (kst_buf_add(text, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob)) < 0)
        code = kst_err_set(err, KST_E_LIMIT, "file '%s' has %zu bytes, more than its buffer takes",
                           path, size);
    git_blob_free(blob);
    git_odb_free(odb);
    return code;
}

static int commit_link(void *tree, const struct kst_walk_node *node, struct kst_buf *target,
                       struct kst_err **err)
{
    const git_tree_entry *entry = node->handle;
    return add_blob(tree, git_tree_entry_id(entry), git_tree_entry_name(entry), KST_WALK_TARGET_MAX,
                    target, err);
}

static int commit_read(void *tree, const struct kst_walk_node *node, const char *path,
                       size_t max_bytes, struct kst_buf *text, struct kst_err **err)
{
    return add_blob(tree, git_tree_entry_id(node->handle), path, max_bytes, text, err);
}

static int commit_each(void *tree, const struct kst_walk_node *dir, kst_walk_name_fn *call,
                       void *arg, struct kst_err **err)
{
    size_t count = git_tree_entrycount(dir->handle);
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++)
        code = call(arg, git_tree_entry_name(git_tree_entry_byindex(dir->handle, i)), err);
    return code;
}

static void commit_close(void *tree, struct kst_walk_node *node)
{
    if (node->kind == KST_WALK_DIR)
        git_tree_free(node->handle);
    else
        git_tree_entry_free(node->handle);
}

static void commit_free(void *tree)
{
    git_repository_free(tree);
    kst_git_exit();
}

static int find_tree(git_repository *repo, const char *commit, git_tree **out, struct kst_err **err)
{
    git_oid id;
    git_commit *object = NULL;
    if (git_oid_fromstr(&id, commit) < 0)
        return kst_err_set(err, KST_E_INVALID, "'%s' is not a commit: expected 40 digits", commit);
    int code = git_commit_lookup(&object, repo, &id);
    if (code == GIT_ENOTFOUND)
        return kst_err_set(err, KST_E_NOT_FOUND, "commit %s is not there", commit);
    if (code < 0)
        return damaged(err, commit);
    code = git_commit_tree(out, object);
    git_commit_free(object);
    return code < 0 ? damaged(err, commit) : 0;
}

int kst_tree_of_repository(git_repository *repo, const char *commit, struct kst_walk *out,
                           struct kst_err **err)
{
    static const struct kst_walk_ops ops = {
        .look = commit_look,
        .link = commit_link,
        .read = commit_read,
        .each = commit_each,
        .close = commit_close,
        .free = commit_free,
    };
    git_tree *tree = NULL;
    int code = find_tree(repo, commit, &tree, err);
    if (code < 0) {
        commit_free(repo);
        return code;
    }
    *out = (struct kst_walk){
        .ops = &ops,
        .tree = repo,
        .root = {.kind = KST_WALK_DIR, .handle = tree},
    };
    return 0;
}

int kst_tree_of_commit(const char *repository, const char *commit, struct kst_walk *out,
                       struct kst_err **err)
{
    git_repository *repo = NULL;
    int code = kst_git_init(err);
    if (code < 0)
        return code;
    if (git_repository_open_bare(&repo, repository) < 0) {
        code = damaged(err, repository);
        kst_git_exit();
        return code;
    }
    return kst_tree_of_repository(repo, commit, out, err);
}
