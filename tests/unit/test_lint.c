/* SPDX-License-Identifier: Apache-2.0 */
/* What the lint finds in blueprints, where, and what it says; and that it finds nothing where
 * nothing is wrong. From the top of the tree. */
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
#include "base/sample.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "lua/lint.h"

enum { FILE_BYTES = 1024 * 1024, FILES = 4 };

struct job {
    const char *texts[FILES]; /* of "a/blueprint.lua", "b/blueprint.lua", …; or of one other file */
    enum kst_lint_role role;
    struct kst_json *findings;
};

static int no_file(void *arg, const char *path, struct kst_buf *text, struct kst_err **err)
{
    return kst_err_set(err, KST_E_NOT_FOUND, "there is no %s", path);
}

static int run_job(void *arg, struct kst_err **err)
{
    struct job *job = arg;
    struct kst_lint *lint = NULL;
    int rc = kst_lint_new(kst_fiber_loop(), &lint, err);
    for (size_t i = 0; rc == 0 && i < FILES && job->texts[i]; i++) {
        kst_auto_free char *name = kst_asprintf("%c/%s.lua", (char)('a' + i),
                                                job->role == KST_LINT_TEST     ? "test"
                                                : job->role == KST_LINT_MODULE ? "module"
                                                                               : "blueprint");
        const struct kst_lint_file file = {.role = job->role,
                                           .name = name,
                                           .path = name,
                                           .text = job->texts[i],
                                           .len = strlen(job->texts[i]),
                                           .read = no_file};
        kst_lint_file(lint, &file);
    }
    if (rc == 0)
        kst_lint_end(lint, &job->findings);
    kst_lint_free(lint);
    return rc;
}

/* The findings as lines "line:column rule: message|hint". */
static char *found_in(struct job *job)
{
    struct kst_loop *loop = NULL;
    kst_auto_buf out = KST_BUF_INIT(FILE_BYTES);
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    assert_int_equal(kst_loop_run(loop, "lint", run_job, job, NULL), 0);
    kst_loop_free(loop);
    for (const struct kst_json *row = kst_json_first(job->findings); row;
         row = kst_json_next(row)) {
        const char *hint = kst_json_path_str(row, "hint");
        kst_buf_addf(&out, "%lld:%lld %s%s: %s%s%s\n", (long long)kst_json_path_int(row, "line", 0),
                     (long long)kst_json_path_int(row, "column", 0),
                     strcmp(kst_json_path_str(row, "severity"), "warning") == 0 ? "?" : "",
                     kst_json_path_str(row, "rule"), kst_json_path_str(row, "message"),
                     hint ? "|" : "", hint ? hint : "");
    }
    kst_json_free(job->findings);
    return kst_buf_take(&out);
}

static void expect(struct job job, const char *expected)
{
    kst_auto_free char *found = found_in(&job);
    bool fits = *expected ? strncmp(found, expected, strlen(expected)) == 0 : !*found;
    if (!fits)
        fail_msg("%s\nexpected: %s\nfound:    %s", job.texts[0], expected, found);
}

struct row {
    const char *text, *found; /* the beginning; "": nothing is found */
};

/* ---- one hook, of which the text is the body ---- */

static void check_bodies(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        kst_auto_free char *text = kst_asprintf(
            "return { name = 'x', params = { user = 'root', port = 1, mode = { enum = { 'a' } } "
            "},\nactions = { act = function(run, app)\n%s\nend } }",
            rows[i].text);
        expect((struct job){.texts = {text}}, rows[i].found);
    }
}

