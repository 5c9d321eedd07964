/* SPDX-License-Identifier: Apache-2.0 */
/* What custom*.c share; see custom.h. */
#ifndef KST_SANDBOX_CUSTOM_CUSTOM_INTERNAL_H
#define KST_SANDBOX_CUSTOM_CUSTOM_INTERNAL_H

struct kst_json;

/* Reads an object's metadata (there may be none) as metadata, of which nothing else is kept. NULL,
 * or why it is none, in the words of the server's JSON reader; the caller frees it. */
char *kst_custom_read_metadata(struct kst_json *object);
/* The same for all objects within one, and that their types are texts; the words say where. */
char *kst_custom_read_embedded(const struct kst_json *schema, struct kst_json *object);
/* Adds the causes for which objects within the object are refused. */
void kst_custom_check_embedded(const struct kst_json *schema, const struct kst_json *object,
                               struct kst_json *causes);

#endif
