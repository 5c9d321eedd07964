/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structural schemas of custom resources (apiextensions.k8s.io/v1): what the API server drops from
 * an object, what it fills in, and what it refuses, in its words. A schema is the JSON under
 * openAPIV3Schema of a definition that was accepted; any other JSON does no harm. An object is any
 * JSON object. The apiVersion, kind and metadata of the root are not a schema's business.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
 *
 * Numbers keep their text; one without point and exponent that fits counts as an int64, any other
 * as a float64, as in the server. Causes are those of a Status: {"reason","message","field"}.
 */
#ifndef KST_SANDBOX_CUSTOM_SCHEMA_H
#define KST_SANDBOX_CUSTOM_SCHEMA_H

struct kst_json;

/* Removes the fields that the schema does not know (but for x-kubernetes-preserve-unknown-fields),
 * and the nulls that are neither nullable nor to be filled in. */
void kst_schema_prune(const struct kst_json *schema, struct kst_json *object);
/* Fills in the defaults of fields that are absent, or null without being nullable, where what is
 * above them is there. */
void kst_schema_default(const struct kst_json *schema, struct kst_json *object);
/* Writes numbers as the server stores them: 1.0 is 1, and 1e3 is 1000. */
void kst_schema_numbers(struct kst_json *object);
/* Adds a cause for each rule that the object breaks. */
void kst_schema_validate(const struct kst_json *schema, const struct kst_json *object,
                         struct kst_json *causes);
/* The same for lists that are sets or maps (x-kubernetes-list-type): no element is there twice. */
void kst_schema_validate_lists(const struct kst_json *schema, const struct kst_json *object,
                               struct kst_json *causes);

#endif
