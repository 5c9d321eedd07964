/* SPDX-License-Identifier: Apache-2.0 */
/* Creating, updating and patching. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_patch.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/cause.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/rbac.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"
#include "sandbox/builtin/builtin.h"
#include "sandbox/custom/crd.h"
#include "sandbox/custom/custom.h"
#include "sandbox/merge/managed.h"
#include "sandbox/merge/strategic.h"
#include "sandbox/types/convert.h"
#include "sandbox/types/decode.h"

enum { SCALE_TEXT_BYTES = 1024 * 1024 };

static bool is_custom(const struct kst_resource *resource)
{
    return resource->flags & KST_RES_CUSTOM;
}

static bool is_definition(const struct kst_resource *resource)
{
    return strcmp(kst_bucket_name(resource->bucket),
                  "apiextensions.k8s.io/customresourcedefinitions") == 0;
}

static bool same(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* ---- what a body must be ---- */

static struct kst_json *check_place(const struct kst_api_call *call, struct kst_json *object)
{
    struct kst_json *metadata = kst_json_ensure_object(object, "metadata");
    if (!(call->resource->flags & KST_RES_NAMESPACED)) {
        kst_json_remove(metadata, "namespace");
        return NULL;
    }
    const char *ns = kst_json_path_str(metadata, "namespace");
    if (ns && *ns && !same(ns, call->ns) && call->name)
        return kst_status_bad_request("the namespace of the object (%s) does not match the "
                                      "namespace on the request (%s)",
                                      ns, call->ns);
    if (ns && *ns && !same(ns, call->ns))
        return kst_status_bad_request("the namespace of the provided object does not match the "
                                      "namespace sent on the request");
    kst_json_set_str(metadata, "namespace", call->ns);
    return NULL;
}

/* A namespace takes new objects only while it lives. */
static struct kst_json *check_namespace(struct kst_api *self, const struct kst_api_call *call,
                                        const struct kst_json *object)
{
    if (!(call->resource->flags & KST_RES_NAMESPACED))
        return NULL;
    struct kst_object *ns = kst_api_find(self, "/namespaces", "", call->ns);
    if (!ns) {
        const struct kst_resource *namespaces = kst_registry_find(self->registry, "", "v1",
                                                                  "namespaces");
        return kst_status_not_found(namespaces, call->ns);
    }
    if (!kst_api_is_deleting(ns->json))
        return NULL;
    struct kst_json *status = kst_status_forbidden(
        call->resource, kst_api_text(object, "metadata.name"),
        "unable to create new content in namespace %s because it is being "
        "terminated",
        call->ns);
    kst_auto_free char *message = kst_asprintf("namespace %s is being terminated", call->ns);
    struct kst_json *causes = kst_json_array();
    kst_cause_add(causes, "NamespaceTerminating", "metadata.namespace", "%s", message);
    kst_json_set(kst_json_mut(status, "details"), "causes", causes);
    return status;
}

/* ---- what is the same for all writes ---- */

static void complete(const struct kst_resource *resource, struct kst_json *object)
{
    if (is_custom(resource)) {
        kst_custom_read(resource, object);
    } else {
        kst_builtin_default(resource->group, resource->version, resource->kind, object);
    }
}

static struct kst_json *validate(const struct kst_api_call *call, const struct kst_json *live,
                                 const struct kst_json *object)
{
    const struct kst_resource *resource = call->resource;
    struct kst_json *wrong = is_custom(resource) ? kst_custom_check_kind(resource, object) : NULL;
    if (wrong)
        return wrong;
    kst_auto_json struct kst_json *causes = kst_json_array();
    kst_builtin_validate_meta(resource->group, resource->kind, object, live, causes);
    if (!is_custom(resource))
        kst_builtin_validate(resource->group, resource->kind, object, live, causes);
    else
        kst_custom_validate(resource, live, object, same(call->subresource, "status"), causes);
    if (is_definition(resource) && !call->subresource)
        kst_crd_validate(object, live, causes);
    if (kst_json_len(causes) == 0)
        return NULL;
    return kst_status_invalid(resource, kst_api_text(object, "metadata.name"), causes);
}

