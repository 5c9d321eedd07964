/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child processes, without a shell and without inheriting our descriptors or secrets beyond what
 * is asked for.
 */
#ifndef KST_LOOP_CHILD_H
#define KST_LOOP_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kst_buf;
struct kst_err;
struct kst_loop;

struct kst_child_request {
    const char *const *argv;    /* ended by NULL; argv[0] is looked up in PATH */
    const char *const *env_add; /* "NAME=value" beside our own environment; may be NULL */
    const char *dir;            /* working directory; NULL: ours */
    const void *input;          /* for its stdin; NULL: /dev/null */
    size_t input_len;
    bool foreground;     /* it has our own stdin, stdout, stderr and process group: a shell, say */
    bool inherit_stderr; /* a terminal's user sees it; else `errors` collects it */
    int64_t timeout_ms;  /* SIGTERM then, SIGKILL 2 s later; 0: none but the fiber's deadline */
};

/* Yields until it ended. Its whole process group is ended on time-out and cancellation. *status is
 * its exit code, or 128 + the signal's number. `output` and `errors` may be NULL (thrown away); a
 * full one ends the child with KST_E_LIMIT. KST_E_NOT_FOUND where there is no such program. */
int kst_child_run(struct kst_loop *loop, const struct kst_child_request *request,
                  struct kst_buf *output, struct kst_buf *errors, int *status,
                  struct kst_err **err);

#endif
