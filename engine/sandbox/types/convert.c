/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/types/convert.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/registry.h"

static void rename_key(struct kst_json *object, const char *from, const char *to)
{
    struct kst_json *value = kst_json_detach(object, from);
    if (value)
        kst_json_set(object, to, value);
}

/* ---- Events: the same fields under other names ---- */

static const struct {
    const char *stored, *shown;
} event_fields[] = {
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"reportingComponent", "reportingController"},
    {"source", "deprecatedSource"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"count", "deprecatedCount"},
};

static void event_in(struct kst_json *object)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(event_fields); i++)
        rename_key(object, event_fields[i].shown, event_fields[i].stored);
}

static void event_out(struct kst_json *object)
{
    static const char *const omitted_empty[] = {"reportingController", "reportingInstance"};
    for (size_t i = 0; i < KST_ARRAY_LEN(event_fields); i++)
        rename_key(object, event_fields[i].stored, event_fields[i].shown);
    for (size_t i = 0; i < KST_ARRAY_LEN(omitted_empty); i++) {
        const char *text = kst_json_path_str(object, omitted_empty[i]);
        if (text && !*text)
            kst_json_remove(object, omitted_empty[i]);
    }
}

/* ---- CustomResourceDefinitions: what holds for every version stood at the top ---- */

static const struct {
    const char *top, *each;
} crd_parts[] = {
    {"validation", "schema"},
    {"subresources", "subresources"},
    {"additionalPrinterColumns", "additionalPrinterColumns"},
};

static void rename_in_columns(struct kst_json *columns, const char *from, const char *to)
{
    for (size_t i = 0; i < kst_json_len(columns); i++)
        rename_key(kst_json_mut_at(columns, i), from, to);
}

static void rename_in_versions(struct kst_json *versions, const char *from, const char *to)
{
    for (size_t i = 0; i < kst_json_len(versions); i++)
        rename_in_columns(kst_json_mut(kst_json_mut_at(versions, i), "additionalPrinterColumns"),
                          from, to);
}

/* A v1beta1 needs no schema, and one that has none keeps every field. */
static void ensure_schema(struct kst_json *version)
{
    if (!kst_json_get(version, "schema"))
        kst_json_set(version, "schema",
                     kst_json_make("{'openAPIV3Schema':{'type':'object',"
                                   "'x-kubernetes-preserve-unknown-fields':true}}"));
}

static void webhook_in(struct kst_json *conversion)
{
    struct kst_json *client = kst_json_detach(conversion, "webhookClientConfig");
    struct kst_json *reviews = kst_json_detach(conversion, "conversionReviewVersions");
    if (client)
        kst_json_set(kst_json_ensure_object(conversion, "webhook"), "clientConfig", client);
    if (reviews)
        kst_json_set(kst_json_ensure_object(conversion, "webhook"), "conversionReviewVersions",
                     reviews);
}

/* Anything else is left to the validation to refuse. */
static bool are_objects(const struct kst_json *list)
{
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e))
        if (kst_json_type(e) != KST_JSON_OBJECT)
            return false;
    return !list || kst_json_type(list) == KST_JSON_ARRAY;
}

static void crd_in(struct kst_json *object)
{
    struct kst_json *spec = kst_json_mut(object, "spec");
    if (kst_json_type(spec) != KST_JSON_OBJECT || !are_objects(kst_json_get(spec, "versions")))
        return;
    kst_auto_json struct kst_json *name = kst_json_detach(spec, "version");
    if (kst_json_len(kst_json_get(spec, "versions")) == 0 && name)
        kst_json_set(spec, "versions",
                     kst_json_make("[{'name':%J,'served':true,'storage':true}]", name));
    struct kst_json *versions = kst_json_mut(spec, "versions");
    for (size_t part = 0; part < KST_ARRAY_LEN(crd_parts); part++) {
        kst_auto_json struct kst_json *top = kst_json_detach(spec, crd_parts[part].top);
        for (size_t i = 0; top && i < kst_json_len(versions); i++) {
            struct kst_json *version = kst_json_mut_at(versions, i);
            if (!kst_json_get(version, crd_parts[part].each))
                kst_json_set(version, crd_parts[part].each, kst_json_dup(top));
        }
    }
    for (size_t i = 0; i < kst_json_len(versions); i++)
        ensure_schema(kst_json_mut_at(versions, i));
    rename_in_versions(versions, "JSONPath", "jsonPath");
    webhook_in(kst_json_mut(spec, "conversion"));
}

/* What all versions have in common is shown at the top. */
static void hoist(struct kst_json *spec, struct kst_json *versions, const char *each,
                  const char *top)
{
    size_t count = kst_json_len(versions);
    const struct kst_json *first = kst_json_get(kst_json_at(versions, 0), each);
    for (size_t i = 1; i < count; i++)
        if (!kst_json_equal(first, kst_json_get(kst_json_at(versions, i), each)))
            return;
    if (first)
        kst_json_set(spec, top, kst_json_dup(first));
    for (size_t i = 0; i < count; i++)
        kst_json_remove(kst_json_mut_at(versions, i), each);
}

static void crd_out(struct kst_json *object)
{
    struct kst_json *spec = kst_json_mut(object, "spec");
    struct kst_json *versions = kst_json_mut(spec, "versions");
    const char *first = kst_json_path_str(kst_json_at(versions, 0), "name");
    if (first)
        kst_json_set_str(spec, "version", first);
    rename_in_versions(versions, "jsonPath", "JSONPath");
    for (size_t i = 0; i < KST_ARRAY_LEN(crd_parts); i++)
        hoist(spec, versions, crd_parts[i].each, crd_parts[i].top);
    struct kst_json *conversion = kst_json_mut(spec, "conversion");
    kst_auto_json struct kst_json *webhook = kst_json_detach(conversion, "webhook");
    struct kst_json *client = kst_json_detach(webhook, "clientConfig");
    struct kst_json *reviews = kst_json_detach(webhook, "conversionReviewVersions");
    if (client)
        kst_json_set(conversion, "webhookClientConfig", client);
    if (reviews)
        kst_json_set(conversion, "conversionReviewVersions", reviews);
}

/* ---- which ---- */

static bool is_event(const struct kst_resource *resource)
{
    return strcmp(resource->group, "events.k8s.io") == 0;
}

void kst_convert_in(const struct kst_resource *resource, struct kst_json *object)
{
    if (!(resource->flags & KST_RES_OTHER_FORM) || kst_json_type(object) != KST_JSON_OBJECT)
        return;
    if (is_event(resource))
        event_in(object);
    else
        crd_in(object);
    if (kst_json_get(object, "apiVersion"))
        kst_json_set_str(object, "apiVersion", resource->stored_as);
}

void kst_convert_out(const struct kst_resource *resource, struct kst_json *object)
{
    if (resource->flags & KST_RES_OTHER_FORM) {
        if (is_event(resource))
            event_out(object);
        else
            crd_out(object);
    }
    kst_json_set_str(object, "apiVersion", resource->api_version);
}
