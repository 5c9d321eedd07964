/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/fiber.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sanitizer.h"
#include "loop/loop.h"
#include "loop/loop_internal.h"

struct kst_fiber {
    struct kst_loop *loop;
    char *name;
    kst_fiber_fn *fn;
    void *arg;
    int result;
    struct kst_err *error;
    bool ended, detached, started;

    ucontext_t context, back;
    struct kst_stack stack;
    void *fake_stack; /* AddressSanitizer's */

    bool cancelled;
    int shield;
    int64_t deadline_ms;
    void *data;
    void (*switch_hook)(void *data, bool in);

    struct kst_fiber *parent, *children, *sibling; /* not detached ones */
    struct kst_waiter *waiting;                    /* what it waits with; NULL while it runs */
    struct kst_cond ended_cond;
    struct kst_fiber *ready_next;
    bool is_ready;
};

/* A wait: ends by a wake (of a condition, a descriptor, …), by cancellation or by a deadline. */
struct kst_waiter {
    struct kst_fiber *fiber;
    struct kst_waiter *next; /* of a condition */
    struct kst_timer *timer; /* NULL: none, or it has fired and freed itself */
    bool woken;
    int code; /* 0, KST_E_TIMEOUT, KST_E_CANCELLED */
};

static struct kst_fiber *current;
#if KST_WITH_ASAN
static const void *main_stack;
static size_t main_stack_size;
#endif

struct kst_fiber *kst_fiber_self(void)
{
    return current;
}

struct kst_loop *kst_fiber_loop(void)
{
    return current ? current->loop : NULL;
}

const char *kst_fiber_name(const struct kst_fiber *self)
{
    return self->name;
}

void kst_fiber_set_data(struct kst_fiber *self, void *data)
{
    self->data = data;
}

void *kst_fiber_data(const struct kst_fiber *self)
{
    return self->data;
}

void kst_fiber_set_switch_hook(struct kst_fiber *self, void (*hook)(void *data, bool in))
{
    self->switch_hook = hook;
}

struct kst_fiber *kst_fiber_ready_next(const struct kst_fiber *self)
{
    return self->ready_next;
}

void kst_fiber_set_ready_next(struct kst_fiber *self, struct kst_fiber *next)
{
    self->ready_next = next;
}

static void make_ready(struct kst_fiber *self)
{
    if (self->is_ready)
        return;
    self->is_ready = true;
    kst_loop_make_ready(self->loop, self);
}

/* Leaves the fiber for the loop. `last`: it never comes back. */
static void leave(struct kst_fiber *self, bool last)
{
    if (self->switch_hook && !last)
        self->switch_hook(self->data, false);
#if KST_WITH_ASAN
    __sanitizer_start_switch_fiber(last ? NULL : &self->fake_stack, main_stack, main_stack_size);
#endif
    current = NULL;
    self->back.uc_sigmask = *kst_loop_signal_mask(self->loop);
    swapcontext(&self->context, &self->back);
#if KST_WITH_ASAN
    __sanitizer_finish_switch_fiber(self->fake_stack, &main_stack, &main_stack_size);
#endif
    current = self;
    if (self->switch_hook)
        self->switch_hook(self->data, true);
}

static void unlink_child(struct kst_fiber *self)
{
    if (!self->parent)
        return;
    for (struct kst_fiber **at = &self->parent->children; *at; at = &(*at)->sibling) {
        if (*at == self) {
            *at = self->sibling;
            break;
        }
    }
    self->parent = self->sibling = NULL;
}

static void entry(unsigned high, unsigned low)
{
    struct kst_fiber *self = (struct kst_fiber *)((uintptr_t)high << 32 |
                                                  (uintptr_t)low); /* makecontext passes ints */
#if KST_WITH_ASAN
    __sanitizer_finish_switch_fiber(NULL, &main_stack, &main_stack_size);
#endif
    current = self;
    if (self->switch_hook)
        self->switch_hook(self->data, true);
    self->result = self->fn(self->arg, &self->error);
    if (self->switch_hook)
        self->switch_hook(self->data, false);
    assert(!self->children && "a fiber ends before one that it spawned and did not join or detach");
    self->ended = true;
    leave(self, true);
}

static void start(struct kst_fiber *self)
{
    self->started = true;
    self->stack = kst_stack_take();
#if KST_WITH_ASAN
    __lsan_register_root_region(self->stack.base, self->stack.size);
#endif
    getcontext(&self->context);
    self->context.uc_stack.ss_sp = self->stack.base;
    self->context.uc_stack.ss_size = self->stack.size;
    self->context.uc_link = NULL;
    uintptr_t address = (uintptr_t)self;
    makecontext(&self->context, (void (*)(void))entry, 2, (unsigned)(address >> 32),
                (unsigned)address);
}

