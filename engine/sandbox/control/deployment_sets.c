/* SPDX-License-Identifier: Apache-2.0 */
/* The ReplicaSets of a Deployment: which is of the present template, their numbers and sizes. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"
#include "sandbox/control/deployment.h"

#define SETS     "apps/replicasets"
#define HASH     "pod-template-hash"
#define DESIRED  "deployment.kubernetes.io/desired-replicas"
#define MOST     "deployment.kubernetes.io/max-replicas"
#define HISTORY  "deployment.kubernetes.io/revision-history"
#define REVISION KST_DEPLOYMENT_REVISION

static const char manager[] = "kube-controller-manager";
static const char component[] = "deployment-controller";

enum { HISTORY_BYTES = 2000, RETRY_MS = 10000 };

int64_t kst_deployment_size(const struct kst_object *set)
{
    return kst_json_path_int(set->json, "spec.replicas", 1);
}

int64_t kst_deployment_available(const struct kst_object *set)
{
    return kst_json_path_int(set->json, "status.availableReplicas", 0);
}

int64_t kst_deployment_sum(const struct kst_deployment *self, bool old_only,
                           int64_t (*of)(const struct kst_object *set))
{
    int64_t sum = 0;
    for (size_t i = 0; i < self->sets.count; i++)
        if (!old_only || (int)i != self->current)
            sum += of(self->sets.objects[i]);
    return sum;
}

static int64_t annotated(const struct kst_object *object, const char *key, int64_t fallback)
{
    long long number = 0;
    return kst_parse_int(kst_control_annotation(object, key), &number) ? number : fallback;
}

int64_t kst_deployment_revision(const struct kst_object *object)
{
    return annotated(object, REVISION, 0);
}

static void annotate(struct kst_json *object, const char *key, int64_t number)
{
    kst_auto_free char *text = kst_asprintf("%" PRId64, number);
    kst_json_set_str(kst_json_ensure_object(kst_json_mut(object, "metadata"), "annotations"), key,
                     text);
}

/* Stores a changed ReplicaSet (taken) in the place of the one that is known. */
static bool store(struct kst_deployment *self, size_t index, struct kst_json *changed)
{
    struct kst_object **set = &self->sets.objects[index];
    if (kst_control_update(self->api, SETS, *set, manager, changed) < 0)
        return false;
    struct kst_object *live = kst_object_ref(
        kst_api_find(self->api, SETS, (*set)->ns, (*set)->name));
    if (!live)
        return false;
    kst_object_unref(*set);
    *set = live;
    return true;
}

/* ---- sizes ---- */

/* What a ReplicaSet was made for, from which later changes of the Deployment's size are seen. */
static void note_size(const struct kst_deployment *self, struct kst_json *set)
{
    annotate(set, DESIRED, self->replicas);
    annotate(set, MOST, self->replicas + self->max_surge);
}

static bool resize(struct kst_deployment *self, size_t index, int64_t size)
{
    const struct kst_object *set = self->sets.objects[index];
    int64_t before = kst_deployment_size(set);
    struct kst_json *changed = kst_json_dup(set->json);
    kst_json_set_int(kst_json_mut(changed, "spec"), "replicas", size);
    note_size(self, changed);
    if (kst_json_equal(changed, set->json)) {
        kst_json_free(changed);
        return false;
    }
    if (!store(self, index, changed) || before == size)
        return false;
    kst_control_event(self->api, self->object, component, "Normal", "ScalingReplicaSet",
                      "Scaled %s replica set %s to %" PRId64, size > before ? "up" : "down",
                      self->sets.objects[index]->name, size);
    return true;
}

bool kst_deployment_scale(struct kst_deployment *self, size_t set, int64_t size)
{
    return kst_deployment_size(self->sets.objects[set]) != size && resize(self, set, size);
}

bool kst_deployment_was_scaled(const struct kst_deployment *self)
{
    for (size_t i = 0; i < self->sets.count; i++) {
        const struct kst_object *set = self->sets.objects[i];
        if (kst_deployment_size(set) > 0 &&
            annotated(set, DESIRED, self->replicas) != self->replicas)
            return true;
    }
    return false;
}

/* The only ReplicaSet that has Pods, or the one that is to get them where none has any; -1 where
 * several have. */
static int active_or_latest(const struct kst_deployment *self)
{
    int found = -1;
    for (size_t i = 0; i < self->sets.count; i++) {
        if (kst_deployment_size(self->sets.objects[i]) == 0)
            continue;
        if (found >= 0)
            return -1;
        found = (int)i;
    }
    if (found < 0)
        found = self->current >= 0 ? self->current : (int)self->sets.count - 1;
    return found;
}

