/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery documents, as the real server words them. */
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/registry_internal.h"
#include "sandbox/api/registry_table.h"

enum { MAX_VERSIONS = 64, MAX_GROUPS = 512 };

struct kst_json *kst_registry_core_versions(void)
{
    return kst_json_make("{'kind':'APIVersions','versions':['v1'],"
                         "'serverAddressByClientCIDRs':[]}");
}

/* The served versions of a group in the order of preference, each once. */
static size_t versions_of(const struct kst_registry *self, const char *group,
                          const struct kst_resource **versions)
{
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++) {
        const struct kst_resource *resource = self->resources[i];
        if (!resource->served || strcmp(resource->group, group) != 0)
            continue;
        size_t seen = 0;
        while (seen < count && strcmp(versions[seen]->version, resource->version) != 0)
            seen++;
        if (seen == count && count < MAX_VERSIONS)
            versions[count++] = resource;
    }
    return count;
}

static struct kst_json *group_version(const struct kst_resource *resource)
{
    return kst_json_make("{'groupVersion':%s,'version':%s}", resource->api_version,
                         resource->version);
}

static struct kst_json *group_entry(const struct kst_registry *self, const char *group)
{
    const struct kst_resource *versions[MAX_VERSIONS];
    size_t count = versions_of(self, group, versions);
    if (count == 0)
        return NULL;
    struct kst_json *entry = kst_json_make("{'name':%s,'versions':[]}", group);
    struct kst_json *list = kst_json_mut(entry, "versions");
    for (size_t i = 0; i < count; i++)
        kst_json_push(list, group_version(versions[i]));
    kst_json_set(entry, "preferredVersion", group_version(versions[0]));
    return entry;
}

/* The groups in their order, without the core one. */
static size_t groups_of(const struct kst_registry *self, const char **groups)
{
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++) {
        const struct kst_resource *resource = self->resources[i];
        size_t seen = 0;
        while (seen < count && strcmp(groups[seen], resource->group) != 0)
            seen++;
        if (resource->served && *resource->group && seen == count && count < MAX_GROUPS)
            groups[count++] = resource->group;
    }
    return count;
}

struct kst_json *kst_registry_groups(const struct kst_registry *self)
{
    const char *groups[MAX_GROUPS];
    size_t count = groups_of(self, groups);
    struct kst_json *list = kst_json_make("{'kind':'APIGroupList','apiVersion':'v1','groups':[]}");
    struct kst_json *entries = kst_json_mut(list, "groups");
    for (size_t i = 0; i < count; i++)
        kst_json_push(entries, group_entry(self, groups[i]));
    return list;
}

struct kst_json *kst_registry_group(const struct kst_registry *self, const char *group)
{
    kst_auto_json struct kst_json *entry = *group ? group_entry(self, group) : NULL;
    if (!entry)
        return NULL;
    return kst_json_make("{'kind':'APIGroup','apiVersion':'v1','name':%s,'versions':%J,"
                         "'preferredVersion':%J}",
                         group, kst_json_get(entry, "versions"),
                         kst_json_get(entry, "preferredVersion"));
}

static void push_list(struct kst_json *entry, const char *key, const char *text)
{
    if (!*text)
        return;
    struct kst_json *list = kst_json_ensure_array(entry, key);
    struct kst_str rest = kst_str_of(text), part;
    while (kst_str_split(&rest, ',', &part))
        kst_json_push(list, kst_json_from_strn(part.data, part.len));
}

static const char *verbs_of(const struct kst_resource *resource)
{
    if (resource->flags & KST_RES_CREATE_ONLY)
        return "create";
    if (resource->flags & KST_RES_READ_ONLY)
        return "get,list";
    if (resource->flags & KST_RES_CUSTOM)
        return "delete,deletecollection,get,list,patch,create,update,watch";
    if (resource->flags & KST_RES_NO_COLLECTION)
        return "create,delete,get,list,patch,update,watch";
    return "create,delete,deletecollection,get,list,patch,update,watch";
}

