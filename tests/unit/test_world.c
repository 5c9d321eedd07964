/* SPDX-License-Identifier: Apache-2.0 */
/* What a test.lua can do: cases on an embedded cluster, with the engine itself. Each row is a case
 * of a suite beside a blueprint whose hooks the row has, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/blueprint.h"
#include "cmd/blueprint_world.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "run/run.h"

struct row {
    const char *hooks, *body;
    const char *message; /* of the failed case; NULL: it passes */
};

struct job {
    char *folder;
    bool interrupted;
    struct kst_json *report;
};

static int run_job(void *arg, struct kst_err **err)
{
    struct job *job = arg;
    char *folders[] = {job->folder, NULL};
    struct kst_own_files files;
    int rc = kst_own_files_find(folders, "test.lua", false, &files, err);
    if (rc < 0)
        return rc;
    struct kst_world *world = kst_world_new(kst_fiber_loop(), &files.items[0], &job->interrupted);
    const struct kst_suite_world of_suite = kst_world_of_suite(world);
    rc = kst_suite_run(kst_fiber_loop(), files.items[0].name, NULL, kst_own_file_read,
                       &files.items[0], &of_suite, &job->report, err);
    kst_world_free(world);
    kst_own_files_release(&files);
    return rc;
}

static void write_text(const char *folder, const char *name, const char *text)
{
    kst_auto_free char *path = kst_asprintf("%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void check(const char *folder, const struct row *row)
{
    struct kst_loop *loop = NULL;
    struct job job = {.folder = kst_asprintf("%s/x", folder)};
    kst_auto_free char *blueprint = kst_asprintf("return { name = 'x', %s }", row->hooks);
    kst_auto_free char *test = kst_asprintf(
        "local test = require 'kassette.test'\n"
        "return test.describe('x', require 'blueprint', function(it)\n"
        "it('does', function(world)\n%s\nend) end)\n",
        row->body);
    mkdir(job.folder, 0700);
    write_text(job.folder, "blueprint.lua", blueprint);
    write_text(job.folder, "test.lua", test);
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    assert_int_equal(kst_loop_run(loop, "world", run_job, &job, NULL), 0);
    kst_loop_free(loop);
    kst_auto_free char *text = kst_json_text(job.report);
    const char *message = kst_json_path_str(job.report, "cases.0.message");
    bool fits = row->message ? message && strstr(message, row->message) : !message;
    if (!fits || kst_json_get(job.report, "error"))
        fail_msg("%s\n%s\n%s", row->hooks, row->body, text);
    kst_json_free(job.report);
    free(job.folder);
}

static void check_all(const char *folder, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check(folder, &rows[i]);
}

#define EXEC "run:exec { pod = app:pod(), command = { 'save', '-x' }"

static void test_commands(void **state)
{
    static const struct row rows[] = {
        {"pre_hook = function(run, app) " EXEC " } end",
         "test.equal(world:backup(), nil)\n"
         "test.equal(#world.commands, 1)\n"
         "test.equal(table.concat(world.commands[1].command, ' '), 'save -x')\n"
         "test.equal(world.commands[1].pod .. '/' .. world.commands[1].container, 'db-0/main')\n"
         "test.truthy(world:position('exec db-0') < world:position('cut data-db-0'))\n"
         "test.equal(table.concat(world.phases, ' '), 'Capture PreHook Snapshot PostHook "
         "Export Succeeded')",
         NULL},
        {"pre_hook = function(run, app) " EXEC " } end",
         "world.execute = function() return { code = 3, stderr = 'disk full' } end\n"
         "local message = world:backup()\n"
         "test.truthy(message:find('disk full', 1, true), message)\n"
         "test.equal(#world.cuts, 0)",
         NULL},
        {"pre_hook = function(run, app) local got = " EXEC ", input = 'abc', check = false }\n"
         "run:artifact('got', got.stdout .. got.code) end",
         "world.execute = function(command) return { code = 4, stdout = command.input } end\n"
         "test.equal(world:backup(), nil)\n"
         "test.equal(world.artifacts.got, 'abc4')\n"
         "test.equal(#world.sessions, 0)",
         NULL},
        {"pre_hook = function(run, app) " EXEC ", timeout = '50ms' } end",
         "world.execute = function() return test.hang end\n"
         "test.truthy(world:backup(), 'a failure')\n"
         "test.equal(world.reason, 'CommandTimeout')",
         NULL},
        {"pre_hook = function(run, app) " EXEC " } end",
         "world.execute = function() return { failure = 'no such file' } end\n"
         "local message = world:backup()\n"
         "test.truthy(message:find('no such file', 1, true), message)",
         NULL},
        {"pre_hook = function(run, app) " EXEC " } end",
         "world.execute = function() error('oops') end\nworld:backup()", "x/test.lua:4: oops"},
        {"pre_hook = function(run, app) " EXEC ", container = 'no' } end",
         "local message = world:backup()\n"
         "test.truthy(message:find('the Pod has no such container', 1, true), message)",
         NULL},
        {"pre_hook = function(run) run:task { image = 'a', command = { 'b' } } end",
         "world.task = function(pod) test.equal(pod.spec.containers[1].image, 'a')\n"
         "return { code = 1 } end\n"
         "test.truthy(world:backup(), 'a failure')",
         NULL},
        {"actions = { act = function(run) run:artifact('a', run.params.b) end }, params = { b = 1 "
         "}",
         "world.action = 'act' world.params.b = 2\ntest.equal(world:backup(), nil)\n"
         "test.equal(world.artifacts.a, 2)",
         NULL},
    };
    check_all(*state, rows, KST_ARRAY_LEN(rows));
}

#define OPEN                                                                               \
    "run.frozen.db = run:session { pod = app:pod(), command = { 'sh' }, timeout = '1s' } " \
    "run.frozen.db:ask('lock') "
#define CLOSE "local db = run.frozen.db if db then db:ask('unlock') db:close() end "

static void test_sessions(void **state)
{
    static const struct row rows[] = {
        {"pre_hook = function(run, app) " OPEN "end, post_hook = function(run) " CLOSE "end",
         "test.equal(world:backup(), nil)\n"
         "test.equal(table.concat(world.statements, ' '), 'lock unlock')\n"
         "test.truthy(world:position('open db-0') < world:position('lock'))\n"
         "test.truthy(world:position('lock') < world:position('cut data-db-0'))\n"
         "test.truthy(world:position('cut data-db-0') < world:position('unlock'))\n"
         "test.truthy(world:position('unlock') < world:position('close db-0'))\n"
         "test.equal(world.open, 0)",
         NULL},
        {"pre_hook = function(run, app) " OPEN "end, post_hook = function() end",
         "test.equal(world:backup(), nil)\ntest.equal(world.open, 1)", NULL},
        {"pre_hook = function(run, app) " OPEN "end, post_hook = function(run) " CLOSE "end",
         "world.client = function(text) return text ~= 'unlock' and '' or nil end\n"
         "test.truthy(world:backup(), 'a failure')\ntest.equal(world.reason, 'SessionClosed')",
         NULL},
        {"pre_hook = function(run, app)\n"
         "local db = run:session { pod = app:pod(), command = { 'sh' } } db:send('hello\\n')\n"
         "run:artifact('a', db:expect('w%a+')) db:close() end",
         "world.client = function(text) return text == 'hello' and 'x world\\n' or '' end\n"
         "test.equal(world:backup(), nil)\ntest.equal(world.artifacts.a, 'world')",
         NULL},
        {"post_hook = function(run, app)\n"
         "local db = run:session { pod = app:pod(), command = { 'sh' } }\n"
         "db:ask('kill') db:close() end",
         "test.equal(world:recover(), nil)\ntest.equal(world.statements[1], 'kill')\n"
         "test.equal(#world.cuts, 0)",
         NULL},
        {"post_hook = function(run) run:fail('no') end",
         "local message = world:recover()\ntest.truthy(message:find('no', 1, true), message)",
         NULL},
    };
    check_all(*state, rows, KST_ARRAY_LEN(rows));
}

static void test_clusters(void **state)
{
    static const struct row rows[] = {
        {"pre_hook = function(run, app) run:log('%d %s', #app:pods(), app:volumes()[1].claim) end",
         "world.pods[2] = { name = 'db-1', containers = world.pods[1].containers }\n"
         "test.equal(world:backup(), nil)\n"
         "test.equal(world.log[1], '2 data-db-0')\n"
         "test.equal(#world.cuts, 2)\n"
         "test.equal(world:object('statefulset', 'db').spec.replicas, 2)\n"
         "test.equal(world:object('statefulset', 'none'), nil)",
         NULL},
        {"pre_hook = function(run, app) app:pod() end",
         "world.pods[1].ready = false\n"
         "local message = world:backup()\n"
         "test.truthy(message:find('no Pod that is ready', 1, true), message)",
         NULL},
        {"pre_hook = function(run, app) run:log(app.kind) app:pod() end",
         "world.kind = 'Deployment'\nworld.pods[1].containers[1].mounts[1].claim = 'files'\n"
         "test.equal(world:backup(), nil)\ntest.equal(world.cuts[1], 'files')\n"
         "test.equal(world.log[1], 'Deployment')",
         NULL},
        {"match = { kind = 'Deployment', name = '^web$' },\n"
         "pre_hook = function(run, app) run:log(app.name) end",
         "world:load [[\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: "
         "shop}\nspec:\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: "
         "{app: web}}\n    spec:\n      containers: [{name: web, image: nginx, volumeMounts: "
         "[{name: v, mountPath: /v}]}]\n      volumes: [{name: v, persistentVolumeClaim: "
         "{claimName: v}}]\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: v, "
         "namespace: shop}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: "
         "1Gi}}, storageClassName: dir}\n]]\n"
         "test.equal(world:backup(), nil)\ntest.equal(world.log[1], 'web')",
         NULL},
        {"summary = 'x'", "world:load 'a: ['\nworld:backup()", "line"},
        {"summary = 'x'", "world:backup() world:backup()", "the cluster of this case runs already"},
    };
    check_all(*state, rows, KST_ARRAY_LEN(rows));
}

static void test_failures(void **state)
{
    static const struct row rows[] = {
        {"summary = 'x'",
         "world:fault { verb = 'create', resource = 'volumesnapshots', fault = '503' }\n"
         "test.equal(world:backup(), nil)\n"
         "local function created(code) return world:requested {\n"
         "verb = 'create', resource = 'volumesnapshots', code = code } end\n"
         "test.equal(created(503), 1) test.equal(created(201), 1)",
         NULL},
        {"post_hook = function(run) run:artifact('thawed', true) end",
         "world.storage.cutDelayMs = 2000 world.max_freeze = '100ms'\n"
         "test.truthy(world:backup(), 'a failure')\n"
         "test.equal(world.reason, 'FreezeTimeout')\n"
         "test.equal(world.artifacts.thawed, true)\n"
         "test.equal(world:requested { verb = 'create', resource = 'volumesnapshots' }, 1)",
         NULL},
        {"summary = 'x'", "world:fault { verb = 'create', fault = 'fire' } world:backup()",
         "'fire' is no fault"},
        {"pre_hook = function(run, app) run:exce {} end", "test.equal(world:backup(), nil)",
         "attempt to call a nil value"},
    };
    check_all(*state, rows, KST_ARRAY_LEN(rows));
}

/* ---- an end at any time ---- */

/* What is interrupted ends, whatever its cluster was at. */
static int interrupt(void *arg, struct kst_err **err)
{
    struct job *job = arg;
    for (int64_t ms = 1; ms <= 128; ms *= 2) {
        struct kst_fiber *fiber = kst_fiber_spawn(kst_fiber_loop(), "interrupted", run_job, job);
        kst_sleep_ms(ms, NULL);
        job->interrupted = true;
        if (kst_run_cancel(NULL, "by the test") == 0)
            kst_fiber_cancel(fiber);
        kst_fiber_join(fiber, NULL);
        job->interrupted = false;
        kst_json_free(job->report);
        job->report = NULL;
    }
    return 0;
}

static void test_interrupted(void **state)
{
    struct kst_loop *loop = NULL;
    struct job job = {.folder = kst_asprintf("%s/x", (char *)*state)};
    mkdir(job.folder, 0700);
    write_text(job.folder, "blueprint.lua",
               "return { name = 'x', pre_hook = function(run, app) " EXEC " } end }");
    write_text(job.folder, "test.lua",
               "local test = require 'kassette.test'\n"
               "return test.describe('x', require 'blueprint', function(it)\n"
               "it('does', function(world) world:backup() end) end)\n");
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    assert_int_equal(kst_loop_run(loop, "world", interrupt, &job, NULL), 0);
    kst_loop_free(loop);
    free(job.folder);
}

static int make_folder(void **state)
{
    char path[] = "/tmp/test_world.XXXXXX";
    kst_log_setup(KST_LOG_ERROR, KST_LOG_PLAIN);
    *state = kst_strdup(mkdtemp(path));
    return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
    kst_auto_free char *command = kst_asprintf("rm -rf %s", (char *)*state);
    free(*state);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_commands, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_sessions, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_clusters, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_failures, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_interrupted, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
