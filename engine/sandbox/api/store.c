/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/api/store.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

/* How many changes a bucket remembers: enough that a watch which is read at all never misses one,
 * little enough that neither a busy Lease nor large objects fill the memory. */
enum { REMEMBERED = 4096, REMEMBERED_BYTES = 32 * 1024 * 1024, MAX_LISTENERS = 16 };

struct kst_bucket {
    struct kst_store *store;
    char *name;
    struct kst_object **objects; /* sorted */
    size_t count, size;
    struct kst_change *changes; /* a ring of REMEMBERED, made with the first change */
    size_t first_change, nchanges;
    size_t changes_bytes;
    int64_t forgotten; /* changes up to this version are not known */
    struct kst_cond changed;
};

struct listener {
    kst_store_listener *call;
    void *arg;
};

struct kst_store {
    int64_t version;
    struct kst_bucket **buckets;
    size_t nbuckets;
    struct listener listeners[MAX_LISTENERS];
    size_t nlisteners;
};

struct kst_object *kst_object_ref(struct kst_object *self)
{
    if (self)
        self->refs++;
    return self;
}

void kst_object_unref(struct kst_object *self)
{
    if (!self || --self->refs > 0)
        return;
    kst_json_free(self->json);
    free(self);
}

/* Keys and texts as they are, and a tag and a length for each, as in protocol buffers. */
size_t kst_object_bytes(const struct kst_json *json)
{
    const char *text = kst_json_str(json), *number = kst_json_number(json);
    size_t bytes = 2 + (text ? strlen(text) : 0) + (number ? strlen(number) : 0);
    for (const struct kst_json *e = kst_json_first(json); e; e = kst_json_next(e))
        bytes += kst_object_bytes(e) + (kst_json_key(e) ? strlen(kst_json_key(e)) + 2 : 0);
    return bytes;
}

static const char *text_at(const struct kst_json *json, const char *path)
{
    const char *text = kst_json_path_str(json, path);
    return text ? text : "";
}

static struct kst_object *object_new(struct kst_json *json, int64_t version)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, version);
    struct kst_json *metadata = kst_json_ensure_object(json, "metadata");
    kst_json_set_str(metadata, "resourceVersion", text);
    struct kst_object *self = kst_calloc(1, sizeof(*self));
    self->refs = 1;
    self->version = version;
    self->json = json;
    self->bytes = kst_object_bytes(json);
    self->ns = text_at(json, "metadata.namespace");
    self->name = text_at(json, "metadata.name");
    self->uid = text_at(json, "metadata.uid");
    return self;
}

struct kst_store *kst_store_new(void)
{
    return kst_calloc(1, sizeof(struct kst_store));
}

static void change_release(struct kst_change *self)
{
    kst_object_unref(self->before);
    kst_object_unref(self->after);
    kst_object_unref(self->last);
    *self = (struct kst_change){0};
}

/* What a change holds that none before it does. */
static size_t change_bytes(const struct kst_change *self)
{
    return (self->after ? self->after->bytes : 0) + (self->last ? self->last->bytes : 0);
}

static void forget_changes(struct kst_bucket *self, size_t count)
{
    while (count-- && self->nchanges) {
        struct kst_change *change = &self->changes[self->first_change];
        self->forgotten = change->version;
        self->changes_bytes -= change_bytes(change);
        change_release(change);
        self->first_change = (self->first_change + 1) % REMEMBERED;
        self->nchanges--;
    }
}

static void bucket_free(struct kst_bucket *self)
{
    forget_changes(self, self->nchanges);
    free(self->changes);
    for (size_t i = 0; i < self->count; i++)
        kst_object_unref(self->objects[i]);
    free(self->objects);
    kst_cond_release(&self->changed);
    free(self->name);
    free(self);
}

void kst_store_free(struct kst_store *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < self->nbuckets; i++)
        bucket_free(self->buckets[i]);
    free(self->buckets);
    free(self);
}

int64_t kst_store_version(const struct kst_store *self)
{
    return self->version;
}

