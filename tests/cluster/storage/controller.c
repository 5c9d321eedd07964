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
    struct kst_cond changed;
};

struct controller {
    struct kst_kube *kube;
    const char *name;
    const struct kst_kube_resource *resource;
    reconcile_fn *reconcile;
    struct item *items;
};

struct kst_kube *controller_kube(const struct controller *self)
{
    return self->kube;
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

static int work(void *arg, struct kst_err **err)
{
    struct item *item = arg;
    struct controller *self = item->controller;
    int64_t pause_ms = 0;
    do {
        kst_auto_err struct kst_err *cause = NULL;
        int64_t again_ms = 0;
        item->again = false;
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
        /* A failure is not tried again sooner because the failure itself was written down. */
        if (wait_ms > 0 && rc < 0)
            kst_sleep_ms(wait_ms, NULL);
        else if (wait_ms > 0 && !item->again)
            kst_cond_wait(&item->changed, kst_deadline_in_ms(wait_ms), NULL);
        item->again = item->again || wait_ms > 0;
    } while (item->again);
    forget(item);
    return 0;
}

void controller_poke(struct controller *self, const char *ns, const char *name)
{
    ns = ns ? ns : "";
    for (struct item *item = self->items; item; item = item->next) {
        if (strcmp(item->ns, ns) == 0 && strcmp(item->name, name) == 0) {
            item->again = true;
            kst_cond_signal(&item->changed);
            return;
        }
    }
    struct item *item = kst_calloc(1, sizeof(*item));
    item->controller = self;
    item->ns = kst_strdup(ns);
    item->name = kst_strdup(name);
    item->next = self->items;
    self->items = item;
    kst_fiber_detach(kst_fiber_spawn(kst_kube_loop(self->kube), self->name, work, item));
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
        } else if (type != KST_WATCH_SYNCED) {
            controller_poke(self, kst_json_path_str(object, "metadata.namespace"),
                            kst_json_path_str(object, "metadata.name"));
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
