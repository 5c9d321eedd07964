/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A watch is a list, then a stream of changes from the list's resourceVersion on. What is known of
 * each object is kept, so that a list after a gap (410 Gone) can be told as the changes it amounts
 * to. States: LIST (nothing known, or a gap), CONNECT (a version to go on from), STREAM.
 */
#include "kube/watch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client_internal.h"
#include "kube/resource.h"
#include "loop/fiber.h"

enum {
    PATH_BYTES = 64 * 1024,
    LINE_BYTES = 16 * 1024 * 1024, /* two of the largest objects that etcd takes, and more */
    READ_BYTES = 256 * 1024,
    ERROR_BYTES = 64 * 1024,
    SERVER_SECONDS = 290, /* after which the server ends the stream by itself */
    /* Bookmarks come about every minute: a stream without a byte for longer may be dead, and going
     * on in a new one costs nothing. */
    STALL_MS = 90 * 1000,
    OPEN_MS = 10 * 1000, /* until the headers are there, which a server sends at once */
    STEADY_MS = 1000,
};

/* SEEN and MODIFIED tell of the object as it is known when the event is taken out. */
struct event {
    enum kst_watch_type type;
    char *key;
    struct kst_json *last; /* DELETED only */
};

enum state { LIST, CONNECT, STREAM };

struct kst_watch {
    struct kst_kube *kube;
    const struct kst_kube_resource *resource;
    char *ns, *label_selector, *field_selector, *what;
    enum state state;
    bool synced;            /* the first list was told */
    struct kst_json *known; /* "namespace/name" to object */
    char *version;
    struct kst_http_stream *stream;
    struct kst_buf data;
    int64_t opened_ms;
    bool renewed;                 /* credentials, since the last good answer */
    uint64_t rejected_generation; /* of the credentials; 0: none */
    struct kst_kube_backoff backoff;
    struct event *events;
    size_t first, count, size;
    struct kst_json *gone; /* the object of the last DELETED event */
};

struct kst_watch *kst_watch_new(struct kst_kube *kube, const struct kst_kube_resource *resource,
                                const char *ns, const struct kst_watch_options *options)
{
    struct kst_watch *self = kst_calloc(1, sizeof(*self));
    self->kube = kube;
    self->resource = resource;
    self->ns = kst_strdup(ns);
    const char *name = options ? options->name : NULL;
    if (options) {
        self->label_selector = kst_strdup(options->label_selector);
        self->field_selector = kst_strdup(options->field_selector);
    }
    if (name) {
        free(self->field_selector);
        self->field_selector = options->field_selector ? kst_asprintf("metadata.name=%s,%s", name,
                                                                      options->field_selector)
                                                       : kst_asprintf("metadata.name=%s", name);
    }
    self->what = name ? kst_kube_what(resource, ns, name)
                      : kst_asprintf("%s%s%s", resource->plural, ns ? " in " : "", ns ? ns : "");
    self->known = kst_json_object();
    self->data = (struct kst_buf)KST_BUF_INIT(LINE_BYTES);
    return self;
}

static void close_stream(struct kst_watch *self)
{
    if (!self->stream)
        return;
    kst_http_close(self->stream);
    self->stream = NULL;
    self->kube->under_way--;
}

void kst_watch_free(struct kst_watch *self)
{
    if (!self)
        return;
    close_stream(self);
    for (size_t i = self->first; i < self->count; i++) {
        free(self->events[i].key);
        kst_json_free(self->events[i].last);
    }
    free(self->events);
    kst_json_free(self->known);
    kst_json_free(self->gone);
    kst_buf_release(&self->data);
    free(self->ns);
    free(self->label_selector);
    free(self->field_selector);
    free(self->what);
    free(self->version);
    free(self);
}

/* ---- Changes of what is known, and the events that tell them ---- */

static void add_event(struct kst_watch *self, enum kst_watch_type type, const char *key,
                      struct kst_json *last)
{
    if (self->first == self->count)
        self->first = self->count = 0;
    if (self->count == self->size) {
        self->size = self->size ? self->size * 2 : 16;
        self->events = kst_realloc(self->events, self->size * sizeof(*self->events));
    }
    self->events[self->count++] = (struct event){type, kst_strdup(key), last};
}

