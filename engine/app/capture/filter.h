/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What --include and --exclude say. A pattern is RESOURCE[/NAME][?LABELS]:
 *
 *   RESOURCE  a kind, plural, singular or short name, optionally with its group
 *             ("deployments.apps", "Secret", "pvc"); "*" for any, "*.GROUP" for all of a group
 *   NAME      a regular expression (PCRE2) that must match the whole name; as the first "?" begins
 *             LABELS, what may be absent is written with {0,1}
 *   LABELS    a label selector, as kubectl -l takes it
 *
 * What is included: everything where no --include is given, else what one of them picks; of this,
 * what no --exclude picks.
 */
#ifndef KST_APP_CAPTURE_FILTER_H
#define KST_APP_CAPTURE_FILTER_H

#include <stdbool.h>

struct kst_err;
struct kst_filter;
struct kst_json;
struct kst_kube_resource;

/* `include` and `exclude`: JSON arrays of patterns (may be NULL; copied). KST_E_USAGE quotes the
 * pattern and says what is wrong with it. Never yields. */
int kst_filter_new(const struct kst_json *include, const struct kst_json *exclude,
                   struct kst_filter **out, struct kst_err **err);
/* NULL is allowed. */
void kst_filter_free(struct kst_filter *self);
/* Whether any object of this resource could be taken: else it need not even be listed. Of the
 * resource, group and kind are needed; plural, singular and short_names may be NULL (the short
 * names of what Kubernetes has built in are known). */
bool kst_filter_takes_kind(const struct kst_filter *self, const struct kst_kube_resource *resource);
/* Whether the object is taken; `resource` is its own. *why (may be NULL; borrowed from the filter
 * or static; set where it is not taken) says which pattern left it out. KST_E_LIMIT from a
 * pathological expression. */
int kst_filter_takes(const struct kst_filter *self, const struct kst_kube_resource *resource,
                     const struct kst_json *object, bool *takes, const char **why,
                     struct kst_err **err);
/* Patterns that have picked nothing so far, as a JSON array: surely a mistake, to be told. The
 * caller frees it. */
struct kst_json *kst_filter_unused(const struct kst_filter *self);

#endif