/* Whether anything but metadata and, with a status subresource, status differs. */
static bool spec_differs(const struct kst_resource *resource, const struct kst_json *a,
                         const struct kst_json *b)
{
    kst_auto_json struct kst_json *left = kst_json_dup(a), *right = kst_json_dup(b);
    struct kst_json *both[] = {left, right};
    for (int i = 0; i < 2; i++) {
        kst_json_remove(both[i], "metadata");
        kst_json_remove(both[i], "apiVersion");
        if (resource->flags & KST_RES_STATUS)
            kst_json_remove(both[i], "status");
    }
    return !kst_json_equal(left, right);
}

static void count_generation(const struct kst_api_call *call, const struct kst_json *live,
                             struct kst_json *object)
{
    struct kst_json *metadata = kst_json_mut(object, "metadata");
    if (!(call->resource->flags & KST_RES_GENERATION)) {
        if (live && kst_json_path(live, "metadata.generation"))
            kst_json_set(metadata, "generation",
                         kst_json_dup(kst_json_path(live, "metadata.generation")));
        else if (live)
            kst_json_remove(metadata, "generation");
        return;
    }
    int64_t generation = live ? kst_json_path_int(live, "metadata.generation", 0) : 0;
    if (!live || spec_differs(call->resource, live, object))
        generation++;
    kst_json_set_int(metadata, "generation", generation);
}

/* Equal but for the times of managedFields, which alone are no change. */
static bool unchanged(const struct kst_json *live, const struct kst_json *object)
{
    if (kst_json_equal(live, object))
        return true;
    kst_auto_json struct kst_json *left = kst_json_dup(live), *right = kst_json_dup(object);
    struct kst_json *both[] = {left, right};
    for (int i = 0; i < 2; i++) {
        struct kst_json *metadata = kst_json_mut(both[i], "metadata");
        struct kst_json *fields = kst_json_mut(metadata, "managedFields");
        for (size_t j = 0; j < kst_json_len(fields); j++)
            kst_json_remove(kst_json_mut_at(fields, j), "time");
        kst_json_remove(metadata, "resourceVersion");
    }
    return kst_json_equal(left, right);
}

static void give(const struct kst_resource *resource, struct kst_json *object,
                 struct kst_json **out)
{
    if (!out)
        return;
    *out = kst_json_dup(object);
    kst_json_set_str(*out, "apiVersion", resource->api_version);
    if (is_custom(resource))
        kst_custom_show(resource, *out);
}

struct kst_json *kst_api_write(struct kst_api *self, const struct kst_api_call *call,
                               struct kst_object *live, struct kst_json *object,
                               struct kst_json **out)
{
    const struct kst_resource *resource = call->resource;
    kst_json_set_str(object, "apiVersion", resource->stored_as);
    if (is_custom(resource))
        kst_custom_store(resource, object);
    if (live && unchanged(live->json, object)) {
        kst_json_free(object);
        give(resource, live->json, out);
        return NULL;
    }
    /* The last finalizer was taken away: that was what the deletion waited for. */
    bool ends = live && kst_api_is_deleting(live->json) &&
                !kst_api_has_finalizers(resource, object) &&
                kst_json_path_int(object, "metadata.deletionGracePeriodSeconds", 0) == 0;
    if (call->dry_run) {
        give(resource, object, out);
        kst_json_free(object);
        return NULL;
    }
    if (kst_object_bytes(object) > KST_API_OBJECT_BYTES) {
        kst_json_free(object);
        return kst_status_internal("etcdserver: request is too large");
    }
    if (ends) {
        give(resource, object, out);
        kst_json_free(object);
        kst_auto_object struct kst_object *kept = kst_object_ref(live);
        kst_bucket_delete(resource->bucket, kept->ns, kept->name, NULL);
        kst_admit_deleted(self, resource, kept->json);
        return NULL;
    }
    kst_auto_object struct kst_object *stored = kst_object_ref(
        kst_bucket_put(resource->bucket, object));
    give(resource, stored->json, out);
    kst_admit_stored(self, call, stored);
    return NULL;
}

/* The same call about the version that is stored, where that has another form: what lies between
 * decoding and storing knows stored forms alone. */