void kst_store_compact(struct kst_store *self)
{
    for (size_t i = 0; i < self->nbuckets; i++) {
        struct kst_bucket *bucket = self->buckets[i];
        forget_changes(bucket, bucket->nchanges);
        bucket->forgotten = self->version;
        kst_cond_signal(&bucket->changed);
    }
}

struct kst_bucket *kst_store_bucket(struct kst_store *self, const char *name)
{
    for (size_t i = 0; i < self->nbuckets; i++)
        if (strcmp(self->buckets[i]->name, name) == 0)
            return self->buckets[i];
    struct kst_bucket *bucket = kst_calloc(1, sizeof(*bucket));
    bucket->store = self;
    bucket->name = kst_strdup(name);
    self->buckets = kst_realloc(self->buckets, (self->nbuckets + 1) * sizeof(*self->buckets));
    self->buckets[self->nbuckets++] = bucket;
    return bucket;
}

const char *kst_bucket_name(const struct kst_bucket *self)
{
    return self->name;
}

struct kst_bucket *kst_store_bucket_at(const struct kst_store *self, size_t index)
{
    return index < self->nbuckets ? self->buckets[index] : NULL;
}

void kst_store_listen(struct kst_store *self, kst_store_listener *listener, void *arg)
{
    assert(self->nlisteners < MAX_LISTENERS);
    self->listeners[self->nlisteners++] = (struct listener){.call = listener, .arg = arg};
}

void kst_store_unlisten(struct kst_store *self, kst_store_listener *listener, void *arg)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->nlisteners; i++)
        if (self->listeners[i].call != listener || self->listeners[i].arg != arg)
            self->listeners[kept++] = self->listeners[i];
    self->nlisteners = kept;
}

/* The first place whose object is not before (ns, name). */
static size_t place_of(struct kst_object *const *objects, size_t count, const char *ns,
                       const char *name)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(objects[middle]->ns, ns);
        if (order == 0)
            order = strcmp(objects[middle]->name, name);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(struct kst_object *const *objects, size_t count, size_t place, const char *ns,
                  const char *name)
{
    return place < count && strcmp(objects[place]->ns, ns) == 0 &&
           strcmp(objects[place]->name, name) == 0;
}

struct kst_object *kst_bucket_get(const struct kst_bucket *self, const char *ns, const char *name)
{
    size_t place = place_of(self->objects, self->count, ns ? ns : "", name);
    bool found = is_at(self->objects, self->count, place, ns ? ns : "", name);
    return found ? self->objects[place] : NULL;
}

size_t kst_bucket_count(const struct kst_bucket *self)
{
    return self->count;
}

struct kst_object *kst_bucket_at(const struct kst_bucket *self, size_t index)
{
    return index < self->count ? self->objects[index] : NULL;
}

void kst_bucket_range(const struct kst_bucket *self, const char *ns, size_t *first, size_t *count)
{
    if (!ns || !*ns) {
        *first = 0;
        *count = self->count;
        return;
    }
    *first = place_of(self->objects, self->count, ns, "");
    size_t end = *first;
    while (end < self->count && strcmp(self->objects[end]->ns, ns) == 0)
        end++;
    *count = end - *first;
}

static void insert(struct kst_object ***objects, size_t *count, size_t *size, size_t place,
                   struct kst_object *object)
{
    if (*count == *size) {
        *size = *size ? *size * 2 : 16;
        *objects = kst_realloc(*objects, *size * sizeof(**objects));
    }
    memmove(*objects + place + 1, *objects + place, (*count - place) * sizeof(**objects));
    (*objects)[place] = object;
    (*count)++;
}

static void cut_out(struct kst_object **objects, size_t *count, size_t place)
{
    kst_object_unref(objects[place]);
    memmove(objects + place, objects + place + 1, (*count - place - 1) * sizeof(*objects));
    (*count)--;
}

