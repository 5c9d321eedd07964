/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: one thread, epoll underneath. It runs fibers (fiber.h), timers, curl's multi
 * interface (http.h), child processes (child.h) and signals. Callbacks run on the loop's own
 * stack and may not wait; they signal conditions or spawn fibers.
 */
#ifndef KST_LOOP_LOOP_H
#define KST_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct kst_err;
struct kst_fiber;
struct kst_loop;
struct kst_timer;

/* KST_E_IO where the kernel refuses an epoll. One loop a thread. */
int kst_loop_new(struct kst_loop **out, struct kst_err **err);
/* Asserts that no fiber lives any more. */
void kst_loop_free(struct kst_loop *self);
/* Runs one turn: at most `until_ms` long (kst_now_ms() time). For use outside of fibers. */
void kst_loop_turn(struct kst_loop *self, int64_t until_ms);
/* Runs `fn` in a fiber and the loop until it ended; its result. The way main() enters. */
int kst_loop_run(struct kst_loop *self, const char *name,
                 int (*fn)(void *arg, struct kst_err **err), void *arg, struct kst_err **err);

/* A timer that calls back once, at `at_ms` (kst_now_ms() time). It frees itself after the call;
 * kst_timer_stop() before it frees it without a call (NULL is allowed). */
struct kst_timer *kst_timer_start(struct kst_loop *loop, int64_t at_ms, void (*call)(void *arg),
                                  void *arg);
void kst_timer_stop(struct kst_timer *self);

/* Watches a descriptor: calls back with the poll events that are there (level-triggered). Changing
 * the events of a watched descriptor to 0 stops. KST_E_IO where epoll cannot watch it. */
int kst_loop_watch_fd(struct kst_loop *self, int fd, int events,
                      void (*call)(void *arg, int fd, int events), void *arg, struct kst_err **err);

/* Calls back (on the loop) for each time the signal arrives; it is blocked for the process and
 * read through a signalfd. NULL stops listening. Child processes start with nothing blocked. */
int kst_loop_on_signal(struct kst_loop *self, int signal_number,
                       void (*call)(void *arg, int signal), void *arg, struct kst_err **err);

/* Slots for the modules of this layer (curl's multi handle), freed with the loop. */
void *kst_loop_slot(const struct kst_loop *self, int slot);
void kst_loop_set_slot(struct kst_loop *self, int slot, void *value, void (*release)(void *value));
enum { KST_LOOP_SLOT_HTTP, KST_LOOP_SLOT_CHILD, KST_LOOP_SLOTS };

#endif