/* Kinds that the real server still stores in their first version. */
static bool is_stored_as_beta(const struct kst_resource *resource)
{
    static const char *const kinds[] = {"CSIDriver",
                                        "CertificateSigningRequest",
                                        "CustomResourceDefinition",
                                        "IngressClass",
                                        "Ingress",
                                        "MutatingWebhookConfiguration",
                                        "ValidatingWebhookConfiguration",
                                        "Lease",
                                        "APIService",
                                        "RuntimeClass"};
    for (size_t i = 0; !(resource->flags & KST_RES_CUSTOM) && i < KST_ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i], resource->kind) == 0)
            return true;
    return false;
}

/* What the real server tells of the version that is stored: eight bytes of a hash of its name. */
static void set_storage_hash(struct kst_json *entry, const struct kst_resource *resource)
{
    if (resource->flags & (KST_RES_CREATE_ONLY | KST_RES_READ_ONLY))
        return;
    const char *version = resource->stored_as, *slash = strchr(version, '/');
    kst_auto_free char *beta = kst_asprintf("%s/v1beta1", resource->group);
    if (is_stored_as_beta(resource))
        version = beta;
    kst_auto_free char *name = kst_asprintf("%s%s/%s", slash ? "" : "/", version, resource->kind);
    unsigned char hash[KST_SHA256_BYTES];
    kst_hash_sha256(name, strlen(name), hash);
    kst_auto_buf text = KST_BUF_INIT(64);
    kst_base64_encode(&text, hash, 8);
    kst_json_set_str(entry, "storageVersionHash", text.data);
}

static struct kst_json *entry_of(const char *name, const char *singular, bool namespaced,
                                 const char *kind, const char *verbs)
{
    struct kst_json *entry = kst_json_make(
        "{'name':%s,'singularName':%s,'namespaced':%b,'kind':%s,'verbs':[]}", name, singular,
        namespaced, kind);
    push_list(entry, "verbs", verbs);
    return entry;
}

static void push_subresource(struct kst_json *list, const struct kst_resource *resource,
                             const char *name, const char *kind, const char *verbs,
                             const char *group, const char *version)
{
    kst_auto_free char *full = strchr(name, '/') ? kst_strdup(name)
                                                 : kst_asprintf("%s/%s", resource->plural, name);
    bool namespaced = resource->flags & KST_RES_NAMESPACED;
    struct kst_json *entry = entry_of(full, "", namespaced, kind, verbs);
    if (group)
        kst_json_set_str(entry, "group", group);
    if (version)
        kst_json_set_str(entry, "version", version);
    kst_json_push(list, entry);
}

static void push_resource(struct kst_json *list, const struct kst_resource *resource)
{
    bool custom = resource->flags & KST_RES_CUSTOM;
    struct kst_json *entry = entry_of(resource->plural, custom ? resource->singular : "",
                                      resource->flags & KST_RES_NAMESPACED, resource->kind,
                                      verbs_of(resource));
    push_list(entry, "shortNames", resource->short_names);
    push_list(entry, "categories", resource->categories);
    set_storage_hash(entry, resource);
    kst_json_push(list, entry);
    for (const struct kst_builtin_subresource *sub = kst_builtin_subresources;
         !custom && sub->group; sub++) {
        size_t len = strlen(resource->plural);
        if (strcmp(sub->group, resource->group) == 0 &&
            strncmp(sub->name, resource->plural, len) == 0 && sub->name[len] == '/')
            push_subresource(list, resource, sub->name, sub->kind, sub->verbs, sub->kind_group,
                             sub->kind_version);
    }
    /* Of built-in resources they come in the order of their names. */
    bool status = resource->flags & KST_RES_STATUS;
    if (custom && status)
        push_subresource(list, resource, "status", resource->kind, "get,patch,update", NULL, NULL);
    if (resource->flags & KST_RES_SCALE)
        push_subresource(list, resource, "scale", "Scale", "get,patch,update", "autoscaling", "v1");
    if (!custom && status)
        push_subresource(list, resource, "status", resource->kind, "get,patch,update", NULL, NULL);
}