static void test_calls(void **state)
{
    static const struct row rows[] = {
        {"run:exec { pod = app:pod(), command = { 'a' } }", ""},
        {"run:exce {}", "3:5 unknown-function: run has no function 'exce'|did you mean 'exec'?"},
        {"run.exec { pod = 'a', command = { 'b' } }",
         "3:5 wrong-call: run.exec is called with a '.', and so without its object|write: "
         "run:exec(…)"},
        {"run.exec(run, { pod = 'a', command = { 'b' } })", ""},
        {"pcall(run.exec, run, {})", ""},
        {"run:exec { pod = 'a', comand = { 'b' } }",
         "3:10 missing-option: run:exec lacks command: expected a list of strings\n"
         "3:23 unknown-option: run:exec has no option 'comand'|did you mean 'command'?"},
        {"run:exec { 'a' }", "3:10 missing-option: run:exec lacks command"},
        {"run:exec { pod = 'a', command = 'b' }",
         "3:33 wrong-type: run:exec: option command: expected a list of strings, found \"b\""},
        {"run:exec { pod = 'a', command = { 'b', 1 } }",
         "3:40 wrong-type: run:exec: option command: entry 2: expected a string, found a whole"},
        {"run:exec { pod = app, command = { 'b' } }",
         "3:18 wrong-type: run:exec: option pod: expected a string, found a kassette.App"},
        {"run:exec { pod = 'a', command = { 'b' }, check = 'no' }",
         "3:50 wrong-type: run:exec: option check: expected a boolean, found \"no\""},
        {"run:exec { pod = 'a', command = { 'b' }, timeout = '5' }",
         "3:52 wrong-type: run:exec: option timeout: expected a duration such as \"500ms\", "
         "\"30s\" or \"1m30s\", found \"5\""},
        {"run:exec { pod = 'a', command = { 'b' }, timeout = 5 }", ""},
        {"run:exec(app:workload().options)", ""},
        {"run:exec { [app.name] = 1 }", ""},
        {"run:patch { kind = 'Pod', name = 'a', patch = {}, type = 'mrege' }",
         "3:58 wrong-type: run:patch: option type: expected \"merge\", \"strategic\" or \"json\", "
         "found \"mrege\"|did you mean 'merge'?"},
        {"run:wait { kind = 'Pod', name = 'a', deleted = true, api_version = 'v1' }", ""},
        {"run:wait { kind = 'Pod', deleted = true }", "3:10 missing-option: run:wait lacks name"},
        {"run:sleep()", "3:1 wrong-call: run:sleep lacks argument 1: expected a duration"},
        {"run:sleep('1s', 2)", "3:17 wrong-call: run:sleep takes 1 argument"},
        {"run:sleep(table.unpack { '1s' })", ""},
        {"run:log('%s %s', 1, 2)", ""},
        {"run:artifact('a', {})", "3:19 wrong-type: argument 2 of run:artifact: expected a string"},
        {"run:step('a', function() return run:exce {} end)", "3:37 unknown-function"},
        {"run:parallel { function() app:poda() end }", "3:31 unknown-function: app has no"},
        {"run:task { image = 'a', env = { A = 'b', B = { secret = 's', kye = 'k' } } }",
         "3:46 missing-option"},
        {"run:log(app.nmae)", "3:13 unknown-field: a kassette.App has no field 'nmae'|did you"},
        {"for _, pod in ipairs(app:pods()) do run:log(pod.redy) end",
         "3:49 unknown-field: a kassette.Pod has no field 'redy'|did you mean 'ready'?"},
        {"for _, v in ipairs(app:volumes()) do run:log(v.claim:uper()) end",
         "3:54 unknown-function: a string has no function 'uper'|did you mean 'upper'?"},
        {"local got = run:exec { pod = app:pod(), command = { 'a' } } run:log(got.stdot)",
         "3:73 unknown-field: a kassette.ExecResult has no field 'stdot'"},
        {"run:log(run.params.usr)",
         "3:20 unknown-parameter: there is no parameter 'usr'|did you mean 'user'?"},
        {"run:exec { pod = run.params.port, command = { 'a' } }",
         "3:18 wrong-type: run:exec: option pod: expected a string, found a whole number"},
        {"run:exec { pod = run.params.mode, command = { run.params.user } }", ""},
        {"run:log(string.formt('a'))", "3:16 unknown-function: string has no function 'formt'"},
        {"run:log(('a'):match('%'))", "3:21 pattern: malformed pattern"},
        {"run:log(('a'):find('%', 1, true))", ""},
    };
    check_bodies(rows, KST_ARRAY_LEN(rows));
}

static void test_variables(void **state)
{
    static const struct row rows[] = {
        {"count = 1",
         "3:1 global: 'count' is a global variable, which all functions share|write: local count"},
        {"function helper() end helper()", "3:10 global: 'helper' is a global variable, which all "
                                           "functions share|write: local function helper"},
        {"run:log(conut)", "3:9 undefined-global: there is no variable 'conut'"},
        {"run:log(tostrng(1))",
         "3:9 undefined-global: there is no variable 'tostrng'|did you mean 'tostring'?"},
        {"run:log(os.time())", "3:9 undefined-global: a blueprint has no 'os'|it sees"},
        {"local a = 1", "3:7 ?unused: 'a' is never used|remove it, or call it _a"},
        {"local a = 1 a = 2", "3:7 ?unused: 'a' is set and never used"},
        {"local function f() end", "3:16 ?unused: 'f' is never called"},
        {"local _, a <close> = 1, nil for k, v in pairs {} do end", ""},
        {"local a = 1 -- lint: allow unused", ""},
        {"-- because: lint: allow global unused\nlocal a = 1", ""},
        {"-- lint: allow global\nlocal a = 1", "4:7 ?unused"},
        {"local function f(run) run:exce {} end f(run)", "3:27 unknown-function"},
        {"local function f(x) x:exce {} end f(run)", "3:23 unknown-function: x has no"},
        {"local function f() return app:pods() end run:log(f()[1].nmae)", "3:57 unknown-field"},
        {"local function f(x) x:exce {} end f(run) f({})", ""},
        {"local function f(x) x:exce {} end run:log(f)", ""},
        {"local function f(x) return g(x) end run:log(f(run))", "3:28 undefined-global"},
    };
    check_bodies(rows, KST_ARRAY_LEN(rows));
}