static void record(struct kst_bucket *self, struct kst_change change)
{
    if (!self->changes)
        self->changes = kst_calloc(REMEMBERED, sizeof(*self->changes));
    if (self->nchanges == REMEMBERED)
        forget_changes(self, REMEMBERED / 4);
    self->changes[(self->first_change + self->nchanges++) % REMEMBERED] = change;
    self->changes_bytes += change_bytes(&change);
    while (self->changes_bytes > REMEMBERED_BYTES && self->nchanges > 1)
        forget_changes(self, 1);
    /* A listener may change something itself: what it is told must outlive that. */
    struct kst_change told = {.version = change.version,
                              .before = kst_object_ref(change.before),
                              .after = kst_object_ref(change.after),
                              .last = kst_object_ref(change.last)};
    kst_cond_signal(&self->changed);
    struct kst_store *store = self->store;
    for (size_t i = 0; i < store->nlisteners; i++)
        store->listeners[i].call(store->listeners[i].arg, self, &told);
    change_release(&told);
}

struct kst_object *kst_bucket_put(struct kst_bucket *self, struct kst_json *json)
{
    struct kst_object *object = object_new(json, ++self->store->version);
    struct kst_change change = {.version = object->version, .after = kst_object_ref(object)};
    size_t place = place_of(self->objects, self->count, object->ns, object->name);
    if (is_at(self->objects, self->count, place, object->ns, object->name)) {
        change.before = self->objects[place];
        self->objects[place] = object;
    } else {
        insert(&self->objects, &self->count, &self->size, place, object);
    }
    record(self, change);
    return object;
}

void kst_bucket_delete(struct kst_bucket *self, const char *ns, const char *name,
                       struct kst_json *last)
{
    size_t place = place_of(self->objects, self->count, ns ? ns : "", name);
    if (!is_at(self->objects, self->count, place, ns ? ns : "", name)) {
        kst_json_free(last);
        return;
    }
    struct kst_object *before = kst_object_ref(self->objects[place]);
    if (!last)
        last = kst_json_dup(before->json);
    struct kst_change change = {.version = ++self->store->version, .before = before};
    change.last = object_new(last, change.version);
    cut_out(self->objects, &self->count, place);
    record(self, change);
}

static const struct kst_change *change_at(const struct kst_bucket *self, size_t index)
{
    return &self->changes[(self->first_change + index) % REMEMBERED];
}

/* How many of the remembered changes are not after `version`. */
static size_t changes_until(const struct kst_bucket *self, int64_t version)
{
    size_t low = 0, high = self->nchanges;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (change_at(self, middle)->version <= version)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int kst_bucket_next(const struct kst_bucket *self, int64_t version,
                    const struct kst_change **change)
{
    if (version < self->forgotten)
        return -1;
    size_t index = changes_until(self, version);
    if (index == self->nchanges)
        return 0;
    *change = change_at(self, index);
    return 1;
}

bool kst_bucket_remembers(const struct kst_bucket *self, int64_t version)
{
    return version >= self->forgotten;
}

bool kst_bucket_snapshot(const struct kst_bucket *self, int64_t version,
                         struct kst_object ***objects, size_t *count)
{
    if (version < self->forgotten || version > self->store->version)
        return false;
    size_t size = self->count + 1, n = self->count;
    struct kst_object **list = kst_malloc(size * sizeof(struct kst_object *));
    for (size_t i = 0; i < n; i++)
        list[i] = kst_object_ref(self->objects[i]);
    /* Undone from the latest. */
    size_t known = changes_until(self, version);
    for (size_t i = self->nchanges; i-- > known;) {
        const struct kst_change *change = change_at(self, i);
        const struct kst_object *named = change->before ? change->before : change->after;
        size_t place = place_of(list, n, named->ns, named->name);
        bool there = is_at(list, n, place, named->ns, named->name);
        assert(there == (change->after != NULL));
        if (there)
            cut_out(list, &n, place);
        if (change->before)
            insert(&list, &n, &size, place, kst_object_ref(change->before));
    }
    *objects = list;
    *count = n;
    return true;
}

void kst_objects_free(struct kst_object **objects, size_t count)
{
    for (size_t i = 0; i < count; i++)
        kst_object_unref(objects[i]);
    free(objects);
}

struct kst_cond *kst_bucket_changed(struct kst_bucket *self)
{
    return &self->changed;
}
