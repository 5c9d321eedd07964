/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"

static struct kst_loop *loop;
static struct kst_buf trace;

static int set_up(void **state)
{
    kst_buf_init(&trace, 4096);
    return kst_loop_new(&loop, NULL);
}

static int tear_down(void **state)
{
    kst_loop_free(loop);
    kst_buf_release(&trace);
    return 0;
}

static int say(void *arg, struct kst_err **err)
{
    const char *text = arg;
    for (const char *at = text; *at; at++) {
        kst_buf_addc(&trace, *at);
        kst_yield();
    }
    return 0;
}

static int two_side_by_side(void *arg, struct kst_err **err)
{
    struct kst_fiber *a = kst_fiber_spawn(loop, "a", say, (char *)"abc");
    struct kst_fiber *b = kst_fiber_spawn(loop, "b", say, (char *)"123");
    kst_fiber_join(b, NULL);
    return kst_fiber_join(a, NULL);
}

static void test_turns(void **state)
{
    assert_int_equal(kst_loop_run(loop, "main", two_side_by_side, NULL, NULL), 0);
    assert_string_equal(trace.data, "a1b2c3");
}

static int fails(void *arg, struct kst_err **err)
{
    kst_yield();
    return kst_err_set(err, KST_E_NOT_FOUND, "no such %s", (const char *)arg);
}

static void test_error_is_the_result(void **state)
{
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_loop_run(loop, "main", fails, (char *)"thing", &err), KST_E_NOT_FOUND);
    assert_string_equal(kst_err_message(err), "no such thing");
}

static int sleep_long(void *arg, struct kst_err **err)
{
    int rc = kst_sleep_ms(1000 * 1000, err);
    kst_buf_addf(&trace, "%s:%d ", (const char *)arg, rc);
    return rc;
}

static int parent_of_sleeper(void *arg, struct kst_err **err)
{
    struct kst_fiber *child = kst_fiber_spawn(loop, "child", sleep_long, (char *)"child");
    int rc = sleep_long((char *)"parent", err);
    assert_int_equal(kst_fiber_join(child, NULL), KST_E_CANCELLED);
    return rc;
}

static int cancel_family(void *arg, struct kst_err **err)
{
    struct kst_fiber *parent = kst_fiber_spawn(loop, "parent", parent_of_sleeper, NULL);
    kst_yield();
    kst_yield();
    kst_fiber_cancel(parent);
    assert_int_equal(kst_fiber_join(parent, NULL), KST_E_CANCELLED);
    return 0;
}

static void test_cancel_reaches_children(void **state)
{
    assert_int_equal(kst_loop_run(loop, "main", cancel_family, NULL, NULL), 0);
    assert_non_null(strstr(trace.data, "parent:-5"));
    assert_non_null(strstr(trace.data, "child:-5"));
}

static int shielded(void *arg, struct kst_err **err)
{
    kst_shield_begin();
    int inside = kst_sleep_ms(1, NULL);
    kst_shield_end();
    int outside = kst_sleep_ms(1, NULL);
    kst_buf_addf(&trace, "%d %d", inside, outside);
    return 0;
}

static int cancel_shielded(void *arg, struct kst_err **err)
{
    struct kst_fiber *fiber = kst_fiber_spawn(loop, "shielded", shielded, NULL);
    kst_yield();
    kst_fiber_cancel(fiber);
    return kst_fiber_join(fiber, NULL);
}

static void test_shield_hides_a_cancel(void **state)
{
    kst_loop_run(loop, "main", cancel_shielded, NULL, NULL);
    assert_string_equal(trace.data, "0 -5");
}

static int deadlines(void *arg, struct kst_err **err)
{
    int64_t outer = kst_deadline_set(kst_deadline_in_ms(5));
    struct kst_fiber *child = kst_fiber_spawn(loop, "child", sleep_long, (char *)"child");
    assert_int_equal(kst_fiber_join(child, NULL), KST_E_TIMEOUT);
    assert_int_equal(kst_sleep_ms(1, NULL), KST_E_TIMEOUT);
    kst_deadline_restore(outer);
    assert_int_equal(kst_sleep_ms(1, NULL), 0);
    return 0;
}

static void test_deadline_is_inherited_and_restored(void **state)
{
    assert_int_equal(kst_loop_run(loop, "main", deadlines, NULL, NULL), 0);
}

static struct kst_cond cond;

static int wait_cond(void *arg, struct kst_err **err)
{
    int rc = kst_cond_wait(&cond, kst_deadline_in_ms(*(int64_t *)arg), NULL);
    kst_buf_addf(&trace, "%d ", rc);
    return 0;
}

