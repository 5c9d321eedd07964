/* SPDX-License-Identifier: Apache-2.0 */
/* What became of each object: for the status, for a terminal, for programs. */
#ifndef KST_APP_RESTORE_REPORT_H
#define KST_APP_RESTORE_REPORT_H

#include "app/restore/plan.h"

/* status.restore.counts and .failures (the first ones) of the run. */
void kst_report_summarize(const struct kst_plan *plan);
/* All rows, as a JSON array of {apiVersion, kind, namespace, name, deed, reason, hint, failed}; the
 * caller frees it. `deed` is what is to be done ("create") or, with `done`, what was ("created").
 */
struct kst_json *kst_report_rows(const struct kst_plan *plan, bool done);
/* Keeps them in the ConfigMap "<run>-report" (key report.jsonl.zst), owned by the Run. Yields. */
int kst_report_store(const struct kst_plan *plan, struct kst_err **err);
/* Reads what was kept; an array as above that the caller frees. Yields. KST_E_NOT_FOUND. */
int kst_report_read(struct kst_kube *kube, const char *home, const char *run,
                    struct kst_json **rows, struct kst_err **err);
/* KST_E_FAILED with the first failures where rows have failed, else 0. */
int kst_report_failures(const struct kst_plan *plan, struct kst_err **err);

#endif