static struct kst_api_call about_stored(const struct kst_api *self, const struct kst_api_call *call)
{
    struct kst_api_call stored = *call;
    if (call->resource->flags & KST_RES_OTHER_FORM)
        stored.resource = kst_registry_stored(self->registry, call->resource);
    return stored;
}

/* A result of such a call in the version that was asked for. */
static void present(const struct kst_api_call *call, struct kst_json **out)
{
    if (out && *out && (call->resource->flags & KST_RES_OTHER_FORM))
        kst_convert_out(call->resource, *out);
}

static void manage(const struct kst_api_call *call, const struct kst_json *live,
                   struct kst_json *object)
{
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    const struct kst_managed_write write = {.manager = call->manager ? call->manager : "unknown",
                                            .api_version = call->resource->api_version,
                                            .now = now,
                                            .group = call->resource->group,
                                            .kind = call->resource->kind,
                                            .schema = call->resource->schema};
    kst_managed_update(&write, live, object);
}

/* Of a Pod's first status the creator owns what he `sent` (NULL: none); the server fills it in. */
static void manage_new(const struct kst_api_call *call, struct kst_json *object,
                       const struct kst_json *sent)
{
    bool pod = same(kst_bucket_name(call->resource->bucket), "/pods");
    struct kst_json *filled = pod ? kst_json_detach(object, "status") : NULL;
    if (filled && sent)
        kst_json_set(object, "status", kst_json_dup(sent));
    manage(call, NULL, object);
    if (filled)
        kst_json_set(object, "status", filled);
}

/* ---- create ---- */

static void name_it(struct kst_json *metadata)
{
    const char *name = kst_json_path_str(metadata, "name");
    const char *prefix = kst_json_path_str(metadata, "generateName");
    if ((name && *name) || !prefix || !*prefix)
        return;
    char suffix[6];
    kst_api_suffix(suffix);
    kst_auto_free char *made = kst_asprintf("%.58s%s", prefix, suffix);
    kst_json_set_str(metadata, "name", made);
}

static void set_system_fields(struct kst_json *object)
{
    struct kst_json *metadata = kst_json_mut(object, "metadata");
    const char *reset[] = {"selfLink", "deletionTimestamp", "deletionGracePeriodSeconds",
                           "resourceVersion"};
    for (size_t i = 0; i < KST_ARRAY_LEN(reset); i++)
        kst_json_remove(metadata, reset[i]);
    kst_auto_free char *uid = kst_api_uid();
    kst_json_set_str(metadata, "uid", uid);
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    kst_json_set_str(metadata, "creationTimestamp", now);
}

static struct kst_json *prepare_create(struct kst_api *self, const struct kst_api_call *call,
                                       struct kst_json *object, bool applied)
{
    struct kst_json *status = check_place(call, object);
    if (!status)
        status = check_namespace(self, call, object);
    if (!status)
        status = kst_rbac_check_grant(self, call->user, call->resource, call->ns, NULL, object);
    if (status)
        return status;
    struct kst_json *metadata = kst_json_mut(object, "metadata");
    const char *version = kst_json_path_str(metadata, "resourceVersion");
    if (version && *version)
        return kst_status_internal("resourceVersion should not be set on objects to be created");
    name_it(metadata);
    set_system_fields(object);
    kst_auto_json struct kst_json *sent = kst_json_dup(kst_json_get(object, "status"));
    complete(call->resource, object);
    /* What admission adds belongs to nobody, as on the server. */
    if (!applied)
        manage_new(call, object, sent);
    /* A status that was sent is its sender's, though it is not kept. */
    if (is_custom(call->resource) && (call->resource->flags & KST_RES_STATUS))
        kst_json_remove(object, "status");
    status = kst_admit_create(self, call, object);
    if (!status)
        status = validate(call, NULL, object);
    if (!status)
        status = kst_admit_check(self, call, NULL, object);
    if (status)
        return status;
    const char *name = kst_api_text(object, "metadata.name");
    if (kst_bucket_get(call->resource->bucket, kst_api_text(object, "metadata.namespace"), name))
        return kst_status_exists(call->resource, name);
    count_generation(call, NULL, object);
    return NULL;
}

