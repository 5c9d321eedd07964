/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/git_peers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

/* What blueprints.git holds, and what is wrong with some of it. */
static const char make_repositories[] =
    "mkdir -p repos work && git init -q --bare repos/blueprints.git\n"
    "git init -q --bare repos/empty.git\n"
    "cd work && git init -q && mkdir -p postgresql mariadb lib .hidden sub/redis deep/a\n"
    "echo 'return { name = \"postgresql\" }' > postgresql/blueprint.lua\n"
    "git add -A && git commit -qm first && git tag v0\n"
    "echo 'return { name = \"mariadb\" }' > mariadb/blueprint.lua\n"
    "echo 'return {}' > lib/util.lua; echo 'return 1' > .hidden/blueprint.lua\n"
    "echo 'return 2' > sub/redis/blueprint.lua; echo text > README.md\n"
    "ln -s ../README.md sub/up.lua; ln -s postgresql alias; ln -s /etc/passwd absolute\n"
    "ln -s ../../../etc deep/out; ln -s ../lib/util.lua deep/in.lua; ln -s b.lua a.lua\n"
    "ln -s a.lua b.lua; ln -s ../../lib/util.lua deep/a/x.lua; ln -s missing.lua dangling.lua\n"
    "ln -s . self; ln -s ../.. mariadb/escape\n"
    "head -c 3000 /dev/zero | tr '\\0' x > large.lua\n"
    "git add -A\n"
    "git update-index --add --cacheinfo 160000,0123456789012345678901234567890123456789,module\n"
    "git commit -qm second && git tag -a -m 'version 1' v1\n"
    "git branch -q maintenance && git branch -q feature/x HEAD~1 && git branch -q deadbeef\n"
    "git tag -a -m 'a blob' blob HEAD:README.md\n"
    "git push -q ../repos/blueprints.git --all && git push -q ../repos/blueprints.git --tags\n"
    "git --git-dir=../repos/blueprints.git symbolic-ref HEAD refs/heads/main\n"
    "git -C .. clone -q --bare work repos/big.git && cd .. && git clone -q repos/big.git bigwork\n"
    "cd bigwork && head -c 3000000 /dev/urandom > data && mkdir many && cd many\n"
    "i=0; while [ $i -lt 300 ]; do echo $i > $i; i=$((i+1)); done; cd ..\n"
    "git add -A && git commit -qm big && git push -q\n";

static char *format_command(const char *format, va_list args)
{
    char *text = NULL;
    assert_true(vasprintf(&text, format, args) >= 0);
    return text;
}

static int run_shell(const struct peers *self, const char *command)
{
    kst_auto_free char *script = kst_asprintf("set -e; cd %s; { %s\n}", self->top, command);
    return system(script);
}

void peers_sh(const struct peers *self, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *command = format_command(format, args);
    va_end(args);
    if (run_shell(self, command) != 0)
        fail_msg("failed: %s", command);
    free(command);
}

char *peers_ask(const struct peers *self, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *command = format_command(format, args);
    va_end(args);
    kst_auto_free char *script = kst_asprintf("cd %s; %s", self->top, command);
    free(command);
    char *line = NULL;
    size_t size = 0;
    FILE *pipe = popen(script, "r");
    assert_non_null(pipe);
    assert_true(getline(&line, &size, pipe) > 0);
    pclose(pipe);
    line[strcspn(line, "\n")] = 0;
    return line;
}

char *peers_file(const struct peers *self, const char *name)
{
    kst_auto_free char *path = kst_asprintf("%s/%s", self->top, name);
    kst_auto_buf text = KST_BUF_INIT(1 << 20);
    assert_int_equal(kst_buf_read_file(&text, path, NULL), 0);
    return kst_buf_take(&text);
}

static void set_environment(const char *home)
{
    static const char *const gone[] = {"http_proxy",  "https_proxy",   "HTTP_PROXY",
                                       "HTTPS_PROXY", "all_proxy",     "ALL_PROXY",
                                       "GIT_DIR",     "GIT_WORK_TREE", "SSH_AUTH_SOCK"};
    for (size_t i = 0; i < KST_ARRAY_LEN(gone); i++)
        unsetenv(gone[i]);
    setenv("HOME", home, 1);
    setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
    setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
    setenv("GIT_CONFIG_COUNT", "1", 1);
    setenv("GIT_CONFIG_KEY_0", "init.defaultBranch", 1);
    setenv("GIT_CONFIG_VALUE_0", "main", 1);
    setenv("GIT_AUTHOR_NAME", "Test", 1);
    setenv("GIT_AUTHOR_EMAIL", "test@example.com", 1);
    setenv("GIT_COMMITTER_NAME", "Test", 1);
    setenv("GIT_COMMITTER_EMAIL", "test@example.com", 1);
}

