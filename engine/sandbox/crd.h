/* SPDX-License-Identifier: Apache-2.0 */
struct kst_json;
/* To be written. */
void kst_crd_default(struct kst_json *crd);
/* To be written. */
void kst_crd_validate(const struct kst_json *crd, const struct kst_json *old,
                      struct kst_json *causes);
/* To be written. */
void kst_crd_set_established(struct kst_json *crd, const char *now);
