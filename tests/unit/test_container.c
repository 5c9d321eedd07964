/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "sandbox/node/container.h"

/* All of this runs three times: as whoever started it, as an ordinary user, and where the machine
 * refuses namespaces. */
static struct kst_loop *loop;
static char folder[] = "/tmp/test_container.XXXXXX";
static bool namespaces; /* whether this machine allows them */

/* Paths under the test's own folder, freed at the end. */
static char *paths[64];
static size_t npaths;

static const char *at(const char *name)
{
    assert_true(npaths < KST_ARRAY_LEN(paths));
    return paths[npaths++] = kst_asprintf("%s/%s", folder, name);
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static char *get(const char *path)
{
    kst_auto_buf text = KST_BUF_INIT(1u << 24);
    kst_buf_read_file(&text, path, NULL);
    return kst_buf_take(&text);
}

static int set_up(void **state)
{
    assert_non_null(mkdtemp(folder));
    chmod(folder, 0755);
    assert_int_equal(kst_loop_new(&loop, NULL), 0);
    struct kst_container_group *group;
    assert_int_equal(kst_container_group_new(loop, NULL, false, &group, NULL), 0);
    namespaces = !kst_container_group_refused(group);
    if (!namespaces)
        print_message("no namespaces here: %s\n", kst_container_group_refused(group));
    kst_container_group_free(group);
    return 0;
}

static int tear_down(void **state)
{
    kst_loop_free(loop);
    kst_auto_free char *command = kst_asprintf("rm -rf %s", folder);
    assert_int_equal(system(command), 0);
    while (npaths > 0)
        free(paths[--npaths]);
    return 0;
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    DIR *entries = opendir("/proc/self/fd");
    while (readdir(entries))
        count++;
    closedir(entries);
    return count;
}

/* Whether a process of this machine has this among its arguments. */
static bool somebody_runs(const char *argument)
{
    bool found = false;
    DIR *entries = opendir("/proc");
    struct dirent *entry;
    while ((entry = readdir(entries))) {
        char path[300], text[4096];
        snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof(text));
        if (fd >= 0)
            close(fd);
        found |= len > 0 && memmem(text, (size_t)len, argument, strlen(argument));
    }
    closedir(entries);
    return found;
}

/* Shell scripts in a container: what it says in its log, without times, and its exit code. */
struct shell {
    struct kst_container_spec spec;
    int rc, code;
    struct kst_err *error;
    char *log; /* "stdout F text" and so on */
};

static char *without_times(const char *path)
{
    kst_auto_free char *text = get(path);
    kst_auto_buf out = KST_BUF_INIT(1u << 24);
    struct kst_str rest = kst_str_of(text), line;
    while (kst_str_split(&rest, '\n', &line)) {
        if (line.len == 0)
            continue;
        assert_true(line.len > 31 && line.data[10] == 'T' && line.data[29] == 'Z');
        kst_buf_add(&out, line.data + 31, line.len - 31);
        kst_buf_addc(&out, '\n');
    }
    return kst_buf_take(&out);
}

static int run_shell(void *arg, struct kst_err **err)
{
    struct shell *self = arg;
    struct kst_container *container;
    self->rc = kst_container_start(loop, &self->spec, &container, &self->error);
    if (self->rc < 0)
        return 0;
    self->rc = kst_container_wait(container, &self->code, NULL, &self->error);
    assert_false(kst_container_running(container, NULL));
    kst_container_free(container);
    return 0;
}

static struct kst_container_spec spec_of(const char *const *command)
{
    static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "GREETING=hello", NULL};
    return (struct kst_container_spec){
        .name = "test", .command = command, .env = env, .run_as_user = -1, .run_as_group = -1};
}

static void shell(struct shell *self, const char *script)
{
    static unsigned count;
    const char *const command[] = {"sh", "-c", script, "sh", NULL};
    struct kst_container_spec spec = spec_of(command);
    kst_auto_free char *log = kst_asprintf("%s/log.%u", folder, count++);
    self->spec.name = spec.name;
    self->spec.command = self->spec.command ? self->spec.command : command;
    self->spec.env = self->spec.env ? self->spec.env : spec.env;
    self->spec.run_as_user = self->spec.run_as_user ? self->spec.run_as_user : -1;
    self->spec.run_as_group = self->spec.run_as_group ? self->spec.run_as_group : -1;
    self->spec.log_path = log;
    assert_int_equal(kst_loop_run(loop, "shell", run_shell, self, NULL), 0);
    self->log = without_times(log);
}

static void release(struct shell *self)
{
    kst_err_free(self->error);
    free(self->log);
}