struct kst_json *kst_api_create(struct kst_api *self, const struct kst_api_call *call,
                                struct kst_json *object, struct kst_json **out)
{
    const struct kst_api_call stored = about_stored(self, call);
    struct kst_json *status = is_custom(call->resource) ? kst_custom_refuse(self, call->resource)
                                                        : NULL;
    if (!status)
        status = kst_api_read(self, call, object);
    if (!status)
        kst_convert_in(call->resource, object);
    if (!status)
        status = prepare_create(self, &stored, object, false);
    if (status) {
        kst_json_free(object);
        return status;
    }
    status = kst_api_write(self, &stored, NULL, object, out);
    if (!status)
        present(call, out);
    return status;
}

/* ---- update ---- */

/* Kinds whose updates must say which version they change. */
static bool needs_version(const struct kst_resource *resource)
{
    static const char *const plurals[] = {"leases", "customresourcedefinitions", "apiservices",
                                          "poddisruptionbudgets", "services"};
    if (is_custom(resource))
        return true;
    for (size_t i = 0; i < KST_ARRAY_LEN(plurals); i++)
        if (same(resource->plural, plurals[i]))
            return true;
    return false;
}

/* Kinds that a PUT creates. */
static bool put_creates(const struct kst_resource *resource)
{
    static const char *const plurals[] = {"leases",       "events",
                                          "endpoints",    "limitranges",
                                          "roles",        "rolebindings",
                                          "clusterroles", "clusterrolebindings"};
    for (size_t i = 0; !is_custom(resource) && i < KST_ARRAY_LEN(plurals); i++)
        if (same(resource->plural, plurals[i]))
            return true;
    return false;
}

static struct kst_json *check_name(const struct kst_api_call *call, const char *name)
{
    if (!*name)
        return kst_status_bad_request("the name of the object (%s based on URL) was "
                                      "undeterminable: name must be provided",
                                      call->name);
    if (!same(name, call->name))
        return kst_status_bad_request(
            "the name of the object (%s) does not match the name on the URL (%s)", name,
            call->name);
    return NULL;
}

/* The uid of an object is a precondition: `live_uid` is "" where there is none. */
static struct kst_json *check_uid(const struct kst_api_call *call, const struct kst_json *object,
                                  const char *live_uid)
{
    const char *uid = kst_api_text(object, "metadata.uid"), *ns = call->ns ? call->ns : "";
    if (!*uid || same(uid, live_uid))
        return NULL;
    return kst_status_conflict(
        call->resource, call->name,
        "StorageError: invalid object, Code: 4, Key: /registry/%s/%s%s%s, ResourceVersion: 0, "
        "AdditionalErrorMsg: Precondition failed: UID in precondition: %s, UID in object meta: %s",
        call->resource->plural, ns, *ns ? "/" : "", call->name, uid, live_uid);
}

static struct kst_json *check_preconditions(const struct kst_api_call *call,
                                            const struct kst_object *live,
                                            const struct kst_json *object, bool patched)
{
    struct kst_json *status = check_name(call, kst_api_text(object, "metadata.name"));
    if (!status && !patched) /* of a patch it is a field that may not change */
        status = check_uid(call, object, live->uid);
    if (status)
        return status;
    const char *version = kst_api_text(object, "metadata.resourceVersion");
    if (!*version && !patched && needs_version(call->resource)) {
        kst_auto_json struct kst_json *causes = kst_json_array();
        kst_cause_add(causes, "FieldValueInvalid", "metadata.resourceVersion",
                      "Invalid value: 0x0: must be specified for an update");
        const struct kst_resource named = {.group = call->resource->group,
                                           .kind = call->resource->plural};
        return kst_status_invalid(&named, call->name, causes);
    }
    kst_auto_free char *have = kst_asprintf("%lld", (long long)live->version);
    if (*version && !same(version, have))
        return kst_status_modified(call->resource, call->name);
    return NULL;
}

