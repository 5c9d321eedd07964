/* SPDX-License-Identifier: Apache-2.0 */
/* What fiber.c, group.c and loop.c share. */
#ifndef KST_LOOP_LOOP_INTERNAL_H
#define KST_LOOP_LOOP_INTERNAL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct kst_fiber;
struct kst_loop;

/* The list of fibers that are ready to run, in order; a fiber is in it at most once. */
void kst_loop_make_ready(struct kst_loop *self, struct kst_fiber *fiber);
/* How many fibers live; the loop may be freed at 0. */
void kst_loop_count_fibers(struct kst_loop *self, int change);
/* What is blocked. A context switch restores the mask that was there when it was left, which may
 * have changed meanwhile; borrowed. */
const sigset_t *kst_loop_signal_mask(const struct kst_loop *self);
/* Switches to the fiber until it waits or ends. By the loop only. */
void kst_fiber_resume(struct kst_fiber *self);
/* Links for the ready list. */
struct kst_fiber *kst_fiber_ready_next(const struct kst_fiber *self);
void kst_fiber_set_ready_next(struct kst_fiber *self, struct kst_fiber *next);

/* Stacks of fibers, recycled. */
struct kst_stack {
    char *base; /* the lowest usable byte; a guard page lies below */
    size_t size;
};
struct kst_stack kst_stack_take(void);
void kst_stack_give(struct kst_stack stack);
void kst_stack_free_pool(void);

#endif
