/* SPDX-License-Identifier: Apache-2.0 */
#include "controller.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "kube/watch.h"
#include "loop/fiber.h"

enum { FIRST_PAUSE_MS = 1000, LONGEST_PAUSE_MS = 60 * 1000 };

/* An object that is worked on. */
struct item {
    struct controller *controller;
    struct item *next;
    char *ns, *name;
    bool again;
    bool dying, urgent; /* it is being deleted; that is news */
    struct kst_cond changed;
};

struct controller {
    struct kst_kube *kube;
    const char *name;
    const struct kst_kube_resource *resource;
    reconcile_fn *reconcile;
    struct item *items;
    bool synced;
};

struct kst_kube *controller_kube(const struct controller *self)
{
    return self->kube;
}

bool controller_is_synced(const struct controller *self)
{
    return self->synced;
}

static void forget(struct item *item)
{
    struct item **at = &item->controller->items;
    while (*at != item)
        at = &(*at)->next;
    *at = item->next;
    kst_cond_release(&item->changed);
    free(item->ns);
    free(item->name);
    free(item);
}

static int64_t grow(int64_t pause_ms)
{
    return pause_ms == 0                     ? FIRST_PAUSE_MS
           : pause_ms * 2 > LONGEST_PAUSE_MS ? LONGEST_PAUSE_MS
                                             : pause_ms * 2;
}

/* A failure is not tried again sooner because the failure itself was written down; but a deletion
 * ends the wait. */
static void wait_after_failure(struct item *item, int64_t pause_ms)
{
    int64_t deadline = kst_deadline_in_ms(pause_ms);
    while (!item->urgent && kst_cond_wait(&item->changed, deadline, NULL) == 0)
        continue;
}

static int work(void *arg, struct kst_err **err)
{
    struct item *item = arg;
    struct controller *self = item->controller;
    int64_t pause_ms = 0;
    do {
        kst_auto_err struct kst_err *cause = NULL;
        int64_t again_ms = 0;
        item->again = item->urgent = false;
        int rc = self->reconcile(self, item->ns[0] ? item->ns : NULL, item->name, &again_ms,
                                 &cause);
        pause_ms = rc < 0 ? grow(pause_ms) : 0;
        if (rc < 0)
            kst_log(rc == KST_E_CONFLICT ? KST_LOG_DEBUG : KST_LOG_WARN, "not done yet",
                    "controller", self->name, "namespace", item->ns, "name", item->name, "reason",
                    kst_err_message(cause), NULL);
        if (rc == KST_E_CONFLICT)
            pause_ms = 1;
        int64_t wait_ms = rc < 0 ? pause_ms : again_ms;
        if (rc < 0)
            wait_after_failure(item, wait_ms);
        else if (wait_ms > 0 && !item->again)
            kst_cond_wait(&item->changed, kst_deadline_in_ms(wait_ms), NULL);
        item->again = item->again || wait_ms > 0;
    } while (item->again);
    forget(item);
    return 0;
}

static struct item *find_or_add(struct controller *self, const char *ns, const char *name)
{
    for (struct item *item = self->items; item; item = item->next) {
        if (strcmp(item->ns, ns) == 0 && strcmp(item->name, name) == 0) {
            item->again = true;
            return item;
        }
    }
    struct item *item = kst_calloc(1, sizeof(*item));
    item->controller = self;
    item->ns = kst_strdup(ns);
    item->name = kst_strdup(name);
    item->next = self->items;
    self->items = item;
    kst_fiber_detach(kst_fiber_spawn(kst_kube_loop(self->kube), self->name, work, item));
    return item;
}

void controller_poke(struct controller *self, const char *ns, const char *name)
{
    struct item *item = find_or_add(self, ns ? ns : "", name);
    kst_cond_signal(&item->changed);
}

static void object_changed(struct controller *self, const struct kst_json *object)
{
    const char *ns = kst_json_path_str(object, "metadata.namespace");
    struct item *item = find_or_add(self, ns ? ns : "", kst_json_path_str(object, "metadata.name"));
    if (!item->dying && kst_json_path_str(object, "metadata.deletionTimestamp"))
        item->dying = item->urgent = true;
    kst_cond_signal(&item->changed);
}

static int watch(void *arg, struct kst_err **err)
{
    struct controller *self = arg;
    struct kst_watch *watch = kst_watch_new(self->kube, self->resource, NULL, NULL);
    for (;;) {
        enum kst_watch_type type;
        const struct kst_json *object;
        kst_auto_err struct kst_err *cause = NULL;
        if (kst_watch_next(watch, KST_NEVER, &type, &object, &cause) < 0) {
            kst_log(KST_LOG_WARN, "watch failed", "controller", self->name, "reason",
                    kst_err_message(cause), NULL);
            kst_sleep_ms(FIRST_PAUSE_MS, NULL);
        } else if (type == KST_WATCH_SYNCED) {
            self->synced = true;
        } else {
            object_changed(self, object);
        }
    }
    return 0;
}

struct controller *controller_start(struct kst_kube *kube, const char *name,
                                    const struct kst_kube_resource *resource,
                                    reconcile_fn *reconcile)
{
    struct controller *self = kst_calloc(1, sizeof(*self));
    *self = (struct controller){
        .kube = kube, .name = name, .resource = resource, .reconcile = reconcile};
    kst_fiber_detach(kst_fiber_spawn(kst_kube_loop(kube), name, watch, self));
    return self;
}
