/* SPDX-License-Identifier: Apache-2.0 */
/* Writing. */
#include "app/point/archive.h"

#include <assert.h>
#include <string.h>

#include "app/capture/order.h"
#include "app/point/archive_internal.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/zstd.h"
#include "kube/resource.h"

/* A member on its way to the sink. */
struct member {
    const char *name;
    struct kst_buf packed; /* less than a part between two calls */
    struct kst_sha256 *sum;
    int64_t count, bytes, packed_bytes;
    unsigned parts;
};

struct kst_archive_writer {
    const struct kst_archive_sink *sink;
    struct kst_json *head;
    struct member objects;
    struct kst_buf lines; /* of the frame that is open */
    int64_t line_count;
    struct kst_json *frames, *kinds, *excluded;
    struct kst_json *last_kind; /* borrowed, in `kinds` */
    struct kst_json *last;      /* what the order goes by, of the object added last */
};

static void member_init(struct member *self, const char *name)
{
    *self = (struct member){.name = name, .sum = kst_sha256_new()};
    kst_buf_init(&self->packed, KST_ARCHIVE_PART_BYTES + KST_ARCHIVE_FRAME_PACKED_MOST);
}

static void member_release(struct member *self)
{
    kst_buf_release(&self->packed);
    kst_sha256_free(self->sum);
}

static int put_part(const struct kst_archive_sink *sink, struct member *self, size_t len,
                    struct kst_err **err)
{
    int rc = sink->put(sink->arg, self->name, self->parts, self->packed.data, len, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "write part %u of %s", self->parts, self->name);
    kst_buf_drop(&self->packed, len);
    self->parts++;
    return 0;
}

/* Adds one frame, and puts the parts that are full; *packed_len is the frame's, `sha256` its
 * checksum. */
static int add_frame(const struct kst_archive_sink *sink, struct member *self,
                     struct kst_str content, int64_t *packed_len,
                     char sha256[KST_SHA256_DIGITS + 1], struct kst_err **err)
{
    size_t begin = self->packed.len;
    int rc = kst_zstd_compress(&self->packed, content.data, content.len, err);
    if (rc < 0)
        return kst_err_wrap(err, rc, "write %s", self->name);
    const char *frame = self->packed.data + begin;
    size_t len = self->packed.len - begin;
    kst_sha256_add(self->sum, frame, len);
    kst_hash_sha256_hex(frame, len, sha256);
    *packed_len = (int64_t)len;
    self->bytes += (int64_t)content.len;
    self->packed_bytes += (int64_t)len;
    while (rc == 0 && self->packed.len >= KST_ARCHIVE_PART_BYTES)
        rc = put_part(sink, self, KST_ARCHIVE_PART_BYTES, err);
    return rc;
}

/* Puts the last part; *row says of the member what the index holds. */
static int finish_member(const struct kst_archive_sink *sink, struct member *self,
                         struct kst_json **row, struct kst_err **err)
{
    int rc = self->packed.len > 0 ? put_part(sink, self, self->packed.len, err) : 0;
    if (rc < 0)
        return rc;
    char sha256[KST_SHA256_DIGITS + 1];
    kst_sha256_hex(self->sum, sha256);
    *row = kst_json_make("{'count':%L,'bytes':%L,'compressedBytes':%L,'parts':%d,'sha256':%s}",
                         self->count, self->bytes, self->packed_bytes, (int)self->parts, sha256);
    return 0;
}

struct kst_archive_writer *kst_archive_writer_new(const struct kst_archive_sink *sink,
                                                  const struct kst_json *head)
{
    struct kst_archive_writer *self = kst_calloc(1, sizeof(*self));
    self->sink = sink;
    self->head = kst_json_dup(head);
    member_init(&self->objects, KST_ARCHIVE_OBJECTS);
    kst_buf_init(&self->lines, KST_ARCHIVE_FRAME_MOST);
    self->frames = kst_json_array();
    self->kinds = kst_json_array();
    self->excluded = kst_json_object();
    return self;
}

void kst_archive_writer_free(struct kst_archive_writer *self)
{
    if (!self)
        return;
    kst_json_free(self->head);
    member_release(&self->objects);
    kst_buf_release(&self->lines);
    kst_json_free(self->frames);
    kst_json_free(self->kinds);
    kst_json_free(self->excluded);
    kst_json_free(self->last);
    free(self);
}