static void expect_shell(const char *script, const char *log, int code)
{
    struct shell self = {0};
    shell(&self, script);
    if (self.rc < 0)
        fail_msg("%s: %s", script, kst_err_message(self.error));
    assert_string_equal(self.log, log);
    assert_int_equal(self.code, code);
    release(&self);
}

static void test_scripts(void **state)
{
    static const struct {
        const char *script, *log;
        int code;
    } table[] = {
        {"echo out", "stdout F out\n", 0},
        {"echo >&2 err; exit 255", "stderr F err\n", 255},
        {"printf 'a\\n\\nb'; exit 3", "stdout F a\nstdout F \nstdout P b\n", 3},
        {"echo $GREETING $HOME", "stdout F hello /root\n", 0},
        {"cat; echo end", "stdout F end\n", 0},
        {"pwd; umask", "stdout F /\nstdout F 0022\n", 0},
        {"exec 2>/dev/null; sh -c 'kill -9 $$'; echo $?", "stdout F 137\n", 0},
        {"ls /proc/self/fd | wc -l", "stdout F 4\n", 0},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        if (geteuid() != 0 && strstr(table[i].script, "HOME"))
            continue;
        expect_shell(table[i].script, table[i].log, table[i].code);
    }
}

/* What only namespaces give. */
static void test_isolation(void **state)
{
    static const struct {
        const char *script, *log;
        int code;
    } table[] = {
        {"echo $$; test $(ls /proc | grep -c '^[0-9]*$') -lt 5 && echo few",
         "stdout F 1\nstdout F few\n", 0},
        {"ls -A /tmp /run /var/tmp /dev/shm | xargs",
         "stdout F /dev/shm: /run: lock /tmp: /var/tmp:\n", 0},
        {"touch /etc/x /usr/x 2>/dev/null || echo read-only", "stdout F read-only\n", 0},
        {"echo yes >/tmp/a && echo yes >/run/a && echo yes >/a && cat /tmp/a /var/run/a /a | xargs",
         "stdout F yes yes yes\n", 0},
        {"echo null >/dev/null; head -c 3 /dev/zero | wc -c; echo hi >/dev/stdout",
         "stdout F 3\nstdout F hi\n", 0},
        {"kill -TERM $$; echo ignored", "stdout F ignored\n", 0}, /* as PID 1 is */
        {"grep -c . /proc/net/dev; cat /sys/class/net/none 2>/dev/null", "stdout F 3\n", 1},
    };
    if (!namespaces)
        return;
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++)
        expect_shell(table[i].script, table[i].log, table[i].code);
}