static bool is_saturated(const struct kst_deployment *self)
{
    const struct kst_object *set = self->current >= 0 ? self->sets.objects[self->current] : NULL;
    return set && annotated(set, DESIRED, -1) == self->replicas &&
           kst_deployment_size(set) == self->replicas &&
           kst_deployment_available(set) == self->replicas;
}

/* How many Pods more (or fewer) are this ReplicaSet's share of a change. */
static int64_t share(const struct kst_deployment *self, const struct kst_object *set, int64_t left)
{
    int64_t size = kst_deployment_size(set);
    int64_t most = annotated(set, MOST,
                             kst_json_path_int(self->object->json, "status.replicas", 0));
    if (left == 0 || most <= 0)
        return 0;
    if (self->replicas == 0)
        return left > -size ? left : -size;
    int64_t target = (2 * size * (self->replicas + self->max_surge) + most) / (2 * most);
    int64_t change = target - size;
    return left > 0 ? (change < left ? change : left) : (change > left ? change : left);
}

struct slot {
    size_t set;
    int64_t size;
    bool grows;
};

/* The larger first; among equals the newer where they grow, the older where they shrink. */
static int compare_slots(const void *left, const void *right)
{
    const struct slot *a = left, *b = right;
    if (a->size != b->size)
        return a->size > b->size ? -1 : 1;
    int order = a->set < b->set ? -1 : 1;
    return a->grows ? -order : order;
}

/* Several ReplicaSets have Pods, in the middle of a rollout. */
static void spread_in_proportion(struct kst_deployment *self)
{
    int64_t allowed = self->replicas > 0 ? self->replicas + self->max_surge : 0;
    int64_t left = allowed - kst_deployment_sum(self, false, kst_deployment_size);
    struct slot *slots = kst_calloc(self->sets.count + 1, sizeof(*slots));
    size_t count = 0;
    for (size_t i = 0; i < self->sets.count; i++) {
        int64_t size = kst_deployment_size(self->sets.objects[i]);
        if (size > 0)
            slots[count++] = (struct slot){.set = i, .size = size, .grows = left > 0};
    }
    qsort(slots, count, sizeof(*slots), compare_slots);
    for (size_t i = 0; i < count; i++) {
        int64_t change = share(self, self->sets.objects[slots[i].set], left);
        slots[i].size += change;
        left -= change;
    }
    for (size_t i = 0; i < count; i++) {
        if (i == 0)
            slots[i].size = slots[i].size + left > 0 ? slots[i].size + left : 0;
        resize(self, slots[i].set, slots[i].size);
    }
    free(slots);
}

void kst_deployment_spread(struct kst_deployment *self)
{
    int only = active_or_latest(self);
    if (only >= 0) {
        kst_deployment_scale(self, (size_t)only, self->replicas);
        return;
    }
    if (is_saturated(self)) {
        for (size_t i = 0; i < self->sets.count; i++)
            if ((int)i != self->current)
                kst_deployment_scale(self, i, 0);
    } else if (self->rolling && self->sets.count > 0) {
        spread_in_proportion(self);
    }
}

/* ---- the current one ---- */

/* A template without the label that its ReplicaSet added; the caller owns it. */
static struct kst_json *plain_template(const struct kst_json *template)
{
    struct kst_json *plain = kst_json_dup(template);
    struct kst_json *metadata = kst_json_mut(plain, "metadata");
    struct kst_json *labels = kst_json_mut(metadata, "labels");
    kst_json_remove(labels, HASH);
    kst_json_remove(metadata, "creationTimestamp");
    if (labels && kst_json_len(labels) == 0)
        kst_json_remove(metadata, "labels");
    return plain;
}

static bool is_of_template(const struct kst_deployment *self, const struct kst_object *set)
{
    kst_auto_json struct kst_json *a = plain_template(kst_json_get(self->spec, "template"));
    kst_auto_json struct kst_json *b = plain_template(kst_json_path(set->json, "spec.template"));
    return kst_json_equal(a, b);
}

