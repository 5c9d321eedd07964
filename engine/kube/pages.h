/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A long list, read ahead: while the objects of one page are handed out, the next page is on its
 * way. A page is kept as the text that came and each object is parsed when it is asked for, so that
 * a list needs the memory of two pages, of some two MiB of text each whatever the size of the
 * objects, and of one object.
 *
 * The objects come in the order of their names, bytewise, as API servers list them; a page that is
 * in another order is sorted. Where the server has forgotten the list (410) it is begun anew, and
 * what was handed out is left out: no object comes twice.
 */
#ifndef KST_KUBE_PAGES_H
#define KST_KUBE_PAGES_H

#include "kube/client.h"

struct kst_kube_pages;

/* Begins to read the first page, in a fiber of its own, and returns at once. `ns` is NULL for
 * cluster-scoped resources; namespaced ones are listed in one namespace (that asserts). The options
 * (copied; may be NULL) are as for kst_kube_list_each(); the page size is that of the first page.
 * `whole`: metadata.managedFields are given too; else they are null. Never yields. */
struct kst_kube_pages *kst_kube_pages_open(struct kst_kube *kube,
                                           const struct kst_kube_resource *resource, const char *ns,
                                           const struct kst_kube_list_options *options, bool whole);
/* 1 and the next object with its apiVersion and kind, which the caller frees; 0 after the last.
 * Yields. Errors as of a list; KST_E_PROTOCOL for an answer that is no list, or whose pages are not
 * in the order of names. */
int kst_kube_pages_next(struct kst_kube_pages *self, struct kst_json **object,
                        struct kst_err **err);
/* Ends what is under way and frees; NULL is allowed. Yields. */
void kst_kube_pages_close(struct kst_kube_pages *self);

#endif
