/* SPDX-License-Identifier: Apache-2.0 */
/* An author's way: what `blueprint new` writes is wrong in nothing, and does what its test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "loop/fiber.h"
#include "loop/loop.h"

enum { ARGS = 12, FILE_BYTES = 1024 * 1024 };

struct job {
    char *argv[ARGS];
    int argc;
    bool side_by_side; /* cases of a test */
    char *message;     /* of the error */
};

static int run_job(void *arg, struct kst_err **err)
{
    struct job *job = arg;
    struct kst_cmd cmd = {.loop = kst_fiber_loop(),
                          .argc = job->argc,
                          .argv = job->argv,
                          .program = job->side_by_side ? "/proc/self/exe" : NULL};
    kst_auto_err struct kst_err *error = NULL;
    int rc = kst_cmd_blueprint(&cmd, &error);
    job->message = kst_strdup(kst_err_message(error));
    return rc < 0 ? kst_err_move(err, &error) : rc;
}

/* `kassette blueprint WORDS`, whose output goes to a file. */
static int blueprint_to(const char *words, const char *output, char **message)
{
    kst_auto_free char *text = kst_asprintf("blueprint %s", words);
    struct job job = {.argc = 0, .side_by_side = strstr(words, "--jobs") != NULL};
    struct kst_loop *loop = NULL;
    struct kst_str rest = kst_str_of(text), word;
    while (job.argc < ARGS - 1 && kst_str_split(&rest, ' ', &word))
        job.argv[job.argc++] = kst_strndup(word.data, word.len);
    fflush(stdout);
    int saved = dup(STDOUT_FILENO),
        file = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    dup2(file, STDOUT_FILENO);
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    int rc = kst_loop_run(loop, "author", run_job, &job, NULL);
    kst_loop_free(loop);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(file);
    for (int i = 0; i < job.argc; i++)
        free(job.argv[i]);
    if (message)
        *message = job.message;
    else
        free(job.message);
    return rc;
}

static int blueprint(const char *words, char **message)
{
    return blueprint_to(words, "/dev/null", message);
}

static int enter_folder(void **state)
{
    char path[] = "/tmp/test_author.XXXXXX";
    *state = kst_strdup(mkdtemp(path));
    return chdir(*state);
}

static int leave_folder(void **state)
{
    kst_auto_free char *command = kst_asprintf("rm -rf %s", (char *)*state);
    int rc = chdir("/") == 0 ? system(command) : -1;
    free(*state);
    return rc;
}

static void replace(const char *path, const char *old, const char *new)
{
    kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
    assert_int_equal(kst_buf_read_file(&text, path, NULL), 0);
    const char *at = strstr(text.data, old);
    assert_non_null(at);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file, "%.*s%s%s", (int)(at - text.data), text.data, new, at + strlen(old));
    fclose(file);
}

static void test_a_new_blueprint_works(void **state)
{
    assert_int_equal(blueprint("new redis", NULL), 0);
    assert_int_equal(
        blueprint("new a-1 . --kind Deployment --image ghcr.io/x/my.db:8@sha256:1", NULL), 0);
    assert_int_equal(blueprint("lint --strict", NULL), 0);
    assert_int_equal(blueprint("test", NULL), 0);
    kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
    assert_int_equal(kst_buf_read_file(&text, "a-1/blueprint.lua", NULL), 0);
    assert_non_null(
        strstr(text.data, "match = { kind = \"Deployment\", image = [[(^|/)my\\.db(:|@|$)]] }"));
    assert_null(strstr(text.data, "@NAME"));
}

static void test_mistakes_are_found(void **state)
{
    char *message = NULL;
    assert_int_equal(blueprint("new redis", NULL), 0);
    replace("redis/blueprint.lua", "shell:ask(\"sync\")", "shell:aks(\"sync\")");
    assert_int_equal(blueprint("lint", &message), KST_E_FAILED);
    assert_string_equal(message, "1 finding");
    free(message);
    assert_int_equal(blueprint("test redis", NULL), KST_E_FAILED);
    replace("redis/blueprint.lua", "shell:aks(\"sync\")", "shell:ask(\"sync\")");
    assert_int_equal(blueprint("lint redis/test.lua redis/blueprint.lua", NULL), 0);
    replace("redis/blueprint.lua", "shell:close()", "local unused = 1 shell:close()");
    assert_int_equal(blueprint("lint", NULL), 0);
    assert_int_equal(blueprint("lint --strict", NULL), KST_E_FAILED);
}

/* What a run prints, with the times and requests left out: one line each. */
static void test_run_traces(void **state)
{
    static const char *const expected[] = {
        "== Capture\n",
        "== PreHook\n",
        "=> open thing-0: sh\n",
        "=> thing-0: sync\n",
        "<= thing-0: (nothing)  ",
        "-- pre_hook of StatefulSet/thing is done  ",
        "-- the application is frozen\n",
        "== Snapshot\n",
        "-> POST   /apis/snapshot.storage.k8s.io/v1/namespaces/try/volumesnapshots  201  ",
        "-- volume data-thing-0 is cut\n",
        "== PostHook\n",
        "=> thing-0: echo thawed\n",
        "<= thing-0: thawed  ",
        "=> close thing-0\n",
        "-- the application runs on  frozen for ",
        "== Succeeded\n",
    };
    kst_auto_buf output = KST_BUF_INIT(FILE_BYTES);
    assert_int_equal(blueprint("new thing", NULL), 0);
    assert_int_equal(blueprint_to("run thing --trace", "output", NULL), 0);
    assert_int_equal(kst_buf_read_file(&output, "output", NULL), 0);
    const char *at = output.data;
    for (size_t i = 0; i < KST_ARRAY_LEN(expected); i++) {
        const char *found = strstr(at, expected[i]);
        if (!found)
            fail_msg("no \"%s\" in or behind:\n%s", expected[i], at);
        at = found;
    }
    assert_int_equal(blueprint("run thing --param timeout=soon", NULL), KST_E_USAGE);
    assert_int_equal(blueprint("run thing --load nowhere.yaml", NULL), KST_E_NOT_FOUND);
}