/* The Deployment's annotations, but those that are about itself. */
static void copy_annotations(const struct kst_deployment *self, struct kst_json *set)
{
    static const char *const own[] = {"kubectl.kubernetes.io/last-applied-configuration",
                                      REVISION,
                                      HISTORY,
                                      DESIRED,
                                      MOST,
                                      "deprecated.deployment.rollback.to"};
    const struct kst_json *from = kst_json_path(self->object->json, "metadata.annotations");
    for (const struct kst_json *a = kst_json_first(from); a; a = kst_json_next(a)) {
        bool skip = false;
        for (size_t i = 0; i < KST_ARRAY_LEN(own); i++)
            skip = skip || strcmp(kst_json_key(a), own[i]) == 0;
        if (!skip)
            kst_json_set(kst_json_ensure_object(kst_json_mut(set, "metadata"), "annotations"),
                         kst_json_key(a), kst_json_dup(a));
    }
}

/* The revisions that it had before, when a rollout went back to it. */
static void note_history(struct kst_json *changed, const struct kst_object *set)
{
    const char *before = kst_control_annotation(set, HISTORY);
    const char *revision = kst_control_annotation(set, REVISION);
    if (!*revision)
        return;
    while (strlen(before) + strlen(revision) + 1 > HISTORY_BYTES && strchr(before, ','))
        before = strchr(before, ',') + 1;
    kst_auto_free char *text = kst_asprintf("%s%s%s", before, *before ? "," : "", revision);
    kst_json_set_str(kst_json_ensure_object(kst_json_mut(changed, "metadata"), "annotations"),
                     HISTORY, text);
}

static int64_t next_revision(const struct kst_deployment *self)
{
    int64_t latest = 0;
    for (size_t i = 0; i < self->sets.count; i++) {
        int64_t revision = kst_deployment_revision(self->sets.objects[i]);
        if ((int)i != self->current && revision > latest)
            latest = revision;
    }
    return latest + 1;
}

/* Gives the Deployment the number of its current ReplicaSet. */
static void set_revision(struct kst_deployment *self, int64_t revision)
{
    const struct kst_object *live = kst_api_find(self->api, "apps/deployments", self->object->ns,
                                                 self->object->name);
    if (!live || kst_deployment_revision(live) == revision)
        return;
    struct kst_json *changed = kst_json_dup(live->json);
    annotate(changed, REVISION, revision);
    kst_control_update(self->api, "apps/deployments", live, manager, changed);
}

static void update_current(struct kst_deployment *self)
{
    const struct kst_object *set = self->sets.objects[self->current];
    int64_t revision = next_revision(self);
    struct kst_json *changed = kst_json_dup(set->json);
    copy_annotations(self, changed);
    if (kst_deployment_revision(set) < revision) {
        annotate(changed, REVISION, revision);
        note_history(changed, set);
    }
    int64_t wanted = kst_json_path_int(self->spec, "minReadySeconds", 0);
    if (kst_json_path_int(set->json, "spec.minReadySeconds", 0) != wanted)
        kst_json_set_int(kst_json_mut(changed, "spec"), "minReadySeconds", wanted);
    if (kst_json_equal(changed, set->json))
        kst_json_free(changed);
    else
        store(self, (size_t)self->current, changed);
    set = self->sets.objects[self->current];
    set_revision(self, kst_deployment_revision(set));
    if (kst_deployment_has_deadline(self) &&
        !kst_control_condition(self->conditions, "Progressing"))
        kst_deployment_set_condition(self, "Progressing", "True", "FoundNewReplicaSet",
                                     "Found new replica set \"%s\"", set->name);
}

static struct kst_json *new_set(struct kst_deployment *self, const char *name, const char *hash,
                                int64_t size)
{
    const struct kst_json *template = kst_json_get(self->spec, "template");
    kst_auto_json struct kst_json *owner = kst_control_owner("apps/v1", "Deployment", self->object);
    struct kst_json *set = kst_json_make(
        "{'apiVersion':'apps/v1','kind':'ReplicaSet','metadata':{'name':%s,'namespace':%s,"
        "'labels':{},'ownerReferences':[%J]},'spec':{'replicas':%L,'selector':%J,'template':%J}}",
        name, self->object->ns, owner, size, kst_json_get(self->spec, "selector"), template);
    struct kst_json *spec = kst_json_mut(set, "spec");
    int64_t min_ready_s = kst_json_path_int(self->spec, "minReadySeconds", 0);
    if (min_ready_s > 0)
        kst_json_set_int(spec, "minReadySeconds", min_ready_s);
    kst_json_set_str(kst_json_ensure_object(kst_json_mut(spec, "selector"), "matchLabels"), HASH,
                     hash);
    struct kst_json *labels = kst_json_ensure_object(
        kst_json_ensure_object(kst_json_mut(spec, "template"), "metadata"), "labels");
    kst_json_set_str(labels, HASH, hash);
    kst_json_set(kst_json_mut(set, "metadata"), "labels", kst_json_dup(labels));
    copy_annotations(self, set);
    annotate(set, REVISION, next_revision(self));
    note_size(self, set);
    return set;
}