static char *key_of(const struct kst_json *object)
{
    const char *ns = kst_json_path_str(object, "metadata.namespace");
    const char *name = kst_json_path_str(object, "metadata.name");
    return kst_asprintf("%s/%s", ns ? ns : "", name ? name : "");
}

static bool same_text(const struct kst_json *a, const struct kst_json *b, const char *path)
{
    const char *left = kst_json_path_str(a, path), *right = kst_json_path_str(b, path);
    return left && right && strcmp(left, right) == 0;
}

static void forget(struct kst_watch *self, const char *key, struct kst_json *last)
{
    struct kst_json *known = kst_json_detach(self->known, key);
    if (!known) {
        kst_json_free(last);
        return;
    }
    if (last)
        kst_json_free(known);
    add_event(self, KST_WATCH_DELETED, key, last ? last : known);
}

/* Takes the object. */
static void learn(struct kst_watch *self, const char *key, struct kst_json *object)
{
    const struct kst_json *known = kst_json_get(self->known, key);
    if (known && !same_text(known, object, "metadata.uid")) {
        forget(self, key, NULL); /* another object of the same name */
        known = NULL;
    }
    if (known && same_text(known, object, "metadata.resourceVersion")) {
        kst_json_free(object);
        return;
    }
    kst_json_set(self->known, key, object);
    add_event(self, known ? KST_WATCH_MODIFIED : KST_WATCH_SEEN, key, NULL);
}

static bool take_event(struct kst_watch *self, enum kst_watch_type *type,
                       const struct kst_json **object)
{
    while (self->first < self->count) {
        struct event event = self->events[self->first++];
        const struct kst_json *known = event.key ? kst_json_get(self->known, event.key) : NULL;
        free(event.key);
        kst_json_free(self->gone);
        self->gone = event.last;
        *type = event.type;
        *object = event.type == KST_WATCH_DELETED ? event.last : known;
        if (*object || event.type == KST_WATCH_SYNCED)
            return true;
        /* It is gone meanwhile; a later event says so. */
    }
    return false;
}

/* ---- Listing ---- */

struct listing {
    struct kst_watch *watch;
    struct kst_json *seen; /* "namespace/name" to object */
};

static int list_one(void *arg, const struct kst_json *object, struct kst_err **err)
{
    struct listing *self = arg;
    kst_auto_free char *key = key_of(object);
    kst_json_set(self->seen, key, kst_json_dup(object));
    return 0;
}

static void list_again(void *arg)
{
    struct listing *self = arg;
    kst_json_free(self->seen);
    self->seen = kst_json_object();
}

static void tell_differences(struct kst_watch *self, struct kst_json *seen)
{
    const struct kst_json *entry = kst_json_first(self->known);
    while (entry) {
        const struct kst_json *next = kst_json_next(entry);
        if (!kst_json_get(seen, kst_json_key(entry))) {
            kst_auto_free char *key = kst_strdup(kst_json_key(entry));
            forget(self, key, NULL);
        }
        entry = next;
    }
    while ((entry = kst_json_first(seen)) != NULL) {
        kst_auto_free char *key = kst_strdup(kst_json_key(entry));
        learn(self, key, kst_json_detach(seen, key));
    }
    if (!self->synced)
        add_event(self, KST_WATCH_SYNCED, NULL, NULL);
    self->synced = true;
}

static int do_list(struct kst_watch *self, struct kst_err **err)
{
    const struct kst_kube_list_options options = {
        .label_selector = self->label_selector,
        .field_selector = self->field_selector,
    };
    struct listing listing = {self, kst_json_object()};
    char *version = NULL;
    int rc = kst_kube_list_each(self->kube, self->resource, self->ns, &options, list_one,
                                list_again, &listing, &version, err);
    if (rc == 0) {
        tell_differences(self, listing.seen);
        free(self->version);
        self->version = version ? version : kst_strdup("0");
        self->state = CONNECT;
    }
    kst_json_free(listing.seen);
    return rc;
}

/* ---- The stream ---- */