struct kst_json *kst_registry_resources(const struct kst_registry *self, const char *group,
                                        const char *version)
{
    kst_auto_json struct kst_json *list = kst_json_array();
    const char *api_version = NULL;
    for (size_t i = 0; i < self->count; i++) {
        const struct kst_resource *resource = self->resources[i];
        if (!resource->served || strcmp(resource->group, group) != 0 ||
            strcmp(resource->version, version) != 0)
            continue;
        api_version = resource->api_version;
        push_resource(list, resource);
    }
    if (!api_version)
        return NULL;
    struct kst_json *document = kst_json_make(
        "{'kind':'APIResourceList','apiVersion':'v1','groupVersion':%s,"
        "'resources':%J}",
        api_version, list);
    if (!*group)
        kst_json_remove(document, "apiVersion"); /* as the real server does for the core group */
    return document;
}

/* ---- aggregated ---- */

/* One resource of the plain list in the words of the aggregated one. */
static struct kst_json *aggregate(const struct kst_json *from, const char *group,
                                  const char *version)
{
    const struct kst_json *own_group = kst_json_get(from, "group");
    struct kst_json *entry = kst_json_make(
        "{'resource':%s,'responseKind':{'group':%s,'version':%s,'kind':%s},'scope':%s,"
        "'singularResource':%s,'verbs':%J}",
        kst_json_str(kst_json_get(from, "name")), own_group ? kst_json_str(own_group) : group,
        own_group ? kst_json_path_str(from, "version") : version, kst_json_path_str(from, "kind"),
        kst_json_path_true(from, "namespaced") ? "Namespaced" : "Cluster",
        kst_json_path_str(from, "singularName"), kst_json_get(from, "verbs"));
    for (int i = 0; i < 2; i++) {
        const char *key = i ? "categories" : "shortNames";
        if (kst_json_get(from, key))
            kst_json_set(entry, key, kst_json_dup(kst_json_get(from, key)));
    }
    return entry;
}

static void push_aggregated(struct kst_json *resources, const struct kst_json *from,
                            const char *group, const char *version)
{
    const char *name = kst_json_path_str(from, "name");
    const char *slash = strchr(name, '/');
    struct kst_json *entry = aggregate(from, group, version);
    if (!slash) {
        kst_json_push(resources, entry);
        return;
    }
    kst_json_set_str(entry, "subresource", slash + 1);
    const char *unused[] = {"resource", "scope", "singularResource"};
    for (size_t i = 0; i < KST_ARRAY_LEN(unused); i++)
        kst_json_remove(entry, unused[i]);
    struct kst_json *parent = kst_json_mut_at(resources, kst_json_len(resources) - 1);
    kst_json_push(kst_json_ensure_array(parent, "subresources"), entry);
}

static struct kst_json *aggregated_group(const struct kst_registry *self, const char *group)
{
    const struct kst_resource *versions[MAX_VERSIONS];
    size_t count = versions_of(self, group, versions);
    struct kst_json *entry = kst_json_make("{'metadata':{},'versions':[]}");
    if (*group)
        kst_json_set_str(kst_json_mut(entry, "metadata"), "name", group);
    for (size_t i = 0; i < count; i++) {
        struct kst_json *version = kst_json_make("{'version':%s,'resources':[]}",
                                                 versions[i]->version);
        kst_auto_json struct kst_json *plain = kst_registry_resources(self, group,
                                                                      versions[i]->version);
        const struct kst_json *list = kst_json_get(plain, "resources");
        for (const struct kst_json *r = kst_json_first(list); r; r = kst_json_next(r))
            push_aggregated(kst_json_mut(version, "resources"), r, group, versions[i]->version);
        kst_json_set_str(version, "freshness", "Current");
        kst_json_push(kst_json_mut(entry, "versions"), version);
    }
    return entry;
}

struct kst_json *kst_registry_aggregated(const struct kst_registry *self, bool core,
                                         const char *version)
{
    kst_auto_free char *api_version = kst_asprintf("apidiscovery.k8s.io/%s", version);
    struct kst_json *list = kst_json_make(
        "{'kind':'APIGroupDiscoveryList','apiVersion':%s,'metadata':{},'items':[]}", api_version);
    struct kst_json *items = kst_json_mut(list, "items");
    const char *groups[MAX_GROUPS];
    size_t count = core ? 1 : groups_of(self, groups);
    for (size_t i = 0; i < count; i++)
        kst_json_push(items, aggregated_group(self, core ? "" : groups[i]));
    return list;
}