static int close_frame(struct kst_archive_writer *self, struct kst_err **err)
{
    int64_t offset = self->objects.packed_bytes, packed_len = 0;
    char sha256[KST_SHA256_DIGITS + 1];
    int rc = add_frame(self->sink, &self->objects, kst_str_buf(&self->lines), &packed_len, sha256,
                       err);
    if (rc < 0)
        return rc;
    kst_json_push(self->frames,
                  kst_json_make("{'offset':%L,'bytes':%L,'rawBytes':%L,'count':%L,'sha256':%s}",
                                offset, packed_len, (int64_t)self->lines.len, self->line_count,
                                sha256));
    self->line_count = 0;
    kst_buf_clear(&self->lines);
    return 0;
}

/* By what the object says of itself, which is what a reader has. */
static void count_kind(struct kst_archive_writer *self, const struct kst_kube_resource *resource,
                       const struct kst_json *object)
{
    struct kst_json *row = self->last_kind;
    const char *api_version = kst_json_path_str(object, "apiVersion");
    const char *kind = kst_json_path_str(object, "kind");
    if (!row || strcmp(kst_json_path_str(row, "apiVersion"), api_version) != 0 ||
        strcmp(kst_json_path_str(row, "kind"), kind) != 0) {
        row = kst_json_make("{'apiVersion':%s,'kind':%s,'plural':%s,'singular':%s,'shortNames':[],"
                            "'namespaced':%b,'count':0}",
                            api_version, kind, resource->plural, resource->singular,
                            resource->namespaced);
        struct kst_json *names = kst_json_mut(row, "shortNames");
        for (const char *const *name = resource->short_names; name && *name; name++)
            kst_json_push(names, kst_json_from_str(*name));
        kst_json_push(self->kinds, row);
        self->last_kind = row;
    }
    kst_json_set_int(row, "count", kst_json_path_int(row, "count", 0) + 1);
}

/* "Kind/namespace/name". */
static char *describe(const struct kst_json *object)
{
    const char *ns = kst_json_path_str(object, "metadata.namespace");
    return kst_asprintf("%s/%s%s%s", kst_json_path_str(object, "kind"), ns ? ns : "", ns ? "/" : "",
                        kst_json_path_str(object, "metadata.name"));
}

/* Appends the object's line, or says why not and leaves what was there. */
static int add_line(struct kst_archive_writer *self, const struct kst_json *object,
                    struct kst_err **err)
{
    size_t begin = self->lines.len;
    kst_json_print(object, KST_JSON_COMPACT, &self->lines);
    if (!self->lines.overflown && self->lines.len - begin <= KST_ARCHIVE_OBJECT_BYTES)
        return kst_buf_addc(&self->lines, '\n');
    self->lines.overflown = false;
    kst_buf_truncate(&self->lines, begin);
    kst_auto_free char *what = describe(object);
    return kst_err_set(err, KST_E_LIMIT, "%s is larger than %d MiB, the most that an archive takes",
                       what, KST_ARCHIVE_OBJECT_BYTES >> 20);
}

/* What no object of a server lacks, and no reader could do without. */
static int check_names(const struct kst_kube_resource *resource, const struct kst_json *object,
                       struct kst_err **err)
{
    static const char *const paths[] = {"apiVersion", "kind", "metadata.name"};
    for (size_t i = 0; i < KST_ARRAY_LEN(paths); i++) {
        if (!kst_json_path_str(object, paths[i]))
            return kst_err_set(err, KST_E_INVALID,
                               "the API server listed an object of %s without %s", resource->plural,
                               paths[i]);
    }
    return 0;
}

/* An order that is wrong is a bug of ours; an object that comes twice is the server's. */
static int check_order(const struct kst_archive_writer *self, const struct kst_json *object,
                       struct kst_err **err)
{
    int order = self->last ? kst_order_compare(self->last, object) : -1;
    assert(order <= 0);
    if (order < 0)
        return 0;
    kst_auto_free char *what = describe(object);
    return kst_err_set(err, KST_E_EXISTS, "%s came twice: the API server listed it again", what);
}

static void remember(struct kst_archive_writer *self, const struct kst_json *object)
{
    kst_json_free(self->last);
    self->last = kst_json_make("{'apiVersion':%s,'kind':%s,'metadata':{'namespace':%s,'name':%s}}",
                               kst_json_path_str(object, "apiVersion"),
                               kst_json_path_str(object, "kind"),
                               kst_json_path_str(object, "metadata.namespace"),
                               kst_json_path_str(object, "metadata.name"));
}

int kst_archive_add(struct kst_archive_writer *self, const struct kst_kube_resource *resource,
                    const struct kst_json *object, struct kst_err **err)
{
    int rc = check_names(resource, object, err);
    if (rc == 0)
        rc = check_order(self, object, err);
    if (rc == 0)
        rc = add_line(self, object, err);
    if (rc < 0)
        return rc;
    remember(self, object);
    count_kind(self, resource, object);
    self->objects.count++;
    self->line_count++;
    return self->lines.len >= KST_ARCHIVE_FRAME_BYTES ? close_frame(self, err) : 0;
}

