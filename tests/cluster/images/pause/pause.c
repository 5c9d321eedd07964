/* SPDX-License-Identifier: Apache-2.0 */
/* The process that keeps a Pod's namespaces: it reaps what is left to it, and ends when told. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int number)
{
    _exit(0);
}

static void reap(int number)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

int main(void)
{
    const struct sigaction ends = {.sa_handler = end};
    const struct sigaction reaps = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};

    sigaction(SIGTERM, &ends, NULL);
    sigaction(SIGINT, &ends, NULL);
    sigaction(SIGCHLD, &reaps, NULL);
    for (;;)
        pause();
}
