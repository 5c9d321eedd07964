/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop_internal.h"

enum { EVENTS_A_TURN = 64, MAX_SIGNAL = 64, MAX_WAIT_MS = 60 * 60 * 1000 };

struct kst_timer {
    struct kst_loop *loop;
    int64_t at_ms;
    uint64_t order; /* of its start: timers of one moment fire in that order */
    size_t index;   /* in the heap */
    void (*call)(void *arg);
    void *arg;
};

struct watched {
    int events;
    uint32_t generation; /* tells an old event of a descriptor number from a new owner's */
    void (*call)(void *arg, int fd, int events);
    void *arg;
};

struct listener {
    void (*call)(void *arg, int signal);
    void *arg;
};

struct kst_loop {
    int epoll;
    struct kst_fiber *ready_first, *ready_last;
    int fibers;
    struct kst_timer **heap;
    size_t timers, heap_size;
    uint64_t timer_order;
    struct watched *fds; /* by descriptor */
    size_t fd_size;
    int signal_fd;
    sigset_t signals, mask; /* listened to; blocked in this process: these, and what always was */
    struct listener listeners[MAX_SIGNAL + 1];
    void *slots[KST_LOOP_SLOTS];
    void (*releases[KST_LOOP_SLOTS])(void *value);
};

int kst_loop_new(struct kst_loop **out, struct kst_err **err)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        return kst_err_set(err, KST_E_IO, "epoll: %s", strerror(errno));
    struct kst_loop *self = kst_calloc(1, sizeof(*self));
    self->epoll = epoll;
    self->signal_fd = -1;
    sigemptyset(&self->signals);
    sigprocmask(SIG_SETMASK, NULL, &self->mask);
    signal(SIGPIPE, SIG_IGN); /* a peer that went away is an error of the write, not our end */
    *out = self;
    return 0;
}

void kst_loop_free(struct kst_loop *self)
{
    if (!self)
        return;
    assert(self->fibers == 0);
    for (int i = 0; i < KST_LOOP_SLOTS; i++) {
        if (self->slots[i] && self->releases[i])
            self->releases[i](self->slots[i]);
    }
    for (size_t i = 0; i < self->timers; i++)
        free(self->heap[i]);
    if (self->signal_fd >= 0)
        close(self->signal_fd);
    close(self->epoll);
    free(self->heap);
    free(self->fds);
    free(self);
    kst_stack_free_pool();
}

void *kst_loop_slot(const struct kst_loop *self, int slot)
{
    return self->slots[slot];
}

void kst_loop_set_slot(struct kst_loop *self, int slot, void *value, void (*release)(void *value))
{
    self->slots[slot] = value;
    self->releases[slot] = release;
}

void kst_loop_make_ready(struct kst_loop *self, struct kst_fiber *fiber)
{
    kst_fiber_set_ready_next(fiber, NULL);
    if (self->ready_last)
        kst_fiber_set_ready_next(self->ready_last, fiber);
    else
        self->ready_first = fiber;
    self->ready_last = fiber;
}

void kst_loop_count_fibers(struct kst_loop *self, int change)
{
    self->fibers += change;
}