/* What of the metadata is the server's stays as it is. */
static void keep_system_fields(const struct kst_json *live, struct kst_json *object, bool applied)
{
    static const char *const kept[] = {"namespace",         "uid",
                                       "creationTimestamp", "deletionTimestamp",
                                       "generation",        "deletionGracePeriodSeconds",
                                       "resourceVersion"};
    const struct kst_json *from = kst_json_get(live, "metadata");
    struct kst_json *metadata = kst_json_ensure_object(object, "metadata");
    kst_json_remove(metadata, "selfLink");
    for (size_t i = 0; i < KST_ARRAY_LEN(kept); i++) {
        /* One of another object is refused later. */
        if (same(kept[i], "uid") && *kst_api_text(metadata, "uid"))
            continue;
        if (kst_json_get(from, kept[i]))
            kst_json_set(metadata, kept[i], kst_json_dup(kst_json_get(from, kept[i])));
        else
            kst_json_remove(metadata, kept[i]);
    }
    if (!applied && !kst_json_get(metadata, "managedFields") && kst_json_get(from, "managedFields"))
        kst_json_set(metadata, "managedFields", kst_json_dup(kst_json_get(from, "managedFields")));
}

/* The live object with the status of the new one, or the new one with the status of the live. */
static struct kst_json *merge_status(const struct kst_resource *resource, bool status_only,
                                     const struct kst_json *live, struct kst_json *object)
{
    if (!(resource->flags & KST_RES_STATUS))
        return object;
    const struct kst_json *from = kst_json_get(status_only ? object : live, "status");
    if (!status_only) {
        if (from)
            kst_json_set(object, "status", kst_json_dup(from));
        else
            kst_json_remove(object, "status");
        return object;
    }
    struct kst_json *merged = kst_json_dup(live);
    /* The status of a built-in kind is written with its metadata. */
    if (!is_custom(resource))
        kst_json_set(merged, "metadata", kst_json_dup(kst_json_get(object, "metadata")));
    if (from)
        kst_json_set(merged, "status", kst_json_dup(from));
    else
        kst_json_remove(merged, "status");
    kst_json_free(object);
    return merged;
}

/* Those of a namespace change by its subresource finalize alone. */
static void keep_spec_finalizers(const struct kst_resource *resource, const struct kst_json *live,
                                 struct kst_json *object)
{
    if (!same(kst_bucket_name(resource->bucket), "/namespaces"))
        return;
    const struct kst_json *kept = kst_json_path(live, "spec.finalizers");
    struct kst_json *spec = kst_json_ensure_object(object, "spec");
    if (kept)
        kst_json_set(spec, "finalizers", kst_json_dup(kept));
    else
        kst_json_remove(spec, "finalizers");
}

/* Everything between a new state and its being stored; `object` is taken. */
static struct kst_json *change(struct kst_api *self, const struct kst_api_call *call,
                               struct kst_object *live, struct kst_json *object, bool applied,
                               struct kst_json **out)
{
    bool status_only = same(call->subresource, "status");
    /* A custom resource is compared in the version in which it was sent. */
    kst_auto_json struct kst_json *shown = is_custom(call->resource)
                                               ? kst_api_show(call->resource, live)
                                               : NULL;
    const struct kst_json *before = shown ? shown : live->json;
    keep_system_fields(before, object, applied);
    object = merge_status(call->resource, status_only, before, object);
    keep_spec_finalizers(call->resource, before, object);
    complete(call->resource, object);
    if (!applied)
        manage(call, before, object);
    struct kst_json *status = kst_rbac_check_grant(self, call->user, call->resource, call->ns,
                                                   before, object);
    if (!status && !status_only)
        status = kst_admit_update(self, call, before, object);
    if (!status)
        status = validate(call, before, object);
    if (!status && !status_only)
        status = kst_admit_check(self, call, before, object);
    if (status) {
        kst_json_free(object);
        return status;
    }
    count_generation(call, before, object);
    return kst_api_write(self, call, live, object, out);
}

static struct kst_json *update_scale(struct kst_api *self, const struct kst_api_call *call,
                                     struct kst_object *live, const struct kst_json *scale,
                                     struct kst_json **out)
{
    const char *version = kst_api_text(scale, "metadata.resourceVersion");
    kst_auto_free char *have = kst_asprintf("%lld", (long long)live->version);
    struct kst_json *status = check_name(call, kst_api_text(scale, "metadata.name"));
    if (status)
        return status;
    if (*version && !same(version, have))
        return kst_status_modified(call->resource, call->name);
    struct kst_json *object = kst_api_show(call->resource, live), *changed = NULL;
    status = kst_scale_set(call->resource, object, scale);
    if (status) {
        kst_json_free(object);
        return status;
    }
    struct kst_api_call whole = *call;
    whole.subresource = NULL;
    status = change(self, &whole, live, object, false, &changed);
    if (!status && out)
        *out = kst_scale_of(call->resource, changed);
    kst_json_free(changed);
    return status;
}