static void test_errors(void **state)
{
    static const struct {
        const char *program;
        int code;
        const char *message;
    } table[] = {
        {"nope", KST_E_NOT_FOUND, "exec: \"nope\": executable file not found in $PATH"},
        {"", KST_E_NOT_FOUND, "exec: \"\": executable file not found in $PATH"},
        {"/no/pe", KST_E_NOT_FOUND, "exec: \"/no/pe\": stat /no/pe: no such file or directory"},
        {"/etc/passwd", KST_E_NOT_FOUND, "exec: \"/etc/passwd\": permission denied"},
        {"/etc", KST_E_NOT_FOUND, "exec: \"/etc\": permission denied"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        const char *const command[] = {table[i].program, NULL};
        struct shell self = {.spec = {.command = command}};
        shell(&self, "");
        assert_int_equal(self.rc, table[i].code);
        assert_string_equal(kst_err_message(self.error), table[i].message);
        assert_string_equal(self.log, "");
        release(&self);
    }
    static const struct {
        struct kst_container_spec spec;
        int code;
        const char *message;
    } specs[] = {
        {{.stop_signal = "SIGNOPE"}, KST_E_INVALID, "container test: \"SIGNOPE\" is no signal"},
        {{.working_dir = "x"},
         KST_E_INVALID,
         "container test: the working directory \"x\" is not absolute"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(specs); i++) {
        struct shell self = {.spec = specs[i].spec};
        shell(&self, "true");
        assert_int_equal(self.rc, specs[i].code);
        assert_string_equal(kst_err_message(self.error), specs[i].message);
        release(&self);
    }
}

/* Volumes at paths that the host has, lacks, or has as a file; in each other; and from links. */
static void test_mounts(void **state)
{
    if (!namespaces)
        return;
    const char *volume = at("volume"), *file = at("file"), *link = at("link");
    mkdir(volume, 0755);
    put(at("volume/row"), "one\n");
    put(file, "#!/bin/sh\necho entered $1\n");
    chmod(file, 0755);
    assert_int_equal(symlink(volume, link), 0);
    const struct {
        struct kst_container_mount mounts[3];
        size_t count;
        const char *script, *log;
    } table[] = {
        {{{volume, "/data", NULL, false}}, 1, "cat /data/row", "stdout F one\n"},
        {{{link, "/v0/a/b/", NULL, false}},
         1,
         "cat /v0/a/b/row; ls /v0",
         "stdout F one\nstdout F a\n"},
        {{{volume, "/var/lib/postgresql/data", NULL, false}},
         1,
         "cat /var/lib/postgresql/data/row; test -d /var/lib/dpkg && mountpoint -q "
         "/var/lib/postgresql/data && echo yes; cat /var/lib/dpkg/status | head -c 8",
         "stdout F one\nstdout F yes\nstdout P Package:\n"},
        {{{volume, "/etc/config", NULL, true}},
         1,
         "cat /etc/config/row; touch /etc/config/x 2>/dev/null || echo no; head -c 5 /etc/passwd",
         "stdout F one\nstdout F no\nstdout P root:\n"},
        {{{file, "/entrypoint", NULL, true}}, 1, "/entrypoint x", "stdout F entered x\n"},
        {{{file, "/usr/bin/env", NULL, true}}, 1, "env x", "stdout F entered x\n"},
        {{{volume, "/var/run/secrets/token", NULL, true}},
         1,
         "cat /run/secrets/token/row",
         "stdout F one\n"},
        {{{volume, "/data/inner", NULL, false}, {NULL, "/data", NULL, false}},
         2,
         "cat /data/inner/row; ls /data; touch /data/x && ls /data | xargs",
         "stdout F one\nstdout F inner\nstdout F inner x\n"},
        {{{volume, "/a", "deep/er", false},
          {volume, "/b", NULL, false},
          {volume, "/c", "row", true}},
         3,
         "echo two >/a/row; cat /b/deep/er/row /c",
         "stdout F two\nstdout F one\n"},
        {{{volume, "/dev/shm", NULL, false}}, 1, "cat /dev/shm/row", "stdout F one\n"},
        {{{volume, "/tmp", NULL, false}}, 1, "cat /tmp/row", "stdout F one\n"},
        {{{volume, "/lib/extra", NULL, false}}, 1, "cat /usr/lib/extra/row", "stdout F one\n"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        struct shell self = {.spec = {.mounts = table[i].mounts, .nmounts = table[i].count}};
        shell(&self, table[i].script);
        if (self.rc < 0)
            fail_msg("%s: %s", table[i].script, kst_err_message(self.error));
        assert_string_equal(self.log, table[i].log);
        release(&self);
    }
}

static void test_bad_mounts(void **state)
{
    if (!namespaces)
        return;
    const char *volume = at("volume2"), *out = at("volume2/out"), *missing = at("missing");
    mkdir(volume, 0755);
    assert_int_equal(symlink("/etc", out), 0);
    const struct {
        struct kst_container_mount mount;
        int code;
        const char *part;
    } table[] = {
        {{volume, "data", NULL, false}, KST_E_INVALID, "the path must be absolute"},
        {{volume, "/", NULL, false}, KST_E_INVALID, "and not \"/\""},
        {{volume, "/a/../b", NULL, false}, KST_E_INVALID, "without \"..\""},
        {{volume, "", NULL, false}, KST_E_INVALID, "cannot be mounted at \"\""},
        {{missing, "/data", NULL, false}, KST_E_IO, "missing: No such file or directory"},
        {{volume, "/data", "../x", false}, KST_E_INVALID, "the sub-path \"../x\" for /data"},
        {{volume, "/data", "/x", false}, KST_E_INVALID, "is not relative"},
        {{volume, "/data", "out", false}, KST_E_INVALID, "leads out of its volume"},
        {{volume, "/data", "out/new", false}, KST_E_IO, "make the sub-path out/new"},
        {{volume, "/etc/passwd", NULL, false}, KST_E_IO, "/etc/passwd: Not a directory"},
        {{volume, "/etc/passwd/x", NULL, false}, KST_E_IO, "/etc/passwd/x: Not a directory"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        struct shell self = {.spec = {.mounts = &table[i].mount, .nmounts = 1}};
        shell(&self, "true");
        if (self.rc != table[i].code || !strstr(kst_err_message(self.error), table[i].part))
            fail_msg("%s: %d %s", table[i].part, self.rc, kst_err_message(self.error));
        assert_non_null(strstr(kst_err_message(self.error), "container test: "));
        release(&self);
    }
    assert_int_equal(access("/etc/new", F_OK), -1);
}

static void test_user_and_folder(void **state)
{
    const bool root = geteuid() == 0;
    struct shell self = {
        .spec = {.run_as_user = 12345, .run_as_group = 54321, .working_dir = "/srv/app//"}};
    if (!namespaces)
        return;
    shell(&self, "id -u; id -g; pwd; echo $HOME; echo hi >/dev/stdout");
    assert_int_equal(self.rc, 0);
    assert_string_equal(self.log, "stdout F 12345\nstdout F 54321\nstdout F /srv/app\nstdout F /\n"
                                  "stdout F hi\n");
    release(&self);
    if (root)
        expect_shell("setpriv --reuid=33 --regid=33 --clear-groups id -u", "stdout F 33\n", 0);
}

static void test_long_lines(void **state)
{
    struct shell self = {0};
    shell(&self, "head -c 40000 /dev/zero | tr '\\0' x; echo; head -c 16384 /dev/zero | tr '\\0' y;"
                 "echo");
    kst_auto_buf expected = KST_BUF_INIT(1u << 20);
    static const size_t lengths[] = {16384, 16384, 40000 - 2 * 16384, 16384};
    for (size_t i = 0; i < KST_ARRAY_LEN(lengths); i++) {
        kst_buf_addf(&expected, "stdout %c ", i < 2 ? 'P' : 'F');
        for (size_t j = 0; j < lengths[i]; j++)
            kst_buf_addc(&expected, i < 3 ? 'x' : 'y');
        kst_buf_addc(&expected, '\n');
    }
    assert_string_equal(self.log, expected.data);
    release(&self);
}

/* Fibers that a test runs; they assert by themselves. */
static struct kst_container *start(const char *script, const struct kst_container_spec *more)
{
    const char *const command[] = {"sh", "-c", script, NULL};
    struct kst_container_spec spec = spec_of(command);
    struct kst_container *container = NULL;
    struct kst_err *error = NULL;
    if (more) {
        spec.group = more->group;
        spec.hostname = more->hostname;
        spec.log_path = more->log_path;
        spec.stop_signal = more->stop_signal;
        spec.mounts = more->mounts;
        spec.nmounts = more->nmounts;
        if (more->command)
            spec.command = more->command;
        if (more->env)
            spec.env = more->env;
    }
    if (kst_container_start(loop, &spec, &container, &error) < 0)
        fail_msg("start: %s", kst_err_message(error));
    return container;
}

/* Runs a command in the container, with input; gives its output (both streams) and code. */
static int exec_in(struct kst_container *container, const char *script, const char *input,
                   struct kst_buf *output)
{
    const char *const command[] = {"sh", "-c", script, NULL};
    const struct kst_container_exec request = {
        .command = command, .in = input != NULL, .out = true, .errors = true};
    struct kst_container_process *process;
    struct kst_err *error = NULL;
    int code = -1;
    if (kst_container_exec_start(container, &request, &process, &error) < 0)
        fail_msg("exec: %s", kst_err_message(error));
    if (input) {
        int in = kst_container_process_fd(process, 0);
        assert_int_equal(write(in, input, strlen(input)), (ssize_t)strlen(input));
        close(in);
    } else {
        assert_int_equal(kst_container_process_fd(process, 0), -1);
    }
    for (int stream = 1; stream <= 2; stream++) {
        int fd = kst_container_process_fd(process, stream);
        char chunk[4096];
        ssize_t got;
        while ((got = read(fd, chunk, sizeof(chunk))) != 0) {
            if (got > 0)
                kst_buf_add(output, chunk, (size_t)got);
            else
                assert_true(kst_wait_fd(fd, POLLIN, KST_NEVER, NULL) > 0);
        }
        close(fd);
    }
    assert_int_equal(kst_container_process_wait(process, &code, NULL), 0);
    kst_container_process_free(process);
    return code;
}

static int exec_body(void *arg, struct kst_err **err)
{
    struct kst_container *container = start("echo marked >/tmp/mark; sleep 100; echo late", NULL);
    kst_auto_buf out = KST_BUF_INIT(1u << 20);
    while (exec_in(container, "cat /tmp/mark", NULL, &out) != 0)
        kst_buf_clear(&out);
    if (namespaces)
        assert_string_equal(out.data, "marked\n");
    kst_buf_clear(&out);
    assert_int_equal(exec_in(container, "cat; echo $GREETING >&2; exit 7", "in\n", &out), 7);
    assert_string_equal(out.data, "in\nhello\n");
    kst_buf_clear(&out);
    if (namespaces) {
        assert_int_equal(exec_in(container, "cat /proc/1/cmdline | tr '\\0' ' '", NULL, &out), 0);
        assert_non_null(strstr(out.data, "sh -c echo marked"));
    }
    const char *const nope[] = {"nope", NULL};
    struct kst_container_process *process;
    struct kst_err *error = NULL;
    const struct kst_container_exec bad = {.command = nope, .in = true, .out = true};
    assert_int_equal(kst_container_exec_start(container, &bad, &process, &error), KST_E_NOT_FOUND);
    assert_string_equal(kst_err_message(error),
                        "OCI runtime exec failed: exec failed: unable to start container process: "
                        "exec: \"nope\": executable file not found in $PATH: unknown");
    kst_err_clear(&error);
    kst_container_kill(container);
    int code;
    int64_t started, ended;
    assert_int_equal(kst_container_wait(container, &code, &ended, NULL), 0);
    assert_int_equal(code, 137);
    assert_false(kst_container_running(container, &started));
    assert_true(started <= ended);
    assert_int_equal(kst_container_exec_start(container, &bad, &process, &error), KST_E_CLOSED);
    kst_err_clear(&error);
    kst_container_free(container);
    return 0;
}

static off_t size_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? info.st_size : 0;
}

/* Whether the file grows, or (within a while) does not for some turns. */
static bool stands(const char *path)
{
    enum { TURN_MS = 20, TURNS = 5 };
    int64_t deadline_ms = kst_deadline_in_ms(10000);
    int same = 0;
    for (off_t size = -1; same < TURNS && kst_now_ms() < deadline_ms;) {
        same = size_of(path) == size ? same + 1 : 0;
        size = size_of(path);
        kst_sleep_ms(TURN_MS, NULL);
    }
    return same == TURNS;
}

static bool grows(const char *path)
{
    int64_t deadline_ms = kst_deadline_in_ms(10000);
    off_t size = size_of(path);
    while (size_of(path) == size && kst_now_ms() < deadline_ms)
        kst_sleep_ms(1, NULL);
    return size_of(path) > size;
}

static int hold_body(void *arg, struct kst_err **err)
{
    const struct kst_container_spec spec = {.log_path = at("held")};
    /* Its children are others at every moment. */
    const char script[] = "(while :; do echo x; sleep 0.002; done) & (while :; do echo y; "
                          "sleep 0.002; done) & wait";
    struct kst_container *container = start(script, &spec);
    int code;
    assert_true(grows(spec.log_path));
    kst_container_hold(container);
    kst_container_hold(container);
    assert_true(!namespaces || stands(spec.log_path));
    kst_container_go_on(container);
    assert_true(!namespaces || stands(spec.log_path));
    kst_container_go_on(container);
    assert_true(grows(spec.log_path));
    kst_container_hold(container);
    kst_container_kill(container);
    assert_int_equal(kst_container_wait(container, &code, NULL, NULL), 0);
    assert_int_equal(code, 137);
    kst_container_go_on(container);
    kst_container_free(container);
    return 0;
}

static void test_hold(void **state)
{
    assert_int_equal(kst_loop_run(loop, "hold", hold_body, NULL, NULL), 0);
}

static int terminal_body(void *arg, struct kst_err **err)
{
    struct kst_container *container = start("sleep 100", NULL);
    const char *const command[] = {"sh", "-c", "tty; read x; stty size; echo $x $TERM; exit 5",
                                   NULL};
    const struct kst_container_exec request = {.command = command, .tty = true};
    struct kst_container_process *process;
    assert_int_equal(kst_container_exec_start(container, &request, &process, NULL), 0);
    int in = kst_container_process_fd(process, 0), out = kst_container_process_fd(process, 1);
    assert_int_equal(kst_container_process_fd(process, 2), -1);
    struct winsize size = {.ws_row = 33, .ws_col = 77};
    assert_int_equal(ioctl(in, TIOCSWINSZ, &size), 0);
    assert_int_equal(write(in, "typed\n", 6), 6);
    kst_auto_buf text = KST_BUF_INIT(1u << 16);
    int code;
    assert_int_equal(kst_container_process_wait(process, &code, NULL), 0);
    assert_int_equal(code, 5);
    char chunk[4096];
    ssize_t got;
    while ((got = read(out, chunk, sizeof(chunk))) > 0)
        kst_buf_add(&text, chunk, (size_t)got);
    assert_non_null(strstr(text.data, "/dev/pts/"));
    assert_non_null(strstr(text.data, "33 77"));
    assert_non_null(strstr(text.data, "typed xterm"));
    close(in);
    close(out);
    kst_container_process_free(process);
    kst_container_free(container);
    return 0;
}

static void await_text(const char *path, const char *text)
{
    for (bool found = false; !found; kst_sleep_ms(5, NULL)) {
        kst_auto_free char *said = get(path);
        found = strstr(said, text);
    }
}

static int stop_body(void *arg, struct kst_err **err)
{
    const char *log = at("stop.log");
    struct kst_container_spec more = {.stop_signal = "SIGINT", .log_path = log};
    struct kst_container *container = start(
        "trap 'echo bye; exit 4' INT; echo ready; while :; do sleep 0.05; done", &more);
    await_text(log, "ready");
    int code;
    assert_int_equal(kst_container_stop(container, 10000, NULL), 0);
    assert_int_equal(kst_container_wait(container, &code, NULL, NULL), 0);
    assert_int_equal(code, 4);
    assert_int_equal(kst_container_stop(container, 10000, NULL), 0); /* once more: no harm */
    kst_container_free(container);
    kst_auto_free char *text = without_times(log);
    assert_string_equal(text, "stdout F ready\nstdout F bye\n");

    return 0;
}

/* One that does not listen, with children that left it and its session. */
static int stop_deaf_body(void *arg, struct kst_err **err)
{
    kst_auto_free char *near = kst_asprintf("1000.%d", (int)getpid());
    kst_auto_free char *far = kst_asprintf("2000.%d", (int)getpid());
    kst_auto_free char *script = kst_asprintf(
        "trap '' TERM; (setsid sleep %s &); echo >/dev/shm/%d;"
        "sleep %s",
        far, (int)getpid(), near);
    struct kst_container *container = start(script, NULL);
    kst_auto_buf out = KST_BUF_INIT(1u << 20);
    kst_auto_free char *ready = kst_asprintf(
        "while ! [ -e /dev/shm/%d ]; do sleep 0.01; done; rm /dev/shm/%d", (int)getpid(),
        (int)getpid());
    assert_int_equal(exec_in(container, ready, NULL, &out), 0);
    assert_true(somebody_runs(far));
    int64_t before = kst_now_ms();
    int code;
    assert_int_equal(kst_container_stop(container, 100, NULL), 0);
    assert_true(kst_now_ms() - before >= 90);
    assert_false(kst_container_running(container, NULL));
    assert_false(somebody_runs(near));
    assert_false(somebody_runs(far));
    assert_int_equal(kst_container_wait(container, &code, NULL, NULL), 0);
    assert_int_equal(code, 137);
    kst_container_free(container);
    return 0;
}

/* The engine is killed: nothing of its containers stays, whatever user they have become. */
static int forsaken_body(void *arg, struct kst_err **err)
{
    const char *const *marks = arg;
    kst_auto_free char *script = kst_asprintf(
        "(setsid sleep %s &); exec %s sleep %s", marks[0],
        geteuid() == 0 ? "setpriv --reuid=33 --regid=33 --clear-groups" : "", marks[1]);
    struct kst_container *container = start(script, NULL);
    const char *const command[] = {"sleep", marks[2], NULL};
    const struct kst_container_exec request = {.command = command};
    struct kst_container_process *process;
    assert_int_equal(kst_container_exec_start(container, &request, &process, NULL), 0);
    while (!somebody_runs(marks[0]) || !somebody_runs(marks[1]) || !somebody_runs(marks[2]))
        kst_sleep_ms(5, NULL);
    kill(getpid(), SIGKILL);
    return 0;
}

static void test_engine_killed(void **state)
{
    kst_auto_free char *first = kst_asprintf("3000.%d", (int)getpid());
    kst_auto_free char *second = kst_asprintf("4000.%d", (int)getpid());
    kst_auto_free char *third = kst_asprintf("5000.%d", (int)getpid());
    const char *marks[] = {first, second, third};
    pid_t engine = fork();
    if (engine == 0) {
        struct kst_loop *own;
        if (kst_loop_new(&own, NULL) == 0) {
            loop = own;
            kst_loop_run(own, "forsaken", forsaken_body, (void *)marks, NULL);
        }
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(engine, &status, 0), engine);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    int64_t deadline = kst_now_ms() + 5000;
    while (somebody_runs(first) || somebody_runs(second) || somebody_runs(third)) {
        if (kst_now_ms() > deadline)
            fail_msg("still there: %d %d %d", somebody_runs(first), somebody_runs(second),
                     somebody_runs(third));
        usleep(5000);
    }
}

/* A plain process can have no volumes, and says what to do. */
static void test_refused(void **state)
{
    const struct kst_container_mount mount = {NULL, "/data", NULL, false};
    struct shell self = {.spec = {.mounts = &mount, .nmounts = 1}};
    shell(&self, "mountpoint -q /data");
    if (namespaces) {
        assert_int_equal(self.rc, 0);
        assert_int_equal(self.code, 0);
    } else {
        assert_int_equal(self.rc, KST_E_REFUSED);
        assert_non_null(strstr(kst_err_message(self.error),
                               "container test: it has a volume at /data, and this machine allows "
                               "no mount namespaces (make namespaces: "));
        assert_non_null(strstr(kst_err_get_hint(self.error), "Run as root"));
    }
    release(&self);
}

/* A fiber that is cancelled while it waits for the grace does not wait for it. */
static int stop_slow(void *arg, struct kst_err **err)
{
    return kst_container_stop(arg, 60000, err);
}

static int cancel_body(void *arg, struct kst_err **err)
{
    const char *log = at("cancel.log");
    const struct kst_container_spec more = {.log_path = log};
    struct kst_container *container = start("trap '' TERM; echo ready; sleep 100", &more);
    await_text(log, "ready");
    struct kst_fiber *fiber = kst_fiber_spawn(loop, "stop", stop_slow, container);
    kst_sleep_ms(50, NULL);
    assert_false(kst_fiber_ended(fiber));
    kst_fiber_cancel(fiber);
    kst_fiber_join(fiber, NULL);
    assert_false(kst_container_running(container, NULL));
    kst_container_free(container);
    return 0;
}

/* Containers of one Pod: network, hostname and /dev/shm are common, processes and files are not. */
static int group_body(void *arg, struct kst_err **err)
{
    if (!namespaces)
        return 0;
    struct kst_container_group *group;
    assert_int_equal(kst_container_group_new(loop, "db-0", false, &group, NULL), 0);
    struct kst_container_spec more = {.group = group};
    struct kst_container *server = start("echo one >/dev/shm/x; echo one >/tmp/x; "
                                         "exec python3 -c 'import socket\n"
                                         "s = socket.create_server((\"127.0.0.1\", 8080))\n"
                                         "while True:\n"
                                         " c, _ = s.accept(); c.sendall(b\"served\"); c.close()'",
                                         &more);
    struct kst_container *other = start("sleep 100", &more);
    kst_auto_buf out = KST_BUF_INIT(1u << 20);
    int fd = -1;
    struct sockaddr_in where = {
        .sin_family = AF_INET, .sin_port = htons(8080), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (;;) { /* until it listens */
        assert_int_equal(kst_container_group_socket(group, AF_INET, &fd, NULL), 0);
        if (connect(fd, (struct sockaddr *)&where, sizeof(where)) == 0)
            break;
        if (errno == EINPROGRESS && kst_wait_fd(fd, POLLOUT, KST_NEVER, NULL) > 0 &&
            connect(fd, (struct sockaddr *)&where, sizeof(where)) == 0)
            break;
        close(fd);
        kst_sleep_ms(20, NULL);
    }
    char chunk[16] = "";
    kst_wait_fd(fd, POLLIN, KST_NEVER, NULL);
    assert_int_equal(read(fd, chunk, sizeof(chunk) - 1), 6);
    assert_string_equal(chunk, "served");
    close(fd);
    assert_int_equal(
        exec_in(other,
                "cat /dev/shm/x; hostname; echo $HOSTNAME; ls /tmp; python3 -c 'import "
                "socket; print(socket.create_connection((\"127.0.0.1\", "
                "8080)).recv(9).decode())'; grep -c python3 /proc/[0-9]*/comm | grep -c :1 || true",
                NULL, &out),
        0);
    assert_string_equal(out.data, "one\ndb-0\ndb-0\nserved\n0\n");
    kst_container_free(server);
    kst_buf_clear(&out);
    assert_int_equal(exec_in(other, "cat /dev/shm/x", NULL, &out), 0); /* the rest goes on */
    kst_container_free(other);
    kst_container_group_free(group);
    return 0;
}

/* Many at once leave neither descriptors nor zombies. */
static int burst_body(void *arg, struct kst_err **err)
{
    enum { COUNT = 50 };
    struct kst_container *containers[COUNT];
    struct kst_container_process *processes[COUNT];
    struct kst_container_group *group;
    const char *const command[] = {"true", NULL};
    const struct kst_container_exec request = {.command = command};
    assert_int_equal(kst_container_group_new(loop, "burst", false, &group, NULL), 0);
    struct kst_container_spec more = {.group = group};
    int64_t before = kst_now_ms();
    for (int i = 0; i < COUNT; i++)
        containers[i] = start(i % 2 ? "exit 3" : "sleep 100", &more);
    int64_t started = kst_now_ms();
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(kst_container_exec_start(containers[0], &request, &processes[i], NULL), 0);
    print_message("%d starts: %d ms, %d execs: %d ms\n", COUNT, (int)(started - before), COUNT,
                  (int)(kst_now_ms() - started));
    for (int i = 0; i < COUNT; i++) {
        int code = -1;
        if (i % 3 == 0) /* others are ended by the end of their container */
            assert_int_equal(kst_container_process_wait(processes[i], &code, NULL), 0);
        if (i % 3 != 2)
            kst_container_process_free(processes[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        int code = -1;
        if (i % 2) {
            assert_int_equal(kst_container_wait(containers[i], &code, NULL, NULL), 0);
            assert_int_equal(code, 3);
        }
        kst_container_free(containers[i]);
    }
    for (int i = 2; i < COUNT; i += 3)
        kst_container_process_free(processes[i]);
    kst_container_group_free(group);
    return 0;
}

static void body(int (*fn)(void *arg, struct kst_err **err))
{
    size_t descriptors = open_descriptors();
    kst_auto_free char *mounts = get("/proc/self/mounts");
    assert_int_equal(kst_loop_run(loop, "test", fn, NULL, NULL), 0);
    assert_int_equal(open_descriptors(), descriptors);
    kst_auto_free char *after = get("/proc/self/mounts");
    assert_string_equal(after, mounts);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void test_exec(void **state)
{
    body(exec_body);
}

static void test_terminal(void **state)
{
    body(terminal_body);
}

static void test_stop(void **state)
{
    body(stop_body);
}

static void test_stop_deaf(void **state)
{
    body(stop_deaf_body);
}

static void test_cancelled_stop(void **state)
{
    body(cancel_body);
}

static void test_group(void **state)
{
    body(group_body);
}

static void test_burst(void **state)
{
    body(burst_body);
}

static int run_all(const char *name)
{
    const struct CMUnitTest container[] = {
        cmocka_unit_test(test_scripts),        cmocka_unit_test(test_isolation),
        cmocka_unit_test(test_errors),         cmocka_unit_test(test_mounts),
        cmocka_unit_test(test_bad_mounts),     cmocka_unit_test(test_user_and_folder),
        cmocka_unit_test(test_long_lines),     cmocka_unit_test(test_exec),
        cmocka_unit_test(test_terminal),       cmocka_unit_test(test_stop),
        cmocka_unit_test(test_stop_deaf),      cmocka_unit_test(test_engine_killed),
        cmocka_unit_test(test_cancelled_stop), cmocka_unit_test(test_group),
        cmocka_unit_test(test_burst),          cmocka_unit_test(test_refused),
        cmocka_unit_test(test_hold),
    };
    print_message("%s:\n", name);
    return cmocka_run_group_tests(container, set_up, tear_down);
}

static void write_to(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        print_message("%s: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
}

static void become_nobody(void)
{
    enum { NOBODY = 65534 };
    if (geteuid() != 0)
        return;
    assert_int_equal(setgroups(0, NULL), 0);
    assert_int_equal(setresgid(NOBODY, NOBODY, NOBODY), 0);
    assert_int_equal(setresuid(NOBODY, NOBODY, NOBODY), 0);
    prctl(PR_SET_DUMPABLE, 1); /* as a program has that was started by that user */
}

/* Root without the right to make namespaces, as in a container of a CI. */
static void lose_namespaces(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    kst_auto_free char *uids = kst_asprintf("0 %u 1\n", geteuid());
    kst_auto_free char *gids = kst_asprintf("0 %u 1\n", getegid());
    if (geteuid() != 0 && unshare(CLONE_NEWUSER) == 0) {
        write_to("/proc/self/setgroups", "deny");
        write_to("/proc/self/uid_map", uids);
        write_to("/proc/self/gid_map", gids);
    }
    assert_int_equal(syscall(SYS_capget, &header, data), 0);
    data[0].effective &= ~(1u << CAP_SYS_ADMIN);
    data[0].permitted &= ~(1u << CAP_SYS_ADMIN);
    assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*become)(void);
    } table[] = {{"as it was started", NULL},
                 {"as an ordinary user", become_nobody},
                 {"where namespaces are refused", lose_namespaces}};
    int failed = 0;
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            if (table[i].become)
                table[i].become();
            exit(run_all(table[i].name));
        }
        int status = 0;
        failed += waitpid(pid, &status, 0) != pid || status != 0;
    }
    return failed;
}
