/* SPDX-License-Identifier: Apache-2.0 */
/* URLs of repositories, and their secrets taken out of them. Internal to this layer. */
#ifndef KST_GIT_URL_H
#define KST_GIT_URL_H

struct kst_err;

enum kst_git_transport {
    KST_GIT_FILE,
    KST_GIT_HTTP,
    KST_GIT_HTTPS,
    KST_GIT_SSH,
    KST_GIT_GIT,
};

struct kst_git_url {
    enum kst_git_transport transport;
    char *fetch;    /* without password; for SSH with the user, for HTTP without */
    char *shown;    /* for people: as `fetch`, with "***@" where there was something secret */
    char *host;     /* NULL for a file; no brackets */
    int port;       /* 0 for a file */
    char *username; /* decoded; may be NULL */
    char *password; /* decoded; may be NULL */
};

/* KST_E_INVALID says what is wrong, without repeating a secret. A path is made absolute. */
int kst_git_url_parse(const char *text, struct kst_git_url *out, struct kst_err **err);
/* Overwrites and frees; leaves it empty. */
void kst_git_url_release(struct kst_git_url *self);
#define kst_auto_git_url __attribute__((cleanup(kst_git_url_release))) struct kst_git_url

#endif
