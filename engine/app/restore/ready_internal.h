/* SPDX-License-Identifier: Apache-2.0 */
/* What waiting (ready.c) and explaining (ready_reason.c) share. */
#ifndef KST_APP_RESTORE_READY_INTERNAL_H
#define KST_APP_RESTORE_READY_INTERNAL_H

#include "app/restore/ready.h"

/* Whether an object has a condition of this type that is True. */
bool kst_ready_condition(const struct kst_json *object, const char *type);
/* Why a workload is not ready, as its Pods and Events tell it: *why and *hint (both freed by the
 * caller) stay NULL where nothing is said. Yields. */
void kst_ready_explain(struct kst_run *run, const struct kst_json *workload, char **why,
                       char **hint);

#endif
