/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting: at once where nothing holds the object, else by a mark, after which finalizers and, for
 * a Pod, its node decide. https://kubernetes.io/docs/concepts/architecture/garbage-collection/
 */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api.h"
#include "sandbox/api_internal.h"
#include "sandbox/registry.h"
#include "sandbox/status.h"
#include "sandbox/store.h"

static const struct kst_api_delete defaults = {.grace_seconds = -1};

static struct kst_json *check_preconditions(const struct kst_api_call *call,
                                            const struct kst_object *live,
                                            const struct kst_api_delete *options)
{
    if (options->uid && strcmp(options->uid, live->uid) != 0) {
        kst_auto_free char *message = kst_asprintf(
            "Operation cannot be fulfilled on %s%s%s \"%s\": the UID in the precondition (%s) does "
            "not match the UID in record (%s). The object might have been deleted and then "
            "recreated",
            call->resource->kind, *call->resource->group ? "." : "", call->resource->group,
            live->name, options->uid, live->uid);
        struct kst_json *status = kst_status_failure(409, "Conflict", "%s", message);
        struct kst_json *details = kst_json_make("{'name':%s}", live->name);
        if (*call->resource->group)
            kst_json_set_str(details, "group", call->resource->group);
        kst_json_set_str(details, "kind", call->resource->kind);
        kst_json_set(status, "details", details);
        return status;
    }
    kst_auto_free char *version = kst_asprintf("%lld", (long long)live->version);
    if (options->version && strcmp(options->version, version) != 0)
        return kst_status_modified(call->resource, live->name);
    return NULL;
}

static bool is_pod(const struct kst_resource *resource)
{
    return strcmp(resource->plural, "pods") == 0 && !*resource->group;
}

static bool is_finished(const struct kst_json *pod)
{
    const char *phase = kst_api_text(pod, "status.phase");
    return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

/* The seconds that the node gives a Pod to end by itself; 0 for what ends at once. */
static int64_t grace_of(const struct kst_resource *resource, const struct kst_json *object,
                        const struct kst_api_delete *options)
{
    if (!is_pod(resource) || !*kst_api_text(object, "spec.nodeName") || is_finished(object))
        return 0;
    if (options->grace_seconds >= 0)
        return options->grace_seconds;
    return kst_json_path_int(object, "spec.terminationGracePeriodSeconds", 30);
}

/* The finalizers that a propagation asks the garbage collector for. */
static void set_propagation(struct kst_json *metadata, const char *propagation)
{
    static const char *const orphan = "orphan", *const foreground = "foregroundDeletion";
    if (!propagation)
        return;
    kst_api_list_remove(metadata, "finalizers", orphan);
    kst_api_list_remove(metadata, "finalizers", foreground);
    const char *added = strcmp(propagation, "Orphan") == 0       ? orphan
                        : strcmp(propagation, "Foreground") == 0 ? foreground
                                                                 : NULL;
    if (added)
        kst_json_push(kst_json_ensure_array(metadata, "finalizers"), kst_json_from_str(added));
}

/* Marks it, or shortens the time that it was given before. */
static void mark(const struct kst_resource *resource, struct kst_json *object, int64_t grace)
{
    struct kst_json *metadata = kst_json_mut(object, "metadata");
    bool marked = kst_api_is_deleting(object);
    int64_t before = kst_json_path_int(metadata, "deletionGracePeriodSeconds", 0);
    if (marked && grace >= before)
        return;
    char when[KST_TIME_TEXT];
    kst_time_format(kst_wall_ms() + kst_api_ms(grace), when);
    kst_json_set_str(metadata, "deletionTimestamp", when);
    kst_json_set_int(metadata, "deletionGracePeriodSeconds", grace);
    if (!marked && (resource->flags & KST_RES_GENERATION))
        kst_json_set_int(metadata, "generation", kst_json_path_int(metadata, "generation", 0) + 1);
    if (strcmp(resource->plural, "namespaces") == 0)
        kst_json_set_str(kst_json_ensure_object(object, "status"), "phase", "Terminating");
}

static void show_deleted(const struct kst_resource *resource, const struct kst_object *object,
                         struct kst_json **out)
{
    if (!out)
        return;
    *out = resource->flags & KST_RES_SHOWS_DELETED
               ? kst_api_show(resource, object)
               : kst_status_deleted(resource, object->name, object->uid);
}

struct kst_json *kst_api_delete(struct kst_api *self, const struct kst_api_call *call,
                                const struct kst_api_delete *options, struct kst_json **out)
{
    const struct kst_resource *resource = call->resource;
    options = options ? options : &defaults;
    kst_auto_object struct kst_object *live = kst_object_ref(
        kst_bucket_get(resource->bucket, call->ns, call->name));
    if (!live)
        return kst_status_not_found(resource, call->name);
    struct kst_json *status = check_preconditions(call, live, options);
    if (status)
        return status;
    kst_auto_json struct kst_json *object = kst_json_dup(live->json);
    set_propagation(kst_json_mut(object, "metadata"), options->propagation);
    int64_t grace = grace_of(resource, object, options);
    bool stays = kst_api_has_finalizers(resource, object) || grace > 0;
    if (call->dry_run) {
        show_deleted(resource, live, out);
        return NULL;
    }
    if (!stays) {
        show_deleted(resource, live, out);
        kst_bucket_delete(resource->bucket, live->ns, live->name, NULL);
        kst_admit_deleted(self, resource, live->json);
        return NULL;
    }
    mark(resource, object, grace);
    struct kst_object *stored = live;
    if (!kst_json_equal(live->json, object))
        stored = kst_bucket_put(resource->bucket, kst_take(object));
    if (out)
        *out = kst_api_show(resource, stored);
    return NULL;
}
