/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache: for each URL a folder <cache>/<digest>/ with
 *   lock   held (flock) by the one helper that works there; it outlives nobody
 *   repo   the bare repository
 *   new    a repository that is being made to take the place of a damaged one
 *   home   what the SSH library reads
 * Packs appear in a repository by rename, so one whose fetch was killed is whole; what it left
 * half-written is removed by the next helper, which holds the lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "git/library.h"
#include "git/session.h"
#include "git/tree.h"

enum { LOCK_POLL_NS = 20000000, NAME_DIGITS = 32 };

struct cache {
    struct kst_git_session *session;
    char *dir, *repo, *fresh, *home;
    int lock;
};

static int io_failed(const char *what, const char *path, struct kst_err **err)
{
    kst_err_set(err, KST_E_IO, "cannot %s %s: %m", what, path);
    kst_err_hint(err, "the cache folder of Git sources must be writable and have space");
    return KST_E_IO;
}

static int make_dirs(const char *path, struct kst_err **err)
{
    kst_auto_free char *copy = kst_strdup(path);
    for (char *slash = copy + 1;; slash++) {
        slash = strchrnul(slash, '/');
        char kept = *slash;
        *slash = 0;
        if (mkdir(copy, 0700) < 0 && errno != EEXIST)
            return io_failed("make the folder", copy, err);
        if (!kept)
            return 0;
        *slash = kept;
    }
}

/* Somebody else's folder (made ahead of us under /tmp) could hold a repository of theirs. */
static int check_owner(const char *path, bool or_root, struct kst_err **err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return io_failed("stat", path, err);
    if (st.st_uid == geteuid() || (or_root && st.st_uid == 0))
        return 0;
    kst_err_set(err, KST_E_REFUSED, "the cache folder %s belongs to user %u, not to us (%u)", path,
                (unsigned)st.st_uid, (unsigned)geteuid());
    kst_err_hint(err, "remove it, or set XDG_CACHE_HOME to a folder of your own");
    return KST_E_REFUSED;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    remove(path);
    return 0;
}

