/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the engine that holds a run still lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "run/owner.h"

/* Says who it is, and stays until it is killed. */
static void live(int tell)
{
    kst_auto_free char *identity = kst_owner_identity();
    if (write(tell, identity, strlen(identity)) > 0)
        pause();
    _exit(1);
}

static void test_killed(void **state)
{
    char identity[512] = "";
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        live(fds[1]);
    assert_true(read(fds[0], identity, sizeof(identity) - 1) > 0);
    assert_false(kst_owner_is_dead(NULL, identity));

    /* Where nobody has asked for its status it keeps its entry, and is dead all the same: the first
     * process of a container often asks for none. */
    struct pollfd ended = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(poll(&ended, 1, 10000), 1);
    assert_true(kst_owner_is_dead(NULL, identity));

    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(kst_owner_is_dead(NULL, identity));
    close(ended.fd);
    close(fds[0]);
    close(fds[1]);
}

static void test_others(void **state)
{
    kst_auto_free char *self = kst_owner_identity();
    assert_false(kst_owner_is_dead(NULL, self));
    assert_false(kst_owner_is_dead(NULL, "host/elsewhere/boot/1/1"));
    assert_false(kst_owner_is_dead(NULL, "somebody"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
