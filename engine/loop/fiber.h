/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fibers: functions with a stack of their own, run one at a time by the event loop. What waits
 * (a request, a timer, a child, another fiber) "yields": it switches to the loop, and comes back
 * when its wait is over. Code above this layer is therefore written straight down, with ordinary
 * errors and clean-up, and hundreds of runs share one thread.
 *
 * Cancelling is an error, not a jump: a cancelled fiber's current wait, and every later one,
 * returns KST_E_CANCELLED, so the code unwinds as from any failure. Between kst_shield_begin() and
 * kst_shield_end() the fiber does not see it (a thaw is a promise).
 *
 * Deadlines are inherited: a fiber has at most one, every wait ends at it with KST_E_TIMEOUT, and
 * a fiber that is spawned starts with its parent's deadline, cancellation and shield.
 *
 * Functions marked "yields" may be called in a fiber only (that asserts). Stacks are mapped lazily,
 * with a guard page; 1 MiB each (4 MiB under AddressSanitizer).
 */
#ifndef KST_LOOP_FIBER_H
#define KST_LOOP_FIBER_H

#include <stdbool.h>
#include <stdint.h>

struct kst_err;
struct kst_fiber;
struct kst_loop;

/* The fiber's function: its return value and *err become the result that kst_fiber_join() gives. */
typedef int kst_fiber_fn(void *arg, struct kst_err **err);

/* Starts a fiber (it runs at the loop's next turn). `name` is copied, for logs. The handle belongs
 * to the caller, who joins it, or gives it away with kst_fiber_detach(). */
struct kst_fiber *kst_fiber_spawn(struct kst_loop *loop, const char *name, kst_fiber_fn *fn,
                                  void *arg);
/* Yields until the fiber ended, whatever the deadline or cancellation of the caller (cancel it
 * first to make it end), returns its result and frees the handle. Also callable outside of fibers:
 * then it runs the loop until the fiber ended. */
int kst_fiber_join(struct kst_fiber *self, struct kst_err **err);
/* Frees itself at its end; an error it ends with is logged at DEBUG. */
void kst_fiber_detach(struct kst_fiber *self);
bool kst_fiber_ended(const struct kst_fiber *self);
/* Cancels it and every fiber that it has spawned and not detached. Idempotent. */
void kst_fiber_cancel(struct kst_fiber *self);

/* The running fiber, or NULL outside of fibers; and the loop it runs on. */
struct kst_fiber *kst_fiber_self(void);
struct kst_loop *kst_fiber_loop(void);
const char *kst_fiber_name(const struct kst_fiber *self);
/* A pointer of the owner's on the fiber, inherited by what it spawns (the Lua host keeps its
 * accounting here). */
void kst_fiber_set_data(struct kst_fiber *self, void *data);
void *kst_fiber_data(const struct kst_fiber *self);
/* Called each time the fiber `self` is about to be switched out (in = false) or was switched in
 * (in = true); inherited by what it spawns. For accounting of time; may not wait. */
void kst_fiber_set_switch_hook(struct kst_fiber *self, void (*hook)(void *data, bool in));

/* Sets the running fiber's deadline (kst_now_ms() time) to the sooner of the present one and
 * `deadline_ms`, and returns the one before, to be given back to kst_deadline_restore().
 * kst_deadline_replace() sets it whatever it was: for clean-up with a time of its own. */
int64_t kst_deadline_set(int64_t deadline_ms);
int64_t kst_deadline_replace(int64_t deadline_ms);
void kst_deadline_restore(int64_t deadline_ms);
int64_t kst_deadline_get(void);

/* Nested; while any is open, cancellation is not seen by the running fiber. */
void kst_shield_begin(void);
void kst_shield_end(void);
/* KST_E_CANCELLED or KST_E_TIMEOUT where the running fiber was cancelled or its deadline passed,
 * else 0. Never yields. */
int kst_fiber_check(struct kst_err **err);

/* Yields. KST_E_CANCELLED, KST_E_TIMEOUT (the fiber's own deadline). */
int kst_sleep_ms(int64_t delay_ms, struct kst_err **err);
/* Lets the other fibers run first; never fails. */
void kst_yield(void);
/* Yields until the descriptor is readable or writable (POLLIN | POLLOUT of <poll.h>; POLLERR and
 * POLLHUP are always awaited) or the deadline (KST_NEVER for none but the fiber's own): the events
 * that are there, or KST_E_TIMEOUT, KST_E_CANCELLED. One fiber a descriptor. */
int kst_wait_fd(int fd, int events, int64_t deadline_ms, struct kst_err **err);

/* A condition: fibers wait, somebody signals. kst_cond_wait() returns 0 after a signal that came
 * after its start, KST_E_TIMEOUT at `deadline_ms` or the fiber's own, KST_E_CANCELLED. No fiber
 * may be waiting when it is released (that asserts). */
struct kst_cond {
    struct kst_waiter *first;
};
/* clang-format off */
#define KST_COND_INIT {0}
/* clang-format on */
void kst_cond_release(struct kst_cond *self);
int kst_cond_wait(struct kst_cond *self, int64_t deadline_ms, struct kst_err **err);
/* Wakes all that wait; callable from anywhere on the loop's thread. */
void kst_cond_signal(struct kst_cond *self);

/* A group: fibers started together and awaited together. kst_group_wait() yields until all ended
 * and returns the first error that happened in time (others go to DEBUG); with `cancel_on_error`,
 * the first error cancels the rest. Results of each are had with kst_group_result() until the
 * release, which asserts that all ended. */
struct kst_group;
struct kst_group *kst_group_new(struct kst_loop *loop, bool cancel_on_error);
/* At most `limit` of its fibers run at once, the others start as they end (0, the default: all). */
void kst_group_limit(struct kst_group *self, unsigned limit);
void kst_group_spawn(struct kst_group *self, const char *name, kst_fiber_fn *fn, void *arg);
int kst_group_wait(struct kst_group *self, struct kst_err **err);
void kst_group_cancel(struct kst_group *self);
/* The code that fiber `index` (in order of spawning) returned, and its error, borrowed. */
int kst_group_result(const struct kst_group *self, unsigned index, const struct kst_err **err);
void kst_group_free(struct kst_group *self);

#endif
