/* SPDX-License-Identifier: Apache-2.0 */
#include "run/bundle.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "git/source.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "lua/embedded.h"
#include "run/journal.h"
#include "run/run.h"

enum { STORE_BYTES = 900 * 1000, FILE_BYTES = 1024 * 1024 };

static const char builtin[] = "builtin:";
static const char generic[] = "generic/blueprint.lua";

struct kst_bundle {
    struct kst_source *source; /* the repository's, or NULL where `stored` or the built-in is it */
    struct kst_source *embedded; /* what is compiled in */
    struct kst_json *files;      /* path -> text, of everything that was read, or was stored */
    bool fixed;  /* the files are a predecessor's, or a restore point's: nothing else is asked */
    bool stored; /* they are in the cluster */
};

static char *store_name(const struct kst_run *run)
{
    kst_auto_free char *full = kst_asprintf("%s-blueprints", run->name);
    return kst_name_make(full, 253);
}

/* A ConfigMap's keys may not hold '/': paths are values of one JSON text. */
static const char store_key[] = "files.json";

static int read_store(struct kst_bundle *self, struct kst_run *run, struct kst_err **err)
{
    kst_auto_free char *name = store_name(run);
    kst_auto_json struct kst_json *object = NULL;
    int rc = kst_kube_get(run->kube, &kst_res_configmaps, run->home, name, &object, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        return 0;
    }
    if (rc < 0)
        return rc;
    const char *text = kst_json_str(kst_json_get(kst_json_get(object, "data"), store_key));
    if (!text)
        return kst_err_set(err, KST_E_INVALID, "ConfigMap/%s/%s has no %s", run->home, name,
                           store_key);
    struct kst_json *files = NULL;
    rc = kst_json_parse(text, strlen(text), &files, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "ConfigMap/%s/%s", run->home, name);
    kst_json_free(self->files);
    self->files = files;
    self->fixed = self->stored = true;
    return 0;
}

static int credentials(struct kst_run *run, const struct kst_json *spec,
                       struct kst_source_credentials *out, struct kst_err **err)
{
    const char *secret = kst_json_path_str(spec, "secretName");
    if (!secret)
        return 0;
    kst_auto_json struct kst_json *object = NULL;
    int rc = kst_kube_get(run->kube, &kst_res_secrets, run->home, secret, &object, err);
    if (rc == 0)
        rc = kst_source_credentials_from_secret(kst_json_get(object, "data"), out, err);
    return rc < 0 ? kst_err_wrap(err, rc, "credentials of the source (spec.source.secretName)") : 0;
}

static int open_repository(struct kst_bundle *self, struct kst_run *run,
                           const struct kst_json *spec, struct kst_err **err)
{
    kst_auto_source_credentials keys = {0};
    int rc = credentials(run, spec, &keys, err);
    if (rc < 0)
        return rc;
    const struct kst_json *status = kst_json_path(kst_journal_object(run->journal),
                                                  "status.source");
    const struct kst_source_spec source = {
        .url = kst_json_path_str(spec, "url"),
        .ref = kst_json_path_str(spec, "ref"),
        .path = kst_json_path_str(spec, "path"),
        .commit = kst_json_path_str(status, "commit"),
        .credentials = &keys,
    };
    rc = kst_source_open(run->loop, &source, run->cache_dir, &self->source, err);
    if (rc < 0)
        return rc; /* it names the source */
    struct kst_json *row = kst_json_make("{'url':%s,'ref':%s,'path':%s,'commit':%s}",
                                         kst_source_url(self->source), source.ref, source.path,
                                         kst_source_commit(self->source));
    kst_json_set(kst_journal_status(run->journal), "source", row);
    return 0;
}

int kst_bundle_open(struct kst_run *run, struct kst_bundle **out, struct kst_err **err)
{
    struct kst_bundle *self = kst_calloc(1, sizeof(*self));
    self->files = kst_json_object();
    self->embedded = kst_source_open_table((const struct kst_source_file *)kst_embedded,
                                           kst_embedded_count, "blueprints");
    const struct kst_json *spec = kst_json_get(kst_journal_spec(run->journal), "source");
    const char *dir = kst_json_path_str(spec, "directory");
    /* A Run that does not exist yet has no predecessor. */
    bool exists = kst_json_path_str(kst_journal_object(run->journal), "metadata.uid") != NULL;
    int rc = exists ? read_store(self, run, err) : 0;
    if (rc == 0 && !self->stored && dir)
        rc = kst_source_open_dir(dir, 0, &self->source, err);
    else if (rc == 0 && !self->stored && kst_json_path_str(spec, "url"))
        rc = open_repository(self, run, spec, err);
    if (rc == 0 && !self->stored && !self->source)
        kst_json_set(kst_journal_status(run->journal), "source",
                     kst_json_make("{'builtin':%s}", KST_VERSION));
    if (rc < 0) {
        kst_bundle_free(self);
        return rc;
    }
    *out = self;
    return 0;
}

