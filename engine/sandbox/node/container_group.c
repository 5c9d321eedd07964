/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "sandbox/node/container.h"
#include "sandbox/node/container_internal.h"

static struct kst_container_plan plan_of(const struct kst_container_group *self,
                                         enum kst_container_role role)
{
    return (struct kst_container_plan){
        .role = role, .group = self, .stdio = {-1, -1, -1}, .init_fd = -1};
}

static int start(struct kst_container_group *self, struct kst_err **err)
{
    struct kst_container_plan plan = plan_of(self, KST_ROLE_GROUP);
    struct kst_container_spawned spawned;
    int rc = kst_container_spawn(&plan, &spawned, err);
    if (rc < 0)
        return rc;
    self->pid = spawned.pid;
    self->pid_fd = (int)syscall(SYS_pidfd_open, self->pid, 0);
    if (self->pid_fd >= 0)
        return 0;
    rc = kst_err_set(err, KST_E_REFUSED, "pidfd_open: %s", strerror(errno));
    kill(self->pid, SIGKILL);
    kst_container_reap(self->pid);
    self->pid = -1;
    return rc;
}

int kst_container_group_new(struct kst_loop *loop, const char *hostname, bool host_network,
                            struct kst_container_group **out, struct kst_err **err)
{
    struct kst_container_group *self = kst_calloc(1, sizeof(*self));
    self->loop = loop;
    self->hostname = kst_strdup(hostname);
    self->host_network = host_network;
    self->user_namespace = geteuid() != 0;
    self->pid = self->pid_fd = -1;
    kst_auto_err struct kst_err *why = NULL;
    int rc = start(self, &why);
    if (rc == KST_E_REFUSED) {
        self->refused = kst_strdup(kst_err_message(why));
        self->user_namespace = false;
    } else if (rc < 0) {
        kst_err_move(err, &why);
        kst_container_group_free(self);
        return kst_err_wrap(err, rc, "start a Pod");
    }
    *out = self;
    return 0;
}

void kst_container_group_free(struct kst_container_group *self)
{
    if (!self)
        return;
    assert(self->containers == 0);
    if (self->pid > 0) {
        kill(self->pid, SIGKILL);
        kst_container_reap(self->pid);
    }
    kst_container_close(&self->pid_fd);
    free(self->hostname);
    free(self->refused);
    free(self);
}

const char *kst_container_group_refused(const struct kst_container_group *self)
{
    return self->refused;
}

int kst_container_group_socket(struct kst_container_group *self, int family, int *fd,
                               struct kst_err **err)
{
    struct kst_container_plan plan = plan_of(self, KST_ROLE_SOCKET);
    struct kst_container_spawned spawned = {.fd = -1};
    if (self->refused || self->host_network) {
        spawned.fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (spawned.fd < 0)
            return kst_err_set(err, KST_E_IO, "make a socket: %s", strerror(errno));
    } else {
        plan.family = family;
        int rc = kst_container_spawn(&plan, &spawned, err);
        if (rc < 0)
            return kst_err_wrap(err, rc, "make a socket in the network of a Pod");
    }
    *fd = spawned.fd;
    return 0;
}
