/* SPDX-License-Identifier: Apache-2.0 */
/* The man page has every command and option that the program has, and no other; the completion in
 * bash offers them. Run from the top of the tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/cmd.h"

enum { FILE_BYTES = 1024 * 1024 };

/* The long options in a text, as an object of name to true: "--name" where no letter is before. */
static void add_options(struct kst_json *names, const char *text, const char *mark)
{
    for (const char *at = text; (at = strstr(at, mark)) != NULL;) {
        bool begins = at == text || isspace((unsigned char)at[-1]) || at[-1] == ',';
        at += strlen(mark);
        size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyz-");
        if (!begins || len == 0)
            continue;
        kst_auto_free char *name = kst_strndup(at, len);
        kst_json_set_bool(names, name, true);
    }
}

/* What `kassette COMMAND --help` prints. */
static void print_help(const struct kst_command *command, struct kst_buf *out)
{
    char path[] = "/tmp/test_manual.XXXXXX", name[32], option[] = "--help";
    int file = mkstemp(path), saved = dup(STDOUT_FILENO);
    snprintf(name, sizeof(name), "%s", command->name);
    char *argv[] = {name, option, NULL};
    struct kst_cmd cmd = {.argc = 2, .argv = argv};
    fflush(stdout);
    dup2(file, STDOUT_FILENO);
    int rc = command->run(&cmd, NULL);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(file);
    close(saved);
    assert_int_equal(rc, 0);
    assert_int_equal(kst_buf_read_file(out, path, NULL), 0);
    unlink(path);
}

static void test_manual_is_complete(void **state)
{
    kst_auto_buf manual = KST_BUF_INIT(FILE_BYTES);
    kst_auto_json struct kst_json *there = kst_json_object(), *wanted = kst_json_object();
    assert_int_equal(kst_buf_read_file(&manual, "docs/kassette.1", NULL), 0);
    add_options(there, manual.data, "Fl -");
    for (const struct kst_command *command = kst_commands; command->name; command++) {
        kst_auto_buf help = KST_BUF_INIT(FILE_BYTES);
        kst_auto_free char *item = kst_asprintf("\n.It Cm %s", command->name);
        if (!strstr(manual.data, item))
            fail_msg("docs/kassette.1 has no command %s", command->name);
        print_help(command, &help);
        const char *options = strstr(help.data, "ptions:\n");
        add_options(wanted, options ? options : "", "--");
    }
    for (const struct kst_json *row = kst_json_first(wanted); row; row = kst_json_next(row)) {
        if (!kst_json_get(there, kst_json_key(row)))
            fail_msg("docs/kassette.1 has no --%s", kst_json_key(row));
    }
    for (const struct kst_json *row = kst_json_first(there); row; row = kst_json_next(row)) {
        if (!kst_json_get(wanted, kst_json_key(row)))
            fail_msg("docs/kassette.1 has --%s, the program has not", kst_json_key(row));
    }
    assert_true(kst_json_len(wanted) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_manual_is_complete)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
