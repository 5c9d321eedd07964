/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/control/controller.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/selector.h"
#include "loop/fiber.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"

const struct kst_controller *const kst_all_controllers[] = {
    &kst_control_accounts,
    &kst_control_namespaces,
    &kst_control_definitions,
    &kst_control_deployments,
    &kst_control_replicasets,
    &kst_control_statefulsets,
    &kst_control_daemonsets,
    &kst_control_cronjobs,
    &kst_control_jobs,
    &kst_control_claims,
    &kst_control_scheduler,
    &kst_control_endpoints,
    &kst_control_disruptions,
    &kst_control_roles,
    &kst_control_quotas,
    &kst_control_garbage,
    NULL,
};

enum { MAX_CONTROLLERS = 24 };

struct kst_controllers {
    struct kst_control control;
    struct kst_fiber *fiber;
    struct kst_cond wake;
    bool dirty[MAX_CONTROLLERS], stopping, busy;
    int64_t again_ms[MAX_CONTROLLERS];
};

static bool cares(const struct kst_controller *controller, const char *bucket)
{
    if (!controller->buckets[0])
        return true;
    for (size_t i = 0; i < KST_CONTROLLER_BUCKETS && controller->buckets[i]; i++)
        if (strcmp(controller->buckets[i], bucket) == 0)
            return true;
    return false;
}

static void on_change(void *arg, struct kst_bucket *bucket, const struct kst_change *change)
{
    struct kst_controllers *self = arg;
    const char *name = kst_bucket_name(bucket);
    for (size_t i = 0; kst_all_controllers[i]; i++)
        self->dirty[i] = self->dirty[i] || cares(kst_all_controllers[i], name);
    kst_cond_signal(&self->wake);
}

/* One round over those that have something to do; false where none had. */
static bool round_of(struct kst_controllers *self)
{
    bool any = false;
    int64_t now = kst_now_ms();
    for (size_t i = 0; kst_all_controllers[i] && !self->stopping; i++) {
        if (!self->dirty[i] && now < self->again_ms[i])
            continue;
        any = true;
        self->dirty[i] = false;
        self->again_ms[i] = kst_all_controllers[i]->reconcile(&self->control);
    }
    return any;
}

static int run(void *arg, struct kst_err **err)
{
    struct kst_controllers *self = arg;
    while (!self->stopping) {
        self->busy = true;
        while (round_of(self))
            kst_yield();
        self->busy = false;
        int64_t next = KST_NEVER;
        for (size_t i = 0; kst_all_controllers[i]; i++)
            if (self->again_ms[i] < next)
                next = self->again_ms[i];
        if (!self->stopping && kst_cond_wait(&self->wake, next, NULL) == KST_E_CANCELLED)
            break;
    }
    return 0;
}

struct kst_controllers *kst_controllers_start(struct kst_loop *loop, struct kst_api *api,
                                              struct kst_server *server)
{
    struct kst_controllers *self = kst_calloc(1, sizeof(*self));
    self->control.api = api;
    self->control.server = server;
    for (size_t i = 0; kst_all_controllers[i]; i++) {
        self->dirty[i] = true;
        self->again_ms[i] = KST_NEVER;
    }
    kst_store_listen(kst_api_store(api), on_change, self);
    self->fiber = kst_fiber_spawn(loop, "controllers", run, self);
    return self;
}

void kst_controllers_stop(struct kst_controllers *self)
{
    if (!self)
        return;
    self->stopping = true;
    kst_cond_signal(&self->wake);
    kst_fiber_join(self->fiber, NULL);
    kst_store_unlisten(kst_api_store(self->control.api), on_change, self);
    kst_cond_release(&self->wake);
    free(self);
}

int kst_controllers_are_idle(const struct kst_controllers *self)
{
    if (self->busy)
        return 0;
    for (size_t i = 0; kst_all_controllers[i]; i++)
        if (self->dirty[i])
            return 0;
    return 1;
}

/* ---- for controllers ---- */

struct kst_control_list kst_control_list(struct kst_api *api, const char *bucket, const char *ns)
{
    struct kst_bucket *from = kst_store_bucket(kst_api_store(api), bucket);
    size_t first = 0;
    struct kst_control_list list = {0};
    kst_bucket_range(from, ns, &first, &list.count);
    list.objects = kst_malloc((list.count + 1) * sizeof(struct kst_object *));
    for (size_t i = 0; i < list.count; i++)
        list.objects[i] = kst_object_ref(kst_bucket_at(from, first + i));
    return list;
}

void kst_control_list_release(struct kst_control_list *self)
{
    kst_objects_free(self->objects, self->count);
    *self = (struct kst_control_list){0};
}

