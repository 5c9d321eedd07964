/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/load.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "lua/embedded.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/registry.h"
#include "sandbox/api/status.h"
#include "sandbox/api/store.h"

enum { FILE_BYTES = 64 * 1024 * 1024 };

static const char manager[] = "kassette-sandbox";

static int make_namespace(struct kst_api *api, const char *ns, struct kst_err **err)
{
    if (kst_api_find(api, "/namespaces", "", ns))
        return 0;
    const struct kst_api_call call = kst_api_call_for(api, "/namespaces", "", NULL, manager);
    kst_auto_json struct kst_json *status = kst_api_create(
        api, &call,
        kst_json_make("{'apiVersion':'v1','kind':'Namespace','metadata':{'name':%s}}", ns), NULL);
    return status
               ? kst_err_set(err, KST_E_INVALID, "Namespace/%s: %s", ns, kst_status_message(status))
               : 0;
}

static void keep_status(struct kst_api *api, struct kst_api_call call, const struct kst_json *made,
                        const struct kst_json *object)
{
    const struct kst_json *status = kst_json_get(object, "status");
    if (!status || !(call.resource->flags & KST_RES_STATUS))
        return;
    struct kst_json *changed = kst_json_dup(made);
    kst_json_set(changed, "status", kst_json_dup(status));
    call.subresource = "status";
    call.name = kst_api_text(made, "metadata.name");
    kst_json_free(kst_api_update(api, &call, changed, NULL, NULL));
}

/* What `kubectl apply` compares the next manifest with. */
static void note_applied(struct kst_json *object, const char *ns)
{
    static const char key[] = "kubectl.kubernetes.io/last-applied-configuration";
    struct kst_json *metadata = kst_json_ensure_object(object, "metadata");
    if (*ns)
        kst_json_set_str(metadata, "namespace", ns);
    struct kst_json *annotations = kst_json_ensure_object(metadata, "annotations");
    kst_json_remove(annotations, key);
    kst_auto_free char *text = kst_json_text(object);
    kst_auto_free char *line = kst_asprintf("%s\n", text);
    kst_json_set_str(annotations, key, line);
}

/* What is there already, as what comes with the cluster is, gets the manifest's state. `wanted` is
 * taken. */
static struct kst_json *put(struct kst_api *api, struct kst_api_call call, struct kst_json *wanted,
                            struct kst_json **made)
{
    const char *name = kst_api_text(wanted, "metadata.name");
    const struct kst_object *live = kst_bucket_get(call.resource->bucket, call.ns, name);
    if (!live)
        return kst_api_create(api, &call, wanted, made);
    kst_auto_free char *version = kst_asprintf("%lld", (long long)live->version);
    kst_auto_free char *copy = kst_strdup(name);
    kst_json_set_str(kst_json_mut(wanted, "metadata"), "resourceVersion", version);
    call.name = copy;
    return kst_api_update(api, &call, wanted, NULL, made);
}

static int load_object(struct kst_api *api, const struct kst_json *object, const char *source,
                       size_t *count, struct kst_err **err)
{
    const char *api_version = kst_api_text(object, "apiVersion");
    const char *kind = kst_api_text(object, "kind"), *name = kst_api_text(object, "metadata.name");
    const char *ns = kst_api_text(object, "metadata.namespace");
    if (strcmp(kind, "List") == 0)
        return kst_load_documents(api, kst_json_get(object, "items"), source, count, err);
    const struct kst_resource *resource = kst_registry_find_kind(kst_api_registry(api), api_version,
                                                                 kind);
    if (!resource) {
        kst_err_set(err, KST_E_INVALID, "%s: %s/%s: no resource of kind \"%s\" in version \"%s\"",
                    source, kind, name, kind, api_version);
        kst_err_hint(err, "load its CustomResourceDefinition before it");
        return KST_E_INVALID;
    }
    bool namespaced = resource->flags & KST_RES_NAMESPACED;
    if (namespaced && !*ns)
        ns = "default";
    int rc = namespaced ? make_namespace(api, ns, err) : 0;
    if (rc < 0)
        return rc;
    const struct kst_api_call call = {
        .resource = resource, .ns = namespaced ? ns : "", .manager = manager};
    kst_auto_json struct kst_json *made = NULL;
    /* What the server makes itself is not what a manifest may bring along. */
    struct kst_json *wanted = kst_json_dup(object);
    static const char *const removed[] = {"resourceVersion", "uid", "managedFields"};
    for (size_t i = 0; i < KST_ARRAY_LEN(removed); i++)
        kst_json_remove(kst_json_ensure_object(wanted, "metadata"), removed[i]);
    note_applied(wanted, call.ns);
    kst_auto_json struct kst_json *status = put(api, call, wanted, &made);
    if (status)
        return kst_err_set(err, KST_E_INVALID, "%s: %s/%s: %s", source, kind, name,
                           kst_status_message(status));
    keep_status(api, call, made, object);
    (*count)++;
    return 0;
}

