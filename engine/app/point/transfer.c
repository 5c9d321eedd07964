/* SPDX-License-Identifier: Apache-2.0 */
#include "app/point/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/point/point.h"
#include "app/point/store.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "run/journal.h"

enum { FILE_BYTES = 16 << 20 };

static const char last_applied[] = "kubectl.kubernetes.io/last-applied-configuration";

/* ---- restore-point.yaml ---- */

/* Name, labels and annotations; spec and status as they are. */
static struct kst_json *portable(const struct kst_json *point)
{
    struct kst_json *copy = kst_json_make("{'apiVersion':%s,'kind':%s,'metadata':{'name':%s}}",
                                          kst_res_restorepoints.api_version,
                                          kst_res_restorepoints.kind,
                                          kst_json_path_str(point, "metadata.name"));
    struct kst_json *metadata = kst_json_mut(copy, "metadata");
    static const char *const fields[] = {"labels", "annotations"}, *const parts[] = {"spec",
                                                                                     "status"};
    const struct kst_json *from = kst_json_get(point, "metadata");
    for (size_t i = 0; i < KST_ARRAY_LEN(fields); i++) {
        if (kst_json_get(from, fields[i]))
            kst_json_set(metadata, fields[i], kst_json_dup(kst_json_get(from, fields[i])));
    }
    if (kst_json_get(metadata, "annotations"))
        kst_json_remove(kst_json_mut(metadata, "annotations"), last_applied);
    for (size_t i = 0; i < KST_ARRAY_LEN(parts); i++) {
        if (kst_json_get(point, parts[i]))
            kst_json_set(copy, parts[i], kst_json_dup(kst_json_get(point, parts[i])));
    }
    return copy;
}

static int read_file(const char *dir, struct kst_json **out, struct kst_err **err)
{
    kst_auto_free char *path = kst_asprintf("%s/%s", dir, KST_POINT_FILE);
    kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
    kst_auto_json struct kst_json *value = NULL;
    int rc = kst_buf_read_file(&text, path, err);
    if (rc < 0)
        return rc;
    rc = kst_yaml_parse(text.data, text.len, &value, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "%s", path);
    if (!kst_same(kst_json_path_str(value, "apiVersion"), kst_res_restorepoints.api_version) ||
        !kst_same(kst_json_path_str(value, "kind"), kst_res_restorepoints.kind) ||
        !kst_json_path_str(value, "metadata.name") ||
        !kst_json_path_str(value, "spec.application.namespace"))
        return kst_err_set(err, KST_E_PARSE,
                           "%s: a RestorePoint of %s was expected, with metadata.name and "
                           "spec.application.namespace",
                           path, kst_res_restorepoints.api_version);
    if (!kst_same(kst_json_path_str(value, "status.phase"), "Ready"))
        return kst_err_set(err, KST_E_PARSE, "%s: the RestorePoint is not Ready, but %s", path,
                           kst_json_path_str(value, "status.phase")
                               ? kst_json_path_str(value, "status.phase")
                               : "without a phase");
    *out = kst_take(value);
    return 0;
}

/* Where there is one already, it must be of the same point. */
static int compare_file(const char *dir, const struct kst_json *point, bool *there,
                        struct kst_err **err)
{
    kst_auto_json struct kst_json *old = NULL;
    kst_auto_err struct kst_err *cause = NULL;
    int rc = read_file(dir, &old, &cause);
    *there = rc == 0;
    if (rc == KST_E_NOT_FOUND)
        return 0;
    if (rc == 0 && kst_json_equal(kst_json_get(old, "spec"), kst_json_get(point, "spec")) &&
        kst_same(kst_json_path_str(old, "metadata.name"),
                 kst_json_path_str(point, "metadata.name")))
        return 0;
    kst_err_set(err, KST_E_EXISTS, "%s/%s exists already, and is not of RestorePoint %s", dir,
                KST_POINT_FILE, kst_json_path_str(point, "metadata.name"));
    kst_err_hint(err, "name a directory that is empty, or does not exist yet");
    return KST_E_EXISTS;
}