static void remove_tree(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* Two users of one URL may see different things of it: the user's name is part of the name. */
static char *cache_name(const struct kst_git_session *session)
{
    unsigned char digest[KST_SHA256_BYTES];
    kst_auto_free char *key = kst_asprintf("%s\n%s", session->url.fetch,
                                           session->username ? session->username : "");
    kst_auto_buf text = KST_BUF_INIT(2 * KST_SHA256_BYTES);
    kst_hash_sha256(key, strlen(key), digest);
    kst_hash_hex(&text, digest, NAME_DIGITS / 2);
    return kst_buf_take(&text);
}

static int cache_lock(struct cache *self, struct kst_err **err)
{
    kst_auto_free char *path = kst_asprintf("%s/lock", self->dir);
    self->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (self->lock < 0)
        return io_failed("open", path, err);
    kst_git_doing("waiting for another process that fetches it into the same cache");
    /* Polled, since the alarm that ends this process must be able to come at any moment. */
    while (flock(self->lock, LOCK_EX | LOCK_NB) < 0) {
        struct timespec pause = {0, LOCK_POLL_NS};
        if (errno != EWOULDBLOCK && errno != EINTR)
            return io_failed("lock", path, err);
        nanosleep(&pause, NULL);
    }
    return 0;
}

static int cache_open(struct cache *self, struct kst_git_session *session, struct kst_err **err)
{
    kst_auto_free char *name = cache_name(session);
    *self = (struct cache){.session = session, .lock = -1};
    self->dir = kst_asprintf("%s/%s", session->request->cache_dir, name);
    self->repo = kst_asprintf("%s/repo", self->dir);
    self->fresh = kst_asprintf("%s/new", self->dir);
    self->home = kst_asprintf("%s/home", self->dir);
    int code = make_dirs(self->dir, err);
    if (code == 0)
        code = check_owner(session->request->cache_dir, true, err);
    if (code == 0)
        code = check_owner(self->dir, false, err);
    return code < 0 ? code : cache_lock(self, err);
}

static void cache_release(struct cache *self)
{
    if (self->lock >= 0) {
        remove_tree(self->home);
        close(self->lock);
    }
    free(self->dir);
    free(self->repo);
    free(self->fresh);
    free(self->home);
}

static bool ends_with(const char *name, const char *end)
{
    return kst_str_has_suffix(kst_str_of(name), end);
}

static int remove_leftover(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    const char *name = path + ftw->base;
    bool pack = strstr(path, "/objects/pack/") && !ends_with(name, ".pack") &&
                !ends_with(name, ".idx");
    if (type == FTW_F && (pack || ends_with(name, ".lock") || strncmp(name, "tmp_", 4) == 0))
        unlink(path);
    return 0;
}

/* Whether every commit that was kept can be read: what is missing would not be asked for again. */
static bool is_whole(git_repository *repo)
{
    git_reference_iterator *refs = NULL;
    git_reference *ref = NULL;
    bool whole = git_reference_iterator_glob_new(&refs, repo, "refs/kassette/*") == 0;
    while (whole && git_reference_next(&ref, refs) == 0) {
        git_commit *commit = NULL;
        git_tree *tree = NULL;
        const git_oid *id = git_reference_target(ref);
        whole = id && git_commit_lookup(&commit, repo, id) == 0 &&
                git_commit_tree(&tree, commit) == 0;
        git_tree_free(tree);
        git_commit_free(commit);
        git_reference_free(ref);
    }
    git_reference_iterator_free(refs);
    return whole;
}

/* Opens the repository at `path`, or makes it where there is none. */
static int open_repo(const char *path, git_repository **out, struct kst_err **err)
{
    struct stat st;
    if (stat(path, &st) == 0) {
        nftw(path, remove_leftover, 16, FTW_PHYS | FTW_MOUNT);
        if (git_repository_open_bare(out, path) == 0 && is_whole(*out))
            return 0;
        return kst_git_failed(err, KST_E_IO, "cannot read the cached repository");
    }
    git_repository_init_options options;
    git_repository_init_options_init(&options, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
    options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKDIR;
    options.mode = 0700;
    options.initial_head = "kassette";
    if (git_repository_init_ext(out, path, &options) == 0)
        return 0;
    return kst_git_failed(err, KST_E_IO, "cannot make a repository in the cache");
}

/* Verification: what the engine will read is read once here, within this process's limits, and each
 * object's hash with it: a damaged file or a delta that unpacks to gigabytes ends here. */
struct check {
    const struct kst_walk *walk;
    int64_t left, max_file_bytes;
    int depth;
    const struct kst_walk_node *dir;
};

static int check_name(void *arg, const char *name, struct kst_err **err);

static int check_dir(struct check *self, const struct kst_walk_node *dir, struct kst_err **err)
{
    struct check below = *self;
    below.dir = dir;
    below.depth++;
    int code = self->walk->ops->each(self->walk->tree, dir, check_name, &below, err);
    self->left = below.left;
    return code;
}

static int check_name(void *arg, const char *name, struct kst_err **err)
{
    struct check *self = arg;
    const struct kst_walk *walk = self->walk;
    struct kst_walk_node node = {0};
    kst_auto_buf text = KST_BUF_INIT((size_t)self->max_file_bytes);
    kst_auto_err struct kst_err *why = NULL;

    if (--self->left < 0 || self->depth > KST_WALK_DEPTH)
        return 0; /* more than will be read: the limits of reading say so, should it come to it */
    int code = walk->ops->look(walk->tree, self->dir, name, &node, &why);
    if (code == 0 && node.kind == KST_WALK_DIR)
        code = check_dir(self, &node, &why);
    else if (code == 0 && node.kind == KST_WALK_FILE && ends_with(name, ".lua"))
        code = walk->ops->read(walk->tree, &node, name, (size_t)self->max_file_bytes, &text, &why);
    if (node.kind != KST_WALK_ABSENT)
        walk->ops->close(walk->tree, &node);
    return code == KST_E_IO ? kst_err_move(err, &why) : 0;
}

/* KST_E_NOT_FOUND: the commit is not in there; KST_E_IO: damaged. */
static int verify(struct cache *self, const char *repo, const char *commit, struct kst_err **err)
{
    const struct kst_git_request *request = self->session->request;
    struct kst_walk walk = {0};
    kst_auto_err struct kst_err *why = NULL;

    int code = kst_tree_of_commit(repo, commit, &walk, err);
    if (code < 0)
        return code;
    /* A path that is not there is for the caller to find out, with a message of its own. */
    if (request->path && kst_walk_enter(&walk, request->path, &why) < 0)
        code = kst_err_code(why) == KST_E_IO ? kst_err_move(err, &why) : 0;
    struct check check = {
        .walk = &walk,
        .left = request->max_objects,
        .max_file_bytes = request->max_file_bytes,
    };
    if (code == 0)
        code = check_dir(&check, &walk.root, err);
    kst_walk_release(&walk);
    return code;
}

static int fetch_into(struct cache *self, const char *path, struct kst_git_answer *out,
                      struct kst_err **err)
{
    git_repository *repo = NULL;
    struct kst_git_answer answer = {0};
    int code = open_repo(path, &repo, err);
    if (code == 0)
        code = kst_git_fetch(self->session, repo, self->dir, &answer.commit, &answer.ref, err);
    git_repository_free(repo);
    if (code == 0 && verify(self, path, answer.commit, err) < 0)
        code = KST_E_IO;
    if (code < 0) {
        kst_git_answer_release(&answer);
        return code;
    }
    *out = answer;
    return 0;
}

/* Errors that a whole repository of our own cannot have: it is fetched anew, beside the old one,
 * which stays until the new one is there. */
static bool is_damage(int code)
{
    return code == KST_E_IO || code == KST_E_FAILED;
}

static int fetch_anew(struct cache *self, struct kst_git_answer *out, struct kst_err **err)
{
    remove_tree(self->fresh);
    kst_err_clear(&self->session->why);
    self->session->offered = 0;
    self->session->host_checked = false;
    int code = fetch_into(self, self->fresh, out, err);
    if (code < 0) {
        remove_tree(self->fresh);
        return code;
    }
    remove_tree(self->repo);
    if (rename(self->fresh, self->repo) < 0) {
        kst_git_answer_release(out);
        return io_failed("replace", self->repo, err);
    }
    return 0;
}

/* The commit that needs no server: the pin, or a ref that is a commit in full. */
static const char *fixed_commit(const struct kst_git_request *request)
{
    if (request->commit)
        return request->commit;
    bool full = request->ref && strlen(request->ref) == 40 && kst_git_is_hex(request->ref);
    return full ? request->ref : NULL;
}

int kst_git_serve(struct kst_git_session *self, struct kst_git_answer *out, struct kst_err **err)
{
    const char *fixed = fixed_commit(self->request);
    kst_auto_err struct kst_err *why = NULL;
    struct cache cache;

    int code = cache_open(&cache, self, err);
    if (code == 0 && fixed && access(cache.repo, F_OK) == 0 &&
        verify(&cache, cache.repo, fixed, NULL) == 0) {
        out->commit = kst_strdup(fixed);
    } else if (code == 0) {
        code = fetch_into(&cache, cache.repo, out, &why);
        if (code < 0 && is_damage(code) && access(cache.repo, F_OK) == 0) {
            kst_err_clear(&why);
            code = fetch_anew(&cache, out, &why);
        }
        if (code < 0)
            kst_err_move(err, &why);
    }
    if (code == 0)
        out->repository = kst_strdup(cache.repo);
    cache_release(&cache);
    return code;
}
