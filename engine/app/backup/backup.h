/* SPDX-License-Identifier: Apache-2.0 */
/* The actions: a backup, and whatever actions a blueprint has of its own. */
#ifndef KST_APP_BACKUP_BACKUP_H
#define KST_APP_BACKUP_BACKUP_H

#include "run/run.h"

extern const struct kst_action kst_action_backup;
/* Takes any name: calls actions.<name> of every bound blueprint that has it. */
extern const struct kst_action kst_action_custom;

/* Finds out what a backup would do, into the Run's status (bindings, volumes), without changing
 * anything in the cluster: what the Capture phase does first. */
int kst_backup_plan(struct kst_run *run, struct kst_err **err);
/* That, and what objects it would capture (status.capture: app/backup/objects.h): for --dry-run.
 * Reads them all. */
int kst_backup_preview(struct kst_run *run, struct kst_err **err);

#endif
