/* SPDX-License-Identifier: Apache-2.0 */
/* Talking to the server: connect, choose, download, and find the commit. */
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/sanitizer.h"
#include "git/library.h"
#include "git/session.h"

enum { MIB = 1 << 20, KEPT_REFS = 256 };

static int on_progress(const git_indexer_progress *stats, void *payload)
{
    struct kst_git_session *self = payload;
    const struct kst_git_request *request = self->request;

    kst_git_doing("receiving it: %.1f MiB so far", (double)stats->received_bytes / MIB);
    if (self->why)
        return GIT_EUSER;
    if ((int64_t)stats->received_bytes > request->max_bytes)
        kst_err_set(&self->why, KST_E_LIMIT,
                    "Git source %s: more than %.1f MiB were received, which is the limit",
                    self->url.shown, (double)request->max_bytes / MIB);
    else if ((int64_t)stats->total_objects > request->max_objects)
        kst_err_set(&self->why, KST_E_LIMIT,
                    "Git source %s: %u objects are to be received, the limit is %lld",
                    self->url.shown, stats->total_objects, (long long)request->max_objects);
    else
        return 0;
    kst_err_hint(&self->why, "keep blueprints in a small repository of their own, or name a "
                             "branch with less history");
    return GIT_EUSER;
}

static void set_callbacks(struct kst_git_session *self, git_remote_callbacks *callbacks)
{
    callbacks->credentials = kst_git_credentials;
    callbacks->certificate_check = kst_git_certificate;
    callbacks->transfer_progress = on_progress;
    callbacks->payload = self;
}

/* With credentials in hand no other host is followed to: it would be given them. */
static git_remote_redirect_t redirects(const struct kst_git_session *self)
{
    return self->password || self->username ? GIT_REMOTE_REDIRECT_NONE
                                            : GIT_REMOTE_REDIRECT_INITIAL;
}

/* libgit2 would take a path with a colon for SSH's short form; as a URL it is a path. */
static char *fetch_url(const struct kst_git_session *self)
{
    if (self->url.transport != KST_GIT_FILE)
        return kst_strdup(self->url.fetch);
    kst_auto_buf text = KST_BUF_INIT(64 << 10);
    kst_buf_adds(&text, "file://");
    for (const char *c = self->url.fetch; *c; c++) {
        if (*c == '%')
            kst_buf_adds(&text, "%25");
        else
            kst_buf_addc(&text, *c);
    }
    return kst_buf_take(&text);
}

static int check_local(struct kst_git_session *self, struct kst_err **err)
{
    struct stat st;
    if (self->url.transport != KST_GIT_FILE ||
        (stat(self->url.fetch, &st) == 0 && S_ISDIR(st.st_mode)))
        return 0;
    kst_err_set(err, KST_E_NOT_FOUND, "Git source %s: there is no such folder", self->url.shown);
    kst_err_reason(err, "RepositoryNotFound");
    return KST_E_NOT_FOUND;
}

static int connect_once(struct kst_git_session *self, git_remote *remote)
{
    git_remote_connect_options options;
    git_remote_connect_options_init(&options, GIT_REMOTE_CONNECT_OPTIONS_VERSION);
    set_callbacks(self, &options.callbacks);
    options.proxy_opts.type = GIT_PROXY_AUTO;
    options.follow_redirects = redirects(self);
    return git_remote_connect_ext(remote, GIT_DIRECTION_FETCH, &options);
}

/* A server need not have every type of key that is known for it: the SSH library is told one type
 * at a time, best first. */
static int connect(struct kst_git_session *self, git_remote *remote, const char *dir)
{
    if (self->url.transport != KST_GIT_SSH)
        return connect_once(self, remote);
    bool more = kst_git_prefer_host_key(self, dir, 0);
    int result = connect_once(self, remote);
    for (unsigned nth = 1; more && result < 0 && !self->host_checked; nth++) {
        const git_error *last = git_error_last();
        if (!last || last->klass != GIT_ERROR_SSH)
            break;
        more = kst_git_prefer_host_key(self, dir, nth);
        result = connect_once(self, remote);
    }
    return result;
}

static int download(struct kst_git_session *self, git_remote *remote,
                    const struct kst_git_want *want)
{
    char all_heads[] = "+refs/heads/*:refs/kassette/heads/*";
    char all_tags[] = "+refs/tags/*:refs/kassette/tags/*";
    char *all[] = {all_heads, all_tags};
    char *one[] = {want->name};
    git_strarray specs = {want->name ? one : all, want->name ? 1 : 2};
    git_fetch_options options;

    git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION);
    set_callbacks(self, &options.callbacks);
    options.proxy_opts.type = GIT_PROXY_AUTO;
    options.follow_redirects = redirects(self);
    options.update_fetchhead = 0;
    options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
    options.prune = GIT_FETCH_NO_PRUNE;
    return git_remote_download(remote, &specs, &options);
}

/* Refs tell the next fetch what is here already. They are named by what they point to, so that no
 * change on the server can bring two of them into each other's way. Failing to write one costs
 * only time. */