static void free_fiber(struct kst_fiber *self)
{
    kst_loop_count_fibers(self->loop, -1);
    kst_cond_release(&self->ended_cond);
    kst_err_free(self->error);
    free(self->name);
    free(self);
}

static void finish(struct kst_fiber *self)
{
#if KST_WITH_ASAN
    __lsan_unregister_root_region(self->stack.base, self->stack.size);
    __asan_unpoison_memory_region(self->stack.base, self->stack.size); /* the next fiber's frames */
#endif
    kst_stack_give(self->stack);
    unlink_child(self);
    if (self->detached) {
        if (self->error && self->result != KST_E_CANCELLED)
            kst_log(KST_LOG_DEBUG, "a background fiber failed", "fiber", self->name, "error",
                    kst_err_message(self->error), NULL);
        free_fiber(self);
        return;
    }
    kst_cond_signal(&self->ended_cond);
}

void kst_fiber_resume(struct kst_fiber *self)
{
    assert(!current);
    self->is_ready = false;
    if (!self->started)
        start(self);
#if KST_WITH_ASAN
    void *fake = NULL;
    __sanitizer_start_switch_fiber(&fake, self->stack.base, self->stack.size);
#endif
    self->context.uc_sigmask = *kst_loop_signal_mask(self->loop);
    swapcontext(&self->back, &self->context);
#if KST_WITH_ASAN
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
    if (self->ended)
        finish(self);
}

struct kst_fiber *kst_fiber_spawn(struct kst_loop *loop, const char *name, kst_fiber_fn *fn,
                                  void *arg)
{
    struct kst_fiber *self = kst_calloc(1, sizeof(*self));
    self->loop = loop;
    self->name = kst_strdup(name);
    self->fn = fn;
    self->arg = arg;
    self->deadline_ms = KST_NEVER;
    if (current) {
        self->parent = current;
        self->sibling = current->children;
        current->children = self;
        self->cancelled = current->cancelled;
        self->shield = current->shield;
        self->deadline_ms = current->deadline_ms;
        self->data = current->data;
        self->switch_hook = current->switch_hook;
    }
    kst_loop_count_fibers(loop, 1);
    make_ready(self);
    return self;
}

/* Waits with neither deadline nor cancellation. */
static void wait_for_end(struct kst_fiber *self)
{
    kst_shield_begin();
    int64_t outer = kst_deadline_replace(KST_NEVER);
    while (!self->ended)
        kst_cond_wait(&self->ended_cond, KST_NEVER, NULL);
    kst_deadline_restore(outer);
    kst_shield_end();
}

int kst_fiber_join(struct kst_fiber *self, struct kst_err **err)
{
    assert(!self->detached);
    if (current)
        wait_for_end(self);
    else
        while (!self->ended)
            kst_loop_turn(self->loop, KST_NEVER);
    int rc = self->result;
    if (rc < 0 && self->error)
        kst_err_move(err, &self->error);
    else if (rc < 0)
        kst_err_set(err, rc, "%s failed", self->name);
    free_fiber(self);
    return rc;
}

void kst_fiber_detach(struct kst_fiber *self)
{
    unlink_child(self);
    self->detached = true;
    if (self->ended)
        free_fiber(self);
}

bool kst_fiber_ended(const struct kst_fiber *self)
{
    return self->ended;
}

static bool sees_cancel(const struct kst_fiber *self)
{
    return self->cancelled && self->shield == 0;
}

static void wake(struct kst_waiter *waiter, int code)
{
    if (waiter->woken)
        return;
    waiter->woken = true;
    waiter->code = code;
    make_ready(waiter->fiber);
}

void kst_fiber_cancel(struct kst_fiber *self)
{
    if (self->ended)
        return;
    self->cancelled = true;
    if (self->waiting && sees_cancel(self))
        wake(self->waiting, KST_E_CANCELLED);
    for (struct kst_fiber *child = self->children; child; child = child->sibling)
        kst_fiber_cancel(child);
}

int64_t kst_deadline_get(void)
{
    assert(current);
    return current->deadline_ms;
}

int64_t kst_deadline_replace(int64_t deadline_ms)
{
    assert(current);
    int64_t before = current->deadline_ms;
    current->deadline_ms = deadline_ms;
    return before;
}