int kst_load_documents(struct kst_api *api, const struct kst_json *documents, const char *source,
                       size_t *count, struct kst_err **err)
{
    for (const struct kst_json *d = kst_json_first(documents); d; d = kst_json_next(d)) {
        if (kst_json_type(d) == KST_JSON_NULL)
            continue;
        if (kst_json_type(d) != KST_JSON_OBJECT)
            return kst_err_set(err, KST_E_INVALID, "%s: expected an object, found a %s", source,
                               kst_json_type_name(kst_json_type(d)));
        int rc = load_object(api, d, source, count, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int load_text(struct kst_api *api, const char *text, size_t len, const char *source,
                     size_t *count, struct kst_err **err)
{
    kst_auto_json struct kst_json *documents = NULL;
    int rc = kst_yaml_parse_all(text, len, &documents, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "%s", source);
    return kst_load_documents(api, documents, source, count, err);
}

static int load_file(struct kst_api *api, const char *path, size_t *count, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
    int rc = kst_buf_read_file(&text, path, err);
    return rc < 0 ? rc : load_text(api, text.data, text.len, path, count, err);
}

static int is_manifest(const struct dirent *entry)
{
    const struct kst_str name = kst_str_of(entry->d_name);
    return kst_str_has_suffix(name, ".yaml") || kst_str_has_suffix(name, ".yml") ||
           kst_str_has_suffix(name, ".json");
}

int kst_load_path(struct kst_api *api, const char *path, size_t *count, struct kst_err **err)
{
    struct stat info;
    struct dirent **entries = NULL;
    if (stat(path, &info) != 0)
        return kst_err_set(err, KST_E_NOT_FOUND, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return load_file(api, path, count, err);
    int found = scandir(path, &entries, is_manifest, alphasort);
    int rc = found < 0 ? kst_err_set(err, KST_E_IO, "%s: %s", path, strerror(errno)) : 0;
    for (int i = 0; i < found; i++) {
        kst_auto_free char *file = kst_asprintf("%s/%s", path, entries[i]->d_name);
        if (rc == 0)
            rc = load_file(api, file, count, err);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

/* They are sorted by path, which puts definitions before what they define. */
static int load_embedded(struct kst_api *api, bool every_cluster, struct kst_err **err)
{
    size_t count = 0;
    int rc = 0;
    for (size_t i = 0; i < kst_embedded_count && rc == 0; i++) {
        const struct kst_embedded_file *file = &kst_embedded[i];
        bool of_every = kst_str_has_prefix(kst_str_of(file->path), "engine/sandbox/bootstrap/");
        if (of_every == every_cluster && kst_str_has_suffix(kst_str_of(file->path), ".yaml"))
            rc = load_text(api, (const char *)file->data, file->size, file->path, &count, err);
    }
    return rc;
}

int kst_load_bootstrap(struct kst_api *api, struct kst_err **err)
{
    return load_embedded(api, true, err);
}

int kst_load_builtin(struct kst_api *api, struct kst_err **err)
{
    return load_embedded(api, false, err);
}