static int io_error(const char *verb, const char *path, struct kst_err **err)
{
    return kst_err_set(err, KST_E_IO, "%s %s: %s", verb, path, strerror(errno));
}

/* Another name first, so that it is never there in part. */
static int write_file(const char *dir, const struct kst_json *value, struct kst_err **err)
{
    kst_auto_free char *path = kst_asprintf("%s/%s", dir, KST_POINT_FILE);
    kst_auto_free char *partial = kst_asprintf("%s/.%s.%d", dir, KST_POINT_FILE, (int)getpid());
    kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
    kst_yaml_print(value, &text);
    int rc = kst_buf_check(&text, path, err);
    if (rc < 0)
        return rc;
    int fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file)
        return io_error("write", partial, err);
    bool good = fwrite(text.data, 1, text.len, file) == text.len && fflush(file) == 0 &&
                fsync(fd) == 0;
    good = fclose(file) == 0 && good;
    if (good && rename(partial, path) == 0)
        return 0;
    rc = io_error("write", path, err);
    unlink(partial);
    return rc;
}

/* ---- save ---- */

int kst_point_save(struct kst_kube *kube, const struct kst_json *point, const char *dir,
                   struct kst_json **index, struct kst_err **err)
{
    struct kst_point_store *files = NULL;
    kst_auto_json struct kst_json *value = portable(point);
    bool there = false;
    int rc = kst_point_store_dir(dir, &files, err);
    if (rc == 0)
        rc = compare_file(dir, value, &there, err);
    if (rc < 0) {
        kst_point_store_free(files);
        return rc;
    }
    struct kst_point_store *secrets = kst_point_store_secrets(kube, point);
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        rc = io_error("make directory", dir, err);
    if (rc == 0 && !there)
        rc = write_file(dir, value, err);
    if (rc == 0)
        rc = kst_point_store_copy(secrets, files, err);
    if (rc == 0)
        rc = kst_archive_verify(kst_point_store_source(files), index, err);
    kst_point_store_free(secrets);
    kst_point_store_free(files);
    return kst_err_wrap(err, rc, "save RestorePoint/%s/%s",
                        kst_json_path_str(point, "metadata.namespace"),
                        kst_json_path_str(point, "metadata.name"));
}

/* ---- load ---- */

/* The archive must be the one that the RestorePoint was made with. */
static int verify(const char *dir, struct kst_point_store *files, const struct kst_json *value,
                  struct kst_err **err)
{
    kst_auto_json struct kst_json *index = NULL;
    int rc = kst_archive_verify(kst_point_store_source(files), &index, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "%s", dir);
    const char *wanted = kst_json_path_str(value, "status.objects.sha256");
    const char *found = kst_json_path_str(index, "objects.sha256");
    if (!kst_same(wanted, found))
        return kst_err_set(err, KST_E_PARSE,
                           "%s: %s is of objects with the checksum %s, but %s holds %s", dir,
                           KST_POINT_FILE, wanted ? wanted : "(none)", KST_ARCHIVE_OBJECTS, found);
    return 0;
}

/* Whether `there` is what `value` describes, complete or not. */
static bool is_same(const struct kst_json *there, const struct kst_json *value)
{
    const char *sum = kst_json_path_str(there, "status.objects.sha256");
    return kst_json_equal(kst_json_get(there, "spec"), kst_json_get(value, "spec")) &&
           !kst_json_path_str(there, "metadata.deletionTimestamp") &&
           (!sum || kst_same(sum, kst_json_path_str(value, "status.objects.sha256")));
}

