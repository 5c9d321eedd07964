/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker a client sends the events one after the other, so that the order holds and the run
 * never waits for them. Those of the last minutes are remembered: a repeat raises a count.
 * https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
 */
#include "kube/event.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/internal.h"
#include "kube/resource.h"
#include "loop/fiber.h"
#include "loop/loop.h"

enum {
    TEXT_BYTES = 1024, /* the API's limit of a message */
    SEND_MS = 5000,
    FLUSH_MS = 2000,
    REMEMBERED = 32,
    WAITING = 256,
};

struct item {
    struct item *next;
    struct kst_json *event;
    unsigned long long hash;
};

struct events {
    struct kst_kube *kube;
    struct kst_timer *start;
    struct kst_fiber *worker;
    struct kst_cond changed;
    struct item *first, **last;
    unsigned waiting;
    bool sending;
    /* The event objects that were made, by what they say. */
    struct {
        unsigned long long hash;
        char *ns, *name;
        int64_t count;
    } made[REMEMBERED];
    unsigned next_made;
};

static void free_item(struct item *self)
{
    kst_json_free(self->event);
    free(self);
}

static void release(void *value)
{
    struct events *self = value;
    kst_timer_stop(self->start);
    if (self->worker) {
        kst_fiber_cancel(self->worker);
        kst_fiber_join(self->worker, NULL);
    }
    while (self->first) {
        struct item *next = self->first->next;
        free_item(self->first);
        self->first = next;
    }
    for (size_t i = 0; i < REMEMBERED; i++) {
        free(self->made[i].ns);
        free(self->made[i].name);
    }
    kst_cond_release(&self->changed);
    free(self);
}

static int repeat(struct events *self, size_t slot, const struct item *item, struct kst_err **err)
{
    int64_t count = self->made[slot].count + 1;
    kst_auto_json struct kst_json *patch = kst_json_make(
        "{'count':%L,'lastTimestamp':%s}", count, kst_json_path_str(item->event, "lastTimestamp"));
    int rc = kst_kube_patch(self->kube, &kst_res_events, self->made[slot].ns, self->made[slot].name,
                            NULL, KST_PATCH_MERGE, patch, NULL, err);
    if (rc == 0)
        self->made[slot].count = count;
    return rc;
}

static int send_item(struct events *self, const struct item *item, struct kst_err **err)
{
    for (size_t i = 0; i < REMEMBERED; i++) {
        if (self->made[i].name && self->made[i].hash == item->hash) {
            struct kst_err *cause = NULL;
            int rc = repeat(self, i, item, &cause);
            if (rc != KST_E_NOT_FOUND)
                return rc < 0 ? kst_err_move(err, &cause) : 0;
            kst_err_clear(&cause); /* it has expired */
            free(kst_take(self->made[i].name));
        }
    }
    const char *ns = kst_json_path_str(item->event, "metadata.namespace");
    int rc = kst_kube_create(self->kube, &kst_res_events, ns, item->event, false, NULL, err);
    if (rc < 0)
        return rc;
    size_t slot = self->next_made++ % REMEMBERED;
    free(self->made[slot].ns);
    free(self->made[slot].name);
    self->made[slot].hash = item->hash;
    self->made[slot].ns = kst_strdup(ns);
    self->made[slot].name = kst_strdup(kst_json_path_str(item->event, "metadata.name"));
    self->made[slot].count = 1;
    return 0;
}

static int work(void *arg, struct kst_err **err)
{
    struct events *self = arg;
    for (;;) {
        while (!self->first) {
            int rc = kst_cond_wait(&self->changed, KST_NEVER, err);
            if (rc < 0)
                return rc;
        }
        struct item *item = self->first;
        self->first = item->next;
        if (!self->first)
            self->last = &self->first;
        self->waiting--;
        self->sending = true;
        kst_auto_err struct kst_err *cause = NULL;
        int64_t before = kst_deadline_set(kst_deadline_in_ms(SEND_MS));
        int rc = send_item(self, item, &cause);
        kst_deadline_restore(before);
        if (rc < 0)
            kst_log(KST_LOG_DEBUG, "an event was not sent", "event",
                    kst_json_path_str(item->event, "reason"), "reason", kst_err_message(cause),
                    NULL);
        free_item(item);
        self->sending = false;
        kst_cond_signal(&self->changed);
    }
}

