/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a container's processes come into being. The engine forks a helper, which joins the
 * namespaces and then clones what is wanted as a child of the engine (CLONE_PARENT): the engine
 * waits for it directly, and nobody stands in between. Everything those processes say on the way
 * goes through one socket, of which a successful exec closes the last copy.
 */
#ifndef KST_SANDBOX_NODE_CONTAINER_INTERNAL_H
#define KST_SANDBOX_NODE_CONTAINER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/buf.h"

struct kst_container_group;
struct kst_err;
struct kst_loop;

/* Seen from the group's init process: the PID namespace that holds those of its containers. */
struct kst_container_group {
    struct kst_loop *loop;
    char *hostname;
    char *refused; /* what the machine refused; then the group has no process */
    bool host_network, user_namespace;
    pid_t pid;
    int pid_fd;
    unsigned containers;
};

enum kst_container_role {
    KST_ROLE_GROUP,  /* init of a group's namespaces */
    KST_ROLE_INIT,   /* init of a container */
    KST_ROLE_EXEC,   /* one more process in a container */
    KST_ROLE_SOCKET, /* makes a socket in a group's network and ends */
    KST_ROLE_PLAIN,  /* a program without namespaces, under a supervisor */
};

/* A volume, checked: `source` is a real path (NULL: memory), `path` absolute and without dots. */
struct kst_container_bind {
    char *source, *path;
    bool read_only;
};

/* What is to come into being; all of it is borrowed. */
struct kst_container_plan {
    enum kst_container_role role;
    const struct kst_container_group *group;
    const char *const *argv;
    char **envp;
    const char *dir;
    const struct kst_container_bind *binds; /* parents first */
    size_t nbinds;
    int64_t user, group_id; /* -1: not set */
    const gid_t *groups;
    size_t ngroups;
    int stdio[3];  /* -1: /dev/null */
    bool tty;      /* stdio is a new terminal of the container */
    int init_fd;   /* pidfd of the container's init, for an exec */
    int family;    /* of the socket */
    int report_fd; /* set by kst_container_spawn() */
};

/* The processes of a container that were stopped to be held. */
struct kst_container_held {
    pid_t *pids;
    size_t count;
    unsigned holds;
};

/* container_hold.c: stops all in the PID namespace of `init` (yields until they stand, for at most
 * two seconds), and lets those that it stopped go on; nested. */
void kst_container_held_stop(struct kst_container_held *self, pid_t init);
void kst_container_held_go_on(struct kst_container_held *self, pid_t init);

/* What came of it. */
struct kst_container_spawned {
    pid_t pid; /* child of the engine, not reaped; -1 for a socket */
    int fd;    /* the terminal or the socket; else -1 */
};

/* container_spawn.c: runs the plan up to its exec, and blocks so long. The error is the one that
 * the process met. */
int kst_container_spawn(struct kst_container_plan *plan, struct kst_container_spawned *out,
                        struct kst_err **err);
/* Waits for the process (blocks until it ended): 0 to 255, or 128 + a signal. */
int kst_container_reap(pid_t pid);
int kst_container_status_code(int status);

/* container_child.c: the life of the helper and of what it clones; never returns. */
void kst_container_child(struct kst_container_plan *plan) __attribute__((noreturn));

/* What processes say through the report socket. */
enum kst_container_report_kind {
    KST_REPORT_HELLO, /* a child of the engine says so first; the kernel adds its PID */
    KST_REPORT_FAILED,
    KST_REPORT_FD, /* a descriptor is attached */
};
struct kst_container_report {
    int kind;
    int code;
    char text[480];
};
/* Sends; `fd` is attached where it is not -1. */
void kst_container_report(int socket, enum kst_container_report_kind kind, int code,
                          const char *text, int fd);

/* container_root.c: in the container's init, gives it its root. */
int kst_container_root(const struct kst_container_plan *plan, struct kst_err **err);
/* In the group's init: mounts that are the group's. */
int kst_container_group_mounts(struct kst_err **err);

/* container_plain.c: starts the program and stays, until it and whatever it started is gone. */
void kst_container_supervise(void (*become)(struct kst_container_plan *plan),
                             struct kst_container_plan *plan) __attribute__((noreturn));

/* container_binds.c: checks the mounts of a specification and sorts them; sub-paths that are
 * missing are made. The caller frees with kst_container_binds_free(). KST_E_INVALID, KST_E_IO. */
struct kst_container_mount;
int kst_container_binds_new(const struct kst_container_mount *mounts, size_t count,
                            struct kst_container_bind **out, struct kst_err **err);
void kst_container_binds_free(struct kst_container_bind *binds, size_t count);
/* The path without empty parts and dots, which the caller frees; NULL where it is not absolute,
 * is "/" itself, or has "..". */
char *kst_container_clean_path(const char *path);

/* container_log.c: pipes of stdout and stderr into a file, as the CRI has it. */
struct kst_container_log;
/* Makes the log and gives the writing ends of the pipes (close-on-exec), which the caller closes.
 * `path` may be NULL: nothing is kept. */
int kst_container_log_new(struct kst_loop *loop, const char *path, struct kst_container_log **out,
                          int write_fds[2], struct kst_err **err);
/* Reads what is in the pipes now and writes it out, with the line that was not ended. */
void kst_container_log_finish(struct kst_container_log *self);
void kst_container_log_free(struct kst_container_log *self);

static inline void kst_container_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

#endif
