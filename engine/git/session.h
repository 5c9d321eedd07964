/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One fetch, in the helper process: connecting, proving who we are and whom we talk to, choosing
 * what to fetch, and saying plainly what went wrong. Internal to this layer.
 */
#ifndef KST_GIT_SESSION_H
#define KST_GIT_SESSION_H

#include <stdbool.h>

#include <git2.h>

#include "git/request.h"
#include "git/url.h"

struct kst_git_session {
    const struct kst_git_request *request;
    struct kst_git_url url;
    const char *username, *password; /* of the credentials, else of the URL; may be NULL */
    char *known_hosts;               /* the text that host keys are checked against */
    bool host_checked;               /* the server presented its host key */
    int offered;                     /* credentials offered so far */
    /* What a callback found wrong; it says more than libgit2, which only knows that a callback
     * refused. */
    struct kst_err *why;
};

/* Parses the URL, reads known_hosts and prepares the trusted certificates. */
int kst_git_session_init(struct kst_git_session *self, const struct kst_git_request *request,
                         struct kst_err **err);
void kst_git_session_release(struct kst_git_session *self);

/* auth.c: callbacks of libgit2, whose payload is the session. */
int kst_git_credentials(git_credential **out, const char *url, const char *user, unsigned allowed,
                        void *payload);
int kst_git_certificate(git_cert *cert, int valid, const char *host, void *payload);
/* Makes the SSH library ask the server for the nth best type of key that is known for it, by way of
 * the HOME that it reads known_hosts from: the one folder "home" in `dir`. False where there is no
 * such type. */
bool kst_git_prefer_host_key(struct kst_git_session *self, const char *dir, unsigned nth);

/* explain.c: turns what libgit2 returned into an error of ours. `doing` completes "cannot …". */
int kst_git_explain(struct kst_git_session *self, int result, const char *doing,
                    struct kst_err **err);

/* remote.c: fetches what the request names into `repo` and finds the commit. `dir` is for scratch
 * files. The caller frees *commit and *ref (which may be NULL). */
int kst_git_fetch(struct kst_git_session *self, git_repository *repo, const char *dir,
                  char **commit, char **ref, struct kst_err **err);

/* refs.c: what the server has. */
struct kst_git_want {
    char *name;    /* the advertised ref; NULL: all branches and tags */
    bool prefix;   /* the ref is an abbreviated commit */
    bool complete; /* the ref is a commit in full */
};
void kst_git_want_release(struct kst_git_want *self);
/* Finds what to fetch for the request among the heads that the server advertised. */
int kst_git_choose(struct kst_git_session *self, const git_remote_head **heads, size_t count,
                   struct kst_git_want *out, struct kst_err **err);

/* cache.c: the whole request. */
int kst_git_serve(struct kst_git_session *self, struct kst_git_answer *out, struct kst_err **err);

/* helper.c: what is being done, for the message of a time-out. */
void kst_git_doing(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "SHA256:…" as ssh-keygen -l shows it. The caller frees it. */
char *kst_git_fingerprint(const void *key, size_t len);
bool kst_git_is_hex(const char *text);

#endif
