/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where there are no namespaces, a supervisor stands in for them: what loses its parent becomes its
 * child, so that it can end all of it. It passes signals on to the program, and ends everything at
 * SIGPWR, which it also gets when the engine dies.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "sandbox/node/container_internal.h"

/* The parent of a process, from "PID (NAME) STATE PARENT ...", where NAME may hold anything. */
static long long parent_of(const char *pid)
{
    char path[300], text[1024];
    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    kst_container_close(&fd);
    text[len < 0 ? 0 : len] = '\0';
    const char *end = strrchr(text, ')');
    return end && strlen(end) > 4 ? strtoll(end + 4, NULL, 10) : -1;
}

/* Kills the children there are now; theirs become ours at their end. */
static void kill_children(void)
{
    DIR *entries = opendir("/proc");
    struct dirent *entry;
    long long pid;
    while (entries && (entry = readdir(entries))) {
        if (kst_parse_int(entry->d_name, &pid) && pid > 1 && parent_of(entry->d_name) == getpid())
            kill((pid_t)pid, SIGKILL);
    }
    if (entries)
        closedir(entries);
}

/* Reaps what has ended; the program's status, where it is among them. True while children live. */
static bool reap_all(pid_t program, int *code, int flags)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, flags)) > 0 || (pid < 0 && errno == EINTR)) {
        if (pid == program)
            *code = kst_container_status_code(status);
        if (pid > 0 && flags == 0)
            return true;
    }
    return pid == 0;
}

static void end_all(pid_t program, int code)
{
    do
        kill_children();
    while (reap_all(program, &code, 0));
    _exit(code < 0 ? 128 + SIGKILL : code);
}

void kst_container_supervise(void (*become)(struct kst_container_plan *plan),
                             struct kst_container_plan *plan)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGPWR);
    prctl(PR_SET_NAME, "kassette-pod");
    setsid();
    pid_t engine = getppid(), program = fork();
    if (program == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sigprocmask(SIG_SETMASK, &none, NULL);
        become(plan);
    }
    close(plan->report_fd);
    int code = program < 0 ? 127 : -1;
    while (code < 0) {
        siginfo_t info;
        int number = sigwaitinfo(&all, &info);
        if (number == SIGPWR)
            end_all(program, code);
        if (number == SIGCHLD)
            reap_all(program, &code, WNOHANG);
        else if (number > 0)
            kill(program, number);
        if (getppid() != engine)
            end_all(program, code);
    }
    end_all(program, code);
    _exit(code);
}