void kst_archive_count_left_out(struct kst_archive_writer *self, const char *reason)
{
    int64_t count = 0;
    kst_json_int(kst_json_get(self->excluded, reason), &count);
    kst_json_set_int(self->excluded, reason, count + 1);
}

static int write_blueprints(struct kst_archive_writer *self, const struct kst_json *files,
                            struct kst_json **row, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(KST_ARCHIVE_BLUEPRINTS_MOST);
    kst_json_print(files, KST_JSON_COMPACT, &text);
    kst_buf_addc(&text, '\n');
    int rc = kst_buf_check(&text, "the text of all blueprints", err);
    if (rc < 0)
        return rc;
    struct member member;
    member_init(&member, KST_ARCHIVE_BLUEPRINTS);
    member.count = (int64_t)kst_json_len(files);
    int64_t packed_len = 0;
    char sha256[KST_SHA256_DIGITS + 1];
    rc = add_frame(self->sink, &member, kst_str_buf(&text), &packed_len, sha256, err);
    if (rc == 0)
        rc = finish_member(self->sink, &member, row, err);
    member_release(&member);
    return rc;
}

/* {format, …head, …more, objects, blueprints, kinds, excluded, frames}: what the caller says does
 * not take the place of what was counted. */
static struct kst_json *make_index(struct kst_archive_writer *self, const struct kst_json *more,
                                   struct kst_json *objects, struct kst_json *blueprints)
{
    struct kst_json *index = kst_json_make("{'format':%d}", KST_ARCHIVE_FORMAT);
    for (const struct kst_json *field = kst_json_first(self->head); field;
         field = kst_json_next(field))
        kst_json_set(index, kst_json_key(field), kst_json_dup(field));
    for (const struct kst_json *field = kst_json_first(more); field; field = kst_json_next(field))
        kst_json_set(index, kst_json_key(field), kst_json_dup(field));
    kst_json_set_int(index, "format", KST_ARCHIVE_FORMAT);
    kst_json_set(index, "objects", objects);
    if (blueprints)
        kst_json_set(index, "blueprints", blueprints);
    kst_json_set(index, "kinds", kst_json_dup(self->kinds));
    kst_json_set(index, "excluded", kst_json_dup(self->excluded));
    kst_json_set(index, "frames", kst_json_dup(self->frames));
    kst_json_remove(index, "sha256"); /* it stands at the end */
    return index;
}

static int write_index(struct kst_archive_writer *self, struct kst_json *index,
                       struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(KST_ARCHIVE_INDEX_MOST);
    char sha256[KST_SHA256_DIGITS + 1] = "";
    kst_json_print(index, KST_JSON_COMPACT, &text);
    if (text.len > 0) {
        kst_buf_truncate(&text, text.len - 1); /* the brace */
        kst_hash_sha256_hex(text.data, text.len, sha256);
        kst_json_set_str(index, "sha256", sha256);
    }
    kst_buf_addf(&text, "%s%s%s", KST_ARCHIVE_SEAL, sha256, KST_ARCHIVE_SEAL_END);
    int rc = kst_buf_check(&text, KST_ARCHIVE_INDEX, err);
    unsigned part = 0;
    for (size_t at = 0; rc == 0 && at < text.len; at += KST_ARCHIVE_PART_BYTES, part++) {
        size_t left = text.len - at;
        rc = self->sink->put(self->sink->arg, KST_ARCHIVE_INDEX, part, text.data + at,
                             left < KST_ARCHIVE_PART_BYTES ? left : KST_ARCHIVE_PART_BYTES, err);
        kst_err_wrap(err, rc, "write part %u of %s", part, KST_ARCHIVE_INDEX);
    }
    return rc;
}

int kst_archive_finish(struct kst_archive_writer *self, const struct kst_json *blueprints,
                       const struct kst_json *more, struct kst_json **index, struct kst_err **err)
{
    /* An archive without objects has an empty frame, so that every member can be read. */
    bool open = self->lines.len > 0 || self->objects.bytes == 0;
    struct kst_json *objects = NULL, *files = NULL;
    int rc = open ? close_frame(self, err) : 0;
    if (rc == 0)
        rc = finish_member(self->sink, &self->objects, &objects, err);
    if (rc == 0 && blueprints)
        rc = write_blueprints(self, blueprints, &files, err);
    if (rc < 0) {
        kst_json_free(objects);
        return rc;
    }
    kst_auto_json struct kst_json *made = make_index(self, more, objects, files);
    rc = write_index(self, made, err);
    if (rc == 0 && index)
        *index = kst_take(made);
    return rc;
}