/* A Scale that was sent. */
static struct kst_json *read_scale(struct kst_api *self, const struct kst_api_call *call,
                                   struct kst_json *scale)
{
    static const struct kst_resource scales = {.group = "autoscaling",
                                               .version = "v1",
                                               .api_version = "autoscaling/v1",
                                               .stored_as = "autoscaling/v1",
                                               .plural = "scales",
                                               .kind = "Scale"};
    struct kst_api_call about = *call;
    about.resource = &scales;
    return kst_api_read(self, &about, scale);
}

struct kst_json *kst_api_update(struct kst_api *self, const struct kst_api_call *call,
                                struct kst_json *object, bool *created, struct kst_json **out)
{
    kst_auto_object struct kst_object *live = kst_object_ref(
        kst_bucket_get(call->resource->bucket, call->ns, call->name));
    struct kst_json *status = NULL;
    if (created)
        *created = false;
    if (same(call->subresource, "scale")) {
        status = live ? read_scale(self, call, object)
                      : kst_status_not_found(call->resource, call->name);
        if (!status)
            status = update_scale(self, call, live, object, out);
        kst_json_free(object);
        return status;
    }
    const struct kst_api_call stored = about_stored(self, call);
    status = kst_api_read(self, call, object);
    if (!status)
        status = check_place(call, object);
    if (!status)
        status = check_name(call, kst_api_text(object, "metadata.name"));
    bool creates = !live && !call->subresource && put_creates(call->resource);
    if (!status && creates)
        status = check_uid(call, object, "");
    if (!status && creates) {
        if (created)
            *created = true;
        kst_json_remove(kst_json_mut(object, "metadata"), "resourceVersion");
        return kst_api_create(self, call, object, out);
    }
    if (!status && !live)
        status = kst_status_not_found(call->resource, call->name);
    if (!status)
        status = check_preconditions(call, live, object, false);
    if (status) {
        kst_json_free(object);
        return status;
    }
    kst_convert_in(call->resource, object);
    status = change(self, &stored, live, object, false, out);
    if (!status)
        present(call, out);
    return status;
}

/* ---- patch ---- */

static struct kst_json *refuse_patch(int rc, const struct kst_err *err)
{
    const char *message = kst_err_message(err);
    if (rc == KST_E_PARSE)
        return kst_status_bad_request("%s", message);
    if (rc == KST_E_SERVER)
        return kst_status_internal("%s", message);
    if (rc == KST_E_LIMIT)
        return kst_status_failure(413, "RequestEntityTooLarge", "Request entity too large: %s",
                                  message);
    struct kst_json *status = kst_status_failure(422, "Invalid", "%s", message);
    kst_json_set(status, "details", kst_json_object());
    return status;
}

static struct kst_json *unknown_format(bool custom)
{
    return kst_status_failure(415, "UnsupportedMediaType",
                              "the body of the request was in an unknown format - accepted media "
                              "types include: application/json-patch+json, "
                              "application/merge-patch+json, %sapplication/apply-patch+yaml",
                              custom ? "" : "application/strategic-merge-patch+json, ");
}

static struct kst_json *patched(const struct kst_api_call *call, enum kst_api_patch type,
                                const struct kst_json *live, const struct kst_json *patch,
                                struct kst_json **out)
{
    kst_auto_err struct kst_err *err = NULL;
    int rc = 0;
    if (type == KST_API_PATCH_JSON)
        rc = kst_json_patch_apply(live, patch, out, &err);
    else if (type == KST_API_PATCH_MERGE && kst_json_type(patch) == KST_JSON_ARRAY)
        *out = kst_json_dup(patch); /* which is no object, as will be found */
    else if (type == KST_API_PATCH_MERGE && kst_json_type(patch) != KST_JSON_OBJECT)
        return kst_status_internal("Invalid JSON Patch");
    else if (type == KST_API_PATCH_MERGE)
        *out = kst_json_patch_merge(live, patch);
    else
        rc = kst_patch_strategic(call->resource->group, call->resource->kind, live, patch, out,
                                 &err);
    if (rc < 0)
        return refuse_patch(rc, err);
    if (kst_json_type(*out) != KST_JSON_OBJECT && type != KST_API_PATCH_MERGE) {
        kst_json_free(*out);
        *out = NULL;
        return kst_status_bad_request("the patch makes something else than an object");
    }
    return NULL;
}

