/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: fibers started together and awaited together. */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"

struct member {
    struct kst_group *group;
    char *name;
    kst_fiber_fn *fn;
    void *arg;
    struct kst_fiber *fiber; /* NULL: not started yet, or joined */
    bool started, ended;
    int result;
    struct kst_err *error;
};

struct kst_group {
    struct kst_loop *loop;
    bool cancel_on_error, cancelled;
    unsigned limit, count, running;
    struct member **members;
    struct kst_cond changed;
    int first_result; /* the first failure in time */
    unsigned first;
};

struct kst_group *kst_group_new(struct kst_loop *loop, bool cancel_on_error)
{
    struct kst_group *self = kst_calloc(1, sizeof(*self));
    self->loop = loop;
    self->cancel_on_error = cancel_on_error;
    return self;
}

void kst_group_limit(struct kst_group *self, unsigned limit)
{
    self->limit = limit;
}

static int run_member(void *arg, struct kst_err **err)
{
    struct member *member = arg;
    struct kst_group *group = member->group;
    member->result = member->fn(member->arg, &member->error);
    if (member->result < 0 && group->first_result == 0) {
        group->first_result = member->result;
        for (unsigned i = 0; i < group->count; i++) {
            if (group->members[i] == member)
                group->first = i;
        }
        if (group->cancel_on_error)
            kst_group_cancel(group);
    }
    member->ended = true;
    kst_cond_signal(&group->changed);
    return 0;
}

static void start_some(struct kst_group *self)
{
    for (unsigned i = 0; i < self->count; i++) {
        struct member *member = self->members[i];
        if (member->started)
            continue;
        if (self->limit && self->running >= self->limit)
            return;
        member->started = true;
        self->running++;
        member->fiber = kst_fiber_spawn(self->loop, member->name, run_member, member);
        if (self->cancelled)
            kst_fiber_cancel(member->fiber);
    }
}

void kst_group_spawn(struct kst_group *self, const char *name, kst_fiber_fn *fn, void *arg)
{
    struct member *member = kst_calloc(1, sizeof(*member));
    *member = (struct member){.group = self, .name = kst_strdup(name), .fn = fn, .arg = arg};
    self->members = kst_realloc(self->members, (self->count + 1) * sizeof(*self->members));
    self->members[self->count++] = member;
    start_some(self);
}

/* Joins those that ended; the count of those that have not. */
static unsigned reap(struct kst_group *self)
{
    unsigned left = 0;
    for (unsigned i = 0; i < self->count; i++) {
        struct member *member = self->members[i];
        if (member->ended && member->fiber) {
            kst_fiber_join(member->fiber, NULL);
            member->fiber = NULL;
            self->running--;
        }
        left += !member->ended;
    }
    return left;
}

int kst_group_wait(struct kst_group *self, struct kst_err **err)
{
    /* A cancel of the caller reaches the members by itself; here their ends are awaited. */
    kst_shield_begin();
    int64_t outer = kst_deadline_replace(KST_NEVER);
    while (reap(self) > 0) {
        kst_deadline_restore(outer); /* what starts late inherits what the caller has */
        kst_shield_end();
        start_some(self);
        kst_shield_begin();
        kst_deadline_replace(KST_NEVER);
        kst_cond_wait(&self->changed, KST_NEVER, NULL);
    }
    kst_deadline_restore(outer);
    kst_shield_end();
    if (self->first_result == 0)
        return 0;
    for (unsigned i = 0; i < self->count; i++) {
        const struct member *member = self->members[i];
        if (member->error && i != self->first && member->result != KST_E_CANCELLED)
            kst_log(KST_LOG_DEBUG, "another of the group failed too", "fiber", member->name,
                    "error", kst_err_message(member->error), NULL);
    }
    struct kst_err *error = kst_err_dup(self->members[self->first]->error);
    if (!error)
        return kst_err_set(err, self->first_result, "%s failed", self->members[self->first]->name);
    return kst_err_move(err, &error);
}

void kst_group_cancel(struct kst_group *self)
{
    self->cancelled = true;
    for (unsigned i = 0; i < self->count; i++) {
        if (self->members[i]->fiber && !self->members[i]->ended)
            kst_fiber_cancel(self->members[i]->fiber);
    }
}

int kst_group_result(const struct kst_group *self, unsigned index, const struct kst_err **err)
{
    assert(index < self->count);
    if (err)
        *err = self->members[index]->error;
    return self->members[index]->result;
}

void kst_group_free(struct kst_group *self)
{
    if (!self)
        return;
    for (unsigned i = 0; i < self->count; i++) {
        struct member *member = self->members[i];
        assert(member->ended && !member->fiber);
        kst_err_free(member->error);
        free(member->name);
        free(member);
    }
    kst_cond_release(&self->changed);
    free(self->members);
    free(self);
}
