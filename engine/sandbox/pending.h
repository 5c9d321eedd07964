/* SPDX-License-Identifier: Apache-2.0 */
/* Prototypes of what is being written. */
#ifndef KST_SANDBOX_PENDING_H
#define KST_SANDBOX_PENDING_H
struct kst_json;
void kst_builtin_validate(const char *group, const char *kind, const struct kst_json *object,
                          const struct kst_json *old, struct kst_json *causes);
void kst_builtin_validate_meta(const char *group, const char *kind, const struct kst_json *object,
                               const struct kst_json *old, struct kst_json *causes);
#endif