static void tell_failure(struct kst_deployment *self, const char *name,
                         const struct kst_json *status)
{
    kst_auto_free char *message = kst_asprintf("Failed to create new replica set \"%s\": %s", name,
                                               kst_status_message(status));
    if (kst_deployment_has_deadline(self))
        kst_deployment_set_condition(self, "Progressing", "False", "ReplicaSetCreateError", "%s",
                                     message);
    kst_control_event(self->api, self->object, component, "Warning", "ReplicaSetCreateError", "%s",
                      message);
    self->again_ms = kst_now_ms() + RETRY_MS;
}

/* Takes the ReplicaSet that was made up among its own, as the current one. */
static void add_current(struct kst_deployment *self, const char *name)
{
    struct kst_object *live = kst_api_find(self->api, SETS, self->object->ns, name);
    self->sets.objects = kst_realloc(self->sets.objects,
                                     (self->sets.count + 1) * sizeof(struct kst_object *));
    self->sets.objects[self->sets.count] = kst_object_ref(live);
    self->current = (int)self->sets.count++;
}

static void create_current(struct kst_deployment *self)
{
    kst_auto_free char *hash = kst_control_hash(kst_json_get(self->spec, "template"),
                                                self->collisions);
    kst_auto_free char *name = kst_asprintf("%s-%s", self->object->name, hash);
    if (kst_api_find(self->api, SETS, self->object->ns, name)) {
        self->collisions++; /* another's, or of another template: the next try has another hash */
        self->again_ms = kst_now_ms();
        return;
    }
    int64_t room = self->replicas + self->max_surge -
                   kst_deployment_sum(self, false, kst_deployment_size);
    int64_t size = room < self->replicas && self->rolling ? room : self->replicas;
    size = size > 0 ? size : 0;
    const struct kst_api_call call = kst_api_call_for(self->api, SETS, self->object->ns, NULL,
                                                      manager);
    kst_auto_json struct kst_json *status = kst_api_create(self->api, &call,
                                                           new_set(self, name, hash, size), NULL);
    if (status) {
        tell_failure(self, name, status);
        return;
    }
    int64_t revision = next_revision(self);
    add_current(self, name);
    if (size > 0)
        kst_control_event(self->api, self->object, component, "Normal", "ScalingReplicaSet",
                          "Scaled up replica set %s to %" PRId64, name, size);
    set_revision(self, revision);
    if (kst_deployment_has_deadline(self))
        kst_deployment_set_condition(self, "Progressing", "True", "NewReplicaSetCreated",
                                     "Created new replica set \"%s\"", name);
}

void kst_deployment_find_current(struct kst_deployment *self, bool create)
{
    for (size_t i = 0; i < self->sets.count && self->current < 0; i++)
        if (is_of_template(self, self->sets.objects[i]))
            self->current = (int)i;
    if (self->current >= 0) {
        if (!kst_api_is_deleting(self->object->json))
            update_current(self);
    } else if (create) {
        create_current(self);
    }
}

/* ---- history ---- */

static bool is_empty(const struct kst_object *set)
{
    return kst_deployment_size(set) == 0 && !kst_api_is_deleting(set->json) &&
           kst_json_path_int(set->json, "status.replicas", 0) == 0 &&
           kst_json_path_int(set->json, "metadata.generation", 0) <=
               kst_json_path_int(set->json, "status.observedGeneration", 0);
}

static int compare_revisions(const void *left, const void *right)
{
    int64_t a = kst_deployment_revision(*(struct kst_object *const *)left);
    int64_t b = kst_deployment_revision(*(struct kst_object *const *)right);
    return (a > b) - (a < b);
}

void kst_deployment_forget_old(struct kst_deployment *self)
{
    int64_t limit = kst_json_path_int(self->spec, "revisionHistoryLimit", INT32_MAX);
    struct kst_object **old = kst_malloc((self->sets.count + 1) * sizeof(struct kst_object *));
    size_t count = 0;
    for (size_t i = 0; i < self->sets.count; i++)
        if ((int)i != self->current && !kst_api_is_deleting(self->sets.objects[i]->json))
            old[count++] = self->sets.objects[i];
    qsort(old, count, sizeof(struct kst_object *), compare_revisions);
    for (int64_t i = 0; i < (int64_t)count - limit; i++)
        if (is_empty(old[i]))
            kst_control_delete(self->api, SETS, old[i]);
    free(old);
}
