/* SPDX-License-Identifier: Apache-2.0 */
/* Timers, signals, descriptors and groups. */
#include "loop/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"

static struct kst_loop *loop;
static struct kst_buf trace;

static int set_up(void **state)
{
    kst_buf_init(&trace, 64 * 1024);
    return kst_loop_new(&loop, NULL);
}

static int tear_down(void **state)
{
    kst_loop_free(loop);
    kst_buf_release(&trace);
    return 0;
}

static void say(void *arg)
{
    kst_buf_adds(&trace, arg);
}

static void turn_for(int64_t ms)
{
    for (int64_t until = kst_deadline_in_ms(ms); kst_now_ms() < until;)
        kst_loop_turn(loop, until);
}

static void timers_fire_in_order(void **state)
{
    int64_t now = kst_now_ms();
    kst_timer_start(loop, now + 20, say, (char *)"c");
    kst_timer_start(loop, now + 10, say, (char *)"a");
    struct kst_timer *stopped = kst_timer_start(loop, now + 15, say, (char *)"x");
    kst_timer_start(loop, now + 10, say, (char *)"b");
    kst_timer_start(loop, now - 100, say, (char *)"0");
    kst_timer_start(loop, KST_NEVER, say, (char *)"x"); /* freed with the loop */
    kst_timer_stop(stopped);
    kst_timer_stop(NULL);
    turn_for(50);
    assert_string_equal(trace.data, "0abc");
}

/* Against a plain list: thousands of timers, a third of them stopped. */
static int64_t last_at;
static unsigned fired;

struct shot {
    int64_t at_ms;
    struct kst_timer *timer;
};

static void on_shot(void *arg)
{
    struct shot *shot = arg;
    assert_true(shot->at_ms >= last_at);
    assert_true(shot->at_ms <= kst_now_ms());
    last_at = shot->at_ms;
    shot->timer = NULL;
    fired++;
}

static void thousands_of_timers(void **state)
{
    enum { MANY = 3000 };
    struct shot *shots = kst_calloc(MANY, sizeof(*shots));
    int64_t now = kst_now_ms();
    uint32_t random = 1;
    last_at = 0;
    fired = 0;
    for (int i = 0; i < MANY; i++) {
        random = random * 1664525 + 1013904223;
        shots[i].at_ms = now + 20 + random / 65536 % 60;
        shots[i].timer = kst_timer_start(loop, shots[i].at_ms, on_shot, &shots[i]);
    }
    for (int i = 0; i < MANY; i += 3)
        kst_timer_stop(shots[i].timer);
    turn_for(120);
    assert_int_equal(fired, MANY - MANY / 3);
    free(shots);
}

static void start_again(void *arg)
{
    unsigned *count = arg;
    if (++*count < 100000)
        kst_timer_start(loop, kst_now_ms(), start_again, count);
}

static int yield_some(void *arg, struct kst_err **err)
{
    unsigned *count = arg;
    for (int i = 0; i < 5; i++)
        kst_yield();
    return *count < 1000 ? 0 : kst_err_set(err, KST_E_FAILED, "%u timers came first", *count);
}

/* The loop fired timers as long as there were any that were due: one that starts itself again held
 * it for ever. */
static void a_timer_that_starts_itself_lets_others_run(void **state)
{
    unsigned count = 0;
    kst_timer_start(loop, kst_now_ms(), start_again, &count);
    assert_int_equal(kst_loop_run(loop, "main", yield_some, &count, NULL), 0);
}

static void on_signal(void *arg, int signal)
{
    kst_buf_addf(&trace, "%d ", signal - SIGUSR1 ? 2 : 1);
}

/* A fiber's context keeps the signals that were blocked when it was left. */
static int listen_and_switch(void *arg, struct kst_err **err)
{
    int rc = kst_loop_on_signal(loop, SIGUSR1, on_signal, NULL, err);
    if (rc == 0)
        rc = kst_sleep_ms(1, err);
    raise(SIGUSR1);
    while (rc == 0 && trace.len == 0)
        rc = kst_sleep_ms(1, err);
    return rc;
}

