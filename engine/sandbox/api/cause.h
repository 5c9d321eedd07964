/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The causes of a refusal in the API server's words (k8s.io/apimachinery/pkg/util/validation/
 * field): {"reason","message","field"}, added to a list. A field is `path` with ".child" where a
 * child is named; its value is shown as Go's %q shows it.
 */
#ifndef KST_SANDBOX_API_CAUSE_H
#define KST_SANDBOX_API_CAUSE_H

#include <stddef.h>

#include "sandbox/builtin/check.h"

struct kst_json;

/* `detail` may be empty. */
void kst_cause_required(struct kst_json *causes, const char *path, const char *child,
                        const char *detail);
void kst_cause_forbidden(struct kst_json *causes, const char *path, const char *child,
                         const char *detail);
void kst_cause_invalid(struct kst_json *causes, const char *path, const char *child,
                       const char *value, const char *detail);
/* `shown` is the value as it is to be read: a number, a list. */
void kst_cause_invalid_value(struct kst_json *causes, const char *path, const char *child,
                             const char *shown, const char *detail);
void kst_cause_not_supported(struct kst_json *causes, const char *path, const char *child,
                             const char *value, const char *const *allowed, size_t count);

/* Why a text is not of a form, all in one; NULL where it is. The caller frees it. */
char *kst_cause_form(enum kst_text_form form, const char *text);

#endif
