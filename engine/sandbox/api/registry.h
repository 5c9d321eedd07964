/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the embedded cluster serves: built-in resources (those of Kubernetes 1.20, and the newer
 * versions that manifests of today use) and what CustomResourceDefinitions add. Discovery is made
 * of it. https://kubernetes.io/docs/concepts/overview/kubernetes-api/
 */
#ifndef KST_SANDBOX_API_REGISTRY_H
#define KST_SANDBOX_API_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>

struct kst_bucket;
struct kst_json;
struct kst_registry;
struct kst_store;

enum kst_resource_flags {
    KST_RES_NAMESPACED = 1,
    KST_RES_STATUS = 2,         /* a status subresource */
    KST_RES_SCALE = 4,          /* a scale subresource */
    KST_RES_GENERATION = 8,     /* counts changes of what is not status in metadata.generation */
    KST_RES_CREATE_ONLY = 16,   /* a question that is answered, never stored */
    KST_RES_NO_COLLECTION = 32, /* cannot be deleted as a collection */
    KST_RES_SHOWS_DELETED = 64, /* a deletion answers with the object */
    KST_RES_CUSTOM = 128,
    KST_RES_READ_ONLY = 256,  /* get and list alone */
    KST_RES_OTHER_FORM = 512, /* not the form in which it is stored: see convert.h */
};

/* One resource in one version. Lives as long as the registry, also after its definition is gone. */
struct kst_resource {
    const char *group, *version, *api_version, *plural, *singular, *kind, *list_kind;
    const char *short_names, *categories; /* separated by commas, "" for none */
    unsigned flags;
    struct kst_bucket *bucket; /* shared by all versions */
    const char *stored_as;     /* the apiVersion in which it is kept */
    bool served;               /* false once it is not served any more */
    /* Of a custom resource, borrowed from its definition; NULL where there is none. */
    const struct kst_json *schema, *stored_schema, *columns, *scale;
    struct kst_json *definition;
    const char *definition_name;
};

/* What is built in, with its buckets in the store, which must outlive it. */
struct kst_registry *kst_registry_new(struct kst_store *store);
/* NULL is allowed. */
void kst_registry_free(struct kst_registry *self);

/* NULL where it is not served. */
const struct kst_resource *kst_registry_find(const struct kst_registry *self, const char *group,
                                             const char *version, const char *plural);
const struct kst_resource *kst_registry_find_kind(const struct kst_registry *self,
                                                  const char *api_version, const char *kind);
/* The resource in the version in which it is stored. */
const struct kst_resource *kst_registry_stored(const struct kst_registry *self,
                                               const struct kst_resource *resource);
/* Whether a group has resources that are built in. */
bool kst_registry_is_builtin(const struct kst_registry *self, const char *group);
/* Each resource in turn, also those that are not served; NULL at the end. */
const struct kst_resource *kst_registry_at(const struct kst_registry *self, size_t index);
/* The preferred version of what lies in a bucket; NULL where it is not served any more. */
const struct kst_resource *kst_registry_of_bucket(const struct kst_registry *self,
                                                  const struct kst_bucket *bucket);

/* Serves what a CustomResourceDefinition (apiextensions.k8s.io/v1, established) describes, in the
 * place of what it described before. */
void kst_registry_define(struct kst_registry *self, const struct kst_json *definition);
/* Serves it no more. */
void kst_registry_undefine(struct kst_registry *self, const char *definition_name);

/* Discovery documents; the caller owns them. NULL for a group (and version) that is not served. */
struct kst_json *kst_registry_core_versions(void);
struct kst_json *kst_registry_groups(const struct kst_registry *self);
struct kst_json *kst_registry_group(const struct kst_registry *self, const char *group);
struct kst_json *kst_registry_resources(const struct kst_registry *self, const char *group,
                                        const char *version);
/* Aggregated discovery (apidiscovery.k8s.io/v2 or v2beta1), of the core group or all others. */
struct kst_json *kst_registry_aggregated(const struct kst_registry *self, bool core,
                                         const char *version);

#endif