/* The same is told, in the same order, however many processes find it out. */
static void test_cases_side_by_side(void **state)
{
    static const char *const commands[] = {"test one two --output=json --jobs 1",
                                           "test one two --output=json --jobs 3",
                                           "test one two --output=json --jobs 64",
                                           "test one two --output=json --jobs 3 --filter twice"};
    static const char suite[] =
        "local test = require 'kassette.test'\n"
        "return test.describe('s', require 'blueprint', function(it)\n"
        "  it('twice', function() end)\n  it('fails', function() test.equal(1, 2) end)\n"
        "  it('backs up', function(world) test.equal(world:backup(), nil) end)\n"
        "  it('again', function() end)\nend)\n";
    kst_auto_buf first = KST_BUF_INIT(FILE_BYTES);
    assert_int_equal(blueprint("new one", NULL), 0);
    assert_int_equal(blueprint("new two", NULL), 0);
    FILE *file = fopen("one/test.lua", "we");
    fputs(suite, file);
    fclose(file);
    for (size_t i = 0; i < KST_ARRAY_LEN(commands); i++) {
        kst_auto_buf output = KST_BUF_INIT(FILE_BYTES), told = KST_BUF_INIT(FILE_BYTES);
        kst_auto_json struct kst_json *json = NULL;
        bool is_filtered = strstr(commands[i], "--filter") != NULL;
        assert_int_equal(blueprint_to(commands[i], "output", NULL), is_filtered ? 0 : KST_E_FAILED);
        assert_int_equal(kst_buf_read_file(&output, "output", NULL), 0);
        assert_int_equal(kst_json_parse(output.data, output.len, &json, NULL), 0);
        const struct kst_json *suites = kst_json_get(json, "suites");
        kst_buf_addf(&told, "%lld %lld %lld", (long long)kst_json_path_int(json, "passed", -1),
                     (long long)kst_json_path_int(json, "failed", -1),
                     (long long)kst_json_path_int(json, "leftOut", -1));
        for (const struct kst_json *row = kst_json_first(suites); row; row = kst_json_next(row)) {
            const struct kst_json *cases = kst_json_get(row, "cases");
            for (const struct kst_json *c = kst_json_first(cases); c; c = kst_json_next(c))
                kst_buf_addf(&told, "|%s", kst_json_path_str(c, "name"));
        }
        if (i == 0)
            kst_buf_adds(&first, told.data);
        assert_string_equal(told.data, is_filtered ? "1 0 5|twice" : first.data);
    }
    assert_string_equal(first.data, "5 1 0|twice|fails|backs up|again|holds still while the volume "
                                    "is cut|cuts nothing where it does not hold still");
    assert_int_equal(blueprint("test --jobs 0", NULL), KST_E_USAGE);
}

static void test_new_refuses(void **state)
{
    static const struct {
        const char *words, *message;
        int code;
    } rows[] = {
        {"new redis", "redis/blueprint.lua exists already", KST_E_REFUSED},
        {"new other", "other/README.md exists already", KST_E_REFUSED},
        {"new Redis", "expected a name", KST_E_USAGE},
        {"new a/b", "expected a name", KST_E_USAGE},
        {"new ..", "expected a name", KST_E_USAGE},
        {"new x nowhere", "folder nowhere/x: ", KST_E_IO},
        {"new x . --kind pod", "option --kind", KST_E_USAGE},
        {"new x . --image a]]", "option --image", KST_E_USAGE},
        {"new x . --strict", "blueprint new has no option --strict", KST_E_USAGE},
        {"nwe x", "blueprint: there is no subcommand 'nwe'", KST_E_USAGE},
    };
    assert_int_equal(blueprint("new redis", NULL), 0);
    assert_int_equal(mkdir("other", 0700), 0);
    fclose(fopen("other/README.md", "we"));
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        char *message = NULL;
        int rc = blueprint(rows[i].words, &message);
        if (rc != rows[i].code || strncmp(message, rows[i].message, strlen(rows[i].message)) != 0)
            fail_msg("%s: %d: %s", rows[i].words, rc, message);
        free(message);
    }
    assert_int_equal(access("other/blueprint.lua", F_OK), -1);
}

/* A part of a test is a process of this program. */
static int be_a_part(int argc, char **argv)
{
    struct job job = {.argc = argc - 1};
    struct kst_loop *loop = NULL;
    for (int i = 1; i < argc; i++)
        job.argv[i - 1] = argv[i];
    int rc = kst_loop_new(&loop, NULL);
    if (rc == 0)
        rc = kst_loop_run(loop, "part", run_job, &job, NULL);
    kst_loop_free(loop);
    free(job.message);
    return rc < 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && argc < ARGS && strcmp(argv[1], "blueprint") == 0)
        return be_a_part(argc, argv);

    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_new_blueprint_works, enter_folder, leave_folder),
        cmocka_unit_test_setup_teardown(test_mistakes_are_found, enter_folder, leave_folder),
        cmocka_unit_test_setup_teardown(test_cases_side_by_side, enter_folder, leave_folder),
        cmocka_unit_test_setup_teardown(test_run_traces, enter_folder, leave_folder),
        cmocka_unit_test_setup_teardown(test_new_refuses, enter_folder, leave_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