static int make_path(const struct kst_watch *self, struct kst_buf *path, struct kst_err **err)
{
    kst_auto_free char *seconds = kst_asprintf("%d", SERVER_SECONDS);
    kst_kube_path(self->resource, self->ns, NULL, NULL, path);
    kst_kube_add_query(path, "watch", "1");
    kst_kube_add_query(path, "allowWatchBookmarks", "true");
    kst_kube_add_query(path, "timeoutSeconds", seconds);
    kst_kube_add_query(path, "labelSelector", self->label_selector);
    kst_kube_add_query(path, "fieldSelector", self->field_selector);
    kst_kube_add_query(path, "resourceVersion", self->version);
    return kst_buf_check(path, "the watch's selectors", err);
}

static void lose_stream(struct kst_watch *self, enum state state)
{
    close_stream(self);
    kst_buf_clear(&self->data);
    self->state = state;
}

/* A Status, as the answer or in the stream. Returns 0 where the watch can go on (after a pause
 * where *pause is set). */
static int judge_status(struct kst_watch *self, long code, const struct kst_json *status,
                        struct kst_str text, bool *pause, struct kst_err **err)
{
    const struct kst_kube_about about = {.what = self->what, .verb = "watch"};
    struct kst_err *cause = NULL;
    long number = code ? code : (long)kst_json_path_int(status, "code", 0);
    int rc = kst_kube_status_error(self->kube, &about, code, status, text, &cause);
    if (rc == KST_E_GONE || number == 410) {
        lose_stream(self, LIST);
        kst_err_clear(&cause);
        return 0;
    }
    lose_stream(self, CONNECT);
    if (!kst_kube_status_is_passing(number))
        return kst_err_move(err, &cause);
    kst_log(KST_LOG_DEBUG, "watch failed, trying again", "object", self->what, "reason",
            kst_err_message(cause), NULL);
    kst_err_clear(&cause);
    *pause = true;
    return 0;
}

static int read_refusal(struct kst_watch *self, long code, bool *pause, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(ERROR_BYTES);
    kst_auto_json struct kst_json *status = NULL;
    while (text.len < ERROR_BYTES &&
           kst_http_read(self->stream, &text, ERROR_BYTES, kst_deadline_get(), NULL) > 0)
        continue;
    if (text.len && text.data[0] == '{')
        kst_json_parse(text.data, text.len, &status, NULL);
    return judge_status(self, code, status, kst_str_buf(&text), pause, err);
}

/* Whether a failure of the connection may pass; else *err is the result. Takes *cause. */
static int judge_failure(struct kst_watch *self, int code, bool sent, bool *pause,
                         struct kst_err **cause, struct kst_err **err)
{
    const struct kst_kube_about about = {.what = self->what, .verb = "watch"};
    bool broken = code == KST_E_CLOSED || code == KST_E_UNREACHABLE || code == KST_E_TIMEOUT;
    if (!broken || kst_fiber_check(NULL) < 0)
        return kst_err_move(err, cause);
    kst_kube_transport_error(self->kube, &about, sent, cause);
    if (kst_kube_error_is_lasting(*cause) && self->kube->patience_ms != KST_NEVER)
        return kst_err_move(err, cause);
    kst_log(KST_LOG_DEBUG, "watch interrupted, going on", "object", self->what, "reason",
            kst_err_message(*cause), NULL);
    kst_err_clear(cause);
    lose_stream(self, CONNECT);
    *pause = true;
    return 0;
}

