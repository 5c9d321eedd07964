/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A database of two volumes, as small as one can be: every few milliseconds it writes the next
 * number to both, so that two volumes of one cut hold the same number exactly where nothing was
 * written between their cuts. It keeps its own account of being frozen, in a directory that the
 * test reads, and does so whatever the engine believes. Started again, it goes on with the number
 * that is in its volume.
 *
 *   database serve     writes, until it is ended
 *   database freeze    no write from here on, until
 *   database thaw      (both are hooks: they end at once)
 *   database session   "lock" and "unlock" on stdin; at its end the lock is gone
 *   database release   ends a session that holds the lock, as KILL does in a database
 *   database task      says that it was here
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static const char control[] = "/control";
static const char *const volumes[] = {"/data/number", "/log/number"};

enum { WRITE_US = 10000, HOLD_US = 500 };

static void pause_us(long us)
{
    const struct timespec time = {.tv_nsec = us * 1000};
    nanosleep(&time, NULL);
}

static void die(const char *what)
{
    fprintf(stderr, "database: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_control(const char *name, int flags)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/%s", control, name);
    return open(path, flags | O_CLOEXEC, 0666);
}

/* Appends a line to the account: what happened, and when, in nanoseconds since 1970. */
static void note(const char *event)
{
    char line[96];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int len = snprintf(line, sizeof(line), "%s %lld\n", event,
                       (long long)now.tv_sec * 1000000000 + now.tv_nsec);
    int fd = open_control("journal", O_WRONLY | O_CREAT | O_APPEND);
    if (fd < 0 || write(fd, line, (size_t)len) != len)
        die("journal");
    close(fd);
}

static int exists(const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/%s", control, name);
    return access(path, F_OK) == 0;
}

/* The test may want to do something just here: it says so in "hold", is told in "at", and lets go
 * by removing "hold". */
static void stage(const char *name)
{
    char wanted[64] = "";
    int fd = open_control("hold", O_RDONLY);
    ssize_t got = fd >= 0 ? read(fd, wanted, sizeof(wanted) - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (got <= 0 || strcmp(wanted, name) != 0)
        return;
    fd = open_control("at", O_WRONLY | O_CREAT);
    if (fd >= 0)
        close(fd);
    while (exists("hold"))
        pause_us(HOLD_US);
}

static int lock_of(int how)
{
    int fd = open_control("lock", O_RDWR | O_CREAT);
    if (fd < 0)
        die("lock");
    while (flock(fd, how) != 0)
        if (errno != EINTR)
            die("lock");
    return fd;
}

static void write_number(int fd, long long number)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%019lld\n", number);
    if (pwrite(fd, text, (size_t)len, 0) != len)
        die("write");
}

/* The last number that was written to a volume, 0 where there is none. */
static long long read_number(int fd)
{
    char text[32] = "";
    return pread(fd, text, sizeof(text) - 1, 0) > 0 ? strtoll(text, NULL, 10) : 0;
}

static int serve(void)
{
    int fds[] = {-1, -1}, lock = open_control("lock", O_RDWR | O_CREAT);
    for (size_t i = 0; i < 2; i++) {
        fds[i] = open(volumes[i], O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fds[i] < 0 || lock < 0)
            die(volumes[i]);
    }
    for (long long number = read_number(fds[0]) + 1; access(control, F_OK) == 0; number++) {
        while (flock(lock, LOCK_SH) != 0)
            if (errno != EINTR)
                die("lock");
        if (!exists("frozen"))
            for (size_t i = 0; i < 2; i++)
                write_number(fds[i], number);
        flock(lock, LOCK_UN);
        pause_us(WRITE_US);
    }
    return 0;
}

static int freeze(void)
{
    stage("freeze-begin");
    int fd = lock_of(LOCK_EX), flag = -1;
    if (exists("frozen"))
        note("frozen twice");
    else
        flag = open_control("frozen", O_WRONLY | O_CREAT);
    if (flag >= 0) {
        note("frozen");
        close(flag);
    }
    close(fd);
    stage("freeze-end");
    return 0;
}

static int thaw(void)
{
    char path[64];
    stage("thaw-begin");
    int fd = lock_of(LOCK_EX);
    snprintf(path, sizeof(path), "%s/frozen", control);
    note(unlink(path) == 0 ? "thawed" : "thawed already");
    close(fd);
    stage("thaw-end");
    return 0;
}

static void remove_control(const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/%s", control, name);
    unlink(path);
}

/* Who holds the lock, for whoever wants to end it. */
static void write_holder(void)
{
    char text[16];
    int len = snprintf(text, sizeof(text), "%d", (int)getpid());
    int fd = open_control("holder", O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0 || write(fd, text, (size_t)len) != len)
        die("holder");
    close(fd);
}

static int release(void)
{
    char text[16] = "";
    int fd = open_control("holder", O_RDONLY);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, text, sizeof(text) - 1);
    close(fd);
    long pid = got > 0 ? strtol(text, NULL, 10) : 0;
    if (pid <= 1 || kill((pid_t)pid, SIGKILL) != 0)
        return 0; /* it has ended by itself */
    fd = lock_of(LOCK_EX);
    remove_control("holder");
    note("thawed by force");
    close(fd);
    return 0;
}

static int session(void)
{
    char line[64];
    int fd = -1;
    setvbuf(stdin, NULL, _IONBF, 0);
    stage("session-begin");
    while (fgets(line, sizeof(line), stdin)) {
        if (strcmp(line, "lock\n") == 0 && fd < 0) {
            fd = lock_of(LOCK_EX);
            write_holder();
            note("frozen");
            stage("session-locked");
            printf("locked\n");
            fflush(stdout);
            stage("session-told");
        } else if (strcmp(line, "unlock\n") == 0 && fd >= 0) {
            stage("session-unlock");
            note("thawed");
            remove_control("holder");
            close(fd);
            fd = -1;
            printf("unlocked\n");
            fflush(stdout);
            stage("session-end");
        }
    }
    if (fd >= 0) {
        note("thawed by its connection");
        remove_control("holder");
    }
    return 0;
}

static int task(void)
{
    printf("###Phase-output###: {\"key\": \"said\", \"value\": \"done\"}\n");
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } verbs[] = {{"serve", serve},     {"freeze", freeze},   {"thaw", thaw},
                 {"session", session}, {"release", release}, {"task", task}};
    for (size_t i = 0; argc == 2 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run();
    fprintf(stderr, "usage: database serve|freeze|thaw|session|release|task\n");
    return 2;
}
