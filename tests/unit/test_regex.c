/* SPDX-License-Identifier: Apache-2.0 */
#include "base/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"

static struct kst_regex *make(const char *pattern, int flags)
{
    struct kst_regex *regex = NULL;
    assert_int_equal(kst_regex_new(pattern, strlen(pattern), flags, &regex, NULL), 0);
    return regex;
}

static void what_matches(void **state)
{
    static const struct {
        const char *pattern, *text;
        int flags;
        bool matches;
    } table[] = {
        {"(^|/)postgres(ql)?(:|@|$)", "docker.io/library/postgres:15", 0, true},
        {"(^|/)postgres(ql)?(:|@|$)", "postgresql-ha", 0, false},
        {"^a.c$", "a\nc", 0, false},
        {"^a.c$", "a\nc", KST_REGEX_DOTALL, true},
        {"^abc$", "ABC", KST_REGEX_CASELESS, true},
        {"^abc$", "abc\n", 0, true},
        {"^abc$", "abc\n", KST_REGEX_DOLLAR_END, false},
        {"^.$", "\xc3\xa4", 0, true},
        {"^.$", "\xc3\xa4", KST_REGEX_BYTES, false},
        {"^..$", "\xc3\xa4", KST_REGEX_BYTES, true},
        {"", "", 0, true},
        {"(?C1)a", "a", 0, true},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        struct kst_regex *regex = make(table[i].pattern, table[i].flags);
        bool matched = !table[i].matches;
        assert_int_equal(kst_regex_test(regex, table[i].text, &matched, NULL), 0);
        if (matched != table[i].matches)
            fail_msg("/%s/ on '%s'", table[i].pattern, table[i].text);
        kst_regex_free(regex);
    }
}

static void groups_have_places(void **state)
{
    struct kst_regex *regex = make("(a)|(b)(c)", 0);
    struct kst_regex_span spans[6];
    bool matched = false;
    assert_int_equal(kst_regex_match(regex, "xxbc", 4, 0, false, spans, 6, &matched, NULL), 0);
    assert_true(matched);
    const size_t none = (size_t)-1;
    const size_t expected[6][2] = {{2, 4}, {none, none}, {2, 3},
                                   {3, 4}, {none, none}, {none, none}};
    for (size_t i = 0; i < 6; i++) {
        assert_true(spans[i].start == expected[i][0]);
        assert_true(spans[i].end == expected[i][1]);
    }
    assert_int_equal(kst_regex_match(regex, "xa", 2, 0, true, spans, 1, &matched, NULL), 0);
    assert_false(matched); /* anchored */
    assert_int_equal(kst_regex_match(regex, "xa", 2, 1, true, spans, 1, &matched, NULL), 0);
    assert_true(matched);
    kst_regex_free(regex);
}

static void patterns_that_are_none(void **state)
{
    static const char *const patterns[] = {"(",  "a{2,1}", "[z-a]", "\\",  "(?<n>a)(?<n>b)",
                                           "*a", "\\C",    "\xff",  "(?:", "[[:nope:]]"};
    for (size_t i = 0; i < KST_ARRAY_LEN(patterns); i++) {
        kst_auto_err struct kst_err *err = NULL;
        struct kst_regex *regex = NULL;
        assert_int_equal(kst_regex_new(patterns[i], strlen(patterns[i]), 0, &regex, &err),
                         KST_E_PARSE);
        assert_null(regex);
        assert_non_null(strstr(kst_err_message(err), "offset"));
    }
    kst_auto_free char *large = kst_calloc(1, 70 * 1000);
    memset(large, 'a', 70 * 1000);
    struct kst_regex *regex = NULL;
    assert_int_equal(kst_regex_new(large, 70 * 1000, 0, &regex, NULL), KST_E_LIMIT);
    kst_regex_free(NULL);
}

static void a_text_that_is_not_utf8(void **state)
{
    struct kst_regex *regex = make("a", 0);
    bool matched = false;
    assert_int_equal(kst_regex_test(regex, "\xff", &matched, NULL), KST_E_INVALID);
    kst_regex_free(regex);
    regex = make("a", KST_REGEX_BYTES);
    assert_int_equal(kst_regex_test(regex, "\xff\x61", &matched, NULL), 0);
    assert_true(matched);
    kst_regex_free(regex);
}

/* Of the processor: a machine that does other things too takes longer. */
static int64_t cpu_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* The limit of PCRE2 counts backtracking alone: the patterns of this table that have none, such as
 * a*[xy], held the engine for minutes on a long row of a's. */
static void no_pattern_holds_the_engine(void **state)
{
    static const char *const patterns[] = {
        "(a+)+$b?c",
        "(a|aa)+[xy]",
        "(a*)*[xy]",
        "a*[xy]",
        "a*+[xy]",
        "(?:a*+b?)*[xy]",
        "\\p{L}*[0-9]",
        "(.*)(.*)(.*)(.*)[xy]",
        "(?s).*?.*?[z]",
        "((a{0,9}){0,9}){0,9}[z]",
        "(?:(?=a*+[xy])|a)*[z]",
        "(a)?(?1)*[xy]",
    };
    enum { LEN = 400 * 1000 };
    kst_auto_free char *text = kst_calloc(1, LEN + 1);
    memset(text, 'a', LEN);
    for (size_t i = 0; i < KST_ARRAY_LEN(patterns); i++) {
        struct kst_regex *regex = make(patterns[i], 0);
        bool matched = false;
        int64_t start = cpu_ms();
        int rc = kst_regex_test(regex, text, &matched, NULL);
        if (rc != KST_E_LIMIT && (rc < 0 || matched))
            fail_msg("%s: %d", patterns[i], rc);
        if (cpu_ms() - start > 3000)
            fail_msg("%s took %lld ms", patterns[i], (long long)(cpu_ms() - start));
        kst_regex_free(regex);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_matches),
        cmocka_unit_test(groups_have_places),
        cmocka_unit_test(patterns_that_are_none),
        cmocka_unit_test(a_text_that_is_not_utf8),
        cmocka_unit_test(no_pattern_holds_the_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
