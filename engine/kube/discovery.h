/* SPDX-License-Identifier: Apache-2.0 */
/* What the server says it has: read, parsed, kept. For resource look-ups (find.c) alone. */
#ifndef KST_KUBE_DISCOVERY_H
#define KST_KUBE_DISCOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kube/resource.h"
#include "loop/fiber.h"

struct kst_err;
struct kst_kube;

struct kst_kube_discovery {
    /* Resources of the last reading, in the server's order: the core group first, in each group
     * the preferred version first. Borrowed from `known`. */
    const struct kst_kube_resource **resources;
    size_t count;
    char **versions; /* every "group/version" that is served, ended by NULL; may be NULL */
    char *missing;   /* groups that did not answer; NULL: none */
    /* Every resource that was ever handed out lives as long as the client. */
    struct kst_kube_resource **known;
    size_t known_count;
    uint64_t readings; /* 0: never read */
    bool reading;
    struct kst_cond done;
};

/* Has it read at least once more than `after` times (0: read at all). Yields. */
int kst_kube_discovery_read(struct kst_kube *self, uint64_t after,
                            const struct kst_kube_discovery **out, struct kst_err **err);

#endif