static int connect_stream(struct kst_watch *self, int64_t *retry_after_ms, bool *pause,
                          struct kst_err **err)
{
    static const char *const headers[] = {"Accept: application/json", NULL};
    kst_auto_buf path = KST_BUF_INIT(PATH_BYTES);
    kst_auto_call call = {0};
    uint64_t rejected = self->rejected_generation;
    self->rejected_generation = 0;
    int rc = make_path(self, &path, err);
    if (rc == 0)
        rc = rejected ? kst_kube_call_init_rejected(self->kube, &call, "GET", path.data, headers,
                                                    rejected, err)
                      : kst_kube_call_init(self->kube, &call, "GET", path.data, headers, err);
    if (rc < 0)
        return rc;
    struct kst_http_response response = {.retry_after_ms = -1};
    struct kst_err *cause = NULL;
    call.request.stall_timeout_ms = STALL_MS;
    kst_kube_call_trace(self->kube, "GET", path.data, 0, 0);
    int64_t started = kst_now_us(), before = kst_deadline_set(kst_deadline_in_ms(OPEN_MS));
    rc = kst_http_open(self->kube->loop, &call.request, &response, &self->stream, &cause);
    kst_deadline_restore(before);
    kst_kube_call_trace(self->kube, "GET", path.data, response.status, kst_now_us() - started);
    if (rc < 0) {
        rc = judge_failure(self, rc, response.sent, pause, &cause, err);
        kst_http_response_release(&response);
        return rc;
    }
    self->kube->under_way++;
    *retry_after_ms = response.retry_after_ms;
    long code = response.status;
    kst_http_response_release(&response);
    if (code == 200) {
        self->renewed = false;
        self->opened_ms = kst_now_ms();
        self->state = STREAM;
        return 0;
    }
    if (code == 401 && !self->renewed) {
        self->renewed = true;
        self->rejected_generation = call.generation;
        lose_stream(self, CONNECT);
        return 0;
    }
    return read_refusal(self, code, pause, err);
}

/* One line of the stream: {"type":…,"object":…}. */
static int take_line(struct kst_watch *self, const char *line, size_t len, bool *pause,
                     struct kst_err **err)
{
    kst_auto_json struct kst_json *event = NULL;
    struct kst_err *cause = NULL;
    if (kst_json_parse(line, len, &event, &cause) < 0) {
        kst_err_clear(&cause);
        kst_err_set(&cause, KST_E_CLOSED, "a line of the watch is not JSON");
        return judge_failure(self, KST_E_CLOSED, true, pause, &cause, err);
    }
    const char *type = kst_json_path_str(event, "type");
    type = type ? type : "";
    kst_auto_json struct kst_json *object = kst_json_detach(event, "object");
    if (strcmp(type, "ERROR") == 0)
        return judge_status(self, 0, object, kst_str_of(NULL), pause, err);
    const char *version = kst_json_path_str(object, "metadata.resourceVersion");
    if (version && *version) {
        free(self->version);
        self->version = kst_strdup(version);
    }
    kst_auto_free char *key = key_of(object);
    if (strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0)
        learn(self, key, kst_take(object));
    else if (strcmp(type, "DELETED") == 0)
        forget(self, key, kst_take(object));
    return 0;
}

static int take_lines(struct kst_watch *self, bool *pause, struct kst_err **err)
{
    size_t at = 0;
    int rc = 0;
    while (rc == 0 && self->state == STREAM && at < self->data.len) {
        const char *line = self->data.data + at;
        const char *end = memchr(line, '\n', self->data.len - at);
        if (!end)
            break;
        at += (size_t)(end - line) + 1;
        if (end > line)
            rc = take_line(self, line, (size_t)(end - line), pause, err);
    }
    kst_buf_drop(&self->data, at);
    return rc;
}

static int read_stream(struct kst_watch *self, bool *pause, struct kst_err **err)
{
    struct kst_err *cause = NULL;
    int64_t count = kst_http_read(self->stream, &self->data, READ_BYTES, kst_deadline_get(),
                                  &cause);
    if (count == KST_E_TIMEOUT && kst_fiber_check(NULL) < 0)
        return kst_err_move(err, &cause); /* our own deadline: the stream goes on later */
    if (count > 0) {
        kst_kube_backoff_reset(&self->backoff);
        return take_lines(self, pause, err);
    }
    if (count == KST_E_LIMIT) { /* a line of 16 MiB: a list is told in pages */
        kst_err_clear(&cause);
        lose_stream(self, LIST);
        *pause = true;
        return 0;
    }
    if (count < 0)
        return judge_failure(self, (int)count, true, pause, &cause, err);
    *pause = kst_now_ms() - self->opened_ms < STEADY_MS;
    lose_stream(self, CONNECT);
    return 0;
}

