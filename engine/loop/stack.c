/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks: mapped lazily, each with a guard page below it, a few kept for the next fiber. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sanitizer.h"
#include "loop/loop_internal.h"

enum {
    STACK_BYTES = (KST_WITH_ASAN ? 4 : 1) * 1024 * 1024,
    KEPT_BYTES = 32 *
                 1024, /* of a stack in the pool: its top, which the next fiber touches at once */
    POOL = 32,
};

static struct kst_stack pool[POOL];
static size_t pooled;

struct kst_stack kst_stack_take(void)
{
    if (pooled)
        return pool[--pooled];
    size_t guard = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, STACK_BYTES + guard, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, guard, PROT_NONE) < 0) {
        fputs("kassette: no memory for the stack of a fiber\n", stderr);
        abort();
    }
    return (struct kst_stack){.base = memory + guard, .size = STACK_BYTES};
}

static void unmap(struct kst_stack stack)
{
    size_t guard = (size_t)sysconf(_SC_PAGESIZE);
    munmap(stack.base - guard, stack.size + guard);
}

void kst_stack_give(struct kst_stack stack)
{
    if (pooled == POOL) {
        unmap(stack);
        return;
    }
    madvise(stack.base, stack.size - KEPT_BYTES, MADV_DONTNEED);
    pool[pooled++] = stack;
}

void kst_stack_free_pool(void)
{
    while (pooled)
        unmap(pool[--pooled]);
}
