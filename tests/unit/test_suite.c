/* SPDX-License-Identifier: Apache-2.0 */
/* Running a test.lua: what is told of cases that pass, fail, and cannot even be loaded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "lua/suite.h"

static int read_file(void *arg, const char *path, struct kst_buf *text, struct kst_err **err)
{
    if (strcmp(path, "x/test.lua") == 0 && arg)
        return kst_buf_adds(text, arg);
    if (strcmp(path, "x/blueprint.lua") == 0)
        return kst_buf_adds(text, "return { name = 'x' }");
    return kst_err_set(err, KST_E_NOT_FOUND, "there is no %s", path);
}

struct job {
    const char *text;
    struct kst_suite_choice choice;
    struct kst_json *report;
};

static int run_job(void *arg, struct kst_err **err)
{
    struct job *job = arg;
    return kst_suite_run(kst_fiber_loop(), "x/test.lua", &job->choice, read_file, (void *)job->text,
                         NULL, &job->report, err);
}

static struct kst_json *report_of(const char *text, const char *filter)
{
    struct job job = {.text = text, .choice = {.filter = filter}};
    struct kst_loop *loop = NULL;
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    assert_int_equal(kst_loop_run(loop, "suite", run_job, &job, NULL), 0);
    kst_loop_free(loop);
    return job.report;
}

static const char suite[] = "local test = require 'kassette.test'\n"
                            "local n = 0\n"
                            "return test.describe('sweet', require 'blueprint', function(it)\n"
                            "  it('runs', function(world)\n"
                            "    n = n + 1\n"
                            "    test.equal(world.blueprint.name, 'x')\n"
                            "    test.equal(#world.commands, 0)\n"
                            "  end)\n"
                            "  it('Counts to two', function()\n"
                            "    n = n + 1\n"
                            "    test.equal(n, 2, 'n')\n"
                            "  end)\n"
                            "  it('never ends', function() while true do end end)\n"
                            "  it('runs after that', function() test.truthy(n == 0) end)\n"
                            "end)\n";

static void test_cases_stand_alone(void **state)
{
    kst_auto_json struct kst_json *report = report_of(suite, NULL);
    assert_string_equal(kst_json_path_str(report, "name"), "sweet");
    assert_int_equal(kst_json_path_int(report, "passed", -1), 2);
    assert_int_equal(kst_json_path_int(report, "failed", -1), 2);
    assert_true(kst_json_path_true(report, "cases.0.ok"));
    assert_int_equal(kst_json_path_int(report, "cases.0.line", -1), 4);
    assert_string_equal(kst_json_path_str(report, "cases.0.file"), "x/test.lua");
    assert_false(kst_json_path_true(report, "cases.1.ok"));
    assert_string_equal(kst_json_path_str(report, "cases.1.message"),
                        "x/test.lua:11: n: expected 2, found 1");
    assert_non_null(strstr(kst_json_path_str(report, "cases.2.message"), "without waiting"));
    assert_true(kst_json_path_true(report, "cases.3.ok"));
}

static void test_filter(void **state)
{
    static const struct {
        const char *filter;
        int passed, failed, left_out;
    } rows[] = {
        {"counts", 0, 1, 3},
        {"sweet: runs", 2, 0, 2},
        {"runs after", 1, 0, 3},
        {"zzz", 0, 0, 4},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *report = report_of(suite, rows[i].filter);
        assert_int_equal(kst_json_path_int(report, "passed", -1), rows[i].passed);
        assert_int_equal(kst_json_path_int(report, "failed", -1), rows[i].failed);
        assert_int_equal(kst_json_path_int(report, "leftOut", -1), rows[i].left_out);
    }
}

/* Each case is run in one of the parts. */
static void test_parts(void **state)
{
    static const char text[] = "local test = require 'kassette.test'\n"
                               "return test.describe('sweet', require 'blueprint', function(it)\n"
                               "  for i = 1, 7 do it('case ' .. i, function() end) end\n"
                               "end)\n";
    bool seen[7] = {false};
    for (size_t part = 0; part < 3; part++) {
        struct job job = {.text = text, .choice = {.part = part, .parts = 3, .seen = 1}};
        struct kst_loop *loop = NULL;
        assert_int_equal(kst_loop_new(&loop, NULL), 0);
        assert_int_equal(kst_loop_run(loop, "suite", run_job, &job, NULL), 0);
        kst_loop_free(loop);
        assert_int_equal(kst_json_path_int(job.report, "failed", -1), 0);
        assert_int_equal(kst_json_path_int(job.report, "leftOut", -1), 0);
        assert_int_equal(job.choice.seen, 8);
        const struct kst_json *cases = kst_json_get(job.report, "cases");
        for (const struct kst_json *row = kst_json_first(cases); row; row = kst_json_next(row)) {
            size_t index = (size_t)kst_json_path_int(row, "index", 7);
            assert_true(index < 7 && !seen[index] && (index + 1) % 3 == part);
            seen[index] = true;
        }
        kst_json_free(job.report);
    }
    for (size_t i = 0; i < 7; i++)
        assert_true(seen[i]);
}