/* A Scale that a patch has made. */
static struct kst_json *read_patched_scale(struct kst_json *scale)
{
    static const struct kst_resource nothing = {.group = "", .kind = ""};
    const struct kst_go_struct *type = kst_decode_type("autoscaling", "v1", "Scale");
    kst_auto_free char *text = kst_json_text(scale);
    if (kst_decode(type, scale))
        return NULL;
    kst_auto_buf why = KST_BUF_INIT(SCALE_TEXT_BYTES);
    kst_auto_json struct kst_json *causes = kst_json_array();
    kst_decode_explain(type, text, strlen(text), &why);
    kst_cause_invalid(causes, "patch", NULL, text, why.data);
    struct kst_json *status = kst_status_invalid(&nothing, NULL, causes);
    kst_json_remove(kst_json_mut(status, "details"), "kind");
    return status;
}

static struct kst_json *patch_scale(struct kst_api *self, const struct kst_api_call *call,
                                    struct kst_object *live, enum kst_api_patch type,
                                    const struct kst_json *patch, struct kst_json **out)
{
    kst_auto_json struct kst_json *shown = kst_api_show(call->resource, live);
    kst_auto_json struct kst_json *scale = kst_scale_of(call->resource, shown), *new = NULL;
    kst_auto_json struct kst_json *unset = kst_custom_check_scale(call->resource, shown);
    if (unset)
        kst_json_set_int(kst_json_mut(scale, "spec"), "replicas", KST_SCALE_UNSET);
    struct kst_json *status = patched(call, type, scale, patch, &new);
    if (!status)
        status = read_patched_scale(new);
    return status ? status : update_scale(self, call, live, new, out);
}

/* ---- server-side apply ---- */

static struct kst_json *conflict_status(const struct kst_json *conflicts, const struct kst_err *err)
{
    struct kst_json *causes = kst_json_array();
    for (const struct kst_json *c = kst_json_first(conflicts); c; c = kst_json_next(c))
        kst_cause_add(causes, "FieldManagerConflict", kst_json_path_str(c, "field"), "%s",
                      kst_json_path_str(c, "message"));
    struct kst_json *status = kst_status_failure(409, "Conflict", "%s", kst_err_message(err));
    struct kst_json *details = kst_json_object();
    kst_json_set(details, "causes", causes);
    kst_json_set(status, "details", details);
    return status;
}

/* What is wrong with a configuration before it is looked at field by field. */
static struct kst_json *check_applied(const struct kst_api_call *call,
                                      const struct kst_object *live, const struct kst_json *applied)
{
    static const char *const go_names[] = {"nothing", "null",  "bool",  "number",
                                           "string",  "array", "object"};
    const struct kst_resource *resource = call->resource;
    if (kst_json_type(applied) != KST_JSON_OBJECT && kst_json_type(applied) != KST_JSON_NULL)
        return kst_status_bad_request("error decoding YAML: error unmarshaling JSON: while "
                                      "decoding JSON: json: cannot unmarshal %s into Go value of "
                                      "type map[string]interface {}",
                                      go_names[kst_json_type(applied)]);
    const char *version = kst_api_text(applied, "apiVersion");
    const char *kind = kst_api_text(applied, "kind");
    const char *name = kst_api_text(applied, "metadata.name");
    const char *ns = kst_api_text(applied, "metadata.namespace");
    if (!same(version, resource->api_version))
        return kst_status_bad_request("Incorrect version specified in apply patch. Specified patch "
                                      "version: %s, expected: %s",
                                      version, resource->api_version);
    if (!same(kind, resource->kind))
        return kst_status_internal("failed to create typed patch object: no corresponding type for "
                                   "%s%s, Kind=%s",
                                   *resource->group ? "" : "/", version, kind);
    const struct kst_json *metadata = kst_json_get(applied, "metadata");
    if (metadata && kst_json_type(metadata) != KST_JSON_OBJECT) {
        kst_auto_free char *found = kst_json_text(metadata);
        return kst_status_internal("failed to create typed patch object: .metadata: expected map, "
                                   "got &{%.100s}",
                                   kst_json_str(metadata) ? kst_json_str(metadata) : found);
    }
    if (*ns && (resource->flags & KST_RES_NAMESPACED) && !same(ns, call->ns))
        return kst_status_bad_request("the namespace of the object (%s) does not match the "
                                      "namespace on the request (%s)",
                                      ns, call->ns);
    if (*name || !live)
        return check_name(call, name);
    return NULL;
}