/* From a timer: the worker inherits no deadline and no cancellation of who emitted first. */
static void start_worker(void *arg)
{
    struct events *self = arg;
    self->start = NULL;
    self->worker = kst_fiber_spawn(kst_kube_loop(self->kube), "events", work, self);
}

static struct events *events_of(struct kst_kube *kube)
{
    struct kst_kube *root = kst_kube_root(kube);
    struct events *self = kst_kube_get_slot(root, KST_KUBE_SLOT_EVENT);
    if (self)
        return self;
    self = kst_calloc(1, sizeof(*self));
    self->kube = root;
    self->last = &self->first;
    self->start = kst_timer_start(kst_kube_loop(root), kst_now_ms(), start_worker, self);
    kst_kube_set_slot(root, KST_KUBE_SLOT_EVENT, self, release);
    return self;
}

/* At most TEXT_BYTES of it, not in the middle of a character. */
static char *cut_text(const char *text)
{
    size_t len = strlen(text);
    if (len <= TEXT_BYTES)
        return kst_strdup(text);
    len = TEXT_BYTES - 3;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    return kst_asprintf("%.*s...", (int)len, text);
}

static struct kst_json *make_event(const struct kst_json *object, enum kst_event_type type,
                                   const char *reason, const char *message,
                                   unsigned long long *hash)
{
    char now[KST_TIME_TEXT];
    kst_time_format(kst_wall_ms(), now);
    const char *ns = kst_json_path_str(object, "metadata.namespace");
    const char *name = kst_json_path_str(object, "metadata.name");
    const char *uid = kst_json_path_str(object, "metadata.uid");
    kst_auto_free char *text = cut_text(message);
    kst_auto_free char *all = kst_asprintf("%s\n%s\n%s\n%s", uid ? uid : "", name ? name : "",
                                           reason, text);
    *hash = kst_hash(all, strlen(all));
    /* As client-go names them: the object and the moment. */
    kst_auto_free char *event_name = kst_asprintf("%.200s.%llx", name ? name : "kassette",
                                                  (unsigned long long)kst_wall_us());
    return kst_json_make(
        "{'apiVersion':'v1','kind':'Event','metadata':{'name':%s,'namespace':%s},"
        "'involvedObject':{'apiVersion':%s,'kind':%s,'namespace':%s,'name':%s,'uid':%s,"
        "'resourceVersion':%s},'reason':%s,'message':%s,'type':%s,'count':1,"
        "'firstTimestamp':%s,'lastTimestamp':%s,'source':{'component':'kassette'}}",
        event_name, ns ? ns : "default", kst_json_path_str(object, "apiVersion"),
        kst_json_path_str(object, "kind"), ns, name, uid,
        kst_json_path_str(object, "metadata.resourceVersion"), reason, text,
        type == KST_EVENT_WARNING ? "Warning" : "Normal", now, now);
}

void kst_event_emit(struct kst_kube *kube, const struct kst_json *object, enum kst_event_type type,
                    const char *reason, const char *message)
{
    struct events *self = events_of(kube);
    if (self->waiting >= WAITING) {
        kst_log(KST_LOG_DEBUG, "an event was not sent", "event", reason, "reason",
                "too many are waiting", NULL);
        return;
    }
    struct item *item = kst_calloc(1, sizeof(*item));
    item->event = make_event(object, type, reason, message, &item->hash);
    *self->last = item;
    self->last = &item->next;
    self->waiting++;
    kst_cond_signal(&self->changed);
}

void kst_event_flush(struct kst_kube *kube)
{
    struct events *self = kst_kube_get_slot(kst_kube_root(kube), KST_KUBE_SLOT_EVENT);
    int64_t deadline_ms = kst_deadline_in_ms(FLUSH_MS);
    kst_shield_begin();
    int64_t before = kst_deadline_replace(KST_NEVER);
    while (self && (self->first || self->sending) &&
           kst_cond_wait(&self->changed, deadline_ms, NULL) == 0)
        continue;
    kst_deadline_restore(before);
    kst_shield_end();
}
