/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Label selectors as the server reads them from a query: the same language as kube/selector.h, with
 * numbers compared too, and refused in the server's own words.
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#api
 */
#ifndef KST_SANDBOX_SERVER_LABELS_H
#define KST_SANDBOX_SERVER_LABELS_H

#include <stdbool.h>

struct kst_err;
struct kst_json;
struct kst_labels;

/* What a text says; NULL and "" select everything. KST_E_PARSE with the server's message. The
 * caller frees *out. */
int kst_labels_parse(const char *text, struct kst_labels **out, struct kst_err **err);
/* NULL is allowed. */
void kst_labels_free(struct kst_labels *self);
/* Whether it selects everything. */
bool kst_labels_are_all(const struct kst_labels *self);
/* `labels` may be absent. */
bool kst_labels_select(const struct kst_labels *self, const struct kst_json *labels);

#endif
