/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"

enum { CHUNK = 16 * 1024, GRACE_MS = 2000 };

extern char **environ;

/* Our ends of the pipes; -1: none, or closed. */
struct child {
    const struct kst_child_request *request;
    const char *name;
    pid_t pid;
    int pid_fd, in, out, errors;
};

struct pipes {
    int in[2], out[2], errors[2], exec[2]; /* exec: the error of an exec that failed */
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static int take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

static void close_pair(int pair[2])
{
    close_fd(&pair[0]);
    close_fd(&pair[1]);
}

/* In the child, between fork and exec: async-signal-safe calls only. */
static void become(const struct kst_child_request *request, struct pipes *pipes, char **envp)
{
    int null = open("/dev/null", O_RDWR);
    if (!request->foreground)
        setpgid(0, 0);
    if (!request->foreground &&
        (dup2(request->input ? pipes->in[0] : null, 0) < 0 || dup2(pipes->out[1], 1) < 0 ||
         (!request->inherit_stderr && dup2(pipes->errors[1], 2) < 0)))
        _exit(127);
    /* The pipe that tells of a failed exec is close-on-exec; it stays at 3, all else goes. */
    int tell = pipes->exec[1];
    if (tell != 3) {
        dup2(tell, 3);
        fcntl(3, F_SETFD, FD_CLOEXEC);
    }
    syscall(SYS_close_range, 4u, ~0u, 0u);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int i = 1; i < 32; i++)
        signal(i, SIG_DFL);
    if (request->dir && chdir(request->dir) < 0)
        goto failed;
    environ = envp;
    execvp(request->argv[0], (char *const *)request->argv);
failed:;
    int error = errno;
    ssize_t ignored = write(3, &error, sizeof(error));
    (void)ignored;
    _exit(127);
}

static char **environment(const char *const *add)
{
    size_t count = 0, more = 0;
    while (environ[count])
        count++;
    while (add && add[more])
        more++;
    char **envp = kst_calloc(count + more + 1, sizeof(*envp));
    memcpy(envp, environ, count * sizeof(*envp));
    for (size_t i = 0; i < more; i++) {
        size_t name = strcspn(add[i], "=") + 1, at = 0;
        while (at < count && strncmp(envp[at], add[i], name) != 0)
            at++;
        envp[at] = (char *)add[i];
        count += at == count;
    }
    return envp;
}

static int make_pipes(const struct kst_child_request *request, struct pipes *pipes,
                      struct kst_err **err)
{
    int *const all[] = {pipes->in, pipes->out, pipes->errors, pipes->exec};
    for (size_t i = 0; i < KST_ARRAY_LEN(all); i++) {
        if (pipe2(all[i], O_CLOEXEC) < 0)
            return kst_err_set(err, KST_E_IO, "run %s: %s", request->argv[0], strerror(errno));
    }
    return 0;
}

/* The errno of a failed exec, or 0: the pipe closes by itself when the exec succeeds. */
static int exec_error(int fd)
{
    int error = 0;
    ssize_t got;
    do
        got = read(fd, &error, sizeof(error));
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(error) ? error : 0;
}

