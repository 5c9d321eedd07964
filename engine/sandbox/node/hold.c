/* SPDX-License-Identifier: Apache-2.0 */
/* Holding the processes that use a volume while it is copied. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sandbox/node/internal.h"

/* A volume that is held. */
struct kst_node_held {
    struct kst_node_held *next;
    char *path;
    unsigned count;
};

static bool uses(const struct kst_pod *pod, const char *path)
{
    for (size_t i = 0; i < KST_POD_MOUNTS; i++) {
        if (pod->paths[i] && strcmp(pod->paths[i], path) == 0)
            return true;
    }
    return false;
}

static struct kst_node_held **find(struct kst_node *self, const char *path)
{
    struct kst_node_held **at = &self->held;
    while (*at && strcmp((*at)->path, path) != 0)
        at = &(*at)->next;
    return at;
}

/* It stays, process and all, until it is let go. */
static void hold(struct kst_pod_container *container)
{
    if (!container->process)
        return;
    container->users++;
    container->held++;
    kst_container_hold(container->process);
}

static void let_go(struct kst_pod_container *container)
{
    if (container->held == 0)
        return;
    container->held--;
    kst_container_go_on(container->process);
    if (--container->users == 0)
        kst_cond_signal(&container->unused);
}

void kst_node_hold(void *arg, const char *volume_path)
{
    struct kst_node *self = arg;
    struct kst_node_held **at = find(self, volume_path);
    if (!*at) {
        *at = kst_calloc(1, sizeof(**at));
        (*at)->path = kst_strdup(volume_path);
    }
    (*at)->count++;
    self->holding++; /* Pods are not freed meanwhile */
    for (struct kst_pod *pod = self->pods; pod; pod = pod->next) {
        for (size_t i = 0; uses(pod, volume_path) && i < pod->ncontainers; i++)
            hold(&pod->containers[i]);
    }
    self->holding--;
}

void kst_node_release(void *arg, const char *volume_path)
{
    struct kst_node *self = arg;
    for (struct kst_pod *pod = self->pods; pod; pod = pod->next) {
        for (size_t i = 0; uses(pod, volume_path) && i < pod->ncontainers; i++)
            let_go(&pod->containers[i]);
    }
    struct kst_node_held **at = find(self, volume_path), *held = *at;
    assert(held && "a volume is let go that was not held");
    if (--held->count > 0)
        return;
    *at = held->next;
    free(held->path);
    free(held);
    kst_cond_signal(&self->released);
}

static bool is_held(const struct kst_pod *pod)
{
    for (const struct kst_node_held *held = pod->node->held; held; held = held->next) {
        if (uses(pod, held->path))
            return true;
    }
    return false;
}

int kst_pod_await_release(const struct kst_pod *self, struct kst_err **err)
{
    int rc = 0;
    while (rc == 0 && is_held(self))
        rc = kst_cond_wait(&self->node->released, KST_NEVER, err);
    return rc;
}
