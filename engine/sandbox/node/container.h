/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers as processes of this machine. As root, or where user namespaces are allowed (Linux
 * 5.12 or later), each has mount and PID namespaces of its own, made with the kernel's own calls:
 * its root is the host's, read-only, with private /tmp, /var/tmp, /run, /dev and /proc, and volumes
 * at their paths. A directory that would have to hold a new mount point is replaced by one in
 * memory that shows the same entries; so are "/" and what else had to change, and these may be
 * written to. Its program is PID 1, with what that means for signals.
 *
 * The containers of one group (a Pod) share network (a loopback of their own, unless it is the
 * host's), hostname, System V IPC and /dev/shm (64 MiB), as the containers of a Pod do. When the
 * engine dies, however it dies, all processes of all groups die with it, and no mount is left.
 * (The kernel watches the thread that made the group: it must live as long as the group.)
 *
 * As root, programs may become any user. Otherwise all of them run as the engine's own user, whom
 * they see under the uid that was asked for, or else under its own.
 *
 * Where namespaces are refused (an unprivileged container of a CI), a container is a plain process:
 * it sees the host's files and network, can have no volumes, and is not PID 1.
 */
#ifndef KST_SANDBOX_NODE_CONTAINER_H
#define KST_SANDBOX_NODE_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kst_container;
struct kst_container_group;
struct kst_container_process;
struct kst_err;
struct kst_loop;

/* What the containers of a Pod share. `hostname` may be NULL: the host's. Blocks for some
 * milliseconds. KST_E_IO. */
int kst_container_group_new(struct kst_loop *loop, const char *hostname, bool host_network,
                            struct kst_container_group **out, struct kst_err **err);
/* Asserts that its containers were freed; NULL is allowed. Whatever runs in it is gone then. */
void kst_container_group_free(struct kst_container_group *self);
/* NULL where containers have namespaces; else what the machine refused, for people. Borrowed. */
const char *kst_container_group_refused(const struct kst_container_group *self);
/* A TCP socket (AF_INET or AF_INET6), non-blocking and not yet connected, in the network of the
 * group, for probes and forwarded ports: the loopback it reaches is the group's. The caller closes
 * it. KST_E_IO. */
int kst_container_group_socket(struct kst_container_group *self, int family, int *fd,
                               struct kst_err **err);

struct kst_container_mount {
    const char *source;   /* a directory or file of the host; NULL: an empty one in memory */
    const char *path;     /* absolute; made where it is missing */
    const char *sub_path; /* a path in the source, made where it is missing; may be NULL */
    bool read_only;
};

/* All of it is borrowed for the call only. */
struct kst_container_spec {
    const char *name;                  /* for messages */
    struct kst_container_group *group; /* must outlive the container; NULL: one of its own */
    const char *const *command;        /* ended by NULL: entrypoint and arguments */
    const char *const *env;            /* "K=V", ended by NULL: all it gets, but for HOME, HOSTNAME
                                          and PATH, which are added where they are missing */
    const char *working_dir;           /* made where it is missing; NULL: "/" */
    const struct kst_container_mount *mounts;
    size_t nmounts;
    const char *hostname;              /* where it has a group of its own */
    bool host_network;                 /* the same */
    int64_t run_as_user, run_as_group; /* -1: not set */
    const char *log_path;    /* stdout and stderr are appended to it in the CRI log format,
                                "TIME stdout|stderr F|P TEXT"; NULL: thrown away */
    const char *stop_signal; /* "SIGINT", "INT", "2", "RTMIN+3"; NULL: TERM */
};

/* Starts it; blocks for some milliseconds. KST_E_NOT_FOUND where the program is not there or cannot
 * be executed, as runc says it: exec: "postgres": executable file not found in $PATH. KST_E_INVALID
 * for a wrong path or signal, KST_E_REFUSED for what a plain process cannot have, KST_E_IO. */
int kst_container_start(struct kst_loop *loop, const struct kst_container_spec *spec,
                        struct kst_container **out, struct kst_err **err);
/* `started_ms` (wall time; may be NULL) is set in any case. */
bool kst_container_running(const struct kst_container *self, int64_t *started_ms);
/* Yields until it ended and all it said is in the log: exit code (128+n for a signal), when (wall
 * time; either may be NULL). Any number of fibers may wait. KST_E_CANCELLED, KST_E_TIMEOUT. */
int kst_container_wait(struct kst_container *self, int *exit_code, int64_t *ended_ms,
                       struct kst_err **err);
/* The stop signal, then KILL after grace_ms, or as soon as the fiber is cancelled or its deadline
 * passes; every process of it is gone when it returns. Yields. Never fails. */
int kst_container_stop(struct kst_container *self, int64_t grace_ms, struct kst_err **err);
/* At once, never yields; the end is seen by kst_container_wait(). */
void kst_container_kill(struct kst_container *self);
/* Kills what still runs and blocks until it is gone. Nobody may be waiting for it; processes of it
 * that were not freed yet have ended then. NULL is allowed. */
void kst_container_free(struct kst_container *self);

/* All its processes stand still until they are let go, nested: whoever writes to a volume is held
 * while it is copied. Yields until they stand, for at most two seconds. A plain process has no
 * volumes and is not held. The container may not be freed before it goes on. */
void kst_container_hold(struct kst_container *self);
void kst_container_go_on(struct kst_container *self);

/* A command inside the running container: the same mounts, namespaces, user, environment and
 * working directory. */
struct kst_container_exec {
    const char *const *command; /* ended by NULL */
    bool in, out, errors;       /* which of its streams to have; /dev/null else */
    bool tty;                   /* a terminal, which is `in` and `out` (whatever they say); no
                                   `errors`. Its window is set with TIOCSWINSZ on it. */
};
/* Starts it; blocks for some milliseconds. KST_E_NOT_FOUND as the container runtime says it:
 * OCI runtime exec failed: exec failed: unable to start container process: exec: "x": executable
 * file not found in $PATH: unknown. KST_E_CLOSED where the container runs no more, KST_E_IO. */
int kst_container_exec_start(struct kst_container *self, const struct kst_container_exec *request,
                             struct kst_container_process **out, struct kst_err **err);
/* Stream 0, 1 or 2: a descriptor that is non-blocking and belongs to the caller, who closes it;
 * -1 for one not asked for. */
int kst_container_process_fd(const struct kst_container_process *self, int stream);
/* Yields until it ended: its exit code, or 128+n for a signal. KST_E_CANCELLED, KST_E_TIMEOUT. */
int kst_container_process_wait(struct kst_container_process *self, int *exit_code,
                               struct kst_err **err);
/* Kills it, with its process group, where it still runs. NULL is allowed. */
void kst_container_process_free(struct kst_container_process *self);

#endif
