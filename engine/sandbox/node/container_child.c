/* SPDX-License-Identifier: Apache-2.0 */
/* Processes on their way to their program. They are forks of the engine, of one thread each. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "sandbox/node/container_internal.h"

enum { REPORT = 3, INIT = 4, GROUP = 5, FIRST_OTHER = 6, SAFE = 20 };

static void fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
static void fail(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct kst_err *err = NULL;
    kst_err_setv(&err, code, format, args);
    va_end(args);
    kst_container_report(REPORT, KST_REPORT_FAILED, code, kst_err_message(err), -1);
    _exit(127);
}

/* Streams at 0 to 2, the report socket at 3, pidfds at 4 and 5, nothing else; no signal blocked. */
static void settle(struct kst_container_plan *plan)
{
    int null = open("/dev/null", O_RDWR);
    int wanted[FIRST_OTHER] = {plan->stdio[0],  plan->stdio[1], plan->stdio[2],
                               plan->report_fd, plan->init_fd,  plan->group->pid_fd};
    for (int i = 0; i < FIRST_OTHER; i++)
        wanted[i] = fcntl(wanted[i] >= 0 ? wanted[i] : null, F_DUPFD, SAFE);
    for (int i = 0; i < FIRST_OTHER; i++) {
        dup2(wanted[i], i);
        fcntl(i, F_SETFD, i < REPORT ? 0 : FD_CLOEXEC);
    }
    plan->report_fd = REPORT;
    syscall(SYS_close_range, (unsigned)FIRST_OTHER, ~0u, 0u);
    for (int i = 1; i <= SIGRTMAX; i++)
        signal(i, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A copy of this process that is a child of the engine: true in the copy. It says hello, by which
 * the engine learns its PID. */
static bool hop(int flags)
{
    long pid = syscall(SYS_clone, (long)(flags | CLONE_PARENT | SIGCHLD), 0L, 0L, 0L, 0L);
    if (pid < 0)
        fail(errno == EPERM || errno == EINVAL || errno == ENOSYS || errno == ENOSPC ? KST_E_REFUSED
                                                                                     : KST_E_IO,
             "make namespaces: %s", strerror(errno));
    if (pid > 0)
        return false;
    kst_container_report(REPORT, KST_REPORT_HELLO, 0, NULL, -1);
    return true;
}

static void join(int pid_fd, int namespaces, const char *whose)
{
    if (namespaces && setns(pid_fd, namespaces) < 0)
        fail(KST_E_IO, "join the namespaces of %s: %s", whose, strerror(errno));
}

static int group_namespaces(const struct kst_container_group *group)
{
    return CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC |
           (group->host_network ? 0 : CLONE_NEWNET) | (group->user_namespace ? CLONE_NEWUSER : 0);
}

static void loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool up = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0;
    request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
    if (!up || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        fail(KST_E_REFUSED, "set the loopback up: %s", strerror(errno));
    kst_container_close(&fd);
}

/* Init of the group: nothing but a process that holds the namespaces, and dies with the engine. It
 * becomes a small program, as a copy of the engine's memory would be no small one. */
static void group_init(const struct kst_container_plan *plan)
{
    static char *const sleep[] = {(char *)"kassette-pod", (char *)"infinity", NULL};
    static char *const none[] = {NULL};
    char go;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (recv(REPORT, &go, 1, 0) != 1)
        _exit(0); /* the engine is gone, or could not name our users */
    setsid();
    struct kst_err *err = NULL;
    int rc = kst_container_group_mounts(&err);
    if (rc < 0)
        fail(rc, "%s", kst_err_message(err));
    if (plan->group->hostname &&
        sethostname(plan->group->hostname, strlen(plan->group->hostname)) < 0)
        fail(KST_E_REFUSED, "set the hostname %s: %s", plan->group->hostname, strerror(errno));
    if (!plan->group->host_network)
        loopback_up();
    execve("/usr/bin/sleep", sleep, none);
    execve("/bin/sleep", sleep, none);
    prctl(PR_SET_NAME, "kassette-pod");
    close(REPORT);
    for (;;)
        pause();
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    size_t len = strlen(text);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len)
        fail(KST_E_IO, "write %s: %s", path, strerror(errno));
    kst_container_close(&fd);
}

/* One more user namespace, in which the engine's user has the wanted name. */
static void rename_user(const struct kst_container_plan *plan)
{
    kst_auto_free char *uids = kst_asprintf("%lld 0 1\n", (long long)plan->user);
    kst_auto_free char *gids = kst_asprintf("%lld 0 1\n", (long long)plan->group_id);
    if (unshare(CLONE_NEWUSER) < 0)
        fail(KST_E_IO, "make a user namespace: %s", strerror(errno));
    put("/proc/self/setgroups", "deny");
    put("/proc/self/uid_map", uids);
    put("/proc/self/gid_map", gids);
}

static void become_user(const struct kst_container_plan *plan)
{
    if (plan->group->user_namespace) {
        rename_user(plan);
    } else if (geteuid() == 0) {
        if (setgroups(plan->ngroups, plan->groups) < 0 || setgid((gid_t)plan->group_id) < 0 ||
            setuid((uid_t)plan->user) < 0)
            fail(KST_E_IO, "become user %lld: %s", (long long)plan->user, strerror(errno));
    }
}

/* As Go's exec.LookPath(), which runc asks: any executable bit makes a program. */
static int executable(const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return errno;
    return S_ISDIR(status.st_mode) || !(status.st_mode & 0111) ? EACCES : 0;
}

static char *find_program(const struct kst_container_plan *plan)
{
    const char *name = plan->argv[0], *path = "";
    if (strchr(name, '/')) {
        int error = executable(name);
        if (error == EACCES)
            fail(KST_E_NOT_FOUND, "exec: \"%s\": permission denied", name);
        if (error == ENOENT)
            fail(KST_E_NOT_FOUND, "exec: \"%s\": stat %s: no such file or directory", name, name);
        if (error)
            fail(KST_E_NOT_FOUND, "exec: \"%s\": stat %s: %s", name, name, strerror(error));
        return kst_strdup(name);
    }
    for (char **entry = plan->envp; *entry; entry++) {
        if (strncmp(*entry, "PATH=", 5) == 0)
            path = *entry + 5;
    }
    struct kst_str rest = kst_str_of(path), folder;
    while (kst_str_split(&rest, ':', &folder)) {
        char *file = kst_asprintf("%.*s/%s", (int)folder.len, folder.data, name);
        if (*name && folder.len > 0 && executable(file) == 0)
            return file;
        free(file);
    }
    fail(KST_E_NOT_FOUND, "exec: \"%s\": executable file not found in $PATH", name);
}

/* A terminal of the container: its other side goes to the engine. */
static void open_terminal(void)
{
    int far = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), lock = 0;
    int near = -1;
    if (far >= 0 && ioctl(far, TIOCSPTLCK, &lock) == 0)
        near = ioctl(far, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    if (near < 0)
        fail(KST_E_IO, "open a terminal: %s", strerror(errno));
    for (int i = 0; i < REPORT; i++)
        dup2(near, i);
    ioctl(0, TIOCSCTTY, 0);
    kst_container_report(REPORT, KST_REPORT_FD, 0, NULL, far);
    close(near);
    close(far);
}

/* So that the program can open /dev/stdout; what is no pipe of ours stays as it is. */
static void own_streams(const struct kst_container_plan *plan)
{
    if (plan->group->user_namespace || geteuid() != 0)
        return;
    for (int i = 0; i < REPORT; i++) {
        bool ours = plan->stdio[i] >= 0 || plan->tty;
        if (ours && fchown(i, (uid_t)plan->user, (gid_t)plan->group_id) < 0)
            continue; /* then it cannot */
    }
}

/* The last steps to the program, in the namespaces and the root that it is to have. */
static void become(struct kst_container_plan *plan)
{
    setsid();
    if (plan->tty)
        open_terminal();
    umask(022);
    if (chdir(plan->dir) < 0)
        fail(KST_E_IO, "change to the working directory %s: %s", plan->dir, strerror(errno));
    own_streams(plan);
    become_user(plan);
    char *program = find_program(plan);
    execve(program, (char *const *)plan->argv, plan->envp);
    fail(KST_E_NOT_FOUND, "exec %s: %s", program,
         errno == ENOEXEC ? "exec format error" : strerror(errno));
}

static void container_init(struct kst_container_plan *plan)
{
    struct kst_err *err = NULL;
    int rc = kst_container_root(plan, &err);
    if (rc < 0)
        fail(rc, "%s", kst_err_message(err));
    become(plan);
}

static void make_socket(const struct kst_container_plan *plan)
{
    int fd = socket(plan->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail(KST_E_IO, "make a socket: %s", strerror(errno));
    kst_container_report(REPORT, KST_REPORT_FD, 0, NULL, fd);
}

void kst_container_child(struct kst_container_plan *plan)
{
    const int users = plan->group->user_namespace ? CLONE_NEWUSER : 0;
    settle(plan);
    switch (plan->role) {
    case KST_ROLE_GROUP:
        if (hop(group_namespaces(plan->group)))
            group_init(plan);
        break;
    case KST_ROLE_INIT:
        join(GROUP, group_namespaces(plan->group), "the Pod");
        /* Two hops: one into the group's PID namespace, one into a new one under it. */
        if (hop(0) && hop(CLONE_NEWPID | CLONE_NEWNS))
            container_init(plan);
        break;
    case KST_ROLE_EXEC:
        join(GROUP, users, "the Pod");
        join(INIT, group_namespaces(plan->group) & ~CLONE_NEWUSER, "the container");
        if (hop(0))
            become(plan);
        break;
    case KST_ROLE_SOCKET:
        join(GROUP, users | CLONE_NEWNET, "the Pod");
        make_socket(plan);
        break;
    case KST_ROLE_PLAIN:
        kst_container_report(REPORT, KST_REPORT_HELLO, 0, NULL, -1);
        kst_container_supervise(become, plan);
    }
    _exit(0);
}
