/* SPDX-License-Identifier: Apache-2.0 */
/* libgit2, set up as we want it. Internal to this layer. */
#ifndef KST_GIT_LIBRARY_H
#define KST_GIT_LIBRARY_H

struct kst_err;

/* Counted; every successful call is followed by a kst_git_exit(). No configuration, attribute or
 * template files of the machine or user are read, and every object's hash is verified. */
int kst_git_init(struct kst_err **err);
void kst_git_exit(void);

/* Sets an error from a format, ": " and what libgit2 says went wrong last. Returns `code`. */
int kst_git_failed(struct kst_err **err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
