/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Validating admission webhooks: those whose ValidatingWebhookConfiguration is about a write are
 * asked over HTTPS, all at once, before it is done.
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
 *
 * Asked are those with a URL; of one behind a Service, which cannot be reached from here, its
 * failurePolicy counts.
 * What the cluster's own controllers write is not asked about, nor what deletes many at once.
 */
#ifndef KST_SANDBOX_SERVER_WEBHOOK_H
#define KST_SANDBOX_SERVER_WEBHOOK_H

#include <stdbool.h>

struct kst_api_call;
struct kst_ask;
struct kst_json;

/* Whether any webhook has a rule for this operation ("CREATE", "UPDATE", "DELETE"): else nothing
 * need be made ready to be asked about. */
bool kst_webhook_concerns(const struct kst_ask *ask, const struct kst_api_call *call,
                          const char *operation);
/* NULL where all allow it, else the Status of the first that does not, which the caller frees.
 * `object` is how it would be stored, `old` how it is; either may be NULL. Yields. */
struct kst_json *kst_webhook_check(const struct kst_ask *ask, const struct kst_api_call *call,
                                   const char *operation, const struct kst_json *object,
                                   const struct kst_json *old);

#endif
