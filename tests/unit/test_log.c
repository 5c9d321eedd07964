/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

static int file, terminal; /* what stands in for stderr, and stderr itself meanwhile */
static char said[256 * 1024];

static int set_up(void **state)
{
    file = memfd_create("log", MFD_CLOEXEC);
    terminal = dup(STDERR_FILENO);
    dup2(file, STDERR_FILENO);
    kst_log_setup(KST_LOG_INFO, KST_LOG_PLAIN);
    return 0;
}

static int tear_down(void **state)
{
    dup2(terminal, STDERR_FILENO);
    close(terminal);
    close(file);
    kst_log_forget_secrets();
    return 0;
}

/* What was logged since the last call. */
static const char *logged(void)
{
    ssize_t len = pread(file, said, sizeof(said) - 1, 0);
    said[len > 0 ? len : 0] = '\0';
    if (ftruncate(file, 0) < 0 || lseek(file, 0, SEEK_SET) < 0)
        abort();
    return said;
}

static void plain_lines(void **state)
{
    kst_log(KST_LOG_INFO, "phase", "run", "r1", "left out", NULL, "note", "a b", "empty", "", NULL);
    assert_string_equal(logged(), "phase run=r1 note=\"a b\" empty=\"\"\n");
    kst_log(KST_LOG_WARN, "careful", NULL);
    assert_string_equal(logged(), "warning: careful\n");
    kst_logf(KST_LOG_ERROR, "%d%%", 5);
    assert_string_equal(logged(), "error: 5%\n");
    kst_log(KST_LOG_DEBUG, "not this", NULL);
    assert_string_equal(logged(), "");
    assert_false(kst_log_enabled(KST_LOG_DEBUG));
    kst_log_setup(KST_LOG_DEBUG, KST_LOG_PLAIN);
    assert_true(kst_log_enabled(KST_LOG_DEBUG));
}

/* A text of a server's could begin a line of its own, or move the terminal's cursor. */
static void plain_lines_hold_no_control_characters(void **state)
{
    kst_log(KST_LOG_INFO, "one\ntwo\x1b[2J", "a", "\x1b[31m", "b", "x\ny", "c", "\x7f\xc2\x9b",
            NULL);
    assert_string_equal(logged(),
                        "one\\ntwo\\u001b[2J a=\\u001b[31m b=\"x\\ny\" c=\\u007f\\u009b\n");
    kst_log(KST_LOG_INFO, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "bad", "\xff", NULL);
    assert_string_equal(logged(), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 bad=\xef\xbf\xbd\n");
}

static struct kst_json *json_line(void)
{
    const char *text = logged();
    size_t len = strlen(text);
    assert_true(len > 0 && strchr(text, '\n') == text + len - 1);
    struct kst_json *line = NULL;
    assert_int_equal(kst_json_parse(text, len, &line, NULL), 0);
    return line;
}

static void lines_of_json(void **state)
{
    kst_log_setup(KST_LOG_INFO, KST_LOG_JSON);
    kst_log(KST_LOG_WARN, "a \"quoted\"\nmessage", "k", "\x01\t\\\x7f", "none", NULL, "bad",
            "x\xff\xed\xa0\x80y", NULL);
    kst_auto_json struct kst_json *line = json_line();
    assert_string_equal(kst_json_path_str(line, "level"), "warning");
    assert_string_equal(kst_json_path_str(line, "msg"), "a \"quoted\"\nmessage");
    assert_string_equal(kst_json_path_str(line, "k"), "\x01\t\\\x7f");
    assert_null(kst_json_get(line, "none"));
    assert_non_null(strstr(kst_json_path_str(line, "bad"), "\xef\xbf\xbd"));
    int64_t when = 0;
    assert_true(kst_time_parse_us(kst_json_path_str(line, "time"), &when));
    assert_true(kst_wall_us() - when < 60 * 1000 * 1000);
}

/* It was plain text between the lines of JSON; and one of kst_logf() was empty. */
static void a_line_that_is_too_long_is_told(void **state)
{
    kst_auto_free char *large = kst_calloc(1, 100 * 1000);
    memset(large, 'x', 99 * 1000);
    for (int i = 0; i < 2; i++) {
        kst_log_setup(KST_LOG_INFO, KST_LOG_JSON);
        if (i == 0)
            kst_log(KST_LOG_INFO, "large", "value", large, NULL);
        else
            kst_logf(KST_LOG_INFO, "large%s", large);
        kst_auto_json struct kst_json *line = json_line();
        assert_non_null(strstr(kst_json_path_str(line, "msg"), "too long"));
        assert_int_equal(strncmp(kst_json_path_str(line, "begins"), "large", 5), 0);
    }
}

static void secrets_are_not_logged(void **state)
{
    kst_log_secret("hunter2", 7);
    kst_log_secret("hunter2", 7);
    kst_log_secret("abc", 3); /* too short to be looked for */
    kst_log_secret(NULL, 0);
    kst_log(KST_LOG_INFO, "hunter2", "x", "a hunter2hunter2 b", "hunter2", "abc", NULL);
    assert_string_equal(logged(), "*** x=\"a *** b\" ***=abc\n");
    kst_log_secret("k=v x", 5); /* over two fields */
    kst_log(KST_LOG_INFO, "m", "k", "v", "x", "1", NULL);
    assert_string_equal(logged(), "m ***=1\n");
}

/* What one secret left of another was logged. */
static void secrets_within_secrets(void **state)
{
    kst_log_secret("abcd", 4);
    kst_log_secret("abcdefgh", 8);
    kst_log_secret("ghijkl", 6);
    static const char *const table[][2] = {
        {"abcdefgh", "***"},     {"abcd efgh", "*** efgh"},
        {"abcdefghijkl", "***"}, {"xabcdabcdx", "x***x"},
        {"abc", "abc"},          {"", ""},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_free char *clean = kst_log_redact(table[i][0]);
        assert_string_equal(clean, table[i][1]);
    }
    assert_null(kst_log_redact(NULL));
    kst_log_forget_secrets();
    kst_auto_free char *text = kst_log_redact("abcd");
    assert_string_equal(text, "abcd");
}

/* A key is a text of many lines: its escaped form was logged. */
static void secrets_that_are_escaped(void **state)
{
    static const char secret[] = "line \"one\"\nline\\two";
    kst_log_secret(secret, strlen(secret));
    kst_auto_free char *value = kst_asprintf("<%s>", secret);
    for (int i = 0; i < 2; i++) {
        kst_log_setup(KST_LOG_INFO, i ? KST_LOG_JSON : KST_LOG_PLAIN);
        kst_log(KST_LOG_INFO, value, "value", value, NULL);
        const char *text = logged();
        assert_null(strstr(text, "one"));
        assert_null(strstr(text, "two"));
        assert_non_null(strstr(text, "<***>"));
    }
    kst_auto_json struct kst_json *object = kst_json_make("{'data':%s}", value);
    kst_auto_free char *json = kst_json_text(object);
    kst_auto_free char *clean = kst_log_redact(json);
    assert_string_equal(clean, "{\"data\":\"<***>\"}");
    kst_auto_buf encoded = KST_BUF_INIT(1000);
    kst_base64_encode(&encoded, secret, strlen(secret));
    kst_auto_free char *of_secret = kst_log_redact(encoded.data);
    assert_string_equal(of_secret, "***");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(plain_lines),
        TEST(plain_lines_hold_no_control_characters),
        TEST(lines_of_json),
        TEST(a_line_that_is_too_long_is_told),
        TEST(secrets_are_not_logged),
        TEST(secrets_within_secrets),
        TEST(secrets_that_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