static void test_sessions(void **state)
{
#define SESSION "run:session { pod = app:pod(), command = { 'sh' } }"
    static const struct row rows[] = {
        {"local db = " SESSION " db:ask('x') db:close()", ""},
        {"local db = " SESSION " db:asks('x') db:close()",
         "3:67 unknown-function: db has no function 'asks'|did you mean 'ask'?"},
        {"local db = " SESSION " db:ask('x')",
         "3:7 ?unclosed-session: the session 'db' is never closed"},
        {"local db = " SESSION " return db", ""},
        {"local db = " SESSION " run.frozen.db = db run.frozen.db:close()", ""},
        {SESSION, "3:1 ?unclosed-session: this session is opened, and nothing keeps it"},
        {"local db = " SESSION " db:expect('(') db:close()", "3:74 pattern: "},
        {"run.frozen.db = " SESSION " run.frozen.db:clsoe()",
         "3:83 unknown-function: run.frozen.db has no function 'clsoe'|did you mean 'close'?"},
        {"run.frozen.db = 1 run:log(run.frozen.bd)",
         "3:38 unknown-field: nothing sets run.frozen.bd|did you mean 'db'?"},
    };
    check_bodies(rows, KST_ARRAY_LEN(rows));
}

/* ---- whole files ---- */

