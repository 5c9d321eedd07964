/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the program and its helper process say to each other: one request as JSON on the helper's
 * stdin (never in arguments or the environment, which others can read), one answer as JSON on its
 * stdout. Internal to this layer.
 */
#ifndef KST_GIT_REQUEST_H
#define KST_GIT_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "git/source.h"

struct kst_buf;
struct kst_err;

enum { KST_GIT_REQUEST_MAX = 8 << 20, KST_GIT_ANSWER_MAX = 64 << 10 };

struct kst_git_request {
    char *url, *cache_dir;     /* never NULL */
    char *ref, *path, *commit; /* may be NULL */
    struct kst_source_credentials credentials;
    int64_t max_bytes, max_objects, max_file_bytes, timeout_ms; /* none is 0 */
};

/* Copies the spec, with the defaults filled in. Release either with kst_git_request_release(). */
void kst_git_request_init(struct kst_git_request *self, const struct kst_source_spec *spec,
                          const char *cache_dir);
void kst_git_request_release(struct kst_git_request *self);
/* The text holds secrets: release it with kst_git_text_release(). */
int kst_git_request_print(const struct kst_git_request *self, struct kst_buf *text,
                          struct kst_err **err);
int kst_git_request_parse(const char *text, size_t len, struct kst_git_request *out,
                          struct kst_err **err);
void kst_git_text_release(struct kst_buf *text);

struct kst_git_answer {
    char *repository; /* the bare repository that holds the commit */
    char *commit;
    char *ref; /* may be NULL */
};
void kst_git_answer_release(struct kst_git_answer *self);
/* The outcome of a request: `answer` where `why` is NULL. The caller frees the text. */
char *kst_git_answer_print(const struct kst_git_answer *answer, const struct kst_err *why);
/* Gives the answer, or the error that the helper reported; KST_E_PARSE for anything else, which
 * the helper never reports itself. */
int kst_git_answer_parse(const char *text, size_t len, struct kst_git_answer *out,
                         struct kst_err **err);

#endif