static void a_fiber_listens_to_a_signal(void **state)
{
    kst_buf_clear(&trace);
    assert_int_equal(kst_loop_run(loop, "main", listen_and_switch, NULL, NULL), 0);
    assert_string_equal(trace.data, "1 ");
    assert_int_equal(kst_loop_on_signal(loop, SIGUSR1, NULL, NULL, NULL), 0);
}

static void signals_are_heard(void **state)
{
    assert_int_equal(kst_loop_on_signal(loop, SIGUSR1, on_signal, NULL, NULL), 0);
    assert_int_equal(kst_loop_on_signal(loop, SIGUSR2, on_signal, NULL, NULL), 0);
    kill(getpid(), SIGUSR1);
    turn_for(10);
    assert_string_equal(trace.data, "1 ");
    kill(getpid(), SIGUSR2);
    turn_for(10);
    assert_string_equal(trace.data, "1 2 ");
    signal(SIGUSR1, SIG_IGN);
    assert_int_equal(kst_loop_on_signal(loop, SIGUSR1, NULL, NULL, NULL), 0);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    turn_for(10);
    assert_string_equal(trace.data, "1 2 2 ");
    assert_int_equal(kst_loop_on_signal(loop, SIGUSR2, NULL, NULL, NULL), 0);
    signal(SIGUSR1, SIG_DFL);
}

static int pipe_fds[2];

static int wait_readable(void *arg, struct kst_err **err)
{
    int rc = kst_wait_fd(pipe_fds[0], POLLIN, kst_deadline_in_ms(*(int64_t *)arg), err);
    kst_buf_addf(&trace, "%d ", rc < 0 ? rc : 1);
    return rc < 0 ? rc : 0;
}

static int write_later(void *arg, struct kst_err **err)
{
    kst_sleep_ms(10, NULL);
    return write(pipe_fds[1], "x", 1) == 1 ? 0 : KST_E_IO;
}

static int waits_of_descriptors(void *arg, struct kst_err **err)
{
    int64_t soon = 20, late = 5000;
    assert_int_equal(wait_readable(&soon, NULL), KST_E_TIMEOUT);
    struct kst_fiber *writer = kst_fiber_spawn(loop, "writer", write_later, NULL);
    assert_int_equal(wait_readable(&late, NULL), 0);
    assert_int_equal(kst_fiber_join(writer, NULL), 0);
    char byte;
    assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
    struct kst_fiber *waiter = kst_fiber_spawn(loop, "waiter", wait_readable, &late);
    kst_sleep_ms(10, NULL);
    kst_fiber_cancel(waiter);
    assert_int_equal(kst_fiber_join(waiter, NULL), KST_E_CANCELLED);
    close(pipe_fds[1]);
    int rc = kst_wait_fd(pipe_fds[0], POLLIN, KST_NEVER, NULL); /* the other end is gone */
    assert_true(rc > 0 && rc & (POLLHUP | POLLIN));
    return 0;
}

static void descriptors(void **state)
{
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(kst_loop_run(loop, "main", waits_of_descriptors, NULL, NULL), 0);
    close(pipe_fds[0]);
}

static int wait_of_a_file(void *arg, struct kst_err **err)
{
    return kst_wait_fd(*(int *)arg, POLLIN, KST_NEVER, err);
}

static void a_file_cannot_be_waited_for(void **state)
{
    char path[] = "/tmp/kst-loop-XXXXXX";
    int fd = mkstemp(path);
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_loop_run(loop, "main", wait_of_a_file, &fd, &err), KST_E_IO);
    close(fd);
    unlink(path);
}

/* Groups. */
struct job {
    int64_t ms;
    int code;
    int *running, *most;
};

static int work(void *arg, struct kst_err **err)
{
    struct job *job = arg;
    if (job->running && ++*job->running > *job->most)
        *job->most = *job->running;
    int rc = kst_sleep_ms(job->ms, err);
    if (job->running)
        --*job->running;
    if (rc == 0 && job->code)
        rc = kst_err_set(err, job->code, "after %lld ms", (long long)job->ms);
    return rc;
}

