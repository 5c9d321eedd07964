/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that stand still, so that what they write can be copied. SIGSTOP reaches even the init
 * of a PID namespace, as nothing but SIGKILL does; parents that do not ask for stopped children,
 * and servers do not, see nothing of it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "sandbox/node/container_internal.h"

enum { PATIENCE_MS = 2000, LOOK_MS = 1, STAT_BYTES = 1024 };

/* The PID namespace of a process, by its inode; 0 where it is gone. */
static ino_t namespace_of(pid_t pid)
{
    struct stat info;
    kst_auto_free char *path = kst_asprintf("/proc/%d/ns/pid", (int)pid);
    return stat(path, &info) == 0 ? info.st_ino : 0;
}

/* "R", "S", "D", "T", …; 'X' where it is gone. */
static char state_of(pid_t pid)
{
    kst_auto_free char *path = kst_asprintf("/proc/%d/stat", (int)pid);
    kst_auto_buf text = KST_BUF_INIT(STAT_BYTES);
    if (kst_buf_read_file(&text, path, NULL) < 0)
        return 'X';
    const char *name_end = strrchr(text.data, ')');
    return name_end && name_end[1] == ' ' && name_end[2] ? name_end[2] : 'X';
}

static void remember(struct kst_container_held *self, pid_t pid)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->pids[i] == pid)
            return;
    }
    self->pids = kst_realloc(self->pids, (self->count + 1) * sizeof(*self->pids));
    self->pids[self->count++] = pid;
}

/* One look at all of the namespace: how many of it still run, and have been told to stop. */
static size_t stop_those_that_run(struct kst_container_held *self, ino_t namespace)
{
    DIR *processes = opendir("/proc");
    const struct dirent *entry;
    size_t count = 0;
    while (processes && (entry = readdir(processes))) {
        long long pid = 0;
        if (!kst_parse_int(entry->d_name, &pid) || namespace_of((pid_t)pid) != namespace)
            continue;
        if (strchr("TtZX", state_of((pid_t)pid)) || kill((pid_t)pid, SIGSTOP) != 0)
            continue;
        remember(self, (pid_t)pid);
        count++;
    }
    if (processes)
        closedir(processes);
    return count;
}

void kst_container_held_stop(struct kst_container_held *self, pid_t init)
{
    ino_t namespace = namespace_of(init);
    int64_t deadline_ms = kst_deadline_in_ms(PATIENCE_MS);
    if (self->holds++ > 0 || namespace == 0)
        return;
    kst_shield_begin();
    /* A process that was started while we looked is found by the next look. */
    while (stop_those_that_run(self, namespace) > 0 && kst_now_ms() < deadline_ms)
        kst_sleep_ms(LOOK_MS, NULL);
    kst_shield_end();
}

void kst_container_held_go_on(struct kst_container_held *self, pid_t init)
{
    if (--self->holds > 0)
        return;
    ino_t namespace = namespace_of(init);
    for (size_t i = 0; i < self->count; i++) {
        if (namespace != 0 && namespace_of(self->pids[i]) == namespace)
            kill(self->pids[i], SIGCONT);
    }
    free(kst_take(self->pids));
    self->count = 0;
}