static void test_blueprints(void **state)
{
    static const struct row rows[] = {
        {"return { name = 'x' }", ""},
        {"return { name = 'x',", "1:21 syntax: unexpected symbol near <eof>"},
        {"local a = (1\nreturn {}", "2:1 syntax: ')' expected (to close '(' at line 1) near 'ret"},
        {"goto a\nreturn {}", "2:1 syntax: no visible label 'a'"},
        {"return { summary = 'x' }",
         "1:8 missing-field: a blueprint lacks name: expected a string"},
        {"return { name = 'x', prehook = 1 }",
         "1:22 unknown-field: a blueprint has no field 'prehook'|did you mean 'pre_hook'?"},
        {"return { name = 'x y' }", "1:10 not-loaded: field name: expected a name of a-z"},
        {"return { name = 'x', order = 'first' }",
         "1:30 wrong-type: field order: expected a whole number, found \"first\""},
        {"return { name = 'x', post_hook_after = 'exprot' }",
         "1:40 wrong-type: field post_hook_after: expected \"snapshot\" or \"export\", found "
         "\"exprot\"|did you mean 'export'?"},
        {"return { name = 'x', attempts = 0 }",
         "1:22 not-loaded: field attempts: expected a whole"},
        {"return { name = 'x',\n match = { kind = 'Pod', imag = 'y' } }",
         "2:26 unknown-field: match has no field 'imag'|did you mean 'image'?"},
        {"return { name = 'x',\n match = { image = '(' } }",
         "2:12 regular-expression: field match.image: regular expression '('"},
        {"return { name = 'x', params = { a = { typ = 'integer' } } }",
         "1:39 unknown-field: parameter a has no field 'typ'|did you mean 'type'?"},
        {"return { name = 'x', params = { a = { type = 'int' } } }",
         "1:46 wrong-type: parameter a: field type: expected \"string\", \"integer\""},
        {"return { name = 'x', params = {\n a = { type = 'integer', default = 'b' } } }",
         "2:2 wrong-parameter: parameter a: its default is not of its type"},
        {"return { name = 'x', params = {\n a = { enum = { 'b' }, default = 'c' } } }",
         "2:2 wrong-parameter: parameter a: expected one of"},
        {"return { name = 'x', actions = { a = 1 } }",
         "1:38 wrong-type: field actions a: expected a function, found a whole number"},
        {"return { name = 'x', pre_hook = function(run, app) run:exec { pod = app:pod(), "
         "command = { 'a' } } end }",
         "1:22 ?missing-post-hook: there is a pre_hook and no post_hook"},
        {"-- lint: allow missing-post-hook\nreturn { name = 'x', pre_hook = function() end }", ""},
        {"return { name = 'x', pre_hook = function(run) run.frozen.a = 1 end }",
         "1:22 missing-post-hook: pre_hook keeps something in run.frozen"},
        {"return { name = 'x', post_hook = function() end }", "1:22 ?missing-pre-hook"},
        {"return { name = 'x', pre_hook = function(run, app)\nrun.frozen.db = " SESSION
         " end, post_hook = function() end }",
         "2:12 unclosed-session: nothing reads the session run.frozen.db"},
        {"local M = { name = 'x' }\nfunction M.pre_hok(run) end\nreturn M",
         "2:12 unknown-field: a kassette.Blueprint has no field 'pre_hok'|did you mean"},
        {"local M = { name = 'x' }\nfunction M.verify(run) run:exce {} end\nreturn M",
         "2:28 unknown-function"},
        {"local function check(run, app)\napp:poda()\nend\nreturn { name = 'x', verify = check }",
         "2:5 unknown-function: app has no function 'poda'"},
        {"return setmetatable({ name = 'x' }, {})", "1:1 ?not-understood: what it returns"},
        {"return { name = 'x', summary = nil + 1 }", "1:1 not-loaded: attempt to perform"},
        {"local a = require 'a'\nreturn { name = a }", "1:1 not-loaded: require \"a\""},
        {"while true do end\nreturn { name = 'x' }", "2:8 not-loaded: the blueprint ran for more"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++)
        expect((struct job){.texts = {rows[i].text}}, rows[i].found);
}

static void test_tests_and_modules(void **state)
{
    static const struct row tests[] = {
        {"local test = require 'kassette.test'\n"
         "return test.describe('x', require 'blueprint', function(it)\n"
         "it('a', function(world) world:bakup() end) end)",
         "3:31 unknown-function: world has no function 'bakup'|did you mean 'backup'?"},
        {"local test = require 'kassette.test'\nlocal function set(world) world.redo = 1 end\n"
         "return test.describe('x', require 'blueprint', function(it)\n"
         "it('a', function(world) set(world) test.equal(world.redo, 1) end) end)",
         ""},
        {"local test = require 'kassette.test'\ntest.equl(1, 1)",
         "2:6 unknown-field: a kassette.test has no field 'equl'|did you mean 'equal'?"},
    };
    static const struct row modules[] = {
        {"local M = {}\nfunction M.connect(run, app)\n  return run:sesion {}\nend\nreturn M",
         "3:14 unknown-function: run has no function 'sesion'"},
        {"return function(text) return text.x end", ""},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(tests); i++)
        expect((struct job){.texts = {tests[i].text}, .role = KST_LINT_TEST}, tests[i].found);
    for (size_t i = 0; i < KST_ARRAY_LEN(modules); i++)
        expect((struct job){.texts = {modules[i].text}, .role = KST_LINT_MODULE}, modules[i].found);
}

/* ---- match rules ---- */

static void test_match(void **state)
{
    static const struct {
        const char *first, *second, *found;
    } rows[] = {
        {"kind = 'StatefulSet', image = 'redis'", NULL, ""},
        {"kind = 'Statefulset'", NULL,
         "1:23 unreachable-match: match: no workload is of kind 'Statefulset'|did you mean 'State"},
        {"kind = 'Cluster', api_version = 'postgresql.cnpg.io/v1'", NULL, ""},
        {"kind = 'Cluster'", NULL,
         "1:23 unreachable-match: match: no workload is of kind 'Cluster'"},
        {"kind = { 'Pod', 'Cluster' }, api_version = 'a/v1'", NULL, "1:23 unreachable-match"},
        {"kind = 'Pod', api_version = 'apps/v1'", NULL,
         "1:23 unreachable-match: match: no Pod has"},
        {"image = 'redis server'", NULL,
         "1:23 unreachable-match: match: image 'redis server' takes no image: none has such"},
        {"image = '(a|b c)'", NULL, ""},
        {"image = '(a b|c d)'", NULL, "1:23 unreachable-match"},
        {"image = 'a[ x]b.*'", NULL, ""},
        {"name = '^Redis'", NULL, "1:23 unreachable-match: match: name '^Redis' takes no name"},
        {"image = 'redis'", "image = 'redis'",
         "1:23 unreachable-match: match: every workload that it takes is taken by blueprint p "},
        {"kind = { 'Pod', 'DaemonSet' }", "kind = 'Pod', image = 'a'", "1:23 unreachable-match"},
        {"kind = 'Pod'", "kind = 'DaemonSet'", ""},
        {"labels = { a = 'b' }", "labels = { a = 'b', c = 'd' }", "1:23 unreachable-match"},
        {"labels = { a = 'b' }", "labels = { a = 'c' }", ""},
        {"image = '(^|/)(redis|valkey)(:|@|$)'", "image = '(^|/)valkey(:|@|$)'",
         "1:23 ?unreachable-match: match: image valkey:latest is taken by blueprint p "},
        {"image = '(^|/)redis(:|@|$)'", "image = '(^|/)valkey(:|@|$)'", ""},
        {"kind = 'Pod', image = 'redis'", "kind = 'Deployment', image = 'redis'", ""},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_free char *first = kst_asprintf("return { name = 'p',  match = { %s } }",
                                                 rows[i].first);
        kst_auto_free char *second = kst_asprintf("return { name = 'q',  match = { %s } }",
                                                  rows[i].second ? rows[i].second : "");
        expect((struct job){.texts = {first, rows[i].second ? second : NULL}}, rows[i].found);
    }
    expect((struct job){.texts = {"return { name = 'p' }", "return { name = 'p' }"}},
           "1:1 same-name: its name 'p' is that of a/blueprint.lua");
    expect((struct job){.texts = {"return { name = 'p',\n -- lint: allow unreachable-match\n match "
                                  "= { kind = 'Statefulset' } }"}},
           "");
}

static void test_images(void **state)
{
    static const struct {
        const char *pattern, *image;
    } rows[] = {
        {"(^|/)redis(:|@|$)", "redis:latest"},
        {"/postgres:1[56]$", "library/postgres:15"},
        {"^ghcr\\.io/a/(b|c)@", "ghcr.io/a/b@sha256:"
                                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"^a{3}\\d+$", "aaa0"},
        {"x y", NULL},
        {"(", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_free char *image = kst_lint_image(rows[i].pattern, NULL);
        if ((image == NULL) != (rows[i].image == NULL) ||
            (image && strcmp(image, rows[i].image) != 0))
            fail_msg("%s: %s", rows[i].pattern, image ? image : "none");
    }
}

static void test_samples_have_an_end(void **state)
{
    static const char *const rows[] = {"((((((((((((((((((((((((((((((",
                                       "(a|b){200}",
                                       "a{99999999}",
                                       "[",
                                       "[^",
                                       "\\",
                                       "(?<n",
                                       "(?i:a|",
                                       "[[:alpha:]]+",
                                       "a|*|)"};
    for (size_t i = 0; i < KST_ARRAY_LEN(rows); i++) {
        kst_auto_json struct kst_json *samples = NULL;
        kst_regex_samples(rows[i], "abc", &samples);
        assert_true(kst_json_len(samples) <= KST_SAMPLES);
    }
}

/* A text that names very many things is looked at like any other. */
static void test_many_names(void **state)
{
    static const char *const lines[] = {"a%d = 1\n", "b%d()\n", "x.y.z%d = 1\n"};
    for (size_t i = 0; i < KST_ARRAY_LEN(lines); i++) {
        kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
        for (int j = 0; j < 40000; j++)
            kst_buf_addf(&text, lines[i], j);
        expect((struct job){.texts = {text.data}, .role = KST_LINT_MODULE}, "1:1 ");
    }
}

/* ---- ours ---- */

static void test_own_blueprints(void **state)
{
    static const char *const names[] = {"generic", "mariadb", "postgresql", "velero-hooks"};
    for (size_t i = 0; i < KST_ARRAY_LEN(names); i++) {
        kst_auto_buf blueprint = KST_BUF_INIT(FILE_BYTES), test = KST_BUF_INIT(FILE_BYTES);
        kst_auto_free char *path = kst_asprintf("blueprints/%s/blueprint.lua", names[i]);
        kst_auto_free char *test_path = kst_asprintf("blueprints/%s/test.lua", names[i]);
        assert_int_equal(kst_buf_read_file(&blueprint, path, NULL), 0);
        assert_int_equal(kst_buf_read_file(&test, test_path, NULL), 0);
        expect((struct job){.texts = {blueprint.data}}, "");
        expect((struct job){.texts = {test.data}, .role = KST_LINT_TEST}, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_blueprints),
        cmocka_unit_test(test_tests_and_modules),
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_samples_have_an_end),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_own_blueprints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
