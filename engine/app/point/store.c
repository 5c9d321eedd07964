/* SPDX-License-Identifier: Apache-2.0 */
#include "app/point/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"

enum { CACHE_BYTES = 16 << 20 };

static const char secret_type[] = "kassette.io/restore-point";
static const char point_label[] = "kassette.io/restore-point";

/* The index is the last one: where it is, all is. */
static const struct {
    const char *file, *label;
} members[] = {
    {KST_ARCHIVE_OBJECTS, "objects"},
    {KST_ARCHIVE_BLUEPRINTS, "blueprints"},
    {KST_ARCHIVE_INDEX, "index"},
};

/* A part that was read from the cluster. */
struct cached {
    struct cached *next;
    const char *label;
    unsigned part;
    struct kst_buf data;
};

struct kst_point_store {
    struct kst_archive_sink sink;
    struct kst_archive_source source;
    int (*clear)(struct kst_point_store *self, struct kst_err **err);
    /* Secrets. What was read first stays: who reads an archive twice begins at its start. */
    struct kst_kube *kube;
    char *ns, *point, *uid;
    struct cached *cache;
    size_t cache_bytes;
    /* A directory. */
    char *dir;
};

static const char *label_of(const char *member)
{
    size_t at = 0;
    while (strcmp(members[at].file, member) != 0)
        at++;
    return members[at].label;
}

/* ---- Secrets ---- */

static char *secret_name(const struct kst_point_store *self, const char *member, unsigned part)
{
    return kst_asprintf("%s-%s-%05u", self->point, label_of(member), part);
}

static struct cached *find_cached(const struct kst_point_store *self, const char *label,
                                  unsigned part)
{
    for (struct cached *entry = self->cache; entry; entry = entry->next) {
        if (entry->part == part && strcmp(entry->label, label) == 0)
            return entry;
    }
    return NULL;
}

static void drop_cache(struct kst_point_store *self)
{
    while (self->cache) {
        struct cached *entry = self->cache;
        self->cache = entry->next;
        kst_buf_release(&entry->data);
        free(entry);
    }
    self->cache_bytes = 0;
}

static void keep(struct kst_point_store *self, const char *label, unsigned part,
                 struct kst_str data)
{
    if (data.len > CACHE_BYTES - self->cache_bytes || find_cached(self, label, part))
        return;
    struct cached *entry = kst_calloc(1, sizeof(*entry));
    *entry = (struct cached){.next = self->cache, .label = label, .part = part};
    kst_buf_init(&entry->data, data.len);
    kst_buf_add(&entry->data, data.data, data.len);
    self->cache = entry;
    self->cache_bytes += data.len;
}

/* Appends what the Secret holds. */
static int secret_content(const struct kst_json *secret, const char *member, struct kst_buf *out,
                          struct kst_err **err)
{
    kst_auto_free char *what = kst_kube_describe(secret);
    const char *text = kst_json_str(kst_json_get(kst_json_get(secret, "data"), member));
    if (!text)
        return kst_err_set(err, KST_E_PARSE, "%s has no %s", what, member);
    int rc = kst_base64_decode(out, kst_str_of(text), false);
    if (rc == KST_E_PARSE)
        return kst_err_set(err, rc, "%s: %s is not base64", what, member);
    return kst_buf_check(out, what, err);
}

static int get_secret(void *arg, const char *member, unsigned part, struct kst_buf *out,
                      struct kst_err **err)
{
    struct kst_point_store *self = arg;
    const char *label = label_of(member);
    const struct cached *entry = find_cached(self, label, part);
    if (entry) {
        kst_buf_add(out, entry->data.data, entry->data.len);
        return kst_buf_check(out, member, err);
    }
    kst_auto_free char *name = secret_name(self, member, part);
    kst_auto_json struct kst_json *secret = NULL;
    size_t begin = out->len;
    int rc = kst_kube_get(self->kube, &kst_res_secrets, self->ns, name, &secret, err);
    if (rc == 0)
        rc = secret_content(secret, member, out, err);
    if (rc == 0)
        keep(self, label, part, (struct kst_str){out->data + begin, out->len - begin});
    return rc;
}

