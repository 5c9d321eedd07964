/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { BLOCK_BYTES = 16 * 1024, ALIGN = 16 };

struct kst_arena_block {
    struct kst_arena_block *next;
    size_t used, size;
    _Alignas(ALIGN) char data[];
};

void *kst_arena_alloc(struct kst_arena *self, size_t size_bytes)
{
    size_t size = (size_bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct kst_arena_block *block = self->blocks;
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        block = kst_calloc(1, sizeof(*block) + room);
        block->size = room;
        block->next = self->blocks;
        self->blocks = block;
    }
    void *memory = block->data + block->used;
    block->used += size;
    return memory;
}

char *kst_arena_strndup(struct kst_arena *self, const char *text, size_t len)
{
    char *copy = kst_arena_alloc(self, len + 1);
    memcpy(copy, text, len);
    return copy;
}

char *kst_arena_printf(struct kst_arena *self, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = kst_arena_alloc(self, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

void kst_arena_release(struct kst_arena *self)
{
    while (self->blocks) {
        struct kst_arena_block *gone = self->blocks;
        self->blocks = gone->next;
        free(gone);
    }
}
