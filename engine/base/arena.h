/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of many small things that are given back together. */
#ifndef KST_BASE_ARENA_H
#define KST_BASE_ARENA_H

#include <stddef.h>

struct kst_arena_block;
struct kst_arena {
    struct kst_arena_block *blocks;
};

/* Zeroed memory that lives as long as the arena ({0} is an empty one). */
void *kst_arena_alloc(struct kst_arena *self, size_t size_bytes);
/* A copy of `len` bytes with a NUL behind them. */
char *kst_arena_strndup(struct kst_arena *self, const char *text, size_t len);
char *kst_arena_printf(struct kst_arena *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Gives all of it back and leaves an empty arena. */
void kst_arena_release(struct kst_arena *self);

#endif
