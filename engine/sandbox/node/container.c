/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/node/container.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
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
#include "sandbox/node/container_internal.h"

enum { GROUPS_MAX = 64 };

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* A process of ours whose end the loop tells. It is reaped at once: the init of a PID namespace
 * does not end before all in it are. */
struct watched {
    struct kst_loop *loop;
    pid_t pid;
    int pid_fd;
    bool ended;
    int exit_code;
    int64_t ended_ms;
    struct kst_cond cond;
    struct kst_container *container; /* whose program it is; NULL for one more process */
};

struct kst_container {
    struct kst_container_group *group;
    bool own_group;
    char *name, *dir;
    char **envp;
    int64_t user, group_id;
    gid_t groups[GROUPS_MAX];
    size_t ngroups;
    int stop_signal;
    int64_t started_ms;
    struct watched process;
    struct kst_container_log *log;
    struct kst_container_process *processes;
    struct kst_container_held held;
};

struct kst_container_process {
    struct kst_container *container; /* NULL where it was freed, and this ended by that */
    struct kst_container_process *next;
    int fds[3];
    struct watched process;
};

static void send_signal(struct watched *self, int number)
{
    if (!self->ended && syscall(SYS_pidfd_send_signal, self->pid_fd, number, NULL, 0) < 0)
        kill(self->pid, number); /* not reaped yet, so the PID is still its own */
}

/* A supervisor of plain processes ends all of them at SIGPWR. */
static void kill_watched(const struct kst_container_group *group, struct watched *self)
{
    send_signal(self, group->refused ? SIGPWR : SIGKILL);
}

static void kill_process(struct kst_container_process *self)
{
    if (self->process.ended)
        return;
    if (!self->container->group->refused)
        kill(-self->process.pid, SIGKILL); /* it leads a session of its own */
    kill_watched(self->container->group, &self->process);
}

static void kill_processes(struct kst_container *self)
{
    struct kst_container_process *process;
    for (process = self->processes; process; process = process->next)
        kill_process(process);
}

static void on_end(struct watched *self, int exit_code)
{
    kst_loop_watch_fd(self->loop, self->pid_fd, 0, NULL, NULL, NULL);
    kst_container_close(&self->pid_fd);
    if (self->container) {
        kst_container_log_finish(self->container->log);
        kill_processes(self->container); /* what the kernel has done where there are namespaces */
    }
    self->exit_code = exit_code;
    self->ended_ms = kst_wall_ms();
    self->ended = true;
    kst_cond_signal(&self->cond);
}

static void on_pid_fd(void *arg, int fd, int events)
{
    struct watched *self = arg;
    int status;
    pid_t pid = waitpid(self->pid, &status, WNOHANG);
    if (pid == self->pid)
        on_end(self, kst_container_status_code(status));
}

/* Takes charge of a child. What cannot be watched is killed. */
static int watch(struct watched *self, struct kst_loop *loop, pid_t pid, struct kst_err **err)
{
    self->loop = loop;
    self->pid = pid;
    self->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    int rc = self->pid_fd < 0 ? kst_err_set(err, KST_E_IO, "pidfd_open: %s", strerror(errno))
                              : kst_loop_watch_fd(loop, self->pid_fd, POLLIN, on_pid_fd, self, err);
    if (rc < 0) {
        kill(pid, SIGKILL);
        kst_container_reap(pid);
        kst_container_close(&self->pid_fd);
    }
    return rc;
}

