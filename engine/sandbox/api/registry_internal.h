/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the registry share. */
#ifndef KST_SANDBOX_API_REGISTRY_INTERNAL_H
#define KST_SANDBOX_API_REGISTRY_INTERNAL_H

#include <stddef.h>

struct kst_resource;
struct kst_store;

struct kst_registry {
    struct kst_store *store;
    struct kst_resource **resources;
    size_t count;
};

#endif
