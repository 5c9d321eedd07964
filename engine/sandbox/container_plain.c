/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where there are no namespaces, a supervisor stands in for them: what loses its parent becomes its
 * child, so that it can end all of it. It passes signals on to the program, and ends everything at
 * SIGPWR, which it also gets when the engine dies.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "sandbox/container_internal.h"

/* Kills the children there are now; theirs become ours at their end. */
static void kill_children(void)
{
    char path[64], text[4096];
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    size_t len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file)
        fclose(file);
    text[len] = '\0';
    char *at = text, *end;
    for (;;) {
        long pid = strtol(at, &end, 10);
        if (end == at || pid <= 1)
            return;
        kill((pid_t)pid, SIGKILL);
        at = end;
    }
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
