/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capture: every object of an application, and the cluster-scoped ones that it uses, into an
 * archive. Resources are found by discovery; several are listed at once over one connection, page
 * by page, and written in order. Memory is bounded by the pages under way.
 *
 * docs/capture.md tells users what is in a backup, what is left out (rule.h), and why.
 */
#ifndef KST_APP_CAPTURE_CAPTURE_H
#define KST_APP_CAPTURE_CAPTURE_H

#include "app/point/archive.h"
#include "run/run.h"

struct kst_names;

struct kst_capturer;

/* Finds out what belongs to run->app_ns as spec.application (selector) and spec.capture ({include,
 * exclude}) say; `workloads` are the rows of kst_application_find(), whose references belong to the
 * application whatever their labels. *out is freed by the caller, while the run is there. Yields.
 *
 * KST_E_FORBIDDEN names the resource that may not be listed: a backup with holes is none. An API
 * group that does not answer is noted in index.missing and told as a warning. KST_E_USAGE for a
 * pattern that is wrong. */
int kst_capturer_new(struct kst_run *run, const struct kst_json *workloads,
                     struct kst_capturer **out, struct kst_err **err);
/* The names of the claims that something of the application refers to; some may not exist.
 * Borrowed.
 */
const struct kst_names *kst_capturer_claims(const struct kst_capturer *self);
/* Captures, once. What was read of the run's bundle goes in as blueprints. *index is the archive's
 * (the caller frees it). A pattern that picked nothing is told as a warning. Yields. Errors as
 * above. */
int kst_capturer_write(struct kst_capturer *self, const struct kst_archive_sink *sink,
                       struct kst_json **index, struct kst_err **err);
void kst_capturer_free(struct kst_capturer *self);

/* A sink that keeps nothing, for finding out what would be captured. */
extern const struct kst_archive_sink kst_capture_nowhere;

#endif
