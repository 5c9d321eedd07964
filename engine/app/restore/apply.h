/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doing what the plan says, object by object, many at once over one connection, rank after rank. An
 * object that fails is noted in its row, and the others go on. What the run created carries its
 * field manager (kst_plan_manager()), so that a successor knows it.
 */
#ifndef KST_APP_RESTORE_APPLY_H
#define KST_APP_RESTORE_APPLY_H

#include "app/restore/plan.h"

/* Does the rows of the ranks from `first` to `last` (both included). Definitions are waited for
 * until they are established. An owner is made before what it owns. Yields. 0 also where rows have
 * failed; an error ends the run: cancelled, lost, an archive that cannot be read. */
int kst_apply_ranks(struct kst_plan *plan, enum kst_rank first, enum kst_rank last,
                    struct kst_err **err);
/* Makes sure that the target namespace is there, also where the point has no object of it. */
int kst_apply_namespace(struct kst_plan *plan, struct kst_err **err);

#endif