void peers_start(struct peers *self)
{
    char program[PATH_MAX], top[] = "/tmp/kst-source-XXXXXX";
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
    assert_true(len > 0);
    program[len] = 0;
    assert_non_null(mkdtemp(top));
    *self = (struct peers){.top = kst_strdup(top), .program = kst_strdup(program)};
    self->repos = kst_asprintf("%s/repos", top);
    set_environment(top);
    peers_sh(self, "%s", make_repositories);
    kst_auto_free char *head = peers_ask(self, "git -C work rev-parse HEAD");
    kst_auto_free char *first = peers_ask(self, "git -C work rev-parse HEAD~1");
    snprintf(self->head, sizeof(self->head), "%s", head);
    snprintf(self->first, sizeof(self->first), "%s", first);
}

void peers_stop(struct peers *self)
{
    peers_sh(self, "cd /; rm -rf %s", self->top);
    free(self->top);
    free(self->repos);
    free(self->program);
}

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

/* Starts a program whose stdin is a pipe of ours; *output, where given, is its stdout. */
static pid_t spawn(const char *const *argv, int *input, int *output)
{
    int in[2], out[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(in[0], STDIN_FILENO);
        if (output)
            dup2(out[1], STDOUT_FILENO);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    *input = in[1];
    if (output)
        *output = out[0];
    else
        close(out[0]);
    return pid;
}

static void wait_for_port(const struct peer *self)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)self->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int tries = 0; tries < 500; tries++) {
        struct timespec pause = {0, 20000000};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int result = connect(fd, (struct sockaddr *)&address, sizeof(address));
        close(fd);
        if (result == 0)
            return;
        assert_int_equal(waitpid(self->pid, NULL, WNOHANG), 0);
        nanosleep(&pause, NULL);
    }
    fail_msg("no server on port %d", self->port);
}

struct peer peer_http(const struct peers *self, const char *const *more)
{
    const char *argv[32] = {"tests/lib/git-http-server", "--until-eof", "--root", self->repos};
    struct peer peer = {0};
    char line[64] = "";
    int output;

    for (size_t i = 0; more && more[i]; i++)
        argv[4 + i] = more[i];
    peer.pid = spawn(argv, &peer.input, &output);
    FILE *stream = fdopen(output, "r");
    assert_non_null(fgets(line, sizeof(line), stream));
    fclose(stream);
    peer.port = (int)strtol(line + strlen("port "), NULL, 10);
    assert_true(peer.port > 0);
    return peer;
}

struct peer peer_daemon(const struct peers *self)
{
    struct peer peer = {.port = free_port()};
    kst_auto_free char *base = kst_asprintf("--base-path=%s", self->repos);
    kst_auto_free char *port = kst_asprintf("--port=%d", peer.port);
    kst_auto_free char *where = peers_ask(self, "git --exec-path");
    kst_auto_free char *program = kst_asprintf("%s/git-daemon", where);
    const char *argv[] = {program,        base,          port,        "--listen=127.0.0.1",
                          "--export-all", "--reuseaddr", self->repos, NULL};
    peer.pid = spawn(argv, &peer.input, NULL);
    wait_for_port(&peer);
    return peer;
}

struct peer peer_ssh(const struct peers *self, const char *host_key)
{
    struct peer peer = {.port = free_port()};
    kst_auto_free char *config = kst_asprintf("%s/sshd_config", self->top);
    const char *argv[] = {"/usr/sbin/sshd", "-D", "-e", "-f", config, NULL};
    /* sshd wants this folder where it runs as root, and uses it for nothing else. */
    if (getuid() == 0)
        mkdir("/run/sshd", 0755);
    peers_sh(self, "test -f id || { ssh-keygen -q -t ed25519 -N '' -f id;"
                   " ssh-keygen -q -t ed25519 -N sesame -f id_locked;"
                   " ssh-keygen -q -t ed25519 -N '' -f id_stranger;"
                   " ssh-keygen -q -t ed25519 -N '' -f host_ed25519;"
                   " ssh-keygen -q -t ecdsa -N '' -f host_ecdsa;"
                   " cat id.pub id_locked.pub > authorized_keys; }");
    peers_sh(self,
             "cat > sshd_config <<END\n"
             "Port %d\nListenAddress 127.0.0.1\nHostKey %s/%s\nPidFile none\nUsePAM no\n"
             "AuthorizedKeysFile %s/authorized_keys\nStrictModes no\nPermitRootLogin yes\n"
             "PasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel QUIET\nEND\n",
             peer.port, self->top, host_key, self->top);
    peer.pid = spawn(argv, &peer.input, NULL);
    wait_for_port(&peer);
    return peer;
}

struct peer peer_silent(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    /* The kernel accepts for a listener that never does. */
    struct peer peer = {.input = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(peer.input, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(peer.input, 16), 0);
    assert_int_equal(getsockname(peer.input, (struct sockaddr *)&address, &len), 0);
    peer.port = ntohs(address.sin_port);
    return peer;
}

void peer_stop(struct peer *self)
{
    if (self->port == 0)
        return;
    if (self->pid > 0) {
        kill(self->pid, SIGTERM);
        waitpid(self->pid, NULL, 0);
    }
    close(self->input);
    *self = (struct peer){0};
}