static int conditions(void *arg, struct kst_err **err)
{
    int64_t soon = 2, late = 100000;
    struct kst_fiber *a = kst_fiber_spawn(loop, "a", wait_cond, &soon);
    struct kst_fiber *b = kst_fiber_spawn(loop, "b", wait_cond, &late);
    kst_fiber_join(a, NULL); /* timed out, and is out of the list */
    kst_cond_signal(&cond);
    kst_fiber_join(b, NULL);
    kst_cond_release(&cond);
    return 0;
}

static void test_condition(void **state)
{
    kst_loop_run(loop, "main", conditions, NULL, NULL);
    assert_string_equal(trace.data, "-6 0 ");
}

/* A time-out and a signal in the same turn: the waiter is woken once. */
static void signal_cond(void *arg)
{
    kst_cond_signal(&cond);
}

static int both_at_once(void *arg, struct kst_err **err)
{
    for (int i = 0; i < 200; i++) {
        int64_t at = kst_deadline_in_ms(1);
        kst_timer_start(loop, at, signal_cond, NULL);
        kst_cond_wait(&cond, at, NULL);
        struct kst_timer *other = kst_timer_start(loop, at + 1000, signal_cond, NULL);
        kst_timer_stop(other);
    }
    return 0;
}

static void test_timeout_and_signal_together(void **state)
{
    assert_int_equal(kst_loop_run(loop, "main", both_at_once, NULL, NULL), 0);
}

static int running, most;

static int count_running(void *arg, struct kst_err **err)
{
    running++;
    most = running > most ? running : most;
    kst_yield();
    kst_yield();
    running--;
    return 0;
}

static int limited(void *arg, struct kst_err **err)
{
    struct kst_group *group = kst_group_new(loop, false);
    kst_group_limit(group, 3);
    for (int i = 0; i < 20; i++)
        kst_group_spawn(group, "member", count_running, NULL);
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    return rc;
}

static void test_group_limit(void **state)
{
    running = most = 0;
    assert_int_equal(kst_loop_run(loop, "main", limited, NULL, NULL), 0);
    assert_int_equal(most, 3);
    assert_int_equal(running, 0);
}

static int group_fails(void *arg, struct kst_err **err)
{
    struct kst_group *group = kst_group_new(loop, true);
    kst_group_limit(group, 2);
    kst_group_spawn(group, "sleeper", sleep_long, (char *)"sleeper");
    kst_group_spawn(group, "failing", fails, (char *)"group");
    kst_group_spawn(group, "late", sleep_long, (char *)"late");
    int rc = kst_group_wait(group, err);
    assert_int_equal(kst_group_result(group, 0, NULL), KST_E_CANCELLED);
    assert_int_equal(kst_group_result(group, 2, NULL), KST_E_CANCELLED);
    kst_group_free(group);
    return rc;
}

static void test_group_error_cancels_the_rest(void **state)
{
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_loop_run(loop, "main", group_fails, NULL, &err), KST_E_NOT_FOUND);
    assert_string_equal(kst_err_message(err), "no such group");
}

static int through_a_pipe(void *arg, struct kst_err **err)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(kst_wait_fd(ends[0], POLLIN, kst_deadline_in_ms(2), NULL), KST_E_TIMEOUT);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(kst_wait_fd(ends[0], POLLIN, KST_NEVER, NULL), POLLIN);
    close(ends[1]);
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_true(kst_wait_fd(ends[0], POLLIN, KST_NEVER, NULL) & POLLHUP);
    close(ends[0]);
    return 0;
}

static void test_descriptor(void **state)
{
    assert_int_equal(kst_loop_run(loop, "main", through_a_pipe, NULL, NULL), 0);
}

/* Lua raises with longjmp: it must work inside a fiber, also after switches. */
static int jump(void *arg, struct kst_err **err)
{
    jmp_buf back;
    volatile int rounds = 0;
    if (setjmp(back) < 3) {
        rounds++;
        kst_yield();
        longjmp(back, rounds);
    }
    return rounds;
}

static void test_longjmp_within_a_fiber(void **state)
{
    assert_int_equal(kst_loop_run(loop, "main", jump, NULL, NULL), 3);
}

static int thousand(void *arg, struct kst_err **err)
{
    struct kst_group *group = kst_group_new(loop, false);
    for (int i = 0; i < 1000; i++)
        kst_group_spawn(group, "member", count_running, NULL);
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    return rc;
}

static void test_a_thousand(void **state)
{
    running = most = 0;
    assert_int_equal(kst_loop_run(loop, "main", thousand, NULL, NULL), 0);
    assert_int_equal(most, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_error_is_the_result, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_reaches_children, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shield_hides_a_cancel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deadline_is_inherited_and_restored, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_condition, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_timeout_and_signal_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_group_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_group_error_cancels_the_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_descriptor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_longjmp_within_a_fiber, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_thousand, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
