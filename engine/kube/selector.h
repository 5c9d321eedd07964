/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Label selectors.
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 */
#ifndef KST_KUBE_SELECTOR_H
#define KST_KUBE_SELECTOR_H

#include <stdbool.h>

struct kst_err;
struct kst_json;

/* The text of a metav1.LabelSelector object ({matchLabels, matchExpressions}), or of a plain map of
 * labels, as the labelSelector parameter takes it. KST_E_INVALID for a selector that is empty or
 * absent (which would select everything), or an operator that is none. The caller frees *out. */
int kst_selector_text(const struct kst_json *selector, char **out, struct kst_err **err);

/* Whether `labels` (may be absent) are selected by a selector's text ("a=b,c!=d,e in (f,g),!h,i");
 * NULL or "" selects everything. KST_E_USAGE with the place that is wrong. */
int kst_selector_matches(const char *selector, const struct kst_json *labels, bool *matches,
                         struct kst_err **err);

#endif