static int make_point(struct kst_kube *kube, const char *home, const struct kst_json *value,
                      struct kst_json **out, struct kst_err **err)
{
    const char *name = kst_json_path_str(value, "metadata.name");
    kst_auto_json struct kst_json *object = kst_json_dup(value), *there = NULL;
    kst_auto_err struct kst_err *cause = NULL;
    kst_json_remove(object, "status");
    kst_json_set_str(kst_json_mut(object, "metadata"), "namespace", home);
    kst_json_set(kst_json_mut(object, "metadata"), "finalizers",
                 kst_json_make("[%s]", KST_POINT_FINALIZER));
    int rc = kst_kube_create(kube, &kst_res_restorepoints, home, object, false, out, &cause);
    if (rc == KST_E_NOT_FOUND)
        kst_err_hint(&cause, "is Kassette installed in this cluster? kubectl apply -k deploy");
    if (rc != KST_E_EXISTS)
        return rc < 0 ? kst_err_move(err, &cause) : 0;
    rc = kst_kube_get(kube, &kst_res_restorepoints, home, name, &there, err);
    if (rc < 0)
        return rc;
    if (is_same(there, value)) {
        *out = kst_take(there);
        return 0;
    }
    kst_err_set(err, KST_E_EXISTS, "RestorePoint/%s/%s exists already, and is another one", home,
                name);
    kst_err_reason(err, "RestorePointExists");
    kst_err_hint(err, "if it is not needed any more: kassette delete point %s", name);
    return KST_E_EXISTS;
}

/* The status as it was, but that its snapshots are not here. */
static void set_status(struct kst_json *point, const struct kst_json *value)
{
    int64_t generation = kst_json_path_int(point, "metadata.generation", 0);
    kst_json_set(point, "status", kst_json_dup(kst_json_get(value, "status")));
    struct kst_json *status = kst_json_mut(point, "status");
    struct kst_json *rows = kst_json_mut(status, "volumes");
    bool any = kst_json_len(rows) > 0;
    for (size_t i = 0; i < kst_json_len(rows); i++)
        kst_json_set_bool(kst_json_mut_at(rows, i), "elsewhere", true);
    kst_json_set_int(status, "observedGeneration", generation);
    kst_condition_set(status, generation, "SnapshotsPresent", !any, any ? "Loaded" : "NoVolumes",
                      any ? "it was loaded from a directory: the snapshots of its volumes are in "
                            "the cluster where it was made, or are gone"
                          : "it has no volumes");
}

struct completion {
    struct kst_kube *kube;
    const char *home;
    const struct kst_json *value;
    struct kst_json **point;
};

static int complete(void *arg, struct kst_err **err)
{
    const struct completion *self = arg;
    kst_auto_json struct kst_json *now = NULL;
    int rc = kst_kube_get(self->kube, &kst_res_restorepoints, self->home,
                          kst_json_path_str(self->value, "metadata.name"), &now, err);
    if (rc < 0)
        return rc;
    set_status(now, self->value);
    return kst_kube_update(self->kube, &kst_res_restorepoints, self->home, now, "status",
                           self->point, err);
}

static int load(struct kst_kube *kube, const char *home, struct kst_point_store *files,
                const struct kst_json *value, struct kst_json **point, struct kst_err **err)
{
    kst_auto_json struct kst_json *made = NULL;
    struct completion completion = {.kube = kube, .home = home, .value = value, .point = point};
    int rc = make_point(kube, home, value, &made, err);
    if (rc < 0)
        return rc;
    struct kst_point_store *secrets = kst_point_store_secrets(kube, made);
    rc = kst_point_store_copy(files, secrets, err);
    kst_point_store_free(secrets);
    if (rc == 0 && kst_json_path_str(made, "status.phase"))
        *point = kst_take(made); /* it was there */
    else if (rc == 0)
        rc = kst_kube_over_conflicts(complete, &completion, err);
    return kst_err_wrap(err, rc, "load RestorePoint/%s/%s", home,
                        kst_json_path_str(value, "metadata.name"));
}

int kst_point_load(struct kst_kube *kube, const char *home, const char *dir,
                   struct kst_json **point, struct kst_err **err)
{
    struct kst_point_store *files = NULL;
    kst_auto_json struct kst_json *value = NULL;
    int rc = read_file(dir, &value, err);
    if (rc == 0)
        rc = kst_point_store_dir(dir, &files, err);
    if (rc == 0)
        rc = verify(dir, files, value, err);
    if (rc == 0)
        rc = load(kube, home, files, value, point, err);
    kst_point_store_free(files);
    return rc;
}
