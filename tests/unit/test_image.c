/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "sandbox/node/container.h"
#include "sandbox/node/image.h"

static char folder[] = "/tmp/test_image.XXXXXX";
static struct kst_images *images;

static int set_up_all(void **state)
{
    assert_non_null(mkdtemp(folder));
    chmod(folder, 0755);
    return setenv("TMPDIR", folder, 1);
}

static int tear_down_all(void **state)
{
    kst_auto_free char *command = kst_asprintf("rm -rf %s", folder);
    return system(command);
}

static int set_up(void **state)
{
    struct kst_err *error = NULL;
    if (kst_images_new(&images, &error) < 0)
        fail_msg("%s", kst_err_message(error));
    return 0;
}

static int tear_down(void **state)
{
    kst_images_free(images);
    return 0;
}

/* Writes a file of the test's folder. */
static void put(const char *name, const char *text, mode_t mode)
{
    kst_auto_free char *path = kst_asprintf("%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void put_folder(const char *name)
{
    kst_auto_free char *path = kst_asprintf("%s/%s", folder, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static int load(const char *text, struct kst_err **err)
{
    kst_auto_free char *path = kst_asprintf("%s/images.json", folder);
    put("images.json", text, 0644);
    return kst_images_load(images, path, err);
}

static char *join(const char *const *list)
{
    kst_auto_buf out = KST_BUF_INIT(1u << 16);
    for (; *list; list++)
        kst_buf_addf(&out, "%s%s", out.len > 0 ? " " : "", *list);
    return kst_buf_take(&out);
}

static void test_built_in(void **state)
{
    static const struct {
        const char *image, *name, *entrypoint, *cmd;
    } table[] = {
        {"busybox", "busybox, alpine, debian, ubuntu", "", "sh"},
        {"busybox:1.36", "busybox, alpine, debian, ubuntu", "", "sh"},
        {"docker.io/library/debian@sha256:0", "busybox, alpine, debian, ubuntu", "", "sh"},
        {"registry:5000/alpine:3", "busybox, alpine, debian, ubuntu", "", "sh"},
        {"k8s.gcr.io/pause:3.2", "pause", "sleep infinity", ""},
        {"registry.k8s.io/pause-amd64:3.2", "pause", "sleep infinity", ""},
        {"kassette:0.1", "kassette", "/usr/bin/kassette", ""},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        const struct kst_image *image, *again;
        assert_int_equal(kst_images_find(images, table[i].image, &image, NULL), 0);
        assert_string_equal(image->name, table[i].name);
        kst_auto_free char *entrypoint = join(image->entrypoint), *cmd = join(image->cmd);
        assert_string_equal(entrypoint, table[i].entrypoint);
        assert_string_equal(cmd, table[i].cmd);
        assert_memory_equal(image->env[0], "PATH=/", 6);
        assert_int_equal(kst_images_find(images, table[i].image, &again, NULL), 0);
        assert_ptr_equal(again, image);
    }
    const struct kst_image *image;
    assert_int_equal(kst_images_find(images, "kassette", &image, NULL), 0);
    assert_int_equal(image->user, 65532);
    assert_int_equal(image->nfiles, 1);
    assert_string_equal(image->files[0].path, "/usr/bin/kassette");
    assert_non_null(strstr(image->files[0].source, "test_image")); /* this very program */
    assert_string_equal(image->volumes[0], "/cache");
}

static void test_unknown(void **state)
{
    static const char *const table[] = {"nginx", "", "busybox2", "mypostgres:1", "x/y/z:1", "\xff"};
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        const struct kst_image *image;
        kst_auto_err struct kst_err *error = NULL;
        int rc = kst_images_find(images, table[i], &image, &error);
        if (*table[i] == '\xff') {
            assert_int_equal(rc, KST_E_INVALID);
            continue;
        }
        assert_int_equal(rc, KST_E_NOT_FOUND);
        kst_auto_free char *start = kst_asprintf(
            "no program of this machine stands for image \"%s\"; those known are: busybox, alpine, "
            "debian, ubuntu, pause, postgres, ",
            table[i]);
        assert_memory_equal(kst_err_message(error), start, strlen(start));
        assert_non_null(strstr(kst_err_get_hint(error), "--images"));
    }
}

static void test_postgres_files(void **state)
{
    const struct kst_image *image;
    kst_auto_free char *source = NULL;
    assert_int_equal(kst_images_find(images, "kassette.test/postgres:15", &image, NULL), 0);
    assert_memory_equal(image->env[0], "PATH=/usr/lib/postgresql/", 25);
    assert_string_equal(image->stop_signal, "SIGINT");
    assert_int_equal(image->nfiles, 1);
    assert_string_equal(image->files[0].path, "/entrypoint");
    source = kst_strdup(image->files[0].source);
    struct stat status;
    assert_int_equal(stat(source, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0755);
    kst_auto_free char *private = kst_strndup(source, (size_t)(strrchr(source, '/') - source));
    assert_int_equal(stat(private, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    kst_images_free(images);
    images = NULL;
    assert_int_equal(access(private, F_OK), -1); /* gone with the images */
}

/* What a file adds wins over what is built in, and the last entry over the first. */
static void test_load(void **state)
{
    put_folder("v");
    static const char *const folders[] = {"v/9.6",     "v/15",     "v/16",
                                          "v/9.6/bin", "v/15/bin", "v/16/bin"};
    for (size_t i = 0; i < KST_ARRAY_LEN(folders); i++)
        put_folder(folders[i]);
    put("v/9.6/bin/server", "", 0755);
    put("v/15/bin/server", "", 0755);
    put("v/16/bin/server", "", 0755);
    put("entry.sh", "#!/bin/sh\n", 0755);
    kst_auto_free char *text = kst_asprintf(
        "{\"images\":[{\"match\":\"^db\",\"cmd\":[\"never\"]},"
        "{\"match\":\"^(db|busybox)\",\"name\":\"ours\",\"entrypoint\":[\"/e\",\"a b\"],"
        "\"env\":[\"A=1\",\"PATH=/bin\",\"B=\"],\"path\":[\"%s/v/*/bin\",\"%s/none/*\"],"
        "\"files\":{\"/e\":\"entry.sh\",\"/h\":\"/etc/hosts\"},\"working_dir\":\"/srv\","
        "\"requires\":[\"server\",\"sh\"],\"user\":7,\"volumes\":[\"/v\"]}]}",
        folder, folder);
    const struct kst_image *image;
    assert_int_equal(kst_images_find(images, "busybox", &image, NULL), 0);
    assert_string_not_equal(image->name, "ours");
    struct kst_err *error = NULL;
    if (load(text, &error) < 0)
        fail_msg("%s", kst_err_message(error));
    static const struct {
        const char *image, *version;
    } table[] = {{"db", "16"},        {"db:15", "15"},  {"db:15.3-alpine", "15"},
                 {"db:9.6", "9.6"},   {"db:9", "16"},   {"busybox", "16"},
                 {"db:latest", "16"}, {"db:150", "16"}, {"db/a:15/b", "16"}};
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        if (kst_images_find(images, table[i].image, &image, &error) < 0)
            fail_msg("%s", kst_err_message(error));
        kst_auto_free char *path = kst_asprintf("PATH=%s/v/%s/bin:/bin A=1 B=", folder,
                                                table[i].version);
        kst_auto_free char *env = join(image->env), *command = join(image->entrypoint);
        assert_string_equal(env, path);
        assert_string_equal(command, "/e a b");
    }
    assert_string_equal(image->name, "ours");
    assert_string_equal(image->working_dir, "/srv");
    assert_int_equal(image->user, 7);
    assert_int_equal(image->nfiles, 2);
    kst_auto_free char *entry = kst_asprintf("%s/entry.sh", folder);
    assert_string_equal(image->files[0].source, entry);
    assert_string_equal(image->files[1].source, "/etc/hosts");
    assert_int_equal(kst_images_find(images, "nginx", &image, &error), KST_E_NOT_FOUND);
    assert_non_null(strstr(kst_err_message(error), "are: ^db, ours, busybox"));
    kst_err_clear(&error);
}

static void test_missing(void **state)
{
    static const struct {
        const char *text, *message, *hint;
    } table[] = {
        {"{\"images\":[{\"match\":\"^x$\",\"cmd\":[\"a\"],\"requires\":[\"sh\",\"no-such-one\"],"
         "\"package\":\"nosuch\"}]}",
         "image \"x\" stands for programs of this machine, and \"no-such-one\" is not installed: "
         "install nosuch",
         "On Debian: apt-get install nosuch"},
        {"{\"images\":[{\"match\":\"^x$\",\"cmd\":[\"a\"],\"requires\":[\"no-such-one\"]}]}",
         "image \"x\" stands for programs of this machine, and \"no-such-one\" is not installed",
         NULL},
        {"{\"images\":[{\"match\":\"^x$\",\"cmd\":[\"a\"],\"files\":{\"/a\":\"/no/such\"}}]}",
         "the file /a of image \"x\": /no/such: No such file or directory", NULL},
        {"{\"images\":[{\"match\":\"^x$\",\"cmd\":[\"a\"],"
         "\"files\":{\"/a\":\"builtin:program\"}}]}",
         NULL, NULL},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        const struct kst_image *image;
        kst_auto_err struct kst_err *error = NULL;
        assert_int_equal(load(table[i].text, NULL), 0);
        assert_int_equal(kst_images_find(images, "x", &image, &error), KST_E_NOT_FOUND);
        if (table[i].message)
            assert_string_equal(kst_err_message(error), table[i].message);
        if (table[i].hint)
            assert_string_equal(kst_err_get_hint(error), table[i].hint);
        else
            assert_null(kst_err_get_hint(error));
    }
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *text, *message;
    } table[] = {
        {"", "line 1, column 1"},
        {"{\"images\":[", "line 1, column 12"},
        {"[]", "an object with nothing but a list \"images\" was expected"},
        {"{}", "an object with nothing but"},
        {"{\"images\":{}}", "an object with nothing but"},
        {"{\"images\":[],\"x\":1}", "an object with nothing but"},
        {"{\"images\":[1]}", "images[0] must be an object"},
        {"{\"images\":[{}]}", "images[0] has no \"match\""},
        {"{\"images\":[{\"match\":\"a\"}]}", "images[0] has neither \"entrypoint\" nor \"cmd\""},
        {"{\"images\":[{\"match\":\"a\",\"cmd\":[]}]}", "images[0] has neither"},
        {"{\"images\":[{\"match\":\"a\",\"cmd\":[\"x\"]},{\"match\":\"(\",\"cmd\":[\"x\"]}]}",
         "images[1].match: regular expression '('"},
        {"{\"images\":[{\"match\":1}]}", "images[0].match must be a string"},
        {"{\"images\":[{\"cmd\":\"x\"}]}", "images[0].cmd must be a list of strings"},
        {"{\"images\":[{\"cmd\":[1]}]}", "images[0].cmd must be a list of strings"},
        {"{\"images\":[{\"files\":[]}]}", "images[0].files must be an object whose values are"},
        {"{\"images\":[{\"files\":{\"a\":\"b\"}}]}", "images[0].files: the path \"a\" is not abs"},
        {"{\"images\":[{\"user\":-1}]}", "images[0].user must be a whole number"},
        /* It would be taken for root. */
        {"{\"images\":[{\"user\":4294967296}]}", "images[0].user must be a whole number"},
        {"{\"images\":[{\"env\":[\"A\"]}]}", "images[0].env: \"A\" is not NAME=VALUE"},
        {"{\"images\":[{\"env\":[\"=A\"]}]}", "images[0].env: \"=A\" is not NAME=VALUE"},
        {"{\"images\":[{\"volumes\":[\"a\"]}]}", "images[0].volumes: the path \"a\" is not abs"},
        {"{\"images\":[{\"path\":[\"a\"]}]}", "images[0].path: the path \"a\" is not absolute"},
        {"{\"images\":[{\"entrypiont\":[\"a\"]}]}", "images[0].entrypiont is not known"},
    };
    kst_auto_free char *path = kst_asprintf("%s/images.json: ", folder);
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        kst_auto_err struct kst_err *error = NULL;
        assert_int_equal(load(table[i].text, &error), KST_E_USAGE);
        assert_memory_equal(kst_err_message(error), path, strlen(path));
        if (!strstr(kst_err_message(error), table[i].message))
            fail_msg("%s\nnot in: %s", table[i].message, kst_err_message(error));
        if (strstr(table[i].text, "entrypiont"))
            assert_string_equal(kst_err_get_hint(error), "Did you mean \"entrypoint\"?");
    }
    const struct kst_image *image;
    assert_int_equal(kst_images_load(images, "/no/such", NULL), KST_E_NOT_FOUND);
    assert_int_equal(kst_images_load(images, "/etc", NULL), KST_E_IO);
    assert_int_equal(kst_images_find(images, "busybox", &image, NULL), 0); /* as before */
}

/* A real PostgreSQL: its data outlive it on their volume. */
struct database {
    struct kst_loop *loop;
    char *volume;
};

static struct kst_container *start(const struct database *self, const struct kst_image *image,
                                   struct kst_err **err)
{
    const char *command[16] = {NULL};
    size_t count = 0;
    for (const char *const *part = image->entrypoint; *part; part++)
        command[count++] = *part;
    for (const char *const *part = image->cmd; *part; part++)
        command[count++] = *part;
    const struct kst_container_mount mounts[] = {
        {self->volume, "/var/lib/postgresql/data", NULL, false},
        {image->files[0].source, image->files[0].path, NULL, true}};
    kst_auto_free char *log = kst_asprintf("%s/log.%u", folder, geteuid());
    const struct kst_container_spec spec = {.name = "postgres",
                                            .command = command,
                                            .env = image->env,
                                            .mounts = mounts,
                                            .nmounts = KST_ARRAY_LEN(mounts),
                                            .run_as_user = -1,
                                            .run_as_group = -1,
                                            .hostname = "db-0",
                                            .log_path = log,
                                            .stop_signal = image->stop_signal};
    struct kst_container *container = NULL;
    kst_container_start(self->loop, &spec, &container, err);
    return container;
}

/* Asks the database; its answer, or NULL. */
static char *ask(struct kst_container *container, const char *query)
{
    const char *const command[] = {"psql", "-XqAt", "-U", "postgres", "-c", query, NULL};
    const struct kst_container_exec request = {.command = command, .out = true};
    struct kst_container_process *process;
    kst_auto_err struct kst_err *error = NULL;
    if (kst_container_exec_start(container, &request, &process, &error) < 0)
        fail_msg("psql: %s", kst_err_message(error));
    int code, fd = kst_container_process_fd(process, 1);
    char text[1024];
    assert_int_equal(kst_container_process_wait(process, &code, NULL), 0);
    ssize_t len = read(fd, text, sizeof(text));
    close(fd);
    kst_container_process_free(process);
    return code == 0 && len >= 0 ? kst_strndup(text, (size_t)len) : NULL;
}

static void await_ready(struct kst_container *container)
{
    for (;;) {
        kst_auto_free char *answer = ask(container, "SELECT 1");
        if (answer)
            return;
        if (!kst_container_running(container, NULL)) {
            kst_auto_free char *path = kst_asprintf("%s/log.%u", folder, geteuid());
            kst_auto_buf log = KST_BUF_INIT(1u << 20);
            kst_buf_read_file(&log, path, NULL);
            fail_msg("PostgreSQL ended: %s", log.data);
        }
        kst_sleep_ms(50, NULL);
    }
}

static int database_body(void *arg, struct kst_err **err)
{
    struct database *self = arg;
    const struct kst_image *image;
    kst_auto_err struct kst_err *error = NULL;
    if (kst_images_find(images, "kassette.test/postgres:15", &image, &error) < 0)
        fail_msg("%s", kst_err_message(error));
    int64_t begin = kst_now_ms();
    struct kst_container *container = start(self, image, &error);
    if (!container && kst_err_code(error) == KST_E_REFUSED) {
        print_message("no volumes here: %s\n", kst_err_message(error));
        return 0; /* test_container knows what is said then */
    }
    if (!container)
        fail_msg("%s", kst_err_message(error));
    await_ready(container);
    print_message("PostgreSQL is ready after %d ms\n", (int)(kst_now_ms() - begin));
    kst_auto_free char *made = ask(container, "CREATE TABLE t (x text); INSERT INTO t VALUES "
                                              "('a row') RETURNING x");
    assert_string_equal(made, "a row\n");
    int code;
    begin = kst_now_ms();
    assert_int_equal(kst_container_stop(container, 30000, NULL), 0);
    assert_int_equal(kst_container_wait(container, &code, NULL, NULL), 0);
    assert_int_equal(code, 0); /* a fast shutdown by SIGINT */
    print_message("it stops in %d ms\n", (int)(kst_now_ms() - begin));
    kst_container_free(container);

    begin = kst_now_ms();
    container = start(self, image, &error);
    assert_non_null(container);
    await_ready(container);
    print_message("it is ready again after %d ms\n", (int)(kst_now_ms() - begin));
    kst_auto_free char *row = ask(container, "SELECT x FROM t");
    assert_string_equal(row, "a row\n");
    kst_auto_free char *mounted = ask(container, "SHOW data_directory");
    assert_string_equal(mounted, "/var/lib/postgresql/data\n");
    kst_container_free(container); /* killed */
    return 0;
}

static void test_database(void **state)
{
    struct database self = {.volume = kst_asprintf("%s/data.%u", folder, geteuid())};
    assert_int_equal(mkdir(self.volume, 0777), 0);
    assert_int_equal(kst_loop_new(&self.loop, NULL), 0);
    assert_int_equal(kst_loop_run(self.loop, "database", database_body, &self, NULL), 0);
    kst_loop_free(self.loop);
    free(self.volume);
}

/* The same as an ordinary user. */
static void test_database_of_user(void **state)
{
    enum { NOBODY = 65534 };
    assert_int_equal(chmod(folder, 01777), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
                               setresuid(NOBODY, NOBODY, NOBODY) < 0))
            _exit(1);
        prctl(PR_SET_DUMPABLE, 1);
        const struct CMUnitTest one[] = {
            cmocka_unit_test_setup_teardown(test_database, set_up, tear_down)};
        _exit(cmocka_run_group_tests_name("as an ordinary user", one, NULL, NULL));
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_built_in),       TEST(test_unknown),
        TEST(test_postgres_files), TEST(test_load),
        TEST(test_missing),        TEST(test_mistakes),
        TEST(test_database),       cmocka_unit_test(test_database_of_user),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
