/* SPDX-License-Identifier: Apache-2.0 */
struct kst_json;
/* To be written. */
void kst_schema_prune(const struct kst_json *schema, struct kst_json *object);
/* To be written. */
void kst_schema_default(const struct kst_json *schema, struct kst_json *object);
/* To be written. */
void kst_schema_validate(const struct kst_json *schema, const struct kst_json *object,
                         struct kst_json *causes);