static void keep_refs(git_repository *repo, const git_remote_head **heads, size_t count,
                      const struct kst_git_want *want)
{
    unsigned kept = 0;
    for (size_t i = 0; i < count && kept < KEPT_REFS; i++) {
        git_object *object = NULL, *commit = NULL;
        git_reference *ref = NULL;
        char name[64] = "refs/kassette/";
        if (want->name && strcmp(heads[i]->name, want->name) != 0)
            continue;
        if (git_object_lookup(&object, repo, &heads[i]->oid, GIT_OBJECT_ANY) == 0 &&
            git_object_peel(&commit, object, GIT_OBJECT_COMMIT) == 0) {
            git_oid_tostr(name + strlen(name), GIT_OID_HEXSZ + 1, git_object_id(commit));
            git_reference_create(&ref, repo, name, git_object_id(commit), 1, NULL);
            kept++;
        }
        git_reference_free(ref);
        git_object_free(commit);
        git_object_free(object);
    }
}

static int not_there(struct kst_git_session *self, const char *commit, struct kst_err **err)
{
    kst_err_set(err, KST_E_NOT_FOUND,
                "Git source %s: commit %s is in none of its branches and tags", self->url.shown,
                commit);
    kst_err_reason(err, "CommitNotFound");
    kst_err_hint(err, "was a branch rewritten or deleted since? Push the commit again, to a branch "
                      "or tag of its own, or name another one");
    return KST_E_NOT_FOUND;
}

/* The object that the request means, now that it was fetched. */
static int find_object(struct kst_git_session *self, git_repository *repo,
                       const git_remote_head **heads, size_t count, const struct kst_git_want *want,
                       git_object **out, struct kst_err **err)
{
    const char *commit = self->request->commit ? self->request->commit : self->request->ref;
    git_oid id;
    int result = GIT_ENOTFOUND;

    if (want->complete || want->prefix) {
        if (git_oid_fromstrn(&id, commit, strlen(commit)) < 0)
            return kst_err_set(err, KST_E_INVALID, "'%s' is not a commit", commit);
        result = git_object_lookup_prefix(out, repo, &id, strlen(commit), GIT_OBJECT_ANY);
        if (result == GIT_EAMBIGUOUS)
            return kst_err_set(err, KST_E_INVALID,
                               "Git source %s: '%s' stands for more than one object: give more of "
                               "its digits",
                               self->url.shown, commit);
        /* One that the server showed was fetched, or was here: without it, the cache is damaged. */
        if (result == GIT_ENOTFOUND && !want->name)
            return not_there(self, commit, err);
    }
    for (size_t i = 0; i < count && !want->complete && !want->prefix; i++) {
        if (strcmp(heads[i]->name, want->name) == 0) {
            result = git_object_lookup(out, repo, &heads[i]->oid, GIT_OBJECT_ANY);
            break;
        }
    }
    if (result < 0)
        return kst_git_failed(err, KST_E_IO, "Git source %s: cannot read what was fetched",
                              self->url.shown);
    return 0;
}

static int find_result(struct kst_git_session *self, git_repository *repo,
                       const git_remote_head **heads, size_t count, const struct kst_git_want *want,
                       char **commit, struct kst_err **err)
{
    git_object *object = NULL, *peeled = NULL;
    char text[GIT_OID_HEXSZ + 1];
    int code = find_object(self, repo, heads, count, want, &object, err);
    if (code == 0 && git_object_peel(&peeled, object, GIT_OBJECT_COMMIT) < 0)
        code = kst_err_set(err, KST_E_INVALID, "Git source %s: '%s' is a %s, not a commit",
                           self->url.shown, self->request->ref ? self->request->ref : "HEAD",
                           git_object_type2string(git_object_type(object)));
    if (code == 0) {
        git_oid_tostr(text, sizeof(text), git_object_id(peeled));
        *commit = kst_strdup(text);
    }
    git_object_free(peeled);
    git_object_free(object);
    return code;
}

/* What HEAD stands for, where the server says so. */
static char *ref_name(const git_remote_head **heads, size_t count, const struct kst_git_want *want)
{
    for (size_t i = 0; want->name && i < count; i++) {
        if (strcmp(heads[i]->name, want->name) == 0 && heads[i]->symref_target)
            return kst_strdup(heads[i]->symref_target);
    }
    return kst_strdup(want->name);
}

int kst_git_fetch(struct kst_git_session *self, git_repository *repo, const char *dir,
                  char **commit, char **ref, struct kst_err **err)
{
    kst_auto_free char *url = fetch_url(self);
    const git_remote_head **heads = NULL;
    git_remote *remote = NULL;
    struct kst_git_want want = {0};
    size_t count = 0;

    int code = check_local(self, err);
    if (code < 0)
        return code;
    git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECTS, (size_t)self->request->max_objects);
    /* libgit2 1.5 leaks what a regular expression that does not match takes, and parts of a
     * connection that fails; this process ends soon. */
    kst_sanitizer_leaks_begin();
    int result = git_remote_create_anonymous(&remote, repo, url);
    if (result == 0) {
        kst_git_doing("connecting to %s", self->url.host ? self->url.host : "it");
        result = connect(self, remote, dir);
    }
    kst_sanitizer_leaks_end();
    if (result == 0)
        result = git_remote_ls(&heads, &count, remote);
    if (result < 0)
        code = kst_git_explain(self, result, "connect", err);
    if (code == 0)
        code = kst_git_choose(self, heads, count, &want, err);
    if (code == 0) {
        kst_git_doing("waiting for the server to send it");
        result = download(self, remote, &want);
        if (result < 0)
            code = kst_git_explain(self, result, "fetch", err);
    }
    if (code == 0)
        code = find_result(self, repo, heads, count, &want, commit, err);
    if (code == 0) {
        *ref = self->request->commit ? NULL : ref_name(heads, count, &want);
        keep_refs(repo, heads, count, &want);
    }
    kst_git_want_release(&want);
    git_remote_free(remote);
    return code;
}
