/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Versions of built-in kinds whose objects have another form than the one in which they are stored
 * (KST_RES_OTHER_FORM): Events of events.k8s.io, and CustomResourceDefinitions of v1beta1. All
 * other versions differ in their names alone.
 */
#ifndef KST_SANDBOX_TYPES_CONVERT_H
#define KST_SANDBOX_TYPES_CONVERT_H

struct kst_json;
struct kst_resource;

/* Makes of an object in the version of `resource` one in the version that is stored, or the other
 * way round. What an object leaves out stays out, so that it may be a part, as in an apply. */
void kst_convert_in(const struct kst_resource *resource, struct kst_json *object);
void kst_convert_out(const struct kst_resource *resource, struct kst_json *object);

#endif
