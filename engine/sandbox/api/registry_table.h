/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in resources and their subresources, in the order of discovery. For registry*.c. */
#ifndef KST_SANDBOX_API_REGISTRY_TABLE_H
#define KST_SANDBOX_API_REGISTRY_TABLE_H

#include <stddef.h>

struct kst_builtin_resource {
    const char *group, *version, *plural, *kind, *short_names, *categories;
    unsigned flags;
    const char *stored_in; /* NULL: this very version */
};

/* Subresources that are no status or scale. */
struct kst_builtin_subresource {
    const char *group, *name /* "pods/log" */, *kind, *verbs /* separated by commas */;
    const char *kind_group, *kind_version; /* of the kind, where they are others; may be NULL */
};

extern const struct kst_builtin_resource kst_builtin_resources[];
extern const struct kst_builtin_subresource kst_builtin_subresources[];

#endif