int64_t kst_control_each(const struct kst_control *control, const char *bucket, bool ending,
                         int64_t (*keep)(struct kst_api *api, const struct kst_object *object))
{
    int64_t next = KST_NEVER;
    struct kst_control_list list = kst_control_list(control->api, bucket, NULL);
    for (size_t i = 0; i < list.count; i++) {
        if (!ending && kst_api_is_deleting(list.objects[i]->json))
            continue;
        int64_t at = keep(control->api, list.objects[i]);
        next = at < next ? at : next;
    }
    kst_control_list_release(&list);
    return next;
}

struct kst_json *kst_control_owner(const char *api_version, const char *kind,
                                   const struct kst_object *owner)
{
    return kst_json_make("{'apiVersion':%s,'kind':%s,'name':%s,'uid':%s,'controller':true,"
                         "'blockOwnerDeletion':true}",
                         api_version, kind, owner->name, owner->uid);
}

int kst_control_owns(const struct kst_object *owner, const struct kst_object *object)
{
    const struct kst_json *list = kst_json_path(object->json, "metadata.ownerReferences");
    for (const struct kst_json *o = kst_json_first(list); o; o = kst_json_next(o))
        if (kst_json_path_true(o, "controller") && strcmp(kst_api_text(o, "uid"), owner->uid) == 0)
            return 1;
    return 0;
}

static int told(struct kst_json *status, const char *what, const char *bucket)
{
    if (!status)
        return 0;
    kst_logf(KST_LOG_DEBUG, "%s %s: %s", what, bucket, kst_status_message(status));
    kst_json_free(status);
    return -1;
}

int kst_control_create(struct kst_api *api, const char *bucket, const char *ns, const char *manager,
                       struct kst_json *object)
{
    const struct kst_api_call call = kst_api_call_for(api, bucket, ns, NULL, manager);
    return told(kst_api_create(api, &call, object, NULL), "create", bucket);
}

int kst_control_delete(struct kst_api *api, const char *bucket, const struct kst_object *object)
{
    const struct kst_api_call call = kst_api_call_for(api, bucket, object->ns, object->name, NULL);
    const struct kst_api_delete options = {
        .uid = object->uid, .propagation = "Background", .grace_seconds = -1};
    return told(kst_api_delete(api, &call, &options, NULL), "delete", bucket);
}

int kst_control_update(struct kst_api *api, const char *bucket, const struct kst_object *object,
                       const char *manager, struct kst_json *changed)
{
    const struct kst_api_call call = kst_api_call_for(api, bucket, object->ns, object->name,
                                                      manager);
    return told(kst_api_update(api, &call, changed, NULL, NULL), "update", bucket);
}

int kst_control_matches(const char *selector, const struct kst_json *labels)
{
    bool matches = false;
    return selector && kst_selector_matches(selector, labels, &matches, NULL) == 0 && matches;
}

int kst_control_selects(const struct kst_json *selector, const struct kst_json *labels)
{
    kst_auto_free char *text = NULL;
    if (!selector || kst_selector_text(selector, &text, NULL) < 0)
        return 0;
    return kst_control_matches(text, labels);
}

char *kst_control_hash(const struct kst_json *value, int64_t salt)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    kst_auto_free char *text = kst_json_text(value);
    unsigned long long whole = kst_hash(text, strlen(text)) + (unsigned long long)salt;
    char *hash = kst_asprintf("%" PRIu32, (uint32_t)(whole ^ (whole >> 32)));
    for (char *c = hash; *c; c++)
        *c = letters[(unsigned char)*c % (sizeof(letters) - 1)];
    return hash;
}

int64_t kst_control_scaled(const struct kst_json *value, int64_t total, int up)
{
    int64_t number = 0;
    long long percent = 0;
    const char *text = kst_json_str(value);
    if (!text)
        return kst_json_int(value, &number) ? number : 0;
    kst_auto_free char *digits = kst_strndup(text, strcspn(text, "%"));
    if (!kst_parse_int(digits, &percent))
        return 0;
    return (total * percent + (up ? 99 : 0)) / 100;
}

const struct kst_json *kst_control_condition(const struct kst_json *list, const char *type)
{
    for (const struct kst_json *c = kst_json_first(list); c; c = kst_json_next(c))
        if (strcmp(kst_api_text(c, "type"), type) == 0)
            return c;
    return NULL;
}

void kst_control_condition_remove(struct kst_json *list, const char *type)
{
    for (size_t i = kst_json_len(list); i-- > 0;)
        if (strcmp(kst_api_text(kst_json_at(list, i), "type"), type) == 0)
            kst_json_free(kst_json_detach_at(list, i));
}

const char *kst_control_annotation(const struct kst_object *object, const char *key)
{
    const char *text = kst_json_str(
        kst_json_get(kst_json_path(object->json, "metadata.annotations"), key));
    return text ? text : "";
}

int64_t kst_control_time(const char *since, int64_t after_s)
{
    int64_t us = 0;
    if (!kst_time_parse_us(since, &us))
        return kst_now_ms();
    return kst_now_ms() + us / 1000 + after_s * 1000 - kst_wall_ms();
}