static int secret_object(const struct kst_point_store *self, const char *member, unsigned part,
                         struct kst_str data, struct kst_json **out, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(KST_ARCHIVE_PART_BYTES / 3 * 4 + 4);
    kst_base64_encode(&text, data.data, data.len);
    int rc = kst_buf_check(&text, member, err);
    if (rc < 0)
        return rc;
    kst_auto_free char *name = secret_name(self, member, part);
    kst_auto_free char *number = kst_asprintf("%05u", part);
    *out = kst_json_make(
        "{'apiVersion':'v1','kind':'Secret','metadata':{'name':%s,'namespace':%s,"
        "'labels':{%s:%s,'kassette.io/member':%s,'kassette.io/part':%s},"
        "'ownerReferences':[{'apiVersion':%s,'kind':%s,'name':%s,'uid':%s,'controller':false}]},"
        "'type':%s,'immutable':true,'data':{%s:%s}}",
        name, self->ns, point_label, self->point, label_of(member), number,
        kst_res_restorepoints.api_version, kst_res_restorepoints.kind, self->point, self->uid,
        secret_type, member, text.data);
    return 0;
}

/* After "already exists": 0 where it is ours and the same. *again where it was left by a point of
 * this name that is no more, and is gone now. */
static int settle_secret(struct kst_point_store *self, const struct kst_json *wanted,
                         const char *member, bool *again, struct kst_err **err)
{
    const char *name = kst_json_path_str(wanted, "metadata.name");
    kst_auto_json struct kst_json *there = NULL;
    int rc = kst_kube_get(self->kube, &kst_res_secrets, self->ns, name, &there, err);
    *again = rc == KST_E_NOT_FOUND;
    if (rc == KST_E_NOT_FOUND)
        kst_err_clear(err);
    if (rc < 0)
        return *again ? 0 : rc;
    const char *type = kst_json_path_str(there, "type");
    const char *owner = kst_json_path_str(there, "metadata.ownerReferences.0.uid");
    if (type && owner && strcmp(type, secret_type) == 0 && strcmp(owner, self->uid) != 0) {
        const struct kst_kube_delete_options options = {
            .grace_seconds = -1, .uid = kst_json_path_str(there, "metadata.uid")};
        rc = kst_kube_delete(self->kube, &kst_res_secrets, self->ns, name, &options, err);
        *again = rc == 0 || rc == KST_E_NOT_FOUND;
        if (*again)
            kst_err_clear(err);
        return *again ? 0 : rc;
    }
    if (kst_json_equal(kst_json_get(kst_json_get(there, "data"), member),
                       kst_json_get(kst_json_get(wanted, "data"), member)) &&
        type && strcmp(type, secret_type) == 0)
        return 0;
    kst_err_set(err, KST_E_EXISTS, "Secret/%s/%s exists already, with other content", self->ns,
                name);
    kst_err_hint(err, "delete it if no restore point needs it: kubectl -n %s delete secret %s",
                 self->ns, name);
    return KST_E_EXISTS;
}

static int try_secret(struct kst_point_store *self, const struct kst_json *secret,
                      const char *member, bool *again, struct kst_err **err)
{
    kst_auto_err struct kst_err *cause = NULL;
    *again = false;
    int rc = kst_kube_create(self->kube, &kst_res_secrets, self->ns, secret, false, NULL, &cause);
    if (rc == KST_E_EXISTS)
        return settle_secret(self, secret, member, again, err);
    return rc < 0 ? kst_err_move(err, &cause) : 0;
}

static int put_secret(void *arg, const char *member, unsigned part, const void *data, size_t len,
                      struct kst_err **err)
{
    enum { TRIES = 3 };
    struct kst_point_store *self = arg;
    kst_auto_json struct kst_json *secret = NULL;
    int rc = secret_object(self, member, part, (struct kst_str){data, len}, &secret, err);
    bool again = true;
    drop_cache(self);
    for (int i = 0; rc == 0 && again && i < TRIES; i++)
        rc = try_secret(self, secret, member, &again, err);
    if (rc == 0 && again)
        rc = kst_err_set(err, KST_E_EXISTS,
                         "Secret/%s/%s of an earlier restore point does not go away", self->ns,
                         kst_json_path_str(secret, "metadata.name"));
    return rc;
}

