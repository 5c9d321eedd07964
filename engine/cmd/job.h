/* SPDX-License-Identifier: Apache-2.0 */
/* The Job that executes a Run in the cluster. */
#ifndef KST_CMD_JOB_H
#define KST_CMD_JOB_H

#include <stdbool.h>

struct kst_err;
struct kst_json;
struct kst_kube;

/* The image of the engine: `given`, $KASSETTE_IMAGE, or "kassette:VERSION". Borrowed. */
const char *kst_job_image(const char *given);
/* Whether the account is there as which the Job of a Run (which need not exist yet) would run:
 * without it the Job would wait for ever, and have no Pod. 0 too where this cannot be seen;
 * KST_E_NOT_FOUND. Yields. */
int kst_job_check_account(struct kst_kube *kube, const char *home, const struct kst_json *run,
                          struct kst_err **err);
/* The Job for a Run that exists: the caller frees it. Its Pod is started anew when it is lost
 * (backoffLimit 6), and the run goes on from its journal. */
struct kst_json *kst_job_object(const struct kst_json *run, const char *image);
/* Follows the Run until it has ended, printing phases (unless quiet): its result as
 * kst_run_execute() gives it. A Job that has failed for good is an error too. Yields. *run_out (may
 * be NULL) is the Run at its end. */
int kst_job_follow(struct kst_kube *kube, const char *home, const char *name, bool quiet,
                   struct kst_json **run_out, struct kst_err **err);

#endif