static int groups(void *arg, struct kst_err **err)
{
    /* Far enough from each other for a machine that has more to do. */
    struct job jobs[] = {
        {800, KST_E_NOT_FOUND, NULL, NULL}, {5, KST_E_EXISTS, NULL, NULL}, {400, 0, NULL, NULL}};
    for (int cancel = 0; cancel < 2; cancel++) {
        kst_auto_err struct kst_err *e = NULL;
        struct kst_group *group = kst_group_new(loop, cancel);
        for (int i = 0; i < 3; i++)
            kst_group_spawn(group, "job", work, &jobs[i]);
        assert_int_equal(kst_group_wait(group, &e), KST_E_EXISTS); /* the first in time */
        assert_string_equal(kst_err_message(e), "after 5 ms");
        const struct kst_err *of = NULL;
        assert_int_equal(kst_group_result(group, 0, &of),
                         cancel ? KST_E_CANCELLED : KST_E_NOT_FOUND);
        assert_int_equal(kst_err_code(of), cancel ? KST_E_CANCELLED : KST_E_NOT_FOUND);
        assert_int_equal(kst_group_result(group, 2, NULL), cancel ? KST_E_CANCELLED : 0);
        kst_group_free(group);
    }
    struct kst_group *empty = kst_group_new(loop, true);
    assert_int_equal(kst_group_wait(empty, NULL), 0);
    kst_group_free(empty);
    kst_group_free(NULL);
    return 0;
}

static void results_of_groups(void **state)
{
    assert_int_equal(kst_loop_run(loop, "main", groups, NULL, NULL), 0);
}

static int limited(void *arg, struct kst_err **err)
{
    enum { MANY = 200, LIMIT = 7 };
    int running = 0, most = 0;
    struct job job = {1, 0, &running, &most};
    struct kst_group *group = kst_group_new(loop, false);
    kst_group_limit(group, LIMIT);
    for (int i = 0; i < MANY; i++)
        kst_group_spawn(group, "job", work, &job);
    int rc = kst_group_wait(group, err);
    assert_int_equal(most, LIMIT);
    assert_int_equal(running, 0);
    kst_group_free(group);
    return rc;
}

static void groups_have_limits(void **state)
{
    assert_int_equal(kst_loop_run(loop, "main", limited, NULL, NULL), 0);
}

static int group_of_sleepers(void *arg, struct kst_err **err)
{
    struct job job = {60 * 1000, 0, NULL, NULL};
    struct kst_group *group = kst_group_new(loop, false);
    kst_group_limit(group, 2);
    for (int i = 0; i < 5; i++) /* three have not started when the cancel comes */
        kst_group_spawn(group, "job", work, &job);
    int rc = kst_group_wait(group, err);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(kst_group_result(group, i, NULL), rc);
    kst_group_free(group);
    return rc;
}

static int cancel_a_group(void *arg, struct kst_err **err)
{
    struct kst_fiber *fiber = kst_fiber_spawn(loop, "group", group_of_sleepers, NULL);
    kst_sleep_ms(20, NULL);
    kst_fiber_cancel(fiber);
    return kst_fiber_join(fiber, err);
}

static int group_with_a_deadline(void *arg, struct kst_err **err)
{
    kst_deadline_set(kst_deadline_in_ms(20));
    return group_of_sleepers(arg, err);
}

static void a_cancel_and_a_deadline_reach_all_of_a_group(void **state)
{
    int64_t start = kst_now_ms();
    assert_int_equal(kst_loop_run(loop, "main", cancel_a_group, NULL, NULL), KST_E_CANCELLED);
    assert_int_equal(kst_loop_run(loop, "main", group_with_a_deadline, NULL, NULL), KST_E_TIMEOUT);
    assert_true(kst_now_ms() - start < 5000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(timers_fire_in_order),
        TEST(thousands_of_timers),
        TEST(a_timer_that_starts_itself_lets_others_run),
        TEST(signals_are_heard),
        TEST(a_fiber_listens_to_a_signal),
        TEST(descriptors),
        TEST(a_file_cannot_be_waited_for),
        TEST(results_of_groups),
        TEST(groups_have_limits),
        TEST(a_cancel_and_a_deadline_reach_all_of_a_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