/* A failure of a list that may pass by trying again. */
static bool may_pass(const struct kst_watch *self, int code, const struct kst_err *cause)
{
    bool passing = code == KST_E_UNREACHABLE || code == KST_E_CLOSED || code == KST_E_SERVER ||
                   code == KST_E_TIMEOUT || code == KST_E_GONE;
    return passing && kst_fiber_check(NULL) == 0 &&
           (self->kube->patience_ms == KST_NEVER || !kst_kube_error_is_lasting(cause));
}

static int step(struct kst_watch *self, struct kst_err **err)
{
    int64_t retry_after_ms = -1;
    bool pause = false;
    int rc;
    if (self->state == LIST) {
        struct kst_err *cause = NULL;
        rc = do_list(self, &cause);
        if (rc < 0 && !may_pass(self, rc, cause))
            return kst_err_move(err, &cause);
        pause = rc < 0;
        rc = 0;
        kst_err_clear(&cause);
    } else if (self->state == CONNECT) {
        rc = connect_stream(self, &retry_after_ms, &pause, err);
    } else {
        rc = read_stream(self, &pause, err);
    }
    if (rc == 0 && pause)
        rc = kst_sleep_ms(kst_kube_backoff_next_ms(&self->backoff, retry_after_ms), err);
    return rc;
}

int kst_watch_next(struct kst_watch *self, int64_t deadline_ms, enum kst_watch_type *type,
                   const struct kst_json **object, struct kst_err **err)
{
    int64_t before = kst_deadline_set(deadline_ms);
    int rc = 0;
    while (rc == 0 && !take_event(self, type, object))
        rc = step(self, err);
    kst_deadline_restore(before);
    return rc;
}

/* ---- Waiting for one object ---- */

/* What is waited for, as far as it is known. */
struct waiting {
    struct kst_watch *watch;
    int (*ready)(void *arg, const struct kst_json *object, struct kst_err **err);
    void *arg;
    const struct kst_json *object; /* borrowed from the watch; NULL: does not exist */
    bool known;                    /* the server has told whether it exists */
};

static int wait_on(struct waiting *self, int64_t deadline_ms, struct kst_err **err)
{
    for (;;) {
        enum kst_watch_type type;
        const struct kst_json *object;
        int rc = kst_watch_next(self->watch, deadline_ms, &type, &object, err);
        if (rc < 0)
            return rc;
        self->known = true;
        if (type == KST_WATCH_SYNCED && self->object)
            continue; /* it was asked about already */
        if (type != KST_WATCH_SYNCED)
            self->object = type == KST_WATCH_DELETED ? NULL : object;
        rc = self->ready(self->arg, self->object, err);
        if (rc != 0)
            return rc < 0 ? rc : 0;
    }
}

int kst_watch_until(struct kst_kube *kube, const struct kst_kube_resource *resource, const char *ns,
                    const char *name,
                    int (*ready)(void *arg, const struct kst_json *object, struct kst_err **err),
                    void *arg, int64_t deadline_ms, const char *what, struct kst_json **out,
                    struct kst_err **err)
{
    const struct kst_watch_options options = {.name = name};
    struct waiting waiting = {
        .watch = kst_watch_new(kube, resource, ns, &options),
        .ready = ready,
        .arg = arg,
    };
    struct kst_err *cause = NULL;
    int64_t started = kst_now_ms();
    int rc = wait_on(&waiting, deadline_ms, &cause);
    if (rc == KST_E_TIMEOUT && kst_now_ms() >= deadline_ms) {
        char waited[KST_TIME_TEXT];
        kst_auto_free char *object = kst_kube_what(resource, ns, name);
        kst_duration_format(kst_now_ms() - started, waited);
        kst_err_clear(&cause);
        kst_err_set(&cause, rc, "%s: waited %s for it %s, which did not happen%s", object, waited,
                    what,
                    waiting.object  ? ""
                    : waiting.known ? "; it does not exist"
                                    : "; the API server has told nothing of it");
    }
    if (rc == 0 && out)
        *out = waiting.object ? kst_json_dup(waiting.object) : NULL;
    kst_watch_free(waiting.watch);
    return rc < 0 ? kst_err_move(err, &cause) : 0;
}
