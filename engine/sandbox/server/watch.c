/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches: every change of a collection after a version, as a stream of JSON lines.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/server/ask.h"
#include "sandbox/server/httpd.h"
#include "sandbox/server/select.h"
#include "sandbox/types/fields.h"

enum { EVENT_BYTES = 16 * 1024 * 1024, BOOKMARK_MS = 60000, DEFAULT_S = 1800 };

struct watch {
    struct kst_ask *ask;
    struct kst_select select;
    int64_t version; /* all changes up to it were told */
    int64_t end_ms, bookmark_ms;
    bool bookmarks, told; /* a first event was sent: later Tables have no headers */
};

static int send(struct watch *self, const char *type, const struct kst_json *object)
{
    kst_auto_buf text = KST_BUF_INIT(EVENT_BYTES);
    kst_buf_addf(&text, "{\"type\":\"%s\",\"object\":", type);
    kst_json_print(object, KST_JSON_COMPACT, &text);
    kst_buf_adds(&text, "}\n");
    if (text.overflown)
        return KST_E_LIMIT;
    if (self->ask->fault == KST_FAULT_TRUNCATE) {
        kst_httpd_stream_write(self->ask->http, text.data, text.len / 2, NULL);
        return -1;
    }
    int rc = kst_httpd_stream_write(self->ask->http, text.data, text.len, NULL);
    return self->ask->fault == KST_FAULT_RESET_AFTER ? -1 : rc;
}

static int send_object(struct watch *self, const char *type, const struct kst_object *object)
{
    struct kst_ask *ask = self->ask;
    kst_auto_json struct kst_json *shown = kst_api_show(ask->resource, object);
    kst_auto_json struct kst_json *formed = NULL;
    if (ask->form == KST_FORM_METADATA) {
        formed = kst_ask_metadata_of(shown, ask->form_version);
    } else if (ask->form == KST_FORM_TABLE) {
        const struct kst_json *one = shown;
        formed = kst_ask_table(ask, NULL, &one, 1, self->told);
        self->told = true;
    }
    return send(self, type, formed ? formed : shown);
}

/* What a change is to somebody who sees the selected objects only. */
static int send_change(struct watch *self, const struct kst_change *change)
{
    bool was = kst_select_has(&self->select, change->before);
    bool is = kst_select_has(&self->select, change->after);
    if (is)
        return send_object(self, was ? "MODIFIED" : "ADDED", change->after);
    if (!was)
        return 0;
    if (change->last)
        return send_object(self, "DELETED", change->last);
    /* It left the selection: shown as it was, at the version of the change. */
    kst_auto_free char *version = kst_asprintf("%" PRId64, change->version);
    struct kst_object left = *change->before;
    kst_auto_json struct kst_json *json = kst_json_dup(change->before->json);
    kst_json_set_str(kst_json_mut(json, "metadata"), "resourceVersion", version);
    left.json = json;
    return send_object(self, "DELETED", &left);
}

static int send_bookmark(struct watch *self)
{
    const struct kst_resource *resource = self->ask->resource;
    kst_auto_free char *version = kst_asprintf("%" PRId64, self->version);
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'kind':%s,'apiVersion':%s,'metadata':{'resourceVersion':%s,'creationTimestamp':null}}",
        resource->kind, resource->api_version, version);
    /* It is an empty object of its kind, which says more than nothing in the API's own types. */
    const char *zero = resource->flags & KST_RES_CUSTOM
                           ? NULL
                           : kst_fields_zero(resource->group, resource->kind);
    kst_auto_json struct kst_json *fields = zero ? kst_json_make(zero) : NULL;
    for (const struct kst_json *f = kst_json_first(fields); f; f = kst_json_next(f))
        kst_json_set(object, kst_json_key(f), kst_json_dup(f));
    self->bookmark_ms = kst_now_ms() + BOOKMARK_MS;
    return send(self, "BOOKMARK", object);
}

static int send_gone(struct watch *self, int64_t version)
{
    kst_auto_json struct kst_json *status = kst_status_expired(
        "too old resource version: %" PRId64 " (%" PRId64 ")", version,
        kst_store_version(kst_api_store(self->ask->server->api)));
    send(self, "ERROR", status);
    return -1;
}