int64_t kst_deadline_set(int64_t deadline_ms)
{
    assert(current);
    int64_t before = current->deadline_ms;
    if (deadline_ms < before)
        current->deadline_ms = deadline_ms;
    return before;
}

void kst_deadline_restore(int64_t deadline_ms)
{
    kst_deadline_replace(deadline_ms);
}

void kst_shield_begin(void)
{
    assert(current);
    current->shield++;
}

void kst_shield_end(void)
{
    assert(current && current->shield > 0);
    current->shield--;
}

static int fail_cancelled(struct kst_err **err)
{
    return kst_err_set(err, KST_E_CANCELLED, "cancelled");
}

static int fail_timeout(struct kst_err **err)
{
    return kst_err_set(err, KST_E_TIMEOUT, "the time that was allowed is over");
}

int kst_fiber_check(struct kst_err **err)
{
    assert(current);
    if (sees_cancel(current))
        return fail_cancelled(err);
    if (kst_now_ms() >= current->deadline_ms)
        return fail_timeout(err);
    return 0;
}

static void on_deadline(void *arg)
{
    struct kst_waiter *waiter = arg;
    waiter->timer = NULL;
    wake(waiter, KST_E_TIMEOUT);
}

/* Waits until the waiter is woken, or the sooner of the deadline and the fiber's own. */
static int await(struct kst_waiter *waiter, int64_t deadline_ms, struct kst_err **err)
{
    struct kst_fiber *self = current;
    int rc = kst_fiber_check(err);
    if (rc < 0)
        return rc;
    if (self->deadline_ms < deadline_ms)
        deadline_ms = self->deadline_ms;
    if (deadline_ms != KST_NEVER)
        waiter->timer = kst_timer_start(self->loop, deadline_ms, on_deadline, waiter);
    self->waiting = waiter;
    leave(self, false);
    self->waiting = NULL;
    kst_timer_stop(waiter->timer);
    if (waiter->code == KST_E_CANCELLED)
        return fail_cancelled(err);
    return waiter->code == KST_E_TIMEOUT ? fail_timeout(err) : 0;
}

void kst_cond_release(struct kst_cond *self)
{
    assert(!self->first);
}

void kst_cond_signal(struct kst_cond *self)
{
    struct kst_waiter *waiter = self->first;
    self->first = NULL;
    while (waiter) {
        struct kst_waiter *next = waiter->next;
        wake(waiter, 0);
        waiter = next;
    }
}

int kst_cond_wait(struct kst_cond *self, int64_t deadline_ms, struct kst_err **err)
{
    struct kst_waiter waiter = {.fiber = current, .next = self->first};
    self->first = &waiter;
    int rc = await(&waiter, deadline_ms, err);
    for (struct kst_waiter **at = &self->first; *at; at = &(*at)->next) {
        if (*at == &waiter) {
            *at = waiter.next;
            break;
        }
    }
    return rc;
}

int kst_sleep_ms(int64_t delay_ms, struct kst_err **err)
{
    struct kst_waiter waiter = {.fiber = current};
    int64_t until = kst_deadline_in_ms(delay_ms);
    struct kst_err *error = NULL;
    int rc = await(&waiter, until, &error);
    if (rc == KST_E_TIMEOUT && until <= current->deadline_ms) {
        kst_err_clear(&error); /* the time that was asked for */
        return 0;
    }
    return rc < 0 ? kst_err_move(err, &error) : 0;
}

void kst_yield(void)
{
    assert(current);
    struct kst_waiter waiter = {.fiber = current, .woken = true};
    make_ready(current);
    current->waiting = &waiter;
    leave(current, false);
    current->waiting = NULL;
}

struct fd_wait {
    struct kst_waiter waiter;
    int events;
};

static void on_fd(void *arg, int fd, int events)
{
    struct fd_wait *wait = arg;
    wait->events |= events;
    wake(&wait->waiter, 0);
}

int kst_wait_fd(int fd, int events, int64_t deadline_ms, struct kst_err **err)
{
    struct fd_wait wait = {.waiter = {.fiber = current}};
    struct kst_loop *loop = current->loop;
    int rc = kst_fiber_check(err);
    if (rc == 0)
        rc = kst_loop_watch_fd(loop, fd, events, on_fd, &wait, err);
    if (rc < 0)
        return rc;
    rc = await(&wait.waiter, deadline_ms, err);
    kst_loop_watch_fd(loop, fd, 0, NULL, NULL, NULL);
    return rc < 0 ? rc : wait.events;
}
