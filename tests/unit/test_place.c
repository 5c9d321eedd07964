/* SPDX-License-Identifier: Apache-2.0 */
/* The directories of sandboxes: nothing is left, whoever is killed, and nobody loses his. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "sandbox/place.h"

static char folder[] = "/tmp/test_place.XXXXXX";

static int set_up(void **state)
{
    assert_non_null(mkdtemp(folder));
    return setenv("TMPDIR", folder, 1);
}

static int tear_down(void **state)
{
    return rmdir(folder); /* empty again */
}

static size_t count_entries(void)
{
    size_t count = 0;
    DIR *directory = opendir(folder);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count - 2; /* "." and ".." */
}

static void fill(const struct kst_place *place)
{
    kst_auto_free char *volume = kst_asprintf("%s/pvc-1", kst_place_volumes(place));
    kst_auto_free char *locked = kst_asprintf("%s/locked", volume);
    assert_int_equal(mkdir(volume, 0777), 0);
    assert_int_equal(mkdir(locked, 0), 0);
}

static void test_nothing_is_left(void **state)
{
    struct kst_place *place;
    assert_int_equal(kst_place_new(NULL, &place, NULL), 0);
    fill(place);
    assert_int_equal(count_entries(), 1);
    kst_place_free(place);
    assert_int_equal(count_entries(), 0);
}

/* One that lives, in a process of its own; kill it to end it. */
static pid_t other_sandbox(void)
{
    int ends[2];
    char byte = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct kst_place *place;
        if (kst_place_new(NULL, &place, NULL) < 0)
            _exit(1);
        fill(place);
        if (write(ends[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return pid;
}

static void test_what_a_killed_one_left(void **state)
{
    struct kst_place *place;
    pid_t alive = other_sandbox(), dead = other_sandbox();
    assert_int_equal(count_entries(), 2);
    kill(dead, SIGKILL);
    waitpid(dead, NULL, 0);
    assert_int_equal(count_entries(), 2);
    assert_int_equal(kst_place_new(NULL, &place, NULL), 0);
    assert_int_equal(count_entries(), 2); /* ours, and that of the living */
    kst_place_free(place);
    kill(alive, SIGKILL);
    waitpid(alive, NULL, 0);
    assert_int_equal(kst_place_new(NULL, &place, NULL), 0);
    assert_int_equal(count_entries(), 1);
    kst_place_free(place);
    assert_int_equal(count_entries(), 0);
}

/* What merely has such a name. */
static void test_strangers(void **state)
{
    struct kst_place *place;
    kst_auto_free char *file = kst_asprintf("%s/kassette-sandbox.file", folder);
    kst_auto_free char *link = kst_asprintf("%s/kassette-sandbox.link", folder);
    kst_auto_free char *other = kst_asprintf("%s/kassette-sandboxes", folder);
    assert_int_equal(mkdir(other, 0700), 0);
    assert_int_equal(mknod(file, S_IFREG | 0600, 0), 0);
    assert_int_equal(symlink(other, link), 0);
    assert_int_equal(kst_place_new(NULL, &place, NULL), 0);
    kst_place_free(place);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(other), 0);
}

static void test_a_given_one_stays(void **state)
{
    struct kst_place *place;
    kst_auto_err struct kst_err *err = NULL;
    kst_auto_free char *given = kst_asprintf("%s/given", folder);
    kst_auto_free char *volumes = kst_asprintf("%s/volumes", given);
    kst_auto_free char *nowhere = kst_asprintf("%s/no/where", folder);
    kst_auto_free char *expected = kst_asprintf(
        "directory %s cannot be made: No such file or directory", nowhere);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(kst_place_new(given, &place, NULL), 0);
        assert_string_equal(kst_place_volumes(place), volumes);
        kst_place_free(place);
    }
    assert_int_equal(rmdir(volumes), 0);
    assert_int_equal(rmdir(given), 0);
    assert_int_equal(kst_place_new(nowhere, &place, &err), KST_E_IO);
    assert_string_equal(kst_err_message(err), expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_left),
        cmocka_unit_test(test_what_a_killed_one_left),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_a_given_one_stays),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