static int reap(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int start(struct child *child, struct pipes *pipes, struct kst_err **err)
{
    const struct kst_child_request *request = child->request;
    kst_auto_free char **envp = environment(request->env_add);
    child->pid = fork();
    if (child->pid < 0)
        return kst_err_set(err, KST_E_IO, "run %s: %s", child->name, strerror(errno));
    if (child->pid == 0)
        become(request, pipes, envp);
    if (!request->foreground)
        setpgid(child->pid, child->pid); /* both sides do, so that it is done whoever is first */
    close_fd(&pipes->exec[1]);
    int error = exec_error(pipes->exec[0]);
    if (error) {
        reap(child->pid);
        return kst_err_set(err, error == ENOENT ? KST_E_NOT_FOUND : KST_E_IO, "run %s: %s",
                           child->name, strerror(error));
    }
    child->pid_fd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    if (child->pid_fd < 0) {
        kill(-child->pid, SIGKILL);
        reap(child->pid);
        return kst_err_set(err, KST_E_IO, "pidfd_open (Linux 5.3 or later is needed): %s",
                           strerror(errno));
    }
    fcntl(child->pid_fd, F_SETFD, FD_CLOEXEC);
    child->in = request->input ? take_fd(&pipes->in[1]) : -1;
    child->out = take_fd(&pipes->out[0]);
    child->errors = take_fd(&pipes->errors[0]);
    fcntl(child->in, F_SETFL, O_NONBLOCK);
    fcntl(child->out, F_SETFL, O_NONBLOCK);
    fcntl(child->errors, F_SETFL, O_NONBLOCK);
    return 0;
}

struct drain {
    struct child *child;
    int *fd;
    struct kst_buf *into; /* NULL: thrown away */
};

static int drain(void *arg, struct kst_err **err)
{
    struct drain *self = arg;
    char chunk[CHUNK];
    for (;;) {
        ssize_t got = read(*self->fd, chunk, sizeof(chunk));
        if (got == 0)
            return 0;
        if (got > 0) {
            if (self->into && kst_buf_add(self->into, chunk, (size_t)got) < 0)
                return kst_err_set(err, KST_E_LIMIT, "%s says more than the %zu bytes allowed",
                                   self->child->name, self->into->cap_bytes);
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return kst_err_set(err, KST_E_IO, "read from %s: %s", self->child->name,
                               strerror(errno));
        int rc = kst_wait_fd(*self->fd, POLLIN, KST_NEVER, err);
        if (rc < 0)
            return rc;
    }
}

static int feed(void *arg, struct kst_err **err)
{
    struct child *child = arg;
    const char *data = child->request->input;
    size_t left = child->request->input_len;
    while (left > 0) {
        ssize_t wrote = write(child->in, data, left);
        if (wrote > 0) {
            data += wrote;
            left -= (size_t)wrote;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            break; /* it does not read to the end: its exit code tells what it thinks of that */
        int rc = kst_wait_fd(child->in, POLLOUT, KST_NEVER, err);
        if (rc < 0)
            return rc;
    }
    close_fd(&child->in);
    return 0;
}

/* Ends the whole group: SIGTERM, then SIGKILL. */
static void end(struct child *child)
{
    pid_t target = child->request->foreground ? child->pid : -child->pid;
    kst_shield_begin();
    int64_t outer = kst_deadline_replace(KST_NEVER);
    kill(target, SIGTERM);
    kst_wait_fd(child->pid_fd, POLLIN, kst_deadline_in_ms(GRACE_MS), NULL);
    kill(target, SIGKILL);
    kst_deadline_restore(outer);
    kst_shield_end();
}

static int converse(struct child *child, struct kst_buf *output, struct kst_buf *errors,
                    struct kst_err **err)
{
    struct drain out = {.child = child, .fd = &child->out, .into = output};
    struct drain said = {.child = child, .fd = &child->errors, .into = errors};
    struct kst_group *group = kst_group_new(kst_fiber_loop(), true);
    kst_group_spawn(group, "stdout", drain, &out);
    kst_group_spawn(group, "stderr", drain, &said);
    if (child->in >= 0)
        kst_group_spawn(group, "stdin", feed, child);
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    if (rc == 0)
        rc = kst_wait_fd(child->pid_fd, POLLIN, KST_NEVER, err);
    return rc < 0 ? rc : 0;
}

int kst_child_run(struct kst_loop *loop, const struct kst_child_request *request,
                  struct kst_buf *output, struct kst_buf *errors, int *status, struct kst_err **err)
{
    int rc = kst_fiber_check(err);
    if (rc < 0)
        return rc;
    struct pipes pipes = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    struct child child = {.request = request,
                          .name = request->argv[0],
                          .pid_fd = -1,
                          .in = -1,
                          .out = -1,
                          .errors = -1};
    rc = make_pipes(request, &pipes, err);
    if (rc == 0)
        rc = start(&child, &pipes, err);
    close_pair(pipes.in);
    close_pair(pipes.out);
    close_pair(pipes.errors);
    close_pair(pipes.exec);
    if (rc < 0)
        return rc;
    int64_t outer = kst_deadline_get();
    if (request->timeout_ms > 0)
        kst_deadline_set(kst_deadline_in_ms(request->timeout_ms));
    rc = converse(&child, output, errors, err);
    kst_deadline_restore(outer);
    if (rc < 0) {
        kst_err_wrap(err, rc, "run %s", child.name);
        end(&child);
    }
    *status = reap(child.pid);
    close_fd(&child.pid_fd);
    close_fd(&child.in);
    close_fd(&child.out);
    close_fd(&child.errors);
    return rc;
}
