/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/child.h"
#include "loop/fiber.h"
#include "loop/loop.h"

static struct kst_loop *loop;

static int set_up(void **state)
{
    return kst_loop_new(&loop, NULL);
}

static int tear_down(void **state)
{
    kst_loop_free(loop);
    return 0;
}

struct call {
    const char *script, *input;
    size_t cap;
    int64_t timeout_ms;
    int rc, status;
    struct kst_buf output, errors;
    struct kst_err *error;
};

static int run(void *arg, struct kst_err **err)
{
    struct call *call = arg;
    const char *const argv[] = {"sh", "-c", call->script, NULL};
    const char *const env[] = {"ADDED=yes", NULL};
    const struct kst_child_request request = {
        .argv = argv,
        .env_add = env,
        .input = call->input,
        .input_len = call->input ? strlen(call->input) : 0,
        .timeout_ms = call->timeout_ms,
    };
    kst_buf_init(&call->output, call->cap ? call->cap : 1u << 24);
    kst_buf_init(&call->errors, 1000);
    call->rc = kst_child_run(loop, &request, &call->output, &call->errors, &call->status,
                             &call->error);
    return 0;
}

static void release(struct call *call)
{
    kst_buf_release(&call->output);
    kst_buf_release(&call->errors);
    kst_err_free(call->error);
}

static void test_table(void **state)
{
    static const struct {
        const char *script, *input, *output, *errors;
        int status;
    } table[] = {
        {"echo out; echo err >&2; exit 3", NULL, "out\n", "err\n", 3},
        {"cat", "hello", "hello", "", 0},
        {"cat", NULL, "", "", 0},
        {"echo $ADDED", NULL, "yes\n", "", 0},
        {"kill -TERM $$", NULL, "", "", 128 + SIGTERM},
        {"exec 0<&-; echo done", "never read", "done\n", "", 0},
        {"ls /proc/self/fd | wc -l", NULL, "4\n", "", 0}, /* 0 to 2 and ls' own */
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        struct call call = {.script = table[i].script, .input = table[i].input};
        kst_loop_run(loop, "main", run, &call, NULL);
        assert_int_equal(call.rc, 0);
        assert_int_equal(call.status, table[i].status);
        assert_string_equal(call.output.data, table[i].output);
        assert_string_equal(call.errors.data, table[i].errors);
        release(&call);
    }
}

/* More than any pipe holds, in both directions at once. */
static void test_large_both_ways(void **state)
{
    size_t len = 3u << 20;
    char *input = kst_malloc(len + 1);
    memset(input, 'x', len);
    input[len] = '\0';
    struct call call = {.script = "cat", .input = input};
    kst_loop_run(loop, "main", run, &call, NULL);
    assert_int_equal(call.rc, 0);
    assert_int_equal(call.output.len, len);
    release(&call);
    free(input);
}

static void test_too_much_output(void **state)
{
    struct call call = {.script = "yes", .cap = 1000};
    kst_loop_run(loop, "main", run, &call, NULL);
    assert_int_equal(call.rc, KST_E_LIMIT);
    release(&call);
}

/* The grandchild would hold the pipe open for an hour: the whole group is ended. */
static void test_timeout_ends_the_group(void **state)
{
    struct call call = {.script = "sleep 3600 & wait", .timeout_ms = 50};
    kst_loop_run(loop, "main", run, &call, NULL);
    assert_int_equal(call.rc, KST_E_TIMEOUT);
    release(&call);
}

static int run_missing(void *arg, struct kst_err **err)
{
    const char *const argv[] = {"kassette-no-such-program", NULL};
    const struct kst_child_request request = {.argv = argv};
    int status = 0;
    return kst_child_run(loop, &request, NULL, NULL, &status, err);
}

static void test_no_such_program(void **state)
{
    kst_auto_err struct kst_err *err = NULL;
    assert_int_equal(kst_loop_run(loop, "main", run_missing, NULL, &err), KST_E_NOT_FOUND);
    assert_non_null(strstr(kst_err_message(err), "kassette-no-such-program"));
}

static int cancel_it(void *arg, struct kst_err **err)
{
    struct kst_fiber *fiber = kst_fiber_spawn(loop, "child", run, arg);
    kst_sleep_ms(5, NULL);
    kst_fiber_cancel(fiber);
    return kst_fiber_join(fiber, NULL);
}

static void test_cancel_ends_it(void **state)
{
    struct call call = {.script = "sleep 3600"};
    kst_loop_run(loop, "main", cancel_it, &call, NULL);
    assert_int_equal(call.rc, KST_E_CANCELLED);
    release(&call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_much_output, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_timeout_ends_the_group, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_such_program, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_ends_it, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