static int clear_secrets(struct kst_point_store *self, struct kst_err **err)
{
    drop_cache(self);
    kst_auto_free char *selector = kst_asprintf("%s=%s", point_label, self->point);
    const struct kst_kube_list_options options = {.label_selector = selector,
                                                  .metadata_only = true};
    kst_auto_json struct kst_json *items = NULL;
    int rc = kst_kube_list(self->kube, &kst_res_secrets, self->ns, &options, &items, NULL, err);
    for (const struct kst_json *item = kst_json_first(items); item && rc == 0;
         item = kst_json_next(item)) {
        rc = kst_kube_delete(self->kube, &kst_res_secrets, self->ns,
                             kst_json_path_str(item, "metadata.name"), NULL, err);
        if (rc == KST_E_NOT_FOUND) {
            kst_err_clear(err);
            rc = 0;
        }
    }
    return rc;
}

struct kst_point_store *kst_point_store_secrets(struct kst_kube *kube, const struct kst_json *point)
{
    struct kst_point_store *self = kst_calloc(1, sizeof(*self));
    self->sink = (struct kst_archive_sink){put_secret, self};
    self->source = (struct kst_archive_source){get_secret, self};
    self->clear = clear_secrets;
    self->kube = kube;
    self->ns = kst_strdup(kst_json_path_str(point, "metadata.namespace"));
    self->point = kst_strdup(kst_json_path_str(point, "metadata.name"));
    self->uid = kst_strdup(kst_json_path_str(point, "metadata.uid"));
    return self;
}

/* ---- a directory ---- */

static int io_error(const char *verb, const char *path, struct kst_err **err)
{
    return kst_err_set(err, KST_E_IO, "%s %s: %s", verb, path, strerror(errno));
}

/* Opens a member's file: *fd is -1 where it is absent and not to be made. */
static int open_member(const struct kst_point_store *self, const char *member, int flags, int *fd,
                       char **path, struct kst_err **err)
{
    *path = kst_asprintf("%s/%s", self->dir, member);
    *fd = open(*path, flags | O_CLOEXEC, 0600); /* there are Secrets in it */
    if (*fd < 0 && (errno != ENOENT || (flags & O_CREAT)))
        return io_error("open", *path, err);
    return 0;
}

