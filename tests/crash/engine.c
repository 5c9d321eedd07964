/* SPDX-License-Identifier: Apache-2.0 */
/* The engine as a child process, as a user or a Job starts it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "crash/crash.h"
#include "loop/fiber.h"
#include "sandbox/sandbox.h"

enum { PATIENCE_MS = 240 * 1000, LOOK_MS = 20 };

static void become(const char *const *argv, const char *log)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDONLY);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(null, 0);
    dup2(out, 1);
    dup2(out, 2);
    syscall(SYS_close_range, 3u, ~0u, 0u);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

/* The pid stays a zombie's, and nobody else's, until it is reaped here. KST_E_TIMEOUT. */
static int await(pid_t pid, int64_t end_ms, int *status, struct kst_err **err)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return kst_err_set(err, KST_E_IO, "pidfd_open: %s", strerror(errno));
    int how = 0, rc = kst_wait_fd(fd, POLLIN, end_ms, err);
    close(fd);
    if (rc < 0)
        return rc;
    waitpid(pid, &how, 0);
    *status = WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
    return 0;
}

static int end_badly(pid_t pid, struct kst_err **err)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    kst_err_clear(err);
    return kst_err_set(err, KST_E_TIMEOUT, "the engine has not ended in %d s", PATIENCE_MS / 1000);
}

static int await_engine(struct world *self, int *status, struct kst_err **err)
{
    int64_t end_ms = kst_now_ms() + PATIENCE_MS;
    for (;;) {
        int rc = await(self->pid, kst_now_ms() + LOOK_MS, status, err);
        if (rc == KST_E_CANCELLED) { /* somebody ends the test */
            kill(self->pid, SIGKILL);
            waitpid(self->pid, NULL, 0);
        }
        if (rc != KST_E_TIMEOUT)
            return rc;
        if (self->stalled == self->pid)
            *status = ENGINE_STALLED;
        else if (kst_now_ms() > end_ms)
            return end_badly(self->pid, err);
        kst_err_clear(err);
        if (self->stalled == self->pid)
            return 0;
    }
}

int engine_wake(struct world *self, int64_t ms, struct kst_err **err)
{
    int status = 0;
    kill(self->stalled, SIGCONT);
    int rc = await(self->stalled, kst_now_ms() + ms, &status, err);
    if (rc < 0)
        return rc;
    self->stalled = 0;
    return status > 128
               ? kst_err_set(err, KST_E_FAILED,
                             "the engine that stood still was ended by signal %d", status - 128)
               : 0;
}

static const char *const common[] = {"--home", CRASH_HOME, "--log-format", "plain", "--verbose"};
static const char *const backup[] = {"--blueprints", "tests/crash/blueprints", "--max-freeze",
                                     "20s",          "--ready-timeout",        "20s"};
static const char *const in_place[] = {"--on-conflict", "replace", "--ready-timeout", "20s"};
static const char *const beside[] = {"--to-namespace", CRASH_COPY, "--ready-timeout", "20s"};

enum { MAX_ARGS = 24 };
struct args {
    const char *list[MAX_ARGS + 1];
    size_t count;
};

static void add(struct args *self, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count && self->count < MAX_ARGS; i++)
        self->list[self->count++] = list[i];
}

/* What makes the Run of a case, or of the restore point, or takes it up where it is there. */
static void make_args(struct world *self, struct args *args)
{
    enum setting setting = self->now ? self->now->setting : SETTING_PLAIN;
    const char *name = self->basing ? CRASH_BASE : CRASH_RUN;
    bool restores = !self->basing && setting_restores(setting);
    const char *const begin[] = {self->program, restores ? "restore" : "backup",
                                 restores ? CRASH_BASE : CRASH_APP, "--name", name};
    const char *const again[] = {self->program, "run", name};
    const char *const to[] = {"--kubeconfig", kst_sandbox_kubeconfig(self->sandbox)};
    if (!self->basing && world_run(self))
        add(args, again, KST_ARRAY_LEN(again));
    else
        add(args, begin, KST_ARRAY_LEN(begin));
    add(args, to, KST_ARRAY_LEN(to));
    add(args, common, KST_ARRAY_LEN(common));
    if (!self->basing && world_run(self))
        return;
    if (!restores)
        add(args, backup, KST_ARRAY_LEN(backup));
    else if (setting == SETTING_RESTORE)
        add(args, in_place, KST_ARRAY_LEN(in_place));
    else
        add(args, beside, KST_ARRAY_LEN(beside));
}

int engine_run(struct world *self, int *status, struct kst_err **err)
{
    struct args args = {0};
    make_args(self, &args);
    kst_auto_free char *log = kst_asprintf("%s/engine.log", self->dir);
    strike_begin(self);
    self->pid = vfork(); /* our pages are many, and it needs none of them */
    if (self->pid < 0)
        return kst_err_set(err, KST_E_IO, "vfork: %s", strerror(errno));
    if (self->pid == 0)
        become(args.list, log);
    int rc = await_engine(self, status, err);
    strike_end(self);
    return rc;
}