static int await(struct watched *self, int64_t deadline_ms, struct kst_err **err)
{
    while (!self->ended) {
        int rc = kst_cond_wait(&self->cond, deadline_ms, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Blocks: for what was killed. */
static void await_blocking(struct watched *self)
{
    if (!self->ended)
        on_end(self, kst_container_reap(self->pid));
}

/* What it runs as, and the groups that user has on this machine. */
static int find_user(struct kst_container *self, const struct kst_container_spec *spec,
                     struct kst_err **err)
{
    const bool fixed = geteuid() != 0;
    self->user = spec->run_as_user >= 0 ? spec->run_as_user : fixed ? (int64_t)geteuid() : 0;
    self->group_id = spec->run_as_group;
    struct passwd *entry = getpwuid((uid_t)self->user);
    if (self->group_id < 0)
        self->group_id = fixed ? (int64_t)getegid() : entry ? (int64_t)entry->pw_gid : 0;
    if (self->user > UINT32_MAX - 1 || self->group_id > UINT32_MAX - 1)
        return kst_err_set(err, KST_E_INVALID, "user %lld and group %lld are out of range",
                           (long long)self->user, (long long)self->group_id);
    if (self->group->refused && fixed && self->user != (int64_t)geteuid())
        return kst_err_set(err, KST_E_REFUSED,
                           "it is to run as user %lld, and this machine allows no user "
                           "namespaces (%s): run as root",
                           (long long)self->user, self->group->refused);
    int count = GROUPS_MAX;
    self->groups[0] = (gid_t)self->group_id;
    if (!entry || getgrouplist(entry->pw_name, (gid_t)self->group_id, self->groups, &count) < 0)
        count = 1;
    self->ngroups = (size_t)count;
    return 0;
}

static bool has_variable(char *const *envp, const char *name)
{
    size_t len = strlen(name);
    for (; *envp; envp++) {
        if (strncmp(*envp, name, len) == 0 && (*envp)[len] == '=')
            return true;
    }
    return false;
}

static void add_variable(struct kst_container *self, size_t *count, const char *name,
                         const char *value)
{
    if (!has_variable(self->envp, name))
        self->envp[(*count)++] = kst_asprintf("%s=%s", name, value);
}

/* What container runtimes add: PATH, HOSTNAME, HOME. */
static void make_environment(struct kst_container *self, const char *const *env)
{
    size_t count = 0;
    while (env && env[count])
        count++;
    self->envp = kst_calloc(count + 4, sizeof(*self->envp));
    for (size_t i = 0; i < count; i++)
        self->envp[i] = kst_strdup(env[i]);
    struct passwd *entry = getpwuid((uid_t)self->user);
    add_variable(self, &count, "PATH", PATH_DEFAULT);
    if (self->group->hostname)
        add_variable(self, &count, "HOSTNAME", self->group->hostname);
    add_variable(self, &count, "HOME", entry ? entry->pw_dir : "/");
}

/* "SIGINT", "INT", "2", "RTMIN+3"; 0 where it is none. */
static int parse_signal(const char *text)
{
    long long number;
    if (kst_parse_int(text, &number))
        return number > 0 && number <= SIGRTMAX ? (int)number : 0;
    if (strncmp(text, "SIG", 3) == 0)
        text += 3;
    if (strncmp(text, "RTMIN", 5) == 0) {
        number = 0;
        if (text[5] && (text[5] != '+' || !kst_parse_int(text + 6, &number)))
            return 0;
        return number >= 0 && number <= SIGRTMAX - SIGRTMIN ? SIGRTMIN + (int)number : 0;
    }
    for (int i = 1; i < 32; i++) {
        const char *name = sigabbrev_np(i);
        if (name && strcmp(name, text) == 0)
            return i;
    }
    return 0;
}

static int check_plain(const struct kst_container *self, const struct kst_container_spec *spec,
                       struct kst_err **err)
{
    if (!self->group->refused || spec->nmounts == 0)
        return 0;
    int rc = kst_err_set(err, KST_E_REFUSED,
                         "it has a volume at %s, and this machine allows no mount namespaces (%s)",
                         spec->mounts[0].path, self->group->refused);
    kst_err_hint(err, "Run as root, or allow user namespaces.");
    return rc;
}

static int prepare(struct kst_container *self, const struct kst_container_spec *spec,
                   struct kst_err **err)
{
    self->stop_signal = spec->stop_signal ? parse_signal(spec->stop_signal) : SIGTERM;
    if (!self->stop_signal)
        return kst_err_set(err, KST_E_INVALID, "\"%s\" is no signal", spec->stop_signal);
    if (spec->working_dir && *spec->working_dir && strcmp(spec->working_dir, "/") != 0) {
        self->dir = kst_container_clean_path(spec->working_dir);
        if (!self->dir)
            return kst_err_set(err, KST_E_INVALID, "the working directory \"%s\" is not absolute",
                               spec->working_dir);
    }
    if (!spec->command[0])
        return kst_err_set(err, KST_E_INVALID, "it has no command");
    int rc = check_plain(self, spec, err);
    if (rc == 0)
        rc = find_user(self, spec, err);
    if (rc == 0)
        make_environment(self, spec->env);
    return rc;
}

static struct kst_container_plan plan_of(const struct kst_container *self,
                                         enum kst_container_role role, const char *const *argv)
{
    return (struct kst_container_plan){.role = role,
                                       .group = self->group,
                                       .argv = argv,
                                       .envp = self->envp,
                                       .dir = self->dir ? self->dir : "/",
                                       .user = self->user,
                                       .group_id = self->group_id,
                                       .groups = self->groups,
                                       .ngroups = self->ngroups,
                                       .stdio = {-1, -1, -1},
                                       .init_fd = self->process.pid_fd};
}

static int launch(struct kst_container *self, const struct kst_container_spec *spec,
                  struct kst_err **err)
{
    struct kst_container_bind *binds = NULL;
    struct kst_container_spawned spawned;
    int pipes[2] = {-1, -1};
    int rc = kst_container_binds_new(spec->mounts, spec->nmounts, &binds, err);
    if (rc == 0)
        rc = kst_container_log_new(self->group->loop, spec->log_path, &self->log, pipes, err);
    if (rc == 0) {
        struct kst_container_plan plan = plan_of(
            self, self->group->refused ? KST_ROLE_PLAIN : KST_ROLE_INIT, spec->command);
        plan.binds = binds;
        plan.nbinds = spec->nmounts;
        plan.stdio[1] = pipes[0];
        plan.stdio[2] = pipes[1];
        rc = kst_container_spawn(&plan, &spawned, err);
    }
    kst_container_close(&pipes[0]);
    kst_container_close(&pipes[1]);
    kst_container_binds_free(binds, spec->nmounts);
    if (rc < 0)
        return rc;
    self->started_ms = kst_wall_ms();
    self->process.container = self;
    return watch(&self->process, self->group->loop, spawned.pid, err);
}

static void release(struct kst_container *self)
{
    kst_container_log_free(self->log);
    kst_cond_release(&self->process.cond);
    self->group->containers--;
    if (self->own_group)
        kst_container_group_free(self->group);
    for (char **entry = self->envp; entry && *entry; entry++)
        free(*entry);
    free(self->envp);
    free(self->name);
    free(self->dir);
    free(self);
}

int kst_container_start(struct kst_loop *loop, const struct kst_container_spec *spec,
                        struct kst_container **out, struct kst_err **err)
{
    struct kst_container_group *group = spec->group;
    int rc = 0;
    if (!group)
        rc = kst_container_group_new(loop, spec->hostname, spec->host_network, &group, err);
    if (rc < 0)
        return rc;
    struct kst_container *self = kst_calloc(1, sizeof(*self));
    self->group = group;
    self->own_group = !spec->group;
    self->name = kst_strdup(spec->name ? spec->name : "container");
    self->process.pid_fd = -1;
    group->containers++;
    rc = prepare(self, spec, err);
    if (rc == 0)
        rc = launch(self, spec, err);
    if (rc < 0) {
        /* The runtime's own words about a program stay as they are. */
        if (rc != KST_E_NOT_FOUND)
            kst_err_wrap(err, rc, "container %s", self->name);
        release(self);
        return rc;
    }
    *out = self;
    return 0;
}

bool kst_container_running(const struct kst_container *self, int64_t *started_ms)
{
    if (started_ms)
        *started_ms = self->started_ms;
    return !self->process.ended;
}

int kst_container_wait(struct kst_container *self, int *exit_code, int64_t *ended_ms,
                       struct kst_err **err)
{
    int rc = await(&self->process, KST_NEVER, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "wait for container %s", self->name);
    if (exit_code)
        *exit_code = self->process.exit_code;
    if (ended_ms)
        *ended_ms = self->process.ended_ms;
    return 0;
}

void kst_container_kill(struct kst_container *self)
{
    kill_processes(self);
    kill_watched(self->group, &self->process);
}

int kst_container_stop(struct kst_container *self, int64_t grace_ms, struct kst_err **err)
{
    send_signal(&self->process, self->stop_signal);
    int rc = await(&self->process, kst_deadline_in_ms(grace_ms < 0 ? 0 : grace_ms), NULL);
    kst_container_kill(self);
    if (rc == 0)
        return 0;
    kst_shield_begin();
    int64_t outer = kst_deadline_replace(KST_NEVER);
    await(&self->process, KST_NEVER, NULL);
    kst_deadline_restore(outer);
    kst_shield_end();
    return 0;
}

void kst_container_hold(struct kst_container *self)
{
    if (!self->group->refused)
        kst_container_held_stop(&self->held, self->process.pid);
}

void kst_container_go_on(struct kst_container *self)
{
    if (!self->group->refused)
        kst_container_held_go_on(&self->held, self->process.pid);
}

void kst_container_free(struct kst_container *self)
{
    if (!self)
        return;
    assert(self->held.holds == 0);
    kst_container_kill(self);
    while (self->processes) {
        struct kst_container_process *process = self->processes;
        self->processes = process->next;
        process->container = NULL;
        await_blocking(&process->process);
    }
    await_blocking(&self->process);
    release(self);
}

/* Pipes for the streams that were asked for: theirs go into the plan, ours into `fds`. */
static int make_pipes(const struct kst_container_exec *request, int theirs[3], int ours[3],
                      struct kst_err **err)
{
    const bool wanted[] = {request->in, request->out, request->errors};
    for (int i = 0; i < 3; i++) {
        int ends[2];
        if (request->tty || !wanted[i])
            continue;
        if (pipe2(ends, O_CLOEXEC) < 0)
            return kst_err_set(err, KST_E_IO, "make a pipe: %s", strerror(errno));
        theirs[i] = ends[i != 0];
        ours[i] = ends[i == 0];
        fcntl(ours[i], F_SETFL, O_NONBLOCK);
    }
    return 0;
}

/* The environment with a TERM, for a terminal; the caller frees the list, not what it lists. */
static char **terminal_environment(char **envp)
{
    size_t count = 0;
    while (envp[count])
        count++;
    char **copy = kst_calloc(count + 2, sizeof(*copy));
    memcpy(copy, envp, count * sizeof(*copy));
    if (!has_variable(envp, "TERM"))
        copy[count] = (char *)"TERM=xterm";
    return copy;
}

static int launch_process(struct kst_container *self, const struct kst_container_exec *request,
                          struct kst_container_process *process, struct kst_err **err)
{
    struct kst_container_spawned spawned = {.fd = -1};
    struct kst_container_plan plan = plan_of(
        self, self->group->refused ? KST_ROLE_PLAIN : KST_ROLE_EXEC, request->command);
    kst_auto_free char **envp = request->tty ? terminal_environment(self->envp) : NULL;
    if (request->tty)
        plan.envp = envp;
    plan.tty = request->tty;
    int rc = make_pipes(request, plan.stdio, process->fds, err);
    if (rc == 0)
        rc = kst_container_spawn(&plan, &spawned, err);
    for (int i = 0; i < 3; i++)
        kst_container_close(&plan.stdio[i]);
    if (rc == 0 && request->tty) {
        process->fds[0] = fcntl(spawned.fd, F_DUPFD_CLOEXEC, 0);
        process->fds[1] = spawned.fd;
    }
    if (rc == 0)
        rc = watch(&process->process, self->group->loop, spawned.pid, err);
    for (int i = 0; rc < 0 && i < 3; i++)
        kst_container_close(&process->fds[i]);
    return rc;
}

int kst_container_exec_start(struct kst_container *self, const struct kst_container_exec *request,
                             struct kst_container_process **out, struct kst_err **err)
{
    if (self->process.ended)
        return kst_err_set(err, KST_E_CLOSED, "container %s is not running", self->name);
    if (!request->command[0])
        return kst_err_set(err, KST_E_INVALID, "the command for container %s is empty", self->name);
    struct kst_container_process *process = kst_calloc(1, sizeof(*process));
    for (int i = 0; i < 3; i++)
        process->fds[i] = -1;
    kst_auto_err struct kst_err *why = NULL;
    int rc = launch_process(self, request, process, &why);
    if (rc < 0) {
        free(process);
        if (rc == KST_E_NOT_FOUND)
            return kst_err_set(err, rc,
                               "OCI runtime exec failed: exec failed: unable to start container "
                               "process: %s: unknown",
                               kst_err_message(why));
        kst_err_move(err, &why);
        return kst_err_wrap(err, rc, "run %s in container %s", request->command[0], self->name);
    }
    process->container = self;
    process->next = self->processes;
    self->processes = process;
    *out = process;
    return 0;
}

int kst_container_process_fd(const struct kst_container_process *self, int stream)
{
    return stream >= 0 && stream < 3 ? self->fds[stream] : -1;
}

int kst_container_process_wait(struct kst_container_process *self, int *exit_code,
                               struct kst_err **err)
{
    int rc = await(&self->process, KST_NEVER, err);
    if (rc == 0 && exit_code)
        *exit_code = self->process.exit_code;
    return rc;
}

void kst_container_process_free(struct kst_container_process *self)
{
    if (!self)
        return;
    kill_process(self);
    await_blocking(&self->process);
    if (self->container) {
        struct kst_container_process **at = &self->container->processes;
        while (*at != self)
            at = &(*at)->next;
        *at = self->next;
    }
    kst_cond_release(&self->process.cond);
    free(self);
}
