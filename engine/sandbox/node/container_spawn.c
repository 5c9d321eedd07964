/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "sandbox/node/container_internal.h"

/* The engine's side of the report socket while something comes into being. */
struct listener {
    int fd;
    pid_t hello[2]; /* those that said hello, in order */
    unsigned hellos;
    int received; /* descriptor */
};

int kst_container_status_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int kst_container_reap(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return kst_container_status_code(status);
}

void kst_container_report(int socket, enum kst_container_report_kind kind, int code,
                          const char *text, int fd)
{
    struct kst_container_report report = {.kind = kind, .code = code};
    snprintf(report.text, sizeof(report.text), "%s", text ? text : "");
    struct iovec part = {.iov_base = &report, .iov_len = sizeof(report)};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &fd, sizeof(int));
    }
    while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
}

static void take_control(struct listener *self, struct msghdr *message, pid_t *sender)
{
    struct cmsghdr *head;
    for (head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
        if (head->cmsg_level != SOL_SOCKET)
            continue;
        if (head->cmsg_type == SCM_CREDENTIALS) {
            struct ucred who;
            memcpy(&who, CMSG_DATA(head), sizeof(who));
            *sender = who.pid;
        } else if (head->cmsg_type == SCM_RIGHTS) {
            kst_container_close(&self->received);
            memcpy(&self->received, CMSG_DATA(head), sizeof(int));
        }
    }
}

/* One report: 1, or 0 at the end of all, or the error that was reported. */
static int hear(struct listener *self, struct kst_err **err)
{
    struct kst_container_report report = {0};
    struct iovec part = {.iov_base = &report, .iov_len = sizeof(report)};
    union {
        char bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control = {{0}};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    ssize_t got;
    do
        got = recvmsg(self->fd, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    pid_t sender = -1;
    if (got > 0)
        take_control(self, &message, &sender);
    if (got != (ssize_t)sizeof(report))
        return 0;
    report.text[sizeof(report.text) - 1] = '\0';
    if (report.kind == KST_REPORT_FAILED)
        return kst_err_set(err, report.code, "%s", report.text);
    if (report.kind == KST_REPORT_HELLO && self->hellos < KST_ARRAY_LEN(self->hello))
        self->hello[self->hellos++] = sender;
    return 1;
}

static int write_text(const char *path, const char *text, struct kst_err **err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t len = (ssize_t)strlen(text);
    int rc = 0;
    if (fd < 0 || write(fd, text, (size_t)len) != len)
        rc = kst_err_set(err, KST_E_REFUSED, "write %s: %s", path, strerror(errno));
    kst_container_close(&fd);
    return rc;
}

/* Without privileges, a user namespace can have one user and one group: ours. It is root there, as
 * some mounts need; programs become somebody else (kst_container_child()). */
static int map_users(pid_t pid, struct kst_err **err)
{
    static const char *const files[] = {"setgroups", "uid_map", "gid_map"};
    for (size_t i = 0; i < KST_ARRAY_LEN(files); i++) {
        kst_auto_free char *path = kst_asprintf("/proc/%d/%s", (int)pid, files[i]);
        kst_auto_free char *text = i == 0
                                       ? kst_strdup("deny")
                                       : kst_asprintf("0 %u 1\n", i == 1 ? geteuid() : getegid());
        int rc = write_text(path, text, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Lets the group's init go on: it waits for its users. */
static int let_go(struct listener *self, const struct kst_container_plan *plan,
                  struct kst_err **err)
{
    int rc = plan->group->user_namespace ? map_users(self->hello[0], err) : 0;
    if (rc == 0 && send(self->fd, "g", 1, MSG_NOSIGNAL) != 1)
        rc = kst_err_set(err, KST_E_IO, "speak to a new process: %s", strerror(errno));
    return rc;
}

static unsigned hellos_expected(const struct kst_container_plan *plan)
{
    switch (plan->role) {
    case KST_ROLE_INIT:
        return 2;
    case KST_ROLE_SOCKET:
        return 0;
    default:
        return 1;
    }
}

static int listen_to(struct listener *self, const struct kst_container_plan *plan,
                     struct kst_err **err)
{
    int rc;
    bool gone = false;
    while ((rc = hear(self, err)) > 0) {
        if (plan->role != KST_ROLE_GROUP || gone || self->hellos == 0)
            continue;
        gone = true;
        rc = let_go(self, plan, err);
        if (rc < 0)
            break;
    }
    if (rc == 0 && self->hellos < hellos_expected(plan))
        rc = kst_err_set(err, KST_E_IO, "a new process ended before it began");
    return rc;
}

int kst_container_spawn(struct kst_container_plan *plan, struct kst_container_spawned *out,
                        struct kst_err **err)
{
    int ends[2], yes = 1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return kst_err_set(err, KST_E_IO, "make a pair of sockets: %s", strerror(errno));
    struct listener listener = {.fd = ends[0], .hello = {-1, -1}, .received = -1};
    setsockopt(listener.fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes));
    plan->report_fd = ends[1];
    pid_t helper = fork();
    if (helper == 0)
        kst_container_child(plan);
    int error = errno;
    close(ends[1]);
    int rc = helper < 0 ? kst_err_set(err, KST_E_IO, "fork: %s", strerror(error))
                        : listen_to(&listener, plan, err);
    close(listener.fd); /* whoever still waits for a word of ours ends */
    /* All but the last one are on their way out; after a failure the last one is, too. */
    unsigned last = rc == 0 && listener.hellos > 0 ? listener.hellos - 1 : listener.hellos;
    bool stays = plan->role == KST_ROLE_PLAIN;
    if (helper > 0 && !stays)
        kst_container_reap(helper);
    for (unsigned i = 0; i < last; i++)
        kst_container_reap(listener.hello[i]);
    if (rc < 0) {
        if (helper > 0 && stays && listener.hellos == 0)
            kst_container_reap(helper);
        kst_container_close(&listener.received);
        return rc;
    }
    out->pid = listener.hellos > 0 ? listener.hello[last] : -1;
    out->fd = listener.received;
    return 0;
}