void kst_bundle_free(struct kst_bundle *self)
{
    if (!self)
        return;
    kst_source_free(self->source);
    kst_source_free(self->embedded);
    kst_json_free(self->files);
    free(self);
}

/* The paths of blueprints among the stored files. */
static struct kst_json *stored_list(const struct kst_bundle *self)
{
    struct kst_json *paths = kst_json_array();
    for (const struct kst_json *file = kst_json_first(self->files); file;
         file = kst_json_next(file)) {
        if (kst_str_has_suffix(kst_str_of(kst_json_key(file)), "/blueprint.lua"))
            kst_json_push(paths, kst_json_from_str(kst_json_key(file)));
    }
    return paths;
}

void kst_bundle_replace(struct kst_bundle *self, struct kst_json *files)
{
    if (self->stored) {
        kst_json_free(files);
        return;
    }
    kst_json_free(self->files);
    self->files = files;
    self->fixed = true;
}

int kst_bundle_list(struct kst_bundle *self, struct kst_json **paths, struct kst_err **err)
{
    if (self->fixed) {
        *paths = stored_list(self);
        return 0;
    }
    struct kst_source *source = self->source ? self->source : self->embedded;
    int rc = kst_source_list(source, KST_SOURCE_BLUEPRINTS, paths, err);
    if (rc < 0)
        return rc;
    bool has_generic = false;
    for (const struct kst_json *path = kst_json_first(*paths); path; path = kst_json_next(path))
        has_generic = has_generic || strcmp(kst_json_str(path), generic) == 0;
    if (self->source && kst_json_len(*paths) == 0) {
        kst_json_free(*paths);
        *paths = NULL;
        kst_err_set(err, KST_E_NOT_FOUND, "source %s holds no blueprint (no %s below its root)",
                    kst_source_url(self->source), KST_SOURCE_BLUEPRINTS);
        kst_err_hint(err, "is the path inside the repository right (spec.source.path, --path)?");
        return KST_E_NOT_FOUND;
    }
    if (!has_generic) {
        kst_auto_free char *path = kst_asprintf("%s%s", builtin, generic);
        kst_json_push(*paths, kst_json_from_str(path));
    }
    return 0;
}

static int read_source(struct kst_bundle *self, const char *path, struct kst_buf *text,
                       struct kst_err **err)
{
    if (kst_str_has_prefix(kst_str_of(path), builtin))
        return kst_source_read(self->embedded, path + sizeof(builtin) - 1, text, err);
    return kst_source_read(self->source ? self->source : self->embedded, path, text, err);
}

int kst_bundle_read(void *arg, const char *path, struct kst_buf *text, struct kst_err **err)
{
    struct kst_bundle *self = arg;
    const struct kst_json *known = kst_json_get(self->files, path);
    if (known) {
        kst_buf_adds(text, kst_json_str(known));
        return kst_buf_check(text, path, err);
    }
    if (self->fixed)
        return kst_err_set(err, KST_E_NOT_FOUND,
                           "%s is not among the files that this run began with", path);
    kst_auto_buf fresh = KST_BUF_INIT(FILE_BYTES);
    int rc = read_source(self, path, &fresh, err);
    if (rc < 0)
        return rc;
    kst_json_set(self->files, path, kst_json_from_strn(fresh.data, fresh.len));
    kst_buf_add(text, fresh.data, fresh.len);
    return kst_buf_check(text, path, err);
}

const struct kst_json *kst_bundle_files(const struct kst_bundle *self)
{
    return self ? self->files : NULL;
}

int kst_bundle_store(struct kst_bundle *self, struct kst_run *run, struct kst_err **err)
{
    if (self->stored)
        return 0;
    kst_auto_free char *name = store_name(run), *text = kst_json_text(self->files);
    if (strlen(text) > STORE_BYTES) {
        kst_err_set(err, KST_E_LIMIT,
                    "the blueprints are %zu bytes together; a run keeps at most %d", strlen(text),
                    STORE_BYTES);
        kst_err_hint(err, "keep only blueprints and their modules below the source's path");
        return KST_E_LIMIT;
    }
    kst_auto_json struct kst_json *labels = kst_run_labels(run, "blueprints");
    kst_auto_json struct kst_json *owner = kst_run_owner(run);
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':%s,'namespace':%s,'labels':%J,"
        "'ownerReferences':[%J]},'immutable':true,'data':{%s:%s}}",
        name, run->home, labels, owner, store_key, text);
    int rc = kst_kube_create(run->kube, &kst_res_configmaps, run->home, object, true, NULL, err);
    if (rc == 0)
        self->fixed = self->stored = true;
    return rc < 0 ? kst_err_wrap(err, rc, "keep the blueprints of the run") : 0;
}