/* Every object that is there now, as if it were new. */
static int send_state(struct watch *self)
{
    struct kst_store *store = kst_api_store(self->ask->server->api);
    struct kst_object **objects = NULL;
    size_t count = 0;
    self->version = kst_store_version(store);
    int rc = 0;
    if (kst_bucket_snapshot(self->ask->resource->bucket, self->version, &objects, &count))
        for (size_t i = 0; i < count && rc == 0; i++)
            if (kst_select_has(&self->select, objects[i]))
                rc = send_object(self, "ADDED", objects[i]);
    kst_objects_free(objects, count);
    return rc;
}

static void wake(void *arg)
{
    kst_cond_signal(kst_bucket_changed(arg));
}

static int64_t next_wake(const struct watch *self)
{
    bool mark = self->bookmarks && self->bookmark_ms < self->end_ms;
    return mark ? self->bookmark_ms : self->end_ms;
}

static void follow(struct watch *self)
{
    struct kst_bucket *bucket = self->ask->resource->bucket;
    const struct kst_change *change = NULL;
    while (!kst_httpd_is_gone(self->ask->http) && self->ask->resource->served) {
        int found = kst_bucket_next(bucket, self->version, &change);
        if (found < 0) {
            send_gone(self, self->version);
            return;
        }
        if (found > 0) {
            /* Writing may wait, and the bucket change meanwhile. */
            struct kst_change held = {.version = change->version,
                                      .before = kst_object_ref(change->before),
                                      .after = kst_object_ref(change->after),
                                      .last = kst_object_ref(change->last)};
            int rc = send_change(self, &held);
            self->version = held.version;
            kst_object_unref(held.before);
            kst_object_unref(held.after);
            kst_object_unref(held.last);
            if (rc < 0)
                return;
            continue;
        }
        int64_t now = kst_now_ms();
        if (self->bookmarks && now >= self->bookmark_ms && send_bookmark(self) < 0)
            return;
        if (now >= self->end_ms) {
            if (self->bookmarks)
                send_bookmark(self);
            return;
        }
        if (kst_cond_wait(kst_bucket_changed(bucket), next_wake(self), NULL) == KST_E_CANCELLED)
            return;
    }
}

/* Where it begins: 1 from the present state, 0 after self->version, or a Status. */
static struct kst_json *begin_at(struct watch *self, bool *from_state)
{
    const char *version = kst_httpd_query(self->ask->http, "resourceVersion");
    long long asked = 0;
    *from_state = !version || !*version || strcmp(version, "0") == 0;
    if (*from_state)
        return NULL;
    if (!kst_parse_int(version, &asked) || asked < 0)
        return kst_status_bad_version(version);
    self->version = asked;
    return NULL;
}

void kst_serve_watch(struct kst_ask *ask)
{
    struct watch self = {.ask = ask, .bookmarks = kst_ask_flag(ask, "allowWatchBookmarks")};
    const char *timeout = kst_httpd_query(ask->http, "timeoutSeconds");
    kst_auto_free char *fields = NULL;
    const char *given = kst_httpd_query(ask->http, "fieldSelector");
    long long seconds = 0;
    bool from_state = false;
    if (*ask->name) /* the old form: a watch of one object */
        fields = kst_asprintf("%s%smetadata.name=%s", given ? given : "", given ? "," : "",
                              ask->name);
    struct kst_json *status = kst_select_init(&self.select, ask->resource, ask->ns,
                                              kst_httpd_query(ask->http, "labelSelector"),
                                              fields ? fields : given);
    if (!status)
        status = begin_at(&self, &from_state);
    if (status) {
        kst_ask_status(ask, status);
        kst_select_release(&self.select);
        return;
    }
    if (!timeout || !kst_parse_int(timeout, &seconds) || seconds <= 0)
        seconds = DEFAULT_S;
    self.end_ms = kst_now_ms() + kst_api_ms(seconds);
    self.bookmark_ms = kst_now_ms() + BOOKMARK_MS;
    ask->code = 200;
    kst_httpd_stream_begin(ask->http, 200, "application/json");
    kst_httpd_on_gone(ask->http, wake, ask->resource->bucket);
    int rc = 0;
    if (ask->fault == KST_FAULT_410)
        rc = send_gone(&self, self.version);
    else if (from_state)
        rc = send_state(&self);
    else if (!kst_bucket_remembers(ask->resource->bucket, self.version))
        rc = send_gone(&self, self.version);
    if (rc == 0)
        follow(&self);
    kst_httpd_on_gone(ask->http, NULL, NULL);
    if (ask->fault == KST_FAULT_RESET_AFTER || ask->fault == KST_FAULT_TRUNCATE)
        kst_httpd_reset(ask->http);
    else
        kst_httpd_stream_end(ask->http);
    kst_select_release(&self.select);
}
