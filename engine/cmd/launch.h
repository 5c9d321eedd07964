/* SPDX-License-Identifier: Apache-2.0 */
/* Making a Run, and executing it here or in the cluster as a Job: what backup and restore share. */
#ifndef KST_CMD_LAUNCH_H
#define KST_CMD_LAUNCH_H

#include <stdbool.h>

struct kst_cmd;
struct kst_err;
struct kst_json;
struct kst_kube;
struct kst_run;

struct kst_launch {
    const char *image; /* of the Job; NULL: the default */
    bool in_cluster, no_wait, trace;
};

/* "shop-backup-20261123-191500-3f2a": sorts by time, and two in one second differ. The caller frees
 * it. */
char *kst_launch_name(const char *application, const char *action);
/* A duration of an option: KST_E_USAGE where the text (may be NULL) is none above zero. */
int kst_launch_check_duration(const char *option, const char *text, struct kst_err **err);
/* Prints what `plan` finds out for the Run that would be made: by `print`, from its status, or with
 * -o json and yaml the Run with that status. Nothing is changed. Yields. */
int kst_launch_dry_run(struct kst_cmd *cmd, struct kst_kube *kube, const struct kst_json *run,
                       int (*plan)(struct kst_run *run, struct kst_err **err),
                       void (*print)(const struct kst_json *run, const struct kst_json *status),
                       struct kst_err **err);
/* Creates the Run, and executes it to its end; prints its name, its progress, and with -o json or
 * yaml the Run at its end. Yields. The run's result. */
int kst_launch(struct kst_cmd *cmd, struct kst_kube *kube, const struct kst_launch *how,
               const struct kst_json *run, struct kst_err **err);

#endif