/* Timers: a binary heap. */
static bool sooner(const struct kst_timer *a, const struct kst_timer *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void place(struct kst_loop *self, size_t index, struct kst_timer *timer)
{
    self->heap[index] = timer;
    timer->index = index;
}

static void sift_up(struct kst_loop *self, size_t index)
{
    struct kst_timer *timer = self->heap[index];
    while (index > 0 && sooner(timer, self->heap[(index - 1) / 2])) {
        place(self, index, self->heap[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    place(self, index, timer);
}

static void sift_down(struct kst_loop *self, size_t index)
{
    struct kst_timer *timer = self->heap[index];
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= self->timers)
            break;
        if (child + 1 < self->timers && sooner(self->heap[child + 1], self->heap[child]))
            child++;
        if (!sooner(self->heap[child], timer))
            break;
        place(self, index, self->heap[child]);
        index = child;
    }
    place(self, index, timer);
}

static void remove_timer(struct kst_loop *self, struct kst_timer *timer)
{
    size_t index = timer->index;
    struct kst_timer *last = self->heap[--self->timers];
    if (last == timer)
        return;
    place(self, index, last);
    sift_up(self, index);
    sift_down(self, last->index);
}

struct kst_timer *kst_timer_start(struct kst_loop *loop, int64_t at_ms, void (*call)(void *arg),
                                  void *arg)
{
    struct kst_timer *timer = kst_calloc(1, sizeof(*timer));
    *timer = (struct kst_timer){
        .loop = loop, .at_ms = at_ms, .order = loop->timer_order++, .call = call, .arg = arg};
    if (loop->timers == loop->heap_size) {
        loop->heap_size = loop->heap_size ? loop->heap_size * 2 : 16;
        loop->heap = kst_realloc(loop->heap, loop->heap_size * sizeof(struct kst_timer *));
    }
    place(loop, loop->timers++, timer);
    sift_up(loop, timer->index);
    return timer;
}

void kst_timer_stop(struct kst_timer *self)
{
    if (!self)
        return;
    remove_timer(self->loop, self);
    free(self);
}

static void fire_timers(struct kst_loop *self)
{
    int64_t now = kst_now_ms();
    uint64_t started =
        self->timer_order; /* those that are started meanwhile have their turn next */
    while (self->timers && self->heap[0]->at_ms <= now && self->heap[0]->order < started) {
        struct kst_timer timer = *self->heap[0];
        kst_timer_stop(self->heap[0]);
        timer.call(timer.arg);
    }
}

/* Descriptors. */
static uint32_t epoll_events(int events)
{
    return (events & POLLIN ? EPOLLIN : 0u) | (events & POLLOUT ? EPOLLOUT : 0u);
}

static void grow_fds(struct kst_loop *self, int fd)
{
    if ((size_t)fd < self->fd_size)
        return;
    size_t size = self->fd_size ? self->fd_size : 64;
    while (size <= (size_t)fd)
        size *= 2;
    self->fds = kst_realloc(self->fds, size * sizeof(*self->fds));
    memset(self->fds + self->fd_size, 0, (size - self->fd_size) * sizeof(*self->fds));
    self->fd_size = size;
}

int kst_loop_watch_fd(struct kst_loop *self, int fd, int events,
                      void (*call)(void *arg, int fd, int events), void *arg, struct kst_err **err)
{
    assert(fd >= 0);
    grow_fds(self, fd);
    struct watched *watched = &self->fds[fd];
    bool was = watched->call != NULL;
    if (!events) {
        if (was)
            epoll_ctl(self->epoll, EPOLL_CTL_DEL, fd, NULL); /* it may be closed already */
        watched->call = NULL;
        watched->generation++;
        return 0;
    }
    if (!was)
        watched->generation++;
    struct epoll_event event = {.events = epoll_events(events),
                                .data.u64 = (uint64_t)watched->generation << 32 | (uint32_t)fd};
    int rc = epoll_ctl(self->epoll, was ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    if (rc < 0 && was && errno == ENOENT) /* closed and opened anew behind our back */
        rc = epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event);
    else if (rc < 0 && !was && errno == EEXIST)
        rc = epoll_ctl(self->epoll, EPOLL_CTL_MOD, fd, &event);
    if (rc < 0)
        return kst_err_set(err, KST_E_IO, "watch descriptor %d: %s", fd, strerror(errno));
    watched->events = events;
    watched->call = call;
    watched->arg = arg;
    return 0;
}

static void dispatch(struct kst_loop *self, const struct epoll_event *event)
{
    int fd = (int)(uint32_t)event->data.u64;
    struct watched *watched = &self->fds[fd];
    if (!watched->call || watched->generation != event->data.u64 >> 32)
        return; /* stopped by a callback of this very turn */
    int events = (event->events & EPOLLIN ? POLLIN : 0) | (event->events & EPOLLOUT ? POLLOUT : 0) |
                 (event->events & EPOLLERR ? POLLERR : 0) |
                 (event->events & EPOLLHUP ? POLLHUP : 0);
    watched->call(watched->arg, fd, events);
}

/* Signals. */
static void on_signal_fd(void *arg, int fd, int events)
{
    struct kst_loop *self = arg;
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        const struct listener *listener = info.ssi_signo <= MAX_SIGNAL
                                              ? &self->listeners[info.ssi_signo]
                                              : NULL;
        if (listener && listener->call)
            listener->call(listener->arg, (int)info.ssi_signo);
    }
}

int kst_loop_on_signal(struct kst_loop *self, int signal_number,
                       void (*call)(void *arg, int signal), void *arg, struct kst_err **err)
{
    assert(signal_number > 0 && signal_number <= MAX_SIGNAL);
    self->listeners[signal_number] = (struct listener){.call = call, .arg = arg};
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signal_number);
    if (call) {
        sigaddset(&self->signals, signal_number);
        sigaddset(&self->mask, signal_number);
    } else {
        sigdelset(&self->signals, signal_number);
        sigdelset(&self->mask, signal_number);
    }
    sigprocmask(call ? SIG_BLOCK : SIG_UNBLOCK, &one, NULL);
    int fd = signalfd(self->signal_fd, &self->signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return kst_err_set(err, KST_E_IO, "signalfd: %s", strerror(errno));
    if (self->signal_fd >= 0)
        return 0;
    self->signal_fd = fd;
    return kst_loop_watch_fd(self, fd, POLLIN, on_signal_fd, self, err);
}

const sigset_t *kst_loop_signal_mask(const struct kst_loop *self)
{
    return &self->mask;
}

/* Runs the fibers that are ready now; those that become ready meanwhile have their turn next. */
static void run_ready(struct kst_loop *self)
{
    struct kst_fiber *fiber = self->ready_first;
    self->ready_first = self->ready_last = NULL;
    while (fiber) {
        struct kst_fiber *next = kst_fiber_ready_next(fiber);
        kst_fiber_resume(fiber);
        fiber = next;
    }
}

static int wait_ms(const struct kst_loop *self, int64_t until_ms)
{
    if (self->ready_first)
        return 0;
    int64_t at = until_ms;
    if (self->timers && self->heap[0]->at_ms < at)
        at = self->heap[0]->at_ms;
    int64_t left = at == KST_NEVER ? MAX_WAIT_MS : at - kst_now_ms();
    return left < 0 ? 0 : left > MAX_WAIT_MS ? MAX_WAIT_MS : (int)left;
}

void kst_loop_turn(struct kst_loop *self, int64_t until_ms)
{
    assert(!kst_fiber_self());
    struct epoll_event events[EVENTS_A_TURN];
    int count = epoll_wait(self->epoll, events, EVENTS_A_TURN, wait_ms(self, until_ms));
    for (int i = 0; i < count; i++)
        dispatch(self, &events[i]);
    fire_timers(self);
    run_ready(self);
}

int kst_loop_run(struct kst_loop *self, const char *name,
                 int (*fn)(void *arg, struct kst_err **err), void *arg, struct kst_err **err)
{
    return kst_fiber_join(kst_fiber_spawn(self, name, fn, arg), err);
}