static struct kst_json *apply(struct kst_api *self, const struct kst_api_call *call,
                              struct kst_object *live, const struct kst_json *applied, bool force,
                              bool *created, struct kst_json **out)
{
    kst_auto_err struct kst_err *err = NULL;
    kst_auto_json struct kst_json *conflicts = kst_json_array();
    struct kst_json *status = check_applied(call, live, applied);
    if (status)
        return status;
    kst_auto_json struct kst_json *wanted = kst_json_dup(applied), *merged = NULL;
    status = check_place(call, wanted);
    if (status)
        return status;
    kst_json_set_str(kst_json_mut(wanted, "metadata"), "name", call->name);
    kst_convert_in(call->resource, wanted);
    const struct kst_api_call stored = about_stored(self, call);
    call = &stored;
    kst_auto_json struct kst_json *shown = live ? kst_api_show(call->resource, live) : NULL;
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    const struct kst_managed_write write = {.manager = call->manager,
                                            .api_version = call->resource->api_version,
                                            .now = now,
                                            .group = call->resource->group,
                                            .kind = call->resource->kind,
                                            .schema = call->resource->schema};
    int rc = kst_managed_apply(&write, shown, wanted, force, &merged, conflicts, &err);
    if (rc == KST_E_CONFLICT)
        return conflict_status(conflicts, err);
    if (rc < 0)
        return refuse_patch(rc, err);
    status = kst_api_read_applied(call, merged);
    if (!status && live)
        status = check_preconditions(call, live, merged, true);
    if (status)
        return status;
    if (live)
        return change(self, call, live, kst_take(merged), true, out);
    *created = true;
    status = prepare_create(self, call, merged, true);
    return status ? status : kst_api_write(self, call, NULL, kst_take(merged), out);
}

struct kst_json *kst_api_patch(struct kst_api *self, const struct kst_api_call *call,
                               enum kst_api_patch type, const struct kst_json *patch, bool force,
                               bool *created, struct kst_json **out)
{
    bool unused = false;
    created = created ? created : &unused;
    *created = false;
    if (type == KST_API_PATCH_STRATEGIC && is_custom(call->resource))
        return unknown_format(true);
    kst_auto_object struct kst_object *live = kst_object_ref(
        kst_bucket_get(call->resource->bucket, call->ns, call->name));
    if (type == KST_API_PATCH_APPLY && !same(call->subresource, "scale")) {
        struct kst_json *refused = apply(self, call, live, patch, force, created, out);
        if (!refused)
            present(call, out);
        return refused;
    }
    if (!live)
        return kst_status_not_found(call->resource, call->name);
    if (same(call->subresource, "scale"))
        return patch_scale(self, call, live, type, patch, out);
    kst_auto_json struct kst_json *shown = kst_api_show(call->resource, live), *object = NULL;
    struct kst_json *status = patched(call, type, shown, patch, &object);
    if (!status)
        status = kst_api_read_patched(self, call, type == KST_API_PATCH_STRATEGIC ? patch : NULL,
                                      object);
    if (!status)
        status = check_place(call, object);
    if (!status)
        status = check_preconditions(call, live, object, true);
    if (status)
        return status;
    const struct kst_api_call stored = about_stored(self, call);
    kst_convert_in(call->resource, object);
    status = change(self, &stored, live, kst_take(object), false, out);
    if (!status)
        present(call, out);
    return status;
}
