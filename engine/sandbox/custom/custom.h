/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of custom resources on their way between a request, in any version of their definition,
 * and the store, which keeps the one that is marked for it. The conversion is None: versions differ
 * in what their schemas prune and fill in, and in apiVersion.
 */
#ifndef KST_SANDBOX_CUSTOM_CUSTOM_H
#define KST_SANDBOX_CUSTOM_CUSTOM_H

#include <stdbool.h>

struct kst_api;
struct kst_api_call;
struct kst_json;
struct kst_resource;

/* Reads what a request brings, or a patch has made: its kind must be told and its version right,
 * and its metadata must be what metadata is, of which nothing else is kept. NULL, or the Status
 * that says why not. */
struct kst_json *kst_custom_decode(const struct kst_api_call *call, struct kst_json *object);
/* The same in the schema of its version, which prunes it and fills it in. */
void kst_custom_read(const struct kst_resource *resource, struct kst_json *object);
/* An object of any version as it is stored. */
void kst_custom_store(const struct kst_resource *resource, struct kst_json *object);
/* A stored object as the resource's version shows it. */
void kst_custom_show(const struct kst_resource *resource, struct kst_json *object);
/* An object of another kind than the resource's is refused for that alone: its Status, or NULL. */
struct kst_json *kst_custom_check_kind(const struct kst_resource *resource,
                                       const struct kst_json *object);
/* Why an object has no Scale: it says of no replicas. NULL where it does. */
struct kst_json *kst_custom_check_scale(const struct kst_resource *resource,
                                        const struct kst_json *object);
/* Adds the causes for which it is refused: those of the schema, of the replicas that a Scale shows,
 * of embedded resources, and of lists that are sets or maps. `live` is NULL for a new object; both
 * are in the resource's version. A write of the status alone is asked less. */
void kst_custom_validate(const struct kst_resource *resource, const struct kst_json *live,
                         const struct kst_json *object, bool status_only, struct kst_json *causes);
/* No webhook is called here, so that what needs one to be converted is refused: the object of this
 * name, those of a namespace ("": all) where it is "", or a new one. The Status, as the server has
 * it for a webhook that does not answer; NULL where nothing is to be converted. */
struct kst_json *kst_custom_check_conversion(const struct kst_resource *resource, const char *ns,
                                             const char *name, bool creates);
/* The Status that says why nothing can be created now: its definition is being deleted; or NULL. */
struct kst_json *kst_custom_refuse(struct kst_api *api, const struct kst_resource *resource);

#endif
