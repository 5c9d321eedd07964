/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of a backup: into the restore point, or only counted. */
#ifndef KST_APP_BACKUP_OBJECTS_H
#define KST_APP_BACKUP_OBJECTS_H

#include "run/run.h"

struct kst_capturer;

/* Takes the claims that spec.capture leaves out, out of `claims` and of the claims of the
 * `workloads` (rows of kst_application_find()): they are not cut either. KST_E_USAGE for a pattern
 * that is wrong. */
int kst_backup_filter_claims(struct kst_run *run, struct kst_json *workloads,
                             struct kst_json *claims, struct kst_err **err);
/* Writes what was found into the Secrets of `point`, anew where a predecessor had begun, and what
 * there is into the point's status. KST_E_INVALID where the application has nothing but what every
 * namespace has. Yields. */
int kst_backup_capture(struct kst_run *run, struct kst_capturer *capturer,
                       const struct kst_json *point, struct kst_err **err);
/* Finds out what that would capture, into status.capture {kinds: [{apiVersion, kind, plural,
 * count}], excluded: {reason: count}, missing: [groups]}. KST_E_INVALID as above. Yields. */
int kst_backup_count(struct kst_run *run, struct kst_capturer *capturer, struct kst_err **err);

#endif