/* Appends up to a part from `offset` on. */
static int read_at(int fd, const char *path, off_t offset, struct kst_buf *out,
                   struct kst_err **err)
{
    size_t left = KST_ARCHIVE_PART_BYTES;
    while (left > 0) {
        char piece[16 * 1024];
        ssize_t got = pread(fd, piece, left < sizeof(piece) ? left : sizeof(piece), offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return io_error("read", path, err);
        if (got == 0)
            break;
        kst_buf_add(out, piece, (size_t)got);
        offset += got;
        left -= (size_t)got;
    }
    return kst_buf_check(out, path, err);
}

static int get_file(void *arg, const char *member, unsigned part, struct kst_buf *out,
                    struct kst_err **err)
{
    struct kst_point_store *self = arg;
    kst_auto_free char *path = NULL;
    int fd = -1;
    int rc = open_member(self, member, O_RDONLY, &fd, &path, err);
    if (rc < 0)
        return rc;
    size_t begin = out->len;
    if (fd >= 0) {
        rc = read_at(fd, path, (off_t)part * KST_ARCHIVE_PART_BYTES, out, err);
        close(fd);
    }
    if (rc == 0 && out->len == begin)
        return kst_err_set(err, KST_E_NOT_FOUND, "%s %s", path, fd < 0 ? "is not there" : "ends");
    return rc;
}

static int write_at(int fd, const char *path, off_t offset, struct kst_str data,
                    struct kst_err **err)
{
    while (data.len > 0) {
        ssize_t put = pwrite(fd, data.data, data.len, offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return io_error("write", path, err);
        data.data += put;
        data.len -= (size_t)put;
        offset += put;
    }
    return fsync(fd) < 0 ? io_error("write", path, err) : 0;
}

/* What is there already must be the beginning of `data`; the rest is written. */
static int put_file(void *arg, const char *member, unsigned part, const void *data, size_t len,
                    struct kst_err **err)
{
    struct kst_point_store *self = arg;
    kst_auto_free char *path = NULL;
    kst_auto_buf there = KST_BUF_INIT(KST_ARCHIVE_PART_BYTES);
    int fd = -1;
    off_t offset = (off_t)part * KST_ARCHIVE_PART_BYTES;
    if (mkdir(self->dir, 0700) < 0 && errno != EEXIST)
        return io_error("make directory", self->dir, err);
    int rc = open_member(self, member, O_RDWR | O_CREAT, &fd, &path, err);
    if (rc == 0)
        rc = read_at(fd, path, offset, &there, err);
    if (rc == 0 && (there.len > len || memcmp(there.data, data, there.len) != 0)) {
        rc = kst_err_set(err, KST_E_EXISTS, "%s exists already, with other content", path);
        kst_err_hint(err, "name a directory that is empty, or does not exist yet");
    }
    if (rc == 0)
        rc = write_at(fd, path, offset + (off_t)there.len,
                      (struct kst_str){(const char *)data + there.len, len - there.len}, err);
    if (fd >= 0)
        close(fd);
    return rc;
}

static int clear_dir(struct kst_point_store *self, struct kst_err **err)
{
    for (size_t i = KST_ARRAY_LEN(members); i-- > 0;) {
        kst_auto_free char *path = kst_asprintf("%s/%s", self->dir, members[i].file);
        if (unlink(path) < 0 && errno != ENOENT)
            return io_error("remove", path, err);
    }
    return 0;
}

int kst_point_store_dir(const char *path, struct kst_point_store **out, struct kst_err **err)
{
    struct stat info;
    bool there = stat(path, &info) == 0;
    if (!there && errno != ENOENT)
        return io_error("open", path, err);
    if (there && !S_ISDIR(info.st_mode))
        return kst_err_set(err, KST_E_IO, "%s: a directory was expected, found a file", path);
    struct kst_point_store *self = kst_calloc(1, sizeof(*self));
    self->sink = (struct kst_archive_sink){put_file, self};
    self->source = (struct kst_archive_source){get_file, self};
    self->clear = clear_dir;
    self->dir = kst_strdup(path);
    *out = self;
    return 0;
}

/* ---- both ---- */

void kst_point_store_free(struct kst_point_store *self)
{
    if (!self)
        return;
    drop_cache(self);
    free(self->ns);
    free(self->point);
    free(self->uid);
    free(self->dir);
    free(self);
}

const struct kst_archive_sink *kst_point_store_sink(struct kst_point_store *self)
{
    return &self->sink;
}

const struct kst_archive_source *kst_point_store_source(struct kst_point_store *self)
{
    return &self->source;
}

int kst_point_store_clear(struct kst_point_store *self, struct kst_err **err)
{
    return self->clear(self, err);
}

static int copy_member(struct kst_point_store *from, struct kst_point_store *to, const char *member,
                       bool needed, struct kst_err **err)
{
    for (unsigned part = 0;; part++) {
        kst_auto_buf data = KST_BUF_INIT(KST_ARCHIVE_PART_BYTES);
        kst_auto_err struct kst_err *cause = NULL;
        int rc = from->source.get(from->source.arg, member, part, &data, &cause);
        if (rc == KST_E_NOT_FOUND && (part > 0 || !needed))
            return 0;
        if (rc < 0)
            return kst_err_move(err, &cause);
        rc = to->sink.put(to->sink.arg, member, part, data.data, data.len, err);
        if (rc < 0)
            return rc;
    }
}

int kst_point_store_copy(struct kst_point_store *from, struct kst_point_store *to,
                         struct kst_err **err)
{
    int rc = 0;
    for (size_t i = 0; i < KST_ARRAY_LEN(members) && rc == 0; i++)
        rc = copy_member(from, to, members[i].file,
                         strcmp(members[i].file, KST_ARCHIVE_BLUEPRINTS) != 0, err);
    return rc;
}
