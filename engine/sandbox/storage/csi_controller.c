/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/storage/csi_controller.h"

#include <assert.h>
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
#include "sandbox/storage/csi_internal.h"

enum { FIRST_PAUSE_MS = 1000, LONGEST_PAUSE_MS = 60 * 1000 };

/* An object that is worked on. */
struct item {
    struct kst_csi_controller *controller;
    struct item *next;
    char *ns, *name;
    bool again;
    bool dying, urgent; /* it is being deleted; that is news */
    struct kst_cond changed;
    struct kst_fiber *fiber; /* detached: it frees the item and ends */
};

struct kst_csi_controller {
    struct kst_csi *csi;
    const char *name;
    const struct kst_kube_resource *resource;
    kst_csi_reconcile_fn *reconcile;
    struct kst_fiber *watch;
    struct item *items;
    bool synced, stopping;
};

bool kst_csi_controller_is_synced(const struct kst_csi_controller *self)
{
    return self->synced;
}

static void forget(struct item *item)
{
    struct item **at = &item->controller->items;
    while (*at != item)
        at = &(*at)->next;
    *at = item->next;
    kst_cond_signal(&item->controller->csi->changed);
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

static void tell_failure(const struct item *item, int rc, const struct kst_err *cause)
{
    const struct kst_csi_controller *self = item->controller;
    bool usual = self->csi->quiet || self->stopping || rc == KST_E_CONFLICT;
    kst_log(usual ? KST_LOG_DEBUG : KST_LOG_WARN, "not done yet", "controller", self->name,
            "namespace", item->ns, "name", item->name, "reason", kst_err_message(cause), NULL);
}

static int work(void *arg, struct kst_err **err)
{
    struct item *item = arg;
    struct kst_csi_controller *self = item->controller;
    int64_t pause_ms = 0;
    do {
        kst_auto_err struct kst_err *cause = NULL;
        int64_t again_ms = 0;
        item->again = item->urgent = false;
        int rc = self->reconcile(self->csi, item->ns[0] ? item->ns : NULL, item->name, &again_ms,
                                 &cause);
        pause_ms = rc < 0 ? grow(pause_ms) : 0;
        if (rc < 0)
            tell_failure(item, rc, cause);
        if (rc == KST_E_CONFLICT)
            pause_ms = 1;
        int64_t wait_ms = rc < 0 ? pause_ms : again_ms;
        if (rc < 0)
            wait_after_failure(item, wait_ms);
        else if (wait_ms > 0 && !item->again)
            kst_cond_wait(&item->changed, kst_deadline_in_ms(wait_ms), NULL);
        item->again = item->again || wait_ms > 0;
    } while (item->again && !self->stopping && kst_fiber_check(NULL) == 0);
    forget(item);
    return 0;
}

static struct item *find_or_add(struct kst_csi_controller *self, const char *ns, const char *name)
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
    item->fiber = kst_fiber_spawn(kst_kube_loop(self->csi->kube), self->name, work, item);
    kst_fiber_detach(item->fiber);
    return item;
}

void kst_csi_controller_poke(struct kst_csi_controller *self, const char *ns, const char *name)
{
    if (self->stopping)
        return;
    struct item *item = find_or_add(self, ns ? ns : "", name);
    kst_cond_signal(&item->changed);
}

static void object_changed(struct kst_csi_controller *self, const struct kst_json *object)
{
    const char *ns = kst_json_path_str(object, "metadata.namespace");
    struct item *item = find_or_add(self, ns ? ns : "", kst_json_path_str(object, "metadata.name"));
    if (!item->dying && kst_json_path_str(object, "metadata.deletionTimestamp"))
        item->dying = item->urgent = true;
    kst_cond_signal(&item->changed);
}

static int watch(void *arg, struct kst_err **err)
{
    struct kst_csi_controller *self = arg;
    struct kst_watch *watch = kst_watch_new(self->csi->kube, self->resource, NULL, NULL);
    while (kst_fiber_check(NULL) == 0) {
        enum kst_watch_type type;
        const struct kst_json *object;
        kst_auto_err struct kst_err *cause = NULL;
        int rc = kst_watch_next(watch, KST_NEVER, &type, &object, &cause);
        if (rc < 0 && rc != KST_E_CANCELLED) {
            kst_log(KST_LOG_WARN, "watch failed", "controller", self->name, "reason",
                    kst_err_message(cause), NULL);
            kst_sleep_ms(FIRST_PAUSE_MS, NULL);
        } else if (rc == 0 && type == KST_WATCH_SYNCED) {
            self->synced = true;
            kst_cond_signal(&self->csi->changed);
        } else if (rc == 0) {
            object_changed(self, object);
        }
    }
    kst_watch_free(watch);
    return 0;
}

struct kst_csi_controller *kst_csi_controller_start(struct kst_csi *csi, const char *name,
                                                    const struct kst_kube_resource *resource,
                                                    kst_csi_reconcile_fn *reconcile)
{
    struct kst_csi_controller *self = kst_calloc(1, sizeof(*self));
    *self = (struct kst_csi_controller){
        .csi = csi, .name = name, .resource = resource, .reconcile = reconcile};
    self->watch = kst_fiber_spawn(kst_kube_loop(csi->kube), name, watch, self);
    return self;
}

void kst_csi_controller_stop(struct kst_csi_controller *self)
{
    self->stopping = true;
    kst_fiber_cancel(self->watch);
    kst_fiber_join(self->watch, NULL);
    for (struct item *item = self->items; item; item = item->next)
        kst_fiber_cancel(item->fiber);
    kst_shield_begin();
    while (self->items)
        kst_cond_wait(&self->csi->changed, KST_NEVER, NULL);
    kst_shield_end();
}

void kst_csi_controller_free(struct kst_csi_controller *self)
{
    if (!self)
        return;
    assert(self->stopping && !self->items);
    free(self);
}
