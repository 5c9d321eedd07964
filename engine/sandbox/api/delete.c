/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting: at once where nothing holds the object, else by a mark, after which finalizers and, for
 * a Pod, its node decide. https://kubernetes.io/docs/concepts/architecture/garbage-collection/
 */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/custom/crd.h"

#define ORPHAN     "orphan"
#define FOREGROUND "foregroundDeletion"

static const struct kst_api_delete defaults = {.propagation = "Background", .grace_seconds = -1};

static bool is(const struct kst_resource *resource, const char *bucket)
{
    return strcmp(kst_bucket_name(resource->bucket), bucket) == 0;
}

/* The server names the kind here, where other conflicts name the resource. */
static struct kst_json *conflict(const struct kst_resource *resource, const char *name,
                                 const char *why)
{
    const struct kst_resource named = {.group = resource->group, .plural = resource->kind};
    return kst_status_conflict(&named, name, "%s", why);
}

static struct kst_json *check_preconditions(const struct kst_api_call *call,
                                            const struct kst_object *live,
                                            const struct kst_api_delete *options)
{
    if (options->uid && strcmp(options->uid, live->uid) != 0) {
        kst_auto_free char *why = kst_asprintf(
            "the UID in the precondition (%s) does not match the UID in record (%s). The object "
            "might have been deleted and then recreated",
            options->uid, live->uid);
        return conflict(call->resource, live->name, why);
    }
    kst_auto_free char *version = kst_asprintf("%lld", (long long)live->version);
    if (options->version && strcmp(options->version, version) != 0) {
        kst_auto_free char *why = kst_asprintf(
            "the ResourceVersion in the precondition (%s) does not match the ResourceVersion in "
            "record (%s). The object might have been modified",
            options->version, version);
        return conflict(call->resource, live->name, why);
    }
    return NULL;
}

/* Namespaces without which there is no cluster. */
static struct kst_json *check_immortal(const struct kst_resource *resource, const char *name)
{
    static const char *const names[] = {"default", "kube-system", "kube-public"};
    if (!is(resource, "/namespaces"))
        return NULL;
    for (size_t i = 0; i < KST_ARRAY_LEN(names); i++)
        if (strcmp(names[i], name) == 0)
            return kst_status_forbidden(resource, name, "this namespace may not be deleted");
    return NULL;
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
    if (!is(resource, "/pods") || !*kst_api_text(object, "spec.nodeName") || is_finished(object))
        return 0;
    if (options->grace_seconds >= 0)
        return options->grace_seconds;
    return kst_json_path_int(object, "spec.terminationGracePeriodSeconds", 30);
}

/* Kinds that kept their dependents before there was a garbage collector still do where nobody says
 * otherwise. */
static const char *default_propagation(const struct kst_resource *resource,
                                       const struct kst_json *metadata)
{
    static const char *const orphaning[] = {"batch/jobs", "batch/cronjobs",
                                            "/replicationcontrollers"};
    const struct kst_json *finalizers = kst_json_get(metadata, "finalizers");
    if (kst_api_list_has(finalizers, ORPHAN) || kst_api_list_has(finalizers, FOREGROUND))
        return NULL;
    for (size_t i = 0; i < KST_ARRAY_LEN(orphaning); i++)
        if (is(resource, orphaning[i]))
            return "Orphan";
    return NULL;
}

/* The finalizers that a propagation asks the garbage collector for. */
static void set_propagation(const struct kst_resource *resource, struct kst_json *metadata,
                            const char *propagation)
{
    static const char *const orphan = ORPHAN, *const foreground = FOREGROUND;
    if (!propagation)
        propagation = default_propagation(resource, metadata);
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
    if (is(resource, "/namespaces")) {
        kst_json_set_str(kst_json_ensure_object(object, "status"), "phase", "Terminating");
        return; /* no grace, and no generation */
    }
    kst_json_set_int(metadata, "deletionGracePeriodSeconds", grace);
    if (!marked && (resource->flags & KST_RES_GENERATION))
        kst_json_set_int(metadata, "generation", kst_json_path_int(metadata, "generation", 0) + 1);
}

/* A Pod that ends at once is shown with its grace. */
static void show_deleted(const struct kst_resource *resource, const struct kst_object *object,
                         struct kst_json **out)
{
    if (!out)
        return;
    if (!(resource->flags & KST_RES_SHOWS_DELETED)) {
        *out = kst_status_deleted(resource, object->name, object->uid);
        return;
    }
    *out = kst_api_show(resource, object);
    if (is(resource, "/pods"))
        mark(resource, *out, 0);
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
    struct kst_json *status = check_immortal(resource, live->name);
    if (!status)
        status = check_preconditions(call, live, options);
    if (status)
        return status;
    kst_auto_json struct kst_json *object = kst_json_dup(live->json);
    set_propagation(resource, kst_json_mut(object, "metadata"), options->propagation);
    if (is(resource, "apiextensions.k8s.io/customresourcedefinitions") &&
        !kst_api_is_deleting(object)) {
        char now[KST_TIME_TEXT];
        kst_api_now(now);
        kst_crd_terminate(object, now);
    }
    int64_t grace = grace_of(resource, object, options);
    if (options->grace_seconds < 0 && kst_api_is_deleting(object))
        grace = kst_json_path_int(object, "metadata.deletionGracePeriodSeconds", 0);
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
