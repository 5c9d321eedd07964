/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/node/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/bootstrap.h"
#include "sandbox/node/internal.h"

static bool is_finished(const struct kst_json *pod)
{
    const char *phase = kst_api_text(pod, "status.phase");
    return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

static struct kst_pod *of_uid(const struct kst_node *self, const char *uid)
{
    for (struct kst_pod *pod = self->pods; pod; pod = pod->next)
        if (strcmp(pod->uid, uid) == 0)
            return pod;
    return NULL;
}

static void look_at(struct kst_node *self, const struct kst_object *object)
{
    struct kst_pod *pod = of_uid(self, object->uid);
    if (pod) {
        kst_cond_signal(&pod->wake);
        return;
    }
    if (strcmp(kst_api_text(object->json, "spec.nodeName"), KST_SANDBOX_NODE) != 0 ||
        is_finished(object->json))
        return;
    kst_pod_start(self, object);
}

static void on_change(void *arg, struct kst_bucket *bucket, const struct kst_change *change)
{
    struct kst_node *self = arg;
    if (self->stopping || strcmp(kst_bucket_name(bucket), "/pods") != 0)
        return;
    if (change->after) {
        look_at(self, change->after);
        return;
    }
    struct kst_pod *pod = of_uid(self, change->before->uid);
    if (pod)
        kst_cond_signal(&pod->wake);
}

/* Frees the Pods whose fibers have ended. */
static void sweep(struct kst_node *self)
{
    if (self->holding)
        return;
    for (struct kst_pod **at = &self->pods; *at;) {
        struct kst_pod *pod = *at;
        if (!pod->fiber || !kst_fiber_ended(pod->fiber)) {
            at = &pod->next;
            continue;
        }
        *at = pod->next;
        kst_fiber_join(pod->fiber, NULL);
        kst_pod_free(pod);
    }
}

/* Shielded: its end is kst_node_free(), whoever is cancelled before. */
static int keep_house(void *arg, struct kst_err **err)
{
    struct kst_node *self = arg;
    kst_shield_begin();
    while (!self->stopping || self->pods) {
        sweep(self);
        if (!self->stopping || self->pods)
            kst_cond_wait(&self->changed, kst_now_ms() + (self->stopping ? 20 : 1000), NULL);
    }
    kst_shield_end();
    return 0;
}

int kst_node_new(struct kst_loop *loop, const struct kst_node_options *options,
                 struct kst_node **out, struct kst_err **err)
{
    kst_auto_free char *pods = kst_asprintf("%s/pods", options->dir);
    if (mkdir(pods, 0700) != 0 && errno != EEXIST)
        return kst_err_set(err, KST_E_IO, "directory %s cannot be made: %s", pods, strerror(errno));
    struct kst_node *self = kst_calloc(1, sizeof(*self));
    self->loop = loop;
    self->api = options->api;
    self->images = options->images;
    self->dir = kst_strdup(options->dir);
    self->api_host = kst_strdup(options->api_host);
    self->api_port = options->api_port;
    kst_store_listen(kst_api_store(self->api), on_change, self);
    self->keeper = kst_fiber_spawn(loop, "node", keep_house, self);
    *out = self;
    return 0;
}

void kst_node_free(struct kst_node *self)
{
    if (!self)
        return;
    self->stopping = true;
    for (struct kst_pod *pod = self->pods; pod; pod = pod->next) {
        kst_pod_kill(pod);
        kst_cond_signal(&pod->wake);
    }
    kst_cond_signal(&self->changed);
    kst_fiber_join(self->keeper, NULL);
    kst_store_unlisten(kst_api_store(self->api), on_change, self);
    kst_cond_release(&self->changed);
    kst_cond_release(&self->released);
    free(self->dir);
    free(self->api_host);
    free(self);
}