static void test_broken_suites(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {NULL, "there is no x/test.lua"},
        {"", "expected the file to return a table"},
        {"return {}", "test.describe()"},
        {"return { name = 'x', cases = {} }", "test.describe()"},
        {"return { name = 'x', cases = {}, run = function() end }", "test.describe()"},
        {"return { name = 'x', cases = {}, run = print, call = print }", "has no cases"},
        {"return {", "x/test.lua:1:"},
        {"error('at once')", "x/test.lua:1: at once"},
        {"return require 'kassette.test'.describe('x', {}, function(it) it.x = 1 end)",
         "attempt to index a function value"},
        {"while true do end", "without waiting"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *report = report_of(rows[i].text, NULL);
        const char *message = kst_json_path_str(report, "error.message");
        if (!message || !strstr(message, rows[i].message))
            fail_msg("%s: %s", rows[i].text ? rows[i].text : "-", message ? message : "no error");
        assert_int_equal(kst_json_path_int(report, "failed", -1), 1);
        assert_string_equal(kst_json_path_str(report, "name"), "x");
    }
}

/* Whatever a name or a message holds, the XML is well-formed. */
static void test_junit(void **state)
{
    kst_auto_json struct kst_json *suites = kst_json_make(
        "[{'name':%s,'file':'a/test.lua','failed':1,'ms':3.5,'cases':["
        "{'name':'one','file':'a/test.lua','line':4,'ok':true,'ms':1.25},"
        "{'name':%s,'file':'a/test.lua','line':9,'ok':false,'ms':0.5,'message':%s}]},"
        "{'name':'b','file':'b/test.lua','failed':1,'ms':0.1,'cases':[],"
        "'error':{'message':%s}}]",
        "a<b>&\"'", "two\n\t\x01\xff\xc0\x80", "\xef\xbf\xbe \xf0\x9f\x98\x80 \xed\xa0\x80",
        "b/test.lua:1: \"]]>\"");
    static const char expected[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<testsuites name=\"kassette\">\n"
        "  <testsuite name=\"a&#60;b&#62;&#38;&#34;&#39;\" file=\"a/test.lua\" tests=\"2\""
        " failures=\"1\" errors=\"0\" time=\"0.003500\">\n"
        "    <testcase name=\"one\" classname=\"a&#60;b&#62;&#38;&#34;&#39;\" file=\"a/test.lua\""
        " line=\"4\" time=\"0.001250\"/>\n"
        "    <testcase name=\"two&#10;&#9;\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""
        " classname=\"a&#60;b&#62;&#38;&#34;&#39;\" file=\"a/test.lua\" line=\"9\""
        " time=\"0.000500\">\n"
        "      <failure message=\"\xef\xbf\xbd \xf0\x9f\x98\x80 \xef\xbf\xbd\xef\xbf\xbd"
        "\xef\xbf\xbd\">\xef\xbf\xbd \xf0\x9f\x98\x80 \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
        "</failure>\n"
        "    </testcase>\n"
        "  </testsuite>\n"
        "  <testsuite name=\"b\" file=\"b/test.lua\" tests=\"1\" failures=\"0\" errors=\"1\""
        " time=\"0.000100\">\n"
        "    <testcase name=\"(load)\" classname=\"b\">\n"
        "      <error message=\"b/test.lua:1: &#34;]]&#62;&#34;\"/>\n"
        "    </testcase>\n"
        "  </testsuite>\n"
        "</testsuites>\n";
    kst_auto_buf out = KST_BUF_INIT(4096), small = KST_BUF_INIT(100);
    assert_int_equal(kst_suite_junit(suites, &out), 0);
    assert_string_equal(out.data, expected);
    assert_int_equal(kst_suite_junit(suites, &small), KST_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases_stand_alone),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_broken_suites),
        cmocka_unit_test(test_junit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
